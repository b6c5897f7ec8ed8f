/* html_priv.h - what the files of the HTML reader share.
 *
 *   html.c (text) <- html_token.c (tags) <- html_names.c (character references)
 *                 <- html_link.c (links)
 *                 <- html_stack.c (open elements, what they hide) <- html_style.c (inline styles),
 *                                                                    html_tags.def (elements) */
#ifndef MW_MESSAGE_HTML_PRIV_H
#define MW_MESSAGE_HTML_PRIV_H

#include "message/html.h"

/* White space of HTML (Infra 4.6): what runs of blanks in text are made of. */
static inline bool mw_html_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}

/* ---- html_names.c ---- */

enum { MW_HTML_REFERENCE_MAX = 8 }; /* octets of what a reference stands for */

/* The reference that begins at text.ptr[0], an '&': its octets in `text`, 0 if it is none (the '&'
 * stands for itself). What it stands for is written to `out_value`, *out_len octets. In attribute
 * values names without ';' before '=' or a letter are none (HTML 13.2.5.73). */
size_t mw_html_reference(struct mw_slice text, bool is_attribute,
                         char out_value[MW_HTML_REFERENCE_MAX], size_t *out_len);

/* ---- html_style.c ---- */

/* A colour 0xrrggbb, or: nothing is said, something is said that is no plain colour, see-through. */
enum {
    MW_HTML_COLOUR_NONE = 0x1000000,
    MW_HTML_COLOUR_OTHER = 0x1000001,
    MW_HTML_COLOUR_CLEAR = 0x1000002
};

enum mw_html_display { MW_HTML_DISPLAY_UNSAID = 0, MW_HTML_NONE, MW_HTML_INLINE, MW_HTML_BLOCK };
enum mw_html_say { MW_HTML_UNSAID = 0, MW_HTML_SAYS_HIDDEN, MW_HTML_SAYS_SHOWN };

/* What one element says about how it looks. */
struct mw_html_decl {
    uint32_t colour, background;
    enum mw_html_display display;
    enum mw_html_say visibility, font_size;
    bool is_faded;   /* opacity 0 */
    bool is_clipped; /* no height or width, and what flows over is hidden */
};
#define MW_HTML_DECL_INIT \
    ((struct mw_html_decl){.colour = MW_HTML_COLOUR_NONE, .background = MW_HTML_COLOUR_NONE})

/* Read a style attribute's value; what it says is added to *decl and wins over what is there. */
void mw_html_style(struct mw_slice style, struct mw_html_decl *decl);
/* An attribute's colour: #rgb, #rrggbb (also without '#'), rgb(...), usual names. */
uint32_t mw_html_colour(struct mw_slice text);
/* Next url(...) of a style from *cursor on, without its quotes. */
bool mw_html_style_url(struct mw_slice style, size_t *cursor, struct mw_slice *out_url);

/* ---- html_stack.c ---- */

enum mw_html_tag {
    MW_TAG_OTHER = 0,
#define TAG(name, flags) MW_TAG_##name,
#include "message/html_tags.def"
#undef TAG
    MW_TAG_COUNT
};

enum {
    VOID = 1 << 0,    /* no content, no end tag */
    BLOCK = 1 << 1,   /* a line end before and behind; closes an open <p> */
    LINE = 1 << 2,    /* a line end before and behind, nothing else */
    CELL = 1 << 3,    /* a blank before and behind */
    FORMAT = 1 << 4,  /* may be closed in the middle of the stack (13.2.6.4.7, "adoption agency") */
    SPECIAL = 1 << 5, /* not closed by the end tag of an ordinary element around it */
    SCOPE = 1 << 6,   /* end tags inside do not reach what is outside (13.2.4.2) */
    TABLE = 1 << 7,   /* table, tbody, tr...: text directly in it is shown in front of the table */
    PART = 1 << 8,    /* means something within a table only */
    RAW = 1 << 9,     /* content is text up to its end tag */
    REFS = 1 << 10,   /* with RAW: references are undone (RCDATA) */
    UNSEEN = 1 << 11, /* content is never shown */
    CODE = 1 << 12,   /* with UNSEEN: and is no text for people; not counted */
    PRE = 1 << 13,    /* line ends in the text are kept */
    HEAD = 1 << 14    /* stands beside the text: no influence on what is open */
};

enum { MW_HTML_DEPTH_MAX = 256, MW_HTML_OTHER_KINDS = 64 };

struct mw_html_look {
    uint32_t colour, background;
    bool is_none, is_faded, is_invisible, is_zero;
};

struct mw_html_open {
    uint32_t key; /* enum mw_html_tag, or a hash of an unknown name above them */
    uint32_t flags;
    bool is_line; /* a line end behind it */
    struct mw_html_decl decl;
    struct mw_html_look look;    /* of the text in it */
    struct mw_html_look outside; /* TABLE: of text that does not belong into a table */
};

struct mw_html_stack {
    struct mw_html_open open[MW_HTML_DEPTH_MAX]; /* the first one stands for html and body */
    size_t depth;
    size_t lost;   /* elements open beyond the depth */
    bool was_lost; /* once: what is hidden is not known any more */
    uint32_t pre;  /* open elements with PRE */
    uint32_t count[MW_TAG_COUNT + MW_HTML_OTHER_KINDS]; /* open, by key */
    bool has_line; /* out: what was closed or opened ends a line */
    bool has_cell; /* out: a cell was opened or closed */
};

/* The element `name` (lower case, without NUL), its flags and its key. */
enum mw_html_tag mw_html_tag_find(struct mw_slice name, uint32_t *out_flags, uint32_t *out_key);

void mw_html_stack_init(struct mw_html_stack *stack);
/* A start tag: close what it closes, open it (unless VOID). Without effect if it means nothing here:
 * a part of a table outside one, a form in a form. */
void mw_html_stack_start(struct mw_html_stack *stack, enum mw_html_tag tag, uint32_t flags,
                         uint32_t key, const struct mw_html_decl *decl);
/* An end tag. */
void mw_html_stack_end(struct mw_html_stack *stack, enum mw_html_tag tag, uint32_t flags,
                       uint32_t key);
/* What <html> or <body> says. */
void mw_html_stack_body(struct mw_html_stack *stack, const struct mw_html_decl *decl);
/* Is text that stands here left out? */
bool mw_html_stack_is_hidden(const struct mw_html_stack *stack);
static inline bool mw_html_stack_has(const struct mw_html_stack *stack, enum mw_html_tag tag)
{
    return stack->count[tag] > 0;
}

/* ---- html_token.c ---- */

enum mw_html_attribute {
    MW_A_ACTION = 0,
    MW_A_ALT,
    MW_A_BACKGROUND,
    MW_A_BGCOLOR,
    MW_A_COLOR,
    MW_A_CONTENT,
    MW_A_DATA,
    MW_A_DYNSRC,
    MW_A_FORMACTION,
    MW_A_HIDDEN,
    MW_A_HREF,
    MW_A_HTTP_EQUIV,
    MW_A_LOWSRC,
    MW_A_OPEN,
    MW_A_POSTER,
    MW_A_REL,
    MW_A_SIZE,
    MW_A_SRC,
    MW_A_SRCSET,
    MW_A_STYLE,
    MW_A_TEXT,
    MW_A_TYPE,
    MW_A_VALUE,
    MW_A_XLINK_HREF,
    MW_A_COUNT
};

/* The current tag. Values are raw views into the input; ptr NULL: the attribute is not there. */
struct mw_html_token {
    enum mw_html_tag tag;
    uint32_t flags, key;
    bool is_end, is_empty; /* </x>, <x/> */
    bool has_attribute;    /* one of those that we know */
    bool has_handler;      /* onclick and the like */
    struct mw_slice name;  /* as it stands */
    struct mw_slice value[MW_A_COUNT];
};

/* Read the tag whose name begins at `at`; returns the place behind its '>', NULL if the input ends
 * in it. *token is used again and again (zero at first). */
const char *mw_html_token_read(struct mw_html_token *token, const char *at, const char *end,
                               bool is_end);
/* The attribute's value with references undone, NUL as U+FFFD; a view into the input, or into
 * `scratch` until its next use. */
struct mw_slice mw_html_token_value(const struct mw_html_token *token,
                                    enum mw_html_attribute attribute, struct mw_buf *scratch);
/* Where the content of the raw element that has just begun ends: at its end tag, or at the end. */
const char *mw_html_raw_end(const struct mw_html_token *token, const char *at, const char *end);
/* The place behind the comment whose "<!--" is in front of `from`. */
const char *mw_html_comment_end(const char *from, const char *end);

/* ---- html_link.c ---- */

struct mw_html_found;
struct mw_html_links {
    struct mw_arena *arena;
    struct mw_html_found *list; /* heap */
    size_t count, cap;
    size_t open;           /* 1 + index of the <a> that is open; 0: none */
    struct mw_slice base;  /* ptr NULL: none yet */
    struct mw_buf scratch; /* an attribute's value */
    bool has_more, has_script;
    const struct mw_html_token *token; /* the tag whose links are read, */
    size_t text_len;                   /* and the visible text in front of it */
};

/* Links of a start tag. `text_len`: octets of visible text before it, where an <a>'s text begins. */
void mw_html_links_add(struct mw_html_links *links, const struct mw_html_token *token,
                       size_t text_len);
/* url(...) of a style. */
void mw_html_links_add_style(struct mw_html_links *links, struct mw_slice style);
/* The <a> that is open, if one is, ends here. */
void mw_html_links_end(struct mw_html_links *links, size_t text_len);
/* All links with their texts, in the arena. Frees the rest. */
void mw_html_links_finish(struct mw_html_links *links, struct mw_html *html);

#endif
