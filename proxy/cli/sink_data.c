/* sink_data.c - content: taken off DATA's dots by the letter of RFC 5321 4.5.2, or counted by BDAT;
 * then stored and answered.
 *
 * The reader of dots is not smtp/dots.c on purpose: the sink is the witness of what the proxy
 * wrote, and a witness that uses the accused's own code sees what he sees. Nothing is normalised:
 * the only line end is CRLF, and every other octet is kept. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/sink_priv.h"

/* ---- the transaction's end ---- */

void sink_reset(struct sink_session *session)
{
    if (session->has_file)
        mw_maildir_abort(session->sink->maildir, &session->file);
    session->has_mail = session->has_file = session->is_too_big = session->has_failed = false;
    session->is_bdat = session->is_last_chunk = session->is_chunk_unwanted = false;
    session->unstuff = 0;
    session->size = session->chunk_left = 0;
    session->rcpt_count = 0;
    mw_buf_fini(&session->sender);
    mw_buf_fini(&session->rcpts);
}

/* ---- the lines on top ---- */

/* A peer's word inside a header line: no line end (it has none), no parenthesis that would end the
 * comment. */
static struct mw_slice tame(const char *text, char out[SINK_TEXT_MAX])
{
    size_t len = 0;
    for (; text[len] != '\0'; len++)
        out[len] = strchr("()\\", text[len]) != NULL ? '?' : text[len];
    return MW_SLICE(out, len);
}

static void put_received(struct sink_session *session, struct mw_buf *out)
{
    char text[SINK_TEXT_MAX], date[64];
    struct tm now;
    time_t seconds = time(NULL);
    const char *name = session->facts[FACT_NAME], *login = session->facts[FACT_LOGIN];
    mw_buf_put(out, MW_LIT("Received: from "));
    mw_buf_put(out, tame(session->facts[FACT_HELO], text));
    mw_buf_put(out, MW_LIT(" ("));
    mw_buf_put(out, tame(name[0] != '\0' ? name : "unknown", text));
    mw_buf_putf(out, " [%s]:%s)\r\n", session->facts[FACT_ADDR], session->facts[FACT_PORT]);
    if (login[0] != '\0') {
        mw_buf_put(out, MW_LIT("\t(authenticated as "));
        mw_buf_put(out, tame(login, text));
        mw_buf_put(out, MW_LIT(")\r\n"));
    }
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&seconds, &now));
    mw_buf_putf(out, "\tby %s (mailweir sink) with %s id %s;\r\n\t%s\r\n",
                session->sink->config.banner, session->is_esmtp ? "ESMTP" : "SMTP",
                session->file.name, date);
}

static void write_top(struct sink_session *session)
{
    struct mw_buf top = {0};
    mw_buf_put(&top, MW_LIT("Return-Path: <"));
    mw_buf_put(&top, mw_buf_view(&session->sender));
    mw_buf_put(&top, MW_LIT(">\r\n"));
    const char *rcpt = session->rcpts.ptr;
    for (uint32_t i = 0; i < session->rcpt_count; i++, rcpt += strlen(rcpt) + 1)
        mw_buf_putf(&top, "Delivered-To: %s\r\n", rcpt);
    put_received(session, &top);
    mw_maildir_write(&session->file, mw_buf_view(&top));
    mw_buf_fini(&top);
}

bool sink_begin_content(struct sink_session *session)
{
    struct mw_sink *sink = session->sink;
    session->size = 0;
    session->unstuff = 0;
    if (sink->maildir == NULL)
        return true;
    if (mw_maildir_begin(sink->maildir, !sink->config.is_raw, &session->file) != MW_OK) {
        sink_say(session, MW_REPLY_SPOOL_FAILED);
        return false;
    }
    session->has_file = true;
    if (!sink->config.is_raw)
        write_top(session);
    return true;
}

/* ---- the end of a message ---- */

static void acknowledge(struct sink_session *session, bool is_stored)
{
    char text[160];
    struct mw_sink *sink = session->sink;
    bool has_name = sink->maildir != NULL;
    if (!is_stored) {
        sink_note(session, "not stored: %s", strerror(session->file.error));
        sink_say(session, MW_REPLY_SPOOL_FAILED);
    } else {
        sink->messages++;
        snprintf(text, sizeof text, has_name ? "Ok: queued as %s" : "Ok: discarded",
                 session->file.name);
        sink_say_text(session, 250, "2.0.0", text);
        sink_note(session,
                  "message size=%llu nrcpt=%u from=<%.*s> to=<%s> client=%s[%s]:%s file=%s",
                  (unsigned long long)session->size, (unsigned)session->rcpt_count,
                  (int)session->sender.len, session->sender.ptr != NULL ? session->sender.ptr : "",
                  session->rcpts.ptr, session->facts[FACT_NAME], session->facts[FACT_ADDR],
                  session->facts[FACT_PORT], has_name ? session->file.name : "-");
    }
    sink_reset(session);
}

/* Runs in libuv's pool: touches the session's file and result only. */
static void store(uv_work_t *work)
{
    struct sink_session *session = work->data;
    session->stored = mw_maildir_commit(session->sink->maildir, &session->file, false);
}

static void on_stored(uv_work_t *work, int status)
{
    struct sink_session *session = work->data;
    acknowledge(session, status == 0 && session->stored == MW_OK);
    session->waits--;
    sink_resume(session);
    sink_release(session);
}

/* RFC 5321 4.1.1.4: the reply says that the message is stored, so it comes when it is. */
static void finish_message(struct sink_session *session)
{
    struct mw_sink *sink = session->sink;
    session->mode = MODE_COMMAND;
    if (!sink_passes(session, MW_SINK_EOD, MW_EMPTY)) {
        sink_reset(session);
    } else if (session->is_too_big) {
        sink_say(session, MW_REPLY_TOO_BIG);
        sink_reset(session);
    } else if (!session->has_file) {
        acknowledge(session, true);
    } else if (sink->config.has_no_fsync) {
        session->has_file = false; /* commit closes it */
        acknowledge(session, mw_maildir_commit(sink->maildir, &session->file, true) == MW_OK);
    } else {
        session->has_file = false;
        session->waits++;
        session->refs++;
        int err = uv_queue_work(sink->net->loop, &session->work, store, on_stored);
        mw_assert(err == 0);
    }
}

/* ---- content ---- */

static void take_content(struct sink_session *session, const char *begin, const char *end)
{
    struct mw_slice octets = MW_SLICE(begin, (size_t)(end - begin));
    session->size += octets.len;
    if (session->size > session->sink->config.max_size && !session->is_too_big) {
        session->is_too_big = true;
        if (session->has_file)
            mw_maildir_abort(session->sink->maildir, &session->file);
        session->has_file = false;
    }
    if (session->has_file && octets.len > 0)
        mw_maildir_write(&session->file, octets);
}

enum { AT_START = 0, AT_DOT, AT_DOT_CR, INSIDE, AT_CR };

/* What follows this octet at this place, but for the two cases that sink_take_data decides. */
static uint8_t next_place(char c)
{
    return c == '\r' ? AT_CR : INSIDE;
}

size_t sink_take_data(struct sink_session *session, struct mw_slice in)
{
    const char *at = in.ptr, *end = in.ptr + in.len,
               *begin = at; /* begin: of what is not stored yet */
    while (at < end) {
        char c = *at;
        switch (session->unstuff) {
        case AT_START:
            if (c == '.') {
                take_content(session, begin, at);
                begin = at + 1; /* RFC 5321 4.5.2: the first dot of a line is not content */
                session->unstuff = AT_DOT;
            } else {
                session->unstuff = next_place(c);
            }
            break;
        case AT_DOT:
            session->unstuff = c == '\r' ? AT_DOT_CR : INSIDE;
            if (c == '\r')
                begin = at + 1;
            break;
        case AT_DOT_CR:
            if (c == '\n') {
                session->unstuff = AT_START;
                finish_message(session);
                return (size_t)(at + 1 - in.ptr);
            }
            take_content(session, "\r", &"\r"[1]); /* held back: it was content */
            session->unstuff = next_place(c);
            break;
        case AT_CR:
            session->unstuff = c == '\n' ? AT_START : next_place(c);
            break;
        case INSIDE:
        default: {
            const char *cr = memchr(at, '\r', (size_t)(end - at));
            at = cr != NULL ? cr : end - 1;
            session->unstuff = cr != NULL ? AT_CR : INSIDE;
            break;
        }
        }
        at++;
    }
    take_content(session, begin, end);
    return in.len;
}

void sink_finish_chunk(struct sink_session *session)
{
    char text[80];
    session->mode = MODE_COMMAND;
    if (session->is_chunk_unwanted) {
        session->is_chunk_unwanted = false; /* its reply is given */
        return;
    }
    if (session->is_last_chunk) {
        finish_message(session);
        return;
    }
    snprintf(text, sizeof text, "%llu octets received", (unsigned long long)session->size);
    if (sink_passes(session, MW_SINK_BDAT, MW_EMPTY))
        sink_say_text(session, 250, "2.0.0", text);
    else
        sink_reset(session);
}

size_t sink_take_chunk(struct sink_session *session, struct mw_slice in)
{
    size_t used = in.len < session->chunk_left ? in.len : (size_t)session->chunk_left;
    if (!session->is_chunk_unwanted)
        take_content(session, in.ptr, in.ptr + used);
    session->chunk_left -= used;
    if (session->chunk_left == 0)
        sink_finish_chunk(session);
    return used;
}
