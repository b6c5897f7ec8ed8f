/* Keys made ready once: which one is found again, which one is not, and which one goes. */
#include "key_cache.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "dkim_kit.h"
#include "test.h"

enum { FLOOD = 3000 };

static const unsigned char none[32] = {1}, no_data[512] = {0};

/* A key of made-up numbers, others for each `seed`: no signature is good with it. */
static struct key made_up(uint32_t seed, size_t len)
{
    struct key key = {.algorithm = ALGORITHM_RSA_SHA256, .bits = 8 * len, .number_len = len};
    uint64_t state = seed;
    for (size_t i = 0; i < len; i++) {
        state = (state + 1) * UINT64_C(0x9e3779b97f4a7c15);
        key.number[i] = (unsigned char)(state >> 56);
    }
    key.number[0] |= 0x80;
    key.number[len - 1] |= 1;
    key.exponent[0] = key.exponent[2] = 1;
    key.exponent_len = 3;
    return key;
}

/* How many keys were made for one more signature: 1 or 0. -1: it was good. */
static int made_for(struct key_cache *cache, const struct key *key)
{
    uint64_t made = key_cache_made(cache);
    return key_cache_verify(cache, key, none, no_data, key->number_len)
               ? -1
               : (int)(key_cache_made(cache) - made);
}

/* ---- messages ---- */

#define MESSAGE "From: a@example.net\r\nSubject: x\r\n\r\nHello.\r\n"

static enum dkim_result verify(struct key_cache *cache, enum kit_key key, const char *domain,
                               const char *record)
{
    struct dkim_setup setup = kit_setup;
    struct kit_signer signer = {.key = key,
                                .canons = "relaxed/relaxed",
                                .names = "From:Subject",
                                .more = "",
                                .domain = domain,
                                .length = -1};
    setup.keys = cache;
    return dkim_check_verdict(kit_verify(&setup, kit_sign(&signer, LIT(MESSAGE)), record), 0)
        ->result;
}

TEST(one_key_of_two_domains_is_made_once)
{
    struct key_cache *cache = key_cache_new();
    const char *record = kit_record(KIT_RSA_2048);
    char spaced[2000];
    CHECK_INT(verify(cache, KIT_RSA_2048, "example.net", record), DKIM_PASS);
    CHECK_INT(key_cache_made(cache), 1);
    CHECK_INT(verify(cache, KIT_RSA_2048, "example.org", record), DKIM_PASS);
    CHECK_INT(verify(cache, KIT_RSA_2048, "example.net", record), DKIM_PASS);
    snprintf(spaced, sizeof spaced, "t=s; p= %.20s \t%s; n=the same", strstr(record, "p=") + 2,
             strstr(record, "p=") + 22);
    CHECK_INT(verify(cache, KIT_RSA_2048, "example.net", spaced), DKIM_PASS);
    CHECK_INT(key_cache_made(cache), 1);
    CHECK_INT(verify(cache, KIT_RSA_1024, "example.net", kit_record(KIT_RSA_1024)), DKIM_PASS);
    CHECK_INT(key_cache_made(cache), 2);
    key_cache_free(&cache);
    CHECK(cache == NULL);
}

/* What a record says besides its key is judged each time, and so is the signature. */
TEST(nothing_but_the_key_is_kept)
{
    struct key_cache *cache = key_cache_new();
    const char *record = kit_record(KIT_RSA_2048), *octets = strstr(record, "p=");
    static const struct {
        const char *front, *back;
        enum dkim_result want;
    } rows[] = {
        {"v=DKIM1; ", "", DKIM_PASS},
        {"v=DKIM1; p=;", NULL, DKIM_PERMERROR},
        {"v=DKIM1; h=sha1; ", "", DKIM_PERMERROR},
        {"v=DKIM1; s=other; ", "", DKIM_PERMERROR},
        {"k=ed25519; ", "", DKIM_PERMERROR},
        {"v=DKIM1; ", "", DKIM_PASS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[2000];
        snprintf(text, sizeof text, "%s%s", rows[i].front, rows[i].back == NULL ? "" : octets);
        CHECK_INT(verify(cache, KIT_RSA_2048, "example.net", text), rows[i].want);
    }
    CHECK_INT(verify(cache, KIT_RSA_2048, "example.net", NULL), DKIM_PERMERROR);
    CHECK_INT(verify(cache, KIT_RSA_4096, "example.net", record),
              DKIM_FAIL); /* another's signature */
    CHECK_INT(verify(cache, KIT_RSA_2048, "example.net", record),
              DKIM_PASS); /* and it did no harm */
    CHECK_INT(key_cache_made(cache), 1);
    key_cache_free(&cache);
}

TEST(without_a_cache_and_ed25519)
{
    struct key_cache *cache = key_cache_new(), *missing = NULL;
    CHECK_INT(verify(NULL, KIT_RSA_2048, "example.net", kit_record(KIT_RSA_2048)), DKIM_PASS);
    CHECK_INT(verify(NULL, KIT_RSA_1024, "example.net", kit_record(KIT_RSA_2048)), DKIM_FAIL);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(verify(cache, KIT_ED25519, "example.net", kit_record(KIT_ED25519)), DKIM_PASS);
        CHECK_INT(verify(cache, KIT_ED25519, "example.net",
                         "k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
                  DKIM_FAIL);
    }
    CHECK_INT(key_cache_made(cache), 0);
    key_cache_free(&cache);
    key_cache_free(&missing);
}

/* ---- which key ---- */

TEST(one_octet_makes_another_key)
{
    for (size_t at = 0; at < 256; at++) { /* a cache for each: eight keys always have room */
        struct key_cache *cache = key_cache_new();
        struct key key = made_up(1, 256), other = key;
        other.number[at] ^= 2; /* stays odd, and as long */
        for (int round = 0; round < 2; round++) {
            CHECK_INT(made_for(cache, &key), round == 0);
            CHECK_INT(made_for(cache, &other), round == 0);
        }
        key_cache_free(&cache);
    }
}

/* Each is the beginning of another one, or differs from it in its exponent alone. Many caches: in some of them they meet in one set. */
TEST(exponents_and_lengths_make_another_key)
{
    struct key keys[5];
    for (size_t i = 0; i < 5; i++) {
        keys[i] = made_up(1, 256);
        keys[i].number[254] |= 1;
    }
    keys[0].number[255] = 0; /* cut off */
    keys[0].number_len = 255;
    keys[2].exponent_len = 4; /* 0x01000101, and keys[1] has 0x010001 */
    keys[2].exponent[3] = 1;
    keys[3].exponent[1] = 1; /* 0x010101 */
    keys[4].exponent_len = 1;
    memcpy(keys[4].exponent, "\3\0\0", 3);
    for (int caches = 0; caches < 300; caches++) {
        struct key_cache *cache = key_cache_new();
        for (int round = 0; round < 2; round++)
            for (size_t i = 0; i < 5; i++)
                CHECK_INT(made_for(cache, &keys[i]), round == 0);
        key_cache_free(&cache);
    }
}

/* ---- which one goes ---- */

TEST(eight_keys_have_room_and_many_have_not)
{
    struct key_cache *cache = key_cache_new();
    size_t there = 0;
    for (int round = 0; round < 3; round++)
        for (uint32_t i = 0; i < 8; i++) {
            struct key key = made_up(i, 128);
            CHECK_INT(made_for(cache, &key), round == 0);
        }
    for (uint32_t i = 8; i < FLOOD; i++) {
        struct key key = made_up(i, 128);
        CHECK_INT(made_for(cache, &key), 1);
    }
    for (uint32_t i = FLOOD; i-- > 0;) { /* the youngest first: the others do not push it out */
        struct key key = made_up(i, 128);
        there += made_for(cache, &key) == 0;
    }
    CHECK_INT(there, KEY_CACHE_MAX); /* each set had more than its eight */
    key_cache_free(&cache);
}

TEST(what_is_used_stays_and_what_is_not_goes)
{
    struct key_cache *cache = key_cache_new();
    struct key used = made_up(1, 512), unused = made_up(2, 512);
    CHECK_INT(made_for(cache, &used), 1);
    CHECK_INT(made_for(cache, &unused), 1);
    for (uint32_t i = 0; i < FLOOD; i++) {
        struct key key = made_up(i, 128);
        CHECK_INT(made_for(cache, &key), 1);
        CHECK_INT(made_for(cache, &used), 0);
    }
    CHECK_INT(made_for(cache, &unused), 1); /* its eight places have had a hundred others */
    key_cache_free(&cache);
}

/* Numbers that a sender would try: they differ in the highest bits of one word. In one set eight at most would be found again, and none in this
 * order. A single secret may be unlucky; sixteen are not. */
TEST(chosen_keys_do_not_meet_in_one_set)
{
    size_t there = 0;
    for (int caches = 0; caches < 16; caches++) {
        struct key_cache *cache = key_cache_new();
        for (uint32_t i = 0; i < 2 * 128; i++) {
            struct key key = made_up(1, 128);
            uint32_t word = i << 25;
            memcpy(key.number + 64, &word, sizeof word);
            there += made_for(cache, &key) == 0;
        }
        key_cache_free(&cache);
    }
    CHECK(there > 2 * 128 && there <= 16 * 128);
}
