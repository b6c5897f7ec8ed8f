/* message_file.c - see message_file.h. */
#include "cli/message_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/inet.h"

static bool read_stream(FILE *in, const char *path, struct mw_buf *out)
{
    size_t count;
    do {
        char *room = mw_buf_reserve(out, 65536);
        count = fread(room, 1, 65536, in);
        out->len += count;
    } while (count > 0 && out->len <= MW_MESSAGE_FILE_MAX);
    if (out->len > MW_MESSAGE_FILE_MAX)
        fprintf(stderr, "mailweir: %s is larger than %d MiB\n", path,
                MW_MESSAGE_FILE_MAX / 1024 / 1024);
    else if (ferror(in))
        fprintf(stderr, "mailweir: cannot read %s: %s\n", path, strerror(errno));
    else
        return true;
    return false;
}

FILE *mw_message_file_open(const char **path)
{
    if (strcmp(*path, "-") == 0) {
        *path = "standard input";
        return stdin;
    }
    FILE *in = fopen(*path, "rb");
    if (in == NULL)
        fprintf(stderr, "mailweir: cannot open %s: %s\n", *path, strerror(errno));
    return in;
}

void mw_message_file_close(FILE *in)
{
    if (in != stdin)
        fclose(in);
}

bool mw_message_file_read(const char *path, struct mw_buf *out)
{
    FILE *in = mw_message_file_open(&path);
    if (in == NULL)
        return false;
    bool is_good = read_stream(in, path, out);
    mw_message_file_close(in);
    return is_good;
}

/* ---- the envelope that the header remembers ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* One field off the front, folded lines included; false at the header's end. */
static bool take_field(struct mw_slice *rest, struct mw_slice *out_name, struct mw_slice *out_value)
{
    size_t end = 0;
    do {
        ptrdiff_t line = mw_slice_find(mw_slice_skip(*rest, end), '\n');
        end = line < 0 ? rest->len : end + (size_t)line + 1;
    } while (end < rest->len && is_blank(rest->ptr[end]));
    struct mw_slice field = mw_slice_take(*rest, end);
    *rest = mw_slice_skip(*rest, end);
    return mw_slice_split(field, ':', out_name, out_value);
}

/* "<a@b>", "a@b": the address; without a display name's help. */
static struct mw_slice bare_address(struct mw_slice value)
{
    ptrdiff_t open = mw_slice_find(value, '<'), close = mw_slice_find(value, '>');
    if (open >= 0 && close > open)
        return mw_slice_take(mw_slice_skip(value, (size_t)open + 1), (size_t)(close - open - 1));
    size_t start = 0, end;
    while (start < value.len && memchr(" \t\r\n", value.ptr[start], 4) != NULL)
        start++;
    for (end = start; end < value.len && memchr(" \t\r\n,;", value.ptr[end], 6) == NULL; end++)
        continue;
    return mw_slice_take(mw_slice_skip(value, start), end - start);
}

/* "from HELO (name [198.51.100.7]) by ...": RFC 5321 4.4. */
static void read_received(struct mw_slice value, struct mw_message_envelope *out)
{
    struct mw_inet address;
    ptrdiff_t open = mw_slice_find(value, '['), close = mw_slice_find(value, ']');
    if (open < 0 || close < open)
        return;
    struct mw_slice text = mw_slice_take(mw_slice_skip(value, (size_t)open + 1),
                                         (size_t)(close - open - 1));
    if (mw_slice_istarts(text, MW_LIT("IPv6:")))
        text = mw_slice_skip(text, 5);
    if (mw_inet_parse(text, &address) != MW_OK)
        return;
    out->client = text;
    value = mw_slice_trim(value);
    if (!mw_slice_istarts(value, MW_LIT("from ")))
        return;
    value = mw_slice_trim(mw_slice_skip(value, 5));
    size_t len = 0;
    while (len < value.len && memchr(" \t\r\n(;", value.ptr[len], 6) == NULL)
        len++;
    out->helo = mw_slice_take(value, len);
}

static int rank_of_rcpt(struct mw_slice name)
{
    static const char *const names[] = {"Delivered-To", "X-Original-To", "Envelope-To", "To"};
    for (int i = 0; i < 4; i++)
        if (mw_slice_ieq(name, mw_slice_cstr(names[i])))
            return i;
    return 4;
}

void mw_message_file_envelope(struct mw_slice message, struct mw_message_envelope *out_envelope)
{
    struct mw_slice name, value, rest = message;
    int rank = 4;
    *out_envelope = (struct mw_message_envelope){
        .sender = MW_EMPTY, .rcpt = MW_EMPTY, .client = MW_EMPTY, .helo = MW_EMPTY};
    while (rest.len > 0 && take_field(&rest, &name, &value)) {
        bool is_sender = mw_slice_ieq(name, MW_LIT("Return-Path")) ||
                         mw_slice_ieq(name, MW_LIT("X-Envelope-From"));
        if (is_sender && !out_envelope->has_sender) {
            out_envelope->sender = bare_address(value);
            out_envelope->has_sender = true;
        } else if (rank_of_rcpt(name) < rank) {
            struct mw_slice rcpt = bare_address(value);
            if (mw_slice_find(rcpt, '@') < 0)
                continue; /* "To: undisclosed-recipients:;" */
            rank = rank_of_rcpt(name);
            out_envelope->rcpt = rcpt;
        } else if (out_envelope->client.len == 0 && mw_slice_ieq(name, MW_LIT("Received"))) {
            read_received(value, out_envelope);
        }
    }
}
