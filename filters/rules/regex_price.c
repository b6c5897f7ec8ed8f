/* regex_price.c - what a pattern costs, measured: it is matched against a text of mail again and
 * again for a short while, and the fastest round counts (others lost time to somebody else). */

#include "clock.h"
#include "regex_priv.h"

enum {
    SAMPLE = 8 * 1024,
    ROUNDS = 8,
    ROUND_NS = 200 * 1000, /* a round goes on for so long, or for one match */
    MATCHES = 1000,
    BUDGET_US = 20 * 1000, /* for all: a pattern that takes longer is not told apart */
};

/* Prose, figures, addresses, links, blanks: what patterns meet in letters. */
static const char paragraph[] =
    "Dear Ms Fletcher,\n\n"
    "thank you for your order no. 4711-2093 of 12 March. We expect to ship the two parcels on "
    "Thursday; the tracking page https://shop.example.com/track?id=93AF20&lang=en shows where "
    "they are. If anything is missing, please write to support@example.com or call +44 20 7946 "
    "0018 between 9:00 and 17:30.\n\n"
    "On Tue, 10 Mar 2026 at 08:14, A. Fletcher <anne.fletcher@example.org> wrote:\n"
    "> Could you tell me whether the lamp (item 88-120/B, EUR 149.90) is in stock again?\n"
    "> My account says \"available soon\" -- as it did in January!\n\n"
    "Total amount: 312.45 EUR incl. VAT. You can pay by invoice within 14 days, by card, or with "
    "a free voucher from your newsletter. Click here to see all offers, or unsubscribe at "
    "http://news.example.net/u/?e=anne.fletcher%40example.org\n\n"
    "Kind regards,\nJos\xc3\xa9 M\xc3\xbcller   \n--\nExample Trading Ltd.\t\t|\t 1 Long Street, "
    "London\n=======================================================\n\n";

static struct mw_slice make_sample(char *room)
{
    size_t len = 0;
    for (; len + sizeof paragraph <= SAMPLE; len += sizeof paragraph - 1)
        memcpy(room + len, paragraph, sizeof paragraph - 1);
    return SLICE(room, len);
}

/* Picoseconds an octet that was looked at, from one round: a match ends the looking. */
static uint64_t play_round(struct regex_scratch *scratch, const struct regex *regex,
                           struct mw_slice text)
{
    struct mw_slice captures[CAPTURES_MAX];
    uint64_t from = rules_clock_ns(), now = from, octets = 0;
    for (size_t count = 0; count == 0 || (now - from < ROUND_NS && count < MATCHES); count++) {
        bool has_ended = rules_regex_match(scratch, regex, text, captures) == REGEX_YES;
        octets += has_ended ? (size_t)(captures[0].ptr + captures[0].len - text.ptr) + 1 : text.len;
        now = rules_clock_ns();
    }
    return (now - from) * 1000 / octets;
}

uint64_t rules_regex_price(struct rules *rules, const struct regex *regex)
{
    char room[SAMPLE];
    struct mw_slice text = make_sample(room);
    struct regex_scratch *scratch = rules_regex_scratch_new(rules);
    uint64_t best = UINT64_MAX;
    rules_regex_begin(scratch, BUDGET_US);
    rules_regex_match(scratch, regex, SLICE(text.ptr, 1), NULL); /* the JIT is not to count */
    for (int i = 0; i < ROUNDS && !rules_regex_is_late(scratch); i++) {
        uint64_t price = play_round(scratch, regex, text);
        best = price < best ? price : best;
    }
    rules_regex_scratch_free(&scratch);
    return best == UINT64_MAX ? BUDGET_US * UINT64_C(1000000) / text.len : best;
}
