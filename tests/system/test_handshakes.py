"""What happens around TLS handshakes and before a session: implicit TLS behind a PROXY header cut anywhere, handshakes that hang, fail
or are given up, on both sides; TLS facts in PROXY headers; the client's name. The client is Python's ssl over OpenSSL, the certificate
openssl's."""
import contextlib
import os
import signal
import socket
import ssl
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import suite  # noqa: E402
from fake_upstream import CLOSE, HANG, FakeUpstream  # noqa: E402
from harness import wait_for  # noqa: E402
from smtpline import Client  # noqa: E402
from suite import ALICE, PLAIN  # noqa: E402

V2 = b"\r\n\r\n\0\r\nQUIT\n"
needs_proxy = harness.needs_proxy


class Certificate:
    """One for the whole suite."""
    directory = None

    @classmethod
    def make(cls):
        if cls.directory is None:
            directory = harness.temp_dir("certificate")
            result = harness.run([harness.tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                                  "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3", "-subj", "/CN=mx.example.test",
                                  "-addext", "subjectAltName=DNS:mx.example.test", "-keyout", directory + "/key.pem",
                                  "-out", directory + "/cert.pem"])
            if result.returncode != 0:
                raise AssertionError(harness.describe(result))
            os.chmod(directory + "/key.pem", 0o644)
            cls.directory = directory
        return cls.directory + "/cert.pem", cls.directory + "/key.pem"


def client_context():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def server_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*Certificate.make())
    return context


class TlsUpstream(FakeUpstream):
    """Speaks TLS from the first octet, behind a PROXY header of version 1 or 2 if one is announced."""

    def __init__(self, orders=None, proxy=None, **settings):
        self.context = server_context()
        self.proxy = proxy
        self.headers = []
        super().__init__(orders, **settings)

    def _serve(self, session):
        try:
            if self.proxy == 1:
                self.headers.append(read_until(session.socket, b"\r\n"))
            elif self.proxy == 2:
                start = read_exactly(session.socket, 16)
                self.headers.append(start + read_exactly(session.socket, struct.unpack(">H", start[14:])[0]))
            session.socket = self.context.wrap_socket(session.socket, server_side=True)
        except OSError:
            session.ended = True
            session.socket.close()
            return
        super()._serve(session)


def shake(context):
    """An order for STARTTLS: says yes, and does it."""
    def step(session):
        session.socket.sendall(b"220 2.0.0 go ahead\r\n")
        session.buffer.clear()
        session.socket = context.wrap_socket(session.socket, server_side=True)
    return step


def read_exactly(connection, count):
    octets = b""
    while len(octets) < count:
        more = connection.recv(count - len(octets))
        if not more:
            raise OSError("closed")
        octets += more
    return octets


def read_until(connection, end):
    octets = b""
    while not octets.endswith(end):
        octets += read_exactly(connection, 1)
    return octets


def over_tls(client, name="mx.example.test"):
    client.socket = client_context().wrap_socket(client.socket, server_hostname=name)
    return client


def read_all(connection):
    """Everything until the end of the connection, a reset included."""
    octets = b""
    with contextlib.suppress(ConnectionResetError):
        while more := connection.recv(65536):
            octets += more
    return octets


def is_no_clear_text(octets):
    """Nothing, or a TLS alert."""
    return not octets or octets[0] == 0x15


class Base(suite.Case):
    def upstream(self, orders=None, kind=FakeUpstream, **settings):
        up = kind(orders, **settings)
        self.addCleanup(up.stop)
        return up

    def weir(self, up, tls="implicit", listen=(), upstream=(), identity="none", timeout="10s", handshake="10s",
             **settings):
        lines = list(listen)
        if tls != "off":
            lines += ["tls " + tls, "certificate %s %s" % Certificate.make(), "handshake-timeout " + handshake]
        weir = harness.Mailweir(up.port, listen=lines,
                                upstream=["identity " + identity, "connect-timeout " + timeout, *upstream], **settings)
        self.addCleanup(self.end, weir)
        return weir

    def end(self, weir):
        if weir.alive():
            weir.finish(self)

    def raw(self, weir):
        return self.closing(Client(weir.port, greet=False))

    def deliver(self, client, ehlo=True):
        if ehlo:
            client.ehlo()
        client.envelope("a@example.net", ALICE)
        self.assertEqual(client.data(PLAIN).code, 250)
        self.assertEqual(client.quit().code, 221)


@needs_proxy
class Implicit(Base):
    """tls implicit on the listener."""

    def test_delivers(self):
        up = self.upstream()
        weir = self.weir(up)
        client = over_tls(self.raw(weir))
        self.assertEqual(client.reply().code, 220)
        self.deliver(client)
        self.assertEqual(up.stored()[0][2], PLAIN)
        self.assertEqual(weir.wait_record("message")["tls"], "TLSv1.3")

    def hello_behind(self, header):
        """A handshake whose first octets come right behind the header: (the octets to send, what goes on with them)."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        engine = client_context().wrap_bio(incoming, outgoing, server_hostname="mx.example.test")
        with contextlib.suppress(ssl.SSLWantReadError):
            engine.do_handshake()

        def go_on(connection):
            while True:
                try:
                    engine.do_handshake()
                    connection.sendall(outgoing.read())
                    break
                except ssl.SSLWantReadError:
                    connection.sendall(outgoing.read())
                    incoming.write(connection.recv(65536))
            while True:
                try:
                    return engine.read(4096)
                except ssl.SSLWantReadError:
                    incoming.write(connection.recv(65536))
        return header + outgoing.read(), go_on

    def test_proxy_header_and_hello_in_one_segment(self):
        up = self.upstream()
        weir = self.weir(up, listen=["accept-proxy required"])
        headers = [b"PROXY TCP4 192.0.2.7 192.0.2.1 41001 465\r\n",
                   V2 + b"\x21\x11\0\x0c" + bytes([192, 0, 2, 7, 192, 0, 2, 1]) + struct.pack(">HH", 41001, 465)]
        for header in headers:
            with self.subTest(header=header):
                octets, go_on = self.hello_behind(header)
                client = self.raw(weir)
                client.send(octets)
                self.assertEqual(go_on(client.socket), b"220 up.example.test ESMTP Fake\r\n")
                client.close()
        wait_for(lambda: len(weir.records("session", client="-[192.0.2.7]:41001")) == 2, what="session lines")

    def test_proxy_header_and_hello_octet_by_octet(self):
        weir = self.weir(self.upstream(), listen=["accept-proxy required"], handshake="20s")
        octets, go_on = self.hello_behind(b"PROXY TCP4 192.0.2.7 192.0.2.1 41001 465\r\n")
        client = self.raw(weir)
        for i in range(len(octets)):
            client.send(octets[i:i + 1])
            time.sleep(0.0005)
        self.assertEqual(go_on(client.socket), b"220 up.example.test ESMTP Fake\r\n")

    def test_waiting_for_the_rest_of_a_header_does_not_spin(self):
        weir = self.weir(self.upstream(), listen=["accept-proxy required"])
        client = self.raw(weir)
        client.send(b"PROXY TCP4 192.0.2.7 ")
        time.sleep(0.2)
        before = weir.cpu_seconds()
        time.sleep(1)
        self.assertLess(weir.cpu_seconds() - before, 0.3)

    def test_health_check(self):
        up = self.upstream()
        weir = self.weir(up, listen=["accept-proxy required"])
        client = self.raw(weir)
        client.send(V2 + b"\x20\0\0\0")
        over_tls(client)
        self.assertEqual(client.reply().code, 220)
        only_looks = self.raw(weir)
        only_looks.send(V2 + b"\x20\0\0\0")
        only_looks.close()
        time.sleep(0.2)
        self.assertEqual(weir.records("tls-failed"), [])
        self.assertEqual(up.sessions, [])

    def test_refused_header_gets_no_clear_text(self):
        weir = self.weir(self.upstream(), listen=["accept-proxy required"])
        client = self.raw(weir)
        client.send(b"EHLO x\r\n")
        self.assertEqual(read_all(client.socket), b"")
        weir.wait_record("proxy-refused")

    def test_silent_client_ends_at_the_handshake_timeout(self):
        weir = self.weir(self.upstream(), handshake="1s")
        begun = time.monotonic()
        client = self.raw(weir)
        self.assertTrue(is_no_clear_text(read_all(client.socket)))
        self.assertLess(time.monotonic() - begun, 15)  # as it comes: 30 s
        record = weir.wait_record("tls-failed", side="client")
        self.assertIn("handshake-timeout", record["problem"])

    def test_no_tls_at_all(self):
        up = self.upstream()
        weir = self.weir(up, handshake="1s")
        for octets in (b"EHLO x\r\n", b"\0" * 1000, b"\x16\x03\x01\xff\xff" + b"x" * 70000, b"\x16"):
            with self.subTest(octets=octets[:10]):
                start = weir.mark()
                client = self.raw(weir)
                client.send(octets)
                self.assertTrue(is_no_clear_text(read_all(client.socket)))
                weir.wait_record("tls-failed", start=start)
        self.assertEqual(up.sessions, [])

    def test_client_that_leaves_inside_the_handshake(self):
        weir = self.weir(self.upstream())
        octets, _ = self.hello_behind(b"")
        for part in (octets[:50], octets):
            client = self.raw(weir)
            client.send(part)
            weir.settle()
            client.reset()
        wait_for(lambda: len(weir.records("tls-failed")) == 2, what="two lines")

    def test_half_open_ones_count(self):
        weir = self.weir(self.upstream(), listen=["max-sessions 2"], handshake="2s")
        first, _ = self.raw(weir), self.raw(weir)
        weir.settle()
        beyond = self.raw(weir)
        self.assertTrue(is_no_clear_text(read_all(beyond.socket)))
        read_all(first.socket)  # until its handshake-timeout
        wait_for(lambda: self.is_served(weir), what="there is room again", step=0.1)

    def is_served(self, weir):
        try:
            return over_tls(self.raw(weir)).reply().code == 220
        except OSError:
            return False

    def test_stop_with_half_open_ones(self):
        weir = self.weir(self.upstream(), listen=["accept-proxy optional", "trust 127.0.0.9"], handshake="2s")
        clients = [self.raw(weir) for _ in range(3)]
        clients.append(self.closing(Client(weir.port, greet=False, source="127.0.0.9")))
        weir.settle()
        weir.signal(signal.SIGTERM)
        self.assertEqual(weir.wait(10), 0)
        for client in clients:
            self.assertTrue(is_no_clear_text(read_all(client.socket)))

    def test_last_words_and_an_orderly_end(self):
        """421 at a drain, then close_notify: nobody can have cut anything off."""
        weir = self.weir(self.upstream())
        client = self.raw(weir)
        client.socket = client_context().wrap_socket(client.socket, suppress_ragged_eofs=False)
        client.reply()
        client.ehlo()
        weir.signal(signal.SIGTERM)
        self.assertEqual(client.reply().dsn, "4.3.2")
        self.assertTrue(client.at_end())
        client.close()
        self.assertEqual(weir.wait(10), 0)

    def test_message_larger_than_all_buffers(self):
        up = self.upstream()
        weir = self.weir(up)
        client = over_tls(self.raw(weir))
        client.reply()
        client.ehlo()
        client.envelope("a@example.net", ALICE)
        message = PLAIN + b"0123456789abcdef" * 4 + b"\r\n" + (b"x" * 76 + b"\r\n") * 50000
        self.assertEqual(client.data(message).code, 250)
        self.assertEqual(up.stored()[0][2], message)


@needs_proxy
class Starttls(Base):
    """tls starttls on the listener."""

    def begun(self, weir):
        client = self.raw(weir)
        client.reply()
        client.ehlo()
        client.cmd("STARTTLS", 220)
        return client

    def test_delivers(self):
        up = self.upstream()
        weir = self.weir(up, tls="starttls")
        client = over_tls(self.begun(weir))
        self.deliver(client)
        self.assertEqual(up.stored()[0][2], PLAIN)

    def test_hangs(self):
        weir = self.weir(self.upstream(), tls="starttls", handshake="1s")
        client = self.begun(weir)
        begun = time.monotonic()
        self.assertTrue(is_no_clear_text(read_all(client.socket)))
        self.assertLess(time.monotonic() - begun, 15)  # as it comes: 30 s
        weir.wait_record("tls-failed", side="client")
        weir.wait_record("session")

    def test_nonsense(self):
        up = self.upstream()
        weir = self.weir(up, tls="starttls")
        client = self.begun(weir)
        client.send(b"MAIL FROM:<a@example.net>\r\n")
        self.assertTrue(is_no_clear_text(read_all(client.socket)))
        self.assertEqual(weir.wait_record("tls-failed")["id"], weir.wait_record("session")["id"])
        self.assertNotIn("MAIL", up.sessions[0].verbs())

    def test_gone(self):
        weir = self.weir(self.upstream(), tls="starttls")
        self.begun(weir).close()
        self.begun(weir).reset()
        wait_for(lambda: len(weir.records("session")) == 2, what="session lines")

    def test_upstream_lost_meanwhile(self):
        up = self.upstream()
        weir = self.weir(up, tls="starttls")
        client = self.begun(weir)
        up.stop()
        self.assertTrue(is_no_clear_text(read_all(client.socket)))
        weir.wait_record("session")

    def test_drain_meanwhile(self):
        weir = self.weir(self.upstream(), tls="starttls", handshake="2s")
        client = self.begun(weir)
        weir.signal(signal.SIGTERM)
        self.assertTrue(is_no_clear_text(read_all(client.socket)))
        self.assertEqual(weir.wait(10), 0)


@needs_proxy
class Upstream(Base):
    """TLS towards the upstream."""

    def test_implicit(self):
        up = self.upstream(kind=TlsUpstream)
        weir = self.weir(up, tls="off", upstream=["tls implicit"])
        with Client(weir.port) as client:
            self.assertEqual(client.greeting.raw, b"220 up.example.test ESMTP Fake\r\n")
            self.deliver(client)
        self.assertEqual(up.stored()[0][2], PLAIN)

    def test_implicit_behind_our_header(self):
        up = self.upstream(kind=TlsUpstream, proxy=1)
        weir = self.weir(up, tls="off", upstream=["tls implicit"], identity="proxy-v1")
        with Client(weir.port) as client:
            self.deliver(client)
            expected = b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n" % (client.source_port, weir.port)
        self.assertEqual(up.headers, [expected])

    def test_implicit_next_address_after_a_failed_handshake(self):
        for orders in ({}, {"CONNECT": CLOSE}, {"CONNECT": HANG}):
            with self.subTest(orders=orders):
                plain, up = self.upstream(orders), self.upstream(kind=TlsUpstream)
                weir = self.weir(plain, tls="off", upstream=["tls implicit", "address 127.0.0.1:%d" % up.port], timeout="6s")
                with Client(weir.port) as client:
                    self.deliver(client)
                weir.wait_record("upstream-down", address="127.0.0.1:%d" % plain.port)
                self.doCleanups()

    def test_implicit_nobody_speaks_tls(self):
        weir = self.weir(self.upstream(), tls="off", upstream=["tls implicit"])
        with Client(weir.port) as client:
            self.assertEqual((client.greeting.code, client.greeting.dsn), (421, "4.4.1"))
        weir.wait_record("tls-failed", side="upstream")

    def starttls(self, orders, extensions=("PIPELINING", "STARTTLS", "8BITMIME")):
        return self.upstream(orders, extensions=extensions)

    def test_starttls(self):
        up = self.starttls({"STARTTLS": shake(server_context())})
        weir = self.weir(up, tls="off", upstream=["tls required"])
        with Client(weir.port) as client:
            self.assertEqual(client.greeting.raw, b"220 up.example.test ESMTP Fake\r\n")
            self.assertNotIn("STARTTLS", client.ehlo().lines)
            self.deliver(client, ehlo=False)
        self.assertEqual(up.stored()[0][2], PLAIN)
        self.assertIn("STARTTLS", up.sessions[0].verbs())

    def test_required_handshake_fails(self):
        for step in (b"220 go\r\n\x15\x03\x01\0\x02\x02\x28", [b"220 go\r\n", CLOSE], [b"220 go\r\n", HANG], b"454 4.7.0 no\r\n"):
            with self.subTest(step=step):
                up = self.starttls({"STARTTLS": step})
                weir = self.weir(up, tls="off", upstream=["tls required"], timeout="2s")
                with Client(weir.port) as client:
                    self.assertEqual(client.greeting.code, 421)
                self.doCleanups()

    def test_opportunistic_goes_on_in_the_clear(self):
        for step in (b"220 go\r\nthis is no TLS at all\r\n", [b"220 go\r\n", CLOSE], b"454 4.7.0 no\r\n"):
            with self.subTest(step=step):
                up = self.starttls({"STARTTLS": step})
                weir = self.weir(up, tls="off", upstream=["tls opportunistic"])
                with Client(weir.port) as client:
                    self.assertEqual(client.greeting.code, 220)
                    self.deliver(client)
                self.assertEqual(len(up.stored()), 1)
                self.doCleanups()

    def test_both_sides(self):
        up = self.starttls({"STARTTLS": shake(server_context())})
        weir = self.weir(up, upstream=["tls required"])
        client = over_tls(self.raw(weir))
        self.assertEqual(client.reply().code, 220)
        self.deliver(client)
        self.assertEqual(up.stored()[0][2], PLAIN)


@needs_proxy
class Facts(Base):
    """What is known of the client before its first word."""

    def ssl_tlv(self, header):
        """The SSL TLV of a header of version 2: (client bits, {sub-type: value}), and the AUTHORITY."""
        self.assertTrue(header.startswith(V2))
        at, found = 16 + 12, {}
        while at < len(header):
            kind, size = header[at], struct.unpack(">H", header[at + 1:at + 3])[0]
            found[kind] = header[at + 3:at + 3 + size]
            at += 3 + size
        if 0x20 not in found:
            return None, {}, found.get(0x02)
        value, subs, at = found[0x20], {}, 5
        while at < len(value):
            size = struct.unpack(">H", value[at + 1:at + 3])[0]
            subs[value[at]] = value[at + 3:at + 3 + size]
            at += 3 + size
        return value[0], subs, found.get(0x02)

    def test_proxy_v2_tells_of_tls(self):
        up = self.upstream(kind=TlsUpstream, proxy=2)
        weir = self.weir(up, upstream=["tls implicit"], identity="proxy-v2")
        client = over_tls(self.raw(weir))
        self.assertEqual(client.reply().code, 220)
        bits, subs, authority = self.ssl_tlv(up.headers[0])
        self.assertEqual((bits, subs[0x21], authority), (0x01, b"TLSv1.3", b"mx.example.test"))
        self.assertEqual(subs[0x23], client.socket.cipher()[0].encode())

    def test_proxy_v2_is_believed(self):
        """A trusted proxy did TLS for us: AUTH is shown (tls-only), and it is passed on."""
        up = self.upstream(kind=TlsUpstream, proxy=2, extensions=("AUTH PLAIN",))
        weir = self.weir(up, tls="off", listen=["accept-proxy required"], upstream=["tls implicit"], identity="proxy-v2")
        tls = b"\x20\0\x0f\x01\0\0\0\0" + b"\x21\0\x07TLSv1.2"
        body = bytes([192, 0, 2, 7, 192, 0, 2, 1]) + struct.pack(">HH", 41001, 25)
        for tlv, shown in ((tls, True), (b"", False)):
            with self.subTest(shown=shown), self.raw(weir) as client:
                client.send(V2 + b"\x21\x11" + struct.pack(">H", len(body + tlv)) + body + tlv)
                client.reply()
                self.assertEqual(any(line.startswith("AUTH") for line in client.ehlo().lines), shown)
        self.assertEqual(self.ssl_tlv(up.headers[0])[1][0x21], b"TLSv1.2")
        self.assertEqual(self.ssl_tlv(up.headers[1])[0], None)

    def named(self, records, patience="5s"):
        dns = Dns(records)
        self.addCleanup(dns.stop)
        up = self.upstream(extensions=("XCLIENT NAME ADDR PORT PROTO HELO REVERSE_NAME",))
        resolver = ["nameserver 127.0.0.1:%d" % dns.port, "timeout " + patience, "attempts 1"]
        weir = self.weir(up, tls="off", listen=["client-name auto"], identity="xclient", timeout="10s",
                         files={"05-resolver.conf": harness.block("resolver", resolver)})
        return dns, up, weir

    def xclient(self, up, number=0):
        return next(line for line in up.sessions[number].commands if line.startswith(b"XCLIENT"))

    def test_name(self):
        _, up, weir = self.named({"1.0.0.127.in-addr.arpa": ("PTR", "client.example.net"),
                                  "client.example.net": ("A", "127.0.0.1")})
        with Client(weir.port) as client:
            self.deliver(client)
        self.assertIn(b" NAME=client.example.net", self.xclient(up))
        self.assertIn(b" REVERSE_NAME=client.example.net", self.xclient(up))
        weir.wait_record("session", client="client.example.net[127.0.0.1]:%d" % client.source_port)

    def test_name_is_a_lie(self):
        _, up, weir = self.named({"1.0.0.127.in-addr.arpa": ("PTR", "bank.example"), "bank.example": ("A", "192.0.2.1")})
        with Client(weir.port) as client:
            self.deliver(client)
        self.assertIn(b" NAME=[UNAVAILABLE]", self.xclient(up))
        self.assertIn(b" REVERSE_NAME=bank.example", self.xclient(up))

    def test_name_server_says_nothing(self):
        dns, up, weir = self.named({"1.0.0.127.in-addr.arpa": None}, "500ms")
        begun = time.monotonic()
        with Client(weir.port) as client:
            self.assertLess(time.monotonic() - begun, 5)
            self.deliver(client)
        self.assertIn(b" NAME=[TEMPUNAVAIL]", self.xclient(up))
        self.assertGreater(dns.asked, 0)

    def test_client_leaves_while_its_name_is_looked_up(self):
        _, up, weir = self.named({"1.0.0.127.in-addr.arpa": None})
        for _ in range(5):
            self.raw(weir).close()
            self.raw(weir).reset()
        weir.signal(signal.SIGTERM)
        self.assertEqual(weir.wait(10), 0)
        self.assertEqual(up.stored(), [])

    def test_early_talker_while_its_name_is_looked_up(self):
        _, _, weir = self.named({"1.0.0.127.in-addr.arpa": None})
        client = self.raw(weir)
        client.send(b"EHLO x\r\n")
        self.assertEqual(client.reply().dsn, "4.7.0")


class Dns:
    """Answers from a table; None: no answer. Names that are not in it do not exist."""

    def __init__(self, records):
        self.records = records
        self.asked = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.is_stopped = False
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self):
        self.is_stopped = True
        self.socket.close()

    def _serve(self):
        while not self.is_stopped:
            try:
                query, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            self.asked += 1
            answer = self._answer(query)
            if answer:
                self.socket.sendto(answer, peer)

    def _answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        question = query[12:at + 5]
        asked_type = struct.unpack(">H", query[at + 1:at + 3])[0]
        name = ".".join(labels)
        if name not in self.records:
            return query[:2] + b"\x81\x83" + struct.pack(">HHHH", 1, 0, 0, 0) + question
        if self.records[name] is None:
            return None
        kind, value = self.records[name]
        number = {"A": 1, "PTR": 12}[kind]
        if number != asked_type:
            return query[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, 0, 0, 0) + question
        data = socket.inet_aton(value) if kind == "A" else \
            b"".join(bytes([len(label)]) + label.encode() for label in value.split(".")) + b"\0"
        return (query[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, 1, 0, 0) + question
                + b"\xc0\x0c" + struct.pack(">HHIH", number, 1, 60, len(data)) + data)


if __name__ == "__main__":
    harness.main()
