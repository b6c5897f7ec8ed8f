/* list_redis.c - sets in a Redis server: SISMEMBER for each spelling of a value, in one batch.
 *
 * One connection serves all lists of the same server, database and password. It is opened when it
 * is first needed, over hiredis' asynchronous context and the host's descriptor watch. hiredis has
 * no time-out for commands and a stopped Redis still accepts connections, so:
 *
 *     IDLE --ask--> CONNECTING --PONG--> READY --lost, nothing asked--> IDLE
 *                      |                   |
 *                      +---late, lost------+---late, lost--> BROKEN --back-off--> CONNECTING
 *
 * CONNECTING sends AUTH, SELECT and PING; only the answered PING makes it READY and closes the
 * breaker. While the breaker is open questions fail at once, and the server is tried again after
 * 250 ms, 500 ms, ... at most 10 s. A command that is not answered within its list's time-out costs
 * the connection: answers come in order, so all behind it would be late as well. */
#include "list_priv.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

enum { CONNECT_MS = 1000, BACK_OFF_MS = 250, BACK_OFF_MAX_MS = 10000, DB_MAX = 65535 };

enum redis_state { REDIS_IDLE = 0, REDIS_CONNECTING, REDIS_READY, REDIS_BROKEN };

struct redis_request {
    struct redis_server *server;
    struct list_question *question; /* NULL: nobody waits any more */
    const char *key;
    struct list_keys *members; /* NULL once they are sent */
    uint64_t deadline_ms;
    size_t open; /* replies to come */
    bool is_member, has_failed;
    struct redis_request *next;
};

struct redis_server {
    struct rules *rules;
    const struct list *list; /* the first that uses it: for the log */
    char *address;           /* "127.0.0.1", or the socket's path */
    char *password;          /* NULL: none */
    uint32_t port;           /* 0: a socket's path */
    uint32_t db;
    enum redis_state state;
    bool is_open;    /* the breaker */
    bool is_leaving; /* we drop the connection ourselves */
    redisAsyncContext *context;
    struct mw_watch *watch;
    uint32_t events;
    struct mw_alarm *alarm;
    uint64_t deadline_ms; /* of CONNECTING; BROKEN: the next attempt */
    uint64_t back_off_ms;
    const char *why;                        /* of the last failure */
    struct redis_request *requests, **tail; /* in order; those not sent yet are the last */
};

static void connect_server(struct redis_server *server);
static void on_alarm(void *user);

/* ---- addresses ---- */

static bool bad_address(struct rules *rules, const struct place *place, const char *what)
{
    rules_error(rules, place,
                "such as \"127.0.0.1:6379/0/blocked\" or \"unix:/run/redis.sock/0/blocked\"",
                "redis address: %s", what);
    return false;
}

/* "unix:/run/redis.sock/0/KEY": no '/' in the key. */
static const char *read_socket(struct mw_slice text, struct mw_slice *address, struct mw_slice *db,
                               struct mw_slice *key)
{
    ptrdiff_t last = text_rfind(text, '/');
    ptrdiff_t middle = last < 0 ? -1 : text_rfind(SLICE(text.ptr, (size_t)last), '/');
    if (middle <= 0 || text.ptr[0] != '/')
        return "expected unix:/PATH/DATABASE/KEY";
    *address = SLICE(text.ptr, (size_t)middle);
    *db = SLICE(text.ptr + middle + 1, (size_t)(last - middle - 1));
    *key = text_skip(text, (size_t)last + 1);
    return address->len < 108 ? NULL : "the socket's path is longer than 107 octets";
}

/* "127.0.0.1:6379/0/KEY", "[::1]:6379/0/KEY" */
static const char *read_host(struct mw_slice text, struct mw_slice *address, uint64_t *port,
                             struct mw_slice *db, struct mw_slice *key)
{
    char ip[INET6_ADDRSTRLEN];
    unsigned char octets[16];
    ptrdiff_t slash = text_find(text, '/');
    struct mw_slice front = slash < 0 ? text : SLICE(text.ptr, (size_t)slash);
    struct mw_slice rest = slash < 0 ? EMPTY : text_skip(text, (size_t)slash + 1);
    ptrdiff_t colon = text_rfind(front, ':');
    ptrdiff_t second = text_find(rest, '/');
    if (slash < 0 || second < 0 || colon < 0)
        return "expected ADDRESS:PORT/DATABASE/KEY";
    *address = SLICE(front.ptr, (size_t)colon);
    if (address->len > 2 && address->ptr[0] == '[' && address->ptr[address->len - 1] == ']')
        *address = SLICE(address->ptr + 1, address->len - 2);
    if (!text_number(text_skip(front, (size_t)colon + 1), 65535, port) || *port == 0)
        return "expected a port from 1 to 65535 behind ':'";
    *db = SLICE(rest.ptr, (size_t)second);
    *key = text_skip(rest, (size_t)second + 1);
    if (address->len >= sizeof ip)
        return "expected an IP address (a name would have to be looked up)";
    memcpy(ip, address->ptr, address->len);
    ip[address->len] = '\0';
    bool is_ip = inet_pton(AF_INET, ip, octets) == 1 || inet_pton(AF_INET6, ip, octets) == 1;
    return is_ip ? NULL : "expected an IP address (a name would have to be looked up)";
}

bool rules_redis_read(struct rules *rules, struct list *list, struct mw_slice text,
                      const struct place *place)
{
    struct mw_slice address, db, key;
    uint64_t port = 0, db_number;
    bool is_socket = text.len > 5 && text_eq(SLICE(text.ptr, 5), LIT("unix:"));
    const char *error = is_socket ? read_socket(text_skip(text, 5), &address, &db, &key)
                                  : read_host(text, &address, &port, &db, &key);
    if (error != NULL)
        return bad_address(rules, place, error);
    if (!text_number(db, DB_MAX, &db_number))
        return bad_address(rules, place, "expected the database's number");
    if (key.len == 0 || key.len > LIST_ENTRY_MAX)
        return bad_address(rules, place, "expected the set's key at the end");
    struct redis_server *server = rules_keep(rules, sizeof *server);
    server->rules = rules;
    server->list = list;
    server->address = (char *)rules_keep_text(rules, address).ptr;
    server->port = (uint32_t)port;
    server->db = (uint32_t)db_number;
    server->tail = &server->requests;
    list->redis = server;
    list->redis_key = rules_keep_text(rules, key).ptr;
    return true;
}

bool rules_redis_password(struct rules *rules, struct list *list, const char *path,
                          const struct place *place)
{
    size_t len = 0;
    const char *error = NULL;
    char *text = rules->lang->file_read(path, LIST_ENTRY_MAX, &len, &error);
    if (text == NULL) {
        rules_error(rules, place, NULL, "cannot read password file %s: %s", path,
                    error ? error : "unknown error");
        return false;
    }
    struct mw_slice password = text_trim(SLICE(text, len));
    if (password.len > 0 && text_find(password, '\0') < 0)
        list->redis->password = (char *)rules_keep_text(rules, password).ptr;
    else
        rules_error(rules, place, NULL, "password file %s holds no password", path);
    rules->lang->file_free(text);
    return list->redis->password != NULL;
}

static bool is_same(const struct redis_server *a, const struct redis_server *b)
{
    bool has_same_password = a->password == NULL || b->password == NULL
                                 ? a->password == b->password
                                 : strcmp(a->password, b->password) == 0;
    return a->port == b->port && a->db == b->db && strcmp(a->address, b->address) == 0 &&
           has_same_password;
}

/* The one connection of all lists of that server. */
static struct redis_server *server_of(struct list *list)
{
    for (struct list *other = list->rules->lists; other != NULL && other != list;
         other = other->next)
        if (other->redis != NULL && is_same(other->redis, list->redis))
            list->redis = other->redis;
    return list->redis;
}

/* ---- requests ---- */

static const struct mw_host *host_of(const struct redis_server *server)
{
    return server->rules->host;
}

static uint64_t now_ms(const struct redis_server *server)
{
    return host_of(server)->clock_ms(server->rules->instance);
}

static void end_request(struct redis_request *request, enum list_answer answer, const char *error)
{
    struct redis_server *server = request->server;
    struct list_question *question = request->question;
    struct redis_request **at = &server->requests;
    while (*at != request)
        at = &(*at)->next;
    *at = request->next;
    if (server->tail == &request->next)
        server->tail = at;
    free(request->members);
    free(request);
    if (question == NULL)
        return;
    question->request = NULL;
    rules_list_answered(question, answer, error);
}

static void fail_unsent(struct redis_server *server, const char *error)
{
    for (struct redis_request *at = server->requests; at != NULL;) {
        struct redis_request *next = at->next;
        if (at->members != NULL)
            end_request(at, LIST_FAILED, error);
        at = next;
    }
}

static void on_member(redisAsyncContext *context, void *reply_at, void *user)
{
    struct redis_request *request = user;
    struct redis_server *server = request->server;
    const redisReply *reply = reply_at;
    (void)context;
    if (reply == NULL || reply->type != REDIS_REPLY_INTEGER)
        request->has_failed = true;
    else if (reply->integer != 0)
        request->is_member = true;
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR && server->why == NULL) {
        server->why = "the Redis server refused the command"; /* said once a connection */
        rules_list_note(server->list, MW_LOG_WARNING, "list-error", "reply",
                        SLICE(reply->str, (size_t)reply->len));
    }
    if (--request->open > 0)
        return;
    const char *error = server->why != NULL ? server->why : "the Redis server does not answer";
    end_request(request,
                request->is_member    ? LIST_YES
                : request->has_failed ? LIST_FAILED
                                      : LIST_NO,
                error);
}

static void send_request(struct redis_request *request)
{
    struct redis_server *server = request->server;
    struct list_keys *members = request->members;
    size_t count = members->count;
    request->members = NULL;
    request->open = count + 1; /* hiredis may call back with a failure at once */
    for (size_t i = 0; i < count; i++) {
        const char *words[] = {"SISMEMBER", request->key, members->keys[i].ptr};
        size_t lens[] = {9, strlen(request->key), members->keys[i].len};
        if (server->context == NULL || redisAsyncCommandArgv(server->context, on_member, request, 3,
                                                             words, lens) != REDIS_OK) {
            request->has_failed = true;
            request->open--;
        }
    }
    free(members);
    if (--request->open == 0)
        end_request(request, LIST_FAILED, "the Redis server does not answer");
}

static void send_waiting(struct redis_server *server)
{
    for (struct redis_request *at = server->requests; at != NULL;) {
        struct redis_request *next = at->next;
        if (at->members != NULL)
            send_request(at);
        at = next;
    }
}

/* ---- the alarm: commands and connections that are late, and the next attempt ---- */

static void set_alarm(struct redis_server *server)
{
    uint64_t next = UINT64_MAX, now = now_ms(server);
    if (server->state == REDIS_CONNECTING || server->state == REDIS_BROKEN)
        next = server->deadline_ms;
    for (const struct redis_request *at = server->requests; at != NULL; at = at->next)
        if (at->deadline_ms < next)
            next = at->deadline_ms;
    if (server->alarm != NULL)
        host_of(server)->alarm_cancel(server->alarm);
    server->alarm = NULL;
    if (next != UINT64_MAX)
        server->alarm = host_of(server)->alarm(server->rules->instance, next > now ? next - now : 0,
                                               on_alarm, server);
}

/* ---- the connection's end ---- */

static void open_breaker(struct redis_server *server, const char *why)
{
    if (!server->is_open)
        rules_list_note(server->list, MW_LOG_WARNING, "list-server-down", "reason", slice_of(why));
    server->is_open = true;
    server->back_off_ms = server->back_off_ms == 0 ? BACK_OFF_MS : server->back_off_ms * 2;
    if (server->back_off_ms > BACK_OFF_MAX_MS)
        server->back_off_ms = BACK_OFF_MAX_MS;
    server->state = REDIS_BROKEN;
    server->deadline_ms = now_ms(server) + server->back_off_ms;
    fail_unsent(server, "the Redis server does not answer");
    set_alarm(server);
}

/* The context has gone (hiredis' cleanup hook): whatever was sent has been answered with NULL. */
static void on_gone(void *user)
{
    struct redis_server *server = user;
    bool was_ready = server->state == REDIS_READY;
    if (server->watch != NULL)
        host_of(server)->watch_end(server->watch);
    server->watch = NULL;
    server->context = NULL;
    server->events = 0;
    if (server->is_leaving || server->state == REDIS_BROKEN)
        return; /* drop() has done the rest */
    if (was_ready && server->requests == NULL && !server->is_open) {
        server->state = REDIS_IDLE; /* the server closes what nobody uses */
        set_alarm(server);
        return;
    }
    open_breaker(server, was_ready ? "connection lost" : "connection refused");
}

static void drop(struct redis_server *server, const char *why)
{
    server->is_leaving = true;
    server->state = REDIS_BROKEN;
    if (server->context != NULL)
        redisAsyncFree(server->context); /* calls back for all that was sent; on_gone() */
    server->is_leaving = false;
    server->context = NULL;
    open_breaker(server, why);
}

static void on_alarm(void *user)
{
    struct redis_server *server = user;
    uint64_t now = now_ms(server);
    server->alarm = NULL;
    if (server->state == REDIS_BROKEN && server->deadline_ms <= now) {
        connect_server(server);
        return;
    }
    if (server->state == REDIS_CONNECTING && server->deadline_ms <= now) {
        drop(server, "no answer to PING");
        return;
    }
    for (struct redis_request *at = server->requests; at != NULL;) {
        struct redis_request *next = at->next;
        if (at->deadline_ms <= now && at->members == NULL) {
            drop(server, "no answer in time");
            return;
        }
        if (at->deadline_ms <= now)
            end_request(at, LIST_FAILED, "no answer in time");
        at = next;
    }
    set_alarm(server);
}

/* ---- hiredis' events over the host's watch ---- */

static void on_ready(void *user, uint32_t events)
{
    struct redis_server *server = user;
    if (server->context != NULL && events & (MW_WATCH_READ | MW_WATCH_ERROR))
        redisAsyncHandleRead(server->context);
    if (server->context != NULL && events & MW_WATCH_WRITE)
        redisAsyncHandleWrite(server->context);
}

static void change_events(struct redis_server *server, uint32_t events)
{
    if (server->context == NULL || events == server->events)
        return;
    server->events = events;
    if (server->watch != NULL)
        host_of(server)->watch_change(server->watch, events);
    else
        server->watch = host_of(server)->watch(server->rules->instance, server->context->c.fd,
                                               events, on_ready, server);
}

static void add_read(void *user)
{
    struct redis_server *server = user;
    change_events(server, server->events | MW_WATCH_READ);
}

static void del_read(void *user)
{
    struct redis_server *server = user;
    change_events(server, server->events & ~(uint32_t)MW_WATCH_READ);
}

static void add_write(void *user)
{
    struct redis_server *server = user;
    change_events(server, server->events | MW_WATCH_WRITE);
}

static void del_write(void *user)
{
    struct redis_server *server = user;
    change_events(server, server->events & ~(uint32_t)MW_WATCH_WRITE);
}

/* ---- the connection's beginning ---- */

static void on_pong(redisAsyncContext *context, void *reply_at, void *user)
{
    struct redis_server *server = user;
    const redisReply *reply = reply_at;
    (void)context;
    if (reply == NULL)
        return; /* on_gone() says more */
    if (reply->type == REDIS_REPLY_ERROR) {
        rules_list_note(server->list, MW_LOG_WARNING, "list-error", "reply",
                        SLICE(reply->str, (size_t)reply->len));
        drop(server, "PING was refused");
        return;
    }
    if (server->is_open)
        rules_list_note(server->list, MW_LOG_INFO, "list-server-up", "", EMPTY);
    server->state = REDIS_READY;
    server->is_open = false;
    server->back_off_ms = 0;
    server->why = NULL;
    send_waiting(server);
    set_alarm(server);
}

/* AUTH and SELECT. */
static void on_setup(redisAsyncContext *context, void *reply_at, void *user)
{
    struct redis_server *server = user;
    const redisReply *reply = reply_at;
    (void)context;
    if (reply == NULL || reply->type != REDIS_REPLY_ERROR || server->is_leaving)
        return;
    rules_list_note(server->list, MW_LOG_WARNING, "list-error", "reply",
                    SLICE(reply->str, (size_t)reply->len));
    drop(server, "AUTH or SELECT was refused");
}

static void on_connected(const redisAsyncContext *context, int status)
{
    (void)context; /* hiredis wants to write only if somebody asked; failures reach on_gone() */
    (void)status;
}

static bool send_setup(struct redis_server *server)
{
    redisAsyncContext *context = server->context;
    if (server->password != NULL &&
        redisAsyncCommand(context, on_setup, server, "AUTH %s", server->password) != REDIS_OK)
        return false;
    if (server->db != 0 &&
        redisAsyncCommand(context, on_setup, server, "SELECT %u", server->db) != REDIS_OK)
        return false;
    return redisAsyncCommand(context, on_pong, server, "PING") == REDIS_OK;
}

static void connect_server(struct redis_server *server)
{
    redisAsyncContext *context = server->port != 0
                                     ? redisAsyncConnect(server->address, (int)server->port)
                                     : redisAsyncConnectUnix(server->address);
    if (context == NULL || context->err != 0) {
        if (context != NULL)
            redisAsyncFree(context);
        open_breaker(server, "connection refused");
        return;
    }
    server->context = context;
    server->state = REDIS_CONNECTING;
    server->deadline_ms = now_ms(server) + CONNECT_MS;
    context->ev.data = server;
    context->ev.addRead = add_read;
    context->ev.delRead = del_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = del_write;
    context->ev.cleanup = on_gone;
    redisAsyncSetConnectCallback(context, on_connected);
    if (!send_setup(server) || server->watch == NULL) {
        drop(server, "connection refused");
        return;
    }
    set_alarm(server);
}

/* ---- questions ---- */

void rules_redis_ask(struct list_question *question)
{
    struct list *list = question->set->list;
    struct redis_server *server = server_of(list);
    if (server->is_open) {
        rules_list_answered(question, LIST_FAILED, "the Redis server does not answer");
        return;
    }
    struct redis_request *request = calloc(1, sizeof *request);
    struct list_keys *members = malloc(sizeof *members);
    if (request == NULL || members == NULL)
        abort(); /* out of memory: as everywhere, the worker ends */
    rules_list_keys(LIST_REDIS, question->set->kind, question->key, members);
    if (members->count == 0) {
        free(members);
        free(request);
        rules_list_answered(question, LIST_NO, NULL);
        return;
    }
    request->server = server;
    request->question = question;
    request->key = list->redis_key;
    request->members = members;
    request->deadline_ms = question->deadline_ms;
    *server->tail = request;
    server->tail = &request->next;
    question->request = request;
    if (server->state == REDIS_READY)
        send_request(request);
    else if (server->state == REDIS_IDLE)
        connect_server(server);
    set_alarm(server);
}

/* An answer that comes nevertheless is taken in and told to nobody; one that does not come at all
 * still costs the connection. */
void rules_redis_forget(struct list_question *question)
{
    if (question->request != NULL)
        question->request->question = NULL;
    question->request = NULL;
}

void rules_redis_stop(struct list *list)
{
    struct redis_server *server = list->redis;
    if (server == NULL || list->life == NULL)
        return;
    server->is_leaving = true;
    if (server->context != NULL)
        redisAsyncFree(server->context);
    server->context = NULL;
    fail_unsent(server, "the service ends");
    if (server->alarm != NULL)
        host_of(server)->alarm_cancel(server->alarm);
    server->alarm = NULL;
}
