/* charset.h - octets in the charsets that mail names, to UTF-8.
 *
 * Known charsets only (a table of names and aliases): a peer's word never reaches iconv_open() as
 * it is. What comes out is well-formed UTF-8 always, whatever went in; what is no character becomes
 * U+FFFD. Linear in the input; bounded by the sink. Not here: where charset names stand (decode.c).
 */
#ifndef MW_MESSAGE_CHARSET_H
#define MW_MESSAGE_CHARSET_H

#include "base/buf.h"
#include "base/slice.h"

/* Where text goes: appended to `buf`, at most `left` octets more, never half a character. */
struct mw_utf8_sink {
    struct mw_buf *buf;
    size_t left;
    bool is_full; /* something did not fit: nothing more is taken */
};

void mw_utf8_put(struct mw_utf8_sink *sink, struct mw_slice octets);
/* ISO 8859-1. */
void mw_latin1_put(struct mw_utf8_sink *sink, struct mw_slice octets);
/* Octets that nobody has named a charset for: UTF-8 if they all are, else ISO 8859-1. */
void mw_raw_put(struct mw_utf8_sink *sink, struct mw_slice octets);

/* An entry of the table; constant. */
struct mw_charset;
/* By name, without case; NULL if it is not known. */
const struct mw_charset *mw_charset_find(struct mw_slice name);

/* Converters that were opened, to be used again: opening one may load a module of the C library (up
 * to 0.1 ms when a message names another charset in every field), so each is opened at most once.
 * NULL is an empty set. */
struct mw_charsets;
void mw_charsets_free(struct mw_charsets **open);
/* *open is created when it is first needed. A charset that the C library lacks is read as
 * mw_raw_put does. */
void mw_charset_put(struct mw_charsets **open, const struct mw_charset *charset,
                    struct mw_utf8_sink *sink, struct mw_slice octets);

#endif
