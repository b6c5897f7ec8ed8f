/* mailweir/lang.h - for filters that read a language of their own: the lexer and the diagnostics that mailweir's
 * configuration and rule files use, reached through host->lang.
 *
 * One lexer, two ways to cut text: configuration files are lines of words, rule files are expressions. The caller says with
 * each call which token it can take, so that a regex, a network and a division never look alike. */
#ifndef MAILWEIR_LANG_H
#define MAILWEIR_LANG_H

#include <mailweir/filter.h>

#ifdef __cplusplus
extern "C" {
#endif

enum mw_token_kind {
    MW_TOKEN_END = 0,   /* end of the text */
    MW_TOKEN_NEWLINE,   /* configuration mode only */
    MW_TOKEN_WORD,      /* identifier (expression), or any unquoted word (configuration, literal) */
    MW_TOKEN_NUMBER,    /* expression: digits with an optional fraction and unit: 5, 3.0, 2KB, 10m, 10%, 2026-12-01, 20/10m */
    MW_TOKEN_STRING,    /* "..." : value without the quotes, \" and \\ undone */
    MW_TOKEN_RAW,       /* '...' : value as it stands */
    MW_TOKEN_REGEX,     /* /.../flags : value = pattern with \/ turned into /, flags = letters behind it */
    MW_TOKEN_ADDRESS,   /* <...> : value without the brackets (literal mode and where MW_LEX_ADDRESS is asked) */
    MW_TOKEN_PUNCT,     /* operators and brackets; value = its characters */
    MW_TOKEN_ERROR      /* unterminated string, control character, ...: value = what is wrong */
};

enum mw_lex_mode {
    MW_LEX_CONFIG = 0, /* words up to a blank; { } are tokens of their own when they stand alone; newline is a token; \ at line end joins */
    MW_LEX_EXPR,       /* identifiers [A-Za-z_][A-Za-z0-9_.-]*, numbers, strings, ( ) { } [ ] , : == != =~ !~ <= >= < > = + - ; newline is blank */
    MW_LEX_LITERAL,    /* one bare value up to a blank or one of , ) } #: 10.0.0.0/8, fd00::/8, @example.net, .example.net; strings as well */
    MW_LEX_REGEX,      /* a regex is expected (behind =~ and !~); strings as well */
    MW_LEX_ADDRESS     /* <address> is expected; strings as well */
};

struct mw_token {
    enum mw_token_kind kind;
    struct mw_slice text;  /* the source text of the token */
    struct mw_slice value; /* decoded; into the source or into the lexer's memory: valid until lex_close */
    struct mw_slice flags; /* regex */
    uint32_t line, column; /* where it starts; from 1, in octets */
    uint32_t at_line_start; /* 1: nothing but blanks before it on its line, and `indent` of them */
    uint32_t indent;
};

struct mw_lexer;

struct mw_lang {
    size_t size;
    /* Lexer over a text (borrowed until lex_close). `file` is kept by pointer for diagnostics. */
    struct mw_lexer *(*lex_open)(const char *file, struct mw_slice text);
    void (*lex_close)(struct mw_lexer *);
    /* Next token; # to the end of the line is skipped in every mode (not inside quotes and regexes). */
    struct mw_token (*lex_next)(struct mw_lexer *, enum mw_lex_mode);
    /* Look without taking. */
    struct mw_token (*lex_peek)(struct mw_lexer *, enum mw_lex_mode);
    /* Nearest of `names` (NULL-terminated) to `word`, or NULL if none is near (distance above a third of its length). */
    const char *(*near_name)(struct mw_slice word, const char *const *names);
    /* Values: 1 = good. Sizes in octets (B kB MB GB KiB MiB GiB; case as written there, "KB" is taken as kB), durations in
     * milliseconds (ms s m h d), rates COUNT/DURATION, networks (address or CIDR; IPv4 mapped; host bits must be zero). */
    int (*parse_size)(struct mw_slice text, uint64_t *out_octets);
    int (*parse_duration)(struct mw_slice text, uint64_t *out_ms);
    int (*parse_rate)(struct mw_slice text, uint64_t *out_count, uint64_t *out_ms);
    int (*parse_network)(struct mw_slice text, unsigned char out_address[16], uint32_t *out_prefix);
    /* Read a whole file of at most `max` octets; free with file_free. NULL with a static text in *out_error. */
    char *(*file_read)(const char *path, size_t max, size_t *out_len, const char **out_error);
    void (*file_free)(char *text);
};

#ifdef __cplusplus
}
#endif
#endif
