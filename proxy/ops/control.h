/* control.h - the control socket: a local program asks the running service a question, and reads
 * the answer as lines.
 *
 *   request   one line, at most 1,024 octets with its LF (CR LF is taken, too)
 *   reply     lines; one of "." alone ends it, and no other line begins with a dot
 *   further requests may follow, one after the other
 *
 * The socket is of mode 0660 and of the process's own group. Bounded: 8 connections, 10 seconds for
 * a request and 10 for a reply to be taken. What is asked and what is answered is the owner's
 * business (worker: counters.c). Not for filters; their tools connect like anybody else. */
#ifndef MW_OPS_CONTROL_H
#define MW_OPS_CONTROL_H

#include <uv.h>

#include "base/buf.h"

struct mw_control;

enum { MW_CONTROL_REQUEST_MAX = 1024, MW_CONTROL_CONNECTIONS_MAX = 8, MW_CONTROL_WAIT_MS = 10000 };

/* Append the reply's lines, LF behind each, without the last one. `request` has no line end and any
 * other octet; borrowed. May not close the control. */
typedef void mw_control_answer(void *user, struct mw_slice request, struct mw_buf *out);

/* Listen at `path`. What a dead process left there is replaced; a socket that somebody listens on,
 * or a file that is no socket, is MW_ERR_IO with a text for a person. */
MW_MUST_USE enum mw_err mw_control_open(uv_loop_t *loop, const char *path,
                                        mw_control_answer *answer, void *user,
                                        struct mw_control **out_control, char *out_text,
                                        size_t text_size);
/* Nothing is answered any more; the socket's file is removed, the handles close on the loop. NULL:
 * nothing. */
void mw_control_close(struct mw_control **control);

#endif
