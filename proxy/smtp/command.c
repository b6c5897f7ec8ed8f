/* command.c - verbs by a linear look over the table (17 short names), arguments by cutting views
 * off the front. */
#include "smtp/command.h"

#include <string.h>

static const struct mw_slice verb_names[MW_VERB_COUNT] = {
    [MW_VERB_UNKNOWN] = {"-", 1},
#define MW_VERB(name, legal, stage, handler, flags) [MW_VERB_##name] = {#name, sizeof #name - 1},
#include "smtp/verbs.def"
#undef MW_VERB
};

const char *mw_verb_name(enum mw_verb verb)
{
    mw_assert((unsigned)verb < MW_VERB_COUNT);
    return verb_names[verb].ptr;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* "!".."~": what may stand in a value of any kind. */
static bool is_graph(char c)
{
    return c >= '!' && c <= '~';
}

static enum mw_verb find_verb(struct mw_slice word)
{
    for (int verb = MW_VERB_UNKNOWN + 1; verb < MW_VERB_COUNT; verb++)
        if (word.len == verb_names[verb].len && mw_slice_ieq(word, verb_names[verb]))
            return (enum mw_verb)verb;
    return MW_VERB_UNKNOWN;
}

void mw_command_parse(struct mw_slice line, struct mw_command *out_command)
{
    size_t len = 0;
    while (len < line.len && !is_blank(line.ptr[len]))
        len++;
    out_command->line = line;
    out_command->word = mw_slice_take(line, len);
    out_command->arg = mw_slice_trim(mw_slice_skip(line, len));
    out_command->verb = find_verb(out_command->word);
}

/* ---- MAIL and RCPT ---- */

static struct mw_slice skip_spaces(struct mw_slice text)
{
    while (text.len > 0 && text.ptr[0] == ' ')
        text = mw_slice_skip(text, 1);
    return text;
}

/* Cut the next word off the front; the blanks behind it go too. */
static struct mw_slice next_word(struct mw_slice *text)
{
    ptrdiff_t end = mw_slice_find(*text, ' ');
    struct mw_slice word = end < 0 ? *text : mw_slice_take(*text, (size_t)end);
    *text = skip_spaces(mw_slice_skip(*text, word.len));
    return word;
}

/* esmtp-keyword, RFC 5321 4.1.2. */
static bool is_keyword(struct mw_slice key)
{
    if (key.len == 0 || !mw_is_alnum(key.ptr[0]))
        return false;
    for (size_t i = 1; i < key.len; i++)
        if (!mw_is_alnum(key.ptr[i]) && key.ptr[i] != '-')
            return false;
    return true;
}

static enum mw_err parse_param(struct mw_slice word, struct mw_param *out_param)
{
    struct mw_param param = {.key = word, .value = MW_EMPTY};
    param.has_value = mw_slice_split(word, '=', &param.key, &param.value);
    if (!is_keyword(param.key) || (param.has_value && param.value.len == 0))
        return MW_ERR_SYNTAX;
    *out_param = param;
    return MW_OK;
}

static enum mw_err parse_params(struct mw_slice text, struct mw_envelope_arg *arg)
{
    while (text.len > 0) {
        if (arg->param_count == MW_PARAM_MAX)
            return MW_ERR_SYNTAX;
        enum mw_err err = parse_param(next_word(&text), &arg->params[arg->param_count]);
        if (err != MW_OK)
            return err;
        arg->param_count++;
    }
    return MW_OK;
}

#define EACH_OCTET(value) (UINT64_C(0x0101010101010101) * (value))

/* is_control() of eight octets at once: bit 7 of each octet of `good` says that it is none. No
 * carry leaves an octet, because `low` has bit 7 clear. */
static inline bool has_control_word(const char *octets)
{
    uint64_t word;
    memcpy(&word, octets, sizeof word);
    uint64_t low = word & EACH_OCTET(0x7f);
    uint64_t good = word | ((low + EACH_OCTET(0x80 - ' ')) &
                            ((low ^ EACH_OCTET(0x7f)) + EACH_OCTET(0x7f)));
    return (good & EACH_OCTET(0x80)) != EACH_OCTET(0x80);
}

static bool has_control(struct mw_slice text)
{
    size_t at = 0;
    for (; text.len - at >= 8; at += 8)
        if (has_control_word(text.ptr + at))
            return true;
    if (at > 0) /* the rest, with some octets a second time */
        return has_control_word(text.ptr + text.len - 8);
    for (; at < text.len; at++)
        if (is_control(text.ptr[at]))
            return true;
    return false;
}

enum mw_err mw_envelope_arg_parse(struct mw_slice arg, struct mw_slice keyword,
                                  struct mw_envelope_arg *out_arg)
{
    if (has_control(arg) || !mw_slice_istarts(arg, keyword))
        return MW_ERR_SYNTAX;
    struct mw_slice rest = mw_slice_skip(arg, keyword.len);
    if (!mw_slice_starts(rest, MW_LIT(":")))
        return MW_ERR_SYNTAX;
    rest = skip_spaces(mw_slice_skip(rest, 1));
    size_t used = 0;
    out_arg->param_count = 0;
    enum mw_err err = mw_path_parse(rest, &out_arg->path, &used);
    if (err != MW_OK)
        return err;
    out_arg->path_text = mw_slice_take(rest, used);
    rest = mw_slice_skip(rest, used);
    if (rest.len > 0 && rest.ptr[0] != ' ')
        return MW_ERR_SYNTAX; /* <a@b>x: where the path ends would be a matter of taste */
    out_arg->param_text = mw_slice_trim(rest);
    return parse_params(out_arg->param_text, out_arg);
}

const struct mw_param *mw_envelope_arg_param(const struct mw_envelope_arg *arg, struct mw_slice key)
{
    for (size_t i = 0; i < arg->param_count; i++)
        if (mw_slice_ieq(arg->params[i].key, key))
            return &arg->params[i];
    return NULL;
}

/* The last line of defence against a second command in an address: the callers have checked what
 * they pass. */
static void put_printable(struct mw_buf *out, struct mw_slice text)
{
    char *to = mw_buf_reserve(out, text.len);
    for (size_t i = 0; i < text.len; i++)
        to[i] = is_control(text.ptr[i]) ? '?' : text.ptr[i];
    out->len += text.len;
}

void mw_envelope_print(struct mw_buf *out, struct mw_slice verb_and_keyword, struct mw_slice path,
                       struct mw_slice param_text)
{
    mw_buf_put(out, verb_and_keyword);
    mw_buf_putc(out, '<');
    put_printable(out, path);
    mw_buf_putc(out, '>');
    if (param_text.len > 0) {
        mw_buf_putc(out, ' ');
        put_printable(out, param_text);
    }
    mw_buf_put(out, MW_LIT("\r\n"));
}

/* ---- BDAT and AUTH ---- */

enum mw_err mw_bdat_parse(struct mw_slice arg, uint64_t *out_size, bool *out_is_last)
{
    struct mw_slice rest = arg;
    struct mw_slice digits = next_word(&rest);
    bool is_last = mw_slice_ieq(rest, MW_LIT("LAST"));
    if (rest.len > 0 && !is_last)
        return MW_ERR_SYNTAX;
    enum mw_err err = mw_slice_to_u64(digits, INT64_MAX, out_size);
    if (err != MW_OK)
        return err;
    *out_is_last = is_last;
    return MW_OK;
}

static bool is_mechanism(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!mw_is_alnum(text.ptr[i]) && text.ptr[i] != '-' && text.ptr[i] != '_')
            return false;
    return text.len >= 1 && text.len <= 20;
}

enum mw_err mw_auth_parse(struct mw_slice arg, struct mw_slice *out_mechanism,
                          struct mw_slice *out_initial, bool *out_has_initial)
{
    struct mw_slice rest = arg;
    struct mw_slice mechanism = next_word(&rest);
    if (!is_mechanism(mechanism))
        return MW_ERR_SYNTAX;
    for (size_t i = 0; i < rest.len; i++)
        if (!is_graph(rest.ptr[i]))
            return MW_ERR_SYNTAX; /* base64 or "=": one word of printable octets */
    *out_mechanism = mechanism;
    *out_initial = rest.len > 0 ? rest : MW_EMPTY;
    *out_has_initial = rest.len > 0;
    return MW_OK;
}

/* ---- xtext, RFC 3461 4 ---- */

static int upper_hex(char c)
{
    return mw_is_digit(c) || (c >= 'A' && c <= 'F') ? mw_hex_value(c) : -1;
}

/* The octet that the front of `text` stands for, and how many octets it takes there; 0 if it is not
 * xtext. */
static size_t xtext_octet(struct mw_slice text, char *out_octet)
{
    char c = text.ptr[0];
    if (!is_graph(c) || c == '=')
        return 0;
    if (c != '+') {
        *out_octet = c;
        return 1;
    }
    if (text.len < 3 || upper_hex(text.ptr[1]) < 0 || upper_hex(text.ptr[2]) < 0)
        return 0;
    *out_octet = (char)(upper_hex(text.ptr[1]) * 16 + upper_hex(text.ptr[2]));
    return 3;
}

enum mw_err mw_xtext_decode(struct mw_slice text, struct mw_buf *out)
{
    size_t before = out->len;
    enum mw_err err = MW_OK;
    while (text.len > 0 && err == MW_OK) {
        char octet;
        size_t used = xtext_octet(text, &octet);
        err = used == 0 ? MW_ERR_SYNTAX : mw_buf_add(out, MW_SLICE(&octet, 1));
        text = mw_slice_skip(text, used);
    }
    if (err != MW_OK)
        out->len = before; /* all or nothing */
    return err;
}

void mw_xtext_encode(struct mw_slice octets, struct mw_buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < octets.len; i++) {
        char c = octets.ptr[i];
        if (is_graph(c) && c != '+' && c != '=') {
            mw_buf_putc(out, c);
            continue;
        }
        unsigned char u = (unsigned char)c;
        const char coded[3] = {'+', digits[u >> 4], digits[u & 15]};
        mw_buf_put(out, MW_SLICE(coded, 3));
    }
}
