/* check.c - see check.h. Here: what a check begins with (RFC 7208 4.1, 4.3), its rounds, and its verdict. */
#include "check_priv.h"

#include <stdlib.h>

#include <arpa/inet.h>

#include "memory.h"

const char *spf_result_name(enum spf_result result)
{
    static const char *const names[SPF_RESULTS] = {"none",     "neutral",   "pass",     "fail",
                                                   "softfail", "temperror", "permerror"};
    return result < SPF_RESULTS ? names[result] : "none";
}

/* ---- texts of a verdict ---- */

static struct mw_slice shown(struct spf_check *check, struct mw_slice text, size_t max)
{
    size_t len = text.len < max ? text.len : max;
    char *copy = pool_alloc(&check->pool, len + 1);
    for (size_t i = 0; i < len; i++)
        copy[i] = text.ptr[i] >= ' ' && text.ptr[i] <= '~' ? text.ptr[i] : '?';
    return SLICE(copy, len);
}

struct mw_slice check_shown(struct spf_check *check, struct mw_slice text)
{
    return shown(check, text, TEXT_SHOWN_MAX);
}

struct mw_slice check_shown_domain(struct spf_check *check, const struct plan *plan)
{
    struct mw_slice text = check_shown(check, plan != NULL ? plan->domain : EMPTY);
    char *lower = pool_alloc(&check->pool, text.len + 1);
    for (size_t i = 0; i < text.len; i++)
        lower[i] = text_lower(text.ptr[i]);
    return SLICE(lower, text.len);
}

void check_error(struct spf_check *check, enum spf_result result, const struct plan *plan,
                 struct mw_slice term, const struct mw_slice *parts, size_t count)
{
    enum { PROBLEM_MAX = 600, PART_MAX = 100 };
    char text[PROBLEM_MAX];
    struct builder problem = {.ptr = text, .cap = sizeof text};
    if (check->halt == HALT_ERROR)
        return;
    check->halt = HALT_ERROR;
    for (size_t i = 0; i < count; i++) {
        bool is_long = parts[i].len > PART_MAX;
        builder_put(&problem, is_long ? SLICE(parts[i].ptr, PART_MAX) : parts[i]);
        if (is_long)
            builder_put(&problem, LIT("..."));
    }
    check->verdict.result = result;
    check->verdict.problem = shown(check, SLICE(problem.ptr, problem.len), PROBLEM_MAX);
    check->verdict.mechanism = check_shown(check, term);
    check->verdict.record_domain = check_shown_domain(check, plan);
}

/* ---- who is asked about ---- */

static bool is_mapped(const char address[16])
{
    static const char prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '\xff', '\xff'};
    return memcmp(address, prefix, sizeof prefix) == 0;
}

/* RFC 7208 5: an IPv4 address that comes mapped is an IPv4 address. */
static void set_address(struct spf_check *check, const char address[16])
{
    bool is_ip4 = is_mapped(address);
    check->address_len = is_ip4 ? 4 : 16;
    memcpy(check->address, address + (is_ip4 ? 12 : 0), check->address_len);
}

/* RFC 7208 7.3: "1.2.3.4", or the nibbles with dots between them (large ones, as the suite for it has them). */
static struct mw_slice dotted(struct spf_check *check)
{
    enum { DOTTED_MAX = 64 };
    char *text = pool_alloc(&check->pool, DOTTED_MAX);
    struct builder out = {.ptr = text, .cap = DOTTED_MAX};
    const unsigned char *a = check->address;
    if (check->address_len == 4)
        builder_putf(&out, "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
    else
        for (size_t i = 0; i < 16; i++)
            builder_putf(&out, "%s%X.%X", i > 0 ? "." : "", a[i] >> 4, a[i] & 15u);
    return SLICE(text, out.len);
}

static struct mw_slice readable(struct spf_check *check)
{
    char text[INET6_ADDRSTRLEN];
    if (inet_ntop(check->address_len == 4 ? AF_INET : AF_INET6, check->address, text,
                  sizeof text) == NULL)
        return EMPTY;
    return pool_copy(&check->pool, slice_of(text));
}

static struct mw_slice time_text(struct spf_check *check)
{
    char text[24];
    struct builder out = {.ptr = text, .cap = sizeof text};
    builder_putf(&out, "%llu", (unsigned long long)check->setup->time_s);
    return pool_copy(&check->pool, SLICE(text, out.len));
}

const struct macro_values *check_values(struct spf_check *check)
{
    struct mw_slice *of = check->values.of;
    if (check->has_values)
        return &check->values;
    check->has_values = true;
    of['i' - 'a'] = dotted(check);
    of['c' - 'a'] = readable(check);
    of['v' - 'a'] = check->address_len == 4 ? LIT("in-addr") : LIT("ip6");
    of['t' - 'a'] = time_text(check);
    of['r' - 'a'] = check->setup->receiver.len > 0 ? check->setup->receiver : LIT("unknown");
    return &check->values;
}

static struct mw_slice join(struct spf_check *check, struct mw_slice local, struct mw_slice domain)
{
    char *text = pool_alloc(&check->pool, local.len + 1 + domain.len);
    struct builder out = {.ptr = text, .cap = local.len + 1 + domain.len};
    builder_put(&out, local);
    builder_put(&out, LIT("@"));
    builder_put(&out, domain);
    return SLICE(text, out.len);
}

/* The domain: its normal form, and for %{d} as it was written, where that is ASCII. */
static void set_domain(struct spf_check *check, struct mw_slice written)
{
    char normal[DOMAIN_MAX + 1];
    size_t len = domain_normalize(written, normal);
    if (len < written.len && written.len > 0 && written.ptr[written.len - 1] == '.')
        written.len--;
    check->domain = pool_copy(&check->pool, SLICE(normal, len));
    bool is_ascii = len > 0 && text_ieq(written, check->domain);
    check->domain_written = is_ascii ? pool_copy(&check->pool, written) : check->domain;
}

static void set_sender(struct spf_check *check, const struct spf_sender *sender)
{
    struct mw_slice *of = check->values.of;
    bool is_null = sender->sender.len == 0;
    ptrdiff_t at = text_rfind(sender->sender, '@');
    struct mw_slice local = at > 0 ? SLICE(sender->sender.ptr, (size_t)at)
                                   : LIT("postmaster"); /* RFC 7208 4.3 */
    struct mw_slice domain = is_null ? sender->helo : text_skip(sender->sender, (size_t)(at + 1));
    set_domain(check, domain);
    of['l' - 'a'] = pool_copy(&check->pool, local);
    of['o' - 'a'] = check->domain_written;
    of['s' - 'a'] = join(check, local, check->domain_written);
    of['h' - 'a'] = pool_copy(&check->pool, sender->helo);
}

struct spf_check *spf_check_new(const struct spf_setup *setup, const struct spf_sender *sender)
{
    struct spf_check *check = memory_new(1, sizeof *check);
    check->setup = setup;
    set_address(check, sender->address);
    set_sender(check, sender);
    check->verdict = (struct spf_verdict){.domain = check->domain,
                                          .mechanism = EMPTY,
                                          .record_domain = EMPTY,
                                          .explanation = EMPTY,
                                          .problem = EMPTY};
    return check;
}

void spf_check_free(struct spf_check **check)
{
    if (*check == NULL)
        return;
    pool_fini(&(*check)->pool);
    free(*check);
    *check = NULL;
}

/* ---- rounds ---- */

/* A need that was not met does not come back: its question counts as failed. */
static void settle(struct spf_check *check)
{
    for (size_t i = 0; i < check->need_count; i++)
        if (!check->needed[i]->is_answered)
            answers_take(check, check->needed[i], NULL);
    check->need_count = 0;
}

bool spf_check_run(struct spf_check *check, const struct spf_need **out_needs, size_t *out_count)
{
    settle(check);
    if (!check->is_decided)
        check_evaluate(check);
    if (check->is_decided && !check->is_complete)
        check->is_complete = check->explained_by == NULL || !check->setup->wants_explanation ||
                             check_explain(check);
    if (check->is_complete)
        return true;
    *out_needs = check->needs;
    *out_count = check->need_count;
    return false;
}

void spf_check_answer(struct spf_check *check, size_t index, const struct mw_dns_answer *answer)
{
    if (index < check->need_count && !check->needed[index]->is_answered)
        answers_take(check, check->needed[index], answer);
}

void spf_check_verdict(const struct spf_check *check, struct spf_verdict *out_verdict)
{
    *out_verdict = check->verdict;
    out_verdict->questions = check->question_count;
}

void spf_check_give_up(struct spf_check *check, const char *why)
{
    if (!check->is_decided) {
        struct mw_slice reason = slice_of(why);
        check->halt = HALT_NONE;
        check_error(check, SPF_TEMPERROR, NULL, EMPTY, &reason, 1);
    }
    check->need_count = 0;
    check->is_decided = check->is_complete = true;
}
