/* test_ehlo.c - what the upstream offers, and what the client is shown of it. */
#include "smtp/ehlo.h"

#include <stdlib.h>

#include "test.h"

static const char *const postfix =
    "250-mx.example.org\r\n"
    "250-PIPELINING\r\n"
    "250-SIZE 10240000\r\n"
    "250-VRFY\r\n"
    "250-ETRN\r\n"
    "250-STARTTLS\r\n"
    "250-AUTH PLAIN LOGIN\r\n"
    "250-AUTH=PLAIN LOGIN\r\n"
    "250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n"
    "250-XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT\r\n"
    "250-ENHANCEDSTATUSCODES\r\n"
    "250-8BITMIME\r\n"
    "250-DSN\r\n"
    "250-SMTPUTF8\r\n"
    "250 CHUNKING\r\n";

static struct mw_reply reply_of(const char *text)
{
    struct mw_reply reply = {0};
    size_t used;
    if (mw_reply_parse(MW_SLICE(text, strlen(text)), &reply, &used) != MW_OK)
        mw_test_fail(__FILE__, __LINE__, "does not parse: %s", text);
    return reply;
}

static struct mw_ehlo ehlo_of(const char *text)
{
    struct mw_reply reply = reply_of(text);
    struct mw_ehlo ehlo;
    mw_ehlo_parse(&reply, &ehlo);
    return ehlo;
}

static uint32_t check_shown(const char *text, const struct mw_ehlo_policy *policy, const char *want)
{
    struct mw_reply reply = reply_of(text);
    struct mw_buf out = {0};
    uint32_t shown = 0;
    mw_buf_put(&out, MW_LIT("before\r\n"));
    mw_ehlo_print(&reply, policy, &out, &shown);
    mw_buf_consume(&out, 8);
    if (!mw_slice_eq(mw_buf_view(&out), MW_SLICE(want, strlen(want))))
        mw_test_fail(__FILE__, __LINE__, "shown:\n%.*swant:\n%s", (int)out.len, out.ptr, want);
    mw_buf_fini(&out);
    return shown;
}

TEST(parse_postfix)
{
    struct mw_ehlo ehlo = ehlo_of(postfix);
    CHECK_INT(ehlo.exts, MW_EXT_PIPELINING | MW_EXT_SIZE | MW_EXT_PASSED | MW_EXT_STARTTLS |
                             MW_EXT_AUTH | MW_EXT_XCLIENT | MW_EXT_XFORWARD |
                             MW_EXT_XFORWARD_IDENT | MW_EXT_ENHANCED | MW_EXT_8BITMIME |
                             MW_EXT_DSN | MW_EXT_SMTPUTF8 | MW_EXT_CHUNKING);
    CHECK_INT(ehlo.xclient_attrs, MW_XCLIENT_NAME | MW_XCLIENT_ADDR | MW_XCLIENT_PORT |
                                      MW_XCLIENT_PROTO | MW_XCLIENT_HELO | MW_XCLIENT_LOGIN |
                                      MW_XCLIENT_DESTADDR | MW_XCLIENT_DESTPORT);
    CHECK_INT(ehlo.size, 10240000);
}

TEST(parse_without_case_and_with_odd_forms)
{
    struct mw_ehlo ehlo = ehlo_of(
        "250-x\r\n250-size\r\n250-auth=LOGIN\r\n250-8bitmime \r\n250-XFORWARD ident\r\n"
        "250-SIZE 5\r\n250  \r\n");
    CHECK_INT(ehlo.exts, MW_EXT_SIZE | MW_EXT_AUTH | MW_EXT_8BITMIME | MW_EXT_XFORWARD |
                             MW_EXT_XFORWARD_IDENT);
    CHECK_INT(ehlo.size, 0);
    CHECK_INT(ehlo_of("250-x\r\n250 SIZE 99999999999999999999999\r\n").size, 0);
    CHECK_INT(ehlo_of("250-x\r\n250 SIZE -1\r\n").size, 0);
}

TEST(parse_greeting_and_refusals_announce_nothing)
{
    CHECK_INT(ehlo_of("250 PIPELINING\r\n").exts, 0);
    CHECK_INT(ehlo_of("502-x\r\n502 PIPELINING\r\n").exts, 0);
    CHECK_INT(ehlo_of("250-x\r\n250 PIPELININGS\r\n").exts, 0);
}

TEST(print_postfix_with_defaults)
{
    struct mw_ehlo_policy policy = {.max_message_size = 5000000};
    uint32_t shown = check_shown(postfix, &policy,
                                 "250-mx.example.org\r\n"
                                 "250-PIPELINING\r\n"
                                 "250-SIZE 5000000\r\n"
                                 "250-VRFY\r\n"
                                 "250-ETRN\r\n"
                                 "250-ENHANCEDSTATUSCODES\r\n"
                                 "250-8BITMIME\r\n"
                                 "250-DSN\r\n"
                                 "250 SMTPUTF8\r\n");
    CHECK_INT(shown, MW_EXT_PIPELINING | MW_EXT_SIZE | MW_EXT_PASSED | MW_EXT_ENHANCED |
                         MW_EXT_8BITMIME | MW_EXT_DSN | MW_EXT_SMTPUTF8);
}

TEST(print_auth_and_chunking_where_the_policy_shows_them)
{
    struct mw_ehlo_policy policy = {.show_auth = true, .show_chunking = true};
    uint32_t shown = check_shown(
        "250-x\r\n250-AUTH PLAIN\r\n250-AUTH=PLAIN\r\n250-BINARYMIME\r\n250 CHUNKING\r\n", &policy,
        "250-x\r\n250-AUTH PLAIN\r\n250-AUTH=PLAIN\r\n250-BINARYMIME\r\n250-CHUNKING\r\n"
        "250 PIPELINING\r\n");
    CHECK_INT(shown, MW_EXT_AUTH | MW_EXT_CHUNKING | MW_EXT_BINARYMIME | MW_EXT_PIPELINING);
}

/* RFC 3030 3: BINARYMIME needs CHUNKING */
TEST(print_binarymime_needs_both_upstream)
{
    struct mw_ehlo_policy chunks = {.show_chunking = true}, none = {0};
    check_shown("250-x\r\n250 BINARYMIME\r\n", &chunks,
                "250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
    check_shown("250-x\r\n250-CHUNKING\r\n250 BINARYMIME\r\n", &none,
                "250-x\r\n250 PIPELINING\r\n");
}

TEST(print_adds_ours_behind_theirs)
{
    struct mw_ehlo_policy policy = {.max_message_size = 1000, .show_chunking = true};
    check_shown("250 x\r\n", &policy,
                "250-x\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250 CHUNKING\r\n");
}

/* RFC 1870 3: 0 means no fixed limit */
TEST(print_size_is_the_smaller_limit)
{
    struct mw_ehlo_policy ours = {.max_message_size = 1000}, none = {0};
    check_shown("250-x\r\n250 SIZE 500\r\n", &ours, "250-x\r\n250-SIZE 500\r\n250 PIPELINING\r\n");
    check_shown("250-x\r\n250 SIZE 0\r\n", &ours, "250-x\r\n250-SIZE 1000\r\n250 PIPELINING\r\n");
    check_shown("250-x\r\n250 SIZE\r\n", &ours, "250-x\r\n250-SIZE 1000\r\n250 PIPELINING\r\n");
    check_shown("250-x\r\n250 SIZE 500\r\n", &none, "250-x\r\n250-SIZE 500\r\n250 PIPELINING\r\n");
    check_shown("250-x\r\n250 SIZE x\r\n", &none, "250-x\r\n250-SIZE\r\n250 PIPELINING\r\n");
}

TEST(print_drops_unknown_unless_listed_and_never_shows_what_is_ours_to_use)
{
    const char *text =
        "250-x\r\n250-X-UNKNOWN a\r\n250-REQUIRETLS\r\n250-XCLIENT NAME\r\n250-XFORWARD NAME\r\n"
        "250-STARTTLS\r\n250 X-GOOD b\r\n";
    const struct mw_slice listed[] = {MW_LIT("x-good"), MW_LIT("STARTTLS"), MW_LIT("XCLIENT")};
    struct mw_ehlo_policy policy = {
        .has_relay_extensions = true, .relay_extensions = listed, .relay_extension_count = 3};
    uint32_t shown = check_shown(text, &policy, "250-x\r\n250-X-GOOD b\r\n250 PIPELINING\r\n");
    CHECK_INT(shown, MW_EXT_PIPELINING);
}

TEST(print_repeats_nothing)
{
    struct mw_ehlo_policy policy = {0};
    check_shown("250-x\r\n250-PIPELINING\r\n250-DSN\r\n250-PIPELINING\r\n250 DSN\r\n", &policy,
                "250-x\r\n250-PIPELINING\r\n250 DSN\r\n");
}

/* NO STARTTLS: response injection by the upstream */
TEST(print_hostile_lines_stay_lines)
{
    struct mw_ehlo_policy policy = {0};
    check_shown("250-x\x1b[2J\r250 y\n250-DSN\rSTARTTLS\r\n250 VRFY \x07\n", &policy,
                "250-x?[2J?250 y\r\n250-VRFY ?\r\n250 PIPELINING\r\n");
}
