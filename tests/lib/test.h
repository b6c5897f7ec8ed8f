/* test.h - the few macros that our unit tests use.
 *
 * TEST(name) { ... } registers a test at start-up; the program runs all of them (or those whose
 * name contains argv[1]), prints one line a test and exits 1 if a check failed. A failed CHECK
 * leaves its test function. */
#ifndef MW_TEST_H
#define MW_TEST_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct mw_test_case {
    const char *name;
    void (*run)(void);
    struct mw_test_case *next;
};

void mw_test_register(struct mw_test_case *test);
void mw_test_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* CPU time of this thread so far, in seconds: what other programs do meanwhile does not count. */
double mw_test_cpu_s(void);

#define TEST(id)                                                 \
    static void id(void);                                        \
    __attribute__((constructor)) static void register_##id(void) \
    {                                                            \
        static struct mw_test_case test = {#id, id, NULL};       \
        mw_test_register(&test);                                 \
    }                                                            \
    static void id(void)

#define CHECK(cond)                                        \
    do {                                                   \
        if (!(cond)) {                                     \
            mw_test_fail(__FILE__, __LINE__, "%s", #cond); \
            return;                                        \
        }                                                  \
    } while (0)

#define CHECK_INT(got, want)                                                              \
    do {                                                                                  \
        long long got_ = (long long)(got), want_ = (long long)(want);                     \
        if (got_ != want_) {                                                              \
            mw_test_fail(__FILE__, __LINE__, "%s is %lld, want %lld", #got, got_, want_); \
            return;                                                                       \
        }                                                                                 \
    } while (0)

/* Compare octets given as (pointer, length) with a C string; both are printed on failure. */
#define CHECK_MEM(ptr, len, want)                                                        \
    do {                                                                                 \
        const char *want_ = (want);                                                      \
        size_t len_ = (len);                                                             \
        if (len_ != strlen(want_) || memcmp((ptr), want_, len_) != 0) {                  \
            mw_test_fail(__FILE__, __LINE__, "%s is '%.*s', want '%s'", #ptr, (int)len_, \
                         (const char *)(ptr), want_);                                    \
            return;                                                                      \
        }                                                                                \
    } while (0)
#define CHECK_SLICE(slice, want)                           \
    do {                                                   \
        struct mw_slice s_ = (slice);                      \
        CHECK(s_.ptr != NULL || s_.len == 0);              \
        CHECK_MEM(s_.len > 0 ? s_.ptr : "", s_.len, want); \
    } while (0)

/* A small deterministic random generator (xorshift64*): seeds are printed by the test that uses it.
 */
static inline uint64_t mw_test_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

#endif
