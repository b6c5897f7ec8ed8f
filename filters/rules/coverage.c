/* coverage.c - which rules the tests of the rule files have reached. A rule that never held in any
 * test may be misspelt, shadowed or dead, and nobody would know. */
#include "describe.h"
#include "plan.h"
#include "report.h"

void rules_coverage_note(struct rules *rules, const struct rule *const *hits, size_t count)
{
    if (rules->reached == NULL)
        rules->reached = rules_keep(rules, rules->words * sizeof *rules->reached);
    for (size_t i = 0; i < count; i++)
        bit_set(rules->reached, hits[i]->number);
}

static bool is_reached(const struct rules *rules, const struct rule *rule)
{
    return rules->reached != NULL && bit_is_set(rules->reached, rule->number);
}

static size_t name_width(const struct rules *rules)
{
    size_t width = 0;
    for (const struct rule *rule = rules->rules; rule != NULL; rule = rule->next)
        if (!is_reached(rules, rule) && rule->name.len > width)
            width = rule->name.len;
    return width < 40 ? width : 40;
}

static size_t count_tests(const struct rules *rules)
{
    size_t count = 0;
    for (const struct test_block *test = rules->tests; test != NULL; test = test->next)
        count++;
    return count;
}

/* Percent, rounded down: 100 is all of them. */
void rules_coverage_report(const struct rules *rules, mw_report_line *line, void *user)
{
    char room[400];
    struct builder out = {.ptr = room, .cap = sizeof room};
    size_t reached = 0, width = name_width(rules);
    for (const struct rule *rule = rules->rules; rule != NULL; rule = rule->next) {
        reached += is_reached(rules, rule);
        if (is_reached(rules, rule))
            continue;
        builder_putf(&out, "not reached  %-*s  %.*s%s", (int)width, rule->name_text,
                     (int)rule->where.len, rule->where.ptr,
                     rule->is_idle ? "  (not run: nobody reads its score)" : "");
        line(user, SLICE(out.ptr, out.len));
        out.len = 0;
    }
    size_t percent = rules->rule_count > 0 ? reached * 100 / rules->rule_count : 100;
    rules_describe_count(&out, reached);
    builder_put(&out, LIT(" of "));
    rules_describe_count(&out, rules->rule_count);
    builder_putf(&out, " rules reached by %zu tests: %zu%%", count_tests(rules), percent);
    line(user, SLICE(out.ptr, out.len));
}
