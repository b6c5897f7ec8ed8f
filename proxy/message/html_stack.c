/* html_stack.c - which elements are open, and whether text inside them is seen.
 *
 * No tree: a bounded stack, with as much of HTML's tree construction (13.2.6) as decides what a
 * hidden element hides: end tags that are left out (p, li, td, ...), end tags in the wrong order
 * (b, font, a: only what they say is taken out), tags that mean nothing where they stand, and text
 * within a table but in none of its cells, which is shown in front of the table. What is beyond
 * the depth is counted only, and from then on text counts as seen: end tags may have closed anything.
 * Formatting elements are not opened again behind a closed block: in
 * doubt text counts as seen. */
#include "message/html_priv.h"

#include <string.h>

#include "base/err.h"

struct row {
    const char *name;
    uint32_t len;
    uint32_t flags;
};

static const struct row rows[MW_TAG_COUNT] = {
#define TAG(name, flags) [MW_TAG_##name] = {#name, sizeof(#name) - 1, flags},
#include "message/html_tags.def"
#undef TAG
};

/* The first row of each letter that has one. */
static const uint8_t first_row[26] = {
    ['a' - 'a'] = MW_TAG_a,      ['b' - 'a'] = MW_TAG_b,    ['c' - 'a'] = MW_TAG_center,
    ['d' - 'a'] = MW_TAG_div,    ['e' - 'a'] = MW_TAG_em,   ['f' - 'a'] = MW_TAG_font,
    ['h' - 'a'] = MW_TAG_h1,     ['i' - 'a'] = MW_TAG_img,  ['k' - 'a'] = MW_TAG_keygen,
    ['l' - 'a'] = MW_TAG_li,     ['m' - 'a'] = MW_TAG_meta, ['n' - 'a'] = MW_TAG_nobr,
    ['o' - 'a'] = MW_TAG_object, ['p' - 'a'] = MW_TAG_p,    ['r' - 'a'] = MW_TAG_rp,
    ['s' - 'a'] = MW_TAG_span,   ['t' - 'a'] = MW_TAG_td,   ['u' - 'a'] = MW_TAG_u,
    ['w' - 'a'] = MW_TAG_wbr,    ['x' - 'a'] = MW_TAG_xmp,
};

/* Names are so short that a call of memcmp would be most of it. */
static bool is_same_name(const char *row, struct mw_slice name)
{
    for (size_t i = 1; i < name.len; i++)
        if (row[i] != name.ptr[i])
            return false;
    return true;
}

enum mw_html_tag mw_html_tag_find(struct mw_slice name, uint32_t *out_flags, uint32_t *out_key)
{
    char letter = name.ptr[0];
    uint32_t row = letter >= 'a' && letter <= 'z' ? first_row[letter - 'a'] : 0;
    for (; row > 0 && row < MW_TAG_COUNT && rows[row].name[0] == letter; row++)
        if (rows[row].len == name.len && is_same_name(rows[row].name, name)) {
            *out_flags = rows[row].flags;
            *out_key = row;
            return row == MW_TAG_image ? MW_TAG_img : (enum mw_html_tag)row;
        }
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)name.ptr[i]) * 16777619u;
    *out_flags = 0;
    *out_key = hash | 0x80000000u;
    return MW_TAG_OTHER;
}

static uint32_t *count_of(struct mw_html_stack *stack, uint32_t key)
{
    return &stack->count[key < MW_TAG_COUNT ? key : MW_TAG_COUNT + key % MW_HTML_OTHER_KINDS];
}

static struct mw_html_open *top_of(struct mw_html_stack *stack)
{
    return &stack->open[stack->depth - 1];
}

void mw_html_stack_init(struct mw_html_stack *stack)
{
    memset(stack->count, 0, sizeof stack->count);
    stack->depth = 1;
    stack->lost = stack->pre = 0;
    stack->was_lost = false;
    stack->has_line = stack->has_cell = false;
    stack->open[0] = (struct mw_html_open){.decl = MW_HTML_DECL_INIT};
    stack->open[0].look = (struct mw_html_look){.colour = MW_HTML_COLOUR_NONE,
                                                .background = MW_HTML_COLOUR_NONE};
}

/* ---- what is seen ---- */

/* The text of what stands in `parent`: that in a table, but in no cell, is shown outside. */
static const struct mw_html_look *look_in(const struct mw_html_open *parent, uint32_t flags)
{
    return (parent->flags & TABLE) && !(flags & PART) ? &parent->outside : &parent->look;
}

static void add_colours(struct mw_html_look *look, const struct mw_html_decl *decl)
{
    if (decl->colour != MW_HTML_COLOUR_NONE)
        look->colour = decl->colour;
    if (decl->background != MW_HTML_COLOUR_NONE && decl->background != MW_HTML_COLOUR_CLEAR)
        look->background = decl->background;
}

static bool is_control(uint32_t key)
{
    return key == MW_TAG_button || key == MW_TAG_textarea || key == MW_TAG_select;
}

static struct mw_html_look look_of(const struct mw_html_open *parent, uint32_t key, uint32_t flags,
                                   const struct mw_html_decl *decl)
{
    struct mw_html_look look = *look_in(parent, flags);
    if (key == MW_TAG_a || key == MW_TAG_mark || is_control(key)) /* have a colour of their own, */
        look.colour = MW_HTML_COLOUR_OTHER;
    if (key == MW_TAG_table || is_control(key)) /* and a size (tables: in quirks mode) */
        look.is_zero = false;
    add_colours(&look, decl);
    if (decl->display == MW_HTML_NONE || (flags & UNSEEN))
        look.is_none = true;
    if (decl->is_faded || decl->is_clipped)
        look.is_faded = true;
    if (decl->visibility != MW_HTML_UNSAID)
        look.is_invisible = decl->visibility == MW_HTML_SAYS_HIDDEN;
    if (decl->font_size != MW_HTML_UNSAID)
        look.is_zero = decl->font_size == MW_HTML_SAYS_HIDDEN;
    return look;
}

/* Colours that an eye does not tell apart count as the same. */
static bool is_same_colour(uint32_t a, uint32_t b)
{
    enum { TOLERANCE = 3 }; /* of 255, for each of red, green and blue */
    if (a > 0xffffff || b > 0xffffff)
        return false;
    for (unsigned shift = 0; shift <= 16; shift += 8) {
        int apart = (int)(a >> shift & 0xff) - (int)(b >> shift & 0xff);
        if (apart > TOLERANCE || apart < -TOLERANCE)
            return false;
    }
    return true;
}

bool mw_html_stack_is_hidden(const struct mw_html_stack *stack)
{
    const struct mw_html_open *top = &stack->open[stack->depth - 1];
    const struct mw_html_look *look = look_in(top, 0);
    if (stack->was_lost)
        return (top->flags & UNSEEN) != 0;
    return look->is_none || look->is_faded || look->is_invisible || look->is_zero ||
           look->colour == MW_HTML_COLOUR_CLEAR || is_same_colour(look->colour, look->background);
}

/* After a change below them. */
static void look_again(struct mw_html_stack *stack, size_t from)
{
    for (size_t i = from; i < stack->depth; i++) {
        struct mw_html_open *open = &stack->open[i];
        const struct mw_html_open *parent = &stack->open[i - 1];
        open->look = look_of(parent, open->key, open->flags, &open->decl);
        if (open->flags & TABLE)
            open->outside = open->key != MW_TAG_table && (parent->flags & TABLE) ? parent->outside
                                                                                 : parent->look;
    }
}

void mw_html_stack_body(struct mw_html_stack *stack, const struct mw_html_decl *decl)
{
    struct mw_html_open *root = &stack->open[0];
    struct mw_html_look look = root->look;
    root->look = look_of(&(struct mw_html_open){.look = look}, 0, 0, decl);
    look_again(stack, 1);
}

/* ---- closing ---- */

static void forget(struct mw_html_stack *stack, const struct mw_html_open *open)
{
    (*count_of(stack, open->key))--;
    if (open->flags & PRE)
        stack->pre--;
    if (open->look.is_none)
        return;
    if (open->is_line)
        stack->has_line = true;
    else if (open->flags & CELL)
        stack->has_cell = true;
}

static void close_to(struct mw_html_stack *stack, size_t index)
{
    mw_assert(index > 0);
    while (stack->depth > index) {
        forget(stack, top_of(stack));
        stack->depth--;
    }
}

/* Does `open` keep an end tag of `tag` from what is outside it? 13.2.4.2, 13.2.6.4.7. */
static bool is_barrier(const struct mw_html_open *open, enum mw_html_tag tag, uint32_t flags)
{
    if (tag == MW_TAG_table || (flags & PART))
        return open->key == MW_TAG_template || (open->key == MW_TAG_table && tag != MW_TAG_table);
    if (open->flags & SCOPE)
        return true;
    if (tag == MW_TAG_p)
        return open->key == MW_TAG_button;
    if (tag == MW_TAG_li)
        return open->key == MW_TAG_ul || open->key == MW_TAG_ol;
    return !(flags & (SPECIAL | FORMAT)) && (open->flags & SPECIAL);
}

/* Place of the innermost element with this key that an end tag reaches; 0: none. */
static size_t find(struct mw_html_stack *stack, enum mw_html_tag tag, uint32_t flags, uint32_t key)
{
    if (*count_of(stack, key) == 0)
        return 0;
    for (size_t i = stack->depth; i-- > 1;) {
        if (stack->open[i].key == key)
            return i;
        if (is_barrier(&stack->open[i], tag, flags))
            return 0;
    }
    return 0;
}

static void close_known(struct mw_html_stack *stack, enum mw_html_tag tag)
{
    size_t at = find(stack, tag, rows[tag].flags, tag);
    if (at > 0)
        close_to(stack, at);
}

/* The end of a formatting element: with everything in it, or only itself if a block is open in it
 * (that block goes on without it). */
static void close_format(struct mw_html_stack *stack, enum mw_html_tag tag)
{
    size_t at = find(stack, tag, FORMAT, tag);
    if (at == 0)
        return;
    for (size_t i = at + 1; i < stack->depth; i++) {
        if (!(stack->open[i].flags & SPECIAL))
            continue;
        forget(stack, &stack->open[at]);
        memmove(&stack->open[at], &stack->open[at + 1],
                (stack->depth - at - 1) * sizeof stack->open[0]);
        stack->depth--;
        look_again(stack, at);
        return;
    }
    close_to(stack, at);
}

static bool is_heading(uint32_t key)
{
    return key >= MW_TAG_h1 && key <= MW_TAG_h6;
}

/* Any heading's end tag ends the innermost one. */
static void close_heading(struct mw_html_stack *stack)
{
    for (size_t i = stack->depth; i-- > 1;) {
        if (is_heading(stack->open[i].key)) {
            close_to(stack, i);
            return;
        }
        if (stack->open[i].flags & SCOPE)
            return;
    }
}

/* <li>, <dd>, <dt>: the item before ends (13.2.6.4.7). */
static void close_item(struct mw_html_stack *stack, uint32_t key, uint32_t other)
{
    if (*count_of(stack, key) == 0 && *count_of(stack, other) == 0)
        return;
    for (size_t i = stack->depth; i-- > 1;) {
        const struct mw_html_open *open = &stack->open[i];
        if (open->key == key || open->key == other) {
            close_to(stack, i);
            return;
        }
        if ((open->flags & SPECIAL) && open->key != MW_TAG_address && open->key != MW_TAG_div &&
            open->key != MW_TAG_p)
            return;
    }
}

/* How deep in a table a part stands: a part ends what is not further out. */
static int rank_of(uint32_t key)
{
    if (key == MW_TAG_table)
        return 1;
    if (key == MW_TAG_tr || key == MW_TAG_col)
        return 3;
    return key == MW_TAG_td || key == MW_TAG_th ? 4 : 2;
}

static void close_parts(struct mw_html_stack *stack, enum mw_html_tag tag)
{
    for (size_t i = stack->depth; i-- > 1;) {
        const struct mw_html_open *open = &stack->open[i];
        if (open->key == MW_TAG_template)
            return;
        if (!(open->flags & TABLE) || (open->key == MW_TAG_colgroup && tag != MW_TAG_col))
            continue;
        if (rank_of(open->key) < rank_of(tag)) {
            close_to(stack, i + 1);
            return;
        }
    }
}

/* ---- pictures and formulas ---- */

/* HTML that cannot stand in <svg> or <math> ends them (13.2.6.5), also what hides their text. Within
 * <foreignObject> it may stand; not told apart, as what is hidden there only counts as seen. */
static void break_out(struct mw_html_stack *stack, enum mw_html_tag tag, uint32_t flags)
{
    bool is_usual = (flags & (BLOCK | FORMAT)) != 0 && tag != MW_TAG_a;
    bool is_other = tag == MW_TAG_br || tag == MW_TAG_img || tag == MW_TAG_span ||
                    tag == MW_TAG_embed || tag == MW_TAG_meta || tag == MW_TAG_head ||
                    tag == MW_TAG_body;
    if ((!is_usual && !is_other) || stack->count[MW_TAG_svg] + stack->count[MW_TAG_math] == 0)
        return;
    for (size_t i = 1; i < stack->depth; i++)
        if (stack->open[i].key == MW_TAG_svg || stack->open[i].key == MW_TAG_math) {
            close_to(stack, i);
            return;
        }
}

/* ---- tags ---- */

static void close_top_if(struct mw_html_stack *stack, bool is_it)
{
    if (is_it && stack->depth > 1)
        close_to(stack, stack->depth - 1);
}

static void close_others(struct mw_html_stack *stack, enum mw_html_tag tag)
{
    if (tag == MW_TAG_a || tag == MW_TAG_nobr)
        close_format(stack, tag);
    else if (tag == MW_TAG_button)
        close_known(stack, tag);
    else if (is_heading(tag))
        close_top_if(stack, is_heading(top_of(stack)->key));
    else if (tag == MW_TAG_option || tag == MW_TAG_optgroup)
        close_top_if(stack, top_of(stack)->key == MW_TAG_option);
    if (tag == MW_TAG_optgroup)
        close_top_if(stack, top_of(stack)->key == MW_TAG_optgroup);
}

/* What ends where `tag` begins. */
static void close_implied(struct mw_html_stack *stack, enum mw_html_tag tag, uint32_t flags)
{
    if (flags & PART) {
        close_parts(stack, tag);
        return;
    }
    if (tag == MW_TAG_li)
        close_item(stack, MW_TAG_li, MW_TAG_li);
    else if (tag == MW_TAG_dd || tag == MW_TAG_dt)
        close_item(stack, MW_TAG_dd, MW_TAG_dt);
    if (flags & BLOCK)
        close_known(stack, MW_TAG_p);
    close_others(stack, tag);
}

static bool is_line(uint32_t flags, const struct mw_html_decl *decl)
{
    return decl->display == MW_HTML_BLOCK ||
           ((flags & (BLOCK | LINE)) && decl->display != MW_HTML_INLINE);
}

void mw_html_stack_start(struct mw_html_stack *stack, enum mw_html_tag tag, uint32_t flags,
                         uint32_t key, const struct mw_html_decl *decl)
{
    stack->has_line = stack->has_cell = false;
    break_out(stack, tag, flags);
    if ((flags & PART) && stack->count[MW_TAG_table] == 0)
        return;
    if (tag == MW_TAG_form && stack->count[MW_TAG_form] > 0)
        return;
    if ((flags & HEAD) && !(flags & RAW))
        return;
    close_implied(stack, tag, flags);
    const struct mw_html_open *parent = top_of(stack);
    struct mw_html_open open = {.key = key, .flags = flags, .is_line = is_line(flags, decl)};
    open.look = look_of(parent, key, flags, decl);
    if (!open.look.is_none) {
        stack->has_line |= open.is_line;
        stack->has_cell |= (flags & CELL) != 0;
    }
    if (flags & VOID)
        return;
    if (stack->depth == MW_HTML_DEPTH_MAX) {
        stack->lost++;
        stack->was_lost = true;
        return;
    }
    open.decl = *decl;
    stack->open[stack->depth++] = open;
    (*count_of(stack, key))++;
    stack->pre += (flags & PRE) != 0;
    if (flags & TABLE)
        look_again(stack, stack->depth - 1);
}

void mw_html_stack_end(struct mw_html_stack *stack, enum mw_html_tag tag, uint32_t flags,
                       uint32_t key)
{
    stack->has_line = stack->has_cell = false;
    if ((flags & VOID) || ((flags & HEAD) && !(flags & RAW))) {
        stack->has_line = tag == MW_TAG_br; /* </br> is read as <br> */
        return;
    }
    if (stack->lost > 0) {
        stack->lost--;
        stack->has_line = (flags & (BLOCK | LINE)) != 0;
        return;
    }
    if (tag == MW_TAG_p && stack->count[MW_TAG_p] == 0) {
        stack->has_line = true; /* </p> alone is an empty paragraph */
    } else if (flags & FORMAT) {
        close_format(stack, tag);
    } else if (is_heading(tag)) {
        close_heading(stack);
    } else {
        size_t at = find(stack, tag, flags, key);
        if (at > 0)
            close_to(stack, at);
    }
}
