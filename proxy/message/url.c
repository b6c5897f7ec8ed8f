/* url.c - finds URLs in plain text, and takes URLs apart.
 *
 * Finding: a loop jumps from ':' to '.'; a ':' looks back a bounded number of letters for a scheme,
 * a '.' takes in the whole run of host characters around it and, if that is no URL, goes on behind
 * it. So no octet is looked at more than a few times. Hosts and top level domains: url_host.c. */
#include "message/url.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/buf.h"
#include "message/url_priv.h"

enum { SCHEME_MAX = 32 };

/* ---- characters ---- */

enum {
    C_STOP = 1,   /* not part of a URL in text */
    C_HOST = 2,   /* part of a host's label, or a dot */
    C_TRAIL = 4,  /* not part of a URL at its end */
    C_TRIGGER = 8 /* a URL may be around it */
};
/* clang-format off */
static const uint8_t kinds[256] = {
    [0 ... ' '] = C_STOP, [0x7f] = C_STOP, ['<'] = C_STOP, ['>'] = C_STOP, ['"'] = C_STOP,
    ['`'] = C_STOP, ['{'] = C_STOP, ['}'] = C_STOP,
    ['0' ... '9'] = C_HOST, ['A' ... 'Z'] = C_HOST, ['a' ... 'z'] = C_HOST, ['-'] = C_HOST,
    ['_'] = C_HOST, ['.'] = C_HOST | C_TRAIL | C_TRIGGER, [':'] = C_TRAIL | C_TRIGGER,
    [','] = C_TRAIL, [';'] = C_TRAIL, ['!'] = C_TRAIL, ['?'] = C_TRAIL, ['\''] = C_TRAIL,
    ['*'] = C_TRAIL, ['|'] = C_TRAIL, ['\\'] = C_TRAIL,
};
/* clang-format on */

static bool is_kind(char c, uint8_t kind)
{
    return kinds[(unsigned char)c] & kind;
}

/* Octets of the character at `at` that ends a URL though it is not ASCII: blanks, quotes and
 * brackets of other scripts; 0: it does not. */
static size_t wide_stop(const char *at, const char *end)
{
    static const char *const stops[] = {
        "\xc2\xa0",     "\xc2\xab",     "\xc2\xbb",     /* no-break space, guillemets */
        "\xe2\x80\x8b", "\xe2\x80\x98", "\xe2\x80\x99", /* zero width space, single quotes */
        "\xe2\x80\x9c", "\xe2\x80\x9d", "\xe2\x80\x9e", /* double quotes */
        "\xe2\x80\xa6", "\xe2\x80\xa8", "\xe2\x80\xa9", /* ellipsis, line and paragraph ends */
        "\xe3\x80\x80", "\xe3\x80\x81",                 /* ideographic space and comma */
        "\xe3\x80\x8c", "\xe3\x80\x8d", "\xe3\x80\x90", /* corner and lenticular brackets */
        "\xe3\x80\x91", "\xef\xbc\x88", "\xef\xbc\x89", /* full width brackets */
        "\xef\xbc\x8c", "\xef\xbb\xbf",                 /* full width comma, U+FEFF */
    };
    unsigned char lead = (unsigned char)*at;
    if (lead != 0xc2 && lead != 0xe2 && lead != 0xe3 && lead != 0xef)
        return 0;
    struct mw_slice rest = MW_SLICE(at, (size_t)(end - at));
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++)
        if (mw_slice_starts(rest, mw_slice_cstr(stops[i])))
            return strlen(stops[i]);
    return 0;
}

static bool is_slash(char c)
{
    return c == '/' || c == '\\';
}

/* ---- where a URL ends ---- */

/* A list of URLs without blanks: the next one begins behind this separator. */
static bool is_next_url(const char *at, const char *end)
{
    struct mw_slice rest = MW_SLICE(at + 1, (size_t)(end - at - 1));
    return (*at == ',' || *at == ';' || *at == '|') && (mw_slice_istarts(rest, MW_LIT("http://")) ||
                                                        mw_slice_istarts(rest, MW_LIT("https://")));
}

static const char *url_end(const char *at, const char *end)
{
    for (; at < end && !is_kind(*at, C_STOP); at++)
        if (((unsigned char)*at >= 0x80 && wide_stop(at, end) > 0) ||
            (is_kind(*at, C_TRAIL) && is_next_url(at, end)))
            break;
    return at;
}

/* Take off punctuation, and closing brackets that were not opened in the URL. */
static const char *trim_end(const char *from, const char *end)
{
    ptrdiff_t open[2] = {0, 0}; /* () [] : opening less closing ones */
    for (const char *c = from; c < end; c++) {
        open[0] += (*c == '(') - (*c == ')');
        open[1] += (*c == '[') - (*c == ']');
    }
    for (; end > from; end--) {
        char last = end[-1];
        if (last == ')' && open[0] < 0)
            open[0]++;
        else if (last == ']' && open[1] < 0)
            open[1]++;
        else if (!is_kind(last, C_TRAIL))
            break;
    }
    return end;
}

/* ---- URLs with a scheme ---- */

/* What mail programs make clickable; longer ones first where one ends like another. */
static const char *const clickable[] = {"https", "http", "sftp", "ftps",   "ftp",   "file",
                                        "smb",   "ircs", "irc",  "wss",    "ws",    "nntp",
                                        "news",  "ssh",  "git",  "gopher", "telnet"};

/* Octets of the scheme that ends in front of `colon`; 0: none. "texthttp:" ends in one. */
static size_t scheme_before(const char *from, const char *colon)
{
    size_t len = 0;
    while (len < SCHEME_MAX && colon - len > from && mw_is_alnum(colon[-1 - (ptrdiff_t)len]))
        len++;
    if (len < 2)
        return 0;
    struct mw_slice run = MW_SLICE(colon - len, len);
    for (size_t i = 0; i < sizeof clickable / sizeof clickable[0]; i++) {
        struct mw_slice scheme = mw_slice_cstr(clickable[i]);
        bool is_web = mw_slice_starts(scheme, MW_LIT("http"));
        if (is_web ? mw_slice_iends(run, scheme) : mw_slice_ieq(run, scheme))
            return scheme.len;
    }
    return 0;
}

/* A URL around the ':' at `colon`: the end of what is looked at, NULL if it is none. Backslashes do
 * as slashes. */
static const char *find_with_scheme(const char *from, const char *colon, const char *end,
                                    struct mw_slice *out_url)
{
    if (end - colon < 4 || !is_slash(colon[1]) || !is_slash(colon[2]))
        return NULL;
    size_t scheme = scheme_before(from, colon);
    const char *host = colon + 3;
    while (host < end && is_slash(*host))
        host++;
    bool has_host = host < end && (mw_is_alnum(*host) || (unsigned char)*host >= 0x80 ||
                                   *host == '[' || *host == '%' || *host == '_');
    if (scheme == 0 || !has_host)
        return NULL;
    const char *stop = url_end(host, end);
    const char *last = trim_end(colon - scheme, stop);
    if (last <= host)
        return NULL;
    *out_url = MW_SLICE(colon - scheme, (size_t)(last - (colon - scheme)));
    return stop;
}

/* ---- bare hosts ---- */

/* Letters U+00C0 to U+04FF in two octets belong to a host's label too: Latin, Greek, Cyrillic. */
static bool is_lead(char c)
{
    return (unsigned char)c >= 0xc3 && (unsigned char)c <= 0xd3;
}
static bool is_tail(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static const char *run_start(const char *from, const char *at)
{
    for (;;) {
        if (at > from && is_kind(at[-1], C_HOST))
            at--;
        else if (at - from >= 2 && is_tail(at[-1]) && is_lead(at[-2]))
            at -= 2;
        else
            return at;
    }
}

static const char *run_end(const char *at, const char *end)
{
    for (;;) {
        if (at < end && is_kind(*at, C_HOST))
            at++;
        else if (end - at >= 2 && is_lead(*at) && is_tail(at[1]))
            at += 2;
        else
            return at;
    }
}

/* "the end.Then": a sentence, not a host. */
static bool is_sentence(struct mw_slice host, struct mw_slice tld)
{
    return tld.ptr[0] >= 'A' && tld.ptr[0] <= 'Z' && tld.ptr[1] >= 'a' && tld.ptr[1] <= 'z' &&
           !(host.ptr[0] >= 'A' && host.ptr[0] <= 'Z');
}

/* A host that is a link without a scheme. */
static bool is_bare_host(struct mw_slice host)
{
    if ((mw_slice_istarts(host, MW_LIT("www.")) || mw_slice_istarts(host, MW_LIT("ftp."))) &&
        host.len > 4 && host.ptr[4] != '.')
        return true;
    ptrdiff_t dot = mw_slice_rfind(host, '.');
    if (dot <= 0 || host.ptr[dot - 1] == '.')
        return false;
    struct mw_slice tld = mw_slice_skip(host, (size_t)dot + 1);
    return mw_url_is_tld(tld) && !is_sentence(host, tld);
}

/* Where the URL with the bare host that ends at `at` goes on to: port, path, query. */
static const char *bare_end(const char *at, const char *end)
{
    if (end - at >= 2 && *at == ':' && mw_is_digit(at[1])) {
        at++;
        while (at < end && mw_is_digit(*at))
            at++;
    }
    return at < end && (is_slash(*at) || *at == '?' || *at == '#') ? url_end(at, end) : at;
}

/* A URL around the '.' at `dot`: true with *out_url. *out_next: where to go on, either way. */
static bool find_bare(const char *from, const char *dot, const char *end, const char *text,
                      const char **out_next, struct mw_slice *out_url)
{
    const char *first = run_start(from, dot), *last = run_end(dot, end);
    *out_next = last;
    if (last < end && *last == '@') {
        *out_next = last + 1; /* the local part of an address */
        return false;
    }
    if (first > text && first[-1] == '@')
        return false; /* its domain */
    while (first < last && (*first == '.' || *first == '-' || *first == '_'))
        first++;
    const char *host_end = last;
    while (host_end > first && (host_end[-1] == '.' || host_end[-1] == '-' || host_end[-1] == '_'))
        host_end--;
    if (host_end == first || !is_bare_host(MW_SLICE(first, (size_t)(host_end - first))))
        return false;
    if (last == host_end || (last - host_end == 1 && *host_end == '.')) /* "host./path" */
        *out_next = bare_end(last, end);
    const char *stop = trim_end(first, *out_next);
    if (*out_next == last)
        stop = host_end;
    *out_url = MW_SLICE(first, (size_t)(stop - first));
    return true;
}

#ifdef __SSE2__
/* Octets in front that are no trigger, 16 at a time; the rest begins with one, or is too short. */
static const char *skip_plain(const char *at, const char *end)
{
    const __m128i colon = _mm_set1_epi8(':'), dot = _mm_set1_epi8('.');
    for (; end - at >= 16; at += 16) {
        __m128i octets = _mm_loadu_si128((const __m128i *)(const void *)at);
        int triggers = _mm_movemask_epi8(
            _mm_or_si128(_mm_cmpeq_epi8(octets, colon), _mm_cmpeq_epi8(octets, dot)));
        if (triggers != 0)
            return at + __builtin_ctz((unsigned)triggers);
    }
    return at;
}
#else
static const char *skip_plain(const char *at, const char *end)
{
    (void)end;
    return at;
}
#endif

/* The next ':' or '.', or `end`. */
static const char *next_trigger(const char *at, const char *end)
{
    at = skip_plain(at, end);
    while (at < end && !is_kind(*at, C_TRIGGER))
        at++;
    return at;
}

bool mw_url_next(struct mw_slice text, size_t *cursor, struct mw_slice *out_url)
{
    if (text.len == 0 || *cursor >= text.len)
        return false;
    const char *end = text.ptr + text.len, *from = text.ptr + *cursor;
    const char *low = from; /* octets before it are known to be in no bare host */
    for (const char *at = next_trigger(low, end); at < end; at = next_trigger(low, end)) {
        const char *next = at + 1;
        bool is_found;
        if (*at == ':') {
            const char *stop = find_with_scheme(from, at, end, out_url);
            is_found = stop != NULL;
            next = is_found ? stop : next;
        } else {
            is_found = find_bare(low, at, end, text.ptr, &next, out_url);
        }
        if (is_found) {
            *cursor = (size_t)(next - text.ptr);
            return true;
        }
        low = next > at ? next : at + 1;
    }
    *cursor = text.len;
    return false;
}

/* ---- taking apart ---- */

/* WHATWG URL 4.4, 1 to 3: C0 controls and blanks at the ends, tabs and line ends anywhere go. */
static struct mw_slice clean(struct mw_slice url, struct mw_arena *arena)
{
    while (url.len > 0 && (unsigned char)url.ptr[0] <= ' ')
        url = mw_slice_skip(url, 1);
    while (url.len > 0 && (unsigned char)url.ptr[url.len - 1] <= ' ')
        url.len--;
    char *copy = mw_arena_alloc(arena, url.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < url.len; i++)
        if (url.ptr[i] != '\t' && url.ptr[i] != '\n' && url.ptr[i] != '\r')
            copy[len++] = url.ptr[i];
    return MW_SLICE(copy, len);
}

/* Octets of the scheme in front of a ':'; 0: none. "host.example:80" has none. */
static size_t scheme_len(struct mw_slice url)
{
    size_t len = 0;
    bool has_dot = false;
    while (len < url.len && len <= SCHEME_MAX &&
           (mw_is_alnum(url.ptr[len]) || memchr("+-.", url.ptr[len], 3) != NULL)) {
        has_dot |= url.ptr[len] == '.';
        len++;
    }
    if (len == 0 || len > SCHEME_MAX || len == url.len || url.ptr[len] != ':' ||
        !mw_is_alpha(url.ptr[0]))
        return 0;
    bool has_slashes = url.len - len > 2 && is_slash(url.ptr[len + 1]) &&
                       is_slash(url.ptr[len + 2]);
    return has_dot && !has_slashes ? 0 : len;
}

static struct mw_slice lower_copy(struct mw_slice text, struct mw_arena *arena)
{
    char *copy = mw_arena_cstr(arena, text);
    for (size_t i = 0; i < text.len; i++)
        copy[i] = mw_lower(copy[i]);
    return MW_SLICE(copy, text.len);
}

/* The schemes of WHATWG URL 3.1 whose URLs have a host, however many slashes stand there. */
static bool is_special(struct mw_slice scheme)
{
    return mw_slice_eq(scheme, MW_LIT("http")) || mw_slice_eq(scheme, MW_LIT("https")) ||
           mw_slice_eq(scheme, MW_LIT("ftp")) || mw_slice_eq(scheme, MW_LIT("ws")) ||
           mw_slice_eq(scheme, MW_LIT("wss"));
}

/* Behind the host: a port, or nothing. Takes it off *authority. */
static bool take_port(struct mw_slice *authority, uint32_t *out_port)
{
    ptrdiff_t colon = mw_slice_rfind(*authority, ':');
    ptrdiff_t bracket = mw_slice_rfind(*authority, ']');
    *out_port = 0;
    if (colon < 0 || colon < bracket)
        return true;
    struct mw_slice digits = mw_slice_skip(*authority, (size_t)colon + 1);
    *authority = mw_slice_take(*authority, (size_t)colon);
    while (digits.len > 1 && digits.ptr[0] == '0')
        digits = mw_slice_skip(digits, 1);
    uint64_t port = 0;
    if (digits.len > 0 && mw_slice_to_u64(digits, 65535, &port) != MW_OK)
        return false;
    *out_port = (uint32_t)port;
    return true;
}

/* user@host:port up to the path. False: no host that a browser would go to. */
static bool split_authority(struct mw_slice rest, struct mw_arena *arena, struct mw_url *url)
{
    size_t len = 0;
    while (len < rest.len && !is_slash(rest.ptr[len]) && rest.ptr[len] != '?' &&
           rest.ptr[len] != '#')
        len++;
    struct mw_slice authority = mw_slice_take(rest, len);
    url->path = mw_slice_take(mw_slice_skip(rest, len), MW_URL_MAX);
    ptrdiff_t at = mw_slice_rfind(authority, '@');
    url->has_user = at >= 0;
    if (at >= 0)
        authority = mw_slice_skip(authority, (size_t)at + 1);
    return take_port(&authority, &url->port) && mw_url_host(authority, arena, &url->host);
}

static struct mw_slice skip_slashes(struct mw_slice text)
{
    while (text.len > 0 && is_slash(text.ptr[0]))
        text = mw_slice_skip(text, 1);
    return text;
}

/* file://host/path; file:/path and file:///C:/ have no host. */
static bool split_file(struct mw_slice rest, struct mw_arena *arena, struct mw_url *url)
{
    url->path = mw_slice_take(rest, MW_URL_MAX);
    if (rest.len < 3 || !is_slash(rest.ptr[0]) || !is_slash(rest.ptr[1]) || is_slash(rest.ptr[2]))
        return true;
    rest = mw_slice_skip(rest, 2);
    bool is_drive = rest.len > 1 && mw_is_alpha(rest.ptr[0]) &&
                    (rest.ptr[1] == ':' || rest.ptr[1] == '|');
    return is_drive || split_authority(rest, arena, url);
}

/* Any other scheme: a host is behind two slashes, or there is none; its rules are the scheme's. */
static bool split_other(struct mw_slice rest, struct mw_arena *arena, struct mw_url *url)
{
    struct mw_url tried = *url;
    url->path = mw_slice_take(rest, MW_URL_MAX);
    bool is_code = mw_slice_eq(url->scheme, MW_LIT("javascript")) ||
                   mw_slice_eq(url->scheme, MW_LIT("vbscript")) ||
                   mw_slice_eq(url->scheme, MW_LIT("data"));
    if (!is_code && rest.len > 2 && rest.ptr[0] == '/' && rest.ptr[1] == '/' &&
        split_authority(mw_slice_skip(rest, 2), arena, &tried))
        *url = tried;
    return true;
}

/* No scheme: "//host/path", or what mw_url_next takes for a URL. */
static bool split_bare(struct mw_slice text, struct mw_arena *arena, struct mw_url *url)
{
    url->scheme = MW_LIT("http");
    if (text.len > 2 && is_slash(text.ptr[0]) && is_slash(text.ptr[1]))
        return split_authority(skip_slashes(text), arena, url);
    size_t len = 0;
    while (len < text.len && strchr("/\\?#:@", text.ptr[len]) == NULL)
        len++;
    struct mw_slice host = mw_slice_take(text, len);
    while (host.len > 0 && host.ptr[host.len - 1] == '.')
        host.len--;
    return is_bare_host(host) && split_authority(text, arena, url) && !url->has_user;
}

bool mw_url_split(struct mw_slice url, struct mw_arena *arena, struct mw_url *out_url)
{
    struct mw_slice text = clean(url, arena);
    struct mw_url read = {.host = MW_EMPTY, .path = MW_EMPTY};
    size_t len = scheme_len(text);
    bool is_url;
    if (len == 0) {
        is_url = split_bare(text, arena, &read);
    } else {
        struct mw_slice rest = mw_slice_skip(text, len + 1);
        read.scheme = lower_copy(mw_slice_take(text, len), arena);
        if (is_special(read.scheme))
            is_url = split_authority(skip_slashes(rest), arena, &read);
        else if (mw_slice_eq(read.scheme, MW_LIT("file")))
            is_url = split_file(rest, arena, &read);
        else
            is_url = split_other(rest, arena, &read);
    }
    if (is_url)
        *out_url = read;
    return is_url;
}
