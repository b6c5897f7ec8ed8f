/* fuzz_lists.c - what lists read: files of entries, Postfix maps, reply codes of DNS lists, LMDB files.
 * The first octet says which. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/lex.h"
#include "list_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
    if (!holds)
        abort();
}

/* What comes out is no longer than what went in, and every entry of it is found again. */
static void read_text(const uint8_t *data, size_t size, bool is_map, const char *words)
{
    static struct list_problems problems;
    char *raw = malloc(size + 1); /* of the exact size, for the sanitizer */
    expect(raw != NULL);
    memcpy(raw, data, size);
    memset(&problems, 0, sizeof problems);
    size_t len = is_map ? rules_list_map_read(raw, size, words, &problems)
                        : rules_list_text_read(raw, size, &problems);
    expect(len <= size);
    struct list_content *content = rules_list_content_new(NULL, SLICE(raw, len), true);
    free(raw);
    for (unsigned kind = 0; kind < SET_KINDS; kind++)
        rules_list_content_index(content, &mw_lang_table, is_map ? LIST_POSTFIX : LIST_FILE, kind,
                                 &problems);
    struct list_line line = {.line = 0};
    uint32_t count = 0;
    for (size_t at = 0; rules_list_line_next(content, &at, &line); count++)
        expect(rules_list_table_find(content, content->tables[SET_TEXT], line.text) != 0);
    expect(count == content->entry_count);
    rules_list_content_free(&content);
}

static void read_filter(const uint8_t *data, size_t size)
{
    struct dnsbl_filter filter;
    size_t at = 0;
    rules_dnsbl_filter(SLICE((const char *)data, size), true, &filter, &at);
    expect(at <= size);
    const char *error = rules_dnsbl_filter(SLICE((const char *)data, size), false, &filter, &at);
    expect(at <= size && (error != NULL || at == size));
    if (error == NULL) /* at least one address fits what is of good form */
        for (unsigned octet = 0; octet < 4; octet++)
            expect((filter.octets[octet][0] | filter.octets[octet][1] | filter.octets[octet][2] |
                    filter.octets[octet][3]) != 0);
    char name[256];
    expect(rules_dnsbl_name(SET_HOST, SLICE((const char *)data, size), LIT("bl.example"), name) <=
           253);
    expect(rules_dnsbl_name(SET_ADDRESS, SLICE((const char *)data, size), LIT("bl.example"),
                            name) <= 253);
}

static void read_lmdb(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {"a", "key", "zzz", "example.net"};
    char path[64];
    const char *error = NULL;
    int fd = memfd_create("lmdb", MFD_CLOEXEC);
    expect(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct lmdb_file *file = rules_lmdb_open(path, &error);
    expect(file != NULL || error != NULL);
    for (size_t i = 0; file != NULL && i < sizeof keys / sizeof *keys; i++) {
        enum list_answer answer = rules_lmdb_has(file, slice_of(keys[i]), &error);
        expect(answer != LIST_ASK && (answer != LIST_FAILED || error != NULL));
    }
    rules_lmdb_close(&file);
    close(fd);
}

static void read_keys(const uint8_t *data, size_t size)
{
    static struct list_keys keys;
    for (unsigned list = 0; list <= LIST_DNSBL; list++)
        for (unsigned kind = 0; kind < SET_KINDS; kind++) {
            rules_list_keys(list, kind, SLICE((const char *)data, size), &keys);
            expect(keys.count <= LIST_KEYS_MAX && keys.used <= sizeof keys.octets);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    switch (data[0]) {
    case 't':
        read_text(data + 1, size - 1, false, NULL);
        break;
    case 'm':
        read_text(data + 1, size - 1, true, NULL);
        read_text(data + 1, size - 1, true, "reject\nok\n");
        break;
    case 'f':
        read_filter(data + 1, size - 1);
        break;
    case 'k':
        read_keys(data + 1, size - 1);
        break;
    default:
        read_lmdb(data + 1, size - 1);
    }
    return 0;
}
