/* facts.c - what is known about a session, by name: the proxy's own facts (facts.def, read from the
 * subject each time), and cells for those that filters set. */
#include <stdlib.h>
#include <string.h>

#include "chain/chain_priv.h"

enum fact_id {
#define MW_FACT_DEF(name, id, type, stage, help) FACT_##id,
#include "chain/facts.def"
#undef MW_FACT_DEF
    FACT_COUNT
};
_Static_assert(FACT_COUNT <= 64, "mw_instance.wanted_own has a bit for each");

static const char *const names[FACT_COUNT] = {
#define MW_FACT_DEF(name, id, type, stage, help) [FACT_##id] = name,
#include "chain/facts.def"
#undef MW_FACT_DEF
};

/* A fact's text is copied for its cell; this much of it at most. */
enum { FACT_TEXT_MAX = 65536 };

int mw_facts_own_count(void)
{
    return FACT_COUNT;
}

int mw_facts_own_id(const char *name)
{
    for (int i = 0; i < FACT_COUNT; i++) {
        if (strcmp(names[i], name) == 0)
            return i;
    }
    return -1;
}

static struct mw_fact text(struct mw_slice value)
{
    return value.len == 0 ? (struct mw_fact){.type = MW_FACT_NONE}
                          : (struct mw_fact){.type = MW_FACT_TEXT, .text = value};
}

static struct mw_fact number(uint64_t value)
{
    return (struct mw_fact){.type = MW_FACT_NUMBER, .number = value};
}

static struct mw_fact address(const struct mw_inet *value)
{
    if (!mw_inet_is_known(value))
        return (struct mw_fact){.type = MW_FACT_NONE};
    return (struct mw_fact){.type = MW_FACT_ADDRESS,
                            .text = MW_SLICE((const char *)value->octets, sizeof value->octets)};
}

static struct mw_fact client_name(const struct mw_subject *subject)
{
    if (subject->is_client_name_unknown)
        return (struct mw_fact){.type = MW_FACT_ERROR};
    return text(subject->client_name);
}

static struct mw_fact tls_text(const struct mw_subject *subject, enum fact_id id)
{
    const struct mw_tls_info *tls = subject->tls;
    if (tls == NULL || !tls->is_secure)
        return (struct mw_fact){.type = MW_FACT_NONE};
    if (id == FACT_TLS_VERSION)
        return text(mw_slice_cstr(tls->version));
    if (id == FACT_TLS_CIPHER)
        return text(mw_slice_cstr(tls->cipher));
    if (id == FACT_TLS_SNI)
        return text(mw_slice_cstr(tls->sni));
    if (!tls->has_certificate)
        return (struct mw_fact){.type = MW_FACT_NONE};
    if (id == FACT_TLS_CLIENT_FINGERPRINT)
        return text(mw_slice_cstr(tls->fingerprint));
    /* anybody can make a certificate with any name: one that nobody vouches for is no name */
    return text(tls->is_verified ? mw_slice_cstr(tls->subject) : MW_EMPTY);
}

static struct mw_fact upstream(const struct mw_subject *subject, enum fact_id id)
{
    const struct mw_upstream_view *view = subject->upstream;
    if (view == NULL)
        return (struct mw_fact){.type = MW_FACT_NONE};
    return number(id == FACT_UPSTREAM_CONNECTIONS ? view->connections
                  : id == FACT_UPSTREAM_WAITING   ? view->waiting
                                                  : view->is_up);
}

/* RFC 1870: what MAIL declared, until there is something to count. */
static struct mw_fact message_size(const struct mw_subject *subject, bool in_transaction)
{
    if (!in_transaction)
        return (struct mw_fact){.type = MW_FACT_NONE};
    uint64_t declared = subject->envelope != NULL ? subject->envelope->declared_size : 0;
    return number(subject->message_size > 0 ? subject->message_size : declared);
}

struct mw_fact mw_facts_own(const struct mw_subject *subject, int id, bool in_transaction)
{
    switch ((enum fact_id)id) {
    case FACT_SESSION_ID:
        return text(subject->session_id);
    case FACT_LISTENER:
        return text(subject->listener);
    case FACT_CLIENT_IP:
        return address(&subject->client_address);
    case FACT_CLIENT_PORT:
        return number(subject->client_port);
    case FACT_CLIENT_NAME:
        return client_name(subject);
    case FACT_CLIENT_TLS:
        return number(subject->tls != NULL && subject->tls->is_secure);
    case FACT_TLS_VERSION:
    case FACT_TLS_CIPHER:
    case FACT_TLS_SNI:
    case FACT_TLS_CLIENT_CERT:
    case FACT_TLS_CLIENT_FINGERPRINT:
        return tls_text(subject, (enum fact_id)id);
    case FACT_TLS_CLIENT_VERIFIED:
        return number(subject->tls != NULL && subject->tls->is_secure &&
                      subject->tls->has_certificate && subject->tls->is_verified);
    case FACT_UPSTREAM_CONNECTIONS:
    case FACT_UPSTREAM_WAITING:
    case FACT_UPSTREAM_UP:
        return upstream(subject, (enum fact_id)id);
    case FACT_SERVER_IP:
        return address(&subject->server_address);
    case FACT_SERVER_PORT:
        return number(subject->server_port);
    case FACT_CLIENT_EARLY:
        return number(subject->is_early_talker);
    case FACT_HELO:
        return text(subject->helo);
    case FACT_PROTOCOL:
        return text(subject->protocol);
    case FACT_AUTH_USER:
        return text(subject->auth_user);
    case FACT_AUTH_MECHANISM:
        return text(subject->auth_mechanism);
    case FACT_SESSION_MESSAGES:
        return number(subject->messages);
    case FACT_SESSION_ERRORS:
        return number(subject->errors);
    case FACT_MESSAGE_SIZE:
        return message_size(subject, in_transaction);
    case FACT_COUNT:
        break;
    }
    return (struct mw_fact){.type = MW_FACT_NONE};
}

void mw_fact_cell_clear(struct mw_fact_cell *cell)
{
    free(cell->octets);
    *cell = (struct mw_fact_cell){0};
}

void mw_fact_cell_set(struct mw_fact_cell *cell, struct mw_fact fact, bool for_session)
{
    char *octets = NULL;
    if (fact.text.len > 0) {
        fact.text = mw_slice_take(fact.text, FACT_TEXT_MAX);
        octets = mw_xalloc(fact.text.len);
        memcpy(octets, fact.text.ptr, fact.text.len);
        fact.text.ptr = octets;
    }
    mw_fact_cell_clear(cell); /* only now: the new text may be the old one */
    *cell = (struct mw_fact_cell){.fact = fact, .octets = octets, .for_session = for_session};
}
