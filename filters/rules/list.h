/* list.h - lists of the rule language: inline, file, cidr.
 *
 * A list is a bag of words until a field is looked up in it; then it becomes a set of the kind that
 * the field's type needs (networks, hosts, addresses, texts), built once for each kind and checked
 * entry by entry. */
#ifndef RULES_LIST_H
#define RULES_LIST_H

#include "model.h"

struct list_entry {
    struct mw_slice text;
    struct place place;
    struct list_entry *next;
};

struct list {
    struct mw_slice name;
    struct place place;
    bool is_cidr, is_used;
    struct list_entry *entries;
    size_t count;
    struct list_set *sets; /* at most one a kind */
    struct list *next;
};

struct list *rules_list_find(const struct rules *rules, struct mw_slice name);
void rules_list_add(struct rules *rules, struct list *list, struct list_entry ***tail,
                    struct mw_slice text, const struct place *place);
/* Entries from a file: one a line, # comments. False: an error at `place` was reported. */
bool rules_list_read(struct rules *rules, struct list *list, const char *path,
                     const struct place *place);
/* The set for fields of that type. Entries that do not fit are errors. NULL after an error. */
struct list_set *rules_list_set(struct rules *rules, struct list *list, const struct field *field);
bool rules_list_has(const struct list_set *set, const struct value *value);

#endif
