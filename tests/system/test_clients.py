"""Mail from real clients goes through mailweir to a real Postfix and arrives byte-identical below the trace headers;
replies are Postfix's own (smtp.md, law 3; RFC 5321, 1870, 2920, 3030, 6152, 6531)."""
import hashlib
import os
import random
import smtplib
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import postfix  # noqa: E402
from harness import describe, run, tool  # noqa: E402
from smtpline import Client, stuff  # noqa: E402

ALICE, BOB = "alice@example.test", "bob@example.test"
PLAIN = b"From: a@example.net\r\nTo: alice@example.test\r\nSubject: plain\r\nMessage-ID: <1@example.net>\r\n\r\nHello.\r\n"

mta = None
weir = None


def setUpModule():
    global mta, weir
    mta = postfix.start()
    weir = harness.proxy(mta.ports["plain"])


def tearDownModule():
    if weir:
        weir.finish(unittest.TestCase())


class Base(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        mta.settle()
        mta.empty()

    def tearDown(self):
        weir.check_healthy(self)

    def delivered(self, message, user="alice", timeout=20.0):
        """The one message in that mailbox is `message` (CRLF octets)."""
        found = mta.take_one(user, timeout)
        expected = postfix.as_delivered(message)
        if found.rest != expected:
            at = next((i for i, (a, b) in enumerate(zip(found.rest, expected)) if a != b),
                      min(len(found.rest), len(expected)))
            self.fail("delivered message differs at octet %d (lengths %d, expected %d): %r, expected %r"
                      % (at, len(found.rest), len(expected), found.rest[at - 20:at + 40], expected[at - 20:at + 40]))
        return found


class Programs(Base):
    """Other people's SMTP clients."""

    def file(self, octets, name="message.eml"):
        path = os.path.join(harness.temp_dir("clients"), name)
        with open(path, "wb") as file:
            file.write(octets)
        return path

    def test_swaks(self):
        message = PLAIN + b".a dot line\r\n..two\r\n"
        result = run([tool("swaks"), "--server", "127.0.0.1:%d" % weir.port, "--from", "a@example.net", "--to", ALICE,
                      "--helo", "swaks.example.net", "--data", "@" + self.file(message[:-2])])  # swaks adds a CRLF
        self.assertEqual(result.returncode, 0, describe(result))
        self.assertIn("swaks.example.net", self.delivered(message).received)

    def test_swaks_pipelining(self):
        result = run([tool("swaks"), "--server", "127.0.0.1:%d" % weir.port, "--from", "a@example.net", "--to",
                      ALICE + "," + BOB, "--pipeline", "--data", "@" + self.file(PLAIN[:-2])])
        self.assertEqual(result.returncode, 0, describe(result))
        self.delivered(PLAIN)
        self.delivered(PLAIN, "bob")

    def test_swaks_sees_the_refusal(self):
        result = run([tool("swaks"), "--server", "127.0.0.1:%d" % weir.port, "--from", "a@example.net", "--to",
                      "nobody@example.test"])
        self.assertEqual(result.returncode, 24, describe(result))
        self.assertIn(b"550 5.1.1 <nobody@example.test>: Recipient address rejected: User unknown", result.stdout)

    def test_curl(self):
        path = self.file(PLAIN)
        result = run([tool("curl"), "-sS", "--noproxy", "*", "--url",
                      "smtp://127.0.0.1:%d/curl.example.net" % weir.port, "--mail-from", "a@example.net",
                      "--mail-rcpt", ALICE, "--mail-rcpt", BOB, "--upload-file", path])
        self.assertEqual(result.returncode, 0, describe(result))
        self.delivered(PLAIN)
        self.delivered(PLAIN, "bob")

    def test_curl_five_megabytes(self):
        message = PLAIN + big_body(5_000_000)
        result = run([tool("curl"), "-sS", "--noproxy", "*", "--url", "smtp://127.0.0.1:%d" % weir.port,
                      "--mail-from", "a@example.net", "--mail-rcpt", ALICE, "--upload-file", self.file(message)])
        self.assertEqual(result.returncode, 0, describe(result))
        self.delivered(message)

    def test_msmtp(self):
        message = PLAIN.replace(b"\r\n", b"\n") + b".dot\n"
        result = run([tool("msmtp"), "--host=127.0.0.1", "--port=%d" % weir.port, "--auth=off", "--tls=off",
                      "--domain=msmtp.example.net", "--from=a@example.net", ALICE], stdin=message)
        self.assertEqual(result.returncode, 0, describe(result))
        found = mta.take_one()
        # msmtp adds a Date field and writes its own From/Message-ID order: its body is what counts.
        self.assertEqual(found.body, b"Hello.\n.dot\n")
        self.assertEqual(found.header("Subject"), ["plain"])

    def test_smtplib(self):
        with smtplib.SMTP("127.0.0.1", weir.port, "smtplib.example.net", timeout=30) as client:
            for i in range(5):
                refused = client.sendmail("a@example.net", [ALICE, "nobody@example.test"],
                                          PLAIN + b"number %d\r\n" % i, mail_options=["BODY=8BITMIME"])
                self.assertEqual(refused["nobody@example.test"][0], 550)
        bodies = sorted(m.rest for m in mta.take("alice", 5))
        self.assertEqual(bodies, [postfix.as_delivered(PLAIN + b"number %d\r\n" % i) for i in range(5)])

    def test_smtplib_sees_the_size_limit(self):
        with smtplib.SMTP("127.0.0.1", weir.port, timeout=30) as client:
            client.ehlo()
            self.assertEqual(int(client.esmtp_features["size"]), postfix.MESSAGE_LIMIT)
            code, text = client.mail("a@example.net", ["size=%d" % (postfix.MESSAGE_LIMIT + 1)])
            self.assertEqual((code, text[:5]), (552, b"5.3.4"))

    def test_smtp_source(self):
        """Postfix's load generator: parallel sessions, several messages each, and one session with all."""
        for arguments in (["-s", "10", "-m", "50"], ["-d", "-s", "1", "-m", "50"]):
            result = run([tool("smtp-source"), *arguments, "-l", "4000", "-f", "a@example.net", "-t", ALICE,
                          "127.0.0.1:%d" % weir.port])
            self.assertEqual(result.returncode, 0, describe(result))
            found = mta.take("alice", 50, 60)
            self.assertEqual(len(found), 50)
            self.assertTrue(all(len(m.rest) > 4000 for m in found))

    def test_postfix_smtp_client(self):
        """A second Postfix relays everything through mailweir, with PIPELINING, SIZE and BODY=8BITMIME."""
        relay = postfix.Postfix("relay", hostname="relay.example.net", domain="relay.test", services={"plain": ""},
                                more="relayhost = [127.0.0.1]:%d\ndefault_transport = smtp\nrelay_transport = smtp\n"
                                     "smtp_destination_recipient_limit = 10\n" % weir.port)
        try:
            with Client(relay.ports["plain"]) as client:
                client.ehlo()
                for i in range(10):
                    client.cmd("MAIL FROM:<a@example.net> BODY=8BITMIME", 250)
                    for recipient in (ALICE, BOB, "nobody@example.test"):
                        client.cmd("RCPT TO:<%s>" % recipient, 250)
                    self.assertEqual(client.data(PLAIN + b".\r\n..x\r\n\xff%d\r\n" % i).code, 250)
            bodies = sorted(m.body for m in mta.take("alice", 10, 40))
            self.assertEqual(bodies, [b"Hello.\n.\n..x\n\xff%d\n" % i for i in range(10)])
            self.assertEqual(len(mta.take("bob", 10, 40)), 10)
            relay.wait_log(r"to=<alice@example\.test>, relay=127\.0\.0\.1.*status=sent \(250 2\.0\.0 Ok: queued as")
            relay.wait_log(r"to=<nobody@example\.test>.*status=bounced .*550 5\.1\.1 <nobody@example\.test>")
        finally:
            relay.stop()


def big_body(size):
    """Text of that many octets, some of its lines beginning with dots, the same every time."""
    line = (b"." + b"0123456789abcdef" * 4 + b"\r\n") + (b"plain text of sixty octets or so, nothing special......\r\n" * 9)
    return (line * (size // len(line) + 1))[:size - 2].rstrip(b"\r\n") + b"\r\n"


class ByHand(Base):
    """Sessions typed or scripted octet by octet."""

    def session(self, **settings):
        client = Client(weir.port, **settings)
        self.addCleanup(client.close)
        return client

    def test_typed_session(self):
        """HELO only, lower case, a blank after the colon, trailing blanks, no angle brackets."""
        client = self.session()
        self.assertEqual(client.greeting.raw, b"220 mx.example.test ESMTP Postfix\r\n")
        self.assertEqual(client.cmd("helo me").raw, b"250 mx.example.test\r\n")
        self.assertEqual(client.cmd("mail from: <a@example.net>").raw, b"250 2.1.0 Ok\r\n")
        self.assertEqual(client.cmd("Rcpt To: <alice@example.test>   ").raw, b"250 2.1.5 Ok\r\n")
        self.assertEqual(client.cmd("RCPT TO:bob@example.test").code, 250)
        self.assertEqual(client.cmd("data").code, 354)
        self.assertEqual(client.cmd("Subject: typed\r\n\r\nhello\r\n.").code, 250)
        self.assertEqual(client.cmd("quit").raw, b"221 2.0.0 Bye\r\n")
        self.assertTrue(client.at_end())
        self.delivered(b"Subject: typed\r\n\r\nhello\r\n")
        self.delivered(b"Subject: typed\r\n\r\nhello\r\n", "bob")

    def test_commands_ended_by_bare_lf(self):
        """What a person types through a pipe: commands end in LF alone (Postfix takes them, so do we)."""
        client = self.session()
        for line, code in ((b"HELO me\n", 250), (b"MAIL FROM:<a@example.net>\n", 250),
                           (b"RCPT TO:<alice@example.test>\n", 250), (b"DATA\n", 354),
                           (b"Subject: lf\r\n\r\nx\r\n.\r\n", 250), (b"QUIT\n", 221)):
            client.send(line)
            client.expect(code, line)
        self.delivered(b"Subject: lf\r\n\r\nx\r\n")

    def test_several_messages_on_one_connection(self):
        client = self.session()
        client.ehlo()
        for i in range(20):
            client.envelope("a%d@example.net" % i, ALICE)
            if i % 5 == 3:
                client.cmd("RSET", 250)
                client.envelope("b%d@example.net" % i, ALICE)
            self.assertEqual(client.data(PLAIN + b"number %02d\r\n" % i).code, 250)
        self.assertEqual(client.quit().code, 221)
        bodies = sorted(m.rest for m in mta.take("alice", 20))
        self.assertEqual(bodies, [postfix.as_delivered(PLAIN + b"number %02d\r\n" % i) for i in range(20)])

    SCRIPT = (b"EHLO pipe.example.net\r\n",
              b"MAIL FROM:<a@example.net>\r\nRCPT TO:<alice@example.test>\r\nRCPT TO:<nobody@example.test>\r\nDATA\r\n",
              b"Subject: one\r\n\r\n..stuffed\r\nend\r\n.\r\nMAIL FROM:<b@example.net>\r\nRCPT TO:<bob@example.test>\r\n"
              b"NOOP\r\nDATA\r\n",
              b"Subject: two\r\n\r\nsecond\r\n.\r\nRSET\r\nNOOP\r\nQUIT\r\n")
    CODES = [250, 250, 250, 550, 354, 250, 250, 250, 250, 354, 250, 250, 250, 221]

    def check_script(self, client):
        codes = [client.expect().code for _ in self.CODES]
        self.assertEqual(codes, self.CODES)
        self.assertTrue(client.at_end())
        self.delivered(b"Subject: one\r\n\r\n.stuffed\r\nend\r\n")
        self.delivered(b"Subject: two\r\n\r\nsecond\r\n", "bob")

    def test_pipelined_groups(self):
        """RFC 2920 3.1: groups of commands in one write each."""
        client = self.session()
        codes = []
        for i, group in enumerate(self.SCRIPT):
            client.send(group)
            codes += [client.expect().code for _ in range((1, 4, 5, 4)[i])]
        self.assertEqual(codes, self.CODES)
        self.assertTrue(client.at_end())
        self.delivered(b"Subject: one\r\n\r\n.stuffed\r\nend\r\n")
        self.delivered(b"Subject: two\r\n\r\nsecond\r\n", "bob")

    def test_whole_script_in_one_packet(self):
        client = self.session()
        client.send(b"".join(self.SCRIPT))
        self.check_script(client)

    def test_whole_script_then_half_closed(self):
        """`nc -N` and the like: everything is sent, then the sending side is closed, the replies are awaited."""
        client = self.session()
        client.send(b"".join(self.SCRIPT))
        client.socket.shutdown(socket.SHUT_WR)
        self.check_script(client)

    def test_byte_by_byte(self):
        client = self.session()
        client.send_slowly(b"".join(self.SCRIPT))
        self.check_script(client)

    def test_split_in_random_places(self):
        script = b"".join(self.SCRIPT)
        for seed in range(10):
            with self.subTest(seed=seed):
                dice = random.Random(seed)
                client = self.session()
                at = 0
                while at < len(script):
                    step = dice.randrange(1, 60)
                    client.send(script[at:at + step])
                    at += step
                self.check_script(client)
                mta.settle()

    def test_bdat(self):
        """RFC 3030: counted octets, whatever they are; CRLF.CRLF inside is content."""
        message = b"Subject: bdat\r\n\r\n.\r\n.\r\nQUIT\r\n.dot\r\nend\r\n"
        client = self.session()
        client.ehlo()
        client.envelope("a@example.net", ALICE)
        client.send(b"BDAT %d LAST\r\n" % len(message) + message)
        self.assertEqual(client.expect().code, 250)
        client.envelope("a@example.net", BOB)
        for i in range(0, len(message), 7):
            chunk = message[i:i + 7]
            client.send(b"BDAT %d\r\n" % len(chunk) + chunk)
            self.assertEqual(client.expect().code, 250)
        self.assertEqual(client.cmd("BDAT 0 LAST").code, 250)
        client.quit()
        self.delivered(message)
        self.delivered(message, "bob")

    def test_bdat_pipelined(self):
        message = b"Subject: bdat\r\n\r\npipelined\r\n"
        client = self.session()
        client.ehlo()
        client.send(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<alice@example.test>\r\nBDAT 10\r\n" + message[:10] +
                    b"BDAT %d LAST\r\n" % (len(message) - 10) + message[10:] + b"NOOP\r\nQUIT\r\n")
        self.assertEqual([client.expect().code for _ in range(6)], [250, 250, 250, 250, 250, 221])
        self.delivered(message)

    def test_eight_bit(self):
        message = b"Subject: caf\xc3\xa9\r\nX-Raw: \xff\xfe\x80\r\n\r\n" + bytes(range(128, 256)) + b"\r\n"
        client = self.session()
        client.ehlo()
        client.cmd("MAIL FROM:<a@example.net> BODY=8BITMIME", 250)
        client.cmd("RCPT TO:<alice@example.test>", 250)
        self.assertEqual(client.data(message).code, 250)
        self.delivered(message)

    def test_every_octet_but_line_ends(self):
        """Control characters, NUL left out, pass untouched."""
        message = b"Subject: octets\r\n\r\n" + bytes(i for i in range(1, 256) if i not in (10, 13)) + b"\r\n"
        client = self.session()
        client.ehlo()
        client.envelope("a@example.net", ALICE)
        self.assertEqual(client.data(message).code, 250)
        self.delivered(message)

    def test_smtputf8(self):
        client = self.session()
        client.ehlo()
        self.assertEqual(client.cmd("MAIL FROM:<jos\u00e9@example.net> SMTPUTF8 BODY=8BITMIME").code, 250)
        client.cmd("RCPT TO:<alice@example.test>", 250)
        message = "Subject: J\u00fcrgen \u4f60\u597d\r\n\r\n\u00e4\r\n".encode()
        self.assertEqual(client.data(message).code, 250)
        found = self.delivered(message)
        self.assertIn("Return-Path: <jos\u00e9@example.net>".encode(), found.trace)

    def test_dot_lines(self):
        message = b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n\r\n.\r\n\r\n. \r\n.\t.\r\nx.\r\n"
        client = self.session()
        client.ehlo()
        client.envelope("a@example.net", ALICE)
        self.assertEqual(client.data(message).code, 250)
        self.delivered(message)

    def test_message_that_begins_with_a_dot(self):
        client = self.session()
        client.ehlo()
        client.envelope("a@example.net", ALICE)
        self.assertEqual(client.data(b".\r\nx\r\n").code, 250)
        # Not a header, so Postfix puts an empty line in front: same as for a direct client.
        self.assertEqual(mta.take_one().rest.lstrip(b"\n"), b".\nx\n")

    def test_empty_message(self):
        """Nothing at all between DATA and the dot; header only; empty line only."""
        for content in (b"", b"Subject: header only\r\n", b"\r\n", b"Subject: x\r\n\r\n"):
            with self.subTest(content=content):
                client = self.session()
                client.ehlo()
                client.envelope("a@example.net", ALICE)
                client.cmd("DATA", 354)
                self.assertEqual(client.cmd(content + b".").code, 250)
                client.quit()
                self.assertEqual(mta.take_one().rest.strip(b"\n"), postfix.as_delivered(content).strip(b"\n"))
                mta.settle()

    def test_long_lines(self):
        """Far beyond RFC 5321's 998 octets: content is not ours to fold or refuse."""
        message = b"Subject: long\r\n\r\n" + b"x" * 5000 + b"\r\n." + b"y" * 100_000 + b"\r\nend\r\n"
        client = self.session()
        client.ehlo()
        client.envelope("a@example.net", ALICE)
        self.assertEqual(client.data(message).code, 250)
        self.delivered(message)

    def test_folded_and_odd_headers(self):
        message = (b"Subject: folded\r\n  twice\r\n\tand once\r\nX-Empty:\r\nx-LOWER:no blank\r\n"
                   b"X-Trail: blanks  \t \r\nX-Long: " + b"z" * 3000 + b"\r\nSubject: again\r\n\r\nbody  \r\n\r\n\r\n")
        client = self.session()
        client.ehlo()
        client.envelope("a@example.net", ALICE)
        self.assertEqual(client.data(message).code, 250)
        self.delivered(message)

    def test_body_without_header(self):
        client = self.session()
        client.ehlo()
        client.envelope("a@example.net", ALICE)
        self.assertEqual(client.data(b"just text, no colon\r\nmore\r\n").code, 250)
        self.assertEqual(mta.take_one().rest.lstrip(b"\n"), b"just text, no colon\nmore\n")

    def send_big(self, size):
        message = b"Subject: big\r\n\r\n" + big_body(size)
        client = self.session(timeout=60)
        client.ehlo()
        client.cmd("MAIL FROM:<a@example.net> SIZE=%d" % len(message), 250)
        client.cmd("RCPT TO:<alice@example.test>", 250)
        self.assertEqual(client.data(message).code, 250)
        found = mta.take_one(timeout=60)
        self.assertEqual(len(found.rest), len(postfix.as_delivered(message)))
        self.assertEqual(hashlib.sha256(found.rest).hexdigest(),
                         hashlib.sha256(postfix.as_delivered(message)).hexdigest())

    def test_one_megabyte(self):
        self.send_big(1_000_000)

    def test_ten_megabytes(self):
        self.send_big(10_000_000)

    def test_larger_than_the_upstream_takes(self):
        """552 by whoever notices first; nothing is delivered; the session goes on."""
        message = b"Subject: too big\r\n\r\n" + big_body(postfix.MESSAGE_LIMIT + 100_000)
        client = self.session(timeout=60)
        client.ehlo()
        client.envelope("a@example.net", ALICE)
        reply = client.data(message)
        self.assertEqual((reply.code, reply.dsn), (552, "5.3.4"), reply)
        client.envelope("a@example.net", BOB)
        self.assertEqual(client.data(PLAIN).code, 250)
        self.delivered(PLAIN, "bob")
        mta.settle()
        self.assertEqual(mta.count("alice"), 0)

    def test_many_recipients(self):
        client = self.session()
        client.ehlo()
        client.cmd("MAIL FROM:<a@example.net>", 250)
        client.send(b"".join(b"RCPT TO:<%s@example.test>\r\n" % (b"alice" if i % 2 else b"nobody%d" % i)
                             for i in range(60)))
        codes = [client.expect().code for _ in range(60)]
        self.assertEqual(codes, [250 if i % 2 else 550 for i in range(60)])
        self.assertEqual(client.data(PLAIN).code, 250)
        self.delivered(PLAIN)

    def test_parallel_sessions(self):
        """Sixty sessions open at once, each in the middle of something else."""
        clients = [self.session() for _ in range(60)]
        for client in clients:
            client.ehlo()
        for i, client in enumerate(clients):
            client.envelope("a%d@example.net" % i, ALICE)
        for client in clients:
            client.cmd("DATA", 354)
        for i, client in enumerate(reversed(clients)):
            client.send(b"Subject: %02d\r\n\r\nx\r\n.\r\n" % i)
        for client in clients:
            self.assertEqual(client.expect().code, 250)
        subjects = sorted(m.header("Subject")[0] for m in mta.take("alice", 60))
        self.assertEqual(subjects, ["%02d" % i for i in range(60)])


class SameReplies(Base):
    """Replies are Postfix's own: the same script, straight and through mailweir, gives the same octets. What mailweir answers
    itself (smtp.md) is left out here; its codes must agree with Postfix's, checked with `codes`."""

    SAME = [
        "EHLO client.example.net", "HELO client.example.net", "EHLO client.example.net",
        "NOOP", "NOOP with words", "RSET", "VRFY alice@example.test", "VRFY nobody@example.test", "VRFY",
        "ETRN example.test", "HELP",
        "MAIL FROM:<a@example.net>", "RCPT TO:<nobody@example.test>", "RCPT TO:<defer@example.test>",
        "RCPT TO:<refuse@example.test>", "RCPT TO:<alice@example.test>", "RCPT TO:<alice@example.test> NOTIFY=NEVER",
        "NOOP", "RSET", "MAIL FROM:<>", "RCPT TO:<alice@example.test>", "RSET",
        "MAIL FROM:<a@example.net> SIZE=99999999", "MAIL FROM:<a@example.net> BODY=8BITMIME SIZE=100", "RSET",
        "MAIL FROM:<a@example.net> RET=HDRS ENVID=x1", "RSET", "MAIL FROM:<a@example.net> BODY=9BIT",
        "MAIL FROM:<a@example.net> FOO=bar", "MAIL FROM:<blocked@example.org>", "RCPT TO:<alice@example.test>", "RSET",
        "mail from:<a@example.net>", "rcpt to:<\"quoted local\"@example.test>", "rcpt to:<Alice@Example.TEST>", "rset",
        "MAIL FROM:<\"a b\"@example.net>", "RCPT TO:<@relay.test:alice@example.test>", "RCPT TO:<alice@[127.0.0.1]>",
        "RSET", "MAIL FROM:a@example.net", "RCPT TO:alice@example.test", "RSET", "QUIT",
    ]
    CODES = [
        "MAIL", "RCPT TO:<alice@example.test>", "DATA", "EHLO", "HELO", "EHLO client.example.net", "FOO", "FOO bar baz",
        "RCPT TO:<alice@example.test>", "DATA", "MAIL FROM:", "MAIL TO:<a@example.net>", "MAIL FROM:<a@example.net>",
        "MAIL FROM:<b@example.net>", "RCPT", "RCPT TO:", "RCPT FROM:<x@example.test>", "DATA", "STARTTLS",
        "AUTH PLAIN", "RSET", "QUIT",
    ]

    def play(self, port, script):
        with Client(port) as client:
            replies = [client.greeting.raw]
            for line in script:
                reply = client.cmd(line)
                if reply is None:
                    replies.append(b"(closed)")
                    break
                replies.append(postfix.normalize_reply(reply.raw))
            return replies

    def test_same_octets(self):
        straight = self.play(mta.ports["plain"], self.SAME)
        through = self.play(weir.port, self.SAME)
        self.assertEqual((len(straight), len(through)), (len(self.SAME) + 1,) * 2)
        for line, one, other in zip(["(connect)", *self.SAME], straight, through):
            with self.subTest(command=line):
                self.assertEqual(other, one)

    def test_same_codes(self):
        straight = self.play(mta.ports["plain"], self.CODES)
        through = self.play(weir.port, self.CODES)
        self.assertEqual((len(straight), len(through)), (len(self.CODES) + 1,) * 2)
        for line, one, other in zip(["(connect)", *self.CODES], straight, through):
            with self.subTest(command=line, straight=one, through=other):
                self.assertEqual(other[:1], one[:1])

    def test_message_replies(self):
        """354, 250 after the dot and 554 without recipients are Postfix's words."""
        def script(port):
            with Client(port) as client:
                client.ehlo()
                client.cmd("MAIL FROM:<a@example.net>", 250)
                client.cmd("RCPT TO:<nobody@example.test>", 550)
                out = [client.cmd("DATA").raw]
                client.cmd("RCPT TO:<alice@example.test>", 250)
                out += [client.cmd("DATA").raw, client.cmd(b"Subject: x\r\n\r\n.").raw, client.cmd("QUIT").raw]
                return [postfix.normalize_reply(r) for r in out]
        self.assertEqual(script(weir.port), script(mta.ports["plain"]))

    def test_stuffing_helper(self):
        """The test's own stuffing is right."""
        self.assertEqual(stuff(b".a\r\n.\r\nb\r\n"), b"..a\r\n..\r\nb\r\n")


if __name__ == "__main__":
    harness.main()
