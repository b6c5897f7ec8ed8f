/* import_cidr.c - Postfix's cidr tables (cidr_table(5)): networks and blocks of them, also negated.
 *
 * The first entry that matches counts. Rules of ours all run, so each one excludes the entries
 * above it that can match the same address. */
#include <arpa/inet.h>

#include "import_priv.h"

enum { CONDITION_MAX = 64 * 1024, BLOCKS_MAX = 16 };

struct network {
    uint32_t line;
    unsigned char address[16];
    unsigned bits, width; /* 32 or 128 */
    struct mw_slice text;
    bool is_negated, is_unreadable;
    const struct network *around;  /* the block that it stands in */
    const struct network *earlier; /* the one before it that takes addresses from it */
};

static const char *read_network(struct import *import, struct mw_slice text, struct network *out)
{
    char room[64];
    uint64_t bits;
    while (text.len > 0 && text.ptr[0] == '!') {
        out->is_negated = !out->is_negated;
        text = text_skip(text, 1);
    }
    if (text.len > 1 && text.ptr[0] == '[' && text_rfind(text, ']') == (ptrdiff_t)text.len - 1)
        text = SLICE(text.ptr + 1, text.len - 2);
    ptrdiff_t slash = text_find(text, '/');
    struct mw_slice address = slash < 0 ? text : SLICE(text.ptr, (size_t)slash);
    if (address.len == 0 || address.len >= sizeof room || text_find(address, '\0') >= 0)
        return "there is no address or network";
    memcpy(room, address.ptr, address.len);
    room[address.len] = '\0';
    out->width = text_find(address, ':') >= 0 ? 128 : 32;
    if (inet_pton(out->width == 128 ? AF_INET6 : AF_INET, room, out->address) != 1)
        return "the address is not understood";
    bits = out->width;
    if (slash >= 0 && !text_number(text_skip(text, (size_t)slash + 1), out->width, &bits))
        return "the length of the network's prefix is not understood";
    out->bits = (unsigned)bits;
    for (unsigned bit = out->bits; bit < out->width; bit++)
        if (out->address[bit / 8] & 0x80 >> bit % 8)
            return "bits behind the network's prefix are set, so Postfix ignores the entry";
    out->text = import_keep(import, text);
    return NULL;
}

/* ---- writing ---- */

static bool overlap(const struct network *a, const struct network *b)
{
    unsigned bits = a->bits < b->bits ? a->bits : b->bits;
    if (a->width != b->width || memcmp(a->address, b->address, bits / 8) != 0)
        return false;
    unsigned mask = 0xff00u >> bits % 8 & 0xff;
    return bits % 8 == 0 || (a->address[bits / 8] & mask) == (b->address[bits / 8] & mask);
}

static void build_network(struct builder *to, const struct network *network, bool is_negated)
{
    builder_put(to, is_negated ? LIT("client.ip not in (") : LIT("client.ip in ("));
    builder_put(to, network->text);
    builder_put(to, LIT(")"));
}

static void build_blocks(struct builder *to, const struct network *network)
{
    build_network(to, network, network->is_negated);
    for (const struct network *at = network->around; at != NULL; at = at->around) {
        builder_put(to, LIT(" and "));
        build_network(to, at, at->is_negated);
    }
}

/* Entries above that go first: plain networks in one list, others each by itself. False: too
 * many. */
static bool build_earlier(struct builder *to, const struct network *network)
{
    bool has_any = false;
    for (const struct network *at = network->earlier; at != NULL; at = at->earlier) {
        if (at->is_negated || at->around != NULL || (!network->is_negated && !overlap(at, network)))
            continue;
        builder_put(to, has_any ? LIT(", ") : LIT(" and client.ip not in ("));
        builder_put(to, at->text);
        has_any = true;
    }
    builder_put(to, has_any ? LIT(")") : EMPTY);
    size_t factors = BLOCKS_MAX;
    for (const struct network *at = network->earlier; at != NULL; at = at->earlier) {
        if (!at->is_negated && at->around == NULL)
            continue;
        factors += BLOCKS_MAX + 3;
        if (factors > IMPORT_FACTORS_MAX)
            return false;
        builder_put(to, LIT(" and not ("));
        build_blocks(to, at);
        builder_put(to, LIT(")"));
    }
    return to->len < to->cap;
}

struct cidr {
    struct import *import;
    const struct network *around, *taken;
    size_t depth;
    char *room; /* of a condition */
};

static const char *write_network(struct cidr *cidr, const struct network *network,
                                 const struct import_action *action)
{
    struct builder to = {.ptr = cidr->room, .cap = CONDITION_MAX};
    if (action->effect == EFFECT_LOST)
        return action->why;
    if (action->effect == EFFECT_NONE)
        return NULL;
    build_blocks(&to, network);
    if (!build_earlier(&to, network))
        return "too many entries above it go first";
    import_rule(cidr->import, network->line, EMPTY);
    import_put_slice(cidr->import, action->words);
    import_put(cidr->import, " when ");
    import_put_slice(cidr->import, SLICE(to.ptr, to.len));
    return NULL;
}

/* ---- the table ---- */

static void read_cidr_line(struct cidr *cidr, const struct import_logical *line)
{
    struct import *import = cidr->import;
    struct import_action action;
    struct mw_slice rest, word = import_word(line->text, &rest);
    struct network *network = import_alloc(import, sizeof *network);
    network->line = line->line;
    network->around = cidr->around;
    network->earlier = cidr->taken;
    if (text_ieq(word, LIT("endif"))) {
        if (cidr->around == NULL)
            import_drop(import, line->line, "endif without if");
        else
            cidr->around = cidr->around->around;
        cidr->depth -= cidr->depth > 0;
        return;
    }
    bool is_block = text_ieq(word, LIT("if"));
    const char *why = read_network(import, is_block ? import_word(rest, &rest) : word, network);
    if (why == NULL && is_block && cidr->depth >= BLOCKS_MAX)
        why = "too many blocks inside each other";
    network->is_unreadable = why != NULL || (cidr->around != NULL && cidr->around->is_unreadable);
    if (why == NULL && !is_block && network->is_unreadable)
        why = "the block around it is not carried over";
    if (why != NULL)
        import_drop(import, line->line, why);
    if (is_block)
        cidr->around = network;
    cidr->depth += is_block;
    if (why != NULL || is_block)
        return;
    import_action(import, rest, true, IMPORT_NO_INSERTS, &action);
    why = write_network(cidr, network, &action);
    import_finish(import, line->line, &action, why);
    if (why != NULL || action.effect != EFFECT_VERDICT)
        cidr->taken = network;
}

void import_postfix_networks(struct import *import, struct mw_slice table)
{
    struct cidr cidr = {.import = import, .room = import_alloc(import, CONDITION_MAX)};
    struct import_logical logical;
    uint32_t line = 0, count = 0;
    while (import_next_logical(import, &table, &line, &logical)) {
        if (++count > IMPORT_ENTRIES_MAX) {
            import_drop(import, logical.line, "more than 20000 entries: it and all below it");
            break;
        }
        if (logical.text.len > IMPORT_LINE_MAX)
            import_drop(import, logical.line, "the line is longer than 8 KB");
        else
            read_cidr_line(&cidr, &logical);
    }
}
