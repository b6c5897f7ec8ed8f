/* select.c - see select.h. The names are sorted; equal ones stand together, in the order of h=, and each field from the
 * bottom takes the next of its name. Nothing is hashed here, so no choice of names makes it slow. */
#include "select.h"

#include <stdlib.h>

#include "memory.h"

/* A name, and its place in h=. */
struct slot {
    struct mw_slice name;
    uint32_t place;
};
/* Slots of one name: those before `next` have their field. */
struct group {
    struct mw_slice name;
    size_t next, end;
};

static int compare_names(struct mw_slice a, struct mw_slice b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    for (size_t i = 0; i < a.len; i++) {
        int order = text_lower(a.ptr[i]) - text_lower(b.ptr[i]);
        if (order != 0)
            return order;
    }
    return 0;
}

static int compare_slots(const void *left, const void *right)
{
    const struct slot *a = left, *b = right;
    int order = compare_names(a->name, b->name);
    return order != 0 ? order : a->place < b->place ? -1 : 1;
}

static size_t fill_slots(struct mw_slice names, struct slot *slots, size_t max)
{
    size_t count = 0;
    while (count < max && signature_next_name(&names, &slots[count].name)) {
        slots[count].place = (uint32_t)count;
        count++;
    }
    qsort(slots, count, sizeof *slots, compare_slots);
    return count;
}

static size_t fill_groups(const struct slot *slots, size_t count, struct group *groups)
{
    size_t made = 0;
    for (size_t i = 0; i < count; i++) {
        if (made == 0 || compare_names(groups[made - 1].name, slots[i].name) != 0)
            groups[made++] = (struct group){.name = slots[i].name, .next = i};
        groups[made - 1].end = i + 1;
    }
    return made;
}

static struct group *find_group(struct group *groups, size_t count, struct mw_slice name)
{
    size_t low = 0;
    while (low < count) {
        size_t middle = low + (count - low) / 2;
        int order = compare_names(name, groups[middle].name);
        if (order == 0)
            return &groups[middle];
        if (order < 0)
            count = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

void select_fields(const struct signature *signature, const struct field *fields, size_t count,
                   size_t skip, uint32_t out_picks[SIGNATURE_NAMES_MAX])
{
    size_t names = signature->name_count; /* a dozen, of the SIGNATURE_NAMES_MAX there may be */
    struct slot *slots = memory_new(names, sizeof *slots);
    struct group *groups = memory_new(names, sizeof *groups);
    size_t slot_count = fill_slots(signature->names, slots, names);
    size_t group_count = fill_groups(slots, slot_count, groups);
    for (size_t i = 0; i < slot_count; i++)
        out_picks[i] = SELECT_NONE;
    for (size_t i = count; i-- > 0;) {
        struct group *group = find_group(groups, group_count, fields[i].name);
        if (i != skip && group != NULL && group->next < group->end)
            out_picks[slots[group->next++].place] = (uint32_t)i;
    }
    free(slots);
    free(groups);
}
