/* proxyproto.c - strict reading: one meaning or none.
 *
 * Where HAProxy's text leaves a choice: UNKNOWN, LOCAL, UNSPEC and UNIX all mean "no address";
 * datagram is refused; a repeated TLV of a kind that we use is refused; the content of LOCAL is
 * skipped unread, as the text demands, its checksum included. Incomplete input is judged as far as
 * it goes, so that a client that says EHLO instead is told off at once. */
#include "net/proxyproto.h"

#include <string.h>

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

enum {
    V2_HEAD = 16,
    V2_LOCAL = 0x20,
    V2_PROXY = 0x21,
    TLV_HEAD = 3,
    TLV_AUTHORITY = 0x02,
    TLV_CRC32C = 0x03,
    TLV_UNIQUE_ID = 0x05,
    CRC_SIZE = 4,
    UNIQUE_ID_MAX = 128,
};

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

/* Keep a value that may come once. */
static enum mw_err keep_once(struct mw_slice value, struct mw_slice *slot, bool *seen)
{
    if (*seen)
        return MW_ERR_SYNTAX;
    *seen = true;
    *slot = value;
    return MW_OK;
}

static enum mw_err v2_tlvs(struct mw_slice whole, size_t at, struct mw_proxy_header *header)
{
    bool has_authority = false, has_id = false, has_crc = false;
    while (at < whole.len) {
        if (whole.len - at < TLV_HEAD || whole.len - at - TLV_HEAD < u16_at(whole, at + 1))
            return MW_ERR_SYNTAX; /* overruns the header */
        unsigned char type = octet_at(whole, at);
        struct mw_slice value = MW_SLICE(whole.ptr + at + TLV_HEAD, u16_at(whole, at + 1)), crc;
        enum mw_err err = MW_OK;
        if (type == TLV_AUTHORITY)
            err = keep_once(value, &header->authority, &has_authority);
        else if (type == TLV_UNIQUE_ID)
            err = value.len <= UNIQUE_ID_MAX ? keep_once(value, &header->unique_id, &has_id)
                                             : MW_ERR_SYNTAX;
        else if (type == TLV_CRC32C)
            err = value.len == CRC_SIZE && crc_is_right(whole, at + TLV_HEAD)
                      ? keep_once(value, &crc, &has_crc)
                      : MW_ERR_SYNTAX;
        if (err != MW_OK)
            return err;
        at += TLV_HEAD + value.len;
    }
    return MW_OK;
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
    struct mw_proxy_header header = {.unique_id = MW_EMPTY, .authority = MW_EMPTY};
    size_t used = 0;
    if (in.len == 0)
        return MW_AGAIN;
    enum mw_err err = in.ptr[0] == 'P' ? parse_v1(in, &header, &used)
                                       : parse_v2(in, &header, &used);
    if (err == MW_OK) {
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

static void print_v2(const struct mw_proxy_header *header, bool as_v6, struct mw_buf *out)
{
    size_t start = out->len;
    struct mw_slice id = mw_slice_take(header->unique_id, UNIQUE_ID_MAX);
    size_t size = (as_v6 ? 36u : 12u) + (id.len > 0 ? TLV_HEAD + id.len : 0) + TLV_HEAD + CRC_SIZE;
    mw_buf_put(out, MW_SLICE(v2_signature, sizeof v2_signature));
    mw_buf_putc(out, header->is_local ? V2_LOCAL : V2_PROXY);
    mw_buf_putc(out, header->is_local ? 0 : as_v6 ? 0x21 : 0x11);
    put_u16(out, header->is_local ? 0 : size);
    if (header->is_local)
        return; /* the receiver must skip what LOCAL holds: send nothing */
    put_v2_address(&header->source, as_v6, out);
    put_v2_address(&header->destination, as_v6, out);
    put_u16(out, header->source_port);
    put_u16(out, header->destination_port);
    if (id.len > 0) {
        put_tlv_head(out, TLV_UNIQUE_ID, id.len);
        mw_buf_put(out, id);
    }
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
