/* import.c - which importer reads a table, and what they all end with. */
#include "import.h"

#include <stdlib.h>

#include "import_priv.h"

static const char *const formats[] = {"postfix", "milter-regex", "spamassassin", NULL};
static const char *const kinds[] = {"header",        "body",      "mime_header",
                                    "nested_header", "client",    "helo",
                                    "sender",        "recipient", NULL};

const char *const *rules_import_formats(void)
{
    return formats;
}

const char *const *rules_import_kinds(void)
{
    return kinds;
}

static bool is_one_of(struct mw_slice text, const char *const *names)
{
    while (*names != NULL && !text_is(text, *names))
        names++;
    return *names != NULL;
}

/* ---- what a Postfix table is ---- */

/* The first word of each logical line, until `test` says yes to one. */
static bool any_key(struct import *import, struct mw_slice table, bool (*test)(struct mw_slice))
{
    struct import_logical logical;
    struct mw_slice rest;
    uint32_t line = 0;
    while (import_next_logical(import, &table, &line, &logical))
        if (test(import_word(logical.text, &rest)))
            return true;
    return false;
}

static bool begins_pattern(struct mw_slice key)
{
    while (key.len > 0 && key.ptr[0] == '!')
        key = text_skip(key, 1);
    return key.len > 0 && key.ptr[0] == '/';
}

/* "10.0.0.0/8", "[::1]", "!192.0.2.1": what only a cidr table has. */
static bool is_network(struct mw_slice key)
{
    size_t slash = 0;
    for (size_t i = 0; i < key.len; i++) {
        char c = text_lower(key.ptr[i]);
        if (!text_is_digit(c) && !(c >= 'a' && c <= 'f') && (c == '\0' || !strchr(".:/[]!", c)))
            return false;
        slash += c == '/';
    }
    return slash == 1 && key.ptr[0] != '/' && text_is_digit(key.ptr[key.len - 1]);
}

static void import_postfix(struct import *import, struct mw_slice table)
{
    bool is_checks = is_one_of(import->kind, (const char *const[]){"header", "body", "mime_header",
                                                                   "nested_header", NULL});
    struct mw_slice type = import->type;
    if (type.len == 0 && (is_checks || any_key(import, table, begins_pattern)))
        type = import_looks_like_pcre(import, table) ? LIT("pcre") : LIT("regexp");
    else if (type.len == 0)
        type = any_key(import, table, is_network) ? LIT("cidr") : LIT("hash");
    if (text_is(type, "pcre") || text_is(type, "regexp"))
        import_postfix_patterns(import, table, text_is(type, "pcre"));
    else if (text_is(type, "cidr"))
        import_postfix_networks(import, table);
    else
        import_postfix_keys(import, table);
}

/* ---- the whole ---- */

static const char *check_type(struct import *import)
{
    static const char *const indexed[] = {"hash", "btree", "lmdb",     "cdb",
                                          "dbm",  "sdbm",  "texthash", NULL};
    bool is_access = is_one_of(import->kind, kinds + 4);
    if (import->type.len == 0 || text_is(import->type, "pcre") || text_is(import->type, "regexp"))
        return NULL;
    if (!is_access)
        return "such a table holds patterns: its type is pcre or regexp";
    if (text_is(import->type, "cidr"))
        return text_is(import->kind, "client")
                   ? NULL
                   : "only a client has an address: cidr needs `as client`";
    if (is_one_of(import->type, indexed))
        return NULL;
    return "unknown type of table: pcre, regexp, cidr, hash, btree, lmdb, cdb, dbm, sdbm or "
           "texthash";
}

/* What may begin a rule's name: a letter or '_', then also digits, '-' and '.' but not at the end. */
static void set_prefix(struct import *import, struct mw_slice prefix)
{
    size_t len = 0;
    for (size_t i = 0; i < prefix.len && len + 1 < sizeof import->prefix; i++) {
        char c = prefix.ptr[i], small = text_lower(c);
        bool is_letter = (small >= 'a' && small <= 'z') || c == '_';
        if (len == 0 && !is_letter)
            import->prefix[len++] = '_';
        if (is_letter || text_is_digit(c) || (len > 0 && (c == '-' || c == '.')))
            import->prefix[len++] = c;
        else if (len > 0 && import->prefix[len - 1] != '_')
            import->prefix[len++] = '_';
    }
    while (len > 0 && (import->prefix[len - 1] == '-' || import->prefix[len - 1] == '.'))
        len--;
    import->prefix[len] = '\0';
    if (len == 0)
        memcpy(import->prefix, "table", 6);
}

static struct import_note *merge(struct import_note *a, struct import_note *b)
{
    struct import_note *first = NULL, **tail = &first;
    while (a != NULL && b != NULL) {
        struct import_note **from = a->line <= b->line ? &a : &b;
        *tail = *from;
        tail = &(*from)->next;
        *from = (*from)->next;
    }
    *tail = a != NULL ? a : b;
    return first;
}

/* A merge sort that keeps the order of notes of one line. */
static struct import_note *sorted(struct import_note *notes)
{
    if (notes == NULL || notes->next == NULL)
        return notes;
    struct import_note *middle = notes;
    for (struct import_note *end = notes->next; end != NULL && end->next != NULL;
         end = end->next->next)
        middle = middle->next;
    struct import_note *behind = middle->next;
    middle->next = NULL;
    return merge(sorted(notes), sorted(behind));
}

static struct import_note *reversed(struct import_note *notes)
{
    struct import_note *first = NULL;
    while (notes != NULL) {
        struct import_note *next = notes->next;
        notes->next = first;
        first = notes;
        notes = next;
    }
    return first;
}

static const char *finish(struct import *import)
{
    struct import_result *result = import->result;
    if (import->len > 0)
        import_put(import, "\n");
    result->notes = sorted(reversed(result->notes));
    result->text = import->text != NULL ? import->text : calloc(1, 1);
    if (result->text == NULL)
        abort();
    result->len = import->len;
    if (!import->is_full)
        return NULL;
    rules_import_free(result);
    return "the table's rules would be longer than 16 MB";
}

const char *rules_import(struct mw_slice format, struct mw_slice kind, struct mw_slice prefix,
                         struct mw_slice table, struct import_result *out_result)
{
    struct import import = {.kind = kind, .type = EMPTY, .line = 1, .result = out_result};
    *out_result = (struct import_result){.text = NULL};
    ptrdiff_t colon = text_find(format, ':');
    if (colon >= 0 && text_is(SLICE(format.ptr, (size_t)colon), "postfix")) {
        import.type = text_skip(format, (size_t)colon + 1);
        format.len = (size_t)colon;
    }
    set_prefix(&import, prefix);
    if (table.len > 1 << 20)
        return "the table is longer than 1 MB";
    if (text_is(format, "milter-regex"))
        import_milter_regex(&import, table);
    else if (text_is(format, "spamassassin"))
        import_spamassassin(&import, table);
    else if (!text_is(format, "postfix"))
        return "unknown format: postfix, milter-regex or spamassassin";
    else if (!is_one_of(kind, kinds))
        return "a Postfix table is imported as header, body, mime_header, nested_header, client, "
               "helo, sender or recipient";
    else if (check_type(&import) != NULL)
        return check_type(&import);
    else
        import_postfix(&import, table);
    return finish(&import);
}
