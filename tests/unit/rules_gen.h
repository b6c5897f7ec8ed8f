/* rules_gen.h - random rule files and random mail for them, from one small alphabet so that what
 * rules ask for is often there. All of it is text and plain data; the same numbers make the same
 * case. */
#ifndef RULES_GEN_H
#define RULES_GEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where numbers come from: octets (a fuzzer's) as long as there are any, else a generator. */
struct gen {
    uint64_t state;
    const uint8_t *octets;
    size_t left;
    bool has_feedback;        /* edits of what conditions read: the envelope, any header field */
    size_t focus[3];          /* fields that many rules of the file speak of */
    bool may_write, may_read; /* scores, tags, variables; the rule at hand */
    bool has_tallies;         /* ... and counts of recipients */
};

enum {
    GEN_RULES = 40,
    GEN_RULE_LEN = 1200,
    GEN_HEADERS = 12,
    GEN_RCPTS = 4,
    GEN_TRANSACTIONS = 2,
    GEN_BODY_LEN = 4096
};

enum gen_fact_kind { GEN_NONE = 0, GEN_TEXT, GEN_NUMBER, GEN_IP, GEN_ERROR };
enum { GEN_FACTS = 10 };
struct gen_fact {
    const char *name;
    enum gen_fact_kind kind;
    char text[64];
    uint64_t number;
};

struct gen_transaction {
    char sender[64], params[64];
    char rcpts[GEN_RCPTS][64];
    bool is_refused[GEN_RCPTS]; /* by the upstream */
    size_t rcpt_count;
    struct {
        char name[32], value[200];
    } headers[GEN_HEADERS];
    size_t header_count;
    char body[GEN_BODY_LEN];
    size_t body_len;
};

struct gen_case {
    char lists[600];
    char rules[GEN_RULES][GEN_RULE_LEN]; /* one line each */
    bool is_off[GEN_RULES];
    size_t rule_count;
    struct gen_fact facts[GEN_FACTS];
    char helos[2][64]; /* said one after the other */
    size_t helo_count;
    struct gen_transaction transactions[GEN_TRANSACTIONS];
    size_t transaction_count;
};

uint64_t gen_below(struct gen *gen, uint64_t limit);
void gen_make(struct gen *gen, struct gen_case *out);
/* The rules that are not off, as a file: *out_lines[line - 1] is the rule of that line, -1 for
 * others. */
enum { GEN_TEXT_LEN = 64 * 1024, GEN_LINES = GEN_RULES + 16 };
void gen_text(const struct gen_case *from, char out[GEN_TEXT_LEN], int out_lines[GEN_LINES]);

#endif
