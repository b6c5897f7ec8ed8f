/* tool_lint.c - `mailweir rules lint`: rule files without a configuration. Errors and warnings are
 * those of `check`; behind them comes advice that a set which merely works does not need. */
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

#include "describe.h"
#include "list_priv.h"
#include "load.h"
#include "regex.h"
#include "testblock.h"
#include "tool.h"

enum { CONDITION_MAX = 16 * 1024, SHADOWS_MAX = 5 };

/* ---- rules ---- */

static void advise_reply(struct rules *rules, const struct rule *rule)
{
    const struct action *verdict = rule->verdict;
    bool refuses = verdict != NULL && (verdict->kind == ACT_REJECT || verdict->kind == ACT_DEFER ||
                                       verdict->kind == ACT_DISCONNECT);
    if (refuses && verdict->text.pieces == NULL && rule->reason.pieces == NULL)
        rules_warning(rules, &verdict->place,
                      "write a text for the sender, or reason \"...\" for the log",
                      "\"%s\" refuses mail and does not say why", rule->name_text);
}

static void advise_observe(struct rules *rules, const struct rule *rule)
{
    if (rule->observe_until != 0 && rule->observe_until <= time(NULL))
        rules_warning(rules, &rule->place, "take `observe until ...` away",
                      "\"%s\" was observed until a day that is past: it acts", rule->name_text);
}

static void advise_score(struct rules *rules, const struct rule *rule)
{
    if (rule->is_idle)
        rules_warning(rules, &rule->place, "a rule below has to say `when score... >= N`",
                      "\"%s\" is never run: nobody below reads its score", rule->name_text);
}

/* Patterns that may take long, and how to tame them. */
static void advise_patterns(struct rules *rules, const struct rule *rule, const struct node *node)
{
    if (node == NULL)
        return;
    const struct test *test = &node->test;
    if (node->kind == NODE_TEST && test->op == OP_MATCH &&
        rules_regex_class(test->regex) == REGEX_RISKY) {
        bool has_literals = rules_regex_literals(test->regex) != NULL;
        rules_warning(rules, &test->place,
                      has_literals ? "bound its repeats: {0,50} instead of *, [^x]* instead of .*"
                                   : "bound its repeats ({0,50} instead of *), or ask for a word "
                                     "that must be there: then the index spares most mail of it",
                      "\"%s\": this pattern may take much longer than its text is long (class C)",
                      rule->name_text);
    }
    advise_patterns(rules, rule, node->left);
    advise_patterns(rules, rule, node->right);
}

/* ---- conditions that stand twice ---- */

struct condition {
    const struct rule *rule;
    struct mw_slice text;
};

static int by_condition(const void *a, const void *b)
{
    const struct condition *left = a, *right = b;
    size_t len = left->text.len < right->text.len ? left->text.len : right->text.len;
    int order = len > 0 ? memcmp(left->text.ptr, right->text.ptr, len) : 0;
    if (order == 0)
        order = (left->text.len > right->text.len) - (left->text.len < right->text.len);
    if (order == 0)
        order = (left->rule->number > right->rule->number) -
                (left->rule->number < right->rule->number);
    return order;
}

static void advise_twin(struct rules *rules, const struct rule *first, const struct rule *second)
{
    bool is_dead = first->verdict != NULL && second->verdict != NULL &&
                   first->observe_percent == 0 && first->scope <= second->scope;
    rules_warning(
        rules, &second->place, is_dead ? "the first one's verdict ends it" : "one rule can do both",
        "\"%s\" has the same condition as \"%s\" (%.*s)%s", second->name_text, first->name_text,
        (int)first->where.len, first->where.ptr, is_dead ? ": it never has a turn" : "");
}

static size_t gather_conditions(const struct rules *rules, struct condition *conditions, char *room)
{
    size_t count = 0;
    for (const struct rule *rule = rules->rules; rule != NULL; rule = rule->next) {
        struct builder out = {.ptr = room, .cap = CONDITION_MAX};
        if (rule->condition->kind == NODE_ALWAYS)
            continue;
        rules_describe_node(&out, rules, rule->condition);
        if (out.len < out.cap) /* what did not fit may differ behind it */
            conditions[count++] = (struct condition){
                rule, rules_keep_text(rules, SLICE(out.ptr, out.len))};
    }
    return count;
}

static void advise_conditions(struct rules *rules)
{
    struct condition *conditions = calloc(rules->rule_count + 1, sizeof *conditions);
    char *room = malloc(CONDITION_MAX);
    if (conditions == NULL || room == NULL)
        abort();
    size_t count = gather_conditions(rules, conditions, room);
    qsort(conditions, count, sizeof *conditions, by_condition);
    for (size_t i = 1; i < count; i++)
        if (text_eq(conditions[i].text, conditions[i - 1].text))
            advise_twin(rules, conditions[i - 1].rule, conditions[i].rule);
    free(conditions);
    free(room);
}

/* ---- lists ---- */

struct word {
    struct mw_slice text;
    struct place place;
    unsigned char address[16];
    uint32_t prefix;
    bool is_network;
};
struct words {
    struct word *at;
    size_t count, cap;
};

static void add_word(struct words *words, const struct mw_lang *lang, struct mw_slice text,
                     struct place place)
{
    if (words->count == words->cap) {
        words->cap = words->cap > 0 ? words->cap * 2 : 256;
        words->at = realloc(words->at, words->cap * sizeof *words->at);
        if (words->at == NULL)
            abort();
    }
    struct word *word = &words->at[words->count++];
    *word = (struct word){.text = text, .place = place};
    word->is_network = lang->parse_network(text, word->address, &word->prefix) != 0;
}

static void gather_words(struct words *words, const struct rules *rules, const struct list *list)
{
    struct place place = {.file = list->source.path};
    struct list_line line = {.text = EMPTY};
    size_t at = 0;
    for (const struct list_entry *entry = list->entries; entry != NULL; entry = entry->next)
        add_word(words, rules->lang, entry->text, entry->place);
    bool is_text = list->kind == LIST_FILE || list->kind == LIST_CIDR;
    while (is_text && list->content != NULL && list->content->text != NULL &&
           rules_list_line_next(list->content, &at, &line)) {
        place.line = line.line;
        place.column = line.column;
        place.length = (uint32_t)line.text.len;
        add_word(words, rules->lang, line.text, place);
    }
}

static int compare_text(struct mw_slice a, struct mw_slice b)
{
    for (size_t i = 0; i < a.len && i < b.len; i++)
        if (text_lower(a.ptr[i]) != text_lower(b.ptr[i]))
            return (unsigned char)text_lower(a.ptr[i]) - (unsigned char)text_lower(b.ptr[i]);
    return (a.len > b.len) - (a.len < b.len);
}

/* Networks first, each before those inside it. */
static int by_word(const void *a, const void *b)
{
    const struct word *left = a, *right = b;
    if (left->is_network != right->is_network)
        return left->is_network ? -1 : 1;
    int order = left->is_network ? memcmp(left->address, right->address, 16)
                                 : compare_text(left->text, right->text);
    if (order == 0 && left->is_network)
        order = (left->prefix > right->prefix) - (left->prefix < right->prefix);
    return order != 0
               ? order
               : (left->place.line > right->place.line) - (left->place.line < right->place.line);
}

static bool contains(const struct word *outer, const struct word *inner)
{
    uint32_t whole = outer->prefix / 8, rest = outer->prefix % 8;
    if (outer->prefix > inner->prefix || memcmp(outer->address, inner->address, whole) != 0)
        return false;
    unsigned mask = 0xff00u >> rest & 0xff;
    return rest == 0 || (outer->address[whole] & mask) == (inner->address[whole] & mask);
}

static const struct word *find_word(const struct words *words, struct mw_slice text)
{
    size_t low = 0, high = words->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct word *word = &words->at[middle];
        int order = word->is_network ? -1 : compare_text(word->text, text);
        if (order == 0)
            return word;
        *(order < 0 ? &low : &high) = order < 0 ? middle + 1 : middle;
    }
    return NULL;
}

/* ".example.net" stands for all names below it. */
static const struct word *find_parent(const struct words *words, struct mw_slice name)
{
    for (size_t i = 1; i < name.len; i++) {
        const struct word *parent = name.ptr[i] == '.' ? find_word(words, text_skip(name, i))
                                                       : NULL;
        if (parent != NULL)
            return parent;
    }
    return NULL;
}

static const struct word *find_shadow(const struct words *words, size_t at, size_t *outer)
{
    const struct word *word = &words->at[at];
    if (word->is_network) {
        if (at > 0 && words->at[*outer].is_network && contains(&words->at[*outer], word))
            return &words->at[*outer];
        *outer = at;
        return NULL;
    }
    if (at > 0 && !words->at[at - 1].is_network &&
        compare_text(words->at[at - 1].text, word->text) == 0)
        return &words->at[at - 1];
    return find_parent(words, word->text);
}

static void advise_list(struct rules *rules, const struct list *list)
{
    struct words words = {.count = 0};
    size_t outer = 0, found = 0;
    gather_words(&words, rules, list);
    if (words.count > 0)
        qsort(words.at, words.count, sizeof *words.at, by_word);
    for (size_t i = 0; i < words.count; i++) {
        const struct word *shadow = find_shadow(&words, i, &outer);
        if (shadow == NULL || found++ >= SHADOWS_MAX)
            continue;
        rules_warning(rules, &words.at[i].place, NULL, "%.*s is in list \"%.*s\" already, by %.*s",
                      (int)words.at[i].text.len, words.at[i].text.ptr, (int)list->name.len,
                      list->name.ptr, (int)shadow->text.len, shadow->text.ptr);
    }
    if (found > SHADOWS_MAX)
        rules_warning(rules, &list->place, NULL,
                      "%zu more entries of list \"%.*s\" say nothing new", found - SHADOWS_MAX,
                      (int)list->name.len, list->name.ptr);
    free(words.at);
}

/* ---- the command ---- */

static void advise(struct rules *rules)
{
    for (const struct rule *rule = rules->rules; rule != NULL; rule = rule->next) {
        advise_reply(rules, rule);
        advise_observe(rules, rule);
        advise_score(rules, rule);
        advise_patterns(rules, rule, rule->condition);
    }
    advise_conditions(rules);
    for (const struct list *list = rules->lists; list != NULL; list = rules_list_next(list))
        advise_list(rules, list);
}

struct tally {
    struct rules *rules;
    size_t run;
};

static void on_tested(void *user, const struct mw_test_result *result)
{
    struct tally *tally = user;
    struct place place = {.file = result->file, .line = result->line};
    tally->run++;
    if (!result->passed)
        rules_error(tally->rules, &place, NULL, "test \"%s\" fails: %s", result->name,
                    result->detail);
}

static size_t count_lists(const struct rules *rules)
{
    size_t count = 0;
    for (const struct list *list = rules->lists; list != NULL; list = rules_list_next(list))
        count++;
    return count;
}

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

int rules_tool_lint(struct tool *tool)
{
    static const char *const options[] = {NULL};
    if (!rules_tool_options_end(tool, options))
        return EX_USAGE;
    if (tool->argc == 0)
        return rules_tool_usage(tool, "which files?");
    bool is_good = false;
    struct rules *rules = rules_tool_load(tool, tool->argv, tool->argc, true, &is_good);
    struct tally tally = {.rules = rules};
    if (is_good) {
        rules_test_run(rules, on_tested, &tally);
        advise(rules);
    }
    int status = rules->errors > 0 ? EX_CONFIG : EX_OK;
    if (status == EX_OK)
        printf("ok: %zu rule%s, %zu list%s; %zu test%s passed\n", rules->rule_count,
               plural(rules->rule_count), count_lists(rules), plural(count_lists(rules)), tally.run,
               plural(tally.run));
    rules_free(rules);
    return status;
}
