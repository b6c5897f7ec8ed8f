"""Client scripts of the differential test: what a client sends, and when it waits; nothing about what it gets. The notation is
explained in tests/system/differential/README.md. Read here, played by differ.py."""
import functools
import os
import random
import re

from smtpline import stuff


class Script:
    """name, service, steps: (line number, verb, arguments ...). `where` names the file."""

    def __init__(self, name, where):
        self.name = name
        self.where = where
        self.service = "main"
        self.steps = []

    @property
    def topic(self):
        return self.name.split("/")[0]

    def closes_itself(self):
        """Does its last step end the session? Else the player says QUIT."""
        return bool(self.steps) and self.steps[-1][1] in ("eof", "close", "reset", "end")


class Bad(Exception):
    """The script's own mistake."""


# ---------------------------------------------------------------------------------------------- octets

SIMPLE = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\", '"': '"'}
ATOM = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|(fill|lines|binary)\s+(\d+))(?:\s*\*\s*(\d+))?')


def unescape(text):
    def one(match):
        word = match.group(1)
        return chr(int(word[1:], 16)) if word[0] == "x" else SIMPLE[word]
    return re.sub(r"\\(x[0-9a-fA-F]{2}|[rnt0\\\"])", one, text).encode("latin-1", "strict")


@functools.lru_cache(maxsize=None)
def fill(size):
    """That many octets of text lines, CRLF at the end, one line of nine with a dot in front."""
    line = b"." + b"0123456789abcdef" * 4 + b"\r\n" + b"plain text of sixty octets or so, nothing special......\r\n" * 8
    return (line * (size // len(line) + 1))[:size - 2].rstrip(b"\r\n").ljust(size - 2, b"x") + b"\r\n"


@functools.lru_cache(maxsize=None)
def numbered(count):
    """That many lines "line N", CRLF."""
    return b"".join(b"line %d\r\n" % i for i in range(count))


@functools.lru_cache(maxsize=None)
def binary(size):
    """Octets of every kind, line ends of all sorts and ends of data among them; the same every time."""
    dice = random.Random(size)
    spice = [b"\r\n.\r\n", b"\n.\n", b"\r.\r", b"\0", b"\r\nQUIT\r\n", b"\n", b"\r", b"\r\n"]
    out = bytearray()
    while len(out) < size:
        out += dice.choice(spice) if dice.random() < 0.1 else dice.randbytes(1 + dice.randrange(20))
    return bytes(out[:size])


def octets(text):
    """`"..." * 3 fill 1000 "..."` -> octets."""
    out, at = [], 0
    while at < len(text):
        match = ATOM.match(text, at)
        if not match:
            raise Bad("octets expected: %r" % text[at:])
        quoted, word, size, times = match.groups()
        made = unescape(quoted) if word is None else {"fill": fill, "lines": numbered, "binary": binary}[word](int(size))
        out.append(made * int(times or 1))
        at = match.end()
    return out[0] if len(out) == 1 else b"".join(out)


def line(text):
    """A command line as written in the script (UTF-8), with {x * 300} for repetition."""
    return re.sub(r"\{(.+?) \* (\d+)\}", lambda m: m.group(1) * int(m.group(2)), text).encode("utf-8") + b"\r\n"


# ---------------------------------------------------------------------------------------------- reading

COMMON = {"ehlo": "EHLO client.example.net", "helo": "HELO client.example.net", "mail": "MAIL FROM:<sender@example.net>",
          "rcpt": "RCPT TO:<alice@example.test>", "data": "DATA", "rset": "RSET", "noop": "NOOP"}


def _steps(text):
    """One line of a script -> its steps."""
    word, _, rest = text.partition(" ")
    if word == "repeat":
        count, _, inner = rest.partition(" ")
        return [step for i in range(int(count)) for part in inner.split(" ;; ")
                for step in _steps(part.strip().replace("%d", str(i)))]
    if text.split()[0] in COMMON:
        return [step for w in text.split() for step in (("send", line(COMMON[w])), ("wait", 1))]
    if word == "say":
        return [("send", line(rest)), ("wait", 1)]
    if word == ">":
        return [("send", line(rest))]
    if word == ">>":
        return [("send", octets(rest))]
    if word == "wait":
        return [("wait", int(rest or 1))]
    if word == "message":
        return [("send", stuff(octets(rest)) + b".\r\n"), ("wait", 1)]
    if word in ("bdat", "bdat-last"):
        content = octets(rest) if rest else b""
        return [("send", b"BDAT %d%s\r\n" % (len(content), b" LAST" if word == "bdat-last" else b"") + content)]
    if word == "bdats":  # the message in chunks of that size, each answered, the last one LAST
        size, _, content = rest.partition(" ")
        content, size = octets(content), int(size)
        chunks = [content[i:i + size] for i in range(0, len(content), size)]
        return [step for i, chunk in enumerate(chunks) for step in
                (("send", b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if i == len(chunks) - 1 else b"") + chunk), ("wait", 1))]
    if word == "cut":
        return [("cut", rest)]
    if word in ("eof", "close", "reset", "end"):
        return [(word,)]
    raise Bad("unknown word %r" % word)


def read(path):
    """The scripts of a file."""
    scripts = []
    with open(path, encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            text = text.rstrip("\n")
            where = "%s:%d" % (os.path.basename(path), number)
            if text.startswith("== "):
                scripts.append(Script(os.path.basename(path).rsplit(".", 1)[0] + "/" + text[3:].strip(), where))
                continue
            if not text.strip() or text.startswith("#"):
                continue
            try:
                if text.startswith("use "):
                    scripts[-1].service = text[4:].strip()
                else:
                    scripts[-1].steps += [(number, *step) for step in _steps(text)]
            except (Bad, ValueError, KeyError, IndexError) as error:
                raise SystemExit("%s: %s" % (where, error or repr(error))) from error
    return scripts


def read_folder(folder):
    scripts = [s for name in sorted(os.listdir(folder)) if name.endswith(".script")
               for s in read(os.path.join(folder, name))]
    names = [s.name for s in scripts]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise SystemExit("scripts with the same name: " + ", ".join(twice))
    return scripts


def pieces(packet, way):
    """How a packet leaves: the writes it is made of."""
    if way == "whole" or not packet:
        return [packet]
    if way == "lines":
        return packet.splitlines(True) if b"\r" not in packet.replace(b"\r\n", b"") else re.findall(rb"[^\n]*\n|[^\n]+", packet)
    if way == "bytes":
        return [packet[i:i + 1] for i in range(len(packet))]
    if way.startswith("at "):
        edges = [0, *(int(n) for n in way[3:].split(",") if int(n) < len(packet)), len(packet)]
        return [packet[a:b] for a, b in zip(edges, edges[1:])]
    if way.startswith("random "):
        dice, out, at = random.Random(int(way[7:])), [], 0
        while at < len(packet):
            step = dice.randrange(1, 60)
            out.append(packet[at:at + step])
            at += step
        return out
    size = int(way)
    return [packet[i:i + size] for i in range(0, len(packet), size)]
