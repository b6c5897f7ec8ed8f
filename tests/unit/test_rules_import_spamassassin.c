/* test_rules_import_spamassassin.c - SpamAssassin's rules as ours: the exact text, what is left out
 * and why, how scores add up. */
#include "import_kit.h"
#include "test.h"

TEST(spamassassin_rules)
{
    IMPORTS(
        "spamassassin", "",
        "header FREE Subject =~ /\\bfree\\b/i # comment\nscore FREE 1.5 1 1 1\n"
        "describe FREE Free \"things\"\nbody __PILLS /cheap pills/i\n"
        "uri __EVIL m{^https?://evil\\.example/}\nmeta BOTH __PILLS && !__EVIL\nscore BOTH -3\n"
        "meta TWO (__PILLS + __EVIL + FREE) > 1\nheader __GONE exists:X-Foo\n"
        "meta OFF __GONE\nscore OFF 0\nrawbody RAW /<b>/\n",
        "t-1-FREE: score default 1.500 reason \"Free \\\"things\\\"\" when header(\"Subject\") =~ "
        "/\\bfree\\b/i\n"
        "t-6-BOTH: score default -3.000 when (subject =~ /cheap\\s+pills/i or body.text =~ "
        "/cheap\\s+pills/i) and not (url =~ /^https?:\\/\\/evil\\.example\\//)\n"
        "t-8-TWO: score default 1.000 when ((subject =~ /cheap\\s+pills/i or body.text =~ "
        "/cheap\\s+pills/i) and ((url =~ /^https?:\\/\\/evil\\.example\\//) or "
        "(header(\"Subject\") "
        "=~ /\\bfree\\b/i)) or (url =~ /^https?:\\/\\/evil\\.example\\//) and "
        "((header(\"Subject\") "
        "=~ /\\bfree\\b/i)))\n"
        "t-12-RAW: score default 1.000 when body.html =~ /<b>/ or body.text =~ /<b>/\n"
        "2: carried over; of several values the first counts (score set 0: without network tests "
        "and Bayes), here and below\n");
    IMPORTS(
        "spamassassin", "",
        "header A Subject !~ /./\nheader B From:addr =~ /@x\\.example$/\n"
        "header C X-Y:raw =~ /^=\\?/ [if-unset: =?]\nheader D ToCc =~ /a/\n"
        "header E EnvelopeFrom =~ /b/i\nheader __F X-F =~ /q/\nmeta G __F == 1\n",
        "t-1-A: score default 1.000 when not (header(\"Subject\") =~ /./)\n"
        "t-2-B: score default 1.000 when from.address =~ /@x\\.example$/\n"
        "t-3-C: score default 1.000 when raw.header(\"X-Y\") =~ /^=\\?/ or (raw.header(\"X-Y\") is "
        "empty)\n"
        "t-4-D: score default 1.000 when header(\"To\") =~ /a/ or header(\"Cc\") =~ /a/\n"
        "t-5-E: score default 1.000 when sender =~ /b/i\n"
        "t-7-G: score default 1.000 when (((header(\"X-F\") =~ /q/)))\n");
}

TEST(spamassassin_what_is_left_out)
{
    IMPORTS("spamassassin", "",
            "header A eval:check_x()\nfull B /x/\nbody C /^x/\nifplugin Foo\nbody D /b/\nendif\n"
            "tflags A nice\nscore NONE 3\nmeta LOOP LOOP || A\nuse_bayes 1\nheader E ALL =~ /x/\n"
            "header F From:name =~ /x/\nmeta G A * 2\nbody H /x/g\nheader I Subject =~ /x/ y\n"
            "body J /a/\nbody J /b/\nscore J 1.23456\nmeta K MISSING\nlang de describe J x\n",
            "t-17-J: score default 1.000 when subject =~ /b/ or body.text =~ /b/\n"
            "1: eval: calls SpamAssassin's own code\n"
            "2: full: no field holds the whole message as it came\n"
            "3: ^ and $ speak of paragraphs and chunks that exist in SpamAssassin only\n"
            "4: what depends on plugins and versions is left out, up to its endif\n"
            "5: it stands in a block that depends on a plugin or version\n"
            "6: it stands in a block that depends on a plugin or version\n"
            "7: tflags have no equal here\n"
            "8: score: there is no such rule in this file\n"
            "9: it speaks of itself, or goes too deep\n"
            "10: 'use_bayes' is no rule, score or description\n"
            "11: it looks at all header fields as one text\n"
            "12: of what may stand behind a header's name, :raw and :addr are known here\n"
            "13: eval: calls SpamAssassin's own code\n"
            "14: a flag behind the pattern has no equal here (i, m, s and x have)\n"
            "15: there is something behind the pattern\n"
            "16: line 17 defines it anew\n"
            "18: score: expected a rule's name and a number with at most three digits behind the "
            "point\n"
            "19: it speaks of MISSING, which is not there\n"
            "20: settings for one language are left out\n");
}

TEST(spamassassin_scores_add_up)
{
    HOLDS("spamassassin", "",
          "header __A Subject =~ /a/\nheader __B Subject =~ /b/\nheader __C Subject =~ /c/\n"
          "meta TWO __A + __B + __C >= 2\nmeta ONE __A + __B + __C == 1\nmeta NONE (__A + __B + "
          "__C) < 1\n"
          "score TWO 2\nscore ONE 1\nscore NONE 0.5\n",
          "seen: tag \"x\" when score >= 0.1\n"
          "test \"2\" { header \"Subject: ab\" expect score == 2 }\n"
          "test \"3\" { header \"Subject: abc\" expect score == 2 }\n"
          "test \"1\" { header \"Subject: b\" expect score == 1 }\n"
          "test \"0\" { header \"Subject: x\" expect score == 0.5 }\n");
}
