/* answers.c - see answers.h. A few dozen entries: they are searched one by one. */
#include "answers.h"

#include <stddef.h>

#define PREFIX LIT("_dmarc.")

static struct answer *find(struct answers *answers, struct mw_slice domain, enum mw_dns_kind kind)
{
    for (size_t i = 0; i < answers->count; i++)
        if (answers->list[i].kind == kind && text_eq(answers->list[i].domain, domain))
            return &answers->list[i];
    return NULL;
}

static struct answer *add(struct answers *answers, struct mw_slice prefix, struct mw_slice domain,
                          enum mw_dns_kind kind)
{
    if (answers->count == ANSWERS_MAX || domain.len > DOMAIN_MAX) {
        answers->is_full = true;
        return NULL;
    }
    struct answer *answer = &answers->list[answers->count++];
    *answer = (struct answer){.kind = kind};
    bool fits = prefix.len + domain.len <= DOMAIN_MAX;
    struct builder name = {.ptr = answer->name, .cap = DOMAIN_MAX};
    builder_put(&name, fits ? prefix : EMPTY);
    builder_put(&name, domain);
    answer->name_len = name.len;
    answer->domain = SLICE(answer->name + (name.len - domain.len), domain.len);
    if (!fits)
        answer->state = ANSWER_NOTHING; /* there can be no such name */
    return answer;
}

struct answer *answers_record(struct answers *answers, struct mw_slice domain)
{
    struct answer *answer = find(answers, domain, MW_DNS_STRINGS);
    return answer != NULL ? answer : add(answers, PREFIX, domain, MW_DNS_STRINGS);
}

struct answer *answers_any(struct answers *answers, struct mw_slice domain, enum mw_dns_kind kind)
{
    struct answer *answer = find(answers, domain, kind);
    return answer != NULL ? answer : add(answers, EMPTY, domain, kind);
}

static void put_record(struct answer *answer, const struct mw_dns_answer *dns)
{
    enum record_found found = record_select(dns->values, dns->count, &answer->record);
    answer->state = found == RECORD_ONE ? ANSWER_FOUND : ANSWER_NOTHING;
    answer->is_several = found == RECORD_SEVERAL;
}

static bool is_missing(const struct mw_dns_answer *dns)
{
    return dns->size >= offsetof(struct mw_dns_answer, is_missing) + sizeof dns->is_missing &&
           dns->is_missing != 0;
}

static void put_nothing(struct answer *answer, const struct mw_dns_answer *dns)
{
    answer->state = ANSWER_NOTHING;
    answer->is_missing = is_missing(dns);
    answer->is_bare = !answer->is_missing;
}

void answer_put(struct answer *answer, const struct mw_dns_answer *dns)
{
    if (dns == NULL || dns->outcome == MW_DNS_FAILURE)
        answer->state = ANSWER_FAILED;
    else if (dns->outcome == MW_DNS_NOTHING)
        put_nothing(answer, dns);
    else if (answer->kind == MW_DNS_STRINGS)
        put_record(answer, dns);
    else
        answer->state = ANSWER_FOUND;
}
