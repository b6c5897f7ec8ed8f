/* test_rules_regex.c - patterns: each compiled once, their cost classes, the clock that stops them,
 * advice, and one that several threads meet first. */
#include "regex.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "regex_kit.h"
#include "test.h"

/* PATIENT_US: where the deadline is not what is tested, no machine is so busy that it comes. */
enum { LIMIT = 1000000, PATIENT_US = 60000000 };
static struct mw_instance instance;

static enum regex_result match(struct regex_scratch *scratch, const struct regex *regex,
                               const char *text)
{
    rules_regex_begin(scratch, PATIENT_US);
    return rules_regex_match(scratch, regex, slice_of(text), NULL);
}

TEST(equal_patterns_are_compiled_once)
{
    struct rules *rules = regex_kit_open(&instance, LIMIT);
    struct regex *one = regex_kit_compile(rules, "a(b)c", "im", true);
    CHECK(one != NULL);
    CHECK(regex_kit_compile(rules, "a(b)c", "im", true) == one);
    CHECK(regex_kit_compile(rules, "a(b)c", "mi", true) == one);
    CHECK(regex_kit_compile(rules, "a(b)c", "i", true) != one);
    CHECK(regex_kit_compile(rules, "a(b)c", "im", false) != one);
    CHECK(regex_kit_compile(rules, "a(b)d", "im", true) != one);
    for (int i = 0; i < 1000; i++) { /* the table grows */
        char pattern[32];
        snprintf(pattern, sizeof pattern, "p%d(x)", i % 500);
        CHECK(regex_kit_compile(rules, pattern, "", true) != NULL);
    }
    CHECK(regex_kit_compile(rules, "a(b)c", "im", true) == one);
    CHECK_INT(rules_regex_groups(one), 1);
    CHECK_INT(instance.errors + instance.warnings, 0);
    regex_kit_close(&instance, rules);
}

TEST(patterns_that_are_none_are_told_each_time)
{
    struct rules *rules = regex_kit_open(&instance, LIMIT);
    CHECK(regex_kit_compile(rules, "a(", "", true) == NULL);
    CHECK(regex_kit_compile(rules, "a(", "", true) == NULL);
    CHECK(regex_kit_compile(rules, "a", "q", true) == NULL);
    CHECK(regex_kit_compile(rules, "(*UTF)a", "", false) == NULL);
    /* fits as it is, not with a callout at every item */
    CHECK(regex_kit_compile(rules, "((?:abcdefgh){900}x+)*", "", true) == NULL);
    CHECK_INT(instance.errors, 5);
    CHECK(strstr(instance.diags, "missing closing parenthesis") != NULL);
    regex_kit_close(&instance, rules);
}

/* ---- classes ---- */

static const struct {
    char class;
    const char *pattern, *flags;
} classes[] = {
    /* literals, linear */
    {'A', "viagra", "i"},
    {'A', "^abc$", ""},
    {'A', "foo\\s+bar", ""},
    {'A', "foo\\s+bar\\s+baz", ""},
    {'A', "foo\\s+\\w+", ""},
    {'A', "<a href=[^<>]*>", ""},
    {'A', "^Subject: .*offer", "m"},
    {'A', "^.*offer", ""},
    {'A', "^(?=.*abc)(?=.*def)", "s"},
    {'A', "foo.*", ""},
    {'A', "\\bbuy\\b.{0,40}\\bnow\\b", "i"},
    {'A', "(?:foo|bar|baz)qux", ""},
    {'A', "\\b[a-z]+@spam\\b", ""},
    {'A', "foo(?:\\s+bar)?baz", ""},
    {'A', "\\d{1,3}\\.\\d{1,3} dollars", ""},
    {'A', "^(?:abc){3,5}$", ""},
    /* linear, no literal */
    {'B', "^\\s*$", ""},
    {'B', "[^\\x00-\\x7f]", ""},
    {'B', "\\b\\d{3}-\\d{4}\\b", ""},
    {'B', "!!|\\$\\$", ""},
    {'B', "^[A-Z]+$", "m"},
    {'B', "\\b[a-z]+\\d", ""},
    {'B', "^a*b*c*$", ""},
    {'B', "^.$", ""},
    /* risky: starts at every place */
    {'C', "\\s+$", ""},
    {'C', "x*y", ""},
    {'C', ".*foo.*bar", "s"},
    {'C', "foo.*bar", ""},
    {'C', "<a href=[^>]*>", ""},
    {'C', "\\d+foo", ""},
    {'C', "foo\\s*\\w+bar", ""},
    {'C', "(?=.*abc)(?=.*def)", ""},
    {'C', "\\b[a-z.]+@", ""},
    /* risky: two that share */
    {'C', "^\\s*\\s*foo", ""},
    {'C', "^a+b?a+c", ""},
    {'C', "^(.*),(.*),(.*)!", ""},
    {'C', "^\\w+\\d+x", ""},
    {'C', "^a*b*a*c", ""},
    {'B', "^a*+b*a+c+b", ""},
    {'C', "^\\w+(?:\\d*|x)\\w+!", ""},
    /* risky: nested, back references, products of bounds, unknown */
    {'C', "(a+)+b", ""},
    {'C', "(?:a|a)*b", ""},
    {'C', "^(\\w+\\s?)+$", ""},
    {'C', "(\\w)\\1", ""},
    {'C', "(?:\\s*x){1,30}y", ""},
    {'C', "(?:a?){30}a{30}", ""},
    {'C', "(?:a|ab){20}c", ""},
    {'C', ".{0,100}.{0,100}x", ""},
    {'C', "(?:(?:a{30}){30}){30}b", ""},
    {'C', "[a-z]{0,5000}+x", ""},
    {'C', "(?R)?abc", ""},
    {'C', "(a)?(?(1)b|c)", ""},
    {'C', "(?:(?:(?:[ab]{1,9}){1,9}){1,9}){1,9}c", ""},
};

TEST(classes_follow_from_the_pattern)
{
    struct rules *rules = regex_kit_open(&instance, LIMIT);
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        struct regex *regex = regex_kit_compile(rules, classes[i].pattern, classes[i].flags, true);
        CHECK(regex != NULL);
        char class = "ABC"[rules_regex_class(regex)];
        if (class != classes[i].class)
            mw_test_fail(__FILE__, __LINE__, "/%s/%s is %c, want %c", classes[i].pattern,
                         classes[i].flags, class, classes[i].class);
    }
    /* a risky pattern is indexed all the same, if it can be */
    CHECK(rules_regex_literals(regex_kit_compile(rules, "foo.*bar", "", true)) != NULL);
    CHECK(rules_regex_literals(regex_kit_compile(rules, "\\s+$", "", true)) == NULL);
    CHECK(rules_regex_literals(regex_kit_compile(rules, "^.$", "", true)) == NULL);
    const struct literals *literals = rules_regex_literals(
        regex_kit_compile(rules, "foo.*ba[rz]", "", true));
    CHECK_INT(literals->count, 2);
    CHECK_SLICE(literals->clauses[0].any[0], "foo");
    CHECK_SLICE(literals->clauses[1].any[1], "baz");
    regex_kit_close(&instance, rules);
}

/* Of this thread: what other programs do meanwhile does not count. Deadlines are of the clock on the
 * wall, so that what keeps one by the wall keeps it by this. */
static double ms_since(struct timespec from)
{
    struct timespec to;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    return (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
}

static double ms_of(struct regex_scratch *scratch, const struct regex *regex, struct mw_slice text)
{
    double best = 1e9;
    for (int i = 0; i < 3; i++) {
        struct timespec from;
        rules_regex_begin(scratch, PATIENT_US);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        rules_regex_match(scratch, regex, text, NULL);
        double ms = ms_since(from);
        best = ms < best ? ms : best;
    }
    return best;
}

/* Texts made of what the patterns repeat, at two lengths: four times the text, about four times the
 * time, where a square would be sixteen. Caches that others fill may spoil one measurement, not five. */
static bool is_linear(struct regex_scratch *scratch, const struct regex *regex,
                      struct mw_slice text, double *out_part, double *out_whole)
{
    for (int tries = 0; tries < 5; tries++) {
        *out_part = ms_of(scratch, regex, SLICE(text.ptr, text.len / 4));
        *out_whole = ms_of(scratch, regex, text);
        if (*out_whole <= 10 * *out_part + 2)
            return true;
    }
    return false;
}

TEST(patterns_that_are_not_risky_take_linear_time)
{
    static const char *const fills[] = {"a",
                                        " ",
                                        "foo ",
                                        "foo",
                                        "<a href=",
                                        "ab",
                                        "a ",
                                        "1.",
                                        "x\n",
                                        "buy ",
                                        "abc",
                                        "a-",
                                        "1",
                                        "foo bar ",
                                        "foo  bar",
                                        "\t\n ",
                                        "12-",
                                        "A\n",
                                        "Subject: offe\n"};
    static char text[256 * 1024];
    struct rules *rules = regex_kit_open(&instance, LIMIT);
    struct regex_scratch *scratch = rules_regex_scratch_new(rules);
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (classes[i].class == 'C')
            continue;
        struct regex *regex = regex_kit_compile(rules, classes[i].pattern, classes[i].flags, true);
        for (size_t fill = 0; fill < sizeof fills / sizeof *fills; fill++) {
            size_t len = strlen(fills[fill]);
            for (size_t at = 0; at < sizeof text; at++)
                text[at] = fills[fill][at % len];
            double part, whole;
            if (!is_linear(scratch, regex, SLICE(text, sizeof text), &part, &whole))
                mw_test_fail(__FILE__, __LINE__, "/%s/ on '%s...': %.2f ms, then %.2f ms",
                             classes[i].pattern, fills[fill], part, whole);
        }
    }
    rules_regex_scratch_free(&scratch);
    regex_kit_close(&instance, rules);
}

/* ---- bounds ---- */

static const char *const evil[] = {
    "(\\w+)\\1[!?]",                 /* polynomial, with a reference */
    "\\s+$",                         /* quadratic, not counted by the JIT */
    "(.*),(.*),(.*),(.*)!$",         /* fourth power */
    "x*y$",                          /* quadratic */
    "(x+x+)+y",                      /* exponential */
    "(\\w+\\s?)+!",                  /* exponential */
    "^(([a-z])+.)+[A-Z]([a-z])+$",   /* exponential */
    ".*.*.*=.*",                     /* cube */
    "(?=.*a)(?=.*b)(?=.*~)",         /* quadratic lookaheads */
    "((a|b|ab)*)*c",                 /* nested */
    "(?:(?:(?:a?){9}){9}){9}z",      /* bounded, and large */
    "^(a|aa)+$",                     /* Fibonacci */
    "(?:a|b|[^x])*?(?:a|c)*?d+!~",   /* lazy */
    "((((a*)*)*)*)*b~",              /* stack */
    "(?<q>(?:[^()]|\\((?&q)\\))*)~", /* recursion */
    "([a-z ,]+)+[0-9]{3}~?!?$",      /* exponential, with an end */
};

static void fill_with(char *text, size_t size, const char *unit)
{
    size_t len = strlen(unit);
    for (size_t i = 0; i < size; i++)
        text[i] = unit[i % len];
    memcpy(text + size - 7, "!?=yZ,;", 7); /* what patterns end in is there */
}

static double slack_ms(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 300;
#else
    return 60; /* a slow machine: the figure proper is 10 */
#endif
}

TEST(evil_patterns_end_by_the_deadline_together)
{
    static const char *const fills[] = {"a", "ab ,x", "x", " \t", "(a", "a,b,"};
    static const size_t sizes[] = {20 * 1024, 100 * 1024};
    enum { EVIL = sizeof evil / sizeof *evil, BUDGET_MS = 250 };
    static char text[100 * 1024];
    struct regex *regexes[EVIL];
    struct rules *rules = regex_kit_open(&instance, LIMIT);
    struct regex_scratch *scratch = rules_regex_scratch_new(rules);
    for (size_t i = 0; i < EVIL; i++) {
        regexes[i] = regex_kit_compile(rules, evil[i], "", true);
        CHECK(regexes[i] != NULL);
        CHECK_INT(rules_regex_class(regexes[i]), REGEX_RISKY);
    }
    size_t undecided = 0;
    double worst = 0;
    for (size_t fill = 0; fill < sizeof fills / sizeof *fills; fill++)
        for (size_t size = 0; size < sizeof sizes / sizeof *sizes; size++) {
            struct timespec from;
            fill_with(text, sizes[size], fills[fill]);
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
            rules_regex_begin(scratch, BUDGET_MS * 1000);
            for (size_t i = 0; i < EVIL; i++)
                undecided += rules_regex_match(scratch, regexes[i], SLICE(text, sizes[size]),
                                               NULL) == REGEX_UNDECIDED;
            double ms = ms_since(from);
            worst = ms > worst ? ms : worst;
        }
    printf("     the longest of 12 messages took %.1f ms of %d; %zu undecided\n", worst, BUDGET_MS,
           undecided);
    CHECK(worst < BUDGET_MS + slack_ms());
    CHECK(undecided > 12);
    rules_regex_scratch_free(&scratch);
    regex_kit_close(&instance, rules);
}

TEST(each_evil_pattern_alone_ends_soon_after_its_deadline)
{
    static char text[100 * 1024];
    struct rules *rules = regex_kit_open(&instance, LIMIT);
    struct regex_scratch *scratch = rules_regex_scratch_new(rules);
    for (size_t i = 0; i < sizeof evil / sizeof *evil; i++) {
        struct regex *regex = regex_kit_compile(rules, evil[i], "", true);
        fill_with(text, sizeof text, "ab");
        struct timespec from;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        rules_regex_begin(scratch, 20000);
        rules_regex_match(scratch, regex, SLICE(text, sizeof text), NULL);
        double ms = ms_since(from);
        if (ms > 20 + slack_ms())
            mw_test_fail(__FILE__, __LINE__, "%s: %.1f ms", evil[i], ms);
    }
    rules_regex_scratch_free(&scratch);
    regex_kit_close(&instance, rules);
}

/* Once the time is over nothing more is tried, but for short texts of patterns that are not
 * risky. */
TEST(after_the_deadline_all_is_undecided_at_once)
{
    static char text[4000];
    struct rules *rules = regex_kit_open(&instance, LIMIT);
    struct regex_scratch *scratch = rules_regex_scratch_new(rules);
    struct regex *risky = regex_kit_compile(rules, "f.*o", "", true);
    struct regex *literal = regex_kit_compile(rules, "foo", "", true);
    memset(text, 'f', sizeof text);
    rules_regex_begin(scratch, 0);
    rules_regex_is_late(scratch);
    struct timespec pause = {.tv_nsec = 2000000};
    nanosleep(&pause, NULL);
    CHECK(rules_regex_is_late(scratch));
    CHECK_INT(rules_regex_match(scratch, risky, LIT("foo"), NULL), REGEX_UNDECIDED);
    CHECK_INT(rules_regex_match(scratch, literal, SLICE(text, sizeof text), NULL), REGEX_UNDECIDED);
    CHECK_INT(rules_regex_match(scratch, literal, LIT("foo"), NULL), REGEX_YES);
    CHECK_INT(match(scratch, risky, "foo"), REGEX_YES);
    rules_regex_scratch_free(&scratch);
    regex_kit_close(&instance, rules);
}

/* Long texts are tried piece by piece: a match may begin at, end behind, or reach across any edge,
 * and characters are not cut. */
TEST(matches_are_found_wherever_they_stand_in_a_long_text)
{
    enum { SIZE = 40000, EDGE = 16 * 1024 };
    static char text[SIZE + 16];
    struct rules *rules = regex_kit_open(&instance, LIMIT);
    struct regex_scratch *scratch = rules_regex_scratch_new(rules);
    struct regex *plain = regex_kit_compile(rules, "(n)eedle", "", true);
    struct regex *anchored = regex_kit_compile(rules, "^(n)eedle", "", true);
    struct regex *behind = regex_kit_compile(rules, "(?<=\xc3\xa9)(n)eedle$", "", true);
    for (size_t at = EDGE - 20; at < EDGE + 20; at += 2) {
        for (size_t i = 0; i < SIZE; i += 2)
            memcpy(text + i, "\xc3\xa9", 2);
        memcpy(text + at, "needle", 6);
        struct mw_slice captures[CAPTURES_MAX];
        rules_regex_begin(scratch, PATIENT_US);
        CHECK_INT(rules_regex_match(scratch, plain, SLICE(text, SIZE), captures), REGEX_YES);
        CHECK_INT(captures[1].ptr - text, at);
        CHECK_INT(rules_regex_match(scratch, anchored, SLICE(text, SIZE), captures), REGEX_NO);
        CHECK_INT(rules_regex_match(scratch, behind, SLICE(text, at + 6), captures), REGEX_YES);
        CHECK_INT(rules_regex_match(scratch, behind, SLICE(text, SIZE), captures), REGEX_NO);
    }
    rules_regex_scratch_free(&scratch);
    regex_kit_close(&instance, rules);
}

/* ---- threads ---- */

enum { THREADS = 4, PATTERNS = 200 };
struct job {
    const struct rules *rules;
    struct regex **regexes;
    size_t wrong;
};

static void *match_all(void *data)
{
    struct job *job = data;
    struct regex_scratch *scratch = rules_regex_scratch_new(job->rules);
    rules_regex_begin(scratch, PATIENT_US);
    for (int i = 0; i < PATTERNS; i++) {
        char text[64];
        snprintf(text, sizeof text, "some words, w%da and more", i);
        job->wrong += rules_regex_match(scratch, job->regexes[i], slice_of(text), NULL) !=
                      REGEX_YES;
        job->wrong += rules_regex_match(scratch, job->regexes[i], LIT("none"), NULL) != REGEX_NO;
    }
    rules_regex_scratch_free(&scratch);
    return NULL;
}

TEST(threads_that_meet_a_pattern_first_wait_for_its_compiler)
{
    struct regex *regexes[PATTERNS];
    struct job jobs[THREADS];
    pthread_t threads[THREADS];
    struct rules *rules = regex_kit_open(&instance, LIMIT);
    for (int i = 0; i < PATTERNS; i++) {
        char pattern[32];
        snprintf(pattern, sizeof pattern, "\\bw%d(a)\\b", i);
        regexes[i] = regex_kit_compile(rules, pattern, "", true);
    }
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){rules, regexes, 0};
        CHECK(pthread_create(&threads[i], NULL, match_all, &jobs[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_INT(jobs[i].wrong, 0);
    }
    regex_kit_close(&instance, rules);
}

/* ---- advice and prices ---- */

static const char *advice(const char *pattern, const char *flags, enum field_type type)
{
    static const char none[] = "";
    struct place place = {.file = "kit"};
    struct field field = {.name = "the.field", .type = type};
    struct rules *rules = regex_kit_open(&instance, LIMIT);
    struct regex *regex = regex_kit_compile(rules, pattern, flags, true);
    if (regex != NULL)
        rules_regex_advise(rules, regex, &place, &field);
    regex_kit_close(&instance, rules);
    const char *text = strstr(instance.diags, ": ");
    return text == NULL ? none : text + 2;
}

TEST(patterns_that_are_hardly_meant_are_told)
{
    static const struct {
        const char *pattern, *flags;
        enum field_type type;
        const char *want;
    } advices[] = {
        {"", "", TYPE_TEXT, "an empty regular expression matches everything"},
        {"a^b", "", TYPE_TEXT, "this regular expression can never match"},
        {"$x", "", TYPE_TEXT, "this regular expression can never match"},
        {"(?:a\\Ab|x\\zy)", "", TYPE_TEXT, "this regular expression can never match"},
        {"(foo$bar)+", "", TYPE_TEXT, "this regular expression can never match"},
        {"a\\Z\\s+b", "", TYPE_TEXT, "this regular expression can never match"},
        {"a^b", "m", TYPE_TEXT, ""},
        {"$x", "m", TYPE_TEXT, ""},
        {"a?^b", "", TYPE_TEXT, ""},
        {"a$\\n", "", TYPE_TEXT, ""},
        {"(?:a^b|c)", "", TYPE_TEXT, ""},
        {"(?:a^b)?c", "", TYPE_TEXT, ""},
        {"(?:a|^)b", "", TYPE_TEXT, ""},
        {"(?!a^)b$", "", TYPE_TEXT, ""},
        {"^example\\.org$", "", TYPE_TEXT, "this regular expression is a plain string"},
        {"^example.org$", "", TYPE_TEXT, ""},
        {"example\\.org", "", TYPE_ADDRESS, "the pattern matches anywhere in the.field"},
        {"@example\\.org$", "", TYPE_ADDRESS, ""},
        {"example\\.org", "", TYPE_TEXT, ""},
    };
    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++) {
        const char *got = advice(advices[i].pattern, advices[i].flags, advices[i].type);
        bool is_good = *advices[i].want == '\0'
                           ? *got == '\0'
                           : strncmp(got, advices[i].want, strlen(advices[i].want)) == 0;
        if (!is_good)
            mw_test_fail(__FILE__, __LINE__, "/%s/%s: '%s', want '%s'", advices[i].pattern,
                         advices[i].flags, got, advices[i].want);
    }
}

TEST(prices_tell_dear_patterns_from_cheap_ones)
{
    struct rules *rules = regex_kit_open(&instance, LIMIT);
    uint64_t cheap = rules_regex_price(rules, regex_kit_compile(rules, "zzyzx", "", true));
    uint64_t common = rules_regex_price(rules, regex_kit_compile(rules, "e", "", true));
    uint64_t dear = rules_regex_price(
        rules, regex_kit_compile(rules, "(?=.*zq)(?=.*qz)(\\w+)\\1!", "s", true));
    printf("     %" PRIu64 ", %" PRIu64 " and %" PRIu64 " ps an octet\n", cheap, common, dear);
    CHECK(cheap > 0);
    CHECK(cheap < 20000);
    CHECK(common > 0);
    CHECK(dear > 20 * cheap);
    regex_kit_close(&instance, rules);
}
