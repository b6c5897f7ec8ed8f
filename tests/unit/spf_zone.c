/* spf_zone.c - see spf_zone.h. */
#include "spf_zone.h"

#include <stdlib.h>

#include <arpa/inet.h>

#include "test.h"

static void law(bool is_kept, const char *what)
{
    if (!is_kept)
        mw_test_fail(__FILE__, __LINE__, "%s", what);
}

/* ---- the server ---- */

static struct mw_slice packed(const char *text, char out[16])
{
    memset(out, 0, 10);
    memset(out + 10, '\xff', 2);
    if (inet_pton(AF_INET, text, out + 12) != 1 && inet_pton(AF_INET6, text, out) != 1)
        law(false, "the zone has a bad address");
    return SLICE(out, 16);
}

static bool is_about(const struct zone_entry *entry, const struct spf_need *need)
{
    return entry->kind == need->kind &&
           (entry->name[0] == '*' || text_ieq(slice_of(entry->name), need->name));
}

static void answer(struct zone *zone, const struct spf_need *need, size_t index)
{
    struct mw_slice *values = calloc(zone->count + 1, sizeof *values);
    char(*addresses)[16] = calloc(zone->count + 1, sizeof *addresses);
    struct mw_dns_answer answer = {
        .size = sizeof answer, .outcome = MW_DNS_NOTHING, .values = values};
    for (size_t i = 0; i < zone->count && answer.outcome != MW_DNS_FAILURE; i++) {
        const struct zone_entry *entry = &zone->entries[i];
        if (!is_about(entry, need))
            continue;
        bool is_address = need->kind == MW_DNS_ADDRESS4 || need->kind == MW_DNS_ADDRESS6;
        answer.outcome = entry->value.ptr == NULL ? MW_DNS_FAILURE : MW_DNS_FOUND;
        if (entry->value.ptr != NULL)
            values[answer.count] = is_address ? packed(entry->value.ptr, addresses[answer.count])
                                              : entry->value;
        answer.count++;
    }
    spf_check_answer(zone->check, index, &answer);
    memset(addresses, 'x', (zone->count + 1) * sizeof *addresses); /* answers are copied */
    free(addresses);
    free(values);
}

/* ---- the laws ---- */

bool zone_was_asked(const struct zone *zone, const char *name, enum mw_dns_kind kind)
{
    for (size_t i = 0; i < zone->asked_count; i++)
        if (zone->asked[i].kind == kind && text_ieq(zone->asked[i].name, slice_of(name)))
            return true;
    return false;
}

static void note(struct zone *zone, const struct spf_need *need)
{
    law(zone->asked_count < CHECK_QUESTIONS_MAX, "too many questions");
    law(need->name.len > 0 && need->name.len <= 253 && text_find(need->name, '\0') < 0,
        "a name that cannot be asked for");
    char *name = zone->names[zone->asked_count];
    memcpy(name, need->name.ptr, need->name.len);
    name[need->name.len] = '\0';
    law(!zone_was_asked(zone, name, need->kind), "a question was asked twice");
    zone->asked[zone->asked_count++] = (struct spf_need){SLICE(name, need->name.len), need->kind};
}

static void expect_printable(struct mw_slice text)
{
    law(text.ptr != NULL, "a text without pointer");
    for (size_t i = 0; i < text.len; i++)
        law(text.ptr[i] >= ' ' && text.ptr[i] <= '~', "a text that is not printable");
}

static void expect_lawful(const struct spf_verdict *verdict)
{
    bool is_error = verdict->result == SPF_TEMPERROR || verdict->result == SPF_PERMERROR;
    law(verdict->result < SPF_RESULTS, "no such result");
    expect_printable(verdict->domain);
    expect_printable(verdict->mechanism);
    expect_printable(verdict->record_domain);
    expect_printable(verdict->explanation);
    expect_printable(verdict->problem);
    law(is_error == (verdict->problem.len > 0), "a problem belongs to an error");
    law(verdict->explanation.len == 0 || verdict->result == SPF_FAIL,
        "an explanation belongs to a fail");
    law(verdict->explanation.len <= CHECK_EXPLANATION_MAX, "a long explanation");
    law(verdict->terms <= CHECK_TERMS_MAX && verdict->voids <= CHECK_VOIDS_MAX,
        "a limit is passed");
}

/* ---- checks ---- */

void zone_begin(struct zone *zone, const char *address, struct mw_slice sender,
                struct mw_slice helo)
{
    char octets[16];
    zone_end(zone);
    zone->setup.wants_explanation = true;
    zone->check = spf_check_new(&zone->setup,
                                &(struct spf_sender){packed(address, octets).ptr, sender, helo});
    zone->rounds = zone->side_by_side = zone->asked_count = 0;
    zone->verdict = (struct spf_verdict){0};
}

bool zone_round(struct zone *zone)
{
    const struct spf_need *needs = NULL;
    size_t count = 0;
    if (spf_check_run(zone->check, &needs, &count)) {
        spf_check_verdict(zone->check, &zone->verdict);
        expect_lawful(&zone->verdict);
        law(zone->verdict.questions == zone->asked_count, "questions are counted");
        return true;
    }
    law(count > 0, "undecided, and nothing is needed");
    zone->rounds++;
    if (count > zone->side_by_side)
        zone->side_by_side = count;
    for (size_t i = 0; i < count; i++)
        note(zone, &needs[i]);
    for (size_t i = 0; i < count && !zone->is_mute; i++) {
        size_t index = zone->answers_backward ? count - 1 - i : i;
        answer(zone, &needs[index], index);
    }
    return false;
}

void zone_check(struct zone *zone, const char *address, struct mw_slice sender,
                struct mw_slice helo)
{
    zone_begin(zone, address, sender, helo);
    while (!zone_round(zone))
        continue;
}

void zone_end(struct zone *zone)
{
    spf_check_free(&zone->check);
}
