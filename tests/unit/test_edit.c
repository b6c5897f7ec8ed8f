/* test_edit.c - changes to envelope, header and body: made at once, refused, or only observed. */
#include "chain_play.h"

static int edit_results[10];
PLAY(edits_much)
{
    UNUSED;
    if (stage == MW_STAGE_MAIL)
        edit_results[0] = host->set_sender(ctx, MW_LIT("new@example.net"));
    if (stage == MW_STAGE_RCPT)
        edit_results[1] = host->rcpt_replace(ctx, index, MW_LIT("other@example.test"));
    if (stage == MW_STAGE_DATA)
        edit_results[2] = host->rcpt_add(ctx, MW_LIT("archive@example.test"));
    if (stage == MW_STAGE_END_OF_HEADERS) {
        edit_results[3] = host->header_add(ctx, MW_LIT("X-Last"), MW_LIT("1"));
        edit_results[4] = host->header_insert(ctx, 0, MW_LIT("X-First"), MW_LIT("2"));
        edit_results[5] = host->header_change(ctx, 1, MW_LIT("changed"));
        edit_results[6] = host->header_delete(ctx, 2);
    }
    if (stage == MW_STAGE_END_OF_MESSAGE)
        edit_results[7] = host->body_replace(ctx, MW_LIT("new body\n.dot\rx"));
    return MW_CONTINUE;
}

static bool whole_message(void)
{
    return kit_mail(&kit, "<s@example.net>") == MW_OK &&
           kit_rcpt(&kit, "<r@example.test>") == MW_OK && kit_rcpt_reply(&kit, 0, 250) == MW_OK &&
           kit_stage(&kit, MW_STAGE_DATA) == MW_OK &&
           kit_header(&kit, "Subject: one\r\nTo: two\r\nDate: three\r\n\r\n") == MW_OK &&
           kit_body(&kit, "old\r\n") == MW_OK && kit_stage(&kit, MW_STAGE_END_OF_MESSAGE) == MW_OK;
}

TEST(observed_edits_are_answered_and_not_made)
{
    CHECK(begin("!a"));
    play[0] = edits_much;
    memset(edit_results, -1, sizeof edit_results);
    CHECK(whole_message());
    for (int i = 0; i <= 7; i++)
        CHECK_INT(edit_results[i], 1);
    CHECK_SLICE(kit.envelope.sender.address, "s@example.net");
    CHECK_SLICE(kit.envelope.rcpts[0].mailbox.address, "r@example.test");
    CHECK_INT(kit.envelope.rcpt_count, 1);
    CHECK(!kit.headers.is_edited);
    CHECK_INT(mw_spool_size(kit.subject.spool), 5);
    char text[64];
    CHECK_SLICE(mw_run_changes(kit.run, text), "");
    CHECK_INT(kit_counter(&kit, "a.observed-edit"), 8);
    CHECK(kit_logged(&kit, "observed edit=header-change stage=end_of_headers by=a what=To"));
    kit_close(&kit);
}

/* ---- edits ---- */

static char seen[512]; /* what the later filter saw */
PLAY(looks_on)
{
    UNUSED;
    size_t len = strlen(seen);
    struct mw_path_view path = {.size = sizeof path};
    if (stage == MW_STAGE_MAIL && host->sender(ctx, &path))
        len += (size_t)snprintf(seen + len, sizeof seen - len, "from=%.*s(%.*s) ",
                                (int)path.address.len, path.address.ptr, (int)path.original.len,
                                path.original.ptr);
    if (stage == MW_STAGE_RCPT && host->rcpt(ctx, index, &path))
        len += (size_t)snprintf(seen + len, sizeof seen - len, "to=%.*s@%.*s ", (int)path.local.len,
                                path.local.ptr, (int)path.domain.len, path.domain.ptr);
    if (stage == MW_STAGE_HEADER)
        len += (size_t)snprintf(seen + len, sizeof seen - len, "%.*s:%.*s ", (int)a.len, a.ptr,
                                (int)b.len, b.ptr);
    if (stage == MW_STAGE_END_OF_MESSAGE) {
        struct mw_slice body = host->body_view(ctx, 100);
        snprintf(seen + len, sizeof seen - len, "[%.*s]", (int)body.len, body.ptr);
    }
    return MW_CONTINUE;
}

TEST(edits_are_made_at_once_and_seen_by_later_filters)
{
    CHECK(begin("a b"));
    play[0] = edits_much;
    play[1] = looks_on;
    seen[0] = '\0';
    memset(edit_results, -1, sizeof edit_results);
    CHECK(whole_message());
    for (int i = 0; i <= 7; i++)
        CHECK_INT(edit_results[i], 1);
    CHECK_MEM(seen, strlen(seen),
              "from=new@example.net(s@example.net) to=other@example.test X-First: 2 "
              "Subject: changed Date: three X-Last: 1 [new body\r\n.dot\r\nx]");
    char text[64];
    CHECK_SLICE(mw_run_changes(kit.run, text), "+2h-1h~1h+1r~1r~s~b");
    CHECK(kit.subject.has_replaced_body);
    CHECK(mw_spool_has_dots(kit.subject.spool));
    CHECK(kit_logged(&kit, "7Q2k9Z.1: edit edit=rcpt-replace stage=rcpt by=a what=r@example.test "
                           "to=other@example.test"));
    CHECK_INT(kit.subject.message_size, 38 + mw_spool_size(kit.subject.spool));
    kit_end(&kit, false);
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_SLICE(mw_run_changes(kit.run, text), "~s"); /* counted anew */
    kit_close(&kit);
}

TEST(body_pieces_are_joined_with_one_reading_of_line_ends)
{
    static const char *const pieces[] = {"a\r", "\nb\r", "c\n", ".\n", "\n.", "x\r", "\r\n", NULL};
    CHECK(begin("a"));
    CHECK(whole_message());
    struct mw_ctx *ctx = &kit.run->live->ctxs[0];
    kit.run->live->current = ctx; /* as inside end_of_message */
    for (size_t i = 0; pieces[i] != NULL; i++)
        CHECK_INT(mw_host_table.body_replace(ctx, mw_slice_cstr(pieces[i])), 1);
    CHECK_SLICE(mw_host_table.body_view(ctx, 100), "a\r\nb\r\nc\r\n.\r\n\r\n.x\r\n\r\n");
    kit.run->live->current = NULL;
    kit_close(&kit);
}

static int nul_results[2];
PLAY(sends_a_nul)
{
    UNUSED;
    if (stage != MW_STAGE_END_OF_MESSAGE)
        return MW_CONTINUE;
    nul_results[0] = host->body_replace(ctx, MW_LIT("fine\n"));
    nul_results[1] = host->body_replace(ctx, MW_LIT("\0.\n"));
    return MW_CONTINUE;
}

/* The old body is gone and the new one is not whole: not even on-error accept may let that go out.
 */
TEST(body_broken_half_way_is_never_sent)
{
    CHECK(begin_with(ON_ERROR("accept"), "a", NULL));
    play[0] = sends_a_nul;
    CHECK(whole_message());
    CHECK_INT(nul_results[0], 1);
    CHECK_INT(nul_results[1], 0);
    CHECK_OUTCOME(MW_TEMPFAIL, 451, "a");
    kit_close(&kit);
}

static int wrong_results[20];
PLAY(edits_wrongly)
{
    UNUSED;
    int i = 0;
    memset(wrong_results, -1, sizeof wrong_results);
    if (stage == MW_STAGE_CONNECT) {
        wrong_results[i++] = host->set_sender(ctx, MW_LIT("a@b"));
        wrong_results[i++] = host->header_add(ctx, MW_LIT("A"), MW_LIT("b"));
    }
    if (stage == MW_STAGE_MAIL) {
        wrong_results[i++] = host->set_sender(ctx, MW_LIT("a@b>\r\nRCPT TO:<x@y"));
        wrong_results[i++] = host->rcpt_replace(ctx, 0, MW_LIT("a@b")); /* no recipient yet */
        wrong_results[i++] = host->header_add(ctx, MW_LIT("A"), MW_LIT("b"));
    }
    if (stage == MW_STAGE_RCPT) {
        wrong_results[i++] = host->rcpt_delete(ctx, index); /* it is being decided */
        wrong_results[i++] = host->rcpt_replace(ctx, index, MW_LIT(""));
        wrong_results[i++] = host->rcpt_add(ctx, MW_LIT("x y"));
    }
    if (stage == MW_STAGE_DATA) {
        wrong_results[i++] = host->header_add(ctx, MW_LIT("Bad Name"), MW_LIT("x"));
        wrong_results[i++] = host->header_add(ctx, MW_LIT("X"), MW_LIT("x\r\nY: z"));
        wrong_results[i++] = host->header_delete(ctx, 0);
    }
    if (stage == MW_STAGE_END_OF_HEADERS) {
        wrong_results[i++] = host->header_change(ctx, 99, MW_LIT("x"));
        wrong_results[i++] = host->header_delete(ctx, 99);
        wrong_results[i++] = host->header_add(ctx, MW_LIT("X"), MW_LIT("x\n\nbody"));
        wrong_results[i++] = host->body_replace(ctx, MW_LIT("x"));
    }
    return MW_CONTINUE;
}

#define CHECK_ALL_REFUSED(count)             \
    do {                                     \
        for (int i_ = 0; i_ < (count); i_++) \
            CHECK_INT(wrong_results[i_], 0); \
        CHECK_INT(wrong_results[count], -1); \
    } while (0)

TEST(edits_that_cannot_be_are_refused_and_logged)
{
    CHECK(begin("a"));
    play[0] = edits_wrongly;
    CHECK_INT(kit_stage(&kit, MW_STAGE_CONNECT), MW_OK);
    CHECK_ALL_REFUSED(2);
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_ALL_REFUSED(3);
    CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK);
    CHECK_ALL_REFUSED(3);
    CHECK_INT(kit_stage(&kit, MW_STAGE_DATA), MW_OK);
    CHECK_ALL_REFUSED(3);
    CHECK_INT(kit_header(&kit, "A: b\r\n\r\n"), MW_OK);
    CHECK_ALL_REFUSED(4);
    CHECK_SLICE(kit.envelope.sender.address, "s@example.net");
    CHECK(!kit.headers.is_edited);
    CHECK(kit_logged(
        &kit, "edit-refused filter=a stage=rcpt edit=rcpt-delete reason=\"it is being decided"));
    kit_close(&kit);
}

PLAY(adds_at_data)
{
    UNUSED;
    if (stage == MW_STAGE_DATA)
        edit_results[0] = host->header_add(ctx, MW_LIT("X-Early"), MW_LIT("bird"));
    return MW_CONTINUE;
}

static bool begin_wanting_data(void)
{
    char conf[256];
    snprintf(conf, sizeof conf, "filter a {\n module script\n want %u\n}\n",
             MW_STAGE_BIT(MW_STAGE_DATA));
    return begin_with(conf, "a", NULL);
}

TEST(header_added_at_data_is_there_when_the_header_comes)
{
    CHECK(begin_wanting_data());
    play[0] = adds_at_data;
    CHECK(mw_chain_stages(kit.chain) & MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS));
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(kit_stage(&kit, MW_STAGE_DATA), MW_OK);
    CHECK_INT(edit_results[0], 1);
    CHECK_INT(kit_header(&kit, "A: b\r\n\r\n"), MW_OK);
    CHECK_INT(kit.headers.count, 2);
    CHECK_SLICE(kit.headers.fields[1].raw, "X-Early: bird\r\n");
    CHECK_SAID("a:data");
    kit_close(&kit);
}

PLAY(adds_at_data_and_accepts)
{
    adds_at_data(host, ctx, stage, index, a, b);
    return MW_ACCEPT;
}

TEST(header_added_at_data_stands_behind_an_accept)
{
    CHECK(begin_wanting_data());
    play[0] = adds_at_data_and_accepts;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(kit_stage(&kit, MW_STAGE_DATA), MW_OK);
    CHECK_INT(mw_run_stages(kit.run), MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS));
    CHECK_INT(kit_header(&kit, "A: b\r\n\r\n"), MW_OK);
    CHECK_INT(kit.headers.count, 2);
    CHECK_INT(mw_run_stages(kit.run), 0);
    kit_close(&kit);
}

PLAY(edits_late)
{
    UNUSED;
    if (stage == MW_STAGE_END_OF_HEADERS) {
        edit_results[0] = host->set_sender(ctx, MW_LIT("x@example.net"));
        edit_results[1] = host->header_add(ctx, MW_LIT("X"), MW_LIT("y"));
    }
    if (stage == MW_STAGE_BODY)
        edit_results[2] = host->header_add(ctx, MW_LIT("X"), MW_LIT("y"));
    return MW_CONTINUE;
}

/* Plan "stream": DATA goes upstream before the content is read, the header before the body. */
TEST(edits_of_what_has_streamed_away_are_refused)
{
    char conf[256];
    snprintf(conf, sizeof conf, "filter a {\n module script\n want %u\n}\n",
             MW_STAGE_BIT(MW_STAGE_END_OF_HEADERS) | MW_STAGE_BIT(MW_STAGE_BODY));
    CHECK(begin_with(conf, "a", NULL));
    play[0] = edits_late;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(kit_header(&kit, "A: b\r\n\r\n"), MW_OK);
    CHECK_INT(kit_body(&kit, "x\r\n"), MW_OK);
    CHECK_INT(edit_results[0], 0);
    CHECK_INT(edit_results[1], 1);
    CHECK_INT(edit_results[2], 0);
    CHECK(kit_logged(&kit, "too late"));
    kit_close(&kit);
}

/* A filter that changes the header while it is being shown it sees every received field once. */
PLAY(edits_while_looking)
{
    UNUSED;
    if (stage != MW_STAGE_HEADER)
        return MW_CONTINUE;
    size_t len = strlen(seen);
    snprintf(seen + len, sizeof seen - len, "%.*s ", (int)a.len, a.ptr);
    ptrdiff_t here = host->header_find(ctx, a, 0);
    if (mw_slice_eq(a, MW_LIT("One")) || mw_slice_eq(a, MW_LIT("Three")))
        host->header_delete(ctx, (size_t)here);
    if (mw_slice_eq(a, MW_LIT("Two")))
        host->header_insert(ctx, 0, MW_LIT("Zero"), MW_LIT("new"));
    host->header_add(ctx, MW_LIT("X-Seen"), a);
    return MW_CONTINUE;
}

TEST(header_edits_do_not_confuse_the_walk)
{
    CHECK(begin("a"));
    play[0] = edits_while_looking;
    seen[0] = '\0';
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(kit_header(&kit, "One: 1\r\nTwo: 2\r\nThree: 3\r\nFour: 4\r\n\r\n"), MW_OK);
    CHECK_MEM(seen, strlen(seen), "One Two Three Four ");
    CHECK_INT(kit.headers.count, 7);
    CHECK_SLICE(mw_field_name(&kit.headers.fields[0]), "Zero");
    CHECK_SLICE(mw_field_name(&kit.headers.fields[2]), "Four");
    kit_close(&kit);
}

PLAY(rejects_at_header)
{
    UNUSED;
    return stage == MW_STAGE_HEADER && mw_slice_ieq(a, MW_LIT("x-bad")) ? MW_REJECT : MW_CONTINUE;
}

TEST(verdict_at_a_header_field_ends_the_stage)
{
    CHECK(begin("a b"));
    play[0] = rejects_at_header;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    said[0] = '\0';
    CHECK_INT(kit_header(&kit, "A: 1\r\nX-Bad: 2\r\nB: 3\r\n\r\n"), MW_OK);
    CHECK_OUTCOME(MW_REJECT, 550, "a");
    CHECK_SAID("a:header a:header");
    kit_close(&kit);
}
