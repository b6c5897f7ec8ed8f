/* signature.c - see signature.h. First everything that can be shown of a signature is read, then each tag is judged in
 * the order of RFC 6376 6.1.1; the first problem decides. */
#include "signature.h"

#include "base64.h"
#include "taglist.h"

/* ---- results ---- */

static const char *const result_names[DKIM_RESULTS] = {
    [DKIM_PASS] = "pass",       [DKIM_TEMPERROR] = "temperror", [DKIM_POLICY] = "policy",
    [DKIM_NEUTRAL] = "neutral", [DKIM_FAIL] = "fail",           [DKIM_PERMERROR] = "permerror",
    [DKIM_NONE] = "none",
};

const char *dkim_result_name(enum dkim_result result)
{
    return result_names[result];
}

/* ---- single tags: true = fine ---- */

static bool parse_algorithm(struct mw_slice text, struct signature *out)
{
    if (text_ieq(text, LIT("rsa-sha256")))
        out->algorithm = ALGORITHM_RSA_SHA256;
    else if (text_ieq(text, LIT("ed25519-sha256")))
        out->algorithm = ALGORITHM_ED25519_SHA256;
    return out->algorithm != ALGORITHM_OTHER;
}

static bool parse_canon(struct mw_slice text, enum canon *out)
{
    *out = text_ieq(text, LIT("relaxed")) ? CANON_RELAXED : CANON_SIMPLE;
    return *out == CANON_RELAXED || text_ieq(text, LIT("simple"));
}

/* c=: the body's is simple if it is not given. */
static bool parse_canons(struct mw_slice text, struct signature *out)
{
    out->header = out->body = CANON_SIMPLE;
    if (text.ptr == NULL)
        return true;
    ptrdiff_t slash = text_find(text, '/');
    if (slash < 0)
        return parse_canon(text, &out->header);
    return parse_canon(SLICE(text.ptr, (size_t)slash), &out->header) &&
           parse_canon(text_skip(text, (size_t)slash + 1), &out->body);
}

/* Up to 76 digits (RFC 6376 3.5); what does not fit is the largest number. */
static bool parse_number(struct mw_slice text, uint64_t *out)
{
    for (size_t i = 0; i < text.len; i++)
        if (!text_is_digit(text.ptr[i]))
            return false;
    if (!text_number(text, UINT64_MAX, out))
        *out = UINT64_MAX;
    return text.len > 0 && text.len <= 76;
}

static bool parse_optional(struct mw_slice text, bool *out_has, uint64_t *out)
{
    *out_has = text.ptr != NULL;
    return !*out_has || parse_number(text, out);
}

bool signature_next_name(struct mw_slice *rest, struct mw_slice *out_name)
{
    if (rest->ptr == NULL)
        return false;
    ptrdiff_t colon = text_find(*rest, ':');
    *out_name = text_trim(colon < 0 ? *rest : SLICE(rest->ptr, (size_t)colon));
    *rest = colon < 0 ? SLICE(NULL, 0) : text_skip(*rest, (size_t)colon + 1);
    return true;
}

/* RFC 5322 3.6.8. */
static bool is_field_name(struct mw_slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] < 0x21 || name.ptr[i] > 0x7e || name.ptr[i] == ':')
            return false;
    return name.len > 0;
}

static const char *parse_names(struct mw_slice text, struct signature *out,
                               enum dkim_result *out_result)
{
    struct mw_slice rest = text, name;
    bool has_from = false;
    while (signature_next_name(&rest, &name)) {
        if (!is_field_name(name))
            return "h= is no list of field names";
        if (++out->name_count > SIGNATURE_NAMES_MAX)
            return "too many names in h=";
        has_from |= text_ieq(name, LIT("From"));
    }
    out->names = text;
    *out_result = has_from ? *out_result : DKIM_PERMERROR;
    return has_from ? NULL : "From is not signed";
}

/* i=: behind the '@' the domain of d= or one below it. Given without a value it names nobody (RFC 6376 3.5). */
static bool parse_identity(struct mw_slice text, struct signature *out)
{
    out->is_own_domain = true;
    if (text.ptr == NULL)
        return true;
    char room[DOMAIN_MAX + 1];
    ptrdiff_t at = text_rfind(text, '@');
    size_t len = at < 0 ? 0 : domain_normalize(text_skip(text, (size_t)at + 1), room);
    out->is_own_domain = text_eq(SLICE(room, len), out->domain);
    return len > 0 && domain_is_below(SLICE(room, len), out->domain);
}

/* q=: a list; what is not known does not count. */
static bool has_query(struct mw_slice text)
{
    struct mw_slice rest = text, method;
    bool has = text.ptr == NULL;
    while (signature_next_name(&rest, &method))
        has |= text_ieq(method, LIT("dns/txt"));
    return has;
}

/* ---- the whole ---- */

static struct mw_slice normal(struct mw_slice text, char room[DOMAIN_MAX + 1])
{
    return SLICE(room, text.ptr == NULL ? 0 : domain_normalize(text, room));
}

static struct mw_slice shown(struct mw_slice text)
{
    return text.ptr == NULL ? EMPTY : text;
}

/* RFC 6376 3.7: b= is hashed as if it were empty, "including all surrounding whitespace". */
static void find_data(struct mw_slice value, const struct taglist *tags, struct signature *out)
{
    for (size_t i = 0; i < tags->count; i++) {
        if (!text_is(tags->tags[i].name, "b"))
            continue;
        struct mw_slice name = tags->tags[i].name;
        size_t at = (size_t)(name.ptr + name.len - value.ptr);
        at += (size_t)text_find(text_skip(value, at), '=') + 1;
        ptrdiff_t end = text_find(text_skip(value, at), ';');
        out->data_at = at;
        out->data_end = end < 0 ? value.len : at + (size_t)end;
    }
}

static const char *check_required(const struct taglist *tags)
{
    static const char *const required[] = {"v", "a", "b", "bh", "d", "h", "s"};
    static const char *const missing[] = {"v= is missing",  "a= is missing", "b= is missing",
                                          "bh= is missing", "d= is missing", "h= is missing",
                                          "s= is missing"};
    for (size_t i = 0; i < sizeof required / sizeof *required; i++)
        if (taglist_find(tags, required[i]).ptr == NULL)
            return missing[i];
    return text_is(taglist_find(tags, "v"), "1") ? NULL : "v= is not 1";
}

static const char *check_values(const struct taglist *tags, struct signature *out)
{
    size_t hash_len;
    if (!parse_algorithm(out->algorithm_name, out))
        return "unknown algorithm";
    if (!parse_canons(taglist_find(tags, "c"), out))
        return "unknown canonicalization";
    if (out->domain.len == 0)
        return "d= is no domain";
    if (out->selector.len == 0)
        return "s= is no selector";
    if (!has_query(taglist_find(tags, "q")))
        return "unknown query method";
    if (!parse_optional(taglist_find(tags, "l"), &out->has_length, &out->length))
        return "l= is no number";
    if (!parse_optional(taglist_find(tags, "t"), &out->has_time, &out->time_s))
        return "t= is no number";
    if (!parse_optional(taglist_find(tags, "x"), &out->has_expiry, &out->expiry_s))
        return "x= is no number";
    if (out->has_time && out->has_expiry && out->expiry_s <= out->time_s)
        return "x= is not behind t=";
    if (!dkim_base64(taglist_find(tags, "bh"), out->body_hash, sizeof out->body_hash, &hash_len) ||
        hash_len != sizeof out->body_hash)
        return "bh= is no SHA-256 hash";
    if (!dkim_base64(out->data_text, out->data, sizeof out->data, &out->data_len))
        return "b= is no signature";
    return NULL;
}

const char *signature_parse(struct mw_slice value, struct signature *out,
                            enum dkim_result *out_result)
{
    struct taglist tags;
    *out = (struct signature){.domain = EMPTY,
                              .selector = EMPTY,
                              .algorithm_name = EMPTY,
                              .data_text = EMPTY,
                              .identity = EMPTY,
                              .names = EMPTY};
    *out_result = DKIM_NEUTRAL;
    if (value.len > SIGNATURE_MAX)
        return "the field is too long";
    if (!taglist_parse(value, &tags))
        return "the field is no tag list";
    out->domain = normal(taglist_find(&tags, "d"), out->domain_room);
    out->selector = normal(taglist_find(&tags, "s"), out->selector_room);
    out->algorithm_name = shown(taglist_find(&tags, "a"));
    out->data_text = shown(taglist_find(&tags, "b"));
    out->identity = shown(taglist_find(&tags, "i"));
    find_data(value, &tags, out);
    const char *problem = check_required(&tags);
    if (problem == NULL && text_ieq(out->algorithm_name, LIT("rsa-sha1"))) {
        *out_result = DKIM_PERMERROR;
        problem = "rsa-sha1 is too weak to count"; /* RFC 8301 3.1: "permanently failed" */
    }
    if (problem == NULL)
        problem = check_values(&tags, out);
    if (problem == NULL)
        problem = parse_names(taglist_find(&tags, "h"), out, out_result);
    if (problem == NULL && !parse_identity(taglist_find(&tags, "i"), out)) {
        *out_result = DKIM_PERMERROR;
        problem = "i= is not in the domain of d=";
    }
    return problem;
}
