"""The chain on real mail in front of a real Postfix: limits and rules refuse, edit and rewrite; each verdict has its log line with
file and line; observe mode changes nothing; a reload changes the rules without dropping a session, and a broken one changes nothing."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import postfix  # noqa: E402
import suite  # noqa: E402
from harness import block, wait_for  # noqa: E402
from smtpline import Client  # noqa: E402
from suite import ALICE, BOB, CAROL, DAVE  # noqa: E402

mta = None

RULES = r'''# rules of the test; the line numbers matter
list partners = partner.example.org, .partner.example.com

no-carol:
    reject 550 5.7.1 "${rcpt} takes no mail from ${sender.domain}"
    when rcpt == "carol@example.test" and sender.domain not in partners
slow-sender:    defer 451 4.7.1 "Come back later" when sender.domain == "slow.example.org"
bad-helo:       reject 550 5.7.1 "Not you" when helo == "evil.example.org"
cut-off:        disconnect 421 4.7.0 "Good bye" when sender == "cut@example.org"
no-lottery:     reject 554 5.7.1 "Won ${1} too often" when raw.body =~ /you have won (\d+)/i
body-line:      reject 550 5.7.1 "a line of it" when body.line == "FORBIDDEN LINE"
bad-subject:    reject 550 5.7.1 "Bad subject" when header("Subject") == "f\u00e4lschung"
swallow:        discard when subject == "swallow me"
mark:           add header "X-Seen: ${subject}" when subject =~ /mark/
set-it:         set header "X-Set: new" when subject =~ /mark/
strip:          delete header "X-Internal" when header("X-Internal") =~ /./
old-name:       rewrite rcpt "bob@example.test" when rcpt == "old@example.test"
audit:          add rcpt <dave@example.test> when subject =~ /audit/
less:           delete rcpt when rcpt == "alice@example.test" and subject =~ /not for alice/
bounce-to:      rewrite sender "bounces@example.net" when subject =~ /newsletter/
points:         score 3 when subject =~ /points/
more-points:    score 3 when raw.body =~ /points/
too-many:       add header "X-Score: ${score}" when score >= 5
'''.replace("\\u00e4", "\u00e4")
RULES_PATH = "rules/10-test.rules"


def line_of(name, rules=RULES):
    """Where that rule begins."""
    return next(i for i, line in enumerate(rules.splitlines(), 1) if line.startswith(name + ":"))


def filters(chain="limits rules", limits=("max-recipients 5", "max-messages 10")):
    return {"filters": block("filter limits", ["module limits", *limits]) +
            block("filter rules", ["module rules", "files rules/*.rules"]), "chain": chain}


def setUpModule():
    global mta
    if harness.DIRECT:
        return
    mta = postfix.start()


def message(subject="plain", extra=b"", body=b"Hello.\r\n"):
    return b"From: a@example.net\r\nSubject: %s\r\n%s\r\n%s" % (subject.encode(), extra, body)


class Base(suite.Case):
    @classmethod
    def setUpClass(cls):
        cls.weir = cls.make()

    @classmethod
    def make(cls):
        return harness.Mailweir(mta.ports["plain"], files={RULES_PATH: RULES}, **filters())

    @classmethod
    def tearDownClass(cls):
        cls.weir.finish(suite.Case())

    def setUp(self):
        mta.settle()
        mta.empty()
        self.start = self.weir.mark()

    def tearDown(self):
        self.weir.check_healthy(self)

    def client(self, helo="client.example.net"):
        client = self.closing(Client(self.weir.port))
        client.cmd("EHLO " + helo, 250)
        return client

    def send(self, octets, recipients=(ALICE,), sender="a@example.net", client=None):
        client = client or self.client()
        client.envelope(sender, *recipients)
        return client.data(octets)

    def rejected(self, **keys):
        return self.weir.wait_record("reject", start=self.start, **keys)

    def where(self, record, name, file=RULES_PATH, rules=RULES):
        """where=FILE:LINE of that rule (an absolute or shortened path)."""
        self.assertRegex(record["where"], r"(^|/)%s:%d(:\d+)?$" % (re.escape(os.path.basename(file)), line_of(name, rules)))
        self.assertEqual(record.get("rule"), name)

    def nothing_for(self, *users):
        mta.settle()
        for user in users:
            self.assertEqual(mta.count(user), 0, user)


@harness.needs_proxy
class Verdicts(Base):
    def test_refused_recipient_and_the_others_get_the_mail(self):
        client = self.client()
        client.cmd("MAIL FROM:<a@example.net>", 250)
        client.cmd("RCPT TO:<%s>" % ALICE, 250)
        reply = client.cmd("RCPT TO:<%s>" % CAROL, 550)
        self.assertEqual(reply.raw, b"550 5.7.1 carol@example.test takes no mail from example.net\r\n")
        client.cmd("RCPT TO:<%s>" % BOB, 250)
        client.cmd("RCPT TO:<nobody@example.test>", 550)
        self.assertEqual(client.data(suite.PLAIN).code, 250)
        self.same_octets(mta.take_one("alice").rest, postfix.as_delivered(suite.PLAIN))
        self.same_octets(mta.take_one("bob").rest, postfix.as_delivered(suite.PLAIN))
        self.nothing_for("carol")
        record = self.rejected(stage="rcpt", by="rules", code="550")
        self.where(record, "no-carol")
        self.assertEqual(record["to"], "<%s>" % CAROL)
        self.assertEqual(record["from"], "<a@example.net>")
        self.rejected(stage="rcpt", by="upstream", code="550", to="<nobody@example.test>")
        accepted = self.weir.wait_record("message", start=self.start, verdict="accept")
        self.assertEqual(accepted["nrcpt"], "2/4")
        self.assertRegex(accepted["queued"], r"^[0-9A-F]+$")

    def test_list_lets_a_partner_through(self):
        for sender in ("x@partner.example.org", "x@sub.partner.example.com"):
            self.assertEqual(self.send(suite.PLAIN, (CAROL,), sender).code, 250)
        self.assertEqual(len(mta.take("carol", 2)), 2)

    def test_verdicts_on_the_envelope(self):
        client = self.client()
        reply = client.cmd("MAIL FROM:<a@slow.example.org>")
        if reply.code == 250:  # a refusal of the sender may come with the first recipient
            reply = client.cmd("RCPT TO:<%s>" % ALICE)
        self.assertEqual(reply.raw, b"451 4.7.1 Come back later\r\n")
        self.where(self.rejected(by="rules", code="451"), "slow-sender")
        client.cmd("RSET", 250)
        self.assertEqual(self.send(suite.PLAIN, client=client).code, 250)
        reply = client.cmd("MAIL FROM:<cut@example.org>")
        self.assertEqual(reply.raw, b"421 4.7.0 Good bye\r\n")
        self.assertTrue(client.at_end())
        self.where(self.rejected(by="rules", code="421"), "cut-off")

    def test_verdict_on_helo(self):
        client = self.closing(Client(self.weir.port))
        replies = [client.cmd(line) for line in ("EHLO evil.example.org", "MAIL FROM:<a@example.net>",
                                                 "RCPT TO:<%s>" % ALICE)]
        self.assertIn(b"550 5.7.1 Not you\r\n", [r.raw for r in replies])
        self.assertGreaterEqual(replies[-1].code, 500)
        self.where(self.rejected(by="rules", code="550"), "bad-helo")

    def test_content_refused_at_end_of_data(self):
        client = self.client()
        for octets, reply, rule in (
                (message(body=b"You have WON 1000000 dollars\r\n"), b"554 5.7.1 Won 1000000 too often\r\n", "no-lottery"),
                (message(body=b"x\r\nFORBIDDEN LINE\r\ny\r\n"), b"550 5.7.1 a line of it\r\n", "body-line"),
                (message("=?utf-8?Q?f=C3=A4lschung?="), b"550 5.7.1 Bad subject\r\n", "bad-subject"),
                (message("=?utf-8?B?ZsOkbHNjaHVuZw==?="), b"550 5.7.1 Bad subject\r\n", "bad-subject")):
            with self.subTest(rule=rule):
                start = self.weir.mark()
                self.assertEqual(self.send(octets, (ALICE, BOB), client=client).raw, reply)
                record = self.weir.wait_record("reject", start=start, by="rules", code=reply[:3].decode())
                self.where(record, rule)
                self.weir.wait_record("message", start=start, verdict="reject")
        self.nothing_for("alice", "bob")
        self.assertEqual(self.send(suite.PLAIN, client=client).code, 250)  # the session goes on
        self.same_octets(mta.take_one().rest, postfix.as_delivered(suite.PLAIN))

    def test_big_message_refused_at_end_of_data(self):
        body = b"nothing to see here.........................................\r\n" * 15000 + b"you have won 7\r\n"
        self.assertEqual(self.send(message(body=body)).raw, b"554 5.7.1 Won 7 too often\r\n")
        self.nothing_for("alice")

    def test_refused_bdat_message(self):
        client = self.client()
        client.envelope("a@example.net", ALICE)
        octets = message(body=b"you have won 5\r\n")
        client.send(b"BDAT 20\r\n" + octets[:20])
        client.expect(250)
        client.send(b"BDAT %d LAST\r\n" % (len(octets) - 20) + octets[20:])
        self.assertEqual(client.expect().raw, b"554 5.7.1 Won 5 too often\r\n")
        self.assertEqual(self.send(suite.PLAIN, client=client).code, 250)
        self.assertEqual(len(mta.take("alice")), 1)

    def test_discard_says_250_and_is_logged(self):
        self.assertEqual(self.send(message("swallow me")).code, 250)
        self.nothing_for("alice")
        self.weir.wait_record("message", start=self.start, verdict="discard")

    def test_limits(self):
        client = self.client()
        client.cmd("MAIL FROM:<a@example.net>", 250)
        codes = [client.cmd("RCPT TO:<%s>" % ALICE).raw[:9] for _ in range(7)]
        self.assertEqual(codes, [b"250 2.1.5"] * 5 + [b"452 4.5.3"] * 2)
        self.assertEqual(client.data(suite.PLAIN).code, 250)
        record = self.rejected(by="limits", code="452")
        self.assertEqual(record["rule"], "max-recipients")
        self.assertRegex(record["where"], r"20-filters\.conf:3$")
        for _ in range(9):
            self.assertEqual(self.send(suite.PLAIN, client=client).code, 250)
        self.assertEqual(client.cmd("MAIL FROM:<a@example.net>").code, 421)
        self.assertTrue(client.at_end())
        self.rejected(by="limits", code="421", rule="max-messages")

    def test_every_line_has_its_place(self):
        """Whatever mailweir's filters refused in this class names file and line."""
        for record in self.weir.records("reject"):
            if record["by"] not in ("upstream", "mailweir"):
                self.assertRegex(record["where"], r"\S+:\d+", record["line"])

    def test_session_line(self):
        client = self.client()
        self.send(suite.PLAIN, (ALICE, BOB), client=client)
        client.cmd("RSET", 250)
        client.quit()
        record = self.weir.wait_record("session", start=self.start, end="quit")
        self.assertEqual((record["messages"], record["rcpts"]), ("1/1", "2/2"))
        self.assertTrue(self.weir.records("message", self.start, id=record["id"] + ".1"))


@harness.needs_proxy
class Edits(Base):
    def test_header_edits_arrive(self):
        sent = message("mark this", b"X-Internal: secret\r\n folded\r\nX-Set: old\r\nX-Keep:  as  it was \r\n", b"..body\r\n")
        self.assertEqual(self.send(sent).code, 250)
        found = mta.take_one()
        self.assertEqual(found.header("X-Seen"), ["mark this"])
        self.assertEqual(found.header("X-Set"), ["new"])
        self.assertEqual(found.header("X-Internal"), [])
        self.assertIn(b"X-Keep:  as  it was \n", found.rest)
        self.assertEqual(found.body, b"..body\n")
        untouched = [line for line in found.rest.split(b"\n\n")[0].split(b"\n")
                     if not line.startswith((b"X-Seen", b"X-Set"))]
        self.assertEqual(untouched, [b"From: a@example.net", b"Subject: mark this", b"X-Keep:  as  it was "])
        record = self.weir.wait_record("message", start=self.start, verdict="accept")
        self.assertNotEqual(record["changed"], "-")

    def test_header_value_cannot_inject_a_field(self):
        self.assertEqual(self.send(message("=?utf-8?Q?mark=0D=0AX-Evil:_yes?=")).code, 250)
        found = mta.take_one()
        self.assertEqual(found.header("X-Evil"), [])
        self.assertEqual(len(found.header("X-Seen")), 1)

    def test_recipient_rewrite_arrives(self):
        self.assertEqual(self.send(suite.PLAIN, ("old@example.test",)).code, 250)
        found = mta.take_one("bob")
        self.assertIn(b"Delivered-To: bob@example.test", found.trace)
        self.same_octets(found.rest, postfix.as_delivered(suite.PLAIN))

    def test_recipient_added_at_end_of_message(self):
        self.assertEqual(self.send(message("audit")).code, 250)
        self.assertEqual(mta.take_one("dave").rest, mta.take_one("alice").rest)
        self.assertIn(DAVE.encode(), b"dave@example.test")

    def test_recipient_deleted_at_end_of_message(self):
        self.assertEqual(self.send(message("not for alice"), (ALICE, BOB)).code, 250)
        self.assertEqual(len(mta.take("bob")), 1)
        self.nothing_for("alice")

    def test_sender_rewritten_at_end_of_message(self):
        client = self.client()
        self.assertEqual(self.send(message("newsletter"), (ALICE, BOB), client=client).code, 250)
        for user in ("alice", "bob"):
            self.assertIn(b"Return-Path: <bounces@example.net>", mta.take_one(user).trace)
        self.assertEqual(self.send(suite.PLAIN, client=client).code, 250)  # the next message has its own sender again
        self.assertIn(b"Return-Path: <a@example.net>", mta.take_one().trace)

    def test_score_adds_up(self):
        self.assertEqual(self.send(message("points", body=b"points\r\n")).code, 250)
        self.assertRegex(mta.take_one().header("X-Score")[0], r"^6(\.0*)?$")
        self.assertEqual(self.send(message("points")).code, 250)
        self.assertEqual(mta.take_one().header("X-Score"), [])

    def test_messages_that_no_rule_touches_are_identical(self):
        octets = message(extra=b"x-Odd:no blank\r\nX-Fold: a\r\n\tb\r\nX-8bit: \xe4\xf6\r\n", body=b".\r\n\xff\r\n\r\n\r\n")
        self.assertEqual(self.send(octets).code, 250)
        self.same_octets(mta.take_one().rest, postfix.as_delivered(octets))


@harness.needs_proxy
class Observed(Base):
    @classmethod
    def make(cls):
        return harness.Mailweir(mta.ports["plain"], files={RULES_PATH: RULES}, **filters("observe limits observe rules"))

    def test_nothing_changes_and_all_is_logged(self):
        client = self.client("evil.example.org")
        cases = ((message(body=b"you have won 3\r\n"), (ALICE, CAROL), "no-lottery"),
                 (message("mark this", b"X-Internal: secret\r\n"), ("old@example.test",), None),
                 (message("swallow me"), (ALICE,), "swallow"),
                 (message("newsletter audit not for alice"), (ALICE, BOB), None))
        for octets, recipients, rule in cases:
            with self.subTest(subject=octets[:60]):
                start = self.weir.mark()
                client.cmd("MAIL FROM:<a@example.net>", 250)
                for recipient in recipients:  # nothing is rewritten, so old@ stays unknown
                    client.cmd("RCPT TO:<%s>" % recipient, 550 if recipient.startswith("old@") else 250)
                client.cmd("RCPT TO:<%s>" % BOB, 250)
                self.assertEqual(client.data(octets).code, 250)
                for user in ["bob"] + [r.split("@")[0] for r in recipients if r in (ALICE, CAROL)]:
                    found = mta.take_one(user)
                    self.same_octets(found.rest, postfix.as_delivered(octets))
                    self.assertIn(b"Return-Path: <a@example.net>", found.trace)
                mta.settle()
                mta.empty()
                if rule:
                    observed = wait_for(lambda s=start, r=rule: [o for o in self.weir.records("observed", s)
                                                                 if o.get("rule") == r], 5, "observed " + rule)
                    self.where(observed[0], rule)
        self.assertEqual(self.weir.records("reject", self.start, by="rules"), [])
        self.assertEqual(mta.count("dave"), 0)

    def test_limits_only_look(self):
        client = self.client()
        client.cmd("MAIL FROM:<a@example.net>", 250)
        for _ in range(8):
            client.cmd("RCPT TO:<%s>" % ALICE, 250)
        self.assertTrue(self.weir.records("observed", self.start, by="limits", rule="max-recipients") or
                        [o for o in self.weir.records("observed", self.start) if "max-recipients" in o["line"]],
                        self.weir.log()[self.start:])


@harness.needs_proxy
class Reload(Base):
    FIRST = 'only: reject 550 5.7.1 "first set" when rcpt == "carol@example.test"\n'
    SECOND = '# moved down\nonly: reject 550 5.7.1 "second set" when rcpt == "bob@example.test"\n'

    @classmethod
    def make(cls):
        return harness.Mailweir(mta.ports["plain"], files={RULES_PATH: cls.FIRST}, **filters())

    def setUp(self):
        super().setUp()
        self.weir.write(RULES_PATH, self.FIRST)
        self.assertEqual(self.weir.reload()["event"], "reloaded")

    def check_first(self, client):
        client.cmd("RSET", 250)
        client.cmd("MAIL FROM:<a@example.net>", 250)
        self.assertEqual(client.cmd("RCPT TO:<%s>" % CAROL).raw, b"550 5.7.1 first set\r\n")
        client.cmd("RCPT TO:<%s>" % BOB, 250)

    def check_second(self, client):
        client.cmd("RSET", 250)
        client.cmd("MAIL FROM:<a@example.net>", 250)
        self.assertEqual(client.cmd("RCPT TO:<%s>" % BOB).raw, b"550 5.7.1 second set\r\n")
        client.cmd("RCPT TO:<%s>" % CAROL, 250)

    def test_new_rules_for_new_sessions_and_no_session_dropped(self):
        old = self.client()
        in_data = self.client()
        in_data.envelope("a@example.net", ALICE)
        in_data.cmd("DATA", 354)
        in_data.send(b"Subject: half\r\n\r\nbefore the reload\r\n")
        self.check_first(old)
        self.weir.write(RULES_PATH, self.SECOND)
        self.assertEqual(self.weir.reload()["event"], "reloaded")
        new = self.client()
        self.check_second(new)
        self.check_first(old)  # a session keeps the set that it began with
        in_data.send(b"after it\r\n.\r\n")
        in_data.expect(250)
        self.assertEqual(mta.take_one().body, b"before the reload\nafter it\n")
        record = [r for r in self.weir.records("reject", self.start) if r.get("text") == "second set"][0]
        self.where(record, "only", rules=self.SECOND)
        for client in (old, new, in_data):
            self.assertEqual(client.quit().code, 221)

    def test_broken_rules_change_nothing(self):
        for broken in ('only: reject 550 5.7.1 "x" when attachement.name == "x"\n', "only: frobnicate\n",
                       'only: reject 250 "no" when rcpt == "x@y"\n', 'only: reject when rcpt =~ /(/\n',
                       self.SECOND + 'test "fails" { from <a@example.net> to <bob@example.test> expect accept }\n',
                       "\0\xff\0"):
            with self.subTest(rules=broken):
                session = self.client()
                start = self.weir.mark()
                self.weir.write(RULES_PATH, broken)
                self.assertEqual(self.weir.reload()["event"], "reload-failed")
                if broken.startswith("only: reject 550 5.7.1 \"x\""):
                    self.assertRegex(self.weir.log()[start:], r"10-test\.rules:1:\d+")
                self.check_first(session)
                self.check_first(self.client())
                self.weir.check_healthy(self)

    def test_broken_configuration_changes_nothing(self):
        with open(os.path.join(self.weir.conf, "10-upstream.conf"), encoding="utf-8") as file:
            good = file.read()
        session = self.client()
        for broken in (good.replace("address", "adress"), good + "}\n", "upstream postfix {\n"):
            with self.subTest(conf=broken):
                self.weir.write("10-upstream.conf", broken)
                try:
                    start = self.weir.mark()
                    self.assertEqual(self.weir.reload()["event"], "reload-failed")
                    self.assertRegex(self.weir.log()[start:], r"10-upstream\.conf:\d+")
                finally:
                    self.weir.write("10-upstream.conf", good)
                self.check_first(self.client())
        self.check_first(session)
        self.assertEqual(self.weir.reload()["event"], "reloaded")

    def test_many_reloads_under_load(self):
        clients = [self.client() for _ in range(5)]
        descriptors = self.weir.descriptors()
        for i in range(20):
            self.weir.write(RULES_PATH, self.SECOND if i % 2 else self.FIRST)
            self.assertEqual(self.weir.reload()["event"], "reloaded")
            for client in clients:
                self.check_first(client)
            (self.check_second if i % 2 else self.check_first)(self.client())
        for client in clients:
            client.quit()
        self.doCleanups()
        wait_for(lambda: self.weir.descriptors() <= descriptors, 10,
                 lambda: "descriptors back to %d, are %d" % (descriptors, self.weir.descriptors()))


@harness.needs_proxy
class Drain(Base):
    def test_sigterm_lets_a_message_finish(self):
        weir = self.make()
        idle = self.closing(Client(weir.port))
        idle.ehlo()
        busy = self.closing(Client(weir.port))
        busy.ehlo()
        busy.envelope("a@example.net", ALICE)
        busy.cmd("DATA", 354)
        busy.send(b"Subject: drained\r\n\r\nfirst half\r\n")
        weir.signal(15)
        self.assertEqual((reply := idle.expect(421)).dsn, "4.3.2", reply)
        self.assertTrue(idle.at_end())
        wait_for(lambda: not harness.accepts(weir.port), 5, "no new connections")
        busy.send(b"second half\r\n.\r\n")
        busy.expect(250)
        reply = busy.reply()
        self.assertTrue(reply is None or reply.code == 421, reply)
        self.assertEqual(weir.wait(15), 0, weir.log()[-1000:])
        self.assertEqual(mta.take_one().body, b"first half\nsecond half\n")


if __name__ == "__main__":
    harness.main()
