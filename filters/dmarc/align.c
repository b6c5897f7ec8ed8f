/* align.c - see align.h.
 *
 * An organizational domain is always the domain itself or one above it. So an identifier that is not at or below the organization of the
 * author cannot be aligned, and no question is asked about it: what a stranger signs with costs nothing. */
#include "align.h"

#include <stdio.h>

const char *dmarc_result_name(enum dmarc_result result)
{
    static const char *const names[DMARC_RESULTS] = {"none", "pass", "fail", "temperror",
                                                     "permerror"};
    return names[result];
}

void identifiers_add(struct identifiers *identifiers, enum method method, struct mw_slice domain,
                     bool is_open)
{
    struct identifier identifier = {.method = method, .is_open = is_open};
    size_t len = domain_normalize(domain, identifier.octets);
    if (len == 0 || identifiers->count == IDENTIFIERS_MAX)
        return;
    for (size_t i = 0; i < identifiers->count; i++) {
        const struct identifier *other = &identifiers->list[i];
        if (other->method == method && other->is_open == is_open &&
            text_eq(other->domain, SLICE(identifier.octets, len)))
            return;
    }
    struct identifier *added = &identifiers->list[identifiers->count++];
    *added = identifier;
    added->domain = SLICE(added->octets, len);
}

/* ---- one author ---- */

#define SHOW(slice) (int)(slice).len, (slice).ptr

static void tell(struct judgement *out, const char *what, struct mw_slice domain)
{
    if (out->problem[0] == '\0')
        snprintf(out->problem, sizeof out->problem, "%s%.*s", what, SHOW(domain));
}

static void tell_record(struct judgement *out, const struct walk *walk)
{
    if (out->problem[0] == '\0' && walk->record->problem != NULL)
        snprintf(out->problem, sizeof out->problem, "%s in the record at _dmarc.%.*s",
                 walk->record->problem, SHOW(walk->record_domain));
}

static void tell_failure(const struct answers *answers, struct judgement *out)
{
    for (size_t i = 0; i < answers->count; i++) {
        const struct answer *answer = &answers->list[i];
        if (answer->state == ANSWER_FAILED)
            tell(out, "no answer for ", SLICE(answer->name, answer->name_len));
    }
    if (answers->is_full)
        tell(out, "more questions than are allowed", EMPTY);
}

enum fit { FIT_NO = 0, FIT_YES, FIT_WAITS, FIT_UNKNOWN };

/* Is `domain` of the author's organization? That is empty where its walk failed: then at least the top label has to be the same. */
static enum fit fits(struct answers *answers, struct mw_slice domain,
                     const struct judgement *author, bool is_strict)
{
    if (text_eq(domain, author->domain))
        return FIT_YES;
    struct mw_slice top = author->organization;
    if (top.len == 0)
        top = domain_parent(author->domain, domain_labels(author->domain) - 1);
    if (is_strict || !domain_is_below(domain, top))
        return FIT_NO;
    if (author->organization.len == 0)
        return FIT_UNKNOWN;
    struct walk walk;
    switch (walk_run(answers, domain, &walk)) {
    case WALK_WAITS:
        return FIT_WAITS;
    case WALK_FAILED:
        return FIT_UNKNOWN;
    case WALK_DONE:
        break;
    }
    return text_eq(walk.organization, author->organization) ? FIT_YES : FIT_NO;
}

static bool is_strict(const struct dmarc_record *record, enum method method)
{
    return method == METHOD_SPF ? record->is_spf_strict : record->is_dkim_strict;
}

/* Those that need no walk come first: a method that is aligned already asks no more questions. */
static void align_same(const struct identifiers *identifiers, struct judgement *out)
{
    for (size_t i = 0; i < identifiers->count; i++) {
        const struct identifier *identifier = &identifiers->list[i];
        if (!identifier->is_open && text_eq(identifier->domain, out->domain))
            out->is_aligned[identifier->method] = true;
    }
}

/* RFC 9989 5.3.4, 5.3.5. False: it has to wait. `record` is the one that is applied. */
static bool align(struct answers *answers, const struct identifiers *identifiers,
                  const struct dmarc_record *record, struct judgement *out)
{
    static const char *const lookups[METHOD_COUNT] = {"SPF's lookups failed for ",
                                                      "DKIM's lookups failed for "};
    bool waits = false, is_open = false;
    align_same(identifiers, out);
    for (size_t i = 0; i < identifiers->count; i++) {
        const struct identifier *identifier = &identifiers->list[i];
        if (out->is_aligned[identifier->method])
            continue;
        enum fit fit = fits(answers, identifier->domain, out,
                            is_strict(record, identifier->method));
        waits |= fit == FIT_WAITS;
        is_open |= fit == FIT_UNKNOWN || (fit == FIT_YES && identifier->is_open);
        if (fit == FIT_YES && !identifier->is_open)
            out->is_aligned[identifier->method] = true;
        else if (fit == FIT_YES)
            tell(out, lookups[identifier->method], identifier->domain);
    }
    if (waits)
        return false;
    for (int method = 0; method < METHOD_COUNT; method++)
        if (identifiers->is_open[method]) {
            is_open = true;
            tell(out, lookups[method], LIT("this message"));
        }
    if (out->is_aligned[METHOD_SPF] || out->is_aligned[METHOD_DKIM])
        out->result = DMARC_PASS;
    else
        out->result = is_open ? DMARC_TEMPERROR : DMARC_FAIL;
    return true;
}

/* ---- does it exist? ---- */

enum existence { EXISTENCE_YES = 0, EXISTENCE_NO, EXISTENCE_UNKNOWN, EXISTENCE_WAITS };

/* An answer of any kind may tell of the name: true if it does. *out is left alone if the name is there and bare. */
static bool tells(const struct answer *answer, enum existence *out)
{
    if (answer == NULL || answer->state == ANSWER_FAILED)
        *out = EXISTENCE_UNKNOWN;
    else if (answer_waits(answer))
        *out = EXISTENCE_WAITS;
    else if (answer->state == ANSWER_FOUND)
        *out = EXISTENCE_YES;
    else if (answer->is_missing)
        *out = EXISTENCE_NO;
    else
        return false;
    return *out == EXISTENCE_YES || *out == EXISTENCE_NO;
}

/* Has it what mail and its senders have? The first answer that tells of the name decides. */
static enum existence find_mail(struct answers *answers, struct mw_slice domain)
{
    static const enum mw_dns_kind kinds[] = {MW_DNS_ADDRESS4, MW_DNS_ADDRESS6,
                                             MW_DNS_MAIL_EXCHANGER};
    enum existence all = EXISTENCE_NO;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        enum existence one = EXISTENCE_NO;
        if (tells(answers_any(answers, domain, kinds[i]), &one))
            return one;
        all = one > all ? one : all;
    }
    return all;
}

/* RFC 9989 3.2.13: NXDOMAIN, which one question brings (RFC 8020). But servers that sign with RFC 9824 answer every name with "no such record":
 * np= would never apply in their zones. Where the name and "_dmarc." in front of it are both said to be there and bare, it may be such a server;
 * then a name is missing that has nothing mail needs (RFC 9091 had it so for all). */
static enum existence find_existence(struct answers *answers, struct mw_slice domain)
{
    enum existence found = EXISTENCE_NO;
    const struct answer *record = answers_record(answers, domain);
    if (tells(answers_any(answers, domain, MW_DNS_ADDRESS4), &found) || found == EXISTENCE_WAITS)
        return found;
    if (found == EXISTENCE_NO && (record == NULL || !record->is_bare))
        return EXISTENCE_YES;
    return find_mail(answers, domain);
}

/* Only where it makes a difference. */
static bool find_subject(struct answers *answers, struct mw_slice domain, const struct walk *walk,
                         enum subject *out)
{
    const struct dmarc_record *record = walk->record;
    *out = text_eq(walk->record_domain, domain) ? SUBJECT_ITSELF : SUBJECT_BELOW;
    if (*out == SUBJECT_ITSELF || record->np == record->sp)
        return true;
    enum existence existence = find_existence(answers, domain);
    if (existence == EXISTENCE_NO || (existence == EXISTENCE_UNKNOWN && record->np < record->sp))
        *out = SUBJECT_MISSING; /* not known: the milder one */
    return existence != EXISTENCE_WAITS;
}

/* The author's walk failed. What is certain all the same: its own record, and what does not need an organization. */
static bool judge_by_own_record(struct answers *answers, const struct identifiers *identifiers,
                                struct judgement *out)
{
    const struct answer *own = answers_record(answers, out->domain);
    if (own == NULL || own->state != ANSWER_FOUND) {
        out->result = DMARC_TEMPERROR;
        return true;
    }
    out->record_domain = out->domain;
    out->policy = record_policy(&own->record, SUBJECT_ITSELF);
    if (!own->record.is_usable) {
        out->result = DMARC_PERMERROR;
        return true;
    }
    return identifiers != NULL && align(answers, identifiers, &own->record, out);
}

static bool judge_by_walk(struct answers *answers, const struct identifiers *identifiers,
                          const struct walk *walk, struct judgement *out)
{
    out->organization = walk->organization;
    if (walk->has_several)
        tell(out, "more than one record on the way up from _dmarc.", out->domain);
    if (walk->record == NULL) {
        out->result = DMARC_NONE;
        return true;
    }
    out->record_domain = domain_parent(out->domain, domain_labels(out->domain) -
                                                        domain_labels(walk->record_domain));
    tell_record(out, walk);
    if (!walk->record->is_usable) {
        out->result = DMARC_PERMERROR;
        return true;
    }
    enum subject subject;
    if (!find_subject(answers, out->domain, walk, &subject))
        return false;
    out->policy = record_policy(walk->record, subject);
    return identifiers != NULL && align(answers, identifiers, walk->record, out);
}

static bool judge_author(struct answers *answers, struct mw_slice domain,
                         const struct identifiers *identifiers, struct judgement *out)
{
    *out = (struct judgement){.domain = domain};
    struct walk walk;
    bool is_done = false;
    switch (walk_run(answers, domain, &walk)) {
    case WALK_WAITS:
        return false;
    case WALK_FAILED:
        is_done = judge_by_own_record(answers, identifiers, out);
        break;
    case WALK_DONE:
        is_done = judge_by_walk(answers, identifiers, &walk, out);
        break;
    }
    if (is_done && out->result == DMARC_TEMPERROR)
        tell_failure(answers, out);
    return is_done;
}

/* ---- all of them ---- */

/* A second author must not hide what the first one would bring. */
static unsigned badness(const struct judgement *judgement)
{
    switch (judgement->result) {
    case DMARC_PASS:
        return 0;
    case DMARC_NONE:
        return 1;
    case DMARC_FAIL:
        return judgement->policy == POLICY_NONE ? 2 : 4 + (unsigned)judgement->policy;
    case DMARC_PERMERROR:
        return 3;
    case DMARC_TEMPERROR:
        return 4;
    case DMARC_RESULTS:
        break;
    }
    return 0;
}

/* What each author's policy needs is asked for before any identifier is looked at: those of one (somebody may sign with as many names as he likes)
 * must not take the room of another's questions. */
static bool has_policies(struct answers *answers, const struct authors *authors)
{
    struct judgement one;
    bool waits = false;
    for (size_t i = 0; i < authors->count; i++)
        judge_author(answers, authors->list[i].domain, NULL, &one);
    for (size_t i = 0; i < answers->count; i++)
        waits |= answer_waits(&answers->list[i]);
    return !waits;
}

bool align_judge(struct answers *answers, const struct authors *authors,
                 const struct identifiers *identifiers, struct judgement *out)
{
    if (authors->count > 1 && !has_policies(answers, authors))
        return false;
    struct judgement worst = {.result = DMARC_PERMERROR}, one;
    bool is_first = !authors->is_incomplete, is_done = true;
    if (authors->count > 0)
        worst.domain = authors->list[0].domain;
    for (size_t i = 0; i < authors->count; i++) {
        if (!judge_author(answers, authors->list[i].domain, identifiers, &one)) {
            is_done = false;
            continue;
        }
        if (is_first || badness(&one) > badness(&worst))
            worst = one;
        is_first = false;
    }
    if (!is_done)
        return false;
    if (worst.result == DMARC_PASS && authors->fields > 1)
        worst.result = DMARC_PERMERROR; /* RFC 9989 4.4: a repeated From cannot be aligned */
    if (authors->problem != NULL)
        tell(&worst, authors->problem, EMPTY);
    *out = worst;
    return true;
}
