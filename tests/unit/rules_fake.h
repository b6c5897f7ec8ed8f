/* rules_fake.h - a host for the rule engine (fake_host.h): rules from a text, the content of the message in its arrays, and a loop that runs
 * until nothing waits any more, with a clock that jumps to what is next. */
#ifndef RULES_FAKE_H
#define RULES_FAKE_H

#include <mailweir/content.h>

#include "fake_host.h"
#include "load.h"
#include "parse.h"

/* Load rules from a text; NULL if there was an error (fake->diags has all problems). */
struct rules *fake_load(struct mw_instance *instance, const char *text);
/* All problems without the name of the file in front. Static until the next call. */
const char *fake_problems(const struct mw_instance *instance);
void fake_unload(struct mw_instance *instance, struct rules *rules);

/* Run what was given to the pool and what timers wait for, until there is nothing more. */
void fake_loop(struct mw_ctx *ctx);
/* The client has gone: what waits is told so. */
void fake_cancel(struct mw_ctx *ctx);
/* All at once: rules, and a session of mail.example.net [192.0.2.1]. NULL: the text is not good (stderr says why). */
struct rules *fake_begin(struct mw_ctx *ctx, struct mw_instance *instance, const char *text);
void fake_end(struct mw_ctx *ctx);
/* A transaction begins; the hook is not called. */
void fake_mail(struct mw_ctx *ctx, const char *sender);
/* RCPT as the host does it: the verdict becomes the recipient's status. */
enum mw_verdict fake_rcpt(struct mw_ctx *ctx, const char *address);
/* A session. fake_ctx_fini frees it. */
void fake_ctx_init(struct mw_ctx *ctx, struct mw_instance *instance, void *state);
void fake_ctx_fini(struct mw_ctx *ctx);
/* Ends the transaction: slot and memory are gone. */
void fake_reset(struct mw_ctx *ctx);
/* The first field's value, or NULL. */
const char *fake_header_value(struct mw_ctx *ctx, const char *name);

#endif
