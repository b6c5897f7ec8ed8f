/* test_rules_ref.c - random rules over random mail: the engine against the reference evaluator
 * (rules_ref.h) and against itself without the index. What a rule comes to must not hang on how
 * cleverly it was found.
 *
 * A difference is made smaller and printed with its seed; MW_SEED=N runs that one, MW_SEEDS=N so
 * many. */
#include "rules_diff.h"
#include "test.h"

#include <stdlib.h>

#include "base/slice.h"

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    uint64_t number;
    return text != NULL && mw_slice_to_u64(mw_slice_cstr(text), UINT64_MAX, &number) == MW_OK
               ? number
               : otherwise;
}

static bool run_seed(uint64_t seed, bool has_feedback, enum diff_against against,
                     struct diff_totals *totals)
{
    static struct gen_case at;
    struct gen gen = {.state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1,
                      .has_feedback = has_feedback,
                      .has_tallies = has_feedback};
    gen_make(&gen, &at);
    if (diff_case(&at, against, totals))
        return true;
    fprintf(stderr, "seed %" PRIu64 "\n", seed);
    diff_explain(&at, against);
    return false;
}

static bool run_all(bool has_feedback, enum diff_against against, uint64_t count)
{
    struct diff_totals totals = {.cases = 0};
    uint64_t first = number_of("MW_SEED", 1), differences = 0;
    count = getenv("MW_SEED") != NULL ? 1 : number_of("MW_SEEDS", count);
    for (uint64_t seed = first; seed < first + count && differences == 0; seed++)
        differences += !run_seed(seed, has_feedback, against, &totals);
    printf("%" PRIu64 " rule files, %" PRIu64 " rules, %" PRIu64 " hooks, %" PRIu64
           " hits, %" PRIu64 " errors, %" PRIu64 " observed; %" PRIu64
           " files not loaded; verdicts",
           totals.cases, totals.rules, totals.hooks, totals.hits, totals.errors, totals.observed,
           totals.refused);
    for (size_t i = 0; i < 8; i++)
        printf(" %" PRIu64, totals.verdicts[i]);
    printf("\n");
    return differences == 0;
}

TEST(engine_and_reference_agree_where_nobody_reads_what_is_edited)
{
    CHECK(run_all(false, DIFF_REFERENCE, 1500));
}

TEST(engine_and_reference_agree_where_rules_read_what_others_edit)
{
    CHECK(run_all(true, DIFF_REFERENCE_PATIENT, 1500));
}

TEST(engine_agrees_with_itself_without_the_index)
{
    CHECK(run_all(true, DIFF_NO_INDEX, 1500));
}
