/* regex.c - patterns are compiled when the set is loaded, with the JIT where there is one. One
 * match block and one JIT stack serve the whole set: hooks of one worker run one after the other.
 *
 * Bounds. PCRE2's match, depth and heap limits stop exponential patterns within milliseconds, but
 * they count anew at each place where a match may begin, and the JIT does not count plain repeats
 * at all: /\s+$/ on a megabyte of blanks would take minutes. So a pattern that can repeat without a
 * small bound exists twice: as it is, for short texts, and with a callout at every item, which
 * looks at the clock, for long ones (about three times as slow). */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "regex.h"

#include <pcre2.h>
#include <time.h>

enum {
    DEPTH_LIMIT = 10000,
    HEAP_LIMIT_KIB = 1024,
    JIT_STACK_MIN = 32 * 1024,
    JIT_STACK_MAX = 512 * 1024,
    PATTERN_MAX = 8192,
    SHORT_TEXT = 128, /* octets: whatever the pattern, the match limit suffices */
    WATCHED_FACTOR = 100,
    SMALL_REPEAT = 8,       /* {2,10} is no risk */
    CALLOUTS_A_LOOK = 16,   /* between two looks at the clock */
    TEST_BUDGET_US = 50000, /* for all values of one test */
    STAGE_BUDGET_US = 500000
};

struct regex {
    pcre2_code *code;
    pcre2_code *watched; /* with callouts; NULL: no need */
    bool is_utf;
    uint32_t groups;
    struct mw_slice pattern;
    struct regex *next;
};

struct regex_set {
    pcre2_match_data *match;
    pcre2_match_context *context, *watched_context;
    pcre2_jit_stack *stack;
    struct regex *regexes;
    bool has_jit, has_warned;
    uint32_t callouts;
    uint64_t test_deadline_us, stage_deadline_us; /* 0: nobody has looked at the clock yet */
};

/* ---- the clock ---- */

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

bool rules_regex_is_late(struct rules *rules)
{
    struct regex_set *set = rules->regexes;
    uint64_t now = now_us();
    if (set->test_deadline_us == 0)
        set->test_deadline_us = now + TEST_BUDGET_US;
    if (set->stage_deadline_us == 0)
        set->stage_deadline_us = now + STAGE_BUDGET_US;
    return now > set->test_deadline_us || now > set->stage_deadline_us;
}

void rules_regex_begin_stage(struct rules *rules)
{
    rules->regexes->stage_deadline_us = 0;
}

void rules_regex_begin_test(struct rules *rules)
{
    rules->regexes->test_deadline_us = 0;
}

static int on_callout(pcre2_callout_block *block, void *data)
{
    struct rules *rules = data;
    (void)block;
    if (++rules->regexes->callouts % CALLOUTS_A_LOOK != 0)
        return 0;
    return rules_regex_is_late(rules) ? PCRE2_ERROR_CALLOUT : 0;
}

/* ---- life ---- */

void rules_regex_open(struct rules *rules)
{
    struct regex_set *set = rules_keep(rules, sizeof *set);
    uint32_t jit = 0;
    pcre2_config(PCRE2_CONFIG_JIT, &jit);
    set->has_jit = jit != 0;
    set->match = pcre2_match_data_create(CAPTURES_MAX + 1, NULL);
    set->context = pcre2_match_context_create(NULL);
    if (set->match == NULL || set->context == NULL)
        abort(); /* out of memory: nothing has been accepted yet */
    pcre2_set_match_limit(set->context, (uint32_t)rules->match_limit);
    pcre2_set_depth_limit(set->context, DEPTH_LIMIT);
    pcre2_set_heap_limit(set->context, HEAP_LIMIT_KIB);
    if (set->has_jit)
        set->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
    if (set->stack != NULL)
        pcre2_jit_stack_assign(set->context, NULL, set->stack);
    /* each callout counts as a step, and the clock is the bound that matters */
    set->watched_context = pcre2_match_context_copy(set->context);
    if (set->watched_context == NULL)
        abort();
    uint64_t limit = rules->match_limit * WATCHED_FACTOR;
    pcre2_set_match_limit(set->watched_context, limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX);
    pcre2_set_callout(set->watched_context, on_callout, rules);
    rules->regexes = set;
}

void rules_regex_close(struct rules *rules)
{
    struct regex_set *set = rules->regexes;
    if (set == NULL)
        return;
    for (struct regex *regex = set->regexes; regex != NULL; regex = regex->next) {
        pcre2_code_free(regex->code);
        pcre2_code_free(regex->watched);
    }
    pcre2_jit_stack_free(set->stack);
    pcre2_match_context_free(set->context);
    pcre2_match_context_free(set->watched_context);
    pcre2_match_data_free(set->match);
    rules->regexes = NULL;
}

/* ---- compiling ---- */

static bool read_flags(struct rules *rules, struct mw_slice flags, const struct place *place,
                       uint32_t *options)
{
    static const struct {
        char flag;
        uint32_t option;
    } known[] = {
        {'i', PCRE2_CASELESS}, {'m', PCRE2_MULTILINE}, {'s', PCRE2_DOTALL}, {'x', PCRE2_EXTENDED}};
    for (size_t i = 0; i < flags.len; i++) {
        uint32_t option = 0;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            if (flags.ptr[i] == known[k].flag)
                option = known[k].option;
        struct place at = *place;
        at.column = place->column + place->length - (uint32_t)(flags.len - i);
        at.length = 1;
        if (option == 0) {
            rules_error(rules, &at,
                        "the flags are i (any case), m (^ and $ at each line), s (. takes line "
                        "ends too), x (blanks do not count)",
                        "unknown flag '%c' of a regular expression", flags.ptr[i]);
            return false;
        }
        if (*options & option) {
            rules_error(rules, &at, NULL, "flag '%c' is given twice", flags.ptr[i]);
            return false;
        }
        *options |= option;
    }
    return true;
}

static void report_compile_error(struct rules *rules, const struct place *place, int code,
                                 size_t offset)
{
    char text[160];
    pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof text);
    struct place at = *place;
    at.column += 1 + (uint32_t)offset;
    at.length = 1;
    rules_error(rules, &at, NULL, "regular expression: %s", text);
}

/* Without the JIT everything works, only 3 to 5 times slower: said once, because a hardening
 * setting may be the cause. */
static void compile_jit(struct rules *rules, struct regex *regex, const struct place *place)
{
    struct regex_set *set = rules->regexes;
    if (set->has_jit && pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE) == 0) {
        if (regex->watched != NULL)
            pcre2_jit_compile(regex->watched, PCRE2_JIT_COMPLETE);
        return;
    }
    if (!set->has_warned && !set->has_jit)
        rules_warning(rules, place,
                      "a PCRE2 library with the JIT makes matching 3 to 5 times faster",
                      "this PCRE2 has no just-in-time compiler");
    else if (!set->has_warned)
        rules_warning(rules, place, "MemoryDenyWriteExecute= in the unit would cause this",
                      "the just-in-time compiler refused the pattern; it runs 3 to 5 times slower");
    set->has_warned = true;
}

/* "{2,}" or "{0,200}" at the front of `text`: repeats more than a little? */
static bool is_large_repeat(struct mw_slice text)
{
    ptrdiff_t close = rules_text_find(text, '}');
    if (close < 0)
        return false;
    struct mw_slice inner = SLICE(text.ptr + 1, (size_t)close - 1);
    ptrdiff_t comma = rules_text_find(inner, ',');
    uint64_t low = 0, high = 0;
    bool has_low = comma <= 0 || rules_text_number(SLICE(inner.ptr, (size_t)comma), 65535, &low);
    bool has_high = comma >= 0 &&
                    rules_text_number(text_skip(inner, (size_t)comma + 1), 65535, &high);
    return comma >= 0 && has_low && (!has_high || high > low + SMALL_REPEAT);
}

/* "(?R)", "(?1)", "(?&name)", "(?P>name)": what they repeat cannot be seen here. */
static bool is_recursion(struct mw_slice text)
{
    return text.len > 2 && text.ptr[0] == '(' && text.ptr[1] == '?' &&
           (strchr("R&+-0123456789", text.ptr[2]) != NULL ||
            (text.ptr[2] == 'P' && text.len > 3 && text.ptr[3] == '>'));
}

/* Errs on the side of yes: a '*' in a class or behind \Q counts, too. */
static bool can_repeat_much(struct mw_slice pattern)
{
    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.ptr[i];
        struct mw_slice rest = text_skip(pattern, i);
        if (c == '\\')
            i++;
        else if (c == '*' || c == '+' || (c == '{' && is_large_repeat(rest)) || is_recursion(rest))
            return true;
    }
    return false;
}

struct regex *rules_regex_compile(struct rules *rules, struct mw_slice pattern,
                                  struct mw_slice flags, const struct place *place, bool is_utf)
{
    uint32_t options = PCRE2_NEVER_BACKSLASH_C;
    if (!read_flags(rules, flags, place, &options))
        return NULL;
    if (pattern.len > PATTERN_MAX) {
        rules_error(rules, place, NULL, "regular expression of more than %d octets", PATTERN_MAX);
        return NULL;
    }
    if (is_utf)
        options |= PCRE2_UTF;
    else /* (*UTF) in front would make it expect what raw octets are not */
        options |= PCRE2_NEVER_UTF;
    int code;
    size_t offset;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len, options, &code,
                                         &offset, NULL);
    if (compiled == NULL) {
        report_compile_error(rules, place, code, offset);
        return NULL;
    }
    struct regex *regex = rules_keep(rules, sizeof *regex);
    regex->code = compiled;
    regex->is_utf = is_utf;
    regex->pattern = rules_keep_text(rules, pattern);
    pcre2_pattern_info(compiled, PCRE2_INFO_CAPTURECOUNT, &regex->groups);
    if (can_repeat_much(pattern))
        regex->watched = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len,
                                       options | PCRE2_AUTO_CALLOUT, &code, &offset, NULL);
    regex->next = rules->regexes->regexes;
    rules->regexes->regexes = regex;
    compile_jit(rules, regex, place);
    return regex;
}

/* ---- advice ---- */

static bool is_special(char c)
{
    return c != '\0' && strchr("^$.[]|()?*+{}\\", c) != NULL;
}

/* Only plain characters, or escaped punctuation, in `text`? */
static bool is_plain(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\' && i + 1 < text.len && is_special(text.ptr[i + 1]))
            i++;
        else if (is_special(text.ptr[i]))
            return false;
    }
    return true;
}

static bool ends_anchored(struct mw_slice pattern)
{
    if (pattern.len >= 2 && pattern.ptr[pattern.len - 2] == '\\')
        return pattern.ptr[pattern.len - 1] == 'z' || pattern.ptr[pattern.len - 1] == 'Z';
    return pattern.len > 0 && pattern.ptr[pattern.len - 1] == '$';
}

static bool starts_anchored(struct mw_slice pattern)
{
    return pattern.len > 0 &&
           (pattern.ptr[0] == '^' || (pattern.len > 1 && memcmp(pattern.ptr, "\\A", 2) == 0));
}

void rules_regex_advise(struct rules *rules, const struct regex *regex, const struct place *place,
                        const struct field *field)
{
    struct mw_slice pattern = regex->pattern;
    bool starts = starts_anchored(pattern), ends = ends_anchored(pattern);
    bool has_choice = rules_text_find(pattern, '|') >= 0;
    if (pattern.len == 0) {
        rules_warning(rules, place, NULL, "an empty regular expression matches everything");
    } else if (starts && ends && pattern.ptr[0] == '^' && pattern.ptr[pattern.len - 1] == '$' &&
               is_plain(SLICE(pattern.ptr + 1, pattern.len - 2))) {
        rules_warning(rules, place, "compare with == \"...\" instead",
                      "this regular expression is a plain string");
    } else if ((field->type == TYPE_ADDRESS || field->type == TYPE_HOST) && !starts && !ends &&
               !has_choice) {
        rules_warning(rules, place, "anchor it with ^ or $, or compare with == or `in`",
                      "the pattern matches anywhere in %s, also in the middle of another name",
                      field->name);
    }
}

uint32_t rules_regex_groups(const struct regex *regex)
{
    return regex->groups;
}

bool rules_regex_is_utf(const struct regex *regex)
{
    return regex->is_utf;
}

int rules_regex_group(const struct regex *regex, struct mw_slice name)
{
    char text[64];
    if (name.len == 0 || name.len >= sizeof text)
        return -1;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    int number = pcre2_substring_number_from_name(regex->code, (PCRE2_SPTR)text);
    return number > 0 ? number : -1;
}

/* ---- matching ---- */

static void read_captures(const struct regex_set *set, int count, struct mw_slice text,
                          struct mw_slice *out_captures)
{
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(set->match);
    for (int i = 0; i < CAPTURES_MAX; i++) {
        bool is_set = i < count && ends[2 * i] != PCRE2_UNSET && ends[2 * i] <= ends[2 * i + 1];
        out_captures[i] = is_set ? SLICE(text.ptr + ends[2 * i], ends[2 * i + 1] - ends[2 * i])
                                 : EMPTY;
    }
}

enum regex_result rules_regex_match(struct rules *rules, const struct regex *regex,
                                    struct mw_slice text, struct mw_slice *out_captures)
{
    struct regex_set *set = rules->regexes;
    uint32_t options = regex->is_utf ? PCRE2_NO_UTF_CHECK : 0;
    bool is_watched = regex->watched != NULL && text.len > SHORT_TEXT;
    int got = pcre2_match(is_watched ? regex->watched : regex->code,
                          (PCRE2_SPTR)(text.len ? text.ptr : ""), text.len, 0, options, set->match,
                          is_watched ? set->watched_context : set->context);
    if (got == PCRE2_ERROR_NOMATCH)
        return REGEX_NO;
    if (got < 0)
        return REGEX_UNDECIDED;
    if (out_captures !=
        NULL) /* 0: more groups than the match block holds; those that fit are set */
        read_captures(set, got == 0 ? CAPTURES_MAX : got, text, out_captures);
    return REGEX_YES;
}
