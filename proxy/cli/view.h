/* view.h - `mailweir view`: what rules see of a message. */
#ifndef MW_CLI_VIEW_H
#define MW_CLI_VIEW_H

#include <mailweir/content.h>

#include "base/arena.h"
#include "base/buf.h"

int mw_view_main(int argc, char **argv);

/* What stands in the message's own header, for people. */
struct mw_view_header {
    bool has_subject;
    struct mw_slice subject; /* the first one, decoded */
    const struct mw_address *const *from, *const *to, *const *cc;
    size_t from_count, to_count, cc_count;
};
/* `header`: a header block. Memory from `arena`. */
void mw_view_header(struct mw_slice header, struct mw_arena *arena,
                    struct mw_view_header *out_header);

/* Append the view as one JSON object with a line end, or as text for a terminal. */
void mw_view_json(const struct mw_content *content, const struct mw_view_header *header,
                  struct mw_buf *out);
void mw_view_text(const struct mw_content *content, const struct mw_view_header *header,
                  struct mw_buf *out);

#endif
