/* mime_part.c - a header block becomes a part: what it is, how it is encoded, what it is called,
 * and how else it may be read. */
#include <string.h>

#include "message/header.h"
#include "message/mime_priv.h"

enum { FIELDS_OF_ONE_NAME = 4 }; /* of Content-Type and the like, that are looked at */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* ---- lines ---- */

static bool is_ftext(char c) /* RFC 5322 3.6.8 */
{
    return c > ' ' && c <= '~' && c != ':';
}

/* "From someone Mon Jan 5 ...", perhaps behind ">"s, as Postfix takes it (header.h). */
static bool is_from_line(struct mw_slice name, char behind)
{
    while (name.len > 0 && name.ptr[0] == '>')
        name = mw_slice_skip(name, 1);
    return behind == ' ' && mw_slice_eq(name, MW_LIT("From"));
}

static enum mw_mime_line folded_kind(struct mw_slice line)
{
    bool has_end = line.ptr[line.len - 1] == '\n';
    for (size_t i = 0; i < line.len; i++)
        if (!is_blank(line.ptr[i]) && line.ptr[i] != '\r' && line.ptr[i] != '\n')
            return MW_MIME_LINE_MORE;
    return has_end ? MW_MIME_LINE_BLANK : MW_MIME_LINE_MORE;
}

enum mw_mime_line mw_mime_line_kind(struct mw_slice line, bool has_field)
{
    if (mw_slice_eq(line, MW_LIT("\n")) || mw_slice_eq(line, MW_LIT("\r\n")))
        return MW_MIME_LINE_END;
    if (is_blank(line.ptr[0]))
        return has_field ? folded_kind(line) : MW_MIME_LINE_BODY;
    size_t at = 0;
    while (at < line.len && is_ftext(line.ptr[at]))
        at++;
    struct mw_slice name = mw_slice_take(line, at);
    while (at < line.len && is_blank(line.ptr[at]))
        at++;
    if (name.len == 0 || at == line.len)
        return MW_MIME_LINE_BODY;
    if (line.ptr[at] == ':')
        return MW_MIME_LINE_FIELD;
    return at > name.len && !has_field && is_from_line(name, line.ptr[name.len])
               ? MW_MIME_LINE_FROM
               : MW_MIME_LINE_BODY;
}

/* ---- fields ---- */

struct fields {
    struct mw_slice list[FIELDS_OF_ONE_NAME];
    size_t count; /* all of them, also those not in the list */
};

struct block {
    struct fields type, encoding, disposition, id;
};

static void keep_field(struct fields *fields, struct mw_slice value)
{
    if (fields->count < FIELDS_OF_ONE_NAME)
        fields->list[fields->count] = value;
    fields->count++;
}

static void sort_field(struct block *block, struct mw_slice field)
{
    struct mw_slice name, value;
    if (!mw_slice_split(field, ':', &name, &value))
        return;
    name = mw_slice_trim(name);
    if (!mw_slice_istarts(name, MW_LIT("Content-")))
        return;
    name = mw_slice_skip(name, 8);
    if (mw_slice_ieq(name, MW_LIT("Type")))
        keep_field(&block->type, value);
    else if (mw_slice_ieq(name, MW_LIT("Transfer-Encoding")))
        keep_field(&block->encoding, value);
    else if (mw_slice_ieq(name, MW_LIT("Disposition")))
        keep_field(&block->disposition, value);
    else if (mw_slice_ieq(name, MW_LIT("ID")))
        keep_field(&block->id, value);
}

/* Where the field in front ends: behind a line end that no blank follows. */
static size_t field_len(struct mw_slice block)
{
    for (size_t at = 0; at < block.len;) {
        const char *newline = memchr(block.ptr + at, '\n', block.len - at);
        if (newline == NULL)
            break;
        at = (size_t)(newline - block.ptr) + 1;
        if (at < block.len && !is_blank(block.ptr[at]))
            return at;
    }
    return block.len;
}

static void split_block(struct mw_slice header, struct block *block, uint64_t *defects)
{
    size_t count = 0;
    while (header.len > 0) {
        if (count++ == MW_MIME_FIELDS_MAX) {
            *defects |= MW_DEFECT_BIT(MW_DEFECT_HEADER_TOO_LONG);
            return;
        }
        size_t len = field_len(header);
        sort_field(block, mw_slice_take(header, len));
        header = mw_slice_skip(header, len);
    }
}

/* NULs, and CRs that no LF follows. */
static bool has_nul(struct mw_slice header)
{
    if (memchr(header.ptr, '\0', header.len) != NULL)
        return true;
    for (size_t at = 0; at < header.len;) {
        const char *cr = memchr(header.ptr + at, '\r', header.len - at);
        if (cr == NULL)
            return false;
        at = (size_t)(cr - header.ptr) + 1;
        if (at == header.len || header.ptr[at] != '\n')
            return true;
    }
    return false;
}

/* ---- type ---- */

static bool is_token(struct mw_slice text) /* RFC 2045 5.1 */
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] == 0x7f ||
            memchr("()<>@,;:\\\"/[]?=", text.ptr[i], 15) != NULL)
            return false;
    return text.len > 0;
}

static bool is_type(struct mw_slice text)
{
    struct mw_slice main_type, subtype;
    return mw_slice_split(text, '/', &main_type, &subtype) && is_token(main_type) &&
           is_token(subtype);
}

/* Decoded, if there are encoded words in it. */
static bool decode_words(struct mw_arena *arena, struct mw_slice text, struct mw_slice *out)
{
    bool has_begin = false;
    for (size_t i = 0; i + 1 < text.len && !has_begin; i++)
        has_begin = text.ptr[i] == '=' && text.ptr[i + 1] == '?';
    if (!has_begin)
        return false;
    struct mw_buf decoded = {0};
    mw_header_decode(text, text.len * 3, &decoded);
    bool is_other = !mw_slice_eq(mw_buf_view(&decoded), text);
    if (is_other)
        *out = mw_arena_dup(arena, mw_buf_view(&decoded));
    mw_buf_fini(&decoded);
    return is_other;
}

static enum mw_mime_kind kind_of(struct mw_slice type)
{
    if (mw_slice_starts(type, MW_LIT("multipart/")))
        return MW_MIME_MULTIPART;
    return mw_slice_eq(type, MW_LIT("message/rfc822")) ||
                   mw_slice_eq(type, MW_LIT("message/global")) ||
                   mw_slice_eq(type, MW_LIT("message/news"))
               ? MW_MIME_MESSAGE
               : MW_MIME_LEAF;
}

/* ---- boundaries ---- */

static void add_boundary(struct mw_arena *arena, struct mw_mime_reading *reading,
                         struct mw_slice text, uint64_t *defects)
{
    size_t len = text.len;
    while (len > 0 && is_blank(text.ptr[len - 1]))
        len--;
    if (len == 0 || len != text.len || len > MW_MIME_BOUNDARY_MAX)
        *defects |= MW_DEFECT_BIT(MW_DEFECT_BOUNDARY_BAD);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || (unsigned char)text.ptr[i] >= 0x7f ||
            memchr("\\\";", text.ptr[i], 3) != NULL)
            *defects |= MW_DEFECT_BIT(MW_DEFECT_BOUNDARY_BAD);
    text.len = len > MW_MIME_BOUNDARY_MAX ? MW_MIME_BOUNDARY_MAX : len;
    for (size_t i = 0; i < reading->boundary_count; i++)
        if (mw_slice_eq(reading->boundaries[i], text))
            return;
    if (reading->boundary_count < MW_MIME_BOUNDARIES)
        reading->boundaries[reading->boundary_count++] = mw_arena_dup(arena, text);
}

/* All boundaries that any form gives: programs differ in which one they take, so each of them
 * separates parts. */
static void add_boundaries(struct mw_arena *arena, struct mw_arena *scratch,
                           struct mw_mime_reading *reading, struct mw_mime_value *value,
                           uint64_t *defects)
{
    struct mw_mime_form forms[MW_MIME_FORMS_MAX];
    size_t count = mw_mime_forms(scratch, value, MW_LIT("boundary"), forms, MW_MIME_FORMS_MAX);
    for (size_t i = 0; i < count; i++) {
        add_boundary(arena, reading, forms[i].text, defects);
        struct mw_slice decoded;
        if (!forms[i].is_2231 && decode_words(scratch, forms[i].text, &decoded))
            add_boundary(arena, reading, decoded, defects);
    }
    reading->guesses_boundary = reading->boundary_count == 0;
}

/* ---- one Content-Type ---- */

/* What is read, and where it is kept. */
struct reader {
    struct mw_arena *arena, *scratch;
    struct mw_slice default_type;
    uint64_t defects;
};

/* Encoded words in a type are forbidden (RFC 2047 5), and decoded by some. */
static void decode_value(struct reader *reader, struct mw_mime_value *value)
{
    struct mw_slice decoded;
    for (size_t i = 0; i < value->count; i++)
        if (!mw_slice_eq(value->params[i].name, MW_LIT("name")) &&
            !mw_slice_eq(value->params[i].name, MW_LIT("filename")) &&
            decode_words(reader->scratch, value->params[i].value, &decoded))
            reader->defects |= MW_DEFECT_BIT(MW_DEFECT_TYPE_ENCODED_WORD);
    if (!decode_words(reader->scratch, value->head, &decoded))
        return;
    reader->defects |= MW_DEFECT_BIT(MW_DEFECT_TYPE_ENCODED_WORD);
    if (decode_words(reader->scratch, value->text, &decoded))
        mw_mime_value_parse(reader->scratch, decoded, value);
}

static bool has_param(const struct mw_mime_value *value, struct mw_slice name)
{
    for (size_t i = 0; i < value->count; i++)
        if (mw_slice_eq(value->params[i].name, name))
            return true;
    return false;
}

/* RFC 2046 2, RFC 2045 5.1 (x-), RFC 2077, RFC 8081. */
static bool is_main_type(struct mw_slice type)
{
    static const char *const known[] = {"text/",  "multipart/", "application/", "message/",
                                        "image/", "audio/",     "video/",       "font/",
                                        "model/", "chemical/",  "example/"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (mw_slice_starts(type, mw_slice_cstr(known[i])))
            return true;
    return false;
}

/* A type that cannot be read is the default one (RFC 2045 5.2); with a boundary, it is more likely
 * that a program takes it for a multipart ("x-multipart/mixed", "multi\part/mixed"). */
static struct mw_slice type_of(struct reader *reader, const struct mw_mime_value *value)
{
    bool is_known = is_type(value->head) && is_main_type(value->head);
    bool has_boundary = !is_known && has_param(value, MW_LIT("boundary"));
    if (is_known || kind_of(value->head) == MW_MIME_MULTIPART ||
        (is_type(value->head) && !has_boundary))
        return mw_arena_dup(reader->arena, value->head);
    reader->defects |= MW_DEFECT_BIT(MW_DEFECT_TYPE_BAD);
    return has_boundary ? MW_LIT("multipart/mixed") : reader->default_type;
}

/* A fragment but the first one has no header of the message in it (RFC 2046 5.2.2). */
static bool is_first_fragment(struct reader *reader, struct mw_mime_value *value)
{
    struct mw_mime_form form;
    size_t count = mw_mime_forms(reader->scratch, value, MW_LIT("number"), &form, 1);
    return count == 0 || mw_slice_eq(form.text, MW_LIT("1"));
}

static void read_type(struct reader *reader, struct mw_mime_value *value,
                      struct mw_mime_reading *out)
{
    *out = (struct mw_mime_reading){.type = type_of(reader, value)};
    out->kind = kind_of(out->type);
    if (out->kind == MW_MIME_MULTIPART)
        add_boundaries(reader->arena, reader->scratch, out, value, &reader->defects);
    if (out->guesses_boundary)
        reader->defects |= MW_DEFECT_BIT(MW_DEFECT_BOUNDARY_MISSING);
    if (mw_slice_eq(out->type, MW_LIT("message/partial"))) {
        reader->defects |= MW_DEFECT_BIT(MW_DEFECT_PARTIAL);
        out->kind = is_first_fragment(reader, value) ? MW_MIME_MESSAGE : MW_MIME_LEAF;
    }
    if (mw_slice_eq(out->type, MW_LIT("message/external-body")))
        reader->defects |= MW_DEFECT_BIT(MW_DEFECT_EXTERNAL);
}

/* ---- all fields ---- */

static void find_twice(const struct mw_mime_value *value, uint64_t *defects)
{
    *defects |= value->defects;
    for (size_t i = 0; i < value->count; i++)
        for (size_t k = i + 1; k < value->count; k++) {
            const struct mw_mime_param *a = &value->params[i], *b = &value->params[k];
            if (!mw_slice_eq(a->name, b->name) || mw_slice_eq(a->value, b->value))
                continue;
            bool is_name = mw_slice_eq(a->name, MW_LIT("name")) ||
                           mw_slice_eq(a->name, MW_LIT("filename"));
            bool is_plain = a->section < 0 && b->section < 0;
            if (is_plain && a->is_extended == b->is_extended)
                *defects |= MW_DEFECT_BIT(MW_DEFECT_PARAMETER_TWICE);
            else if ((a->section < 0) != (b->section < 0) || is_plain)
                *defects |= is_name ? 0 : MW_DEFECT_BIT(MW_DEFECT_PARAMETER_2231);
        }
}

static enum mw_mime_encoding encoding_of(struct mw_slice token, bool *out_is_known)
{
    /* clang-format off */
    static const struct { struct mw_slice name; enum mw_mime_encoding encoding; } known[] = {
        {MW_LIT("7bit"), MW_MIME_IDENTITY}, {MW_LIT("8bit"), MW_MIME_IDENTITY},
        {MW_LIT("binary"), MW_MIME_IDENTITY}, {MW_LIT("7-bit"), MW_MIME_IDENTITY},
        {MW_LIT("8-bit"), MW_MIME_IDENTITY}, {MW_LIT("base64"), MW_MIME_BASE64},
        {MW_LIT("quoted-printable"), MW_MIME_QP}, {MW_LIT("uuencode"), MW_MIME_UUENCODE},
        {MW_LIT("x-uuencode"), MW_MIME_UUENCODE}, {MW_LIT("x-uue"), MW_MIME_UUENCODE},
        {MW_LIT("uue"), MW_MIME_UUENCODE},
    };
    /* clang-format on */
    *out_is_known = true;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (mw_slice_eq(token, known[i].name))
            return known[i].encoding;
    *out_is_known = token.len == 0;
    return MW_MIME_IDENTITY;
}

/* What the fields say about the encoding: in one way, or in two. */
struct encodings {
    enum mw_mime_encoding first, second;
    bool has_second, sniffs;
};

static void read_encodings(struct reader *reader, const struct fields *fields,
                           struct mw_mime_part *part, struct mw_mime_entity *out,
                           struct encodings *encodings)
{
    *encodings = (struct encodings){0};
    size_t count = fields->count < FIELDS_OF_ONE_NAME ? fields->count : FIELDS_OF_ONE_NAME;
    for (size_t i = 0; i < count; i++) {
        struct mw_slice token = mw_mime_token(reader->scratch, fields->list[i]);
        bool is_known;
        enum mw_mime_encoding encoding = encoding_of(token, &is_known);
        out->is_binary |= mw_slice_eq(token, MW_LIT("binary"));
        if (!is_known)
            reader->defects |= MW_DEFECT_BIT(MW_DEFECT_ENCODING_UNKNOWN);
        encodings->sniffs |= !is_known;
        if (i == 0) {
            encodings->first = encoding;
            part->encoding = mw_arena_dup(reader->arena, token);
        } else if (!mw_slice_eq(token, part->encoding)) {
            reader->defects |= MW_DEFECT_BIT(MW_DEFECT_ENCODING_TWICE);
            if (encoding != encodings->first && !encodings->has_second) {
                encodings->second = encoding;
                encodings->has_second = true;
            }
        }
    }
}

/* All Content-Type fields to one reading, and perhaps another. Containers go first; two multiparts
 * become one with the boundaries of both. */
static void read_types(struct reader *reader, struct mw_mime_value *values, size_t count,
                       struct mw_mime_entity *out)
{
    read_type(reader, &values[0], &out->first);
    for (size_t i = 1; i < count; i++) {
        struct mw_mime_reading other;
        if (mw_slice_ieq(values[i].text, values[0].text))
            continue;
        read_type(reader, &values[i], &other);
        if (out->first.kind == MW_MIME_MULTIPART && other.kind == MW_MIME_MULTIPART) {
            for (size_t k = 0; k < other.boundary_count; k++)
                add_boundary(reader->arena, &out->first, other.boundaries[k], &reader->defects);
            out->first.guesses_boundary = out->first.boundary_count == 0;
        } else if (out->first.kind == MW_MIME_LEAF && other.kind != MW_MIME_LEAF) {
            out->second = out->first;
            out->first = other;
            out->has_second = true;
        } else if (!out->has_second && !mw_slice_eq(other.type, out->first.type)) {
            out->second = other;
            out->has_second = true;
        }
    }
}

/* The encoding of a container is none, says RFC 2045 6.4; the other way is to believe the field. */
static void apply_to_container(struct reader *reader, const struct encodings *encodings,
                               struct mw_mime_entity *out)
{
    enum mw_mime_encoding claimed = encodings->first != MW_MIME_IDENTITY ? encodings->first
                                                                         : encodings->second;
    if (claimed == MW_MIME_BASE64 || claimed == MW_MIME_QP) {
        if (!mw_slice_eq(out->first.type, MW_LIT("message/global"))) /* RFC 6532 3.5 */
            reader->defects |= MW_DEFECT_BIT(MW_DEFECT_ENCODING_NOT_ALLOWED);
        if (!out->has_second) { /* "multipart/" is no type: a leaf to some programs */
            bool is_leaf = !is_type(out->first.type);
            out->second = is_leaf
                              ? (struct mw_mime_reading){.type = MW_LIT("application/octet-stream")}
                              : out->first;
            out->has_second = true;
        }
        out->second.encoding = claimed;
    } else if (out->first.guesses_boundary && !out->has_second) {
        out->second = (struct mw_mime_reading){.type = MW_LIT("text/plain")};
        out->has_second = true;
    }
}

static void apply_to_leaf(const struct encodings *encodings, struct mw_mime_entity *out)
{
    out->first.encoding = encodings->first;
    bool is_uu = encodings->first == MW_MIME_UUENCODE;
    if (!out->has_second && (encodings->has_second || is_uu)) {
        out->second = out->first;
        out->has_second = true;
    }
    out->second.encoding = encodings->has_second ? encodings->second
                           : is_uu               ? MW_MIME_IDENTITY
                                                 : encodings->first;
    out->first.sniffs = encodings->sniffs && !out->has_second &&
                        encodings->first == MW_MIME_IDENTITY;
}

static void read_names(struct reader *reader, struct mw_mime_value *types, size_t type_count,
                       struct mw_mime_value *dispositions, size_t disposition_count,
                       struct mw_mime_part *part)
{
    struct mw_mime_names names = {.arena = reader->scratch};
    for (size_t i = 0; i < disposition_count; i++)
        mw_mime_names_take(&names, &dispositions[i], true);
    for (size_t i = 0; i < type_count; i++)
        mw_mime_names_take(&names, &types[i], false);
    struct mw_slice *list = mw_arena_array(reader->arena, struct mw_slice, names.count);
    for (size_t i = 0; i < names.count; i++)
        list[i] = mw_arena_dup(reader->arena, names.list[i]);
    part->names = list;
    part->name_count = names.count;
    reader->defects |= names.defects;
}

static size_t parse_values(struct reader *reader, const struct fields *fields,
                           struct mw_mime_value *values)
{
    size_t count = fields->count < FIELDS_OF_ONE_NAME ? fields->count : FIELDS_OF_ONE_NAME;
    for (size_t i = 0; i < count; i++)
        mw_mime_value_parse(reader->scratch, fields->list[i], &values[i]);
    return count;
}

static struct mw_slice charset_of(struct reader *reader, struct mw_mime_value *values, size_t count)
{
    struct mw_mime_form form;
    for (size_t i = 0; i < count; i++)
        if (mw_mime_forms(reader->scratch, &values[i], MW_LIT("charset"), &form, 1) > 0)
            return mw_mime_lower(reader->arena, mw_slice_trim(form.text));
    return MW_EMPTY;
}

static struct mw_slice id_of(struct reader *reader, const struct fields *fields)
{
    if (fields->count == 0)
        return MW_EMPTY;
    struct mw_slice id = mw_mime_text(reader->scratch, fields->list[0]), head;
    if (id.len > 0 && id.ptr[0] == '<')
        id = mw_slice_skip(id, 1);
    if (mw_slice_split(id, '>', &head, &id))
        id = head;
    return mw_arena_dup(reader->arena, id);
}

static void read_block(struct reader *reader, const struct block *block, struct mw_mime_part *part,
                       struct mw_mime_entity *out)
{
    struct mw_mime_value types[FIELDS_OF_ONE_NAME], dispositions[FIELDS_OF_ONE_NAME];
    size_t type_count = parse_values(reader, &block->type, types);
    size_t disposition_count = parse_values(reader, &block->disposition, dispositions);
    if (type_count > 0) {
        part->type_declared = mw_arena_dup(reader->arena, types[0].head);
        for (size_t i = 0; i < type_count; i++)
            decode_value(reader, &types[i]);
        read_types(reader, types, type_count, out);
    }
    struct encodings encodings;
    read_encodings(reader, &block->encoding, part, out, &encodings);
    if (out->first.kind == MW_MIME_LEAF)
        apply_to_leaf(&encodings, out);
    else
        apply_to_container(reader, &encodings, out);
    part->charset = charset_of(reader, types, type_count);
    if (disposition_count > 0)
        part->disposition = mw_arena_dup(reader->arena, dispositions[0].head);
    part->content_id = id_of(reader, &block->id);
    read_names(reader, types, type_count, dispositions, disposition_count, part);
    for (size_t i = 0; i < type_count; i++)
        find_twice(&types[i], &reader->defects);
    for (size_t i = 0; i < disposition_count; i++)
        find_twice(&dispositions[i], &reader->defects);
}

void mw_mime_entity_read(struct mw_arena *arena, struct mw_mime_part *part, bool in_digest,
                         struct mw_mime_entity *out)
{
    struct mw_arena scratch = {0};
    struct reader reader = {.arena = arena, .scratch = &scratch};
    reader.default_type = in_digest ? MW_LIT("message/rfc822") : MW_LIT("text/plain");
    struct block block = {0};
    *out = (struct mw_mime_entity){0};
    out->first.type = reader.default_type;
    out->first.kind = kind_of(reader.default_type);
    part->type_declared = part->charset = part->disposition = part->encoding = part->content_id =
        MW_EMPTY;
    split_block(part->header, &block, &reader.defects);
    if (has_nul(part->header))
        reader.defects |= MW_DEFECT_BIT(MW_DEFECT_HEADER_NUL);
    if (block.type.count > 1)
        reader.defects |= MW_DEFECT_BIT(MW_DEFECT_TYPE_TWICE);
    if (block.disposition.count > 1)
        reader.defects |= MW_DEFECT_BIT(MW_DEFECT_DISPOSITION_TWICE);
    read_block(&reader, &block, part, out);
    out->defects = reader.defects;
    mw_arena_fini(&scratch);
}
