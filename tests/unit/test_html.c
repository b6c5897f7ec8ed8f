/* test_html.c - what a reader sees of HTML, and where its links lead. */
#include "message/html.h"
#include "test.h"

#include <stdlib.h>
#include <time.h>

struct seen {
    struct mw_arena arena;
    struct mw_html html;
};

static void see(struct seen *seen, struct mw_slice html)
{
    *seen = (struct seen){0};
    mw_html_read(html, &seen->arena, &seen->html);
}

/* One line of a table: HTML, and what is seen of it. */
struct pair {
    const char *html, *want;
};

static void expect_all(const struct pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct seen seen;
        see(&seen, mw_slice_cstr(pairs[i].html));
        struct mw_slice got = seen.html.visible;
        if (!mw_slice_eq(got, mw_slice_cstr(pairs[i].want)))
            mw_test_fail(__FILE__, __LINE__, "%s: '%.*s', want '%s'", pairs[i].html, (int)got.len,
                         got.ptr, pairs[i].want);
        mw_arena_fini(&seen.arena);
    }
}
#define EXPECT_ALL(...)                                       \
    do {                                                      \
        static const struct pair pairs_[] = {__VA_ARGS__};    \
        expect_all(pairs_, sizeof pairs_ / sizeof pairs_[0]); \
    } while (0)

/* Links as "L url text" and "R url", one a line. */
static void expect_links(const char *html, const char *want)
{
    struct seen seen;
    struct mw_buf got = {0};
    see(&seen, mw_slice_cstr(html));
    for (size_t i = 0; i < seen.html.link_count; i++) {
        const struct mw_html_link *link = &seen.html.links[i];
        mw_buf_putc(&got, link->is_resource ? 'R' : 'L');
        mw_buf_putc(&got, ' ');
        mw_buf_put(&got, link->url);
        if (link->text.len > 0) {
            mw_buf_putc(&got, ' ');
            mw_buf_put(&got, link->text);
        }
        mw_buf_putc(&got, '\n');
    }
    if (!mw_slice_eq(mw_buf_view(&got), mw_slice_cstr(want)))
        mw_test_fail(__FILE__, __LINE__, "%s: '%.*s', want '%s'", html, (int)got.len, got.ptr,
                     want);
    mw_buf_fini(&got);
    mw_arena_fini(&seen.arena);
}

/* clang-format off */
TEST(text_white_space_is_one_blank)
{
    EXPECT_ALL({"", ""}, {"  \r\n\t ", ""}, {"  a  b\r\n\tc  ", "a b c"},
               {"a <b> b</b> <i>c </i> d", "a b c d"},
               {"a&#32;&#10;&Tab;b", "a b"},
               {"a&nbsp;b", "a\xc2\xa0" "b"});
}

TEST(text_blocks_begin_and_end_lines)
{
    EXPECT_ALL({"a<div>b</div>c", "a\nb\nc"}, {"a<br>b<br/><br />c", "a\nb\nc"},
               {"<p>a<p>b</p>c", "a\nb\nc"}, {"<h1>a</h1>b<hr>c", "a\nb\nc"},
               {"<ul><li>a<li>b</ul>c", "a\nb\nc"}, {"a</br>b</p>c", "a\nb\nc"},
               {"a<blockquote>b</blockquote>c", "a\nb\nc"},
               {"<table><tr><td>a<td>b<tr><td>c</table>d", "a b\nc\nd"},
               {"<table><tr><td>a</td><td>b</td></tr></table>", "a b"},
               {"<span style='display:block'>a</span>b", "a\nb"},
               {"<div style=display:inline>V</div><div style=display:inline>I</div>", "VI"},
               {"<select><option>a<option>b</select>", "a\nb"});
}

TEST(text_preformatted_keeps_line_ends)
{
    EXPECT_ALL({"<pre>a\nb  c</pre>d\ne", "a\nb c\nd e"}, {"<textarea>a\r\nb</textarea>", "a\nb"});
}

TEST(text_tags_in_words_do_not_break_them)
{
    EXPECT_ALL({"V<b></b>IAGRA", "VIAGRA"}, {"V<!-- x -->IAGRA", "VIAGRA"},
               {"V<font color=red>I</font>AGRA", "VIAGRA"}, {"V<zzz>IA</zzz>GRA", "VIAGRA"},
               {"V<img src=x width=1>IAGRA", "VIAGRA"}, {"V<?php ?>IA</>GRA", "VIAGRA"},
               {"V<wbr>IAGRA", "VIAGRA"}, {"V<![if !mso]>IAGRA<![endif]>", "VIAGRA"},
               {"V&zwnj;IAGRA", "V\xe2\x80\x8cIAGRA"}, {"V&shy;I", "V\xc2\xadI"});
}

TEST(text_nul_breaks_no_word)
{
    struct seen seen;
    see(&seen, MW_LIT("V\0IAG\0RA\0"));
    CHECK_SLICE(seen.html.visible, "VIAGRA");
    mw_arena_fini(&seen.arena);
}

TEST(text_octets_that_are_no_utf8_pass)
{
    EXPECT_ALL({"\xff" "a<b>\xc3</b>", "\xff" "a\xc3"}, {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"});
}

TEST(tokens_what_is_no_tag_is_text)
{
    EXPECT_ALL({"a < b", "a < b"}, {"1<2", "1<2"}, {"<", "<"}, {"a<", "a<"}, {"</", "</"},
               {"<3 you", "<3 you"}, {"< b>x", "< b>x"}, {"&", "&"}, {"a & b &; c", "a & b &; c"});
}

TEST(tokens_comments_end_in_all_their_ways)
{
    EXPECT_ALL({"a<!-->b", "ab"}, {"a<!--->b", "ab"}, {"a<!---->b", "ab"}, {"a<!--x--!>b", "ab"},
               {"a<!--x-- >b-->c", "ac"}, {"a<!--x->b-->c", "ac"}, {"a<!-- > -->b", "ab"},
               {"a<!---!>b-->c", "ac"}, {"a<!--!>b-->c", "ac"}, {"a<!--b", "a"},
               {"a<!-b>c", "ac"}, {"a<!x>b", "ab"}, {"a<!DOCTYPE x \">b", "ab"},
               {"a</ x>b", "ab"}, {"a</3>b", "ab"}, {"a<?x y='>'?>b", "a'?>b"},
               {"a<![CDATA[b]]>c", "ac"},
               {"<svg><![CDATA[a<b>]]></svg>c", "a<b>c"});
}

TEST(tokens_attributes_in_all_their_quotes)
{
    EXPECT_ALL({"<p a=\">\" b='>' c=d>x", "x"}, {"<p a = \"b>c\" >x", "x"},
               {"<p a='x\">y'>z", "z"}, {"<p =\">x", "x"}, {"<p a=>x", "x"}, {"<p/a/b=c/>x", "x"},
               {"<p a\n=\n'>'>x", "x"}, {"</p a='>'>x", "x"}, {"a<p b='", "a"}, {"a<p b", "a"},
               {"a<p", "a"}, {"<P HIDDEN>x</P>y", "y"});
}

TEST(tokens_of_equal_attributes_the_first_counts)
{
    expect_links("<a href=first href=second HREF=third>x</a>", "L first x\n");
    EXPECT_ALL({"<p style='color:red' style='display:none'>x", "x"},
               {"<p style='display:none' style='color:red'>x", ""});
}

TEST(tokens_raw_elements_hold_no_tags)
{
    EXPECT_ALL({"<script>a<b</script>c", "c"}, {"<script>'</scriptx>'</SCRIPT >c", "c"},
               {"<style>p{}</style>c", "c"}, {"<title>a</title>b", "b"},
               {"<textarea>&lt;<b>x</b></textarea>", "<<b>x</b>"},
               {"<xmp><b>&amp;</b></xmp>c", "<b>&amp;</b>\nc"}, {"<iframe><p>x</iframe>b", "b"},
               {"<noembed>x</noembed>b<noframes>y</noframes>c", "bc"},
               {"a<plaintext>b</plaintext>&amp;", "a\nb</plaintext>&amp;"},
               {"a<script>b", "a"}, {"a<style>b</style", "a"},
               {"<style><!-- </style> -->x", "-->x"});
}

TEST(tokens_script_hides_one_end_tag_in_a_comment)
{
    /* HTML 13.2.5.20 and following: "script data double escaped" */
    EXPECT_ALL({"<script><!--<script></script>x</script>y", "y"},
               {"<script><!--<script></script>--></script>y", "y"},
               {"<script><!-- --><script></script>y", "y"},
               {"<script><!--<script --></script>y", "y"},
               {"<script><!--></script>y", "y"},
               {"<script><!--</script>y", "y"});
}

TEST(references_numbers)
{
    EXPECT_ALL({"&#65;&#x42;&#X43&#68", "ABCD"}, {"&#0;", "\xef\xbf\xbd"},
               {"&#xD800;&#x110000;&#99999999999;", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
               {"&#128;&#x93;", "\xe2\x82\xac\xe2\x80\x9c"}, {"&#x1F4A9;", "\xf0\x9f\x92\xa9"},
               {"&#;&#x;&#xg", "&#;&#x;&#xg"}, {"&#0000000000000000000065;", "A"});
}

TEST(references_names)
{
    EXPECT_ALL({"&lt;b&gt;&amp;&quot;&apos;", "<b>&\"'"}, {"&ltb&gt", "<b>"},
               {"&notit; &notin;", "\xc2\xacit; \xe2\x88\x89"}, {"&nosuchname;", "&nosuchname;"},
               {"&CounterClockwiseContourIntegral;", "\xe2\x88\xb3"},
               {"&nGt;", "\xe2\x89\xab\xe2\x83\x92"}, {"&AMP;&Amp;", "&&Amp;"},
               {"&sup1;&sup;&sup1", "\xc2\xb9\xe2\x8a\x83\xc2\xb9"}, {"&Aacute;", "\xc3\x81"},
               {"&zwj;&zwnj;", "\xe2\x80\x8d\xe2\x80\x8c"}, {"&frac12x", "\xc2\xbdx"},
               {"&colon;&sol;&period;&commat;", ":/.@"}, {"&af", "&af"}, {"&amp;lt;", "&lt;"});
}

TEST(references_in_attributes_end_with_a_semicolon)
{
    /* HTML 13.2.5.73: for pages that wrote "?a=1&copy=2" */
    expect_links("<a href='?a=1&copy=2&amp=3&lt'>x</a>", "L ?a=1&copy=2&amp=3< x\n");
    expect_links("<a href='?a&copyb&copy;&#x63'>x</a>", "L ?a&copyb\xc2\xa9" "c x\n");
}

TEST(unescape_appends_within_the_cap)
{
    struct mw_buf out = {0};
    mw_buf_putc(&out, '>');
    mw_html_unescape(MW_LIT("a&lt;b&eacute;&bogus;&#33;&"), &out);
    CHECK_MEM(out.ptr, out.len, ">a<b\xc3\xa9&bogus;!&");
    mw_buf_fini(&out);
    out = MW_BUF_INIT(3);
    mw_html_unescape(MW_LIT("ab&eacute;c"), &out);
    CHECK_MEM(out.ptr, out.len, "ab");
    mw_buf_fini(&out);
}

TEST(hidden_by_inline_style)
{
    EXPECT_ALL({"a<i style='display:none'>b</i>c", "ac"}, {"a<i style='DISPLAY : NONE ;'>b</i>c", "ac"},
               {"a<i style='visibility:hidden'>b<u style='visibility:visible'>c</u></i>d", "acd"},
               {"a<i style='opacity:0'>b</i>c", "ac"}, {"a<i style='opacity:.0'>b</i>c", "ac"},
               {"a<i style='opacity:0.5'>b</i>c", "abc"}, {"a<i style='opacity:1%'>b</i>c", "ac"},
               {"a<i style='mso-hide:all'>b</i>c", "abc"}, {"a<i hidden>b</i>c", "ac"},
               {"a<i hidden=''>b</i>c", "ac"}, {"a<i hidden style='display:block'>b</i>c", "a\nb\nc"},
               {"a<i style='max-height:0;overflow:hidden'>b</i>c", "ac"},
               {"a<i style='max-height:0'>b</i>c", "abc"}, {"a<i style='overflow:hidden'>b</i>c", "abc"},
               {"a<i style='width:0px;height:0px;overflow:hidden'>b</i>c", "ac"},
               {"a<i style='display:none;display:inline'>b</i>c", "abc"},
               {"a<i style='display:none!important;display:inline'>b</i>c", "ac"},
               {"a<i style='display:none;display:nonsense'>b</i>c", "ac"},
               {"a<i style='x:\"display:none\"'>b</i>c", "abc"},
               {"a<i style='x:url(;display:none)'>b</i>c", "abc"},
               {"a<i style='x:url(a;b);display:none'>b</i>c", "ac"},
               {"V<div style=display:none>x</div>IAGRA", "VIAGRA"});
}

TEST(hidden_by_style_that_is_written_oddly)
{
    EXPECT_ALL({"a<i style='/*x*/display/**/:/**/none'>b</i>c", "ac"},
               {"a<i style='dis\\70lay:none'>b</i>c", "ac"},
               {"a<i style='d\\0069 splay:n\\6Fne'>b</i>c", "ac"},
               {"a<i style='dis/**/play:none'>b</i>c", "abc"},
               {"a<i style='color:red/*;display:none'>b</i>c", "abc"},
               {"a<i style='&#100;isplay&colon;none'>b</i>c", "ac"},
               {"a<i style=display:none>b</i>c", "ac"});
}

TEST(hidden_by_size_of_letters)
{
    EXPECT_ALL({"a<font style='font-size:0'>b</font>c", "ac"}, {"a<i style='font-size:0px'>b</i>c", "ac"},
               {"a<i style='font-size:0.0em'>b</i>c", "ac"}, {"a<i style='font-size:1px'>b</i>c", "ac"},
               {"a<i style='font-size:2px'>b</i>c", "abc"}, {"a<i style='font-size:1em'>b</i>c", "abc"},
               {"a<i style='font-size:0'>b<u style='font-size:9px'>c</u></i>d", "acd"},
               {"a<i style='font-size:0'>b<u style='font-size:2em'>c</u></i>d", "ad"},
               {"a<i style='font:0/0 a'>b</i>c", "ac"}, {"a<i style='font:bold 12px x'>b</i>c", "abc"},
               {"a<i style='font:700 0px x'>b</i>c", "ac"}, {"a<i style='font-size:-1px'>b</i>c", "abc"},
               {"a<i style='font-size:small'>b</i>c", "abc"},
               {"a<i style='font-size:0;font-size:large'>b</i>c", "abc"});
}

TEST(hidden_by_colour_of_the_background)
{
    EXPECT_ALL({"<body bgcolor=#ffffff>a<font color=white>b</font>c", "ac"},
               {"<body bgcolor=ffffff text=#FFF>a", ""},
               {"<body style='background:#fff'>a<i style='color:rgb(255,255,255)'>b</i>c", "ac"},
               {"<body bgcolor=white>a<i style='color:#fefefe'>b</i>c", "ac"},
               {"<body bgcolor=white>a<i style='color:#eee'>b</i>c", "abc"},
               {"a<i style='color:white'>b</i>c", "abc"},
               {"<div style='background-color:black'>a<i style='color:#000'>b</i></div>", "a"},
               {"<table bgcolor=red><tr><td>a<font color='#f00'>b</font></table>", "a"},
               {"<div style='background:red'><p style='background:blue;color:red'>a", "a"},
               {"<div style='color:red'><p style='background:red'>a", ""},
               {"<div style='background:red url(x.png);color:red'>a", "a"},
               {"<div style='background:red'><a href=x style=''>a</a><i style='color:red'>b", "a"},
               {"a<i style='color:transparent'>b</i>c", "ac"},
               {"a<i style='color:rgba(1,2,3,0)'>b</i>c", "ac"},
               {"a<i style='color:#12345600'>b</i>c", "ac"},
               {"<div style='background:rgb(100% 0% 0%)'>a<i style='color:#f00'>b</i>", "a"},
               {"<div style='background:white'>a<font color=oddname>b</font>", "ab"});
}

TEST(hidden_by_element)
{
    EXPECT_ALL({"a<template><p>b</p></template>c", "ac"}, {"a<datalist><option>b</datalist>c", "ac"},
               {"a<dialog>b</dialog>c<dialog open>d</dialog>", "ac\nd"},
               {"a<noscript>b</noscript>c", "abc"},
               {"<head>a<title>b</title></head>c", "ac"});
}

TEST(hidden_ends_where_a_browser_ends_it)
{
    EXPECT_ALL({"<svg><style><p>a", "a"}, {"<svg><script><div>a</div>", "a"},
               {"<math><title><span>a", "a"}, {"<svg style='display:none' />a", "a"},
               {"<svg><style/><text>a</text></svg>", "a"}, {"<svg><style>p{}</style></svg>a", "a"},
               {"<i style='display:none;display:inline-grid'>a", "a"},
               {"<i style='display:none;display:block flow'>a", "a"},
               {"<i style='height:0;overflow:hidden;height:auto'>a", "a"},
               {"<i style='height:0;overflow:hidden;min-height:9px'>a", "a"},
               {"<i style='a:(];display:none'>a", "a"}, {"<i style='a:[;display:none'>a", "a"},
               {"<i style='a:\"\n\";display:none'>a", "a"},
               {"<i style='a:[b];display:none'>a</i>c", "c"},
               {"<b style='font-size:0'><font size=3>a", "a"},
               {"<b style='font-size:0'><button>a", "a"},
               {"<b style='color:#fff;background:#fff'><mark>a", "a"},
               {"<b style='color:#fff;background:#fff;-webkit-text-fill-color:#000'>a", "a"},
               {"<b style='color:transparent;text-shadow:0 0 0 #000'>a", "a"});
}

TEST(hidden_is_not_believed_below_what_is_looked_at)
{
    struct mw_buf html = {0};
    for (int i = 0; i < 254; i++)
        mw_buf_put(&html, MW_LIT("<div>"));
    mw_buf_put(&html, MW_LIT("<div hidden><x><x><x></div>a"));
    struct seen seen;
    see(&seen, mw_buf_view(&html));
    CHECK_SLICE(seen.html.visible, "a");
    mw_arena_fini(&seen.arena);
    mw_buf_fini(&html);
}

TEST(comments_for_outlook_stand_behind_the_rest)
{
    EXPECT_ALL({"V<!--[if mso]><p>o</p><![endif]-->I", "VI\no"},
               {"V<!--[if gte mso 9]><style><![endif]-->I", "VI"},
               {"V<!--[if IE]>o<![endif]-->I", "VI"}, {"V<!--[if mso-->I", "VI"},
               {"V<!--[if mso]-->I", "VI"}, {"V<!--[if mso]>o", "V\no"}, {"<!--[if mso]>", ""},
               {"V<!--[if mso]><xml><o:x>96</o:x></xml>o<!--[if mso]>p<![endif]-->", "V\no"},
               {"<i hidden><!--[if mso]>o<![endif]--></i>I", "I"});
    expect_links("<!--[if mso]><v:rect href=http://o.example/>x</v:rect><![endif]--><a href=y>z</a>",
                 "L y z\nL http://o.example/\n");
}

TEST(links_lead_where_the_base_says)
{
    expect_links("<a href=x>a</a><base href=http://b.example/c/d?e><a href=/x>b</a>",
                 "L http://b.example/c/x a\nL http://b.example/x b\n");
    expect_links("<base href=//b.example><a href=x>a</a><a href=?x>b</a><a href='#x'>c</a>",
                 "L //b.example/x a\nL //b.example/?x b\nL #x c\n");
    expect_links("<base href=http://b.example/><a href=//c.example/>a</a><a href=mailto:x>b</a>",
                 "L //c.example/ a\nL mailto:x b\n");
    expect_links("<base href=cid:x><a href=y>a</a>", "L y a\n");
}

TEST(links_that_are_cut_are_told)
{
    struct mw_buf html = {0};
    mw_buf_put(&html, MW_LIT("<a href='http://"));
    for (int i = 0; i < MW_HTML_URL_MAX; i++)
        mw_buf_putc(&html, '\t');
    size_t len = html.len;
    mw_buf_put(&html, MW_LIT("b.example/'>x</a>"));
    struct seen seen;
    see(&seen, mw_buf_view(&html));
    CHECK_SLICE(seen.html.links[0].url, "http://b.example/");
    CHECK(!seen.html.has_more_links);
    mw_arena_fini(&seen.arena);
    memset(html.ptr + len - MW_HTML_URL_MAX, 'u', MW_HTML_URL_MAX);
    see(&seen, mw_buf_view(&html));
    CHECK(seen.html.has_more_links);
    mw_arena_fini(&seen.arena);
    mw_buf_fini(&html);
}

TEST(hidden_octets_are_counted)
{
    struct seen seen;
    see(&seen, MW_LIT("<title>no</title><script>no</script>ab<i hidden> cd <b>e</b></i>f"));
    CHECK_SLICE(seen.html.visible, "abf");
    CHECK_INT(seen.html.hidden, 3);
    mw_arena_fini(&seen.arena);
}

TEST(open_elements_hide_no_more_than_they_hold)
{
    EXPECT_ALL({"<p hidden>a<p>b", "b"}, {"<p hidden>a<div>b</div>", "b"},
               {"<ul><li hidden>a<li>b</ul>", "b"}, {"<dl><dt hidden>a<dd>b</dl>", "b"},
               {"<table><tr><td hidden>a<td>b</table>", "b"},
               {"<table><tr hidden><td>a<tr><td>b</table>", "b"},
               {"<table><tbody hidden><tr><td>a<tbody><tr><td>b</table>c", "b\nc"},
               {"<select><option hidden>a<option>b</select>", "b"},
               {"<br hidden>a<img hidden>b<input hidden>c<hr hidden>d", "abcd"},
               {"<div hidden><span>a</div>b", "b"}, {"<b hidden><i>a</b>b</i>c", "bc"},
               {"<b style='display:none'><div>a</b>b</div>c", "b\nc"},
               {"<div hidden>a</b></span></p>b</div>c", "c"},
               {"<span hidden>a<div></span>b</div></span>c", "c"},
               {"<a hidden>x<a href=y>z</a>", "z"}, {"<h1 hidden>a</h2>b", "b"},
               {"<button hidden>a<button>b</button>", "b"});
}

TEST(open_elements_that_mean_nothing_hide_nothing)
{
    EXPECT_ALL({"<td style='display:none'>a", "a"}, {"<tr hidden>a", "a"},
               {"<form><form hidden>a</form>b", "a\nb"},
               {"<table style='display:none'>a<tr><td>b</table>c", "ac"},
               {"<table hidden><tr hidden><b>a</b><td>b</table>c", "ac"},
               {"<html style='display:none'>a", ""}, {"</div></div>a", "a"},
               {"<svg><g hidden/>a</svg>b", "ab"});
}

TEST(open_elements_beyond_the_depth_are_counted)
{
    struct mw_buf html = {0};
    mw_buf_put(&html, MW_LIT("<div hidden>x"));
    for (int i = 0; i < 1000; i++)
        mw_buf_put(&html, MW_LIT("<div>"));
    for (int i = 0; i < 1000; i++)
        mw_buf_put(&html, MW_LIT("</div>"));
    mw_buf_put(&html, MW_LIT("y</div>z"));
    struct seen seen;
    see(&seen, mw_buf_view(&html));
    CHECK_SLICE(seen.html.visible, "yz"); /* what was hidden is not known any more */
    CHECK_INT(seen.html.hidden, 1);
    mw_arena_fini(&seen.arena);
    mw_buf_fini(&html);
}

TEST(labels_of_elements_without_content)
{
    EXPECT_ALL({"<img src=x alt=hello>a", "a"}, {"<img alt='he&amp;llo'>a", "he&lloa"},
               {"<image alt=b>", "b"}, {"<input type=submit value='Log in'>", "Log in"},
               {"<input type=text value=x>", "x"}, {"<img alt=x style=display:none>", ""},
               {"<i hidden><img alt=x></i>", ""});
}

TEST(links_that_are_followed)
{
    expect_links("<a href=http://a.example/>Go <b>there</b></a> now", "L http://a.example/ Go there\n");
    expect_links("<a href='x'> a <br> b </a>", "L x a\nb\n");
    expect_links("<a href=x>a<a href=y>b</a>c</a>", "L x a\nL y b\n");
    expect_links("<a href=x>a", "L x a\n");
    expect_links("<a href=x></a><a>no</a><a name=y>no</a>", "L x\n");
    expect_links("<map><area href=x></map>", "L x\n");
    expect_links("<form action='http://f.example/'><button formaction=g>s</button>",
                 "L http://f.example/\nL g\n");
    expect_links("<meta http-equiv=Refresh content='5; URL=http://r.example/'>", "L http://r.example/\n");
    expect_links("<meta http-equiv=refresh content=\"0;url='r'\">", "L r\n");
    expect_links("<meta http-equiv=refresh content='0;r'>", "L r\n");
    expect_links("<meta name=refresh content='0;url=x'>", "");
    expect_links("<svg><a xlink:href=x>t</a></svg>", "L x t\n");
    expect_links("<a href=x>ab<i style=display:none>cd</i>ef</a>", "L x abef\n");
    expect_links("<a href=x><table><tr><td>in</td></tr></table></a>out", "L x in\n");
}

TEST(links_that_are_loaded)
{
    expect_links("<img src=a lowsrc=b><iframe src=c></iframe><script src=d></script>",
                 "R a\nR b\nR c\nR d\n");
    expect_links("<link rel=stylesheet href=a><link rel=canonical href=b><link href=c>", "R a\n");
    expect_links("<body background=a><video poster=b><source src=c></video><audio src=d>",
                 "R a\nR b\nR c\nR d\n");
    expect_links("<object data=a><embed src=b><input type=image src=c>", "R a\nR b\nR c\n");
    expect_links("<td style='background:url(&quot;a&quot;)'><p style='x:URL( b );y:url(\"c;d\")'>",
                 "R a\nR b\nR c;d\n");
    expect_links("<img srcset='a 1x, b 2x,c'>", "R a\nR b\nR c\n");
    expect_links("<style>@import url('a.css'); p{background:url(b)}</style>", "R a.css\nR b\n");
    expect_links("<img src=''><img src='  '><img src>", "");
}

TEST(links_are_cleaned)
{
    /* WHATWG URL 4.4, and what phishing mails make of it */
    expect_links("<a href=' \n ht\ttp://a.ex\r\nample/\x01 '>x</a>", "L http://a.example/ x\n");
    expect_links("<a href='&#104;ttp&#58;//&#x6c;ogin.example/&#10;a'>x</a>", "L http://login.example/a x\n");
    expect_links("<a href=\"java&Tab;script&colon;alert(1)\">x</a>", "L javascript:alert(1) x\n");
    expect_links("<a\nhref\n=\n'x'\n>y</a>", "L x y\n");
    expect_links("<a/href=x>y</a>", "L x y\n");
    expect_links("<A HREF=x/y>z</A>", "L x/y z\n");
}
/* clang-format on */

TEST(links_nul_in_a_value_is_replaced)
{
    struct seen seen;
    see(&seen, MW_LIT("<a href='a\0b'>x</a>"));
    CHECK_INT(seen.html.link_count, 1);
    CHECK_SLICE(seen.html.links[0].url, "a\xef\xbf\xbd"
                                        "b");
    mw_arena_fini(&seen.arena);
}

TEST(links_base_is_the_first_one)
{
    struct seen seen;
    see(&seen, MW_LIT("<base target=x><base href=' http://b.example/ '><base href=c>"));
    CHECK_SLICE(seen.html.base, "http://b.example/");
    CHECK_INT(seen.html.link_count, 0);
    mw_arena_fini(&seen.arena);
}

TEST(links_are_bounded_in_number_and_length)
{
    struct mw_buf html = {0};
    mw_buf_put(&html, MW_LIT("<a href='"));
    for (int i = 0; i < 3000; i++)
        mw_buf_put(&html, MW_LIT("\xe2\x82\xac"));
    mw_buf_put(&html, MW_LIT("'>"));
    for (int i = 0; i < 500; i++)
        mw_buf_put(&html, MW_LIT("\xe2\x82\xac"));
    for (int i = 0; i < MW_HTML_LINKS_MAX; i++)
        mw_buf_put(&html, MW_LIT("<img src=x>"));
    struct seen seen;
    see(&seen, mw_buf_view(&html));
    CHECK_INT(seen.html.link_count, MW_HTML_LINKS_MAX);
    CHECK(seen.html.has_more_links);
    CHECK_INT(seen.html.links[0].url.len, MW_HTML_URL_MAX / 3 * 3);
    CHECK_INT(seen.html.links[0].text.len, MW_HTML_LINK_TEXT_MAX / 3 * 3);
    mw_arena_fini(&seen.arena);
    mw_buf_fini(&html);
}

static void expect_flags(const char *html, bool has_script, bool has_form)
{
    struct seen seen;
    see(&seen, mw_slice_cstr(html));
    if (seen.html.has_script != has_script || seen.html.has_form != has_form)
        mw_test_fail(__FILE__, __LINE__, "%s: script %d, form %d", html, seen.html.has_script,
                     seen.html.has_form);
    mw_arena_fini(&seen.arena);
}

TEST(scripts_and_forms_are_noticed)
{
    expect_flags("<p onesie>a<p one=''>", false, false);
    expect_flags("<script></script>", true, false);
    expect_flags("<svg/onload=alert(1)>", true, false);
    expect_flags("<a href=' JavaScript:x'>", true, false);
    expect_flags("<!-- <script><form> -->", false, false);
    expect_flags("<form>", false, true);
    expect_flags("<textarea><form></textarea>", false, false);
}

/* ---- hostile input stays linear ---- */

static void expect_quick(const char *piece)
{
    enum { SIZE = 1000 * 1000, BOUND_MS = 1500 }; /* 30 in release; room for sanitizers */
    struct mw_buf html = {0};
    while (html.len < SIZE)
        mw_buf_put(&html, mw_slice_cstr(piece));
    clock_t start = clock();
    struct seen seen;
    see(&seen, mw_buf_view(&html));
    long ms = (long)((clock() - start) * 1000 / CLOCKS_PER_SEC);
    if (ms > BOUND_MS)
        mw_test_fail(__FILE__, __LINE__, "1 MB of %s took %ld ms", piece, ms);
    mw_arena_fini(&seen.arena);
    mw_buf_fini(&html);
}

TEST(hostile_repetition_is_linear)
{
    static const char *const pieces[] = {"<",
                                         "<a ",
                                         "&",
                                         "<div><div>",
                                         "</",
                                         "&aaaaaa;",
                                         "<a>",
                                         "<!--",
                                         "<b><p>",
                                         "<table><tr><td>",
                                         "</x>",
                                         "<x y=",
                                         "<a b=\"",
                                         "<script><!--",
                                         "--",
                                         "<p style=\"a:b(",
                                         "&nGt;",
                                         "<span><div><i>",
                                         "<b></b>",
                                         "<textarea>",
                                         "<![CDATA[",
                                         "<svg><![CDATA[",
                                         "<h1>",
                                         "<option>",
                                         "<img src=x>",
                                         "<p style='background:url(x)'>",
                                         "<nobr><div></nobr>",
                                         "</b>",
                                         "\xe2\x82"};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
        expect_quick(pieces[i]);
}

TEST(hostile_style_is_linear)
{
    static const char *const pieces[] = {
        "url(", "/*", "\\", "a:b;", "display:none;", "'", "(", "url(' ", "background:a a ", "!"};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct mw_buf html = {0};
        mw_buf_put(&html, MW_LIT("<p style=\""));
        while (html.len < 1000 * 1000)
            mw_buf_put(&html, mw_slice_cstr(pieces[i]));
        mw_buf_put(&html, MW_LIT("\">x"));
        clock_t start = clock();
        struct seen seen;
        see(&seen, mw_buf_view(&html));
        CHECK((clock() - start) * 1000 / CLOCKS_PER_SEC < 1500);
        mw_arena_fini(&seen.arena);
        mw_buf_fini(&html);
    }
}

/* ---- a message of the shared corpus ---- */

TEST(corpus_obfuscated_message)
{
    char html[4096];
    FILE *file = fopen(MW_TEST_SOURCE_DIR "/../shared/corpus/generated/html-obfuscated.eml", "r");
    if (file == NULL) {
        printf("  skipped: no ../shared/corpus\n");
        return;
    }
    size_t len = fread(html, 1, sizeof html - 1, file);
    fclose(file);
    html[len] = '\0';
    const char *body = strstr(html, "<html>");
    CHECK(body != NULL);
    struct seen seen;
    see(&seen, mw_slice_cstr(body));
    CHECK_SLICE(seen.html.visible, "Verify your account at https://bank.example/\n"
                                   "na\xc3\xafve caf\xc3\xa9 7711");
    CHECK_INT(seen.html.link_count, 1);
    CHECK_SLICE(seen.html.links[0].url, "http://login.example.test/%70ath?q=1&r=2");
    CHECK_SLICE(seen.html.links[0].text, "https://bank.example/");
    CHECK_INT(seen.html.hidden, 2);
    CHECK(seen.html.has_script);
    mw_arena_fini(&seen.arena);
}
