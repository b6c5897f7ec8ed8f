/* tls_context.c - the settings that servers and clients share. The defaults are Mozilla's
 * "intermediate" ones (version 5.7): TLS 1.2 and 1.3, forward secrecy and authenticated encryption
 * only. Who asks for TLS 1.0 or 1.1 by name gets the ciphers that those have ("old"). */
#include "net/tls_priv.h"

#include <string.h>

#define INTERMEDIATE                                                                           \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:" \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"   \
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305"
#define OLD                                                                                    \
    INTERMEDIATE ":ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:"        \
                 "ECDHE-RSA-AES256-SHA:AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA:AES256-" \
                 "SHA"
#define GROUPS "X25519:P-256:P-384"

static int version_of(const char *minimum)
{
    static const struct {
        const char *name;
        int version;
    } versions[] = {
        {"1.0", TLS1_VERSION},
        {"1.1", TLS1_1_VERSION},
        {"1.2", TLS1_2_VERSION},
        {"1.3", TLS1_3_VERSION},
    };
    if (minimum == NULL)
        return TLS1_2_VERSION;
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++)
        if (strcmp(versions[i].name, minimum) == 0)
            return versions[i].version;
    return -1;
}

static void set_options(SSL_CTX *context)
{
    /* passwords go through its buffers, which RELEASE_BUFFERS gives back to the heap */
    SSL_CTX_set_options(context,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CLEANSE_PLAINTEXT);
    /* the chain that is sent is the one in the file: nothing is looked up in a store */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify_depth(context, 10);
}

SSL_CTX *mw_tls_context_new(const SSL_METHOD *method, const char *minimum, const char *ciphers,
                            struct mw_tls_text text)
{
    int version = version_of(minimum);
    if (version < 0) {
        mw_tls_say(text,
                   "\"%s\" is not a version of TLS: 1.2 and 1.3 are, and 1.0 and 1.1 for old peers",
                   minimum);
        return NULL;
    }
    SSL_CTX *context = SSL_CTX_new(method);
    mw_assert(context != NULL);
    set_options(context);
    if (version < TLS1_2_VERSION)
        SSL_CTX_set_security_level(context, 0); /* they sign with SHA-1 */
    int is_good = SSL_CTX_set_min_proto_version(context, version) == 1 &&
                  SSL_CTX_set_max_proto_version(context, 0) == 1 &&
                  SSL_CTX_set1_groups_list(context, GROUPS) == 1;
    mw_assert(is_good);
    if (ciphers == NULL)
        ciphers = version < TLS1_2_VERSION ? OLD : INTERMEDIATE;
    if (SSL_CTX_set_cipher_list(context, ciphers) == 1)
        return context;
    mw_tls_say(text,
               "none of the ciphers \"%s\" is known: `openssl ciphers -s` lists what there is",
               ciphers);
    SSL_CTX_free(context);
    return NULL;
}
