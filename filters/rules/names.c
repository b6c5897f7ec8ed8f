/* names.c - scores, tags, variables and rules by name: in order of their first use, so that a slot is
 * a number, and found by hash, for there may be thousands. */
#include <stdlib.h>

#include "model.h"

static struct name_slot **place_of(const struct names *names, struct mw_slice name)
{
    size_t at = text_hash(name, false) & (names->size - 1);
    while (names->table[at] != NULL && !text_eq(names->table[at]->name, name))
        at = (at + 1) & (names->size - 1);
    return &names->table[at];
}

struct name_slot *rules_name_find(const struct names *names, struct mw_slice name)
{
    return names->size == 0 ? NULL : *place_of(names, name);
}

static void grow(const struct rules *rules, struct names *names)
{
    names->size = names->size ? names->size * 2 : 16;
    names->table = rules_keep(rules, names->size * sizeof *names->table);
    for (struct name_slot *slot = names->first; slot != NULL; slot = slot->next)
        *place_of(names, slot->name) = slot;
}

struct name_slot *rules_name(const struct rules *rules, struct names *names, struct mw_slice name)
{
    if (names->count * 2 >= names->size)
        grow(rules, names);
    struct name_slot **place = place_of(names, name);
    if (*place != NULL)
        return *place;
    struct name_slot *slot = rules_keep(rules, sizeof *slot);
    slot->name = name;
    slot->at = names->count++;
    *place = slot;
    if (names->last == NULL)
        names->first = slot;
    else
        names->last->next = slot;
    names->last = slot;
    return slot;
}
