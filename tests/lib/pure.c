/* pure.c - see pure.h. */
#include "pure.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const stage_names[MW_STAGE_COUNT] = {
    "connect",    "helo",  "starttls", "auth",           "mail", "rcpt",
    "rcpt_reply", "data",  "header",   "end_of_headers", "body", "end_of_message",
    "abort",      "close", "command",  "edited",
};
static const char *const verdict_names[] = {"continue", "accept",  "reject",
                                            "tempfail", "discard", "disconnect"};

/* ---- the pretended filter ---- */

static struct mw_slice next_word(struct mw_slice *text);

/* "b@up.test" as the client gave it, or "*1": the second one. */
static bool is_meant(const struct mw_subject *subject, size_t index, struct mw_slice address)
{
    uint64_t number;
    if (address.len > 1 && address.ptr[0] == '*')
        return mw_slice_to_u64(mw_slice_skip(address, 1), 1000, &number) == MW_OK &&
               number == index;
    return mw_slice_eq(subject->envelope->rcpts[index].mailbox.original, address);
}

/* As host->rcpt_verdict: default replies, and nothing for a recipient that is not wanted, nor
 * where messages stream. */
static void judge_rcpt(struct pure *pure, enum mw_stage stage, const struct pure_judged *judged)
{
    struct mw_subject *subject = mw_session_subject(pure->session);
    struct mw_slice text = mw_slice_cstr(judged->text), address = next_word(&text);
    struct mw_slice code_word = next_word(&text), dsn = next_word(&text);
    bool is_reject = judged->verdict == MW_REJECT;
    uint64_t code = is_reject ? 550 : 451;
    struct mw_outcome outcome = {.verdict = judged->verdict,
                                 .dsn = is_reject ? MW_LIT("5.7.1") : MW_LIT("4.7.1"),
                                 .text = is_reject ? MW_LIT("Rejected") : MW_LIT("Try again later"),
                                 .by = MW_LIT("script"),
                                 .rule = MW_LIT("rule")};
    if (mw_slice_to_u64(code_word, 599, &code) == MW_OK) {
        outcome.dsn = dsn;
        outcome.text = mw_slice_trim(text);
    }
    outcome.code = (uint16_t)code;
    for (size_t i = 0; pure->wants_spool && i < subject->envelope->rcpt_count; i++) {
        if (is_meant(subject, i, address) && mw_rcpt_is_wanted(&subject->envelope->rcpts[i])) {
            mw_subject_judge_rcpt(subject, i, stage, &outcome);
            return;
        }
    }
}

/* As host->auth_result. */
static void add_result(struct mw_subject *subject, struct mw_slice result)
{
    if (subject->auth_results == NULL)
        subject->auth_results = mw_arena_array(subject->transaction_arena, struct mw_slice, 100);
    subject->auth_results[subject->auth_result_count++] = result;
}

static void apply_edits(struct pure *pure, const struct pure_rule *rule, size_t rcpt)
{
    struct mw_subject *subject = mw_session_subject(pure->session);
    enum mw_err err = MW_OK;
    if (rule->sender[0])
        err = mw_envelope_rewrite_sender(subject->envelope, mw_slice_cstr(rule->sender));
    if (err == MW_OK && rule->rcpt[0])
        err = mw_envelope_rewrite_rcpt(subject->envelope, rcpt, mw_slice_cstr(rule->rcpt));
    if (err == MW_OK && rule->add_rcpt[0])
        err = mw_envelope_insert_rcpt(subject->envelope, mw_slice_cstr(rule->add_rcpt));
    for (size_t i = 0; rule->delete_rcpt[0] && i < subject->envelope->rcpt_count; i++)
        if (mw_slice_eq(subject->envelope->rcpts[i].mailbox.address,
                        mw_slice_cstr(rule->delete_rcpt)))
            err = mw_envelope_delete_rcpt(subject->envelope, i);
    struct mw_slice name, value;
    if (err == MW_OK && rule->add_header[0] && subject->headers != NULL &&
        mw_slice_split(mw_slice_cstr(rule->add_header), ':', &name, &value))
        err = mw_headers_insert(subject->headers, subject->headers->count, name, value);
    if (err == MW_OK && rule->delete_header[0] && subject->headers != NULL) {
        ptrdiff_t at = mw_headers_find(subject->headers, mw_slice_cstr(rule->delete_header), 0);
        if (at >= 0)
            err = mw_headers_delete(subject->headers, (size_t)at);
    }
    if (err == MW_OK && rule->body[0] && subject->spool != NULL) {
        mw_spool_truncate(subject->spool);
        mw_spool_add(subject->spool, mw_slice_cstr(rule->body), true);
        mw_spool_add(subject->spool, MW_LIT("\r\n"), false);
        subject->has_replaced_body = true;
    }
    if (err == MW_OK && rule->auth_result[0])
        add_result(subject, mw_slice_cstr(rule->auth_result));
    for (size_t i = 0; i < rule->judged_count; i++)
        judge_rcpt(pure, rule->stage, &rule->judged[i]);
    if (rule->group[0])
        subject->rcpt_group = mw_slice_cstr(rule->group);
    mw_assert(err == MW_OK);
}

static void outcome_of(const struct pure_rule *rule, struct mw_outcome *out)
{
    static const uint16_t codes[] = {0, 0, 550, 451, 0, 421};
    static const char *const dsns[] = {"", "", "5.7.1", "4.7.1", "", "4.7.0"};
    *out = (struct mw_outcome){
        .verdict = rule->verdict, .by = MW_LIT("script"), .rule = MW_LIT("rule")};
    if (rule->verdict == MW_ACCEPT)
        out->verdict = MW_CONTINUE;
    out->code = rule->code ? rule->code : codes[rule->verdict];
    out->dsn = rule->code ? mw_slice_cstr(rule->dsn) : mw_slice_cstr(dsns[rule->verdict]);
    out->text = rule->text[0] ? mw_slice_cstr(rule->text) : MW_LIT("no");
}

static enum mw_err run_stage(void *user, const struct mw_call *call, struct mw_outcome *out)
{
    struct pure *pure = user;
    uint32_t nth = pure->calls[call->stage]++;
    mw_assert(pure->waiting == NULL);
    *out = (struct mw_outcome){.verdict = MW_CONTINUE};
    for (size_t i = 0; i < pure->rule_count; i++) {
        const struct pure_rule *rule = &pure->rules[i];
        if (rule->stage != call->stage || (rule->index >= 0 && (uint32_t)rule->index != nth))
            continue;
        apply_edits(pure, rule, call->rcpt);
        if (rule->waits) {
            pure->waiting = rule;
            return MW_AGAIN;
        }
        outcome_of(rule, out);
        return MW_OK;
    }
    return MW_OK;
}

static void cancel_stage(void *user)
{
    struct pure *pure = user;
    mw_assert(pure->waiting != NULL);
    pure->waiting = NULL;
}

static void transaction_begin(void *user)
{
    (void)user;
}

static void transaction_end(void *user, bool is_aborted)
{
    (void)user;
    (void)is_aborted;
}

static struct mw_slice changes(void *user, char out_text[64])
{
    (void)user;
    out_text[0] = '\0';
    return MW_EMPTY;
}

static void connect_upstream(void *user)
{
    struct pure *pure = user;
    mw_assert(!pure->wants_connect && !pure->is_connected);
    pure->wants_connect = true;
    pure->connects++;
}

static void close_upstream(void *user)
{
    struct pure *pure = user;
    pure->closes += pure->is_connected;
    pure->wants_upstream_tls = false;
    pure->wants_connect = pure->is_connected = false;
}

static void secure_client(void *user)
{
    struct pure *pure = user;
    mw_assert(!pure->wants_client_tls);
    pure->wants_client_tls = true;
}

static void secure_upstream(void *user)
{
    struct pure *pure = user;
    mw_assert(!pure->wants_upstream_tls && pure->is_connected);
    pure->wants_upstream_tls = true;
}

static void restart_filters(void *user)
{
    struct pure *pure = user;
    mw_assert(pure->waiting == NULL);
    pure->restarts++;
}

static struct mw_slice known_ehlo(void *user)
{
    struct pure *pure = user;
    return mw_buf_view(&pure->known_ehlo);
}

static void remember_ehlo(void *user, struct mw_slice reply)
{
    struct pure *pure = user;
    pure->known_ehlo.len = 0;
    mw_buf_put(&pure->known_ehlo, reply);
}

static bool client_present(void *user)
{
    struct pure *pure = user;
    return !pure->is_client_absent;
}

static struct mw_spool *spool_open(void *user)
{
    struct pure *pure = user;
    return mw_spool_new(&pure->files, pure->listen.spool_memory);
}

static void spool_close(void *user, struct mw_spool *spool)
{
    (void)user;
    mw_spool_free(&spool);
}

static const struct mw_session_ops ops = {
    .run_stage = run_stage,
    .cancel_stage = cancel_stage,
    .transaction_begin = transaction_begin,
    .transaction_end = transaction_end,
    .changes = changes,
    .connect_upstream = connect_upstream,
    .close_upstream = close_upstream,
    .secure_client = secure_client,
    .secure_upstream = secure_upstream,
    .restart_filters = restart_filters,
    .known_ehlo = known_ehlo,
    .remember_ehlo = remember_ehlo,
    .client_present = client_present,
    .spool_open = spool_open,
    .spool_close = spool_close,
};

/* ---- "rcpt:1 wait reject 550 5.7.1 "text" sender=<a@b>" ---- */

static struct mw_slice next_word(struct mw_slice *text)
{
    *text = mw_slice_trim(*text);
    size_t len = 0;
    bool quoted = false;
    while (len < text->len && (quoted || text->ptr[len] != ' ')) {
        quoted ^= text->ptr[len] == '"';
        len++;
    }
    struct mw_slice word = mw_slice_take(*text, len);
    *text = mw_slice_skip(*text, len);
    return word;
}

static bool copy_text(char *to, size_t size, struct mw_slice from)
{
    if (from.len >= 2 && from.ptr[0] == '"' && from.ptr[from.len - 1] == '"')
        from = MW_SLICE(from.ptr + 1, from.len - 2);
    if (from.len >= size)
        return false;
    memcpy(to, from.ptr, from.len);
    to[from.len] = '\0';
    return true;
}

/* "reject-rcpt" and its kind. */
static bool parse_judged(struct pure_rule *rule, struct mw_slice key, struct mw_slice value)
{
    struct mw_slice verdict = MW_EMPTY, rest = MW_EMPTY;
    if (!mw_slice_split(key, '-', &verdict, &rest) || !mw_slice_eq(rest, MW_LIT("rcpt")) ||
        rule->judged_count == PURE_JUDGED_MAX)
        return false;
    struct pure_judged *judged = &rule->judged[rule->judged_count];
    for (int i = MW_REJECT; i <= MW_DISCARD; i++) {
        if (!mw_slice_eq(verdict, mw_slice_cstr(verdict_names[i])))
            continue;
        judged->verdict = (enum mw_verdict)i;
        rule->judged_count++;
        return copy_text(judged->text, sizeof judged->text, value);
    }
    return false;
}

static bool parse_edit(struct pure_rule *rule, struct mw_slice word)
{
    struct mw_slice key, value;
    if (!mw_slice_split(word, '=', &key, &value))
        return false;
    struct {
        const char *key;
        char *to;
        size_t size;
    } edits[] = {
        {"sender", rule->sender, sizeof rule->sender},
        {"rcpt", rule->rcpt, sizeof rule->rcpt},
        {"add-rcpt", rule->add_rcpt, sizeof rule->add_rcpt},
        {"delete-rcpt", rule->delete_rcpt, sizeof rule->delete_rcpt},
        {"add-header", rule->add_header, sizeof rule->add_header},
        {"delete-header", rule->delete_header, sizeof rule->delete_header},
        {"body", rule->body, sizeof rule->body},
        {"group", rule->group, sizeof rule->group},
        {"auth-result", rule->auth_result, sizeof rule->auth_result},
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++)
        if (mw_slice_eq(key, mw_slice_cstr(edits[i].key)))
            return copy_text(edits[i].to, edits[i].size, value);
    return parse_judged(rule, key, value);
}

static bool parse_stage(struct pure_rule *rule, struct mw_slice word)
{
    struct mw_slice name = word, number;
    uint64_t index;
    rule->index = -1;
    if (mw_slice_split(word, ':', &name, &number)) {
        if (mw_slice_to_u64(number, 1000, &index) != MW_OK)
            return false;
        rule->index = (int32_t)index;
    }
    for (int i = 0; i < MW_STAGE_COUNT; i++)
        if (mw_slice_eq(name, mw_slice_cstr(stage_names[i]))) {
            rule->stage = (enum mw_stage)i;
            return true;
        }
    return false;
}

bool pure_add_rule(struct pure *pure, struct mw_slice text)
{
    if (pure->rule_count == PURE_RULES_MAX)
        return false;
    struct pure_rule *rule = &pure->rules[pure->rule_count];
    *rule = (struct pure_rule){0};
    if (!parse_stage(rule, next_word(&text)))
        return false;
    struct mw_slice word = next_word(&text);
    rule->is_held = mw_slice_eq(word, MW_LIT("hold"));
    if (rule->is_held || mw_slice_eq(word, MW_LIT("wait"))) {
        rule->waits = true;
        word = next_word(&text);
    }
    bool found = false;
    for (size_t i = 0; i < sizeof verdict_names / sizeof *verdict_names; i++)
        if (mw_slice_eq(word, mw_slice_cstr(verdict_names[i]))) {
            rule->verdict = (enum mw_verdict)i;
            found = true;
        }
    if (!found)
        return false;
    while ((word = next_word(&text)).len > 0) {
        uint64_t code;
        if (rule->code == 0 && mw_slice_to_u64(word, 599, &code) == MW_OK) {
            rule->code = (uint16_t)code;
            if (!copy_text(rule->dsn, sizeof rule->dsn, next_word(&text)) ||
                !copy_text(rule->text, sizeof rule->text, next_word(&text)))
                return false;
        } else if (!parse_edit(rule, word)) {
            return false;
        }
    }
    pure->listen.chain = NULL;
    pure->rule_count++;
    return true;
}

/* ---- the harness ---- */

static void no_free(struct mw_snapshot *snapshot)
{
    (void)snapshot;
}

void pure_init(struct pure *pure)
{
    *pure = (struct pure){.now = 1000000};
    pure->words[2][0] = MW_LIT("weir.test");
    pure->snapshot = (struct mw_snapshot){.refs = 1,
                                          .generation = 7,
                                          .hostname = MW_LIT("weir.test"),
                                          .authserv_ids = pure->words[2],
                                          .authserv_id_count = 1,
                                          .free = no_free};
    enum mw_err err = mw_endpoint_parse(MW_LIT("127.0.0.1:10025"), false, &pure->address);
    mw_assert(err == MW_OK);
    pure->upstream = (struct mw_upstream_settings){
        .name = MW_LIT("up"),
        .addresses = &pure->address,
        .address_count = 1,
        .connect_timeout_ms = 30000,
        .reply_timeout_ms = 300000,
        .final_reply_timeout_ms = 600000,
        .keepalive_ms = 60000,
        .require_identity = true,
        .queue_timeout_ms = 10000,
    };
    pure->listen = (struct mw_listen_settings){
        .name = MW_LIT("mx"),
        .upstream = &pure->upstream,
        .auth = MW_AUTH_TLS_ONLY,
        .line_ends = {MW_BARE_NORMALIZE, MW_BARE_REJECT, MW_BARE_PASS},
        .early_talker = MW_EARLY_PASS,
        .max_sessions = 100,
        .max_errors = 20,
        .max_junk = 100,
        .command_timeout_ms = 300000,
        .data_timeout_ms = 180000,
        .header_timeout_ms = 300000,
        .min_data_rate = 100,
        .spool_memory = 262144,
        .header_limits = {262144, 1000, 50},
    };
    pure->log = mw_log_memory(MW_LOG_DEBUG);
    mw_spool_files_init(&pure->files, "/tmp");
}

static void collect(struct pure *pure, struct mw_queue *queue, struct mw_buf *into)
{
    struct iovec iov[8];
    while (mw_queue_len(queue) > 0) {
        size_t count = mw_queue_iov(queue, iov, 8), len = 0;
        for (size_t i = 0; i < count; i++) {
            mw_buf_put(into, MW_SLICE(iov[i].iov_base, iov[i].iov_len));
            len += iov[i].iov_len;
        }
        mw_queue_consume(queue, len);
    }
    (void)pure;
}

/* The disk: one job. */
static bool run_job(struct pure *pure)
{
    struct mw_spool *spool = mw_session_spool(pure->session);
    struct mw_spool_job job;
    if (spool == NULL || pure->jobs_held || !mw_spool_job(spool, &job))
        return false;
    mw_spool_job_done(spool, job.is_read ? pread(job.fd, job.octets, job.len, (off_t)job.offset)
                                         : pwrite(job.fd, job.octets, job.len, (off_t)job.offset));
    return true;
}

/* What the driver does after every event. */
static void after(struct pure *pure)
{
    for (int rounds = 0; rounds < 100000; rounds++) {
        mw_session_check(pure->session);
        if (!pure->client_blocked)
            collect(pure, mw_session_to_client(pure->session), &pure->client_got);
        if (!pure->upstream_blocked && pure->is_connected)
            collect(pure, mw_session_to_upstream(pure->session), &pure->upstream_got);
        mw_session_settle(pure->session);
        mw_session_check(pure->session);
        if (!mw_session_wants_progress(pure->session) && !run_job(pure))
            return;
        mw_session_progress(pure->session, pure->now);
    }
    mw_assert(!"the session asks for progress for ever");
}

void pure_start(struct pure *pure)
{
    uint32_t stages = 0;
    for (size_t i = 0; i < pure->rule_count; i++)
        stages |= MW_STAGE_BIT(pure->rules[i].stage);
    if ((stages & (MW_STAGE_BIT(MW_STAGE_END_OF_MESSAGE) | MW_STAGE_BIT(MW_STAGE_EDITED))) != 0)
        pure->wants_spool = true;
    struct mw_session_peer peer = {.port = 41001, .server_port = 25};
    enum mw_err err = mw_inet_parse(MW_LIT("198.51.100.7"), &peer.address);
    mw_assert(err == MW_OK);
    pure->session = mw_session_new(&pure->snapshot, &pure->listen, &ops, pure, pure->log,
                                   MW_LIT("7Q2k9Z"), &peer);
    mw_session_set_stages(pure->session, stages, pure->wants_spool);
    mw_session_start(pure->session, pure->now);
    after(pure);
}

void pure_fini(struct pure *pure)
{
    if (pure->session != NULL && !mw_session_is_over(pure->session))
        mw_session_shutdown(pure->session, true, pure->now);
    if (pure->session != NULL)
        mw_session_log_end(pure->session, pure->now);
    mw_session_free(&pure->session);
    mw_log_close(&pure->log);
    mw_spool_files_fini(&pure->files);
    mw_buf_fini(&pure->client_got);
    mw_buf_fini(&pure->upstream_got);
    mw_buf_fini(&pure->known_ehlo);
}

/* Events get their own copy of the octets, freed at once: ASan sees anything kept by mistake. */
static char *copy_of(struct mw_slice octets)
{
    char *copy = mw_xalloc(octets.len);
    memcpy(copy, octets.ptr, octets.len);
    return copy;
}

void pure_client_sends(struct pure *pure, struct mw_slice octets)
{
    if (mw_session_is_over(pure->session) || octets.len == 0)
        return;
    char *copy = copy_of(octets);
    mw_session_client_data(pure->session, MW_SLICE(copy, octets.len), pure->now);
    after(pure);
    free(copy);
}

void pure_client_closes(struct pure *pure)
{
    pure->is_client_closed = pure->is_client_absent = true;
    if (mw_session_is_over(pure->session))
        return;
    mw_session_client_eof(pure->session, pure->now);
    after(pure);
}

void pure_upstream_accepts(struct pure *pure)
{
    if (!pure->wants_connect || mw_session_is_over(pure->session))
        return;
    pure->wants_connect = false;
    pure->is_connected = true;
    mw_session_upstream_up(pure->session, pure->now);
    after(pure);
}

void pure_upstream_refuses(struct pure *pure)
{
    if (!pure->wants_connect || mw_session_is_over(pure->session))
        return;
    pure->wants_connect = false;
    mw_session_upstream_failed(pure->session, "connection refused", pure->now);
    after(pure);
}

void pure_upstream_sends(struct pure *pure, struct mw_slice octets)
{
    if (!pure->is_connected || mw_session_is_over(pure->session) || octets.len == 0)
        return;
    char *copy = copy_of(octets);
    mw_session_upstream_data(pure->session, MW_SLICE(copy, octets.len), pure->now);
    after(pure);
    free(copy);
}

void pure_upstream_closes(struct pure *pure)
{
    if (!pure->is_connected || mw_session_is_over(pure->session))
        return;
    pure->is_connected = false;
    mw_session_upstream_eof(pure->session, NULL, pure->now);
    after(pure);
}

static const struct mw_tls_info tls_info = {
    .is_secure = true, .bits = 256, .version = "TLSv1.3", .cipher = "TLS_AES_256_GCM_SHA384"};

bool pure_client_secures(struct pure *pure, bool is_good)
{
    if (!pure->wants_client_tls || mw_session_is_over(pure->session))
        return false;
    pure->wants_client_tls = false;
    if (is_good)
        mw_session_client_secured(pure->session, &tls_info, pure->now);
    else
        mw_session_client_eof(pure->session, pure->now);
    after(pure);
    return true;
}

bool pure_upstream_secures(struct pure *pure, bool is_good)
{
    if (!pure->wants_upstream_tls || mw_session_is_over(pure->session))
        return false;
    pure->wants_upstream_tls = false;
    if (is_good) {
        mw_session_upstream_secured(pure->session, &tls_info, pure->now);
    } else {
        pure->is_connected = false;
        mw_session_upstream_failed(pure->session, "no shared cipher", pure->now);
    }
    after(pure);
    return true;
}

void pure_decide(struct pure *pure)
{
    if (pure->waiting == NULL || mw_session_is_over(pure->session))
        return;
    struct mw_outcome outcome;
    outcome_of(pure->waiting, &outcome);
    pure->waiting = NULL;
    mw_session_decided(pure->session, &outcome, pure->now);
    after(pure);
}

void pure_time(struct pure *pure, uint64_t ms)
{
    uint64_t until = pure->now + ms;
    for (int fired = 0; fired < 1000 && !mw_session_is_over(pure->session); fired++) {
        uint64_t deadline = mw_session_deadline(pure->session);
        if (deadline > until)
            break;
        pure->now = deadline > pure->now ? deadline : pure->now;
        mw_session_timer(pure->session, pure->now);
        after(pure);
    }
    pure->now = until;
}

void pure_progress(struct pure *pure)
{
    if (!mw_session_is_over(pure->session))
        mw_session_progress(pure->session, pure->now);
    after(pure);
}

void pure_shutdown(struct pure *pure, bool is_now)
{
    if (mw_session_is_over(pure->session))
        return;
    mw_session_shutdown(pure->session, is_now, pure->now);
    after(pure);
}
