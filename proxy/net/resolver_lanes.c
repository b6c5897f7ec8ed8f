/* resolver_lanes.c - c-ares on the loop: several channels ("lanes"), of which one takes questions.
 *
 *      time ->   | slice | slice | slice | slice | ...       after LANES slices the first lane takes
 *      lane 0    ########~~~~~~~~~~~~~~~~~~~~~~~~  cancel    questions again: what is left in it by
 *      lane 1            ########~~~~~~~~~~~~~~~~            then has failed
 *      lane 2                    ########~~~~~~~~
 *                 # takes questions     ~ waits for their answers only
 *
 * One channel would do if servers were kind. c-ares 1.18 keeps one UDP port and one TCP connection
 * to a server for as long as a channel has anything under way, which under load is for ever:
 *  - one answer by TCP that stops half-way holds up all others on its connection;
 *  - a forger of answers has all day for one port (RFC 5452 9.2 wants it to change);
 *  - its tries get longer, with three servers up to nine times the time-out: questions that nobody
 *    waits for any more would fill the resolver's bounded table. ares_cancel() ends all of a
 *    channel, and nothing ends one question;
 *  - whenever a packet comes it looks at all questions of its channel whose time is up within this
 *    second, so thousands that wait for a mute server would make every answer dear;
 *  - it asks the first server first, always, and waits for it when it is mute. The order can be
 *    changed only when nothing is under way: when a lane's turn comes.
 * With lanes each of these ends after a slice, or is divided by their number.
 *
 * c-ares calls back from inside ares_query(), ares_process_fd(), ares_cancel() and ares_destroy().
 * The callback only moves things from list to list (resolver.c); `progress` runs other people's
 * code and is called when c-ares is done. */
#include <stdlib.h>
#include <string.h>

#include "net/resolver_priv.h"

enum {
    LANES = 8,
    SERVERS_MAX = 16,
    DNS_PORT = 53,
    EDNS_SIZE = 1232, /* fits every path without fragments (DNS flag day 2020); more comes by TCP */
    HURRY_MS = 200,   /* a slice while there is no room: a question still has 1.4 s */
    RECEIVE_BUFFER = 1048576 /* a thousand answers that come while the loop does other things */
};

struct lane {
    struct mw_dns_lanes *lanes;
    ares_channel channel;
    struct mw_link sockets;
    size_t first; /* server */
};

struct mw_dns_lanes {
    uv_loop_t *loop;
    mw_dns_progress_fn *progress;
    void *user;
    struct lane lanes[LANES];
    struct ares_addr_port_node servers[SERVERS_MAX];
    size_t server_count, preferred; /* preferred: the last one that answered for a mute one */
    size_t current;
    uint64_t since_ms, slice_ms;
    size_t handles; /* of the loop; the memory goes with the last one */
    bool is_closing;
};

/* One socket of c-ares. */
struct watch {
    uv_poll_t poll;
    struct mw_link on_lane;
    struct lane *lane;
    int fd;
};

/* ---- sockets ---- */

static void free_if_over(struct mw_dns_lanes *lanes)
{
    if (lanes->is_closing && lanes->handles == 0)
        free(lanes);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    struct mw_dns_lanes *lanes = watch->lane->lanes;
    free(watch);
    lanes->handles--;
    free_if_over(lanes);
}

static void close_watch(struct watch *watch)
{
    mw_list_remove(&watch->on_lane);
    uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    struct mw_dns_lanes *lanes = watch->lane->lanes;
    int fd = watch->fd; /* the watch may be closed within */
    /* an error (status < 0) shows as readable and writable: c-ares finds out what it is */
    bool is_readable = status < 0 || (events & UV_READABLE) != 0;
    bool is_writable = status < 0 || (events & UV_WRITABLE) != 0;
    ares_process_fd(watch->lane->channel, is_readable ? fd : ARES_SOCKET_BAD,
                    is_writable ? fd : ARES_SOCKET_BAD);
    lanes->progress(lanes->user);
}

static struct watch *find_watch(struct lane *lane, int fd)
{
    mw_list_for_each (link, &lane->sockets) {
        struct watch *watch = mw_container_of(link, struct watch, on_lane);
        if (watch->fd == fd)
            return watch;
    }
    return NULL;
}

/* NULL: the descriptor cannot be watched; its questions will time out. */
static struct watch *watch_new(struct lane *lane, int fd)
{
    struct watch *watch = mw_xalloc(sizeof *watch);
    *watch = (struct watch){.lane = lane, .fd = fd};
    if (uv_poll_init(lane->lanes->loop, &watch->poll, fd) != 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    lane->lanes->handles++;
    mw_list_append(&lane->sockets, &watch->on_lane);
    return watch;
}

/* From c-ares: what it wants to know about a socket; neither: it is about to close it. */
static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
    struct lane *lane = data;
    struct watch *watch = find_watch(lane, fd);
    int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
    if (events == 0) {
        if (watch != NULL)
            close_watch(watch);
        return;
    }
    if (watch == NULL)
        watch = watch_new(lane, fd);
    if (watch != NULL)
        uv_poll_start(&watch->poll, events, on_socket);
}

/* ---- questions ---- */

/* The servers in their order, from `first` on, round. */
static int set_servers(struct lane *lane, size_t first)
{
    struct mw_dns_lanes *lanes = lane->lanes;
    struct ares_addr_port_node nodes[SERVERS_MAX];
    for (size_t i = 0; i < lanes->server_count; i++) {
        nodes[i] = lanes->servers[(first + i) % lanes->server_count];
        nodes[i].next = i + 1 < lanes->server_count ? &nodes[i + 1] : NULL;
    }
    int err = ares_set_servers_ports(lane->channel, nodes);
    if (err == ARES_SUCCESS)
        lane->first = first;
    return err;
}

/* The next lane's turn, if this one's has lasted so long. Its old questions have had all the time
 * they get. Never from inside c-ares. */
static void take_turns(struct mw_dns_lanes *lanes, uint64_t slice_ms)
{
    uint64_t now_ms = uv_now(lanes->loop);
    if (now_ms - lanes->since_ms < slice_ms)
        return;
    lanes->since_ms = now_ms;
    lanes->current = (lanes->current + 1) % LANES;
    struct lane *lane = &lanes->lanes[lanes->current];
    ares_cancel(lane->channel);
    if (lane->first != lanes->preferred)
        (void)set_servers(lane, lanes->preferred); /* else it keeps its order */
}

/* c-ares takes a backslash for an escape. A dot inside a label does not exist in our form. */
static void escape(struct mw_slice name, char out_name[2 * MW_DNS_NAME_MAX + 1])
{
    size_t len = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '\\')
            out_name[len++] = '\\';
        out_name[len++] = name.ptr[i];
    }
    out_name[len] = '\0';
}

void mw_dns_lanes_ask_again(struct mw_dns_lanes *lanes, const struct mw_dns_key *key,
                            ares_callback done, void *arg, size_t *out_server)
{
    char name[2 * MW_DNS_NAME_MAX + 1];
    const struct lane *lane = &lanes->lanes[lanes->current];
    escape(MW_SLICE(key->name, key->len), name);
    *out_server = lane->first;
    ares_query(lane->channel, name, /* class IN */ 1, (int)key->type, done, arg);
}

void mw_dns_lanes_ask(struct mw_dns_lanes *lanes, const struct mw_dns_key *key, ares_callback done,
                      void *arg, size_t *out_server)
{
    take_turns(lanes, lanes->slice_ms);
    mw_dns_lanes_ask_again(lanes, key, done, arg, out_server);
}

void mw_dns_lanes_prefer(struct mw_dns_lanes *lanes, size_t server)
{
    lanes->preferred = server % lanes->server_count;
}

/* What lies in the sockets, then what has timed out. Numbers first: c-ares may close any of them when
 * it reads one. It looks at time-outs after each; as a rule there is one socket. */
static void process_lane(struct lane *lane)
{
    int fds[2 * SERVERS_MAX]; /* UDP and TCP */
    size_t count = 0;
    mw_list_for_each (link, &lane->sockets) {
        if (count < sizeof fds / sizeof fds[0])
            fds[count++] = mw_container_of(link, struct watch, on_lane)->fd;
    }
    if (count == 0)
        ares_process_fd(lane->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    for (size_t i = 0; i < count; i++)
        ares_process_fd(lane->channel, fds[i], ARES_SOCKET_BAD);
}

/* The loop runs timers before sockets. When it was held up (a stopped process, a busy machine), the
 * answers are there by now, and nothing has timed out but ourselves. */
void mw_dns_lanes_tick(struct mw_dns_lanes *lanes)
{
    for (size_t i = 0; i < LANES; i++)
        process_lane(&lanes->lanes[i]);
    take_turns(lanes, lanes->slice_ms);
}

void mw_dns_lanes_hurry(struct mw_dns_lanes *lanes)
{
    take_turns(lanes, lanes->slice_ms < HURRY_MS ? lanes->slice_ms : HURRY_MS);
}

/* ---- life and death ---- */

static int open_channel(struct lane *lane, const struct mw_resolver_config *config)
{
    char lookups[] = "b"; /* DNS only: no hosts file */
    struct ares_options options = {.flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH |
                                            ARES_FLAG_NOALIASES,
                                   .timeout = (int)config->timeout_ms,
                                   .tries = (int)config->attempts,
                                   .ednspsz = EDNS_SIZE,
                                   .socket_receive_buffer_size = RECEIVE_BUFFER,
                                   .lookups = lookups,
                                   .sock_state_cb = on_socket_state,
                                   .sock_state_cb_data = lane};
    int wanted = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
                 ARES_OPT_SOCK_RCVBUF | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    return ares_init_options(&lane->channel, &options, wanted);
}

static void set_server(const struct mw_endpoint *endpoint, struct ares_addr_port_node *out_node)
{
    int port = endpoint->port == 0 ? DNS_PORT : endpoint->port;
    *out_node = (struct ares_addr_port_node){.udp_port = port, .tcp_port = port};
    out_node->family = mw_inet_is_v4(&endpoint->address) ? AF_INET : AF_INET6;
    if (out_node->family == AF_INET)
        memcpy(&out_node->addr.addr4, endpoint->address.octets + 12, 4);
    else
        memcpy(&out_node->addr.addr6, endpoint->address.octets, 16);
}

/* Those of the configuration, or those that c-ares has found. */
static int take_servers(struct mw_dns_lanes *lanes, const struct mw_resolver_config *config)
{
    for (size_t i = 0; i < config->server_count; i++)
        set_server(&config->servers[i], &lanes->servers[i]);
    lanes->server_count = config->server_count;
    if (config->server_count > 0)
        return ARES_SUCCESS;
    struct ares_addr_port_node *found = NULL;
    int err = ares_get_servers_ports(lanes->lanes[0].channel, &found);
    for (struct ares_addr_port_node *node = found;
         node != NULL && lanes->server_count < SERVERS_MAX; node = node->next)
        lanes->servers[lanes->server_count++] = *node;
    ares_free_data(found);
    return err != ARES_SUCCESS || lanes->server_count > 0 ? err : ARES_ENOTINITIALIZED;
}

/* What is wrong with the configuration; NULL: nothing. */
static const char *check_config(const struct mw_resolver_config *config)
{
    if (config->server_count > SERVERS_MAX)
        return "more than 16 name servers";
    for (size_t i = 0; i < config->server_count; i++) {
        if (config->servers[i].kind != MW_ENDPOINT_INET)
            return "a name server is an address, not a name or a path";
    }
    return NULL;
}

static void close_channels(struct mw_dns_lanes *lanes)
{
    for (size_t i = 0; i < LANES; i++) {
        if (lanes->lanes[i].channel != NULL)
            ares_destroy(lanes->lanes[i].channel);
    }
    ares_library_cleanup();
}

/* The text of what failed, or NULL. */
static const char *open_channels(struct mw_dns_lanes *lanes,
                                 const struct mw_resolver_config *config)
{
    int err = ares_library_init(ARES_LIB_INIT_ALL);
    if (err != ARES_SUCCESS)
        return ares_strerror(err);
    for (size_t i = 0; i < LANES && err == ARES_SUCCESS; i++) {
        struct lane *lane = &lanes->lanes[i];
        lane->lanes = lanes;
        mw_list_init(&lane->sockets);
        err = open_channel(lane, config);
        if (err != ARES_SUCCESS)
            lane->channel = NULL;
    }
    if (err == ARES_SUCCESS)
        err = take_servers(lanes, config);
    for (size_t i = 0; i < LANES && err == ARES_SUCCESS; i++)
        err = set_servers(&lanes->lanes[i], 0);
    if (err == ARES_SUCCESS)
        return NULL;
    close_channels(lanes);
    return ares_strerror(err);
}

struct mw_dns_lanes *mw_dns_lanes_new(uv_loop_t *loop, const struct mw_resolver_config *config,
                                      uint64_t life_ms, mw_dns_progress_fn *progress, void *user,
                                      const char **out_problem)
{
    struct mw_dns_lanes *lanes = mw_xcalloc(1, sizeof *lanes);
    lanes->loop = loop;
    lanes->progress = progress;
    lanes->user = user;
    lanes->since_ms = uv_now(loop);
    lanes->slice_ms = life_ms / (LANES - 1) + 1;
    *out_problem = check_config(config);
    if (*out_problem == NULL)
        *out_problem = open_channels(lanes, config);
    if (*out_problem == NULL)
        return lanes;
    free(lanes);
    return NULL;
}

void mw_dns_lanes_free(struct mw_dns_lanes **lanes)
{
    struct mw_dns_lanes *gone = *lanes;
    *lanes = NULL;
    gone->is_closing = true;
    close_channels(gone);
    for (size_t i = 0; i < LANES; i++) {
        mw_list_for_each (link, &gone->lanes[i].sockets) {
            close_watch(mw_container_of(link, struct watch, on_lane));
        }
    }
    free_if_over(gone);
}
