"""Peers that misbehave at each stage: an upstream that refuses, hangs, closes, talks nonsense, talks too early or without end; a
client that stalls, stops reading, resets. The client gets the reply of smtp.md, the log its line, the process goes on, nothing
acknowledged is lost and nothing refused or abandoned is stored. Both plans: streaming and spooling."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import suite  # noqa: E402
from fake_upstream import CLOSE, ENDLESS, HANG, NORMAL, RESET, STOP, FakeUpstream, Turns, tell, wait_until  # noqa: E402
from harness import wait_for  # noqa: E402
from smtpline import Client  # noqa: E402
from suite import ALICE, BOB, PLAIN  # noqa: E402

TIMES = ["connect-timeout 1s", "reply-timeout 1s", "final-reply-timeout 1s"]
LISTEN_TIMES = ["command-timeout 1s", "data-timeout 1s", "header-timeout 2s"]
NONSENSE = [b"HELLO THERE\r\n", b"2500 no\r\n", b"25\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", b"250-a\r\n550 b\r\n",
            b"999 x\r\n", b"250 " + b"x" * 70000 + b"\r\n", b"\r\n"]
NO_UPSTREAM = (421, 451, 554)
LOST = (421, 451)

needs_proxy = harness.needs_proxy


class Base(suite.Case):
    SETTINGS = {}

    def world(self, orders=None, upstream=tuple(TIMES), listen=(), extensions=None):
        up = FakeUpstream(orders, **({"extensions": extensions} if extensions else {}))
        self.addCleanup(up.stop)
        weir = harness.Mailweir(up.port, upstream=["identity none", *upstream],
                                listen=["max-junk-commands 0", *listen], **self.SETTINGS)
        self.addCleanup(weir.finish, self)
        return up, weir

    def client(self, weir, **settings):
        return self.closing(Client(weir.port, **settings))

    def works_again(self, up, weir):
        """Once the upstream behaves, a new session is served as if nothing had been."""
        up.orders.clear()
        with Client(weir.port) as client:
            client.ehlo()
            client.envelope("later@example.net", ALICE)
            self.assertEqual(client.data(PLAIN).code, 250)
            client.quit()
            weir.wait_record("session", client="-[127.0.0.1]:%d" % client.source_port)
        self.assertEqual(up.stored()[-1][2], PLAIN)

    def check_one_line(self, weir, start=0):
        """The fault has its line, the session has its one."""
        record = weir.wait_record("session", start=start)
        lines = [r for r in weir.records(start=start) if r["event"] in ("upstream-failed", "reject", "message")]
        self.assertTrue(lines, weir.log()[start:])
        self.assertEqual(len([r for r in weir.records("session", start) if r["id"] == record["id"]]), 1)


class Greeting(Base):
    """Before there is a session."""

    def greeting(self, orders, codes=NO_UPSTREAM):
        up, weir = self.world(orders)
        client = self.client(weir)
        self.assertIn(client.greeting.code, codes, client.greeting)
        if client.greeting.code == 421:
            self.assertTrue(client.at_end())
        client.close()
        self.check_one_line(weir)
        self.works_again(up, weir)
        return client.greeting

    def test_nobody_listens(self):
        weir = harness.Mailweir(harness.free_port(), upstream=["identity none", *TIMES])
        self.addCleanup(weir.finish, self)
        client = self.client(weir)
        self.assertIn(client.greeting.code, NO_UPSTREAM)
        self.assertEqual(client.greeting.dsn, "4.4.1")
        weir.wait_record("upstream-failed")

    def test_hangs(self):
        begun = time.monotonic()
        self.assertEqual(self.greeting({"CONNECT": HANG}).dsn[:4], "4.4.")
        self.assertLess(time.monotonic() - begun, 8)

    def test_closes(self):
        self.assertEqual(self.greeting({"CONNECT": CLOSE}).dsn[:4], "4.4.")

    def test_resets(self):
        self.assertEqual(self.greeting({"CONNECT": RESET}).dsn[:4], "4.4.")

    def test_nonsense(self):
        for nonsense in NONSENSE:
            with self.subTest(nonsense=nonsense[:30]):
                self.greeting({"CONNECT": nonsense})
                self.doCleanups()

    def test_half_a_line_then_silence(self):
        self.greeting({"CONNECT": [b"220 up.exam", HANG]})

    def test_without_end(self):
        up, weir = self.world({"CONNECT": [b"220-hello\r\n" * 1000, ENDLESS]})
        before = weir.resident_kib()
        client = self.client(weir)
        self.assertIn(client.greeting.code, NO_UPSTREAM)
        weir.check_memory(self, before, 4_000, "a greeting without end")
        self.works_again(up, weir)

    def test_refusal_is_passed_on(self):
        for reply in (b"554 5.7.1 not you\r\n", b"421 4.3.2 full\r\n", b"554-two\r\n554 lines\r\n"):
            with self.subTest(reply=reply):
                _, weir = self.world({"CONNECT": reply})
                self.assertEqual(self.client(weir).greeting.raw, reply)
                self.doCleanups()

    def test_slow_but_in_time(self):
        _, weir = self.world({"CONNECT": [0.5, NORMAL]}, upstream=["connect-timeout 8s"])
        self.assertEqual(self.client(weir).greeting.raw, b"220 up.example.test ESMTP Fake\r\n")

    def test_greeting_of_many_lines_is_passed_on(self):
        banner = b"220-up.example.test\r\n220-no spam\r\n220 welcome\r\n"
        _, weir = self.world({"CONNECT": banner})
        client = self.client(weir)
        self.assertEqual(client.greeting.raw, banner)
        client.ehlo()

    def test_second_address_serves(self):
        up = FakeUpstream()
        self.addCleanup(up.stop)
        weir = harness.Mailweir(harness.free_port(), upstream=["identity none", "address 127.0.0.1:%d" % up.port, *TIMES])
        self.addCleanup(weir.finish, self)
        self.works_again(up, weir)


class Stages(Base):
    """A fault at one stage of a session that is under way."""
    STAGES = ("EHLO", "MAIL", "RCPT", "DATA", "DOT", "RSET", "NOOP")
    SINGLE = {"EHLO": b"EHLO x\r\n", "RSET": b"RSET\r\n", "NOOP": b"NOOP\r\n"}

    def reach(self, client, stage):
        """Plays a message up to the reply at that stage; the reply."""
        if stage in self.SINGLE:
            if stage != "EHLO":
                client.ehlo()
            return client.cmd(self.SINGLE[stage].rstrip())
        client.ehlo()
        reply = client.cmd("MAIL FROM:<a@example.net>")
        if stage == "MAIL":
            return reply
        self.assertEqual(reply.code, 250)
        reply = client.cmd("RCPT TO:<%s>" % ALICE)
        if stage == "RCPT":
            return reply
        self.assertEqual(reply.code, 250)
        reply = client.cmd("DATA")
        if reply.code != 354:
            return reply
        client.send(PLAIN + b".\r\n")
        return client.reply()

    def session_goes_on_or_ends(self, client, reply):
        """After 421 the connection ends; after 451 it is usable: each command is answered, until QUIT or 421."""
        if reply.code == 421:
            self.assertTrue(client.at_end())
            return
        for line in ("RSET", "NOOP", "QUIT"):
            reply = client.cmd(line)
            self.assertIsNotNone(reply, line)
            if reply.code in (221, 421):
                break
        self.assertTrue(client.at_end())

    def check_fault(self, order, codes=LOST, dsns=("4.4.1", "4.4.2", "4.3.0"), stages=STAGES):
        up, weir = self.world()
        for stage in stages:
            with self.subTest(stage=stage, order=repr(order)[:40]):
                start = weir.mark()
                stored = len(up.stored())
                up.orders[stage] = order
                client = self.client(weir)
                reply = self.reach(client, stage)
                self.assertIsNotNone(reply)
                self.assertIn(reply.code, codes, reply)
                self.assertIn(reply.dsn, dsns, reply)
                self.assertEqual(len(up.stored()), stored)
                up.orders.clear()
                self.session_goes_on_or_ends(client, reply)
                client.close()
                self.check_one_line(weir, start)
                self.works_again(up, weir)

    def test_hangs(self):
        self.check_fault(HANG)

    def test_closes(self):
        self.check_fault(CLOSE)

    def test_resets(self):
        self.check_fault(RESET)

    def test_half_a_reply_then_closes(self):
        self.check_fault([b"250-half\r\n250", CLOSE])

    def test_nonsense(self):
        for nonsense in NONSENSE:
            self.check_fault(nonsense, stages=("MAIL", "DOT"))
            self.doCleanups()

    def test_nonsense_at_the_other_stages(self):
        self.check_fault(NONSENSE[0], stages=("EHLO", "RCPT", "DATA", "RSET", "NOOP"))

    def test_reply_without_end(self):
        self.check_fault(ENDLESS, stages=("MAIL", "DOT"))

    def test_421_is_passed_on_and_ends_the_session(self):
        up, weir = self.world()
        for stage in self.STAGES:
            with self.subTest(stage=stage):
                up.orders[stage] = [b"421 4.3.2 up.example.test going down\r\n", CLOSE]
                client = self.client(weir)
                self.assertEqual(self.reach(client, stage).raw, b"421 4.3.2 up.example.test going down\r\n")
                self.assertTrue(client.at_end())
                self.works_again(up, weir)

    def test_refusals_are_passed_on_and_the_session_goes_on(self):
        up, weir = self.world()
        refusal = b"552-5.2.2 too much\r\n552 5.2.2 of it\r\n"
        for stage in ("MAIL", "RCPT", "DATA", "DOT"):
            with self.subTest(stage=stage):
                up.orders[stage] = Turns(refusal, NORMAL)
                client = self.client(weir)
                self.assertEqual(self.reach(client, stage).raw, refusal)
                self.assertEqual(client.cmd("RSET").code, 250)
                client.envelope("a@example.net", BOB)
                self.assertEqual(client.data(PLAIN).code, 250)
                self.assertEqual(client.quit().code, 221)
        for sender, recipients, octets in up.stored():
            self.assertEqual((sender, recipients, octets), (b"<a@example.net>", (b"<bob@example.test>",), PLAIN))
        self.assertEqual(len(up.stored()), 4)

    def test_quit_without_an_answer(self):
        """The client gets its 221 all the same."""
        for order in (HANG, CLOSE, b"nonsense\r\n"):
            up, weir = self.world({"QUIT": order})
            client = self.client(weir)
            client.ehlo()
            self.assertEqual(client.cmd("QUIT").code, 221)
            self.assertTrue(client.at_end())
            self.doCleanups()

    def test_no_acknowledgement_that_the_upstream_did_not_give(self):
        """Each way in which the last reply can be missing: never a 2xx (law 1)."""
        for order in (HANG, CLOSE, RESET, [b"250", CLOSE], [b"250 2.0.0 Ok: queued", CLOSE], [b"250-2.0.0 Ok\r\n", CLOSE],
                      b"354 go on\r\n", b"199 wait\r\n", [b"\0\0\0\0", CLOSE], b"250\0 ok\r\n"):
            with self.subTest(order=order):
                up, weir = self.world({"DOT": order})
                client = self.client(weir)
                reply = self.reach(client, "DOT")
                self.assertIn(reply.code // 100, (4, 5), reply)
                self.doCleanups()


class Early(Base):
    """Replies that nobody asked for: the pairing of commands and replies must not slip."""

    def outcome(self, client, lines):
        """Sends the lines, reads until the end; codes."""
        codes = []
        for line in lines:
            try:
                client.send(line + b"\r\n")
            except OSError:
                break
            reply = client.reply()
            if reply is None:
                break
            codes.append(reply.code)
            if reply.code == 421:
                break
        return codes

    SCRIPT = [b"EHLO x", b"MAIL FROM:<a@example.net>", b"RCPT TO:<nobody@example.test>", b"DATA"]

    def test_one_reply_too_many_never_accepts_the_refused(self):
        """MAIL is answered twice, RCPT refused: the client must not take the second 250 for RCPT's."""
        for order in ([b"250 2.1.0 ok\r\n250 2.1.5 extra\r\n"], [b"250 2.1.0 ok\r\n", 0.1, b"250 2.1.5 extra\r\n"]):
            with self.subTest(order=order):
                said = threading.Event()
                up, weir = self.world({"MAIL": [*order, tell(said)], "RCPT": b"550 5.1.1 nobody\r\n"})
                client = self.client(weir)
                codes = self.outcome(client, self.SCRIPT[:2])
                self.assertTrue(said.wait(10))
                weir.settle()  # a reply that crosses with the command could be the answer to it: nobody could tell
                codes += self.outcome(client, self.SCRIPT[2:])
                self.assertNotIn(354, codes)
                self.assertFalse(len(codes) > 2 and codes[2] == 250, codes)
                self.doCleanups()

    def test_250_behind_354(self):
        """An acknowledgement in one packet with the 354: nothing was sent yet that it could answer (law 1)."""
        up, weir = self.world({"DATA": b"354 go ahead\r\n250 2.0.0 Ok: queued as EARLY\r\n",
                               "DOT": b"554 5.0.0 refused in truth\r\n"})
        client = self.client(weir)
        client.ehlo()
        client.envelope("a@example.net", ALICE)
        reply = client.cmd("DATA")
        if reply.code == 354:
            client.send(PLAIN + b".\r\n")
            reply = client.reply()
        self.assertIn(reply.code // 100, (4, 5), reply)

    def test_250_before_the_message_is_complete(self):
        """An acknowledgement that comes while the content flows is none."""
        if self.SETTINGS:
            self.skipTest("a spooled message goes out in one piece: the dot may have crossed with the reply")
        said = threading.Event()
        up, weir = self.world({"BODY": [b"250 2.0.0 Ok: queued as EARLY\r\n", tell(said)], "DOT": b"554 5.0.0 refused in truth\r\n"})
        client = self.client(weir)
        client.ehlo()
        client.envelope("a@example.net", ALICE)
        client.cmd("DATA", 354)
        client.send(b"Subject: x\r\n\r\n")
        self.assertTrue(said.wait(10))
        weir.settle()  # the dot must not cross with the reply
        client.send(b"x\r\n" * 1000)
        weir.settle()
        client.send(b".\r\n")
        reply = client.reply()
        self.assertIn(reply.code // 100, (4, 5), reply)

    def test_refusal_before_the_message_is_complete(self):
        """5xx while the content flows (RFC 5321 allows the server to give up): the client hears of it, nothing is stored."""
        up, weir = self.world({"BODY": [b"552 5.3.4 enough\r\n", CLOSE]})
        client = self.client(weir)
        client.ehlo()
        client.envelope("a@example.net", ALICE)
        client.cmd("DATA", 354)
        client.send(b"Subject: x\r\n\r\n" + b"x\r\n" * 1000 + b".\r\n")
        self.assertIn(client.reply().code, (421, 451, 552))
        self.assertEqual(up.stored(), [])

    def test_unsolicited_421_when_idle(self):
        up, weir = self.world()
        client = self.client(weir)
        client.ehlo()
        up.sessions[0].leave(b"421 4.4.2 up.example.test Error: timeout exceeded\r\n")
        self.assertEqual(client.reply().raw, b"421 4.4.2 up.example.test Error: timeout exceeded\r\n")
        self.assertTrue(client.at_end())
        self.works_again(up, weir)

    def test_unsolicited_421_in_a_message(self):
        up, weir = self.world()
        client = self.client(weir)
        client.ehlo()
        client.envelope("a@example.net", ALICE)
        client.cmd("DATA", 354)
        client.send(b"Subject: x\r\n\r\nhalf\r\n")
        time.sleep(0.1)
        up.sessions[0].leave(b"421 4.3.2 up.example.test going down\r\n")
        time.sleep(0.1)
        try:
            client.send(b"rest\r\n.\r\n")
        except OSError:
            pass
        reply = client.reply()
        self.assertTrue(reply.code in (421, 451) or reply.code == 250 and len(up.stored()) == 1, reply)
        if reply.code != 250:
            self.assertEqual(up.stored(), [])

    def test_upstream_leaves_when_idle(self):
        """A silent close between two commands: the next one is answered 4xx (or served by a new connection), never lost."""
        up, weir = self.world()
        client = self.client(weir)
        client.ehlo()
        up.sessions[0].leave()
        time.sleep(0.1)
        reply = client.cmd("MAIL FROM:<a@example.net>")
        self.assertIn(reply.code, (250, 421, 451))
        self.works_again(up, weir)

    def test_upstream_without_extensions(self):
        """No PIPELINING, no CHUNKING upstream: the client may pipeline, commands go one at a time."""
        up, weir = self.world(extensions=("SIZE",))
        client = self.client(weir)
        reply = client.ehlo()
        self.assertIn("PIPELINING", reply.lines)
        client.send(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
        for code in (250, 250, 250, 354):
            client.expect(code)
        client.send(PLAIN + b".\r\nQUIT\r\n")
        client.expect(250)
        client.expect(221)
        self.assertEqual(up.stored()[0][2], PLAIN)

    def test_hostile_ehlo(self):
        """Keywords that are not for clients or do not exist are hidden; too many are cut or refused."""
        up, weir = self.world(extensions=("XCLIENT ADDR", "XFORWARD NAME", "STARTTLS", "AUTH PLAIN", "X-ODD", "BDAT", "PIPELINING",
                                          "8BITMIME", "REQUIRETLS", "BINARYMIME", "\x1b[31mX", "size"))
        text = self.client(weir).ehlo().text.upper()
        for hidden in ("XCLIENT", "XFORWARD", "STARTTLS", "AUTH", "X-ODD", "REQUIRETLS", "\x1b"):
            self.assertNotIn(hidden, text)
        up.extensions = ["X%d y" % i for i in range(5000)]
        client = self.client(weir)
        self.assertIn(client.cmd("EHLO x").code, (250, 421, 451))


class Content(Base):
    """Big messages, slow ends, and the two-step commit."""

    def test_upstream_stops_reading(self):
        """Memory stays bounded while nobody takes the content; it arrives whole afterwards."""
        up, weir = self.world({"BODY": STOP}, upstream=["reply-timeout 60s", "final-reply-timeout 60s"])
        client = self.client(weir, timeout=30)
        client.ehlo()
        client.envelope("a@example.net", ALICE)
        client.cmd("DATA", 354)
        before = weir.resident_kib()
        line = b"x" * 998 + b"\r\n"
        message = b"Subject: big\r\n\r\n" + line * 20_000
        client.socket.settimeout(2)
        sent = 0
        try:
            while sent < len(message):
                sent += client.socket.send(message[sent:sent + 65536])
        except TimeoutError:
            pass
        weir.check_memory(self, before, 8_000, "a message that nobody reads")
        up.resume.set()
        client.socket.settimeout(30)
        client.send(message[sent:] + b".\r\n")
        client.expect(250)
        self.same_octets(up.stored()[0][2], message)

    def test_client_stops_reading(self):
        """Replies pile up: the proxy stops reading that client instead of keeping them all."""
        up, weir = self.world(upstream=[])
        client = self.client(weir, receive_buffer=4096)
        client.ehlo()
        before = weir.resident_kib()
        client.socket.settimeout(1)
        sent = 0
        try:
            while sent < 30_000_000:
                sent += client.socket.send(b"NOOP\r\n" * 2000)
        except TimeoutError:
            pass
        self.assertLess(sent, 30_000_000, "no backpressure towards a client that does not read")
        weir.check_memory(self, before, 4_000, "replies that nobody reads")
        with Client(weir.port) as other:  # everybody else is served
            other.ehlo()
        client.reset()
        self.works_again(up, weir)

    def test_client_resets_at_every_stage(self):
        up, weir = self.world()
        steps = [b"", b"EHLO x\r\n", b"MAIL FROM:<a@example.net>\r\n", b"RCPT TO:<alice@example.test>\r\n", b"DATA\r\n",
                 b"Subject: x\r\n", b"\r\nbody\r\n", b"."]
        for how in ("reset", "close"):
            for count in range(1, len(steps) + 1):
                with self.subTest(how=how, after=steps[count - 1]):
                    start = weir.mark()
                    client = self.client(weir)
                    for step in steps[:count]:
                        client.send(step)
                        if step in steps[1:5]:
                            client.expect((250, 354))
                    getattr(client, how)()
                    weir.wait_record("session", start=start)
        wait_for(lambda: all(s.ended for s in up.sessions), 10, "upstream connections closed")
        self.assertEqual(up.stored(), [])
        self.assertEqual([m for s in up.sessions for m in s.messages], [])
        self.works_again(up, weir)

    def test_client_stalls(self):
        """421 4.4.2 in time: waiting for a command, within a command, in a header, in a body, in a BDAT chunk."""
        for octets in (b"", b"EHLO x\r\n", b"EHLO x\r\nMAIL FR", b"EHLO x\r\nMAIL FROM:<a@example.net>\r\n",
                       b"EHLO x\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: x\r\n",
                       b"EHLO x\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r",
                       b"EHLO x\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<alice@example.test>\r\nBDAT 100 LAST\r\nSubj"):
            with self.subTest(octets=octets):
                up, weir = self.world(upstream=[], listen=LISTEN_TIMES)
                client = self.client(weir)
                client.send(octets)
                reply = client.reply()
                while reply.code in (250, 354):
                    reply = client.reply()
                self.assertEqual((reply.code, reply.dsn), (421, "4.4.2"))
                self.assertTrue(client.at_end())
                weir.wait_record("session", end="client-timeout")
                self.assertEqual(up.stored(), [])
                self.works_again(up, weir)
                self.doCleanups()

    def test_patience(self):
        """A timeout is about what it names: an idle client has its command-timeout, a slow upstream its reply-timeouts, though
        data-timeout is shorter than both."""
        up, weir = self.world({"RCPT": [2, NORMAL], "DOT": [2, NORMAL]}, upstream=[], listen=["data-timeout 1s"])
        client = self.client(weir)
        client.ehlo()
        time.sleep(2)
        client.cmd("NOOP", 250)
        client.envelope("a@example.net", ALICE)
        self.assertEqual(client.data(PLAIN).code, 250)
        self.assertEqual(up.stored()[0][2], PLAIN)

    def test_big_messages_in_every_framing(self):
        """Just below, at and far beyond each buffer, by DATA in one write and by BDAT in many chunks."""
        up, weir = self.world(upstream=[])
        for size in (65_000, 65_536, 131_072, 262_144, 1_000_000, 5_000_000):
            message = b"Subject: big\r\n\r\n" + (b".0123456789abcdef" * 4 + b"\r\n") * (size // 70)
            with self.subTest(size=size), Client(weir.port) as client:
                client.ehlo()
                client.envelope("a@example.net", ALICE)
                self.assertEqual(client.data(message).code, 250)
                self.same_octets(up.stored()[-1][2], message)
                client.envelope("a@example.net", BOB)
                chunks = [message[i:i + 100_000] for i in range(0, len(message), 100_000)]
                for i, chunk in enumerate(chunks):
                    client.send(b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if i + 1 == len(chunks) else b"") + chunk)
                    client.expect(250)
                self.same_octets(up.stored()[-1][2], message)
        self.assertEqual(len(up.stored()), 12)

    def test_client_leaves_in_the_middle_of_the_content(self):
        """FIN instead of the dot, in DATA and in BDAT: no end of data, so nothing is stored."""
        up, weir = self.world(upstream=[])
        for content in (b"DATA\r\nSubject: x\r\n\r\nhalf a message\r\n", b"BDAT 20\r\nSubject: x\r\n\r\n123456",
                        b"BDAT 200 LAST\r\nSubject: x\r\n\r\n"):
            with self.subTest(content=content):
                client = self.client(weir)
                client.ehlo()
                client.envelope("a@example.net", ALICE)
                client.send(content)
                client.socket.shutdown(1)
                while client.reply() is not None:
                    pass
        wait_for(lambda: all(s.ended for s in up.sessions), 10, "upstream connections closed")
        self.assertEqual([m for s in up.sessions for m in s.messages], [])

    def test_header_that_dribbles(self):
        """A field now and then keeps the data timeout away, not the one for the whole header block."""
        up, weir = self.world(upstream=[], listen=LISTEN_TIMES)
        client = self.client(weir)
        client.ehlo()
        client.envelope("a@example.net", ALICE)
        client.cmd("DATA", 354)
        begun = time.monotonic()
        client.socket.settimeout(0.4)
        reply = None
        while reply is None and time.monotonic() - begun < 10:
            try:
                client.send(b"X-Field: %d\r\n" % time.monotonic_ns())
                reply = client.reply()
            except TimeoutError:
                pass
        self.assertEqual((reply.code, reply.dsn), (421, "4.4.2"))
        self.assertLess(time.monotonic() - begun, 6)

    def test_client_gone_before_the_commit(self):
        """Two-step commit: the client hangs up while the upstream has not taken the message yet: nothing is stored."""
        gone = threading.Event()
        up, weir = self.world({"DATA": [wait_until(gone), NORMAL]}, upstream=[])
        if not self.SETTINGS:
            self.skipTest("the window exists under the spool plan")
        client = self.client(weir)
        client.ehlo()
        client.envelope("a@example.net", ALICE)
        client.cmd("DATA", 354)
        client.send(PLAIN + b".\r\n")
        wait_for(lambda: "DATA" in up.sessions[0].verbs(), 10, "DATA at the upstream")
        client.close()
        weir.settle()
        gone.set()
        weir.wait_record("session", timeout=5)
        wait_for(lambda: all(s.ended for s in up.sessions), 5, "upstream connection closed")
        self.assertEqual(up.stored(), [])

    def test_upload_longer_than_the_upstream_waits(self):
        """A spooled upload: the upstream is kept alive, or asked again; the message gets through."""
        if not self.SETTINGS:
            self.skipTest("under the stream plan the upstream sees the content come")
        up, weir = self.world(upstream=["keepalive 1s"])
        client = self.client(weir)
        client.ehlo()
        client.envelope("a@example.net", ALICE)
        client.cmd("DATA", 354)
        client.send(b"Subject: slow\r\n\r\n")
        for _ in range(6):
            time.sleep(0.5)
            client.send(b"x\r\n")
        client.send(b".\r\n")
        client.expect(250)
        self.assertIn("NOOP", up.sessions[0].verbs())
        self.assertEqual(up.stored()[0][2], b"Subject: slow\r\n\r\n" + b"x\r\n" * 6)

    def test_upstream_lost_during_the_upload(self):
        """Spooled: the envelope is replayed on a new connection. Streamed: 4xx and nothing stored."""
        up, weir = self.world(upstream=["keepalive 1s"])
        client = self.client(weir)
        client.ehlo()
        client.envelope("a@example.net", ALICE, BOB)
        client.cmd("DATA", 354)
        client.send(b"Subject: x\r\n\r\nfirst\r\n")
        time.sleep(0.1)
        up.sessions[0].leave()
        time.sleep(0.1)
        client.send(b"second\r\n.\r\n")
        reply = client.reply()
        if reply.code == 250:
            self.assertEqual(up.stored(), [(b"<a@example.net>", (b"<alice@example.test>", b"<bob@example.test>"),
                                            b"Subject: x\r\n\r\nfirst\r\nsecond\r\n")])
        else:
            self.assertIn(reply.code, LOST)
            self.assertEqual(up.stored(), [])
        self.works_again(up, weir)


class Clients(Base):
    """Bad input by clients."""

    def test_overlong_lines_nul_and_bare_cr(self):
        """500, the rest of the line is skipped, the session goes on."""
        up, weir = self.world()
        client = self.client(weir)
        client.ehlo()
        for line in (b"NOOP " + b"x" * 3000, b"x" * 100_000, b"NOOP \0", b"NOOP a\rb", b"\0" * 100, b"\xff" * 50, b""):
            with self.subTest(line=line[:20]):
                reply = client.cmd(line)
                self.assertIn(reply.code, (500, 501, 502), reply)
                self.assertEqual(client.cmd("NOOP").code, 250)
        for session in up.sessions:
            self.assertTrue(all(len(command) < 2100 and b"\0" not in command for command in session.commands))

    def test_deep_pipeline(self):
        """Five thousand commands in one write: each gets its reply, in order, though no buffer holds them all."""
        up, weir = self.world()
        client = self.client(weir)
        client.send(b"EHLO x\r\n" + b"NOOP\r\nVRFY x\r\n" * 2500 + b"QUIT\r\n")
        codes = []
        while (reply := client.reply()) is not None:
            codes.append(reply.code)
        self.assertEqual(codes, [250] + [250, 252] * 2500 + [221])

    def test_line_without_end(self):
        """No line end for ever: bounded memory, and an end."""
        up, weir = self.world()
        client = self.client(weir)
        client.ehlo()
        before = weir.resident_kib()
        try:
            for _ in range(300):
                client.send(b"A" * 65536)
        except OSError:
            pass
        weir.check_memory(self, before, 4_000, "a line without end")
        client.reset()
        self.works_again(up, weir)

    def test_too_many_errors(self):
        up, weir = self.world(listen=["max-errors 5"])
        client = self.client(weir)
        client.ehlo()
        codes = []
        for _ in range(10):
            reply = client.cmd("FROBNICATE")
            if reply is None:
                break
            codes.append((reply.code, reply.dsn))
        self.assertEqual(codes[-1], (421, "4.7.0"))
        self.assertLessEqual(len(codes), 6)
        self.assertTrue(client.at_end())
        weir.wait_record("session", end="errors")

    def test_early_talker(self):
        for setting, codes in (("reject", (421, 554)), ("note", (220,)), ("pass", (220,))):
            with self.subTest(setting=setting):
                early = threading.Event()
                up, weir = self.world({"CONNECT": [wait_until(early), NORMAL]}, listen=["early-talker " + setting])
                client = self.client(weir, greet=False)
                client.send(b"EHLO x\r\n")
                weir.settle()
                early.set()
                self.assertIn(client.expect().code, codes)
                if codes == (220,):
                    client.expect(250)
                self.doCleanups()

    def test_too_many_sessions(self):
        up, weir = self.world(listen=["max-sessions 3"])
        held = [self.client(weir) for _ in range(3)]
        extra = self.client(weir)
        self.assertEqual(extra.greeting.code, 421)
        self.assertTrue(extra.at_end())
        held[0].close()
        wait_for(lambda: weir.records("session"), 5, "the end of one session")
        self.assertEqual(wait_for(lambda: (g := self.client(weir).greeting).code == 220 and g, 5, "a free place").code, 220)

    def test_too_big(self):
        """552 by SIZE= at MAIL and by counting; nothing is stored; the session goes on."""
        up, weir = self.world(listen=["max-message-size 100kB"])
        client = self.client(weir)
        self.assertRegex(client.ehlo().text, r"SIZE (100000|102400)\b")
        self.assertEqual((reply := client.cmd("MAIL FROM:<a@example.net> SIZE=200000")).raw[:9], b"552 5.3.4", reply)
        for bdat in (False, True):
            client.envelope("a@example.net", ALICE)
            message = b"Subject: x\r\n\r\n" + b"x" * 60 + b"\r\n" + b"y" * 200_000 + b"\r\n"
            if bdat:
                client.send(b"BDAT %d LAST\r\n" % len(message) + message)
                reply = client.reply()
            else:
                reply = client.data(message)
            self.assertEqual((reply.code, reply.dsn), (552, "5.3.4"))
        client.envelope("a@example.net", ALICE)
        self.assertEqual(client.data(PLAIN).code, 250)
        self.assertEqual([m[2] for m in up.stored()], [PLAIN])

    def test_header_bombs(self):
        """Size, count and hops of the header block are bounded: 552 5.3.4, 554 5.4.6."""
        up, weir = self.world()
        for header, code, dsn in ((b"X: " + b"x" * 500_000 + b"\r\n", 552, "5.3.4"), (b"X: y\r\n" * 20_000, 552, "5.3.4"),
                                  (b"Received: from a by b; x\r\n" * 200, 554, "5.4.6"),
                                  (b"X-Fold: a\r\n" + b" b\r\n" * 200_000, 552, "5.3.4")):
            with self.subTest(header=header[:20]):
                client = self.client(weir)
                client.ehlo()
                client.envelope("a@example.net", ALICE)
                reply = client.data(header + b"\r\nbody\r\n")
                self.assertEqual((reply.code, reply.dsn), (code, dsn))
                client.envelope("a@example.net", ALICE)
                self.assertEqual(client.data(PLAIN).code, 250)
        self.assertEqual({m[2] for m in up.stored()}, {PLAIN})

    def test_other_protocols(self):
        """HTTP, TLS, SSH and noise at the SMTP port: an end without a message."""
        up, weir = self.world()
        for octets in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b>\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 50,
                       b"SSH-2.0-OpenSSH_9.2\r\n", bytes(range(256)) * 100, b"\r\n" * 5000):
            with self.subTest(octets=octets[:10]):
                client = self.client(weir)
                try:
                    client.send(octets)
                    client.send(b"QUIT\r\n")
                    while client.reply() is not None:
                        pass
                except OSError:
                    pass
                client.close()
        self.works_again(up, weir)

    def test_descriptors_come_back(self):
        """Three hundred short sessions, half of them ugly, leave nothing behind."""
        up, weir = self.world()
        self.works_again(up, weir)
        before = weir.descriptors()
        for i in range(300):
            client = Client(weir.port)
            client.ehlo()
            if i % 3 == 0:
                client.envelope("a@example.net", ALICE)
            (client.reset if i % 2 else client.close)()
        wait_for(lambda: weir.descriptors() <= before, 10, lambda: "%d descriptors, were %d" % (weir.descriptors(), before))
        wait_for(lambda: len(weir.records("session")) >= 301, 10, "a line for each session")
        self.assertEqual(len(weir.records("session")), 301)


def under_both_plans():
    """Every class above, as it is (stream plan) and with a chain that needs the whole message (spool plan)."""
    found = {}
    for base in (Greeting, Stages, Early, Content, Clients):
        found[base.__name__ + "Streamed"] = needs_proxy(type(base.__name__ + "Streamed", (base,), {}))
        if base is not Greeting:
            found[base.__name__ + "Spooled"] = needs_proxy(
                type(base.__name__ + "Spooled", (base,), {"SETTINGS": suite.SPOOLING}))
    return found


globals().update(under_both_plans())
del Greeting, Stages, Early, Content, Clients

if __name__ == "__main__":
    harness.main()
