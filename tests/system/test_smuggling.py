"""One message in, at most one message out, with the same bounds (smtp.md, law 2). Every end-of-data variant known from SMTP
smuggling goes through mailweir to a Postfix with Debian's lenient defaults (smtpd_forbid_bare_newline = no), which takes several
of them for the end of a message when it gets them itself: the control test shows that. And to a Postfix with strict settings, which
refuses what it finds bare: so what mailweir writes is clean.

One mail server is one reading. The classes at the end look at the octets that leave, with sixteen lax readings (bare CR, bare LF, CRs in
front of LF, NULs dropped, and their mixtures): a complete message has one end in each of them, a refused one has none."""
import itertools
import os
import random
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import postfix  # noqa: E402
import suite  # noqa: E402
from fake_upstream import EXTENSIONS, FakeUpstream  # noqa: E402
from smtpline import Client  # noqa: E402

mta = None


def setUpModule():
    global mta
    mta = postfix.start()


CR, LF, CRLF = b"\r", b"\n", b"\r\n"
BREAKS = [LF, CR, CRLF, b"\r\r\n", b"\n\r", b"\n\n", b"\r\r", b"\r\n\r", b"\r\0\n", b"\0\r\n", b"\r\n\0", b"\0\n", b"\n\0"]
SEPARATORS = [b"\x0b", b"\x0c", b"\x1e", b"\x15", b"\x85", b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9", b"\x8d\x8a", b"\xc0\x8a",
              b"\xc0\x8d\xc0\x8a", b"\r\0\0\n", b"\x00\x0d\x00\x0a", b"\x0d\x00\x0a\x00"]


def variants():
    """name -> octets that might end a message, but must not. <CRLF>.<CRLF> alone does."""
    found = []
    for before in BREAKS:
        for after in BREAKS:
            found.append(before + b"." + after)
    for separator in SEPARATORS:
        found += [separator + b"." + separator, CRLF + b"." + separator, separator + b"." + CRLF]
    found += [CRLF + b"\0." + CRLF, CRLF + b".\0" + CRLF, CRLF + b". " + CRLF, CRLF + b" ." + CRLF, CRLF + b".\t" + CRLF,
              LF + b".." + LF, CR + b".." + CR, LF + b".." + CRLF, CRLF + b".." + LF, CRLF + b"." + CR + b"." + CRLF,
              b"." + CRLF, b"\n.\r\r\n", b"\r\n.\n\r\n.", CRLF + b"." + CR + b"X" + CRLF, b"\r.\n", b"\n.\r",
              b"\r\n\xff." + CRLF, CRLF + b"\xef\xbb\xbf." + CRLF]
    # Whatever holds CRLF.CRLF ends the message rightly: not a variant.
    return [v for v in dict.fromkeys(found) if b"\r\n.\r\n" not in b"x" + v + b"MAIL"]


INJECTED = (b"MAIL FROM:<evil%03d@example.org>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nSubject: smuggled\r\n\r\n"
            b"inner message\r\n")


def content(number, variant, lead=b"text before"):
    """A message whose middle tries to be an end, followed by what would then be commands."""
    return b"Subject: outer %03d\r\n\r\n" % number + lead + variant + INJECTED % number


class Base(suite.Case):
    def setUp(self):
        mta.settle()
        mta.empty()
        self.start = mta.mark()

    def session(self, port, number, message, pieces=None):
        """Sends one message, ended by CRLF.CRLF, then NOOP and QUIT. The replies that came after 354, by code, until the end."""
        with Client(port) as client:
            client.ehlo()
            client.envelope("outer%03d@example.net" % number, suite.ALICE)
            client.cmd("DATA", 354)
            for piece in pieces or [message]:
                client.send(piece)
            client.send(b"\r\n.\r\n")
            replies = [client.expect()]
            client.send(b"NOOP\r\nQUIT\r\n")
            while replies[-1] is not None:
                replies.append(client.reply())
            return [r.code for r in replies[:-1]]

    def check_mailboxes(self, accepted):
        """alice has each accepted message once; nobody else has anything; nothing of it ran as a command."""
        mta.settle()
        self.assertEqual(mta.count("bob"), 0, "a message was smuggled")
        log = mta.log()[self.start:]
        self.assertNotRegex(log, r"from=<evil", "a command was smuggled")
        senders = sorted(m.trace[0] for m in mta.take("alice", 0))
        self.assertEqual(senders, sorted(b"Return-Path: <outer%03d@example.net>" % n for n in accepted))


class Control(Base):
    """The oracle sees: straight to this Postfix, some variants do smuggle."""

    def test_lenient_postfix_is_open(self):
        open_to = []
        for number, variant in enumerate(variants()):
            with Client(mta.ports["plain"]) as client:
                client.ehlo()
                client.envelope("outer%03d@example.net" % number, suite.ALICE)
                client.cmd("DATA", 354)
                client.send(content(number, variant) + b"\r\n.\r\n")
                client.send(b"QUIT\r\n")
                codes = []
                while (reply := client.reply()) is not None:
                    codes.append(reply.code)
                if codes.count(250) > 1:
                    open_to.append(variant)
        self.assertIn(b"\n.\n", open_to)
        self.assertIn(b"\r\r\n.\r\r\n", open_to)
        mta.settle()
        self.assertGreaterEqual(mta.count("bob"), len(open_to))


class Through:
    """All variants under one setting."""
    SERVICE, LISTEN, SETTINGS = "plain", [], {}

    @classmethod
    def setUpClass(cls):
        cls.weir = harness.Mailweir(mta.ports[cls.SERVICE], listen=cls.LISTEN + ["max-errors 1000"], **cls.SETTINGS)

    @classmethod
    def tearDownClass(cls):
        cls.weir.finish(suite.Case())

    def allowed(self, variant):
        """Which codes may end a message with this variant. A CR and an LF that stand together are a line end; all others are bare.
        A bare CR or a NUL around a lone dot has no single reading, so it may be refused whatever the setting says."""
        rest = variant.replace(CRLF, b"")
        if (CR in rest and "bare-cr reject" in self.LISTEN or LF in rest and "bare-newline reject" in self.LISTEN
                or b"\0" in variant and "nul reject" in self.LISTEN):
            return (550,)
        return (250, 550) if CR in rest or b"\0" in variant else (250,)

    def run_all(self, split):
        accepted = []
        for number, variant in enumerate(variants()):
            message = content(number, variant)
            with self.subTest(variant=variant):
                codes = self.session(self.weir.port, number, message, split(message))
                if codes[0] == 250:
                    accepted.append(number)
                self.assertEqual(codes[1:], [250, 221], "what followed the message was not understood as NOOP, QUIT")
                self.assertIn(codes[0], self.allowed(variant))
        self.check_mailboxes(accepted)
        return accepted

    def test_in_one_write(self):
        self.run_all(lambda message: [message])

    def test_split_around_the_dot(self):
        """A boundary before and behind each octet of the variant."""
        def split(message):
            at = message.index(b"text before") + 11
            end = message.index(b"MAIL FROM:<evil")
            return [message[:at], *(message[i:i + 1] for i in range(at, end)), message[end:]]
        self.run_all(split)


@harness.needs_proxy
class Defaults(Through, Base):
    LISTEN = ["bare-newline normalize", "bare-cr reject", "nul pass"]

    def test_byte_by_byte(self):
        for number in (0, 5, 14, 40):
            message = content(number, variants()[number])
            self.session(self.weir.port, number, message, [message[i:i + 1] for i in range(len(message))])
        mta.settle()
        self.assertEqual(mta.count("bob"), 0)

    def test_bare_newline_becomes_crlf(self):
        with Client(self.weir.port) as client:
            client.ehlo()
            client.envelope("a@example.net", suite.ALICE)
            client.cmd("DATA", 354)
            client.send(b"Subject: lf\n\none\n.two\n..three\nfour\r\n.\r\n")
            client.expect(250)
        # A dot behind a bare newline begins a line once that is made CRLF: it is stuffing or content, never an end.
        rest = mta.take_one().rest
        self.assertTrue(rest.startswith(b"Subject: lf\n\none\n"), rest)
        self.assertTrue(rest.endswith(b"\nfour\n"), rest)

    def test_bare_cr_is_refused_with_its_reason(self):
        codes = self.session(self.weir.port, 1, b"Subject: cr\r\n\r\na\rb")
        self.assertEqual(codes, [550, 250, 221])
        self.weir.wait_record("reject", code="550", dsn="5.5.2")
        mta.settle()
        self.assertEqual(mta.count("alice"), 0)

    def test_bdat_content_is_stuffed(self):
        """CRLF.CRLF in counted octets is content, however it goes on upstream."""
        for number, body in enumerate((b"\r\n.\r\n", b"\n.\n", b"\r\n.\n", b"\n.\r\n")):
            with self.subTest(body=body), Client(self.weir.port) as client:
                client.ehlo()
                client.envelope("outer%03d@example.net" % number, suite.ALICE)
                message = content(number, body)
                client.send(b"BDAT %d LAST\r\n" % len(message) + message + b"NOOP\r\nQUIT\r\n")
                codes = []
                while (reply := client.reply()) is not None:
                    codes.append(reply.code)
                self.assertEqual(codes, [250, 250, 221])
        self.check_mailboxes(range(4))

    def test_octets_of_a_refused_bdat_are_no_commands(self):
        injected = b"RSET\r\nMAIL FROM:<evil001@example.org>\r\nRCPT TO:<bob@example.test>\r\nBDAT 12 LAST\r\nSubject: x\r\n"
        for prepare in (b"EHLO x\r\n", b"EHLO x\r\nMAIL FROM:<a@example.net>\r\n",
                        b"EHLO x\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<nobody@example.test>\r\n"):
            with self.subTest(prepare=prepare), Client(self.weir.port) as client:
                client.send(prepare + b"BDAT %d LAST\r\n" % len(injected) + injected + b"NOOP\r\nQUIT\r\n")
                codes = []
                while (reply := client.reply()) is not None:
                    codes.append(reply.code)
                expected = prepare.count(b"\n")
                self.assertGreaterEqual(codes[expected], 500)
                self.assertEqual(codes[expected + 1:], [250, 221])
        self.check_mailboxes([])

    def test_bdat_counts(self):
        """2^64+n, signs, hex, words: no count, so no content, and never a second meaning."""
        for count in (b"18446744073709551620", b"4294967300", b"-1", b"+5", b"0x10", b"1e3", b"", b"5 FIRST", b"LAST", b"5,", b"5 LAST X",
                      b"99999999999999999999999999999999"):
            with self.subTest(count=count), Client(self.weir.port, timeout=5) as client:
                client.ehlo()
                client.envelope("outer001@example.net", suite.ALICE)
                client.send(b"BDAT " + count + b"\r\n")
                try:
                    reply = client.reply()
                except TimeoutError:  # a huge count within 64 bits may be waiting for its octets
                    self.assertEqual(count, b"4294967300")
                    continue
                self.assertTrue(reply is None or reply.code >= 400, reply)
        self.check_mailboxes([])

    def test_command_injection(self):
        """CR, LF and NUL inside a command: refused whole, nothing of it goes upstream."""
        for line in (b"MAIL FROM:<a@example.net>\rRCPT TO:<bob@example.test>\r\n",
                     b"MAIL FROM:<a\r@example.net>\r\n", b"MAIL FROM:<a\0@example.net>\r\n",
                     b"MAIL FROM:<a@example.net>\0\r\n", b"MAIL FROM:<a@example.net> ENVID=x\rRSET\r\n",
                     b"NOOP\rMAIL FROM:<evil001@example.org>\r\n", b"NOOP " + b"x" * 3000 + b"\r\n",
                     b"MAIL FROM:<" + b"a" * 5000 + b"@example.net>\r\n"):
            with self.subTest(line=line[:50]), Client(self.weir.port) as client:
                client.ehlo()
                client.send(line)
                reply = client.expect()
                self.assertIn(reply.code, (500, 501), reply)
                client.cmd("RCPT TO:<alice@example.test>", 503)
                client.cmd("NOOP", 250)
                client.cmd("QUIT", 221)
        self.check_mailboxes([])

    def test_unknown_verbs_are_not_forwarded(self):
        for line in ("XDATA", "BURL imap://x", "DATA LAST", "GET / HTTP/1.1", "Host: example.test", "SEND FROM:<a@b>"):
            with self.subTest(line=line), Client(self.weir.port) as client:
                client.ehlo()
                self.assertIn(client.cmd(line).code, (421, 500, 501, 502, 503, 504))


@harness.needs_proxy
class PassAll(Through, Base):
    LISTEN = ["bare-newline normalize", "bare-cr pass", "nul pass"]


@harness.needs_proxy
class StrictUpstream(Through, Base):
    """A Postfix that refuses bare newlines has nothing to refuse: what mailweir writes has none."""
    SERVICE, LISTEN = "strict", ["bare-newline normalize", "bare-cr pass", "nul pass"]

    def check_mailboxes(self, accepted):
        super().check_mailboxes(accepted)
        self.assertNotIn("bare <LF>", mta.log()[self.start:])


@harness.needs_proxy
class RejectAll(Through, Base):
    LISTEN = ["bare-newline reject", "bare-cr reject", "nul reject"]


@harness.needs_proxy
class SpooledDefaults(Through, Base):
    LISTEN = ["bare-newline normalize", "bare-cr reject", "nul pass"]
    SETTINGS = suite.SPOOLING


@harness.needs_proxy
class SpooledPassAll(Through, Base):
    LISTEN = ["bare-newline normalize", "bare-cr pass", "nul pass", "spool-memory 0"]
    SETTINGS = suite.SPOOLING


# ---------------------------------------------------------------------------------------------- every reading of what leaves

ELEMENTS = [CR, LF, CRLF, b"\r\r\n", b"\0", b"\x0b", b"\x0c", b"\xc2\x85", b"\xe2\x80\xa8", b"\x85"]
READINGS = list(itertools.product((False, True), repeat=4))
FOLLOWING = b"MAIL FROM:<evil@example.org>\r\n"


def ends(wire, drops_nul, is_cr_an_end, is_lf_an_end, drops_crs):
    """How many ends of data a server finds in these octets that reads line ends so."""
    if drops_nul:
        wire = wire.replace(b"\0", b"")
    if drops_crs:
        wire = re.sub(rb"\r+\n", CRLF, wire)
    pattern = rb"\r\n" + (rb"|\r" if is_cr_an_end else b"") + (rb"|\n" if is_lf_an_end else b"")
    return re.split(pattern, wire)[:-1].count(b".")


def around_a_dot(count):
    """All sequences of that many elements with a dot between them, at every place."""
    for chosen in itertools.product(ELEMENTS, repeat=count):
        for at in range(1, count):
            variant = b"".join(chosen[:at]) + b"." + b"".join(chosen[at:])
            if b"\r\n.\r\n" not in variant:
                yield variant


class RawUpstream(FakeUpstream):
    """Keeps what follows each 354, as it comes, whole or cut off."""

    def __init__(self, **settings):
        self.wires = []
        super().__init__(**settings)

    def _verb_data(self, session, line):
        wire = bytearray()
        self.wires.append((session, wire))  # before anybody can go on
        session.socket.sendall(b"354 go ahead\r\n")
        searched = 0
        while (end := session.buffer.find(b"\r\n.\r\n", searched)) < 0 and not session.buffer.startswith(b".\r\n"):
            searched = max(0, len(session.buffer) - 4)
            if not self._receive(session):
                wire[:] = session.buffer
                raise ConnectionAbortedError
        end = end + 5 if end >= 0 else 3
        wire[:] = session.buffer[:end]
        del session.buffer[:end]
        session.sender, session.recipients = None, []
        session.socket.sendall(b"250 2.0.0 Ok\r\n")


class Readings:
    """Sends many messages over few sessions; what leaves is read in all ways."""
    LISTEN, SETTINGS, CHUNKS = [], {}, False
    LONG = b"0123456789abcdef" * 8000  # does not fit into one read together with what is in front of it

    @classmethod
    def setUpClass(cls):
        cls.up = RawUpstream(extensions=[e for e in EXTENSIONS if e != "CHUNKING"])
        cls.weir = harness.Mailweir(cls.up.port, listen=cls.LISTEN + ["max-errors 100000"], **cls.SETTINGS)

    @classmethod
    def tearDownClass(cls):
        cls.weir.finish(suite.Case())
        cls.up.stop()

    def frame(self, message):
        """What a client sends for it, behind the envelope."""
        if self.CHUNKS:
            return b"BDAT %d LAST\r\n" % len(message) + message, []
        return b"DATA\r\n", [message + b"\r\n.\r\n"]

    def play(self, client, variant, split, tail):
        """One message with this variant; the code of its one reply."""
        message = b"Subject: x\r\n\r\ntext" + variant + FOLLOWING + tail
        command, rest = self.frame(message)
        client.send(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.test>\r\n" + command)
        client.expect(250)
        client.expect(250)
        if not self.CHUNKS:
            client.expect(354)
        for piece in split(rest[0], variant) if rest else []:
            client.send(piece)
        code = client.expect((250, 550)).code
        client.cmd("NOOP", 250)  # nothing of the message is taken for a command, and no reply is left over
        return code

    def check_wire(self, session, wire, is_whole):
        if not is_whole:
            harness.wait_for(lambda: session.ended, 5, "the end of the connection with half a message in it")
        for reading in READINGS:
            found = ends(bytes(wire), *reading)
            self.assertEqual(found, 1 if is_whole else 0, "ends found by a reader that does %s: %r" % (reading, bytes(wire[:200])))

    def run_all(self, variants, split=lambda octets, variant: [octets], tail=b"tail"):
        codes = {250: 0, 550: 0}
        with Client(self.weir.port) as client:
            client.ehlo()
            for variant in variants:
                del self.up.wires[:]
                with self.subTest(variant=variant):
                    code = self.play(client, variant, split, tail)
                    codes[code] += 1
                    self.assertLessEqual(len(self.up.wires), 1, "two messages left")
                    for session, wire in self.up.wires:
                        self.check_wire(session, wire, code == 250)
        for session in self.up.sessions:
            self.assertFalse([c for c in session.commands if b"evil" in c], "a command was smuggled")
        return codes

    def test_two_elements(self):
        codes = self.run_all(around_a_dot(2))
        self.assertGreater(codes[250], 30)

    def test_two_elements_in_pieces(self):
        """A cut before and behind every octet of the variant."""
        def split(octets, variant):
            at = octets.index(variant)
            yield octets[:at]
            for i in range(len(variant)):
                yield octets[at + i:at + i + 1]
            time.sleep(0.001)
            yield octets[at + len(variant):]
        self.run_all(around_a_dot(2), split)

    def test_two_elements_in_a_long_message(self):
        """What is refused at the end must not have left before it."""
        variants = list(around_a_dot(2))
        variants += [CRLF + v for v in variants if v.startswith(b"\0")]
        self.run_all(variants, tail=self.LONG)

    def test_three_elements(self):
        variants = list(around_a_dot(3))
        self.run_all(random.Random(20240107).sample(variants, 300))

    def test_random_mixtures(self):
        """Whole bodies of line ends, dots and letters. The seed is fixed: a failure comes again."""
        dice = random.Random(51764)
        words = ELEMENTS + [b".", b".", b".", b"a", b"..", b"\x8d\x8a"]

        def mixture():
            while b"\r\n.\r\n" in (text := b"".join(dice.choices(words, k=dice.randrange(4, 40)))):
                pass
            return text if not text.endswith(b"\r\n.") else text + b"a"
        self.run_all([b"a" + mixture() + b"a" for _ in range(150)])


@harness.needs_proxy
class ReadingsDefaults(Readings, suite.Case):
    LISTEN = ["bare-newline normalize", "bare-cr reject", "nul pass"]


@harness.needs_proxy
class ReadingsPassAll(Readings, suite.Case):
    LISTEN = ["bare-newline normalize", "bare-cr pass", "nul pass"]


@harness.needs_proxy
class ReadingsRejectAll(Readings, suite.Case):
    LISTEN = ["bare-newline reject", "bare-cr reject", "nul reject"]


@harness.needs_proxy
class ReadingsSpooled(Readings, suite.Case):
    LISTEN = ["bare-newline normalize", "bare-cr pass", "nul pass"]
    SETTINGS = suite.SPOOLING


@harness.needs_proxy
class ReadingsChunks(Readings, suite.Case):
    """BDAT content that leaves as DATA, because the upstream has no CHUNKING."""
    LISTEN, CHUNKS = ["bare-newline normalize", "bare-cr pass", "nul pass"], True

    def test_two_elements_in_pieces(self):
        self.skipTest("chunks in pieces: dialogs bdat/chunks, attacks/boundaries")


if __name__ == "__main__":
    harness.main()
