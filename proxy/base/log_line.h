/* log_line.h - one log line as octets: used by log.c only. Pure.
 *
 * Whatever the values hold, the line has one line end, at its end, and its fields can be told
 * apart. */
#ifndef MW_BASE_LOG_LINE_H
#define MW_BASE_LOG_LINE_H

#include "base/log.h"

enum {
    MW_LOG_LINE_MAX = 16384, /* octets; fields that do not fit are left out whole */
    MW_LOG_VALUE_MAX = 512,  /* octets of one value before escaping; longer ones end in "..." */
    MW_LOG_WORD_MAX = 64,    /* octets of a key, an event, an id */
};

struct mw_log_head {
    enum mw_log_format format;
    struct mw_slice prefix; /* what the sink wants in front: a priority, a tag; as it is */
    struct mw_slice time;   /* RFC 3339; empty: none (a JSON line always has one) */
    enum mw_log_level level;
    struct mw_slice id, event;
};

const char *mw_log_level_name(enum mw_log_level level);
/* Print into `out`, which has room for MW_LOG_LINE_MAX octets; returns how many. */
size_t mw_log_line_print(char *out, const struct mw_log_head *head,
                         const struct mw_log_field *fields, size_t count);

#endif
