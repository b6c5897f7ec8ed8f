/* driver_ops.c - what a session asks of its link (struct mw_session_ops). What would end in another
 * event of the same session is only noted here, and done in mw_client_after(). */
#include "session/driver_priv.h"

static enum mw_err op_run_stage(void *user, const struct mw_call *call,
                                struct mw_outcome *out_outcome)
{
    struct mw_client *client = user;
    uint64_t begun = uv_hrtime();
    client->is_in_stage = true;
    enum mw_err err = mw_run_stage(client->run, call, out_outcome);
    client->is_in_stage = false;
    mw_session_add_filter_time(client->session, (uv_hrtime() - begun) / 1000);
    return err;
}

static void op_cancel_stage(void *user)
{
    mw_run_cancel(((struct mw_client *)user)->run);
}

static void op_transaction_begin(void *user)
{
    struct mw_client *client = user;
    if (client->run != NULL)
        mw_run_transaction_begin(client->run);
}

static void op_transaction_end(void *user, bool is_aborted)
{
    struct mw_client *client = user;
    if (client->run != NULL)
        mw_run_transaction_end(client->run, is_aborted);
}

static struct mw_slice op_changes(void *user, char out_text[64])
{
    struct mw_client *client = user;
    return client->run != NULL ? mw_run_changes(client->run, out_text) : MW_EMPTY;
}

static void op_connect_upstream(void *user)
{
    struct mw_client *client = user;
    client->wants_connect = true;
}

static void op_close_upstream(void *user)
{
    mw_upstream_close(user);
}

static struct mw_slice op_known_ehlo(void *user)
{
    return mw_buf_view(&((struct mw_client *)user)->pool->ehlo);
}

static void op_remember_ehlo(void *user, struct mw_slice reply)
{
    mw_pool_remember_ehlo(((struct mw_client *)user)->pool, reply);
}

static void op_secure_client(void *user)
{
    ((struct mw_client *)user)->wants_secure = true;
}

static void op_secure_upstream(void *user)
{
    ((struct mw_client *)user)->wants_secure_upstream = true;
}

void mw_client_begin_filters(struct mw_client *client)
{
    const struct mw_chain *chain = client->listen->chain;
    if (chain == NULL || mw_chain_length(chain) == 0)
        return;
    mw_services_fill(client);
    client->run = mw_run_new(chain, mw_session_subject(client->session), &client->services);
    mw_session_set_stages(client->session, mw_run_stages(client->run), mw_chain_wants_spool(chain));
}

/* At once: the session runs its connect stage again in the same event. */
static void op_restart_filters(void *user)
{
    struct mw_client *client = user;
    mw_assert(!client->is_in_stage && (client->run == NULL || !mw_run_is_waiting(client->run)));
    mw_run_free(&client->run);
    client->is_decided = false;
    mw_client_begin_filters(client);
}

static bool op_client_present(void *user)
{
    return mw_conn_is_peer_present(&((struct mw_client *)user)->conn);
}

static struct mw_spool *op_spool_open(void *user)
{
    return mw_services_spool_open(user);
}

static void op_spool_close(void *user, struct mw_spool *spool)
{
    mw_services_spool_close(user, spool);
}

const struct mw_session_ops mw_client_session_ops = {
    .run_stage = op_run_stage,
    .cancel_stage = op_cancel_stage,
    .transaction_begin = op_transaction_begin,
    .transaction_end = op_transaction_end,
    .changes = op_changes,
    .connect_upstream = op_connect_upstream,
    .close_upstream = op_close_upstream,
    .secure_client = op_secure_client,
    .secure_upstream = op_secure_upstream,
    .restart_filters = op_restart_filters,
    .known_ehlo = op_known_ehlo,
    .remember_ehlo = op_remember_ehlo,
    .client_present = op_client_present,
    .spool_open = op_spool_open,
    .spool_close = op_spool_close,
};
