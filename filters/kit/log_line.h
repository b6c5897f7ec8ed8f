/* log_line.h - a log line, built pair by pair: "spf-result result=fail domain=example.net ...".
 *
 * Values are views until log_write(); the host escapes them. Numbers, the address and the path have their room in the line itself, so that a
 * line is not copied. */
#ifndef FILTERS_KIT_LOG_LINE_H
#define FILTERS_KIT_LOG_LINE_H

#include "client.h"
#include "text.h"

enum {
    LOG_PAIRS_MAX = 16,
    LOG_NUMBERS_MAX = 4,
    LOG_PATH_MAX = 390 /* octets of a path that are shown */
};

struct log_line {
    struct mw_log_pair pairs[LOG_PAIRS_MAX]; /* what is beyond is left out */
    size_t count;
    char numbers[LOG_NUMBERS_MAX][24];
    size_t number_count;
    char address[ADDRESS_TEXT_MAX], path[LOG_PATH_MAX + 2];
};
/* `key` is ours and lives for ever. */
void log_put(struct log_line *line, const char *key, struct mw_slice value);
/* Nothing for an empty value. */
void log_put_some(struct log_line *line, const char *key, struct mw_slice value);
void log_put_number(struct log_line *line, const char *key, uint64_t value);
/* Once a line: 16 octets, IPv4 mapped, as text. */
void log_put_address(struct log_line *line, const char *key, const char *address);
/* Once a line: "<path>", cut. */
void log_put_path(struct log_line *line, const char *key, struct mw_slice path);
void log_write(const struct log_line *line, const struct mw_host *host, struct mw_ctx *ctx,
               enum mw_log_level level, const char *event);

#endif
