/* probe.c - one dialogue with each address of an upstream, judged step by step.
 *
 *   connect -> PROXY header -> implicit TLS -> greeting -> EHLO -> STARTTLS, EHLO
 *           -> XCLIENT, EHLO or XFORWARD -> MAIL, RCPT for two senders -> QUIT
 *
 * A step returns whether the next one makes sense. What it found is told where it is found
 * (probe_tell.c). Settings are named as Postfix has them. The same order as session/upstream.c's,
 * so that what is proved here is what sessions do. */
#include "cli/probe.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/probe_priv.h"
#include "net/proxyproto.h"
#include "smtp/xclient.h"

enum {
    WAIT_MAX_MS = 30000,     /* however patient the configuration is */
    GREETING_HURRY_MS = 300, /* a server that expects a PROXY header says nothing meanwhile */
    STRANGER_PORT = 41001,
};

#define STRANGER "192.0.2.1"
#define FOREIGN_RCPT "mailweir-probe@example.net"

static uint64_t capped(uint64_t timeout_ms)
{
    return timeout_ms < WAIT_MAX_MS ? timeout_ms : WAIT_MAX_MS;
}

static bool is_local(const struct mw_endpoint *endpoint)
{
    static const struct mw_inet ip6_loopback = {{[15] = 1}};
    if (endpoint->kind != MW_ENDPOINT_INET)
        return true;
    return mw_inet_is_v4(&endpoint->address)
               ? endpoint->address.octets[12] == 127
               : memcmp(&endpoint->address, &ip6_loopback, sizeof ip6_loopback) == 0;
}

static bool is_proxy(const struct mw_probe *probe)
{
    return probe->upstream->identity == MW_IDENTITY_PROXY_V1 ||
           probe->upstream->identity == MW_IDENTITY_PROXY_V2;
}

/* ---- commands ---- */

/* Send one line and read its reply; a failure is told. */
static bool ask(struct mw_probe *probe, const char *step, const char *line,
                struct mw_reply *out_reply)
{
    uint64_t timeout = capped(probe->upstream->reply_timeout_ms);
    mw_probe_begin_step(probe);
    if (mw_wire_send(&probe->wire, mw_slice_cstr(line), timeout) != MW_OK ||
        mw_wire_reply(&probe->wire, out_reply, timeout) != MW_OK)
        return mw_probe_tell_wire(probe, step, NULL);
    return true;
}

static bool say_ehlo(struct mw_probe *probe, struct mw_reply *out_reply)
{
    struct mw_buf line = {0};
    mw_buf_putf(&line, "EHLO %.*s\r\n", (int)probe->snapshot->hostname.len,
                probe->snapshot->hostname.ptr);
    char *text = mw_buf_detach_cstr(&line);
    bool is_answered = ask(probe, "EHLO", text, out_reply);
    free(text);
    if (is_answered)
        mw_ehlo_parse(out_reply, &probe->ehlo);
    return is_answered;
}

/* ---- connection, PROXY header, greeting ---- */

static bool step_connect(struct mw_probe *probe)
{
    mw_probe_begin_step(probe);
    enum mw_err err = mw_wire_connect(&probe->wire, probe->address,
                                      capped(probe->upstream->connect_timeout_ms));
    if (err == MW_OK) {
        mw_probe_tell(probe, MW_FINDING_OK, "connect", MW_EMPTY, NULL);
        return true;
    }
    mw_probe_tell_wire(
        probe, "connect",
        err == MW_ERR_TIMEOUT
            ? "a firewall drops it, or the host is down"
            : "does a line of master.cf have this address and port, and was `postfix "
              "reload` done since? Who listens: ss -ltn");
    probe->is_unreachable = true;
    return false;
}

static void proxy_header(const struct mw_probe *probe, struct mw_buf *out)
{
    struct mw_proxy_header header = {
        .version = probe->upstream->identity == MW_IDENTITY_PROXY_V1 ? 1 : 2,
        .source_port = STRANGER_PORT,
        .destination_port = 25,
    };
    enum mw_err err = mw_inet_parse(MW_LIT(STRANGER), &header.source);
    mw_assert(err == MW_OK);
    header.destination = header.source;
    if (probe->address->kind == MW_ENDPOINT_INET && mw_inet_is_v4(&probe->address->address)) {
        header.destination = probe->address->address;
        header.destination_port = probe->address->port;
    }
    mw_proxy_print(&header, out);
}

#define ADVICE_PROXY                                                                      \
    "on this line of master.cf: -o smtpd_upstream_proxy_protocol=haproxy (postscreen: "   \
    "postscreen_upstream_proxy_protocol=haproxy), or another `identity` in the upstream " \
    "block; until then mailweir answers its clients 421 4.3.5"

static bool step_proxy(struct mw_probe *probe)
{
    struct mw_buf header = {0};
    mw_probe_begin_step(probe);
    if (mw_wire_speaks(&probe->wire, GREETING_HURRY_MS)) {
        mw_probe_tell(probe, MW_FINDING_FAILED, "identity (PROXY header)",
                      MW_LIT("it speaks before the header has come, so it expects none"),
                      ADVICE_PROXY);
        return false;
    }
    proxy_header(probe, &header);
    enum mw_err err = mw_wire_send(&probe->wire, mw_buf_view(&header), WAIT_MAX_MS);
    mw_buf_fini(&header);
    probe->is_stranger = true;
    return err == MW_OK || mw_probe_tell_wire(probe, "identity (PROXY header)", ADVICE_PROXY);
}

static const char *advice_no_greeting(const struct mw_probe *probe)
{
    if (is_proxy(probe))
        return "it did not like the PROXY header, or all its processes are busy: see its log";
    return "does this port expect a PROXY header (smtpd_upstream_proxy_protocol)? Are all its "
           "processes busy (8th column in master.cf)?";
}

static const char *advice_refused_greeting(const struct mw_probe *probe,
                                           const struct mw_reply *reply)
{
    if (is_proxy(probe))
        return "the PROXY header was refused, or the server refuses the stranger " STRANGER
               " at once: its log says which";
    if (reply->code == 421)
        return "421 after some seconds: this port expects a PROXY header "
               "(smtpd_upstream_proxy_protocol); else the server is not well: see its log";
    return "the server refuses mailweir itself";
}

static bool step_greeting(struct mw_probe *probe)
{
    struct mw_reply reply;
    mw_probe_begin_step(probe);
    enum mw_err err = mw_wire_reply(&probe->wire, &reply,
                                    capped(probe->upstream->connect_timeout_ms));
    if (err != MW_OK) {
        probe->is_unreachable = err != MW_ERR_SYNTAX;
        return mw_probe_tell_wire(probe, "greeting",
                                  err == MW_ERR_SYNTAX
                                      ? "this is no mail server, or one that speaks TLS at "
                                        "once (`tls implicit`)"
                                      : advice_no_greeting(probe));
    }
    if (reply.code < 300) {
        mw_probe_tell_reply(probe, MW_FINDING_OK, "greeting", &reply, NULL);
        return true;
    }
    mw_probe_tell_reply(probe, MW_FINDING_FAILED, "greeting", &reply,
                        advice_refused_greeting(probe, &reply));
    return false;
}

/* ---- EHLO, TLS ---- */

/* What the server announces to us, where it need not. */
static void warn_of_offers(struct mw_probe *probe)
{
    if (probe->upstream->identity != MW_IDENTITY_XCLIENT &&
        (probe->ehlo.exts & MW_EXT_XCLIENT) != 0)
        mw_probe_tell(
            probe, MW_FINDING_WARNING, "XCLIENT", MW_LIT("is announced to us and not used"),
            "harmless through mailweir, which hides and refuses it; `identity xclient` would use "
            "it, or take us out of smtpd_authorized_xclient_hosts");
    if (probe->upstream->tls == MW_UPSTREAM_TLS_OFF && (probe->ehlo.exts & MW_EXT_STARTTLS) != 0 &&
        !is_local(probe->address))
        mw_probe_tell(probe, MW_FINDING_WARNING, "TLS",
                      MW_LIT("is offered and not used, on an address that is not loopback"),
                      "mail and passwords cross the network in the clear: set `tls verified` (or "
                      "`opportunistic`) in the upstream block");
}

static bool step_ehlo(struct mw_probe *probe)
{
    struct mw_reply reply;
    if (!say_ehlo(probe, &reply))
        return false;
    if (reply.code != 250) {
        mw_probe_tell_reply(probe, MW_FINDING_FAILED,
                            is_proxy(probe) ? "identity (PROXY header)" : "EHLO", &reply,
                            is_proxy(probe) ? ADVICE_PROXY : NULL);
        return false;
    }
    mw_probe_tell_reply(probe, MW_FINDING_OK, "EHLO", &reply, NULL);
    if (is_proxy(probe))
        mw_probe_tell(probe, MW_FINDING_OK, "identity (PROXY header)",
                      MW_LIT("was taken: the server sees " STRANGER), NULL);
    return true;
}

static void tell_secured(struct mw_probe *probe)
{
    const struct mw_tls_info *info = mw_tls_info(probe->wire.tls);
    struct mw_buf words = {0};
    bool must_verify = probe->upstream->tls == MW_UPSTREAM_TLS_VERIFIED;
    mw_buf_putf(&words, "%s %s, certificate of %s", info->version, info->cipher,
                info->subject[0] != '\0' ? info->subject : "nobody");
    if (info->is_verified)
        mw_buf_put(&words, MW_LIT(", verified"));
    else
        mw_buf_putf(&words, ", not verified%s%s", info->problem[0] != '\0' ? ": " : "",
                    info->problem);
    mw_probe_tell(probe, MW_FINDING_OK, "TLS", mw_buf_view(&words),
                  info->is_verified || must_verify || is_local(probe->address)
                      ? NULL
                      : "whoever can stand in between reads along: `tls verified`, with `ca` or a "
                        "fingerprint, shuts him out");
    mw_buf_fini(&words);
}

static bool shake_hands(struct mw_probe *probe)
{
    char key[160];
    mw_endpoint_print(probe->address, key, sizeof key);
    mw_probe_begin_step(probe);
    if (mw_wire_secure(&probe->wire, probe->upstream->tls_client, mw_slice_cstr(key),
                       capped(probe->upstream->connect_timeout_ms)) == MW_OK) {
        tell_secured(probe);
        return true;
    }
    if (probe->upstream->tls == MW_UPSTREAM_TLS_OPPORTUNISTIC) {
        mw_probe_tell(probe, MW_FINDING_WARNING, "TLS",
                      MW_SLICE(probe->wire.problem, probe->wire.problem_len),
                      "sessions go on in the clear (`tls opportunistic`); so does this probe");
        probe->has_no_tls = true;
        return false;
    }
    return mw_probe_tell_wire(
        probe, "TLS",
        "certificate: smtpd_tls_cert_file, smtpd_tls_key_file; whom to trust: `ca` "
        "and `server-name` in the upstream block");
}

static bool step_starttls(struct mw_probe *probe)
{
    struct mw_reply reply;
    enum mw_upstream_tls tls = probe->upstream->tls;
    if (tls == MW_UPSTREAM_TLS_OFF || tls == MW_UPSTREAM_TLS_IMPLICIT || probe->has_no_tls)
        return true;
    if ((probe->ehlo.exts & MW_EXT_STARTTLS) == 0) {
        bool is_needed = tls != MW_UPSTREAM_TLS_OPPORTUNISTIC;
        mw_probe_tell(
            probe, is_needed ? MW_FINDING_FAILED : MW_FINDING_WARNING, "TLS",
            MW_LIT("STARTTLS is not announced"),
            "in Postfix: smtpd_tls_security_level=may, smtpd_tls_cert_file, smtpd_tls_key_file");
        return !is_needed;
    }
    if (!ask(probe, "STARTTLS", "STARTTLS\r\n", &reply))
        return false;
    if (reply.code != 220) {
        mw_probe_tell_reply(probe, MW_FINDING_FAILED, "STARTTLS", &reply, NULL);
        return false;
    }
    return shake_hands(probe) && step_ehlo(probe);
}

/* ---- identity ---- */

#define ADVICE_XCLIENT                                                                       \
    "on this line of master.cf: -o smtpd_authorized_xclient_hosts=ADDRESS, mailweir's own "  \
    "address as the server sees it (127.0.0.1 on one machine); until then mailweir answers " \
    "its clients 421 4.3.5"

static void stranger_attributes(struct mw_xclient *values)
{
    *values = (struct mw_xclient){.name = {.state = MW_X_UNAVAILABLE},
                                  .address_state = MW_X_GIVEN,
                                  .port_state = MW_X_GIVEN,
                                  .port = STRANGER_PORT};
    enum mw_err err = mw_inet_parse(MW_LIT(STRANGER), &values->address);
    mw_assert(err == MW_OK);
}

/* Our command was refused, not the client that it tells of. */
static bool is_command_refused(const struct mw_reply *reply)
{
    return (reply->code >= 500 && reply->code <= 504) ||
           (reply->code == 550 && mw_slice_istarts(reply->text, MW_LIT("5.7.0")));
}

static bool ask_attributes(struct mw_probe *probe, const char *step, bool is_forward,
                           uint32_t attrs, struct mw_reply *out_reply)
{
    struct mw_xclient values;
    struct mw_buf line = {0};
    stranger_attributes(&values);
    enum mw_err err = mw_xclient_print(&values, is_forward, attrs, &line);
    mw_assert(err == MW_OK);
    char *text = mw_buf_detach_cstr(&line);
    bool is_answered = ask(probe, step, text, out_reply);
    free(text);
    return is_answered;
}

static bool step_xclient(struct mw_probe *probe)
{
    struct mw_reply reply;
    if ((probe->ehlo.exts & MW_EXT_XCLIENT) == 0 ||
        (probe->ehlo.xclient_attrs & MW_XCLIENT_ADDR) == 0) {
        mw_probe_tell(probe, MW_FINDING_FAILED, "identity (XCLIENT)",
                      MW_LIT("XCLIENT with ADDR is not announced to us"), ADVICE_XCLIENT);
        return false;
    }
    if (!ask_attributes(probe, "identity (XCLIENT)", false, probe->ehlo.xclient_attrs, &reply))
        return false;
    if (is_command_refused(&reply)) {
        mw_probe_tell_reply(probe, MW_FINDING_FAILED, "identity (XCLIENT)", &reply, ADVICE_XCLIENT);
        return false;
    }
    probe->is_stranger = true;
    probe->is_refused_there = reply.code >= 400;
    mw_probe_tell_reply(probe, MW_FINDING_OK, "identity (XCLIENT)", &reply, NULL);
    if (probe->is_refused_there || !say_ehlo(probe, &reply))
        return probe->is_refused_there;
    probe->step_us = 0;
    if ((probe->ehlo.exts & MW_EXT_XCLIENT) != 0)
        mw_probe_tell(probe, MW_FINDING_WARNING, "XCLIENT",
                      MW_LIT("is announced to the stranger " STRANGER),
                      "smtpd_authorized_xclient_hosts is too wide: name mailweir's address only");
    return true;
}

static bool step_xforward(struct mw_probe *probe)
{
    struct mw_reply reply;
    if ((probe->ehlo.exts & MW_EXT_XFORWARD) == 0 ||
        (probe->ehlo.xforward_attrs & MW_XCLIENT_ADDR) == 0) {
        mw_probe_tell(
            probe, MW_FINDING_FAILED, "identity (XFORWARD)",
            MW_LIT("XFORWARD with ADDR is not announced to us"),
            "on this line of master.cf: -o smtpd_authorized_xforward_hosts=ADDRESS, mailweir's "
            "own address");
        return false;
    }
    if (!ask_attributes(probe, "identity (XFORWARD)", true, probe->ehlo.xforward_attrs, &reply))
        return false;
    bool is_taken = reply.code < 300;
    mw_probe_tell_reply(
        probe, is_taken ? MW_FINDING_OK : MW_FINDING_FAILED, "identity (XFORWARD)", &reply,
        is_taken ? "it reaches the server's log only: the server goes on judging mailweir, "
                   "not the client"
                 : "smtpd_authorized_xforward_hosts");
    return is_taken;
}

static bool step_identity(struct mw_probe *probe)
{
    switch (probe->upstream->identity) {
    case MW_IDENTITY_XCLIENT:
        return step_xclient(probe);
    case MW_IDENTITY_XFORWARD:
        return step_xforward(probe);
    case MW_IDENTITY_NONE:
    case MW_IDENTITY_PROXY_V1:
    case MW_IDENTITY_PROXY_V2:
        break;
    }
    return true;
}

/* ---- relay ---- */

static void tell_open_relay(struct mw_probe *probe, const struct mw_reply *reply)
{
    if (probe->is_before_queue) {
        mw_probe_tell_reply(
            probe, MW_FINDING_WARNING, "relay", reply,
            "accepted, as a server behind a before-queue filter does: it must be reachable "
            "from mailweir only, and mailweir from the Postfix in front only (`trust`)");
        return;
    }
    if (probe->upstream->is_transparent) {
        mw_probe_tell_reply(
            probe, MW_FINDING_WARNING, "relay", reply,
            "accepted from this machine's own address; `transparent` hides it from clients: "
            "try the same from another machine, through mailweir");
        return;
    }
    mw_probe_tell_reply(
        probe, MW_FINDING_FAILED, "relay: OPEN RELAY", reply,
        probe->is_stranger
            ? "the server relays for anybody: smtpd_relay_restrictions must end in "
              "reject_unauth_destination, and mynetworks must not hold " STRANGER
            : "whoever connects to mailweir can send anywhere: the server sees mailweir's "
              "address and trusts it (mynetworks). Set `identity xclient` or `proxy-v2` in "
              "the upstream block, or take this address out of the server's mynetworks");
}

static void judge_rcpt(struct mw_probe *probe, const char *sender, const struct mw_reply *reply)
{
    char step[128];
    snprintf(step, sizeof step, "relay refused to %s, sender <%.40s>",
             probe->is_stranger ? "the stranger " STRANGER : "us", sender);
    probe->is_relaying = reply->code < 400;
    if (probe->is_relaying)
        tell_open_relay(probe, reply);
    else if (reply->code >= 500 || mw_slice_istarts(reply->text, MW_LIT("4.7.1")))
        mw_probe_tell_reply(probe, MW_FINDING_OK, step, reply, NULL);
    else
        mw_probe_tell_reply(probe, MW_FINDING_WARNING, step, reply,
                            "for now only: whether the reason is relaying, its words must say");
}

/* One transaction that ends at its recipient. False: the dialogue is at its end. */
static bool try_sender(struct mw_probe *probe, const char *sender)
{
    char line[400];
    struct mw_reply reply;
    snprintf(line, sizeof line, "MAIL FROM:<%s>\r\n", sender);
    if (!ask(probe, "MAIL", line, &reply))
        return false;
    if (reply.code >= 400) {
        mw_probe_tell_reply(probe, MW_FINDING_OK, "sender refused, so nothing is relayed", &reply,
                            NULL);
        return reply.code != 421;
    }
    if (!ask(probe, "RCPT", "RCPT TO:<" FOREIGN_RCPT ">\r\n", &reply))
        return false;
    judge_rcpt(probe, sender, &reply);
    return reply.code != 421 && ask(probe, "RSET", "RSET\r\n", &reply);
}

/* The null sender, whom no sender restriction hits, and one of the server's own domain, whom a
 * careless one lets through. */
static void step_relay(struct mw_probe *probe)
{
    char own[300];
    struct mw_reply reply;
    if (probe->is_refused_there)
        return;
    snprintf(own, sizeof own, "postmaster@%.*s", (int)probe->snapshot->hostname.len,
             probe->snapshot->hostname.ptr);
    if (!try_sender(probe, "") || (!probe->is_relaying && !try_sender(probe, own)))
        return;
    enum mw_err err = mw_wire_send(&probe->wire, MW_LIT("QUIT\r\n"), WAIT_MAX_MS);
    if (err == MW_OK)
        err = mw_wire_reply(&probe->wire, &reply, GREETING_HURRY_MS);
    (void)err; /* its 221 is a courtesy */
}

/* ---- one address, all of them ---- */

static void dialogue(struct mw_probe *probe)
{
    probe->ehlo = (struct mw_ehlo){0};
    probe->is_stranger = probe->is_refused_there = probe->is_relaying = false;
    if (!step_connect(probe) || (is_proxy(probe) && !step_proxy(probe)))
        return;
    if (probe->upstream->tls == MW_UPSTREAM_TLS_IMPLICIT && !shake_hands(probe))
        return;
    if (!step_greeting(probe) || !step_ehlo(probe))
        return;
    if (!step_starttls(probe))
        return;
    warn_of_offers(probe);
    if (step_identity(probe))
        step_relay(probe);
}

static void probe_address(struct mw_probe *probe)
{
    char address[160];
    mw_endpoint_print(probe->address, address, sizeof address);
    fprintf(probe->out, "upstream %.*s, %s\n", (int)probe->upstream->name.len,
            probe->upstream->name.ptr, address);
    probe->wire = MW_WIRE_INIT;
    dialogue(probe);
    bool goes_again = probe->has_no_tls;
    mw_wire_close(&probe->wire);
    if (goes_again)
        dialogue(probe);
    mw_wire_close(&probe->wire);
}

/* Every listener in front of it takes the clients' identity by XFORWARD: mailweir is another
 * server's before-queue filter, and that one has judged them. */
static bool is_before_queue(const struct mw_snapshot *snapshot,
                            const struct mw_upstream_settings *upstream)
{
    if (upstream->identity != MW_IDENTITY_XFORWARD)
        return false;
    for (size_t i = 0; i < snapshot->listener_count; i++)
        if (snapshot->listeners[i].upstream == upstream && !snapshot->listeners[i].accept_xforward)
            return false;
    return true;
}

static bool was_seen(const struct mw_snapshot *snapshot, size_t listener)
{
    for (size_t i = 0; i < listener; i++)
        if (snapshot->listeners[i].upstream == snapshot->listeners[listener].upstream)
            return true;
    return false;
}

struct tally {
    size_t probed, wrong, unreachable;
};

static void probe_upstream(const struct mw_snapshot *snapshot,
                           const struct mw_upstream_settings *upstream, FILE *out,
                           struct tally *tally)
{
    for (size_t i = 0; i < upstream->address_count; i++) {
        struct mw_probe probe = {.snapshot = snapshot,
                                 .upstream = upstream,
                                 .address = &upstream->addresses[i],
                                 .out = out,
                                 .is_before_queue = is_before_queue(snapshot, upstream)};
        probe_address(&probe);
        tally->probed++;
        tally->unreachable += probe.is_unreachable;
        tally->wrong += probe.is_wrong && !probe.is_unreachable;
    }
}

int mw_probe_upstreams(const struct mw_snapshot *snapshot, FILE *out)
{
    struct tally tally = {0};
    for (size_t i = 0; i < snapshot->listener_count; i++)
        if (!was_seen(snapshot, i))
            probe_upstream(snapshot, snapshot->listeners[i].upstream, out, &tally);
    fprintf(out, "%s: %zu of %zu upstream addresses as configured",
            tally.wrong + tally.unreachable == 0 ? "ok" : "FAILED",
            tally.probed - tally.wrong - tally.unreachable, tally.probed);
    if (tally.unreachable > 0)
        fprintf(out, ", %zu not answering", tally.unreachable);
    fputc('\n', out);
    return tally.wrong > 0 ? EXIT_FAILURE : tally.unreachable > 0 ? EX_UNAVAILABLE : EX_OK;
}
