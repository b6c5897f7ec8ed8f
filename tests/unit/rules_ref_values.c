/* rules_ref_values.c - the values of fields, read anew each time. */
#include "rules_ref_priv.h"

#include <stdlib.h>

#include "base/slice.h"

struct taker {
    struct ref *ref;
    struct ref_value *out;
    size_t count;
    bool has_failed;
};

static void take(struct taker *taker, struct mw_slice text, int64_t number, uint32_t of)
{
    if (taker->count == REF_VALUES)
        abort();
    taker->out[taker->count++] = (struct ref_value){text.ptr ? text : EMPTY, number, of};
}

static void take_count(struct taker *taker, uint64_t number)
{
    take(taker, EMPTY, (int64_t)number * NUMBER_UNIT, 0);
}

static void take_words(struct taker *taker, struct mw_slice text)
{
    size_t start = 0;
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && text.ptr[i] != ' ')
            continue;
        if (i > start)
            take(taker, SLICE(text.ptr + start, i - start), 0, 0);
        start = i + 1;
    }
}

static void take_fact(struct taker *taker, const struct field *field)
{
    const struct mw_ctx *ctx = taker->ref->ctx;
    for (size_t i = 0; i < ctx->fact_count; i++) {
        if (strcmp(ctx->facts[i].name, field->name) != 0)
            continue;
        const struct mw_fact *fact = &ctx->facts[i].fact;
        if (fact->type == MW_FACT_ERROR)
            taker->has_failed = true;
        else if (fact->type == MW_FACT_NUMBER)
            take_count(taker, fact->number);
        else if (fact->type != MW_FACT_NONE && !(field->flags & FLAG_MANY))
            take(taker, fact->text, 0, 0);
        else if (fact->type == MW_FACT_TEXT)
            take_words(taker, fact->text);
    }
}

static struct mw_slice part_of(const char *address, enum field_id id, enum field_id local,
                               enum field_id domain)
{
    const char *at = strrchr(address, '@');
    if (id == local)
        return at ? SLICE(address, (size_t)(at - address)) : slice_of(address);
    if (id == domain)
        return at ? slice_of(at + 1) : EMPTY;
    return slice_of(address);
}

static void take_param(struct taker *taker, struct mw_slice name)
{
    const char *word = taker->ref->ctx->params;
    while (*word != '\0') {
        size_t len = strcspn(word, " "), key = strcspn(word, "= ");
        if (mw_slice_ieq(SLICE(word, key), name)) {
            take(taker, key < len ? SLICE(word + key + 1, len - key - 1) : SLICE(word, len), 0, 0);
            return;
        }
        word += len + (word[len] == ' ');
    }
}

static void take_rcpt(struct taker *taker, enum field_id id, size_t rcpt)
{
    if (rcpt < taker->ref->ctx->rcpt_count)
        take(taker,
             part_of(taker->ref->ctx->rcpts[rcpt].address, id, FIELD_RCPT_LOCAL, FIELD_RCPT_DOMAIN),
             0, 0);
}

bool ref_rcpt_is_live(const struct ref *ref, size_t rcpt)
{
    enum mw_rcpt_status status = ref->ctx->rcpts[rcpt].status;
    return status == MW_RCPT_PENDING || status == MW_RCPT_ACCEPTED;
}

/* Of all recipients; or up to the one at hand, as it was at his RCPT. */
static void take_tally(struct taker *taker, const struct field_use *use)
{
    enum field_id id = use->field->id;
    size_t last = use->is_so_far ? taker->ref->rcpt + (id == FIELD_RCPT_COUNT)
                                 : taker->ref->ctx->rcpt_count;
    const struct mw_ctx *ctx = taker->ref->ctx;
    uint64_t count = 0;
    for (size_t i = 0; i < last; i++) {
        enum mw_rcpt_status status = ctx->rcpts[i].status;
        count += id == FIELD_RCPT_COUNT ? 1
                 : id == FIELD_RCPT_ACCEPTED
                     ? status == MW_RCPT_ACCEPTED
                     : status == MW_RCPT_REFUSED_FILTER || status == MW_RCPT_REFUSED_UPSTREAM;
    }
    take_count(taker, count);
}

static struct mw_slice line_of(struct ref *ref, const struct fake_field *header)
{
    size_t size = strlen(header->name) + strlen(header->value) + 2;
    char *line = ref_keep(ref, size);
    return SLICE(line, (size_t)snprintf(line, size, "%s:%s", header->name, header->value));
}

static void take_header(struct taker *taker, const struct field_use *use)
{
    const struct mw_ctx *ctx = taker->ref->ctx;
    uint64_t count = 0;
    for (size_t i = 0; i < ctx->field_count; i++) {
        const struct fake_field *header = &ctx->fields[i];
        bool is_named = use->arg.len == 0 || mw_slice_ieq(slice_of(header->name), use->arg);
        count += is_named;
        if (!is_named || use->field->id == FIELD_HEADER_COUNT)
            continue;
        take(taker,
             use->field->id == FIELD_HEADER_NAMES       ? slice_of(header->name)
             : use->field->id == FIELD_RAW_HEADER_LINES ? line_of(taker->ref, header)
                                                        : text_trim(slice_of(header->value)),
             0, 0);
    }
    if (use->field->id == FIELD_HEADER_COUNT)
        take_count(taker, count);
}

static void take_addresses(struct taker *taker, const struct field *field)
{
    static const char *const names[] = {"From", "To", "Cc", "Reply-To"};
    const struct mw_ctx *ctx = taker->ref->ctx;
    const char *name = names[rules_field_group(field) - GROUP_FROM],
               *what = strrchr(field->name, '.');
    uint32_t of = 0;
    for (size_t i = 0; i < ctx->field_count; i++) {
        const struct mw_address *const *list;
        if (!mw_slice_ieq(slice_of(ctx->fields[i].name), slice_of(name)))
            continue;
        size_t count = fake_host.header_addresses(slice_of(ctx->fields[i].value), ref_keep,
                                                  taker->ref, &list);
        for (size_t j = 0; j < count; j++)
            take(taker,
                 strcmp(what, ".address") == 0  ? list[j]->address
                 : strcmp(what, ".domain") == 0 ? list[j]->domain
                                                : list[j]->name,
                 0, of++);
    }
}

static void take_lines(struct taker *taker)
{
    const char *at = taker->ref->ctx->body, *end = at + taker->ref->ctx->body_len;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const char *next = stop ? stop + 1 : end;
        stop = stop ? stop : end;
        take(taker, SLICE(at, (size_t)(stop - at) - (stop > at && stop[-1] == '\r')), 0, 0);
        at = next;
    }
}

static void take_names(struct taker *taker, const struct mw_content_part *part, bool is_ext,
                       uint32_t of)
{
    for (size_t i = 0; i < part->name_count; i++) {
        struct mw_slice name = part->names[i];
        if (!is_ext) {
            take(taker, name, 0, of);
            continue;
        }
        ptrdiff_t dot = mw_slice_rfind(name, '.');
        if (dot < 0 || (size_t)dot + 1 == name.len)
            continue;
        name = mw_slice_skip(name, (size_t)dot + 1);
        char *lower = ref_keep(taker->ref, name.len);
        for (size_t j = 0; j < name.len; j++)
            lower[j] = text_lower(name.ptr[j]);
        take(taker, SLICE(lower, name.len), 0, of);
    }
}

static void take_attachments(struct taker *taker, const struct mw_content *content,
                             enum field_id id)
{
    uint32_t of = 0;
    for (size_t i = 0; i < content->part_count; i++) {
        const struct mw_content_part *part = content->parts[i];
        if (!part->is_attachment)
            continue;
        if (id == FIELD_ATTACHMENT_NAME || id == FIELD_ATTACHMENT_EXT)
            take_names(taker, part, id == FIELD_ATTACHMENT_EXT, of);
        else
            take(taker, id == FIELD_ATTACHMENT_TYPE ? part->type : EMPTY,
                 (int64_t)(id == FIELD_ATTACHMENT_SIZE ? part->octets : part->depth) * NUMBER_UNIT,
                 of);
        of++;
    }
    if (id == FIELD_ATTACHMENT_COUNT) {
        taker->count = 0;
        take_count(taker, of);
    }
}

static void take_urls(struct taker *taker, const struct mw_content *content, enum field_id id)
{
    for (size_t i = 0; i < content->url_count; i++)
        take(taker,
             id == FIELD_URL          ? content->urls[i]->url
             : id == FIELD_URL_SCHEME ? content->urls[i]->scheme
             : id == FIELD_URL_HOST   ? content->urls[i]->host
                                      : content->urls[i]->text,
             0, (uint32_t)i);
}

static void take_content(struct taker *taker, const struct field *field)
{
    const struct mw_content *content = fake_host.content(taker->ref->ctx);
    if (field->id == FIELD_MIME_PARTS) {
        take_count(taker, content->part_count);
    } else if (field->id == FIELD_MIME_DEFECTS) {
        for (size_t i = 0; i < content->defect_count; i++)
            take(taker, slice_of(content->defects[i]->name), 0, 0);
    } else if (field->id == FIELD_BODY_TEXT || field->id == FIELD_BODY_HTML) {
        for (size_t i = 0; i < content->part_count; i++) {
            const struct mw_content_part *part = content->parts[i];
            struct mw_slice text = field->id == FIELD_BODY_TEXT       ? part->visible
                                   : text_is(part->type, "text/html") ? part->text
                                                                      : EMPTY;
            if (text.len > 0)
                take(taker, text, 0, 0);
        }
    } else if (rules_field_group(field) == GROUP_URL) {
        take_urls(taker, content, field->id);
    } else {
        take_attachments(taker, content, field->id);
    }
}

static void take_written(struct taker *taker, const struct field_use *use)
{
    struct ref *ref = taker->ref;
    if (use->field->id == FIELD_SCORE)
        take(taker, EMPTY, ref->scores[use->slot], 0);
    else if (use->field->id == FIELD_VAR && ref->vars[use->slot].ptr != NULL)
        take(taker, ref->vars[use->slot], 0, 0);
    for (const struct name_slot *tag = ref->rules->tags.first;
         use->field->id == FIELD_TAG && tag != NULL; tag = tag->next)
        if (ref->tags[tag->at])
            take(taker, tag->name, 0, 0);
}

static void take_all(struct taker *taker, const struct field_use *use)
{
    const struct field *field = use->field;
    struct mw_ctx *ctx = taker->ref->ctx;
    if (field->flags & FLAG_FACT)
        take_fact(taker, field);
    else if (field->id == FIELD_SENDER_PARAM)
        take_param(taker, use->arg);
    else if (field->id >= FIELD_SENDER && field->id <= FIELD_SENDER_DOMAIN)
        take(taker, part_of(ctx->sender, field->id, FIELD_SENDER_LOCAL, FIELD_SENDER_DOMAIN), 0, 0);
    else if (field->flags & FLAG_RCPT && use->is_whole)
        for (size_t i = 0; i < ctx->rcpt_count; i++) {
            if (ref_rcpt_is_live(taker->ref, i))
                take_rcpt(taker, field->id, i);
        }
    else if (field->flags & FLAG_RCPT)
        take_rcpt(taker, field->id, taker->ref->rcpt);
    else if (field->flags & FLAG_TALLY)
        take_tally(taker, use);
    else if (field->id >= FIELD_SCORE)
        take_written(taker, use);
    else if (rules_field_group(field) >= GROUP_FROM)
        take_addresses(taker, field);
    else if (field->id >= FIELD_HEADER && field->id <= FIELD_RAW_HEADER_LINES)
        take_header(taker, use);
    else if (field->id == FIELD_RAW_BODY)
        take(taker, SLICE(ctx->body, ctx->body_len), 0, 0);
    else if (field->id == FIELD_BODY_LINE)
        take_lines(taker);
    else if (field->id == FIELD_MESSAGE_SIZE)
        take_count(taker, ctx->body_len);
    else
        take_content(taker, field);
}

size_t ref_values(struct ref *ref, const struct field_use *use, bool is_item, struct ref_value *out,
                  bool *out_failed)
{
    struct taker taker = {.ref = ref, .out = out};
    size_t kept = 0;
    take_all(&taker, use);
    for (size_t i = 0; i < taker.count; i++) {
        if (is_item && out[i].of != ref->of)
            continue;
        out[kept] = out[i];
        if (use->is_folded)
            out[kept].text = fake_host.fold(out[kept].text, ref_keep, ref);
        kept++;
    }
    *out_failed = taker.has_failed;
    return kept;
}
