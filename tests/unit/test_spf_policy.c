/* Every result, identity and profile; overrides; forwarders. Pure: findings in, decisions out. */
#include "spf_fake.h"
#include "test.h"

static struct mw_instance instance;

static struct finding finding(enum identity identity, enum spf_result result, const char *domain)
{
    return (struct finding){.identity = identity,
                            .verdict = {.result = result, .domain = slice_of(domain)}};
}

/* profile, result, helo-check -> what is done, what would be. */
TEST(profiles_results_identities)
{
    static const enum action enforced[SPF_RESULTS] = {
        [SPF_NONE] = ACTION_ADD_HEADER,     [SPF_NEUTRAL] = ACTION_ADD_HEADER,
        [SPF_PASS] = ACTION_ADD_HEADER,     [SPF_FAIL] = ACTION_REJECT,
        [SPF_SOFTFAIL] = ACTION_ADD_HEADER, [SPF_TEMPERROR] = ACTION_DEFER,
        [SPF_PERMERROR] = ACTION_REJECT};
    static const char *const helo_checks[] = {"header", "reject"};
    for (int enforce = 0; enforce < 2; enforce++)
        for (int helo_check = 0; helo_check < 2; helo_check++) {
            char text[100];
            snprintf(text, sizeof text, "profile %s\nhelo-check %s",
                     enforce ? "enforce" : "observe", helo_checks[helo_check]);
            struct spf *spf = fake_open(&instance, text);
            CHECK(spf != NULL);
            for (int identity = 0; identity < IDENTITY_COUNT; identity++)
                for (int result = 0; result < SPF_RESULTS; result++) {
                    const struct finding found = finding((enum identity)identity,
                                                         (enum spf_result)result, "example.net");
                    bool counts = identity == IDENTITY_MAILFROM || helo_check == 1;
                    enum action would = counts ? enforced[result] : ACTION_ADD_HEADER;
                    CHECK_INT(policy_choice(&spf->settings, &found, true).action, would);
                    CHECK_INT(policy_choice(&spf->settings, &found, false).action,
                              enforce ? would : ACTION_ADD_HEADER);
                    struct decision decision = policy_decide(&spf->settings, &found, 1, true);
                    CHECK_INT(decision.action, would);
                    CHECK(decision.finding == &found);
                }
            fake_instance_fini(&instance);
        }
}

TEST(sternest_of_two_decides)
{
    struct spf *spf = fake_open(&instance, "profile enforce\nhelo-check reject\non softfail tag");
    static const struct {
        enum spf_result mailfrom, helo;
        enum action action;
        enum identity by;
    } rows[] = {
        {SPF_FAIL, SPF_FAIL, ACTION_REJECT, IDENTITY_MAILFROM},
        {SPF_PASS, SPF_FAIL, ACTION_REJECT, IDENTITY_HELO},
        {SPF_FAIL, SPF_TEMPERROR, ACTION_REJECT, IDENTITY_MAILFROM},
        {SPF_TEMPERROR, SPF_FAIL, ACTION_REJECT, IDENTITY_HELO},
        {SPF_SOFTFAIL, SPF_PASS, ACTION_TAG, IDENTITY_MAILFROM},
        {SPF_PASS, SPF_SOFTFAIL, ACTION_TAG, IDENTITY_HELO},
        {SPF_NONE, SPF_NONE, ACTION_ADD_HEADER, IDENTITY_MAILFROM},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct finding findings[] = {
            finding(IDENTITY_MAILFROM, rows[i].mailfrom, "example.net"),
            finding(IDENTITY_HELO, rows[i].helo, "mail.example.net")};
        struct decision decision = policy_decide(&spf->settings, findings, 2, false);
        CHECK_INT(decision.action, rows[i].action);
        CHECK_INT(decision.finding->identity, rows[i].by);
    }
    fake_instance_fini(&instance);
}

TEST(override_first_that_fits_wins)
{
    struct spf *spf = fake_open(&instance, "profile enforce\nhelo-check reject\n"
                                           "on-domain good.example.net fail tag\n"
                                           "on-domain .example.net fail,softfail defer\n"
                                           "on-domain example.net pass pass\n");
    static const struct {
        const char *domain;
        enum spf_result result;
        enum action action;
        const char *where;
    } rows[] = {
        {"good.example.net", SPF_FAIL, ACTION_TAG, "spf.conf:3"},
        {"a.good.example.net", SPF_FAIL, ACTION_DEFER, "spf.conf:4"},
        {"good.example.net", SPF_SOFTFAIL, ACTION_DEFER, "spf.conf:4"},
        {"example.net", SPF_FAIL, ACTION_DEFER, "spf.conf:4"},
        {"example.net", SPF_PASS, ACTION_PASS, "spf.conf:5"},
        {"a.example.net", SPF_PASS, ACTION_ADD_HEADER, "spf.conf:1"},
        {"badexample.net", SPF_FAIL, ACTION_REJECT, "spf.conf:1"},
        {"example.net", SPF_PERMERROR, ACTION_REJECT, "spf.conf:1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct finding found = finding(IDENTITY_MAILFROM, rows[i].result, rows[i].domain);
        struct choice choice = policy_choice(&spf->settings, &found, false);
        CHECK_INT(choice.action, rows[i].action);
        CHECK_SLICE(choice.where, rows[i].where);
    }
    const struct finding helo = finding(IDENTITY_HELO, SPF_FAIL, "example.net");
    CHECK_INT(policy_choice(&spf->settings, &helo, false).action, ACTION_REJECT);
    fake_instance_fini(&instance);
}

TEST(forwarders)
{
    for (int action = 0; action < ACTION_COUNT; action++)
        for (int result = 0; result < SPF_RESULTS; result++) {
            struct decision before = {.action = (enum action)action};
            enum action after = policy_forwarded(before, (enum spf_result)result).action;
            enum action want = result == SPF_PASS && action > ACTION_ADD_HEADER ? ACTION_ADD_HEADER
                               : result == SPF_TEMPERROR && action == ACTION_REJECT
                                   ? ACTION_DEFER
                                   : (enum action)action;
            CHECK_INT(after, want);
        }
}

TEST(nothing_checked_nothing_done)
{
    struct spf *spf = fake_open(&instance, "profile enforce");
    struct decision decision = policy_decide(&spf->settings, NULL, 0, false);
    CHECK_INT(decision.action, ACTION_PASS);
    CHECK(decision.finding == NULL);
    fake_instance_fini(&instance);
}
