"""Faults at every stage from both sides: peer x stage x fault, on every kind of leg, under both plans. The two tables below are the
test: what the client is told, to the octet, what becomes of its session, and what the log says of it. Beyond that each cell checks
that

  - the client was told 2xx if and only if the upstream said so, and the upstream never had a whole message that the client was told
    nothing of or a refusal for, but for the one window that SMTP leaves (the upstream's last reply is lost: RFC 1047);
  - where the session goes on, it does: RSET and one more message, which arrives as it was sent, and QUIT;
  - both connections are closed within seconds, one line in the log ends the session, and when a leg is through, mailweir lives and
    has as many sockets open as before.

How a cell is played is in lib/fault_cells.py, what it stands on in lib/fault_matrix.py. Other kinds of faults (half a reply, replies
without end, a second address) are in test_faults.py, handshakes of other kinds in test_handshakes.py."""
import concurrent.futures
import contextlib
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
from fault_cells import ENDS, GOES_ON, OK, QUITS, THEIRS, Cell, ClientCell, UpstreamCell  # noqa: E402
from fault_matrix import LEGS, PLANS, Table, World  # noqa: E402
from harness import wait_for  # noqa: E402

# ---------------------------------------------------------------------------------------------- the upstream's faults
#
# close, reset   the connection ends, by FIN or by RST, instead of the reply
# hang           no reply: a second is configured
# 421, 4xx, 5xx  that reply; the connection is closed behind 421
# nonsense, nul  "HELLO THERE"; the reply that is due, with a NUL in its text
# bare-lf        the reply that is due, its lines ended by LF alone
# extra          the reply that is due, twice
# split          the reply that is due, octet by octet
# giant          the reply that is due, 100 kB long
# stop           no more octets are read, the window closes
#
# Stages: connect, greeting; own-ehlo, starttls, handshake, xclient: mailweir's own steps before the client is greeted; xforward: its
# own before MAIL; ehlo, auth (which wants a response), auth-final, mail, rcpt, data, rset, quit: the client's commands; mail-in: MAIL
# of a client that has logged in; amid-auth: behind 334, where nothing is owed; content: 20 kB of it have been sent; final, bdat: the
# reply to the message; idle: between two transactions. With `banner own` the upstream is connected at the first RCPT, so that all up
# to `rcpt` is told there.

UPSTREAM = Table("""
stage                                 close     reset     hang      421     4xx     5xx     nonsense nul   bare-lf extra   split giant stop
connect                               -closed   none      none      -syn    -syn    -syn    -syn     -syn  -syn    -syn    -syn  -syn  -small
connect    @own-banner                -closed   away      away      .       .       .       .        .     .       .       .     .     .
greeting                              none      none      none      theirs! theirs? theirs? nons     nons  ok      ok+nons ok    nons  -small
greeting   @negotiates                .         .         .         .       .       .       .        .     .       nons    .     .     .
greeting   @own-banner                away      away      away      away    away    away    nons     nons  ok      nons    ok    nons  .
own-ehlo                              -own
own-ehlo   @negotiates                none      none      none      none    ident   ident   nons     nons  ok      nons    ok    nons  -small
own-ehlo   @upstream-tls              .         .         .         .       insec   insec   .        .     .       .       .     .     .
own-ehlo   @xforward                  .         .         .         .       .       .       .        .     .       ok+nons .     .     .
own-ehlo   @own-banner @negotiates    lost      lost      late      lost    away    away    .        .     .       .       .     .     .
starttls                              -tls
starttls   @upstream-tls              none      none      none      none    insec   insec   nons     nons  ok      nons    ok    nons  -small
starttls   @own-banner @upstream-tls  lost      lost      late      lost    away    away    .        .     .       .       .     .     .
handshake                             -tls
handshake  @upstream-tls              insec     insec     insec     insec   insec   insec   insec    insec insec   insec   -unit insec -small
handshake  @own-banner @upstream-tls  away      away      late      away    away    away    away     away  away    away    -unit away  .
xclient                               -xclient
xclient    @xclient                   none      none      none      theirs! theirs? theirs? nons     nons  ok      ok+nons ok    nons  -small
xclient    @own-banner @xclient       lost      lost      late      away    away    away    .        .     .       nons    .     .     .
xforward                              -xforw
xforward   @xforward                  lost      lost      late      lost    ident   ident   nons     nons  ok      shift   ok    nons  -small
ehlo                                  lost      lost      late      theirs! theirs  theirs  nons     nons  ok      ok+nons ok    nons  -small
ehlo       @own-banner                .         .         .         away    away    away    .        .     .       nons    .     .     .
auth                                  lost      lost      late      theirs! theirs  theirs  nons     nons  ok      ok+nons ok    nons  -small
amid-auth                             gone      gone      -idle     theirs! nons    nons    nons     nons  nons    nons    nons  nons  -small
auth-final                            lost      lost      late      theirs! theirs  theirs  nons     nons  ok      ok+nons ok    nons  -small
mail                                  lost      lost      late      theirs! theirs  theirs  nons     nons  ok      ok+nons ok    nons  -small
mail       @own-banner                .         .         .         .       .       .       .        .     .       nons    .     .     .
mail-in                               lost+gone lost+gone late+gone theirs! theirs  theirs  nons     nons  ok      ok+nons ok    nons  -small
rcpt                                  lost      lost      late      theirs! theirs  theirs  nons     nons  ok      ok+nons ok    nons  -small
data                                  lost      lost      late      theirs! theirs  theirs  nons     nons  ok      refused ok    nons  -small
data       @spool                     .         .         .         .       .       .       .        .     .       nons    .     .     .
content                               lost      lost      -final    theirs! theirs  theirs  lost     lost  lost    lost    lost  lost  late
content    @spool                     .         .         .         .       .       .       nons     nons  .       .       .     nons  .
final                                 lost      lost      late      theirs! theirs  theirs  nons     nons  ok      ok+nons ok    nons  -small
final      @own-banner                .         .         .         .       .       .       .        .     .       ok      .     .     .
bdat                                  lost      lost      late      theirs! theirs  theirs  nons     nons  ok      ok+nons ok    nons  -small
bdat       @own-banner                .         .         .         .       .       .       .        .     .       ok      .     .     .
rset                                  lost      lost      late      theirs! theirs  theirs  nons     nons  ok      ok+nons ok    nons  -small
rset       @own-banner                .         .         .         .       .       .       .        .     .       ok      .     .     .
quit                                  bye       bye       bye       theirs! theirs. theirs. bye      bye   ok.     ok.     ok.   bye   -small
idle                                  gone      gone      -idle     theirs! nons    nons    nons     nons  nons    nons    nons  nons  -small
idle       @own-banner                quiet     quiet     .         quiet   quiet   quiet   quiet    quiet quiet   quiet   quiet quiet .
""")

# ---------------------------------------------------------------------------------------------- the client's faults
#
# close    FIN: it says no more, but would read           reset    RST
# hang     it says nothing more: a second is configured   deaf     it asks for megabytes and reads none of them
# garbage  octets that are no command, no header field, no handshake
#
# Stages: proxy-header, handshake: half of it was sent; pre-greeting: the upstream takes its time; half-command: "MAIL FRO" was sent;
# after-mail, after-rcpt, after-data; mid-header, mid-body; half-chunk: a BDAT of which half has come; behind-dot: in one packet with
# the final dot; awaiting: the upstream has the message and takes its time to answer; idle: after EHLO.

CLIENT = Table("""
stage                     close       reset    hang     deaf   garbage
proxy-header              -proxy
proxy-header @proxy-v2    vanished    vanished badproxy -small badproxy
handshake                 -tls
handshake    @client-tls  mute        mute     mute     -small mute
pre-greeting              left        left     -waits   -small early
pre-greeting @own-banner  -own
half-command              left        left     timeout  -small badline
after-mail                left        left     timeout  deaf   badline
after-rcpt                left        left     timeout  deaf   badline
after-data                left        left     timeout  -small -header
mid-header                left        left     timeout  -small stored
mid-body                  left        left     timeout  -small barecr
half-chunk                left        left     timeout  -small stored
behind-dot                uncommitted maybe    -waits   -small stored+badline
awaiting                  delivered   unheard  -waits   -small stored+badline
idle                      left        left     timeout  deaf   badline
""")

NOT_APPLICABLE = {
    "-closed": "an accepted connection that is closed before the greeting is greeting/close",
    "-syn": "no octet of data goes over a connection that is not open",
    "-small": "what this peer would have to take at this stage fits into any socket's buffers",
    "-own": "mailweir has no such step on this leg: it does not wait for the upstream here",
    "-tls": "this leg has no handshake on this side",
    "-unit": "the record layer puts octets together: unit test wire_octets_that_come_one_by_one_are_understood",
    "-xclient": "only identity xclient says XCLIENT",
    "-xforw": "only identity xforward says XFORWARD",
    "-final": "nothing is owed amid the content; where it lasts until the dot it is final/hang",
    "-idle": "silence is what idling is",
    "-proxy": "no PROXY header is expected on this leg",
    "-waits": "it is the client's turn to wait: nothing is late",
    "-header": "the content's first octets: see mid-header",
}

# ---------------------------------------------------------------------------------------------- what the words mean

LOST = "451 4.4.2 Lost connection with the mail server, try again later"
GONE = "421 4.4.2 Lost connection with the mail server, try again later"
LATE = "451 4.4.2 The mail server did not answer in time, try again later"
NONSENSE = "421 4.3.0 The mail server gave an invalid reply, try again later"
TIMEOUT = "421 4.4.2 Error: timeout exceeded"
BAD_LINE = "500 5.5.2 Error: invalid character in command"

# word: (replies, the session, records that the log must have: "event key=value ..."). No replies: the connection ends without one.
WORDS = {
    # of the upstream's faults
    "none": (["421 4.4.1 No mail server is available, try again later"], ENDS,
             ["upstream-failed", "reject stage=connect by=mailweir code=421 dsn=4.4.1", "session end=upstream"]),
    "away": (["451 4.4.1 No mail server is available, try again later"], GOES_ON,
             ["upstream-failed", "reject stage=rcpt by=mailweir code=451 dsn=4.4.1", "session end=quit"]),
    "lost": ([LOST], GOES_ON, ["upstream-failed", "reject by=mailweir code=451 dsn=4.4.2", "session end=quit"]),
    # the next command would need a new connection, and that would not be logged in
    "lost+gone": ([LOST, GONE], ENDS, ["upstream-failed", "reject by=mailweir code=451 dsn=4.4.2", "session end=upstream"]),
    "late+gone": ([LATE, GONE], ENDS, ["upstream-failed", "reject by=mailweir code=451 dsn=4.4.2", "session end=upstream"]),
    "refused": (["354 go ahead", LOST], GOES_ON, ["upstream-failed", "reject by=mailweir code=451 dsn=4.4.2", "session end=quit"]),
    "late": ([LATE], GOES_ON,
             ["upstream-failed", "reject by=mailweir code=451 dsn=4.4.2", "session end=quit"]),
    "gone": ([GONE], ENDS,
             ["upstream-failed", "reject by=mailweir code=421 dsn=4.4.2", "session end=upstream"]),
    "nons": ([NONSENSE], ENDS, ["upstream-failed", "reject by=mailweir code=421 dsn=4.3.0", "session end=upstream"]),
    "insec": (["421 4.7.5 No secure connection to the mail server, try again later"], ENDS,
              ["upstream-failed", "reject stage=connect by=mailweir code=421 dsn=4.7.5", "session end=upstream"]),
    "ident": (["421 4.3.5 Server configuration problem, try again later"], ENDS, ["identity-refused", "session end=identity"]),
    "theirs": ([THEIRS], GOES_ON, ["reject by=upstream", "session end=quit"]),
    "theirs.": ([THEIRS], ENDS, ["session end=quit"]),
    "theirs!": ([THEIRS], ENDS, ["reject by=upstream code=421 dsn=4.3.2", "session end=upstream"]),
    "theirs?": ([THEIRS], QUITS, ["reject stage=connect by=upstream", "session end=quit"]),  # RFC 5321 3.1: it has to QUIT
    "ok": ([OK], GOES_ON, ["session end=quit"]),
    "ok.": ([OK], ENDS, ["session end=quit"]),
    "ok+nons": ([OK, NONSENSE], ENDS, ["upstream-failed", "reject by=mailweir code=421 dsn=4.3.0", "session end=upstream"]),
    # XFORWARD and MAIL go out together: the reply too many is taken for MAIL's, and MAIL's is one too many
    "shift": (["250 2.0.0 Ok", NONSENSE], ENDS,
              ["upstream-failed", "reject by=mailweir code=421 dsn=4.3.0", "session end=upstream"]),
    "bye": (["221 2.0.0 Bye"], ENDS, ["session end=quit"]),
    "quiet": ([], GOES_ON, ["session end=quit"]),
    # of the client's faults
    "vanished": ([], ENDS, []),
    "badproxy": (["421 4.3.0 Error: no valid PROXY header"], ENDS, ["proxy-refused"]),
    "mute": ([], ENDS, ["tls-failed side=client"]),
    "left": ([], ENDS, ["session end=client-closed"]),
    "early": (["421 4.7.0 Error: client spoke before the greeting"], ENDS,
              ["reject stage=connect by=mailweir code=421 dsn=4.7.0", "session end=errors"]),
    "timeout": ([TIMEOUT], ENDS, ["reject by=mailweir code=421 dsn=4.4.2", "session end=client-timeout"]),
    "deaf": ([], ENDS, ["session end=client-timeout"]),
    "badline": ([BAD_LINE], GOES_ON, ["reject stage=command by=mailweir code=500 dsn=5.5.2", "session end=quit"]),
    "barecr": (["550 5.5.2 Error: bare <CR> received"], GOES_ON,
               ["reject by=mailweir code=550 dsn=5.5.2", "message verdict=reject code=550", "session end=quit"]),
    "stored": ([OK], GOES_ON, ["message verdict=accept code=250", "session end=quit"]),
    "stored+badline": ([OK, BAD_LINE], GOES_ON, ["message verdict=accept code=250", "session end=quit"]),
    "uncommitted": (["451 4.4.2 Connection lost before the message was complete"], ENDS,
                    ["message verdict=lost code=451", "session end=client-closed"]),
    # whether the reset arrives before the dot has gone on is luck: then nothing is stored, else it is "unheard"
    "maybe": ([], ENDS, ["session end=client-closed"]),
    "delivered": ([OK], ENDS, ["message verdict=accept code=250", "session end=client-closed"]),
    "unheard": ([], ENDS, ["message verdict=accept code=250", "session end=client-closed"]),
}

# ---------------------------------------------------------------------------------------------- the suites

THREADS = 24


def cells_of(world, table, kind):
    for plan in PLANS:
        for stage in table.stages:
            for fault in table.faults:
                word = table.word(stage, fault, world.leg.tags | {plan})
                if not word.startswith("-"):
                    yield kind(world, plan, stage, fault, word, WORDS[word])


class Matrix(unittest.TestCase):
    leg = None

    @classmethod
    def setUpClass(cls):
        cls.world = World(cls.leg)
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(cls.prime, [*cls.world.lanes, *cls.world.doomed.values()]))
        wait_for(lambda: all(s.ended for lane in cls.world.lanes for s in lane.upstream.sessions), 30, "a quiet start")
        cls.base = len(cls.world.sockets())

    @classmethod
    def prime(cls, lane):
        """One session without faults: what it is told is what the others are told."""
        cell = Cell(cls.world, lane.plan, "prime", "none", "ok")
        cell.lane, cell.upstream = lane, lane.upstream
        lane.begin()
        cell.client = lane.open()
        try:
            cell.greet()
            lane.ehlo = cell.command(b"EHLO client.example.net")
            cell.command(b"QUIT")
        finally:
            cell.client.close()
        lane.records(cell.client)

    @classmethod
    def tearDownClass(cls):
        cls.world.stop(cls("run_table"))

    def run_table(self, table, kind):
        cells = list(cells_of(self.world, table, kind))
        # the slow ones first: the others fill the gaps
        cells.sort(key=lambda cell: (cell.fault not in cell.hurried, cell.stage != "content"))
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            problems = list(pool.map(lambda cell: cell.run(), cells))
        for cell, problem in zip(cells, problems):
            if problem:
                with self.subTest(str(cell)):
                    self.fail(problem)
        self.world.weir.check_healthy(self)
        wait_for(lambda: len(self.world.sockets()) <= self.base, 15,
                 lambda: "%d sockets, were %d" % (len(self.world.sockets()), self.base))
        print("%s: %d cells" % (self.id().split(".")[-2], len(cells)), file=sys.stderr)

    def run_refused_greeting(self):
        """A greeting that refuses, and a client that goes on nevertheless: to an upstream that is not told yet who the client is, or
        that has to be secure and is not, nothing but QUIT may go (identity or TLS would be evaded: an open relay, a password in
        the clear)."""
        for plan in PLANS:
            for fault in ("4xx", "5xx"):
                with self.subTest(plan=plan, fault=fault), self.world.lane("nobody", plan) as lane:
                    lane.begin("CONNECT", fault)
                    with lane.open() as client:
                        client.expect()
                        for line in (b"EHLO client.example.net", b"AUTH PLAIN", b"MAIL FROM:<a@example.net>"):
                            with contextlib.suppress(OSError):
                                client.send(line + b"\r\n")
                                client.reply()
                    lane.records(client)
                    said = [line for session in lane.upstream.sessions for line in session.commands]
                    self.assertEqual([line for line in said if not line.startswith(b"QUIT")], [])


def suites():
    for leg in LEGS:
        name = leg.name.title().replace("-", "")
        tests = {"test_upstream": lambda self: self.run_table(UPSTREAM, UpstreamCell),
                 "test_client": lambda self: self.run_table(CLIENT, ClientCell)}
        if "negotiates" in leg.tags and not leg.is_own:
            tests["test_refused_greeting"] = Matrix.run_refused_greeting
        yield name, harness.needs_proxy(type(name, (Matrix,), {"leg": leg, **tests}))


class Tables(unittest.TestCase):
    """The tables are whole and say what the design says."""

    def words(self, table):
        return {word for _, _, row in table.rows for word in row.values()} - {"."}

    def test_every_word_is_explained_and_every_explanation_used(self):
        used = self.words(UPSTREAM) | self.words(CLIENT)
        self.assertEqual(used, set(WORDS) | set(NOT_APPLICABLE))

    def test_our_own_replies_are_those_of_the_catalogue(self):
        with open(os.path.join(harness.SOURCE_ROOT, "proxy", "smtp", "replies.def"), encoding="utf-8") as file:
            known = {" ".join(found) for found in re.findall(r'MW_REPLY\(\w+, *(\d+), *"([^"]*)", *"([^"]*)"\)', file.read())}
        ours = {reply for replies, _, _ in WORDS.values() for reply in replies} - {OK, THEIRS, "354 go ahead", "250 2.0.0 Ok"}
        self.assertEqual(ours - known, set())

    def test_every_combination_has_a_word(self):
        for leg in LEGS:
            for plan in PLANS:
                for table in (UPSTREAM, CLIENT):
                    for stage in table.stages:
                        for fault in table.faults:
                            self.assertTrue(table.word(stage, fault, leg.tags | {plan}))


globals().update(suites())


def load_tests(loader, tests, pattern):
    """The base class is no suite."""
    kept = unittest.TestSuite()
    for suite in tests:
        kept.addTests(t for t in suite if type(t) is not Matrix)
    return kept


if __name__ == "__main__":
    harness.main()
