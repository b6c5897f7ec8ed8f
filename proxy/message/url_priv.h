/* url_priv.h - what url.c (finding, taking apart) and url_host.c (hosts) share. */
#ifndef MW_MESSAGE_URL_PRIV_H
#define MW_MESSAGE_URL_PRIV_H

#include "message/url.h"

/* Octets of a host that are looked at: a name of 253 (RFC 1035 2.3.4) with every letter as three
 * percent signs' worth of UTF-8 is not longer by much. */
enum { MW_URL_HOST_MAX = 2048 };

/* The host of a URL (without user info and port) as browsers read it (WHATWG URL 3.5). False: none
 * that a browser would go to. */
bool mw_url_host(struct mw_slice host, struct mw_arena *arena, struct mw_slice *out_host);

/* Is `label` a top level domain that makes a bare host a link? */
bool mw_url_is_tld(struct mw_slice label);

#endif
