/* test_rules_index.c - the index never hides a match: against comparing each literal with each text,
 * and with PCRE2 in front of and behind it; edges of texts and of the scan's buffer; how much
 * memory and time ten thousand patterns take. */
#include "index.h"

#include <stdlib.h>
#include <time.h>

#include "pattern_kit.h"
#include "regex_kit.h"
#include "test.h"

static struct mw_instance instance;

/* "abc|abd & xyz" added as a pattern. */
static uint32_t add(struct index *index, const char *told)
{
    struct mw_slice slices[64];
    struct literal_clause clauses[CLAUSES_MAX] = {{slices, 0}};
    struct literals literals = {clauses, 1};
    size_t count = 0;
    for (const char *at = told; *at != '\0';) {
        size_t len = strcspn(at, "|&");
        slices[count++] = SLICE(at, len);
        clauses[literals.count - 1].count++;
        at += len;
        if (*at == '&')
            clauses[literals.count++] = (struct literal_clause){slices + count, 0};
        at += *at != '\0';
    }
    return rules_index_add(index, *told == '\0' ? NULL : &literals);
}

static bool is_candidate(struct index *index, const char *text, uint32_t id)
{
    struct index_scan *scan = rules_index_scan_new(index);
    rules_index_scan_begin(scan);
    rules_index_scan_text(scan, slice_of(text));
    bool is = rules_index_is_candidate(scan, id);
    rules_index_scan_free(&scan);
    return is;
}

TEST(candidates_have_a_literal_of_each_clause)
{
    struct index *index = rules_index_new();
    uint32_t one = add(index, "viagra"), two = add(index, "cheap|free&watches"),
             three = add(index, "");
    uint32_t four = add(index, "abc"), five = add(index, "viagra|xyz");
    rules_index_finish(index);
    CHECK_INT(rules_index_count(index), 5);
    CHECK(is_candidate(index, "buy ViAgRa now", one));
    CHECK(!is_candidate(index, "buy viagr a now", one));
    CHECK(is_candidate(index, "viagra", one));
    CHECK(is_candidate(index, "watches, cheap", two));
    CHECK(is_candidate(index, "FREE WATCHES", two));
    CHECK(!is_candidate(index, "free watch", two));
    CHECK(!is_candidate(index, "watches", two));
    CHECK(is_candidate(index, "", three));
    CHECK(is_candidate(index, "abc", four));
    CHECK(is_candidate(index, "xxabc", four));
    CHECK(!is_candidate(index, "ab", four));
    CHECK(!is_candidate(index, "", four));
    CHECK(is_candidate(index, "xyz", five));
    CHECK(is_candidate(index, "viagra", five));
    rules_index_free(&index);
    CHECK(index == NULL);
}

TEST(kelvin_and_long_s_count_as_letters)
{
    struct index *index = rules_index_new();
    uint32_t kiss = add(index, "kiss");
    rules_index_finish(index);
    CHECK(is_candidate(index, "a \xe2\x84\xaais\xc5\xbf", kiss));
    CHECK(!is_candidate(index, "a \xe2\x84\xabiss", kiss));
    CHECK(!is_candidate(index, "\xe2\x84", kiss));
    rules_index_free(&index);
}

TEST(texts_of_a_message_count_together_and_do_not_run_into_each_other)
{
    struct index *index = rules_index_new();
    uint32_t both = add(index, "first&second"), across = add(index, "abcdef");
    rules_index_finish(index);
    struct index_scan *scan = rules_index_scan_new(index);
    size_t count;
    for (int i = 0; i < 3; i++) {
        rules_index_scan_begin(scan);
        rules_index_scan_text(scan, LIT("the first abc"));
        CHECK(!rules_index_is_candidate(scan, both));
        rules_index_scan_text(scan, LIT("def the second"));
        CHECK(rules_index_is_candidate(scan, both));
        CHECK(!rules_index_is_candidate(scan, across));
        const uint32_t *ids = rules_index_candidates(scan, &count);
        CHECK_INT(count, 1);
        CHECK_INT(ids[0], both);
    }
    rules_index_scan_begin(scan);
    CHECK(!rules_index_is_candidate(scan, both));
    rules_index_candidates(scan, &count);
    CHECK_INT(count, 0);
    rules_index_scan_free(&scan);
    rules_index_free(&index);
}

TEST(an_index_of_nothing_finds_nothing)
{
    struct index *index = rules_index_new();
    rules_index_finish(index);
    struct index_scan *scan = rules_index_scan_new(index);
    size_t count = 7;
    rules_index_scan_begin(scan);
    rules_index_scan_text(scan, LIT("text"));
    rules_index_candidates(scan, &count);
    CHECK_INT(count, 0);
    CHECK_INT(rules_index_count(index), 0);
    rules_index_scan_free(&scan);
    rules_index_free(&index);
}

/* A literal at each place around the edges of the scan's buffer, whole and folded. */
TEST(literals_are_found_at_every_place_of_a_long_text)
{
    enum { SIZE = 3 * 16 * 1024 };
    static char text[SIZE + 80];
    static const char needle[] = "the quick brown fox jumps over the lazy dog, 64 octets long: thi";
    _Static_assert(sizeof needle - 1 == LITERAL_MAX, "as long as a literal may be");
    struct index *index = rules_index_new();
    uint32_t longest = add(index, needle), shortest = add(index, "zqz");
    rules_index_finish(index);
    struct index_scan *scan = rules_index_scan_new(index);
    for (size_t edge = 16 * 1024; edge < SIZE; edge += 16 * 1024)
        for (size_t at = edge - 200; at < edge + 400; at++) {
            memset(text, '.', sizeof text);
            bool is_wide = at % 2 == 0; /* everything behind moves by it */
            if (is_wide)
                memcpy(text + at - 300, "\xe2\x84\xaa", 3);
            memcpy(text + at, at % 3 ? needle : "zqz", at % 3 ? LITERAL_MAX : 3);
            rules_index_scan_begin(scan);
            rules_index_scan_text(scan, SLICE(text, SIZE));
            CHECK(rules_index_is_candidate(scan, longest) == (at % 3 != 0));
            CHECK(rules_index_is_candidate(scan, shortest) == (at % 3 == 0));
            rules_index_scan_begin(scan); /* at the very end, and cut by it */
            rules_index_scan_text(scan, SLICE(text, at + (at % 3 ? LITERAL_MAX : 3)));
            CHECK(rules_index_is_candidate(scan, at % 3 ? longest : shortest));
            rules_index_scan_begin(scan);
            rules_index_scan_text(scan, SLICE(text, at + (at % 3 ? LITERAL_MAX : 3) - 1));
            CHECK(!rules_index_is_candidate(scan, at % 3 ? longest : shortest));
        }
    rules_index_scan_free(&scan);
    rules_index_free(&index);
}

/* ---- against the slow way ---- */

/* Literals of few letters, so that they are in each other and share grams. */
static size_t random_word(uint64_t *seed, char *out, size_t min)
{
    size_t len = min + mw_test_random(seed) % 6;
    for (size_t i = 0; i < len; i++)
        out[i] = "abk s"[mw_test_random(seed) % 5];
    return len;
}

static bool has(struct mw_slice text, struct mw_slice literal)
{
    return memmem(text.ptr, text.len, literal.ptr, literal.len) != NULL;
}

TEST(random_literals_are_found_when_they_are_there)
{
    enum { PATTERNS = 300, TEXT = 300 };
    uint64_t seed = 77;
    static char octets[PATTERNS][3][2][16];
    static struct mw_slice slices[PATTERNS][3][2];
    size_t exact = 0, all = 0;
    for (int round = 0; round < 40; round++) {
        struct index *index = rules_index_new();
        for (size_t p = 0; p < PATTERNS; p++) {
            struct literal_clause clauses[3];
            for (size_t c = 0; c < 3; c++) {
                for (size_t i = 0; i < 2; i++)
                    slices[p][c][i] = SLICE(octets[p][c][i],
                                            random_word(&seed, octets[p][c][i], 3));
                clauses[c] = (struct literal_clause){slices[p][c], 2};
            }
            CHECK_INT(rules_index_add(index, &(struct literals){clauses, 1 + p % 3}), p);
        }
        rules_index_finish(index);
        struct index_scan *scan = rules_index_scan_new(index);
        for (int k = 0; k < 20; k++) {
            char text[TEXT + 16];
            size_t len = 0, count;
            while (len < (size_t)(k * 15))
                len += random_word(&seed, text + len, 1);
            rules_index_scan_begin(scan);
            rules_index_scan_text(scan, SLICE(text, len));
            rules_index_candidates(scan, &count);
            for (size_t p = 0; p < PATTERNS; p++) {
                bool want = true, is = rules_index_is_candidate(scan, (uint32_t)p);
                for (size_t c = 0; c < 1 + p % 3; c++)
                    want &= has(SLICE(text, len), slices[p][c][0]) ||
                            has(SLICE(text, len), slices[p][c][1]);
                CHECK(is || !want); /* a superset ... */
                exact += is == want;
                all++;
                count -= is;
            }
            CHECK_INT(count, 0); /* the list says the same */
        }
        rules_index_scan_free(&scan);
        rules_index_free(&index);
    }
    CHECK(exact > all * 8 / 10); /* ... and not a large one */
}

/* Random patterns over each other's texts: the hits are the same with the index and without. */
TEST(hits_are_the_same_without_the_index)
{
    enum { PATTERNS = 400, ROUNDS = 6 };
    static struct pattern_kit kits[PATTERNS];
    static struct regex *regexes[PATTERNS];
    uint64_t seed = 4;
    size_t hits = 0, indexed = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct rules *rules = regex_kit_open(&instance, 20000);
        struct regex_scratch *scratch = rules_regex_scratch_new(rules);
        struct index *index = rules_index_new();
        for (size_t i = 0; i < PATTERNS;) {
            unsigned char choices[160];
            for (size_t k = 0; k < sizeof choices; k++)
                choices[k] = (unsigned char)(mw_test_random(&seed) >> 40);
            kit_make(&kits[i], choices, sizeof choices);
            struct place place = {.file = "kit"};
            regexes[i] = rules_regex_compile(rules,
                                             SLICE(kits[i].pattern_room, kits[i].pattern.len),
                                             slice_of(kits[i].flags), &place, kits[i].is_utf);
            if (regexes[i] == NULL)
                continue;
            indexed += rules_regex_literals(regexes[i]) != NULL;
            CHECK_INT(rules_index_add(index, rules_regex_literals(regexes[i])), i);
            i++;
        }
        rules_index_finish(index);
        struct index_scan *scan = rules_index_scan_new(index);
        for (size_t t = 0; t < PATTERNS; t++) {
            struct mw_slice text = SLICE(kits[t].text_room, kits[t].text.len);
            rules_index_scan_begin(scan);
            rules_index_scan_text(scan, text);
            for (size_t i = 0; i < PATTERNS; i++) {
                if (kits[i].is_utf && text_utf8_len(text) != text.len)
                    continue;
                rules_regex_begin(scratch, 1000000);
                bool is_hit = rules_regex_match(scratch, regexes[i], text, NULL) == REGEX_YES;
                hits += is_hit && rules_regex_literals(regexes[i]) != NULL;
                if (is_hit && !rules_index_is_candidate(scan, (uint32_t)i))
                    mw_test_fail(__FILE__, __LINE__, "/%.*s/%s matches '%.*s'",
                                 (int)kits[i].pattern.len, kits[i].pattern.ptr, kits[i].flags,
                                 (int)text.len, text.ptr);
            }
        }
        rules_index_scan_free(&scan);
        rules_index_free(&index);
        rules_regex_scratch_free(&scratch);
        regex_kit_close(&instance, rules);
    }
    printf("     %zu hits of %zu indexed patterns\n", hits, indexed);
    CHECK(hits > 1000);
    CHECK(indexed > 200);
}

/* ---- size ---- */

static double ms_since(struct timespec from)
{
    struct timespec to;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    return (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
}

TEST(ten_thousand_patterns_stay_small)
{
    enum { PATTERNS = 10000 };
    struct index *index = rules_index_new();
    struct timespec from;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    for (int i = 0; i < PATTERNS; i++) {
        char told[128];
        snprintf(told, sizeof told, "offer%d|deal%d&www.shop%d.example&click here%d", i * 7, i * 13,
                 i, i % 50);
        add(index, told);
    }
    rules_index_finish(index);
    double ms = ms_since(from);
    size_t memory = rules_index_memory(index);
    printf("     %.1f ms, %zu KB\n", ms, memory / 1024);
    CHECK(memory < 9u << 20);
    CHECK(ms < 500); /* 20 is the aim in a release build; see tests/bench/rules_index.c */
    CHECK(is_candidate(index, "OFFER7 at WWW.shop1.example: click here1", 1));
    CHECK(!is_candidate(index, "OFFER7 at WWW.shop1.example: click here2", 2));
    rules_index_free(&index);
}
