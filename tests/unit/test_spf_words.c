/* What a client, a reader of the header and a reader of the log are told; nobody's octets but ours end a line. */
#include "spf_fake.h"
#include "test.h"

static struct mw_instance instance;
static const char client[16] = {0, 0, 0,          0,          0,         0, 0, 0,
                                0, 0, (char)0xff, (char)0xff, (char)192, 0, 2, 7};
static const struct scene scene = {.client = client,
                                   .sender = LIT("a@example.net"),
                                   .helo = LIT("mail.example.net"),
                                   .receiver = LIT("mx.example.test")};

static struct finding found(enum spf_result result)
{
    return (struct finding){.identity = IDENTITY_MAILFROM,
                            .verdict = {.result = result,
                                        .domain = LIT("example.net"),
                                        .mechanism = LIT("-all"),
                                        .record_domain = LIT("example.net")}};
}

static const char *reply_of(const char *block, const struct scene *of,
                            const struct finding *finding, enum action action)
{
    static char text[600];
    char octets[WORDS_REPLY_MAX];
    struct spf *spf = fake_open(&instance, block);
    struct reply reply = words_reply(&spf->settings, of, finding, action, octets);
    snprintf(text, sizeof text, "%u %s %.*s", reply.code, reply.dsn, (int)reply.text.len,
             reply.text.ptr);
    fake_instance_fini(&instance);
    return text;
}
#define REPLY(block, finding, action) slice_of(reply_of(block, &scene, &(finding), action))

/* RFC 7372 3.2 */
TEST(replies)
{
    struct finding fail = found(SPF_FAIL), helo = found(SPF_FAIL), bounce = found(SPF_FAIL);
    fail.verdict.explanation = LIT("see https://example.net/spf");
    helo.identity = IDENTITY_HELO;
    bounce.is_null_sender = true;
    bounce.verdict.domain = LIT("mail.example.net");
    CHECK_SLICE(REPLY("", fail, ACTION_REJECT),
                "550 5.7.23 SPF: 192.0.2.7 is not allowed to send mail from example.net (the "
                "domain says: see https://example.net/spf)");
    CHECK_SLICE(REPLY("explanation off", fail, ACTION_REJECT),
                "550 5.7.23 SPF: 192.0.2.7 is not allowed to send mail from example.net");
    CHECK_SLICE(
        REPLY("explanation off", fail, ACTION_DEFER),
        "451 4.7.23 SPF: 192.0.2.7 is not allowed to send mail from example.net, try again later");
    CHECK_SLICE(REPLY("", helo, ACTION_REJECT),
                "550 5.7.23 SPF: 192.0.2.7 is not allowed to call itself example.net");
    CHECK_SLICE(REPLY("", bounce, ACTION_REJECT),
                "550 5.7.23 SPF: 192.0.2.7 is not allowed to call itself mail.example.net");
    struct finding error = found(SPF_PERMERROR);
    error.verdict.problem = LIT("two SPF records at example.net");
    CHECK_SLICE(REPLY("", error, ACTION_REJECT), "550 5.7.24 SPF: the record of example.net cannot "
                                                 "be used (two SPF records at example.net)");
    error.verdict.result = SPF_TEMPERROR;
    error.verdict.problem = LIT("no result within 20 s");
    CHECK_SLICE(REPLY("", error, ACTION_DEFER),
                "451 4.7.24 SPF: the record of example.net could not be looked up (no result "
                "within 20 s), try again later");
    CHECK_SLICE(
        REPLY("", error, ACTION_REJECT),
        "550 5.7.24 SPF: the record of example.net could not be looked up (no result within 20 s)");
    struct finding none = found(SPF_NONE), soft = found(SPF_SOFTFAIL), neutral = found(SPF_NEUTRAL);
    CHECK_SLICE(REPLY("", none, ACTION_REJECT),
                "550 5.7.1 SPF: example.net has no SPF record, mail from it is not taken");
    CHECK_SLICE(REPLY("", soft, ACTION_REJECT),
                "550 5.7.23 SPF: 192.0.2.7 should not send mail from example.net");
    CHECK_SLICE(REPLY("", neutral, ACTION_DEFER),
                "451 4.7.1 SPF: example.net does not say whether 192.0.2.7 may send mail from it, "
                "try again later");
}

TEST(own_explanation)
{
    static const char block[] =
        "explanation \"%{result}: see https://example.test/why?s=%{S}&i=%{I}&h=%{H} (%{s} %{i} "
        "%{h} %{d}) 100%%\"";
    struct finding fail = found(SPF_FAIL);
    fail.verdict.explanation = LIT("not heard");
    struct scene odd = scene;
    odd.sender = LIT("a+\"\r\n\303\274&@example.net");
    CHECK_SLICE(slice_of(reply_of(block, &odd, &fail, ACTION_REJECT)),
                "550 5.7.23 fail: see "
                "https://example.test/"
                "why?s=a%2B%22%0D%0A%C3%BC%26%40example.net&i=192.0.2.7&h=mail.example.net "
                "(a+\"????&@example.net 192.0.2.7 mail.example.net example.net) 100%");
}

TEST(own_explanation_is_checked)
{
    size_t bad;
    CHECK(words_check_own(LIT("plain text, https://example.test/?a=b"), &bad));
    CHECK(words_check_own(LIT("%{i}%{s}%{h}%{d}%{result}%%%{I}%{S}%{H}%{D}"), &bad));
    static const struct {
        const char *text;
        size_t bad;
    } rows[] = {{"%", 0},    {"a %{", 2},      {"%{x}", 0}, {"%{i", 0},
                {"100%", 3}, {"%{RESULT}", 0}, {"a\tb", 1}, {"\303\274", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK(!words_check_own(slice_of(rows[i].text), &bad));
        CHECK_INT(bad, rows[i].bad);
    }
}

/* RFC 5321 4.5.3.1.5: whatever stands in a record, a sender or a HELO, the line is printable and at most 512 octets with code and CRLF. */
TEST(replies_are_bounded_and_printable)
{
    static const char *const blocks[] = {"", "explanation off",
                                         "explanation \"%{S} %{H} %{s} %{h} %{d} %{result}\""};
    uint64_t seed = 0x59f;
    for (int round = 0; round < 3000; round++) {
        char junk[5][3000];
        struct mw_slice text[5];
        for (int i = 0; i < 5; i++) {
            size_t len = mw_test_random(&seed) % (round % 3 == 0 ? 3000 : 300);
            for (size_t j = 0; j < len; j++)
                junk[i][j] = (char)mw_test_random(&seed);
            text[i] = SLICE(junk[i], len);
        }
        struct scene odd = {.client = client,
                            .sender = text[0],
                            .helo = text[1],
                            .receiver = LIT("mx.example.test")};
        struct finding finding = {.identity = (enum identity)(round % 2),
                                  .verdict = {.result = (enum spf_result)(round % SPF_RESULTS),
                                              .domain = text[2],
                                              .explanation = text[3],
                                              .problem = text[4],
                                              .mechanism = text[2],
                                              .record_domain = text[1]}};
        const char *reply = reply_of(blocks[round % 3], &odd, &finding,
                                     round % 5 == 0 ? ACTION_DEFER : ACTION_REJECT);
        size_t len = strlen(reply);
        CHECK(len <= 510);
        for (size_t i = 0; i < len; i++)
            CHECK(reply[i] >= 0x20 && reply[i] < 0x7f);
        char value[WORDS_RECEIVED_MAX], reason[WORDS_REASON_MAX];
        struct mw_slice received = words_received(&odd, &finding, value);
        CHECK(received.len < WORDS_RECEIVED_MAX && received.ptr[received.len - 1] != ';');
        for (size_t i = 0, line = 0; i < received.len; i++) {
            bool is_fold = received.ptr[i] == '\r' && received.ptr[i + 1] == '\n' &&
                           received.ptr[i + 2] == '\t';
            line = is_fold ? 0 : line + 1;
            i += is_fold ? 2 : 0;
            CHECK(line < 998 && (is_fold || (received.ptr[i] >= 0x20 && received.ptr[i] < 0x7f)));
        }
        struct mw_slice said = words_reason(&finding, reason);
        for (size_t i = 0; i < said.len; i++)
            CHECK(said.ptr[i] >= 0x20 && said.ptr[i] < 0x7f);
    }
}

TEST(explanation_is_cut_but_closed)
{
    char long_text[512];
    memset(long_text, 'x', sizeof long_text);
    struct finding fail = found(SPF_FAIL);
    fail.verdict.explanation = SLICE(long_text, sizeof long_text);
    struct mw_slice reply = REPLY("", fail, ACTION_REJECT);
    CHECK(reply.len <= 510 && reply.len > 480);
    CHECK(reply.ptr[reply.len - 1] == ')');
}

TEST(authentication_results)
{
    struct result result;
    struct finding finding = found(SPF_FAIL);
    words_result(&result, &scene, &finding, EMPTY);
    CHECK_SLICE(result_text(&result),
                "spf=fail (mechanism -all of example.net) smtp.mailfrom=a@example.net");
    words_result(&result, &scene, &finding, LIT("example.org"));
    CHECK_SLICE(result_text(&result), "spf=fail (forwarded by example.org, mechanism -all of "
                                      "example.net) smtp.mailfrom=a@example.net");
    finding.identity = IDENTITY_HELO;
    finding.verdict.result = SPF_PASS;
    finding.verdict.mechanism = LIT("a:mail.example.net");
    words_result(&result, &scene, &finding, EMPTY);
    CHECK_SLICE(
        result_text(&result),
        "spf=pass (mechanism a:mail.example.net of example.net) smtp.helo=mail.example.net");
    finding = found(SPF_NEUTRAL);
    finding.verdict.mechanism = LIT("default");
    words_result(&result, &scene, &finding, EMPTY);
    CHECK_SLICE(result_text(&result),
                "spf=neutral (no mechanism matched) smtp.mailfrom=a@example.net");
    finding = found(SPF_NONE);
    finding.verdict.mechanism = EMPTY;
    words_result(&result, &scene, &finding, EMPTY);
    CHECK_SLICE(result_text(&result), "spf=none (no SPF record) smtp.mailfrom=a@example.net");
    struct scene eai = scene;
    eai.sender = LIT("\303\274@b\303\274cher.example");
    finding = found(SPF_PASS);
    words_result(&result, &eai, &finding, EMPTY);
    CHECK_SLICE(result_text(&result),
                "spf=pass (mechanism -all of example.net) smtp.mailfrom=\"??@b??cher.example\"");
    eai.is_utf8 = true;
    words_result(&result, &eai, &finding, EMPTY);
    CHECK_SLICE(
        result_text(&result),
        "spf=pass (mechanism -all of example.net) smtp.mailfrom=\303\274@b\303\274cher.example");
}

/* RFC 7208 9.1 */
TEST(received_spf)
{
    char value[WORDS_RECEIVED_MAX];
    struct finding finding = found(SPF_FAIL);
    CHECK_SLICE(words_received(&scene, &finding, value),
                "fail (mx.example.test: example.net does not designate 192.0.2.7 as permitted "
                "sender)\r\n\tclient-ip=192.0.2.7;"
                "\r\n\tenvelope-from=\"a@example.net\";\r\n\thelo=mail.example.net;\r\n\treceiver="
                "mx.example.test;\r\n\tidentity=mailfrom;"
                "\r\n\tmechanism=-all");
    static const char six[16] = {0x20, 0x01, 0x0d, (char)0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7};
    struct scene bounce = {
        .client = six, .sender = EMPTY, .helo = LIT("x(y)"), .receiver = LIT("mx.example.test")};
    finding = (struct finding){
        .is_null_sender = true,
        .verdict = {.result = SPF_PERMERROR, .problem = LIT("bad \"term\"")}};
    CHECK_SLICE(words_received(&bounce, &finding, value),
                "permerror (mx.example.test: the record of x_y_ cannot be "
                "used)\r\n\tclient-ip=\"2001:db8::7\";\r\n\tenvelope-from=\"<>\";"
                "\r\n\thelo=\"x(y)\";\r\n\treceiver=mx.example.test;\r\n\tidentity=helo;"
                "\r\n\tproblem=\"bad \\\"term\\\"\"");
}
