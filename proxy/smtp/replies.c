/* replies.c - replies.def as a table. */
#include "smtp/replies.h"

#include "smtp/reply.h"

static const struct own_reply {
    struct mw_slice dsn, text;
    uint16_t code;
} own_replies[MW_REPLY_COUNT] = {
#define MW_REPLY(name, reply_code, enhanced, words)              \
    [MW_REPLY_##name] = {.dsn = {enhanced, sizeof enhanced - 1}, \
                         .text = {words, sizeof words - 1},      \
                         .code = (reply_code)},
#include "smtp/replies.def"
#undef MW_REPLY
};

static const struct own_reply *own_reply(enum mw_reply_id id)
{
    mw_assert((unsigned)id < MW_REPLY_COUNT);
    return &own_replies[id];
}

void mw_reply_own(struct mw_buf *out, enum mw_reply_id id)
{
    const struct own_reply *reply = own_reply(id);
    mw_reply_build(out, reply->code, reply->dsn, reply->text);
}

uint16_t mw_reply_own_code(enum mw_reply_id id)
{
    return own_reply(id)->code;
}

struct mw_slice mw_reply_own_dsn(enum mw_reply_id id)
{
    return own_reply(id)->dsn;
}

struct mw_slice mw_reply_own_text(enum mw_reply_id id)
{
    return own_reply(id)->text;
}
