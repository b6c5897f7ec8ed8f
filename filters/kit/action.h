/* action.h - what a filter that judges senders can do with a message: the words of its settings, and the acts.
 *
 *   pass        nothing: no field of its own, no result
 *   add-header  its result in Authentication-Results, where programs behind us look for it
 *   tag         the same, and a field "X-Mailweir-Tag: spf=softfail" that people's own filters can sort by
 *   quarantine  the same, and delivery to another address instead (as `quarantine` of rule files does: X-Mailweir-Quarantine says why,
 *               X-Mailweir-Recipient for whom it was)
 *   defer, reject   4xx, 5xx */
#ifndef FILTERS_KIT_ACTION_H
#define FILTERS_KIT_ACTION_H

#include "recipient.h"
#include "text.h"

enum action {
    ACTION_PASS = 0,
    ACTION_ADD_HEADER,
    ACTION_TAG,
    ACTION_QUARANTINE,
    ACTION_DEFER,
    ACTION_REJECT,
    ACTION_COUNT
};

/* False: no such word. */
bool action_parse(struct mw_slice word, enum action *out);
const char *action_name(enum action action);
/* "pass, add-header, tag, quarantine, defer or reject", for diagnostics. */
extern const char action_words[];

/* An action, and the setting that says so: "conf.d/30-filters.conf:12"; empty: none does. */
struct choice {
    enum action action;
    struct mw_slice where;
};

/* What a client is told with ACTION_DEFER or ACTION_REJECT. `dsn`: the enhanced code (RFC 3463). */
struct reply {
    uint32_t code;
    const char *dsn;
    struct mw_slice text;
};
/* Says it; returns what the hook answers: MW_REJECT, or MW_TEMPFAIL for any other action. */
enum mw_verdict action_refuse(const struct mw_host *host, struct mw_ctx *ctx, enum action action,
                              const struct reply *reply);

/* At data, end_of_headers or end_of_message. `why`: "spf=softfail". False: the host refused (it logs why). */
bool action_tag(const struct mw_host *host, struct mw_ctx *ctx, struct mw_slice why);
/* At data or end_of_message (where the message streams, the envelope is final behind data). All wanted recipients are taken off, `address`
 * put in their place; those in `spared` (NULL: nobody is) keep their mail as it is, and then the fields are left out, for they would read
 * them. Calling it again in a transaction that is quarantined already adds nothing. */
bool action_quarantine(const struct mw_host *host, struct mw_ctx *ctx, struct mw_slice address,
                       struct mw_slice why, const struct recipients *spared);
/* At end_of_message: the edits of `action`, tag or quarantine; others have none. False: a quarantine that the host refused; the message must not
 * go to where it was addressed. */
bool action_edit(const struct mw_host *host, struct mw_ctx *ctx, enum action action,
                 struct mw_slice address, struct mw_slice why);
/* At end_of_headers, in a transaction that was quarantined at data, before the header had come: what the message brought along under the names
 * of those fields goes. At end_of_message action_quarantine() does it. */
void action_clean(const struct mw_host *host, struct mw_ctx *ctx);

#endif
