/* test_spf_engine.c - libspf2 behind its guard: order, qualifiers, and errors that would end a process without it. */
#include <stdlib.h>
#include <sys/types.h>

#include <netinet/in.h>

#include <arpa/nameser.h>
#include <resolv.h>

#include <spf2/spf.h>

#include <spf2/spf_log.h>

#include "engine.h"
#include "test.h"

struct script {
    const char *
        answers; /* of the tests in order: 'n', 'y', 's' stop, 'e' libspf2's error, 'r' another record, 'b' another that breaks */
    size_t asked[ENGINE_TERMS_MAX];
    size_t count;
};

static enum engine_answer play(void *user, size_t index);

static void run(const char *terms, struct script *script, struct engine_outcome *out)
{
    struct engine_term list[ENGINE_TERMS_MAX];
    size_t count = 0;
    for (; terms[0] != '\0'; terms += 2) {
        list[count].qualifier = terms[0];
        list[count++].kind = terms[1] == '*'   ? ENGINE_ALL
                             : terms[1] == '!' ? ENGINE_SURE
                                               : ENGINE_TEST;
    }
    engine_run(list, count, play, script, out);
}

static enum engine_answer play(void *user, size_t index)
{
    struct script *script = user, inner = {.answers = "nn"};
    struct engine_outcome outcome;
    char answer = script->answers[script->count];
    script->asked[script->count++] = index;
    switch (answer) {
    case 'e':
        SPF_errorx(__FILE__, __LINE__, "%s", "SPF DNS layer return NULL\r\n during a lookup");
    case 'b':
        inner.answers = "ne";
        run("+a+a-*", &inner, &outcome);
        return outcome.end == ENGINE_BROKEN ? ENGINE_NO : ENGINE_STOP;
    case 'r':
        run("+a+a-*", &inner, &outcome);
        return outcome.result == SPF_FAIL ? ENGINE_YES : ENGINE_NO;
    case 'y':
        return ENGINE_YES;
    default:
        return answer == 's' ? ENGINE_STOP : ENGINE_NO;
    }
}

static struct engine_outcome decide(const char *terms, const char *answers, size_t asked)
{
    struct script script = {.answers = answers};
    struct engine_outcome outcome;
    run(terms, &script, &outcome);
    if (script.count != asked)
        mw_test_fail(__FILE__, __LINE__, "%s: %zu tests were asked, want %zu", terms, script.count,
                     asked);
    for (size_t i = 0; i < script.count; i++)
        if (script.asked[i] != i)
            mw_test_fail(__FILE__, __LINE__, "test %zu was about term %zu", i, script.asked[i]);
    return outcome;
}

#define CHECK_MATCH(outcome, want_index, want_result) \
    do {                                              \
        struct engine_outcome o_ = (outcome);         \
        CHECK_INT(o_.end, ENGINE_MATCH);              \
        CHECK_INT(o_.index, want_index);              \
        CHECK_INT(o_.result, want_result);            \
    } while (0)

TEST(the_first_match_decides_with_its_qualifier)
{
    CHECK_MATCH(decide("+a-a~a?a", "ynnn", 1), 0, SPF_PASS);
    CHECK_MATCH(decide("+a-a~a?a", "nynn", 2), 1, SPF_FAIL);
    CHECK_MATCH(decide("+a-a~a?a", "nnyn", 3), 2, SPF_SOFTFAIL);
    CHECK_MATCH(decide("+a-a~a?a", "nnny", 4), 3, SPF_NEUTRAL);
}

TEST(terms_that_need_no_test_decide_last)
{
    CHECK_MATCH(decide("+a-*", "n", 1), 1, SPF_FAIL);
    CHECK_MATCH(decide("~a+!", "n", 1), 1, SPF_PASS);
    CHECK_MATCH(decide("?*", "", 0), 0, SPF_NEUTRAL);
    CHECK_MATCH(decide("-!", "", 0), 0, SPF_FAIL);
}

TEST(without_a_match_it_is_the_default)
{
    CHECK_INT(decide("", "", 0).end, ENGINE_DEFAULT);
    CHECK_INT(decide("-a-a", "nn", 2).end, ENGINE_DEFAULT);
    CHECK_INT(decide("-a", "n", 1).result, SPF_NEUTRAL);
}

TEST(as_many_terms_as_there_may_be)
{
    CHECK_MATCH(decide("-a-a-a-a-a-a-a-a-a-a-a+!", "nnnnnnnnnnn", 11), 11, SPF_PASS);
    CHECK_MATCH(decide("-a-a-a-a-a-a-a-a-a-a~a-*", "nnnnnnnnnny", 11), 10, SPF_SOFTFAIL);
}

TEST(a_stop_ends_the_run_at_once)
{
    CHECK_INT(decide("+a+a+a", "nsy", 2).end, ENGINE_STOPPED);
    CHECK_INT(decide("+a", "s", 1).end, ENGINE_STOPPED);
}

/* Without a guard, libspf2 ends the process here. Sanitizers see that nothing is lost by the jump. */
TEST(an_error_of_libspf2_is_a_result)
{
    struct engine_outcome outcome = decide("+a+a-*", "ne", 2);
    CHECK_INT(outcome.end, ENGINE_BROKEN);
    CHECK_MEM(outcome.problem, strlen(outcome.problem),
              "SPF DNS layer return NULL?? during a lookup");
    for (int i = 0; i < 100; i++)
        CHECK_INT(decide("+a", "e", 1).end, ENGINE_BROKEN);
    CHECK_MATCH(decide("+a-*", "n", 1), 1, SPF_FAIL);
}

TEST(a_record_within_a_record_breaks_alone)
{
    CHECK_MATCH(decide("-a+a-*", "bn", 2), 2, SPF_FAIL);
    CHECK_MATCH(decide("~a-*", "r", 1), 0, SPF_SOFTFAIL);
    CHECK_INT(decide("-a+a-*", "be", 2).end, ENGINE_BROKEN);
}

static void someone_elses(const char *file, int line, const char *message)
{
    (void)file;
    (void)line;
    (void)message;
}
__attribute__((noreturn)) static void someone_elses_end(const char *file, int line,
                                                        const char *message)
{
    (void)file;
    (void)line;
    (void)message;
    abort();
}

TEST(the_handlers_of_others_are_put_back)
{
    SPF_error_handler = someone_elses_end;
    SPF_warning_handler = SPF_info_handler = SPF_debug_handler = someone_elses;
    CHECK_INT(decide("-a+a-*", "bn", 2).end, ENGINE_MATCH);
    CHECK(SPF_error_handler == someone_elses_end);
    CHECK(SPF_warning_handler == someone_elses && SPF_info_handler == someone_elses &&
          SPF_debug_handler == someone_elses);
    CHECK_INT(decide("+a", "e", 1).end, ENGINE_BROKEN);
    CHECK(SPF_error_handler == someone_elses_end && SPF_warning_handler == someone_elses);
}
