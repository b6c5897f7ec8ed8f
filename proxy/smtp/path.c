/* path.c - one scanner finds where a path ends; a second look, at the mailbox alone, says whether
 * it follows the grammar.
 *
 * The scanner is strict where two servers could disagree about where the path ends: control
 * characters, unbalanced quotes, and a backslash outside quotes in front of something that would
 * matter are errors. What cannot move the end of the path (a blank in the local part, an odd
 * domain) is left for the upstream to judge. */
#include "smtp/path.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/utf8.h"

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

static bool is_8bit(char c)
{
    return ((unsigned char)c & 0x80) != 0;
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
    if (is_control(c))
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
    if (is_control(next) || (!walk->in_quotes && memchr("<>\"\\ @", next, 6) != NULL))
        return STEP_BAD;
    walk->at++;
    return STEP_HIDDEN;
}

/* Octets up to and including the closing bracket, or, without brackets, up to the first blank. */
static enum mw_err find_end(struct mw_slice in, bool has_brackets, size_t *out_end)
{
    struct walk walk = {.text = in, .at = has_brackets ? 1 : 0};
    while (walk.at < in.len) {
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
        if (in.ptr[before] == '>' && has_brackets) {
            *out_end = walk.at;
            return MW_OK;
        }
        if (in.ptr[before] == '<' || in.ptr[before] == '>')
            return MW_ERR_SYNTAX;
    }
    if (has_brackets || walk.in_quotes)
        return MW_ERR_SYNTAX;
    *out_end = walk.at;
    return MW_OK;
}

/* ---- Source route, local part, domain ---- */

/* The last `want` outside quotes, or -1. The text has been walked over before, so nothing in it is
 * bad. */
static ptrdiff_t find_plain_last(struct mw_slice text, char want)
{
    struct walk walk = {.text = text};
    ptrdiff_t found = -1;
    while (walk.at < text.len) {
        size_t before = walk.at;
        enum step step = walk_on(&walk);
        if (step == STEP_BAD)
            return -1;
        if (step == STEP_PLAIN && text.ptr[before] == want)
            found = (ptrdiff_t)before;
    }
    return found;
}

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

static void split_mailbox(struct mw_path *path)
{
    ptrdiff_t at = find_plain_last(path->address, '@');
    path->local = at < 0 ? path->address : mw_slice_take(path->address, (size_t)at);
    path->domain = at < 0 ? MW_EMPTY : mw_slice_skip(path->address, (size_t)at + 1);
}

/* ---- The grammar of RFC 5321 4.1.2, 4.1.3 and RFC 6531 3.3 ---- */

/* How many octets of `text` are one character of the class `is_member`, or a UTF-8 one: 0, 1 or up
 * to 4. */
static size_t char_len(struct mw_slice text, bool (*is_member)(char))
{
    if (text.len == 0)
        return 0;
    if (is_8bit(text.ptr[0])) {
        bool is_valid;
        size_t len = mw_utf8_next(text, &is_valid);
        return is_valid ? len : 0;
    }
    return is_member(text.ptr[0]) ? 1 : 0;
}

static bool is_atext(char c)
{
    return mw_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool is_qtext(char c)
{
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

static bool is_ldh(char c)
{
    return mw_is_alnum(c) || c == '-';
}

static bool is_dcontent(char c)
{
    return c >= '!' && c <= '~' && c != '[' && c != ']' && c != '\\';
}

/* One or more of the class; returns how many octets. */
static size_t run_len(struct mw_slice text, bool (*is_member)(char))
{
    size_t at = 0;
    for (size_t len; (len = char_len(mw_slice_skip(text, at), is_member)) > 0;)
        at += len;
    return at;
}

/* Parts of the class, joined by single dots: Dot-string, or the domain's labels. */
static bool is_dotted(struct mw_slice text, bool (*is_member)(char))
{
    for (;;) {
        size_t len = run_len(text, is_member);
        if (len == 0)
            return false;
        text = mw_slice_skip(text, len);
        if (text.len == 0)
            return true;
        if (text.ptr[0] != '.')
            return false;
        text = mw_slice_skip(text, 1);
    }
}

static bool is_quoted_string(struct mw_slice text)
{
    if (text.len < 2 || text.ptr[0] != '"' || text.ptr[text.len - 1] != '"')
        return false;
    text = MW_SLICE(text.ptr + 1, text.len - 2);
    while (text.len > 0) {
        size_t len = char_len(text, is_qtext);
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
    if (text.len > 255 || !is_dotted(text, is_ldh))
        return false;
    for (size_t i = 0; i < text.len; i++) { /* Let-dig at both ends of each label */
        bool is_edge = i == 0 || i + 1 == text.len || text.ptr[i - 1] == '.' ||
                       text.ptr[i + 1] == '.';
        if (text.ptr[i] == '-' && is_edge)
            return false;
    }
    return true;
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
    for (size_t i = 0; i < tag.len; i++)
        if (!is_ldh(tag.ptr[i]))
            return false;
    for (size_t i = 0; i < content.len; i++)
        if (!is_dcontent(content.ptr[i]))
            return false;
    return true;
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
    if (!is_dotted(path->local, is_atext) && !is_quoted_string(path->local))
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
    bool has_brackets = in.len > 0 && in.ptr[0] == '<';
    enum mw_err err = find_end(in, has_brackets, &end);
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
    split_mailbox(&path);
    path.is_wellformed = path.is_null || ((route.len == 0 || is_route(route)) && is_mailbox(&path));
    *out_path = path;
    *out_used = end;
    return MW_OK;
}

/* Blanks that a careless reader of "<a b@c>" would split at. */
static bool has_plain_blank(struct mw_slice address)
{
    return find_plain_last(address, ' ') >= 0;
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
