/* test_resolver_cache.c - the cache by itself: what it keeps, what it lets go, and its hash. */
#include "net/resolver_priv.h"
#include "test.h"

static const struct mw_dns_seed seed = {1, 2};

/* An answer with one text record of `len` octets, under the name "n<number>.test". */
static void put(struct mw_dns_cache *cache, int number, size_t len, uint64_t expires_ms)
{
    static char text[65536];
    char name[32];
    struct mw_dns_key key;
    struct mw_dns_record record = {.octets = MW_SLICE(text, len)};
    struct mw_dns_parsed parsed = {.status = MW_DNS_OK, .records = &record, .count = 1};
    snprintf(name, sizeof name, "n%d.test", number);
    memset(text, 'a' + number % 26, len);
    if (!mw_dns_key_init(&key, &seed, mw_slice_cstr(name), MW_DNS_TXT))
        return;
    struct mw_dns_answer *answer = mw_dns_answer_new(&parsed, expires_ms);
    mw_dns_cache_put(cache, &key, answer);
    mw_dns_answer_unref(&answer);
}

static struct mw_dns_answer *find(struct mw_dns_cache *cache, int number, uint64_t now_ms)
{
    char name[32];
    struct mw_dns_key key;
    snprintf(name, sizeof name, "N%d.test.", number);
    return mw_dns_key_init(&key, &seed, mw_slice_cstr(name), MW_DNS_TXT)
               ? mw_dns_cache_find(cache, &key, now_ms)
               : NULL;
}

TEST(hash_is_siphash_2_4)
{ /* the vectors of the paper's reference: key 00..0f, input 00, 00 01, ... */
    static const uint64_t want[] = {UINT64_C(0x726fdb47dd0e0e31), UINT64_C(0x74f839c593dc67fd),
                                    UINT64_C(0x0d6c8009d9a94f5a), UINT64_C(0x85676696d7fb7e2d),
                                    UINT64_C(0xcf2794e0277187b7), UINT64_C(0x18765564cd99a68d),
                                    UINT64_C(0xcbc9466e58fee3ce), UINT64_C(0xab0200f58b01d137),
                                    UINT64_C(0x93f5f5799a932462), UINT64_C(0x9e0082df0ba9e4b0)};
    struct mw_dns_seed key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    char input[16];
    for (size_t i = 0; i < sizeof input; i++)
        input[i] = (char)i;
    for (size_t len = 0; len < sizeof want / sizeof want[0]; len++)
        CHECK(mw_dns_hash(&key, MW_SLICE(input, len)) == want[len]);
    CHECK(mw_dns_hash(&key, MW_SLICE(input, 15)) == UINT64_C(0xa129ca6149be45e5));
}

TEST(key_tells_types_apart_and_cases_not)
{
    struct mw_dns_key a, b, c;
    CHECK(mw_dns_key_init(&a, &seed, MW_LIT("a.test"), MW_DNS_A));
    CHECK(mw_dns_key_init(&b, &seed, MW_LIT("a.test"), MW_DNS_AAAA));
    CHECK(mw_dns_key_init(&c, &seed, MW_LIT("A.TEST."), MW_DNS_A));
    CHECK(!mw_dns_key_eq(&a, &b));
    CHECK(mw_dns_key_eq(&a, &c));
    CHECK(!mw_dns_key_init(&a, &seed, MW_LIT("a..b"), MW_DNS_A));
}

TEST(cache_gives_back_what_was_put_until_it_expires)
{
    struct mw_dns_cache *cache = mw_dns_cache_new(100);
    put(cache, 1, 10, 1000);
    struct mw_dns_answer *answer = find(cache, 1, 999);
    CHECK(answer != NULL);
    CHECK_SLICE(answer->records[0].octets, "bbbbbbbbbb");
    CHECK(find(cache, 2, 999) == NULL);
    CHECK(find(cache, 1, 1000) == NULL);
    CHECK_INT(mw_dns_cache_count(cache), 0);
    CHECK_INT(mw_dns_cache_size(cache), 0);
    mw_dns_cache_free(&cache);
}

TEST(cache_replaces_an_answer)
{
    struct mw_dns_cache *cache = mw_dns_cache_new(100);
    put(cache, 1, 10, 1000);
    put(cache, 1, 20, 2000);
    CHECK_INT(mw_dns_cache_count(cache), 1);
    CHECK_INT(find(cache, 1, 1500)->records[0].octets.len, 20);
    mw_dns_cache_free(&cache);
}

TEST(cache_lets_the_least_recently_used_go)
{
    struct mw_dns_cache *cache = mw_dns_cache_new(10);
    for (int i = 0; i < 10; i++)
        put(cache, i, 10, 1000);
    CHECK(find(cache, 0, 0) != NULL); /* used: now 1 is the oldest */
    put(cache, 10, 10, 1000);
    CHECK_INT(mw_dns_cache_count(cache), 10);
    CHECK(find(cache, 1, 0) == NULL);
    CHECK(find(cache, 0, 0) != NULL && find(cache, 2, 0) != NULL && find(cache, 10, 0) != NULL);
    mw_dns_cache_free(&cache);
}

TEST(cache_octets_are_bounded)
{
    struct mw_dns_cache *cache = mw_dns_cache_new(100);
    for (int i = 0; i < 1000; i++) {
        put(cache, i, 4000, 1000);
        CHECK(mw_dns_cache_size(cache) <= (size_t)100 * MW_DNS_CACHE_ENTRY_SIZE);
    }
    CHECK(mw_dns_cache_count(cache) > 20 && mw_dns_cache_count(cache) < 26);
    mw_dns_cache_free(&cache);
}

TEST(cache_keeps_no_answer_that_would_push_out_many)
{
    struct mw_dns_cache *cache = mw_dns_cache_new(100);
    for (int i = 0; i < 50; i++)
        put(cache, i, 10, 1000);
    put(cache, 99, 60000, 1000);
    CHECK(find(cache, 99, 0) == NULL);
    CHECK_INT(mw_dns_cache_count(cache), 50);
    mw_dns_cache_free(&cache);
}

TEST(cache_answer_outlives_its_entry)
{
    struct mw_dns_cache *cache = mw_dns_cache_new(1);
    put(cache, 1, 10, 1000);
    struct mw_dns_answer *answer = find(cache, 1, 0);
    CHECK(answer != NULL);
    mw_dns_answer_ref(answer);
    put(cache, 2, 10, 1000);
    CHECK(find(cache, 1, 0) == NULL);
    CHECK_SLICE(answer->records[0].octets, "bbbbbbbbbb");
    mw_dns_answer_unref(&answer);
    mw_dns_cache_free(&cache);
}

TEST(cache_of_no_entries_keeps_nothing)
{
    struct mw_dns_cache *cache = mw_dns_cache_new(0);
    put(cache, 1, 10, 1000);
    CHECK(cache == NULL && find(cache, 1, 0) == NULL);
    CHECK_INT(mw_dns_cache_count(cache), 0);
    mw_dns_cache_free(&cache);
}

static uint64_t keep_ms(enum mw_dns_status status, uint32_t ttl_s)
{
    return mw_dns_keep_ms(&(struct mw_dns_parsed){.status = status, .ttl_s = ttl_s});
}

TEST(answers_are_kept_for_their_ttl_within_bounds)
{
    CHECK_INT(keep_ms(MW_DNS_OK, 0), 0);
    CHECK_INT(keep_ms(MW_DNS_OK, 3599), 3599000);
    CHECK_INT(keep_ms(MW_DNS_OK, INT32_MAX), 3600000);
    CHECK_INT(keep_ms(MW_DNS_NONE, 0), 0);
    CHECK_INT(keep_ms(MW_DNS_NONE, 60), 60000);
    CHECK_INT(keep_ms(MW_DNS_NONE, 86400), 300000);
    CHECK_INT(keep_ms(MW_DNS_FAILED, 0), 2000);
}

TEST(cache_stays_whole_under_random_use)
{
    struct mw_dns_cache *cache = mw_dns_cache_new(50);
    uint64_t state = 20240607;
    for (uint64_t now = 0; now < 20000; now++) {
        uint64_t random = mw_test_random(&state);
        int number = (int)(random % 200);
        if (random >> 63)
            put(cache, number, (size_t)(random >> 8 & 0x3ff), now + (random >> 20 & 0xff));
        struct mw_dns_answer *answer = find(cache, number, now);
        CHECK(answer == NULL || answer->records[0].octets.len == 0 ||
              answer->records[0].octets.ptr[0] == 'a' + number % 26);
        CHECK(mw_dns_cache_count(cache) <= 50);
        CHECK(mw_dns_cache_size(cache) <= (size_t)50 * MW_DNS_CACHE_ENTRY_SIZE);
    }
    mw_dns_cache_free(&cache);
    CHECK(cache == NULL);
}
