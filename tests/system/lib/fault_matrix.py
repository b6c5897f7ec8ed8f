"""What test_fault_matrix.py stands on: the tables' reader, an upstream that misbehaves at one stage, and lanes, so that many cells
run at a time without meeting each other.

A *leg* is a way to configure the two connections (in the clear, TLS here or there, each identity). One mailweir serves a leg, with
many *lanes*: each has a listener, an upstream block and a fake upstream of its own, and runs one cell at a time. Lanes differ in
plan (stream, spool) and in who has to hurry (nobody, the upstream, the client)."""
import contextlib
import itertools
import os
import queue
import re
import socket
import ssl
import struct
import threading
import time

import certs
import harness
from fake_upstream import CLOSE, HANG, RESET, STOP, FakeUpstream, _End
from harness import wait_for
from smtpline import Client
from suite import SPOOLING

HASTE = 4 if harness.MAILWEIR and harness.is_sanitized() else 2  # seconds; a sanitizer makes everything slow
CERTIFICATES = []   # the one pair of this run, made when it is needed
V2 = b"\r\n\r\n\0\r\nQUIT\n"
GREETING = b"220 up.example.test ESMTP Fake\r\n"
UNASKED = b"250 2.0.0 fake: nobody asked\r\n"
HOSTNAME = "weir.test"
CONTENT_MARK = 20_000  # octets of content that the upstream has when it misbehaves in the middle of it


# ---------------------------------------------------------------------------------------------- tables

class Table:
    """Rows: a stage, conditions (@word: a leg, a group of legs or a plan), one word for each fault. The row with most conditions
    that hold decides (of two with as many the later one); "." asks the next. A row of one word says it for every fault."""

    def __init__(self, text):
        lines = [line.split() for line in text.splitlines() if line.strip()]
        self.faults = lines[0][1:]
        self.rows = []
        for stage, *rest in lines[1:]:
            tags = {word[1:] for word in rest if word.startswith("@")}
            words = [word for word in rest if not word.startswith("@")]
            words = words * len(self.faults) if len(words) == 1 else words
            if len(words) != len(self.faults):
                raise ValueError("%s %s: %d words for %d faults" % (stage, tags, len(words), len(self.faults)))
            self.rows.append((stage, tags, dict(zip(self.faults, words))))
        self.stages = list(dict.fromkeys(row[0] for row in self.rows))

    def word(self, stage, fault, tags):
        rows = sorted((row for row in reversed(self.rows) if row[0] == stage and row[1] <= tags), key=lambda row: -len(row[1]))
        return next(row[2][fault] for row in rows if row[2][fault] != ".")


# ---------------------------------------------------------------------------------------------- the upstream

def replies_for(fault, normal):
    """The octets that this fault says instead of the stage's normal reply."""
    code = normal[:3] or b"250"
    return {
        "421": b"421 4.3.2 fake: going down\r\n",
        "4xx": b"450 4.3.2 fake: not now\r\n",
        "5xx": b"554 5.7.1 fake: not ever\r\n",
        "nonsense": b"HELLO THERE\r\n",
        "nul": normal[:6] + b"\0" + normal[6:],
        "bare-lf": normal.replace(b"\r\n", b"\n"),
        "extra": normal + normal,
        "giant": (code + b"-" + b"x" * 490 + b"\r\n") * 200 + code + b" end\r\n",
    }[fault]


class MatrixUpstream(FakeUpstream):
    """Ordinary, until `misbehave` names a stage. Further stages: OWN_EHLO (mailweir's own), HANDSHAKE, AUTH_FINAL, and AMID (the
    content), AMID_AUTH (behind 334) and IDLE, where nothing is owed to anybody."""

    def __init__(self, leg):
        self.leg = leg
        self.stage = self.fault = None
        self.happened, self.may_greet = threading.Event(), threading.Event()
        self.settle = None  # waits until mailweir has dealt with what was said
        words = ["PIPELINING", "SIZE 33554432", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "CHUNKING", "AUTH PLAIN LOGIN"]
        super().__init__(extensions=[*words, *leg.announced])

    def misbehave(self, stage, fault):
        self.happened.clear()
        self.resume.clear()
        self.stage, self.fault = stage, fault

    def behave(self):
        self.stage = self.fault = None

    def _serve(self, session):
        try:
            if self.leg.identity == "proxy-v2":
                head = self._octets(session, 16)
                self._octets(session, struct.unpack(">H", head[14:])[0])
        except (_End, OSError):
            session.ended = True
            session.socket.close()
            return
        super()._serve(session)

    def _obey(self, session, stage, normal, entry=None):
        if stage == "EHLO" and session.commands[-1][5:].decode() == HOSTNAME:
            stage = "OWN_EHLO"
        if stage != self.stage or self.fault is None:
            good = super()._obey(session, stage, normal, entry)
            if stage == "STARTTLS" and good:
                self._handshake(session)
            return good
        fault = self.fault
        good = fault in ("split", "extra", "bare-lf")
        if entry:
            entry[3] = good
        try:
            self._commit_fault(session, fault, normal)
        finally:
            self.happened.set()
        if stage == "STARTTLS" and good:
            self._handshake(session)
        return good

    def _commit_fault(self, session, fault, normal):
        if fault in ("close", "reset", "hang", "stop"):
            self.happened.set()
            self._misbehave(session, {"close": CLOSE, "reset": RESET, "hang": HANG, "stop": STOP}[fault])
        elif fault == "split":
            for i in range(len(normal)):
                session.socket.sendall(normal[i:i + 1])
                time.sleep(0.0005)
        else:
            session.socket.sendall(replies_for(fault, normal))
            if fault == "421":
                self.happened.set()
                raise _End  # it means it

    def _handshake(self, session):
        """Behind the 220 to STARTTLS."""
        session.buffer.clear()
        if self.stage == "HANDSHAKE" and self.fault:
            self._receive(session)  # the ClientHello
            self._obey(session, "HANDSHAKE", b"220 this is no handshake\r\n")
            raise _End
        session.socket = certificate().server_context().wrap_socket(session.socket, server_side=True)

    def _verb_starttls(self, session, line):
        self._obey(session, "STARTTLS", b"220 2.0.0 go ahead\r\n")

    def _verb_auth(self, session, line):
        if self._obey(session, "AUTH", b"334 VXNlcg==\r\n"):
            if self.stage == "AMID_AUTH":
                time.sleep(0.02)
                self._obey(session, "AMID_AUTH", UNASKED)
            self._line(session)
            self._obey(session, "AUTH_FINAL", b"235 2.7.0 welcome\r\n")

    def _verb_rset(self, session, line):
        super()._verb_rset(session, line)
        if self.stage == "IDLE":
            time.sleep(0.02)
            self._obey(session, "IDLE", UNASKED)

    def _verb_data(self, session, line):
        if self.stage == "AMID":
            mark = session.received + CONTENT_MARK
            self.orders = {"BODY": lambda session: self._amid_content(session, mark)}
        super()._verb_data(session, line)

    def _amid_content(self, session, mark):
        self.orders = {}
        while session.received < mark:
            if not self._receive(session):
                raise _End
        self._obey(session, "AMID", UNASKED if self.stage else b"")
        time.sleep(0.5)  # or the rest of the content, its dot included, might cross with what was said
        self.settle()


# ---------------------------------------------------------------------------------------------- legs and lanes

class Leg:
    def __init__(self, name, listen=(), upstream=(), identity="none", announced=(), groups=()):
        self.name = name
        self.listen, self.upstream, self.identity, self.announced = list(listen), list(upstream), identity, announced
        self.tags = {name, *groups}
        self.is_own = "own-banner" in self.tags


def certificate():
    if not CERTIFICATES:
        CERTIFICATES.append(certs.Authority().issue("mx.weir.test"))
    return CERTIFICATES[0]


XCLIENT_ATTRIBUTES = "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"
LEGS = [
    Leg("clear"),
    Leg("client-starttls", listen=["tls starttls"], groups=["client-tls"]),
    Leg("client-implicit", listen=["tls implicit"], groups=["client-tls"]),
    Leg("upstream-tls", upstream=["tls required"], announced=["STARTTLS"], groups=["negotiates"]),
    Leg("own-banner", upstream=["banner own"]),
    Leg("xclient", identity="xclient", announced=[XCLIENT_ATTRIBUTES], groups=["negotiates"]),
    Leg("xforward", identity="xforward", announced=["XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"], groups=["negotiates"]),
    Leg("own-tls-xclient", upstream=["banner own", "tls required"], identity="xclient",
        announced=["STARTTLS", XCLIENT_ATTRIBUTES], groups=["own-banner", "upstream-tls", "xclient", "negotiates"]),
    Leg("proxy-v2", listen=["accept-proxy required", "trust 127.0.0.0/8"], identity="proxy-v2"),
]
PLANS = ("stream", "spool")
# Who has to hurry: lanes of each plan, settings of the listener, settings of the upstream.
HURRY = {
    "nobody": (8, [], []),
    "upstream": (10, ["data-timeout %ds" % HASTE],
                 ["connect-timeout %ds" % HASTE, "reply-timeout %ds" % HASTE, "final-reply-timeout %ds" % HASTE]),
    "client": (6, ["command-timeout %ds" % HASTE, "data-timeout %ds" % HASTE, "handshake-timeout %ds" % HASTE], []),
}


class Lane:
    """One listener and its upstream. `begin` when a cell starts; `records` for what the log says of it."""
    numbers, clients = itertools.count(1), itertools.count(1)

    def __init__(self, leg, plan, hurry):
        self.leg, self.plan, self.hurry = leg, plan, hurry
        self.number = next(Lane.numbers)
        self.tags = leg.tags | {plan}
        self.upstream = MatrixUpstream(leg)
        self.port = harness.free_port()
        self.log = None
        self.silent = []
        self.ehlo = None  # what a client is told when all is well

    def conf(self):
        _, listen, upstream = HURRY[self.hurry]
        name = "lane%d" % self.number
        lines = ["address 127.0.0.1:%d" % self.upstream.port, "identity " + self.leg.identity, *self.leg.upstream, *upstream]
        keys = ["certificate %s %s" % (certificate().certificate, certificate().key)] if "client-tls" in self.leg.tags else []
        chain = ["chain inbound"] if self.plan == "spool" else []
        return harness.block("upstream " + name, lines) + harness.block(
            "listen " + name, ["address 127.0.0.1:%d" % self.port, "upstream " + name, "client-name off", "auth always",
                               "max-sessions 100", "max-junk-commands 0", *chain, *self.leg.listen, *keys, *listen])

    def begin(self, stage=None, fault=None):
        self.upstream.behave()
        self.upstream.orders = {}
        self.upstream.sessions.clear()
        if stage:
            self.upstream.misbehave(stage, fault)

    def end(self):
        self.upstream.behave()
        self.upstream.resume.set()

    def connect_fault(self, fault):
        """Nobody listens any more ("reset"), or nobody accepts ("hang")."""
        self.upstream.stop()
        if fault != "hang":
            return
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.upstream.port))
        listener.listen(0)
        self.silent = [listener]
        for _ in range(4):  # the backlog is full then, and further SYNs are dropped
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.upstream.port))
            self.silent.append(filler)
        time.sleep(0.05)

    def stop(self):
        self.end()
        self.upstream.stop()
        for thing in self.silent:
            thing.close()

    # ---- the client's side

    def open(self, **settings):
        """A client with an address of its own, by which the log knows it. `header` is to be said first, where there is one."""
        number = next(Lane.clients)
        tail = bytes([number >> 8 & 255, number & 255])
        client = Client(self.port, greet=False, source="127.1.%d.%d" % tuple(tail), timeout=5 + 4 * HASTE, **settings)
        client.raw = client.socket
        client.real_name = client.name = "-[127.1.%d.%d]:%d" % (*tail, client.source_port)
        client.header = b""
        if self.leg.name == "proxy-v2":
            client.name = "-[10.1.%d.%d]:%d" % (*tail, client.source_port)
            addresses = bytes([10, 1]) + tail + bytes([192, 0, 2, 1]) + struct.pack(">HH", client.source_port, 25)
            client.header = V2 + b"\x21\x11\0\x0c" + addresses
        return client

    def secure(self, client):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client.socket = context.wrap_socket(client.socket)

    def records(self, client, wait=15.0):
        """The log's records of this client's session; waits until it is over."""
        return self.log.session(client.name, wait)

    def settled(self, seconds=10.0):
        """Have all upstream connections of this cell ended?"""
        with contextlib.suppress(AssertionError):
            return wait_for(lambda: all(s.ended for s in self.upstream.sessions), seconds, "upstream connections ended") or True
        return False


class LogIndex:
    """The log, read once and as it grows: records by session and by client."""

    def __init__(self, path):
        self.file = open(path, "rb")
        self.lock = threading.Lock()
        self.rest = b""
        self.by_id, self.by_client = {}, {}

    def _read(self):
        text = self.rest + self.file.read()
        text, _, self.rest = text.rpartition(b"\n")
        for record in harness.log_records(text.decode("utf-8", "backslashreplace")):
            if record["id"]:
                self.by_id.setdefault(record["id"].split(".")[0], []).append(record)
            if "client" in record:
                self.by_client.setdefault(record["client"], []).append(record)

    def take(self, client, event):
        """The records of the session that ended with such a line about this client, or that line if it has no session."""
        with self.lock:
            self._read()
            found = [r for r in self.by_client.get(client, []) if r["event"] == event]
            if not found:
                return None
            return self.by_id.get(found[-1]["id"], found) if found[-1]["id"] else found

    def session(self, client, wait):
        return wait_for(lambda: self.take(client, "session"), wait, "the session's line in the log", 0.02)


class World:
    """A leg's mailweir with its lanes."""

    def __init__(self, leg):
        self.leg = leg
        self.lanes = [Lane(leg, plan, hurry) for hurry, (count, _, _) in HURRY.items() for plan in PLANS for _ in range(count)]
        self.doomed = {(plan, fault): Lane(leg, plan, "upstream" if fault == "hang" else "nobody")
                       for plan in PLANS for fault in ("reset", "hang")}
        everyone = [*self.lanes, *self.doomed.values()]
        files = {**SPOOLING["files"], "50-lanes.conf": "".join(lane.conf() for lane in everyone)}
        self.weir = harness.Mailweir(self.lanes[0].upstream.port, filters=SPOOLING["filters"], chain=SPOOLING["chain"],
                                     files=files, top=("workers 1", "hostname " + HOSTNAME), name="faults")
        log = LogIndex(self.weir.log_path)
        self.free = {(hurry, plan): queue.Queue() for hurry in HURRY for plan in PLANS}
        for lane in everyone:
            lane.log, lane.upstream.settle = log, self.weir.settle
        for lane in self.lanes:
            self.free[lane.hurry, lane.plan].put(lane)
        self.base = 0

    @contextlib.contextmanager
    def lane(self, hurry, plan):
        lane = self.free[hurry, plan].get()
        try:
            yield lane
        finally:
            lane.end()
            self.free[hurry, plan].put(lane)

    def sockets(self):
        """What mailweir has open of them. (Spool files are kept for the next message, a few.)"""
        directory, found = "/proc/%d/fd" % self.weir.pid, []
        for name in os.listdir(directory):
            with contextlib.suppress(FileNotFoundError):
                found.append(os.readlink(os.path.join(directory, name)))
        return [name for name in found if name.startswith("socket:")]

    def stop(self, test):
        try:
            self.weir.finish(test)
        finally:
            for lane in [*self.lanes, *self.doomed.values()]:
                lane.stop()


def as_expected(record, pattern):
    """Does the record fit "event key=value ..."?"""
    event, *keys = re.findall(r'(?:[^\s"]|"[^"]*")+', pattern)
    return record["event"] == event and all(record.get(k.split("=", 1)[0]) == k.split("=", 1)[1].strip('"') for k in keys)
