/* list_lmdb.c - looking keys up in an LMDB file, read-only, without liblmdb.
 *
 * The library maps the file and trusts every offset in it: one damaged page, or a file cut short
 * under its feet, ends the process. Here each page is read with pread(2) and every number in it is
 * checked, so that the worst that a file can do is LIST_FAILED. It also needs no lock file, no
 * write permission and no slot in the reader table.
 *
 * Without such a slot a writer may use old pages again. LMDB writes copies: the pages of commit N
 * stay as they are until N+2 is there and N+3 is being written. So the meta page is read before and
 * after a look-up; if it went on by more than one commit meanwhile, the look-up is done again.
 *
 * The format (data version 1, 64-bit; lmdb.h and mdb.c of 0.9): pages 0 and 1 are meta pages, the
 * newer one counts; its second MDB_db describes the main database, a B+ tree of branch and leaf
 * pages; keys are in memcmp() order, a shorter one first. Integers are of the host's byte order. */
#include "list_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PAGE_MIN = 512,
    PAGE_MAX = 65536,
    PAGE_HEADER = 16, /* pgno 8, pad 2, flags 2, lower 2, upper 2 */
    PAGE_BRANCH = 0x01,
    PAGE_LEAF = 0x02,
    PAGE_META = 0x08,
    NODE_HEADER = 8, /* lo 2, hi 2, flags 2, key size 2 */
    DEPTH_LIMIT = 32,
    TRIES = 3,
    META_LEN =
        136, /* magic 4, version 4, address 8, map size 8, MDB_db 48 twice, last page 8, txn 8 */
    DB_MAIN = 24 + 48,
    DB_FLAGS = 4,
    DB_ROOT = 40,
    META_TXN = 128
};
#define META_MAGIC UINT32_C(0xbeefc0de)
#define NO_PAGE UINT64_MAX

struct lmdb_file {
    int fd;
    uint32_t page_size;
    char *page; /* one page at hand */
};
struct meta {
    uint64_t root, txn;
};

static uint16_t read16(const char *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint32_t read32(const char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint64_t read64(const char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static bool read_at(const struct lmdb_file *file, char *out, size_t len, uint64_t offset)
{
    while (len > 0) {
        ssize_t got = pread(file->fd, out, len, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        out += got;
        len -= (size_t)got;
        offset += (uint64_t)got;
    }
    return true;
}

/* ---- meta pages ---- */

/* NULL, or what is wrong. *out_page_size is of page 0's own telling. */
static const char *read_meta(const struct lmdb_file *file, uint64_t offset, struct meta *out,
                             uint32_t *out_page_size)
{
    char page[PAGE_HEADER + META_LEN];
    if (!read_at(file, page, sizeof page, offset))
        return "it is cut short";
    const char *meta = page + PAGE_HEADER;
    if (!(read16(page + 10) & PAGE_META) || read32(meta) != META_MAGIC)
        return "it is no LMDB file";
    if (read32(meta + 4) != 1)
        return "its format is of another version than 1";
    *out_page_size = read32(meta + 24);
    if (*out_page_size < PAGE_MIN || *out_page_size > PAGE_MAX ||
        (*out_page_size & (*out_page_size - 1)) != 0)
        return "it is damaged (page size)";
    if (read16(meta + DB_MAIN + DB_FLAGS) != 0)
        return "its database has duplicates or keys in another order, which lists cannot use";
    out->root = read64(meta + DB_MAIN + DB_ROOT);
    out->txn = read64(meta + META_TXN);
    return NULL;
}

static const char *newest_meta(const struct lmdb_file *file, struct meta *out)
{
    struct meta metas[2] = {{.txn = 0}, {.txn = 0}};
    uint32_t page_size;
    const char *first = read_meta(file, 0, &metas[0], &page_size);
    const char *second = read_meta(file, file->page_size, &metas[1], &page_size);
    if (first != NULL && second != NULL)
        return first;
    /* a meta page that is being written may be torn: the other one counts */
    bool takes_second = first != NULL || (second == NULL && metas[1].txn > metas[0].txn);
    *out = metas[takes_second];
    return NULL;
}

/* ---- life ---- */

static int open_file(const char *path, const char **out_error)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    *out_error = "cannot be opened";
    if (fd < 0 && errno == ENOENT)
        *out_error = "no such file";
    else if (fd < 0 && errno == EACCES)
        *out_error = "permission denied";
    if (fd < 0 || (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)))
        return fd;
    *out_error = S_ISDIR(status.st_mode) ? "it is a directory: name the data.mdb inside"
                                         : "it is no regular file";
    close(fd);
    return -1;
}

struct lmdb_file *rules_lmdb_open(const char *path, const char **out_error)
{
    struct meta meta;
    int fd = open_file(path, out_error);
    if (fd < 0)
        return NULL;
    struct lmdb_file *file = calloc(1, sizeof *file);
    if (file == NULL)
        abort(); /* out of memory: as everywhere, the worker ends */
    file->fd = fd;
    *out_error = read_meta(file, 0, &meta, &file->page_size);
    if (*out_error == NULL)
        *out_error = newest_meta(file, &meta);
    if (*out_error != NULL) {
        rules_lmdb_close(&file);
        return NULL;
    }
    file->page = malloc(file->page_size);
    if (file->page == NULL)
        abort();
    return file;
}

void rules_lmdb_close(struct lmdb_file **file_at)
{
    struct lmdb_file *file = *file_at;
    *file_at = NULL;
    if (file == NULL)
        return;
    close(file->fd);
    free(file->page);
    free(file);
}

/* ---- pages ---- */

struct lmdb_node {
    struct mw_slice key;
    uint64_t child; /* of a branch */
};

static bool read_page(struct lmdb_file *file, uint64_t number, unsigned *out_count)
{
    if (number < 2 || number > UINT64_MAX / 2 / PAGE_MAX ||
        !read_at(file, file->page, file->page_size, number * file->page_size))
        return false;
    uint16_t flags = read16(file->page + 10), lower = read16(file->page + 12);
    bool is_tree = (flags & (PAGE_BRANCH | PAGE_LEAF | 0x2c)) == PAGE_BRANCH ||
                   (flags & (PAGE_BRANCH | PAGE_LEAF | 0x2c)) == PAGE_LEAF;
    if (!is_tree || read64(file->page) != number || lower < PAGE_HEADER ||
        lower > file->page_size || lower % 2 != 0)
        return false;
    *out_count = (unsigned)(lower - PAGE_HEADER) / 2;
    return *out_count > 0;
}

static bool read_node(const struct lmdb_file *file, unsigned index, struct lmdb_node *out)
{
    uint16_t offset = read16(file->page + PAGE_HEADER + 2 * index);
    if (offset < PAGE_HEADER || offset > file->page_size - NODE_HEADER)
        return false;
    const char *at = file->page + offset;
    uint16_t key_len = read16(at + 6);
    if (key_len > file->page_size - NODE_HEADER - offset)
        return false;
    out->key = SLICE(at + NODE_HEADER, key_len);
    out->child = read16(at) | (uint64_t)read16(at + 2) << 16 | (uint64_t)read16(at + 4) << 32;
    return true;
}

static int compare(struct mw_slice a, struct mw_slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* The first node at or behind `from` whose key is not below `key`: its index, or `count`. False:
 * damaged. */
static bool lower_bound(const struct lmdb_file *file, struct mw_slice key, unsigned from,
                        unsigned count, unsigned *out_index, bool *out_is_equal)
{
    unsigned low = from, high = count;
    struct lmdb_node node;
    *out_is_equal = false;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (!read_node(file, middle, &node))
            return false;
        int order = compare(node.key, key);
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
            *out_is_equal = order == 0;
        }
    }
    *out_index = low;
    return true;
}

/* ---- looking up ---- */

static enum list_answer find(struct lmdb_file *file, uint64_t page, struct mw_slice key)
{
    for (unsigned depth = 0; depth < DEPTH_LIMIT; depth++) {
        unsigned count, index;
        bool is_equal;
        struct lmdb_node node;
        if (!read_page(file, page, &count))
            return LIST_FAILED;
        bool is_branch = read16(file->page + 10) & PAGE_BRANCH;
        /* a branch's first key is not used: its child has all that is below the second */
        if (!lower_bound(file, key, is_branch ? 1 : 0, count, &index, &is_equal))
            return LIST_FAILED;
        if (!is_branch)
            return is_equal && index < count ? LIST_YES : LIST_NO;
        if (!(is_equal && index < count))
            index--;
        if (!read_node(file, index, &node))
            return LIST_FAILED;
        page = node.child;
    }
    return LIST_FAILED; /* a circle */
}

static enum list_answer find_both(struct lmdb_file *file, uint64_t root, struct mw_slice key)
{
    char with_nul[LIST_ENTRY_MAX + 1];
    enum list_answer answer = find(file, root, key);
    if (answer != LIST_NO)
        return answer;
    memcpy(with_nul, key.ptr, key.len);
    with_nul[key.len] = '\0'; /* as Postfix's own programs store keys on some systems */
    return find(file, root, SLICE(with_nul, key.len + 1));
}

enum list_answer rules_lmdb_has(struct lmdb_file *file, struct mw_slice key, const char **out_error)
{
    enum list_answer answer = LIST_FAILED;
    struct meta before, after;
    if (key.len == 0 || key.len > LIST_ENTRY_MAX)
        return LIST_NO;
    for (int i = 0; i < TRIES; i++) {
        *out_error = newest_meta(file, &before);
        if (*out_error != NULL)
            return LIST_FAILED;
        answer = before.root == NO_PAGE ? LIST_NO : find_both(file, before.root, key);
        *out_error = newest_meta(file, &after);
        if (*out_error != NULL)
            return LIST_FAILED;
        if (after.txn - before.txn <= 1 && (answer != LIST_FAILED || after.txn == before.txn))
            break;
        answer = LIST_FAILED;
    }
    if (answer == LIST_FAILED)
        *out_error = "the LMDB file is damaged";
    return answer;
}
