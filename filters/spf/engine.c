/* engine.c - see engine.h.
 *
 * libspf2's parts that are used: SPF_record_compile(), SPF_record_interpret(), and one SPF_dns_server_t whose only hook is lookup(); its
 * resolver, cache, zones, includes, redirects, macros, explanations and local policies are not. Its structs are public and are
 * filled in here, because its constructors ask for the host's name and compile defaults, and abort where that fails.
 *
 * An "a" without a domain makes libspf2 call lookup() for the record's own domain, a constant, once for each such term and in their order:
 * the nth question is about the nth test. Answered with 192.0.2.1 it matches; with nothing it does not; with TRY_AGAIN libspf2 gives up. */
#include "engine.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <netinet/in.h>

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <resolv.h>

#include <spf2/spf.h>

#include <spf2/spf_dns.h>
#include <spf2/spf_log.h>
#include <spf2/spf_record.h>

/* The longest word is " +ip4:192.0.2.1". */
enum { RECORD_MAX = 8 + ENGINE_TERMS_MAX * 16 };

static const char *const client_address = "192.0.2.1";
static char token[] = "r.token", nobody[] = "x", nobody_at_token[] = "x@r.token";

struct engine_run {
    const struct engine_term *terms;
    size_t count;
    engine_test *test;
    void *user;
    struct engine_outcome *out;
    size_t asked; /* the next term that libspf2 may ask about */

    SPF_dns_server_t dns;
    SPF_server_t server;
    SPF_request_t request;
    /* heap, freed at the end of the run whatever happened */
    SPF_response_t *response;
    SPF_record_t *record;

    struct engine_run *outer; /* whose test has begun this one */
    jmp_buf jump;
};

/* ---- the handlers ---- */

/* libspf2's handlers get no argument of ours: which run they belong to can only be told here.
 * initial-exec: in the room that the C library keeps for modules, at a fixed place. The default of a
 * module takes a call for each access and a block from malloc() for each thread, and LeakSanitizer
 * crashes (now and then: by the block's address) when it looks for the size of such a block. */
static _Thread_local __attribute__((tls_model("initial-exec"))) struct engine_run *running;

struct handlers {
    __typeof__(SPF_error_handler) error;
    __typeof__(SPF_warning_handler) warning, info, debug;
};

static void copy_printable(char *out, size_t cap, const char *text)
{
    size_t len = 0;
    for (; len + 1 < cap && text[len] != '\0'; len++)
        out[len] = text[len] >= ' ' && text[len] <= '~' ? text[len] : '?';
    out[len] = '\0';
}

static void broken(struct engine_run *run, const char *why)
{
    run->out->end = ENGINE_BROKEN;
    copy_printable(run->out->problem, sizeof run->out->problem, why);
}

__attribute__((noreturn)) static void on_error(const char *file, int line, const char *message)
{
    (void)file;
    (void)line;
    struct engine_run *run = running;
    if (run == NULL)
        abort(); /* not reached: ours only while a run is on */
    broken(run, message);
    longjmp(run->jump, 1);
}

static void set_handlers(const struct handlers *handlers)
{
    SPF_error_handler = handlers->error;
    SPF_warning_handler = handlers->warning;
    SPF_info_handler = handlers->info;
    SPF_debug_handler = handlers->debug;
}

static struct handlers get_handlers(void)
{
    return (struct handlers){SPF_error_handler, SPF_warning_handler, SPF_info_handler,
                             SPF_debug_handler};
}

/* ---- what libspf2 asks ---- */

static enum engine_answer ask(struct engine_run *run)
{
    while (run->asked < run->count && run->terms[run->asked].kind != ENGINE_TEST)
        run->asked++;
    if (run->asked >= run->count) {
        broken(run, "a question about no term");
        return ENGINE_STOP;
    }
    enum engine_answer answer = run->test(run->user, run->asked++);
    if (answer == ENGINE_STOP)
        run->out->end = ENGINE_STOPPED;
    else if (answer == ENGINE_YES) {
        run->out->end = ENGINE_MATCH;
        run->out->index = run->asked - 1;
    }
    return answer;
}

/* NULL, for want of memory, is an error that libspf2 reports to the handler. */
static SPF_dns_rr_t *lookup(SPF_dns_server_t *dns, const char *domain, ns_type type,
                            int should_cache)
{
    (void)domain;
    (void)should_cache;
    struct engine_run *run = dns->hook;
    enum engine_answer answer = ask(
        run); /* first: nothing of libspf2 is held while the test runs */
    SPF_dns_rr_t *rr = SPF_dns_rr_new_init(dns, NULL, type, 0,
                                           answer == ENGINE_STOP ? TRY_AGAIN : NETDB_SUCCESS);
    if (rr == NULL || answer != ENGINE_YES)
        return rr;
    if (SPF_dns_rr_buf_realloc(rr, 0, sizeof *rr->rr[0]) != SPF_E_SUCCESS) {
        SPF_dns_rr_free(rr);
        return NULL;
    }
    rr->rr[0]->a = run->request.ipv4;
    rr->num_rr = 1;
    return rr;
}

/* ---- one run ---- */

static void write_record(const struct engine_run *run, char out[RECORD_MAX])
{
    struct builder text = {.ptr = out, .cap = RECORD_MAX - 1};
    builder_put(&text, LIT("v=spf1"));
    for (size_t i = 0; i < run->count; i++) {
        const struct engine_term *term = &run->terms[i];
        const char *word = term->kind == ENGINE_ALL ? "all" : "a";
        if (term->kind == ENGINE_SURE)
            builder_putf(&text, " %cip4:%s", term->qualifier, client_address);
        else
            builder_putf(&text, " %c%s", term->qualifier, word);
    }
    out[text.len] = '\0';
}

static void set_up(struct engine_run *run)
{
    run->dns = (SPF_dns_server_t){.lookup = lookup, .name = "mailweir", .hook = run};
    /* the limits are counted by the caller, over the whole check */
    run->server = (SPF_server_t){.resolver = &run->dns,
                                 .rec_dom = nobody,
                                 .max_dns_mech = ENGINE_TERMS_MAX,
                                 .max_dns_ptr = SPF_MAX_DNS_PTR,
                                 .max_dns_mx = SPF_MAX_DNS_MX};
    run->request = (SPF_request_t){.spf_server = &run->server,
                                   .client_ver = AF_INET,
                                   .env_from = nobody_at_token,
                                   .env_from_lp = nobody,
                                   .env_from_dp = token,
                                   .helo_dom = token,
                                   .cur_dom = token};
    inet_pton(AF_INET, client_address, &run->request.ipv4);
}

static void read_result(struct engine_run *run, SPF_errcode_t error)
{
    struct engine_outcome *out = run->out;
    if (out->end == ENGINE_STOPPED || out->end == ENGINE_BROKEN)
        return;
    if (error != SPF_E_SUCCESS) {
        broken(run, SPF_strerror(error));
        return;
    }
    if (SPF_response_reason(run->response) != SPF_REASON_MECH) {
        out->end = ENGINE_DEFAULT;
        out->result = SPF_NEUTRAL;
        return;
    }
    if (out->end != ENGINE_MATCH) /* no test did: the last term, which needs none */
        out->index = run->count - 1;
    out->end = ENGINE_MATCH;
    switch ((int)SPF_response_result(run->response)) {
    case SPF_RESULT_PASS:
        out->result = SPF_PASS;
        break;
    case SPF_RESULT_FAIL:
        out->result = SPF_FAIL;
        break;
    case SPF_RESULT_SOFTFAIL:
        out->result = SPF_SOFTFAIL;
        break;
    case SPF_RESULT_NEUTRAL:
        out->result = SPF_NEUTRAL;
        break;
    default:
        broken(run, "a result that no term has");
    }
}

static void work(struct engine_run *run)
{
    char text[RECORD_MAX];
    write_record(run, text);
    run->response = SPF_response_new(&run->request);
    SPF_errcode_t error = run->response == NULL
                              ? SPF_E_NO_MEMORY
                              : SPF_record_compile(&run->server, run->response, &run->record, text);
    if (error == SPF_E_SUCCESS) {
        run->response->spf_record_exp = run->record;
        error = SPF_record_interpret(run->record, &run->request, run->response, 0);
    }
    read_result(run, error);
}

/* Nothing local of this function changes between setjmp() and the jump (C17 7.13.2.1). */
static void work_guarded(struct engine_run *run)
{
    run->outer = running;
    running = run;
    if (setjmp(run->jump) == 0)
        work(run);
    running = run->outer;
}

void engine_run(const struct engine_term *terms, size_t count, engine_test *test, void *user,
                struct engine_outcome *out)
{
    static const struct handlers ours = {.error = on_error};
    struct engine_run run = {
        .terms = terms, .count = count, .test = test, .user = user, .out = out};
    *out = (struct engine_outcome){.end = ENGINE_DEFAULT};
    struct handlers before = get_handlers();
    set_up(&run);
    set_handlers(&ours);
    work_guarded(&run);
    if (run.record != NULL)
        SPF_record_free(run.record);
    if (run.response != NULL)
        SPF_response_free(run.response);
    set_handlers(&before);
}
