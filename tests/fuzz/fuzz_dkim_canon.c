/* fuzz_dkim_canon.c - canonical forms of bodies and header values, cut as the input says, against forms made by copying
 * (dkim_kit.h); and a relaxed form is its own relaxed form. First octet: the seed of the cuts. */
#include "canon.h"

#include <stdlib.h>

#include "dkim_kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char room[300000];

static void check(bool is_true)
{
    if (!is_true)
        abort();
}

static void put(void *user, struct mw_slice octets)
{
    struct builder *out = user;
    check(octets.len > 0 && octets.len <= out->cap - out->len);
    builder_put(out, octets);
}

static struct mw_slice body_form(enum canon canon, struct mw_slice in, uint32_t seed)
{
    struct builder out = {room, 0, sizeof room};
    struct canon_body body;
    canon_body_begin(&body, canon, (struct sink){put, &out});
    while (in.len > 0) {
        seed = seed * 1664525 + 1013904223;
        size_t len = 1 + (seed >> 16) % 9;
        len = len < in.len ? len : in.len;
        canon_body_feed(&body, SLICE(in.ptr, len));
        in = text_skip(in, len);
    }
    canon_body_end(&body);
    check(body.len == out.len);
    return SLICE(room, out.len);
}

static void check_value(struct mw_slice in, char *copy)
{
    struct builder out = {room, 0, sizeof room};
    const struct field field = {LIT("Name"), LIT(" :"), in};
    canon_field(CANON_RELAXED, &field, (struct sink){put, &out});
    size_t len = kit_relaxed_value(in, copy);
    check(out.len == len + 7 && memcmp(room, "name:", 5) == 0 && memcmp(room + 5, copy, len) == 0);
    out.len = 0;
    size_t cut = in.len / 2; /* in two pieces, nothing cut out, unless a line end would be */
    if (cut > 0 && in.ptr[cut - 1] == '\r')
        return;
    canon_signature(CANON_RELAXED, &field, cut, cut, (struct sink){put, &out});
    check(out.len == len + 5 && memcmp(room + 5, copy, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 100000)
        return 0;
    struct mw_slice in = SLICE((const char *)data + 1, size - 1);
    char *copy = malloc(size + 2);
    for (int canon = 0; canon < CANONS; canon++) {
        size_t len = (canon == CANON_RELAXED ? kit_relaxed_body : kit_simple_body)(in, copy);
        check(text_eq(body_form((enum canon)canon, in, data[0]), SLICE(copy, len)));
        check(text_eq(body_form((enum canon)canon, SLICE(copy, len), data[0] + 7u),
                      SLICE(copy, len)));
    }
    check_value(in, copy);
    free(copy);
    return 0;
}
