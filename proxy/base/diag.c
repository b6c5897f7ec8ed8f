/* diag.c - problems are stored as they come and sorted when they are printed.
 *
 * What is shown comes from files that somebody else may have written, and goes to a terminal: every
 * octet that is not plain text is printed as \xNN, so that no file can move the cursor or hide what
 * it says. */
#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum {
    KEPT_MAX = 100,   /* of each severity; so a flood of warnings never hides an error */
    TEXT_MAX = 400,   /* octets of a message or hint */
    WINDOW_MAX = 120, /* octets shown of a long source line */
    WINDOW_LEAD = 60, /* of these, before the caret */
    NAME_LEN_MAX = 64,
};

struct source {
    char *file;
    char *text;
    size_t len;
};

struct problem {
    enum mw_severity severity;
    size_t file_rank; /* 0: no file; else 1 + the index of its source */
    uint32_t line, column, length;
    size_t serial; /* keeps the order of those at one place */
    char *message;
    char *hint;
};

struct mw_diags {
    struct source *sources; /* in the order in which the files were met */
    size_t source_count, source_cap;
    struct problem problems[2 * KEPT_MAX];
    size_t problem_count;
    size_t counts[2]; /* by severity: all of them */
};

struct mw_diags *mw_diags_new(void)
{
    return mw_xcalloc(1, sizeof(struct mw_diags));
}

void mw_diags_free(struct mw_diags **diags)
{
    struct mw_diags *d = *diags;
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->source_count; i++) {
        free(d->sources[i].file);
        free(d->sources[i].text);
    }
    for (size_t i = 0; i < d->problem_count; i++) {
        free(d->problems[i].message);
        free(d->problems[i].hint);
    }
    free(d->sources);
    free(d);
    *diags = NULL;
}

/* ---- collecting ---- */

/* The rank of a file, which is made known if it was not; sources never move, their count only
 * grows. */
static size_t rank_of(struct mw_diags *diags, const char *file)
{
    for (size_t i = 0; i < diags->source_count; i++)
        if (strcmp(diags->sources[i].file, file) == 0)
            return i;
    if (diags->source_count == diags->source_cap) {
        diags->source_cap = diags->source_cap ? diags->source_cap * 2 : 8;
        diags->sources = mw_xrealloc(diags->sources, diags->source_cap * sizeof *diags->sources);
    }
    diags->sources[diags->source_count] = (struct source){.file = mw_xstrdup(file)};
    return diags->source_count++;
}

void mw_diags_source(struct mw_diags *diags, const char *file, struct mw_slice text)
{
    size_t rank = rank_of(diags, file);
    struct source *source = &diags->sources[rank];
    free(source->text);
    source->text = mw_xalloc(text.len);
    source->len = text.len;
    if (text.len > 0)
        memcpy(source->text, text.ptr, text.len);
}

/* A heap copy of at most TEXT_MAX octets, cut between characters. */
static char *copy_text(const char *text)
{
    size_t len = strlen(text);
    if (len <= TEXT_MAX)
        return mw_xstrdup(text);
    len = TEXT_MAX;
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    struct mw_buf buf = {0};
    mw_buf_put(&buf, MW_SLICE(text, len));
    mw_buf_put(&buf, MW_LIT("..."));
    return mw_buf_detach_cstr(&buf);
}

void mw_diags_add(struct mw_diags *diags, enum mw_severity severity, const char *file,
                  uint32_t line, uint32_t column, uint32_t length, const char *hint,
                  const char *format, ...)
{
    char message[TEXT_MAX + 8];      /* more than is kept, so that copy_text() sees the overflow */
    if (severity != MW_DIAG_WARNING) /* a filter may say anything */
        severity = MW_DIAG_ERROR;
    if (diags->counts[severity]++ >= KEPT_MAX)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    struct problem *problem = &diags->problems[diags->problem_count];
    *problem = (struct problem){
        .severity = severity,
        .file_rank = file == NULL ? 0 : rank_of(diags, file) + 1,
        .line = line,
        .column = column,
        .length = length,
        .serial = diags->problem_count++,
        .message = copy_text(message),
        .hint = hint == NULL ? NULL : copy_text(hint),
    };
}

size_t mw_diags_errors(const struct mw_diags *diags)
{
    return diags->counts[MW_DIAG_ERROR];
}

size_t mw_diags_warnings(const struct mw_diags *diags)
{
    return diags->counts[MW_DIAG_WARNING];
}

/* ---- printing: characters ---- */

/* Characters that steer a terminal or reorder what is read: C0, DEL, C1, line separators,
 * bidirectional controls. */
static bool is_steering(const unsigned char *c, size_t len)
{
    if (len == 1)
        return (c[0] < ' ' && c[0] != '\t') || c[0] == 0x7f;
    if (len == 2)
        return c[0] == 0xc2 && c[1] < 0xa0;
    return len == 3 && c[0] == 0xe2 &&
           ((c[1] == 0x80 && c[2] >= 0xa8 && c[2] <= 0xae) ||
            (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9));
}

/* Print one character from the front; returns the octets used, and the columns that it takes (0 for
 * a tab, which the caret line repeats). */
static size_t print_char(struct mw_slice text, struct mw_buf *out, size_t *out_columns)
{
    bool is_valid;
    size_t len = mw_utf8_next(text, &is_valid);
    if (is_valid && !is_steering((const unsigned char *)text.ptr, len)) {
        mw_buf_put(out, mw_slice_take(text, len));
        *out_columns = text.ptr[0] == '\t' ? 0 : 1;
        return len;
    }
    mw_buf_putf(out, "\\x%02x", (unsigned char)text.ptr[0]);
    *out_columns = 4;
    return 1;
}

static void print_text(const char *text, struct mw_buf *out)
{
    struct mw_slice rest = mw_slice_cstr(text);
    size_t columns;
    while (rest.len > 0)
        rest = mw_slice_skip(rest, print_char(rest, out, &columns));
}

/* ---- printing: the source line ---- */

/* Line `number` (from 1) without its line end; false if the source has no such line. */
static bool find_line(struct mw_slice text, uint32_t number, struct mw_slice *out_line)
{
    struct mw_slice line, rest;
    if (mw_slice_starts(text, MW_LIT("\xef\xbb\xbf")))
        text = mw_slice_skip(text, 3);
    for (; number > 1; number--) {
        if (!mw_slice_split(text, '\n', &line, &rest))
            return false;
        text = rest;
    }
    if (number == 0)
        return false;
    ptrdiff_t end = mw_slice_find(text, '\n');
    line = end < 0 ? text : mw_slice_take(text, (size_t)end);
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    *out_line = line;
    return true;
}

static size_t char_start(struct mw_slice text, size_t at)
{
    for (size_t i = 0; i < 3 && at > 0 && at < text.len; i++, at--)
        if (((unsigned char)text.ptr[at] & 0xc0) != 0x80)
            break;
    return at;
}

/* The part of a long line that is shown: octets from *out_from to *out_to, with the caret's place
 * `at` inside. */
static void choose_window(struct mw_slice line, size_t at, size_t *out_from, size_t *out_to)
{
    *out_from = 0;
    *out_to = line.len;
    if (line.len <= WINDOW_MAX)
        return;
    if (at > WINDOW_MAX - WINDOW_LEAD)
        *out_from = char_start(line, at - WINDOW_LEAD);
    if (line.len - *out_from > WINDOW_MAX)
        *out_to = char_start(line, *out_from + WINDOW_MAX);
}

static void put_times(struct mw_buf *out, char c, size_t times)
{
    while (times-- > 0)
        mw_buf_putc(out, c);
}

/* The line, and below it the caret: both are built in one pass over the same characters. */
static void print_line(struct mw_slice line, const struct problem *problem, struct mw_buf *out)
{
    struct mw_buf caret = {0};
    size_t from, to, len, columns, caret_at = SIZE_MAX;
    size_t mark_at = problem->column > 0 ? problem->column - 1 : 0;
    size_t mark_end = mark_at + (problem->length > 0 ? problem->length : 1);
    mark_at = char_start(line, mark_at < line.len ? mark_at : line.len);
    choose_window(line, mark_at, &from, &to);
    mw_buf_putf(out, "%6u | %s", problem->line, from > 0 ? "..." : "");
    mw_buf_putf(&caret, "       | %s", from > 0 ? "   " : "");
    for (size_t at = from; at < to; at += len) {
        len = print_char(MW_SLICE(line.ptr + at, to - at), out, &columns);
        if (at == mark_at)
            caret_at = caret.len;
        if (at < mark_at && columns == 0)
            mw_buf_putc(&caret, '\t'); /* whatever a tab's width is, it is the same in both lines */
        else if (at < mark_end)
            put_times(&caret, at < mark_at ? ' ' : '~', columns > 0 ? columns : 1);
    }
    mw_buf_putf(out, "%s\n", to < line.len ? "..." : "");
    if (caret_at == SIZE_MAX) {
        caret_at = caret.len;
        mw_buf_putc(&caret, '^');
    }
    caret.ptr[caret_at] = '^';
    if (problem->column > 0) {
        mw_buf_put(out, mw_buf_view(&caret));
        mw_buf_putc(out, '\n');
    }
    mw_buf_fini(&caret);
}

/* ---- printing: problems ---- */

static void print_problem(const struct mw_diags *diags, const struct problem *problem,
                          struct mw_buf *out)
{
    if (problem->file_rank > 0) {
        print_text(diags->sources[problem->file_rank - 1].file, out);
        if (problem->line > 0)
            mw_buf_putf(out, ":%u", problem->line);
        if (problem->line > 0 && problem->column > 0)
            mw_buf_putf(out, ":%u", problem->column);
        mw_buf_put(out, MW_LIT(": "));
    }
    mw_buf_putf(out, "%s: ", problem->severity == MW_DIAG_ERROR ? "error" : "warning");
    print_text(problem->message, out);
    mw_buf_putc(out, '\n');
    if (problem->file_rank > 0) {
        const struct source *source = &diags->sources[problem->file_rank - 1];
        struct mw_slice line;
        if (source->text != NULL &&
            find_line(MW_SLICE(source->text, source->len), problem->line, &line))
            print_line(line, problem, out);
    }
    if (problem->hint != NULL) {
        mw_buf_put(out, MW_LIT("       = "));
        print_text(problem->hint, out);
        mw_buf_putc(out, '\n');
    }
}

static int order(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

static int compare_problems(const void *left, const void *right)
{
    const struct problem *a = *(const struct problem *const *)left;
    const struct problem *b = *(const struct problem *const *)right;
    int by_file = order(a->file_rank, b->file_rank);
    int by_line = order(a->line, b->line);
    int by_column = order(a->column, b->column);
    return by_file     ? by_file
           : by_line   ? by_line
           : by_column ? by_column
                       : order(a->serial, b->serial);
}

void mw_diags_print(const struct mw_diags *diags, struct mw_buf *out)
{
    const struct problem *sorted[2 * KEPT_MAX];
    for (size_t i = 0; i < diags->problem_count; i++)
        sorted[i] = &diags->problems[i];
    qsort(sorted, diags->problem_count, sizeof *sorted, compare_problems);
    for (size_t i = 0; i < diags->problem_count; i++)
        print_problem(diags, sorted[i], out);
    size_t all = diags->counts[MW_DIAG_ERROR] + diags->counts[MW_DIAG_WARNING];
    if (all > diags->problem_count)
        mw_buf_putf(out, "... and %zu more\n", all - diags->problem_count);
}

/* ---- near names ---- */

static size_t min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein (optimal string alignment) without regard to case; three rows are enough. */
static size_t distance(struct mw_slice a, struct mw_slice b)
{
    size_t rows[3][NAME_LEN_MAX + 1];
    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            char x = mw_lower(a.ptr[i - 1]), y = mw_lower(b.ptr[j - 1]);
            size_t best = min_of(above[j], row[j - 1]) + 1;
            best = min_of(best, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == mw_lower(b.ptr[j - 2]) && mw_lower(a.ptr[i - 2]) == y)
                best = min_of(best, above2[j - 2] + 1);
            row[j] = best;
        }
    }
    return rows[a.len % 3][b.len];
}

const char *mw_near_name(struct mw_slice word, const char *const *names)
{
    const char *nearest = NULL;
    size_t nearest_distance = SIZE_MAX;
    if (word.len == 0 || word.len > NAME_LEN_MAX)
        return NULL;
    for (; *names != NULL; names++) {
        struct mw_slice name = mw_slice_cstr(*names);
        if (name.len > NAME_LEN_MAX)
            continue;
        size_t d = distance(word, name);
        if (d < nearest_distance && d * 3 <= (word.len > name.len ? word.len : name.len)) {
            nearest = *names;
            nearest_distance = d;
        }
    }
    return nearest;
}
