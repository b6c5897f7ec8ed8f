/* spf_fake.h - a host for the SPF filter (fake_host.h): settings from a text, its hooks called as the host calls them, and a DNS whose answers come when
 * the test says so. A clock that moves only when the test says so. */
#ifndef SPF_FAKE_H
#define SPF_FAKE_H

#include "fake_host.h"
#include "judge.h"

/* A block of settings, a directive a line; file "spf.conf", counted from line 1. NULL: an error, instance->diags has it. */
struct spf *fake_open(struct mw_instance *instance, const char *text);

void fake_init(struct mw_ctx *ctx, struct mw_instance *instance, struct spf *spf, const char *zone);
void fake_fini(struct mw_ctx *ctx); /* session_close, and everything is freed */
/* All at once: a block, and a session of mail.example.net [192.0.2.66]. False: the block is not good (stderr says why). */
bool fake_begin(struct mw_ctx *ctx, struct mw_instance *instance, const char *block,
                const char *zone);
void fake_end(struct mw_ctx *ctx);
void fake_client(struct mw_ctx *ctx, const char *ip, const char *helo);
/* A transaction: what was told before is forgotten, counters are not. */
enum mw_verdict fake_mail(struct mw_ctx *ctx, const char *sender);
/* Another recipient; all questions are answered and timers rung until there is a verdict. */
enum mw_verdict fake_rcpt(struct mw_ctx *ctx, const char *address);
enum mw_verdict fake_stage(struct mw_ctx *ctx, enum mw_stage stage);
/* Hand out what can be answered. True: something was. */
bool fake_answer(struct mw_ctx *ctx);
/* Let time pass; timers ring. */
void fake_wait(struct mw_ctx *ctx, uint64_t ms);
size_t fake_open_questions(const struct mw_ctx *ctx);

#endif
