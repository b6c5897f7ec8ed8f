/* from.c - see from.h. One pass: nothing is looked at twice but the domains that stand in a name and in its address. */
#include "from.h"

#include "domain.h"

enum { SPELLED_MAX = 8192 };

bool from_is_ascii(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            return false;
    return true;
}

bool from_may_spell(size_t *spelled, struct mw_slice domain)
{
    if (from_is_ascii(domain))
        return true;
    if (*spelled <= SPELLED_MAX)
        *spelled += domain.len;
    return *spelled <= SPELLED_MAX;
}

struct reader {
    struct mw_slice value;
    size_t at;
    bool in_group;
    bool is_odd, has_inner; /* the entry, see read_entry() */
    size_t spelled;         /* octets of names beyond ASCII that were compared */
    void (*found)(void *user, struct mw_slice domain);
    void *user;
    const char *problem; /* the first one ends the reading */
};

static int peek(const struct reader *reader)
{
    return reader->at < reader->value.len ? (unsigned char)reader->value.ptr[reader->at] : -1;
}

static void fail(struct reader *reader, const char *problem)
{
    if (reader->problem == NULL)
        reader->problem = problem;
    reader->at = reader->value.len;
}

/* What was read since. */
static struct mw_slice since(const struct reader *reader, size_t start)
{
    size_t end = reader->at < reader->value.len ? reader->at : reader->value.len;
    return SLICE(reader->value.ptr + start, end - start);
}

static void find(const struct reader *reader, struct mw_slice domain)
{
    if (domain.len > 0 && reader->found != NULL)
        reader->found(reader->user, domain);
}

static void fail_form(struct reader *reader)
{
    fail(reader, "From is malformed");
}

/* Some programs end a line at a bare CR, some at other controls. A fold has a blank behind it, never a name. */
bool from_is_hidden_in(struct mw_slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        if ((unsigned char)value.ptr[i] >= 0x20 || value.ptr[i] == '\t')
            continue;
        struct mw_slice line = text_skip(value, i + 1);
        if (!text_ieq(SLICE(line.ptr, line.len < 4 ? line.len : 4), LIT("From")))
            continue;
        line = text_skip(line, 4);
        while (line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t'))
            line = text_skip(line, 1);
        if (line.len > 0 && line.ptr[0] == ':')
            return true;
    }
    return false;
}

/* Where a value ends for some programs: at a NUL, at a line end that is no folding. Other controls have no business there. */
static bool has_controls(struct mw_slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        char next = i + 1 < value.len ? value.ptr[i + 1] : '\0';
        bool is_fold = (c == '\r' && next == '\n') || (c == '\n' && (next == ' ' || next == '\t'));
        if ((c < 0x20 || c == 0x7f) && c != '\t' && !is_fold)
            return true;
    }
    return false;
}

/* ---- tokens ---- */

static bool is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* RFC 5322 3.2.3 atext, the dot, and what RFC 6532 adds. */
static bool is_atom(int c)
{
    return c > ' ' && c != 0x7f && memchr("()<>[]:;@\\,\"", c, 12) == NULL;
}

static bool ends_entry(int c)
{
    return c == ',' || c == ';';
}

/* Within a comment, a quoted string or a route. */
static void see_inner(struct reader *reader)
{
    reader->has_inner |= ends_entry(peek(reader));
}

/* At the "(", over its partner. */
static void skip_comment(struct reader *reader)
{
    size_t depth = 0;
    for (; reader->at < reader->value.len; reader->at++) {
        int c = peek(reader);
        if (c == '\\')
            reader->at++;
        else if (c == '(')
            depth++;
        else if (c == ')' && --depth == 0) {
            reader->at++;
            return;
        }
        see_inner(reader);
    }
    fail(reader, "a comment in From has no end");
}

static void skip_cfws(struct reader *reader)
{
    while (is_blank(peek(reader)) || peek(reader) == '(')
        if (peek(reader) == '(')
            skip_comment(reader);
        else
            reader->at++;
}

static void skip_quoted(struct reader *reader)
{
    for (reader->at++; reader->at < reader->value.len; reader->at++) {
        if (peek(reader) == '"') {
            reader->at++;
            return;
        }
        if (peek(reader) == '\\')
            reader->at++;
        see_inner(reader);
    }
    fail(reader, "a quoted string in From has no end");
}

/* "[list] Some One" is common; a bracket without its partner is not, nor one at an encoded word's end, where programs differ (RFC 2047 5). */
static void skip_brackets(struct reader *reader)
{
    size_t start = reader->at;
    bool is_behind_word = start >= 2 && memcmp(reader->value.ptr + start - 2, "?=", 2) == 0;
    reader->is_odd = true;
    reader->at++;
    while (is_atom(peek(reader)) || is_blank(peek(reader)))
        reader->at++;
    if (peek(reader) != ']' || is_behind_word)
        fail_form(reader);
    reader->at++;
}

/* Words without blanks between: what may be a local part. Then it holds no encoded word (RFC 2047 5): some would decode it, and some look for its
 * end beyond the '@'; and a quoted string stands between dots (RFC 5322 4.4 obs-local-part): GMime takes no other. False: there is none. */
static bool skip_words(struct reader *reader)
{
    size_t start = reader->at;
    int last = 0;
    bool is_encoded = false, is_stuck = false, has_gap = false;
    for (int c = peek(reader); is_atom(c) || c == '"' || c == '['; last = c, c = peek(reader)) {
        is_encoded |= last == '=' && c == '?';
        is_stuck |= last != 0 && last != '.' && c != '.' && (c == '"' || last == '"');
        has_gap |= (last == 0 || last == '.') && c == '.';
        if (c == '"')
            skip_quoted(reader);
        else if (c == '[')
            skip_brackets(reader);
        else
            reader->at++;
    }
    if (peek(reader) != '@')
        return reader->at > start;
    struct mw_slice local = since(reader, start);
    reader->is_odd |= has_gap || last == '.' || text_utf8_len(local) < local.len;
    if (is_encoded)
        fail(reader, "an address in From has encoded words");
    else if (is_stuck)
        fail_form(reader);
    return reader->at > start;
}

/* Behind an '@': a domain or an address literal. Empty: none. */
static struct mw_slice take_domain(struct reader *reader)
{
    size_t start = reader->at;
    bool is_literal = peek(reader) == '[';
    reader->at += is_literal;
    while (is_atom(peek(reader)) || (is_literal && peek(reader) == ':')) /* [IPv6:2001:db8::1] */
        reader->at++;
    if (is_literal && peek(reader) != ']')
        fail_form(reader);
    else
        reader->at += is_literal;
    return since(reader, start);
}

/* ---- addresses ---- */

/* A domain that was seen in a name; the address behind it has to have the same one. */
struct entry {
    struct mw_slice named;
    bool has_other; /* the name has several */
    size_t words;
};

static bool is_same(struct reader *reader, struct mw_slice a, struct mw_slice b)
{
    char first[DOMAIN_MAX + 1], second[DOMAIN_MAX + 1];
    if (!from_may_spell(&reader->spelled, a) || !from_may_spell(&reader->spelled, b))
        return false;
    size_t len = domain_normalize(a, first);
    return len > 0 && text_eq(SLICE(first, len), SLICE(second, domain_normalize(b, second)));
}

/* RFC 5322 4.4 obs-route: "@a,@b:". */
static void skip_route(struct reader *reader)
{
    while (peek(reader) == '@') {
        reader->at++;
        take_domain(reader);
        skip_cfws(reader);
        while (peek(reader) == ',') {
            see_inner(reader);
            reader->at++;
            skip_cfws(reader);
        }
    }
    if (peek(reader) != ':')
        fail_form(reader);
    else
        reader->at++;
}

/* At a "<". Behind it nothing may follow in this entry. */
static void read_angle(struct reader *reader, const struct entry *entry)
{
    struct mw_slice domain = EMPTY;
    reader->at++;
    skip_cfws(reader);
    if (peek(reader) == '@')
        skip_route(reader);
    skip_cfws(reader);
    size_t start = reader->at;
    if (skip_words(reader) && peek(reader) == '@') {
        reader->at++;
        domain = take_domain(reader);
        find(reader, domain);
    } else if (text_find(since(reader, start), '@') >= 0) {
        fail_form(reader); /* <"a@example.net"> */
    }
    reader->is_odd |= domain.len == 0;
    skip_cfws(reader);
    if (peek(reader) != '>')
        fail_form(reader);
    reader->at++;
    skip_cfws(reader);
    if (entry->has_other || (entry->named.len > 0 && !is_same(reader, entry->named, domain)))
        fail(reader, "a name in From holds an address of another domain");
    if (peek(reader) >= 0 && !ends_entry(peek(reader)))
        fail_form(reader);
}

/* At an '@' behind a word: an address by itself, or part of a name. */
static void read_at(struct reader *reader, struct entry *entry)
{
    reader->at++;
    struct mw_slice domain = take_domain(reader);
    entry->has_other = entry->has_other ||
                       (entry->named.len > 0 && !is_same(reader, entry->named, domain));
    entry->named = domain;
    skip_cfws(reader);
    /* "a@example .net", "a@example. net": RFC 5322 4.4 obs-domain */
    bool goes_on = peek(reader) == '.' ||
                   (domain.len > 0 && domain.ptr[domain.len - 1] == '.' && is_atom(peek(reader)));
    if (domain.len == 0 || peek(reader) == '@' || goes_on)
        fail_form(reader);
}

/* A name that ends with a ':' opens a group. */
static void read_colon(struct reader *reader, struct entry *entry)
{
    if (reader->in_group || entry->words == 0 || entry->named.len > 0)
        fail_form(reader);
    reader->in_group = true;
    reader->at++;
    *entry = (struct entry){.words = 0};
}

/* Up to where its ',' or ';' is, or to the end. */
static void read_words(struct reader *reader, struct entry *entry)
{
    for (skip_cfws(reader); peek(reader) >= 0; skip_cfws(reader)) {
        int c = peek(reader);
        if (ends_entry(c))
            break;
        reader->is_odd |= c == '.' && entry->words == 0;
        if (c == '<') {
            reader->is_odd |= entry->named.len > 0;
            read_angle(reader, entry);
            return;
        }
        if (c == ':')
            read_colon(reader, entry);
        else if (!skip_words(reader))
            fail_form(reader);
        else if (entry->words++, peek(reader) == '@')
            read_at(reader, entry);
    }
    find(reader, entry->named);
    reader->is_odd |= entry->named.len == 0;
    if (entry->named.len > 0 && entry->words > 1)
        fail_form(reader); /* an address by itself, and words beside it */
}

/* GMime gives an entry up where its name has brackets, an '@' or a dot in front, its local part a dot too many or octets that are no UTF-8 (RFC 6532
 * has those that are), or where there is no address, and goes on behind the next ',', even where that stands in a comment or a quoted string. Either
 * by itself is common (".NET Foundation", "[list] Some One"; "Doe, John"), both together are not. */
static void read_entry(struct reader *reader)
{
    struct entry entry = {.words = 0};
    read_words(reader, &entry);
    if (reader->is_odd && reader->has_inner)
        fail_form(reader);
}

const char *from_problem(struct mw_slice value, void (*found)(void *user, struct mw_slice domain),
                         void *user)
{
    struct reader reader = {.value = value, .found = found, .user = user};
    if (has_controls(value))
        return "From has control octets";
    while (peek(&reader) >= 0) {
        read_entry(&reader);
        if (peek(&reader) == ';' && !reader.in_group)
            fail_form(&reader);
        reader.in_group = reader.in_group && peek(&reader) != ';';
        if (peek(&reader) == ',')
            reader.is_odd = reader.has_inner = false;
        reader.at++; /* over the ',' or ';' */
    }
    return reader.problem;
}
