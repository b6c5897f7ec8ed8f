/* fuzz_spf_record.c - any octets as the TXT strings of a name (one a line) and as one record: what is taken is printable, lies in order
 * within the record, and reads the same again by itself; what is not taken is said. */
#include <stdint.h>
#include <stdlib.h>

#include "macro.h"
#include "record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static void expect_domain(const struct record_term *term)
{
    struct mw_slice domain = term->domain;
    bool is_needed = term->kind == RECORD_INCLUDE || term->kind == RECORD_EXISTS ||
                     term->kind == RECORD_REDIRECT || term->kind == RECORD_EXP;
    expect(domain.len > 0 || !is_needed);
    if (domain.len > 0) {
        expect(domain.ptr > term->text.ptr &&
               domain.ptr + domain.len <= term->text.ptr + term->text.len);
        expect(macro_is_domain_spec(domain) && macro_is_valid(domain, MACRO_IN_DOMAIN));
    }
}

static void expect_term(const struct record_term *term)
{
    expect(term->text.len > 0 && term->bits4 <= 32 && term->bits6 <= 128);
    expect((term->qualifier == 0) == (term->kind >= RECORD_REDIRECT));
    for (size_t i = 0; i < term->text.len; i++)
        expect(term->text.ptr[i] > ' ' && term->text.ptr[i] <= '~');
    expect_domain(term);
}

/* A record of this term alone. */
static void expect_same_again(const struct record_term *term)
{
    static const struct mw_slice version = LIT("v=spf1 ");
    char *record = malloc(version.len + term->text.len);
    struct record_reader reader;
    struct record_term again;
    expect(record != NULL);
    memcpy(record, version.ptr, version.len);
    memcpy(record + version.len, term->text.ptr, term->text.len);
    record_begin(&reader, SLICE(record, version.len + term->text.len));
    expect(record_next(&reader, &again) == RECORD_TERM);
    expect(again.kind == term->kind && again.qualifier == term->qualifier &&
           text_eq(again.domain, term->domain));
    expect(again.bits4 == term->bits4 && again.bits6 == term->bits6);
    expect(memcmp(again.address, term->address, sizeof again.address) == 0);
    expect(record_next(&reader, &again) == RECORD_END);
    free(record);
}

static void read_record(struct mw_slice record)
{
    struct record_reader reader;
    struct record_term term;
    enum record_step step;
    const char *last = record.ptr;
    size_t singles = 0;
    record_begin(&reader, record);
    while ((step = record_next(&reader, &term)) == RECORD_TERM) {
        expect(term.text.ptr > last && term.text.ptr + term.text.len <= record.ptr + record.len);
        last = term.text.ptr;
        singles += term.kind == RECORD_REDIRECT || term.kind == RECORD_EXP;
        expect_term(&term);
        expect_same_again(&term);
    }
    expect(singles <= 2);
    if (step == RECORD_BAD)
        expect(reader.problem != NULL && reader.where.len > 0);
    expect(record_next(&reader, &term) == RECORD_END);
}

static void read_strings(struct mw_slice text)
{
    enum { STRINGS_MAX = 64 };
    struct mw_slice strings[STRINGS_MAX], record = SLICE(NULL, 0);
    size_t count = 0;
    while (text.len > 0 && count < STRINGS_MAX) {
        ptrdiff_t end = text_find(text, '\n');
        strings[count++] = end < 0 ? text : SLICE(text.ptr, (size_t)end);
        text = end < 0 ? EMPTY : text_skip(text, (size_t)end + 1);
    }
    size_t found = record_select(strings, count, &record);
    expect(found <= count && (found > 0) == (record.ptr != NULL));
    if (found > 0)
        read_record(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_slice text = SLICE((const char *)data, size), record;
    read_strings(text);
    if (record_select(&text, 1, &record) == 1)
        read_record(record);
    return 0;
}
