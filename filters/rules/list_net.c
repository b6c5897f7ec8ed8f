/* list_net.c - networks as two sorted arrays, one for each family; those inside another one are
 * left out, so that at most one network can hold an address: the last that begins at or before it.
 * 8 octets an IPv4 network, 17 an IPv6 one, whatever their text took. */
#include "list_priv.h"

#include <stdlib.h>

struct net6 {
    unsigned char address[16];
    unsigned char prefix;
};
struct list_nets {
    uint64_t *nets4; /* address << 8 | prefix */
    struct net6 *nets6;
    uint32_t count4, count6;
};

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:0:0/96 */

static uint32_t read32(const unsigned char *octets)
{
    return (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 | (uint32_t)octets[2] << 8 |
           octets[3];
}

static bool covers4(uint64_t net, uint32_t address)
{
    unsigned prefix = net & 0xff;
    uint32_t mask = prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
    return (address & mask) == (uint32_t)(net >> 8);
}

static bool covers6(const struct net6 *net, const unsigned char address[16])
{
    unsigned whole = net->prefix / 8, rest = net->prefix % 8;
    return memcmp(net->address, address, whole) == 0 &&
           (rest == 0 || ((net->address[whole] ^ address[whole]) & (0xff00 >> rest) & 0xff) == 0);
}

static int compare4(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static int compare6(const void *left, const void *right)
{
    return memcmp(left, right, sizeof(struct net6));
}

/* ---- building ---- */

static void put(struct list_nets *nets, const unsigned char address[16], uint32_t prefix)
{
    if (prefix >= 96 && memcmp(address, mapped, sizeof mapped) == 0) {
        nets->nets4[nets->count4++] = (uint64_t)read32(address + 12) << 8 | (prefix - 96);
        return;
    }
    struct net6 *net = &nets->nets6[nets->count6++];
    memcpy(net->address, address, sizeof net->address);
    net->prefix = (unsigned char)prefix;
}

static void drop_nested(struct list_nets *nets)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < nets->count4; i++)
        if (kept == 0 || !covers4(nets->nets4[kept - 1], (uint32_t)(nets->nets4[i] >> 8)))
            nets->nets4[kept++] = nets->nets4[i];
    nets->count4 = kept;
    kept = 0;
    for (uint32_t i = 0; i < nets->count6; i++)
        if (kept == 0 || !covers6(&nets->nets6[kept - 1], nets->nets6[i].address))
            nets->nets6[kept++] = nets->nets6[i];
    nets->count6 = kept;
}

static void *take(size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    if (memory == NULL)
        abort(); /* out of memory: as everywhere, the worker ends */
    return memory;
}

/* Move what was collected into memory of its exact size. */
static struct list_nets *settle(struct list_content *content, struct list_nets *draft)
{
    struct list_nets *nets = rules_list_alloc(content, sizeof *nets);
    nets->count4 = draft->count4;
    nets->count6 = draft->count6;
    nets->nets4 = rules_list_alloc(content, (nets->count4 + 1) * sizeof *nets->nets4);
    nets->nets6 = rules_list_alloc(content, (nets->count6 + 1) * sizeof *nets->nets6);
    memcpy(nets->nets4, draft->nets4, nets->count4 * sizeof *nets->nets4);
    memcpy(nets->nets6, draft->nets6, nets->count6 * sizeof *nets->nets6);
    free(draft->nets4);
    free(draft->nets6);
    return nets;
}

struct list_nets *rules_list_nets_new(struct list_content *content, const struct mw_lang *lang,
                                      struct list_problems *problems)
{
    struct list_nets draft = {.count4 = 0};
    draft.nets4 = take(content->entry_count, sizeof *draft.nets4);
    draft.nets6 = take(content->entry_count, sizeof *draft.nets6);
    struct list_line line = {.line = 0};
    for (size_t at = 0; rules_list_line_next(content, &at, &line);) {
        unsigned char address[16];
        uint32_t prefix;
        if (lang->parse_network(line.text, address, &prefix) && prefix <= 128) {
            put(&draft, address, prefix);
            continue;
        }
        struct list_problem where = {
            .wanted = SET_NETWORK, .line = line.line, .column = line.column};
        rules_list_problem(problems, PROBLEM_MISFIT, &where, line.text);
    }
    qsort(draft.nets4, draft.count4, sizeof *draft.nets4, compare4);
    qsort(draft.nets6, draft.count6, sizeof *draft.nets6, compare6);
    drop_nested(&draft);
    return settle(content, &draft);
}

/* ---- looking up ---- */

static bool find4(const struct list_nets *nets, uint32_t address)
{
    uint32_t low = 0, high = nets->count4;
    while (low < high) { /* the first that begins behind the address */
        uint32_t middle = low + (high - low) / 2;
        if (nets->nets4[middle] >> 8 > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low > 0 && covers4(nets->nets4[low - 1], address);
}

static bool find6(const struct list_nets *nets, const unsigned char address[16])
{
    uint32_t low = 0, high = nets->count6;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (memcmp(nets->nets6[middle].address, address, 16) > 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low > 0 && covers6(&nets->nets6[low - 1], address);
}

bool rules_list_nets_find(const struct list_nets *nets, const unsigned char address[16])
{
    if (memcmp(address, mapped, sizeof mapped) == 0 && find4(nets, read32(address + 12)))
        return true;
    return find6(nets, address); /* ::/0 holds IPv4 as well */
}
