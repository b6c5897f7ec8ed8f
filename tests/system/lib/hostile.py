"""A mailweir with filters that ask a scripted name server, for the suites that serve it hostile answers: what each message costs, and
whether others are served meanwhile."""
import time
import unittest

import authres
import harness
import suite
from fake_upstream import FakeUpstream
from harness import block
from smtpline import Client

try:
    from dnsserver import RAW, DnsServer
except ImportError:
    RAW = DnsServer = None

NAME, CLIENT, OUTSIDER = "mx.weir.test", "127.0.5.7", "127.0.7.7"
QUESTIONS_MAX = 120       # of one check (RFC 7208 4.6.4 and 11.1)
SESSION_QUERIES = 500     # a minute, as the tests set it
MEMORY_KIB = 40 * 1024    # more than before, whatever comes


def missing():
    """Why these tests cannot run, told once; None: they can."""
    if DnsServer is not None:
        return None
    harness.notice("python3-dnspython is not installed: suite is skipped")
    return "NOTICE: python3-dnspython is not installed"


class HostileCase(suite.Case):
    """A name server, a mailweir with listeners for each profile and one without filters, and what it cost."""
    ZONES = {}
    FILTERS, CHAINS, LISTEN = "", ("observe", "enforce"), ()
    PASSES = "sender.test"

    @classmethod
    def setUpClass(cls):
        if DnsServer is None:
            raise unittest.SkipTest(missing())
        zones = {cls.PASSES: {"TXT": ["v=spf1 ip4:127.0.0.0/8 -all"]}}
        zones.update(cls.ZONES)
        cls.up, cls.dns = FakeUpstream(), DnsServer(zones)
        cls.ports = {name: harness.free_port() for name in (*cls.CHAINS, "plain")}
        files = {"50-%s.conf" % name: block("listen " + name, ["address 127.0.0.1:%d" % port, "upstream postfix", "client-name off", *cls.LISTEN,
                                                             *(["chain " + name] if name in cls.CHAINS else [])])
                 for name, port in cls.ports.items()}
        resolver = block("resolver", ["nameserver " + cls.dns.endpoint, "timeout 700ms", "attempts 1", "cache 0",
                                      "session-queries %d" % SESSION_QUERIES])
        cls.weir = harness.Mailweir(cls.up.port, filters=cls.FILTERS, files=files,
                                    top=["workers 1", "hostname " + NAME, "authserv-id " + NAME, resolver])
        cls().converse("observe", "a@" + cls.PASSES)
        cls.before_kib = cls.weir.resident_kib()

    @classmethod
    def tearDownClass(cls):
        cls.weir.check_memory(suite.Case(), cls.before_kib, MEMORY_KIB, "all of this")
        cls.weir.finish(suite.Case())
        cls.up.stop()
        cls.dns.stop()

    def setUp(self):
        self.dns.forget()

    def tearDown(self):
        self.weir.check_healthy(self)

    def connect(self, chain):
        client = Client(self.ports[chain], source=CLIENT)
        client.ehlo()
        return client

    def converse(self, chain, sender, message=suite.PLAIN):
        """(the refusal or None, the delivered message or None); the session is in order behind it."""
        before = len(self.up.sessions)
        with self.connect(chain) as client:
            reply = client.cmd("MAIL FROM:<%s>" % sender)
            if reply.code == 250:
                client.send(b"RCPT TO:<%s>\r\n" % suite.ALICE.encode())
                self.serves_others()
                reply = client.reply()
            if reply.code == 250:
                reply = client.data(message)
            client.cmd("NOOP", 250)
            client.quit()
        if reply.code != 250:
            return reply, None
        return None, next(m[2] for s in self.up.sessions[before:] for m in s.messages if m[3])

    def serves_others(self):
        began, used = time.monotonic(), self.weir.cpu_seconds()
        with Client(self.ports["plain"], source=OUTSIDER) as other:
            other.ehlo()
            other.envelope("b@other.test", suite.BOB)
            if other.data(suite.PLAIN).code != 250:
                raise AssertionError("another session is not served")
            other.quit()
        passed, used = time.monotonic() - began, self.weir.cpu_seconds() - used
        if used > (2.0 if harness.is_sanitized() else 1.0) * harness.slowness() or passed > 5 * harness.slowness():
            raise AssertionError("another session took %.1f s, in which mailweir worked for %.1f s" % (passed, used))

    def result(self, sender, wanted):
        """The result is one of `wanted`, at a bounded price."""
        self.dns.forget()
        refusal, message = self.converse("observe", sender)
        self.assertIsNone(refusal)
        values = authres.values(message, NAME, "spf")
        self.assertEqual(len(values), 1)
        self.assertIn(values[0], wanted)
        self.assertLessEqual(self.dns.questions, QUESTIONS_MAX)
        return values[0]

    def check_reply(self, reply):
        for line in reply.raw.split(b"\r\n")[:-1]:
            self.assertRegex(line, rb"\A[\x20-\x7e]{4,510}\Z")
        self.assertLess(len(reply.raw), 4096)
