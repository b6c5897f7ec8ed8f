"""Hostile messages through `mailweir run` with rules that read everything (body.text, body.html, url, attachment, archive, mime.defects).
The verdict is as documented: refused by the rule that finds what was hidden, or delivered with the defect that names the trick; never an
error, a crash or a report of a sanitizer. Bounds: the reply to the end of a message comes within REPLY_SECONDS, whatever it is; a second
client that goes on meanwhile gets its whole session within a second; the process never needs more than GROWN_KIB above what it had. (With
a sanitizer in the program time counts ten times and memory is not looked at.)"""
import base64
import glob
import io
import os
import re
import sys
import threading
import time
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import suite  # noqa: E402
from smtpline import Client, stuff  # noqa: E402
from suite import ALICE, PLAIN  # noqa: E402

REPLY_SECONDS, SECOND_CLIENT_SECONDS, GROWN_KIB = 5.0, 1.0, 96 * 1024
IS_SANITIZED = bool(harness.MAILWEIR) and harness.is_sanitized()
SLOW = (10 if IS_SANITIZED else 1) * harness.slowness()
BIG = 50 * 1000 * 1000 if IS_SANITIZED else 100 * 1000 * 1000
MARK = b"xj5-evil-mark"
HEAD = b"From: a@example.net\r\nTo: alice@example.test\r\nSubject: attack\r\nMIME-Version: 1.0\r\n"


def defect_names():
    with open(os.path.join(harness.SOURCE_ROOT, "proxy", "message", "defects.def"), encoding="utf-8") as file:
        return re.findall(r'^DEFECT\(\w+, +"([^"]+)"', file.read(), re.M)


RULES = "".join('defect-%s: add header "X-Defect: %s" when mime.defects == "%s"\n' % (name, name, name) for name in defect_names()) + r'''
sum:     reject 550 5.7.1 "sum" when attachment.sha256 == "0000000000000000000000000000000000000000000000000000000000000000"
text:    reject 550 5.7.1 "found by text" when body.text =~ /xj5-evil-mark/i
source:  reject 550 5.7.1 "found by source" when body.html =~ /xj5-evil-mark/i
link:    reject 550 5.7.1 "found by link" when url.host == "evil.example"
member:  reject 550 5.7.1 "found by member" when archive.name =~ /canary\.exe$/i
name:    reject 550 5.7.1 "found by name" when attachment.name =~ /canary\.exe$/i
magic:   reject 550 5.7.1 "found by magic" when attachment { magic == "application/x-dosexec" and size > 1GB }
deep:    reject 550 5.7.1 "found by depth" when attachment.depth > 100 or archive.depth > 100
lines:   reject 550 5.7.1 "found by lines" when mime.header.lines =~ /xj5-evil-mark/ or nested.header.lines =~ /xj5-evil-mark/
'''


def part(octets, *fields):
    return b"".join(field + b"\r\n" for field in fields) + b"\r\n" + octets + b"\r\n"


def multipart(*parts, boundary=b"b1", kind=b"mixed", close=True):
    body = b"".join(b"--" + boundary + b"\r\n" + each for each in parts) + (b"--" + boundary + b"--\r\n" if close else b"")
    return HEAD + b'Content-Type: multipart/' + kind + b'; boundary="' + boundary + b'"\r\n\r\n' + body


def text(octets, *fields):
    return HEAD + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + octets + b"\r\n"


def attachment(octets, name=b"a.bin", kind=b"application/octet-stream"):
    return part(base64.encodebytes(octets).replace(b"\n", b"\r\n"), b"Content-Type: " + kind, b"Content-Transfer-Encoding: base64",
                b'Content-Disposition: attachment; filename="' + name + b'"')


def zipped(files, level=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", level) as archive:
        for name, octets in files:
            archive.writestr(name, octets)
    return out.getvalue()


def nested_zip(depth):
    octets = zipped([("canary.exe", b"MZ")])
    for level in range(depth):
        octets = zipped([("inner%d.zip" % level, octets)])
    return octets


def nested(depth, mark=b"x"):
    """multiparts in multiparts."""
    octets = part(mark, b"Content-Type: text/plain")
    for level in range(depth):
        boundary = b"n%d" % level
        octets = part(b"--" + boundary + b"\r\n" + octets + b"--" + boundary + b"--", b"Content-Type: multipart/mixed; boundary=" + boundary)
    return HEAD.rstrip(b"\r\n") + b"\r\n" + octets


def nested_messages(depth):
    octets = text(b"x")
    for _ in range(depth):
        octets = b"Content-Type: message/rfc822\r\n\r\n" + octets
    return HEAD + octets


def b64(octets):
    return base64.b64encode(octets)


SECRET = b64(b"this is " + MARK + b" in base64")

# (what it is, the message, the rule that refuses it or None, the defects that it is delivered with)
CASES = [
    # ---- base64
    ("garbage in base64", text(SECRET[:8] + b"!$%" + SECRET[8:], b"Content-Transfer-Encoding: base64"), "text", ()),
    ("garbage in base64, delivered", text(b"aGVs!!bG8=", b"Content-Transfer-Encoding: base64"), None, ("base64-garbage",)),
    ("padding in the middle of base64", text(b64(b"hell") + b"\r\n" + SECRET, b"Content-Transfer-Encoding: base64"), "text", ()),
    ("padding in the middle, delivered", text(b64(b"hell") + b64(b"o, world"), b"Content-Transfer-Encoding: base64"), None,
     ("base64-padding",)),
    ("base64 without its end", text(b"aGVsbG8gd29ybGQ", b"Content-Transfer-Encoding: base64"), None, ("base64-truncated",)),
    ("base64 of one octet a line", text(b"\r\n".join(bytes([c]) for c in SECRET), b"Content-Transfer-Encoding: base64"), "text", ()),
    ("base64 with a comment in its name", text(SECRET, b"Content-Transfer-Encoding: (x)base64(y)"), "text", ()),
    ("base64 with a wrong encoding behind it", text(SECRET, b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: 7bit"),
     "text", ()),
    ("two encodings, the second one counts elsewhere", text(SECRET, b"Content-Transfer-Encoding: 8bit",
                                                            b"Content-Transfer-Encoding: base64"), "text", ()),
    ("two encodings, delivered", text(b"hello", b"Content-Transfer-Encoding: 8bit", b"Content-Transfer-Encoding: quoted-printable"),
     None, ("encoding-twice",)),
    ("an unknown encoding", text(b"hello", b"Content-Transfer-Encoding: x-none-such"), None, ("encoding-unknown",)),
    ("broken quoted-printable", text(b"xj5=2Devil=2dmark =ZZ =", b"Content-Transfer-Encoding: quoted-printable"), "text", ()),
    ("a multipart in base64", multipart(part(b"x")).replace(b"MIME-Version: 1.0", b"Content-Transfer-Encoding: base64"), None,
     ("encoding-not-allowed",)),
    # ---- boundaries and types
    ("two types", text(b"<p>hi <b style='x'>" + MARK + b"</b>", b"Content-Type: text/plain", b"Content-Type: text/html"), "text", ()),
    ("two types, delivered", text(b"hi", b"Content-Type: text/plain", b"Content-Type: application/pdf"), None, ("type-twice",)),
    ("two boundaries in one type", HEAD + b'Content-Type: multipart/mixed; boundary=b1; boundary=b2\r\n\r\n--b1\r\n\r\nx\r\n--b2\r\n\r\n' +
     b"y\r\n--b1--\r\n", None, ("parameter-twice",)),
    ("a plain boundary beside RFC 2231's", HEAD + b"Content-Type: multipart/mixed; boundary=b1; boundary*0=b; boundary*1=2\r\n\r\n" +
     b"--b2\r\n\r\nx\r\n--b2--\r\n", None, ("parameter-2231",)),
    ("a boundary that never comes", HEAD + b"Content-Type: multipart/mixed; boundary=none\r\n\r\nx\r\n", None, ("boundary-not-found",)),
    ("no boundary at all", HEAD + b"Content-Type: multipart/mixed\r\n\r\nx\r\n", None, ("boundary-missing",)),
    ("a boundary that begins the one around it", multipart(b'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ny\r\n--b--\r\n'),
     None, ("boundary-nested",)),
    ("a boundary of 1,000 octets", multipart(part(b"x"), boundary=b"b" * 1000), None, ("boundary-bad",)),
    ("no closing boundary", multipart(part(b"x"), close=False), None, ("no-close",)),
    ("text behind the closing boundary", multipart(part(b"x")) + part(b"hello", b"Content-Type: text/html"), None,
     ("epilogue-content",)),
    ("a header without an end", HEAD + b"Content-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\nContent-Type: text/plain\r\n", None,
     ("no-close",)),
    ("a piece of a message", text(b"x", b"Content-Type: message/partial; id=1; number=1; total=2"), None, ("partial",)),
    ("content that is elsewhere", text(b"Content-Type: text/plain\r\n\r\n",
                                       b"Content-Type: message/external-body; access-type=URL; URL=\"http://a.example/x\""), None,
     ("external",)),
    # ---- depth and number
    ("multiparts 1,000 deep", nested(1000), None, ("nesting",)),
    ("messages 1,000 deep", nested_messages(1000), None, ("nesting",)),
    ("1,000 attachments whose magic is wanted", multipart(*[attachment(b"\x7fELF%d" % i, b"f%d.bin" % i) for i in range(998)]), None, ()),
    ("5,000 parts", multipart(*[part(b"x") for _ in range(5000)]), None, ("parts",)),
    ("100,000 empty parts", multipart(*[b"\r\n" for _ in range(100000)]), None, ("parts",)),
    ("9,900 header fields", b"".join(b"X-F%d: %d\r\n" % (i, i) for i in range(990)) + HEAD + b"\r\nx\r\n", None, ()),
    ("10,000 fields of a part's header", multipart(part(b"x", *[b"X-F%d: v" % i for i in range(10000)])), None, ("header-too-long",)),
    # ---- charsets
    ("UTF-7", text(b"+AHgAagA1-evil+AC0-mark", b"Content-Type: text/plain; charset=utf-7"), None, ("charset-utf7",)),
    ("escapes of ISO 2022 galore", text(b"\x1b$B\x1b(B" * 100000 + b"hi", b"Content-Type: text/plain; charset=iso-2022-jp"), None, ()),
    ("escapes of ISO 2022 within the mark", text(b"xj5-\x1b$B\x1b(Bevil\x1b(J-mark", b"Content-Type: text/plain; charset=iso-2022-jp"),
     "text", ()),
    ("broken characters", text(b"\xff\xfe\xc3(" * 1000, b"Content-Type: text/plain; charset=utf-8"), None, ("charset-bad",)),
    ("an unknown charset", text(b"hello", b"Content-Type: text/plain; charset=x-none-such"), None, ("charset-unknown",)),
    ("a charset name of 100 kB", text(b"hello", b"Content-Type: text/plain; charset=\"" + b"a" * 50000 + b'"'), None, ()),
    ("NULs in base64", text(b64(b"a\0b" * 1000 + MARK), b"Content-Transfer-Encoding: base64"), "text", ()),
    ("NULs in base64, delivered", text(b64(b"a\0b" * 1000), b"Content-Transfer-Encoding: base64"), None, ("text-nul",)),
    # ---- names
    ("a name in RFC 2231 pieces", multipart(part(b"MZ", b"Content-Type: application/octet-stream", b"Content-Disposition: attachment; " +
                                                b"filename*0*=utf-8''can%61; filename*1=\"ry.e\"; filename*2*=%78e")), "name", ()),
    ("pieces of RFC 2231 out of order", multipart(part(b"MZ", b"Content-Type: application/octet-stream", b"Content-Disposition: " +
                                                      b"attachment; filename*1=\"ary.exe\"; filename*0=\"can\"")), "name", ()),
    ("pieces of RFC 2231 with a gap", multipart(part(b"x", b"Content-Type: application/octet-stream", b"Content-Disposition: attachment; " +
                                                    b"filename*0=\"a\"; filename*5=\"b\"")), None, ("parameter-2231",)),
    ("5,000 pieces of RFC 2231", multipart(part(b"x", b"Content-Type: application/octet-stream;" + b"".join(
        b"\r\n name*%d=x;" % i for i in range(5000)))), None, ("parameter-bad",)),
    ("two names", multipart(part(b"MZ", b"Content-Type: application/octet-stream; name=report.txt",
                                 b"Content-Disposition: attachment; filename=canary.exe")), "name", ()),
    ("two names, delivered", multipart(part(b"x", b"Content-Type: text/plain; name=a.txt", b"Content-Disposition: attachment; " +
                                           b"filename=b.txt")), None, ("name-conflict",)),
    ("a direction character in a name", multipart(part(b"x", b"Content-Type: application/octet-stream", "Content-Disposition: attachment; "
                                                      "filename=\"a\u202etxt.doc\"".encode())), None, ("name-control",)),
    # ---- archives
    ("a zip bomb of 100 MB", multipart(attachment(zipped([("a", b"\0" * 100000000)]), b"a.zip", b"application/zip")), None,
     ("archive-ratio",)),
    ("a program in a zip", multipart(attachment(zipped([("dir/canary.exe", b"MZ")]), b"a.zip", b"application/zip")), "member", ()),
    ("zips 50 deep", multipart(attachment(nested_zip(50), b"a.zip", b"application/zip")), None, ("archive-limit",)),
    ("a zip with 60,000 members", multipart(attachment(zipped([("f%d" % i, b"") for i in range(60000)], zipfile.ZIP_STORED), b"a.zip",
                                                       b"application/zip")), None, ("archive-limit",)),
    ("half a zip", multipart(attachment(zipped([("a", os.urandom(5000))])[:2000], b"a.zip", b"application/zip")), None, ("archive-bad",)),
    # ---- pages and links
    ("a page of 1 MB of open elements", text(b"<div><table><tr><td>" * 50000 + MARK, b"Content-Type: text/html"), "text", ()),
    ("a page of 1 MB of open elements, delivered", text(b"<b><p><a><i>" * 85000, b"Content-Type: text/html"), None, ()),
    ("a page of 1 MB of attributes", text(b"<p " + b"a='\"' " * 180000 + b">hi", b"Content-Type: text/html"), None, ()),
    ("a page of 1 MB of comment openings", text(b"<!--" * 250000, b"Content-Type: text/html"), None, ()),
    ("text that a reader does not see", text(b"<p style='display:none'>secret words</p>hi", b"Content-Type: text/html"), None,
     ("html-hidden",)),
    ("100,000 links", text(b"".join(b"<a href=http://h%d.example/>x</a>\r\n" % i for i in range(100000)), b"Content-Type: text/html"), None,
     ("urls",)),
    ("a link of references and percent signs", text(b"<a href='ht&#116;p://%65v&#x69;l.example./'>x</a>", b"Content-Type: text/html"),
     "link", ()),
    ("a link of a bare host in text", text(b"see http://EVIL.example/ now"), "link", ()),
    ("1 MB of what may begin a link", text(b"http://http://" * 70000), None, ()),
    ("4 MB of at signs", text((b"@" * 998 + b"\r\n") * 4000), None, ()),
]


class Timer(threading.Thread):
    """A second client: a whole session again and again, and how long the slowest one took; without the time that the machine had for
    none of those in it."""

    def __init__(self, port, *processes):
        super().__init__(daemon=True)
        self.port, self.processes, self.slowest, self.sessions, self.problem = port, processes, 0.0, 0, None
        self.is_over = threading.Event()

    def now(self):
        return time.monotonic() - harness.starved_seconds() - sum(process.starved_seconds() for process in self.processes)

    def run(self):
        try:
            while not self.is_over.wait(0.05):
                begin = self.now()
                with Client(self.port) as client:
                    client.ehlo()
                    client.envelope("second@example.net", ALICE)
                    assert client.data(PLAIN).code == 250
                self.slowest = max(self.slowest, self.now() - begin)
                self.sessions += 1
        except Exception as problem:  # told by stop(), in the test's own thread
            self.problem = problem

    def stop(self, test):
        self.is_over.set()
        self.join(60)
        test.assertIsNone(self.problem)
        test.assertGreater(self.sessions, 0)
        test.assertLess(self.slowest, SECOND_CLIENT_SECONDS * SLOW, "the second client's slowest session")


@harness.needs_proxy
class ContentAttacks(suite.Case):
    @classmethod
    def setUpClass(cls):
        cls.directory = harness.temp_dir("content-sink")
        cls.maildir = os.path.join(cls.directory, "mail")
        cls.sink_port = harness.free_port()
        cls.sink = harness.Process([harness.MAILWEIR, "sink", "--listen", "127.0.0.1:%d" % cls.sink_port, "--maildir", cls.maildir,
                                    "--raw", "--no-fsync", "--quiet", "--max-size", "300000000"], "sink", cls.directory)
        harness.wait_for(lambda: harness.accepts(cls.sink_port), 20, "the sink")
        cls.weir = harness.Mailweir(
            cls.sink_port, listen=["max-message-size 200MB"], files={"rules/10-all.rules": RULES}, chain="rules",
            filters=harness.block("filter rules", ["module rules", "files rules/*.rules"]))
        cls.deliver(cls, PLAIN)  # what is opened when it is first needed is there

    @classmethod
    def tearDownClass(cls):
        cls.weir.finish(suite.Case())
        cls.sink.stop()

    def deliver(self, message):
        """The reply to the whole message, and how long it took to come; time that the machine did not give is left out."""
        with Client(self.weir.port, timeout=60 * SLOW) as client:
            client.ehlo()
            client.envelope("a@example.net", ALICE)
            client.cmd("DATA", 354)
            client.send(stuff(message))
            begin = time.monotonic() - self.weir.starved_seconds()
            client.send(b".\r\n")
            return client.expect(), time.monotonic() - self.weir.starved_seconds() - begin

    def stored(self):
        return glob.glob(os.path.join(self.maildir, "new", "*"))

    def took(self):
        """What reached the upstream, the second client's messages left out."""
        for path in self.stored():
            with open(path, "rb") as file:
                octets = file.read()
            if b"\r\nSubject: attack\r\n" in octets.partition(b"\r\n\r\n")[0] + b"\r\n":
                return octets
        return None

    def empty(self):
        for path in self.stored():
            os.unlink(path)

    def peak_kib(self):
        with open("/proc/%d/status" % self.weir.pid) as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1))

    def forget_peak(self):
        with open("/proc/%d/clear_refs" % self.weir.pid, "w") as file:
            file.write("5")
        return self.peak_kib()

    def check(self, name, message, rule, defects):
        message = message if message.endswith(b"\r\n") else message + b"\r\n"
        self.empty()
        before = self.forget_peak()
        reply, seconds = self.deliver(message)
        self.weir.check_healthy(self)
        self.assertLess(seconds, REPLY_SECONDS * SLOW, "seconds for the reply")
        if not IS_SANITIZED:
            self.assertLess(self.peak_kib() - before, GROWN_KIB, "KiB of memory")
        if rule:
            self.assertEqual((reply.code, reply.text), (550, "5.7.1 found by " + rule))
            self.assertIsNone(self.took(), "refused, and at the upstream")
            return
        self.assertEqual(reply.code, 250, reply)
        octets = self.took()
        self.assertIsNotNone(octets, "it is not at the upstream")
        head, _, _ = octets.partition(b"\r\n\r\n")
        found = re.findall(rb"(?m)^X-Defect: (\S+)", head)
        for defect in defects:
            self.assertIn(defect.encode(), found)
        self.same_octets(octets.partition(b"\r\n\r\n")[2], message.partition(b"\r\n\r\n")[2])

    def test_each_attack_is_found_or_named(self):
        second = Timer(self.weir.port, self.weir, self.sink)
        second.start()
        slowest = 0.0
        for name, message, rule, defects in CASES:
            with self.subTest(name):
                begin = time.monotonic()
                self.check(name, message, rule, defects)
                slowest = max(slowest, time.monotonic() - begin)
        second.stop(self)
        print("%d attacks, the slowest %.2f s with its transfer; second client: %d sessions, the slowest %.3f s"
              % (len(CASES), slowest, second.sessions, second.slowest))
        self.assertNotIn("verdict=error", self.weir.log())

    def test_ten_thousand_header_fields_are_refused_or_taken_at_the_limit(self):
        """The limit of the listener (1,000 fields) refuses; one below is looked at."""
        self.check("999 fields", b"".join(b"X-F%d: v\r\n" % i for i in range(995)) + HEAD + b"\r\nx\r\n", None, ())
        reply, _ = self.deliver(b"".join(b"X-F%d: v\r\n" % i for i in range(10000)) + HEAD + b"\r\nx\r\n")
        self.assertEqual(reply.code, 552, reply)
        self.weir.check_healthy(self)

    def send_big(self, piece, count, what, fields=b""):
        """A message of that many equal pieces, while a second client goes on."""
        self.empty()
        second = Timer(self.weir.port, self.weir, self.sink)
        second.start()
        before = self.forget_peak()
        begin = time.monotonic()
        with Client(self.weir.port, timeout=120 * SLOW) as client:
            client.ehlo()
            client.envelope("a@example.net", ALICE)
            client.cmd("DATA", 354)
            client.send(HEAD + fields + b"\r\n")
            for _ in range(count):
                client.send(piece)
            sent = time.monotonic()
            client.send(b"\r\n.\r\n")
            reply = client.expect()
        done = time.monotonic()
        second.stop(self)
        self.weir.check_healthy(self)
        print("%s: %d MB in %.1f s, reply after %.2f s more, %d KiB more memory; second client at most %.3f s"
              % (what, len(piece) * count // 1000000, sent - begin, done - sent, self.peak_kib() - before, second.slowest))
        if not IS_SANITIZED:
            self.assertLess(self.peak_kib() - before, GROWN_KIB, "KiB of memory")
        self.assertLess(done - begin, 60 * SLOW)
        self.empty()
        return reply

    def test_a_line_of_100_mb(self):
        reply = self.send_big(b"a" * 1000000, BIG // 1000000, "one line")
        self.assertIn(reply.code, (250, 500, 552, 554), reply)

    def test_100_mb_of_lines_of_one_octet(self):
        self.assertEqual(self.send_big(b"a\r\n" * 333333, BIG // 1000000, "lines of one octet").code, 250)

    def test_100_mb_of_base64(self):
        line = base64.b64encode(b"x" * 57) + b"\r\n"
        reply = self.send_big(line * (1000000 // len(line)), BIG // 1000000, "lines of base64",
                              b"Content-Type: application/x-msdownload; name=a.exe\r\nContent-Transfer-Encoding: base64\r\n")
        self.assertEqual(reply.code, 250)


if __name__ == "__main__":
    harness.main()
