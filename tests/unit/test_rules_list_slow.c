/* test_rules_list_slow.c - lists that live elsewhere: DNS lists against a scripted resolver, Redis
 * against a server of our own on a socket and a port of its choosing. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "list_kit.h"
#include "list_priv.h"
#include "test.h"

static struct list_kit kit;

/* ---- names, and lists of a single zone ---- */

TEST(names_to_ask_for_follow_rfc5782)
{
    static const unsigned char ip4[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 99};
    static const unsigned char ip6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x2a};
    char name[256], label[255];
    size_t len = rules_dnsbl_name(SET_NETWORK, SLICE((const char *)ip4, 16), LIT("bl.example"),
                                  name);
    CHECK_MEM(name, len, "99.2.0.192.bl.example"); /* RFC 5782 2.1 */
    len = rules_dnsbl_name(SET_NETWORK, SLICE((const char *)ip6, 16), LIT("bl.example"), name);
    CHECK_MEM(name, len, /* RFC 5782 2.4 */
              "a.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example");
    len = rules_dnsbl_name(SET_HOST, LIT("spam.example"), LIT("bl.example"), name);
    CHECK_MEM(name, len, "spam.example.bl.example"); /* RFC 5782 2.2 */
    len = rules_dnsbl_name(SET_ADDRESS, LIT("bob@spam.example"), LIT("bl.example"), name);
    CHECK_MEM(name, len, "spam.example.bl.example");
    CHECK_INT(rules_dnsbl_name(SET_HOST, LIT("[192.0.2.1]"), LIT("bl.example"), name), 0);
    CHECK_INT(rules_dnsbl_name(SET_HOST, LIT("a..b"), LIT("bl.example"), name), 0);
    CHECK_INT(rules_dnsbl_name(SET_HOST, LIT("a b"), LIT("bl.example"), name), 0);
    CHECK_INT(rules_dnsbl_name(SET_HOST, LIT("\xc3\xa4.example"), LIT("bl.example"), name), 0);
    CHECK_INT(rules_dnsbl_name(SET_ADDRESS, LIT("postmaster"), LIT("bl.example"), name), 0);
    memset(label, 'a', sizeof label);
    CHECK_INT(rules_dnsbl_name(SET_HOST, SLICE(label, 64), LIT("bl.example"), name), 0);
    for (size_t i = 50; i < sizeof label; i += 51)
        label[i] = '.';
    CHECK(rules_dnsbl_name(SET_HOST, SLICE(label, 242), LIT("bl.example"), name) == 253);
    CHECK_INT(rules_dnsbl_name(SET_HOST, SLICE(label, 243), LIT("bl.example"), name), 0);
}

/* ---- DNS lists ---- */

static const struct kit_answer answers[] = {{"1.2.0.192.bl.example", "127.0.0.2"},
                                            {"2.2.0.192.bl.example", "127.0.0.10"},
                                            {"3.2.0.192.bl.example", "192.0.2.80"},
                                            {"4.2.0.192.bl.example", "127.255.255.254"},
                                            {"5.2.0.192.bl.example", "!"},
                                            {"6.2.0.192.bl.example", "?"},
                                            {"7.2.0.192.bl.example", "127.0.0.10 127.0.0.4"},
                                            {"6.2.0.192.two.example", "127.0.0.3"},
                                            {"5.2.0.192.two.example", "127.0.0.3"},
                                            {"bad.example.rhs.example", "127.0.1.2"},
                                            {0}};

TEST(dns_list_says_who_is_listed)
{
    kit_init(&kit);
    kit.dns = answers;
    START("dnsbl \"bl.example\" timeout 300ms", "client.ip");
    CHECK_HAS("192.0.2.1");
    CHECK_HAS("192.0.2.2");
    CHECK_HAS_NOT("192.0.2.100");
    CHECK_HAS_NOT("2001:db8::1");
    CHECK_FAILED("192.0.2.3", "does the resolver lie?");
    CHECK_FAILED("192.0.2.4", "does not serve this resolver");
    CHECK_FAILED("192.0.2.5", "no answer for the list");
    CHECK_FAILED("192.0.2.6", "no answer in time");
    START("dnsbl \"rhs.example\"", "helo");
    CHECK_HAS("BAD.example.");
    CHECK_HAS_NOT("good.example");
    CHECK_HAS_NOT("[192.0.2.1]");
    START("dnsbl \"rhs.example\"", "sender");
    CHECK_HAS("x@Bad.example");
    CHECK_HAS_NOT("");
    kit_fini(&kit);
}

TEST(dns_list_with_a_filter_takes_its_codes)
{
    kit_init(&kit);
    kit.dns = answers;
    START("dnsbl \"bl.example=127.0.0.[2..4]\"", "client.ip");
    CHECK_HAS("192.0.2.1");
    CHECK_HAS_NOT("192.0.2.2");
    CHECK_HAS("192.0.2.7"); /* one of two codes */
    CHECK_FAILED("192.0.2.4", "does not serve");
    kit_fini(&kit);
}

TEST(one_of_several_zones_suffices)
{
    kit_init(&kit);
    kit.dns = answers;
    START("dnsbl \"bl.example\", \"two.example=127.0.0.3\" timeout 400ms", "client.ip");
    CHECK_HAS("192.0.2.1");
    CHECK_HAS("192.0.2.5"); /* the other one fails */
    CHECK_HAS("192.0.2.6"); /* the other one is silent: not waited for */
    CHECK_FAILED("192.0.2.3", "lie");
    CHECK_HAS_NOT("192.0.2.100");
    kit_fini(&kit);
}

TEST(without_a_resolver_or_service_dns_lists_fail)
{
    const char *error = NULL;
    static const char ip[16] = {[10] = (char)0xff, [11] = (char)0xff, 1, 2, 3, 4};
    struct value value = {.text = SLICE(ip, 16)};
    kit_init(&kit);
    START("dnsbl \"bl.example\"", "client.ip");
    CHECK_FAILED("192.0.2.1", "there is no resolver");
    CHECK(kit_load(&kit, "dnsbl \"bl.example\"", "client.ip")); /* not started: a test block */
    CHECK_INT(rules_list_has(kit_set(&kit), &value, NULL, &error), LIST_FAILED);
    CHECK(strstr(error, "running service") != NULL);
    CHECK(rules_list_is_slow(rules_list_find(kit.rules, LIT("l"))));
    kit_fini(&kit);
}

/* ---- the questions of a transaction ---- */

static unsigned done_calls;

static void on_done(void *user)
{
    (void)user;
    done_calls++;
}

static bool is_done(struct list_kit *at)
{
    (void)at;
    return done_calls > 0;
}

static enum list_answer look(struct list_answers *asked, unsigned last, const char **out_error)
{
    unsigned char ip[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, (unsigned char)last};
    ip[9] = (unsigned char)(last >> 8); /* above 255: IPv6 */
    struct value value = {.text = SLICE((const char *)ip, 16)};
    return rules_list_has(kit_set(&kit), &value, asked, out_error);
}

TEST(questions_are_asked_once_and_together)
{
    const char *error;
    kit_init(&kit);
    kit.dns = answers;
    START("dnsbl \"bl.example\" timeout 300ms", "client.ip");
    struct list_answers *asked = rules_list_answers_new(kit.rules);
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 1; i <= 6; i++)
            CHECK_INT(look(asked, i, &error), LIST_ASK);
    CHECK_INT(rules_list_pending(asked), 6);
    done_calls = 0;
    rules_list_ask(asked, on_done, NULL);
    CHECK_INT(done_calls, 0);
    CHECK_INT(rules_list_pending(asked), 0);
    CHECK_INT(look(asked, 1, &error), LIST_ASK); /* under way */
    CHECK(kit_run(&kit, is_done, 5000));
    kit_run(&kit, NULL, 50);
    CHECK_INT(done_calls, 1);
    CHECK_INT(look(asked, 1, &error), LIST_YES);
    CHECK_INT(look(asked, 3, &error), LIST_FAILED);
    CHECK_INT(look(asked, 6, &error), LIST_FAILED);
    unsigned lines = 0;
    for (const char *at = kit.asked; *at != '\0'; at++)
        lines += *at == '\n';
    CHECK_INT(lines, 6);
    CHECK_INT(look(asked, 100, &error), LIST_ASK); /* a second round */
    done_calls = 0;
    rules_list_ask(asked, on_done, NULL);
    CHECK(kit_run(&kit, is_done, 5000));
    CHECK_INT(look(asked, 100, &error), LIST_NO);
    rules_list_answers_free(&asked);
    CHECK(asked == NULL);
    kit_fini(&kit);
}

TEST(asker_that_goes_is_not_called)
{
    const char *error;
    kit_init(&kit);
    kit.dns = answers;
    START("dnsbl \"bl.example\", \"two.example\"", "client.ip");
    for (unsigned turns = 0; turns < 4; turns++) {
        struct list_answers *asked = rules_list_answers_new(kit.rules);
        CHECK_INT(look(asked, 6, &error), LIST_ASK);
        CHECK_INT(look(asked, 1, &error), LIST_ASK);
        done_calls = 0;
        rules_list_ask(asked, on_done, NULL);
        kit_run(&kit, NULL, turns * 2);
        unsigned before = done_calls; /* later turns: the answers were there first */
        if (turns % 2)
            rules_list_cancel(asked);
        rules_list_answers_free(&asked);
        kit_run(&kit, NULL, 20);
        CHECK_INT(done_calls, before);
        CHECK(turns > 0 || before == 0);
    }
    kit_fini(&kit); /* aborts if an alarm or a question is left */
}

TEST(questions_of_a_transaction_are_bounded)
{
    const char *error = NULL;
    kit_init(&kit);
    kit.dns = answers;
    START("dnsbl \"bl.example\"", "client.ip");
    struct list_answers *asked = rules_list_answers_new(kit.rules);
    for (unsigned i = 0; i < LIST_QUESTIONS_MAX; i++)
        CHECK_INT(look(asked, i + 256, &error), LIST_ASK);
    CHECK_INT(look(asked, 1, &error), LIST_FAILED);
    CHECK(strstr(error, "too many") != NULL);
    CHECK_INT(look(asked, 256, &error), LIST_ASK);
    rules_list_answers_free(&asked);
    kit_fini(&kit);
}

/* ---- Redis ---- */

static const char redis_program[] = "/usr/bin/redis-server";
static pid_t redis_pid;
static char redis_list[3][256]; /* over the socket, over TCP, another database */

/* A socket of loopback that has a port and no listener: who connects is refused, and nobody else gets the port. */
static int redis_reserve(int *out_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (void *)&address, len) != 0 ||
        getsockname(fd, (void *)&address, &len) != 0)
        abort();
    *out_port = ntohs(address.sin_port);
    return fd;
}

/* ... or is no more: somebody else has its port. */
static bool redis_answers(struct list_kit *at)
{
    char command[256];
    int status;
    if (waitpid(redis_pid, &status, WNOHANG) == redis_pid) {
        redis_pid = 0;
        return true;
    }
    snprintf(command, sizeof command,
             "redis-cli -s %s/r.sock --no-auth-warning -a secret ping >/dev/null 2>&1", at->dir);
    return access(kit_path(at, "r.sock"), F_OK) == 0 && system(command) == 0;
}

static void redis_run(const char *port, const char *socket_path)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (freopen("/dev/null", "w", stdout) == NULL)
        _exit(126);
    execl(redis_program, redis_program, "--port", port, "--bind", "127.0.0.1", "--unixsocket",
          socket_path, "--save", "", "--appendonly", "no", "--dir", kit.dir, "--requirepass",
          "secret", (char *)NULL);
    _exit(127);
}

/* Its port. */
static int redis_start(void)
{
    const char *socket_path = kit_path(&kit, "r.sock");
    for (int attempt = 0; attempt < 10; attempt++) {
        int port;
        char port_text[16];
        close(redis_reserve(&port));
        snprintf(port_text, sizeof port_text, "%d", port);
        redis_pid = fork();
        if (redis_pid == 0)
            redis_run(port_text, socket_path);
        if (redis_pid < 0 || !kit_run(&kit, redis_answers, 10000))
            abort();
        if (redis_pid > 0)
            return port;
    }
    abort();
}

static void redis_end(void)
{
    int status;
    kill(redis_pid, SIGKILL);
    waitpid(redis_pid, &status, 0);
    redis_pid = 0;
}

static void redis_do(const char *commands)
{
    char command[1024];
    snprintf(command, sizeof command,
             "redis-cli -s %s/r.sock --no-auth-warning -a secret %s >/dev/null 2>&1", kit.dir,
             commands);
    if (system(command) != 0)
        abort();
}

/* False: there is no Redis here. */
static bool redis_begin(void)
{
    if (access(redis_program, X_OK) != 0 || access("/usr/bin/redis-cli", X_OK) != 0) {
        printf("note: no redis-server here: not tried\n");
        return false;
    }
    kit_init(&kit);
    int port = redis_start();
    kit_write(&kit, "password", "secret\n");
    snprintf(redis_list[0], 256,
             "redis \"unix:%s/r.sock/0/bad\" password file \"password\" timeout 2s", kit.dir);
    snprintf(redis_list[1], 256,
             "redis \"127.0.0.1:%d/0/bad\" password file \"password\" timeout 2s", port);
    snprintf(redis_list[2], 256,
             "redis \"127.0.0.1:%d/3/set/of/3\" password file \"password\" timeout 2s", port);
    redis_do("sadd bad evil.example .worse.example bob@a.example @whole.example 192.0.2.1 10.7 "
             "2001:db8::1 Text");
    redis_do("-n 3 sadd set/of/3 third.example");
    redis_do("set wrong x");
    return true;
}

TEST(redis_sets_are_asked_for_every_spelling)
{
    if (!redis_begin())
        return;
    for (unsigned i = 0; i < 2; i++) {
        START(redis_list[i], "helo");
        CHECK_HAS("EVIL.example");
        CHECK_HAS("a.b.worse.example");
        CHECK_HAS_NOT("worse.example");
        CHECK_HAS_NOT("good.example");
        START(redis_list[i], "sender");
        CHECK_HAS("bob@A.example");
        CHECK_HAS_NOT("Bob@a.example");
        CHECK_HAS("x@whole.example");
        CHECK_HAS_NOT("");
        START(redis_list[i], "client.ip");
        CHECK_HAS("192.0.2.1");
        CHECK_HAS_NOT("192.0.2.2");
        CHECK_HAS("10.7.1.1");
        CHECK_HAS("2001:db8::1");
        START(redis_list[i], "subject");
        CHECK_HAS("Text");
        CHECK_HAS_NOT("text");
    }
    START(redis_list[2], "helo");
    CHECK_HAS("third.example");
    CHECK_HAS_NOT("evil.example");
    kit_fini(&kit);
    redis_end();
}

TEST(redis_that_is_stopped_costs_one_timeout_and_then_nothing)
{
    if (!redis_begin())
        return;
    START(redis_list[1], "helo");
    CHECK_HAS("evil.example");
    kill(redis_pid, SIGSTOP); /* it still accepts connections */
    uint64_t start = kit_clock_ms(&kit);
    CHECK_FAILED("evil.example", "no answer in time");
    uint64_t first = kit_clock_ms(&kit) - start;
    CHECK(first >= 2000 && first < 3000);
    CHECK(kit_noted(&kit, "list-server-down list=l reason=no answer in time", 1));
    start = kit_clock_ms(&kit);
    for (unsigned i = 0; i < 100; i++)
        CHECK_FAILED("evil.example", "does not answer");
    uint64_t hundred = kit_clock_ms(&kit) - start;
    CHECK(hundred < 5000);     /* not 100 time-outs */
    kit_run(&kit, NULL, 2500); /* connections are taken, no PING is answered: it stays open */
    CHECK_FAILED("evil.example", "does not answer");
    kill(redis_pid, SIGCONT);
    CHECK(kit_noted(&kit, "list-server-up", 1));
    CHECK_HAS("evil.example");
    CHECK_HAS_NOT("good.example");
    printf("  stopped: %d ms for the first, %d ms for the next hundred\n", (int)first,
           (int)hundred);
    kit_fini(&kit);
    redis_end();
}

TEST(redis_that_starts_again_is_found_again)
{
    if (!redis_begin())
        return;
    START(redis_list[0], "helo");
    CHECK_HAS("evil.example");
    redis_do("client kill type normal"); /* nothing was under way: no failure */
    kit_run(&kit, NULL, 50);
    CHECK_HAS("evil.example");
    CHECK(strstr(kit.notes, "down") == NULL);
    redis_end();
    kit_run(&kit, NULL, 50);
    CHECK_FAILED("evil.example", "does not answer");
    CHECK(kit_noted(&kit, "list-server-down", 1));
    unlink(kit_path(&kit, "r.sock"));
    redis_start();
    redis_do("sadd bad back.example");
    CHECK(kit_noted(&kit, "list-server-up", 1));
    CHECK_HAS("back.example");
    kit_fini(&kit);
    redis_end();
}

TEST(redis_that_refuses_is_a_failure_that_is_logged)
{
    char list[256];
    if (!redis_begin())
        return;
    kit_write(&kit, "password", "wrong");
    START(redis_list[0], "helo");
    CHECK_FAILED("evil.example", "does not answer");
    CHECK(kit_noted(&kit, "list-error list=l reply=WRONGPASS", 1));
    kit_write(&kit, "password", "secret");
    snprintf(list, sizeof list, "redis \"unix:%s/r.sock/0/wrong\" password file \"password\"",
             kit.dir);
    START(list, "helo");
    CHECK_FAILED("evil.example", "refused the command");
    CHECK(kit_noted(&kit, "list-error list=l reply=WRONGTYPE", 1));
    snprintf(list, sizeof list, "redis \"unix:%s/r.sock/0/bad\"", kit.dir);
    START(list, "helo");
    CHECK_FAILED("evil.example", "does not answer");
    CHECK(kit_noted(&kit, "list-error list=l reply=NOAUTH", 1));
    kit_fini(&kit);
    redis_end();
}

TEST(redis_answers_that_nobody_waits_for_do_no_harm)
{
    const char *error;
    struct value value = {.text = LIT("evil.example")};
    if (!redis_begin())
        return;
    START(redis_list[0], "helo");
    for (unsigned turns = 0; turns < 20; turns++) {
        struct list_answers *asked = rules_list_answers_new(kit.rules);
        CHECK_INT(rules_list_has(kit_set(&kit), &value, asked, &error), LIST_ASK);
        done_calls = 0;
        rules_list_ask(asked, on_done, NULL);
        kit_run(&kit, NULL, turns % 5);
        rules_list_answers_free(&asked);
        CHECK_HAS("evil.example");
    }
    struct list_answers *asked = rules_list_answers_new(kit.rules);
    CHECK_INT(rules_list_has(kit_set(&kit), &value, asked, &error), LIST_ASK);
    kill(redis_pid, SIGSTOP);
    rules_list_ask(asked, on_done, NULL);
    rules_list_answers_free(&asked);
    kit_fini(&kit); /* with a command under way */
    redis_end();
}

TEST(nobody_at_the_address_is_a_failure)
{
    char list[256];
    kit_init(&kit);
    int port, nobody = redis_reserve(&port);
    snprintf(list, sizeof list, "redis \"127.0.0.1:%d/0/x\" timeout 5s", port);
    START(list, "helo");
    CHECK_FAILED("evil.example", "does not answer");
    CHECK(kit_noted(&kit, "list-server-down list=l reason=connection refused", 1));
    CHECK_FAILED("evil.example", "does not answer");
    close(nobody);
    snprintf(list, sizeof list, "redis \"unix:%s/none/0/x\"", kit.dir);
    START(list, "helo");
    CHECK_FAILED("evil.example", "does not answer");
    kit_fini(&kit);
}

/* ---- errors ---- */

TEST(errors_of_slow_lists_say_what_is_expected)
{
    kit_init(&kit);
    CHECK_ERROR("redis \"localhost:6379/0/k\"", "helo", "redis address: expected an IP address");
    CHECK_ERROR("redis \"127.0.0.1/0/k\"", "helo", "expected ADDRESS:PORT/DATABASE/KEY");
    CHECK_ERROR("redis \"127.0.0.1:0/0/k\"", "helo", "expected a port");
    CHECK_ERROR("redis \"127.0.0.1:6379/x/k\"", "helo", "expected the database's number");
    CHECK_ERROR("redis \"127.0.0.1:6379/0/\"", "helo", "expected the set's key");
    CHECK_ERROR("redis \"unix:r.sock\"", "helo", "expected unix:/PATH/DATABASE/KEY");
    CHECK_ERROR("redis \"127.0.0.1:6379/0/k\" password secret", "helo",
                "expected 'file' (a password does not stand in rules)");
    CHECK_ERROR("redis \"127.0.0.1:6379/0/k\" password file \"none\"", "helo",
                "cannot read password file");
    CHECK_ERROR("redis \"127.0.0.1:6379/0/k\" timeout 2h", "helo", "no time to wait");
    CHECK_ERROR("redis 127.0.0.1", "helo", "error: ");
    CHECK_ERROR("dnsbl \"zen\"", "client.ip", "\"zen\" is no zone of the DNS");
    CHECK_ERROR("dnsbl \"a b.example\"", "client.ip", "is no zone of the DNS");
    CHECK_ERROR("dnsbl \"bl.example=127.0.0.x\"", "client.ip",
                "t.rules:1:36:1: error: reply code: expected a number");
    CHECK_ERROR("dnsbl \"bl.example\"", "subject", "is asked in the DNS, and subject is a text");
    kit_fini(&kit);
}
