/* replay.c - see replay.h. */
#include "cli/replay.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "cli/cli.h"
#include "cli/cli_priv.h"
#include "cli/json.h"

enum { ROWS_MAX = 10000, EXAMPLES_MAX = 5, BAR_WIDTH = 30, CHANGED = 1 };

/* Messages that came to the same pair of verdicts. */
struct row {
    struct mw_slice old_verdict, new_verdict;
    bool has_other_edits;
    size_t count;
    size_t examples[EXAMPLES_MAX]; /* the first ones by index */
    size_t example_count;
};

struct replay {
    struct mw_replay_setup setup;
    struct mw_replay_items items;
    bool is_json, has_bar;
    struct mw_arena arena;
    struct row rows[ROWS_MAX];
    size_t row_count, done, changed, edited, errors, lost;
    time_t shown;
};

/* ---- counting ---- */

static bool is_changed(const struct row *row)
{
    return !mw_slice_eq(row->old_verdict, row->new_verdict);
}

static struct row *row_of(struct replay *replay, const struct mw_replay_record *record)
{
    for (size_t i = 0; i < replay->row_count; i++) {
        struct row *row = &replay->rows[i];
        if (mw_slice_eq(row->old_verdict, record->old_verdict) &&
            mw_slice_eq(row->new_verdict, record->new_verdict) &&
            row->has_other_edits == record->has_other_edits)
            return row;
    }
    if (replay->row_count == ROWS_MAX)
        return NULL;
    struct row *row = &replay->rows[replay->row_count++];
    *row = (struct row){.old_verdict = mw_arena_dup(&replay->arena, record->old_verdict),
                        .new_verdict = mw_arena_dup(&replay->arena, record->new_verdict),
                        .has_other_edits = record->has_other_edits};
    return row;
}

static void add_example(struct row *row, size_t index)
{
    size_t at = row->example_count;
    while (at > 0 && row->examples[at - 1] > index)
        at--;
    if (at == EXAMPLES_MAX)
        return;
    size_t last = row->example_count < EXAMPLES_MAX ? row->example_count++ : EXAMPLES_MAX - 1;
    for (; last > at; last--)
        row->examples[last] = row->examples[last - 1];
    row->examples[at] = index;
}

static void show_bar(struct replay *replay, bool is_last)
{
    time_t now = time(NULL);
    if (!replay->has_bar || (now == replay->shown && !is_last))
        return;
    replay->shown = now;
    size_t filled = replay->items.count == 0 ? BAR_WIDTH
                                             : replay->done * BAR_WIDTH / replay->items.count;
    fprintf(stderr, "\r[%.*s%*s] %zu/%zu, %zu changed%s", (int)filled,
            "##############################", (int)(BAR_WIDTH - filled), "", replay->done,
            replay->items.count, replay->changed, is_last ? "\n" : "");
    fflush(stderr);
}

static void on_done(void *user, const struct mw_replay_record *record)
{
    struct replay *replay = user;
    replay->done++;
    if (record->is_error) {
        replay->errors++;
    } else {
        struct row *row = row_of(replay, record);
        if (row == NULL) {
            replay->lost++;
        } else {
            row->count++;
            add_example(row, record->index);
            replay->changed += is_changed(row);
            replay->edited += !is_changed(row) && row->has_other_edits;
        }
    }
    show_bar(replay, false);
}

static int by_count(const void *a, const void *b)
{
    const struct row *left = a, *right = b;
    bool left_changed = is_changed(left), right_changed = is_changed(right);
    if (left_changed != right_changed)
        return left_changed ? -1 : 1;
    if (left->count != right->count)
        return left->count > right->count ? -1 : 1;
    int order = mw_slice_cmp(left->old_verdict, right->old_verdict);
    return order != 0 ? order : mw_slice_cmp(left->new_verdict, right->new_verdict);
}

/* ---- telling ---- */

static void put_example(struct mw_buf *out, const struct replay *replay, size_t index)
{
    const struct mw_replay_item *item = &replay->items.items[index];
    mw_buf_putf(out, "%s", item->path);
    if (item->len > 0)
        mw_buf_putf(out, " at octet %llu", (unsigned long long)item->offset);
}

static void tell_row(const struct replay *replay, const struct row *row)
{
    bool has_new = replay->setup.new_config != NULL;
    printf("%8zu  %.*s", row->count, (int)row->old_verdict.len, row->old_verdict.ptr);
    if (has_new)
        printf("%s%.*s%s", is_changed(row) ? " -> " : "",
               is_changed(row) ? (int)row->new_verdict.len : 0, row->new_verdict.ptr,
               row->has_other_edits ? " (other edits)" : "");
    putchar('\n');
    for (size_t i = 0;
         i < row->example_count && (!has_new || is_changed(row) || row->has_other_edits); i++) {
        struct mw_buf example = {0};
        put_example(&example, replay, row->examples[i]);
        printf("          %.*s\n", (int)example.len, example.ptr);
        mw_buf_fini(&example);
    }
}

static void tell(const struct replay *replay)
{
    for (size_t i = 0; i < replay->row_count; i++)
        tell_row(replay, &replay->rows[i]);
    printf("%zu message%s", replay->done, replay->done == 1 ? "" : "s");
    if (replay->setup.new_config != NULL)
        printf(": %zu with another verdict, %zu with other edits", replay->changed, replay->edited);
    if (replay->errors > 0)
        printf(", %zu could not be read", replay->errors);
    if (replay->lost > 0)
        printf(", %zu with too many different verdicts to tell", replay->lost);
    putchar('\n');
}

static void tell_json(const struct replay *replay)
{
    struct mw_buf out = {0};
    struct mw_json json = {.out = &out};
    mw_json_open(&json, NULL, '{');
    mw_json_number(&json, "messages", replay->done);
    mw_json_number(&json, "changed", replay->changed);
    mw_json_number(&json, "edited", replay->edited);
    mw_json_number(&json, "errors", replay->errors);
    mw_json_open(&json, "verdicts", '[');
    for (size_t i = 0; i < replay->row_count; i++) {
        const struct row *row = &replay->rows[i];
        mw_json_open(&json, NULL, '{');
        mw_json_number(&json, "count", row->count);
        mw_json_text(&json, "old", row->old_verdict);
        if (replay->setup.new_config != NULL)
            mw_json_text(&json, "new", row->new_verdict);
        mw_json_bool(&json, "other_edits", row->has_other_edits);
        mw_json_open(&json, "examples", '[');
        for (size_t k = 0; k < row->example_count; k++) {
            struct mw_buf example = {0};
            put_example(&example, replay, row->examples[k]);
            mw_json_text(&json, NULL, mw_buf_view(&example));
            mw_buf_fini(&example);
        }
        mw_json_close(&json, ']');
        mw_json_close(&json, '}');
    }
    mw_json_close(&json, ']');
    mw_json_close(&json, '}');
    mw_buf_putc(&out, '\n');
    fwrite(out.ptr, 1, out.len, stdout);
    mw_buf_fini(&out);
}

/* ---- the command ---- */

static int usage(const char *problem, const char *value)
{
    return mw_cli_problem("replay", problem, value);
}

static int parse_options(int argc, char **argv, struct replay *replay)
{
    static const struct option long_options[] = {
        {"config", required_argument, NULL, 'c'},
        {"against", required_argument, NULL, 'a'},
        {"listener", required_argument, NULL, 'l'},
        {"client", required_argument, NULL, 'i'},
        {"from", required_argument, NULL, 'f'},
        {"to", required_argument, NULL, 't'},
        {"jobs", required_argument, NULL, 'j'},
        {"json", no_argument, NULL, 'J'},
        {NULL, 0, NULL, 0},
    };
    struct mw_replay_setup *setup = &replay->setup;
    const struct mw_cli_text texts[] = {
        {'c', &setup->old_config},
        {'a', &setup->new_config},
        {'l', &setup->listener},
        {'i', &setup->client},
        {'f', &setup->sender},
        {'t', &setup->rcpt},
        {0, NULL},
    };
    const char *jobs = NULL;
    uint64_t number;
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":c:j:", long_options, NULL)) != -1) {
        int status = mw_cli_take_option("replay", argv, option, texts);
        if (status != EX_OK)
            return status;
        replay->is_json |= option == 'J';
        jobs = option == 'j' ? optarg : jobs;
    }
    if (jobs != NULL && (mw_slice_to_u64(mw_slice_cstr(jobs), 64, &number) != MW_OK || number == 0))
        return usage("--jobs is a number from 1 to 64, not", jobs);
    if (jobs != NULL)
        setup->jobs = (unsigned)number;
    return optind < argc ? EX_OK
                         : usage("which mail? Files, directories, Maildirs or mboxes", NULL);
}

static unsigned default_jobs(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count > 64 ? 64 : (unsigned)count;
}

static int replay_all(struct replay *replay, char **paths)
{
    for (; *paths != NULL; paths++)
        if (!mw_replay_items_add(&replay->items, *paths))
            return EX_NOINPUT;
    if (replay->setup.jobs > replay->items.count)
        replay->setup.jobs = replay->items.count > 0 ? (unsigned)replay->items.count : 1;
    replay->setup.items = &replay->items;
    replay->has_bar = isatty(STDERR_FILENO) != 0;
    int status = mw_replay_run(&replay->setup, on_done, replay);
    if (status != EX_OK)
        return status;
    show_bar(replay, true);
    qsort(replay->rows, replay->row_count, sizeof *replay->rows, by_count);
    if (replay->is_json)
        tell_json(replay);
    else
        tell(replay);
    if (fflush(stdout) != 0)
        return EX_IOERR;
    return replay->errors > 0 || replay->done != replay->items.count ? EX_IOERR
           : replay->changed > 0                                     ? CHANGED
                                                                     : EX_OK;
}

int mw_replay_main(int argc, char **argv)
{
    struct replay *replay = mw_xcalloc(1, sizeof *replay);
    replay->setup = (struct mw_replay_setup){.old_config = MW_CONFIG_DEFAULT,
                                             .jobs = default_jobs()};
    int status = parse_options(argc, argv, replay);
    if (status == EX_OK)
        status = replay_all(replay, argv + optind);
    mw_replay_items_fini(&replay->items);
    mw_arena_fini(&replay->arena);
    free(replay);
    return status;
}
