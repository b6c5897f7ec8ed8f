"""The law of the rules: what design/rules.md says, shown over the real program with real rule files, a fake upstream and smtplib. Each test's
name, or the first line of its text, is the line that it shows; docs/rules-design.md names them all.
The page itself is tested in test_rules_page.py."""
import base64
import os
import re
import smtplib
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import suite  # noqa: E402
from fake_upstream import FakeUpstream  # noqa: E402
from harness import block, wait_for  # noqa: E402

FILTER = block("filter rules", ["module rules", "files rules/*.rules"])
PLAIN = b"From: a@example.org\r\nTo: b@example.test\r\nSubject: %s\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n%s\r\n%s\r\n"


def message(subject="plain", fields="", body="Hello."):
    """The octets of a small message; str is UTF-8."""
    return PLAIN % (subject.encode(), fields.encode(), body.encode())


def multipart(*parts):
    """A message of several parts; each is (header fields, body)."""
    body = "".join("--b\r\n%s\r\n\r\n%s\r\n" % part for part in parts) + "--b--"
    return message("parts", 'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n', body)


class NameServer:
    """Answers A questions: 127.0.0.2 for the names given, NXDOMAIN for others, nothing at all while `silent`."""

    def __init__(self, names):
        self.names, self.silent, self.port = set(names), False, harness.free_port()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self.socket.close()

    def _serve(self):
        while True:
            try:
                question, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            if not self.silent:
                self.socket.sendto(self._answer(question), peer)

    def _answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode("ascii"))
            at += 1 + question[at]
        asked = question[12:at + 5]
        is_there = ".".join(labels).lower() in self.names and asked[-3] == 1
        head = question[:2] + (b"\x81\x80" if is_there else b"\x81\x83") + b"\0\1" + bytes([0, is_there]) + b"\0\0\0\0"
        return head + asked + (b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4\x7f\0\0\2" if is_there else b"")


class Law(suite.Case):
    """mailweir with these rules before an upstream that takes everything."""

    def start(self, rules, files=None, **settings):
        self.upstream = FakeUpstream()
        self.addCleanup(self.upstream.stop)
        texts = {"rules/10-law.rules": rules} if isinstance(rules, str) else rules
        self.weir = harness.Mailweir(self.upstream.port, filters=FILTER, chain="rules", files={**(files or {}), **texts}, **settings)
        self.addCleanup(self.weir.finish, self)
        return self.weir

    def client(self, helo="client.example.org", source=None):
        client = smtplib.SMTP("127.0.0.1", self.weir.port, local_hostname=helo, timeout=20,
                              source_address=(source, 0) if source else None)
        self.addCleanup(client.close)
        return client

    def send(self, octets=None, sender="a@example.org", to=("b@example.test",), client=None, **how):
        """One message; returns the codes of its recipients and the last reply's code and text, as far as it came."""
        client = client or self.client(**how)
        client.ehlo_or_helo_if_needed()
        code, text = client.mail(sender)
        codes = [client.rcpt(address) for address in to] if code == 250 else []
        if codes:
            code, text = codes[-1]
        if any(c == 250 for c, _ in codes):
            code, text = client.data(octets if octets is not None else message())
        elif code < 400 or code != 421:
            client.rset()
        return [c for c, _ in codes], code, text.decode()

    def refused(self, octets=None, **how):
        """The text of the refusal, or None."""
        _, code, text = self.send(octets, **how)
        return "%d %s" % (code, text) if code >= 400 else None

    def stored(self):
        return self.upstream.stored()

    def header_of(self, number, name):
        """All values of that field in the number'th message that the upstream took."""
        head = self.stored()[number][2].split(b"\r\n\r\n")[0].decode("utf-8")
        return [line.split(": ", 1)[1] for line in head.split("\r\n") if line.lower().startswith(name.lower() + ":")]

    def recipients_of(self, number):
        return [re.sub(r"^[^<]*<|>.*$", "", r if isinstance(r, str) else r.decode()) for r in self.stored()[number][1]]


class Taste(Law):
    """The taste of the design, whole, with what it needs beside it."""

    DATA = os.path.join(harness.SOURCE_ROOT, "tests", "data", "rules")
    EXE = multipart(("Content-Type: text/plain", "see there"),
                    ('Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename="Setup.EXE"', "MZ"))

    def start_taste(self, **settings):
        # the filter spf is not in this chain, so nobody provides spf.result; test_rules_law.c has the file with that rule
        with open(os.path.join(self.DATA, "taste.rules"), encoding="utf-8") as file:
            taste = "".join(line for line in file if not line.startswith("forged:"))
        return self.start({"rules/20-taste.rules": taste},
                          {"rules/lists/partners.txt": "partner.example\n",
                           "rules/samples/exe.eml": self.EXE.decode().replace("\r\n", "\n")}, **settings)

    def test_the_taste_of_the_design_loads_its_test_passes_and_it_acts(self):
        names = NameServer({"1.0.0.127.zen.spamhaus.org"})
        self.addCleanup(names.close)
        self.start_taste(top=[block("resolver", ["nameserver 127.0.0.1:%d" % names.port, "cache 0"])])
        self.assertEqual(self.refused(self.EXE, sender="a@partner.example"), "550 5.7.1 Setup.EXE is not accepted here")
        self.assertEqual(self.refused(), "451 4.7.1 Try again later")
        names.names.clear()
        self.assertIsNone(self.refused(message("Your INVOICE", body="http://evil.example/")))
        self.assertEqual(self.recipients_of(0), ["b@example.test"])
        self.assertEqual(self.send(to=["b@old.example"])[1], 250)
        self.assertEqual(self.recipients_of(1), ["b@new.example"])
        codes = self.send(to=["r%d@example.test" % i for i in range(51)])[0]
        self.assertEqual((codes[:50], codes[50]), ([250] * 50, 452))


class Facts(Law):
    """Facts, not stages; which rule wins; per recipient."""

    def test_what_is_settled_at_once_is_answered_at_once(self):
        """`A and B` with A false, `A or B` with A true."""
        self.start("a: reject 550 5.7.1 \"or\" when sender.domain == bad.example or subject == \"bad\"\n"
                   "b: reject 550 5.7.1 \"and\" when sender.domain == odd.example and subject == \"bad\"\n")
        client = self.client()
        client.ehlo()
        self.assertEqual(client.mail("x@bad.example")[0], 550)  # without waiting for the header
        self.assertEqual(self.refused(message("bad")), "550 5.7.1 or")
        self.assertIsNone(self.refused(message("good"), sender="x@odd.example"))

    def test_file_order_wins_and_early_wins_by_time(self):
        rules = ("a: reject 550 5.7.1 \"header\" when subject == \"bad\"\n"
                 "b: %s reject 550 5.7.1 \"sender\" when sender.domain == bad.example\n")
        weir = self.start(rules % "")
        client = self.client()
        client.ehlo()
        self.assertEqual(client.mail("x@bad.example")[0], 250)  # a is not settled
        client.rset()
        self.assertEqual(self.refused(message("bad"), sender="x@bad.example"), "550 5.7.1 header")
        self.assertEqual(self.refused(message("good"), sender="x@bad.example"), "550 5.7.1 sender")
        weir.write("rules/10-law.rules", rules % "early")
        self.assertEqual(weir.reload()["event"], "reloaded")
        client = self.client()
        client.ehlo()
        self.assertEqual(client.mail("x@bad.example"), (550, b"5.7.1 sender"))

    def test_at_forces_a_later_stage(self):
        self.start("a at rcpt: reject 550 5.7.1 \"late\" when client.ip == 127.0.0.1\n")
        client = self.client()
        self.assertEqual(client.ehlo()[0], 250)
        self.assertEqual(client.mail("a@example.org")[0], 250)
        self.assertEqual(client.rcpt("b@example.test"), (550, b"5.7.1 late"))

    def test_at_waits_with_the_no_as_well(self):
        self.start("a at end-of-message: reject 550 5.7.1 \"all\" when rcpt.refused > 0\n"
                   "b: reject 550 5.7.1 \"carol\" when rcpt.local == carol\n")
        codes, code, text = self.send(to=["bob@example.test", "carol@example.test"])
        self.assertEqual((codes, code, text), ([250, 550], 550, "5.7.1 all"))

    def test_a_rule_that_reads_rcpt_is_each_recipients_own(self):
        self.start("a: reject 550 5.7.1 \"not ${rcpt}\" when rcpt.local == carol\n"
                   "b: defer 451 4.7.1 \"later\" when rcpt.local == dave\n")
        codes, code, _ = self.send(to=["bob@example.test", "carol@example.test", "dave@example.test", "erin@example.test"])
        self.assertEqual((codes, code), ([250, 550, 451, 250], 250))
        self.assertEqual(self.recipients_of(0), ["bob@example.test", "erin@example.test"])

    MIXED = "a: reject 550 5.7.1 \"not for carol\" when rcpt.local == carol and subject == \"bad\"\n"
    TWO = ["bob@example.test", "carol@example.test"]

    def test_verdicts_that_differ_at_the_end_follow_mixed_verdict(self):
        """A recipient refused at the end of the message: the listener says what the client is told."""
        self.start(self.MIXED, listen=("mixed-verdict refuse",))
        codes, code, text = self.send(message("bad"), to=self.TWO)
        self.assertEqual((codes, code), ([250, 250], 550), text)
        self.assertEqual(self.stored(), [])
        self.assertEqual(self.send(message("good"), to=self.TWO)[1], 250)
        self.assertEqual(self.recipients_of(0), self.TWO)

    def test_accept_rest_leaves_the_refused_recipient_out(self):
        weir = self.start(self.MIXED, listen=("mixed-verdict accept-rest",))
        codes, code, _ = self.send(message("bad"), to=self.TWO)
        self.assertEqual((codes, code), ([250, 250], 250))
        self.assertEqual(self.recipients_of(0), ["bob@example.test"])
        record = weir.wait_record("reject", to="<carol@example.test>")
        self.assertEqual((record["rule"], record["where"]), ("a", "10-law.rules:1"))

    def test_split_brings_each_policy_in_a_transaction_of_its_own(self):
        self.start(self.MIXED, listen=("mixed-verdict split",))
        codes, code, _ = self.send(message("bad"), to=["bob@example.test", "carol@example.test", "dave@example.test"])
        self.assertEqual((codes, code), ([250, 452, 250], 250))
        self.assertEqual(self.recipients_of(0), ["bob@example.test", "dave@example.test"])
        self.assertEqual(self.refused(message("bad"), to=["carol@example.test"]), "550 5.7.1 not for carol")

    def test_accept_for_one_recipient_is_his_alone(self):
        self.start("a: accept when rcpt.local == postmaster\nb: reject 550 5.7.1 \"no\" when sender.domain == bad.example\n")
        codes, _, _ = self.send(sender="x@bad.example", to=["bob@example.test", "postmaster@example.test"])
        self.assertEqual(codes, [550, 250])


class Verdicts(Law):
    def test_each_verdict_does_what_it_says(self):
        weir = self.start("a: reject 554 5.6.0 \"A\" reason \"private ${sender}\" when sender.local == a\n"
                          "b: defer 450 4.2.0 \"B\" when sender.local == b\n"
                          "c: discard when sender.local == c\n"
                          "d: disconnect 421 4.7.0 \"D\" when sender.local == d\n"
                          "e: accept when sender.local == e\n"
                          "f: quarantine <quarantine@example.test> when sender.local == f\n"
                          "z: reject 550 5.7.1 \"Z\" when sender.domain == z.example\n")
        self.assertEqual(self.refused(sender="a@z.example"), "554 5.6.0 A")
        record = weir.wait_record("reject", rule="a")
        self.assertEqual((record["where"], record["reason"], record["text"]), ("10-law.rules:1", "private a@z.example", "A"))
        self.assertEqual(self.refused(sender="b@z.example"), "450 4.2.0 B")
        self.assertIsNone(self.refused(sender="c@z.example"))
        self.assertEqual(self.stored(), [])
        client = self.client()
        client.ehlo()
        self.assertEqual(client.mail("d@z.example"), (421, b"4.7.0 D"))
        self.assertRaises((smtplib.SMTPServerDisconnected, ConnectionError), client.noop)
        self.assertIsNone(self.refused(sender="e@z.example"))
        self.assertEqual(self.recipients_of(0), ["b@example.test"])
        self.assertIsNone(self.refused(sender="f@z.example", to=["b@example.test", "c@example.test"]))
        self.assertEqual(self.recipients_of(1), ["quarantine@example.test"])
        self.assertEqual(self.header_of(1, "X-Mailweir-Recipient"), ["b@example.test", "c@example.test"])
        self.assertEqual(self.refused(sender="g@z.example"), "550 5.7.1 Z")

    def test_delay_holds_the_answer_back_and_goes_on(self):
        self.start("a: delay 3s when sender.local == slow\nb: reject 550 5.7.1 \"B\" when sender.local == slow\n")
        client = self.client()
        client.ehlo()
        begun = time.monotonic()
        self.assertEqual(client.mail("slow@example.org"), (550, b"5.7.1 B"))
        self.assertGreaterEqual(time.monotonic() - begun, 2.95)
        begun = time.monotonic()
        self.assertEqual(client.mail("fast@example.org")[0], 250)
        self.assertLess(time.monotonic() - begun, 2.9)

    def test_edits_scores_tags_and_logs_accumulate_and_later_rules_see_them(self):
        weir = self.start("a: set header \"Subject: new\", tag \"t\", log \"was ${subject}\" when subject == \"old\"\n"
                          "b: add header \"X-B: ${subject}\" when subject == \"new\"\n"
                          "c: score spam 3.5 when tag == \"t\"\n"
                          "d: score spam -1 when subject == \"new\"\n"
                          "e: add header \"X-Score: ${score.spam}\" when score.spam >= 2.5\n"
                          "f: delete header \"X-Secret\" when always\n"
                          "g: rewrite sender <bounce@example.org> when header(\"X-B\") == \"new\"\n"
                          "h: add header \"X-Sender: ${sender}\" when sender == <bounce@example.org>\n"
                          "i: add rcpt <audit@example.test> when subject == \"new\"\n")
        self.assertIsNone(self.refused(message("old", "X-Secret: 1\r\nX-Secret: 2\r\n")))
        self.assertEqual([self.header_of(0, name) for name in ("Subject", "X-B", "X-Score", "X-Secret", "X-Sender")],
                         [["new"], ["new"], ["2.5"], [], ["bounce@example.org"]])
        self.assertEqual(self.recipients_of(0), ["b@example.test", "audit@example.test"])
        sender = self.stored()[0][0]
        self.assertIn("bounce@example.org", sender if isinstance(sender, str) else sender.decode())
        self.assertEqual(weir.wait_record("rule-log")["text"], "was old")
        self.assertEqual(weir.wait_record("rule-tag")["tag"], "t")

    def test_no_control_character_from_a_value_reaches_the_wire(self):
        """Reply texts and header fields with ${...}."""
        weir = self.start("a: reject 550 5.7.1 \"no ${subject}\" when subject =~ /evil/\n"
                          "b: add header \"X-Copy: ${subject}\" when subject =~ /copy/\n")
        hostile = "=?utf-8?q?%s=0D=0A250_Ok=0D=0AX-Forged:_1=00=1B=C3=A4?="
        self.assertEqual(self.refused(message(hostile % "evil")), "550 5.7.1 no evil  250 Ok  X-Forged: 1  ?")
        self.assertIsNone(self.refused(message(hostile % "copy")))
        self.assertEqual(self.header_of(0, "X-Copy"), ["copy  250 Ok  X-Forged: 1  ?"])
        self.assertEqual(self.header_of(0, "X-Forged"), [])
        self.assertNotIn("\x1b", weir.log())


class Modes(Law):
    def test_observe_counts_and_logs_and_does_nothing(self):
        weir = self.start("a: observe reject 550 5.7.1 \"A\" when sender.local == a\n"
                          "b: observe until 2099-01-01 reject 550 5.7.1 \"B\" when sender.local == b\n"
                          "c: observe until 2020-01-01 reject 550 5.7.1 \"C\" when sender.local == c\n")
        self.assertIsNone(self.refused(sender="a@example.org"))
        self.assertIsNone(self.refused(sender="b@example.org"))
        self.assertEqual(self.refused(sender="c@example.org"), "550 5.7.1 C")
        record = weir.wait_record("rule-observed", rule="a")
        self.assertEqual((record["would"], record["where"]), ("reject 550 5.7.1", "10-law.rules:1"))
        self.assertTrue(weir.wait_record("rule-observed", rule="b"))

    def test_a_share_is_observed_and_always_the_same_clients(self):
        self.start("a: observe 50% reject 550 5.7.1 \"A\" when sender.local == a\n")
        first, second = ([self.refused(sender="a@example.org", source="127.0.0.%d" % i) for i in range(2, 34)] for _ in range(2))
        self.assertEqual(first, second)
        self.assertIn(None, first)
        self.assertIn("550 5.7.1 A", first)


class Unknown(Law):
    def test_a_list_that_does_not_answer_is_neither_in_nor_not_in(self):
        """Unknown is not false: on_error decides."""
        names = NameServer({"1.0.0.127.bl.example"})
        self.addCleanup(names.close)
        patience = "list bl = dnsbl \"bl.example\" timeout 300ms\n"
        resolver = block("resolver", ["nameserver 127.0.0.1:%d" % names.port, "cache 0", "timeout %s", "attempts 1"])
        rules = (patience + "a: defer 451 4.7.9 \"listed\" when client.ip in bl and sender.local == a\n"
                          "b: reject 550 5.7.1 \"not listed\" when client.ip not in bl and sender.local == b\n"
                          "c: defer 451 4.7.9 \"c\" on_error match when client.ip in bl and sender.local == c\n"
                          "d: accept on_error defer 451 4.3.0 \"ask again\" when client.ip in bl and sender.local == d\n")
        weir = self.start(rules.replace("300ms", "10s"), {"05-resolver.conf": resolver % "10s"})
        self.assertEqual(self.refused(sender="a@example.org"), "451 4.7.9 listed")
        self.assertIsNone(self.refused(sender="b@example.org"))
        names.silent = True
        weir.write("rules/10-law.rules", rules)
        weir.write("05-resolver.conf", resolver % "100ms")
        self.assertEqual(weir.reload()["event"], "reloaded")
        self.assertIsNone(self.refused(sender="a@example.org"))
        self.assertIsNone(self.refused(sender="b@example.org"))
        self.assertEqual(self.refused(sender="c@example.org"), "451 4.7.9 c")
        self.assertEqual(self.refused(sender="d@example.org"), "451 4.3.0 ask again")
        self.assertIsNone(self.refused(sender="e@example.org"))  # settled without the list
        self.assertEqual({r["rule"] for r in weir.records("rule-error")}, {"a", "b", "c", "d"})


class Text(Law):
    """Text is decoded text; evasion is visible; several values; groups."""

    def test_rules_see_what_readers_see(self):
        self.start("subject: reject 550 5.7.1 \"subject\" when subject =~ /^g\u00fcnstig jetzt$/\n"
                   "name: reject 550 5.7.1 \"name ${attachment.name}\" when attachment.name == \"g\u00fcnstig.exe\"\n"
                   "base64: reject 550 5.7.1 \"base64\" when body.text =~ /secret offer/\n"
                   "charset: reject 550 5.7.1 \"charset\" when body.text =~ /\u043f\u0440\u0438\u0432\u0435\u0442/\n"
                   "link: reject 550 5.7.1 \"link ${url.host}\" when url { host == evil.example and text =~ /bank/ }\n"
                   "fold: reject 550 5.7.1 \"fold\" when subject.fold == \"paypal\"\n"
                   "raw: reject 550 5.7.1 \"raw\" when raw.header(\"Subject\") =~ /=\\?utf-8\\?q\\?raw/\n"
                   "rawbody: reject 550 5.7.1 \"raw body\" when raw.body =~ /^cmF3IGJvZHk=/m\n"
                   "defect: reject 550 5.6.0 \"defect\" when mime.defects == type-twice\n")
        encoded = base64.b64encode
        self.assertEqual(self.refused(message("=?iso-8859-1?q?g=FCnstig?=\r\n =?utf-8?q?_jetzt?=")), "550 5.7.1 subject")
        name = multipart(("Content-Type: application/x\r\nContent-Disposition: attachment; filename*0*=utf-8''g%C3%BCnst;\r\n"
                          " filename*1=ig.exe", "x"))
        self.assertEqual(self.refused(name), "550 5.7.1 name g?nstig.exe")
        part = "Content-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: base64"
        self.assertEqual(self.refused(multipart((part % "utf-8", encoded(b"a secret offer").decode()))), "550 5.7.1 base64")
        russian = encoded("\u043f\u0440\u0438\u0432\u0435\u0442".encode("koi8-r")).decode()
        self.assertEqual(self.refused(multipart((part % "koi8-r", russian))), "550 5.7.1 charset")
        html = "<p>a <b>sec</b>ret&#32;offer <a href='http://evil.example/x'>your bank</a>"
        self.assertEqual(self.refused(multipart(("Content-Type: text/html", html))), "550 5.7.1 base64")
        self.assertEqual(self.refused(multipart(("Content-Type: text/html", html.replace("ret", "ure")))), "550 5.7.1 link evil.example")
        self.assertEqual(self.refused(message("P\u0430yP\u200b\u0430l")), "550 5.7.1 fold")
        self.assertEqual(self.refused(message("=?utf-8?q?raw?=")), "550 5.7.1 raw")
        self.assertEqual(self.refused(message(body="cmF3IGJvZHk=")), "550 5.7.1 raw body")
        self.assertEqual(self.refused(message(fields="Content-Type: text/plain\r\nContent-Type: text/html\r\n")), "550 5.6.0 defect")
        self.assertIsNone(self.refused())

    def test_a_group_speaks_of_one_attachment(self):
        self.start("a: reject 550 5.7.1 \"${attachment.name}\" when attachment { ext == zip and size < 10 }\n"
                   "b: reject 550 5.7.1 \"b\" when all(attachment.ext == zip) and attachment.count == 2\n"
                   "c: reject 550 5.7.1 \"c\" when none(attachment.ext == zip) and attachment.count == 1\n")
        part = "Content-Type: application/x\r\nContent-Disposition: attachment; filename=%s"
        large, small = "x" * 20, "x"
        self.assertIsNone(self.refused(multipart((part % "a.zip", large), (part % "b.txt", small))))
        self.assertEqual(self.refused(multipart((part % "a.zip", large), (part % "c.zip", small))), "550 5.7.1 c.zip")
        self.assertEqual(self.refused(multipart((part % "a.zip", large), (part % "c.zip", large))), "550 5.7.1 b")
        self.assertEqual(self.refused(multipart((part % "a.txt", large))), "550 5.7.1 c")


class Sets(Law):
    """Files, loading, reloading; lists; imports."""

    def test_files_count_in_lexical_order(self):
        self.start({"rules/20-b.rules": "b: reject 550 5.7.1 \"B\" when sender.local == a\n",
                    "rules/10-a.rules": "a: reject 550 5.7.1 \"A\" when sender.local == a\n"})
        self.assertEqual(self.refused(sender="a@example.org"), "550 5.7.1 A")

    def test_a_set_that_does_not_load_or_whose_test_fails_keeps_the_old_one(self):
        weir = self.start("a: reject 550 5.7.1 \"old\" when sender.local == a\n")
        for bad in ("a: reject 550 5.7.1 \"new\" when sendr.local == a\n",
                    "a: reject 550 5.7.1 \"new\" when sender.local == a\ntest \"t\" { from <b@example.org> expect reject }\n"):
            weir.write("rules/10-law.rules", bad)
            self.assertEqual(weir.reload()["event"], "reload-failed")
            self.assertEqual(self.refused(sender="a@example.org"), "550 5.7.1 old")
        weir.write("rules/10-law.rules", "a: reject 550 5.7.1 \"new\" when sender.local == a\n")
        self.assertEqual(weir.reload()["event"], "reloaded")
        self.assertEqual(self.refused(sender="a@example.org"), "550 5.7.1 new")

    def test_a_list_reloads_by_itself_under_an_open_session(self):
        weir = self.start("list bad = file \"lists/bad.txt\"\na: reject 550 5.7.1 \"no\" when rcpt in bad\n",
                          {"rules/lists/bad.txt": "carol@example.test\n"})
        client = self.client()
        client.ehlo()

        def is_refused(who):
            client.rset()
            client.mail("a@example.org")
            return client.rcpt(who)[0] == 550
        self.assertEqual((is_refused("carol@example.test"), is_refused("dave@example.test")), (True, False))
        weir.write("rules/lists/bad.txt", "@example.test\n")
        self.assertEqual(weir.wait_record("list-reloaded", list="bad")["entries"], "1")
        self.assertTrue(is_refused("dave@example.test"))
        weir.write("rules/lists/bad.txt", "this is no address\n")
        self.assertTrue(weir.wait_record("list-kept", list="bad"))
        self.assertTrue(is_refused("dave@example.test"))
        weir.write("rules/lists/bad.txt", "carol@example.test\n")
        wait_for(lambda: len(weir.records("list-reloaded", list="bad")) == 2, 10, "the second reload")
        self.assertFalse(is_refused("dave@example.test"))

    def test_in_goes_by_the_fields_type(self):
        self.start("list nets = 127.0.0.4, 127.1.0.0/16\nlist hosts = bad.example, .worse.example\n"
                   "list people = bob@bad.example, @all.example\nlist deep = cidr \"nets.txt\"\nlist words = regex /^x[0-9]+$/\n"
                   "list map = postfix \"map\" value REJECT\n"
                   "ip at mail: reject 550 5.7.1 \"ip\" when client.ip in nets\ncidr at mail: reject 550 5.7.1 \"cidr\" when client.ip in deep\n"
                   "host: reject 550 5.7.1 \"host\" when sender.domain in hosts\npeople: reject 550 5.7.1 \"people\" when sender in people\n"
                   "words: reject 550 5.7.1 \"words\" when sender.local in words\nmap: reject 550 5.7.1 \"map\" when sender in map\n",
                   {"rules/nets.txt": "127.2.0.0/15\n", "rules/map": "m@example.org REJECT\nn@example.org OK\n"})
        for expected, how in (("ip", {"source": "127.0.0.4"}), ("ip", {"source": "127.1.2.3"}), ("cidr", {"source": "127.3.0.1"}),
                              ("host", {"sender": "x@BAD.example"}), ("host", {"sender": "x@mail.worse.example"}),
                              ("people", {"sender": "x@all.example"}), ("words", {"sender": "x12@example.org"}),
                              ("map", {"sender": "m@example.org"})):
            self.assertEqual(self.refused(**how), "550 5.7.1 " + expected, how)
        for how in ({"sender": "x@mail.bad.example"}, {"sender": "x@worse.example"}, {"sender": "n@example.org"}):
            self.assertIsNone(self.refused(**how), how)

    def test_an_imported_table_does_what_it_did_in_postfix(self):
        weir = self.start("import postfix \"header_checks\" as header\n",
                          {"rules/header_checks": "# ours\n/^Subject: lottery/ REJECT no lotteries\n/^X-Warn:/ WARN seen\n"
                                                  "/^X-Hold:/ HOLD\n"})
        self.assertEqual(self.refused(message("lottery!")), "550 5.7.1 no lotteries")
        self.assertIsNone(self.refused(message(fields="X-Warn: 1\r\n")))
        self.assertEqual(weir.wait_record("reject", rule="header_checks-2")["where"], "header_checks:2")
        self.assertRegex(weir.log(), r"header_checks:4:1: warning: not carried over: ")


class Engine(Law):
    def test_a_pattern_has_a_bound_and_beyond_it_is_an_error(self):
        weir = self.start("a: reject 550 5.7.1 \"A\" on_error defer 451 4.3.0 \"undecided\" when body.text =~ /^(\\w+\\s?)+$/\n")
        used = weir.cpu_seconds()
        self.assertEqual(self.refused(message(body="a" * 60000 + "!")), "451 4.3.0 undecided")
        self.assertLess(weir.cpu_seconds() - used, 5 * harness.slowness())
        self.assertEqual(weir.wait_record("rule-error")["rule"], "a")

    def test_rates_count_over_sessions(self):
        self.start("a: defer 451 4.7.1 \"slow down\" when rate(\"${sender}\", \"3/1h\")\n")
        self.assertEqual([self.refused(sender="a@example.org") for _ in range(5)], [None] * 3 + ["451 4.7.1 slow down"] * 2)
        self.assertIsNone(self.refused(sender="other@example.org"))


class Tools(Law):
    RULES = "a: reject 550 5.7.1 \"A\" when subject =~ /^bad/\nb: observe reject when sender.local == nobody\n"

    def tool(self, *words):
        done = harness.run([harness.MAILWEIR, *words])
        return done.returncode, done.stdout.decode() + done.stderr.decode()

    def test_the_running_services_counters_tell_which_rules_hold(self):
        """Hit counters and time of each rule: `rules top`, `unused`, `slow`."""
        path = os.path.join(harness.temp_dir("ctl"), "ctl")
        self.start(self.RULES, top=("workers 1", "control unix:" + path))
        for subject in ("bad", "bad", "good"):
            self.refused(message(subject))
        status, printed = self.tool("rules", "top", "--control", path)
        self.assertEqual(status, 0, printed)
        self.assertRegex(printed, r"(?m)^a +2\b")
        status, printed = self.tool("rules", "unused", "--control", path)
        self.assertRegex(printed, r"(?m)^b\b")
        self.assertNotRegex(printed, r"(?m)^a\b")
        status, printed = self.tool("rules", "slow", "--control", path)
        self.assertRegex(printed, r"(?m)^a\b")

    def test_replay_names_the_messages_whose_verdict_changes(self):
        weir = self.start(self.RULES)
        mail = harness.temp_dir("mail")
        for name, subject in (("1.eml", "bad"), ("2.eml", "worse"), ("3.eml", "good")):
            with open(os.path.join(mail, name), "wb") as file:
                file.write(message(subject))
        new = os.path.join(weir.directory, "new")
        subprocess.run(["cp", "-r", weir.conf, new], check=True)
        with open(os.path.join(new, "rules", "10-law.rules"), "w", encoding="utf-8") as file:
            file.write(self.RULES.replace("^bad", "^worse"))
        status, printed = self.tool("replay", "-c", weir.conf, "--against", new, "--client", "192.0.2.1", "--from", "a@example.org", mail)
        self.assertEqual(status, 1, printed)
        self.assertIn("1.eml", printed)
        self.assertIn("2.eml", printed)
        self.assertNotIn("3.eml", printed)
        self.assertEqual(self.tool("replay", "-c", weir.conf, "--against", weir.conf, "--client", "192.0.2.1", mail)[0], 0)

    def test_coverage_names_the_rules_that_no_test_reached(self):
        weir = self.start(self.RULES + "test \"t\" { header \"Subject: bad\" expect reject by a }\n")
        status, printed = self.tool("test", "-c", weir.conf, "--coverage")
        self.assertEqual(status, 0, printed)
        self.assertRegex(printed, r"(?m)\bb\b.*10-law\.rules:2|10-law\.rules:2.*\bb\b")
        self.assertNotRegex(printed, r"10-law\.rules:1\b")

    def test_check_warns_of_what_is_shadowed_and_not_used(self):
        weir = self.start("a: reject when sender.local == a\nlist l = x.example\n")
        status, printed = self.tool("check", "-c", weir.conf)
        self.assertEqual(status, 0, printed)
        self.assertIn("10-law.rules:2:6: warning: list \"l\" is never used", printed)
        weir.write("rules/10-law.rules", "a: reject when always\nb: defer when sender.local == b\n")
        status, printed = self.tool("check", "-c", weir.conf)
        self.assertEqual(status, 78, printed)
        self.assertIn("rule \"b\" can never be reached: \"a\" (10-law.rules:1) decides always", printed)


if __name__ == "__main__":
    if harness.DIRECT:
        harness.notice("MW_DIRECT=1: the rules suite is skipped")
        sys.exit(0)
    harness.main()
