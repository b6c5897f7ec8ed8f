/* list_kit.c - see list_kit.h. */
#include "list_kit.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/lex.h"
#include "list_priv.h"
#include "load.h"
#include "parse.h"

/* ---- loading ---- */

struct kit_chunk {
    struct kit_chunk *next;
    size_t pad;
};

/* ---- the loop ---- */

struct mw_watch {
    int fd;
    uint32_t events;
    void (*fn)(void *user, uint32_t events);
    void *user;
    bool is_dead;
    struct mw_watch *next;
};
struct mw_alarm {
    uint64_t at_ms;
    void (*fn)(void *user);
    void *user;
    struct mw_alarm *next;
};
struct job {
    pthread_t thread;
    void (*run)(void *user), (*done)(void *user);
    void *user;
    struct job *next;
};
struct mw_question {
    const struct kit_answer *answer; /* NULL: no such name */
    void (*answered)(void *user, const struct mw_dns_answer *answer);
    void *user;
    bool is_ready, is_dead, is_text;
    struct mw_ctx *payer; /* NULL: the instance's own */
    struct mw_question *next;
};

/* One test at a time. */
static struct mw_watch *watches;
static struct mw_alarm *alarms;
static struct job *jobs;
static struct mw_question *questions;

static struct list_kit *kit_of(struct mw_instance *instance)
{
    return (struct list_kit *)instance;
}

static void *take(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL)
        abort();
    return memory;
}

static void *host_instance_alloc(struct mw_instance *instance, size_t size)
{
    struct kit_chunk *chunk = take(sizeof *chunk + size);
    chunk->next = instance->chunks;
    instance->chunks = chunk;
    return chunk + 1;
}

static void free_chunks(struct mw_instance *instance)
{
    while (instance->chunks != NULL) {
        struct kit_chunk *next = instance->chunks->next;
        free(instance->chunks);
        instance->chunks = next;
    }
}

static const struct mw_setting_value *host_setting(struct mw_instance *instance, const char *name)
{
    (void)instance;
    (void)name;
    return NULL; /* not declared: the defaults are in force */
}

static int host_counter(struct mw_instance *instance, const char *name)
{
    size_t len = strlen(instance->counters);
    snprintf(instance->counters + len, sizeof instance->counters - len, "%s\n", name);
    return instance->counter_count++;
}

static void host_diag(struct mw_instance *instance, const struct mw_diag *diag)
{
    size_t len = strlen(instance->diags);
    instance->errors += diag->severity == MW_DIAG_ERROR;
    snprintf(instance->diags + len, sizeof instance->diags - len, "%s:%u:%u:%u: %s: %s%s%s\n",
             diag->file, diag->line, diag->column, diag->length,
             diag->severity == MW_DIAG_ERROR ? "error" : "warning", diag->message,
             diag->hint ? " | " : "", diag->hint ? diag->hint : "");
}

/* The clock stands still within a turn, as the proxy's does, and a turn counts for a few
 * milliseconds at most: what a busy machine takes from this process is not time that a test, or
 * what it tests, has waited. */
enum { TURN_MAX_MS = 10 };
static uint64_t clock_ms = 1000000;

static uint64_t system_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void advance_clock(uint64_t *last_ms)
{
    uint64_t now = system_ms(), passed = now - *last_ms;
    *last_ms = now;
    clock_ms += passed < TURN_MAX_MS ? passed : TURN_MAX_MS;
}

uint64_t kit_clock_ms(struct list_kit *kit)
{
    return clock_ms + kit->clock_skew_ms;
}

static uint64_t host_clock_ms(struct mw_instance *instance)
{
    return kit_clock_ms(kit_of(instance));
}

static struct mw_watch *host_watch(struct mw_instance *instance, int fd, uint32_t events,
                                   void (*fn)(void *user, uint32_t events), void *user)
{
    if (!kit_of(instance)->has_watch)
        return NULL;
    struct mw_watch *watch = take(sizeof *watch);
    *watch = (struct mw_watch){fd, events, fn, user, false, watches};
    watches = watch;
    return watch;
}

static void host_watch_change(struct mw_watch *watch, uint32_t events)
{
    watch->events = events;
}

static void host_watch_end(struct mw_watch *watch)
{
    watch->is_dead = true;
}

static struct mw_alarm *host_alarm(struct mw_instance *instance, uint64_t delay_ms,
                                   void (*fn)(void *user), void *user)
{
    struct mw_alarm *alarm = take(sizeof *alarm);
    *alarm = (struct mw_alarm){host_clock_ms(instance) + delay_ms, fn, user, alarms};
    alarms = alarm;
    return alarm;
}

static void host_alarm_cancel(struct mw_alarm *alarm)
{
    struct mw_alarm **at = &alarms;
    while (*at != alarm)
        at = &(*at)->next;
    *at = alarm->next;
    free(alarm);
}

static void *run_thread(void *user)
{
    struct job *job = user;
    job->run(job->user);
    return NULL;
}

static int host_job(struct mw_instance *instance, void (*run)(void *user), void (*done)(void *user),
                    void *user)
{
    if (kit_of(instance)->refuses_jobs)
        return 0;
    kit_of(instance)->jobs++;
    struct job *job = take(sizeof *job);
    *job = (struct job){.run = run, .done = done, .user = user, .next = jobs};
    if (pthread_create(&job->thread, NULL, run_thread, job) != 0)
        abort();
    jobs = job;
    return 1;
}

/* ---- the DNS ---- */

static struct mw_question *
question_new(struct list_kit *kit, struct mw_slice name, enum mw_dns_kind kind,
             void (*answered)(void *user, const struct mw_dns_answer *answer), void *user)
{
    if (kit->dns == NULL || (kind != MW_DNS_ADDRESS4 && kind != MW_DNS_STRINGS))
        return NULL;
    char asked[300];
    snprintf(asked, sizeof asked, "%s%.*s", kind == MW_DNS_STRINGS ? "TXT " : "", (int)name.len,
             name.ptr);
    size_t len = strlen(kit->asked);
    snprintf(kit->asked + len, sizeof kit->asked - len, "%s\n", asked);
    struct mw_question *question = take(sizeof *question);
    *question = (struct mw_question){.answered = answered, .user = user, .next = questions};
    question->is_text = kind == MW_DNS_STRINGS;
    for (const struct kit_answer *at = kit->dns; at->name != NULL; at++)
        if (strcmp(asked, at->name) == 0)
            question->answer = at;
    question->is_ready = question->answer == NULL || question->answer->addresses[0] != '?';
    questions = question;
    return question;
}

static struct mw_question *
host_dns(struct mw_instance *instance, struct mw_slice name, enum mw_dns_kind kind,
         void (*answered)(void *user, const struct mw_dns_answer *answer), void *user)
{
    kit_of(instance)->own_questions++;
    return question_new(kit_of(instance), name, kind, answered, user);
}

static struct mw_question *
host_query(struct mw_ctx *ctx, struct mw_slice name, enum mw_dns_kind kind,
           void (*answered)(void *user, const struct mw_dns_answer *answer), void *user)
{
    static const struct kit_answer none_left = {"", "!"};
    if (ctx->is_over)
        abort();
    struct mw_question *question = question_new(ctx->kit, name, kind, answered, user);
    if (question == NULL)
        return NULL;
    question->payer = ctx;
    if (ctx->asked++ >= ctx->share) {
        question->answer = &none_left;
        question->is_ready = true;
    }
    if (++ctx->open > ctx->most_open)
        ctx->most_open = ctx->open;
    return question;
}

static void question_end(struct mw_question *question)
{
    if (question->payer != NULL && !question->is_dead)
        question->payer->open--;
    question->is_dead = true;
}

static void host_dns_cancel(struct mw_question *question)
{
    question_end(question);
}

void kit_leave(struct mw_ctx *ctx)
{
    for (struct mw_question *question = questions; question != NULL; question = question->next)
        if (question->payer == ctx)
            question_end(question);
    ctx->is_over = true;
}

static void answer_question(struct mw_question *question)
{
    unsigned char octets[8][16];
    struct mw_slice values[8];
    struct mw_dns_answer answer = {.size = sizeof answer, .values = values};
    const char *text = question->answer != NULL ? question->answer->addresses : "";
    answer.outcome = *text == '!' ? MW_DNS_FAILURE : *text == '\0' ? MW_DNS_NOTHING : MW_DNS_FOUND;
    if (answer.outcome == MW_DNS_FOUND && question->is_text) {
        values[0] = slice_of(text);
        answer.count = 1;
    }
    while (answer.outcome == MW_DNS_FOUND && !question->is_text && *text != '\0') {
        char one[64];
        size_t len = strcspn(text, " ");
        snprintf(one, sizeof one, "%.*s", (int)len, text);
        memcpy(octets[answer.count], "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
        inet_pton(AF_INET, one, octets[answer.count] + 12);
        values[answer.count] = SLICE((const char *)octets[answer.count], 16);
        answer.count++;
        text += len + (text[len] == ' ');
    }
    question_end(question);
    question->answered(question->user, &answer);
}

/* ---- the log ---- */

static void host_note(struct mw_instance *instance, enum mw_log_level level, const char *event,
                      const struct mw_log_pair *pairs, size_t count)
{
    struct list_kit *kit = kit_of(instance);
    struct builder builder = {kit->notes, strlen(kit->notes), sizeof kit->notes - 1};
    (void)level;
    builder_putf(&builder, "%s", event);
    for (size_t i = 0; i < count; i++)
        builder_putf(&builder, " %s=%.*s", pairs[i].key, (int)pairs[i].value.len,
                     pairs[i].value.ptr);
    builder_putf(&builder, "\n");
}

static void host_tally(struct mw_instance *instance, int counter, uint64_t by)
{
    kit_of(instance)->tallies[counter] += by;
}

/* ---- turning ---- */

static void sweep(void)
{
    for (struct mw_watch **at = &watches; *at != NULL;) {
        struct mw_watch *watch = *at;
        if (!watch->is_dead) {
            at = &watch->next;
            continue;
        }
        *at = watch->next;
        free(watch);
    }
    for (struct mw_question **at = &questions; *at != NULL;) {
        struct mw_question *question = *at;
        if (!question->is_dead) {
            at = &question->next;
            continue;
        }
        *at = question->next;
        free(question);
    }
}

static void run_alarms(struct list_kit *kit)
{
    uint64_t now = kit_clock_ms(kit);
    for (struct mw_alarm **at = &alarms; *at != NULL;) {
        struct mw_alarm *alarm = *at;
        if (alarm->at_ms > now) {
            at = &alarm->next;
            continue;
        }
        *at = alarm->next;
        alarm->fn(alarm->user);
        free(alarm);
        at = &alarms; /* anything may have changed */
    }
}

static void run_jobs(void)
{
    for (struct job **at = &jobs; *at != NULL;) {
        struct job *job = *at;
        if (pthread_tryjoin_np(job->thread, NULL) != 0) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        job->done(job->user);
        free(job);
        at = &jobs;
    }
}

static void run_watches(void)
{
    struct pollfd fds[32];
    struct mw_watch *owners[32];
    nfds_t count = 0;
    for (struct mw_watch *watch = watches; watch != NULL && count < 32; watch = watch->next) {
        short wanted = (short)((watch->events & MW_WATCH_READ ? POLLIN : 0) |
                               (watch->events & MW_WATCH_WRITE ? POLLOUT : 0));
        if (watch->is_dead || wanted == 0)
            continue;
        owners[count] = watch;
        fds[count++] = (struct pollfd){.fd = watch->fd, .events = wanted};
    }
    if (poll(fds, count, 2) <= 0)
        return;
    for (nfds_t i = 0; i < count; i++) {
        uint32_t events = (fds[i].revents & POLLIN ? MW_WATCH_READ : 0u) |
                          (fds[i].revents & POLLOUT ? MW_WATCH_WRITE : 0u) |
                          (fds[i].revents & (POLLERR | POLLHUP) ? MW_WATCH_ERROR : 0u);
        if (events != 0 && !owners[i]->is_dead)
            owners[i]->fn(owners[i]->user, events);
    }
}

static void run_dns(void)
{
    for (struct mw_question *at = questions; at != NULL; at = at->next)
        if (at->is_ready && !at->is_dead)
            answer_question(at);
}

bool kit_run(struct list_kit *kit, bool (*wanted)(struct list_kit *kit), unsigned max_ms)
{
    uint64_t end = clock_ms + max_ms, last_ms = system_ms();
    while (wanted == NULL || !wanted(kit)) {
        if (clock_ms >= end)
            return false;
        run_watches();
        run_dns();
        run_jobs();
        advance_clock(&last_ms);
        run_alarms(kit);
        sweep();
    }
    return true;
}

static const char *noted_text;
static unsigned noted_times;

static bool is_noted(struct list_kit *kit)
{
    unsigned times = 0;
    for (const char *at = kit->notes; (at = strstr(at, noted_text)) != NULL; at++)
        times++;
    return times >= noted_times;
}

bool kit_noted(struct list_kit *kit, const char *text, unsigned times)
{
    noted_text = text;
    noted_times = times;
    return kit_run(kit, is_noted, 20000);
}

/* ---- a life ---- */

void kit_init(struct list_kit *kit)
{
    memset(kit, 0, sizeof *kit);
    signal(SIGPIPE, SIG_IGN); /* as the proxy does */
    snprintf(kit->dir, sizeof kit->dir, "/tmp/mw-lists-XXXXXX");
    if (mkdtemp(kit->dir) == NULL)
        abort();
    kit->has_watch = true;
}

void kit_fini(struct list_kit *kit)
{
    char command[128];
    kit_unload(kit);
    snprintf(command, sizeof command, "rm -rf %s", kit->dir);
    if (system(command) != 0)
        abort();
}

const char *kit_path(struct list_kit *kit, const char *name)
{
    static char paths[4][160];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", kit->dir, name);
    return path;
}

void kit_write(struct list_kit *kit, const char *name, const char *text)
{
    FILE *file = fopen(kit_path(kit, name), "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
}

void kit_replace(struct list_kit *kit, const char *name, const char *text)
{
    kit_write(kit, "new-one", text);
    if (rename(kit_path(kit, "new-one"), kit_path(kit, name)) != 0)
        abort();
}

static const struct mw_host kit_host = {
    .size = sizeof(struct mw_host),
    .abi = MAILWEIR_ABI,
    .version = "test",
    .setting = host_setting,
    .diag = host_diag,
    .counter = host_counter,
    .lang = &mw_lang_table,
    .instance_alloc = host_instance_alloc,
    .watch = host_watch,
    .watch_change = host_watch_change,
    .watch_end = host_watch_end,
    .alarm = host_alarm,
    .alarm_cancel = host_alarm_cancel,
    .dns = host_dns,
    .dns_cancel = host_dns_cancel,
    .job = host_job,
    .note = host_note,
    .tally = host_tally,
    .clock_ms = host_clock_ms,
    .query = host_query,
};

bool kit_load(struct list_kit *kit, const char *list, const char *field)
{
    char text[4096];
    kit_unload(kit);
    kit->instance = (struct mw_instance){.errors = 0};
    kit->rules = rules_new(&kit_host, &kit->instance, 20000, 65536);
    snprintf(text, sizeof text, "list l = %s\n", list);
    const char *file = kit_path(kit, "t.rules");
    rules_parse_text(kit->rules, rules_keep_text(kit->rules, slice_of(file)).ptr, slice_of(text));
    const struct field *of = rules_field_find(slice_of(field));
    if (of == NULL)
        abort();
    struct list *made = rules_list_find(kit->rules, LIT("l"));
    if (made != NULL && rules_list_kind(made) == LIST_DNSBL) /* as `in` does */
        rules_list_cut(made, rules_list_threshold(made));
    return made != NULL && rules_list_set(kit->rules, made, of) != NULL &&
           kit->instance.errors == 0;
}

void kit_start(struct list_kit *kit)
{
    rules_lists_start(kit->rules);
}

void kit_unload(struct list_kit *kit)
{
    if (kit->rules == NULL)
        return;
    rules_lists_stop(kit->rules);
    kit_run(kit, NULL, 0);
    rules_free(kit->rules);
    free_chunks(&kit->instance);
    kit->rules = NULL;
    while (jobs != NULL)
        run_jobs();
    sweep();
    if (alarms != NULL || watches != NULL || questions != NULL)
        abort(); /* something was left behind */
}

struct list_set *kit_set(struct list_kit *kit)
{
    return rules_list_find(kit->rules, LIT("l"))->sets;
}

/* ---- looking up ---- */

static bool was_answered;

static void on_done(void *user)
{
    (void)user;
    was_answered = true;
}

static bool is_answered(struct list_kit *kit)
{
    (void)kit;
    return was_answered;
}

static void ask(struct list_kit *kit, struct list_answers *answers)
{
    was_answered = false;
    if (rules_list_pending(answers) != 1)
        abort();
    rules_list_ask(answers, on_done, NULL);
    if (was_answered || !kit_run(kit, is_answered, 15000))
        abort(); /* before it returned, or never */
}

enum list_answer kit_has_text(struct list_kit *kit, struct mw_slice text, const char **out_error)
{
    const char *error = NULL;
    struct value value = {.text = text};
    struct list_answers *answers = rules_list_answers_new(kit->rules);
    enum list_answer answer = rules_list_has(kit_set(kit), &value, answers, &error);
    if (answer == LIST_ASK) {
        ask(kit, answers);
        answer = rules_list_has(kit_set(kit), &value, answers, &error);
    }
    rules_list_answers_free(&answers);
    if (out_error != NULL)
        *out_error = error;
    return answer;
}

/* `room`: for an address. */
static struct mw_slice value_of(struct list_kit *kit, const char *text, unsigned char room[16])
{
    uint32_t prefix;
    struct mw_slice value = slice_of(text);
    if (kit_set(kit)->kind != SET_NETWORK)
        return value;
    if (!kit->rules->lang->parse_network(value, room, &prefix) || prefix != 128)
        abort();
    return SLICE((const char *)room, 16);
}

const char *kit_sum(struct list_kit *kit, const char *text)
{
    static char said[2000];
    unsigned char ip[16];
    struct list_sum sum;
    struct value value = {.text = value_of(kit, text, ip)};
    struct builder out = {.ptr = said, .cap = sizeof said - 1};
    struct list_answers *answers = rules_list_answers_new(kit->rules);
    if (rules_list_sum(kit_set(kit), &value, answers, &sum) == LIST_ASK) {
        ask(kit, answers);
        rules_list_sum(kit_set(kit), &value, answers, &sum);
    }
    builder_putf(&out, "%lld", (long long)sum.low);
    if (sum.high != sum.low)
        builder_putf(&out, "..%lld", (long long)sum.high);
    for (size_t i = 0, count = 0; i < LIST_ZONES_MAX; i++)
        if (sum.hits[i / 64] >> i % 64 & 1)
            builder_putf(&out, "%s %s", count++ > 0 ? "" : " of",
                         rules_list_zone_name(kit_set(kit)->list, i));
    if (sum.text.len > 0)
        builder_putf(&out, ", %.*s", (int)sum.text.len, sum.text.ptr);
    rules_list_answers_free(&answers);
    said[out.len] = '\0';
    return said;
}

uint64_t kit_count(struct list_kit *kit, const char *counter)
{
    size_t len = strlen(counter), number = 0;
    for (const char *at = kit->instance.counters; *at != '\0'; number++) {
        size_t line = strcspn(at, "\n");
        if (line == len && memcmp(at, counter, len) == 0)
            return kit->tallies[number];
        at += line + (at[line] == '\n');
    }
    return UINT64_MAX;
}

enum list_answer kit_has(struct list_kit *kit, const char *text, const char **out_error)
{
    unsigned char ip[16];
    return kit_has_text(kit, value_of(kit, text, ip), out_error);
}
