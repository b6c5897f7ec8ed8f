/* test_listener.c - accepting, pausing, running out of descriptors; making listening sockets. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/conn.h"
#include "test.h"

enum { CLIENTS = 100 };

struct host {
    uv_loop_t loop;
    struct mw_net net;
    struct mw_listener *listener;
    struct mw_endpoint endpoint;
    int fds[CLIENTS], accepted, errors;
    struct sockaddr_storage peer;
    char text[80];
    bool close_on_accept, close_on_error;
};

static void on_accept(void *user, int fd, const struct sockaddr_storage *peer)
{
    struct host *host = user;
    host->fds[host->accepted++] = fd;
    host->peer = *peer;
    if (host->close_on_accept)
        mw_listener_close(&host->listener);
}

static void on_error(void *user, const char *text)
{
    struct host *host = user;
    host->errors++;
    snprintf(host->text, sizeof host->text, "%s", text);
    if (host->close_on_error)
        mw_listener_close(&host->listener);
}

static bool endpoint_of(const char *text, struct mw_endpoint *out_endpoint)
{
    return mw_endpoint_parse(mw_slice_cstr(text), false, out_endpoint) == MW_OK;
}

static void learn_port(int fd, struct mw_endpoint *endpoint)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    getsockname(fd, (struct sockaddr *)&name, &len);
    if (endpoint->kind == MW_ENDPOINT_INET)
        mw_inet_from_sockaddr((struct sockaddr *)&name, &endpoint->address, &endpoint->port);
}

static bool host_open(struct host *host, const char *where)
{
    const char *text = NULL;
    uv_loop_init(&host->loop);
    mw_net_init(&host->net, &host->loop);
    if (!endpoint_of(where, &host->endpoint))
        return false;
    int fd = mw_listen_socket(&host->endpoint, false, &text);
    if (fd < 0)
        return false;
    learn_port(fd, &host->endpoint);
    return mw_listener_open(&host->net, fd, on_accept, on_error, host, &host->listener) == MW_OK;
}

static bool host_close(struct host *host)
{
    for (int i = 0; i < host->accepted; i++)
        close(host->fds[i]);
    mw_listener_close(&host->listener);
    uv_run(&host->loop, UV_RUN_DEFAULT);
    mw_net_fini(&host->net);
    return uv_loop_close(&host->loop) == 0;
}

static int dial(const struct mw_endpoint *to)
{
    struct sockaddr_storage address;
    socklen_t len = mw_endpoint_sockaddr(to, &address);
    int fd = socket(address.ss_family, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, len) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static void turn(struct host *host, const int *counter, int want, int ms)
{
    uv_timer_t timer;
    uv_timer_init(&host->loop, &timer);
    uv_timer_start(&timer, on_tick, 5, 5);
    uint64_t until = uv_hrtime() + (uint64_t)ms * 1000000;
    while (uv_hrtime() < until && (counter == NULL || *counter < want))
        uv_run(&host->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&host->loop, UV_RUN_NOWAIT);
}

TEST(listener_accepts_a_burst_and_hands_over_tuned_sockets)
{
    struct host host = {0};
    int clients[CLIENTS], value = 0;
    socklen_t len = sizeof value;
    CHECK(host_open(&host, "127.0.0.1:0"));
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = dial(&host.endpoint);
    turn(&host, &host.accepted, CLIENTS, 5000);
    CHECK_INT(host.accepted, CLIENTS);
    CHECK_INT(host.peer.ss_family, AF_INET);
    for (int i = 0; i < CLIENTS; i++) {
        CHECK((fcntl(host.fds[i], F_GETFL) & O_NONBLOCK) != 0);
        CHECK((fcntl(host.fds[i], F_GETFD) & FD_CLOEXEC) != 0);
        getsockopt(host.fds[i], IPPROTO_TCP, TCP_NODELAY, &value, &len);
        CHECK_INT(value, 1); /* inherited: no system call a connection */
        getsockopt(host.fds[i], SOL_SOCKET, SO_RCVBUF, &value, &len);
        CHECK(value > 65536 && value <= MW_NET_RECEIVE_WINDOW);
        getsockopt(host.fds[i], SOL_SOCKET, SO_SNDBUF, &value, &len);
        CHECK(value > 65536 && value <= MW_NET_SEND_BUFFER);
        close(clients[i]);
    }
    CHECK(host_close(&host));
}

TEST(listener_paused_leaves_connections_in_the_backlog)
{
    struct host host = {0};
    CHECK(host_open(&host, "127.0.0.1:0"));
    mw_listener_pause(host.listener, true);
    int client = dial(&host.endpoint);
    CHECK(client >= 0);
    turn(&host, NULL, 0, 30);
    CHECK_INT(host.accepted, 0);
    mw_listener_pause(host.listener, false);
    turn(&host, &host.accepted, 1, 5000);
    CHECK_INT(host.accepted, 1);
    close(client);
    CHECK(host_close(&host));
}

TEST(listener_closed_inside_its_callback_is_safe)
{
    struct host host = {.close_on_accept = true};
    CHECK(host_open(&host, "127.0.0.1:0"));
    int one = dial(&host.endpoint), two = dial(&host.endpoint);
    turn(&host, &host.accepted, 1, 5000);
    CHECK_INT(host.accepted, 1);
    CHECK(host.listener == NULL);
    close(one);
    close(two);
    CHECK(host_close(&host));
}

/* Leaves no descriptor free; returns the old limit. */
static struct rlimit starve(void)
{
    struct rlimit old, tight;
    getrlimit(RLIMIT_NOFILE, &old);
    tight = old;
    int next = dup(0);
    close(next);
    tight.rlim_cur = (rlim_t)next;
    setrlimit(RLIMIT_NOFILE, &tight);
    return old;
}

TEST(listener_out_of_descriptors_waits_and_recovers)
{
    struct host host = {0};
    CHECK(host_open(&host, "127.0.0.1:0"));
    int client = dial(&host.endpoint);
    struct rlimit old = starve();
    turn(&host, NULL, 0, 250);
    CHECK(host.errors >= 1 && host.errors <= 4); /* every 100 ms, not in a busy loop */
    CHECK_INT(host.accepted, 0);
    CHECK_MEM(host.text, strlen(host.text), strerror(EMFILE));
    setrlimit(RLIMIT_NOFILE, &old);
    turn(&host, &host.accepted, 1, 5000);
    CHECK_INT(host.accepted, 1);
    close(client);
    CHECK(host_close(&host));
}

TEST(listener_closed_inside_on_error_is_safe)
{
    struct host host = {.close_on_error = true};
    CHECK(host_open(&host, "127.0.0.1:0"));
    int client = dial(&host.endpoint);
    struct rlimit old = starve();
    turn(&host, &host.errors, 1, 5000);
    setrlimit(RLIMIT_NOFILE, &old);
    CHECK_INT(host.errors, 1);
    close(client);
    CHECK(host_close(&host));
}

TEST(listen_on_a_busy_port_says_so)
{
    struct host host = {0};
    const char *text = NULL;
    CHECK(host_open(&host, "127.0.0.1:0"));
    CHECK_INT(mw_listen_socket(&host.endpoint, false, &text), -1);
    CHECK_MEM(text, strlen(text), strerror(EADDRINUSE));
    struct mw_endpoint name = {.kind = MW_ENDPOINT_NAME, .path = "mx.weir.test"};
    CHECK_INT(mw_listen_socket(&name, false, &text), -1);
    CHECK(host_close(&host));
}

TEST(listen_with_reuse_port_shares_the_port)
{
    const char *text = NULL;
    struct mw_endpoint endpoint;
    CHECK(endpoint_of("127.0.0.1:0", &endpoint));
    int one = mw_listen_socket(&endpoint, true, &text);
    learn_port(one, &endpoint);
    int two = mw_listen_socket(&endpoint, true, &text);
    CHECK(one >= 0 && two >= 0);
    close(one);
    close(two);
}

TEST(listen_on_both_wildcards_with_one_port)
{ /* somebody else may have the first one's port of IPv6: then with another */
    const char *text = NULL;
    struct mw_endpoint v4, v6;
    int one, two = -1;
    bool is_missing = false;
    for (int tries = 0; two < 0 && !is_missing && tries < 50; tries++) {
        CHECK(endpoint_of("0.0.0.0:0", &v4) && endpoint_of("[::]:0", &v6));
        one = mw_listen_socket(&v4, false, &text);
        CHECK(one >= 0);
        learn_port(one, &v4);
        v6.port = v4.port;
        two = mw_listen_socket(&v6, false, &text);
        is_missing = two < 0 && errno == EAFNOSUPPORT;
        close(one);
    }
    if (is_missing)
        printf("no IPv6 here: skipped\n");
    else
        CHECK(two >= 0);
    close(two);
}

TEST(listen_on_unix_replaces_a_stale_socket_only)
{
    struct mw_endpoint endpoint = {.kind = MW_ENDPOINT_UNIX};
    const char *text = NULL;
    char folder[] = "/tmp/mw-listener-XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    snprintf(endpoint.path, sizeof endpoint.path, "%s/socket", folder);
    int first = mw_listen_socket(&endpoint, false, &text);
    CHECK(first >= 0);
    CHECK_INT(mw_listen_socket(&endpoint, false, &text), -1); /* in use: not taken away */
    CHECK_MEM(text, strlen(text), strerror(EADDRINUSE));
    close(first); /* the file stays behind, as after a crash */
    int second = mw_listen_socket(&endpoint, false, &text);
    CHECK(second >= 0);
    int client = dial(&endpoint);
    CHECK(client >= 0);
    close(client);
    close(second);
    unlink(endpoint.path);
    int file = open(endpoint.path, O_CREAT | O_WRONLY, 0600); /* somebody's file */
    close(file);
    CHECK_INT(mw_listen_socket(&endpoint, false, &text), -1);
    struct stat status;
    CHECK_INT(stat(endpoint.path, &status), 0);
    unlink(endpoint.path);
    rmdir(folder);
}
