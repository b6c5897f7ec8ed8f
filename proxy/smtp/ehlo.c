/* ehlo.c - one table of the extensions we know, with what becomes of each on its way to the client.
 *
 * The client's reply keeps to the limits of RFC 5321 4.5.3.1.5 and to those of our own reader
 * (reply.h), whatever the upstream sent: a long line is cut at a blank, and lines of an upstream
 * that sends hundreds of them end where ours would no longer fit behind. */
#include "smtp/ehlo.h"

#include <stdio.h>
#include <string.h>

/* What happens to the upstream's line. */
enum fate {
    PASSED,        /* as the upstream wrote it */
    PLAIN,         /* the keyword alone */
    SIZED,         /* SIZE: with the smaller limit */
    IF_AUTH,       /* as written, if the policy shows AUTH */
    IF_CHUNKS,     /* CHUNKING: if the policy shows it */
    IF_BINARY,     /* BINARYMIME: if CHUNKING is shown and the upstream has both */
    IF_STARTTLS,   /* STARTTLS: ours, in the upstream's place, if the policy shows it */
    IF_REQUIRETLS, /* REQUIRETLS: if the policy shows it */
    HIDDEN,        /* belongs to this leg of the connection only; ours may follow behind */
};

static const struct extension {
    struct mw_slice keyword;
    uint32_t bit;
    enum fate fate;
} extensions[] = {
/* clang-format off */
#define EXT(keyword, bit, fate) {{keyword, sizeof keyword - 1}, MW_EXT_##bit, fate}
    EXT("PIPELINING",          PIPELINING, PLAIN),
    EXT("SIZE",                SIZE,       SIZED),
    EXT("8BITMIME",            8BITMIME,   PASSED),
    EXT("SMTPUTF8",            SMTPUTF8,   PASSED),
    EXT("DSN",                 DSN,        PASSED),
    EXT("ENHANCEDSTATUSCODES", ENHANCED,   PASSED),
    EXT("CHUNKING",            CHUNKING,   IF_CHUNKS),
    EXT("BINARYMIME",          BINARYMIME, IF_BINARY),
    EXT("STARTTLS",            STARTTLS,   IF_STARTTLS),
    EXT("AUTH",                AUTH,       IF_AUTH),
    EXT("XCLIENT",             XCLIENT,    HIDDEN),
    EXT("XFORWARD",            XFORWARD,   HIDDEN),
    EXT("REQUIRETLS",          REQUIRETLS, IF_REQUIRETLS),
    EXT("PRDR",                PRDR,       HIDDEN),
    EXT("DELIVERBY",           PASSED,     PASSED),
    EXT("MT-PRIORITY",         PASSED,     PASSED),
    EXT("FUTURERELEASE",       PASSED,     PASSED),
    EXT("LIMITS",              PASSED,     PASSED),
    EXT("VRFY",                PASSED,     PASSED),
    EXT("ETRN",                PASSED,     PASSED),
    EXT("HELP",                PASSED,     PASSED),
    EXT("EXPN",                PASSED,     PASSED),
#undef EXT
    /* clang-format on */
};

enum { OF_XCLIENT = 1, OF_XFORWARD = 2, OF_BOTH = 3 };

static const struct xclient_attr {
    struct mw_slice name;
    uint32_t bit;
    unsigned verbs;
} xclient_attrs[] = {
#define MW_XATTR(name, kind, state, value, verbs) \
    {{#name, sizeof #name - 1}, MW_XCLIENT_##name, verbs},
#include "smtp/xclient.def"
#undef MW_XATTR
};

/* ---- One line of the reply ---- */

struct offer {
    struct mw_slice line;    /* as written */
    struct mw_slice keyword; /* up to the first blank or "=" */
    struct mw_slice params;  /* the rest, trimmed */
    const struct extension *known;
};

static const struct extension *find_extension(struct mw_slice keyword)
{
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
        const struct mw_slice *known = &extensions[i].keyword;
        if (known->len == keyword.len && mw_upper(keyword.ptr[0]) == known->ptr[0] &&
            mw_slice_ieq(keyword, *known))
            return &extensions[i];
    }
    return NULL;
}

static struct offer offer_of(struct mw_slice line)
{
    struct offer offer = {.line = mw_slice_trim(line)};
    size_t len = 0;
    while (len < offer.line.len && offer.line.ptr[len] != ' ' && offer.line.ptr[len] != '\t' &&
           offer.line.ptr[len] != '=' && offer.line.ptr[len] != '\0')
        len++;
    offer.keyword = mw_slice_take(offer.line, len);
    offer.params = mw_slice_trim(mw_slice_skip(offer.line, len));
    if (offer.params.len > 0 && offer.params.ptr[0] == '=')
        offer.params = mw_slice_trim(
            mw_slice_skip(offer.params, 1)); /* "AUTH=LOGIN", the old form */
    offer.known = find_extension(offer.keyword);
    return offer;
}

static bool next_offer(const struct mw_reply *reply, size_t *at, struct offer *out_offer)
{
    struct mw_slice line;
    if (!mw_reply_line(reply, at, &line))
        return false;
    *out_offer = offer_of(line);
    return true;
}

/* Cut the next word off the front of a list. */
static bool next_word(struct mw_slice *list, struct mw_slice *out_word)
{
    *list = mw_slice_trim(*list);
    size_t len = 0;
    while (len < list->len && list->ptr[len] != ' ' && list->ptr[len] != '\t')
        len++;
    *out_word = mw_slice_take(*list, len);
    *list = mw_slice_skip(*list, len);
    return len > 0;
}

/* ---- What the upstream offers ---- */

/* What belongs to another verb counts for nothing: we would be answered 501. */
static uint32_t attrs_of(struct mw_slice list, unsigned verb)
{
    uint32_t attrs = 0;
    struct mw_slice word;
    while (next_word(&list, &word))
        for (size_t i = 0; i < sizeof xclient_attrs / sizeof xclient_attrs[0]; i++)
            if ((xclient_attrs[i].verbs & verb) != 0 && mw_slice_ieq(word, xclient_attrs[i].name))
                attrs |= xclient_attrs[i].bit;
    return attrs;
}

/* The limit, or 0 where none can be read: the upstream then judges by itself. RFC 1870 3. */
static uint64_t size_of(struct mw_slice params)
{
    uint64_t size = 0;
    return mw_slice_to_u64(params, UINT64_MAX, &size) == MW_OK ? size : 0;
}

static void learn(struct mw_ehlo *ehlo, const struct offer *offer)
{
    if (offer->known == NULL)
        return;
    uint32_t bit = offer->known->bit;
    if (bit == MW_EXT_SIZE && !(ehlo->exts & MW_EXT_SIZE))
        ehlo->size = size_of(offer->params);
    if (bit == MW_EXT_XCLIENT)
        ehlo->xclient_attrs |= attrs_of(offer->params, OF_XCLIENT);
    if (bit == MW_EXT_XFORWARD)
        ehlo->xforward_attrs |= attrs_of(offer->params, OF_XFORWARD);
    if (ehlo->xforward_attrs & MW_XCLIENT_IDENT)
        ehlo->exts |= MW_EXT_XFORWARD_IDENT;
    ehlo->exts |= bit;
}

void mw_ehlo_parse(const struct mw_reply *reply, struct mw_ehlo *out_ehlo)
{
    *out_ehlo = (struct mw_ehlo){0};
    size_t at = 0;
    struct mw_slice greeting;
    struct offer offer;
    if (reply->code != 250 || !mw_reply_line(reply, &at, &greeting))
        return;
    while (next_offer(reply, &at, &offer))
        learn(out_ehlo, &offer);
}

/* ---- What the client gets ---- */

/* The reply being written: every line goes out as "250-", the last one's separator is set right at
 * the end. */
struct printer {
    struct mw_buf *out;
    const struct mw_ehlo_policy *policy;
    struct mw_ehlo upstream;
    uint32_t shown;
    size_t begin;     /* of the reply in `out` */
    size_t last_line; /* where it begins in `out` */
    size_t line_count;
};

enum {
    TEXT_MAX = 512 - 6, /* octets on a line, without "250-" and CRLF. RFC 5321 4.5.3.1.5 */
    OWN_LINES_MAX = 8,  /* that show_own() may add */
    OWN_OCTETS_MAX = 1024,
};

/* Whether one more line of the upstream's leaves room for ours behind it. */
static bool has_room(const struct printer *printer)
{
    size_t octets = printer->out->len - printer->begin;
    return printer->line_count + 1 + OWN_LINES_MAX <= MW_REPLY_LINES_MAX &&
           octets + TEXT_MAX + 6 + OWN_OCTETS_MAX <= MW_REPLY_MAX;
}

/* As much of a line as may go out: whole words. Empty if already the first is too long. */
static struct mw_slice fit(struct mw_slice text)
{
    if (text.len <= TEXT_MAX)
        return text;
    size_t len = TEXT_MAX;
    while (len > 0 && text.ptr[len] != ' ' && text.ptr[len] != '\t')
        len--;
    return mw_slice_trim(mw_slice_take(text, len));
}

static void put_line(struct printer *printer, struct mw_slice text)
{
    struct mw_buf *out = printer->out;
    printer->last_line = out->len;
    printer->line_count++;
    mw_buf_put(out, MW_LIT("250-"));
    char *to = mw_buf_reserve(out, text.len);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_control = ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
        to[i] = is_control ? '?' : c;
    }
    out->len += text.len;
    mw_buf_put(out, MW_LIT("\r\n"));
}

static void show(struct printer *printer, uint32_t bit, struct mw_slice text)
{
    put_line(printer, text);
    printer->shown |= bit;
}

static void show_size(struct printer *printer)
{
    uint64_t ours = printer->policy->max_message_size, theirs = printer->upstream.size;
    uint64_t size = ours == 0 || (theirs != 0 && theirs < ours) ? theirs : ours;
    char text[32];
    int len = size == 0 ? snprintf(text, sizeof text, "SIZE")
                        : snprintf(text, sizeof text, "SIZE %llu", (unsigned long long)size);
    show(printer, MW_EXT_SIZE, MW_SLICE(text, (size_t)len));
}

static bool is_listed(const struct mw_ehlo_policy *policy, struct mw_slice keyword)
{
    for (size_t i = 0; policy->has_relay_extensions && i < policy->relay_extension_count; i++)
        if (mw_slice_ieq(keyword, policy->relay_extensions[i]))
            return true;
    return false;
}

static bool shows_binary(const struct printer *printer)
{
    uint32_t both = MW_EXT_CHUNKING | MW_EXT_BINARYMIME;
    return printer->policy->show_chunking && (printer->upstream.exts & both) == both;
}

static void show_known(struct printer *printer, const struct offer *offer)
{
    uint32_t bit = offer->known->bit;
    switch (offer->known->fate) {
    case PASSED:
        show(printer, bit, offer->line);
        break;
    case PLAIN:
        show(printer, bit, offer->known->keyword);
        break;
    case SIZED:
        show_size(printer);
        break;
    case IF_AUTH:
        if (printer->policy->show_auth)
            show(printer, bit, offer->line);
        break;
    case IF_CHUNKS:
        if (printer->policy->show_chunking)
            show(printer, bit, offer->known->keyword);
        break;
    case IF_BINARY:
        if (shows_binary(printer))
            show(printer, bit, offer->known->keyword);
        break;
    case IF_STARTTLS:
        if (printer->policy->show_starttls)
            show(printer, bit, offer->known->keyword);
        break;
    case IF_REQUIRETLS:
        if (printer->policy->show_requiretls)
            show(printer, bit, offer->known->keyword);
        break;
    case HIDDEN:
        break;
    }
}

/* A second line of the same extension says nothing new, but for AUTH (both forms in use) and the
 * bit that several share. */
static bool is_repeated(const struct printer *printer, uint32_t bit)
{
    return (bit & printer->shown & ~(uint32_t)(MW_EXT_AUTH | MW_EXT_PASSED)) != 0;
}

static void show_offer(struct printer *printer, struct offer *offer)
{
    offer->line = fit(offer->line);
    if (offer->line.len == 0 || !has_room(printer))
        return;
    if (offer->known == NULL) {
        if (is_listed(printer->policy, offer->keyword))
            put_line(printer, offer->line);
        return;
    }
    if (!is_repeated(printer, offer->known->bit))
        show_known(printer, offer);
}

/* Ours, behind the upstream's. */
static void show_own(struct printer *printer)
{
    if (!(printer->shown & MW_EXT_PIPELINING))
        show(printer, MW_EXT_PIPELINING, MW_LIT("PIPELINING"));
    if (!(printer->shown & MW_EXT_SIZE) && printer->policy->max_message_size != 0)
        show_size(printer);
    if (!(printer->shown & MW_EXT_CHUNKING) && printer->policy->show_chunking)
        show(printer, MW_EXT_CHUNKING, MW_LIT("CHUNKING"));
    if (!(printer->shown & MW_EXT_STARTTLS) && printer->policy->show_starttls)
        show(printer, MW_EXT_STARTTLS, MW_LIT("STARTTLS"));
    if (printer->policy->show_xclient)
        show(printer, MW_EXT_XCLIENT,
             MW_LIT("XCLIENT NAME ADDR PORT PROTO HELO LOGIN REVERSE_NAME DESTADDR DESTPORT"));
    if (printer->policy->show_xforward)
        show(printer, MW_EXT_XFORWARD, MW_LIT("XFORWARD NAME ADDR PORT PROTO HELO SOURCE IDENT"));
    if (printer->policy->show_prdr)
        show(printer, MW_EXT_PRDR, MW_LIT("PRDR"));
}

/* The first line. A greeting that does not fit says nothing that a client needs. */
static void put_greeting(struct printer *printer, struct mw_slice greeting)
{
    struct mw_slice name = printer->policy->hostname;
    put_line(printer, fit(name.len > 0 ? name : greeting));
}

void mw_ehlo_print(const struct mw_reply *reply, const struct mw_ehlo_policy *policy,
                   struct mw_buf *out, uint32_t *out_shown)
{
    struct printer printer = {.out = out, .policy = policy, .begin = out->len};
    size_t at = 0;
    struct mw_slice greeting = MW_EMPTY;
    struct offer offer;
    mw_ehlo_parse(reply, &printer.upstream);
    mw_reply_line(reply, &at, &greeting);
    put_greeting(&printer, greeting);
    while (next_offer(reply, &at, &offer))
        show_offer(&printer, &offer);
    show_own(&printer);
    out->ptr[printer.last_line + 3] = ' ';
    *out_shown = printer.shown;
}
