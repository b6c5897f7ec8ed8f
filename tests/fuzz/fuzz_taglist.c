/* fuzz_taglist.c - tag lists: what is found lies in the text, in order, and written out again it is
 * found again. */
#include "taglist.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_true)
{
    if (!is_true)
        abort();
}

static void check_again(const struct taglist *list, size_t size)
{
    static struct taglist again;
    struct builder text = {malloc(size + 4 * TAGLIST_MAX), 0, size + 4 * TAGLIST_MAX};
    for (size_t i = 0; i < list->count; i++) {
        builder_put(&text, list->tags[i].name);
        builder_put(&text, LIT("="));
        builder_put(&text, list->tags[i].value);
        builder_put(&text, LIT("; "));
    }
    check(taglist_parse(SLICE(text.ptr, text.len), &again) && again.count == list->count);
    for (size_t i = 0; i < list->count; i++)
        check(text_eq(again.tags[i].name, list->tags[i].name) &&
              text_eq(again.tags[i].value, list->tags[i].value));
    free(text.ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct taglist list;
    struct mw_slice text = SLICE((const char *)data, size);
    if (!taglist_parse(text, &list))
        return 0;
    check(list.count <= TAGLIST_MAX);
    const char *at = text.ptr;
    for (size_t i = 0; i < list.count; i++) {
        const struct tag *tag = &list.tags[i];
        check(tag->name.ptr >= at && tag->name.ptr + tag->name.len < text.ptr + size);
        check(tag->value.len == 0 || (tag->value.ptr > tag->name.ptr &&
                                      tag->value.ptr + tag->value.len <= text.ptr + size));
        at = tag->name.ptr + tag->name.len;
    }
    check_again(&list, size);
    return 0;
}
