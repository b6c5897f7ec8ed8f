/* What a phisher does with signatures: his own good ones that are to count for somebody else's domain, and other people's good ones over a
 * message that shows something else. Nothing of it passes, or what passes is his own name. RFC 6376 6.1.1, 8.2, 8.15. */
#include "dkim_kit.h"
#include "test.h"

#define MESSAGE "From: x@evil.example\r\nSubject: a\r\nTo: b\r\n\r\nHello.\r\n"

static struct kit_signer signer(const char *domain, const char *names, const char *more)
{
    return (struct kit_signer){.key = KIT_ED25519,
                               .canons = "relaxed/relaxed",
                               .names = names,
                               .more = more,
                               .domain = domain,
                               .length = -1};
}

/* "pass evil.example x@evil.example": result, d=, i= of the first signature; the key is at every name. */
static const char *says(struct mw_slice message)
{
    static char text[500];
    const struct dkim_verdict *verdict = dkim_check_verdict(
        kit_verify(NULL, message, kit_record(KIT_ED25519)), 0);
    snprintf(text, sizeof text, "%s %.*s %.*s", dkim_result_name(verdict->result),
             (int)verdict->domain.len, verdict->domain.ptr, (int)verdict->identity.len,
             verdict->identity.ptr);
    return text;
}

#define CHECK_SAYS(message, want)              \
    do {                                       \
        const char *got_ = says(message);      \
        CHECK_MEM(got_, strlen(got_), (want)); \
    } while (0)

/* 6.1.1: "the domain specified in the d= tag is the same as or a parent domain of the domain part of the i= tag". */
TEST(identity_of_somebody_else_does_not_pass)
{
    static const struct {
        const char *more, *want;
    } rows[] = {
        {" i=x@evil.example;", "pass evil.example x@evil.example"},
        {" i=ceo@bank.example;", "permerror evil.example ceo@bank.example"},
        {" i=@example;", "permerror evil.example @example"},
        {" i=x@evil.example@bank.example;", "permerror evil.example x@evil.example@bank.example"},
        {" i=evil.example;", "permerror evil.example evil.example"},
        {" i=@notevil.example;", "permerror evil.example @notevil.example"},
        {" i=@bank.example.evil.example;", "pass evil.example @bank.example.evil.example"},
        {" i=@evil.example.;", "pass evil.example @evil.example."},
        {" i=x@evil.example; i=ceo@bank.example;", "neutral  "},     /* a tag twice */
        {" I=ceo@bank.example;", "pass evil.example @evil.example"}, /* no tag of DKIM */
        {" d=bank.example;", "neutral  "},
        {" D=bank.example;", "pass evil.example @evil.example"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct kit_signer by = signer("evil.example", "From:Subject", rows[i].more);
        CHECK_SAYS(kit_sign(&by, LIT(MESSAGE)), rows[i].want);
    }
}

/* What is no name, or more than one way to read one, is no domain; what is left is asked for below d= and nowhere else. */
TEST(domain_is_the_name_that_is_asked_for)
{
    static const struct {
        const char *domain, *want;
    } rows[] = {
        {"EVIL.example.", "sel._domainkey.evil.example"},
        {"bank.example.evil.example", "sel._domainkey.bank.example.evil.example"},
        {"bank.example evil.example", ""},
        {"bank.example\r\n\t.evil.example", ""},
        {"bank.example,evil.example", ""},
        {"bank.example/evil.example", ""},
        {"bank.example..", ""},
        {".bank.example", ""},
        {"[192.0.2.1]", ""},
        {"ev\xecl.example", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static struct kit_message split;
        struct kit_signer by = signer(rows[i].domain, "From", "");
        kit_split(&split, kit_sign(&by, LIT(MESSAGE)));
        struct dkim_check *check = dkim_check_new(&kit_setup, split.fields, split.count, EMPTY);
        struct mw_slice question = dkim_check_question(check, 0);
        CHECK_MEM(question.ptr, question.len, rows[i].want);
        dkim_check_free(&check);
    }
}

/* A selector with labels in it is still below d=. */
TEST(selector_leads_to_no_other_domain)
{
    static const char value[] =
        " v=1; a=ed25519-sha256; d=bank.example; s=sel._domainkey.evil.example; h=From; b=AAAA;"
        " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=";
    struct field fields[] = {{LIT("DKIM-Signature"), LIT(":"), slice_of(value)},
                             {LIT("From"), LIT(":"), LIT(" ceo@bank.example")}};
    struct dkim_check *check = dkim_check_new(&kit_setup, fields, 2, EMPTY);
    CHECK_SLICE(dkim_check_question(check, 0),
                "sel._domainkey.evil.example._domainkey.bank.example");
    dkim_check_free(&check);
}

/* 8.15: a good signature, and one From more, wherever and however it is written. */
TEST(one_more_from_never_passes)
{
    static const char *const others[] = {
        "From: ceo@bank.example\r\n",     "FROM: ceo@bank.example\r\n",
        "from : ceo@bank.example\r\n",    "From\t:ceo@bank.example\r\n",
        "From:\r\n ceo@bank.example\r\n", "From:\r\n"};
    static const char *const names[] = {"From", "From:From", "From:From:From", "Subject:From"};
    char text[4000];
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        for (size_t j = 0; j < sizeof names / sizeof *names; j++)
            for (int is_below = 0; is_below < 2; is_below++) {
                struct kit_signer by = signer("evil.example", names[j], "");
                struct builder out = {text, 0, sizeof text};
                struct mw_slice good = kit_sign(&by, LIT(MESSAGE));
                size_t head = good.len - strlen("\r\nHello.\r\n");
                builder_put(&out, is_below ? SLICE(good.ptr, head) : slice_of(others[i]));
                builder_put(&out, is_below ? slice_of(others[i]) : good);
                builder_put(&out, is_below ? text_skip(good, head) : EMPTY);
                if (strncmp(says(SLICE(text, out.len)), "pass", 4) == 0)
                    mw_test_fail(__FILE__, __LINE__, "passes: %.*s", (int)out.len, text);
            }
}

/* 5.4, 6.1.1: h= has From, or something that looks like it. */
TEST(from_itself_has_to_be_signed)
{
    static const struct {
        const char *names, *want;
    } rows[] = {
        {"From", "pass"},        {"fROM : subject", "pass"},   {"Subject", "permerror"},
        {"X-From", "permerror"}, {"Resent-From", "permerror"}, {"From_", "permerror"},
        {"Fr om", "neutral"},    {"\"From\"", "permerror"},    {"Sender:Reply-To", "permerror"},
        {"From:", "neutral"},    {":From", "neutral"},         {"From;", "neutral"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct kit_signer by = signer("evil.example", rows[i].names, "");
        const char *got = says(kit_sign(&by, LIT(MESSAGE)));
        if (strncmp(got, rows[i].want, strlen(rows[i].want)) != 0)
            mw_test_fail(__FILE__, __LINE__, "h=%s: %s", rows[i].names, got);
    }
}

/* 8.2: somebody's good signature over nothing of the body, sent with another body. */
TEST(signature_over_no_body_vouches_for_none)
{
    struct kit_signer by = signer("bank.example", "From:Subject", "");
    char text[4000];
    by.length = 0;
    struct builder out = {text, 0, sizeof text};
    struct mw_slice good = kit_sign(&by, LIT("From: ceo@bank.example\r\nSubject: a\r\n\r\n"));
    CHECK_SAYS(good, "pass bank.example @bank.example");
    builder_put(&out, kit_sign(&by, LIT("From: ceo@bank.example\r\nSubject: a\r\n\r\n")));
    builder_put(&out, LIT("Pay here.\r\n"));
    CHECK_SAYS(SLICE(text, out.len), "policy bank.example @bank.example");
}
