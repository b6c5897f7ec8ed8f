/* result.h - one method's result as it stands in Authentication-Results (RFC 8601 2.2), made safe from octets that peers chose.
 *
 * Pure. Values that are no token and no domain are quoted (RFC 2045 5.1, RFC 5322 3.2.4); what may not stand there at all (control octets,
 * 8-bit ones unless the message is SMTPUTF8) becomes '?'; long ones are cut, and a ';' becomes '_':
 * many readers cut there before they look for quotes. What is built is always a form that the host takes. */
#ifndef FILTERS_KIT_RESULT_H
#define FILTERS_KIT_RESULT_H

#include "text.h"

enum { RESULT_MAX = 1000 };

struct result {
    struct builder text;
    char octets[RESULT_MAX];
    bool is_utf8;
};
/* "spf=fail". `method` and `value` are ours. */
void result_begin(struct result *result, const char *method, const char *value, bool is_utf8);
/* " (because)": parentheses, backslashes, quotes and ';' in it become '_'. At most 200 octets. */
void result_comment(struct result *result, struct mw_slice text);
/* " reason=\"...\"" */
void result_reason(struct result *result, struct mw_slice text);
/* " smtp.mailfrom=value"; `property` is ours. Nothing for an empty value. */
void result_property(struct result *result, const char *property, struct mw_slice value);
struct mw_slice result_text(const struct result *result);

/* The same cleaning for fields that are built otherwise: "..." around `text`. */
void result_quote(struct builder *out, struct mw_slice text, bool is_utf8);

#endif
