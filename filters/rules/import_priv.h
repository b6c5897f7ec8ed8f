/* import_priv.h - shared by the importers (import*.c): the text being written, notes, memory, and
 * other programs' patterns as PCRE2. */
#ifndef RULES_IMPORT_PRIV_H
#define RULES_IMPORT_PRIV_H

#include "import.h"

enum {
    IMPORT_ENTRIES_MAX = 20000,
    IMPORT_LINE_MAX = 8192,
    IMPORT_PATTERN_MAX = 8000, /* the engine takes 8,192 */
    IMPORT_TEXT_MAX = 16 << 20,
    IMPORT_STARTS_MAX = 16,
    IMPORT_FACTORS_MAX =
        900 /* tests, nots and parentheses of a condition; the parser takes 1,000 */
};

struct import {
    struct import_result *result;
    struct mw_slice kind, type; /* Postfix: what the table is for; pcre, regexp, cidr, hash or "" */
    char prefix[64];            /* fit to begin a rule's name */
    char *text;
    size_t len, cap;
    uint32_t line;                  /* of the end of the text, from 1 */
    uint32_t rule_line, rule_count; /* the entry whose rules are being written, and how many */
    bool is_full;                   /* the text has reached its limit */
    bool has_noted[4];              /* differences that are told once: enum import_once */
};
enum import_once { ONCE_OK = 0, ONCE_DOT, ONCE_IPV6, ONCE_SCORES };

/* ---- import_write.c ---- */

/* Zeroed, until rules_import_free(). */
void *import_alloc(struct import *import, size_t size);
const char *import_format(struct import *import, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct mw_slice import_keep(struct import *import, struct mw_slice text);
struct mw_slice import_join(struct import *import, const struct mw_slice *parts, size_t count);
/* As a string of the language. */
struct mw_slice import_quote(struct import *import, struct mw_slice text);
/* An entry is not carried over. `reason` is static or from import_format(). */
void import_drop(struct import *import, uint32_t line, const char *reason);
/* Something else that the operator must know of an entry. */
void import_note(struct import *import, uint32_t line, const char *reason);
void import_note_once(struct import *import, enum import_once which, uint32_t line,
                      const char *reason);

/* "PREFIX-LINE: " on that line of the text; further rules of the line are "PREFIX-LINE.2: ". */
void import_rule(struct import *import, uint32_t line, struct mw_slice suffix);
void import_put(struct import *import, const char *text);
void import_put_slice(struct import *import, struct mw_slice text);
void import_put_quoted(struct import *import, struct mw_slice text);
/* As a list's value or a constant: quoted only if it must be. */
void import_put_value(struct import *import, struct mw_slice text);
/* /pattern/flags, its slashes hidden. */
void import_put_regex(struct import *import, struct mw_slice pattern, const char *flags);
/* The same, piece by piece, for who writes elsewhere first. */
void import_each_of_regex(struct mw_slice pattern, const char *flags,
                          void (*put)(void *to, struct mw_slice text), void *to);
/* A text that no string of the language can hold, or none of a reply: NULL, or why. */
const char *import_text_fault(struct mw_slice text, bool is_ascii_only);

/* The next physical line without its end; false: no more. *line counts from 1. */
bool import_next_line(struct mw_slice *rest, uint32_t *line, struct mw_slice *out);
/* The first word of `text`; what is behind it and its blanks in *out_rest. */
struct mw_slice import_word(struct mw_slice text, struct mw_slice *out_rest);

/* ---- import_pattern.c ---- */

struct import_pattern {
    struct mw_slice text; /* PCRE2; captures as in the original */
    struct mw_slice bare; /* the same without capturing groups, for use inside another pattern */
    const char *opaque;   /* why there is no `bare`; NULL: there is one */
    bool is_caseless, is_multiline, is_dotall, is_extended;
    bool has_choice;       /* '|' outside any group */
    bool has_loose_groups; /* POSIX and Perl may divide the match among the groups in another way */
    bool is_anchored;      /* begins with ^ or \A, and nothing else can */
    struct mw_slice starts[IMPORT_STARTS_MAX]; /* with one of them, in small letters, a matching */
    size_t start_count;                        /* text begins; 0: not known */
    uint32_t groups;
};

/* PATTERN and flags of pcre_table(5). NULL on success, else why not. */
const char *import_pattern_pcre(struct import *import, struct mw_slice pattern,
                                struct mw_slice flags, struct import_pattern *out);
/* A POSIX pattern, extended or basic, as glibc reads it. */
const char *import_pattern_posix(struct import *import, struct mw_slice pattern, bool is_extended,
                                 bool is_caseless, bool is_newline, struct import_pattern *out);
/* Perl's pattern between its delimiters, flags i m s x. */
const char *import_pattern_perl(struct import *import, struct mw_slice pattern,
                                struct mw_slice flags, struct import_pattern *out);
/* The rule language's flags, into room for five octets. */
const char *import_pattern_flags(const struct import_pattern *pattern, char *room);
/* Does it compile as the engine will compile it? NULL, or why not. */
const char *import_pattern_check(struct import *import, struct mw_slice text, const char *flags,
                                 bool is_utf);
bool import_pattern_matches(struct mw_slice text, const char *flags, bool is_utf,
                            struct mw_slice subject);

/* ---- import_lines.c: tables whose first matching pattern decides about a line ---- */

/* One pattern of a table: those in force around it (if ... endif), and itself. */
struct import_claim {
    const struct import_pattern *pattern; /* NULL: could not be read */
    bool is_negated;
    const struct import_claim *around;  /* the innermost block that it stands in */
    const struct import_claim *earlier; /* the one before it that takes lines from it */
};
/* The pattern that a line must match so that `claim` is the first in the chain to match it.
 * `within`: a pattern that holds as well, or NULL. `skips_empty`: the empty line never does. NULL
 * on success, else why not; groups keep the numbers that they have in claim->pattern. */
const char *import_first_match(struct import *import, const struct import_claim *claim,
                               const struct import_claim *within, bool skips_empty,
                               struct mw_slice *out_pattern, const char **out_flags);
/* Can no line match both? (False: perhaps.) */
bool import_are_disjoint(const struct import_claim *a, const struct import_claim *b);
/* Can no line that begins with `start` match? */
bool import_excludes(const struct import_claim *claim, const char *start);

/* ---- Postfix actions: import_action.c ---- */

enum import_effect {
    EFFECT_NONE = 0, /* nothing is done: OK, DUNNO */
    EFFECT_VERDICT,
    EFFECT_LOG,
    EFFECT_ENVELOPE,
    EFFECT_ADD,     /* a header field */
    EFFECT_DELETE,  /* the field itself */
    EFFECT_REPLACE, /* likewise */
    EFFECT_LOST     /* cannot be carried over: `why` */
};
struct import_action {
    enum import_effect effect;
    struct mw_slice words; /* the action in the rule language */
    struct mw_slice field; /* ADD, REPLACE: the field's name */
    struct mw_slice value; /* ADD, REPLACE: its value, as the template that it becomes */
    struct mw_slice log;   /* DELETE: words of a second action; "" = none */
    bool has_inserts;      /* $1 */
    bool is_discard;
    bool is_ok; /* OK, not DUNNO */
    const char *why;
};
/* What stands behind the pattern or the key. `groups`: how many $1 there may be; IMPORT_NO_INSERTS:
 * a '$' is a '$'. */
#define IMPORT_NO_INSERTS UINT32_MAX
void import_action(struct import *import, struct mw_slice text, bool is_access, uint32_t groups,
                   struct import_action *out);
/* The end of a Postfix table's entry: counted as carried over, or dropped for the reason `why`. */
void import_finish(struct import *import, uint32_t line, const struct import_action *action,
                   const char *why);

/* ---- the formats ---- */

struct import_logical {
    struct mw_slice text;
    uint32_t line;
};
/* Logical lines of a Postfix table (postmap(1)); false: no more. */
bool import_next_logical(struct import *import, struct mw_slice *rest, uint32_t *line,
                         struct import_logical *out);
/* "/pattern/flags rest", '!' already taken off; NULL on success. */
const char *import_split_pattern(struct mw_slice text, struct mw_slice *out_pattern,
                                 struct mw_slice *out_flags, struct mw_slice *out_rest);

/* Entries of one table on their way to rules: import_postfix.c reads them, import_edit.c and
 * import_value.c write those that change the message and those of access tables. */
struct import_entry {
    uint32_t line;
    struct import_claim claim;
    struct import_pattern pattern; /* claim.pattern, if it could be read */
    struct import_action action;
    struct import_entry *next;
};
/* Write a rule of EFFECT_ADD, DELETE or REPLACE on the message's header; NULL, or why it cannot
 * be. */
const char *import_edit(struct import *import, const struct import_entry *entry,
                        struct mw_slice pattern, const char *flags);
/* Write a rule of an access table of patterns; the same. */
const char *import_value(struct import *import, const struct import_entry *entry);

void import_postfix_patterns(struct import *import, struct mw_slice table, bool is_pcre);
/* A letter that no IP address has stands in each match, outside groups and classes. */
bool import_needs_letter(const struct import_pattern *pattern);
/* Does any pattern of the table look like Perl's? */
bool import_looks_like_pcre(struct import *import, struct mw_slice table);
void import_postfix_keys(struct import *import, struct mw_slice table);
void import_postfix_networks(struct import *import, struct mw_slice table);
void import_milter_regex(struct import *import, struct mw_slice table);
void import_spamassassin(struct import *import, struct mw_slice table);

#endif
