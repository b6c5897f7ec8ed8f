/* fuzz_rules.c - any text as a rule file; what loads is run against one message, and against its
 * own tests. */
#include <stdint.h>
#include <string.h>

#include "live.h"
#include "rules_fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Rule texts name files; a fuzzer's must not be read. */
static char *no_file(const char *path, size_t max, size_t *out_len, const char **out_error)
{
    (void)path;
    (void)max;
    *out_len = 0;
    *out_error = "not here";
    return NULL;
}

static struct mw_ctx ctx;

static void run(struct rules *rules, enum mw_stage stage, size_t rcpt)
{
    if (rules_live_run(&ctx, rules, stage, rcpt) == MW_WAIT)
        fake_loop(&ctx);
}

static const char body[] = "--b\r\nContent-Type: text/html\r\n\r\n"
                           "<a href='http://one.example/x'>two.example</a> three\r\n"
                           "--b\r\nContent-Type: application/zip; name=\"a.pdf.exe\"\r\n"
                           "Content-Transfer-Encoding: base64\r\n\r\nUEsDBA==\r\n--b--\r\n";

static void play(struct mw_instance *instance, struct rules *rules)
{
    static const char *const rcpts[] = {"bob@example.com", "postmaster@example.com",
                                        "x@old.example"};
    fake_ctx_init(&ctx, instance, rules);
    fake_fact_ip(&ctx, "client.ip", "192.0.2.1");
    fake_fact_number(&ctx, "client.port", 25);
    fake_fact_text(&ctx, "helo", "mail.example.org");
    fake_fact_error(&ctx, "client.name");
    run(rules, MW_STAGE_CONNECT, 0);
    run(rules, MW_STAGE_HELO, 0);
    ctx.in_transaction = true;
    snprintf(ctx.sender, sizeof ctx.sender, "alice@example.org");
    snprintf(ctx.params, sizeof ctx.params, "SIZE=1000 SMTPUTF8");
    run(rules, MW_STAGE_MAIL, 0);
    for (size_t i = 0; i < 3; i++) {
        size_t index = ctx.rcpt_count++;
        snprintf(ctx.rcpts[index].address, sizeof ctx.rcpts[index].address, "%s", rcpts[i]);
        ctx.rcpts[index].status = MW_RCPT_ACCEPTED;
        run(rules, MW_STAGE_RCPT, index);
    }
    run(rules, MW_STAGE_DATA, 0);
    fake_header(&ctx, "Subject", " invoice \r\n folded \xff\x80");
    fake_header(&ctx, "X", " a");
    fake_header(&ctx, "x", " b");
    fake_header(&ctx, "From", " \"bank\" <a@example.org>, b@example.com");
    fake_header(&ctx, "Date", " 1 Jan 2001 00:00:00 +0000");
    fake_header(&ctx, "Content-Type", " multipart/mixed; boundary=b");
    ctx.body = body;
    ctx.body_len = sizeof body - 1;
    run(rules, MW_STAGE_END_OF_HEADERS, 0);
    run(rules, MW_STAGE_END_OF_MESSAGE, 0);
    fake_ctx_fini(&ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mw_instance instance;
    static struct mw_host host;
    static struct mw_lang lang;
    lang = *fake_host.lang;
    lang.file_read = no_file;
    host = fake_host;
    host.lang = &lang;
    memset(&instance, 0, sizeof instance);
    struct rules *rules = rules_new(&host, &instance, 2000, 4096);
    rules_parse_text(rules, "fuzz.rules", (struct mw_slice){(const char *)data, size});
    if (rules_finish(rules))
        play(&instance, rules);
    fake_unload(&instance, rules);
    return 0;
}
