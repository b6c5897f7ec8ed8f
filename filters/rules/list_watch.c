/* list_watch.c - files of lists are read anew when they change.
 *
 * Their directories are watched, because editors and tools put a new file in the old one's place.
 * After the last of a burst of events the file is read and indexed on a pool thread; the loop then
 * exchanges the contents, and since all look-ups run on the loop, the old one can go at once. What
 * cannot be read or has a bad entry changes nothing but the log.
 *
 *     event --> dirty --200 ms of silence--> job --> reloaded | kept | once more
 *
 * A file without a line end at its end may be half written: it gets a second to become complete.
 * Directories are also looked at now and then by stat(2), for what inotify does not see: links into
 * other directories, file systems of other machines, watches that were not to be had. */
#include "list_priv.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    DEBOUNCE_MS = 200,
    DEBOUNCE_MAX_MS = 2000, /* a file that never comes to rest */
    UNENDED_ROUNDS = 5,
    POLL_MS = 60000,
    POLL_ALONE_MS = 10000, /* without inotify */
    STALE_MS = 3600000,
    EVENTS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ONLYDIR
};

struct list_job {
    struct list_watched *watched; /* NULL: the rules have gone meanwhile */
    const struct mw_lang *lang;
    struct list_source source; /* a copy */
    struct list_stamp stamp;
    struct list_content *content;
    struct list_problems problems;
};

struct list_watched {
    struct list *list;
    const char *name; /* inside its directory */
    int watch;        /* inotify's; -1: none */
    bool is_dirty;
    unsigned rounds; /* read and found unended so far */
    struct list_job *job;
    struct list_stamp seen;    /* of the last attempt */
    uint64_t failing_since_ms; /* 0: what is in force is what the file has */
    uint64_t stale_noted_ms;
    struct list_watched *next;
};

struct list_life {
    struct rules *rules;
    int inotify;  /* -1: none */
    bool has_gap; /* some directory is not watched */
    struct mw_watch *watch;
    struct mw_alarm *debounce, *poll;
    uint64_t dirty_since_ms;
    struct list_watched *files;
};

static void on_debounce(void *user);
static void on_poll(void *user);

struct list_stamp rules_list_stamp(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return (struct list_stamp){.inode = 0};
    return (struct list_stamp){.device = status.st_dev,
                               .inode = status.st_ino,
                               .size = (uint64_t)status.st_size,
                               .changed_s = status.st_mtim.tv_sec,
                               .changed_ns = status.st_mtim.tv_nsec};
}

static bool is_same(const struct list_stamp *a, const struct list_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed_s == b->changed_s && a->changed_ns == b->changed_ns;
}

static uint64_t now_ms(const struct list_life *life)
{
    return life->rules->host->clock_ms(life->rules->instance);
}

/* ---- what has changed ---- */

static void restart(struct list_life *life, struct mw_alarm **alarm, uint64_t delay_ms,
                    void (*fn)(void *user))
{
    const struct mw_host *host = life->rules->host;
    if (*alarm != NULL)
        host->alarm_cancel(*alarm);
    *alarm = host->alarm(life->rules->instance, delay_ms, fn, life);
}

static void touch(struct list_life *life, struct list_watched *file)
{
    uint64_t now = now_ms(life);
    file->is_dirty = true;
    if (life->debounce == NULL)
        life->dirty_since_ms = now;
    if (life->debounce == NULL || now - life->dirty_since_ms < DEBOUNCE_MAX_MS)
        restart(life, &life->debounce, DEBOUNCE_MS, on_debounce);
}

static void take_event(struct list_life *life, const struct inotify_event *event)
{
    bool is_lost = event->mask & IN_Q_OVERFLOW;
    bool is_ended = event->mask & IN_IGNORED; /* the directory has gone */
    life->has_gap = life->has_gap || is_ended;
    for (struct list_watched *file = life->files; file != NULL; file = file->next) {
        bool is_here = file->watch == event->wd;
        if (is_here && is_ended)
            file->watch = -1;
        if (is_lost || (is_here && (event->len == 0 || strcmp(event->name, file->name) == 0)))
            touch(life, file);
    }
}

static void on_events(void *user, uint32_t events)
{
    struct list_life *life = user;
    char octets[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    (void)events;
    ssize_t len = read(life->inotify, octets, sizeof octets);
    for (ssize_t at = 0; at < len;) { /* more: the watch fires again */
        const struct inotify_event *event = (const void *)(octets + at);
        take_event(life, event);
        at += (ssize_t)(sizeof *event + event->len);
    }
}

static void tell_stale(const struct list_life *life, struct list_watched *file)
{
    char minutes[24];
    uint64_t now = now_ms(life);
    if (file->failing_since_ms == 0 || now - file->failing_since_ms < STALE_MS ||
        (file->stale_noted_ms != 0 && now - file->stale_noted_ms < STALE_MS))
        return;
    file->stale_noted_ms = now;
    snprintf(minutes, sizeof minutes, "%llu",
             (unsigned long long)(now - file->failing_since_ms) / 60000);
    rules_list_note(file->list, MW_LOG_WARNING, "list-stale", "minutes", slice_of(minutes));
}

static int add_watch(const struct list_life *life, const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path) + (slash == path);
    if (life->inotify < 0 || len >= sizeof directory)
        return -1;
    memcpy(directory, path, len);
    directory[len] = '\0';
    return inotify_add_watch(life->inotify, len > 0 ? directory : ".", EVENTS);
}

static void on_poll(void *user)
{
    struct list_life *life = user;
    life->poll = NULL;
    for (struct list_watched *file = life->files; file != NULL; file = file->next) {
        struct list_stamp now = rules_list_stamp(file->list->source.path);
        if (file->watch < 0) /* the directory may be there again */
            file->watch = add_watch(life, file->list->source.path);
        if (!is_same(&now, &file->seen) && file->job == NULL)
            touch(life, file);
        tell_stale(life, file);
    }
    restart(life, &life->poll, life->has_gap ? POLL_ALONE_MS : POLL_MS, on_poll);
}

/* ---- reading anew ---- */

static void tell_kept(struct list_life *life, struct list_watched *file, struct mw_slice why)
{
    if (file->failing_since_ms == 0)
        file->failing_since_ms = now_ms(life);
    list_tally(file->list, file->list->failures_counter);
    rules_list_note(file->list, MW_LOG_WARNING, "list-kept", "reason", why);
}

static void tell_reloaded(struct list_watched *file, size_t entries)
{
    char text[24];
    file->failing_since_ms = file->stale_noted_ms = 0;
    snprintf(text, sizeof text, "%zu", entries);
    list_tally(file->list, file->list->reloads_counter);
    rules_list_note(file->list, MW_LOG_INFO, "list-reloaded", "entries",
                    entries > 0 ? slice_of(text) : EMPTY);
}

static void tell_problem(struct list_life *life, struct list_watched *file,
                         const struct list_problems *problems)
{
    char text[400], line[600];
    const struct list_problem *first = &problems->at[0];
    if (problems->unreadable != NULL) {
        snprintf(line, sizeof line, "%s: %s", file->list->source.path, problems->unreadable);
    } else {
        rules_list_problem_text(file->list, first, "a field of its rules", text);
        snprintf(line, sizeof line, "%s:%u:%u: %s", file->list->source.path, first->line,
                 first->column, text);
    }
    tell_kept(life, file, slice_of(line));
}

static void free_job(struct list_job *job)
{
    rules_list_content_free(&job->content);
    free(job->source.path);
    free(job->source.words);
    free(job);
}

/* On a pool thread. */
static void run_job(void *user)
{
    struct list_job *job = user;
    job->stamp = rules_list_stamp(job->source.path);
    job->content = rules_list_content_read(job->lang, &job->source, &job->problems);
    if (job->content != NULL)
        rules_list_content_trim(job->content, job->source.set_kinds);
}

/* Is it worth another look, because it changed while it was read or is not complete? */
static bool wants_more(struct list_watched *file, const struct list_job *job)
{
    struct list_stamp now = rules_list_stamp(job->source.path);
    if (file->is_dirty)
        return true;
    if (!is_same(&now, &job->stamp))
        return true;
    if (job->problems.is_unended && file->rounds < UNENDED_ROUNDS) {
        file->rounds++;
        return true;
    }
    file->rounds = 0;
    return false;
}

static void end_job(void *user)
{
    struct list_job *job = user;
    struct list_watched *file = job->watched;
    if (file == NULL) {
        free_job(job);
        return;
    }
    struct list *list = file->list;
    file->job = NULL;
    file->seen = job->stamp;
    if (wants_more(file, job)) {
        touch(list->life, file);
    } else if (job->content == NULL) {
        tell_problem(list->life, file, &job->problems);
    } else {
        size_t entries = job->content->entry_count;
        rules_list_content_free(&list->content);
        list->content = job->content;
        job->content = NULL;
        tell_reloaded(file, entries);
    }
    free_job(job);
}

static bool start_job(struct list_life *life, struct list_watched *file)
{
    const struct list_source *source = &file->list->source;
    struct list_job *job = calloc(1, sizeof *job);
    if (job == NULL)
        abort(); /* out of memory: as everywhere, the worker ends */
    job->watched = file;
    job->lang = life->rules->lang;
    job->source = *source;
    job->source.path = strdup(source->path);
    job->source.words = source->words != NULL ? strdup(source->words) : NULL;
    if (job->source.path == NULL || (source->words != NULL && job->source.words == NULL))
        abort();
    file->job = job;
    if (life->rules->host->job(life->rules->instance, run_job, end_job, job))
        return true;
    file->job = NULL;
    free_job(job);
    return false;
}

static void reopen_lmdb(struct list_life *life, struct list_watched *file)
{
    const char *error = NULL;
    struct list *list = file->list;
    struct list_stamp now = rules_list_stamp(list->source.path);
    bool is_other = now.inode != list->stamp.inode || now.device != list->stamp.device;
    file->seen = now;
    if (!is_other) { /* written in place: each look-up sees the newest commit */
        file->failing_since_ms = 0;
        return;
    }
    struct lmdb_file *opened = rules_lmdb_open(list->source.path, &error);
    if (opened == NULL) {
        tell_kept(life, file, slice_of(error));
        return;
    }
    rules_lmdb_close(&list->lmdb);
    list->lmdb = opened;
    list->stamp = now;
    tell_reloaded(file, 0);
}

static void begin(struct list_life *life, struct list_watched *file)
{
    file->is_dirty = false;
    if (file->list->kind == LIST_LMDB) {
        reopen_lmdb(life, file);
    } else if (file->list->kind == LIST_REGEX) {
        file->seen = rules_list_stamp(file->list->source.path);
        rules_list_note(file->list, MW_LOG_INFO, "list-kept", "reason",
                        LIT("patterns are read when the rules are loaded anew"));
    } else if (!start_job(life, file)) {
        touch(life, file); /* the pool is busy */
    }
}

static void on_debounce(void *user)
{
    struct list_life *life = user;
    life->debounce = NULL;
    for (struct list_watched *file = life->files; file != NULL; file = file->next)
        if (file->is_dirty && file->job == NULL)
            begin(life, file);
}

/* ---- life ---- */

static void watch_file(struct list_life *life, struct list *list)
{
    struct list_watched *file = rules_keep(life->rules, sizeof *file);
    const char *slash = strrchr(list->source.path, '/');
    file->list = list;
    file->name = slash == NULL ? list->source.path : slash + 1;
    file->seen = list->stamp;
    file->watch = add_watch(life, list->source.path);
    life->has_gap = life->has_gap || file->watch < 0;
    file->next = life->files;
    life->files = file;
    list->watched = file;
    struct list_stamp now = rules_list_stamp(list->source.path);
    if (!is_same(&now, &file->seen)) /* since the rules were loaded */
        touch(life, file);
}

void rules_list_watch_start(struct rules *rules)
{
    const struct mw_host *host = rules->host;
    if (rules->lists == NULL || rules->lists->life != NULL || host->alarm == NULL ||
        host->clock_ms == NULL)
        return;
    struct list_life *life = rules_keep(rules, sizeof *life);
    life->rules = rules;
    life->inotify = host->watch != NULL ? inotify_init1(IN_NONBLOCK | IN_CLOEXEC) : -1;
    if (life->inotify >= 0)
        life->watch = host->watch(rules->instance, life->inotify, MW_WATCH_READ, on_events, life);
    life->has_gap = life->watch == NULL;
    for (struct list *list = rules->lists; list != NULL; list = list->next) {
        list->life = life;
        if (list->source.path != NULL && list->is_used && host->job != NULL)
            watch_file(life, list);
    }
    if (life->files != NULL)
        restart(life, &life->poll, life->has_gap ? POLL_ALONE_MS : POLL_MS, on_poll);
}

void rules_list_watch_stop(struct rules *rules)
{
    struct list_life *life = rules->lists != NULL ? rules->lists->life : NULL;
    if (life == NULL)
        return;
    if (life->watch != NULL)
        rules->host->watch_end(life->watch);
    if (life->inotify >= 0)
        close(life->inotify);
    if (life->debounce != NULL)
        rules->host->alarm_cancel(life->debounce);
    if (life->poll != NULL)
        rules->host->alarm_cancel(life->poll);
    for (struct list_watched *file = life->files; file != NULL; file = file->next)
        if (file->job != NULL)
            file->job->watched = NULL; /* its end frees it */
    *life = (struct list_life){.rules = rules, .inotify = -1};
}
