"""Attacks that need sockets, time or a hostile peer on each side at once; what text can play is in dialogs/attacks. docs/security.md
says which class of attack is tried by what. The oracle is what reaches the other side: the commands and messages that the upstream got,
and for the client well-formed replies, of which no 250 is anybody's invention but the upstream's (law 1)."""
import contextlib
import os
import random
import re
import select
import socket
import ssl
import struct
import sys
import threading
import time
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import certs  # noqa: E402
import harness  # noqa: E402
import suite  # noqa: E402
from fake_upstream import CLOSE, HANG, FakeUpstream, tell  # noqa: E402
from harness import wait_for  # noqa: E402
from smtpline import Client  # noqa: E402
from suite import ALICE, PLAIN  # noqa: E402

V2 = b"\r\n\r\n\0\r\nQUIT\n"
EVIL = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: evil\r\n\r\nevil\r\n.\r\n"
HANDSHAKE_S = 4
needs_proxy = harness.needs_proxy
pair = None


def setUpModule():
    global pair
    if not harness.DIRECT:
        harness.tool("openssl")
        pair = certs.Authority().issue("mx.example.test")


def client_context():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def read_all(connection):
    """Everything until the end of the connection, a reset included."""
    octets = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while more := connection.recv(65536):
            octets += more
    return octets


def is_held(client):
    """Is the connection open? Something to read would be its end, or the alert before it."""
    return not select.select([client.socket], [], [], 0)[0]


class Base(suite.Case):
    def upstream(self, orders=None, **settings):
        up = FakeUpstream(orders, **settings)
        self.addCleanup(up.stop)
        return up

    def weir(self, up, listen=(), upstream=(), tls="", **settings):
        lines = list(listen)
        if tls:
            lines += ["tls " + tls, "certificate %s %s" % (pair.certificate, pair.key), "handshake-timeout %ds" % HANDSHAKE_S]
        weir = harness.Mailweir(up.port, listen=lines, upstream=["identity none", *upstream], **settings)
        self.addCleanup(weir.finish, self)
        return weir

    def client(self, weir, **settings):
        return self.closing(Client(weir.port, **settings))

    def check_nothing_evil(self, up, stored=0):
        """No session of the upstream's has heard of it, and that many messages are stored."""
        for session in up.sessions:
            self.assertFalse([c for c in session.commands if b"evil" in c], session.commands)
        self.assertEqual(len(up.stored()), stored)
        self.assertFalse([m for m in up.stored() if b"evil" in m[2]])

    def deliver(self, client):
        client.ehlo()
        client.envelope("a@example.net", ALICE)
        self.assertEqual(client.data(PLAIN).code, 250)
        client.quit()


# ---------------------------------------------------------------------------------------------- 2. command injection

@needs_proxy
class Injection(Base):
    COMMANDS = [b"EHLO client.example.net", b"MAIL FROM:<a@example.net> SIZE=100 ENVID=x AUTH=<>",
                b"RCPT TO:<b@example.test> ORCPT=rfc822;b@example.test", b"VRFY postmaster", b"NOOP word", b"ETRN example.test",
                b"XCLIENT ADDR=127.0.0.1", b"BDAT 5 LAST", b"AUTH PLAIN AGEAYg=="]

    def test_control_octets_at_every_place(self):
        """CR and NUL (with a command behind it) at every offset of every command: one 500 each, and the upstream hears nothing."""
        up = self.upstream()
        weir = self.weir(up, listen=["max-errors 100000"])
        client = self.client(weir)
        client.ehlo()
        lines = [command[:at] + octet + b"RSET evil" + command[at:] for command in self.COMMANDS for at in range(len(command) + 1)
                 for octet in (b"\r", b"\0")]
        heard = len(up.sessions[0].commands)
        for start in range(0, len(lines), 50):
            group = lines[start:start + 50]
            client.send(b"".join(line + b"\r\n" for line in group))
            for line in group:
                self.assertEqual(client.expect().code, 500, line)
        client.cmd("NOOP", 250)
        self.assertEqual(up.sessions[0].commands[heard:], [b"NOOP"])
        self.check_nothing_evil(up)

    def test_every_octet_in_every_argument(self):
        """Whatever octet stands in an argument: what the upstream hears is that line as it was written, or nothing."""
        up = self.upstream()
        weir = self.weir(up, listen=["max-errors 100000"])
        client = self.client(weir)
        client.ehlo()
        for number in range(256):
            octet = bytes([number])
            for line in (b"VRFY a" + octet + b"b", b"NOOP " + octet, b"MAIL FROM:<a" + octet + b"@example.net> ENVID=x"):
                heard = len(up.sessions[0].commands)
                client.send(line + b"\r\n")
                replies = [client.expect()]
                if octet == b"\n":  # two lines, for us as for everybody: the second is no command
                    replies.append(client.expect())
                    self.assertIn(replies[1].code, (500, 501, 502))
                new = up.sessions[0].commands[heard:]
                if octet != b"\n":
                    self.assertIn(new, ([], [line]))
                if replies[0].code == 250 and line.startswith(b"MAIL"):
                    client.cmd("RSET", 250)

    def test_nothing_forges_log_lines(self):
        """Every octet, quotes, "=" and line ends of other worlds in HELO, addresses, header: the log stays one of our lines, without
        control characters."""
        up = self.upstream({"RCPT": b"550 5.1.1 a\" verdict=accept b\xff\xc2\x9b\x1b[2J\r\n"})
        weir = self.weir(up, listen=["max-errors 100000"])
        evil = b'x" verdict=accept y="' + "\u2028\u0085\u202e".encode() + bytes(n for n in range(256) if n not in b"\r\n\0")
        client = self.client(weir)
        client.send(b"EHLO " + evil + b"\r\n")
        client.expect(250)
        for line in (b"MAIL FROM:<" + evil + b"@example.net>", b"MAIL FROM:<\"" + evil.replace(b'"', b"") + b"\"@example.net>", evil,
                     b"MAIL FROM:<a\xff\xc2\x9b\xe2\x80\xa8\xe2\x80\xaeverdict=accept@example.net>",
                     b"RCPT TO:<\"b c\\\" code=250\"@example.test>"):
            client.cmd(line)
        client.quit()
        weir.wait_record("session")
        with open(weir.log_path, "rb") as file:
            log = file.read()
        # C0, C1, line separators, bidi
        for what in (rb"[\x00-\x09\x0b-\x1f\x7f]", rb"\xc2[\x80-\x9f]", rb"\xe2\x80[\xa8\xa9]", rb"\xe2\x80[\xaa-\xae]"):
            with self.subTest(what=what):
                self.assertNotRegex(log, what, "control characters in the log")
        lines = [line for line in log.decode("utf-8", "strict").splitlines() if line]
        mine = [line for line in lines if re.match(r"^\S+ \S+: (reject|message|session) ", line)]
        self.assertEqual(len(mine), len([r for r in weir.records() if r["event"] in ("reject", "message", "session")]))
        self.assertFalse([r for r in weir.records() if r.get("verdict") == "accept" or r.get("code") == "250"])


# ---------------------------------------------------------------------------------------------- 3. TLS

class Shaking:
    """A TLS client made by hand: the test decides what goes into which segment."""

    def __init__(self, connection, name="mx.example.test"):
        self.socket = connection
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.engine = client_context().wrap_bio(self.incoming, self.outgoing, server_hostname=name)

    def hello(self):
        with contextlib.suppress(ssl.SSLWantReadError):
            self.engine.do_handshake()
        return self.outgoing.read()

    def finish(self):
        while True:
            try:
                self.engine.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._more()
        self.socket.sendall(self.outgoing.read())

    def _more(self):
        if pending := self.outgoing.read():
            self.socket.sendall(pending)
        octets = self.socket.recv(65536)
        if not octets:
            raise ssl.SSLEOFError("closed")
        self.incoming.write(octets)

    def sealed(self, octets):
        self.engine.write(octets)
        return self.outgoing.read()

    def line(self):
        text = b""
        while not text.endswith(b"\n"):
            try:
                text += self.engine.read(1)
            except ssl.SSLWantReadError:
                self._more()
        return text

    def cmd(self, line, code):
        self.socket.sendall(self.sealed(line + b"\r\n"))
        reply = self.line()
        while reply[3:4] == b"-":
            reply = self.line()
        if not reply.startswith(b"%d" % code):
            raise AssertionError("%r: expected %d, got %r" % (line, code, reply))

    def close_notify(self):
        with contextlib.suppress(ssl.SSLError):
            self.engine.unwrap()
        return self.outgoing.read()


@needs_proxy
class Starttls(Base):
    def begun(self, weir):
        client = self.client(weir)
        client.ehlo()
        client.cmd("STARTTLS", 220)
        return client

    def secured(self, weir):
        """A session over TLS with a transaction that has one recipient."""
        client = self.begun(weir)
        tls = Shaking(client.socket)
        client.socket.sendall(tls.hello())
        tls.finish()
        tls.cmd(b"EHLO client.example.net", 250)
        tls.cmd(b"MAIL FROM:<a@example.net>", 250)
        tls.cmd(b"RCPT TO:<alice@example.test>", 250)
        return tls

    def test_injection_at_every_cut(self):
        """Commands behind STARTTLS, in its packet or in later ones: never run, neither in the clear nor behind the handshake."""
        up = self.upstream()
        weir = self.weir(up, tls="starttls")
        octets = b"STARTTLS\r\nRSET\r\n" + EVIL
        for cut in [*range(1, 18), len(octets) - 1, len(octets)]:
            with self.subTest(cut=cut):
                client = self.client(weir)
                client.ehlo()
                client.send(octets[:cut])
                time.sleep(0.005)
                with contextlib.suppress(OSError):
                    client.send(octets[cut:])
                said = read_all(client.socket)
                self.assertRegex(said, rb"\A(220 [^\r\n]*\r\n)?(\x15.*|554 5\.5\.0 [^\r\n]*\r\n)?\Z")
                client.close()
        self.check_nothing_evil(up)

    def test_injected_commands_do_not_outlive_the_handshake(self):
        """The hello right behind the injected commands: a server that keeps the commands would answer them under TLS."""
        up = self.upstream()
        weir = self.weir(up, tls="starttls")
        for before in (b"STARTTLS\r\nNOOP evil\r\n", b"STARTTLS\r\nEHLO evil\r\n", b"STARTTLS\r\n\r\n"):
            with self.subTest(before=before):
                client = self.client(weir)
                client.ehlo()
                client.send(before + Shaking(client.socket).hello())
                said = read_all(client.socket)
                self.assertNotIn(b"\x16\x03", said)
                self.assertNotIn(b"250", said)
        self.check_nothing_evil(up)

    def test_truncated_message_is_not_stored(self):
        """TCP ends without close_notify: in the header, in the body, in front of the dot, within it, in a chunk."""
        up = self.upstream()
        weir = self.weir(up, tls="starttls")
        for content in (b"DATA\r\nSubject: x\r\n", b"DATA\r\nSubject: x\r\n\r\nhalf\r\n", b"DATA\r\nSubject: x\r\n\r\nhalf\r\n.",
                        b"DATA\r\nSubject: x\r\n\r\nhalf\r\n.\r", b"BDAT 100 LAST\r\nSubject: x\r\n\r\n", b"BDAT 14\r\nSubject: x\r\n\r\n"):
            for how in ("fin", "reset"):
                with self.subTest(content=content, how=how):
                    tls = self.secured(weir)
                    tls.socket.sendall(tls.sealed(content))
                    time.sleep(0.02)
                    if how == "fin":
                        tls.socket.shutdown(socket.SHUT_WR)
                        read_all(tls.socket)
                    else:
                        tls.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    tls.socket.close()
        up.wait_sessions_end()
        self.check_nothing_evil(up)

    def test_half_a_record_is_nothing(self):
        """The record that holds the dot is cut off by the end of the connection."""
        up = self.upstream()
        weir = self.weir(up, tls="starttls")
        tls = self.secured(weir)
        tls.cmd(b"DATA", 354)
        tls.socket.sendall(tls.sealed(b"Subject: x\r\n\r\nhalf\r\n"))
        tls.socket.sendall(tls.sealed(b".\r\n")[:-1])
        tls.socket.shutdown(socket.SHUT_WR)
        read_all(tls.socket)
        up.wait_sessions_end()
        self.check_nothing_evil(up)

    def test_close_notify_then_clear_text(self):
        """Exim CVE-2026-45185: TLS is closed in the middle of a message, and the rest comes in the clear, in the same segment."""
        up = self.upstream()
        weir = self.weir(up, tls="starttls")
        for content in (b"DATA\r\nSubject: x\r\n\r\nhalf\r\n", b"BDAT 200 LAST\r\nSubject: x\r\n\r\n", b"BDAT 14\r\nSubject: x\r\n\r\n",
                        b"NOOP\r\n"):
            for pause in (0, 0.02):
                with self.subTest(content=content, pause=pause):
                    tls = self.secured(weir)
                    octets = tls.sealed(content) + tls.close_notify()
                    with contextlib.suppress(OSError):
                        if pause:
                            tls.socket.sendall(octets)
                            time.sleep(pause)
                            octets = b""
                        tls.socket.sendall(octets + b".\r\nRSET\r\n" + EVIL + b"x" * 300 + b"\r\n")
                    said = read_all(tls.socket)
                    self.assertNotIn(b"250 ", said, "an answer in the clear")
        up.wait_sessions_end()
        self.check_nothing_evil(up)

    def test_stalled_handshakes_block_nobody(self):
        """Fifty handshakes that stand still, at three points; another client is served meanwhile, and at once."""
        for mode in ("implicit", "starttls"):
            with self.subTest(mode=mode):
                up = self.upstream()
                weir = self.weir(up, tls=mode)
                stalled = []
                for number in range(50):
                    client = self.client(weir, greet=False)
                    if mode == "starttls":
                        client.reply()
                        client.ehlo()
                        client.cmd("STARTTLS", 220)
                    hello = Shaking(client.socket).hello()
                    client.send((b"", hello[:7], hello)[number % 3])
                    stalled.append(client)
                begun = time.monotonic()
                client = self.client(weir, greet=mode == "starttls")
                if mode == "implicit":
                    client.socket = client_context().wrap_socket(client.socket, server_hostname="mx.example.test")
                    client.reply()
                self.deliver(client)
                self.assertTrue(all(map(is_held, stalled[-2:])), "the delivery has waited for their end")
                self.assertEqual(len(up.stored()), 1)
                for client in stalled:
                    read_all(client.socket)
                self.assertLess(time.monotonic() - begun, 5 * HANDSHAKE_S, "stalled handshakes outlived their timeout")
                self.doCleanups()

    def test_odd_server_names(self):
        """Names that are none, in the place of a good one: no crash, no log line of their making. (The handshake then fails: what was
        signed differs.)"""
        up = self.upstream()
        weir = self.weir(up, tls="implicit")
        good = b"mx.example.test"
        for odd in (b"mx.example.tes\\", b"\0" * 15, b"mx\0example.test", b"mx\r\nsession: x", b"\xff" * 15, b"." * 15, b"' verdict=accep",
                    b"\x1b[2J\x1b[2J\x1b[2Jxyz"):
            with self.subTest(odd=odd):
                client = self.client(weir, greet=False)
                tls = Shaking(client.socket, good.decode())
                client.send(tls.hello().replace(good, odd))
                with contextlib.suppress(ssl.SSLError, OSError):
                    tls.finish()
                    tls.line()
                client.close()
        weir.check_healthy(self)
        with open(weir.log_path, "rb") as file:
            self.assertNotRegex(file.read(), rb"[\x00-\x09\x0b-\x1f\x7f]")

    def test_old_versions_are_refused(self):
        """RFC 8996: TLS 1.1 from a client, and from an upstream that has to be secure."""
        def old(context):
            context.set_ciphers("ALL:@SECLEVEL=0")
            with warnings.catch_warnings():  # that they are deprecated is the point
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
            return context

        def shake(session):
            session.socket.sendall(b"220 2.0.0 go\r\n")
            session.socket = server.wrap_socket(session.socket, server_side=True)
        up = self.upstream()
        weir = self.weir(up, tls="starttls")
        with self.assertRaises((ssl.SSLError, OSError)):
            old(client_context()).wrap_socket(self.begun(weir).socket, server_hostname="mx.example.test")
        server = old(pair.server_context())
        up = self.upstream({"STARTTLS": shake}, extensions=("STARTTLS",))
        weir = self.weir(up, upstream=["tls required"])
        self.assertEqual(self.client(weir).greeting.code, 421)


@needs_proxy
class UpstreamTls(Base):
    """A hostile upstream, or somebody between it and us, and STARTTLS."""

    def test_response_injection_at_every_cut(self):
        """NO STARTTLS: replies behind the 220, before the handshake: never taken for replies, whatever the cuts."""
        def shake(session):
            session.socket = pair.server_context().wrap_socket(session.socket, server_side=True)
        octets = b"220 2.0.0 go\r\n250-up.example.test\r\n250 AUTH PLAIN\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go\r\n250 2.0.0 Ok\r\n"
        for cut in (5, 13, 14, 15, 20, 40, len(octets)):
            with self.subTest(cut=cut):
                up = self.upstream({"STARTTLS": [octets[:cut], 0.01, octets[cut:], shake]}, extensions=("STARTTLS",))
                weir = self.weir(up, upstream=["tls required", "connect-timeout 2s"])
                client = self.client(weir)
                self.assertEqual(client.greeting.code, 421)
                self.assertTrue(client.at_end())
                self.assertNotIn(b"MAIL", b"".join(c for s in up.sessions for c in s.commands))
                self.doCleanups()

    def test_stripping_means_no_session(self):
        """STARTTLS hidden, refused, answered with something else, or the connection cut there."""
        shown = ("STARTTLS",)
        for extensions, order in (((), None), (("STARTTLSX",), None), (shown, b"454 4.7.0 no\r\n"), (shown, b"250 2.0.0 Ok\r\n"),
                                  (shown, b"500 5.5.1 what?\r\n"), (shown, CLOSE), (shown, HANG), (shown, b"hello\r\n"),
                                  (shown, b"220-go\r\n221 no\r\n")):
            for mode in ("required", "verified"):
                with self.subTest(extensions=extensions, order=order, mode=mode):
                    up = self.upstream({"STARTTLS": order} if order else {}, extensions=extensions)
                    weir = self.weir(up, upstream=["tls " + mode, "server-name mx.example.test", "connect-timeout 1s",
                                                    "reply-timeout 1s"])
                    self.assertEqual(self.client(weir).greeting.code, 421)
                    self.assertFalse([c for s in up.sessions for c in s.commands if not c.startswith((b"EHLO", b"STARTTLS", b"QUIT"))])
                    self.doCleanups()

    def test_upstream_that_ends_tls_in_mid_reply(self):
        """The end without close_notify, or with one, in the middle of a reply: half a reply is none (law 1)."""
        def shake(session):
            session.socket.sendall(b"220 2.0.0 go\r\n")
            session.socket = pair.server_context().wrap_socket(session.socket, server_side=True)

        def cut(session):
            session.socket.sendall(b"250 2.0.0 Ok: queued")
            socket.socket.shutdown(session.socket, socket.SHUT_WR)
            return HANG

        def clear_text(session):
            session.socket.sendall(b"250-2.0.0 Ok\r\n")
            raw = socket.socket(fileno=os.dup(session.socket.fileno()))
            with contextlib.suppress(OSError):
                session.socket.settimeout(0.2)
                session.socket.unwrap()
            with contextlib.suppress(OSError):
                raw.sendall(b"250 2.0.0 Ok: queued in the clear\r\n")
            raw.close()
            return CLOSE
        for end in (cut, clear_text):
            with self.subTest(end=end.__name__):
                up = self.upstream({"STARTTLS": shake, "DOT": end}, extensions=("STARTTLS",))
                weir = self.weir(up, upstream=["tls required", "final-reply-timeout 2s"])
                client = self.client(weir)
                client.ehlo()
                client.envelope("a@example.net", ALICE)
                self.assertIn(client.data(PLAIN).code, (421, 451))
                self.doCleanups()


# ---------------------------------------------------------------------------------------------- 4. PROXY protocol

@needs_proxy
class ProxyHeaders(Base):
    LISTEN = ["accept-proxy required", "trust 127.0.0.1/32"]

    def test_half_headers_end(self):
        """go-proxyproto CVE-2021-23409: connections that begin a header and stop, many of them: others are served, all end."""
        up = self.upstream()
        weir = self.weir(up, listen=self.LISTEN + ["handshake-timeout %ds" % HANDSHAKE_S])
        before = weir.descriptors()
        halves = (b"", b"P", b"PROXY TCP4 198.51.100.7", V2[:5], V2, V2 + b"\x21\x11\0\x0c\1\2", V2 + b"\x21\x11\0\x20" + b"\1" * 12)
        held = []
        for number in range(105):
            client = self.client(weir, greet=False)
            client.send(halves[number % len(halves)])
            held.append(client)
        begun = time.monotonic()
        with Client(weir.port, greet=False) as client:
            client.send(b"PROXY TCP4 198.51.100.7 192.0.2.1 41001 25\r\n")
            client.expect(220)
            self.assertTrue(all(map(is_held, held[-len(halves):])), "it has waited for their end")
        for client in held:
            read_all(client.socket)
        self.assertLess(time.monotonic() - begun, 5 * HANDSHAKE_S)
        wait_for(lambda: weir.descriptors() <= before, 5, "descriptors come back")

    def test_announced_lengths_cost_nothing(self):
        """Two hundred headers that announce 65,535 octets, and send many of them."""
        up = self.upstream()
        weir = self.weir(up, listen=self.LISTEN)
        before = weir.resident_kib()
        for _ in range(200):
            client = self.client(weir, greet=False)
            with contextlib.suppress(OSError):
                client.send(V2 + b"\x21\x11\xff\xff" + b"\4\0\0" * 3000)
        weir.check_memory(self, before, 4_000, "announced lengths")
        self.assertEqual(up.sessions, [])

    def test_random_headers(self):
        """Good headers with octets changed (the seed is fixed): refused, or a session of some address; the dialogue behind them is a
        client's, never more."""
        up = self.upstream()
        weir = self.weir(up, listen=self.LISTEN)
        dice = random.Random(42117)
        goods = [b"PROXY TCP4 198.51.100.7 192.0.2.25 41001 25\r\n",
                 V2 + b"\x21\x11\0\x19" + bytes(range(12)) + b"\x05\0\x03abc\x20\0\x04\1\0\0\0"]
        for _ in range(150):
            header = bytearray(dice.choice(goods))
            for _ in range(dice.randrange(1, 4)):
                header[dice.randrange(len(header))] = dice.randrange(256)
            client = self.client(weir, greet=False)
            client.send(bytes(header))
            client.socket.shutdown(socket.SHUT_WR)
            said = read_all(client.socket)
            self.assertRegex(said, rb"\A(\d\d\d [^\r\n]*\r\n)*\Z")
            client.close()
        weir.check_healthy(self)
        self.assertFalse([c for s in up.sessions for c in s.commands if b"XCLIENT" in c or b"MAIL" in c])

    def test_second_header_inside_the_session(self):
        """Behind the first header everything is SMTP: at once, behind EHLO, within a message."""
        up = self.upstream()
        weir = self.weir(up, listen=self.LISTEN)
        second = b"PROXY TCP4 127.0.0.1 127.0.0.1 1 25\r\n"
        client = self.client(weir, greet=False)
        client.send(b"PROXY TCP4 198.51.100.7 192.0.2.1 41001 25\r\n")
        client.expect(220)
        self.assertGreaterEqual(client.cmd(second.rstrip()).code, 500)
        client.ehlo()
        self.assertGreaterEqual(client.cmd(second.rstrip()).code, 500)
        client.send(V2 + b"\x21\x11\0\x0c" + b"\x7f\0\0\1" * 3)
        while (reply := client.reply()).code == 500:  # each line of it is an error
            client.send(b"NOOP\r\n")
        self.assertIn(reply.code, (250, 502))
        client.reset()
        weir.wait_record("session", client="-[198.51.100.7]:41001")
        self.assertEqual(weir.records("session", client="-[127.0.0.1]:1"), [])


# ---------------------------------------------------------------------------------------------- 5. replies

@needs_proxy
class Replies(Base):
    MALFORMED = [b"25 Ok\r\n", b"2500 Ok\r\n", b"250_Ok\r\n", b"+250 Ok\r\n", b" 250 Ok\r\n", b"0xfa Ok\r\n", b"199 wait\r\n",
                 b"099 x\r\n", b"600 Ok\r\n", b"999 Ok\r\n", b"\xd9\xa2\xd9\xa5\xd9\xa0 Ok\r\n", b"-250 Ok\r\n", b"2 50 Ok\r\n",
                 b"\r\n", b"Ok\r\n", b"250\0Ok\r\n", b"250-a\r\n251 b\r\n", b"250-a\r\nb\r\n250 c\r\n", b"HTTP/1.1 200 OK\r\n",
                 b"* OK IMAP4\r\n", b"+OK POP3\r\n"]

    def test_malformed_codes_at_every_stage(self):
        """Never a yes that was not said, nor an octet of theirs that is no reply; the session ends or the command has failed."""
        up = self.upstream()
        weir = self.weir(up)
        for malformed in self.MALFORMED:
            for stage in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "DOT", "RSET", "NOOP"):
                with self.subTest(malformed=malformed, stage=stage):
                    up.orders.clear()
                    up.orders[stage] = malformed
                    with Client(weir.port) as client:
                        reply = client.greeting if stage == "CONNECT" else self.reach(client, stage)
                        self.assertIn(reply.code, (421, 451), reply)
        self.assertEqual(up.stored(), [])

    def reach(self, client, stage):
        """The reply at that stage."""
        for verb, line in (("EHLO", "EHLO x"), ("NOOP", "NOOP"), ("RSET", "RSET"), ("MAIL", "MAIL FROM:<a@example.net>"),
                           ("RCPT", "RCPT TO:<%s>" % ALICE), ("DATA", "DATA")):
            if verb in ("NOOP", "RSET") and verb != stage:
                continue
            reply = client.cmd(line)
            if verb == stage or reply.code not in (250, 354):
                return reply
        client.send(PLAIN + b".\r\n")
        return client.expect()

    def test_second_reply_at_every_stage(self):
        """Law 1: one reply too many, in the same packet or a little later: the refusal that follows is never told as a 250, and a
        message that the upstream refused is not acknowledged."""
        up = self.upstream()
        weir = self.weir(up)
        self.assertEqual(self.message_codes(weir), [250])  # what it looks like when all is well
        # (a reply that crosses with the next command could be the answer to it: so each waits for the other)
        good = {"CONNECT": b"220 up ESMTP\r\n", "EHLO": b"250 up\r\n", "MAIL": b"250 2.1.0 Ok\r\n", "RCPT": b"250 2.1.5 Ok\r\n",
                "DATA": b"354 go\r\n"}
        for stage, reply in good.items():
            for extra in (b"250 2.0.0 extra\r\n", b"354 extra\r\n", b"250 2.0.0 extra\r\n" * 5):
                for order in ([reply + extra], [reply, 0.03, extra]):
                    with self.subTest(stage=stage, extra=extra, order=order):
                        said = threading.Event()
                        up.orders.clear()
                        up.orders.update({stage: [*order, tell(said)], "DOT": b"554 5.7.1 refused in truth\r\n"})
                        self.assertNotIn(250, self.message_codes(weir, stage, said))
        self.assertEqual(len(up.stored()), 1)

    def message_codes(self, weir, stage=None, said=None):
        """Tries to bring a message in, as a client does that sends the content as soon as it may; the codes of what it was told
        about the content. Behind the reply of `stage` it waits until all is said."""
        with Client(weir.port, timeout=10) as client:
            if client.greeting is None or client.greeting.code != 220:
                return []
            self.wait_said(weir, stage == "CONNECT", said)
            with contextlib.suppress(OSError):
                for line in (b"EHLO x", b"MAIL FROM:<a@example.net>", b"RCPT TO:<%s>" % ALICE.encode(), b"DATA"):
                    client.send(line + b"\r\n")
                    reply = client.reply()
                    if reply is None or reply.code not in (250, 354):
                        return []
                    self.wait_said(weir, stage and line.startswith(stage.encode()), said)
                if reply.code != 354:
                    return []
                client.send(PLAIN + b".\r\n")
            reply = client.reply()
            return [reply.code] if reply else []


    def wait_said(self, weir, is_stage, said):
        if is_stage:
            self.assertTrue(said.wait(10))
        weir.settle()


# ---------------------------------------------------------------------------------------------- 6. other protocols

@needs_proxy
class OtherProtocols(Base):
    FIRST_WORDS = {
        "RDP": b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0", "SSH": b"SSH-2.0-Go\r\n",
        "SMB": b"\0\0\0\x85\xffSMBr\0\0\0\0" + b"\0" * 100,
        "TLS 1.0": b"\x16\x03\x01\0\xc8\x01\0\0\xc4\x03\x03" + b"\1" * 200, "SSL 2": b"\x80\x2e\x01\0\x02\0\x15\0\0\0\x10",
        "HTTP": b"POST / HTTP/1.1\r\nHost: mx\r\nContent-Length: 500\r\n\r\n", "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "SOCKS": b"\5\1\0", "noise": bytes(random.Random(6).randrange(256) for _ in range(3000)), "line ends": b"\r\n" * 3000,
        "LDAP": b"0\x0c\x02\1\1`\7\2\1\3\4\0\x80\0", "MySQL": b"\x20\0\0\1\x85\xa6\3\0\0\0\0\1", "Redis": b"*1\r\n$4\r\nINFO\r\n"}

    def test_first_words_of_others(self):
        """With a mail behind them, before or behind the greeting: no mail, and an end."""
        up = self.upstream()
        for setting in ("reject", "pass"):
            weir = self.weir(up, listen=["early-talker " + setting, "max-errors 3", "command-timeout 1s"])
            for name, octets in self.FIRST_WORDS.items():
                for early in (True, False):
                    with self.subTest(name=name, early=early, setting=setting):
                        client = self.client(weir, greet=not early)
                        with contextlib.suppress(OSError):
                            client.send(octets)
                            if name in ("HTTP", "SSH", "HTTP/2", "noise", "line ends", "TLS 1.0"):
                                client.send(EVIL)
                            client.socket.shutdown(socket.SHUT_WR)
                        self.assertNotRegex(read_all(client.socket), rb"(?m)^354")
                        client.close()
        self.check_nothing_evil(up)


# ---------------------------------------------------------------------------------------------- 7. resources, 8. filters

RULES = r"""
slow:      reject 550 5.7.1 "slow"      when raw.header("X-Slow") =~ /^(a+)+$/
second:    reject 550 5.7.1 "second"    when header("X-Twice") == "bad"
eight-bit: reject 550 5.7.1 "eight"     when header("X-Eight") =~ /\x{fc}/
nul:       reject 550 5.7.1 "nul"       when raw.header("X-Nul") =~ /a\x00b/
proto:     reject 550 5.7.1 "proto"     when header("__proto__") == "bad"
bomb:      reject 550 5.7.1 "bomb"      when raw.body =~ /(x+x+)+y/
"""


@needs_proxy
class Resources(Base):
    def test_endless_header_and_chunks(self):
        """A header block and a chunk without end: refused, bounded memory, another session works meanwhile."""
        up = self.upstream()
        weir = self.weir(up)
        before = weir.resident_kib()
        for start, more in ((b"DATA\r\n", b"X-Long: " + b"x" * 50_000 + b"\r\n"), (b"DATA\r\nX: ", b"y" * 50_000),
                            (b"DATA\r\n", b"X: y\r\n Z" * 9000),
                            (b"BDAT 9000000000 LAST\r\nX: ", b"z" * 50_000)):
            with self.subTest(start=start, more=more[:10]):
                client = self.client(weir)
                client.ehlo()
                client.envelope("a@example.net", ALICE)
                with contextlib.suppress(OSError):
                    client.send(start)
                    for _ in range(200):
                        client.send(more)
                weir.check_memory(self, before, 8_000, "a header without end")
                self.deliver(self.client(weir))
                client.reset()
        self.check_nothing_evil(up, stored=4)

    def test_many_half_messages(self):
        """Two hundred sessions, each with a big recipient list and half a header: a bounded number of octets each."""
        up = self.upstream()
        weir = self.weir(up)
        before = weir.resident_kib()
        for number in range(100):
            client = self.client(weir)
            client.send(b"EHLO x\r\nMAIL FROM:<a@example.net>\r\n" + b"RCPT TO:<%s>\r\n" % ALICE.encode() * 50 + b"DATA\r\n")
            client.expect(250)
            for _ in range(51):
                client.expect(250)
            client.expect(354)
            client.send(b"Subject: " + b"x" * 20_000)
        weir.check_memory(self, before, 100 * 200, "sessions with half a header")
        self.deliver(self.client(weir))


@needs_proxy
class Filters(Base):
    SETTINGS = {"filters": "filter rules {\n    module rules\n    files rules/*.rules\n}\n", "chain": "rules",
                "files": {"rules/10-attacks.rules": RULES}}

    def test_patterns_that_explode(self):
        """Backtracking without end in a header and in a body: bounded time, a bounded verdict (on_error), the loop goes on."""
        up = self.upstream()
        weir = self.weir(up, **self.SETTINGS)
        for message in (b"X-Slow: " + b"a" * 5000 + b"!\r\n\r\nbody\r\n", b"Subject: x\r\n\r\n" + b"x" * 50_000 + b"\r\n"):
            with self.subTest(message=message[:20]):
                client = self.client(weir)
                client.ehlo()
                client.envelope("a@example.net", ALICE)
                used = weir.cpu_seconds()
                self.assertEqual(client.data(message).code, 250)
                self.assertLess(weir.cpu_seconds() - used, 3 * harness.slowness())
        weir.wait_record("rule-error")

    def test_headers_that_hide(self):
        """The second field of a name counts as the first does; a NUL, 8-bit octets and odd names do not hide a value."""
        up = self.upstream()
        weir = self.weir(up, **self.SETTINGS)
        client = self.client(weir)
        client.ehlo()
        for header, text in ((b"X-Twice: good\r\nX-Twice: bad\r\n", "second"), (b"X-Twice: bad\r\nX-Twice: good\r\n", "second"),
                             (b"x-tWICE:bad\r\n", "second"), (b"X-Twice:\r\n bad\r\n", "second"),
                             (b"X-Twice: =?utf-8?B?YmFk?=\r\n", "second"),
                             (b"X-Eight: =?iso-8859-1?Q?=FC?=\r\n", "eight"), (b"X-Eight: \xc3\xbc\r\n", "eight"),
                             (b"X-Nul: a\0b\r\n", "nul"), (b"__proto__: bad\r\n", "proto")):
            with self.subTest(header=header):
                client.envelope("a@example.net", ALICE)
                reply = client.data(b"Subject: x\r\n" + header + b"\r\nbody\r\n")
                self.assertEqual((reply.code, reply.text), (550, "5.7.1 " + text))
                client.cmd("RSET", 250)
        for header in (b"X-Tw\xc3\xafce: bad\r\n", b"X-Tw\xefce: bad\r\n"):  # another name: passed as it is
            with self.subTest(header=header):
                client.envelope("a@example.net", ALICE)
                message = b"Subject: x\r\n" + header + b"\r\nbody\r\n"
                self.assertEqual(client.data(message).code, 250)
                self.same_octets(up.stored()[-1][2], message)


if __name__ == "__main__":
    harness.main()
