/* lang.c - host->lang: the lexer, near names and value parsers as filters see them
 * (<mailweir/lang.h>), where an error code becomes 1 or 0. */
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/inet.h"
#include "base/lex.h"

static int lang_parse_size(struct mw_slice text, uint64_t *out_octets)
{
    return mw_parse_size(text, out_octets) == MW_OK;
}

static int lang_parse_duration(struct mw_slice text, uint64_t *out_ms)
{
    return mw_parse_duration(text, out_ms) == MW_OK;
}

static int lang_parse_rate(struct mw_slice text, uint64_t *out_count, uint64_t *out_ms)
{
    return mw_parse_rate(text, out_count, out_ms) == MW_OK;
}

static int lang_parse_network(struct mw_slice text, unsigned char out_address[16],
                              uint32_t *out_prefix)
{
    struct mw_network network;
    if (mw_network_parse(text, &network) != MW_OK)
        return 0;
    memcpy(out_address, network.address.octets, sizeof network.address.octets);
    *out_prefix = network.prefix;
    return 1;
}

static char *lang_file_read(const char *path, size_t max, size_t *out_len, const char **out_error)
{
    char *text;
    return mw_file_read(path, max, &text, out_len, out_error) == MW_OK ? text : NULL;
}

static void lang_file_free(char *text)
{
    free(text);
}

const struct mw_lang mw_lang_table = {
    .size = sizeof(struct mw_lang),
    .lex_open = mw_lex_open,
    .lex_close = mw_lex_close,
    .lex_next = mw_lex_next,
    .lex_peek = mw_lex_peek,
    .near_name = mw_near_name,
    .parse_size = lang_parse_size,
    .parse_duration = lang_parse_duration,
    .parse_rate = lang_parse_rate,
    .parse_network = lang_parse_network,
    .file_read = lang_file_read,
    .file_free = lang_file_free,
};
