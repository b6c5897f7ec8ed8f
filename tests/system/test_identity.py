"""Who the client is, told to Postfix (recipes 1a and 1b) and learned from a load balancer (PROXY protocol); and what must never
happen: an open relay, a session without identity, XCLIENT or XFORWARD in a client's hands (smtp.md, laws 3 and 7).

Elsewhere: the client's TLS told by PROXY v2 in test_proxy_tlvs.py, its name in test_names.py, real proxies in front in
test_behind_proxies.py, recipe 2 in test_before_queue.py, recipe 5 in test_tproxy.py, what `check --upstream` says of each
identity in cli/test_probe.py."""
import os
import re
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import postfix  # noqa: E402
import suite  # noqa: E402
from fake_upstream import FakeUpstream  # noqa: E402
from smtpline import Client  # noqa: E402

BALANCER = "127.0.0.1"  # trusted to send PROXY headers
OTHER = "127.0.0.9"     # not trusted
STRANGER = "198.51.100.7"
ELSEWHERE = "victim@elsewhere.test"
PROXY_TRUST = ["accept-proxy required", "trust %s/32" % BALANCER]
V2_MAGIC = b"\r\n\r\n\0\r\nQUIT\n"

mta = None


def setUpModule():
    global mta
    narrow = " -o mynetworks=127.0.0.1/32"  # so that 127.0.5.7 is a stranger, as 198.51.100.7 is
    distrustful = " -o mynetworks= -o smtpd_authorized_xforward_hosts=127.0.0.1"
    mta = postfix.start(services={**postfix.SERVICES, "narrow_xclient": postfix.SERVICES["xclient"] + narrow,
                                  "narrow_proxy": postfix.SERVICES["proxy"] + narrow, "distrustful": distrustful})


def v1(source=STRANGER, port=41001, family="TCP4", destination="192.0.2.25"):
    return b"PROXY %s %s %s %d 25\r\n" % (family.encode(), source.encode(), destination.encode(), port)


def v2(source=STRANGER, port=41001, destination="192.0.2.25", command=1, tlvs=b"", family=None):
    if ":" in source:
        kind, pack = 0x21, lambda a: socket.inet_pton(socket.AF_INET6, a)
    else:
        kind, pack = 0x11, socket.inet_aton
    body = pack(source) + pack(destination) + struct.pack("!HH", port, 25) + tlvs
    if command == 0:
        kind, body = 0, tlvs
    return V2_MAGIC + bytes([0x20 | command, family if family is not None else kind]) + struct.pack("!H", len(body)) + body


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


class Conveyed:
    """Tests that hold for every way to convey the address; subclasses say which."""
    SERVICE, IDENTITY = "", ""

    @classmethod
    def setUpClass(cls):
        cls.weir = harness.Mailweir(mta.ports[cls.SERVICE], upstream=["identity " + cls.IDENTITY])
        cls.behind = harness.Mailweir(mta.ports[cls.SERVICE], upstream=["identity " + cls.IDENTITY],
                                      listen=PROXY_TRUST)

    @classmethod
    def tearDownClass(cls):
        for weir in (cls.weir, cls.behind):
            weir.finish(suite.Case())

    def setUp(self):
        mta.settle()
        mta.empty()
        self.start = mta.mark()

    def stranger(self, header=None):
        client = self.closing(Client(self.behind.port, source=BALANCER, greet=False))
        client.send(header or v1())
        client.greeting = client.expect(220)
        return client

    def test_local_client_is_known_by_its_own_address(self):
        client = self.closing(Client(self.weir.port, source="127.0.0.5"))
        client.ehlo("five.example.net")
        client.envelope("a@example.net", suite.ALICE)
        self.assertEqual(client.data(suite.PLAIN).code, 250)
        client.quit()
        found = mta.take_one()
        self.same_octets(found.rest, postfix.as_delivered(suite.PLAIN))
        self.assertRegex(found.received, r"from five\.example\.net \(\S+ \[127\.0\.0\.5\]\)")
        mta.wait_log(r"client=\S+\[127\.0\.0\.5\]", self.start)

    def test_stranger_is_known_and_refused_relay(self):
        client = self.stranger()
        client.ehlo("stranger.example.net")
        client.cmd("MAIL FROM:<a@example.net>", 250)
        reply = client.cmd("RCPT TO:<%s>" % ELSEWHERE, 554)
        self.assertIn("Relay access denied", reply.text)
        client.cmd("RCPT TO:<%s>" % suite.ALICE, 250)
        self.assertEqual(client.data(suite.PLAIN).code, 250)
        client.quit()
        self.assertIn("[%s]" % STRANGER, mta.take_one().received)
        mta.wait_log(r"reject: RCPT from unknown\[198\.51\.100\.7\]: 554 5\.7\.1 <victim@elsewhere\.test>", self.start)
        mta.wait_log(r"disconnect from unknown\[198\.51\.100\.7\]", self.start)
        self.behind.wait_record("message", verdict="accept", client="-[198.51.100.7]:41001")

    def test_stranger_by_v2_and_over_ipv6(self):
        for source, shown in ((STRANGER, r"198\.51\.100\.7"), ("2001:db8::7", r"2001:db8::7")):
            with self.subTest(source=source):
                start = mta.mark()
                client = self.stranger(v2(source, destination="2001:db8::25" if ":" in source else "192.0.2.25"))
                client.ehlo()
                client.cmd("MAIL FROM:<a@example.net>", 250)
                client.cmd("RCPT TO:<%s>" % ELSEWHERE, 554)
                client.quit()
                mta.wait_log(r"reject: RCPT from unknown\[%s\]: 554" % shown, start)

    def test_stranger_that_claims_loopback_in_the_session(self):
        """XCLIENT and XFORWARD from a client are refused, whatever they say, and nothing of it arrives."""
        client = self.stranger()
        ehlo = client.ehlo()
        self.assertNotIn("XCLIENT", ehlo.text)
        self.assertNotIn("XFORWARD", ehlo.text)
        for line in ("XCLIENT ADDR=127.0.0.1", "XCLIENT ADDR=127.0.0.1 LOGIN=alice", "XFORWARD ADDR=127.0.0.1",
                     "xclient NAME=localhost ADDR=127.0.0.1 PROTO=ESMTP"):
            reply = client.cmd(line, 550)
            self.assertEqual(reply.dsn, "5.7.0")
        client.cmd("MAIL FROM:<a@example.net>", 250)
        client.cmd("RCPT TO:<%s>" % ELSEWHERE, 554)

    def test_keywords_are_hidden_from_an_authorised_address_too(self):
        """postfix-recipes.md, trap 3: Postfix offers XCLIENT again when the conveyed address is itself authorised."""
        client = self.closing(Client(self.weir.port, source="127.0.0.1"))
        self.assertNotRegex(client.ehlo().text, r"\bX(CLIENT|FORWARD)\b")
        client.cmd("XCLIENT ADDR=198.51.100.99", 550)
        client.cmd("HELO again", 250)
        client.cmd("XFORWARD NAME=x", 550)

    def test_second_message_and_new_ehlo_keep_the_address(self):
        client = self.stranger()
        client.ehlo()
        for _ in range(2):
            client.envelope("a@example.net", suite.ALICE)
            self.assertEqual(client.data(suite.PLAIN).code, 250)
            client.cmd("RSET", 250)
            client.ehlo("again.example.net")
        for found in mta.take("alice", 2):
            self.assertIn("[%s]" % STRANGER, found.received)

    def test_helo_only_client(self):
        client = self.stranger()
        client.cmd("HELO old.example.net", 250)
        client.envelope("a@example.net", suite.ALICE)
        self.assertEqual(client.data(suite.PLAIN).code, 250)
        received = mta.take_one().received
        self.assertIn("old.example.net", received)
        self.assertIn("with SMTP id", received)

    def test_greeting_is_postfix_own(self):
        self.assertEqual(self.stranger().greeting.raw, b"220 mx.example.test ESMTP Postfix\r\n")


@harness.needs_proxy
class Xclient(Conveyed, suite.Case):
    SERVICE, IDENTITY = "xclient", "xclient"

    def test_our_id_stands_in_postfix_log(self):
        """XFORWARD IDENT before each MAIL: orig_queue_id is the id of our own log line."""
        client = self.stranger()
        client.ehlo()
        for _ in range(2):
            client.envelope("a@example.net", suite.ALICE)
            self.assertEqual(client.data(suite.PLAIN).code, 250)
        client.quit()
        mta.take("alice", 2)
        ids = re.findall(r"client=unknown\[198\.51\.100\.7\], orig_queue_id=(\S+)", mta.log()[self.start:])
        self.assertEqual(len(ids), 2, mta.log()[self.start:])
        self.assertEqual(len(set(ids)), 2)
        for each in ids:
            self.assertTrue(self.behind.records("message", id=each), (each, self.behind.log()[-1500:]))

    def test_session_dialogue_is_clean(self):
        """One XCLIENT, no complaint about pipelining in Postfix's log."""
        client = self.stranger()
        client.send(b"EHLO x.example.net\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n")
        for code in (250, 250, 250, 354):
            client.expect(code)
        client.cmd(b"Subject: x\r\n\r\nx\r\n.", 250)
        client.quit()
        mta.wait_log(r"disconnect from unknown\[198\.51\.100\.7\] ehlo=2 xclient=0?/?1 ", self.start)
        self.assertNotIn("improper command pipelining", mta.log()[self.start:])


@harness.needs_proxy
class ProxyV1(Conveyed, suite.Case):
    SERVICE, IDENTITY = "proxy", "proxy-v1"


@harness.needs_proxy
class ProxyV2(Conveyed, suite.Case):
    SERVICE, IDENTITY = "proxy", "proxy-v2"


@harness.needs_proxy
class EveryIdentity(suite.Case):
    """One table: what Postfix's log says of a client, and that no stranger is relayed for, whatever the identity. Where Postfix is
    told nothing that it judges by (none, xforward), its port must not trust our address."""
    # identity: Postfix's service, what its log says of the message's client
    TABLE = {
        "none": ("distrustful", r": client=unknown\[127\.0\.0\.1\], orig_queue_id=%(id)s$"),
        "xforward": ("distrustful", r": client=unknown\[127\.0\.0\.1\], orig_queue_id=%(id)s, orig_client=unknown\[%(client)s\]$"),
        "xclient": ("narrow_xclient", r": client=unknown\[%(client)s\], orig_queue_id=%(id)s$"),
        "proxy-v1": ("narrow_proxy", r": client=unknown\[%(client)s\]$"),
        "proxy-v2": ("narrow_proxy", r": client=unknown\[%(client)s\]$"),
    }
    CLIENTS = (("127.0.5.7", None), ("198.51.100.7", v1()), ("2001:db8::7", v2("2001:db8::7", destination="2001:db8::25")))

    def test_log_and_relay(self):
        for identity, (service, pattern) in self.TABLE.items():
            plain = harness.Mailweir(mta.ports[service], upstream=["identity " + identity])
            behind = harness.Mailweir(mta.ports[service], upstream=["identity " + identity], listen=PROXY_TRUST)
            for weir in (plain, behind):
                self.addCleanup(weir.finish, self)
            for address, header in self.CLIENTS:
                with self.subTest(identity=identity, client=address):
                    self.one(behind if header else plain, address, header, pattern)

    def one(self, weir, address, header, pattern):
        mta.settle()
        mta.empty()
        start, mark = mta.mark(), weir.mark()
        client = self.closing(Client(weir.port, source=BALANCER if header else address, greet=False))
        client.send(header or b"")
        client.expect(220)
        client.ehlo("c.example.net")
        client.cmd("MAIL FROM:<a@example.net>", 250)
        client.cmd("RCPT TO:<%s>" % ELSEWHERE, 554)
        client.cmd("RCPT TO:<%s>" % suite.ALICE, 250)
        self.assertEqual(client.data(suite.PLAIN).code, 250)
        client.quit()
        self.same_octets(mta.take_one().rest, postfix.as_delivered(suite.PLAIN))
        record = weir.wait_record("message", start=mark, verdict="accept")
        self.assertRegex(record["client"], r"^-\[%s\]:\d+$" % re.escape(address))  # our own log always knows
        mta.wait_log(pattern % {"client": re.escape(address), "id": re.escape(record["id"])}, start)


@harness.needs_proxy
class Required(suite.Case):
    """require-identity: rather no session than one under a false name."""

    def weir(self, *args, **settings):
        weir = harness.Mailweir(*args, **settings)
        self.addCleanup(weir.finish, self)
        return weir

    def test_upstream_without_xclient_gives_no_session(self):
        weir = self.weir(mta.ports["plain"], upstream=["identity xclient"])
        start = mta.mark()
        client = self.closing(Client(weir.port))
        self.assertEqual((client.greeting.code, client.greeting.dsn), (421, "4.3.5"))
        self.assertTrue(client.at_end())
        weir.wait_record("identity-refused")
        mta.wait_log(r"disconnect from", start)
        self.assertNotRegex(mta.log()[start:], r"mail=|rcpt=")

    def test_upstream_without_xforward_gives_no_session(self):
        weir = self.weir(mta.ports["plain"], upstream=["identity xforward"])
        client = self.closing(Client(weir.port))
        self.assertEqual((client.greeting.code, client.greeting.dsn), (421, "4.3.5"))
        self.assertTrue(client.at_end())
        weir.wait_record("identity-refused")

    def test_upstream_that_does_not_know_proxy_gives_no_session(self):
        for identity in ("proxy-v1", "proxy-v2"):
            with self.subTest(identity=identity):
                weir = self.weir(mta.ports["plain"], upstream=["identity " + identity])
                client = self.closing(Client(weir.port))
                reply = client.greeting
                if reply.code == 220:  # Postfix complains after its greeting: then the session must die at once
                    client.send(b"EHLO x\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<%s>\r\n" % ELSEWHERE.encode())
                    codes = []
                    while reply and reply.code != 421:
                        codes.append(reply.code)
                        reply = client.reply()
                    self.assertLess(len(codes), 4, "a stranger would be relayed: %s" % codes)
                self.assertEqual(reply.code, 421)
                self.assertTrue(client.at_end())

    def test_not_required(self):
        """require-identity off: the operator has said so."""
        weir = self.weir(mta.ports["plain"], upstream=["identity xclient", "require-identity off"])
        client = self.closing(Client(weir.port))
        self.assertEqual(client.greeting.code, 220)
        client.ehlo()

    def test_refusal_of_the_conveyed_client_is_the_greeting(self):
        """A 4xx or 5xx to XCLIENT (Postfix's connect rules for that client) becomes the greeting."""
        for reply in (b"421 4.7.0 up.example.test Error: too many connections from 198.51.100.60\r\n",
                      b"554 5.7.1 No SMTP service here for you\r\n"):
            with self.subTest(reply=reply):
                up = FakeUpstream({"XCLIENT": reply}, extensions=("PIPELINING", "XCLIENT NAME ADDR PORT PROTO HELO"))
                self.addCleanup(up.stop)
                weir = self.weir(up.port, upstream=["identity xclient"])
                client = self.closing(Client(weir.port))
                self.assertEqual(client.greeting.raw, reply)

    def test_bad_reply_to_xclient(self):
        """501, nonsense, or nothing at all: no session."""
        for order in (b"501 5.5.4 Bad XCLIENT attribute\r\n", b"hello\r\n", "close", "hang"):
            with self.subTest(order=order):
                up = FakeUpstream({"XCLIENT": order}, extensions=("XCLIENT NAME ADDR PORT PROTO HELO",))
                self.addCleanup(up.stop)
                weir = self.weir(up.port, upstream=["identity xclient", "connect-timeout 1s", "reply-timeout 1s"])
                client = self.closing(Client(weir.port))
                self.assertIn(client.greeting.code, (421, 451, 501, 554))
                self.assertNotIn("MAIL", up.sessions[0].verbs())

    def test_what_is_sent(self):
        """The attributes that the upstream lists, xtext, ADDR first; XCLIENT before the client's own EHLO."""
        up = FakeUpstream(extensions=("PIPELINING", "XCLIENT NAME ADDR PORT PROTO HELO", "XFORWARD IDENT"))
        self.addCleanup(up.stop)
        weir = self.weir(up.port, upstream=["identity xclient"], listen=PROXY_TRUST)
        client = self.closing(Client(weir.port, source=BALANCER, greet=False))
        client.send(v2("2001:db8::7", destination="2001:db8::25"))
        client.expect(220)
        client.ehlo("client.example.net")
        client.cmd("MAIL FROM:<a@example.net>", 250)
        lines = [line.decode() for line in up.sessions[0].commands]
        first = next(line for line in lines if line.startswith("XCLIENT"))
        self.assertRegex(first, r"^XCLIENT ADDR=IPV6:2001:db8::7 ")
        self.assertRegex(first, r" PORT=41001\b")
        self.assertRegex(first, r" NAME=\[(UN|TEMPUN)AVAIL(ABLE)?\]|^(?!.*NAME=)")
        self.assertEqual(sum(line.startswith("XCLIENT") for line in lines), 1)
        self.assertTrue(any(re.match(r"XFORWARD IDENT=\S+$", line) for line in lines), lines)
        self.assertEqual(lines[-1], "MAIL FROM:<a@example.net>")


@harness.needs_proxy
class FromABalancer(suite.Case):
    """accept-proxy: the header is obeyed from trusted peers only, and never guessed."""

    @classmethod
    def setUpClass(cls):
        cls.up = FakeUpstream()
        cls.required = harness.Mailweir(cls.up.port, listen=PROXY_TRUST)
        cls.optional = harness.Mailweir(cls.up.port, listen=["accept-proxy optional", "trust %s/32" % BALANCER])
        cls.off = harness.Mailweir(cls.up.port)

    @classmethod
    def tearDownClass(cls):
        for weir in (cls.required, cls.optional, cls.off):
            weir.finish(suite.Case())
        cls.up.stop()

    def setUp(self):
        self.up.catch_up()
        self.sessions = len(self.up.sessions)

    def connect(self, weir, source, octets):
        client = self.closing(Client(weir.port, source=source, greet=False))
        client.send(octets)
        return client

    def test_accepted_forms(self):
        forms = {
            "v1": v1(), "v1 IPv6": v1("2001:db8::7", family="TCP6", destination="2001:db8::25"),
            "v2": v2(), "v2 IPv6": v2("2001:db8::7", destination="2001:db8::25"),
            "v2 with an empty unique id": v2(tlvs=tlv(5, b"")), "v2 with unknown TLVs": v2(tlvs=tlv(0xE0, b"x" * 300)),
            "v2 with a no-op": v2(tlvs=tlv(4, b"\0" * 20)),
        }
        for name, header in forms.items():
            for weir in (self.required, self.optional):
                with self.subTest(form=name, weir=weir.port):
                    start = weir.mark()
                    client = self.connect(weir, BALANCER, header)
                    client.expect(220, name)
                    client.ehlo()
                    client.quit()
                    source = "2001:db8::7" if "IPv6" in name else STRANGER
                    weir.wait_record("session", start=start, client="-[%s]:41001" % source)

    def test_header_in_pieces(self):
        for header in (v1(), v2(tlvs=tlv(5, b"abc"))):
            client = self.closing(Client(self.required.port, source=BALANCER, greet=False))
            for i in range(len(header)):
                client.send(header[i:i + 1])
                time.sleep(0.0005)
            client.expect(220)
            client.ehlo()

    def test_no_greeting_before_the_header(self):
        client = self.closing(Client(self.required.port, source=BALANCER, greet=False, timeout=0.3))
        with self.assertRaises(TimeoutError):
            client.reply()
        client.socket.settimeout(10)
        client.send(v1())
        client.expect(220)

    def test_malformed_headers_end_the_connection(self):
        bad = {
            "lower case": b"proxy tcp4 198.51.100.7 192.0.2.25 41001 25\r\n",
            "two blanks": b"PROXY  TCP4 198.51.100.7 192.0.2.25 41001 25\r\n",
            "octet 256": b"PROXY TCP4 198.51.100.256 192.0.2.25 41001 25\r\n",
            "short address": b"PROXY TCP4 198.51.100 192.0.2.25 41001 25\r\n",
            "port 65536": b"PROXY TCP4 198.51.100.7 192.0.2.25 65536 25\r\n",
            "negative port": b"PROXY TCP4 198.51.100.7 192.0.2.25 -1 25\r\n",
            "family mismatch": b"PROXY TCP6 198.51.100.7 192.0.2.25 41001 25\r\n",
            "no ports": b"PROXY TCP4 198.51.100.7 192.0.2.25\r\n",
            "overlong": b"PROXY TCP4 " + b"1" * 200 + b"\r\n",
            "no header": b"EHLO client.example.net\r\n",
            "v2 version 3": V2_MAGIC + b"\x31\x11\0\x0c" + b"\1" * 12,
            "v2 command 2": V2_MAGIC + b"\x22\x11\0\x0c" + b"\1" * 12,
            "v2 too short for its family": V2_MAGIC + b"\x21\x11\0\x0b" + b"\1" * 11,
            "v2 datagram": v2(family=0x12),
            "v2 TLV past the end": v2(tlvs=b"\x05\0\x09abc"),
            "v2 wrong checksum": v2(tlvs=tlv(3, b"\1\2\3\4")),
            "v2 announces 65535": V2_MAGIC + b"\x21\x11\xff\xff" + b"\1" * 5000,
            "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40,
        }
        for name, header in bad.items():
            with self.subTest(header=name):
                start = self.required.mark()
                client = self.connect(self.required, BALANCER, header)
                reply = client.reply()
                if reply is not None:
                    self.assertGreaterEqual(reply.code, 400)
                    self.assertTrue(client.at_end())
                self.required.wait_record("proxy-refused", start=start)
        self.assertEqual(len(self.up.sessions), self.sessions)

    def test_untrusted_peers(self):
        """A header from a peer that is not in `trust` never gives it that name."""
        marks = {weir: weir.mark() for weir in (self.required, self.optional, self.off)}
        for header in (v1(), v2()):
            with self.subTest(mode="required", header=header[:5]):
                client = self.connect(self.required, OTHER, header)
                reply = client.reply()
                self.assertTrue(reply is None or reply.code >= 400, reply)
                self.assertTrue(reply is None or client.at_end())
            for weir in (self.optional, self.off):
                with self.subTest(mode="optional or off", header=header[:5], weir=weir.port):
                    client = self.connect(weir, OTHER, header)
                    client.send(b"QUIT\r\n")
                    while client.reply() is not None:
                        pass
        for weir, start in marks.items():
            self.assertEqual(weir.records("session", start, client="-[%s]:41001" % STRANGER), [])
        for session in self.up.sessions[self.sessions:]:
            self.assertNotIn("MAIL", session.verbs())

    def test_untrusted_peer_without_header_where_optional(self):
        client = self.closing(Client(self.optional.port, source=OTHER))
        self.assertEqual(client.greeting.code, 220)
        client.ehlo()
        client.quit()

    def test_second_header_is_no_header(self):
        client = self.connect(self.required, BALANCER, v1())
        client.expect(220)
        self.assertGreaterEqual(client.cmd(v1("127.0.0.1").rstrip()).code, 500)
        self.assertEqual(len(self.required.records("session", client="-[127.0.0.1]:41001")), 0)

    def test_local_is_answered_without_an_upstream(self):
        """A load balancer's health check costs nothing behind us and writes no line."""
        for name, header in (("v2 LOCAL", v2(command=0)), ("v2 LOCAL with TLV", v2(command=0, tlvs=tlv(5, b"x"))),
                             ("v1 UNKNOWN", b"PROXY UNKNOWN\r\n"),
                             ("v1 UNKNOWN with words", b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n")):
            with self.subTest(header=name):
                start = self.required.mark()
                client = self.connect(self.required, BALANCER, header)
                client.expect(220, name)
                client.cmd("EHLO check.example.test", 250)
                self.assertGreaterEqual(client.cmd("MAIL FROM:<a@example.net>").code, 400)
                client.cmd("QUIT", 221)
                self.assertTrue(client.at_end())
                self.assertEqual(len(self.up.sessions), self.sessions)
                self.assertNotIn("[127.0.0.1]:%d" % client.source_port, self.required.log()[start:])
                self.assertEqual(self.required.records("proxy-refused", start), [])

    def test_health_check_that_only_resets(self):
        start = self.required.mark()
        for _ in range(20):
            self.connect(self.required, BALANCER, v2(command=0)).reset()
        self.connect(self.required, BALANCER, v1()).expect(220)
        self.assertNotIn("proxy-refused", self.required.log()[start:])
        self.assertEqual(len(self.up.sessions), self.sessions + 1)


if __name__ == "__main__":
    harness.main()
