/* RFC 6376 3.4: canonical forms, whole, cut anywhere, and against forms made by copying (dkim_kit.h). */
#include "canon.h"

#include <openssl/evp.h>

#include "body.h"
#include "dkim_kit.h"
#include "test.h"

static char text[400000];
static struct builder out;

static void put(void *user, struct mw_slice octets)
{
    builder_put(user, octets);
}

static struct sink begin(void)
{
    out = (struct builder){text, 0, sizeof text};
    return (struct sink){put, &out};
}

static struct mw_slice field(enum canon canon, const char *name, const char *gap, const char *value)
{
    const struct field one = {slice_of(name), slice_of(gap), slice_of(value)};
    canon_field(canon, &one, begin());
    return SLICE(text, out.len);
}

static struct mw_slice body(enum canon canon, struct mw_slice in, size_t cut)
{
    struct canon_body form;
    canon_body_begin(&form, canon, begin());
    canon_body_feed(&form, SLICE(in.ptr, cut));
    canon_body_feed(&form, text_skip(in, cut));
    canon_body_end(&form);
    return SLICE(text, form.len == out.len ? out.len : 0);
}

/* 3.4.5 */
TEST(examples_of_the_rfc)
{
    CHECK_SLICE(field(CANON_RELAXED, "A", ":", " X"), "a:X\r\n");
    CHECK_SLICE(field(CANON_RELAXED, "B", " :", " Y\t\r\n\tZ  "), "b:Y Z\r\n");
    CHECK_SLICE(field(CANON_SIMPLE, "A", ":", " X"), "A: X\r\n");
    CHECK_SLICE(field(CANON_SIMPLE, "B", " :", " Y\t\r\n\tZ  "), "B : Y\t\r\n\tZ  \r\n");
    struct mw_slice in = LIT(" C \r\nD \t E\r\n\r\n\r\n");
    for (size_t cut = 0; cut <= in.len; cut++) {
        CHECK_SLICE(body(CANON_RELAXED, in, cut), " C\r\nD E\r\n");
        CHECK_SLICE(body(CANON_SIMPLE, in, cut), " C \r\nD \t E\r\n");
    }
}

TEST(header_values)
{
    CHECK_SLICE(field(CANON_RELAXED, "SubJect", ":", ""), "subject:\r\n");
    CHECK_SLICE(field(CANON_RELAXED, "X", "\t:", " \t\r\n \r\n "), "x:\r\n");
    CHECK_SLICE(field(CANON_RELAXED, "X", ":", "a\r\n b \t c"), "x:a b c\r\n");
    CHECK_SLICE(field(CANON_RELAXED, "X", ":", "a\rb\n c"), "x:a\rb\n c\r\n"); /* no line ends */
    CHECK_SLICE(field(CANON_SIMPLE, "X", ":", ""), "X:\r\n");
    const struct field own = {LIT("DKIM-Signature"), LIT(":"), LIT(" a=1;  b = AAA ;\r\n c=2")};
    canon_signature(CANON_RELAXED, &own, 10, 15, begin());
    CHECK_SLICE(SLICE(text, out.len), "dkim-signature:a=1; b =; c=2");
    canon_signature(CANON_SIMPLE, &own, 10, 15, begin());
    CHECK_SLICE(SLICE(text, out.len), "DKIM-Signature: a=1;  b =;\r\n c=2");
}

TEST(bodies)
{
    static const struct {
        const char *in, *simple, *relaxed;
    } cases[] = {
        {"", "\r\n", ""},
        {"\r\n", "\r\n", ""},
        {"\r\n\r\n\r\n", "\r\n", ""},
        {" \t \r\n\r\n", " \t \r\n", ""},
        {"a", "a\r\n", "a\r\n"},
        {"a \t", "a \t\r\n", "a\r\n"},
        {"a\r\n", "a\r\n", "a\r\n"},
        {"a\r\n\r\n \r\n", "a\r\n\r\n \r\n", "a\r\n"},
        {"\r\n\r\na\r\n\r\nb\r\n", "\r\n\r\na\r\n\r\nb\r\n", "\r\n\r\na\r\n\r\nb\r\n"},
        {"a\r\n b  c\t\t\r\n", "a\r\n b  c\t\t\r\n", "a\r\n b c\r\n"},
        {"a\rb\nc \r", "a\rb\nc \r\r\n", "a\rb\nc \r\r\n"},
        {"\r\r\n\n", "\r\r\n\n\r\n", "\r\r\n\n\r\n"},
        {"a \r\r\n", "a \r\r\n", "a \r\r\n"},
        {"a\r\n\r", "a\r\n\r\r\n", "a\r\n\r\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mw_slice in = slice_of(cases[i].in);
        for (size_t cut = 0; cut <= in.len; cut++) {
            CHECK_SLICE(body(CANON_SIMPLE, in, cut), cases[i].simple);
            CHECK_SLICE(body(CANON_RELAXED, in, cut), cases[i].relaxed);
        }
    }
}

/* 300,000 random bodies of the octets that matter, in random pieces. */
TEST(random_bodies_are_as_copied_ones)
{
    static const char alphabet[] = "ab \t\r\n\r\n\r\n";
    uint64_t seed = 20111;
    for (int round = 0; round < 300000; round++) {
        char in[40], want[50];
        size_t len = mw_test_random(&seed) % sizeof in;
        for (size_t i = 0; i < len; i++)
            in[i] = alphabet[mw_test_random(&seed) % (sizeof alphabet - 1)];
        for (int canon = 0; canon < CANONS; canon++) {
            struct canon_body form;
            canon_body_begin(&form, (enum canon)canon, begin());
            for (size_t at = 0; at < len;) {
                size_t piece = 1 + mw_test_random(&seed) % (len - at);
                canon_body_feed(&form, SLICE(in + at, piece));
                at += piece;
            }
            canon_body_end(&form);
            size_t want_len = (canon == CANON_RELAXED ? kit_relaxed_body
                                                      : kit_simple_body)(SLICE(in, len), want);
            if (out.len != want_len || memcmp(text, want, want_len) != 0)
                mw_test_fail(__FILE__, __LINE__, "round %d, canon %d", round, canon);
        }
    }
}

TEST(random_values_are_as_copied_ones)
{
    static const char alphabet[] = "ab \t\r\n\r\n ";
    uint64_t seed = 20112;
    for (int round = 0; round < 200000; round++) {
        char in[30], want[30];
        size_t len = mw_test_random(&seed) % sizeof in;
        for (size_t i = 0; i < len; i++)
            in[i] = alphabet[mw_test_random(&seed) % (sizeof alphabet - 1)];
        const struct field one = {LIT("X"), LIT(":"), SLICE(in, len)};
        canon_field(CANON_RELAXED, &one, begin());
        size_t want_len = kit_relaxed_value(SLICE(in, len), want);
        if (out.len != want_len + 4 || memcmp(text + 2, want, want_len) != 0)
            mw_test_fail(__FILE__, __LINE__, "round %d", round);
    }
}

static bool is_hash_of(const unsigned char *hash, const char *octets)
{
    unsigned char want[32];
    EVP_Digest(octets, strlen(octets), want, NULL, EVP_sha256(), NULL);
    return memcmp(hash, want, sizeof want) == 0;
}

/* Each hash of several over one body: the same forms are shared, lengths cut. */
TEST(hashes_of_one_body)
{
    struct body *body = body_new(4);
    CHECK_INT(body_want(body, CANON_RELAXED, false, 0), 0);
    CHECK_INT(body_want(body, CANON_RELAXED, true, 3), 1);
    CHECK_INT(body_want(body, CANON_SIMPLE, true, 0), 2);
    CHECK_INT(body_want(body, CANON_RELAXED, true, 3), 1);
    CHECK_INT(body_want(body, CANON_SIMPLE, true, 99), 3);
    CHECK_INT(body_want(body, CANON_RELAXED, false, 7), 0);
    body_feed(body, LIT("a  "));
    body_feed(body, LIT("b\r\n"));
    body_end(body);
    CHECK_INT(body_len(body, CANON_RELAXED), 5);
    CHECK_INT(body_len(body, CANON_SIMPLE), 6);
    CHECK(is_hash_of(body_hash(body, 0), "a b\r\n"));
    CHECK(is_hash_of(body_hash(body, 1), "a b"));
    CHECK(is_hash_of(body_hash(body, 2), ""));
    CHECK(is_hash_of(body_hash(body, 3), "a  b\r\n"));
    body_free(&body);
    CHECK(body == NULL);
}

/* 40 MB of line ends, of blanks, of text without an end: constant memory, linear time. */
TEST(long_bodies)
{
    static const char *const fills[] = {"\r\n", " ", " \r\n", "\r", "x"};
    static char piece[60000];
    for (size_t fill = 0; fill < sizeof fills / sizeof *fills; fill++) {
        size_t len = strlen(fills[fill]);
        for (size_t i = 0; i < sizeof piece; i++)
            piece[i] = fills[fill][i % len];
        struct body *body = body_new(2);
        body_want(body, CANON_RELAXED, false, 0);
        body_want(body, CANON_SIMPLE, false, 0);
        for (int i = 0; i < 700; i++)
            body_feed(body, SLICE(piece, sizeof piece));
        body_feed(body, LIT("end"));
        body_end(body);
        CHECK_INT(body_len(body, CANON_SIMPLE), 700 * sizeof piece + 5);
        body_free(&body);
    }
}
