/* sink_priv.h - what the files of the sink share: sink.c (life, sockets, waiting), sink_dialogue.c
 * (commands), sink_data.c (content and storing). */
#ifndef MW_CLI_SINK_PRIV_H
#define MW_CLI_SINK_PRIV_H

#include "base/list.h"
#include "cli/maildir.h"
#include "cli/sink.h"
#include "smtp/replies.h"

enum {
    SINK_TEXT_MAX = 256,  /* a name or value of XCLIENT with its NUL */
    SINK_RCPT_MAX = 1000, /* recipients of a message. RFC 5321 4.5.3.1.8 asks for 100 */
    SINK_ERROR_MAX = 20,  /* refused commands of a session */
};

/* XCLIENT's attributes; ADDR and PORT are known from the socket, PROXY knows four of them. */
enum sink_fact {
    FACT_NAME = 0,
    FACT_ADDR,
    FACT_PORT,
    FACT_PROTO,
    FACT_HELO,
    FACT_LOGIN,
    FACT_DESTADDR,
    FACT_DESTPORT,
    FACT_REVERSE_NAME,
    FACT_COUNT
};

enum sink_mode {
    MODE_PROXY = 0, /* a PROXY header must come */
    MODE_COMMAND,
    MODE_SKIP, /* the rest of an overlong line */
    MODE_DATA,
    MODE_CHUNK,
    MODE_HUNG, /* on request: reads and ignores */
};

struct mw_sink {
    struct mw_sink_config config;
    struct mw_net *net;
    struct mw_listener *listener;
    struct mw_endpoint endpoint;
    struct mw_maildir *maildir; /* NULL: discard */
    uv_timer_t sweep;
    struct mw_link sessions;
    uint32_t session_count;
    uint64_t messages;
    bool is_stopping, is_swept; /* is_swept: the timer is closed */
};

struct sink_session {
    struct mw_conn conn;
    struct mw_sink *sink;
    struct mw_link in_sessions;
    struct mw_queue out;
    struct mw_buf in; /* read and not worked off */
    enum sink_mode mode;
    uint64_t active_ms;
    int refs;        /* handles and pending work that point here */
    int waits;       /* reasons not to go on: a delay, a message being stored */
    bool is_delayed; /* what is queued must not leave yet */
    bool wants_close;
    bool has_helo, is_esmtp, has_xclient;
    uint32_t errors;
    uv_timer_t delay;
    uv_work_t work;
    char facts[FACT_COUNT][SINK_TEXT_MAX];
    /* the transaction */
    bool has_mail, has_file, is_too_big, has_failed;
    bool is_bdat, is_last_chunk, is_chunk_unwanted;
    uint8_t unstuff; /* position within a possible end of data */
    uint64_t chunk_left;
    uint64_t size;
    struct mw_buf sender, rcpts; /* rcpts: NUL-terminated one after the other */
    uint32_t rcpt_count;
    struct mw_maildir_file file;
    enum mw_err stored; /* result of the work */
};

/* ---- sink.c ---- */
/* Is this stage to go well? If not, the fault has been played. Starts the stage's delay in any
 * case. */
bool sink_passes(struct sink_session *session, enum mw_sink_stage stage, struct mw_slice subject);
void sink_say(struct sink_session *session, enum mw_reply_id id);
void sink_say_text(struct sink_session *session, uint16_t code, const char *dsn, const char *text);
/* A line for on_line; everything not printable becomes "?". */
void sink_note(struct sink_session *session, const char *format, ...) MW_PRINTF(2, 3);
/* Something waited for is over: go on with what was read meanwhile. */
void sink_resume(struct sink_session *session);
void sink_release(struct sink_session *session);
/* Text into a fixed field, cut to fit, control characters as "?". */
void sink_set_fact(struct sink_session *session, enum sink_fact fact, struct mw_slice text);

/* ---- sink_dialogue.c ---- */
void sink_greet(struct sink_session *session);
void sink_command(struct sink_session *session, struct mw_slice line);

/* ---- sink_data.c ---- */
/* The transaction is over, whatever it had reached. */
void sink_reset(struct sink_session *session);
/* Content begins: false if it cannot be stored (a reply is given). */
bool sink_begin_content(struct sink_session *session);
/* Content in MODE_DATA and MODE_CHUNK; both return the octets used. */
size_t sink_take_data(struct sink_session *session, struct mw_slice in);
size_t sink_take_chunk(struct sink_session *session, struct mw_slice in);
void sink_finish_chunk(struct sink_session *session);

#endif
