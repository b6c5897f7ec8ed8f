/* list_priv.h - what the files of the lists share.
 *
 * A list's words are a `struct list_content`: the text of all entries in one block, each behind the
 * other, and an index of it for every kind of set that rules ask for. A content never changes after
 * it was built; reading a file anew builds another one on a pool thread and puts it in the old
 * one's place on the loop, where all look-ups run. What is in force before the service starts and
 * can never change (values on the spot) is the instance's memory; everything else is malloc()ed and
 * goes in rules_lists_stop(). */
#ifndef RULES_LIST_PRIV_H
#define RULES_LIST_PRIV_H

#include "list.h"
#include "regex.h"

enum {
    LIST_FILE_MAX = 256 * 1000 * 1000, /* an offset into it takes 28 bits of an index's slot */
    LIST_ENTRY_MAX = 1024,
    LIST_PROBLEMS_MAX = 20, /* reported of one file; there may be a million */
    LIST_KEYS_MAX = 32,     /* spellings of one value that are looked up in somebody's database */
    LIST_PATTERNS_MAX = 20000,
    LIST_ZONES_MAX = LIST_ZONE_WORDS * 64,
    LIST_CUTS_MAX = 64,
    DNSBL_WEIGHT_MAX = 1000,
    DNSBL_FAILURES_MAX = 5, /* in a row: then the zone is left alone for a while */
    DNSBL_PAUSE_MS = 60000,
    DNSBL_CHECK_MS = 1000, /* between two checks of one zone */
    DNSBL_OPEN_MAX =
        64, /* of one stage, under way at once: as many as the host asks for a session */
    DNSBL_TEXT_MAX = 200,
    LIST_QUESTIONS_MAX = 4096, /* of one stage of a transaction; each zone counts */
    REDIS_TIMEOUT_MS = 25,
    DNSBL_TIMEOUT_MS = 3000
};

/* How a field's values are looked up. BYTES: patterns on raw octets; texts otherwise. */
enum set_kind { SET_NETWORK = 0, SET_HOST, SET_ADDRESS, SET_TEXT, SET_NAME, SET_BYTES, SET_KINDS };

/* ---- contents ---- */

/* DOMAIN: exact up to the last '@', any case behind it (RFC 5321 2.4). */
enum list_fold { FOLD_NONE = 0, FOLD_ALL, FOLD_DOMAIN };

struct list_table; /* list_table.c */
struct list_nets;  /* list_net.c */

struct list_content {
    char *text; /* entries, each with an ENTRY_ end behind it; lines as in the file */
    size_t len;
    bool is_file; /* blanks in front of an entry do not count, empty lines are none */
    uint32_t entry_count;
    struct list_table *tables[SET_KINDS];
    struct list_nets *nets;
    size_t memory;              /* octets of all of it */
    const struct rules *keeper; /* whose memory it is; NULL: malloc()ed */
    struct list_block *blocks;  /* what rules_list_alloc() gave */
};

/* What stands behind an entry: it counts; it is there and does not count (a Postfix map's key whose
 * value is not asked for). */
enum { ENTRY_COUNTS = '\n', ENTRY_OTHER = '\r' };

enum list_problem_kind {
    PROBLEM_WORDS = 0,
    PROBLEM_LONG,
    PROBLEM_CONTROL,
    PROBLEM_NO_VALUE,
    PROBLEM_MISFIT /* not of the form that the set needs */
};
struct list_problem {
    enum list_problem_kind kind;
    enum set_kind wanted;
    uint32_t line, column, length;
    char text[72];
};
struct list_problems {
    struct list_problem at[LIST_PROBLEMS_MAX];
    size_t count;           /* of all; those above LIST_PROBLEMS_MAX are only counted */
    const char *unreadable; /* the file could not be read: why (static) */
    bool is_unended;        /* no line end at its end: perhaps it is still being written */
};
void rules_list_problem(struct list_problems *problems, enum list_problem_kind kind,
                        const struct list_problem *where, struct mw_slice text);

/* What a content is read from: everything that a pool thread needs. */
struct list_source {
    enum list_kind kind;
    char *path;
    char *
        words; /* POSTFIX: lower-case first words of the values that count, '\n' behind each; NULL: all */
    unsigned set_kinds; /* bits 1 << enum set_kind */
};

/* Read and index. NULL: unreadable, or there were problems. Thread-safe (of `lang` only file_read,
 * file_free and parse_network are called, which keep nothing). */
struct list_content *rules_list_content_read(const struct mw_lang *lang,
                                             const struct list_source *source,
                                             struct list_problems *problems);
/* One entry a line, # comments: `raw` is brought to the form of list_content.text in place; returns
 * its new length. */
size_t rules_list_text_read(char *raw, size_t len, struct list_problems *problems);
/* Postfix's text map (postmap(1)): the same. */
size_t rules_list_map_read(char *raw, size_t len, const char *words,
                           struct list_problems *problems);
/* A content over `text` (copied). */
struct list_content *rules_list_content_new(const struct rules *keeper, struct mw_slice text,
                                            bool is_file);
void rules_list_content_free(struct list_content **content);
/* Add the index for sets of that kind; entries that do not fit are problems. */
void rules_list_content_index(struct list_content *content, const struct mw_lang *lang,
                              enum list_kind list_kind, enum set_kind kind,
                              struct list_problems *problems);
/* Only networks are looked up: the text is not needed any more. */
void rules_list_content_trim(struct list_content *content, unsigned set_kinds);
void *rules_list_alloc(struct list_content *content, size_t size);

struct list_line {
    struct mw_slice text;
    uint32_t line, column;
};
/* The next entry from *at on; *at and out->line go on. Begin with 0 and {0}. */
bool rules_list_line_next(const struct list_content *content, size_t *at, struct list_line *out);

/* list_table.c: which entry stands where, by hash. */
struct list_table *rules_list_table_new(struct list_content *content, enum list_fold fold);
/* The end behind the entry that equals `key` (ENTRY_...), or 0. */
int rules_list_table_find(const struct list_content *content, const struct list_table *table,
                          struct mw_slice key);
/* Itself, or a piece of its tail that begins with `mark` ('.': ".example.net"; '@'). The work is
 * linear in its length. */
bool rules_list_table_find_tails(const struct list_content *content, const struct list_table *table,
                                 struct mw_slice key, char mark);

/* list_net.c: networks, sorted, none inside another. */
struct list_nets *rules_list_nets_new(struct list_content *content, const struct mw_lang *lang,
                                      struct list_problems *problems);
bool rules_list_nets_find(const struct list_nets *nets, const unsigned char address[16]);

/* list_keys.c: the spellings under which a value may stand in a database that is not ours. */
struct list_keys {
    struct mw_slice keys[LIST_KEYS_MAX];
    size_t count, used;
    char octets[8192];
};
void rules_list_keys(enum list_kind list_kind, enum set_kind kind, struct mw_slice value,
                     struct list_keys *out);

/* list_lmdb.c: an LMDB file, read without the library. */
struct lmdb_file;
/* NULL: *out_error (static) says why. */
struct lmdb_file *rules_lmdb_open(const char *path, const char **out_error);
void rules_lmdb_close(struct lmdb_file **file);
/* LIST_YES: the key, or the key with a NUL behind it, is there. */
enum list_answer rules_lmdb_has(struct lmdb_file *file, struct mw_slice key,
                                const char **out_error);

/* list_regex.c */
struct list_patterns;
struct list_pattern { /* as it was written */
    struct mw_slice pattern, flags;
    struct place place;
    struct list_pattern *next;
};
void rules_list_add_pattern(struct rules *rules, struct list *list, const struct mw_token *token,
                            const struct place *place);
/* Lines of a pattern file; added to the list. False: an error was reported. */
bool rules_list_patterns_read(struct rules *rules, struct list *list, const char *path,
                              const struct place *place);
struct list_patterns *rules_list_patterns_new(struct rules *rules, const struct list *list,
                                              bool is_utf);
enum list_answer rules_list_patterns_match(struct rules *rules, struct list_patterns *patterns,
                                           struct mw_slice text, const char **out_error);
void rules_list_patterns_free(struct list_patterns **patterns);

/* ---- lists that live elsewhere ---- */

struct redis_server; /* list_redis.c: one for all lists of the same server */
struct redis_request;
struct dnsbl_ask;

/* Questions to zones, in the order in which they will be asked; `open` are under way. */
struct dnsbl_queue {
    struct dnsbl_ask *first, *last;
    size_t open;
};
struct list_answers { /* list_answers.c */
    struct rules *rules;
    struct mw_ctx *payer; /* the session that is charged with questions to the DNS; NULL: nobody */
    struct list_question **questions;
    struct list_question **slots; /* the same by their keys: twice as many as `cap` */
    size_t count, cap;
    uint64_t secret[2];
    size_t cost;                    /* of all questions: names to ask for */
    size_t pending, open;           /* noted; asked and without answer */
    const struct listing *listings; /* of a `test` block */
    bool is_played;                 /* ... in the place of everybody who could be asked */
    struct dnsbl_queue queue;
    struct mw_alarm *alarm;
    bool is_over; /* the alarm will call done() */
    void (*done)(void *user);
    void *user;
};

enum question_state { QUESTION_NOTED = 0, QUESTION_ASKED, QUESTION_ANSWERED };
struct list_question {
    struct list_answers *answers;
    struct list_set *set;
    uint64_t hash;
    struct mw_slice key;
    enum question_state state;
    enum list_answer answer;
    const char *error;
    uint64_t deadline_ms;
    struct redis_request *request;   /* under way */
    struct dnsbl_ask *asks;          /* DNSBL: what each zone said; until the question is freed */
    size_t ask_open;                 /* zones that wait to be asked, or have not answered */
    int32_t low, high;               /* between these is the sum of the weights */
    struct mw_question *text_handle; /* DNSBL: the TXT record is asked for */
    char *text;                      /* what it says; NUL-terminated */
    char octets[];                   /* of the key */
};
/* The question that a look-up is about. YES: *out_question, which may have no answer yet (noted); NO:
 * no list can have this value; FAILED: *out_error says why nothing can be asked. */
enum list_answer rules_list_question(struct list_set *set, struct mw_slice text,
                                     struct list_answers *answers,
                                     struct list_question **out_question, const char **out_error);
/* rules_list_has() of lists that have to be asked. */
enum list_answer rules_list_answer(struct list_set *set, struct mw_slice text,
                                   struct list_answers *answers, const char **out_error);
/* The answer is there; what else is under way for it is cancelled. */
void rules_list_answered(struct list_question *question, enum list_answer answer,
                         const char *error);

/* "127.0.0.1:6379/0/KEY" or "unix:/path/0/KEY". False: an error was reported. */
bool rules_redis_read(struct rules *rules, struct list *list, struct mw_slice text,
                      const struct place *place);
bool rules_redis_password(struct rules *rules, struct list *list, const char *path,
                          const struct place *place);
void rules_redis_ask(struct list_question *question);
void rules_redis_forget(struct list_question *question);
void rules_redis_stop(struct list *list);

/* -- in the DNS -- */

/* A filter as Postfix writes it, "127.0.0.[2..11;20]": one bit a value of each octet; or, behind "&",
 * a mask of bits that all have to be set, "0.0.0.6". */
struct dnsbl_filter {
    uint64_t octets[4][4];
    unsigned char mask[4];
    bool is_there, is_mask;
};
struct dnsbl_entry { /* as it was written: one zone may have several, with filters of their own */
    struct dnsbl_filter filter;
    int32_t weight;
    struct dnsbl_entry *next;
};
enum zone_counter { ZONE_QUERIES = 0, ZONE_HITS, ZONE_FAILURES, ZONE_COUNTERS };
struct dnsbl_zone { /* is asked once, whatever its entries */
    struct list *list;
    struct mw_slice name;
    size_t number;
    struct dnsbl_entry *entries;
    int32_t down, up; /* the least and the most that it can add */
    int counters[ZONE_COUNTERS];
    unsigned failures;           /* in a row; no more than are needed */
    uint64_t suspended_until_ms; /* 0: it works */
    struct mw_question *check;   /* is it the zone that fails? */
    uint64_t check_from_ms;
    struct dnsbl_zone *next;
};
/* DROPPED: what it says does not matter any more. */
enum ask_state { ASK_WAITING = 0, ASK_ASKED, ASK_ANSWERED, ASK_FAILED, ASK_DROPPED };
struct dnsbl_ask {
    struct list_question *question;
    struct dnsbl_zone *zone;
    struct mw_question *handle;
    enum ask_state state;
    int32_t weight;         /* ANSWERED: what it adds */
    struct dnsbl_ask *next; /* in the queue */
};

/* dnsbl_read.c. "zen.example.net=127.0.0.[2..11]*2". False: an error was reported. */
bool rules_dnsbl_read(struct rules *rules, struct list *list, struct mw_slice text,
                      const struct place *place);
/* `with_mask`: what stood behind "&". NULL, or what is wrong at *out_at. */
const char *rules_dnsbl_filter(struct mw_slice text, bool with_mask,
                               struct dnsbl_filter *out_filter, size_t *out_at);
bool rules_dnsbl_fits(const struct dnsbl_filter *filter, const unsigned char ip[4]);
/* Letters, digits, - and _ in labels of 1 to 63 octets: what may be asked for without surprises. */
bool rules_dnsbl_is_name(struct mw_slice name);
/* The most that all zones together can come to. */
int32_t rules_dnsbl_most(const struct list *list);

/* dnsbl_zone.c. What an answer adds to the sum; *out_error: the answer says that the list does not
 * work, else NULL. */
int32_t rules_dnsbl_judge(const struct dnsbl_zone *zone, const struct mw_dns_answer *answer,
                          const char **out_error);
/* A question to it had no good answer. `is_certain`: nothing but the zone can be the reason. */
void rules_dnsbl_zone_failed(struct dnsbl_zone *zone, enum set_kind kind, bool is_certain,
                             const char *error);
void rules_dnsbl_zone_works(struct dnsbl_zone *zone);
bool rules_dnsbl_zone_is_suspended(const struct dnsbl_zone *zone);
/* Nothing of the list's own is under way any more. */
void rules_dnsbl_stop(struct list *list);

/* list_dnsbl.c. Its questions are put in the queue, if they are not answered at once. */
void rules_dnsbl_ask(struct list_question *question);
/* Ask as many of the queue as may be under way. */
void rules_dnsbl_go_on(struct list_answers *answers);
/* Its time is over: what is known decides, or nothing does. */
void rules_dnsbl_end(struct list_question *question);
void rules_dnsbl_forget(struct list_question *question);
/* Memory too. */
void rules_dnsbl_free(struct list_question *question);
/* What a `test` block says stands in the place of the DNS. */
struct listing;
void rules_dnsbl_play(struct list_question *question, const struct listing *listings);
/* The name to ask for; 0: this value cannot be asked for. At most 253 octets. */
size_t rules_dnsbl_name(enum set_kind kind, struct mw_slice key, struct mw_slice zone,
                        char out[256]);

/* ---- lists ---- */

struct list_entry { /* a value on the spot */
    struct mw_slice text;
    struct place place;
    struct list_entry *next;
};

struct list_watched; /* list_watch.c: a file that is followed */
struct list_life;
struct list_stamp { /* tells one state of a file from another; all 0: no such file */
    uint64_t device, inode, size;
    int64_t changed_s, changed_ns;
};
struct list_stamp rules_list_stamp(const char *path);

struct list {
    struct rules *rules;
    struct mw_slice name;
    struct place place;
    enum list_kind kind;
    bool is_used;
    bool is_bad; /* an error was reported: sets of it are NULL, without further errors */
    struct list_entry *entries;
    size_t count;
    struct list_source source; /* of files */
    struct list_stamp stamp;   /* of what was read */
    struct place source_place;
    struct list_content *content;
    struct lmdb_file *lmdb;
    struct list_pattern *patterns, **patterns_tail;
    size_t pattern_count;
    uint64_t timeout_ms;
    struct redis_server *redis;
    const char *redis_key;
    struct dnsbl_zone *zones;
    size_t zone_count;
    int32_t threshold;           /* DNSBL: `in` holds from this sum on */
    int32_t cuts[LIST_CUTS_MAX]; /* sums at which some test changes its mind: list.h */
    size_t cut_count;
    bool wants_all, wants_text;
    struct list_set *sets;  /* at most one a kind */
    struct list_life *life; /* NULL until the service starts */
    struct list_watched *watched;
    int hits_counter, reloads_counter, failures_counter; /* -1: none */
    struct list *next;
};

struct list_set {
    struct list *list;
    enum set_kind kind;
    struct list_patterns *patterns;
    struct list_set *next;
};

void rules_list_add(struct rules *rules, struct list *list, struct list_entry ***tail,
                    struct mw_slice text, const struct place *place);
/* The list is that file. False: an error at `place` was reported. */
bool rules_list_read(struct rules *rules, struct list *list, const char *path,
                     const struct place *place);
bool rules_list_lmdb(struct rules *rules, struct list *list, const char *path,
                     const struct place *place);
/* "\"x\" is not a host name or .domain, which list \"l\" needs ...": one line. */
void rules_list_problem_text(const struct list *list, const struct list_problem *problem,
                             const char *field, char out[400]);

/* A line of the log about a list; `detail` may be empty. */
void rules_list_note(const struct list *list, enum mw_log_level level, const char *event,
                     const char *key, struct mw_slice detail);
static inline void list_tally(const struct list *list, int counter)
{
    if (counter >= 0 && list->rules->host->tally != NULL)
        list->rules->host->tally(list->rules->instance, counter, 1);
}

/* list_watch.c */
void rules_list_watch_start(struct rules *rules);
void rules_list_watch_stop(struct rules *rules);

#endif
