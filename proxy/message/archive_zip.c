/* archive_zip.c - what a zip holds, by its central directory and by its local headers.
 *
 * Programs trust one or the other; who wants to hide a file writes two different stories. So both
 * are read: the directory from the end of the archive, and the local headers from its beginning, one
 * after the other. A name that stands in one of them only becomes a member like all others, with
 * the defect archive-bad. Nothing is unpacked here. PKWARE APPNOTE 6.3: 4.3.7 local header, 4.3.12
 * directory, 4.3.14-16 its end, 4.4.4 flags, 4.6.9 Unicode path; AES: extra field 0x9901. */
#include <string.h>

#include "message/archive_priv.h"
#include "message/mime.h"

enum {
    LOCAL_LEN = 30,
    ENTRY_LEN = 46,
    END_LEN = 22,
    LOCATOR64_LEN = 20,
    END64_LEN = 56,
    COMMENT_MAX = 0xffff,
    SLACK = 4, /* line ends that some transport added */
    FLAG_ENCRYPTED = 1,
    FLAG_SIZES_BEHIND = 8,
    FLAG_UTF8 = 0x800,
    METHOD_AES = 99
};

#define SIGNATURE_LOCAL MW_LIT("PK\3\4")
#define SIGNATURE_ENTRY MW_LIT("PK\1\2")
#define SIGNATURE_END MW_LIT("PK\5\6")

/* One of the directory's lines, to be compared with the local headers. */
struct entry {
    uint64_t offset; /* of its local header in the octets at hand */
    uint64_t packed;
    struct mw_slice name;
};

struct zip {
    struct mw_archive_job *job;
    struct mw_slice octets;
    uint64_t
        start; /* where the first local header should be: behind a program, in self-extractors */
    uint64_t directory, directory_end;
    struct entry *entries; /* heap; sorted by offset */
    size_t count, cap;
    uint64_t declared; /* octets, unpacked, of all members */
};

/* A header of either kind. */
struct header {
    unsigned flags, method;
    uint64_t packed, octets, offset;
    struct mw_slice name, extra;
    struct mw_slice unicode; /* the name of extra field 0x7075 */
    size_t len;              /* with name, extra fields and comment */
    bool is_encrypted;
};

static uint64_t number(const char *ptr, size_t len)
{
    uint64_t value = 0;
    while (len-- > 0)
        value = value << 8 | (unsigned char)ptr[len];
    return value;
}

static bool is_at(struct mw_slice octets, uint64_t at, struct mw_slice signature, size_t len)
{
    return at <= octets.len && octets.len - at >= len &&
           memcmp(octets.ptr + at, signature.ptr, signature.len) == 0;
}

static void bad(struct zip *zip)
{
    mw_archive_defect(zip->job, MW_DEFECT_BIT(MW_DEFECT_ARCHIVE_BAD));
}

/* ---- headers ---- */

static uint64_t next64(struct mw_slice *field, uint64_t value)
{
    if (value != 0xffffffff || field->len < 8)
        return value;
    value = number(field->ptr, 8);
    *field = mw_slice_skip(*field, 8);
    return value;
}

static void read_extra(struct header *header)
{
    struct mw_slice rest = header->extra;
    while (rest.len >= 4) {
        unsigned id = (unsigned)number(rest.ptr, 2);
        size_t len = (size_t)number(rest.ptr + 2, 2);
        struct mw_slice field = mw_slice_take(mw_slice_skip(rest, 4), len);
        rest = mw_slice_skip(rest, 4 + len);
        if (id == 1) { /* 4.5.3: only what does not fit into 32 bits, in this order */
            header->octets = next64(&field, header->octets);
            header->packed = next64(&field, header->packed);
            header->offset = next64(&field, header->offset);
        } else if (id == 0x9901 || id == 0x0017) { /* AES; strong encryption */
            header->is_encrypted = true;
        } else if (id == 0x7075 && field.len > 5) { /* version, CRC, name */
            header->unicode = mw_slice_skip(field, 5);
        }
    }
}

/* The header at `at`, fixed parts of which are there: names that go beyond the end are cut. */
static struct header read_header(struct mw_slice octets, uint64_t at, bool is_local)
{
    const char *ptr = octets.ptr + at;
    size_t fixed = is_local ? LOCAL_LEN : ENTRY_LEN, base = is_local ? 4 : 6;
    size_t name_len = (size_t)number(ptr + base + 22, 2);
    size_t extra_len = (size_t)number(ptr + base + 24, 2);
    struct mw_slice rest = mw_slice_skip(octets, (size_t)at + fixed);
    struct header header = {
        .flags = (unsigned)number(ptr + base + 2, 2),
        .method = (unsigned)number(ptr + base + 4, 2),
        .packed = number(ptr + base + 14, 4),
        .octets = number(ptr + base + 18, 4),
        .offset = is_local ? 0 : number(ptr + 42, 4),
        .name = mw_slice_take(rest, name_len),
        .extra = mw_slice_take(mw_slice_skip(rest, name_len), extra_len),
        .len = fixed + name_len + extra_len + (is_local ? 0 : (size_t)number(ptr + 32, 2)),
    };
    header.is_encrypted = (header.flags & FLAG_ENCRYPTED) != 0 || header.method == METHOD_AES;
    read_extra(&header);
    return header;
}

static bool is_ascii(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((text.ptr[i] & 0x80) != 0)
            return false;
    return true;
}

/* False when there are too many. */
static bool add(struct zip *zip, const struct header *header, bool is_local)
{
    bool is_unknown = is_local && (header->flags & FLAG_SIZES_BEHIND) != 0 && header->octets == 0;
    uint64_t octets = is_unknown ? UINT64_MAX : header->octets;
    bool is_dos = (header->flags & FLAG_UTF8) == 0;
    if (!is_unknown)
        zip->declared = octets > UINT64_MAX - zip->declared ? UINT64_MAX : zip->declared + octets;
    if (!mw_archive_add(zip->job, header->name, is_dos, octets, header->is_encrypted))
        return false;
    /* Two names for programs to choose from. Where the plain one is no ASCII, that is its purpose. */
    if (header->unicode.len > 0 && !mw_slice_eq(header->unicode, header->name)) {
        if (is_ascii(header->name))
            bad(zip);
        return mw_archive_add(zip->job, header->unicode, false, octets, header->is_encrypted);
    }
    return true;
}

/* ---- the directory ---- */

/* Numbers in place of those that do not fit into the old end record: 4.3.14, 4.3.15. */
static void read_end64(struct zip *zip, uint64_t end, uint64_t *size, uint64_t *offset)
{
    if (end < LOCATOR64_LEN ||
        !is_at(zip->octets, end - LOCATOR64_LEN, MW_LIT("PK\6\7"), LOCATOR64_LEN))
        return;
    uint64_t at = number(zip->octets.ptr + end - LOCATOR64_LEN + 8, 8);
    if (!is_at(zip->octets, at, MW_LIT("PK\6\6"), END64_LEN) && end >= LOCATOR64_LEN + END64_LEN)
        at = end - LOCATOR64_LEN - END64_LEN; /* something stands before the archive */
    if (!is_at(zip->octets, at, MW_LIT("PK\6\6"), END64_LEN))
        return;
    *size = number(zip->octets.ptr + at + 40, 8);
    *offset = number(zip->octets.ptr + at + 48, 8);
    zip->directory_end = at;
}

/* 4.3.16: the last one that is there whole. */
static bool find_directory(struct zip *zip)
{
    struct mw_slice octets = zip->octets;
    uint64_t lowest = octets.len > COMMENT_MAX + END_LEN ? octets.len - COMMENT_MAX - END_LEN : 0;
    for (uint64_t at = octets.len >= END_LEN ? octets.len - END_LEN + 1 : 0; at-- > lowest;) {
        if (octets.ptr[at] != 'P' || !is_at(octets, at, SIGNATURE_END, END_LEN))
            continue;
        uint64_t size = number(octets.ptr + at + 12, 4), offset = number(octets.ptr + at + 16, 4);
        zip->directory_end = at;
        read_end64(zip, at, &size, &offset);
        if (size > zip->directory_end)
            continue;
        zip->directory = zip->directory_end - size;
        zip->start = offset <= zip->directory ? zip->directory - offset : 0;
        if (at + END_LEN + number(octets.ptr + at + 20, 2) + SLACK < octets.len)
            bad(zip); /* something behind the end */
        return true;
    }
    return false;
}

bool mw_archive_has_zip_end(struct mw_slice octets)
{
    struct mw_archive_job job = {0}; /* for what find_directory() thinks of it */
    struct zip zip = {.job = &job, .octets = octets};
    return find_directory(&zip) && is_at(octets, zip.directory, SIGNATURE_ENTRY, ENTRY_LEN);
}

static void remember(struct zip *zip, const struct header *header)
{
    if (zip->count == zip->cap) {
        zip->cap = zip->cap == 0 ? 16 : zip->cap * 2;
        zip->entries = mw_xrealloc(zip->entries, zip->cap * sizeof *zip->entries);
    }
    zip->entries[zip->count++] = (struct entry){
        .offset = zip->start + header->offset, .packed = header->packed, .name = header->name};
}

static int compare_entries(const void *a, const void *b)
{
    uint64_t x = ((const struct entry *)a)->offset, y = ((const struct entry *)b)->offset;
    return (x > y) - (x < y);
}

/* The local header of a line of the directory must tell the same. */
static bool check_local(struct zip *zip, const struct header *entry)
{
    uint64_t at = zip->start + entry->offset;
    if (!is_at(zip->octets, at, SIGNATURE_LOCAL, LOCAL_LEN)) {
        bad(zip);
        return true;
    }
    struct header local = read_header(zip->octets, at, true);
    if (local.is_encrypted && !entry->is_encrypted)
        zip->job->is_encrypted = true;
    if (mw_slice_eq(local.name, entry->name))
        return true;
    bad(zip);
    return add(zip, &local, true);
}

/* False when there are too many to compare. */
static bool read_directory(struct zip *zip)
{
    uint64_t at = zip->directory;
    while (is_at(zip->octets, at, SIGNATURE_ENTRY, ENTRY_LEN) && at < zip->directory_end) {
        struct header entry = read_header(zip->octets, at, false);
        remember(zip, &entry);
        if (!add(zip, &entry, false) || !check_local(zip, &entry) || mw_archive_over(zip->job))
            return false;
        at += entry.len;
    }
    if (at != zip->directory_end)
        bad(zip);
    if (zip->count > 0)
        qsort(zip->entries, zip->count, sizeof *zip->entries, compare_entries);
    return true;
}

/* ---- local headers ---- */

static uint64_t find_local(const struct zip *zip, uint64_t from, uint64_t end)
{
    if (from >= end)
        return UINT64_MAX;
    const char *found = memmem(zip->octets.ptr + from, (size_t)(end - from), SIGNATURE_LOCAL.ptr,
                               SIGNATURE_LOCAL.len);
    return found == NULL ? UINT64_MAX : (uint64_t)(found - zip->octets.ptr);
}

static const struct entry *find_entry(const struct zip *zip, uint64_t offset)
{
    struct entry key = {.offset = offset};
    return zip->count == 0 ? NULL
                           : bsearch(&key, zip->entries, zip->count, sizeof key, compare_entries);
}

/* Headers one after the other; what the directory has not got is added. Data whose length is told
 * nowhere (FLAG_SIZES_BEHIND and no directory) is looked through for the next header. */
static void walk_locals(struct zip *zip, bool has_directory)
{
    uint64_t end = has_directory ? zip->directory : zip->octets.len;
    /* Two archives in a row: the directory is that of the second, some programs see the first. */
    bool is_from_start = is_at(zip->octets, 0, SIGNATURE_LOCAL, LOCAL_LEN);
    uint64_t at = find_local(zip, is_from_start || !has_directory ? 0 : zip->start, end);
    while (at != UINT64_MAX && is_at(zip->octets, at, SIGNATURE_LOCAL, LOCAL_LEN)) {
        struct header local = read_header(zip->octets, at, true);
        const struct entry *entry = find_entry(zip, at);
        if (entry == NULL && has_directory)
            bad(zip);
        if (mw_archive_over(zip->job) || (entry == NULL && !add(zip, &local, true)))
            return;
        uint64_t packed = entry != NULL ? entry->packed : local.packed, next = at + local.len;
        if (packed > end - at || next + packed > end) {
            if (has_directory)
                bad(zip);
            packed = 0; /* a lie, or the archive is cut there */
        }
        at = find_local(zip, next + packed, end);
    }
}

/* Do members share octets, as in the densest bombs? */
static bool overlaps(const struct zip *zip)
{
    for (size_t i = 1; i < zip->count; i++)
        if (zip->entries[i].offset - zip->entries[i - 1].offset <
            LOCAL_LEN + zip->entries[i - 1].name.len + zip->entries[i - 1].packed)
            return true;
    return false;
}

void mw_archive_zip(struct mw_archive_job *job, struct mw_slice octets, bool is_whole)
{
    struct zip zip = {.job = job, .octets = octets};
    bool has_directory = find_directory(&zip);
    if (!has_directory && is_whole)
        bad(&zip);
    if (!has_directory || read_directory(&zip))
        walk_locals(&zip, has_directory);
    if (overlaps(&zip))
        bad(&zip);
    if (zip.declared > 1024 * 1024 && zip.declared / job->limits->ratio_max > octets.len)
        mw_archive_defect(job, MW_DEFECT_BIT(MW_DEFECT_ARCHIVE_RATIO));
    free(zip.entries);
}
