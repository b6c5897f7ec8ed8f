/* RFC 6376 3.5, 6.1.1: one DKIM-Signature field by itself. */
#include "signature.h"

#include <stdlib.h>

#include "base64.h"
#include "test.h"

#define HASH "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
#define GOOD " v=1; a=rsa-sha256; d=example.net; s=sel; h=From:To; bh=" HASH "; b=AAAA"

static struct signature signature;
static enum dkim_result result;

static const char *parse(const char *value)
{
    return signature_parse(slice_of(value), &signature, &result);
}

/* The problem and what becomes of it: "permerror: From is not signed"; "" without. */
static const char *problem(const char *value)
{
    static char text[200];
    const char *found = parse(value);
    if (found == NULL)
        return "";
    snprintf(text, sizeof text, "%s: %s", dkim_result_name(result), found);
    return text;
}

#define CHECK_PROBLEM(value, want)                 \
    do {                                           \
        const char *found_ = problem(value);       \
        CHECK_MEM(found_, strlen(found_), (want)); \
    } while (0)

TEST(all_tags_are_read)
{
    CHECK(
        parse(" v=1; a=Ed25519-SHA256; c=relaxed/simple;\r\n\td=Example.NET; s=Sel.1; t=1; x=2; "
              "l=0;\r\n q=dns/txt; "
              "i=a=20b@mail.example.net; z=From:x|To:y;\r\n h=From : To:Subject\r\n :From; bh=" HASH
              ";\r\n b=AA\r\n AA; ") == NULL);
    CHECK_SLICE(signature.domain, "example.net");
    CHECK_SLICE(signature.selector, "sel.1");
    CHECK_SLICE(signature.identity, "a=20b@mail.example.net");
    CHECK_SLICE(signature.algorithm_name, "Ed25519-SHA256");
    CHECK(signature.algorithm == ALGORITHM_ED25519_SHA256);
    CHECK(signature.header == CANON_RELAXED && signature.body == CANON_SIMPLE);
    CHECK(signature.has_time && signature.time_s == 1 && signature.has_expiry &&
          signature.expiry_s == 2);
    CHECK(signature.has_length && signature.length == 0 && !signature.is_own_domain);
    CHECK_INT(signature.name_count, 4);
    CHECK_INT(signature.data_len, 3);
    CHECK_INT(signature.body_hash[0], 0xda);
}

TEST(defaults)
{
    CHECK(parse(GOOD) == NULL);
    CHECK(signature.header == CANON_SIMPLE && signature.body == CANON_SIMPLE);
    CHECK(!signature.has_time && !signature.has_expiry && !signature.has_length &&
          signature.is_own_domain);
    CHECK_PROBLEM(GOOD "; c=relaxed", "");
    CHECK(signature.header == CANON_RELAXED && signature.body == CANON_SIMPLE);
}

/* RFC 8601 2.7.1: syntax errors are neutral, what is missing from the message is a permerror; so is rsa-sha1 (RFC 8301 3.1). */
TEST(problems_have_names)
{
    CHECK_PROBLEM("", "neutral: v= is missing");
    CHECK_PROBLEM("v=1; a", "neutral: the field is no tag list");
    CHECK_PROBLEM(GOOD "; d=example.org", "neutral: the field is no tag list");
    CHECK_PROBLEM("v=2; a=rsa-sha256; d=example.net; s=sel; h=From; bh=" HASH "; b=AAAA",
                  "neutral: v= is not 1");
    CHECK_PROBLEM("v=1; a=rsa-sha256; d=example.net; h=From; bh=" HASH "; b=AAAA",
                  "neutral: s= is missing");
    CHECK_PROBLEM("v=1; a=rsa-sha1; d=example.net; s=sel; h=From; bh=AAAA; b=AAAA",
                  "permerror: rsa-sha1 is too weak to count");
    CHECK_PROBLEM("v=1; a=rsa-sha512; d=example.net; s=sel; h=From; bh=" HASH "; b=AAAA",
                  "neutral: unknown algorithm");
    CHECK_PROBLEM(GOOD "; c=relaxed/other", "neutral: unknown canonicalization");
    CHECK_PROBLEM(GOOD "; c=", "neutral: unknown canonicalization");
    CHECK_PROBLEM(GOOD "; q=dns", "neutral: unknown query method");
    CHECK_PROBLEM(GOOD "; q=http : dns/txt", "");
    CHECK_PROBLEM(GOOD "; l=-1", "neutral: l= is no number");
    CHECK_PROBLEM(GOOD "; t=", "neutral: t= is no number");
    CHECK_PROBLEM(GOOD "; x=12a", "neutral: x= is no number");
    CHECK_PROBLEM(GOOD "; t=10; x=10", "neutral: x= is not behind t=");
    CHECK_PROBLEM(GOOD "; t=10; x=11", "");
    CHECK_PROBLEM("v=1; a=rsa-sha256; d=example..net; s=sel; h=From; bh=" HASH "; b=AAAA",
                  "neutral: d= is no domain");
    CHECK_PROBLEM("v=1; a=rsa-sha256; d=example.net; s=a b; h=From; bh=" HASH "; b=AAAA",
                  "neutral: s= is no selector");
    CHECK_PROBLEM("v=1; a=rsa-sha256; d=example.net; s=sel; h=From; bh=AAAA; b=AAAA",
                  "neutral: bh= is no SHA-256 hash");
    CHECK_PROBLEM("v=1; a=rsa-sha256; d=example.net; s=sel; h=From; bh=" HASH "; b=",
                  "neutral: b= is no signature");
    CHECK_PROBLEM("v=1; a=rsa-sha256; d=example.net; s=sel; h=From; bh=" HASH "; b=A!",
                  "neutral: b= is no signature");
    CHECK_PROBLEM("v=1; a=rsa-sha256; d=example.net; s=sel; h=To; bh=" HASH "; b=AAAA",
                  "permerror: From is not signed");
    CHECK_PROBLEM("v=1; a=rsa-sha256; d=example.net; s=sel; h=; bh=" HASH "; b=AAAA",
                  "neutral: h= is no list of field names");
    CHECK_PROBLEM("v=1; a=rsa-sha256; d=example.net; s=sel; h=From::To; bh=" HASH "; b=AAAA",
                  "neutral: h= is no list of field names");
}

TEST(identity_is_inside_the_domain)
{
    CHECK_PROBLEM(GOOD "; i=@example.net", "");
    CHECK_PROBLEM(GOOD "; i=x@a.b.EXAMPLE.net", "");
    CHECK_PROBLEM(GOOD "; i=@net", "permerror: i= is not in the domain of d=");
    CHECK_PROBLEM(GOOD "; i=@badexample.net", "permerror: i= is not in the domain of d=");
    CHECK_PROBLEM(GOOD "; i=example.net", "permerror: i= is not in the domain of d=");
    CHECK_PROBLEM(GOOD "; i=@", "permerror: i= is not in the domain of d=");
    CHECK_PROBLEM(GOOD "; i=", "permerror: i= is not in the domain of d=");
    CHECK_PROBLEM(GOOD "; i= \r\n ; t=1", "permerror: i= is not in the domain of d=");
}

/* Other programs take the default for a tag that is missing, and then check nothing. */
TEST(no_tag_that_must_be_there_may_be_missing_or_empty)
{
    static const char *const tags[] = {"v=1",    "a=rsa-sha256", "d=example.net", "s=sel",
                                       "h=From", "bh=" HASH,     "b=AAAA"};
    enum { TAGS = sizeof tags / sizeof *tags };
    for (int without = 0; without < TAGS; without++)
        for (int is_empty = 0; is_empty < 2; is_empty++) {
            char text[400];
            struct builder list = {text, 0, sizeof text};
            for (int i = 0; i < TAGS; i++)
                if (i != without)
                    builder_putf(&list, "%s;", tags[i]);
                else if (is_empty)
                    builder_putf(&list, "%.*s= ;", (int)strcspn(tags[i], "="), tags[i]);
            CHECK(signature_parse(SLICE(text, list.len), &signature, &result) != NULL);
            CHECK_INT(result, DKIM_NEUTRAL);
        }
}

TEST(names_beyond_ascii_are_a_labels)
{
    CHECK_PROBLEM("v=1; a=rsa-sha256; d=B\xc3\xbc"
                  "cher.example; s=sel; i=@b\xc3\xbc"
                  "cher.example; h=From; bh=" HASH "; b=AAAA",
                  "");
    CHECK_SLICE(signature.domain, "xn--bcher-kva.example");
    CHECK(signature.is_own_domain);
}

TEST(what_can_be_read_of_a_bad_one_is_there)
{
    CHECK(parse("v=1; a=rsa-sha1; d=example.net; s=sel; b=abc def") != NULL);
    CHECK_SLICE(signature.domain, "example.net");
    CHECK_SLICE(signature.selector, "sel");
    CHECK_SLICE(signature.algorithm_name, "rsa-sha1");
    CHECK_SLICE(signature.data_text, "abc def");
}

/* RFC 6376 3.7: with the blanks around it, and nothing else. */
TEST(value_of_b_is_found)
{
    static const struct {
        const char *value, *front, *back;
    } cases[] = {
        {"b= AA ;a=x", "b=", ";a=x"},
        {"bh=b; b\r\n =\tAA\r\n A=\r\n ", "bh=b; b\r\n =", ""},
        {"a=b=c; b=;c=d", "a=b=c; b=", ";c=d"},
        {"b=", "b=", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        parse(cases[i].value);
        CHECK_MEM(cases[i].value, signature.data_at, cases[i].front);
        CHECK_SLICE(text_skip(slice_of(cases[i].value), signature.data_end), cases[i].back);
    }
}

TEST(large_ones_are_bounded)
{
    enum { SIZE = 70000 };
    char *text = malloc(SIZE);
    struct builder builder = {text, 0, SIZE};
    builder_put(&builder, LIT(GOOD "; z="));
    memset(text + builder.len, 'x', SIZE - builder.len);
    CHECK(signature_parse(SLICE(text, SIGNATURE_MAX), &signature, &result) == NULL);
    CHECK(strcmp(signature_parse(SLICE(text, SIZE), &signature, &result),
                 "the field is too long") == 0);
    builder.len = 0;
    builder_put(&builder,
                LIT("v=1; a=rsa-sha256; d=example.net; s=sel; bh=" HASH "; b=AAAA; h=From"));
    for (int i = 1; i < SIGNATURE_NAMES_MAX; i++)
        builder_put(&builder, LIT(":a"));
    CHECK(signature_parse(SLICE(text, builder.len), &signature, &result) == NULL);
    CHECK_INT(signature.name_count, SIGNATURE_NAMES_MAX);
    builder_put(&builder, LIT(":a"));
    CHECK(strcmp(signature_parse(SLICE(text, builder.len), &signature, &result),
                 "too many names in h=") == 0);
    free(text);
    CHECK(
        parse(
            GOOD
            "; l=99999999999999999999999999999999999999999999999999999999999999999999999999999") !=
        NULL); /* 77 */
    CHECK(
        parse(GOOD
              "; l=9999999999999999999999999999999999999999999999999999999999999999999999999999") ==
        NULL); /* 76 */
    CHECK(signature.length == UINT64_MAX);
}

/* ---- base64 ---- */

static int decode(const char *text, char out[20])
{
    size_t len;
    if (!dkim_base64(slice_of(text), (unsigned char *)out, 6, &len))
        return -1;
    out[len] = '\0';
    return (int)len;
}

TEST(base64_with_white_space)
{
    char out[20];
    CHECK_INT(decode("aGVsbG8h", out), 6);
    CHECK(strcmp(out, "hello!") == 0);
    CHECK_INT(decode(" aG\r\n VsbG8= ", out), 5);
    CHECK_INT(decode("aGVsbA==", out), 4);
    CHECK_INT(decode("aGVsbA", out), 4); /* without its padding */
    CHECK_INT(decode("aGVsbG8", out), 5);
    CHECK_INT(decode("aA= =", out), 1);
    static const char *const bad[] = {
        "",      " ", "a",    "aGVsb", "aGVsbA=", "aGVsbA===",   "aGVsbG8==",
        "aGVs=", "=", "====", "aG=Vs", "aG.Vs",   "aGVsbG8hIQ=="};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_INT(decode(bad[i], out), -1);
}
