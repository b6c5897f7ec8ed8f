/* chain_play.c - see chain_play.h. */
#include "chain_play.h"

#define SHARED_PLAY(name) enum mw_verdict name(PLAY_ARGS)

struct kit kit;
play_fn *play[4];
char said[1024];

enum mw_verdict play_dispatch(PLAY_ARGS)
{
    const char *name = host->state(ctx);
    size_t len = strlen(said);
    snprintf(said + len, sizeof said - len, "%s%s:%s", len > 0 ? " " : "", name,
             mw_stage_name(stage));
    play_fn *fn = play[name[0] - 'a'];
    return fn == NULL ? MW_CONTINUE : fn(host, ctx, stage, index, a, b);
}

bool begin_with(const char *conf, const char *members, script_open_fn *open)
{
    memset(play, 0, sizeof play);
    said[0] = '\0';
    kit_script(play_dispatch, open, NULL);
    return kit_open(&kit, conf, members);
}

bool begin(const char *members)
{
    return begin_with(A B C, members, NULL);
}

SHARED_PLAY(rejects_plainly)
{
    UNUSED;
    return MW_REJECT;
}
SHARED_PLAY(rejects_with_reply)
{
    UNUSED;
    host->reply(ctx, 554, MW_LIT("5.7.26"), MW_LIT("No\nreally not"));
    host->because(ctx, MW_LIT("rule-7"), MW_LIT("x.rules:12"), MW_LIT("private"));
    return MW_REJECT;
}
SHARED_PLAY(tempfails)
{
    UNUSED;
    return MW_TEMPFAIL;
}
SHARED_PLAY(accepts)
{
    UNUSED;
    return MW_ACCEPT;
}
SHARED_PLAY(discards)
{
    UNUSED;
    return MW_DISCARD;
}
SHARED_PLAY(disconnects)
{
    UNUSED;
    return MW_DISCONNECT;
}
SHARED_PLAY(fails)
{
    UNUSED;
    return MW_ERROR;
}
SHARED_PLAY(skips)
{
    UNUSED;
    return MW_SKIP;
}

struct mw_ticket *ticket;
struct mw_ctx *waiting_ctx;
int cancelled_count;
const struct mw_host *the_host;

void play_cancelled(void *user)
{
    cancelled_count += user == &cancelled_count;
}
SHARED_PLAY(waits)
{
    UNUSED;
    ticket = host->park(ctx, play_cancelled, &cancelled_count);
    waiting_ctx = ctx;
    the_host = host;
    return MW_WAIT;
}

void reset_wait(void)
{
    ticket = NULL;
    cancelled_count = 0;
}
