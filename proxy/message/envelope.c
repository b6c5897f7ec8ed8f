/* envelope.c - the transaction's sender and recipients as values, and the counters beside them.
 *
 * Strings go to the transaction's arena and stay there: an edit points `address` to a new copy,
 * `original` never moves. "Not yet told to the upstream" is a NULL pointer in `sent_sender` and
 * `sent`, because an empty sender is an address. */
#include "message/envelope.h"

#include <stdlib.h>
#include <string.h>

#include "smtp/path.h"

enum { RCPTS_FIRST = 1 }; /* most messages of a hop have one; a stalled session keeps it */

void mw_envelope_init(struct mw_envelope *envelope, struct mw_arena *arena)
{
    *envelope = (struct mw_envelope){.arena = arena};
}

void mw_envelope_fini(struct mw_envelope *envelope)
{
    free(envelope->rcpts);
    *envelope = (struct mw_envelope){.arena = envelope->arena};
}

/* ---- addresses ---- */

/* The view `part` of `from`, as the same view of its copy `to`. */
static struct mw_slice moved(struct mw_slice part, struct mw_slice from, struct mw_slice to)
{
    return part.len == 0 ? MW_EMPTY : MW_SLICE(to.ptr + (part.ptr - from.ptr), part.len);
}

static struct mw_mailbox mailbox_of(struct mw_arena *arena, const struct mw_envelope_arg *arg)
{
    const struct mw_path *path = &arg->path;
    struct mw_slice address = mw_arena_dup(arena, path->address);
    return (struct mw_mailbox){
        .original = address,
        .address = address,
        .local = moved(path->local, path->address, address),
        .domain = moved(path->domain, path->address, address),
        .params = arg->param_text.len == 0 ? MW_EMPTY : mw_arena_dup(arena, arg->param_text),
    };
}

/* Point a mailbox to a filter's address, which is known to be safe. */
static void set_address(struct mw_arena *arena, struct mw_mailbox *mailbox, struct mw_slice address)
{
    if (mw_slice_eq(mailbox->address, address))
        return;
    char *text = mw_arena_alloc(arena, address.len + 2);
    text[0] = '<';
    if (address.len > 0)
        memcpy(text + 1, address.ptr, address.len);
    text[address.len + 1] = '>';
    struct mw_path path;
    size_t used;
    enum mw_err err = mw_path_parse(MW_SLICE(text, address.len + 2), &path, &used);
    mw_assert(err == MW_OK && path.address.len == address.len);
    /* changed back is not changed: the pointer says so */
    bool is_original = mw_slice_eq(address, mailbox->original);
    mailbox->address = is_original ? mailbox->original : MW_SLICE(text + 1, address.len);
    mailbox->local = moved(path.local, path.address, mailbox->address);
    mailbox->domain = moved(path.domain, path.address, mailbox->address);
}

/* ---- what the client gave ---- */

void mw_envelope_set_sender(struct mw_envelope *envelope, const struct mw_envelope_arg *arg)
{
    const struct mw_param *size = mw_envelope_arg_param(arg, MW_LIT("SIZE"));
    const struct mw_param *body = mw_envelope_arg_param(arg, MW_LIT("BODY"));
    uint64_t octets = 0;
    if (size == NULL || mw_slice_to_u64(size->value, UINT64_MAX, &octets) != MW_OK)
        octets = 0; /* a SIZE that is no number is for the upstream to refuse. RFC 1870 3 */
    envelope->sender = mailbox_of(envelope->arena, arg);
    envelope->has_sender = true;
    envelope->declared_size = octets;
    envelope->is_binary = body != NULL && mw_slice_ieq(body->value, MW_LIT("BINARYMIME"));
    envelope->is_utf8 = mw_envelope_arg_param(arg, MW_LIT("SMTPUTF8")) != NULL;
}

/* A zeroed recipient at the end of the list, NULL at the limit. */
static struct mw_rcpt *append_rcpt(struct mw_envelope *envelope)
{
    if (envelope->rcpt_count >= MW_RCPTS_MAX)
        return NULL;
    if (envelope->rcpt_count == envelope->rcpt_cap) {
        envelope->rcpt_cap = envelope->rcpt_cap == 0 ? RCPTS_FIRST : envelope->rcpt_cap * 2;
        envelope->rcpts = mw_xrealloc(envelope->rcpts,
                                      envelope->rcpt_cap * sizeof *envelope->rcpts);
    }
    struct mw_rcpt *rcpt = &envelope->rcpts[envelope->rcpt_count++];
    *rcpt = (struct mw_rcpt){0};
    return rcpt;
}

enum mw_err mw_envelope_add_rcpt(struct mw_envelope *envelope, const struct mw_envelope_arg *arg,
                                 size_t *out_index)
{
    struct mw_rcpt *rcpt = append_rcpt(envelope);
    if (rcpt == NULL)
        return MW_ERR_LIMIT;
    rcpt->mailbox = mailbox_of(envelope->arena, arg);
    *out_index = envelope->rcpt_count - 1;
    return MW_OK;
}

/* ---- filters' edits ---- */

enum mw_err mw_envelope_rewrite_sender(struct mw_envelope *envelope, struct mw_slice address)
{
    if (!envelope->has_sender)
        return MW_ERR_NOENT;
    if (!mw_path_is_safe(address, true))
        return MW_ERR_SYNTAX;
    set_address(envelope->arena, &envelope->sender, address);
    return MW_OK;
}

enum mw_err mw_envelope_rewrite_rcpt(struct mw_envelope *envelope, size_t index,
                                     struct mw_slice address)
{
    if (index >= envelope->rcpt_count)
        return MW_ERR_NOENT;
    if (!mw_path_is_safe(address, false))
        return MW_ERR_SYNTAX;
    set_address(envelope->arena, &envelope->rcpts[index].mailbox, address);
    return MW_OK;
}

static bool has_wanted(const struct mw_envelope *envelope, const struct mw_mailbox *mailbox)
{
    for (size_t i = 0; i < envelope->rcpt_count; i++) {
        const struct mw_rcpt *rcpt = &envelope->rcpts[i];
        if (mw_rcpt_is_wanted(rcpt) && mw_slice_eq(rcpt->mailbox.local, mailbox->local) &&
            mw_slice_ieq(rcpt->mailbox.domain, mailbox->domain))
            return true;
    }
    return false;
}

enum mw_err mw_envelope_insert_rcpt(struct mw_envelope *envelope, struct mw_slice address)
{
    if (!mw_path_is_safe(address, false))
        return MW_ERR_SYNTAX;
    struct mw_mailbox mailbox = {.params = MW_EMPTY};
    set_address(envelope->arena, &mailbox, address);
    mailbox.original = mailbox.address;
    if (has_wanted(envelope, &mailbox))
        return MW_OK;
    struct mw_rcpt *rcpt = append_rcpt(envelope);
    if (rcpt == NULL)
        return MW_ERR_LIMIT;
    *rcpt = (struct mw_rcpt){.mailbox = mailbox, .status = MW_RCPT_ADDED};
    return MW_OK;
}

enum mw_err mw_envelope_delete_rcpt(struct mw_envelope *envelope, size_t index)
{
    if (index >= envelope->rcpt_count)
        return MW_ERR_NOENT;
    const struct mw_rcpt *rcpt = &envelope->rcpts[index];
    if (mw_rcpt_is_wanted(rcpt))
        mw_envelope_set_status(envelope, index, MW_RCPT_DELETED, rcpt->code);
    return MW_OK;
}

/* The counter that belongs to a status, NULL if it has none. */
static size_t *counter_of(struct mw_envelope *envelope, enum mw_rcpt_status status)
{
    switch (status) {
    case MW_RCPT_ACCEPTED:
        return &envelope->accepted;
    case MW_RCPT_REFUSED_FILTER:
        return &envelope->refused_by_filter;
    case MW_RCPT_REFUSED_UPSTREAM:
        return &envelope->refused_by_upstream;
    case MW_RCPT_DISCARDED:
        return &envelope->discarded;
    case MW_RCPT_PENDING:
    case MW_RCPT_DELETED:
    case MW_RCPT_ADDED:
        break;
    }
    return NULL;
}

void mw_envelope_set_status(struct mw_envelope *envelope, size_t index, enum mw_rcpt_status status,
                            uint16_t code)
{
    mw_assert(index < envelope->rcpt_count);
    struct mw_rcpt *rcpt = &envelope->rcpts[index];
    size_t *before = counter_of(envelope, rcpt->status), *after = counter_of(envelope, status);
    if (before != NULL)
        --*before;
    if (after != NULL)
        ++*after;
    rcpt->status = status;
    rcpt->code = code;
}

/* ---- what goes upstream ---- */

bool mw_rcpt_is_wanted(const struct mw_rcpt *rcpt)
{
    return rcpt->status == MW_RCPT_PENDING || rcpt->status == MW_RCPT_ACCEPTED ||
           rcpt->status == MW_RCPT_ADDED;
}

enum mw_envelope_gap mw_envelope_gap(const struct mw_envelope *envelope)
{
    if (envelope->sent_sender.ptr == NULL ||
        !mw_slice_eq(envelope->sent_sender, envelope->sender.address))
        return MW_GAP_REPLAY;
    enum mw_envelope_gap gap = MW_GAP_NONE;
    for (size_t i = 0; i < envelope->rcpt_count; i++) {
        const struct mw_rcpt *rcpt = &envelope->rcpts[i];
        bool is_wanted = mw_rcpt_is_wanted(rcpt);
        if (rcpt->is_upstream && (!is_wanted || !mw_slice_eq(rcpt->sent, rcpt->mailbox.address)))
            return MW_GAP_REPLAY;
        if (is_wanted && !rcpt->is_upstream)
            gap = MW_GAP_ADD;
    }
    return gap;
}

ptrdiff_t mw_envelope_next_unsent(const struct mw_envelope *envelope, size_t from, bool all)
{
    for (size_t i = from; i < envelope->rcpt_count; i++) {
        const struct mw_rcpt *rcpt = &envelope->rcpts[i];
        if (mw_rcpt_is_wanted(rcpt) && (all || !rcpt->is_upstream))
            return (ptrdiff_t)i;
    }
    return -1;
}

size_t mw_envelope_wanted(const struct mw_envelope *envelope)
{
    size_t count = 0;
    for (size_t i = 0; i < envelope->rcpt_count; i++)
        count += mw_rcpt_is_wanted(&envelope->rcpts[i]);
    return count;
}
