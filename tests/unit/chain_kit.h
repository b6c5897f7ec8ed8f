/* chain_kit.h - what tests of the chain share: a configuration text, a loaded chain, and a session
 * around it with a clock, timers and a pool that move only when the test says so. */
#ifndef MW_TEST_CHAIN_KIT_H
#define MW_TEST_CHAIN_KIT_H

#include "chain/run.h"
#include "chain/stage.h"
#include "test.h"

#define KIT_MODULES MW_TEST_BINARY_DIR "/tests/filters"

/* The signatures that tests/data/filters/script.c exports. */
typedef enum mw_verdict script_fn(const struct mw_host *host, struct mw_ctx *ctx,
                                  enum mw_stage stage, size_t index, struct mw_slice a,
                                  struct mw_slice b);
typedef int script_open_fn(const struct mw_host *host, struct mw_instance *instance, void **state);
typedef void script_close_fn(void *state);
typedef void script_start_fn(void *state);
typedef int script_report_fn(void *state, const char *topic, mw_report_line *line, void *user);
typedef int script_tool_fn(const struct mw_host *host, struct mw_instance *instance, int argc,
                           char **argv);

enum { KIT_SLOTS = 64 };
struct kit_timer {
    void (*fn)(void *arg);
    void *arg;
    uint64_t at;
};
struct kit_work {
    void (*run)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

struct kit {
    struct mw_arena arena;
    struct mw_diags *diags;
    struct mw_plugins *plugins;
    struct mw_instances *instances;
    struct mw_chain *chain;
    struct mw_log *log;
    struct mw_arena session_arena, transaction_arena;
    struct mw_envelope envelope;
    struct mw_headers headers;
    struct mw_spool_files files;
    struct mw_subject subject;
    struct mw_services services;
    struct mw_run *run;
    uint64_t now;
    struct kit_timer timers[KIT_SLOTS];
    struct kit_work works[KIT_SLOTS];
    size_t work_count;
    bool is_pool_full;
    int decided;
    struct mw_outcome outcome; /* of the last stage */
};

/* Load `conf` (filter blocks) with modules from KIT_MODULES, and the chain `members`: names with
 * blanks between, "!" before an observed one. Then a session begins. A problem is printed, and
 * false returned. */
bool kit_open(struct kit *kit, const char *conf, const char *members);
void kit_close(struct kit *kit);
/* One block alone, into kit->diags; NULL on error. For tests that want it to fail: kit_report() is
 * what a person would see. */
struct mw_instance *kit_load(struct kit *kit, const char *conf);
struct mw_slice kit_report(struct kit *kit);
/* Where script.so calls back; also its open and close, NULL for none. */
void kit_script(script_fn *handler, script_open_fn *open, script_close_fn *close);
/* Its further hooks, until the next kit_script(). */
void kit_script_more(script_start_fn *start, script_report_fn *report, script_tool_fn *tool);

/* The dialogue. Each returns what mw_run_stage said; kit->outcome has the outcome after MW_OK. */
enum mw_err kit_stage(struct kit *kit, enum mw_stage stage);
enum mw_err kit_call(struct kit *kit, const struct mw_call *call);
/* `arg` as behind MAIL FROM: and RCPT TO:, e.g. "<a@example.net> SIZE=10". */
enum mw_err kit_mail(struct kit *kit, const char *arg);
enum mw_err kit_rcpt(struct kit *kit, const char *arg);
enum mw_err kit_rcpt_reply(struct kit *kit, size_t index, uint32_t code);
/* The header block has come. */
enum mw_err kit_header(struct kit *kit, const char *block);
enum mw_err kit_body(struct kit *kit, const char *octets);
/* The transaction ends, its memory with it. */
void kit_end(struct kit *kit, bool is_aborted);
/* Time passes: timers that are due run, then the run's deadline is looked at. */
void kit_pass(struct kit *kit, uint64_t ms);
/* The pool does its work. */
void kit_work(struct kit *kit);

bool kit_logged(struct kit *kit, const char *needle);
uint64_t kit_counter(struct kit *kit, const char *name); /* "filter.name" */

#endif
