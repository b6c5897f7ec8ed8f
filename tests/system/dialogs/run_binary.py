#!/usr/bin/env python3
"""Plays the dialogs of this folder against the program: a client's socket, an upstream's socket, and the filter module
`dialog` (tests/data/filters/dialog.c) for the `filter` lines. The language is told in README.md; the same files run against
the pure session (tests/unit/dialog_pure.c), where time costs nothing and what comes too early is seen.

    run_binary.py --mailweir BINARY --filters DIRECTORY [--jobs N] [WORD ...]

Only dialogs whose path holds one of the words are played. Exit status 1 if one failed."""
import argparse
import concurrent.futures
import os
import re
import signal
import socket
import ssl
import struct
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))

PATIENCE = 30.0     # seconds that an expected line may take
PAUSE = 0.05        # between writes of different peers that have no reply between them: which comes first would be luck
SETTLE = 1.0        # seconds at most that the program gets to read the first of them, if it reads from that peer at all
SLOWER = 3          # times and time-outs of a dialog are multiplied: what is in time by 0.3 s is not on a busy machine
TIME_MAX = 2.0      # seconds of `time` in one dialog; beyond that it is played against the pure session only
UPSTREAM_SETTINGS = {"identity", "require-identity", "connect-timeout", "reply-timeout", "final-reply-timeout", "keepalive",
                     "banner", "queue-timeout"}
SMALL_BUFFER = 4096  # of a peer that will stop reading


PAIR = None         # certificate and key of all peers


class Failure(Exception):
    pass


class Skipped(Exception):
    pass


# ---------------------------------------------------------------------------------------------- reading a dialog

class Step:
    def __init__(self, kind, where, side=None, octets=b"", text="", joins=False):
        self.kind, self.where, self.side, self.octets, self.text, self.joins = kind, where, side, octets, text, joins


ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\", '"': b'"'}
PIECE = re.compile(r'\s*"((?:[^"\\]|\\.)*)"(?:\s*\*\s*(\d+))?')


def unescape(text):
    def one(match):
        word = match.group(1)
        return bytes([int(word[1:], 16)]) if word[0] == "x" else ESCAPES[word]
    out, at = b"", 0
    for match in re.finditer(r"\\(x[0-9a-fA-F]{2}|.)", text):
        out += text[at:match.start()].encode() + one(match)
        at = match.end()
    return out + text[at:].encode()


def pieces(text, where):
    out, at = b"", 0
    while text[at:].strip():
        match = PIECE.match(text, at)
        if not match:
            raise Failure("%s: bad octets" % where)
        out += unescape(match.group(1)) * int(match.group(2) or 1)
        at = match.end()
    return out


def peer_step(line, where):
    side, rest = line[0], line[1:]
    if rest in (" tls", " tls fails"):
        return Step("secure", where, side, text=rest.strip())
    if rest in (" accept", " refuse", " stalls", " reads"):
        return Step(rest.strip(), where, side)
    match = re.match(r"(<<|>>|<|>)(?: (.*)|(.+))?$", rest, re.S)
    if not match:
        raise Failure("%s: unknown line" % where)
    arrow, text = match.group(1), match.group(2) if match.group(2) is not None else match.group(3) or ""
    gets = arrow[0] == "<"
    if len(arrow) == 2:
        return Step("octets" if gets else "send", where, side, pieces(text, where))
    if text == "eof":
        return Step("gets-eof" if gets else "end", where, side)
    if gets and text == "any eof":
        return Step("gets-any-eof", where, side)
    if not gets and text == "reset":
        return Step("reset", where, side)
    return Step("line", where, side, text=text) if gets else Step("send", where, side, text.encode() + b"\r\n")


SENDING = ("send", "end", "reset")


def read_dialog(path):
    steps, in_paragraph = [], False
    with open(path, encoding="utf-8", newline="") as file:
        lines = file.read().split("\n")
    for number, line in enumerate(lines, 1):
        where = "%s:%d" % (os.path.relpath(path, HERE), number)
        if not line.strip():
            in_paragraph = False
        elif line[0] == "#":
            continue
        elif line.startswith("use "):
            steps += read_dialog(os.path.join(HERE, "use", line[4:] + ".dlg"))
            in_paragraph = False
        elif line[0] in "CU":
            step = peer_step(line, where)
            step.joins = in_paragraph and step.kind in SENDING and bool(steps) and steps[-1].kind in SENDING and \
                steps[-1].side == step.side
            steps.append(step)
            in_paragraph = True
        else:
            word, _, rest = line.partition(" ")
            if word not in ("set", "filter", "plan", "only", "time", "log", "no-log", "shutdown", "decide"):
                raise Failure("%s: unknown line" % where)
            steps.append(Step(word, where, text=rest))
            in_paragraph = True
    return steps


def matcher(pattern):
    """"*" stands for any octets, a backslash for the next octet itself."""
    out = ""
    for match in re.finditer(r"\\(.)|(\*)|(.)", pattern, re.S):
        out += ".*" if match.group(2) else re.escape(match.group(1) or match.group(3))
    return re.compile(out.encode(), re.S)


def seconds(text):
    match = re.fullmatch(r"(\d+)(ms|s|m|h)", text)
    return int(match.group(1)) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[match.group(2)]


def slower(setting):
    match = re.fullmatch(r"((?:\S+-timeout|keepalive|upstream\.\S+-timeout|upstream\.keepalive) )(\d+)(ms|s)", setting)
    return match.group(1) + str(SLOWER * int(match.group(2))) + match.group(3) if match else setting


# ---------------------------------------------------------------------------------------------- peers

class Peer:
    """One end of a connection. Sends from a thread of its own where the octets may not fit into the sockets' buffers."""

    def __init__(self, name, connection):
        self.name, self.socket, self.buffer = name, connection, b""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.names = (connection.getpeername(), connection.getsockname())  # as the program's end is listed
        self.sender = None
        self.is_deaf = False

    def send(self, octets, ends):
        if self.sender:
            self.sender.join(PATIENCE)
        if len(octets) < 32768:
            self._send(octets, ends)
        else:
            self.sender = threading.Thread(target=self._send, args=(octets, ends), daemon=True)
            self.sender.start()

    def _send(self, octets, ends):
        try:
            # the end arrives together with the last octets, as it does from a client that hangs up behind its dot
            if ends:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            self.socket.settimeout(60)
            self.socket.sendall(octets)
            if ends and not isinstance(self.socket, ssl.SSLSocket):
                self.socket.shutdown(socket.SHUT_WR)
            elif ends:
                socket.socket.shutdown(self.socket, socket.SHUT_WR)
        except OSError:
            pass  # whether that matters is seen in what comes back

    def is_read(self):
        """Has the program taken everything that has arrived at its end?"""
        local, remote = ("%02X%02X%02X%02X:%04X" % (*reversed(socket.inet_aton(host)), port) for host, port in self.names)
        with open("/proc/net/tcp", encoding="ascii") as table:
            for line in table:
                fields = line.split()
                if fields[1:3] == [local, remote]:
                    return int(fields[4].split(":")[1], 16) == 0
        return True  # that end is closed

    def secure(self, pair, fails, settle):
        """The handshake; our side says something else where it has to fail."""
        if self.sender:
            self.sender.join(PATIENCE)
        self.socket.settimeout(PATIENCE)
        if self.buffer:
            raise Failure("the %s got before the handshake %r" % (self.name, self.buffer[:300]))
        if fails:
            self.is_deaf = True  # a ClientHello may come: nobody reads it
            settle(self)  # or it would come together with the reply that asks for the handshake
            self.socket.sendall(b"this is no handshake\r\n")
            return
        is_server = self.name == "upstream"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT)
        if is_server:
            context.load_cert_chain(pair.certificate, pair.key)
        else:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            self.socket = context.wrap_socket(self.socket, server_side=is_server)
        except (OSError, ssl.SSLError) as problem:
            raise Failure("the %s's handshake failed: %s" % (self.name, problem)) from None

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def fill(self, deadline):
        """More octets; False at the end of the connection."""
        self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            octets = self.socket.recv(1 << 18)
        except (ConnectionResetError, ssl.SSLEOFError):
            return False
        except (socket.timeout, BlockingIOError):
            raise Failure("nothing more came within %.0f s" % PATIENCE) from None
        self.buffer += octets
        return bool(octets)

    def line(self):
        deadline = time.monotonic() + PATIENCE
        while b"\n" not in self.buffer:
            if not self.fill(deadline):
                raise Failure("the connection was closed")
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def octets(self, count):
        deadline = time.monotonic() + PATIENCE
        parts, have = [self.buffer], len(self.buffer)
        while have < count:
            self.buffer = b""
            if not self.fill(deadline):
                raise Failure("the connection was closed, %d of %d octets came" % (have, count))
            parts.append(self.buffer)
            have += len(self.buffer)
        whole = b"".join(parts)
        self.buffer = whole[count:]
        return whole[:count]

    def rest(self):
        """All until the connection is closed."""
        deadline = time.monotonic() + PATIENCE
        while self.fill(deadline):
            pass
        rest, self.buffer = self.buffer, b""
        return b"" if self.is_deaf else rest

    def close(self):
        self.socket.close()
        if self.sender:
            self.sender.join(PATIENCE)


class Upstream:
    """The listening side. Where the next connection is to be refused, the port is ours, but nobody listens."""

    def __init__(self, orders, is_small):
        self.socket = socket.socket()
        if is_small:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.orders = orders  # "accept", "refuse" in the order of the dialog
        self.is_listening = False
        self.settle()

    def settle(self):
        """Listen, or do not, as the next order wants it."""
        wants = not self.orders or self.orders[0] == "accept"
        if wants and not self.is_listening:
            self.socket.listen(4)
        elif not wants and self.is_listening:
            self.socket.shutdown(socket.SHUT_RDWR)
        else:
            return
        self.is_listening = wants

    def accept(self):
        self.orders.pop(0)
        self.socket.settimeout(PATIENCE)
        try:
            connection, _ = self.socket.accept()
        except socket.timeout:
            raise Failure("nobody connected") from None
        self.settle()
        return Peer("upstream", connection)


# ---------------------------------------------------------------------------------------------- playing

class Play:
    def __init__(self, steps, filters):
        self.steps = steps
        self.refuse_unplayable()
        stalls = {s.side for s in steps if s.kind == "stalls"}
        self.upstream = Upstream([s.kind for s in steps if s.kind in ("accept", "refuse")], "U" in stalls)
        self.proxy = self.start_proxy(filters)
        self.peers = {"C": Peer("client", self.connect("C" in stalls))}

    def refuse_unplayable(self):
        for step in self.steps:
            if step.kind == "only" and step.text.split()[0] == "pure":
                raise Skipped(step.text.partition(" ")[2])
        total = sum(seconds(s.text) for s in self.steps if s.kind == "time")
        if max([seconds(s.text) for s in self.steps if s.kind == "time"] + [0]) > TIME_MAX:
            raise Skipped("it takes %.0f s" % total)

    def start_proxy(self, filters):
        from harness import Mailweir
        listen, upstream, rules, spool, top = [], [], [], False, []
        for step in self.steps:
            text = slower(step.text)
            if step.kind == "set" and text.startswith("upstream."):
                upstream.append(text[len("upstream."):])
            elif step.kind == "set" and text.startswith("authserv-id "):
                top.append(text)
            elif step.kind == "set":
                (upstream if text.split()[0] in UPSTREAM_SETTINGS else listen).append(text)
            elif step.kind == "filter":
                rules.append("    rule '%s'\n" % step.text)
            elif step.kind == "plan":
                spool = step.text == "spool"
        if any(line.startswith("tls ") and line != "tls off" for line in listen):
            listen.append("certificate %s %s" % (PAIR.certificate, PAIR.key))
        has_filter = bool(rules) or spool
        block = "filter script {\n    module dialog\n    spool %s\n%s}\n" % ("on" if spool else "off", "".join(rules))
        return Mailweir(self.upstream.port, listen=listen, upstream=upstream, filters=block if has_filter else "",
                        chain="script" if has_filter else "", name="dialog",
                        top=("hostname weir.test", "plugin-path %s" % filters, *top))

    def connect(self, is_small):
        client = socket.socket()
        if is_small:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        client.settimeout(PATIENCE)
        client.connect(("127.0.0.1", self.proxy.port))
        return client

    def peer(self, step):
        if step.side not in self.peers:
            raise Failure("the upstream has no connection")
        return self.peers[step.side]

    def send(self, at):
        """Everything of one paragraph in one write. Returns the index behind it."""
        before = self.steps[at - 1] if at > 0 else None
        if before and before.kind in SENDING and before.side != self.steps[at].side:
            self.settle(self.peer(before))
        peer, octets, kind = self.peer(self.steps[at]), b"", "send"
        end = at
        while end == at or (end < len(self.steps) and self.steps[end].joins):
            octets += self.steps[end].octets
            kind = self.steps[end].kind
            end += 1
        if peer.name == "client":
            self.upstream.settle()
        if octets or kind == "end":
            peer.send(octets, kind == "end")
        if kind == "reset":
            peer.reset()
        return end

    def sleeps(self):
        """Is no thread of the program at work, or about to be?"""
        try:
            for task in os.listdir("/proc/%d/task" % self.proxy.pid):
                with open("/proc/%d/task/%s/stat" % (self.proxy.pid, task), encoding="ascii", errors="replace") as stat:
                    if stat.read().rsplit(")", 1)[1].split()[0] != "S":
                        return False
        except OSError:
            pass  # a thread has ended, or the program
        return True

    def settle(self, peer):
        """Until the program has read and done with what the peer sent it."""
        end = time.monotonic() + SETTLE
        time.sleep(PAUSE)
        while not (peer.is_read() and self.sleeps()) and time.monotonic() < end:
            time.sleep(0.005)

    def gets(self, step):
        peer = self.peer(step)
        if step.kind == "line":
            line = peer.line()
            if not (line.endswith(b"\r") and matcher(step.text).fullmatch(line[:-1])):
                raise Failure("%s got %r, expected %r" % (peer.name, line + b"\n", step.text))
        elif step.kind == "octets":
            got = peer.octets(len(step.octets))
            if got != step.octets:
                at = next(i for i in range(len(got)) if got[i] != step.octets[i])
                raise Failure("%s got, from octet %d on, %r, expected %r" %
                              (peer.name, at, got[at:at + 200], step.octets[at:at + 200]))
        else:
            rest = peer.rest()
            if step.kind == "gets-eof" and rest:
                raise Failure("%s got %r before the end" % (peer.name, rest[:300]))
            if b"\r\n.\r\n" in rest:
                raise Failure("an abandoned message was completed: %r" % rest[-300:])

    def tokens(self, text):
        return re.findall(r'(?:[^\s"]|"(?:[^"\\]|\\.)*")+', text)

    def check_log(self, step):
        patterns = [matcher(word) for word in self.tokens(step.text)]

        def has_all(line):
            words = [word.encode("utf-8", "surrogateescape") for word in self.tokens(line)]
            return all(any(p.fullmatch(w) for w in words) for p in patterns)
        deadline = time.monotonic() + PATIENCE
        while not any(has_all(line) for line in self.proxy.log().splitlines()):
            if time.monotonic() > deadline:
                raise Failure("no such log line: %s\n%s" % (step.text, self.proxy.log()[-3000:]))
            time.sleep(0.01)

    def step(self, at):
        step = self.steps[at]
        if step.kind in SENDING:
            return self.send(at)
        if step.kind in ("line", "octets", "gets-eof", "gets-any-eof"):
            self.gets(step)
        elif step.kind == "accept":
            if "U" in self.peers:
                self.peers["U"].close()
            self.peers["U"] = self.upstream.accept()
        elif step.kind == "secure":
            self.peer(step).secure(PAIR, step.text == "tls fails", self.settle)
        elif step.kind == "refuse":
            self.upstream.orders.pop(0)
        elif step.kind == "time":
            time.sleep(SLOWER * seconds(step.text))
        elif step.kind == "shutdown":
            self.proxy.signal(signal.SIGTERM)
        elif step.kind == "log":
            self.check_log(step)
        return at + 1

    def run(self):
        at = 0
        while at < len(self.steps):
            before = at
            try:
                at = self.step(at)
            except Failure as failure:
                raise Failure("%s: %s" % (self.steps[before].where, failure)) from None
        self.check_quiet()

    def check_quiet(self):
        """What was said and not expected."""
        for peer in self.peers.values():
            if peer.socket.fileno() < 0 or peer.is_deaf:
                continue
            peer.socket.settimeout(0.02)
            try:
                peer.buffer += peer.socket.recv(4096)
            except OSError:
                pass
            if peer.buffer:
                raise Failure("the %s got in the end %r" % (peer.name, peer.buffer[:300]))

    def close(self):
        """Ends everything; what is wrong with the program now, if anything."""
        for peer in self.peers.values():
            peer.close()
        self.upstream.socket.close()
        status = self.proxy.wait(60) if any(s.kind == "shutdown" for s in self.steps) else self.proxy.stop()
        log = self.proxy.log()
        if status != 0 or re.search(r"AddressSanitizer|LeakSanitizer|runtime error:|assertion", log, re.I):
            return "the program ended with %d:\n%s" % (status, log[-4000:])
        for step in self.steps:
            if step.kind == "no-log" and step.text in log:
                return "%s: this stands in the log: %s" % (step.where, step.text)
        return None


def play(path, filters):
    """(verdict, text) of one dialog."""
    try:
        session = Play(read_dialog(path), filters)
    except Skipped as reason:
        return "skip", str(reason)
    except (Failure, AssertionError) as failure:
        return "FAIL", str(failure)
    problem = None
    try:
        session.run()
    except Failure as failure:
        problem = str(failure)
    finally:
        problem = session.close() or problem
    return ("FAIL", problem) if problem else ("ok", "")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mailweir", required=True)
    parser.add_argument("--filters", required=True)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    os.environ["MAILWEIR"] = os.path.abspath(options.mailweir)
    import certs  # (reads MAILWEIR when it is imported)
    global PAIR
    PAIR = certs.Authority().issue("mx.weir.test")
    paths = []
    for folder, _, names in os.walk(HERE):
        if os.path.basename(folder) != "use":
            paths += [os.path.join(folder, name) for name in names if name.endswith(".dlg")]
    chosen = [p for p in sorted(paths) if not options.words or any(w in os.path.relpath(p, HERE) for w in options.words)]
    counts = {"ok": 0, "skip": 0, "FAIL": 0}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = pool.map(lambda path: play(path, os.path.abspath(options.filters)), chosen)
        for path, (verdict, text) in zip(chosen, results):
            counts[verdict] += 1
            print("%-4s %s%s" % (verdict, os.path.relpath(path, HERE)[:-4], ": " + text if text else ""), flush=True)
    print("%d dialogs, %d skipped, %d failed" % (len(chosen), counts["skip"], counts["FAIL"]))
    return 1 if counts["FAIL"] or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
