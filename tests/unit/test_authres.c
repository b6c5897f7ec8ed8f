/* test_authres.c - whose an Authentication-Results field could be taken for, and how ours is
 * written. */
#include "message/authres.h"
#include "test.h"

static const struct mw_slice ids[] = {MW_LIT("mx.example.org"), MW_LIT("xn--bcher-kva.example")};

static bool is_own(struct mw_slice value)
{
    return mw_authres_is_own(value, ids, sizeof ids / sizeof *ids);
}

#define CHECK_ALL(values, want)                                                               \
    do {                                                                                      \
        for (size_t i_ = 0; i_ < sizeof(values) / sizeof *(values); i_++) {                   \
            if (is_own((values)[i_]) == (want))                                               \
                continue;                                                                     \
            mw_test_fail(__FILE__, __LINE__, "[%zu] '%.*s' is %s", i_, (int)(values)[i_].len, \
                         (values)[i_].ptr, (want) ? "not ours" : "ours");                     \
            return;                                                                           \
        }                                                                                     \
    } while (0)

/* ---- whose ---- */

TEST(own_id_is_seen_in_every_well_formed_spelling)
{
    static const struct mw_slice values[] = {
        MW_LIT(" mx.example.org; spf=pass"),
        MW_LIT("mx.example.org"),
        MW_LIT(" mx.example.org ; none"),
        MW_LIT(" MX.Example.ORG;none"),
        MW_LIT("\r\n\tmx.example.org;\r\n\tspf=pass"),
        MW_LIT(" mx.example.org 1; spf=pass"),
        MW_LIT(" mx.example.org/1; spf=pass"),
        MW_LIT(" mx.example.org / 1; spf=pass"),
        MW_LIT(" mx.example.org(c)1(c);"),
        MW_LIT(" (a comment) mx.example.org; spf=pass"),
        MW_LIT(" (a (nested (one))) (two)mx.example.org(three); spf=pass"),
        MW_LIT(" (with \\) and \\( and \"quotes\") mx.example.org; spf=pass"),
        MW_LIT(" (folded\r\n ) \r\n mx.example.org\r\n ; spf=pass"),
        MW_LIT(" \"mx.example.org\"; spf=pass"),
        MW_LIT(" \"mx\\.exa\\mple.org\"; spf=pass"),
        MW_LIT(" \"mx.example.org\" 1; spf=pass"),
        MW_LIT(" \"\r\n mx.example.org \"; spf=pass"),
        MW_LIT(" mx.example.org.; spf=pass"),
        MW_LIT(" \"mx.example.org.\"; spf=pass"),
        MW_LIT(" xn--bcher-kva.example; spf=pass"),
        MW_LIT(" XN--BCHER-kva.EXAMPLE; spf=pass"),
        MW_LIT(" b\xc3\xbc"
               "cher.example; spf=pass"),
        MW_LIT(" B\xc3\x9c"
               "CHER.example.; spf=pass"),
        MW_LIT(" \"b\xc3\xbc"
               "cher.example\"; spf=pass"),
    };
    CHECK_ALL(values, true);
}

TEST(foreign_ids_are_not_ours)
{
    static const struct mw_slice values[] = {
        MW_LIT(""),
        MW_LIT(" "),
        MW_LIT(";"),
        MW_LIT(" mx.example.net; spf=pass smtp.mailfrom=mx.example.org"),
        MW_LIT(" mx.example.net (mx.example.org); spf=pass"),
        MW_LIT(" (mx.example.org) mx.example.net; spf=pass"),
        MW_LIT(" a.mx.example.org; spf=pass"),
        MW_LIT(" mx.example.org.example.net; spf=pass"),
        MW_LIT(" xmx.example.org; none"),
        MW_LIT(" example.org; none"),
        MW_LIT(" \"mx.example.org.net\"; none"),
        MW_LIT(" mx.example.net; (mx.example.org"),
        MW_LIT(" mx.example.net 1; \"mx.example.org"),
        /* as some senders write it, without an id */
        MW_LIT(" spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=mx.example.org; dkim=none"),
        MW_LIT(" bucher.example; spf=pass"),
        MW_LIT(" b\xfc"
               "cher.example; spf=pass"),
        MW_LIT(" m\xc3\xa4x.example.org; spf=pass"),
        MW_LIT(" (by mx.example.org; or so) mx.example.net; spf=pass"),
        MW_LIT(" (mx.example.org; spf=pass) mx.example.net; spf=pass"),
        MW_LIT(" \"mx.example.net; mx.example.org\"; spf=pass"),
        MW_LIT(" mx.example.net; mx.example.org; spf=pass"),
        MW_LIT("; mx.example.net; mx.example.org"),
        MW_LIT(" mx\xc2\xa0.example.org; spf=pass"),
    };
    CHECK_ALL(values, false);
}

TEST(broken_values_are_ours_where_any_reader_could_think_so)
{
    static const struct mw_slice values[] = {
        MW_LIT(" (mx.example.org; spf=pass"), /* no end of the comment */
        MW_LIT(" (a) (b mx.example.org) (mx.example.org; spf=pass"),
        MW_LIT(" \"mx.example.org; spf=pass"), /* nor of the quoted string */
        MW_LIT(" mx.example.org\"; spf=pass"),
        MW_LIT(" mx.example.org spf=pass"), /* no ";" */
        MW_LIT(" mx.example.org, spf=pass"),
        MW_LIT(" mx.example.org\0; spf=pass"),
        MW_LIT("\x01mx.example.org; spf=pass"),
        MW_LIT(" mx.exam\0ple.org; spf=pass"),
        MW_LIT(" mx.example\\.org; spf=pass"),
        MW_LIT(" mx.exam(c)ple.org; spf=pass"),      /* a reader that takes comments out */
        MW_LIT(" \"mx.exam\"\"ple.org\"; spf=pass"), /* ... or quotes */
        MW_LIT(" mx.exam\r\n ple.org; spf=pass"),    /* ... or folds */
        MW_LIT(" (a (b) mx.example.org ) x.example; spf=pass"), /* does not know nesting */
        MW_LIT(" (a \\) mx.example.org ) x.example; spf=pass"), /* nor quoted pairs */
        MW_LIT(" =?utf-8?q?mx=2Eexample=2Eorg?=; spf=pass"),    /* decodes first */
        MW_LIT(" =?utf-8?b?bXguZXhhbXBsZS5vcmc7IHNwZj1wYXNz?="),
        MW_LIT(" mx.example.org@x; none"),
        MW_LIT(" \xef\xbb\xbfmx.example.org; none"), /* a mark that IDNA takes out */
        MW_LIT(" \xef\xbd\x8dx.example.org; none"),  /* a letter of full width */
        /* a reader that cuts at each ";" first, and takes quotes off what it has */
        MW_LIT(" \"mx.example.org; x\"; spf=pass"),
        MW_LIT(" \"mx.example.org;\" x.example; spf=pass"),
        MW_LIT(" (a) \"mx.example.org ; x\"; spf=pass"),
        /* ... and leaves out empty pieces */
        MW_LIT("; mx.example.org; spf=pass"),
        MW_LIT(" ; ;; (c) ; mx.example.org; spf=pass"),
        MW_LIT("(c);mx.example.org"),
        MW_LIT(" mx.exam\xffple.org; none"), /* a decoder that ignores what is no UTF-8 */
        MW_LIT(" \xfcmx.example.org; none"),
        MW_LIT(" \xc2\xa0mx.example.org; none"), /* blanks that a trimmer takes off */
        MW_LIT(" mx.example.org\xc2\xa0x; none"),
        MW_LIT(" \xe2\x80\x83\xe3\x80\x80mx.example.org\xe2\x80\xa8; none"),
        MW_LIT(" \"\xe2\x81\x9fmx.example.org\"; none"),
    };
    CHECK_ALL(values, true);
}

TEST(places_are_bounded_and_the_safe_side_is_ours)
{
    struct mw_buf value = {0};
    for (int i = 0; i < 20; i++)
        mw_buf_put(&value, MW_LIT("(x) "));
    mw_buf_put(&value, MW_LIT("mx.example.net; none"));
    CHECK(!is_own(mw_buf_view(&value)));
    value.len = 0;
    for (int i = 0; i < 200; i++)
        mw_buf_put(&value, MW_LIT("(x) "));
    mw_buf_put(&value, MW_LIT("mx.example.net; none"));
    CHECK(is_own(mw_buf_view(&value)));
    mw_buf_fini(&value);
}

TEST(no_ids_no_owner)
{
    CHECK(!mw_authres_is_own(MW_LIT(" mx.example.org; none"), NULL, 0));
}

TEST(ids_are_host_names_in_one_form)
{
    struct mw_arena arena = {0};
    struct mw_slice id;
    CHECK(mw_authres_id(MW_LIT("MX.Example.org."), &arena, &id));
    CHECK_SLICE(id, "mx.example.org");
    CHECK(mw_authres_id(MW_LIT("B\xc3\xbc"
                               "cher.example"),
                        &arena, &id));
    CHECK_SLICE(id, "xn--bcher-kva.example");
    CHECK(mw_authres_id(MW_LIT("mail_1"), &arena, &id));
    static const struct mw_slice bad[] = {
        MW_LIT(""),     MW_LIT("."),          MW_LIT("a b"),      MW_LIT("a;b"),
        MW_LIT("a\0b"), MW_LIT("a\xff.test"), MW_LIT("\"a\""),    MW_LIT("-a"),
        MW_LIT("a/1"),  MW_LIT("a(b)"),       MW_LIT("a\r\nX:y"), MW_LIT("a@b"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!mw_authres_id(bad[i], &arena, &id));
    char longest[254];
    memset(longest, 'a', sizeof longest);
    CHECK(mw_authres_id(MW_SLICE(longest, 253), &arena, &id));
    CHECK(!mw_authres_id(MW_SLICE(longest, 254), &arena, &id));
    mw_arena_fini(&arena);
}

/* ---- a whole header ---- */

static struct mw_headers headers;
static struct mw_arena memory;

static void read_block(const char *block)
{
    static const struct mw_header_limits limits = {65536, 1000, 50};
    size_t used;
    struct mw_slice body;
    bool has_hops;
    mw_headers_init(&headers, &memory);
    if (mw_headers_take(&headers, &limits, mw_slice_cstr(block), &used, &body, &has_hops) != MW_OK)
        mw_headers_finish(&headers, &body);
}

static void put(void *user, struct mw_slice octets)
{
    mw_buf_put(user, octets);
}

#define CHECK_STRIPPED(block, want_count, want)                    \
    do {                                                           \
        struct mw_buf out_ = {0};                                  \
        read_block(block);                                         \
        CHECK_INT(mw_authres_strip(&headers, ids, 2), want_count); \
        CHECK_INT(headers.is_edited, (want_count) > 0);            \
        mw_headers_write(&headers, put, &out_);                    \
        CHECK_SLICE(mw_buf_view(&out_), want);                     \
        CHECK_INT(mw_authres_strip(&headers, ids, 2), 0);          \
        mw_buf_fini(&out_);                                        \
        mw_headers_fini(&headers);                                 \
    } while (0)

TEST(forged_fields_go_and_the_rest_stays_octet_by_octet)
{
    CHECK_STRIPPED("Subject: x\r\n"
                   "Authentication-Results: mx.example.org; spf=pass\r\n"
                   "AUTHENTICATION-results : foreign.example;\r\n\tspf = pass \r\n"
                   "authentication-Results \t: (x)\r\n MX.EXAMPLE.org; spf=pass\r\n"
                   "X-Authentication-Results: mx.example.org; spf=pass\r\n"
                   "To:y\r\n\r\n",
                   2,
                   "Subject: x\r\n"
                   "AUTHENTICATION-results : foreign.example;\r\n\tspf = pass \r\n"
                   "X-Authentication-Results: mx.example.org; spf=pass\r\n"
                   "To:y\r\n\r\n");
    CHECK_STRIPPED("Authentication-Results: mx.example.org; spf=pass\r\n\r\n", 1, "\r\n");
    CHECK_STRIPPED("Authentication-Results: other.example; spf=pass\r\n\r\n", 0,
                   "Authentication-Results: other.example; spf=pass\r\n\r\n");
    CHECK_STRIPPED("Subject: x\r\n\r\n", 0, "Subject: x\r\n\r\n");
    mw_arena_fini(&memory);
}

/* ---- behind a header that has no end ---- */

/* Cut behind every octet, and in pieces of `size`. */
static bool watch_pieces(struct mw_slice text, size_t size)
{
    struct mw_authres_watch watch = {0};
    for (size_t at = 0; at < text.len; at += size)
        mw_authres_watch(&watch, mw_slice_take(mw_slice_skip(text, at), size), ids, 2);
    bool has_own = mw_authres_watch_end(&watch, ids, 2);
    mw_authres_watch_fini(&watch);
    return has_own;
}

static void check_watched(const char *text, bool wanted, const char *file, int line)
{
    struct mw_slice octets = mw_slice_cstr(text);
    for (size_t size = 1; size <= octets.len; size++)
        if (watch_pieces(octets, size) != wanted)
            mw_test_fail(file, line, "pieces of %zu: %s", size, text);
}
#define CHECK_WATCHED(text, wanted) check_watched(text, wanted, __FILE__, __LINE__)

TEST(fields_behind_a_header_without_an_end_are_seen)
{
    CHECK_WATCHED("no field\r\nAuthentication-Results: mx.example.org; none\r\n\r\nx\r\n", true);
    CHECK_WATCHED("Authentication-Results: mx.example.org; none\r\n\r\n", true);
    CHECK_WATCHED(" x\r\nauthentication-results \t:\r\n\t(c)\r\n MX.example.ORG.\r\n; none", true);
    CHECK_WATCHED("x\nAuthentication-Results:\n mx.example.org", true);
    CHECK_WATCHED("From a@b\rAuthentication-Results: mx.example.org; none\r\nTo: y\r\n\r\n", true);
    CHECK_WATCHED("x\rAuthentication-Results: mx.example.org; none\ry", true);
    CHECK_WATCHED("x\r\r\nAuthentication-Results: mx.example.org; none", true);
    CHECK_WATCHED("x\r\n \r\nAuthentication-Results: mx.example.org; none", true);
    CHECK_WATCHED("Authentication-Results: other.example; none\r\n"
                  "Authentication-Results: mx.example.org; none\r\n",
                  true);
    CHECK_WATCHED(
        "Authentication-Results: other.example; none\rAuthentication-Results: mx.example.org\r\n",
        true);
    CHECK_WATCHED("Authentication-Results:\rmx.example.org; none\r\n", true);
    /* the empty line was before */
    CHECK_WATCHED("x\r\n\r\nAuthentication-Results: mx.example.org; none\r\n", false);
    CHECK_WATCHED("x\n\nAuthentication-Results: mx.example.org; none\r\n", false);
    CHECK_WATCHED("\r\nAuthentication-Results: mx.example.org; none\r\n", false);
    /* another's, another field, the middle of a line, a fold */
    CHECK_WATCHED("x\r\nAuthentication-Results: other.example;\r\n mx.example.org\r\n\r\n", false);
    CHECK_WATCHED(
        "X-Authentication-Results: mx.example.org\r\nAuthentication-Resultsx: mx.example.org",
        false);
    CHECK_WATCHED(
        "x Authentication-Results: mx.example.org\r\n Authentication-Results: mx.example.org",
        false);
    CHECK_WATCHED("Authentication-Results\r\n: mx.example.org; none\r\n", false);
    CHECK_WATCHED("", false);
}

TEST(what_is_watched_is_bounded)
{
    struct mw_buf text = {0};
    mw_buf_put(&text, MW_LIT("x\r\nAuthentication-Results: other.example; "));
    while (text.len < 16000)
        mw_buf_put(&text, MW_LIT("a=b; "));
    CHECK(!watch_pieces(mw_buf_view(&text), 1000));
    while (text.len < 17000) /* nobody writes such a field */
        mw_buf_put(&text, MW_LIT("a=b; "));
    CHECK(watch_pieces(mw_buf_view(&text), 1000));
    struct mw_authres_watch watch = {0};
    for (int i = 0; i < 1000; i++)
        mw_authres_watch(&watch, mw_buf_view(&text), ids, 2);
    CHECK(watch.line.cap <= 65536);
    mw_authres_watch_fini(&watch);
    mw_buf_fini(&text);
}

TEST(a_long_piece_of_lines_that_end_by_cr_costs_no_more_than_short_ones)
{
    struct mw_buf text = {0};
    mw_buf_put(&text, MW_LIT("no field"));
    while (text.len < 1 << 21)
        mw_buf_put(&text, MW_LIT("\rx"));
    double start = mw_test_cpu_s();
    CHECK(!watch_pieces(mw_buf_view(&text), 1024));
    double in_pieces = (mw_test_cpu_s() - start) * 1e3;
    start = mw_test_cpu_s();
    CHECK(!watch_pieces(mw_buf_view(&text), text.len));
    double at_once = (mw_test_cpu_s() - start) * 1e3;
    if (at_once >
        5 * in_pieces + 50) /* as much; a search for the LF at each CR takes 50 times that */
        mw_test_fail(__FILE__, __LINE__, "%.0f ms in one piece, %.0f in short ones", at_once,
                     in_pieces);
    mw_buf_fini(&text);
}

TEST(fields_behind_a_bare_cr_go_with_the_one_that_hides_them)
{
    CHECK_STRIPPED("Subject: x\rAuthentication-Results: mx.example.org; dkim=pass\r\nTo: y\r\n\r\n",
                   1, "To: y\r\n\r\n");
    CHECK_STRIPPED("A: x\r\n y\rB: z\rauthentication-RESULTS \t:\r mx.example.org\r; "
                   "spf=pass\r\nTo: y\r\n\r\n",
                   1, "To: y\r\n\r\n");
    CHECK_STRIPPED("Authentication-Results: other.example; none\r"
                   "Authentication-Results: \"mx.example.org\"; spf=pass\r\nTo: y\r\n\r\n",
                   1, "To: y\r\n\r\n");
    CHECK_STRIPPED("Subject: x\r\rAuthentication-Results:mx.example.org;\r\n\r\n", 1, "\r\n");
    /* of somebody else, folded by the CR, in the middle of a line */
    CHECK_STRIPPED("Subject: x\rAuthentication-Results: other.example; none\r\n"
                   "To: y\r Authentication-Results: mx.example.org; none\r\n"
                   "Cc: Authentication-Results: mx.example.org; none\r\r\n\r\n",
                   0,
                   "Subject: x\rAuthentication-Results: other.example; none\r\n"
                   "To: y\r Authentication-Results: mx.example.org; none\r\n"
                   "Cc: Authentication-Results: mx.example.org; none\r\r\n\r\n");
    mw_arena_fini(&memory);
}

static int views;
static void count_views(void *user, struct mw_slice octets)
{
    (void)user, (void)octets;
    views++;
}

TEST(header_without_forged_fields_leaves_as_one_view)
{
    read_block("Subject: x\r\nAuthentication-Results: other.example; none\r\nTo: y\r\n\r\n");
    CHECK_INT(mw_authres_strip(&headers, ids, 2), 0);
    views = 0;
    mw_headers_write(&headers, count_views, NULL);
    CHECK_INT(views, 1);
    mw_headers_fini(&headers);
    mw_arena_fini(&memory);
}

/* ---- writing ---- */

TEST(results_are_checked)
{
    static const struct mw_slice good[] = {
        MW_LIT("spf=pass"),
        MW_LIT("spf=fail (no (really) \\( such) reason=\"a (b \\\" c\" smtp.mailfrom=a@b.example"),
        MW_LIT(" dkim=pass header.d=example.net header.b=\"a/b=\" "),
    };
    static const struct mw_slice bad[] = {
        MW_LIT(""),
        MW_LIT("   "),
        MW_LIT("spf=pass; dkim=pass"),
        MW_LIT("spf=pass reason=\"; dkim=pass\""),
        MW_LIT("spf=pass (; dkim=pass)"),
        MW_LIT("spf=pass (open"),
        MW_LIT("spf=pass (open \\)"),
        MW_LIT("spf=pass closed)"),
        MW_LIT("spf=pass reason=\"open"),
        MW_LIT("spf=pass reason=\"open\\\""),
        MW_LIT("spf=pass\r\nX: y"),
        MW_LIT("spf=pass\tx"),
        MW_LIT("spf=pass\0"),
        MW_LIT("spf=pass \x7f"),
        MW_LIT("spf=pass \xc3\xbc"),
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK(mw_authres_problem(good[i], false) == NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(mw_authres_problem(bad[i], false) != NULL);
    CHECK(mw_authres_problem(MW_LIT("spf=pass \xc3\xbc"), true) == NULL);
    CHECK(mw_authres_problem(MW_LIT("spf=pass \xc3"), true) != NULL);
    char text[1001];
    memset(text, 'x', sizeof text);
    CHECK(mw_authres_problem(MW_SLICE(text, 990), false) == NULL);
    CHECK(mw_authres_problem(MW_SLICE(text, 991), false) != NULL); /* no place to fold it */
    text[500] = ' ';
    CHECK(mw_authres_problem(MW_SLICE(text, 1000), false) == NULL);
    CHECK(mw_authres_problem(MW_SLICE(text, 1001), false) != NULL);
}

TEST(long_results_are_folded_at_blanks)
{
    struct mw_buf out = {0};
    const struct mw_slice results[] = {
        MW_LIT("spf=pass"),
        MW_LIT("dkim=pass (2048-bit key) header.d=a.long.name.example.net header.i=@a.long.name."
               "example.net  header.s=selector"),
    };
    mw_authres_print(MW_LIT("mx.example.org"), results, 2, &out);
    CHECK_SLICE(mw_buf_view(&out), " mx.example.org;\r\n"
                                   "\tspf=pass;\r\n"
                                   "\tdkim=pass (2048-bit key) header.d=a.long.name.example.net\r\n"
                                   " header.i=@a.long.name.example.net  header.s=selector");
    mw_buf_fini(&out);
}

/* Random results, whatever passes the check: lines stay within bounds, unfolding gives them back. */
TEST(written_fields_unfold_to_what_was_given)
{
    static const char alphabet[] = "ab=.@ ()\"\\   x";
    uint64_t seed = 8601;
    for (int round = 0; round < 3000; round++) {
        char text[600];
        size_t len = mw_test_random(&seed) % sizeof text;
        for (size_t i = 0; i < len; i++)
            text[i] = alphabet[mw_test_random(&seed) % (sizeof alphabet - 1)];
        struct mw_slice result = mw_slice_trim(MW_SLICE(text, len)), line, rest;
        if (mw_authres_problem(result, false) != NULL)
            continue;
        struct mw_buf out = {0}, unfolded = {0};
        mw_authres_print(MW_LIT("a"), &result, 1, &out);
        rest = mw_slice_skip(mw_buf_view(&out), strlen(" a;\r\n\t"));
        while (mw_slice_split(rest, '\n', &line, &rest)) {
            CHECK(line.len <= 999 && line.ptr[line.len - 1] == '\r');
            CHECK(mw_slice_trim(mw_slice_take(line, line.len - 1)).len > 0);
            mw_buf_put(&unfolded, mw_slice_take(line, line.len - 1));
        }
        mw_buf_put(&unfolded, rest);
        CHECK(mw_slice_eq(mw_buf_view(&unfolded), result));
        mw_buf_fini(&out);
        mw_buf_fini(&unfolded);
    }
}
