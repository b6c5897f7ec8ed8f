"""The cells of test_fault_matrix.py: how a client gets to a stage, commits or suffers the fault, and what is checked of it."""
import contextlib
import socket
import threading
import time

from fault_matrix import GREETING, HASTE, as_expected, replies_for
from fake_upstream import NORMAL, wait_until
from harness import wait_for
from smtpline import stuff

GOES_ON, ENDS, QUITS = "goes on", "ends", "goes on, and the client quits"
OK, THEIRS = "the stage's normal reply", "the fault's reply"

PLAIN = b"From: a@example.net\r\nSubject: plain\r\n\r\nHello.\r\n"
LONG = PLAIN + (b"0123456789abcdef" * 4 + b"\r\n") * (60_000 // 66)
VAST = PLAIN + (b"0123456789abcdef" * 60 + b"\r\n") * (6_000_000 // 962)  # more than sockets hold, so that it is under way
LATER = b"From: later@example.net\r\nSubject: and then\r\n\r\n.\r\nStill here.\r\n"
NOISE = b"\0\xff no field \x07\r\n"
DEAF_REPLY = b"250-" + b"y" * 240 + b"\r\n"
MANY = DEAF_REPLY * 240 + b"250 end\r\n"
OPENING = ("connect", "greeting", "own-ehlo", "starttls", "handshake", "xclient")
UPSTREAM_NAMES = {"greeting": "CONNECT", "own-ehlo": "OWN_EHLO", "auth-final": "AUTH_FINAL", "content": "AMID", "final": "DOT",
                  "bdat": "DOT", "mail-in": "MAIL", "amid-auth": "AMID_AUTH"}
NORMAL_REPLIES = {"greeting": GREETING, "auth": b"334 VXNlcg==\r\n", "auth-final": b"235 2.7.0 welcome\r\n",
                  "mail": b"250 2.1.0 sender ok\r\n", "mail-in": b"250 2.1.0 sender ok\r\n",
                  "rcpt": b"250 2.1.5 recipient ok\r\n", "data": b"354 go ahead\r\n",
                  "final": b"250 2.0.0 Ok: queued as FAKE1\r\n", "rset": b"250 2.0.0 flushed\r\n", "quit": b"221 2.0.0 bye\r\n"}


class Wrong(AssertionError):
    pass


def same(found, expected, what):
    if found != expected:
        raise Wrong("%s: %r, expected %r" % (what, found if found is None else bytes(found)[:300], expected))


class Cell:
    """One square of a table on one leg under one plan."""
    hurried = ()

    def __init__(self, world, plan, stage, fault, word, meaning=((), ENDS, ())):
        self.world, self.leg, self.plan, self.stage, self.fault, self.word = world, world.leg, plan, stage, fault, word
        self.replies, self.then, self.log = meaning
        self.told = []          # replies to whole messages, one each

    def __str__(self):
        return "%s %s %s/%s: %s" % (self.leg.name, self.plan, self.stage, self.fault, self.word)

    def run(self):
        """None, or what is wrong."""
        try:
            with self.take_lane() as lane:
                self.lane, self.upstream = lane, lane.upstream
                self.play()
        except (OSError, AssertionError) as problem:
            return "%s: %s" % (type(problem).__name__, problem)
        return None

    def take_lane(self):
        hurry = self.in_a_hurry if self.fault in self.hurried else "nobody"
        return self.world.lane(hurry, self.plan)

    def play(self):
        self.begin()
        self.client = self.lane.open(**self.client_settings())
        try:
            begun = time.monotonic()
            self.misbehave()
            took = time.monotonic() - begun
            if self.then != ENDS:
                self.go_on()
            elif not self.hears_no_end():
                self.check_end()
            self.check_patience(took if self.replies or self.hears_no_end() else time.monotonic() - begun)
        finally:
            self.client.close()
        self.check_log()
        self.check_upstream()

    def client_settings(self):
        return {}

    def hears_no_end(self):
        return False

    # ---- the client's usual dialogue, up to a step

    def reply(self, what):
        try:
            reply = self.client.reply()
        except TimeoutError:
            raise Wrong("%s: no reply, and the connection stays open" % what) from None
        if reply is None:
            raise Wrong("%s: the connection ended without a reply" % what)
        return reply.raw

    def command(self, line, what=None):
        self.client.send(line + b"\r\n")
        return self.reply(what or line)

    def expect(self, line, octets):
        same(self.command(line), octets, line)

    def begin_session(self):
        """Until the greeting, which is returned."""
        self.client.send(self.client.header)
        if self.leg.name == "client-implicit":
            self.lane.secure(self.client)
        return self.reply("greeting")

    def greet(self):
        same(self.begin_session(), b"220 weir.test ESMTP\r\n" if self.leg.is_own else GREETING, "greeting")
        if self.leg.name == "client-starttls":
            if not self.command(b"EHLO client.example.net").startswith(b"250-"):
                raise Wrong("EHLO before STARTTLS")
            self.expect(b"STARTTLS", b"220 2.0.0 Ready to start TLS\r\n")
            self.lane.secure(self.client)

    def hello(self):
        same(self.command(b"EHLO client.example.net"), self.lane.ehlo, "EHLO")

    def mail(self):
        own = self.leg.is_own and not any(not s.ended for s in self.upstream.sessions)
        self.expect(b"MAIL FROM:<a@example.net>", b"250 2.1.0 Ok\r\n" if own else NORMAL_REPLIES["mail"])

    def rcpt(self):
        self.expect(b"RCPT TO:<alice@example.test>", NORMAL_REPLIES["rcpt"])

    def data(self):
        normal = b"354 End data with <CR><LF>.<CR><LF>\r\n" if self.plan == "spool" else NORMAL_REPLIES["data"]
        self.expect(b"DATA", normal)

    def go_on(self):
        """The session is as good as new: a message, and the end."""
        self.upstream.behave()
        if self.then == QUITS:
            if not self.command(b"QUIT").startswith(b"221 2.0.0 "):  # the upstream's or ours
                raise Wrong("QUIT is not answered")
            self.check_end()
            return
        if self.stage == "connect":  # there is still nobody
            self.expect(b"QUIT", b"221 2.0.0 Bye\r\n")
            self.check_end()
            return
        if self.stage == "ehlo" and not self.leg.is_own:
            self.hello()
        before = self.stored()
        self.client.send(b"RSET\r\n")
        if not self.reply("RSET afterwards").startswith(b"250 2.0.0 "):
            raise Wrong("RSET afterwards is refused")
        for line in (b"MAIL FROM:<later@example.net>", b"RCPT TO:<bob@example.test>"):
            if not self.command(line).startswith(b"250 2.1."):
                raise Wrong("%r afterwards is refused" % line)
        self.data()
        self.client.send(stuff(LATER) + b".\r\n")
        final = self.reply("a message afterwards")
        if not final.startswith(b"250 2.0.0 Ok: queued as FAKE"):
            raise Wrong("a message afterwards: %r" % final)
        if self.stored()[len(before):] != [(b"<later@example.net>", (b"<bob@example.test>",), LATER)]:
            raise Wrong("stored afterwards: %r" % self.stored()[len(before):])
        self.told.append(final)
        self.expect(b"QUIT", NORMAL_REPLIES["quit"])
        self.check_end()

    def check_end(self):
        self.client.socket.settimeout(3 * HASTE)
        try:
            more = self.client.pending or self.client.reply()
        except TimeoutError:
            raise Wrong("the connection stays open") from None
        if more:
            raise Wrong("one more reply: %r" % more)

    # ---- what is checked of every cell

    def stored(self):
        return [tuple(m[:3]) for s in self.upstream.sessions for m in s.messages if m[3]]

    def check_patience(self, seconds):
        if self.fault in self.hurried and not HASTE * 0.9 <= seconds <= 3 * HASTE + 5:
            raise Wrong("took %.1f s" % seconds)

    def check_log(self):
        if not self.log:
            return
        if not any(line.startswith("session") for line in self.log):
            event = self.log[0].split()[0]
            records = wait_for(lambda: self.lane.log.take(self.client.name, event), 15, event + " in the log", 0.02)
        else:
            records = self.lane.records(self.client)
        for line in self.log:
            if not any(as_expected(record, line) for record in records):
                raise Wrong("not in the log: %s; there is: %s" % (line, "; ".join(r["line"] for r in records)))
        sessions = [r for r in records if r["event"] == "session"]
        if len(sessions) > 1:
            raise Wrong("%d session lines" % len(sessions))

    def check_upstream(self):
        """Law 1, both ways round."""
        self.upstream.resume.set()
        if not self.lane.settled():
            raise Wrong("an upstream connection is still open")
        whole = [m for s in self.upstream.sessions for m in s.messages]
        accepted = [m for m in whole if m[3]]
        yes = [reply for reply in self.told if reply.startswith(b"2")]
        least, most = self.unanswered()
        if not len(yes) + least <= len(accepted) <= len(yes) + most:
            raise Wrong("told %r, but the upstream accepted %d messages" % (self.told, len(accepted)))
        least, most = self.window()
        if not least <= len(whole) - len(accepted) <= most:
            raise Wrong("the upstream has %d whole messages that it did not accept" % (len(whole) - len(accepted)))

    def unanswered(self):
        """How many messages the upstream may have accepted without the client hearing of it."""
        return 0, 0

    def window(self):
        """How many whole messages it may have without having accepted them."""
        return 0, 0


class UpstreamCell(Cell):
    hurried = ("hang", "stop")
    in_a_hurry = "upstream"

    def take_lane(self):
        if self.stage == "connect":
            return contextlib.nullcontext(self.world.doomed[self.plan, self.fault])
        return super().take_lane()

    def begin(self):
        if self.stage == "connect":
            self.lane.begin()
            self.lane.connect_fault(self.fault)
        elif self.stage == "ehlo" and not self.leg.is_own:
            self.lane.begin()  # there may be one before STARTTLS: armed later
        else:
            self.lane.begin(UPSTREAM_NAMES.get(self.stage, self.stage.upper()), self.fault)

    def step(self):
        """Where the client hears of it."""
        if self.leg.is_own and self.stage in (*OPENING, "ehlo", "mail", "xforward"):
            return "rcpt"
        if self.stage in OPENING:
            return "greeting"
        if self.stage == "data" and self.plan == "spool" or self.stage == "content":
            return "final"
        return {"xforward": "mail"}.get(self.stage, self.stage)

    def misbehave(self):
        getattr(self, "at_" + self.step().replace("-", "_"))()

    def heard(self, what):
        """The replies of this cell, one by one."""
        for text in self.replies:
            reply = self.reply(what)
            if text == OK:
                expected = self.lane.ehlo if self.step() == "ehlo" else self.normal()
            elif text == THEIRS:
                expected = replies_for(self.fault, b"")
            else:
                expected = text.encode() + b"\r\n"
            same(reply, expected, what)
            if self.step() in ("final", "bdat") and len(self.told) == 0:
                self.told.append(reply)

    def normal(self):
        return NORMAL_REPLIES[{"bdat": "final"}.get(self.step(), self.step())]

    def at_greeting(self):
        self.client.send(self.client.header)
        if self.leg.name == "client-implicit":
            self.lane.secure(self.client)
        self.heard("greeting")
        if self.then == GOES_ON:
            if self.leg.name == "client-starttls":
                self.command(b"EHLO client.example.net")
                self.expect(b"STARTTLS", b"220 2.0.0 Ready to start TLS\r\n")
                self.lane.secure(self.client)
            self.hello()

    def say(self, line):
        self.client.send(line + b"\r\n")
        self.heard(line)

    def at_ehlo(self):
        self.greet()
        self.lane.upstream.misbehave("EHLO", self.fault)
        self.say(b"EHLO client.example.net")

    def at_auth(self):
        self.greet()
        self.hello()
        self.say(b"AUTH PLAIN")
        if self.fault in ("split", "bare-lf"):
            self.expect(b"AHVzZXIAcGFzcw==", NORMAL_REPLIES["auth-final"])

    def at_auth_final(self):
        self.greet()
        self.hello()
        self.expect(b"AUTH PLAIN", NORMAL_REPLIES["auth"])
        self.say(b"AHVzZXIAcGFzcw==")

    def at_mail(self):
        self.greet()
        self.hello()
        self.say(b"MAIL FROM:<a@example.net>")

    def log_in(self):
        self.greet()
        self.hello()
        self.expect(b"AUTH PLAIN", NORMAL_REPLIES["auth"])
        self.expect(b"AHVzZXIAcGFzcw==", NORMAL_REPLIES["auth-final"])

    def at_mail_in(self):
        self.log_in()
        self.client.send(b"MAIL FROM:<a@example.net>\r\n" + (b"RSET\r\n" if self.word.endswith("+gone") else b""))
        self.heard("MAIL")

    def at_amid_auth(self):
        self.greet()
        self.hello()
        self.expect(b"AUTH PLAIN", NORMAL_REPLIES["auth"])
        if not self.upstream.happened.wait(20):
            raise Wrong("the upstream stayed quiet")
        self.heard("AUTH")

    def at_rcpt(self):
        self.greet()
        if self.stage == "connect" and self.leg.is_own:
            self.expect(b"HELO client.example.net", b"250 weir.test\r\n")  # nobody has told yet what EHLO would say
        else:
            self.hello()
        self.mail()
        self.say(b"RCPT TO:<alice@example.test>")

    def envelope(self):
        self.greet()
        self.hello()
        self.mail()
        self.rcpt()

    def at_data(self):
        self.envelope()
        self.client.send(b"DATA\r\n")
        if self.replies[-1] != OK and self.word != "refused":
            self.heard("DATA")
            return
        same(self.reply("DATA"), NORMAL_REPLIES["data"], "DATA")
        self.client.send(stuff(PLAIN) + b".\r\n")
        self.told.append(self.reply("final"))
        expected = NORMAL_REPLIES["final"] if self.word == "ok" else self.replies[-1].encode() + b"\r\n"
        same(self.told[-1], expected, "final")

    def at_final(self):
        self.envelope()
        self.data()
        if self.stage == "content":
            self.send_content()
        else:
            self.client.send(stuff(PLAIN) + b".\r\n")
        self.heard("final")

    def send_content(self):
        """Under the stream plan half of it is sent, then the fault, then the rest; else all, and it happens while it goes on."""
        message = stuff(VAST if self.plan == "spool" or self.fault == "stop" else LONG)
        half = len(message) if self.plan == "spool" or self.fault == "stop" else len(message) // 2
        self.client.send(message[:half])
        if half < len(message):
            if not self.upstream.happened.wait(20):
                raise Wrong("the upstream got too little of the content")
            self.world.weir.settle()
        self.client.send(message[half:] + b".\r\n")

    def at_bdat(self):
        self.envelope()
        self.client.send(b"BDAT %d\r\n" % len(PLAIN) + PLAIN)
        same(self.reply("BDAT"), b"250 2.0.0 Ok: %d bytes\r\n" % len(PLAIN), "BDAT")
        self.client.send(b"BDAT 6 LAST\r\nMore\r\n")
        self.heard("BDAT LAST")

    def at_rset(self):
        self.envelope()
        self.say(b"RSET")

    def at_idle(self):
        self.envelope()
        self.expect(b"RSET", NORMAL_REPLIES["rset"])
        if not self.upstream.happened.wait(20):
            raise Wrong("the upstream stayed quiet")
        if not self.replies:
            time.sleep(0.1)
            self.world.weir.settle()
        self.heard("idle")

    def at_quit(self):
        self.envelope()
        self.expect(b"RSET", NORMAL_REPLIES["rset"])
        self.say(b"QUIT")

    def check_log(self):
        """What the client was told of a message is in the message's line."""
        if self.told and not self.told[0].startswith(b"2"):
            self.log = [*self.log, "message code=%s" % self.told[0][:3].decode()]
        super().check_log()

    def window(self):
        is_lost = self.stage in ("final", "bdat") and self.word not in ("ok", "ok+nons")
        return (1, 1) if is_lost else (0, 0)


class ClientCell(Cell):
    hurried = ("hang", "deaf")
    in_a_hurry = "client"

    def client_settings(self):
        return {"receive_buffer": 4096} if self.fault == "deaf" else {}

    def begin(self):
        self.lane.begin()
        if self.stage == "pre-greeting":
            self.upstream.may_greet.clear()
            self.upstream.orders = {"CONNECT": [wait_until(self.upstream.may_greet), NORMAL]}
        elif self.stage == "awaiting":
            self.upstream.orders = {"DOT": [0.3, NORMAL]}
        elif self.fault == "deaf":
            self.upstream.orders = {"NOOP": MANY}

    def misbehave(self):
        getattr(self, "in_" + self.stage.replace("-", "_"))()

    def fail(self, garbage=b"\0\xff no command\r\n"):
        """The fault itself, and what is said to it."""
        getattr(self, "do_" + self.fault)(garbage)

    def heard(self):
        for text in self.replies:
            reply = self.reply(self.stage)
            same(reply, NORMAL_REPLIES["final"] if text == OK else text.encode() + b"\r\n", self.stage)
            if self.stage in ("mid-header", "mid-body", "half-chunk", "behind-dot", "awaiting") and not self.told:
                self.told.append(reply)

    def do_close(self, _):
        socket.socket.shutdown(self.client.raw if not hasattr(self.client.socket, "pending") else self.client.socket, socket.SHUT_WR)
        self.heard()

    def do_reset(self, _):
        self.client.reset()

    def do_hang(self, _):
        self.heard()

    def do_deaf(self, _):
        alone = self.leg.is_own and self.stage != "after-rcpt"  # mailweir answers itself, and NOOP shortly
        with contextlib.suppress(OSError):
            self.client.send(b"EHLO client.example.net\r\n" * 60_000 if alone else b"NOOP\r\n" * 300)
        self.lane.records(self.client, 3 * HASTE + 5)  # it has no idea that it is over: only the log tells

    def do_garbage(self, garbage):
        self.client.send(garbage)
        self.heard()

    def hears_no_end(self):
        return self.fault in ("reset", "deaf")

    def check_end(self):
        """Nothing more, but perhaps an alert of a handshake that failed."""
        if self.stage != "handshake":
            super().check_end()
            return
        rest = b""
        with contextlib.suppress(ConnectionResetError):
            while more := self.client.raw.recv(4096):
                rest += more
        if rest and rest[0] != 0x15:
            raise Wrong("clear text in a handshake: %r" % rest[:100])

    # ---- stages

    def in_proxy_header(self):
        octets = b"\r\n\r\n\0\r\nQU" if self.fault != "garbage" else b"GARBAGE\r\n"
        self.client.send(octets)
        self.client.name = self.client.real_name
        self.fail(b"\r\n")

    def in_handshake(self):
        if self.leg.name == "client-starttls":
            same(self.begin_session(), GREETING, "greeting")
            self.command(b"EHLO client.example.net")
            self.expect(b"STARTTLS", b"220 2.0.0 Ready to start TLS\r\n")
        if self.fault != "garbage":
            self.client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01")
        self.fail(b"EHLO client.example.net\r\n")

    def in_pre_greeting(self):
        self.client.send(self.client.header)
        if self.leg.name == "client-implicit":
            self.lane.secure(self.client)
        wait_for(lambda: self.upstream.sessions, 15, "the upstream is connected")
        threading.Timer(0.3, self.greet_late).start()
        self.fail()

    def greet_late(self):
        """The upstream greets when mailweir has taken what the client did, however long that was."""
        self.world.weir.settle()
        self.upstream.may_greet.set()

    def greeted(self):
        self.greet()
        self.hello()

    def in_idle(self):
        self.greeted()
        self.fail()

    def in_half_command(self):
        self.greeted()
        self.client.send(b"MAIL FRO")
        self.fail(b"\0M\xff\r\n")

    def in_after_mail(self):
        self.greeted()
        self.mail()
        self.fail()

    def in_after_rcpt(self):
        self.greeted()
        self.mail()
        self.rcpt()
        self.fail()

    def in_after_data(self, content=b"", garbage=b""):
        self.greeted()
        self.mail()
        self.rcpt()
        self.data()
        self.content = content + garbage
        self.client.send(content)
        self.fail(garbage + b"\r\n.\r\n")

    def in_mid_header(self):
        self.in_after_data(b"From: a@example.net\r\nSubj", NOISE)

    def in_mid_body(self):
        self.in_after_data(PLAIN + b"and th", b"\0\xff\r? \x07\r\n")

    def in_half_chunk(self):
        self.greeted()
        self.mail()
        self.rcpt()
        self.client.send(b"BDAT %d LAST\r\n" % (len(PLAIN) + len(NOISE)) + PLAIN)
        self.fail(NOISE)

    def whole_message(self):
        self.greeted()
        self.mail()
        self.rcpt()
        self.data()

    def in_behind_dot(self):
        self.whole_message()
        if self.fault == "garbage":
            self.fail(stuff(PLAIN) + b".\r\n\0\xff no command\r\n")
            return
        self.client.raw = self.client.socket
        self.client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        self.client.send(stuff(PLAIN) + b".\r\n")
        self.fail()

    def in_awaiting(self):
        self.whole_message()
        self.client.send(stuff(PLAIN) + b".\r\n")
        wait_for(lambda: any(s.messages for s in self.upstream.sessions), 15, "the upstream has the message")
        self.fail()

    def unanswered(self):
        if self.word == "unheard":
            return 1, 1
        return (0, 1) if self.word == "maybe" else (0, 0)
