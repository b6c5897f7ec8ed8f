/* act.h - what is done with a message whose result is known: refusing, moving, marking, for all its recipients or for those who are not spared. */
#ifndef DMARC_ACT_H
#define DMARC_ACT_H

#include "judge.h"

/* The decision as it is when `skip-recipients` has been heard: sets lookup->is_partial where only some are spared. */
struct decision act_spare(struct lookup *lookup, struct decision decision);
/* At end_of_message: does it, says why, counts and logs it; what the hook answers. */
enum mw_verdict act(struct lookup *lookup, const struct decision *decision);

#endif
