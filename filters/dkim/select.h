/* select.h - which fields of a message a signature covers: those that h= names, each name from the bottom up, RFC 6376 5.4.2.
 *
 * Pure; keeps no memory. Time: fields x log(names), whatever the names are. */
#ifndef DKIM_SELECT_H
#define DKIM_SELECT_H

#include "canon.h"

#define SELECT_NONE \
    UINT32_MAX /* h= names more fields than there are: nothing is hashed (5.4.2), and adding one breaks the signature */

/* out_picks[i]: index of the field that the i-th name of h= stands for. `names` of a valid signature. fields[skip] does not count: the
 * signature's own field was not there when it was made. */
void select_fields(const struct signature *signature, const struct field *fields, size_t count,
                   size_t skip, uint32_t out_picks[SIGNATURE_NAMES_MAX]);

#endif
