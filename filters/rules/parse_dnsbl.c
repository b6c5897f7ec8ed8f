/* clang-format off */
/* parse_dnsbl.c - what DNS lists are asked about.
 *
 *   listing = "dnsbl.score" | "dnsbl.zones" | "dnsbl.text", behind it ( '"' LIST '"' | '"' FIELD "in" LIST '"' ) in parentheses
 *
 * Without a field it is client.ip. The field is a use of its own, so that the rule waits for it. */
/* clang-format on */
#include "list_priv.h"
#include "parse.h"

/* "sender.domain in rhs": before and behind the word. */
static bool split(struct mw_slice arg, struct mw_slice *out_field, struct mw_slice *out_list)
{
    struct mw_slice text = text_trim(arg);
    ptrdiff_t blank = text_find(text, ' ');
    *out_field = LIT("client.ip");
    *out_list = text;
    if (blank < 0)
        return text.len > 0;
    *out_field = SLICE(text.ptr, (size_t)blank);
    text = text_trim(text_skip(text, (size_t)blank));
    blank = text_find(text, ' ');
    if (blank != 2 || memcmp(text.ptr, "in", 2) != 0)
        return false;
    *out_list = text_trim(text_skip(text, 2));
    return text_find(*out_list, ' ') < 0;
}

static struct list *find_list(struct parser *parser, struct mw_slice name,
                              const struct field_use *use)
{
    struct list *list = rules_list_find(parser->rules, name);
    if (list == NULL)
        rules_error(parser->rules, &use->place, rules_near_list(parser, name),
                    "unknown list \"%.*s\"", (int)name.len, name.ptr);
    else if (rules_list_kind(list) != LIST_DNSBL)
        rules_error(parser->rules, &use->place, "a list of the kind dnsbl has zones and weights",
                    "list \"%.*s\" is not asked in the DNS", (int)name.len, name.ptr);
    else
        return list;
    return NULL;
}

bool rules_parse_listing(struct parser *parser, struct field_use *use)
{
    struct mw_slice field, name;
    if (!split(use->arg, &field, &name)) {
        rules_error(parser->rules, &use->place,
                    "such as dnsbl.score(\"blocked\") or dnsbl.score(\"sender.domain in blocked\")",
                    "%s needs a list, or FIELD in LIST, in its parentheses", use->field->name);
        return false;
    }
    use->list = find_list(parser, name, use);
    if (use->list == NULL)
        return false;
    uint32_t quantified = parser->quantified; /* any(...) is about the zones, not the recipients */
    bool has_fold = parser->has_fold;
    parser->quantified = 0;
    parser->has_fold = false;
    use->key = rules_parse_use(parser, field, EMPTY, false, &use->place);
    parser->quantified = quantified;
    parser->has_fold = has_fold;
    if (use->key == NULL)
        return false;
    use->set = rules_list_set(parser->rules, use->list, use->key->field);
    if (use->field->id == FIELD_DNSBL_TEXT)
        rules_list_want_text(use->list);
    return true; /* a set that cannot be is reported, and keeps the rules from loading */
}

void rules_note_listing(const struct test *test)
{
    struct list *list = test->use->list;
    int64_t whole = test->number / NUMBER_UNIT;
    if (test->use->field->id != FIELD_DNSBL_SCORE || test->op == OP_EMPTY) {
        rules_list_want_all(list);
        return;
    }
    if (test->op == OP_GE || test->op == OP_LT || test->op == OP_EQ)
        rules_list_cut(list, whole);
    if (test->op == OP_GT || test->op == OP_LE || test->op == OP_EQ)
        rules_list_cut(list, whole + 1);
}

void rules_list_in(struct parser *parser, struct list *list, const struct place *place)
{
    struct mw_slice name = rules_list_name(list);
    if (list->is_bad) /* reported */
        return;
    if (rules_list_most(list) < rules_list_threshold(list))
        rules_error(parser->rules, place,
                    "read its dnsbl.score, or write `not in` and another list",
                    "nothing is ever in list \"%.*s\": all its weights are below zero",
                    (int)name.len, name.ptr);
    rules_list_cut(list, rules_list_threshold(list));
}
