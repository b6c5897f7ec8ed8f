/* tls_session.c - the sessions that a client keeps: a short list a key, keys in the order of their
 * last use. 64 keys are few enough to search one by one. */
#include <stdlib.h>
#include <string.h>

#include "net/tls_priv.h"

struct kept {
    struct mw_link keys;
    SSL_SESSION *sessions[MW_TLS_SESSIONS_A_KEY]; /* the newest is the last one */
    size_t count;
    size_t key_len;
    char key[];
};

void mw_tls_sessions_init(struct mw_tls_sessions *sessions)
{
    mw_list_init(&sessions->keys);
    sessions->count = 0;
}

static struct kept *kept_of(struct mw_link *link)
{
    return mw_container_of(link, struct kept, keys);
}

static void forget(struct mw_tls_sessions *sessions, struct kept *kept)
{
    for (size_t i = 0; i < kept->count; i++)
        SSL_SESSION_free(kept->sessions[i]);
    mw_list_remove(&kept->keys);
    sessions->count--;
    free(kept);
}

void mw_tls_sessions_clear(struct mw_tls_sessions *sessions)
{
    while (!mw_list_is_empty(&sessions->keys))
        forget(sessions, kept_of(sessions->keys.next));
}

static struct kept *find(struct mw_tls_sessions *sessions, struct mw_slice key)
{
    mw_list_for_each (link, &sessions->keys) {
        struct kept *kept = kept_of(link);
        if (!mw_slice_eq(MW_SLICE(kept->key, kept->key_len), key))
            continue;
        mw_list_remove(&kept->keys);
        mw_list_append(&sessions->keys, &kept->keys);
        return kept;
    }
    return NULL;
}

void mw_tls_sessions_drop(struct mw_tls_sessions *sessions, struct mw_slice key)
{
    struct kept *kept = find(sessions, key);
    if (kept != NULL)
        forget(sessions, kept);
}

static struct kept *add_key(struct mw_tls_sessions *sessions, struct mw_slice key)
{
    if (sessions->count == MW_TLS_KEYS_MAX)
        forget(sessions, kept_of(sessions->keys.next));
    struct kept *kept = mw_xcalloc(1, sizeof *kept + key.len);
    memcpy(kept->key, key.ptr, key.len);
    kept->key_len = key.len;
    mw_list_append(&sessions->keys, &kept->keys);
    sessions->count++;
    return kept;
}

static void remove_at(struct kept *kept, size_t at)
{
    kept->count--;
    memmove(kept->sessions + at, kept->sessions + at + 1,
            (kept->count - at) * sizeof *kept->sessions);
}

static bool is_single_use(SSL_SESSION *session)
{
    return SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION;
}

bool mw_tls_sessions_keep(struct mw_tls_sessions *sessions, struct mw_slice key,
                          SSL_SESSION *session)
{
    const unsigned char *ticket;
    size_t ticket_len;
    SSL_SESSION_get0_ticket(session, &ticket, &ticket_len);
    if (key.len == 0 || ticket_len > MW_TLS_TICKET_MAX || !SSL_SESSION_is_resumable(session))
        return false;
    struct kept *kept = find(sessions, key);
    if (kept == NULL)
        kept = add_key(sessions, key);
    /* the oldest makes room; one that serves again and again needs no sisters */
    while (kept->count == MW_TLS_SESSIONS_A_KEY || (kept->count > 0 && !is_single_use(session))) {
        SSL_SESSION_free(kept->sessions[0]);
        remove_at(kept, 0);
    }
    kept->sessions[kept->count++] = session;
    return true;
}

SSL_SESSION *mw_tls_sessions_take(struct mw_tls_sessions *sessions, struct mw_slice key)
{
    struct kept *kept = find(sessions, key);
    while (kept != NULL && kept->count > 0) {
        SSL_SESSION *session = kept->sessions[kept->count - 1];
        if (SSL_SESSION_is_resumable(session) && !is_single_use(session)) {
            SSL_SESSION_up_ref(session);
            return session;
        }
        remove_at(kept, kept->count - 1);
        if (SSL_SESSION_is_resumable(session))
            return session;
        SSL_SESSION_free(session);
    }
    return NULL;
}
