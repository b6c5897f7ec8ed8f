"""The rule filter in a running mailweir, for tests/bench/rule-engine: patterns that take for ever while others want the
loop, and what a large message holds in memory."""
import base64
import os
import random
import socket
import statistics
import threading
import time

import hops

# sixteen of class C
EVIL = [r"^(a+)+b$", r"^(?:a|aa)+c$", r"([a-z]+)*\d{3}!", r"(\w+\s?)+:::$", r"(.*,){12}END", r"^(?:(?:x+)+y)+z", r"(.*?,){14}P#",
        r"(?:[^<]+)*<!END", r"(?:a?){30}a{30}b", r"(\S+)*@@", r"(?:.+)+Q#", r".*.*.*=.*ZZZ", r"(?=.*a)(?=.*b)(?=.*c).*.*.*QQQ",
        r"(x+x+)+y", r"^(([a-z])+.)+[A-Z]([a-z])+$", r"(?:\s*\w+\s*)+;;$"]
# what each of them needs somewhere, so that none is given up at once
NEEDED = "b\nc\n123!\n:::x\nEND\nz y\nP#\n<!END\n@@\nQ#\n=ZZZ\nQQQ\nAbc 1\n;;x\n"
EVIL_SIZES = {"5 kB": 5 * 1024, "100 kB": 100 * 1024, "1 MB": 1024 * 1024}
DEADLINE_MS, SLACK_MS = 250, 10
HARMLESS = 'refuse: reject 550 5.7.1 "no" when body.text =~ /no such words in it/\n'

CONFIG = """{user}
hostname mx.example.test
log file /dev/null
listen bench {{
    address 127.0.0.1:{port}
    upstream sink
    chain bench
    max-junk-commands 1000000
    max-message-size 64MB
}}
upstream sink {{
    address 127.0.0.1:{sink}
    identity none
}}
filter rules {{
    module rules
    files {rules}
    suspend-after 0
}}
chain bench {{ rules }}
"""


def evil_rules():
    lines = ["e%02d: score 1 when body.text =~ /%s/m" % (number, pattern) for number, pattern in enumerate(EVIL)]
    return "\n".join(lines) + '\nrefuse: reject 550 5.7.1 "no" when score >= 100\n'


def evil_message(size):
    """Runs that the exponential ones go wrong in, and long lines for the polynomial ones."""
    head = "From: a@example.net\nTo: b@example.com\nSubject: evil\nMIME-Version: 1.0\nContent-Type: text/plain\n\n"
    rng, body = random.Random(size), NEEDED
    while len(body) < size - len(head):
        run = rng.choice(["a" * 60, "x" * 60, "1," * 40, "abcdefghij" * 6, "word " * 30, "a.b=c " * 20])
        body += run + rng.choice([" "] * 16 + ["!\n", "\n"])
    return head + body + "\n"


def write(work, name, text):
    path = os.path.join(work, name)
    with open(path, "w", encoding="ascii") as out:
        out.write(text)
    return path


def start(field, name, rules):
    port = hops.free_port()
    stem = os.path.join(field.work, name)
    text = CONFIG.format(user="user root" if os.geteuid() == 0 else "", port=port, sink=field.sink.port, rules=rules)
    return field.launch(name, port, stem, text, [os.path.join(field.build_dir, "mailweir"), "run", "-c", stem + ".conf"])


class Client:
    """A lock-step SMTP client."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb")
        self.reply()
        self.say("EHLO client.example.net")

    def reply(self):
        while True:
            line = self.reader.readline()
            if line[3:4] != b"-":
                return line

    def say(self, line):
        self.socket.sendall(line.encode() + b"\r\n")
        return self.reply()

    def begin(self):
        self.say("MAIL FROM:<sender@example.net>")
        self.say("RCPT TO:<recipient@example.com>")
        if not self.say("DATA").startswith(b"354"):
            raise RuntimeError("DATA was refused")

    def close(self):
        self.reader.close()
        self.socket.close()


# ---- patterns that take for ever ----

def probe(port, seconds, stop=None):
    """Latencies of NOOPs of another session, in ms."""
    client, figures = Client(port), []
    until = time.monotonic() + seconds
    while time.monotonic() < until and not (stop is not None and stop.is_set()):
        begun = time.perf_counter()
        client.say("NOOP")
        figures.append((time.perf_counter() - begun) * 1e3)
        time.sleep(0.001)
    client.close()
    return sorted(figures)


def send_for(port, octets, stop, out):
    client = Client(port)
    while not stop.is_set():
        client.begin()
        client.socket.sendall(octets)
        begun = time.perf_counter()
        reply = client.say(".")
        out.append((time.perf_counter() - begun) * 1e3)
        if not reply.startswith(b"250"):
            raise RuntimeError("a message was refused: %r" % reply)
    client.close()


def one_evil(hop, size, seconds):
    text = evil_message(size).replace("\n", "\r\n")
    stop, times = threading.Event(), []
    sender = threading.Thread(target=send_for, args=(hop.port, text.encode(), stop, times))
    sender.start()
    figures = probe(hop.port, seconds)
    stop.set()
    sender.join()
    return {"messages": len(times), "longest_ms": max(times), "median_ms": statistics.median(times),
            "p99_ms": figures[int(0.99 * (len(figures) - 1))], "max_ms": figures[-1], "probes": len(figures)}


def run_evil(field, seconds):
    """{size: {"evil": figures, "harmless": figures}}, the same messages, with the patterns and without."""
    rules = {"evil": write(field.work, "evil.rules", evil_rules()), "harmless": write(field.work, "harmless.rules", HARMLESS)}
    running = {name: start(field, name, path) for name, path in rules.items()}
    try:
        return {title: {name: one_evil(running[name], size, seconds) for name in ("harmless", "evil")}
                for title, size in EVIL_SIZES.items()}
    finally:
        for hop in running.values():
            hop.stop()


# ---- memory ----

MEMORY_RULES = """all: score 1 when body.text =~ /no such words/ or url.host == "none" or archive.name == "none" or attachment.sha256 == "none"
refuse: reject 550 5.7.1 "no" when score >= 100
"""
LARGE = 50 * 1000 * 1000
BASE64_LINE = 57
# texts, archives (proxy/message/content.h), what the spool keeps (spool-memory, its backlog and two chunks)
CAP_MIB = 4 + 16 + 0.25 + 1


def part(kind, more, octets):
    return ("--b\r\nContent-Type: %s\r\n%s\r\n" % (kind, more)).encode() + octets + b"\r\n"


def zip_of(name, octets):
    """Stored, by hand: what is in it is not looked at, and does not shrink."""
    import io
    import zipfile
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(name, octets)
    return out.getvalue()


def large_message():
    """Text, HTML and archives, more of each than is kept."""
    rng = random.Random(50)
    text = b"The quick brown fox jumps over the lazy dog, see https://www.example.com/dog\r\n" * 26000
    html = b"<p>The quick <b>brown</b> fox <a href='https://www.example.com/'>jumps</a></p>\r\n" * 26000
    out = [b"From: a@example.net\r\nTo: b@example.com\r\nSubject: large\r\nMIME-Version: 1.0\r\n"
           b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"]
    out += [part("text/plain; charset=utf-8", "", text) for _ in range(4)] + [part("text/html", "", html) for _ in range(3)]
    octets = zip_of("inside.bin", rng.randbytes(9 * 1024 * 1024))
    more = 'Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename="a.zip"\r\n'
    encoded = b"\r\n".join(base64.b64encode(octets[at:at + BASE64_LINE]) for at in range(0, len(octets), BASE64_LINE))
    while sum(map(len, out)) < LARGE:
        room = LARGE - sum(map(len, out))
        out.append(part("application/zip", more, encoded[:room]))
    return b"".join(out)


def peak_kib(pids):
    total = 0
    for pid in pids:
        with open("/proc/%d/status" % pid, encoding="ascii") as status:
            total += next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    return total


def run_memory(field):
    """RSS of a mailweir before a large message, with all of it but the end, and at most."""
    hop = start(field, "memory", write(field.work, "memory.rules", MEMORY_RULES))
    try:
        client = Client(hop.port)
        client.begin()
        client.socket.sendall(b"Subject: small\r\n\r\nsmall\r\n.\r\n")
        client.reply()
        message = large_message()
        before, _ = hop.memory_kib()
        client.begin()
        client.socket.sendall(message)
        time.sleep(1.5)
        stalled, _ = hop.memory_kib()
        client.socket.sendall(b"--b--\r\n")
        begun = time.monotonic()
        reply = client.say(".")
        seconds = time.monotonic() - begun
        if not reply.startswith(b"250"):
            raise RuntimeError("the large message was refused: %r" % reply)
        after, _ = hop.memory_kib()
        client.close()
        return {"octets": len(message), "before_kib": before, "stalled_kib": stalled, "peak_kib": peak_kib(hop.pids),
                "after_kib": after, "seconds": seconds}
    finally:
        hop.stop()
