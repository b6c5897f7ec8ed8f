/* fuzz_spf_check.c - whole checks whose DNS is the input. Lines: the sender, HELO, then answers: "T" and TXT strings between '|', "H" and
 * hosts between '|', "A" and addresses, an octet each ('=' is the client's own), "F" a failure, "N" nothing. Which line answers a question
 * depends on its name and kind alone. A check ends, asks no question twice and not too many, says printable things, and does not
 * care in which order answers come. */
#include <stdint.h>
#include <stdlib.h>

#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES_MAX = 64, VALUES_MAX = 64, ROUNDS_MAX = CHECK_QUESTIONS_MAX };

static const char address4[16] = "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01";
static const char address6[16] = "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01";

struct world {
    struct mw_slice lines[LINES_MAX];
    size_t count;
    const char *address;
    bool is_backward;
    uint64_t asked[CHECK_QUESTIONS_MAX];
    size_t asked_count;
};

static void expect(bool condition)
{
    if (!condition)
        abort();
}

static size_t cut(struct mw_slice text, char at, struct mw_slice *out, size_t max)
{
    size_t count = 0;
    while (count < max) {
        ptrdiff_t end = text_find(text, at);
        out[count++] = end < 0 ? text : SLICE(text.ptr, (size_t)end);
        if (end < 0)
            break;
        text = text_skip(text, (size_t)end + 1);
    }
    return count;
}

static char letter_of(enum mw_dns_kind kind)
{
    return kind == MW_DNS_STRINGS                               ? 'T'
           : kind == MW_DNS_ADDRESS4 || kind == MW_DNS_ADDRESS6 ? 'A'
                                                                : 'H';
}

/* The line that answers; NULL: none. */
static const struct mw_slice *line_for(const struct world *world, const struct spf_need *need,
                                       uint64_t hash)
{
    const struct mw_slice *fitting[LINES_MAX];
    size_t count = 0;
    for (size_t i = 2; i < world->count; i++)
        if (world->lines[i].len > 0 && (world->lines[i].ptr[0] == letter_of(need->kind) ||
                                        text_find(LIT("FN"), world->lines[i].ptr[0]) >= 0))
            fitting[count++] = &world->lines[i];
    return count > 0 ? fitting[hash % count] : NULL;
}

static size_t addresses(const struct world *world, struct mw_slice text, struct mw_slice *values,
                        char (*room)[16])
{
    size_t count = text.len < VALUES_MAX ? text.len : VALUES_MAX;
    for (size_t i = 0; i < count; i++) {
        memcpy(room[i], world->address, 16);
        if (text.ptr[i] != '=')
            room[i][15] = (char)(room[i][15] ^ text.ptr[i]);
        values[i] = SLICE(room[i], 16);
    }
    return count;
}

static void answer(struct world *world, struct spf_check *check, const struct spf_need *need,
                   size_t index)
{
    struct mw_slice values[VALUES_MAX];
    char room[VALUES_MAX][16];
    uint64_t hash = text_hash(need->name, true) + (uint64_t)need->kind;
    const struct mw_slice *line = line_for(world, need, hash);
    struct mw_dns_answer answer = {
        .size = sizeof answer, .outcome = MW_DNS_NOTHING, .values = values};
    expect(world->asked_count < CHECK_QUESTIONS_MAX && need->name.len > 0 && need->name.len <= 253);
    for (size_t i = 0; i < world->asked_count; i++)
        expect(world->asked[i] != hash);
    world->asked[world->asked_count++] = hash;
    if (line != NULL && line->ptr[0] == 'F')
        answer.outcome = MW_DNS_FAILURE;
    if (line != NULL && line->ptr[0] == letter_of(need->kind)) {
        struct mw_slice rest = text_skip(*line, 1);
        answer.outcome = MW_DNS_FOUND;
        answer.count = letter_of(need->kind) == 'A' ? addresses(world, rest, values, room)
                                                    : cut(rest, '|', values, VALUES_MAX);
    }
    spf_check_answer(check, index, &answer);
}

static void expect_printable(struct mw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        expect(text.ptr[i] >= ' ' && text.ptr[i] <= '~');
}

static void expect_lawful(const struct spf_verdict *verdict)
{
    bool is_error = verdict->result == SPF_TEMPERROR || verdict->result == SPF_PERMERROR;
    expect(verdict->result < SPF_RESULTS && is_error == (verdict->problem.len > 0));
    expect(verdict->explanation.len == 0 || verdict->result == SPF_FAIL);
    expect(verdict->terms <= CHECK_TERMS_MAX && verdict->voids <= CHECK_VOIDS_MAX);
    expect_printable(verdict->domain);
    expect_printable(verdict->mechanism);
    expect_printable(verdict->record_domain);
    expect_printable(verdict->explanation);
    expect_printable(verdict->problem);
}

static struct spf_check *run(struct world *world, const struct spf_setup *setup,
                             struct spf_verdict *out)
{
    struct spf_check *check = spf_check_new(
        setup, &(struct spf_sender){world->address, world->lines[0], world->lines[1]});
    const struct spf_need *needs = NULL;
    size_t count = 0, rounds = 0;
    world->asked_count = 0;
    while (!spf_check_run(check, &needs, &count)) {
        expect(count > 0 && ++rounds <= ROUNDS_MAX);
        for (size_t i = 0; i < count; i++) {
            size_t index = world->is_backward ? count - 1 - i : i;
            answer(world, check, &needs[index], index);
        }
    }
    spf_check_verdict(check, out);
    expect(out->questions == world->asked_count);
    expect_lawful(out);
    return check;
}

static void run_both_ways(struct world *world, const struct spf_setup *setup)
{
    struct spf_verdict forward, backward;
    world->is_backward = false;
    struct spf_check *one = run(world, setup, &forward);
    world->is_backward = true;
    struct spf_check *other = run(world, setup, &backward);
    expect(forward.result == backward.result && forward.questions == backward.questions);
    expect(forward.terms == backward.terms && forward.voids == backward.voids);
    expect(text_eq(forward.mechanism, backward.mechanism) &&
           text_eq(forward.problem, backward.problem));
    expect(text_eq(forward.explanation, backward.explanation) &&
           text_eq(forward.record_domain, backward.record_domain));
    spf_check_free(&one);
    spf_check_free(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct spf_local local = {LIT("local.test"),
                                           LIT("v=spf1 include:%{l}.test redirect=d.test")};
    const struct spf_setup setup = {LIT("receiver.test"), &local, 1, 1234567890, true};
    struct world world = {.lines = {EMPTY, EMPTY}};
    world.count = cut(SLICE((const char *)data, size), '\n', world.lines, LINES_MAX);
    if (world.count < 2)
        world.lines[1] = EMPTY;
    world.address = address4;
    run_both_ways(&world, &setup);
    world.address = address6;
    run_both_ways(&world, &setup);
    return 0;
}
