/* model.h - rules in memory: what the parser builds, check.c completes and the engine (run.c)
 * reads.
 *
 * One `struct rules` is one loaded filter block. After loading it never changes but for its
 * counters' ids and the scratch that regex.c needs, so that all sessions share it. Its memory is
 * the instance's (host->instance_alloc); only compiled patterns and the texts of files need
 * rules_free(). */
#ifndef RULES_MODEL_H
#define RULES_MODEL_H

#include <stdbool.h>

#include <mailweir/filter.h>
#include <mailweir/lang.h>

#include "text.h"

/* A place in a rule file, for diagnostics and logs. */
struct place {
    const char *file;
    uint32_t line, column, length;
};

/* ---- fields ---- */

enum field_id {
#define FIELD(id, name, stage, type, flags) FIELD_##id,
#include "fields.def"
#undef FIELD
    FIELD_COUNT
};

enum field_type {
    TYPE_IP = 0,
    TYPE_NUMBER,
    TYPE_SIZE,
    TYPE_SCORE,
    TYPE_TEXT,
    TYPE_NAME,
    TYPE_HOST,
    TYPE_ADDRESS,
    TYPE_BYTES
};

enum field_flags {
    FLAG_MANY = 1,
    FLAG_ARG = 2,
    FLAG_ARG_OK = 4,
    FLAG_FACT = 8,
    FLAG_RCPT = 16,
    FLAG_TALLY = 32,
    FLAG_DIGITS = 64
};

struct field {
    enum field_id id;
    const char *name;
    enum mw_stage stage;
    enum field_type type;
    unsigned flags;
};

/* A field as one rule uses it. */
struct field_use {
    const struct field *field;
    struct mw_slice arg; /* header("X"), sender.param("X") */
    size_t slot;         /* SCORE: which score */
    bool is_whole;       /* inside any() all() none(): all recipients, not the one being decided */
    enum mw_stage stage; /* at which this use is known (check.c) */
    struct place place;
    struct field_use *next; /* all uses of the rule */
};

/* Numbers are held in thousandths, so that scores need no floating point. */
enum { NUMBER_UNIT = 1000 };

struct value {
    struct mw_slice text; /* IP: 16 octets, IPv4 mapped */
    int64_t number;       /* NUMBER, SIZE, SCORE: thousandths */
};

/* ---- conditions ---- */

enum test_op { OP_EQ = 0, OP_MATCH, OP_LT, OP_LE, OP_GT, OP_GE, OP_EMPTY, OP_IN };
enum quantifier { FOR_ANY = 0, FOR_ALL, FOR_NONE };

struct regex;    /* regex.h */
struct list;     /* list.h */
struct list_set; /* list.h */

struct test {
    struct field_use *use;
    enum test_op op;
    bool is_negated; /* != !~ not in, is not empty */
    enum quantifier quantifier;
    struct mw_slice text;      /* the constant, for EQ */
    int64_t number;            /* thousandths */
    unsigned char network[16]; /* IP EQ: an address or a network */
    uint32_t prefix;
    struct regex *regex;
    struct list *list;
    struct list_set *set; /* the list as this field needs it */
    struct place place;
};

enum node_kind { NODE_ALWAYS = 0, NODE_TEST, NODE_NOT, NODE_AND, NODE_OR };
struct node {
    enum node_kind kind;
    struct test test;          /* TEST */
    struct node *left, *right; /* NOT: left */
};

/* ---- texts with ${...} ---- */

enum piece_kind { PIECE_TEXT = 0, PIECE_NUMBERED, PIECE_NAMED, PIECE_FIELD };
struct piece {
    enum piece_kind kind;
    struct mw_slice text; /* TEXT: itself; NAMED: the group's name */
    uint32_t number;      /* NUMBERED */
    struct field_use *use;
    struct piece *next;
};
struct template
{
    struct piece *pieces; /* NULL: empty */
    struct place place;
};

/* ---- actions ---- */

enum action_kind {
#define ACTION(id, words, is_verdict, verdict) ACT_##id,
#include "actions.def"
#undef ACTION
    ACT_COUNT
};

struct action {
    enum action_kind kind;
    uint32_t code; /* verdicts: 0 = the default */
    struct mw_slice dsn;
    struct template text; /* reply text, header value, address, log text */
    struct mw_slice name; /* header name, tag, score's name */
    size_t slot;          /* SCORE, TAG */
    int64_t number;       /* SCORE: thousandths */
    struct place place;
    struct action *next;
};

/* ---- rules ---- */

/* Whose affair a rule is, and so what its verdict ends. */
enum scope { SCOPE_SESSION = 0, SCOPE_MESSAGE, SCOPE_RCPT, SCOPE_COUNT };

enum error_outcome { ERROR_NO_MATCH = 0, ERROR_MATCH, ERROR_VERDICT };

struct rule {
    struct mw_slice name;
    const char *name_text; /* NUL-terminated */
    struct place place;
    struct mw_slice where; /* "20-content.rules:7" */
    struct node *condition;
    struct action *actions;
    struct action *verdict; /* the one of them that is a verdict, or NULL */
    struct field_use *uses;
    struct template reason;
    enum error_outcome on_error;
    struct action *error_action; /* ERROR_VERDICT */
    bool is_early;
    bool has_at;
    enum mw_stage at; /* forced by `at` */
    struct place at_place;
    uint32_t observe_percent; /* 0 = acts, 100 = observed */
    int64_t observe_until;    /* seconds since 1970 UTC, 0 = without end */
    uint32_t group_count;     /* most captures of any of its patterns */

    /* check.c */
    bool is_idle; /* a score rule whose score nobody reads */
    enum scope scope;
    bool is_exemption;  /* may end in accept or discard */
    bool has_verdict;   /* its own, or by on_error */
    bool reads_rcpt;    /* the recipient being decided */
    bool is_each_rcpt;  /* MESSAGE rule that reads rcpt: holds if it holds for any recipient */
    enum mw_stage from; /* first stage at which anything may settle */
    enum mw_stage fires_from; /* first stage at which its actions are possible */
    enum mw_stage ready;      /* everything it reads is known */
    enum mw_stage last; /* latest stage at which it fires, waiting for earlier rules included */
    uint32_t wants;     /* stages, as bits */
    size_t index;       /* into the state of its scope */
    int hits_counter, errors_counter;
    struct rule *next;
};

/* ---- test blocks ---- */

enum expect_kind {
    EXPECT_ACCEPT = 0,
    EXPECT_REJECT,
    EXPECT_DEFER,
    EXPECT_DISCARD,
    EXPECT_DISCONNECT,
    EXPECT_HIT,
    EXPECT_MISS,
    EXPECT_HEADER,
    EXPECT_NO_HEADER,
    EXPECT_RCPT,
    EXPECT_NO_RCPT,
    EXPECT_SENDER,
    EXPECT_SCORE,
    EXPECT_TAG
};
struct expect {
    enum expect_kind kind;
    uint32_t code;              /* 0 = any */
    struct mw_slice rule;       /* by NAME; empty = any */
    struct mw_slice name, text; /* header; address; score's or tag's name */
    bool has_rcpt;              /* for <address> (in `text`) */
    enum test_op op;
    int64_t number;
    struct place place;
    struct expect *next;
};
struct line { /* a text of a test: a recipient, a header field, a body line */
    struct mw_slice text;
    struct line *next;
};
struct test_block {
    const char *name;
    struct place place;
    unsigned char client_ip[16];
    uint32_t client_port;
    struct mw_slice client_name, listener, helo, user, mechanism;
    struct mw_slice sender, params;
    struct line *rcpts, *headers, *body;
    char *message; /* of `message file`, or NULL */
    size_t message_len;
    struct expect *expects;
    struct test_block *next;
};

/* ---- the set ---- */

enum { STAGES = MW_STAGE_COUNT, CAPTURES_MAX = 32 };

struct file_text { /* texts that slices point into */
    char *text;
    struct file_text *next;
};
struct name_slot { /* scores and tags */
    struct mw_slice name;
    enum mw_stage settled; /* check.c: known once the rules so far that write it are settled */
    bool is_written, is_read;
    struct name_slot *next;
};

struct regex_set; /* regex.c: limits, match data */

struct rules {
    const struct mw_host *host;
    struct mw_instance *instance;
    const struct mw_lang *lang;
    uint64_t match_limit, scan_limit;
    size_t errors;

    struct rule *rules, *last_rule; /* in file order */
    size_t rule_count;
    struct list *lists;
    struct test_block *tests;
    struct name_slot *scores, *tags;
    size_t score_count, tag_count;
    struct file_text *texts;
    struct regex_set *regexes;
    char *mended[2]; /* eval.c: texts made UTF-8; two, for captures may point into one */
    unsigned mended_at;

    /* check.c: per stage, the rules that may have work there, NULL-terminated */
    struct rule **at_stage[STAGES];
    uint32_t wants;
    size_t count[SCOPE_COUNT];
    size_t late_rcpt_count; /* recipients' rules that may be decided after RCPT */
    int fact_ids[FIELD_COUNT];
    int truncated_counter;
};

/* Memory for as long as the set lives. */
static inline void *rules_keep(const struct rules *rules, size_t size)
{
    return rules->host->instance_alloc(rules->instance, size);
}
struct mw_slice rules_keep_text(const struct rules *rules,
                                struct mw_slice text); /* NUL behind it */

/* Problems: message is formatted, hint may be NULL. The first makes the set unusable, the second
 * does not. */
void rules_error(struct rules *rules, const struct place *place, const char *hint,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
void rules_warning(struct rules *rules, const struct place *place, const char *hint,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

/* fields.c */
const struct field *rules_field(enum field_id id);
const struct field *rules_field_find(struct mw_slice name);
const char *const *rules_field_names(void); /* NULL-terminated */
const char *rules_stage_name(enum mw_stage stage);
bool rules_stage_find(struct mw_slice name, enum mw_stage *out_stage);
const char *const *rules_stage_names(void);
static inline bool type_is_number(enum field_type type)
{
    return type == TYPE_NUMBER || type == TYPE_SIZE || type == TYPE_SCORE;
}

/* actions.c: what the words of an action mean */
struct action_word {
    enum action_kind kind;
    const char *words; /* "reject", "add header" */
    bool is_verdict;
    enum mw_verdict verdict;
};
const struct action_word *rules_action_word(enum action_kind kind);

#endif
