/* RFC 9989 4.7, 4.8, 4.10, 4.10.1: records. */
#include "record.h"
#include "test.h"

static struct dmarc_record record;

static bool parse(const char *text)
{
    return record_parse(slice_of(text), &record);
}

TEST(record_with_everything_is_read)
{
    CHECK(parse("v=DMARC1; p=reject; sp=quarantine; np=none; adkim=s; aspf=s; psd=n; t=y; "
                "rua=mailto:a@example.net; ruf=mailto:b@example.net; fo=1; pct=50; ri=3600"));
    CHECK(record.p == POLICY_REJECT && record.sp == POLICY_QUARANTINE && record.np == POLICY_NONE);
    CHECK(record.is_dkim_strict && record.is_spf_strict && record.is_testing && record.is_usable);
    CHECK_INT(record.psd, PSD_NO);
    CHECK(record.problem == NULL); /* pct and its kin are unknown tags by now, and no error (4.8) */
}

TEST(defaults_are_those_of_the_rfc)
{
    CHECK(parse("v=DMARC1;p=quarantine"));
    CHECK(record.p == POLICY_QUARANTINE && record.sp == POLICY_QUARANTINE &&
          record.np == POLICY_QUARANTINE);
    CHECK(!record.is_dkim_strict && !record.is_spf_strict && !record.is_testing);
    CHECK(record.psd == PSD_UNKNOWN && record.problem == NULL);
    CHECK(parse("v=DMARC1;p=none;sp=reject"));
    CHECK(record.np == POLICY_REJECT); /* np, else sp, else p (4.7) */
}

/* "If the tag is not the first in the list, or the tag is absent, or the value is not DMARC1, then the entire record MUST be ignored". */
TEST(version_decides_whether_it_is_a_record)
{
    static const char *const good[] = {"v=DMARC1", "v=DMARC1;", "v = DMARC1 ; p=none",
                                       "V=DMARC1;p=none", "v=\tDMARC1\t;"};
    static const char *const bad[] = {"",
                                      "v",
                                      "v=",
                                      "v=dmarc1; p=none",
                                      "v=DMARC1.0; p=none",
                                      "v=DMARC2; p=none",
                                      "v=DMARC1 p=none",
                                      "v=DMARC1,p=none",
                                      " v=DMARC1; p=none",
                                      "p=none; v=DMARC1",
                                      ";v=DMARC1; p=none",
                                      "vv=DMARC1; p=none",
                                      "v==DMARC1; p=none",
                                      "\"v=DMARC1; p=none\"",
                                      "v=spf1 -all"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!parse(good[i]))
            mw_test_fail(__FILE__, __LINE__, "not taken: '%s'", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (parse(bad[i]))
            mw_test_fail(__FILE__, __LINE__, "taken: '%s'", bad[i]);
    CHECK(!record_parse(SLICE("v=DMARC1\0;p=none", 16), &record));
}

/* "Syntax errors in the remainder of the record MUST be discarded in favor of default values (if any) or ignored outright" (4.8). */
TEST(what_is_broken_takes_nothing_with_it)
{
    static const char *const records[] = {
        "v=DMARC1; p=reject; adkim=x",
        "v=DMARC1; p=reject; nonsense",
        "v=DMARC1; p=reject; =",
        "v=DMARC1; aspf; p=reject",
        "v=DMARC1; p=reject; p=none",
        "v=DMARC1; p=reject; psd=maybe",
        "v=DMARC1; p=reject; t=",
        "v=DMARC1; p=reject; t=yes",
        "v=DMARC1; p=reject; sp=\xc3\xa9",
        "v=DMARC1; p=reject; adkim=s\x01",
        "v=DMARC1; p=reject\r\n; p=reject",
    };
    for (size_t i = 0; i < sizeof records / sizeof *records; i++)
        if (!parse(records[i]) || record.p != POLICY_REJECT || record.problem == NULL ||
            record.is_dkim_strict || record.is_testing || record.psd != PSD_UNKNOWN)
            mw_test_fail(__FILE__, __LINE__, "'%s': %s", records[i],
                         record.problem != NULL ? record.problem : "no problem");
    CHECK(parse("v=DMARC1;; p = REJECT ;\tunknown=1; adkim = S ;"));
    CHECK(record.p == POLICY_REJECT && record.is_dkim_strict && record.problem == NULL);
}

/* 4.10.1: with a policy that is not valid, reports decide. */
TEST(bad_policy_is_none_with_reports_and_nothing_without)
{
    static const char *const bad[] = {
        "", "p=", "p=block;", "p=none;sp=block;", "p=reject;np=x;", "sp=reject;"};
    char text[200];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "v=DMARC1;%s;rua=mailto:a@example.net", bad[i]);
        CHECK(parse(text));
        if (!record.is_usable || record.p != POLICY_NONE || record.sp != POLICY_NONE ||
            record.np != POLICY_NONE || record.problem == NULL)
            mw_test_fail(__FILE__, __LINE__, "'%s'", text);
        snprintf(text, sizeof text, "v=DMARC1;%s", bad[i]);
        CHECK(parse(text));
        if (record.is_usable)
            mw_test_fail(__FILE__, __LINE__, "usable: '%s'", text);
    }
}

TEST(reporting_uris_are_told_from_nonsense)
{
    static const char *const good[] = {"mailto:a@example.net",     "mailto:a@example.net!10m",
                                       "nonsense,mailto:a@b",      "https://example.net/%41?x=1",
                                       " mailto:a@b , mailto:c@d", "x:y!5"};
    static const char *const bad[] = {"a@example.net", "mailto:",    ":a@b",
                                      "1a:b",          ",",          "mailto:a@b!10x",
                                      "mailto:a b@c",  "mailto:%4g", "mailto:\"a\"@b",
                                      "mail to:a@b",   "mailto:!5"};
    char text[200];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(text, sizeof text, "v=DMARC1;p=x;rua=%s", good[i]);
        if (!parse(text) || !record.is_usable)
            mw_test_fail(__FILE__, __LINE__, "no URI: '%s'", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "v=DMARC1;p=x;rua=%s", bad[i]);
        if (!parse(text) || record.is_usable)
            mw_test_fail(__FILE__, __LINE__, "a URI: '%s'", bad[i]);
    }
}

TEST(several_records_are_none)
{
    struct mw_slice texts[] = {LIT("v=spf1 -all"), LIT("v=DMARC1;p=reject"), LIT(""),
                               LIT("v=DMARC1;p=none")};
    CHECK_INT(record_select(texts, 1, &record), RECORD_NONE);
    CHECK_INT(record_select(texts, 3, &record), RECORD_ONE);
    CHECK_INT(record.p, POLICY_REJECT);
    CHECK_INT(record_select(texts, 4, &record), RECORD_SEVERAL);
    CHECK_INT(record_select(NULL, 0, &record), RECORD_NONE);
}

TEST(testing_is_one_level_milder)
{
    static const struct {
        const char *text;
        enum policy own, below, missing;
    } rows[] = {
        {"v=DMARC1;p=reject;sp=quarantine;np=none", POLICY_REJECT, POLICY_QUARANTINE, POLICY_NONE},
        {"v=DMARC1;p=reject;sp=quarantine;np=none;t=y", POLICY_QUARANTINE, POLICY_NONE,
         POLICY_NONE},
        {"v=DMARC1;p=quarantine;np=reject;t=y", POLICY_NONE, POLICY_NONE, POLICY_QUARANTINE},
        {"v=DMARC1;p=none;t=y", POLICY_NONE, POLICY_NONE, POLICY_NONE},
        {"v=DMARC1;p=reject;t=n", POLICY_REJECT, POLICY_REJECT, POLICY_REJECT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK(parse(rows[i].text));
        CHECK_INT(record_policy(&record, SUBJECT_ITSELF), rows[i].own);
        CHECK_INT(record_policy(&record, SUBJECT_BELOW), rows[i].below);
        CHECK_INT(record_policy(&record, SUBJECT_MISSING), rows[i].missing);
    }
}

TEST(huge_record_is_read_in_a_moment)
{
    static char text[65536];
    size_t len = (size_t)snprintf(text, sizeof text, "v=DMARC1;p=reject;");
    while (len + 4 < sizeof text)
        memcpy(text + len, "a=1;", 4), len += 4;
    CHECK(record_parse(SLICE(text, len), &record));
    CHECK_INT(record.p, POLICY_REJECT);
}
