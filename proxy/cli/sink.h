/* sink.h - `mailweir sink`: a small SMTP server that stores what it gets in a Maildir.
 *
 * An upstream for trying and for tests: correct, bounded, and willing to misbehave on request
 * (refuse, hang, close, talk nonsense or dawdle at any stage). It reads content with code of its
 * own, so that it can witness what the proxy wrote. Runs as a program of its own (mw_sink_main) or
 * inside another (mw_sink_start). Not a mail server: no queue, no users. */
#ifndef MW_CLI_SINK_H
#define MW_CLI_SINK_H

#include "net/conn.h"

/* Where it can be told to fail or to dawdle. EOD is the end of a message (DATA's dot or BDAT LAST).
 */
enum mw_sink_stage {
    MW_SINK_CONNECT = 0,
    MW_SINK_HELO,
    MW_SINK_XCLIENT,
    MW_SINK_MAIL,
    MW_SINK_RCPT,
    MW_SINK_DATA,
    MW_SINK_BDAT,
    MW_SINK_EOD,
    MW_SINK_RSET,
    MW_SINK_NOOP,
    MW_SINK_QUIT,
    MW_SINK_STAGE_COUNT
};

enum mw_sink_fault_kind {
    MW_SINK_REPLY = 0, /* with `code` */
    MW_SINK_CLOSE,     /* drop the connection */
    MW_SINK_HANG,      /* never answer */
    MW_SINK_GARBAGE,   /* answer with something that is no reply */
};

struct mw_sink_fault {
    enum mw_sink_stage stage;
    enum mw_sink_fault_kind kind;
    uint16_t code;
    const char *match; /* HELO, MAIL, RCPT: only where this occurs in the name or address (any
                          case); NULL: always */
};

enum { MW_SINK_FAULT_MAX = 16 };

/* Everything is borrowed until the sink is gone. */
struct mw_sink_config {
    struct mw_endpoint listen;
    const char *maildir;   /* NULL: discard */
    const char *banner;    /* host name in greeting and Received; NULL: "sink.invalid" */
    uint64_t max_size;     /* octets; 0: 100 MB */
    uint32_t max_sessions; /* 0: 100 */
    uint32_t idle_ms;      /* 0: 5 minutes */
    uint32_t delay_ms[MW_SINK_STAGE_COUNT];
    struct mw_sink_fault faults[MW_SINK_FAULT_MAX];
    size_t fault_count;
    bool is_raw; /* store the octets as they came: CRLF, nothing added */
    bool has_no_fsync, has_no_pipelining, has_no_chunking;
    bool takes_xclient, takes_proxy;
    /* One line (no line end, printable) for a message stored, an identity told, a rule broken.
     * NULL: silent. */
    void (*on_line)(void *user, const char *line);
    void *user;
};

struct mw_sink;

/* Listen and serve on net's loop. NULL with a text for a person in *out_error. */
struct mw_sink *mw_sink_start(struct mw_net *net, const struct mw_sink_config *config,
                              const char **out_error);
/* Where it listens: the real port if 0 was asked for. */
struct mw_endpoint mw_sink_endpoint(const struct mw_sink *sink);
/* Messages acknowledged so far. */
uint64_t mw_sink_messages(const struct mw_sink *sink);
/* Close listener and sessions. Memory goes while the loop runs on (its handles keep the loop alive
 * until then); a message that is being made durable is stored to its end. */
void mw_sink_stop(struct mw_sink **sink);

/* `mailweir sink ...`: argv[0] is "sink". Returns the exit status (sysexits.h). */
int mw_sink_main(int argc, char **argv);

#endif
