#include "tls_play.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mw_tls_server *play_server(const struct mw_tls_server_config *config)
{
    char text[400] = "";
    struct mw_tls_server *server = mw_tls_server_new(config, text, sizeof text);
    if (server == NULL)
        fprintf(stderr, "server: %s\n", text);
    return server;
}

struct mw_tls_client *play_client(const struct mw_tls_client_config *config)
{
    char text[400] = "";
    struct mw_tls_client *client = mw_tls_client_new(config, text, sizeof text);
    if (client == NULL)
        fprintf(stderr, "client: %s\n", text);
    return client;
}

bool play_open(struct play *play, struct mw_tls_server *server, struct mw_tls_client *client)
{
    play->server.tls = mw_tls_accept(server);
    play->client.tls = mw_tls_connect(client, MW_LIT("upstream"));
    play->server.err = play->client.err = MW_AGAIN;
    return play->server.tls != NULL && play->client.tls != NULL;
}

static struct play_side *other_of(struct play *play, struct play_side *side)
{
    return side == &play->server ? &play->client : &play->server;
}

/* A copy of the next cut, at an address of its own: whoever keeps pointers is found out. */
static struct mw_slice next_cut(struct play *play, struct play_side *side, char **out_copy)
{
    size_t len = side->in.len;
    if (play->cut != 0 && len > play->cut)
        len = play->cut;
    *out_copy = malloc(len + 1);
    if (len > 0)
        memcpy(*out_copy, side->in.ptr, len);
    return MW_SLICE(*out_copy, len);
}

static void drop_used(struct play *play, struct play_side *side, struct mw_slice rest, char *copy,
                      size_t before)
{
    mw_buf_consume(&side->in, before - rest.len);
    play->is_bad = play->is_bad || (side->err == MW_AGAIN && rest.len > 0);
    free(copy);
}

static void shake_once(struct play *play, struct play_side *side)
{
    char *copy;
    struct mw_slice in = next_cut(play, side, &copy);
    size_t before = in.len;
    side->err = mw_tls_handshake(side->tls, &in, &other_of(play, side)->in);
    drop_used(play, side, in, copy, before);
}

bool play_shake(struct play *play)
{
    if (play->client.err == MW_AGAIN)
        shake_once(play, &play->client);
    while ((play->server.err == MW_AGAIN && play->server.in.len > 0) ||
           (play->client.err == MW_AGAIN && play->client.in.len > 0)) {
        if (play->server.err == MW_AGAIN && play->server.in.len > 0)
            shake_once(play, &play->server);
        if (play->client.err == MW_AGAIN && play->client.in.len > 0)
            shake_once(play, &play->client);
    }
    return play->server.err == MW_OK && play->client.err == MW_OK && !play->is_bad;
}

enum mw_err play_read(struct play *play, struct play_side *side)
{
    char *plain = malloc(40000);
    do {
        char *copy;
        struct mw_slice in = next_cut(play, side, &copy);
        size_t before = in.len, len = 0;
        side->err = mw_tls_open(side->tls, &in, plain, 40000, &len, &other_of(play, side)->in);
        drop_used(play, side, in, copy, before);
        if (side->err == MW_OK)
            mw_buf_put(&side->got, MW_SLICE(plain, len));
    } while (side->err == MW_OK || (side->err == MW_AGAIN && side->in.len > 0));
    free(plain);
    return side->err;
}

bool play_say(struct play *play, struct play_side *from, struct mw_slice octets)
{
    struct play_side *to = other_of(play, from);
    to->got.len = 0;
    if (mw_tls_seal(from->tls, octets, &to->in) != MW_OK)
        return false;
    return play_read(play, to) == MW_AGAIN && mw_slice_eq(mw_buf_view(&to->got), octets) &&
           !play->is_bad;
}

static void close_side(struct play_side *side)
{
    mw_tls_free(&side->tls);
    mw_buf_fini(&side->in);
    mw_buf_fini(&side->got);
}

void play_close(struct play *play)
{
    close_side(&play->server);
    close_side(&play->client);
    *play = (struct play){0};
}

bool play_all(struct play *play, struct mw_tls_server *server, struct mw_tls_client *client)
{
    return play_open(play, server, client) && play_shake(play) &&
           play_read(play, &play->client) == MW_AGAIN && play_read(play, &play->server) == MW_AGAIN;
}

/* ---- objects that many tests want ---- */

struct mw_tls_client *play_any_client(const char *name)
{
    return play_client(&(struct mw_tls_client_config){.server_name = name});
}

struct mw_tls_pair play_pair(const char *id, const char *names, enum kit_kind kind)
{
    char file[64];
    struct kit_cert cert = kit_issue(&(struct kit_want){
        .issuer = &kit_site()->ca, .common_name = id, .names = names, .kind = kind});
    snprintf(file, sizeof file, "%s.pem", id);
    const char *certificate = kit_write_certs(file, &cert, 1);
    snprintf(file, sizeof file, "%s.key", id);
    return (struct mw_tls_pair){.certificate = certificate,
                                .key = kit_write_key(file, &cert, NULL)};
}

struct mw_tls_server *play_server_of(const struct mw_tls_pair *pairs, size_t count)
{
    return play_server(&(struct mw_tls_server_config){.pairs = pairs, .pair_count = count});
}

struct mw_tls_server *play_site_server(struct mw_tls_tickets *tickets, const char *client_ca)
{
    const struct kit_site *site = kit_site();
    const struct mw_tls_pair pair = {.certificate = site->cert_file, .key = site->key_file};
    return play_server(&(struct mw_tls_server_config){
        .pairs = &pair, .pair_count = 1, .client_ca = client_ca, .tickets = tickets});
}

struct mw_tls_client *play_site_client(void)
{
    return play_client(&(struct mw_tls_client_config){
        .verify = MW_TLS_VERIFY_NAME, .server_name = "mail.weir.test", .ca = kit_site()->ca_file});
}
