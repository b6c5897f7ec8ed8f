"""Plays client scripts (script.py) and compares what came of them: the replies, who ended the connection, what was stored.

An outcome is a list of text lines, so that two of them can be shown side by side. Only what differs between any two sessions is made
equal before: queue ids, dates, process ids, the address that a run came from. What may differ else stands in a file of differences,
each with its reason, bound to named scripts and to given replies; one that does not occur any more is a failure, too."""
import fnmatch
import hashlib
import re
import select
import socket
import time

import script as scripts
from smtpline import Client, ProtocolError

REPLY_TIMEOUT = 90.0  # only a script's or the program's fault is ever waited for that long
SECTIONS = ("documented", "known", "pending")


# ---------------------------------------------------------------------------------------------- playing

class Player:
    """One session of a script. `replies` is what came: texts, and at the end who closed; `sent[i]` what was said before reply i."""

    def __init__(self, port, source):
        self.client = Client(port, source=source, timeout=REPLY_TIMEOUT, greet=False)
        self.replies, self.sent = [], []
        self.packet = []
        self.cut = "whole"
        self.is_over = False

    def play(self, script):
        with self.client:
            self._wait(1)
            for _, verb, *arguments in script.steps:
                if self.is_over:
                    return
                getattr(self, "_" + verb)(*arguments)
            if self.is_over:
                return
            if not script.closes_itself():
                self._send(b"QUIT\r\n")
                self._end()

    def _send(self, octets):
        self.packet.append(octets)

    def _cut(self, way):
        self._flush()
        self.cut = way

    def _wait(self, count):
        self._flush()
        for _ in range(count):
            if self._reply() is None:
                return

    def _end(self):
        self._flush()
        while self._reply() is not None:
            pass

    def _eof(self):
        self._flush()
        self._shutdown()
        self._end()

    def _close(self):
        self._flush()
        self.client.close()
        self._over("(client closed)")

    def _reset(self):
        self._flush()
        self.client.reset()
        self._over("(client reset)")

    def _over(self, how):
        self.replies.append(how)
        self.is_over = True

    def _reply(self):
        try:
            reply = self.client.reply()
        except ProtocolError as error:
            self._over("(no reply: %s)" % error)
            return None
        except TimeoutError:
            self._over("(nothing within %d s)" % REPLY_TIMEOUT)
            return None
        if reply is None:
            self._over("(closed)")
            return None
        self.replies.append(reply.raw.decode("utf-8", "backslashreplace")[:-2].replace("\r\n", " | "))
        return reply

    def _shutdown(self):
        try:
            self.client.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _flush(self):
        packet, self.packet = b"".join(self.packet), []
        self.sent += [b""] * (len(self.replies) + 1 - len(self.sent))
        self.sent[-1] += packet[:2000] + b"..." * (len(packet) > 2000)
        writes = scripts.pieces(packet, self.cut)
        for i, piece in enumerate(writes):
            if not self._write(piece):
                return
            if len(writes) <= 3 and i < len(writes) - 1:
                time.sleep(0.002)  # the peer shall see the seam

    def _write(self, octets):
        """Sends, and takes what comes meanwhile: the peer may wait for that. False: the peer takes nothing more."""
        sock, left = self.client.socket, memoryview(octets)
        deadline = time.monotonic() + REPLY_TIMEOUT
        while left and time.monotonic() < deadline:
            try:
                left = left[sock.send(left[:1 << 20], socket.MSG_DONTWAIT):]
                continue
            except BlockingIOError:
                readable, _, _ = select.select([sock], [sock], [], 1.0)
            except OSError:
                return False
            if readable and not self._take_more():
                return False
        return not left

    def _take_more(self):
        try:
            more = self.client.socket.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.client.pending += more
        return bool(more)


def play(script, port, source):
    """The replies of one session, and what was said before each."""
    player = Player(port, source)
    try:
        player.play(script)
    except OSError as error:
        player.replies.append("(%s)" % error)
    return player.replies, player.sent


# ---------------------------------------------------------------------------------------------- what differs always

def same_reply(text, source):
    """A reply without what no two sessions have in common."""
    text = re.sub(r"queued as [0-9A-Za-z]+", "queued as ID", text)
    return text.replace(source, "ADDRESS")


def _same_octets(octets, source, queue_ids):
    for queue_id in queue_ids:
        octets = octets.replace(queue_id.encode(), b"ID")
    return octets.replace(source.encode(), b"ADDRESS")


STAMP = rb"<\d{14}\.ID@"  # of a Message-ID that Postfix makes, to the second
DATE = rb"[A-Z][a-z]{2}, +\d+ [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4} \([A-Z0-9+-]+\)"


def same_mail(mailbox, octets, source, queue_ids):
    """A stored message as text lines. Postfix's own header fields are compared as well, without ids and dates: they tell the
    sender, the recipient, HELO, protocol and login that Postfix believed in. Long ones by digest."""
    head, separator, body = octets.partition(b"\n\n")
    head = re.sub(STAMP, b"<STAMP.ID@", re.sub(DATE, b"DATE", _same_octets(head, source, queue_ids)))
    if b"multipart/report" in head:  # Postfix's own notification
        body = re.sub(DATE, b"DATE", _same_octets(body, source, queue_ids))
        boundary = re.search(rb'boundary="([^"]+)"', head)
        if boundary:
            head, body = (part.replace(boundary.group(1), b"BOUNDARY") for part in (head, body))
    lines = ["mailbox %s: %d octets in the body, %s" % (mailbox, len(body), hashlib.sha256(body).hexdigest()[:16])]
    if len(head) > 20000:
        lines.append("  header of %d octets, %s" % (len(head), hashlib.sha256(head).hexdigest()[:16]))
        head = head[:1000]
    lines += ["  " + printable(text) for text in head.split(b"\n")]
    if separator:
        lines += ["  " + printable(text) for text in ((b"\n" + body[:600]).split(b"\n"))]
    return "\n".join(lines)


def printable(octets):
    text = octets.decode("utf-8", "backslashreplace")
    text = "".join(c if c.isprintable() else "\\x%02x" % ord(c) for c in text)
    return text if len(text) <= 160 else text[:120] + "... %d more, %s" % (len(text) - 120, hashlib.sha256(octets).hexdigest()[:12])


class Outcome:
    """replies: list of texts; stored: sorted list of texts, one a message or a queue entry; sent: for showing only."""

    def __init__(self, replies, stored, sent=()):
        self.replies = replies
        self.stored = sorted(stored)
        self.sent = sent

    def __eq__(self, other):
        return self.replies == other.replies and self.stored == other.stored


# ---------------------------------------------------------------------------------------------- differences

class Difference:
    """One entry of the file: see its head."""

    def __init__(self, name, section, where):
        self.name = name
        self.section = section
        self.where = where
        self.reason = ""
        self.scripts = []
        self.ways = []
        self.direct, self.weir = [], []
        self.stored = None  # (messages direct, messages through mailweir), or "other octets"
        self.sometimes = ""  # why it may also not occur
        self.used = set()

    def holds_for(self, script, way):
        return [g for g in self.scripts if fnmatch.fnmatchcase(script.name, g)] if way in self.ways else []

    def use(self, script, way):
        for glob in self.holds_for(script, way):
            self.used.add((glob, way))

    def stale(self, scripts_played):
        """(script, way) pairs that it names and where it did not occur."""
        if self.sometimes:
            return []
        return ["%s (%s)" % (g, w) for g in self.scripts for w in self.ways if (g, w) not in self.used
                and any(fnmatch.fnmatchcase(name, g) for name in scripts_played)] + \
               ["%s: no such script" % g for g in self.scripts
                if not any(fnmatch.fnmatchcase(name, g) for name in scripts_played)]


def _matches(pattern, text):
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), text, re.S) is not None


def read_differences(path, ways):
    """The entries of the file, in its order."""
    found, section = [], None
    with open(path, encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            text = text.strip()
            where = "%s:%d" % (path.rsplit("/", 1)[-1], number)
            if not text or text.startswith("#"):
                continue
            word, _, rest = text.partition(" ")
            rest = rest.strip()
            if word == "section" and rest in SECTIONS:
                section = rest
            elif word == "==" and section:
                found.append(Difference(rest, section, where))
                found[-1].ways = list(ways)
            elif word == "reason" and found:
                found[-1].reason = (found[-1].reason + " " + rest).strip()
            elif word == "sometimes" and found:
                found[-1].sometimes = rest
            elif word == "script" and found:
                found[-1].scripts.append(rest)
            elif word == "ways" and found and set(rest.split()) <= set(ways):
                found[-1].ways = rest.split()
            elif word in ("direct", "weir") and found:
                getattr(found[-1], word).append(rest)
            elif word == "stored" and found:
                found[-1].stored = "other octets" if rest == "other octets" else tuple(int(n) for n in rest.split())
            else:
                raise SystemExit("%s: not understood: %s" % (where, text))
    for entry in found:
        if not entry.reason or not entry.scripts or not (entry.direct or entry.weir or entry.stored):
            raise SystemExit("%s: %s needs a reason, scripts and what differs" % (entry.where, entry.name))
    return found


def _match_at(patterns, texts, at):
    return len(patterns) <= len(texts) - at and all(_matches(p, t) for p, t in zip(patterns, texts[at:]))


def compare(script, way, direct, weir, differences):
    """(what differs and is in no entry: texts, the entries that were used)."""
    entries = [d for d in differences if d.holds_for(script, way)]
    problems, used = [], []
    i = j = 0
    while i < len(direct.replies) or j < len(weir.replies):
        if i < len(direct.replies) and j < len(weir.replies) and direct.replies[i] == weir.replies[j]:
            i, j = i + 1, j + 1
            continue
        entry = next((e for e in entries if (e.direct or e.weir) and _match_at(e.direct, direct.replies, i)
                      and _match_at(e.weir, weir.replies, j)), None)
        if entry is None:
            problems.append("replies differ from number %d on" % (i + 1))
            break
        used.append(entry)
        i, j = i + len(entry.direct), j + len(entry.weir)
    if direct.stored != weir.stored:
        counts = (len(direct.stored), len(weir.stored))
        entry = next((e for e in entries if e.stored == counts or e.stored == "other octets" and counts[0] == counts[1]), None)
        if entry:
            used.append(entry)
        else:
            problems.append("stored differs (%d direct, %d through mailweir)" % counts)
    return problems, used


# ---------------------------------------------------------------------------------------------- showing

def _rows(left, right, sent=(), width=78):
    """Lines in two columns, '!' where they differ; a long one has a line of its own."""
    for n in range(max(len(left), len(right))):
        if n < len(sent) and sent[n]:
            for text in sent[n].splitlines():
                yield "  > " + printable(text)
        a, b = (left[n] if n < len(left) else ""), (right[n] if n < len(right) else "")
        mark = " " if a == b else "!"
        if len(a) <= width:
            yield "%s %-*s | %s" % (mark, width, a, b)
        elif a == b:
            yield "  %s | the same" % a
        else:
            yield "! %s" % a
            yield "! %-*s | %s" % (width, "", b)


def side_by_side(direct, weir):
    """Two outcomes as text: what was said (as far as the direct session came), and the two answers to it in two columns."""
    out = list(_rows(["direct"], ["mailweir"])) + list(_rows(direct.replies, weir.replies, direct.sent))
    same = [text for text in direct.stored if text in weir.stored]
    left, right = ([text for text in side.stored if text not in same] for side in (direct, weir))
    out += ["  stored: the same, " + text.split("\n", 1)[0] for text in same]
    for n in range(max(len(left), len(right))):
        a, b = ((texts[n] if n < len(texts) else "(nothing)").split("\n") for texts in (left, right))
        out += list(_rows(["stored: " + a[0], *a[1:]], ["stored: " + b[0], *b[1:]]))
    return "\n".join("#   " + line for line in out)
