/* host_content.c - the view of a message's content (<mailweir/content.h>): begun with the header
 * block, fed with the body's pieces, finished before the filters are asked at the end of the
 * message; and the pure text services.
 *
 * A heavy message is finished on a thread of the pool, and the stage waits for it as it would for a
 * filter (run.c, "preparing"). What the thread works on is counted, so that neither a client that
 * goes away nor a new configuration can take it away. */
#include <stdlib.h>
#include <string.h>

#include "chain/chain_priv.h"
#include "message/address.h"
#include "message/content.h"
#include "message/fold.h"

enum { PREPARE_MAX_MS = 30000, HEADER_TEXT_MAX = 64 * 1024, FOLD_MAX = 4 * 1024 * 1024 };

/* ---- while the message comes in ---- */

static struct mw_content_kit *kit_of(struct mw_instances *set)
{
    if (set->content_kit == NULL)
        set->content_kit = mw_content_kit_new();
    return set->content_kit;
}

static void feed(void *user, struct mw_slice octets)
{
    mw_content_feed(user, octets);
}

/* Before any filter's edit; but what the proxy itself took out (session/content.c) is not there. */
void mw_run_content_begin(struct mw_run *run)
{
    const struct mw_headers *headers = run->subject->headers;
    uint32_t needs = run->chain->content_needs;
    struct mw_live *live = run->live;
    if (needs == 0 || headers == NULL)
        return;
    mw_content_unref(&live->content);
    live->content = mw_content_new(needs, kit_of(run->chain->instances));
    mw_headers_write(headers, feed, live->content);
}

void mw_run_content_feed(struct mw_run *run, struct mw_slice octets)
{
    if (run->live->content != NULL)
        mw_content_feed(run->live->content, octets);
}

void mw_run_content_end(struct mw_run *run)
{
    struct mw_live *live = run->live;
    mw_run_content_leave(live);
    mw_content_unref(&live->content);
}

/* ---- the finish ---- */

struct mw_preparing {
    struct mw_run *run; /* NULL: nobody waits any more */
    struct mw_content_maker *maker;
};

void mw_run_content_leave(struct mw_live *live)
{
    if (live->preparing != NULL) {
        live->preparing->run = NULL;
        live->preparing = NULL;
        mw_content_unref(&live->content); /* the thread's own hold keeps it */
    }
}

static void prepare_run(void *user) /* on a pool thread */
{
    struct mw_preparing *preparing = user;
    mw_content_finish(preparing->maker, false);
}

static void prepare_done(void *user)
{
    struct mw_preparing preparing = *(struct mw_preparing *)user;
    free(user);
    mw_content_unref(&preparing.maker);
    if (preparing.run != NULL) {
        preparing.run->live->preparing = NULL;
        mw_run_prepared(preparing.run);
    }
}

/* False: the pool is full, or there is none. */
static bool prepare_on_pool(struct mw_run *run)
{
    struct mw_live *live = run->live;
    const struct mw_services *services = run->services;
    struct mw_preparing *preparing = mw_xcalloc(1, sizeof *preparing);
    *preparing = (struct mw_preparing){.run = run, .maker = live->content};
    if (!mw_instances_work(run->chain->instances, services->work, services->user, prepare_run,
                           prepare_done, preparing)) {
        free(preparing);
        return false;
    }
    mw_content_ref(live->content); /* prepare_done() runs on this very loop, later */
    live->preparing = preparing;
    live->deadline_ms = services->now_ms(services->user) + PREPARE_MAX_MS;
    return true;
}

bool mw_run_content_prepare(struct mw_run *run)
{
    struct mw_live *live = run->live;
    if (live->content == NULL || mw_content_view(live->content) != NULL)
        return false;
    if (mw_content_is_heavy(live->content) && prepare_on_pool(run))
        return true;
    mw_content_finish(live->content, true); /* a full pool too: it slows down the flood */
    return false;
}

/* ---- for filters ---- */

void mw_host_want_content(struct mw_instance *instance, uint32_t needs)
{
    instance->content_needs |= needs;
}

const struct mw_content *mw_host_content(struct mw_ctx *ctx)
{
    const struct mw_live *live = ctx->run->live;
    bool is_due = live->current == ctx && live->call.stage == MW_STAGE_END_OF_MESSAGE;
    if (!is_due || live->content == NULL || mw_ctx_instance(ctx)->content_needs == 0)
        return NULL;
    return mw_content_view(live->content);
}

const struct mw_content *mw_host_content_read(struct mw_instance *instance, struct mw_slice message,
                                              uint32_t needs)
{
    struct mw_content_maker *maker = mw_content_new(needs, kit_of(instance->set));
    mw_content_feed(maker, message);
    return mw_content_finish(maker, true);
}

void mw_host_content_hold(const struct mw_content *content)
{
    mw_content_ref(mw_content_maker_of(content));
}

void mw_host_content_release(const struct mw_content *content)
{
    struct mw_content_maker *maker = content == NULL ? NULL : mw_content_maker_of(content);
    mw_content_unref(&maker);
}

/* ---- texts ---- */

static struct mw_slice hand_out(struct mw_buf *text, void *(*alloc)(void *user, size_t size),
                                void *user)
{
    char *copy = alloc(user, text->len + 1);
    if (text->len > 0)
        memcpy(copy, text->ptr, text->len);
    copy[text->len] = '\0';
    struct mw_slice out = MW_SLICE(copy, text->len);
    mw_buf_fini(text);
    return out;
}

struct mw_slice mw_host_header_text(struct mw_slice value, void *(*alloc)(void *user, size_t size),
                                    void *user)
{
    struct mw_buf text = {0};
    mw_header_decode(value, HEADER_TEXT_MAX, &text);
    return mw_slice_trim(hand_out(&text, alloc, user));
}

size_t mw_host_header_addresses(struct mw_slice value, void *(*alloc)(void *user, size_t size),
                                void *user, const struct mw_address *const **out_addresses)
{
    return mw_address_list(value, alloc, user, out_addresses);
}

struct mw_slice mw_host_fold(struct mw_slice text, void *(*alloc)(void *user, size_t size),
                             void *user)
{
    struct mw_buf folded = {0};
    mw_text_fold(text, FOLD_MAX, &folded);
    return hand_out(&folded, alloc, user);
}
