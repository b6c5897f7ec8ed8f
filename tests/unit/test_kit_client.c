/* Facts by their numbers, and whose mail is left alone. */
#include "client.h"
#include "facts.h"
#include "test.h"

enum { FACTS = 3 };
struct mw_ctx {
    struct mw_fact facts[FACTS];
    size_t sets;
};
struct mw_instance {
    const char *names[8];
    int count;
};

static const char *const known[FACTS] = {"client.ip", "auth.user", "x.result"};

static int fact_id(struct mw_instance *instance, const char *name)
{
    (void)instance;
    for (int i = 0; i < FACTS; i++)
        if (strcmp(known[i], name) == 0)
            return i;
    return -1;
}

static int counter(struct mw_instance *instance, const char *name)
{
    instance->names[instance->count] = name;
    return 100 + instance->count++;
}

static struct mw_fact fact(struct mw_ctx *ctx, int id)
{
    return ctx->facts[id];
}

static void fact_set(struct mw_ctx *ctx, int id, struct mw_fact set, uint32_t for_session)
{
    CHECK_INT(for_session, 0);
    ctx->facts[id] = set;
    ctx->sets++;
}

static const struct mw_host host = {.size = sizeof host,
                                    .fact_id = fact_id,
                                    .fact_define = fact_id,
                                    .counter = counter,
                                    .fact = fact,
                                    .fact_set = fact_set};

static struct mw_fact text(const char *octets)
{
    return (struct mw_fact){.type = MW_FACT_TEXT, .text = slice_of(octets)};
}

static struct mw_fact address(const char octets[16])
{
    return (struct mw_fact){.type = MW_FACT_ADDRESS, .text = SLICE(octets, 16)};
}

TEST(numbers_come_in_the_order_of_the_names)
{
    static const char *const names[] = {"x.result", "nobody's", "client.ip"};
    struct mw_instance instance = {.count = 0};
    int facts[3], counters[3];
    facts_define(&host, &instance, names, 3, facts);
    counters_define(&host, &instance, names, 3, counters);
    CHECK_INT(facts[0], 2);
    CHECK_INT(facts[1], -1);
    CHECK_INT(facts[2], 0);
    CHECK_INT(counters[2], 102);
    CHECK_INT(instance.count, 3);
}

TEST(facts)
{
    struct mw_ctx ctx = {.facts = {address("0123456789abcdef"), text("ann")}};
    CHECK_SLICE(fact_text(&host, &ctx, 1), "ann");
    CHECK_SLICE(fact_text(&host, &ctx, 0), "");
    CHECK_SLICE(fact_text(&host, &ctx, -1), "");
    CHECK(fact_address(&host, &ctx, 0) == ctx.facts[0].text.ptr);
    CHECK(fact_address(&host, &ctx, 1) == NULL);
    CHECK(fact_address(&host, &ctx, -1) == NULL);
    ctx.facts[0].text.len = 4;
    CHECK(fact_address(&host, &ctx, 0) == NULL);
    fact_put(&host, &ctx, -1, LIT("lost"));
    CHECK_INT(ctx.sets, 0);
    fact_put(&host, &ctx, 2, LIT("pass"));
    CHECK_SLICE(fact_text(&host, &ctx, 2), "pass");
    fact_put(&host, &ctx, 2, EMPTY);
    CHECK_INT(ctx.sets, 2);
    CHECK_INT(ctx.facts[2].type, MW_FACT_TEXT);
}

/* Against a comparison bit by bit, for every prefix. */
TEST(networks_of_every_size)
{
    struct network network = {.address = {0}};
    struct networks one = {.list = &network, .count = 1};
    for (uint32_t prefix = 0; prefix <= 128; prefix++) {
        network.prefix = prefix;
        for (uint32_t bit = 0; bit < 128; bit++) {
            char client[16] = {0};
            client[bit / 8] = (char)(0x80u >> bit % 8);
            CHECK_INT(networks_have(&one, client), bit >= prefix);
        }
        CHECK(networks_have(&one, (const char[16]){0}));
    }
}

TEST(networks_of_a_list)
{
    struct network list[] = {{{[10] = 0xff, 0xff, 192, 0, 2, 16}, 96 + 28}, {{0x20, 0x01}, 16}};
    struct networks networks = {.list = list, .count = 2};
    CHECK(networks_have(&networks, (const char[16]){[10] = -1, -1, -64, 0, 2, 31}));
    CHECK(!networks_have(&networks, (const char[16]){[10] = -1, -1, -64, 0, 2, 32}));
    CHECK(networks_have(&networks, (const char[16]){0x20, 0x01, 0x7f}));
    networks.count = 0;
    CHECK(!networks_have(&networks, (const char[16]){0x20, 0x01, 0x7f}));
}

TEST(addresses_as_text)
{
    char text[ADDRESS_TEXT_MAX];
    CHECK_SLICE(address_text((const char[16]){[10] = -1, -1, -64, 0, 2, 7}, text), "192.0.2.7");
    CHECK_SLICE(address_text((const char[16]){0x20, 0x01, 0x0d, -72, [15] = 1}, text),
                "2001:db8::1");
    static const char longest[16] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                     -1, -1, -1, -1, -1, -1, -1, -1};
    CHECK_SLICE(address_text(longest, text), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

TEST(whose_mail_is_left_alone)
{
    static const char client[16] = {0x20, 0x01};
    struct mw_instance instance = {.count = 0};
    struct network list[] = {{{0x20, 0x01}, 16}};
    struct client_skip skip = {.is_for_authenticated = true};
    struct mw_ctx ctx = {.facts = {address(client)}};
    struct client ids = client_open(&host, &instance);
    CHECK(memcmp(client_address(&ids, &host, &ctx), client, 16) == 0);
    CHECK_INT(client_kind(&ids, &host, &ctx, &skip), CLIENT_STRANGER);
    ctx.facts[1] = text("");
    CHECK_INT(client_kind(&ids, &host, &ctx, &skip), CLIENT_STRANGER);
    ctx.facts[1] = text("ann");
    CHECK_INT(client_kind(&ids, &host, &ctx, &skip), CLIENT_AUTHENTICATED);
    skip.networks = (struct networks){list, 1};
    CHECK_INT(client_kind(&ids, &host, &ctx, &skip), CLIENT_OF_NETWORK);
    ctx.facts[0].type = MW_FACT_NONE; /* a local socket */
    CHECK_INT(client_kind(&ids, &host, &ctx, &skip), CLIENT_AUTHENTICATED);
    skip.is_for_authenticated = false;
    CHECK_INT(client_kind(&ids, &host, &ctx, &skip), CLIENT_STRANGER);
}
