/* canon.c - see canon.h. Line ends are CRLF; a CR or LF alone is an octet like others. */
#include "canon.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void put(struct sink sink, struct mw_slice octets)
{
    if (octets.len > 0)
        sink.put(sink.user, octets);
}

/* ---- header fields ---- */

/* RFC 6376 3.4.2 for a value that comes in two pieces. */
struct relaxed {
    struct sink sink;
    bool has_blank, has_text;
};

/* A blank that is a single space between two words is the same in the relaxed form. */
static bool stays(struct mw_slice text, size_t at)
{
    return text.ptr[at] == ' ' && at > 0 && at + 1 < text.len && !is_blank(text.ptr[at + 1]) &&
           text.ptr[at + 1] != '\r';
}

/* How many octets at the front go as they are: neither line ends nor blanks, but for those. */
static size_t plain_len(struct mw_slice text)
{
    size_t len = 0;
    while (len < text.len && text.ptr[len] != '\r' &&
           (!is_blank(text.ptr[len]) || stays(text, len)))
        len++;
    return len;
}

static void relaxed_put(struct relaxed *relaxed, struct mw_slice text)
{
    if (relaxed->has_blank && relaxed->has_text)
        put(relaxed->sink, LIT(" "));
    relaxed->has_blank = false;
    relaxed->has_text = true;
    put(relaxed->sink, text);
}

static void relaxed_feed(struct relaxed *relaxed, struct mw_slice text)
{
    while (text.len > 0) {
        size_t len = plain_len(text);
        if (len > 0) {
            relaxed_put(relaxed, SLICE(text.ptr, len));
        } else if (is_blank(text.ptr[0])) {
            relaxed->has_blank = true;
            len = 1;
        } else if (text.len > 1 && text.ptr[1] == '\n') {
            len = 2; /* unfolded */
        } else {
            len = 1;
            relaxed_put(relaxed, SLICE(text.ptr, 1));
        }
        text = text_skip(text, len);
    }
}

static void put_lower(struct sink sink, struct mw_slice name)
{
    char room[128];
    while (name.len > 0) {
        size_t len = name.len < sizeof room ? name.len : sizeof room;
        for (size_t i = 0; i < len; i++)
            room[i] = text_lower(name.ptr[i]);
        put(sink, SLICE(room, len));
        name = text_skip(name, len);
    }
}

static void canon_pieces(enum canon canon, const struct field *field, struct mw_slice front,
                         struct mw_slice back, struct sink sink)
{
    if (canon == CANON_SIMPLE) {
        put(sink, field->name);
        put(sink, field->gap);
        put(sink, front);
        put(sink, back);
        return;
    }
    struct relaxed relaxed = {.sink = sink};
    put_lower(sink, field->name);
    put(sink, LIT(":"));
    relaxed_feed(&relaxed, front);
    relaxed_feed(&relaxed, back);
}

void canon_field(enum canon canon, const struct field *field, struct sink sink)
{
    canon_pieces(canon, field, field->value, EMPTY, sink);
    put(sink, LIT("\r\n"));
}

void canon_signature(enum canon canon, const struct field *field, size_t cut_from, size_t cut_to,
                     struct sink sink)
{
    canon_pieces(canon, field, SLICE(field->value.ptr, cut_from), text_skip(field->value, cut_to),
                 sink);
}

/* ---- bodies ---- */

void canon_body_begin(struct canon_body *body, enum canon canon, struct sink sink)
{
    *body = (struct canon_body){.canon = canon, .sink = sink};
}

static void body_put(struct canon_body *body, struct mw_slice octets)
{
    body->len += octets.len;
    put(body->sink, octets);
}

/* Something follows: the line ends before it count. */
static void put_ends(struct canon_body *body)
{
    static const char lines[] = "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
    enum { LINES = (sizeof lines - 1) / 2 };
    while (body->ends > 0) {
        size_t count = body->ends < LINES ? (size_t)body->ends : LINES;
        body_put(body, SLICE(lines, 2 * count));
        body->ends -= count;
    }
}

static void put_text(struct canon_body *body, struct mw_slice text)
{
    put_ends(body);
    if (body->has_blank)
        body_put(body, LIT(" "));
    body->has_blank = false;
    body->has_text = true;
    body_put(body, text);
}

/* A CR came last: what it was shows now. Returns how many octets of the piece belong to it. */
static size_t settle_cr(struct canon_body *body, struct mw_slice piece)
{
    body->has_cr = false;
    if (piece.ptr[0] != '\n') {
        put_text(body, LIT("\r"));
        return 0;
    }
    body->ends++;
    body->has_blank = false; /* RFC 6376 3.4.4: blanks at the end of a line go */
    return 1;
}

/* All but the line ends at the end is text. */
static void feed_simple(struct canon_body *body, struct mw_slice piece)
{
    uint64_t ends = 0;
    if (piece.ptr[piece.len - 1] == '\r') {
        body->has_cr = true;
        piece.len--;
    }
    while (piece.len > 1 && piece.ptr[piece.len - 1] == '\n' && piece.ptr[piece.len - 2] == '\r') {
        ends++;
        piece.len -= 2;
    }
    if (piece.len > 0)
        put_text(body, piece);
    body->ends += ends;
}

/* What is at the front: a run of text, a blank, a CR. Returns its length. */
static size_t feed_relaxed(struct canon_body *body, struct mw_slice piece)
{
    size_t len = plain_len(piece);
    if (len > 0) {
        put_text(body, SLICE(piece.ptr, len));
        return len;
    }
    if (piece.ptr[0] == '\r')
        body->has_cr = true;
    else
        body->has_blank = true;
    return 1;
}

void canon_body_feed(struct canon_body *body, struct mw_slice piece)
{
    while (piece.len > 0) {
        size_t len = piece.len;
        if (body->has_cr)
            len = settle_cr(body, piece);
        else if (body->canon == CANON_SIMPLE)
            feed_simple(body, piece);
        else
            len = feed_relaxed(body, piece);
        piece = text_skip(piece, len);
    }
}

/* One line end stays, or is added to a last line that has none. An empty body is CRLF in the simple form and nothing in
 * the relaxed one. */
void canon_body_end(struct canon_body *body)
{
    if (body->has_cr)
        put_text(body, LIT("\r"));
    body->has_cr = body->has_blank = false;
    body->ends = 0;
    if (body->has_text || body->canon == CANON_SIMPLE)
        body_put(body, LIT("\r\n"));
}
