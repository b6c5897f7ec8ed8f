/* test_rules_prefetch.c - what makes many rules cheap changes nothing of what they say: the index,
 * and the pool thread. Each set of rules is run in all ways over the same messages. */
#include <stdlib.h>
#include <time.h>

#include "list.h"
#include "live.h"
#include "plan.h"
#include "rules_fake.h"
#include "test.h"

static struct mw_instance instance;
static struct mw_ctx ctx;

static struct rules *load(const char *text, bool has_index)
{
    memset(&instance, 0, sizeof instance);
    struct rules *rules = rules_new(&fake_host, &instance, 200000, 1 << 20);
    rules->has_index = has_index;
    rules->deadline_ms = 5000;
    rules_parse_text(rules, "t.rules", (struct mw_slice){text, strlen(text)});
    if (!rules_finish(rules)) {
        mw_test_fail(__FILE__, __LINE__, "%s", instance.diags);
        fake_unload(&instance, rules);
        return NULL;
    }
    return rules;
}

/* The verdict, also where it comes later. */
static enum mw_verdict run(struct rules *rules, enum mw_stage stage, size_t rcpt)
{
    enum mw_verdict verdict = rules_live_run(&ctx, rules, stage, rcpt);
    if (verdict != MW_WAIT)
        return verdict;
    fake_loop(&ctx);
    return ctx.is_resumed ? ctx.resumed : MW_WAIT;
}

struct message {
    const char *sender, *subject, *x, *body;
    size_t body_len;
};

/* The stages of a message up to one that refuses it. */
static void play_message(struct rules *rules, const struct message *message, struct builder *out)
{
    static const char *const rcpts[] = {"alpha@example.com", "beta@example.org"};
    enum mw_verdict verdict = run(rules, MW_STAGE_MAIL, 0);
    builder_putf(out, " mail %d", verdict);
    for (size_t i = 0; i < 2 && verdict == MW_CONTINUE; i++) {
        size_t index = ctx.rcpt_count++;
        snprintf(ctx.rcpts[index].address, sizeof ctx.rcpts[index].address, "%s", rcpts[i]);
        enum mw_verdict of_rcpt = run(rules, MW_STAGE_RCPT, index);
        ctx.rcpts[index].status = of_rcpt == MW_CONTINUE || of_rcpt == MW_ACCEPT
                                      ? MW_RCPT_ACCEPTED
                                      : MW_RCPT_REFUSED_FILTER;
        builder_putf(out, " rcpt %d", of_rcpt);
    }
    static const enum mw_stage stages[] = {MW_STAGE_DATA, MW_STAGE_END_OF_HEADERS,
                                           MW_STAGE_END_OF_MESSAGE};
    for (size_t i = 0; i < 3 && verdict == MW_CONTINUE; i++) {
        if (stages[i] == MW_STAGE_END_OF_HEADERS) {
            fake_header(&ctx, "Subject", message->subject);
            fake_header(&ctx, "X", message->x);
            fake_header(&ctx, "From", message->sender);
        }
        verdict = run(rules, stages[i], 0);
        builder_putf(out, " %d", verdict);
    }
}

/* A whole session; what happened, as text: verdicts, then the log, then the header. */
static void play(struct rules *rules, const struct message *message, char *out, size_t size)
{
    struct builder text = {.ptr = out, .cap = size - 1};
    fake_ctx_init(&ctx, &instance, rules);
    fake_fact_ip(&ctx, "client.ip", "192.0.2.1");
    fake_fact_text(&ctx, "helo", "mail.example.net");
    enum mw_verdict connect = run(rules, MW_STAGE_CONNECT, 0);
    builder_putf(&text, "connect %d helo %d", connect, run(rules, MW_STAGE_HELO, 0));
    ctx.in_transaction = true;
    snprintf(ctx.sender, sizeof ctx.sender, "%s", message->sender);
    ctx.body = message->body;
    ctx.body_len = message->body_len;
    play_message(rules, message, &text);
    builder_putf(&text, " %s\n", ctx.rule);
    builder_put(&text, slice_of(ctx.log));
    for (size_t i = 0; i < ctx.field_count; i++)
        builder_putf(&text, "%s: %s\n", ctx.fields[i].name, ctx.fields[i].value);
    out[text.len] = '\0';
    fake_ctx_fini(&ctx);
}

/* The first line in which they differ is told. */
static bool is_same(const char *with, const char *without)
{
    size_t at = 0, line = 0;
    while (with[at] != '\0' && with[at] == without[at])
        line = with[at++] == '\n' ? at : line;
    if (with[at] == without[at])
        return true;
    mw_test_fail(__FILE__, __LINE__, "with: %.*s, without: %.*s", (int)strcspn(with + line, "\n"),
                 with + line, (int)strcspn(without + line, "\n"), without + line);
    return false;
}

/* ---- random rules and messages ---- */

static const char *const words[] = {"lunch",  "invoice", "winner",  "pills",  "meeting", "report",
                                    "crypto", "refund",  "account", "urgent", "weather", "garden"};
enum { WORDS = sizeof words / sizeof *words };

static const char *word(uint64_t *seed)
{
    return words[mw_test_random(seed) % WORDS];
}

static const char *field(uint64_t *seed)
{
    static const char *const fields[] = {"subject",           "header(\"X\")",    "body.text",
                                         "raw.body",          "sender.local",     "rcpt.local",
                                         "raw.header(\"X\")", "from.name",        "subject.fold",
                                         "var(\"v\")",        "raw.header.lines", "body.line"};
    return fields[mw_test_random(seed) % (sizeof fields / sizeof *fields)];
}

static void add_test(uint64_t *seed, struct builder *out)
{
    static const char *const patterns[] = {"/%s/",           "/%s/i",       "/\\b%s\\b/",
                                           "/%s.*%s/s",      "/^%s/m",      "/(%s|%s)s?/i",
                                           "/%s\\s+(?=%s)/", "/[a-f]x%s?/", "/%s$/"};
    char pattern[200];
    uint64_t kind = mw_test_random(seed) % 12;
    const char *name = field(seed);
    if (kind == 0) {
        builder_putf(out, "header(\"X\") == \"%s\"", word(seed));
    } else if (kind == 1) {
        builder_putf(out, "%s is empty", name);
    } else {
        const char *const form = patterns[mw_test_random(seed) % 9];
        const char *first = word(seed), *second = word(seed);
        struct builder text = {.ptr = pattern, .cap = sizeof pattern};
        for (const char *at = form; *at != '\0'; at++) {
            if (at[0] == '%' && at[1] == 's') {
                builder_put(&text, slice_of(first));
                first = second;
                at++;
            } else {
                builder_put(&text, SLICE(at, 1));
            }
        }
        builder_putf(out, "%s %s %.*s", name, kind == 2 ? "!~" : "=~", (int)text.len, text.ptr);
    }
}

static void add_condition(uint64_t *seed, struct builder *out)
{
    uint64_t count = 1 + mw_test_random(seed) % 3;
    for (uint64_t i = 0; i < count; i++) {
        if (i > 0)
            builder_put(out, mw_test_random(seed) % 4 ? LIT(" and ") : LIT(" or "));
        if (mw_test_random(seed) % 6 == 0)
            builder_put(out, LIT("not "));
        add_test(seed, out);
    }
}

static void add_rules(uint64_t *seed, struct builder *out, int count)
{
    static const char *const actions[] = {"log \"l\"",
                                          "log \"l\"",
                                          "log \"l\"",
                                          "score 1",
                                          "tag \"t\"",
                                          "set header \"X: winner ${score}\"",
                                          "set var \"v\" \"garden ${subject}\"",
                                          "add header \"X: urgent\"",
                                          "delete header \"X\"",
                                          "reject",
                                          "defer",
                                          "accept"};
    for (int i = 0; i < count; i++) {
        uint64_t which = mw_test_random(seed) % 60;
        const char *action = which < 12 ? actions[which] : "log \"m\"";
        bool is_verdict = which >= 9 && which < 12;
        if (is_verdict && mw_test_random(seed) % 3)
            action = "log \"n\"";
        builder_putf(out, "r%d: %s when ", i, action);
        add_condition(seed, out);
        builder_put(out, LIT("\n"));
    }
}

static void make_message(uint64_t *seed, struct message *message, char *room, size_t size)
{
    struct builder body = {.ptr = room, .cap = size};
    size_t count = mw_test_random(seed) % 3 ? 8 : 4000;
    for (size_t i = 0; i < count; i++)
        builder_putf(&body, "%s%s", mw_test_random(seed) % 3 ? word(seed) : "nothing",
                     mw_test_random(seed) % 5 ? " " : "\r\n");
    *message = (struct message){.sender = mw_test_random(seed) % 2 ? "lunch@example.org"
                                                                   : "refund@example.org",
                                .subject = mw_test_random(seed) % 2 ? " Urgent pills" : " weather",
                                .x = mw_test_random(seed) % 2 ? " account report" : " x",
                                .body = room,
                                .body_len = body.len};
}

TEST(with_and_without_the_index_rules_say_the_same)
{
    static char text[400000], got[2][FAKE_TEXT + 8192], body[64000];
    uint64_t first = 1;
    const char *given = getenv("SEED"); /* to look further: any number */
    if (given != NULL)
        text_number(slice_of(given), UINT32_MAX, &first);
    for (uint64_t round = first; round < first + 30; round++) {
        uint64_t seed = round * 7919 + 1;
        struct builder out = {.ptr = text, .cap = sizeof text - 1};
        builder_put(&out,
                    LIT("v: set var \"v\" \"invoice\", score 1 when sender.local == lunch\n"));
        add_rules(&seed, &out, 250);
        text[out.len] = '\0';
        for (int i = 0; i < 4; i++) {
            struct message message;
            uint64_t message_seed = seed + (uint64_t)i;
            for (int way = 0; way < 2; way++) {
                struct rules *rules = load(text, way == 0);
                CHECK(rules != NULL);
                uint64_t copy = message_seed;
                make_message(&copy, &message, body, sizeof body);
                play(rules, &message, got[way], sizeof got[way]);
                fake_unload(&instance, rules);
            }
            if (!is_same(got[0], got[1])) {
                mw_test_fail(__FILE__, __LINE__, "seed %llu, message %d", (unsigned long long)round,
                             i);
                return;
            }
        }
    }
}

/* ---- in the pool ---- */

/* Of all threads: what other programs do meanwhile does not count. */
static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void long_body(char *out, size_t size, const char *line, const char *last)
{
    struct builder body = {.ptr = out, .cap = size - 1};
    while (body.len + strlen(line) + strlen(last) + 4 < size)
        builder_putf(&body, "%s\r\n", line);
    builder_put(&body, slice_of(last));
    out[body.len] = '\0';
}

static enum mw_verdict end_of(struct rules *rules, const char *body)
{
    fake_ctx_init(&ctx, &instance, rules);
    ctx.in_transaction = true;
    snprintf(ctx.sender, sizeof ctx.sender, "a@example.org");
    fake_header(&ctx, "Subject", " Urgent pills");
    ctx.body = body;
    ctx.body_len = strlen(body);
    rules_live_run(&ctx, rules, MW_STAGE_END_OF_HEADERS, 0);
    return rules_live_run(&ctx, rules, MW_STAGE_END_OF_MESSAGE, 0);
}

static const char many_words[] =
    "a: log \"a ${1}\" when body.text =~ /(needle) in/\n"
    "b: log \"b\" when body.text =~ /in .*hay/ and subject =~ /urgent/i\n"
    "c: log \"c\" when body.text !~ /needle/\n"
    "d: log \"d\" when body.line =~ /^needle/\n"
    "e: set header \"Subject: other\" when body.text.fold =~ /needle/\n"
    "f at end-of-message: log \"f\" when subject =~ /other/\n"
    "g: log \"g\" when raw.body =~ /nothing of the kind/\n"
    "h at end-of-message: reject \"no ${1}\" when body.text =~ /\\b(need)le/ and subject == "
    "\"other\"\n";

TEST(long_texts_are_matched_in_the_pool)
{
    static char body[400000];
    struct rules *rules = load(many_words, true);
    CHECK(rules != NULL);
    long_body(body, sizeof body, "only straw and other dry things", "needle in all the hay\r\n");
    CHECK_INT(end_of(rules, body), MW_WAIT);
    CHECK(ctx.is_parked);
    CHECK_INT(ctx.task_count, 1);
    fake_loop(&ctx);
    CHECK(ctx.is_resumed);
    CHECK_MEM(ctx.log, strlen(ctx.log),
              "rule-log rule=a where=t.rules:1 text=a needle\n"
              "rule-log rule=b where=t.rules:2 text=b\n"
              "rule-log rule=d where=t.rules:4 text=d\n"
              "rule-log rule=f where=t.rules:6 text=f\n");
    CHECK_INT(ctx.resumed, MW_REJECT);
    CHECK_MEM(ctx.reply, strlen(ctx.reply), "no need");
    fake_ctx_fini(&ctx);
    fake_unload(&instance, rules);
}

TEST(short_texts_are_matched_at_once)
{
    struct rules *rules = load(many_words, true);
    CHECK(rules != NULL);
    CHECK_INT(end_of(rules, "needle in hay"), MW_REJECT);
    CHECK(!ctx.is_parked);
    fake_ctx_fini(&ctx);
    fake_unload(&instance, rules);
}

/* Each of them may take milliseconds, and together they would hold up everybody else's mail. */
TEST(many_patterns_that_may_take_long_go_to_the_pool_with_short_texts)
{
    static char text[8000], body[4000];
    size_t len = 0;
    for (int i = 0; i < 16; i++)
        len += (size_t)snprintf(text + len, sizeof text - len,
                                "r%d: reject when body.text =~ /(\\w+)\\1 needle%d[!?]/\n", i, i);
    struct rules *rules = load(text, true);
    CHECK(rules != NULL);
    snprintf(body, sizeof body, "%*s\r\n", 2000, "straw");
    CHECK_INT(end_of(rules, body), MW_CONTINUE);
    CHECK(!ctx.is_parked); /* nothing that they need is there */
    fake_ctx_fini(&ctx);
    len = 0;
    for (int i = 0; i < 16; i++)
        len += (size_t)snprintf(body + len, sizeof body - len, "straw needle%d! %*s\r\n", i, 150,
                                "hay");
    CHECK_INT(end_of(rules, body), MW_WAIT);
    fake_loop(&ctx);
    CHECK(ctx.is_resumed);
    CHECK_INT(ctx.resumed, MW_CONTINUE);
    fake_ctx_fini(&ctx);
    fake_unload(&instance, rules);
}

/* The loop changes sources while it prepares the next message's job. */
TEST(a_job_folds_whatever_the_loop_does_meanwhile)
{
    static char body[400000];
    struct rules *rules = load("a: reject when body.text.fold =~ /needle in all/\n", true);
    CHECK(rules != NULL);
    long_body(body, sizeof body, "only straw and other dry things", "NEEDLE in ALL the hay\r\n");
    CHECK_INT(end_of(rules, body), MW_WAIT);
    for (struct source *source = rules->sources; source != NULL; source = source->next)
        source->is_folded = false;
    fake_loop(&ctx);
    CHECK(ctx.is_resumed);
    CHECK_INT(ctx.resumed, MW_REJECT);
    fake_ctx_fini(&ctx);
    fake_unload(&instance, rules);
}

TEST(a_client_that_goes_away_leaves_the_job_to_end_alone)
{
    static char body[400000];
    struct rules *rules = load(many_words, true);
    CHECK(rules != NULL);
    long_body(body, sizeof body, "only straw and other dry things", "needle in all the hay\r\n");
    CHECK_INT(end_of(rules, body), MW_WAIT);
    fake_cancel(&ctx);
    fake_loop(&ctx);
    CHECK(!ctx.is_resumed);
    CHECK_MEM(ctx.log, strlen(ctx.log), "");
    fake_ctx_fini(&ctx);
    fake_unload(&instance, rules);
}

static const char evil[] =
    "a: reject when body.text =~ /(\\w+)\\1[!?]/\n"
    "b: log \"b\" when subject =~ /urgent/i\n"
    "c: defer when body.text =~ /(\\d+)\\1x[!?]/ on_error defer 451 \"busy\"\n";

TEST(evil_patterns_end_at_the_deadline_and_are_suspended)
{
    static char body[60000];
    memset(body, 'a', sizeof body - 1);
    struct rules *rules = load(evil, true);
    CHECK(rules != NULL);
    rules->deadline_ms = 50;
    rules->suspend_after = 3;
    for (int i = 0; i < 3; i++) {
        double start = milliseconds();
        CHECK_INT(end_of(rules, body), MW_WAIT);
        fake_loop(&ctx);
        CHECK(milliseconds() - start < 400); /* 50 and 10 at the most, and a slow machine */
        CHECK_INT(ctx.resumed, MW_TEMPFAIL);
        CHECK_MEM(ctx.rule, strlen(ctx.rule), "c");
        CHECK(strstr(ctx.log, "rule-error rule=a where=t.rules:1 error=a regular expression hit "
                              "its limit\n") != NULL);
        CHECK(strstr(ctx.log, "rule-log rule=b") != NULL);
        CHECK((strstr(ctx.log, "rule-suspended rule=a") != NULL) == (i == 2));
        if (i < 2)
            fake_ctx_fini(&ctx);
    }
    CHECK_INT(fake_counter(&ctx, "a.suspended"), 1);
    CHECK(fake_counter(&ctx, "a.time") > 5000); /* microseconds: the job's, too */
    fake_ctx_fini(&ctx);
    end_of(rules, "short"); /* not tried: its outcome is its on_error */
    CHECK(strstr(ctx.log, "rule-error rule=a where=t.rules:1 error=its patterns are suspended\n") !=
          NULL);
    fake_ctx_fini(&ctx);
    end_of(rules, "short");
    instance.clock_ms += 3601 * 1000; /* an hour later it is tried again */
    ctx.log[0] = '\0';
    rules_live_run(&ctx, rules, MW_STAGE_MAIL, 0);
    fake_reset(&ctx);
    ctx.in_transaction = true;
    ctx.body = "aa!";
    ctx.body_len = 3;
    CHECK_INT(rules_live_run(&ctx, rules, MW_STAGE_END_OF_MESSAGE, 0), MW_REJECT);
    fake_ctx_fini(&ctx);
    fake_unload(&instance, rules);
}

/* ---- lists that have to be asked ---- */

static const char asking[] =
    "list bl = dnsbl \"bl.example\"\n"
    "list bad = dnsbl \"fail.example\"\n"
    "list never = dnsbl \"never.example\"\n"
    "p: accept when sender.local == p\n"
    "n: reject when sender.local == nobody and client.ip in never\n"
    "a: reject \"listed\" when client.ip in bl and sender.local == a\n"
    "b: defer when client.ip in bad and sender.local == b on_error defer 451 \"later\"\n"
    "c: log \"c\" when client.ip in bad or sender.local == c\n"
    "d: reject \"d\" when sender.domain in bl\n";

static enum mw_verdict ask(struct rules *rules, const char *sender)
{
    fake_ctx_init(&ctx, &instance, rules);
    fake_fact_ip(&ctx, "client.ip", "192.0.2.1");
    ctx.in_transaction = true;
    snprintf(ctx.sender, sizeof ctx.sender, "%s", sender);
    return rules_live_run(&ctx, rules, MW_STAGE_MAIL, 0);
}

TEST(slow_lists_are_asked_before_the_rules_run)
{
    struct rules *rules = load(asking, true);
    CHECK(rules != NULL);
    rules_lists_start(rules);
    instance.listed = "1.2.0.192.bl.example ";
    CHECK_INT(ask(rules, "a@x.example"), MW_WAIT);
    fake_loop(&ctx);
    CHECK(ctx.is_resumed);
    CHECK_INT(ctx.resumed, MW_REJECT);
    CHECK_MEM(ctx.reply, strlen(ctx.reply), "listed");
    CHECK_INT(instance.asked, 3); /* bl twice, bad; never is not reached */
    fake_ctx_fini(&ctx);
    CHECK_INT(ask(rules, "b@x.example"), MW_WAIT);
    fake_loop(&ctx);
    CHECK_INT(ctx.resumed, MW_TEMPFAIL);
    CHECK_MEM(ctx.reply, strlen(ctx.reply), "later");
    CHECK(strstr(ctx.log, "rule-error rule=b") != NULL);
    fake_ctx_fini(&ctx);
    CHECK_INT(ask(rules, "c@x.example"), MW_WAIT);
    fake_loop(&ctx);
    CHECK_INT(ctx.resumed, MW_CONTINUE);
    CHECK(strstr(ctx.log, "rule-log rule=c") != NULL);
    fake_ctx_fini(&ctx);
    instance.listed = "x.example.bl.example ";
    CHECK_INT(ask(rules, "q@x.example"), MW_WAIT);
    fake_loop(&ctx);
    CHECK_INT(ctx.resumed, MW_REJECT);
    CHECK_MEM(ctx.reply, strlen(ctx.reply), "d");
    fake_ctx_fini(&ctx);
    fake_unload(&instance, rules);
}

TEST(who_goes_away_while_lists_are_asked_is_not_answered)
{
    struct rules *rules = load(asking, true);
    CHECK(rules != NULL);
    rules_lists_start(rules);
    CHECK_INT(ask(rules, "a@x.example"), MW_WAIT);
    fake_cancel(&ctx);
    fake_loop(&ctx);
    CHECK(!ctx.is_resumed);
    fake_ctx_fini(&ctx);
    fake_unload(&instance, rules);
}

TEST(a_delay_holds_the_answer_back)
{
    struct rules *rules = load("a: delay 5s, reject \"slow\" when sender.local == a\n"
                               "b: delay 60s when sender.local == b\n",
                               true);
    CHECK(rules != NULL);
    fake_ctx_init(&ctx, &instance, rules);
    ctx.in_transaction = true;
    snprintf(ctx.sender, sizeof ctx.sender, "a@example.org");
    uint64_t start = instance.clock_ms;
    CHECK_INT(rules_live_run(&ctx, rules, MW_STAGE_MAIL, 0), MW_WAIT);
    fake_loop(&ctx);
    CHECK_INT(instance.clock_ms - start, 5000);
    CHECK_INT(ctx.resumed, MW_REJECT);
    CHECK_MEM(ctx.reply, strlen(ctx.reply), "slow");
    for (int i = 0; i < 7; i++) { /* five minutes a session, and not more */
        fake_reset(&ctx);
        ctx.in_transaction = true;
        snprintf(ctx.sender, sizeof ctx.sender, "b@example.org");
        CHECK_INT(rules_live_run(&ctx, rules, MW_STAGE_MAIL, 0), i < 5 ? MW_WAIT : MW_CONTINUE);
        fake_loop(&ctx);
    }
    CHECK_INT(instance.clock_ms - start, 300000);
    fake_reset(&ctx);
    fake_ctx_fini(&ctx);
    fake_unload(&instance, rules);
}

TEST(a_filter_that_is_only_observed_holds_nothing_back)
{
    struct rules *rules = load("a: delay 5s, reject \"slow\" when sender.local == a\n", true);
    CHECK(rules != NULL);
    fake_ctx_init(&ctx, &instance, rules);
    ctx.is_observed = ctx.in_transaction = true;
    snprintf(ctx.sender, sizeof ctx.sender, "a@example.org");
    CHECK_INT(rules_live_run(&ctx, rules, MW_STAGE_MAIL, 0), MW_REJECT);
    CHECK(!ctx.is_parked);
    CHECK(strstr(ctx.log, "rule-delayed rule=a") != NULL);
    fake_ctx_fini(&ctx);
    fake_unload(&instance, rules);
}

/* ---- many rules ---- */

TEST(ten_thousand_rules_that_nothing_triggers_are_not_looked_at)
{
    enum { RULES = 10000, MESSAGES = 200 };
    char *text = malloc(RULES * 100);
    CHECK(text != NULL);
    struct builder out = {.ptr = text, .cap = RULES * 100 - 1};
    for (int i = 0; i < RULES; i++)
        builder_putf(&out, "r%d: score 1 when body.text =~ /\\bword%dx\\b/i\n", i, i);
    builder_put(&out, LIT("last: log \"hit\" when score > 0\n"));
    text[out.len] = '\0';
    double start = milliseconds();
    struct rules *rules = load(text, true);
    CHECK(rules != NULL);
    double loaded = milliseconds();
    static char body[5000], got[8192];
    struct builder lines = {.ptr = body, .cap = sizeof body};
    while (lines.len < sizeof body - 40)
        builder_put(&lines, LIT("some ordinary words of a letter word12\r\n"));
    struct message message = {"a@example.org", " x", " y", body, lines.len};
    for (int i = 0; i < MESSAGES; i++)
        play(rules, &message, got, sizeof got);
    double ended = milliseconds();
    printf("     %d rules: loaded in %.0f ms, %.0f us a message in this build\n", RULES,
           loaded - start, (ended - loaded) * 1000 / MESSAGES);
    fake_ctx_init(&ctx, &instance, rules);
    CHECK_INT(rules->live[5].runs, 0); /* not once */
    CHECK(rules->live[RULES].runs > 0);
    fake_ctx_fini(&ctx);
    fake_unload(&instance, rules);
    free(text);
}
