/* html_style.c - the few things of CSS that make text unseen, from style attributes.
 *
 * Declarations only (CSS Syntax 5.4), no cascade: what mail programs keep is what stands on the
 * element. Values that are not understood are skipped, as browsers do, so that "display:none;
 * display:whatever" stays hidden; !important wins over what follows. Comments and escapes are rare
 * outside attacks: a style with one is first copied without them. */
#include "message/html_priv.h"

#include <string.h>

enum {
    WORDS_MAX = 16,   /* of a value that are looked at */
    BRACKETS_MAX = 32 /* open in it */
};

enum property {
    P_NONE = 0,
    P_DISPLAY,
    P_VISIBILITY,
    P_OPACITY,
    P_FONT_SIZE,
    P_FONT,
    P_COLOUR,
    P_BACKGROUND,
    P_BACKGROUND_COLOUR,
    P_BACKGROUND_IMAGE,
    P_HEIGHT,
    P_WIDTH,
    P_MAX_HEIGHT,
    P_MAX_WIDTH,
    P_MIN_SIZE,
    P_OVERFLOW,
    P_PAINT
};

/* clang-format off */
/* No mso-hide:all: Outlook alone hides that, all others show it. */
static const struct { const char *name; enum property property; } properties[] = {
    {"-webkit-text-fill-color", P_PAINT}, {"-webkit-text-stroke", P_PAINT}, {"text-shadow", P_PAINT},
    {"background", P_BACKGROUND}, {"background-color", P_BACKGROUND_COLOUR},
    {"background-image", P_BACKGROUND_IMAGE}, {"color", P_COLOUR}, {"display", P_DISPLAY},
    {"font", P_FONT}, {"font-size", P_FONT_SIZE}, {"height", P_HEIGHT},
    {"max-height", P_MAX_HEIGHT}, {"max-width", P_MAX_WIDTH}, {"min-height", P_MIN_SIZE},
    {"min-width", P_MIN_SIZE}, {"opacity", P_OPACITY}, {"overflow", P_OVERFLOW},
    {"overflow-x", P_OVERFLOW}, {"overflow-y", P_OVERFLOW}, {"visibility", P_VISIBILITY},
    {"width", P_WIDTH},
};

/* The names of CSS Color 4 that mail uses. */
static const struct { const char *name; uint32_t colour; } colours[] = {
    {"aliceblue", 0xf0f8ff}, {"antiquewhite", 0xfaebd7}, {"aqua", 0x00ffff}, {"azure", 0xf0ffff},
    {"beige", 0xf5f5dc}, {"black", 0x000000}, {"blue", 0x0000ff}, {"brown", 0xa52a2a},
    {"cornsilk", 0xfff8dc}, {"cyan", 0x00ffff}, {"darkblue", 0x00008b}, {"darkgray", 0xa9a9a9},
    {"darkgrey", 0xa9a9a9}, {"darkgreen", 0x006400}, {"darkred", 0x8b0000},
    {"dimgray", 0x696969}, {"dimgrey", 0x696969}, {"floralwhite", 0xfffaf0},
    {"fuchsia", 0xff00ff}, {"gainsboro", 0xdcdcdc}, {"ghostwhite", 0xf8f8ff}, {"gold", 0xffd700},
    {"gray", 0x808080}, {"grey", 0x808080}, {"green", 0x008000}, {"honeydew", 0xf0fff0},
    {"ivory", 0xfffff0}, {"lavender", 0xe6e6fa}, {"lavenderblush", 0xfff0f5},
    {"lightblue", 0xadd8e6}, {"lightgray", 0xd3d3d3}, {"lightgrey", 0xd3d3d3},
    {"lightyellow", 0xffffe0}, {"lime", 0x00ff00}, {"linen", 0xfaf0e6}, {"magenta", 0xff00ff},
    {"maroon", 0x800000}, {"midnightblue", 0x191970}, {"mintcream", 0xf5fffa},
    {"mistyrose", 0xffe4e1}, {"navy", 0x000080}, {"oldlace", 0xfdf5e6}, {"olive", 0x808000},
    {"orange", 0xffa500}, {"pink", 0xffc0cb}, {"purple", 0x800080}, {"red", 0xff0000},
    {"royalblue", 0x4169e1}, {"seashell", 0xfff5ee}, {"silver", 0xc0c0c0}, {"snow", 0xfffafa},
    {"teal", 0x008080}, {"white", 0xffffff}, {"whitesmoke", 0xf5f5f5}, {"yellow", 0xffff00},
};
/* clang-format on */

static struct mw_slice skip_spaces(struct mw_slice text)
{
    while (text.len > 0 && mw_html_is_space(text.ptr[0]))
        text = mw_slice_skip(text, 1);
    return text;
}

static struct mw_slice trim(struct mw_slice text)
{
    text = skip_spaces(text);
    while (text.len > 0 && mw_html_is_space(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

static bool is(struct mw_slice text, const char *word)
{
    return mw_slice_ieq(text, mw_slice_cstr(word));
}

/* The value's next word: up to a blank outside brackets. */
static bool next_word(struct mw_slice *rest, struct mw_slice *out_word)
{
    struct mw_slice text = trim(*rest);
    if (text.len == 0)
        return false;
    size_t at = 0, depth = 0;
    for (; at < text.len && (depth > 0 || !mw_html_is_space(text.ptr[at])); at++) {
        if (text.ptr[at] == '(')
            depth++;
        else if (text.ptr[at] == ')' && depth > 0)
            depth--;
    }
    *out_word = mw_slice_take(text, at);
    *rest = mw_slice_skip(text, at);
    return true;
}

/* ---- numbers and colours ---- */

/* A number at the front, in thousandths (at most a million of ones); what follows it is left. */
static bool read_number(struct mw_slice *text, int64_t *out_milli)
{
    size_t at = text->len > 0 && (text->ptr[0] == '-' || text->ptr[0] == '+');
    bool is_negative = at > 0 && text->ptr[0] == '-', has_digit = false, has_dot = false;
    int64_t milli = 0, unit = 1000;
    for (; at < text->len; at++) {
        char c = text->ptr[at];
        if (c == '.' && !has_dot) {
            has_dot = true;
            continue;
        }
        if (!mw_is_digit(c))
            break;
        has_digit = true;
        if (has_dot)
            milli += (unit /= 10) * (c - '0');
        else if (milli < 1000000000)
            milli = milli * 10 + (c - '0') * 1000;
    }
    if (!has_digit)
        return false;
    *text = mw_slice_skip(*text, at);
    *out_milli = is_negative ? -milli : milli;
    return true;
}

static uint32_t read_hex(struct mw_slice digits)
{
    if (digits.len != 3 && digits.len != 4 && digits.len != 6 && digits.len != 8)
        return MW_HTML_COLOUR_NONE;
    size_t width = digits.len < 6 ? 1 : 2;
    uint32_t channels[4] = {0, 0, 0, 255};
    for (size_t i = 0; i < digits.len / width; i++) {
        int high = mw_hex_value(digits.ptr[i * width]);
        int low = mw_hex_value(digits.ptr[i * width + width - 1]);
        if (high < 0 || low < 0)
            return MW_HTML_COLOUR_NONE;
        channels[i] = (uint32_t)(high * 16 + low);
    }
    if (channels[3] == 0)
        return MW_HTML_COLOUR_CLEAR;
    return channels[3] < 255 ? MW_HTML_COLOUR_OTHER
                             : channels[0] << 16 | channels[1] << 8 | channels[2];
}

/* rgb(255, 0 0 / 50%): the numbers between the brackets. */
static uint32_t read_rgb(struct mw_slice text)
{
    int64_t channels[4] = {0, 0, 0, 255};
    size_t count = 0;
    while (text.len > 0 && text.ptr[0] != ')') {
        int64_t milli;
        char c = text.ptr[0];
        if (mw_html_is_space(c) || c == ',' || c == '/') {
            text = mw_slice_skip(text, 1);
            continue;
        }
        if (count == 4 || !read_number(&text, &milli))
            return MW_HTML_COLOUR_OTHER;
        bool is_percent = text.len > 0 && text.ptr[0] == '%';
        if (is_percent)
            text = mw_slice_skip(text, 1);
        int64_t value = is_percent ? milli * 255 / 100000 : milli * (count == 3 ? 255 : 1) / 1000;
        channels[count++] = value < 0 ? 0 : value > 255 ? 255 : value;
    }
    if (count < 3)
        return MW_HTML_COLOUR_OTHER;
    if (channels[3] < 255)
        return channels[3] == 0 ? MW_HTML_COLOUR_CLEAR : MW_HTML_COLOUR_OTHER;
    return (uint32_t)(channels[0] << 16 | channels[1] << 8 | channels[2]);
}

static uint32_t named_colour(struct mw_slice text)
{
    for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++)
        if (mw_lower(text.ptr[0]) == colours[i].name[0] && is(text, colours[i].name))
            return colours[i].colour;
    return is(text, "transparent") ? MW_HTML_COLOUR_CLEAR : MW_HTML_COLOUR_NONE;
}

/* A colour of CSS; MW_HTML_COLOUR_NONE if it is none that is known. */
static uint32_t css_colour(struct mw_slice text)
{
    if (text.len == 0)
        return MW_HTML_COLOUR_NONE;
    if (text.ptr[0] == '#')
        return read_hex(mw_slice_skip(text, 1));
    if (mw_slice_istarts(text, MW_LIT("rgb(")))
        return read_rgb(mw_slice_skip(text, 4));
    if (mw_slice_istarts(text, MW_LIT("rgba(")))
        return read_rgb(mw_slice_skip(text, 5));
    return named_colour(text);
}

uint32_t mw_html_colour(struct mw_slice text)
{
    text = trim(text);
    uint32_t colour = css_colour(text);
    if (colour == MW_HTML_COLOUR_NONE && text.len == 6)
        colour = read_hex(text);
    return colour == MW_HTML_COLOUR_NONE && text.len > 0 ? MW_HTML_COLOUR_OTHER : colour;
}

/* ---- properties ---- */

struct reading {
    struct mw_html_decl *decl;
    uint32_t important; /* bits: properties that stand fast */
    uint32_t no_size;   /* bits: properties that say that there is no room */
    bool is_cut, is_painted;
};

static bool read_display(struct mw_slice value, struct mw_html_decl *decl)
{
    static const struct {
        const char *word;
        enum mw_html_display display;
    } words[] = {
        {"none", MW_HTML_NONE},           {"inline", MW_HTML_INLINE},
        {"inline-block", MW_HTML_INLINE}, {"inline-table", MW_HTML_INLINE},
        {"inline-flex", MW_HTML_INLINE},  {"contents", MW_HTML_INLINE},
        {"table-cell", MW_HTML_INLINE},   {"block", MW_HTML_BLOCK},
        {"table", MW_HTML_BLOCK},         {"flex", MW_HTML_BLOCK},
        {"grid", MW_HTML_BLOCK},          {"list-item", MW_HTML_BLOCK},
        {"table-row", MW_HTML_BLOCK},     {"flow-root", MW_HTML_BLOCK},
        {"initial", MW_HTML_INLINE},      {"inherit", MW_HTML_DISPLAY_UNSAID},
        {"unset", MW_HTML_INLINE},        {"revert", MW_HTML_DISPLAY_UNSAID},
        {"inline-grid", MW_HTML_INLINE},  {"revert-layer", MW_HTML_DISPLAY_UNSAID},
        {"ruby", MW_HTML_INLINE},         {"ruby-base", MW_HTML_INLINE},
        {"ruby-text", MW_HTML_INLINE},    {"run-in", MW_HTML_BLOCK},
        {"-webkit-box", MW_HTML_BLOCK},   {"-webkit-inline-box", MW_HTML_INLINE},
        {"-webkit-flex", MW_HTML_BLOCK},  {"-webkit-inline-flex", MW_HTML_INLINE},
        {"-ms-flexbox", MW_HTML_BLOCK},   {"table-row-group", MW_HTML_BLOCK},
        {"table-caption", MW_HTML_BLOCK}, {"table-header-group", MW_HTML_BLOCK},
        {"math", MW_HTML_INLINE},         {"table-footer-group", MW_HTML_BLOCK},
    };
    struct mw_slice first, rest; /* "block flow", "inline list-item" */
    if (mw_slice_split(value, ' ', &first, &rest) && !is(first, "none"))
        value = first;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (is(value, words[i].word)) {
            decl->display = words[i].display;
            return true;
        }
    return false;
}

static bool read_visibility(struct mw_slice value, struct mw_html_decl *decl)
{
    if (is(value, "hidden") || is(value, "collapse"))
        decl->visibility = MW_HTML_SAYS_HIDDEN;
    else if (is(value, "visible"))
        decl->visibility = MW_HTML_SAYS_SHOWN;
    else
        return false;
    return true;
}

static bool read_opacity(struct mw_slice value, struct mw_html_decl *decl)
{
    int64_t milli;
    if (!read_number(&value, &milli))
        return false;
    if (value.len > 0 && value.ptr[0] == '%')
        milli /= 100;
    decl->is_faded = milli <= 20; /* two hundredths are not seen either */
    return true;
}

/* Sizes up to one pixel or point are too small to be read: zero. Relative ones say nothing new,
 * they are a part of the parent's. */
static bool read_font_size(struct mw_slice value, struct mw_html_decl *decl)
{
    int64_t milli;
    if (!read_number(&value, &milli)) {
        if (value.len == 0 || is(value, "inherit") || is(value, "smaller") || is(value, "larger"))
            return false;
        decl->font_size = MW_HTML_SAYS_SHOWN;
        return mw_is_alpha(value.ptr[0]);
    }
    bool is_small = (value.len == 0 || is(value, "px") || is(value, "pt")) && milli <= 1000;
    if (milli < 0 || (value.len == 0 && milli != 0))
        return false; /* no size: skipped by browsers */
    if (milli == 0 || is_small)
        decl->font_size = MW_HTML_SAYS_HIDDEN;
    else if (!is(value, "em") && !is(value, "%") && !is(value, "ex") && !is(value, "ch"))
        decl->font_size = MW_HTML_SAYS_SHOWN;
    return true;
}

/* font: bold 0/0 Arial. The size is the first number with a unit, or zero. */
static bool read_font(struct mw_slice value, struct mw_html_decl *decl)
{
    struct mw_slice word, rest;
    for (int count = 0; count < WORDS_MAX && next_word(&value, &word); count++) {
        if (mw_slice_split(word, '/', &word, &rest) || mw_is_digit(word.ptr[0]) ||
            word.ptr[0] == '.') {
            if (read_font_size(word, decl))
                return true;
        }
    }
    return false;
}

static bool read_background(struct mw_slice value, struct mw_html_decl *decl)
{
    struct mw_slice word;
    uint32_t colour = MW_HTML_COLOUR_CLEAR;
    for (int count = 0; count < WORDS_MAX && next_word(&value, &word); count++) {
        uint32_t said = css_colour(word);
        if (said != MW_HTML_COLOUR_NONE)
            colour = said;
        else if (mw_slice_find(word, '(') >= 0) {
            colour = MW_HTML_COLOUR_OTHER; /* a picture or a gradient: anything may be behind */
            break;
        }
    }
    decl->background = colour;
    return true;
}

static bool read_colour(struct mw_slice value, uint32_t *out_colour)
{
    uint32_t colour = css_colour(value);
    if (colour == MW_HTML_COLOUR_NONE) {
        if (value.len == 0 || !mw_is_alpha(value.ptr[0]) || is(value, "inherit"))
            return false;
        colour = MW_HTML_COLOUR_OTHER; /* a name or function that is not known here */
    }
    *out_colour = colour;
    return true;
}

/* The last one of each property counts; a least size leaves room whatever else is said. */
static bool read_size(struct mw_slice value, enum property property, struct reading *reading)
{
    uint32_t bit = (uint32_t)1 << property;
    int64_t milli = 1;
    if (!read_number(&value, &milli) && (value.len == 0 || !mw_is_alpha(value.ptr[0])))
        return false;
    bool is_none = milli == 0;
    if (is_none == (property != P_MIN_SIZE))
        reading->no_size |= bit;
    else
        reading->no_size &= ~bit;
    return true;
}

static bool apply(struct reading *reading, enum property property, struct mw_slice value)
{
    struct mw_html_decl *decl = reading->decl;
    switch (property) {
    case P_DISPLAY:
        return read_display(value, decl);
    case P_VISIBILITY:
        return read_visibility(value, decl);
    case P_OPACITY:
        return read_opacity(value, decl);
    case P_FONT_SIZE:
        return read_font_size(value, decl);
    case P_FONT:
        return read_font(value, decl);
    case P_COLOUR:
        return read_colour(value, &decl->colour);
    case P_BACKGROUND:
        return read_background(value, decl);
    case P_BACKGROUND_COLOUR:
        return read_colour(value, &decl->background);
    case P_BACKGROUND_IMAGE:
        if (!is(value, "none"))
            decl->background = MW_HTML_COLOUR_OTHER;
        return true;
    case P_HEIGHT:
    case P_WIDTH:
    case P_MAX_HEIGHT:
    case P_MAX_WIDTH:
    case P_MIN_SIZE:
        return read_size(value, property, reading);
    case P_OVERFLOW:
        reading->is_cut = is(value, "hidden") || is(value, "clip");
        return true;
    case P_PAINT:
        reading->is_painted |= !is(value, "none");
        return true;
    case P_NONE:
        break;
    }
    return false;
}

static enum property find_property(struct mw_slice name)
{
    if (name.len < 4 || name.len > 23)
        return P_NONE;
    char letter = mw_lower(name.ptr[0]);
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++)
        if (letter == properties[i].name[0] && is(name, properties[i].name))
            return properties[i].property;
    return P_NONE;
}

/* font-size and font, background and its kin share what they say, and so their importance. */
static uint32_t important_bit(enum property property)
{
    if (property == P_FONT)
        property = P_FONT_SIZE;
    if (property == P_BACKGROUND_COLOUR || property == P_BACKGROUND_IMAGE)
        property = P_BACKGROUND;
    return (uint32_t)1 << property;
}

static void read_declaration(struct reading *reading, struct mw_slice name, struct mw_slice value)
{
    enum property property = find_property(trim(name));
    if (property == P_NONE)
        return;
    ptrdiff_t mark = mw_slice_rfind(value, '!');
    bool is_important = mark >= 0 && is(trim(mw_slice_skip(value, (size_t)mark + 1)), "important");
    if (is_important)
        value = mw_slice_take(value, (size_t)mark);
    uint32_t bit = important_bit(property);
    if ((reading->important & bit) && !is_important)
        return;
    if (apply(reading, property, trim(value)) && is_important)
        reading->important |= bit;
}

/* ---- declarations ---- */

/* What a loop over a style stops at: ends, strings, brackets. */
static const bool stops[256] = {
    [';'] = true, ['"'] = true, ['\''] = true, ['('] = true, [')'] = true,
    ['['] = true, [']'] = true, ['{'] = true,  ['}'] = true};

/* The place behind the string whose quote is at `at`, 0: it does not end, or not in its line. A
 * browser goes on in other ways then: what follows is left out. */
static size_t string_end(struct mw_slice style, size_t at)
{
    struct mw_slice rest = mw_slice_skip(style, at + 1);
    ptrdiff_t close = mw_slice_find(rest, style.ptr[at]);
    if (close < 0 || mw_slice_find(mw_slice_take(rest, (size_t)close), '\n') >= 0)
        return 0;
    return at + 1 + (size_t)close + 1;
}

/* Where the declaration at `at` ends: a ';' outside strings and brackets (CSS Syntax 5.4.7: a bracket
 * is closed by its like only), or the end. */
static size_t declaration_end(struct mw_slice style, size_t at)
{
    char open[BRACKETS_MAX];
    size_t depth = 0;
    while (at < style.len) {
        char c = style.ptr[at];
        if (!stops[(unsigned char)c]) {
            at++;
            continue;
        }
        if (c == ';' && depth == 0)
            return at;
        if (c == '"' || c == '\'') {
            at = string_end(style, at);
            if (at == 0)
                return style.len;
            continue;
        }
        if (depth > 0 && c == open[depth - 1])
            depth--;
        else if (c == '(' || c == '[' || c == '{') {
            if (depth == BRACKETS_MAX)
                return style.len;
            open[depth++] = c == '(' ? ')' : c == '[' ? ']' : '}';
        }
        at++;
    }
    return at;
}

static void read_plain(struct mw_slice style, struct reading *reading)
{
    for (size_t at = 0; at < style.len;) {
        size_t end = declaration_end(style, at);
        struct mw_slice name, value;
        if (mw_slice_split(MW_SLICE(style.ptr + at, end - at), ':', &name, &value))
            read_declaration(reading, name, value);
        at = end + 1;
    }
}

/* CSS Syntax 4.3.7: an escape stands for a character; only letters, digits and '-' matter here, and
 * nothing that is escaped is a delimiter. */
static size_t unescape(struct mw_slice text, char *out)
{
    uint32_t code = 0;
    size_t at = 1;
    for (; at < text.len && at <= 6 && mw_hex_value(text.ptr[at]) >= 0; at++)
        code = code * 16 + (uint32_t)mw_hex_value(text.ptr[at]);
    if (at == 1) {
        code = at < text.len ? (unsigned char)text.ptr[at] : 0;
        at++;
    } else if (at < text.len && mw_html_is_space(text.ptr[at])) {
        at++;
    }
    char c = code < 0x80 ? (char)code : '_';
    *out = mw_is_alnum(c) || c == '-' ? c : '_';
    return at < text.len ? at : text.len;
}

/* Comments become a blank (they end words), escapes their character. */
static void clean(struct mw_slice style, struct mw_buf *out)
{
    char *to = mw_buf_reserve(out, style.len);
    for (size_t at = 0; at < style.len;) {
        struct mw_slice rest = mw_slice_skip(style, at);
        if (rest.ptr[0] == '\\') {
            at += unescape(rest, to++);
        } else if (mw_slice_starts(rest, MW_LIT("/*"))) {
            const char *end = rest.len > 2 ? memmem(rest.ptr + 2, rest.len - 2, "*/", 2) : NULL;
            at = end == NULL ? style.len : (size_t)(end - style.ptr) + 2;
            *to++ = ' ';
        } else {
            *to++ = rest.ptr[0];
            at++;
        }
    }
    out->len = (size_t)(to - out->ptr);
}

static bool has_comment(struct mw_slice style)
{
    const char *at = style.ptr, *end = style.ptr + style.len;
    while (at < end && (at = memchr(at, '/', (size_t)(end - at))) != NULL)
        if (++at < end && *at == '*')
            return true;
    return false;
}

void mw_html_style(struct mw_slice style, struct mw_html_decl *decl)
{
    struct reading reading = {.decl = decl};
    if (style.len == 0)
        return;
    if (memchr(style.ptr, '\\', style.len) == NULL && !has_comment(style)) {
        read_plain(style, &reading);
    } else {
        struct mw_buf cleaned = {0};
        clean(style, &cleaned);
        read_plain(mw_buf_view(&cleaned), &reading);
        mw_buf_fini(&cleaned);
    }
    if (reading.is_painted) /* letters are seen by something else than their colour */
        decl->colour = MW_HTML_COLOUR_OTHER;
    if (reading.is_cut && (reading.no_size & (uint32_t)1 << P_MIN_SIZE) == 0)
        decl->is_clipped |= reading.no_size != 0;
}

bool mw_html_style_url(struct mw_slice style, size_t *cursor, struct mw_slice *out_url)
{
    while (*cursor < style.len) {
        const char *open = memchr(style.ptr + *cursor, '(', style.len - *cursor);
        if (open == NULL)
            break;
        size_t at = (size_t)(open - style.ptr);
        *cursor = at + 1;
        if (at < 3 || !mw_slice_ieq(MW_SLICE(open - 3, 3), MW_LIT("url")))
            continue;
        struct mw_slice rest = skip_spaces(mw_slice_skip(style, at + 1));
        char quote = rest.len > 0 && (rest.ptr[0] == '"' || rest.ptr[0] == '\'') ? rest.ptr[0] : 0;
        if (quote != 0)
            rest = mw_slice_skip(rest, 1);
        ptrdiff_t end = mw_slice_find(rest, quote != 0 ? quote : ')');
        struct mw_slice url = trim(end < 0 ? rest : mw_slice_take(rest, (size_t)end));
        *cursor = (size_t)(url.ptr + url.len - style.ptr);
        if (url.len == 0)
            continue;
        *out_url = url;
        return true;
    }
    *cursor = style.len;
    return false;
}
