/* import_pattern.c - other programs' patterns as PCRE2.
 *
 * Perl-like patterns stay as they are; POSIX ones are rewritten octet by octet, as glibc's regcomp()
 * reads them. Whatever comes out is looked over once more (scan) for what the importers must know:
 * how it begins, and how it reads without its capturing groups. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "import_priv.h"

/* ---- looking over a PCRE2 pattern ---- */

struct scan {
    struct mw_slice in;
    size_t at;
    char *bare;
    size_t len, depth;
    struct import_pattern *out;
};

static char octet(const struct scan *scan, size_t ahead)
{
    return scan->at + ahead < scan->in.len ? scan->in.ptr[scan->at + ahead] : '\0';
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static void pass(struct scan *scan, size_t count)
{
    for (; count > 0 && scan->at < scan->in.len; count--)
        scan->bare[scan->len++] = scan->in.ptr[scan->at++];
}

static void pass_class(struct scan *scan)
{
    pass(scan, 1);
    if (octet(scan, 0) == '^')
        pass(scan, 1);
    if (octet(scan, 0) == ']')
        pass(scan, 1);
    while (scan->at < scan->in.len && octet(scan, 0) != ']') {
        char end[2] = {octet(scan, 1), ']'};
        const char *close = NULL;
        if (octet(scan, 0) == '[' && is_one_of(end[0], ":.="))
            close = memmem(scan->in.ptr + scan->at + 2, scan->in.len - scan->at - 2, end, 2);
        if (close != NULL)
            pass(scan, (size_t)(close + 2 - (scan->in.ptr + scan->at)));
        else
            pass(scan, octet(scan, 0) == '\\' ? 2 : 1);
    }
    pass(scan, 1);
}

static void pass_escape(struct scan *scan)
{
    char c = octet(scan, 1);
    if (is_one_of(c, "123456789gk"))
        scan->out->opaque = "it refers to its own groups";
    else if (is_one_of(c, "GKCQ"))
        scan->out->opaque = "it uses \\G, \\K, \\C or \\Q";
    pass(scan, c == 'c' ? 3 : 2);
}

/* "i-s)" or "im:": options that change nothing about what is a group. */
static bool is_plain_options(struct mw_slice text)
{
    size_t len = 0;
    while (len < text.len && is_one_of(text.ptr[len], "imsU-"))
        len++;
    return len > 0 && len < text.len && (text.ptr[len] == ')' || text.ptr[len] == ':');
}

/* "(": plain groups lose their number in `bare`; what a group may be besides: pcre2pattern(3). */
static void pass_open(struct scan *scan)
{
    char c = octet(scan, 2), d = octet(scan, 3);
    scan->depth++;
    if (octet(scan, 1) == '*') {
        scan->out->opaque = "it has a verb: (*...)";
    } else if (octet(scan, 1) != '?') {
        pass(scan, 1);
        scan->bare[scan->len++] = '?';
        scan->bare[scan->len++] = ':';
        return;
    } else if (is_one_of(c, ":=!>|") || (c == '<' && is_one_of(d, "=!"))) {
        pass(scan, 3);
        return;
    } else if (c == '#') {
        while (scan->at < scan->in.len && octet(scan, 0) != ')')
            pass(scan, 1);
        return;
    } else if (is_plain_options(text_skip(scan->in, scan->at + 2))) {
        pass(scan, 2);
        return;
    } else {
        scan->out->opaque = "it has named groups, conditions, recursion or unusual options";
    }
    pass(scan, 1);
}

/* Characters that stand for themselves and are there once, at the front of *text. */
static void take_literal(struct mw_slice *text, struct builder *to)
{
    while (text->len > 0 && to->len < to->cap) {
        char c = text->ptr[0];
        size_t used = 1;
        if (c == '\\' && text->len > 1 && is_one_of(text->ptr[1], "-.:/_@ ,;=<>\\[](){}*+?$|")) {
            c = text->ptr[1];
            used = 2;
        } else if ((unsigned char)c >= 0x80 || is_one_of(c, "\\^$.[](){}*+?|") || c == '\0') {
            return;
        }
        char behind = text->len > used ? text->ptr[used] : '\0';
        if (is_one_of(behind, "*?{"))
            return;
        c = text_lower(c);
        builder_put(to, SLICE(&c, 1));
        *text = text_skip(*text, used);
    }
}

enum { START_MAX = 64 };

/* "(one|other)" at the front, of nothing but literals: each of them is a start. */
static bool take_group(struct import *import, struct mw_slice *text, struct import_pattern *out)
{
    struct mw_slice rest = text_skip(*text, 1);
    if (rest.len > 2 && rest.ptr[0] == '?' && rest.ptr[1] == ':')
        rest = text_skip(rest, 2);
    while (out->start_count < IMPORT_STARTS_MAX) {
        char room[START_MAX];
        struct builder to = {.ptr = room, .cap = sizeof room};
        take_literal(&rest, &to);
        out->starts[out->start_count++] = import_keep(import, SLICE(room, to.len));
        char end = rest.len > 0 ? rest.ptr[0] : '\0', behind = rest.len > 1 ? rest.ptr[1] : '\0';
        rest = text_skip(rest, 1);
        if (end == ')' && !is_one_of(behind, "*?{+")) {
            *text = rest;
            return true;
        }
        if (end != '|')
            break;
    }
    out->start_count = 0;
    return false;
}

/* What every match begins with, behind ^. */
static void read_starts(struct import *import, struct import_pattern *out)
{
    struct mw_slice text = out->text;
    bool has_caret = text.len > 0 && text.ptr[0] == '^' && !out->is_multiline;
    bool has_a = text.len > 1 && memcmp(text.ptr, "\\A", 2) == 0;
    out->is_anchored = (has_caret || has_a) && !out->has_choice && !out->is_extended;
    if (!out->is_anchored)
        return;
    text = text_skip(text, has_a ? 2 : 1);
    if (text.len == 0 || text.ptr[0] != '(')
        out->starts[out->start_count++] = EMPTY;
    else if (!take_group(import, &text, out))
        return;
    char room[START_MAX];
    struct builder to = {.ptr = room, .cap = sizeof room};
    take_literal(&text, &to);
    for (size_t i = 0; i < out->start_count; i++)
        out->starts[i] = import_join(import,
                                     (struct mw_slice[]){out->starts[i], SLICE(room, to.len)}, 2);
}

static void look_over(struct import *import, struct import_pattern *out)
{
    struct scan scan = {.in = out->text, .out = out};
    scan.bare = import_alloc(import, out->text.len * 3 + 4);
    if (out->is_extended && text_find(out->text, '#') >= 0)
        out->opaque = "it has flag x and may have comments";
    while (scan.at < scan.in.len) {
        char c = octet(&scan, 0);
        if (c == '\\') {
            pass_escape(&scan);
        } else if (c == '[') {
            pass_class(&scan);
        } else if (c == '(') {
            pass_open(&scan);
        } else {
            if (c == ')' && scan.depth > 0)
                scan.depth--;
            out->has_choice |= c == '|' && scan.depth == 0;
            pass(&scan, 1);
        }
    }
    out->bare = SLICE(scan.bare, scan.len);
    read_starts(import, out);
}

/* ---- compiling ---- */

static pcre2_code *compile(struct mw_slice text, const char *flags, bool is_utf, int *out_error)
{
    uint32_t options = PCRE2_NEVER_BACKSLASH_C | (is_utf ? PCRE2_UTF : PCRE2_NEVER_UTF);
    size_t offset;
    for (; *flags != '\0'; flags++)
        options |= *flags == 'i'   ? PCRE2_CASELESS
                   : *flags == 'm' ? PCRE2_MULTILINE
                   : *flags == 's' ? PCRE2_DOTALL
                                   : PCRE2_EXTENDED;
    return pcre2_compile((PCRE2_SPTR)text.ptr, text.len, options, out_error, &offset, NULL);
}

const char *import_pattern_check(struct import *import, struct mw_slice text, const char *flags,
                                 bool is_utf)
{
    int error;
    if (text.len > IMPORT_PATTERN_MAX)
        return "the pattern is too long";
    for (size_t i = 0; i < text.len; i++)
        if (((unsigned char)text.ptr[i] < ' ' && text.ptr[i] != '\t') || text.ptr[i] == 0x7f)
            return "the pattern has control characters";
    pcre2_code *code = compile(text, flags, is_utf, &error);
    if (code == NULL) {
        char message[160];
        pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof message);
        return import_format(import, "the pattern does not compile: %s", message);
    }
    pcre2_code_free(code);
    return NULL;
}

enum { STEPS_MAX = 100000 };

bool import_pattern_matches(struct mw_slice text, const char *flags, bool is_utf,
                            struct mw_slice subject)
{
    int error;
    pcre2_code *code = compile(text, flags, is_utf, &error);
    if (code == NULL)
        return false;
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(context, STEPS_MAX);
    int got = pcre2_match(code, (PCRE2_SPTR)subject.ptr, subject.len, 0, 0, match, context);
    pcre2_match_context_free(context);
    pcre2_match_data_free(match);
    pcre2_code_free(code);
    return got >= 0;
}

const char *import_pattern_flags(const struct import_pattern *pattern, char *room)
{
    char *out = room;
    if (pattern->is_caseless)
        *out++ = 'i';
    if (pattern->is_multiline)
        *out++ = 'm';
    if (pattern->is_dotall)
        *out++ = 's';
    if (pattern->is_extended)
        *out++ = 'x';
    *out = '\0';
    return room;
}

/* The last step of all of them. */
static const char *finish(struct import *import, struct import_pattern *out)
{
    char room[5];
    const char *flags = import_pattern_flags(out, room), *why;
    int error;
    bool is_quoting = memmem(out->text.ptr, out->text.len, "\\Q", 2) != NULL;
    if (is_quoting && text_find(out->text, '/') >= 0)
        return "the pattern has \\Q...\\E and a slash";
    if ((why = import_pattern_check(import, out->text, flags, false)) != NULL)
        return why;
    pcre2_code *code = compile(out->text, flags, false, &error);
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &out->groups);
    pcre2_code_free(code);
    look_over(import, out);
    return NULL;
}

/* ---- Perl-like patterns ---- */

static bool has_dollar(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\')
            i++;
        else if (text.ptr[i] == '$')
            return true;
    }
    return false;
}

/* pcre_table(5): each flag turns something over. */
const char *import_pattern_pcre(struct import *import, struct mw_slice pattern,
                                struct mw_slice flags, struct import_pattern *out)
{
    bool is_at_start = false, is_ungreedy = false, is_strict_end = false, is_extra = false;
    *out = (struct import_pattern){.is_caseless = true, .is_dotall = true};
    for (size_t i = 0; i < flags.len; i++) {
        bool *turned = flags.ptr[i] == 'i'   ? &out->is_caseless
                       : flags.ptr[i] == 'm' ? &out->is_multiline
                       : flags.ptr[i] == 's' ? &out->is_dotall
                       : flags.ptr[i] == 'x' ? &out->is_extended
                       : flags.ptr[i] == 'A' ? &is_at_start
                       : flags.ptr[i] == 'E' ? &is_strict_end
                       : flags.ptr[i] == 'U' ? &is_ungreedy
                       : flags.ptr[i] == 'X' ? &is_extra
                                             : NULL;
        if (turned == NULL)
            return "a flag behind the pattern is unknown";
        *turned = !*turned;
    }
    if (is_strict_end && has_dollar(pattern))
        return "flag E gives $ a meaning that this language does not have";
    if ((is_at_start || is_ungreedy) && out->is_extended)
        return "flag x together with A or U";
    const char *before = is_at_start ? (is_ungreedy ? "\\A(?U:" : "\\A(?:")
                                     : (is_ungreedy ? "(?U:" : "");
    size_t len = strlen(before), size = pattern.len + len + 1;
    struct builder text = {.ptr = import_alloc(import, size), .cap = size};
    builder_put(&text, slice_of(before));
    builder_put(&text, pattern);
    if (len > 0)
        builder_put(&text, LIT(")"));
    out->text = SLICE(text.ptr, text.len);
    return finish(import, out);
}

const char *import_pattern_perl(struct import *import, struct mw_slice pattern,
                                struct mw_slice flags, struct import_pattern *out)
{
    *out = (struct import_pattern){.text = import_keep(import, pattern)};
    for (size_t i = 0; i < flags.len; i++) {
        bool *flag = flags.ptr[i] == 'i'   ? &out->is_caseless
                     : flags.ptr[i] == 'm' ? &out->is_multiline
                     : flags.ptr[i] == 's' ? &out->is_dotall
                     : flags.ptr[i] == 'x' ? &out->is_extended
                                           : NULL;
        if (flag == NULL)
            return "a flag behind the pattern has no equal here (i, m, s and x have)";
        *flag = true;
    }
    return finish(import, out);
}

/* ---- POSIX ---- */

struct posix {
    struct mw_slice in;
    size_t at;
    struct builder to;
    bool is_extended, is_newline;
    size_t atom;       /* where the last atom begins in `to` */
    bool has_atom;     /* something that may be repeated stands before */
    bool is_repeated;  /* and is already */
    size_t groups[64]; /* where the open ones begin */
    size_t depth;
    struct import_pattern *out;
};

static void atom(struct posix *posix, struct mw_slice text)
{
    posix->atom = posix->to.len;
    posix->has_atom = true;
    posix->is_repeated = false;
    builder_put(&posix->to, text);
}

/* One octet that stands for itself. */
static void atom_octet(struct posix *posix, char c)
{
    char text[2] = {'\\', c};
    bool is_special = is_one_of(c, "\\^$.[](){}*+?|");
    atom(posix, SLICE(text + !is_special, (size_t)1 + is_special));
}

static const char *bracket_item(struct posix *posix)
{
    struct mw_slice rest = text_skip(posix->in, posix->at);
    if (rest.len > 1 && rest.ptr[0] == '[' && is_one_of(rest.ptr[1], ".="))
        return "the pattern has collating elements: [.x.] or [=x=]";
    if (rest.len > 1 && rest.ptr[0] == '[' && rest.ptr[1] == ':') {
        const char *close = memmem(rest.ptr, rest.len, ":]", 2);
        size_t len = close == NULL ? 0 : (size_t)(close + 2 - rest.ptr);
        if (len < 5 || len > 12 || rest.ptr[2] == '<' || rest.ptr[2] == '>' || rest.ptr[2] == '^')
            return "the pattern has a class [:...:] that is not known here";
        builder_put(&posix->to, SLICE(rest.ptr, len));
        posix->at += len;
        return NULL;
    }
    if (is_one_of(rest.ptr[0], "\\[]^")) /* no escapes in POSIX brackets */
        builder_put(&posix->to, LIT("\\"));
    builder_put(&posix->to, SLICE(rest.ptr, 1));
    posix->at++;
    return NULL;
}

static const char *read_bracket(struct posix *posix)
{
    atom(posix, LIT("["));
    posix->at++;
    if (posix->at < posix->in.len && posix->in.ptr[posix->at] == '^') {
        builder_put(&posix->to, posix->is_newline ? LIT("^\\n") : LIT("^"));
        posix->at++;
    }
    for (bool is_first = true;; is_first = false) {
        if (posix->at >= posix->in.len)
            return "the pattern has an open bracket";
        if (posix->in.ptr[posix->at] == ']' && !is_first)
            break;
        const char *why = bracket_item(posix);
        if (why != NULL)
            return why;
    }
    builder_put(&posix->to, LIT("]"));
    posix->at++;
    return NULL;
}

/* A repeat of a repeat is legal in POSIX; in Perl it would mean "lazy" or "possessive". */
static const char *repeat(struct posix *posix, struct mw_slice text)
{
    if (!posix->has_atom)
        return "the pattern repeats nothing";
    if (posix->is_repeated) {
        if (posix->to.len + 4 > posix->to.cap)
            return "the pattern is too long";
        memmove(posix->to.ptr + posix->atom + 3, posix->to.ptr + posix->atom,
                posix->to.len - posix->atom);
        memcpy(posix->to.ptr + posix->atom, "(?:", 3);
        posix->to.len += 3;
        builder_put(&posix->to, LIT(")"));
    }
    posix->out->has_loose_groups |= posix->to.ptr[posix->atom] == '(';
    builder_put(&posix->to, text);
    posix->is_repeated = true;
    return NULL;
}

/* "{2,5}", at the digits; `close` is "}" or "\}". */
static const char *read_interval(struct posix *posix, const char *close)
{
    struct mw_slice rest = text_skip(posix->in, posix->at);
    const char *end = memmem(rest.ptr, rest.len, close, strlen(close));
    char text[32];
    uint64_t low = 0, high = 0;
    if (end == NULL)
        return "the pattern has an interval {...} that is not closed";
    struct mw_slice inner = SLICE(rest.ptr, (size_t)(end - rest.ptr));
    ptrdiff_t comma = text_find(inner, ',');
    struct mw_slice first = comma < 0 ? inner : SLICE(inner.ptr, (size_t)comma);
    struct mw_slice last = comma < 0 ? EMPTY : text_skip(inner, (size_t)comma + 1);
    if ((first.len > 0 || comma < 0) && !text_number(first, 32767, &low))
        return "the pattern has an interval {...} that is not understood";
    if (last.len > 0 && (!text_number(last, 32767, &high) || high < low))
        return "the pattern has an interval {...} that is not understood";
    struct builder to = {.ptr = text, .cap = sizeof text};
    builder_putf(&to, "{%u", (unsigned)low);
    if (comma >= 0)
        builder_put(&to, LIT(","));
    if (last.len > 0)
        builder_putf(&to, "%u", (unsigned)high);
    builder_put(&to, LIT("}"));
    posix->at += inner.len + strlen(close);
    return repeat(posix, SLICE(text, to.len));
}

static const char *open_group(struct posix *posix)
{
    if (posix->depth == sizeof posix->groups / sizeof *posix->groups)
        return "the pattern has too many groups inside each other";
    posix->groups[posix->depth++] = posix->to.len;
    builder_put(&posix->to, LIT("("));
    posix->has_atom = posix->is_repeated = false;
    return NULL;
}

static const char *close_group(struct posix *posix)
{
    if (posix->depth == 0)
        return "the pattern has a ')' without a '('";
    posix->atom = posix->groups[--posix->depth];
    posix->has_atom = true;
    posix->is_repeated = false;
    builder_put(&posix->to, LIT(")"));
    return NULL;
}

static void choice(struct posix *posix)
{
    posix->out->has_loose_groups = true;
    posix->has_atom = posix->is_repeated = false;
    builder_put(&posix->to, LIT("|"));
}

/* An assertion; to repeat one is legal for glibc and means little. */
static void assertion(struct posix *posix, const char *text)
{
    builder_put(&posix->to, slice_of(text));
    posix->has_atom = false;
}

/* What a backslash makes of the octet behind it: GNU's few letters, and signs that then stand for
 * themselves. What other letters mean is undefined; glibc matches something with none of them. */
static const char *read_escape(struct posix *posix)
{
    if (posix->at + 1 >= posix->in.len)
        return "the pattern ends with a backslash";
    char c = posix->in.ptr[posix->at + 1];
    posix->at += 2;
    if (c >= '1' && c <= '9')
        return "the pattern has back-references";
    bool is_letter = (text_lower(c) >= 'a' && text_lower(c) <= 'z') || c == '0';
    if (is_letter && strchr("wWsSbB", c) == NULL)
        return "the pattern has a backslash before a letter that means nothing in POSIX";
    if (is_one_of(c, "wWsS")) {
        char text[2] = {'\\', c};
        atom(posix, SLICE(text, 2));
    } else if (c == 'b' || c == 'B') {
        assertion(posix, c == 'b' ? "\\b" : "\\B");
    } else if (c == '<' || c == '>') {
        assertion(posix, c == '<' ? "\\b(?=\\w)" : "\\b(?<=\\w)");
    } else if (c == '`' || c == '\'') {
        assertion(posix, c == '`' ? "\\A" : "\\z");
    } else if (posix->is_extended || !is_one_of(c, "(){|+?")) {
        atom_octet(posix, c);
    } else if (c == '(') {
        return open_group(posix);
    } else if (c == ')') {
        return close_group(posix);
    } else if (c == '{') {
        return read_interval(posix, "\\}");
    } else if (c == '|') {
        choice(posix);
    } else {
        return repeat(posix, c == '+' ? LIT("+") : LIT("?"));
    }
    return NULL;
}

/* In a basic pattern ^ and $ are anchors only where one would look for them. */
static bool is_anchor(const struct posix *posix, char c)
{
    struct mw_slice before = SLICE(posix->in.ptr, posix->at),
                    behind = text_skip(posix->in, posix->at + 1);
    if (posix->is_extended)
        return true;
    if (c == '^')
        return before.len == 0 || (before.len >= 2 && before.ptr[before.len - 2] == '\\' &&
                                   is_one_of(before.ptr[before.len - 1], "(|"));
    return behind.len == 0 ||
           (behind.len >= 2 && behind.ptr[0] == '\\' && is_one_of(behind.ptr[1], ")|"));
}

static const char *read_posix(struct posix *posix)
{
    char c = posix->in.ptr[posix->at];
    char text[1] = {c};
    if (c == '\\')
        return read_escape(posix);
    if (c == '[')
        return read_bracket(posix);
    posix->at++;
    if (c == '*' && !posix->is_extended && !posix->has_atom)
        atom_octet(posix, c);
    else if (c == '*' || (posix->is_extended && is_one_of(c, "+?")))
        return repeat(posix, SLICE(text, 1));
    else if (c == '.')
        atom(posix, LIT("."));
    else if (c == '^' || c == '$') {
        posix->at--;
        if (is_anchor(posix, c))
            assertion(posix, c == '^' ? "^" : "$");
        else
            atom_octet(posix, c);
        posix->at++;
    } else if (!posix->is_extended || !is_one_of(c, "(){|"))
        atom_octet(posix, c);
    else if (c == '(')
        return open_group(posix);
    else if (c == ')')
        return close_group(posix);
    else if (c == '{')
        return read_interval(posix, "}");
    else
        choice(posix);
    return NULL;
}

const char *import_pattern_posix(struct import *import, struct mw_slice pattern, bool is_extended,
                                 bool is_caseless, bool is_newline, struct import_pattern *out)
{
    /* REG_NEWLINE takes the line end from . and [^x] and gives ^ and $ every line; without it . takes
     * everything */
    *out = (struct import_pattern){
        .is_caseless = is_caseless, .is_multiline = is_newline, .is_dotall = !is_newline};
    size_t size = pattern.len * 8 + 32;
    struct posix posix = {.in = pattern,
                          .is_extended = is_extended,
                          .is_newline = is_newline,
                          .to = {.ptr = import_alloc(import, size), .cap = size},
                          .out = out};
    while (posix.at < pattern.len) {
        const char *why = read_posix(&posix);
        if (why != NULL)
            return why;
    }
    if (posix.depth > 0)
        return "the pattern has an open parenthesis";
    out->text = SLICE(posix.to.ptr, posix.to.len);
    return finish(import, out);
}
