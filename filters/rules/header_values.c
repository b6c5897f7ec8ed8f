/* header_values.c - fields of the header block: whole fields by name, lines, addresses, the date.
 * All are of the block as it is now, with the edits of filters and rules above. */
#include <time.h>

#include "subject.h"
#include "values.h"

static bool header_at(struct subject *subject, size_t index, struct mw_header_view *out)
{
    *out = (struct mw_header_view){.size = sizeof *out};
    return subject->ops->header(subject, index, out);
}

static void read_named(struct subject *subject, struct source *source)
{
    ptrdiff_t at = -1;
    struct mw_header_view view;
    while ((at = subject->ops->header_find(subject, source->arg, (size_t)(at + 1))) >= 0) {
        if (source->field->id == FIELD_HEADER)
            rules_values_add(source, text_trim(subject->ops->header_text(subject, (size_t)at)), 0,
                             0);
        else if (header_at(subject, (size_t)at, &view))
            rules_values_add(source, text_trim(view.value), 0, 0);
    }
}

static void read_names(struct subject *subject, struct source *source)
{
    struct mw_header_view view;
    for (size_t at = 0; header_at(subject, at, &view); at++)
        rules_values_add(source, view.name, 0, 0);
}

/* "Name: value" as it came, folded lines with their line ends. */
static void read_lines(struct subject *subject, struct source *source)
{
    struct mw_header_view view;
    for (size_t at = 0; header_at(subject, at, &view); at++) {
        size_t cap = view.name.len + 1 + view.value.len;
        struct builder out = {.ptr = rules_room(subject->rules, cap), .cap = cap};
        builder_put(&out, view.name);
        builder_put(&out, LIT(":"));
        builder_put(&out, view.value);
        rules_values_add(source, SLICE(out.ptr, out.len), 0, 0);
    }
}

/* ---- addresses ---- */

static struct mw_slice header_of(enum group group)
{
    return group == GROUP_FROM ? LIT("From")
           : group == GROUP_TO ? LIT("To")
           : group == GROUP_CC ? LIT("Cc")
                               : LIT("Reply-To");
}

/* The addresses of one header field; parsed once for its .address, .domain and .name. */
static size_t addresses_at(struct subject *subject, size_t index,
                           const struct mw_address *const **out)
{
    struct rules *rules = subject->rules;
    struct mw_header_view view;
    if (!header_at(subject, index, &view))
        return 0;
    return rules->host->header_addresses(view.value, rules_room, rules, out);
}

static void read_addresses(struct subject *subject, struct addresses *list, enum group group)
{
    struct mw_slice name = header_of(group);
    list->epoch = subject->epochs[ON_HEADER];
    list->count = 0;
    list->field_count = 0;
    for (ptrdiff_t at = -1;
         list->field_count < ADDRESS_FIELDS_MAX &&
         (at = subject->ops->header_find(subject, name, (size_t)(at + 1))) >= 0;) {
        struct address_field *field = &list->fields[list->field_count];
        field->count = addresses_at(subject, (size_t)at, &field->addresses);
        list->count += field->count;
        list->field_count += field->count > 0;
    }
}

static const struct addresses *addresses_of(struct subject *subject, enum group group)
{
    struct addresses *list = &subject->rules->addresses[group - GROUP_FROM];
    if (list->epoch != subject->epochs[ON_HEADER])
        read_addresses(subject, list, group);
    return list;
}

uint32_t rules_address_count(struct subject *subject, enum group group)
{
    return (uint32_t)addresses_of(subject, group)->count;
}

static void add_addresses(struct subject *subject, struct source *source, enum group group)
{
    const struct addresses *list = addresses_of(subject, group);
    /* FROM_ADDRESS, FROM_DOMAIN, FROM_NAME, TO_ADDRESS, ...: fields.def has them in this order */
    unsigned which = ((unsigned)source->field->id - FIELD_FROM_ADDRESS) % 3;
    uint32_t of = 0;
    for (size_t i = 0; i < list->field_count; i++)
        for (size_t j = 0; j < list->fields[i].count; j++) {
            const struct mw_address *address = list->fields[i].addresses[j];
            rules_values_add(source,
                             which == 0   ? address->address
                             : which == 1 ? address->domain
                                          : address->name,
                             0, of++);
        }
}

void rules_read_header(struct subject *subject, struct source *source)
{
    enum group group = rules_field_group(source->field);
    if (group != GROUP_NONE)
        add_addresses(subject, source, group);
    else if (source->field->id == FIELD_HEADER_NAMES)
        read_names(subject, source);
    else if (source->field->id == FIELD_RAW_HEADER_LINES)
        read_lines(subject, source);
    else
        read_named(subject, source);
}

bool rules_date_age(struct subject *subject, int64_t *out_seconds)
{
    ptrdiff_t at = subject->ops->header_find(subject, LIT("Date"), 0);
    struct mw_header_view view;
    int64_t date;
    if (at < 0 || !header_at(subject, (size_t)at, &view) || !rules_date(view.value, &date))
        return false;
    *out_seconds = (int64_t)time(NULL) - date;
    return true;
}
