/* test_spf_record.c - selection of SPF records and their grammar. RFC 7208 4.5, 4.6.1, 5, 6, 12. */
#include "check.h"
#include "record.h"
#include "test.h"

/* ---- selection ---- */

TEST(a_record_begins_with_the_version_and_a_blank_or_nothing)
{
    const struct mw_slice strings[] = {LIT("v=spf10"), LIT("v=spf1"),       LIT("spf1 -all"),
                                       LIT(" v=spf1"), LIT("v=spf1\t-all"), LIT("v=spf"),
                                       LIT(""),        LIT("v=spf1\0"),     LIT("v=spf1,a")};
    struct mw_slice record = EMPTY;
    CHECK_INT(record_select(strings, sizeof strings / sizeof *strings, &record), 1);
    CHECK_SLICE(record, "v=spf1");
}

TEST(several_records_are_counted_and_the_version_has_no_case)
{
    const struct mw_slice strings[] = {LIT("other"), LIT("V=SPF1 -all"), LIT("v=spf1 +all")};
    struct mw_slice record = EMPTY;
    CHECK_INT(record_select(strings, 3, &record), 2);
    CHECK_SLICE(record, "V=SPF1 -all");
    CHECK_INT(record_select(strings, 1, &record), 0);
    CHECK_INT(record_select(NULL, 0, &record), 0);
}

/* ---- terms ---- */

static enum record_step read_first(const char *terms, struct record_term *term,
                                   struct record_reader *reader)
{
    char record[512];
    static char kept[512];
    snprintf(record, sizeof record, "v=spf1 %s", terms);
    memcpy(kept, record, sizeof kept);
    record_begin(reader, slice_of(kept));
    return record_next(reader, term);
}

static bool is_good(const char *terms)
{
    struct record_reader reader;
    struct record_term term;
    enum record_step step = read_first(terms, &term, &reader);
    while (step == RECORD_TERM)
        step = record_next(&reader, &term);
    if (step == RECORD_BAD && (reader.problem == NULL || reader.where.len == 0))
        mw_test_fail(__FILE__, __LINE__, "no problem given");
    return step == RECORD_END;
}

TEST(terms_are_read_in_order_with_their_qualifiers)
{
    static const char *const texts[] = {"a", "-mx/24", "~ptr:x.example", "?all",
                                        "REDIRECT=%{d}.example"};
    static const enum record_kind kinds[] = {RECORD_A, RECORD_MX, RECORD_PTR, RECORD_ALL,
                                             RECORD_REDIRECT};
    static const char qualifiers[] = {'+', '-', '~', '?', 0};
    struct record_reader reader;
    struct record_term term;
    record_begin(&reader, LIT("v=spf1  a -mx/24   ~ptr:x.example ?all REDIRECT=%{d}.example  "));
    for (size_t i = 0; i < 5; i++) {
        CHECK_INT(record_next(&reader, &term), RECORD_TERM);
        CHECK_SLICE(term.text, texts[i]);
        CHECK_INT(term.kind, kinds[i]);
        CHECK_INT(term.qualifier, qualifiers[i]);
    }
    CHECK_INT(record_next(&reader, &term), RECORD_END);
    CHECK_INT(record_next(&reader, &term), RECORD_END);
}

TEST(addresses_and_prefix_lengths_are_read)
{
    struct record_reader reader;
    struct record_term term;
    CHECK_INT(read_first("ip4:192.0.2.129/25", &term, &reader), RECORD_TERM);
    CHECK(memcmp(term.address, "\xc0\0\x02\x81", 4) == 0);
    CHECK_INT(term.bits4, 25);
    CHECK_INT(read_first("ip6:2001:db8::1/0", &term, &reader), RECORD_TERM);
    CHECK(memcmp(term.address, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16) == 0);
    CHECK_INT(term.bits6, 0);
    CHECK_INT(read_first("a:x.example/8//96", &term, &reader), RECORD_TERM);
    CHECK_SLICE(term.domain, "x.example");
    CHECK_INT(term.bits4, 8);
    CHECK_INT(term.bits6, 96);
    CHECK_INT(read_first("mx//64", &term, &reader), RECORD_TERM);
    CHECK_SLICE(term.domain, "");
    CHECK_INT(term.bits4, 32);
    CHECK_INT(term.bits6, 64);
}

TEST(what_the_grammar_derives_is_good)
{
    static const char *const good[] = {"",
                                       "   ",
                                       "ALL",
                                       "+all",
                                       "a:%{d}",
                                       "a:%{d}/0//0",
                                       "a:foo:8080.example.com",
                                       "a:x.1-2",
                                       "a:x.a1",
                                       "a:x.example.",
                                       "ip4:0.0.0.0/0",
                                       "ip4:255.255.255.255",
                                       "ip6:::/128",
                                       "ip6:::ffff:192.0.2.1/96",
                                       "exists:%{i}._x.%{d2}",
                                       "include:_spf.%{o}",
                                       "ptr",
                                       "mx:a/b.example/24",
                                       "moo=%{t}%{c}",
                                       "moo=",
                                       "m.o-o_1=x",
                                       "exp=%{l}.x.example",
                                       "exists:%{L}.x.y",
                                       "exists:%%.%_.%-.%{h}",
                                       "exists:%{d128r.-+,/_=}",
                                       "all redirect=x.example exp=y.example",
                                       "a:%%",
                                       "moo=a=b",
                                       "a:=.example"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!is_good(good[i]))
            mw_test_fail(__FILE__, __LINE__, "refused: %s", good[i]);
}

TEST(what_it_does_not_derive_is_bad)
{
    static const char *const bad[] = {"all:x",
                                      "all/8",
                                      "all.",
                                      "-all.",
                                      "allx",
                                      "foo",
                                      "foo:bar",
                                      "--all",
                                      "+",
                                      "-",
                                      ":",
                                      "/",
                                      "=",
                                      "=x",
                                      "1x=y",
                                      "-exp=x.y",
                                      "+redirect=x.y",
                                      "include",
                                      "include:",
                                      "include:x",
                                      "include:x.1",
                                      "include:x.example/24",
                                      "exists",
                                      "exists:",
                                      "a:",
                                      "a/",
                                      "a/33",
                                      "a/-1",
                                      "a/032",
                                      "a/8/8",
                                      "a//129",
                                      "a//",
                                      "a///8",
                                      "a:x.example/",
                                      "a:x.example/00",
                                      "a8",
                                      "a:x.example//08",
                                      "a:111.222.33.44",
                                      "a:x.-y",
                                      "a:x.y-",
                                      "a:x..",
                                      "a:.",
                                      "mx:",
                                      "mx:abc",
                                      "ptr:",
                                      "ptr/8",
                                      "ptr:x.example/8",
                                      "ip4",
                                      "ip4:",
                                      "ip4:1.2.3",
                                      "ip4:1.2.3.4.5",
                                      "ip4:1.2.3.256",
                                      "ip4:01.2.3.4",
                                      "ip4:1.2.3.4/33",
                                      "ip4:1.2.3.4/",
                                      "ip4:1.2.3.4/032",
                                      "ip4:1.2.3.4//8",
                                      "ip4:x.example",
                                      "ip4:1.2.3.-4",
                                      "ip6",
                                      "ip6:",
                                      "ip6:::1/129",
                                      "ip6:1.2.3.4",
                                      "ip6:::1//8",
                                      "ip6:g::",
                                      "ip6:::1%eth0",
                                      "ip6:2001:db8:0:0:0:0:0:0:0",
                                      "redirect",
                                      "redirect=",
                                      "redirect=x",
                                      "redirect=x.y redirect=x.y",
                                      "exp=",
                                      "exp=x.y exp=z.y",
                                      "exp=x",
                                      "moo=%x",
                                      "moo=%{",
                                      "moo=%{d",
                                      "moo=%{z}",
                                      "moo=%{d0}",
                                      "moo=%{d00}",
                                      "moo=%{d-r}",
                                      "a:%{d}x",
                                      "a:%{d}.",
                                      "a:%{c}",
                                      "a:%{t}.example",
                                      "exists:%{R}.x.y",
                                      "a:%",
                                      "a:%a.example",
                                      "a:%{dd}",
                                      "a:%{}",
                                      "a:%{d;}",
                                      "a:%{dr2}",
                                      "a\x01",
                                      "a:\x80.example",
                                      "\x7f",
                                      "a\ta",
                                      "a\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (is_good(bad[i]))
            mw_test_fail(__FILE__, __LINE__, "taken: %s", bad[i]);
}

/* RFC 7208 4.6: an error anywhere, also behind "all". */
TEST(a_bad_term_ends_the_reading_and_is_shown)
{
    struct record_reader reader;
    struct record_term term;
    record_begin(&reader, LIT("v=spf1 all mechanism:x a:b.example"));
    CHECK_INT(record_next(&reader, &term), RECORD_TERM);
    CHECK_INT(record_next(&reader, &term), RECORD_BAD);
    CHECK_SLICE(reader.where, "mechanism:x");
    CHECK_INT(record_next(&reader, &term), RECORD_END);
}

/* A NUL ends nothing: libspf2 takes "v=spf1 a:foo\0" for a pass. */
TEST(a_nul_is_an_octet_like_others)
{
    struct record_reader reader;
    struct record_term term;
    record_begin(&reader, LIT("v=spf1 +all\0 x"));
    CHECK_INT(record_next(&reader, &term), RECORD_BAD);
    CHECK_INT(reader.where.len, 5);
}

/* Linear: a record of 4 KB of one-letter terms, and of one term. */
TEST(long_records_are_read)
{
    char record[CHECK_RECORD_MAX];
    struct record_reader reader;
    struct record_term term;
    size_t terms = 0;
    memset(record, ' ', sizeof record);
    memcpy(record, "v=spf1", 6);
    for (size_t i = 7; i < sizeof record; i += 2)
        record[i] = 'a';
    record_begin(&reader, SLICE(record, sizeof record));
    while (record_next(&reader, &term) == RECORD_TERM)
        terms++;
    CHECK_INT(terms, (sizeof record - 6) / 2);
    CHECK(reader.problem == NULL);
    memset(record + 7, 'a', sizeof record - 7);
    record_begin(&reader, SLICE(record, sizeof record));
    CHECK_INT(record_next(&reader, &term), RECORD_BAD);
}
