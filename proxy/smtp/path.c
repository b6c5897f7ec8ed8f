/* path.c - one scanner finds where a path ends and where its last "@" is; a second look, at the
 * mailbox alone, says whether it follows the grammar. Both go by one table of octet classes.
 *
 * The scanner is strict where two servers could disagree about where the path ends: control
 * characters, unbalanced quotes, and a backslash outside quotes in front of something that would
 * matter are errors. What cannot move the end of the path (a blank in the local part, an odd
 * domain) is left for the upstream to judge. */
#include "smtp/path.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/utf8.h"

enum {
    CONTROL = 1,
    EASY = 2, /* outside quotes: neither ends a path nor changes how the next octet is read */
    ATEXT = 4,
    LDH = 8,
    QTEXT = 16,
    DCONTENT = 32,
    /* sets of these that whole ranges have in common */
    IN_QUOTES = EASY | QTEXT,
    VISIBLE = EASY | QTEXT | DCONTENT,
    SYMBOL = VISIBLE | ATEXT,
    ALNUM = SYMBOL | LDH,
};

/* RFC 5321 4.1.2 and 4.1.3; 8-bit octets are in no class but EASY: char_len() judges them. */
/* clang-format off */
static const unsigned char classes[256] = {
    [0x00 ... 0x1f] = CONTROL,
    [' '] = QTEXT, ['!'] = SYMBOL, ['"'] = DCONTENT,
    ['#' ... '\''] = SYMBOL, ['(' ... ')'] = VISIBLE, ['*' ... '+'] = SYMBOL, [','] = VISIBLE,
    ['-'] = ALNUM, ['.'] = VISIBLE, ['/'] = SYMBOL,
    ['0' ... '9'] = ALNUM, [':' ... ';'] = VISIBLE, ['<'] = QTEXT | DCONTENT, ['='] = SYMBOL,
    ['>'] = QTEXT | DCONTENT, ['?'] = SYMBOL, ['@'] = QTEXT | DCONTENT,
    ['A' ... 'Z'] = ALNUM, ['['] = IN_QUOTES, ['\\'] = 0, [']'] = IN_QUOTES,
    ['^' ... '`'] = SYMBOL, ['a' ... 'z'] = ALNUM, ['{' ... '~'] = SYMBOL,
    [0x7f] = CONTROL, [0x80 ... 0xff] = EASY,
};
/* clang-format on */

static inline bool is_of(char c, unsigned char class)
{
    return (classes[(unsigned char)c] & class) != 0;
}

static inline bool is_8bit(char c)
{
    return ((unsigned char)c & 0x80) != 0;
}

/* Octets of the class from `at` on; returns the position behind them. */
static inline size_t skip_class(struct mw_slice text, size_t at, unsigned char class)
{
    while (at < text.len && is_of(text.ptr[at], class))
        at++;
    return at;
}

/* ---- Where the path ends ---- */

/* Walks over octets outside and inside quoted strings. */
struct walk {
    struct mw_slice text;
    size_t at;
    bool in_quotes;
};

enum step {
    STEP_PLAIN,  /* an octet outside quotes that may mean something */
    STEP_HIDDEN, /* quoted, or a quote itself: means nothing to the caller */
    STEP_BAD,
};

/* Looks at text.ptr[at] and moves behind it (behind two octets for a quoted pair). RFC 5321 4.1.2
 * Quoted-string. */
static enum step walk_on(struct walk *walk)
{
    char c = walk->text.ptr[walk->at];
    if (is_of(c, CONTROL))
        return STEP_BAD;
    walk->at++;
    if (c == '"') {
        walk->in_quotes = !walk->in_quotes;
        return STEP_HIDDEN;
    }
    if (c != '\\')
        return walk->in_quotes ? STEP_HIDDEN : STEP_PLAIN;
    if (walk->at == walk->text.len)
        return STEP_BAD;
    char next = walk->text.ptr[walk->at];
    /* Outside quotes the backslash escapes for some servers and is an ordinary octet for others;
     * DOMAIN\user comes from real clients, but in front of these both readings end the path in
     * different places. */
    if (is_of(next, CONTROL) || (!walk->in_quotes && memchr("<>\"\\ @", next, 6) != NULL))
        return STEP_BAD;
    walk->at++;
    return STEP_HIDDEN;
}

/* Octets up to and including the closing bracket, or, without brackets, up to the first blank.
 * *out_at: the last "@" outside quotes before that, -1 if there is none. */
static enum mw_err find_end(struct mw_slice in, bool has_brackets, size_t *out_end,
                            ptrdiff_t *out_at)
{
    struct walk walk = {.text = in, .at = has_brackets ? 1 : 0};
    ptrdiff_t last_at = -1;
    while (walk.at < in.len) {
        if (!walk.in_quotes)
            walk.at = skip_class(in, walk.at, EASY);
        if (walk.at == in.len)
            break;
        if (walk.at > MW_PATH_MAX)
            return MW_ERR_SYNTAX;
        size_t before = walk.at;
        if (!has_brackets && !walk.in_quotes && in.ptr[before] == ' ')
            break;
        enum step step = walk_on(&walk);
        if (step == STEP_BAD)
            return MW_ERR_SYNTAX;
        if (step == STEP_HIDDEN)
            continue;
        if (in.ptr[before] == '@')
            last_at = (ptrdiff_t)before;
        if (in.ptr[before] == '>' && has_brackets) {
            *out_end = walk.at;
            *out_at = last_at;
            return MW_OK;
        }
        if (in.ptr[before] == '<' || in.ptr[before] == '>')
            return MW_ERR_SYNTAX;
    }
    if (has_brackets || walk.in_quotes)
        return MW_ERR_SYNTAX;
    *out_end = walk.at;
    *out_at = last_at;
    return MW_OK;
}

/* ---- Source route, local part, domain ---- */

/* "@a,@b:" in front of the mailbox: how long, 0 if there is none. RFC 5321 4.1.1.3 and appendix C:
 * accept, ignore. A colon inside a literal ("@[IPv6:::1]:") does not end it. */
static size_t route_len(struct mw_slice text)
{
    if (text.len == 0 || text.ptr[0] != '@')
        return 0;
    bool in_literal = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '"' || c == '\\')
            return 0;
        if (c == '[' || c == ']')
            in_literal = c == '[';
        else if (c == ':' && !in_literal)
            return i + 1;
    }
    return 0;
}

/* `at`: the last "@" of the whole path, or NULL. One in the source route is not the mailbox's. */
static void split_mailbox(struct mw_path *path, const char *at)
{
    bool has_domain = at != NULL && at >= path->address.ptr;
    size_t local_len = has_domain ? (size_t)(at - path->address.ptr) : path->address.len;
    path->local = mw_slice_take(path->address, local_len);
    path->domain = has_domain ? mw_slice_skip(path->address, local_len + 1) : MW_EMPTY;
}

/* ---- The grammar of RFC 5321 4.1.2, 4.1.3 and RFC 6531 3.3 ---- */

/* How many octets of `text` are one character of the class, or a UTF-8 one: 0, 1 or up to 4. */
static size_t char_len(struct mw_slice text, unsigned char class)
{
    if (text.len == 0)
        return 0;
    if (is_8bit(text.ptr[0])) {
        bool is_valid;
        size_t len = mw_utf8_next(text, &is_valid);
        return is_valid ? len : 0;
    }
    return is_of(text.ptr[0], class) ? 1 : 0;
}

/* One or more of the class, UTF-8 characters among them, from `at` on; returns the position behind
 * them. */
static size_t skip_run(struct mw_slice text, size_t at, unsigned char class)
{
    for (;;) {
        at = skip_class(text, at, class);
        if (at == text.len || !is_8bit(text.ptr[at]))
            return at;
        size_t len = char_len(mw_slice_skip(text, at), class);
        if (len == 0)
            return at;
        at += len;
    }
}

/* Parts of the class, joined by single dots: Dot-string of ATEXT, or the domain's labels of LDH,
 * which have Let-dig at both ends. */
static bool is_dotted(struct mw_slice text, unsigned char class)
{
    for (size_t at = 0;; at++) {
        size_t begin = at;
        at = skip_run(text, at, class);
        if (at == begin)
            return false;
        if (class == LDH && (text.ptr[begin] == '-' || text.ptr[at - 1] == '-'))
            return false;
        if (at == text.len)
            return true;
        if (text.ptr[at] != '.')
            return false;
    }
}

static bool is_quoted_string(struct mw_slice text)
{
    if (text.len < 2 || text.ptr[0] != '"' || text.ptr[text.len - 1] != '"')
        return false;
    text = MW_SLICE(text.ptr + 1, text.len - 2);
    while (text.len > 0) {
        size_t len = char_len(text, QTEXT);
        if (len == 0) {
            if (text.ptr[0] != '\\' || text.len < 2 || is_8bit(text.ptr[1]))
                return false;
            len = 2; /* quoted-pairSMTP; control characters did not get here */
        }
        text = mw_slice_skip(text, len);
    }
    return true;
}

static bool is_domain_name(struct mw_slice text)
{
    return text.len <= 255 && is_dotted(text, LDH);
}

static bool is_ip(int family, struct mw_slice text)
{
    char cstr[INET6_ADDRSTRLEN + 1];
    unsigned char address[sizeof(struct in6_addr)];
    if (text.len >= sizeof cstr || mw_slice_find(text, '\0') >= 0)
        return false;
    if (text.len > 0)
        memcpy(cstr, text.ptr, text.len);
    cstr[text.len] = '\0';
    return inet_pton(family, cstr, address) == 1;
}

/* RFC 5321 4.1.3: IPv4, "IPv6:" address, or Standardized-tag ":" dcontent. */
static bool is_literal(struct mw_slice text)
{
    if (text.len < 3 || text.ptr[0] != '[' || text.ptr[text.len - 1] != ']')
        return false;
    text = MW_SLICE(text.ptr + 1, text.len - 2);
    if (mw_slice_istarts(text, MW_LIT("IPv6:")))
        return is_ip(AF_INET6, mw_slice_skip(text, 5));
    struct mw_slice tag, content;
    if (!mw_slice_split(text, ':', &tag, &content))
        return is_ip(AF_INET, text);
    if (tag.len == 0 || content.len == 0 || tag.ptr[tag.len - 1] == '-')
        return false;
    return skip_class(tag, 0, LDH) == tag.len && skip_class(content, 0, DCONTENT) == content.len;
}

static bool is_domain(struct mw_slice text)
{
    return is_domain_name(text) || is_literal(text);
}

/* "@a,@b:" with domains that are domains. */
static bool is_route(struct mw_slice text)
{
    text.len--; /* ":" */
    for (;;) {
        if (text.len == 0 || text.ptr[0] != '@')
            return false;
        struct mw_slice hop = mw_slice_skip(text, 1), rest;
        if (!mw_slice_split(hop, ',', &hop, &rest))
            return is_domain(hop);
        if (!is_domain(hop))
            return false;
        text = rest;
    }
}

static bool is_mailbox(const struct mw_path *path)
{
    if (!is_dotted(path->local, ATEXT) && !is_quoted_string(path->local))
        return false;
    if (path->local.len ==
        path->address.len) /* no "@": RFC 5321 4.1.1.3 allows it to postmaster alone */
        return mw_slice_ieq(path->local, MW_LIT("postmaster"));
    return is_domain(path->domain);
}

/* ---- Public ---- */

enum mw_err mw_path_parse(struct mw_slice in, struct mw_path *out_path, size_t *out_used)
{
    size_t end = 0;
    ptrdiff_t at = -1;
    bool has_brackets = in.len > 0 && in.ptr[0] == '<';
    enum mw_err err = find_end(in, has_brackets, &end, &at);
    if (err != MW_OK)
        return err;
    if (end == 0 || end > MW_PATH_MAX)
        return MW_ERR_SYNTAX;
    struct mw_path path = {.has_brackets = has_brackets};
    struct mw_slice inner = has_brackets ? MW_SLICE(in.ptr + 1, end - 2) : mw_slice_take(in, end);
    struct mw_slice route = mw_slice_take(inner, route_len(inner));
    path.is_null = inner.len == 0;
    path.address = mw_slice_skip(inner, route.len);
    if (path.address.len == 0 && !path.is_null)
        return MW_ERR_SYNTAX; /* a route to nobody */
    split_mailbox(&path, at < 0 ? NULL : in.ptr + at);
    path.is_wellformed = path.is_null || ((route.len == 0 || is_route(route)) && is_mailbox(&path));
    *out_path = path;
    *out_used = end;
    return MW_OK;
}

/* Blanks that a careless reader of "<a b@c>" would split at. The address was parsed before, so
 * nothing in it is bad. */
static bool has_plain_blank(struct mw_slice address)
{
    struct walk walk = {.text = address};
    while (walk.at < address.len) {
        size_t before = walk.at;
        enum step step = walk_on(&walk);
        if (step == STEP_BAD)
            return false;
        if (step == STEP_PLAIN && address.ptr[before] == ' ')
            return true;
    }
    return false;
}

bool mw_path_is_safe(struct mw_slice address, bool null_ok)
{
    if (address.len == 0)
        return null_ok;
    if (address.len > MW_PATH_MAX - 2)
        return false;
    char text[MW_PATH_MAX];
    text[0] = '<';
    memcpy(text + 1, address.ptr, address.len);
    text[address.len + 1] = '>';
    struct mw_path path;
    size_t used;
    if (mw_path_parse(MW_SLICE(text, address.len + 2), &path, &used) != MW_OK)
        return false;
    return used == address.len + 2 && mw_slice_eq(path.address, address) &&
           !has_plain_blank(address);
}

bool mw_path_same(const struct mw_path *a, const struct mw_path *b)
{
    return a->is_null == b->is_null && mw_slice_eq(a->local, b->local) &&
           mw_slice_ieq(a->domain, b->domain);
}
