"""`mailweir simulate`: the replies of a session that goes nowhere, and every filter's decision with its reason."""
import os
import re
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import harness  # noqa: E402

EX_USAGE, EX_CONFIG = 64, 78
CLIENT = ("--client", "198.51.100.7:41001")
UPSTREAM = "upstream up { address 127.0.0.1:1\n identity xclient }\n"  # nobody listens there: nobody needs to
ENVELOPE = ["EHLO mail.example.net", "MAIL FROM:<a@example.net>", "RCPT TO:<b@example.test>"]
MESSAGE = ["Subject: hello", "From: a@example.net", "", "Hello.", "."]
RULES = """\
nobody: reject 550 5.1.1 "no such user" when rcpt.local == "nobody"
later:  defer 450 4.7.1 "come back" reason "not now" when rcpt.local == "later"
spam:   reject 550 5.7.1 "spam" when subject =~ /buy now/
away:   discard when subject =~ /throw away/
mark:   add header "X-Weir: seen ${client.ip}", delete header "X-Secret" when subject =~ /hello/
"""


class Simulate(unittest.TestCase):
    maxDiff = None

    def configure(self, listen="", upstream=UPSTREAM, chain="rules", rules=RULES, more=""):
        self.directory = harness.temp_dir("simulate")
        self.write("a.rules", rules)
        return self.write("a.conf", upstream + "filter rules {\n module rules\n files a.rules\n}\n"
                          "filter limits {\n module limits\n max-recipients 2\n}\n" + more +
                          ("chain inbound { %s }\n" % chain if chain else "") +
                          "listen mx {\n address 127.0.0.1:2525\n upstream up\n auth always\n%s%s\n}\n"
                          % (" chain inbound\n" if chain else "", listen))

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def simulate(self, lines, *options, conf=None, end=b"\n", client=CLIENT, status=0):
        """(replies as lines, annotations) of a session with these lines, or octets as they are."""
        octets = lines if isinstance(lines, bytes) else b"".join(line.encode() + end for line in lines)
        result = harness.run([harness.MAILWEIR, "simulate", "-c", conf or self.configure(), *client, *options], 60, octets)
        out, err = result.stdout.decode("utf-8"), result.stderr.decode("utf-8")
        self.assertNotRegex(err, r"Sanitizer|runtime error:")
        self.assertEqual(result.returncode, status, out + err)
        return out.split("\r\n")[:-1] if "--annotate" not in options else out.split("\n"), err

    def last_replies(self, replies, count):
        """The last replies but the QUIT's."""
        return replies[-count - 1:-1]

    def notes(self, err, word):
        return re.findall(r"(?m)^\*\* (%s.*)$" % word, err)

    # ---- what goes in and out

    def test_message_accepted(self):
        replies, err = self.simulate([*ENVELOPE, "DATA", *MESSAGE, "QUIT"])
        self.assertEqual([r[:3] for r in replies if r[3] == " "], "220 250 250 250 354 250 221".split())
        self.assertRegex(replies[-2], r"^250 2\.0\.0 Ok: queued as SIMULATED$")
        self.assertIn("** log: message verdict=accept code=250 ", err)
        self.assertRegex(err.splitlines()[0], r"^\*\* simulated session at listener mx: client -\[198\.51\.100\.7\]:41001, chain inbound; nothing is sent$")

    def test_extensions_as_postfix_has_them(self):
        replies, _ = self.simulate(["EHLO x", "QUIT"])
        shown = {r[4:].split()[0] for r in replies[2:-1]}
        self.assertLessEqual({"PIPELINING", "SIZE", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING", "AUTH", "ENHANCEDSTATUSCODES"}, shown)
        self.assertTrue(shown.isdisjoint({"XCLIENT", "XFORWARD", "STARTTLS"}), shown)

    def test_line_ends(self):
        expected = self.simulate([*ENVELOPE, "DATA", *MESSAGE, "QUIT"])[0]
        self.assertEqual(self.simulate([*ENVELOPE, "DATA", *MESSAGE, "QUIT"], end=b"\r\n")[0], expected)
        self.assertEqual(self.simulate(b"\n".join(line.encode() for line in [*ENVELOPE, "DATA", *MESSAGE, "QUIT"]))[0], expected)

    def test_raw_lets_bare_line_feeds_through(self):
        octets = b"EHLO x\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.test>\r\nDATA\r\nSubject: x\r\n\r\nbare\nfeed\r\n.\r\nQUIT\r\n"
        conf = self.configure(" bare-newline reject")
        self.assertRegex(self.simulate(octets, conf=conf)[0][-2], r"^250 ")
        self.assertRegex(self.simulate(octets, "--raw", conf=conf)[0][-2], r"^550 5\.5\.2 ")

    def test_stdin_closed_at_once(self):
        replies, err = self.simulate(b"")
        self.assertRegex(replies[0], r"^220 ")
        self.assertEqual(len(replies), 1)
        self.assertRegex(err, r"(?m)^\*\* log: session end=client-closed .* in=0 out=%d$" % len(replies[0] + "\r\n"))

    def test_eof_in_data(self):
        replies, err = self.simulate([*ENVELOPE, "DATA", "Subject: half", "", "of a mess"])
        self.assertRegex(replies[-1], r"^354 ")
        self.assertIn("session end=client-closed", err)
        self.assertNotIn("verdict=accept", err)

    def test_eof_behind_a_message(self):
        replies, err = self.simulate([*ENVELOPE, "DATA", *MESSAGE])
        self.assertRegex(replies[-1], r"^250 2\.0\.0 ")
        self.assertIn("verdict=accept", err)

    def test_bdat(self):
        octets = b"EHLO x\nMAIL FROM:<a@example.net>\nRCPT TO:<b@example.test>\nBDAT 29\nSubject: hello\r\n\r\nchunk one\r\nBDAT 14 LAST\nQUIT\r\nchunk 2\r\nQUIT\n"
        octets = octets.replace(b"BDAT 29", b"BDAT %d" % len(b"Subject: hello\r\n\r\nchunk one\r\n")).replace(
            b"BDAT 14", b"BDAT %d" % len(b"QUIT\r\nchunk 2\r\n"))
        replies, err = self.simulate(octets, "--show-message")
        self.assertEqual([r[:3] for r in replies[-3:]], ["250", "250", "221"])
        self.assertIn("** header | Subject: hello\n** header | X-Weir: seen 198.51.100.7\n", err)

    def test_bdat_that_is_refused(self):
        """Its octets are no commands."""
        replies, _ = self.simulate(b"EHLO x\nBDAT 6 LAST\nQUIT\r\nNOOP\nQUIT\n")
        self.assertEqual([r[:3] for r in replies[-3:]], ["503", "250", "221"])

    def test_auth(self):
        replies, err = self.simulate(["EHLO x", "AUTH PLAIN AGpvZQBzZWNyZXQ=", *ENVELOPE[1:], "DATA", *MESSAGE, "QUIT"])
        self.assertIn("235 2.7.0 Authentication successful", replies)
        self.assertIn(" user=joe ", err)
        self.assertNotIn("secret", err)
        self.assertNotIn("AGpvZQBzZWNyZXQ", err)

    def test_auth_in_steps(self):
        replies, err = self.simulate(["EHLO x", "AUTH LOGIN", "am9l", "c2VjcmV0", "QUIT"])
        self.assertEqual(replies[-4:-1], ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 2.7.0 Authentication successful"])
        replies, err = self.simulate(["EHLO x", "AUTH PLAIN", "AGpvZQBzZWNyZXQ=", "QUIT"])
        self.assertEqual(replies[-3:-1], ["334 ", "235 2.7.0 Authentication successful"])
        replies, err = self.simulate(["EHLO x", "AUTH LOGIN", "*", "NOOP", "QUIT"])
        self.assertEqual([r[:3] for r in replies[-4:]], ["334", "501", "250", "221"])

    def test_long_content(self):
        lines = ["Subject: hello", "", *["line %d of a longer message" % i for i in range(30000)], "x" * 200000, "."]
        replies, err = self.simulate([*ENVELOPE, "DATA", *lines, "QUIT"])
        self.assertRegex(replies[-2], r"^250 2\.0\.0 ")
        size = int(re.search(r"message verdict=accept .* size=(\d+) ", err).group(1))
        self.assertEqual(size, sum(len(line) + 2 for line in lines[:-1]))

    def test_any_identity_and_upstream(self):
        for identity in ("none", "proxy-v1", "proxy-v2", "xclient"):
            conf = self.configure(upstream=UPSTREAM.replace("xclient", identity))
            replies, _ = self.simulate([*ENVELOPE, "DATA", *MESSAGE, "QUIT"], conf=conf)
            self.assertRegex(replies[-2], r"^250 2\.0\.0 ")

    # ---- decisions

    def test_refused_recipient(self):
        replies, err = self.simulate([*ENVELOPE, "RCPT TO:<nobody@example.test>", "QUIT"])
        self.assertEqual(replies[-2], "550 5.1.1 no such user")
        self.assertEqual(self.notes(err, "rcpt <nobody"),
                         ['rcpt <nobody@example.test>: rules: reject 550 5.1.1 "no such user" rule=nobody where=a.rules:1'])
        self.assertIn("** rcpt <b@example.test>: rules: continue\n", err)
        self.assertRegex(err, r"(?m)^\*\* log: reject stage=rcpt by=rules rule=nobody code=550 .* where=a\.rules:1")

    def test_reason(self):
        _, err = self.simulate([*ENVELOPE, "RCPT TO:<later@example.test>", "QUIT"])
        self.assertEqual(self.notes(err, "rcpt <later"),
                         ['rcpt <later@example.test>: rules: tempfail 450 4.7.1 "come back" rule=later where=a.rules:2 reason="not now"'])

    def test_every_filter_is_heard(self):
        _, err = self.simulate([*ENVELOPE, *["RCPT TO:<c%d@example.test>" % i for i in range(2)], "QUIT"],
                               conf=self.configure(chain="limits rules"))
        self.assertIn("** rcpt <b@example.test>: limits: continue\n** rcpt <b@example.test>: rules: continue\n", err)
        self.assertRegex(err, r'(?m)^\*\* rcpt <c1@example\.test>: limits: tempfail 452 4\.5\.3 "[^"]+"')
        self.assertNotIn("rcpt <c1@example.test>: rules", err)  # the first verdict ends the stage

    def test_message_refused(self):
        replies, err = self.simulate([*ENVELOPE, "DATA", "Subject: buy now", "", ".", "QUIT"])
        self.assertEqual(replies[-2], "550 5.7.1 spam")
        self.assertRegex(err, r'(?m)^\*\* end_of_\w+: rules: reject 550 5\.7\.1 spam rule=spam where=a\.rules:3$|'
                              r'^\*\* end_of_\w+: rules: reject 550 5\.7\.1 "spam" rule=spam where=a\.rules:3$')

    def test_message_discarded(self):
        replies, err = self.simulate([*ENVELOPE, "DATA", "Subject: throw away", "", ".", "QUIT"], "--show-message")
        self.assertRegex(replies[-2], r"^250 ")
        self.assertRegex(err, r"(?m)^\*\* end_of_\w+: rules: discard rule=away where=a\.rules:4$")
        self.assertNotIn("as it would go upstream", err)

    def test_edits(self):
        replies, err = self.simulate([*ENVELOPE, "DATA", "Subject: hello", "X-Secret: 1", "From: a@example.net", "",
                                      "..dot", ".", "QUIT"], "--show-message")
        self.assertRegex(replies[-2], r"^250 ")
        self.assertRegex(err, r"(?m)^\*\* log: edit edit=\S+ stage=\S+ by=rules what=X-Weir")
        shown = self.notes(err, r"(?:envelope|header) \|")
        self.assertEqual(shown[:2], ["envelope | MAIL FROM:<a@example.net>", "envelope | RCPT TO:<b@example.test>"])
        self.assertEqual(shown[2:], ["header | Subject: hello", "header | From: a@example.net",
                                     "header | X-Weir: seen 198.51.100.7", "header | "])

    def test_observed_filter(self):
        replies, err = self.simulate([*ENVELOPE, "RCPT TO:<nobody@example.test>", "QUIT"], conf=self.configure(chain="observe rules"))
        self.assertEqual(replies[-2], "250 2.1.5 Ok")
        self.assertIn("** rcpt <nobody@example.test>: rules: observed, without effect: reject", err)
        self.assertRegex(err, r"(?m)^\*\* log: observed verdict=reject stage=rcpt by=rules rule=nobody code=550 .* where=a\.rules:1")

    def test_observed_rule(self):
        rules = RULES.replace("nobody: reject", "nobody: observe reject")
        _, err = self.simulate([*ENVELOPE, "RCPT TO:<nobody@example.test>", "QUIT"], conf=self.configure(rules=rules))
        self.assertRegex(err, r"(?m)^\*\* log: rule-observed .*rule=nobody where=a\.rules:1 would=")

    def test_no_chain(self):
        replies, err = self.simulate([*ENVELOPE, "QUIT"], conf=self.configure(chain=""))
        self.assertIn("no chain, so no filter is asked", err)
        self.assertEqual(replies[-2], "250 2.1.5 Ok")

    def test_annotations_among_the_replies(self):
        lines, err = self.simulate([*ENVELOPE, "RCPT TO:<nobody@example.test>", "QUIT"], "--annotate")
        self.assertEqual(err, "")
        note = next(i for i, line in enumerate(lines) if line.startswith("** rcpt <nobody@example.test>: "))
        self.assertIn("550 5.1.1 no such user\r", lines[note + 1:note + 3])

    def test_hostile_values_stay_in_their_line(self):
        _, err = self.simulate(b"EHLO x\nMAIL FROM:<a@example.net> X=\x1b[31m\nRCPT TO:<\x1b]0;t\x07@example.test>\nQUIT\n")
        self.assertNotRegex(err, r"[\x00-\x09\x0b-\x1f\x7f]")

    # ---- who connects

    def test_facts_of_the_client(self):
        rules = ('who: reject 550 5.7.1 "${client.ip} ${client.port} ${client.name} ${tls.version} ${auth.user}" '
                 'when rcpt.local == "who"\n')
        conf = self.configure(rules=rules)
        lines = ["EHLO x", "MAIL FROM:<>", "RCPT TO:<who@example.test>", "QUIT"]
        replies, _ = self.simulate(lines, "--name", "mail.example.net", "--server", "192.0.2.1:2500", "--tls", "TLSv1.2",
                                   "--user", "joe", conf=conf, client=("--client", "[2001:db8::7]:5"))
        self.assertEqual(replies[-2], "550 5.7.1 2001:db8::7 5 mail.example.net TLSv1.2 joe")
        replies, err = self.simulate(lines, conf=conf, client=("--client", "2001:db8::7"))
        self.assertEqual(replies[-2].split()[2:4], ["2001:db8::7", "41001"])

    def test_listener(self):
        conf = self.configure(more="listen sub {\n address 127.0.0.1:5870\n upstream up\n}\n")
        _, err = self.simulate(["QUIT"], "--listener", "mx", conf=conf)
        self.assertIn("at listener mx: ", err)
        _, err = self.simulate(["QUIT"], "--listener", "sub", conf=conf)
        self.assertIn("at listener sub: ", err)
        _, err = self.simulate([], "--listener", "subb", conf=conf, status=EX_USAGE)
        self.assertIn("there is no listener 'subb'; there is sub mx", err)

    def test_usage(self):
        for options, words in (((), "who connects? --client"), (("--client",), "a value is needed behind: --client"),
                               (("--client", "localhost"), "--client is not an address"),
                               (("--client", "192.0.2.1", "--server", "x:25"), "--server is not an address"),
                               (("--client", "192.0.2.1", "--name", "a b"), "--name is not a host name"),
                               (("--client", "192.0.2.1", "--tls", "x" * 40), "--tls is not a version"),
                               (("--client", "192.0.2.1", "more"), "one argument too many: more"),
                               (("--clients", "192.0.2.1"), "no such option: --clients")):
            _, err = self.simulate([], *options, client=(), conf="/nowhere", status=EX_USAGE)
            self.assertIn("mailweir: simulate: " + words, err)

    def test_configuration_with_errors(self):
        self.directory = harness.temp_dir("simulate")
        replies, err = self.simulate([], conf=self.write("a.conf", "lisen mx { }\n"), status=EX_CONFIG)
        self.assertEqual(replies, [])
        self.assertIn("the configuration was not loaded", err)

    def scripted(self, *rules):
        """A configuration with the dialog tests' filter in its chain; a verdict that waits comes from a timer."""
        lines = "".join(" rule '%s'\n" % rule for rule in rules)
        return self.configure(chain="script", more="filter script {\n module %s/dialog.so\n deadline 20s\n spool on\n%s}\n"
                              % (os.environ["MW_FILTERS"], lines))

    def test_filter_that_waits(self):
        conf = self.scripted('connect wait continue', 'rcpt:1 wait reject 550 5.7.1 "slowly"', 'end_of_message wait continue')
        replies, err = self.simulate([*ENVELOPE, "RCPT TO:<c@example.test>", "DATA", *MESSAGE, "QUIT"], conf=conf)
        self.assertEqual([r[:3] for r in replies if r[3] == " "], "220 250 250 250 550 354 250 221".split())
        self.assertIn("** connect: script: continue\n", err)
        self.assertRegex(err, r'(?m)^\*\* rcpt <c@example\.test>: script: reject 550 5\.7\.1 "slowly" .*where=\S*a\.conf:\d+$')

    def test_message_in_a_spool_file(self):
        lines = ["Subject: large", "", *["line %d" % i for i in range(100000)], "."]
        replies, err = self.simulate([*ENVELOPE, "DATA", *lines, "QUIT"], conf=self.scripted("end_of_message wait continue"))
        self.assertRegex(replies[-2], r"^250 2\.0\.0 ")
        self.assertIn(" size=%d " % sum(len(line) + 2 for line in lines[:-1]), err)
        self.assertLess(err.count("\n"), 20)

    def test_client_leaves_while_a_filter_waits(self):
        replies, err = self.simulate([*ENVELOPE, "DATA", *MESSAGE], conf=self.scripted("end_of_message wait continue"))
        self.assertRegex(replies[-1], r"^250 ")

    # ---- TLS

    def test_starttls(self):
        cert = self.certificate()
        conf = self.configure(" tls starttls\n certificate %s %s" % cert)
        replies, err = self.simulate(["EHLO x", "STARTTLS", "MAIL FROM:<>", "EHLO x", *ENVELOPE[1:], "DATA", *MESSAGE, "QUIT"], conf=conf)
        self.assertEqual(sum(reply[4:] == "STARTTLS" for reply in replies), 1)
        codes = [r[:3] for r in replies if r[3] == " "]
        self.assertEqual(codes[:4], ["220", "250", "220", "503"])
        self.assertIn("** TLS with the client: simulated as TLSv1.3; go on with EHLO, in the clear\n", err)
        self.assertRegex(err, r"log: message verdict=accept .* proto=ESMTPS tls=TLSv1\.3")

    def test_implicit_tls(self):
        conf = self.configure(" tls implicit\n certificate %s %s" % self.certificate())
        replies, err = self.simulate([*ENVELOPE, "DATA", *MESSAGE, "QUIT"], conf=conf)
        self.assertNotIn("STARTTLS", [reply[4:] for reply in replies])
        self.assertRegex(err, r"log: message verdict=accept .* tls=TLSv1\.3")

    def test_upstream_tls(self):
        for tls in ("opportunistic", "required", "implicit"):
            conf = self.configure(upstream=UPSTREAM.replace(" }", "\n tls %s }" % tls))
            replies, _ = self.simulate([*ENVELOPE, "DATA", *MESSAGE, "QUIT"], conf=conf)
            self.assertRegex(replies[-2], r"^250 2\.0\.0 ", tls)

    def test_own_banner(self):
        conf = self.configure(upstream=UPSTREAM.replace(" }", "\n banner own }"))
        replies, _ = self.simulate([*ENVELOPE, "DATA", *MESSAGE, "QUIT"], conf=conf)
        self.assertNotIn("simulated.invalid", replies[0])
        self.assertRegex(replies[-2], r"^250 2\.0\.0 ")

    def test_xclient_from_a_trusted_peer(self):
        conf = self.configure(" accept-xclient on\n trust 198.51.100.0/24",
                              rules='who: reject 550 5.7.1 "${client.ip}" when rcpt.local == "b"\n')
        replies, err = self.simulate(["EHLO x", "XCLIENT ADDR=203.0.113.9 NAME=[UNAVAILABLE]", *ENVELOPE, "QUIT"], conf=conf)
        self.assertEqual(replies[-2], "550 5.7.1 203.0.113.9")
        self.assertIn("** XCLIENT: another client begins, the filters start over\n", err)

    def certificate(self):
        """Paths of a certificate and its key."""
        directory = harness.temp_dir("simulate-tls")
        paths = tuple(os.path.join(directory, name) for name in ("cert.pem", "key.pem"))
        subprocess.run([harness.tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/CN=mx.example.test", "-addext", "subjectAltName=DNS:mx.example.test", "-days", "2",
                        "-keyout", paths[1], "-out", paths[0]], check=True, capture_output=True)
        return paths

    # ---- a person types

    def test_conversation(self):
        """Replies come while input is open; a time-out of the session ends it."""
        conf = self.configure(" command-timeout 5s")
        process = subprocess.Popen([harness.MAILWEIR, "simulate", "-c", conf, *CLIENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.kill)
        self.assertRegex(process.stdout.readline(), rb"^220 ")
        for command, reply in ((b"HELO x\n", rb"^250 "), (b"MAIL FR", None), (b"OM:<a@example.net>\r\n", rb"^250 2\.1\.0 "),
                               (b"RCPT TO:<nobody@example.test>\n", rb"^550 5\.1\.1 ")):
            process.stdin.write(command)
            process.stdin.flush()
            if reply:
                self.assertRegex(process.stdout.readline(), reply)
        began = time.monotonic()
        self.assertRegex(process.stdout.readline(), rb"^421 4\.4\.2 ")
        self.assertLess(time.monotonic() - began, 60)
        self.assertEqual(process.wait(60), 0)


if __name__ == "__main__":
    harness.main()
