/* verify.c - see verify.h.
 *
 * A signature goes: parse (problem: decided) -> header hashed -> answer: keys tried -> end: body hash, then what we make of a signature that is
 * good (policy). Each step leaves `result` and `problem`; only the first problem is kept. */
#include "verify.h"

#include <stdlib.h>

#include "body.h"
#include "key_cache.h"
#include "memory.h"
#include "select.h"

struct entry {
    struct signature signature; /* views into `octets` */
    struct field field;         /* its own field: a copy in `octets` */
    char *octets;
    bool is_decided, is_answered, is_good; /* is_good: a key fits the header's hash */
    size_t body;                           /* number of its body hash */
    unsigned char header_hash[32];
    uint64_t *marks;   /* of what each name of h= stood for; NULL: not kept */
    unsigned distance; /* from the author's domain */
    char question[DOMAIN_MAX + 1];
    char identity[DOMAIN_MAX + 70];
    char algorithm[32];
    char tag[SIGNATURE_DATA_MAX];
    struct dkim_verdict verdict;
};

struct dkim_check {
    struct dkim_setup setup;
    struct body *body;
    bool wants_body;
    size_t count, ignored;
    struct entry entries[];
};

static void decide(struct entry *entry, enum dkim_result result, const char *problem)
{
    if (entry->is_decided)
        return;
    entry->is_decided = true;
    entry->verdict.result = result;
    entry->verdict.problem = problem;
}

/* ---- hashing the header ---- */

/* The digest, and a mark of what went into it since the mark was set: FNV-1a, to tell fields apart for a log line. */
struct marker {
    struct digest digest;
    uint64_t mark;
    bool is_marking;
};

static const uint64_t mark_start = UINT64_C(0xcbf29ce484222325);

static void put_marked(void *user, struct mw_slice octets)
{
    struct marker *marker = user;
    for (size_t i = 0; marker->is_marking && i < octets.len; i++)
        marker->mark = (marker->mark ^ (unsigned char)octets.ptr[i]) * UINT64_C(0x100000001b3);
    digest_put(&marker->digest, octets);
}

/* RFC 6376 3.7. `own`: index of the signature's own field. */
static void hash_header(const struct entry *entry, const struct field *fields, size_t count,
                        size_t own, unsigned char out[32], uint64_t *out_marks)
{
    const struct signature *signature = &entry->signature;
    uint32_t picks[SIGNATURE_NAMES_MAX];
    struct marker marker = {.is_marking = out_marks != NULL};
    struct sink sink = {put_marked, &marker};
    select_fields(signature, fields, count, own, picks);
    digest_begin(&marker.digest);
    for (size_t i = 0; i < signature->name_count; i++) {
        marker.mark = mark_start;
        if (picks[i] != SELECT_NONE)
            canon_field(signature->header, &fields[picks[i]], sink);
        if (out_marks != NULL)
            out_marks[i] = marker.mark;
    }
    canon_signature(signature->header, &fields[own], signature->data_at, signature->data_end, sink);
    digest_end(&marker.digest, out);
}

/* ---- fields that may stand only once: RFC 5322 3.6, RFC 2045 3; RFC 6376 8.15 ---- */

enum { SINGLES = 12 };
static const char *const singles[SINGLES] = {
    "From",     "Subject",    "Date",        "To",         "Cc",           "Sender",
    "Reply-To", "Message-ID", "In-Reply-To", "References", "Content-Type", "MIME-Version"};
static const char *const single_problems[SINGLES] = {"more than one From",
                                                     "a Subject that is not signed",
                                                     "a Date that is not signed",
                                                     "a To that is not signed",
                                                     "a Cc that is not signed",
                                                     "a Sender that is not signed",
                                                     "a Reply-To that is not signed",
                                                     "a Message-ID that is not signed",
                                                     "an In-Reply-To that is not signed",
                                                     "a References that is not signed",
                                                     "a Content-Type that is not signed",
                                                     "a MIME-Version that is not signed"};

static void count_single(struct mw_slice name, size_t counts[SINGLES])
{
    for (size_t i = 0; i < SINGLES; i++)
        counts[i] += text_ieq(name, slice_of(singles[i]));
}

/* A field beside the one that is signed: who reads the message may be shown that one. From has to be there, once. */
static const char *find_double(const struct signature *signature, const size_t counts[SINGLES])
{
    struct mw_slice rest = signature->names, name;
    size_t signed_counts[SINGLES] = {0};
    while (signature_next_name(&rest, &name))
        count_single(name, signed_counts);
    if (counts[0] == 0)
        return "no From";
    if (counts[0] > 1)
        return single_problems[0];
    for (size_t i = 1; i < SINGLES; i++)
        if (signed_counts[i] > 0 && counts[i] > signed_counts[i] && counts[i] > 1)
            return single_problems[i];
    return NULL;
}

/* ---- a check begins ---- */

static void copy_field(struct entry *entry, const struct field *field)
{
    size_t len = field->name.len + field->gap.len + field->value.len;
    struct builder octets = {.ptr = memory_new(1, len + 1), .cap = len};
    builder_put(&octets, field->name);
    builder_put(&octets, field->gap);
    builder_put(&octets, field->value);
    const char *value = octets.ptr + field->name.len + field->gap.len;
    entry->octets = octets.ptr;
    entry->field = (struct field){.name = SLICE(octets.ptr, field->name.len),
                                  .gap = SLICE(octets.ptr + field->name.len, field->gap.len),
                                  .value = SLICE(value, field->value.len)};
}

static struct mw_slice without_blanks(struct mw_slice text, char *room, size_t cap)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len && len < cap; i++)
        if (strchr(" \t\r\n", text.ptr[i]) == NULL || text.ptr[i] == '\0')
            room[len++] = text.ptr[i];
    return SLICE(room, len);
}

/* What is shown of a signature, whether it is valid or not. */
static void describe(struct entry *entry)
{
    const struct signature *signature = &entry->signature;
    struct dkim_verdict *verdict = &entry->verdict;
    struct builder identity = {.ptr = entry->identity, .cap = sizeof entry->identity};
    verdict->domain = signature->domain;
    verdict->selector = signature->selector;
    verdict->algorithm = without_blanks(signature->algorithm_name, entry->algorithm,
                                        sizeof entry->algorithm);
    verdict->tag = without_blanks(signature->data_text, entry->tag, sizeof entry->tag);
    verdict->identity = without_blanks(signature->identity, entry->identity,
                                       sizeof entry->identity);
    if (verdict->identity.len == 0 && verdict->domain.len > 0) {
        builder_put(&identity, LIT("@"));
        builder_put(&identity, verdict->domain);
        verdict->identity = SLICE(identity.ptr, identity.len);
    }
}

/* RFC 6376 3.6.2.1. */
static void ask(struct entry *entry)
{
    struct builder name = {.ptr = entry->question, .cap = DOMAIN_MAX};
    const struct signature *signature = &entry->signature;
    if (signature->selector.len + signature->domain.len + strlen("._domainkey.") > DOMAIN_MAX) {
        decide(entry, DKIM_PERMERROR, "the key's name is too long");
        return;
    }
    builder_put(&name, signature->selector);
    builder_put(&name, LIT("._domainkey."));
    builder_put(&name, signature->domain);
    entry->question[name.len] = '\0';
}

/* 0: the same; DISTANT: nothing to do with each other. */
enum { DISTANT = 3 };
static unsigned distance(struct mw_slice domain, struct mw_slice author)
{
    if (author.len == 0 || domain.len == 0)
        return DISTANT;
    if (text_eq(domain, author))
        return 0;
    return domain_is_below(author, domain) ? 1 : domain_is_below(domain, author) ? 2 : DISTANT;
}

static void begin_entry(struct dkim_check *check, struct entry *entry, const struct field *fields,
                        size_t count, size_t own, struct mw_slice author)
{
    enum dkim_result result;
    struct signature *signature = &entry->signature;
    if (fields[own].value.len <= SIGNATURE_MAX)
        copy_field(entry, &fields[own]);
    else /* is not looked at, so that it need not be kept */
        entry->field = (struct field){.value = fields[own].value};
    const char *problem = signature_parse(entry->field.value, signature, &result);
    describe(entry);
    entry->distance = distance(signature->domain, author);
    entry->verdict.is_author = entry->distance < DISTANT;
    if (problem == NULL)
        ask(entry);
    else
        decide(entry, result, problem);
    if (entry->is_decided)
        return;
    if (check->setup.is_checked_again)
        entry->marks = memory_new(1, signature->name_count * sizeof *entry->marks);
    hash_header(entry, fields, count, own, entry->header_hash, entry->marks);
    entry->body = body_want(check->body, signature->body, signature->has_length, signature->length);
    check->wants_body = true;
}

/* What speaks against a signature however good it is; told only if it is good. */
static void begin_policy(const struct dkim_setup *setup, struct entry *entry,
                         const size_t counts[SINGLES])
{
    const struct signature *signature = &entry->signature;
    if (entry->is_decided)
        return;
    entry->verdict.problem = find_double(signature, counts);
    if (entry->verdict.problem != NULL)
        return;
    if (signature->has_expiry && setup->now_s > setup->tolerance_s &&
        signature->expiry_s < setup->now_s - setup->tolerance_s)
        entry->verdict.problem = "the signature has expired";
    else if (signature->has_time && signature->time_s > setup->now_s + setup->tolerance_s)
        entry->verdict.problem = "the signature was made in the future";
}

static bool is_signature(const struct field *field)
{
    return text_ieq(field->name, LIT("DKIM-Signature"));
}

/* Tags are cut where no other signature's has the same octets. RFC 6008 4. */
static void cut_tags(struct dkim_check *check)
{
    size_t lens[DKIM_SIGNATURES_MAX];
    for (size_t i = 0; i < check->count; i++) {
        struct mw_slice tag = check->entries[i].verdict.tag;
        lens[i] = tag.len < 8 ? tag.len : 8;
        for (size_t j = 0; j < check->count; j++) {
            struct mw_slice other = check->entries[j].verdict.tag;
            while (j != i && lens[i] < tag.len && other.len >= lens[i] &&
                   memcmp(tag.ptr, other.ptr, lens[i]) == 0)
                lens[i]++;
        }
    }
    for (size_t i = 0; i < check->count; i++)
        check->entries[i].verdict.tag.len = lens[i];
}

struct dkim_check *dkim_check_new(const struct dkim_setup *setup, const struct field *fields,
                                  size_t count, struct mw_slice author)
{
    size_t found = 0, counts[SINGLES] = {0};
    for (size_t i = 0; i < count; i++)
        found += is_signature(&fields[i]);
    if (found == 0)
        return NULL;
    size_t max = setup->signatures_max < DKIM_SIGNATURES_MAX ? setup->signatures_max
                                                             : DKIM_SIGNATURES_MAX;
    size_t room = found < max ? found : max;
    struct dkim_check *check = memory_new(1, sizeof *check + room * sizeof *check->entries);
    check->setup = *setup;
    check->body = body_new(room);
    check->ignored = found - room;
    for (size_t i = 0; i < count; i++) {
        count_single(fields[i].name, counts);
        if (is_signature(&fields[i]) && check->count < room)
            begin_entry(check, &check->entries[check->count++], fields, count, i, author);
    }
    for (size_t i = 0; i < check->count; i++)
        begin_policy(setup, &check->entries[i], counts);
    cut_tags(check);
    return check;
}

void dkim_check_free(struct dkim_check **at)
{
    struct dkim_check *check = *at;
    *at = NULL;
    if (check == NULL)
        return;
    for (size_t i = 0; i < check->count; i++) {
        free(check->entries[i].octets);
        free(check->entries[i].marks);
    }
    body_free(&check->body);
    free(check);
}

size_t dkim_check_count(const struct dkim_check *check)
{
    return check->count;
}

size_t dkim_check_ignored(const struct dkim_check *check)
{
    return check->ignored;
}

/* ---- keys ---- */

struct mw_slice dkim_check_question(const struct dkim_check *check, size_t index)
{
    const struct entry *entry = &check->entries[index];
    return entry->is_decided || entry->is_answered ? EMPTY : slice_of(entry->question);
}

/* Returns why this record is of no use, or NULL: it was tried. */
static const char *try_record(struct entry *entry, struct mw_slice record, struct key_cache *keys)
{
    struct key key;
    const struct signature *signature = &entry->signature;
    const char *problem = key_parse(record, signature->algorithm, &key);
    if (problem == NULL && key.is_strict && !signature->is_own_domain)
        problem = "the key is not for the domain of i=";
    if (problem != NULL)
        return problem;
    entry->verdict.key_bits = key.bits;
    entry->verdict.is_testing = key.is_testing;
    entry->is_good = key_cache_verify(keys, &key, entry->header_hash, signature->data,
                                      signature->data_len);
    return NULL;
}

/* Several records at a selector have no order (RFC 6376 3.6.2.2): one that fits is enough. */
static void try_records(struct entry *entry, const struct mw_dns_answer *answer,
                        struct key_cache *keys)
{
    const char *problem = NULL;
    bool was_tried = false;
    for (size_t i = 0; i < answer->count && i < DKIM_KEYS_MAX && !entry->is_good; i++) {
        const char *useless = try_record(entry, answer->values[i], keys);
        was_tried |= useless == NULL;
        problem = problem == NULL ? useless : problem;
    }
    if (!was_tried)
        decide(entry, DKIM_PERMERROR, problem == NULL ? "no key" : problem);
    else if (!entry->is_good &&
             entry->verdict.is_testing) /* RFC 6376 3.6.1: no worse than unsigned */
        decide(entry, DKIM_NEUTRAL, "the signature is bad; its key is in testing mode");
    else if (!entry->is_good)
        decide(entry, DKIM_FAIL, "the signature is bad");
}

void dkim_check_answer(struct dkim_check *check, size_t index, const struct mw_dns_answer *answer)
{
    struct entry *entry = &check->entries[index];
    if (entry->is_decided || entry->is_answered)
        return;
    entry->is_answered = true;
    if (answer == NULL || answer->outcome == MW_DNS_FAILURE)
        decide(entry, DKIM_TEMPERROR, "the key could not be looked up");
    else if (answer->outcome == MW_DNS_NOTHING)
        decide(entry, DKIM_PERMERROR, "no key");
    else
        try_records(entry, answer, check->setup.keys);
}

/* ---- body and end ---- */

bool dkim_check_wants_body(const struct dkim_check *check)
{
    return check->wants_body;
}

void dkim_check_feed(struct dkim_check *check, struct mw_slice piece)
{
    if (check->wants_body)
        body_feed(check->body, piece);
}

static void end_entry(const struct dkim_check *check, struct entry *entry)
{
    const struct signature *signature = &entry->signature;
    if (!entry->is_answered)
        decide(entry, DKIM_TEMPERROR, "the key was not there in time");
    if (entry->is_decided)
        return;
    uint64_t len = body_len(check->body, signature->body);
    if (signature->has_length && signature->length > len)
        decide(entry, DKIM_PERMERROR, "l= is beyond the end of the body");
    else if (memcmp(body_hash(check->body, entry->body), signature->body_hash, 32) != 0)
        decide(entry, entry->verdict.is_testing ? DKIM_NEUTRAL : DKIM_FAIL,
               entry->verdict.is_testing ? "the body was changed; the key is in testing mode"
                                         : "the body was changed");
    else if (entry->verdict.problem != NULL)
        decide(entry, DKIM_POLICY, entry->verdict.problem);
    else if (signature->algorithm == ALGORITHM_RSA_SHA256 &&
             entry->verdict.key_bits < check->setup.key_bits_min)
        decide(entry, DKIM_POLICY, "the key is too small");
    else if (signature->has_length && signature->length < len)
        decide(entry, check->setup.allows_length ? DKIM_PASS : DKIM_POLICY,
               "a part of the body is not signed (l=)");
    else
        decide(entry, DKIM_PASS, NULL);
}

void dkim_check_end(struct dkim_check *check)
{
    body_end(check->body);
    check->wants_body = false;
    for (size_t i = 0; i < check->count; i++)
        end_entry(check, &check->entries[i]);
}

/* ---- verdicts ---- */

const struct dkim_verdict *dkim_check_verdict(const struct dkim_check *check, size_t index)
{
    return &check->entries[index].verdict;
}

static bool is_better(const struct entry *a, const struct entry *b)
{
    return a->verdict.result != b->verdict.result ? a->verdict.result < b->verdict.result
                                                  : a->distance < b->distance;
}

size_t dkim_check_best(const struct dkim_check *check)
{
    size_t best = 0;
    for (size_t i = 1; i < check->count; i++)
        if (is_better(&check->entries[i], &check->entries[best]))
            best = i;
    return best;
}

size_t dkim_check_having(const struct dkim_check *check, enum dkim_result result,
                         size_t out_indexes[DKIM_SIGNATURES_MAX])
{
    size_t count = 0;
    for (unsigned near = 0; near <= DISTANT; near++)
        for (size_t i = 0; i < check->count; i++)
            if (check->entries[i].verdict.result == result && check->entries[i].distance == near)
                out_indexes[count++] = i;
    return count;
}

/* ---- again ---- */

const char *dkim_part_name(enum dkim_part part)
{
    static const char *const names[] = {"none", "header", "body", "signature"};
    return names[part];
}

static bool is_same(const struct field *a, const struct field *b)
{
    return text_eq(a->value, b->value) && text_eq(a->name, b->name) && text_eq(a->gap, b->gap);
}

static bool body_differs(const struct signature *signature, struct mw_slice octets)
{
    struct body *body = body_new(1);
    size_t number = body_want(body, signature->body, signature->has_length, signature->length);
    body_feed(body, octets);
    body_end(body);
    bool differs = memcmp(body_hash(body, number), signature->body_hash, 32) != 0 ||
                   (signature->has_length && signature->length > body_len(body, signature->body));
    body_free(&body);
    return differs;
}

/* The first name of h= that does not stand for what it stood for. */
static struct mw_slice first_change(const struct entry *entry, const uint64_t *marks)
{
    struct mw_slice rest = entry->signature.names, name = EMPTY;
    for (size_t i = 0; entry->marks != NULL && signature_next_name(&rest, &name); i++)
        if (marks[i] != entry->marks[i])
            return name;
    return EMPTY;
}

enum dkim_part dkim_check_again(const struct dkim_check *check, size_t index,
                                const struct field *fields, size_t count,
                                const struct mw_slice *body, struct mw_slice *out_name)
{
    const struct entry *entry = &check->entries[index];
    unsigned char hash[32];
    uint64_t marks[SIGNATURE_NAMES_MAX];
    size_t own = 0;
    *out_name = EMPTY;
    while (own < count && !is_same(&fields[own], &entry->field))
        own++;
    if (own == count)
        return DKIM_PART_SIGNATURE;
    hash_header(entry, fields, count, own, hash, marks);
    if (memcmp(hash, entry->header_hash, sizeof hash) != 0) {
        *out_name = first_change(entry, marks);
        return DKIM_PART_HEADER;
    }
    return body != NULL && body_differs(&entry->signature, *body) ? DKIM_PART_BODY : DKIM_PART_NONE;
}
