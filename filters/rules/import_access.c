/* import_access.c - Postfix's indexed access tables (access(5)).
 *
 * The order of an indexed table's lines means nothing: the most specific key wins. Rules stay on
 * the lines of their keys, so each one excludes the more specific keys below it in rank. */
#include <arpa/inet.h>
#include <stdio.h>

#include "import_priv.h"

enum rank {
    RANK_ADDRESS = 0, /* user@domain */
    RANK_NULL,        /* <> */
    RANK_DOMAIN,      /* domain, and in parent style all below it */
    RANK_BELOW,       /* .domain: only those below it */
    RANK_UNKNOWN,     /* a client without a name */
    RANK_USER,        /* user@ */
    RANK_NET          /* an address, or its beginning */
};

struct exclusion {
    const struct key *key;
    struct exclusion *next;
};

struct key {
    uint32_t line;
    enum rank rank;
    struct mw_slice text;    /* in small letters; BELOW: with its dot */
    struct mw_slice network; /* NET */
    struct import_action action;
    struct exclusion *exclusions; /* more specific ones */
    struct key *chain;            /* same bucket */
    struct key *next;
};

enum { BUCKETS = 8192 };

struct access {
    struct import *import;
    const char *domain_field, *address_field; /* what they are called in the language */
    bool is_client, is_mail, is_exact;        /* exact: plain domains match themselves only */
    bool has_domains, has_unknown, has_users, has_nets;
    struct key *buckets[BUCKETS];
    struct key *keys, **tail;
};

/* ---- reading keys ---- */

static struct key **bucket_of(struct access *access, struct mw_slice text)
{
    return &access->buckets[text_hash(text, false) % BUCKETS];
}

static struct key *find(struct access *access, struct mw_slice text)
{
    struct key *key = *bucket_of(access, text);
    while (key != NULL && !text_eq(key->text, text))
        key = key->chain;
    return key;
}

static bool is_host(struct mw_slice text)
{
    bool is_good = text.len > 0 && text.len <= 255;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        is_good &= (c >= 'a' && c <= 'z') || text_is_digit(c) || c == '.' || c == '-' || c == '_';
    }
    return is_good && text.ptr[text.len - 1] != '.';
}

/* "192.168" as 192.168.0.0/16. */
static bool read_net4(struct import *import, struct mw_slice text, struct mw_slice *out)
{
    char room[40];
    struct builder to = {.ptr = room, .cap = sizeof room};
    unsigned count = 0;
    for (struct mw_slice rest = text;; count++) {
        ptrdiff_t dot = text_find(rest, '.');
        uint64_t octet;
        struct mw_slice part = dot < 0 ? rest : SLICE(rest.ptr, (size_t)dot);
        if (count == 4 || part.len == 0 || (part.len > 1 && part.ptr[0] == '0') ||
            !text_number(part, 255, &octet))
            return false;
        if (dot < 0)
            break;
        rest = text_skip(rest, (size_t)dot + 1);
        if (rest.len == 0)
            return false;
    }
    builder_put(&to, text);
    for (unsigned i = count + 1; i < 4; i++)
        builder_put(&to, LIT(".0"));
    if (count < 3)
        builder_putf(&to, "/%u", (count + 1) * 8);
    *out = import_keep(import, SLICE(room, to.len));
    return true;
}

/* A whole address, or groups from its beginning: "2001:db8" as 2001:db8::/32. */
static const char *read_net6(struct import *import, struct mw_slice text, struct mw_slice *out)
{
    char room[80];
    unsigned char address[16];
    unsigned groups = 1;
    if (text.len > 45)
        return "the key is no IPv6 address";
    snprintf(room, sizeof room, "%.*s", (int)text.len, text.ptr);
    if (inet_pton(AF_INET6, room, address) == 1) {
        *out = text;
        return NULL;
    }
    for (size_t i = 0; i < text.len; i++) {
        groups += text.ptr[i] == ':';
        if (text.ptr[i] == '0' && (i == 0 || text.ptr[i - 1] == ':'))
            return "Postfix compares IPv6 networks as texts, which a group of zeros makes unsure: "
                   "write a cidr table";
    }
    struct builder to = {.ptr = room, .len = text.len, .cap = sizeof room};
    builder_put(&to, SLICE("::", 3));
    if (groups > 7 || inet_pton(AF_INET6, room, address) != 1)
        return "the key is no IPv6 address or network";
    to.len--;
    builder_putf(&to, "/%u", groups * 16);
    *out = import_keep(import, SLICE(room, to.len));
    return NULL;
}

static const char *rank_client(struct access *access, struct key *key)
{
    key->rank = RANK_NET;
    if (read_net4(access->import, key->text, &key->network))
        return NULL;
    if (text_find(key->text, ':') >= 0)
        return read_net6(access->import, key->text, &key->network);
    key->rank = RANK_UNKNOWN;
    return text_is(key->text, "unknown") ? NULL : "";
}

static const char *rank_mail(const struct access *access, struct key *key)
{
    ptrdiff_t at = text_rfind(key->text, '@');
    if (text_is(key->text, "<>")) {
        key->rank = RANK_NULL;
        return text_is(access->import->kind, "sender")
                   ? NULL
                   : "no recipient is empty, so it never matches";
    }
    if (at < 0)
        return "";
    key->rank = (size_t)at + 1 == key->text.len ? RANK_USER : RANK_ADDRESS;
    return at == 0 ? "Postfix looks no such key up: write the domain without '@'" : NULL;
}

/* NULL, or why the key is of no use. */
static const char *rank(struct access *access, struct key *key)
{
    const char *why = access->is_client ? rank_client(access, key)
                      : access->is_mail ? rank_mail(access, key)
                                        : "";
    if (why == NULL || *why != '\0')
        return why;
    bool is_below = key->text.ptr[0] == '.';
    key->rank = is_below ? RANK_BELOW : RANK_DOMAIN;
    if (!access->is_client && !access->is_mail && key->text.ptr[0] == '[')
        return NULL; /* HELO [192.0.2.1] */
    return is_host(is_below ? text_skip(key->text, 1) : key->text)
               ? NULL
               : "the key is neither a domain nor an address that Postfix would look up";
}

static struct mw_slice lower(struct import *import, struct mw_slice text)
{
    char *copy = import_alloc(import, text.len + 1);
    for (size_t i = 0; i < text.len; i++)
        copy[i] = text_lower(text.ptr[i]);
    return SLICE(copy, text.len);
}

static void read_key(struct access *access, const struct import_logical *line)
{
    struct import *import = access->import;
    struct mw_slice rest;
    struct key *key = import_alloc(import, sizeof *key);
    key->line = line->line;
    key->text = lower(import, import_word(line->text, &rest));
    const char *why = line->text.len > IMPORT_LINE_MAX ? "the line is longer than 8 KB" : NULL;
    if (why == NULL && find(access, key->text) != NULL)
        why = "the key stands above already, and that entry counts";
    if (why == NULL)
        why = import_text_fault(key->text, false);
    if (why == NULL)
        why = rank(access, key);
    if (why != NULL) {
        import_drop(import, line->line, why);
        return;
    }
    import_action(import, rest, true, IMPORT_NO_INSERTS, &key->action);
    struct key **bucket = bucket_of(access, key->text);
    key->chain = *bucket;
    *bucket = key;
    *access->tail = key;
    access->tail = &key->next;
    access->is_exact |= key->rank == RANK_BELOW;
    access->has_domains |= key->rank == RANK_DOMAIN || key->rank == RANK_BELOW;
    access->has_unknown |= key->rank == RANK_UNKNOWN;
    bool is_rule = key->action.effect != EFFECT_NONE && key->action.effect != EFFECT_LOST;
    access->has_users |= is_rule && key->rank == RANK_USER;
    access->has_nets |= is_rule && key->rank == RANK_NET;
    if (key->rank == RANK_BELOW)
        import_note_once(import, ONCE_DOT, key->line,
                         "carried over; because of this key plain domains of the table match "
                         "themselves only (parent_domain_matches_subdomains without "
                         "smtpd_access_maps)");
    if (key->rank == RANK_NET && text_find(key->text, ':') >= 0)
        import_note_once(import, ONCE_IPV6, key->line,
                         "carried over; IPv6 keys are taken as addresses and networks, Postfix "
                         "compares their beginnings as texts");
}

/* ---- more specific keys ---- */

static void exclude_from(struct access *access, struct mw_slice less, const struct key *key)
{
    struct key *other = find(access, less);
    bool is_same = other != NULL && key->action.effect == EFFECT_VERDICT &&
                   other->action.effect == EFFECT_VERDICT &&
                   text_eq(key->action.words, other->action.words);
    if (other == NULL || other == key || is_same)
        return;
    struct exclusion *exclusion = import_alloc(access->import, sizeof *exclusion);
    exclusion->key = key;
    exclusion->next = other->exclusions;
    other->exclusions = exclusion;
}

/* All names above `domain`, in the style of the table: "b.c" and "c", or ".b.c" and ".c". */
static void exclude_from_parents(struct access *access, struct mw_slice domain,
                                 const struct key *key)
{
    for (;;) {
        ptrdiff_t dot = text_find(text_skip(domain, 1), '.');
        if (domain.len == 0 || dot < 0)
            return;
        domain = text_skip(domain, (size_t)dot + 1);
        exclude_from(access, access->is_exact ? domain : text_skip(domain, 1), key);
    }
}

static void exclude_net(struct access *access, const struct key *key)
{
    struct mw_slice text = key->text;
    while (text.len > 0) {
        char c = text.ptr[--text.len];
        if (c == '.' || c == ':')
            exclude_from(access, text, key);
    }
}

static void exclude(struct access *access, const struct key *key)
{
    ptrdiff_t at;
    switch (key->rank) {
    case RANK_ADDRESS:
        at = text_rfind(key->text, '@');
        exclude_from(access, SLICE(key->text.ptr, (size_t)at + 1), key);
        exclude_from(access, text_skip(key->text, (size_t)at + 1), key);
        exclude_from_parents(access, text_skip(key->text, (size_t)at + 1), key);
        break;
    case RANK_DOMAIN:
    case RANK_BELOW:
        exclude_from_parents(access, key->text, key);
        break;
    case RANK_NET:
        exclude_net(access, key);
        break;
    case RANK_NULL:
    case RANK_UNKNOWN:
    case RANK_USER:
        break;
    }
}

/* ---- writing ---- */

/* "\Auser@example\.com\z" without its ends. */
static void put_escaped(struct builder *to, struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (strchr("\\^$.[]|()?*+{}#", text.ptr[i]) != NULL && text.ptr[i] != '\0')
            builder_put(to, LIT("\\"));
        builder_put(to, SLICE(text.ptr + i, 1));
    }
}

static void put_domains(struct access *access, const struct key *key)
{
    import_put_value(access->import, key->text);
    if (key->rank == RANK_BELOW || access->is_exact)
        return;
    import_put(access->import, ", .");
    import_put_slice(access->import, key->text);
}

/* The list of all domains of the table, for keys that come after all of them. */
static void write_list(struct access *access)
{
    struct import *import = access->import;
    bool is_first = true;
    if (!access->has_domains || !(access->has_users || access->has_nets))
        return;
    import_put(import, "list ");
    import_put(import, import->prefix);
    import_put(import, "-domains = ");
    for (const struct key *key = access->keys; key != NULL; key = key->next) {
        if (key->rank != RANK_DOMAIN && key->rank != RANK_BELOW)
            continue;
        import_put(import, is_first ? "" : ", ");
        put_domains(access, key);
        is_first = false;
    }
}

/* Is there room for this exclusion in the pattern of addresses? */
static const char *addresses_of(struct access *access, const struct key *key,
                                struct mw_slice *out_pattern)
{
    char room[IMPORT_PATTERN_MAX];
    struct builder to = {.ptr = room, .cap = sizeof room};
    bool has_any = false;
    builder_put(&to, LIT("\\A(?:"));
    for (const struct exclusion *at = key->exclusions; at != NULL; at = at->next) {
        if (at->key->rank != RANK_ADDRESS)
            continue;
        if (to.cap - to.len < at->key->text.len * 2 + 8)
            return "the table has too many addresses that go first";
        builder_put(&to, has_any ? LIT("|") : EMPTY);
        put_escaped(&to, at->key->text);
        has_any = true;
    }
    builder_put(&to, LIT(")\\z"));
    *out_pattern = has_any ? import_keep(access->import, SLICE(room, to.len)) : EMPTY;
    return NULL;
}

static void put_condition(struct access *access, const struct key *key)
{
    struct import *import = access->import;
    char room[IMPORT_LINE_MAX * 2 + 16];
    struct builder to = {.ptr = room, .cap = sizeof room};
    bool is_user = key->rank == RANK_USER;
    switch (key->rank) {
    case RANK_ADDRESS:
    case RANK_USER:
        builder_put(&to, LIT("\\A"));
        put_escaped(&to, key->text);
        builder_put(&to, is_user ? LIT("[^@]*\\z") : LIT("\\z"));
        import_put(import, access->address_field);
        import_put(import, " =~ ");
        import_put_regex(import, SLICE(room, to.len), "i");
        return;
    case RANK_NULL:
        import_put(import, "sender is empty");
        return;
    case RANK_UNKNOWN:
        import_put(import, "client.name is empty");
        return;
    case RANK_NET:
        import_put(import, "client.ip in (");
        import_put_slice(import, key->network);
        break;
    case RANK_DOMAIN:
    case RANK_BELOW:
        import_put(import, access->domain_field);
        if (key->rank == RANK_DOMAIN && (access->is_exact || key->text.ptr[0] == '[')) {
            import_put(import, " == ");
            import_put_quoted(import, key->text);
            return;
        }
        import_put(import, " in (");
        put_domains(access, key);
        break;
    }
    import_put(import, ")");
}

/* Domains and networks that go first, as one list of the field. */
static void put_excluded_list(struct access *access, const struct key *key, bool is_net)
{
    bool has_any = false;
    for (const struct exclusion *at = key->exclusions; at != NULL; at = at->next) {
        if (at->key->rank == RANK_ADDRESS)
            continue;
        if (!has_any)
            import_put(access->import, " and ");
        if (!has_any)
            import_put(access->import, is_net ? "client.ip" : access->domain_field);
        import_put(access->import, has_any ? ", " : " not in (");
        if (is_net)
            import_put_slice(access->import, at->key->network);
        else
            put_domains(access, at->key);
        has_any = true;
    }
    import_put(access->import, has_any ? ")" : "");
}

static const char *write_key(struct access *access, const struct key *key)
{
    struct import *import = access->import;
    struct mw_slice addresses;
    const char *why = addresses_of(access, key, &addresses);
    if (why != NULL)
        return why;
    import_rule(import, key->line, EMPTY);
    import_put_slice(import, key->action.words);
    import_put(import, " when ");
    put_condition(access, key);
    put_excluded_list(access, key, key->rank == RANK_NET);
    if (addresses.len > 0) {
        import_put(import, " and ");
        import_put(import, access->address_field);
        import_put(import, " !~ ");
        import_put_regex(import, addresses, "i");
    }
    if (access->has_domains && (key->rank == RANK_NET || key->rank == RANK_USER)) {
        import_put(import, " and ");
        import_put(import, access->domain_field);
        import_put(import, " not in ");
        import_put(import, import->prefix);
        import_put(import, "-domains");
    }
    if (access->has_unknown && key->rank == RANK_NET)
        import_put(import, " and client.name is not empty");
    return NULL;
}

void import_postfix_keys(struct import *import, struct mw_slice table)
{
    struct access *access = import_alloc(import, sizeof *access);
    struct import_logical logical;
    uint32_t line = 0, count = 0;
    access->import = import;
    access->tail = &access->keys;
    access->is_client = text_is(import->kind, "client");
    access->is_mail = text_is(import->kind, "sender") || text_is(import->kind, "recipient");
    access->address_field = text_is(import->kind, "sender") ? "sender" : "rcpt";
    access->domain_field = access->is_client                 ? "client.name"
                           : text_is(import->kind, "helo")   ? "helo"
                           : text_is(import->kind, "sender") ? "sender.domain"
                                                             : "rcpt.domain";
    while (import_next_logical(import, &table, &line, &logical)) {
        if (++count > IMPORT_ENTRIES_MAX) {
            import_drop(import, logical.line, "more than 20000 entries: it and all below it");
            break;
        }
        read_key(access, &logical);
    }
    for (const struct key *key = access->keys; key != NULL; key = key->next)
        exclude(access, key);
    write_list(access);
    for (const struct key *key = access->keys; key != NULL; key = key->next) {
        const char *why = key->action.effect == EFFECT_LOST   ? key->action.why
                          : key->action.effect == EFFECT_NONE ? NULL
                                                              : write_key(access, key);
        import_finish(import, key->line, &key->action, why);
    }
}
