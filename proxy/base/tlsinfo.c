/* tlsinfo.c - see tlsinfo.h. */
#include "base/tlsinfo.h"

static const char *copy_text(struct mw_arena *arena, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return "";
    return mw_arena_cstr(arena, mw_slice_cstr(text));
}

void mw_tls_info_copy(struct mw_arena *arena, const struct mw_tls_info *from,
                      struct mw_tls_info *out_info)
{
    *out_info = *from;
    out_info->version = copy_text(arena, from->version);
    out_info->cipher = copy_text(arena, from->cipher);
    out_info->sni = copy_text(arena, from->sni);
    out_info->subject = copy_text(arena, from->subject);
    out_info->fingerprint = copy_text(arena, from->fingerprint);
    out_info->problem = copy_text(arena, from->problem);
}
