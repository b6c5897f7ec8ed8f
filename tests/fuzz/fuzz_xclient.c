/* fuzz_xclient.c - any octets as a command's argument and as the values of one that we write.
 *
 * What is read prints to one line of at most 512 octets that reads back to the same; what is
 * written from hostile values is one line, too, with no attribute that was not asked for. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "smtp/xclient.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_same_text(const struct mw_xtext_value *a, const struct mw_xtext_value *b)
{
    return a->state == b->state && mw_slice_eq(a->text, b->text);
}

static bool is_plain(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return false;
    return true;
}

static void check_text(const struct mw_xtext_value *value, const struct mw_buf *storage)
{
    mw_assert(value->state <= MW_X_TEMPUNAVAIL);
    mw_assert(value->state == MW_X_GIVEN ? value->text.len > 0 : value->text.len == 0);
    mw_assert(value->text.len <= MW_XCLIENT_VALUE_MAX && is_plain(value->text));
    bool is_stored = value->text.ptr >= storage->ptr &&
                     value->text.ptr + value->text.len <= storage->ptr + storage->len;
    mw_assert(value->text.len == 0 || is_stored || mw_slice_ieq(value->text, MW_LIT("SMTP")) ||
              mw_slice_ieq(value->text, MW_LIT("ESMTP")));
}

static void check_values(const struct mw_xclient *values, bool is_forward,
                         const struct mw_buf *storage)
{
    const struct mw_xtext_value *const texts[] = {&values->name,  &values->reverse_name,
                                                  &values->helo,  &values->proto,
                                                  &values->login, &values->ident};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_text(texts[i], storage);
    if (is_forward)
        mw_assert(values->login.state == MW_X_ABSENT && values->reverse_name.state == MW_X_ABSENT &&
                  values->destination_state == MW_X_ABSENT &&
                  values->destination_port_state == MW_X_ABSENT);
    else
        mw_assert(values->ident.state == MW_X_ABSENT && !values->has_source);
}

/* "VERB name=value ...CRLF": printable, one blank and one "=" an attribute. */
static void check_line(struct mw_slice line, bool is_forward)
{
    struct mw_slice verb = is_forward ? MW_LIT("XFORWARD ") : MW_LIT("XCLIENT ");
    size_t blanks = 0, equals = 0;
    mw_assert(line.len <= MW_XCLIENT_LINE_MAX && mw_slice_starts(line, verb));
    mw_assert(mw_slice_iends(line, MW_LIT("\r\n")));
    for (size_t i = 0; i + 2 < line.len; i++) {
        mw_assert(line.ptr[i] >= 0x20 && line.ptr[i] < 0x7f);
        blanks += line.ptr[i] == ' ';
        equals += line.ptr[i] == '=';
    }
    mw_assert(blanks == equals);
}

static void read_back(struct mw_slice line, bool is_forward, struct mw_buf *storage,
                      struct mw_xclient *out_values)
{
    struct mw_slice problem;
    check_line(line, is_forward);
    struct mw_slice arg = MW_SLICE(line.ptr, line.len - 2);
    arg = mw_slice_skip(arg, is_forward ? 9 : 8);
    enum mw_err err = mw_xclient_parse(arg, is_forward, storage, out_values, &problem);
    mw_assert(err == MW_OK);
    check_values(out_values, is_forward, storage);
}

/* As Postfix knows them: the second word for XCLIENT's names only. */
static void settle(struct mw_xtext_value *value, bool is_kept)
{
    if (value->state == MW_X_TEMPUNAVAIL && !is_kept)
        value->state = MW_X_UNAVAILABLE;
}

static void settle_state(enum mw_xvalue *state)
{
    if (*state == MW_X_TEMPUNAVAIL)
        *state = MW_X_UNAVAILABLE;
}

static void check_same(struct mw_xclient want, const struct mw_xclient *got, bool is_forward)
{
    settle(&want.name, !is_forward);
    settle(&want.reverse_name, !is_forward);
    settle(&want.helo, false);
    settle(&want.login, false);
    settle(&want.ident, false);
    settle(&want.proto, false);
    settle_state(&want.address_state);
    settle_state(&want.port_state);
    settle_state(&want.destination_state);
    settle_state(&want.destination_port_state);
    mw_assert(is_same_text(&want.name, &got->name) && is_same_text(&want.login, &got->login) &&
              is_same_text(&want.proto, &got->proto) && is_same_text(&want.ident, &got->ident));
    mw_assert(got->helo.state == MW_X_ABSENT || is_same_text(&want.helo, &got->helo));
    mw_assert(got->reverse_name.state == MW_X_ABSENT ||
              is_same_text(&want.reverse_name, &got->reverse_name));
    mw_assert(want.address_state == got->address_state && want.port_state == got->port_state &&
              want.destination_state == got->destination_state &&
              want.destination_port_state == got->destination_port_state);
    mw_assert(memcmp(&want.address, &got->address, sizeof want.address) == 0 &&
              memcmp(&want.destination, &got->destination, sizeof want.destination) == 0);
    mw_assert(want.port == got->port && want.destination_port == got->destination_port);
    bool is_known = want.has_source && want.source != MW_X_SOURCE_UNKNOWN;
    mw_assert(got->has_source == is_known && (!is_known || want.source == got->source));
}

static void check_parse(struct mw_slice arg, bool is_forward)
{
    struct mw_buf storage = {0}, line = {0}, again = {0};
    struct mw_xclient values, read;
    struct mw_slice problem = MW_EMPTY;
    enum mw_err err = mw_xclient_parse(arg, is_forward, &storage, &values, &problem);
    if (err == MW_OK) {
        check_values(&values, is_forward, &storage);
        err = mw_xclient_print(&values, is_forward, UINT32_MAX, &line);
        if (err == MW_OK) {
            read_back(mw_buf_view(&line), is_forward, &again, &read);
            check_same(values, &read, is_forward);
        }
        mw_assert(err == MW_OK || line.len == 0);
    } else {
        mw_assert(err == MW_ERR_SYNTAX && problem.len > 0 && problem.len <= 100);
        for (size_t i = 0; i < problem.len; i++)
            mw_assert(problem.ptr[i] >= 0x20 && problem.ptr[i] < 0x7f);
    }
    mw_buf_fini(&storage);
    mw_buf_fini(&line);
    mw_buf_fini(&again);
}

/* The input cut into six, one for each text, and its octets for everything else. */
static void check_print(struct mw_slice octets, bool is_forward)
{
    struct mw_xclient values = {.address_state = MW_X_GIVEN, .port_state = MW_X_GIVEN};
    struct mw_xtext_value *const texts[] = {&values.name,  &values.reverse_name, &values.helo,
                                            &values.proto, &values.login,        &values.ident};
    size_t piece = octets.len / 6 + 1;
    uint32_t attrs = MW_XCLIENT_PORT;
    for (size_t i = 0; i < 6; i++) {
        struct mw_slice text = mw_slice_take(mw_slice_skip(octets, i * piece), piece);
        unsigned last = text.len > 0 ? (unsigned char)text.ptr[text.len - 1] : 0;
        *texts[i] = (struct mw_xtext_value){.state = last % 8 == 7 ? MW_X_TEMPUNAVAIL : MW_X_GIVEN,
                                            .text = text};
        attrs = attrs * 31 + last;
    }
    memcpy(values.address.octets, octets.ptr, octets.len < 16 ? octets.len : 16);
    values.port = (uint16_t)attrs;
    for (int all = 0; all < 2; all++) {
        struct mw_buf line = {0}, storage = {0};
        struct mw_xclient read;
        uint32_t wanted = all ? UINT32_MAX : attrs | MW_XCLIENT_PORT;
        enum mw_err err = mw_xclient_print(&values, is_forward, wanted, &line);
        mw_assert(err == MW_OK || (err == MW_ERR_LIMIT && line.len == 0));
        if (err == MW_OK) {
            read_back(mw_buf_view(&line), is_forward, &storage, &read);
            mw_assert(read.port_state == MW_X_GIVEN && read.port == values.port);
            mw_assert((wanted & MW_XCLIENT_LOGIN) != 0 || read.login.state == MW_X_ABSENT);
            mw_assert((wanted & MW_XCLIENT_ADDR) != 0 || read.address_state == MW_X_ABSENT);
            mw_assert(read.destination_state == MW_X_ABSENT);
        }
        mw_buf_fini(&line);
        mw_buf_fini(&storage);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_slice octets = size > 0 ? MW_SLICE((const char *)data, size) : MW_EMPTY;
    for (int is_forward = 0; is_forward < 2; is_forward++) {
        check_parse(octets, is_forward);
        check_print(octets, is_forward);
    }
    return 0;
}
