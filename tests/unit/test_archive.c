/* test_archive.c - what archives hold: made here by the usual programs (tests that lack theirs say
 * so), and by hand where no program would make them. PKWARE APPNOTE 4.3, RFC 1952. */
#include "message/archive.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "message/mime.h"
#include "test.h"

#define BIT(defect) MW_DEFECT_BIT(MW_DEFECT_ARCHIVE_##defect)

static uint64_t defects;
static bool is_encrypted;

/* "0 name 12|1 name ?*": depth, name, octets, "*" for encrypted. */
static void show(struct mw_slice octets, bool is_whole, struct mw_buf *out)
{
    struct mw_arena arena = {0};
    struct mw_archive archive;
    struct mw_archive_limits limits = mw_archive_defaults;
    limits.time_max_us = 5000000; /* sanitizers are slow; time has its own tests */
    mw_archive_read(octets, is_whole, &limits, &arena, &archive);
    out->len = 0;
    for (size_t i = 0; i < archive.member_count; i++) {
        const struct mw_content_member *member = archive.members[i];
        mw_buf_putf(out, "%s%u %.*s ", i > 0 ? "|" : "", member->depth, (int)member->name.len,
                    member->name.ptr);
        if (member->octets == UINT64_MAX)
            mw_buf_putc(out, '?');
        else
            mw_buf_putf(out, "%" PRIu64, member->octets);
        if (member->is_encrypted)
            mw_buf_putc(out, '*');
    }
    defects = archive.defects;
    is_encrypted = archive.is_encrypted;
    mw_arena_fini(&arena);
}

/* ---- by hand ---- */

static void put_number(struct mw_buf *out, uint64_t value, size_t len)
{
    for (; len > 0; len--, value >>= 8)
        mw_buf_putc(out, (char)(value & 0xff));
}

struct file {
    const char *name, *local_name; /* NULL: not in the directory; not among the local headers */
    unsigned flags, method;
    uint64_t octets;
    struct mw_slice data, extra;
};

static void put_common(struct mw_buf *out, const struct file *file, const char *name)
{
    put_number(out, 20, 2);
    put_number(out, file->flags, 2);
    put_number(out, file->method, 2);
    put_number(out, 0, 8); /* time, date, CRC */
    put_number(out, file->data.len, 4);
    put_number(out, file->octets > 0 ? file->octets : file->data.len, 4);
    put_number(out, strlen(name), 2);
    put_number(out, file->extra.len, 2);
}

static void put_zip(struct mw_buf *out, const struct file *files, size_t count)
{
    struct mw_buf directory = {0};
    size_t lines = 0;
    for (size_t i = 0; i < count; i++) {
        const struct file *file = &files[i];
        size_t offset = out->len;
        if (file->local_name != NULL) {
            mw_buf_put(out, MW_LIT("PK\3\4"));
            put_common(out, file, file->local_name);
            mw_buf_put(out, mw_slice_cstr(file->local_name));
            mw_buf_put(out, file->extra);
            mw_buf_put(out, file->data);
        }
        if (file->name == NULL)
            continue;
        lines++;
        mw_buf_put(&directory, MW_LIT("PK\1\2\x14\0"));
        put_common(&directory, file, file->name);
        put_number(&directory, 0, 10); /* comment, disk, attributes */
        put_number(&directory, offset, 4);
        mw_buf_put(&directory, mw_slice_cstr(file->name));
        mw_buf_put(&directory, file->extra);
    }
    size_t start = out->len;
    mw_buf_put(out, mw_buf_view(&directory));
    mw_buf_put(out, MW_LIT("PK\5\6\0\0\0\0"));
    put_number(out, lines, 2);
    put_number(out, lines, 2);
    put_number(out, directory.len, 4);
    put_number(out, start, 4);
    put_number(out, 0, 2);
    mw_buf_fini(&directory);
}

static void show_zip(const struct file *files, size_t count, struct mw_buf *out)
{
    struct mw_buf zip = {0};
    put_zip(&zip, files, count);
    show(mw_buf_view(&zip), true, out);
    mw_buf_fini(&zip);
}

static const struct zip_case {
    const char *what;
    struct file files[3];
    size_t count;
    const char *want;
    uint64_t defects;
} zips[] = {
    {"plain",
     {{"a.txt", "a.txt", .data = {"hello", 5}}, {"b/c", "b/c", .flags = 0}},
     2,
     "0 a.txt 5|0 b/c 0",
     0},
    {"empty", {{.flags = 0}}, 0, "", 0},
    {"another name in the local header",
     {{"a.txt", "a.exe", .data = {"x", 1}}},
     1,
     "0 a.txt 1|0 a.exe 1",
     BIT(BAD)},
    {"a file that the directory hides",
     {{"a.txt", "a.txt", .data = {"x", 1}}, {NULL, "b.exe", .data = {"y", 1}}},
     2,
     "0 a.txt 1|0 b.exe 1",
     BIT(BAD)},
    {"a file that is not there",
     {{"b", "b", .flags = 0}, {"a.txt", NULL, .flags = 0}},
     2,
     "0 b 0|0 a.txt 0",
     BIT(BAD)},
    {"encrypted",
     {{"a", "a", .flags = 1, .data = {"x", 1}}, {"b", "b", .flags = 0}},
     2,
     "0 a 1*|0 b 0",
     BIT(ENCRYPTED)},
    {"AES",
     {{"a", "a", .method = 99, .data = {"x", 1}, .extra = MW_LIT("\1\x99\7\0\2\0AE\3\0\0")}},
     1,
     "0 a 1*",
     BIT(ENCRYPTED)},
    {"a name in CP437", {{"\x81.exe", "\x81.exe", .flags = 0}}, 1, "0 \xc3\xbc.exe 0", 0},
    {"a name in UTF-8", {{"\xc3\xbc", "\xc3\xbc", .flags = 0x800}}, 1, "0 \xc3\xbc 0", 0},
    {"a Unicode name beside an innocent one",
     {{"a.txt", "a.txt", .extra = MW_LIT("\x75\x70\x0a\0\1\0\0\0\0a.exe")}},
     1,
     "0 a.txt 0|0 a.exe 0",
     BIT(BAD)},
    {"numbers of 64 bits",
     {{"a", "a", .octets = 0xffffffff, .data = {"x", 1},
       .extra = MW_LIT("\1\0\x08\0\0\0\0\0\1\0\0\0")}},
     1,
     "0 a 4294967296",
     BIT(RATIO)},
    {"a claim out of proportion",
     {{"a", "a", .octets = 2000000, .data = {"x", 1}}},
     1,
     "0 a 2000000",
     BIT(RATIO)},
};

TEST(zips_are_read_by_directory_and_local_headers)
{
    struct mw_buf got = {0};
    for (size_t i = 0; i < sizeof zips / sizeof *zips; i++) {
        show_zip(zips[i].files, zips[i].count, &got);
        if (!mw_slice_eq(mw_buf_view(&got), mw_slice_cstr(zips[i].want)))
            mw_test_fail(__FILE__, __LINE__, "%s: {%.*s}, want {%s}", zips[i].what, (int)got.len,
                         got.ptr, zips[i].want);
        if (defects != zips[i].defects)
            mw_test_fail(__FILE__, __LINE__, "%s: defects %" PRIx64 ", want %" PRIx64, zips[i].what,
                         defects, zips[i].defects);
    }
    mw_buf_fini(&got);
}

TEST(a_zip_without_its_end_is_read_by_its_local_headers)
{
    static const struct file files[] = {{"a.txt", "a.txt", .data = {"hello", 5}},
                                        {"b.exe", "b.exe", .data = {"MZ", 2}}};
    struct mw_buf zip = {0}, got = {0};
    put_zip(&zip, files, 2);
    show(mw_slice_take(mw_buf_view(&zip), 80), true, &got);
    CHECK_SLICE(mw_buf_view(&got), "0 a.txt 5|0 b.exe 2");
    CHECK(defects == BIT(BAD));
    show(mw_slice_take(mw_buf_view(&zip), 80), false, &got); /* that it is cut is known */
    CHECK_SLICE(mw_buf_view(&got), "0 a.txt 5|0 b.exe 2");
    CHECK(defects == 0);
    mw_buf_fini(&zip);
    mw_buf_fini(&got);
}

TEST(of_two_zips_in_a_row_both_are_read)
{
    static const struct file first[] = {{"a.exe", "a.exe", .flags = 0}},
                             second[] = {{"b.txt", "b.txt", .flags = 0}};
    struct mw_buf zip = {0}, other = {0}, got = {0};
    put_zip(&zip, first, 1);
    put_zip(&other, second, 1);
    mw_buf_put(&zip, mw_buf_view(&other));
    show(mw_buf_view(&zip), true, &got);
    CHECK_SLICE(mw_buf_view(&got), "0 b.txt 0|0 a.exe 0");
    CHECK(defects == BIT(BAD));
    mw_buf_fini(&zip);
    mw_buf_fini(&other);
    mw_buf_fini(&got);
}

/* A picture in front: most programs look for a zip from its end. */
TEST(a_zip_behind_something_else_is_read)
{
    static const struct file files[] = {{"a.exe", "a.exe", .flags = 0}};
    struct mw_buf zip = {0}, inner = {0}, outer = {0}, got = {0};
    put_zip(&zip, files, 1);
    mw_buf_put(&inner, MW_LIT("GIF89a"));
    mw_buf_put(&inner, mw_buf_view(&zip));
    show(mw_buf_view(&inner), true, &got);
    CHECK_SLICE(mw_buf_view(&got), "0 a.exe 0");
    CHECK(defects == BIT(BAD));
    struct file middle[] = {{"b.zip", "b.zip", .data = mw_buf_view(&inner)}};
    put_zip(&outer, middle, 1);
    show(mw_buf_view(&outer), true, &got);
    CHECK(memmem(got.ptr, got.len, "|1 a.exe 0", 10) != NULL);
    CHECK(defects == BIT(BAD));
    show(MW_LIT("GIF89a PK\5\6 no directory PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), true, &got);
    CHECK(got.len == 0 && defects == 0);
    show(MW_EMPTY, true, &got);
    CHECK(got.len == 0 && defects == 0);
    CHECK(mw_archive_is_name(MW_LIT("a.ZIP")) && mw_archive_is_name(MW_LIT("a.docx")));
    CHECK(!mw_archive_is_name(MW_LIT("zip")));
    mw_buf_fini(&zip);
    mw_buf_fini(&inner);
    mw_buf_fini(&outer);
    mw_buf_fini(&got);
}

TEST(an_archive_in_an_archive_is_opened_once)
{
    static const struct file innermost[] = {{"c.exe", "c.exe", .flags = 0}};
    struct mw_buf one = {0}, two = {0}, three = {0}, got = {0};
    put_zip(&one, innermost, 1);
    struct file middle[] = {{"b.zip", "b.zip", .data = mw_buf_view(&one)}};
    put_zip(&two, middle, 1);
    show(mw_buf_view(&two), true, &got);
    CHECK(defects == 0);
    struct file outer[] = {{"noname", "noname", .data = mw_buf_view(&two)}};
    put_zip(&three, outer, 1);
    show(mw_buf_view(&three), true, &got);
    CHECK_INT(got.len > 0 && memmem(got.ptr, got.len, "|1 b.zip", 8) != NULL, true);
    CHECK(memmem(got.ptr, got.len, "c.exe", 5) == NULL);
    CHECK((defects & BIT(LIMIT)) != 0);
    mw_buf_fini(&one);
    mw_buf_fini(&two);
    mw_buf_fini(&three);
    mw_buf_fini(&got);
}

TEST(members_beyond_the_limit_are_left_out)
{
    struct mw_buf zip = {0};
    struct mw_arena arena = {0};
    struct mw_archive archive;
    struct file *files = mw_xcalloc(1500, sizeof *files);
    for (size_t i = 0; i < 1500; i++)
        files[i] = (struct file){"n", "n", .flags = 0};
    put_zip(&zip, files, 1500);
    mw_archive_read(mw_buf_view(&zip), true, &mw_archive_defaults, &arena, &archive);
    CHECK_INT(archive.member_count, 1000);
    CHECK((archive.defects & BIT(LIMIT)) != 0);
    free(files);
    mw_buf_fini(&zip);
    mw_arena_fini(&arena);
}

TEST(archives_are_known_by_how_they_begin)
{
    static const struct mw_slice known[] = {MW_LIT("PK\3\4"),
                                            MW_LIT("PK\5\6"),
                                            MW_LIT("Rar!\x1a\x07\x01\0"),
                                            MW_LIT("\x1f\x8b\x08\0"),
                                            MW_LIT("7z\xbc\xaf\x27\x1c"),
                                            MW_LIT("BZh91AY&SY\0"),
                                            MW_LIT("\xfd"
                                                   "7zXZ\0")};
    static const struct mw_slice unknown[] = {MW_LIT(""), MW_LIT("PK"), MW_LIT("BZh9 is a word"),
                                              MW_LIT("%PDF-1.4"), MW_LIT("\x1f\x8b")};
    char zeros[512] = {0};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        CHECK(mw_archive_is_known(known[i]));
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        CHECK(!mw_archive_is_known(unknown[i]));
    CHECK(!mw_archive_is_known(MW_SLICE(zeros, sizeof zeros)));
}

/* ---- by programs ---- */

/* Runs the commands in a new folder that holds a.txt ("hello") and réport.js, and reads `name`. */
static bool make(const char *program, const char *commands, const char *name, struct mw_buf *out)
{
    char folder[] = "/tmp/mailweir-archive-XXXXXX", line[2048];
    snprintf(line, sizeof line, "command -v %s >/dev/null", program);
    if (system(line) != 0) {
        printf("     left out: no %s here\n", program);
        return false;
    }
    if (mkdtemp(folder) == NULL)
        return false;
    snprintf(line, sizeof line,
             "cd %s && printf hello >a.txt && printf x >r\xc3\xa9port.js && (%s) >/dev/null 2>&1",
             folder, commands);
    bool is_made = system(line) == 0;
    snprintf(line, sizeof line, "%s/%s", folder, name);
    FILE *file = is_made ? fopen(line, "rb") : NULL;
    out->len = 0;
    while (file != NULL && !feof(file))
        out->len += fread(mw_buf_reserve(out, 65536), 1, 65536, file);
    if (file != NULL)
        fclose(file);
    snprintf(line, sizeof line, "rm -rf %s", folder);
    is_made = system(line) == 0 && is_made;
    if (out->len == 0)
        mw_test_fail(__FILE__, __LINE__, "'%s' made no %s", commands, name);
    return out->len > 0;
}

#define BOTH "0 a.txt 5|0 r\xc3\xa9port.js 1"

static const struct {
    const char *program, *commands, *name, *want;
    uint64_t defects;
} made[] = {
    {"zip", "zip -q x.zip a.txt r*", "x.zip", BOTH, 0},
    {"zip", "zip -q - a.txt <a.txt | cat >x.zip", "x.zip", "0 a.txt 5", 0},
    {"zip", "zip -q -P pw x.zip a.txt", "x.zip", "0 a.txt 5*", BIT(ENCRYPTED)},
    {"zip", "zip -qX i.zip r* && zip -q x.zip a.txt i.zip", "x.zip",
     "0 a.txt 5|0 i.zip 119|1 r\xc3\xa9port.js 1", 0},
    {"7z", "7z a -bd x.7z a.txt r*", "x.7z", BOTH, 0},
    {"7z", "7z a -bd -ppw x.7z a.txt", "x.7z", "0 a.txt 5*", BIT(ENCRYPTED)},
    {"7z", "7z a -bd -ppw -mhe=on x.7z a.txt", "x.7z", "", BIT(ENCRYPTED)},
    {"7z", "7z a -bd -tzip -ppw -mem=AES256 x.zip a.txt", "x.zip", "0 a.txt 5*", BIT(ENCRYPTED)},
    {"tar", "tar cf x a.txt r*", "x", BOTH, 0},
    {"tar", "tar --format=v7 -cf x a.txt r*", "x", BOTH, 0},
    {"tar", "tar --format=pax -cf x a.txt r*", "x", BOTH, 0},
    {"gzip", "tar cf x a.txt r* && gzip x", "x.gz", BOTH, 0},
    {"bzip2", "tar cf x a.txt r* && bzip2 x", "x.bz2", BOTH, 0},
    {"xz", "tar cf x a.txt r* && xz x", "x.xz", BOTH, 0},
    {"zstd", "tar cf x a.txt r* && zstd x", "x.zst", BOTH, 0},
    {"gzip", "gzip a.txt", "a.txt.gz", "0 a.txt ?", 0},
    {"gzip", "gzip <a.txt >x.gz", "x.gz", "0  ?", 0},
    {"xz", "xz a.txt", "a.txt.xz", "0  ?", 0},
    {"gzip", "tar cf i.tar r* && tar cf x i.tar && gzip x", "x.gz",
     "0 i.tar 10240|1 r\xc3\xa9port.js 1", 0},
    {"gzip", "gzip a.txt && head -c 20 a.txt.gz >x", "x", "0 a.txt ?", BIT(BAD)},
    /* bombs */
    {"gzip", "head -c 40000000 /dev/zero | gzip >x", "x", "0  ?", 0},
    {"zip", "head -c 40000000 /dev/zero >i.zip && zip -q -n .none x.zip i.zip", "x.zip",
     "0 i.zip 40000000", BIT(RATIO)},
    {"gzip", "head -c 40000000 /dev/zero >b && tar cf x b a.txt && gzip x", "x.gz", "0 b 40000000",
     BIT(RATIO)},
    {"bzip2", "head -c 40000000 /dev/zero >b && tar cf x b a.txt && bzip2 x", "x.bz2",
     "0 b 40000000", BIT(RATIO)},
    {"7z", "head -c 40000000 /dev/zero >b && 7z a -bd x.7z b", "x.7z", "0 b 40000000", BIT(RATIO)},
};

TEST(archives_of_the_usual_programs_are_read)
{
    struct mw_buf octets = {0}, got = {0};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        if (!make(made[i].program, made[i].commands, made[i].name, &octets))
            continue;
        show(mw_buf_view(&octets), true, &got);
        CHECK(mw_archive_is_known(mw_slice_take(mw_buf_view(&octets), 512)));
        CHECK(is_encrypted == ((defects & BIT(ENCRYPTED)) != 0));
        if (!mw_slice_eq(mw_buf_view(&got), mw_slice_cstr(made[i].want)) ||
            defects != made[i].defects)
            mw_test_fail(__FILE__, __LINE__, "%s: {%.*s} %" PRIx64 ", want {%s} %" PRIx64,
                         made[i].commands, (int)got.len, got.ptr, defects, made[i].want,
                         made[i].defects);
    }
    mw_buf_fini(&octets);
    mw_buf_fini(&got);
}

TEST(time_that_is_used_up_ends_the_work)
{
    struct mw_buf octets = {0};
    if (!make("xz", "head -c 20000000 /dev/urandom >b && tar cf x b a.txt && xz -0 x", "x.xz",
              &octets))
        return;
    struct mw_archive_limits limits = mw_archive_defaults;
    struct mw_arena arena = {0};
    struct mw_archive archive;
    struct timespec start, end;
    limits.time_max_us = 2000;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    mw_archive_read(mw_buf_view(&octets), true, &limits, &arena, &archive);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    CHECK(archive.defects == BIT(LIMIT));
    CHECK_INT(archive.member_count, 1);
    CHECK((end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000 < 200);
    mw_arena_fini(&arena);
    mw_buf_fini(&octets);
}
