/* view.c - `mailweir view [--json] [FILE|-]`: a message through the very code that filters see it
 * with, everything decoded, in constant memory. */
#include "cli/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli.h"
#include "cli/cli_priv.h"
#include "cli/message_file.h"
#include "message/address.h"
#include "message/content.h"
#include "message/header.h"

enum { LINE_SHOWN = 300, TEXT_SHOWN = 2000, LIST_SHOWN = 40 };

/* ---- the message's own header ---- */

static void *arena_alloc(void *user, size_t size)
{
    return mw_arena_alloc(user, size);
}

/* The addresses of all fields of that name, one after the other. */
static size_t addresses_of(struct mw_headers *headers, struct mw_slice name, struct mw_arena *arena,
                           const struct mw_address *const **out)
{
    const struct mw_address **all = NULL;
    size_t count = 0;
    for (ptrdiff_t at = -1; (at = mw_headers_find(headers, name, (size_t)(at + 1))) >= 0;) {
        const struct mw_address *const *some;
        size_t more = mw_address_list(mw_field_value(&headers->fields[at]), arena_alloc, arena,
                                      &some);
        const struct mw_address **joined = mw_arena_alloc_array(arena, count + more + 1,
                                                                sizeof *joined);
        if (count > 0)
            memcpy(joined, all, count * sizeof *joined);
        if (more > 0)
            memcpy(joined + count, some, more * sizeof *joined);
        all = joined;
        count += more;
    }
    *out = all;
    return count;
}

void mw_view_header(struct mw_slice header, struct mw_arena *arena,
                    struct mw_view_header *out_header)
{
    static const struct mw_header_limits limits = {
        .size_max = SIZE_MAX / 2, .fields_max = 100000, .hops_max = SIZE_MAX};
    struct mw_headers headers;
    struct mw_slice body;
    size_t used;
    bool is_hops;
    *out_header = (struct mw_view_header){.subject = MW_EMPTY};
    mw_headers_init(&headers, arena);
    if (mw_headers_take(&headers, &limits, header, &used, &body, &is_hops) == MW_AGAIN)
        mw_headers_finish(&headers, &body);
    ptrdiff_t subject = headers.is_complete ? mw_headers_find(&headers, MW_LIT("Subject"), 0) : -1;
    if (subject >= 0) {
        out_header->has_subject = true;
        out_header->subject = mw_arena_dup(arena, mw_field_decoded(&headers, (size_t)subject));
    }
    if (headers.is_complete) {
        out_header->from_count = addresses_of(&headers, MW_LIT("From"), arena, &out_header->from);
        out_header->to_count = addresses_of(&headers, MW_LIT("To"), arena, &out_header->to);
        out_header->cc_count = addresses_of(&headers, MW_LIT("Cc"), arena, &out_header->cc);
    }
    mw_headers_fini(&headers);
}

/* ---- for a terminal ---- */

static void put_named(struct mw_buf *out, const char *name, struct mw_slice value)
{
    if (value.len == 0)
        return;
    mw_buf_putf(out, "%s: ", name);
    mw_cli_put(out, value, LINE_SHOWN);
    mw_buf_putc(out, '\n');
}

static void put_addresses(struct mw_buf *out, const char *name,
                          const struct mw_address *const *addresses, size_t count)
{
    for (size_t i = 0; i < count && i < LIST_SHOWN; i++) {
        mw_buf_putf(out, "%s: ", name);
        mw_cli_put(out, addresses[i]->name, LINE_SHOWN);
        mw_buf_put(out, addresses[i]->name.len > 0 ? MW_LIT(" <") : MW_LIT("<"));
        mw_cli_put(out, addresses[i]->address, LINE_SHOWN);
        mw_buf_put(out, MW_LIT(">\n"));
    }
    if (count > LIST_SHOWN)
        mw_buf_putf(out, "%s: ... %zu more\n", name, count - LIST_SHOWN);
}

static void put_defects(struct mw_buf *out, const char *indent,
                        const struct mw_content_defect *const *defects, size_t count)
{
    static const char *const severities[] = {"note", "malformed", "ambiguous"};
    for (size_t i = 0; i < count; i++)
        mw_buf_putf(out, "%sdefect %s (%s): %s\n", indent, defects[i]->name,
                    severities[defects[i]->severity], defects[i]->meaning);
}

/* Some lines of a text, each behind a bar. */
static void put_text(struct mw_buf *out, struct mw_slice text)
{
    bool is_cut = text.len > TEXT_SHOWN;
    struct mw_slice rest = mw_slice_take(text, TEXT_SHOWN), line;
    while (rest.len > 0) {
        if (!mw_slice_split(rest, '\n', &line, &rest)) {
            line = rest;
            rest = MW_EMPTY;
        }
        mw_buf_put(out, MW_LIT("    | "));
        mw_cli_put(out, line, LINE_SHOWN);
        mw_buf_putc(out, '\n');
    }
    if (is_cut)
        mw_buf_putf(out, "    | ... %zu octets in all\n", text.len);
}

static void put_members(struct mw_buf *out, const struct mw_content_part *part)
{
    for (size_t i = 0; i < part->member_count && i < LIST_SHOWN; i++) {
        const struct mw_content_member *member = part->members[i];
        mw_buf_putf(out, "    %sholds ", member->depth > 0 ? "  " : "");
        mw_cli_put(out, member->name, LINE_SHOWN);
        if (member->octets != UINT64_MAX)
            mw_buf_putf(out, ", %llu octets", (unsigned long long)member->octets);
        mw_buf_put(out, member->is_encrypted ? MW_LIT(", encrypted\n") : MW_LIT("\n"));
    }
    if (part->member_count > LIST_SHOWN)
        mw_buf_putf(out, "    holds %zu more\n", part->member_count - LIST_SHOWN);
}

static void put_part(struct mw_buf *out, const struct mw_content_part *part)
{
    mw_buf_put(out, MW_LIT("part "));
    mw_cli_put(out, part->path.len > 0 ? part->path : MW_LIT("-"), LINE_SHOWN);
    mw_buf_put(out, part->is_alternative ? MW_LIT(" (another reading): ") : MW_LIT(": "));
    mw_cli_put(out, part->type, LINE_SHOWN);
    if (!part->is_container)
        mw_buf_putf(out, ", %llu octets", (unsigned long long)part->octets);
    mw_buf_put(out, part->is_attachment ? MW_LIT(", attachment") : MW_EMPTY);
    mw_buf_put(out, part->is_encrypted ? MW_LIT(", encrypted\n") : MW_LIT("\n"));
    for (size_t i = 0; i < part->name_count; i++)
        put_named(out, "    name", part->names[i]);
    if (!mw_slice_eq(part->magic, part->type))
        put_named(out, "    looks like", part->magic);
    put_named(out, "    charset", part->charset);
    put_named(out, "    sha256", part->sha256);
    put_defects(out, "    ", part->defects, part->defect_count);
    put_members(out, part);
    put_text(out, part->visible);
}

void mw_view_text(const struct mw_content *content, const struct mw_view_header *header,
                  struct mw_buf *out)
{
    put_named(out, "subject", header->subject);
    put_addresses(out, "from", header->from, header->from_count);
    put_addresses(out, "to", header->to, header->to_count);
    put_addresses(out, "cc", header->cc, header->cc_count);
    mw_buf_putf(out, "size: %llu octets, %zu part%s\n", (unsigned long long)content->octets,
                content->part_count, content->part_count == 1 ? "" : "s");
    for (size_t i = 0; i < content->part_count; i++)
        put_part(out, content->parts[i]);
    for (size_t i = 0; i < content->url_count && i < LIST_SHOWN; i++) {
        const struct mw_content_url *url = content->urls[i];
        put_named(out, "url", url->url);
        put_named(out, "    host", url->host);
        put_named(out, "    shown as", url->text);
    }
    if (content->url_count > LIST_SHOWN)
        mw_buf_putf(out, "url: ... %zu more\n", content->url_count - LIST_SHOWN);
    put_defects(out, "", content->defects, content->defect_count);
}

/* ---- the command ---- */

static bool read_all(FILE *in, struct mw_content_maker *maker)
{
    static char piece[65536];
    size_t len;
    while ((len = fread(piece, 1, sizeof piece, in)) > 0)
        mw_content_feed(maker, MW_SLICE(piece, len));
    return ferror(in) == 0;
}

static int show(struct mw_content_maker *maker, bool is_json)
{
    struct mw_arena arena = {0};
    struct mw_buf out = {0};
    struct mw_view_header header;
    const struct mw_content *content = mw_content_finish(maker, true);
    mw_view_header(content->parts[0]->header, &arena, &header);
    if (is_json)
        mw_view_json(content, &header, &out);
    else
        mw_view_text(content, &header, &out);
    bool is_written = fwrite(out.ptr, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    mw_buf_fini(&out);
    mw_arena_fini(&arena);
    return is_written ? EX_OK : EX_IOERR;
}

static int view(FILE *in, const char *name, bool is_json)
{
    struct mw_content_kit *kit = mw_content_kit_new();
    struct mw_content_maker *maker = mw_content_new(
        MW_CONTENT_PARTS | MW_CONTENT_TEXT | MW_CONTENT_HTML | MW_CONTENT_URLS | MW_CONTENT_SHA256 |
            MW_CONTENT_MAGIC | MW_CONTENT_ARCHIVES,
        kit);
    int status = EX_IOERR;
    if (read_all(in, maker))
        status = show(maker, is_json);
    else
        fprintf(stderr, "mailweir: cannot read %s: %s\n", name, strerror(errno));
    mw_content_unref(&maker);
    mw_content_kit_free(&kit);
    return status;
}

int mw_view_main(int argc, char **argv)
{
    const char *path = NULL;
    bool is_json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            is_json = true;
        else if (argv[i][0] == '-' && argv[i][1] != '\0')
            return mw_cli_usage("view: unknown option '%s'", argv[i]);
        else if (path != NULL)
            return mw_cli_usage("view: '%s' is one argument too many", argv[i]);
        else
            path = argv[i];
    }
    if (path == NULL)
        return mw_cli_usage("view: which message? A file, or - for standard input");
    FILE *in = mw_message_file_open(&path);
    if (in == NULL)
        return EX_NOINPUT;
    int status = view(in, path, is_json);
    mw_message_file_close(in);
    return status;
}
