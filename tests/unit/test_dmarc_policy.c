/* RFC 9989 5.3.6, 5.4, 7.2: what becomes of a result. */
#include "policy.h"
#include "test.h"

static struct settings settings;

static struct judgement judged(enum dmarc_result result, enum policy policy, const char *domain)
{
    return (struct judgement){.result = result, .policy = policy, .domain = slice_of(domain)};
}

/* A block as settings_read() leaves it, of that profile. */
static void begin(bool enforces)
{
    static const enum action enforced[OUTCOME_COUNT] = {
        ACTION_REJECT, ACTION_TAG, ACTION_ADD_HEADER, ACTION_ADD_HEADER, ACTION_ADD_HEADER};
    settings = (struct settings){.profile = enforces ? PROFILE_ENFORCE : PROFILE_OBSERVE};
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        settings.would[i].action = enforced[i];
        settings.acts[i].action = enforces ? enforced[i] : ACTION_ADD_HEADER;
    }
}

static struct decision decide(enum dmarc_result result, enum policy policy, const char *domain)
{
    const struct judgement judgement = judged(result, policy, domain);
    return policy_decide(&settings, &judgement, NULL);
}

TEST(profile_decides_what_is_done_and_what_would_be)
{
    begin(false);
    CHECK_INT(decide(DMARC_FAIL, POLICY_REJECT, "a.example").action, ACTION_ADD_HEADER);
    CHECK_INT(decide(DMARC_FAIL, POLICY_REJECT, "a.example").would, ACTION_REJECT);
    begin(true);
    CHECK_INT(decide(DMARC_FAIL, POLICY_REJECT, "a.example").action, ACTION_REJECT);
    CHECK_INT(decide(DMARC_FAIL, POLICY_QUARANTINE, "a.example").action, ACTION_TAG);
    CHECK_INT(decide(DMARC_FAIL, POLICY_NONE, "a.example").action, ACTION_ADD_HEADER);
    CHECK_INT(decide(DMARC_PASS, POLICY_REJECT, "a.example").action, ACTION_ADD_HEADER);
    CHECK_INT(decide(DMARC_NONE, POLICY_NONE, "a.example").action, ACTION_ADD_HEADER);
    CHECK_INT(decide(DMARC_TEMPERROR, POLICY_REJECT, "a.example").action, ACTION_ADD_HEADER);
    CHECK_INT(decide(DMARC_PERMERROR, POLICY_REJECT, "").action, ACTION_ADD_HEADER);
}

TEST(first_domain_that_fits_wins_over_the_profile)
{
    struct exception list[] = {
        {{LIT("own.example.net"), false}, 1u << OUTCOME_REJECT, {ACTION_DEFER, LIT("x:1")}},
        {{LIT("example.net"), true},
         1u << OUTCOME_REJECT | 1u << OUTCOME_NONE,
         {ACTION_PASS, LIT("x:2")}},
        {{LIT("example.net"), false}, ~0u, {ACTION_QUARANTINE, LIT("x:3")}}};
    begin(true);
    settings.exceptions = list;
    settings.exception_count = 3;
    CHECK_INT(decide(DMARC_FAIL, POLICY_REJECT, "own.example.net").action, ACTION_DEFER);
    CHECK_INT(decide(DMARC_FAIL, POLICY_REJECT, "x.own.example.net").action, ACTION_PASS);
    CHECK_INT(decide(DMARC_FAIL, POLICY_NONE, "example.net").action, ACTION_PASS);
    CHECK_INT(decide(DMARC_FAIL, POLICY_QUARANTINE, "example.net").action, ACTION_QUARANTINE);
    CHECK_INT(decide(DMARC_TEMPERROR, POLICY_NONE, "example.net").action, ACTION_QUARANTINE);
    CHECK_INT(decide(DMARC_FAIL, POLICY_REJECT, "badexample.net").action, ACTION_REJECT);
    CHECK_INT(decide(DMARC_PASS, POLICY_REJECT, "example.net").action, ACTION_ADD_HEADER);
    struct decision decision = decide(DMARC_FAIL, POLICY_REJECT, "own.example.net");
    CHECK_MEM(decision.rule, strlen(decision.rule), "on-domain");
    CHECK_SLICE(decision.where, "x:1");
}

TEST(forwarders_mail_is_not_acted_upon)
{
    struct network list[] = {{{[10] = 0xff, 0xff, 192, 0, 2, 16}, 96 + 28},
                             {{0x20, 0x01, 0x0d, 0xb8}, 32}};
    static const char inside[16] = {[10] = '\xff', '\xff', '\xc0', 0, 2, 31};
    static const char outside[16] = {[10] = '\xff', '\xff', '\xc0', 0, 2, 32};
    static const char six[16] = {0x20, 0x01, 0x0d, '\xb8', 1};
    begin(true);
    settings.forwarders = (struct networks){list, 2};
    struct judgement judgement = judged(DMARC_FAIL, POLICY_REJECT, "a.example");
    CHECK_INT(policy_decide(&settings, &judgement, inside).action, ACTION_ADD_HEADER);
    CHECK(policy_decide(&settings, &judgement, inside).is_forwarded);
    CHECK_INT(policy_decide(&settings, &judgement, six).action, ACTION_ADD_HEADER);
    CHECK_INT(policy_decide(&settings, &judgement, outside).action, ACTION_REJECT);
    CHECK_INT(policy_decide(&settings, &judgement, NULL).action, ACTION_REJECT);
    judgement.result = DMARC_PASS;
    CHECK(!policy_decide(&settings, &judgement, inside).is_forwarded);
}

TEST(fail_by_less_than_both_methods_is_none)
{
    static const bool rows[][METHOD_COUNT] = {{true, false}, {false, true}, {true, true}};
    static const char *const problems[] = {"no result of spf for this message",
                                           "no result of dkim for this message",
                                           "no result of spf and dkim for this message"};
    struct network list[] = {{{0x20, 0x01}, 16}};
    begin(true);
    settings.acts[OUTCOME_PERMERROR].action = ACTION_DEFER;
    settings.forwarders = (struct networks){list, 1};
    for (size_t i = 0; i < 3; i++)
        for (int result = 0; result < DMARC_RESULTS; result++) {
            struct judgement judgement = judged((enum dmarc_result)result, POLICY_REJECT, "a.test");
            policy_see(&judgement, rows[i]);
            CHECK_INT(judgement.is_blind, result == DMARC_FAIL);
            CHECK_INT(judgement.result, result == DMARC_FAIL ? DMARC_PERMERROR : result);
            if (result != DMARC_FAIL)
                continue;
            CHECK_SLICE(slice_of(judgement.problem), problems[i]);
            CHECK_INT(policy_decide(&settings, &judgement, NULL).action, ACTION_DEFER);
            static const char client[16] = {0x20, 0x01};
            CHECK_INT(policy_decide(&settings, &judgement, client).action, ACTION_ADD_HEADER);
            CHECK(policy_decide(&settings, &judgement, client).is_forwarded);
        }
    struct judgement judgement = judged(DMARC_FAIL, POLICY_REJECT, "a.test");
    policy_see(&judgement, (const bool[METHOD_COUNT]){false, false});
    CHECK_INT(judgement.result, DMARC_FAIL);
    CHECK(!judgement.is_blind);
}

TEST(spared_message_is_neither_refused_nor_moved)
{
    begin(true);
    settings.recipients_where = LIT("x:7");
    for (int action = 0; action < ACTION_COUNT; action++)
        for (int would = 0; would < ACTION_COUNT; would++) {
            struct decision decision = policy_spare(&settings,
                                                    (struct decision){.action = (enum action)action,
                                                                      .would = (enum action)would,
                                                                      .rule = "profile"});
            bool is_spared = action >= ACTION_QUARANTINE || would >= ACTION_QUARANTINE;
            CHECK_INT(decision.action, action >= ACTION_QUARANTINE ? ACTION_ADD_HEADER : action);
            CHECK_INT(decision.would, is_spared ? (int)decision.action : would);
            CHECK_SLICE(slice_of(decision.rule), is_spared ? "skip-recipients" : "profile");
            CHECK_SLICE(decision.where, is_spared ? "x:7" : "");
        }
}

TEST(place_is_that_of_the_line_that_decided)
{
    begin(true);
    settings.profile_where = LIT("x:1");
    settings.acts[OUTCOME_QUARANTINE].where = LIT("x:2");
    struct decision decision = decide(DMARC_FAIL, POLICY_REJECT, "a.example");
    CHECK_SLICE(slice_of(decision.rule), "profile");
    CHECK_SLICE(decision.where, "x:1");
    decision = decide(DMARC_FAIL, POLICY_QUARANTINE, "a.example");
    CHECK_SLICE(slice_of(decision.rule), "on");
    CHECK_SLICE(decision.where, "x:2");
}

TEST(reply_names_domain_and_reason)
{
    char text[POLICY_REPLY_MAX];
    struct judgement judgement = judged(DMARC_FAIL, POLICY_REJECT, "example.net");
    struct reply reply = policy_reply(&judgement, ACTION_REJECT, false, text);
    CHECK_INT(reply.code, 550);
    CHECK_MEM(reply.dsn, strlen(reply.dsn), "5.7.1");
    CHECK_SLICE(reply.text, "DMARC: mail from example.net needs SPF or DKIM of that domain, and "
                            "this has neither");
    reply = policy_reply(&judgement, ACTION_REJECT, true, text);
    CHECK_MEM(reply.dsn, strlen(reply.dsn), "5.7.26");
    judgement = judged(DMARC_TEMPERROR, POLICY_NONE, "example.net");
    snprintf(judgement.problem, sizeof judgement.problem, "no answer for _dmarc.example.net");
    reply = policy_reply(&judgement, ACTION_DEFER, true, text);
    CHECK_INT(reply.code, 451);
    CHECK_MEM(reply.dsn, strlen(reply.dsn), "4.7.1");
    CHECK_SLICE(reply.text,
                "DMARC: the sender cannot be judged now: no answer for _dmarc.example.net");
}

TEST(longest_names_fit_into_a_reply_line)
{
    static char name[DOMAIN_MAX + 1];
    char text[POLICY_REPLY_MAX];
    memset(name, 'a', DOMAIN_MAX);
    struct judgement judgement = judged(DMARC_FAIL, POLICY_REJECT, name);
    memset(judgement.problem, 'b', PROBLEM_MAX - 1);
    for (int result = DMARC_FAIL; result < DMARC_RESULTS; result++) {
        judgement.result = (enum dmarc_result)result;
        struct reply reply = policy_reply(&judgement, ACTION_REJECT, true, text);
        CHECK(reply.text.len < POLICY_REPLY_MAX);
    }
}
