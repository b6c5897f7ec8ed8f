/* chain_play.h - filters for tests of the run, written as small functions right in the test
 * (script.so calls them).
 *
 * `play[NAME - 'a']` is what the filter of that name does; NULL: no opinion. `said` collects who
 * was asked what. */
#ifndef MW_TEST_CHAIN_PLAY_H
#define MW_TEST_CHAIN_PLAY_H

#include "chain/chain_priv.h"
#include "chain_kit.h"

typedef script_fn play_fn;

extern struct kit kit;
extern play_fn *play[4]; /* of filters a, b, c, d */
extern char said[1024];  /* "a:mail b:mail ..." */

#define A "filter a {\n module script\n deadline 10s\n}\n"
#define B "filter b {\n module script\n deadline 10s\n}\n"
#define C "filter c {\n module script\n deadline 10s\n}\n"
#define ON_ERROR(how) "filter a {\n module script\n deadline 10s\n on-error " how "\n}\n" B

/* What script.so calls: hands on to play[]. */
script_fn play_dispatch;
/* A session on these filters begins; begin() has A, B and C. */
bool begin_with(const char *conf, const char *members, script_open_fn *open);
bool begin(const char *members);

#define CHECK_SAID(want)                     \
    do {                                     \
        CHECK_MEM(said, strlen(said), want); \
        said[0] = '\0';                      \
    } while (0)
#define CHECK_OUTCOME(want_verdict, want_code, want_by) \
    do {                                                \
        CHECK_INT(kit.outcome.verdict, want_verdict);   \
        CHECK_INT(kit.outcome.code, want_code);         \
        CHECK_SLICE(kit.outcome.by, want_by);           \
    } while (0)

/* ---- little filters ---- */

#define PLAY_ARGS                                                                      \
    const struct mw_host *host, struct mw_ctx *ctx, enum mw_stage stage, size_t index, \
        struct mw_slice a, struct mw_slice b
#define PLAY(name) static enum mw_verdict name(PLAY_ARGS)
#define UNUSED (void)host, (void)ctx, (void)stage, (void)index, (void)a, (void)b

play_fn rejects_plainly, rejects_with_reply, tempfails, accepts;
play_fn discards, disconnects, fails, skips, waits;

/* `waits` parks, leaves its ticket here, and notes cancellations. */
extern struct mw_ticket *ticket;
extern struct mw_ctx *waiting_ctx;
extern int cancelled_count;
extern const struct mw_host *the_host;
void play_cancelled(void *user);
void reset_wait(void);

#endif
