/* base64.h - base64 as DKIM has it: with folding white space anywhere (RFC 6376 2.10).
 *
 * Pure, linear. */
#ifndef DKIM_BASE64_H
#define DKIM_BASE64_H

#include "text.h"

/* The octets of `text` into out[cap]. False: an octet that is none of base64, more than `cap`, a wrong number of '='
 * (none at all is taken), nothing at all. */
bool dkim_base64(struct mw_slice text, unsigned char *out, size_t cap, size_t *out_len);

#endif
