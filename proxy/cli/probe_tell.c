/* probe_tell.c - findings of the upstream probe, one line each:
 *
 *   ok | warning | FAILED   step (time): the server's own words
 *                           = what to do
 *
 * What a server said is shown cut and escaped: it goes to somebody's terminal. */
#include <time.h>

#include "cli/cli_priv.h"
#include "cli/probe_priv.h"

enum { WORDS_MAX = 300 }; /* octets shown of what a server says */

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void mw_probe_begin_step(struct mw_probe *probe)
{
    probe->step_us = now_us();
}

void mw_probe_tell(struct mw_probe *probe, enum mw_finding finding, const char *step,
                   struct mw_slice words, const char *advice)
{
    static const char *const labels[] = {"ok", "warning", "FAILED"};
    uint64_t us = now_us() - probe->step_us;
    struct mw_buf text = {0};
    mw_buf_putf(&text, "  %-7s  %s", labels[finding], step);
    if (probe->step_us != 0)
        mw_buf_putf(&text, " (%llu.%llu ms)", (unsigned long long)(us / 1000),
                    (unsigned long long)(us / 100 % 10));
    if (words.len > 0)
        mw_buf_put(&text, MW_LIT(": "));
    mw_cli_put(&text, words, WORDS_MAX);
    mw_buf_putc(&text, '\n');
    fwrite(text.ptr, 1, text.len, probe->out);
    if (advice != NULL)
        fprintf(probe->out, "           = %s\n", advice);
    mw_buf_fini(&text);
    fflush(probe->out);
    probe->step_us = 0;
    probe->is_wrong |= finding == MW_FINDING_FAILED;
}

bool mw_probe_tell_wire(struct mw_probe *probe, const char *step, const char *advice)
{
    mw_probe_tell(probe, MW_FINDING_FAILED, step,
                  MW_SLICE(probe->wire.problem, probe->wire.problem_len), advice);
    return false;
}

void mw_probe_tell_reply(struct mw_probe *probe, enum mw_finding finding, const char *step,
                         const struct mw_reply *reply, const char *advice)
{
    struct mw_buf words = {0};
    struct mw_slice line;
    size_t at = 0;
    const char *separator = " ";
    mw_buf_putf(&words, "%u", reply->code);
    while (mw_reply_line(reply, &at, &line) && words.len < WORDS_MAX) {
        mw_buf_put(&words, mw_slice_cstr(separator));
        mw_buf_put(&words, line);
        separator = " / ";
    }
    mw_probe_tell(probe, finding, step, mw_buf_view(&words), advice);
    mw_buf_fini(&words);
}
