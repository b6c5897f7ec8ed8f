/* header.c - the header block: read line by line, edited as a list of fields, written in as few
 * pieces as possible.
 *
 * Reading. A line goes through `enum line_kind`: its first octets decide what it is (decide(),
 * octet by octet over the field name only), from then on nothing but its LF matters (memchr). Each
 * octet is copied once and looked at once, however the content is cut; `scan` and `name_len` carry
 * the decision over a cut. The block moves while it grows, so until it is complete fields hold
 * lengths only: fields lie one behind the other, and complete() turns lengths into pointers.
 *
 *   NEW     ftext: NAME   blank: MORE (folding); BODY if there is no field yet, as Postfix has it
 *           CR: CR        LF: SEPARATOR (binary messages only)
 *   NAME    ":": FIELD    blank: BLANKS
 *   BLANKS  ":": FIELD    else: FROM for an mbox line in front
 *   CR      LF: SEPARATOR
 *   any other octet: BODY
 *
 * The limits are judged at places that the cuts do not move: number and hops where a line is
 * recognised as a field, size where the first octet beyond it belongs to the block. That is why at
 * most one octet more than size_max is ever copied. */
#include "message/header.h"

#include <stdlib.h>
#include <string.h>

#include "message/header_priv.h"

enum line_kind {
    LINE_NEW = 0,
    LINE_NAME,
    LINE_BLANKS, /* behind the name, before the colon: RFC 5322 4.5 "obs-" syntax */
    LINE_CR,
    LINE_DECIDED, /* from here on the kind is final */
    LINE_FIELD = LINE_DECIDED,
    LINE_MORE,
    LINE_FROM,
    LINE_SEPARATOR,
    LINE_BODY,
};

enum {
    BLOCK_FIRST = 2048, /* most headers of one hop fit; less is taken if less has come */
    FIELDS_FIRST = 8,
    FIELDS_EXTRA = 200, /* that filters may add beyond the limit for received ones */
    NAME_MAX_LEN = 998, /* RFC 5322 2.1.1 */
    VALUE_MAX_LEN = 65536,
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* RFC 5322 3.6.8: printable ASCII except ":". */
static const bool ftext[256] = {['!' ... '9'] = true, [';' ... '~'] = true};

static inline bool is_ftext(char c)
{
    return ftext[(unsigned char)c];
}

void mw_headers_init(struct mw_headers *headers, struct mw_arena *arena)
{
    *headers = (struct mw_headers){.arena = arena};
}

void mw_headers_fini(struct mw_headers *headers)
{
    free(headers->fields);
    mw_buf_fini(&headers->block);
    mw_charsets_free(&headers->charsets);
    *headers = (struct mw_headers){.arena = headers->arena};
}

/* ---- reading ---- */

/* ">>From someone Mon Jan 5 ...", before any field. Postfix, smtpd.c, data_cmd: strspn(start, ">"),
 * then "From ". */
static bool is_from_line(const struct mw_headers *headers)
{
    struct mw_slice line = MW_SLICE(headers->block.ptr + headers->line_start,
                                    headers->name_len + 1);
    while (line.len > 0 && line.ptr[0] == '>')
        line = mw_slice_skip(line, 1);
    return headers->line_start == headers->preamble_len && mw_slice_eq(line, MW_LIT("From "));
}

/* One octet of a line that is not decided yet. */
static enum line_kind decide_octet(struct mw_headers *headers, char c)
{
    switch ((enum line_kind)headers->line_kind) {
    case LINE_NEW:
        if (c == '\n')
            return LINE_SEPARATOR;
        if (c == '\r')
            return LINE_CR;
        if (is_blank(c))
            return headers->count > 0 ? LINE_MORE : LINE_BODY;
        __attribute__((fallthrough));
    case LINE_NAME:
        if (is_ftext(c)) {
            headers->name_len++;
            return LINE_NAME;
        }
        if (headers->name_len == 0)
            return LINE_BODY;
        return c == ':' ? LINE_FIELD : is_blank(c) ? LINE_BLANKS : LINE_BODY;
    case LINE_BLANKS:
        if (c == ':')
            return LINE_FIELD;
        if (is_blank(c))
            return LINE_BLANKS;
        return is_from_line(headers) ? LINE_FROM : LINE_BODY;
    case LINE_CR:
        return c == '\n' ? LINE_SEPARATOR : LINE_BODY;
    case LINE_FIELD:
    case LINE_MORE:
    case LINE_FROM:
    case LINE_SEPARATOR:
    case LINE_BODY:
        break;
    }
    mw_assert_failed("the line is not decided yet", __FILE__, __LINE__);
}

/* The name at a stretch, as far as it has come: what decide_octet() would do octet by octet. */
static void decide_name(struct mw_headers *headers)
{
    const char *octets = headers->block.ptr;
    size_t begin = headers->scan, at = begin, len = headers->block.len;
    while (at < len && is_ftext(octets[at]))
        at++;
    if (at == begin)
        return;
    headers->name_len += at - begin;
    headers->scan = at;
    headers->line_kind = LINE_NAME;
}

static void decide(struct mw_headers *headers)
{
    if (headers->line_kind <= LINE_NAME)
        decide_name(headers);
    while (headers->line_kind < LINE_DECIDED && headers->scan < headers->block.len)
        headers->line_kind = (uint8_t)decide_octet(headers, headers->block.ptr[headers->scan++]);
}

static void reserve_field(struct mw_headers *headers)
{
    if (headers->count < headers->cap)
        return;
    headers->cap = headers->cap == 0 ? FIELDS_FIRST : headers->cap * 2;
    headers->fields = mw_xrealloc(headers->fields, headers->cap * sizeof *headers->fields);
}

/* The line was just recognised as a field: put it on the list, its length follows with its line
 * end. */
static enum mw_err begin_field(struct mw_headers *headers, const struct mw_header_limits *limits,
                               bool *out_hops)
{
    struct mw_slice name = MW_SLICE(headers->block.ptr + headers->line_start, headers->name_len);
    bool is_hop = name.len == 8 && mw_slice_ieq(name, MW_LIT("Received"));
    bool has_too_many_hops = is_hop && headers->received >= limits->hops_max;
    if (headers->count >= limits->fields_max || has_too_many_hops) {
        headers->line_kind = LINE_BODY; /* so that finish() hands it back */
        *out_hops = has_too_many_hops;
        return MW_ERR_LIMIT;
    }
    headers->received += is_hop;
    reserve_field(headers);
    headers->fields[headers->count++] = (struct mw_field){.name_len = (uint32_t)headers->name_len};
    return MW_AGAIN;
}

static struct mw_slice without_line_end(struct mw_slice raw)
{
    if (raw.len > 0 && raw.ptr[raw.len - 1] == '\n')
        raw.len--;
    if (raw.len > 0 && raw.ptr[raw.len - 1] == '\r')
        raw.len--;
    return raw;
}

/* No filter sees the mbox lines, and they leave as they came. Some readers find another line in one
 * behind a CR, or cut it at a NUL: such a line is body, as any other that is no field. */
static bool is_odd_from_line(const struct mw_headers *headers)
{
    if (headers->line_kind != LINE_FROM)
        return false;
    struct mw_slice line = without_line_end(
        mw_slice_skip(mw_buf_view(&headers->block), headers->line_start));
    return mw_slice_find(line, '\r') >= 0 || mw_slice_find(line, '\0') >= 0;
}

/* All of a decided line is in the block. */
static void end_line(struct mw_headers *headers)
{
    if (headers->line_kind == LINE_SEPARATOR)
        headers->has_separator = true;
    else if (headers->line_kind == LINE_FROM)
        headers->preamble_len = headers->block.len;
    else
        headers->fields[headers->count - 1].raw.len += headers->block.len - headers->line_start;
    headers->line_start = headers->scan = headers->block.len;
    headers->name_len = 0;
    headers->line_kind = LINE_NEW;
}

/* The block ends at line_start; what is behind it is body. */
static void complete(struct mw_headers *headers, struct mw_slice *out_body)
{
    size_t at = headers->preamble_len;
    for (size_t i = 0; i < headers->count; i++) {
        headers->fields[i].raw.ptr = headers->block.ptr + at;
        at += headers->fields[i].raw.len;
    }
    headers->is_complete = true;
    *out_body = mw_slice_skip(mw_buf_view(&headers->block), headers->line_start);
}

/* The block has grown by a piece of one line. */
static enum mw_err take_piece(struct mw_headers *headers, const struct mw_header_limits *limits,
                              struct mw_slice *out_body, bool *out_hops)
{
    if (headers->line_kind < LINE_DECIDED) {
        decide(headers);
        if (headers->line_kind == LINE_FIELD) {
            enum mw_err err = begin_field(headers, limits, out_hops);
            if (err != MW_AGAIN)
                return err;
        }
    }
    if (headers->line_kind == LINE_BODY) {
        complete(headers, out_body);
        return MW_OK;
    }
    if (headers->block.len > limits->size_max)
        return MW_ERR_LIMIT;
    if (headers->block.ptr[headers->block.len - 1] != '\n')
        return MW_AGAIN;
    if (is_odd_from_line(headers)) {
        complete(headers, out_body);
        return MW_OK;
    }
    end_line(headers);
    if (headers->has_separator)
        complete(headers, out_body);
    return headers->has_separator ? MW_OK : MW_AGAIN;
}

/* The octets of `in` to copy next: up to the line's end, but only one beyond the limit. */
static struct mw_slice next_piece(const struct mw_headers *headers, size_t size_max,
                                  struct mw_slice in)
{
    const char *newline = memchr(in.ptr, '\n', in.len);
    size_t len = newline == NULL ? in.len : (size_t)(newline - in.ptr) + 1;
    size_t room = size_max - headers->block.len;
    return MW_SLICE(in.ptr, len > room ? room + 1 : len);
}

enum mw_err mw_headers_take(struct mw_headers *headers, const struct mw_header_limits *limits,
                            struct mw_slice in, size_t *out_used, struct mw_slice *out_body,
                            bool *out_hops)
{
    mw_assert(!headers->is_complete && headers->block.len <= limits->size_max);
    headers->fields_max = limits->fields_max;
    *out_used = 0;
    *out_body = MW_EMPTY;
    *out_hops = false;
    if (headers->block.cap == 0 && in.len > 0)
        mw_buf_reserve(&headers->block, in.len < BLOCK_FIRST ? in.len : BLOCK_FIRST);
    enum mw_err err = MW_AGAIN;
    while (err == MW_AGAIN && *out_used < in.len) {
        struct mw_slice rest = MW_SLICE(in.ptr + *out_used, in.len - *out_used);
        struct mw_slice piece = next_piece(headers, limits->size_max, rest);
        memcpy(mw_buf_reserve(&headers->block, piece.len), piece.ptr, piece.len);
        headers->block.len += piece.len;
        *out_used += piece.len;
        err = take_piece(headers, limits, out_body, out_hops);
    }
    return err;
}

void mw_headers_finish(struct mw_headers *headers, struct mw_slice *out_body)
{
    *out_body = MW_EMPTY;
    if (headers->is_complete)
        return;
    if (headers->line_kind == LINE_FIELD || headers->line_kind == LINE_MORE ||
        (headers->line_kind == LINE_FROM && !is_odd_from_line(headers)))
        end_line(headers);
    complete(headers, out_body);
}

/* ---- looking ---- */

struct mw_slice mw_field_name(const struct mw_field *field)
{
    return mw_slice_take(field->raw, field->name_len);
}

struct mw_slice mw_field_value(const struct mw_field *field)
{
    struct mw_slice rest = mw_slice_skip(field->raw, field->name_len);
    ptrdiff_t colon = mw_slice_find(rest, ':'); /* only blanks before it */
    mw_assert(colon >= 0);
    return without_line_end(mw_slice_skip(rest, (size_t)colon + 1));
}

/* Nothing in it to decode or unfold: printable ASCII, blanks and tabs, no "=?". */
static bool is_plain(struct mw_slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char octet = (unsigned char)value.ptr[i];
        if ((octet < ' ' && octet != '\t') || octet > '~' ||
            (octet == '?' && i > 0 && value.ptr[i - 1] == '='))
            return false;
    }
    return true;
}

struct mw_slice mw_field_decoded(struct mw_headers *headers, size_t index)
{
    mw_assert(index < headers->count);
    struct mw_field *field = &headers->fields[index];
    if (!field->is_decoded && is_plain(mw_field_value(field))) {
        field->decoded = mw_arena_dup(headers->arena, mw_slice_trim(mw_field_value(field)));
        field->is_decoded = true;
    } else if (!field->is_decoded) {
        struct mw_slice value = mw_field_value(field);
        struct mw_buf text = {0};
        /* three octets for one is the most that any charset needs */
        mw_header_decode_with(&headers->charsets, value, value.len * 3, &text);
        field->decoded = mw_arena_dup(headers->arena, mw_slice_trim(mw_buf_view(&text)));
        field->is_decoded = true;
        mw_buf_fini(&text);
    }
    return field->decoded;
}

ptrdiff_t mw_headers_find(const struct mw_headers *headers, struct mw_slice name, size_t from)
{
    for (size_t i = from; i < headers->count; i++)
        if (headers->fields[i].name_len == name.len &&
            mw_slice_ieq(mw_field_name(&headers->fields[i]), name))
            return (ptrdiff_t)i;
    return -1;
}

struct mw_slice mw_headers_message_id(const struct mw_headers *headers)
{
    ptrdiff_t index = mw_headers_find(headers, MW_LIT("Message-ID"), 0);
    if (index < 0)
        return MW_EMPTY;
    struct mw_slice value = mw_field_value(&headers->fields[index]);
    while (value.len > 0 &&
           (is_blank(value.ptr[0]) || value.ptr[0] == '\r' || value.ptr[0] == '\n'))
        value = mw_slice_skip(value, 1); /* it is often folded right behind the colon */
    return mw_slice_trim(value);
}

/* ---- edits ---- */

static enum mw_err check_name(struct mw_slice name)
{
    if (name.len > NAME_MAX_LEN)
        return MW_ERR_LIMIT;
    for (size_t i = 0; i < name.len; i++)
        if (!is_ftext(name.ptr[i]))
            return MW_ERR_SYNTAX;
    return name.len > 0 ? MW_OK : MW_ERR_SYNTAX;
}

/* Append `value` with its folding as CRLF. Whatever else could end the field early is refused. */
static enum mw_err put_value(struct mw_buf *out, struct mw_slice value)
{
    struct mw_slice line, rest = value;
    for (bool is_last = false; !is_last;) {
        is_last = !mw_slice_split(rest, '\n', &line, &rest);
        if (is_last)
            line = rest;
        else if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (mw_slice_find(line, '\r') >= 0 || mw_slice_find(line, '\0') >= 0)
            return MW_ERR_SYNTAX;
        if (!is_last && (rest.len == 0 || !is_blank(rest.ptr[0])))
            return MW_ERR_SYNTAX;
        mw_buf_put(out, line);
        if (!is_last)
            mw_buf_put(out, MW_LIT("\r\n"));
    }
    return MW_OK;
}

/* A whole new field in the arena. */
static enum mw_err build_field(struct mw_headers *headers, struct mw_slice name,
                               struct mw_slice value, struct mw_slice *out_raw)
{
    if (value.len > VALUE_MAX_LEN)
        return MW_ERR_LIMIT;
    struct mw_buf text = {0};
    mw_buf_reserve(&text, name.len + value.len + 8);
    mw_buf_put(&text, name);
    mw_buf_putc(&text, ':');
    if (value.len == 0 || mw_slice_find(MW_LIT(" \t\r\n"), value.ptr[0]) < 0)
        mw_buf_putc(&text, ' ');
    enum mw_err err = put_value(&text, value);
    if (err == MW_OK) {
        mw_buf_put(&text, MW_LIT("\r\n"));
        *out_raw = mw_arena_dup(headers->arena, mw_buf_view(&text));
    }
    mw_buf_fini(&text);
    return err;
}

enum mw_err mw_headers_insert(struct mw_headers *headers, size_t index, struct mw_slice name,
                              struct mw_slice value)
{
    mw_assert(headers->is_complete);
    if (index > headers->count)
        return MW_ERR_NOENT;
    if (headers->count >= headers->fields_max + FIELDS_EXTRA)
        return MW_ERR_LIMIT;
    struct mw_slice raw;
    enum mw_err err = check_name(name);
    if (err == MW_OK)
        err = build_field(headers, name, value, &raw);
    if (err != MW_OK)
        return err;
    reserve_field(headers);
    struct mw_field *at = &headers->fields[index];
    memmove(at + 1, at, (headers->count - index) * sizeof *at);
    *at = (struct mw_field){.raw = raw, .name_len = (uint32_t)name.len, .is_added = true};
    headers->count++;
    headers->is_edited = true;
    return MW_OK;
}

enum mw_err mw_headers_change(struct mw_headers *headers, size_t index, struct mw_slice value)
{
    mw_assert(headers->is_complete);
    if (index >= headers->count)
        return MW_ERR_NOENT;
    struct mw_field *field = &headers->fields[index];
    struct mw_slice raw;
    enum mw_err err = build_field(headers, mw_field_name(field), value, &raw);
    if (err != MW_OK)
        return err;
    field->raw = raw;
    field->is_changed = true;
    field->is_decoded = false;
    headers->is_edited = true;
    return MW_OK;
}

enum mw_err mw_headers_delete(struct mw_headers *headers, size_t index)
{
    mw_assert(headers->is_complete);
    if (index >= headers->count)
        return MW_ERR_NOENT;
    struct mw_field *field = &headers->fields[index];
    headers->count--;
    memmove(field, field + 1, (headers->count - index) * sizeof *field);
    headers->is_edited = true;
    return MW_OK;
}

/* ---- writing ---- */

/* Neighbours that lie behind one another leave as one view. */
struct run {
    struct mw_slice octets;
    void (*put)(void *user, struct mw_slice octets);
    void *user;
};

static void run_flush(struct run *run)
{
    if (run->octets.len > 0)
        run->put(run->user, run->octets);
    run->octets = MW_EMPTY;
}

static void run_add(struct run *run, struct mw_slice octets)
{
    if (octets.len == 0)
        return;
    bool is_neighbour = run->octets.ptr + run->octets.len == octets.ptr;
    if (run->octets.len > 0 && is_neighbour) {
        run->octets.len += octets.len;
        return;
    }
    bool is_open = run->octets.len > 0 && run->octets.ptr[run->octets.len - 1] != '\n';
    run_flush(run);
    if (is_open) /* a field that the content's end had cut off, and now something follows it */
        run->put(run->user, MW_LIT("\r\n"));
    run->octets = octets;
}

/* The empty line at the end of the block as it came: LF alone in binary messages only. */
static struct mw_slice separator_of(struct mw_slice block)
{
    bool has_cr = block.len >= 2 && block.ptr[block.len - 2] == '\r';
    return mw_slice_skip(block, block.len - (has_cr ? 2 : 1));
}

struct mw_slice mw_headers_block(const struct mw_headers *headers)
{
    return mw_slice_take(mw_buf_view(&headers->block), headers->line_start);
}

void mw_headers_write(const struct mw_headers *headers,
                      void (*put)(void *user, struct mw_slice octets), void *user)
{
    mw_assert(headers->is_complete);
    struct mw_slice block = mw_headers_block(headers);
    struct run run = {.octets = MW_EMPTY, .put = put, .user = user};
    if (!headers->is_edited) {
        run_add(&run, block);
        run_flush(&run);
        return;
    }
    run_add(&run, mw_slice_take(block, headers->preamble_len));
    for (size_t i = 0; i < headers->count; i++)
        run_add(&run, headers->fields[i].raw);
    if (headers->has_separator)
        run_add(&run, separator_of(block));
    else if (headers->count > 0)
        run_add(&run, MW_LIT("\r\n"));
    run_flush(&run);
}
