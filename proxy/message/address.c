/* address.c - an address list, read from left to right in one pass.
 *
 *   entry      words, at most one bare address, at most one <...>, comments
 *   run        one word, or words that dots hold together, with "@" and a domain if they follow
 *
 * Nothing is ever looked at twice but the comments and blanks between two words, and the two
 * searches for an end (of a quoted string, of a comment) give up for the whole value once there is
 * none: linear. What is broken is read so that no address hides and no two become one: a missing
 * comma, "<" or ">" ends an entry wherever a second address begins. RFC 5322 3.2.2, 3.2.4, 3.4,
 * 4.4; RFC 6532 3.2. */
#include "message/address.h"

#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "message/charset.h"
#include "message/header_priv.h"

struct parser {
    struct mw_slice value;
    size_t at;
    bool no_quote_end, no_comment_end; /* what opens from here on never closes */
    void *(*alloc)(void *user, size_t size);
    void *user;
    struct mw_charsets *charsets;
    const struct mw_address **list; /* heap */
    size_t count, cap;
    struct mw_buf scratch;
};

/* One word or several that belong together. `text`: for a name, blanks kept. `local`, `domain`: for
 * an address. */
struct run {
    struct mw_buf text, local, domain;
    bool has_at;
    bool has_quotes; /* in the local part */
};

struct entry {
    struct mw_buf phrase;  /* all words, the bare address among them */
    struct mw_buf others;  /* the words without it */
    struct mw_buf comment; /* the first one */
    bool has_comment;
    struct run address;
    bool has_address; /* `address` is set */
    bool is_closed;   /* ... by <...>: only comments may still follow */
    bool has_words;   /* some word was seen */
    bool is_lone;     /* it was the only one, and `address` is set to it: "root" */
};

/* ---- tokens ---- */

static bool is_blank(char c)
{
    return (unsigned char)c <= ' ' || c == 127;
}

static int peek(const struct parser *parser)
{
    return parser->at < parser->value.len ? (unsigned char)parser->value.ptr[parser->at] : -1;
}

/* Part of an atom, as mail has them: dots and brackets too (RFC 5322 4.1 obs-phrase). */
static bool is_atom(int c)
{
    return c >= 0 && !is_blank((char)c) && memchr("<>@,;:()\"", c, 9) == NULL;
}

/* Behind the quote that closes the one at `at`, or 0. */
static size_t quote_end(struct parser *parser)
{
    struct mw_slice value = parser->value;
    for (size_t i = parser->at + 1; i < value.len && !parser->no_quote_end; i++) {
        if (value.ptr[i] == '"')
            return i + 1;
        if (value.ptr[i] == '\\')
            i++;
    }
    parser->no_quote_end = true;
    return 0;
}

/* Behind the ")" that closes the "(" at `at`, or 0. */
static size_t comment_end(struct parser *parser)
{
    struct mw_slice value = parser->value;
    size_t depth = 0;
    for (size_t i = parser->at; i < value.len && !parser->no_comment_end; i++) {
        char c = value.ptr[i];
        if (c == '\\')
            i++;
        else if (c == '(')
            depth++;
        else if (c == ')' && --depth == 0)
            return i + 1;
    }
    parser->no_comment_end = true;
    return 0;
}

/* Octets from..to without the backslashes of quoted pairs. */
static void put_unquoted(struct parser *parser, size_t from, size_t to, struct mw_buf *out)
{
    for (size_t i = from; i < to; i++) {
        if (parser->value.ptr[i] == '\\' && i + 1 < to)
            i++;
        mw_buf_putc(out, parser->value.ptr[i]);
    }
}

/* Over blanks and comments, and over quotes and parentheses without a partner. True if there were
 * any. The first comment is kept. */
static bool skip_blanks(struct parser *parser, struct entry *entry)
{
    size_t start = parser->at;
    for (int c = peek(parser); c >= 0; c = peek(parser)) {
        size_t end = 0;
        if (c == '(' && (end = comment_end(parser)) > 0 && !entry->has_comment) {
            put_unquoted(parser, parser->at + 1, end - 1, &entry->comment);
            entry->has_comment = entry->comment.len > 0;
        }
        bool is_quote = c == '"' && quote_end(parser) > 0;
        if (is_quote || (!is_blank((char)c) && memchr("()\"", c, 3) == NULL))
            break;
        parser->at = end > 0 ? end : parser->at + 1;
    }
    return parser->at > start;
}

/* The end of the encoded-word that begins at `at`, or 0. One with commas, quotes or blanks in its
 * text is against RFC 2047 5 and common; but none hides an address that other programs see. */
static size_t encoded_word_end(const struct parser *parser)
{
    struct mw_slice value = parser->value;
    bool has_blank = false;
    size_t marks = 0;
    for (size_t i = parser->at + 2; i < value.len && value.ptr[i] != '\n'; i++) {
        char c = value.ptr[i];
        char next = i + 1 < value.len ? value.ptr[i + 1] : ' ';
        if (c == '?' && marks == 2 && next == '=')
            return i + 2;
        if (c == '=' && next == '?' && (i + 2 >= value.len || value.ptr[i + 2] != '='))
            return 0;
        has_blank = has_blank || is_blank(c);
        marks += c == '?' && marks < 2;
        if ((marks < 2 && !is_atom((unsigned char)c)) ||
            (has_blank && memchr("<>@\"", c, 4) != NULL))
            return 0;
    }
    return 0;
}

/* ---- runs ---- */

static void run_clear(struct run *run)
{
    run->text.len = run->local.len = run->domain.len = 0;
    run->has_at = run->has_quotes = false;
}

static void run_fini(struct run *run)
{
    mw_buf_fini(&run->text);
    mw_buf_fini(&run->local);
    mw_buf_fini(&run->domain);
}

/* A word of a local part or of a phrase: false if none begins here. */
static bool take_word(struct parser *parser, struct run *run)
{
    size_t start = parser->at, end = 0;
    if (peek(parser) == '"' && (end = quote_end(parser)) > 0) {
        size_t before = run->local.len;
        put_unquoted(parser, start + 1, end - 1, &run->local);
        mw_buf_put(&run->text, mw_slice_skip(mw_buf_view(&run->local), before));
        run->has_quotes = true;
        parser->at = end;
        return true;
    }
    while (is_atom(peek(parser))) {
        struct mw_slice rest = mw_slice_skip(parser->value, parser->at);
        end = mw_slice_starts(rest, MW_LIT("=?")) ? encoded_word_end(parser) : 0;
        run->has_quotes = run->has_quotes || end > 0; /* it may hold what needs them */
        parser->at = end > 0 ? end : parser->at + 1;
    }
    struct mw_slice atom = MW_SLICE(parser->value.ptr + start, parser->at - start);
    mw_buf_put(&run->text, atom);
    mw_buf_put(&run->local, atom);
    return atom.len > 0;
}

static bool ends_in_dot(const struct mw_buf *buf)
{
    return buf->len > 0 && buf->ptr[buf->len - 1] == '.';
}

/* Does the next word belong to what was read? Quoted strings and atoms do where a dot stands
 * between them. Blanks around it are obsolete (RFC 5322 4.4): taken within <...>; elsewhere only
 * before the dot, as in "john . smith", because "John Q. public@example.com" is a name and an
 * address. */
static bool is_joined(const struct parser *parser, const struct mw_buf *sofar, bool had_blanks,
                      bool in_angle, bool was_joined)
{
    if (peek(parser) == '.')
        return true;
    return ends_in_dot(sofar) && (in_angle || !had_blanks || was_joined);
}

/* RFC 5322 3.4.1 domain-literal; blanks in it are dropped. Without its "]" it ends at a blank. */
static void take_literal(struct parser *parser, struct run *run)
{
    struct mw_slice value = parser->value;
    size_t end = parser->at + 1, word = 0;
    while (end < value.len && memchr("[]<>,;\"()", value.ptr[end], 9) == NULL) {
        if (is_blank(value.ptr[end]) && word == 0)
            word = end;
        end++;
    }
    bool is_closed = end < value.len && value.ptr[end] == ']';
    if (!is_closed && word > 0)
        end = word;
    for (size_t i = parser->at; i < end; i++)
        if (!is_blank(value.ptr[i]))
            mw_buf_putc(&run->domain, value.ptr[i]);
    mw_buf_putc(&run->domain, ']');
    parser->at = end + is_closed;
}

static void take_domain(struct parser *parser, struct entry *entry, struct run *run, bool in_angle)
{
    if (peek(parser) == '[') {
        take_literal(parser, run);
        return;
    }
    bool was_joined = false;
    do {
        size_t start = parser->at;
        was_joined = peek(parser) == '.' && run->domain.len > 0;
        while (is_atom(peek(parser)))
            parser->at++;
        mw_buf_put(&run->domain, MW_SLICE(parser->value.ptr + start, parser->at - start));
        was_joined = was_joined && parser->at == start + 1; /* a dot by itself */
        start = parser->at;
        bool had_blanks = skip_blanks(parser, entry);
        if (!is_atom(peek(parser)) ||
            !is_joined(parser, &run->domain, had_blanks, in_angle, was_joined)) {
            parser->at = start; /* the blanks are the caller's */
            return;
        }
    } while (true);
}

/* At an "@" behind a local part: the domain, or nothing. With several "@" the last one counts, as
 * mail servers read it; those before it are quoted. */
static void take_at(struct parser *parser, struct entry *entry, struct run *run, bool in_angle)
{
    while (peek(parser) == '@') {
        if (run->has_at) {
            mw_buf_putc(&run->local, '@');
            mw_buf_put(&run->local, mw_buf_view(&run->domain));
            run->has_quotes = true;
            run->domain.len = 0;
        }
        size_t start = parser->at++;
        skip_blanks(parser, entry);
        take_domain(parser, entry, run, in_angle);
        if (run->domain.len == 0)
            parser->at = start + 1;
        run->has_at = run->domain.len > 0;
        mw_buf_putc(&run->text, '@');
        mw_buf_put(&run->text, mw_buf_view(&run->domain));
    }
}

/* The words from here on that belong together. False if there is no word. */
static bool take_run(struct parser *parser, struct entry *entry, bool in_angle, struct run *run)
{
    run_clear(run);
    bool was_joined = false;
    while (take_word(parser, run)) {
        size_t start = parser->at;
        bool had_blanks = skip_blanks(parser, entry);
        if (peek(parser) == '@') {
            size_t text_len = run->text.len;
            take_at(parser, entry, run, in_angle);
            if (had_blanks && run->text.len > text_len) { /* a name with an "@" in it */
                mw_buf_putc(&run->text, ' ');
                memmove(run->text.ptr + text_len + 1, run->text.ptr + text_len,
                        run->text.len - text_len - 1);
                run->text.ptr[text_len] = ' ';
            }
            return true;
        }
        int next = peek(parser);
        if ((!is_atom(next) && next != '"') ||
            !is_joined(parser, &run->text, had_blanks, in_angle, was_joined)) {
            parser->at = start;
            return true;
        }
        was_joined = had_blanks && next == '.';
        if (had_blanks)
            mw_buf_putc(&run->text, ' ');
    }
    return run->text.len > 0 || run->has_quotes;
}

/* ---- results ---- */

static struct mw_slice dup(struct parser *parser, struct mw_slice octets)
{
    if (octets.len == 0)
        return MW_EMPTY;
    char *copy = parser->alloc(parser->user, octets.len);
    memcpy(copy, octets.ptr, octets.len);
    return MW_SLICE(copy, octets.len);
}

/* Runs of blanks and control characters (which an encoded-word may hold) as one blank, none at the
 * ends. */
static void tidy(struct mw_buf *buf)
{
    size_t to = 0;
    for (size_t i = 0; i < buf->len; i++) {
        if (!is_blank(buf->ptr[i]))
            buf->ptr[to++] = buf->ptr[i];
        else if (to > 0 && buf->ptr[to - 1] != ' ')
            buf->ptr[to++] = ' ';
    }
    buf->len = to > 0 && buf->ptr[to - 1] == ' ' ? to - 1 : to;
}

static struct mw_slice decoded_name(struct parser *parser, const struct mw_buf *name)
{
    parser->scratch.len = 0;
    mw_header_decode_with(&parser->charsets, mw_buf_view(name), name->len * 3, &parser->scratch);
    tidy(&parser->scratch);
    return dup(parser, mw_buf_view(&parser->scratch));
}

/* RFC 5322 3.2.3 dot-atom, with what RFC 6532 adds. */
static bool needs_quotes(struct mw_slice local)
{
    char before = '.';
    for (size_t i = 0; i < local.len; before = local.ptr[i++]) {
        char c = local.ptr[i];
        if (c == '.' ? before == '.' : !is_atom((unsigned char)c) || memchr("[]\\", c, 3) != NULL)
            return true;
    }
    return before == '.';
}

/* "a@b.example." with dots at the end, and "'a@b.example'", as some programs write what they had in
 * quotes. */
static void tidy_ends(struct run *run)
{
    struct mw_buf *local = &run->local, *domain = &run->domain;
    size_t quotes = 0;
    while (domain->len > 1) {
        char last = domain->ptr[domain->len - 1];
        bool is_pair = last == '\'' && local->len > quotes + 1 && local->ptr[quotes] == '\'';
        if (last != '.' && !is_pair)
            break;
        domain->len--;
        quotes += is_pair;
    }
    mw_buf_consume(local, quotes);
}

static void put_local(struct mw_utf8_sink *sink, struct run *run)
{
    size_t len = 0;
    for (size_t i = 0; i < run->local.len; i++) /* folding and control characters go */
        if (run->local.ptr[i] == ' ' || !is_blank(run->local.ptr[i]))
            run->local.ptr[len++] = run->local.ptr[i];
    run->local.len = len;
    struct mw_slice local = mw_buf_view(&run->local);
    if (!run->has_quotes || !needs_quotes(local)) {
        mw_raw_put(sink, local);
        return;
    }
    struct mw_buf quoted = {0};
    mw_buf_putc(&quoted, '"');
    for (size_t i = 0; i < local.len; i++) {
        if (local.ptr[i] == '"' || local.ptr[i] == '\\')
            mw_buf_putc(&quoted, '\\'); /* RFC 5322 3.2.4 */
        mw_buf_putc(&quoted, local.ptr[i]);
    }
    mw_buf_putc(&quoted, '"');
    mw_raw_put(sink, mw_buf_view(&quoted));
    mw_buf_fini(&quoted);
}

static void set_address(struct parser *parser, struct run *run, struct mw_address *address)
{
    tidy_ends(run);
    parser->scratch.len = 0;
    struct mw_utf8_sink sink = {.buf = &parser->scratch, .left = SIZE_MAX};
    put_local(&sink, run);
    size_t local_len = parser->scratch.len, at = local_len;
    if (run->domain.len > 0) {
        mw_buf_putc(&parser->scratch, '@');
        at++;
        mw_raw_put(&sink, mw_buf_view(&run->domain));
    }
    for (size_t i = at; i < parser->scratch.len; i++)
        parser->scratch.ptr[i] = mw_lower(parser->scratch.ptr[i]);
    address->address = dup(parser, mw_buf_view(&parser->scratch));
    address->local = mw_slice_take(address->address, local_len);
    address->domain = mw_slice_skip(address->address, at);
}

static void add(struct parser *parser, struct run *run, const struct mw_buf *name)
{
    if (parser->count == MW_ADDRESSES_MAX)
        return;
    if (parser->count == parser->cap) {
        parser->cap = parser->cap == 0 ? 4 : parser->cap * 2;
        parser->list = mw_xrealloc(parser->list, parser->cap * sizeof *parser->list);
    }
    struct mw_address *address = parser->alloc(parser->user, sizeof *address);
    *address = (struct mw_address){.size = sizeof *address,
                                   .address = MW_EMPTY,
                                   .local = MW_EMPTY,
                                   .domain = MW_EMPTY,
                                   .name = decoded_name(parser, name)};
    if (run != NULL)
        set_address(parser, run, address);
    if (address->address.len > 0 || address->name.len > 0)
        parser->list[parser->count++] = address;
}

/* The entry is over. */
static void flush(struct parser *parser, struct entry *entry)
{
    struct mw_buf *words = entry->has_address && !entry->is_closed ? &entry->others
                                                                   : &entry->phrase;
    tidy(words);
    if (entry->has_address || (entry->is_lone && !entry->is_closed))
        add(parser, &entry->address, words->len > 0 ? words : &entry->comment);
    else if (words->len > 0)
        add(parser, NULL, words);
    entry->phrase.len = entry->others.len = entry->comment.len = 0;
    entry->has_comment = entry->has_address = entry->is_closed = false;
    entry->has_words = entry->is_lone = false;
}

/* ---- the list ---- */

static void set_entry_address(struct entry *entry, struct run *run)
{
    struct run other = entry->address;
    entry->address = *run;
    *run = other;
    entry->has_address = true;
}

/* RFC 5322 4.4 obs-route: "@a,@b:". At its first "@". */
static void skip_route(struct parser *parser, struct entry *entry, struct run *run)
{
    while (peek(parser) == '@') {
        parser->at++;
        skip_blanks(parser, entry);
        run_clear(run);
        take_domain(parser, entry, run, true);
        skip_blanks(parser, entry);
        size_t comma = parser->at;
        while (peek(parser) == ',') {
            parser->at++;
            skip_blanks(parser, entry);
        }
        if (peek(parser) != '@' && peek(parser) != ':')
            parser->at = comma;
    }
    if (peek(parser) == ':')
        parser->at++;
}

/* <...> without "@": "<postmaster>" is an address, "<see below>" and "<http://...>" are none. */
static bool is_bare_local(const struct run *run)
{
    return run->local.len > 0 && !run->has_quotes && run->local.ptr[0] != '/' &&
           !needs_quotes(mw_buf_view(&run->local));
}

/* Behind a "<", up to behind its ">", or to where it must have been forgotten. */
static void take_angle(struct parser *parser, struct entry *entry, struct run *run)
{
    size_t words = 0;
    bool has_address = false;
    skip_blanks(parser, entry);
    if (peek(parser) == '@')
        skip_route(parser, entry, run);
    entry->has_address = false;
    entry->is_closed = true;
    for (skip_blanks(parser, entry); take_run(parser, entry, true, run);
         skip_blanks(parser, entry)) {
        if (has_address && run->has_at) { /* <a@b c@d> */
            flush(parser, entry);
            entry->is_closed = true;
        }
        if (peek(parser) == ':' && !run->has_at) { /* <mailto:a@b> */
            parser->at++;
            words++;
            continue;
        }
        bool has_at = run->has_at;
        if (has_at || (words == 0 && is_bare_local(run)))
            set_entry_address(entry, run);
        else if (!has_address)
            entry->has_address = false;
        has_address = has_address || has_at;
        words++;
    }
    if (peek(parser) == '>')
        parser->at++;
}

static void add_words(struct mw_buf *to, const struct run *run)
{
    if (to->len > 0)
        mw_buf_putc(to, ' ');
    mw_buf_put(to, mw_buf_view(&run->text));
}

/* A word all by itself is read as an address of this very host, and shown as a name: it is both.
 * Not an encoded word (RFC 2047 5: never in an addr-spec). */
static bool may_be_lone(const struct entry *entry, const struct run *run)
{
    return !entry->has_words && !entry->has_address && is_bare_local(run) &&
           mw_slice_eq(mw_buf_view(&run->local), mw_buf_view(&run->text)) &&
           !mw_slice_starts(mw_buf_view(&run->local), MW_LIT("=?"));
}

static void take_top_run(struct parser *parser, struct entry *entry, struct run *run)
{
    if (entry->is_closed || (run->has_at && entry->has_address))
        flush(parser, entry); /* a comma is missing */
    add_words(&entry->phrase, run);
    if (!run->has_at)
        add_words(&entry->others, run);
    entry->is_lone = !run->has_at && may_be_lone(entry, run);
    if (run->has_at) {
        set_entry_address(entry, run);
    } else if (entry->is_lone) {
        set_entry_address(entry, run);
        entry->has_address = false;
    }
    entry->has_words = true;
}

static void take_special(struct parser *parser, struct entry *entry, struct run *run)
{
    int c = peek(parser);
    parser->at++;
    if (c == '<') {
        if (entry->is_closed && entry->has_address)
            flush(parser, entry);
        take_angle(parser, entry, run);
    } else if (c == ':' && !entry->has_address) { /* the name of a group */
        entry->phrase.len = entry->others.len = entry->comment.len = 0;
        entry->has_comment = entry->has_words = entry->is_lone = false;
    } else if (c == ',' || c == ';' || c == ':') {
        flush(parser, entry);
    } else if (c == '@' && !entry->is_closed) {
        run_clear(run);
        mw_buf_putc(&run->text, '@');
        add_words(&entry->phrase, run);
        add_words(&entry->others, run);
        entry->has_words = true;
        entry->is_lone = false;
    }
}

static void parse(struct parser *parser)
{
    struct entry entry = {0};
    struct run run = {0};
    while (parser->count < MW_ADDRESSES_MAX) {
        skip_blanks(parser, &entry);
        if (peek(parser) < 0)
            break;
        if (take_run(parser, &entry, false, &run))
            take_top_run(parser, &entry, &run);
        else
            take_special(parser, &entry, &run);
    }
    flush(parser, &entry);
    run_fini(&run);
    run_fini(&entry.address);
    mw_buf_fini(&entry.phrase);
    mw_buf_fini(&entry.others);
    mw_buf_fini(&entry.comment);
}

size_t mw_address_list(struct mw_slice value, void *(*alloc)(void *user, size_t size), void *user,
                       const struct mw_address *const **out_addresses)
{
    struct parser parser = {.value = value, .alloc = alloc, .user = user};
    parse(&parser);
    const struct mw_address **list = NULL;
    if (parser.count > 0) {
        list = alloc(user, parser.count * sizeof *list);
        memcpy(list, parser.list, parser.count * sizeof *list);
    }
    *out_addresses = list;
    free(parser.list);
    mw_buf_fini(&parser.scratch);
    mw_charsets_free(&parser.charsets);
    return parser.count;
}
