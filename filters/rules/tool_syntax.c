/* tool_syntax.c - what is generated from the grammar's tables: colours for editors, and the tables of
 * the manual page. The files in packaging/editor are this output; a test says when they are stale. */
#include <sysexits.h>

#include "tool.h"

static const char *const clauses[] = {"when",  "reason", "on_error", "observe", "until",
                                      "early", "at",     "with",     NULL};
static const char *const operators[] = {"and", "or",  "not",  "in",     "is", "empty",
                                        "any", "all", "none", "always", NULL};
static const char *const declarations[] = {"list", "test", "import", NULL};
static const char *const kinds[] = {"file",  "cidr",  "regex",        "postfix",      "lmdb",
                                    "redis", "dnsbl", "milter-regex", "spamassassin", NULL};
static const char *const outcomes[] = {"no-match", "match", NULL};
static const char *const test_words[] = {"client", "port",  "name",   "helo", "auth",    "listener",
                                         "from",   "to",    "params", "body", "message", "expect",
                                         "hit",    "miss",  "for",    "by",   "no",      "fact",
                                         "listed", "fails", NULL};

/* ---- words ---- */

/* Does another action begin with the same word? "add header", "add rcpt". */
static bool is_first(unsigned kind, size_t len)
{
    const char *words = rules_action_word((enum action_kind)kind)->words;
    for (unsigned i = 0; i < kind; i++) {
        const char *other = rules_action_word((enum action_kind)i)->words;
        if (strncmp(other, words, len) == 0 && (other[len] == ' ' || other[len] == '\0'))
            return false;
    }
    return true;
}

/* The first words of the actions, each once. */
static void print_actions(FILE *out, const char *between, bool wants_verdicts)
{
    bool is_begun = false;
    for (unsigned kind = 0; kind < ACT_COUNT; kind++) {
        const struct action_word *word = rules_action_word((enum action_kind)kind);
        size_t len = strcspn(word->words, " ");
        if (word->is_verdict != wants_verdicts || !is_first(kind, len))
            continue;
        fprintf(out, "%s%.*s", is_begun ? between : "", (int)len, word->words);
        is_begun = true;
    }
}

static void print_words(FILE *out, const char *const *words, const char *between)
{
    for (size_t i = 0; words[i] != NULL; i++)
        fprintf(out, "%s%s", i > 0 ? between : "", words[i]);
}

/* A regular expression's alternatives; `dot` is how the editor writes a full stop. */
static void print_fields(FILE *out, const char *between, const char *dot)
{
    /* longer names first: `url` is the beginning of `url.host` */
    for (size_t len = 64; len > 0; len--)
        for (unsigned id = 0; id < FIELD_COUNT; id++) {
            const char *name = rules_field((enum field_id)id)->name;
            if (strlen(name) != len)
                continue;
            for (; *name != '\0'; name++)
                if (*name == '.')
                    fputs(dot, out);
                else
                    fputc(*name, out);
            fputs(between, out);
        }
}

/* The words before { ... }. */
static void print_groups(FILE *out, const char *between)
{
    for (unsigned group = GROUP_NONE + 1; group < GROUP_COUNT; group++)
        fprintf(out, "%s%s", group > GROUP_NONE + 1 ? between : "",
                rules_group_name((enum group)group));
}

/* ---- vim ---- */

void rules_syntax_vim(FILE *out)
{
    fputs(
        "\" Vim syntax file: rules of mailweir. Made by `mailweir rules syntax vim`: do not edit.\n"
        "if exists(\"b:current_syntax\")\n  finish\nendif\n"
        "syn iskeyword @,48-57,_,-,.\nsyn case match\n\n"
        "syn match mailweirName "
        "/^\\s*[A-Za-z_][A-Za-z0-9_.-]*\\ze\\(\\s\\+at\\s\\+\\S\\+\\)\\?\\s*:/\n"
        "syn keyword mailweirDeclare ",
        out);
    print_words(out, declarations, " ");
    fputs("\nsyn keyword mailweirClause ", out);
    print_words(out, clauses, " ");
    fputs("\nsyn keyword mailweirOperator ", out);
    print_words(out, operators, " ");
    fputs("\nsyn keyword mailweirKind ", out);
    print_words(out, kinds, " ");
    fputc(' ', out);
    print_words(out, outcomes, " ");
    fputs("\nsyn keyword mailweirStage ", out);
    print_words(out, rules_stage_names(), " ");
    fputs("\nsyn keyword mailweirTest ", out);
    print_words(out, test_words, " ");
    fputs("\nsyn keyword mailweirVerdict ", out);
    print_actions(out, " ", true);
    fputs("\nsyn keyword mailweirAction ", out);
    print_actions(out, " ", false);
    fputs("\nsyn match mailweirField /\\<\\(", out);
    print_fields(out, "\\|", "\\.");
    fputs("score\\.[A-Za-z0-9_-]\\+\\)\\(\\.fold\\)\\?\\>/\n"
          "syn match mailweirGroup /\\<\\(",
          out);
    print_groups(out, "\\|");
    fputs("\\)\\ze\\s*{/\n"
          "syn match mailweirNumber /\\<\\d[0-9.\\/]*\\([kKMG]i\\?B\\|B\\|ms\\|[smhd%]\\)\\?\\>/\n"
          "syn match mailweirSign /==\\|!=\\|=\\~\\|!\\~\\|<=\\|>=\\|[<>=]/\n"
          "syn region mailweirString start=/\"/ skip=/\\\\./ end=/\"/ oneline "
          "contains=mailweirFilled\n"
          "syn region mailweirString start=/'/ end=/'/ oneline\n"
          "syn match mailweirFilled /\\${[^}]*}/ contained\n"
          "syn region mailweirRegex start=/\\([=!]\\~\\s*\\)\\@<=\\// skip=/\\\\./ "
          "end=/\\/[imsx]*/ oneline\n"
          "syn match mailweirAddress /<[^ <>=]*>/\n"
          "syn match mailweirComment /#.*$/ contains=mailweirTodo,@Spell\n"
          "syn keyword mailweirTodo contained TODO FIXME XXX\n\n",
          out);
    static const char *const links[] = {
        "Name Function",      "Declare Structure", "Clause Statement", "Operator Operator",
        "Kind Type",          "Group Type",        "Stage Constant",   "Test Keyword",
        "Verdict Exception",  "Action Keyword",    "Field Identifier", "Number Number",
        "Sign Operator",      "String String",     "Filled Special",   "Regex Special",
        "Address Underlined", "Comment Comment",   "Todo Todo",        NULL};
    for (size_t i = 0; links[i] != NULL; i++)
        fprintf(out, "hi def link mailweir%s\n", links[i]);
    fputs("let b:current_syntax = \"mailweir-rules\"\n", out);
}

/* ---- VS Code: a TextMate grammar ---- */

static void print_pattern(FILE *out, const char *name, const char *begin)
{
    fprintf(out, "    { \"name\": \"%s.mailweir\", \"match\": \"%s", name, begin);
}

void rules_syntax_vscode(FILE *out)
{
    fputs(
        "{\n  \"information_for_contributors\": [\"Made by `mailweir rules syntax vscode`: do not "
        "edit.\"],\n  \"name\": \"mailweir rules\",\n  \"scopeName\": \"source.mailweir\",\n"
        "  \"fileTypes\": [\"rules\"],\n  \"patterns\": [\n"
        "    { \"name\": \"comment.line.number-sign.mailweir\", \"match\": \"#.*$\" },\n"
        "    { \"name\": \"string.quoted.double.mailweir\", \"begin\": \"\\\"\", \"end\": "
        "\"\\\"\", "
        "\"patterns\": [\n"
        "      { \"name\": \"constant.character.escape.mailweir\", \"match\": \"\\\\\\\\.\" },\n"
        "      { \"name\": \"variable.other.mailweir\", \"match\": \"\\\\$\\\\{[^}]*\\\\}\" } ] "
        "},\n"
        "    { \"name\": \"string.quoted.single.mailweir\", \"begin\": \"'\", \"end\": \"'\" },\n"
        "    { \"begin\": \"([=!]~)\\\\s*/\", \"end\": \"/[imsx]*\", \"name\": "
        "\"string.regexp.mailweir\",\n"
        "      \"beginCaptures\": { \"1\": { \"name\": \"keyword.operator.mailweir\" } },\n"
        "      \"patterns\": [ { \"match\": \"\\\\\\\\.\" } ] },\n"
        "    { \"name\": \"entity.name.function.mailweir\", \"match\": "
        "\"^\\\\s*[A-Za-z_][A-Za-z0-9_.-]*(?=(\\\\s+at\\\\s+\\\\S+)?\\\\s*:)\" },\n",
        out);
    print_pattern(out, "support.variable", "(?<![\\\\w.-])(");
    print_fields(out, "|", "\\\\.");
    fputs("score\\\\.[A-Za-z0-9_-]+)(\\\\.fold)?(?![\\\\w.-])\" },\n", out);
    print_pattern(out, "keyword.control.verdict", "(?<![\\\\w.-])(");
    print_actions(out, "|", true);
    fputs(")(?![\\\\w.-])\" },\n", out);
    print_pattern(out, "keyword.other.action", "(?<![\\\\w.-])(");
    print_actions(out, "|", false);
    fputs(")(?![\\\\w.-])\" },\n", out);
    print_pattern(out, "support.type.group", "(?<![\\\\w.-])(");
    print_groups(out, "|");
    fputs(")(?=\\\\s*\\\\{)\" },\n", out);
    const struct {
        const char *name, *const *words;
    } groups[] = {{"storage.type", declarations},
                  {"keyword.control.clause", clauses},
                  {"keyword.operator.word", operators},
                  {"support.type.list", kinds},
                  {"constant.language.stage", rules_stage_names()},
                  {"constant.language.outcome", outcomes},
                  {"keyword.other.test", test_words}};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        print_pattern(out, groups[i].name, "(?<![\\\\w.-])(");
        print_words(out, groups[i].words, "|");
        fputs(")(?![\\\\w.-])\" },\n", out);
    }
    fputs("    { \"name\": \"constant.numeric.mailweir\", \"match\": "
          "\"(?<![\\\\w.-])\\\\d[0-9./]*(?:[kKMG]i?B|B|ms|[smhd%])?(?![\\\\w-])\" },\n"
          "    { \"name\": \"keyword.operator.mailweir\", \"match\": "
          "\"==|!=|=~|!~|<=|>=|[<>=]\" }\n  ]\n}\n",
          out);
}

/* ---- the manual's tables ---- */

static const char *type_name(const struct field *field)
{
    static const char *const names[] = {[TYPE_IP] = "address or network",
                                        [TYPE_NUMBER] = "number",
                                        [TYPE_SIZE] = "size",
                                        [TYPE_SCORE] = "score",
                                        [TYPE_TEXT] = "text",
                                        [TYPE_NAME] = "text, any case",
                                        [TYPE_HOST] = "host name",
                                        [TYPE_ADDRESS] = "mail address",
                                        [TYPE_BYTES] = "octets"};
    return field->flags & FLAG_AGE ? "duration" : names[field->type];
}

/* A hyphen is one, and a line must not begin with a full stop. */
static void print_roff(const char *text)
{
    for (; *text != '\0'; text++)
        fputs(*text == '-' ? "\\-" : (char[]){*text, '\0'}, stdout);
}

static void print_field(const struct field *field)
{
    printf(".TP\n.B ");
    print_roff(field->name);
    if (field->flags & FLAG_LIST)
        printf("(\"\\fR[\\fIFIELD\\fB in\\fR] \\fILIST\\fB\")");
    else if (field->flags & FLAG_ARG)
        printf("(\"\\fINAME\\fB\")");
    else if (field->flags & FLAG_ARG_OK)
        printf(" \\fR[\\fB(\"\\fINAME\\fB\")\\fR]");
    printf("\n%s%s; known at ", type_name(field), field->flags & FLAG_MANY ? ", several" : "");
    if (field->flags & FLAG_LIST)
        printf("the stage of what is looked up");
    else
        print_roff(rules_stage_name(field->stage));
    if (field->flags & FLAG_ITEM)
        printf("; property of %s { }", rules_group_name(rules_field_group(field)));
    if (field->flags & FLAG_FILTER)
        printf("; a filter before this one has to provide it");
    if (field->id == FIELD_SCORE || field->id == FIELD_TAG || field->id == FIELD_VAR)
        printf(", or when the rules above that write it are settled");
    printf("\n");
}

int rules_tool_manual(struct tool *tool)
{
    if (tool->argc > 0)
        return rules_tool_usage(tool, "'%s' is one argument too many", tool->argv[0]);
    printf(".\\\" BEGIN FIELDS (mailweir rules manual)\n");
    for (unsigned id = 0; id < FIELD_COUNT; id++)
        print_field(rules_field((enum field_id)id));
    printf(".\\\" END FIELDS\n.\\\" BEGIN ACTIONS (mailweir rules manual)\n");
    for (unsigned kind = 0; kind < ACT_COUNT; kind++) {
        const struct action_word *word = rules_action_word((enum action_kind)kind);
        printf(".TP\n.B %s\n%s\n", word->words,
               word->is_verdict ? "a verdict: ends the work of its scope" : "no verdict");
    }
    printf(".\\\" END ACTIONS\n");
    return EX_OK;
}

static void print_package(FILE *out)
{
    fputs("{\n  \"name\": \"mailweir-rules\",\n  \"displayName\": \"mailweir rules\",\n"
          "  \"description\": \"Colours for the rule files of mailweir\",\n"
          "  \"version\": \"1.0.0\",\n  \"publisher\": \"mailweir\",\n"
          "  \"engines\": { \"vscode\": \"^1.60.0\" },\n"
          "  \"categories\": [\"Programming Languages\"],\n  \"contributes\": {\n"
          "    \"languages\": [ { \"id\": \"mailweir-rules\", \"aliases\": [\"mailweir rules\"], "
          "\"extensions\": [\".rules\"] } ],\n"
          "    \"grammars\": [ { \"language\": \"mailweir-rules\", \"scopeName\": "
          "\"source.mailweir\", \"path\": \"./syntaxes/mailweir-rules.tmLanguage.json\" } ]\n"
          "  }\n}\n",
          out);
}

int rules_tool_syntax(struct tool *tool)
{
    static const char *const names[] = {"vim", "vscode", "vscode-package", NULL};
    const char *editor = tool->argc == 1 ? tool->argv[0] : "";
    if (strcmp(editor, "vim") == 0)
        rules_syntax_vim(stdout);
    else if (strcmp(editor, "vscode") == 0)
        rules_syntax_vscode(stdout);
    else if (strcmp(editor, "vscode-package") == 0)
        print_package(stdout);
    else if (tool->argc == 1 && tool->host->lang->near_name(slice_of(editor), names) != NULL)
        return rules_tool_usage(tool, "unknown editor '%s': did you mean '%s'?", editor,
                                tool->host->lang->near_name(slice_of(editor), names));
    else
        return rules_tool_usage(tool, "for which editor? syntax vim, vscode or vscode-package");
    return EX_OK;
}
