/* serving.c - see serving.h. The order of the end is the worker's (ops/shutdown.c): the snapshot
 * first, as its filters end their own watches and alarms in close(); the resolver, which nobody asks
 * any more; then the loop runs until its handles and the jobs on the pool are done. */
#include "cli/serving.h"

#include <signal.h>
#include <stdio.h>
#include <sysexits.h>

enum { WORK_MAX = 100 }; /* jobs on the pool */

int mw_serving_begin(struct mw_serving *serving, struct mw_cli_loaded *loaded,
                     enum mw_log_level level)
{
    char text[256] = "";
    *serving = (struct mw_serving){.loaded = loaded, .log = mw_log_memory(level)};
    uv_loop_init(&serving->loop);
    mw_net_init(&serving->net, &serving->loop);
    signal(SIGPIPE, SIG_IGN); /* filters may have sockets */
    serving->services = (struct mw_loop_services){
        .loop = &serving->loop,
        .work_max = WORK_MAX,
        .resolver = mw_resolver_new(&serving->net, &loaded->process.resolver, text, sizeof text)};
    if (serving->services.resolver == NULL) {
        fprintf(stderr, "mailweir: names cannot be looked up: %s\n", text);
        return EX_OSERR;
    }
    mw_loop_instance_services(&serving->services, serving->log, &serving->instance_services);
    mw_instances_serve(loaded->snapshot->instances, &serving->instance_services);
    return EX_OK;
}

void mw_serving_end(struct mw_serving *serving)
{
    if (serving->loaded == NULL)
        return;
    mw_snapshot_unref(&serving->loaded->snapshot);
    mw_resolver_free(&serving->services.resolver);
    uv_run(&serving->loop, UV_RUN_DEFAULT);
    mw_net_fini(&serving->net);
    mw_assert(uv_loop_close(&serving->loop) == 0);
    mw_log_close(&serving->log);
    serving->loaded = NULL;
}
