/* json.h - writing JSON (RFC 8259) into a buffer: the few calls that the tools' output needs.
 *
 * The caller opens and closes in the right order; commas are put by themselves. Strings may hold any
 * octets: what is not UTF-8 becomes U+FFFD. */
#ifndef MW_CLI_JSON_H
#define MW_CLI_JSON_H

#include "base/buf.h"

struct mw_json {
    struct mw_buf *out;
    bool has_comma; /* private: the next value has one before it */
};

/* `key` is NULL in arrays and at the top. */
void mw_json_open(struct mw_json *json, const char *key, char bracket);
void mw_json_close(struct mw_json *json, char bracket);
void mw_json_text(struct mw_json *json, const char *key, struct mw_slice text);
/* null where there is nothing. */
void mw_json_text_or_null(struct mw_json *json, const char *key, struct mw_slice text);
void mw_json_number(struct mw_json *json, const char *key, uint64_t number);
void mw_json_bool(struct mw_json *json, const char *key, bool value);

#endif
