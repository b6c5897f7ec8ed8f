/* html.c - HTML to visible text, in one pass.
 *
 * From one '<' to the next by memchr; tags are read by html_token.c and go at once to the open
 * elements (html_stack.c) and to the links (html_link.c). Every octet is looked at a fixed number
 * of times, whatever comes.
 *
 * What a reader sees, where it is a matter of opinion: the text in place of a picture (alt) only if
 * the picture has no source; buttons' labels; <noscript>, as mail programs run no scripts; text in
 * <head> that is no title, as browsers show it. Outlook alone shows what is in <!--[if mso]>
 * comments: that is read behind all the rest, so that it neither hides nor breaks what the others
 * show. NUL in text is left out, as browsers do, and so breaks no word. Octets that are no UTF-8
 * pass as they are: visible text is as well-formed as the input. */
#include "message/html.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "message/html_priv.h"

struct reader {
    const char *at, *end;
    struct mw_html *html;
    struct mw_buf out;
    char gap; /* what is due before the next text: 0, ' ', '\n' */
    bool is_hidden;
    struct mw_html_stack stack;
    struct mw_html_token token;
    struct mw_buf value; /* scratch: an attribute's value undone */
    struct mw_html_links links;
    bool has_html, has_body;
    bool is_conditional;           /* the comments for Outlook are being read */
    struct mw_slice *conditionals; /* heap: what is in them */
    size_t conditional_count, conditional_cap;
};

/* ---- text ---- */

/* What ends a stretch of plain text. */
static const bool is_odd[256] = {['\0'] = true, ['\t'] = true, ['\n'] = true, ['\f'] = true,
                                 ['\r'] = true, [' '] = true,  ['&'] = true};

static void put_text(struct reader *reader, const char *text, size_t len)
{
    if (reader->is_hidden) {
        reader->html->hidden += len;
        return;
    }
    char *to = mw_buf_reserve(&reader->out, len + 1);
    if (reader->gap != 0 && reader->out.len > 0) {
        *to++ = reader->gap;
        reader->out.len++;
    }
    reader->gap = 0;
    memcpy(to, text, len);
    reader->out.len += len;
}

static void put_gap(struct reader *reader, char gap)
{
    if (reader->gap != '\n')
        reader->gap = gap;
}

/* Behind a word: 16 octets at a time, as long as they are words and single blanks, and end in a
 * word. */
static const char *skip_words(const char *at, const char *end)
{
#ifdef __SSE2__
    const __m128i blank = _mm_set1_epi8(' '), ampersand = _mm_set1_epi8('&');
    for (; end - at >= 16; at += 16) {
        __m128i octets = _mm_loadu_si128((const __m128i *)(const void *)at);
        unsigned spaces = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(octets, blank));
        __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(octets, blank), octets);
        unsigned odd = (unsigned)_mm_movemask_epi8(
            _mm_or_si128(low, _mm_cmpeq_epi8(octets, ampersand)));
        if ((odd & ~spaces) != 0 || (spaces & (spaces >> 1 | 0x8000)) != 0)
            break;
    }
#else
    (void)end;
#endif
    return at;
}

/* From `at`: words and the single blanks between them; nothing if no word begins here. */
static const char *plain_end(const char *at, const char *end)
{
    if (is_odd[(unsigned char)*at])
        return at;
    at = skip_words(at + 1, end);
    for (;;) {
        while (at < end && !is_odd[(unsigned char)*at])
            at++;
        if (end - at < 2 || *at != ' ' || is_odd[(unsigned char)at[1]])
            return at;
        at++;
    }
}

static const char *put_spaces(struct reader *reader, const char *at, const char *end)
{
    bool has_line = false;
    for (; at < end && mw_html_is_space(*at); at++)
        has_line |= *at == '\n' || *at == '\r';
    if (!reader->is_hidden)
        put_gap(reader, has_line && reader->stack.pre > 0 ? '\n' : ' ');
    return at;
}

/* A reference may stand for white space, which counts like any other. */
static const char *put_reference(struct reader *reader, const char *at, const char *end)
{
    char value[MW_HTML_REFERENCE_MAX];
    size_t len;
    size_t used = mw_html_reference(MW_SLICE(at, (size_t)(end - at)), false, value, &len);
    if (used == 0)
        put_text(reader, "&", 1);
    else if (mw_html_is_space(value[0]))
        put_spaces(reader, value, value + len);
    else
        put_text(reader, value, len);
    return at + (used > 0 ? used : 1);
}

/* Text between tags, or all of a raw element. */
static void read_text(struct reader *reader, const char *at, const char *end, bool has_references)
{
    while (at < end) {
        const char *plain = plain_end(at, end);
        if (plain > at)
            put_text(reader, at, (size_t)(plain - at));
        if (plain == end)
            return;
        if (mw_html_is_space(*plain))
            at = put_spaces(reader, plain, end);
        else if (*plain == '&' && has_references)
            at = put_reference(reader, plain, end);
        else {
            if (*plain == '&')
                put_text(reader, "&", 1);
            at = plain + 1;
        }
    }
}

/* ---- tags ---- */

static struct mw_slice value_of(struct reader *reader, enum mw_html_attribute attribute)
{
    return mw_html_token_value(&reader->token, attribute, &reader->value);
}

static bool is_type(struct reader *reader, const char *type)
{
    return mw_slice_ieq(value_of(reader, MW_A_TYPE), mw_slice_cstr(type));
}

static struct mw_html_decl read_look(struct reader *reader)
{
    struct mw_html_decl decl = MW_HTML_DECL_INIT;
    const struct mw_slice *value = reader->token.value;
    if (value[MW_A_BGCOLOR].len > 0)
        decl.background = mw_html_colour(value_of(reader, MW_A_BGCOLOR));
    if (value[MW_A_BACKGROUND].len > 0)
        decl.background = MW_HTML_COLOUR_OTHER;
    if (value[MW_A_COLOR].len > 0)
        decl.colour = mw_html_colour(value_of(reader, MW_A_COLOR));
    if (value[MW_A_TEXT].len > 0 && reader->token.tag == MW_TAG_body)
        decl.colour = mw_html_colour(value_of(reader, MW_A_TEXT));
    if (value[MW_A_HIDDEN].ptr != NULL ||
        (reader->token.tag == MW_TAG_dialog && value[MW_A_OPEN].ptr == NULL))
        decl.display = MW_HTML_NONE;
    if (value[MW_A_SIZE].len > 0 && reader->token.tag == MW_TAG_font)
        decl.font_size = MW_HTML_SAYS_SHOWN;
    if (value[MW_A_STYLE].len > 0) {
        struct mw_slice style = value_of(reader, MW_A_STYLE);
        mw_html_style(style, &decl);
        mw_html_links_add_style(&reader->links, style);
    }
    return decl;
}

/* What is shown for an element without content. */
static void put_label(struct reader *reader, const struct mw_html_decl *decl)
{
    enum mw_html_attribute attribute = MW_A_COUNT;
    if (reader->token.tag == MW_TAG_img && reader->token.value[MW_A_SRC].len == 0)
        attribute = MW_A_ALT;
    else if (reader->token.tag == MW_TAG_input &&
             (is_type(reader, "submit") || is_type(reader, "button") || is_type(reader, "reset") ||
              is_type(reader, "text") || reader->token.value[MW_A_TYPE].len == 0))
        attribute = MW_A_VALUE;
    if (attribute == MW_A_COUNT || reader->token.value[attribute].len == 0)
        return;
    bool was_hidden = reader->is_hidden;
    reader->is_hidden |= decl->display == MW_HTML_NONE || decl->is_faded || decl->is_clipped ||
                         decl->visibility == MW_HTML_SAYS_HIDDEN ||
                         decl->font_size == MW_HTML_SAYS_HIDDEN;
    struct mw_slice label = reader->token.value[attribute];
    read_text(reader, label.ptr, label.ptr + label.len, true);
    reader->is_hidden = was_hidden;
}

/* The open elements have changed. */
static void see_stack(struct reader *reader)
{
    if (reader->stack.has_line)
        put_gap(reader, '\n');
    else if (reader->stack.has_cell)
        put_gap(reader, ' ');
    reader->is_hidden = mw_html_stack_is_hidden(&reader->stack);
    if (reader->links.open > 0 && reader->stack.lost == 0 &&
        !mw_html_stack_has(&reader->stack, MW_TAG_a))
        mw_html_links_end(&reader->links, reader->out.len);
}

static void read_body(struct reader *reader, const struct mw_html_decl *decl)
{
    bool *has = reader->token.tag == MW_TAG_body ? &reader->has_body : &reader->has_html;
    if ((reader->token.tag != MW_TAG_body && reader->token.tag != MW_TAG_html) || *has)
        return;
    *has = true;
    mw_html_stack_body(&reader->stack, decl);
}

static void read_raw(struct reader *reader);

static bool is_foreign(const struct reader *reader)
{
    return mw_html_stack_has(&reader->stack, MW_TAG_svg) ||
           mw_html_stack_has(&reader->stack, MW_TAG_math);
}

/* In <svg> and <math> no element is raw, and "/>" ends an element. */
static void open_element(struct reader *reader, const struct mw_html_decl *decl)
{
    const struct mw_html_token *token = &reader->token;
    mw_html_stack_start(&reader->stack, token->tag, token->flags, token->key, decl);
    read_body(reader, decl);
    bool is_theirs = token->key >= MW_TAG_COUNT || token->tag == MW_TAG_svg ||
                     token->tag == MW_TAG_math || token->flags == UNSEEN;
    if (token->is_empty && is_theirs && is_foreign(reader))
        mw_html_stack_end(&reader->stack, token->tag, token->flags, token->key);
    see_stack(reader);
}

static void start_tag(struct reader *reader)
{
    struct mw_html_token *token = &reader->token;
    struct mw_html_decl decl = MW_HTML_DECL_INIT;
    if (token->has_attribute || token->tag == MW_TAG_dialog)
        decl = read_look(reader);
    if (reader->is_conditional && mw_slice_ieq(token->name, MW_LIT("xml")))
        decl.display = MW_HTML_NONE; /* settings of Office programs */
    reader->html->has_script |= token->has_handler || token->tag == MW_TAG_script;
    reader->html->has_form |= token->tag == MW_TAG_form;
    if ((token->flags & RAW) && is_foreign(reader))
        token->flags &= UNSEEN;
    if (!(token->flags & CODE))
        open_element(reader, &decl);
    if (token->has_attribute || token->tag == MW_TAG_a || token->tag == MW_TAG_form)
        mw_html_links_add(&reader->links, token, reader->out.len);
    if (token->flags & VOID)
        put_label(reader, &decl);
    if (token->flags & RAW)
        read_raw(reader);
}

static void end_tag(struct reader *reader)
{
    const struct mw_html_token *token = &reader->token;
    mw_html_stack_end(&reader->stack, token->tag, token->flags, token->key);
    see_stack(reader);
}

/* Content up to its end tag, which is left to be read as any other. */
static void read_raw(struct reader *reader)
{
    const struct mw_html_token *token = &reader->token;
    const char *from = reader->at, *to = mw_html_raw_end(token, from, reader->end);
    reader->at = to;
    if (token->tag == MW_TAG_style)
        mw_html_links_add_style(&reader->links, MW_SLICE(from, (size_t)(to - from)));
    if (!(token->flags & CODE))
        read_text(reader, from, to, (token->flags & REFS) != 0);
}

/* A tag whose name begins at `at`. If the input ends in it, it is no tag, and nothing is left. */
static void read_tag(struct reader *reader, const char *at, bool is_end)
{
    const char *next = mw_html_token_read(&reader->token, at, reader->end, is_end);
    reader->at = next != NULL ? next : reader->end;
    if (next == NULL)
        return;
    if (is_end)
        end_tag(reader);
    else
        start_tag(reader);
}

/* ---- tokens: the rest ---- */

static void skip_past(struct reader *reader, const char *at, char octet)
{
    const char *found = at < reader->end ? memchr(at, octet, (size_t)(reader->end - at)) : NULL;
    reader->at = found != NULL ? found + 1 : reader->end;
}

/* <![CDATA[ ... ]]>: text, within pictures and formulas only (13.2.5.42). */
static void read_cdata(struct reader *reader, const char *from)
{
    const char *close = memmem(from, (size_t)(reader->end - from), "]]>", 3);
    const char *to = close != NULL ? close : reader->end;
    read_text(reader, from, to, false);
    reader->at = close != NULL ? close + 3 : reader->end;
}

static bool has_word(struct mw_slice text, const char *word)
{
    for (; text.len > 0; text = mw_slice_skip(text, 1))
        if (mw_slice_istarts(text, mw_slice_cstr(word)))
            return true;
    return false;
}

/* <!--[if mso]> ... <![endif]-->, of which `comment` is what stands behind "<!--". Kept for the end. */
static void note_conditional(struct reader *reader, struct mw_slice comment)
{
    enum { CONDITION_MAX = 128 };
    if (reader->is_conditional || reader->is_hidden || !mw_slice_istarts(comment, MW_LIT("[if")))
        return;
    ptrdiff_t close = mw_slice_find(mw_slice_take(comment, CONDITION_MAX), ']');
    if (close < 0)
        return;
    struct mw_slice condition = mw_slice_take(comment, (size_t)close);
    if (!has_word(condition, "mso") && !has_word(condition, "vml"))
        return;
    if (reader->conditional_count == reader->conditional_cap) {
        reader->conditional_cap = reader->conditional_cap > 0 ? reader->conditional_cap * 2 : 8;
        reader->conditionals = mw_xrealloc(reader->conditionals,
                                           reader->conditional_cap * sizeof *reader->conditionals);
    }
    comment = mw_slice_skip(comment, (size_t)close + 1);
    if (comment.len > 0 && comment.ptr[0] == '>')
        comment = mw_slice_skip(comment, 1);
    reader->conditionals[reader->conditional_count++] = comment;
}

static void read_comment(struct reader *reader, const char *from)
{
    reader->at = mw_html_comment_end(from, reader->end);
    struct mw_slice comment = MW_SLICE(from, (size_t)(reader->at - from));
    if (mw_slice_iends(comment, MW_LIT("-->")))
        comment.len -= 3;
    note_conditional(reader, comment);
}

static void read_declaration(struct reader *reader, const char *at)
{
    struct mw_slice rest = MW_SLICE(at, (size_t)(reader->end - at));
    if (mw_slice_starts(rest, MW_LIT("--")))
        read_comment(reader, at + 2);
    else if (is_foreign(reader) && mw_slice_starts(rest, MW_LIT("[CDATA[")))
        read_cdata(reader, at + 7);
    else
        skip_past(reader, at, '>'); /* a doctype or a bogus comment */
}

/* What begins with the '<' at reader->at (13.2.5.6, 7). */
static void read_markup(struct reader *reader)
{
    const char *at = reader->at + 1;
    char c = at < reader->end ? *at : '\0';
    if (mw_is_alpha(c)) {
        read_tag(reader, at, false);
    } else if (c == '!') {
        read_declaration(reader, at + 1);
    } else if (c == '?') {
        skip_past(reader, at, '>');
    } else if (c == '/' && at + 1 < reader->end) {
        if (mw_is_alpha(at[1]))
            read_tag(reader, at + 1, true);
        else
            skip_past(reader, at + 1, '>'); /* also "</>": nothing at all */
    } else {
        put_text(reader, "<", 1);
        reader->at++;
    }
}

static void read_all(struct reader *reader)
{
    while (reader->at < reader->end) {
        const char *from = reader->at;
        const char *markup = memchr(from, '<', (size_t)(reader->end - from));
        reader->at = markup != NULL ? markup : reader->end;
        if (reader->at > from)
            read_text(reader, from, reader->at, true);
        if (markup != NULL)
            read_markup(reader);
    }
}

static void read_conditionals(struct reader *reader)
{
    size_t hidden = reader->html->hidden;
    reader->is_conditional = true;
    for (size_t i = 0; i < reader->conditional_count; i++) {
        reader->at = reader->conditionals[i].ptr;
        reader->end = reader->at + reader->conditionals[i].len;
        mw_html_links_end(&reader->links, reader->out.len);
        mw_html_stack_init(&reader->stack);
        reader->is_hidden = false;
        reader->gap = '\n';
        read_all(reader);
    }
    reader->html->hidden = hidden; /* what is odd there is Outlook's */
    free(reader->conditionals);
}

void mw_html_read(struct mw_slice html, struct mw_arena *arena, struct mw_html *out_html)
{
    *out_html = (struct mw_html){.visible = MW_EMPTY, .base = MW_EMPTY};
    if (html.len == 0)
        return;
    struct reader *reader = mw_xalloc(sizeof *reader);
    *reader = (struct reader){
        .at = html.ptr, .end = html.ptr + html.len, .html = out_html, .links = {.arena = arena}};
    mw_html_stack_init(&reader->stack);
    read_all(reader);
    read_conditionals(reader);
    mw_html_links_end(&reader->links, reader->out.len);
    out_html->visible = mw_arena_dup(arena, mw_buf_view(&reader->out));
    mw_html_links_finish(&reader->links, out_html);
    mw_buf_fini(&reader->out);
    mw_buf_fini(&reader->value);
    free(reader);
}
