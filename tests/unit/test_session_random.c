/* test_session_random.c - random interleavings of client octets, upstream octets, verdicts,
 * handshakes, time and faults against the pure session, set up in many ways (TLS on either leg,
 * XCLIENT, XFORWARD, own banner, PRDR, both plans).
 *
 * A model client sends tagged commands, pipelined, cut anywhere; a model upstream answers what it
 * receives with the tag in the text. Oracles, besides the session's own invariants after each event:
 *   order and attribution  the nth reply that the client gets is the nth command's: it carries that
 *                          command's tag, or is ours
 *   one reply a command    never more; exactly one once everything is quiet
 *   law 1                  2xx for a message only if the upstream stored it (or a filter discarded
 *                          it); the same for each recipient under PRDR
 *   law 2                  what the upstream stored is what the client sent
 *   quiet at the end       a session that is not over and has all its events waits for nobody but
 *                          the client
 * A failure prints the seed; MW_SEED=N runs that one, MW_SEEDS=N so many. */
#include "pure.h"
#include "test.h"

#include <signal.h>
#include <stdlib.h>

enum { SENT_MAX = 4096, CONTENT_MAX = 4096 };

enum kind {
    K_EHLO,
    K_HELO,
    K_MAIL,
    K_RCPT,
    K_DATA,
    K_END,
    K_RSET,
    K_NOOP,
    K_BAD,
    K_BDAT,
    K_QUIT,
    K_STARTTLS,
    K_XCLIENT,
    K_XFORWARD
};

struct sent {
    enum kind kind;
    uint32_t tag;
    bool is_last; /* BDAT LAST */
};

struct model {
    struct pure pure;
    uint64_t random;
    /* client */
    struct mw_buf out; /* not delivered yet */
    struct sent sent[SENT_MAX];
    size_t sent_count, replied;
    size_t client_seen; /* of pure.client_got */
    bool has_greeting, must_wait, in_content, is_over;
    struct mw_buf content; /* of the message at hand, as the upstream should store it */
    uint32_t next_tag, accepted, in_doubt;
    /* upstream */
    struct mw_buf up_out;
    size_t up_seen;
    uint32_t up_connects;
    bool up_in_content, up_has_mail;
    uint32_t up_rcpts;
    uint64_t up_bdat;
    bool up_bdat_last;
    struct mw_buf up_content;
    uint32_t stored;
    bool may_discard, has_edits, has_fault;
    bool is_own_banner, up_is_secure, needs_helo;
    uint32_t promised, group_left; /* recipients told 2xx; replies that a 353 announced */
    bool has_promise;              /* the group at hand has a 2xx for a recipient */
    const char *failure;
};

static uint64_t below(struct model *m, uint64_t limit)
{
    return mw_test_random(&m->random) % limit;
}

static bool chance(struct model *m, uint64_t percent)
{
    return below(m, 100) < percent;
}

static void fail(struct model *m, const char *why)
{
    if (m->failure == NULL)
        m->failure = why;
}

/* ---- the upstream ---- */

static void up_say(struct model *m, uint32_t code, struct mw_slice tag)
{
    if (chance(m, 20))
        mw_buf_putf(&m->up_out, "%u-first line\r\n", code);
    mw_buf_putf(&m->up_out, "%u 2.0.0 up %.*s\r\n", code, (int)tag.len, tag.ptr);
}

static struct mw_slice tag_in(struct mw_slice line)
{
    ptrdiff_t at = mw_slice_find(line, '#');
    if (at < 0)
        return MW_EMPTY;
    struct mw_slice tag = mw_slice_skip(line, (size_t)at);
    size_t len = 1;
    while (len < tag.len && mw_is_digit(tag.ptr[len]))
        len++;
    return mw_slice_take(tag, len);
}

static void up_store(struct model *m)
{
    struct mw_slice got = mw_buf_view(&m->up_content);
    if (!m->has_edits && !mw_slice_eq(got, mw_buf_view(&m->content)))
        fail(m, "the stored message differs from what the client sent");
    m->up_has_mail = false;
    if (chance(m, 15)) {
        up_say(m, chance(m, 50) ? 452 : 554, MW_LIT("#end"));
    } else {
        m->stored++;
        up_say(m, 250, MW_LIT("#end"));
    }
    m->up_content.len = 0;
    m->up_rcpts = 0;
}

static void up_command(struct model *m, struct mw_slice line)
{
    struct mw_slice tag = tag_in(line);
    if (mw_slice_starts(line, MW_LIT("EHLO"))) {
        mw_buf_putf(&m->up_out,
                    "250-up %.*s\r\n250-PIPELINING\r\n250-8BITMIME\r\n%s"
                    "250-XCLIENT NAME ADDR PORT\r\n250-XFORWARD NAME ADDR PORT HELO IDENT\r\n"
                    "250 CHUNKING\r\n",
                    (int)tag.len, tag.ptr, m->up_is_secure ? "" : "250-STARTTLS\r\n");
        m->up_has_mail = false;
    } else if (mw_slice_istarts(line, MW_LIT("HELO"))) {
        up_say(m, 250, tag);
        m->up_has_mail = false;
    } else if (mw_slice_starts(line, MW_LIT("MAIL"))) {
        if (m->up_has_mail) {
            fail(m, "nested MAIL reached the upstream");
        }
        bool ok = !chance(m, 10);
        m->up_has_mail = ok;
        m->up_rcpts = 0;
        up_say(m, ok ? 250 : 550, tag);
    } else if (mw_slice_starts(line, MW_LIT("RCPT"))) {
        bool ok = m->up_has_mail && !chance(m, 20);
        m->up_rcpts += ok;
        up_say(m, ok ? 250 : m->up_has_mail ? 550 : 503, tag);
    } else if (mw_slice_eq(line, MW_LIT("DATA"))) {
        bool ok = m->up_rcpts > 0 && !chance(m, 10);
        m->up_in_content = ok;
        m->up_content.len = 0;
        up_say(m, ok ? 354 : 554, MW_LIT("#data"));
    } else if (mw_slice_starts(line, MW_LIT("BDAT "))) {
        struct mw_slice size = mw_slice_skip(line, 5), last;
        if (!mw_slice_split(size, ' ', &size, &last) ||
            mw_slice_to_u64(size, 1 << 20, &m->up_bdat) != MW_OK)
            fail(m, "malformed BDAT upstream");
        m->up_bdat_last = true;
        m->up_content.len = 0;
    } else if (mw_slice_eq(line, MW_LIT("RSET"))) {
        m->up_has_mail = false;
        m->up_rcpts = 0;
        up_say(m, 250, MW_LIT("#rset"));
    } else if (mw_slice_starts(line, MW_LIT("STARTTLS"))) {
        if (m->up_is_secure)
            fail(m, "STARTTLS twice");
        mw_buf_put(&m->up_out, MW_LIT("220 2.0.0 go\r\n")); /* one line: nothing may follow it */
    } else if (mw_slice_starts(line, MW_LIT("XCLIENT "))) {
        up_say(m, 220, MW_LIT("#xclient"));
    } else if (mw_slice_starts(line, MW_LIT("XFORWARD "))) {
        up_say(m, 250, MW_LIT("#xforward"));
    } else if (mw_slice_starts(line, MW_LIT("NOOP"))) {
        up_say(m, 250, tag);
    } else if (mw_slice_eq(line, MW_LIT("QUIT"))) {
        up_say(m, 221, MW_LIT("#quit"));
    } else {
        fail(m, "an unknown command reached the upstream");
    }
}

/* Unstuff and store; true when the dot was found. */
static bool up_line(struct model *m, struct mw_slice line)
{
    if (mw_slice_eq(line, MW_LIT("."))) {
        m->up_in_content = false;
        up_store(m);
        return true;
    }
    if (line.len > 0 && line.ptr[0] == '.')
        line = mw_slice_skip(line, 1);
    mw_buf_put(&m->up_content, line);
    mw_buf_put(&m->up_content, MW_LIT("\r\n"));
    return false;
}

static void up_run(struct model *m)
{
    if (m->pure.connects != m->up_connects && m->pure.is_connected) {
        m->up_connects = m->pure.connects;
        m->up_in_content = m->up_has_mail = false;
        m->up_rcpts = 0;
        m->up_bdat = 0;
        m->up_bdat_last = m->up_is_secure = false;
        m->up_out.len = 0;
        m->up_seen = 0;
        m->pure.upstream_got.len = 0;
        up_say(m, 220, MW_LIT("#greeting"));
    }
    for (;;) {
        struct mw_slice in = mw_slice_skip(mw_buf_view(&m->pure.upstream_got), m->up_seen);
        if (m->up_bdat > 0) {
            size_t take = in.len < m->up_bdat ? in.len : m->up_bdat;
            mw_buf_put(&m->up_content, mw_slice_take(in, take));
            m->up_seen += take;
            m->up_bdat -= take;
            if (m->up_bdat > 0)
                return;
        }
        if (m->up_bdat_last) {
            m->up_bdat_last = false;
            up_store(m);
            continue;
        }
        ptrdiff_t end = mw_slice_find(in, '\n');
        if (end < 0)
            return;
        if (end == 0 || in.ptr[end - 1] != '\r') {
            fail(m, "a bare LF reached the upstream");
            return;
        }
        struct mw_slice line = mw_slice_take(in, (size_t)end - 1);
        m->up_seen += (size_t)end + 1;
        if (m->up_in_content)
            up_line(m, line);
        else
            up_command(m, line);
    }
}

/* ---- the client ---- */

static void send_command(struct model *m, enum kind kind)
{
    uint32_t tag = ++m->next_tag;
    struct mw_buf *out = &m->out;
    struct sent *sent = &m->sent[m->sent_count++];
    *sent = (struct sent){.kind = kind, .tag = tag};
    switch (kind) {
    case K_EHLO:
        mw_buf_putf(out, "EHLO c#%u\r\n", tag);
        break;
    case K_HELO:
        mw_buf_putf(out, "helo c#%u\r\n", tag);
        break;
    case K_MAIL:
        mw_buf_putf(out, "MAIL FROM:<s#%u@x.test>%s\r\n", tag,
                    m->pure.listen.prdr && chance(m, 50) ? " PRDR" : "");
        break;
    case K_RCPT:
        mw_buf_putf(out, "RCPT TO:<r#%u@x.test>\r\n", tag);
        break;
    case K_DATA:
        mw_buf_putf(out, "DATA\r\n");
        m->must_wait = true;
        break;
    case K_RSET:
        mw_buf_putf(out, "RSET\r\n");
        break;
    case K_NOOP:
        mw_buf_putf(out, "NOOP #%u\n", tag); /* a person's line end */
        break;
    case K_BAD:
        mw_buf_putf(out, "%s\r\n", chance(m, 50) ? "XYZZY" : "RCPT TO");
        break;
    case K_QUIT:
        mw_buf_putf(out, "QUIT\r\n");
        m->must_wait = true;
        break;
    case K_STARTTLS:
        mw_buf_putf(out, "STARTTLS\r\n");
        m->must_wait = true;
        break;
    case K_XCLIENT:
        mw_buf_putf(out, "XCLIENT ADDR=192.0.2.1 NAME=[UNAVAILABLE] PORT=4\r\n");
        m->must_wait = true;
        break;
    case K_XFORWARD:
        mw_buf_putf(out, "XFORWARD ADDR=192.0.2.2 NAME=f.test HELO=h\r\n");
        break;
    case K_BDAT:
    case K_END:
        break;
    }
}

static void make_content(struct model *m)
{
    static const char *const lines[] = {"Subject: x",
                                        "",
                                        ".",
                                        "..",
                                        "text",
                                        ". dot",
                                        "From: a@b.test",
                                        "a longer line of text for the body"};
    m->content.len = 0;
    if (chance(m, 80))
        mw_buf_put(&m->content, MW_LIT("Subject: test\r\nFrom: a@b.test\r\n\r\n"));
    for (uint64_t n = below(m, 12); n > 0; n--)
        mw_buf_putf(&m->content, "%s\r\n", lines[below(m, sizeof lines / sizeof *lines)]);
}

static void send_bdat(struct model *m)
{
    make_content(m);
    size_t at = 0;
    do {
        size_t left = m->content.len - at, size = left == 0 ? 0 : 1 + below(m, left);
        bool is_last = at + size == m->content.len;
        mw_buf_putf(&m->out, "BDAT %zu%s\r\n", size, is_last ? " LAST" : "");
        mw_buf_put(&m->out, MW_SLICE(m->content.len ? m->content.ptr + at : "", size));
        m->sent[m->sent_count++] = (struct sent){
            .kind = K_BDAT, .tag = ++m->next_tag, .is_last = is_last};
        at += size;
        if (is_last)
            break;
    } while (m->sent_count < SENT_MAX - 10);
    m->must_wait = true;
}

static void send_content(struct model *m)
{
    make_content(m);
    struct mw_slice rest = mw_buf_view(&m->content), line;
    while (mw_slice_split(rest, '\n', &line, &rest)) {
        if (line.len > 0 && line.ptr[0] == '.')
            mw_buf_putc(&m->out, '.');
        mw_buf_put(&m->out, line);
        mw_buf_putc(&m->out, '\n');
    }
    mw_buf_put(&m->out, MW_LIT(".\r\n"));
    m->sent[m->sent_count++] = (struct sent){.kind = K_END, .tag = ++m->next_tag};
    m->in_content = true;
    m->must_wait = true;
}

static void client_acts(struct model *m)
{
    static const enum kind kinds[] = {K_MAIL, K_MAIL,     K_RCPT,    K_RCPT,    K_RCPT, K_DATA,
                                      K_DATA, K_RSET,     K_NOOP,    K_BAD,     K_EHLO, K_HELO,
                                      K_BDAT, K_STARTTLS, K_XCLIENT, K_XFORWARD};
    if (m->must_wait || !m->has_greeting || m->sent_count >= SENT_MAX - 64 || m->out.len > 2000)
        return;
    if (m->sent_count == 0 || (m->needs_helo && chance(m, 80))) {
        m->needs_helo = false;
        send_command(m, chance(m, 80) ? K_EHLO : K_HELO);
        return;
    }
    for (uint64_t n = 1 + below(m, 5); n > 0 && !m->must_wait; n--) {
        enum kind kind = kinds[below(m, sizeof kinds / sizeof *kinds)];
        if (kind == K_EHLO && !chance(m, 10))
            kind = K_RCPT;
        if (kind == K_HELO && !chance(m, 10))
            kind = K_MAIL;
        if ((kind == K_STARTTLS || kind == K_XCLIENT) && !chance(m, 20))
            kind = K_NOOP;
        if (kind == K_BDAT)
            send_bdat(m);
        else
            send_command(m, kind);
    }
}

/* draft-hall-prdr-00: a 353 and a reply for each recipient in front of the message's reply. True:
 * it was one of those. */
static bool take_group_reply(struct model *m, uint32_t code)
{
    const struct sent *sent = &m->sent[m->replied];
    bool is_message_end = sent->kind == K_END || (sent->kind == K_BDAT && sent->is_last);
    if (code == 353) {
        if (!is_message_end || m->group_left > 0 || m->promised < 2)
            fail(m, "a 353 where none belongs");
        m->group_left = m->promised + 1;
        m->has_promise = false;
        return true;
    }
    if (m->group_left == 0 || --m->group_left == 0) {
        if (is_message_end && m->has_promise && code >= 300)
            fail(m, "law 1: a recipient was promised what the message was not");
        m->has_promise = false;
        return false;
    }
    m->has_promise |= code < 300;
    return true;
}

static void on_client_reply(struct model *m, uint32_t code, struct mw_slice last_line,
                            struct mw_slice all)
{
    if (!m->has_greeting) {
        m->has_greeting = true;
        return;
    }
    if (m->replied >= m->sent_count) {
        if (code != 421)
            fail(m, "more replies than commands");
        return;
    }
    if (code != 421 && take_group_reply(m, code))
        return;
    struct sent *sent = &m->sent[m->replied++];
    if (sent->kind == K_MAIL && code < 300)
        m->promised = 0;
    m->promised += sent->kind == K_RCPT && code < 300;
    char tag[16];
    int len = snprintf(tag, sizeof tag, "#%u", sent->tag);
    bool is_relayed = memmem(all.ptr, all.len, "up #", 4) != NULL;
    bool is_tagged = sent->kind == K_EHLO || sent->kind == K_HELO || sent->kind == K_MAIL ||
                     sent->kind == K_RCPT || sent->kind == K_NOOP;
    /* own banner: EHLO's list is an earlier one's, and a refused MAIL shows at RCPT */
    is_tagged = is_tagged && (!m->is_own_banner ||
                              (sent->kind != K_EHLO && (sent->kind != K_RCPT || code < 300)));
    if (is_relayed && is_tagged) {
        const char *at = memmem(all.ptr, all.len, tag, (size_t)len);
        if (at == NULL || mw_is_digit(at[len]))
            fail(m, "a reply with another command's tag");
    }
    m->needs_helo |= code == 220 && (sent->kind == K_STARTTLS || sent->kind == K_XCLIENT);
    if (sent->kind == K_STARTTLS && code == 220)
        return; /* the handshake comes first */
    if (is_relayed && sent->kind == K_BAD)
        fail(m, "an unknown command was relayed");
    (void)last_line;
    bool is_message_end = sent->kind == K_END || (sent->kind == K_BDAT && sent->is_last);
    if (is_message_end) {
        if (code < 300)
            m->accepted++;
        m->in_content = false;
    }
    if (sent->kind == K_DATA && code == 354)
        send_content(m);
    else if (m->replied == m->sent_count)
        m->must_wait = false;
}

static void client_reads(struct model *m)
{
    for (;;) {
        struct mw_slice in = mw_slice_skip(mw_buf_view(&m->pure.client_got), m->client_seen);
        size_t at = 0;
        for (;;) {
            ptrdiff_t end = mw_slice_find(mw_slice_skip(in, at), '\n');
            if (end < 4)
                return;
            bool is_last = in.ptr[at + 3] == ' ';
            size_t next = at + (size_t)end + 1;
            if (is_last) {
                uint64_t code;
                if (mw_slice_to_u64(mw_slice_take(mw_slice_skip(in, at), 3), 599, &code) != MW_OK) {
                    fail(m, "not a reply");
                    return;
                }
                m->client_seen += next;
                on_client_reply(m, (uint32_t)code,
                                mw_slice_take(mw_slice_skip(in, at), (size_t)end),
                                mw_slice_take(in, next));
                break;
            }
            at = next;
        }
    }
}

/* ---- one run ---- */

static void add_rules(struct model *m)
{
    static const char *const rules[] = {
        "rcpt:1 reject 550 5.7.1 \"no\"",
        "rcpt wait continue",
        "mail wait continue",
        "mail:2 tempfail",
        "data wait continue",
        "data:1 reject",
        "end_of_headers wait continue",
        "end_of_headers:1 reject",
        "end_of_message wait continue",
        "end_of_message:1 reject",
        "end_of_message:2 discard",
        "rcpt_reply wait continue",
        "helo wait continue",
        "connect wait continue",
        "rcpt:3 discard",
        "rcpt:2 continue rcpt=new@y.test",
        "mail:1 continue sender=new@y.test",
        "end_of_message continue add-rcpt=x@y.test",
        "body:1 reject",
        "command wait continue",
        "end_of_message:0 wait continue sender=late@y.test",
        "end_of_message continue reject-rcpt=*0",
        "end_of_message wait continue reject-rcpt=*1 tempfail-rcpt=*2",
        "end_of_message:0 continue tempfail-rcpt=*0 reject-rcpt=*1",
        "end_of_message:1 continue discard-rcpt=*0",
        "end_of_message continue discard-rcpt=*1 reject-rcpt=*0 add-rcpt=x@y.test",
        "data continue reject-rcpt=*0",
        "rcpt:1 continue group=one",
        "rcpt:2 continue group=one",
    };
    for (uint64_t n = below(m, 5); n > 0; n--) {
        const char *rule = rules[below(m, sizeof rules / sizeof *rules)];
        m->may_discard |= strstr(rule, "discard") != NULL;
        if (!pure_add_rule(&m->pure, mw_slice_cstr(rule)))
            fail(m, "a rule of this test is not understood");
    }
    if (chance(m, 20))
        m->pure.wants_spool = true;
}

static void deliver(struct model *m, bool to_session_from_client)
{
    struct mw_buf *buf = to_session_from_client ? &m->out : &m->up_out;
    if (buf->len == 0 || (to_session_from_client ? !mw_session_wants_client(m->pure.session)
                                                 : !mw_session_wants_upstream(m->pure.session)))
        return;
    size_t len = chance(m, 30)   ? 1 + below(m, buf->len < 4 ? buf->len : 4)
                 : chance(m, 50) ? 1 + below(m, buf->len)
                                 : buf->len;
    char chunk[8192];
    if (len > sizeof chunk)
        len = sizeof chunk;
    memcpy(chunk, buf->ptr, len);
    mw_buf_consume(buf, len);
    if (to_session_from_client)
        pure_client_sends(&m->pure, MW_SLICE(chunk, len));
    else
        pure_upstream_sends(&m->pure, MW_SLICE(chunk, len));
}

/* What was asked for happens: connections, handshakes. */
static void go_along(struct model *m, bool may_fail)
{
    pure_upstream_accepts(&m->pure);
    if (m->pure.wants_upstream_tls) {
        bool is_good = !may_fail || !chance(m, 10);
        m->has_fault |= !is_good;
        m->up_is_secure = true;
        m->up_has_mail = false;
        m->up_out.len = 0;
        pure_upstream_secures(&m->pure, is_good);
    }
    if (m->pure.wants_client_tls) {
        client_reads(m);
        bool is_good = !may_fail || !chance(m, 10);
        m->has_fault |= !is_good;
        pure_client_secures(&m->pure, is_good);
        m->must_wait = false;
    }
}

/* Which of the many ways a site is set up. */
static void set_up(struct model *m)
{
    static const enum mw_identity identities[] = {MW_IDENTITY_NONE, MW_IDENTITY_NONE,
                                                  MW_IDENTITY_XCLIENT, MW_IDENTITY_XFORWARD};
    static const enum mw_upstream_tls up_tls[] = {MW_UPSTREAM_TLS_OFF, MW_UPSTREAM_TLS_OFF,
                                                  MW_UPSTREAM_TLS_OPPORTUNISTIC,
                                                  MW_UPSTREAM_TLS_REQUIRED};
    static const enum mw_listen_tls tls[] = {MW_LISTEN_TLS_OFF, MW_LISTEN_TLS_STARTTLS,
                                             MW_LISTEN_TLS_REQUIRED};
    struct mw_listen_settings *listen = &m->pure.listen;
    struct mw_upstream_settings *upstream = &m->pure.upstream;
    m->is_own_banner = chance(m, 30);
    upstream->banner = m->is_own_banner ? MW_BANNER_OWN : MW_BANNER_UPSTREAM;
    upstream->identity = identities[below(m, 4)];
    upstream->tls = up_tls[below(m, 4)];
    listen->tls = chance(m, 60) ? MW_LISTEN_TLS_OFF : tls[below(m, 3)];
    listen->accept_xclient = chance(m, 20);
    listen->accept_xforward = chance(m, 20);
    m->pure.trust = (struct mw_network){.prefix = 96, .address.octets = {[10] = 0xff, [11] = 0xff}};
    listen->trust = &m->pure.trust;
    listen->trust_count = 1;
    listen->mixed_verdict = (enum mw_mixed_verdict)below(m, 3);
    listen->prdr = chance(m, 40);
}

static void step(struct model *m, bool faults)
{
    struct pure *pure = &m->pure;
    switch (below(m, 12)) {
    case 0:
    case 1:
        client_acts(m);
        break;
    case 2:
    case 3:
    case 4:
        deliver(m, true);
        break;
    case 5:
    case 6:
    case 7:
        deliver(m, false);
        break;
    case 8:
        pure_decide(pure);
        break;
    case 9:
        go_along(m, faults);
        break;
    case 10:
        pure->upstream_blocked = chance(m, 20);
        pure->client_blocked = chance(m, 20);
        pure->jobs_held = chance(m, 20);
        pure_progress(pure);
        break;
    default:
        if (faults && chance(m, 2)) {
            m->has_fault = true;
            switch (below(m, 6)) {
            case 0:
                pure_upstream_closes(pure);
                break;
            case 1:
                mw_buf_put(&m->up_out, MW_LIT("421 4.3.2 up going down\r\n"));
                break;
            case 2:
                mw_buf_put(&m->up_out, MW_LIT("nonsense\r\n"));
                break;
            case 3:
                pure_time(pure, 1 + below(m, 700000));
                break;
            case 4:
                pure_client_closes(pure);
                break;
            default:
                pure_upstream_refuses(pure);
                break;
            }
        }
        break;
    }
    up_run(m);
    client_reads(m);
}

static void run_to_quiet(struct model *m)
{
    struct pure *pure = &m->pure;
    pure->upstream_blocked = pure->client_blocked = pure->jobs_held = false;
    for (int i = 0; i < 3000 && !mw_session_is_over(pure->session); i++) {
        pure_progress(pure);
        go_along(m, false);
        pure_decide(pure);
        up_run(m);
        deliver(m, false);
        deliver(m, true);
        client_reads(m);
    }
    up_run(m);
    client_reads(m);
}

static uint64_t steps_done, current_seed;

/* An assertion inside the session: say which seed it was. */
static void on_abort(int signal_number)
{
    (void)signal_number;
    fprintf(stderr, "\naborted in seed %" PRIu64 " (run again with MW_SEED=%" PRIu64 ")\n",
            current_seed, current_seed);
}

static void run_seed(uint64_t seed, bool faults)
{
    static struct model model;
    struct model *m = &model;
    memset(m, 0, sizeof *m);
    current_seed = seed;
    m->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    pure_init(&m->pure);
    m->pure.listen.spool_memory = chance(m, 50) ? 262144 : 64;
    m->pure.listen.max_errors = 100000;
    m->pure.listen.max_junk = 0;
    set_up(m);
    add_rules(m);
    for (size_t i = 0; i < m->pure.rule_count; i++) {
        const struct pure_rule *rule = &m->pure.rules[i];
        m->has_edits |= rule->add_header[0] || rule->body[0];
    }
    pure_start(&m->pure);
    for (int i = 0; i < 400 && m->failure == NULL && !mw_session_is_over(m->pure.session);
         i++, steps_done++)
        step(m, faults);
    if (m->failure == NULL)
        run_to_quiet(m);
    if (m->failure == NULL && !faults) {
        if (mw_session_is_over(m->pure.session))
            fail(m, "the session ended without a fault");
        else if (m->out.len == 0 && m->replied != m->sent_count)
            fail(m, "a command has no reply although everything is quiet");
        else if (m->out.len > 0)
            fail(m, "the session takes no more input although everything is quiet");
    }
    if (m->failure == NULL && !m->may_discard && m->accepted > m->stored)
        fail(m, "law 1: a message was acknowledged that the upstream did not store");
    if (m->failure != NULL) {
        struct mw_slice log = mw_log_memory_view(m->pure.log);
        fprintf(stderr,
                "seed %" PRIu64
                " faults %d: %s\nclient got:\n%.*s\nupstream got:\n%.*s\nlog:\n%.*s\n",
                seed, faults, m->failure, (int)m->pure.client_got.len,
                m->pure.client_got.ptr ? m->pure.client_got.ptr : "", (int)m->pure.upstream_got.len,
                m->pure.upstream_got.ptr ? m->pure.upstream_got.ptr : "", (int)log.len, log.ptr);
        mw_test_fail(__FILE__, __LINE__, "seed %" PRIu64 ": %s", seed, m->failure);
    }
    pure_fini(&m->pure);
    mw_buf_fini(&m->out);
    mw_buf_fini(&m->content);
    mw_buf_fini(&m->up_out);
    mw_buf_fini(&m->up_content);
}

/* MW_SEED runs one seed, MW_SEEDS changes how many. */
static void run_all(bool faults)
{
    const char *one = getenv("MW_SEED"), *many = getenv("MW_SEEDS");
    uint64_t count = 6000, first = 1;
    if (many != NULL && mw_slice_to_u64(mw_slice_cstr(many), 1000000000, &count) != MW_OK)
        count = 6000;
    if (one != NULL && mw_slice_to_u64(mw_slice_cstr(one), UINT64_MAX, &first) == MW_OK)
        count = 1;
    steps_done = 0;
    signal(SIGABRT, on_abort);
    for (uint64_t seed = first; seed < first + count; seed++)
        run_seed(seed, faults);
    printf("%" PRIu64 " seeds, %" PRIu64 " steps\n", count, steps_done);
}

TEST(random_interleavings_without_faults_keep_every_invariant)
{
    run_all(false);
}

TEST(random_interleavings_with_faults_keep_every_invariant)
{
    run_all(true);
}
