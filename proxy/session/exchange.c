/* exchange.c - replies reach the client in the order of its commands; the upstream's replies find
 * their command.
 *
 * The ring holds commands that were decided and whose reply the client does not have: forwarded
 * ones (unanswered) and ones that we answered ourselves while an earlier one was still unanswered
 * (is_ready, with the text). Verdicts come one at a time, so commands are forwarded in order, so
 * the upstream's replies belong to the unanswered exchanges first in, first out, so replies leave
 * in command order by construction. A command answered while the ring is empty never enters it.
 *
 * `expects` is the same idea on the other side: one entry for each reply that the upstream owes,
 * also for commands of our own. */
#include "session/session_priv.h"

#include <stdlib.h>
#include <string.h>

static void to_client(struct mw_session *session, struct mw_slice reply, bool is_borrowed)
{
    if (is_borrowed)
        mw_queue_borrow(&session->to_client, reply);
    else
        mw_queue_add(&session->to_client, reply);
    session->client_since = session->now;
}

static struct mw_exchange *ring_at(struct mw_session *session, uint32_t i)
{
    return &session->ring[(session->ring_first + i) % session->ring_cap];
}

static struct mw_exchange *ring_push(struct mw_session *session, enum mw_verb verb)
{
    if (session->ring_count == session->ring_cap) {
        uint32_t cap = session->ring_cap ? session->ring_cap * 2 : 4;
        struct mw_exchange *ring = mw_xalloc(cap * sizeof *ring);
        for (uint32_t i = 0; i < session->ring_count; i++)
            ring[i] = *ring_at(session, i);
        free(session->ring);
        session->ring = ring;
        session->ring_first = 0;
        session->ring_cap = cap;
    }
    session->ring_count++;
    struct mw_exchange *exchange = ring_at(session, session->ring_count - 1);
    *exchange = (struct mw_exchange){.verb = (uint8_t)verb};
    return exchange;
}

static void ring_pop(struct mw_session *session)
{
    session->ring_first = (session->ring_first + 1) % session->ring_cap;
    session->ring_count--;
}

/* Hand out every ready reply at the front. */
static void ring_flush(struct mw_session *session)
{
    while (session->ring_count > 0 && ring_at(session, 0)->is_ready) {
        struct mw_exchange *exchange = ring_at(session, 0);
        to_client(session, MW_SLICE(exchange->reply, exchange->reply_len), false);
        free(exchange->reply);
        ring_pop(session);
    }
}

void mw_exchange_clear(struct mw_session *session)
{
    for (uint32_t i = 0; i < session->ring_count; i++)
        free(ring_at(session, i)->reply);
    free(session->ring);
    session->ring = NULL;
    session->ring_first = session->ring_count = session->ring_cap = 0;
}

void mw_answer(struct mw_session *session, struct mw_slice reply)
{
    if (session->ring_count == 0) {
        to_client(session, reply, false);
        return;
    }
    struct mw_exchange *exchange = ring_push(session, session->command.verb);
    exchange->is_ready = true;
    exchange->reply_len = (uint32_t)reply.len;
    exchange->reply = mw_xalloc(reply.len);
    memcpy(exchange->reply, reply.ptr, reply.len);
}

void mw_answer_own(struct mw_session *session, enum mw_reply_id reply)
{
    struct mw_buf text = {0};
    mw_reply_own(&text, reply);
    mw_answer(session, mw_buf_view(&text));
    mw_buf_fini(&text);
}

void mw_build_outcome(const struct mw_outcome *outcome, struct mw_buf *out)
{
    mw_reply_build(out, outcome->code, outcome->dsn, outcome->text);
}

static void refuse(struct mw_session *session, const char *stage, const struct mw_outcome *outcome,
                   bool ends_session)
{
    struct mw_buf reply = {0};
    mw_report_reject(session, stage, outcome);
    mw_build_outcome(outcome, &reply);
    if (ends_session)
        mw_session_finish_reply(session, mw_buf_view(&reply), MW_END_REFUSED);
    else
        mw_answer(session, mw_buf_view(&reply));
    mw_buf_fini(&reply);
}

void mw_refuse(struct mw_session *session, const char *stage, const struct mw_outcome *outcome)
{
    refuse(session, stage, outcome, outcome->verdict == MW_DISCONNECT);
}

void mw_refuse_session(struct mw_session *session, const char *stage,
                       const struct mw_outcome *outcome)
{
    refuse(session, stage, outcome, true);
}

void mw_forward(struct mw_session *session, struct mw_slice line, uint32_t index)
{
    enum mw_verb verb = session->command.verb;
    uint64_t wait = session->settings->upstream->reply_timeout_ms;
    if (verb == MW_VERB_QUIT && wait > MW_QUIT_TIMEOUT_MS)
        wait = MW_QUIT_TIMEOUT_MS;
    if (line.len > 0) {
        mw_queue_add(&session->to_upstream, line);
    } else {
        mw_queue_add(&session->to_upstream, session->command.line);
        mw_queue_add(&session->to_upstream, MW_LIT("\r\n"));
    }
    ring_push(session, verb);
    mw_expect_push(session, MW_EXPECT_SLOT, verb, index);
    session->upstream_deadline = session->now + wait;
}

void mw_exchange_open(struct mw_session *session, enum mw_verb verb)
{
    ring_push(session, verb);
}

void mw_exchange_answer(struct mw_session *session, struct mw_slice reply, bool is_borrowed)
{
    mw_assert(session->ring_count > 0 && !ring_at(session, 0)->is_ready);
    to_client(session, reply, is_borrowed);
    ring_pop(session);
    ring_flush(session);
}

void mw_exchange_answer_own(struct mw_session *session, enum mw_reply_id reply)
{
    struct mw_buf text = {0};
    mw_reply_own(&text, reply);
    mw_exchange_answer(session, mw_buf_view(&text), false);
    mw_buf_fini(&text);
}

/* ---- what the upstream owes ---- */

void mw_expect_push(struct mw_session *session, enum mw_expect_kind kind, enum mw_verb verb,
                    uint32_t index)
{
    struct mw_upstream *up = &session->up;
    if (up->expect_count == up->expect_cap) {
        uint32_t cap = up->expect_cap ? up->expect_cap * 2 : 4;
        struct mw_expect *expects = mw_xalloc(cap * sizeof *expects);
        for (uint32_t i = 0; i < up->expect_count; i++)
            expects[i] = up->expects[(up->expect_first + i) % up->expect_cap];
        free(up->expects);
        up->expects = expects;
        up->expect_first = 0;
        up->expect_cap = cap;
    }
    up->expects[(up->expect_first + up->expect_count++) % up->expect_cap] = (struct mw_expect){
        .kind = (uint8_t)kind, .verb = (uint8_t)verb, .index = index};
}

struct mw_expect mw_expect_pop(struct mw_session *session)
{
    struct mw_upstream *up = &session->up;
    mw_assert(up->expect_count > 0);
    struct mw_expect expect = up->expects[up->expect_first];
    up->expect_first = (up->expect_first + 1) % up->expect_cap;
    up->expect_count--;
    return expect;
}

void mw_expect_clear(struct mw_session *session)
{
    free(session->up.expects);
    session->up.expects = NULL;
    session->up.expect_first = session->up.expect_count = session->up.expect_cap = 0;
}
