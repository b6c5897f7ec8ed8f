/* test_xclient.c - XCLIENT and XFORWARD: Postfix's reading of them, all or nothing; and lines that
 * no peer's name can break. */
#include "smtp/xclient.h"

#include <stdlib.h>

#include "smtp/command.h"
#include "test.h"

/* ---- helpers ---- */

static const uint32_t every_attr = UINT32_MAX;

/* What the last parse() gave; valid until the next. */
static struct mw_buf storage;
static struct mw_xclient values;
static struct mw_slice problem;

static enum mw_err parse_octets(const void *octets, size_t len, bool is_forward)
{
    static char *copy; /* exact size, for a sanitizer */
    free(copy);
    copy = mw_xalloc(len > 0 ? len : 1);
    memcpy(copy, octets, len);
    mw_buf_fini(&storage);
    memset(&values, 0x55, sizeof values);
    problem = MW_EMPTY;
    return mw_xclient_parse(MW_SLICE(copy, len), is_forward, &storage, &values, &problem);
}

static enum mw_err parse(const char *text)
{
    return parse_octets(text, strlen(text), false);
}

static enum mw_err forward(const char *text)
{
    return parse_octets(text, strlen(text), true);
}

static bool is_refused(const char *text, bool is_forward, const char *want)
{
    struct mw_xclient before;
    memset(&before, 0x55, sizeof before);
    if (parse_octets(text, strlen(text), is_forward) != MW_ERR_SYNTAX) {
        printf("accepted: %s\n", text);
        return false;
    }
    bool is_untouched = memcmp(&values, &before, sizeof before) == 0;
    bool is_worded = mw_slice_eq(problem, mw_slice_cstr(want));
    if (!is_worded)
        printf("%s: %.*s, want %s\n", text, (int)problem.len, problem.ptr, want);
    return is_untouched && is_worded && problem.len <= 100;
}

static bool is_address(const struct mw_inet *address, const char *want)
{
    char text[MW_INET_TEXT_MAX];
    return mw_slice_eq(mw_inet_print(address, text), mw_slice_cstr(want));
}

static struct mw_inet inet(const char *text)
{
    struct mw_inet address = {{0}};
    (void)!mw_inet_parse(mw_slice_cstr(text), &address);
    return address;
}

static struct mw_xtext_value given(const char *text)
{
    return (struct mw_xtext_value){.state = MW_X_GIVEN, .text = mw_slice_cstr(text)};
}

/* NULL where it fails; the text of the last success lives until the next call. */
static const char *print(const struct mw_xclient *from, bool is_forward, uint32_t attrs,
                         enum mw_err *out_err)
{
    static char line[MW_XCLIENT_LINE_MAX + 1];
    struct mw_buf out = {0};
    mw_buf_put(&out, MW_LIT("before"));
    *out_err = mw_xclient_print(from, is_forward, attrs, &out);
    size_t len = out.len - 6;
    bool is_good = *out_err == MW_OK ? len > 0 && len <= MW_XCLIENT_LINE_MAX : len == 0;
    if (!is_good)
        mw_test_fail(__FILE__, __LINE__, "%zu octets with %d", len, *out_err);
    bool is_usable = *out_err == MW_OK && is_good;
    if (is_usable) {
        memcpy(line, out.ptr + 6, len);
        line[len] = '\0';
    }
    mw_buf_fini(&out);
    return is_usable ? line : NULL;
}

static bool prints(const struct mw_xclient *from, bool is_forward, uint32_t attrs, const char *want)
{
    enum mw_err err;
    const char *got = print(from, is_forward, attrs, &err);
    if (got == NULL || strcmp(got, want) != 0)
        printf("got %s, want %s", got == NULL ? "nothing\n" : got, want);
    return got != NULL && strcmp(got, want) == 0;
}

/* One line of printable ASCII with one CRLF, at its end, and as many "=" as attributes. */
static bool is_one_line(const char *line)
{
    size_t len = strlen(line), blanks = 0, equals = 0;
    if (len < 2 || strcmp(line + len - 2, "\r\n") != 0)
        return false;
    for (size_t i = 0; i < len - 2; i++) {
        if (line[i] < 0x20 || line[i] > 0x7e)
            return false;
        blanks += line[i] == ' ';
        equals += line[i] == '=';
    }
    return blanks == equals && blanks > 0;
}

/* ---- reading ---- */

TEST(parse_every_attribute_of_xclient)
{
    CHECK_INT(parse("NAME=spike.example.org ADDR=192.0.2.7 PORT=41001 PROTO=ESMTP "
                    "HELO=spike REVERSE_NAME=ptr.example.org LOGIN=joe DESTADDR=198.51.100.1 "
                    "DESTPORT=25"),
              MW_OK);
    CHECK_INT(values.name.state, MW_X_GIVEN);
    CHECK_SLICE(values.name.text, "spike.example.org");
    CHECK_SLICE(values.reverse_name.text, "ptr.example.org");
    CHECK_SLICE(values.helo.text, "spike");
    CHECK_SLICE(values.proto.text, "ESMTP");
    CHECK_SLICE(values.login.text, "joe");
    CHECK_INT(values.address_state, MW_X_GIVEN);
    CHECK(is_address(&values.address, "192.0.2.7"));
    CHECK(is_address(&values.destination, "198.51.100.1"));
    CHECK_INT(values.port_state, MW_X_GIVEN);
    CHECK_INT(values.port, 41001);
    CHECK_INT(values.destination_port_state, MW_X_GIVEN);
    CHECK_INT(values.destination_port, 25);
    CHECK_INT(values.ident.state, MW_X_ABSENT);
    CHECK(!values.has_source);
}

TEST(parse_every_attribute_of_xforward)
{
    CHECK_INT(forward("NAME=spike.example.org ADDR=IPV6:2001:db8::7 PORT=1 PROTO=LMTP HELO=x "
                      "SOURCE=REMOTE IDENT=4YqZ1x"),
              MW_OK);
    CHECK(is_address(&values.address, "2001:db8::7"));
    CHECK_SLICE(values.proto.text, "LMTP");
    CHECK_SLICE(values.ident.text, "4YqZ1x");
    CHECK(values.has_source);
    CHECK_INT(values.source, MW_X_SOURCE_REMOTE);
    CHECK_INT(forward("SOURCE=local"), MW_OK);
    CHECK_INT(values.source, MW_X_SOURCE_LOCAL);
    CHECK_INT(forward("SOURCE=[unavailable]"), MW_OK);
    CHECK(values.has_source);
    CHECK_INT(values.source, MW_X_SOURCE_UNKNOWN);
}

TEST(parse_without_case_and_with_blanks_around)
{
    CHECK_INT(parse(" \t name=X.example.org\t\taddr=ipv6:2001:DB8::7  proto=smtp "), MW_OK);
    CHECK_SLICE(values.name.text, "X.example.org");
    CHECK(is_address(&values.address, "2001:db8::7"));
    CHECK_SLICE(values.proto.text, "SMTP");
}

TEST(parse_the_two_words_in_any_case)
{
    CHECK_INT(parse("NAME=[UNAVAILABLE] REVERSE_NAME=[TempUnavail] ADDR=[unavailable] "
                    "PORT=[UNAVAILABLE] HELO=[UNAVAILABLE] LOGIN=[UNAVAILABLE] "
                    "DESTADDR=[UNAVAILABLE] DESTPORT=[tempunavail]"),
              MW_OK);
    CHECK_INT(values.name.state, MW_X_UNAVAILABLE);
    CHECK_INT(values.reverse_name.state, MW_X_TEMPUNAVAIL);
    CHECK_INT(values.address_state, MW_X_UNAVAILABLE);
    CHECK_INT(values.port_state, MW_X_UNAVAILABLE);
    CHECK_INT(values.helo.state, MW_X_UNAVAILABLE);
    CHECK_INT(values.login.state, MW_X_UNAVAILABLE);
    CHECK_INT(values.destination_state, MW_X_UNAVAILABLE);
    CHECK_INT(values.destination_port_state, MW_X_TEMPUNAVAIL);
    CHECK_INT(parse("LOGIN=+5BUNAVAILABLE]"), MW_OK); /* Postfix decodes first */
    CHECK_INT(values.login.state, MW_X_UNAVAILABLE);
    CHECK(is_refused("PROTO=[UNAVAILABLE]", false, "Bad PROTO syntax"));
    CHECK_INT(forward("PROTO=[UNAVAILABLE] IDENT=[UNAVAILABLE]"), MW_OK);
    CHECK_INT(values.proto.state, MW_X_UNAVAILABLE);
}

TEST(parse_decodes_xtext_as_postfix_does)
{
    CHECK_INT(parse("LOGIN=joe+2Bx+3D@ex.org HELO=a+20b"), MW_OK);
    CHECK_SLICE(values.login.text, "joe+x=@ex.org");
    CHECK_SLICE(values.helo.text, "a b");
    CHECK_INT(parse("LOGIN=a+4a+4B+c3+A9"), MW_OK);
    CHECK_SLICE(values.login.text, "aJK\xc3\xa9");
    CHECK_INT(parse("LOGIN=joe=x"), MW_OK); /* only the first "=" separates */
    CHECK_SLICE(values.login.text, "joe=x");
    CHECK_INT(parse("NAME=spike+2Eexample.org ADDR=192.0.2+2E7 PORT=2+35"), MW_OK);
    CHECK_SLICE(values.name.text, "spike.example.org");
    CHECK(is_address(&values.address, "192.0.2.7"));
    CHECK_INT(values.port, 25);
}

TEST(parse_invalid_xtext_is_literal_as_a_whole)
{
    static const char *const texts[] = {"+ZZ", "a+", "a+4", "a+4g", "a+g4", "+41+ZZ", "+", "++41"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char arg[64];
        snprintf(arg, sizeof arg, "LOGIN=%s", texts[i]);
        CHECK_INT(parse(arg), MW_OK);
        CHECK_SLICE(values.login.text, texts[i]);
    }
}

TEST(parse_repeated_attribute_the_last_one_counts)
{
    CHECK_INT(parse("NAME=a.example NAME=[UNAVAILABLE] ADDR=192.0.2.1 ADDR=192.0.2.2 PORT=1 "
                    "PORT=[UNAVAILABLE] LOGIN=[UNAVAILABLE] LOGIN=joe ADDR=[UNAVAILABLE]"),
              MW_OK);
    CHECK_INT(values.name.state, MW_X_UNAVAILABLE);
    CHECK_SLICE(values.name.text, ""); /* nothing is left of what does not count */
    CHECK_INT(values.address_state, MW_X_UNAVAILABLE);
    CHECK(is_address(&values.address, "::"));
    CHECK_INT(values.port, 0);
    CHECK_SLICE(values.login.text, "joe");
}

TEST(parse_refuses_in_postfix_words)
{
    static const struct {
        const char *arg;
        const char *problem;
        bool is_forward;
    } cases[] = {
        {"", "Syntax: XCLIENT attribute=value...", false},
        {" \t ", "Syntax: XFORWARD attribute=value...", true},
        {"NAME", "Error: attribute=value expected", false},
        {"NAME=", "Error: attribute=value expected", false},
        {"=", "Error: attribute=value expected", false},
        {"NAME =x", "Error: attribute=value expected", false},
        {"=x", "Bad XCLIENT attribute name: ", false},
        {"FOO=x", "Bad XCLIENT attribute name: FOO", false},
        {"NAM=x", "Bad XCLIENT attribute name: NAM", false},
        {"NAMEX=x", "Bad XCLIENT attribute name: NAMEX", false},
        {"IDENT=x", "Bad XCLIENT attribute name: IDENT", false},
        {"SOURCE=LOCAL", "Bad XCLIENT attribute name: SOURCE", false},
        {"LOGIN=x", "Bad XFORWARD attribute name: LOGIN", true},
        {"DESTADDR=192.0.2.1", "Bad XFORWARD attribute name: DESTADDR", true},
        {"REVERSE_NAME=x.org", "Bad XFORWARD attribute name: REVERSE_NAME", true},
        {"F\x01\xff\x7fO=x", "Bad XCLIENT attribute name: F???O", false},
        {"ADDR=2001:db8::7", "Bad ADDR syntax", false},
        {"ADDR=[192.0.2.7]", "Bad ADDR syntax", false},
        {"ADDR=IPV6:[2001:db8::7]", "Bad ADDR syntax", false},
        {"ADDR=[IPV6:2001:db8::7]", "Bad ADDR syntax", false},
        {"ADDR=IPV6:192.0.2.7", "Bad ADDR syntax", false},
        {"ADDR=IPV6:", "Bad ADDR syntax", false},
        {"ADDR=IPV6:fe80::1%lo", "Bad ADDR syntax", false},
        {"ADDR=192.0.2.256", "Bad ADDR syntax", false},
        {"ADDR=192.0.2", "Bad ADDR syntax", false},
        {"ADDR=192.0.2.07", "Bad ADDR syntax", false},
        {"ADDR=192.0.2.7+00", "Bad ADDR syntax", false},
        {"ADDR=localhost", "Bad ADDR syntax", true},
        {"DESTADDR=x", "Bad DESTADDR syntax", false},
        {"PORT=65536", "Bad PORT syntax", false},
        {"PORT=99999", "Bad PORT syntax", false},
        {"PORT=000025", "Bad PORT syntax", false},
        {"PORT=-1", "Bad PORT syntax", false},
        {"PORT=+2B1", "Bad PORT syntax", false},
        {"PORT=smtp", "Bad PORT syntax", true},
        {"DESTPORT=65536", "Bad DESTPORT syntax", false},
        {"PROTO=LMTP", "Bad PROTO syntax", false},
        {"PROTO=SMTPS", "Bad PROTO syntax", false},
        {"SOURCE=BOTH", "Bad SOURCE syntax", true},
        {"SOURCE=LOCAL+00", "Bad SOURCE syntax", true},
        {"HELO=a+00b", "Bad HELO syntax", false},
        {"LOGIN=joe+0D+0AMAIL", "Bad LOGIN syntax", false},
        {"IDENT=a+0A", "Bad IDENT syntax", true},
        {"LOGIN=a\x1b[2J", "Bad LOGIN syntax", false},
        {"LOGIN=a+7F", "Bad LOGIN syntax", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK(is_refused(cases[i].arg, cases[i].is_forward, cases[i].problem));
}

TEST(parse_takes_nothing_of_a_command_with_an_error_at_its_end)
{
    CHECK(is_refused("NAME=x.example ADDR=192.0.2.7 LOGIN=joe ADDR=bad", false, "Bad ADDR syntax"));
    CHECK(is_refused("ADDR=bad NAME=x.example", false, "Bad ADDR syntax"));
    CHECK(is_refused("NAME=x.example FOO=1", false, "Bad XCLIENT attribute name: FOO"));
}

TEST(parse_host_names)
{
    /* clang-format off */
    static const struct {
        const char *name;
        bool is_good;
    } cases[] = {
        {"localhost", true},        {"a-b.example_x.org", true},  {"1.2.3.4a", true}, {"1-2.3", true},
        {"xn--mller-kva.de", true}, {"1.2.3.4", false},           {"123", false},     {".a.org", false},
        {"example.org.", false},    {"a..b", false},              {"-a.org", false},  {"a-.org", false},
        {"a.-b", false},            {"a b.org", false},           {"a=b.org", false}, {"a+b.org", false},
        {"m\xc3\xbcller.de", false}, {"a\xff.org", false},        {"[1.2.3.4]", false}, {"a/b", false},
        {"a,b", false},             {"a\"b", false},              {"a:b", false},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mw_buf arg = {0};
        mw_buf_put(&arg, MW_LIT("NAME="));
        mw_xtext_encode(mw_slice_cstr(cases[i].name), &arg);
        enum mw_err err = parse_octets(arg.ptr, arg.len, false);
        enum mw_err forwarded = parse_octets(arg.ptr, arg.len, true);
        mw_buf_fini(&arg);
        if (err != (cases[i].is_good ? MW_OK : MW_ERR_SYNTAX) || err != forwarded) {
            mw_test_fail(__FILE__, __LINE__, "%s: %d %d", cases[i].name, err, forwarded);
            return;
        }
    }
}

static void repeat(char *to, const char *octets, size_t count)
{
    *to = '\0';
    for (size_t i = 0; i < count; i++)
        memcpy(to + i * strlen(octets), octets, strlen(octets) + 1);
}

TEST(parse_lengths)
{
    char arg[1024];
    for (size_t len = 253; len < 258; len++) {
        memcpy(arg, "HELO=", 6);
        repeat(arg + 5, "x", len);
        CHECK_INT(parse(arg), len <= 255 ? MW_OK : MW_ERR_SYNTAX);
        CHECK(len > 255 || values.helo.text.len == len);
        CHECK(len <= 255 || mw_slice_eq(problem, MW_LIT("Error: attribute value too long")));
    }
    for (size_t len = 63; len < 66; len++) {
        memcpy(arg, "PROTO=", 7);
        repeat(arg + 6, "P", len);
        CHECK_INT(forward(arg), len <= 64 ? MW_OK : MW_ERR_SYNTAX);
    }
    for (size_t len = 62; len < 65; len++) { /* a label */
        memcpy(arg, "NAME=", 6);
        repeat(arg + 5, "x", len);
        CHECK_INT(parse(arg), len <= 63 ? MW_OK : MW_ERR_SYNTAX);
    }
    memcpy(arg, "NAME=", 6);
    repeat(arg + 5, "x.", 127);
    memcpy(arg + 5 + 254, "x", 2); /* 255 */
    CHECK_INT(parse(arg), MW_OK);
    memcpy(arg + 5 + 254, "xx", 3);
    CHECK_INT(parse(arg), MW_ERR_SYNTAX);
    repeat(arg, "N", 900);
    memcpy(arg + 900, "=x", 3);
    CHECK_INT(parse(arg), MW_ERR_SYNTAX);
    CHECK(problem.len <= 100);
}

TEST(parse_nul_in_every_place_is_refused_or_separates_nothing)
{
    static const char good[] = "NAME=a.example ADDR=192.0.2.7 LOGIN=joe HELO=h PORT=25";
    for (size_t at = 0; at < sizeof good - 1; at++) {
        for (int octet = 0; octet < 0x20; octet++) {
            char copy[sizeof good];
            memcpy(copy, good, sizeof good);
            copy[at] = (char)octet;
            enum mw_err err = parse_octets(copy, sizeof good - 1, false);
            CHECK(err == MW_ERR_SYNTAX || octet == '\t');
        }
    }
}

TEST(parse_unspecified_address_is_unavailable)
{
    CHECK_INT(parse("ADDR=IPV6:::"), MW_OK);
    CHECK_INT(values.address_state, MW_X_UNAVAILABLE);
    CHECK_INT(parse("ADDR=IPV6:::ffff:192.0.2.7"), MW_OK);
    CHECK(is_address(&values.address, "192.0.2.7"));
}

TEST(parse_appends_to_storage_and_respects_its_cap)
{
    struct mw_buf own = {0};
    struct mw_buf capped = MW_BUF_INIT(50);
    struct mw_xclient got;
    struct mw_slice why;
    mw_buf_put(&own, MW_LIT("kept"));
    CHECK_INT(mw_xclient_parse(MW_LIT("LOGIN=joe HELO=x"), false, &own, &got, &why), MW_OK);
    CHECK_SLICE(got.login.text, "joe");
    CHECK(memcmp(own.ptr, "kept", 4) == 0);
    CHECK(got.login.text.ptr >= own.ptr + 4 && got.helo.text.ptr < own.ptr + own.len);
    CHECK_INT(mw_xclient_parse(MW_LIT("LOGIN=joe"), false, &capped, &got, &why), MW_ERR_LIMIT);
    CHECK_SLICE(why, "Error: command too long");
    mw_buf_fini(&own);
    mw_buf_fini(&capped);
}

/* ---- writing ---- */

static struct mw_xclient full_values(void)
{
    return (struct mw_xclient){
        .name = given("spike.example.org"),
        .reverse_name = given("ptr.example.org"),
        .helo = given("spike"),
        .proto = given("ESMTP"),
        .login = given("joe"),
        .ident = given("4YqZ1x"),
        .address_state = MW_X_GIVEN,
        .port_state = MW_X_GIVEN,
        .destination_state = MW_X_GIVEN,
        .destination_port_state = MW_X_GIVEN,
        .address = inet("192.0.2.7"),
        .destination = inet("2001:db8::1"),
        .port = 41001,
        .destination_port = 25,
        .source = MW_X_SOURCE_REMOTE,
        .has_source = true,
    };
}

TEST(print_every_attribute_addr_first)
{
    struct mw_xclient from = full_values();
    CHECK(prints(&from, false, every_attr,
                 "XCLIENT ADDR=192.0.2.7 NAME=spike.example.org PORT=41001 PROTO=ESMTP LOGIN=joe "
                 "DESTADDR=IPV6:2001:db8::1 DESTPORT=25 REVERSE_NAME=ptr.example.org "
                 "HELO=spike\r\n"));
    CHECK(prints(&from, true, every_attr,
                 "XFORWARD ADDR=192.0.2.7 NAME=spike.example.org PORT=41001 PROTO=ESMTP "
                 "SOURCE=REMOTE IDENT=4YqZ1x HELO=spike\r\n"));
}

TEST(print_only_what_the_peer_announced)
{
    struct mw_xclient from = full_values(), none = {0};
    enum mw_err err;
    CHECK(prints(&from, false, MW_XCLIENT_NAME | MW_XCLIENT_ADDR,
                 "XCLIENT ADDR=192.0.2.7 NAME=spike.example.org\r\n"));
    CHECK(prints(&from, true, MW_XCLIENT_IDENT | MW_XCLIENT_LOGIN, "XFORWARD IDENT=4YqZ1x\r\n"));
    CHECK(print(&from, false, 0, &err) == NULL && err == MW_ERR_SYNTAX);
    CHECK(print(&from, true, MW_XCLIENT_LOGIN, &err) == NULL && err == MW_ERR_SYNTAX);
    CHECK(print(&none, false, every_attr, &err) == NULL && err == MW_ERR_SYNTAX);
}

TEST(print_states)
{
    struct mw_xclient from = {.name.state = MW_X_TEMPUNAVAIL,
                              .reverse_name.state = MW_X_TEMPUNAVAIL,
                              .helo.state = MW_X_TEMPUNAVAIL,
                              .proto.state = MW_X_UNAVAILABLE,
                              .login.state = MW_X_UNAVAILABLE,
                              .address_state = MW_X_TEMPUNAVAIL,
                              .port_state = MW_X_UNAVAILABLE,
                              .has_source = true};
    CHECK(prints(&from, false, every_attr,
                 "XCLIENT ADDR=[UNAVAILABLE] NAME=[TEMPUNAVAIL] PORT=[UNAVAILABLE] "
                 "LOGIN=[UNAVAILABLE] REVERSE_NAME=[TEMPUNAVAIL] HELO=[UNAVAILABLE]\r\n"));
    CHECK(prints(&from, true, every_attr,
                 "XFORWARD ADDR=[UNAVAILABLE] NAME=[UNAVAILABLE] PORT=[UNAVAILABLE] "
                 "PROTO=[UNAVAILABLE] HELO=[UNAVAILABLE]\r\n"));
    from = (struct mw_xclient){.address_state = MW_X_GIVEN, .port_state = MW_X_GIVEN};
    CHECK(prints(&from, false, every_attr, "XCLIENT ADDR=[UNAVAILABLE] PORT=0\r\n"));
}

TEST(print_proto_that_xclient_does_not_know_is_left_out)
{
    struct mw_xclient from = {.proto = given("LMTP"), .login = given("joe")};
    char lots[80];
    CHECK(prints(&from, false, every_attr, "XCLIENT LOGIN=joe\r\n"));
    CHECK(prints(&from, true, every_attr, "XFORWARD PROTO=LMTP\r\n"));
    from.proto = given("esmtp");
    CHECK(prints(&from, false, MW_XCLIENT_PROTO, "XCLIENT PROTO=ESMTP\r\n"));
    repeat(lots, "P", 65);
    from = (struct mw_xclient){.proto = given(lots), .ident = given("x")};
    CHECK(prints(&from, true, every_attr, "XFORWARD IDENT=x\r\n"));
}

/* nginx CVE-2026-28753: CR and LF in a DNS answer put into XCLIENT */
TEST(print_no_octet_of_a_peer_breaks_the_line)
{
    for (unsigned octet = 0; octet < 256; octet++) {
        for (unsigned place = 0; place < 3; place++) {
            char text[] = "spike.example.org";
            text[place * 8] = (char)octet; /* first, in the middle, last */
            struct mw_slice slice = MW_SLICE(text, sizeof text - 1);
            struct mw_xtext_value value = {.state = MW_X_GIVEN, .text = slice};
            struct mw_xclient from = {.name = value,
                                      .reverse_name = value,
                                      .helo = value,
                                      .proto = value,
                                      .login = value,
                                      .ident = value};
            bool is_control = octet < 0x20 || octet == 0x7f;
            for (int is_forward = 0; is_forward < 2; is_forward++) {
                enum mw_err err;
                const char *line = print(&from, is_forward, every_attr, &err);
                CHECK(line != NULL && is_one_line(line));
                const char *arg = strchr(line, ' ');
                enum mw_err read = parse_octets(arg, strlen(arg) - 2, is_forward);
                CHECK_INT(read, MW_OK);
                struct mw_xtext_value *free_text = is_forward ? &values.ident : &values.login;
                CHECK_INT(free_text->state, is_control ? MW_X_UNAVAILABLE : MW_X_GIVEN);
                CHECK(is_control || mw_slice_eq(free_text->text, slice));
                CHECK_INT(values.helo.state, free_text->state);
                CHECK(is_control || mw_slice_eq(values.helo.text, slice));
                bool is_name = octet < 0x80 && (mw_is_alnum((char)octet) || octet == '_' ||
                                                (place == 1 && octet == '-'));
                if (place == 1 && octet == '.')
                    is_name = true;
                CHECK_INT(values.name.state, is_name ? MW_X_GIVEN : MW_X_UNAVAILABLE);
                CHECK(is_name == mw_slice_eq(values.name.text, slice));
            }
        }
    }
}

TEST(print_injections)
{
    static const char *const texts[] = {"x\r\nMAIL FROM:<a@b>",
                                        "x ADDR=127.0.0.1",
                                        "x\tLOGIN=root",
                                        "[UNAVAILABLE] ADDR=127.0.0.1",
                                        "x\nXCLIENT LOGIN=root",
                                        "+0D+0AQUIT",
                                        "=",
                                        "+",
                                        " ",
                                        "\xc2\x85",
                                        "\xff\xfe",
                                        "x\r",
                                        "\x8d\x8a"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct mw_xclient from = {.name = given(texts[i]),
                                  .reverse_name = given(texts[i]),
                                  .helo = given(texts[i]),
                                  .login = given(texts[i]),
                                  .address_state = MW_X_GIVEN,
                                  .address = inet("192.0.2.7")};
        enum mw_err err;
        const char *line = print(&from, false, every_attr, &err);
        CHECK(line != NULL && is_one_line(line));
        const char *arg = line + strlen("XCLIENT ");
        CHECK_INT(parse_octets(arg, strlen(arg) - 2, false), MW_OK);
        CHECK(is_address(&values.address, "192.0.2.7"));
        CHECK(values.login.state == MW_X_UNAVAILABLE ||
              mw_slice_eq(values.login.text, mw_slice_cstr(texts[i])));
        CHECK_INT(values.name.state, MW_X_UNAVAILABLE);
    }
}

/* A receiver written in C would end the login at the NUL: "root". */
TEST(print_login_with_nul_is_nobody)
{
    struct mw_xclient from = {
        .login = {.state = MW_X_GIVEN, .text = MW_SLICE("root\0@example.org", 17)}};
    CHECK(prints(&from, false, every_attr, "XCLIENT LOGIN=[UNAVAILABLE]\r\n"));
    from.login = given("");
    CHECK(prints(&from, false, every_attr, "XCLIENT LOGIN=[UNAVAILABLE]\r\n"));
}

TEST(print_drops_helo_then_reverse_name_and_never_login)
{
    char name[256], reverse[256], helo[300], login[300];
    repeat(name, "n", 60);
    repeat(reverse, "r", 60);
    struct mw_xclient from = full_values();
    from.name = given(name);
    from.reverse_name = given(reverse);
    size_t with_all = 0, without_helo = 0, without_reverse = 0, refused = 0;
    for (size_t helo_len = 1; helo_len <= 260; helo_len += 3) {
        for (size_t login_len = 1; login_len <= 260; login_len += 3) {
            repeat(helo, "h", helo_len);
            repeat(login, "l", login_len);
            from.helo = given(helo);
            from.login = given(login);
            enum mw_err err;
            const char *line = print(&from, false, every_attr, &err);
            CHECK(line != NULL || err == MW_ERR_LIMIT);
            if (line == NULL) {
                refused++;
                CHECK(login_len > 255);
                continue;
            }
            CHECK(is_one_line(line) && strncmp(line, "XCLIENT ADDR=192.0.2.7 NAME=nn", 30) == 0);
            CHECK(strstr(line, " LOGIN=l") != NULL);
            bool has_helo = strstr(line, " HELO=") != NULL;
            bool has_reverse = strstr(line, " REVERSE_NAME=") != NULL;
            CHECK(has_reverse || !has_helo);
            with_all += has_helo;
            without_helo += has_reverse && !has_helo;
            without_reverse += !has_reverse;
        }
    }
    CHECK(with_all > 0 && without_helo > 0 && refused > 0);
    CHECK_INT(without_reverse, 0);
    char big[260];
    repeat(big, "n.", 100); /* names alone fill the line */
    memcpy(big + 200, "n", 2);
    from.name = from.reverse_name = given(big);
    from.login = given("joe");
    from.helo = given("spike");
    enum mw_err err;
    const char *line = print(&from, false, every_attr, &err);
    CHECK(line != NULL && strstr(line, "REVERSE_NAME") == NULL && strstr(line, "HELO") == NULL);
    CHECK(strstr(line, "LOGIN=joe") != NULL);
}

TEST(print_at_the_limit_of_512)
{
    struct mw_xclient from = {
        .login = given("l"), .address_state = MW_X_GIVEN, .address = inet("192.0.2.7")};
    char name[256], login[256];
    size_t longest = 0;
    repeat(name, "n.", 100);
    memcpy(name + 200, "n", 2);
    from.name = given(name);
    for (size_t len = 1; len < 256; len++) {
        repeat(login, "x", len);
        from.login = given(login);
        enum mw_err err;
        const char *line = print(&from, false, every_attr, &err);
        CHECK((line != NULL) == (7 + 15 + 6 + 201 + 7 + len + 2 <= 512));
        if (line != NULL)
            longest = strlen(line);
    }
    repeat(name, "n.", 127);
    memcpy(name + 254, "n", 2);
    from.name = given(name);
    for (size_t len = 1; len < 256; len++) {
        repeat(login, "x", len);
        from.login = given(login);
        enum mw_err err;
        const char *line = print(&from, false, every_attr, &err);
        CHECK((line != NULL) == (7 + 15 + 6 + 255 + 7 + len + 2 <= 512));
        CHECK(line != NULL || err == MW_ERR_LIMIT);
        if (line != NULL)
            longest = strlen(line);
    }
    CHECK_INT(longest, 512);
}

/* Postfix counts the octets of the encoded value: 256 are 501, and the connection is lost. */
TEST(print_values_over_255_octets_in_xtext)
{
    char text[300];
    struct mw_xclient from = {.port_state = MW_X_GIVEN, .port = 25};
    enum mw_err err;
    repeat(text, "+", 85);
    from.helo = given(text);
    const char *line = print(&from, false, every_attr, &err);
    CHECK(line != NULL && strlen(line) == 7 + 8 + 6 + 255 + 2);
    repeat(text, "+", 86);
    from.helo = given(text);
    CHECK(prints(&from, false, every_attr, "XCLIENT PORT=25\r\n"));
    from.helo.state = MW_X_ABSENT;
    from.login = from.ident = given(text);
    CHECK(print(&from, false, every_attr, &err) == NULL && err == MW_ERR_LIMIT);
    CHECK(print(&from, true, every_attr, &err) == NULL && err == MW_ERR_LIMIT);
    CHECK(prints(&from, false, every_attr & ~(uint32_t)MW_XCLIENT_LOGIN, "XCLIENT PORT=25\r\n"));
}

TEST(print_respects_the_cap_of_out)
{
    struct mw_xclient from = full_values();
    struct mw_buf out = MW_BUF_INIT(40);
    mw_buf_put(&out, MW_LIT("before"));
    CHECK_INT(mw_xclient_print(&from, false, every_attr, &out), MW_ERR_LIMIT);
    CHECK_INT(out.len, 6);
    CHECK_INT(mw_xclient_print(&from, false, MW_XCLIENT_PORT, &out), MW_OK);
    mw_buf_fini(&out);
}

/* Random octets of every length in every attribute: one line, at most 512 octets, and it reads
 * back. */
TEST(print_then_parse_of_random_values)
{
    uint64_t seed = 3;
    char texts[6][400];
    for (int round = 0; round < 20000; round++) {
        struct mw_xclient from = full_values();
        struct mw_xtext_value *const places[] = {&from.name,  &from.reverse_name, &from.helo,
                                                 &from.proto, &from.login,        &from.ident};
        for (size_t i = 0; i < 6; i++) {
            uint64_t random = mw_test_random(&seed);
            size_t len = (random >> 8) % (random & 3 ? 40 : sizeof texts[i]);
            for (size_t at = 0; at < len; at++)
                texts[i][at] = (char)(random & 4 ? 'a' + at % 26 : mw_test_random(&seed) >> 32);
            places[i]->state = (enum mw_xvalue)((random >> 4) & 3);
            places[i]->text = MW_SLICE(texts[i], len);
        }
        bool is_forward = round & 1;
        uint32_t attrs = (uint32_t)mw_test_random(&seed) | MW_XCLIENT_PORT;
        enum mw_err err;
        const char *line = print(&from, is_forward, attrs, &err);
        CHECK(line != NULL || err == MW_ERR_LIMIT);
        if (line == NULL)
            continue;
        CHECK(is_one_line(line));
        const char *arg = strchr(line, ' ');
        CHECK_INT(parse_octets(arg, strlen(arg) - 2, is_forward), MW_OK);
        CHECK_INT(values.port, 41001);
    }
}
