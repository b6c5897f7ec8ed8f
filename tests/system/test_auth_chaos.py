"""The chain limits, spf, dkim, dmarc and rules (with DNS lists) under a name server that misbehaves in every way at once, fifty clients
that vanish at any point, and a reload every second:

    no session is stuck, nobody is cut off who did not ask for it, no reply is malformed; each delivered message has one field of ours and
    no forged one; at the end nothing is open, under way or left behind, and no sanitizer has spoken.

    test_auth_chaos.py SECONDS [SEED]     longer than the 20 s of the ordinary run; the same dice again

And the budget that bounds a session's questions, as a weapon."""
import base64
import hashlib
import os
import random
import re
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import authres  # noqa: E402
import harness  # noqa: E402
import suite  # noqa: E402
from fake_upstream import FakeUpstream  # noqa: E402
from harness import block  # noqa: E402
from rsakey import RsaKey  # noqa: E402
from smtpline import Client, stuff  # noqa: E402

try:
    from dnsserver import DnsServer
except ImportError:
    DnsServer = None
try:
    import dkim
except ImportError:
    dkim = None

SECONDS, SEED = 20, str(time.time_ns() % 1_000_000)
CLIENTS, OWN = 50, "mx.weir.test"
STUCK_S = 30          # longer than any wait that the configuration allows, on a slow machine
VANISHES = 0.06       # at each step
GROWTH_KIB = 96 * 1024

KINDS = ("good", "fails", "giant", "many", "wide", "mute", "slow", "servfail", "refused", "truncated", "truncated-mute", "truncated-short", "garbage",
         "wrong-id", "lame", "cut", "loop", "no-edns", "nosuch")
ZONES = {
    "*.good.test": {"TXT": ["v=spf1 ip4:127.0.0.0/8 -all"], "A": ["127.0.0.2"], "MX": [(10, "a.good.test")]},
    "*.fails.test": {"TXT": ["v=spf1 exp=exp.good.test -all"]},
    "*.giant.test": {"TXT": ["x" * 4000] * 12 + ["v=spf1 a mx ~all"], "A": ["192.0.2.%d" % i for i in range(250)]},
    "*.many.test": {"TXT": ["text %d" % i for i in range(900)] + ["v=spf1 mx -all"], "MX": [(i, "h%d.slow.test" % i) for i in range(9)]},
    "*.wide.test": {"TXT": ["v=spf1 include:a.slow.test a:b.mute.test mx:c.many.test exists:%{l}.%{i}.slow.test ptr -all"]},
    "*.slow.test": {"TXT": ["v=spf1 a mx -all"], "A": ["192.0.2.1"]},
    "*.bl.test": {"A": ["127.0.0.2"]},
    "_dmarc.signed.test": {"TXT": ["v=DMARC1; p=reject"]}, "signed.test": {"TXT": ["v=spf1 -all"]},
    ".slow.test": ("slow", 0.3), ".slow-bl.test": ("slow", 0.2),
    **{".%s.test" % kind: kind for kind in KINDS if kind not in ("good", "fails", "giant", "many", "wide", "slow", "nosuch")},
}
RULES = ('list blocked = dnsbl "bl.test*2", "mute.test", "slow.test", "garbage.test" timeout 1s\n'
         'facts: add header "X-Facts: ${spf.result}/${dkim.result}/${dmarc.result}" when message.size > 0\n'
         'score: add header "X-Score: ${dnsbl.score(\'blocked\')}" when dnsbl.score("blocked") > 0\n')


def blocks(turn):
    """Filters and chains; each turn another mixture."""
    profile = ("observe", "enforce")[turn % 2]
    quarantine = ["quarantine-address quarantine@example.test"]
    filters = {
        "limits": ["max-recipients 50"],
        "spf": ["profile " + profile, "skip-networks none", "lookup-time 2s", "helo-check " + ("header", "reject", "off")[turn % 3],
                "judge " + ("rcpt", "mail")[turn // 2 % 2], "on softfail quarantine", *quarantine, "forwarder-domains .slow.test",
                "result-header both"],
        "dkim": ["skip-networks none", "lookup-time 2s", "protect-dkim " + ("off", "on", "log")[turn % 3]],
        "dmarc": ["profile " + profile, "skip-networks none", "lookup-time 2s", "on quarantine quarantine", *quarantine],
        "rules": ["files rules/*.rules"],
    }
    return ("".join(block("filter " + name, ["module " + name, *lines]) for name, lines in filters.items()) +
            block("chain inbound", ["limits spf dkim dmarc rules"]) + block("chain watched", ["limits observe spf dkim observe dmarc rules"]))


class Signer:
    """Messages: one signed in truth, all others by nobody at all."""

    def __init__(self):
        self.signed, self.record = None, None
        if dkim is None:
            harness.notice("python3-dkim is not installed: no valid signatures")
            return
        key = RsaKey()
        self.record = key.record
        octets = b"From: a@signed.test\r\nSubject: signed\r\n\r\nHello.\r\n"
        self.signed = dkim.sign(octets, b"s", b"signed.test", key.pem, include_headers=[b"From", b"Subject"]) + octets

    def message(self, dice, domain):
        forged = b"Authentication-Results: %s; spf=pass forged=yes\r\n" % dice.choice((b"mx.weir.test", b'"MX.weir.test; x"', b"(c) mx.weir.test 1"))
        if self.signed and dice.random() < 0.3:
            return forged + self.signed
        body = b"Hello %d.\r\n" % dice.randrange(10**9) * dice.choice((1, 20, 2000))
        digest = base64.b64encode(hashlib.sha256(body).digest())
        fields = [b"DKIM-Signature: v=1; a=rsa-sha256; d=%s; s=s%d; h=from; bh=%s;\r\n b=%s\r\n"
                  % (name.encode(), number, digest, base64.b64encode(b"x" * 128))
                  for number, name in enumerate([domain] * dice.randrange(4) + ["k%d.%s.test" % (dice.randrange(99), dice.choice(KINDS))])]
        return forged + b"".join(fields) + b"From: a@%s\r\nSubject: x\r\n\r\n" % domain.encode() + body


class Vanished(Exception):
    """The client has gone, of its own will."""


class Stranger:
    """One session, as far as it goes."""

    def __init__(self, dice, ports, signer, tally):
        self.dice, self.signer, self.tally = dice, signer, tally
        self.client = Client(dice.choice(ports), source="127.0.%d.%d" % (dice.randrange(9), dice.randrange(1, 250)), timeout=STUCK_S)

    def step(self):
        """Perhaps it is here that the client vanishes."""
        if self.dice.random() < VANISHES:
            (self.client.reset if self.dice.random() < 0.5 else self.client.close)()
            raise Vanished

    def ask(self, line):
        self.client.send(line.encode() + b"\r\n")
        self.step()
        return self.read()

    def read(self):
        reply = self.client.reply()
        if reply is None:
            raise AssertionError("the connection was closed")
        self.tally[reply.code] = self.tally.get(reply.code, 0) + 1
        if reply.code == 421:
            self.client.close()
            raise Vanished
        return reply

    def domain(self):
        return "d%d.%s.test" % (self.dice.randrange(10**6), self.dice.choice(KINDS))

    def hello(self):
        self.ask("EHLO " + self.dice.choice((self.domain(), "[127.0.0.1]", "signed.test")))

    def another_client(self):
        reply = self.ask("XCLIENT ADDR=127.0.9.%d HELO=%s" % (self.dice.randrange(1, 250), self.domain()))
        if reply.code == 220:
            self.hello()

    def transaction(self):
        domain = self.domain()
        sender = self.dice.choice(("a@%s" % domain, "a@%s" % domain, "", "b@signed.test", '"x@y"@%s' % domain))
        lines = ["MAIL FROM:<%s>" % sender] + ["RCPT TO:<r%d@example.test>" % i for i in range(self.dice.randrange(1, 4))]
        interruption = self.dice.choice((None, None, None, "RSET", "EHLO again.good.test", "MAIL FROM:<z@%s>" % domain))
        if interruption:
            lines.insert(self.dice.randrange(1, len(lines) + 1), interruption)
        accepted = 0
        if self.dice.random() < 0.5:  # a pipeline
            self.client.send("".join(line + "\r\n" for line in lines).encode())
            self.step()
            codes = [self.read().code for _ in lines]
        else:
            codes = [self.ask(line).code for line in lines]
        for line, code in zip(lines, codes):
            accepted = 0 if line in ("RSET", "EHLO again.good.test") else accepted + (line.startswith("RCPT") and code == 250)
        if accepted:
            self.content(self.signer.message(self.dice, domain))
        else:
            self.ask("RSET")

    def content(self, message):
        if self.dice.random() < 0.4:
            half = self.dice.randrange(1, len(message))
            for chunk, last in ((message[:half], ""), (message[half:], " LAST")):
                self.client.send(b"BDAT %d%s\r\n" % (len(chunk), last.encode()) + chunk)
                self.step()
                self.read()
            return
        if self.ask("DATA").code != 354:
            return
        octets = stuff(message)
        half = self.dice.randrange(1, len(octets))
        self.client.send(octets[:half])
        self.step()
        self.client.send(octets[half:] + b".\r\n")
        self.step()
        self.read()

    def run(self):
        try:
            self.hello()
            if self.dice.random() < 0.2:
                self.another_client()
            for _ in range(self.dice.randrange(1, 4)):
                self.transaction()
            self.ask("QUIT")
            self.client.close()
        except Vanished:
            return


@harness.needs_proxy
class Chaos(suite.Case):
    def setUp(self):
        if DnsServer is None:
            harness.notice("python3-dnspython is not installed: suite is skipped")
            self.skipTest("NOTICE: python3-dnspython is not installed")
        signer = Signer()
        zones = {**ZONES, **({"s._domainkey.signed.test": {"TXT": [signer.record]}} if signer.record else {})}
        self.signer, self.up, self.dns = signer, FakeUpstream(), DnsServer(zones, ttl=1, negative_ttl=1)
        self.addCleanup(self.up.stop)
        self.addCleanup(self.dns.stop)
        second = harness.free_port()
        self.control = os.path.join(harness.temp_dir("ctl"), "ctl")
        resolver = block("resolver", ["nameserver " + self.dns.endpoint, "timeout 300ms", "attempts 2", "cache 200", "session-queries 60"])
        self.weir = harness.Mailweir(
            self.up.port, filters=blocks(0), chain=None, listen=["chain inbound", "accept-xclient on"],
            top=["workers 1", "hostname " + OWN, "authserv-id " + OWN, "control unix:" + self.control, resolver],
            files={"rules/10.rules": RULES, "50-watched.conf": block("listen watched", [
                "address 127.0.0.1:%d" % second, "upstream postfix", "client-name off", "chain watched", "accept-xclient on"])})
        self.ports = [self.weir.port, second]
        self.problems, self.tally, self.sessions, self.is_over = [], {}, 0, False

    def counters(self, prefix=""):
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(self.control)
            control.sendall(b"counters %s\n" % prefix.encode())
            lines = control.makefile("r", encoding="utf-8")
            return {name: int(value) for name, value in (line.split() for line in iter(lines.readline, ".\n"))}

    def client_thread(self, number):
        dice = random.Random("%s-%d" % (SEED, number))
        while not self.is_over and not self.problems:
            try:
                Stranger(dice, self.ports, self.signer, self.tally).run()
                self.sessions += 1
            except Exception as error:  # all of them are told by the main thread
                self.problems.append("client %d: %s: %s" % (number, type(error).__name__, error))

    def reloads(self):
        """One a second, and each changes what the filters are told."""
        turn, end = 0, time.monotonic() + SECONDS
        while time.monotonic() < end and not self.problems:
            turn += 1
            self.weir.write("20-filters.conf", blocks(turn))
            event = self.weir.reload(20)
            if event["event"] != "reloaded":
                self.problems += [record["line"] for record in self.weir.records("reload-failed")]
            time.sleep(1)
        return turn

    def is_quiet(self):
        counters = self.counters()
        return counters["sessions.open"] == 0 and counters["dns.under-way"] == 0

    def test_all_at_once(self):
        harness.notice("auth_chaos: %d s, seed %s" % (SECONDS, SEED))
        before, before_kib = self.weir.descriptors(), self.weir.resident_kib()
        threads = [threading.Thread(target=self.client_thread, args=(number,), daemon=True) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        turns = self.reloads()
        self.is_over = True
        for thread in threads:
            thread.join(2 * STUCK_S)
        self.assertFalse(any(thread.is_alive() for thread in threads), "a client is stuck")
        self.assertEqual(self.problems, [])
        harness.wait_for(self.is_quiet, 15, lambda: "quiet: %r" % self.counters())
        self.check_counters(self.counters(), turns)
        self.check_messages()
        self.weir.check_memory(self, before_kib, GROWTH_KIB, "chaos")
        harness.wait_for(lambda: self.weir.descriptors() <= before + 40, 10, lambda: "%d descriptors" % self.weir.descriptors())
        self.weir.finish(self)
        self.assertNotRegex(self.weir.log(), r"ThreadSanitizer|WARNING: .*Sanitizer")
        self.assertEqual(self.weir.records("filter-error"), [])

    def check_counters(self, counters, turns):
        harness.notice("auth_chaos: %d sessions, %d reloads, %d messages; replies %s; dns %s" % (
            self.sessions, turns, counters["messages.accepted"], sorted(self.tally.items()),
            {name: value for name, value in counters.items() if name.startswith("dns.") and "latency" not in name}))
        self.assertGreater(counters["messages.accepted"], 0)
        self.assertGreaterEqual(counters["sessions.total"], self.sessions)
        self.assertEqual(sum(value for name, value in counters.items() if name.startswith("dns.ended.")), counters["dns.queries"])
        self.assertEqual(counters["dns.dropped"], 0)
        for ending in ("found", "none", "refused", "timeout", "unusable"):
            self.assertGreater(counters["dns.ended." + ending], 0, ending)

    def check_messages(self):
        stored = self.up.stored()
        for _, _, octets in stored:
            fields = authres.split(octets)[0]
            own = [field for field in fields if authres.is_results(field) and authres.claimed_id(field) == OWN]
            self.assertNotIn(b"forged=yes", octets.split(b"\r\n\r\n")[0])
            self.assertLessEqual(len(own), 1, octets[:3000])
            for field in own:
                authres.read(field)


@harness.needs_proxy
class Spent(suite.Case):
    """A client that spends its session's questions on records of its own, and then comes with mail in somebody else's name."""
    HOSTS = [(i, j) for i in range(10) for j in range(10)]
    ZONES = {
        "_dmarc.bank.test": {"TXT": ["v=DMARC1; p=reject"]}, "bank.test": {"TXT": ["v=spf1 -all"], "A": ["192.0.2.1"]},
        "evil.test": {"TXT": ["v=spf1" + "".join(" mx:m%d.evil.test" % i for i in range(10)) + " -all"]},
        **{"m%d.evil.test" % i: {"MX": [(10, "h%d.m%d.evil.test" % (j, i)) for j in range(10)]} for i in range(10)},
        **{"h%d.m%d.evil.test" % (j, i): {"A": ["192.0.2.9"]} for i, j in HOSTS},
    }

    def test_dmarc_is_not_bypassed(self):
        if DnsServer is None:
            self.skipTest("NOTICE: python3-dnspython is not installed")
        up, dns = FakeUpstream(), DnsServer(self.ZONES)
        self.addCleanup(up.stop)
        self.addCleanup(dns.stop)
        weir = harness.Mailweir(up.port, chain="spf dkim dmarc", filters="".join(
            block("filter " + name, ["module " + name, "skip-networks none", *more])
            for name, more in (("spf", []), ("dkim", []), ("dmarc", ["profile enforce"]))),
            top=["workers 1", block("resolver", ["nameserver " + dns.endpoint, "timeout 500ms", "attempts 1", "session-queries 100"])])
        self.addCleanup(weir.finish, self)
        with Client(weir.port, source="127.0.5.7", timeout=STUCK_S) as client:
            client.ehlo("nobody.test")
            client.envelope("a@evil.test", suite.ALICE)
            client.cmd("RSET", 250)
            weir.wait_record("query-limit")
            client.envelope("b@nobody.test", suite.ALICE)
            reply = client.data(b"From: a@bank.test\r\nSubject: pay\r\n\r\nNow.\r\n")
            self.assertEqual((reply.code, reply.text[:11]), (550, "5.7.1 DMARC"))
            client.quit()


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1].isdigit():
        SECONDS = int(sys.argv.pop(1))
        SEED = sys.argv.pop(1) if len(sys.argv) > 1 else SEED
    harness.main()
