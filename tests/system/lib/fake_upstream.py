"""A scripted SMTP server: behaves as an ordinary one, but for the stages that a test gives it other orders for.

    up = FakeUpstream({"RCPT": b"550 5.1.1 nobody\\r\\n", "DOT": CLOSE})

Stages: CONNECT (before the greeting), EHLO, HELO, MAIL, RCPT, DATA, BODY (354 was sent, the message comes), DOT (the message is
complete; also BDAT LAST), BDAT, RSET, NOOP, QUIT, XCLIENT, and any other verb. An order is one step or a list of them:

    octets   sent as they are, as the reply
    NORMAL   what an ordinary server would say
    CLOSE    closes the connection         RESET    closes it by a TCP reset
    HANG     says nothing more, reads on   STOP     says nothing more and stops reading until `resume` is set
    ENDLESS  a reply without an end
    a number sleeps that many seconds
    callable called with (session); its return value is the next step

A list of orders wrapped in Turns(...) is used one per occurrence (the last one stays). `wait_until(event)` and `tell(event)` are orders,
too, for what must not depend on who is faster.
"""
import re
import socket
import struct
import threading
import time

from harness import free_port, wait_for

NORMAL, CLOSE, RESET, HANG, STOP, ENDLESS = "normal", "close", "reset", "hang", "stop", "endless"
EXTENSIONS = ("PIPELINING", "SIZE 33554432", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8", "CHUNKING")


# What counts as yes: one well-formed reply of reasonable length, all lines with the same code.
GOOD_REPLY = re.compile(rb"(?:([23]\d\d)-[^\r\n\0]{0,600}\r\n(?=\1))*[23]\d\d(?: [^\r\n\0]{0,600})?\r\n")


class Turns:
    def __init__(self, *orders):
        self.orders = list(orders)

    def take(self):
        return self.orders.pop(0) if len(self.orders) > 1 else self.orders[0]


def wait_until(event):
    """An order: goes on when the test has set the event."""
    def step(_):
        event.wait(20)
    return step


def tell(event):
    """An order: the test hears that the server has come so far."""
    def step(_):
        event.set()
    return step


class _End(Exception):
    """The session ends here."""


class Session:
    """What one connection said and got."""

    def __init__(self, upstream, connection, number, peer):
        self.upstream = upstream
        self.socket = connection
        self.number = number
        self.peer = peer
        self.begun = time.monotonic()
        self.commands = []   # lines without CRLF
        self.messages = []   # (sender, recipients, octets, was acknowledged)
        self.received = 0
        self.ended = False   # the peer closed, or we did
        self.peer_quit = False
        self.buffer = bytearray()  # a bytearray: cutting off its front is cheap
        self.sender, self.recipients, self.chunks = None, [], b""

    def leave(self, last_words=b""):
        """Says something that nobody asked for, perhaps, and closes. From the test's thread; the peer may be faster."""
        try:
            self.socket.sendall(last_words)
            self.socket.shutdown(socket.SHUT_RDWR if not last_words else socket.SHUT_WR)
        except OSError:
            pass

    def verbs(self):
        return [line.split(b" ")[0].split(b":")[0].upper().decode("latin-1") for line in self.commands]


class FakeUpstream:
    def __init__(self, orders=None, extensions=EXTENSIONS, port=None):
        self.orders = dict(orders or {})
        self.extensions = extensions
        self.resume = threading.Event()
        self.sessions = []
        self.port = port or free_port()
        self._lock = threading.Lock()
        self._stopped = False
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(128)
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def stop(self):
        """No more connections; open ones are cut."""
        self._stopped = True
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._acceptor.join(10)  # until it has left the socket the port is taken, and who came last may not stand in `sessions`
        self._listener.close()
        self.resume.set()
        for session in list(self.sessions):
            try:
                session.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stored(self):
        """Messages that were acknowledged: (sender, recipients, octets)."""
        return [tuple(m[:3]) for s in self.sessions for m in s.messages if m[3]]

    def catch_up(self):
        """Waits until every connection made so far stands in `sessions`: they are accepted in order, and one of ours, which is taken out
        again, is the last. A proxy may be done with a connection before this server's thread has seen it."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as own:
            last = wait_for(lambda: [s for s in list(self.sessions) if s.peer == own.getsockname()], 10.0, "the connection is noted")
            self.sessions.remove(last[0])

    def wait_sessions_end(self, timeout=10.0):
        wait_for(lambda: all(s.ended for s in self.sessions), timeout, "upstream sessions ended")

    def _accept(self):
        while not self._stopped:
            try:
                connection, peer = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                session = Session(self, connection, len(self.sessions) + 1, peer)
                self.sessions.append(session)
            threading.Thread(target=self._serve, args=(session,), daemon=True).start()

    # ---- one session

    def _serve(self, session):
        try:
            self._obey(session, "CONNECT", b"220 up.example.test ESMTP Fake\r\n")
            while True:
                line = self._line(session)
                session.commands.append(line)
                self._command(session, line)
        except (_End, OSError):
            pass
        finally:
            session.ended = True
            try:
                session.socket.close()
            except OSError:
                pass

    def _command(self, session, line):
        verb = line.split(b" ")[0].split(b":")[0].upper().decode("latin-1")
        handler = getattr(self, "_verb_" + verb.lower(), None)
        if handler:
            handler(session, line)
        else:
            self._obey(session, verb, b"500 5.5.2 what?\r\n")

    def _verb_ehlo(self, session, line):
        lines = ["up.example.test", *self.extensions]
        text = "".join("250%s%s\r\n" % ("-" if i + 1 < len(lines) else " ", l) for i, l in enumerate(lines))
        self._obey(session, "EHLO", text.encode())

    def _verb_helo(self, session, line):
        self._obey(session, "HELO", b"250 up.example.test\r\n")

    def _verb_mail(self, session, line):
        if self._obey(session, "MAIL", b"250 2.1.0 sender ok\r\n"):
            session.sender, session.recipients, session.chunks = line[10:], [], b""

    def _verb_rcpt(self, session, line):
        if self._obey(session, "RCPT", b"250 2.1.5 recipient ok\r\n"):
            session.recipients.append(line[8:])

    def _verb_data(self, session, line):
        if not self._obey(session, "DATA", b"354 go ahead\r\n"):
            return
        self._obey(session, "BODY", b"")
        lines = []
        while (line := self._line(session)) != b".":
            lines.append(line[1:] if line.startswith(b".") else line)
        self._store(session, b"".join(line + b"\r\n" for line in lines))

    def _verb_bdat(self, session, line):
        words = line.split()
        size = int(words[1])
        session.chunks += self._octets(session, size)
        if len(words) > 2:
            self._store(session, session.chunks)
        else:
            self._obey(session, "BDAT", b"250 2.0.0 %d octets\r\n" % size)

    def _store(self, session, content):
        entry = [session.sender, tuple(session.recipients), content, False]
        session.messages.append(entry)
        self._obey(session, "DOT", b"250 2.0.0 Ok: queued as FAKE%d\r\n" % len(session.messages), entry)
        session.sender, session.recipients, session.chunks = None, [], b""

    def _verb_rset(self, session, line):
        session.sender, session.recipients, session.chunks = None, [], b""
        self._obey(session, "RSET", b"250 2.0.0 flushed\r\n")

    def _verb_noop(self, session, line):
        self._obey(session, "NOOP", b"250 2.0.0 nothing\r\n")

    def _verb_vrfy(self, session, line):
        self._obey(session, "VRFY", b"252 2.0.0 cannot say\r\n")

    def _verb_xclient(self, session, line):
        self._obey(session, "XCLIENT", b"220 up.example.test ESMTP Fake\r\n")

    def _verb_xforward(self, session, line):
        self._obey(session, "XFORWARD", b"250 2.0.0 Ok\r\n")

    def _verb_quit(self, session, line):
        session.peer_quit = True
        self._obey(session, "QUIT", b"221 2.0.0 bye\r\n")
        raise _End

    # ---- orders

    def _obey(self, session, stage, normal, entry=None):
        """Carries out the orders for a stage; true when the (last) reply was a 2xx or 3xx. `entry` of session.messages is marked as
        acknowledged before the client can know of it."""
        order = self.orders.get(stage, NORMAL)
        if isinstance(order, Turns):
            order = order.take()
        steps = order if isinstance(order, list) else [order]
        good = True
        for step in steps:
            while callable(step):
                step = step(session)
            if step is None:
                continue
            if step == NORMAL:
                step = normal
            if isinstance(step, bytes):
                good = not step or step.startswith(b"354 ") or bool(GOOD_REPLY.fullmatch(step))
                if entry:
                    entry[3] = good
                session.socket.sendall(step)
            elif isinstance(step, (int, float)):
                time.sleep(step)
            else:
                self._misbehave(session, step)
        return good

    def _misbehave(self, session, step):
        if step == RESET:
            session.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif step == HANG:
            while self._receive(session):
                session.buffer.clear()
        elif step == STOP:
            self.resume.wait(120)
            return
        elif step == ENDLESS:
            session.socket.settimeout(20)
            while True:
                session.socket.sendall(b"250-and so on\r\n" * 512)
        raise _End

    # ---- input

    def _receive(self, session):
        octets = session.socket.recv(65536)
        session.buffer += octets
        session.received += len(octets)
        return octets

    def _line(self, session):
        searched = 0
        while (end := session.buffer.find(b"\r\n", searched)) < 0:
            searched = max(0, len(session.buffer) - 1)
            if not self._receive(session):
                raise _End
        line = bytes(session.buffer[:end])
        del session.buffer[:end + 2]
        return line

    def _octets(self, session, count):
        while len(session.buffer) < count:
            if not self._receive(session):
                raise _End
        octets = bytes(session.buffer[:count])
        del session.buffer[:count]
        return octets
