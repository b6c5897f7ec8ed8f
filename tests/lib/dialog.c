/* dialog.c - see dialog.h. */
#include "dialog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct dialog *dialog;
    const char *root, *file;
    int line;
    int depth;
    bool in_paragraph; /* no blank line since the step before */
};

static bool complain(const struct reader *reader, const char *what, struct mw_slice line)
{
    fprintf(stderr, "%s:%d: %s: %.*s\n", reader->file, reader->line, what, (int)line.len, line.ptr);
    return false;
}

static struct dialog_step *add(struct reader *reader, enum dialog_kind kind, enum dialog_side side)
{
    struct dialog *dialog = reader->dialog;
    if (dialog->count == dialog->cap) {
        dialog->cap = dialog->cap ? dialog->cap * 2 : 64;
        dialog->steps = realloc(dialog->steps, dialog->cap * sizeof *dialog->steps);
        mw_assert(dialog->steps != NULL);
    }
    struct dialog_step *step = &dialog->steps[dialog->count++];
    *step = (struct dialog_step){
        .kind = kind, .side = side, .file = reader->file, .line = reader->line};
    if (dialog->count > 1 && kind <= DIALOG_RESETS && reader->in_paragraph) {
        const struct dialog_step *before = step - 1;
        step->joins = before->kind <= DIALOG_RESETS && before->side == side;
    }
    reader->in_paragraph = true;
    return step;
}

/* ---- "text\r\n" "x" * 3000 ---- */

static bool unescape(struct mw_slice *text, struct mw_buf *out)
{
    *text = mw_slice_skip(*text, 1);
    while (text->len > 0 && text->ptr[0] != '"') {
        size_t used = 1;
        char octet = text->ptr[0];
        if (octet == '\\' && text->len >= 2) {
            static const char letters[] = "rntx0\\\"", values[] = "\r\n\t\0\0\\\"";
            const char *at = memchr(letters, text->ptr[1], sizeof letters - 1);
            if (at == NULL)
                return false;
            octet = values[at - letters];
            used = 2;
            if (text->ptr[1] == 'x') {
                int high = text->len >= 4 ? mw_hex_value(text->ptr[2]) : -1;
                int low = text->len >= 4 ? mw_hex_value(text->ptr[3]) : -1;
                if (high < 0 || low < 0)
                    return false;
                octet = (char)(high << 4 | low);
                used = 4;
            }
        }
        mw_buf_putc(out, octet);
        *text = mw_slice_skip(*text, used);
    }
    bool is_closed = text->len > 0;
    *text = mw_slice_trim(mw_slice_skip(*text, 1));
    return is_closed;
}

static bool pieces(struct mw_slice text, struct mw_buf *out)
{
    text = mw_slice_trim(text);
    while (text.len > 0) {
        struct mw_buf piece = {0};
        uint64_t times = 1;
        bool is_good = text.ptr[0] == '"' && unescape(&text, &piece);
        if (is_good && text.len > 0 && text.ptr[0] == '*') {
            text = mw_slice_trim(mw_slice_skip(text, 1));
            size_t digits = 0;
            while (digits < text.len && mw_is_digit(text.ptr[digits]))
                digits++;
            is_good = mw_slice_to_u64(mw_slice_take(text, digits), 10000000, &times) == MW_OK;
            text = mw_slice_trim(mw_slice_skip(text, digits));
        }
        for (uint64_t i = 0; is_good && i < times; i++)
            mw_buf_put(out, mw_buf_view(&piece));
        mw_buf_fini(&piece);
        if (!is_good)
            return false;
    }
    return true;
}

/* ---- lines ---- */

static bool read_file(struct reader *reader, const char *path);

/* "C> text", "U<< "octets"", "U accept". */
static bool peer_line(struct reader *reader, struct mw_slice line)
{
    enum dialog_side side = line.ptr[0] == 'C' ? DIALOG_CLIENT : DIALOG_UPSTREAM;
    struct mw_slice rest = mw_slice_skip(line, 1);
    static const struct {
        const char *line;
        enum dialog_kind kind;
        uint64_t number;
    } lines[] = {{"U accept", DIALOG_ACCEPT, 0}, {"U refuse", DIALOG_REFUSE, 0},
                 {"U stalls", DIALOG_STALLS, 0}, {"U reads", DIALOG_READS, 0},
                 {"C stalls", DIALOG_STALLS, 0}, {"C reads", DIALOG_READS, 0},
                 {"C tls", DIALOG_SECURES, 0},   {"C tls fails", DIALOG_SECURES, 1},
                 {"U tls", DIALOG_SECURES, 0},   {"U tls fails", DIALOG_SECURES, 1}};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (mw_slice_eq(line, mw_slice_cstr(lines[i].line))) {
            add(reader, lines[i].kind, side)->number = lines[i].number;
            return true;
        }
    if (rest.len == 0 || (rest.ptr[0] != '<' && rest.ptr[0] != '>'))
        return complain(reader, "unknown line", line);
    bool gets = rest.ptr[0] == '<', is_raw = rest.len > 1 && rest.ptr[1] == rest.ptr[0];
    rest = mw_slice_skip(rest, is_raw ? 2 : 1);
    if (rest.len > 0 && rest.ptr[0] == ' ')
        rest = mw_slice_skip(rest, 1);
    if (is_raw) {
        struct dialog_step *step = add(reader, gets ? DIALOG_GETS_OCTETS : DIALOG_SENDS, side);
        return pieces(rest, &step->octets) || complain(reader, "bad octets", line);
    }
    if (mw_slice_eq(rest, MW_LIT("eof"))) {
        add(reader, gets ? DIALOG_GETS_EOF : DIALOG_ENDS, side);
    } else if (!gets && mw_slice_eq(rest, MW_LIT("reset"))) {
        add(reader, DIALOG_RESETS, side);
    } else if (gets && mw_slice_eq(rest, MW_LIT("any eof"))) {
        add(reader, DIALOG_GETS_ANY_EOF, side);
    } else {
        struct dialog_step *step = add(reader, gets ? DIALOG_GETS_LINE : DIALOG_SENDS, side);
        mw_buf_put(&step->octets, rest);
        if (!gets)
            mw_buf_put(&step->octets, MW_LIT("\r\n"));
    }
    return true;
}

static bool duration(struct mw_slice text, uint64_t *out_ms)
{
    size_t digits = 0;
    while (digits < text.len && mw_is_digit(text.ptr[digits]))
        digits++;
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (mw_slice_eq(mw_slice_skip(text, digits), mw_slice_cstr(units[i].unit)))
            return mw_slice_to_u64(mw_slice_take(text, digits), 1000000, out_ms) == MW_OK &&
                   (*out_ms *= units[i].ms, true);
    return false;
}

static bool choice(struct mw_slice text, const char *const *words, uint64_t *out_index)
{
    for (uint64_t i = 0; words[i] != NULL; i++)
        if (mw_slice_eq(text, mw_slice_cstr(words[i]))) {
            *out_index = i;
            return true;
        }
    return false;
}

static bool use_line(struct reader *reader, struct mw_slice name)
{
    char path[512];
    struct dialog *dialog = reader->dialog;
    snprintf(path, sizeof path, "%s/use/%.*s.dlg", reader->root, (int)name.len, name.ptr);
    struct reader inner = *reader;
    if (++inner.depth > 3)
        return complain(reader, "too deep", name);
    dialog->files = realloc(dialog->files, (dialog->file_count + 1) * sizeof *dialog->files);
    mw_assert(dialog->files != NULL);
    dialog->files[dialog->file_count++] = strdup(path);
    bool is_good = read_file(&inner, dialog->files[dialog->file_count - 1]);
    reader->in_paragraph = false;
    return is_good;
}

static bool word_line(struct reader *reader, struct mw_slice line)
{
    static const char *const plans[] = {"stream", "spool", "any", NULL}, *const places[] = {
                                                                             "pure", "binary",
                                                                             NULL};
    static const struct {
        const char *word;
        enum dialog_kind kind;
    } words[] = {
        {"set", DIALOG_SET},       {"filter", DIALOG_FILTER},     {"plan", DIALOG_PLAN},
        {"only", DIALOG_ONLY},     {"time", DIALOG_TIME},         {"log", DIALOG_LOG},
        {"no-log", DIALOG_NO_LOG}, {"shutdown", DIALOG_SHUTDOWN}, {"decide", DIALOG_DECIDE}};
    struct mw_slice word = line, rest = MW_EMPTY;
    mw_slice_split(line, ' ', &word, &rest);
    if (mw_slice_eq(word, MW_LIT("use")))
        return use_line(reader, rest);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!mw_slice_eq(word, mw_slice_cstr(words[i].word)))
            continue;
        struct dialog_step *step = add(reader, words[i].kind, DIALOG_CLIENT);
        struct mw_slice first = rest, reason;
        mw_slice_split(rest, ' ', &first, &reason);
        bool is_good = true;
        if (step->kind == DIALOG_PLAN)
            is_good = choice(rest, plans, &step->number);
        else if (step->kind == DIALOG_ONLY)
            is_good = choice(first, places, &step->number);
        else if (step->kind == DIALOG_TIME)
            is_good = duration(rest, &step->number);
        else if (step->kind == DIALOG_SHUTDOWN)
            step->number = mw_slice_eq(rest, MW_LIT("now"));
        else
            mw_buf_put(&step->octets, rest);
        return is_good || complain(reader, "bad value", line);
    }
    return complain(reader, "unknown line", line);
}

static bool read_line(struct reader *reader, struct mw_slice line)
{
    if (mw_slice_trim(line).len == 0) {
        reader->in_paragraph = false;
        return true;
    }
    if (line.ptr[0] == '#')
        return true;
    if (line.ptr[0] == 'C' || line.ptr[0] == 'U')
        return peer_line(reader, line);
    return word_line(reader, line);
}

static bool read_file(struct reader *reader, const char *path)
{
    reader->file = path;
    reader->line = 0;
    reader->in_paragraph = false;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return complain(reader, "cannot be read", MW_EMPTY);
    char *text = NULL;
    size_t size = 0;
    ssize_t len;
    bool is_good = true;
    while (is_good && (len = getline(&text, &size, file)) > 0) {
        reader->line++;
        len -= text[len - 1] == '\n';
        is_good = read_line(reader, MW_SLICE(text, (size_t)len));
        if (reader->line == 1 && reader->depth == 0 && text[0] != '#')
            is_good = complain(reader, "the first line says what is proved: # ...", MW_EMPTY);
    }
    free(text);
    fclose(file);
    return is_good;
}

bool dialog_read(struct dialog *dialog, const char *root, const char *path)
{
    *dialog = (struct dialog){.path = strdup(path)};
    struct reader reader = {.dialog = dialog, .root = root};
    return read_file(&reader, dialog->path);
}

void dialog_fini(struct dialog *dialog)
{
    for (size_t i = 0; i < dialog->count; i++)
        mw_buf_fini(&dialog->steps[i].octets);
    for (size_t i = 0; i < dialog->file_count; i++)
        free(dialog->files[i]);
    free(dialog->files);
    free(dialog->steps);
    free(dialog->path);
}

/* ---- comparing and showing ---- */

bool dialog_matches(struct mw_slice pattern, struct mw_slice line)
{
    size_t p = 0, l = 0, star = SIZE_MAX, from = 0;
    while (l < line.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            from = l;
            continue;
        }
        size_t at = p + (p + 1 < pattern.len && pattern.ptr[p] == '\\');
        if (at < pattern.len && pattern.ptr[at] == line.ptr[l]) {
            p = at + 1;
            l++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            l = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

void dialog_show(struct mw_buf *out, struct mw_slice octets)
{
    enum { SHOWN_MAX = 600 };
    for (size_t i = 0; i < octets.len && i < SHOWN_MAX; i++) {
        unsigned char octet = (unsigned char)octets.ptr[i];
        if (octet == '\r')
            mw_buf_put(out, MW_LIT("\\r"));
        else if (octet == '\n')
            mw_buf_put(out, MW_LIT("\\n"));
        else if (octet < 0x20 || octet >= 0x7f)
            mw_buf_putf(out, "\\x%02x", octet);
        else
            mw_buf_putc(out, (char)octet);
    }
    if (octets.len > SHOWN_MAX)
        mw_buf_putf(out, "... (%zu octets)", octets.len);
}
