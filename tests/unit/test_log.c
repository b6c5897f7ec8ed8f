/* test_log.c - log lines: the exact form, values that try to forge lines or fields, sinks that are
 * full or go away. */
#include "base/log.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"
#include "test.h"

static const struct mw_slice id = {"7Q2k9Z.1", 8};

#define CHECK_LOG(log, want)                        \
    do {                                            \
        CHECK_SLICE(mw_log_memory_view(log), want); \
        mw_log_close(&log);                         \
    } while (0)

/* ---- form ---- */

TEST(message_line_is_as_the_manual_has_it)
{
    struct mw_log *log = mw_log_memory(MW_LOG_INFO);
    MW_LOG(log, id, MW_EV_MESSAGE, mw_cstr("verdict", "accept"), mw_uint("code", 250),
           mw_cstr("dsn", "2.0.0"),
           mw_client("client", MW_LIT("mail.example.net"), MW_LIT("198.51.100.7"), 41001),
           mw_cstr("helo", "mail.example.net"), mw_cstr("proto", "ESMTPS"),
           mw_cstr("tls", "TLSv1.3"), mw_text("user", MW_EMPTY),
           mw_addr("from", MW_LIT("a@example.net")), mw_ratio("nrcpt", 2, 3), mw_uint("size", 4321),
           mw_cstr("msgid", "<x@y>"), mw_cstr("upstream", "postfix"),
           mw_cstr("queued", "BEE4AA75756"), mw_cstr("changed", "+1h"), mw_seconds("delay", 412),
           mw_seconds("weir", 6), mw_uint("gen", 7));
    CHECK_LOG(log,
              "7Q2k9Z.1: message verdict=accept code=250 dsn=2.0.0 "
              "client=mail.example.net[198.51.100.7]:41001 helo=mail.example.net proto=ESMTPS "
              "tls=TLSv1.3 user=- from=<a@example.net> nrcpt=2/3 size=4321 msgid=<x@y> "
              "upstream=postfix queued=BEE4AA75756 changed=+1h delay=0.412 weir=0.006 gen=7\n");
}

TEST(reject_line_is_as_the_manual_has_it)
{
    struct mw_log *log = mw_log_memory(MW_LOG_INFO);
    MW_LOG(log, id, MW_EV_REJECT, mw_cstr("stage", "rcpt"), mw_cstr("by", "limits"),
           mw_cstr("rule", "net-rcpt"), mw_uint("code", 450), mw_cstr("dsn", "4.7.1"),
           mw_client("client", MW_EMPTY, MW_LIT("198.51.100.7"), 41001),
           mw_addr("from", MW_LIT("a@example.net")), mw_addr("to", MW_LIT("c@example.test")),
           mw_cstr("text", "too many recipients"), mw_cstr("where", "10-limits.conf:12"));
    CHECK_LOG(log, "7Q2k9Z.1: reject stage=rcpt by=limits rule=net-rcpt code=450 dsn=4.7.1 "
                   "client=-[198.51.100.7]:41001 from=<a@example.net> to=<c@example.test> "
                   "text=\"too many recipients\" where=10-limits.conf:12\n");
}

TEST(session_line_is_as_the_manual_has_it)
{
    struct mw_log *log = mw_log_memory(MW_LOG_INFO);
    MW_LOG(log, MW_LIT("7Q2k9Z"), MW_EV_SESSION, mw_cstr("end", "quit"),
           mw_client("client", MW_EMPTY, MW_LIT("198.51.100.7"), 41001), mw_seconds("time", 1204),
           mw_ratio("messages", 1, 1), mw_ratio("rcpts", 2, 3), mw_uint("commands", 9),
           mw_uint("errors", 1), mw_uint("in", 4871), mw_uint("out", 612));
    CHECK_LOG(log, "7Q2k9Z: session end=quit client=-[198.51.100.7]:41001 time=1.204 messages=1/1 "
                   "rcpts=2/3 commands=9 errors=1 in=4871 out=612\n");
}

TEST(numbers_and_missing_things_have_their_form)
{
    struct mw_log *log = mw_log_memory(MW_LOG_INFO);
    MW_LOG(log, MW_EMPTY, MW_EV_STARTED, mw_uint("zero", 0), mw_uint("max", UINT64_MAX),
           mw_seconds("none", 0), mw_seconds("long", 86400010), mw_cstr("null", NULL),
           mw_addr("from", MW_EMPTY), mw_client("client", MW_EMPTY, MW_EMPTY, 0),
           mw_client("six", MW_LIT("a.b"), MW_LIT("2001:db8::1"), 65535));
    CHECK_LOG(log, "started zero=0 max=18446744073709551615 none=0.000 long=86400.010 null=- "
                   "from=<> client=-[-]:0 six=a.b[2001:db8::1]:65535\n");
}

/* ---- hostile values ---- */

static const struct {
    struct mw_slice value;
    const char *want;
} values[] = {
    {MW_LIT("plain,[1]:2/x+y@z<>;%"), "plain,[1]:2/x+y@z<>;%"},
    {MW_LIT("a b"), "\"a b\""},
    {MW_LIT("a=b"), "\"a=b\""},
    {MW_LIT("-"), "\"-\""},
    {MW_LIT("--"), "--"},
    {MW_LIT("say \"hi\" \\"), "\"say \\\"hi\\\" \\\\\""},
    {MW_LIT("a\nb: reject code=250"), "\"a\\x0ab: reject code=250\""},
    {MW_LIT("a\r\n\t\0b\x1b[31m\x7f"), "\"a\\x0d\\x0a\\x09\\x00b\\x1b[31m\\x7f\""},
    {MW_LIT("caf\xc3\xa9"), "\"caf\xc3\xa9\""},
    {MW_LIT("\xf0\x9f\x98\x80"), "\"\xf0\x9f\x98\x80\""},
    {MW_LIT("caf\xe9"), "\"caf\\xe9\""},
    {MW_LIT("\xc0\xaf\xed\xa0\x80"), "\"\\xc0\\xaf\\xed\\xa0\\x80\""},
    {MW_LIT("\xc2\x9b"
            "31m"),
     "\"\\xc2\\x9b31m\""}, /* CSI as a C1 control */
    {MW_LIT("\xc3"), "\"\\xc3\""},
};

TEST(values_cannot_forge_lines_or_fields)
{
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct mw_log *log = mw_log_memory(MW_LOG_DEBUG);
        char want[200];
        snprintf(want, sizeof want, "7Q2k9Z.1: reject v=%s x=1\n", values[i].want);
        MW_LOG(log, id, MW_EV_REJECT, mw_text("v", values[i].value), mw_uint("x", 1));
        CHECK_LOG(log, want);
    }
}

/* Undo what stands between quotes. */
static struct mw_buf unescaped(struct mw_slice text)
{
    struct mw_buf out = {0};
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '\\') {
            mw_buf_putc(&out, text.ptr[i]);
        } else if (text.ptr[++i] == 'x') {
            int high = mw_hex_value(text.ptr[i + 1]), low = mw_hex_value(text.ptr[i + 2]);
            mw_buf_putc(&out, (char)(high << 4 | low));
            i += 2;
        } else {
            mw_buf_putc(&out, text.ptr[i]);
        }
    }
    return out;
}

TEST(random_octets_can_be_read_back_from_one_clean_line)
{
    uint64_t random = 2026;
    static const char often[] = "\r\n\"\\= \xc3\xa9\xf0\x9f\x7f\xc2\x85";
    for (int round = 0; round < 5000; round++) {
        char value[64];
        size_t len = 1 + mw_test_random(&random) % sizeof value;
        for (size_t i = 0; i < len; i++) {
            uint64_t pick = mw_test_random(&random);
            value[i] = pick % 2 ? often[pick / 2 % (sizeof often - 1)] : (char)(pick >> 8);
        }
        struct mw_log *log = mw_log_memory(MW_LOG_DEBUG);
        MW_LOG(log, MW_EMPTY, MW_EV_REJECT, mw_text("v", MW_SLICE(value, len)));
        struct mw_slice line = mw_log_memory_view(log);
        CHECK_INT(mw_slice_find(line, '\n'), line.len - 1);
        CHECK(mw_utf8_is_valid(line));
        for (size_t i = 0; i + 1 < line.len; i++)
            CHECK((unsigned char)line.ptr[i] >= ' ' && line.ptr[i] != 127);
        struct mw_slice printed = mw_slice_skip(MW_SLICE(line.ptr, line.len - 1), 9);
        if (printed.ptr[0] == '"')
            printed = MW_SLICE(printed.ptr + 1, printed.len - 2);
        struct mw_buf back = unescaped(printed);
        CHECK(mw_slice_eq(mw_buf_view(&back), MW_SLICE(value, len)));
        mw_buf_fini(&back);
        mw_log_close(&log);
    }
}

TEST(paths_and_names_are_escaped_within_their_brackets)
{
    struct mw_log *log = mw_log_memory(MW_LOG_DEBUG);
    MW_LOG(log, id, MW_EV_REJECT, mw_addr("from", MW_LIT("\"a b\"@x")),
           mw_addr("to", MW_LIT("bounce+a=b@x")),
           mw_client("client", MW_LIT("a\nb"), MW_LIT("192.0.2.1"), 25),
           mw_client("odd", MW_LIT("a"), MW_LIT("1 x=y"), 25));
    CHECK_LOG(log, "7Q2k9Z.1: reject from=\"<\\\"a b\\\"@x>\" to=\"<bounce+a=b@x>\" "
                   "client=\"a\\x0ab[192.0.2.1]:25\" odd=a[-]:25\n");
}

TEST(long_values_are_cut_between_characters)
{
    char value[1000];
    memset(value, 'a', sizeof value);
    struct mw_log *log = mw_log_memory(MW_LOG_DEBUG);
    MW_LOG(log, MW_EMPTY, MW_EV_REJECT, mw_text("v", MW_SLICE(value, 512)));
    CHECK_INT(mw_log_memory_view(log).len, strlen("reject v=\n") + 512);
    MW_LOG(log, MW_EMPTY, MW_EV_REJECT, mw_text("v", MW_SLICE(value, 513)));
    CHECK_INT(mw_log_memory_view(log).len, 2 * (strlen("reject v=\n") + 512));
    CHECK(mw_slice_iends(mw_log_memory_view(log), MW_LIT("aaa...\n")));
    memcpy(value + 507, "\xf0\x9f\x98\x80", 4); /* the cut would be behind its second octet */
    MW_LOG(log, MW_EMPTY, MW_EV_REJECT, mw_text("v", MW_SLICE(value, 1000)));
    CHECK(mw_slice_iends(mw_log_memory_view(log), MW_LIT("aaa...\n")));
    mw_log_close(&log);
}

TEST(lines_too_long_leave_out_whole_fields)
{
    static char value[512];
    memset(value, '\n', sizeof value);
    struct mw_log_field fields[30];
    for (size_t i = 0; i < 30; i++)
        fields[i] = mw_text("v", MW_SLICE(value, sizeof value));
    struct mw_log *log = mw_log_memory(MW_LOG_DEBUG);
    mw_log_event(log, MW_EV_REJECT, id, fields, 30);
    struct mw_slice line = mw_log_memory_view(log);
    CHECK(line.len <= 16384 && line.len > 12000);
    CHECK_INT(mw_slice_find(line, '\n'), line.len - 1);
    CHECK(mw_slice_iends(line, MW_LIT("\\x0a\"\n")));
    mw_log_close(&log);
}

TEST(events_and_keys_of_filters_are_cleaned)
{
    struct mw_log *log = mw_log_memory(MW_LOG_INFO);
    const struct mw_log_field fields[] = {mw_cstr("a b=\n\"", "x"), mw_cstr("", "y"),
                                          mw_cstr(NULL, "z"), mw_cstr("ok_1.2-3", "w")};
    mw_log_named(log, MW_LOG_INFO, MW_LIT("my\nevent x"), MW_LIT("id: x"), fields, 4);
    mw_log_named(log, MW_LOG_DEBUG, MW_LIT("unwanted"), id, NULL, 0);
    mw_log_named(log, MW_LOG_ERROR, MW_EMPTY, MW_EMPTY, NULL, 0);
    CHECK_LOG(log, "id__x: my_event_x a_b___=x _=y _=z ok_1.2-3=w\n-\n");
}

TEST(levels_below_the_logs_are_not_written)
{
    struct mw_log *log = mw_log_memory(MW_LOG_WARNING);
    CHECK(!mw_log_wants(log, MW_LOG_INFO) && mw_log_wants(log, MW_LOG_WARNING));
    MW_LOG(log, id, MW_EV_MESSAGE, mw_uint("x", 1));
    MW_LOG(log, id, MW_EV_FILTER_FAILED, mw_uint("x", 2));
    CHECK_LOG(log, "7Q2k9Z.1: filter-failed x=2\n");
    struct mw_log *none = NULL;
    MW_LOG(none, id, MW_EV_PROBLEM, mw_uint("x", 3));
    mw_log_flush(none);
}

/* ---- sinks ---- */

/* A log on a file below `directory`; the file's name is in `path`. */
static struct mw_log *open_file_log(char *path, size_t size, const char *name,
                                    enum mw_log_format format)
{
    snprintf(path, size, "%s/%s.%d", MW_TEST_BINARY_DIR, name, (int)getpid());
    unlink(path);
    struct mw_log_config config = {
        .sink = MW_LOG_FILE, .format = format, .level = MW_LOG_DEBUG, .path = path};
    struct mw_log *log = NULL;
    const char *error = NULL;
    if (mw_log_open(&config, &log, &error) != MW_OK)
        mw_test_fail(__FILE__, __LINE__, "%s: %s", path, error);
    return log;
}

static size_t read_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ptrdiff_t len = fd < 0 ? -1 : read(fd, out, size - 1);
    if (fd >= 0)
        close(fd);
    out[len < 0 ? 0 : len] = '\0';
    return len < 0 ? 0 : (size_t)len;
}

/* `text` begins with an RFC 3339 time of now. */
static bool has_stamp(const char *text)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    for (size_t i = 0; form[i] != '\0'; i++)
        if (form[i] == 'd' ? !mw_is_digit(text[i]) : text[i] != form[i])
            return false;
    struct tm tm = {0};
    strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    struct timespec now; /* time(2) may be a tick behind this clock, which the log reads */
    clock_gettime(CLOCK_REALTIME, &now);
    time_t difference = now.tv_sec - timegm(&tm);
    return difference >= 0 && difference < 60;
}

TEST(file_lines_begin_with_the_time)
{
    char path[300], text[1000];
    struct mw_log *log = open_file_log(path, sizeof path, "plain.log", MW_LOG_LOGFMT);
    CHECK(log != NULL);
    MW_LOG(log, id, MW_EV_MESSAGE, mw_uint("x", 1));
    CHECK_INT(read_file(path, text, sizeof text), 0); /* gathered */
    mw_log_flush(log);
    read_file(path, text, sizeof text);
    CHECK(has_stamp(text));
    CHECK(strcmp(text + 24, " 7Q2k9Z.1: message x=1\n") == 0);
    struct stat facts;
    CHECK(stat(path, &facts) == 0 && (facts.st_mode & 0007) == 0);
    mw_log_close(&log);
    unlink(path);
}

TEST(json_lines_have_the_same_keys)
{
    char path[300], text[2000];
    struct mw_log *log = open_file_log(path, sizeof path, "json.log", MW_LOG_JSON);
    MW_LOG(log, id, MW_EV_SESSION, mw_text("user", MW_EMPTY), mw_addr("from", MW_LIT("a@b")),
           mw_client("client", MW_EMPTY, MW_LIT("192.0.2.1"), 25), mw_seconds("time", 1204),
           mw_ratio("nrcpt", 2, 3), mw_uint("size", 9), mw_cstr("dash", "-"),
           mw_text("text", MW_LIT("\"\\\n\xff\x7f\xc2\x9b\xc3\xa9")));
    mw_log_close(&log);
    read_file(path, text, sizeof text);
    CHECK(memcmp(text, "{\"time\":\"", 9) == 0 && has_stamp(text + 9));
    CHECK_MEM(text + 33, strlen(text + 33),
              "\",\"level\":\"info\",\"id\":\"7Q2k9Z.1\",\"event\":\"session\",\"user\":null,"
              "\"from\":\"<a@b>\",\"client\":\"-[192.0.2.1]:25\",\"time_\":1.204,\"nrcpt\":\"2/3\","
              "\"size\":9,\"dash\":\"-\",\"text\":\"\\\"\\\\\\u000a\\\\xff\\u007f\\\\xc2\\\\x9b"
              "\xc3\xa9\"}\n");
    unlink(path);
}

TEST(reopened_file_is_a_new_one)
{
    char path[300], moved[320], text[1000];
    struct mw_log *log = open_file_log(path, sizeof path, "rotated.log", MW_LOG_LOGFMT);
    MW_LOG(log, id, MW_EV_MESSAGE, mw_uint("x", 1));
    snprintf(moved, sizeof moved, "%s.1", path);
    CHECK_INT(rename(path, moved), 0);
    mw_log_reopen(log);
    MW_LOG(log, id, MW_EV_MESSAGE, mw_uint("x", 2));
    mw_log_close(&log);
    read_file(moved, text, sizeof text);
    CHECK(strstr(text, "x=1\n") != NULL && strstr(text, "x=2") == NULL);
    read_file(path, text, sizeof text);
    CHECK(strstr(text, "x=2\n") != NULL && strstr(text, "x=1") == NULL);
    unlink(path);
    unlink(moved);
}

TEST(sinks_that_cannot_be_opened_say_why)
{
    static const struct mw_log_config configs[] = {
        {.sink = MW_LOG_FILE, .path = "/nonexistent/x.log"},
        {.sink = MW_LOG_FILE, .path = NULL},
        {.sink = MW_LOG_SYSLOG, .path = "/nonexistent/socket"},
    };
    for (size_t i = 0; i < 3; i++) {
        struct mw_log *log = NULL;
        const char *error = NULL;
        CHECK_INT(mw_log_open(&configs[i], &log, &error), MW_ERR_IO);
        CHECK(error != NULL && strstr(error, "No such file") != NULL);
    }
}

/* stderr as a pipe for the time of one test. */
struct captured {
    int saved, reader;
};

static struct captured capture_stderr(void)
{
    int ends[2];
    struct captured captured = {.saved = dup(STDERR_FILENO)};
    if (pipe(ends) != 0)
        abort();
    captured.reader = ends[0];
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    return captured;
}

static void release_stderr(struct captured *captured)
{
    dup2(captured->saved, STDERR_FILENO);
    close(captured->saved);
    close(captured->reader);
}

static size_t drain(int fd, char *out, size_t size)
{
    size_t len = 0;
    for (ptrdiff_t got; len < size - 1 && (got = read(fd, out + len, size - 1 - len)) > 0;)
        len += (size_t)got;
    out[len] = '\0';
    return len;
}

static struct mw_log *open_stderr_log(void)
{
    struct mw_log_config config = {.sink = MW_LOG_STDERR, .level = MW_LOG_DEBUG};
    struct mw_log *log = NULL;
    const char *error = NULL;
    if (mw_log_open(&config, &log, &error) != MW_OK)
        mw_test_fail(__FILE__, __LINE__, "stderr: %s", error);
    return log;
}

TEST(full_pipe_drops_counts_and_says_so)
{
    static char text[1 << 20];
    struct captured captured = capture_stderr();
    struct mw_log *log = open_stderr_log();
    const uint64_t lines = 20000;
    for (uint64_t i = 0; i < lines; i++) { /* about 1 MB: pipe and buffer hold 128 KiB */
        MW_LOG(log, id, MW_EV_MESSAGE, mw_uint("line", i));
        if (i % 100 == 0)
            mw_log_flush(log);
    }
    uint64_t dropped = mw_log_dropped(log);
    bool is_blocking = (fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK) == 0;
    uint64_t seen = 0, said = 0;
    for (int round = 0; round < 100; round++) {
        size_t len = drain(captured.reader, text, sizeof text);
        for (char *line = text, *end; (end = memchr(line, '\n', len)) != NULL; line = end + 1) {
            len -= (size_t)(end + 1 - line);
            *end = '\0';
            char *tail = strstr(line, "log-dropped lines=");
            if (tail != NULL)
                said += strtoull(strchr(tail, '=') + 1, NULL, 10);
            else if (has_stamp(line) && strstr(line, "7Q2k9Z.1: message line=") == line + 25)
                seen++;
        }
        mw_log_flush(log);
    }
    release_stderr(&captured);
    CHECK(is_blocking); /* whoever shares stderr with us does not notice */
    CHECK(dropped > 0);
    CHECK_INT(mw_log_dropped(log), dropped);
    CHECK_INT(said, dropped);
    CHECK_INT(seen, lines - dropped);
    mw_log_close(&log);
}

TEST(journald_reading_stderr_gets_priorities_and_no_times)
{
    char text[1000], stream[100];
    struct captured captured = capture_stderr();
    struct stat facts;
    fstat(STDERR_FILENO, &facts);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)facts.st_dev, (uintmax_t)facts.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    struct mw_log *log = open_stderr_log();
    setenv("JOURNAL_STREAM", "1:1", 1); /* of another descriptor, inherited */
    struct mw_log *other = open_stderr_log();
    unsetenv("JOURNAL_STREAM");
    MW_LOG(log, id, MW_EV_MESSAGE, mw_uint("x", 1));
    MW_LOG(log, id, MW_EV_FILTER_FAILED, mw_uint("x", 2));
    mw_log_close(&log);
    drain(captured.reader, text, sizeof text);
    CHECK_MEM(text, strlen(text), "7Q2k9Z.1: message x=1\n<3>7Q2k9Z.1: filter-failed x=2\n");
    MW_LOG(other, id, MW_EV_FILTER_FAILED, mw_uint("x", 3));
    mw_log_close(&other);
    drain(captured.reader, text, sizeof text);
    release_stderr(&captured);
    CHECK(has_stamp(text));
    CHECK_MEM(text + 24, strlen(text + 24), " 7Q2k9Z.1: filter-failed x=3\n");
}

TEST(stderr_that_is_a_socket_is_not_waited_for)
{
    int ends[2], saved = dup(STDERR_FILENO);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    dup2(ends[1], STDERR_FILENO);
    struct mw_log *log = open_stderr_log();
    for (int i = 0; i < 20000; i++)
        MW_LOG(log, id, MW_EV_MESSAGE, mw_cstr("text", "to fill the socket's buffer quickly"));
    dup2(saved, STDERR_FILENO);
    CHECK(mw_log_dropped(log) > 0);
    mw_log_close(&log);
    close(ends[0]);
    close(ends[1]);
    close(saved);
}

TEST(lines_for_a_reader_that_has_gone_are_dropped)
{
    struct captured captured = capture_stderr();
    struct mw_log *log = open_stderr_log();
    release_stderr(&captured); /* the only reader */
    MW_LOG(log, id, MW_EV_MESSAGE, mw_uint("x", 1));
    for (int i = 0; i < 3; i++)
        mw_log_flush(log);
    CHECK_INT(mw_log_dropped(log), 1); /* the notice about it is no second one */
    mw_log_close(&log);
}

/* ---- datagrams ---- */

static int bind_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
        mw_test_fail(__FILE__, __LINE__, "cannot bind %s", path);
    return fd;
}

static size_t receive(int fd, char *out, size_t size)
{
    ptrdiff_t len = recv(fd, out, size - 1, 0);
    out[len < 0 ? 0 : len] = '\0';
    return len < 0 ? 0 : (size_t)len;
}

TEST(syslog_gets_a_datagram_a_line_and_is_found_again)
{
    char directory[] = "/tmp/mw-log-test.XXXXXX", path[64], text[1000], want[200];
    CHECK(mkdtemp(directory) != NULL);
    snprintf(path, sizeof path, "%s/log", directory);
    int server = bind_socket(path);
    struct mw_log_config config = {.sink = MW_LOG_SYSLOG, .level = MW_LOG_INFO, .path = path};
    struct mw_log *log = NULL;
    const char *error = NULL;
    CHECK_INT(mw_log_open(&config, &log, &error), MW_OK);
    MW_LOG(log, id, MW_EV_MESSAGE, mw_uint("x", 1));
    MW_LOG(log, id, MW_EV_PROBLEM, mw_cstr("text", "two\nlines"));
    mw_log_flush(log);
    receive(server, text, sizeof text);
    snprintf(want, sizeof want, "<22>mailweir[%d]: 7Q2k9Z.1: message x=1", (int)getpid());
    CHECK_MEM(text, strlen(text), want);
    receive(server, text, sizeof text);
    snprintf(want, sizeof want, "<19>mailweir[%d]: 7Q2k9Z.1: problem text=\"two\\x0alines\"",
             (int)getpid());
    CHECK_MEM(text, strlen(text), want);
    close(server); /* syslogd restarts */
    MW_LOG(log, id, MW_EV_MESSAGE, mw_uint("x", 2));
    mw_log_flush(log);
    server = bind_socket(path);
    MW_LOG(log, id, MW_EV_MESSAGE, mw_uint("x", 3));
    mw_log_flush(log);
    receive(server, text, sizeof text);
    CHECK(strstr(text, "x=2") != NULL);
    receive(server, text, sizeof text);
    CHECK(strstr(text, "x=3") != NULL);
    CHECK_INT(mw_log_dropped(log), 0);
    mw_log_close(&log);
    close(server);
    unlink(path);
    rmdir(directory);
}

TEST(syslog_that_does_not_read_costs_nothing_but_lines)
{
    char directory[] = "/tmp/mw-log-test.XXXXXX", path[64], text[1000];
    CHECK(mkdtemp(directory) != NULL);
    snprintf(path, sizeof path, "%s/log", directory);
    int server = bind_socket(path);
    struct mw_log_config config = {.sink = MW_LOG_JOURNALD, .level = MW_LOG_INFO, .path = path};
    struct mw_log *log = NULL;
    const char *error = NULL;
    CHECK_INT(mw_log_open(&config, &log, &error), MW_OK);
    uint64_t seen = 0;
    for (uint64_t i = 0; i < 5000; i++)
        MW_LOG(log, id, MW_EV_MESSAGE, mw_uint("x", i));
    uint64_t dropped = mw_log_dropped(log);
    CHECK(dropped > 0);
    bool is_said = false;
    for (int round = 0; round < 1000; round++) {
        while (receive(server, text, sizeof text) > 0) {
            seen += strstr(text, "message") != NULL;
            is_said |= strstr(text, "log-dropped lines=") != NULL;
        }
        mw_log_flush(log);
    }
    CHECK_INT(seen, 5000 - dropped);
    CHECK(is_said);
    mw_log_close(&log);
    close(server);
    unlink(path);
    rmdir(directory);
}

TEST(message_lines_are_cheap)
{
    struct mw_log *log = mw_log_memory(MW_LOG_INFO);
    struct timespec from, to;
    const int lines = 5000;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    for (int i = 0; i < lines; i++)
        MW_LOG(log, id, MW_EV_MESSAGE, mw_cstr("verdict", "accept"), mw_uint("code", 250),
               mw_cstr("dsn", "2.0.0"),
               mw_client("client", MW_LIT("mail.example.net"), MW_LIT("198.51.100.7"), 41001),
               mw_cstr("helo", "mail.example.net"), mw_cstr("proto", "ESMTPS"),
               mw_cstr("tls", "TLSv1.3"), mw_text("user", MW_EMPTY),
               mw_addr("from", MW_LIT("a@example.net")), mw_ratio("nrcpt", 2, 3),
               mw_uint("size", 4321), mw_cstr("msgid", "<x@y>"), mw_cstr("upstream", "postfix"),
               mw_cstr("queued", "BEE4AA75756"), mw_cstr("changed", "+1h"),
               mw_seconds("delay", 412), mw_seconds("weir", 6), mw_uint("gen", 7));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    double ns = ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) /
                lines;
    printf("%.0f ns a line\n", ns);
    CHECK(ns < 100000); /* a sanity bound for sanitizer builds; about 600 ns when optimised */
    mw_log_close(&log);
}

/* The process ignores SIGPIPE; so does this one. */
__attribute__((constructor)) static void ignore_sigpipe(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
}
