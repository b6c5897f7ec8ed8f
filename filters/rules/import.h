/* import.h - tables of other programs as rules: Postfix (header_checks and its kin, access tables,
 * pcre: and regexp: files), milter-regex, SpamAssassin.
 *
 * An importer turns a table into a text in the rule language, each rule on the line of the entry
 * that it comes from, so that places in errors, logs and explanations are those of the table. What
 * cannot be carried over is named with its line and the reason. Pure but for reading files. */
#ifndef RULES_IMPORT_H
#define RULES_IMPORT_H

#include "text.h"

struct import_note {
    uint32_t line;
    const char *reason; /* static or in the result's memory */
    struct import_note *next;
};
struct import_result {
    char *text; /* rules; heap */
    size_t len;
    size_t carried, dropped;   /* entries */
    struct import_note *notes; /* in order of lines; some tell of a difference, not of a loss */
    struct import_chunk *chunks;
};

/* `format`: "postfix", "milter-regex", "spamassassin". A Postfix table's type may stand behind it:
 * "postfix:pcre", "postfix:regexp", "postfix:cidr", "postfix:hash" (any indexed table's source text);
 * without, it is told from the content. `kind` (postfix): header, body, mime_header,
 * nested_header, client, helo, sender, recipient (access tables). `prefix` begins the rules' names,
 * which go on with the line ("header_checks-12"). NULL on success, else a static text that says
 * what is wrong with format or kind. */
const char *rules_import(struct mw_slice format, struct mw_slice kind, struct mw_slice prefix,
                         struct mw_slice table, struct import_result *out_result);
void rules_import_free(struct import_result *result);
const char *const *rules_import_formats(void); /* NULL-terminated */
const char *const *rules_import_kinds(void);

#endif
