/* rules_index.c - many regular expressions over messages of 5 KB: PCRE2 with its JIT, rule by rule,
 * against the index of literals with PCRE2 behind it, in the same run. Exit 1 if the hits differ.
 *
 *   bench_rules_index [--smoke] [CORPUS]
 *
 * CORPUS: a folder of messages; else those of SpamAssassin in ../shared/corpus beside the sources,
 * else texts are made up. Patterns are made up, too (`literal`: each needs a literal; `mixed`: 1 of 37
 * does not, and 1 of 71 is of the kind (?=.*a)(?=.*b), which are the shares that SpamAssassin's rules
 * had among ten thousand), and in front of these stand SpamAssassin's own where that is
 * installed. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <dirent.h>
#include <malloc.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "index.h"
#include "regex_kit.h"

enum {
    RULES_MAX = 10000,
    TEXTS_MAX = 200,
    TEXT = 5 * 1024,
    PATTERN = 2048,
    RULE_BY_RULE_MS = 1500, /* slow ones see as few texts as that takes; all are compared */
    WITHOUT_LITERAL = 37,
    TWO_AHEAD = 71,
};

struct pattern {
    char *text;
    const char *flags;
};
struct texts {
    char *text[TEXTS_MAX];
    size_t len[TEXTS_MAX], count, octets;
};

/* Of this thread: a machine with other work is no trouble. */
static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* ---- texts ---- */

static const char *const vocabulary[] = {
    "the",    "and",     "you",      "your",    "for",     "this",    "that",     "with",
    "free",   "offer",   "money",    "click",   "here",    "online",  "please",   "account",
    "email",  "message", "business", "order",   "price",   "million", "dollars",  "credit",
    "report", "list",    "address",  "name",    "company", "program", "people",   "remove",
    "send",   "receive", "internet", "service", "number",  "call",    "today",    "save",
    "viagra", "casino",  "lottery",  "winner",  "urgent",  "bank",    "transfer", "password",
    "verify", "invoice", "payment",  "bitcoin", "wallet",  "cheap",   "watches",  "pharmacy",
};
enum { VOCABULARY = sizeof vocabulary / sizeof *vocabulary };

static uint64_t random_state = 20261122;
static uint32_t random_below(uint32_t count)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * UINT64_C(2685821657736338717)) >> 33) % count;
}

static void add_text(struct texts *texts, const char *text, size_t len)
{
    if (texts->count == TEXTS_MAX || len < 100)
        return;
    char *mended = malloc(3 * len + 1);
    if (mended == NULL)
        abort();
    size_t mended_len = text_utf8_mend(SLICE(text, len), mended);
    texts->text[texts->count] = mended;
    texts->len[texts->count++] = mended_len;
    texts->octets += mended_len;
}

/* The body of a message: behind the first empty line. */
static struct mw_slice body_of(char *message, size_t len)
{
    char *lf = memmem(message, len, "\n\n", 2), *crlf = memmem(message, len, "\r\n\r\n", 4);
    char *body = crlf != NULL && (lf == NULL || crlf < lf) ? crlf : lf;
    return body == NULL ? EMPTY : SLICE(body, len - (size_t)(body - message));
}

/* Bodies one behind the other, cut into texts of 5 KB. */
static void read_corpus(struct texts *texts, const char *folder)
{
    static char room[64 * 1024], text[TEXT];
    struct builder out = {.ptr = text, .cap = TEXT};
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (file == NULL)
            continue;
        struct mw_slice body = body_of(room, fread(room, 1, sizeof room, file));
        fclose(file);
        for (size_t part; body.len > 0; body = text_skip(body, part)) {
            part = TEXT - out.len < body.len ? TEXT - out.len : body.len;
            builder_put(&out, SLICE(body.ptr, part));
            if (out.len < TEXT)
                continue;
            add_text(texts, text, TEXT);
            out.len = 0;
        }
    }
    if (dir != NULL)
        closedir(dir);
}

static void make_texts(struct texts *texts)
{
    static char room[TEXT + 64];
    for (int i = 0; i < TEXTS_MAX; i++) {
        struct builder out = {.ptr = room, .cap = TEXT};
        while (out.len < TEXT)
            builder_putf(&out, "%s%s", vocabulary[random_below(VOCABULARY)],
                         random_below(12)  ? " "
                         : random_below(2) ? ".\n"
                                           : " 42 ");
        add_text(texts, room, out.len);
    }
}

/* ---- patterns ---- */

/* One word in four is one that mails have. */
static const char *word(void)
{
    static const char *const syllables[] = {"ba",  "cro", "den", "fi",  "gul", "hak", "jo",  "ket",
                                            "lim", "mur", "nev", "pol", "qui", "rax", "sol", "tyn"};
    static char room[8][16];
    static unsigned turn;
    if (random_below(4) == 0)
        return vocabulary[random_below(VOCABULARY)];
    char *out = room[++turn % 8];
    snprintf(out, sizeof room[0], "%s%s%s", syllables[random_below(16)],
             syllables[random_below(16)], syllables[random_below(16)]);
    return out;
}

static void make_literal(char *out)
{
    const char *a = word(), *b = word(), *c = word(), *d = word();
    switch (random_below(8)) {
    case 0:
        snprintf(out, PATTERN, "\\b%s %s\\b", a, b);
        break;
    case 1:
        snprintf(out, PATTERN, "%s[\\s_-]{1,3}%s", a, b);
        break;
    case 2:
        snprintf(out, PATTERN, "(?:%s|%s|%s) .{0,20}\\b%s", a, b, c, d);
        break;
    case 3:
        snprintf(out, PATTERN, "https?://[^/\\s]{1,60}%s\\.(?:com|net|ru)/", a);
        break;
    case 4:
        snprintf(out, PATTERN, "^%s: .*%s", a, b);
        break;
    case 5:
        snprintf(out, PATTERN, "\\b%s[i1!]?%s", a, b);
        break;
    case 6:
        snprintf(out, PATTERN, "%s\\s+%s\\s+%s", a, b, c);
        break;
    default:
        snprintf(out, PATTERN, "\\$\\d{1,3}(?:,\\d{3})* (?:%s|%s)", a, b);
    }
}

static void make_without_literal(char *out)
{
    uint32_t n = 3 + random_below(40), m = random_below(26);
    switch (random_below(7)) {
    case 0:
        snprintf(out, PATTERN, "\\b[A-Z]{%u,60}\\b", n);
        break;
    case 1:
        snprintf(out, PATTERN, "\\b\\d{%u}-\\d{%u}\\b", n, 1 + m % 5);
        break;
    case 2:
        snprintf(out, PATTERN, "[^\\x00-\\x7f]{%u}", n);
        break;
    case 3:
        snprintf(out, PATTERN, "\\b(?:[a-z]\\s){%u,60}[%c-z]", n, 'a' + (char)m);
        break;
    case 4:
        snprintf(out, PATTERN, "[!?]{%u}|[%c$]{%u}", n, 'a' + (char)m, n);
        break;
    case 5:
        snprintf(out, PATTERN, "^[^a-z]{%u,}$", n);
        break;
    default:
        snprintf(out, PATTERN, "%c\\d[%c-z]\\d{%u}", 'a' + (char)m, 'a' + (char)m, n % 4 + 1);
    }
}

static size_t add_pattern(struct pattern *patterns, size_t count, const char *text,
                          const char *flags)
{
    patterns[count] = (struct pattern){strdup(text), flags};
    return count + 1;
}

/* "body NAME /.../i": the patterns of SpamAssassin, if it is there. */
static size_t read_line(struct pattern *patterns, size_t count, char *line)
{
    char *begin = strstr(line, " /"), *end = strrchr(line, '/');
    if ((strncmp(line, "body ", 5) != 0 && strncmp(line, "rawbody ", 8) != 0) || begin == NULL ||
        end <= begin + 2 || count >= RULES_MAX)
        return count;
    const char *flags = strchr(end, 'i') ? "i" : "";
    *end = '\0';
    return add_pattern(patterns, count, begin + 2, flags);
}

static size_t read_spamassassin(struct pattern *patterns)
{
    static const char folder[] = "/usr/share/spamassassin";
    size_t count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        char path[4096], line[8192];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE *file = strstr(entry->d_name, ".cf") ? fopen(path, "r") : NULL;
        while (file != NULL && fgets(line, sizeof line, file) != NULL)
            count = read_line(patterns, count, line);
        if (file != NULL)
            fclose(file);
    }
    if (dir != NULL)
        closedir(dir);
    return count;
}

static void make_patterns(struct pattern *patterns, bool is_mixed)
{
    size_t count = is_mixed ? read_spamassassin(patterns) : 0;
    if (count > 0)
        printf("%zu patterns of SpamAssassin\n", count);
    while (count < RULES_MAX) {
        char text[PATTERN];
        if (is_mixed && count % WITHOUT_LITERAL == WITHOUT_LITERAL - 1)
            make_without_literal(text);
        else if (is_mixed && count % TWO_AHEAD == TWO_AHEAD - 1)
            snprintf(text, sizeof text, "(?=.*%s)(?=.*%s)", word(), word());
        else
            make_literal(text);
        count = add_pattern(patterns, count, text, count % 3 ? "im" : "m");
    }
}

/* ---- the two ways ---- */

struct set {
    struct mw_instance instance;
    struct rules *rules;
    struct regex_scratch *scratch;
    struct regex **regexes; /* NULL: PCRE2 does not want the pattern */
    uint32_t *always;       /* those without literals */
    size_t count, always_count, risky_count;
    struct index *index;
    struct index_scan *scan;
    double load_ms, index_ms;
    size_t memory;
};

static size_t memory_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void load(struct set *set, const struct pattern *patterns, size_t count)
{
    struct place place = {.file = "bench"};
    size_t before = memory_in_use();
    double from = now_ms();
    set->rules = regex_kit_open(&set->instance, 1000000);
    set->scratch = rules_regex_scratch_new(set->rules);
    set->regexes = calloc(count, sizeof(struct regex *));
    set->always = calloc(count, sizeof *set->always);
    if (set->regexes == NULL || set->always == NULL)
        abort();
    set->count = count;
    for (size_t i = 0; i < count; i++)
        set->regexes[i] = rules_regex_compile(set->rules, slice_of(patterns[i].text),
                                              slice_of(patterns[i].flags), &place, true);
    double begun = now_ms();
    set->index = rules_index_new();
    for (uint32_t i = 0; i < count; i++) {
        const struct regex *regex = set->regexes[i];
        const struct literals *literals = regex == NULL ? NULL : rules_regex_literals(regex);
        rules_index_add(set->index, literals);
        if (regex != NULL && literals == NULL)
            set->always[set->always_count++] = i;
        set->risky_count += regex != NULL && rules_regex_class(regex) == REGEX_RISKY;
    }
    rules_index_finish(set->index);
    double end = now_ms();
    set->scan = rules_index_scan_new(set->index);
    set->load_ms = end - from;
    set->index_ms = end - begun;
    set->memory = memory_in_use() - before;
}

static void unload(struct set *set)
{
    rules_index_scan_free(&set->scan);
    rules_index_free(&set->index);
    rules_regex_scratch_free(&set->scratch);
    regex_kit_close(&set->instance, set->rules);
    free(set->regexes);
    free(set->always);
    malloc_trim(0);
}

/* Sums that differ if hits differ: each hit is a text and a rule. */
static uint64_t hit_mark(size_t text, size_t rule)
{
    uint64_t mark = (text + 1) * UINT64_C(0x9e3779b97f4a7c15) ^
                    (rule + 1) * UINT64_C(0xc2b2ae3d27d4eb4f);
    return mark ^ mark >> 29;
}

static uint64_t try_rule(struct set *set, const struct texts *texts, size_t text, uint32_t rule)
{
    struct mw_slice subject = SLICE(texts->text[text], texts->len[text]);
    return rules_regex_match(set->scratch, set->regexes[rule], subject, NULL) == REGEX_YES
               ? hit_mark(text, rule)
               : 0;
}

/* Returns the sum of the hits. */
static uint64_t play_index(struct set *set, const struct texts *texts, size_t text,
                           size_t *candidates)
{
    uint64_t sum = 0;
    size_t count;
    rules_regex_begin(set->scratch, 10000000);
    rules_index_scan_begin(set->scan);
    rules_index_scan_text(set->scan, SLICE(texts->text[text], texts->len[text]));
    const uint32_t *ids = rules_index_candidates(set->scan, &count);
    for (size_t i = 0; i < count; i++)
        sum += try_rule(set, texts, text, ids[i]);
    for (size_t i = 0; i < set->always_count; i++)
        sum += try_rule(set, texts, text, set->always[i]);
    *candidates += count;
    return sum;
}

/* PCRE2 as anybody would use it. */
struct plain {
    pcre2_code **codes;
    pcre2_match_data *data;
};

static void load_plain(struct plain *plain, const struct pattern *patterns, size_t count)
{
    plain->codes = calloc(count, sizeof(pcre2_code *));
    plain->data = pcre2_match_data_create(1, NULL);
    if (plain->codes == NULL || plain->data == NULL)
        abort();
    for (size_t i = 0; i < count; i++) {
        int error;
        size_t offset;
        uint32_t options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C;
        options |= strchr(patterns[i].flags, 'i') ? PCRE2_CASELESS : 0;
        options |= strchr(patterns[i].flags, 'm') ? PCRE2_MULTILINE : 0;
        plain->codes[i] = pcre2_compile((PCRE2_SPTR)patterns[i].text, PCRE2_ZERO_TERMINATED,
                                        options, &error, &offset, NULL);
        if (plain->codes[i] != NULL)
            pcre2_jit_compile(plain->codes[i], PCRE2_JIT_COMPLETE);
    }
}

static uint64_t play_plain(const struct plain *plain, size_t count, const struct texts *texts,
                           size_t text)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        if (plain->codes[i] != NULL &&
            pcre2_match(plain->codes[i], (PCRE2_SPTR)texts->text[text], texts->len[text], 0,
                        PCRE2_NO_UTF_CHECK, plain->data, NULL) >= 0)
            sum += hit_mark(text, i);
    return sum;
}

static void unload_plain(struct plain *plain, size_t count)
{
    for (size_t i = 0; i < count; i++)
        pcre2_code_free(plain->codes[i]);
    pcre2_match_data_free(plain->data);
    free(plain->codes);
}

/* ---- rounds ---- */

struct figures {
    double plain_ms, index_ms; /* a message */
    bool is_same;
};

static struct figures compare(const struct pattern *patterns, size_t count,
                              const struct texts *texts, const char *kind)
{
    struct plain plain;
    struct set set = {.count = 0};
    struct figures figures = {.is_same = true};
    uint64_t plain_sums[TEXTS_MAX];
    size_t played = 0, candidates = 0, octets = 0;
    load_plain(&plain, patterns, count);
    load(&set, patterns, count);
    play_plain(&plain, count, texts, 0); /* caches, and the JIT of the other side */
    for (size_t i = 0; i < texts->count; i++)
        play_index(&set, texts, i, &candidates);
    double from = now_ms();
    while (played < texts->count && (played < 3 || now_ms() - from < RULE_BY_RULE_MS)) {
        plain_sums[played] = play_plain(&plain, count, texts, played);
        octets += texts->len[played++];
    }
    figures.plain_ms = (now_ms() - from) / (double)played;
    double plain_mb = (double)octets / 1e3 / figures.plain_ms / (double)played;
    candidates = 0;
    double best = 1e9;
    for (int round = 0; round < 3; round++) {
        candidates = 0;
        from = now_ms();
        for (size_t i = 0; i < texts->count; i++) {
            uint64_t sum = play_index(&set, texts, i, &candidates);
            figures.is_same &= i >= played || sum == plain_sums[i];
        }
        double ms = now_ms() - from;
        best = ms < best ? ms : best;
    }
    figures.index_ms = best / (double)texts->count;
    printf("%-8s %6zu %9.2f %9.3f %9.1f %9.3f %7.1f %6.1f %6zu %6zu %8.1f %7.1f %7.1f %7zu %s\n",
           kind, count, plain_mb, figures.plain_ms, (double)texts->octets / 1e3 / best,
           figures.index_ms, figures.plain_ms / figures.index_ms,
           (double)candidates / (double)texts->count, set.always_count, set.risky_count,
           set.load_ms, set.index_ms, (double)set.memory / 1048576,
           rules_index_memory(set.index) / 1024, figures.is_same ? "same" : "HITS DIFFER");
    unload(&set);
    unload_plain(&plain, count);
    return figures;
}

/* Ten thousand literals that no text has. */
static void scan_for_nothing(const struct texts *texts)
{
    struct index *index = rules_index_new();
    for (int i = 0; i < RULES_MAX; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s%d", word(), 1000000 + i * 997);
        struct mw_slice literal = slice_of(text);
        struct literal_clause clause = {&literal, 1};
        rules_index_add(index, &(struct literals){&clause, 1});
    }
    rules_index_finish(index);
    struct index_scan *scan = rules_index_scan_new(index);
    double best = 1e9;
    size_t count = 0;
    for (int round = 0; round < 20; round++) {
        double from = now_ms();
        for (size_t i = 0; i < texts->count; i++) {
            rules_index_scan_begin(scan);
            rules_index_scan_text(scan, SLICE(texts->text[i], texts->len[i]));
        }
        double ms = now_ms() - from;
        best = ms < best ? ms : best;
    }
    rules_index_candidates(scan, &count);
    printf("\nlooking for 10,000 literals that are not there: %.0f MB/s (%zu found)\n",
           (double)texts->octets / 1e3 / best, count);
    rules_index_scan_free(&scan);
    rules_index_free(&index);
}

int main(int argc, char **argv)
{
    static struct pattern patterns[2][RULES_MAX];
    static struct texts texts;
    static const char *const kinds[2] = {"literal", "mixed"};
    bool is_smoke = argc > 1 && strcmp(argv[1], "--smoke") == 0;
    const char *folder = argc > 1 + is_smoke ? argv[1 + is_smoke]
                                             : BENCH_SOURCE_DIR
                             "/../shared/corpus/spamassassin-spam";
    read_corpus(&texts, folder);
    if (texts.count == 0)
        make_texts(&texts);
    printf("%zu texts of %zu octets\n", texts.count, texts.octets / texts.count);
    printf("%-8s %6s %9s %9s %9s %9s %7s %6s %6s %6s %8s %7s %7s %7s\n", "kind", "rules", "PCRE2",
           "ms/msg", "index", "ms/msg", "ratio", "cand.", "always", "risky", "load ms", "index",
           "MB", "idx KB");
    bool is_same = true;
    for (int kind = 0; kind < 2; kind++) {
        make_patterns(patterns[kind], kind == 1);
        double hundred_ms = 0;
        for (size_t count = 10; count <= (is_smoke ? 100 : RULES_MAX); count *= 10) {
            struct figures figures = compare(patterns[kind], count, &texts, kinds[kind]);
            is_same &= figures.is_same;
            hundred_ms = count == 100 ? figures.index_ms : hundred_ms;
            if (count == RULES_MAX)
                printf("%-8s 100 to 10,000 rules: %.1f times\n", kinds[kind],
                       figures.index_ms / hundred_ms);
        }
    }
    if (!is_smoke)
        scan_for_nothing(&texts);
    for (size_t i = 0; i < 2 * RULES_MAX; i++)
        free(patterns[i / RULES_MAX][i % RULES_MAX].text);
    for (size_t i = 0; i < texts.count; i++)
        free(texts.text[i]);
    return is_same ? 0 : 1;
}
