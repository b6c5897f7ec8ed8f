/* certificates.c - one watch a directory, one second of quiet, then a look at every side of TLS.
 *
 *   event in a directory --> soon (SETTLE_MS) --> look: each side refreshed
 *                                 ^                 renewed: told
 *   every LOOK_MS ----------------+---------------> failed:  once more after SETTLE_MS, then told
 *
 * A watch is on a directory and not on the file, because renewing means a rename in most tools, and
 * a watched file would be the old one. The timer is not started anew by further events: a busy
 * directory must not put the look off for ever. */
#include "ops/certificates.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/list.h"

enum {
    SETTLE_MS = 1000,
    LOOK_MS = 60 * 1000,
    WARN_S = 24 * 3600,
    DAY_S = 24 * 3600,
    TEXT_MAX = 1024,
};

/* What a file is known by. */
struct stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct side {
    const struct mw_config_tls *tls;
    struct stamp *stamps;   /* one a file */
    char pending[TEXT_MAX]; /* a failure that the next look may still mend; empty: none */
};

struct watch {
    struct mw_link watches;
    struct mw_certificates *owner;
    uv_fs_event_t handle;
    char *directory;
};

struct mw_certificates {
    uv_loop_t *loop;
    struct mw_log *log;
    struct mw_tls_tickets *tickets;
    struct mw_link watches;
    struct side *sides;
    size_t side_count;
    uv_timer_t soon, look, rotate;
    int64_t warned_at;
    size_t open_handles; /* timers and watches that are not closed yet */
    bool is_closing;
};

/* ---- what is told ---- */

static const char *expiry_date(const struct mw_config_tls *tls, char date[MW_DATE_TEXT_MAX])
{
    int64_t expiry = mw_config_tls_expiry(tls);
    if (expiry == INT64_MAX)
        return NULL;
    mw_config_date(expiry, date);
    return date;
}

static void warn_of_expiry(struct mw_certificates *certificates, const struct mw_config_tls *tls)
{
    char date[MW_DATE_TEXT_MAX];
    int64_t expiry = mw_config_tls_expiry(tls), left = expiry - (int64_t)time(NULL);
    if (left > MW_CERTIFICATE_WARNING_S)
        return;
    mw_config_date(expiry, date);
    MW_LOG(certificates->log, MW_EMPTY, MW_EV_CERTIFICATE_EXPIRES, mw_text(tls->kind, tls->name),
           mw_cstr("expires", date), mw_uint("days", left < 0 ? 0 : (uint64_t)left / DAY_S),
           mw_cstr("text", left < 0 ? "a certificate has expired: clients that verify refuse it"
                                    : "a certificate expires soon: renew it"));
}

static void warn_of_all(struct mw_certificates *certificates)
{
    certificates->warned_at = (int64_t)time(NULL);
    for (size_t i = 0; i < certificates->side_count; i++)
        warn_of_expiry(certificates, certificates->sides[i].tls);
}

static void tell_failure(struct mw_certificates *certificates, struct side *side)
{
    char date[MW_DATE_TEXT_MAX];
    MW_LOG(certificates->log, MW_EMPTY, MW_EV_CERTIFICATE_FAILED,
           mw_text(side->tls->kind, side->tls->name),
           mw_cstr("expires", expiry_date(side->tls, date)), mw_cstr("text", side->pending));
    side->pending[0] = '\0';
}

/* ---- files ---- */

static struct stamp stamp_of(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return (struct stamp){0};
    return (struct stamp){status.st_dev, status.st_ino, status.st_size, status.st_mtim};
}

static bool is_same_stamp(const struct stamp *a, const struct stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* The first file that is another one than at the last call; NULL: none. */
static const char *changed_file(struct side *side)
{
    const char *changed = NULL;
    for (size_t i = 0; side->tls->files[i] != NULL; i++) {
        struct stamp now = stamp_of(side->tls->files[i]);
        if (changed == NULL && !is_same_stamp(&now, &side->stamps[i]))
            changed = side->tls->files[i];
        side->stamps[i] = now;
    }
    return changed;
}

/* Read as root at the start; read as `user` when it is renewed. */
static void check_readable(struct mw_certificates *certificates, const struct mw_config_tls *tls)
{
    for (size_t i = 0; tls->files[i] != NULL; i++)
        if (access(tls->files[i], R_OK) != 0 && errno == EACCES)
            MW_LOG(certificates->log, MW_EMPTY, MW_EV_PROBLEM,
                   mw_cstr("text", "this file was read by root, and cannot be read again when it "
                                   "changes: give the account of 'user' the right to read it"),
                   mw_text(tls->kind, tls->name), mw_cstr("file", tls->files[i]));
}

/* ---- looking ---- */

static enum mw_tls_refresh refresh(const struct mw_config_tls *tls, char *out_text, size_t size)
{
    return tls->server != NULL ? mw_tls_server_refresh(tls->server, out_text, size)
                               : mw_tls_client_refresh(tls->client, out_text, size);
}

static void tell_renewed(struct mw_certificates *certificates, struct side *side)
{
    char date[MW_DATE_TEXT_MAX];
    side->pending[0] = '\0';
    MW_LOG(certificates->log, MW_EMPTY, MW_EV_CERTIFICATE,
           mw_text(side->tls->kind, side->tls->name), mw_cstr("file", changed_file(side)),
           mw_cstr("expires", expiry_date(side->tls, date)));
    warn_of_expiry(certificates, side->tls);
}

/* True if another look should follow soon. */
static bool look_at(struct mw_certificates *certificates, struct side *side)
{
    char text[TEXT_MAX] = "";
    bool was_pending = side->pending[0] != '\0';
    switch (refresh(side->tls, text, sizeof text)) {
    case MW_TLS_RENEWED:
        tell_renewed(certificates, side);
        return false;
    case MW_TLS_FAILED:
        snprintf(side->pending, sizeof side->pending, "%s", text[0] == '\0' ? "no reason" : text);
        if (was_pending) /* and still: whatever comes next will be told by itself */
            tell_failure(certificates, side);
        return !was_pending;
    case MW_TLS_UNCHANGED:
        if (was_pending)
            tell_failure(certificates, side);
        break;
    }
    return false;
}

static void on_soon(uv_timer_t *timer);

static void look_soon(struct mw_certificates *certificates)
{
    if (!uv_is_active((uv_handle_t *)&certificates->soon))
        uv_timer_start(&certificates->soon, on_soon, SETTLE_MS, 0);
}

static void look_at_all(struct mw_certificates *certificates)
{
    bool is_unsettled = false;
    for (size_t i = 0; i < certificates->side_count; i++)
        is_unsettled = look_at(certificates, &certificates->sides[i]) || is_unsettled;
    if (is_unsettled)
        look_soon(certificates);
}

static void on_soon(uv_timer_t *timer)
{
    look_at_all(mw_container_of(timer, struct mw_certificates, soon));
}

static void on_rotate(uv_timer_t *timer)
{
    mw_tls_tickets_rotate(mw_container_of(timer, struct mw_certificates, rotate)->tickets);
}

/* ---- watches ---- */

static void on_event(uv_fs_event_t *handle, const char *name, int events, int status)
{
    (void)name, (void)events, (void)status;
    look_soon(mw_container_of(handle, struct watch, handle)->owner);
}

static void handle_closed(struct mw_certificates *certificates)
{
    if (--certificates->open_handles == 0 && certificates->is_closing)
        free(certificates);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = mw_container_of((uv_fs_event_t *)handle, struct watch, handle);
    struct mw_certificates *owner = watch->owner;
    free(watch->directory);
    free(watch);
    handle_closed(owner);
}

static void close_watches(struct mw_certificates *certificates)
{
    mw_list_for_each (link, &certificates->watches) {
        struct watch *watch = mw_container_of(link, struct watch, watches);
        mw_list_remove(link);
        uv_close((uv_handle_t *)&watch->handle, on_watch_closed);
    }
}

static bool is_watched(const struct mw_certificates *certificates, struct mw_slice directory)
{
    mw_list_for_each (link, &certificates->watches)
        if (mw_slice_eq(mw_slice_cstr(mw_container_of(link, struct watch, watches)->directory),
                        directory))
            return true;
    return false;
}

/* The directory of a file, to be watched. Where that is not possible, the minute's look remains. */
static void watch_directory(struct mw_certificates *certificates, const char *file)
{
    struct mw_slice path = mw_slice_cstr(file);
    ptrdiff_t slash = mw_slice_rfind(path, '/');
    path = slash < 0 ? MW_LIT(".") : mw_slice_take(path, slash == 0 ? 1 : (size_t)slash);
    if (is_watched(certificates, path))
        return;
    struct watch *watch = mw_xcalloc(1, sizeof *watch);
    watch->owner = certificates;
    watch->directory = mw_xcalloc(1, path.len + 1);
    memcpy(watch->directory, path.ptr, path.len);
    uv_fs_event_init(certificates->loop, &watch->handle);
    mw_list_append(&certificates->watches, &watch->watches);
    certificates->open_handles++;
    int error = uv_fs_event_start(&watch->handle, on_event, watch->directory, 0);
    if (error != 0)
        MW_LOG(certificates->log, MW_EMPTY, MW_EV_PROBLEM,
               mw_cstr("text", "changes in this directory are not told to us: its certificates are "
                               "looked at once a minute"),
               mw_cstr("file", watch->directory), mw_cstr("error", uv_strerror(error)));
}

/* A directory may have been exchanged for another of the same name. */
static void renew_watches(struct mw_certificates *certificates)
{
    mw_list_for_each (link, &certificates->watches) {
        struct watch *watch = mw_container_of(link, struct watch, watches);
        uv_fs_event_stop(&watch->handle);
        (void)uv_fs_event_start(&watch->handle, on_event, watch->directory, 0);
    }
}

static void on_look(uv_timer_t *timer)
{
    struct mw_certificates *certificates = mw_container_of(timer, struct mw_certificates, look);
    renew_watches(certificates);
    look_at_all(certificates);
    if ((int64_t)time(NULL) - certificates->warned_at >= WARN_S)
        warn_of_all(certificates);
}

/* ---- life ---- */

struct mw_certificates *mw_certificates_new(uv_loop_t *loop, struct mw_log *log,
                                            struct mw_tls_tickets *tickets)
{
    struct mw_certificates *certificates = mw_xcalloc(1, sizeof *certificates);
    certificates->loop = loop;
    certificates->log = log;
    certificates->tickets = tickets;
    mw_list_init(&certificates->watches);
    uv_timer_init(loop, &certificates->soon);
    uv_timer_init(loop, &certificates->look);
    uv_timer_init(loop, &certificates->rotate);
    certificates->open_handles = 3;
    uv_timer_start(&certificates->look, on_look, LOOK_MS, LOOK_MS);
    uv_timer_start(&certificates->rotate, on_rotate, MW_TLS_TICKET_ROTATION_S * UINT64_C(1000),
                   MW_TLS_TICKET_ROTATION_S * UINT64_C(1000));
    return certificates;
}

static void forget_sides(struct mw_certificates *certificates)
{
    for (size_t i = 0; i < certificates->side_count; i++)
        free(certificates->sides[i].stamps);
    free(certificates->sides);
    certificates->sides = NULL;
    certificates->side_count = 0;
}

static void add_side(struct mw_certificates *certificates, const struct mw_config_tls *tls)
{
    struct side *side = &certificates->sides[certificates->side_count++];
    size_t count = 0;
    side->tls = tls;
    while (tls->files[count] != NULL)
        watch_directory(certificates, tls->files[count++]);
    side->stamps = mw_xcalloc(count + 1, sizeof *side->stamps);
    (void)changed_file(side);
    check_readable(certificates, tls);
}

void mw_certificates_watch(struct mw_certificates *certificates, const struct mw_snapshot *snapshot)
{
    size_t count = mw_config_tls_count(snapshot);
    forget_sides(certificates);
    close_watches(certificates);
    certificates->sides = mw_xcalloc(count + 1, sizeof *certificates->sides);
    for (size_t i = 0; i < count; i++)
        add_side(certificates, mw_config_tls(snapshot, i));
    warn_of_all(certificates);
    look_soon(certificates); /* what changed between the load and the watch */
}

static void on_timer_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

void mw_certificates_close(struct mw_certificates **certificates)
{
    struct mw_certificates *old = *certificates;
    if (old == NULL)
        return;
    *certificates = NULL;
    old->is_closing = true;
    forget_sides(old);
    close_watches(old);
    uv_timer_t *const timers[] = {&old->soon, &old->look, &old->rotate};
    for (size_t i = 0; i < sizeof timers / sizeof *timers; i++) {
        timers[i]->data = old;
        uv_close((uv_handle_t *)timers[i], on_timer_closed);
    }
}
