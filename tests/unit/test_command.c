/* test_command.c - verbs, MAIL and RCPT arguments, BDAT, AUTH, xtext. */
#include "smtp/command.h"

#include <stdlib.h>

#include "test.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define S(literal)                  \
    {                               \
        literal, sizeof literal - 1 \
    }

static struct mw_command command_of(const char *line)
{
    struct mw_command command;
    mw_command_parse(MW_SLICE(line, strlen(line)), &command);
    return command;
}

TEST(verbs_are_recognised_in_any_case)
{
    for (int verb = MW_VERB_UNKNOWN + 1; verb < MW_VERB_COUNT; verb++) {
        char word[16] = {0};
        const char *name = mw_verb_name((enum mw_verb)verb);
        for (size_t i = 0; name[i] != '\0'; i++)
            word[i] = i % 2 ? mw_lower(name[i]) : name[i];
        CHECK_INT(command_of(name).verb, verb);
        CHECK_INT(command_of(word).verb, verb);
    }
    CHECK_MEM(mw_verb_name(MW_VERB_UNKNOWN), 1, "-");
}

TEST(verb_and_argument_are_split)
{
    struct mw_command command = command_of("mail  FROM:<a@b> SIZE=1 \t");
    CHECK_INT(command.verb, MW_VERB_MAIL);
    CHECK_SLICE(command.word, "mail");
    CHECK_SLICE(command.arg, "FROM:<a@b> SIZE=1");
    CHECK_SLICE(command.line, "mail  FROM:<a@b> SIZE=1 \t");
    CHECK_INT(command_of("QUIT").arg.len, 0);
    CHECK_INT(command_of("QUIT ").verb, MW_VERB_QUIT);
}

TEST(verb_unknown_is_a_command_too)
{
    static const char *const lines[] = {"",      " MAIL",        "GET / HTTP/1.1", "MAILX", "MAI",
                                        "MAIL:", "\x16\x03\x01", "DATA\x0b",       "\xff"};
    for (size_t i = 0; i < LEN(lines); i++)
        CHECK_INT(command_of(lines[i]).verb, MW_VERB_UNKNOWN);
    CHECK_SLICE(command_of("GET / HTTP/1.1").word, "GET");
}

/* ---- MAIL and RCPT ---- */

static enum mw_err parse_arg(struct mw_slice text, struct mw_envelope_arg *out_arg)
{
    return mw_envelope_arg_parse(text, MW_LIT("FROM"), out_arg);
}

TEST(envelope_arg_as_in_the_rfc)
{
    struct mw_envelope_arg arg;
    CHECK(parse_arg(MW_LIT("FROM:<a@b.example> SIZE=1000 BODY=8BITMIME SMTPUTF8"), &arg) == MW_OK);
    CHECK_SLICE(arg.path.address, "a@b.example");
    CHECK_SLICE(arg.path_text, "<a@b.example>");
    CHECK_SLICE(arg.param_text, "SIZE=1000 BODY=8BITMIME SMTPUTF8");
    CHECK_INT(arg.param_count, 3);
    CHECK_SLICE(arg.params[0].key, "SIZE");
    CHECK_SLICE(arg.params[0].value, "1000");
    CHECK_SLICE(arg.params[2].key, "SMTPUTF8");
    CHECK(!arg.params[2].has_value && arg.params[2].value.len == 0);
    CHECK_SLICE(mw_envelope_arg_param(&arg, MW_LIT("body"))->value, "8BITMIME");
    CHECK(mw_envelope_arg_param(&arg, MW_LIT("RET")) == NULL);
}

/* RFC 5321 4.1.1.2 allows none of these; clients send them. */
TEST(envelope_arg_as_real_clients_send_it)
{
    static const struct {
        struct mw_slice in;
        const char *address;
        size_t params;
    } cases[] = {
        {S("from:<a@b>"), "a@b", 0},
        {S("FROM: <a@b>"), "a@b", 0},
        {S("FROM:   <a@b>   SIZE=1  "), "a@b", 1},
        {S("FROM:a@b"), "a@b", 0},
        {S("FROM: a@b SIZE=1"), "a@b", 1},
        {S("FROM:<>"), "", 0},
        {S("FROM:<a@b> AUTH=<> ENVID=a+20b"), "a@b", 2},
        {S("FROM:<a@b> X=a=b"), "a@b", 1},
    };
    for (size_t i = 0; i < LEN(cases); i++) {
        struct mw_envelope_arg arg;
        CHECK(parse_arg(cases[i].in, &arg) == MW_OK);
        CHECK_SLICE(arg.path.address, cases[i].address);
        CHECK_INT(arg.param_count, cases[i].params);
    }
}

TEST(envelope_arg_bad_ones_are_refused)
{
    static const struct mw_slice bads[] = {
        S(""),
        S("FROM"),
        S("FROM:"),
        S("FROM: "),
        S("FROM <a@b>"),
        S("FROM :<a@b>"),
        S("TO:<a@b>"),
        S("FROM:<a@b"),
        S("FROM:a@b>"),
        S("FROM:<a@b>SIZE=1"),
        S("FROM:<a@b>>"),
        S("FROM:<a@b> SIZE="),
        S("FROM:<a@b> =1"),
        S("FROM:<a@b> \"="),
        S("FROM:<a@b> SI_ZE=1"),
        S("FROM:<a@b> -X"),
        S("FROM:<a@b>\tSIZE=1"),
        S("FROM:<a@b> X=a\rb"),
        S("FROM:<a@b> X=a\nRCPT TO:<c>"),
        S("FROM:<a@b> X=a\0b"),
        S("FROM:<a@b> X=\x7f"),
        S("FROM:<a@b> <c@d>"),
        S("FROM:Name <a@b>"),
        S("FROM:<a@b\r\nDATA>"),
        S("FROM:<\"a@b> SIZE=1"),
        S("FROM:<a@b> \xe9=1"),
    };
    for (size_t i = 0; i < LEN(bads); i++) {
        struct mw_envelope_arg arg;
        if (parse_arg(bads[i], &arg) == MW_OK)
            mw_test_fail(__FILE__, __LINE__, "parses: %s", bads[i].ptr);
    }
}

TEST(envelope_arg_number_of_parameters_is_bounded)
{
    char text[256] = "FROM:<a@b>";
    size_t len = strlen(text);
    struct mw_envelope_arg arg;
    for (size_t i = 0; i < MW_PARAM_MAX; i++, len += 4)
        memcpy(text + len, " K=v", 4);
    CHECK(parse_arg(MW_SLICE(text, len), &arg) == MW_OK);
    CHECK_INT(arg.param_count, MW_PARAM_MAX);
    memcpy(text + len, " K=v", 4);
    CHECK(parse_arg(MW_SLICE(text, len + 4), &arg) == MW_ERR_SYNTAX);
}

TEST(envelope_print_writes_one_line)
{
    struct mw_buf out = {0};
    mw_envelope_print(&out, MW_LIT("MAIL FROM:"), MW_LIT("a@b"), MW_LIT("SIZE=1"));
    mw_envelope_print(&out, MW_LIT("RCPT TO:"), MW_EMPTY, MW_EMPTY);
    CHECK_SLICE(mw_buf_view(&out), "MAIL FROM:<a@b> SIZE=1\r\nRCPT TO:<>\r\n");
    mw_buf_fini(&out);
}

/* Terada 2015; CVE-2025-7962, CVE-2026-30227 */
TEST(envelope_print_never_writes_a_second_line)
{
    struct mw_buf out = {0};
    mw_envelope_print(&out, MW_LIT("RCPT TO:"), MW_LIT("a@b>\r\nDATA\n\0"), MW_LIT("X\r\nY"));
    CHECK_SLICE(mw_buf_view(&out), "RCPT TO:<a@b>??DATA?\?> X?\?Y\r\n");
    mw_buf_fini(&out);
}

/* ---- BDAT and AUTH ---- */

/* RFC 3030 2 */
TEST(bdat_good_ones)
{
    static const struct {
        struct mw_slice in;
        uint64_t size;
        bool is_last;
    } cases[] = {{S("0"), 0, false},
                 {S("86 LAST"), 86, true},
                 {S("86  last"), 86, true},
                 {S("0 LAST"), 0, true},
                 {S("00012"), 12, false},
                 {S("9223372036854775807"), INT64_MAX, false},
                 {S("09223372036854775807 LAST"), INT64_MAX, true}};
    for (size_t i = 0; i < LEN(cases); i++) {
        uint64_t size;
        bool is_last;
        CHECK(mw_bdat_parse(cases[i].in, &size, &is_last) == MW_OK);
        CHECK(size == cases[i].size && is_last == cases[i].is_last);
    }
}

TEST(bdat_counts_that_two_sides_read_differently_are_refused)
{
    static const struct mw_slice bads[] = {S(""),
                                           S("LAST"),
                                           S("-1"),
                                           S("+1"),
                                           S("0x10"),
                                           S("1e3"),
                                           S("1.0"),
                                           S("1,000"),
                                           S("1 000"),
                                           S("9223372036854775808"),
                                           S("18446744073709551616"),
                                           S("18446744073709551617"), /* 2^64 + 1 */
                                           S("99999999999999999999"),
                                           S("100000000000000000000"),
                                           S("000000000000000000001"),
                                           S("1LAST"),
                                           S("1 LASTX"),
                                           S("1 LAST LAST"),
                                           S("1 LAST 2"),
                                           S("1\tLAST"),
                                           S("1\0"),
                                           S("1 LAST\0"),
                                           S("\xd9\xa1"),
                                           S("1\r"),
                                           S("1\nX")};
    for (size_t i = 0; i < LEN(bads); i++) {
        uint64_t size = 77;
        bool is_last;
        if (mw_bdat_parse(bads[i], &size, &is_last) == MW_OK)
            mw_test_fail(__FILE__, __LINE__, "parses: %s", bads[i].ptr);
    }
}

/* RFC 4954 4 */
TEST(auth_good_and_bad)
{
    struct mw_slice mechanism, initial;
    bool has_initial;
    CHECK(mw_auth_parse(MW_LIT("plain AGEAYg=="), &mechanism, &initial, &has_initial) == MW_OK);
    CHECK_SLICE(mechanism, "plain");
    CHECK_SLICE(initial, "AGEAYg==");
    CHECK(has_initial);
    CHECK(mw_auth_parse(MW_LIT("SCRAM-SHA-256-PLUS"), &mechanism, &initial, &has_initial) == MW_OK);
    CHECK(!has_initial && initial.len == 0);
    CHECK(mw_auth_parse(MW_LIT("EXTERNAL ="), &mechanism, &initial, &has_initial) == MW_OK);
    CHECK_SLICE(initial, "=");
    static const struct mw_slice bads[] = {
        S(""),          S("PLA?N"),      S("ABCDEFGHIJKLMNOPQRSTU"),
        S("PLAIN a b"), S("PLAIN a\nb"), S("PLAIN\rX"),
        S("PLAIN a\0"), S("PLAIN \xe9"), S("PLAIN\ta"),
        S("="),         S("PLAIN=")};
    for (size_t i = 0; i < LEN(bads); i++)
        CHECK(mw_auth_parse(bads[i], &mechanism, &initial, &has_initial) == MW_ERR_SYNTAX);
}

/* ---- xtext, RFC 3461 4 ---- */

TEST(xtext_every_octet_comes_back)
{
    char all[256];
    for (size_t i = 0; i < 256; i++)
        all[i] = (char)i;
    struct mw_buf coded = {0}, plain = {0};
    mw_xtext_encode(MW_SLICE(all, 256), &coded);
    for (size_t i = 0; i < coded.len; i++)
        CHECK(coded.ptr[i] >= '!' && coded.ptr[i] <= '~' && coded.ptr[i] != '=');
    CHECK(mw_xtext_decode(mw_buf_view(&coded), &plain) == MW_OK);
    CHECK(mw_slice_eq(mw_buf_view(&plain), MW_SLICE(all, 256)));
    mw_buf_fini(&coded);
    mw_buf_fini(&plain);
}

TEST(xtext_encodes_what_must_be)
{
    struct mw_buf coded = {0};
    mw_xtext_encode(MW_LIT("a+b=c d\r\n\x7f"), &coded);
    CHECK_SLICE(mw_buf_view(&coded), "a+2Bb+3Dc+20d+0D+0A+7F");
    mw_buf_fini(&coded);
}

TEST(xtext_bad_ones_leave_nothing_behind)
{
    static const struct mw_slice bads[] = {S("a+"),   S("a+2"), S("a+2b"), S("a+GG"),
                                           S("a=b"),  S("a b"), S("a\rb"), S("a\0b"),
                                           S("\xe9"), S("a+0"), S("+ 0")};
    for (size_t i = 0; i < LEN(bads); i++) {
        struct mw_buf out = {0};
        mw_buf_put(&out, MW_LIT("before"));
        CHECK(mw_xtext_decode(bads[i], &out) == MW_ERR_SYNTAX);
        CHECK_SLICE(mw_buf_view(&out), "before");
        mw_buf_fini(&out);
    }
    struct mw_buf small = MW_BUF_INIT(2);
    CHECK(mw_xtext_decode(MW_LIT("abc"), &small) == MW_ERR_LIMIT);
    CHECK_INT(small.len, 0);
    mw_buf_fini(&small);
}
