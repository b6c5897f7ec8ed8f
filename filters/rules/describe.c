/* describe.c - see describe.h. */
#include "describe.h"

#include <arpa/inet.h>

#include "list_priv.h"
#include "regex.h"
#include "subject.h"

enum { WORDS_SHOWN = 6, PATTERN_SHOWN = 120 };

/* ---- texts and values ---- */

/* Well-formed, and nothing that moves a cursor: C0, DEL, C1 (U+0080 to U+009F). */
static size_t printable_len(struct mw_slice text)
{
    unsigned char lead = (unsigned char)text.ptr[0];
    if (lead < 0x80)
        return lead >= ' ' && lead != 0x7f ? 1 : 0;
    size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (len > text.len || text_utf8_len(SLICE(text.ptr, len)) < len)
        return 0;
    return lead == 0xc2 && (unsigned char)text.ptr[1] < 0xa0 ? 0 : len;
}

void rules_describe_text(struct builder *out, struct mw_slice text, size_t max)
{
    for (size_t done = 0; text.len > 0; done++) {
        if (done >= max) {
            builder_put(out, LIT("..."));
            return;
        }
        size_t len = printable_len(text);
        char c = text.ptr[0];
        if (len == 0)
            builder_putf(out,
                         c == '\n'   ? "\\n"
                         : c == '\r' ? "\\r"
                         : c == '\t' ? "\\t"
                                     : "\\x%02x",
                         (unsigned char)c);
        else
            builder_put(out, SLICE(text.ptr, len));
        len = len > 0 ? len : 1;
        done += len - 1;
        text = text_skip(text, len);
    }
}

static void describe_ip(struct builder *out, const unsigned char *octets, bool *out_is_v4)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    char text[INET6_ADDRSTRLEN];
    *out_is_v4 = memcmp(octets, mapped, sizeof mapped) == 0;
    inet_ntop(*out_is_v4 ? AF_INET : AF_INET6, octets + (*out_is_v4 ? 12 : 0), text, sizeof text);
    builder_put(out, slice_of(text));
}

static void describe_number(struct builder *out, const struct field *field, int64_t number)
{
    rules_build_number(out, number);
    if (field->flags & FLAG_AGE)
        builder_put(out, LIT("s"));
}

void rules_describe_value(struct builder *out, const struct field *field, const struct value *value)
{
    bool is_v4;
    if (type_is_number(field->type)) {
        describe_number(out, field, value->number);
    } else if (field->type == TYPE_IP && value->text.len == 16) {
        describe_ip(out, (const unsigned char *)value->text.ptr, &is_v4);
    } else {
        builder_put(out, LIT("\""));
        rules_describe_text(out, value->text, DESCRIBE_VALUE_MAX);
        builder_put(out, LIT("\""));
    }
}

/* With separators: ten thousand rules are easier to read. */
void rules_describe_count(struct builder *out, uint64_t count)
{
    if (count < 1000) {
        builder_putf(out, "%u", (unsigned)count);
        return;
    }
    rules_describe_count(out, count / 1000);
    builder_putf(out, ",%03u", (unsigned)(count % 1000));
}

/* ---- tests ---- */

static void describe_score(struct builder *out, const struct rules *rules, size_t slot)
{
    const struct name_slot *score = rules->scores.first;
    while (score != NULL && score->at != slot)
        score = score->next;
    if (score != NULL && !text_is(score->name, "default"))
        builder_putf(out, ".%.*s", (int)score->name.len, score->name.ptr);
}

void rules_describe_use(struct builder *out, const struct rules *rules, const struct field_use *use)
{
    builder_put(out, slice_of(use->field->name));
    if (use->field->id == FIELD_SCORE)
        describe_score(out, rules, use->slot);
    else if (use->arg.len > 0)
        builder_putf(out, "(\"%.*s\")", (int)use->arg.len, use->arg.ptr);
    if (use->is_folded)
        builder_put(out, LIT(".fold"));
}

static void describe_pattern(struct builder *out, const struct regex *regex, size_t max)
{
    char flags[5];
    struct mw_slice pattern = rules_regex_source(regex, flags);
    bool is_cut = pattern.len > max;
    builder_put(out, LIT("/"));
    for (size_t i = 0; i < (is_cut ? max : pattern.len); i++) {
        char c = pattern.ptr[i];
        if (c == '/')
            builder_put(out, LIT("\\/"));
        else if ((unsigned char)c < ' ' || c == 0x7f)
            builder_putf(out, c == '\n' ? "\\n" : "\\x%02x", (unsigned char)c);
        else
            builder_put(out, SLICE(pattern.ptr + i, 1));
    }
    builder_putf(out, "%s/%s", is_cut ? "..." : "", flags);
}

const char *rules_describe_list_kind(const struct list *list)
{
    switch (rules_list_kind(list)) {
    case LIST_INLINE:
        break;
    case LIST_FILE:
        return "file";
    case LIST_CIDR:
        return "file of networks";
    case LIST_REGEX:
        return "file of patterns";
    case LIST_POSTFIX:
        return "Postfix table";
    case LIST_LMDB:
        return "LMDB";
    case LIST_REDIS:
        return "Redis";
    case LIST_DNSBL:
        return "DNS list";
    }
    return "values";
}

/* A list without a name: its words. */
static void describe_words(struct builder *out, const struct list *list, size_t max)
{
    size_t count = 0;
    builder_put(out, LIT("("));
    for (const struct list_entry *entry = list->entries; entry != NULL; entry = entry->next) {
        if (count++ == max) {
            builder_putf(out, ", ... %u in all", (unsigned)list->count);
            break;
        }
        builder_putf(out, "%s%.*s", count > 1 ? ", " : "", (int)entry->text.len, entry->text.ptr);
    }
    builder_put(out, LIT(")"));
}

static void describe_list(struct builder *out, const struct list *list, size_t max)
{
    if (text_is(rules_list_name(list), "here"))
        describe_words(out, list, max);
    else
        builder_put(out, rules_list_name(list));
}

static void describe_equal(struct builder *out, const struct test *test)
{
    bool is_v4;
    if (type_is_number(test->use->field->type)) {
        describe_number(out, test->use->field, test->number);
    } else if (test->use->field->type == TYPE_IP) {
        describe_ip(out, test->network, &is_v4);
        uint32_t prefix = is_v4 && test->prefix >= 96 ? test->prefix - 96 : test->prefix;
        if (prefix < (is_v4 ? 32 : 128))
            builder_putf(out, "/%u", prefix);
    } else {
        builder_put(out, LIT("\""));
        rules_describe_text(out, test->text, SIZE_MAX);
        builder_put(out, LIT("\""));
    }
}

/* The operator and what stands behind it. */
static void describe_rest(struct builder *out, const struct test *test, size_t max)
{
    static const char *const signs[] = {
        [OP_LT] = "<", [OP_LE] = "<=", [OP_GT] = ">", [OP_GE] = ">="};
    switch (test->op) {
    case OP_EQ:
        builder_put(out, test->is_negated ? LIT(" != ") : LIT(" == "));
        describe_equal(out, test);
        return;
    case OP_MATCH:
        builder_put(out, test->is_negated ? LIT(" !~ ") : LIT(" =~ "));
        describe_pattern(out, test->regex, max == SIZE_MAX ? max : PATTERN_SHOWN);
        return;
    case OP_IN:
        builder_put(out, test->is_negated ? LIT(" not in ") : LIT(" in "));
        describe_list(out, test->list, max);
        return;
    case OP_EMPTY:
        builder_put(out, test->is_negated ? LIT(" is not empty") : LIT(" is empty"));
        return;
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE:
        break;
    }
    builder_putf(out, " %s ", signs[test->op]);
    describe_number(out, test->use->field, test->number);
}

const char *rules_quantifier_name(enum quantifier quantifier)
{
    return quantifier == FOR_ALL ? "all" : quantifier == FOR_NONE ? "none" : "any";
}

static void describe_test(struct builder *out, const struct rules *rules, const struct test *test,
                          size_t max)
{
    bool is_quantified = test->quantifier != FOR_ANY || test->use->is_whole;
    if (is_quantified)
        builder_putf(out, "%s(", rules_quantifier_name(test->quantifier));
    rules_describe_use(out, rules, test->use);
    describe_rest(out, test, max);
    if (is_quantified)
        builder_put(out, LIT(")"));
}

void rules_describe_test(struct builder *out, const struct rules *rules, const struct test *test)
{
    describe_test(out, rules, test, WORDS_SHOWN);
}

/* ---- conditions ---- */

static void describe_template(struct builder *out, const struct rules *rules,
                              const struct template *text)
{
    for (const struct piece *piece = text->pieces; piece != NULL; piece = piece->next) {
        if (piece->kind == PIECE_TEXT) {
            rules_describe_text(out, piece->text, SIZE_MAX);
            continue;
        }
        builder_put(out, LIT("${"));
        if (piece->kind == PIECE_NUMBERED)
            builder_putf(out, "%u", piece->number);
        else if (piece->kind == PIECE_NAMED)
            builder_put(out, piece->text);
        else
            rules_describe_use(out, rules, piece->use);
        builder_put(out, LIT("}"));
    }
}

void rules_describe_rate(struct builder *out, const struct rules *rules, const struct rate *rate)
{
    builder_put(out, LIT("rate(\""));
    describe_template(out, rules, rate->key);
    builder_putf(
        out, "\", \"%llu/%llu", (unsigned long long)rate->count,
        (unsigned long long)(rate->period_ms % 1000 ? rate->period_ms : rate->period_ms / 1000));
    builder_put(out, rate->period_ms % 1000 ? LIT("ms\")") : LIT("s\")"));
}

static bool binds_weaker(const struct node *inner, const struct node *outer)
{
    return (inner->kind == NODE_OR && outer->kind != NODE_OR) ||
           (inner->kind == NODE_AND && outer->kind == NODE_NOT);
}

static void describe_inner(struct builder *out, const struct rules *rules, const struct node *inner,
                           const struct node *outer)
{
    bool has_brackets = binds_weaker(inner, outer);
    if (has_brackets)
        builder_put(out, LIT("("));
    rules_describe_node(out, rules, inner);
    if (has_brackets)
        builder_put(out, LIT(")"));
}

static void describe_group(struct builder *out, const struct rules *rules, const struct node *node)
{
    if (node->quantifier != FOR_ANY)
        builder_putf(out, "%s(", rules_quantifier_name(node->quantifier));
    builder_putf(out, "%s { ", rules_group_name(node->group));
    rules_describe_node(out, rules, node->left);
    builder_put(out, node->quantifier != FOR_ANY ? LIT(" })") : LIT(" }"));
}

void rules_describe_node(struct builder *out, const struct rules *rules, const struct node *node)
{
    switch (node->kind) {
    case NODE_ALWAYS:
        builder_put(out, LIT("always"));
        return;
    case NODE_TEST:
        describe_test(out, rules, &node->test, SIZE_MAX);
        return;
    case NODE_RATE:
        rules_describe_rate(out, rules, node->rate);
        return;
    case NODE_GROUP:
        describe_group(out, rules, node);
        return;
    case NODE_NOT:
        builder_put(out, LIT("not "));
        describe_inner(out, rules, node->left, node);
        return;
    case NODE_AND:
    case NODE_OR:
        break;
    }
    describe_inner(out, rules, node->left, node);
    builder_put(out, node->kind == NODE_AND ? LIT(" and ") : LIT(" or "));
    describe_inner(out, rules, node->right, node);
}
