/* What nobody sends by accident: many signatures, huge ones, names that are chosen to be slow. All of it is bounded. */
#include <stdlib.h>

#include "dkim_kit.h"
#include "test.h"

#define HASH "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="

/* Sanitizers are slow; a quadratic search takes minutes. */
enum { SLOW_S = 5 };

TEST(ten_thousand_signatures)
{
    enum { COUNT = 10000 };
    struct field *fields = calloc(COUNT + 1, sizeof *fields);
    for (size_t i = 0; i < COUNT; i++)
        fields[i] = (struct field){
            LIT("DKIM-Signature"), LIT(":"),
            LIT(" v=1; a=rsa-sha256; d=example.net; s=s; h=From; bh=" HASH "; b=AAAA")};
    fields[COUNT] = (struct field){LIT("From"), LIT(":"), LIT(" a@example.net")};
    double begin = mw_test_cpu_s();
    struct dkim_check *check = dkim_check_new(&kit_setup, fields, COUNT + 1, EMPTY);
    CHECK_INT(dkim_check_count(check), 5);
    CHECK_INT(dkim_check_ignored(check), COUNT - 5);
    dkim_check_end(check);
    CHECK(dkim_check_verdict(check, 4)->result == DKIM_TEMPERROR);
    CHECK(mw_test_cpu_s() - begin < SLOW_S);
    dkim_check_free(&check);
    free(fields);
}

/* 512 names that differ in their last octet only, 20,000 fields of them, 50 signatures. */
TEST(names_that_look_alike)
{
    enum { COUNT = 20000, NAMES = SIGNATURE_NAMES_MAX - 1, NAME = 40 };
    static char names[NAMES][NAME + 1], value[SIGNATURE_MAX];
    struct field *fields = calloc(COUNT + 51, sizeof *fields);
    struct builder text = {value, 0, sizeof value};
    builder_put(&text, LIT(" v=1; a=rsa-sha256; d=example.net; s=s; bh=" HASH "; b=AAAA; h=From"));
    for (int i = 0; i < NAMES; i++) {
        snprintf(names[i], sizeof names[i], "xxxxxxxxxxxxxxxxxxxxx%03d", i);
        builder_putf(&text, ":%s", names[i]);
    }
    for (size_t i = 0; i < COUNT + 50; i++)
        fields[i] = i < 50 ? (struct field){LIT("DKIM-Signature"), LIT(":"), SLICE(value, text.len)}
                           : (struct field){slice_of(names[i % NAMES]), LIT(":"), LIT(" x")};
    fields[COUNT + 50] = (struct field){LIT("From"), LIT(":"), LIT(" a@example.net")};
    struct dkim_setup setup = kit_setup;
    setup.signatures_max = 50;
    double begin = mw_test_cpu_s();
    struct dkim_check *check = dkim_check_new(&setup, fields, COUNT + 51, EMPTY);
    CHECK_INT(dkim_check_count(check), 50);
    CHECK(dkim_check_question(check, 49).len > 0);
    CHECK(mw_test_cpu_s() - begin < SLOW_S);
    dkim_check_free(&check);
    free(fields);
}

/* A field of 64 KB is not read, and not kept. */
TEST(signature_of_64_kib)
{
    enum { SIZE = 65536 };
    char *value = malloc(SIZE);
    memset(value, ' ', SIZE);
    memcpy(value, "v=1; d=example.net; s=s;", 24);
    struct field fields[] = {{LIT("DKIM-Signature"), LIT(":"), SLICE(value, SIZE)},
                             {LIT("From"), LIT(":"), LIT(" a")}};
    struct dkim_check *check = dkim_check_new(&kit_setup, fields, 2, EMPTY);
    free(value);
    CHECK(dkim_check_question(check, 0).len == 0 && !dkim_check_wants_body(check));
    dkim_check_end(check);
    CHECK(dkim_check_verdict(check, 0)->result == DKIM_NEUTRAL);
    CHECK(strcmp(dkim_check_verdict(check, 0)->problem, "the field is too long") == 0);
    dkim_check_free(&check);
}

/* A selector and a domain that are good names, and none together. */
TEST(question_that_is_too_long)
{
    char label[64], value[1000];
    memset(label, 'a', 63);
    label[63] = '\0';
    snprintf(value, sizeof value,
             "v=1; a=rsa-sha256; d=%s.%s; s=%s.%s; h=From; bh=" HASH "; b=AAAA", label, label,
             label, label);
    struct field fields[] = {{LIT("DKIM-Signature"), LIT(":"), slice_of(value)},
                             {LIT("From"), LIT(":"), LIT(" a")}};
    struct dkim_check *check = dkim_check_new(&kit_setup, fields, 2, EMPTY);
    CHECK(dkim_check_question(check, 0).len == 0);
    CHECK(strcmp(dkim_check_verdict(check, 0)->problem, "the key's name is too long") == 0);
    dkim_check_free(&check);
}

/* Nothing that is asked for late, or twice, does harm. */
TEST(answers_out_of_order)
{
    struct kit_signer by = {.key = KIT_ED25519,
                            .canons = "simple/simple",
                            .names = "From",
                            .more = "",
                            .domain = "example.net",
                            .length = -1};
    static struct kit_message message;
    kit_split(&message, kit_sign(&by, LIT("From: a@example.net\r\n\r\nx\r\n")));
    struct mw_slice record = slice_of(kit_record(KIT_ED25519));
    struct mw_dns_answer good = {sizeof good, MW_DNS_FOUND, &record, 1, 0},
                         none = {sizeof none, MW_DNS_NOTHING, NULL, 0, 0};
    struct dkim_check *check = dkim_check_new(&kit_setup, message.fields, message.count, EMPTY);
    dkim_check_feed(check, message.body); /* before the key */
    dkim_check_answer(check, 0, &good);
    dkim_check_answer(check, 0, &none); /* twice */
    CHECK(dkim_check_question(check, 0).len == 0);
    dkim_check_end(check);
    dkim_check_feed(check, LIT("late"));
    CHECK(dkim_check_verdict(check, 0)->result == DKIM_PASS);
    dkim_check_free(&check);
    dkim_check_free(&check);
    CHECK(dkim_check_new(&kit_setup, message.fields + 1, message.count - 1, EMPTY) ==
          NULL); /* without the signature */
}
