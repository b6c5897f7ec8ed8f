/* subject.h - what a set of rules is run against: where values come from and where effects go.
 *
 * Two implementations: live.c over the proxy's host table, testmail.c over the message of a `test`
 * block. The engine (run.c, eval.c, actions.c) sees this only, so that a test runs the very code
 * that mail will run.
 *
 * Life-times: what get() hands out is valid until the stage's run ends; alloc() lives as long as
 * the transaction. */
#ifndef RULES_SUBJECT_H
#define RULES_SUBJECT_H

#include "values.h"

enum got { GOT_VALUE = 0, GOT_END, GOT_ERROR };

/* What the engine has to say about a rule; `text` is the log text, the error or the observed
 * action. */
enum event {
    EVENT_HIT = 0,
    EVENT_ERROR,
    EVENT_OBSERVED,
    EVENT_TAG,
    EVENT_LOG,
    EVENT_QUARANTINED,
    EVENT_SUSPENDED,
    EVENT_DELAYED,
    EVENT_RCPT_REFUSED,
    EVENT_EDIT_FAILED
};

struct subject;
struct list_answers; /* list.h */
struct prefetch;     /* prefetch.h */
struct explain;      /* explain.h */
struct subject_ops {
    /* The value of a field of session, envelope or message that has one; END: it is not there.
     * Never asked for fields that are not known at subject->stage. */
    enum got (*get)(struct subject *, const struct field_use *, struct value *out);
    /* What fields with several values are made of (values.h). */
    bool (*header)(struct subject *, size_t index, struct mw_header_view *out);
    struct mw_slice (*header_text)(struct subject *, size_t index); /* decoded */
    struct mw_slice (*body)(struct subject *);
    const struct mw_content *(*content)(struct subject *); /* NULL: nothing was asked for */
    /* One more event for rate(); whether it is too many. */
    bool (*rate)(struct subject *, const struct rate *, struct mw_slice key);
    uint64_t (*now_ms)(struct subject *);
    size_t (*rcpt_count)(struct subject *);
    /* Given by the client and still to be delivered: neither refused, deleted nor added by a
     * filter. */
    bool (*rcpt_is_live)(struct subject *, size_t index);
    void *(*alloc)(struct subject *, size_t size); /* zeroed */

    /* 0..99, the same for all sessions of one client: which share of mail `observe N%` observes. */
    uint32_t (*draw)(struct subject *);

    /* Edits: false = refused. They may also be taken and change nothing (the whole filter is only
     * observed). */
    size_t (*header_count)(struct subject *);
    ptrdiff_t (*header_find)(struct subject *, struct mw_slice name, size_t from);
    bool (*header_add)(struct subject *, struct mw_slice name, struct mw_slice value);
    bool (*header_change)(struct subject *, size_t index, struct mw_slice value);
    bool (*header_delete)(struct subject *, size_t index);
    bool (*set_sender)(struct subject *, struct mw_slice address);
    bool (*rcpt_replace)(struct subject *, size_t index, struct mw_slice address);
    bool (*rcpt_add)(struct subject *, struct mw_slice address);
    bool (*rcpt_delete)(struct subject *, size_t index);
    /* REJECT, TEMPFAIL or DISCARD for one recipient at the end of the message; reply() and because()
     * before it are his. */
    bool (*rcpt_verdict)(struct subject *, size_t index, enum mw_verdict verdict);

    void (*reply)(struct subject *, uint32_t code, struct mw_slice dsn, struct mw_slice text);
    void (*because)(struct subject *, const struct rule *, struct mw_slice reason);
    void (*tell)(struct subject *, enum event, const struct rule *, struct mw_slice text);
    /* For a counter of the rule's. */
    void (*tally)(struct subject *, const struct rule *, enum counter, uint64_t by);
};

/* What rules have settled so far in this session, this transaction, for a recipient. Sets are bits
 * by rule->number, rules->words long (plan.h). */
struct marks {
    uint64_t *settled; /* rules without a trigger, or before it was known */
    uint64_t *pending; /* rules with one: it matched, and they wait */
    uint8_t *rates;    /* by rate->index: enum rated */
    bool is_decided;   /* accepted or refused: no rule has anything more to say ... */
    uint32_t by;       /* ... but those above this one, at RCPT */
};
enum rated { RATED_NOT_YET = 0, RATED_WITHIN, RATED_BEYOND };

struct session_state {
    struct marks marks;
    uint64_t delayed_ms; /* so far, by `delay` */
};
enum { SCORED_MAX = 200 };
struct transaction_state {
    struct marks marks;
    int64_t *scores;       /* thousandths, by slot */
    struct mw_slice *vars; /* by slot; ptr NULL: not set */
    uint8_t *tags;         /* set, by slot */
    uint64_t *once;        /* RCPT rules whose edits of the message are made */
    struct marks **rcpts;  /* recipients' marks, made when they are first needed */
    size_t rcpts_cap;
    char scored[SCORED_MAX]; /* "invoice +3, bulk -0.5": who made the scores */
    size_t scored_len;
};

enum { HELD_MAX = 4 };
struct subject {
    const struct subject_ops *ops;
    struct rules *rules;
    struct session_state *session;
    struct transaction_state *transaction; /* NULL before MAIL */
    enum mw_stage stage;
    size_t rcpt; /* the recipient that is being decided: rules_at_rcpt() */
    uint64_t begun, epochs[DEPENDS_COUNT]; /* values.c */

    struct list_answers *answers; /* of lists that live elsewhere; NULL: there are none */
    struct prefetch *prefetch;    /* what patterns came to in a pool thread; NULL: nothing */
    bool is_dry; /* only to find out what lists have to be asked: nothing is counted or done */
    uint64_t delay_ms;       /* what `delay` wants */
    struct explain *explain; /* explain.h; NULL: nobody wants to know why */

    /* Values that tests of several values held for: ${attachment.name} is the name that did. */
    struct held {
        const struct source *source;
        size_t at;
    } held[HELD_MAX];
    size_t held_count;

    /* scratch of one evaluation */
    uint32_t of;       /* inside a group: of which thing values are */
    bool is_suspended; /* the rule's patterns are not tried */
    uint64_t spent_us; /* on the rule's patterns by a pool job (prefetch.h) */
    bool is_undecided; /* one of them hit its limit */
    struct mw_slice captures[CAPTURES_MAX];
    const struct regex *captured; /* whose they are; NULL = none */
    const char *error;            /* why a rule could not be decided */
    bool drops_rcpt; /* `delete rcpt` at RCPT: the recipient is taken and goes nowhere */
};

enum truth { TRUTH_FALSE = 0, TRUTH_TRUE, TRUTH_UNKNOWN, TRUTH_ERROR };

/* eval.c: three-valued, and an error that is neither. */
enum truth rules_eval(struct subject *subject, const struct node *node);
/* The values of a field one by one, scores and tags included. */
struct value_walk {
    const struct field_use *use;
    size_t cursor, rcpt;
    bool is_begun;
    bool is_partial;                 /* dnsbl.*: there may be more, which is not known */
    uint64_t zones[LIST_ZONE_WORDS]; /* dnsbl.zones: as bits */
};
/* Lines of a body, without their line ends; *cursor is the offset of the next one. False: no more.
 */
bool rules_next_line(struct mw_slice body, size_t *cursor, struct mw_slice *out);
enum got rules_next_value(struct subject *subject, struct value_walk *walk, struct value *out);

/* dnsbl_values.c: fields about DNS lists. rules_next_value() of one ... */
enum got rules_dnsbl_next(struct subject *subject, struct value_walk *walk, struct value *out);
/* ... and a test of a score, which may be known before it is whole. */
enum truth rules_dnsbl_score_test(struct subject *subject, const struct test *test);
/* Notes the questions, if they are not yet; true: some have no answer. */
bool rules_dnsbl_is_asking(struct subject *subject, const struct field_use *use);

/* expand.c: ${...} filled in and made safe for where it goes. The result is in `room`. */
enum target { INTO_REPLY = 0, INTO_HEADER, INTO_ADDRESS, INTO_LOG };
struct mw_slice rules_expand(struct subject *subject, const struct template *text,
                             enum target target, char *room, size_t cap);
void rules_build_number(struct builder *out, int64_t thousandths);

/* actions.c: all header fields of that name go. */
bool rules_header_delete(struct subject *subject, struct mw_slice name);
/* Everything of the rule but its verdict. */
void rules_act(struct subject *subject, const struct rule *rule);
/* The verdict: reply and reason are handed over. */
enum mw_verdict rules_pronounce(struct subject *subject, const struct rule *rule,
                                const struct action *verdict);
/* The log's reason: the rule's own, or for a verdict that reads a score what it is made of. */
struct mw_slice rules_reason(struct subject *subject, const struct rule *rule, char *room,
                             size_t cap);
/* "reject 550 5.7.1", for logs. */
struct mw_slice rules_action_text(const struct action *action, char *room, size_t cap);

/* run.c: the verdict of all rules at a stage. At RCPT subject->rcpt says which recipient. */
enum mw_verdict rules_run(struct subject *subject, enum mw_stage stage);
/* Before it, where the plan says so: evaluate what asks lists that live elsewhere, so that
 * subject->answers knows the questions. Returns how many there are. */
size_t rules_run_dry(struct subject *subject, enum mw_stage stage);
/* The recipient that is looked at from now on. */
void rules_at_rcpt(struct subject *subject, size_t rcpt);
/* group.c: the policy group of the recipient that RCPT was just run for, if rules->has_groups. */
enum { GROUP_NAME_MAX = 20 };
struct mw_slice rules_rcpt_group(struct subject *subject, char room[GROUP_NAME_MAX]);
/* Is the rule settled for the message, or for the recipient at hand? */
bool rules_is_settled(struct subject *subject, const struct rule *rule);
/* marks.c: beginnings of the states above, and a recipient's marks. */
struct session_state *rules_session_new(struct subject *subject);
struct transaction_state *rules_transaction_new(struct subject *subject);
struct marks *rules_rcpt_marks(struct subject *subject, size_t rcpt);
/* The marks that concern the rule, of the recipient at hand if it is his affair. */
struct marks *rules_marks(struct subject *subject, enum scope scope);

#endif
