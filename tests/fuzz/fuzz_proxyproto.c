/* fuzz_proxyproto.c - any octets: no over-read, and what was accepted prints to a header that means
 * the same. */
#include <stdlib.h>
#include <string.h>

#include "net/proxyproto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_good)
{
    if (!is_good)
        abort();
}

static bool is_inside(struct mw_slice view, const uint8_t *data, size_t size)
{
    const uint8_t *at = (const uint8_t *)view.ptr;
    return view.len == 0 || (at >= data && view.len <= size && at <= data + size - view.len);
}

/* UTF-8 apart: no control character in what goes to logs and filters. */
static void check_text(struct mw_slice text, const uint8_t *data, size_t size)
{
    check(is_inside(text, data, size));
    for (size_t i = 0; i < text.len; i++)
        check((unsigned char)text.ptr[i] >= 0x20 && text.ptr[i] != 0x7f);
}

static void check_texts(const struct mw_proxy_header *header, const uint8_t *data, size_t size)
{
    const struct mw_proxy_tls *tls = &header->tls;
    const struct mw_slice texts[] = {
        header->unique_id, header->authority, header->alpn,       tls->version,
        tls->cipher,       tls->common_name,  tls->key_algorithm, tls->signature_algorithm};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_text(texts[i], data, size);
    check(tls->is_secure || (tls->version.len + tls->cipher.len + tls->common_name.len == 0));
    check(tls->is_secure || !tls->has_certificate);
    check(tls->has_certificate || (!tls->is_verified && !tls->is_resumed));
    check(tls->has_certificate || tls->common_name.len == 0);
}

/* The flags always; each text or, where all of them were too much, nothing. */
static void check_tls(const struct mw_proxy_header *want, const struct mw_proxy_header *got)
{
    const struct mw_proxy_tls *a = &want->tls, *b = &got->tls;
    check(a->is_secure == b->is_secure && a->has_certificate == b->has_certificate &&
          a->is_verified == b->is_verified && a->is_resumed == b->is_resumed);
    check(got->authority.len == 0 || mw_slice_eq(got->authority, want->authority));
    check(b->version.len == 0 || mw_slice_eq(b->version, a->version));
    check(b->cipher.len == 0 || mw_slice_eq(b->cipher, a->cipher));
    check(b->common_name.len == 0 || mw_slice_eq(b->common_name, a->common_name));
    size_t texts = want->unique_id.len + want->authority.len + a->version.len + a->cipher.len +
                   a->common_name.len;
    if (texts <= 440)
        check(got->authority.len + b->version.len + b->cipher.len + b->common_name.len +
                  want->unique_id.len ==
              texts);
}

/* As the rest of the code sees it, and back. */
static void check_info(const struct mw_proxy_header *header)
{
    struct mw_tls_info info, again;
    struct mw_arena arena = {0};
    struct mw_proxy_header copy = {.version = 2};
    mw_proxy_get_tls(header, &arena, &info);
    mw_proxy_set_tls(&copy, &info);
    mw_proxy_get_tls(&copy, &arena, &again);
    check(info.is_secure == again.is_secure && info.is_verified == again.is_verified &&
          info.is_resumed == again.is_resumed && info.has_certificate == again.has_certificate);
    check(strcmp(info.version, again.version) == 0 && strcmp(info.cipher, again.cipher) == 0 &&
          strcmp(info.sni, again.sni) == 0 && strcmp(info.problem, again.problem) == 0);
    check(!info.has_certificate || strcmp(info.subject, again.subject) == 0);
    check(info.is_secure || (info.sni[0] == '\0' && !info.is_verified));
    mw_arena_fini(&arena);
}

static void check_round_trip(const struct mw_proxy_header *header)
{
    struct mw_buf out = {0};
    struct mw_proxy_header again;
    size_t used;
    mw_proxy_print(header, &out);
    check(out.len <= MW_PROXY_SENT_MAX);
    check(mw_proxy_parse(mw_buf_view(&out), &again, &used) == MW_OK && used == out.len);
    check(again.is_local == header->is_local && again.version == header->version);
    check(memcmp(&again.source, &header->source, sizeof again.source) == 0);
    check(memcmp(&again.destination, &header->destination, sizeof again.destination) == 0);
    check(again.source_port == header->source_port &&
          again.destination_port == header->destination_port);
    check(header->is_local || mw_slice_eq(again.unique_id, header->unique_id));
    if (!header->is_local)
        check_tls(header, &again);
    for (size_t len = 0; len < out.len; len++) /* every beginning of a header can begin one */
        check(mw_proxy_parse(MW_SLICE(out.ptr, len), &again, &used) == MW_AGAIN);
    mw_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_proxy_header header;
    size_t used = 0;
    enum mw_err err = mw_proxy_parse(MW_SLICE((const char *)data, size), &header, &used);
    check(err == MW_OK || err == MW_AGAIN || err == MW_ERR_SYNTAX || err == MW_ERR_LIMIT);
    check(err != MW_AGAIN || size < MW_PROXY_MAX);
    if (err != MW_OK)
        return 0;
    check(used > 0 && used <= size && used <= MW_PROXY_MAX);
    check_texts(&header, data, size);
    check_info(&header);
    check_round_trip(&header);
    return 0;
}
