/* dots.c - a scanner over blocks of 64 octets for clean lines, and a small state machine for
 * everything else.
 *
 * clean_run() answers how far the input is content that leaves as it came: every CR followed by LF,
 * every LF preceded by CR, no NUL, no dot behind a line end. It looks at masks of 64 bits (one per
 * octet), made with AVX2 where the processor has it, else with SSE2, elsewhere with plain 64-bit
 * arithmetic (MW_DOTS_SSE2 and MW_DOTS_PORTABLE choose the latter two, for tests). Where it stops,
 * content_run() steps over what is content all the same (bare CR, NUL), and mw_dots_take() handles
 * the rest: dots at a line start, bare LF, and line ends that the end of the input has cut in two.
 */
#include "smtp/dots.h"

#include <string.h>

#if defined(__SSE2__) && !defined(MW_DOTS_PORTABLE)
#define HAS_SSE2 1
#if defined(__x86_64__) && !defined(MW_DOTS_SSE2)
#define HAS_AVX2 1
#endif
#include <immintrin.h>
#endif

/* Where the wire is. Only a CR at the end of the input is held; elsewhere the octet behind it is
 * there to be seen. */
enum state {
    START = 0,    /* behind CRLF or at the very start: a dot is stuffing or the end */
    START_DOT,    /* START "." : held */
    START_DOT_CR, /* START "." CR : held */
    PLAIN_START,  /* content begins a line here, and a dot is content: behind a bare LF, or behind a
                     dot taken off */
    INSIDE,
    START_CR,  /* CR held at a line start */
    INSIDE_CR, /* CR held elsewhere */
};

/* What a lax server would make of what we write: CR is a line end for it, NUL is not there at all.
 * Line starts that strict servers see too need no watching, because a dot there is stuffed. */
enum lax {
    LAX_NONE = 0,
    LAX_START, /* behind a bare CR, or behind NULs at a line start */
    LAX_DOT,   /* ... and one dot */
};

/* ---- Looking for clean lines ---- */

enum { BLOCK = 64 };

/* Bit i tells about octet i of a block. */
struct marks {
    uint64_t cr, lf, nul, dot;
};

#ifdef HAS_SSE2

/* Written out, because compilers at -O2 keep a loop over four as a loop, with the parts in memory:
 * a third of the speed. */
static inline uint64_t mark_part(__m128i part, __m128i octet)
{
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(part, octet));
}

static inline uint64_t mark(__m128i a, __m128i b, __m128i c, __m128i d, char octet)
{
    __m128i want = _mm_set1_epi8(octet);
    return mark_part(a, want) | mark_part(b, want) << 16 | mark_part(c, want) << 32 |
           mark_part(d, want) << 48;
}

static inline __m128i load_part(const char *octets)
{
    return _mm_loadu_si128((const __m128i *)(const void *)octets);
}

static inline struct marks look(const char *block)
{
    __m128i a = load_part(block), b = load_part(block + 16);
    __m128i c = load_part(block + 32), d = load_part(block + 48);
    return (struct marks){mark(a, b, c, d, '\r'), mark(a, b, c, d, '\n'), mark(a, b, c, d, '\0'),
                          mark(a, b, c, d, '.')};
}

#else

#define EACH_OCTET(value) (UINT64_C(0x0101010101010101) * (value))

/* One bit for each of eight octets that equals `octet`, the first octet's bit lowest. */
static inline uint64_t mark_word(uint64_t word, unsigned char octet)
{
    uint64_t rest = word ^ EACH_OCTET(octet); /* zero octets are the ones looked for */
    uint64_t low = (rest & EACH_OCTET(0x7f)) + EACH_OCTET(0x7f);
    /* 0x80 where the octet is zero, exactly: no carry runs from octet to octet */
    uint64_t zero = ~(low | rest | EACH_OCTET(0x7f));
    return ((zero >> 7) * UINT64_C(0x0102040810204080)) >> 56;
}

static inline uint64_t load_word(const char *octets)
{
    uint64_t word;
    memcpy(&word, octets, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline struct marks look(const char *block)
{
    struct marks marks = {0};
    for (int i = 0; i < BLOCK / 8; i++) {
        uint64_t word = load_word(block + 8 * i);
        marks.cr |= mark_word(word, '\r') << (8 * i);
        marks.lf |= mark_word(word, '\n') << (8 * i);
        marks.nul |= mark_word(word, '\0') << (8 * i);
        marks.dot |= mark_word(word, '.') << (8 * i);
    }
    return marks;
}

#endif

#ifdef HAS_AVX2

#define AVX2 __attribute__((target("avx2")))

static inline AVX2 uint64_t mark_wide(__m256i a, __m256i b, char octet)
{
    __m256i want = _mm256_set1_epi8(octet);
    uint64_t low = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, want));
    uint64_t high = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, want));
    return low | high << 32;
}

static inline AVX2 struct marks look_wide(const char *block)
{
    __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)block);
    __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(block + 32));
    return (struct marks){mark_wide(a, b, '\r'), mark_wide(a, b, '\n'), mark_wide(a, b, '\0'),
                          mark_wide(a, b, '.')};
}

#endif

/* clean_run() with one way to look, which the compiler puts in place of the pointer. */
static inline __attribute__((always_inline)) size_t
clean_run_with(struct marks (*look_at)(const char *block), const char *ptr, size_t len,
               bool behind_lf)
{
    uint64_t carry_cr = 0, carry_lf = behind_lf;
    for (size_t base = 0; base < len; base += BLOCK) {
        const char *block = ptr + base;
        char padded[BLOCK];
        if (len - base < BLOCK) { /* the last, short one, made up with octets that mean nothing */
            memset(padded, 'x', sizeof padded);
            memcpy(padded, block, len - base);
            block = padded;
        }
        struct marks marks = look_at(block);
        uint64_t unpaired = (marks.cr << 1 | carry_cr) ^ marks.lf;
        uint64_t stop = unpaired | marks.nul | (marks.dot & (marks.lf << 1 | carry_lf));
        if (stop != 0) {
            size_t at = base + (size_t)__builtin_ctzll(stop);
            /* a missing LF shows one octet behind its CR */
            return at > 0 && ptr[at - 1] == '\r' ? at - 1 : at;
        }
        carry_cr = marks.cr >> 63;
        carry_lf = marks.lf >> 63;
    }
    return carry_cr ? len - 1 : len;
}

#ifdef HAS_AVX2

static AVX2 size_t clean_run_wide(const char *ptr, size_t len, bool behind_lf)
{
    return clean_run_with(look_wide, ptr, len, behind_lf);
}

#endif

/* How many octets are clean. Never ends between a CR and its LF; a CR at the very end is not clean
 * (yet). `behind_lf`: a dot as the first octet is one at a line start. */
static size_t clean_run(const char *ptr, size_t len, bool behind_lf)
{
#ifdef HAS_AVX2
    if (__builtin_cpu_supports("avx2")) /* a load and a test: the C runtime asked the processor */
        return clean_run_wide(ptr, len, behind_lf);
#endif
    return clean_run_with(look, ptr, len, behind_lf);
}

/* ---- What happened, and what it means for the message ---- */

static void refuse_if(struct mw_dots *dots, bool is_refused)
{
    if (is_refused)
        dots->is_refused = true;
}

static void lax_line_end(struct mw_dots *dots, enum lax next)
{
    if (dots->lax == LAX_DOT) {
        dots->seen |= MW_SEEN_FAKE_END;
        dots->is_refused = true;
    }
    dots->lax = (uint8_t)next;
}

static void on_line_end(struct mw_dots *dots, enum state next)
{
    lax_line_end(dots, LAX_NONE);
    dots->state = (uint8_t)next;
}

static void on_bare_cr(struct mw_dots *dots, const struct mw_dots_policy *policy)
{
    dots->seen |= MW_SEEN_BARE_CR;
    refuse_if(dots, policy->bare_cr != MW_BARE_PASS);
    lax_line_end(dots, LAX_START);
    dots->state = INSIDE;
}

static void on_bare_lf(struct mw_dots *dots, const struct mw_dots_policy *policy)
{
    dots->seen |= MW_SEEN_BARE_LF;
    refuse_if(dots, policy->bare_lf == MW_BARE_REJECT);
    on_line_end(dots, PLAIN_START);
}

static bool at_start(const struct mw_dots *dots)
{
    return dots->state == START || dots->state == PLAIN_START;
}

static void on_nul(struct mw_dots *dots, const struct mw_dots_policy *policy)
{
    dots->seen |= MW_SEEN_NUL;
    refuse_if(dots, policy->nul != MW_BARE_PASS);
    if (at_start(dots))
        dots->lax = LAX_START;
    dots->state = INSIDE;
}

static void on_octet(struct mw_dots *dots, char octet)
{
    dots->lax = octet == '.' && dots->lax == LAX_START ? LAX_DOT : LAX_NONE;
    dots->state = INSIDE;
}

/* ---- Taking content off the wire ---- */

void mw_dots_init(struct mw_dots *dots)
{
    *dots = (struct mw_dots){.state = START};
}

void mw_dots_init_bdat(struct mw_dots *dots, bool is_binary)
{
    *dots = (struct mw_dots){.state = START, .is_bdat = true, .is_binary = is_binary};
}

static void give(struct mw_dots *dots, struct mw_span *span, struct mw_slice octets,
                 bool at_line_start)
{
    span->octets = octets;
    span->at_line_start = at_line_start;
    dots->octets += octets.len;
}

/* The octet at `at` belongs to the run whatever clean_run() thinks of it: step over it. Returns the
 * new position; the same one if the run ends here (bare LF, a CR that is the last octet). */
static size_t step(struct mw_dots *dots, const struct mw_dots_policy *policy, struct mw_slice in,
                   size_t at)
{
    char octet = in.ptr[at];
    if (octet == '\n' || (octet == '\r' && at + 1 == in.len))
        return at;
    if (octet == '\r' && in.ptr[at + 1] == '\n') {
        on_line_end(dots, START);
        return at + 2;
    }
    if (octet == '\r')
        on_bare_cr(dots, policy);
    else if (octet == '\0')
        on_nul(dots, policy);
    else
        on_octet(dots, octet);
    return at + 1;
}

/* The end of the longest run from `begin` that leaves as it came. */
static size_t content_run(struct mw_dots *dots, const struct mw_dots_policy *policy,
                          struct mw_slice in, size_t begin)
{
    size_t at = begin;
    while (at < in.len) {
        if (dots->lax == LAX_NONE) {
            bool must_stop_at_dot = at > begin && at_start(dots);
            size_t clean = clean_run(in.ptr + at, in.len - at, must_stop_at_dot);
            if (clean > 0) {
                at += clean;
                dots->state = in.ptr[at - 1] == '\n' ? START : INSIDE;
            }
            if (at == in.len)
                break;
        }
        if (at > begin && at_start(dots) && in.ptr[at] == '.')
            break;
        size_t next = step(dots, policy, in, at);
        if (next == at)
            break;
        at = next;
    }
    return at;
}

/* Something is held from before a cut (or from the dot just taken); `octet` is what follows.
 * Returns whether that octet was consumed. */
static bool resolve(struct mw_dots *dots, const struct mw_dots_policy *policy, char octet,
                    struct mw_span *span)
{
    switch ((enum state)dots->state) {
    case START_DOT:
        /* RFC 5321 4.5.2: a dot with anything behind it was put there by the sender's stuffing */
        dots->state = octet == '\r' ? START_DOT_CR : PLAIN_START;
        return octet == '\r';
    case START_DOT_CR:
        if (octet == '\n') {
            dots->is_done = true;
            return true;
        }
        give(dots, span, MW_LIT("\r"), true);
        on_bare_cr(dots, policy);
        return false;
    case START_CR:
    case INSIDE_CR:
        if (octet == '\n') {
            give(dots, span, MW_LIT("\r\n"), dots->state == START_CR);
            on_line_end(dots, START);
            return true;
        }
        give(dots, span, MW_LIT("\r"), dots->state == START_CR);
        on_bare_cr(dots, policy);
        return false;
    case START:
    case PLAIN_START:
    case INSIDE:
        break;
    }
    mw_assert_failed("something is held", __FILE__, __LINE__);
}

/* Bare LFs in a row leave together. Returns how many of them. */
static size_t take_bare_lfs(struct mw_dots *dots, const struct mw_dots_policy *policy,
                            struct mw_slice in, struct mw_span *span)
{
    static const char ends[] = "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
    size_t count = 1;
    while (count < in.len && count < sizeof ends / 2 && in.ptr[count] == '\n')
        count++;
    give(dots, span, MW_SLICE(ends, count * 2), at_start(dots));
    on_bare_lf(dots, policy);
    return count;
}

static bool is_holding(const struct mw_dots *dots)
{
    return !at_start(dots) && dots->state != INSIDE;
}

void mw_dots_take(struct mw_dots *dots, const struct mw_dots_policy *policy, struct mw_slice in,
                  size_t *out_used, struct mw_span *out_span)
{
    size_t at = 0, behind_dot = SIZE_MAX;
    *out_span = (struct mw_span){.octets = MW_EMPTY};
    if (dots->is_binary && in.len > 0) {
        give(dots, out_span, in, dots->octets == 0);
        at = in.len;
    }
    while (at < in.len && out_span->octets.len == 0 && !dots->is_done) {
        char octet = in.ptr[at];
        if (is_holding(dots)) {
            at += resolve(dots, policy, octet, out_span);
        } else if (octet == '.' && dots->state == START && !dots->is_bdat) {
            dots->state = START_DOT;
            behind_dot = ++at;
        } else if (octet == '\n') {
            at += take_bare_lfs(dots, policy, mw_slice_skip(in, at), out_span);
        } else if (octet == '\r' && at + 1 == in.len) {
            dots->state = at_start(dots) ? START_CR : INSIDE_CR;
            at++;
        } else {
            bool at_line_start = at_start(dots);
            size_t end = content_run(dots, policy, in, at);
            give(dots, out_span, MW_SLICE(in.ptr + at, end - at), at_line_start);
            out_span->has_wire_dot = at == behind_dot;
            at = end;
        }
    }
    *out_used = at;
}

void mw_dots_finish_bdat(struct mw_dots *dots, const struct mw_dots_policy *policy,
                         struct mw_span *out_span)
{
    *out_span = (struct mw_span){.octets = MW_EMPTY};
    if (dots->state == START_CR || dots->state == INSIDE_CR) {
        give(dots, out_span, MW_LIT("\r"), dots->state == START_CR);
        on_bare_cr(dots, policy);
    }
    lax_line_end(dots, LAX_NONE); /* the writer may have to add the last line's end */
    dots->is_done = true;
}

/* ---- Putting content on the wire ---- */

/* Small pieces are borrowed one by one while they are few (a dot here, a bare LF there), and
 * gathered in copies once a run of them shows that this is not mail: a queue piece costs more than
 * the octets it points to. */
enum { SMALL_PIECE = 128, SMALL_RUN_MAX = 8 };

static void put(struct mw_stuffer *stuffer, struct mw_queue *out, struct mw_slice octets)
{
    if (octets.len == 0)
        return;
    bool continues = octets.ptr == stuffer->end; /* the queue joins it to the piece before */
    stuffer->end = octets.ptr + octets.len;
    if (octets.len > SMALL_PIECE || continues)
        stuffer->small_run = 0;
    else if (stuffer->small_run < SMALL_RUN_MAX)
        stuffer->small_run++;
    if (stuffer->small_run == SMALL_RUN_MAX)
        mw_queue_add(out, octets);
    else
        mw_queue_borrow(out, octets);
}

enum { AT_START = 0, IN_LINE, BEHIND_CR };

/* Where the octets leave us, if they hold no bare LF. */
static uint8_t state_behind(uint8_t before, struct mw_slice octets)
{
    char last = octets.ptr[octets.len - 1];
    if (last == '\n') {
        bool has_cr = octets.len > 1 ? octets.ptr[octets.len - 2] == '\r' : before == BEHIND_CR;
        return has_cr ? AT_START : IN_LINE;
    }
    return last == '\r' ? BEHIND_CR : IN_LINE;
}

/* What the octet at `at` needs in front of it: a dot, a CR, or nothing. */
static struct mw_slice missing_before(const struct mw_stuffer *stuffer, char octet)
{
    if (octet == '.' && stuffer->state == AT_START)
        return MW_LIT(".");
    if (octet == '\n' && stuffer->state != BEHIND_CR)
        return MW_LIT("\r");
    return MW_EMPTY;
}

static void stuff_scanned(struct mw_stuffer *stuffer, struct mw_queue *out, struct mw_slice octets)
{
    size_t begin = 0, at = 0;
    while (at < octets.len) {
        char octet = octets.ptr[at];
        struct mw_slice missing = missing_before(stuffer, octet);
        if (missing.len > 0) {
            put(stuffer, out, MW_SLICE(octets.ptr + begin, at - begin));
            put(stuffer, out, missing);
            begin = at;
        }
        if (octet == '\n') {
            stuffer->state = AT_START;
            at++;
            continue;
        }
        size_t clean = clean_run(octets.ptr + at, octets.len - at, false);
        size_t run = clean > 0 ? clean : 1; /* NUL or a bare CR: content */
        stuffer->state = state_behind(stuffer->state, MW_SLICE(octets.ptr + at, run));
        at += run;
    }
    put(stuffer, out, MW_SLICE(octets.ptr + begin, at - begin));
}

void mw_stuff(struct mw_stuffer *stuffer, struct mw_queue *out, struct mw_span span, bool scan)
{
    if (span.octets.len == 0)
        return;
    if (scan) {
        stuff_scanned(stuffer, out, span.octets);
        return;
    }
    struct mw_slice octets = span.octets;
    if (octets.ptr[0] == '.' && stuffer->state == AT_START) {
        if (span.has_wire_dot) /* the same octet is there already: what is contiguous leaves as one
                                  piece */
            octets = MW_SLICE(octets.ptr - 1, octets.len + 1);
        else
            put(stuffer, out, MW_LIT("."));
    }
    put(stuffer, out, octets);
    stuffer->state = state_behind(stuffer->state, span.octets);
}

void mw_stuff_end(struct mw_stuffer *stuffer, struct mw_queue *out)
{
    /* behind a bare CR as well the whole CRLF is ours: completing somebody's CR would change what
     * it was */
    mw_queue_borrow(out, stuffer->state == AT_START ? MW_LIT(".\r\n") : MW_LIT("\r\n.\r\n"));
    *stuffer = (struct mw_stuffer){0};
}
