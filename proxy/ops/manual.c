/* manual.c - mailweir.conf(5) from the tables of schema.c, in man(7) macros.
 *
 * What the tables know is generated; the words around it (syntax, files) stand here.
 * docs/man/mailweir.conf.5 is the output, and a test fails when it is stale. */
#include <string.h>

#include "ops/process.h"
#include "ops/schema.h"

/* clang-format off */
static const char intro[] =
    ".SH NAME\n"
    "mailweir.conf \\- configuration of mailweir\n"
    ".SH SYNOPSIS\n"
    ".B /etc/mailweir/conf.d/*.conf\n"
    ".SH DESCRIPTION\n"
    ".BR mailweir (8)\n"
    "reads one file, or all files of a directory whose names end in\n"
    ".B .conf\n"
    "in lexical order.\n"
    "The configuration is loaded as a whole or not at all: with any error a running mailweir goes on with what it has.\n"
    ".B mailweir check\n"
    "reports all errors of a run, each with file, line and column.\n"
    ".SS Syntax\n"
    "One directive a line,\n"
    ".IR \"name value ...\" ;\n"
    "blocks\n"
    ".I kind name\n"
    "{ ... }, with blanks around the braces;\n"
    ".B #\n"
    "to the end of the line is a comment; a\n"
    ".B \\e\n"
    "at the end of a line joins it with the next.\n"
    ".TP\n"
    ".B \\(aq...\\(aq\n"
    "raw text, nothing in it is special: for regular expressions.\n"
    ".TP\n"
    ".B \\(dq...\\(dq\n"
    "text with blanks;\n"
    ".B \\e\\(dq\n"
    "and\n"
    ".B \\e\\e\n"
    "are the only escapes.\n"
    ".TP\n"
    ".BR ${NAME} \", \" ${NAME:-default}\n"
    "the environment variable, in bare words and in double quotes. Always one value, never new syntax.\n"
    ".TP\n"
    ".BR ${cred:NAME} \", \" ${file:PATH}\n"
    "a credential of systemd, the first line of a file; never shown in messages.\n"
    ".TP\n"
    ".BI include \" PATTERN\"\n"
    "reads other files at this place.\n"
    ".TP\n"
    ".BI override \" kind name\" \" { ... }\"\n"
    "changes single directives of a block that an earlier file defined. Without that word a second block of the same kind and name is an error.\n"
    ".SS Values\n"
    "Sizes: B kB MB GB (powers of 1000), KiB MiB GiB (powers of 1024), or a bare number of octets.\n"
    "Times: ms s m h d.\n"
    "Switches: on, off.\n"
    "Addresses: 127.0.0.1:25, [::1]:25, unix:/run/x.\n"
    "Networks: 10.0.0.0/8, 192.0.2.1, fd00::/8.\n"
    "A relative path is relative to the file that names it.\n";
static const char outro[] =
    ".SH FILES\n"
    ".TP\n"
    ".I /etc/mailweir/conf.d\n"
    "the configuration, one file a concern\n"
    ".TP\n"
    ".I /etc/mailweir/rules\n"
    "rule files of the rules filter, with their tests\n"
    ".SH SEE ALSO\n"
    ".BR mailweir (8)\n";
/* clang-format on */

/* Text for roff: backslashes, hyphens that are meant as such, and a line that begins with a dot. */
static void put_text(struct mw_buf *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        mw_buf_put(out, MW_LIT("\\&"));
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            mw_buf_put(out, MW_LIT("\\e"));
        else if (*text == '-')
            mw_buf_put(out, MW_LIT("\\-"));
        else
            mw_buf_putc(out, *text);
    }
}

static const char *value_word(enum mw_conf_type type)
{
    switch (type) {
    case MW_CONF_BOOL:
        return "on | off";
    case MW_CONF_COUNT:
        return "NUMBER";
    case MW_CONF_SIZE:
        return "SIZE";
    case MW_CONF_DURATION:
        return "TIME";
    case MW_CONF_TEXT:
        return "WORD";
    case MW_CONF_CHOICE:
        break;
    case MW_CONF_FILES:
        return "FILE";
    case MW_CONF_PATH:
        return "PATH";
    case MW_CONF_ENDPOINT:
        return "ADDRESS";
    case MW_CONF_NETWORK:
        return "NETWORK";
    case MW_CONF_WORDS:
        return "WORD ...";
    }
    return "";
}

static void put_values(struct mw_buf *out, const struct mw_conf_rule *rule)
{
    for (size_t i = 0; rule->choices != NULL && rule->choices[i] != NULL; i++) {
        mw_buf_put(out, i == 0 ? MW_EMPTY : MW_LIT(" | "));
        put_text(out, rule->choices[i]);
    }
    put_text(out, value_word(rule->type));
    if (rule->values_max > 1 && rule->type != MW_CONF_WORDS)
        mw_buf_put(out, MW_LIT(" ..."));
}

static void put_rule(struct mw_buf *out, const struct mw_conf_rule *rule)
{
    mw_buf_put(out, MW_LIT(".TP\n\\fB"));
    put_text(out, rule->name);
    mw_buf_put(out, MW_LIT("\\fR "));
    put_values(out, rule);
    mw_buf_putc(out, '\n');
    put_text(out, rule->help);
    mw_buf_putc(out, '\n');
    if (rule->is_repeatable)
        mw_buf_put(out, MW_LIT("May be given several times.\n"));
    if (rule->default_text == NULL) {
        mw_buf_put(out, MW_LIT("Required.\n"));
    } else if (*rule->default_text != '\0') {
        mw_buf_put(out, MW_LIT("Default:\n.BR \""));
        put_text(out, rule->default_text);
        mw_buf_put(out, MW_LIT("\" .\n"));
    }
}

static void put_section(struct mw_buf *out, const struct mw_schema_section *section)
{
    if (*section->kind == '\0')
        mw_buf_put(out, MW_LIT(".SH DIRECTIVES OF THE PROCESS\n"));
    else
        mw_buf_putf(out, ".SH BLOCKS: %s%s\n", section->kind, section->is_single ? "" : " NAME");
    put_text(out, section->help);
    mw_buf_putc(out, '\n');
    for (size_t i = 0; i < section->rule_count; i++)
        put_rule(out, &section->rules[i]);
}

void mw_schema_manual(struct mw_buf *out)
{
    struct mw_build_info build;
    mw_process_build_info(&build);
    mw_buf_put(
        out,
        MW_LIT(".\\\" Made by `mailweir manual conf` from proxy/ops/schema.c. Do not edit.\n"));
    mw_buf_putf(out, ".TH MAILWEIR.CONF 5 \"\" \"mailweir %s\" \"mailweir\"\n", build.version);
    mw_buf_put(out, mw_slice_cstr(intro));
    for (size_t i = 0; i < mw_schema_count; i++)
        put_section(out, &mw_schema[i]);
    mw_buf_put(out, mw_slice_cstr(outro));
}
