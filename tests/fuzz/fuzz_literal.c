/* fuzz_literal.c - the literals of a pattern are never more than it needs: whenever PCRE2 matches a
 * text, the text has a literal of each clause, and the index says so.
 *
 * First octet even: the others are choices of a grammar (pattern_kit.h), which makes a pattern and
 * a text for it. Odd: flags, a pattern up to a NUL, and a text. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "index.h"
#include "literal.h"
#include "pattern_kit.h"
#include "regex_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t options_of(const char *flags, bool is_utf)
{
    uint32_t options = is_utf ? PCRE2_UTF : PCRE2_NEVER_UTF;
    options |= strchr(flags, 'i') ? PCRE2_CASELESS : 0;
    options |= strchr(flags, 'm') ? PCRE2_MULTILINE : 0;
    options |= strchr(flags, 's') ? PCRE2_DOTALL : 0;
    options |= strchr(flags, 'x') ? PCRE2_EXTENDED : 0;
    return options | PCRE2_NEVER_BACKSLASH_C;
}

/* Bounded by the interpreter's limits; what is not decided proves nothing. */
static bool matches(pcre2_code *code, struct mw_slice text)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(context, 20000);
    int got = pcre2_match(code, (PCRE2_SPTR)text.ptr, text.len, 0, 0, data, context);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    return got >= 0;
}

static void check(struct mw_slice pattern, const char *flags, bool is_utf, struct mw_slice text)
{
    int error;
    size_t offset;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len,
                                     options_of(flags, is_utf), &error, &offset, NULL);
    struct literal_room room;
    struct literals literals;
    /* a pattern that is none is read without harm, too */
    bool has_some = rules_literals_of(pattern, slice_of(flags), is_utf, &room, &literals);
    if (code == NULL || !has_some || !matches(code, text)) {
        pcre2_code_free(code);
        return;
    }
    struct index *index = rules_index_new();
    rules_index_add(index, &literals);
    /* each clause alone, as the index itself need not ask for all */
    for (size_t i = 0; i < literals.count; i++)
        rules_index_add(index, &(struct literals){literals.clauses + i, 1});
    rules_index_finish(index);
    struct index_scan *scan = rules_index_scan_new(index);
    rules_index_scan_begin(scan);
    rules_index_scan_text(scan, text);
    for (uint32_t i = 0; i <= literals.count; i++)
        if (!rules_index_is_candidate(scan, i)) {
            fprintf(stderr, "clause %u of /%.*s/%s%s on '%.*s'\n", i, (int)pattern.len, pattern.ptr,
                    flags, is_utf ? " UTF" : "", (int)text.len, text.ptr);
            abort();
        }
    rules_index_scan_free(&scan);
    rules_index_free(&index);
    pcre2_code_free(code);
}

static void check_raw(const uint8_t *data, size_t size)
{
    static const char *const flags[] = {"", "i", "s", "m", "x", "im", "is", "ix"};
    if (size < 2)
        return;
    struct mw_slice rest = SLICE((const char *)data + 1, size - 1);
    ptrdiff_t end = text_find(rest, '\0');
    if (end < 0)
        return;
    struct mw_slice text = text_skip(rest, (size_t)end + 1);
    check(SLICE(rest.ptr, (size_t)end), flags[data[0] % 8], data[0] & 8, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pattern_kit kit;
    if (size == 0)
        return 0;
    if (data[0] & 1) {
        check_raw(data + 1, size - 1);
        return 0;
    }
    kit_make(&kit, data + 1, size - 1);
    check(SLICE(kit.pattern_room, kit.pattern.len), kit.flags, kit.is_utf,
          SLICE(kit.text_room, kit.text.len));
    return 0;
}
