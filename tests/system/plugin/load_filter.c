/* load_filter.c - a proxy without a network: loads the example filter from the path given, runs a
 * short session through it and checks what it decides. Exit status 0 = as expected. Usage:
 * load_filter EXAMPLE.so BLOCKED-DIRECTORY */
#include <stdio.h>
#include <stdlib.h>

#include "chain/run.h"

/* One job at a time is all the example asks for. */
struct pool {
    void (*run)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

struct session {
    struct pool pool;
    struct mw_arena memory;
    struct mw_envelope envelope;
    struct mw_headers headers;
    struct mw_subject subject;
    struct mw_run *run;
};

static uint64_t now_ms(void *user)
{
    (void)user;
    return 1;
}

static bool work(void *user, void (*run)(void *arg), void (*done)(void *arg), void *arg)
{
    ((struct session *)user)->pool = (struct pool){.run = run, .done = done, .arg = arg};
    return true;
}

static void decided(void *user)
{
    (void)user;
}

static void expect(const char *what, bool holds)
{
    if (holds)
        return;
    fprintf(stderr, "load_filter: failed: %s\n", what);
    exit(1);
}

/* Run one stage; what the filter leaves to the pool is done at once. */
static struct mw_outcome stage(struct session *session, struct mw_call call)
{
    struct mw_outcome outcome;
    if (mw_run_stage(session->run, &call, &outcome) == MW_OK)
        return outcome;
    session->pool.run(session->pool.arg);
    session->pool.done(session->pool.arg);
    mw_run_outcome(session->run, &outcome);
    return outcome;
}

static struct mw_outcome mail(struct session *session, const char *argument)
{
    struct mw_envelope_arg arg;
    expect("MAIL parses",
           mw_envelope_arg_parse(mw_slice_cstr(argument), MW_LIT("FROM"), &arg) == MW_OK);
    mw_envelope_init(&session->envelope, &session->memory);
    mw_envelope_set_sender(&session->envelope, &arg);
    session->subject.envelope = &session->envelope;
    session->subject.transaction_arena = &session->memory;
    mw_run_transaction_begin(session->run);
    return stage(session, (struct mw_call){.stage = MW_STAGE_MAIL});
}

static struct mw_outcome rcpt(struct session *session, const char *argument)
{
    struct mw_envelope_arg arg;
    struct mw_call call = {.stage = MW_STAGE_RCPT};
    expect("RCPT parses",
           mw_envelope_arg_parse(mw_slice_cstr(argument), MW_LIT("TO"), &arg) == MW_OK);
    expect("room for RCPT", mw_envelope_add_rcpt(&session->envelope, &arg, &call.rcpt) == MW_OK);
    return stage(session, call);
}

static void header(struct session *session, const char *block)
{
    static const struct mw_header_limits limits = {65536, 100, 50};
    size_t used;
    struct mw_slice body;
    bool has_hops;
    mw_headers_init(&session->headers, &session->memory);
    expect("header parses", mw_headers_take(&session->headers, &limits, mw_slice_cstr(block), &used,
                                            &body, &has_hops) == MW_OK);
    session->subject.headers = &session->headers;
    struct mw_outcome outcome = stage(session, (struct mw_call){.stage = MW_STAGE_END_OF_HEADERS});
    expect("header passes", outcome.verdict == MW_CONTINUE);
    ptrdiff_t at = mw_headers_find(&session->headers, MW_LIT("X-Example"), 0);
    expect("X-Example is there", at >= 0);
    expect("X-Example counts the fields",
           mw_slice_eq(mw_field_value(&session->headers.fields[at]), MW_LIT(" 2 fields")));
}

static void end(struct session *session, bool is_aborted)
{
    mw_run_transaction_end(session->run, is_aborted);
    mw_envelope_fini(&session->envelope);
    session->subject.envelope = NULL;
}

static void dialogue(struct session *session)
{
    struct mw_outcome outcome = stage(session, (struct mw_call){.stage = MW_STAGE_CONNECT});
    expect("connect passes", outcome.verdict == MW_CONTINUE);
    outcome = stage(
        session, (struct mw_call){.stage = MW_STAGE_COMMAND, .a = MW_LIT("VRFY"), .b = MW_EMPTY});
    expect("VRFY is refused", outcome.verdict == MW_REJECT);

    outcome = mail(session, "FROM:<a@bad.example>");
    expect("a blocked sender is refused", outcome.verdict == MW_REJECT && outcome.code == 550);
    end(session, true);

    outcome = mail(session, "FROM:<a@good.example>");
    expect("another sender passes", outcome.verdict == MW_CONTINUE);
    outcome = rcpt(session, "TO:<nobody@example.test>");
    expect("nobody is refused",
           outcome.verdict == MW_REJECT && mw_slice_eq(outcome.rule, MW_LIT("refuse")));
    outcome = rcpt(session, "TO:<jane@example.test>");
    expect("jane passes", outcome.verdict == MW_CONTINUE);
    outcome = stage(session, (struct mw_call){.stage = MW_STAGE_DATA});
    expect("data passes", outcome.verdict == MW_CONTINUE);
    header(session, "From: a@good.example\r\nTo: jane@example.test\r\n\r\n");
    end(session, false);
    mw_headers_fini(&session->headers);
}

static struct mw_instance *load(struct mw_instances *instances, struct mw_arena *memory,
                                const char *path, const char *blocked)
{
    struct mw_diags *diags = mw_diags_new();
    struct mw_conf_block *root = NULL;
    struct mw_slice conf = mw_arena_printf(
        memory, "filter example {\n module %s\n refuse nobody\n blocked %s\n}\n", path, blocked);
    expect("configuration parses",
           mw_conf_parse(memory, "load_filter", conf, diags, &root) == MW_OK);
    struct mw_instance *instance = mw_instance_open(instances, root->blocks, diags);
    if (instance == NULL) {
        struct mw_buf report = MW_BUF_INIT(0);
        mw_diags_print(diags, &report);
        fprintf(stderr, "%.*s", (int)report.len, report.ptr);
    }
    expect("the module loads", instance != NULL);
    mw_diags_free(&diags);
    return instance;
}

int main(int argc, char **argv)
{
    static const char *const directories[] = {NULL};
    if (argc != 3)
        return 64; /* EX_USAGE */
    struct session session = {0};
    struct mw_plugins *plugins = mw_plugins_new(directories);
    struct mw_instances *instances = mw_instances_new(plugins);
    struct mw_chain *chain = mw_chain_new(instances, "test");
    struct mw_instance *instance = load(instances, &session.memory, argv[1], argv[2]);
    mw_chain_add(chain, instance, false);

    struct mw_services services = {
        .user = &session, .now_ms = now_ms, .work = work, .decided = decided};
    session.subject.session_arena = &session.memory;
    expect("address parses",
           mw_inet_parse(MW_LIT("192.0.2.1"), &session.subject.client_address) == MW_OK);
    session.run = mw_run_new(chain, &session.subject, &services);
    dialogue(&session);
    printf("loaded %s %s and it decided as it should\n", mw_instance_filter(instance)->name,
           mw_instance_filter(instance)->version);

    mw_run_free(&session.run);
    mw_chain_free(&chain);
    mw_instances_free(&instances);
    mw_plugins_free(&plugins);
    mw_arena_fini(&session.memory);
    return 0;
}
