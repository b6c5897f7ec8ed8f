/* chain_kit.c - see chain_kit.h. */
#include "chain_kit.h"

#include <dlfcn.h>
#include <stdlib.h>

/* ---- services that the test drives ---- */

static uint64_t now_ms(void *user)
{
    return ((struct kit *)user)->now;
}

static void *timer_start(void *user, uint64_t delay_ms, void (*fn)(void *arg), void *arg)
{
    struct kit *kit = user;
    for (size_t i = 0; i < KIT_SLOTS; i++) {
        struct kit_timer *timer = &kit->timers[i];
        if (timer->fn == NULL) {
            *timer = (struct kit_timer){.fn = fn, .arg = arg, .at = kit->now + delay_ms};
            return timer;
        }
    }
    abort();
}

static void timer_stop(void *user, void *handle)
{
    (void)user;
    ((struct kit_timer *)handle)->fn = NULL;
}

static bool work(void *user, void (*run)(void *arg), void (*done)(void *arg), void *arg)
{
    struct kit *kit = user;
    if (kit->is_pool_full || kit->work_count == KIT_SLOTS)
        return false;
    kit->works[kit->work_count++] = (struct kit_work){.run = run, .done = done, .arg = arg};
    return true;
}

static void decided(void *user)
{
    struct kit *kit = user;
    kit->decided++;
    mw_run_outcome(kit->run, &kit->outcome);
}

void kit_pass(struct kit *kit, uint64_t ms)
{
    kit->now += ms;
    for (size_t i = 0; i < KIT_SLOTS; i++) {
        struct kit_timer timer = kit->timers[i];
        if (timer.fn == NULL || timer.at > kit->now)
            continue;
        kit->timers[i].fn = NULL;
        timer.fn(timer.arg);
    }
    uint64_t deadline = kit->run == NULL ? 0 : mw_run_deadline(kit->run);
    if (deadline != 0 && deadline <= kit->now)
        mw_run_expire(kit->run, kit->now);
}

void kit_work(struct kit *kit)
{
    size_t count = kit->work_count;
    kit->work_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct kit_work job = kit->works[i];
        job.run(job.arg);
        job.done(job.arg);
    }
}

/* ---- loading ---- */

static void *open_script(void)
{
    void *library = dlopen(KIT_MODULES "/script.so", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == NULL) {
        printf("%s\n", dlerror());
        abort();
    }
    return library;
}

void kit_script_more(script_start_fn *start, script_report_fn *report, script_tool_fn *tool)
{
    void *library = open_script();
    *(script_start_fn **)dlsym(library, "script_start") = start;
    *(script_report_fn **)dlsym(library, "script_report") = report;
    *(script_tool_fn **)dlsym(library, "script_tool") = tool;
    dlclose(library);
}

void kit_script(script_fn *handler, script_open_fn *open, script_close_fn *close)
{
    void *library = open_script();
    *(script_fn **)dlsym(library, "script_handler") = handler;
    *(script_open_fn **)dlsym(library, "script_open") = open;
    *(script_close_fn **)dlsym(library, "script_close") = close;
    dlclose(library);
    kit_script_more(NULL, NULL, NULL);
}

struct mw_slice kit_report(struct kit *kit)
{
    struct mw_buf out = MW_BUF_INIT(0);
    mw_diags_print(kit->diags, &out);
    struct mw_slice text = mw_arena_dup(&kit->arena, mw_buf_view(&out));
    mw_buf_fini(&out);
    return text;
}

static struct mw_conf_block *parse(struct kit *kit, const char *conf)
{
    struct mw_conf_block *root = NULL;
    if (mw_conf_parse(&kit->arena, "test.conf", mw_slice_cstr(conf), kit->diags, &root) != MW_OK)
        return NULL;
    return root->blocks;
}

static void prepare(struct kit *kit)
{
    static const char *const directories[] = {"/nonexistent", KIT_MODULES,
                                              MW_TEST_BINARY_DIR "/filters", NULL};
    *kit = (struct kit){.now = 1000};
    kit->diags = mw_diags_new();
    kit->plugins = mw_plugins_new(directories);
    kit->instances = mw_instances_new(kit->plugins);
}

struct mw_instance *kit_load(struct kit *kit, const char *conf)
{
    if (kit->diags == NULL)
        prepare(kit);
    struct mw_conf_block *block = parse(kit, conf);
    return block == NULL ? NULL : mw_instance_open(kit->instances, block, kit->diags);
}

static void begin_session(struct kit *kit)
{
    kit->log = mw_log_memory(MW_LOG_DEBUG);
    mw_spool_files_init(&kit->files, "/tmp");
    kit->subject = (struct mw_subject){.session_id = MW_LIT("7Q2k9Z"),
                                       .listener = MW_LIT("mx"),
                                       .client_port = 41001,
                                       .protocol = MW_LIT("ESMTP"),
                                       .message_number = 1,
                                       .session_arena = &kit->session_arena};
    (void)!mw_inet_parse(MW_LIT("198.51.100.7"), &kit->subject.client_address);
    kit->services = (struct mw_services){.user = kit,
                                         .now_ms = now_ms,
                                         .timer_start = timer_start,
                                         .timer_stop = timer_stop,
                                         .work = work,
                                         .decided = decided,
                                         .log = kit->log};
    kit->run = mw_run_new(kit->chain, &kit->subject, &kit->services);
}

bool kit_open(struct kit *kit, const char *conf, const char *members)
{
    prepare(kit);
    bool is_good = true;
    for (struct mw_conf_block *block = parse(kit, conf); block != NULL; block = block->next)
        is_good &= mw_instance_open(kit->instances, block, kit->diags) != NULL;
    kit->chain = mw_chain_new(kit->instances, "inbound");
    struct mw_slice rest = mw_slice_cstr(members), name;
    while (rest.len > 0) {
        if (!mw_slice_split(rest, ' ', &name, &rest)) {
            name = rest;
            rest = MW_EMPTY;
        }
        bool is_observed = mw_slice_starts(name, MW_LIT("!"));
        struct mw_instance *instance = mw_instances_find(kit->instances,
                                                         mw_slice_skip(name, is_observed ? 1 : 0));
        is_good &= instance != NULL;
        if (instance != NULL)
            mw_chain_add(kit->chain, instance, is_observed);
    }
    if (!is_good) {
        struct mw_slice report = kit_report(kit);
        printf("%.*s\n", (int)report.len, report.ptr);
    }
    begin_session(kit);
    return is_good;
}

void kit_close(struct kit *kit)
{
    if (kit->subject.envelope != NULL)
        kit_end(kit, true);
    mw_run_free(&kit->run);
    mw_chain_free(&kit->chain);
    mw_instances_free(&kit->instances);
    kit_work(kit); /* what outlived the session comes back */
    mw_plugins_free(&kit->plugins);
    if (kit->log != NULL) {
        mw_log_close(&kit->log);
        mw_spool_files_fini(&kit->files);
    }
    mw_diags_free(&kit->diags);
    mw_arena_fini(&kit->session_arena);
    mw_arena_fini(&kit->arena);
}

/* ---- the dialogue ---- */

enum mw_err kit_call(struct kit *kit, const struct mw_call *call)
{
    return mw_run_stage(kit->run, call, &kit->outcome);
}

enum mw_err kit_stage(struct kit *kit, enum mw_stage stage)
{
    struct mw_call call = {.stage = stage};
    return kit_call(kit, &call);
}

enum mw_err kit_mail(struct kit *kit, const char *arg)
{
    char line[256];
    struct mw_envelope_arg parsed;
    int n = snprintf(line, sizeof line, "FROM:%s", arg);
    if (mw_envelope_arg_parse(MW_SLICE(line, (size_t)n), MW_LIT("FROM"), &parsed) != MW_OK)
        abort();
    kit->subject.transaction_arena = &kit->transaction_arena;
    mw_envelope_init(&kit->envelope, &kit->transaction_arena);
    mw_envelope_set_sender(&kit->envelope, &parsed);
    kit->subject.envelope = &kit->envelope;
    mw_run_transaction_begin(kit->run);
    return kit_stage(kit, MW_STAGE_MAIL);
}

enum mw_err kit_rcpt(struct kit *kit, const char *arg)
{
    char line[256];
    struct mw_envelope_arg parsed;
    int n = snprintf(line, sizeof line, "TO:%s", arg);
    struct mw_call call = {.stage = MW_STAGE_RCPT};
    if (mw_envelope_arg_parse(MW_SLICE(line, (size_t)n), MW_LIT("TO"), &parsed) != MW_OK ||
        mw_envelope_add_rcpt(&kit->envelope, &parsed, &call.rcpt) != MW_OK)
        abort();
    enum mw_err err = kit_call(kit, &call);
    bool is_refused = kit->outcome.verdict == MW_REJECT || kit->outcome.verdict == MW_TEMPFAIL;
    if (err == MW_OK && is_refused)
        mw_envelope_set_status(&kit->envelope, call.rcpt, MW_RCPT_REFUSED_FILTER,
                               kit->outcome.code);
    return err;
}

enum mw_err kit_rcpt_reply(struct kit *kit, size_t index, uint32_t code)
{
    struct mw_call call = {.stage = MW_STAGE_RCPT_REPLY,
                           .rcpt = index,
                           .upstream_code = code,
                           .upstream_text = MW_LIT("2.1.5 so it is")};
    mw_envelope_set_status(&kit->envelope, index,
                           code < 400 ? MW_RCPT_ACCEPTED : MW_RCPT_REFUSED_UPSTREAM,
                           (uint16_t)code);
    return kit_call(kit, &call);
}

enum mw_err kit_header(struct kit *kit, const char *block)
{
    static const struct mw_header_limits limits = {65536, 1000, 50};
    size_t used;
    struct mw_slice body;
    bool has_hops;
    mw_headers_init(&kit->headers, &kit->transaction_arena);
    if (mw_headers_take(&kit->headers, &limits, mw_slice_cstr(block), &used, &body, &has_hops) !=
        MW_OK)
        abort();
    kit->subject.headers = &kit->headers;
    kit->subject.message_size = used;
    if (mw_chain_wants_spool(kit->chain))
        kit->subject.spool = mw_spool_new(&kit->files, 65536);
    return kit_stage(kit, MW_STAGE_END_OF_HEADERS);
}

enum mw_err kit_body(struct kit *kit, const char *octets)
{
    struct mw_call call = {.stage = MW_STAGE_BODY, .a = mw_slice_cstr(octets)};
    kit->subject.message_size += call.a.len;
    if (kit->subject.spool != NULL)
        mw_spool_add(kit->subject.spool, call.a, true);
    return kit_call(kit, &call);
}

void kit_end(struct kit *kit, bool is_aborted)
{
    mw_run_transaction_end(kit->run, is_aborted);
    if (kit->subject.headers != NULL)
        mw_headers_fini(&kit->headers);
    mw_spool_free(&kit->subject.spool);
    mw_envelope_fini(&kit->envelope);
    mw_arena_fini(&kit->transaction_arena);
    kit->subject.envelope = NULL;
    kit->subject.headers = NULL;
    kit->subject.transaction_arena = NULL;
    kit->subject.message_size = 0;
    kit->subject.rcpt_group = MW_EMPTY;
    kit->subject.rcpt_verdicts = NULL;
    kit->subject.rcpt_verdict_cap = 0;
    kit->subject.auth_results = NULL;
    kit->subject.auth_result_count = kit->subject.auth_result_octets = 0;
    kit->subject.has_replaced_body = false;
    kit->subject.message_number++;
    kit->subject.messages += !is_aborted;
}

/* ---- asking what happened ---- */

bool kit_logged(struct kit *kit, const char *needle)
{
    struct mw_slice text = mw_log_memory_view(kit->log);
    if (text.len > 0 && memmem(text.ptr, text.len, needle, strlen(needle)) != NULL)
        return true;
    printf("not in the log: %s\n%.*s", needle, (int)text.len, text.ptr);
    return false;
}

struct wanted {
    const char *name;
    uint64_t value;
};

static void look(void *user, const char *filter, const char *name, uint64_t value)
{
    struct wanted *wanted = user;
    char full[128];
    snprintf(full, sizeof full, "%s.%s", filter, name);
    if (strcmp(full, wanted->name) == 0)
        wanted->value = value;
}

uint64_t kit_counter(struct kit *kit, const char *name)
{
    struct wanted wanted = {.name = name, .value = UINT64_MAX};
    mw_instances_counters(kit->instances, look, &wanted);
    return wanted.value;
}
