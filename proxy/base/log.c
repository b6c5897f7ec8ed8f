/* log.c - where log lines go: a buffer that is written once per loop turn to a sink that never
 * makes us wait.
 *
 * Streams (stderr, a file) are written as they lie in the buffer; to a pipe in pieces of whole
 * lines up to PIPE_BUF, so that lines of several processes on one pipe do not mix. Datagram sinks
 * get one datagram a line; a socket that has gone away is connected anew, at most once per flush.
 * What the sink does not take stays in the buffer; what the buffer does not take is counted.
 *
 * stderr is shared with whoever started us, so O_NONBLOCK is never set on it: a pipe or terminal is
 * opened once more, a socket is written with MSG_DONTWAIT, and where neither works poll() is asked
 * before each write. SIGPIPE is ignored by the process.
 *
 * Not here: how a line looks (log_line.c). */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/log_line.h"

enum {
    BUFFER_MAX = 65536,
    MEMORY_MAX = 4 << 20, /* of a log kept in memory */
    FACILITY_MAIL = 2 << 3,
    PREFIX_MAX = 64,
    STAMP_LEN = 24, /* 2026-11-22T01:02:03.456Z */
};

/* How octets leave. */
enum way {
    WAY_MEMORY = 0,
    WAY_WRITE,    /* cannot block: a regular file, or a descriptor of our own with O_NONBLOCK */
    WAY_POLL,     /* might block: ask first, write little */
    WAY_SEND,     /* a stream socket */
    WAY_DATAGRAM, /* a line each */
};

struct mw_log {
    enum way way;
    enum mw_log_sink sink;
    enum mw_log_format format;
    enum mw_log_level level;
    bool has_stamp;    /* logfmt lines begin with the time */
    bool has_priority; /* lines begin with "<N>": journald reads it from stderr, syslog needs it */
    bool is_mid_line;  /* what was written ends within a line */
    bool is_torn; /* and the rest of that line was dropped: the next one has to begin with LF */
    int fd;
    char *path;
    struct mw_buf lines;
    uint64_t dropped, dropped_unsaid;
    time_t stamp_second; /* that `stamp` shows */
    char stamp[STAMP_LEN + 1];
    char tag[PREFIX_MAX]; /* "mailweir[123]: " for syslog */
};

static const struct {
    struct mw_slice word;
    enum mw_log_level level;
} events[] = {
#define MW_EVENT(name, text, event_level, help) {{text, sizeof text - 1}, MW_LOG_##event_level},
#include "base/events.def"
#undef MW_EVENT
};

/* ---- opening ---- */

/* stderr is the journal's socket: $JOURNAL_STREAM names it (systemd.exec(5)), and may be inherited
 * past a redirection. */
static bool is_journal(const struct stat *facts)
{
    struct mw_slice stream = mw_slice_cstr(getenv("JOURNAL_STREAM")), device, inode;
    uint64_t device_number, inode_number;
    return mw_slice_split(stream, ':', &device, &inode) &&
           mw_slice_to_u64(device, UINT64_MAX, &device_number) == MW_OK &&
           mw_slice_to_u64(inode, UINT64_MAX, &inode_number) == MW_OK &&
           device_number == facts->st_dev && inode_number == facts->st_ino;
}

static enum mw_err open_stderr(struct mw_log *log)
{
    struct stat facts;
    if (fstat(STDERR_FILENO, &facts) != 0)
        return MW_ERR_IO;
    bool is_in_journal = is_journal(&facts);
    log->has_stamp = !is_in_journal;
    log->has_priority = is_in_journal;
    if (S_ISFIFO(facts.st_mode) || S_ISCHR(facts.st_mode)) {
        log->fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        log->way = WAY_WRITE;
        if (log->fd >= 0)
            return MW_OK;
    }
    log->fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    log->way = S_ISSOCK(facts.st_mode) ? WAY_SEND : S_ISREG(facts.st_mode) ? WAY_WRITE : WAY_POLL;
    return log->fd < 0 ? MW_ERR_IO : MW_OK;
}

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0640);
}

static int connect_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, len);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

static enum mw_err open_socket(struct mw_log *log)
{
    struct mw_buf tag = MW_BUF_INIT(sizeof log->tag - 1);
    mw_buf_putf(&tag, "mailweir[%ld]: ", (long)getpid());
    memcpy(log->tag, tag.ptr, tag.len);
    mw_buf_fini(&tag);
    log->way = WAY_DATAGRAM;
    log->has_priority = true;
    log->fd = connect_socket(log->path);
    return log->fd < 0 ? MW_ERR_IO : MW_OK;
}

static enum mw_err open_sink(struct mw_log *log)
{
    switch (log->sink) {
    case MW_LOG_STDERR:
        return open_stderr(log);
    case MW_LOG_FILE:
        log->way = WAY_WRITE;
        log->has_stamp = true;
        log->fd = log->path == NULL ? -1 : open_file(log->path);
        return log->fd < 0 ? MW_ERR_IO : MW_OK;
    case MW_LOG_SYSLOG:
    case MW_LOG_JOURNALD:
        break;
    }
    return open_socket(log);
}

static const char *path_of(const struct mw_log_config *config)
{
    if (config->path != NULL && config->path[0] != '\0')
        return config->path;
    return config->sink == MW_LOG_SYSLOG     ? "/dev/log"
           : config->sink == MW_LOG_JOURNALD ? "/run/systemd/journal/dev-log"
                                             : NULL;
}

enum mw_err mw_log_open(const struct mw_log_config *config, struct mw_log **out_log,
                        const char **out_error)
{
    const char *path = path_of(config);
    struct mw_log *log = mw_xcalloc(1, sizeof *log);
    log->sink = config->sink;
    log->format = config->format;
    log->level = config->level;
    log->path = path == NULL ? NULL : mw_xstrdup(path);
    log->fd = -1;
    log->stamp_second = -1;
    errno = ENOENT;
    if (open_sink(log) != MW_OK) {
        *out_error = strerror(errno);
        mw_log_close(&log);
        return MW_ERR_IO;
    }
    *out_log = log;
    return MW_OK;
}

struct mw_log *mw_log_memory(enum mw_log_level level)
{
    struct mw_log *log = mw_xcalloc(1, sizeof *log);
    log->level = level;
    log->fd = -1;
    return log;
}

struct mw_slice mw_log_memory_view(const struct mw_log *log)
{
    return mw_buf_view(&log->lines);
}

void mw_log_close(struct mw_log **log_at)
{
    struct mw_log *log = *log_at;
    if (log == NULL)
        return;
    if (log->fd >= 0) {
        mw_log_flush(log);
        close(log->fd);
    }
    mw_buf_fini(&log->lines);
    free(log->path);
    free(log);
    *log_at = NULL;
}

void mw_log_reopen(struct mw_log *log)
{
    if (log->sink != MW_LOG_FILE || log->way == WAY_MEMORY)
        return;
    mw_log_flush(log); /* lines that do not fit on a full disk may fit in the new file */
    int fd = open_file(log->path);
    if (fd < 0) {
        MW_LOG(log, MW_EMPTY, MW_EV_PROBLEM, mw_cstr("doing", "opening the log file anew"),
               mw_cstr("path", log->path), mw_cstr("text", strerror(errno)));
        return;
    }
    close(log->fd);
    log->fd = fd;
    log->is_mid_line = log->is_torn = false;
}

/* ---- adding ---- */

static void set_digits(char *at, unsigned long number, int count)
{
    while (count > 0) {
        at[--count] = (char)('0' + number % 10);
        number /= 10;
    }
}

/* RFC 3339, UTC, milliseconds. The date changes once a second only. */
static struct mw_slice stamp_now(struct mw_log *log)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != log->stamp_second) {
        struct tm tm;
        gmtime_r(&now.tv_sec, &tm);
        memcpy(log->stamp, "0000-00-00T00:00:00.000Z", STAMP_LEN);
        set_digits(log->stamp, (unsigned long)tm.tm_year + 1900, 4);
        set_digits(log->stamp + 5, (unsigned long)tm.tm_mon + 1, 2);
        set_digits(log->stamp + 8, (unsigned long)tm.tm_mday, 2);
        set_digits(log->stamp + 11, (unsigned long)tm.tm_hour, 2);
        set_digits(log->stamp + 14, (unsigned long)tm.tm_min, 2);
        set_digits(log->stamp + 17, (unsigned long)tm.tm_sec, 2);
        log->stamp_second = now.tv_sec;
    }
    set_digits(log->stamp + 20, (unsigned long)now.tv_nsec / 1000000, 3);
    return MW_SLICE(log->stamp, STAMP_LEN);
}

/* What stands in front for the sink. `out` has PREFIX_MAX octets. */
static struct mw_slice prefix_of(const struct mw_log *log, enum mw_log_level level, char *out)
{
    static const unsigned char severities[] = {7, 6, 4, 3}; /* syslog(3) */
    unsigned severity = severities[level <= MW_LOG_ERROR ? level : MW_LOG_ERROR];
    size_t len = 0;
    if (log->way != WAY_DATAGRAM) {
        if (!log->has_priority || level == MW_LOG_INFO) /* info is what journald takes it for */
            return MW_EMPTY;
        out[len++] = '<';
        out[len++] = (char)('0' + severity);
        out[len++] = '>';
        return MW_SLICE(out, len);
    }
    out[len++] = '<';
    set_digits(out + len, FACILITY_MAIL + severity, 2); /* 19 to 23 */
    len += 2;
    out[len++] = '>';
    size_t tag_len = strlen(log->tag);
    memcpy(out + len, log->tag, tag_len);
    return MW_SLICE(out, len + tag_len);
}

/* Print one line behind the others; false (and nothing has happened) if the buffer is full. */
static bool add_line(struct mw_log *log, enum mw_log_level level, struct mw_slice event,
                     struct mw_slice id, const struct mw_log_field *fields, size_t count)
{
    char prefix[PREFIX_MAX + 8];
    struct mw_log_head head = {
        .format = log->format,
        .prefix = prefix_of(log, level, prefix),
        .time = log->has_stamp || log->format == MW_LOG_JSON ? stamp_now(log) : MW_EMPTY,
        .level = level,
        .id = id,
        .event = event,
    };
    char *at = mw_buf_reserve(&log->lines, MW_LOG_LINE_MAX + 1);
    size_t torn = log->is_torn;
    at[0] = '\n';
    size_t len = torn + mw_log_line_print(at + torn, &head, fields, count);
    size_t max = log->way == WAY_MEMORY ? MEMORY_MAX : BUFFER_MAX;
    if (log->lines.len + len > max)
        return false;
    log->lines.len += len;
    log->is_torn = false;
    return true;
}

bool mw_log_wants(const struct mw_log *log, enum mw_log_level level)
{
    return log != NULL && level >= log->level;
}

void mw_log_named(struct mw_log *log, enum mw_log_level level, struct mw_slice event,
                  struct mw_slice id, const struct mw_log_field *fields, size_t count)
{
    if (!mw_log_wants(log, level) || add_line(log, level, event, id, fields, count))
        return;
    mw_log_flush(log);
    if (add_line(log, level, event, id, fields, count))
        return;
    log->dropped++;
    log->dropped_unsaid++;
}

void mw_log_event(struct mw_log *log, enum mw_event_id event, struct mw_slice id,
                  const struct mw_log_field *fields, size_t count)
{
    mw_assert(event < MW_EV_COUNT);
    if (mw_log_wants(log, events[event].level))
        mw_log_named(log, events[event].level, events[event].word, id, fields, count);
}

uint64_t mw_log_dropped(const struct mw_log *log)
{
    return log->dropped;
}

/* ---- writing ---- */

/* The sink will not take what is in the buffer, now or later. */
static void drop_all(struct mw_log *log)
{
    struct mw_slice rest = mw_buf_view(&log->lines), line;
    while (mw_slice_split(rest, '\n', &line, &rest)) {
        log->dropped++;
        log->dropped_unsaid++;
    }
    log->lines.len = 0;
    log->is_torn = log->is_mid_line;
}

/* What to hand to one write(). */
static struct mw_slice stream_piece(const struct mw_log *log)
{
    struct mw_slice all = mw_buf_view(&log->lines);
    if (all.len <= PIPE_BUF)
        return all;
    ptrdiff_t end = mw_slice_rfind(mw_slice_take(all, PIPE_BUF), '\n');
    return mw_slice_take(all, end < 0 ? PIPE_BUF : (size_t)end + 1);
}

static ptrdiff_t write_piece(const struct mw_log *log, struct mw_slice piece)
{
    if (log->way == WAY_SEND)
        return send(log->fd, piece.ptr, piece.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    struct pollfd writable = {.fd = log->fd, .events = POLLOUT};
    if (log->way == WAY_POLL && poll(&writable, 1, 0) != 1) {
        errno = EAGAIN;
        return -1;
    }
    return write(log->fd, piece.ptr, piece.len);
}

static void flush_stream(struct mw_log *log)
{
    while (log->lines.len > 0) {
        struct mw_slice piece = stream_piece(log);
        ptrdiff_t result = write_piece(log, piece);
        if (result < 0 && errno == EINTR)
            continue;
        if (result < 0 && errno == EAGAIN)
            return;
        if (result <= 0) {
            drop_all(log);
            return;
        }
        log->is_mid_line = piece.ptr[result - 1] != '\n';
        mw_buf_consume(&log->lines, (size_t)result);
    }
}

static bool is_gone(int reason)
{
    return reason == ECONNREFUSED || reason == ECONNRESET || reason == ENOTCONN ||
           reason == EPIPE || reason == EBADF || reason == ENOENT;
}

/* Returns 0 or errno. */
static int send_line(struct mw_log *log, struct mw_slice line)
{
    ptrdiff_t result;
    do {
        result = send(log->fd, line.ptr, line.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? errno : 0;
}

static bool reconnect(struct mw_log *log)
{
    int fd = connect_socket(log->path);
    if (fd < 0)
        return false;
    close(log->fd);
    log->fd = fd;
    return true;
}

static void flush_datagrams(struct mw_log *log)
{
    struct mw_slice rest = mw_buf_view(&log->lines), line;
    bool may_reconnect = true;
    for (struct mw_slice next; mw_slice_split(rest, '\n', &line, &next);) {
        int reason = send_line(log, line);
        if (is_gone(reason) && may_reconnect) {
            may_reconnect = false;
            if (reconnect(log))
                continue; /* with the same line */
            break;
        }
        if (reason == EMSGSIZE) {
            log->dropped++;
            log->dropped_unsaid++;
        } else if (reason != 0) {
            break;
        }
        rest = next;
    }
    mw_buf_consume(&log->lines, log->lines.len - rest.len);
}

static void flush_lines(struct mw_log *log)
{
    if (log->way == WAY_DATAGRAM)
        flush_datagrams(log);
    else
        flush_stream(log);
}

/* There is room again: say what is missing. A notice that is lost itself is not counted, and given
 * again later. */
static void tell_dropped(struct mw_log *log)
{
    uint64_t dropped = log->dropped, unsaid = log->dropped_unsaid;
    const struct mw_log_field count = mw_uint("lines", unsaid);
    if (!add_line(log, events[MW_EV_DROPPED].level, events[MW_EV_DROPPED].word, MW_EMPTY, &count,
                  1))
        return;
    log->dropped_unsaid = 0;
    flush_lines(log);
    if (log->dropped != dropped) {
        log->dropped = dropped;
        log->dropped_unsaid = unsaid;
    }
}

void mw_log_flush(struct mw_log *log)
{
    if (log == NULL || log->way == WAY_MEMORY)
        return;
    flush_lines(log);
    if (log->dropped_unsaid > 0 && log->lines.len == 0)
        tell_dropped(log);
}
