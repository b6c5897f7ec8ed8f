/* regex_kit.h - a set of rules with nothing in it but what patterns need: for tests, the fuzz target
 * and the benchmark of regex.h, literal.h and index.h, which link no more of the engine than
 * that. */
#ifndef REGEX_KIT_H
#define REGEX_KIT_H

#include "regex.h"

struct mw_instance {
    struct kit_chunk *chunks;
    size_t octets; /* asked for */
    size_t errors, warnings;
    char diags[4096]; /* "error: message | hint" lines */
};

struct rules *regex_kit_open(struct mw_instance *instance, uint64_t match_limit);
void regex_kit_close(struct mw_instance *instance, struct rules *rules);
/* NULL: see diags. */
struct regex *regex_kit_compile(struct rules *rules, const char *pattern, const char *flags,
                                bool is_utf);

#endif
