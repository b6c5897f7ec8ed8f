/* tls_set.h - the certificates of a server as they were read at one time: contexts, the names that
 * lead to them, OCSP staples. Private to net/tls*.c.
 *
 * Built pair by pair (mw_tls_set_place, then _add_context if there was no place, then _add_staple),
 * finished by _complete, immutable and counted from then on. */
#ifndef MW_NET_TLS_SET_H
#define MW_NET_TLS_SET_H

#include "net/tls_priv.h"

struct mw_tls_set *mw_tls_set_new(size_t pairs_max);
struct mw_tls_set *mw_tls_set_ref(struct mw_tls_set *set);

/* Note the identity as the next pair. Returns the context whose certificates have the same names
 * and that has no key of this kind yet, or NULL: make one. */
SSL_CTX *mw_tls_set_place(struct mw_tls_set *set, const struct mw_tls_identity *identity);
/* The context of the pair noted last; taken over. */
void mw_tls_set_add_context(struct mw_tls_set *set, SSL_CTX *context);
/* The OCSP response in `path` (NULL: none) for the pair noted last. One that cannot be read, is of
 * another certificate, says nothing good, or is out of date is left out. */
void mw_tls_set_add_staple(struct mw_tls_set *set, const char *path);
/* Sort the names; give each context the identity that its tickets are bound to: its certificates,
 * and who may sign clients' ones. */
void mw_tls_set_complete(struct mw_tls_set *set, X509_STORE *anchors);

SSL_CTX *mw_tls_set_default(const struct mw_tls_set *set);
/* For a server name as the client wrote it: exact, else the wildcard above it (RFC 6125 6.4.3),
 * without regard to case. NULL: none. */
SSL_CTX *mw_tls_set_find(const struct mw_tls_set *set, struct mw_slice name);
/* The staple of a certificate of the set, empty if there is none that is still good. */
struct mw_slice mw_tls_set_staple(const struct mw_tls_set *set, X509 *leaf);
int64_t mw_tls_set_expiry(const struct mw_tls_set *set);

#endif
