/* test_rules_dnsbl_share.c - who pays for the questions of DNS lists: the session whose mail it is, for
 * every one; what a session without a share left learns, and that nobody else is harmed by it: no
 * list is switched off, no question outlives its session. The host's own reckoning is in test_host_query.c. */
#include <stdio.h>
#include <stdlib.h>

#include "list_kit.h"
#include "list_priv.h"
#include "test.h"

static struct list_kit kit;

static const struct kit_answer answers[] = {{"bad.test.a.example", "127.0.0.2"},
                                            {"bad.test.b.example", "127.0.0.3"},
                                            {"dead.test.a.example", "!"},
                                            {"slow.test.a.example", "?"},
                                            {"slow.test.b.example", "?"},
                                            {"TXT bad.test.a.example", "Listed"},
                                            {0}};

/* A zone of which nobody hears anything: not of its test entry either. */
static const struct kit_answer of_dead_zone[] = {
    {"bad.test.a.example", "!"}, {"test.a.example", "!"}, {0}};

/* ---- one message of one session ---- */

struct mail {
    struct mw_ctx ctx;
    struct list_answers *answers;
    bool is_done;
};

static void on_done(void *user)
{
    ((struct mail *)user)->is_done = true;
}

static void mail_init(struct mail *mail, unsigned share)
{
    *mail = (struct mail){.ctx = {.kit = &kit, .share = share}};
    mail->answers = rules_list_answers_new(kit.rules);
    rules_list_answers_charge(mail->answers, &mail->ctx);
}

static enum list_answer says(struct mail *mail, const char *name, const char **out_error)
{
    struct value value = {.text = slice_of(name)};
    return rules_list_has(kit_set(&kit), &value, mail->answers, out_error);
}

/* Note the names "nN.test" below `count`. */
static void note_names(struct mail *mail, unsigned count)
{
    char name[32];
    const char *error = NULL;
    for (unsigned i = 0; i < count; i++) {
        snprintf(name, sizeof name, "n%u.test", i);
        says(mail, name, &error);
    }
}

static void note_name(struct mail *mail, const char *name)
{
    const char *error = NULL;
    says(mail, name, &error);
}

static void start_asking(struct mail *mail)
{
    rules_list_ask(mail->answers, on_done, mail);
}

static struct mail *waited_for;

static bool is_done(struct list_kit *at)
{
    (void)at;
    return waited_for->is_done;
}

static bool finish(struct mail *mail)
{
    waited_for = mail;
    return kit_run(&kit, is_done, 15000);
}

static bool ask(struct mail *mail)
{
    start_asking(mail);
    return finish(mail);
}

static void leave(struct mail *mail)
{
    rules_list_cancel(mail->answers);
    rules_list_answers_free(&mail->answers);
    kit_leave(&mail->ctx);
}

static unsigned count_failed(struct mail *mail, unsigned count, const char *why)
{
    unsigned failed = 0;
    for (unsigned i = 0; i < count; i++) {
        char name[32];
        const char *error = NULL;
        snprintf(name, sizeof name, "n%u.test", i);
        if (says(mail, name, &error) != LIST_FAILED)
            continue;
        failed++;
        if (strstr(error, why) == NULL)
            mw_test_fail(__FILE__, __LINE__, "the error is '%s', want '%s'", error, why);
    }
    return failed;
}

static unsigned times_asked(const char *line)
{
    unsigned times = 0;
    for (const char *at = kit.asked; (at = strstr(at, line)) != NULL; at++)
        times += at == kit.asked || at[-1] == '\n';
    return times;
}

/* One message with one name. The error that it meets, or what it is told. */
static const char *meets(struct mail *mail, const char *name)
{
    const char *error = NULL;
    note_name(mail, name);
    if (!ask(mail))
        return "nothing";
    enum list_answer answer = says(mail, name, &error);
    return answer == LIST_YES ? "yes" : answer == LIST_NO ? "no" : error;
}

static const char *met_alone(const char *name, unsigned share)
{
    struct mail mail;
    mail_init(&mail, share);
    const char *met = meets(&mail, name);
    leave(&mail);
    return met;
}

static void begin(const struct kit_answer *dns)
{
    kit_init(&kit);
    kit.dns = dns;
}

/* ---- who pays ---- */

TEST(each_question_is_charged_to_the_session_whose_mail_it_is)
{
    struct mail one, two;
    begin(answers);
    START("dnsbl \"a.example\", \"b.example\" threshold 2", "sender.domain");
    rules_list_want_all(kit_set(&kit)->list);
    rules_list_want_text(kit_set(&kit)->list);
    mail_init(&one, 100);
    mail_init(&two, 100);
    note_names(&one, 3);
    note_name(&two, "bad.test");
    start_asking(&one);
    CHECK(ask(&two));
    CHECK(finish(&one));
    CHECK_INT(one.ctx.asked, 6);
    CHECK_INT(two.ctx.asked, 3); /* with the text */
    CHECK_INT(kit.own_questions, 0);
    CHECK_INT(count_failed(&one, 3, ""), 0);
    const char *error = NULL;
    CHECK_INT(says(&two, "bad.test", &error), LIST_YES);
    leave(&one);
    leave(&two);
    kit_fini(&kit);
}

TEST(names_that_are_there_twice_are_paid_once)
{
    struct mail mail;
    begin(answers);
    START("dnsbl \"a.example\"", "sender.domain");
    mail_init(&mail, 10000);
    for (unsigned i = 0; i < 3; i++)
        note_names(&mail, 2000);
    CHECK_INT(rules_list_pending(mail.answers), 2000);
    CHECK(ask(&mail));
    CHECK_INT(mail.ctx.asked, 2000);
    note_names(&mail, 2000);
    CHECK_INT(rules_list_pending(mail.answers), 0);
    leave(&mail);
    kit_fini(&kit);
}

/* Nobody pays where nobody says who: tools, and a host of before. */
TEST(without_a_session_questions_are_the_instances_own)
{
    begin(answers);
    START("dnsbl \"a.example\"", "sender.domain");
    CHECK_HAS("bad.test");
    CHECK_INT(kit.own_questions, 1);
    struct mw_host old = *kit.rules->host;
    const struct mw_host *host = kit.rules->host;
    old.size = offsetof(struct mw_host, query);
    old.query = NULL;
    kit.rules->host = &old;
    struct mail mail;
    mail_init(&mail, 100);
    CHECK(strcmp(meets(&mail, "bad.test"), "yes") == 0);
    CHECK_INT(mail.ctx.asked, 0);
    CHECK_INT(kit.own_questions, 2);
    leave(&mail);
    kit.rules->host = host;
    kit_fini(&kit);
}

/* ---- sessions that end ---- */

static void three_want_it(unsigned who_leaves)
{
    struct mail mails[3];
    begin(answers);
    START("dnsbl \"a.example*2\", \"b.example\" threshold 3 timeout 10s", "sender.domain");
    for (unsigned i = 0; i < 3; i++) {
        mail_init(&mails[i], 1000);
        note_names(&mails[i], 100); /* more than are under way at once */
        note_name(&mails[i], "bad.test");
        start_asking(&mails[i]);
        CHECK_INT(mails[i].ctx.open, DNSBL_OPEN_MAX);
    }
    leave(&mails[who_leaves]); /* kit_leave() aborts the test if it asks anything more */
    unsigned asked = mails[who_leaves].ctx.asked;
    for (unsigned i = 0; i < 3; i++) {
        const char *error = NULL;
        if (i == who_leaves)
            continue;
        CHECK(finish(&mails[i]));
        CHECK_INT(says(&mails[i], "bad.test", &error), LIST_YES);
        CHECK_INT(count_failed(&mails[i], 100, ""), 0);
        leave(&mails[i]);
    }
    CHECK_INT(mails[who_leaves].ctx.asked, asked);
    CHECK(!mails[who_leaves].is_done);
    kit_fini(&kit);
}

TEST(first_of_three_sessions_leaves)
{
    three_want_it(0);
}

TEST(second_of_three_sessions_leaves)
{
    three_want_it(1);
}

TEST(last_of_three_sessions_leaves)
{
    three_want_it(2);
}

/* The host drops a session's questions unanswered; what waits for them is cancelled before or after. */
TEST(session_ends_under_its_questions)
{
    struct mail mail;
    begin(answers);
    START("dnsbl \"a.example\" timeout 10s", "sender.domain");
    mail_init(&mail, 1000);
    note_name(&mail, "slow.test");
    note_names(&mail, 200);
    start_asking(&mail);
    kit_leave(&mail.ctx);
    CHECK_INT(mail.ctx.open, 0);
    rules_list_answers_free(&mail.answers);
    kit_run(&kit, NULL, 50);
    CHECK(!mail.is_done);
    CHECK(strcmp(met_alone("bad.test", 10), "yes") == 0);
    kit_fini(&kit);
}

/* ---- how many at once ---- */

TEST(no_more_than_the_host_asks_are_under_way)
{
    struct mail mail;
    begin(answers);
    START("dnsbl \"a.example\", \"b.example\"", "sender.domain");
    mail_init(&mail, 10000);
    note_names(&mail, 500);
    CHECK(ask(&mail));
    CHECK_INT(mail.ctx.asked, 1000);
    CHECK_INT(mail.ctx.most_open, DNSBL_OPEN_MAX);
    CHECK_INT(mail.ctx.open, 0);
    CHECK_INT(count_failed(&mail, 500, ""), 0);
    leave(&mail);
    kit_fini(&kit);
}

/* Sixty-four that are not answered hold up the rest, whose zones are not to blame. */
TEST(what_never_had_its_turn_says_nothing_about_the_zone)
{
    static struct kit_answer mute[101];
    static char names[100][32];
    struct mail mail;
    for (unsigned i = 0; i < 100; i++) {
        snprintf(names[i], sizeof names[i], "n%u.test.a.example", i);
        mute[i] = (struct kit_answer){names[i], "?"};
    }
    begin(mute);
    START("dnsbl \"a.example\" timeout 100ms", "sender.domain");
    mail_init(&mail, 10000);
    note_names(&mail, 100);
    CHECK(ask(&mail));
    CHECK_INT(mail.ctx.asked, DNSBL_OPEN_MAX);
    CHECK_INT(kit_count(&kit, "list.l.a.example.queries"), DNSBL_OPEN_MAX);
    CHECK_INT(kit_count(&kit, "list.l.a.example.failures"), DNSBL_OPEN_MAX);
    unsigned late = 0, queued = 0;
    for (unsigned i = 0; i < 100; i++) {
        char name[32];
        const char *error = NULL;
        snprintf(name, sizeof name, "n%u.test", i);
        CHECK_INT(says(&mail, name, &error), LIST_FAILED);
        late += strcmp(error, "no answer in time") == 0;
        queued += strstr(error, "too many questions") != NULL;
    }
    CHECK_INT(late, DNSBL_OPEN_MAX);
    CHECK_INT(queued, 100 - DNSBL_OPEN_MAX);
    leave(&mail);
    kit_fini(&kit);
}

/* ---- the share is used up ---- */

TEST(beyond_the_share_the_list_has_no_answer)
{
    struct mail greedy;
    begin(answers);
    START("dnsbl \"a.example\"", "sender.domain");
    mail_init(&greedy, 200);
    note_names(&greedy, 1000);
    CHECK(ask(&greedy));
    CHECK_INT(greedy.ctx.asked, 1000);
    CHECK_INT(count_failed(&greedy, 1000, "(query-limit)"), 800);
    CHECK_INT(kit_count(&kit, "list.l.a.example.failures"), 800);
    leave(&greedy);
    kit_fini(&kit);
}

/* The zone is looked at, once, and found in order: the next client has its answer. */
TEST(zone_is_not_left_alone_for_one_clients_share)
{
    unsigned checks = 0;
    begin(answers);
    START("dnsbl \"a.example\"", "sender.domain");
    for (unsigned i = 0; i < 20; i++) {
        struct mail greedy;
        kit.asked[0] = '\0';
        mail_init(&greedy, 0);
        note_names(&greedy, 50);
        CHECK(ask(&greedy));
        CHECK_INT(count_failed(&greedy, 50, "(query-limit)"), 50);
        leave(&greedy);
        CHECK(strcmp(met_alone("bad.test", 1), "yes") == 0);
        checks += times_asked("test.a.example\n");
    }
    CHECK(strstr(kit.notes, "list-zone") == NULL);
    CHECK_INT(kit.own_questions, checks);
    CHECK(kit.own_questions >= 1);
    CHECK(kit.own_questions <= 3); /* a second passes now and then on a slow machine */
    kit_fini(&kit);
}

/* ... not even while the check is late, if others have answers. */
TEST(check_that_fails_does_not_count_against_good_answers)
{
    static const struct kit_answer odd[] = {
        {"bad.test.a.example", "127.0.0.2"}, {"test.a.example", "!"}, {0}};
    struct mail greedy, good;
    begin(odd);
    START("dnsbl \"a.example\"", "sender.domain");
    mail_init(&greedy, 0);
    mail_init(&good, 1);
    note_names(&greedy, 5);
    note_name(&good, "bad.test");
    start_asking(&good); /* is answered in the same turn: the kit's newest question first */
    start_asking(&greedy);
    CHECK(finish(&good));
    CHECK(finish(&greedy));
    kit_run(&kit, NULL, 20);
    CHECK_INT(times_asked("test.a.example\n"), 1);
    CHECK(strstr(kit.notes, "list-zone") == NULL);
    CHECK(strcmp(met_alone("bad.test", 1), "yes") == 0);
    leave(&greedy);
    leave(&good);
    kit_fini(&kit);
}

TEST(zone_that_is_dead_is_left_alone_all_the_same)
{
    begin(of_dead_zone);
    START("dnsbl \"a.example\"", "sender.domain");
    for (unsigned i = 0; i < 5; i++) {
        CHECK(strstr(kit.notes, "list-zone") == NULL);
        CHECK(strstr(met_alone("bad.test", 1), "no answer for the list") != NULL);
    }
    CHECK(kit_noted(&kit,
                    "list-zone-suspended list=l zone=a.example reason=the DNS has no answer for "
                    "the list at the moment\n",
                    1));
    kit.asked[0] = '\0';
    CHECK(strstr(met_alone("bad.test", 1), "not asked for a minute") != NULL);
    CHECK_INT(strlen(kit.asked), 0);
    kit.dns = answers; /* it is back, and a greedy client is the first to come */
    kit.clock_skew_ms += 61000;
    CHECK(strstr(met_alone("bad.test", 0), "(query-limit)") != NULL);
    CHECK(kit_noted(&kit, "list-zone-back list=l zone=a.example\n", 1));
    CHECK(strcmp(met_alone("bad.test", 1), "yes") == 0);
    kit_fini(&kit);
}

TEST(check_asks_for_what_addresses_have)
{
    static const struct kit_answer of_addresses[] = {
        {"1.2.0.192.a.example", "!"}, {"2.0.0.127.a.example", "127.255.255.254"}, {0}};
    static const char ip[16] = {[10] = -1, [11] = -1, -64, 0, 2, 1};
    struct value value = {.text = SLICE(ip, sizeof ip)};
    begin(of_addresses);
    START("dnsbl \"a.example\"", "client.ip");
    for (unsigned i = 0; i < 5; i++) {
        struct mail mail;
        const char *error = NULL;
        mail_init(&mail, 1);
        rules_list_has(kit_set(&kit), &value, mail.answers, &error);
        CHECK(ask(&mail));
        CHECK_INT(rules_list_has(kit_set(&kit), &value, mail.answers, &error), LIST_FAILED);
        leave(&mail);
    }
    CHECK(kit_noted(&kit, "reason=the list does not serve this resolver (127.255.255.x)\n", 1));
    CHECK_INT(times_asked("2.0.0.127.a.example\n"), 1);
    kit_fini(&kit);
}

/* kit_fini() aborts if a question is left behind. */
TEST(check_ends_with_the_list)
{
    static const struct kit_answer mute[] = {
        {"bad.test.a.example", "!"}, {"test.a.example", "?"}, {0}};
    begin(mute);
    START("dnsbl \"a.example\"", "sender.domain");
    for (unsigned i = 0; i < 8; i++)
        CHECK(strstr(met_alone("bad.test", 1), "no answer for the list") != NULL);
    CHECK_INT(times_asked("test.a.example\n"), 1);
    CHECK_INT(kit.own_questions, 1);
    CHECK(strstr(kit.notes, "list-zone") == NULL);
    kit_fini(&kit);
}

/* A sender who writes five hundred names before the one that matters must not be sure of anything. */
TEST(order_of_many_names_is_not_the_senders)
{
    enum { ROUNDS = 60, JUNK = 200, SHARE = 100 };
    unsigned found = 0, unknown = 0;
    begin(answers);
    START("dnsbl \"a.example\"", "sender.domain");
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct mail mail;
        const char *error = NULL;
        mail_init(&mail, SHARE);
        note_names(&mail, JUNK);
        note_name(&mail, "bad.test");
        CHECK(ask(&mail));
        CHECK_INT(count_failed(&mail, JUNK, "(query-limit)") +
                      (says(&mail, "bad.test", &error) == LIST_FAILED),
                  JUNK + 1 - SHARE);
        found += says(&mail, "bad.test", &error) == LIST_YES;
        unknown += says(&mail, "bad.test", &error) == LIST_FAILED;
        leave(&mail);
    }
    CHECK_INT(found + unknown, ROUNDS); /* never "no" */
    CHECK(found >= 5 && found <= 55);   /* 30 on average; beyond: once in 10^11 runs */
    kit_fini(&kit);
}

/* The few of an ordinary message are asked in the order of the rules. */
TEST(order_of_few_names_is_kept)
{
    struct mail mail;
    begin(answers);
    START("dnsbl \"a.example\"", "sender.domain");
    mail_init(&mail, 10);
    note_names(&mail, 4);
    CHECK(ask(&mail));
    CHECK_MEM(kit.asked, strlen(kit.asked),
              "n0.test.a.example\nn1.test.a.example\nn2.test.a.example\nn3.test.a.example\n");
    leave(&mail);
    kit_fini(&kit);
}

/* Texts that lists give count as well, and never stand in the way of other questions. */
TEST(texts_are_charged_and_counted_among_those_under_way)
{
    static struct kit_answer listed[301];
    static char names[300][32];
    struct mail mail;
    for (unsigned i = 0; i < 300; i++) {
        snprintf(names[i], sizeof names[i], "n%u.test.a.example", i);
        listed[i] = (struct kit_answer){names[i], "127.0.0.2"};
    }
    begin(listed);
    START("dnsbl \"a.example\"", "sender.domain");
    rules_list_want_text(kit_set(&kit)->list);
    mail_init(&mail, 10000);
    note_names(&mail, 300);
    CHECK(ask(&mail));
    CHECK_INT(mail.ctx.asked, 600);
    CHECK_INT(mail.ctx.most_open, DNSBL_OPEN_MAX);
    CHECK_INT(kit_count(&kit, "list.l.a.example.hits"), 300);
    leave(&mail);
    kit_fini(&kit);
}
