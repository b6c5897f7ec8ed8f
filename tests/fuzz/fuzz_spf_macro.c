/* fuzz_spf_macro.c - the first line is what the letters stand for (words between ';', in the order s l o d i p v h c r t), the rest a
 * macro-string: expansion stays within its bounds, and a name is the right end of the same text expanded in full. */
#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "macro.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VALUE_MAX = 300, FULL_MAX = 3 * VALUE_MAX * CHECK_RECORD_MAX / 4 };

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static void read_values(struct mw_slice line, struct macro_values *values)
{
    static const char letters[] = "slodipvhcrt";
    for (size_t i = 0; i < 26; i++)
        values->of[i] = EMPTY;
    for (size_t i = 0; letters[i] != '\0' && line.len > 0; i++) {
        ptrdiff_t end = text_find(line, ';');
        struct mw_slice value = end < 0 ? line : SLICE(line.ptr, (size_t)end);
        line = end < 0 ? EMPTY : text_skip(line, (size_t)end + 1);
        if (value.len > VALUE_MAX)
            value.len = VALUE_MAX;
        values->of[letters[i] - 'a'] = value;
    }
}

static bool is_printable(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] > '~')
            return false;
    return true;
}

/* By the words of RFC 7208 7.3, from the left. */
static struct mw_slice end_of(struct mw_slice full)
{
    if (full.len > 0 && full.ptr[full.len - 1] == '.')
        full.len--;
    while (full.len > DOMAIN_MAX) {
        ptrdiff_t dot = text_find(full, '.');
        full = dot < 0 ? EMPTY : text_skip(full, (size_t)dot + 1);
    }
    return full;
}

static void expand_name(struct mw_slice text, const struct macro_values *values, bool is_comparable)
{
    char name[DOMAIN_MAX + 1];
    size_t len = macro_domain(text, values, name);
    expect(len <= DOMAIN_MAX && name[len] == '\0');
    if (!is_comparable)
        return;
    char *full = malloc(FULL_MAX);
    expect(full != NULL);
    size_t full_len = macro_explanation(text, values, full, FULL_MAX);
    expect(text_eq(end_of(SLICE(full, full_len)), SLICE(name, len)));
    free(full);
}

static void expand_text(struct mw_slice text, const struct macro_values *values)
{
    char out[CHECK_EXPLANATION_MAX], less[16];
    size_t len = macro_explanation(text, values, out, sizeof out);
    expect(len <= sizeof out && is_printable(SLICE(out, len)));
    size_t less_len = macro_explanation(text, values, less, sizeof less);
    expect(less_len == (len < sizeof less ? len : sizeof less) && memcmp(less, out, less_len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_slice text = SLICE((const char *)data, size);
    struct macro_values values;
    ptrdiff_t end = text_find(text, '\n');
    struct mw_slice line = end < 0 ? EMPTY : SLICE(text.ptr, (size_t)end);
    read_values(line, &values);
    text = text_skip(text, (size_t)(end + 1));
    if (text.len > CHECK_RECORD_MAX)
        text.len = CHECK_RECORD_MAX;
    expect(!macro_is_domain_spec(text) || macro_is_valid(text, MACRO_IN_DOMAIN));
    expect(!macro_is_valid(text, MACRO_IN_DOMAIN) || macro_is_valid(text, MACRO_IN_MODIFIER));
    expect(!macro_is_valid(text, MACRO_IN_MODIFIER) || macro_is_valid(text, MACRO_IN_EXPLANATION));
    if (!macro_is_valid(text, MACRO_IN_EXPLANATION))
        return 0;
    expand_text(text, &values);
    expand_name(text, &values, is_printable(line));
    return 0;
}
