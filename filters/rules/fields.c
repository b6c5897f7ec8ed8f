/* fields.c - the tables of fields and of stages' names. */
#include <mailweir/content.h>

#include "model.h"

#define MANY FLAG_MANY
#define ARG FLAG_ARG
#define ARG_OK FLAG_ARG_OK
#define FACT FLAG_FACT
#define RCPT FLAG_RCPT
#define TALLY FLAG_TALLY
#define DIGITS FLAG_DIGITS
#define ITEM FLAG_ITEM
#define AGE FLAG_AGE
#define FILTER FLAG_FILTER
#define LIST FLAG_LIST
#define CLOSED FLAG_CLOSED

/* The flags' short names would collide with the stages' and fields' in the macro, so the stage is
 * pasted unexpanded. */
#define FIELD(id_, name_, stage_, type_, flags_) \
    {.id = FIELD_##id_,                          \
     .name = name_,                              \
     .stage = MW_STAGE_##stage_,                 \
     .type = TYPE_##type_,                       \
     .flags = flags_},
static const struct field fields[FIELD_COUNT] = {
#include "fields.def"
};
#undef FIELD

#define FIELD(id_, name_, stage_, type_, flags_) name_,
static const char *const field_names[] = {
#include "fields.def"
    NULL};
#undef FIELD

const struct field *rules_field(enum field_id id)
{
    return &fields[id];
}

const struct field *rules_field_find(struct mw_slice name)
{
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (text_is(name, fields[i].name))
            return &fields[i];
    return NULL;
}

const char *const *rules_field_names(void)
{
    return field_names;
}

/* ---- groups ---- */

static const char *const group_names[GROUP_COUNT] = {
    [GROUP_NONE] = "",           [GROUP_ATTACHMENT] = "attachment",
    [GROUP_ARCHIVE] = "archive", [GROUP_URL] = "url",
    [GROUP_FROM] = "from",       [GROUP_TO] = "to",
    [GROUP_CC] = "cc",           [GROUP_REPLY_TO] = "reply_to",
};

enum group rules_group_find(struct mw_slice name)
{
    for (unsigned group = GROUP_NONE + 1; group < GROUP_COUNT; group++)
        if (text_is(name, group_names[group]))
            return (enum group)group;
    return GROUP_NONE;
}

const char *rules_group_name(enum group group)
{
    return group_names[group];
}

enum mw_stage rules_group_stage(enum group group)
{
    return group >= GROUP_FROM ? MW_STAGE_END_OF_HEADERS : MW_STAGE_END_OF_MESSAGE;
}

enum group rules_field_group(const struct field *field)
{
    struct mw_slice name = slice_of(field->name);
    ptrdiff_t dot = text_find(name, '.');
    if (!(field->flags & FLAG_ITEM))
        return GROUP_NONE;
    return rules_group_find(dot < 0 ? name : SLICE(name.ptr, (size_t)dot));
}

/* ---- what has to be decoded ---- */

uint32_t rules_field_needs(const struct field *field)
{
    switch ((unsigned)field->id) {
    case FIELD_BODY_TEXT:
        return MW_CONTENT_PARTS | MW_CONTENT_TEXT | MW_CONTENT_HTML;
    case FIELD_BODY_HTML:
        return MW_CONTENT_PARTS | MW_CONTENT_TEXT;
    case FIELD_ATTACHMENT_SHA256:
        return MW_CONTENT_PARTS | MW_CONTENT_SHA256;
    case FIELD_ATTACHMENT_MAGIC:
        return MW_CONTENT_PARTS | MW_CONTENT_MAGIC;
    case FIELD_ATTACHMENT_ENCRYPTED:
        return MW_CONTENT_PARTS | MW_CONTENT_ARCHIVES;
    case FIELD_MIME_DEFECTS: /* each kind of decoding finds its own */
        return MW_CONTENT_PARTS | MW_CONTENT_TEXT | MW_CONTENT_HTML | MW_CONTENT_URLS |
               MW_CONTENT_MAGIC | MW_CONTENT_ARCHIVES;
    case FIELD_ATTACHMENT_COUNT:
    case FIELD_MIME_PARTS:
    case FIELD_MIME_HEADER_LINES:
    case FIELD_NESTED_HEADER_LINES:
        return MW_CONTENT_PARTS;
    default:
        break;
    }
    switch ((unsigned)rules_field_group(field)) {
    case GROUP_URL:
        return MW_CONTENT_PARTS | MW_CONTENT_TEXT | MW_CONTENT_HTML | MW_CONTENT_URLS;
    case GROUP_ATTACHMENT:
        return MW_CONTENT_PARTS;
    case GROUP_ARCHIVE:
        return MW_CONTENT_PARTS | MW_CONTENT_ARCHIVES;
    default:
        return 0;
    }
}

/* ---- stages ---- */

static const struct {
    const char *name;
    enum mw_stage stage;
} stages[] = {
    {"connect", MW_STAGE_CONNECT},
    {"helo", MW_STAGE_HELO},
    {"mail", MW_STAGE_MAIL},
    {"rcpt", MW_STAGE_RCPT},
    {"data", MW_STAGE_DATA},
    {"end-of-headers", MW_STAGE_END_OF_HEADERS},
    {"end-of-message", MW_STAGE_END_OF_MESSAGE},
};
static const char *const stage_names[] = {"connect", "helo",           "mail",           "rcpt",
                                          "data",    "end-of-headers", "end-of-message", NULL};

const char *rules_stage_name(enum mw_stage stage)
{
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        if (stages[i].stage == stage)
            return stages[i].name;
    return "another stage";
}

bool rules_stage_find(struct mw_slice name, enum mw_stage *out_stage)
{
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        if (!text_is(name, stages[i].name))
            continue;
        *out_stage = stages[i].stage;
        return true;
    }
    return false;
}

const char *const *rules_stage_names(void)
{
    return stage_names;
}
