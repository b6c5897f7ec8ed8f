/* log.h - log lines with typed fields; never a format string, so no peer's octet can forge a line.
 *
 *   7Q2k9Z.1: reject stage=rcpt by=limits code=450 dsn=4.7.1 client=-[198.51.100.7]:41001
 * from=<a@example.net> text="too many"
 *
 * logfmt: keys in the order given, "-" for empty, quotes where a value has blanks, quotes, "=" or
 * is not plain; control characters, quotes and backslashes as \xNN, \", \\; bytes that are not
 * valid UTF-8 as \xNN; values cut at 512 octets ("..." at the end). JSON has the same keys plus
 * "time", "level", "id", "event" (a key of that name among the fields gets a "_" behind it, as the
 * session's "time_"); numbers are numbers, empty text is null.
 *
 * Where lines go to stderr or a file, each begins with the time: `2026-11-22T01:02:03.456Z
 * 7Q2k9Z.1: reject ...`. Where journald reads stderr ($JOURNAL_STREAM), and in syslog, the time is
 * left to them and the level is given as the priority. Lines are gathered and written by
 * mw_log_flush (once per loop turn) to a non-blocking descriptor; what does not fit (64 KiB
 * buffered) is dropped, counted, and said in a line of its own when there is room again. */
#ifndef MW_BASE_LOG_H
#define MW_BASE_LOG_H

#include <mailweir/filter.h>

#include "base/buf.h"
#include "base/slice.h"

enum mw_log_sink { MW_LOG_STDERR = 0, MW_LOG_FILE, MW_LOG_SYSLOG, MW_LOG_JOURNALD };
enum mw_log_format { MW_LOG_LOGFMT = 0, MW_LOG_JSON };

struct mw_log_config {
    enum mw_log_sink sink;
    enum mw_log_format format;
    enum mw_log_level level;
    const char
        *path; /* MW_LOG_FILE; SYSLOG, JOURNALD: a socket other than the usual one, or NULL */
};

/* One typed field. Build with the functions below; values are borrowed until the call returns. */
struct mw_log_field {
    const char *key;
    enum {
        MW_FIELD_TEXT = 0,
        MW_FIELD_PATH,
        MW_FIELD_UINT,
        MW_FIELD_SECONDS,
        MW_FIELD_RATIO,
        MW_FIELD_CLIENT
    } type;
    struct mw_slice text; /* TEXT; PATH is printed in angle brackets; CLIENT: name */
    struct mw_slice more; /* CLIENT: address text */
    uint64_t number,
        second; /* UINT; SECONDS from milliseconds x.xxx; RATIO number/second; CLIENT: port */
};
static inline struct mw_log_field mw_text(const char *key, struct mw_slice value)
{
    return (struct mw_log_field){.key = key, .type = MW_FIELD_TEXT, .text = value};
}
static inline struct mw_log_field mw_cstr(const char *key, const char *value)
{
    return mw_text(key, mw_slice_cstr(value));
}
static inline struct mw_log_field mw_addr(const char *key, struct mw_slice address)
{
    return (struct mw_log_field){.key = key, .type = MW_FIELD_PATH, .text = address};
}
static inline struct mw_log_field mw_uint(const char *key, uint64_t value)
{
    return (struct mw_log_field){.key = key, .type = MW_FIELD_UINT, .number = value};
}
static inline struct mw_log_field mw_seconds(const char *key, uint64_t ms)
{
    return (struct mw_log_field){.key = key, .type = MW_FIELD_SECONDS, .number = ms};
}
static inline struct mw_log_field mw_ratio(const char *key, uint64_t part, uint64_t whole)
{
    return (struct mw_log_field){
        .key = key, .type = MW_FIELD_RATIO, .number = part, .second = whole};
}
/* name[address]:port, "-" for an unknown name. */
static inline struct mw_log_field mw_client(const char *key, struct mw_slice name,
                                            struct mw_slice address, uint16_t port)
{
    return (struct mw_log_field){
        .key = key, .type = MW_FIELD_CLIENT, .text = name, .more = address, .number = port};
}

enum mw_event_id {
#define MW_EVENT(name, text, level, help) MW_EV_##name,
#include "base/events.def"
#undef MW_EVENT
    MW_EV_COUNT
};

struct mw_log;

/* Open a sink; `config` is copied. MW_ERR_IO with a text for a person in *out_error (static or
 * strerror's). The process ignores SIGPIPE. */
MW_MUST_USE enum mw_err mw_log_open(const struct mw_log_config *config, struct mw_log **out_log,
                                    const char **out_error);
void mw_log_close(struct mw_log **log);
/* Add one line. `id` is "session" or "session.message" or empty. Cheap when the event's level is
 * below the log's. A NULL log takes everything and keeps nothing. */
void mw_log_event(struct mw_log *log, enum mw_event_id event, struct mw_slice id,
                  const struct mw_log_field *fields, size_t count);
/* For filters: an event name of their own, cleaned (as keys are): letters, digits, "-", "_", ".",
 * at most 64 octets. */
void mw_log_named(struct mw_log *log, enum mw_log_level level, struct mw_slice event,
                  struct mw_slice id, const struct mw_log_field *fields, size_t count);
bool mw_log_wants(const struct mw_log *log, enum mw_log_level level);
/* Write what is gathered. Never blocks. */
void mw_log_flush(struct mw_log *log);
uint64_t mw_log_dropped(const struct mw_log *log);
/* SIGHUP: open a log file anew (after rotation). */
void mw_log_reopen(struct mw_log *log);
/* A log that keeps its lines in memory (logfmt, without times, 4 MiB at most), for tests. */
struct mw_log *mw_log_memory(enum mw_log_level level);
struct mw_slice mw_log_memory_view(const struct mw_log *log);

/* MW_LOG(log, id, MW_EV_X, field, field, ...) */
#define MW_LOG(log, id, event, ...)                                                    \
    do {                                                                               \
        const struct mw_log_field fields_[] = {__VA_ARGS__};                           \
        mw_log_event((log), (event), (id), fields_, sizeof fields_ / sizeof *fields_); \
    } while (0)

#endif
