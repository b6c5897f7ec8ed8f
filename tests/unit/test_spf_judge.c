/* Whole messages over a DNS that answers when the test says so: what is asked, waited for, answered, told. */
#include "spf_fake.h"
#include "test.h"

static const char zone[] = "example.net TXT v=spf1 ip4:192.0.2.7 -all\n"
                           "soft.example TXT v=spf1 ~all\n"
                           "fail.example TXT v=spf1 -all exp=why.fail.example\n"
                           "why.fail.example TXT %{i} is not one of ours\n"
                           "local.example TXT v=spf1 -all exp=local.why.example\n"
                           "local.why.example TXT %{l}\n"
                           "two.example TXT v=spf1 -all\n"
                           "two.example TXT v=spf1 +all\n"
                           "down.example TXT !\n"
                           "forwarder.example TXT v=spf1 ip4:198.51.100.1 -all\n"
                           "away.example TXT !\n"
                           "mail.example.net TXT v=spf1 ip4:192.0.2.7 -all\n";

static struct mw_instance instance;
static struct mw_ctx ctx;

static bool begin(const char *block)
{
    return fake_begin(&ctx, &instance, block, zone);
}

static void end(void)
{
    fake_end(&ctx);
}

TEST(fail_is_refused_with_its_reason)
{
    CHECK(begin("skip-networks none\nprofile enforce\n"));
    CHECK_INT(fake_mail(&ctx, "a@fail.example"), MW_CONTINUE);
    CHECK_INT(fake_rcpt(&ctx, "b@example.test"), MW_REJECT);
    CHECK_INT(ctx.code, 550);
    CHECK_SLICE(slice_of(ctx.dsn), "5.7.23");
    CHECK_SLICE(slice_of(ctx.reply),
                "SPF: 192.0.2.66 is not allowed to send mail from fail.example (the domain says: "
                "192.0.2.66 is not one of ours)");
    CHECK_SLICE(slice_of(ctx.rule), "fail");
    CHECK_SLICE(slice_of(ctx.where), "spf.conf:2");
    CHECK_SLICE(slice_of(ctx.reason), "mechanism -all of fail.example");
    CHECK_SLICE(slice_of(ctx.results),
                "spf=fail (mechanism -all of fail.example) smtp.mailfrom=a@fail.example\n"
                "spf=fail (mechanism -all of mail.example.net) smtp.helo=mail.example.net\n");
    CHECK_SLICE(slice_of(fake_fact(&ctx, "spf.result")), "fail");
    CHECK_SLICE(slice_of(fake_fact(&ctx, "spf.domain")), "fail.example");
    CHECK_SLICE(slice_of(fake_fact(&ctx, "spf.identity")), "mailfrom");
    CHECK_SLICE(slice_of(fake_fact(&ctx, "spf.mechanism")), "-all");
    CHECK_SLICE(slice_of(fake_fact(&ctx, "spf.explanation")), "192.0.2.66 is not one of ours");
    CHECK_SLICE(slice_of(fake_fact(&ctx, "spf.helo_result")), "fail");
    CHECK_SLICE(slice_of(fake_fact(&ctx, "spf.helo_domain")), "mail.example.net");
    CHECK_INT(fake_counter(&ctx, "mailfrom-fail"), 1);
    CHECK_INT(fake_counter(&ctx, "helo-fail"), 1);
    CHECK_INT(fake_counter(&ctx, "rejected"), 1);
    end();
}

TEST(observe_only_tells)
{
    CHECK(begin("helo-check off"));
    static const struct {
        const char *sender, *would, *counter;
    } rows[] = {
        {"a@fail.example",
         "info spf-would action=reject code=550 dsn=5.7.23 result=fail identity=mailfrom "
         "domain=fail.example mechanism=-all "
         "client=192.0.2.66 helo=mail.example.net from=<a@fail.example>\n",
         "would-reject"},
        {"a@down.example",
         "info spf-would action=defer code=451 dsn=4.7.24 result=temperror identity=mailfrom "
         "domain=down.example ",
         "would-defer"},
        {"a@two.example",
         "info spf-would action=reject code=550 dsn=5.7.24 result=permerror identity=mailfrom "
         "domain=two.example ",
         "would-reject"},
        {"a@soft.example", NULL, NULL},
        {"a@example.org", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_INT(fake_mail(&ctx, rows[i].sender), MW_CONTINUE);
        CHECK_INT(fake_rcpt(&ctx, "b@example.test"), MW_CONTINUE);
        CHECK_INT(fake_rcpt(&ctx, "c@example.test"), MW_CONTINUE); /* told once */
        const char *told = strstr(ctx.log, "info ");
        CHECK_INT(told != NULL, rows[i].would != NULL);
        if (told != NULL) {
            CHECK(strncmp(told, rows[i].would, strlen(rows[i].would)) == 0);
            CHECK(strstr(told + 1, "info ") == NULL);
            CHECK(fake_counter(&ctx, rows[i].counter) >= 1);
        }
        CHECK_INT(ctx.code, 0);
        CHECK(ctx.results[0] != '\0');
    }
    CHECK_INT(fake_counter(&ctx, "would-reject"), 2);
    CHECK_INT(fake_counter(&ctx, "rejected"), 0);
    end();
}

/* 4.7.24, and what is not known today is asked again soon. */
TEST(temperror_defers_and_is_not_kept_long)
{
    CHECK(begin("profile enforce\nhelo-check off"));
    fake_mail(&ctx, "a@down.example");
    CHECK_INT(fake_rcpt(&ctx, "b@example.test"), MW_TEMPFAIL);
    CHECK_INT(ctx.code, 451);
    CHECK_SLICE(slice_of(ctx.dsn), "4.7.24");
    CHECK_SLICE(slice_of(fake_fact(&ctx, "spf.result")), "temperror");
    CHECK(fake_fact(&ctx, "spf.problem")[0] != '\0');
    size_t asked = ctx.asked;
    fake_mail(&ctx, "a@down.example");
    CHECK_INT(ctx.asked, asked);
    CHECK_INT(fake_counter(&ctx, "cache-hits"), 1);
    instance.clock_ms += LOOKUP_KEEP_ERROR_MS;
    fake_mail(&ctx, "a@down.example");
    CHECK(ctx.asked > asked);
    end();
}

TEST(one_sender_is_asked_about_once)
{
    CHECK(begin(""));
    for (int i = 0; i < 100; i++) {
        fake_mail(&ctx, "a@example.net");
        fake_rcpt(&ctx, "b@example.test");
    }
    CHECK_INT(ctx.asked, 2); /* the sender's domain, the HELO's */
    CHECK_INT(fake_counter(&ctx, "checks"), 2);
    CHECK_INT(fake_counter(&ctx, "cache-hits"), 198);
    CHECK_INT(fake_counter(&ctx, "mailfrom-fail"), 100);
    instance.clock_ms += LOOKUP_KEEP_MS;
    fake_mail(&ctx, "a@example.net");
    CHECK_INT(fake_counter(&ctx, "checks"), 4);
    fake_answer(&ctx);
    fake_client(&ctx, "192.0.2.66",
                "other.example"); /* another HELO: %{h} may stand in the record */
    fake_mail(&ctx, "a@example.net");
    CHECK_INT(fake_counter(&ctx, "checks"), 6);
    end();
}

TEST(many_senders_of_a_session_are_bounded)
{
    CHECK(begin("helo-check off"));
    char sender[64];
    for (int i = 0; i < 200; i++) {
        snprintf(sender, sizeof sender, "a%d@example.net", i);
        fake_mail(&ctx, sender);
        fake_rcpt(&ctx, "b@example.test");
        struct session *session = ctx.session_slot;
        CHECK(session->lookups.count <= LOOKUPS_MAX);
    }
    fake_mail(&ctx, "a190@example.net");
    CHECK_INT(fake_counter(&ctx, "cache-hits"), 1);
    fake_mail(&ctx, "a100@example.net");
    CHECK_INT(fake_counter(&ctx, "cache-hits"), 1);
    end();
}

/* ---- skipping ---- */

TEST(skipped_clients_cost_nothing)
{
    static const struct {
        const char *block, *ip, *helo, *fact, *value, *counter;
    } rows[] = {
        {"", "127.0.0.9", "x.example", NULL, NULL, "skipped-network"},
        {"", "::1", "x.example", NULL, NULL, "skipped-network"},
        {"skip-networks 192.0.2.0/24", "192.0.2.1", "x.example", NULL, NULL, "skipped-network"},
        {"", "192.0.2.1", "x.example", "auth.user", "alice", "skipped-authenticated"},
        {"skip-helo .x.example", "192.0.2.1", "a.X.example", NULL, NULL, "skipped-helo"},
        {"skip-names .x.example", "192.0.2.1", "y", "client.name", "a.x.example", "skipped-name"},
        {"forwarders 192.0.2.0/28 2001:db8::/32", "2001:db8:1::1", "y", NULL, NULL,
         "skipped-forwarder"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char block[200];
        snprintf(block, sizeof block, "profile enforce\nhelo-check reject\nresult-header both\n%s",
                 rows[i].block);
        CHECK(begin(block));
        fake_client(&ctx, rows[i].ip, rows[i].helo);
        if (rows[i].fact != NULL)
            fake_fact_text(&ctx, rows[i].fact, rows[i].value);
        CHECK_INT(fake_mail(&ctx, "a@fail.example"), MW_CONTINUE);
        CHECK_INT(fake_rcpt(&ctx, "b@example.test"), MW_CONTINUE);
        CHECK_INT(fake_stage(&ctx, MW_STAGE_END_OF_HEADERS), MW_CONTINUE);
        CHECK_INT(ctx.asked, 0);
        CHECK_INT(ctx.field_count, 0);
        CHECK_SLICE(slice_of(ctx.results), "");
        CHECK_SLICE(slice_of(fake_fact(&ctx, "spf.result")), "");
        CHECK_INT(fake_counter(&ctx, rows[i].counter), 1);
        end();
    }
}

TEST(not_skipped)
{
    static const struct {
        const char *block, *fact, *value;
    } rows[] = {{"skip-authenticated off", "auth.user", "alice"},
                {"skip-names .x.example", "client.name", "x.example.org"},
                {"skip-names x.example", "client.name", "a.x.example"},
                {"skip-names x.example", NULL, NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char block[200];
        snprintf(block, sizeof block, "profile enforce\n%s", rows[i].block);
        CHECK(begin(block));
        if (rows[i].fact != NULL)
            fake_fact_text(&ctx, rows[i].fact, rows[i].value);
        fake_mail(&ctx, "a@fail.example");
        CHECK_INT(fake_rcpt(&ctx, "b@example.test"), MW_REJECT);
        end();
    }
}

TEST(name_is_looked_up_for_those_who_use_it)
{
    CHECK(begin(""));
    const struct spf *spf = ctx.state;
    CHECK_INT(spf->client_name, -1);
    end();
    CHECK(begin("skip-names x.example"));
    spf = ctx.state;
    CHECK(spf->client_name >= 0);
    end();
}

TEST(skipped_recipient_gets_it_the_other_does_not)
{
    CHECK(begin("profile enforce\nskip-recipients postmaster@"));
    fake_mail(&ctx, "a@fail.example");
    CHECK_INT(fake_rcpt(&ctx, "b@example.test"), MW_REJECT);
    CHECK_INT(fake_rcpt(&ctx, "Postmaster@example.test"), MW_CONTINUE);
    CHECK_INT(fake_counter(&ctx, "skipped-recipient"), 1);
    CHECK(strstr(ctx.results, "spf=fail") != NULL); /* its mail says so */
    end();
}

/* ---- HELO, the null sender ---- */

TEST(bounces_are_checked_by_helo)
{
    CHECK(begin("profile enforce\nresult-header both"));
    fake_mail(&ctx, "");
    CHECK_INT(fake_rcpt(&ctx, "b@example.test"), MW_REJECT);
    CHECK_SLICE(slice_of(ctx.reply),
                "SPF: 192.0.2.66 is not allowed to call itself mail.example.net");
    CHECK_SLICE(slice_of(ctx.results),
                "spf=fail (mechanism -all of mail.example.net) smtp.helo=mail.example.net\n");
    CHECK_SLICE(slice_of(fake_fact(&ctx, "spf.identity")), "helo");
    CHECK_SLICE(slice_of(fake_fact(&ctx, "spf.domain")), "mail.example.net");
    CHECK_SLICE(slice_of(fake_fact(&ctx, "spf.helo_result")), "fail");
    CHECK_INT(ctx.asked, 1); /* one check for both identities */
    fake_stage(&ctx, MW_STAGE_END_OF_HEADERS);
    CHECK_INT(ctx.field_count, 1);
    end();
}

/* RFC 7208 4.3: no local part is "postmaster"; the quotes of SMTP are no part of it. */
TEST(sender_is_expanded_without_its_quotes)
{
    static const struct {
        const char *sender, *words;
    } rows[] = {{"\"\"@local.example", "postmaster"},
                {"\"a \\\"b\\\\\"@local.example", "a \"b\\"},
                {"\"@\"@local.example", "@"},
                {"\"@local.example", "\""},
                {"plain@local.example", "plain"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK(begin("profile enforce\nhelo-check off"));
        fake_mail(&ctx, rows[i].sender);
        CHECK_INT(fake_rcpt(&ctx, "b@example.test"), MW_REJECT);
        CHECK_SLICE(slice_of(fake_fact(&ctx, "spf.explanation")), rows[i].words);
        end();
    }
}

TEST(helo_decides_only_where_it_may)
{
    static const struct {
        const char *block;
        enum mw_verdict verdict;
        bool has_result;
    } rows[] = {{"helo-check off", MW_CONTINUE, false},
                {"helo-check header", MW_CONTINUE, true},
                {"helo-check reject", MW_REJECT, true},
                {"helo-check reject\non fail helo add-header", MW_CONTINUE, true},
                {"helo-check reject\non fail helo pass", MW_CONTINUE, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char block[200];
        snprintf(block, sizeof block, "profile enforce\n%s", rows[i].block);
        CHECK(begin(block));
        fake_mail(&ctx, "a@soft.example");
        CHECK_INT(fake_rcpt(&ctx, "b@example.test"), rows[i].verdict);
        CHECK_INT(strstr(ctx.results, "smtp.helo=") != NULL, rows[i].has_result);
        if (rows[i].verdict == MW_REJECT)
            CHECK_SLICE(slice_of(ctx.rule), "helo-fail");
        end();
    }
}

TEST(helo_that_is_no_name)
{
    static const char *const names[] = {"",     "[192.0.2.66]", "localhost", "a b",
                                        "x..y", "\303\274",     "-"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CHECK(begin("profile enforce\nhelo-check reject\nresult-header both"));
        fake_client(&ctx, "192.0.2.66", names[i]);
        fake_mail(&ctx, "");
        CHECK_INT(fake_rcpt(&ctx, "b@example.test"), MW_CONTINUE);
        CHECK_SLICE(slice_of(fake_fact(&ctx, "spf.result")), "none");
        CHECK_INT(ctx.asked, 0);
        fake_stage(&ctx, MW_STAGE_END_OF_HEADERS);
        end();
    }
}

/* ---- forwarders ---- */

TEST(forwarder_by_its_own_record)
{
    static const struct {
        const char *ip, *helo, *name;
        enum mw_verdict verdict;
    } rows[] = {
        {"198.51.100.1", "out.forwarder.example", NULL, MW_CONTINUE},
        {"198.51.100.1", "x", "out.forwarder.example", MW_CONTINUE},
        {"198.51.100.2", "out.forwarder.example", NULL, MW_REJECT}, /* anybody can say that name */
        {"198.51.100.1", "forwarder.example.org", NULL, MW_REJECT},
        {"198.51.100.1", "out.away.example", NULL, MW_TEMPFAIL}, /* may be one: later */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK(begin(
            "profile enforce\nforwarder-domains .forwarder.example .away.example\nhelo-check off"));
        fake_client(&ctx, rows[i].ip, rows[i].helo);
        if (rows[i].name != NULL)
            fake_fact_text(&ctx, "client.name", rows[i].name);
        fake_mail(&ctx, "a@fail.example");
        CHECK_INT(fake_rcpt(&ctx, "b@example.test"), rows[i].verdict);
        CHECK_SLICE(slice_of(fake_fact(&ctx, "spf.forwarder")),
                    rows[i].verdict == MW_CONTINUE ? "forwarder.example" : "");
        CHECK_SLICE(slice_of(fake_fact(&ctx, "spf.result")), "fail");
        if (rows[i].verdict == MW_CONTINUE)
            CHECK_SLICE(slice_of(ctx.results),
                        "spf=fail (forwarded by forwarder.example, mechanism -all of fail.example) "
                        "smtp.mailfrom=a@fail.example\n");
        end();
    }
}

/* ---- header, tag, quarantine ---- */

TEST(tag_replaces_a_forged_one)
{
    CHECK(begin("on softfail tag\nhelo-check off"));
    fake_mail(&ctx, "a@soft.example");
    CHECK_INT(fake_rcpt(&ctx, "b@example.test"), MW_CONTINUE);
    snprintf(ctx.fields[0].name, FAKE_NAME, "X-Mailweir-Tag");
    snprintf(ctx.fields[0].value, 100, "spf=pass");
    ctx.field_count = 1;
    CHECK_INT(fake_stage(&ctx, MW_STAGE_END_OF_HEADERS), MW_CONTINUE);
    CHECK_INT(ctx.field_count, 1);
    CHECK_SLICE(slice_of(ctx.fields[0].value), "spf=softfail");
    CHECK_INT(fake_counter(&ctx, "tagged"), 1);
    end();
}

TEST(quarantine_moves_everybody)
{
    CHECK(begin("on fail quarantine\nquarantine-address q@example.test\nhelo-check off"));
    fake_mail(&ctx, "a@fail.example");
    CHECK_INT(fake_rcpt(&ctx, "b@example.test"), MW_CONTINUE);
    CHECK_INT(fake_rcpt(&ctx, "c@example.test"), MW_CONTINUE);
    CHECK_INT(fake_stage(&ctx, MW_STAGE_DATA), MW_CONTINUE);
    CHECK_SLICE(slice_of(ctx.rcpts[0].address), "q@example.test");
    CHECK_INT(ctx.rcpts[1].status, MW_RCPT_DELETED);
    CHECK_INT(ctx.field_count, 3);
    CHECK_SLICE(slice_of(ctx.fields[0].value), "spf=fail");
    CHECK_SLICE(slice_of(ctx.fields[1].value), "b@example.test");
    CHECK_SLICE(slice_of(ctx.fields[2].value), "c@example.test");
    CHECK(strstr(
              ctx.log,
              "info spf-quarantined result=fail identity=mailfrom domain=fail.example "
              "mechanism=-all client=192.0.2.66 "
              "helo=mail.example.net from=<a@fail.example> to=q@example.test where=spf.conf:1\n") !=
          NULL);
    snprintf(ctx.fields[3].name, FAKE_NAME,
             "X-Mailweir-Recipient"); /* what the message brought along */
    ctx.field_count = 4;
    fake_stage(&ctx, MW_STAGE_END_OF_HEADERS);
    CHECK_INT(ctx.field_count, 3);
    end();
}

TEST(quarantine_spares_skipped_recipients)
{
    CHECK(begin("on fail quarantine\nquarantine-address q@example.test\nskip-recipients abuse@"));
    fake_mail(&ctx, "a@fail.example");
    fake_rcpt(&ctx, "b@example.test");
    fake_rcpt(&ctx, "abuse@example.test");
    CHECK_INT(fake_stage(&ctx, MW_STAGE_DATA), MW_CONTINUE);
    CHECK_SLICE(slice_of(ctx.rcpts[0].address), "q@example.test");
    CHECK_SLICE(slice_of(ctx.rcpts[1].address), "abuse@example.test");
    CHECK_INT(ctx.field_count, 0); /* abuse@ would read who else was meant */
    end();
}

TEST(quarantine_that_is_refused_defers)
{
    CHECK(begin("on fail quarantine\nquarantine-address q@example.test"));
    ctx.refuses_edits = true;
    fake_mail(&ctx, "a@fail.example");
    fake_rcpt(&ctx, "b@example.test");
    CHECK_INT(fake_stage(&ctx, MW_STAGE_DATA), MW_TEMPFAIL);
    end();
}

TEST(received_spf_stands_on_top)
{
    CHECK(begin("result-header both"));
    fake_mail(&ctx, "a@soft.example");
    fake_rcpt(&ctx, "b@example.test");
    snprintf(ctx.fields[0].name, FAKE_NAME, "Subject");
    ctx.field_count = 1;
    fake_stage(&ctx, MW_STAGE_END_OF_HEADERS);
    CHECK_INT(ctx.field_count, 3);
    CHECK(strstr(ctx.fields[0].value, "softfail (") == ctx.fields[0].value &&
          strstr(ctx.fields[0].value, "identity=mailfrom") != NULL);
    CHECK(strstr(ctx.fields[1].value, "fail (") == ctx.fields[1].value &&
          strstr(ctx.fields[1].value, "identity=helo") != NULL);
    end();
}

TEST(pass_leaves_no_trace)
{
    CHECK(begin("on softfail pass\nhelo-check off\nresult-header both"));
    fake_mail(&ctx, "a@soft.example");
    fake_rcpt(&ctx, "b@example.test");
    fake_stage(&ctx, MW_STAGE_END_OF_HEADERS);
    CHECK_SLICE(slice_of(ctx.results), "");
    CHECK_INT(ctx.field_count, 0);
    CHECK_SLICE(slice_of(fake_fact(&ctx, "spf.result")), "softfail");
    end();
}

TEST(local_record_asks_nobody)
{
    CHECK(begin("local-record fail.example \"v=spf1 ip4:192.0.2.66 -all\"\nhelo-check off\nprofile "
                "enforce"));
    fake_mail(&ctx, "a@fail.example");
    CHECK_INT(ctx.asked, 0);
    CHECK_INT(fake_rcpt(&ctx, "b@example.test"), MW_CONTINUE);
    CHECK_SLICE(slice_of(fake_fact(&ctx, "spf.result")), "pass");
    end();
}

TEST(explain_has_each_check)
{
    CHECK(begin("profile enforce\nhelo-check header\nforwarder-domains .example.net"));
    ctx.is_explained = true;
    fake_mail(&ctx, "a@fail.example");
    fake_rcpt(&ctx, "b@example.test");
    CHECK_SLICE(slice_of(ctx.why), "mailfrom fail.example: fail (mechanism -all of "
                                   "fail.example), 2 questions: reject (spf.conf:1)\n"
                                   "helo mail.example.net: fail (mechanism -all of "
                                   "mail.example.net), 1 question: add-header\n"
                                   "forwarder example.net: fail: reject\n");
    fake_client(&ctx, "127.0.0.1", "x");
    fake_mail(&ctx, "a@fail.example");
    CHECK_SLICE(slice_of(ctx.why), "not checked (network)\n");
    end();
    CHECK(begin("helo-check off"));
    ctx.is_explained = true;
    fake_mail(&ctx, "a@two.example");
    fake_rcpt(&ctx, "b@example.test");
    CHECK_SLICE(slice_of(ctx.why), "mailfrom two.example: permerror (2 SPF records at "
                                   "two.example), 1 question: add-header, enforce would: reject\n");
    end();
}

/* The chain only observes: the host keeps edits without effect, a line that says "quarantined" would be false. */
TEST(observed_filter_claims_nothing)
{
    CHECK(begin("on fail quarantine\nquarantine-address q@example.test"));
    ctx.is_observed = true;
    fake_mail(&ctx, "a@fail.example");
    fake_rcpt(&ctx, "b@example.test");
    fake_stage(&ctx, MW_STAGE_DATA);
    CHECK(strstr(ctx.log, "spf-quarantined") == NULL);
    end();
}
