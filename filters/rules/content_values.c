/* content_values.c - fields of the message taken apart (mailweir/content.h). The view is the host's
 * and does not change: what rules edit does not show in it. */
#include "subject.h"
#include "values.h"

static const struct mw_content *content_of(struct subject *subject)
{
    static const struct mw_content nothing = {.size = sizeof nothing};
    const struct mw_content *content = subject->ops->content(subject);
    return content ? content : &nothing;
}

/* Behind the last dot, without what Windows drops at the end of a name. */
static struct mw_slice extension_of(struct mw_slice name)
{
    while (name.len > 0 && (name.ptr[name.len - 1] == '.' || name.ptr[name.len - 1] == ' '))
        name.len--;
    ptrdiff_t dot = text_rfind(name, '.');
    return dot < 0 ? EMPTY : text_skip(name, (size_t)dot + 1);
}

static void add_extension(struct subject *subject, struct source *source, struct mw_slice name,
                          uint32_t of)
{
    struct mw_slice ext = extension_of(name);
    if (ext.len == 0)
        return;
    char *lower = rules_room(subject->rules, ext.len);
    for (size_t i = 0; i < ext.len; i++)
        lower[i] = text_lower(ext.ptr[i]);
    rules_values_add(source, SLICE(lower, ext.len), 0, of);
}

/* ---- attachments ---- */

static void add_names(struct subject *subject, struct source *source,
                      const struct mw_content_part *part, uint32_t of)
{
    for (size_t i = 0; i < part->name_count; i++) {
        if (source->field->id == FIELD_ATTACHMENT_NAME)
            rules_values_add(source, part->names[i], 0, of);
        else
            add_extension(subject, source, part->names[i], of);
    }
}

static void add_attachment(struct subject *subject, struct source *source,
                           const struct mw_content_part *part, uint32_t of)
{
    enum field_id id = source->field->id;
    if (id == FIELD_ATTACHMENT_NAME || id == FIELD_ATTACHMENT_EXT) {
        add_names(subject, source, part, of);
        return;
    }
    uint64_t number = id == FIELD_ATTACHMENT_SIZE        ? part->octets
                      : id == FIELD_ATTACHMENT_ENCRYPTED ? part->is_encrypted
                                                         : part->depth;
    struct mw_slice text = id == FIELD_ATTACHMENT_TYPE       ? part->type
                           : id == FIELD_ATTACHMENT_DECLARED ? part->type_declared
                           : id == FIELD_ATTACHMENT_MAGIC    ? part->magic
                           : id == FIELD_ATTACHMENT_SHA256   ? part->sha256
                                                             : EMPTY;
    rules_values_add(source, text, rules_thousandths(number), of);
}

static void read_attachments(struct subject *subject, struct source *source)
{
    const struct mw_content *content = content_of(subject);
    uint32_t of = 0;
    for (size_t i = 0; i < content->part_count; i++)
        if (content->parts[i]->is_attachment)
            add_attachment(subject, source, content->parts[i], of++);
}

/* ---- members of archives ---- */

static void add_member(struct subject *subject, struct source *source,
                       const struct mw_content_member *member, uint32_t of)
{
    switch ((unsigned)source->field->id) {
    case FIELD_ARCHIVE_NAME:
        rules_values_add(source, member->name, 0, of);
        break;
    case FIELD_ARCHIVE_EXT:
        add_extension(subject, source, member->name, of);
        break;
    case FIELD_ARCHIVE_SIZE:
        if (member->octets != UINT64_MAX)
            rules_values_add(source, EMPTY, rules_thousandths(member->octets), of);
        break;
    case FIELD_ARCHIVE_ENCRYPTED:
        rules_values_add(source, EMPTY, rules_thousandths(member->is_encrypted), of);
        break;
    default:
        rules_values_add(source, EMPTY, rules_thousandths(member->depth), of);
        break;
    }
}

static void read_members(struct subject *subject, struct source *source)
{
    const struct mw_content *content = content_of(subject);
    uint32_t of = 0;
    for (size_t i = 0; i < content->part_count; i++)
        for (size_t j = 0; j < content->parts[i]->member_count; j++)
            add_member(subject, source, content->parts[i]->members[j], of++);
}

/* ---- links ---- */

static void read_urls(struct subject *subject, struct source *source)
{
    const struct mw_content *content = content_of(subject);
    enum field_id id = source->field->id;
    for (size_t i = 0; i < content->url_count; i++) {
        const struct mw_content_url *url = content->urls[i];
        rules_values_add(source,
                         id == FIELD_URL          ? url->url
                         : id == FIELD_URL_SCHEME ? url->scheme
                         : id == FIELD_URL_HOST   ? url->host
                                                  : url->text,
                         0, (uint32_t)i);
    }
}

/* ---- texts, header blocks of parts, defects ---- */

static void read_texts(struct subject *subject, struct source *source)
{
    const struct mw_content *content = content_of(subject);
    for (size_t i = 0; i < content->part_count; i++) {
        const struct mw_content_part *part = content->parts[i];
        bool is_html = text_is(part->type, "text/html");
        if (source->field->id == FIELD_BODY_TEXT && part->visible.len > 0)
            rules_values_add(source, part->visible, 0, 0);
        else if (source->field->id == FIELD_BODY_HTML && is_html && part->text.len > 0)
            rules_values_add(source, part->text, 0, 0);
    }
}

/* A field with the lines that it is folded over, without the last line end. RFC 5322 2.2.3. */
static struct mw_slice take_field(struct mw_slice *rest)
{
    size_t end = 0;
    do {
        ptrdiff_t line = text_find(text_skip(*rest, end), '\n');
        end = line < 0 ? rest->len : end + (size_t)line + 1;
    } while (end < rest->len && (rest->ptr[end] == ' ' || rest->ptr[end] == '\t'));
    struct mw_slice field = SLICE(rest->ptr, end);
    *rest = text_skip(*rest, end);
    while (field.len > 0 && (field.ptr[field.len - 1] == '\n' || field.ptr[field.len - 1] == '\r'))
        field.len--;
    return field;
}

static void read_part_lines(struct subject *subject, struct source *source)
{
    const struct mw_content *content = content_of(subject);
    bool is_nested = source->field->id == FIELD_NESTED_HEADER_LINES;
    for (size_t i = 1; i < content->part_count;
         i++) { /* the first part's header is the message's */
        struct mw_slice rest = content->parts[i]->header;
        if ((content->parts[i]->is_message != 0) != is_nested)
            continue;
        while (rest.len > 0) {
            struct mw_slice field = take_field(&rest);
            if (field.len > 0)
                rules_values_add(source, field, 0, 0);
        }
    }
}

static void read_defects(struct subject *subject, struct source *source)
{
    const struct mw_content *content = content_of(subject);
    for (size_t i = 0; i < content->defect_count; i++)
        rules_values_add(source, slice_of(content->defects[i]->name), 0, 0);
}

/* ---- by field ---- */

void rules_read_content(struct subject *subject, struct source *source)
{
    enum group group = rules_field_group(source->field);
    if (group == GROUP_ATTACHMENT)
        read_attachments(subject, source);
    else if (group == GROUP_ARCHIVE)
        read_members(subject, source);
    else if (group == GROUP_URL)
        read_urls(subject, source);
    else if (source->field->id == FIELD_MIME_DEFECTS)
        read_defects(subject, source);
    else if (source->field->id == FIELD_BODY_TEXT || source->field->id == FIELD_BODY_HTML)
        read_texts(subject, source);
    else
        read_part_lines(subject, source);
}

uint32_t rules_content_count(struct subject *subject, enum group group)
{
    const struct mw_content *content = content_of(subject);
    if (group == GROUP_URL)
        return (uint32_t)content->url_count;
    size_t count = 0;
    for (size_t i = 0; i < content->part_count; i++)
        count += group == GROUP_ATTACHMENT ? content->parts[i]->is_attachment
                                           : content->parts[i]->member_count;
    return (uint32_t)count;
}

uint64_t rules_content_number(struct subject *subject, enum field_id id)
{
    return id == FIELD_MIME_PARTS ? content_of(subject)->part_count
                                  : rules_content_count(subject, GROUP_ATTACHMENT);
}
