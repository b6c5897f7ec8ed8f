"""The client's verified name: looked up in a real name server (nsd) and told to Postfix, which must judge it as it judges the name
that it finds itself: the same questions are put to a Postfix that looks names up, with the same zones, by the same clients.

All of it stands in a network namespace with an /etc/resolv.conf of its own (root only)."""
import os
import re
import select
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import nameserver  # noqa: E402
import postfix  # noqa: E402
import private  # noqa: E402
import suite  # noqa: E402
from fake_upstream import FakeUpstream  # noqa: E402
from harness import block  # noqa: E402
from smtpline import Client  # noqa: E402

# Clients, and what is true of them. 127.0.6.x: the server cannot answer for that zone (SERVFAIL).
GOOD, NO_PTR, FORGED, NOWHERE, ALIAS, TWO, HOSTILE, BROKEN, HALF = (
    "127.0.5.7", "127.0.5.8", "127.0.5.9", "127.0.5.10", "127.0.5.11", "127.0.5.12", "127.0.5.13", "127.0.6.1", "127.0.5.14")
ZONES = {
    "example.net": "c A 127.0.5.7\nd A 127.0.5.77\nalias CNAME real\nreal A 127.0.5.11\ntwo A 127.0.5.12\nsix AAAA 2001:db8::7\n",
    "5.0.127.in-addr.arpa": "7 PTR C.Example.NET.\n9 PTR d.example.net.\n10 PTR nowhere.example.net.\n11 PTR alias.example.net.\n"
                            "12 PTR wrong.example.net.\n12 PTR two.example.net.\n13 PTR a\\013\\010QUIT.example.net.\n"
                            "14 PTR x.broken.test.\n",
    "6.0.127.in-addr.arpa": None,
    "broken.test": None,
    "8.b.d.0.1.0.0.2.ip6.arpa": "%s PTR six.example.net.\n" % ".".join("7" + "0" * 23),
}
RESTRICTED = " -o {smtpd_client_restrictions=%s} -o smtpd_delay_reject=yes -o unknown_client_reject_code=554 -o mynetworks=127.0.0.1/32"
VERIFIED, REVERSE = "reject_unknown_client_hostname", "reject_unknown_reverse_client_hostname"

mta = None
nsd = None


def setUpModule():
    global mta, nsd
    reason = postfix.available() or private.why_not("ip", "nsd")
    if reason:
        harness.notice(reason + "; the suite is skipped")
        raise unittest.SkipTest("NOTICE: " + reason)
    private.Network()
    private.own_resolv_conf("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    nsd = nameserver.Nsd(ZONES, 53)
    direct = " -o smtpd_peername_lookup=yes"
    mta = postfix.start(services={
        "xclient": postfix.SERVICES["xclient"] + " -o mynetworks=127.0.0.1/32",
        "verified": postfix.SERVICES["xclient"] + RESTRICTED % VERIFIED, "direct_verified": direct + RESTRICTED % VERIFIED,
        "reverse": postfix.SERVICES["xclient"] + RESTRICTED % REVERSE, "direct_reverse": direct + RESTRICTED % REVERSE,
        "forward": postfix.SERVICES["xclient"]})


class Base(suite.Case):
    def weir(self, service="xclient", *listen, top=(), identity="xclient", **settings):
        port = mta.ports[service] if isinstance(service, str) else service
        weir = harness.Mailweir(port, upstream=["identity " + identity], listen=listen or ["client-name auto"],
                                top=["workers 1", *top], **settings)
        self.addCleanup(weir.finish, self)
        return weir

    def session(self, port, source, helo="client.example.net"):
        """MAIL and RCPT of a client; the replies."""
        client = self.closing(Client(port, source=source))
        client.ehlo(helo)
        replies = [client.cmd("MAIL FROM:<a@example.net>"), client.cmd("RCPT TO:<%s>" % suite.ALICE)]
        client.quit()
        return replies

    def told(self, weir, up, source):
        """XCLIENT's attributes as the upstream got them."""
        first = len(up.sessions)
        client = self.closing(Client(weir.port, source=source))
        client.quit()
        line = next(c.decode() for c in up.sessions[first].commands if c.startswith(b"XCLIENT"))
        return dict(word.split("=", 1) for word in line.split()[1:])


@harness.needs_proxy
class Names(Base):
    def test_name_in_both_logs(self):
        weir, start = self.weir(), mta.mark()
        client = self.closing(Client(weir.port, source=GOOD))
        client.ehlo()
        client.envelope("a@example.net", suite.ALICE)
        self.assertEqual(client.data(suite.PLAIN).code, 250)
        client.quit()
        self.assertIn("(c.example.net [%s])" % GOOD, mta.take_one().received)
        mta.wait_log(r": client=c\.example\.net\[127\.0\.5\.7\], orig_queue_id=", start)
        for event in ("message", "session"):
            self.assertEqual(weir.wait_record(event)["client"], "c.example.net[%s]:%d" % (GOOD, client.source_port))

    def test_every_answer(self):
        """NAME= is the confirmed name; REVERSE_NAME= what the address says of itself, true or not."""
        up = FakeUpstream(extensions=("PIPELINING", "XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT"))
        self.addCleanup(up.stop)
        weir = self.weir(up.port)
        none, later = "[UNAVAILABLE]", "[TEMPUNAVAIL]"
        for source, name, reverse in ((GOOD, "c.example.net", "c.example.net"), (NO_PTR, none, none), (FORGED, none, "d.example.net"),
                                      (NOWHERE, none, "nowhere.example.net"), (ALIAS, "alias.example.net", "alias.example.net"),
                                      (HOSTILE, none, none), (BROKEN, later, later), (HALF, later, "x.broken.test")):
            with self.subTest(source):
                told = self.told(weir, up, source)
                self.assertEqual((told["ADDR"], told["NAME"], told["REVERSE_NAME"]), (source, name, reverse))
        self.assertEqual(self.told(weir, up, TWO)["NAME"], "two.example.net")  # of several names one that is true

    def test_reverse_name_only_where_the_upstream_lists_it(self):
        up = FakeUpstream(extensions=("PIPELINING", "XCLIENT NAME ADDR PORT"))
        self.addCleanup(up.stop)
        self.assertEqual(set(self.told(self.weir(up.port), up, FORGED)), {"ADDR", "NAME", "PORT"})

    def test_client_by_proxy_header_over_ipv6(self):
        weir, start = self.weir("xclient", "client-name auto", "accept-proxy required", "trust 127.0.0.1/32"), mta.mark()
        client = self.closing(Client(weir.port, source="127.0.0.1", greet=False))
        client.send(b"PROXY TCP6 2001:db8::7 2001:db8::25 4711 25\r\n")
        client.expect(220)
        client.ehlo()
        client.envelope("a@example.net", suite.ALICE)
        client.quit()
        mta.wait_log(r": client=six\.example\.net\[2001:db8::7\]", start)
        weir.wait_record("session", client="six.example.net[2001:db8::7]:4711")

    def test_conveyed_name_is_not_looked_up_again(self):
        """accept-xclient: the peer has said what the name is."""
        weir, start = self.weir("xclient", "client-name auto", "accept-xclient on", "trust 127.0.0.1/32"), mta.mark()
        client = self.closing(Client(weir.port, source="127.0.0.1"))
        client.cmd("XCLIENT NAME=other.example.net ADDR=%s" % GOOD, 220)
        client.ehlo()
        client.envelope("a@example.net", suite.ALICE)
        client.quit()
        mta.wait_log(r": client=other\.example\.net\[127\.0\.5\.7\]", start)

    def test_xforward_and_filters_get_the_name(self):
        weir = self.weir("forward", "client-name auto", identity="xforward", filters=suite.SPOOLING["filters"],
                         files={"rules/10.rules": 'name: reject 550 5.7.1 "not ${client.name}" when client.name == "c.example.net" and '
                                                  'sender.domain == "example.org"\n'}, chain="rules")
        start = mta.mark()
        self.assertEqual(self.session(weir.port, GOOD)[1].code, 250)
        mta.wait_log(r"orig_client=c\.example\.net\[127\.0\.5\.7\]", start)
        client = self.closing(Client(weir.port, source=GOOD))
        client.ehlo()
        self.assertEqual(client.cmd("MAIL FROM:<a@example.org>").raw, b"550 5.7.1 not c.example.net\r\n")

    def test_off_and_nobody_to_tell(self):
        """No question is asked where the answer is of no use, or unwanted."""
        relay = nameserver.Relay(53)
        self.addCleanup(relay.close)
        top = [block("resolver", ["nameserver 127.0.0.1:%d" % relay.port])]
        for listen, identity, asks in (("client-name off", "xclient", False), ("client-name auto", "none", False),
                                       ("client-name on", "none", True), ("client-name auto", "xclient", True)):
            with self.subTest(listen=listen, identity=identity):
                before = relay.questions
                self.session(self.weir("xclient", listen, top=top, identity=identity).port, GOOD)
                self.assertEqual(relay.questions > before, asks)

    def test_cache(self):
        relay = nameserver.Relay(53)
        self.addCleanup(relay.close)
        weir = self.weir(top=[block("resolver", ["nameserver 127.0.0.1:%d" % relay.port])])
        self.session(weir.port, GOOD)
        before = relay.questions
        for _ in range(5):
            self.session(weir.port, GOOD)
        self.assertEqual(relay.questions, before)


@harness.needs_proxy
class Deadlines(Base):
    """A name server that says nothing: the client is served in time, as one whose name is not known for now."""

    def resolver(self, port, *lines):
        return [block("resolver", ["nameserver 127.0.0.1:%d" % port, *lines])]

    def test_mute_server(self):
        relay = nameserver.Relay(53, silent=[b""])
        self.addCleanup(relay.close)
        weir, start = self.weir("verified", top=self.resolver(relay.port, "timeout 300ms", "attempts 2")), mta.mark()
        began = time.monotonic()
        replies = self.session(weir.port, GOOD)
        self.assertLess(time.monotonic() - began, 3.9)  # as it comes: 4 s
        self.assertGreater(relay.ignored, 1)
        self.assertEqual((replies[-1].code, replies[-1].dsn), (450, "4.7.25"))
        mta.wait_log(r"reject: RCPT from unknown\[127\.0\.5\.7\]: 450 4\.7\.25", start)

    def test_no_server_at_all(self):
        weir = self.weir(top=self.resolver(harness.free_port(), "timeout 300ms", "attempts 1"))
        began = time.monotonic()
        self.assertEqual(self.session(weir.port, GOOD)[-1].code, 250)
        self.assertLess(time.monotonic() - began, 3.9)  # as it comes: 4 s

    def test_others_do_not_wait(self):
        """Forty clients whose names do not come; one whose name is there at once."""
        relay = nameserver.Relay(53, silent=[b"\x02%d\x015\x010\x03127" % i for i in range(20, 60)])
        self.addCleanup(relay.close)
        weir = self.weir(top=self.resolver(relay.port, "timeout 5s", "attempts 1"))
        waiting = [self.closing(Client(weir.port, source="127.0.5.%d" % i, greet=False)) for i in range(20, 60)]
        harness.wait_for(lambda: relay.ignored >= 40, 20, "questions")
        began = time.monotonic()
        self.session(weir.port, GOOD)
        self.assertEqual(select.select([waiting[-1].socket], [], [], 0)[0], [], "it was served when the waiting was over")
        for client in waiting:
            client.expect(220)
        self.assertLess(time.monotonic() - began, 15)

    def test_client_that_leaves_meanwhile(self):
        relay = nameserver.Relay(53, silent=[b""])
        self.addCleanup(relay.close)
        weir = self.weir(top=self.resolver(relay.port, "timeout 300ms", "attempts 1"))
        for i in range(20):
            client = Client(weir.port, source=GOOD, greet=False)
            client.reset() if i % 2 else client.close()
        self.assertEqual(self.session(weir.port, GOOD)[-1].code, 250)


@harness.needs_proxy
class AsDirect(Base):
    """Postfix judges through mailweir as it does when it is asked directly and looks the name up itself."""

    def same(self, kind, source):
        direct = self.session(mta.ports["direct_" + kind], source)
        through = self.session(self.weirs[kind].port, source)
        self.assertEqual([r.raw for r in through], [r.raw for r in direct])
        return direct[-1]

    @classmethod
    def setUpClass(cls):
        cls.weirs = {kind: harness.Mailweir(mta.ports[kind], upstream=["identity xclient"], listen=["client-name auto"])
                     for kind in ("verified", "reverse")}

    @classmethod
    def tearDownClass(cls):
        for weir in cls.weirs.values():
            weir.finish(suite.Case())

    def test_reject_unknown_client_hostname(self):
        for source, code in ((GOOD, 250), (NO_PTR, 554), (FORGED, 554), (NOWHERE, 554), (ALIAS, 250), (BROKEN, 450), (HALF, 450)):
            with self.subTest(source):
                self.assertEqual(self.same("verified", source).code, code)

    def test_reject_unknown_reverse_client_hostname(self):
        for source, code in ((GOOD, 250), (NO_PTR, 554), (FORGED, 250), (NOWHERE, 250), (ALIAS, 250), (BROKEN, 450), (HALF, 250)):
            with self.subTest(source):
                self.assertEqual(self.same("reverse", source).code, code)

    def test_names_in_the_log(self):
        for source, name in ((GOOD, r"c\.example\.net"), (FORGED, "unknown"), (BROKEN, "unknown")):
            with self.subTest(source):
                start = mta.mark()
                self.same("reverse", source)
                pattern = r"disconnect from (\S+)\[%s\] ehlo" % re.escape(source)
                harness.wait_for(lambda: len(re.findall(pattern, mta.log()[start:])) == 2, 10, lambda: mta.log()[start:])
                for found in re.findall(pattern, mta.log()[start:]):
                    self.assertRegex(found, "(?i)^%s$" % name)


if __name__ == "__main__":
    harness.main()
