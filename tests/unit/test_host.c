/* test_host.c - the host's other services: facts, slots, log lines, views. */
#include "chain_play.h"

static char seen[512]; /* what a filter saw */

/* ---- state, facts, services ---- */

static int ids[4];
static int open_facts(const struct mw_host *host, struct mw_instance *instance, void **state)
{
    (void)state;
    if (strcmp(host->instance_name(instance), "a") == 0) {
        ids[0] = host->fact_define(instance, "a.result");
        ids[1] = host->fact_define(instance, "a.score");
        ids[3] = host->counter(instance, "hits");
    }
    ids[2] = host->fact_id(instance, "client.ip");
    return 0;
}
PLAY(sets_facts)
{
    UNUSED;
    if (stage != MW_STAGE_MAIL)
        return MW_CONTINUE;
    char text[] = "pass";
    host->fact_set(ctx, ids[0], (struct mw_fact){.type = MW_FACT_TEXT, .text = mw_slice_cstr(text)},
                   0);
    host->fact_set(ctx, ids[1], (struct mw_fact){.type = MW_FACT_NUMBER, .number = 7}, 1);
    host->fact_set(ctx, ids[2], (struct mw_fact){.type = MW_FACT_NUMBER, .number = 7},
                   1);    /* not ours */
    memset(text, 'x', 4); /* it was copied */
    host->count(ctx, ids[3], 2);
    return MW_CONTINUE;
}
PLAY(reads_facts)
{
    UNUSED;
    struct mw_fact result = host->fact(ctx, ids[0]), score = host->fact(ctx, ids[1]),
                   ip = host->fact(ctx, ids[2]);
    snprintf(seen, sizeof seen, "%d %.*s %d %llu %d %zu", result.type, (int)result.text.len,
             result.text.len ? result.text.ptr : "", score.type, (unsigned long long)score.number,
             ip.type, ip.text.len);
    host->count(ctx, ids[3], 100); /* nor its counter */
    return MW_CONTINUE;
}

TEST(facts_live_as_long_as_they_were_set_for)
{
    CHECK(begin_with(A B, "a b", open_facts));
    play[0] = sets_facts;
    play[1] = reads_facts;
    CHECK_INT(kit_stage(&kit, MW_STAGE_CONNECT), MW_OK);
    CHECK_MEM(seen, strlen(seen), "0  0 0 3 16");
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_MEM(seen, strlen(seen), "1 pass 2 7 3 16");
    CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK);
    CHECK_MEM(seen, strlen(seen), "1 pass 2 7 3 16");
    kit_end(&kit, true);
    CHECK_INT(kit_stage(&kit, MW_STAGE_COMMAND), MW_OK);
    CHECK_MEM(seen, strlen(seen), "0  2 7 3 16");
    CHECK_INT(kit_counter(&kit, "a.hits"), 2);
    kit_close(&kit);
}

enum { OWN_FACTS = 25 };
static struct mw_fact asked[OWN_FACTS];
PLAY(asks_all)
{
    UNUSED;
    for (int i = 0; i < OWN_FACTS; i++)
        asked[i] = host->fact(ctx, i);
    return host->fact(ctx, -1).type == MW_FACT_NONE && host->fact(ctx, 9999).type == MW_FACT_NONE
               ? MW_CONTINUE
               : MW_REJECT;
}

TEST(own_facts_come_from_the_subject)
{
    CHECK(begin("a"));
    play[0] = asks_all;
    kit.subject.auth_user = MW_LIT("jane");
    CHECK_INT(mw_facts_own_count(), OWN_FACTS);
    CHECK_INT(kit_mail(&kit, "<s@example.net> SIZE=4711"), MW_OK);
    CHECK_OUTCOME(MW_CONTINUE, 0, "");
    CHECK_SLICE(asked[mw_facts_own_id("session.id")].text, "7Q2k9Z");
    CHECK_SLICE(asked[mw_facts_own_id("listener")].text, "mx");
    CHECK_INT(asked[mw_facts_own_id("client.port")].number, 41001);
    CHECK_INT(asked[mw_facts_own_id("client.ip")].text.len, 16);
    CHECK_INT(asked[mw_facts_own_id("server.ip")].type, MW_FACT_NONE);
    CHECK_INT(asked[mw_facts_own_id("client.name")].type, MW_FACT_NONE);
    CHECK_SLICE(asked[mw_facts_own_id("auth.user")].text, "jane");
    CHECK_INT(asked[mw_facts_own_id("message.size")].number, 4711);
    CHECK_INT(mw_facts_own_id("nonsense"), -1);
    kit_close(&kit);
}

#define ASKED(name) asked[mw_facts_own_id(name)]

TEST(tls_facts_are_those_of_the_clients_connection)
{
    struct mw_tls_info info = {.version = "TLSv1.3", .cipher = "TLS_AES_256_GCM_SHA384"};
    CHECK(begin("a"));
    play[0] = asks_all;
    CHECK_INT(kit_stage(&kit, MW_STAGE_CONNECT), MW_OK);
    CHECK_INT(ASKED("client.tls").type, MW_FACT_NUMBER);
    CHECK_INT(ASKED("client.tls").number, 0);
    CHECK_INT(ASKED("tls.version").type, MW_FACT_NONE);
    CHECK_INT(ASKED("tls.client_verified").number, 0);
    kit.subject.tls = &info; /* not secure (yet): its texts do not count */
    CHECK_INT(kit_stage(&kit, MW_STAGE_COMMAND), MW_OK);
    CHECK_INT(ASKED("client.tls").number, 0);
    CHECK_INT(ASKED("tls.cipher").type, MW_FACT_NONE);
    info.is_secure = true;
    CHECK_INT(kit_stage(&kit, MW_STAGE_STARTTLS), MW_OK);
    CHECK_INT(ASKED("client.tls").number, 1);
    CHECK_SLICE(ASKED("tls.version").text, "TLSv1.3");
    CHECK_SLICE(ASKED("tls.cipher").text, "TLS_AES_256_GCM_SHA384");
    CHECK_INT(ASKED("tls.sni").type, MW_FACT_NONE);
    CHECK_INT(ASKED("tls.client_cert").type, MW_FACT_NONE);
    kit_close(&kit);
}

TEST(a_client_certificates_facts_need_a_certificate)
{
    struct mw_tls_info info = {.is_secure = true,
                               .is_verified = true,
                               .sni = "mx.example.net",
                               .subject = "client.example.net",
                               .fingerprint = "AB:CD"};
    CHECK(begin("a"));
    play[0] = asks_all;
    kit.subject.tls = &info;
    CHECK_INT(kit_stage(&kit, MW_STAGE_CONNECT), MW_OK);
    CHECK_SLICE(ASKED("tls.sni").text, "mx.example.net");
    CHECK_INT(ASKED("tls.client_cert").type, MW_FACT_NONE);
    CHECK_INT(ASKED("tls.client_fingerprint").type, MW_FACT_NONE);
    CHECK_INT(ASKED("tls.client_verified").number, 0);
    info.has_certificate = true;
    CHECK_INT(kit_stage(&kit, MW_STAGE_COMMAND), MW_OK);
    CHECK_SLICE(ASKED("tls.client_cert").text, "client.example.net");
    CHECK_SLICE(ASKED("tls.client_fingerprint").text, "AB:CD");
    CHECK_INT(ASKED("tls.client_verified").number, 1);
    info.is_verified = false; /* a name that nobody vouches for */
    CHECK_INT(kit_stage(&kit, MW_STAGE_COMMAND), MW_OK);
    CHECK_INT(ASKED("tls.client_cert").type, MW_FACT_NONE);
    CHECK_SLICE(ASKED("tls.client_fingerprint").text, "AB:CD");
    CHECK_INT(ASKED("tls.client_verified").number, 0);
    kit_close(&kit);
}

TEST(a_name_whose_lookup_failed_is_an_error)
{
    CHECK(begin("a"));
    play[0] = asks_all;
    kit.subject.client_name = MW_LIT("client.example.net");
    CHECK_INT(kit_stage(&kit, MW_STAGE_CONNECT), MW_OK);
    CHECK_SLICE(ASKED("client.name").text, "client.example.net");
    kit.subject.client_name = MW_EMPTY;
    kit.subject.is_client_name_unknown = true;
    CHECK_INT(kit_stage(&kit, MW_STAGE_COMMAND), MW_OK);
    CHECK_INT(ASKED("client.name").type, MW_FACT_ERROR);
    kit_close(&kit);
}

TEST(upstream_facts_follow_the_view)
{
    struct mw_upstream_view view = {.connections = 7, .waiting = 3, .is_up = true};
    CHECK(begin("a"));
    play[0] = asks_all;
    CHECK_INT(kit_stage(&kit, MW_STAGE_CONNECT), MW_OK);
    CHECK_INT(ASKED("upstream.up").type, MW_FACT_NONE);
    kit.subject.upstream = &view;
    CHECK_INT(kit_stage(&kit, MW_STAGE_COMMAND), MW_OK);
    CHECK_INT(ASKED("upstream.connections").number, 7);
    CHECK_INT(ASKED("upstream.waiting").number, 3);
    CHECK_INT(ASKED("upstream.up").number, 1);
    view.is_up = false;
    CHECK_INT(kit_stage(&kit, MW_STAGE_COMMAND), MW_OK);
    CHECK_INT(ASKED("upstream.up").type, MW_FACT_NUMBER);
    CHECK_INT(ASKED("upstream.up").number, 0);
    kit_close(&kit);
}

static int open_asks_name(const struct mw_host *host, struct mw_instance *instance, void **state)
{
    (void)state;
    if (strcmp(host->instance_name(instance), "b") == 0)
        host->fact_id(instance, "client.name");
    host->fact_id(instance, "nonsense");
    return 0;
}

TEST(a_chain_tells_which_facts_its_filters_asked_for)
{
    CHECK(begin_with(A B, "a", open_asks_name));
    CHECK(!mw_chain_wants_fact(kit.chain, "client.name")); /* b is not in the chain */
    CHECK(!mw_chain_wants_fact(NULL, "client.name"));
    kit_close(&kit);
    CHECK(begin_with(A B, "a b", open_asks_name));
    CHECK(mw_chain_wants_fact(kit.chain, "client.name"));
    CHECK(!mw_chain_wants_fact(kit.chain, "client.ip"));
    CHECK(!mw_chain_wants_fact(kit.chain, "nonsense"));
    kit_close(&kit);
}

PLAY(uses_slots)
{
    UNUSED;
    int **session = (int **)host->session_slot(ctx),
        **transaction = (int **)host->transaction_slot(ctx);
    if (*session == NULL)
        *session = host->session_alloc(ctx, sizeof **session);
    if (*transaction == NULL)
        *transaction = host->transaction_alloc(ctx, sizeof **transaction);
    ++**session, ++**transaction;
    snprintf(seen, sizeof seen, "%s %d %d", (const char *)host->state(ctx), **session,
             **transaction);
    return MW_CONTINUE;
}

TEST(slots_are_per_filter_session_and_transaction)
{
    CHECK(begin("a b"));
    play[0] = play[1] = uses_slots;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK);
    CHECK_MEM(seen, strlen(seen), "b 2 2");
    play[0] = play[1] = NULL;
    kit_end(&kit, true);
    play[0] = play[1] = uses_slots;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_MEM(seen, strlen(seen), "b 3 1");
    play[0] = play[1] = NULL;
    kit_close(&kit);
}

PLAY(logs)
{
    UNUSED;
    struct mw_log_pair pairs[] = {{"one", MW_LIT("1")}, {"two", MW_LIT("2 3")}};
    host->log(ctx, MW_LOG_INFO, "hello", pairs, 2);
    host->log(ctx, (enum mw_log_level)99, "never", NULL, 0);
    host->log(ctx, MW_LOG_INFO, NULL, NULL, 0);
    return MW_CONTINUE;
}

TEST(log_lines_carry_filter_and_session)
{
    CHECK(begin("a"));
    play[0] = logs;
    CHECK_INT(kit_stage(&kit, MW_STAGE_CONNECT), MW_OK);
    CHECK(kit_logged(&kit, "7Q2k9Z: hello filter=a one=1 two=\"2 3\""));
    kit_close(&kit);
}

static uint32_t reply_code;
static ptrdiff_t current_rcpt;
PLAY(notes_upstream_reply)
{
    UNUSED;
    struct mw_slice text;
    reply_code = host->upstream_reply(ctx, &text);
    current_rcpt = host->rcpt_current(ctx);
    snprintf(seen, sizeof seen, "%.*s", (int)text.len, text.ptr);
    return MW_CONTINUE;
}

TEST(upstream_reply_is_known_at_rcpt_reply_only)
{
    CHECK(begin("a"));
    play[0] = notes_upstream_reply;
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    CHECK_INT(reply_code, 0);
    CHECK_INT(current_rcpt, -1);
    CHECK_INT(kit_rcpt(&kit, "<r@example.test>"), MW_OK);
    CHECK_INT(current_rcpt, 0);
    CHECK_INT(kit_rcpt_reply(&kit, 0, 550), MW_OK);
    CHECK_INT(reply_code, 550);
    CHECK_MEM(seen, strlen(seen), "2.1.5 so it is");
    kit_close(&kit);
}

/* A struct of an older header is filled as far as it goes, garbage in `size` is survived. */
TEST(views_of_any_declared_size_are_filled_safely)
{
    CHECK(begin("a"));
    CHECK_INT(kit_mail(&kit, "<s@example.net>"), MW_OK);
    struct mw_ctx *ctx = &kit.run->live->ctxs[0];
    static const size_t sizes[] = {0, 3, sizeof(struct mw_path_view),
                                   sizeof(struct mw_path_view) + 64, SIZE_MAX};
    for (size_t i = 0; i < 5; i++) {
        struct {
            struct mw_path_view view;
            char guard[64];
        } box;
        memset(&box, 'g', sizeof box);
        box.view.size = sizes[i];
        CHECK_INT(mw_host_table.sender(ctx, &box.view), 1);
        CHECK_SLICE(box.view.domain, "example.net");
        CHECK(box.view.size <= sizeof box.view);
        for (size_t j = 0; j < sizeof box.guard; j++)
            CHECK_INT(box.guard[j], 'g');
    }
    kit_close(&kit);
}
