/* fuzz_dmarc_from.c - From fields, before DMARC judges their domains. Where the field is well-formed, the host's reader or from.c's has each
 * address in it that a plain reader finds: quoted strings, comments and routes out, then whatever stands behind an '@' and in front of a '>', ',', ';' or
 * the end. */
#include <stdlib.h>

#include "domain.h"
#include "from.h"
#include "message/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static _Alignas(16) char pool[1 << 22];
static size_t used;

static void *allot(void *user, size_t size)
{
    (void)user;
    size = (size + 15) / 16 * 16;
    if (size > sizeof pool - used)
        abort();
    used += size;
    return pool + used - size;
}

/* Over the quoted string or comment that begins at `at`; both have an end. */
static size_t skip_hidden(struct mw_slice text, size_t at)
{
    size_t depth = 0;
    bool is_quote = text.ptr[at] == '"';
    for (; at < text.len; at++) {
        char c = text.ptr[at];
        if (c == '\\')
            at++;
        else if (c == '(' && !is_quote)
            depth++;
        else if ((c == ')' && !is_quote && --depth == 0) || (c == '"' && is_quote && depth++ > 0))
            return at + 1;
    }
    abort();
}

/* What is left, in `out`: as long as `text` at most. */
static size_t make_plain(struct mw_slice text, char *out)
{
    size_t len = 0;
    for (size_t at = 0; at < text.len;) {
        if (text.ptr[at] == '"' || text.ptr[at] == '(')
            at = skip_hidden(text, at);
        else
            out[len++] = text.ptr[at++];
    }
    return len;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* What from_problem() has found. */
static struct mw_slice seen[4000];
static size_t seen_count;

static void note(void *user, struct mw_slice domain)
{
    (void)user;
    if (seen_count < sizeof seen / sizeof *seen)
        seen[seen_count++] = domain;
}

static void check_listed(struct mw_slice domain, const struct mw_address *const *list, size_t count)
{
    char wanted[DOMAIN_MAX + 1], found[DOMAIN_MAX + 1];
    size_t len = domain_normalize(domain, wanted);
    bool is_listed = len == 0;
    for (size_t i = 0; i < count && !is_listed; i++)
        is_listed = text_eq(SLICE(wanted, len),
                            SLICE(found, domain_normalize(list[i]->domain, found)));
    for (size_t i = 0; i < seen_count && !is_listed; i++)
        is_listed = text_eq(SLICE(wanted, len), SLICE(found, domain_normalize(seen[i], found)));
    if (!is_listed)
        abort();
}

static size_t skip_blanks(struct mw_slice text, size_t at)
{
    while (at < text.len && is_blank(text.ptr[at]))
        at++;
    return at;
}

/* Behind a '<' and the route that it may begin with. */
static size_t skip_route(struct mw_slice text, size_t at)
{
    at = skip_blanks(text, at);
    if (at < text.len && text.ptr[at] == '@')
        while (at < text.len && text.ptr[at] != ':')
            at++;
    return at;
}

static void check_plain(struct mw_slice text, const struct mw_address *const *list, size_t count)
{
    for (size_t at = 0; at < text.len;) {
        char c = text.ptr[at++];
        if (c == '<')
            at = skip_route(text, at);
        if (c != '@')
            continue;
        size_t start = at;
        while (at < text.len && strchr("<>,;:@ \t\r\n", text.ptr[at]) == NULL)
            at++;
        size_t end = skip_blanks(text, at);
        if (end == text.len || strchr(">,;", text.ptr[end]) != NULL)
            check_listed(SLICE(text.ptr + start, at - start), list, count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_slice value = SLICE((const char *)data, size);
    const struct mw_address *const *list;
    seen_count = 0;
    if (size > 4000 || from_problem(value, note, NULL) != NULL)
        return 0;
    used = 0;
    char plain[4000];
    size_t count = mw_address_list(value, allot, NULL, &list);
    check_plain(SLICE(plain, make_plain(value, plain)), list, count);
    return 0;
}
