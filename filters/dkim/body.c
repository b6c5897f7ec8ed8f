/* body.c - see body.h. */
#include "body.h"

#include <stdlib.h>

#include "memory.h"

struct hash {
    enum canon canon;
    bool has_length;
    uint64_t length, left; /* of the octets that count */
    struct digest digest;
    unsigned char value[32];
};
/* One canonical form, on its way to all hashes of it. */
struct stream {
    struct body *body;
    bool is_wanted;
    struct canon_body form;
};
struct body {
    struct stream streams[CANONS];
    size_t count, max;
    struct hash hashes[];
};

static void put(void *user, struct mw_slice octets)
{
    const struct stream *stream = user;
    struct body *body = stream->body;
    for (size_t i = 0; i < body->count; i++) {
        struct hash *hash = &body->hashes[i];
        struct mw_slice part = octets;
        if (hash->canon != stream->form.canon)
            continue;
        if (hash->has_length && part.len > hash->left)
            part.len = (size_t)hash->left;
        hash->left -= hash->has_length ? part.len : 0;
        digest_put(&hash->digest, part);
    }
}

struct body *body_new(size_t max)
{
    struct body *body = memory_new(1, sizeof *body + max * sizeof *body->hashes);
    body->max = max;
    for (int i = 0; i < CANONS; i++) {
        body->streams[i].body = body;
        canon_body_begin(&body->streams[i].form, (enum canon)i,
                         (struct sink){put, &body->streams[i]});
    }
    return body;
}

void body_free(struct body **body)
{
    for (size_t i = 0; *body != NULL && i < (*body)->count; i++)
        digest_fini(&(*body)->hashes[i].digest);
    free(*body);
    *body = NULL;
}

size_t body_want(struct body *body, enum canon canon, bool has_length, uint64_t length)
{
    for (size_t i = 0; i < body->count; i++) {
        const struct hash *hash = &body->hashes[i];
        if (hash->canon == canon && hash->has_length == has_length &&
            (!has_length || hash->length == length))
            return i;
    }
    if (body->count == body->max)
        abort(); /* the caller said how many there would be */
    struct hash *hash = &body->hashes[body->count];
    *hash = (struct hash){
        .canon = canon, .has_length = has_length, .length = length, .left = length};
    digest_begin(&hash->digest);
    body->streams[canon].is_wanted = true;
    return body->count++;
}

void body_feed(struct body *body, struct mw_slice piece)
{
    for (int i = 0; i < CANONS; i++)
        if (body->streams[i].is_wanted)
            canon_body_feed(&body->streams[i].form, piece);
}

void body_end(struct body *body)
{
    for (int i = 0; i < CANONS; i++)
        canon_body_end(&body->streams[i].form);
    for (size_t i = 0; i < body->count; i++)
        digest_end(&body->hashes[i].digest, body->hashes[i].value);
}

const unsigned char *body_hash(const struct body *body, size_t number)
{
    return body->hashes[number].value;
}

uint64_t body_len(const struct body *body, enum canon canon)
{
    return body->streams[canon].form.len;
}
