/* RFC 9989 4.4, 4.10.1, 4.10.2, 5.3, 11.5, B.1, B.4: who is aligned, and which policy applies. */
#include "align.h"

#include "dmarc_kit.h"

static struct play play;

struct row {
    const char *author, *identifiers, *says;
};

static void play_rows(const struct zone *zone, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        play_judge(&play, zone, rows[i].author, rows[i].identifiers);
        if (strcmp(play_says(&play), rows[i].says) != 0)
            mw_test_fail(__FILE__, __LINE__, "%s with '%s': '%s', want '%s' (%s)", rows[i].author,
                         rows[i].identifiers, play_says(&play), rows[i].says,
                         play.judgement.problem);
    }
}
#define PLAY(zone, ...)                                       \
    do {                                                      \
        const struct row rows_[] = {__VA_ARGS__};             \
        play_rows(zone, rows_, sizeof rows_ / sizeof *rows_); \
    } while (0)

/* Table 1, B.1. */
TEST(relaxed_alignment_is_of_organizations)
{
    static const struct zone zone[] = {{"_dmarc.example.com", "v=DMARC1;p=reject"},
                                       {"_dmarc.example.net", "v=DMARC1;p=none"},
                                       {NULL, NULL}};
    PLAY(zone, {"news.example.com", "dkim:foo.example.com", "pass reject example.com"},
         {"news.example.com", "dkim:news.example.com", "pass reject example.com"},
         {"news.example.com", "dkim:foo.example.net", "fail reject example.com"},
         {"example.com", "spf:child.example.com", "pass reject example.com"},
         {"child.example.com", "spf:example.com", "pass reject example.com"},
         {"child.example.com", "spf:example.net", "fail reject example.com"},
         {"example.com", "spf:badexample.com", "fail reject example.com"},
         {"example.com", "spf:com", "fail reject example.com"},
         {"example.com", "dkim:EXAMPLE.com.", "pass reject example.com"},
         {"example.com", "dkim:not..a.name", "fail reject example.com"},
         {"example.com", "", "fail reject example.com"},
         {"example.com", "dkim:a.example dkim:b.example dkim:example.com",
          "pass reject example.com"},
         {"example.org", "spf:example.org", "none none example.org"});
}

TEST(strict_alignment_is_equality)
{
    static const struct zone zone[] = {{"_dmarc.example.com", "v=DMARC1;p=reject;adkim=s"},
                                       {"_dmarc.example.net", "v=DMARC1;p=reject;aspf=s"},
                                       {NULL, NULL}};
    PLAY(zone, {"example.com", "dkim:mail.example.com", "fail reject example.com"},
         {"example.com", "spf:mail.example.com", "pass reject example.com"},
         {"example.com", "dkim:example.com", "pass reject example.com"},
         {"mail.example.com", "dkim:example.com", "fail reject example.com"},
         {"example.net", "spf:mail.example.net", "fail reject example.net"},
         {"example.net", "dkim:mail.example.net", "pass reject example.net"},
         {"example.net", "spf:example.net", "pass reject example.net"});
}

TEST(both_methods_are_told)
{
    static const struct zone zone[] = {{"_dmarc.example.com", "v=DMARC1;p=reject"}, {NULL, NULL}};
    play_judge(&play, zone, "example.com", "spf:a.example.com dkim:b.example.com");
    CHECK(play.judgement.is_aligned[METHOD_SPF] && play.judgement.is_aligned[METHOD_DKIM]);
    play_judge(&play, zone, "example.com", "spf:example.net dkim:b.example.com");
    CHECK(!play.judgement.is_aligned[METHOD_SPF] && play.judgement.is_aligned[METHOD_DKIM]);
}

/* B.4.3, and a department that is an organization of its own (psd=n). */
TEST(public_suffixes_and_departments_divide)
{
    static const struct zone zone[] = {{"_dmarc.bank.example", "v=DMARC1;p=reject;psd=y"},
                                       {"_dmarc.giant.bank.example", "v=DMARC1;p=quarantine"},
                                       {"_dmarc.example.com", "v=DMARC1;p=reject"},
                                       {"_dmarc.dept.example.com", "v=DMARC1;p=none;psd=n"},
                                       {NULL, NULL}};
    PLAY(
        zone,
        {"giant.bank.example", "spf:mail.giant.bank.example", "pass quarantine giant.bank.example"},
        {"giant.bank.example", "dkim:mail.mega.bank.example", "fail quarantine giant.bank.example"},
        {"giant.bank.example", "dkim:bank.example", "fail quarantine giant.bank.example"},
        {"mega.bank.example", "dkim:x.mega.bank.example", "pass reject mega.bank.example"},
        {"mega.bank.example", "dkim:giant.bank.example", "fail reject mega.bank.example"},
        {"example.com", "dkim:dept.example.com", "fail reject example.com"},
        {"example.com", "dkim:a.dept.example.com", "fail reject example.com"},
        {"a.dept.example.com", "dkim:dept.example.com", "pass none dept.example.com"},
        {"a.dept.example.com", "dkim:example.com", "fail none dept.example.com"},
        {"b.example.com", "dkim:example.com", "pass reject example.com"});
}

/* p, sp, np, t (4.7, 4.10.1). */
TEST(policy_is_that_of_the_domain_itself_of_those_below_or_of_missing_ones)
{
    static const struct zone zone[] = {
        {"_dmarc.example.com", "v=DMARC1;p=none;sp=quarantine;np=reject"},
        {"there.example.com", "A"},
        {"mail.example.com", "MX"},
        {"six.example.com", "AAAA"},
        {"lost.example.com", NULL},
        {"_dmarc.own.example.com", "v=DMARC1;p=none;sp=reject;np=reject"},
        {"_dmarc.test.example", "v=DMARC1;p=reject;sp=quarantine;t=y"},
        {"_dmarc.psd", "v=DMARC1;p=quarantine;sp=none;np=reject;psd=y"},
        {"x.psd", "MX"},
        {NULL, NULL}};
    PLAY(zone, {"example.com", "", "fail none example.com"},
         {"there.example.com", "", "fail quarantine example.com"},
         {"mail.example.com", "", "fail quarantine example.com"},
         {"six.example.com", "", "fail quarantine example.com"},
         {"missing.example.com", "", "fail reject example.com"},
         {"lost.example.com", "", "fail quarantine example.com"}, /* not known: the milder one */
         {"own.example.com", "", "fail none example.com"},
         {"below.own.example.com", "", "fail reject example.com"},
         {"test.example", "", "fail quarantine test.example"},
         {"x.test.example", "", "fail none test.example"}, {"x.psd", "", "fail none x.psd"},
         {"y.psd", "", "fail reject y.psd"}, {"psd", "", "fail quarantine psd"});
    CHECK_INT(play_judge(&play, zone, "there.example.com", ""), 3 + 1);
    CHECK_INT(play_judge(&play, zone, "missing.example.com", ""), 3 + 1);
    CHECK_INT(play_judge(&play, zone, "mail.example.com", ""), 3 + 1);
    CHECK_INT(play_judge(&play, zone, "x.test.example", ""), 3); /* sp and np are the same */
}

/* 3.2.13: NXDOMAIN, and nothing else. */
TEST(domain_without_mail_exists_unless_the_dns_says_otherwise)
{
    static const struct zone zone[] = {
        {"_dmarc.example.com", "v=DMARC1;p=none;sp=quarantine;np=reject"},
        {"_dmarc.mild.example", "v=DMARC1;p=none;sp=reject;np=none"},
        {"text.example.com", "v=spf1 -all"},
        {"a.between.example.com", "A"},
        {"_dmarc.other.example.com", "v=spf1 -all"},
        {"text.mild.example", "x"},
        {NULL, NULL}};
    PLAY(zone, {"text.example.com", "", "fail quarantine example.com"},
         {"between.example.com", "", "fail quarantine example.com"},
         {"other.example.com", "", "fail quarantine example.com"},
         {"b.between.example.com", "", "fail reject example.com"},
         {"below.text.example.com", "", "fail reject example.com"},
         {"text.mild.example", "", "fail reject mild.example"},
         {"missing.mild.example", "", "fail none mild.example"});
    CHECK_INT(play_judge(&play, zone, "text.example.com", ""), 3 + 1);
    CHECK_INT(play_judge(&play, zone, "other.example.com", ""), 3 + 1);
}

/* RFC 9824: what is not there is answered as what is there and has no such record. */
TEST(domain_without_mail_is_missing_where_nothing_ever_is)
{
    static const struct zone zone[] = {
        {"", ""},
        {"_dmarc.example.com", "v=DMARC1;p=none;sp=quarantine;np=reject"},
        {"there.example.com", "A"},
        {"mail.example.com", "MX"},
        {"six.example.com", "AAAA"},
        {"lost.example.com", NULL},
        {NULL, NULL}};
    PLAY(zone, {"there.example.com", "", "fail quarantine example.com"},
         {"mail.example.com", "", "fail quarantine example.com"},
         {"six.example.com", "", "fail quarantine example.com"},
         {"missing.example.com", "", "fail reject example.com"},
         {"lost.example.com", "", "fail quarantine example.com"});
    CHECK_INT(play_judge(&play, zone, "there.example.com", ""), 3 + 1);
    CHECK_INT(play_judge(&play, zone, "missing.example.com", ""), 3 + 3);
    CHECK_INT(play_judge(&play, zone, "lost.example.com", ""), 3 + 3);
}

static struct answer *ask(struct answers *answers, enum mw_dns_kind kind)
{
    return answers_any(answers, LIT("x.example.com"), kind);
}

/* Each answer about x.example.com by itself: '0' no such name, '-' no such record, '+' a record, '!' a failure; of A, AAAA, MX. Its
 * record's name is bare. */
static const char *say(const char *about)
{
    static const enum mw_dns_kind kinds[] = {MW_DNS_ADDRESS4, MW_DNS_ADDRESS6,
                                             MW_DNS_MAIL_EXCHANGER};
    static const struct zone zone[] = {
        {"", ""}, {"_dmarc.example.com", "v=DMARC1;p=none;sp=quarantine;np=reject"}, {NULL, NULL}};
    struct mw_slice value = LIT("x");
    play_judge(&play, zone, "x.example.com", "");
    for (int i = 0; i < 3; i++) {
        struct mw_dns_answer dns = {.size = sizeof dns, .values = &value};
        struct answer *answer = ask(&play.answers, kinds[i]);
        answer->is_missing = answer->is_bare = false;
        dns.outcome = about[i] == '+'   ? MW_DNS_FOUND
                      : about[i] == '!' ? MW_DNS_FAILURE
                                        : MW_DNS_NOTHING;
        dns.is_missing = about[i] == '0';
        dns.count = about[i] == '+';
        answer_put(answer, &dns);
    }
    align_judge(&play.answers, &play.authors, &play.identifiers, &play.judgement);
    return play_says(&play);
}

TEST(first_answer_that_tells_of_existence_decides)
{
    static const struct {
        const char *about, *policy;
    } rows[] = {{"0!!", "reject"},     {"+!!", "quarantine"}, {"!0!", "reject"},
                {"!!0", "reject"},     {"!!+", "quarantine"}, {"!--", "quarantine"},
                {"-!-", "quarantine"}, {"--!", "quarantine"}, {"-0-", "reject"},
                {"--+", "quarantine"}, {"---", "reject"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strstr(say(rows[i].about), rows[i].policy) == NULL)
            mw_test_fail(__FILE__, __LINE__, "%s: %s", rows[i].about, play_says(&play));
}

/* A host that is older than the field. */
TEST(answer_without_the_field_says_nothing_about_existence)
{
    struct answer answer = {.kind = MW_DNS_ADDRESS4};
    struct mw_dns_answer dns = {.size = offsetof(struct mw_dns_answer, is_missing),
                                .outcome = MW_DNS_NOTHING,
                                .is_missing = 1};
    answer_put(&answer, &dns);
    CHECK(answer.state == ANSWER_NOTHING && !answer.is_missing && answer.is_bare);
    dns.size = sizeof dns;
    answer_put(&answer, &dns);
    CHECK(answer.state == ANSWER_NOTHING && answer.is_missing && !answer.is_bare);
}

TEST(broken_records_are_none_or_an_error)
{
    static const struct zone zone[] = {{"_dmarc.a.example", "v=DMARC1"},
                                       {"_dmarc.b.example", "v=DMARC1;p=x;rua=mailto:a@b.example"},
                                       {"_dmarc.c.example", "v=DMARC1;p=reject"},
                                       {"_dmarc.c.example", "v=DMARC1;p=reject;"},
                                       {"_dmarc.d.example", "v=spf1 -all"},
                                       {NULL, NULL}};
    PLAY(zone, {"a.example", "spf:a.example", "permerror none a.example"},
         {"x.a.example", "spf:x.a.example", "permerror none a.example"},
         {"b.example", "", "fail none b.example"},
         {"b.example", "spf:b.example", "pass none b.example"},
         {"c.example", "", "none none c.example"}, {"d.example", "", "none none d.example"});
    play_judge(&play, zone, "a.example", "");
    CHECK_MEM(play.judgement.problem, strlen(play.judgement.problem),
              "no p= in the record at _dmarc.a.example");
    play_judge(&play, zone, "c.example", "");
    CHECK(strstr(play.judgement.problem, "more than one record") != NULL);
}

/* 5.3.6: "cannot be considered to pass or fail"; but what is certain without the answer is said. */
TEST(failed_lookups_leave_what_is_certain)
{
    static const struct zone zone[] = {{"_dmarc.example.com", "v=DMARC1;p=reject"},
                                       {"_dmarc.com", NULL},
                                       {"_dmarc.a.example.net", NULL},
                                       {"_dmarc.strict.com", "v=DMARC1;p=reject;adkim=s;aspf=s"},
                                       {"_dmarc.example.org", "v=DMARC1;p=quarantine"},
                                       {"_dmarc.b.example.org", NULL},
                                       {NULL, NULL}};
    PLAY(
        zone,
        {"example.com", "dkim:example.com", "pass reject "}, /* the same name, and a record there */
        {"example.com", "", "fail reject "},
        {"example.com", "dkim:example.net", "fail reject "}, /* no top label in common */
        {"example.com", "dkim:other.com", "temperror reject "},
        {"strict.com", "dkim:mail.strict.com", "fail reject "},
        {"x.example.com", "dkim:x.example.com",
         "temperror none "}, /* there may be no record at all */
        {"a.example.net", "spf:a.example.net", "temperror none "},
        {"example.org", "dkim:b.example.org", "temperror quarantine example.org"},
        {"example.org", "dkim:b.example.org spf:example.org", "pass quarantine example.org"},
        {"example.org", "dkim:x.b.example.com", "fail quarantine example.org"});
    play_judge(&play, zone, "a.example.net", "");
    CHECK_MEM(play.judgement.problem, strlen(play.judgement.problem),
              "no answer for _dmarc.a.example.net");
}

TEST(failed_methods_leave_what_is_certain)
{
    static const struct zone zone[] = {{"_dmarc.example.com", "v=DMARC1;p=reject;aspf=s"},
                                       {NULL, NULL}};
    PLAY(zone, {"example.com", "spf?example.com", "temperror reject example.com"},
         {"example.com", "spf?example.net", "fail reject example.com"},
         {"example.com", "spf?a.example.com", "fail reject example.com"}, /* strict */
         {"example.com", "spf?example.com dkim:example.com", "pass reject example.com"},
         {"example.com", "dkim?", "temperror reject example.com"},
         {"example.com", "dkim?a.example.com", "temperror reject example.com"},
         {"example.com", "dkim?a.example.net", "fail reject example.com"},
         {"example.com", "dkim? spf:example.com", "pass reject example.com"},
         {"example.net", "dkim? spf?example.net", "none none example.net"});
}

/* 11.5: "apply the DMARC mechanism to each domain ... and apply the most strict policy selected among the checks that fail". */
TEST(several_authors_get_the_worst)
{
    static const struct zone zone[] = {{"_dmarc.reject.example", "v=DMARC1;p=reject"},
                                       {"_dmarc.mild.example", "v=DMARC1;p=quarantine"},
                                       {"_dmarc.none.example", "v=DMARC1;p=none"},
                                       {"_dmarc.broken.example", "v=DMARC1"},
                                       {"_dmarc.lost.example", NULL},
                                       {NULL, NULL}};
    PLAY(zone, {"reject.example mild.example", "", "fail reject reject.example"},
         {"mild.example reject.example", "", "fail reject reject.example"},
         {"mild.example reject.example", "spf:reject.example", "fail quarantine mild.example"},
         {"reject.example mild.example", "spf:reject.example dkim:mild.example",
          "pass reject reject.example"},
         {"reject.example nobody.example", "spf:reject.example", "none none nobody.example"},
         {"none.example broken.example", "", "permerror none broken.example"},
         {"lost.example mild.example", "", "fail quarantine mild.example"},
         {"lost.example none.example", "", "temperror none "},
         {"mild.example [192.0.2.1]", "spf:mild.example", "permerror none "},
         {"mild.example [192.0.2.1]", "", "fail quarantine mild.example"},
         {"none.example mild.example reject.example x.example", "", "fail reject reject.example"},
         {"x.example y.example z.example zz.example", "", "permerror none "},
         {"", "spf:reject.example", "permerror none "});
    CHECK(play.judgement.problem[0] != '\0');
}

/* What a stranger authenticates asks no questions; what he could ask is bounded. */
TEST(questions_are_few)
{
    static const struct zone zone[] = {{"_dmarc.example.com", "v=DMARC1;p=reject"}, {NULL, NULL}};
    CHECK_INT(play_judge(&play, zone, "example.com", "dkim:example.com"), 2);
    CHECK_INT(play_judge(&play, zone, "example.com", "dkim:example.net spf:a.b.c.d.example.org"),
              2);
    CHECK_INT(play_judge(&play, zone, "example.com", "dkim:a.b.example.com dkim:b.example.com"), 4);
    char many[4000] = "";
    size_t len = 0;
    for (int i = 0; i < 60; i++)
        len += (size_t)snprintf(many + len, sizeof many - len, "dkim:a.b.c.d%d.example.com ", i);
    CHECK(play_judge(&play, zone,
                     "1.2.3.4.5.6.7.8.9.example.com 1.a.b.c.d.e.f.g.h.example "
                     "1.a.b.c.d.e.f.g.h.net",
                     many) <= ANSWERS_MAX);
    CHECK_INT(play.identifiers.count, IDENTIFIERS_MAX);
}

/* A stranger who is an author, too, and passes, with names that ask for more than there is room for. */
TEST(one_authors_identifiers_leave_room_for_anothers_policy)
{
    static const struct zone zone[] = {{"_dmarc.evil.example", "v=DMARC1;p=none"},
                                       {"_dmarc.bank.example", "v=DMARC1;p=none;np=reject"},
                                       {NULL, NULL}};
    play_judge(&play, zone, "evil.example missing.bank.example",
               "dkim:1.1.1.1.1.1.evil.example dkim:2.2.2.2.2.2.evil.example "
               "dkim:3.3.3.3.3.3.evil.example dkim:4.4.4.4.4.4.evil.example "
               "dkim:5.5.5.5.5.5.evil.example dkim:6.6.6.6.6.6.evil.example "
               "dkim:7.7.7.7.7.7.evil.example dkim:8.8.8.8.8.8.evil.example");
    CHECK(play.answers.is_full);
    const char *got = play_says(&play);
    CHECK_MEM(got, strlen(got), "fail reject bank.example");
}
