/* fuzz_dkim_signature.c - a DKIM-Signature field's value: what is read of it lies in it, b= is where it says, and a valid one
 * selects fields without harm. */
#include "signature.h"

#include <stdlib.h>

#include "select.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_true)
{
    if (!is_true)
        abort();
}

static void check_domain(struct mw_slice domain)
{
    char room[DOMAIN_MAX + 1];
    size_t len = domain_normalize(domain, room);
    check(text_eq(SLICE(room, len), domain)); /* a normal form, or empty */
}

/* Fields of the names themselves, twice each, in turn. */
static void check_selection(const struct signature *signature)
{
    static struct field fields[2 * SIGNATURE_NAMES_MAX];
    uint32_t picks[SIGNATURE_NAMES_MAX];
    struct mw_slice rest = signature->names, name;
    size_t count = 0;
    while (signature_next_name(&rest, &name)) {
        fields[count] = fields[count + 1] = (struct field){name, LIT(":"), EMPTY};
        count += 2;
    }
    check(count == 2 * signature->name_count);
    select_fields(signature, fields, count, 0, picks);
    rest = signature->names;
    for (size_t i = 0; signature_next_name(&rest, &name); i++) {
        if (picks[i] == SELECT_NONE)
            continue; /* one was left out */
        check(picks[i] != 0 && picks[i] < count && text_ieq(fields[picks[i]].name, name));
        for (size_t j = 0; j < i; j++)
            check(picks[j] != picks[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct signature signature;
    enum dkim_result result;
    struct mw_slice value = SLICE((const char *)data, size);
    const char *problem = signature_parse(value, &signature, &result);
    check_domain(signature.domain);
    check_domain(signature.selector);
    check(signature.data_at <= signature.data_end && signature.data_end <= size);
    if (problem != NULL) {
        check(result == DKIM_NEUTRAL || result == DKIM_PERMERROR);
        return 0;
    }
    check(signature.domain.len > 0 && signature.selector.len > 0 && signature.name_count > 0);
    check(signature.data_len > 0 && signature.algorithm != ALGORITHM_OTHER);
    check(value.ptr[signature.data_at - 1] == '=');
    check(signature.data_end == size || value.ptr[signature.data_end] == ';');
    check_selection(&signature);
    return 0;
}
