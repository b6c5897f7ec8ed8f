/* xclient.c - one table (xclient.def), one reader and one writer a kind of value.
 *
 * Reading follows smtpd.c of Postfix 3.7 in what is accepted and in which order it complains;
 * where that one masks control characters, this one refuses. Writing assumes that reader. */
#include "smtp/xclient.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "smtp/command.h"

enum { PROBLEM_MAX = 100, PROBLEM_NAME_MAX = 60, NAME_MAX = 255, PORT_DIGITS = 5 };
enum { OF_XCLIENT = 1, OF_XFORWARD = 2, OF_BOTH = 3 };
enum { ADDRESS_TEXT_MAX = MW_INET_TEXT_MAX + 8 };

enum kind { KIND_ADDRESS, KIND_PORT, KIND_NAME, KIND_PROTO, KIND_SOURCE, KIND_TEXT };

static const struct attribute {
    struct mw_slice name;
    uint32_t bit;
    enum kind kind;
    unsigned verbs;
    size_t state_at, value_at; /* in struct mw_xclient */
    struct mw_slice problem;
} attributes[] = {
#define LITERAL(text)         \
    {                         \
        text, sizeof text - 1 \
    }
#define MW_XATTR(name, kind, state, value, verbs) \
    {LITERAL(#name),                              \
     MW_XCLIENT_##name,                           \
     KIND_##kind,                                 \
     verbs,                                       \
     offsetof(struct mw_xclient, state),          \
     offsetof(struct mw_xclient, value),          \
     LITERAL("Bad " #name " syntax")},
#include "smtp/xclient.def"
#undef MW_XATTR
#undef LITERAL
};
enum { ATTRIBUTE_COUNT = sizeof attributes / sizeof *attributes };

static const struct mw_slice unavailable = {"[UNAVAILABLE]", 13};
static const struct mw_slice temporary = {"[TEMPUNAVAIL]", 13};

/* ---- Members of struct mw_xclient by their attribute; SOURCE has none of these ---- */

static enum mw_xvalue state_of(const struct mw_xclient *values, const struct attribute *attribute)
{
    enum mw_xvalue state;
    memcpy(&state, (const char *)values + attribute->state_at, sizeof state);
    return state;
}

static void set_state(struct mw_xclient *values, const struct attribute *attribute,
                      enum mw_xvalue state)
{
    memcpy((char *)values + attribute->state_at, &state, sizeof state);
}

static void set_value(struct mw_xclient *values, const struct attribute *attribute,
                      const void *value, size_t size)
{
    memcpy((char *)values + attribute->value_at, value, size);
    set_state(values, attribute, MW_X_GIVEN);
}

/* One of the words in brackets: what an earlier attribute of the same name gave is gone. */
static void set_word(struct mw_xclient *values, const struct attribute *attribute,
                     enum mw_xvalue state)
{
    static const struct mw_inet no_address;
    static const uint16_t no_port;
    const struct mw_slice no_text = MW_EMPTY;
    if (attribute->kind == KIND_ADDRESS)
        set_value(values, attribute, &no_address, sizeof no_address);
    else if (attribute->kind == KIND_PORT)
        set_value(values, attribute, &no_port, sizeof no_port);
    else
        set_value(values, attribute, &no_text, sizeof no_text);
    set_state(values, attribute, state);
}

static void get_value(const struct mw_xclient *values, const struct attribute *attribute,
                      void *out_value, size_t size)
{
    memcpy(out_value, (const char *)values + attribute->value_at, size);
}

/* ---- What a value may be ---- */

static bool is_plain(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return false;
    return true;
}

/* What Postfix's valid_hostname() takes: labels of letters, digits, "-" and "_", no final dot, and
 * not digits and dots alone. RFC 1123 2.1, and what DNS carries in practice. */
static bool is_host_name(struct mw_slice name)
{
    struct mw_slice label, rest = name;
    if (name.len == 0 || name.len > NAME_MAX)
        return false;
    while (mw_slice_split(rest, '.', &label, &rest))
        if (!mw_is_host_label(label))
            return false;
    if (!mw_is_host_label(rest))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!mw_is_digit(name.ptr[i]) && name.ptr[i] != '.')
            return true;
    return false;
}

/* The two words that XCLIENT knows; empty for any other. */
static struct mw_slice xclient_proto(struct mw_slice text)
{
    if (mw_slice_ieq(text, MW_LIT("SMTP")))
        return MW_LIT("SMTP");
    return mw_slice_ieq(text, MW_LIT("ESMTP")) ? MW_LIT("ESMTP") : MW_EMPTY;
}

/* ---- Reading ---- */

struct reader {
    struct mw_buf *storage; /* has room for everything that is put there */
    bool is_forward;
    struct mw_xclient values;
    struct mw_slice problem;
};

static enum mw_err refuse(struct reader *reader, struct mw_slice problem)
{
    reader->problem = problem;
    return MW_ERR_SYNTAX;
}

/* The octet of "+XX" at the front, or -1. */
static int coded_octet(struct mw_slice text)
{
    int high = text.len < 3 ? -1 : mw_hex_value(text.ptr[1]);
    int low = text.len < 3 ? -1 : mw_hex_value(text.ptr[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Into `to`, which has room for raw.len octets; false if there is a "+" that codes nothing. */
static bool decode_into(struct mw_slice raw, char *to, size_t *out_len)
{
    size_t len = 0;
    while (raw.len > 0) {
        int octet = raw.ptr[0] == '+' ? coded_octet(raw) : (unsigned char)raw.ptr[0];
        if (octet < 0)
            return false;
        to[len++] = (char)octet;
        raw = mw_slice_skip(raw, raw.ptr[0] == '+' ? 3 : 1);
    }
    *out_len = len;
    return true;
}

static struct mw_slice decode(struct reader *reader, struct mw_slice raw)
{
    char *to = mw_buf_reserve(reader->storage, raw.len);
    size_t len = raw.len;
    if (!decode_into(raw, to, &len)) /* an old Postfix, or nginx, that does not encode */
        memcpy(to, raw.ptr, raw.len);
    reader->storage->len += len;
    return MW_SLICE(to, len);
}

/* "192.0.2.7" or "IPV6:2001:db8::7": the prefix says which of the two it is. */
static bool read_address(struct mw_slice text, struct mw_inet *out_address)
{
    const struct mw_slice prefix = MW_LIT("IPV6:");
    bool is_v6 = mw_slice_istarts(text, prefix);
    struct mw_slice address = mw_slice_skip(text, is_v6 ? prefix.len : 0);
    return (mw_slice_find(address, ':') >= 0) == is_v6 &&
           mw_inet_parse(address, out_address) == MW_OK;
}

static enum mw_err take_address(struct reader *reader, const struct attribute *attribute,
                                struct mw_slice text)
{
    struct mw_inet address;
    if (!read_address(text, &address))
        return refuse(reader, attribute->problem);
    if (!mw_inet_is_known(&address))
        set_word(&reader->values, attribute, MW_X_UNAVAILABLE);
    else
        set_value(&reader->values, attribute, &address, sizeof address);
    return MW_OK;
}

static enum mw_err take_port(struct reader *reader, const struct attribute *attribute,
                             struct mw_slice text)
{
    uint64_t number;
    if (text.len > PORT_DIGITS || mw_slice_to_u64(text, UINT16_MAX, &number) != MW_OK)
        return refuse(reader, attribute->problem);
    uint16_t port = (uint16_t)number;
    set_value(&reader->values, attribute, &port, sizeof port);
    return MW_OK;
}

static enum mw_err take_source(struct reader *reader, const struct attribute *attribute,
                               struct mw_slice text)
{
    struct mw_xclient *values = &reader->values;
    if (mw_slice_ieq(text, MW_LIT("LOCAL")))
        values->source = MW_X_SOURCE_LOCAL;
    else if (mw_slice_ieq(text, MW_LIT("REMOTE")))
        values->source = MW_X_SOURCE_REMOTE;
    else if (mw_slice_ieq(text, unavailable) || mw_slice_ieq(text, temporary))
        values->source = MW_X_SOURCE_UNKNOWN;
    else
        return refuse(reader, attribute->problem);
    values->has_source = true;
    return MW_OK;
}

/* NAME, PROTO and TEXT, which is free of control characters. */
static enum mw_err take_text(struct reader *reader, const struct attribute *attribute,
                             struct mw_slice text)
{
    bool is_good = true;
    if (attribute->kind == KIND_NAME) {
        is_good = is_host_name(text);
    } else if (attribute->kind == KIND_PROTO && reader->is_forward) {
        is_good = text.len <= MW_XCLIENT_PROTO_MAX;
    } else if (attribute->kind == KIND_PROTO) {
        text = xclient_proto(text);
        is_good = text.len > 0;
    }
    if (!is_good)
        return refuse(reader, attribute->problem);
    set_value(&reader->values, attribute, &text, sizeof text);
    return MW_OK;
}

static enum mw_err take_value(struct reader *reader, const struct attribute *attribute,
                              struct mw_slice text)
{
    bool is_word = attribute->kind != KIND_PROTO || reader->is_forward;
    if (!is_plain(text))
        return refuse(reader, attribute->problem);
    if (attribute->kind == KIND_SOURCE)
        return take_source(reader, attribute, text);
    if (is_word && (mw_slice_ieq(text, unavailable) || mw_slice_ieq(text, temporary))) {
        set_word(&reader->values, attribute,
                 mw_slice_ieq(text, unavailable) ? MW_X_UNAVAILABLE : MW_X_TEMPUNAVAIL);
        return MW_OK;
    }
    if (attribute->kind == KIND_ADDRESS)
        return take_address(reader, attribute, text);
    if (attribute->kind == KIND_PORT)
        return take_port(reader, attribute, text);
    return take_text(reader, attribute, text);
}

static bool belongs_to(const struct attribute *attribute, bool is_forward)
{
    return (attribute->verbs & (is_forward ? OF_XFORWARD : OF_XCLIENT)) != 0;
}

static const struct attribute *find_attribute(struct mw_slice name, bool is_forward)
{
    for (size_t i = 0; i < ATTRIBUTE_COUNT; i++)
        if (belongs_to(&attributes[i], is_forward) && mw_slice_ieq(name, attributes[i].name))
            return &attributes[i];
    return NULL;
}

/* "Bad XCLIENT attribute name: FOO"; what the peer wrote is made printable and short. */
static enum mw_err refuse_name(struct reader *reader, struct mw_slice name)
{
    struct mw_buf *storage = reader->storage;
    size_t at = storage->len;
    name = mw_slice_take(name, PROBLEM_NAME_MAX);
    mw_buf_putf(storage, "Bad %s attribute name: ", reader->is_forward ? "XFORWARD" : "XCLIENT");
    for (size_t i = 0; i < name.len; i++)
        mw_buf_putc(storage, name.ptr[i] > 0x20 && name.ptr[i] < 0x7f ? name.ptr[i] : '?');
    return refuse(reader, MW_SLICE(storage->ptr + at, storage->len - at));
}

static enum mw_err take_attribute(struct reader *reader, struct mw_slice word)
{
    struct mw_slice name, raw;
    if (!mw_slice_split(word, '=', &name, &raw) || raw.len == 0)
        return refuse(reader, MW_LIT("Error: attribute=value expected"));
    if (raw.len > MW_XCLIENT_VALUE_MAX)
        return refuse(reader, MW_LIT("Error: attribute value too long"));
    const struct attribute *attribute = find_attribute(name, reader->is_forward);
    if (attribute == NULL)
        return refuse_name(reader, name);
    return take_value(reader, attribute, decode(reader, raw));
}

/* Cut the next word off the front; SP and HTAB separate. */
static struct mw_slice next_word(struct mw_slice *text)
{
    size_t len = 0;
    *text = mw_slice_trim(*text);
    while (len < text->len && text->ptr[len] != ' ' && text->ptr[len] != '\t')
        len++;
    struct mw_slice word = mw_slice_take(*text, len);
    *text = mw_slice_skip(*text, len);
    return word;
}

enum mw_err mw_xclient_parse(struct mw_slice arg, bool is_forward, struct mw_buf *storage,
                             struct mw_xclient *out_values, struct mw_slice *out_problem)
{
    struct reader reader = {.storage = storage, .is_forward = is_forward};
    size_t before = storage->len, need = arg.len + PROBLEM_MAX;
    if (storage->max != 0 && (before > storage->max || need > storage->max - before)) {
        *out_problem = MW_LIT("Error: command too long");
        return MW_ERR_LIMIT;
    }
    mw_buf_reserve(storage, need);
    struct mw_slice word = next_word(&arg);
    enum mw_err err = MW_OK;
    if (word.len == 0)
        err = refuse(&reader, is_forward ? MW_LIT("Syntax: XFORWARD attribute=value...")
                                         : MW_LIT("Syntax: XCLIENT attribute=value..."));
    for (; word.len > 0 && err == MW_OK; word = next_word(&arg))
        err = take_attribute(&reader, word);
    if (err == MW_OK)
        *out_values = reader.values;
    else
        *out_problem = reader.problem;
    return err;
}

/* ---- Writing ---- */

static struct mw_slice address_text(const struct mw_inet *address, char room[ADDRESS_TEXT_MAX])
{
    char text[MW_INET_TEXT_MAX];
    mw_inet_print(address, text);
    int len = snprintf(room, ADDRESS_TEXT_MAX, "%s%s", mw_inet_is_v4(address) ? "" : "IPV6:", text);
    return MW_SLICE(room, (size_t)len);
}

/* GIVEN addresses and ports. */
static struct mw_slice number_text(const struct mw_xclient *values,
                                   const struct attribute *attribute, char room[ADDRESS_TEXT_MAX])
{
    struct mw_inet address;
    uint16_t port;
    if (attribute->kind == KIND_ADDRESS) {
        get_value(values, attribute, &address, sizeof address);
        return !mw_inet_is_known(&address) ? unavailable : address_text(&address, room);
    }
    get_value(values, attribute, &port, sizeof port);
    return MW_SLICE(room, (size_t)snprintf(room, ADDRESS_TEXT_MAX, "%u", (unsigned)port));
}

static struct mw_slice source_text(const struct mw_xclient *values)
{
    if (!values->has_source || values->source == MW_X_SOURCE_UNKNOWN)
        return MW_EMPTY; /* Postfix would take [UNAVAILABLE] for LOCAL, and rewrite headers */
    return values->source == MW_X_SOURCE_LOCAL ? MW_LIT("LOCAL") : MW_LIT("REMOTE");
}

/* GIVEN names, protocols and texts. */
static struct mw_slice given_text(const struct mw_xclient *values,
                                  const struct attribute *attribute, bool is_forward)
{
    struct mw_slice text;
    get_value(values, attribute, &text, sizeof text);
    if (attribute->kind == KIND_PROTO && !is_forward)
        return xclient_proto(text);
    if (attribute->kind == KIND_PROTO && text.len > MW_XCLIENT_PROTO_MAX)
        return MW_EMPTY;
    bool is_good = attribute->kind == KIND_NAME ? is_host_name(text)
                                                : text.len > 0 && is_plain(text);
    return is_good ? text : unavailable;
}

/* What stands behind the "="; empty: the attribute is left out. */
static struct mw_slice value_text(const struct mw_xclient *values,
                                  const struct attribute *attribute, bool is_forward,
                                  char room[ADDRESS_TEXT_MAX])
{
    if (attribute->kind == KIND_SOURCE)
        return source_text(values);
    enum mw_xvalue state = state_of(values, attribute);
    if (state == MW_X_ABSENT)
        return MW_EMPTY;
    if (state != MW_X_GIVEN && attribute->kind == KIND_PROTO && !is_forward)
        return MW_EMPTY;
    if (state == MW_X_TEMPUNAVAIL && attribute->kind == KIND_NAME && !is_forward)
        return temporary;
    if (state != MW_X_GIVEN)
        return unavailable;
    if (attribute->kind == KIND_ADDRESS || attribute->kind == KIND_PORT)
        return number_text(values, attribute, room);
    return given_text(values, attribute, is_forward);
}

static enum mw_err put_attribute(const struct attribute *attribute, struct mw_slice text,
                                 struct mw_buf *line)
{
    size_t before = line->len;
    mw_buf_putc(line, ' ');
    mw_buf_put(line, attribute->name);
    mw_buf_putc(line, '=');
    size_t value_at = line->len;
    mw_xtext_encode(mw_slice_take(text, MW_XCLIENT_VALUE_MAX + 1), line);
    if (line->len - value_at <= MW_XCLIENT_VALUE_MAX)
        return MW_OK;
    line->len = before;
    return attribute->bit == MW_XCLIENT_HELO ? MW_OK : MW_ERR_LIMIT;
}

static enum mw_err print_line(const struct mw_xclient *values, bool is_forward, uint32_t attrs,
                              struct mw_buf *line)
{
    char room[ADDRESS_TEXT_MAX];
    line->len = 0;
    mw_buf_put(line, is_forward ? MW_LIT("XFORWARD") : MW_LIT("XCLIENT"));
    size_t verb_len = line->len;
    for (size_t i = 0; i < ATTRIBUTE_COUNT; i++) {
        const struct attribute *attribute = &attributes[i];
        if ((attribute->bit & attrs) == 0 || !belongs_to(attribute, is_forward))
            continue;
        struct mw_slice text = value_text(values, attribute, is_forward, room);
        if (text.len > 0 && put_attribute(attribute, text, line) != MW_OK)
            return MW_ERR_LIMIT;
    }
    if (line->len == verb_len)
        return MW_ERR_SYNTAX;
    mw_buf_put(line, MW_LIT("\r\n"));
    return line->len <= MW_XCLIENT_LINE_MAX ? MW_OK : MW_ERR_LIMIT;
}

enum mw_err mw_xclient_print(const struct mw_xclient *values, bool is_forward, uint32_t attrs,
                             struct mw_buf *out)
{
    /* the EHLO that follows repeats HELO; REVERSE_NAME is the name that could not be verified */
    static const uint32_t drops[] = {0, MW_XCLIENT_HELO, MW_XCLIENT_HELO | MW_XCLIENT_REVERSE_NAME};
    struct mw_buf line = {0};
    enum mw_err err = MW_ERR_LIMIT;
    for (size_t i = 0; i < sizeof drops / sizeof *drops && err == MW_ERR_LIMIT; i++)
        err = print_line(values, is_forward, attrs & ~drops[i], &line);
    if (err == MW_OK)
        err = mw_buf_add(out, mw_buf_view(&line));
    mw_buf_fini(&line);
    return err;
}
