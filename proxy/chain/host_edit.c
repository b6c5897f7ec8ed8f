/* host_edit.c - filters' changes to envelope, header and body.
 *
 * Each edit goes through begin() (may it be made now?), is applied at once so that later filters
 * see it, and ends in finish() (counted and logged, or refused and logged). An observed filter's
 * edits get the same answers and are logged, but nothing is touched. When: sender and recipients
 * from MAIL on, header from DATA on, body at end_of_message. While the message streams, the
 * envelope has gone upstream with DATA and the header with end_of_headers: later edits of them are
 * refused. At the stage EDITED everything is: a filter that has signed what it saw there must not be
 * wrong.
 *
 * Results for Authentication-Results are edits of the header that are kept apart (struct mw_subject)
 * until all filters have spoken: then the session has them written as one field. */
#include <string.h>

#include "chain/chain_priv.h"
#include "message/authres.h"

/* What an edit is called in logs, and how it is counted. */
static const char *const edit_names[MW_EDIT_COUNT] = {
    [MW_EDIT_HEADER_ADD] = "header-add",
    [MW_EDIT_HEADER_DELETE] = "header-delete",
    [MW_EDIT_HEADER_CHANGE] = "header-change",
    [MW_EDIT_RCPT_ADD] = "rcpt-add",
    [MW_EDIT_RCPT_DELETE] = "rcpt-delete",
    [MW_EDIT_RCPT_CHANGE] = "rcpt-replace",
    [MW_EDIT_SENDER] = "sender",
    [MW_EDIT_BODY] = "body",
    [MW_EDIT_RESULT] = "auth-result",
};

static const char edits_are_final[] = "the edits are final";

struct edit {
    struct mw_ctx *ctx;
    enum mw_edit_kind kind;
    struct mw_slice what,
        to; /* for the log: a header's name, an address before and after; never content */
};

void mw_edit_refused(struct mw_ctx *ctx, const char *what, const char *why)
{
    struct mw_run *run = ctx->run;
    if (run->services->log == NULL)
        return;
    char id[MW_RUN_ID_MAX];
    MW_LOG(run->services->log, mw_run_id(run, id), MW_EV_EDIT_REFUSED,
           mw_cstr("filter", mw_ctx_instance(ctx)->name),
           mw_cstr("stage", mw_stage_name(run->live->stage)), mw_cstr("edit", what),
           mw_cstr("reason", why));
}

static int refuse(const struct edit *edit, const char *why)
{
    mw_edit_refused(edit->ctx, edit_names[edit->kind], why);
    return 0;
}

static void log_edit(const struct edit *edit)
{
    const struct mw_run *run = edit->ctx->run;
    struct mw_log *log = run->services->log;
    if (log == NULL)
        return;
    bool is_observed = edit->ctx->entry->is_observed;
    if (!is_observed && !mw_log_wants(log, MW_LOG_DEBUG))
        return;
    char id[MW_RUN_ID_MAX];
    MW_LOG(log, mw_run_id(run, id), is_observed ? MW_EV_OBSERVED : MW_EV_EDIT,
           mw_cstr("edit", edit_names[edit->kind]),
           mw_cstr("stage", mw_stage_name(run->live->stage)),
           mw_cstr("by", mw_ctx_instance(edit->ctx)->name), mw_text("what", edit->what),
           mw_text("to", edit->to));
}

/* The edit's end: 1 = taken. */
static int finish(const struct edit *edit, enum mw_err err)
{
    if (err == MW_ERR_NOENT)
        return refuse(edit, "there is nothing at that index");
    if (err != MW_OK)
        return refuse(edit, mw_err_text(err));
    if (edit->ctx->entry->is_observed)
        mw_instance_tally(mw_ctx_instance(edit->ctx), "observed-edit");
    else
        edit->ctx->run->live->edits[edit->kind]++;
    log_edit(edit);
    return 1;
}

/* NULL if an edit of the envelope or the header (`until`: the last stage at which a streaming
 * message still has it) may be made now. */
static const char *why_not_now(const struct mw_ctx *ctx, enum mw_stage from, enum mw_stage until)
{
    const struct mw_run *run = ctx->run;
    if (run->live->current != ctx)
        return "the filter is not being asked now";
    if (run->live->stage == MW_STAGE_EDITED)
        return edits_are_final;
    if (!run->in_transaction || run->live->stage < from ||
        run->live->stage > MW_STAGE_END_OF_MESSAGE)
        return "not possible at this stage";
    bool is_spooled = run->subject->spool != NULL || mw_chain_wants_spool(run->chain);
    if (run->live->stage > until && !is_spooled)
        return "too late: the message streams, that part of it has gone upstream";
    return NULL;
}

/* ---- envelope ---- */

static const char *why_no_envelope_edit(const struct mw_ctx *ctx)
{
    if (ctx->run->subject->envelope == NULL)
        return "there is no transaction";
    return why_not_now(ctx, MW_STAGE_MAIL, MW_STAGE_DATA);
}

/* What the real edit of an observed filter would have answered. */
static enum mw_err address_form(struct mw_slice address, bool null_ok)
{
    return mw_path_is_safe(address, null_ok) ? MW_OK : MW_ERR_SYNTAX;
}

int mw_host_set_sender(struct mw_ctx *ctx, struct mw_slice address)
{
    struct edit edit = {.ctx = ctx, .kind = MW_EDIT_SENDER, .to = address};
    const char *why = why_no_envelope_edit(ctx);
    if (why != NULL)
        return refuse(&edit, why);
    struct mw_envelope *envelope = ctx->run->subject->envelope;
    edit.what = envelope->sender.address;
    if (ctx->entry->is_observed)
        return finish(&edit, address_form(address, true));
    return finish(&edit, mw_envelope_rewrite_sender(envelope, address));
}

int mw_host_rcpt_replace(struct mw_ctx *ctx, size_t index, struct mw_slice address)
{
    struct edit edit = {.ctx = ctx, .kind = MW_EDIT_RCPT_CHANGE, .to = address};
    const char *why = why_no_envelope_edit(ctx);
    if (why != NULL)
        return refuse(&edit, why);
    struct mw_envelope *envelope = ctx->run->subject->envelope;
    if (index >= envelope->rcpt_count)
        return finish(&edit, MW_ERR_NOENT);
    edit.what = envelope->rcpts[index].mailbox.address;
    if (ctx->entry->is_observed)
        return finish(&edit, address_form(address, false));
    return finish(&edit, mw_envelope_rewrite_rcpt(envelope, index, address));
}

int mw_host_rcpt_add(struct mw_ctx *ctx, struct mw_slice address)
{
    struct edit edit = {.ctx = ctx, .kind = MW_EDIT_RCPT_ADD, .to = address};
    const char *why = why_no_envelope_edit(ctx);
    if (why != NULL)
        return refuse(&edit, why);
    if (ctx->entry->is_observed)
        return finish(&edit, address_form(address, false));
    return finish(&edit, mw_envelope_insert_rcpt(ctx->run->subject->envelope, address));
}

int mw_host_rcpt_delete(struct mw_ctx *ctx, size_t index)
{
    struct edit edit = {.ctx = ctx, .kind = MW_EDIT_RCPT_DELETE};
    const char *why = why_no_envelope_edit(ctx);
    if (why != NULL)
        return refuse(&edit, why);
    struct mw_envelope *envelope = ctx->run->subject->envelope;
    if (index >= envelope->rcpt_count)
        return finish(&edit, MW_ERR_NOENT);
    if (mw_host_rcpt_current(ctx) == (ptrdiff_t)index)
        return refuse(&edit, "it is being decided: answer MW_DISCARD or MW_REJECT instead");
    edit.what = envelope->rcpts[index].mailbox.address;
    if (ctx->entry->is_observed)
        return finish(&edit, MW_OK);
    return finish(&edit, mw_envelope_delete_rcpt(envelope, index));
}

/* ---- header ---- */

/* At DATA the header block has not come yet. */
static bool is_early(const struct mw_ctx *ctx)
{
    return ctx->run->live->stage == MW_STAGE_DATA;
}

static const char *why_no_header_edit(const struct mw_ctx *ctx)
{
    const char *why = why_not_now(ctx, MW_STAGE_DATA, MW_STAGE_END_OF_HEADERS);
    if (why != NULL || is_early(ctx))
        return why;
    const struct mw_headers *headers = ctx->run->subject->headers;
    return headers != NULL && headers->is_complete ? NULL : "there is no header";
}

/* Whether name and value may stand in a header: asked of a scratch block, so that there is one
 * judge only. */
static enum mw_err header_form(struct mw_slice name, struct mw_slice value)
{
    struct mw_arena arena = {0};
    struct mw_headers scratch;
    struct mw_slice body;
    mw_headers_init(&scratch, &arena);
    mw_headers_finish(&scratch, &body);
    enum mw_err err = mw_headers_insert(&scratch, 0, name, value);
    mw_headers_fini(&scratch);
    mw_arena_fini(&arena);
    return err;
}

/* The field waits for END_OF_HEADERS, which the session runs if some filter wants DATA (chain.c).
 */
static enum mw_err add_early(struct mw_ctx *ctx, struct mw_slice name, struct mw_slice value)
{
    enum { EARLY_FIELDS_MAX = 100 };
    struct mw_live *live = ctx->run->live;
    struct mw_arena *arena = ctx->run->subject->transaction_arena;
    enum mw_err err = header_form(name, value);
    if (err == MW_OK && live->edits[MW_EDIT_HEADER_ADD] >= EARLY_FIELDS_MAX)
        err = MW_ERR_LIMIT;
    if (err != MW_OK || ctx->entry->is_observed)
        return err;
    struct mw_early_field *field = mw_arena_new(arena, struct mw_early_field);
    field->name = mw_arena_dup(arena, name);
    field->value = mw_arena_dup(arena, value);
    *live->early_last = field;
    live->early_last = &field->next;
    return MW_OK;
}

void mw_edits_apply_early(struct mw_run *run)
{
    struct mw_live *live = run->live;
    struct mw_headers *headers = run->subject->headers;
    for (const struct mw_early_field *field = live->early; field != NULL && headers != NULL;
         field = field->next) {
        /* The form was checked at DATA; only the limit of fields is left, and that message has
         * enough of them. */
        if (mw_headers_insert(headers, headers->count, field->name, field->value) != MW_OK)
            live->edits[MW_EDIT_HEADER_ADD]--;
    }
    live->early = NULL;
    live->early_last = &live->early;
}

/* A walk over the header is under way (ask_headers): keep the field that it shows next, and its
 * end, what they were. */
static void moved(struct mw_live *live, size_t index, int by)
{
    if (live->stage != MW_STAGE_HEADER)
        return;
    if (index < live->header_end)
        live->header_end += (size_t)by;
    if (index < live->header_next)
        live->header_next += (size_t)by;
}

static int insert(struct edit *edit, size_t index, struct mw_slice name, struct mw_slice value)
{
    struct mw_ctx *ctx = edit->ctx;
    const char *why = why_no_header_edit(ctx);
    if (why != NULL)
        return refuse(edit, why);
    edit->what = name;
    if (is_early(ctx))
        return finish(edit, add_early(ctx, name, value));
    struct mw_headers *headers = ctx->run->subject->headers;
    if (ctx->entry->is_observed)
        return finish(edit, header_form(name, value));
    if (index > headers->count)
        index = headers->count;
    enum mw_err err = mw_headers_insert(headers, index, name, value);
    if (err == MW_OK)
        moved(ctx->run->live, index, 1);
    return finish(edit, err);
}

int mw_host_header_add(struct mw_ctx *ctx, struct mw_slice name, struct mw_slice value)
{
    struct edit edit = {.ctx = ctx, .kind = MW_EDIT_HEADER_ADD};
    return insert(&edit, SIZE_MAX, name, value);
}

int mw_host_header_insert(struct mw_ctx *ctx, size_t index, struct mw_slice name,
                          struct mw_slice value)
{
    struct edit edit = {.ctx = ctx, .kind = MW_EDIT_HEADER_ADD};
    if (is_early(ctx))
        return refuse(&edit, "there is no header yet: use header_add");
    return insert(&edit, index, name, value);
}

/* The field that is to be changed or deleted; NULL with a line in the log. */
static const struct mw_field *field_at(struct edit *edit, size_t index)
{
    struct mw_ctx *ctx = edit->ctx;
    const char *why = why_no_header_edit(ctx);
    if (why != NULL) {
        refuse(edit, why);
        return NULL;
    }
    if (is_early(ctx) || index >= mw_host_header_count(ctx)) {
        finish(edit, MW_ERR_NOENT);
        return NULL;
    }
    const struct mw_field *field = &ctx->run->subject->headers->fields[index];
    edit->what = mw_field_name(field);
    return field;
}

int mw_host_header_change(struct mw_ctx *ctx, size_t index, struct mw_slice value)
{
    struct edit edit = {.ctx = ctx, .kind = MW_EDIT_HEADER_CHANGE};
    const struct mw_field *field = field_at(&edit, index);
    if (field == NULL)
        return 0;
    if (ctx->entry->is_observed)
        return finish(&edit, header_form(MW_LIT("X"), value));
    return finish(&edit, mw_headers_change(ctx->run->subject->headers, index, value));
}

int mw_host_header_delete(struct mw_ctx *ctx, size_t index)
{
    struct edit edit = {.ctx = ctx, .kind = MW_EDIT_HEADER_DELETE};
    if (field_at(&edit, index) == NULL)
        return 0;
    if (ctx->entry->is_observed)
        return finish(&edit, MW_OK);
    enum mw_err err = mw_headers_delete(ctx->run->subject->headers, index);
    if (err == MW_OK)
        moved(ctx->run->live, index, -1);
    return finish(&edit, err);
}

/* ---- body ---- */

/* Where a replaced body stands between two pieces. */
enum { BODY_LINE_START = 0, BODY_IN_LINE, BODY_BEHIND_CR };

/* Add octets with the line discipline that the spool's readers rely on: every CR, LF and CRLF
 * becomes CRLF (so nothing that a server could read as an end of data comes from a filter), and
 * every line is a span of its own, so that a dot at its start is seen. */
static void add_lines(struct mw_spool *spool, uint8_t *state, struct mw_slice octets)
{
    while (octets.len > 0) {
        if (*state == BODY_BEHIND_CR) {
            *state = BODY_LINE_START;
            if (octets.ptr[0] == '\n') {
                octets = mw_slice_skip(octets, 1);
                continue;
            }
        }
        size_t len = 0;
        while (len < octets.len && octets.ptr[len] != '\r' && octets.ptr[len] != '\n')
            len++;
        if (len > 0) {
            mw_spool_add(spool, mw_slice_take(octets, len), *state == BODY_LINE_START);
            *state = BODY_IN_LINE;
        }
        if (len == octets.len)
            return;
        mw_spool_add(spool, MW_LIT("\r\n"), *state == BODY_LINE_START);
        *state = octets.ptr[len] == '\r' ? BODY_BEHIND_CR : BODY_LINE_START;
        octets = mw_slice_skip(octets, len + 1);
    }
}

static const char *why_no_body_edit(const struct mw_ctx *ctx, struct mw_slice octets)
{
    const struct mw_subject *subject = ctx->run->subject;
    if (ctx->run->live->current != ctx)
        return "the filter is not being asked now";
    if (ctx->run->live->stage == MW_STAGE_EDITED)
        return edits_are_final;
    if (ctx->run->live->stage != MW_STAGE_END_OF_MESSAGE || subject->spool == NULL)
        return "the body can be replaced at end_of_message only";
    if (mw_spool_is_busy(subject->spool))
        return "the spool is busy";
    bool is_binary = subject->envelope != NULL && subject->envelope->is_binary;
    if (!is_binary && octets.len > 0 && memchr(octets.ptr, '\0', octets.len) != NULL)
        return "a NUL may not be sent (RFC 5321 4.5.2)";
    return NULL;
}

static void replace_body(struct mw_ctx *ctx, struct mw_slice octets)
{
    struct mw_subject *subject = ctx->run->subject;
    uint64_t before = mw_spool_size(subject->spool);
    if (!ctx->has_replaced) {
        mw_spool_truncate(subject->spool);
        ctx->body_state = BODY_LINE_START;
        subject->has_replaced_body = true;
    }
    if (subject->envelope != NULL && subject->envelope->is_binary)
        mw_spool_add(subject->spool, octets, true);
    else
        add_lines(subject->spool, &ctx->body_state, octets);
    /* The size counts the header block too; unsigned arithmetic is right in both directions. */
    subject->message_size += mw_spool_size(subject->spool) - before;
}

int mw_host_body_replace(struct mw_ctx *ctx, struct mw_slice octets)
{
    struct edit edit = {.ctx = ctx, .kind = MW_EDIT_BODY};
    const char *why = why_no_body_edit(ctx, octets);
    if (why != NULL) {
        ctx->has_broken_body |= ctx->has_replaced && !ctx->entry->is_observed;
        return refuse(&edit, why);
    }
    bool is_first = !ctx->has_replaced;
    if (!ctx->entry->is_observed)
        replace_body(ctx, octets);
    ctx->has_replaced = true;
    return is_first ? finish(&edit, MW_OK) : 1;
}

/* ---- results ---- */

enum { RESULTS_MAX = 100, RESULTS_OCTETS_MAX = 16384 };

/* NULL: it may stand in the field, and there is room for it. */
static const char *why_no_result(const struct mw_ctx *ctx, struct mw_slice result)
{
    const struct mw_subject *subject = ctx->run->subject;
    const char *why = why_not_now(ctx, MW_STAGE_MAIL, MW_STAGE_END_OF_HEADERS);
    if (why != NULL)
        return why;
    why = mw_authres_problem(result, subject->envelope != NULL && subject->envelope->is_utf8);
    if (why != NULL)
        return why;
    bool is_full = subject->auth_result_count >= RESULTS_MAX ||
                   subject->auth_result_octets + result.len > RESULTS_OCTETS_MAX;
    return is_full ? "there are too many results" : NULL;
}

static void keep_result(struct mw_subject *subject, struct mw_slice result)
{
    struct mw_arena *arena = subject->transaction_arena;
    if (subject->auth_results == NULL)
        subject->auth_results = mw_arena_array(arena, struct mw_slice, RESULTS_MAX);
    subject->auth_results[subject->auth_result_count++] = mw_arena_dup(arena, result);
    subject->auth_result_octets += result.len;
}

int mw_host_auth_result(struct mw_ctx *ctx, struct mw_slice result)
{
    struct edit edit = {.ctx = ctx, .kind = MW_EDIT_RESULT};
    result = mw_slice_trim(result);
    const char *why = why_no_result(ctx, result);
    if (why != NULL)
        return refuse(&edit, why);
    struct mw_slice rest;
    if (!mw_slice_split(result, ' ', &edit.what, &rest))
        edit.what = result;
    if (!ctx->entry->is_observed)
        keep_result(ctx->run->subject, result);
    return finish(&edit, MW_OK);
}

enum mw_err mw_subject_write_results(struct mw_subject *subject, struct mw_slice authserv_id)
{
    struct mw_buf value = {0};
    if (subject->auth_result_count == 0)
        return MW_OK;
    mw_authres_print(authserv_id, subject->auth_results, subject->auth_result_count, &value);
    enum mw_err err = mw_headers_insert(subject->headers, 0, mw_slice_cstr(MW_AUTHRES_FIELD),
                                        mw_buf_view(&value));
    mw_buf_fini(&value);
    return err;
}
