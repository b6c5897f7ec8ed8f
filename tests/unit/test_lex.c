/* The lexer: a text is cut in one mode and printed as KIND(value) words, which is compared with
 * what the author of a file would expect. */
#include "base/lex.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "test.h"

static const char *const kind_names[] = {"end", "nl",    "word",    "number", "string",
                                         "raw", "regex", "address", "punct",  "error"};

/* All tokens of `text`. The result lives until the next call. */
static const char *cut(struct mw_slice text, enum mw_lex_mode mode)
{
    static char out[4096];
    struct mw_lexer *lexer = mw_lex_open("t", text);
    size_t len = 0;
    out[0] = '\0';
    for (;;) {
        struct mw_token token = mw_lex_next(lexer, mode);
        if (token.kind == MW_TOKEN_END)
            break;
        const char *gap = len > 0 ? " " : "";
        struct mw_slice value = token.kind == MW_TOKEN_NEWLINE ? MW_EMPTY : token.value;
        int got = token.kind == MW_TOKEN_PUNCT
                      ? snprintf(out + len, sizeof out - len, "%s%.*s", gap, (int)value.len,
                                 value.ptr)
                      : snprintf(out + len, sizeof out - len, "%s%s(%.*s)%.*s", gap,
                                 kind_names[token.kind], (int)value.len, value.ptr,
                                 (int)token.flags.len, token.flags.ptr);
        len += (size_t)got < sizeof out - len ? (size_t)got : 0;
    }
    mw_lex_close(lexer);
    return out;
}

#define CHECK_CUT(mode, text, want)                 \
    do {                                            \
        const char *got_ = cut(MW_LIT(text), mode); \
        CHECK_MEM(got_, strlen(got_), want);        \
    } while (0)

/* ---- expressions ---- */

TEST(expr_rule_head)
{
    CHECK_CUT(MW_LEX_EXPR, "no-executables:\n    reject 550 5.7.1 \"${attachment.name} is not\"",
              "word(no-executables) : word(reject) number(550) number(5.7.1) "
              "string(${attachment.name} is not)");
}

TEST(expr_condition)
{
    CHECK_CUT(MW_LEX_EXPR, "when client.ip not in internal and rcpt.count>50",
              "word(when) word(client.ip) word(not) word(in) word(internal) word(and) "
              "word(rcpt.count) > number(50)");
    CHECK_CUT(MW_LEX_EXPR, "attachment { type == \"application/zip\" and size < 2KB }",
              "word(attachment) { word(type) == string(application/zip) word(and) word(size) < "
              "number(2KB) }");
    CHECK_CUT(MW_LEX_EXPR, "header(\"Subject\") =~", "word(header) ( string(Subject) ) =~");
    CHECK_CUT(
        MW_LEX_EXPR, "a!=b<=c>=d!~e=~f==g=h+i[1]",
        "word(a) != word(b) <= word(c) >= word(d) !~ word(e) =~ word(f) == word(g) = word(h) + "
        "word(i) [ number(1) ]");
}

TEST(expr_words_do_not_end_in_a_joiner)
{
    CHECK_CUT(MW_LEX_EXPR, "a-b.c_d", "word(a-b.c_d)");
    CHECK_CUT(MW_LEX_EXPR, "name-: x", "word(name) - : word(x)");
    CHECK_CUT(MW_LEX_EXPR, "end.", "word(end) error(this character has no meaning here)");
    CHECK_CUT(MW_LEX_EXPR, "_x9", "word(_x9)");
}

TEST(expr_numbers)
{
    CHECK_CUT(MW_LEX_EXPR, "3.0 2KB 10m 10% 2026-12-01 20/10m 0",
              "number(3.0) number(2KB) number(10m) number(10%) number(2026-12-01) number(20/10m) "
              "number(0)");
    CHECK_CUT(MW_LEX_EXPR, "-5", "- number(5)");
    CHECK_CUT(MW_LEX_EXPR, "2026-1-1", "number(2026) - number(1) - number(1)");
    CHECK_CUT(MW_LEX_EXPR, "2026-12-011", "number(2026) - number(12) - number(011)");
    CHECK_CUT(MW_LEX_EXPR, "5)", "number(5) )");
    CHECK_CUT(MW_LEX_EXPR, "7.", "number(7) error(this character has no meaning here)");
}

TEST(expr_comments_and_line_ends_are_blank)
{
    CHECK_CUT(MW_LEX_EXPR, "a # b \"c\n#\n\r\nd#e", "word(a) word(d)");
    CHECK_CUT(MW_LEX_EXPR, "", "");
    CHECK_CUT(MW_LEX_EXPR, "# only", "");
}

TEST(expr_habits_from_other_languages_are_answered)
{
    CHECK_CUT(MW_LEX_EXPR, "a && b", "word(a) error('&&' is not known; write 'and') word(b)");
    CHECK_CUT(MW_LEX_EXPR, "a || b", "word(a) error('||' is not known; write 'or') word(b)");
    CHECK_CUT(MW_LEX_EXPR, "!a", "error('!' is not known; write 'not') word(a)");
    CHECK_CUT(MW_LEX_EXPR, "a ~ b", "word(a) error('~' is not known; write '=~') word(b)");
    CHECK_CUT(MW_LEX_EXPR, "a;", "word(a) error(';' is not needed; a new line or a ',' is enough)");
    CHECK_CUT(MW_LEX_EXPR, "\xc3\xa9t",
              "error(letters beyond ASCII stand only inside quotes) word(t)");
    CHECK_CUT(MW_LEX_EXPR, "/x",
              "error(a regular expression stands only behind '=~', '!~' and "
              "'regex') word(x)");
}

/* ---- quotes ---- */

TEST(string_knows_two_escapes_only)
{
    CHECK_CUT(MW_LEX_EXPR, "\"a\\\"b\\\\c\"", "string(a\"b\\c)");
    CHECK_CUT(MW_LEX_EXPR, "\"\"", "string()");
    CHECK_CUT(
        MW_LEX_EXPR, "\"x\\d\" y",
        "error(only \\\" and \\\\ are known in \"...\"; write '...' for text with backslashes) "
        "word(y)");
    CHECK_CUT(MW_LEX_EXPR, "\"\xc3\xa9 # {}\"", "string(\xc3\xa9 # {})");
}

TEST(raw_keeps_everything)
{
    CHECK_CUT(MW_LEX_CONFIG, "'\\d+ \"x\" # \\'", "raw(\\d+ \"x\" # \\)");
}

TEST(open_quotes_end_with_their_line)
{
    CHECK_CUT(MW_LEX_EXPR, "\"open\nnext",
              "error(the string is not closed on its line) word(next)");
    CHECK_CUT(MW_LEX_EXPR, "\"open\\\"\r\nnext",
              "error(the string is not closed on its line) word(next)");
    CHECK_CUT(MW_LEX_EXPR, "'open", "error(the '...' is not closed on its line)");
    CHECK_CUT(MW_LEX_REGEX, "/open\\/", "error(the regular expression is not closed on its line)");
    CHECK_CUT(MW_LEX_ADDRESS, "<a@b", "error(the address has no closing '>')");
}

TEST(control_characters_are_errors_everywhere)
{
    CHECK_CUT(MW_LEX_EXPR, "a\0b", "word(a) error(a NUL octet has no place in this file) word(b)");
    CHECK_CUT(MW_LEX_EXPR, "\"a\0b\"c", "error(a NUL octet has no place in this file) word(c)");
    CHECK_CUT(MW_LEX_CONFIG, "a\0b c", "error(a NUL octet has no place in this file) word(c)");
    CHECK_CUT(MW_LEX_LITERAL, "a\x1b[1m c", "error(a control character has no place here) word(c)");
    CHECK_CUT(MW_LEX_REGEX, "/a\x7f/ c", "error(a control character has no place here) word(c)");
    CHECK_CUT(MW_LEX_EXPR, "a # \0 b\nc",
              "word(a) error(a NUL octet has no place in this file) word(c)");
    CHECK_CUT(MW_LEX_EXPR, "a\rb", "word(a) error(a carriage return without a line feed) word(b)");
    CHECK_CUT(MW_LEX_EXPR, "\"a\tb\"", "string(a\tb)");
}

/* ---- regexes, addresses, literals ---- */

TEST(regex_slash_is_undone_and_nothing_else)
{
    CHECK_CUT(MW_LEX_REGEX, "/\\binvoice\\b/i", "regex(\\binvoice\\b)i");
    CHECK_CUT(MW_LEX_REGEX, "/\\.(exe|scr)$/im and", "regex(\\.(exe|scr)$)im word(and)");
    CHECK_CUT(MW_LEX_REGEX, "/a\\/b[\\/]\\\\/", "regex(a/b[/]\\\\)");
    CHECK_CUT(MW_LEX_REGEX, "//", "regex()");
    CHECK_CUT(MW_LEX_REGEX, "/# \" ' }/x)", "regex(# \" ' })x )");
    CHECK_CUT(MW_LEX_REGEX, "\"plain\" name", "string(plain) word(name)");
}

TEST(address_may_quote_its_bracket)
{
    CHECK_CUT(MW_LEX_ADDRESS, "<audit@example.com> when", "address(audit@example.com) word(when)");
    CHECK_CUT(MW_LEX_ADDRESS, "<>", "address()");
    CHECK_CUT(MW_LEX_ADDRESS, "<\"a>\\\"b\"@x>", "address(\"a>\\\"b\"@x)");
    CHECK_CUT(MW_LEX_ADDRESS, "\"${1}@new.example\"", "string(${1}@new.example)");
    CHECK_CUT(MW_LEX_EXPR, "a < b", "word(a) < word(b)");
}

TEST(literal_values_end_at_separators)
{
    CHECK_CUT(MW_LEX_LITERAL, "10.0.0.0/8, 192.168.0.0/16, fd00::/8 # x",
              "word(10.0.0.0/8) , word(192.168.0.0/16) , word(fd00::/8)");
    CHECK_CUT(MW_LEX_LITERAL, "(@example.net,.example.org) }",
              "( word(@example.net) , word(.example.org) ) }");
    CHECK_CUT(MW_LEX_LITERAL, "<a@example.org> \"x\" 203.0.113.9#c",
              "address(a@example.org) string(x) word(203.0.113.9)");
    CHECK_CUT(MW_LEX_LITERAL, "a\"b\" c",
              "error(a quote inside a value; put quotes around the whole value) word(c)");
}

/* ---- configuration ---- */

TEST(config_lines_of_words)
{
    CHECK_CUT(
        MW_LEX_CONFIG, "listen mx {\n  address 0.0.0.0:25 [::]:25 # two\n}\n",
        "word(listen) word(mx) { nl() word(address) word(0.0.0.0:25) word([::]:25) nl() } nl()");
    CHECK_CUT(MW_LEX_CONFIG, "a#b x{2} {x }", "word(a#b) word(x{2}) word({x) }");
    CHECK_CUT(MW_LEX_CONFIG, "a\r\nb\r\n", "word(a) nl() word(b) nl()");
    CHECK_CUT(MW_LEX_CONFIG, "h\xc3\xa9llo", "word(h\xc3\xa9llo)");
}

TEST(config_backslash_joins_lines)
{
    CHECK_CUT(MW_LEX_CONFIG, "a \\\n b\\\r\n c\n", "word(a) word(b) word(c) nl()");
    CHECK_CUT(MW_LEX_CONFIG, "\\d a\\b", "word(\\d) word(a\\b)");
    CHECK_CUT(MW_LEX_CONFIG, "a \\ \nb",
              "word(a) error(blanks behind the '\\' at the end of the line; it does not join) nl() "
              "word(b)");
    CHECK_CUT(MW_LEX_CONFIG, "# c \\\nb", "nl() word(b)");
}

TEST(config_quotes_take_the_whole_word)
{
    CHECK_CUT(MW_LEX_CONFIG, "a=\"b c\" d",
              "error(a quote inside a word; put quotes around the whole "
              "word) error(a quote inside a word; put quotes around the "
              "whole word) word(d)");
    CHECK_CUT(MW_LEX_CONFIG, "\"a\"b c",
              "error(a blank is needed behind the closing quote) word(c)");
    CHECK_CUT(MW_LEX_CONFIG, "'{' \"}\"", "raw({) string(})");
}

/* ---- places, looking ahead ---- */

TEST(places_count_lines_columns_and_indent)
{
    struct mw_lexer *lexer = mw_lex_open("f", MW_LIT("\xef\xbb\xbf"
                                                     "a: b\n\t  c \"x\\q\"\n# k\nd"));
    struct mw_token a = mw_lex_next(lexer, MW_LEX_EXPR);
    CHECK_INT(a.line * 100 + a.column, 101);
    CHECK_INT(a.at_line_start, 1);
    mw_lex_next(lexer, MW_LEX_EXPR);
    struct mw_token b = mw_lex_next(lexer, MW_LEX_EXPR);
    CHECK_INT(b.line * 100 + b.column, 104);
    CHECK_INT(b.at_line_start, 0);
    struct mw_token c = mw_lex_next(lexer, MW_LEX_EXPR);
    CHECK_INT(c.line * 100 + c.column, 204);
    CHECK_INT(c.at_line_start, 1);
    CHECK_INT(c.indent, 3);
    struct mw_token bad = mw_lex_next(lexer, MW_LEX_EXPR); /* the escape alone is marked */
    CHECK_INT(bad.kind, MW_TOKEN_ERROR);
    CHECK_SLICE(bad.text, "\\q");
    CHECK_INT(bad.line * 100 + bad.column, 208);
    struct mw_token d = mw_lex_next(lexer, MW_LEX_EXPR);
    CHECK_INT(d.line * 100 + d.column, 401);
    CHECK_INT(mw_lex_next(lexer, MW_LEX_EXPR).kind, MW_TOKEN_END);
    CHECK_INT(mw_lex_next(lexer, MW_LEX_CONFIG).kind, MW_TOKEN_END);
    CHECK_MEM(mw_lex_file(lexer), 1, "f");
    mw_lex_close(lexer);
}

TEST(peek_takes_nothing_and_modes_may_change)
{
    struct mw_lexer *lexer = mw_lex_open("f", MW_LIT("=~ /a b/i, 10.0.0.0/8"));
    CHECK_SLICE(mw_lex_peek(lexer, MW_LEX_LITERAL).value, "=~");
    CHECK_SLICE(mw_lex_next(lexer, MW_LEX_EXPR).value, "=~");
    CHECK_INT(mw_lex_peek(lexer, MW_LEX_EXPR).kind, MW_TOKEN_ERROR);
    CHECK_SLICE(mw_lex_peek(lexer, MW_LEX_REGEX).value, "a b");
    CHECK_SLICE(mw_lex_next(lexer, MW_LEX_REGEX).flags, "i");
    CHECK_SLICE(mw_lex_next(lexer, MW_LEX_EXPR).value, ",");
    CHECK_SLICE(mw_lex_peek(lexer, MW_LEX_LITERAL).value, "10.0.0.0/8");
    CHECK_SLICE(mw_lex_peek(lexer, MW_LEX_LITERAL).value, "10.0.0.0/8");
    mw_lex_next(lexer, MW_LEX_LITERAL);
    CHECK_INT(mw_lex_peek(lexer, MW_LEX_EXPR).kind, MW_TOKEN_END);
    mw_lex_close(lexer);
    mw_lex_close(NULL);
}

TEST(long_lines_are_cut_in_linear_time)
{
    size_t len = 1u << 20;
    char *text = malloc(len);
    for (size_t i = 0; i < len; i++)
        text[i] = i < len / 2 ? ' ' : i % 2 ? 'x' : ' ';
    struct mw_lexer *lexer = mw_lex_open("f", MW_SLICE(text, len));
    size_t count = 0;
    while (mw_lex_next(lexer, MW_LEX_CONFIG).kind != MW_TOKEN_END)
        count++;
    mw_lex_close(lexer);
    free(text);
    CHECK_INT(count, len / 4);
}

/* ---- values ---- */

static long long size_of(const char *text)
{
    uint64_t octets;
    enum mw_err err = mw_parse_size(mw_slice_cstr(text), &octets);
    return err == MW_OK ? (long long)octets : err;
}

TEST(sizes)
{
    CHECK_INT(size_of("0"), 0);
    CHECK_INT(size_of("17"), 17);
    CHECK_INT(size_of("17B"), 17);
    CHECK_INT(size_of("5kB"), 5000);
    CHECK_INT(size_of("5KB"), 5000);
    CHECK_INT(size_of("5KiB"), 5120);
    CHECK_INT(size_of("5MB"), 5000000);
    CHECK_INT(size_of("5MiB"), 5242880);
    CHECK_INT(size_of("2GB"), 2000000000);
    CHECK_INT(size_of("2GiB"), 2147483648LL);
    static const char *const bad[] = {"",    "MB",   "5M",  "5mb",  "5 MB", "5.5MB",
                                      "-5B", "5MB ", "5kb", "5kiB", "+5",   "0x5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_INT(size_of(bad[i]), MW_ERR_SYNTAX);
    CHECK_INT(size_of("18446744073709551615GiB"), MW_ERR_LIMIT);
    CHECK_INT(size_of("18446744073709551616"), MW_ERR_LIMIT);
}

static long long duration_of(const char *text)
{
    uint64_t ms;
    enum mw_err err = mw_parse_duration(mw_slice_cstr(text), &ms);
    return err == MW_OK ? (long long)ms : err;
}

TEST(durations_need_a_unit_unless_nothing)
{
    CHECK_INT(duration_of("0"), 0);
    CHECK_INT(duration_of("250ms"), 250);
    CHECK_INT(duration_of("2s"), 2000);
    CHECK_INT(duration_of("5m"), 300000);
    CHECK_INT(duration_of("3h"), 10800000);
    CHECK_INT(duration_of("1d"), 86400000);
    static const char *const bad[] = {"", "5", "s", "5M", "5 s", "1h30m", "-1s", "00"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_INT(duration_of(bad[i]), MW_ERR_SYNTAX);
    CHECK_INT(duration_of("9999999999999999999d"), MW_ERR_LIMIT);
}

TEST(rates)
{
    uint64_t count, ms;
    CHECK_INT(mw_parse_rate(MW_LIT("20/10m"), &count, &ms), MW_OK);
    CHECK_INT(count, 20);
    CHECK_INT(ms, 600000);
    CHECK_INT(mw_parse_rate(MW_LIT("20"), &count, &ms), MW_ERR_SYNTAX);
    CHECK_INT(mw_parse_rate(MW_LIT("20/0"), &count, &ms), MW_ERR_SYNTAX);
    CHECK_INT(mw_parse_rate(MW_LIT("20/m"), &count, &ms), MW_ERR_SYNTAX);
    CHECK_INT(mw_parse_rate(MW_LIT("/10m"), &count, &ms), MW_ERR_SYNTAX);
    CHECK_INT(mw_parse_rate(MW_LIT("20/10m/1"), &count, &ms), MW_ERR_SYNTAX);
}

TEST(table_for_filters_answers_one_or_zero)
{
    unsigned char address[16];
    uint32_t prefix;
    uint64_t number, ms;
    const char *const names[] = {"attachment.name", "attachment.type", NULL};
    CHECK_INT(mw_lang_table.size, sizeof(struct mw_lang));
    CHECK_INT(mw_lang_table.parse_network(MW_LIT("10.0.0.0/8"), address, &prefix), 1);
    CHECK_INT(prefix, 104);
    CHECK_INT(address[12], 10);
    CHECK_INT(mw_lang_table.parse_network(MW_LIT("10.0.0.1/8"), address, &prefix), 0);
    CHECK_INT(mw_lang_table.parse_size(MW_LIT("2KB"), &number), 1);
    CHECK_INT(mw_lang_table.parse_size(MW_LIT("x"), &number), 0);
    CHECK_INT(mw_lang_table.parse_duration(MW_LIT("1s"), &number), 1);
    CHECK_INT(mw_lang_table.parse_rate(MW_LIT("1/s"), &number, &ms), 0);
    const char *near = mw_lang_table.near_name(MW_LIT("attachement.name"), names);
    CHECK(near == names[0]);
}

/* ---- files ---- */

TEST(file_read_reads_whole_files_within_the_limit)
{
    char path[] = "/tmp/mailweir-lex-XXXXXX", *text = NULL;
    const char *error = NULL;
    size_t len = 0;
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    bool is_written = write(fd, "a\0b\n", 4) == 4;
    close(fd);
    enum mw_err good = mw_file_read(path, 4, &text, &len, &error);
    bool is_same = good == MW_OK && len == 4 && memcmp(text, "a\0b\n", 5) == 0;
    free(text);
    text = NULL;
    enum mw_err large = mw_file_read(path, 3, &text, &len, &error);
    unlink(path);
    CHECK(is_written && is_same);
    CHECK_INT(large, MW_ERR_LIMIT);
    CHECK(error != NULL && text == NULL);
    CHECK_INT(mw_file_read(path, 3, &text, &len, &error), MW_ERR_NOENT);
    CHECK_MEM(error, strlen(error), "No such file or directory");
    CHECK_INT(mw_file_read("/tmp", 3, &text, &len, &error), MW_ERR_IO);
    CHECK_MEM(error, strlen(error), "Is a directory");
    CHECK_INT(mw_file_read("/dev/zero", 3, &text, &len, &error), MW_ERR_IO);
    CHECK_MEM(error, strlen(error), "Not a regular file");
}
