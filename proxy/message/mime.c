/* mime.c - the decoder as its users see it: parts, what is said about the whole message. */
#include "message/mime.h"

#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "message/mime_reader.h"

/* ---- parts ---- */

void mw_mime_flag(struct mw_mime *mime, struct mw_mime_part *part, uint64_t defects)
{
    if (part != NULL)
        part->defects |= defects;
    mime->defects |= defects;
}

void *mw_mime_alloc(struct mw_mime *mime, size_t size)
{
    mime->heap += size;
    return mw_xcalloc(1, size);
}

void mw_mime_release(struct mw_mime *mime, void *memory, size_t size)
{
    if (memory == NULL)
        return;
    mime->heap -= size;
    free(memory);
}

bool mw_mime_has_room(struct mw_mime *mime, struct mw_mime_part *near)
{
    if (mime->count < MW_MIME_PARTS_MAX)
        return true;
    MW_MIME_FLAG(mime, near, PARTS);
    return false;
}

/* The sink hears of it when it is complete: mw_mime_publish(). */
struct mw_mime_part *mw_mime_part_new(struct mw_mime *mime, struct mw_mime_part *parent)
{
    if (mime->count == mime->cap) {
        mime->cap = mime->cap == 0 ? 16 : mime->cap * 2;
        mime->parts = mw_xrealloc(mime->parts, mime->cap * sizeof(struct mw_mime_part *));
    }
    struct mw_mime_part *part = mw_arena_new(&mime->arena, struct mw_mime_part);
    part->parent = parent;
    part->depth = parent == NULL ? 0 : parent->depth + 1;
    part->index = (uint32_t)mime->count;
    mime->parts[mime->count++] = part;
    return part;
}

void mw_mime_publish(struct mw_mime *mime, struct mw_mime_part *part)
{
    if (mime->sink.part != NULL)
        mime->sink.part(mime->sink.user, part);
}

void mw_mime_put(struct mw_mime *mime, struct mw_mime_part *part, struct mw_slice octets)
{
    if (octets.len == 0)
        return;
    part->octets += octets.len;
    if (mime->sink.octets != NULL)
        mime->sink.octets(mime->sink.user, part, octets);
}

void mw_mime_part_end(struct mw_mime *mime, struct mw_mime_part *part)
{
    if (mime->sink.end != NULL)
        mime->sink.end(mime->sink.user, part);
}

/* A second part for the same entity. */
struct mw_mime_part *mw_mime_alternative_new(struct mw_mime *mime, const struct mw_mime_part *first,
                                             const struct mw_mime_reading *reading)
{
    struct mw_mime_part *part = mw_mime_part_new(mime, first->parent);
    struct mw_mime_part blank = *part;
    *part = *first;
    part->index = blank.index;
    part->type = reading->type;
    part->decoded_as = reading->encoding;
    part->is_container = reading->kind != MW_MIME_LEAF;
    part->is_alternative = true;
    part->octets = 0;
    part->user = NULL;
    return part;
}

/* ---- the message ---- */

struct mw_mime *mw_mime_new(const struct mw_mime_sink *sink)
{
    struct mw_mime *mime = mw_xcalloc(1, sizeof *mime);
    mime->sink = *sink;
    mime->reader = mw_mime_reader_new(mime, 0);
    mw_mime_header_begin(mime->reader);
    return mime;
}

void mw_mime_free(struct mw_mime **mime)
{
    if (*mime == NULL)
        return;
    mw_mime_reader_free(&(*mime)->reader);
    mw_arena_fini(&(*mime)->arena);
    free((*mime)->parts);
    free(*mime);
    *mime = NULL;
}

static void look_at_end(struct mw_mime *mime, char c)
{
    if (c == '\n') {
        mime->has_crlf |= mime->ends_in_cr;
        mime->has_bare |= !mime->ends_in_cr;
    } else {
        mime->has_bare |= mime->ends_in_cr;
    }
    mime->ends_in_cr = c == '\r';
}

#ifdef __SSE2__
/* Octets in front, 16 at a time, whose line ends are like those before; the first octet was looked
 * at. */
static size_t skip_ends(const struct mw_mime *mime, struct mw_slice in)
{
    const __m128i newline = _mm_set1_epi8('\n'), cr = _mm_set1_epi8('\r');
    size_t at = 0;
    for (; at + 17 <= in.len; at += 16) {
        __m128i first = _mm_loadu_si128((const __m128i *)(const void *)(in.ptr + at));
        __m128i next = _mm_loadu_si128((const __m128i *)(const void *)(in.ptr + at + 1));
        int crs = _mm_movemask_epi8(_mm_cmpeq_epi8(first, cr));
        int ends = _mm_movemask_epi8(_mm_cmpeq_epi8(next, newline));
        if (mime->has_crlf ? crs != ends : crs != 0 || (ends != 0 && !mime->has_bare))
            break;
    }
    return at;
}
#else
static size_t skip_ends(const struct mw_mime *mime, struct mw_slice in)
{
    (void)mime;
    (void)in;
    return 0;
}
#endif

/* Line ends of both kinds? Looks until that is known. */
static void look_at_ends(struct mw_mime *mime, struct mw_slice in)
{
    for (size_t at = 0; at < in.len && !(mime->has_crlf && mime->has_bare);) {
        look_at_end(mime, in.ptr[at]);
        size_t skipped = skip_ends(mime, mw_slice_skip(in, at));
        at += skipped > 0 ? skipped : 1;
        mime->ends_in_cr = in.ptr[at - 1] == '\r';
    }
}

void mw_mime_feed(struct mw_mime *mime, struct mw_slice octets)
{
    mw_assert(!mime->is_finished);
    if (octets.len == 0)
        return;
    look_at_ends(mime, octets);
    mw_mime_reader_feed(mime->reader, octets);
}

void mw_mime_finish(struct mw_mime *mime)
{
    mw_assert(!mime->is_finished);
    mime->is_finished = true;
    mw_mime_reader_finish(mime->reader);
    if (mime->has_crlf && (mime->has_bare || mime->ends_in_cr) && !mime->is_binary)
        mime->defects |= MW_DEFECT_BIT(MW_DEFECT_MIXED_ENDS);
}

const struct mw_mime_part *mw_mime_part(const struct mw_mime *mime, size_t index)
{
    mw_assert(index < mime->count);
    return mime->parts[index];
}

size_t mw_mime_count(const struct mw_mime *mime)
{
    return mime->count;
}

uint64_t mw_mime_defects(const struct mw_mime *mime)
{
    return mime->defects;
}

size_t mw_mime_memory(const struct mw_mime *mime)
{
    size_t memory = sizeof *mime + mime->heap + mw_arena_used(&mime->arena) +
                    mime->cap * sizeof(struct mw_mime_part *);
    for (const struct mw_mime_reader *reader = mime->reader; reader != NULL;
         reader = reader->tap == NULL ? NULL : reader->tap->reader)
        memory += reader->block.cap;
    return memory;
}
