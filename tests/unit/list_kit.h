/* list_kit.h - a host for lists: what loading needs, and the loop services of an instance over poll(2):
 * jobs in threads of their own, a DNS that answers what the test says, and a log kept as
 * text. The clock may be moved; it goes on only while kit_run() turns. */
#ifndef LIST_KIT_H
#define LIST_KIT_H

#include "list.h"

enum { KIT_TEXT = 16384 };

/* Answers to A questions, by name, and to TXT questions, by "TXT NAME"; what is not there does not exist. */
struct kit_answer {
    const char *name;
    const char *addresses; /* "127.0.0.2 127.0.0.4"; "!": a failure; "?": never answered */
};

/* What the host's functions see as an instance. */
struct mw_instance {
    struct kit_chunk *chunks;
    char diags[KIT_TEXT]; /* "file:line:column:length: error: message | hint" lines */
    size_t errors;
    char counters[1024]; /* names, one a line */
    int counter_count;
};

struct list_kit {
    struct mw_instance instance; /* first: see kit_of() */
    struct rules *rules;
    char dir[64];
    const struct kit_answer *dns;
    char asked[KIT_TEXT]; /* names, one a line */
    char notes[KIT_TEXT]; /* "event key=value" lines */
    uint64_t tallies[256];
    uint64_t clock_skew_ms;
    bool has_watch, refuses_jobs;
    unsigned jobs;
    unsigned own_questions; /* that no session was charged with */
};

/* A session that questions to the DNS are charged to. */
struct mw_ctx {
    struct list_kit *kit;
    unsigned share; /* the questions beyond these fail */
    unsigned asked, open, most_open;
    bool is_over; /* asking for it is a mistake, and ends the test */
};
/* The session ends: its questions are dropped and never answered. */
void kit_leave(struct mw_ctx *ctx);

/* A directory of its own for files. */
void kit_init(struct list_kit *kit);
void kit_fini(struct list_kit *kit);
/* DIR/name; four of them at a time. */
const char *kit_path(struct list_kit *kit, const char *name);
void kit_write(struct list_kit *kit, const char *name, const char *text);
/* The same, put in place whole by rename(2). */
void kit_replace(struct list_kit *kit, const char *name, const char *text);

/* Load "list l = LIST" and a rule that uses it for the field; false: instance.diags says why. */
bool kit_load(struct list_kit *kit, const char *list, const char *field);
void kit_start(struct list_kit *kit);
void kit_unload(struct list_kit *kit);

/* Turn the loop until `wanted(kit)` or the time is over; returns what wanted() says. NULL: the time. */
bool kit_run(struct list_kit *kit, bool (*wanted)(struct list_kit *kit), unsigned max_ms);
/* Wait until the log has that text `times` times. */
bool kit_noted(struct list_kit *kit, const char *text, unsigned times);

/* Look a value up: an IP address for an IP field. Asks if it has to and waits. */
enum list_answer kit_has(struct list_kit *kit, const char *value, const char **out_error);
enum list_answer kit_has_text(struct list_kit *kit, struct mw_slice value, const char **out_error);
/* What its zones come to: "3 of bl.example two.example", "1..4 of bl.example"; behind it ", TEXT" if there is one.
 * Asks and waits. Valid until the next call. */
const char *kit_sum(struct list_kit *kit, const char *value);
/* The counter's value; UINT64_MAX: there is none of that name. */
uint64_t kit_count(struct list_kit *kit, const char *counter);
/* The set of list "l". */
struct list_set *kit_set(struct list_kit *kit);
uint64_t kit_clock_ms(struct list_kit *kit);

/* For tests over a `static struct list_kit kit`. */
#define LOAD(list, field)                              \
    do {                                               \
        bool is_good_ = kit_load(&kit, list, field);   \
        if (!is_good_)                                 \
            fprintf(stderr, "%s", kit.instance.diags); \
        CHECK(is_good_);                               \
    } while (0)
/* ... and begin. */
#define START(list, field) \
    do {                   \
        LOAD(list, field); \
        kit_start(&kit);   \
    } while (0)
#define CHECK_HAS(value) CHECK_INT(kit_has(&kit, value, NULL), LIST_YES)
#define CHECK_HAS_NOT(value) CHECK_INT(kit_has(&kit, value, NULL), LIST_NO)
/* Nobody knows, and that is why. */
#define CHECK_FAILED(value, why)                                             \
    do {                                                                     \
        const char *error_ = NULL;                                           \
        CHECK_INT(kit_has(&kit, value, &error_), LIST_FAILED);               \
        if (error_ == NULL || strstr(error_, why) == NULL)                   \
            mw_test_fail(__FILE__, __LINE__, "the error is '%s', want '%s'", \
                         error_ ? error_ : "(none)", why);                   \
    } while (0)
/* One error, of that text behind "DIR/". */
#define CHECK_ERROR(list, field, want)                                                   \
    do {                                                                                 \
        CHECK(!kit_load(&kit, list, field));                                             \
        const char *diag_ = kit.instance.diags;                                          \
        if (strstr(diag_, want) == NULL)                                                 \
            mw_test_fail(__FILE__, __LINE__, "diagnostics are\n%swant %s", diag_, want); \
    } while (0)

#endif
