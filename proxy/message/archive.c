/* archive.c - archives by libarchive, on a leash.
 *
 * libarchive sees the octets through read_octets() in small pieces, and members are unpacked block
 * by block: between two pieces and two blocks the budgets are looked at, so no call of it runs for
 * long, whatever the archive claims. Memory follows what is unpacked, not what a header claims:
 * dictionaries are touched only as far as they are filled, and xz above 1 GiB is refused. Only
 * formats and filters that libarchive decodes itself are switched on; where it would run a program
 * in place of one that it was built without, nothing compressed is opened (add_filters).
 *
 * Zip members are taken from archive_zip.c, because libarchive hides conflicts between directory
 * and local headers; it only unpacks the archives in them. */
#include "message/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <string.h>

#include "base/utf8.h"
#include "message/archive_priv.h"
#include "message/charset.h"
#include "message/mime.h"

enum {
    PIECE = 1024,             /* octets that libarchive gets at once */
    HEAD = 512,               /* octets of a member by which an archive is known */
    NAME_MAX_LEN = 1024,      /* octets of a name that are kept */
    PEEKED_MAX = 16,          /* zip members of unknown kinds that are looked into */
    FREE_OCTETS = 1024 * 1024 /* unpacked before ratios count */
};

const struct mw_archive_limits mw_archive_defaults = {
    .members_max = 1000, .octets_max = 32 << 20, .ratio_max = 100, .time_max_us = 50 * 1000};

/* ---- budgets and members ---- */

static uint64_t cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void mw_archive_defect(struct mw_archive_job *job, uint64_t bit)
{
    job->defects |= bit;
}

static bool give_up(struct mw_archive_job *job, enum mw_defect defect)
{
    mw_archive_defect(job, MW_DEFECT_BIT(defect));
    job->is_over = true;
    return true;
}

bool mw_archive_over(struct mw_archive_job *job)
{
    if (job->is_over)
        return true;
    if (cpu_us() >= job->deadline_us || job->unpacked > job->limits->octets_max)
        return give_up(job, MW_DEFECT_ARCHIVE_LIMIT);
    if (job->unpacked > FREE_OCTETS && job->unpacked / job->limits->ratio_max > job->packed)
        return give_up(job, MW_DEFECT_ARCHIVE_RATIO);
    return false;
}

/* ---- names ---- */

static bool has_extension(struct mw_slice name, const char *const *extensions, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (mw_slice_iends(name, mw_slice_cstr(extensions[i])))
            return true;
    return false;
}

/* A name under which archives come. */
static bool is_archive_name(struct mw_slice name)
{
    static const char *const extensions[] = {
        ".zip", ".7z",  ".rar", ".gz",  ".tgz", ".tar", ".bz2", ".tbz", ".tbz2",
        ".xz",  ".txz", ".zst", ".lz4", ".z",   ".jar", ".apk", ".r00", ".001",
    };
    return has_extension(name, extensions, sizeof extensions / sizeof *extensions);
}

/* Office documents are zips. */
static bool is_document_name(struct mw_slice name)
{
    static const char *const extensions[] = {".docx", ".docm", ".xlsx", ".xlsm", ".xlsb",
                                             ".pptx", ".pptm", ".odt",  ".ods",  ".odp"};
    return has_extension(name, extensions, sizeof extensions / sizeof *extensions);
}

/* UTF-8 without NUL, in the arena. */
static struct mw_slice clean_name(struct mw_archive_job *job, struct mw_slice name, bool is_dos)
{
    struct mw_buf text = {0};
    struct mw_charsets *open = NULL;
    struct mw_utf8_sink sink = {.buf = &text, .left = NAME_MAX_LEN};
    if (is_dos && !mw_utf8_is_valid(name))
        mw_charset_put(&open, mw_charset_find(MW_LIT("cp437")), &sink, name);
    else
        mw_raw_put(&sink, name);
    mw_charsets_free(&open);
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\0')
            text.ptr[i] = '?';
    struct mw_slice copy = mw_arena_dup(job->arena, mw_buf_view(&text));
    mw_buf_fini(&text);
    return copy;
}

bool mw_archive_add(struct mw_archive_job *job, struct mw_slice name, bool is_dos, uint64_t octets,
                    bool is_encrypted)
{
    if (job->count >= job->limits->members_max)
        return !give_up(job, MW_DEFECT_ARCHIVE_LIMIT);
    if (job->count == job->cap) {
        job->cap = job->cap == 0 ? 16 : job->cap * 2;
        job->members = mw_xrealloc(job->members, job->cap * sizeof *job->members);
    }
    struct mw_content_member *member = mw_arena_new(job->arena, struct mw_content_member);
    *member = (struct mw_content_member){.size = sizeof *member,
                                         .name = clean_name(job, name, is_dos),
                                         .octets = octets,
                                         .is_encrypted = is_encrypted,
                                         .depth = job->depth};
    job->members[job->count++] = member;
    if (job->depth > 0 && is_archive_name(member->name)) /* nobody looks into that one */
        mw_archive_defect(job, MW_DEFECT_BIT(MW_DEFECT_ARCHIVE_LIMIT));
    job->is_encrypted = job->is_encrypted || is_encrypted;
    return true;
}

/* ---- kinds ---- */

static const struct {
    struct mw_slice start;
    enum mw_kind { KIND_NONE = 0, KIND_ZIP, KIND_ARCHIVE, KIND_COMPRESSED } kind;
} kinds[] = {
    {MW_LIT("PK\3\4"), KIND_ZIP},
    {MW_LIT("PK\5\6"), KIND_ZIP},
    {MW_LIT("PK\7\x8PK\3\4"), KIND_ZIP}, /* a piece of a split one */
    {MW_LIT("PK00PK\3\4"), KIND_ZIP},    /* one that was to be split */
    {MW_LIT("7z\xbc\xaf\x27\x1c"), KIND_ARCHIVE},
    {MW_LIT("Rar!\x1a\x07"), KIND_ARCHIVE},
    {MW_LIT("\x1f\x8b\x08"), KIND_COMPRESSED}, /* gzip */
    {MW_LIT("\xfd"
            "7zXZ\0"),
     KIND_COMPRESSED},
    {MW_LIT("\x28\xb5\x2f\xfd"), KIND_COMPRESSED}, /* zstd */
    {MW_LIT("\x04\x22\x4d\x18"), KIND_COMPRESSED}, /* lz4 */
    {MW_LIT("\x1f\x9d"), KIND_COMPRESSED},         /* compress */
};

/* POSIX 1003.1 pax, ustar: the sum of the header's octets, with blanks for the sum itself. Older
 * archives have no other mark. */
static bool is_tar(struct mw_slice head)
{
    if (head.len < 512 || head.ptr[0] == '\0')
        return false;
    unsigned sum = 0, want = 0, digits = 0;
    for (size_t i = 0; i < 512; i++)
        sum += i >= 148 && i < 156 ? ' ' : (unsigned char)head.ptr[i];
    for (size_t i = 148; i < 156; i++)
        if (head.ptr[i] >= '0' && head.ptr[i] <= '7') {
            want = want * 8 + (unsigned)(head.ptr[i] - '0');
            digits++;
        }
    return digits > 0 && want == sum;
}

static enum mw_kind kind_of(struct mw_slice head)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (mw_slice_starts(head, kinds[i].start))
            return kinds[i].kind;
    if (head.len > 10 && mw_slice_starts(head, MW_LIT("BZh")) &&
        (memcmp(head.ptr + 4, "1AY&SY", 6) == 0 || memcmp(head.ptr + 4, "\x17rE8P\x90", 6) == 0))
        return KIND_COMPRESSED;
    return is_tar(head) ? KIND_ARCHIVE : KIND_NONE;
}

bool mw_archive_is_known(struct mw_slice head)
{
    return kind_of(head) != KIND_NONE;
}

bool mw_archive_is_name(struct mw_slice name)
{
    return is_archive_name(name) || is_document_name(name);
}

/* ---- libarchive's view of the octets ---- */

struct source {
    struct mw_archive_job *job;
    struct mw_slice octets;
    size_t at;
    bool is_judged; /* what is broken in it is known already: archive_zip.c has looked at it */
};

/* Called by libarchive on our stack, whenever it has used up the last piece. */
static la_ssize_t read_octets(struct archive *archive, void *user, const void **out_octets)
{
    struct source *source = user;
    if (mw_archive_over(source->job)) {
        archive_set_error(archive, ECANCELED, "the budget is used up");
        return ARCHIVE_FATAL;
    }
    size_t left = source->octets.len - source->at, len = left < PIECE ? left : PIECE;
    *out_octets = source->octets.ptr + source->at;
    source->at += len;
    return (la_ssize_t)len;
}

static la_int64_t seek_octets(struct archive *archive, void *user, la_int64_t offset, int whence)
{
    struct source *source = user;
    la_int64_t size = (la_int64_t)source->octets.len;
    la_int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (la_int64_t)source->at : size;
    (void)archive;
    if (offset < -base || offset > size - base)
        return ARCHIVE_FATAL;
    source->at = (size_t)(base + offset);
    return base + offset;
}

static la_int64_t skip_octets(struct archive *archive, void *user, la_int64_t count)
{
    struct source *source = user;
    la_int64_t left = (la_int64_t)(source->octets.len - source->at);
    (void)archive;
    count = count < 0 ? 0 : count < left ? count : left;
    source->at += (size_t)count;
    return count;
}

/* Anything but ARCHIVE_OK (ARCHIVE_WARN) means that libarchive would run a program for this filter,
 * and a filter cannot be taken back: the caller gives up. */
static bool add_filters(struct archive *archive)
{
    return archive_read_support_filter_gzip(archive) == ARCHIVE_OK &&
           archive_read_support_filter_bzip2(archive) == ARCHIVE_OK &&
           archive_read_support_filter_xz(archive) == ARCHIVE_OK &&
           archive_read_support_filter_zstd(archive) == ARCHIVE_OK &&
           archive_read_support_filter_lz4(archive) == ARCHIVE_OK &&
           archive_read_support_filter_compress(archive) == ARCHIVE_OK;
}

/* One layer of compression only: a filter is not asked about its own output, unless it is a tar. */
static struct archive *open_archive(struct source *source, enum mw_kind kind)
{
    struct archive *archive = archive_read_new();
    mw_assert(archive != NULL);
    bool is_usable = true;
    if (kind == KIND_COMPRESSED) {
        is_usable = add_filters(archive);
        archive_read_support_format_raw(archive);
    }
    if (kind == KIND_ZIP)
        archive_read_support_format_zip(archive);
    if (kind != KIND_ZIP) {
        archive_read_support_format_tar(archive);
        archive_read_support_format_gnutar(archive);
    }
    if (kind == KIND_ARCHIVE) {
        archive_read_support_format_7zip(archive);
        archive_read_support_format_rar(archive);
        archive_read_support_format_rar5(archive);
    }
    archive_read_set_callback_data(archive, source);
    archive_read_set_read_callback(archive, read_octets);
    archive_read_set_seek_callback(archive, seek_octets);
    archive_read_set_skip_callback(archive, skip_octets);
    if (!is_usable || archive_read_open1(archive) != ARCHIVE_OK) {
        archive_read_free(archive);
        return NULL;
    }
    return archive;
}

/* ---- members ---- */

static void read_layer(struct mw_archive_job *job, struct mw_slice octets, bool is_whole);

/* It cannot be read on, and the budgets are not the reason. */
static void bad(const struct source *source)
{
    if (!source->is_judged && !source->job->is_over)
        mw_archive_defect(source->job, MW_DEFECT_BIT(MW_DEFECT_ARCHIVE_BAD));
}

/* A wide name: what libarchive has where the locale cannot say it. */
static struct mw_slice wide_name(struct mw_archive_job *job, const wchar_t *name)
{
    struct mw_buf text = {0};
    for (; *name != 0 && text.len < NAME_MAX_LEN; name++) {
        uint32_t c = (uint32_t)*name;
        if (c >= 0x10000 && c < 0x110000)
            mw_buf_putc(&text, (char)(0xf0 | c >> 18));
        if (c >= 0x800)
            mw_buf_putc(&text,
                        (char)(c >= 0x10000 ? 0x80 | (c >> 12 & 0x3f) : 0xe0 | (c >> 12 & 15)));
        if (c >= 0x80)
            mw_buf_putc(&text, (char)(c >= 0x800 ? 0x80 | (c >> 6 & 0x3f) : 0xc0 | (c >> 6 & 31)));
        mw_buf_putc(&text, (char)(c >= 0x80 ? 0x80 | (c & 0x3f) : c));
    }
    struct mw_slice copy = mw_arena_dup(job->arena, mw_buf_view(&text));
    mw_buf_fini(&text);
    return copy;
}

static struct mw_slice entry_name(struct mw_archive_job *job, struct archive_entry *entry)
{
    const char *name = archive_entry_pathname_utf8(entry);
    const wchar_t *wide = name != NULL ? NULL : archive_entry_pathname_w(entry);
    if (wide != NULL)
        return wide_name(job, wide);
    return mw_slice_cstr(name != NULL ? name : archive_entry_pathname(entry));
}

/* RFC 1952 2.3: the name in a gzip header, ISO 8859-1 says the RFC. */
static struct mw_slice gzip_name(struct mw_slice octets)
{
    enum { FLAG_EXTRA = 4, FLAG_NAME = 8 };
    if (octets.len < 12 || octets.ptr[0] != 0x1f || (octets.ptr[3] & FLAG_NAME) == 0)
        return MW_EMPTY;
    size_t at = 10;
    if ((octets.ptr[3] & FLAG_EXTRA) != 0)
        at += 2 + (unsigned char)octets.ptr[10] + ((size_t)(unsigned char)octets.ptr[11] << 8);
    struct mw_slice rest = mw_slice_skip(octets, at);
    ptrdiff_t end = mw_slice_find(rest, '\0');
    return end < 0 ? MW_EMPTY : mw_slice_take(rest, (size_t)end);
}

/* Unpacks the current member. An archive in it (by its first octets, or `is_named` like one) is kept
 * in `inner`, if `wants_inner`; else what is not an archive is read on only if what is behind it
 * cannot be reached otherwise. */
static void unpack(struct source *source, struct archive *archive, bool wants_inner, bool is_named,
                   bool wants_rest, struct mw_buf *inner)
{
    struct mw_archive_job *job = source->job;
    const void *block;
    size_t len;
    la_int64_t offset;
    uint64_t before = job->packed;
    bool is_first = true, is_kept = false;
    while (!mw_archive_over(job)) {
        int result = archive_read_data_block(archive, &block, &len, &offset);
        if (result == ARCHIVE_EOF)
            return;
        if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
            bad(source);
            return;
        }
        if (len == 0)
            continue;
        struct mw_slice octets = MW_SLICE(block, len);
        job->unpacked += len;
        job->packed = before > source->at ? before : source->at;
        if (is_first)
            is_kept = wants_inner && (is_named || mw_archive_is_known(octets));
        is_first = false;
        if (is_kept && inner->len + len <= job->limits->octets_max)
            mw_buf_put(inner, octets);
        else if (!wants_rest)
            return;
    }
}

static void read_inner(struct mw_archive_job *job, struct mw_buf *inner)
{
    if (inner->len > 0) {
        job->depth++;
        read_layer(job, mw_buf_view(inner), !job->is_over);
        job->depth--;
    }
    mw_buf_fini(inner);
}

static void add_entry(struct mw_archive_job *job, struct archive_entry *entry)
{
    uint64_t octets = archive_entry_size_is_set(entry) && archive_entry_size(entry) >= 0
                          ? (uint64_t)archive_entry_size(entry)
                          : UINT64_MAX;
    bool is_encrypted = archive_entry_is_data_encrypted(entry) > 0 ||
                        archive_entry_is_metadata_encrypted(entry) > 0;
    mw_archive_add(job, entry_name(job, entry), false, octets, is_encrypted);
}

/* The next member, whatever is odd about it; false at the end, and where nothing can be read. */
static bool next_entry(struct source *source, struct archive *archive,
                       struct archive_entry **out_entry)
{
    int result = archive_read_next_header(archive, out_entry);
    bool is_encrypted = archive_read_has_encrypted_entries(archive) == 1;
    source->job->is_encrypted = source->job->is_encrypted || is_encrypted;
    if (result == ARCHIVE_OK || result == ARCHIVE_WARN)
        return true;
    if (result != ARCHIVE_EOF && !is_encrypted) /* names may need the password, too */
        bad(source);
    return false;
}

/* A zip's members are known: only archives in it are looked for. */
static void read_zip_inner(struct source *source, struct archive *archive)
{
    struct mw_archive_job *job = source->job;
    struct archive_entry *entry;
    size_t peeked = 0;
    while (!mw_archive_over(job) && next_entry(source, archive, &entry)) {
        struct mw_slice name = entry_name(job, entry);
        struct mw_buf inner = {0};
        bool is_archive = mw_archive_is_name(name);
        if (archive_entry_is_data_encrypted(entry) > 0 || (!is_archive && peeked++ >= PEEKED_MAX))
            continue;
        unpack(source, archive, true, is_archive, false, &inner);
        read_inner(job, &inner);
    }
}

/* Tar, 7z, rar, and whatever is compressed by itself ("raw": a single member). */
static void read_members(struct source *source, struct archive *archive)
{
    struct mw_archive_job *job = source->job;
    struct archive_entry *entry;
    while (!mw_archive_over(job) && next_entry(source, archive, &entry)) {
        struct mw_buf inner = {0};
        bool is_raw = archive_format(archive) == ARCHIVE_FORMAT_RAW;
        bool is_encrypted = archive_entry_is_data_encrypted(entry) > 0;
        bool is_named = !is_raw && mw_archive_is_name(entry_name(job, entry));
        if (is_raw)
            mw_archive_add(job, gzip_name(source->octets), false, UINT64_MAX, false);
        else
            add_entry(job, entry);
        /* In a tar of its own, and in rar, what is not wanted can be jumped over. */
        int format = archive_format(archive) & ARCHIVE_FORMAT_BASE_MASK;
        bool can_skip = (format == ARCHIVE_FORMAT_TAR && archive_filter_count(archive) == 1) ||
                        format == ARCHIVE_FORMAT_RAR || format == ARCHIVE_FORMAT_RAR_V5;
        if (!is_encrypted)
            unpack(source, archive, job->depth == 0, is_named, !can_skip && !is_raw, &inner);
        read_inner(job, &inner);
    }
}

static void read_layer(struct mw_archive_job *job, struct mw_slice octets, bool is_whole)
{
    enum mw_kind kind = kind_of(mw_slice_take(octets, HEAD));
    if (kind == KIND_NONE && mw_archive_has_zip_end(octets)) {
        /* Behind something else: most programs begin at the end of a zip. */
        kind = KIND_ZIP;
        mw_archive_defect(job, MW_DEFECT_BIT(MW_DEFECT_ARCHIVE_BAD));
    }
    struct source source = {.job = job, .octets = octets, .is_judged = kind == KIND_ZIP};
    if (kind == KIND_ZIP)
        mw_archive_zip(job, octets, is_whole);
    if (kind == KIND_NONE || job->is_over || (kind == KIND_ZIP && job->depth > 0))
        return;
    struct archive *archive = open_archive(&source, kind);
    size_t before = job->count;
    if (archive == NULL)
        bad(&source);
    else if (kind == KIND_ZIP)
        read_zip_inner(&source, archive);
    else
        read_members(&source, archive);
    archive_read_free(archive);
    /* Cut in the header; or zeros, an empty tar to libarchive, and compressed the usual bomb. */
    if (kind == KIND_COMPRESSED && job->count == before)
        mw_archive_add(job, gzip_name(octets), false, UINT64_MAX, false);
}

void mw_archive_read(struct mw_slice octets, bool is_whole, const struct mw_archive_limits *limits,
                     struct mw_arena *arena, struct mw_archive *out_archive)
{
    struct mw_archive_job job = {
        .limits = limits, .arena = arena, .deadline_us = cpu_us() + limits->time_max_us};
    /* libarchive has names in the locale's charset: UTF-8, for this thread and this while. */
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before = (locale_t)0;
    if (utf8 != (locale_t)0)
        before = uselocale(utf8);
    read_layer(&job, octets, is_whole);
    if (utf8 != (locale_t)0) {
        uselocale(before);
        freelocale(utf8);
    }
    const struct mw_content_member **members = mw_arena_array(
        arena, const struct mw_content_member *, job.count);
    if (job.count > 0)
        memcpy(members, job.members, job.count * sizeof *members);
    if (job.is_encrypted)
        job.defects |= MW_DEFECT_BIT(MW_DEFECT_ARCHIVE_ENCRYPTED);
    if (!is_whole) /* it could not be whole */
        job.defects &= ~MW_DEFECT_BIT(MW_DEFECT_ARCHIVE_BAD);
    *out_archive = (struct mw_archive){.members = members,
                                       .member_count = job.count,
                                       .is_encrypted = job.is_encrypted,
                                       .defects = job.defects};
    free(job.members);
}
