/* test_mime.c - the MIME decoder: structure, parameters and names, transfer encodings, second
 * readings. Every message is read whole and in small pieces, which must give the same. Limits and the
 * corpus: test_mime_limits.c. */
#include "message/mime.h"

#include <stdlib.h>

#include "base/buf.h"
#include "test.h"

/* ---- a reading as text ---- */

struct leaf {
    struct mw_buf octets;
    bool is_ended;
};

struct reading {
    struct mw_mime *mime;
    size_t ended;
    bool is_bad;
};

static void on_part(void *user, struct mw_mime_part *part)
{
    struct reading *reading = user;
    reading->is_bad |= part->user != NULL;
    part->user = mw_xcalloc(1, sizeof(struct leaf));
}

static void on_octets(void *user, struct mw_mime_part *part, struct mw_slice octets)
{
    struct reading *reading = user;
    struct leaf *leaf = part->user;
    reading->is_bad |= leaf->is_ended || octets.len == 0;
    mw_buf_put(&leaf->octets, octets);
}

static void on_end(void *user, struct mw_mime_part *part)
{
    struct reading *reading = user;
    struct leaf *leaf = part->user;
    reading->is_bad |= leaf->is_ended;
    leaf->is_ended = true;
    reading->ended++;
}

static void end(struct reading *reading)
{
    for (size_t i = 0; i < mw_mime_count(reading->mime); i++) {
        struct leaf *leaf = mw_mime_part(reading->mime, i)->user;
        mw_buf_fini(&leaf->octets);
        free(leaf);
    }
    mw_mime_free(&reading->mime);
}

static void read_message(struct reading *reading, struct mw_slice message, size_t cut)
{
    *reading = (struct reading){0};
    struct mw_mime_sink sink = {
        .user = reading, .part = on_part, .octets = on_octets, .end = on_end};
    reading->mime = mw_mime_new(&sink);
    for (; message.len > 0; message = mw_slice_skip(message, cut))
        mw_mime_feed(reading->mime, mw_slice_take(message, cut));
    mw_mime_finish(reading->mime);
    reading->is_bad |= reading->ended != mw_mime_count(reading->mime);
}

static struct mw_slice octets_of(const struct reading *reading, size_t index)
{
    const struct leaf *leaf = mw_mime_part(reading->mime, index)->user;
    return mw_buf_view(&leaf->octets);
}

static const char *const defect_names[] = {
#define DEFECT(id, name, severity, meaning) name,
#include "message/defects.def"
#undef DEFECT
};

static void put_defects(struct mw_buf *out, uint64_t defects)
{
    for (size_t i = 0; i < MW_DEFECT_COUNT; i++)
        if ((defects >> i & 1) != 0)
            mw_buf_putf(out, " !%s", defect_names[i]);
}

static void put_slice(struct mw_buf *out, const char *before, struct mw_slice text,
                      const char *behind)
{
    mw_buf_put(out, mw_slice_cstr(before));
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\n')
            mw_buf_put(out, MW_LIT("\\n"));
        else if (text.ptr[i] == '\r')
            mw_buf_put(out, MW_LIT("\\r"));
        else
            mw_buf_putc(out, text.ptr[i]);
    mw_buf_put(out, mw_slice_cstr(behind));
}

/* "1.2 text/plain {name} <octets> !defect" a line; "+" stands for an alternative, "()" for a
 * container. */
static void put_reading(struct mw_buf *out, const struct reading *reading)
{
    for (size_t i = 0; i < mw_mime_count(reading->mime); i++) {
        const struct mw_mime_part *part = mw_mime_part(reading->mime, i);
        put_slice(out, part->is_alternative ? "+" : "", part->path, " ");
        put_slice(out, "", part->type, part->is_container ? " ()" : "");
        for (size_t k = 0; k < part->name_count; k++)
            put_slice(out, " {", part->names[k], "}");
        if (!part->is_container)
            put_slice(out, " <", octets_of(reading, i), ">");
        put_defects(out, part->defects);
        mw_buf_putc(out, '\n');
    }
    if (reading->is_bad)
        mw_buf_put(out, MW_LIT("the sink was called in a wrong way\n"));
}

/* What the message gives, whichever way it is cut. A heap string. */
static char *show(struct mw_slice message)
{
    struct mw_buf whole = {0};
    size_t cuts[] = {SIZE_MAX, 1, 2, 3, 7};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        struct reading reading;
        struct mw_buf text = {0};
        read_message(&reading, message, cuts[i]);
        put_reading(&text, &reading);
        end(&reading);
        if (i == 0)
            mw_buf_put(&whole, mw_buf_view(&text));
        else if (!mw_slice_eq(mw_buf_view(&whole), mw_buf_view(&text)))
            mw_buf_putf(&whole, "in pieces of %zu it is: %.*s", cuts[i], (int)text.len, text.ptr);
        mw_buf_fini(&text);
    }
    return mw_buf_detach_cstr(&whole);
}

#define CHECK_SHOWN(message, want)                                                 \
    do {                                                                           \
        char *shown_ = show(MW_LIT(message));                                      \
        bool is_same_ = strcmp(shown_, (want)) == 0;                               \
        if (!is_same_)                                                             \
            mw_test_fail(__FILE__, __LINE__, "it is\n%swant\n%s", shown_, (want)); \
        free(shown_);                                                              \
        if (!is_same_)                                                             \
            return;                                                                \
    } while (0)

/* Parts that a message has, as if its body's header fields were `fields`. */
#define ONE(fields, body) "MIME-Version: 1.0\n" fields "\n" body
#define MIXED(parts) "Content-Type: multipart/mixed; boundary=b\n\n" parts "--b--\n"

/* ---- structure ---- */

TEST(message_plain_is_one_part)
{
    CHECK_SHOWN("Subject: x\n\nhello\nworld\n", "1 text/plain <hello\\nworld\\n>\n");
    CHECK_SHOWN("Subject: x\r\n\r\nhello\r\n", "1 text/plain <hello\\r\\n>\n");
    CHECK_SHOWN("", "1 text/plain <>\n");
    CHECK_SHOWN("\n", "1 text/plain <>\n");
    CHECK_SHOWN("Subject: x", "1 text/plain <>\n");
    CHECK_SHOWN("\nbody", "1 text/plain <body>\n");
}

TEST(header_ends_as_header_h_says)
{
    CHECK_SHOWN("Subject: x\nno field\n\nbody",
                "1 text/plain <no field\\n\\nbody> !header-no-colon\n");
    CHECK_SHOWN("From a Mon Jan 5\nContent-Type: text/html\n\nx", "1 text/html <x>\n");
    CHECK_SHOWN(">>From a Mon Jan 5\nContent-Type: text/html\n\nx", "1 text/html <x>\n");
    CHECK_SHOWN("A: b\nFrom a Mon Jan 5\nContent-Type: text/html\n\nx",
                "1 text/plain <From a Mon Jan 5\\nContent-Type: text/html\\n\\nx> "
                "!header-no-colon\n");
    CHECK_SHOWN("Content-Type: text/html\n \t\nX: y\n\nx", "1 text/html <x> !header-blank-line\n");
    CHECK_SHOWN(" \nContent-Type: text/html\n\nx",
                "1 text/plain < \\nContent-Type: text/html\\n\\nx> !header-no-colon\n");
    CHECK_SHOWN("Content-Type : text/html\n\nx", "1 text/html <x>\n");
    CHECK_SHOWN("Content-Type:\n text/html\n\nx", "1 text/html <x>\n");
    CHECK_SHOWN("A: b\r\r\n\nx", "1 text/plain <x> !header-nul\n");
}

TEST(multipart_has_parts)
{
    CHECK_SHOWN("Content-Type: multipart/mixed; boundary=b\n\nnotice\n--b\n\none\n--b\n"
                "Content-Type: text/html\n\ntwo\n\n--b--\nepilogue\n",
                " multipart/mixed ()\n1 text/plain <one>\n2 text/html <two\\n>\n");
    CHECK_SHOWN("Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\n\r\none\r\n--b\t \r\n"
                "\r\ntwo\r\n--b-- \r\n",
                " multipart/mixed ()\n1 text/plain <one>\n2 text/plain <two>\n");
    CHECK_SHOWN(MIXED("--b\n\n--b\n\n\n"),
                " multipart/mixed ()\n1 text/plain <>\n2 text/plain <>\n");
    CHECK_SHOWN(MIXED("--b\nContent-Type: text/html\n--b\n"),
                " multipart/mixed ()\n1 text/html <>\n");
    /* two boundaries in a row: nothing is between them */
    CHECK_SHOWN(MIXED("--b\n--b\n\none\n--b\n--b\n--b\n\ntwo\n"),
                " multipart/mixed ()\n1 text/plain <one>\n2 text/plain <two>\n");
}

TEST(multipart_line_ends_mixed_are_taken)
{
    CHECK_SHOWN("Content-Type: multipart/mixed; boundary=b\r\n\n--b\r\n\na\r\n--b\n\r\nb\n--b--",
                " multipart/mixed ()\n1 text/plain <a>\n2 text/plain <b>\n");
}

TEST(boundary_like_lines_are_content)
{
    CHECK_SHOWN(MIXED("--b\n\n--bb\n--c\n-\n--\n -b\n--b x\r--b\n"),
                " multipart/mixed ()\n1 text/plain <--bb\\n--c\\n-\\n--\\n -b\\n--b x\\r--b>\n");
}

TEST(close_missing_is_noted)
{
    CHECK_SHOWN("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n",
                " multipart/mixed () !no-close\n1 text/plain <one\\n>\n");
    CHECK_SHOWN("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b",
                " multipart/mixed () !no-close\n1 text/plain <one>\n2 text/plain <>\n");
}

TEST(boundary_outer_closes_inner)
{
    CHECK_SHOWN(MIXED("--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\nin\n"
                      "--b\n\nout\n"),
                " multipart/mixed ()\n1 multipart/alternative () !no-close\n"
                "1.1 text/plain <in>\n2 text/plain <out>\n");
}

TEST(boundary_nested_is_flagged)
{
    CHECK_SHOWN("Content-Type: multipart/mixed; boundary=bb\n\n--bb\n"
                "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n--bb--\n",
                " multipart/mixed ()\n1 multipart/mixed () !boundary-nested\n"
                "1.1 text/plain <x>\n");
    CHECK_SHOWN("Content-Type: multipart/mixed; boundary=b\n\n--b\n"
                "Content-Type: multipart/mixed; boundary=b--\n\n--b--\n\nx\n--b----\n--b--\n",
                " multipart/mixed ()\n1 multipart/mixed ()\n1.1 text/plain <x>\n");
}

TEST(boundary_again_behind_close_begins_a_part)
{
    CHECK_SHOWN(MIXED("--b\n\none\n--b--\n--b\n\ntwo\n"),
                " multipart/mixed () !epilogue-content\n1 text/plain <one>\n2 text/plain <two>\n");
    CHECK_SHOWN(MIXED("--b\n\none\n") "text\ncontent-type: x\n",
                " multipart/mixed () !epilogue-content\n1 text/plain <one>\n");
    CHECK_SHOWN(MIXED("--b\n\none\n") "_____\nlist of mails\n",
                " multipart/mixed ()\n1 text/plain <one>\n");
}

TEST(boundary_missing_is_guessed)
{
    CHECK_SHOWN("Content-Type: multipart/mixed\n\n--x\n\none\n--x--\n",
                " multipart/mixed () !boundary-missing\n"
                "+ text/plain <--x\\n\\none\\n--x--\\n> !boundary-missing\n1 text/plain <one>\n");
    CHECK_SHOWN("Content-Type: multipart/mixed; boundary=y\n\n--x\nContent-Type: text/html\n\n"
                "one\n--x--\n",
                " multipart/mixed () !boundary-not-found\n1 text/html <one>\n");
    CHECK_SHOWN("Content-Type: multipart/mixed; boundary=y\n\n--x\n--y\n\none\n--y--\n",
                " multipart/mixed ()\n1 text/plain <one>\n");
    CHECK_SHOWN("Content-Type: multipart/mixed; boundary=y\n\nno part\n",
                " multipart/mixed () !boundary-not-found\n");
}

TEST(boundaries_all_count)
{
    CHECK_SHOWN("Content-Type: multipart/mixed; boundary=a; boundary*=us-ascii''%62\n\n"
                "--a\n\none\n--b\n\ntwo\n--a--\n",
                " multipart/mixed () !parameter-2231\n1 text/plain <one>\n2 text/plain <two>\n");
    CHECK_SHOWN("Content-Type: multipart/mixed; boundary=a; boundary=b\n\n"
                "--a\n\none\n--b\n\ntwo\n--a--\n",
                " multipart/mixed () !parameter-twice\n1 text/plain <one>\n2 text/plain <two>\n");
    CHECK_SHOWN("Content-Type: multipart/mixed; boundary*1=d; boundary*0=c\n\n--cd\n\none\n--cd--",
                " multipart/mixed ()\n1 text/plain <one>\n");
    CHECK_SHOWN("Content-Type: multipart/mixed; boundary=\"=?us-ascii?q?b?=\"\n\n--b\n\none\n--b--",
                " multipart/mixed () !type-encoded-word\n1 text/plain <one>\n");
    CHECK_SHOWN("Content-Type: multipart/mixed; boundary=\"b \"\n\n--b \n\none\n--b --\n--b--",
                " multipart/mixed () !boundary-bad\n1 text/plain <one\\n--b -->\n");
}

TEST(message_attached_has_parts)
{
    CHECK_SHOWN(MIXED("--b\nContent-Type: message/rfc822\n\nSubject: in\n\ntext\n--b\n"
                      "Content-Type: message/global\n\nContent-Type: multipart/mixed; "
                      "boundary=c\n\n--c\n\nx\n--c--\n"),
                " multipart/mixed ()\n1 message/rfc822 ()\n1.1 text/plain <text>\n"
                "2 message/global ()\n2 multipart/mixed ()\n2.1 text/plain <x>\n");
    CHECK_SHOWN("Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nA: b\n\nx",
                "1 message/rfc822 ()\n1.1 message/rfc822 ()\n1.1.1 text/plain <x>\n");
    struct reading reading;
    read_message(&reading, MW_LIT("Content-Type: message/rfc822\n\nA: b\n\nx"), SIZE_MAX);
    CHECK(mw_mime_part(reading.mime, 0)->is_message && mw_mime_part(reading.mime, 1)->is_message);
    CHECK_SLICE(mw_mime_part(reading.mime, 1)->header, "A: b\n");
    CHECK(mw_mime_part(reading.mime, 1)->parent == mw_mime_part(reading.mime, 0));
    end(&reading);
}

TEST(digest_parts_are_messages)
{
    CHECK_SHOWN("Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\n\none\n--b\n"
                "Content-Type: text/plain\n\ntwo\n--b--\n",
                " multipart/digest ()\n1 message/rfc822 ()\n1.1 text/plain <one>\n"
                "2 text/plain <two>\n");
}

TEST(message_partial_and_external_are_flagged)
{
    CHECK_SHOWN("Content-Type: message/partial; id=x; number=1\n\nA: b\n\none",
                "1 message/partial () !partial\n1.1 text/plain <one>\n");
    CHECK_SHOWN("Content-Type: message/partial; id=x; number=2\n\nA: b\n\none",
                "1 message/partial <A: b\\n\\none> !partial\n");
    CHECK_SHOWN("Content-Type: message/external-body; access-type=URL\n\nA: b\n\n",
                "1 message/external-body <A: b\\n\\n> !external\n");
}

/* ---- types ---- */

TEST(type_forms_are_read)
{
    CHECK_SHOWN("Content-Type: Text/HTML; charset=x\n\n", "1 text/html <>\n");
    CHECK_SHOWN("Content-Type: text / (a (b)) html\n\n", "1 text/html <>\n");
    CHECK_SHOWN("Content-Type: \"text/html\"\n\n", "1 text/html <>\n");
    CHECK_SHOWN("Content-Type: text\n\n", "1 text/plain <> !type-bad\n");
    CHECK_SHOWN("Content-Type:\n\n", "1 text/plain <> !type-bad\n");
    CHECK_SHOWN("Content-Type: text/html charset=x\n\n", "1 text/html <>\n");
    CHECK_SHOWN("Content-Type: =?utf-8?q?text/html?=; charset=x\n\n",
                "1 text/html <> !type-encoded-word\n");
    CHECK_SHOWN("Content-Type: x-multipart/mixed; boundary=b\n\n--b\n\nx\n--b--",
                " multipart/mixed () !type-bad\n1 text/plain <x>\n");
    CHECK_SHOWN("Content-Type:: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--",
                " multipart/mixed () !type-bad !parameter-bad\n1 text/plain <x>\n");
}

TEST(part_tells_what_was_declared)
{
    struct reading reading;
    read_message(&reading,
                 MW_LIT("Content-Type: TEXT/Plain; charset=\"UTF-8\"\n"
                        "Content-Disposition: Attachment; filename=a\n"
                        "Content-Transfer-Encoding: 8BIT (c)\nContent-ID: <a@b>\n\n"),
                 SIZE_MAX);
    const struct mw_mime_part *part = mw_mime_part(reading.mime, 0);
    CHECK_SLICE(part->type_declared, "text/plain");
    CHECK_SLICE(part->charset, "utf-8");
    CHECK_SLICE(part->disposition, "attachment");
    CHECK_SLICE(part->encoding, "8bit");
    CHECK_SLICE(part->content_id, "a@b");
    CHECK_INT(part->decoded_as, MW_MIME_IDENTITY);
    end(&reading);
    read_message(&reading, MW_LIT("\n"), SIZE_MAX);
    CHECK_INT(mw_mime_part(reading.mime, 0)->type_declared.len, 0);
    CHECK_INT(mw_mime_part(reading.mime, 0)->charset.len, 0);
    end(&reading);
}

/* ---- names ---- */

#define NAMED(disposition, want)                                                                 \
    CHECK_SHOWN("Content-Type: image/gif\nContent-Disposition: attachment; " disposition "\n\n", \
                "1 image/gif" want " <>"                                                         \
                "\n")
#define NAMED_BAD(disposition, want, defects)                                                    \
    CHECK_SHOWN("Content-Type: image/gif\nContent-Disposition: attachment; " disposition "\n\n", \
                "1 image/gif" want " <>" defects "\n")

TEST(names_plain)
{
    NAMED("filename=a.txt", " {a.txt}");
    NAMED("filename=\"a b.txt\"", " {a b.txt}");
    NAMED("FileName = \"a \\\"b\\\".txt\"", " {a \"b\".txt}");
    NAMED("filename=a.txt (a comment)", " {a.txt} {a.txt (a comment)}");
    NAMED("filename=two words.txt", " {two} {two words.txt}");
    NAMED("filename=\"/etc/passwd\"", " {passwd}");
    NAMED("filename=\"C:\\\\dir\\\\a.exe\"", " {a.exe}");
    NAMED("filename=\"C:\\dir\\a.exe\"", " {a.exe} {C:dira.exe}");
    NAMED("filename=\"\"", "");
    NAMED("filename=\"gr\xc3\xbc\xc3\x9f.txt\"", " {gr\xc3\xbc\xc3\x9f.txt}");
    NAMED("filename=\"gr\xfc\xdf.txt\"", " {gr\xc3\xbc\xc3\x9f.txt}");
    NAMED("filename=\"=?utf-8?q?a=C3=BC?= =?utf-8?q?b.txt?=\"", " {a\xc3\xbc"
                                                                "b.txt}");
    NAMED("filename==?utf-8?b?YS50eHQ=?=", " {a.txt}");
    NAMED("filename=\"a\n b.txt\"", " {a b.txt}");
    NAMED("filename=\"a\n\tb.txt\"", " {a b.txt}");
}

TEST(names_broken)
{
    NAMED_BAD("filename=\"a.txt", " {a.txt}", " !parameter-bad");
    NAMED_BAD("filename=\"a.txt\".exe", " {a.txt} {a.txt.exe}", " !parameter-bad");
    NAMED_BAD("filename=\"a.txt\" size=1", " {a.txt}", " !parameter-bad");
    NAMED_BAD("filename=a.txt size=1", " {a.txt} {a.txt size=1}", " !parameter-bad");
    NAMED_BAD("filename", "", " !parameter-bad");
    NAMED_BAD("=x; filename=a", " {a}", " !parameter-bad");
    NAMED_BAD("filename=\"a\x01.txt\"", " {a_.txt}", " !name-control");
    NAMED_BAD("filename=\"a\xe2\x80\xaetxt.exe\"", " {a\xe2\x80\xaetxt.exe}", " !name-control");
    NAMED_BAD("filename=a.txt; filename=b.exe", " {a.txt} {b.exe}",
              " !parameter-twice !name-conflict");
}

TEST(names_rfc2231)
{
    NAMED("filename*=utf-8'de'gr%C3%BC.txt", " {gr\xc3\xbc.txt}");
    NAMED("filename*=iso-8859-1''gr%FC.txt", " {gr\xc3\xbc.txt}");
    NAMED("filename*=gr%C3%BC.txt", " {gr\xc3\xbc.txt}");
    NAMED("filename*0=a; filename*1=\".t\"; filename*2=xt", " {a.txt}");
    NAMED("filename*2=xt; filename*0*=utf-8''%61; filename*1*=.%74", " {a.txt} {a.t}");
    NAMED("filename*1=file.; filename*0=zip", " {zipfile.} {file.zip}");
    NAMED("filename=a.z(.gif)ip", " {a.z(.gif)ip} {a.zip}");
    NAMED("filename*0=\"=?utf-8?q?a\"; filename*1=\".txt?=\"", " {a.txt}");
    NAMED("filename=gru.txt; filename*=utf-8''gr%C3%BC.txt", " {gr\xc3\xbc.txt} {gru.txt}");
    NAMED_BAD("filename*0=a.txt; filename*2=.exe", " {a.txt.exe} {a.txt}", " !parameter-2231");
    NAMED_BAD("filename*0=a.txt; filename*0=b.exe", " {a.txt} {a.txtb.exe}", " !parameter-2231");
    NAMED_BAD("filename=a.txt; filename*=utf-8''b.exe", " {b.exe} {a.txt}", " !name-conflict");
    NAMED_BAD("filename*=x-none''a%FF.txt", " {a\xc3\xbf.txt}", " !charset-unknown");
    NAMED("filename*=utf-8''%2Fetc%2Fa.txt", " {a.txt}");
}

/* Programs that take an unknown charset for the usual one show "a.exe". */
TEST(names_in_encoded_words_of_unknown_charsets)
{
    NAMED_BAD("filename=\"=?x-none?q?a=2Eexe?=\"", " {=?x-none?q?a=2Eexe?=} {a.exe}",
              " !name-conflict");
    NAMED_BAD("filename=\"=?x-none*de?b?YS5leGU=?=\"", " {=?x-none*de?b?YS5leGU=?=} {a.exe}",
              " !name-conflict");
    NAMED("filename=\"=?x-none\"", " {=?x-none}");
}

TEST(names_of_all_fields)
{
    CHECK_SHOWN("Content-Type: image/gif; name=a.gif\n\n", "1 image/gif {a.gif} <>\n");
    CHECK_SHOWN("Content-Type: image/gif; name=\"a.gif\"\n"
                "Content-Disposition: inline; filename=a.gif\n\n",
                "1 image/gif {a.gif} <>\n");
    CHECK_SHOWN("Content-Type: image/gif; name=a.gif\n"
                "Content-Disposition: inline; filename=b.exe\n\n",
                "1 image/gif {b.exe} {a.gif} <> !name-conflict\n");
    CHECK_SHOWN("Content-Disposition: inline; filename=a.gif\n"
                "Content-Disposition: inline; filename=b.gif\nContent-Type: image/gif\n\n",
                "1 image/gif {a.gif} {b.gif} <> !disposition-twice !name-conflict\n");
}

TEST(names_of_a_disposition_without_its_kind)
{
    CHECK_SHOWN("Content-Type: image/gif\nContent-Disposition: filename=a.exe; size=1\n\n",
                "1 image/gif {a.exe} <> !parameter-bad\n");
}

/* ---- transfer encodings ---- */

#define B64(text) "Content-Transfer-Encoding: base64\n\n" text
#define QP(text) "Content-Transfer-Encoding: quoted-printable\n\n" text

TEST(base64_is_decoded)
{
    CHECK_SHOWN(B64("aGVsbG8="), "1 text/plain <hello>\n");
    CHECK_SHOWN(B64("aGVs\r\nbG8=\r\n"), "1 text/plain <hello>\n");
    CHECK_SHOWN(B64("a\nGV\n sbG\t8=\n\n"), "1 text/plain <hello>\n");
    CHECK_SHOWN(B64("aGVsbG8gd29ybGQ="), "1 text/plain <hello world>\n");
    CHECK_SHOWN(B64("aGk+Pz4/\n"), "1 text/plain <hi>?>?>\n");
    CHECK_SHOWN(B64(""), "1 text/plain <>\n");
}

TEST(base64_broken_is_read_on)
{
    CHECK_SHOWN(B64("aGVs*bG8="), "1 text/plain <hello> !base64-garbage\n");
    CHECK_SHOWN(B64("aGVsbA==bG8="), "1 text/plain <helllo> !base64-padding\n");
    CHECK_SHOWN(B64("aGVsbG8"), "1 text/plain <hello> !base64-truncated\n");
    CHECK_SHOWN(B64("aGVsbG8=\naGVsbG8=\n"), "1 text/plain <hellohello> !base64-padding\n");
    CHECK_SHOWN(B64("aGVsb"), "1 text/plain <hel> !base64-truncated\n");
    CHECK_SHOWN(B64("=aGVs"), "1 text/plain <hel> !base64-garbage !base64-padding\n");
}

/* All octets, in lines of every length, so that each path of the decoder meets each character. */
TEST(base64_lines_of_any_length_decode)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    enum { SIZE = 3 * 400 };
    char plain[SIZE];
    uint64_t state = 7;
    for (size_t i = 0; i < SIZE; i++)
        plain[i] = (char)(mw_test_random(&state) >> 32);
    for (size_t width = 1; width < 120; width++) {
        struct mw_buf message = {0};
        mw_buf_put(&message, MW_LIT(B64("")));
        size_t column = 0;
        for (size_t i = 0; i < SIZE; i += 3) {
            uint32_t bits = (uint32_t)(unsigned char)plain[i] << 16 |
                            (uint32_t)(unsigned char)plain[i + 1] << 8 |
                            (uint32_t)(unsigned char)plain[i + 2];
            for (int shift = 18; shift >= 0; shift -= 6) {
                mw_buf_putc(&message, digits[bits >> shift & 63]);
                if (++column % width == 0)
                    mw_buf_put(&message, width % 2 == 0 ? MW_LIT("\r\n") : MW_LIT("\n"));
            }
        }
        struct reading reading;
        read_message(&reading, mw_buf_view(&message), width % 3 == 0 ? 77 : SIZE_MAX);
        bool is_same = mw_slice_eq(octets_of(&reading, 0), MW_SLICE(plain, SIZE));
        uint64_t defects = mw_mime_defects(reading.mime);
        end(&reading);
        mw_buf_fini(&message);
        CHECK(is_same);
        CHECK_INT(defects, width % 2 == 0 ? MW_DEFECT_BIT(MW_DEFECT_MIXED_ENDS) : 0);
    }
}

/* Every octet that is no base64 must be seen by the fast path, wherever it stands. */
TEST(base64_garbage_anywhere_is_seen)
{
    for (unsigned octet = 0; octet < 256; octet++)
        for (size_t place = 0; place < 70; place += 23) {
            char message[200] = B64("");
            size_t len = strlen(message);
            memset(message + len, 'A', 96);
            bool is_good = mw_is_alnum((char)octet) || octet == '+' || octet == '/';
            message[len + place] = (char)octet;
            struct reading reading;
            read_message(&reading, MW_SLICE(message, len + 96), SIZE_MAX);
            bool is_blank = octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n';
            uint64_t defects = mw_mime_defects(reading.mime);
            size_t octets = octets_of(&reading, 0).len;
            end(&reading);
            CHECK_INT(octets, is_good ? 72 : octet == '=' ? octets : 71);
            CHECK((defects == 0) == is_good);
            CHECK(!is_blank || defects == MW_DEFECT_BIT(MW_DEFECT_BASE64_TRUNCATED));
        }
}

TEST(quoted_printable_is_decoded)
{
    CHECK_SHOWN(QP("a=3Db=C3=bc\n"), "1 text/plain <a=b\xc3\xbc\\n>\n");
    CHECK_SHOWN(QP("soft=\nline=\r\n end  \t\r\nx \n"), "1 text/plain <softline end\\r\\nx\\n>\n");
    CHECK_SHOWN(QP("a= \t\r\nb"), "1 text/plain <ab>\n");
    CHECK_SHOWN(QP("a="), "1 text/plain <a>\n");
    CHECK_SHOWN(QP("a =20\n"), "1 text/plain <a  \\n>\n");
    CHECK_SHOWN(QP("a b \t"), "1 text/plain <a b>\n");
    CHECK_SHOWN(QP("a\rb\r\r\nc"), "1 text/plain <a\\rb\\r\\r\\nc>\n");
}

TEST(quoted_printable_broken_is_text)
{
    CHECK_SHOWN(QP("a=XYb"), "1 text/plain <a=XYb> !qp-bad\n");
    CHECK_SHOWN(QP("a=4"), "1 text/plain <a=4> !qp-bad\n");
    CHECK_SHOWN(QP("a=4\nb"), "1 text/plain <a=4\\nb> !qp-bad\n");
    CHECK_SHOWN(QP("a==41"), "1 text/plain <a=A> !qp-bad\n");
    CHECK_SHOWN(QP("a= b"), "1 text/plain <a= b> !qp-bad\n");
}

TEST(encoding_forms_are_read)
{
    CHECK_SHOWN("Content-Transfer-Encoding: BASE64 (x)\n\naGk=", "1 text/plain <hi>\n");
    CHECK_SHOWN("Content-Transfer-Encoding: \"base64\";\n\naGk=", "1 text/plain <hi>\n");
    CHECK_SHOWN("Content-Transfer-Encoding: (x) base64\n\naGk=", "1 text/plain <hi>\n");
    CHECK_SHOWN("Content-Transfer-Encoding: none\n\naGk=",
                "1 text/plain <aGk=> !encoding-unknown\n");
    CHECK_SHOWN("Content-Transfer-Encoding: base 64\n\naGVsbG8gd29ybGQgYWdhaW4=\n",
                "1 text/plain <aGVsbG8gd29ybGQgYWdhaW4=\\n> !encoding-unknown\n"
                "+1 text/plain <hello world again> !encoding-unknown\n");
}

TEST(uuencode_in_text_is_a_file)
{
    CHECK_SHOWN("\nhi\nbegin 644 a.txt\n#0V%T\n`\nend\nbye\n",
                "1 text/plain <hi\\nbegin 644 a.txt\\n#0V%T\\n`\\nend\\nbye\\n> !uuencode\n"
                "+1 application/octet-stream {a.txt} <Cat> !uuencode\n");
    CHECK_SHOWN("\r\nbegin 644 ../a.txt\r\n#0V%T\r\n`\r\nend\r\n",
                "1 text/plain <begin 644 ../a.txt\\r\\n#0V%T\\r\\n`\\r\\nend\\r\\n> !uuencode\n"
                "+1 application/octet-stream {a.txt} <Cat> !uuencode\n");
    CHECK_SHOWN("\nbegin 600 words\nand so on, as letters do\n",
                "1 text/plain <begin 600 words\\nand so on, as letters do\\n>\n");
    CHECK_SHOWN("\nbegin 644 a\n#0V%T\nbegin 644 b\n#0V%T\nend",
                "1 text/plain <begin 644 a\\n#0V%T\\nbegin 644 b\\n#0V%T\\nend> !uuencode\n"
                "+1 application/octet-stream {a} <Cat> !uuencode\n"
                "+1 application/octet-stream {b} <Cat> !uuencode\n");
    CHECK_SHOWN("\nbegin-base64 644 a\nQ2F0\n====\n",
                "1 text/plain <begin-base64 644 a\\nQ2F0\\n====\\n> !uuencode\n"
                "+1 application/octet-stream {a} <Cat> !uuencode\n");
    CHECK_SHOWN(QP("begin 644 a\n#0V%=\nT\n`\nend\n"),
                "1 text/plain <begin 644 a\\n#0V%T\\n`\\nend\\n> !uuencode\n"
                "+1 application/octet-stream {a} <Cat> !uuencode\n");
}

TEST(uuencode_as_encoding_has_two_readings)
{
    CHECK_SHOWN("Content-Type: image/gif; name=x.gif\nContent-Transfer-Encoding: x-uuencode\n\n"
                "begin 644 a\n#0V%T\n`\nend\n",
                "1 image/gif {x.gif} <Cat> !uuencode\n"
                "+1 image/gif {x.gif} <begin 644 a\\n#0V%T\\n`\\nend\\n>\n");
    CHECK_SHOWN("Content-Type: image/gif\nContent-Transfer-Encoding: uue\n\n#0V%T\n",
                "1 image/gif <Cat> !uuencode\n+1 image/gif <#0V%T\\n>\n");
}

TEST(yenc_in_text_is_a_file)
{
    CHECK_SHOWN("\n=ybegin line=128 size=3 name=a b.txt\nm\x8b\x9e\n=yend size=3\nx",
                "1 text/plain <=ybegin line=128 size=3 name=a b.txt\\nm\x8b\x9e\\n"
                "=yend size=3\\nx> !uuencode\n"
                "+1 application/octet-stream {a b.txt} <Cat> !uuencode\n");
    CHECK_SHOWN("\n=ybegin part=1 line=128 name=a\n=ypart begin=1 end=3\nm=\xcb\x9e\n",
                "1 text/plain <=ybegin part=1 line=128 name=a\\n=ypart begin=1 end=3\\n"
                "m=\xcb\x9e\\n> !uuencode\n"
                "+1 application/octet-stream {a} <Cat> !uuencode\n");
}

/* ---- second readings ---- */

TEST(encoding_twice_gives_both)
{
    CHECK_SHOWN("Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n\naGk=",
                "1 text/plain <aGk=> !encoding-twice\n+1 text/plain <hi> !encoding-twice\n");
    CHECK_SHOWN("Content-Transfer-Encoding: base64\nContent-Transfer-Encoding: base64\n\naGk=",
                "1 text/plain <hi>\n");
    CHECK_SHOWN("Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: 8bit\n\naGk=",
                "1 text/plain <aGk=> !encoding-twice\n");
}

TEST(type_twice_gives_both)
{
    CHECK_SHOWN("Content-Type: text/plain\nContent-Type: text/html\n\nx",
                "1 text/plain <x> !type-twice\n+1 text/html <x> !type-twice\n");
    CHECK_SHOWN("Content-Type: text/plain\nContent-Type: text/plain\n\nx",
                "1 text/plain <x> !type-twice\n");
    CHECK_SHOWN("Content-Type: text/plain\nContent-Type: multipart/mixed; boundary=b\n\n"
                "--b\n\nx\n--b--",
                " multipart/mixed () !type-twice\n+ text/plain <--b\\n\\nx\\n--b--> !type-twice\n"
                "1 text/plain <x>\n");
}

TEST(container_encoded_is_also_decoded)
{
    CHECK_SHOWN("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
                "Q29udGVudC1UeXBlOiB0ZXh0L2h0bWwKCjxiPgo=\n",
                "1 message/rfc822 () !encoding-not-allowed\n"
                "+1 message/rfc822 () !encoding-not-allowed\n"
                "1.1 text/plain <Q29udGVudC1UeXBlOiB0ZXh0L2h0bWwKCjxiPgo=\\n> !header-no-colon\n"
                "1.1 text/html <<b>\\n>\n");
    CHECK_SHOWN("Content-Type: multipart/mixed; boundary=b\n"
                "Content-Transfer-Encoding: quoted-printable\n\n--b\n\nx=3Dy\n--b--\n",
                " multipart/mixed () !encoding-not-allowed\n"
                "+ multipart/mixed () !encoding-not-allowed\n"
                "1 text/plain <x=3Dy>\n1 text/plain <x=y>\n");
    CHECK_SHOWN("Content-Type: multipart/mixed; boundary=b\n"
                "Content-Transfer-Encoding: base64\n\nLS1iCgpoaQotLWItLQo=\n",
                " multipart/mixed () !encoding-not-allowed !boundary-not-found\n"
                "+ multipart/mixed () !encoding-not-allowed\n1 text/plain <hi>\n");
}
