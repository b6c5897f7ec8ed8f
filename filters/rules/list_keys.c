/* list_keys.c - under which spellings a value may stand in a database that others fill. Domains are
 * lower-cased; of a name with very many labels the short parents are taken, for those are what
 * people list.
 *
 *   IP       192.0.2.1, 192.0.2, 192.0, 192 (access(5)); 2001:db8::1, then cut at its last colon
 *   host     mail.example.net, .example.net, .net; Postfix: also example.net and net
 *   address  bob@example.net, @example.net; LMDB and Postfix: also example.net and bob@, Postfix: and
 *            the domain's parents
 *   others   themselves */
#include "list_priv.h"

#include <arpa/inet.h>

enum { PARENTS_MAX = 12 };

static void add(struct list_keys *keys, struct mw_slice text, bool fold)
{
    if (keys->count == LIST_KEYS_MAX || text.len > sizeof keys->octets - keys->used ||
        text.len > LIST_ENTRY_MAX || text.len == 0)
        return;
    char *copy = keys->octets + keys->used;
    for (size_t i = 0; i < text.len; i++)
        copy[i] = fold ? text_lower(text.ptr[i]) : text.ptr[i];
    keys->used += text.len;
    keys->keys[keys->count++] = SLICE(copy, text.len);
}

static void add_ip(struct list_keys *keys, struct mw_slice value)
{
    char text[INET6_ADDRSTRLEN];
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (value.len != 16)
        return;
    bool is_ipv4 = memcmp(value.ptr, mapped, sizeof mapped) == 0;
    if (inet_ntop(is_ipv4 ? AF_INET : AF_INET6, value.ptr + (is_ipv4 ? 12 : 0), text,
                  sizeof text) == NULL)
        return;
    struct mw_slice rest = slice_of(text);
    for (ptrdiff_t cut = (ptrdiff_t)rest.len; cut > 0;) {
        rest.len = (size_t)cut;
        add(keys, rest, true);
        cut = text_rfind(rest, is_ipv4 ? '.' : ':');
    }
}

static void add_parents(struct list_keys *keys, struct mw_slice host, bool with_bare)
{
    size_t labels = 0, seen = 0;
    for (size_t i = 1; i < host.len; i++)
        labels += host.ptr[i] == '.';
    for (size_t i = 1; i < host.len; i++) {
        if (host.ptr[i] != '.' || labels - seen++ > PARENTS_MAX)
            continue;
        add(keys, text_skip(host, i), true);
        if (with_bare)
            add(keys, text_skip(host, i + 1), true);
    }
}

static void add_host(struct list_keys *keys, struct mw_slice host, bool is_postfix)
{
    if (host.len > 0 && host.ptr[host.len - 1] == '.')
        host.len--;
    add(keys, host, true);
    add_parents(keys, host, is_postfix);
}

/* The local part as it is, the domain in lower case. */
static void add_exact(struct list_keys *keys, struct mw_slice address, size_t local)
{
    size_t before = keys->count;
    add(keys, address, false);
    if (keys->count == before)
        return;
    char *copy = keys->octets + keys->used - address.len;
    for (size_t i = local; i < address.len; i++)
        copy[i] = text_lower(copy[i]);
}

static void add_address(struct list_keys *keys, struct mw_slice address, enum list_kind kind)
{
    ptrdiff_t found = text_rfind(address, '@');
    size_t at = found < 0 ? address.len : (size_t)found;
    struct mw_slice domain = text_skip(address, at + 1);
    add_exact(keys, address, at);
    if (kind != LIST_REDIS)
        add(keys, address, true); /* Postfix looks up, and postmap stores, lower case */
    if (found < 0)
        return;
    if (kind != LIST_POSTFIX)
        add(keys, text_skip(address, at), true);
    if (kind == LIST_REDIS)
        return;
    add(keys, domain, true);
    if (kind == LIST_POSTFIX)
        add_parents(keys, domain, true);
    add(keys, SLICE(address.ptr, at + 1), true);
}

void rules_list_keys(enum list_kind list_kind, enum set_kind kind, struct mw_slice value,
                     struct list_keys *out)
{
    out->count = out->used = 0;
    switch (kind) {
    case SET_NETWORK:
        add_ip(out, value);
        return;
    case SET_HOST:
        add_host(out, value, list_kind == LIST_POSTFIX);
        return;
    case SET_ADDRESS:
        add_address(out, value, list_kind);
        return;
    case SET_NAME:
    case SET_TEXT:
    case SET_BYTES:
    case SET_KINDS:
        break;
    }
    add(out, value, kind == SET_NAME || list_kind == LIST_POSTFIX);
}
