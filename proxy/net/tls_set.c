/* tls_set.c - names of certificates to contexts. Names are kept in lower case, sorted, so that a
 * ClientHello costs two binary searches however many there are; where several pairs have a name,
 * the first one in the configuration has it. */
#include "net/tls_set.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_LEN = 255 };

struct name {
    struct mw_slice text;
    size_t pair;
};

struct pair {
    X509 *leaf;
    SSL_CTX *context; /* borrowed from `contexts` */
    int kind;         /* of the key */
    struct name *names;
    size_t name_count;
    struct mw_slice staple;
    int64_t staple_until;
};

struct mw_tls_set {
    int refs;
    struct mw_arena arena; /* names and staples */
    struct pair *pairs;
    size_t pair_count;
    SSL_CTX **contexts;
    size_t context_count;
    struct name *names; /* of all pairs, sorted */
    size_t name_count;
};

struct mw_tls_set *mw_tls_set_new(size_t pairs_max)
{
    struct mw_tls_set *set = mw_xcalloc(1, sizeof *set);
    set->refs = 1;
    set->pairs = mw_xcalloc(pairs_max, sizeof *set->pairs);
    set->contexts = mw_xcalloc(pairs_max, sizeof *set->contexts);
    return set;
}

struct mw_tls_set *mw_tls_set_ref(struct mw_tls_set *set)
{
    set->refs++;
    return set;
}

void mw_tls_set_unref(struct mw_tls_set **set)
{
    struct mw_tls_set *self = *set;
    *set = NULL;
    if (self == NULL || --self->refs > 0)
        return;
    for (size_t i = 0; i < self->pair_count; i++)
        X509_free(self->pairs[i].leaf);
    for (size_t i = 0; i < self->context_count; i++)
        SSL_CTX_free(self->contexts[i]);
    mw_arena_fini(&self->arena);
    free(self->pairs);
    free(self->contexts);
    free(self);
}

/* ---- names of a certificate ---- */

static int compare_names(const void *a, const void *b)
{
    const struct name *left = a, *right = b;
    int order = mw_slice_cmp(left->text, right->text);
    if (order != 0)
        return order;
    return left->pair < right->pair ? -1 : left->pair > right->pair;
}

/* A name that a client can ask for; anything else in a certificate (blanks, NUL, other alphabets)
 * is no DNS name and can fit nothing. */
static void add_name(struct mw_tls_set *set, struct pair *pair, const ASN1_STRING *from)
{
    size_t len = (size_t)ASN1_STRING_length(from);
    if (len == 0 || len > NAME_MAX_LEN)
        return;
    char *text = mw_arena_alloc(&set->arena, len);
    for (size_t i = 0; i < len; i++) {
        text[i] = mw_lower((char)ASN1_STRING_get0_data(from)[i]);
        if (text[i] <= ' ' || text[i] >= 0x7f)
            return;
    }
    size_t at = (size_t)(pair - set->pairs);
    pair->names[pair->name_count++] = (struct name){.text = MW_SLICE(text, len), .pair = at};
}

static void add_common_name(struct mw_tls_set *set, struct pair *pair)
{
    X509_NAME *subject = X509_get_subject_name(pair->leaf);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    pair->names = mw_arena_array(&set->arena, struct name, 1);
    if (at >= 0)
        add_name(set, pair, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

/* dNSName entries; the common name counts only without any subjectAltName (RFC 6125 6.4.4). */
static void collect_names(struct mw_tls_set *set, struct pair *pair)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(pair->leaf, NID_subject_alt_name, NULL, NULL);
    if (all == NULL) {
        add_common_name(set, pair);
        return;
    }
    int count = sk_GENERAL_NAME_num(all);
    pair->names = mw_arena_array(&set->arena, struct name, (size_t)count + 1);
    for (int i = 0; i < count; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
        if (name->type == GEN_DNS)
            add_name(set, pair, name->d.dNSName);
    }
    GENERAL_NAMES_free(all);
    if (pair->name_count > 1)
        qsort(pair->names, pair->name_count, sizeof *pair->names, compare_names);
}

static bool has_same_names(const struct pair *a, const struct pair *b)
{
    bool is_same = a->name_count == b->name_count;
    for (size_t i = 0; is_same && i < a->name_count; i++)
        is_same = mw_slice_eq(a->names[i].text, b->names[i].text);
    return is_same;
}

/* ---- building ---- */

static bool has_kind(const struct mw_tls_set *set, const SSL_CTX *context, int kind)
{
    for (size_t i = 0; i < set->pair_count; i++)
        if (set->pairs[i].context == context && set->pairs[i].kind == kind)
            return true;
    return false;
}

SSL_CTX *mw_tls_set_place(struct mw_tls_set *set, const struct mw_tls_identity *identity)
{
    struct pair *pair = &set->pairs[set->pair_count];
    X509_up_ref(identity->leaf);
    *pair = (struct pair){.leaf = identity->leaf, .kind = EVP_PKEY_get_base_id(identity->key)};
    collect_names(set, pair);
    for (size_t i = 0; i < set->pair_count && pair->context == NULL; i++) {
        const struct pair *other = &set->pairs[i];
        if (has_same_names(pair, other) && !has_kind(set, other->context, pair->kind))
            pair->context = other->context;
    }
    set->pair_count++;
    return pair->context;
}

void mw_tls_set_add_context(struct mw_tls_set *set, SSL_CTX *context)
{
    set->pairs[set->pair_count - 1].context = context;
    set->contexts[set->context_count++] = context;
}

static int64_t seconds_of(const ASN1_TIME *time)
{
    struct tm fields;
    return ASN1_TIME_to_tm(time, &fields) == 1 ? (int64_t)timegm(&fields) : 0;
}

/* Until when the response is good for the certificate; 0: not at all. RFC 6960 4.2.1: without a
 * nextUpdate newer information is always to be had, so there is nothing to staple for long. */
static int64_t good_until(OCSP_RESPONSE *response, X509 *leaf)
{
    OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
    int64_t until = 0;
    for (int i = 0; basic != NULL && i < OCSP_resp_count(basic); i++) {
        OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
        ASN1_GENERALIZEDTIME *next = NULL;
        ASN1_INTEGER *serial = NULL;
        OCSP_id_get0_info(NULL, NULL, NULL, &serial,
                          (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(single));
        int status = OCSP_single_get0_status(single, NULL, NULL, NULL, &next);
        if (status == V_OCSP_CERTSTATUS_GOOD && next != NULL && serial != NULL &&
            ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) == 0)
            until = seconds_of(next);
    }
    OCSP_BASICRESP_free(basic);
    return until;
}

static int64_t judge_staple(const struct mw_buf *octets, X509 *leaf)
{
    const unsigned char *at = (const unsigned char *)octets->ptr;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)octets->len);
    int64_t until = 0;
    if (response != NULL && at == (const unsigned char *)octets->ptr + octets->len &&
        OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL)
        until = good_until(response, leaf);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    return until;
}

void mw_tls_set_add_staple(struct mw_tls_set *set, const char *path)
{
    struct pair *pair = &set->pairs[set->pair_count - 1];
    struct mw_buf octets;
    char text[256];
    if (path == NULL ||
        mw_tls_file_read(path, (struct mw_tls_text){text, sizeof text}, &octets) != MW_OK)
        return;
    pair->staple_until = judge_staple(&octets, pair->leaf);
    if (pair->staple_until > 0)
        pair->staple = mw_arena_dup(&set->arena, mw_buf_view(&octets));
    mw_buf_fini(&octets);
}

/* ---- the whole ---- */

static void sort_names(struct mw_tls_set *set)
{
    size_t count = 0;
    for (size_t i = 0; i < set->pair_count; i++)
        count += set->pairs[i].name_count;
    set->names = mw_arena_array(&set->arena, struct name, count + 1);
    for (size_t i = 0; i < set->pair_count; i++) {
        const struct pair *pair = &set->pairs[i];
        for (size_t j = 0; j < pair->name_count; j++)
            set->names[set->name_count++] = pair->names[j];
    }
    if (count > 1)
        qsort(set->names, count, sizeof *set->names, compare_names);
}

static void digest_certificate(EVP_MD_CTX *digest, X509 *certificate)
{
    unsigned char octets[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    if (X509_digest(certificate, EVP_sha256(), octets, &len) == 1)
        EVP_DigestUpdate(digest, octets, len);
}

static void bind_tickets(const struct mw_tls_set *set, SSL_CTX *context, X509_STORE *anchors)
{
    unsigned char id[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    int is_good = digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1;
    mw_assert(is_good);
    for (size_t i = 0; i < set->pair_count; i++)
        if (set->pairs[i].context == context)
            digest_certificate(digest, set->pairs[i].leaf);
    STACK_OF(X509_OBJECT) *objects = anchors == NULL ? NULL : X509_STORE_get0_objects(anchors);
    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++)
        digest_certificate(digest, X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i)));
    is_good = EVP_DigestFinal_ex(digest, id, &len) == 1 &&
              SSL_CTX_set_session_id_context(context, id, len) == 1;
    mw_assert(is_good);
    EVP_MD_CTX_free(digest);
}

void mw_tls_set_complete(struct mw_tls_set *set, X509_STORE *anchors)
{
    sort_names(set);
    for (size_t i = 0; i < set->context_count; i++)
        bind_tickets(set, set->contexts[i], anchors);
}

/* ---- looking up ---- */

SSL_CTX *mw_tls_set_default(const struct mw_tls_set *set)
{
    return set->pairs[0].context;
}

/* The first pair that has the name, which is in lower case. */
static SSL_CTX *find_name(const struct mw_tls_set *set, struct mw_slice text)
{
    size_t low = 0, high = set->name_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mw_slice_cmp(set->names[middle].text, text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == set->name_count || !mw_slice_eq(set->names[low].text, text))
        return NULL;
    return set->pairs[set->names[low].pair].context;
}

SSL_CTX *mw_tls_set_find(const struct mw_tls_set *set, struct mw_slice name)
{
    char text[NAME_MAX_LEN + 1];
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--; /* RFC 6066 3 has none; some send it */
    if (name.len == 0 || name.len > NAME_MAX_LEN)
        return NULL;
    for (size_t i = 0; i < name.len; i++)
        text[i] = mw_lower(name.ptr[i]);
    SSL_CTX *exact = find_name(set, MW_SLICE(text, name.len));
    ptrdiff_t dot = mw_slice_find(MW_SLICE(text, name.len), '.');
    if (exact != NULL || dot < 1)
        return exact;
    text[dot - 1] = '*';
    return find_name(set, MW_SLICE(text + dot - 1, name.len - (size_t)(dot - 1)));
}

struct mw_slice mw_tls_set_staple(const struct mw_tls_set *set, X509 *leaf)
{
    for (size_t i = 0; i < set->pair_count; i++)
        if (set->pairs[i].leaf == leaf && set->pairs[i].staple_until > (int64_t)time(NULL))
            return set->pairs[i].staple;
    return MW_EMPTY;
}

int64_t mw_tls_set_expiry(const struct mw_tls_set *set)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < set->pair_count; i++) {
        int64_t expiry = seconds_of(X509_get0_notAfter(set->pairs[i].leaf));
        first = expiry < first ? expiry : first;
    }
    return first;
}

/* ---- the octets of the extension ---- */

/* RFC 6066 3: a list (16 bit length) of type (8) and name (16 bit length); one of type host_name.
 * OpenSSL parses it as well and refuses what is not well-formed; here that is only no name. */
struct mw_slice mw_tls_sni_of(struct mw_slice extension)
{
    const unsigned char *octet = (const unsigned char *)extension.ptr;
    if (extension.len < 5)
        return MW_EMPTY;
    size_t list = (size_t)octet[0] << 8 | octet[1], name = (size_t)octet[3] << 8 | octet[4];
    if (list != extension.len - 2 || octet[2] != TLSEXT_NAMETYPE_host_name ||
        name != extension.len - 5)
        return MW_EMPTY;
    return mw_slice_skip(extension, 5);
}
