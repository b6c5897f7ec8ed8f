/* fields.c - the tables of fields and of stages' names. */
#include "model.h"

#define MANY FLAG_MANY
#define ARG FLAG_ARG
#define ARG_OK FLAG_ARG_OK
#define FACT FLAG_FACT
#define RCPT FLAG_RCPT
#define TALLY FLAG_TALLY
#define DIGITS FLAG_DIGITS

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
