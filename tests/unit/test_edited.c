/* test_edited.c - what comes last: results for Authentication-Results, and the stage EDITED, at
 * which filters see a message that nobody can change any more. */
#include "chain_play.h"

/* The header as it leaves. */
static void put_octets(void *user, struct mw_slice octets)
{
    mw_buf_put(user, octets);
}
static struct mw_slice written(struct mw_buf *out)
{
    out->len = 0;
    mw_headers_write(&kit.headers, put_octets, out);
    return mw_buf_view(out);
}

static bool is_sent(const char *params)
{
    return kit_mail(&kit, params) == MW_OK && kit_rcpt(&kit, "<r@example.test>") == MW_OK &&
           kit_stage(&kit, MW_STAGE_DATA) == MW_OK;
}

/* ---- results ---- */

static int taken[8];

PLAY(gives_results)
{
    UNUSED;
    if (stage == MW_STAGE_HELO)
        taken[0] = host->auth_result(ctx, MW_LIT("spf=none"));
    if (stage == MW_STAGE_MAIL)
        taken[1] = host->auth_result(ctx, MW_LIT(" spf=pass smtp.mailfrom=example.net "));
    if (stage == MW_STAGE_END_OF_MESSAGE) {
        taken[2] = host->auth_result(ctx, MW_LIT("dkim=pass header.d=example.net"));
        taken[3] = host->auth_result(ctx, MW_LIT("dkim=pass\r\nX: y"));
        taken[4] = host->auth_result(ctx, MW_LIT("dkim=pass reason=\"a; dmarc=pass\""));
        taken[5] = host->auth_result(ctx, MW_LIT("dkim=fail (\xc3\xbc)"));
    }
    if (stage == MW_STAGE_EDITED)
        taken[6] = host->auth_result(ctx, MW_LIT("late=pass"));
    return MW_CONTINUE;
}

TEST(results_become_one_field_at_the_top)
{
    struct mw_buf out = {0};
    CHECK(begin("a"));
    memset(taken, 0, sizeof taken);
    play[0] = gives_results;
    CHECK_INT(kit_stage(&kit, MW_STAGE_HELO), MW_OK);
    CHECK(is_sent("<s@example.net>"));
    CHECK_INT(kit_header(&kit, "Subject: x\r\nTo: y\r\n\r\n"), MW_OK);
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
    CHECK_INT(mw_subject_write_results(&kit.subject, MW_LIT("mx.example.org")), MW_OK);
    CHECK_SLICE(written(&out), "Authentication-Results: mx.example.org;\r\n"
                               "\tspf=pass smtp.mailfrom=example.net;\r\n"
                               "\tdkim=pass header.d=example.net\r\n"
                               "Subject: x\r\nTo: y\r\n\r\n");
    CHECK(kit.headers.is_edited);
    CHECK_INT(kit_stage(&kit, MW_STAGE_EDITED), MW_OK);
    static const int want[] = {0, 1, 1, 0, 0, 0, 0};
    for (size_t i = 0; i < 7; i++)
        CHECK_INT(taken[i], want[i]);
    CHECK(kit_logged(&kit, "edit-refused filter=a stage=helo edit=auth-result"));
    CHECK(kit_logged(&kit, "stage=edited edit=auth-result reason=\"the edits are final\""));
    CHECK(kit_logged(&kit, "edit edit=auth-result stage=mail by=a what=\"spf=pass\""));
    char changes[64];
    CHECK_SLICE(mw_run_changes(kit.run, changes), "+2a");
    mw_buf_fini(&out);
    kit_close(&kit);
}

TEST(results_end_with_their_transaction)
{
    struct mw_buf out = {0};
    CHECK(begin("a"));
    play[0] = gives_results;
    CHECK(is_sent("<s@example.net>"));
    kit_end(&kit, true);
    play[0] = NULL;
    CHECK(is_sent("<s@example.net>"));
    CHECK_INT(kit_header(&kit, "Subject: x\r\n\r\n"), MW_OK);
    CHECK_INT(mw_subject_write_results(&kit.subject, MW_LIT("mx.example.org")), MW_OK);
    CHECK_SLICE(written(&out), "Subject: x\r\n\r\n");
    CHECK(!kit.headers.is_edited);
    mw_buf_fini(&out);
    kit_close(&kit);
}

PLAY(gives_utf8)
{
    UNUSED;
    if (stage == MW_STAGE_MAIL)
        taken[0] = host->auth_result(ctx, MW_LIT("spf=pass smtp.mailfrom=b\xc3\xbc.example"));
    return MW_CONTINUE;
}

TEST(result_in_utf8_needs_a_message_of_smtputf8)
{
    CHECK(begin("a"));
    play[0] = gives_utf8;
    CHECK_INT(kit_mail(&kit, "<s@example.net> SMTPUTF8"), MW_OK);
    CHECK_INT(taken[0], 1);
    kit_end(&kit, true);
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(taken[0], 0);
    kit_close(&kit);
}

static int count_taken;
static size_t result_len;
PLAY(floods)
{
    UNUSED;
    char text[1000];
    memset(text, 'x', sizeof text);
    for (int i = 0; stage == MW_STAGE_MAIL && i < 150; i++) {
        text[10] = ' ';
        count_taken += host->auth_result(ctx, MW_SLICE(text, result_len));
    }
    return MW_CONTINUE;
}

TEST(results_are_bounded)
{
    CHECK(begin("a"));
    play[0] = floods;
    count_taken = 0;
    result_len = 20;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(count_taken, 100);
    CHECK(kit_logged(&kit, "there are too many results"));
    kit_end(&kit, true);
    count_taken = 0;
    result_len = 1000;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(count_taken, 16); /* 16 KB */
    kit_close(&kit);
}

TEST(results_of_an_observed_filter_are_not_written)
{
    CHECK(begin("!a"));
    memset(taken, 0, sizeof taken);
    play[0] = gives_results;
    CHECK(is_sent("<s@example.net>"));
    CHECK_INT(taken[1], 1);
    CHECK_INT(kit.subject.auth_result_count, 0);
    CHECK(kit_logged(&kit, "observed edit=auth-result stage=mail by=a what=\"spf=pass\""));
    CHECK_INT(kit_counter(&kit, "a.observed-edit"), 1);
    kit_close(&kit);
}

static int late_taken;
PLAY(gives_in_the_stream)
{
    UNUSED;
    if (stage == MW_STAGE_BODY)
        late_taken = host->auth_result(ctx, MW_LIT("dkim=none"));
    if (stage == MW_STAGE_END_OF_HEADERS)
        taken[0] = host->auth_result(ctx, MW_LIT("spf=none"));
    return MW_CONTINUE;
}

TEST(results_while_the_message_streams_end_with_the_header)
{
    char conf[128];
    snprintf(conf, sizeof conf, "filter a {\n module script\n want %u\n}\n",
             MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS) | MW_STAGE_BIT(MW_STAGE_BODY));
    CHECK(begin_with(conf, "a", NULL));
    CHECK(!mw_chain_wants_spool(kit.chain));
    play[0] = gives_in_the_stream;
    taken[0] = 0;
    late_taken = 1;
    CHECK(is_sent("<s@example.net>"));
    CHECK_INT(kit_header(&kit, "Subject: x\r\n\r\n"), MW_OK);
    CHECK_INT(kit_body(&kit, "text\r\n"), MW_OK);
    CHECK_INT(taken[0], 1);
    CHECK_INT(late_taken, 0);
    CHECK(kit_logged(&kit, "too late: the message streams"));
    kit_close(&kit);
}

PLAY(fills_the_header)
{
    UNUSED;
    if (stage == MW_STAGE_MAIL)
        taken[0] = host->auth_result(ctx, MW_LIT("spf=none"));
    while (stage == MW_STAGE_END_OF_MESSAGE && host->header_add(ctx, MW_LIT("X"), MW_LIT("y")))
        taken[1]++;
    return MW_CONTINUE;
}

TEST(results_find_no_room_in_a_header_that_filters_filled)
{
    CHECK(begin("a"));
    memset(taken, 0, sizeof taken);
    play[0] = fills_the_header;
    CHECK(is_sent("<s@example.net>"));
    CHECK_INT(kit_header(&kit, "Subject: x\r\n\r\n"), MW_OK);
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
    CHECK_INT(taken[1], 1199);
    CHECK_INT(mw_subject_write_results(&kit.subject, MW_LIT("mx.example.org")), MW_ERR_LIMIT);
    kit_close(&kit);
}

TEST(authserv_id_is_the_configurations)
{
    CHECK(begin("a"));
    struct mw_instance *a = kit.instances->first;
    CHECK_MEM(mw_host_table.authserv_id(a), strlen(mw_host_table.authserv_id(a)), "localhost");
    mw_instances_name(kit.instances, MW_LIT("mx.example.org"));
    CHECK_MEM(mw_host_table.authserv_id(a), strlen(mw_host_table.authserv_id(a)), "mx.example.org");
    kit_close(&kit);
}

/* ---- the last look ---- */

static int edits_taken;
static char last_look[64];
PLAY(looks)
{
    UNUSED;
    if (stage != MW_STAGE_EDITED)
        return MW_CONTINUE;
    struct mw_slice body = host->body_view(ctx, 100);
    snprintf(last_look, sizeof last_look, "%d %.*s", host->body_is_replaced(ctx), (int)body.len,
             body.ptr);
    edits_taken = host->header_add(ctx, MW_LIT("X"), MW_LIT("y")) + host->header_delete(ctx, 0) +
                  host->header_change(ctx, 0, MW_LIT("z")) +
                  host->body_replace(ctx, MW_LIT("other")) +
                  host->set_sender(ctx, MW_LIT("o@example.net")) +
                  host->rcpt_add(ctx, MW_LIT("o@example.net")) +
                  host->rcpt_verdict(ctx, 0, MW_REJECT);
    return MW_CONTINUE;
}
PLAY(replaces_body)
{
    UNUSED;
    if (stage == MW_STAGE_END_OF_MESSAGE)
        host->body_replace(ctx, MW_LIT("new\n"));
    return MW_CONTINUE;
}

TEST(edited_sees_what_leaves_and_changes_nothing)
{
    CHECK(begin("a b"));
    play[0] = looks;
    play[1] = replaces_body;
    CHECK(is_sent("<s@example.net>"));
    CHECK_INT(kit_header(&kit, "Subject: x\r\n\r\n"), MW_OK);
    CHECK_INT(kit_body(&kit, "old\r\n"), MW_OK);
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
    edits_taken = -1;
    CHECK_INT(kit_stage(&kit, MW_STAGE_EDITED), MW_OK);
    CHECK_OUTCOME(MW_CONTINUE, 0, "");
    CHECK_INT(edits_taken, 0);
    CHECK_MEM(last_look, strlen(last_look), "1 new\r\n");
    CHECK(kit_logged(&kit, "edit=body reason=\"the edits are final\""));
    CHECK(kit_logged(&kit, "edit=header-add reason=\"the edits are final\""));
    CHECK_INT(kit.headers.count, 1);
    kit_close(&kit);
}

static int was_replaced;
PLAY(asks_of_the_body)
{
    UNUSED;
    was_replaced = host->body_is_replaced(ctx);
    return MW_CONTINUE;
}

TEST(body_is_replaced_is_known_when_it_is_whole)
{
    CHECK(begin("a b c"));
    play[0] = asks_of_the_body;
    CHECK(is_sent("<s@example.net>"));
    CHECK_INT(kit_header(&kit, "Subject: x\r\n\r\n"), MW_OK);
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
    CHECK_INT(was_replaced, 0);
    play[0] = replaces_body;
    play[1] = asks_of_the_body;
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
    CHECK_INT(was_replaced, 1);
    CHECK_INT(kit_stage(&kit, MW_STAGE_COMMAND), MW_OK);
    CHECK_INT(was_replaced, 0);
    kit_close(&kit);
}

PLAY(accepts_at_the_end)
{
    UNUSED;
    return stage == MW_STAGE_END_OF_MESSAGE || stage == MW_STAGE_EDITED ? MW_ACCEPT : MW_CONTINUE;
}

TEST(edited_is_asked_of_all_behind_an_accept)
{
    CHECK(begin("a b c"));
    play[0] = accepts_at_the_end;
    CHECK(is_sent("<s@example.net>"));
    CHECK_INT(kit_header(&kit, "Subject: x\r\n\r\n"), MW_OK);
    said[0] = '\0';
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
    CHECK_INT(kit_stage(&kit, MW_STAGE_EDITED), MW_OK);
    CHECK_SAID("a:end_of_message a:edited b:edited c:edited");
    CHECK_OUTCOME(MW_CONTINUE, 0, "");
    kit_close(&kit);
}

TEST(edited_is_not_asked_in_an_accepted_session)
{
    CHECK(begin("a b"));
    play[0] = accepts;
    CHECK_INT(kit_stage(&kit, MW_STAGE_CONNECT), MW_OK);
    CHECK(is_sent("<s@example.net>"));
    said[0] = '\0';
    CHECK_INT(kit_stage(&kit, MW_STAGE_EDITED), MW_OK);
    CHECK_SAID("");
    kit_close(&kit);
}

TEST(edited_may_refuse_but_neither_discard_nor_wait)
{
    CHECK(begin("a b"));
    CHECK(is_sent("<s@example.net>"));
    CHECK_INT(kit_header(&kit, "Subject: x\r\n\r\n"), MW_OK);
    play[0] = rejects_with_reply;
    CHECK_INT(kit_stage(&kit, MW_STAGE_EDITED), MW_OK);
    CHECK_OUTCOME(MW_REJECT, 554, "a");
    play[0] = tempfails;
    CHECK_INT(kit_stage(&kit, MW_STAGE_EDITED), MW_OK);
    CHECK_OUTCOME(MW_TEMPFAIL, 451, "a");
    play[0] = discards;
    CHECK_INT(kit_stage(&kit, MW_STAGE_EDITED), MW_OK);
    CHECK_OUTCOME(MW_TEMPFAIL, 451, "a");
    CHECK(kit_logged(&kit, "stage=edited outcome=tempfail reason=\"its verdict is not possible"));
    reset_wait();
    play[0] = waits;
    CHECK_INT(kit_stage(&kit, MW_STAGE_EDITED), MW_OK);
    CHECK(ticket == NULL);
    CHECK_OUTCOME(MW_TEMPFAIL, 451, "a");
    CHECK(kit_logged(&kit, "header, body and edited hooks may not wait"));
    kit_close(&kit);
}

TEST(edited_of_an_observed_filter_is_logged_only)
{
    CHECK(begin("!a b"));
    CHECK(is_sent("<s@example.net>"));
    CHECK_INT(kit_header(&kit, "Subject: x\r\n\r\n"), MW_OK);
    play[0] = rejects_with_reply;
    CHECK_INT(kit_stage(&kit, MW_STAGE_EDITED), MW_OK);
    CHECK_OUTCOME(MW_CONTINUE, 0, "");
    CHECK(kit_logged(&kit, "observed verdict=reject stage=edited by=a rule=rule-7 code=554"));
    kit_close(&kit);
}

TEST(who_wants_the_last_look_has_messages_spooled)
{
    char conf[128];
    snprintf(conf, sizeof conf, "filter a {\n module script\n want %u\n}\n",
             MW_STAGE_BIT(MW_STAGE_EDITED));
    CHECK(begin_with(conf, "a", NULL));
    CHECK(mw_chain_wants_spool(kit.chain));
    CHECK_INT(mw_run_stages(kit.run),
              MW_STAGE_BIT(MW_STAGE_EDITED) | MW_STAGE_BIT(MW_STAGE_END_OF_MESSAGE));
    CHECK(is_sent("<s@example.net>"));
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
    CHECK_INT(kit_stage(&kit, MW_STAGE_EDITED), MW_OK);
    CHECK_SAID("a:edited");
    kit_close(&kit);
}
