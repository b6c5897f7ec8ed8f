/* RFC 9989 4.10, 4.10.2, 5.1.8, B.4: tree walks and organizational domains. */
#include "walk.h"

#include "dmarc_kit.h"

static const char *names_of(const char *domain)
{
    static char text[1000];
    struct mw_slice names[WALK_MAX];
    size_t count = walk_names(slice_of(domain), names);
    struct builder out = {.ptr = text, .cap = sizeof text - 1};
    for (size_t i = 0; i < count; i++)
        builder_putf(&out, "%s%.*s", i > 0 ? " " : "", (int)names[i].len, names[i].ptr);
    text[out.len] = '\0';
    return text;
}
#define CHECK_NAMES(domain, want)            \
    do {                                     \
        const char *got_ = names_of(domain); \
        CHECK_MEM(got_, strlen(got_), want); \
    } while (0)

TEST(names_are_those_of_the_rfc)
{
    CHECK_NAMES("com", "com");
    CHECK_NAMES("example.com", "example.com com");
    CHECK_NAMES("a.mail.example.com", "a.mail.example.com mail.example.com example.com com");
    CHECK_NAMES("a.b.c.d.e.example.com", "a.b.c.d.e.example.com b.c.d.e.example.com "
                                         "c.d.e.example.com d.e.example.com e.example.com "
                                         "example.com com");
    CHECK_NAMES("1.a.b.c.d.e.example.com", /* eight labels */
                "1.a.b.c.d.e.example.com a.b.c.d.e.example.com b.c.d.e.example.com "
                "c.d.e.example.com d.e.example.com e.example.com example.com com");
    CHECK_NAMES("a.b.c.d.e.f.g.h.i.j.mail.example.com",
                "a.b.c.d.e.f.g.h.i.j.mail.example.com g.h.i.j.mail.example.com "
                "h.i.j.mail.example.com i.j.mail.example.com j.mail.example.com mail.example.com "
                "example.com com");
    CHECK_NAMES("mail.a.b.c.d.e.f.g.example.com",
                "mail.a.b.c.d.e.f.g.example.com c.d.e.f.g.example.com d.e.f.g.example.com "
                "e.f.g.example.com f.g.example.com g.example.com example.com com");
}

struct row {
    const char *domain, *organization, *record_domain; /* "": none */
};

static void walk_rows(const struct zone *zone, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct answers answers = {.count = 0};
        struct walk walk;
        struct mw_slice domain = slice_of(rows[i].domain);
        CHECK_INT(walk_run(&answers, domain, &walk), WALK_WAITS);
        CHECK(zone_answer(&answers, zone) <= WALK_MAX);
        if (walk_run(&answers, domain, &walk) != WALK_DONE ||
            !text_is(walk.organization, rows[i].organization) ||
            !text_is(walk.record != NULL ? walk.record_domain : EMPTY, rows[i].record_domain))
            mw_test_fail(__FILE__, __LINE__, "%s: organization %.*s, record at %.*s",
                         rows[i].domain, (int)walk.organization.len, walk.organization.ptr,
                         (int)walk.record_domain.len, walk.record_domain.ptr);
    }
}
#define WALK(zone, ...)                                       \
    do {                                                      \
        const struct row rows_[] = {__VA_ARGS__};             \
        walk_rows(zone, rows_, sizeof rows_ / sizeof *rows_); \
    } while (0)

/* B.4.1, B.4.2 */
TEST(record_with_fewest_labels_is_the_organization)
{
    static const struct zone zone[] = {{"_dmarc.example.com", "v=DMARC1;p=none"},
                                       {"_dmarc.signing.example.com", "v=DMARC1;p=reject"},
                                       {NULL, NULL}};
    WALK(zone, {"example.com", "example.com", "example.com"},
         {"signing.example.com", "example.com", "signing.example.com"},
         {"a.b.c.d.e.f.g.h.i.j.k.example.com", "example.com", "example.com"},
         {"x.signing.example.com", "example.com", "example.com"});
}

/* B.4.3 */
TEST(organization_is_one_label_below_a_public_suffix)
{
    static const struct zone zone[] = {{"_dmarc.bank.example", "v=DMARC1;p=reject;psd=y"},
                                       {"_dmarc.giant.bank.example", "v=DMARC1;p=quarantine"},
                                       {NULL, NULL}};
    WALK(zone, {"giant.bank.example", "giant.bank.example", "giant.bank.example"},
         {"mail.giant.bank.example", "giant.bank.example", "giant.bank.example"},
         {"mail.mega.bank.example", "mega.bank.example", "bank.example"},
         {"mega.bank.example", "mega.bank.example", "bank.example"},
         {"bank.example", "bank.example", "bank.example"}, {"example", "example", ""});
}

/* The three examples at the end of 4.10.2. */
TEST(examples_of_the_rfc)
{
    static const struct zone two[] = {{"_dmarc.mail.example.com", "v=DMARC1;p=none"},
                                      {"_dmarc.example.com", "v=DMARC1;p=none"},
                                      {NULL, NULL}};
    static const struct zone own[] = {{"_dmarc.mail.example.com", "v=DMARC1;p=none;psd=n"},
                                      {"_dmarc.example.com", "v=DMARC1;p=none"},
                                      {NULL, NULL}};
    static const struct zone suffix[] = {{"_dmarc.com", "v=DMARC1;p=none;psd=y"}, {NULL, NULL}};
    WALK(two, {"a.mail.example.com", "example.com", "example.com"},
         {"mail.example.com", "example.com", "mail.example.com"});
    WALK(own, {"a.mail.example.com", "mail.example.com", "mail.example.com"},
         {"example.com", "example.com", "example.com"});
    WALK(suffix, {"a.mail.example.com", "example.com", "com"},
         {"example.com", "example.com", "com"}, {"com", "com", "com"});
}

/* 5.1.8: a record between the long name and the seven labels is never found. */
TEST(shortened_walk_skips_names)
{
    static const struct zone zone[] = {
        {"_dmarc.example.com", "v=DMARC1;p=none"},
        {"_dmarc.b.c.d.e.f.g.example.com", "v=DMARC1;p=reject;psd=n"},
        {NULL, NULL}};
    WALK(zone, {"mail.a.b.c.d.e.f.g.example.com", "example.com", "example.com"},
         {"b.c.d.e.f.g.example.com", "b.c.d.e.f.g.example.com", "b.c.d.e.f.g.example.com"});
    static const struct zone suffix[] = {{"_dmarc.c.d.e.f.g.example.com", "v=DMARC1;p=none;psd=y"},
                                         {NULL, NULL}};
    WALK(suffix, {"mail.a.b.c.d.e.f.g.example.com", "b.c.d.e.f.g.example.com",
                  "c.d.e.f.g.example.com"}); /* one label below, though nobody asked there */
}

TEST(no_record_leaves_the_domain_itself)
{
    static const struct zone none[] = {{NULL, NULL}};
    WALK(none, {"a.b.example.com", "a.b.example.com", ""}, {"com", "com", ""});
}

/* "If multiple DMARC Policy Records are returned for a single target, they are all discarded." */
TEST(several_records_at_a_name_are_passed_by)
{
    static const struct zone zone[] = {{"_dmarc.mail.example.com", "v=DMARC1;p=reject;psd=n"},
                                       {"_dmarc.mail.example.com", "v=DMARC1;p=none"},
                                       {"_dmarc.example.com", "v=DMARC1;p=none"},
                                       {"_dmarc.example.com", "v=spf1 -all"},
                                       {NULL, NULL}};
    WALK(zone, {"mail.example.com", "example.com", "example.com"});
}

TEST(failure_counts_only_where_the_walk_comes_by)
{
    static const struct zone above[] = {
        {"_dmarc.mail.example.com", "v=DMARC1;p=none;psd=n"}, {"_dmarc.com", NULL}, {NULL, NULL}};
    struct answers answers = {.count = 0};
    struct walk walk;
    struct mw_slice domain = LIT("a.mail.example.com");
    CHECK_INT(walk_run(&answers, domain, &walk), WALK_WAITS);
    CHECK_INT(zone_answer(&answers, above), 4);
    CHECK_INT(walk_run(&answers, domain, &walk), WALK_DONE);
    CHECK_SLICE(walk.organization, "mail.example.com");
    CHECK_INT(walk_run(&answers, LIT("example.com"), &walk), WALK_FAILED);
}

TEST(questions_are_shared_and_bounded)
{
    static const struct zone none[] = {{NULL, NULL}};
    struct answers answers = {.count = 0};
    struct walk walk;
    char name[64];
    walk_run(&answers, LIT("a.example.com"), &walk);
    walk_run(&answers, LIT("b.example.com"), &walk);
    CHECK_INT(answers.count, 4);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "%d.example.com", i);
        CHECK(walk_run(&answers, slice_of(name), &walk) != WALK_DONE);
    }
    CHECK_INT(answers.count, ANSWERS_MAX);
    CHECK(answers.is_full);
    zone_answer(&answers, none);
    CHECK_INT(walk_run(&answers, LIT("7.example.com"), &walk), WALK_DONE);
    CHECK_INT(walk_run(&answers, LIT("777.example.com"), &walk), WALK_FAILED);
}

/* Names near 253 octets have no room for "_dmarc.": nothing can be there. */
TEST(name_without_room_for_the_prefix_is_not_asked_for)
{
    static char name[DOMAIN_MAX + 1];
    memset(name, 'a', DOMAIN_MAX);
    for (size_t i = 62; i < 250; i += 63)
        name[i] = '.';
    struct answers answers = {.count = 0};
    struct walk walk;
    static const struct zone none[] = {{NULL, NULL}};
    CHECK_INT(walk_run(&answers, slice_of(name), &walk), WALK_WAITS);
    CHECK_INT(answers.list[0].state, ANSWER_NOTHING);
    CHECK_INT(zone_answer(&answers, none), answers.count - 1);
    CHECK_INT(walk_run(&answers, slice_of(name), &walk), WALK_DONE);
}

/* ---- random zones, against the RFC's steps taken one after the other ---- */

/* The record's text at _dmarc.DOMAIN, or NULL. */
static const char *zone_text(const struct zone *zone, struct mw_slice domain)
{
    const char *text = NULL;
    for (; zone->name != NULL; zone++)
        if (text_is(domain, zone->name + strlen("_dmarc.")))
            text = zone->text;
    return text;
}

static bool says(const char *text, const char *tag)
{
    return text != NULL && strstr(text, tag) != NULL;
}

static struct mw_slice without_label(struct mw_slice name)
{
    ptrdiff_t dot = text_find(name, '.');
    return dot < 0 ? EMPTY : text_skip(name, (size_t)dot + 1);
}

/* 4.10 steps 1 to 7 and 4.10.2 rules 1 to 3, by the letter: a walk, then the choice. */
static struct mw_slice organization_by_the_letter(const struct zone *zone, struct mw_slice domain)
{
    struct mw_slice target = domain, found[64];
    size_t count = 0;
    for (int queries = 0; target.len > 0 && queries < 8; queries++) {
        const char *text = zone_text(zone, target);
        if (text != NULL)
            found[count++] = target;
        if (says(text, "psd=y") || says(text, "psd=n"))
            break;
        target = without_label(target);
        while (queries == 0 && domain_labels(target) > 7)
            target = without_label(target);
    }
    for (size_t i = 0; i < count; i++) {
        if (says(zone_text(zone, found[i]), "psd=n"))
            return found[i];
        if (says(zone_text(zone, found[i]), "psd=y") && found[i].len < domain.len) {
            struct mw_slice below = domain;
            while (without_label(below).len > found[i].len)
                below = without_label(below);
            return below;
        }
    }
    return count > 0 ? found[count - 1] : domain;
}

TEST(random_zones_are_walked_as_the_rfc_says)
{
    static const char *const texts[] = {"v=DMARC1;p=none", "v=DMARC1;p=none;psd=u",
                                        "v=DMARC1;p=reject;psd=y", "v=DMARC1;p=reject;psd=n"};
    static char names[16][80];
    uint64_t random = 9989;
    for (int turn = 0; turn < 20000; turn++) {
        char domain[64] = "";
        size_t labels = 1 + mw_test_random(&random) % 12, len = 0;
        for (size_t i = 0; i < labels; i++)
            len += (size_t)snprintf(domain + len, sizeof domain - len, "%s%zu", i > 0 ? "." : "",
                                    i);
        struct zone zone[17];
        size_t count = 0;
        for (struct mw_slice name = slice_of(domain); name.len > 0; name = without_label(name))
            if (mw_test_random(&random) % 3 == 0) {
                snprintf(names[count], sizeof names[count], "_dmarc.%.*s", (int)name.len, name.ptr);
                zone[count] = (struct zone){names[count], texts[mw_test_random(&random) % 4]};
                count++;
            }
        zone[count] = (struct zone){NULL, NULL};
        struct answers answers = {.count = 0};
        struct walk walk;
        struct mw_slice want = organization_by_the_letter(zone, slice_of(domain));
        CHECK_INT(walk_run(&answers, slice_of(domain), &walk), WALK_WAITS);
        zone_answer(&answers, zone);
        CHECK_INT(walk_run(&answers, slice_of(domain), &walk), WALK_DONE);
        if (!text_eq(walk.organization, want))
            mw_test_fail(__FILE__, __LINE__, "%s: %.*s, want %.*s", domain,
                         (int)walk.organization.len, walk.organization.ptr, (int)want.len,
                         want.ptr);
    }
}
