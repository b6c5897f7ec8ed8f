/* proxyproto.c - strict reading: one meaning or none.
 *
 * Where HAProxy's text leaves a choice: UNKNOWN, LOCAL, UNSPEC and UNIX all mean "no address";
 * datagram is refused; a repeated TLV of a kind that we use is refused; the content of LOCAL is
 * skipped unread, as the text demands, its checksum included. Incomplete input is judged as far as
 * it goes, so that a client that says EHLO instead is told off at once. */
#include "net/proxyproto.h"

#include <string.h>

#include "base/utf8.h"

/* ---- version 1: "PROXY TCP4 192.0.2.1 192.0.2.2 41001 25\r\n" ---- */

enum { V1_ADDRESS = 0, V1_PORT = 2, V1_FIELDS = 4 }; /* source, destination, their ports */

static enum mw_err v1_port(struct mw_slice text, uint16_t *out_port)
{
    uint64_t port;
    bool has_leading_zero = text.len > 1 && text.ptr[0] == '0';
    if (has_leading_zero || mw_slice_to_u64(text, 65535, &port) != MW_OK)
        return MW_ERR_SYNTAX;
    *out_port = (uint16_t)port;
    return MW_OK;
}

static enum mw_err v1_address(struct mw_slice text, bool is_v6, struct mw_inet *out_address)
{
    bool has_colon = mw_slice_find(text, ':') >= 0;
    if (has_colon != is_v6 || mw_inet_parse(text, out_address) != MW_OK)
        return MW_ERR_SYNTAX;
    return MW_OK;
}

static enum mw_err v1_field(int index, struct mw_slice text, bool is_v6,
                            struct mw_proxy_header *header)
{
    switch (index) {
    case V1_ADDRESS:
        return v1_address(text, is_v6, &header->source);
    case V1_ADDRESS + 1:
        return v1_address(text, is_v6, &header->destination);
    case V1_PORT:
        return v1_port(text, &header->source_port);
    default:
        return v1_port(text, &header->destination_port);
    }
}

/* A field whose end has not arrived: MW_AGAIN if these octets can begin one. */
static enum mw_err v1_begins_field(int index, struct mw_slice text, bool is_v6)
{
    size_t max = index >= V1_PORT ? 5 : is_v6 ? 45 : 15;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_fine = mw_is_digit(c) || (index < V1_PORT && c == '.') ||
                       (index < V1_PORT && is_v6 && (c == ':' || mw_hex_value(c) >= 0));
        if (!is_fine || i >= max)
            return MW_ERR_SYNTAX;
    }
    return MW_AGAIN;
}

static enum mw_err v1_tcp(struct mw_slice rest, bool is_complete, bool is_v6,
                          struct mw_proxy_header *header)
{
    for (int index = 0; index < V1_FIELDS; index++) {
        struct mw_slice field = rest, tail = MW_EMPTY;
        bool is_last = index == V1_FIELDS - 1;
        bool has_end = is_last ? is_complete : mw_slice_split(rest, ' ', &field, &tail);
        if (!has_end)
            return is_complete ? MW_ERR_SYNTAX : v1_begins_field(index, rest, is_v6);
        enum mw_err err = v1_field(index, field, is_v6, header);
        if (err != MW_OK)
            return err;
        rest = tail;
    }
    return MW_OK;
}

/* `text` begins with `word`: MW_OK; is a beginning of it: MW_AGAIN. */
static enum mw_err begins_with(struct mw_slice text, struct mw_slice word)
{
    if (mw_slice_starts(text, word))
        return MW_OK;
    return mw_slice_starts(word, text) ? MW_AGAIN : MW_ERR_SYNTAX;
}

/* The line without its line end, or as much of it as there is. */
static enum mw_err v1_line(struct mw_slice line, bool is_complete, struct mw_proxy_header *header)
{
    static const char *const kinds[] = {"PROXY TCP4 ", "PROXY TCP6 ", "PROXY UNKNOWN"};
    enum mw_err best = MW_ERR_SYNTAX;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct mw_slice kind = mw_slice_cstr(kinds[i]);
        enum mw_err err = begins_with(line, kind);
        struct mw_slice rest = mw_slice_skip(line, kind.len);
        if (err == MW_OK && i < 2)
            return v1_tcp(rest, is_complete, i == 1, header);
        if (err == MW_OK) {
            header->is_local =
                true; /* "the receiver must ignore anything presented before the CRLF" */
            return rest.len == 0 || rest.ptr[0] == ' ' ? MW_OK : MW_ERR_SYNTAX;
        }
        if (err == MW_AGAIN && !is_complete)
            best = MW_AGAIN;
    }
    return best;
}

static enum mw_err parse_v1(struct mw_slice in, struct mw_proxy_header *header, size_t *out_used)
{
    struct mw_slice window = mw_slice_take(in, MW_PROXY_V1_MAX);
    ptrdiff_t cr = mw_slice_find(window, '\r');
    struct mw_slice line = cr < 0 ? window : mw_slice_take(window, (size_t)cr);
    size_t used = line.len + 2;
    if (mw_slice_find(line, '\n') >= 0 || mw_slice_find(line, '\0') >= 0)
        return MW_ERR_SYNTAX;
    if (cr >= 0 && used <= window.len && window.ptr[cr + 1] != '\n')
        return MW_ERR_SYNTAX;
    enum mw_err err = v1_line(line, cr >= 0, header);
    if (err != MW_OK && err != MW_AGAIN)
        return err;
    if (used > MW_PROXY_V1_MAX)
        return MW_ERR_SYNTAX;
    if (cr < 0 || used > window.len || err == MW_AGAIN)
        return MW_AGAIN;
    header->version = 1;
    *out_used = used;
    return MW_OK;
}

/* ---- version 2: binary ---- */

enum { V2_HEAD = 16, V2_LOCAL = 0x20, V2_PROXY = 0x21 };
enum { TLV_HEAD = 3, CRC_SIZE = 4, UNIQUE_ID_MAX = 128, SSL_HEAD = 5 };
enum tlv_type {
    TLV_ALPN = 0x01,
    TLV_AUTHORITY = 0x02,
    TLV_CRC32C = 0x03,
    TLV_UNIQUE_ID = 0x05,
    TLV_SSL = 0x20,
    TLV_SSL_VERSION = 0x21, /* this one and the next four: inside SSL only */
    TLV_SSL_CN = 0x22,
    TLV_SSL_CIPHER = 0x23,
    TLV_SSL_SIG_ALG = 0x24,
    TLV_SSL_KEY_ALG = 0x25,
};
enum { SSL_CLIENT = 1, SSL_CERT_CONN = 2, SSL_CERT_SESS = 4 };

/* clang-format off */
/* Family and transport, and the octets of the addresses. Datagram (low nibble 2) cannot arrive on a stream. */
static const struct { unsigned char kind; bool has_address; uint16_t size; } v2_kinds[] = {
    {0x00, false,   0}, /* UNSPEC */
    {0x11, true,   12}, /* TCP over IPv4 */
    {0x21, true,   36}, /* TCP over IPv6 */
    {0x31, false, 216}, /* UNIX stream */
};
/* clang-format on */
static const char v2_signature[12] = {'\r', '\n', '\r', '\n', 0,   '\r',
                                      '\n', 'Q',  'U',  'I',  'T', '\n'};

static unsigned char octet_at(struct mw_slice in, size_t at)
{
    return (unsigned char)in.ptr[at];
}

static uint16_t u16_at(struct mw_slice in, size_t at)
{
    return (uint16_t)((unsigned)octet_at(in, at) << 8 | octet_at(in, at + 1));
}

/* CRC-32C (Castagnoli, reflected; RFC 3720 12.1), four bits a step: a header is small and comes
 * once a connection. */
static uint32_t crc32c(uint32_t crc, struct mw_slice octets)
{
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    for (size_t i = 0; i < octets.len; i++) {
        crc ^= octet_at(octets, i);
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return crc;
}

/* Over the whole header with the checksum's own octets, at `at`, taken as zero. */
static uint32_t header_crc(struct mw_slice header, size_t at)
{
    static const char zeros[CRC_SIZE];
    uint32_t crc = crc32c(UINT32_MAX, mw_slice_take(header, at));
    crc = crc32c(crc, MW_SLICE(zeros, CRC_SIZE));
    return ~crc32c(crc, mw_slice_skip(header, at + CRC_SIZE));
}

static bool crc_is_right(struct mw_slice header, size_t at)
{
    uint32_t want = (uint32_t)u16_at(header, at) << 16 | u16_at(header, at + 2);
    return header_crc(header, at) == want;
}

/* UTF-8 without control characters (C0, DEL and C1): fit for a log or a header field. */
static bool is_text(struct mw_slice value)
{
    for (size_t at = 0; at < value.len;) {
        unsigned char first = octet_at(value, at);
        bool is_valid;
        size_t len = mw_utf8_next(mw_slice_skip(value, at), &is_valid);
        bool is_control = first < 0x20 || first == 0x7f ||
                          (first == 0xc2 && len == 2 && octet_at(value, at + 1) < 0xa0);
        if (!is_valid || is_control)
            return false;
        at += len;
    }
    return true;
}

static struct mw_slice text_or_empty(struct mw_slice value)
{
    return value.len > 0 && is_text(value) ? value : MW_EMPTY;
}

struct tlv {
    unsigned char type;
    struct mw_slice value;
};

/* Cut one TLV off the front of the octets that its header or the TLV around it leaves. */
static enum mw_err next_tlv(struct mw_slice *rest, struct tlv *out_tlv)
{
    if (rest->len < TLV_HEAD || rest->len - TLV_HEAD < u16_at(*rest, 1))
        return MW_ERR_SYNTAX;
    out_tlv->type = octet_at(*rest, 0);
    out_tlv->value = MW_SLICE(rest->ptr + TLV_HEAD, u16_at(*rest, 1));
    *rest = mw_slice_skip(*rest, TLV_HEAD + out_tlv->value.len);
    return MW_OK;
}

/* Where a TLV's text goes; NULL: not one that we read. */
static struct mw_slice *text_slot(struct mw_proxy_header *header, unsigned char type)
{
    switch (type) {
    case TLV_ALPN:
        return &header->alpn;
    case TLV_AUTHORITY:
        return &header->authority;
    case TLV_UNIQUE_ID:
        return &header->unique_id;
    default:
        return NULL;
    }
}

static struct mw_slice *ssl_slot(struct mw_proxy_tls *tls, unsigned char type)
{
    switch (type) {
    case TLV_SSL_VERSION:
        return &tls->version;
    case TLV_SSL_CN:
        return &tls->common_name;
    case TLV_SSL_CIPHER:
        return &tls->cipher;
    case TLV_SSL_SIG_ALG:
        return &tls->signature_algorithm;
    case TLV_SSL_KEY_ALG:
        return &tls->key_algorithm;
    default:
        return NULL;
    }
}

/* A slot is still NULL until its TLV came: a second one would be another opinion. */
static enum mw_err keep_text(struct mw_slice *slot, struct mw_slice value)
{
    if (slot->ptr != NULL)
        return MW_ERR_SYNTAX;
    *slot = text_or_empty(value);
    return MW_OK;
}

/* "verify" is 0 for a verified certificate, but also where none was sent (HAProxy): it counts only
 * with one of the certificate's bits. */
static void judge_client(struct mw_proxy_tls *tls, struct mw_slice value)
{
    unsigned client = octet_at(value, 0);
    bool is_zero = u16_at(value, 1) == 0 && u16_at(value, 3) == 0;
    if ((client & SSL_CLIENT) == 0) {
        *tls = (struct mw_proxy_tls){0};
        return;
    }
    tls->is_secure = true;
    tls->has_certificate = (client & (SSL_CERT_CONN | SSL_CERT_SESS)) != 0;
    tls->is_resumed = tls->has_certificate && (client & SSL_CERT_CONN) == 0;
    tls->is_verified = tls->has_certificate && is_zero;
    if (!tls->has_certificate)
        tls->common_name = MW_EMPTY;
}

static enum mw_err take_ssl(struct mw_proxy_header *header, struct mw_slice value)
{
    struct mw_slice rest = mw_slice_skip(value, SSL_HEAD);
    struct tlv tlv;
    if (value.len < SSL_HEAD)
        return MW_ERR_SYNTAX;
    while (rest.len > 0) {
        enum mw_err err = next_tlv(&rest, &tlv);
        struct mw_slice *slot = err == MW_OK ? ssl_slot(&header->tls, tlv.type) : NULL;
        if (slot != NULL)
            err = keep_text(slot, tlv.value);
        if (err != MW_OK)
            return err;
    }
    judge_client(&header->tls, value);
    return MW_OK;
}

/* One TLV of the header; `whole` for the checksum. `seen_*`: what has no slot of its own. */
static enum mw_err take_tlv(struct mw_slice whole, const struct tlv *tlv,
                            struct mw_proxy_header *header, bool *seen_crc, bool *seen_ssl)
{
    bool *seen = tlv->type == TLV_CRC32C ? seen_crc : tlv->type == TLV_SSL ? seen_ssl : NULL;
    if (seen != NULL && *seen)
        return MW_ERR_SYNTAX;
    if (seen != NULL)
        *seen = true;
    if (tlv->type == TLV_CRC32C)
        return tlv->value.len == CRC_SIZE &&
                       crc_is_right(whole, (size_t)(tlv->value.ptr - whole.ptr))
                   ? MW_OK
                   : MW_ERR_SYNTAX;
    if (tlv->type == TLV_SSL)
        return take_ssl(header, tlv->value);
    if (tlv->type == TLV_UNIQUE_ID && tlv->value.len > UNIQUE_ID_MAX)
        return MW_ERR_SYNTAX;
    struct mw_slice *slot = text_slot(header, tlv->type);
    return slot == NULL ? MW_OK : keep_text(slot, tlv->value);
}

static enum mw_err v2_tlvs(struct mw_slice whole, size_t at, struct mw_proxy_header *header)
{
    struct mw_slice rest = mw_slice_skip(whole, at);
    bool seen_crc = false, seen_ssl = false;
    struct tlv tlv;
    while (rest.len > 0) {
        enum mw_err err = next_tlv(&rest, &tlv);
        if (err == MW_OK)
            err = take_tlv(whole, &tlv, header, &seen_crc, &seen_ssl);
        if (err != MW_OK)
            return err;
    }
    return MW_OK;
}

/* What did not come is the empty text from here on. */
static void settle_texts(struct mw_proxy_header *header)
{
    struct mw_proxy_tls *tls = &header->tls;
    struct mw_slice *const texts[] = {
        &header->unique_id, &header->authority, &header->alpn,       &tls->version,
        &tls->cipher,       &tls->common_name,  &tls->key_algorithm, &tls->signature_algorithm,
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i]->ptr == NULL)
            *texts[i] = MW_EMPTY;
}

static void v2_address(const char *at, bool is_v6, struct mw_inet *out_address)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (is_v6) {
        memcpy(out_address->octets, at, 16);
        return;
    }
    memcpy(out_address->octets, mapped, 12);
    memcpy(out_address->octets + 12, at, 4);
}

static void v2_addresses(struct mw_slice whole, bool is_v6, struct mw_proxy_header *header)
{
    size_t size = is_v6 ? 16 : 4;
    v2_address(whole.ptr + V2_HEAD, is_v6, &header->source);
    v2_address(whole.ptr + V2_HEAD + size, is_v6, &header->destination);
    header->source_port = u16_at(whole, V2_HEAD + 2 * size);
    header->destination_port = u16_at(whole, V2_HEAD + 2 * size + 2);
}

/* A whole header with command PROXY. */
static enum mw_err v2_proxy(struct mw_slice whole, struct mw_proxy_header *header)
{
    for (size_t i = 0; i < sizeof v2_kinds / sizeof *v2_kinds; i++) {
        if (v2_kinds[i].kind != octet_at(whole, 13))
            continue;
        if (whole.len - V2_HEAD < v2_kinds[i].size)
            return MW_ERR_SYNTAX;
        header->is_local = !v2_kinds[i].has_address;
        if (v2_kinds[i].has_address)
            v2_addresses(whole, v2_kinds[i].kind == 0x21, header);
        return v2_tlvs(whole, V2_HEAD + v2_kinds[i].size, header);
    }
    return MW_ERR_SYNTAX;
}

static enum mw_err parse_v2(struct mw_slice in, struct mw_proxy_header *header, size_t *out_used)
{
    enum mw_err err = begins_with(in, MW_SLICE(v2_signature, sizeof v2_signature));
    if (err != MW_OK)
        return err;
    if (in.len > 12 && octet_at(in, 12) != V2_LOCAL && octet_at(in, 12) != V2_PROXY)
        return MW_ERR_SYNTAX;
    if (in.len < V2_HEAD)
        return MW_AGAIN;
    size_t size = V2_HEAD + (size_t)u16_at(in, 14);
    if (size > MW_PROXY_MAX)
        return MW_ERR_LIMIT;
    if (in.len < size)
        return MW_AGAIN;
    header->version = 2;
    header->is_local = octet_at(in, 12) == V2_LOCAL;
    *out_used = size;
    return header->is_local ? MW_OK : v2_proxy(mw_slice_take(in, size), header);
}

enum mw_err mw_proxy_parse(struct mw_slice in, struct mw_proxy_header *out_header, size_t *out_used)
{
    struct mw_proxy_header header = {0};
    size_t used = 0;
    if (in.len == 0)
        return MW_AGAIN;
    enum mw_err err = in.ptr[0] == 'P' ? parse_v1(in, &header, &used)
                                       : parse_v2(in, &header, &used);
    if (err == MW_OK) {
        settle_texts(&header);
        *out_header = header;
        *out_used = used;
    }
    return err;
}

/* ---- writing ---- */

static void print_v1_address(const struct mw_inet *address, bool as_v6, struct mw_buf *out)
{
    char text[MW_INET_TEXT_MAX];
    if (as_v6 && mw_inet_is_v4(address))
        mw_buf_put(out, MW_LIT("::ffff:"));
    mw_buf_put(out, mw_inet_print(address, text));
    mw_buf_putc(out, ' ');
}

static void print_v1(const struct mw_proxy_header *header, bool as_v6, struct mw_buf *out)
{
    if (header->is_local) {
        mw_buf_put(out, MW_LIT("PROXY UNKNOWN\r\n"));
        return;
    }
    mw_buf_put(out, as_v6 ? MW_LIT("PROXY TCP6 ") : MW_LIT("PROXY TCP4 "));
    print_v1_address(&header->source, as_v6, out);
    print_v1_address(&header->destination, as_v6, out);
    mw_buf_putf(out, "%u %u\r\n", (unsigned)header->source_port,
                (unsigned)header->destination_port);
}

static void put_u16(struct mw_buf *out, size_t value)
{
    mw_buf_putc(out, (char)(unsigned char)(value >> 8));
    mw_buf_putc(out, (char)(unsigned char)value);
}

static void put_tlv_head(struct mw_buf *out, unsigned char type, size_t len)
{
    mw_buf_putc(out, (char)type);
    put_u16(out, len);
}

static void put_v2_address(const struct mw_inet *address, bool as_v6, struct mw_buf *out)
{
    const char *octets = (const char *)address->octets;
    mw_buf_put(out, as_v6 ? MW_SLICE(octets, 16) : MW_SLICE(octets + 12, 4));
}

/* The checksum goes last, so that it is known where it stands. */
static void put_crc(struct mw_buf *out, size_t start)
{
    static const char zeros[CRC_SIZE];
    put_tlv_head(out, TLV_CRC32C, CRC_SIZE);
    size_t at = out->len - start;
    mw_buf_put(out, MW_SLICE(zeros, CRC_SIZE));
    uint32_t crc = header_crc(MW_SLICE(out->ptr + start, out->len - start), at);
    out->len -= CRC_SIZE;
    put_u16(out, crc >> 16);
    put_u16(out, crc & 0xffff);
}

/* The texts of a header that is to be written. */
struct v2_texts {
    struct mw_slice id, authority, version, cipher, common_name;
};

static size_t tlv_size(struct mw_slice value)
{
    return value.len > 0 ? TLV_HEAD + value.len : 0;
}

static size_t ssl_size(const struct v2_texts *texts)
{
    return SSL_HEAD + tlv_size(texts->version) + tlv_size(texts->cipher) +
           tlv_size(texts->common_name);
}

/* Of everything behind the 16 octets. */
static size_t v2_size(const struct mw_proxy_header *header, const struct v2_texts *texts,
                      bool as_v6)
{
    return (as_v6 ? 36u : 12u) + tlv_size(texts->id) + tlv_size(texts->authority) +
           (header->tls.is_secure ? TLV_HEAD + ssl_size(texts) : 0) + TLV_HEAD + CRC_SIZE;
}

/* Cut at a character's beginning, so that it stays a text. */
static struct mw_slice cut_id(struct mw_slice id)
{
    size_t len = id.len;
    if (len > UNIQUE_ID_MAX)
        for (len = UNIQUE_ID_MAX; len > 0 && (octet_at(id, len) & 0xc0) == 0x80;)
            len--;
    return mw_slice_take(id, len);
}

/* Texts only, and no more of them than fit. */
static struct v2_texts choose_texts(const struct mw_proxy_header *header, bool as_v6)
{
    const struct mw_proxy_tls *tls = &header->tls;
    struct v2_texts texts = {.id = text_or_empty(cut_id(header->unique_id)),
                             .authority = text_or_empty(header->authority)};
    if (tls->is_secure) {
        texts.version = text_or_empty(tls->version);
        texts.cipher = text_or_empty(tls->cipher);
    }
    if (tls->is_secure && tls->has_certificate)
        texts.common_name = text_or_empty(tls->common_name);
    struct mw_slice *const dispensable[] = {&texts.common_name, &texts.cipher, &texts.authority,
                                            &texts.version};
    for (size_t i = 0; i < sizeof dispensable / sizeof *dispensable &&
                       V2_HEAD + v2_size(header, &texts, as_v6) > MW_PROXY_SENT_MAX;
         i++)
        *dispensable[i] = MW_EMPTY;
    return texts;
}

static void put_tlv(struct mw_buf *out, unsigned char type, struct mw_slice value)
{
    if (value.len == 0)
        return;
    put_tlv_head(out, type, value.len);
    mw_buf_put(out, value);
}

/* "verify" is not 0 where there is nothing that was verified: a reader that looks at nothing else
 * is safe, too. */
static void put_ssl(const struct mw_proxy_tls *tls, const struct v2_texts *texts,
                    struct mw_buf *out)
{
    unsigned client = SSL_CLIENT;
    if (tls->has_certificate)
        client |= SSL_CERT_SESS | (tls->is_resumed ? 0u : (unsigned)SSL_CERT_CONN);
    put_tlv_head(out, TLV_SSL, ssl_size(texts));
    mw_buf_putc(out, (char)client);
    put_u16(out, 0);
    put_u16(out, tls->has_certificate && tls->is_verified ? 0 : 1);
    put_tlv(out, TLV_SSL_VERSION, texts->version);
    put_tlv(out, TLV_SSL_CN, texts->common_name);
    put_tlv(out, TLV_SSL_CIPHER, texts->cipher);
}

static void print_v2(const struct mw_proxy_header *header, bool as_v6, struct mw_buf *out)
{
    size_t start = out->len;
    struct v2_texts texts = choose_texts(header, as_v6);
    mw_buf_put(out, MW_SLICE(v2_signature, sizeof v2_signature));
    mw_buf_putc(out, header->is_local ? V2_LOCAL : V2_PROXY);
    mw_buf_putc(out, header->is_local ? 0 : as_v6 ? 0x21 : 0x11);
    put_u16(out, header->is_local ? 0 : v2_size(header, &texts, as_v6));
    if (header->is_local)
        return; /* the receiver must skip what LOCAL holds: send nothing */
    put_v2_address(&header->source, as_v6, out);
    put_v2_address(&header->destination, as_v6, out);
    put_u16(out, header->source_port);
    put_u16(out, header->destination_port);
    put_tlv(out, TLV_UNIQUE_ID, texts.id);
    put_tlv(out, TLV_AUTHORITY, texts.authority);
    if (header->tls.is_secure)
        put_ssl(&header->tls, &texts, out);
    put_crc(out, start);
}

void mw_proxy_print(const struct mw_proxy_header *header, struct mw_buf *out)
{
    bool as_v6 = !mw_inet_is_v4(&header->source) || !mw_inet_is_v4(&header->destination);
    if (header->version == 1)
        print_v1(header, as_v6, out);
    else
        print_v2(header, as_v6, out);
}

/* ---- to and from what the rest of the code knows of a TLS connection ---- */

enum { VERSION_MAX = 11, CIPHER_MAX = 47 }; /* octets of names that OpenSSL could have given */

static const char *keep_fitting(struct mw_arena *arena, size_t max, struct mw_slice text)
{
    return text.len == 0 || text.len > max ? "" : mw_arena_cstr(arena, text);
}

void mw_proxy_get_tls(const struct mw_proxy_header *header, struct mw_arena *arena,
                      struct mw_tls_info *out_info)
{
    const struct mw_proxy_tls *tls = &header->tls;
    *out_info = (struct mw_tls_info){.is_secure = tls->is_secure,
                                     .is_resumed = tls->is_resumed,
                                     .has_certificate = tls->has_certificate,
                                     .is_verified = tls->is_verified,
                                     .version = "",
                                     .cipher = "",
                                     .sni = "",
                                     .subject = "",
                                     .fingerprint = "",
                                     .problem = ""};
    if (!tls->is_secure)
        return;
    out_info->version = keep_fitting(arena, VERSION_MAX, tls->version);
    out_info->cipher = keep_fitting(arena, CIPHER_MAX, tls->cipher);
    out_info->sni = keep_fitting(arena, MW_TLS_NAME_MAX, header->authority);
    out_info->subject = keep_fitting(arena, MW_TLS_NAME_MAX, tls->common_name);
    if (tls->has_certificate && !tls->is_verified)
        out_info->problem = "not verified by the proxy in front";
}

void mw_proxy_set_tls(struct mw_proxy_header *header, const struct mw_tls_info *info)
{
    header->tls = (struct mw_proxy_tls){.is_secure = info->is_secure};
    if (!info->is_secure)
        return;
    header->authority = mw_slice_cstr(info->sni);
    header->tls.has_certificate = info->has_certificate;
    header->tls.is_resumed = info->has_certificate && info->is_resumed;
    header->tls.is_verified = info->has_certificate && info->is_verified;
    header->tls.version = mw_slice_cstr(info->version);
    header->tls.cipher = mw_slice_cstr(info->cipher);
    if (info->has_certificate)
        header->tls.common_name = mw_slice_cstr(info->subject);
}
