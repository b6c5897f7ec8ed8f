/* test_dots.c - content on the wire against a slow reference, and what we write against the servers
 * that misread it.
 *
 * The reference works on the whole input at once, by definition instead of by states: lines end at
 * CRLF, a line "." is the end, a leading dot goes, then a bare LF becomes CRLF. The oracles read
 * what mw_stuff() wrote as other servers would. */
#include "smtp/dots.h"

#include <stdlib.h>

#include "base/buf.h"
#include "test.h"

static const struct mw_dots_policy normalize = {MW_BARE_NORMALIZE, MW_BARE_PASS, MW_BARE_PASS};
static const struct mw_dots_policy strict = {MW_BARE_REJECT, MW_BARE_REJECT, MW_BARE_REJECT};
static const struct mw_dots_policy usual = {MW_BARE_NORMALIZE, MW_BARE_REJECT, MW_BARE_PASS};

/* ---- The reference ---- */

struct outcome {
    struct mw_buf content;
    size_t used; /* octets of the wire up to and including the end of data */
    unsigned seen;
    bool is_refused;
    bool is_done;
};

static void outcome_fini(struct outcome *outcome)
{
    mw_buf_fini(&outcome->content);
}

static ptrdiff_t find_crlf(struct mw_slice text)
{
    for (size_t i = 0; i + 1 < text.len; i++)
        if (text.ptr[i] == '\r' && text.ptr[i + 1] == '\n')
            return (ptrdiff_t)i;
    return -1;
}

/* Take the stuffing off; what is behind the last CRLF of an unfinished input is left out. */
static void reference_unstuff(struct mw_slice wire, struct mw_buf *out, struct outcome *outcome)
{
    ptrdiff_t end;
    while ((end = find_crlf(wire)) >= 0 && !outcome->is_done) {
        struct mw_slice line = mw_slice_take(wire, (size_t)end);
        wire = mw_slice_skip(wire, (size_t)end + 2);
        outcome->used += (size_t)end + 2;
        if (mw_slice_eq(line, MW_LIT("."))) {
            outcome->is_done = true;
            return;
        }
        if (mw_slice_starts(line, MW_LIT(".")))
            line = mw_slice_skip(line, 1);
        mw_buf_put(out, line);
        mw_buf_put(out, MW_LIT("\r\n"));
    }
}

static void reference_normalize(struct mw_slice text, struct outcome *outcome)
{
    for (size_t i = 0; i < text.len; i++) {
        bool is_lf_next = i + 1 < text.len && text.ptr[i + 1] == '\n';
        if (text.ptr[i] == '\r' && is_lf_next) {
            mw_buf_put(&outcome->content, MW_LIT("\r\n"));
            i++;
            continue;
        }
        if (text.ptr[i] == '\n') {
            outcome->seen |= MW_SEEN_BARE_LF;
            mw_buf_putc(&outcome->content, '\r');
        }
        outcome->seen |= text.ptr[i] == '\r' ? MW_SEEN_BARE_CR : 0;
        outcome->seen |= text.ptr[i] == '\0' ? MW_SEEN_NUL : 0;
        mw_buf_putc(&outcome->content, text.ptr[i]);
    }
}

/* Stuff by CRLF alone. */
static void reference_stuff(struct mw_slice content, struct mw_buf *out)
{
    bool at_start = true;
    for (size_t i = 0; i < content.len; i++) {
        if (at_start && content.ptr[i] == '.')
            mw_buf_putc(out, '.');
        mw_buf_putc(out, content.ptr[i]);
        at_start = content.ptr[i] == '\n' && i > 0 && content.ptr[i - 1] == '\r';
    }
    if (!at_start)
        mw_buf_put(out, MW_LIT("\r\n"));
}

/* Whether a server that drops NULs and takes CR, LF and CRLF for line ends sees an end of data in
 * stuffed content. */
static bool fools_lax_server(struct mw_slice stuffed)
{
    char line[2] = {0};
    size_t len = 0;
    for (size_t i = 0; i < stuffed.len; i++) {
        char c = stuffed.ptr[i];
        if (c == '\0')
            continue;
        if (c == '\r' || c == '\n') {
            if (len == 1 && line[0] == '.')
                return true;
            len = 0;
        } else {
            line[len > 0] = c;
            len = len > 0 ? 2 : 1;
        }
    }
    return false;
}

/* Postfix 3.7 as Debian 12 ships it: LF ends a line, all CRs before it go, NUL is an octet like
 * others. */
static bool fools_old_postfix(struct mw_slice stuffed)
{
    struct mw_slice line, rest = stuffed;
    while (mw_slice_split(rest, '\n', &line, &rest)) {
        while (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (mw_slice_eq(line, MW_LIT(".")))
            return true;
    }
    return false;
}

static void reference_judge(const struct mw_dots_policy *policy, struct outcome *outcome)
{
    struct mw_buf stuffed = {0};
    reference_stuff(mw_buf_view(&outcome->content), &stuffed);
    if (fools_lax_server(mw_buf_view(&stuffed)))
        outcome->seen |= MW_SEEN_FAKE_END;
    mw_buf_fini(&stuffed);
    outcome->is_refused =
        (outcome->seen & MW_SEEN_FAKE_END) ||
        (policy->bare_lf == MW_BARE_REJECT && (outcome->seen & MW_SEEN_BARE_LF)) ||
        (policy->bare_cr == MW_BARE_REJECT && (outcome->seen & MW_SEEN_BARE_CR)) ||
        (policy->nul == MW_BARE_REJECT && (outcome->seen & MW_SEEN_NUL));
}

static struct outcome reference(struct mw_slice wire, const struct mw_dots_policy *policy,
                                bool is_bdat)
{
    struct outcome outcome = {0};
    struct mw_buf plain = {0};
    if (is_bdat) {
        mw_buf_put(&plain, wire);
        outcome.used = wire.len;
        outcome.is_done = true;
    } else {
        reference_unstuff(wire, &plain, &outcome);
    }
    reference_normalize(mw_buf_view(&plain), &outcome);
    reference_judge(policy, &outcome);
    mw_buf_fini(&plain);
    return outcome;
}

/* ---- The thing itself, fed in pieces ---- */

struct run {
    struct mw_dots dots;
    struct mw_buf content, stuffed;
    size_t used;
    const char *broken; /* the first contract that did not hold */
};

static void run_fini(struct run *run)
{
    mw_buf_fini(&run->content);
    mw_buf_fini(&run->stuffed);
}

static bool ends_in_crlf(const struct mw_buf *buf)
{
    return buf->len == 0 || (buf->len > 1 && memcmp(buf->ptr + buf->len - 2, "\r\n", 2) == 0);
}

/* Dots at line starts only as the first octet, and flagged. */
static void check_span(struct run *run, const struct mw_span *span)
{
    if (span->octets.len == 0)
        return;
    if (span->at_line_start != ends_in_crlf(&run->content))
        run->broken = "at_line_start";
    struct mw_slice octets = span->octets;
    for (size_t i = 2; i < octets.len && !run->dots.is_binary; i++)
        if (octets.ptr[i] == '.' && octets.ptr[i - 1] == '\n')
            run->broken = "a dot at a line start inside a span";
}

static void drain(struct mw_queue *queue, struct mw_buf *out)
{
    struct iovec iov[64];
    while (mw_queue_len(queue) > 0) {
        size_t count = mw_queue_iov(queue, iov, 64), total = 0;
        for (size_t i = 0; i < count; i++) {
            mw_buf_put(out, MW_SLICE(iov[i].iov_base, iov[i].iov_len));
            total += iov[i].iov_len;
        }
        mw_queue_consume(queue, total);
    }
}

/* Feed one piece, as its own heap copy so that ASan sees every octet too many. */
static void feed(struct run *run, const struct mw_dots_policy *policy, struct mw_slice piece,
                 struct mw_stuffer *stuffer)
{
    char *copy = malloc(piece.len ? piece.len : 1);
    struct mw_queue queue = {0};
    memcpy(copy, piece.ptr, piece.len);
    struct mw_slice in = MW_SLICE(copy, piece.len);
    while (in.len > 0 && !run->dots.is_done) {
        size_t used;
        struct mw_span span;
        mw_dots_take(&run->dots, policy, in, &used, &span);
        if (used == 0 && span.octets.len == 0) {
            run->broken = "no progress";
            break;
        }
        check_span(run, &span);
        mw_buf_put(&run->content, span.octets);
        mw_stuff(stuffer, &queue, span, false);
        in = mw_slice_skip(in, used);
        run->used += used;
    }
    drain(&queue, &run->stuffed);
    mw_queue_fini(&queue);
    free(copy);
}

/* Cut at `cuts[0..count)` (ascending), or after each octet if cuts is NULL. */
static struct run run_pieces(struct mw_slice wire, const struct mw_dots_policy *policy,
                             bool is_bdat, const size_t *cuts, size_t count)
{
    struct run run = {0};
    struct mw_stuffer stuffer = {0};
    if (is_bdat)
        mw_dots_init_bdat(&run.dots, false);
    else
        mw_dots_init(&run.dots);
    size_t at = 0;
    for (size_t i = 0; at < wire.len; i++) {
        size_t next = cuts == NULL ? at + 1 : i < count ? cuts[i] : wire.len;
        feed(&run, policy, MW_SLICE(wire.ptr + at, next - at), &stuffer);
        at = next;
    }
    struct mw_queue queue = {0};
    if (is_bdat) {
        struct mw_span span;
        mw_dots_finish_bdat(&run.dots, policy, &span);
        check_span(&run, &span);
        mw_buf_put(&run.content, span.octets);
        mw_stuff(&stuffer, &queue, span, false);
    }
    mw_stuff_end(&stuffer, &queue);
    drain(&queue, &run.stuffed);
    mw_queue_fini(&queue);
    return run;
}

static bool equals(const struct mw_buf *a, const struct mw_buf *b)
{
    return mw_slice_eq(mw_buf_view(a), mw_buf_view(b));
}

static const char *compare(const struct run *run, const struct outcome *want)
{
    if (run->broken != NULL)
        return run->broken;
    if (!equals(&run->content, &want->content))
        return "content";
    if (run->dots.is_done != want->is_done)
        return "is_done";
    if (run->used != want->used)
        return "used";
    if (run->dots.seen != want->seen)
        return "seen";
    if (run->dots.is_refused != want->is_refused)
        return "is_refused";
    if (run->dots.octets != want->content.len)
        return "octets";
    return NULL;
}

/* What we write must be read by a strict server as exactly the content, and by lax ones as at least
 * one message and no more, unless the message is refused. */
static const char *judge_written(const struct run *run)
{
    struct mw_slice written = mw_buf_view(&run->stuffed);
    struct outcome again = reference(written, &normalize, false);
    const char *wrong = NULL;
    struct mw_buf want = {0};
    mw_buf_put(&want, mw_buf_view(&run->content));
    if (!ends_in_crlf(&want))
        mw_buf_put(&want, MW_LIT("\r\n"));
    if (!again.is_done || again.used != written.len)
        wrong = "the end that we wrote is not where it is read";
    else if (!equals(&again.content, &want))
        wrong = "the content read is not the content written";
    else if (again.seen & MW_SEEN_BARE_LF)
        wrong = "a bare LF left";
    struct mw_slice body = mw_slice_take(written, written.len >= 3 ? written.len - 3 : 0);
    if (fools_old_postfix(body))
        wrong = "an end of data for an old Postfix";
    if (!run->dots.is_refused && fools_lax_server(body))
        wrong = "an end of data for a lax server";
    mw_buf_fini(&want);
    outcome_fini(&again);
    return wrong;
}

/* One wire, one cut: all of it. */
static const char *check_cut(struct mw_slice wire, const struct mw_dots_policy *policy,
                             bool is_bdat, const size_t *cuts, size_t count,
                             const struct outcome *want)
{
    struct run run = run_pieces(wire, policy, is_bdat, cuts, count);
    const char *wrong = compare(&run, want);
    if (wrong == NULL)
        wrong = judge_written(&run);
    run_fini(&run);
    return wrong;
}

/* Whole, octet by octet, every cut in two. */
static const char *check_wire(struct mw_slice wire, const struct mw_dots_policy *policy,
                              bool is_bdat)
{
    struct outcome want = reference(wire, policy, is_bdat);
    const char *wrong = check_cut(wire, policy, is_bdat, NULL, 0, &want);
    for (size_t cut = 0; cut <= wire.len && wrong == NULL; cut++)
        wrong = check_cut(wire, policy, is_bdat, &cut, 1, &want);
    outcome_fini(&want);
    return wrong;
}

static void print_wire(struct mw_slice wire)
{
    for (size_t i = 0; i < wire.len; i++) {
        char c = wire.ptr[i];
        if (c >= ' ' && c <= '~')
            fputc(c, stderr);
        else
            fprintf(stderr, "\\x%02x", (unsigned char)c);
    }
    fputc('\n', stderr);
}

#define CHECK_WIRE(wire, policy, is_bdat)                             \
    do {                                                              \
        const char *wrong_ = check_wire((wire), (policy), (is_bdat)); \
        if (wrong_ != NULL) {                                         \
            print_wire(wire);                                         \
            mw_test_fail(__FILE__, __LINE__, "%s", wrong_);           \
            return;                                                   \
        }                                                             \
    } while (0)

/* ---- Tests ---- */

/* The end-of-data variants of the published lists (SEC Consult 2023, smtpsmug, Postfix, Sendmail,
 * Exim). */
#define V(literal)                  \
    {                               \
        literal, sizeof literal - 1 \
    }
static const struct mw_slice variants[] = {
    V("\n.\n"),
    V("\n.\r\n"),
    V("\r\n.\n"),
    V("\r.\r"),
    V("\r.\r\n"),
    V("\r\n.\r"),
    V("\r.\n"),
    V("\n.\r"),
    V("\r\r\n.\r\r\n"),
    V("\r\n.\r\r\n"),
    V("\r\r\n.\r\n\r"),
    V("\n\n.\n\n"),
    V("\r\n\0.\r\n"),
    V("\r\n.\0\r\n"),
    V("\r\0\n.\r\n"),
    V("\r\n.\r\0\n"),
    V("\0\r\n.\n"),
    V("\r\n\0.\r"),
    V("\r\0.\0\r\n"),
    V("\n\0.\r\n"),
    V("\r\n..\r"),
    V("\r\n..\n"),
    V("\n..\n"),
    V("\n..\r\n"),
    V("\r\n...\r"),
    V("\r\n. \r\n"),
    V("\r\n.\t\r\n"),
    V("\r\n .\r\n"),
    V("\r\n\x0b.\r\n"),
    V("\x0b.\x0b"),
    V("\x0c.\x0c"),
    V("\x1e.\x1e"),
    V("\x15.\x15"),
    V("\xc2\x85.\xc2\x85"),
    V("\x85.\x85"),
    V("\xe2\x80\xa8.\xe2\x80\xa8"),
    V("\x8d\x8a.\x8d\x8a"),
    V("\xc0\x8d\xc0\x8a.\xc0\x8d\xc0\x8a"),
    V("\0\r\0\n\0.\0\r\0\n"),
    V("\r\0\n\0.\0\r\0\n\0"),
    V("\r\n\0\0.\0\0\r\n"),
    V("\r\n.\r\n"),
    V("\n.\n.\n"),
    V("\r.\r.\r"),
};
#undef V
enum { VARIANT_COUNT = sizeof variants / sizeof variants[0] };

static struct mw_buf wrapped(struct mw_slice before, struct mw_slice variant)
{
    struct mw_buf wire = {0};
    mw_buf_put(&wire, before);
    mw_buf_put(&wire, variant);
    mw_buf_put(&wire, MW_LIT("MAIL FROM:<evil@x>\r\n.\r\nQUIT\r\n"));
    return wire;
}

static void run_variants(const struct mw_dots_policy *policy, bool is_bdat)
{
    static const struct mw_slice befores[] = {
        {"", 0}, {"x", 1}, {"x\r\n", 3}, {"S: a\r\n\r\nb", 9}};
    for (size_t v = 0; v < VARIANT_COUNT; v++) {
        for (size_t b = 0; b < 4; b++) {
            struct mw_buf wire = wrapped(befores[b], variants[v]);
            CHECK_WIRE(mw_buf_view(&wire), policy, is_bdat);
            mw_buf_fini(&wire);
        }
    }
}

TEST(data_every_variant_at_every_cut_as_reference)
{
    run_variants(&normalize, false);
    run_variants(&usual, false);
    run_variants(&strict, false);
}

TEST(bdat_every_variant_at_every_cut_as_reference)
{
    run_variants(&normalize, true);
    run_variants(&strict, true);
}

/* Every string of up to `max` of the octets that matter. */
static void run_all_strings(size_t max, bool is_bdat)
{
    static const char alphabet[] = {'\r', '\n', '.', 'x', '\0'};
    char wire[16];
    for (size_t len = 0; len <= max; len++) {
        size_t total = 1;
        for (size_t i = 0; i < len; i++)
            total *= sizeof alphabet;
        for (size_t n = 0; n < total; n++) {
            size_t rest = n;
            for (size_t i = 0; i < len; i++, rest /= sizeof alphabet)
                wire[i] = alphabet[rest % sizeof alphabet];
            memcpy(wire + len, "\r\n.\r\nQ", 6);
            CHECK_WIRE(MW_SLICE(wire, is_bdat ? len : len + 6), &normalize, is_bdat);
        }
    }
}

TEST(data_all_short_strings_as_reference)
{
    run_all_strings(6, false);
}

TEST(bdat_all_short_strings_as_reference)
{
    run_all_strings(5, true);
}

/* Long enough for several blocks, with trouble at every offset of the scanner's block. */
TEST(data_trouble_at_every_offset_of_a_block_as_reference)
{
    static const struct mw_slice troubles[] = {{"\n", 1},     {"\r", 1},     {"\0", 1},
                                               {"\r\n.", 3},  {"\r\n..", 4}, {"\r\n.\r\n", 5},
                                               {"\r\r\n", 3}, {"\n.", 2}};
    char wire[300];
    for (size_t t = 0; t < sizeof troubles / sizeof troubles[0]; t++) {
        for (size_t at = 0; at < 200; at++) {
            memset(wire, 'a', sizeof wire);
            memcpy(wire + at, troubles[t].ptr, troubles[t].len);
            memcpy(wire + 250, "\r\n.\r\n", 5);
            struct outcome want = reference(MW_SLICE(wire, sizeof wire), &normalize, false);
            const size_t cuts[] = {at, at + 1, at + 2, at + 3};
            const char *wrong = NULL;
            for (size_t count = 0; count <= 4 && wrong == NULL; count++)
                wrong = check_cut(MW_SLICE(wire, sizeof wire), &normalize, false, cuts, count,
                                  &want);
            for (size_t i = 1; i < 4 && wrong == NULL; i++)
                wrong = check_cut(MW_SLICE(wire, sizeof wire), &normalize, false, &cuts[i], 1,
                                  &want);
            outcome_fini(&want);
            if (wrong != NULL)
                mw_test_fail(__FILE__, __LINE__, "trouble %zu at %zu: %s", t, at, wrong);
            CHECK(wrong == NULL);
        }
    }
}

static struct mw_buf random_wire(uint64_t *seed, size_t len)
{
    static const char alphabet[] = "\r\n\r\n\r\n..\0xyzabcdefghij";
    struct mw_buf wire = {0};
    for (size_t i = 0; i < len; i++)
        if (mw_test_random(seed) % 8 == 0)
            mw_buf_putc(&wire, alphabet[mw_test_random(seed) % (sizeof alphabet - 1)]);
        else if (mw_test_random(seed) % 4 == 0)
            mw_buf_put(&wire, MW_LIT("\r\n"));
        else
            mw_buf_put(&wire, MW_LIT("some text. of a line"));
    mw_buf_put(&wire, MW_LIT("\r\n.\r\nNOOP\r\n"));
    return wire;
}

TEST(data_random_wires_at_random_cuts_as_reference)
{
    uint64_t seed = 20240117;
    for (int round = 0; round < 3000; round++) {
        struct mw_buf wire = random_wire(&seed, 1 + mw_test_random(&seed) % 60);
        bool is_bdat = round % 3 == 0;
        struct outcome want = reference(mw_buf_view(&wire), &usual, is_bdat);
        size_t cuts[4] = {0}, count = mw_test_random(&seed) % 5;
        for (size_t i = 0, at = 0; i < count; i++)
            cuts[i] = at += mw_test_random(&seed) % (wire.len - at + 1);
        const char *wrong = check_cut(mw_buf_view(&wire), &usual, is_bdat, cuts, count, &want);
        if (wrong != NULL)
            mw_test_fail(__FILE__, __LINE__, "round %d: %s", round, wrong);
        outcome_fini(&want);
        mw_buf_fini(&wire);
        CHECK(wrong == NULL);
    }
}

static struct run taken(const char *wire, const struct mw_dots_policy *policy)
{
    return run_pieces(MW_SLICE(wire, strlen(wire)), policy, false, NULL, 0);
}

TEST(data_end_only_is_an_empty_message)
{
    struct run run = taken(".\r\n", &strict);
    CHECK(run.dots.is_done && !run.dots.is_refused);
    CHECK_INT(run.content.len, 0);
    CHECK_MEM(run.stuffed.ptr, run.stuffed.len, ".\r\n");
    run_fini(&run);
}

TEST(data_octets_behind_the_end_are_left_alone)
{
    struct run run = taken("a\r\n.\r\nMAIL FROM:<x>\r\n", &strict);
    CHECK_INT(run.used, 6);
    run_fini(&run);
}

TEST(data_dot_behind_bare_lf_is_kept_and_stuffed)
{
    struct run run = taken("x\n.\nMAIL\n..y\r\n.\r\n", &usual);
    CHECK_MEM(run.content.ptr, run.content.len, "x\r\n.\r\nMAIL\r\n..y\r\n");
    CHECK_MEM(run.stuffed.ptr, run.stuffed.len, "x\r\n..\r\nMAIL\r\n...y\r\n.\r\n");
    CHECK(!run.dots.is_refused);
    CHECK_INT(run.dots.seen, MW_SEEN_BARE_LF);
    run_fini(&run);
}

TEST(data_stuffing_of_clients_is_undone_once)
{
    struct run run = taken("..\r\n...\r\n.x\r\n.\r\n", &strict);
    CHECK_MEM(run.content.ptr, run.content.len, ".\r\n..\r\nx\r\n");
    run_fini(&run);
}

TEST(data_policy_refuses_what_it_names_only)
{
    struct run lf = taken("a\nb\r\n.\r\n", &strict), cr = taken("a\rb\r\n.\r\n", &usual);
    CHECK(lf.dots.is_refused && cr.dots.is_refused);
    CHECK_INT(cr.dots.seen, MW_SEEN_BARE_CR);
    struct run pass = taken("a\rb\nc\r\n.\r\n", &normalize);
    CHECK(!pass.dots.is_refused);
    CHECK_MEM(pass.content.ptr, pass.content.len, "a\rb\r\nc\r\n");
    run_fini(&lf);
    run_fini(&cr);
    run_fini(&pass);
}

TEST(data_cr_dot_cr_has_no_single_reading_and_is_refused_under_pass)
{
    struct run bare = taken("a\r.\rb\r\n.\r\n", &normalize),
               end = taken("a\r.\r\nMAIL\r\n.\r\n", &normalize);
    CHECK(bare.dots.is_refused && end.dots.is_refused);
    CHECK(end.dots.seen & MW_SEEN_FAKE_END);
    struct run harmless = taken("50%\r100%\r..\r\n.\r\n", &normalize);
    CHECK(!harmless.dots.is_refused);
    run_fini(&bare);
    run_fini(&end);
    run_fini(&harmless);
}

TEST(bdat_content_without_line_end_gets_none_but_data_does)
{
    struct run run = run_pieces(MW_LIT(".a\r\n.\r\nb\r"), &normalize, true, NULL, 0);
    CHECK_MEM(run.content.ptr, run.content.len, ".a\r\n.\r\nb\r");
    CHECK_MEM(run.stuffed.ptr, run.stuffed.len, "..a\r\n..\r\nb\r\r\n.\r\n");
    CHECK_INT(run.dots.seen, MW_SEEN_BARE_CR);
    run_fini(&run);
}

TEST(bdat_binary_is_not_looked_at)
{
    struct mw_dots dots;
    struct mw_span span;
    size_t used;
    struct mw_slice octets = MW_LIT("\0\n\r.\r\n.\r\n\r");
    mw_dots_init_bdat(&dots, true);
    mw_dots_take(&dots, &strict, octets, &used, &span);
    CHECK_INT(used, octets.len);
    CHECK(span.octets.ptr == octets.ptr && span.octets.len == octets.len);
    mw_dots_finish_bdat(&dots, &strict, &span);
    CHECK(span.octets.len == 0 && dots.seen == 0 && !dots.is_refused);
    CHECK_INT(dots.octets, octets.len);
}

TEST(clean_lines_come_out_as_one_span_into_the_input)
{
    char wire[8192];
    for (size_t i = 0; i < sizeof wire; i++)
        wire[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : 'm';
    struct mw_dots dots;
    struct mw_span span;
    size_t used, len = sizeof wire / 78 * 78;
    mw_dots_init(&dots);
    mw_dots_take(&dots, &strict, MW_SLICE(wire, len), &used, &span);
    CHECK_INT(used, len);
    CHECK(span.octets.ptr == wire && span.octets.len == len && span.at_line_start);
}

/* ---- Writing content from elsewhere ---- */

static void stuff_cut(struct mw_slice content, size_t cut, struct mw_buf *out)
{
    struct mw_stuffer stuffer = {0};
    struct mw_queue queue = {0};
    mw_stuff(&stuffer, &queue, (struct mw_span){.octets = mw_slice_take(content, cut)}, true);
    mw_stuff(&stuffer, &queue, (struct mw_span){.octets = mw_slice_skip(content, cut)}, true);
    mw_stuff_end(&stuffer, &queue);
    drain(&queue, out);
    mw_queue_fini(&queue);
}

TEST(scanned_content_is_stuffed_at_every_cut_as_reference)
{
    for (size_t v = 0; v < VARIANT_COUNT; v++) {
        struct mw_buf content = wrapped(MW_LIT("."), variants[v]);
        struct outcome canonical = reference(mw_buf_view(&content), &normalize, true);
        struct mw_buf want = {0};
        reference_stuff(mw_buf_view(&canonical.content), &want);
        mw_buf_put(&want, MW_LIT(".\r\n"));
        for (size_t cut = 0; cut <= content.len; cut++) {
            struct mw_buf got = {0};
            stuff_cut(mw_buf_view(&content), cut, &got);
            bool is_same = equals(&got, &want);
            mw_buf_fini(&got);
            if (!is_same)
                mw_test_fail(__FILE__, __LINE__, "variant %zu cut at %zu", v, cut);
            CHECK(is_same);
        }
        mw_buf_fini(&want);
        mw_buf_fini(&content);
        outcome_fini(&canonical);
    }
}

/* Spans of other makers may be cut inside a line end. */
TEST(unscanned_spans_cut_inside_crlf_keep_the_line_start)
{
    static const struct mw_slice pieces[] = {
        {"a\r", 2}, {"\n", 1}, {".b\r", 3}, {"\n", 1}, {".", 1}};
    struct mw_stuffer stuffer = {0};
    struct mw_queue queue = {0};
    struct mw_buf got = {0};
    for (size_t i = 0; i < 5; i++)
        mw_stuff(&stuffer, &queue, (struct mw_span){.octets = pieces[i]}, false);
    mw_stuff_end(&stuffer, &queue);
    drain(&queue, &got);
    CHECK_MEM(got.ptr, got.len, "a\r\n..b\r\n..\r\n.\r\n");
    mw_queue_fini(&queue);
    mw_buf_fini(&got);
}

TEST(stuffing_then_taking_gives_the_content_back)
{
    uint64_t seed = 7;
    for (int round = 0; round < 500; round++) {
        struct mw_buf raw = random_wire(&seed, 40), written = {0};
        struct outcome content = reference(mw_buf_view(&raw), &normalize, true);
        stuff_cut(mw_buf_view(&content.content), mw_test_random(&seed) % content.content.len,
                  &written);
        struct run back = run_pieces(mw_buf_view(&written), &normalize, false, NULL, 0);
        CHECK(back.dots.is_done && back.used == written.len);
        CHECK(equals(&back.content, &content.content));
        run_fini(&back);
        outcome_fini(&content);
        mw_buf_fini(&written);
        mw_buf_fini(&raw);
    }
}

/* A message of nothing but line starts must not cost the queue many times its octets. */
TEST(hostile_small_pieces_are_gathered)
{
    struct mw_dots dots;
    struct mw_stuffer stuffer = {0};
    struct mw_queue queue = {0};
    char wire[6000];
    for (size_t i = 0; i < sizeof wire; i++)
        wire[i] = i % 2 ? '\n' : '.';
    mw_dots_init(&dots);
    struct mw_slice in = MW_SLICE(wire, sizeof wire);
    while (in.len > 0) {
        size_t used;
        struct mw_span span;
        mw_dots_take(&dots, &usual, in, &used, &span);
        mw_stuff(&stuffer, &queue, span, false);
        in = mw_slice_skip(in, used);
    }
    CHECK(queue.count < 40);
    CHECK_INT(queue.len,
              sizeof wire * 2 - 2); /* each ".\n" leaves as "..\r\n"; the first dot was stuffing */
    mw_queue_fini(&queue);
}
