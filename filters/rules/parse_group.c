/* parse_group.c - conditions about one of several things, and about how often something happens:
 * attachment { ... } and rate("KEY", "20/10m"). The grammar is in parse_cond.c. */
#include "parse.h"

enum { RATE_MAX = 1000000 };
#define RATE_PERIOD_MAX_MS (30 * UINT64_C(86400000))

struct node *rules_parse_group(struct parser *parser, enum group group, const struct mw_token *word,
                               enum quantifier quantifier)
{
    struct node *node = rules_node(parser, NODE_GROUP, NULL, NULL);
    uint32_t items = parser->items, quantified = parser->quantified;
    node->place = rules_place(parser, word);
    node->group = group;
    node->quantifier = quantifier;
    if (parser->group != GROUP_NONE) {
        rules_error(parser->rules, &node->place, NULL, "a group cannot stand inside a group");
        return NULL;
    }
    rules_next(parser, MW_LEX_EXPR); /* "{" */
    parser->group = group;
    parser->quantified = 0;
    node->left = rules_parse_or(parser);
    parser->group = GROUP_NONE;
    parser->quantified = quantified;
    if (node->left == NULL || !rules_expect(parser, "}", "'}', 'and' or 'or'"))
        return NULL;
    if (parser->items == items) {
        rules_error(parser->rules, &node->place, NULL, "nothing in %s { } speaks of it",
                    rules_group_name(group));
        return NULL;
    }
    return node;
}

struct node *rules_parse_rate(struct parser *parser, const struct mw_token *word)
{
    struct node *node = rules_node(parser, NODE_RATE, NULL, NULL);
    struct rate *rate = rules_keep(parser->rules, sizeof *rate);
    struct mw_slice key, limit;
    struct place place;
    node->place = rate->place = rules_place(parser, word);
    node->rate = rate;
    if (parser->group != GROUP_NONE) { /* it is counted once, and not for each thing */
        rules_error(parser->rules, &node->place, NULL, "rate cannot stand inside a group");
        return NULL;
    }
    rate->index = parser->rules->rate_count++;
    rate->key = rules_keep(parser->rules, sizeof *rate->key);
    rules_next(parser, MW_LEX_EXPR); /* "(" */
    if (!rules_expect_text(parser, "what is counted, in quotes: \"${client.ip}\"", &key, &place) ||
        !rules_parse_template(parser, key, &place, rate->key) ||
        !rules_expect(parser, ",", "','") ||
        !rules_expect_text(parser, "a rate in quotes: \"20/10m\"", &limit, &place))
        return NULL;
    if (!parser->lang->parse_rate(limit, &rate->count, &rate->period_ms) || rate->count == 0 ||
        rate->count > RATE_MAX || rate->period_ms == 0 || rate->period_ms > RATE_PERIOD_MAX_MS) {
        rules_error(parser->rules, &place, "write COUNT/TIME, at most 1000000 in at most 30d",
                    "'%.*s' is no rate", (int)limit.len, limit.ptr);
        return NULL;
    }
    for (const struct piece *piece = rate->key->pieces; piece != NULL; piece = piece->next)
        if (piece->kind == PIECE_NUMBERED || piece->kind == PIECE_NAMED) {
            rules_error(parser->rules, &rate->key->place, "fields may stand in it: ${client.ip}",
                        "what a rate counts cannot be a group of a pattern");
            return NULL;
        }
    return rules_expect(parser, ")", "')'") ? node : NULL;
}
