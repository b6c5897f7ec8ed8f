/* conf_check.c - a block's directives against a schema: names, numbers of values, and each value's
 * type.
 *
 * The tables of rules are the one place where a directive's name, type, default and bounds stand;
 * the messages here are made from them, so that an error always says what would have been right. */
#include <stdio.h>
#include <string.h>

#include "base/conf.h"
#include "base/conf_priv.h"

enum { SHOWN_MAX = 60 };

struct checker {
    struct mw_arena *arena;
    struct mw_diags *diags;
    const struct mw_conf_block *block;
    const struct mw_conf_rule **rules; /* of both tables */
    const char **names;                /* the same, NULL-terminated */
    size_t rule_count;
    struct mw_conf_values *out;
    size_t *caps; /* of out[i].values */
    bool has_broken;
};

/* One word on its way to become a value. */
struct subject {
    struct checker *checker;
    const struct mw_conf_rule *rule;
    const struct mw_conf_word *word;
    const char *file; /* what a relative path is relative to */
};

/* ---- messages ---- */

/* The word as messages quote it. */
static const char *shown(const struct subject *subject)
{
    const struct mw_conf_word *word = subject->word;
    if (word->is_secret)
        return "the value read from a file";
    int len = (int)(word->text.len < SHOWN_MAX ? word->text.len : SHOWN_MAX);
    return mw_arena_printf(subject->checker->arena, "'%.*s'", len, word->text.ptr).ptr;
}

/* An error at the word; always false, to be returned. */
static bool refuse(const struct subject *subject, const char *hint, struct mw_slice message)
{
    const struct mw_conf_word *word = subject->word;
    if (word->pos.file == NULL)
        mw_conf_error(subject->checker->diags, &subject->checker->block->pos, 0, hint,
                      "the default of '%s': %s", subject->rule->name, message.ptr);
    else
        mw_conf_error(subject->checker->diags, &word->pos, word->source_len, hint, "%s",
                      message.ptr);
    return false;
}
#define REFUSE(subject, hint, ...) \
    refuse((subject), (hint), mw_arena_printf((subject)->checker->arena, __VA_ARGS__))

static const char *did_you_mean(struct mw_arena *arena, const char *name)
{
    return name == NULL ? NULL : mw_arena_printf(arena, "did you mean '%s'?", name).ptr;
}

/* What a rule expects, for "needs a value: ...". */
static const char *expectation(struct mw_arena *arena, const struct mw_conf_rule *rule)
{
    switch (rule->type) {
    case MW_CONF_BOOL:
        return "on or off";
    case MW_CONF_COUNT:
        return "a number";
    case MW_CONF_SIZE:
        return "a size such as 50MB";
    case MW_CONF_DURATION:
        return "a time such as 30s";
    case MW_CONF_CHOICE: {
        struct mw_slice list = MW_LIT("one of");
        for (const char *const *choice = rule->choices; *choice != NULL; choice++)
            list = mw_arena_printf(arena, "%s%s%s", list.ptr, choice == rule->choices ? " " : ", ",
                                   *choice);
        return list.ptr;
    }
    case MW_CONF_FILES:
        return "names of files, or a pattern such as rules/*.rules";
    case MW_CONF_PATH:
        return "the name of a file";
    case MW_CONF_ENDPOINT:
        return "an address such as 127.0.0.1:25, [::1]:25 or unix:/run/x";
    case MW_CONF_NETWORK:
        return "a network such as 192.0.2.0/24 or 2001:db8::/32";
    case MW_CONF_TEXT:
    case MW_CONF_WORDS:
        break;
    }
    return "a word, or text in quotes";
}

/* ---- numbers and their ranges ---- */

struct scale {
    const char *unit;
    uint64_t factor;
};

/* A bound as one would write it: in the largest unit that divides it. */
static const char *in_units(struct mw_arena *arena, uint64_t value, enum mw_conf_type type)
{
    static const struct scale sizes[] = {
        {"GiB", UINT64_C(1) << 30},
        {"GB", 1000000000},
        {"MiB", UINT64_C(1) << 20},
        {"MB", 1000000},
        {"KiB", 1024},
        {"kB", 1000},
        {"B", 1},
    };
    static const struct scale durations[] = {
        {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
    };
    const struct scale *scale = type == MW_CONF_SIZE ? sizes : durations;
    if (type == MW_CONF_COUNT || value == 0)
        return mw_arena_printf(arena, "%llu", (unsigned long long)value).ptr;
    while (value % scale->factor != 0)
        scale++;
    return mw_arena_printf(arena, "%llu%s", (unsigned long long)(value / scale->factor),
                           scale->unit)
        .ptr;
}

static bool check_range(const struct subject *subject, enum mw_err err, uint64_t number)
{
    const struct mw_conf_rule *rule = subject->rule;
    struct mw_arena *arena = subject->checker->arena;
    bool has_max = rule->max != 0;
    if (err == MW_OK && number >= rule->min && (!has_max || number <= rule->max))
        return true;
    const char *min = in_units(arena, rule->min, rule->type);
    const char *max = in_units(arena, rule->max, rule->type);
    if (has_max)
        return REFUSE(subject, NULL, "%s is out of range: '%s' takes %s to %s", shown(subject),
                      rule->name, min, max);
    if (err != MW_OK)
        return REFUSE(subject, NULL, "%s is too large a number", shown(subject));
    return REFUSE(subject, NULL, "%s is out of range: '%s' takes %s or more", shown(subject),
                  rule->name, min);
}

static bool is_all_digits(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!mw_is_digit(text.ptr[i]))
            return false;
    return text.len > 0;
}

static enum mw_err parse_number(enum mw_conf_type type, struct mw_slice text, uint64_t *out_number)
{
    if (type == MW_CONF_SIZE)
        return mw_parse_size(text, out_number);
    if (type == MW_CONF_DURATION)
        return mw_parse_duration(text, out_number);
    return mw_slice_to_u64(text, UINT64_MAX, out_number);
}

static bool refuse_form(const struct subject *subject)
{
    struct mw_slice text = subject->word->text;
    if (subject->rule->type == MW_CONF_SIZE)
        return REFUSE(subject, "a number and one of B, kB, MB, GB, KiB, MiB, GiB, as in 50MB",
                      "%s is not a size", shown(subject));
    if (subject->rule->type == MW_CONF_DURATION && is_all_digits(text))
        return REFUSE(subject, "add one of ms, s, m, h, d, as in 30s", "%s has no unit",
                      shown(subject));
    if (subject->rule->type == MW_CONF_DURATION)
        return REFUSE(subject, "a number and one of ms, s, m, h, d, as in 30s", "%s is not a time",
                      shown(subject));
    return REFUSE(subject, NULL, "%s is not a number", shown(subject));
}

static bool read_number(const struct subject *subject, uint64_t *out_number)
{
    uint64_t number = 0;
    enum mw_err err = parse_number(subject->rule->type, subject->word->text, &number);
    if (err == MW_ERR_SYNTAX)
        return refuse_form(subject);
    if (!check_range(subject, err, number))
        return false;
    *out_number = number;
    return true;
}

/* ---- words with a meaning ---- */

static bool read_bool(const struct subject *subject, uint64_t *out_number)
{
    static const char *const other_words[] = {"no", "yes", "false", "true", "0", "1"};
    struct mw_slice text = subject->word->text;
    const char *hint = NULL;
    if (mw_slice_eq(text, MW_LIT("on")) || mw_slice_eq(text, MW_LIT("off"))) {
        *out_number = text.len == 2;
        return true;
    }
    for (size_t i = 0; i < sizeof other_words / sizeof *other_words; i++)
        if (mw_slice_ieq(text, mw_slice_cstr(other_words[i])))
            hint = i % 2 != 0 ? "did you mean 'on'?" : "did you mean 'off'?";
    return REFUSE(subject, hint, "%s is neither 'on' nor 'off'", shown(subject));
}

static bool read_choice(const struct subject *subject, uint64_t *out_number)
{
    struct mw_arena *arena = subject->checker->arena;
    const char *const *choices = subject->rule->choices;
    struct mw_slice text = subject->word->text;
    for (size_t i = 0; choices[i] != NULL; i++) {
        if (mw_slice_eq(text, mw_slice_cstr(choices[i]))) {
            *out_number = i;
            return true;
        }
    }
    const char *hint = did_you_mean(arena, mw_near_name(text, choices));
    return REFUSE(subject, hint, "%s is not %s", shown(subject), expectation(arena, subject->rule));
}

/* ---- addresses ---- */

/* What a word that is no endpoint lacks: a port, brackets. */
static const char *endpoint_hint(const struct subject *subject)
{
    struct mw_slice text = subject->word->text;
    struct mw_inet address;
    if (mw_inet_parse(text, &address) != MW_OK)
        return expectation(subject->checker->arena, subject->rule);
    return mw_inet_is_v4(&address) ? "a port is missing, as in 127.0.0.1:25"
                                   : "an IPv6 address needs brackets and a port, as in [::1]:25";
}

/* An address alone, where the rule knows a port for it. */
static bool read_bare_address(const struct subject *subject, struct mw_endpoint *out_endpoint)
{
    struct mw_inet address;
    if (subject->rule->min == 0 || mw_inet_parse(subject->word->text, &address) != MW_OK)
        return false;
    *out_endpoint = (struct mw_endpoint){
        .kind = MW_ENDPOINT_INET, .address = address, .port = (uint16_t)subject->rule->min};
    return true;
}

static bool read_endpoint(const struct subject *subject, struct mw_endpoint *out_endpoint)
{
    struct mw_arena *arena = subject->checker->arena;
    struct mw_slice text = subject->word->text, path = mw_slice_skip(text, 5);
    if (mw_slice_starts(text, MW_LIT("unix:")) && path.len > 0)
        text = mw_arena_printf(arena, "unix:%s", mw_conf_absolute(arena, subject->file, path).ptr);
    enum mw_err err = mw_endpoint_parse(text, subject->rule->max == 1, out_endpoint);
    if (err == MW_OK || read_bare_address(subject, out_endpoint))
        return true;
    if (err == MW_ERR_LIMIT && mw_slice_starts(text, MW_LIT("unix:")))
        return REFUSE(subject, NULL, "the path of a socket has at most %zu octets, not %zu",
                      sizeof out_endpoint->path - 1, text.len - 5);
    if (err == MW_ERR_LIMIT)
        return REFUSE(subject, NULL, "the port in %s is above 65535", shown(subject));
    return REFUSE(subject, endpoint_hint(subject), "%s is not an address with a port",
                  shown(subject));
}

/* The network that was probably meant by one with host bits: 10.1.2.3/8 -> 10.0.0.0/8. */
static const char *network_hint(const struct subject *subject)
{
    struct mw_slice text = subject->word->text, address, prefix;
    struct mw_inet inet;
    char printed[MW_INET_TEXT_MAX];
    uint64_t bits;
    if (!mw_slice_split(text, '/', &address, &prefix) || mw_inet_parse(address, &inet) != MW_OK ||
        mw_slice_to_u64(prefix, 128, &bits) != MW_OK)
        return NULL;
    if (mw_slice_find(address, ':') < 0)
        bits += 96;
    for (size_t i = bits; i < 128; i++)
        inet.octets[i / 8] &= (unsigned char)~(0x80u >> i % 8);
    mw_inet_print(&inet, printed);
    return mw_arena_printf(subject->checker->arena, "did you mean %s/%.*s?", printed,
                           (int)prefix.len, prefix.ptr)
        .ptr;
}

static bool read_network(const struct subject *subject, struct mw_network *out_network)
{
    enum mw_err err = mw_network_parse(subject->word->text, out_network);
    if (err == MW_ERR_LIMIT)
        return REFUSE(subject, network_hint(subject), "%s has bits set behind its prefix",
                      shown(subject));
    if (err != MW_OK)
        return REFUSE(subject, expectation(subject->checker->arena, subject->rule),
                      "%s is not a network", shown(subject));
    return true;
}

/* ---- values ---- */

static struct mw_conf_value *add_value(struct checker *checker, size_t index,
                                       const struct mw_conf_word *word)
{
    struct mw_conf_values *values = &checker->out[index];
    if (values->count == checker->caps[index]) {
        size_t cap = checker->caps[index] ? checker->caps[index] * 2 : 1;
        struct mw_conf_value *more = mw_arena_array(checker->arena, struct mw_conf_value, cap);
        if (values->count > 0)
            memcpy(more, values->values, values->count * sizeof *more);
        values->values = more;
        checker->caps[index] = cap;
    }
    struct mw_conf_value *value = &values->values[values->count++];
    value->text = word->text;
    value->pos = word->pos;
    value->source_len = word->source_len;
    value->directive = values->directives - 1;
    return value;
}

static bool read_files(const struct subject *subject, size_t index)
{
    struct checker *checker = subject->checker;
    const struct mw_conf_word *word = subject->word;
    struct mw_slice *paths;
    size_t count = mw_conf_glob(checker->arena, subject->file, word->text, &paths);
    if (count == 0 && !mw_conf_is_pattern(word->text))
        return REFUSE(subject, NULL, "there is no file %s", shown(subject));
    if (count == 0)
        mw_diags_add(checker->diags, MW_DIAG_WARNING, word->pos.file, word->pos.line,
                     word->pos.column, word->source_len, NULL, "no file matches %s",
                     shown(subject));
    for (size_t i = 0; i < count; i++)
        add_value(checker, index, word)->text = paths[i];
    return true;
}

static bool read_scalar(const struct subject *subject, struct mw_conf_value *out_value)
{
    struct mw_slice text = subject->word->text;
    switch (subject->rule->type) {
    case MW_CONF_BOOL:
        return read_bool(subject, &out_value->number);
    case MW_CONF_COUNT:
    case MW_CONF_SIZE:
    case MW_CONF_DURATION:
        return read_number(subject, &out_value->number);
    case MW_CONF_CHOICE:
        return read_choice(subject, &out_value->number);
    case MW_CONF_ENDPOINT:
        return read_endpoint(subject, &out_value->endpoint);
    case MW_CONF_NETWORK:
        return read_network(subject, &out_value->network);
    case MW_CONF_PATH:
        if (text.len == 0)
            return REFUSE(subject, NULL, "the name of a file is empty");
        out_value->text = mw_conf_absolute(subject->checker->arena, subject->file, text);
        return true;
    case MW_CONF_FILES:
    case MW_CONF_TEXT:
    case MW_CONF_WORDS:
        break;
    }
    return true;
}

static void read_value(struct checker *checker, size_t index, const struct mw_conf_word *word,
                       const char *file)
{
    struct subject subject = {checker, checker->rules[index], word, file};
    if (subject.rule->type == MW_CONF_FILES) {
        read_files(&subject, index);
        return;
    }
    struct mw_conf_value *value = add_value(checker, index, word);
    if (!read_scalar(&subject, value)) {
        *value = (struct mw_conf_value){0};
        checker->out[index].count--;
    }
}

/* ---- directives ---- */

static void unknown_directive(struct checker *checker, const struct mw_conf_word *name)
{
    const char *near = mw_near_name(name->text, checker->names);
    int len = (int)(name->text.len < SHOWN_MAX ? name->text.len : SHOWN_MAX);
    struct mw_slice where = MW_EMPTY;
    if (checker->block->kind.len > 0)
        where = mw_arena_printf(checker->arena, " in block '%.*s'", (int)checker->block->kind.len,
                                checker->block->kind.ptr);
    mw_conf_error(checker->diags, &name->pos, name->source_len, did_you_mean(checker->arena, near),
                  "unknown directive '%.*s'%s", len, name->is_secret ? "" : name->text.ptr,
                  where.ptr);
}

/* The values beyond `max` are underlined as far as they stand on one line. */
static void too_many_values(struct checker *checker, const struct mw_conf_directive *directive,
                            size_t max)
{
    const struct mw_conf_word *first = &directive->words[1 + max], *last = first;
    for (size_t i = 2 + max; i < directive->word_count; i++)
        if (directive->words[i].pos.line == first->pos.line)
            last = &directive->words[i];
    uint32_t length = last->pos.column + last->source_len - first->pos.column;
    const char *name = directive->words[0].text.ptr;
    if (max == 1)
        mw_conf_error(checker->diags, &first->pos, length, NULL, "'%s' takes one value, not %zu",
                      name, directive->word_count - 1);
    else
        mw_conf_error(checker->diags, &first->pos, length, NULL,
                      "'%s' takes at most %zu values, not %zu", name, max,
                      directive->word_count - 1);
}

static void read_directive(struct checker *checker, size_t index,
                           const struct mw_conf_directive *directive)
{
    const struct mw_conf_rule *rule = checker->rules[index];
    const struct mw_conf_word *name = &directive->words[0];
    struct mw_conf_values *out = &checker->out[index];
    size_t count = directive->word_count - 1;
    size_t max = rule->values_max ? rule->values_max : rule->type == MW_CONF_WORDS ? SIZE_MAX : 1;
    if (out->pos.file != NULL && !rule->is_repeatable) {
        mw_conf_error(
            checker->diags, &name->pos, name->source_len,
            mw_arena_printf(checker->arena, "first given at %s:%u", out->pos.file, out->pos.line)
                .ptr,
            "'%s' is given twice", rule->name);
        return;
    }
    if (out->pos.file == NULL)
        out->pos = name->pos;
    if (directive->is_broken) {
        checker->has_broken = true;
        return;
    }
    out->directives++;
    if (count == 0)
        mw_conf_error(checker->diags, &name->pos, name->source_len, NULL, "'%s' needs a value: %s",
                      rule->name, expectation(checker->arena, rule));
    if (count > max)
        too_many_values(checker, directive, max);
    for (size_t i = 0; i < count && i < max; i++)
        read_value(checker, index, &directive->words[1 + i], name->pos.file);
}

/* The default of a rule, read as the same words in a file would be. */
static void read_default(struct checker *checker, size_t index)
{
    struct mw_slice text = mw_slice_cstr(checker->rules[index]->default_text);
    struct mw_lexer *lexer = mw_lex_open(NULL, text);
    struct mw_token token;
    checker->out[index].pos = (struct mw_conf_pos){0};
    checker->out[index].directives = 1;
    while ((token = mw_lex_next(lexer, MW_LEX_CONFIG)).kind != MW_TOKEN_END) {
        struct mw_conf_word word = {.text = mw_arena_dup(checker->arena, token.value)};
        read_value(checker, index, &word, checker->block->pos.file);
    }
    mw_lex_close(lexer);
}

static void missing_directive(const struct checker *checker, const struct mw_conf_rule *rule)
{
    const struct mw_conf_block *block = checker->block;
    struct mw_conf_pos nowhere = {0};
    const char *expected = mw_arena_printf(checker->arena, "%s: %s", rule->name,
                                           expectation(checker->arena, rule))
                               .ptr;
    if (block->kind.len == 0)
        mw_conf_error(checker->diags, &nowhere, 0, expected, "the directive '%s' is missing",
                      rule->name);
    else
        mw_conf_error(checker->diags, &block->pos, (uint32_t)block->kind.len, expected,
                      "the directive '%s' is missing in block '%.*s%s%.*s'", rule->name,
                      (int)block->kind.len, block->kind.ptr, block->name.len > 0 ? " " : "",
                      (int)block->name.len, block->name.ptr);
}

static size_t find_rule(const struct checker *checker, struct mw_slice name)
{
    size_t i = 0;
    while (i < checker->rule_count && !mw_slice_eq(name, mw_slice_cstr(checker->names[i])))
        i++;
    return i;
}

static void gather_rules(struct checker *checker, const struct mw_conf_rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        checker->names[checker->rule_count] = rules[i].name;
        checker->rules[checker->rule_count++] = &rules[i];
    }
}

enum mw_err mw_conf_check(struct mw_arena *arena, const struct mw_conf_block *block,
                          const struct mw_conf_rule *rules, size_t rule_count,
                          const struct mw_conf_rule *extra, size_t extra_count,
                          struct mw_diags *diags, struct mw_conf_values *out_values)
{
    size_t count = rule_count + extra_count, errors_before = mw_diags_errors(diags);
    struct checker checker = {
        .arena = arena,
        .diags = diags,
        .block = block,
        .rules = mw_arena_array(arena, const struct mw_conf_rule *, count),
        .names = mw_arena_array(arena, const char *, count + 1),
        .out = out_values,
        .caps = mw_arena_array(arena, size_t, count),
    };
    gather_rules(&checker, rules, rule_count);
    gather_rules(&checker, extra, extra_count);
    memset(out_values, 0, count * sizeof *out_values);
    for (const struct mw_conf_directive *d = block->directives; d != NULL; d = d->next) {
        size_t index = find_rule(&checker, d->words[0].text);
        if (index == count)
            unknown_directive(&checker, &d->words[0]);
        else
            read_directive(&checker, index, d);
    }
    for (size_t i = 0; i < count; i++) {
        bool is_given = out_values[i].pos.file != NULL;
        if (out_values[i].count == 0 && checker.rules[i]->default_text != NULL)
            read_default(&checker, i);
        else if (!is_given && checker.rules[i]->default_text == NULL)
            missing_directive(&checker, checker.rules[i]);
    }
    bool is_good = mw_diags_errors(diags) == errors_before && !checker.has_broken;
    return is_good ? MW_OK : MW_ERR_CONFIG;
}

/* ---- blocks ---- */

enum mw_err mw_conf_check_kinds(struct mw_arena *arena, const struct mw_conf_block *block,
                                const char *const *kinds, struct mw_diags *diags)
{
    size_t errors_before = mw_diags_errors(diags);
    for (const struct mw_conf_block *child = block->blocks; child != NULL; child = child->next) {
        int len = (int)(child->kind.len < SHOWN_MAX ? child->kind.len : SHOWN_MAX);
        bool is_known = false;
        for (const char *const *kind = kinds; *kind != NULL; kind++)
            is_known = is_known || mw_slice_eq(child->kind, mw_slice_cstr(*kind));
        if (is_known)
            continue;
        mw_conf_error(diags, &child->pos, (uint32_t)child->kind.len,
                      did_you_mean(arena, mw_near_name(child->kind, kinds)),
                      "unknown block '%.*s'%s%.*s%s", len, child->kind.ptr,
                      block->kind.len > 0 ? " in block '" : "", (int)block->kind.len,
                      block->kind.ptr, block->kind.len > 0 ? "'" : "");
    }
    return mw_diags_errors(diags) > errors_before ? MW_ERR_CONFIG : MW_OK;
}
