"""`mailweir sink` as its users see it: smtplib, plain sockets, files in a Maildir. Usage: test_sink.py MAILWEIR [unittest options]"""
import os
import pathlib
import shutil
import signal
import smtplib
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

BINARY = None
PATIENCE_S = 60  # what hangs is told of; no machine is so busy that it comes to that
MESSAGE = b"Subject: hello\r\nFrom: a@example.net\r\n\r\n.one dot\r\n..two dots\r\n.\r\nlast line\r\n"


class Sink:
    """A sink process with a Maildir of its own."""

    def __init__(self, *options, discard=False):
        self.folder = tempfile.mkdtemp(prefix="mw-sink-")
        self.maildir = os.path.join(self.folder, "Maildir")
        where = ["--discard"] if discard else ["--maildir", self.maildir]
        self.process = subprocess.Popen([BINARY, "sink", "--listen", "127.0.0.1:0", *where, *options],
                                        stderr=subprocess.PIPE)
        ready = self.process.stderr.readline().decode().split()
        assert ready[:1] == ["READY"], ready
        self.port = int(ready[1].rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.stop()
        self.process.stderr.close()
        shutil.rmtree(self.folder)

    def stop(self):
        """SIGTERM; returns what was printed after READY. The exit status must be 0: a sanitizer would change it."""
        self.process.send_signal(signal.SIGTERM)
        lines = self.process.stderr.read().decode().splitlines()
        status = self.process.wait(timeout=PATIENCE_S)
        assert status == 0, (status, lines)
        return lines

    def smtp(self):
        return smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.example.net", timeout=PATIENCE_S)

    def raw(self):
        return Raw(self.port)

    def files(self):
        return [path.read_bytes() for path in sorted(pathlib.Path(self.maildir, "new").iterdir())]

    def leftovers(self):
        return os.listdir(os.path.join(self.maildir, "tmp"))


class Raw:
    """A client that writes octets and reads replies."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.file.close()
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets)

    def reply(self):
        """The code and all lines of one reply; 0 at the end of the connection."""
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                return 0, b"".join(lines)
            lines.append(line)
            if line[3:4] != b"-":
                return int(line[:3]) if line[:3].isdigit() else -1, b"".join(lines)

    def say(self, line):
        self.send(line + b"\r\n")
        return self.reply()[0]

    def codes(self, count):
        return [self.reply()[0] for _ in range(count)]

    def ready(self):
        """Greeting, EHLO, MAIL, RCPT."""
        codes = [self.reply()[0], self.say(b"EHLO client.example.net"), self.say(b"MAIL FROM:<a@example.net>"),
                 self.say(b"RCPT TO:<b@example.test>")]
        assert codes == [220, 250, 250, 250], codes


class Storing(unittest.TestCase):
    def test_smtplib_message_is_stored_with_lines_on_top(self):
        with Sink("--banner", "mx.weir.test") as sink:
            with sink.smtp() as client:
                client.sendmail("a@example.net", ["b@example.test", "c@example.test"], MESSAGE)
            lines = sink.stop()
            (stored,) = sink.files()
            self.assertEqual(sink.leftovers(), [])
            head, body = stored.split(b"Subject:", 1)
            self.assertEqual(b"Subject:" + body, MESSAGE.replace(b"\r\n", b"\n"))
            self.assertTrue(head.startswith(b"Return-Path: <a@example.net>\nDelivered-To: b@example.test\n"
                                            b"Delivered-To: c@example.test\nReceived: from client.example.net "
                                            b"(unknown [127.0.0.1]:"), head)
            self.assertIn(b"by mx.weir.test (mailweir sink) with ESMTP id ", head)
            self.assertIn("nrcpt=2 from=<a@example.net> to=<b@example.test>", lines[0])

    def test_raw_keeps_every_octet(self):
        content = bytes(range(256)) * 40 + b"\r\r\n\n\r\nbare\nlf\rcr\x00\r\n"
        with Sink("--raw") as sink, sink.raw() as client:
            client.ready()
            self.assertEqual(client.say(b"DATA"), 354)
            client.send(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            self.assertEqual(client.reply()[0], 250)
            self.assertEqual(sink.files(), [content])

    def test_reply_names_the_file_that_is_there(self):
        with Sink() as sink, sink.raw() as client:
            client.ready()
            client.say(b"DATA")
            client.send(b"x\r\n.\r\n")
            code, text = client.reply()
            name = text.decode().rstrip().rsplit(" ", 1)[1]
            self.assertEqual(code, 250)
            self.assertTrue(os.path.exists(os.path.join(sink.maildir, "new", name)))

    def test_cut_at_every_octet_gives_the_same(self):
        wire = b"..a\r\n.\rb\r\n...\r\n\r\n.x\r\r\n.\r\n"
        want = b".a\r\n\rb\r\n..\r\n\r\nx\r\r\n"
        with Sink("--raw", "--no-fsync") as sink, sink.raw() as client:
            client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.ready()
            for cut in range(len(wire)):
                self.assertEqual(client.say(b"DATA"), 354)
                client.send(wire[:cut])
                time.sleep(0.002)
                client.send(wire[cut:])
                self.assertEqual(client.reply()[0], 250)
                self.assertEqual([client.say(b"MAIL FROM:<>"), client.say(b"RCPT TO:<b@example.test>")], [250, 250])
            self.assertEqual(set(sink.files()), {want})
            self.assertEqual(len(sink.files()), len(wire))

    def test_a_short_run_before_a_long_one_stays_before_it(self):
        """Dots cut a read into runs; one of 40 kB once went to the file before the 20 octets in front of it."""
        for front in (1, 100, 20000):
            with self.subTest(front=front), Sink("--raw", "--no-fsync") as sink, sink.raw() as client:
                content = b"a" * front + b"\r\n." + b"b" * 40000 + b"\r\n"
                client.ready()
                client.say(b"DATA")
                client.send(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
                self.assertEqual(client.reply()[0], 250)
                self.assertTrue(sink.files() == [content])  # assertEqual would compare them for minutes

    def test_only_crlf_dot_crlf_ends_the_data(self):
        for fake in (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r", b"\r\n.\n", b"\r.\r\n", b"\r\n\x00.\r\n", b"\r\n.\x00\r\n"):
            with self.subTest(fake=fake), Sink("--raw", "--no-fsync") as sink, sink.raw() as client:
                client.ready()
                client.say(b"DATA")
                client.send(b"x" + fake + b"MAIL FROM:<evil@example.net>\r\n.\r\n")
                self.assertEqual(client.reply()[0], 250)
                self.assertEqual(len(sink.files()), 1)
                self.assertIn(b"MAIL FROM:<evil@example.net>", sink.files()[0])

    def test_bdat_chunks_are_counted(self):
        with Sink("--raw") as sink, sink.raw() as client:
            client.ready()
            client.send(b"BDAT 5\r\n.\r\n.\rBDAT 0\r\nBDAT 7 LAST\r\n\nQUIT\r\nQUIT\r\n")
            self.assertEqual(client.codes(4), [250, 250, 250, 221])
            self.assertEqual(sink.files(), [b".\r\n.\r\nQUIT\r\n"])

    def test_large_message_is_stored(self):
        content = (b"x" * 998 + b"\r\n") * 6000
        with Sink("--raw") as sink, sink.raw() as client:
            client.ready()
            client.say(b"DATA")
            client.send(content + b".\r\n")
            self.assertEqual(client.reply()[0], 250)
            self.assertEqual(sink.files(), [content])

    def test_discard_stores_nothing(self):
        with Sink(discard=True) as sink, sink.raw() as client:
            client.ready()
            client.say(b"DATA")
            client.send(MESSAGE + b".\r\n")
            self.assertEqual(client.reply()[0], 250)
            self.assertFalse(os.path.exists(sink.maildir))

    def test_message_cut_off_leaves_nothing(self):
        with Sink() as sink:
            with sink.raw() as client:
                client.ready()
                client.say(b"DATA")
                client.send(b"half a message\r\n")
                time.sleep(0.05)
            sink.stop()
            self.assertEqual((sink.files(), sink.leftovers()), ([], []))

    def test_too_big_is_refused_and_the_session_goes_on(self):
        with Sink("--max-size", "1000") as sink, sink.raw() as client:
            client.ready()
            client.say(b"DATA")
            client.send(b"x" * 100000 + b"\r\n.\r\n")
            self.assertEqual(client.reply()[0], 552)
            self.assertEqual(client.say(b"MAIL FROM:<a@example.net> SIZE=1001"), 552)
            self.assertEqual(client.say(b"MAIL FROM:<a@example.net> SIZE=1000"), 250)
            self.assertEqual((sink.files(), sink.leftovers()), ([], []))

    def test_unwritable_maildir_gets_a_temporary_refusal(self):
        with Sink() as sink, sink.raw() as client:
            client.ready()
            shutil.rmtree(os.path.join(sink.maildir, "tmp"))
            self.assertEqual(client.say(b"DATA"), 451)
            self.assertEqual(client.say(b"NOOP"), 250)

    def test_sigterm_while_storing_loses_nothing_acknowledged(self):
        with Sink() as sink:
            clients = [sink.raw() for _ in range(5)]
            for client in clients:
                client.ready()
                client.say(b"DATA")
                client.send(b"x\r\n.\r\n")
            sink.process.send_signal(signal.SIGTERM)
            acknowledged = sum(client.reply()[0] == 250 for client in clients)
            self.assertEqual(sink.process.wait(timeout=PATIENCE_S), 0)
            self.assertGreaterEqual(len(sink.files()), acknowledged)
            self.assertEqual(sink.leftovers(), [])
            for client in clients:
                client.__exit__()


class Dialogue(unittest.TestCase):
    def test_pipelined_session_is_answered_in_order(self):
        with Sink() as sink, sink.raw() as client:
            client.send(b"EHLO x\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.test>\r\nDATA\r\nx\r\n.\r\n"
                        b"MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\nRSET\r\nNOOP\r\nQUIT\r\n")
            self.assertEqual(client.codes(12), [220, 250, 250, 250, 354, 250, 250, 250, 250, 250, 221, 0])
            self.assertEqual(len(sink.files()), 1)

    def test_half_closed_client_gets_all_replies(self):
        with Sink() as sink, sink.raw() as client:
            client.send(b"EHLO x\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.test>\r\nDATA\r\nx\r\n.\r\nNOOP\r\n")
            client.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(client.codes(8), [220, 250, 250, 250, 354, 250, 250, 0])

    def test_octet_by_octet(self):
        with Sink() as sink, sink.raw() as client:
            client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for octet in b"EHLO x\r\nMAIL FROM:<a@example.net>\r\nQUIT\r\n":
                client.send(bytes([octet]))
            self.assertEqual(client.codes(5), [220, 250, 250, 221, 0])

    def test_ehlo_lists_what_is_offered(self):
        with Sink() as sink, sink.smtp() as client:
            client.ehlo()
            self.assertEqual(set(client.esmtp_features), {"size", "8bitmime", "smtputf8", "dsn", "enhancedstatuscodes",
                                                          "pipelining", "chunking"})
        with Sink("--no-pipelining", "--no-chunking", "--xclient") as sink, sink.smtp() as client:
            client.ehlo()
            self.assertEqual(set(client.esmtp_features), {"size", "8bitmime", "smtputf8", "dsn", "enhancedstatuscodes",
                                                          "xclient"})
            self.assertEqual(client.docmd("BDAT 0 LAST")[0], 502)

    def test_helo_only_and_lenient_paths(self):
        with Sink() as sink, sink.raw() as client:
            self.assertEqual(client.reply()[0], 220)
            self.assertEqual(client.say(b"HELO x"), 250)
            self.assertEqual(client.say(b"mail from: <a@example.net>"), 250)
            self.assertEqual(client.say(b"Rcpt To:b@example.test"), 250)
            self.assertEqual(client.say(b"DATA"), 354)
            client.send(b"x\r\n.\r\n")
            self.assertEqual(client.reply()[0], 250)
            self.assertIn(b"with SMTP id", sink.files()[0])
            self.assertEqual(client.say(b"MAIL FROM:<a@example.net> SIZE=1"), 555)

    def test_sequence_and_syntax(self):
        steps = [(b"MAIL FROM:<a@example.net>", 503), (b"EHLO", 501), (b"EHLO x", 250), (b"RCPT TO:<b@x>", 503),
                 (b"DATA", 503), (b"MAIL", 501), (b"MAIL FROM:<a@example.net> FOO=1", 555), (b"MAIL FROM:<a@example.net>", 250),
                 (b"MAIL FROM:<a@example.net>", 503), (b"DATA", 554), (b"RCPT TO:<>", 501), (b"RCPT TO:<b@x> NOTIFY=NEVER", 250),
                 (b"VRFY b", 252), (b"HELP", 214), (b"STARTTLS", 502), (b"AUTH PLAIN", 502), (b"XCLIENT ADDR=192.0.2.1", 550),
                 (b"FROB", 502), (b"DATA x", 501), (b"RSET", 250), (b"NOOP x", 250), (b"x" * 5000, 500), (b"NOOP", 250),
                 (b"NO\x00OP", 500), (b"QUIT", 221)]
        with Sink() as sink, sink.raw() as client:
            self.assertEqual(client.reply()[0], 220)
            for line, code in steps:
                self.assertEqual(client.say(line), code, line)
            self.assertEqual(client.reply()[0], 0)

    def test_bdat_refused_reads_its_octets(self):
        with Sink() as sink, sink.raw() as client:
            client.send(b"EHLO x\r\nBDAT 6\r\nQUIT\r\nMAIL FROM:<a@example.net>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"
                        b"RCPT TO:<b@x>\r\nBDAT 1\r\nxRCPT TO:<c@x>\r\nDATA\r\nRSET\r\nBDAT -1\r\n")
            self.assertEqual(client.codes(13), [220, 250, 503, 250, 554, 250, 250, 250, 503, 503, 250, 521, 0])

    def test_too_many_errors_end_the_session(self):
        with Sink() as sink, sink.raw() as client:
            client.send(b"FROB\r\n" * 100)
            codes = client.codes(22)
            self.assertEqual(codes, [220] + [502] * 19 + [421, 0])

    def test_too_many_sessions_are_refused(self):
        with Sink("--max-sessions", "2") as sink, sink.raw() as one, sink.raw() as two, sink.raw() as three:
            self.assertEqual([one.reply()[0], two.reply()[0], three.reply()[0], three.reply()[0]], [220, 220, 421, 0])
            one.say(b"QUIT")
            self.assertEqual(one.reply()[0], 0)
            codes, end = [], time.monotonic() + PATIENCE_S
            while codes[-1:] != [220] and time.monotonic() < end:  # its place is free soon
                with sink.raw() as four:
                    codes.append(four.reply()[0])
            self.assertEqual(codes[-1], 220)
            self.assertLessEqual(set(codes[:-1]), {421})

    def test_too_many_recipients_are_refused(self):
        with Sink() as sink, sink.raw() as client:
            client.ready()
            client.send(b"".join(b"RCPT TO:<r%d@example.test>\r\n" % i for i in range(1000)))
            self.assertEqual(client.codes(1000), [250] * 999 + [452])

    def test_client_that_does_not_read_is_held(self):
        with Sink() as sink, sink.raw() as client:
            client.socket.settimeout(0.5)
            sent = 0
            try:
                while sent < 200 * 1024 * 1024:
                    client.send(b"NOOP\r\n" * 10000)
                    sent += 60000
            except socket.timeout:
                pass
            self.assertLess(sent, 100 * 1024 * 1024)
            pages = int(pathlib.Path(f"/proc/{sink.process.pid}/statm").read_text().split()[1])
            if b"__asan_init" not in pathlib.Path(BINARY).read_bytes():
                self.assertLess(pages * os.sysconf("SC_PAGE_SIZE"), 40e6)

    def test_idle_session_is_ended(self):
        with Sink("--idle-timeout", "300") as sink, sink.raw() as client:
            self.assertEqual(client.codes(3), [220, 421, 0])


class OnRequest(unittest.TestCase):
    def test_each_stage_refuses(self):
        script = [("helo", b"EHLO x"), ("mail", b"MAIL FROM:<a@x>"), ("rcpt", b"RCPT TO:<b@x>"), ("data", b"DATA"),
                  ("eod", b"x\r\n."), ("rset", b"RSET"), ("noop", b"NOOP")]
        good = [250, 250, 250, 354, 250, 250, 250]
        for at, (stage, _) in enumerate(script):
            with self.subTest(stage=stage), Sink("--fail", stage + "=451") as sink, sink.raw() as client:
                self.assertEqual(client.reply()[0], 220)
                for i, (_, line) in enumerate(script[:at + 1]):
                    self.assertEqual(client.say(line), 451 if i == at else good[i])
                self.assertEqual(client.say(b"QUIT"), 221)
                self.assertEqual((sink.files() if stage == "eod" else [], sink.leftovers()), ([], []))

    def test_connect_refused_closed_and_hung(self):
        for what, codes in (("554", [554, 0]), ("close", [0]), ("garbage", [-1, 0])):
            with self.subTest(what=what), Sink("--fail", "connect=" + what) as sink, sink.raw() as client:
                self.assertEqual(client.codes(len(codes)), codes)
        with Sink("--fail", "connect=hang") as sink, sink.raw() as client:
            client.socket.settimeout(0.3)
            self.assertRaises(socket.timeout, client.socket.recv, 1)

    def test_stage_closes_hangs_or_talks_nonsense(self):
        with Sink("--fail", "data=close") as sink, sink.raw() as client:
            client.ready()
            self.assertEqual(client.say(b"DATA"), 0)
        with Sink("--fail", "mail=garbage") as sink, sink.raw() as client:
            self.assertEqual([client.reply()[0], client.say(b"EHLO x"), client.say(b"MAIL FROM:<>")], [220, 250, -1])
        with Sink("--fail", "eod=hang") as sink, sink.raw() as client:
            client.ready()
            client.say(b"DATA")
            client.send(b"x\r\n.\r\nNOOP\r\n")
            client.socket.settimeout(0.3)
            self.assertRaises(socket.timeout, client.socket.recv, 1)

    def test_421_ends_the_session(self):
        with Sink("--fail", "rcpt=421") as sink, sink.raw() as client:
            client.send(b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nNOOP\r\n")
            self.assertEqual(client.codes(5), [220, 250, 250, 421, 0])

    def test_one_recipient_is_refused(self):
        with Sink("--fail", "rcpt:Unknown@=550") as sink, sink.smtp() as client:
            refused = client.sendmail("a@example.net", ["unknown@example.test", "b@example.test"], MESSAGE)
            self.assertEqual(list(refused), ["unknown@example.test"])
            self.assertNotIn(b"unknown@", sink.files()[0])

    def test_delayed_reply_keeps_the_order(self):
        with Sink("--delay", "mail=1500", "--delay", "eod=1500") as sink, sink.raw() as client:
            begin = time.monotonic()
            client.send(b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n")
            self.assertEqual(client.codes(2), [220, 250])
            self.assertLess(time.monotonic() - begin, 1.4)
            self.assertEqual(client.codes(6), [250, 250, 354, 250, 221, 0])
            self.assertGreater(time.monotonic() - begin, 2.98)

    def test_client_gone_during_a_delay(self):
        with Sink("--delay", "eod=100") as sink:
            with sink.raw() as client:
                client.ready()
                client.say(b"DATA")
                client.send(b"x\r\n.\r\n")
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            time.sleep(0.3)
            with sink.raw() as client:
                self.assertEqual(client.reply()[0], 220)

    def test_pipelining_without_leave_is_noticed(self):
        with Sink("--no-pipelining") as sink, sink.raw() as client:
            client.reply()
            client.send(b"EHLO x\r\nNOOP\r\n")
            self.assertEqual(client.codes(3), [250, 421, 0])
            self.assertIn("broken rule", sink.stop()[0])
        with Sink("--no-pipelining") as sink, sink.raw() as client:
            client.ready()
            client.send(b"BDAT 1\r\nxBDAT 1 LAST\r\nx")
            self.assertEqual(client.codes(2), [250, 421])
        with Sink("--no-pipelining") as sink, sink.smtp() as client:
            client.sendmail("a@example.net", ["b@example.test"], MESSAGE)


class Identity(unittest.TestCase):
    def test_xclient_changes_who_the_client_is(self):
        with Sink("--xclient") as sink, sink.raw() as client:
            client.reply()
            client.say(b"EHLO proxy")
            self.assertEqual(client.say(b"XCLIENT ADDR=IPV6:2001:db8::7 PORT=41001 NAME=real.example.net HELO=real "
                                        b"PROTO=ESMTP LOGIN=joe+2Bx DESTADDR=192.0.2.1 DESTPORT=25 REVERSE_NAME=[unavailable]"), 220)
            self.assertEqual(client.say(b"MAIL FROM:<a@x>"), 503)
            self.assertEqual(client.say(b"EHLO real.example.net"), 250)
            self.assertEqual(client.say(b"XCLIENT ADDR=192.0.2.9"), 550)
            client.send(b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\nx\r\n.\r\n")
            self.assertEqual(client.codes(4), [250, 250, 354, 250])
            self.assertIn(b"from real.example.net (real.example.net [2001:db8::7]:41001)\n\t(authenticated as joe+x)",
                          sink.files()[0])
            self.assertIn("client=real.example.net[2001:db8::7]:41001", sink.stop()[0])

    def test_xclient_is_checked_whole(self):
        bad = [b"", b"ADDR", b"ADDR=", b"FOO=x", b"ADDR=2001:db8::7", b"ADDR=IPV6:192.0.2.1", b"ADDR=[192.0.2.1]",
               b"PORT=x", b"PORT=65536", b"PROTO=LMTP", b"NAME=+ZZ", b"NAME=" + b"x" * 256, b"NAME=ok ADDR=bad"]
        with Sink("--xclient") as sink, sink.raw() as client:
            client.reply()
            for arg in bad[:9]:
                self.assertEqual(client.say(b"XCLIENT " + arg), 501, arg)
        with Sink("--xclient") as sink, sink.raw() as client:
            client.reply()
            for arg in bad[9:]:
                self.assertEqual(client.say(b"XCLIENT " + arg), 501, arg)
            client.say(b"EHLO x")
            client.say(b"MAIL FROM:<>")
            self.assertEqual(client.say(b"XCLIENT ADDR=192.0.2.1"), 503)

    def test_proxy_header_is_required_and_believed(self):
        with Sink("--proxy") as sink:
            with sink.raw() as client:
                client.send(b"PROXY TCP4 198.51.100.7 192.0.2.1 41001 25\r\nEHLO x\r\n")
                self.assertEqual(client.codes(2), [220, 250])
            with sink.raw() as client:
                client.send(b"EHLO x\r\n")
                self.assertEqual(client.codes(2), [421, 0])
            with sink.raw() as client:
                pair = socket.inet_aton("198.51.100.8") + socket.inet_aton("192.0.2.1") + struct.pack(">HH", 41002, 25)
                header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(">H", len(pair)) + pair
                client.send(header[:10])
                time.sleep(0.02)
                client.send(header[10:])
                self.assertEqual(client.reply()[0], 220)
            lines = sink.stop()
            self.assertIn("proxy v1 client=[198.51.100.7]:41001 destination=[192.0.2.1]:25", lines[0])
            self.assertIn("proxy refused", lines[1])
            self.assertIn("proxy v2 client=[198.51.100.8]:41002", lines[2])


class Program(unittest.TestCase):
    def run_sink(self, *options):
        return subprocess.run([BINARY, "sink", *options], capture_output=True, timeout=PATIENCE_S)

    def test_busy_port_is_refused_with_advice(self):
        with Sink(discard=True) as sink:
            result = self.run_sink("--listen", f"127.0.0.1:{sink.port}", "--discard")
            self.assertEqual(result.returncode, 69)
            self.assertIn(b"Address already in use", result.stderr)
            self.assertIn(b"port 0", result.stderr)

    def test_bad_options_are_explained(self):
        for options in ([], ["--listen", "nonsense", "--discard"], ["--listen", "127.0.0.1:0"], ["--frob", "1"],
                        ["--listen", "127.0.0.1:0", "--discard", "--fail", "rcpt=700"], ["--fail", "lunch=450"], ["--fail"],
                        ["--delay", "rcpt=x"], ["--max-size", "0"], ["--listen", "127.0.0.1:0", "--discard", "--maildir", "x"]):
            result = self.run_sink(*options)
            self.assertEqual(result.returncode, 64, options)
            self.assertIn(b"mailweir sink: ", result.stderr)
        self.assertEqual(self.run_sink("--help").returncode, 0)

    def test_maildir_that_cannot_be_made_is_refused(self):
        result = self.run_sink("--listen", "127.0.0.1:0", "--maildir", "/nonexistent/a/b")
        self.assertEqual(result.returncode, 69)
        self.assertIn(b"/nonexistent/a/b", result.stderr)


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main(verbosity=2)
