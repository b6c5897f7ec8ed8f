"""The scripted name server of the tests (lib/dnsserver.py) itself, asked by dnspython: a test that trusts it must be able to."""
import os
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402

try:
    import dnsserver
    import dns.message
    import dns.query
except ImportError:
    dnsserver = None

ZONES = {
    "example.com": {"MX": [(10, "mail.example.com"), (0, "")], "TXT": ["v=spf1 -all", ["two ", "strings"], b"\x00\xff", [], "x" * 600]},
    "mail.example.com": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]},
    "*.wild.example.com": {"A": ["192.0.2.2"]},
    (b"a.b", b"example", b"com"): {"A": ["192.0.2.3"]},
    "many.example.com": {"A": ["10.0.%d.%d" % (i >> 8, i & 255) for i in range(1000)]},
    "giant.example.com": {"TXT": [b"x" * 64000]},
    "thousand.example.com": {"TXT": [["%d" % i for i in range(1000)]]},
    "alias.example.com": {"CNAME": ["mail.example.com"]},
    "lost.example.com": {"CNAME": ["nowhere.example.com"]},
    "ring.example.com": {"CNAME": ["ring2.example.com"]}, "ring2.example.com": {"CNAME": ["ring.example.com"]},
    "odd.example.com": {"A": [dnsserver.RAW(b"\x01")] if dnsserver else []},
    "twice.example.com": {"A": ["192.0.2.9", "192.0.2.9"]},
    ".mute.example.com": "mute", "servfail.example.com": "servfail",
    **{"%s.f.example.com" % name: {"A": ["192.0.2.4"]} for name in
       ("no-edns", "slow", "wrong-id", "wrong-question", "cut", "truncated", "truncated-always", "truncated-shut", "lame", "chain", "loop")},
}
SUITE = {
    "Both.example.net": [{"TXT": "one"}, {"SPF": "two"}],
    "spf.example.net": [{"SPF": "v=spf1 -all"}, {"SPF": ["a", "b"]}],
    "none.example.net": [{"SPF": "v=spf1"}, {"TXT": "NONE"}],
    "late.example.net": [{"TXT": "v=spf1"}, "TIMEOUT"],
    "mx.example.net": [{"MX": [5, "a.example.net"]}],
    "eight.example.net": [{"SPF": "v=spf1 \x96"}],
}


@unittest.skipUnless(dnsserver, "NOTICE: python3-dnspython is not installed: suite is skipped")
class Server(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = dnsserver.DnsServer(ZONES)
        for name in ("no-edns", "wrong-id", "wrong-question", "cut", "truncated", "truncated-always", "truncated-shut", "lame", "loop"):
            cls.server.behave(name + ".f.example.com", name)
        cls.server.behave("slow.f.example.com", ("slow", 2))
        cls.server.behave("chain.f.example.com", ("chain", 5))
        cls.suite = dnsserver.DnsServer(SUITE, negative_ttl=None)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.suite.stop()

    def ask(self, name, kind, tcp=False, server=None, edns=0, timeout=10):
        message = dns.message.make_query(name, kind, use_edns=edns)
        send = dns.query.tcp if tcp else dns.query.udp
        return send(message, "127.0.0.1", port=(server or self.server).port, timeout=timeout, one_rr_per_rrset=True)

    def data(self, *args, **options):
        return [rrset[0].to_text() for rrset in self.ask(*args, **options).answer]

    def assert_silent(self, *args, **options):
        with self.assertRaises(dns.exception.Timeout):
            self.ask(*args, timeout=0.2, **options)

    def test_records(self):
        self.assertEqual(self.data("EXAMPLE.com", "MX"), ["10 mail.example.com.", "0 ."])
        self.assertEqual(self.data("mail.example.com", "AAAA"), ["2001:db8::1"])
        self.assertEqual(self.data("x.y.wild.example.com", "A"), ["192.0.2.2"])
        self.assertEqual(self.data("a\\.b.example.com", "A"), ["192.0.2.3"])
        self.assertEqual(self.data("twice.example.com", "A"), ["192.0.2.9"] * 2)
        texts = [rrset[0].strings for rrset in self.ask("example.com", "TXT", tcp=True).answer]
        self.assertEqual(texts, [(b"v=spf1 -all",), (b"two ", b"strings"), (b"\x00\xff",), (), (b"x" * 255, b"x" * 255, b"x" * 90)])

    def test_nothing(self):
        for name, code in (("nowhere.example.com", "NXDOMAIN"), ("wild.example.com", "NOERROR"), ("mail.example.com", "NOERROR")):
            answer = self.ask(name, "TXT")
            self.assertEqual((dns.rcode.to_text(answer.rcode()), answer.answer), (code, []))
            self.assertEqual(answer.authority[0][0].minimum, 60)

    def test_aliases(self):
        self.assertEqual(self.data("alias.example.com", "A"), ["mail.example.com.", "192.0.2.1"])
        self.assertEqual(self.ask("lost.example.com", "A").rcode(), dns.rcode.NXDOMAIN)
        self.assertEqual(len(self.data("ring.example.com", "A", tcp=True)), 100)
        self.assertEqual(self.data("loop.f.example.com", "A"), ["loop.f.example.com."])
        self.assertEqual(self.data("chain.f.example.com", "A")[-2:], ["5.chain.f.example.com.", "192.0.2.4"])

    def test_large_answers_are_cut_by_udp_and_whole_by_tcp(self):
        for name, kind, count in (("many.example.com", "A", 1000), ("giant.example.com", "TXT", 1), ("thousand.example.com", "TXT", 1)):
            answer = self.ask(name, kind)
            self.assertTrue(answer.flags & dns.flags.TC)
            self.assertEqual(answer.answer, [])
            self.assertEqual(len(self.ask(name, kind, tcp=True).answer), count)
        self.assertEqual(len(self.ask("thousand.example.com", "TXT", tcp=True).answer[0][0].strings), 1000)

    def test_refusals_and_silence(self):
        self.assertEqual(self.ask("servfail.example.com", "A").rcode(), dns.rcode.SERVFAIL)
        self.assert_silent("x.mute.example.com", "A")
        self.assert_silent("x.mute.example.com", "A", tcp=True)
        lame = self.ask("lame.f.example.com", "A")
        self.assertEqual((lame.rcode(), lame.answer, lame.authority, lame.flags & dns.flags.AA), (0, [], [], 0))
        self.assertEqual(self.ask("no-edns.f.example.com", "A").rcode(), dns.rcode.FORMERR)
        self.assertEqual(self.data("no-edns.f.example.com", "A", edns=-1), ["192.0.2.4"])

    def test_truncations(self):
        self.assertTrue(self.ask("truncated.f.example.com", "A").flags & dns.flags.TC)
        self.assertEqual(self.data("truncated.f.example.com", "A", tcp=True), ["192.0.2.4"])
        self.assertTrue(self.ask("truncated-always.f.example.com", "A", tcp=True).flags & dns.flags.TC)
        with self.assertRaises(EOFError):
            self.ask("truncated-shut.f.example.com", "A", tcp=True)

    def test_damaged_answers(self):
        for name, error in (("wrong-id", dns.query.BadResponse), ("wrong-question", dns.query.BadResponse),
                            ("cut", dns.exception.FormError)):
            with self.assertRaises(error):
                self.ask(name + ".f.example.com", "A", edns=-1)
        raw = dnsserver.DnsServer({".": ("octets", b"\x81\x80noise")})
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(20)
            client.sendto(dns.message.make_query("a.b", "A", id=0x1234).to_wire(), raw.address)
            self.assertEqual(client.recv(100), b"\x12\x34\x81\x80noise")
        raw.stop()

    def test_slowness_holds_up_nobody_else(self):
        began = time.monotonic()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(dns.message.make_query("slow.f.example.com", "A").to_wire(), self.server.address)
            self.data("mail.example.com", "A")
            self.assertLess(time.monotonic() - began, 1.9)
            client.settimeout(20)
            client.recv(1000)
            self.assertGreater(time.monotonic() - began, 1.9)

    def test_the_suites_form(self):
        def texts(name):
            return [rrset[0].strings for rrset in self.ask(name, "TXT", server=self.suite).answer]
        self.assertEqual(texts("both.example.NET"), [(b"one",)])
        self.assertEqual(texts("spf.example.net"), [(b"v=spf1 -all",), (b"a", b"b")])
        self.assertEqual(texts("none.example.net"), [])
        self.assertEqual(texts("late.example.net"), [(b"v=spf1",)])
        self.assertEqual(texts("eight.example.net"), [("v=spf1 \x96".encode(),)])
        self.assertEqual(self.data("mx.example.net", "MX", server=self.suite), ["5 a.example.net."])
        self.assert_silent("late.example.net", "A", server=self.suite)
        self.assert_silent("error.example.net", "A", server=self.suite)
        self.assertEqual(self.ask("nowhere.example.net", "A", server=self.suite).authority, [])

    def test_counts_pause_stop_and_start(self):
        server = dnsserver.DnsServer({"a.test": {"A": ["192.0.2.1"]}})
        self.data("A.test", "A", server=server)
        self.data("a.test", "A", server=server, tcp=True)
        self.assertEqual((server.asked, server.questions, server.questions_tcp), ({("a.test", "A"): 2}, 2, 1))
        server.pause()
        self.assert_silent("a.test", "A", server=server)
        self.assertEqual(server.ignored, 1)
        server.resume()
        self.assertEqual(self.data("a.test", "A", server=server), ["192.0.2.1"])
        server.set_zones({"a.test": {"A": ["192.0.2.2"]}})
        self.assertEqual(self.data("a.test", "A", server=server), ["192.0.2.2"])
        server.behave("a.test", "refused")
        self.assertEqual(self.ask("a.test", "A", server=server).rcode(), dns.rcode.REFUSED)
        server.behave("a.test", None)
        server.stop()
        self.assertFalse(harness.accepts(server.port))
        server.start()
        self.assertEqual(self.data("a.test", "A", server=server), ["192.0.2.2"])
        server.stop()


if __name__ == "__main__":
    harness.main()
