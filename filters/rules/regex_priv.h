/* regex_priv.h - what the files of regex.h share. */
#ifndef RULES_REGEX_PRIV_H
#define RULES_REGEX_PRIV_H

#include "regex.h"
#include "regex_tree.h"

/* regex_class.c: may matching take more than a bounded time for each octet of the text? */
bool rules_tree_is_risky(const struct tree_node *root);
/* Can it be proved that no text matches? `a^b`. */
bool rules_tree_is_hopeless(const struct tree_node *root);

#endif
