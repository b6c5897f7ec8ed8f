/* view_json.c - the view as one JSON object: `mailweir view --json`. The keys are fixed (mailweir(8)),
 * more may come. */
#include "cli/json.h"
#include "cli/view.h"

static const char *const severities[] = {"note", "malformed", "ambiguous"};

static void put_addresses(struct mw_json *json, const char *key,
                          const struct mw_address *const *addresses, size_t count)
{
    mw_json_open(json, key, '[');
    for (size_t i = 0; i < count; i++) {
        mw_json_open(json, NULL, '{');
        mw_json_text(json, "address", addresses[i]->address);
        mw_json_text(json, "domain", addresses[i]->domain);
        mw_json_text(json, "name", addresses[i]->name);
        mw_json_close(json, '}');
    }
    mw_json_close(json, ']');
}

static void put_members(struct mw_json *json, const struct mw_content_part *part)
{
    mw_json_open(json, "members", '[');
    for (size_t i = 0; i < part->member_count; i++) {
        const struct mw_content_member *member = part->members[i];
        mw_json_open(json, NULL, '{');
        mw_json_text(json, "name", member->name);
        if (member->octets != UINT64_MAX)
            mw_json_number(json, "size", member->octets);
        mw_json_bool(json, "encrypted", member->is_encrypted != 0);
        mw_json_number(json, "depth", member->depth);
        mw_json_close(json, '}');
    }
    mw_json_close(json, ']');
}

static bool has_text(const struct mw_content_part *part)
{
    return part->text.len > 0 || mw_slice_starts(part->type, MW_LIT("text/"));
}

static void put_part(struct mw_json *json, const struct mw_content_part *part)
{
    mw_json_open(json, NULL, '{');
    mw_json_text(json, "path", part->path);
    mw_json_text(json, "type", part->type);
    mw_json_text_or_null(json, "type_declared", part->type_declared);
    mw_json_text_or_null(json, "type_magic", part->magic);
    mw_json_text_or_null(json, "charset", part->charset);
    mw_json_text_or_null(json, "disposition", part->disposition);
    mw_json_open(json, "names", '[');
    for (size_t i = 0; i < part->name_count; i++)
        mw_json_text(json, NULL, part->names[i]);
    mw_json_close(json, ']');
    mw_json_number(json, "size", part->octets);
    mw_json_text(json, "sha256", part->sha256);
    if (has_text(part))
        mw_json_text(json, "text", part->text);
    mw_json_bool(json, "truncated", part->is_truncated != 0);
    mw_json_bool(json, "alt", part->is_alternative != 0);
    mw_json_bool(json, "attachment", part->is_attachment != 0);
    mw_json_bool(json, "encrypted", part->is_encrypted != 0);
    mw_json_number(json, "depth", part->depth);
    if (part->member_count > 0)
        put_members(json, part);
    mw_json_open(json, "flags", '[');
    for (size_t i = 0; i < part->defect_count; i++)
        mw_json_text(json, NULL, mw_slice_cstr(part->defects[i]->name));
    mw_json_close(json, ']');
    mw_json_close(json, '}');
}

/* The URLs of one part, or of all (-1), each once. */
static void put_urls(struct mw_json *json, const struct mw_content *content, ptrdiff_t part)
{
    mw_json_open(json, "urls", '[');
    for (size_t i = 0; i < content->url_count; i++) {
        bool is_new = part < 0 || content->urls[i]->part == (size_t)part;
        for (size_t k = 0; k < i && is_new; k++)
            is_new = (part >= 0 && content->urls[k]->part != (size_t)part) ||
                     !mw_slice_eq(content->urls[k]->url, content->urls[i]->url);
        if (is_new)
            mw_json_text(json, NULL, content->urls[i]->url);
    }
    mw_json_close(json, ']');
}

static void put_links(struct mw_json *json, const struct mw_content *content)
{
    static const char *const sources[] = {"text", "link", "resource"};
    mw_json_open(json, "links", '[');
    for (size_t i = 0; i < content->url_count; i++) {
        const struct mw_content_url *url = content->urls[i];
        mw_json_open(json, NULL, '{');
        mw_json_text(json, "url", url->url);
        mw_json_text(json, "scheme", url->scheme);
        mw_json_text(json, "host", url->host);
        mw_json_text(json, "text", url->text);
        mw_json_text(json, "source", mw_slice_cstr(sources[url->source]));
        mw_json_text(json, "path", content->parts[url->part]->path);
        mw_json_close(json, '}');
    }
    mw_json_close(json, ']');
}

static bool is_page(const struct mw_content_part *part)
{
    return !part->is_container && part->text.len > 0 && part->visible.ptr != part->text.ptr;
}

static void put_pages(struct mw_json *json, const struct mw_content *content)
{
    mw_json_open(json, "html", '[');
    for (size_t i = 0; i < content->part_count; i++) {
        if (!is_page(content->parts[i]))
            continue;
        mw_json_open(json, NULL, '{');
        mw_json_text(json, "path", content->parts[i]->path);
        mw_json_text(json, "visible", content->parts[i]->visible);
        put_urls(json, content, (ptrdiff_t)i);
        mw_json_close(json, '}');
    }
    mw_json_close(json, ']');
}

static void put_flags(struct mw_json *json, const struct mw_content *content)
{
    mw_json_open(json, "flags", '[');
    for (size_t i = 0; i < content->defect_count; i++) {
        mw_json_open(json, NULL, '{');
        mw_json_text(json, "name", mw_slice_cstr(content->defects[i]->name));
        mw_json_text(json, "severity", mw_slice_cstr(severities[content->defects[i]->severity]));
        mw_json_close(json, '}');
    }
    mw_json_close(json, ']');
}

void mw_view_json(const struct mw_content *content, const struct mw_view_header *header,
                  struct mw_buf *out)
{
    struct mw_json json = {.out = out};
    mw_json_open(&json, NULL, '{');
    if (header->has_subject)
        mw_json_text(&json, "subject", header->subject);
    else
        mw_json_text_or_null(&json, "subject", MW_EMPTY);
    put_addresses(&json, "from", header->from, header->from_count);
    put_addresses(&json, "to", header->to, header->to_count);
    put_addresses(&json, "cc", header->cc, header->cc_count);
    mw_json_number(&json, "size", content->octets);
    mw_json_open(&json, "parts", '[');
    for (size_t i = 0; i < content->part_count; i++)
        if (!content->parts[i]->is_container)
            put_part(&json, content->parts[i]);
    mw_json_close(&json, ']');
    put_pages(&json, content);
    put_urls(&json, content, -1);
    put_links(&json, content);
    put_flags(&json, content);
    mw_json_close(&json, '}');
    mw_buf_putc(out, '\n');
}
