/* fuzz_command.c - lines and commands: the input is read as one command, and as lines with a
 * command each. A MAIL or RCPT that parses is printed anew with a safe path, and must read back as
 * the same envelope. */
#include "base/err.h"
#include "smtp/command.h"
#include "smtp/line.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_inside(struct mw_slice part, struct mw_slice whole)
{
    return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void check_params(const struct mw_envelope_arg *arg)
{
    mw_assert(arg->param_count <= MW_PARAM_MAX);
    for (size_t i = 0; i < arg->param_count; i++) {
        const struct mw_param *param = &arg->params[i];
        mw_assert(param->key.len > 0 && mw_slice_find(param->key, '=') < 0);
        mw_assert(param->has_value == (param->value.len > 0));
        mw_assert(is_inside(param->key, arg->param_text) &&
                  is_inside(param->value, arg->param_text));
        mw_assert(mw_envelope_arg_param(arg, param->key) != NULL);
    }
}

/* Print, cut at the line end that must be the only one, parse again. */
static void check_reprinted(const struct mw_envelope_arg *arg, struct mw_slice verb,
                            struct mw_slice keyword)
{
    struct mw_buf out = {0};
    struct mw_buf front = {0};
    struct mw_command command;
    struct mw_envelope_arg again;
    mw_buf_put(&front, verb);
    mw_buf_putc(&front, ' ');
    mw_buf_put(&front, keyword);
    mw_buf_putc(&front, ':');
    mw_envelope_print(&out, mw_buf_view(&front), arg->path.address, arg->param_text);
    struct mw_line line = mw_line_next(mw_buf_view(&out), SIZE_MAX);
    mw_assert(line.kind == MW_LINE_OK && line.used == out.len);
    mw_command_parse(line.text, &command);
    mw_assert(mw_slice_eq(command.word, verb));
    if (mw_path_is_safe(arg->path.address, true)) {
        mw_assert(mw_envelope_arg_parse(command.arg, keyword, &again) == MW_OK);
        mw_assert(mw_slice_eq(again.path.address, arg->path.address));
        mw_assert(again.param_count == arg->param_count);
        mw_assert(mw_slice_eq(again.param_text, arg->param_text));
    }
    mw_buf_fini(&front);
    mw_buf_fini(&out);
}

static void check_envelope(struct mw_slice text, struct mw_slice verb, struct mw_slice keyword)
{
    struct mw_envelope_arg arg;
    if (mw_envelope_arg_parse(text, keyword, &arg) != MW_OK)
        return;
    mw_assert(is_inside(arg.path_text, text) && is_inside(arg.param_text, text));
    mw_assert(mw_slice_find(text, '\r') < 0 && mw_slice_find(text, '\n') < 0 &&
              mw_slice_find(text, '\0') < 0);
    check_params(&arg);
    check_reprinted(&arg, verb, keyword);
}

static void check_auth(struct mw_slice text)
{
    struct mw_slice mechanism, initial;
    bool has_initial;
    if (mw_auth_parse(text, &mechanism, &initial, &has_initial) != MW_OK)
        return;
    mw_assert(mechanism.len >= 1 && mechanism.len <= 20);
    mw_assert(has_initial == (initial.len > 0) && mw_slice_find(initial, ' ') < 0);
}

static void check_xtext(struct mw_slice text)
{
    struct mw_buf coded = {0}, plain = {0};
    mw_xtext_encode(text, &coded);
    mw_assert(mw_xtext_decode(mw_buf_view(&coded), &plain) == MW_OK);
    mw_assert(mw_slice_eq(mw_buf_view(&plain), text));
    plain.len = 0;
    if (mw_xtext_decode(text, &plain) == MW_OK)
        mw_assert(plain.len <= text.len);
    else
        mw_assert(plain.len == 0);
    mw_buf_fini(&coded);
    mw_buf_fini(&plain);
}

static void check_command(struct mw_slice line)
{
    struct mw_command command;
    mw_command_parse(line, &command);
    mw_assert(command.verb >= MW_VERB_UNKNOWN && command.verb < MW_VERB_COUNT);
    mw_assert(is_inside(command.word, line) && is_inside(command.arg, line));
    if (command.verb != MW_VERB_UNKNOWN)
        mw_assert(mw_slice_ieq(command.word, mw_slice_cstr(mw_verb_name(command.verb))));
    check_envelope(command.arg, MW_LIT("MAIL"), MW_LIT("FROM"));
    check_envelope(command.arg, MW_LIT("RCPT"), MW_LIT("TO"));
    check_auth(command.arg);
    check_xtext(command.arg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_slice in = MW_SLICE((const char *)data, size);
    check_command(in); /* whatever octets, as one line */
    while (in.len > 0) {
        struct mw_line line = mw_line_next(in, MW_LINE_MAX);
        if (line.kind == MW_LINE_NONE)
            break;
        mw_assert(line.used > 0 && line.used <= in.len);
        mw_assert(line.skip_rest || in.ptr[line.used - 1] == '\n');
        if (line.kind == MW_LINE_OK) {
            mw_assert(mw_slice_find(line.text, '\r') < 0 && mw_slice_find(line.text, '\0') < 0);
            mw_assert(mw_slice_find(line.text, '\n') < 0 && line.used <= MW_LINE_MAX);
            check_command(line.text);
        }
        in = mw_slice_skip(in, line.used);
    }
    return 0;
}
