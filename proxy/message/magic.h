/* magic.h - what octets look like, whatever their part says: a media type by libmagic.
 *
 * One database for each worker, opened when the first chain needs it (it is large: some 30 ms).
 * Not for two threads at once. */
#ifndef MW_MESSAGE_MAGIC_H
#define MW_MESSAGE_MAGIC_H

#include "base/slice.h"

enum { MW_MAGIC_HEAD = 4096 /* octets of a part that it is shown */ };

struct mw_magic;
/* NULL: no database; *out_text (static) says why. */
struct mw_magic *mw_magic_new(const char **out_text);
void mw_magic_free(struct mw_magic **magic);
/* "application/pdf"; empty: nothing known ("application/octet-stream" is). Valid until the next call. */
struct mw_slice mw_magic_type(struct mw_magic *magic, struct mw_slice head);
/* Do type and name agree with what the octets look like? False only for what matters: a program, a
 * script, an archive or an office document under another flag. */
bool mw_magic_agrees(struct mw_slice magic_type, struct mw_slice declared, struct mw_slice name);

#endif
