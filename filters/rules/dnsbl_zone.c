/* dnsbl_zone.c - what a zone's answer comes to, and zones that do not work.
 *
 * Answers other than 127.0.0.0/8 come from resolvers that lie about names that do not exist, and
 * 127.255.255.0/24 from lists that refuse to serve whoever asks: both are failures, not listings. A
 * zone that fails several times in a row is left alone for a while: it would cost each client the
 * whole deadline.
 *
 * A question that was charged to a session may also have failed because the session's share is used
 * up, or was late because a hundred others of the same client stood before it. Nobody may switch a
 * list off for all others that way: before a zone is left alone for what sessions had no answer to,
 * the list asks it once on its own account, and believes that. It asks for what every zone can
 * answer, whoever sent the names before: the test entries of RFC 5782 5. Not more often than once a
 * second. */
#include "list_priv.h"

/* ---- one answer ---- */

static const char *what_is_wrong(const struct mw_dns_answer *answer)
{
    const char *error = NULL;
    if (answer->outcome == MW_DNS_FAILURE)
        error = "the DNS has no answer for the list at the moment";
    for (size_t i = 0; answer->outcome == MW_DNS_FOUND && i < answer->count; i++) {
        const unsigned char *ip = (const unsigned char *)answer->values[i].ptr + 12;
        if (answer->values[i].len != 16 || ip[0] != 127)
            error = "the answer is no code of a list (127.0.0.0/8): does the resolver lie?";
        else if (ip[1] == 255 && ip[2] == 255)
            error = "the list does not serve this resolver (127.255.255.x)";
    }
    return error;
}

static bool has_code(const struct mw_dns_answer *answer, const struct dnsbl_filter *filter)
{
    for (size_t i = 0; i < answer->count; i++)
        if (rules_dnsbl_fits(filter, (const unsigned char *)answer->values[i].ptr + 12))
            return true;
    return false;
}

int32_t rules_dnsbl_judge(const struct dnsbl_zone *zone, const struct mw_dns_answer *answer,
                          const char **out_error)
{
    int32_t weight = 0;
    *out_error = what_is_wrong(answer);
    if (answer->outcome != MW_DNS_FOUND || *out_error != NULL)
        return 0;
    for (const struct dnsbl_entry *entry = zone->entries; entry != NULL; entry = entry->next)
        if (has_code(answer, &entry->filter))
            weight += entry->weight;
    return weight;
}

/* ---- many of them ---- */

static void note_zone(const struct dnsbl_zone *zone, enum mw_log_level level, const char *event,
                      const char *error)
{
    const struct mw_host *host = zone->list->rules->host;
    struct mw_log_pair pairs[] = {{.key = "list", .value = zone->list->name},
                                  {.key = "zone", .value = zone->name},
                                  {.key = "reason", .value = slice_of(error)}};
    if (host->note != NULL)
        host->note(zone->list->rules->instance, level, event, pairs, *error != '\0' ? 3 : 2);
}

static uint64_t now_ms(const struct dnsbl_zone *zone)
{
    return zone->list->rules->host->clock_ms(zone->list->rules->instance);
}

bool rules_dnsbl_zone_is_suspended(const struct dnsbl_zone *zone)
{
    return now_ms(zone) < zone->suspended_until_ms;
}

/* One more failure after the pause is enough: the count stays. */
static void suspend(struct dnsbl_zone *zone, const char *error)
{
    if (zone->suspended_until_ms == 0)
        note_zone(zone, MW_LOG_WARNING, "list-zone-suspended", error);
    zone->suspended_until_ms = now_ms(zone) + DNSBL_PAUSE_MS;
}

void rules_dnsbl_zone_works(struct dnsbl_zone *zone)
{
    if (zone->suspended_until_ms != 0)
        note_zone(zone, MW_LOG_INFO, "list-zone-back", "");
    zone->failures = 0;
    zone->suspended_until_ms = 0;
}

static void on_checked(void *user, const struct mw_dns_answer *answer)
{
    struct dnsbl_zone *zone = user;
    const char *error;
    zone->check = NULL;
    rules_dnsbl_judge(zone, answer, &error);
    if (error == NULL)
        rules_dnsbl_zone_works(zone);
    else if (zone->failures >= DNSBL_FAILURES_MAX) /* nobody had a good answer meanwhile */
        suspend(zone, error);
}

/* 127.0.0.2, and "TEST": addresses and names that lists have for this (RFC 5782 5). */
static void check(struct dnsbl_zone *zone, enum set_kind kind)
{
    static const char address[16] = {[10] = -1, [11] = -1, 127, 0, 0, 2};
    const struct rules *rules = zone->list->rules;
    bool is_address = kind == SET_NETWORK;
    char name[256];
    size_t len = rules_dnsbl_name(is_address ? SET_NETWORK : SET_HOST,
                                  is_address ? SLICE(address, sizeof address) : LIT("test"),
                                  zone->name, name);
    uint64_t now = now_ms(zone);
    if (zone->check != NULL || now < zone->check_from_ms || len == 0)
        return;
    zone->check_from_ms = now + DNSBL_CHECK_MS;
    zone->check = rules->host->dns(rules->instance, SLICE(name, len), MW_DNS_ADDRESS4, on_checked,
                                   zone);
}

void rules_dnsbl_zone_failed(struct dnsbl_zone *zone, enum set_kind kind, bool is_certain,
                             const char *error)
{
    list_tally(zone->list, zone->counters[ZONE_FAILURES]);
    zone->failures += zone->failures < DNSBL_FAILURES_MAX;
    if (zone->failures < DNSBL_FAILURES_MAX || rules_dnsbl_zone_is_suspended(zone))
        return;
    if (is_certain)
        suspend(zone, error);
    else
        check(zone, kind);
}

void rules_dnsbl_stop(struct list *list)
{
    for (struct dnsbl_zone *zone = list->zones; zone != NULL; zone = zone->next) {
        if (zone->check != NULL)
            list->rules->host->dns_cancel(zone->check);
        zone->check = NULL;
    }
}
