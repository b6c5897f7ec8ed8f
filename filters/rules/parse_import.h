/* parse_import.h - the directive that takes over a table of another program:
 *
 *   import = "import" ( "postfix" TEXT "as" KIND | "milter-regex" TEXT | "spamassassin" TEXT )
 *
 * KIND is one of rules_import_kinds(). The file name may begin with the type of the Postfix table:
 * "pcre:header_checks". */
#ifndef RULES_PARSE_IMPORT_H
#define RULES_PARSE_IMPORT_H

#include "parse.h"

/* Behind the word `import`: read the file beside the rule file and add its rules, each at the place
 * of the entry that it comes from. What is not carried over is warned of at its own line. False: an
 * error in the directive itself was reported. */
bool rules_parse_import(struct parser *parser);

#endif
