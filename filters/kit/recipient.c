/* recipient.c - see recipient.h. */
#include "recipient.h"

#include "domain.h"

bool recipients_have(const struct recipients *recipients, const struct mw_path_view *rcpt)
{
    char normal[DOMAIN_MAX + 1];
    size_t len = recipients->count > 0 ? domain_normalize(rcpt->domain, normal) : 0;
    for (size_t i = 0; i < recipients->count; i++) {
        const struct recipient *one = &recipients->list[i];
        if ((one->local.len == 0 || text_ieq(one->local, rcpt->local)) &&
            (one->domain.len == 0 || text_eq(one->domain, SLICE(normal, len))))
            return true;
    }
    return false;
}

bool recipient_is_wanted(const struct mw_path_view *rcpt)
{
    return rcpt->status == MW_RCPT_PENDING || rcpt->status == MW_RCPT_ACCEPTED ||
           rcpt->status == MW_RCPT_ADDED;
}
