/* header_priv.h - what header.c and decode.c share. */
#ifndef MW_MESSAGE_HEADER_PRIV_H
#define MW_MESSAGE_HEADER_PRIV_H

#include "message/charset.h"

/* mw_header_decode with the converters of earlier calls. */
void mw_header_decode_with(struct mw_charsets **open, struct mw_slice value, size_t max,
                           struct mw_buf *out);

#endif
