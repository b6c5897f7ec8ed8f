/* rules_ref_priv.h - what the two halves of the reference share: conditions (rules_ref_eval.c) and
 * what follows from them (rules_ref.c). */
#ifndef RULES_REF_PRIV_H
#define RULES_REF_PRIV_H

#include "rules_ref.h"
#include "subject.h"

enum { REF_RULES = 64, REF_SLOTS = 16, REF_PATTERNS = 1024, REF_VALUES = 512, REF_HELD = 4 };

/* What is settled for one session, message or recipient. */
struct ref_marks {
    bool settled[REF_RULES];
    bool is_decided;
    uint32_t decided_by; /* a recipient: by which rule */
};

struct ref_value {
    struct mw_slice text;
    int64_t number; /* thousandths */
    uint32_t of;    /* the thing of a group */
};

struct ref_pattern {
    const struct test *test;
    void *code; /* pcre2_code */
};

struct ref {
    const struct rules *rules;
    const char *text;
    struct mw_ctx *ctx;
    bool is_patient, is_beyond;
    void *limits; /* pcre2_match_context */
    struct ref_pattern patterns[REF_PATTERNS];
    size_t pattern_count;

    struct ref_marks session, message, rcpts[FAKE_MAX];
    int64_t scores[REF_SLOTS];
    bool tags[REF_SLOTS], once[REF_RULES];
    struct mw_slice vars[REF_SLOTS];

    /* of the stage at hand */
    enum mw_stage stage;
    size_t rcpt;
    size_t envelope;          /* recipients when the end of the message began */
    struct ref_chunk *chunks; /* memory, until the transaction ends */

    /* of the evaluation at hand */
    uint32_t of;
    const char *error;
    const struct test *captured;
    struct mw_slice captures[CAPTURES_MAX];
    struct {
        const struct field_use *use;
        struct ref_value value;
    } held[REF_HELD];
    size_t held_count;
};

/* Memory until the transaction ends; zeroed. */
void *ref_keep(void *ref, size_t size);
enum truth ref_eval(struct ref *ref, const struct node *node);
/* All values of a field, as they are now; at most REF_VALUES. *out_failed: a look-up failed. */
size_t ref_values(struct ref *ref, const struct field_use *use, bool is_item, struct ref_value *out,
                  bool *out_failed);
/* The number of the named group in the pattern that matched last; -1: none. */
int ref_group(const struct ref *ref, struct mw_slice name);
void ref_patterns_new(struct ref *ref);
void ref_patterns_free(struct ref *ref);
bool ref_rcpt_is_live(const struct ref *ref, size_t rcpt);

/* rules_ref_act.c: a text filled in, made safe for where it goes. */
enum ref_into { REF_IN_REPLY, REF_IN_HEADER, REF_IN_ADDRESS, REF_IN_LOG };
struct mw_slice ref_expand(struct ref *ref, const struct template *text, enum ref_into into);
void ref_tally(struct ref *ref, const struct rule *rule, enum counter counter);
void ref_tell(struct ref *ref, const struct rule *rule, const char *event, const char *key,
              struct mw_slice text);
void ref_tell_observed(struct ref *ref, const struct rule *rule);
bool ref_delete_headers(struct ref *ref, struct mw_slice name, size_t from);
/* Everything of the rule but its verdict. *out_drops: the recipient that is being decided goes
 * nowhere. */
void ref_act(struct ref *ref, const struct rule *rule, bool *out_drops);

#endif
