/* resolver.c - questions, and those who wait for them.
 *
 *      mw_resolver_ask --- in the cache ----------------------------------> ready
 *             |  \-------- under way already: one more that waits            ^
 *             v                                                              |
 *         question (one for all askers) -> gate -> lane -> on_answer() ------+  all that wait
 *                                              |                             |
 *                                         tick: deadline of an ask passed ---+
 *      ready -> deliver() -> done()      from the loop, never from inside a call of the owner
 *
 * An ask has a deadline of its own; a question may live half as long again (its tries get longer).
 * So an ask may be answered FAILED, or cancelled, while its question goes on: the late answer still
 * serves those who ask next, and the question counts in the bounded table until its lane ends it.
 * One that still waits at the gate when its last asker goes is not asked any more.
 *
 * c-ares calls on_answer() from inside its own functions (resolver_lanes.c). Nobody else's code
 * runs in there: asks are only moved to `ready`, so c-ares never finds its state changed under its
 * feet.
 *
 * One timer ticks while anything waits; it serves c-ares's own time-outs and the asks' deadlines.
 * ares_timeout() would say when exactly, but walks all its queries for that: with a thousand under
 * way that is the dearer way. With many under way it ticks faster: tries that are due go out all at
 * once, and shall not be more than a server's socket can take (resolver_gate.c). */
#include "net/resolver.h"

#include <stdlib.h>
#include <sys/random.h>

#include "net/resolver_priv.h"

enum {
    QUESTION_CHAINS = 16384,
    TICK_MAX_MS = 100,
    TICKS_A_TRY = 8,
    TIMEOUT_MAX_MS = 600000,
    ATTEMPTS_MAX = 10,
    BATCHES_A_TURN = 8
};

struct mw_resolver {
    uv_loop_t *loop;
    struct mw_dns_gate gate;
    struct mw_dns_lanes *lanes;
    struct mw_dns_cache *cache;
    struct mw_dns_seed seed;
    uv_timer_t tick;
    uv_timer_t pace;          /* until the gate lets the next ones through */
    uv_idle_t idle;           /* runs while `ready` is not empty */
    struct mw_link ready;     /* asks with their answer, to be delivered */
    struct mw_link deadlines; /* queries that wait, the earliest first */
    struct mw_link questions[QUESTION_CHAINS];
    uint64_t tick_ms, patience_ms; /* patience: timeout x attempts */
    size_t live;                   /* queries that their owners hold */
    int handles;                   /* of the loop; the memory goes with the last one */
    bool is_closing;
    struct mw_resolver_stats stats;
};

/* What c-ares was asked. */
struct question {
    struct mw_resolver *resolver;
    struct mw_link in_chain;
    struct mw_link asks;
    struct mw_dns_pass pass;
    uint64_t began_ns;
    size_t server; /* that was asked first */
    bool is_again; /* asked a second time, without EDNS */
    struct mw_dns_key key;
};

/* One asker's share in it: on a question's list, then on `ready`. */
struct ask {
    struct mw_query query;
    struct mw_link place;
    struct question *question;    /* NULL: ready */
    struct mw_dns_answer *answer; /* once ready; NULL: FAILED */
    mw_dns_fn *done;
    void *user;
};

/* ---- the end of handles, and of the resolver ---- */

static void on_closed(uv_handle_t *handle)
{
    struct mw_resolver *resolver = handle->data;
    if (--resolver->handles == 0)
        free(resolver);
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

bool mw_query_is_free(const struct mw_query *query)
{
    return !query->is_put;
}

bool mw_query_is_missing(const struct mw_query *query)
{
    return query->is_missing;
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
    ask->query.is_missing = answer != NULL && answer->is_missing;
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

static void deliver_batch(struct mw_resolver *resolver)
{
    struct mw_link batch;
    move_all(&resolver->ready, &batch);
    while (!mw_list_is_empty(&batch)) {
        struct ask *ask = mw_container_of(batch.next, struct ask, place);
        mw_list_remove(&ask->place);
        run_ask(ask);
    }
}

/* Those that are ready now, then what they have asked in turn if that is in the cache: a chain of
 * questions is answered without a turn of the loop for each. A long one goes on in the next turn,
 * behind what else has come in. */
static void deliver(struct mw_resolver *resolver)
{
    for (int i = 0; i < BATCHES_A_TURN && !mw_list_is_empty(&resolver->ready); i++)
        deliver_batch(resolver);
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
    ask->question = NULL;
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

static void join_question(struct question *question, struct ask *ask)
{
    ask->question = question;
    mw_list_append(&question->asks, &ask->place);
}

/* What does not exist does so for no type (RFC 2308 5). */
static void keep(const struct question *question, struct mw_dns_answer *answer)
{
    struct mw_resolver *resolver = question->resolver;
    struct mw_dns_key key = question->key;
    if (answer->is_missing)
        mw_dns_key_retype(&key, &resolver->seed, MW_DNS_ANY_TYPE);
    mw_dns_cache_put(resolver->cache, &key, answer);
}

/* The answer to all that wait, and to those who ask in its time. */
static void settle(struct question *question, const struct mw_dns_parsed *parsed)
{
    struct mw_resolver *resolver = question->resolver;
    uint64_t now_ms = uv_now(resolver->loop), for_ms = mw_dns_keep_ms(parsed);
    struct mw_dns_answer *answer = mw_dns_answer_new(parsed, now_ms + for_ms);
    if (for_ms > 0)
        keep(question, answer);
    while (!mw_list_is_empty(&question->asks))
        make_ready(mw_container_of(question->asks.next, struct ask, place), answer);
    mw_dns_answer_unref(&answer);
}

/* ---- how a question ended ---- */

static const uint64_t latency_bounds_us[MW_DNS_LATENCIES - 1] = {
    1000, 5000, 10000, 50000, 100000, 500000, 1000000, 2000000, 5000000};

static void count_latency(struct mw_resolver_stats *stats, uint64_t took_us)
{
    size_t at = 0;
    while (at < MW_DNS_LATENCIES - 1 && took_us > latency_bounds_us[at])
        at++;
    stats->latency[at]++;
    stats->latency_us += took_us;
}

static enum mw_dns_ending ending_of(int status, enum mw_dns_status parsed)
{
    if (parsed != MW_DNS_FAILED)
        return parsed == MW_DNS_OK ? MW_DNS_ENDED_FOUND : MW_DNS_ENDED_NONE;
    if (status == ARES_ETIMEOUT || status == ARES_ECANCELLED)
        return MW_DNS_ENDED_TIMEOUT;
    bool is_refused = status == ARES_ESERVFAIL || status == ARES_EREFUSED ||
                      status == ARES_ENOTIMP || status == ARES_EFORMERR ||
                      status == ARES_ECONNREFUSED;
    return is_refused ? MW_DNS_ENDED_REFUSED : MW_DNS_ENDED_UNUSABLE;
}

static void count_ending(const struct question *question, enum mw_dns_ending ending)
{
    struct mw_resolver_stats *stats = &question->resolver->stats;
    stats->ended[ending]++;
    if (ending != MW_DNS_ENDED_TIMEOUT)
        count_latency(stats, (uv_hrtime() - question->began_ns) / 1000);
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *octets, int len);

/* FORMERR may be about EDNS (RFC 6891 7). c-ares asks again without it, and leaves it off from then
 * on; but of several questions that are under way only the first. */
static bool asks_again(struct question *question, int status)
{
    if (status != ARES_EFORMERR || question->is_again || question->resolver->is_closing)
        return false;
    question->is_again = true;
    mw_dns_lanes_ask_again(question->resolver->lanes, &question->key, on_answer, question,
                           &question->server);
    return true;
}

static void free_question(struct question *question)
{
    struct mw_resolver *resolver = question->resolver;
    mw_assert(mw_list_is_empty(&question->asks));
    mw_dns_gate_leave(&resolver->gate, &question->pass);
    mw_list_remove(&question->in_chain);
    resolver->stats.under_way--;
    free(question);
}

/* Where there is an answer, it says more than c-ares's status. Names that c-ares does not ask for
 * do not exist: .onion (RFC 7686 2). Everything else is a failure. */
static void parse_answer(struct mw_arena *arena, const struct question *question, int status,
                         struct mw_slice packet, struct mw_dns_parsed *out_parsed)
{
    *out_parsed = (struct mw_dns_parsed){.status = MW_DNS_FAILED};
    if (packet.len > 0)
        mw_dns_answer_parse(arena, packet, MW_SLICE(question->key.name, question->key.len),
                            question->key.type, out_parsed);
    else if (status == ARES_ENOTFOUND)
        *out_parsed = (struct mw_dns_parsed){.status = MW_DNS_NONE, .is_missing = true};
}

/* From c-ares, exactly once a question that is asked, also from inside mw_dns_lanes_ask(). */
static void on_answer(void *arg, int status, int timeouts, unsigned char *octets, int len)
{
    struct question *question = arg;
    struct mw_resolver *resolver = question->resolver;
    struct mw_arena arena = {0};
    struct mw_dns_parsed parsed;
    if (octets != NULL)
        mw_dns_gate_arrive(&resolver->gate, &question->pass);
    if (octets != NULL && timeouts > 0 && !resolver->is_closing)
        mw_dns_lanes_prefer(resolver->lanes, question->server + (size_t)timeouts);
    if (asks_again(question, status))
        return;
    parse_answer(&arena, question, status,
                 MW_SLICE((const char *)octets, octets == NULL || len < 0 ? 0 : (size_t)len),
                 &parsed);
    if (!resolver->is_closing) {
        count_ending(question, ending_of(status, parsed.status));
        settle(question, &parsed);
    }
    mw_arena_fini(&arena);
    free_question(question);
}

/* ---- out to the servers ---- */

static void on_pace(uv_timer_t *timer);

/* Whoever may go now. Never from inside c-ares. */
static void send_questions(struct mw_resolver *resolver)
{
    struct mw_dns_pass *pass;
    while ((pass = mw_dns_gate_next(&resolver->gate, uv_hrtime())) != NULL) {
        struct question *question = mw_container_of(pass, struct question, pass);
        mw_dns_lanes_ask(resolver->lanes, &question->key, on_answer, question, &question->server);
    }
    uint64_t pause_ms = mw_dns_gate_pause_ms(&resolver->gate, uv_hrtime());
    if (pause_ms > 0 && !uv_is_active((uv_handle_t *)&resolver->pace))
        uv_timer_start(&resolver->pace, on_pace, pause_ms, 0);
}

static void on_pace(uv_timer_t *timer)
{
    send_questions(timer->data);
}

/* Its last asker has gone. What was sent goes on; what waits for its turn need not. */
static void forsake(struct question *question)
{
    if (!question->pass.is_waiting || !mw_list_is_empty(&question->asks))
        return;
    count_ending(question, MW_DNS_ENDED_TIMEOUT);
    free_question(question);
}

/* Put a new question, for `ask`. It may be over when this returns. */
static void put_question(struct mw_resolver *resolver, const struct mw_dns_key *key,
                         struct ask *ask)
{
    struct question *question = mw_xalloc(sizeof *question);
    *question = (struct question){.resolver = resolver, .began_ns = uv_hrtime(), .key = *key};
    mw_list_init(&question->asks);
    join_question(question, ask);
    mw_list_append(chain_of(resolver, key), &question->in_chain);
    resolver->stats.under_way++;
    resolver->stats.queries++;
    start_ticking(resolver);
    mw_dns_gate_wait(&resolver->gate, &question->pass);
    send_questions(resolver);
}

/* ---- asking ---- */

static void expire_ask(struct mw_query *query)
{
    struct ask *ask = mw_container_of(query, struct ask, query);
    struct question *question = ask->question;
    make_ready(ask, NULL);
    if (question != NULL)
        forsake(question);
}

static void release_ask(struct mw_query *query)
{
    struct ask *ask = mw_container_of(query, struct ask, query);
    struct question *question = ask->question;
    mw_list_remove(&ask->place);
    mw_dns_answer_unref(&ask->answer);
    free(ask);
    if (question != NULL)
        forsake(question);
}

static const struct mw_query_kind ask_kind = {expire_ask, release_ask};

static void answer_none(struct ask *ask)
{
    const struct mw_dns_parsed parsed = {.status = MW_DNS_NONE, .is_missing = true};
    struct mw_dns_answer *none = mw_dns_answer_new(&parsed, 0);
    make_ready(ask, none);
    mw_dns_answer_unref(&none);
}

static struct mw_dns_answer *find_kept(struct mw_resolver *resolver, const struct mw_dns_key *key)
{
    uint64_t now_ms = uv_now(resolver->loop);
    struct mw_dns_answer *answer = mw_dns_cache_find(resolver->cache, key, now_ms);
    if (answer != NULL || resolver->cache == NULL)
        return answer;
    struct mw_dns_key name = *key;
    mw_dns_key_retype(&name, &resolver->seed, MW_DNS_ANY_TYPE);
    return mw_dns_cache_find(resolver->cache, &name, now_ms);
}

/* From the cache, from a question that is under way, or from the servers. */
static void seek(struct mw_resolver *resolver, const struct mw_dns_key *key, struct ask *ask)
{
    struct mw_dns_answer *answer = find_kept(resolver, key);
    if (answer != NULL) {
        resolver->stats.cache_hits++;
        make_ready(ask, answer);
        return;
    }
    struct question *question = find_question(resolver, key);
    if (question != NULL) {
        resolver->stats.joined++;
        join_question(question, ask);
        return;
    }
    /* somebody's mute servers must not take the DNS from all others for long */
    if (resolver->stats.under_way >= MW_DNS_QUESTIONS_MAX)
        mw_dns_lanes_hurry(resolver->lanes);
    if (resolver->stats.under_way < MW_DNS_QUESTIONS_MAX) {
        ask->query.is_put = true;
        put_question(resolver, key, ask);
    } else {
        resolver->stats.dropped++;
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

/* ---- time, and what c-ares has got done ---- */

static void on_progress(void *user)
{
    send_questions(user);
    deliver(user);
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

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void on_tick(uv_timer_t *timer)
{
    struct mw_resolver *resolver = timer->data;
    bool is_crowded = resolver->stats.under_way > 2 * MW_DNS_GATE_ROOM;
    uv_timer_set_repeat(timer, is_crowded ? least(MW_DNS_GATE_LEASE_MS, resolver->tick_ms)
                                          : resolver->tick_ms);
    mw_dns_lanes_tick(resolver->lanes);
    send_questions(resolver);
    expire_queries(resolver);
    deliver(resolver);
    if (!resolver->is_closing && !is_busy(resolver))
        uv_timer_stop(&resolver->tick);
}

/* ---- life and death ---- */

static uint64_t within(uint64_t value, uint64_t least, uint64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* Seed, channels, servers. The text of what failed, or NULL. */
static const char *set_up(struct mw_resolver *resolver, const struct mw_resolver_config *config)
{
    const char *problem;
    if (getrandom(&resolver->seed, sizeof resolver->seed, 0) != (ssize_t)sizeof resolver->seed)
        return "no random octets from the kernel";
    resolver->patience_ms = config->timeout_ms * config->attempts;
    resolver->lanes = mw_dns_lanes_new(resolver->loop, config, resolver->patience_ms * 3 / 2,
                                       on_progress, resolver, &problem);
    return problem;
}

static void open_handles(struct mw_resolver *resolver)
{
    uv_timer_init(resolver->loop, &resolver->tick);
    uv_timer_init(resolver->loop, &resolver->pace);
    uv_idle_init(resolver->loop, &resolver->idle);
    resolver->tick.data = resolver->pace.data = resolver->idle.data = resolver;
    resolver->handles = 3;
}

struct mw_resolver *mw_resolver_new(struct mw_net *net, const struct mw_resolver_config *config,
                                    char *out_text, size_t text_size)
{
    struct mw_resolver_config checked = *config;
    checked.timeout_ms = within(config->timeout_ms, 1, TIMEOUT_MAX_MS);
    checked.attempts = (uint32_t)within(config->attempts, 1, ATTEMPTS_MAX);
    struct mw_resolver *resolver = mw_xcalloc(1, sizeof *resolver);
    resolver->loop = net->loop;
    mw_list_init(&resolver->ready);
    mw_list_init(&resolver->deadlines);
    mw_dns_gate_init(&resolver->gate);
    for (size_t i = 0; i < QUESTION_CHAINS; i++)
        mw_list_init(&resolver->questions[i]);
    const char *problem = set_up(resolver, &checked);
    if (problem != NULL) {
        snprintf(out_text, text_size, "%s", problem);
        free(resolver);
        return NULL;
    }
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
    mw_dns_lanes_free(&gone->lanes);
    mw_assert(gone->stats.under_way == 0);
    mw_dns_cache_free(&gone->cache);
    uv_close((uv_handle_t *)&gone->tick, on_closed);
    uv_close((uv_handle_t *)&gone->pace, on_closed);
    uv_close((uv_handle_t *)&gone->idle, on_closed);
}

void mw_resolver_stats(const struct mw_resolver *resolver, struct mw_resolver_stats *out_stats)
{
    *out_stats = resolver->stats;
    out_stats->waiting = (uint32_t)resolver->gate.waiting_count;
    out_stats->cached = mw_dns_cache_count(resolver->cache);
    out_stats->cached_octets = mw_dns_cache_size(resolver->cache);
}
