/* testblock.h - the `test` blocks of rule files, run without a session: a message as the block
 * describes it goes through every stage, under the same engine as live mail (run.c), and what came
 * out is compared with what was expected. */
#ifndef RULES_TESTBLOCK_H
#define RULES_TESTBLOCK_H

#include "subject.h"

/* Run all blocks; returns the number of failed ones. `report` may be NULL. */
int rules_test_run(struct rules *rules, mw_test_report *report, void *user);
struct test_mail;
/* One message through all stages (below); for `rules bench`. */
struct ending rules_test_play(struct test_mail *mail);

/* ---- testmail.c: the message of a block as a subject ---- */

enum { TEST_TEXT_MAX = 512 };

/* A verdict as it would have been given. */
struct ending {
    enum mw_verdict verdict; /* of `quarantine`: MW_ACCEPT */
    uint32_t code;
    const struct rule *rule;
};

struct test_rcpt {
    struct mw_slice address, given; /* as rules have rewritten it; as the test has it */
    enum mw_rcpt_status status;
    bool was_accepted;    /* at RCPT */
    struct ending ending; /* if it was refused, or its rule said accept */
};

struct test_header {
    struct mw_slice name, value;
};

struct test_mail {
    struct subject subject; /* first */
    const struct test_block *block;
    struct mw_slice sender;
    struct test_rcpt *rcpts;
    size_t rcpt_count, rcpt_cap;
    struct test_header *headers;
    size_t header_count, header_cap;
    struct mw_slice message, body;
    const struct mw_content *content; /* NULL: nobody has asked yet */
    struct rate_table *rates;         /* of the whole run of tests */
    struct chunk *chunks;             /* all memory of the run */
    struct ending said;               /* reply() and because() of the verdict being given */
    const struct rule **hits;         /* rules that fired or would have */
    size_t hit_count, hit_cap;
    char told[TEST_TEXT_MAX]; /* errors, for a failed test's report */
    struct builder told_text;
};

void rules_test_mail_init(struct test_mail *mail, struct rules *rules,
                          const struct test_block *block, struct rate_table *rates);
/* The next RCPT of the dialogue. */
void rules_test_mail_add_rcpt(struct test_mail *mail, struct mw_slice address);
void rules_test_mail_fini(struct test_mail *mail);

#endif
