/* action.c - the words of actions, the replies, and the two that edit the message. */
#include "action.h"

#define FIELD_TAG LIT("X-Mailweir-Tag")
#define FIELD_QUARANTINE LIT("X-Mailweir-Quarantine")
#define FIELD_RECIPIENT LIT("X-Mailweir-Recipient")

/* Recipients that are named in the header: the host keeps 100 fields that are added at data. */
enum { NAMED_MAX = 90 };

static const char *const names[ACTION_COUNT] = {
    [ACTION_PASS] = "pass",   [ACTION_ADD_HEADER] = "add-header",
    [ACTION_TAG] = "tag",     [ACTION_QUARANTINE] = "quarantine",
    [ACTION_DEFER] = "defer", [ACTION_REJECT] = "reject"};
const char action_words[] = "pass, add-header, tag, quarantine, defer or reject";

bool action_parse(struct mw_slice word, enum action *out)
{
    for (int i = 0; i < ACTION_COUNT; i++)
        if (text_is(word, names[i])) {
            *out = (enum action)i;
            return true;
        }
    return false;
}

const char *action_name(enum action action)
{
    return (unsigned)action < ACTION_COUNT ? names[action] : "?";
}

enum mw_verdict action_refuse(const struct mw_host *host, struct mw_ctx *ctx, enum action action,
                              const struct reply *reply)
{
    host->reply(ctx, reply->code, slice_of(reply->dsn), reply->text);
    return action == ACTION_REJECT ? MW_REJECT : MW_TEMPFAIL;
}

/* ---- fields ---- */

/* Where the next field of that name from `from` on stands that the message brought along, or -1. */
static ptrdiff_t find_foreign(const struct mw_host *host, struct mw_ctx *ctx, struct mw_slice name,
                              size_t from)
{
    struct mw_header_view field = {.size = sizeof field};
    for (;;) {
        ptrdiff_t at = host->header_find(ctx, name, from);
        if (at < 0 || !host->header(ctx, (size_t)at, &field))
            return -1;
        if (!field.is_added)
            return at;
        from = (size_t)at + 1;
    }
}

/* Anybody can write such a field; behind us it would look like ours. */
static void delete_foreign(const struct mw_host *host, struct mw_ctx *ctx, struct mw_slice name)
{
    for (ptrdiff_t at = find_foreign(host, ctx, name, 0); at >= 0;
         at = find_foreign(host, ctx, name, (size_t)at))
        if (!host->header_delete(ctx, (size_t)at))
            at++; /* an observed filter deletes nothing */
}

static bool has_added(const struct mw_host *host, struct mw_ctx *ctx, struct mw_slice name)
{
    struct mw_header_view field = {.size = sizeof field};
    for (ptrdiff_t at = host->header_find(ctx, name, 0); at >= 0;
         at = host->header_find(ctx, name, (size_t)at + 1))
        if (host->header(ctx, (size_t)at, &field) && field.is_added)
            return true;
    return false;
}

bool action_tag(const struct mw_host *host, struct mw_ctx *ctx, struct mw_slice why)
{
    delete_foreign(host, ctx, FIELD_TAG);
    return host->header_add(ctx, FIELD_TAG, why) != 0;
}

void action_clean(const struct mw_host *host, struct mw_ctx *ctx)
{
    delete_foreign(host, ctx, FIELD_QUARANTINE);
    delete_foreign(host, ctx, FIELD_RECIPIENT);
}

/* ---- quarantine ---- */

struct move {
    const struct mw_host *host;
    struct mw_ctx *ctx;
    struct mw_slice address, why;
    const struct recipients *spared;
};

/* Recipient `index` as it is to be moved; false: it stays as it is. */
static bool goes(const struct move *move, size_t index, struct mw_path_view *out_rcpt)
{
    *out_rcpt = (struct mw_path_view){.size = sizeof *out_rcpt};
    return move->host->rcpt(move->ctx, index, out_rcpt) && recipient_is_wanted(out_rcpt) &&
           !(move->spared != NULL && recipients_have(move->spared, out_rcpt));
}

/* How many go, and to somewhere else than they are going now. */
static size_t count_going(const struct move *move, bool *out_is_for_all)
{
    struct mw_path_view rcpt;
    size_t going = 0, count = move->host->rcpt_count(move->ctx);
    *out_is_for_all = true;
    for (size_t i = 0; i < count; i++) {
        if (goes(move, i, &rcpt))
            going += !text_address_eq(rcpt.address, move->address);
        else if (recipient_is_wanted(&rcpt))
            *out_is_for_all = false;
    }
    return going;
}

static void put_fields(const struct move *move)
{
    struct mw_path_view rcpt;
    size_t named = 0, count = move->host->rcpt_count(move->ctx);
    action_clean(move->host, move->ctx);
    move->host->header_add(move->ctx, FIELD_QUARANTINE, move->why);
    for (size_t i = 0; i < count && named < NAMED_MAX; i++)
        if (goes(move, i, &rcpt)) {
            move->host->header_add(move->ctx, FIELD_RECIPIENT, rcpt.address);
            named++;
        }
}

/* The first one becomes the address, the others are taken off. */
static bool move_all(const struct move *move)
{
    struct mw_path_view rcpt;
    bool is_good = true, has_address = false;
    size_t count = move->host->rcpt_count(move->ctx);
    for (size_t i = 0; i < count; i++) {
        if (!goes(move, i, &rcpt))
            continue;
        if (has_address)
            is_good &= move->host->rcpt_delete(move->ctx, i) != 0;
        else if (!text_address_eq(rcpt.address, move->address))
            is_good &= move->host->rcpt_replace(move->ctx, i, move->address) != 0;
        has_address = true;
    }
    return is_good;
}

bool action_quarantine(const struct mw_host *host, struct mw_ctx *ctx, struct mw_slice address,
                       struct mw_slice why, const struct recipients *spared)
{
    const struct move move = {host, ctx, address, why, spared};
    bool is_for_all;
    if (has_added(host, ctx, FIELD_QUARANTINE) || count_going(&move, &is_for_all) == 0)
        return true;
    if (is_for_all)
        put_fields(&move);
    return move_all(&move);
}

bool action_edit(const struct mw_host *host, struct mw_ctx *ctx, enum action action,
                 struct mw_slice address, struct mw_slice why)
{
    if (action == ACTION_QUARANTINE)
        return action_quarantine(host, ctx, address, why, NULL);
    if (action == ACTION_TAG)
        action_tag(host, ctx, why);
    return true;
}
