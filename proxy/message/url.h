/* url.h - URLs: found in plain text, and taken apart as browsers do.
 *
 * Pure and linear. What a mail program would make clickable counts: with a scheme (http, https,
 * ftp, and so on), or "www." and "ftp." in front, or HOST/PATH and a bare host with a known top
 * level domain of letters; mailto: and addresses are no URLs here. */
#ifndef MW_MESSAGE_URL_H
#define MW_MESSAGE_URL_H

#include "base/arena.h"

enum { MW_URL_MAX = 2048 }; /* octets of a path that mw_url_split gives */

/* Next URL in `text` from *cursor on (0 first; set behind it). False: no more. *out_url is a view:
 * trailing punctuation and unbalanced closing brackets are not part of it. */
bool mw_url_next(struct mw_slice text, size_t *cursor, struct mw_slice *out_url);

struct mw_url {
    struct mw_slice scheme; /* lower case; "http" if none stands */
    struct mw_slice host; /* lower case, percent-decoded, A-labels, no final dot, IPv4 in any of its
                             spellings (octal, hexadecimal, one number) as dotted quad, IPv6 in
                             brackets; empty: none (data:, relative) */
    uint32_t port;        /* 0: none */
    bool has_user;        /* user@host: a host that is none in front */
    struct mw_slice path; /* with query and fragment, as it stands */
};
/* As browsers read it (WHATWG URL): backslashes as slashes, tabs and line ends ignored, user info
 * skipped. False: no URL with a scheme or host that can be read. Memory from `arena`. */
bool mw_url_split(struct mw_slice url, struct mw_arena *arena, struct mw_url *out_url);

#endif
