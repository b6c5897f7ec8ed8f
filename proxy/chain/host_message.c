/* host_message.c - what filters see of envelope, header and body; borrowed views, nothing is
 * changed here. */
#include <string.h>

#include "chain/chain_priv.h"

/* Fill a caller's struct that may be older or newer than ours: `out->size` says how large it is.
 * Whatever it says, the fields that ABI 1 has are there. */
static void give(void *out, size_t out_size, const void *value, size_t size)
{
    memcpy(out, value, out_size < size ? size : out_size);
}

static size_t fitting(size_t asked, size_t least, size_t most)
{
    return asked < least ? least : asked > most ? most : asked;
}

static void give_path(const struct mw_mailbox *mailbox, enum mw_rcpt_status status,
                      struct mw_path_view *view)
{
    size_t least = offsetof(struct mw_path_view, status) + sizeof view->status;
    struct mw_path_view full = {.size = fitting(view->size, least, sizeof full),
                                .address = mailbox->address,
                                .local = mailbox->local,
                                .domain = mailbox->domain,
                                .original = mailbox->original,
                                .params = mailbox->params,
                                .status = status};
    give(view, full.size, &full, least);
}

int mw_host_sender(struct mw_ctx *ctx, struct mw_path_view *view)
{
    const struct mw_envelope *envelope = ctx->run->subject->envelope;
    if (envelope == NULL || !envelope->has_sender)
        return 0;
    give_path(&envelope->sender, MW_RCPT_PENDING, view);
    return 1;
}

size_t mw_host_rcpt_count(struct mw_ctx *ctx)
{
    const struct mw_envelope *envelope = ctx->run->subject->envelope;
    return envelope == NULL ? 0 : envelope->rcpt_count;
}

int mw_host_rcpt(struct mw_ctx *ctx, size_t index, struct mw_path_view *view)
{
    if (index >= mw_host_rcpt_count(ctx))
        return 0;
    const struct mw_rcpt *rcpt = &ctx->run->subject->envelope->rcpts[index];
    give_path(&rcpt->mailbox, rcpt->status, view);
    return 1;
}

/* The call counts only while this very filter is being asked (or waited for). */
static const struct mw_call *call_of(const struct mw_ctx *ctx)
{
    const struct mw_live *live = ctx->run->live;
    return live->current == ctx ? &live->call : NULL;
}

ptrdiff_t mw_host_rcpt_current(struct mw_ctx *ctx)
{
    const struct mw_call *call = call_of(ctx);
    if (call == NULL || (call->stage != MW_STAGE_RCPT && call->stage != MW_STAGE_RCPT_REPLY))
        return -1;
    return (ptrdiff_t)call->rcpt;
}

uint32_t mw_host_upstream_reply(struct mw_ctx *ctx, struct mw_slice *text)
{
    const struct mw_call *call = call_of(ctx);
    bool is_known = call != NULL && call->stage == MW_STAGE_RCPT_REPLY;
    if (text != NULL)
        *text = is_known ? call->upstream_text : MW_EMPTY;
    return is_known ? call->upstream_code : 0;
}

uint64_t mw_host_message_size(struct mw_ctx *ctx)
{
    const struct mw_subject *subject = ctx->run->subject;
    if (!ctx->run->in_transaction)
        return 0;
    if (subject->message_size == 0 && subject->envelope != NULL)
        return subject->envelope->declared_size;
    return subject->message_size;
}

size_t mw_host_header_count(struct mw_ctx *ctx)
{
    const struct mw_headers *headers = ctx->run->subject->headers;
    return headers == NULL ? 0 : headers->count;
}

int mw_host_header(struct mw_ctx *ctx, size_t index, struct mw_header_view *view)
{
    if (index >= mw_host_header_count(ctx))
        return 0;
    const struct mw_field *field = &ctx->run->subject->headers->fields[index];
    size_t least = offsetof(struct mw_header_view, is_added) + sizeof view->is_added;
    struct mw_header_view full = {.size = fitting(view->size, least, sizeof full),
                                  .name = mw_field_name(field),
                                  .value = mw_field_value(field),
                                  .is_added = field->is_added};
    give(view, full.size, &full, least);
    return 1;
}

ptrdiff_t mw_host_header_find(struct mw_ctx *ctx, struct mw_slice name, size_t from)
{
    const struct mw_headers *headers = ctx->run->subject->headers;
    return headers == NULL ? -1 : mw_headers_find(headers, name, from);
}

struct mw_slice mw_host_header_decoded(struct mw_ctx *ctx, size_t index)
{
    if (index >= mw_host_header_count(ctx))
        return MW_EMPTY;
    return mw_field_decoded(ctx->run->subject->headers, index);
}

/* The whole body is here. */
static bool has_body(enum mw_stage stage)
{
    return stage == MW_STAGE_END_OF_MESSAGE || stage == MW_STAGE_EDITED;
}

struct mw_slice mw_host_body_view(struct mw_ctx *ctx, size_t max)
{
    const struct mw_call *call = call_of(ctx);
    struct mw_spool *spool = ctx->run->subject->spool;
    struct mw_slice octets;
    if (call == NULL || !has_body(call->stage) || spool == NULL ||
        mw_spool_view(spool, max, &octets) != MW_OK)
        return MW_EMPTY;
    return octets;
}

int mw_host_body_is_replaced(struct mw_ctx *ctx)
{
    const struct mw_call *call = call_of(ctx);
    return call != NULL && has_body(call->stage) && ctx->run->subject->has_replaced_body;
}
