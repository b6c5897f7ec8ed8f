/* report.c - see report.h. */
#include "report.h"

#include <stdlib.h>

#include "describe.h"
#include "list_priv.h"
#include "regex.h"

enum { LINE_MAX_LEN = 1000, NAME_MAX_WIDTH = 32, WHERE_MAX_WIDTH = 40, LITERALS_WIDTH = 60 };

struct out {
    mw_report_line *line;
    void *user;
    char room[LINE_MAX_LEN];
    struct builder text;
    int name_width, where_width;
};

static void out_init(struct out *out, const struct rules *rules, mw_report_line *line, void *user)
{
    *out = (struct out){.line = line, .user = user, .name_width = 4, .where_width = 5};
    out->text = (struct builder){.ptr = out->room, .cap = sizeof out->room};
    for (const struct rule *rule = rules->rules; rule != NULL; rule = rule->next) {
        if ((int)rule->name.len > out->name_width)
            out->name_width = (int)rule->name.len;
        if ((int)rule->where.len > out->where_width)
            out->where_width = (int)rule->where.len;
    }
    if (out->name_width > NAME_MAX_WIDTH)
        out->name_width = NAME_MAX_WIDTH;
    if (out->where_width > WHERE_MAX_WIDTH)
        out->where_width = WHERE_MAX_WIDTH;
}

static void flush(struct out *out)
{
    while (out->text.len > 0 && out->text.ptr[out->text.len - 1] == ' ')
        out->text.len--;
    out->line(out->user, SLICE(out->text.ptr, out->text.len));
    out->text.len = 0;
}

static void put_rule(struct out *out, const struct rule *rule)
{
    builder_putf(&out->text, "%-*s  %-*.*s  ", out->name_width, rule->name_text, out->where_width,
                 (int)rule->where.len, rule->where.ptr);
}

/* ---- stages ---- */

static bool is_observed_for_good(const struct rule *rule)
{
    return rule->observe_percent >= 100 && rule->observe_until == 0;
}

/* Why it waits longer than its own fields need: the first verdict above that keeps it so long. */
static const struct rule *find_blocker(const struct rules *rules, const struct rule *rule)
{
    for (uint32_t i = 0; rule->last > rule->ready && i < rule->number; i++) {
        const struct rule *above = rules->by_number[i];
        if (above->has_verdict && !above->is_idle && !is_observed_for_good(above) &&
            (above->scope == rule->scope || above->is_exemption) && above->last > rule->ready)
            return above;
    }
    return NULL;
}

/* What it needs that is known last, and what its actions need. */
static void put_needs(struct out *out, const struct rules *rules, const struct rule *rule)
{
    enum mw_stage latest = MW_STAGE_CONNECT;
    size_t count = 0;
    for (const struct field_use *use = rule->uses; use != NULL; use = use->next)
        latest = use->stage > latest ? use->stage : latest;
    for (const struct field_use *use = rule->uses; use != NULL; use = use->next) {
        bool is_told = use->stage != latest;
        for (const struct field_use *other = rule->uses; other != use; other = other->next)
            is_told |= other->field == use->field && other->slot == use->slot &&
                       text_eq(other->arg, use->arg);
        if (is_told)
            continue;
        if (count++ > 0)
            builder_put(&out->text, LIT(", "));
        rules_describe_use(&out->text, rules, use);
    }
    if (count == 0)
        builder_put(&out->text, LIT("nothing"));
    if (rule->has_at)
        builder_putf(&out->text, "; `at %s`", rules_stage_name(rule->at));
    else if (rule->fires_from > latest && rule->actions != NULL && rule->fires_from > MW_STAGE_MAIL)
        builder_putf(&out->text, "; its actions are possible from %s on",
                     rules_stage_name(rule->fires_from));
}

static void put_wait(struct out *out, const struct rules *rules, const struct rule *rule)
{
    const struct rule *blocker = find_blocker(rules, rule);
    if (blocker == NULL)
        return;
    builder_putf(&out->text, "; waits for %s (%.*s)", blocker->name_text, (int)blocker->where.len,
                 blocker->where.ptr);
    if (!blocker->is_exemption)
        return;
    builder_put(&out->text, LIT(", which may exempt it"));
}

static enum mw_stage earliest(const struct rule *rule)
{
    return rule->wants != 0 ? (enum mw_stage)__builtin_ctz(rule->wants) : rule->last;
}

/* Who else is asked before an answer can be given, and for how long. */
static void put_list(struct out *out, const struct list *list)
{
    if (!rules_list_is_slow(list) || !list->is_used)
        return;
    builder_putf(&out->text, "list %.*s asks ", (int)list->name.len, list->name.ptr);
    if (rules_list_kind(list) == LIST_DNSBL)
        builder_putf(&out->text, "%zu zone%s of the DNS at once, threshold %d of at most %d",
                     list->zone_count, list->zone_count == 1 ? "" : "s", list->threshold,
                     rules_list_most(list));
    else
        builder_put(&out->text, LIT("Redis"));
    builder_putf(&out->text, "; waits up to %llu ms", (unsigned long long)list->timeout_ms);
    flush(out);
}

static void report_stages(const struct rules *rules, mw_report_line *line, void *user)
{
    static const char *const scopes[SCOPE_COUNT] = {"session", "message", "recipient"};
    struct out out;
    out_init(&out, rules, line, user);
    builder_putf(&out.text, "%-*s  %-*s  %-9s  %-14s  %-14s  %s", out.name_width, "rule",
                 out.where_width, "place", "concerns", "earliest", "latest", "needs");
    flush(&out);
    for (const struct rule *rule = rules->rules; rule != NULL; rule = rule->next) {
        put_rule(&out, rule);
        if (rule->is_idle) {
            builder_put(&out.text, LIT("never run: nobody below reads its score"));
            flush(&out);
            continue;
        }
        builder_putf(&out.text, "%-9s  %-14s  %-14s  ", scopes[rule->scope],
                     rules_stage_name(earliest(rule)), rules_stage_name(rule->last));
        put_needs(&out, rules, rule);
        put_wait(&out, rules, rule);
        flush(&out);
    }
    for (const struct list *list = rules->lists; list != NULL; list = list->next)
        put_list(&out, list);
    builder_putf(&out.text, "the message is %s",
                 rules->wants & MW_STAGE_BIT(MW_STAGE_END_OF_MESSAGE)
                     ? "kept back until its end: some rule is decided there"
                     : "not kept back: no rule is decided at its end");
    flush(&out);
}

/* ---- cost ---- */

struct cost {
    const struct rule *rule;
    const struct regex *regex;
    const struct field_use *use;
    uint64_t price; /* picoseconds an octet */
};
struct costs {
    struct cost *at;
    size_t count, cap;
};

static void add_cost(struct costs *costs, const struct rule *rule, const struct test *test)
{
    if (costs->count == costs->cap) {
        costs->cap = costs->cap > 0 ? costs->cap * 2 : 64;
        costs->at = realloc(costs->at, costs->cap * sizeof *costs->at);
        if (costs->at == NULL)
            abort();
    }
    costs->at[costs->count++] = (struct cost){rule, test->regex, test->use, 0};
}

static void gather(struct costs *costs, const struct rule *rule, const struct node *node)
{
    if (node == NULL)
        return;
    if (node->kind == NODE_TEST && node->test.op == OP_MATCH)
        add_cost(costs, rule, &node->test);
    gather(costs, rule, node->left);
    gather(costs, rule, node->right);
}

static int by_regex(const void *a, const void *b)
{
    const struct cost *left = a, *right = b;
    uintptr_t x = (uintptr_t)left->regex, y = (uintptr_t)right->regex;
    return x != y ? (x > y) - (x < y)
                  : (left->rule->number > right->rule->number) -
                        (left->rule->number < right->rule->number);
}

static int by_price(const void *a, const void *b)
{
    const struct cost *left = a, *right = b;
    return left->price != right->price ? (left->price < right->price) - (left->price > right->price)
                                       : (left->rule->number > right->rule->number) -
                                             (left->rule->number < right->rule->number);
}

/* Each pattern is measured once, however many rules have it. */
static void measure(struct rules *rules, struct costs *costs)
{
    if (costs->count > 0)
        qsort(costs->at, costs->count, sizeof *costs->at, by_regex);
    for (size_t i = 0; i < costs->count; i++)
        costs->at[i].price = i > 0 && costs->at[i].regex == costs->at[i - 1].regex
                                 ? costs->at[i - 1].price
                                 : rules_regex_price(rules, costs->at[i].regex);
    if (costs->count > 0)
        qsort(costs->at, costs->count, sizeof *costs->at, by_price);
}

/* The literals that the index looks for: "free" & ("iphone" | "ipad"). */
static void put_literals(struct out *out, const struct regex *regex)
{
    const struct literals *literals = rules_regex_literals(regex);
    size_t from = out->text.len;
    if (literals == NULL)
        builder_put(&out->text, LIT("-"));
    for (size_t i = 0; literals != NULL && i < literals->count; i++) {
        const struct literal_clause *clause = &literals->clauses[i];
        builder_putf(&out->text, "%s%s", i > 0 ? " & " : "", clause->count > 1 ? "(" : "");
        for (size_t k = 0; k < clause->count; k++) {
            if (out->text.len - from > LITERALS_WIDTH) {
                builder_put(&out->text, LIT(" | ..."));
                break;
            }
            builder_put(&out->text, k > 0 ? LIT(" | \"") : LIT("\""));
            rules_describe_text(&out->text, clause->any[k], LITERAL_MAX);
            builder_put(&out->text, LIT("\""));
        }
        builder_put(&out->text, clause->count > 1 ? LIT(")") : EMPTY);
    }
}

static uint64_t ns_a_kib(uint64_t price)
{
    return price * 1024 / 1000;
}

static void tell_cost(struct out *out, const struct rules *rules, const struct cost *cost)
{
    static const char letters[] = {'A', 'B', 'C'};
    put_rule(out, cost->rule);
    builder_putf(&out->text, "%-5c  %9llu  ", letters[rules_regex_class(cost->regex)],
                 (unsigned long long)ns_a_kib(cost->price));
    size_t from = out->text.len;
    rules_describe_use(&out->text, rules, cost->use);
    builder_putf(&out->text, "%*s  ",
                 (int)(out->text.len - from < 18 ? 18 - (out->text.len - from) : 0), "");
    put_literals(out, cost->regex);
    flush(out);
}

static void tell_totals(struct out *out, const struct costs *costs)
{
    static const char *const meaning[] = {"A: run only where their literals are",
                                          "B: run over every text of their field",
                                          "C: may take long, and watch the clock"};
    uint64_t sums[3] = {0};
    size_t counts[3] = {0};
    for (size_t i = 0; i < costs->count; i++) {
        enum regex_class class = rules_regex_class(costs->at[i].regex);
        counts[class]++;
        sums[class] += costs->at[i].price;
    }
    for (size_t i = 0; i < 3; i++) {
        builder_putf(&out->text, "%-38s  ", meaning[i]);
        rules_describe_count(&out->text, counts[i]);
        builder_putf(&out->text, " pattern%s, %llu ns/KiB together", counts[i] == 1 ? "" : "s",
                     (unsigned long long)ns_a_kib(sums[i]));
        flush(out);
    }
}

static void report_cost(struct rules *rules, mw_report_line *line, void *user)
{
    struct costs costs = {.count = 0};
    struct out out;
    out_init(&out, rules, line, user);
    for (const struct rule *rule = rules->rules; rule != NULL; rule = rule->next)
        if (!rule->is_idle)
            gather(&costs, rule, rule->condition);
    measure(rules, &costs);
    builder_putf(&out.text, "%-*s  %-*s  class  %9s  %-18s  %s", out.name_width, "rule",
                 out.where_width, "place", "ns/KiB", "field", "literals");
    flush(&out);
    for (size_t i = 0; i < costs.count; i++)
        tell_cost(&out, rules, &costs.at[i]);
    tell_totals(&out, &costs);
    free(costs.at);
}

/* ---- rules ---- */

static void report_rules(const struct rules *rules, mw_report_line *line, void *user)
{
    const char *filter = rules->host->instance_name(rules->instance);
    struct out out;
    out_init(&out, rules, line, user);
    for (const struct rule *rule = rules->rules; rule != NULL; rule = rule->next) {
        put_rule(&out, rule);
        builder_putf(&out.text, "%s.%s.{hits,errors,observed,runs,time,suspended}", filter,
                     rule->name_text);
        flush(&out);
    }
}

int rules_report(struct rules *rules, const char *topic, mw_report_line *line, void *user)
{
    struct mw_slice name = slice_of(topic);
    if (text_is(name, "stages"))
        report_stages(rules, line, user);
    else if (text_is(name, "cost"))
        report_cost(rules, line, user);
    else if (text_is(name, "rules"))
        report_rules(rules, line, user);
    else if (text_is(name, "coverage"))
        rules_coverage_report(rules, line, user);
    else
        return 0;
    return 1;
}
