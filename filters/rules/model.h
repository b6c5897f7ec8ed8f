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
#include <stdint.h>

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
    FLAG_DIGITS = 64,
    FLAG_ITEM = 128,
    FLAG_AGE = 256,
    FLAG_FILTER = 512,
    FLAG_LIST = 1024,
    FLAG_CLOSED = 2048
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
    size_t slot;         /* SCORE, VAR: which one */
    bool is_whole;       /* inside any() all() none(): all recipients, not the one being decided */
    bool is_item;        /* inside a group: of the one thing that is looked at */
    bool is_folded;      /* .fold */
    bool is_so_far;      /* check.c: a tally as it was at the RCPT of the recipient at hand */
    struct source *source; /* where the values come from (values.h); NULL: read one by one */
    enum mw_stage stage;   /* at which this use is known (check.c) */
    struct field_use *key; /* dnsbl.*: what is looked up ... */
    struct list *list;     /* ... where */
    struct list_set *set;  /* NULL: an error was reported */
    struct place place;
    struct field_use *next; /* all uses of the rule */
};

/* Numbers are held in thousandths, so that scores need no floating point. Ages are in seconds. */
enum { NUMBER_UNIT = 1000 };

static inline int64_t rules_thousandths(uint64_t number)
{
    return number < INT64_MAX / NUMBER_UNIT ? (int64_t)number * NUMBER_UNIT : INT64_MAX;
}

struct value {
    struct mw_slice text; /* IP: 16 octets, IPv4 mapped */
    int64_t number;       /* NUMBER, SIZE, SCORE: thousandths */
};

/* ---- conditions ---- */

enum test_op { OP_EQ = 0, OP_MATCH, OP_LT, OP_LE, OP_GT, OP_GE, OP_EMPTY, OP_IN };
enum quantifier { FOR_ANY = 0, FOR_ALL, FOR_NONE };
enum { LIST_ZONE_WORDS = 2 }; /* 64-bit words of a set of a DNS list's zones */

struct source; /* values.h */
struct template;
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
    size_t pattern;       /* MATCH: its number in use->source; NO_PATTERN: it has none there */
    struct place place;
};
#define NO_PATTERN SIZE_MAX

/* Things of which a message has several, with properties of their own: `attachment { ... }`. */
enum group {
    GROUP_NONE = 0,
    GROUP_ATTACHMENT,
    GROUP_ARCHIVE, /* a member of an archive */
    GROUP_URL,
    GROUP_FROM,
    GROUP_TO,
    GROUP_CC,
    GROUP_REPLY_TO,
    GROUP_COUNT
};

/* Whose affair a rule is, and so what its verdict ends. */
enum scope { SCOPE_SESSION = 0, SCOPE_MESSAGE, SCOPE_RCPT, SCOPE_COUNT };

/* rate("KEY", "20/10m"). */
struct rate {
    struct template *key;
    uint64_t count, period_ms;
    enum mw_stage stage; /* check.c: the key is known */
    enum scope scope;    /* check.c: counted once for each session, message or recipient */
    size_t index;
    struct place place;
};

enum node_kind { NODE_ALWAYS = 0, NODE_TEST, NODE_NOT, NODE_AND, NODE_OR, NODE_GROUP, NODE_RATE };
struct node {
    enum node_kind kind;
    struct test test;           /* TEST */
    struct node *left, *right;  /* NOT, GROUP: left */
    bool is_right_first;        /* AND, OR; cheap.c: look there first */
    enum group group;           /* GROUP */
    enum quantifier quantifier; /* GROUP */
    struct rate *rate;          /* RATE */
    struct place place;         /* GROUP, RATE */
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
    struct mw_slice name; /* header name; name of a tag, score or variable */
    size_t slot;          /* SCORE, TAG, VAR */
    int64_t number;       /* SCORE: thousandths; DELAY: milliseconds */
    struct place place;
    struct action *next;
};

/* ---- rules ---- */

enum error_outcome { ERROR_NO_MATCH = 0, ERROR_MATCH, ERROR_VERDICT };

/* What is counted of each rule: NAME.hits and so on. */
enum counter {
    COUNTER_HITS = 0,
    COUNTER_ERRORS,
    COUNTER_OBSERVED,  /* hits that had no effect */
    COUNTER_RUNS,      /* times its condition was evaluated */
    COUNTER_TIME,      /* microseconds, from a sample */
    COUNTER_SUSPENDED, /* times it was */
    COUNTER_COUNT
};
/* What changes of a rule while mail goes by; one for each, by number. */
struct rule_live {
    uint32_t runs;        /* modulo; decides which are measured */
    uint32_t undecided;   /* since `since_ms` */
    uint64_t nanoseconds; /* measured and not counted yet */
    uint64_t since_ms, suspended_until_ms;
};

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
    bool has_patterns;
    enum scope scope;
    bool is_exemption;  /* may end in accept or discard */
    bool has_verdict;   /* its own, or by on_error */
    bool reads_rcpt;    /* the recipient being decided */
    bool is_each_rcpt;  /* MESSAGE rule that reads rcpt: holds if it holds for any recipient */
    bool asks;          /* looks something up in a list that has to be asked (list.h) */
    enum mw_stage from; /* first stage at which anything may settle */
    enum mw_stage fires_from; /* first stage at which its actions are possible */
    enum mw_stage ready;      /* everything it reads is known */
    enum mw_stage last;   /* latest stage at which it fires, waiting for earlier rules included */
    uint32_t wants;       /* stages, as bits */
    uint32_t number;      /* in file order, from 0: its bit in sets of rules */
    struct test *trigger; /* trigger.c: it cannot hold where this does not; NULL: none */
    enum mw_stage triggered;     /* the stage from which on the trigger is known */
    struct rule *next_triggered; /* of the same pattern */

    int counters[COUNTER_COUNT];
    struct rule *next;
};

/* ---- test blocks ---- */

enum expect_kind {
    EXPECT_ACCEPT = 0,
    EXPECT_REJECT,
    EXPECT_DEFER,
    EXPECT_DISCARD,
    EXPECT_DISCONNECT,
    EXPECT_QUARANTINE,
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
/* listed 192.0.2.1 "zen.example" 127.0.0.2 "text": what the DNS says of a value. */
struct listing {
    struct mw_slice value, zone, text;
    unsigned char code[4];
    bool has_failed;
    struct place place;
    struct listing *next;
};
struct test_block {
    const char *name;
    struct place place;
    unsigned char client_ip[16];
    uint32_t client_port;
    struct mw_slice client_name, listener, helo, user, mechanism;
    struct mw_slice sender, params;
    struct line *rcpts, *headers, *body;
    struct line *facts; /* "spf.result=fail" */
    struct listing *listings;
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
/* A score, a tag, a variable, a header field that rules edit or read. */
struct name_slot {
    struct mw_slice name;
    size_t at;
    enum mw_stage settled; /* writes.c: known once the rules so far that write it are settled */
    enum mw_stage read;    /* ... and read until then by the rules so far */
    bool is_written;
    const struct rule *rule; /* of that name; of a score: the last that reads it */
    struct name_slot *next;
};
/* Names in order of their first use, found by hash. */
struct names {
    struct name_slot *first, *last;
    struct name_slot **table;
    struct name_slot **order; /* check.c: by slot */
    size_t count, size;
};

struct stage_plan;    /* plan.h */
struct rate_table;    /* rate.h */
struct room;          /* values.h */
struct addresses;     /* values.h */
struct regex_set;     /* regex.c: limits, patterns */
struct regex_scratch; /* regex.h */

struct rules {
    const struct mw_host *host;
    struct mw_instance *instance;
    const struct mw_lang *lang;
    uint64_t match_limit;   /* steps of one match */
    uint64_t scan_limit;    /* octets of a value that are looked at */
    uint64_t deadline_ms;   /* of all patterns of a stage */
    uint64_t suspend_after; /* undecided within an hour; 0: never */
    uint64_t rate_entries;
    bool has_index;
    size_t errors;

    struct rule *rules, *last_rule; /* in file order */
    size_t rule_count;
    struct list *lists;
    struct test_block *tests, *last_test;
    struct names rule_names;
    struct names scores, tags, vars;
    struct names headers; /* in lower case; of check.c */
    size_t rate_count;
    struct file_text *texts;
    struct regex_set *regexes;
    struct regex_scratch *scratch; /* the loop's */

    /* check.c and stages.c: what happens when */
    struct stage_plan *plans[STAGES]; /* plan.h */
    struct rule **by_number;
    uint32_t wants;
    uint32_t content_needs; /* enum mw_content_need */
    size_t words;           /* 64-bit words of a set of all rules */
    size_t scope_count[SCOPE_COUNT];
    size_t late_rcpt_count;          /* recipients' rules that may be decided after RCPT */
    const struct rule **group_rules; /* group.c: of them those that may refuse, and read rcpt */
    size_t group_rule_count;
    bool has_groups; /* some of them may refuse */
    int fact_ids[FIELD_COUNT];
    int truncated_counter;

    /* values.c: everything here is of the run at hand */
    struct source *sources;
    struct source **source_table;
    size_t source_count, source_size;
    uint64_t epoch;
    struct room *room;
    struct addresses *addresses; /* by group, from GROUP_FROM on */
    uint64_t *visit;             /* run.c: the rules to look at, as bits */

    struct rule_live *live;        /* by number */
    struct rate_table *rate_table; /* rate.h */
    uint64_t *reached;             /* coverage.c: rules that held in a test block, as bits */
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

/* names.c: the slot of that name, made if it is new; or NULL. */
struct name_slot *rules_name(const struct rules *rules, struct names *names, struct mw_slice name);
struct name_slot *rules_name_find(const struct names *names, struct mw_slice name);

/* fields.c */
const struct field *rules_field(enum field_id id);
/* "attachment": the word before `{`, or NONE. */
enum group rules_group_find(struct mw_slice name);
const char *rules_group_name(enum group group);
enum group rules_field_group(const struct field *field);
/* When the things of a group are known. */
enum mw_stage rules_group_stage(enum group group);
/* What the message has to be decoded for, bits enum mw_content_need. */
uint32_t rules_field_needs(const struct field *field);
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
