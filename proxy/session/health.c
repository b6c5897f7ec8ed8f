/* health.c - see health.h. */
#include "session/health.h"

#include "smtp/command.h"
#include "smtp/line.h"
#include "smtp/replies.h"
#include "smtp/reply.h"

enum { COMMANDS_MAX = 20, LINE_MAX_HERE = 512 };

static void say(struct mw_queue *out, uint16_t code, struct mw_slice dsn, struct mw_slice text)
{
    struct mw_buf reply = {0};
    mw_reply_build(&reply, code, dsn, text);
    mw_queue_add(out, mw_buf_view(&reply));
    mw_buf_fini(&reply);
}

static void say_own(struct mw_queue *out, enum mw_reply_id id)
{
    struct mw_buf reply = {0};
    mw_reply_own(&reply, id);
    mw_queue_add(out, mw_buf_view(&reply));
    mw_buf_fini(&reply);
}

void mw_health_start(struct mw_health *health, struct mw_slice hostname, bool is_draining,
                     struct mw_queue *out)
{
    *health = (struct mw_health){.in = MW_BUF_INIT(2 * LINE_MAX_HERE)};
    if (is_draining) {
        say_own(out, MW_REPLY_SHUTTING_DOWN);
        health->is_over = true;
        return;
    }
    struct mw_buf text = {0};
    mw_buf_putf(&text, "%.*s ESMTP", (int)hostname.len, hostname.ptr);
    say(out, 220, MW_EMPTY, mw_buf_view(&text));
    mw_buf_fini(&text);
}

static void answer(struct mw_health *health, struct mw_slice hostname, struct mw_slice line,
                   struct mw_queue *out)
{
    struct mw_command command;
    mw_command_parse(line, &command);
    if (command.verb == MW_VERB_EHLO || command.verb == MW_VERB_HELO) {
        say(out, 250, MW_EMPTY, hostname);
    } else if (command.verb == MW_VERB_NOOP || command.verb == MW_VERB_RSET) {
        say_own(out, MW_REPLY_OK);
    } else if (command.verb == MW_VERB_QUIT) {
        say_own(out, MW_REPLY_BYE);
        health->is_over = true;
    } else {
        say_own(out, MW_REPLY_NOT_OFFERED);
    }
}

void mw_health_data(struct mw_health *health, struct mw_slice hostname, struct mw_slice octets,
                    struct mw_queue *out)
{
    if (health->is_over || mw_buf_add(&health->in, octets) != MW_OK) {
        health->is_over = true;
        return;
    }
    while (!health->is_over) {
        struct mw_line line = mw_line_next(mw_buf_view(&health->in), LINE_MAX_HERE);
        if (line.kind == MW_LINE_NONE)
            return;
        if (line.kind != MW_LINE_OK || ++health->commands > COMMANDS_MAX) {
            say_own(out, MW_REPLY_TOO_MANY_ERRORS);
            health->is_over = true;
            return;
        }
        answer(health, hostname, line.text, out);
        mw_buf_consume(&health->in, line.used);
    }
}

void mw_health_fini(struct mw_health *health)
{
    mw_buf_fini(&health->in);
}
