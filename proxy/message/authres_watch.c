/* authres_watch.c - see authres.h. Octet by octet where a line may be a field of results; of all
 * others only their ends are looked for. */
#include <string.h>

#include "message/authres.h"

/* A field longer than WATCHED_MAX is taken for ours unread: it is somebody's attempt. */
enum { WATCHED_MAX = 16384, STRETCH = 256 };

/* Behind a CR as well, but not within a line that is kept: not all take it for an end. */
static bool is_at_start(const struct mw_authres_watch *watch)
{
    return watch->last == '\0' || watch->last == '\n' || (watch->last == '\r' && !watch->is_kept);
}

/* Could the line still become such a field? */
static bool may_be_results(struct mw_slice line)
{
    struct mw_slice name = MW_LIT(MW_AUTHRES_FIELD);
    return mw_slice_istarts(name, line) || mw_slice_istarts(line, name);
}

static void judge_line(struct mw_authres_watch *watch, const struct mw_slice *ids, size_t id_count)
{
    struct mw_slice line = mw_buf_view(&watch->line);
    watch->has_own |= line.len > WATCHED_MAX || mw_authres_is_forged(line, ids, id_count);
    watch->line.len = 0;
}

/* Is this the LF of an empty line? */
static bool ends_header(const struct mw_authres_watch *watch, char octet)
{
    return octet == '\n' && (watch->line_len == 0 || (watch->line_len == 1 && watch->last == '\r'));
}

static void take_octet(struct mw_authres_watch *watch, char octet, const struct mw_slice *ids,
                       size_t id_count)
{
    bool is_folded = octet == ' ' || octet == '\t';
    if (is_at_start(watch) && octet != '\n' && !is_folded) {
        judge_line(watch, ids, id_count);
        watch->is_kept = true;
    }
    if (ends_header(watch, octet)) {
        judge_line(watch, ids, id_count);
        watch->is_over = true;
    }
    if (watch->is_kept) {
        mw_buf_put(&watch->line, MW_SLICE(&octet, 1));
        watch->is_kept = watch->line.len <= WATCHED_MAX &&
                         may_be_results(mw_buf_view(&watch->line));
        if (!watch->is_kept && watch->line.len <= WATCHED_MAX)
            watch->line.len = 0;
    }
    watch->line_len = octet == '\n' ? 0 : watch->line_len + 1;
    watch->last = octet == '\0' ? ' ' : octet;
}

/* The octets in front that end no line; only within one that nobody takes for results. A stretch at a
 * time: where CRs stand close together, the LF far behind would be looked for at each of them. */
static size_t dull_octets(const struct mw_authres_watch *watch, struct mw_slice octets)
{
    if (watch->is_kept || is_at_start(watch))
        return 0;
    octets = mw_slice_take(octets, STRETCH);
    const char *newline = memchr(octets.ptr, '\n', octets.len);
    size_t len = newline == NULL ? octets.len : (size_t)(newline - octets.ptr);
    const char *cr = memchr(octets.ptr, '\r', len);
    return cr == NULL ? len : (size_t)(cr - octets.ptr);
}

bool mw_authres_watch(struct mw_authres_watch *watch, struct mw_slice octets,
                      const struct mw_slice *ids, size_t id_count)
{
    while (octets.len > 0 && !watch->is_over && !watch->has_own) {
        size_t dull = dull_octets(watch, octets);
        watch->line_len += dull;
        octets = mw_slice_skip(octets, dull);
        if (octets.len == 0)
            break;
        take_octet(watch, octets.ptr[0], ids, id_count);
        octets = mw_slice_skip(octets, 1);
    }
    return watch->has_own;
}

bool mw_authres_watch_end(struct mw_authres_watch *watch, const struct mw_slice *ids,
                          size_t id_count)
{
    if (!watch->is_over)
        judge_line(watch, ids, id_count);
    watch->is_over = true;
    return watch->has_own;
}

void mw_authres_watch_fini(struct mw_authres_watch *watch)
{
    mw_buf_fini(&watch->line);
}
