/* dialog.h - reads a dialog (tests/system/dialogs/README.md has the language) into a list of steps.
 *
 * Only the language is here: what the words mean for a session is dialog_pure.c's business, and
 * run_binary.py's for the program. Both read the same files, so a word that is added here has to be
 * added there. */
#ifndef MW_TEST_DIALOG_H
#define MW_TEST_DIALOG_H

#include "base/buf.h"

enum dialog_side { DIALOG_CLIENT = 0, DIALOG_UPSTREAM };

/* What a step does. Steps with a side say which peer does or sees it. */
enum dialog_kind {
    DIALOG_SENDS = 0, /* octets; one write for all steps of a paragraph that follow each other */
    DIALOG_ENDS,      /* "C> eof": no more octets come from this peer */
    DIALOG_RESETS,
    DIALOG_GETS_LINE,    /* octets: a pattern, without CRLF */
    DIALOG_GETS_OCTETS,  /* octets: exactly these */
    DIALOG_GETS_EOF,     /* we closed the connection */
    DIALOG_GETS_ANY_EOF, /* the same; what came before does not matter, but for a complete message,
                            which is a failure */
    DIALOG_ACCEPT,
    DIALOG_REFUSE,
    DIALOG_STALLS,   /* the peer reads nothing more */
    DIALOG_READS,    /* and goes on */
    DIALOG_SECURES,  /* shakes hands; number: 1 = it fails */
    DIALOG_TIME,     /* number: milliseconds */
    DIALOG_SHUTDOWN, /* number: 1 = now */
    DIALOG_DECIDE,   /* the verdict of a filter that was told to hold */
    DIALOG_LOG,      /* text: words that one log line holds */
    DIALOG_NO_LOG,   /* text: octets that no log line holds */
    /* settings, before the first step of the dialogue */
    DIALOG_SET,    /* text: "NAME VALUE" */
    DIALOG_FILTER, /* text: for pure_add_rule */
    DIALOG_PLAN,   /* number: enum dialog_plan */
    DIALOG_ONLY,   /* number: 0 = pure, 1 = binary */
};
enum dialog_plan { DIALOG_PLAN_STREAM = 0, DIALOG_PLAN_SPOOL, DIALOG_PLAN_ANY };

struct dialog_step {
    enum dialog_kind kind;
    enum dialog_side side;
    bool joins; /* SENDS, ENDS, RESETS: same paragraph and peer as the step before, thus the same
                   write */
    struct mw_buf octets;
    uint64_t number;
    const char *file; /* where it stands; for messages */
    int line;
};

struct dialog {
    char *path;
    char **files; /* names of the parts that `use` brought in */
    size_t file_count;
    struct dialog_step *steps;
    size_t count, cap;
};

/* Read `path` and what it uses (from `root`/use/). False: printed to stderr why not. */
bool dialog_read(struct dialog *dialog, const char *root, const char *path);
void dialog_fini(struct dialog *dialog);
/* Does the line match the pattern? "*" stands for any octets, "\*" and "\\" for themselves. */
bool dialog_matches(struct mw_slice pattern, struct mw_slice line);
/* Octets as a person wants to see them. */
void dialog_show(struct mw_buf *out, struct mw_slice octets);

#endif
