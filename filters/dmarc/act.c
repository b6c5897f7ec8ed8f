/* act.c - see act.h. */
#include "act.h"

#include "report.h"

/* ---- skip-recipients ---- */

/* The next recipient from *index on who wants the message still; false: there is none. */
static bool next_wanted(const struct lookup *lookup, size_t *index, struct mw_path_view *out)
{
    const struct mw_host *host = lookup->dmarc->host;
    for (; *index < host->rcpt_count(lookup->ctx); ++*index) {
        *out = (struct mw_path_view){.size = sizeof *out};
        if (host->rcpt(lookup->ctx, *index, out) && recipient_is_wanted(out))
            return true;
    }
    return false;
}

struct decision act_spare(struct lookup *lookup, struct decision decision)
{
    const struct dmarc *dmarc = lookup->dmarc;
    const struct recipients *skips = &dmarc->settings.skip_recipients;
    struct mw_path_view rcpt;
    size_t spared = 0, others = 0;
    if (decision.action < ACTION_QUARANTINE && decision.would < ACTION_QUARANTINE)
        return decision;
    for (size_t i = 0; skips->count > 0 && next_wanted(lookup, &i, &rcpt); i++) {
        bool is_skipped = recipients_have(skips, &rcpt);
        spared += is_skipped;
        others += !is_skipped;
    }
    if (spared == 0)
        return decision;
    report_count(lookup->ctx, dmarc, TALLY_SKIPPED_RECIPIENT, spared);
    lookup->is_partial = others > 0;
    return others > 0 ? decision : policy_spare(&dmarc->settings, decision);
}

/* ---- acts ---- */

/* What the client hears in the end is the listener's `mixed-verdict`. This filter is loaded by hosts alone that know rcpt_verdict(). */
static enum mw_verdict refuse_others(struct lookup *lookup, const struct decision *decision,
                                     const struct reply *reply)
{
    const struct dmarc *dmarc = lookup->dmarc;
    const struct mw_host *host = dmarc->host;
    struct mw_path_view rcpt;
    bool is_good = true;
    for (size_t i = 0; next_wanted(lookup, &i, &rcpt); i++) {
        if (recipients_have(&dmarc->settings.skip_recipients, &rcpt))
            continue;
        enum mw_verdict verdict = action_refuse(host, lookup->ctx, decision->action, reply);
        report_because(lookup, decision);
        is_good &= host->rcpt_verdict(lookup->ctx, i, verdict) != 0;
    }
    return is_good ? MW_CONTINUE : MW_ERROR;
}

static enum mw_verdict refuse(struct lookup *lookup, const struct decision *decision)
{
    char text[POLICY_REPLY_MAX];
    struct reply reply = policy_reply(&lookup->judgement, decision->action, lookup->both_failed,
                                      text);
    bool is_deferred = decision->action == ACTION_DEFER;
    report_count(lookup->ctx, lookup->dmarc, is_deferred ? TALLY_DEFERRED : TALLY_REJECTED, 1);
    if (lookup->is_partial)
        return refuse_others(lookup, decision, &reply);
    enum mw_verdict verdict = action_refuse(lookup->dmarc->host, lookup->ctx, decision->action,
                                            &reply);
    report_because(lookup, decision);
    return verdict;
}

enum mw_verdict act(struct lookup *lookup, const struct decision *decision)
{
    struct dmarc *dmarc = lookup->dmarc;
    struct settings *settings = &dmarc->settings;
    char text[40];
    struct mw_slice why = report_tag(&lookup->judgement, text);
    switch (decision->action) {
    case ACTION_DEFER:
    case ACTION_REJECT:
        return refuse(lookup, decision);
    case ACTION_QUARANTINE:
        /* where it fails, the message must not go to those for whom it was not meant any more */
        if (!action_quarantine(dmarc->host, lookup->ctx, settings->quarantine_address, why,
                               &settings->skip_recipients))
            return MW_ERROR;
        break;
    case ACTION_TAG:
        action_tag(dmarc->host, lookup->ctx, why);
        break;
    case ACTION_PASS:
    case ACTION_ADD_HEADER:
    case ACTION_COUNT:
        return MW_CONTINUE;
    }
    report_edited(lookup, decision);
    return MW_CONTINUE;
}
