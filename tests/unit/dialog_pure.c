/* dialog_pure.c - plays every dialog of tests/system/dialogs against the pure session, with a fake
 * clock, in several ways that must make no difference to what is said:
 *
 *   plain            each paragraph arrives in one read
 *   octet by octet   everything that a peer sends arrives one octet at a time
 *   slow peers       nobody takes a reply or a command before its paragraph has gone out
 *   hasty filters    a filter that waits decides at once (else as late as it can)
 *   spool on disk    nothing of a spooled message is kept in memory
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
    WORDS_MAX = 8,
    READ_MAX = 65536,     /* octets of one read, as the driver's */
    MANY_OCTETS = 100000, /* more than that are cut into larger pieces, for speed */
};

struct way {
    const char *name;
    bool is_cut, is_slow, is_hasty, is_on_disk, is_other_plan;
};
static const struct way ways[] = {
    {.name = "plain"},
    {.name = "octet by octet", .is_cut = true},
    {.name = "slow peers", .is_slow = true},
    {.name = "hasty filters", .is_hasty = true},
    {.name = "spool on disk", .is_on_disk = true},
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
    struct mw_slice words[2][WORDS_MAX]; /* relay-verbs, relay-extensions */
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

static bool to_number(struct mw_slice text, uint64_t *out_number)
{
    static const struct {
        const char *unit;
        uint64_t factor;
    } units[] = {{"", 1},      {"ms", 1},       {"s", 1000},   {"m", 60000},
                 {"kB", 1000}, {"MB", 1000000}, {"KiB", 1024}, {"MiB", 1048576}};
    size_t digits = 0;
    while (digits < text.len && mw_is_digit(text.ptr[digits]))
        digits++;
    if (mw_slice_to_u64(mw_slice_take(text, digits), UINT32_MAX, out_number) != MW_OK)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (mw_slice_eq(mw_slice_skip(text, digits), mw_slice_cstr(units[i].unit))) {
            *out_number *= units[i].factor;
            return true;
        }
    return false;
}

static size_t to_words(struct mw_slice text, struct mw_slice words[WORDS_MAX])
{
    size_t count = 0;
    struct mw_slice word, rest;
    while (text.len > 0 && count < WORDS_MAX) {
        word = text;
        rest = MW_EMPTY;
        mw_slice_split(text, ' ', &word, &rest);
        words[count++] = word;
        text = rest;
    }
    return count;
}

/* The directives of mailweir.conf that mean something to a session, and where they go. */
static bool set_number(struct play *play, struct mw_slice name, uint64_t number)
{
    struct mw_listen_settings *listen = &play->pure.listen;
    struct mw_upstream_settings *upstream = &play->pure.upstream;
    const struct {
        const char *name;
        uint64_t *to;
        uint32_t *to_u32;
        size_t *to_size;
    } settings[] = {
        {.name = "max-message-size", .to = &listen->max_message_size},
        {.name = "max-errors", .to_u32 = &listen->max_errors},
        {.name = "max-header-size", .to_size = &listen->header_limits.size_max},
        {.name = "max-header-fields", .to_size = &listen->header_limits.fields_max},
        {.name = "max-hops", .to_size = &listen->header_limits.hops_max},
        {.name = "command-timeout", .to = &listen->command_timeout_ms},
        {.name = "data-timeout", .to = &listen->data_timeout_ms},
        {.name = "header-timeout", .to = &listen->header_timeout_ms},
        {.name = "min-data-rate", .to = &listen->min_data_rate},
        {.name = "spool-memory", .to_size = &listen->spool_memory},
        {.name = "connect-timeout", .to = &upstream->connect_timeout_ms},
        {.name = "reply-timeout", .to = &upstream->reply_timeout_ms},
        {.name = "final-reply-timeout", .to = &upstream->final_reply_timeout_ms},
        {.name = "keepalive", .to = &upstream->keepalive_ms},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (!mw_slice_eq(name, mw_slice_cstr(settings[i].name)))
            continue;
        if (settings[i].to != NULL)
            *settings[i].to = number;
        if (settings[i].to_u32 != NULL)
            *settings[i].to_u32 = (uint32_t)number;
        if (settings[i].to_size != NULL)
            *settings[i].to_size = (size_t)number;
        return true;
    }
    return false;
}

static int position(struct mw_slice word, const char *const *words)
{
    for (int i = 0; words[i] != NULL; i++)
        if (mw_slice_eq(word, mw_slice_cstr(words[i])))
            return i;
    return -1;
}

static bool set_word(struct play *play, struct mw_slice name, struct mw_slice value)
{
    static const char *const auth[] = {"off", "tls-only", "always", NULL},
                             *const early[] = {"pass", "note", "reject", NULL},
                             *const bare[] = {"pass", "normalize", "reject", NULL},
                             *const on_off[] = {"off", "on", NULL},
                             *const identity[] = {"none", "proxy-v1", "proxy-v2", "xclient", NULL};
    struct mw_listen_settings *listen = &play->pure.listen;
    int at = -1;
    if (mw_slice_eq(name, MW_LIT("relay-verbs"))) {
        listen->relay_verbs = play->words[0];
        listen->relay_verb_count = to_words(value, play->words[0]);
        return true;
    } else if (mw_slice_eq(name, MW_LIT("relay-extensions"))) {
        listen->relay_extensions = play->words[1];
        listen->relay_extension_count = to_words(value, play->words[1]);
        return true;
    } else if (mw_slice_eq(name, MW_LIT("auth"))) {
        listen->auth = (enum mw_auth_policy)(at = position(value, auth));
    } else if (mw_slice_eq(name, MW_LIT("early-talker"))) {
        listen->early_talker = (enum mw_early_talker)(at = position(value, early));
    } else if (mw_slice_eq(name, MW_LIT("bare-newline"))) {
        listen->line_ends.bare_lf = (enum mw_bare)(at = position(value, bare));
    } else if (mw_slice_eq(name, MW_LIT("bare-cr"))) {
        listen->line_ends.bare_cr = (enum mw_bare)(at = position(value, bare));
    } else if (mw_slice_eq(name, MW_LIT("nul"))) {
        listen->line_ends.nul = (enum mw_bare)(at = position(value, bare));
    } else if (mw_slice_eq(name, MW_LIT("identity"))) {
        play->pure.upstream.identity = (enum mw_identity)(at = position(value, identity));
    } else if (mw_slice_eq(name, MW_LIT("require-identity"))) {
        play->pure.upstream.require_identity = (at = position(value, on_off)) == 1;
    }
    return at >= 0;
}

static bool apply_setting(struct play *play, const struct dialog_step *step)
{
    struct mw_slice name, value;
    uint64_t number;
    if (mw_slice_split(mw_buf_view(&step->octets), ' ', &name, &value) &&
        (set_word(play, name, value) ||
         (to_number(value, &number) && set_number(play, name, number))))
        return true;
    return fail(play, step, "unknown setting", mw_buf_view(&step->octets));
}

/* What conf.d ships, where pure.c differs; then what the dialog says. */
static bool prepare(struct play *play, bool *out_is_any_plan)
{
    pure_init(&play->pure);
    play->pure.listen.max_message_size = 50000000;
    play->pure.listen.early_talker = MW_EARLY_REJECT;
    *out_is_any_plan = false;
    for (size_t i = 0; i < play->dialog->count; i++) {
        const struct dialog_step *step = &play->dialog->steps[i];
        if (step->kind == DIALOG_SET && !apply_setting(play, step))
            return false;
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

static void feed(struct play *play)
{
    for (bool has_moved = true; has_moved;) {
        play->pure.client_blocked = play->way->is_slow || play->stalls[DIALOG_CLIENT];
        play->pure.upstream_blocked = play->way->is_slow || play->stalls[DIALOG_UPSTREAM];
        has_moved = false;
        while (feed_one(play, DIALOG_CLIENT) || feed_one(play, DIALOG_UPSTREAM))
            has_moved = true;
        play->pure.client_blocked = play->stalls[DIALOG_CLIENT];
        play->pure.upstream_blocked = play->stalls[DIALOG_UPSTREAM];
        if (play->way->is_slow)
            pure_progress(&play->pure);
        if (play->way->is_hasty && play->pure.waiting != NULL) {
            pure_decide(&play->pure);
            has_moved = true;
        }
    }
}

/* The last resort of somebody who waits: the filter's verdict. */
static bool decide(struct play *play)
{
    if (play->pure.waiting == NULL)
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
    play->pure.client_blocked = play->stalls[DIALOG_CLIENT];
    play->pure.upstream_blocked = play->stalls[DIALOG_UPSTREAM];
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
    case DIALOG_TIME:
        return time_step(play, step);
    case DIALOG_SHUTDOWN:
        if (!is_quiet(play, step))
            return false;
        pure_shutdown(&play->pure, step->number == 1);
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
