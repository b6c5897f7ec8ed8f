/* test_host_content.c - the view of a message in a run: when it is there and for whom, what it
 * holds, and what becomes of it while a thread of the pool finishes it. */
#include <pthread.h>
#include <stdlib.h>

#include "chain_play.h"
#include "message/authres.h"
#include "message/content.h"

/* ---- what filters want and see ---- */

static uint32_t needs[4];  /* of filters a, b, c, d */
static int null_counts[4]; /* asked, and there was none */
static const struct mw_content *seen[4];
static uint32_t seen_parts, seen_needs;
static char seen_text[256];

static int open_wanting(const struct mw_host *host, struct mw_instance *instance, void **state)
{
    uint32_t mine = needs[((const char *)*state)[0] - 'a'];
    the_host = host;
    if (mine != 0)
        host->want_content(instance, mine);
    return 0;
}

static bool begin_wanting(const char *conf, const char *members, uint32_t a, uint32_t b)
{
    needs[0] = a;
    needs[1] = b;
    needs[2] = needs[3] = 0;
    memset(null_counts, 0, sizeof null_counts);
    memset(seen, 0, sizeof seen);
    seen_parts = seen_needs = 0;
    seen_text[0] = '\0';
    return begin_with(conf, members, open_wanting);
}

PLAY(looks)
{
    UNUSED;
    size_t who = (size_t)(((const char *)host->state(ctx))[0] - 'a');
    const struct mw_content *content = host->content(ctx);
    if (content == NULL) {
        null_counts[who]++;
        return MW_CONTINUE;
    }
    if (stage != MW_STAGE_END_OF_MESSAGE)
        return MW_REJECT; /* the test will see it */
    seen[who] = content;
    seen_parts = (uint32_t)content->part_count;
    seen_needs = content->needs;
    const struct mw_content_part *part = content->parts[0];
    snprintf(seen_text, sizeof seen_text, "%.*s",
             (int)(part->text.len < 200 ? part->text.len : 200), part->text.ptr);
    return MW_CONTINUE;
}

/* Edits do not show in it either: not those of DATA, which come before the view is begun. */
PLAY(keeps_header)
{
    UNUSED;
    const struct mw_content *content = host->content(ctx);
    if (stage == MW_STAGE_DATA)
        host->header_add(ctx, MW_LIT("X-Early"), MW_LIT("y"));
    if (content != NULL)
        snprintf(seen_text, sizeof seen_text, "%.*s", (int)content->parts[0]->header.len,
                 content->parts[0]->header.ptr);
    return MW_CONTINUE;
}

#define HEAD "Subject: s\r\n\r\n"
#define PAGE "Content-Type: text/html\r\n\r\n"

/* To the end of the header, and the body in pieces that are gone when the next one comes. */
static void send_message(const char *header, const char *body)
{
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(kit_rcpt(&kit, "<r@example.com>"), MW_OK);
    CHECK_INT(kit_stage(&kit, MW_STAGE_DATA), MW_OK);
    CHECK_INT(kit_header(&kit, header), MW_OK);
    for (size_t at = 0, len = strlen(body); at < len; at += 7) {
        char piece[8];
        snprintf(piece, sizeof piece, "%s", body + at);
        CHECK_INT(kit_body(&kit, piece), MW_OK);
        memset(piece, '#', sizeof piece);
    }
}

static enum mw_err end_of_message(void)
{
    return kit_stage(&kit, MW_STAGE_END_OF_MESSAGE);
}

TEST(content_is_there_at_end_of_message_only)
{
    CHECK(begin_wanting(A, "a", MW_CONTENT_TEXT, 0));
    play[0] = looks;
    CHECK_INT(kit_stage(&kit, MW_STAGE_CONNECT), MW_OK);
    send_message(HEAD, "Hello,\r\nworld.\r\n");
    CHECK(seen[0] == NULL);
    int before = null_counts[0];
    CHECK(before >= 6); /* connect, mail, rcpt, data, header, end_of_headers, body */
    CHECK_INT(end_of_message(), MW_OK);
    CHECK_INT(null_counts[0], before);
    CHECK_INT(seen_parts, 1);
    CHECK_MEM(seen_text, strlen(seen_text), "Hello,\nworld.\n");
    kit_end(&kit, false);
    CHECK_INT(kit_stage(&kit, MW_STAGE_HELO), MW_OK);
    CHECK_INT(null_counts[0], before + 1);
    kit_close(&kit);
}

TEST(wishes_of_several_filters_are_united_and_a_filter_without_one_sees_nothing)
{
    CHECK(begin_wanting(A B C, "a b c", MW_CONTENT_PARTS, MW_CONTENT_URLS | MW_CONTENT_SHA256));
    play[0] = play[1] = play[2] = looks;
    send_message(PAGE, "<a href='http://a.example/'>x</a>\r\n");
    CHECK_INT(end_of_message(), MW_OK);
    CHECK(seen[0] != NULL && seen[0] == seen[1]);
    CHECK(seen[2] == NULL);
    CHECK_INT(seen_needs & (MW_CONTENT_PARTS | MW_CONTENT_URLS | MW_CONTENT_SHA256),
              MW_CONTENT_PARTS | MW_CONTENT_URLS | MW_CONTENT_SHA256);
    CHECK_INT(seen_needs & (MW_CONTENT_MAGIC | MW_CONTENT_ARCHIVES), 0);
    CHECK_INT(seen[0]->url_count, 1);
    CHECK_SLICE(seen[0]->urls[0]->host, "a.example");
    CHECK_INT(seen[0]->parts[0]->sha256.len, 64);
    kit_close(&kit);
}

TEST(without_a_wish_nothing_is_decoded)
{
    CHECK(begin_wanting(A, "a", 0, 0));
    play[0] = looks;
    send_message(HEAD, "x\r\n");
    CHECK(kit.run->live->content == NULL);
    CHECK_INT(end_of_message(), MW_OK);
    CHECK(seen[0] == NULL);
    kit_close(&kit);
}

TEST(an_observed_filter_sees_it_too)
{
    CHECK(begin_wanting(A, "!a", MW_CONTENT_TEXT, 0));
    play[0] = looks;
    send_message(HEAD, "x\r\n");
    CHECK_INT(end_of_message(), MW_OK);
    CHECK(seen[0] != NULL);
    kit_close(&kit);
}

PLAY(accepts_at_end_of_headers)
{
    UNUSED;
    return stage == MW_STAGE_END_OF_HEADERS ? MW_ACCEPT : MW_CONTINUE;
}

TEST(behind_an_accept_nobody_is_asked_and_nothing_is_finished)
{
    CHECK(begin_wanting(A B, "a b", 0, MW_CONTENT_TEXT));
    play[0] = accepts_at_end_of_headers;
    play[1] = looks;
    send_message(HEAD, "x\r\n");
    CHECK_INT(mw_run_stages(kit.run) & MW_STAGE_BIT(MW_STAGE_BODY), 0);
    CHECK_INT(end_of_message(), MW_OK);
    CHECK(seen[1] == NULL);
    CHECK_INT(kit.work_count, 0);
    kit_end(&kit, false);
    play[0] = NULL; /* the next message is looked at */
    send_message(HEAD, "y\r\n");
    CHECK_INT(end_of_message(), MW_OK);
    CHECK_MEM(seen_text, strlen(seen_text), "y\n");
    kit_close(&kit);
}

PLAY(skips_body)
{
    if (stage == MW_STAGE_BODY)
        return MW_SKIP;
    return looks(host, ctx, stage, index, a, b);
}

TEST(a_filter_that_skips_the_body_sees_the_content_all_the_same)
{
    CHECK(begin_wanting(A, "a", MW_CONTENT_TEXT, 0));
    play[0] = skips_body;
    send_message(HEAD, "line one\r\nline two\r\n");
    CHECK_INT(mw_run_stages(kit.run) & MW_STAGE_BIT(MW_STAGE_BODY), MW_STAGE_BIT(MW_STAGE_BODY));
    CHECK_INT(end_of_message(), MW_OK);
    CHECK_MEM(seen_text, strlen(seen_text), "line one\nline two\n");
    kit_close(&kit);
}

PLAY(replaces_body)
{
    UNUSED;
    if (stage == MW_STAGE_BODY)
        host->body_replace(ctx, MW_LIT("other\r\n"));
    return MW_CONTINUE;
}

TEST(what_the_client_sent_is_looked_at_also_when_the_body_is_replaced)
{
    CHECK(begin_wanting(A B, "a b", 0, MW_CONTENT_TEXT));
    play[0] = replaces_body;
    play[1] = looks;
    send_message(HEAD, "mine\r\n");
    CHECK_INT(end_of_message(), MW_OK);
    CHECK_MEM(seen_text, strlen(seen_text), "mine\n");
    kit_close(&kit);
}

TEST(a_message_without_a_header_has_one_empty_part)
{
    CHECK(begin_wanting(A, "a", MW_CONTENT_TEXT, 0));
    play[0] = looks;
    send_message("\r\n", "only text\r\n");
    CHECK_INT(end_of_message(), MW_OK);
    CHECK_INT(seen_parts, 1);
    CHECK_MEM(seen_text, strlen(seen_text), "only text\n");
    kit_end(&kit, false);
    send_message("\r\n", "");
    CHECK_INT(end_of_message(), MW_OK);
    CHECK_INT(seen_parts, 1);
    CHECK_MEM(seen_text, strlen(seen_text), "");
    kit_close(&kit);
}

TEST(a_transaction_that_ends_early_lets_go_of_what_came)
{
    CHECK(begin_wanting(A, "a", MW_CONTENT_TEXT, 0));
    play[0] = looks;
    send_message(HEAD, "half a mess");
    kit_end(&kit, true);
    CHECK(kit.run->live->content == NULL);
    send_message(HEAD, "whole\r\n");
    CHECK_INT(end_of_message(), MW_OK);
    CHECK_MEM(seen_text, strlen(seen_text), "whole\n");
    kit_close(&kit);
}

TEST(a_held_view_outlives_its_transaction_and_its_session)
{
    CHECK(begin_wanting(A, "a", MW_CONTENT_TEXT, 0));
    play[0] = looks;
    send_message(HEAD, "kept\r\n");
    CHECK_INT(end_of_message(), MW_OK);
    const struct mw_content *held = seen[0];
    the_host->content_hold(held);
    kit_end(&kit, false);
    mw_run_free(&kit.run);
    CHECK_SLICE(held->parts[0]->text, "kept\n");
    the_host->content_release(held);
    the_host->content_release(NULL);
    kit_close(&kit);
}

static struct mw_instance *an_instance;
static int open_and_keep(const struct mw_host *host, struct mw_instance *instance, void **state)
{
    (void)state;
    the_host = host;
    an_instance = instance;
    return 0;
}

TEST(a_filter_may_read_any_octets_as_a_message)
{
    CHECK(begin_with(A, "a", open_and_keep));
    const struct mw_content *content = the_host->content_read(
        an_instance, MW_LIT("Content-Type: text/html\n\n<p>one<p>two\n"), MW_CONTENT_HTML);
    CHECK_INT(content->part_count, 1);
    CHECK_SLICE(content->parts[0]->type, "text/html");
    the_host->content_release(content);
    kit_close(&kit);
}

/* ---- heavy messages ---- */

static char heavy[MW_CONTENT_LIGHT + 4096];

/* The end of a message that the loop itself should not look at. */
static enum mw_err send_heavy(void)
{
    for (size_t i = 0; i < sizeof heavy - 1; i++)
        heavy[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'x';
    heavy[sizeof heavy - 1] = '\0';
    send_message(HEAD, "");
    if (kit_body(&kit, heavy) != MW_OK)
        abort();
    said[0] = '\0';
    kit.decided = 0;
    return end_of_message();
}

static bool begin_heavy(void)
{
    bool is_good = begin_wanting(A B, "a b", MW_CONTENT_TEXT, MW_CONTENT_TEXT);
    play[0] = looks;
    play[1] = looks;
    return is_good && send_heavy() == MW_AGAIN;
}

TEST(a_heavy_message_is_prepared_on_the_pool_and_decided_later)
{
    CHECK(begin_heavy());
    CHECK(mw_run_is_waiting(kit.run));
    CHECK_INT(mw_run_deadline(kit.run), kit.now + 30000);
    CHECK_INT(kit.work_count, 1);
    CHECK_SAID("");
    kit_work(&kit);
    CHECK_INT(kit.decided, 1);
    CHECK(!mw_run_is_waiting(kit.run));
    CHECK_SAID("a:end_of_message b:end_of_message");
    CHECK(seen[0] != NULL && seen[0] == seen[1]);
    CHECK_OUTCOME(MW_CONTINUE, 0, "");
    kit_close(&kit);
}

TEST(a_verdict_behind_the_preparing_is_the_outcome)
{
    CHECK(begin_heavy());
    play[0] = rejects_with_reply;
    kit_work(&kit);
    CHECK_OUTCOME(MW_REJECT, 554, "a");
    CHECK_SAID("a:end_of_message");
    kit_close(&kit);
}

TEST(a_filter_may_wait_behind_the_preparing)
{
    CHECK(begin_heavy());
    reset_wait();
    play[0] = waits;
    kit_work(&kit);
    CHECK_INT(kit.decided, 0);
    CHECK(mw_run_is_waiting(kit.run));
    CHECK_INT(mw_run_deadline(kit.run), kit.now + 10000);
    the_host->resume(ticket, MW_CONTINUE);
    CHECK_INT(kit.decided, 1);
    CHECK_SAID("a:end_of_message b:end_of_message");
    kit_close(&kit);
}

TEST(a_client_that_goes_away_while_it_is_prepared)
{
    CHECK(begin_heavy());
    mw_run_cancel(kit.run);
    CHECK(!mw_run_is_waiting(kit.run));
    kit_work(&kit);
    CHECK_INT(kit.decided, 0);
    CHECK_SAID("");
    kit_close(&kit);
}

TEST(a_transaction_that_ends_while_it_is_prepared)
{
    CHECK(begin_heavy());
    kit_end(&kit, true);
    CHECK_SAID("a:abort b:abort");
    CHECK_INT(send_heavy(), MW_AGAIN); /* the next one, before the first is done */
    CHECK_INT(kit.work_count, 2);
    kit_work(&kit);
    CHECK_INT(kit.decided, 1);
    CHECK_SAID("a:end_of_message b:end_of_message");
    kit_close(&kit);
}

TEST(a_session_that_ends_while_it_is_prepared)
{
    CHECK(begin_heavy());
    kit_end(&kit, true);
    mw_run_free(&kit.run);
    kit_work(&kit);
    CHECK_INT(kit.decided, 0);
    kit_close(&kit);
}

TEST(a_configuration_that_goes_while_it_is_prepared)
{
    CHECK(begin_heavy());
    kit_close(&kit); /* the set is let go first, then the pool comes back */
    CHECK_INT(kit.decided, 0);
}

TEST(a_thread_that_takes_too_long_is_not_waited_for)
{
    CHECK(begin_heavy());
    null_counts[0] = null_counts[1] = 0;
    kit_pass(&kit, 29999);
    CHECK_INT(kit.decided, 0);
    kit_pass(&kit, 1);
    CHECK_INT(kit.decided, 1);
    CHECK_INT(null_counts[0], 1);
    CHECK_INT(null_counts[1], 1);
    CHECK(seen[0] == NULL);
    kit_work(&kit); /* it comes back at last */
    CHECK_INT(kit.decided, 1);
    kit_end(&kit, false);
    CHECK_INT(send_heavy(), MW_AGAIN);
    kit_work(&kit);
    CHECK(seen[0] != NULL);
    kit_close(&kit);
}

TEST(a_full_pool_makes_the_loop_do_it)
{
    CHECK(begin_wanting(A, "a", MW_CONTENT_TEXT, 0));
    play[0] = looks;
    kit.is_pool_full = true;
    CHECK_INT(send_heavy(), MW_OK);
    CHECK(seen[0] != NULL);
    CHECK_INT(kit.decided, 0);
    kit_close(&kit);
}

PLAY(accepts_at_end)
{
    UNUSED;
    return stage == MW_STAGE_END_OF_MESSAGE ? MW_ACCEPT : MW_CONTINUE;
}

TEST(an_accept_before_the_filter_that_wants_it)
{
    CHECK(begin_wanting(A B, "a b", 0, MW_CONTENT_TEXT));
    play[0] = accepts_at_end;
    play[1] = looks;
    CHECK_INT(send_heavy(), MW_AGAIN);
    kit_work(&kit);
    CHECK_INT(kit.decided, 1);
    CHECK_OUTCOME(MW_CONTINUE, 0, ""); /* nobody else is asked */
    CHECK(seen[1] == NULL);
    kit_close(&kit);
}

/* ---- with a real thread ---- */

static struct kit_work job;
static void *run_job(void *unused)
{
    (void)unused;
    job.run(job.arg);
    return NULL;
}

static void take_job(pthread_t *thread)
{
    CHECK_INT(kit.work_count, 1);
    job = kit.works[0];
    kit.work_count = 0;
    CHECK_INT(pthread_create(thread, NULL, run_job, NULL), 0);
}

TEST(a_thread_prepares_while_the_loop_goes_on)
{
    pthread_t thread;
    CHECK(begin_heavy());
    take_job(&thread);
    CHECK(mw_run_is_waiting(kit.run)); /* what the loop may do meanwhile */
    CHECK_INT(mw_run_deadline(kit.run), kit.now + 30000);
    pthread_join(thread, NULL);
    job.done(job.arg);
    CHECK_INT(kit.decided, 1);
    CHECK(seen[0] != NULL);
    kit_close(&kit);
}

TEST(a_thread_prepares_while_the_session_ends_and_another_message_is_looked_at)
{
    pthread_t thread;
    CHECK(begin_heavy());
    take_job(&thread);
    kit_end(&kit, true);
    send_message(PAGE, "<p>small\r\n");
    CHECK_INT(end_of_message(), MW_OK);
    CHECK(seen[0] != NULL);
    kit_end(&kit, false);
    mw_run_free(&kit.run);
    mw_chain_free(&kit.chain);
    mw_instances_free(&kit.instances); /* an orphan: the job holds it */
    pthread_join(thread, NULL);
    job.done(job.arg);
    CHECK_INT(kit.decided, 0);
    kit_close(&kit);
}

TEST(a_held_view_is_read_by_a_thread)
{
    pthread_t thread;
    CHECK(begin_heavy());
    take_job(&thread);
    pthread_join(thread, NULL);
    job.done(job.arg);
    const struct mw_content *held = seen[0];
    the_host->content_hold(held);
    kit_end(&kit, false);
    CHECK_INT(held->parts[0]->text.len > MW_CONTENT_LIGHT / 2, 1);
    the_host->content_release(held);
    kit_close(&kit);
}

/* ---- what the proxy took out ---- */

TEST(fields_that_the_proxy_deleted_are_not_in_the_content)
{
    static const struct mw_header_limits limits = {65536, 1000, 50};
    static const struct mw_slice id = MW_LIT("mx.test");
    size_t used;
    struct mw_slice body;
    bool has_hops;
    CHECK(begin_wanting(A, "a", MW_CONTENT_PARTS, 0));
    play[0] = keeps_header;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(kit_stage(&kit, MW_STAGE_DATA), MW_OK);
    mw_headers_init(&kit.headers, &kit.transaction_arena);
    CHECK_INT(mw_headers_take(&kit.headers, &limits,
                              MW_LIT("Subject: s\r\nAuthentication-Results: mx.test; none\r\n"
                                     "To: r\r\n\r\n"),
                              &used, &body, &has_hops),
              MW_OK);
    CHECK_INT(mw_authres_strip(&kit.headers, &id, 1), 1);
    kit.subject.headers = &kit.headers;
    kit.subject.spool = mw_spool_new(&kit.files, 65536);
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_HEADERS), MW_OK);
    CHECK_INT(kit_body(&kit, "text\r\n"), MW_OK);
    CHECK_INT(kit_stage(&kit, MW_STAGE_END_OF_MESSAGE), MW_OK);
    CHECK_OUTCOME(MW_CONTINUE, 0, "");
    CHECK_MEM(seen_text, strlen(seen_text), "Subject: s\r\nTo: r\r\n");
    kit_close(&kit);
}
