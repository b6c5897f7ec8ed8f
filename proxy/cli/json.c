/* json.c - see json.h. */
#include "cli/json.h"

#include <inttypes.h>

#include "base/utf8.h"

static void put_string(struct mw_buf *out, struct mw_slice text)
{
    mw_buf_putc(out, '"');
    while (text.len > 0) {
        bool is_valid;
        size_t len = mw_utf8_next(text, &is_valid);
        unsigned char c = (unsigned char)text.ptr[0];
        if (!is_valid)
            mw_buf_put(out, MW_UTF8_REPLACEMENT);
        else if (c == '"' || c == '\\')
            mw_buf_putf(out, "\\%c", c);
        else if (c == '\n')
            mw_buf_put(out, MW_LIT("\\n"));
        else if (c < ' ' || c == 0x7f)
            mw_buf_putf(out, "\\u%04x", c);
        else
            mw_buf_put(out, mw_slice_take(text, len));
        text = mw_slice_skip(text, len);
    }
    mw_buf_putc(out, '"');
}

static void begin(struct mw_json *json, const char *key)
{
    if (json->has_comma)
        mw_buf_putc(json->out, ',');
    json->has_comma = true;
    if (key != NULL) {
        put_string(json->out, mw_slice_cstr(key));
        mw_buf_putc(json->out, ':');
    }
}

void mw_json_open(struct mw_json *json, const char *key, char bracket)
{
    begin(json, key);
    mw_buf_putc(json->out, bracket);
    json->has_comma = false;
}

void mw_json_close(struct mw_json *json, char bracket)
{
    mw_buf_putc(json->out, bracket);
    json->has_comma = true;
}

void mw_json_text(struct mw_json *json, const char *key, struct mw_slice text)
{
    begin(json, key);
    put_string(json->out, text);
}

void mw_json_text_or_null(struct mw_json *json, const char *key, struct mw_slice text)
{
    begin(json, key);
    if (text.len == 0)
        mw_buf_put(json->out, MW_LIT("null"));
    else
        put_string(json->out, text);
}

void mw_json_number(struct mw_json *json, const char *key, uint64_t number)
{
    begin(json, key);
    mw_buf_putf(json->out, "%" PRIu64, number);
}

void mw_json_bool(struct mw_json *json, const char *key, bool value)
{
    begin(json, key);
    mw_buf_put(json->out, value ? MW_LIT("true") : MW_LIT("false"));
}
