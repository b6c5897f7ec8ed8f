/* log_line.c - see log_line.h. */
#include "log_line.h"

#include <inttypes.h>

void log_put(struct log_line *line, const char *key, struct mw_slice value)
{
    if (line->count < LOG_PAIRS_MAX)
        line->pairs[line->count++] = (struct mw_log_pair){.key = key, .value = value};
}

void log_put_some(struct log_line *line, const char *key, struct mw_slice value)
{
    if (value.len > 0)
        log_put(line, key, value);
}

void log_put_number(struct log_line *line, const char *key, uint64_t value)
{
    if (line->number_count == LOG_NUMBERS_MAX)
        return;
    struct builder text = {.ptr = line->numbers[line->number_count++],
                           .cap = sizeof line->numbers[0]};
    builder_putf(&text, "%" PRIu64, value);
    log_put(line, key, SLICE(text.ptr, text.len));
}

void log_put_address(struct log_line *line, const char *key, const char *address)
{
    log_put(line, key, address_text(address, line->address));
}

void log_put_path(struct log_line *line, const char *key, struct mw_slice path)
{
    struct builder text = {.ptr = line->path, .cap = sizeof line->path};
    builder_put(&text, LIT("<"));
    builder_put(&text, SLICE(path.ptr, path.len < LOG_PATH_MAX ? path.len : LOG_PATH_MAX));
    builder_put(&text, LIT(">"));
    log_put(line, key, SLICE(text.ptr, text.len));
}

void log_write(const struct log_line *line, const struct mw_host *host, struct mw_ctx *ctx,
               enum mw_log_level level, const char *event)
{
    host->log(ctx, level, event, line->pairs, line->count);
}
