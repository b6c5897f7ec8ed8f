/* tool_fmt_priv.h - shared by the files of `mailweir rules fmt`: a rule file in pieces
 * (tool_fmt_cut.c), their layout (tool_fmt_layout.c), and whether two texts mean the same
 * (tool_fmt_same.c). */
#ifndef RULES_TOOL_FMT_PRIV_H
#define RULES_TOOL_FMT_PRIV_H

#include "tool.h"

enum kind { PLAIN = 0, COMMENT, COMMA, OPEN, CLOSE, BRACE, BRACE_END, COLON };
struct piece_of_text {
    struct mw_slice text;
    enum kind kind;
    bool is_glued; /* no blank before it */
    bool starts_line;
    bool has_empty_line; /* before it */
    int depth;           /* of brackets it stands in */
};
struct pieces {
    struct piece_of_text *at; /* heap, views into the text: the caller frees it */
    size_t count, cap;
    const char *error; /* static; NULL: the whole text has been cut */
};

/* Words, quotes, patterns, brackets and comments of `text`; `pieces` is zeroed. */
void rules_fmt_cut(struct mw_slice text, struct pieces *pieces);
/* Do both texts say the same, piece by piece and to the rule files' own lexer? */
bool rules_fmt_same(const struct mw_lang *lang, struct mw_slice before, struct mw_slice after);

#endif
