/* fuzz_dmarc_record.c - DMARC records, and walks over them. A record's meaning does not hang on white space or on what is behind a bad
 * piece; an organization is the domain or one above it, whatever the zones say. */
#include <stdlib.h>

#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_true)
{
    if (!is_true)
        abort();
}

static bool same(const struct dmarc_record *a, const struct dmarc_record *b)
{
    return a->p == b->p && a->sp == b->sp && a->np == b->np && a->psd == b->psd &&
           a->is_testing == b->is_testing && a->is_dkim_strict == b->is_dkim_strict &&
           a->is_spf_strict == b->is_spf_strict && a->is_usable == b->is_usable;
}

static void check_record(struct mw_slice text)
{
    struct dmarc_record record, again;
    if (!record_parse(text, &record))
        return;
    check(record.p <= POLICY_REJECT && record.sp <= POLICY_REJECT && record.np <= POLICY_REJECT);
    check(record.is_usable || record.problem != NULL);
    for (int subject = SUBJECT_ITSELF; subject <= SUBJECT_MISSING; subject++)
        check(record_policy(&record, (enum subject)subject) <= POLICY_REJECT);
    /* a piece that is no tag changes nothing */
    size_t cap = text.len + 8;
    struct builder longer = {.ptr = malloc(cap), .cap = cap};
    builder_put(&longer, text);
    builder_put(&longer, LIT(" ;\t\x7f=1;"));
    check(record_parse(SLICE(longer.ptr, longer.len), &again) && same(&record, &again));
    free(longer.ptr);
    const struct mw_slice twice[] = {text, text};
    check(record_select(twice, 1, &again) == RECORD_ONE && same(&record, &again));
    check(record_select(twice, 2, &again) == RECORD_SEVERAL);
}

/* Lines of the input are the records of a domain's names from the top down; the first line is the domain. */
static void check_walk(struct mw_slice text)
{
    struct mw_slice lines[WALK_MAX + 1];
    size_t count = 0;
    while (count <= WALK_MAX && text.len > 0) {
        ptrdiff_t end = text_find(text, '\n');
        lines[count++] = end < 0 ? text : SLICE(text.ptr, (size_t)end);
        text = text_skip(text, lines[count - 1].len + 1);
    }
    char octets[DOMAIN_MAX + 1];
    size_t len = count > 0 ? domain_normalize(lines[0], octets) : 0;
    if (len == 0)
        return;
    struct mw_slice domain = SLICE(octets, len);
    static struct answers answers;
    struct walk walk;
    answers.count = 0;
    for (int rounds = 0; walk_run(&answers, domain, &walk) == WALK_WAITS; rounds++) {
        check(rounds == 0 && answers.count <= WALK_MAX);
        for (size_t i = 0; i < answers.count; i++) {
            size_t line = answers.count - i;
            struct mw_dns_answer dns = {.size = sizeof dns,
                                        .outcome = line < count ? MW_DNS_FOUND : MW_DNS_NOTHING,
                                        .values = line < count ? &lines[line] : NULL,
                                        .count = line < count};
            if (answer_waits(&answers.list[i]))
                answer_put(&answers.list[i], &dns);
        }
    }
    check(walk.organization.len > 0 && domain_is_below(domain, walk.organization));
    check(walk.record == NULL || domain_is_below(domain, walk.record_domain));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_slice text = SLICE((const char *)data, size);
    check_record(text);
    check_walk(text);
    return 0;
}
