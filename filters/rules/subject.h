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

#include "model.h"

enum got { GOT_VALUE = 0, GOT_END, GOT_ERROR };

/* What the engine has to say about a rule; `text` is the log text, the error or the observed
 * action. */
enum event {
    EVENT_HIT = 0,
    EVENT_ERROR,
    EVENT_OBSERVED,
    EVENT_TAG,
    EVENT_LOG,
    EVENT_RCPT_REFUSED,
    EVENT_EDIT_FAILED
};

struct subject;
struct subject_ops {
    /* Next value of a field. *cursor is 0 for the first, the implementation's own afterwards. A
     * field with one value that is not there answers END. Never asked for score and tag, nor for
     * fields that are not known at subject->stage. */
    enum got (*get)(struct subject *, const struct field_use *, size_t *cursor, struct value *out);
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

    void (*reply)(struct subject *, uint32_t code, struct mw_slice dsn, struct mw_slice text);
    void (*because)(struct subject *, const struct rule *, struct mw_slice reason);
    void (*tell)(struct subject *, enum event, const struct rule *, struct mw_slice text);
};

/* What rules have settled so far in this session and this transaction. */
struct session_state {
    bool is_done; /* accepted: no rule has anything more to say */
    uint8_t settled[];
};
enum { SCORED_MAX = 200 };
struct transaction_state {
    bool is_done;
    int64_t *scores;  /* thousandths, by slot */
    uint8_t *tags;    /* set, by slot */
    uint8_t *settled; /* MESSAGE rules, by index */
    uint8_t *once;    /* RCPT rules whose edits of the message are made */
    uint8_t *marks;   /* recipients x (1 + RCPT rules): decided, then settled by index; only if some
                         are decided late */
    size_t marks_cap; /* recipients */
    char scored[SCORED_MAX]; /* "invoice +3, bulk -0.5": who made the scores */
    size_t scored_len;
};

struct subject {
    const struct subject_ops *ops;
    struct rules *rules;
    struct session_state *session;
    struct transaction_state *transaction; /* NULL before MAIL */
    enum mw_stage stage;
    size_t rcpt; /* the recipient that is being decided */

    /* scratch of one evaluation */
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
};
/* Lines of a body, without their line ends; *cursor is the offset of the next one. False: no more.
 */
bool rules_next_line(struct mw_slice body, size_t *cursor, struct mw_slice *out);
enum got rules_next_value(struct subject *subject, struct value_walk *walk, struct value *out);

/* expand.c: ${...} filled in and made safe for where it goes. The result is in `room`. */
enum target { INTO_REPLY = 0, INTO_HEADER, INTO_ADDRESS, INTO_LOG };
struct mw_slice rules_expand(struct subject *subject, const struct template *text,
                             enum target target, char *room, size_t cap);
void rules_build_number(struct builder *out, int64_t thousandths);

/* actions.c: everything of the rule but its verdict. */
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
/* Sizes and beginnings of the states above. */
size_t rules_session_size(const struct rules *rules);
struct transaction_state *rules_transaction_new(struct subject *subject);

#endif
