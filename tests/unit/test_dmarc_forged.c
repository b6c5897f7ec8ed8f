/* What a phisher writes into a header to get dmarc=pass while a mail program shows somebody else's domain: whole headers through the proxy's
 * header and address readers, judged as if SPF and DKIM had passed for evil.example, which he owns, and for nothing else. A pass is right
 * where every address that the message shows as its From is of evil.example. Display names are not judged by DMARC (RFC 9989 11.4). */
#include <stdlib.h>

#include "dmarc_kit.h"
#include "message/address.h"
#include "message/header.h"

static const struct zone zone[] = {{"_dmarc.bank.example", "v=DMARC1;p=reject"},
                                   {"_dmarc.evil.example", "v=DMARC1;p=none"},
                                   {"_dmarc.xn--bnk-ela.example", "v=DMARC1;p=quarantine"},
                                   {NULL, NULL}};

static struct play play;

/* Memory of one message; the next one takes it over. */
static _Alignas(16) char pool[1 << 20];
static size_t used;

static void *allot(void *user, size_t size)
{
    (void)user;
    size = (size + 15) / 16 * 16;
    if (size > sizeof pool - used)
        abort();
    void *memory = memset(pool + used, 0, size);
    used += size;
    return memory;
}

/* As judge.c reads them. */
static void read_authors(const struct mw_headers *headers, struct authors *out)
{
    for (size_t i = 0; i < headers->count; i++) {
        const struct mw_address *const *list;
        struct mw_slice value = mw_field_value(&headers->fields[i]);
        if (!mw_slice_ieq(mw_field_name(&headers->fields[i]), MW_LIT("From"))) {
            authors_add_other(out, value);
            continue;
        }
        size_t count = mw_address_list(value, allot, NULL, &list);
        authors_add(out, value, list, count);
    }
    authors_close(out);
}

/* "pass evil.example": result and the domain that it is about. `identifiers`: as in dmarc_kit.h. */
static const char *judge(struct mw_slice message, const char *identifiers)
{
    static char text[300];
    static const struct mw_header_limits limits = {
        .size_max = 1 << 20, .fields_max = 1000, .hops_max = 30};
    struct mw_arena arena = {0};
    struct mw_headers headers;
    struct mw_slice body;
    size_t taken;
    bool has_hops;
    used = 0;
    mw_headers_init(&headers, &arena);
    if (mw_headers_take(&headers, &limits, message, &taken, &body, &has_hops) == MW_AGAIN)
        mw_headers_finish(&headers, &body);
    struct authors authors = {.count = 0};
    read_authors(&headers, &authors);
    play_authors(&play, zone, &authors, identifiers);
    snprintf(text, sizeof text, "%s %.*s", dmarc_result_name(play.judgement.result),
             (int)play.judgement.domain.len, play.judgement.domain.ptr);
    mw_headers_fini(&headers);
    mw_arena_fini(&arena);
    return text;
}

struct row {
    struct mw_slice header;
    const char *want;
};
#define ROW(header, want) \
    {                     \
        LIT(header), want \
    }

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *got = judge(rows[i].header, "spf:evil.example dkim:evil.example");
        if (strcmp(got, rows[i].want) != 0)
            mw_test_fail(__FILE__, __LINE__, "'%.*s': '%s', want '%s' (%s)",
                         (int)rows[i].header.len, rows[i].header.ptr, got, rows[i].want,
                         play.judgement.problem);
    }
}
#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof *(rows))

/* 11.4: out of scope. The address is judged, and it is his own. */
TEST(names_that_look_like_addresses_are_not_judged)
{
    static const struct row rows[] = {
        ROW("From: \"ceo@bank.example\" <x@evil.example>\r\n\r\n", "pass evil.example"),
        ROW("From: =?utf-8?q?ceo=40bank=2Eexample?= <x@evil.example>\r\n\r\n", "pass evil.example"),
        ROW("From: x@evil.example (ceo@bank.example)\r\n\r\n", "pass evil.example"),
        ROW("From: <@bank.example:x@evil.example>\r\n\r\n", "pass evil.example"),
        ROW("From: \"ceo@bank.example\"\r\n <x@evil.example>\r\n\r\n", "pass evil.example"),
        ROW("From: x@evil.example\r\nSender: ceo@bank.example\r\nReply-To: "
            "ceo@bank.example\r\n\r\n",
            "pass evil.example"),
    };
    CHECK_ROWS(rows);
}

/* 4.4, RFC 2047 5: the same octets are one address to one program and another to the next. */
TEST(what_programs_read_differently_does_not_pass)
{
    static const struct row rows[] = {
        /* the first '@', or the last one */
        ROW("From: ceo@bank.example@evil.example\r\n\r\n", "fail bank.example"),
        ROW("From: <ceo@bank.example@evil.example>\r\n\r\n", "fail bank.example"),
        ROW("From: \"ceo@bank.example\"@evil.example\r\n\r\n", "permerror evil.example"),
        ROW("From: \"ceo@bank.example> <\"@evil.example\r\n\r\n", "permerror evil.example"),
        /* decoded by some, and cut at the NUL that comes out */
        ROW("From: =?utf-8?q?ceo=40bank=2Eexample=00?=@evil.example\r\n\r\n",
            "permerror evil.example"),
        ROW("From: <=?utf-8?b?Y2VvQGJhbmsuZXhhbXBsZQ==?==?utf-8?Q?=00?=@evil.example>\r\n\r\n",
            "permerror evil.example"),
        ROW("From: =?x?q?ceo@bank.example,?= <x@evil.example>\r\n\r\n", "permerror evil.example"),
        ROW("From: x@=?utf-8?q?bank=2Eexample?=\r\n\r\n", "permerror "),
        /* ends at the NUL, or at the CR, for some */
        ROW("From: ceo@bank.example\0 <x@evil.example>\r\n\r\n", "permerror evil.example"),
        ROW("From: ceo@bank.example\rX <x@evil.example>\r\n\r\n", "permerror evil.example"),
        ROW("From: x@evil.example\r\r\n\r\n", "permerror evil.example"),
        /* an entry that has no address, but shows one */
        ROW("From: \"ceo@bank.example\", x@evil.example\r\n\r\n", "permerror evil.example"),
        ROW("From: =?utf-8?q?ceo=40bank=2Eexample?=, x@evil.example\r\n\r\n",
            "permerror evil.example"),
        ROW("From: x@evil.example \"<ceo@bank.example>\"\r\n\r\n", "permerror evil.example"),
        /* a name that is an address, without its quotes */
        ROW("From: ceo@bank.example <x@evil.example>\r\n\r\n", "permerror evil.example"),
        ROW("From: ceo@bank.example\r\n <x@evil.example>\r\n\r\n", "permerror evil.example"),
        ROW("From: y@evil.example <x@evil.example>\r\n\r\n", "pass evil.example"),
        /* nothing closes, or too much */
        ROW("From: )<ceo<x@evil.example>@bank.example\r\n\r\n", "permerror evil.example"),
        ROW("From: <x@evil.example>@bank.example\r\n\r\n", "permerror evil.example"),
        ROW("From: \"x@evil.example\r\n\r\n", "permerror evil.example"),
        ROW("From: ceo@bank.example (<x@evil.example>\r\n\r\n", "fail bank.example"),
        ROW("From: <x@evil.example> \"<ceo@bank.example>\"\r\n\r\n", "permerror evil.example"),
        /* GMime gives a name up that begins so, and an address with a word at a quoted string, and goes on behind the next ',', wherever it is */
        ROW("From: .NET \"a, ceo@bank.example\" <x@evil.example>\r\n\r\n",
            "permerror evil.example"),
        ROW("From: .\"a,<ceo@bank.example>\"<x@evil.example>\r\n\r\n", "permerror evil.example"),
        ROW("From: . (,ceo@bank.example) <x@evil.example>\r\n\r\n", "permerror evil.example"),
        ROW("From: . (\\,ceo@bank.example) <x@evil.example>\r\n\r\n", "permerror evil.example"),
        ROW("From: [l] \"a, ceo@bank.example\" <x@evil.example>\r\n\r\n", "permerror evil.example"),
        ROW("From: [l] \"a\\, ceo@bank.example\" <x@evil.example>\r\n\r\n",
            "permerror evil.example"),
        ROW("From: y@evil.example, .\"a; ceo@bank.example\" <x@evil.example>\r\n\r\n",
            "permerror evil.example"),
        ROW("From: a\";,ceo@bank.example\"@evil.example <x@evil.example>\r\n\r\n",
            "permerror evil.example"),
        ROW("From: \",ceo@bank.example,\"a@evil.example <x@evil.example>\r\n\r\n",
            "permerror evil.example"),
        ROW("From: .NET Foundation <x@evil.example>\r\n\r\n", "pass evil.example"),
        ROW("From: .NET \"Foundation\" <x@evil.example>, (a, b) \"c, d\" "
            "<y@evil.example>\r\n\r\n",
            "pass evil.example"),
        ROW("From: [list] Some One <x@evil.example>\r\n\r\n", "pass evil.example"),
        ROW("From: a.\"b\".c@evil.example\r\n\r\n", "pass evil.example"),
        /* a local part of RFC 6532 is no reason for GMime to give up, one of another charset is */
        ROW("From: \"M\xc3\xbcller, Hans\" <m\xc3\xbcller@evil.example>\r\n\r\n",
            "pass evil.example"),
        ROW("From: m\xc3\xbcller@evil.example (M\xc3\xbcller, Hans)\r\n\r\n", "pass evil.example"),
        ROW("From: \"a, ceo@bank.example\" <m\xfcller@evil.example>\r\n\r\n",
            "permerror evil.example"),
        ROW("From: \"a, ceo@bank.example\" <m\xc3\xbcll\xc3@evil.example>\r\n\r\n",
            "permerror evil.example"),
        /* 8-bit octets of no charset that anybody named */
        ROW("From: x@ev\xecl.example\r\n\r\n", "permerror xn--evl-oma.example"),
    };
    CHECK_ROWS(rows);
}

/* 11.5: every domain that is shown is judged. */
TEST(several_addresses_hide_nobody)
{
    static const struct row rows[] = {
        ROW("From: x@evil.example, ceo@bank.example\r\n\r\n", "fail bank.example"),
        ROW("From: ceo@bank.example, x@evil.example\r\n\r\n", "fail bank.example"),
        ROW("From: <x@evil.example> <ceo@bank.example>\r\n\r\n", "fail bank.example"),
        ROW("From: <x@evil.example ceo@bank.example>\r\n\r\n", "fail bank.example"),
        ROW("From: <<ceo@bank.example> x@evil.example>\r\n\r\n", "fail bank.example"),
        ROW("From: <ceo@bank.example:x@evil.example>\r\n\r\n", "fail bank.example"),
        ROW("From: x@evil.example; ceo@bank.example\r\n\r\n", "fail bank.example"),
        ROW("From: ceo@bank.example: x@evil.example;\r\n\r\n", "fail bank.example"),
        ROW("From: Group: x@evil.example, ceo@bank.example;\r\n\r\n", "fail bank.example"),
        ROW("From: Group:;, ceo@bank.example, x@evil.example\r\n\r\n", "fail bank.example"),
        ROW("From: (x, <x@evil.example>) ceo@bank.example\r\n\r\n", "fail bank.example"),
        ROW("From: \"x@evil.example <ceo@bank.example>\r\n\r\n", "fail bank.example"),
        ROW("From: x@evil.example,\r\n\tceo@bank.example\r\n\r\n", "fail bank.example"),
        ROW("From: x@evil.example\r\n \r\n ceo@bank.example\r\n\r\n", "fail bank.example"),
        ROW("From: x@evil.example\rFrom: ceo@bank.example\r\n\r\n", "fail bank.example"),
    };
    CHECK_ROWS(rows);
}

/* 4.4: a repeated From cannot be aligned, whoever is in it. */
TEST(several_from_fields_do_not_pass)
{
    static const struct row rows[] = {
        ROW("From: x@evil.example\r\nFrom: ceo@bank.example\r\n\r\n", "fail bank.example"),
        ROW("From: ceo@bank.example\r\nX: y\r\nFrom: x@evil.example\r\n\r\n", "fail bank.example"),
        ROW("FROM : ceo@bank.example\r\nfrom\t:x@evil.example\r\n\r\n", "fail bank.example"),
        ROW("From ceo@bank.example Mon Jan  5 00:00:00 2026\r\nFrom: x@evil.example\r\n\r\n",
            "pass evil.example"), /* an mbox line is no field */
        ROW("From: x@evil.example\r\nFrom: y@evil.example\r\n\r\n", "permerror evil.example"),
        ROW("From: x@evil.example\r\nFrom:\r\n\r\n", "permerror evil.example"),
        ROW("From:\r\nSender: x@evil.example\r\n\r\n", "permerror "),
        ROW("Sender: x@evil.example\r\n\r\nFrom: ceo@bank.example\r\n", "permerror "),
        ROW("From\0: x@evil.example\r\nFrom: x@evil.example\r\n\r\n", "permerror "),
        ROW("Resent-From: x@evil.example\r\nX-From: x@evil.example\r\n\r\n", "permerror "),
    };
    CHECK_ROWS(rows);
}

/* Python's email ends a line at a bare CR, and others at other controls. With `bare-cr pass`, or in binary mail, such a header comes this far. */
TEST(from_hidden_behind_a_line_end_of_others_does_not_pass)
{
    static const struct row rows[] = {
        ROW("Subject: s\rFrom: ceo@bank.example\r\nFrom: x@evil.example\r\n\r\n",
            "permerror evil.example"),
        ROW("From: x@evil.example\r\nSubject: s\r\n t\rfROM \t: ceo@bank.example\r\n\r\n",
            "permerror evil.example"),
        ROW("Subject:\rFrom:ceo@bank.example\r\nFrom: x@evil.example\r\n\r\n",
            "permerror evil.example"),
        ROW("Subject: s\r\rFrom: ceo@bank.example\r\nFrom: x@evil.example\r\n\r\n",
            "permerror evil.example"),
        ROW("Subject: s\0From: ceo@bank.example\r\nFrom: x@evil.example\r\n\r\n",
            "permerror evil.example"),
        ROW("Subject: s\fFrom: ceo@bank.example\r\nFrom: x@evil.example\r\n\r\n",
            "permerror evil.example"),
        /* another field, a fold, or nothing that ends a line */
        ROW("Subject: s\rFrom ceo@bank.example\r\nFrom: x@evil.example\r\n\r\n",
            "pass evil.example"),
        ROW("Subject: s\rFro\r\nFrom: x@evil.example\r\n\r\n", "pass evil.example"),
        ROW("Subject: s\rReply-From: ceo@bank.example\r\nFrom: x@evil.example\r\n\r\n",
            "pass evil.example"),
        ROW("Subject: s\r From: ceo@bank.example\r\n\r\n", "permerror "),
        ROW("Subject: s\r\n From: ceo@bank.example\r\nFrom: x@evil.example\r\n\r\n",
            "pass evil.example"),
        ROW("Subject: s\tFrom: ceo@bank.example\r\nFrom: x@evil.example\r\n\r\n",
            "pass evil.example"),
    };
    CHECK_ROWS(rows);
}

TEST(spellings_of_a_domain_are_that_domain)
{
    static const struct row rows[] = {
        ROW("From: ceo@BANK.Example\r\n\r\n", "fail bank.example"),
        ROW("From: ceo@bank.example.\r\n\r\n", "fail bank.example"),
        ROW("From: ceo@bank.example..\r\n\r\n", "fail bank.example"),
        ROW("From: ceo@bank(x@evil.example).example\r\n\r\n", "fail bank.example"),
        ROW("From: ceo @ bank . example\r\n\r\n", "fail bank.example"),
        ROW("From: ceo@\xef\xbd\x82"
            "ank.example\r\n\r\n",
            "fail bank.example"), /* a wide "b" */
        ROW("From: ceo@bank\xe3\x80\x82"
            "example\r\n\r\n",
            "fail bank.example"), /* an ideographic full stop */
        ROW("From: ceo@b\xc3\xa1nk.example\r\n\r\n", "fail xn--bnk-ela.example"),
        ROW("From: ceo@xn--bnk-ela.example\r\n\r\n", "fail xn--bnk-ela.example"),
        ROW("From: ceo@bank.example.evil.example\r\n\r\n", "pass bank.example.evil.example"),
        ROW("From: ceo@evil.example/bank.example\r\n\r\n", "permerror "),
        ROW("From: ceo@[192.0.2.1]\r\n\r\n", "permerror "),
        ROW("From: ceo@evil.example[bank.example]\r\n\r\n", "permerror evil.example"),
        ROW("From: ceo@localhost\r\n\r\n", "none localhost"),
        ROW("From: ceo@example\r\n\r\n", "none example"),
    };
    CHECK_ROWS(rows);
}

/* More than the host shows of a field. */
TEST(the_thousandth_address_hides_nobody)
{
    static char text[40000];
    struct builder header = {.ptr = text, .cap = sizeof text};
    builder_put(&header, LIT("From: "));
    for (int i = 0; i < 1000; i++)
        builder_put(&header, LIT("x@evil.example, "));
    builder_put(&header, LIT("ceo@bank.example\r\n\r\n"));
    const char *got = judge(SLICE(header.ptr, header.len), "spf:evil.example");
    CHECK_MEM(got, strlen(got), "fail bank.example");
}

/* What he may publish at names of his own, below a hoster's domain or a suffix, and what he may sign with. */
TEST(records_of_his_own_move_no_organization)
{
    static const struct zone hosted[] = {{"_dmarc.hoster.example", "v=DMARC1;p=reject"},
                                         {"_dmarc.y.hoster.example", "v=DMARC1;p=none;psd=y"},
                                         {"_dmarc.n.hoster.example", "v=DMARC1;p=none;psd=n"},
                                         {"_dmarc.two.hoster.example", "v=DMARC1;p=none"},
                                         {"_dmarc.two.hoster.example", "v=DMARC1;p=none;psd=n"},
                                         {"_dmarc.suffix", "v=DMARC1;p=none;psd=y"},
                                         {"_dmarc.bank.suffix", "v=DMARC1;p=reject"},
                                         {"_dmarc.evil.suffix", "v=DMARC1;p=none;psd=y"},
                                         {NULL, NULL}};
    static const struct {
        const char *author, *identifiers, *want;
    } rows[] = {
        {"hoster.example", "spf:y.hoster.example dkim:x.y.hoster.example", "fail hoster.example"},
        {"hoster.example", "dkim:n.hoster.example spf:x.n.hoster.example", "fail hoster.example"},
        {"hoster.example", "dkim:hoster.example.evil.test spf:evil.test", "fail hoster.example"},
        {"n.hoster.example", "dkim:hoster.example", "fail n.hoster.example"},
        {"x.y.hoster.example", "dkim:y.hoster.example", "fail x.y.hoster.example"},
        {"bank.suffix", "dkim:suffix", "fail bank.suffix"}, /* a signature of the suffix itself */
        {"bank.suffix", "dkim:evil.suffix spf:x.evil.suffix", "fail bank.suffix"},
        {"bank.suffix", "dkim:k.suffix dkim:nk.suffix", "fail bank.suffix"},
        {"x.suffix", "dkim:suffix dkim:y.suffix", "fail x.suffix"},
        {"suffix", "dkim:bank.suffix dkim:evil.suffix", "fail suffix"},
        {"suffix", "dkim:suffix", "pass suffix"},
        /* a name below that somebody else may use is of the organization (11.8): that is for its owner to see to */
        {"hoster.example", "dkim:two.hoster.example", "pass hoster.example"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char got[300];
        play_judge(&play, hosted, rows[i].author, rows[i].identifiers);
        snprintf(got, sizeof got, "%s %.*s", dmarc_result_name(play.judgement.result),
                 (int)play.judgement.domain.len, play.judgement.domain.ptr);
        if (strcmp(got, rows[i].want) != 0)
            mw_test_fail(__FILE__, __LINE__, "%s, %s: '%s', want '%s'", rows[i].author,
                         rows[i].identifiers, got, rows[i].want);
    }
}
