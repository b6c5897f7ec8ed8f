/* conf.h - the configuration language (docs: mailweir.conf(5)): text to a tree of directives, and
 * the tree checked against a schema table. Every value remembers file:line:column; all errors of a
 * run are reported (diag.h).
 *
 * Two steps, because a filter's own directives are known only once its module is loaded:
 *   1. mw_conf_load()  reads files, follows includes, expands ${...}, builds blocks and directives,
 * no meaning yet
 *   2. mw_conf_check() checks one block against a schema and stores typed values
 * Syntax: one directive a line, "name value ..."; blocks "kind name {" ... "}"; "#" comment; "\" at
 * line end joins; '...' raw;
 * "..." with \" and \\ only. ${NAME}, ${NAME:-default} (environment), ${cred:NAME}
 * ($CREDENTIALS_DIRECTORY), ${file:PATH} (first line of the file). Expanded in bare words and
 * "...", never in '...'. An expansion is one value, never new syntax. `include GLOB` relative to
 * the file (depth 8, 256 files). A block of the same kind and name in a later place is an error
 * unless it begins with `override`, which then replaces single directives (all lines of the same
 * name). An included file may stand inside a block, but cannot close it. Limits: 1 MiB a file, 256
 * files, 10,000 blocks, 4 levels of nesting, 64 KiB a value with ${...}. */
#ifndef MW_BASE_CONF_H
#define MW_BASE_CONF_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/inet.h"

struct mw_conf_pos {
    const char *file; /* NULL: a default, not from a file */
    uint32_t line, column;
};

/* One word of a directive. */
struct mw_conf_word {
    struct mw_slice text; /* expanded; NUL-terminated behind the length; arena of the tree */
    struct mw_conf_pos pos;
    uint32_t source_len; /* octets in the source, for the caret */
    bool is_quoted;
    bool is_secret; /* holds a ${cred:...} or ${file:...}: never shown, in messages or elsewhere */
};

struct mw_conf_directive {
    struct mw_conf_word *words; /* words[0] is the name */
    size_t word_count;
    bool is_broken; /* something on its line could not be read (reported): words holds the rest, at
                       least the name */
    struct mw_conf_directive *next;
};

struct mw_conf_block {
    struct mw_slice kind, name; /* the top level has kind "" */
    struct mw_conf_pos pos;
    struct mw_conf_directive *directives; /* in file order */
    struct mw_conf_block *blocks;         /* children, in file order */
    struct mw_conf_block *next;
};

/* Load `path`: a file, or a directory of *.conf in lexical order. All memory from `arena`.
 * MW_ERR_CONFIG if anything was wrong (then *out_root still holds what could be read, for further
 * checks). Limits: 1 MiB a file. */
MW_MUST_USE enum mw_err mw_conf_load(struct mw_arena *arena, const char *path,
                                     struct mw_diags *diags, struct mw_conf_block **out_root);
/* The same for one text (tests, fuzzing, defaults); includes are refused. */
MW_MUST_USE enum mw_err mw_conf_parse(struct mw_arena *arena, const char *file,
                                      struct mw_slice text, struct mw_diags *diags,
                                      struct mw_conf_block **out_root);

/* ---- schema ---- */

enum mw_conf_type {
    MW_CONF_BOOL = 0, /* on | off */
    MW_CONF_COUNT,    /* decimal, min..max */
    MW_CONF_SIZE,     /* octets */
    MW_CONF_DURATION, /* ms */
    MW_CONF_TEXT,
    MW_CONF_CHOICE, /* index into choices */
    MW_CONF_FILES, /* globs relative to the naming file, expanded and sorted; a pattern that matches
                      nothing is a warning, a plain name that does not exist an error */
    MW_CONF_PATH,  /* one path, made absolute relative to the naming file */
    MW_CONF_ENDPOINT, /* address to listen on or connect to; names allowed where max = 1; a bare address
                         has the port `min`, if that is not 0 */
    MW_CONF_NETWORK,
    MW_CONF_WORDS, /* free words, at least one: the owner checks them (log, chain members) */
};

struct mw_conf_rule {
    const char *name;
    enum mw_conf_type type;
    const char *default_text;   /* as in a file; NULL: required; "": none (count 0) */
    const char *const *choices; /* NULL-terminated */
    uint64_t min, max;          /* COUNT, SIZE, DURATION: bounds (max 0 = none) */
    uint16_t values_max;        /* values on one line: 0 means 1 */
    bool is_repeatable;         /* several lines add up */
    const char *help;           /* one sentence for the manual, with the unit */
};

struct mw_conf_value {
    uint64_t number; /* BOOL, COUNT, SIZE, DURATION, CHOICE */
    struct mw_slice
        text; /* FILES, PATH: the resolved name; else the word; NUL-terminated behind the length */
    struct mw_endpoint endpoint;
    struct mw_network network;
    struct mw_conf_pos pos;
    uint32_t source_len;
    uint32_t directive; /* which of the rule's lines it stands on, from 0 */
};

/* The checked values of one rule: an array in file order (defaults filled in, with pos.file NULL).
 */
struct mw_conf_values {
    struct mw_conf_value *values;
    size_t count;
    struct mw_conf_pos pos; /* of the directive (first one), file NULL if the default is in force */
    uint32_t directives;    /* lines that gave values */
};

/* Check a block's directives against `rules`; out_values[i] belongs to rules[i]. Unknown names get
 * a near-name hint; repeated ones, wrong counts and bad values are errors with a caret under the
 * value. `extra` is a second table (a filter's own settings; may be NULL) whose values follow in
 * the same array. MW_ERR_CONFIG if there was any error, also one of a line that could not be read;
 * then a rule without a good value has its default, and a required one count 0. */
MW_MUST_USE enum mw_err mw_conf_check(struct mw_arena *arena, const struct mw_conf_block *block,
                                      const struct mw_conf_rule *rules, size_t rule_count,
                                      const struct mw_conf_rule *extra, size_t extra_count,
                                      struct mw_diags *diags, struct mw_conf_values *out_values);

/* Check the kinds of a block's child blocks: "unknown block 'listne'", with a near name. `kinds` is
 * NULL-terminated; an empty list where no blocks belong. mw_conf_check() looks at directives only.
 */
MW_MUST_USE enum mw_err mw_conf_check_kinds(struct mw_arena *arena,
                                            const struct mw_conf_block *block,
                                            const char *const *kinds, struct mw_diags *diags);

/* Report an error at a value or block, for meaning that only the owner knows ("no such upstream").
 */
void mw_conf_error(struct mw_diags *diags, const struct mw_conf_pos *pos, uint32_t length,
                   const char *hint, const char *format, ...) MW_PRINTF(5, 6);

#endif
