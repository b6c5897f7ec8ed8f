"""Recipe 2: Postfix keeps port 25; smtpd_proxy_filter hands every message to mailweir, which hands it back to a second smtpd. Filters
see the client that Postfix names by XFORWARD, and so does the second smtpd's log."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import postfix  # noqa: E402
import suite  # noqa: E402
from fake_upstream import FakeUpstream  # noqa: E402
from harness import block, free_port  # noqa: E402
from smtpline import Client  # noqa: E402
from suite import ALICE, BOB, CAROL  # noqa: E402

CLIENT, LOCAL, BAD = "127.0.5.7", "127.0.0.3", "127.0.5.66"
RULES = '''
bad-connect: reject 550 5.7.1 "not from ${client.ip}" when client.ip in (127.0.5.64/26)
bad-helo:    reject 550 5.7.1 "not as ${helo}" when helo == "evil.example.org"
bad-address: reject 550 5.7.1 "not from ${client.ip}" when client.ip in (198.51.100.64/28) and rcpt.local =~ /./
bad-v6:      reject 550 5.7.1 "not from ${client.ip}" when client.ip in (2001:db8:bad::/48) and rcpt.local =~ /./
bad-name:    reject 550 5.7.1 "not from ${client.name}" when client.name == "bad.example.org" and sender.local =~ /./
bad-helo-2:  reject 550 5.7.1 "not as ${helo}" when helo == "evil2.example.org" and sender.local =~ /./
no-carol:    reject 550 5.7.1 "filtered recipient" when rcpt == "carol@example.test"
evil:        reject 550 5.7.1 "content rejected by rule demo/evil" when raw.body =~ /evil words/
mark:        add header "X-Weir: ${client.ip} ${client.name} ${helo}" when subject =~ /mark/
'''
FRONT = (" -o smtpd_proxy_filter=127.0.0.1:%d -o smtpd_client_connection_count_limit=0 -o mynetworks=127.0.0.0/29"
         " -o smtpd_authorized_xclient_hosts=127.0.0.0/29 -o local_header_rewrite_clients=permit_mynetworks")
REINJECT = (" -o smtpd_authorized_xforward_hosts=127.0.0.0/8 -o smtpd_client_restrictions= -o smtpd_helo_restrictions="
            " -o smtpd_sender_restrictions= -o smtpd_relay_restrictions=permit_mynetworks,reject -o smtpd_recipient_restrictions="
            " -o smtpd_data_restrictions= -o mynetworks=127.0.0.0/8 -o receive_override_options=no_unknown_recipient_checks"
            " -o local_header_rewrite_clients=permit_mynetworks")
LISTEN = ["accept-xforward on", "trust 127.0.0.1/32"]

mta = None
weir = None
stream = None


def setUpModule():
    """`front` goes through mailweir, which spools for its filters; `stream` through one that has none; `away` to nobody; `straight`
    to the second smtpd itself, which shows what the others should be like. Strangers' addresses are 127.0.5.x, our own users' 127.0.0.x."""
    global mta, weir, stream
    ports = [free_port() for _ in range(4)]
    second = "\n127.0.0.1:%d inet n - n - 200 smtpd -o syslog_name=postfix/reinject%s" % (ports[3], REINJECT)
    mta = postfix.start(services={"front": FRONT % ports[0], "stream": FRONT % ports[1], "away": FRONT % ports[2],
                                  "straight": FRONT % ports[3], "reinject": REINJECT + second})
    reinject = mta.ports["reinject"]
    weir = harness.Mailweir(reinject, upstream=["identity xforward"], listen=["address 127.0.0.1:%d" % ports[0], *LISTEN],
                            filters=block("filter rules", ["module rules", "files rules/*.rules"]), chain="rules",
                            files={"rules/10-test.rules": RULES})
    stream = harness.Mailweir(reinject, upstream=["identity xforward"], listen=["address 127.0.0.1:%d" % ports[1], *LISTEN])


def tearDownModule():
    for each in (weir, stream):
        if each:
            each.finish(suite.Case())


class Base(suite.Case):
    def setUp(self):
        mta.settle()
        mta.empty()
        self.start, self.mark = mta.mark(), weir.mark()

    def tearDown(self):
        weir.check_healthy(self)
        stream.check_healthy(self)

    def client(self, service="front", source=CLIENT, helo="client.example.net", xclient=None):
        client = self.closing(Client(mta.ports[service], source="127.0.0.1" if xclient else source))
        if xclient:
            client.cmd("XCLIENT " + xclient, 220)
        client.ehlo(helo)
        return client

    def send(self, client, octets=suite.PLAIN, *recipients):
        client.envelope("a@example.net", *(recipients or (ALICE,)))
        return client.data(octets)

    def arrived(self, user="alice"):
        """The message without the first smtpd's Received: field, which is what the filter got on top of the client's octets."""
        found = mta.take_one(user)
        match = re.match(rb"Received: from .*\n(?:[ \t].*\n)*", found.rest)
        self.assertTrue(match, found.rest[:300])
        return found, match.group(0).decode(), found.rest[match.end():]


@harness.needs_proxy
class BeforeQueue(Base):
    def test_message_intact_and_client_in_both_logs(self):
        for service, proxy in (("front", weir), ("stream", stream)):
            with self.subTest(service):
                self.setUp()
                mark = proxy.mark()
                reply = self.send(self.client(service))
                self.assertRegex(reply.text, r"^2\.0\.0 Ok: queued as [0-9A-F]+$")
                found, received, octets = self.arrived()
                self.same_octets(octets, postfix.as_delivered(suite.PLAIN))
                self.assertIn("[%s]" % CLIENT, received)
                self.assertIn("[127.0.0.1]", found.received)  # XFORWARD is for the log only
                record = proxy.wait_record("message", start=mark, verdict="accept")
                self.assertRegex(record["client"], r"^-\[127\.0\.5\.7\]:\d+$")
                self.assertEqual((record["helo"], record["proto"]), ("client.example.net", "ESMTP"))
                mta.wait_log(r"postfix/reinject/smtpd.*: client=unknown\[127\.0\.0\.1\], orig_queue_id=%s, "
                             r"orig_client=unknown\[127\.0\.5\.7\]" % re.escape(record["id"]), self.start)
                mta.wait_log(r"proxy-accept: END-OF-MESSAGE: 250 2\.0\.0 Ok: queued as %s;" % record["queued"], self.start)

    def test_client_with_a_name_and_over_ipv6(self):
        for xclient, shown, logged in (
                ("NAME=c.example.net ADDR=198.51.100.80 PORT=43210", "c.example.net[198.51.100.80]:43210",
                 r"c\.example\.net\[198\.51\.100\.80\]"),
                ("NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::80 PORT=43210", "-[2001:db8::80]:43210", r"unknown\[2001:db8::80\]")):
            with self.subTest(xclient):
                self.setUp()
                self.assertEqual(self.send(self.client(xclient=xclient)).code, 250)
                weir.wait_record("message", start=self.mark, verdict="accept", client=shown)
                mta.wait_log(r"orig_client=" + logged, self.start)

    def test_filters_see_the_client(self):
        text = suite.PLAIN.replace(b"Subject: plain", b"Subject: mark")
        self.assertEqual(self.send(self.client(xclient="NAME=c.example.net ADDR=198.51.100.80"), text).code, 250)
        found, _, _ = self.arrived()
        self.assertEqual(found.header("X-Weir"), ["198.51.100.80 c.example.net client.example.net"])

    def refused(self, words, address, **arguments):
        """The client hears this at MAIL, RCPT or the end of the message, and the log line names it."""
        client = self.client(**arguments)
        replies = [client.cmd("MAIL FROM:<a@example.net>")]
        if replies[-1].code == 250:
            replies.append(client.cmd("RCPT TO:<%s>" % ALICE))
        if replies[-1].code == 250:
            replies.append(client.data(suite.PLAIN))
        self.assertEqual(replies[-1].raw, b"550 5.7.1 %s\r\n" % words.encode())
        self.assertIn("[%s]" % address, weir.wait_record("reject", start=self.mark, by="rules")["client"])
        client.quit()

    def test_clients_that_filters_refuse(self):
        """By address, name and HELO: only what comes by XFORWARD tells them from others."""
        for words, address, arguments in (
                ("not from 198.51.100.70", "198.51.100.70", {"xclient": "ADDR=198.51.100.70"}),
                ("not from 2001:db8:bad::1", "2001:db8:bad::1", {"xclient": "ADDR=IPV6:2001:db8:bad::1"}),
                ("not from bad.example.org", "198.51.100.9", {"xclient": "NAME=bad.example.org ADDR=198.51.100.9"}),
                ("not as evil2.example.org", CLIENT, {"helo": "evil2.example.org"})):
            with self.subTest(words):
                self.setUp()
                self.refused(words, address, **arguments)

    def test_rules_about_the_client_alone(self):
        """They could be decided when somebody connects; but here that is Postfix, and not the client that they are about."""
        for words, address, arguments in (("not from 127.0.5.66", BAD, {"source": BAD}),
                                          ("not as evil.example.org", CLIENT, {"helo": "evil.example.org"})):
            with self.subTest(words):
                self.setUp()
                self.refused(words, address, **arguments)

    def test_refused_recipient(self):
        """The client hears of it at RCPT; the others get the message."""
        client = self.client()
        client.cmd("MAIL FROM:<a@example.net>", 250)
        client.cmd("RCPT TO:<%s>" % ALICE, 250)
        self.assertEqual(client.cmd("RCPT TO:<%s>" % CAROL).raw, b"550 5.7.1 filtered recipient\r\n")
        client.cmd("RCPT TO:<%s>" % BOB, 250)
        self.assertEqual(client.data(suite.PLAIN).code, 250)
        client.quit()
        for user in ("alice", "bob"):
            self.same_octets(self.arrived(user)[2], postfix.as_delivered(suite.PLAIN))
        mta.settle()
        self.assertEqual(mta.count("carol"), 0)
        record = weir.wait_record("reject", start=self.mark, by="rules", to="<%s>" % CAROL)  # Postfix's log says nothing of it
        self.assertIn("[%s]" % CLIENT, record["client"])

    def test_refused_message(self):
        client = self.client()
        reply = self.send(client, suite.PLAIN + b"evil words\r\n")
        self.assertEqual(reply.raw, b"550 5.7.1 content rejected by rule demo/evil\r\n")
        mta.wait_log(r"proxy-reject: END-OF-MESSAGE: 550 5\.7\.1 content rejected by rule demo/evil;", self.start)
        self.assertEqual(self.send(client).code, 250)  # and the session goes on
        self.arrived()
        mta.settle()
        self.assertEqual(mta.count(), 0)

    def test_several_messages_in_a_session(self):
        """Each has its own XFORWARD; RSET between them; every id of ours is once in Postfix's log."""
        client = self.client()
        for i in range(5):
            self.assertEqual(self.send(client, suite.PLAIN.replace(b"plain", b"number %d" % i)).code, 250)
            client.cmd("MAIL FROM:<a@example.net>", 250)
            client.cmd("RSET", 250)
        client.quit()
        # Postfix delivers several at a time
        self.assertEqual(sorted(d.header("Subject")[0] for d in mta.take("alice", 5)), ["number %d" % i for i in range(5)])
        ours = {r["id"] for r in weir.records("message", self.mark, verdict="accept")}
        self.assertEqual(len(ours), 5)
        for each in ours:
            mta.wait_log(r"orig_queue_id=%s, orig_client=unknown\[127\.0\.5\.7\]" % re.escape(each), self.start)

    def test_pipelining_bdat_and_parameters(self):
        client = self.client()
        body = b"Subject: chunks\r\n\r\n.\r\n..\r\nx\r\n"
        client.send(b"MAIL FROM:<a@example.net> BODY=8BITMIME SMTPUTF8 SIZE=60\r\nRCPT TO:<%s> NOTIFY=NEVER\r\n" % ALICE.encode())
        client.expect(250)
        client.expect(250)
        client.send(b"BDAT %d\r\n%sBDAT %d LAST\r\n%s" % (20, body[:20], len(body) - 20, body[20:]))
        client.expect(250)
        client.expect(250)
        self.same_octets(self.arrived()[2], postfix.as_delivered(body))

    def test_large_message(self):
        octets = suite.PLAIN + b"".join(b".%d %s\r\n" % (i, b"x" * 70) for i in range(60000))
        for service in ("front", "stream"):
            with self.subTest(service):
                self.assertEqual(self.send(self.client(service), octets).code, 250)
                self.same_octets(self.arrived()[2], postfix.as_delivered(octets))

    def test_mailweir_is_away(self):
        """No message is lost: the client is asked to come again."""
        client = self.client("away")
        client.cmd("MAIL FROM:<a@example.net>", 250)
        replies = [client.cmd("RCPT TO:<%s>" % ALICE)]
        if replies[-1].code == 250:
            replies.append(client.data(suite.PLAIN))
        self.assertEqual(replies[-1].code, 451)

    def test_where_a_message_comes_from_is_passed_on(self):
        """SOURCE=LOCAL: the second smtpd completes addresses of our own users' mail, and leaves strangers' mail alone."""
        octets = b"From: a@example.net\r\nTo: alice\r\nSubject: x\r\nMessage-ID: <1@example.net>\r\n\r\nHello.\r\n"
        for service in ("straight", "front", "stream"):
            for source, to in ((CLIENT, "alice"), (LOCAL, "alice@mx.example.test")):
                with self.subTest(service=service, source=source):
                    self.setUp()
                    self.assertEqual(self.send(self.client(service, source), octets).code, 250)
                    self.assertEqual(self.arrived()[0].header("To"), [to])


@harness.needs_proxy
class Forwarded(suite.Case):
    """What comes by XFORWARD and what goes on, attribute by attribute; only trusted peers are listened to."""
    EXTENSIONS = ("PIPELINING", "8BITMIME", "XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT")

    def setUp(self):
        self.up = FakeUpstream(extensions=self.EXTENSIONS)
        self.addCleanup(self.up.stop)
        self.weir = harness.Mailweir(self.up.port, upstream=["identity xforward"], listen=LISTEN)
        self.addCleanup(self.weir.finish, self)

    def passed_on(self, *lines, source="127.0.0.1"):
        """Attributes of the last XFORWARD before MAIL."""
        client = self.closing(Client(self.weir.port, source=source))
        client.ehlo("mx.example.test")
        for line in lines:
            client.cmd("XFORWARD " + line, 250)
        client.envelope("a@example.net", ALICE)
        self.assertEqual(client.data(suite.PLAIN).code, 250)
        client.quit()
        commands = [c.decode() for c in self.up.sessions[-1].commands]
        mail = next(i for i, c in enumerate(commands) if c.startswith("MAIL"))
        self.assertTrue(commands[mail - 1].startswith("XFORWARD "), commands)
        return dict(word.split("=", 1) for word in commands[mail - 1].split()[1:])

    def test_as_postfix_says_it(self):
        told = self.passed_on("NAME=[UNAVAILABLE] ADDR=198.51.100.80 PORT=43210 HELO=c80.example.net IDENT=[UNAVAILABLE] PROTO=ESMTP "
                              "SOURCE=REMOTE")
        record = self.weir.wait_record("message", client="-[198.51.100.80]:43210", helo="c80.example.net")
        self.assertEqual(told, {"ADDR": "198.51.100.80", "NAME": "[UNAVAILABLE]", "PORT": "43210", "PROTO": "ESMTP", "SOURCE": "REMOTE",
                                "HELO": "c80.example.net", "IDENT": record["id"]})

    def test_in_several_commands_and_odd_values(self):
        told = self.passed_on("NAME=c.example.net ADDR=IPV6:2001:db8::80", "PORT=1 HELO=a+20b+3Dc PROTO=ESMTPSA", "SOURCE=REMOTE")
        self.assertEqual((told["ADDR"], told["NAME"], told["PORT"], told["HELO"], told["PROTO"]),
                         ("IPV6:2001:db8::80", "c.example.net", "1", "a+20b+3Dc", "ESMTPSA"))

    def test_local_source_is_passed_on(self):
        self.assertEqual(self.passed_on("ADDR=127.0.0.1 SOURCE=LOCAL")["SOURCE"], "LOCAL")

    def test_without_xforward_it_is_the_peer(self):
        told = self.passed_on(source="127.0.5.7")
        self.assertEqual((told["ADDR"], told["HELO"], told["SOURCE"]), ("127.0.5.7", "mx.example.test", "REMOTE"))

    def test_it_holds_for_one_message(self):
        client = self.closing(Client(self.weir.port, source="127.0.0.1"))
        client.ehlo("mx.example.test")
        for address in ("198.51.100.1", None, "198.51.100.3"):
            if address:
                client.cmd("XFORWARD ADDR=" + address, 250)
            client.envelope("a@example.net", ALICE)
            self.assertEqual(client.data(suite.PLAIN).code, 250)
        said = [re.search(rb" ADDR=(\S+)", c).group(1) for c in self.up.sessions[-1].commands if c.startswith(b"XFORWARD")]
        self.assertEqual(said, [b"198.51.100.1", b"127.0.0.1", b"198.51.100.3"])

    def test_rule_for_our_own_machine_does_not_let_everybody_pass(self):
        """The connection comes from 127.0.0.1, which a rule trusts; the message does not."""
        rules = ('ours: accept when client.ip in (127.0.0.0/8)\n'
                 'no-carol: reject 550 5.7.1 "filtered recipient" when rcpt == "carol@example.test"\n')
        weir = harness.Mailweir(self.up.port, upstream=["identity xforward"], listen=LISTEN, chain="rules",
                                filters=block("filter rules", ["module rules", "files rules/*.rules"]),
                                files={"rules/10-test.rules": rules})
        self.addCleanup(weir.finish, self)
        client = self.closing(Client(weir.port, source="127.0.0.1"))
        client.ehlo("mx.example.test")
        client.cmd("XFORWARD ADDR=198.51.100.80", 250)
        client.cmd("MAIL FROM:<a@example.net>", 250)
        client.cmd("RCPT TO:<%s>" % CAROL, 550)
        client.cmd("RSET", 250)
        client.cmd("XFORWARD ADDR=127.0.0.5 SOURCE=LOCAL", 250)
        client.cmd("MAIL FROM:<a@example.net>", 250)
        client.cmd("RCPT TO:<%s>" % CAROL, 250)

    def test_stranger_cannot_name_anybody(self):
        client = self.closing(Client(self.weir.port, source="127.0.0.9"))
        self.assertNotIn("XFORWARD", client.ehlo().text)
        client.cmd("XFORWARD ADDR=198.51.100.80", 550)
        client.envelope("a@example.net", ALICE)
        self.assertEqual(client.data(suite.PLAIN).code, 250)
        self.assertNotIn(b"198.51.100.80", b"\n".join(self.up.sessions[-1].commands))
        self.assertIn(b"ADDR=127.0.0.9", b"\n".join(self.up.sessions[-1].commands))


if __name__ == "__main__":
    harness.main()
