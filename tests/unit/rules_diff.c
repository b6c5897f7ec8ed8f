#include "rules_diff.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "live.h"
#include "rules_ref.h"

/* ---- loading ---- */

struct loaded {
    struct mw_instance instance;
    struct rules *rules;
    char text[GEN_TEXT_LEN];
};

static bool try_load(struct loaded *set, bool has_index)
{
    memset(&set->instance, 0, sizeof set->instance);
    set->rules = rules_new(&fake_host, &set->instance, 200000, 1 << 20);
    set->rules->deadline_ms = 10000; /* a slow machine must not decide */
    set->rules->has_index = has_index;
    rules_parse_text(set->rules, "t.rules", slice_of(set->text));
    return rules_finish(set->rules);
}

static void unload(struct loaded *set)
{
    fake_unload(&set->instance, set->rules);
}

/* Switches the rules off that stand where there are errors. False: there was none to blame. */
static bool blame(struct gen_case *at, const char *diags, const int *lines)
{
    bool has_any = false;
    for (const char *line = diags; *line != '\0'; line = strchr(line, '\n') + 1) {
        unsigned number = 0;
        const char *stop = strchr(line, '\n'), *word = strstr(line, ": error: ");
        if (stop == NULL)
            break;
        for (const char *digit = line + strlen("t.rules:"); *digit >= '0' && *digit <= '9'; digit++)
            number = number * 10 + (unsigned)(*digit - '0');
        if (word == NULL || word > stop || number == 0 || number > GEN_LINES ||
            lines[number - 1] < 0)
            continue;
        at->is_off[lines[number - 1]] = true;
        has_any = true;
    }
    return has_any;
}

/* What an error leaves over may have errors of its own: a score that nothing makes any more. */
static bool load(struct loaded *set, struct gen_case *at, bool has_index)
{
    int lines[GEN_LINES];
    for (int round = 0; round < 2 * GEN_RULES; round++) {
        gen_text(at, set->text, lines);
        if (try_load(set, has_index))
            return true;
        bool is_blamed = blame(at, set->instance.diags, lines);
        unload(set);
        if (!is_blamed)
            break;
    }
    return false;
}

/* ---- the dialogue ---- */

struct player {
    const struct gen_case *at;
    struct rules *rules;
    struct mw_ctx ctx;
    struct ref *ref; /* NULL: the engine */
    struct mw_buf trace;
    struct diff_totals *totals;
};

static void trace_state(struct player *player)
{
    struct mw_ctx *ctx = &player->ctx;
    const struct rules *rules = player->rules;
    const struct transaction_state *state = ctx->transaction_slot;
    mw_buf_putf(&player->trace, "  scores");
    for (size_t i = 0; i < rules->scores.count; i++)
        mw_buf_putf(&player->trace, " %lld",
                    (long long)(player->ref ? ref_score(player->ref, i)
                                : state     ? state->scores[i]
                                            : 0));
    mw_buf_putf(&player->trace, " tags");
    for (size_t i = 0; i < rules->tags.count; i++)
        mw_buf_putf(&player->trace, " %d",
                    player->ref ? ref_tag(player->ref, i) : state != NULL && state->tags[i]);
    mw_buf_putf(&player->trace, " vars");
    for (size_t i = 0; i < rules->vars.count; i++) {
        struct mw_slice var = player->ref     ? ref_var(player->ref, i)
                              : state != NULL ? state->vars[i]
                                              : EMPTY;
        mw_buf_putf(&player->trace, " '%.*s'", (int)var.len, var.len ? var.ptr : "");
    }
    mw_buf_putf(&player->trace, "\n  from <%s>", ctx->in_transaction ? ctx->sender : "");
    for (size_t i = 0; i < ctx->rcpt_count; i++)
        mw_buf_putf(&player->trace, " <%s>=%d", ctx->rcpts[i].address, (int)ctx->rcpts[i].status);
    mw_buf_putf(&player->trace, "\n");
    for (size_t i = 0; i < ctx->field_count; i++)
        mw_buf_putf(&player->trace, "  | %s:%s\n", ctx->fields[i].name, ctx->fields[i].value);
}

static uint64_t count_of(const struct mw_ctx *ctx, int id)
{
    return id >= 0 && id < ctx->count_cap ? ctx->counts[id] : 0;
}

static void trace_counters(struct player *player)
{
    const struct mw_ctx *ctx = &player->ctx;
    mw_buf_putf(&player->trace, " ");
    for (const struct rule *rule = player->rules->rules; rule != NULL; rule = rule->next) {
        uint64_t hits = count_of(ctx, rule->counters[COUNTER_HITS]);
        uint64_t errors = count_of(ctx, rule->counters[COUNTER_ERRORS]);
        uint64_t observed = count_of(ctx, rule->counters[COUNTER_OBSERVED]);
        if (hits + errors + observed > 0)
            mw_buf_putf(&player->trace, " %s=%llu/%llu/%llu", rule->name_text,
                        (unsigned long long)hits, (unsigned long long)errors,
                        (unsigned long long)observed);
    }
    mw_buf_putf(&player->trace, "\n");
}

/* A reason that the engine makes up (which rules made the score) is not compared. */
static const char *reason_of(const struct mw_ctx *ctx)
{
    return strncmp(ctx->reason, "score ", 6) == 0 ? "" : ctx->reason;
}

static void cut_made_up_reasons(char *log)
{
    static const char *const heads[] = {" reason=score ", " (score "};
    for (size_t i = 0; i < 2; i++)
        for (char *at = log; (at = strstr(at, heads[i])) != NULL;) {
            char *from = at + strlen(heads[i]) - strlen("score "),
                 *to = from + strcspn(from, "\n)");
            char *rcpt = strstr(from, " to=");
            if (rcpt != NULL && rcpt < to)
                to = rcpt;
            memmove(from, to, strlen(to) + 1);
            at = from;
        }
}

static enum mw_verdict call(struct player *player, enum mw_stage stage, size_t rcpt)
{
    struct mw_ctx *ctx = &player->ctx;
    ctx->code = 0;
    ctx->dsn[0] = ctx->reply[0] = ctx->rule[0] = ctx->where[0] = ctx->reason[0] = '\0';
    ctx->log[0] = '\0';
    enum mw_verdict verdict = player->ref ? ref_run(player->ref, stage, rcpt)
                                          : rules_live_run(ctx, player->rules, stage, rcpt);
    if (verdict == MW_WAIT) {
        fake_loop(ctx);
        verdict = ctx->resumed;
    }
    cut_made_up_reasons(ctx->log);
    mw_buf_putf(&player->trace, "%s", rules_stage_name(stage));
    if (stage == MW_STAGE_RCPT)
        mw_buf_putf(&player->trace, " %zu", rcpt);
    mw_buf_putf(&player->trace, ": verdict %d %u '%s' '%s' by %s %s '%s'\n", (int)verdict,
                ctx->code, ctx->dsn, ctx->reply, ctx->rule, ctx->where, reason_of(ctx));
    for (const char *line = ctx->log; *line != '\0'; line += strcspn(line, "\n") + 1)
        mw_buf_putf(&player->trace, "  %.*s\n", (int)strcspn(line, "\n"), line);
    return verdict;
}

static enum mw_verdict hook(struct player *player, enum mw_stage stage, size_t rcpt)
{
    enum mw_verdict verdict = call(player, stage, rcpt);
    player->totals->hooks++;
    if ((unsigned)verdict < 8)
        player->totals->verdicts[verdict]++;
    trace_state(player);
    trace_counters(player);
    return verdict;
}

static bool is_refusal(enum mw_verdict verdict)
{
    return verdict == MW_REJECT || verdict == MW_TEMPFAIL || verdict == MW_DISCARD;
}

/* False: the session is over. */
static bool play_rcpts(struct player *player, const struct gen_transaction *mail, size_t *out_live)
{
    for (size_t i = 0; i < mail->rcpt_count; i++) {
        size_t index = player->ctx.rcpt_count++;
        struct fake_rcpt *rcpt = &player->ctx.rcpts[index];
        snprintf(rcpt->address, sizeof rcpt->address, "%s", mail->rcpts[i]);
        rcpt->status = MW_RCPT_PENDING;
        player->ctx.current = (ptrdiff_t)index;
        enum mw_verdict verdict = hook(player, MW_STAGE_RCPT, index);
        player->ctx.current = -1;
        if (verdict == MW_DISCONNECT)
            return false;
        rcpt->status = verdict == MW_DISCARD ? MW_RCPT_DISCARDED
                       : is_refusal(verdict) ? MW_RCPT_REFUSED_FILTER
                       : mail->is_refused[i] ? MW_RCPT_REFUSED_UPSTREAM
                                             : MW_RCPT_ACCEPTED;
        *out_live += rcpt->status == MW_RCPT_ACCEPTED;
    }
    return true;
}

static bool play_message(struct player *player, const struct gen_transaction *mail)
{
    static const enum mw_stage stages[] = {MW_STAGE_DATA, MW_STAGE_END_OF_HEADERS,
                                           MW_STAGE_END_OF_MESSAGE};
    for (size_t i = 0; i < 3; i++) {
        for (size_t h = 0; h < mail->header_count && i == 1; h++)
            fake_header(&player->ctx, mail->headers[h].name, mail->headers[h].value);
        enum mw_verdict verdict = hook(player, stages[i], 0);
        if (verdict == MW_DISCONNECT)
            return false;
        if (is_refusal(verdict))
            return true;
    }
    return true;
}

static bool play_transaction(struct player *player, const struct gen_transaction *mail)
{
    struct mw_ctx *ctx = &player->ctx;
    size_t live = 0;
    ctx->in_transaction = true;
    snprintf(ctx->sender, sizeof ctx->sender, "%s", mail->sender);
    snprintf(ctx->params, sizeof ctx->params, "%s", mail->params);
    ctx->body = mail->body;
    ctx->body_len = mail->body_len;
    enum mw_verdict verdict = hook(player, MW_STAGE_MAIL, 0);
    bool goes_on = verdict != MW_DISCONNECT;
    if (goes_on && !is_refusal(verdict))
        goes_on = play_rcpts(player, mail, &live);
    if (goes_on && live > 0)
        goes_on = play_message(player, mail);
    fake_reset(ctx);
    if (player->ref != NULL)
        ref_reset(player->ref);
    return goes_on;
}

static void set_facts(struct mw_ctx *ctx, const struct gen_fact *facts)
{
    for (size_t i = 0; i < GEN_FACTS; i++) {
        switch (facts[i].kind) {
        case GEN_NONE:
            break;
        case GEN_TEXT:
            fake_fact_text(ctx, facts[i].name, facts[i].text);
            break;
        case GEN_NUMBER:
            fake_fact_number(ctx, facts[i].name, facts[i].number);
            break;
        case GEN_IP:
            fake_fact_ip(ctx, facts[i].name, facts[i].text);
            break;
        case GEN_ERROR:
            fake_fact_error(ctx, facts[i].name);
            break;
        }
    }
}

static void play(struct player *player)
{
    const struct gen_case *at = player->at;
    set_facts(&player->ctx, at->facts);
    enum mw_verdict connected = hook(player, MW_STAGE_CONNECT, 0);
    bool goes_on = !is_refusal(connected) && connected != MW_DISCONNECT;
    for (size_t i = 0; i < at->helo_count && goes_on; i++) {
        fake_fact_text(&player->ctx, "helo", at->helos[i]);
        enum mw_verdict verdict = hook(player, MW_STAGE_HELO, 0);
        goes_on = verdict != MW_DISCONNECT && !(is_refusal(verdict) && i + 1 == at->helo_count);
    }
    for (size_t i = 0; i < at->transaction_count && goes_on; i++)
        goes_on = play_transaction(player, &at->transactions[i]);
}

static struct player *player_new(const struct gen_case *at, struct loaded *set,
                                 struct diff_totals *totals)
{
    struct player *player = calloc(1, sizeof *player);
    if (player == NULL)
        abort();
    player->at = at;
    player->rules = set->rules;
    player->totals = totals;
    fake_ctx_init(&player->ctx, &set->instance, set->rules);
    return player;
}

static void player_free(struct player **player)
{
    ref_free(&(*player)->ref);
    fake_ctx_fini(&(*player)->ctx);
    mw_buf_fini(&(*player)->trace);
    free(*player);
    *player = NULL;
}

/* ---- comparing ---- */

static const char *const names[DIFF_COUNT] = {"reference", "patient reference", "index off"};

static void add_totals(const struct player *player, struct diff_totals *totals)
{
    totals->cases++;
    for (const struct rule *rule = player->rules->rules; rule != NULL; rule = rule->next) {
        totals->rules++;
        totals->hits += count_of(&player->ctx, rule->counters[COUNTER_HITS]);
        totals->errors += count_of(&player->ctx, rule->counters[COUNTER_ERRORS]);
        totals->observed += count_of(&player->ctx, rule->counters[COUNTER_OBSERVED]);
    }
}

/* Shows both traces from the last common hook on. */
static void show(struct mw_slice a, struct mw_slice b, enum diff_against against)
{
    size_t same = 0, from = 0;
    while (same < a.len && same < b.len && a.ptr[same] == b.ptr[same]) {
        same++;
        if (same < a.len && a.ptr[same - 1] == '\n' && a.ptr[same] != ' ')
            from = same;
    }
    fprintf(stderr, "same until here:\n%.*s--- the engine goes on\n%.*s--- the %s goes on\n%.*s",
            (int)from, a.ptr, (int)(a.len - from), a.ptr + from, names[against],
            (int)(b.len - from), b.ptr + from);
}

/* An error of a rule: a pattern hit its limit. Limits are not the same for both. */
static bool has_text(struct mw_slice trace, struct mw_slice text)
{
    return memmem(trace.ptr, trace.len, text.ptr, text.len) != NULL;
}

static bool compare(struct gen_case *at, enum diff_against against, struct diff_totals *totals,
                    bool shows)
{
    static struct loaded set, other;
    struct diff_totals unused = {.cases = 0};
    if (!load(&set, at, true)) {
        totals->refused++;
        return true;
    }
    bool is_itself = against == DIFF_NO_INDEX;
    if (is_itself && !load(&other, at, false))
        abort();
    struct player *engine = player_new(at, &set, totals);
    struct player *second = player_new(at, is_itself ? &other : &set, &unused);
    if (!is_itself)
        second->ref = ref_new(set.rules, set.text, &second->ctx);
    if (against == DIFF_REFERENCE_PATIENT)
        ref_be_patient(second->ref);
    play(engine);
    play(second);
    struct mw_slice a = mw_buf_view(&engine->trace), b = mw_buf_view(&second->trace);
    bool is_beyond = second->ref != NULL && ref_is_beyond(second->ref);
    bool is_same = mw_slice_eq(a, b) || is_beyond || has_text(a, LIT("a regular expression"));
    totals->beyond += is_beyond || has_text(a, LIT("a regular expression"));
    add_totals(engine, totals);
    if (shows)
        show(a, b, against);
    player_free(&engine);
    player_free(&second);
    unload(&set);
    if (is_itself)
        unload(&other);
    return is_same;
}

bool diff_case(struct gen_case *at, enum diff_against against, struct diff_totals *totals)
{
    return compare(at, against, totals, false);
}

/* ---- making it smaller ---- */

/* Keeps `smaller` in *at if it differs, too. */
static bool keep_if_differs(struct gen_case *at, struct gen_case *smaller,
                            enum diff_against against)
{
    struct diff_totals unused = {.cases = 0};
    if (compare(smaller, against, &unused, false))
        return false;
    *at = *smaller;
    return true;
}

static bool drop_rules(struct gen_case *at, struct gen_case *smaller, enum diff_against against)
{
    bool has_dropped = false;
    for (size_t i = 0; i < at->rule_count; i++) {
        *smaller = *at;
        smaller->is_off[i] = true;
        has_dropped |= !at->is_off[i] && keep_if_differs(at, smaller, against);
    }
    return has_dropped;
}

static void drop_mail(struct gen_case *at, struct gen_case *smaller, enum diff_against against)
{
    for (size_t i = 0; i < at->transaction_count; i++) {
        struct gen_transaction *mail = &smaller->transactions[i];
        while (*smaller = *at, mail->rcpt_count > 1 && (mail->rcpt_count--, true))
            if (!keep_if_differs(at, smaller, against))
                break;
        while (*smaller = *at, mail->header_count > 0 && (mail->header_count--, true))
            if (!keep_if_differs(at, smaller, against))
                break;
        *smaller = *at;
        mail->body_len = 0;
        mail->body[0] = '\0';
        keep_if_differs(at, smaller, against);
    }
    *smaller = *at;
    smaller->transaction_count--;
    keep_if_differs(at, smaller, against);
    *smaller = *at;
    smaller->helo_count = 1;
    keep_if_differs(at, smaller, against);
}

static void show_mail(const struct gen_case *at)
{
    for (size_t i = 0; i < GEN_FACTS; i++)
        if (at->facts[i].kind == GEN_ERROR)
            fprintf(stderr, "%s fails\n", at->facts[i].name);
        else if (at->facts[i].kind != GEN_NONE)
            fprintf(stderr, "%s = %s%.0llu\n", at->facts[i].name,
                    at->facts[i].kind == GEN_NUMBER ? "number " : at->facts[i].text,
                    (unsigned long long)at->facts[i].number);
    for (size_t i = 0; i < at->helo_count; i++)
        fprintf(stderr, "HELO %s\n", at->helos[i]);
    for (size_t i = 0; i < at->transaction_count; i++) {
        const struct gen_transaction *mail = &at->transactions[i];
        fprintf(stderr, "MAIL <%s> %s\n", mail->sender, mail->params);
        for (size_t r = 0; r < mail->rcpt_count; r++)
            fprintf(stderr, "RCPT <%s>%s\n", mail->rcpts[r],
                    mail->is_refused[r] ? " (refused by the upstream)" : "");
        for (size_t h = 0; h < mail->header_count; h++)
            fprintf(stderr, "%s:%s\n", mail->headers[h].name, mail->headers[h].value);
        fprintf(stderr, "\n%s.\n", mail->body);
    }
}

void diff_explain(struct gen_case *at, enum diff_against against)
{
    static struct gen_case smaller;
    static char text[GEN_TEXT_LEN];
    int lines[GEN_LINES];
    struct diff_totals unused = {.cases = 0};
    while (drop_rules(at, &smaller, against)) {
    }
    drop_mail(at, &smaller, against);
    while (drop_rules(at, &smaller, against)) {
    }
    gen_text(at, text, lines);
    fprintf(stderr, "==== engine and %s differ ====\n%s----\n", names[against], text);
    show_mail(at);
    fprintf(stderr, "----\n");
    compare(at, against, &unused, true);
}
