/* html.h - HTML to what a reader sees, and to the links in it.
 *
 * A tokenizer by the states of the WHATWG standard (13.2.5), no tree: linear in the input, bounded
 * by the input's length. Text comes out with one blank for runs of white space and a line end where
 * a block begins or ends; what is not shown (head, script, style, comments, hidden by attribute or
 * inline style: display:none, visibility:hidden, font-size 0, opacity 0, text of the background's
 * colour where both are given) is left out and counted. Character references are undone.
 * Pure. */
#ifndef MW_MESSAGE_HTML_H
#define MW_MESSAGE_HTML_H

#include "base/arena.h"
#include "base/buf.h"

enum { MW_HTML_LINKS_MAX = 1000, MW_HTML_LINK_TEXT_MAX = 1024, MW_HTML_URL_MAX = 8192 };

struct mw_html_link {
    struct mw_slice url;  /* the attribute's value, references undone, white space at the ends and
                             line ends within taken out (WHATWG URL 4.4), joined with <base href> */
    struct mw_slice text; /* visible text of an <a>; empty for resources */
    bool is_resource;     /* loaded when shown: src, srcset, lowsrc, dynsrc, background, poster, an
                             object's data, what <link> loads (stylesheet, icon, preload, ...), url()
                             of styles; else followed: href of a, area and drawings, action,
                             formaction, meta refresh */
};

struct mw_html {
    struct mw_slice visible; /* UTF-8 */
    const struct mw_html_link *links;
    size_t link_count;
    struct mw_slice base; /* <base href>, empty without */
    size_t hidden;        /* octets of text that are not shown (script, style, head not counted) */
    bool has_more_links;  /* over the bound, or one was cut, or joined no more with a long base */
    bool has_script, has_form;
};

/* `html` is UTF-8. Everything in *out_html is in `arena`. */
void mw_html_read(struct mw_slice html, struct mw_arena *arena, struct mw_html *out_html);
/* Undo character references in `text` (HTML 13.5, all 2,231 names), append to `out`. */
void mw_html_unescape(struct mw_slice text, struct mw_buf *out);

#endif
