/* regex.c - patterns are read and compiled when the set is loaded, each once however often it is
 * used; the just-in-time compiler takes a pattern when it is first matched. Of ten thousand patterns
 * an ordinary message runs a few dozen, and the JIT would make up three quarters of the time and
 * nine tenths of the memory of loading them all.
 *
 * Bounds. PCRE2's match, depth and heap limits stop exponential patterns within milliseconds, but
 * they count anew at each place where a match may begin, and the JIT does not count plain repeats
 * at all: /\s+$/ on a megabyte of blanks would take minutes. So
 *   - a pattern that may take more than a bounded time for each octet (regex_class.c), or that could
 *     not be analysed, is of class C whether or not it has literals: it is compiled with a callout
 *     at every item, which looks at the clock (2 to 3 times as slow);
 *   - the others are tried on long texts some thousand starting places at a time, with a look at
 *     the clock between. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "clock.h"
#include "regex_priv.h"

#include <pcre2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    DEPTH_LIMIT = 10000,
    HEAP_LIMIT_KIB = 1024,
    JIT_STACK_MIN = 32 * 1024,
    JIT_STACK_MAX = 512 * 1024,
    PATTERN_MAX = 8192,
    SHORT_TEXT = 128,            /* octets: tried even when the time is over */
    PLACES = 16 * 1024,          /* that patterns of class A and B are tried at between two looks */
    OCTETS_A_LOOK = 1024 * 1024, /* class C: what may be read between two looks, at worst */
    CALLOUTS_A_LOOK = 256,       /* ... and callouts */
    TABLE_MIN = 64,
};

/* Compiled by the JIT when first matched: by one thread, before any matches with it. */
struct program {
    pcre2_code *code;
    atomic_bool is_ready;
};

struct regex {
    struct program *program; /* class C: with callouts */
    struct regex_set *set;
    enum regex_class class;
    bool is_utf, is_hopeless;
    uint32_t groups, options;
    struct mw_slice pattern;
    struct literals literals; /* count 0: none */
};

struct regex_set {
    struct regex **table; /* all, by hash of pattern and options; NULL: free */
    size_t count, cap;
    pcre2_compile_context *context;
    pthread_mutex_t jit_lock;
    bool has_jit, is_refused, has_warned;
};

struct regex_scratch {
    pcre2_match_data *match;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    uint32_t callouts, callouts_a_look;
    bool is_over;
    size_t places;                   /* tried since the last look at the clock */
    uint64_t budget_us, deadline_us; /* deadline 0: nobody has looked at the clock yet */
};

/* ---- the clock ---- */

bool rules_regex_is_late(struct regex_scratch *scratch)
{
    if (scratch->is_over)
        return true;
    scratch->places = 0;
    uint64_t now = rules_clock_us();
    if (scratch->deadline_us == 0)
        scratch->deadline_us = now + scratch->budget_us;
    scratch->is_over = now > scratch->deadline_us;
    return scratch->is_over;
}

void rules_regex_begin(struct regex_scratch *scratch, uint64_t budget_us)
{
    scratch->budget_us = budget_us;
    scratch->deadline_us = 0;
    scratch->is_over = false;
}

static int on_callout(pcre2_callout_block *block, void *data)
{
    struct regex_scratch *scratch = data;
    (void)block;
    if (++scratch->callouts < scratch->callouts_a_look)
        return 0;
    scratch->callouts = 0;
    return rules_regex_is_late(scratch) ? PCRE2_ERROR_CALLOUT : 0;
}

/* ---- life ---- */

/* Does this system let the JIT have memory to write and execute? */
static bool is_jit_refused(void)
{
    int code;
    size_t offset;
    pcre2_code *probe = pcre2_compile((PCRE2_SPTR) "a", 1, 0, &code, &offset, NULL);
    bool is_refused = probe == NULL || pcre2_jit_compile(probe, PCRE2_JIT_COMPLETE) != 0;
    pcre2_code_free(probe);
    return is_refused;
}

void rules_regex_open(struct rules *rules)
{
    struct regex_set *set = rules_keep(rules, sizeof *set);
    uint32_t jit = 0;
    pcre2_config(PCRE2_CONFIG_JIT, &jit);
    set->has_jit = jit != 0;
    set->is_refused = jit != 0 && is_jit_refused();
    set->context = pcre2_compile_context_create(NULL);
    if (set->context == NULL || pthread_mutex_init(&set->jit_lock, NULL) != 0)
        abort(); /* out of memory: nothing has been accepted yet */
    /* whatever the library was built with: the tree takes comments of /x to end there */
    pcre2_set_newline(set->context, PCRE2_NEWLINE_LF);
    rules->regexes = set;
}

struct regex_scratch *rules_regex_scratch_new(const struct rules *rules)
{
    struct regex_scratch *scratch = calloc(1, sizeof *scratch);
    if (scratch == NULL)
        abort(); /* out of memory: nothing has been accepted yet */
    scratch->match = pcre2_match_data_create(CAPTURES_MAX + 1, NULL);
    scratch->context = pcre2_match_context_create(NULL);
    if (scratch->match == NULL || scratch->context == NULL)
        abort();
    pcre2_set_match_limit(scratch->context, (uint32_t)rules->match_limit);
    pcre2_set_depth_limit(scratch->context, DEPTH_LIMIT);
    pcre2_set_heap_limit(scratch->context, HEAP_LIMIT_KIB);
    pcre2_set_callout(scratch->context, on_callout, scratch);
    if (rules->regexes->has_jit)
        scratch->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
    if (scratch->stack != NULL)
        pcre2_jit_stack_assign(scratch->context, NULL, scratch->stack);
    return scratch;
}

void rules_regex_scratch_free(struct regex_scratch **scratch_at)
{
    struct regex_scratch *scratch = *scratch_at;
    *scratch_at = NULL;
    if (scratch == NULL)
        return;
    pcre2_jit_stack_free(scratch->stack);
    pcre2_match_context_free(scratch->context);
    pcre2_match_data_free(scratch->match);
    free(scratch);
}

void rules_regex_close(struct rules *rules)
{
    struct regex_set *set = rules->regexes;
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->cap; i++)
        if (set->table[i] != NULL)
            pcre2_code_free(set->table[i]->program->code);
    free(set->table);
    pcre2_compile_context_free(set->context);
    pthread_mutex_destroy(&set->jit_lock);
    rules->regexes = NULL;
}

/* ---- each pattern once ---- */

static size_t slot_of(const struct regex_set *set, struct mw_slice pattern, uint32_t options)
{
    uint64_t hash = text_hash(pattern, false) ^ options * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (hash ^ hash >> 32) & (set->cap - 1);
    while (set->table[at] != NULL &&
           (set->table[at]->options != options || !text_eq(set->table[at]->pattern, pattern)))
        at = (at + 1) & (set->cap - 1);
    return at;
}

static void make_larger(struct regex_set *set)
{
    struct regex **old = set->table;
    size_t old_cap = set->cap;
    set->cap = old_cap == 0 ? TABLE_MIN : old_cap * 2;
    set->table = calloc(set->cap, sizeof(struct regex *));
    if (set->table == NULL)
        abort();
    for (size_t i = 0; i < old_cap; i++)
        if (old[i] != NULL)
            set->table[slot_of(set, old[i]->pattern, old[i]->options)] = old[i];
    free(old);
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
static void warn_of_no_jit(struct rules *rules, const struct place *place)
{
    struct regex_set *set = rules->regexes;
    if (set->has_warned || (set->has_jit && !set->is_refused))
        return;
    set->has_warned = true;
    if (!set->has_jit)
        rules_warning(rules, place,
                      "a PCRE2 library with the JIT makes matching 3 to 5 times faster",
                      "this PCRE2 has no just-in-time compiler");
    else
        rules_warning(rules, place, "MemoryDenyWriteExecute= in the unit would cause this",
                      "the just-in-time compiler is refused memory; patterns run 3 to 5 times "
                      "slower");
}

/* One block holds them all. */
static struct literals keep_literals(struct rules *rules, const struct literals *literals)
{
    size_t slices = 0, octets = 0;
    for (size_t i = 0; i < literals->count; i++)
        for (size_t k = 0; k < literals->clauses[i].count; k++, slices++)
            octets += literals->clauses[i].any[k].len;
    struct literal_clause *clauses = rules_keep(
        rules, literals->count * sizeof *clauses + slices * sizeof(struct mw_slice) + octets);
    struct mw_slice *slice = (struct mw_slice *)(clauses + literals->count);
    char *octet = (char *)(slice + slices);
    for (size_t i = 0; i < literals->count; i++) {
        clauses[i] = (struct literal_clause){slice, literals->clauses[i].count};
        for (size_t k = 0; k < clauses[i].count; k++) {
            struct mw_slice from = literals->clauses[i].any[k];
            memcpy(octet, from.ptr, from.len);
            *slice++ = SLICE(octet, from.len);
            octet += from.len;
        }
    }
    return (struct literals){clauses, literals->count};
}

/* What the pattern's text tells. */
static void analyse(struct rules *rules, struct regex *regex, struct mw_slice flags)
{
    struct regex_tree tree;
    struct literal_room room;
    struct literals literals;
    regex->class = REGEX_RISKY;
    if (!rules_tree_read(regex->pattern, flags, regex->is_utf, &tree))
        return;
    bool has_some = rules_literals_of_tree(tree.root, regex->is_utf, &room, &literals);
    if (has_some)
        regex->literals = keep_literals(rules, &literals);
    if (!rules_tree_is_risky(tree.root))
        regex->class = has_some ? REGEX_LITERAL : REGEX_LINEAR;
    regex->is_hopeless = rules_tree_is_hopeless(tree.root);
    rules_tree_fini(&tree);
}

static struct regex *new_regex(struct rules *rules, struct mw_slice pattern, struct mw_slice flags,
                               uint32_t options)
{
    struct regex *regex = rules_keep(rules, sizeof *regex);
    regex->program = rules_keep(rules, sizeof *regex->program);
    regex->set = rules->regexes;
    regex->options = options;
    regex->is_utf = (options & PCRE2_UTF) != 0;
    regex->pattern = rules_keep_text(rules, pattern);
    analyse(rules, regex, flags);
    return regex;
}

/* Class A and B are told where to stop trying; class C calls out. */
static pcre2_code *compile(struct rules *rules, struct mw_slice pattern, uint32_t options,
                           const struct place *place)
{
    int code;
    size_t offset;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len, options, &code,
                                         &offset, rules->regexes->context);
    if (compiled == NULL)
        report_compile_error(rules, place, code, offset);
    return compiled;
}

/* PCRE2 has the first word: the tree is only read from what it accepts. */
static struct regex *compile_new(struct rules *rules, struct mw_slice pattern,
                                 struct mw_slice flags, uint32_t options, const struct place *place)
{
    pcre2_code *code = compile(rules, pattern, options | PCRE2_USE_OFFSET_LIMIT, place);
    if (code == NULL)
        return NULL;
    struct regex *regex = new_regex(rules, pattern, flags, options);
    if (regex->class == REGEX_RISKY) {
        pcre2_code_free(code);
        code = compile(rules, pattern, options | PCRE2_AUTO_CALLOUT, place);
        if (code == NULL)
            return NULL; /* too large with the callouts */
    }
    regex->program->code = code;
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &regex->groups);
    return regex;
}

struct regex *rules_regex_compile(struct rules *rules, struct mw_slice pattern,
                                  struct mw_slice flags, const struct place *place, bool is_utf)
{
    struct regex_set *set = rules->regexes;
    /* (*UTF) in front would make a pattern over raw octets expect what these are not */
    uint32_t options = PCRE2_NEVER_BACKSLASH_C | (is_utf ? PCRE2_UTF : PCRE2_NEVER_UTF);
    if (!read_flags(rules, flags, place, &options))
        return NULL;
    if (pattern.len > PATTERN_MAX) {
        rules_error(rules, place, NULL, "regular expression of more than %d octets", PATTERN_MAX);
        return NULL;
    }
    if (set->count * 2 >= set->cap)
        make_larger(set);
    size_t slot = slot_of(set, pattern, options);
    if (set->table[slot] != NULL)
        return set->table[slot];
    struct regex *regex = compile_new(rules, pattern, flags, options, place);
    if (regex == NULL)
        return NULL;
    warn_of_no_jit(rules, place);
    set->table[slot] = regex;
    set->count++;
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
    bool has_choice = text_find(pattern, '|') >= 0;
    if (pattern.len == 0) {
        rules_warning(rules, place, NULL, "an empty regular expression matches everything");
    } else if (regex->is_hopeless) {
        rules_warning(rules, place, "with flag m, ^ and $ stand at each line",
                      "this regular expression can never match: it wants text before the beginning "
                      "or behind the end");
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

struct mw_slice rules_regex_source(const struct regex *regex, char out_flags[5])
{
    static const struct {
        uint32_t option;
        char letter;
    } letters[] = {
        {PCRE2_CASELESS, 'i'}, {PCRE2_MULTILINE, 'm'}, {PCRE2_DOTALL, 's'}, {PCRE2_EXTENDED, 'x'}};
    size_t count = 0;
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (regex->options & letters[i].option)
            out_flags[count++] = letters[i].letter;
    out_flags[count] = '\0';
    return regex->pattern;
}

bool rules_regex_is_utf(const struct regex *regex)
{
    return regex->is_utf;
}

enum regex_class rules_regex_class(const struct regex *regex)
{
    return regex->class;
}

const struct literals *rules_regex_literals(const struct regex *regex)
{
    return regex->literals.count > 0 ? &regex->literals : NULL;
}

int rules_regex_group(const struct regex *regex, struct mw_slice name)
{
    char text[64];
    if (name.len == 0 || name.len >= sizeof text)
        return -1;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    int number = pcre2_substring_number_from_name(regex->program->code, (PCRE2_SPTR)text);
    return number > 0 ? number : -1;
}

/* ---- matching ---- */

/* No thread matches before the JIT has finished: it writes into the code. A pattern that it refuses
 * is interpreted. */
static const pcre2_code *ready_code(const struct regex *regex)
{
    struct program *program = regex->program;
    if (atomic_load_explicit(&program->is_ready, memory_order_acquire))
        return program->code;
    pthread_mutex_lock(&regex->set->jit_lock);
    if (!atomic_load_explicit(&program->is_ready, memory_order_relaxed)) {
        if (regex->set->has_jit)
            pcre2_jit_compile(program->code, PCRE2_JIT_COMPLETE);
        atomic_store_explicit(&program->is_ready, true, memory_order_release);
    }
    pthread_mutex_unlock(&regex->set->jit_lock);
    return program->code;
}

static void read_captures(const struct regex_scratch *scratch, int count, struct mw_slice text,
                          struct mw_slice *out_captures)
{
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(scratch->match);
    for (int i = 0; i < CAPTURES_MAX; i++) {
        bool is_set = i < count && ends[2 * i] != PCRE2_UNSET && ends[2 * i] <= ends[2 * i + 1];
        out_captures[i] = is_set ? SLICE(text.ptr + ends[2 * i], ends[2 * i + 1] - ends[2 * i])
                                 : EMPTY;
    }
}

static int match_once(struct regex_scratch *scratch, const struct regex *regex,
                      const pcre2_code *code, struct mw_slice text, size_t from, size_t to)
{
    uint32_t options = regex->is_utf ? PCRE2_NO_UTF_CHECK : 0;
    pcre2_set_offset_limit(scratch->context, to);
    return pcre2_match(code, (PCRE2_SPTR)(text.len ? text.ptr : ""), text.len, from, options,
                       scratch->match, scratch->context);
}

/* So many starting places at a time; each piece begins at a character. */
static int match_by_pieces(struct regex_scratch *scratch, const struct regex *regex,
                           const pcre2_code *code, struct mw_slice text)
{
    for (size_t from = 0, to; from < text.len; from = to) {
        for (to = from + PLACES;
             regex->is_utf && to < text.len && ((unsigned char)text.ptr[to] & 0xc0) == 0x80;)
            to++;
        bool is_last = to >= text.len;
        int got = match_once(scratch, regex, code, text, from, is_last ? PCRE2_UNSET : to - 1);
        if (got != PCRE2_ERROR_NOMATCH || is_last)
            return got;
        if (rules_regex_is_late(scratch))
            return PCRE2_ERROR_CALLOUT;
    }
    return PCRE2_ERROR_NOMATCH;
}

/* A match of class C looks at the clock each time, the others when they have had a longish text
 * between them. */
static bool has_no_time(struct regex_scratch *scratch, bool is_risky, size_t len)
{
    if (is_risky)
        return rules_regex_is_late(scratch);
    if (len <= SHORT_TEXT)
        return false;
    scratch->places += len;
    return scratch->is_over || scratch->deadline_us == 0 || scratch->places > PLACES
               ? rules_regex_is_late(scratch)
               : false;
}

/* Between two callouts one item may read all of the text; the clock costs as much as many of them. */
static uint32_t callouts_a_look(size_t len)
{
    size_t count = len > 0 ? OCTETS_A_LOOK / len : CALLOUTS_A_LOOK;
    return count > CALLOUTS_A_LOOK ? CALLOUTS_A_LOOK : count > 0 ? (uint32_t)count : 1;
}

enum regex_result rules_regex_match(struct regex_scratch *scratch, const struct regex *regex,
                                    struct mw_slice text, struct mw_slice *out_captures)
{
    bool is_risky = regex->class == REGEX_RISKY;
    if (has_no_time(scratch, is_risky, text.len))
        return REGEX_UNDECIDED;
    if (is_risky)
        scratch->callouts_a_look = callouts_a_look(text.len);
    const pcre2_code *code = ready_code(regex);
    int got = is_risky || text.len <= PLACES
                  ? match_once(scratch, regex, code, text, 0, PCRE2_UNSET)
                  : match_by_pieces(scratch, regex, code, text);
    if (got == PCRE2_ERROR_NOMATCH)
        return REGEX_NO;
    if (got < 0)
        return REGEX_UNDECIDED;
    if (out_captures !=
        NULL) /* 0: more groups than the match block holds; those that fit are set */
        read_captures(scratch, got == 0 ? CAPTURES_MAX : got, text, out_captures);
    return REGEX_YES;
}
