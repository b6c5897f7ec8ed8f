/* conf_priv.h - what the files of the configuration reader share: conf.c reads and builds the tree,
 * conf_expand.c does ${...}, conf_path.c resolves names of files, conf_check.c gives directives
 * their meaning. */
#ifndef MW_BASE_CONF_PRIV_H
#define MW_BASE_CONF_PRIV_H

#include "base/conf.h"
#include "base/lex.h"

/* Turn a token of configuration mode into a word: copied, with every ${...} replaced unless it is
 * raw. False after a problem was reported. All memory from `arena`. */
bool mw_conf_expand(struct mw_arena *arena, struct mw_diags *diags, const char *file,
                    const struct mw_token *token, struct mw_conf_word *out_word);

/* `path` as seen from `file`, which names it: unchanged if it is absolute. NUL-terminated; from
 * `arena`. */
struct mw_slice mw_conf_relative(struct mw_arena *arena, const char *file, struct mw_slice path);
/* The same, made absolute with the working directory if `file` is relative. */
struct mw_slice mw_conf_absolute(struct mw_arena *arena, const char *file, struct mw_slice path);
bool mw_conf_is_pattern(struct mw_slice path);
/* The existing files that `pattern` (relative to `file`) names, in lexical order: array and names
 * from `arena`. A plain name gives itself if it exists. Returns their count. */
size_t mw_conf_glob(struct mw_arena *arena, const char *file, struct mw_slice pattern,
                    struct mw_slice **out_paths);

#endif
