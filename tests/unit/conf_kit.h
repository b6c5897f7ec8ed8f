/* conf_kit.h - one run of the configuration reader (base/conf.h) over a table of rules with every type of value, and what it said: for its unit tests. */
#ifndef MW_TEST_CONF_KIT_H
#define MW_TEST_CONF_KIT_H

#include "base/conf.h"
#include "test.h"

/* What `rules` has. */
enum conf_rule_index {
    ADDRESS = 0,
    SERVER,
    TRUST,
    TLS,
    MAX_ERRORS,
    MAX_SIZE,
    TIMEOUT,
    REQUIRE,
    NAME,
    STATE_DIR,
    CERTIFICATE,
    LOG,
    RULE_COUNT
};
extern const struct mw_conf_rule rules[RULE_COUNT];
/* Another table: "module", which has no default, and "port". */
extern const struct mw_conf_rule needed[2];

/* What the reader printed stands in `printed`. */
struct conf_run {
    struct mw_arena arena;
    struct mw_diags *diags;
    struct mw_conf_block *root;
    struct mw_conf_values values[RULE_COUNT];
    enum mw_err loaded, checked;
    char printed[65536];
};
extern struct conf_run run;

/* Each begins a run, named "t.conf" where there is no file; fini() ends the last one. */
void parse_tree(const char *text);
/* ... and its top level is checked by `rules`. */
void parse(const char *text);
void parse_len(struct mw_slice text);
void load(const char *path);
void fini(void);

/* `printed` again, after further checks. */
void print_run(void);
/* The tree in one line: name words ; kind name { ... } . Static until the next call. */
const char *dump(void);

/* The text must yield exactly these diagnostics. */
#define CHECK_ERRORS(text, want)                                            \
    do {                                                                    \
        parse(text);                                                        \
        CHECK_MEM(run.printed, strlen(run.printed), want);                  \
        CHECK(run.loaded == MW_ERR_CONFIG || run.checked == MW_ERR_CONFIG); \
        fini();                                                             \
    } while (0)
#define CHECK_LOAD(path, want)                             \
    do {                                                   \
        load(path);                                        \
        CHECK_MEM(run.printed, strlen(run.printed), want); \
    } while (0)
#define CHECK_TREE(want)                                 \
    do {                                                 \
        CHECK_MEM(run.printed, strlen(run.printed), ""); \
        CHECK_INT(run.loaded, MW_OK);                    \
        const char *got_ = dump();                       \
        CHECK_MEM(got_, strlen(got_), want);             \
    } while (0)

#endif
