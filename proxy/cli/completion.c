/* completion.c - `mailweir manual completion bash|zsh`: what a shell offers behind `mailweir`, made
 * from the table of commands. Options are read out of the commands' synopses and details, where
 * each stands as --name; what they take is files unless the option is known to take something else.
 * The files in packaging/completion are this output; a test says when they are stale. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli.h"

enum { OPTIONS_MAX = 32, OPTION_MAX = 32 };

struct options {
    char names[OPTIONS_MAX][OPTION_MAX];
    size_t count;
};

/* ---- out of the table ---- */

/* Of the filter rules, which the program does not know (tests/system/rules_tools compares). */
static const char tools[] = "lint fmt bench import unused slow top syntax manual help";
static const char tool_options[] =
    "--check --mail --as --control --counters --filter --count --help";

static bool is_known(const struct options *options, const char *name, size_t len)
{
    for (size_t i = 0; i < options->count; i++)
        if (strlen(options->names[i]) == len && memcmp(options->names[i], name, len) == 0)
            return true;
    return false;
}

static void add_option(struct options *options, const char *name, size_t len)
{
    if (len <= 2 || len >= OPTION_MAX || options->count == OPTIONS_MAX ||
        is_known(options, name, len))
        return;
    memcpy(options->names[options->count], name, len);
    options->names[options->count++][len] = '\0';
}

/* Each --name of a text. */
static void read_options(struct options *options, const char *text)
{
    while ((text = strstr(text, "--")) != NULL) {
        size_t len = 2 + strspn(text + 2, "abcdefghijklmnopqrstuvwxyz-");
        add_option(options, text, len);
        text += len;
    }
}

static void gather(struct options *options, const char *name, const char *synopsis,
                   const char *details)
{
    *options = (struct options){.count = 0};
    if (strstr(synopsis, "-c PATH") != NULL || strstr(synopsis, "-c OLD") != NULL)
        add_option(options, "--config", 8);
    read_options(options, synopsis);
    read_options(options, strcmp(name, "rules") == 0 ? tool_options : details);
    add_option(options, "--help", 6);
}

static void print_options(const struct options *options)
{
    for (size_t i = 0; i < options->count; i++)
        printf("%s%s", i > 0 ? " " : "", options->names[i]);
}

/* ---- bash ---- */

static void print_bash_cases(void)
{
    const char *synopsis, *summary, *details, *name;
    for (size_t i = 0; (name = mw_cli_command(i, &synopsis, &summary, &details)) != NULL; i++) {
        struct options options;
        gather(&options, name, synopsis, details);
        printf("        %s) options='", name);
        print_options(&options);
        printf("' ;;\n");
    }
}

static void print_names(void)
{
    const char *synopsis, *summary, *details, *name;
    for (size_t i = 0; (name = mw_cli_command(i, &synopsis, &summary, &details)) != NULL; i++)
        printf("%s%s", i > 0 ? " " : "", name);
}

static void print_bash(void)
{
    printf("# bash completion for mailweir. Made by `mailweir manual completion bash`: do not "
           "edit.\n"
           "_mailweir() {\n"
           "    local current=${COMP_WORDS[COMP_CWORD]} options=''\n"
           "    COMPREPLY=()\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        COMPREPLY=($(compgen -W '");
    print_names();
    printf("' -- \"$current\"))\n"
           "        return\n"
           "    fi\n"
           "    if [ \"$COMP_CWORD\" -eq 2 ] && [ \"${COMP_WORDS[1]}\" = rules ]; then\n"
           "        COMPREPLY=($(compgen -W '%s' -- \"$current\"))\n"
           "        return\n"
           "    fi\n"
           "    case ${COMP_WORDS[1]} in\n",
           tools);
    print_bash_cases();
    printf("    esac\n"
           "    case $current in\n"
           "        -*) COMPREPLY=($(compgen -W \"$options\" -- \"$current\")) ;;\n"
           "        *) COMPREPLY=($(compgen -f -- \"$current\")) ;;\n"
           "    esac\n"
           "}\n"
           "complete -o filenames -F _mailweir mailweir\n");
}

/* ---- zsh ---- */

/* A colon ends a name there, a quote the whole. */
static void print_described(const char *name, const char *summary)
{
    printf("        '%s:", name);
    for (; *summary != '\0'; summary++)
        if (*summary == '\'')
            fputs("'\\''", stdout);
        else if (*summary == ':')
            fputs("\\:", stdout);
        else
            putchar(*summary);
    fputs("'\n", stdout);
}

static void print_zsh(void)
{
    const char *synopsis, *summary, *details, *name;
    printf("#compdef mailweir\n"
           "# Made by `mailweir manual completion zsh`: do not edit.\n"
           "_mailweir() {\n"
           "    local -a commands options\n"
           "    commands=(\n");
    for (size_t i = 0; (name = mw_cli_command(i, &synopsis, &summary, &details)) != NULL; i++)
        print_described(name, summary);
    printf("    )\n"
           "    if (( CURRENT == 2 )); then\n"
           "        _describe command commands\n"
           "        return\n"
           "    fi\n"
           "    if (( CURRENT == 3 )) && [[ $words[2] == rules ]]; then\n"
           "        compadd %s\n"
           "        return\n"
           "    fi\n"
           "    case $words[2] in\n",
           tools);
    for (size_t i = 0; (name = mw_cli_command(i, &synopsis, &summary, &details)) != NULL; i++) {
        struct options found;
        gather(&found, name, synopsis, details);
        printf("        %s) options=(", name);
        print_options(&found);
        printf(") ;;\n");
    }
    printf("    esac\n"
           "    if [[ $words[CURRENT] == -* ]]; then\n"
           "        compadd -- $options\n"
           "    else\n"
           "        _files\n"
           "    fi\n"
           "}\n"
           "_mailweir \"$@\"\n");
}

int mw_cli_completion(const char *shell)
{
    if (strcmp(shell, "bash") == 0)
        print_bash();
    else if (strcmp(shell, "zsh") == 0)
        print_zsh();
    else
        return mw_cli_usage("manual completion: bash or zsh, not '%s'", shell);
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}
