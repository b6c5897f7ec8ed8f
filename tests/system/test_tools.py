"""Tools around one message or many: `mailweir view`, `explain`, `replay`. What they print, their exit statuses, and that what explain says
of a message is what a client gets for it from `mailweir run`."""
import base64
import hashlib
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import nameserver  # noqa: E402
import suite  # noqa: E402
from fake_upstream import FakeUpstream  # noqa: E402
from smtpline import Client  # noqa: E402

EX_CHANGED, EX_USAGE, EX_NOINPUT, EX_IOERR, EX_CONFIG = 1, 64, 66, 74, 78
RULES = r'''list bad = 203.0.113.0/24
spam:     reject 550 5.7.1 "No lottery" reason "a word" when subject =~ /lottery/i and client.ip in bad
no-carol: reject 550 5.1.1 "No carol" when rcpt == "carol@example.test"
quiet:    discard when subject == "swallow me"
later:    defer 451 4.7.1 "Come back" when sender.domain == "slow.example"
cut:      disconnect 421 4.7.0 "Good bye" when helo == "evil.example"
text:     reject 554 5.7.1 "Bad text" when body.text =~ /forbidden words/
program:  reject 550 5.7.1 "No ${attachment.name}" when attachment.ext == "exe"
mark:     add header "X-Seen: yes" when subject =~ /mark/
'''
SPAM_AT = "10-tools.rules:2"
RECEIVED = "Received: from mail.example.net (mail.example.net [203.0.113.7])\n by mx; Mon, 1 Jan 2024 00:00:00 +0000\n"
ENVELOPE = "Return-Path: <s@example.net>\nDelivered-To: bob@example.test\n" + RECEIVED


def setUpModule():
    if harness.DIRECT:
        raise suite.unittest.SkipTest("NOTICE: MW_DIRECT=1: this suite is skipped")


def message(subject="plain", head="", body="Hello.\n", envelope=ENVELOPE):
    return (envelope + "From: S <s@example.net>\nTo: bob@example.test\nSubject: " + subject + "\n" + head + "\n" + body).encode()


MIXED = message("=?utf-8?q?M=C3=BCller?=", head='MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\nCc: "A, B" <C@D.Example>\n', body="""\
--b
Content-Type: text/html; charset=iso-8859-1

<p>caf\u00e9 <a href="http://Shop.Example/x?y=1">here</a><span style="display:none">hidden</span></p>
--b
Content-Type: application/octet-stream; name="a.txt"
Content-Disposition: attachment; filename="r\u00e9sum\u00e9.exe"
Content-Transfer-Encoding: base64

%s
--b
Content-Type: message/rfc822

Subject: inner

see https://inner.example/ too
--b--
""" % base64.b64encode(b"MZ program").decode())


class Case(suite.Case):
    def setUp(self):
        self.directory = harness.temp_dir("tools")
        self.conf = self.write_conf("conf", RULES)

    def write(self, path, content):
        full = os.path.join(self.directory, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return full

    def write_conf(self, name, rules, port=25):
        self.write(name + "/10.conf", "\n".join(harness.USER + [
            "upstream up {\n address 127.0.0.1:%d\n identity none\n}" % port,
            "filter rules {\n module rules\n files rules/*.rules\n}", "chain inbound { rules }",
            "listen mx {\n address 127.0.0.1:25025\n upstream up\n chain inbound\n client-name off\n}",
            "listen open {\n address 127.0.0.1:25026\n upstream up\n client-name off\n}"]) + "\n")
        self.write(name + "/rules/10-tools.rules", rules)
        return os.path.join(self.directory, name)

    def tool(self, *args, stdin=b"", status=0):
        result = harness.run([harness.MAILWEIR, *args], stdin=stdin)
        out, err = result.stdout.decode(), result.stderr.decode()
        self.assertNotRegex(err, r"Sanitizer|runtime error:")
        self.assertEqual(result.returncode, status, harness.describe(result))
        return out, err


# ---------------------------------------------------------------------------------------------- view

class View(Case):
    def view(self, octets):
        return json.loads(self.tool("view", "--json", "-", stdin=octets)[0])

    def test_json_has_the_keys_that_are_promised(self):
        view = self.view(MIXED)
        self.assertEqual(set(view) & {"subject", "from", "to", "cc", "parts", "html", "urls", "flags"},
                         {"subject", "from", "to", "cc", "parts", "html", "urls", "flags"})
        self.assertEqual(view["subject"], "M\u00fcller")
        self.assertEqual(view["from"], [{"address": "s@example.net", "domain": "example.net", "name": "S"}])
        self.assertEqual(view["to"], [{"address": "bob@example.test", "domain": "example.test", "name": ""}])
        self.assertEqual(view["cc"], [{"address": "C@d.example", "domain": "d.example", "name": "A, B"}])
        keys = {"path", "type", "type_declared", "charset", "disposition", "names", "size", "sha256", "truncated", "alt", "flags"}
        for part in view["parts"]:
            self.assertEqual(set(part) & keys, keys)
            self.assertEqual("text" in part, part["type"].startswith("text/"))
        page, program, inner = view["parts"]
        self.assertEqual((page["path"], page["type"], page["charset"], page["disposition"]), ("1", "text/html", "iso-8859-1", None))
        self.assertEqual((program["path"], program["size"], program["sha256"], program["disposition"], program["attachment"]),
                         ("2", 10, hashlib.sha256(b"MZ program").hexdigest(), "attachment", True))
        self.assertEqual(set(program["names"]), {"a.txt", "r\u00e9sum\u00e9.exe"})
        self.assertIn("name-conflict", program["flags"])
        self.assertEqual((inner["type"], inner["type_declared"], inner["text"]), ("text/plain", None, "see https://inner.example/ too"))
        self.assertEqual(inner["path"].split(".")[0], "3")
        self.assertEqual(len(view["html"]), 1)
        self.assertEqual((view["html"][0]["path"], view["html"][0]["urls"]), ("1", ["http://Shop.Example/x?y=1"]))
        self.assertIn("here", view["html"][0]["visible"])
        self.assertNotIn("hidden", view["html"][0]["visible"])
        self.assertEqual(view["urls"], ["http://Shop.Example/x?y=1", "https://inner.example/"])
        self.assertEqual([link["host"] for link in view["links"]], ["shop.example", "inner.example"])
        self.assertIn({"name": "name-conflict", "severity": "ambiguous"}, view["flags"])
        for flag in view["flags"]:
            self.assertIn(flag["severity"], ("note", "malformed", "ambiguous"))

    def test_lf_and_crlf_are_read_alike(self):
        def shape(octets):
            view = self.view(octets)
            for part in view["parts"]:
                if part["type"].startswith("text/"):  # as they came: a line end is one octet or two
                    part["size"] = part["sha256"] = None
            return {**view, "size": None}
        self.assertEqual(shape(MIXED.replace(b"\n", b"\r\n")), shape(MIXED))

    def test_without_a_subject_it_is_null_and_an_empty_message_has_a_part(self):
        self.assertIsNone(self.view(b"From: a@b\n\nx\n")["subject"])
        self.assertEqual(self.view(b"Subject:\n\n")["subject"], "")
        self.assertEqual([part["size"] for part in self.view(b"")["parts"]], [0])

    def test_every_octet_comes_out_as_json(self):
        self.view(b"Subject: " + bytes(range(1, 256)).replace(b"\n", b"").replace(b"\r", b"") + b"\n\n" + bytes(range(256)) * 4)

    def test_text_shows_everything_and_nothing_of_a_terminal_s(self):
        out, _ = self.tool("view", self.write("m.eml", MIXED + b"\x1b]0;evil\x07\n"))
        for line in ("subject: M\u00fcller", "from: S <s@example.net>", "part 2: application/octet-stream, 10 octets, attachment",
                     "    sha256: " + hashlib.sha256(b"MZ program").hexdigest(), "    host: shop.example", "    shown as: here"):
            self.assertIn(line + "\n", out)
        self.assertRegex(out, r"(?m)^defect name-conflict \(ambiguous\): \S")
        evil, _ = self.tool("view", self.write("e.eml", b"Subject: \x1b]0;evil\x07\n\nbody \x1b[2J\n"))
        self.assertNotIn("\x1b", evil)
        self.assertIn("\\x1b", evil)

    def test_what_cannot_be_read(self):
        self.assertIn("cannot open %s/none: No such file" % self.directory, self.tool("view", self.directory + "/none",
                                                                                     status=EX_NOINPUT)[1])
        self.assertIn("Is a directory", self.tool("view", self.directory, status=EX_IOERR)[1])
        for args in (["view"], ["view", "--jsn", "-"], ["view", "a", "b"]):
            self.assertEqual(self.tool(*args, status=EX_USAGE)[0], "")


# ---------------------------------------------------------------------------------------------- explain

class Explain(Case):
    def explain(self, octets, *options, status=0):
        return self.tool("explain", "-c", self.conf, *options, self.write("m.eml", octets), status=status)

    def test_a_refused_message(self):
        out, err = self.explain(message("The Lottery"))
        self.assertEqual(err, "")
        for line in ("EHLO mail.example.net", "MAIL FROM:<s@example.net>", "RCPT TO:<bob@example.test>"):
            self.assertIn(line + "\n", out)
        self.assertRegex(out, r"(?m)^end_of_headers: rules: reject 550 5\.7\.1 No lottery; rule spam, \S*%s; a word$" % re.escape(SPAM_AT))
        self.assertRegex(out, r'(?m)^ +yes +header\("Subject"\) =~ /lottery/i: "The Lottery"$')
        self.assertRegex(out, r"(?m)^ +yes +client\.ip in bad .*203\.0\.113\.7$")
        self.assertTrue(out.endswith("result: refused: 550 5.7.1 No lottery (to message)\n"), out)

    def test_a_message_that_passes_shows_what_would_go_upstream(self):
        out, _ = self.explain(message("a mark"))
        self.assertIn("decisions: none, no filter had an opinion\n", out)
        self.assertRegex(out, r"(?m)^result: delivered: 250 ")
        self.assertRegex(out.partition("what would go upstream:\n")[2], r"(?m)^  X-Seen: yes$")

    def test_options_win_over_what_the_message_remembers(self):
        out, _ = self.explain(message("The Lottery"), "--client", "192.0.2.1", "--from", "<x@y.example>", "--helo", "h.example",
                              "--to", "bob@example.test", "--to", "carol@example.test")
        for line in ("EHLO h.example", "MAIL FROM:<x@y.example>", "RCPT TO:<bob@example.test>", "RCPT TO:<carol@example.test>"):
            self.assertIn(line + "\n", out)
        self.assertIn("rcpt carol@example.test: rules: reject 550 5.1.1 No carol; rule no-carol", out)
        self.assertIn("result: delivered: 250", out)

    def test_another_listener(self):
        self.assertIn("result: delivered: 250", self.explain(message("The Lottery"), "--listener", "open")[0])
        self.assertIn("no listener 'x'; there is mx open", self.explain(message(), "--listener", "x", status=EX_USAGE)[1])

    def test_the_envelope_that_is_missing_is_asked_for(self):
        for envelope, word in (("Delivered-To: b@example.test\n" + RECEIVED, "--from"),
                               ("Return-Path: <>\nDelivered-To: b@example.test\n", "--client")):
            self.assertIn(word, self.explain(message(envelope=envelope), status=EX_USAGE)[1])
        nobody = message(envelope="Return-Path: <>\n" + RECEIVED).replace(b"To: bob@example.test\n", b"To: undisclosed-recipients:;\n")
        self.assertIn("--to", self.explain(nobody, status=EX_USAGE)[1])
        bounce = self.explain(message(envelope="Return-Path: <>\nDelivered-To: b@example.test\n" + RECEIVED))[0]
        self.assertIn("MAIL FROM:<>\n", bounce)
        v6 = RECEIVED.replace("203.0.113.7", "IPv6:2001:db8::7")
        self.explain(message(envelope="Return-Path: <a@b.example>\nX-Original-To: b@example.test\n" + v6))

    def test_standard_input_and_what_cannot_be_read(self):
        self.assertIn("result: refused: 550", self.tool("explain", "-c", self.conf, "-", stdin=message("lottery"))[0])
        self.tool("explain", "-c", self.conf, self.directory + "/none", status=EX_NOINPUT)
        self.tool("explain", "-c", self.directory + "/none", self.write("m.eml", message()), status=EX_CONFIG)
        self.tool("explain", "-c", self.conf, status=EX_USAGE)

    # ---- the same as a client gets

    LIVE = [  # what, helo, sender, recipients, message, what explain calls it
        ("passes", "h.example", "s@example.net", ["bob@example.test"], message(envelope=""), "delivered"),
        ("text is refused", "h.example", "s@example.net", ["bob@example.test"], message(body="x forbidden words\n", envelope=""), "refused"),
        ("attachment is refused", "h.example", "s@example.net", ["bob@example.test"], MIXED[len(ENVELOPE):], "refused"),
        ("one recipient of two", "h.example", "s@example.net", ["carol@example.test", "bob@example.test"], message(envelope=""), "delivered"),
        ("the only recipient", "h.example", "s@example.net", ["carol@example.test"], message(envelope=""), "refused"),
        ("discarded", "h.example", "s@example.net", ["bob@example.test"], message("swallow me", envelope=""), "discarded"),
        ("deferred", "h.example", "s@slow.example", ["bob@example.test"], message(envelope=""), "deferred"),
        ("cut off", "evil.example", "s@example.net", ["bob@example.test"], message(envelope=""), "deferred"),
        ("dots", "h.example", "", ["bob@example.test"], message(body=".\n..\nforbidden\nwords\n", envelope=""), "delivered"),
    ]

    def live(self, weir, helo, sender, recipients, octets):
        """(code, text) of the reply that settled it."""
        first = None
        with Client(weir.port) as client:
            for line in ["EHLO " + helo, "MAIL FROM:<%s>" % sender, *["RCPT TO:<%s>" % rcpt for rcpt in recipients], "DATA"]:
                reply = client.cmd(line)
                if reply is None:
                    return first
                if reply.code >= 400:
                    first = first or (reply.code, reply.lines[-1])
            if reply.code != 354:
                return first
            octets = octets.replace(b"\n", b"\r\n").replace(b"\r\n.", b"\r\n..")
            client.send(octets + b".\r\n")
            reply = client.reply()
            return reply.code, reply.lines[-1]

    def test_it_says_what_a_real_client_gets(self):
        upstream = FakeUpstream()
        self.addCleanup(upstream.stop)
        weir = harness.Mailweir(upstream.port, files={"rules/10-tools.rules": RULES}, chain="rules",
                                filters=harness.block("filter rules", ["module rules", "files rules/*.rules"]))
        self.addCleanup(weir.finish, self)
        for what, helo, sender, recipients, octets, expected in self.LIVE:
            with self.subTest(what):
                stored = len(upstream.stored())
                code, text = self.live(weir, helo, sender, recipients, octets)
                out, _ = self.explain(octets, "--client", "127.0.0.1", "--helo", helo, "--from", sender,
                                      *[word for rcpt in recipients for word in ("--to", rcpt)])
                verdict, told, line = re.search(r"(?m)^result: (\w+): (\d{3}) (.*) \(to \w+\)$", out).groups()
                self.assertEqual((verdict, int(told)), (expected, code), out)
                if expected != "delivered":  # else the text is the upstream's
                    self.assertEqual(line, text)
                self.assertEqual(len(upstream.stored()) - stored, expected == "delivered")


# ---------------------------------------------------------------------------------------------- filters in service

class Serving(Case):
    """Rules that ask the DNS get their answer: the filters are started, and closed while there still is a loop."""

    def setUp(self):
        super().setUp()
        self.server = nameserver.Nsd({"bl.example": "7.113.0.203 A 127.0.0.2\n"})
        self.addCleanup(self.server.stop)
        self.conf = self.write_conf("dns", 'list bl = dnsbl "bl.example"\nlisted: reject 550 5.7.1 "Listed" when client.ip in bl\n')
        self.write("dns/00.conf", "resolver {\n nameserver 127.0.0.1:%d\n}\n" % self.server.port)

    def test_explain(self):
        path = self.write("m.eml", message())
        self.assertIn("refused: 550 5.7.1 Listed", self.tool("explain", "-c", self.conf, path)[0])
        self.assertIn("delivered: 250", self.tool("explain", "-c", self.conf, "--client", "203.0.113.8", path)[0])

    def test_replay(self):
        new = self.write_conf("plain", RULES)
        for i in range(12):
            self.write("mail/%d.eml" % i, message(envelope=ENVELOPE.replace("203.0.113.7", "203.0.113.%d" % (7 + i % 3))))
        out, err = self.tool("replay", "-c", self.conf, "--against", new, "--jobs", "3", self.directory + "/mail", status=EX_CHANGED)
        self.assertEqual(err, "")
        self.assertRegex(out, r"(?m)^ +4  550 rules:listed -> 250$")
        self.assertRegex(out, r"(?m)^ +8  250$")

    def test_simulate(self):
        session = b"EHLO h.example\nMAIL FROM:<a@example.net>\nRCPT TO:<bob@example.test>\nDATA\nSubject: x\n\nx\n.\nQUIT\n"
        for client, word in (("203.0.113.7", "550 5.7.1 Listed"), ("203.0.113.8", "250 2.0.0 Ok: queued")):
            self.assertIn(word, self.tool("simulate", "-c", self.conf, "--client", client, stdin=session)[0])


# ---------------------------------------------------------------------------------------------- replay

class Replay(Case):
    def replay(self, *args, status=0, against=None):
        options = ["--against", against] if against else []
        return self.tool("replay", "-c", self.conf, *options, *args, status=status)

    def maildir(self, count=6):
        for i in range(count):
            self.write("Maildir/%s/%03d.M1" % ("new" if i % 2 else "cur", i), message("Lottery %d" % i if i < 2 else "mark %d" % i))
        os.makedirs(self.directory + "/Maildir/tmp")
        self.write("Maildir/tmp/half", message("lottery"))
        return self.directory + "/Maildir"

    def test_a_maildir(self):
        out, _ = self.replay(self.maildir())
        self.assertRegex(out, r"(?m)^ +4  250\n")
        self.assertRegex(out, r"(?m)^ +2  550 rules:spam\n")
        self.assertTrue(out.endswith("6 messages\n"), out)

    def test_files_and_directories(self):
        path = self.write("mail/a/1.eml", message("lottery"))
        self.write("mail/b/2.eml", message())
        self.write("mail/.hidden", message())
        self.assertTrue(self.replay(path)[0].endswith("1 message\n"))
        self.assertTrue(self.replay(self.directory + "/mail", path)[0].endswith("3 messages\n"))

    def test_an_mbox_and_its_quoting(self):
        first = message("mark", body="Dear\n\n>From here on\n>>From me\nFrom behind no empty line\n")
        second = message("swallow me")
        path = self.write("mbox", b"From s@example.net Mon Jan  1 00:00:00 2024\n" + first + b"\nFrom x@y Mon Jan  1 00:00:00 2024\n" + second + b"\n")
        out, _ = self.replay(path)
        self.assertRegex(out, r"(?m)^ +1  250$")
        self.assertRegex(out, r"(?m)^ +1  250 discarded rules:quiet$")
        self.assertTrue(out.endswith("2 messages\n"), out)
        new = self.write_conf("new", RULES + 'dear: reject 550 5.7.1 "Dear" when raw.body =~ /\\ADear\\r\\n\\r\\nFrom here on\\r\\n>From me\\r\\n'
                              'From behind no empty line\\r\\n\\z/\n')
        out, _ = self.replay(path, against=new, status=EX_CHANGED)
        self.assertIn("250 -> 550 rules:dear\n          %s at octet 44\n" % path, out)

    def test_against_a_changed_rule(self):
        new = self.write_conf("new", RULES.replace("/lottery/i", "/mark 3|lottery 0/i").replace("X-Seen: yes", "X-Seen: no"))
        out, err = self.replay(self.maildir(), against=new, status=EX_CHANGED)
        self.assertEqual(err, "")
        self.assertRegex(out, r"(?m)^ +1  250 -> 550 rules:spam\n {10}\S+/new/003\.M1$")
        self.assertRegex(out, r"(?m)^ +1  550 rules:spam -> 250\n {10}\S+/new/001\.M1$")
        self.assertRegex(out, r"(?m)^ +3  250 \(other edits\)\n")
        self.assertRegex(out, r"(?m)^ +1  550 rules:spam$")
        self.assertTrue(out.endswith("6 messages: 2 with another verdict, 3 with other edits\n"), out)
        self.assertEqual(out.count("\n          "), 5)

    def test_json(self):
        new = self.write_conf("new", RULES.replace("/lottery/i", "/nothing/"))
        result = json.loads(self.replay("--json", self.maildir(), against=new, status=EX_CHANGED)[0])
        self.assertEqual({key: result[key] for key in ("messages", "changed", "edited", "errors")},
                         {"messages": 6, "changed": 2, "edited": 0, "errors": 0})
        changed, same = result["verdicts"]
        self.assertEqual((changed["count"], changed["old"], changed["new"], changed["other_edits"]), (2, "550 rules:spam", "250", False))
        self.assertEqual(sorted(os.path.basename(path) for path in changed["examples"]), ["000.M1", "001.M1"])
        self.assertEqual((same["count"], same["old"], same["new"]), (4, "250", "250"))
        self.assertNotIn("new", json.loads(self.replay("--json", self.directory + "/Maildir")[0])["verdicts"][0])

    def test_nothing_changes(self):
        self.assertTrue(self.replay(self.maildir(), against=self.conf)[0].endswith("6 messages: 0 with another verdict, 0 with other edits\n"))

    def test_the_number_of_processes_makes_no_difference(self):
        maildir = self.maildir(40)
        outputs = {self.replay("--jobs", jobs, maildir)[0] for jobs in ("1", "2", "7", "64")}
        self.assertEqual(len(outputs), 1)
        for wrong in ("0", "65", "x"):
            self.assertIn("--jobs", self.replay("--jobs", wrong, maildir, status=EX_USAGE)[1])

    def test_options_stand_for_what_the_messages_do_not_say(self):
        path = self.write("m.eml", message("lottery", envelope=""))
        self.assertIn("250\n", self.replay(path)[0])
        self.assertIn("550 rules:spam\n", self.replay("--client", "203.0.113.9", path)[0])
        self.assertIn("451 rules:later\n", self.replay("--from", "a@slow.example", path)[0])
        self.assertIn("550 rules:no-carol\n", self.replay("--to", "carol@example.test", path)[0])
        self.assertIn("250\n", self.replay("--client", "203.0.113.9", "--listener", "open", path)[0])

    def test_what_cannot_be_read(self):
        maildir = self.maildir()
        os.symlink(self.directory + "/nowhere", maildir + "/cur/gone")
        out, err = self.replay(maildir, status=EX_IOERR)
        self.assertTrue(out.endswith("7 messages, 1 could not be read\n"), out)
        self.assertIn("cannot open %s/cur/gone" % maildir, err)
        self.replay(self.directory + "/none", status=EX_NOINPUT)
        self.replay(status=EX_USAGE)

    def test_an_error_in_the_new_configuration_is_told_once(self):
        new = self.write_conf("new", RULES + "oops: rejct 550\n")
        out, err = self.replay("--jobs", "4", self.maildir(), against=new, status=EX_CONFIG)
        self.assertEqual((out, err.count("rejct 550")), ("", 1), err)
        self.assertRegex(err, r"10-tools\.rules:10:7: error: .*rejct")

    def test_a_long_list_is_no_trouble(self):
        octets = b"".join(b"From a Mon\n" + message("m %d" % i) + b"\n" for i in range(3000))
        out, _ = self.replay(self.write("big", octets))
        self.assertTrue(out.endswith("3000 messages\n"), out)


if __name__ == "__main__":
    harness.main()
