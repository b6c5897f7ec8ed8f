/* list.h - intrusive doubly linked lists. The field is named after the list it sits on. */
#ifndef MW_BASE_LIST_H
#define MW_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct mw_link {
    struct mw_link *prev, *next;
};

static inline void mw_list_init(struct mw_link *list)
{
    list->prev = list->next = list;
}
static inline bool mw_list_is_empty(const struct mw_link *list)
{
    return list->next == list;
}
static inline void mw_list_append(struct mw_link *list, struct mw_link *link)
{
    link->prev = list->prev;
    link->next = list;
    list->prev->next = link;
    list->prev = link;
}
/* Safe on a link that is zeroed or was removed before. */
static inline void mw_list_remove(struct mw_link *link)
{
    if (link->next == NULL)
        return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = link->next = NULL;
}
static inline bool mw_list_contains(const struct mw_link *link)
{
    return link->next != NULL;
}
#define mw_container_of(pointer, type, field) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, field)))
/* The current element may be removed inside the loop. */
#define mw_list_for_each(link, list)                                                     \
    for (struct mw_link *link = (list)->next, *link##_next = link->next; link != (list); \
         link = link##_next, link##_next = link->next)

#endif
