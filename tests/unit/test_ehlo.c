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
    CHECK_INT(ehlo.xforward_attrs, MW_XCLIENT_NAME | MW_XCLIENT_ADDR | MW_XCLIENT_PROTO |
                                       MW_XCLIENT_HELO | MW_XCLIENT_SOURCE | MW_XCLIENT_PORT |
                                       MW_XCLIENT_IDENT);
    CHECK_INT(ehlo.size, 10240000);
}

TEST(parse_attributes_count_for_their_verb_only)
{
    struct mw_ehlo ehlo = ehlo_of("250-x\r\n250-XCLIENT IDENT name SOURCE ADDRESS LOGIN\r\n"
                                  "250-XCLIENT port\r\n250 XFORWARD LOGIN DESTADDR Addr,NAME\r\n");
    CHECK_INT(ehlo.xclient_attrs, MW_XCLIENT_NAME | MW_XCLIENT_LOGIN | MW_XCLIENT_PORT);
    CHECK_INT(ehlo.xforward_attrs, 0);
    CHECK_INT(ehlo.exts, MW_EXT_XCLIENT | MW_EXT_XFORWARD);
    CHECK_INT(ehlo_of("250-x\r\n250 prdr\r\n").exts, MW_EXT_PRDR);
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
        "250-STARTTLS\r\n250-PRDR\r\n250 X-GOOD b\r\n";
    const struct mw_slice listed[] = {MW_LIT("x-good"), MW_LIT("STARTTLS"), MW_LIT("XCLIENT"),
                                      MW_LIT("PRDR"), MW_LIT("REQUIRETLS")};
    struct mw_ehlo_policy policy = {
        .has_relay_extensions = true, .relay_extensions = listed, .relay_extension_count = 5};
    uint32_t shown = check_shown(text, &policy, "250-x\r\n250-X-GOOD b\r\n250 PIPELINING\r\n");
    CHECK_INT(shown, MW_EXT_PIPELINING);
}

TEST(print_repeats_nothing)
{
    struct mw_ehlo_policy policy = {0};
    check_shown("250-x\r\n250-PIPELINING\r\n250-DSN\r\n250-PIPELINING\r\n250 DSN\r\n", &policy,
                "250-x\r\n250-PIPELINING\r\n250 DSN\r\n");
}

TEST(print_hostname_of_our_own)
{
    struct mw_ehlo_policy policy = {.hostname = MW_LIT("mx.weir.test")};
    check_shown("250-mail.inside.example Hello\r\n250 DSN\r\n", &policy,
                "250-mx.weir.test\r\n250-DSN\r\n250 PIPELINING\r\n");
    check_shown("250 mail.inside.example\r\n", &policy, "250-mx.weir.test\r\n250 PIPELINING\r\n");
}

TEST(print_starttls_where_the_upstream_had_it_or_behind)
{
    struct mw_ehlo_policy policy = {.show_starttls = true};
    uint32_t shown = check_shown(
        "250-x\r\n250-DSN\r\n250-STARTTLS junk\r\n250-PIPELINING\r\n250 starttls\r\n", &policy,
        "250-x\r\n250-DSN\r\n250-STARTTLS\r\n250 PIPELINING\r\n");
    CHECK_INT(shown, MW_EXT_DSN | MW_EXT_STARTTLS | MW_EXT_PIPELINING);
    shown = check_shown("250-x\r\n250 DSN\r\n", &policy,
                        "250-x\r\n250-DSN\r\n250-PIPELINING\r\n250 STARTTLS\r\n");
    CHECK_INT(shown, MW_EXT_DSN | MW_EXT_STARTTLS | MW_EXT_PIPELINING);
}

/* RFC 8689 2: both legs, and the upstream's word */
TEST(print_requiretls_if_the_policy_allows_and_the_upstream_has_it)
{
    struct mw_ehlo_policy allows = {.show_requiretls = true}, none = {0};
    const char *text = "250-x\r\n250-REQUIRETLS\r\n250 DSN\r\n";
    uint32_t shown = check_shown(text, &allows,
                                 "250-x\r\n250-REQUIRETLS\r\n250-DSN\r\n250 PIPELINING\r\n");
    CHECK_INT(shown, MW_EXT_REQUIRETLS | MW_EXT_DSN | MW_EXT_PIPELINING);
    check_shown(text, &none, "250-x\r\n250-DSN\r\n250 PIPELINING\r\n");
    check_shown("250-x\r\n250 DSN\r\n", &allows, "250-x\r\n250-DSN\r\n250 PIPELINING\r\n");
}

TEST(print_ours_to_trusted_peers_with_our_attributes)
{
    struct mw_ehlo_policy policy = {.show_xclient = true, .show_xforward = true, .show_prdr = true};
    const char *ours = "250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN REVERSE_NAME DESTADDR "
                       "DESTPORT\r\n250-XFORWARD NAME ADDR PORT PROTO HELO SOURCE IDENT\r\n"
                       "250 PRDR\r\n";
    char want[512];
    snprintf(want, sizeof want, "250-x\r\n250-DSN\r\n250-PIPELINING\r\n%s", ours);
    uint32_t bits = MW_EXT_XCLIENT | MW_EXT_XFORWARD | MW_EXT_PRDR;
    CHECK_INT(check_shown("250-x\r\n250 DSN\r\n", &policy, want),
              MW_EXT_DSN | MW_EXT_PIPELINING | bits);
    /* the upstream's lines do not matter, and its PRDR is none */
    CHECK_INT(check_shown("250-x\r\n250-PRDR\r\n250-XCLIENT NAME\r\n250-DSN\r\n"
                          "250-XFORWARD IDENT\r\n250 PRDR x\r\n",
                          &policy, want),
              MW_EXT_DSN | MW_EXT_PIPELINING | bits);
    policy = (struct mw_ehlo_policy){0};
    check_shown("250-x\r\n250-PRDR\r\n250 DSN\r\n", &policy,
                "250-x\r\n250-DSN\r\n250 PIPELINING\r\n");
    snprintf(want, sizeof want, "250-x\r\n250-PIPELINING\r\n%s", ours);
    struct mw_reply reply = reply_of(want);
    struct mw_ehlo ehlo; /* we are an upstream, too */
    mw_ehlo_parse(&reply, &ehlo);
    CHECK_INT(ehlo.xclient_attrs, 0x1ff);
    CHECK_INT(ehlo.xforward_attrs, MW_XCLIENT_NAME | MW_XCLIENT_ADDR | MW_XCLIENT_PORT |
                                       MW_XCLIENT_PROTO | MW_XCLIENT_HELO | MW_XCLIENT_SOURCE |
                                       MW_XCLIENT_IDENT);
}

TEST(print_all_of_ours_behind_postfix)
{
    struct mw_ehlo_policy policy = {.hostname = MW_LIT("mx.weir.test"),
                                    .max_message_size = 5000000,
                                    .show_auth = true,
                                    .show_starttls = true,
                                    .show_xforward = true,
                                    .show_prdr = true,
                                    .show_chunking = true};
    check_shown(postfix, &policy,
                "250-mx.weir.test\r\n"
                "250-PIPELINING\r\n"
                "250-SIZE 5000000\r\n"
                "250-VRFY\r\n"
                "250-ETRN\r\n"
                "250-STARTTLS\r\n"
                "250-AUTH PLAIN LOGIN\r\n"
                "250-AUTH=PLAIN LOGIN\r\n"
                "250-ENHANCEDSTATUSCODES\r\n"
                "250-8BITMIME\r\n"
                "250-DSN\r\n"
                "250-SMTPUTF8\r\n"
                "250-CHUNKING\r\n"
                "250-XFORWARD NAME ADDR PORT PROTO HELO SOURCE IDENT\r\n"
                "250 PRDR\r\n");
}

/* "banner own": the list of an earlier connection, whose buffer is gone */
TEST(print_from_stored_octets)
{
    struct mw_ehlo_policy policy = {.hostname = MW_LIT("mx.weir.test"), .show_starttls = true};
    size_t len = strlen(postfix), used;
    char *first = mw_xstrdup(postfix), *stored = mw_xalloc(len);
    struct mw_reply live, kept;
    struct mw_buf from_live = {0}, from_kept = {0};
    uint32_t shown_live, shown_kept;
    CHECK_INT(mw_reply_parse(MW_SLICE(first, len), &live, &used), MW_OK);
    mw_ehlo_print(&live, &policy, &from_live, &shown_live);
    memcpy(stored, live.octets.ptr, live.octets.len);
    memset(first, '#', len);
    free(first);
    CHECK_INT(mw_reply_parse(MW_SLICE(stored, len), &kept, &used), MW_OK);
    mw_ehlo_print(&kept, &policy, &from_kept, &shown_kept);
    CHECK(mw_slice_eq(mw_buf_view(&from_live), mw_buf_view(&from_kept)));
    CHECK_INT(shown_live, shown_kept);
    free(stored);
    mw_buf_fini(&from_live);
    mw_buf_fini(&from_kept);
}

TEST(print_without_a_reply_is_our_own_list)
{
    struct mw_ehlo_policy policy = {.hostname = MW_LIT("mx.weir.test"),
                                    .max_message_size = 1000,
                                    .show_starttls = true,
                                    .show_requiretls = true};
    struct mw_reply nothing = {0};
    struct mw_buf out = {0};
    uint32_t shown;
    mw_ehlo_print(&nothing, &policy, &out, &shown);
    CHECK_MEM(out.ptr, out.len,
              "250-mx.weir.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250 STARTTLS\r\n");
    CHECK_INT(shown, MW_EXT_PIPELINING | MW_EXT_SIZE | MW_EXT_STARTTLS);
    mw_buf_fini(&out);
}

/* Every policy bit over what `octets` say; false if the result breaks a limit. */
static bool keeps_limits(struct mw_slice octets)
{
    struct mw_reply reply, printed;
    size_t used, line_at = 0;
    if (mw_reply_parse(octets, &reply, &used) != MW_OK)
        return false;
    bool is_good = true;
    for (unsigned bits = 0; bits < 2; bits++) {
        bool on = bits != 0;
        struct mw_ehlo_policy policy = {.max_message_size = 1000,
                                        .show_auth = true,
                                        .show_starttls = on,
                                        .show_requiretls = on,
                                        .show_xclient = on,
                                        .show_xforward = on,
                                        .show_prdr = on,
                                        .show_chunking = on};
        struct mw_buf out = {0};
        uint32_t shown;
        mw_ehlo_print(&reply, &policy, &out, &shown);
        is_good = is_good && mw_reply_parse(mw_buf_view(&out), &printed, &used) == MW_OK &&
                  used == out.len && printed.is_clean && (shown & MW_EXT_PIPELINING) != 0 &&
                  ((shown & MW_EXT_STARTTLS) != 0) == on;
        line_at = 0;
        for (size_t i = 0; i < out.len; i++)
            if (out.ptr[i] == '\n') {
                is_good = is_good && i + 1 - line_at <= 512;
                line_at = i + 1;
            }
        mw_buf_fini(&out);
    }
    return is_good;
}

/* RFC 5321 4.5.3.1.5; attacks: endless or giant EHLO */
TEST(print_keeps_the_limits_whatever_comes)
{
    static char octets[MW_REPLY_MAX + 4096];
    for (size_t text_len = 0; text_len < 4000; text_len = text_len * 2 + 1) {
        for (size_t blank = 0; blank < 1000; blank = blank * 3 + 1) {
            size_t len = 0, lines = 0;
            while (lines < MW_REPLY_LINES_MAX && len + text_len + 20 < MW_REPLY_MAX) {
                memcpy(octets + len, lines % 2 ? "250-AUTH=" : "250-AUTH ", 9);
                memset(octets + len + 9, 'x', text_len);
                if (blank < text_len)
                    octets[len + 9 + blank] = ' ';
                len += 9 + text_len;
                octets[len++] = '\n'; /* without CR: each line grows */
                lines++;
                octets[len - text_len - 7] = '-';
            }
            size_t last = len - text_len - 10;
            octets[last + 3] = ' ';
            CHECK(keeps_limits(MW_SLICE(octets, len)));
        }
    }
}

TEST(print_cuts_a_long_line_at_a_blank)
{
    struct mw_ehlo_policy policy = {0};
    char text[2048], want[2048], limits[600], giant[600];
    memset(limits, 'l', sizeof limits);
    memset(giant, 'G', sizeof giant);
    snprintf(text, sizeof text,
             "250-x\r\n250-LIMITS RCPTMAX=100 %.400s %.95s\r\n250-%.590s\r\n250 DSN\r\n", limits,
             limits, giant);
    snprintf(want, sizeof want,
             "250-x\r\n250-LIMITS RCPTMAX=100 %.400s\r\n250-DSN\r\n250 PIPELINING\r\n", limits);
    check_shown(text, &policy, want);
    snprintf(text, sizeof text, "250-%.590s\r\n250 DSN\r\n", giant);
    check_shown(text, &policy, "250-\r\n250-DSN\r\n250 PIPELINING\r\n");
    /* 512 octets with CRLF go through as they are */
    snprintf(text, sizeof text, "250-x\r\n250 DSN %.502s\r\n", giant);
    snprintf(want, sizeof want, "250-x\r\n250-DSN %.502s\r\n250 PIPELINING\r\n", giant);
    check_shown(text, &policy, want);
}

/* NO STARTTLS: response injection by the upstream */
TEST(print_hostile_lines_stay_lines)
{
    struct mw_ehlo_policy policy = {0};
    check_shown("250-x\x1b[2J\r250 y\n250-DSN\rSTARTTLS\r\n250 VRFY \x07\n", &policy,
                "250-x?[2J?250 y\r\n250-VRFY ?\r\n250 PIPELINING\r\n");
}
