/* test_header.c - the header block: what is a field, what is body, edits, limits, and above all
 * that octets which nobody touched leave as they came, however the content was cut. RFC
 * 5322 2.2, 3.6, 4.5. */
#include "message/header.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "test.h"

static const struct mw_header_limits limits = {
    .size_max = 1 << 20, .fields_max = 25000, .hops_max = 100};

/* One message read from `text`, cut as `cuts` says: 0 whole, 1 octet by octet, else random pieces
 * seeded by it. */
struct reading {
    struct mw_arena arena;
    struct mw_headers headers;
    enum mw_err err;
    bool has_hops;
    struct mw_buf body;
};

static void put_out(void *user, struct mw_slice octets)
{
    mw_buf_put(user, octets);
}

static size_t next_cut(uint64_t cuts, uint64_t *random, size_t left)
{
    size_t len = cuts == 0   ? left
                 : cuts == 1 ? 1
                             : 1 + (size_t)(mw_test_random(random) % (cuts % 2 ? 7 : 200));
    return len < left ? len : left;
}

static void read_text_with(struct reading *reading, const struct mw_header_limits *with,
                           struct mw_slice text, uint64_t cuts)
{
    *reading = (struct reading){.err = MW_AGAIN};
    mw_headers_init(&reading->headers, &reading->arena);
    uint64_t random = cuts + 1;
    struct mw_slice given = MW_EMPTY;
    while (reading->err == MW_AGAIN && text.len > 0) {
        struct mw_slice piece = mw_slice_take(text, next_cut(cuts, &random, text.len));
        char *copy = malloc(piece.len); /* exact size, so that ASan sees one octet too many */
        memcpy(copy, piece.ptr, piece.len);
        size_t used = 0;
        reading->err = mw_headers_take(&reading->headers, with, MW_SLICE(copy, piece.len), &used,
                                       &given, &reading->has_hops);
        free(copy);
        text = mw_slice_skip(text, used);
        if (reading->err == MW_AGAIN && used != piece.len)
            abort();
    }
    if (reading->err == MW_AGAIN)
        mw_headers_finish(&reading->headers, &given);
    mw_buf_put(&reading->body, given);
    mw_buf_put(&reading->body, text);
}

static void read_text(struct reading *reading, struct mw_slice text, uint64_t cuts)
{
    read_text_with(reading, &limits, text, cuts);
}

static void end_reading(struct reading *reading)
{
    mw_headers_fini(&reading->headers);
    mw_arena_fini(&reading->arena);
    mw_buf_fini(&reading->body);
}

static struct mw_buf written(const struct reading *reading)
{
    struct mw_buf out = {0};
    mw_headers_write(&reading->headers, put_out, &out);
    return out;
}

#define CHECK_WRITTEN(reading, want)                                                               \
    do {                                                                                           \
        struct mw_buf out_ = written(reading);                                                     \
        struct mw_slice got_ = mw_buf_view(&out_);                                                 \
        if (!mw_slice_eq(got_, MW_LIT(want)))                                                      \
            mw_test_fail(__FILE__, __LINE__, "written '%.*s', want '%s'", (int)got_.len, got_.ptr, \
                         want);                                                                    \
        mw_buf_fini(&out_);                                                                        \
    } while (0)

/* ---- what is what ---- */

TEST(fields_of_a_plain_message_are_listed_and_body_is_left)
{
    struct reading r;
    read_text(
        &r, MW_LIT("Received: a\r\n\tb\r\nSubject:x\r\nX-Empty:\r\nsubject : two \r\n\r\nbody\r\n"),
        0);
    CHECK_INT(r.err, MW_OK);
    CHECK_INT(r.headers.count, 4);
    CHECK_INT(r.headers.received, 1);
    CHECK(r.headers.has_separator && r.headers.is_complete);
    CHECK_SLICE(mw_field_name(&r.headers.fields[0]), "Received");
    CHECK_SLICE(mw_field_value(&r.headers.fields[0]), " a\r\n\tb");
    CHECK_SLICE(mw_field_value(&r.headers.fields[1]), "x");
    CHECK_SLICE(mw_field_value(&r.headers.fields[2]), "");
    CHECK_SLICE(mw_field_name(&r.headers.fields[3]), "subject");
    CHECK_SLICE(mw_field_value(&r.headers.fields[3]), " two ");
    CHECK_INT(mw_headers_find(&r.headers, MW_LIT("SUBJECT"), 0), 1);
    CHECK_INT(mw_headers_find(&r.headers, MW_LIT("SUBJECT"), 2), 3);
    CHECK_INT(mw_headers_find(&r.headers, MW_LIT("SUBJECT"), 4), -1);
    CHECK_INT(mw_headers_find(&r.headers, MW_LIT("Subjec"), 0), -1);
    CHECK_SLICE(mw_buf_view(&r.body), "body\r\n");
    end_reading(&r);
}

/* content, number of fields, the body that must come out */
static const struct {
    const char *text;
    size_t fields;
    bool has_separator;
    const char *body;
} kinds[] = {
    {"", 0, false, ""},
    {"\r\n", 0, true, ""},
    {"\r\nA: b\r\n", 0, true, "A: b\r\n"},
    {"A: b\r\n", 1, false, ""},
    {"A: b", 1, false, ""},
    {"A:", 1, false, ""},
    {"A", 0, false, "A"},
    {"A: b\r\nC", 1, false, "C"},
    {"A: b\r\n\r", 1, false, "\r"},
    {"A: b\r\n\rC: d\r\n", 1, false, "\rC: d\r\n"},
    {"A: b\r\n ", 1, false, ""},
    {"A: b\r\n  \r\nC: d\r\n\r\n", 2, true, ""},  /* a line of blanks is folding */
    {" A: b\r\n\r\n", 0, false, " A: b\r\n\r\n"}, /* as in Postfix: body begins */
    {"no field\r\nA: b\r\n\r\n", 0, false, "no field\r\nA: b\r\n\r\n"},
    {"A: b\r\nno field\r\nC: d\r\n\r\n", 1, false, "no field\r\nC: d\r\n\r\n"},
    {": b\r\n", 0, false, ": b\r\n"},
    {"A b: c\r\n", 0, false, "A b: c\r\n"},
    {"A \t: c\r\n", 1, false, ""},
    {"\xc3\xa4: c\r\n", 0, false, "\xc3\xa4: c\r\n"},
    {"X\xff: c\r\n", 0, false, "X\xff: c\r\n"},
    {"X\x7f: c\r\n", 0, false, "X\x7f: c\r\n"},
    {"X\x01: c\r\n", 0, false, "X\x01: c\r\n"},
    {"!#$;\"@[]{}: c\r\n", 1, false, ""},
    {"From a@b Mon Jan 5\r\nA: b\r\n\r\nx", 1, true, "x"},
    {">From a@b\r\n>>From c\r\nA: b\r\n\r\nx", 1, true, "x"},
    {"From a@b\r\n folded\r\n", 0, false, " folded\r\n"},
    {"From a@b\r\nno field", 0, false, "no field"},
    {"From\ta@b\r\nA: b\r\n", 0, false, "From\ta@b\r\nA: b\r\n"},
    {"A: b\r\nFrom a@b Mon\r\nC: d\r\n", 1, false, "From a@b Mon\r\nC: d\r\n"},
    {"From : a@b\r\n\r\n", 1, true, ""},
    {"From : a@b\r\nFrom x\r\n", 1, false, "From x\r\n"},
    {"From a@b", 0, false, ""},
    {"From a@b\rX: y\r\nA: b\r\n\r\n", 0, false, "From a@b\rX: y\r\nA: b\r\n\r\n"},
    {"From a@b\r\n>From a\r\r\nA: b\r\n\r\n", 0, false, ">From a\r\r\nA: b\r\n\r\n"},
    {"From a@b\rX: y", 0, false, "From a@b\rX: y"},
    {"A: b\nC: d\n\nbody", 2, true, "body"}, /* binary messages: LF alone */
    {"A: b\n\r\nbody", 1, true, "body"},
    {"A: b\rC: d\r\n\r\n", 1, true, ""}, /* a bare CR is no line end */
};

TEST(lines_of_every_kind_at_every_cut_are_told_apart)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct mw_slice text = mw_slice_cstr(kinds[i].text);
        for (uint64_t cuts = 0; cuts < 12; cuts++) {
            struct reading r;
            read_text(&r, text, cuts);
            struct mw_buf out = written(&r);
            bool is_right = r.headers.count == kinds[i].fields &&
                            r.headers.has_separator == kinds[i].has_separator &&
                            mw_slice_eq(mw_buf_view(&r.body), mw_slice_cstr(kinds[i].body));
            if (!is_right)
                mw_test_fail(__FILE__, __LINE__, "case %zu, cuts %d: %zu fields, body '%.*s'", i,
                             (int)cuts, r.headers.count, (int)r.body.len, mw_buf_view(&r.body).ptr);
            mw_buf_put(&out, mw_buf_view(&r.body));
            if (!mw_slice_eq(mw_buf_view(&out), text))
                mw_test_fail(__FILE__, __LINE__, "case %zu, cuts %d: octets changed", i, (int)cuts);
            mw_buf_fini(&out);
            end_reading(&r);
        }
    }
}

TEST(nul_octets_stay_in_values_and_end_the_block_in_names)
{
    struct reading r;
    read_text(&r, MW_LIT("A: \0b\0\r\nC\0: d\r\n\r\n"), 1);
    CHECK_INT(r.headers.count, 1);
    CHECK(mw_slice_eq(mw_field_value(&r.headers.fields[0]), MW_LIT(" \0b\0")));
    CHECK(mw_slice_eq(mw_buf_view(&r.body), MW_LIT("C\0: d\r\n\r\n")));
    end_reading(&r);
}

TEST(message_id_folded_behind_its_colon_is_found)
{
    struct reading r;
    read_text(&r, MW_LIT("message-id:\r\n  <x@y> \r\n\r\n"), 0);
    CHECK_SLICE(mw_headers_message_id(&r.headers), "<x@y>");
    end_reading(&r);
    read_text(&r, MW_LIT("Subject: x\r\n\r\n"), 0);
    CHECK_SLICE(mw_headers_message_id(&r.headers), "");
    end_reading(&r);
}

/* ---- limits ---- */

TEST(limits_are_reached_at_the_same_place_for_every_cut)
{
    static const struct {
        const char *text;
        struct mw_header_limits limits;
        enum mw_err err;
        bool has_hops;
    } cases[] = {
        {"A: b\r\nC: d\r\n\r\n", {14, 2, 0}, MW_OK, false},
        {"A: b\r\nC: d\r\n\r\n", {13, 2, 0}, MW_ERR_LIMIT, false},
        {"A: b\r\nC: d\r\n\r\n", {12, 2, 0}, MW_ERR_LIMIT, false},
        {"A: b\r\nC: d\r\n\r\n", {3, 2, 0}, MW_ERR_LIMIT, false},
        {"A: b\r\nC: d\r\n\r\n", {100, 1, 0}, MW_ERR_LIMIT, false},
        {"A: b\r\nC: d\r\n\r\n", {0, 9, 0}, MW_ERR_LIMIT, false},
        {"Received: a\r\nReceived: b\r\n\r\n", {100, 9, 2}, MW_OK, false},
        {"Received: a\r\nRECEIVED : b\r\n\r\n", {100, 9, 1}, MW_ERR_LIMIT, true},
        {"Received: a\r\nReceived-SPF: b\r\n\r\n", {100, 9, 1}, MW_OK, false},
        {"Received: a\r\nReceived: bbbbbbbbb\r\n", {23, 9, 1}, MW_ERR_LIMIT, true},
        {"A: b\r\nlong line of the body, not counted\r\n", {11, 9, 0}, MW_OK, false},
        {"A: b\r\nlonglonglonglonglong not a field\r\n", {10, 9, 0}, MW_ERR_LIMIT, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (uint64_t cuts = 0; cuts < 20; cuts++) {
            struct reading r;
            read_text_with(&r, &cases[i].limits, mw_slice_cstr(cases[i].text), cuts);
            if (r.err != cases[i].err || r.has_hops != cases[i].has_hops)
                mw_test_fail(__FILE__, __LINE__, "case %zu, cuts %d: %d %d", i, (int)cuts, r.err,
                             r.has_hops);
            if (r.headers.block.len > cases[i].limits.size_max + 1)
                mw_test_fail(__FILE__, __LINE__, "case %zu: copied %zu", i, r.headers.block.len);
            struct mw_slice rest;
            mw_headers_finish(&r.headers, &rest); /* must be safe after a limit */
            mw_headers_message_id(&r.headers);
            end_reading(&r);
        }
}

/* ---- byte-exactness and independence of cuts ---- */

static bool is_same_reading(const struct reading *a, const struct reading *b)
{
    if (a->headers.count != b->headers.count || a->headers.received != b->headers.received ||
        a->headers.has_separator != b->headers.has_separator ||
        !mw_slice_eq(mw_buf_view(&a->body), mw_buf_view(&b->body)))
        return false;
    for (size_t i = 0; i < a->headers.count; i++)
        if (!mw_slice_eq(a->headers.fields[i].raw, b->headers.fields[i].raw) ||
            a->headers.fields[i].name_len != b->headers.fields[i].name_len)
            return false;
    return true;
}

static bool is_exact(const struct reading *reading, struct mw_slice text)
{
    struct mw_buf out = written(reading);
    mw_buf_put(&out, mw_buf_view(&reading->body));
    bool is_equal = mw_slice_eq(mw_buf_view(&out), text);
    mw_buf_fini(&out);
    return is_equal;
}

static bool is_sound(struct mw_slice text, uint64_t rounds)
{
    struct reading whole;
    read_text(&whole, text, 0);
    bool is_good = is_exact(&whole, text);
    for (uint64_t cuts = 1; cuts < rounds && is_good; cuts++) {
        struct reading pieces;
        read_text(&pieces, text, cuts);
        is_good = is_exact(&pieces, text) && is_same_reading(&whole, &pieces);
        end_reading(&pieces);
    }
    end_reading(&whole);
    return is_good;
}

/* Content as the session hands it in: bare LF made CRLF. */
static struct mw_buf canonical(struct mw_slice text)
{
    struct mw_buf out = {0};
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n' && (i == 0 || text.ptr[i - 1] != '\r'))
            mw_buf_putc(&out, '\r');
        mw_buf_putc(&out, text.ptr[i]);
    }
    return out;
}

static void check_file(const char *path, int *files)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return;
    static char data[1 << 19];
    struct mw_slice text = MW_SLICE(data, fread(data, 1, sizeof data, file));
    fclose(file);
    struct mw_buf content = canonical(text);
    if (!is_sound(text, 8) || !is_sound(mw_buf_view(&content), 8))
        mw_test_fail(__FILE__, __LINE__, "%s: octets or fields depend on the cuts", path);
    mw_buf_fini(&content);
    ++*files;
}

TEST(messages_of_the_corpus_in_random_pieces_are_exact)
{
    const char *root = MW_TEST_SOURCE_DIR "/../shared/corpus";
    struct dirent **folders = NULL;
    int count = scandir(root, &folders, NULL, alphasort), files = 0;
    for (int i = 0; i < count; i++) {
        char folder[4096];
        snprintf(folder, sizeof folder, "%s/%s", root, folders[i]->d_name);
        DIR *dir = folders[i]->d_name[0] == '.' ? NULL : opendir(folder);
        for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
            char path[8192];
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            if (strstr(entry->d_name, ".eml") != NULL)
                check_file(path, &files);
        }
        if (dir != NULL)
            closedir(dir);
        free(folders[i]);
    }
    free(folders);
    if (files == 0)
        printf("notice: no corpus beside the repository, skipped\n");
    else
        printf("%d messages\n", files);
}

TEST(random_soup_of_line_pieces_is_exact)
{
    static const struct mw_slice parts[] = {
        MW_LIT("\r\n"), MW_LIT("\r"),        MW_LIT("\n"), MW_LIT("A: b\r\n"), MW_LIT(":"),
        MW_LIT(" "),    MW_LIT("\t"),        MW_LIT("\0"), MW_LIT("From "),    MW_LIT(">"),
        MW_LIT("\xff"), MW_LIT("Received:"), MW_LIT("a"),  MW_LIT("\r\n "),    MW_LIT("X-y:z\r\n"),
    };
    uint64_t random = 4711;
    for (int round = 0; round < 3000; round++) {
        struct mw_buf text = {0};
        for (uint64_t n = mw_test_random(&random) % 24; n > 0; n--)
            mw_buf_put(&text, parts[mw_test_random(&random) % (sizeof parts / sizeof *parts)]);
        if (!is_sound(mw_buf_view(&text), 6))
            mw_test_fail(__FILE__, __LINE__, "round %d: '%.*s'", round, (int)text.len,
                         mw_buf_view(&text).ptr);
        mw_buf_fini(&text);
    }
}

TEST(twenty_thousand_fields_and_enormous_lines_are_exact)
{
    struct mw_buf text = {0};
    for (int i = 0; i < 20000; i++)
        mw_buf_putf(&text, "X-%d: v\r\n", i);
    CHECK(is_sound(mw_buf_view(&text), 3));
    mw_buf_fini(&text);
    mw_buf_put(&text, MW_LIT("Subject:"));
    for (int i = 0; i < 200000; i++)
        mw_buf_putc(&text, (char)('a' + i % 26));
    mw_buf_put(&text, MW_LIT("\r\n\r\nbody"));
    CHECK(is_sound(mw_buf_view(&text), 3));
    mw_buf_fini(&text);
}

static double seconds_for(struct mw_slice text, uint64_t cuts)
{
    struct timespec from, to;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    struct reading r;
    read_text(&r, text, cuts);
    end_reading(&r);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

/* A quadratic reader needs minutes for these; the bound is loose enough for a sanitizer on a busy
 * machine. */
TEST(a_quarter_mebibyte_in_single_octets_takes_linear_time)
{
    static const char *const units[] = {"a", "a:b\r\n", "A: b\r\n c\r\n", "A : b\r\n"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct mw_buf text = {0};
        while (text.len < 256 * 1024)
            mw_buf_put(&text, mw_slice_cstr(units[i]));
        CHECK(seconds_for(mw_buf_view(&text), 1) < 2.0);
        mw_buf_fini(&text);
    }
    struct mw_buf blanks = {0};
    mw_buf_put(&blanks, MW_LIT("A"));
    while (blanks.len < 256 * 1024)
        mw_buf_putc(&blanks, ' ');
    CHECK(seconds_for(mw_buf_view(&blanks), 1) < 2.0);
    mw_buf_fini(&blanks);
}

/* ---- edits ---- */

TEST(edits_leave_the_other_fields_octets_alone)
{
    struct reading r;
    read_text(&r, MW_LIT("From x\r\nA : b\r\n\tc\r\nB:d\r\nC:  e \r\n\r\nbody"), 0);
    struct mw_headers *h = &r.headers;
    CHECK_INT(mw_headers_insert(h, 0, MW_LIT("X-First"), MW_LIT("1")), MW_OK);
    CHECK_INT(mw_headers_insert(h, h->count, MW_LIT("X-Last"), MW_LIT(" 2")), MW_OK);
    CHECK_WRITTEN(&r, "From x\r\nX-First: 1\r\nA : b\r\n\tc\r\nB:d\r\nC:  e \r\nX-Last: 2\r\n\r\n");
    CHECK_INT(mw_headers_change(h, 2, MW_LIT("new\n folded\r\n\ttwice")), MW_OK);
    CHECK_INT(mw_headers_change(h, 1, MW_LIT("")), MW_OK);
    CHECK_INT(mw_headers_delete(h, 3), MW_OK);
    CHECK_WRITTEN(
        &r, "From x\r\nX-First: 1\r\nA: \r\nB: new\r\n folded\r\n\ttwice\r\nX-Last: 2\r\n\r\n");
    CHECK(h->fields[0].is_added && h->fields[2].is_changed && !h->fields[2].is_added);
    CHECK_INT(mw_headers_delete(h, 4), MW_ERR_NOENT);
    CHECK_INT(mw_headers_change(h, 4, MW_LIT("x")), MW_ERR_NOENT);
    CHECK_INT(mw_headers_insert(h, 5, MW_LIT("X"), MW_LIT("x")), MW_ERR_NOENT);
    end_reading(&r);
}

TEST(values_that_would_break_out_of_their_field_are_refused)
{
    static const struct mw_slice bad[] = {
        MW_LIT("a\nB: c"),   MW_LIT("a\r\nB: c"), MW_LIT("a\n"),       MW_LIT("a\r\n"),
        MW_LIT("a\rb"),      MW_LIT("a\r"),       MW_LIT("a\r\r\n b"), MW_LIT("a\n\n b"),
        MW_LIT("a\0b"),      MW_LIT("\0"),        MW_LIT("\n"),        MW_LIT("\r\n\r\nbody"),
        MW_LIT("a\n b\nC:"),
    };
    static const struct mw_slice bad_names[] = {
        MW_LIT(""),   MW_LIT("a b"), MW_LIT("a:"),   MW_LIT("a\r\nb"),
        MW_LIT("\0"), MW_LIT("a\t"), MW_LIT("\xe4"), MW_LIT("a\x7f"),
    };
    struct reading r;
    read_text(&r, MW_LIT("A: b\r\n\r\n"), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_INT(mw_headers_insert(&r.headers, 0, MW_LIT("X"), bad[i]), MW_ERR_SYNTAX);
        CHECK_INT(mw_headers_change(&r.headers, 0, bad[i]), MW_ERR_SYNTAX);
    }
    for (size_t i = 0; i < sizeof bad_names / sizeof *bad_names; i++)
        CHECK_INT(mw_headers_insert(&r.headers, 0, bad_names[i], MW_LIT("x")), MW_ERR_SYNTAX);
    CHECK(!r.headers.is_edited);
    CHECK_WRITTEN(&r, "A: b\r\n\r\n");
    CHECK_INT(mw_headers_insert(&r.headers, 0, MW_LIT("X"), MW_LIT("\n a")), MW_OK);
    CHECK_WRITTEN(&r, "X:\r\n a\r\nA: b\r\n\r\n");
    end_reading(&r);
}

TEST(edits_beyond_their_limits_are_refused)
{
    struct reading r;
    struct mw_header_limits few = {.size_max = 1000, .fields_max = 3, .hops_max = 9};
    read_text_with(&r, &few, MW_LIT("A: b\r\n\r\n"), 0);
    char *big = calloc(1, 70000);
    memset(big, 'x', 70000);
    CHECK_INT(mw_headers_insert(&r.headers, 0, MW_LIT("X"), MW_SLICE(big, 65537)), MW_ERR_LIMIT);
    CHECK_INT(mw_headers_insert(&r.headers, 0, MW_SLICE(big, 999), MW_LIT("x")), MW_ERR_LIMIT);
    CHECK_INT(mw_headers_change(&r.headers, 0, MW_SLICE(big, 65536)), MW_OK);
    for (int i = 1; i < 203; i++)
        CHECK_INT(mw_headers_insert(&r.headers, 0, MW_LIT("X"), MW_LIT("x")), MW_OK);
    CHECK_INT(mw_headers_insert(&r.headers, 0, MW_LIT("X"), MW_LIT("x")), MW_ERR_LIMIT);
    free(big);
    end_reading(&r);
}

TEST(edited_block_without_separator_gets_one)
{
    struct reading r;
    read_text(&r, MW_LIT("A: b\r\nno field\r\n"), 0);
    CHECK_WRITTEN(&r, "A: b\r\n");
    CHECK_INT(mw_headers_insert(&r.headers, 1, MW_LIT("X"), MW_LIT("y")), MW_OK);
    CHECK_WRITTEN(&r, "A: b\r\nX: y\r\n\r\n");
    CHECK_INT(mw_headers_delete(&r.headers, 0), MW_OK);
    CHECK_INT(mw_headers_delete(&r.headers, 0), MW_OK);
    CHECK_WRITTEN(&r, "");
    end_reading(&r);
    read_text(&r, MW_LIT("A: cut off"), 0);
    CHECK_INT(mw_headers_insert(&r.headers, 1, MW_LIT("X"), MW_LIT("y")), MW_OK);
    CHECK_WRITTEN(&r, "A: cut off\r\nX: y\r\n\r\n");
    end_reading(&r);
    read_text(&r, MW_LIT("From cut off"), 0);
    CHECK_INT(mw_headers_insert(&r.headers, 0, MW_LIT("X"), MW_LIT("y")), MW_OK);
    CHECK_WRITTEN(&r, "From cut off\r\nX: y\r\n\r\n");
    end_reading(&r);
    read_text(&r, MW_LIT("\r\nbody"), 0);
    CHECK_INT(mw_headers_insert(&r.headers, 0, MW_LIT("X"), MW_LIT("y")), MW_OK);
    CHECK_WRITTEN(&r, "X: y\r\n\r\n");
    end_reading(&r);
    read_text(&r, MW_LIT("A: b\n\nbody"), 0);
    CHECK_INT(mw_headers_insert(&r.headers, 0, MW_LIT("X"), MW_LIT("y")), MW_OK);
    CHECK_WRITTEN(&r, "X: y\r\nA: b\n\n");
    end_reading(&r);
}

TEST(decoded_value_is_computed_once_and_again_after_a_change)
{
    struct reading r;
    read_text(&r, MW_LIT("Subject: =?utf-8?q?caf=C3=A9?=\r\n\t x \r\n\r\n"), 0);
    struct mw_slice first = mw_field_decoded(&r.headers, 0);
    CHECK_SLICE(first, "caf\xc3\xa9\t x");
    CHECK(mw_field_decoded(&r.headers, 0).ptr == first.ptr);
    CHECK_INT(mw_headers_change(&r.headers, 0, MW_LIT("plain")), MW_OK);
    CHECK_SLICE(mw_field_decoded(&r.headers, 0), "plain");
    end_reading(&r);
}

/* The short way for plain values must not be told from the long one. */
TEST(plain_values_decode_as_the_decoder_says)
{
    static const char *const values[] = {
        " a",     "a",   "",         "  ",      " a\t b  c ",     " =?",    " x=?utf-8?q?y?=",
        " a?=b=", "\tq", " caf\xe9", " a\x01z", " <x@y.example>", " =\x3f", " a =? b"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[80];
        snprintf(text, sizeof text, "S:%s\r\n\r\n", values[i]);
        struct reading r;
        read_text(&r, mw_slice_cstr(text), 0);
        struct mw_buf want = {0};
        mw_header_decode(mw_slice_cstr(values[i]), 200, &want);
        struct mw_slice trimmed = mw_slice_trim(mw_buf_view(&want));
        bool same = mw_slice_eq(mw_field_decoded(&r.headers, 0), trimmed);
        mw_buf_fini(&want);
        end_reading(&r);
        CHECK(same);
    }
}
