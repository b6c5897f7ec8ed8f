/* import_milter_regex.c - the configuration of milter-regex(8): an action, and the expressions for
 * which it is taken, each of them a rule.
 *
 * milter-regex answers as soon as any expression holds, whatever stands above it in the file: so
 * every rule is `early`. It shows addresses with their angle brackets, and a client without a name
 * as "[192.0.2.1]". */
#include <stdio.h>

#include "import_priv.h"

enum { CONDITION_ROOM = 16 * 1024, DEPTH_MAX = 32, ARG_MAX = 4096 };

struct reader {
    struct import *import;
    struct mw_slice rest;
    uint32_t line;
    struct builder to; /* the condition */
    const char *why;   /* the expression cannot be carried over */
    uint32_t depth, count, factors;
};

/* ---- tokens ---- */

static char front(const struct reader *reader)
{
    return reader->rest.len > 0 ? reader->rest.ptr[0] : '\0';
}

static void skip_octets(struct reader *reader, size_t count)
{
    for (; count > 0 && reader->rest.len > 0; count--) {
        reader->line += reader->rest.ptr[0] == '\n';
        reader->rest = text_skip(reader->rest, 1);
    }
}

static void skip_blanks(struct reader *reader)
{
    for (;;) {
        char c = front(reader);
        bool joins = c == '\\' && reader->rest.len > 1 &&
                     (reader->rest.ptr[1] == '\n' || reader->rest.ptr[1] == '\r');
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || joins) {
            skip_octets(reader, 1);
        } else if (c == '#') {
            ptrdiff_t end = text_find(reader->rest, '\n');
            skip_octets(reader, end < 0 ? reader->rest.len : (size_t)end);
        } else {
            return;
        }
    }
}

/* The word ahead, not taken. */
static struct mw_slice peek_word(struct reader *reader)
{
    skip_blanks(reader);
    size_t len = 0;
    while (len < reader->rest.len && ((text_lower(reader->rest.ptr[len]) >= 'a' &&
                                       text_lower(reader->rest.ptr[len]) <= 'z') ||
                                      reader->rest.ptr[len] == '_'))
        len++;
    return SLICE(reader->rest.ptr, len);
}

static bool take_word(struct reader *reader, const char *word)
{
    struct mw_slice ahead = peek_word(reader);
    if (!text_ieq(ahead, slice_of(word)))
        return false;
    skip_octets(reader, ahead.len);
    return true;
}

static void fail(struct reader *reader, const char *why)
{
    if (reader->why == NULL)
        reader->why = why;
}

/* ---- patterns ---- */

struct arg {
    struct mw_slice source;
    struct import_pattern pattern;
    bool is_negated, is_extended, is_empty;
    const char *flags;
    char room[5];
};

/* Any delimiter, the pattern, the delimiter and flags e i n. */
static bool read_arg(struct reader *reader, struct arg *arg)
{
    bool is_caseless = false;
    *arg = (struct arg){.source = EMPTY};
    skip_blanks(reader);
    char delimiter = front(reader);
    struct mw_slice inner = text_skip(reader->rest, 1);
    ptrdiff_t end = text_find(inner, delimiter), line_end = text_find(inner, '\n');
    if (delimiter == '\0' || end < 0 || (line_end >= 0 && line_end < end) || end > ARG_MAX) {
        fail(reader, "expected a pattern between delimiters");
        skip_octets(reader, line_end < 0 ? reader->rest.len : (size_t)line_end + 1);
        return false;
    }
    arg->source = SLICE(inner.ptr, (size_t)end);
    skip_octets(reader, (size_t)end + 2);
    for (; text_lower(front(reader)) >= 'a' && text_lower(front(reader)) <= 'z';
         skip_octets(reader, 1)) {
        arg->is_extended |= front(reader) == 'e';
        arg->is_negated |= front(reader) == 'n';
        is_caseless |= front(reader) == 'i';
        if (strchr("ein", front(reader)) == NULL)
            fail(reader, "a flag behind the pattern is unknown");
    }
    arg->is_empty = arg->source.len == 0;
    if (arg->source.len > 0 && arg->source.ptr[arg->source.len - 1] == '\\')
        fail(reader, "the pattern ends with a backslash");
    const char *why = import_pattern_posix(reader->import, arg->source, arg->is_extended,
                                           is_caseless, false, &arg->pattern);
    if (why != NULL)
        fail(reader, why);
    arg->flags = import_pattern_flags(&arg->pattern, arg->room);
    return true;
}

static void put(void *reader_, struct mw_slice text)
{
    struct reader *reader = reader_;
    if (text.len > reader->to.cap - reader->to.len)
        fail(reader, "the expression is too long");
    builder_put(&reader->to, text);
}

static void put_test(struct reader *reader, const char *field, const struct arg *arg,
                     struct mw_slice pattern)
{
    put(reader, slice_of(field));
    put(reader, arg->is_negated ? LIT(" !~ ") : LIT(" =~ "));
    import_each_of_regex(pattern, arg->flags, put, reader);
}

/* ---- what is looked at ---- */

static bool says(const struct arg *arg, const char *const *forms)
{
    for (; *forms != NULL; forms++)
        if (text_is(arg->source, *forms))
            return true;
    return false;
}

static bool is_anything(const struct arg *arg)
{
    static const char *const forms[] = {"", ".*", "^.*", "^.*$", ".", NULL};
    return !arg->is_negated && says(arg, forms);
}

static void put_host(struct reader *reader, const struct arg *arg)
{
    static const char *const nameless[] = {"\\[.*\\]", "^\\[.*\\]$", "^\\[.*\\]", "^\\[",
                                           "\\[",      "\\[.*\\]$",  NULL};
    if (says(arg, nameless))
        put(reader,
            arg->is_negated ? LIT("client.name is not empty") : LIT("client.name is empty"));
    else if (import_needs_letter(&arg->pattern))
        put_test(reader, "client.name", arg, arg->pattern.text);
    else
        fail(reader, "the host's pattern may match the address that stands for a missing name");
}

/* ^10\.1\. as 10.1.0.0/16, ^10\.1\.2\.3$ as itself. */
static void put_address(struct reader *reader, const struct arg *arg)
{
    struct mw_slice text = arg->source;
    unsigned octets = 0;
    char room[40];
    struct builder network = {.ptr = room, .cap = sizeof room};
    bool is_whole = false, is_good = text.len > 1 && text.ptr[0] == '^';
    for (text = text_skip(text, 1); is_good && text.len > 0 && !is_whole && octets < 4; octets++) {
        size_t digits = 0;
        uint64_t octet;
        while (digits < text.len && text_is_digit(text.ptr[digits]))
            digits++;
        is_good = digits > 0 && (digits == 1 || text.ptr[0] != '0') &&
                  text_number(SLICE(text.ptr, digits), 255, &octet);
        builder_put(&network, octets > 0 ? LIT(".") : EMPTY);
        builder_put(&network, SLICE(text.ptr, digits));
        text = text_skip(text, digits);
        is_whole = octets == 3 && text_is(text, "$");
        is_good &= is_whole || (octets < 3 && text.len > 1 && memcmp(text.ptr, "\\.", 2) == 0);
        text = text_skip(text, is_whole ? 1 : 2);
    }
    if (!is_good || text.len > 0) {
        fail(reader,
             "the address's pattern is no network: write it as ^10\\.1\\. or ^10\\.1\\.2\\.3$");
        return;
    }
    for (unsigned i = octets; i < 4; i++)
        builder_put(&network, LIT(".0"));
    if (octets < 4)
        builder_putf(&network, "/%u", octets * 8);
    put(reader, arg->is_negated ? LIT("client.ip not in (") : LIT("client.ip in ("));
    put(reader, SLICE(room, network.len));
    put(reader, LIT(")"));
}

static void read_connect(struct reader *reader)
{
    struct arg host, address;
    if (!read_arg(reader, &host) || !read_arg(reader, &address) || reader->why != NULL)
        return;
    bool has_host = !is_anything(&host), has_address = !is_anything(&address);
    put(reader, LIT("("));
    if (has_host)
        put_host(reader, &host);
    put(reader, has_host && has_address ? LIT(" and ") : EMPTY);
    if (has_address)
        put_address(reader, &address);
    put(reader, has_host || has_address ? LIT(")") : LIT("always)"));
}

static void put_one_header(struct reader *reader, struct mw_slice name, const struct arg *value)
{
    struct mw_slice quoted = import_quote(reader->import, name);
    if (++reader->factors > IMPORT_FACTORS_MAX)
        fail(reader, "the expression has too many terms");
    if (value->is_empty || is_anything(value)) {
        put(reader, LIT("header.names == "));
        put(reader, quoted);
        return;
    }
    struct mw_slice parts[] = {LIT("raw.header("), quoted, LIT(")")};
    put_test(reader, import_join(reader->import, parts, 3).ptr, value, value->pattern.text);
}

/* ^Name$ or ^(One|Other)$, without case. */
static void put_headers(struct reader *reader, const struct arg *name, const struct arg *value)
{
    struct mw_slice text = name->source;
    bool is_good = text.len > 2 && text.ptr[0] == '^' && text.ptr[text.len - 1] == '$' &&
                   name->pattern.is_caseless && !name->is_negated;
    text = is_good ? SLICE(text.ptr + 1, text.len - 2) : EMPTY;
    bool is_group = name->is_extended && text.len > 2 && text.ptr[0] == '(' &&
                    text.ptr[text.len - 1] == ')';
    if (is_group)
        text = SLICE(text.ptr + 1, text.len - 2);
    put(reader, LIT("("));
    for (bool is_first = true; is_good; is_first = false) {
        ptrdiff_t bar = is_group ? text_find(text, '|') : -1;
        struct mw_slice one = bar < 0 ? text : SLICE(text.ptr, (size_t)bar);
        is_good = one.len > 0;
        for (size_t i = 0; i < one.len; i++)
            is_good &= text_is_digit(one.ptr[i]) || one.ptr[i] == '-' ||
                       (text_lower(one.ptr[i]) >= 'a' && text_lower(one.ptr[i]) <= 'z');
        put(reader, is_first ? EMPTY : LIT(" or "));
        if (is_good)
            put_one_header(reader, one, value);
        if (bar < 0)
            break;
        text = text_skip(text, (size_t)bar + 1);
    }
    put(reader, LIT(")"));
    if (!is_good)
        fail(reader, "the header's name is not of the form /^Name$/i or /^(One|Other)$/ie");
}

static void read_header(struct reader *reader)
{
    struct arg name, value;
    if (!read_arg(reader, &name) || !read_arg(reader, &value) || reader->why != NULL)
        return;
    if (value.is_negated && value.is_empty)
        fail(reader, "the value's pattern never holds");
    put_headers(reader, &name, &value);
}

/* A character at an end of the pattern that can be no bracket. */
static bool is_plain_end(char c)
{
    char small = text_lower(c);
    return (small >= 'a' && small <= 'z') || text_is_digit(c) || c == '@' || c == '-' || c == '_';
}

/* milter-regex sees <user@domain>, the language user@domain. */
static void put_envelope(struct reader *reader, const char *field, const struct arg *arg)
{
    struct mw_slice text = arg->pattern.text;
    bool has_start = text.len > 0 && text.ptr[0] == '^', has_open = false, has_close = false;
    text = text_skip(text, has_start);
    if (text.len > 0 && text.ptr[0] == '<') {
        has_open = true;
        text = text_skip(text, 1);
    }
    bool has_end = text.len > 1 && text.ptr[text.len - 1] == '$' && text.ptr[text.len - 2] != '\\';
    text.len -= has_end;
    if (text.len > 0 && text.ptr[text.len - 1] == '>' &&
        (text.len < 2 || text.ptr[text.len - 2] != '\\')) {
        has_close = true;
        text.len--;
    }
    bool fits_front = has_open || (!has_start && text.len > 0 && is_plain_end(text.ptr[0]));
    bool fits_back = has_close ||
                     (!has_end && text.len > 1 && is_plain_end(text.ptr[text.len - 1]) &&
                      text.ptr[text.len - 2] != '\\');
    bool has_more = false;
    for (size_t i = 0; i < text.len; i++)
        has_more |= strchr("<>^$", text.ptr[i]) != NULL;
    if (!fits_front || !fits_back || has_more || arg->pattern.has_choice) {
        fail(reader, "where the angle brackets around the address go in its pattern is not plain");
        return;
    }
    struct mw_slice parts[] = {has_open ? LIT("\\A") : EMPTY, LIT("(?:"), text, LIT(")"),
                               has_close ? LIT("\\z") : EMPTY};
    struct mw_slice pattern = import_join(reader->import, parts, 5);
    const char *why = import_pattern_check(reader->import, pattern, arg->flags, true);
    if (why != NULL)
        fail(reader, why);
    put_test(reader, field, arg, pattern);
}

static void read_single(struct reader *reader, const char *field)
{
    struct arg arg;
    if (!read_arg(reader, &arg) || reader->why != NULL)
        return;
    if (arg.is_empty) {
        fail(reader, "an empty pattern");
        return;
    }
    const char *why = NULL;
    if (strcmp(field, "helo") == 0)
        why = import_pattern_check(reader->import, arg.pattern.text, arg.flags, true);
    if (why != NULL)
        fail(reader, why);
    if (strcmp(field, "sender") == 0 || strcmp(field, "rcpt") == 0)
        put_envelope(reader, field, &arg);
    else
        put_test(reader, field, &arg, arg.pattern.text);
}

/* ---- expressions ---- */

static bool read_expression(struct reader *reader);

/* False: no term stands here; nothing was taken. */
static bool read_term(struct reader *reader)
{
    struct arg ignored;
    reader->factors += 3; /* what a term becomes at least; lists of names below */
    if (reader->factors > IMPORT_FACTORS_MAX)
        fail(reader, "the expression has too many terms");
    skip_blanks(reader);
    if (front(reader) == '(' && reader->depth < DEPTH_MAX) {
        skip_octets(reader, 1);
        put(reader, LIT("("));
        reader->depth++;
        if (!read_expression(reader))
            fail(reader, "there is nothing in the parentheses");
        reader->depth--;
        skip_blanks(reader);
        if (front(reader) == ')')
            skip_octets(reader, 1);
        else
            fail(reader, "a parenthesis is not closed");
        put(reader, LIT(")"));
    } else if (reader->depth < DEPTH_MAX && take_word(reader, "not")) {
        put(reader, LIT("not "));
        reader->depth++;
        if (!read_term(reader))
            fail(reader, "there is nothing behind 'not'");
        reader->depth--;
    } else if (take_word(reader, "connect")) {
        read_connect(reader);
    } else if (take_word(reader, "helo")) {
        read_single(reader, "helo");
    } else if (take_word(reader, "envfrom")) {
        read_single(reader, "sender");
    } else if (take_word(reader, "envrcpt")) {
        read_single(reader, "rcpt");
    } else if (take_word(reader, "header")) {
        read_header(reader);
    } else if (take_word(reader, "body")) {
        read_single(reader, "body.line");
    } else if (take_word(reader, "macro")) {
        fail(reader, "the MTA's macros are not known here");
        if (read_arg(reader, &ignored))
            read_arg(reader, &ignored);
    } else {
        return false;
    }
    return true;
}

/* The grammar gives `and` and `or` no order among each other: both together need parentheses. */
static bool read_expression(struct reader *reader)
{
    bool has_and = false, has_or = false;
    if (!read_term(reader))
        return false;
    for (;;) {
        bool is_and = take_word(reader, "and");
        if (!is_and && !take_word(reader, "or"))
            break;
        has_and |= is_and;
        has_or |= !is_and;
        put(reader, is_and ? LIT(" and ") : LIT(" or "));
        if (!read_term(reader)) {
            fail(reader, "there is nothing behind 'and' or 'or'");
            break;
        }
    }
    if (has_and && has_or)
        fail(reader, "'and' and 'or' side by side, without parentheses that say which goes first");
    return true;
}

/* ---- actions ---- */

struct answer {
    struct mw_slice words;
    const char *why;
};

static bool read_message(struct reader *reader, struct mw_slice *out)
{
    skip_blanks(reader);
    char quote = front(reader);
    *out = EMPTY;
    if (quote != '"' && quote != '\'')
        return false;
    struct mw_slice inner = text_skip(reader->rest, 1);
    ptrdiff_t end = text_find(inner, quote), line_end = text_find(inner, '\n');
    if (end < 0 || (line_end >= 0 && line_end < end))
        return false;
    *out = SLICE(inner.ptr, (size_t)end);
    skip_octets(reader, (size_t)end + 2);
    return true;
}

static void set_reply(struct reader *reader, const char *words, struct answer *out)
{
    struct mw_slice text;
    if (!read_message(reader, &text) || text.len == 0)
        out->why = "the action has no text in quotes";
    else if (memmem(text.ptr, text.len, "${", 2) != NULL)
        out->why = "the action's text has \"${\"";
    else
        out->why = import_text_fault(text, true);
    struct mw_slice parts[] = {slice_of(words), import_quote(reader->import, text)};
    out->words = import_join(reader->import, parts, 2);
}

/* False: no action stands here, and *out_answer is as it was. */
static bool read_answer(struct reader *reader, struct answer *out_answer)
{
    struct mw_slice text;
    struct answer answer = {.words = EMPTY}, *out = &answer;
    if (take_word(reader, "reject")) {
        set_reply(reader, "early reject 554 5.7.1 ", out);
    } else if (take_word(reader, "tempfail")) {
        set_reply(reader, "early defer 451 4.7.1 ", out);
    } else if (take_word(reader, "discard")) {
        out->words = LIT("early discard");
        read_message(reader, &text);
    } else if (take_word(reader, "accept")) {
        out->words = LIT("early accept");
        read_message(reader, &text);
    } else if (take_word(reader, "quarantine")) {
        out->why = "quarantine: there is no queue here in which mail could be held";
        read_message(reader, &text);
    } else {
        return false;
    }
    *out_answer = answer;
    return true;
}

static void skip_to_next(struct reader *reader, uint32_t line, const char *why)
{
    import_drop(reader->import, line, why);
    ptrdiff_t end = text_find(reader->rest, '\n');
    skip_octets(reader, end < 0 ? reader->rest.len : (size_t)end + 1);
}

/* One expression under `answer`; false: something else stands here. */
static bool read_rule(struct reader *reader, const struct answer *answer)
{
    struct import *import = reader->import;
    reader->to.len = reader->factors = 0;
    reader->why = answer->why;
    skip_blanks(reader);
    uint32_t line = reader->line;
    const char *before = reader->rest.ptr;
    if (!read_expression(reader))
        return reader->rest.ptr != before;
    if (reader->why == NULL && answer->words.len == 0)
        reader->why = "no action stands above it";
    if (++reader->count > IMPORT_ENTRIES_MAX)
        reader->why = "more than 20000 expressions";
    if (reader->why != NULL) {
        import_drop(import, line, reader->why);
        return true;
    }
    import_rule(import, line, EMPTY);
    import_put_slice(import, answer->words);
    import_put(import, " when ");
    import_put_slice(import, SLICE(reader->to.ptr, reader->to.len));
    import->result->carried++;
    return true;
}

void import_milter_regex(struct import *import, struct mw_slice table)
{
    struct reader reader = {.import = import, .rest = table, .line = 1};
    struct answer answer = {.words = EMPTY};
    reader.to = (struct builder){.ptr = import_alloc(import, CONDITION_ROOM),
                                 .cap = CONDITION_ROOM};
    for (;;) {
        skip_blanks(&reader);
        if (reader.rest.len == 0)
            break;
        if (!read_answer(&reader, &answer) && !read_rule(&reader, &answer))
            skip_to_next(&reader, reader.line, "neither an action nor an expression");
    }
}
