/* resolver.c - questions, those who wait for them, and c-ares on the loop.
 *
 *      mw_resolver_ask --- in the cache ----------------------------------> ready
 *             |  \-------- under way already: one more that waits            ^
 *             v                                                              |
 *         question (one for all askers) -> ares_query -> on_answer() --------+  all that wait
 *                                              |                             |
 *                                         tick: deadline of an ask passed ---+
 *      ready -> deliver() -> done()      from the loop, never from inside a call of the owner
 *
 * An ask has a deadline of its own; a question has c-ares's, which may be later (its tries get
 * longer) and cannot be cut short for one question. So an ask may be answered FAILED, or cancelled,
 * while its question goes on: the late answer still serves those who ask next, and the question
 * counts in the bounded table until c-ares gives it up.
 *
 * c-ares calls on_answer() from inside ares_query(), ares_process_fd() and ares_destroy(). Nobody
 * else's code runs in there: asks are only moved to `ready`, so c-ares never finds its state
 * changed under its feet.
 *
 * One timer ticks while anything waits; it serves c-ares's own time-outs and the asks' deadlines.
 * ares_timeout() would say when exactly, but walks all its queries for that: with a thousand under
 * way that is the dearer way. */
#include "net/resolver.h"

#include <ares.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "net/resolver_priv.h"

enum {
    QUESTIONS_MAX = 1000, /* under way */
    QUESTION_CHAINS = 1024,
    SERVERS_MAX = 16,
    DNS_PORT = 53,
    EDNS_SIZE = 1232, /* fits every path without fragments (DNS flag day 2020); more comes by TCP */
    RECEIVE_BUFFER = 1048576, /* a thousand answers that come while the loop does other things */
    TICK_MAX_MS = 100,
    TICKS_A_TRY = 8,
    TIMEOUT_MAX_MS = 600000,
    ATTEMPTS_MAX = 10
};

struct mw_resolver {
    uv_loop_t *loop;
    ares_channel channel;
    struct mw_dns_cache *cache;
    struct mw_dns_seed seed;
    uv_timer_t tick;
    uv_idle_t idle; /* runs while `ready` is not empty */
    struct mw_link sockets;
    struct mw_link ready;     /* asks with their answer, to be delivered */
    struct mw_link deadlines; /* queries that wait, the earliest first */
    struct mw_link questions[QUESTION_CHAINS];
    uint64_t tick_ms, patience_ms; /* patience: timeout x attempts */
    size_t live;                   /* queries that their owners hold */
    size_t handles;                /* of the loop; the memory goes with the last one */
    bool is_closing;
    struct mw_resolver_stats stats;
};

/* One socket of c-ares. */
struct watch {
    uv_poll_t poll;
    struct mw_link on_resolver;
    struct mw_resolver *resolver;
    int fd;
};

/* What c-ares was asked. */
struct question {
    struct mw_resolver *resolver;
    struct mw_link in_chain;
    struct mw_link asks;
    struct mw_dns_key key;
};

/* One asker's share in it: on a question's list, then on `ready`. */
struct ask {
    struct mw_query query;
    struct mw_link place;
    struct mw_dns_answer *answer; /* once ready; NULL: FAILED */
    mw_dns_fn *done;
    void *user;
};

/* ---- the end of handles, and of the resolver ---- */

static void drop_handle(struct mw_resolver *resolver)
{
    if (--resolver->handles == 0)
        free(resolver);
}

static void on_closed(uv_handle_t *handle)
{
    drop_handle(handle->data);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    drop_handle(watch->resolver);
    free(watch);
}

static void close_watch(struct watch *watch)
{
    mw_list_remove(&watch->on_resolver);
    uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

/* ---- queries in general ---- */

static bool is_busy(const struct mw_resolver *resolver)
{
    return resolver->stats.under_way > 0 || !mw_list_is_empty(&resolver->deadlines);
}

static void on_tick(uv_timer_t *timer);

static void start_ticking(struct mw_resolver *resolver)
{
    if (!uv_is_active((uv_handle_t *)&resolver->tick))
        uv_timer_start(&resolver->tick, on_tick, resolver->tick_ms, resolver->tick_ms);
}

void mw_query_begin(struct mw_query *query, struct mw_resolver *resolver,
                    const struct mw_query_kind *kind)
{
    query->resolver = resolver;
    query->kind = kind;
    query->deadline_ms = uv_now(resolver->loop) + resolver->patience_ms;
    mw_list_append(&resolver->deadlines, &query->by_deadline);
    resolver->live++;
    start_ticking(resolver);
}

void mw_query_end(struct mw_query *query)
{
    mw_list_remove(&query->by_deadline);
    query->resolver->live--;
}

void mw_query_cancel(struct mw_query **query)
{
    struct mw_query *gone = *query;
    *query = NULL;
    if (gone == NULL || gone->is_running)
        return;
    mw_query_end(gone);
    gone->kind->release(gone);
}

void mw_resolver_count_failure(struct mw_resolver *resolver)
{
    resolver->stats.failures++;
}

/* ---- delivering ---- */

static void run_ask(struct ask *ask)
{
    struct mw_dns_answer *answer = ask->answer;
    enum mw_dns_status status = answer == NULL ? MW_DNS_FAILED : answer->status;
    if (status == MW_DNS_FAILED)
        mw_resolver_count_failure(ask->query.resolver);
    mw_query_end(&ask->query);
    ask->query.is_running = true;
    ask->done(ask->user, status, answer == NULL ? NULL : answer->records,
              answer == NULL ? 0 : answer->count);
    mw_dns_answer_unref(&ask->answer);
    free(ask);
}

/* Move all of a list to another one, which is made new. */
static void move_all(struct mw_link *from, struct mw_link *to)
{
    mw_list_init(to);
    if (mw_list_is_empty(from))
        return;
    *to = *from;
    to->next->prev = to->prev->next = to;
    mw_list_init(from);
}

/* Those that are ready now; what they ask in turn has its answer in the next turn of the loop. */
static void deliver(struct mw_resolver *resolver)
{
    struct mw_link batch;
    move_all(&resolver->ready, &batch);
    while (!mw_list_is_empty(&batch)) {
        struct ask *ask = mw_container_of(batch.next, struct ask, place);
        mw_list_remove(&ask->place);
        run_ask(ask);
    }
    if (!resolver->is_closing && mw_list_is_empty(&resolver->ready))
        uv_idle_stop(&resolver->idle);
}

static void on_idle(uv_idle_t *idle)
{
    deliver(idle->data);
}

/* `answer` may be NULL; the ask gets a reference of its own. */
static void make_ready(struct ask *ask, struct mw_dns_answer *answer)
{
    struct mw_resolver *resolver = ask->query.resolver;
    ask->answer = answer == NULL ? NULL : mw_dns_answer_ref(answer);
    mw_list_remove(&ask->query.by_deadline);
    mw_list_remove(&ask->place);
    mw_list_append(&resolver->ready, &ask->place);
    uv_idle_start(&resolver->idle, on_idle);
}

/* ---- questions ---- */

static struct mw_link *chain_of(struct mw_resolver *resolver, const struct mw_dns_key *key)
{
    return &resolver->questions[key->hash % QUESTION_CHAINS];
}

static struct question *find_question(struct mw_resolver *resolver, const struct mw_dns_key *key)
{
    struct mw_link *chain = chain_of(resolver, key);
    mw_list_for_each (link, chain) {
        struct question *question = mw_container_of(link, struct question, in_chain);
        if (mw_dns_key_eq(&question->key, key))
            return question;
    }
    return NULL;
}

/* The answer to all that wait, and to those who ask in its time. */
static void settle(struct question *question, const struct mw_dns_parsed *parsed)
{
    struct mw_resolver *resolver = question->resolver;
    uint64_t now_ms = uv_now(resolver->loop), for_ms = mw_dns_keep_ms(parsed);
    struct mw_dns_answer *answer = mw_dns_answer_new(parsed, now_ms + for_ms);
    if (for_ms > 0)
        mw_dns_cache_put(resolver->cache, &question->key, answer);
    while (!mw_list_is_empty(&question->asks))
        make_ready(mw_container_of(question->asks.next, struct ask, place), answer);
    mw_dns_answer_unref(&answer);
}

/* From c-ares, exactly once a question, also from inside ares_query(). The status is not looked at:
 * where there is an answer, it says more; where there is none, everything is a failure. */
static void on_answer(void *arg, int status, int timeouts, unsigned char *octets, int len)
{
    struct question *question = arg;
    struct mw_resolver *resolver = question->resolver;
    struct mw_arena arena = {0};
    struct mw_dns_parsed parsed = {.status = MW_DNS_FAILED};
    (void)status;
    (void)timeouts;
    if (octets != NULL && len > 0)
        mw_dns_answer_parse(&arena, MW_SLICE((const char *)octets, (size_t)len),
                            MW_SLICE(question->key.name, question->key.len), question->key.type,
                            &parsed);
    if (!resolver->is_closing)
        settle(question, &parsed);
    mw_arena_fini(&arena);
    mw_assert(mw_list_is_empty(&question->asks));
    mw_list_remove(&question->in_chain);
    resolver->stats.under_way--;
    free(question);
}

/* Put a new question, for `ask`. It may be over when this returns. */
static void put_question(struct mw_resolver *resolver, const struct mw_dns_key *key,
                         struct ask *ask)
{
    struct question *question = mw_xalloc(sizeof *question);
    *question = (struct question){.resolver = resolver, .key = *key};
    mw_list_init(&question->asks);
    mw_list_append(&question->asks, &ask->place);
    mw_list_append(chain_of(resolver, key), &question->in_chain);
    resolver->stats.under_way++;
    resolver->stats.queries++;
    start_ticking(resolver);
    ares_query(resolver->channel, question->key.name, /* class IN */ 1, (int)key->type, on_answer,
               question);
}

/* ---- asking ---- */

static void expire_ask(struct mw_query *query)
{
    make_ready(mw_container_of(query, struct ask, query), NULL);
}

static void release_ask(struct mw_query *query)
{
    struct ask *ask = mw_container_of(query, struct ask, query);
    mw_list_remove(&ask->place);
    mw_dns_answer_unref(&ask->answer);
    free(ask);
}

static const struct mw_query_kind ask_kind = {expire_ask, release_ask};

static void answer_none(struct ask *ask)
{
    struct mw_dns_answer *none = mw_dns_answer_new(&(struct mw_dns_parsed){.status = MW_DNS_NONE},
                                                   0);
    make_ready(ask, none);
    mw_dns_answer_unref(&none);
}

/* From the cache, from a question that is under way, or from the servers. */
static void seek(struct mw_resolver *resolver, const struct mw_dns_key *key, struct ask *ask)
{
    struct mw_dns_answer *answer = mw_dns_cache_find(resolver->cache, key, uv_now(resolver->loop));
    if (answer != NULL) {
        resolver->stats.cache_hits++;
        make_ready(ask, answer);
        return;
    }
    struct question *question = find_question(resolver, key);
    if (question != NULL) {
        resolver->stats.joined++;
        mw_list_append(&question->asks, &ask->place);
    } else if (resolver->stats.under_way < QUESTIONS_MAX) {
        put_question(resolver, key, ask);
    } else {
        make_ready(ask, NULL);
    }
}

struct mw_query *mw_resolver_ask(struct mw_resolver *resolver, struct mw_slice name,
                                 enum mw_dns_type type, mw_dns_fn *done, void *user)
{
    struct mw_dns_key key;
    struct ask *ask = mw_xalloc(sizeof *ask);
    *ask = (struct ask){.done = done, .user = user};
    mw_query_begin(&ask->query, resolver, &ask_kind);
    if (mw_dns_key_init(&key, &resolver->seed, name, type))
        seek(resolver, &key, ask);
    else
        answer_none(ask);
    return &ask->query;
}

/* ---- c-ares on the loop ---- */

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    struct mw_resolver *resolver = watch->resolver;
    int fd = watch->fd; /* the watch may be gone within */
    /* an error (status < 0) shows as readable and writable: c-ares finds out what it is */
    bool is_readable = status < 0 || (events & UV_READABLE) != 0;
    bool is_writable = status < 0 || (events & UV_WRITABLE) != 0;
    ares_process_fd(resolver->channel, is_readable ? fd : ARES_SOCKET_BAD,
                    is_writable ? fd : ARES_SOCKET_BAD);
    deliver(resolver);
}

static struct watch *find_watch(struct mw_resolver *resolver, int fd)
{
    mw_list_for_each (link, &resolver->sockets) {
        struct watch *watch = mw_container_of(link, struct watch, on_resolver);
        if (watch->fd == fd)
            return watch;
    }
    return NULL;
}

/* NULL: the descriptor cannot be watched; its questions will time out. */
static struct watch *watch_new(struct mw_resolver *resolver, int fd)
{
    struct watch *watch = mw_xalloc(sizeof *watch);
    *watch = (struct watch){.resolver = resolver, .fd = fd};
    if (uv_poll_init(resolver->loop, &watch->poll, fd) != 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    resolver->handles++;
    mw_list_append(&resolver->sockets, &watch->on_resolver);
    return watch;
}

/* From c-ares: what it wants to know about a socket; neither: it is about to close it. */
static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
    struct mw_resolver *resolver = data;
    struct watch *watch = find_watch(resolver, fd);
    int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
    if (events == 0) {
        if (watch != NULL)
            close_watch(watch);
        return;
    }
    if (watch == NULL)
        watch = watch_new(resolver, fd);
    if (watch != NULL)
        uv_poll_start(&watch->poll, events, on_socket);
}

static void expire_queries(struct mw_resolver *resolver)
{
    uint64_t now_ms = uv_now(resolver->loop);
    while (!mw_list_is_empty(&resolver->deadlines)) {
        struct mw_query *query = mw_container_of(resolver->deadlines.next, struct mw_query,
                                                 by_deadline);
        if (query->deadline_ms > now_ms)
            return;
        mw_list_remove(&query->by_deadline);
        query->kind->expire(query);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct mw_resolver *resolver = timer->data;
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    expire_queries(resolver);
    deliver(resolver);
    if (!resolver->is_closing && !is_busy(resolver))
        uv_timer_stop(&resolver->tick);
}

/* ---- life and death ---- */

static int open_channel(struct mw_resolver *resolver, const struct mw_resolver_config *config)
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
                                   .sock_state_cb_data = resolver};
    int wanted = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
                 ARES_OPT_SOCK_RCVBUF | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    return ares_init_options(&resolver->channel, &options, wanted);
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

static int set_servers(struct mw_resolver *resolver, const struct mw_resolver_config *config)
{
    struct ares_addr_port_node nodes[SERVERS_MAX];
    for (size_t i = 0; i < config->server_count; i++) {
        set_server(&config->servers[i], &nodes[i]);
        if (i > 0)
            nodes[i - 1].next = &nodes[i];
    }
    return config->server_count == 0 ? ARES_SUCCESS
                                     : ares_set_servers_ports(resolver->channel, nodes);
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

static uint64_t within(uint64_t value, uint64_t least, uint64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* Seed, channel, servers. The text of what failed, or NULL. */
static const char *set_up(struct mw_resolver *resolver, const struct mw_resolver_config *config)
{
    if (getrandom(&resolver->seed, sizeof resolver->seed, 0) != (ssize_t)sizeof resolver->seed)
        return "no random octets from the kernel";
    int err = ares_library_init(ARES_LIB_INIT_ALL);
    if (err != ARES_SUCCESS)
        return ares_strerror(err);
    err = open_channel(resolver, config);
    if (err == ARES_SUCCESS) {
        err = set_servers(resolver, config);
        if (err == ARES_SUCCESS)
            return NULL;
        ares_destroy(resolver->channel);
    }
    ares_library_cleanup();
    return ares_strerror(err);
}

static void open_handles(struct mw_resolver *resolver)
{
    uv_timer_init(resolver->loop, &resolver->tick);
    uv_idle_init(resolver->loop, &resolver->idle);
    resolver->tick.data = resolver->idle.data = resolver;
    resolver->handles = 2;
}

struct mw_resolver *mw_resolver_new(struct mw_net *net, const struct mw_resolver_config *config,
                                    char *out_text, size_t text_size)
{
    struct mw_resolver_config checked = *config;
    checked.timeout_ms = within(config->timeout_ms, 1, TIMEOUT_MAX_MS);
    checked.attempts = (uint32_t)within(config->attempts, 1, ATTEMPTS_MAX);
    struct mw_resolver *resolver = mw_xcalloc(1, sizeof *resolver);
    resolver->loop = net->loop;
    mw_list_init(&resolver->sockets);
    mw_list_init(&resolver->ready);
    mw_list_init(&resolver->deadlines);
    for (size_t i = 0; i < QUESTION_CHAINS; i++)
        mw_list_init(&resolver->questions[i]);
    const char *problem = check_config(&checked);
    if (problem == NULL)
        problem = set_up(resolver, &checked);
    if (problem != NULL) {
        snprintf(out_text, text_size, "%s", problem);
        free(resolver);
        return NULL;
    }
    resolver->patience_ms = checked.timeout_ms * checked.attempts;
    resolver->tick_ms = within(checked.timeout_ms / TICKS_A_TRY, 1, TICK_MAX_MS);
    resolver->cache = mw_dns_cache_new(config->cache_entries);
    open_handles(resolver);
    return resolver;
}

void mw_resolver_free(struct mw_resolver **resolver)
{
    struct mw_resolver *gone = *resolver;
    if (gone == NULL)
        return;
    *resolver = NULL;
    mw_assert(gone->live == 0);
    gone->is_closing = true;
    ares_destroy(gone->channel);
    ares_library_cleanup();
    mw_assert(gone->stats.under_way == 0);
    mw_list_for_each (link, &gone->sockets) {
        close_watch(mw_container_of(link, struct watch, on_resolver));
    }
    mw_dns_cache_free(&gone->cache);
    uv_close((uv_handle_t *)&gone->tick, on_closed);
    uv_close((uv_handle_t *)&gone->idle, on_closed);
}

void mw_resolver_stats(const struct mw_resolver *resolver, struct mw_resolver_stats *out_stats)
{
    *out_stats = resolver->stats;
    out_stats->cached = mw_dns_cache_count(resolver->cache);
}
