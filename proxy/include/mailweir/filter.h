/* mailweir/filter.h - the filter interface: everything a filter module needs, in one header without a library to link.
 *
 * A filter is a shared object that exports one symbol, mailweir_filter(). It returns a descriptor: a name, the settings
 * that the configuration may give, and one optional hook per stage of the SMTP dialogue. Shipped filters use nothing else.
 *
 * The contract:
 *  - Hooks run on the worker's event loop, one at a time per session, and never block. They answer with a verdict.
 *  - Slices that a hook gets are borrowed until it returns, and may hold any octet. To keep one, copy it
 *    (host->session_alloc, host->transaction_alloc). `ctx` is valid until the session_close hook has returned.
 *  - A hook that needs time calls host->park() and returns MW_WAIT; later, from the loop, somebody calls host->resume()
 *    exactly once. The host keeps the deadline (`deadline` of the filter block): when it passes, or the client goes away, the
 *    ticket's `cancelled` callback runs once and the ticket is dead. body and header hooks may not wait.
 *  - Callbacks come exactly once, on the loop, and never before the call that started them has returned.
 *  - A hook that answers MW_ERROR, or misses its deadline, yields the filter's configured `on-error`.
 *  - An observed filter (`observe NAME` in the chain) runs as always, but its verdict and edits are only logged and counted.
 *
 * Growth: structs begin with their size and grow only at the end; functions are appended to the host table. `size` tells what
 * exists. A filter built against an older header goes on working. tests/lint/abi.c pins every offset. */
#ifndef MAILWEIR_FILTER_H
#define MAILWEIR_FILTER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MAILWEIR_ABI 1

#ifndef MW_SLICE_DEFINED
#define MW_SLICE_DEFINED
/* Borrowed octets; not NUL-terminated. */
struct mw_slice {
    const char *ptr;
    size_t len;
};
#endif

/* Points of the dialogue at which filters run, in order. RFC 5321 3; the names are those of milter where it has one. */
enum mw_stage {
    MW_STAGE_CONNECT = 0,    /* a client has connected (its address is known) */
    MW_STAGE_HELO,           /* HELO or EHLO */
    MW_STAGE_STARTTLS,       /* a handshake has completed */
    MW_STAGE_AUTH,           /* AUTH: before it is relayed; facts auth.* afterwards */
    MW_STAGE_MAIL,           /* MAIL FROM */
    MW_STAGE_RCPT,           /* RCPT TO, once for each recipient */
    MW_STAGE_RCPT_REPLY,     /* the upstream has answered a RCPT (host->upstream_reply); verdict: CONTINUE, DISCONNECT */
    MW_STAGE_DATA,           /* DATA, or the first BDAT */
    MW_STAGE_HEADER,         /* one header field; may not wait */
    MW_STAGE_END_OF_HEADERS, /* the header block is complete */
    MW_STAGE_BODY,           /* a piece of the body, unstuffed, CRLF line ends; may not wait */
    MW_STAGE_END_OF_MESSAGE, /* the whole message is here: a filter that wants this makes the proxy spool (plan "spool") */
    MW_STAGE_ABORT,          /* the transaction ended without a message; verdict ignored */
    MW_STAGE_CLOSE,          /* the session ends; verdict ignored */
    MW_STAGE_COMMAND,        /* any other command: NOOP, RSET, VRFY, ... */
    MW_STAGE_EDITED,         /* the message passed every filter, and leaves otherwise than it came: the last look at it */
    MW_STAGE_COUNT
};
#define MW_STAGE_BIT(stage) (1u << (stage))

enum mw_verdict {
    MW_CONTINUE = 0, /* no opinion: ask the next filter */
    MW_ACCEPT,       /* no further filter for this scope: the session (connect, helo), the recipient (rcpt), else the transaction */
    MW_REJECT,       /* 5xx; the scope's work ends */
    MW_TEMPFAIL,     /* 4xx */
    MW_DISCARD,      /* tell the client 250 and deliver nothing (the recipient at rcpt, else the message); logged */
    MW_DISCONNECT,   /* 421 and close the session */
    MW_SKIP,         /* body: no further pieces of this message for this filter; elsewhere as MW_CONTINUE */
    MW_WAIT,         /* a ticket was taken with host->park(): the verdict comes with host->resume() */
    MW_ERROR         /* the filter failed: its `on-error` decides */
};

struct mw_ctx;      /* one filter in one session */
struct mw_instance; /* one `filter NAME { ... }` block of one loaded configuration */
struct mw_ticket;   /* one pending verdict */
struct mw_timer;    /* one pending timer */

/* ---- settings: a filter's own directives, checked by the configuration's schema before open() is called ---- */

enum mw_setting_type {
    MW_SETTING_BOOL = 0, /* on, off */
    MW_SETTING_COUNT,    /* 0..max */
    MW_SETTING_SIZE,     /* octets: 10MB, 256KiB */
    MW_SETTING_DURATION, /* milliseconds: 30s, 5m */
    MW_SETTING_TEXT,     /* one word or quoted string */
    MW_SETTING_CHOICE,   /* one of `choices` */
    MW_SETTING_FILES     /* file names or globs, relative to the file that names them; given expanded and sorted */
};

struct mw_setting {
    size_t size; /* sizeof(struct mw_setting) */
    const char *name;
    enum mw_setting_type type;
    const char *default_text;   /* as it would stand in the file; NULL = required */
    const char *const *choices; /* MW_SETTING_CHOICE: NULL-terminated */
    uint64_t min, max;          /* COUNT, SIZE, DURATION; max 0 = no bound */
    uint32_t repeatable;        /* 1: several values (TEXT, FILES) */
    const char *help;           /* one sentence for the manual */
};

/* Where one word of a setting stands. Words with the same `directive` (from 0) stood on one line. */
struct mw_setting_place {
    const char *file; /* NULL: the default */
    uint32_t line, column;
    uint32_t length; /* octets to underline */
    uint32_t directive;
};

/* A setting's value as open() reads it. TEXT, CHOICE and FILES: `texts`, `text_count`, NUL-terminated, valid as long as the
 * instance. The position is for diagnostics about what the value means (file NULL when the default is in force). */
struct mw_setting_value {
    size_t size;
    uint64_t number; /* BOOL 0/1, COUNT, SIZE in octets, DURATION in milliseconds, CHOICE: its index */
    const struct mw_slice *texts;
    size_t text_count;
    const char *file;
    uint32_t line, column;
    const struct mw_setting_place *places; /* parallel to `texts`; test `size` before use */
};

/* ---- facts: what is known about the session, by name (docs/filters.md has the table) ---- */

enum mw_fact_type {
    MW_FACT_NONE = 0, /* not known (yet, or at all) */
    MW_FACT_TEXT,
    MW_FACT_NUMBER,
    MW_FACT_ADDRESS,  /* IP address: 16 octets in `text`, IPv4 as ::ffff:a.b.c.d */
    MW_FACT_ERROR     /* the lookup behind it failed: neither true nor false */
};
struct mw_fact {
    enum mw_fact_type type;
    struct mw_slice text; /* TEXT, ADDRESS: borrowed until the hook returns */
    uint64_t number;
};

/* ---- envelope and header views ---- */

enum mw_rcpt_status {
    MW_RCPT_PENDING = 0, /* the upstream has not answered yet */
    MW_RCPT_ACCEPTED,
    MW_RCPT_REFUSED_FILTER,
    MW_RCPT_REFUSED_UPSTREAM,
    MW_RCPT_DISCARDED,
    MW_RCPT_DELETED, /* by a filter, after it was accepted */
    MW_RCPT_ADDED    /* by a filter; goes upstream before DATA */
};
struct mw_path_view {
    size_t size;
    struct mw_slice address; /* without brackets; as filters changed it */
    struct mw_slice local, domain;
    struct mw_slice original; /* as the client gave it */
    struct mw_slice params;   /* ESMTP parameters as written */
    enum mw_rcpt_status status;
};
struct mw_header_view {
    size_t size;
    struct mw_slice name;
    struct mw_slice value; /* as on the wire: folding kept, octets untouched, no final CRLF, leading blank kept */
    uint32_t is_added;     /* 1: by a filter */
};

/* ---- logging ---- */

enum mw_log_level { MW_LOG_DEBUG = 0, MW_LOG_INFO, MW_LOG_WARNING, MW_LOG_ERROR };
struct mw_log_pair {
    const char *key;
    struct mw_slice value; /* escaped by the log; never pass message content or credentials */
};

/* ---- a filter's reaction to a problem in its configuration or files ---- */

enum mw_severity { MW_DIAG_ERROR = 0, MW_DIAG_WARNING };
struct mw_diag {
    size_t size;
    enum mw_severity severity;
    const char *file;        /* NULL: about the filter block itself */
    uint32_t line, column;   /* from 1; column counts octets; 0 = none */
    uint32_t length;         /* octets to underline, 0 = 1 */
    const char *message;     /* what is wrong, what was expected */
    const char *hint;        /* how to mend it, or NULL */
};

/* ---- tests that a filter brings along (`mailweir test`): rules' test blocks ---- */

struct mw_test_result {
    size_t size;
    const char *name;
    uint32_t passed;
    const char *file;
    uint32_t line;
    const char *detail; /* of a failure, may have several lines; NULL otherwise */
};
typedef void mw_test_report(void *user, const struct mw_test_result *result);

/* ---- the loop's services for an instance ---- */

enum mw_watch_event { MW_WATCH_READ = 1, MW_WATCH_WRITE = 2, MW_WATCH_ERROR = 4 /* reported, never asked for */ };
struct mw_watch;
struct mw_alarm;
struct mw_question;

enum mw_dns_kind { MW_DNS_ADDRESS4 = 1, MW_DNS_NAME_OF = 12, MW_DNS_MAIL_EXCHANGER = 15, MW_DNS_STRINGS = 16, MW_DNS_ADDRESS6 = 28 };
enum mw_dns_outcome { MW_DNS_FOUND = 0, MW_DNS_NOTHING, MW_DNS_FAILURE /* may be different later */ };
struct mw_dns_answer { /* borrowed until `answered` returns */
    size_t size;
    enum mw_dns_outcome outcome;
    const struct mw_slice *values; /* addresses: 16 octets, IPv4 mapped; names: lower case; strings: any octet */
    size_t count;
    /* 1: MW_DNS_NOTHING, and the name itself does not exist (NXDOMAIN, RFC 8020, or it cannot be asked for): there is nothing of any
     * kind, and no name below it. 0: it exists, or nobody said; also an alias (CNAME) of a name that does not exist. Test `size` first. */
    uint32_t is_missing;
};

struct mw_content; /* <mailweir/content.h> */
struct mw_address;
struct mw_lang; /* <mailweir/lang.h>: lexer, diagnostics and near names, for filters with a language of their own */

/* ---- the host: what the proxy does for filters ---- */

struct mw_host {
    size_t size; /* what exists */
    uint32_t abi;
    const char *version; /* of mailweir */

    /* -- while loading (open) -- */
    /* The checked value; defaults are filled in. NULL only for a name that the descriptor does not declare. */
    const struct mw_setting_value *(*setting)(struct mw_instance *, const char *name);
    const char *(*instance_name)(struct mw_instance *);
    /* Which stages this instance really wants (bits MW_STAGE_BIT), at most those with hooks; default: all with hooks.
     * Asking for less is what makes a stage cost nothing, and what lets messages stream instead of being spooled. */
    void (*want)(struct mw_instance *, uint32_t stages);
    void (*diag)(struct mw_instance *, const struct mw_diag *);
    /* Id of a fact by name, or -1. Ids hold for this instance's life. */
    int (*fact_id)(struct mw_instance *, const char *name);
    /* Provide a fact of our own ("spf.result"): returns its id, -1 if the name is taken. Instances of one module share their facts
     * (each chain may have its own): a session sees those of the filters in its chain. */
    int (*fact_define)(struct mw_instance *, const char *name);
    /* Counter by name ("hits"): returned id is for count(). Shown as FILTER.NAME. -1 above 100,000 counters of all filters. */
    int (*counter)(struct mw_instance *, const char *name);
    const struct mw_lang *lang;
    /* Memory that lives as long as the instance. Zeroed, never NULL. */
    void *(*instance_alloc)(struct mw_instance *, size_t size);

    /* -- in hooks -- */
    void *(*state)(struct mw_ctx *);              /* what open() returned */
    void **(*session_slot)(struct mw_ctx *);      /* the filter's own pointer, NULL at first; lives with the session */
    void **(*transaction_slot)(struct mw_ctx *);  /* NULL at MAIL; lives with the transaction */
    void *(*session_alloc)(struct mw_ctx *, size_t size);     /* zeroed, freed with the session */
    void *(*transaction_alloc)(struct mw_ctx *, size_t size); /* zeroed, freed with the transaction */
    struct mw_fact (*fact)(struct mw_ctx *, int fact_id);
    /* Set a fact that fact_define() gave us. `for_session`: lives on after the transaction. The octets are copied. */
    void (*fact_set)(struct mw_ctx *, int fact_id, struct mw_fact, uint32_t for_session);
    uint64_t (*now_ms)(struct mw_ctx *); /* the loop's clock, milliseconds, monotonic */

    /* -- envelope -- */
    int (*sender)(struct mw_ctx *, struct mw_path_view *);           /* 1 if there is a transaction */
    size_t (*rcpt_count)(struct mw_ctx *);
    int (*rcpt)(struct mw_ctx *, size_t index, struct mw_path_view *);
    ptrdiff_t (*rcpt_current)(struct mw_ctx *);                      /* at rcpt and rcpt_reply; else -1 */
    /* The upstream's reply at rcpt_reply: its code (0 elsewhere) and text. */
    uint32_t (*upstream_reply)(struct mw_ctx *, struct mw_slice *text);
    uint64_t (*message_size)(struct mw_ctx *); /* octets so far, header block included; SIZE= of MAIL before DATA */

    /* -- message -- */
    size_t (*header_count)(struct mw_ctx *); /* current fields: earlier filters' edits are in */
    int (*header)(struct mw_ctx *, size_t index, struct mw_header_view *);
    /* Index of the nth (from 0) field of that name from `from` on, without case; -1 if there is none. */
    ptrdiff_t (*header_find)(struct mw_ctx *, struct mw_slice name, size_t from);
    /* The value unfolded, RFC 2047-decoded, as UTF-8 (bad octets become U+FFFD). Borrowed until the transaction ends. */
    struct mw_slice (*header_decoded)(struct mw_ctx *, size_t index);
    /* At end_of_message: the first octets of the body (as stored, at most `max`), contiguous; borrowed until return. */
    struct mw_slice (*body_view)(struct mw_ctx *, size_t max);

    /* -- edits: recorded, checked, seen by later filters, applied once. 1 = taken, 0 = refused (bad form, wrong stage; logged).
     * Sender and recipients: from mail / rcpt on, until end_of_message. Header: data to end_of_message. Body: end_of_message. -- */
    int (*set_sender)(struct mw_ctx *, struct mw_slice address);
    int (*rcpt_replace)(struct mw_ctx *, size_t index, struct mw_slice address);
    int (*rcpt_add)(struct mw_ctx *, struct mw_slice address);
    int (*rcpt_delete)(struct mw_ctx *, size_t index);
    int (*header_add)(struct mw_ctx *, struct mw_slice name, struct mw_slice value);    /* at the end of the block */
    int (*header_insert)(struct mw_ctx *, size_t index, struct mw_slice name, struct mw_slice value); /* before index */
    int (*header_change)(struct mw_ctx *, size_t index, struct mw_slice value);
    int (*header_delete)(struct mw_ctx *, size_t index);
    int (*body_replace)(struct mw_ctx *, struct mw_slice octets); /* first call empties the body, further ones append */

    /* -- reply and reason of the verdict about to be returned (or resumed with) -- */
    /* Code 4xx for TEMPFAIL, 5xx for REJECT, 4xx/5xx for DISCONNECT; dsn "4.7.1" or empty; text may hold "\n" for several
     * lines. 0 = bad form: the verdict's default reply will be used, and the log says so. */
    int (*reply)(struct mw_ctx *, uint32_t code, struct mw_slice dsn, struct mw_slice text);
    /* For the log line: the rule's name, file:line, and a private reason. Any may be empty. */
    void (*because)(struct mw_ctx *, struct mw_slice rule, struct mw_slice where, struct mw_slice reason);

    /* -- asynchronous work -- */
    /* Before returning MW_WAIT. `cancelled(user)` runs at most once, on the loop, if the verdict is no longer wanted. */
    struct mw_ticket *(*park)(struct mw_ctx *, void (*cancelled)(void *user), void *user);
    /* Give the verdict (never MW_WAIT). Edits, reply() and because() may be called before it. The ticket is dead afterwards. */
    void (*resume)(struct mw_ticket *, enum mw_verdict);
    /* Run `fn(user)` once after `delay_ms`. The timer belongs to the session: it is gone, unrun, when the session closes. */
    struct mw_timer *(*timer)(struct mw_ctx *, uint64_t delay_ms, void (*fn)(void *user), void *user);
    void (*timer_cancel)(struct mw_timer *);
    /* Blocking work: `run(user)` on a pool thread (no host calls there), then `done(user)` on the loop, always, also when the
     * session has gone meanwhile (then the ticket was cancelled: `user` must not be part of the session's memory). 0 = the
     * pool's queue is full (1,000 a worker). */
    int (*work)(struct mw_ctx *, void (*run)(void *user), void (*done)(void *user), void *user);

    /* -- telling -- */
    void (*log)(struct mw_ctx *, enum mw_log_level, const char *event, const struct mw_log_pair *, size_t count);
    void (*count)(struct mw_ctx *, int counter_id, uint64_t by);

    /* -- verdicts that differ between recipients (test host->size before use) -- */
    /* A verdict for one recipient of a message that is spooled (some filter of the chain wants end_of_message), from data to
     * end_of_message: REJECT, TEMPFAIL or DISCARD. Give it as often as there are recipients, then answer the hook with MW_CONTINUE for
     * the others. What reply() and because() said before it is this recipient's, and used up. It takes effect at once: filters
     * behind see the recipient's status. The first filter that says something of a recipient counts, and of that filter its last
     * word; for a recipient that is not wanted any more (refused, deleted) nothing changes, and the answer is 1 as well.
     * What the client is told is the listener's `mixed-verdict`, or a reply for each recipient if it asked for that (PRDR).
     * 1 = taken, 0 = refused (no such recipient, another verdict, wrong stage; logged). A 421 cannot be one recipient's reply. */
    int (*rcpt_verdict)(struct mw_ctx *, size_t index, enum mw_verdict verdict);
    /* At rcpt: names the policy group of the recipient at hand, at most 255 octets. Under `mixed-verdict split` all recipients of a
     * transaction are of the same group: the others get 452 4.5.3, and the client brings them in a transaction of their own.
     * Recipients without a group are one, too. Filters behind may name a further one: then both have to be the same. */
    int (*rcpt_group)(struct mw_ctx *, struct mw_slice group);

    /* -- content (<mailweir/content.h>; test host->size before use) -- */
    /* In open(): what the view is to have (bits enum mw_content_need), for an instance that wants end_of_message. */
    void (*want_content)(struct mw_instance *, uint32_t needs);
    /* At end_of_message: the message as it came in (header edits and body_replace do not show). NULL where nothing was asked for.
     * Valid until the transaction ends. */
    const struct mw_content *(*content)(struct mw_ctx *);
    /* Take a whole message apart that is at hand (line ends CRLF or LF). Never NULL; content_release() it. */
    const struct mw_content *(*content_read)(struct mw_instance *, struct mw_slice message, uint32_t needs);
    /* A view is counted: hold it to keep it beyond its transaction (for work()), release it once for each hold. Loop only. */
    void (*content_hold)(const struct mw_content *);
    void (*content_release)(const struct mw_content *);
    /* Pure functions over text; safe on any thread. Memory for results comes from `alloc` (zeroed or not, never NULL).
     * A header value as people read it: unfolded, RFC 2047-decoded, UTF-8, trimmed. */
    struct mw_slice (*header_text)(struct mw_slice value, void *(*alloc)(void *user, size_t size), void *user);
    /* Addresses of a raw header value; at most 1,000. Returns their number. */
    size_t (*header_addresses)(struct mw_slice value, void *(*alloc)(void *user, size_t size), void *user,
                               const struct mw_address *const **out_addresses);
    /* The form to compare with: case-folded, NFKC, without invisible characters, look-alikes as the letters they look like. */
    struct mw_slice (*fold)(struct mw_slice text, void *(*alloc)(void *user, size_t size), void *user);

    /* -- the loop, for an instance and not for a session (from the descriptor's start() to its close()) -- */
    /* Watch a descriptor: fn(user, events) whenever it is ready; level-triggered. NULL: not possible. */
    struct mw_watch *(*watch)(struct mw_instance *, int fd, uint32_t events, void (*fn)(void *user, uint32_t events), void *user);
    void (*watch_change)(struct mw_watch *, uint32_t events); /* 0: pause */
    void (*watch_end)(struct mw_watch *);                     /* before the descriptor is closed; never calls fn any more */
    /* fn(user) once after `delay_ms`; gone afterwards. */
    struct mw_alarm *(*alarm)(struct mw_instance *, uint64_t delay_ms, void (*fn)(void *user), void *user);
    void (*alarm_cancel)(struct mw_alarm *);
    /* Ask the DNS (the proxy's resolver with its cache, `resolver { }`). `name`: labels with dots between them, 1 to 253 octets, any
     * octets but NUL; what is no name is answered MW_DNS_NOTHING. `answered` runs once, on the loop, never before this returns. NULL: no
     * resolver. */
    struct mw_question *(*dns)(struct mw_instance *, struct mw_slice name, enum mw_dns_kind kind,
                               void (*answered)(void *user, const struct mw_dns_answer *answer), void *user);
    void (*dns_cancel)(struct mw_question *);
    /* As work(), for the instance. Lists that are read anew, for example. 0: the pool's queue is full. */
    int (*job)(struct mw_instance *, void (*run)(void *user), void (*done)(void *user), void *user);
    /* One line in the log that belongs to no session. */
    void (*note)(struct mw_instance *, enum mw_log_level, const char *event, const struct mw_log_pair *, size_t count);
    void (*tally)(struct mw_instance *, int counter_id, uint64_t by); /* as count() */
    uint64_t (*clock_ms)(struct mw_instance *); /* monotonic; also where there is no loop */

    /* -- why (`mailweir explain`) -- */
    /* 1: somebody wants to know why; then explain() before the verdict. `depth` indents, `text` is one line. */
    int (*is_explained)(struct mw_ctx *);
    void (*explain)(struct mw_ctx *, uint32_t depth, struct mw_slice text);

    /* 1: the chain only observes this filter. The host keeps verdicts and edits without effect; what else would show to the
     * client, such as an answer that is held back on purpose, is the filter's to leave out. Test host->size before use. */
    int (*is_observed)(struct mw_ctx *);

    /* -- names, for a session (test host->size before use) -- */
    /* As dns(), charged to the session's share of the resolver (`resolver { session-queries }`: questions that servers
     * were asked; beyond it a question waits for its place, at most 10 s, then the answer is MW_DNS_FAILURE) and dropped, unanswered, when
     * the session ends. `name`: labels with dots between them, 1 to 253 octets, any octets but NUL;
     * a name that cannot be asked for is answered MW_DNS_NOTHING. dns_cancel() ends it early. NULL: no resolver, or no `answered`. */
    struct mw_question *(*query)(struct mw_ctx *, struct mw_slice name, enum mw_dns_kind kind,
                                 void (*answered)(void *user, const struct mw_dns_answer *answer), void *user);

    /* -- results for other programs -- */
    /* One method's result for the one Authentication-Results field (RFC 8601) that the proxy writes at the top of the header under its
     * own name: "spf=pass smtp.mailfrom=example.net", without line ends, printable ASCII (UTF-8 in a message of SMTPUTF8), at most
     * 1,000 octets; a ";" or an open "(" or quote in it is refused. From mail to end_of_message; up to end_of_headers where the
     * message streams. In the order in which they were given. An observed filter's results are not written. 1 = taken, 0 = refused (logged). */
    int (*auth_result)(struct mw_ctx *, struct mw_slice result);
    /* The proxy's name in that field (`authserv-id`, the first one). NUL-terminated, valid as long as the instance. */
    const char *(*authserv_id)(struct mw_instance *);
    /* At end_of_message and edited: 1 if some filter has replaced the body (body_view() then shows the new one). */
    int (*body_is_replaced)(struct mw_ctx *);
};

/* How a filter's answer to a topic (`mailweir check --stages`) or a tool's output leaves: one line each, without its end. */
typedef void mw_report_line(void *user, struct mw_slice line);

/* ---- the filter ---- */

struct mw_filter {
    size_t size;          /* sizeof(struct mw_filter) */
    uint32_t abi;         /* MAILWEIR_ABI */
    const char *name;     /* as in `module NAME` */
    const char *version;
    const char *summary;  /* one line for `mailweir check` */
    const struct mw_setting *settings;
    size_t setting_count;

    /* Once for each filter block and load of the configuration. *state is the filter's own. 0 = ready; -1 = not loaded: say why
     * with host->diag (all problems, not only the first). A running configuration stays in force then. */
    int (*open)(const struct mw_host *, struct mw_instance *, void **state);
    void (*close)(void *state); /* the last session that used it has gone */
    /* Run the tests that came with the configuration; returns the number of failed ones. Called on a loaded instance. */
    int (*test)(void *state, mw_test_report *report, void *user);

    enum mw_verdict (*connect)(struct mw_ctx *);
    enum mw_verdict (*helo)(struct mw_ctx *, struct mw_slice name);
    enum mw_verdict (*starttls)(struct mw_ctx *);
    enum mw_verdict (*auth)(struct mw_ctx *, struct mw_slice mechanism);
    enum mw_verdict (*mail)(struct mw_ctx *);
    enum mw_verdict (*rcpt)(struct mw_ctx *, size_t index);
    enum mw_verdict (*rcpt_reply)(struct mw_ctx *, size_t index);
    enum mw_verdict (*data)(struct mw_ctx *);
    enum mw_verdict (*header)(struct mw_ctx *, struct mw_slice name, struct mw_slice value);
    enum mw_verdict (*end_of_headers)(struct mw_ctx *);
    enum mw_verdict (*body)(struct mw_ctx *, struct mw_slice octets);
    enum mw_verdict (*end_of_message)(struct mw_ctx *);
    void (*abort)(struct mw_ctx *);
    void (*session_close)(struct mw_ctx *);
    enum mw_verdict (*command)(struct mw_ctx *, struct mw_slice verb, struct mw_slice arg);

    /* The service has begun to use this instance: the host's loop services work from now on. Not called by check and test. */
    void (*start)(void *state);
    /* Say something on a topic, line by line: "stages", "cost", "rules". 0: no such topic here. */
    int (*report)(void *state, const char *topic, mw_report_line *line, void *user);
    /* A command that the filter brings along: `mailweir NAME ARGS` with the filter's name. `instance` serves host->lang,
     * instance_alloc and diag; no settings, no loop. Prints on stdout and stderr; returns the exit status (sysexits.h). */
    int (*tool)(const struct mw_host *host, struct mw_instance *instance, int argc, char **argv);

    /* Asked last, for a message that every filter let pass, if its header or body leaves otherwise than it came in (also when only the
     * proxy changed it): the edits are final and none can be made any more. May refuse the message; may not wait. Needs end_of_message. */
    enum mw_verdict (*edited)(struct mw_ctx *);
};

/* The one exported symbol. The host's table outlives the module. NULL: this filter cannot work with that host. */
#define MAILWEIR_EXPORT __attribute__((visibility("default")))
typedef const struct mw_filter *mailweir_filter_fn(const struct mw_host *host);
MAILWEIR_EXPORT const struct mw_filter *mailweir_filter(const struct mw_host *host);

#ifdef __cplusplus
}
#endif
#endif
