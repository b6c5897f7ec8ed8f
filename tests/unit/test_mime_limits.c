/* test_mime_limits.c - what the MIME decoder does with messages made to cost much: each limit of
 * mime.h leaves its defect, memory stays bounded, time stays linear. And the messages of the corpus
 * beside the repository, if it is there. */
#include "message/mime.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/buf.h"
#include "test.h"

enum severity { NOTE = 0, MALFORMED, AMBIGUOUS };
static const enum severity severities[] = {
#define DEFECT(id, name, severity, meaning) severity,
#include "message/defects.def"
#undef DEFECT
};

static bool is_flagged(uint64_t defects)
{
    for (size_t i = 0; i < MW_DEFECT_COUNT; i++)
        if ((defects >> i & 1) != 0 && severities[i] >= MALFORMED)
            return true;
    return false;
}

/* ---- reading without keeping ---- */

struct reading {
    struct mw_mime *mime;
    size_t memory; /* the most that was held */
    uint64_t octets;
};

static void count_octets(void *user, struct mw_mime_part *part, struct mw_slice octets)
{
    struct reading *reading = user;
    (void)part;
    reading->octets += octets.len;
}

static void begin(struct reading *reading)
{
    *reading = (struct reading){0};
    struct mw_mime_sink sink = {.user = reading, .octets = count_octets};
    reading->mime = mw_mime_new(&sink);
}

static void feed(struct reading *reading, struct mw_slice octets)
{
    mw_mime_feed(reading->mime, octets);
    size_t memory = mw_mime_memory(reading->mime);
    reading->memory = memory > reading->memory ? memory : reading->memory;
}

static void feed_times(struct reading *reading, struct mw_slice text, size_t times)
{
    struct mw_buf piece = {0};
    size_t each = 16384 / text.len + 1;
    for (size_t i = 0; i < each; i++)
        mw_buf_put(&piece, text);
    for (; times >= each; times -= each)
        feed(reading, mw_buf_view(&piece));
    feed(reading, mw_slice_take(mw_buf_view(&piece), times * text.len));
    mw_buf_fini(&piece);
}

#define FEED(reading, literal) feed((reading), MW_LIT(literal))
#define HAS(reading, id) ((mw_mime_defects((reading)->mime) & MW_DEFECT_BIT(MW_DEFECT_##id)) != 0)

static double seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Far above what the slowest sanitizer build takes, far below what a quadratic way would. */
#define SECONDS_MAX 10.0
enum { MEMORY_MAX = 512 * 1024 };

/* ---- limits ---- */

TEST(parts_a_hundred_thousand_are_bounded)
{
    struct reading reading;
    double start = seconds();
    begin(&reading);
    FEED(&reading, "Content-Type: multipart/mixed; boundary=b\n\n");
    feed_times(&reading, MW_LIT("--b\n\n"), 100000);
    mw_mime_finish(reading.mime);
    CHECK_INT(mw_mime_count(reading.mime), MW_MIME_PARTS_MAX);
    CHECK(HAS(&reading, PARTS));
    CHECK(reading.memory < MEMORY_MAX);
    mw_mime_free(&reading.mime);
    CHECK(seconds() - start < SECONDS_MAX);
}

TEST(nesting_a_thousand_deep_is_bounded)
{
    struct reading reading;
    double start = seconds();
    begin(&reading);
    FEED(&reading, "Content-Type: multipart/mixed; boundary=b0\n\n");
    for (size_t i = 1; i <= 1000; i++) {
        struct mw_buf text = {0};
        mw_buf_putf(&text, "--b%zu\nContent-Type: multipart/mixed; boundary=b%zu\n\n", i - 1, i);
        feed(&reading, mw_buf_view(&text));
        mw_buf_fini(&text);
    }
    mw_mime_finish(reading.mime);
    CHECK(HAS(&reading, NESTING));
    CHECK_INT(mw_mime_count(reading.mime), MW_MIME_DEPTH_MAX + 1);
    CHECK_INT(mw_mime_part(reading.mime, MW_MIME_DEPTH_MAX)->depth, MW_MIME_DEPTH_MAX);
    CHECK(!mw_mime_part(reading.mime, MW_MIME_DEPTH_MAX)->is_container);
    CHECK(reading.octets > 0); /* the rest is that part's content */
    CHECK(reading.memory < MEMORY_MAX);
    mw_mime_free(&reading.mime);
    CHECK(seconds() - start < SECONDS_MAX);
}

TEST(nesting_of_messages_is_bounded)
{
    struct reading reading;
    begin(&reading);
    feed_times(&reading, MW_LIT("Content-Type: message/rfc822\n\n"), 1000);
    mw_mime_finish(reading.mime);
    CHECK(HAS(&reading, NESTING));
    CHECK_INT(mw_mime_count(reading.mime), MW_MIME_DEPTH_MAX + 1);
    mw_mime_free(&reading.mime);
}

/* Every multipart claims to be quoted-printable, which leaves it as it is: each could be read in two
 * ways, and each of those in two. */
TEST(alternatives_do_not_multiply)
{
    struct reading reading;
    double start = seconds();
    begin(&reading);
    for (size_t i = 0; i < 30; i++) {
        struct mw_buf text = {0};
        if (i > 0)
            mw_buf_putf(&text, "--b%zu\n", i - 1);
        mw_buf_putf(&text,
                    "Content-Type: multipart/mixed; boundary=b%zu\n"
                    "Content-Transfer-Encoding: quoted-printable\n\n",
                    i);
        feed(&reading, mw_buf_view(&text));
        mw_buf_fini(&text);
    }
    FEED(&reading, "--b29\n\n");
    feed_times(&reading, MW_LIT("text of the last part, again and again\n"), 10000);
    mw_mime_finish(reading.mime);
    CHECK(HAS(&reading, ENCODING_NOT_ALLOWED));
    CHECK(mw_mime_count(reading.mime) <= 6 * 32);
    CHECK(reading.octets <= 6 * 39 * 10000U);
    CHECK(reading.memory < 2 * MEMORY_MAX);
    mw_mime_free(&reading.mime);
    CHECK(seconds() - start < SECONDS_MAX);
}

TEST(header_block_is_kept_up_to_its_limit)
{
    struct reading reading;
    double start = seconds();
    begin(&reading);
    feed_times(&reading, MW_LIT("X-Field: one of very many that are in this block\n"), 100000);
    FEED(&reading, "\nbody");
    mw_mime_finish(reading.mime);
    CHECK(HAS(&reading, HEADER_TOO_LONG));
    CHECK_INT(mw_mime_count(reading.mime), 1);
    CHECK_INT(mw_mime_part(reading.mime, 0)->header.len, MW_MIME_HEADER_MAX);
    CHECK_INT(reading.octets, 4);
    CHECK(reading.memory < 2 * MEMORY_MAX);
    mw_mime_free(&reading.mime);
    CHECK(seconds() - start < SECONDS_MAX);
}

TEST(header_fields_are_looked_at_up_to_their_limit)
{
    struct reading reading;
    begin(&reading);
    feed_times(&reading, MW_LIT("A: b\n"), MW_MIME_FIELDS_MAX);
    FEED(&reading, "Content-Type: text/html\n\nbody");
    mw_mime_finish(reading.mime);
    CHECK(HAS(&reading, HEADER_TOO_LONG));
    CHECK_SLICE(mw_mime_part(reading.mime, 0)->type, "text/plain");
    mw_mime_free(&reading.mime);
    begin(&reading);
    feed_times(&reading, MW_LIT("A: b\n"), MW_MIME_FIELDS_MAX - 1);
    FEED(&reading, "Content-Type: text/html\n\nbody");
    mw_mime_finish(reading.mime);
    CHECK(!HAS(&reading, HEADER_TOO_LONG));
    CHECK_SLICE(mw_mime_part(reading.mime, 0)->type, "text/html");
    mw_mime_free(&reading.mime);
}

TEST(header_octets_of_all_parts_are_bounded)
{
    struct reading reading;
    begin(&reading);
    FEED(&reading, "Content-Type: multipart/mixed; boundary=b\n\n");
    for (size_t i = 0; i < 20; i++) {
        FEED(&reading, "--b\nX: ");
        feed_times(&reading, MW_LIT("0123456789"), 20000);
        FEED(&reading, "\n\n");
    }
    mw_mime_finish(reading.mime);
    CHECK(HAS(&reading, HEADER_TOO_LONG));
    CHECK_INT(mw_mime_count(reading.mime), 21);
    size_t kept = 0;
    for (size_t i = 0; i < 21; i++)
        kept += mw_mime_part(reading.mime, i)->header.len;
    CHECK_INT(kept, MW_MIME_HEADERS_MAX);
    CHECK(reading.memory < 3 * MEMORY_MAX);
    mw_mime_free(&reading.mime);
}

/* One line, wherever lines stand. */
TEST(lines_very_long_are_linear)
{
    static const char *const before[] = {
        "",
        "A: b\n\n",
        "A: b\n\n--",
        "Subject: ",
        "Subject: a\n ",
        "Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n",
        "Content-Transfer-Encoding: quoted-printable\n\n=",
        "Content-Transfer-Encoding: base64\n\n",
        "Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n",
        "\n=ybegin name=a\n",
        "Content-Type: multipart/mixed; boundary=b\n\n",
        "Content-Type: multipart/mixed; boundary=b\n\n--b",
        "Content-Type: multipart/mixed\n\n--",
        "Content-Type: text/plain; name=",
        "Content-Type: ",
        "Content-Type: text/plain; (",
    };
    static const char *const lines[] = {"a", " ",  "-",  "=",   "(",    "\"",  ";",  "\\",
                                        "%", "=?", "\r", "\r-", "a=b;", "(\"", "*=", " x=\"y\";"};
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++)
        for (size_t k = 0; k < sizeof lines / sizeof lines[0]; k++) {
            struct reading reading;
            double start = seconds();
            begin(&reading);
            if (before[i][0] != '\0')
                feed(&reading, mw_slice_cstr(before[i]));
            feed_times(&reading, mw_slice_cstr(lines[k]), 500000 / strlen(lines[k]));
            FEED(&reading, "\n\nrest");
            mw_mime_finish(reading.mime);
            size_t memory = reading.memory;
            mw_mime_free(&reading.mime);
            double took = seconds() - start;
            if (took > 1.5 || memory > 4 * MEMORY_MAX)
                mw_test_fail(__FILE__, __LINE__, "'%s' and '%s' took %.2f s, %zu octets", before[i],
                             lines[k], took, memory);
        }
}

TEST(memory_does_not_grow_with_the_body)
{
    static const char *const fields[] = {"", "Content-Transfer-Encoding: base64\n",
                                         "Content-Transfer-Encoding: quoted-printable\n"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        struct reading reading;
        begin(&reading);
        FEED(&reading, "Content-Type: text/plain\n");
        if (fields[i][0] != '\0')
            feed(&reading, mw_slice_cstr(fields[i]));
        FEED(&reading, "\n");
        size_t before = mw_mime_memory(reading.mime);
        feed_times(&reading, MW_LIT("QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD\n"),
                   50000);
        CHECK(reading.octets > 2000000);
        CHECK(reading.memory <= before + 64);
        mw_mime_finish(reading.mime);
        mw_mime_free(&reading.mime);
    }
}

TEST(parameters_are_counted)
{
    struct reading reading;
    begin(&reading);
    FEED(&reading, "Content-Type: text/plain");
    feed_times(&reading, MW_LIT("; a=b"), MW_MIME_PARAMS_MAX);
    FEED(&reading, "; name=c\n\n");
    mw_mime_finish(reading.mime);
    CHECK(HAS(&reading, PARAMETER_BAD));
    CHECK_INT(mw_mime_part(reading.mime, 0)->name_count, 0);
    mw_mime_free(&reading.mime);
}

TEST(names_are_counted_and_cut)
{
    struct reading reading;
    struct mw_buf text = {0};
    mw_buf_put(&text, MW_LIT("Content-Type: image/gif"));
    for (size_t i = 0; i < 40; i++)
        mw_buf_putf(&text, "; name=\"a%zu.gif\"", i);
    mw_buf_put(&text, MW_LIT("\n\n"));
    begin(&reading);
    feed(&reading, mw_buf_view(&text));
    mw_mime_finish(reading.mime);
    CHECK_INT(mw_mime_part(reading.mime, 0)->name_count, MW_MIME_NAMES_MAX);
    CHECK(HAS(&reading, PARAMETER_BAD));
    mw_mime_free(&reading.mime);
    mw_buf_fini(&text);
    begin(&reading);
    FEED(&reading, "Content-Disposition: attachment; filename=\"begin");
    feed_times(&reading, MW_LIT("\xc3\xbc"), 2000);
    FEED(&reading, ".exe\"\n\n");
    mw_mime_finish(reading.mime);
    struct mw_slice name = mw_mime_part(reading.mime, 0)->names[0];
    CHECK(name.len <= MW_MIME_NAME_MAX && mw_slice_starts(name, MW_LIT("begin")));
    CHECK(mw_slice_iends(name, MW_LIT(".exe")));
    CHECK(HAS(&reading, PARAMETER_BAD));
    mw_mime_free(&reading.mime);
}

TEST(boundary_too_long_is_cut)
{
    struct reading reading;
    struct mw_buf boundary = {0};
    for (size_t i = 0; i < 300; i++)
        mw_buf_putc(&boundary, 'x');
    begin(&reading);
    FEED(&reading, "Content-Type: multipart/mixed; boundary=");
    feed(&reading, mw_buf_view(&boundary));
    FEED(&reading, "\n\n--");
    feed(&reading, mw_buf_view(&boundary));
    FEED(&reading, "\n\none");
    mw_mime_finish(reading.mime);
    CHECK(HAS(&reading, BOUNDARY_BAD));
    CHECK_INT(mw_mime_count(reading.mime), 2);
    CHECK_INT(reading.octets, 3);
    mw_mime_free(&reading.mime);
    mw_buf_fini(&boundary);
}

TEST(line_ends_of_both_kinds_are_noted)
{
    static const struct {
        const char *message;
        bool is_mixed;
    } cases[] = {
        {"a: b\r\n\r\nx\r\n", false},
        {"a: b\n\nx\n", false},
        {"a: b\r\n\r\nx\n", true},
        {"a: b\n\nx\r\n", true},
        {"a: b\r\n\r\nx\rx\r\n", true},
        {"a: b\r\n\r\n0123456789012345678901234567890123456789\n0123456789012345678", true},
        {"a: b\r\n\r\n01234567890123456789012345678901234567890\r0123456789012345678", true},
        {"a: b\r\n\r\n01234567890123456789\r\n\r\n345678901234567890\r\n01234567890\r\n", false},
        {"a: b\r\n\r\nx\r", true},
        {"a: b\r\n\r\n\n", true},
        {"Content-Transfer-Encoding: binary\r\n\r\nx\n", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t cut = 1; cut < 40; cut++) {
            struct reading reading;
            begin(&reading);
            struct mw_slice rest = mw_slice_cstr(cases[i].message);
            for (; rest.len > 0; rest = mw_slice_skip(rest, cut))
                feed(&reading, mw_slice_take(rest, cut));
            mw_mime_finish(reading.mime);
            bool is_mixed = HAS(&reading, MIXED_ENDS);
            mw_mime_free(&reading.mime);
            CHECK_INT(is_mixed ? (long long)i : -1, cases[i].is_mixed ? (long long)i : -1);
        }
}

/* ---- the corpus ---- */

/* Octets of each leaf, digested while they come. */
struct digest {
    EVP_MD_CTX *context;
    char hex[65];
    char first[4];
    size_t first_len;
};

struct message {
    struct mw_mime *mime;
    struct mw_buf octets;
};

static void digest_part(void *user, struct mw_mime_part *part)
{
    struct digest *digest = mw_xcalloc(1, sizeof *digest);
    (void)user;
    digest->context = EVP_MD_CTX_new();
    EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL);
    part->user = digest;
}

static void digest_octets(void *user, struct mw_mime_part *part, struct mw_slice octets)
{
    struct digest *digest = part->user;
    (void)user;
    EVP_DigestUpdate(digest->context, octets.ptr, octets.len);
    for (size_t i = 0; i < octets.len && digest->first_len < sizeof digest->first; i++)
        digest->first[digest->first_len++] = octets.ptr[i];
}

static void digest_end(void *user, struct mw_mime_part *part)
{
    struct digest *digest = part->user;
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned len;
    (void)user;
    EVP_DigestFinal_ex(digest->context, sum, &len);
    EVP_MD_CTX_free(digest->context);
    for (size_t i = 0; i < 32; i++)
        snprintf(digest->hex + 2 * i, 3, "%02x", sum[i]);
}

static bool read_file(const char *path, struct mw_buf *out)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    for (;;) {
        size_t len = fread(mw_buf_reserve(out, 65536), 1, 65536, file);
        out->len += len;
        if (len == 0)
            break;
    }
    fclose(file);
    return true;
}

static bool open_message(struct message *message, const char *path)
{
    *message = (struct message){0};
    if (!read_file(path, &message->octets))
        return false;
    struct mw_mime_sink sink = {.part = digest_part, .octets = digest_octets, .end = digest_end};
    message->mime = mw_mime_new(&sink);
    mw_mime_feed(message->mime, mw_buf_view(&message->octets));
    mw_mime_finish(message->mime);
    return true;
}

static void close_message(struct message *message)
{
    for (size_t i = 0; i < mw_mime_count(message->mime); i++)
        free(mw_mime_part(message->mime, i)->user);
    mw_mime_free(&message->mime);
    mw_buf_fini(&message->octets);
}

/* The part with that digest, and that name if there is one to be. */
static bool has_part(const struct message *message, struct mw_slice hex, struct mw_slice name)
{
    for (size_t i = 0; i < mw_mime_count(message->mime); i++) {
        const struct mw_mime_part *part = mw_mime_part(message->mime, i);
        const struct digest *digest = part->user;
        if (part->is_container || !mw_slice_eq(mw_slice_cstr(digest->hex), hex))
            continue;
        if (name.len == 0)
            return true;
        for (size_t k = 0; k < part->name_count; k++)
            if (mw_slice_eq(part->names[k], name))
                return true;
    }
    return false;
}

static bool has_zip(const struct message *message)
{
    for (size_t i = 0; i < mw_mime_count(message->mime); i++) {
        const struct digest *digest = mw_mime_part(message->mime, i)->user;
        if (digest->first_len == 4 && memcmp(digest->first, "PK\3\4", 4) == 0)
            return true;
    }
    return false;
}

static bool corpus_path(const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s/../shared/corpus/%s", MW_TEST_SOURCE_DIR, name);
    struct stat status;
    if (stat(out, &status) == 0)
        return true;
    printf("  skipped: no ../shared/corpus/%s\n", name);
    return false;
}

/* The string behind `"key": "`, from *at on. */
static bool find_value(struct mw_slice line, const char *key, size_t *at, struct mw_slice *out)
{
    char want[64];
    snprintf(want, sizeof want, "\"%s\": \"", key);
    struct mw_slice needle = mw_slice_cstr(want);
    for (; *at + needle.len < line.len; ++*at) {
        struct mw_slice rest = mw_slice_skip(line, *at);
        if (!mw_slice_starts(rest, needle))
            continue;
        rest = mw_slice_skip(rest, needle.len);
        ptrdiff_t quote = mw_slice_find(rest, '"');
        if (quote < 0)
            return false;
        *out = mw_slice_take(rest, (size_t)quote);
        *at += needle.len;
        return true;
    }
    return false;
}

/* A line of truth.jsonl: attachments with their names, a canary that must be seen or flagged. */
static void check_truth(struct mw_slice line, size_t *checked)
{
    struct mw_slice file, name, hex;
    size_t at = 0;
    char relative[256], path[1024];
    if (!find_value(line, "file", &at, &file))
        return;
    snprintf(relative, sizeof relative, "generated/%.*s", (int)file.len, file.ptr);
    struct message message;
    if (!corpus_path(relative, path, sizeof path) || !open_message(&message, path))
        return;
    for (at = 0; find_value(line, "filename", &at, &name) && find_value(line, "sha256", &at, &hex);
         ++*checked)
        if (!has_part(&message, hex, name))
            mw_test_fail(__FILE__, __LINE__, "%s: attachment %.*s is not found", relative,
                         (int)name.len, name.ptr);
    at = 0;
    if (find_value(line, "canary_sha256", &at, &hex)) {
        ++*checked;
        if (!has_part(&message, hex, MW_EMPTY) && !is_flagged(mw_mime_defects(message.mime)))
            mw_test_fail(__FILE__, __LINE__, "%s: the canary is not seen", relative);
    }
    at = 0;
    if (find_value(line, "kind", &at, &name) && !mw_slice_eq(name, MW_LIT("evasion")) &&
        is_flagged(mw_mime_defects(message.mime)))
        mw_test_fail(__FILE__, __LINE__, "%s: ordinary mail is flagged: %llx", relative,
                     (unsigned long long)mw_mime_defects(message.mime));
    close_message(&message);
}

TEST(corpus_attachments_and_canaries_are_found)
{
    char path[1024];
    struct mw_buf truth = {0};
    if (!corpus_path("generated/truth.jsonl", path, sizeof path) || !read_file(path, &truth))
        return;
    size_t checked = 0;
    struct mw_slice rest = mw_buf_view(&truth), line;
    while (mw_slice_split(rest, '\n', &line, &rest))
        check_truth(line, &checked);
    mw_buf_fini(&truth);
    CHECK(checked >= 19);
}

static size_t for_each_file(const char *folder, void (*look)(const char *path, size_t *hits),
                            size_t *hits)
{
    char path[1024];
    size_t count = 0;
    DIR *dir = corpus_path(folder, path, sizeof path) ? opendir(path) : NULL;
    if (dir == NULL)
        return 0;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char file[2048];
        if (!mw_slice_iends(mw_slice_cstr(entry->d_name), MW_LIT(".eml")))
            continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        look(file, hits);
        count++;
    }
    closedir(dir);
    return count;
}

static void look_for_zip(const char *path, size_t *hits)
{
    struct message message;
    if (!open_message(&message, path))
        return;
    bool is_seen = has_zip(&message);
    hits[0] += is_seen;
    hits[1] += !is_seen && is_flagged(mw_mime_defects(message.mime));
    if (!is_seen && !is_flagged(mw_mime_defects(message.mime)))
        mw_test_fail(__FILE__, __LINE__, "%s: the zip is missed", path);
    close_message(&message);
}

/* noxxi-hide-content: a zip with EICAR in 155 disguises. */
TEST(corpus_hidden_zips_are_seen_or_flagged)
{
    size_t hits[2] = {0, 0};
    size_t count = for_each_file("noxxi-hide-content", look_for_zip, hits);
    if (count == 0)
        return;
    printf("%zu messages: the zip is seen in %zu, flagged in %zu others\n", count, hits[0],
           hits[1]);
    CHECK(hits[0] * 100 >= count * 85);
}

static void look_for_flags(const char *path, size_t *hits)
{
    struct message message;
    if (!open_message(&message, path))
        return;
    hits[0] += is_flagged(mw_mime_defects(message.mime));
    close_message(&message);
}

/* Two of the 63 are flagged with good reason: three Content-Type fields, a type "BINARY". */
TEST(corpus_clean_mail_is_not_flagged)
{
    size_t hits[2] = {0, 0};
    size_t count = for_each_file("spamassassin-nice", look_for_flags, hits);
    if (count == 0)
        return;
    CHECK(hits[0] <= 2);
    count = for_each_file("mailparser", look_for_flags, hits);
    CHECK(hits[0] <= 2);
}
