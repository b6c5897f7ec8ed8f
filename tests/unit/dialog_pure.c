/* dialog_pure.c - plays every dialog of tests/system/dialogs against the pure session, with a fake
 * clock, in several ways that must make no difference to what is said:
 *
 *   plain            each paragraph arrives in one read
 *   octet by octet   everything that a peer sends arrives one octet at a time
 *   slow peers       nobody takes a reply or a command before its paragraph has gone out
 *   hasty filters    a filter that waits decides at once (else as late as it can)
 *   spool on disk    nothing of a spooled message is kept in memory; and again with a disk that is
 *                    not ready before the paragraph has gone out
 *   other plan       dialogs with "plan any" once more under the spool plan
 *
 * Before a peer may do the next thing, all that was said so far must have been expected: the
 * session is deterministic here, so a reply that comes too early is seen. Arguments: words; only
 * dialogs whose path holds one of them are played. */
#include "dialog.h"
#include "pure.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    READ_MAX = 65536,     /* octets of one read, as the driver's */
    MANY_OCTETS = 100000, /* more than that are cut into larger pieces, for speed */
};

struct way {
    const char *name;
    bool is_cut, is_slow, is_hasty, is_on_disk, is_disk_slow, is_other_plan;
};
static const struct way ways[] = {
    {.name = "plain"},
    {.name = "octet by octet", .is_cut = true},
    {.name = "slow peers", .is_slow = true},
    {.name = "hasty filters", .is_hasty = true},
    {.name = "spool on disk", .is_on_disk = true},
    {.name = "spool on a slow disk", .is_on_disk = true, .is_disk_slow = true},
    {.name = "other plan", .is_other_plan = true},
};

/* What a peer has sent and the session has not taken yet. */
struct pipe {
    struct mw_buf octets;
    size_t used;
    bool ends, has_ended;
};

struct play {
    const struct dialog *dialog;
    const struct way *way;
    struct pure pure;
    struct pipe pipes[2];
    size_t seen[2];      /* of client_got and upstream_got: expected already */
    bool stalls[2];      /* reads nothing */
    bool is_client_deaf; /* it has reset the connection: what is said to it no longer matters */
    bool is_end_logged;
};

/* ---- telling what went wrong ---- */

static struct mw_slice unseen(struct play *play, enum dialog_side side)
{
    struct mw_buf *got = side == DIALOG_CLIENT ? &play->pure.client_got : &play->pure.upstream_got;
    return mw_slice_skip(mw_buf_view(got), play->seen[side]);
}

static void show(const char *what, struct mw_slice octets)
{
    struct mw_buf text = {0};
    dialog_show(&text, octets);
    fprintf(stderr, "    %-22s %.*s\n", what, (int)text.len, text.len > 0 ? text.ptr : "");
    mw_buf_fini(&text);
}

static bool fail(struct play *play, const struct dialog_step *step, const char *what,
                 struct mw_slice expected)
{
    fprintf(stderr, "%s:%d: %s (%s)\n", step->file, step->line, what, play->way->name);
    if (expected.len > 0)
        show("expected:", expected);
    show("client has unread:", unseen(play, DIALOG_CLIENT));
    show("upstream has unread:", unseen(play, DIALOG_UPSTREAM));
    return false;
}

/* ---- settings ---- */

/* What conf.d ships, where pure.c differs; then what the dialog says. */
static bool prepare(struct play *play, bool *out_is_any_plan)
{
    pure_init(&play->pure);
    play->pure.listen.max_message_size = 50000000;
    play->pure.listen.early_talker = MW_EARLY_REJECT;
    *out_is_any_plan = false;
    for (size_t i = 0; i < play->dialog->count; i++) {
        const struct dialog_step *step = &play->dialog->steps[i];
        if (step->kind == DIALOG_SET && !pure_set(&play->pure, mw_buf_view(&step->octets)))
            return fail(play, step, "unknown setting", mw_buf_view(&step->octets));
        if (step->kind == DIALOG_FILTER && !pure_add_rule(&play->pure, mw_buf_view(&step->octets)))
            return fail(play, step, "unknown filter line", mw_buf_view(&step->octets));
        if (step->kind == DIALOG_PLAN) {
            play->pure.wants_spool = step->number == DIALOG_PLAN_SPOOL || play->way->is_other_plan;
            *out_is_any_plan = step->number == DIALOG_PLAN_ANY;
        }
    }
    if (play->way->is_on_disk)
        play->pure.listen.spool_memory = 0;
    return true;
}

/* ---- peers' octets to the session ---- */

static bool is_over(const struct play *play)
{
    return mw_session_is_over(play->pure.session);
}

static bool is_wanted(struct play *play, enum dialog_side side)
{
    if (side == DIALOG_CLIENT)
        return mw_session_wants_client(play->pure.session);
    return play->pure.is_connected && mw_session_wants_upstream(play->pure.session);
}

/* One read of that peer's. False: there is nothing to read, or the session does not want it now. */
static bool feed_one(struct play *play, enum dialog_side side)
{
    struct pipe *pipe = &play->pipes[side];
    struct mw_slice rest = mw_slice_skip(mw_buf_view(&pipe->octets), pipe->used);
    if (is_over(play) || !is_wanted(play, side))
        return false;
    if (rest.len > 0) {
        size_t cut = pipe->octets.len > MANY_OCTETS ? 997 : 1;
        struct mw_slice piece = mw_slice_take(rest, play->way->is_cut ? cut : READ_MAX);
        pipe->used += piece.len;
        if (side == DIALOG_CLIENT) {
            play->pure.is_client_absent = pipe->ends && pipe->used == pipe->octets.len;
            pure_client_sends(&play->pure, piece);
        } else {
            pure_upstream_sends(&play->pure, piece);
        }
        return true;
    }
    if (!pipe->ends || pipe->has_ended)
        return false;
    pipe->has_ended = true;
    if (side == DIALOG_CLIENT)
        pure_client_closes(&play->pure);
    else
        pure_upstream_closes(&play->pure);
    return true;
}

static void set_pace(struct play *play, bool is_sending)
{
    play->pure.client_blocked = play->stalls[DIALOG_CLIENT] || (is_sending && play->way->is_slow);
    play->pure.upstream_blocked = play->stalls[DIALOG_UPSTREAM] ||
                                  (is_sending && play->way->is_slow);
    play->pure.jobs_held = is_sending && play->way->is_disk_slow;
}

static void feed(struct play *play)
{
    for (bool has_moved = true; has_moved;) {
        has_moved = false;
        set_pace(play, true);
        while (feed_one(play, DIALOG_CLIENT) || feed_one(play, DIALOG_UPSTREAM))
            has_moved = true;
        set_pace(play, false);
        if (play->way->is_slow || play->way->is_disk_slow)
            pure_progress(&play->pure);
        if (play->way->is_hasty && play->pure.waiting != NULL && !play->pure.waiting->is_held) {
            pure_decide(&play->pure);
            has_moved = true;
        }
    }
}

/* The last resort of somebody who waits: the filter's verdict. */
static bool decide(struct play *play)
{
    if (play->pure.waiting == NULL || play->pure.waiting->is_held)
        return false;
    pure_decide(&play->pure);
    feed(play);
    return true;
}

/* ---- expectations ---- */

static bool gets_line(struct play *play, const struct dialog_step *step)
{
    for (;;) {
        struct mw_slice got = unseen(play, step->side);
        ptrdiff_t end = mw_slice_find(got, '\n');
        if (end >= 0) {
            size_t len = (size_t)end;
            bool has_cr = len > 0 && got.ptr[len - 1] == '\r';
            if (!has_cr || !dialog_matches(mw_buf_view(&step->octets), mw_slice_take(got, len - 1)))
                return fail(play, step, "another line", mw_buf_view(&step->octets));
            play->seen[step->side] += len + 1;
            return true;
        }
        if (!decide(play))
            return fail(play, step, "the line did not come", mw_buf_view(&step->octets));
    }
}

static bool gets_octets(struct play *play, const struct dialog_step *step)
{
    struct mw_slice want = mw_buf_view(&step->octets);
    while (unseen(play, step->side).len < want.len && decide(play))
        ;
    struct mw_slice got = mw_slice_take(unseen(play, step->side), want.len);
    if (!mw_slice_eq(got, want))
        return fail(play, step, "other octets", want);
    play->seen[step->side] += want.len;
    return true;
}

/* A message that was given up must not look whole: no end of data, however the upstream reads line
 * ends. */
static bool holds_end_of_data(struct mw_slice octets)
{
    for (size_t i = 0; i + 5 <= octets.len; i++)
        if (memcmp(octets.ptr + i, "\r\n.\r\n", 5) == 0)
            return true;
    return false;
}

static bool gets_eof(struct play *play, const struct dialog_step *step)
{
    bool is_client = step->side == DIALOG_CLIENT;
    while ((is_client ? !is_over(play) : play->pure.is_connected) && decide(play))
        ;
    if (is_client ? !is_over(play) : play->pure.is_connected)
        return fail(play, step, "the connection is still open", MW_EMPTY);
    if (step->kind == DIALOG_GETS_ANY_EOF) {
        if (holds_end_of_data(unseen(play, step->side)))
            return fail(play, step, "an abandoned message was completed", MW_EMPTY);
        play->seen[step->side] += unseen(play, step->side).len;
    }
    return unseen(play, step->side).len == 0 || fail(play, step, "octets before the end", MW_EMPTY);
}

/* All that was said has been expected. */
static bool is_quiet(struct play *play, const struct dialog_step *step)
{
    if (play->is_client_deaf)
        play->seen[DIALOG_CLIENT] = play->pure.client_got.len;
    return (unseen(play, DIALOG_CLIENT).len == 0 && unseen(play, DIALOG_UPSTREAM).len == 0) ||
           fail(play, step, "something unexpected was said before this", MW_EMPTY);
}

/* ---- the log ---- */

static struct mw_slice next_token(struct mw_slice *line)
{
    *line = mw_slice_trim(*line);
    size_t len = 0;
    bool is_quoted = false;
    while (len < line->len && (is_quoted || line->ptr[len] != ' ')) {
        is_quoted ^= line->ptr[len] == '"' && (len == 0 || line->ptr[len - 1] != '\\');
        len++;
    }
    struct mw_slice token = mw_slice_take(*line, len);
    *line = mw_slice_skip(*line, len);
    return token;
}

static bool line_has(struct mw_slice line, struct mw_slice pattern)
{
    for (struct mw_slice token = next_token(&line); token.len > 0; token = next_token(&line))
        if (dialog_matches(pattern, token))
            return true;
    return false;
}

static bool line_has_all(struct mw_slice line, struct mw_slice patterns)
{
    for (struct mw_slice word = next_token(&patterns); word.len > 0; word = next_token(&patterns))
        if (!line_has(line, word))
            return false;
    return true;
}

static struct mw_slice log_text(struct play *play)
{
    if (is_over(play) && !play->is_end_logged) {
        play->is_end_logged = true;
        mw_session_log_end(play->pure.session, play->pure.now);
    }
    return mw_log_memory_view(play->pure.log);
}

static bool check_log(struct play *play, const struct dialog_step *step)
{
    struct mw_slice text = log_text(play), line, rest;
    while (mw_slice_split(text, '\n', &line, &rest)) {
        if (line_has_all(line, mw_buf_view(&step->octets)))
            return true;
        text = rest;
    }
    if (decide(play))
        return check_log(play, step);
    fail(play, step, "no such log line", mw_buf_view(&step->octets));
    text = log_text(play);
    fprintf(stderr, "%.*s", (int)text.len, text.ptr);
    return false;
}

static bool check_no_log(struct play *play, const struct dialog_step *step)
{
    struct mw_slice text = log_text(play), word = mw_buf_view(&step->octets);
    return memmem(text.ptr, text.len, word.ptr, word.len) == NULL ||
           fail(play, step, "this stands in the log", word);
}

/* ---- steps ---- */

static bool send_step(struct play *play, size_t *at)
{
    const struct dialog_step *step = &play->dialog->steps[*at], *last = step + 1;
    const struct dialog_step *end = play->dialog->steps + play->dialog->count;
    struct pipe *pipe = &play->pipes[step->side];
    if (!is_quiet(play, step))
        return false;
    if (step->side == DIALOG_UPSTREAM && !play->pure.is_connected)
        return fail(play, step, "the upstream has no connection", MW_EMPTY);
    while (last < end && last->joins)
        last++;
    for (; step < last; step++) {
        mw_buf_put(&pipe->octets, mw_buf_view(&step->octets));
        pipe->ends |= step->kind != DIALOG_SENDS;
        play->is_client_deaf |= step->kind == DIALOG_RESETS && step->side == DIALOG_CLIENT;
    }
    *at += (size_t)(last - &play->dialog->steps[*at]) - 1;
    feed(play);
    return true;
}

static bool accept_step(struct play *play, const struct dialog_step *step)
{
    struct pure *pure = &play->pure;
    while (!pure->wants_connect && decide(play))
        ;
    if (!is_quiet(play, step))
        return false;
    if (!pure->wants_connect)
        return fail(play, step, "no connection was asked for", MW_EMPTY);
    mw_buf_fini(&play->pipes[DIALOG_UPSTREAM].octets);
    play->pipes[DIALOG_UPSTREAM] = (struct pipe){0};
    if (step->kind == DIALOG_REFUSE) {
        pure_upstream_refuses(pure);
    } else {
        if (pure->upstream.identity ==
            MW_IDENTITY_PROXY_V1) /* the owner's business: session/driver.c */
            mw_buf_put(&pure->upstream_got,
                       MW_LIT("PROXY TCP4 198.51.100.7 192.0.2.25 41001 25\r\n"));
        pure_upstream_accepts(pure);
    }
    feed(play);
    return true;
}

static bool stall_step(struct play *play, const struct dialog_step *step)
{
    play->stalls[step->side] = step->kind == DIALOG_STALLS;
    set_pace(play, false);
    if (step->kind == DIALOG_READS)
        pure_progress(&play->pure);
    feed(play);
    return true;
}

static bool time_step(struct play *play, const struct dialog_step *step)
{
    while (decide(play))
        ;
    if (!is_quiet(play, step))
        return false;
    pure_time(&play->pure, step->number);
    feed(play);
    return true;
}

static bool secure_step(struct play *play, const struct dialog_step *step)
{
    bool is_good = step->number == 0;
    while (!(step->side == DIALOG_CLIENT ? play->pure.wants_client_tls
                                         : play->pure.wants_upstream_tls) &&
           decide(play))
        ;
    if (!is_quiet(play, step))
        return false;
    if (!(step->side == DIALOG_CLIENT ? pure_client_secures(&play->pure, is_good)
                                      : pure_upstream_secures(&play->pure, is_good)))
        return fail(play, step, "no handshake was asked for", MW_EMPTY);
    feed(play);
    return true;
}

static bool play_step(struct play *play, size_t *at)
{
    const struct dialog_step *step = &play->dialog->steps[*at];
    switch (step->kind) {
    case DIALOG_SENDS:
    case DIALOG_ENDS:
    case DIALOG_RESETS:
        return send_step(play, at);
    case DIALOG_GETS_LINE:
        return gets_line(play, step);
    case DIALOG_GETS_OCTETS:
        return gets_octets(play, step);
    case DIALOG_GETS_EOF:
    case DIALOG_GETS_ANY_EOF:
        return gets_eof(play, step);
    case DIALOG_ACCEPT:
    case DIALOG_REFUSE:
        return accept_step(play, step);
    case DIALOG_STALLS:
    case DIALOG_READS:
        return stall_step(play, step);
    case DIALOG_SECURES:
        return secure_step(play, step);
    case DIALOG_TIME:
        return time_step(play, step);
    case DIALOG_SHUTDOWN:
        if (!is_quiet(play, step))
            return false;
        pure_shutdown(&play->pure, step->number == 1);
        feed(play);
        return true;
    case DIALOG_DECIDE:
        if (play->pure.waiting == NULL)
            return fail(play, step, "no filter waits", MW_EMPTY);
        pure_decide(&play->pure);
        feed(play);
        return true;
    case DIALOG_LOG:
        return check_log(play, step);
    case DIALOG_NO_LOG: /* at the end */
    case DIALOG_SET:
    case DIALOG_FILTER:
    case DIALOG_PLAN:
    case DIALOG_ONLY:
        return true;
    }
    return true;
}

static bool play_end(struct play *play)
{
    const struct dialog_step end = {.file = play->dialog->path,
                                    .line = play->dialog->steps[play->dialog->count - 1].line + 1};
    while (decide(play))
        ;
    if (!is_quiet(play, &end))
        return false;
    if (play->pure.wants_connect && !is_over(play))
        return fail(play, &end, "a connection was asked for that nobody accepts or refuses",
                    MW_EMPTY);
    for (size_t i = 0; i < play->dialog->count; i++)
        if (play->dialog->steps[i].kind == DIALOG_NO_LOG &&
            !check_no_log(play, &play->dialog->steps[i]))
            return false;
    return true;
}

/* ---- dialogs ---- */

static bool play_steps(struct play *play)
{
    pure_start(&play->pure);
    feed(play);
    for (size_t at = 0; at < play->dialog->count; at++)
        if (!play_step(play, &at))
            return false;
    return play_end(play);
}

static bool play_one(const struct dialog *dialog, const struct way *way)
{
    bool is_any_plan = false;
    struct play *play = calloc(1, sizeof *play);
    mw_assert(play != NULL);
    play->dialog = dialog;
    play->way = way;
    bool is_good = prepare(play, &is_any_plan);
    if (is_good && (!way->is_other_plan || is_any_plan))
        is_good = play_steps(play);
    pure_fini(&play->pure);
    for (int side = 0; side < 2; side++)
        mw_buf_fini(&play->pipes[side].octets);
    free(play);
    return is_good;
}

static bool is_for_pure(const struct dialog *dialog)
{
    for (size_t i = 0; i < dialog->count; i++)
        if (dialog->steps[i].kind == DIALOG_ONLY && dialog->steps[i].number == 1)
            return false;
    return true;
}

/* In a process of its own: an assertion of the session's fails this dialog, not all of them. */
static bool play_all_ways(const struct dialog *dialog)
{
    fflush(stdout);
    pid_t child = fork();
    mw_assert(child >= 0);
    if (child == 0) {
        bool is_good = true;
        for (size_t i = 0; is_good && i < sizeof ways / sizeof *ways; i++)
            is_good = play_one(dialog, &ways[i]);
        exit(is_good ? 0 : 1);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status))
        fprintf(stderr, "%s: ended by signal %d\n", dialog->path, WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool play_file(const char *root, const char *path)
{
    struct dialog dialog;
    bool is_good = dialog_read(&dialog, root, path);
    if (is_good && dialog.count == 0) {
        fprintf(stderr, "%s: nothing in it\n", path);
        is_good = false;
    }
    if (is_good && is_for_pure(&dialog))
        is_good = play_all_ways(&dialog);
    printf("%s %s\n", is_good ? "ok  " : "FAIL", path + strlen(root) + 1);
    fflush(stdout);
    dialog_fini(&dialog);
    return is_good;
}

static bool is_chosen(const char *path, char *const *words)
{
    if (words[0] == NULL)
        return true;
    for (; *words != NULL; words++)
        if (strstr(path, *words) != NULL)
            return true;
    return false;
}

struct counts {
    int played, failed;
};

/* Folders and dialogs below `path`, in the order of their names. */
static void play_folder(const char *root, const char *path, char *const *words,
                        struct counts *counts)
{
    struct dirent **names;
    int count = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char full[1024];
        const char *name = names[i]->d_name, *dot = strrchr(name, '.');
        snprintf(full, sizeof full, "%s/%s", path, name);
        struct stat status;
        bool is_folder = stat(full, &status) == 0 && S_ISDIR(status.st_mode);
        if (is_folder && name[0] != '.' && strcmp(name, "use") != 0) {
            play_folder(root, full, words, counts);
        } else if (!is_folder && dot != NULL && strcmp(dot, ".dlg") == 0 &&
                   is_chosen(full + strlen(root), words)) {
            counts->played++;
            counts->failed += !play_file(root, full);
        }
        free(names[i]);
    }
    if (count >= 0)
        free(names);
}

int main(int argc, char **argv)
{
    (void)argc;
    struct counts counts = {0};
    const char *root = MW_TEST_SOURCE_DIR "/tests/system/dialogs";
    play_folder(root, root, argv + 1, &counts);
    printf("%d dialogs, %d failed\n", counts.played, counts.failed);
    return counts.failed > 0 || counts.played == 0;
}
