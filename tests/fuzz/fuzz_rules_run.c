/* fuzz_rules_run.c - the octets choose a rule file and the mail for it (rules_gen.h); the engine must
 * agree with the reference evaluator, and with itself without the index (rules_diff.h). The first
 * octet says which, and whether rules read what others edit. */
#include <stdint.h>
#include <stdlib.h>

#include "rules_diff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct gen_case at;
    struct diff_totals totals = {.cases = 0};
    if (size < 2)
        return 0;
    bool has_feedback = data[0] & 1;
    enum diff_against against = data[0] & 2    ? DIFF_NO_INDEX
                                : has_feedback ? DIFF_REFERENCE_PATIENT
                                               : DIFF_REFERENCE;
    struct gen gen = {.octets = data + 1,
                      .left = size - 1,
                      .has_feedback = has_feedback,
                      .has_tallies = has_feedback};
    gen_make(&gen, &at);
    if (!diff_case(&at, against, &totals)) {
        diff_explain(&at, against);
        abort();
    }
    return 0;
}
