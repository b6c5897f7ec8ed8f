/* engine.h - libspf2, and the guard around it: one record is decided, from terms to a result.
 *
 * engine.c is the only file that knows libspf2. It is given a record that this module has read already, and writes it anew for libspf2, from
 * these words alone: "a" for a term whose answer is found out when it is reached (engine_test), "ip4:192.0.2.1" for an address that is known
 * to match, "all". The client it is shown is always 192.0.2.1, the domain always the same token. No octet that a peer chose gets there,
 * nothing is long, nothing is expanded. What it does is what SPF is at heart: qualifiers, order, the first match decides.
 *
 * It cannot end the process. libspf2 reports what it thinks impossible to a handler that must not return, and would abort() behind it. While it
 * runs for us, that handler is ours and jumps back (ENGINE_BROKEN); the handlers that stood there before are put back at the end. The jump
 * leaks nothing: response and record belong to the run, and where libspf2 calls us it holds nothing else. */
#ifndef SPF_ENGINE_H
#define SPF_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#include "check.h"

enum { ENGINE_TERMS_MAX = CHECK_TERMS_MAX + 2, ENGINE_PROBLEM_MAX = 160 };

enum engine_kind {
    ENGINE_TEST = 0, /* ask engine_test */
    ENGINE_SURE,     /* an address that matches */
    ENGINE_ALL
};
struct engine_term {
    enum engine_kind kind;
    char qualifier; /* '+', '-', '~', '?' */
};
enum engine_answer { ENGINE_NO = 0, ENGINE_YES, ENGINE_STOP /* end the run, without a result */ };

/* Called for tests only, in order, each at most once, none behind a YES or a STOP. May run another record. */
typedef enum engine_answer engine_test(void *user, size_t index);

enum engine_end {
    ENGINE_MATCH = 0, /* `index` decided */
    ENGINE_DEFAULT,   /* no term did */
    ENGINE_STOPPED,
    ENGINE_BROKEN /* libspf2 failed: `problem` */
};
struct engine_outcome {
    enum engine_end end;
    enum spf_result result; /* of ENGINE_MATCH: pass, fail, softfail or neutral */
    size_t index;
    char problem[ENGINE_PROBLEM_MAX]; /* printable ASCII */
};
/* At most ENGINE_TERMS_MAX terms; ENGINE_SURE and ENGINE_ALL only as the last one. */
void engine_run(const struct engine_term *terms, size_t count, engine_test *test, void *user,
                struct engine_outcome *out);

#endif
