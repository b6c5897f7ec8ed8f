/* closed.h - the values of fields that have a closed set of them (fields.def: CLOSED). */
#ifndef RULES_CLOSED_H
#define RULES_CLOSED_H

#include "model.h"

/* NULL-terminated; NULL: the field may have any. */
const char *const *rules_closed_values(const struct field *field);

#endif
