/* RFC 6376 6: whole messages. The examples of RFC 6376 and RFC 8463; everything that is signed by dkim_kit.h, and what
 * becomes of it when octets change. */
#include "verify.h"

#include <stdlib.h>

#include "dkim_kit.h"
#include "test.h"

/* ---- the examples ---- */

/* RFC 6376 A.2, its key from C. */
static const char rfc6376[] = "DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\n"
                              "      c=simple/simple; q=dns/txt; i=joe@football.example.com;\n"
                              "      h=Received : From : To : Subject : Date : Message-ID;\n"
                              "      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
                              "      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB\n"
                              "      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut\n"
                              "      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV\n"
                              "      4bmp/YzhwvcubU4=;\n"
                              "Received: from client1.football.example.com  [192.0.2.1]\n"
                              "      by submitserver.example.com with SUBMISSION;\n"
                              "      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\n"
                              "From: Joe SixPack <joe@football.example.com>\n"
                              "To: Suzie Q <suzie@shopping.example.net>\n"
                              "Subject: Is dinner ready?\n"
                              "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\n"
                              "Message-ID: <20030712040037.46341.5F8J@football.example.com>\n"
                              "\n"
                              "Hi.\n"
                              "\n"
                              "We lost the game. Are you hungry yet?\n"
                              "\n"
                              "Joe.\n";
static const char rfc6376_key[] =
    "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt"
    "IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhi"
    "tdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB";

/* RFC 8463 A.3, its keys from A.2. */
static const char rfc8463[] = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\n"
                              " d=football.example.com; i=@football.example.com;\n"
                              " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\n"
                              " subject : date : message-id : from : subject : date;\n"
                              " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
                              " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\n"
                              " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\n"
                              "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\n"
                              " d=football.example.com; i=@football.example.com;\n"
                              " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\n"
                              " date : message-id : from : subject : date;\n"
                              " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
                              " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\n"
                              " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\n"
                              " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\n"
                              "From: Joe SixPack <joe@football.example.com>\n"
                              "To: Suzie Q <suzie@shopping.example.net>\n"
                              "Subject: Is dinner ready?\n"
                              "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\n"
                              "Message-ID: <20030712040037.46341.5F8J@football.example.com>\n"
                              "\n"
                              "Hi.\n"
                              "\n"
                              "We lost the game.  Are you hungry yet?\n"
                              "\n"
                              "Joe.\n";
static const char rfc8463_keys[2][300] = {
    "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6w"
    "y5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvH"
    "O9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"};

TEST(example_of_rfc6376_passes)
{
    struct dkim_check *check = kit_verify(NULL, slice_of(rfc6376), rfc6376_key);
    const struct dkim_verdict *verdict = dkim_check_verdict(check, 0);
    CHECK(verdict->result == DKIM_PASS && verdict->problem == NULL);
    CHECK_INT(dkim_check_count(check), 1);
    CHECK_SLICE(verdict->domain, "example.com");
    CHECK_SLICE(verdict->selector, "brisbane");
    CHECK_SLICE(verdict->identity, "joe@football.example.com");
    CHECK_SLICE(verdict->tag, "AuUoFEfD");
    CHECK_INT(verdict->key_bits, 1024);
}

TEST(example_of_rfc8463_passes)
{
    static struct kit_message message;
    kit_split(&message, slice_of(rfc8463));
    struct dkim_check *check = dkim_check_new(&kit_setup, message.fields, message.count, EMPTY);
    CHECK_INT(dkim_check_count(check), 2);
    CHECK_SLICE(dkim_check_question(check, 0), "brisbane._domainkey.football.example.com");
    CHECK_SLICE(dkim_check_question(check, 1), "test._domainkey.football.example.com");
    for (size_t i = 0; i < 2; i++) {
        struct mw_slice record = slice_of(rfc8463_keys[i]);
        struct mw_dns_answer answer = {sizeof answer, MW_DNS_FOUND, &record, 1, 0};
        dkim_check_answer(check, i, &answer);
    }
    for (size_t i = 0; i < message.body.len; i++) /* in pieces of one octet */
        dkim_check_feed(check, SLICE(message.body.ptr + i, 1));
    dkim_check_end(check);
    CHECK(dkim_check_verdict(check, 0)->result == DKIM_PASS);
    CHECK(dkim_check_verdict(check, 1)->result == DKIM_PASS);
    CHECK_SLICE(dkim_check_verdict(check, 0)->algorithm, "ed25519-sha256");
    CHECK_SLICE(dkim_check_verdict(check, 0)->identity, "@football.example.com");
    dkim_check_free(&check);
    CHECK(check == NULL);
}

/* ---- our own ---- */

#define HEADER                                                                                     \
    "Received: by a\r\n\tfor b\r\nFrom: Ann  <ann@example.net>\r\nTo: bob@example.org\r\nSubject " \
    ": "                                                                                           \
    "a\r\n  subject \r\nReceived: by b\r\nDate: now\r\n"
#define MESSAGE HEADER "\r\nHello  Bob, \r\n\r\nthis is it. \t\r\n\r\n\r\n"

static struct kit_signer signer(enum kit_key key, const char *canons)
{
    return (struct kit_signer){.key = key,
                               .canons = canons,
                               .names = "From:To:Subject:Received:Cc",
                               .more = "",
                               .domain = "example.net",
                               .length = -1};
}

/* The result of the first signature; *text: with its problem. */
static enum dkim_result verify(struct mw_slice message, const char *record)
{
    return dkim_check_verdict(kit_verify(NULL, message, record), 0)->result;
}

/* What kit_verify() said last, of signature 0: "policy: ..." */
static const char *verdict(const struct dkim_check *check)
{
    static char text[200];
    const struct dkim_verdict *verdict = dkim_check_verdict(check, 0);
    snprintf(text, sizeof text, "%s%s%s", dkim_result_name(verdict->result),
             verdict->problem == NULL ? "" : ": ",
             verdict->problem == NULL ? "" : verdict->problem);
    return text;
}

#define CHECK_VERDICT(setup, message, record, want)                             \
    do {                                                                        \
        const char *found_ = verdict(kit_verify((setup), (message), (record))); \
        CHECK_MEM(found_, strlen(found_), (want));                              \
    } while (0)

TEST(every_key_with_every_canonical_form)
{
    static const char *const canons[] = {"simple/simple", "simple/relaxed", "relaxed/simple",
                                         "relaxed/relaxed"};
    for (int key = KIT_RSA_1024; key < KIT_KEYS; key++)
        for (size_t i = 0; i < 4; i++) {
            struct kit_signer by = signer((enum kit_key)key, canons[i]);
            CHECK_VERDICT(NULL, kit_sign(&by, LIT(MESSAGE)), kit_record((enum kit_key)key), "pass");
        }
}

/* Each octet of the message, and each of the signature but blanks that the relaxed form does not tell apart: changed, nothing passes. */
TEST(every_changed_octet_counts)
{
    struct kit_signer by = signer(KIT_RSA_1024, "simple/simple");
    by.names = "From:To:Subject:Date:Received:Received";
    char text[2000];
    struct mw_slice message = kit_sign(&by, LIT(MESSAGE));
    CHECK(message.len < sizeof text);
    memcpy(text, message.ptr, message.len);
    message.ptr = text;
    size_t end = message.len - 4; /* empty lines at the end do not count */
    CHECK(verify(message, kit_record(KIT_RSA_1024)) == DKIM_PASS);
    size_t passed = 0;
    for (size_t i = 0; i < end; i++) {
        char was = text[i];
        if (was == '\r' || was == '\n' || was == ':') /* another message altogether */
            continue;
        text[i] = was == 'x' ? 'y' : 'x';
        struct dkim_check *check = kit_verify(NULL, message, kit_record(KIT_RSA_1024));
        bool has_passed = check != NULL && dkim_check_verdict(check, 0)->result == DKIM_PASS;
        text[i] = was;
        /* the blanks between the pieces of b= are the one thing that may change; to an x they may not */
        if (has_passed)
            passed++;
    }
    CHECK_INT(passed, 0);
}

TEST(blanks_that_relaxed_forms_forgive)
{
    struct kit_signer by = signer(KIT_ED25519, "relaxed/relaxed");
    by.names = "from:to:subject";
    char text[2000];
    struct mw_slice message = kit_sign(
        &by, LIT("From: a@example.net\r\nTo: b\r\nSubject: a b\r\n\r\nHello  Bob \r\n"));
    size_t own = message.len -
                 strlen("From: a@example.net\r\nTo: b\r\nSubject: a b\r\n\r\nHello  Bob \r\n");
    struct builder other = {text, 0, sizeof text};
    builder_put(&other, LIT("X-New: field\r\n"));
    builder_put(&other, SLICE(message.ptr, own));
    builder_put(&other, LIT("SUBJECT :\ta\r\n\tb \t\r\nFROM:a@example.net\r\nTo  :   "
                            "b\r\n\r\nHello Bob\t\r\n \r\n\r\n"));
    CHECK(verify(SLICE(text, other.len), kit_record(KIT_ED25519)) == DKIM_PASS);
}

/* 5.4.2: from the bottom up; one name too many forbids another field. */
TEST(fields_are_taken_from_the_bottom)
{
    struct kit_signer by = signer(KIT_ED25519, "simple/simple");
    char text[3000];
    by.names = "From:Received:Subject:Subject";
    struct mw_slice message = kit_sign(&by, LIT(MESSAGE));
    struct builder other = {text, 0, sizeof text};
    builder_put(&other, LIT("Received: by c\r\n"));
    builder_put(&other, message);
    CHECK_VERDICT(NULL, SLICE(text, other.len), kit_record(KIT_ED25519),
                  "pass"); /* on top, where they are added */
    other.len = 0;
    builder_put(&other,
                SLICE(message.ptr,
                      message.len - strlen("\r\nHello  Bob, \r\n\r\nthis is it. \t\r\n\r\n\r\n")));
    builder_put(&other, LIT("Received: by c\r\n\r\nHello  Bob, \r\n\r\nthis is it. \t\r\n"));
    CHECK_VERDICT(NULL, SLICE(text, other.len), kit_record(KIT_ED25519),
                  "fail: the signature is bad");
    other.len = 0;
    builder_put(&other, LIT("Subject: another\r\n"));
    builder_put(&other, message);
    CHECK_VERDICT(NULL, SLICE(text, other.len), kit_record(KIT_ED25519),
                  "fail: the signature is bad");
}

/* A signature over signatures below it, its own field left out. */
TEST(signatures_may_be_signed)
{
    struct kit_signer first = signer(KIT_ED25519, "relaxed/relaxed"),
                      second = signer(KIT_RSA_1024, "simple/simple");
    char text[3000];
    struct mw_slice message = kit_sign(&first, LIT(MESSAGE));
    memcpy(text, message.ptr, message.len);
    second.names = "From:DKIM-Signature:DKIM-Signature";
    message = kit_sign(&second, SLICE(text, message.len));
    CHECK_VERDICT(NULL, message, kit_record(KIT_RSA_1024), "pass");
}

/* 8.15: the reader may be shown the field that is not signed. */
TEST(doubled_fields_do_not_pass)
{
    struct kit_signer by = signer(KIT_ED25519, "relaxed/relaxed");
    char text[3000];
    static const struct {
        const char *names, *front, *want;
    } cases[] = {
        {"From:Subject", "From: x@example.org\r\n", "policy: more than one From"},
        {"From:Subject", "Subject: pay here\r\n", "policy: a Subject that is not signed"},
        {"From:Subject", "To: you\r\n", "pass"}, /* To is not signed at all */
        {"From:To", "To: you\r\n", "policy: a To that is not signed"},
        {"From:Content-Type", "Content-Type: text/html\r\n", "fail: the signature is bad"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        by.names = cases[i].names;
        struct builder other = {text, 0, sizeof text};
        builder_put(&other, slice_of(cases[i].front));
        builder_put(&other, kit_sign(&by, LIT(MESSAGE)));
        CHECK_VERDICT(NULL, SLICE(text, other.len), kit_record(KIT_ED25519), cases[i].want);
    }
    by.names = "From:From"; /* signed with both */
    CHECK_VERDICT(NULL, kit_sign(&by, LIT("From: a\r\nFrom: b\r\n\r\n")), kit_record(KIT_ED25519),
                  "policy: more than one From");
    CHECK_VERDICT(NULL, kit_sign(&by, LIT("To: a\r\n\r\n")), kit_record(KIT_ED25519),
                  "policy: no From");
    by.names = "From:To:To";
    CHECK_VERDICT(NULL, kit_sign(&by, LIT("From: a\r\nTo: a\r\nTo: b\r\n\r\n")),
                  kit_record(KIT_ED25519), "pass");
}

TEST(length_of_the_body)
{
    struct kit_signer by = signer(KIT_ED25519, "simple/simple");
    struct dkim_setup lax = kit_setup;
    lax.allows_length = true;
    by.length = 5;
    CHECK_VERDICT(NULL, kit_sign(&by, LIT(MESSAGE)), kit_record(KIT_ED25519),
                  "policy: a part of the body is not signed (l=)");
    CHECK_VERDICT(&lax, kit_sign(&by, LIT(MESSAGE)), kit_record(KIT_ED25519),
                  "pass: a part of the body is not signed (l=)");
    by.length = 0;
    CHECK_VERDICT(&lax, kit_sign(&by, LIT(MESSAGE)), kit_record(KIT_ED25519),
                  "pass: a part of the body is not signed (l=)");
    by.length = 31;
    CHECK_VERDICT(NULL, kit_sign(&by, LIT(MESSAGE)), kit_record(KIT_ED25519),
                  "pass"); /* the whole */
    by.length = 32;
    CHECK_VERDICT(&lax, kit_sign(&by, LIT(MESSAGE)), kit_record(KIT_ED25519),
                  "permerror: l= is beyond the end of the body");
}

TEST(times)
{
    struct kit_signer by = signer(KIT_ED25519, "simple/simple");
    static const struct {
        const char *more, *want;
    } cases[] = {
        {" t=1600000300;", "pass"},
        {" t=1600000301;", "policy: the signature was made in the future"},
        {" x=1599999700;", "pass"},
        {" x=1599999699;", "policy: the signature has expired"},
        {" x=1;", "policy: the signature has expired"},
        {" t=99999999999999999999999999;", "policy: the signature was made in the future"},
        {" t=1; x=99999999999999999999999999;", "pass"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        by.more = cases[i].more;
        CHECK_VERDICT(NULL, kit_sign(&by, LIT(MESSAGE)), kit_record(KIT_ED25519), cases[i].want);
    }
    by.more = " x=1;";
    char *bad = (char *)(uintptr_t)kit_sign(&by, LIT(MESSAGE)).ptr;
    CHECK_VERDICT(NULL, SLICE(bad, strlen(bad) - 9), kit_record(KIT_RSA_1024),
                  "permerror: the key is of another kind than the signature");
}

TEST(keys_decide)
{
    struct kit_signer by = signer(KIT_RSA_512, "relaxed/relaxed");
    char record[1000];
    CHECK_VERDICT(NULL, kit_sign(&by, LIT(MESSAGE)), kit_record(KIT_RSA_512),
                  "policy: the key is too small");
    CHECK_VERDICT(NULL, kit_sign(&by, LIT(MESSAGE)), kit_record(KIT_RSA_1024),
                  "fail: the signature is bad");
    CHECK_VERDICT(NULL, kit_sign(&by, LIT(MESSAGE)), NULL, "permerror: no key");
    CHECK_VERDICT(NULL, kit_sign(&by, LIT(MESSAGE)),
                  "v=DKIM1; p=", "permerror: the key is revoked");
    by = signer(KIT_ED25519, "relaxed/relaxed");
    snprintf(record, sizeof record, "t=y:s; k=ed25519; p=%s",
             strstr(kit_record(KIT_ED25519), "p=") + 2);
    struct dkim_check *check = kit_verify(NULL, kit_sign(&by, LIT(MESSAGE)), record);
    CHECK(dkim_check_verdict(check, 0)->result == DKIM_PASS &&
          dkim_check_verdict(check, 0)->is_testing);
    CHECK_VERDICT(NULL, kit_sign(&by, LIT("From: x\r\n\r\n")), record, "pass");
    by.more = " i=@sub.example.net;";
    CHECK_VERDICT(NULL, kit_sign(&by, LIT(MESSAGE)), record,
                  "permerror: the key is not for the domain of i=");
    CHECK_VERDICT(NULL, kit_sign(&by, LIT(MESSAGE)), kit_record(KIT_ED25519), "pass");
}

static struct dkim_check *check_with(struct mw_slice message, const struct mw_dns_answer *answer)
{
    static struct kit_message split;
    kit_split(&split, message);
    struct dkim_check *check = dkim_check_new(&kit_setup, split.fields, split.count, EMPTY);
    if (answer != NULL)
        dkim_check_answer(check, 0, answer);
    dkim_check_feed(check, split.body);
    dkim_check_end(check);
    return check;
}

#define CHECK_ANSWER(message, answer, want)                          \
    do {                                                             \
        struct dkim_check *check_ = check_with((message), (answer)); \
        const char *found_ = verdict(check_);                        \
        CHECK_MEM(found_, strlen(found_), (want));                   \
        dkim_check_free(&check_);                                    \
    } while (0)

/* 3.6.2.2: several records have no order. */
TEST(several_records_at_a_selector)
{
    struct kit_signer by = signer(KIT_ED25519, "relaxed/relaxed");
    struct mw_slice good = slice_of(kit_record(KIT_ED25519)), other = LIT("v=spf1 -all");
    struct mw_slice rsa = slice_of(kit_record(KIT_RSA_1024)),
                    wrong = LIT("k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    struct mw_slice values[] = {other, rsa, good};
    struct mw_dns_answer answer = {sizeof answer, MW_DNS_FOUND, values, 3, 0};
    CHECK_ANSWER(kit_sign(&by, LIT(MESSAGE)), &answer, "pass");
    struct mw_slice two[] = {wrong, good};
    answer = (struct mw_dns_answer){sizeof answer, MW_DNS_FOUND, two, 2, 0};
    CHECK_ANSWER(kit_sign(&by, LIT(MESSAGE)), &answer, "pass");
    struct mw_slice bad[] = {wrong, wrong, wrong, good}; /* not looked at any more */
    answer = (struct mw_dns_answer){sizeof answer, MW_DNS_FOUND, bad, 4, 0};
    CHECK_ANSWER(kit_sign(&by, LIT(MESSAGE)), &answer, "fail: the signature is bad");
    answer = (struct mw_dns_answer){sizeof answer, MW_DNS_FOUND, values, 2, 0};
    CHECK_ANSWER(kit_sign(&by, LIT(MESSAGE)), &answer, "permerror: the key record is not of DKIM1");
}

TEST(no_answer_is_temporary)
{
    struct kit_signer by = signer(KIT_ED25519, "relaxed/relaxed");
    struct mw_dns_answer answer = {sizeof answer, MW_DNS_FAILURE, NULL, 0, 0};
    CHECK_ANSWER(kit_sign(&by, LIT(MESSAGE)), &answer, "temperror: the key could not be looked up");
    CHECK_ANSWER(kit_sign(&by, LIT(MESSAGE)), NULL, "temperror: the key was not there in time");
}

/* Of several: the best one, and of equally good ones that nearest to the author (example.net). */
TEST(the_best_one_stands_for_the_message)
{
    static const char *const domains[] = {"example.org", "sub.example.net", "example.net", "net"};
    static const char *const order[] = {"example.net", "net", "sub.example.net", "example.org"};
    size_t passing[DKIM_SIGNATURES_MAX];
    char text[6000];
    struct mw_slice message = LIT("From: a@example.net\r\n\r\nx\r\n");
    for (size_t i = 0; i < 4; i++) {
        struct kit_signer by = signer(KIT_ED25519, "relaxed/relaxed");
        by.domain = domains[i];
        message = kit_sign(&by, message);
        memcpy(text, message.ptr, message.len);
        message.ptr = text;
    }
    struct dkim_check *check = kit_verify(NULL, message, kit_record(KIT_ED25519));
    CHECK_SLICE(dkim_check_verdict(check, dkim_check_best(check))->domain, "example.net");
    CHECK_INT(dkim_check_having(check, DKIM_PASS, passing), 4);
    for (size_t i = 0; i < 4; i++)
        CHECK_SLICE(dkim_check_verdict(check, passing[i])->domain, order[i]);
    CHECK(dkim_check_verdict(check, passing[2])->is_author &&
          !dkim_check_verdict(check, passing[3])->is_author);
    struct dkim_setup two = kit_setup;
    two.signatures_max = 2; /* the two on top: net, example.net */
    check = kit_verify(&two, message, kit_record(KIT_ED25519));
    CHECK_INT(dkim_check_count(check), 2);
    CHECK_INT(dkim_check_ignored(check), 2);
    CHECK_SLICE(dkim_check_verdict(check, 0)->domain, "net");
}

/* RFC 6008: no two signatures with the same header.b. */
TEST(tags_tell_signatures_apart)
{
    static const char twice[] =
        "DKIM-Signature: v=1; b=AAAAAAAAAAAA BBBB\r\nDKIM-Signature: v=1; b=AAAAAAAAAAAACBBB\r\n"
        "DKIM-Signature: b=DDDD\r\nDKIM-Signature: b=EEEEEEEEEEEE\r\nFrom: x\r\n\r\n";
    struct dkim_check *check = kit_verify(NULL, slice_of(twice), NULL);
    CHECK_SLICE(dkim_check_verdict(check, 0)->tag, "AAAAAAAAAAAAB");
    CHECK_SLICE(dkim_check_verdict(check, 1)->tag, "AAAAAAAAAAAAC");
    CHECK_SLICE(dkim_check_verdict(check, 2)->tag, "DDDD");
    CHECK_SLICE(dkim_check_verdict(check, 3)->tag, "EEEEEEEE");
}

/* ---- edited messages ---- */

static struct kit_message original;

/* Look at signature 0 again, over `text`; `body` NULL: not replaced. "part field". */
static const char *again(const struct dkim_check *check, struct mw_slice text, const char *body)
{
    static char said[200];
    static struct kit_message message;
    struct mw_slice name, octets = slice_of(body == NULL ? "" : body);
    kit_split(&message, text);
    enum dkim_part part = dkim_check_again(check, 0, message.fields, message.count,
                                           body == NULL ? NULL : &octets, &name);
    snprintf(said, sizeof said, "%s %.*s", dkim_part_name(part), (int)name.len, name.ptr);
    return said;
}

#define CHECK_AGAIN(message, body, want)                      \
    do {                                                      \
        const char *found_ = again(check, (message), (body)); \
        CHECK_MEM(found_, strlen(found_), (want));            \
    } while (0)

TEST(edits_that_keep_a_signature_and_edits_that_break_it)
{
    struct kit_signer by = signer(KIT_ED25519, "relaxed/simple");
    char signed_octets[3000], text[4000];
    struct mw_slice message = kit_sign(&by, LIT(MESSAGE));
    memcpy(signed_octets, message.ptr, message.len);
    message.ptr = signed_octets;
    size_t own = message.len - strlen(MESSAGE);
    kit_split(&original, message);
    struct dkim_check *check = kit_verify(NULL, message, kit_record(KIT_ED25519));
    CHECK(dkim_check_verdict(check, 0)->result == DKIM_PASS);
    CHECK_AGAIN(message, NULL, "none ");
    CHECK_AGAIN(message, "Hello  Bob, \r\n\r\nthis is it. \t\r\n", "none ");
    CHECK_AGAIN(message, "Hello Bob", "body ");
    static const struct {
        const char *header, *want;
    } cases[] = {
        {"X-New: a\r\n" HEADER, "none "},
        {"Received: by top\r\n" HEADER, "none "},
        {HEADER "Received: by bottom\r\n", "header Received"},
        {"Cc: carol\r\n" HEADER, "header Cc"},
        {"From: Ann <ann@example.net>\r\nReceived: by b\r\nTo: bob@example.org\r\nSubject: a "
         "subject\r\n",
         "none "},
        {"From: Ann <ann@example.net>\r\nReceived: by b\r\nTo: bob@example.org\r\nSubject: [spam] "
         "a subject\r\n",
         "header Subject"},
        {"From: Ann <ann@example.net>\r\nReceived: by b\r\nSubject: a subject\r\n", "header To"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct builder edited = {text, 0, sizeof text};
        builder_put(&edited, SLICE(message.ptr, own));
        builder_put(&edited, slice_of(cases[i].header));
        builder_put(&edited, LIT("\r\n"));
        CHECK_AGAIN(SLICE(text, edited.len), NULL, cases[i].want);
    }
    CHECK_AGAIN(LIT(MESSAGE), NULL, "signature ");
    signed_octets[own - 5] ^= 1; /* in b= */
    CHECK_AGAIN(message, NULL, "signature ");
}
