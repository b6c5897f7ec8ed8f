/* answers.c - the table of questions of a check. What an answer holds is cut to what SPF can use when it comes in: of TXT strings the records,
 * of hosts' names those that may be looked at. */
#include "check_priv.h"

/* ---- questions ---- */

bool answers_can_ask(struct mw_slice name)
{
    if (name.len == 0 || name.len > DOMAIN_MAX)
        return false;
    for (size_t i = 0, from = 0; i <= name.len; i++) {
        if (i < name.len && name.ptr[i] == '\0')
            return false;
        if (i < name.len && name.ptr[i] != '.')
            continue;
        if (i == from || i - from > DOMAIN_LABEL_MAX)
            return false;
        from = i + 1;
    }
    return true;
}

static struct question *find(const struct spf_check *check, struct mw_slice name,
                             enum mw_dns_kind kind, uint64_t hash)
{
    struct question *question = check->questions;
    while (question != NULL &&
           !(question->hash == hash && question->kind == kind && text_ieq(question->name, name)))
        question = question->next;
    return question;
}

static struct question *add(struct spf_check *check, struct mw_slice name, enum mw_dns_kind kind,
                            uint64_t hash)
{
    struct question *question = pool_alloc(&check->pool, sizeof *question);
    *question = (struct question){.next = check->questions,
                                  .name = pool_copy(&check->pool, name),
                                  .hash = hash,
                                  .kind = kind};
    check->questions = question;
    check->question_count++;
    return question;
}

const struct question *answers_ask(struct spf_check *check, struct mw_slice name,
                                   enum mw_dns_kind kind)
{
    static const struct question nothing = {.is_answered = true, .outcome = MW_DNS_NOTHING};
    static const struct question failure = {.is_answered = true, .outcome = MW_DNS_FAILURE};
    uint64_t hash = text_hash(name, true);
    struct question *question = find(check, name, kind, hash);
    if (question != NULL && question->is_answered)
        return question;
    if (question == NULL && !answers_can_ask(name))
        return &nothing;
    if (question == NULL && check->question_count >= CHECK_QUESTIONS_MAX) {
        check->is_over_questions = true;
        return &failure;
    }
    check->halt = HALT_MISS;
    if (question == NULL && check->need_count < NEEDS_MAX) {
        question = add(check, name, kind, hash);
        check->needed[check->need_count] = question;
        check->needs[check->need_count++] = (struct spf_need){.name = question->name, .kind = kind};
    }
    return NULL;
}

enum mw_dns_kind answers_address_kind(const struct spf_check *check)
{
    return check->address_len == 4 ? MW_DNS_ADDRESS4 : MW_DNS_ADDRESS6;
}

/* ---- answers ---- */

/* Room for what an answer holds, within the check's bound; NULL: there is none, and the answer counts as a failure. */
static void *answer_alloc(struct spf_check *check, struct question *question, size_t size)
{
    if (size > ANSWERS_MAX - check->answer_octets) {
        check->is_over_memory = true;
        question->outcome = MW_DNS_FAILURE;
        return NULL;
    }
    check->answer_octets += size;
    return pool_alloc(&check->pool, size > 0 ? size : 1);
}

static struct mw_slice answer_copy(struct spf_check *check, struct question *question,
                                   struct mw_slice text)
{
    char *copy = answer_alloc(check, question, text.len);
    if (copy != NULL && text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return SLICE(copy, copy != NULL ? text.len : 0);
}

static void take_addresses(struct spf_check *check, struct question *question,
                           const struct mw_dns_answer *answer)
{
    size_t len = question->kind == MW_DNS_ADDRESS4 ? 4 : 16;
    unsigned char *addresses = answer_alloc(check, question, answer->count * len);
    if (addresses == NULL)
        return;
    for (size_t i = 0; i < answer->count; i++)
        if (answer->values[i].len == 16)
            memcpy(addresses + len * question->count++, answer->values[i].ptr + 16 - len, len);
    question->addresses = addresses;
}

static void take_names(struct spf_check *check, struct question *question,
                       const struct mw_dns_answer *answer)
{
    size_t kept = answer->count < NAMES_KEPT ? answer->count : NAMES_KEPT;
    question->names = answer_alloc(check, question, kept * sizeof *question->names);
    for (size_t i = 0; question->names != NULL && i < kept; i++) {
        struct mw_slice name = answer->values[i];
        if (name.len > 0 && name.ptr[name.len - 1] == '.')
            name.len--;
        question->names[i] = answer_copy(check, question, name.len <= DOMAIN_MAX ? name : EMPTY);
    }
    question->count = answer->count;
}

static void take_strings(struct spf_check *check, struct question *question,
                         const struct mw_dns_answer *answer)
{
    struct mw_slice record;
    question->count = answer->count;
    question->records = record_select(answer->values, answer->count, &record);
    if (question->records > 0 && record.len <= CHECK_RECORD_MAX)
        question->record = answer_copy(check, question, record);
    if (answer->count == 1 && answer->values[0].len <= CHECK_RECORD_MAX)
        question->single = answer_copy(check, question, answer->values[0]);
}

void answers_take(struct spf_check *check, struct question *question,
                  const struct mw_dns_answer *answer)
{
    question->is_answered = true;
    question->outcome = answer != NULL ? answer->outcome : MW_DNS_FAILURE;
    if (question->outcome != MW_DNS_FOUND)
        return;
    if (question->kind == MW_DNS_ADDRESS4 || question->kind == MW_DNS_ADDRESS6)
        take_addresses(check, question, answer);
    else if (question->kind == MW_DNS_STRINGS)
        take_strings(check, question, answer);
    else
        take_names(check, question, answer);
    if (question->outcome == MW_DNS_FOUND && question->count == 0)
        question->outcome = MW_DNS_NOTHING;
}

/* ---- addresses ---- */

static bool bits_eq(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    if (bits >= 8 && memcmp(a, b, bits / 8) != 0)
        return false;
    unsigned rest = bits % 8;
    return rest == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0;
}

bool check_matches(const struct spf_check *check, const unsigned char *address, unsigned bits4,
                   unsigned bits6)
{
    return bits_eq(check->address, address, check->address_len == 4 ? bits4 : bits6);
}

bool answers_match(const struct spf_check *check, const struct question *question, unsigned bits4,
                   unsigned bits6)
{
    for (size_t i = 0; i < question->count; i++)
        if (check_matches(check, question->addresses + i * check->address_len, bits4, bits6))
            return true;
    return false;
}
