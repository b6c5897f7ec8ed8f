/* dmarc_kit.c - see dmarc_kit.h. */
#include "dmarc_kit.h"

static bool is_kind(enum mw_dns_kind kind, const char *text)
{
    if (strcmp(text, "A") == 0)
        return kind == MW_DNS_ADDRESS4;
    if (strcmp(text, "AAAA") == 0)
        return kind == MW_DNS_ADDRESS6;
    if (strcmp(text, "MX") == 0)
        return kind == MW_DNS_MAIL_EXCHANGER;
    return kind == MW_DNS_STRINGS;
}

static bool is_in(struct mw_slice name, const struct zone *zone)
{
    for (; zone->name != NULL; zone++) {
        size_t len = strlen(zone->name);
        if (len == 0 || (len >= name.len && text_is(name, zone->name + len - name.len) &&
                         (len == name.len || zone->name[len - name.len - 1] == '.')))
            return true;
    }
    return false;
}

static void answer_one(struct answer *answer, const struct zone *zone)
{
    struct mw_slice values[8];
    struct mw_dns_answer dns = {.size = sizeof dns, .outcome = MW_DNS_NOTHING, .values = values};
    dns.is_missing = !is_in(SLICE(answer->name, answer->name_len), zone);
    for (; zone->name != NULL; zone++) {
        if (!text_is(SLICE(answer->name, answer->name_len), zone->name))
            continue;
        if (zone->text == NULL)
            dns.outcome = MW_DNS_FAILURE;
        else if (is_kind(answer->kind, zone->text) && dns.count < 8)
            values[dns.count++] = slice_of(zone->text);
    }
    if (dns.count > 0)
        dns.outcome = MW_DNS_FOUND;
    answer_put(answer, &dns);
}

size_t zone_answer(struct answers *answers, const struct zone *zone)
{
    size_t asked = 0;
    for (size_t i = 0; i < answers->count; i++)
        if (answer_waits(&answers->list[i])) {
            answer_one(&answers->list[i], zone);
            asked++;
        }
    return asked;
}

static struct mw_slice next_word(const char **at)
{
    while (**at == ' ')
        (*at)++;
    size_t len = strcspn(*at, " ");
    struct mw_slice word = SLICE(*at, len);
    *at += len;
    return word;
}

static void read_authors(struct authors *authors, const char *text)
{
    struct mw_address addresses[8];
    const struct mw_address *list[8];
    size_t count = 0;
    for (struct mw_slice word = next_word(&text); word.len > 0 && count < 8;
         word = next_word(&text)) {
        addresses[count] = (struct mw_address){.domain = word};
        list[count] = &addresses[count];
        count++;
    }
    authors_add(authors, EMPTY, list, count);
    authors_close(authors);
}

static void read_identifiers(struct identifiers *identifiers, const char *text)
{
    for (struct mw_slice word = next_word(&text); word.len > 0; word = next_word(&text)) {
        enum method method = word.ptr[0] == 's' ? METHOD_SPF : METHOD_DKIM;
        size_t name = method == METHOD_SPF ? 3 : 4;
        bool is_open = word.ptr[name] == '?';
        if (word.len == name + 1)
            identifiers->is_open[method] = true;
        else
            identifiers_add(identifiers, method, text_skip(word, name + 1), is_open);
    }
}

static size_t play_on(struct play *play, const struct zone *zone, const char *identifiers)
{
    size_t asked = 0;
    if (!align_judge(&play->answers, &play->authors, NULL, &play->judgement))
        asked = zone_answer(&play->answers, zone);
    read_identifiers(&play->identifiers, identifiers);
    for (int rounds = 0; rounds < 5; rounds++) {
        if (align_judge(&play->answers, &play->authors, &play->identifiers, &play->judgement))
            return asked;
        asked += zone_answer(&play->answers, zone);
    }
    mw_test_fail(__FILE__, __LINE__, "no end: %s", identifiers);
    return asked;
}

size_t play_judge(struct play *play, const struct zone *zone, const char *authors,
                  const char *identifiers)
{
    *play = (struct play){.authors.count = 0};
    read_authors(&play->authors, authors);
    return play_on(play, zone, identifiers);
}

size_t play_authors(struct play *play, const struct zone *zone, const struct authors *authors,
                    const char *identifiers)
{
    *play = (struct play){.authors = *authors};
    for (size_t i = 0; i < authors->count; i++) /* the views are into the list itself */
        play->authors.list[i].domain.ptr = play->authors.list[i].octets;
    return play_on(play, zone, identifiers);
}

const char *play_says(const struct play *play)
{
    static char text[400];
    const struct judgement *judgement = &play->judgement;
    snprintf(text, sizeof text, "%s %s %.*s", dmarc_result_name(judgement->result),
             policy_name(judgement->policy), (int)judgement->organization.len,
             judgement->organization.len > 0 ? judgement->organization.ptr : "");
    return text;
}
