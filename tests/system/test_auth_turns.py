"""Sender authentication while the dialogue takes its turns: the name server is late, and the client, the upstream or the operator does something
before the answer is there. What was asked for one transaction must never be believed of another. Domains, checks and the random client: lib/turns.py.

    MW_SEED=N plays the random dialogues again."""
import contextlib
import os
import random
import re
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import authres  # noqa: E402
import certs  # noqa: E402
import harness  # noqa: E402
import turns  # noqa: E402
from fake_upstream import NORMAL, FakeUpstream, Turns  # noqa: E402
from smtpline import Client  # noqa: E402
from suite import ALICE, BOB, CAROL  # noqa: E402
from turns import HERE, LATE_S, OWN, SLOW_S, SPAM, Base, Talker, filters, fresh, message, unfolded  # noqa: E402

SEED = int(os.environ.get("MW_SEED", time.time_ns() % 1_000_000))


def setUpModule():
    turns.begin()


def tearDownModule():
    turns.end()


# ---------------------------------------------------------------------------------------------- another HELO, another client

@harness.needs_proxy
class Secured(Base):
    """STARTTLS while a check of the HELO name is under way: RFC 3207 4.2, the server forgets what it was told."""

    @classmethod
    def setUpClass(cls):
        cls.ca = certs.Authority()
        cls.pair = cls.ca.issue(OWN)

    def tls_weir(self, *spf, **settings):
        return self.weir(spf, listen=["tls starttls", "certificate %s %s" % (self.pair.certificate, self.pair.key)], **settings)

    def secure(self, client):
        self.assertEqual(client.pending, b"")
        client.socket = self.ca.client_context().wrap_socket(client.socket, server_hostname=OWN)

    def test_helo_is_forgotten(self):
        """The old name's answer comes when the new one is in force; each direction, with and without a recipient that waits for it."""
        weir = self.tls_weir("profile enforce", "helo-check reject")
        for before, after, code in (("fail", "pass", 250), ("pass", "fail", 550)):
            for ahead in ([], ["RCPT TO:<%s>" % BOB]):
                for sender in ("", "s@" + fresh("none")):
                    with self.subTest(before, ahead=ahead, sender=sender):
                        old, new = fresh(before, ".slow"), fresh(after)
                        client = self.client(weir, old)
                        self.assertEqual(self.codes(client, "MAIL FROM:<%s>" % sender, *ahead, "STARTTLS"),
                                         [250, *([800 - code] if ahead else []), 220])
                        self.secure(client)
                        self.assertEqual(self.codes(client, "MAIL FROM:<%s>" % sender, "RCPT TO:<%s>" % ALICE), [503, 503])
                        client.ehlo(new)
                        self.assertEqual(self.codes(client, "MAIL FROM:<%s>" % sender, "RCPT TO:<%s>" % ALICE), [250, code])
                        if code == 250:
                            time.sleep(SLOW_S)
                            self.assertEqual(client.data(message("a.none.test")).code, 250)
                            self.check(self.up.stored()[-1][2], sender, new)
                        else:
                            record = weir.records("reject")[-1]
                            self.assertIn(new, record["text"])
                            self.assertNotIn(old, record["text"])
                        client.quit()

    def test_result_that_depends_on_the_name(self):
        """The same sender and a record that looks at %{h}: what was found before STARTTLS is not found again."""
        weir = self.tls_weir("helo-check header")
        sender = "s@" + fresh("helo")
        client = self.client(weir, "a.good")
        self.assertEqual(self.codes(client, "MAIL FROM:<%s>" % sender, "RCPT TO:<%s>" % ALICE, "STARTTLS"), [250, 250, 220])
        self.secure(client)
        client.ehlo("b.bad")
        client.envelope(sender, ALICE)
        self.assertEqual(client.data(message("a.none.test")).code, 250)
        client.quit()
        self.check(self.arrived()[2], sender, "b.bad", results="fail", helo_result="none")
        self.assertEqual(self.up.sessions[-1].verbs(), ["EHLO", "MAIL", "RCPT", "RSET", "EHLO", "MAIL", "RCPT", "DATA", "QUIT"])

    @staticmethod
    def rest(client):
        """All that is sent up to the end."""
        octets = client.pending
        with contextlib.suppress(ConnectionResetError):
            while more := client.socket.recv(65536):
                octets += more
        return octets

    def test_octets_behind_it(self):
        """Also where the recipient in front of STARTTLS still waits for the name server. What comes by itself meanwhile may be read only when the
        220 is out: then it is the handshake, which it is not."""
        weir = self.tls_weir()
        for behind in (b"EHLO evil.pass.test\r\n", b"MAIL FROM:<evil@evil.test>\r\nRCPT TO:<bob@example.test>\r\n", b"\x16\x03\x01\x02", b"x"):
            for is_apart in (False, True):
                with self.subTest(behind, is_apart=is_apart):
                    client = self.client(weir)
                    self.wait_at_rcpt(client, "s@" + fresh("pass", ".slow"), b"STARTTLS\r\n" + (b"" if is_apart else behind))
                    if is_apart:
                        time.sleep(SLOW_S / 5)
                        client.send(behind)
                    client.expect(250)
                    self.assertIn(client.expect().raw[:9], (b"554 5.5.0", b"220 2.0.0") if is_apart else (b"554 5.5.0",))
                    client.socket.shutdown(socket.SHUT_WR)
                    self.assertNotRegex(self.rest(client), rb"(?m)^[2-5]\d\d[ -]")
        self.up.wait_sessions_end()
        self.assertFalse([line for session in self.up.sessions for line in session.commands if b"evil" in line])

    def test_refused_name_leaves_none(self):
        """The upstream refuses the name that is said after STARTTLS: the one from before is not in force again."""
        self.up.orders["EHLO"] = Turns(NORMAL, b"550 5.7.1 not you\r\n", NORMAL)
        weir = self.tls_weir()
        client = self.client(weir, fresh("pass", ".slow"))
        self.assertEqual(self.codes(client, "MAIL FROM:<>", "STARTTLS"), [250, 220])
        self.secure(client)
        client.cmd("EHLO refused.pass.test", 550)
        client.cmd("MAIL FROM:<>", 503)
        client.ehlo("n9.fail.test")
        client.envelope("", ALICE)
        self.assertEqual(client.data(message("a.none.test")).code, 250)
        client.quit()
        self.check(self.arrived()[2], "", "n9.fail.test")


@harness.needs_proxy
class Another(Base):
    """XCLIENT, XFORWARD and PROXY: another address, another result."""

    def judged(self, client, sender, result, helo, count):
        client.envelope(sender, ALICE)
        self.assertEqual(client.data(message("a.none.test")).code, 250)
        self.check(self.arrived(count)[2], sender, helo, results=result)

    def test_xclient(self):
        weir = self.weir(listen=["accept-xclient on", "trust 127.0.0.0/8 192.0.2.0/24"])
        sender = "s@" + fresh("there", ".slow")
        client = self.client(weir, "a.none.test")
        self.assertEqual(self.codes(client, "MAIL FROM:<%s>" % sender, "XCLIENT ADDR=192.0.2.7", "RSET"), [250, 503, 250])
        client.cmd("XCLIENT ADDR=192.0.2.7", 220)
        client.ehlo("b.none.test")
        self.judged(client, sender, "pass", "b.none.test", 1)
        client.cmd("MAIL FROM:<%s>" % sender, 250)
        client.cmd("RSET", 250)
        client.cmd("XCLIENT ADDR=192.0.2.8", 220)
        client.ehlo("b.none.test")
        self.judged(client, sender, "fail", "b.none.test", 2)
        client.quit()

    def test_xforward(self):
        weir = self.weir(listen=["accept-xforward on", "trust 127.0.0.0/8"])
        sender = "s@" + fresh("there", ".slow")
        client = self.client(weir, "own.none.test")
        for count, (address, helo, result) in enumerate((("192.0.2.7", "b.none.test", "pass"), ("192.0.2.8", "c.none.test", "fail"),
                                                         (None, "own.none.test", "fail"), ("192.0.2.7", "d.none.test", "pass")), 1):
            if address:
                client.cmd("XFORWARD ADDR=%s HELO=%s" % (address, helo), 250)
            self.assertEqual(self.codes(client, "MAIL FROM:<%s>" % sender, "XFORWARD ADDR=192.0.2.%d" % (15 - count), "RSET"), [250, 503, 250])
            if address:
                client.cmd("XFORWARD ADDR=%s HELO=%s" % (address, helo), 250)
            self.judged(client, sender, result, helo, count)
        client.quit()

    def test_proxy_header_in_the_dialogue(self):
        """It is the connection's first line or none at all."""
        weir = self.weir(listen=["accept-proxy required", "trust 127.0.0.0/8"])
        sender = "s@" + fresh("there", ".slow")
        client = self.closing(Client(weir.port, greet=False))
        client.send(b"PROXY TCP4 192.0.2.8 192.0.2.25 4711 25\r\n")
        client.expect(220)
        client.ehlo("a.none.test")
        self.assertEqual(self.codes(client, "MAIL FROM:<%s>" % sender, "PROXY TCP4 192.0.2.7 192.0.2.25 4711 25", "RSET",
                                    "PROXY TCP4 192.0.2.7 192.0.2.25 4711 25"), [250, 502, 250, 502])
        self.judged(client, sender, "fail", "a.none.test", 1)
        client.quit()


# ---------------------------------------------------------------------------------------------- turns of the dialogue

@harness.needs_proxy
class Turned(Base):
    """What ends a transaction ends what was asked for it."""

    TURNS = ("RSET", "EHLO {new}", "HELO {new}", "RSET, EHLO {new}", "MAIL FROM:<x@n0.fail.test>, RSET", ", ".join(["NOOP"] * 20 + ["RSET"]), "EHLO, RSET",
             "RSET, MAIL FROM:<y@n0.neutral.slow.test>, RSET", "RCPT TO:<bob@example.test>, RSET", "RCPT TO:<bob@example.test>, EHLO {new}",
             "VRFY bob, RSET, RSET")

    @staticmethod
    def told(line, is_open):
        """(code, is a transaction open behind it) of a command."""
        verb = line.split(" ")[0]
        if line == "EHLO":
            return 501, is_open
        if verb == "MAIL":
            return (503 if is_open else 250), True
        return (252 if verb == "VRFY" else 250), is_open and verb not in ("RSET", "EHLO", "HELO")

    def test_every_turn(self):
        """Each interruption between two senders with different results, in one group of commands and one by one."""
        weir, count = self.weir(), 0
        for one, two in (("fail", "pass"), ("pass", "fail"), ("softfail", "none"), ("permerror", "neutral")):
            for turn in self.TURNS:
                with self.subTest(one, turn=turn):
                    old, new, first = fresh(one, ".slow"), fresh(two), "a@" + fresh(one, ".slow")
                    second, author = "b@" + fresh(two, ("", ".slow")[count // 2 % 2]), fresh(two, ".slow")
                    lines, codes, is_open = turn.format(new=new).split(", "), [], True
                    for line in lines:
                        code, is_open = self.told(line, is_open)
                        codes.append(code)
                    lines = ["MAIL FROM:<%s>" % first, *lines, "MAIL FROM:<%s>" % second, "RCPT TO:<%s>" % ALICE]
                    client = self.client(weir, old)
                    found = self.codes(client, *lines) if count % 2 else [client.cmd(line).code for line in lines]
                    self.assertEqual(found, [250, *codes, 250, 250])
                    self.assertEqual(client.data(message(author)).code, 250)
                    client.quit()
                    count += 1
                    said = new if "{new}" in turn else old
                    sender, _, octets = self.arrived(count)
                    self.check(octets, second, said, author)
                    self.assertEqual(sender.split(b" ")[0], b"<%s>" % second.encode())
                    self.assertEqual(weir.wait_record("message", from_="<%s>" % second)["helo"], said)

    def test_flood_behind_a_waiting_recipient(self):
        """Nothing is answered out of turn, and the waiting recipient loses no word of it."""
        weir = self.weir(["profile enforce"])
        client = self.client(weir)
        began = time.monotonic()
        codes = self.codes(client, "MAIL FROM:<a@%s>" % fresh("fail", ".late"), "RCPT TO:<%s>" % ALICE, *["NOOP"] * 2000, "RSET",
                           "MAIL FROM:<a@%s>" % fresh("pass"), "RCPT TO:<%s>" % ALICE)
        self.assertEqual(codes, [250, 550] + [250] * 2003)
        self.assertGreater(time.monotonic() - began, LATE_S * 0.9)
        client.quit()

    def test_leaving_while_it_is_open(self):
        """QUIT, FIN, half a FIN and a reset, at MAIL and at RCPT; the answers come to nobody."""
        weir = self.weir(["profile enforce"])
        for refusals in ([], [550]):
            for way in ("quit", "close", "half", "reset"):
                client = self.client(weir, fresh("fail", ".late"))
                if refusals:
                    self.wait_at_rcpt(client, "a@" + fresh("fail", ".late"))
                else:
                    client.cmd("MAIL FROM:<a@%s>" % fresh("fail", ".late"), 250)
                time.sleep(0.05)
                if way == "quit":
                    client.send(b"QUIT\r\n")
                    self.assertEqual([client.expect().code for _ in (*refusals, 221)], [*refusals, 221])
                    self.assertTrue(client.at_end())
                elif way == "half":
                    client.socket.shutdown(socket.SHUT_WR)
                    self.assertEqual([client.expect().code for _ in refusals], refusals)
                    self.assertTrue(client.at_end())
                getattr(client, "reset" if way == "reset" else "close")()
        self.wait_quiet(weir)
        time.sleep(LATE_S)  # whatever was on its way
        self.assertEqual(self.codes(self.client(weir), "MAIL FROM:<a@%s>" % fresh("pass"), "RCPT TO:<%s>" % ALICE, "QUIT"), [250, 250, 221])

    def test_end_of_message_waits_for_dmarc(self):
        """Commands behind the final dot belong to the next transaction."""
        weir = self.weir(["profile enforce"], ["profile enforce"])
        helo = fresh("none")
        client = self.client(weir, helo)
        client.envelope("a@" + fresh("none"), ALICE)
        client.cmd("DATA", 354)
        second = "b@" + fresh("pass")
        client.send(message(fresh("fail", ".late")) + b".\r\n" + b"RSET\r\nMAIL FROM:<%s>\r\nRCPT TO:<%s>\r\n" % (second.encode(), ALICE.encode()))
        replies = [client.expect() for _ in range(4)]
        self.assertEqual([reply.code for reply in replies], [550, 250, 250, 250])
        self.assertIn("DMARC", replies[0].text)
        self.assertEqual(client.data(message(second[2:])).code, 250)
        client.quit()
        self.check(self.arrived()[2], second, helo, second[2:])

    def test_leaving_while_dmarc_is_open(self):
        weir = self.weir(dmarc=["profile enforce"])
        for leave in (Client.close, Client.reset):
            client = self.client(weir)
            client.envelope("a@" + fresh("none"), ALICE)
            client.cmd("DATA", 354)
            client.send(message(fresh("fail", ".late")) + b".\r\n")
            time.sleep(0.05)
            leave(client)
        self.wait_quiet(weir)
        self.assertEqual(self.up.stored(), [])


# ---------------------------------------------------------------------------------------------- pipelines

@harness.needs_proxy
class Pipelined(Base):
    """A group of commands whose sender is looked up slowly: one reply each, in their order."""

    SINK = b"RSET\r\nMAIL FROM:<evil@evil.test>\r\n.\r\nRCPT TO:<evil@evil.test>\r\nQUIT\r\n"  # a chunk that is never commands

    def test_data(self):
        weir = self.weir(["profile enforce", "skip-recipients postmaster@"])
        post = "postmaster@example.test"
        for kind, rcpts, codes in (("pass", [ALICE, BOB, CAROL], [250, 250, 250, 250, 354]), ("fail", [ALICE, BOB], [250, 550, 550, 554]),
                                   ("fail", [ALICE, post, BOB], [250, 550, 250, 550, 354]), ("permerror", [post, BOB], [250, 250, 550, 354]),
                                   ("softfail", [ALICE, "no path", BOB], [250, 250, 250, 250, 354])):
            with self.subTest(kind, rcpts=rcpts):
                count, sender = len(self.up.stored()), "a@" + fresh(kind, ".slow")
                client = self.client(weir, "h.none.test")
                lines = ["MAIL FROM:<%s>" % sender, *("RCPT TO:<%s>" % rcpt for rcpt in rcpts), "DATA"]
                self.assertEqual(self.codes(client, *lines), codes)
                taken = [rcpt for rcpt, code in zip(rcpts, codes[1:]) if code == 250]
                if codes[-1] == 354:
                    client.send(message("a.none.test") + b".\r\n")
                    client.expect(250)
                    self.check(self.arrived(count + 1)[2], sender, "h.none.test", "a.none.test")
                    self.assertEqual(self.up.stored()[-1][1], tuple(b"<%s>" % rcpt.encode() for rcpt in taken))
                client.quit()

    def test_bdat(self):
        """Chunks that come while the name server is asked, in one write and one octet at a time."""
        weir = self.weir(["profile enforce"])
        whole = message("a.none.test")
        cuts = (0, 20, 21, len(whole) - 3, len(whole))
        for kind, codes in (("pass", [250, 250, 250, 250, 250, 250, 250, 250, 250]), ("fail", [250, 550, 550, 554, 503, 503, 503, 250, 250])):
            for is_slow in (False, True):
                with self.subTest(kind, is_slow=is_slow):
                    count, sender = len(self.up.stored()), "a@" + fresh(kind, ".slow")
                    client = self.client(weir, "h.none.test")
                    octets = b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nRCPT TO:<%s>\r\n" % (sender.encode(), ALICE.encode(), BOB.encode())
                    for at, end in zip(cuts, cuts[1:]):
                        octets += b"BDAT %d%s\r\n" % (end - at, b" LAST" if end == len(whole) else b"") + whole[at:end]
                    octets += b"NOOP\r\nRSET\r\n"
                    (client.send_slowly if is_slow else client.send)(octets)
                    self.assertEqual([client.expect().code for _ in codes], codes)
                    client.quit()
                    if kind == "pass":
                        self.check(self.arrived(count + 1)[2], sender, "h.none.test", "a.none.test")
                    else:
                        self.assertEqual(len(self.up.stored()), count)

    def test_refused_chunks_are_no_commands(self):
        weir = self.weir(["profile enforce"])
        client = self.client(weir, "h.none.test")
        chunk = b"BDAT %d LAST\r\n" % len(self.SINK) + self.SINK
        good = "b@" + fresh("pass", ".slow")
        client.send(b"MAIL FROM:<a@%s>\r\nRCPT TO:<%s>\r\n" % (fresh("fail", ".slow").encode(), ALICE.encode()) + chunk + chunk +
                    b"MAIL FROM:<%s>\r\n" % good.encode() + chunk + b"RSET\r\nMAIL FROM:<%s>\r\nRCPT TO:<%s>\r\n" % (good.encode(), BOB.encode()) + chunk)
        self.assertEqual([client.expect().code for _ in range(10)], [250, 550, 554, 503, 250, 554, 250, 250, 250, 250])
        client.quit()
        sender, rcpts, octets = self.arrived()
        self.assertEqual((sender.split(b" ")[0], rcpts), (b"<%s>" % good.encode(), (b"<%s>" % BOB.encode(),)))
        self.assertTrue(octets.endswith(self.SINK), octets)

    def test_content_behind_a_refused_data(self):
        """RFC 2920 3.1: what comes behind a DATA that is refused late was meant as content, so that none of it is done."""
        weir = self.weir(["profile enforce"])
        client = self.client(weir)
        client.send(b"MAIL FROM:<a@%s>\r\nRCPT TO:<%s>\r\nDATA\r\n" % (fresh("fail", ".slow").encode(), ALICE.encode()) + self.SINK)
        self.assertEqual([client.expect().code for _ in range(4)], [250, 550, 554, 554])
        self.assertTrue(client.at_end())
        self.up.wait_sessions_end()
        self.assertFalse([line for session in self.up.sessions for line in session.commands if b"evil" in line])

    def test_judged_at_mail(self):
        """The group waits behind MAIL, and what a refused sender leaves is out of sequence."""
        weir = self.weir(["profile enforce", "judge mail"])
        client = self.client(weir)
        lines = ["MAIL FROM:<a@%s>", "RCPT TO:<%s>" % ALICE, "MAIL FROM:<b@%s>" % fresh("pass", ".slow"), "RCPT TO:<%s>" % BOB, "NOOP", "DATA"]
        self.assertEqual(self.codes(client, lines[0] % fresh("fail", ".slow"), *lines[1:]), [550, 503, 250, 250, 250, 354])
        client.send(message("a.none.test") + b".\r\n")
        client.expect(250)
        client.quit()
        self.assertEqual(self.arrived()[1], (b"<%s>" % BOB.encode(),))


# ---------------------------------------------------------------------------------------------- mixed verdicts

@harness.needs_proxy
class Mixed(Base):
    """Recipients who are spared beside others: who gets the message, and what the client is told of each."""

    POST = "postmaster@example.test"
    SPARE = "skip-recipients postmaster@"

    def send(self, weir, sender, author, rcpts, prdr=False, chunked=False):
        """(codes at RCPT, replies to the message)."""
        client = self.client(weir, "h.none.test")
        self.assertEqual("PRDR" in client.ehlo("h.none.test").lines, prdr)
        client.cmd("MAIL FROM:<%s>%s" % (sender, " PRDR" if prdr else ""), 250)
        codes = [client.cmd("RCPT TO:<%s>" % rcpt).code for rcpt in rcpts]
        octets = message(author)
        if chunked:
            client.send(b"BDAT %d LAST\r\n" % len(octets) + octets)
        else:
            client.cmd("DATA", 354)
            client.send(octets + b".\r\n")
        replies = [client.expect()]
        if replies[0].code == 353:
            replies += [client.expect() for _ in range(codes.count(250) + 1)]
        client.cmd("NOOP", 250)
        client.quit()
        return codes, replies

    def delivered(self):
        """Who got it, of each message since the last look."""
        stored, self.seen = [sorted(rcpt.decode()[1:-1] for rcpt in rcpts) for _, rcpts, _ in self.up.stored()], getattr(self, "seen", 0)
        fresh_ones, self.seen = stored[self.seen:], len(stored)
        return fresh_ones

    def test_dmarc_spares_one(self):
        rcpts = [ALICE, self.POST, BOB]
        table = (  # settings of the listener, action -> codes of the replies, who gets it
            (["mixed-verdict refuse"], "reject", [550], []), (["mixed-verdict refuse"], "defer", [451], []),
            (["mixed-verdict accept-rest"], "reject", [250], [[self.POST]]), (["mixed-verdict accept-rest"], "defer", [250], [[self.POST]]),
            (["mixed-verdict split"], "reject", [550], []),
            (["prdr on"], "reject", [353, 550, 250, 550, 250], [[self.POST]]),
            (["prdr on", "mixed-verdict accept-rest"], "defer", [353, 451, 250, 451, 250], [[self.POST]]),
            (["prdr on"], "quarantine", [353, 250, 250, 250, 250], [[self.POST, SPAM]]), ([], "quarantine", [250], [[self.POST, SPAM]]))
        for listen, action, codes, who in table:
            weir = self.weir(dmarc=["on reject " + action, self.SPARE], listen=listen)
            for chunked in (False, True):
                with self.subTest(listen, action=action, chunked=chunked):
                    sender = "a@" + fresh("none", ".slow")
                    said, replies = self.send(weir, sender, fresh("fail", ".slow"), rcpts, "prdr on" in listen, chunked)
                    self.assertEqual((said, [reply.code for reply in replies]), ([250] * 3, codes))
                    self.assertEqual(self.delivered(), [sorted(names) for names in who])
                    told = {line["to"]: line["told"] for line in weir.records("reject", from_="<%s>" % sender)}
                    own = [str(codes[1 + 2 * i] if codes[0] == 353 else codes[0]) for i in range(2)]
                    self.assertEqual(told, {} if action == "quarantine" else {"<%s>" % ALICE: own[0], "<%s>" % BOB: own[1]})
                    if codes[0] == 353:
                        self.assertEqual([re.search("<(.*?)>:", reply.text).group(1) for reply in replies[1:-1]], rcpts)

    def test_nobody_is_spared(self):
        weir = self.weir(dmarc=["profile enforce", self.SPARE], listen=["prdr on"])
        for rcpts in ([ALICE, BOB], [ALICE]):
            self.assertEqual([reply.code for reply in self.send(weir, "a@none.test", fresh("fail", ".slow"), rcpts, True)[1]], [550])
        self.assertEqual(self.delivered(), [])

    def test_upstream_refuses_what_is_left(self):
        self.up.orders["DOT"] = b"452 4.3.1 no space\r\n"
        weir = self.weir(dmarc=["profile enforce", self.SPARE], listen=["prdr on"])
        replies = self.send(weir, "a@none.test", fresh("fail", ".slow"), [self.POST, ALICE], True)[1]
        self.assertEqual([reply.code for reply in replies], [353, 452, 550, 452])
        self.assertEqual(self.delivered(), [])

    def test_upstream_refuses_the_quarantine(self):
        """Then nobody gets it, everybody is told so, and the log names the address."""
        self.up.orders["RCPT"] = lambda session: b"550 5.1.1 nobody\r\n" if SPAM.encode() in session.commands[-1] else NORMAL
        for prdr in (False, True):
            weir = self.weir(["on fail quarantine", self.SPARE], listen=["prdr on"] if prdr else [])
            for rcpts in ([ALICE, self.POST, BOB], [BOB, ALICE]):
                replies = self.send(weir, "a@" + fresh("fail", ".slow"), "a.none.test", rcpts, prdr)[1]
                self.assertEqual([reply.code for reply in replies], [353] + [550] * (len(rcpts) + 1) if prdr else [550])
            self.assertEqual({line["to"] for line in weir.records("reject", by="upstream")}, {"<%s>" % SPAM})
        self.assertEqual(self.delivered(), [])

    def test_spf_spares_at_rcpt(self):
        for listen in ([], ["mixed-verdict accept-rest"], ["prdr on"]):
            weir = self.weir(["profile enforce", self.SPARE], listen=listen)
            said, replies = self.send(weir, "a@" + fresh("fail", ".slow"), "a.none.test", [ALICE, self.POST, BOB], "prdr on" in listen)
            self.assertEqual((said, [reply.code for reply in replies]), ([550, 250, 550], [250]))
            self.assertEqual(self.delivered(), [[self.POST]])

    def test_spf_moves_and_spares(self):
        for prdr in (False, True):
            weir = self.weir(["on fail quarantine", self.SPARE], listen=["prdr on"] if prdr else [])
            for rcpts, who, codes in (([ALICE, self.POST, BOB], [SPAM, self.POST], [353] + [250] * 4), ([BOB, ALICE], [SPAM], [353] + [250] * 3),
                                      ([self.POST], [self.POST], [250]), ([SPAM, ALICE], [SPAM], [353] + [250] * 3)):
                with self.subTest(prdr=prdr, rcpts=rcpts):
                    said, replies = self.send(weir, "a@" + fresh("fail", ".slow"), "a.none.test", rcpts, prdr)
                    self.assertEqual([reply.code for reply in replies], codes if prdr else [250])
                    self.assertEqual(self.delivered(), [sorted(who)])

    def test_moved_by_one_and_refused_by_the_other(self):
        """Whom nobody is told of has to be delivered somewhere: each recipient gets the message, or quarantine has it, or the client knows."""
        for listen, prdr in ((["prdr on"], True), ([], False)):
            weir = self.weir(["on fail quarantine", self.SPARE], ["profile enforce", self.SPARE], listen=listen)
            for rcpts in ([ALICE, self.POST, BOB], [self.POST, ALICE, BOB, CAROL], [ALICE, BOB]):
                with self.subTest(prdr=prdr, rcpts=rcpts):
                    said, replies = self.send(weir, "a@" + fresh("fail", ".slow"), fresh("fail", ".slow"), rcpts, prdr)
                    found = self.delivered()
                    codes = [reply.code for reply in replies[1:-1]] or [replies[0].code] * len(rcpts)
                    for rcpt, code in zip(rcpts, codes):
                        self.assertEqual(code < 300, any(rcpt in names or (rcpt != self.POST and SPAM in names) for names in found), (rcpt, replies, found))


# ---------------------------------------------------------------------------------------------- the operator, the upstream, the end

@harness.needs_proxy
class Reloaded(Base):
    def test_settings_of_the_session(self):
        """SPF waits at RCPT, DMARC at the end of the message, and the settings change under both."""
        weir = self.weir(["profile enforce"], ["profile enforce"])
        at_rcpt, at_end = self.client(weir, "h.none.test"), self.client(weir, "h.none.test")
        at_end.envelope("a@" + fresh("none"), ALICE)
        at_end.cmd("DATA", 354)
        at_end.send(message(fresh("fail", ".late")) + b".\r\n")
        self.wait_at_rcpt(at_rcpt, "a@" + fresh("fail", ".late"))
        weir.write("20-filters.conf", filters(["on fail tag", "lookup-time 1s"], ["on reject tag"]))
        self.assertEqual(weir.reload()["event"], "reloaded")
        self.assertEqual(at_rcpt.expect().dsn, "5.7.23")
        self.assertIn("DMARC", at_end.expect(550).text)
        new = self.client(weir, "h.none.test")
        for client, code in ((at_rcpt, 550), (new, 250)):  # the old one to its end, the new one from its beginning
            sender = "a@" + fresh("fail", ".slow")
            client.cmd("RSET", 250)
            self.assertEqual(self.codes(client, "MAIL FROM:<%s>" % sender, "RCPT TO:<%s>" % ALICE), [250, code])
        self.assertEqual(new.data(message(fresh("fail", ".slow"))).code, 250)
        self.assertEqual(re.findall(r"(?m)^X-Mailweir-Tag: (\S+)", unfolded(self.arrived()[2])), ["spf=fail", "dmarc=fail"])
        for client in (at_rcpt, at_end, new):
            client.quit()

    def test_many_while_many_wait(self):
        """Ten generations, each with sessions that wait; every one is judged by its own."""
        weir = self.weir(["profile enforce"])
        waiting = []
        for generation in range(10):
            for _ in range(5):
                client = self.client(weir)
                self.wait_at_rcpt(client, "a@" + fresh("fail", ".late"))
                waiting.append((client, 250 if generation % 2 else 550))
            weir.write("20-filters.conf", filters(["profile " + ("enforce", "observe")[(generation + 1) % 2]]))
            self.assertEqual(weir.reload()["event"], "reloaded")
        for client, code in waiting:
            client.expect(code)
            client.quit()


@harness.needs_proxy
class Gone(Base):
    def test_upstream_that_leaves(self):
        """While SPF is open at RCPT, and while DMARC is at the end: a temporary answer, nothing stored, and the next message goes."""
        weir = self.weir(["profile enforce"], ["profile enforce"])
        for stage in ("rcpt", "end"):
            for kind, refusal in (("pass", 451), ("fail", 550)):
                with self.subTest(stage, kind=kind):
                    count, client = len(self.up.stored()), self.client(weir, "h.none.test")
                    sender, author = ("a@" + fresh(kind, ".late"), "a.none.test") if stage == "rcpt" else ("a@" + fresh("pass"), fresh(kind, ".late"))
                    client.cmd("MAIL FROM:<%s>" % sender, 250)
                    client.send(b"RCPT TO:<%s>\r\n" % ALICE.encode())
                    if stage == "end":
                        client.expect(250)
                        client.cmd("DATA", 354)
                        client.send(message(author) + b".\r\n")
                    weir.settle()
                    self.up.sessions[-1].leave()
                    reply = client.expect()
                    delivered = len(self.up.stored()) - count
                    if stage == "end" and kind == "pass":  # the envelope is said again on another connection
                        self.assertEqual(delivered, int(reply.code == 250), reply)
                        self.assertIn(reply.code, (250, 451, 550))
                    else:
                        self.assertIn(reply.code, (refusal, 421) if kind == "pass" else (refusal, 451, 421))
                        self.assertEqual(delivered, 0)
                    client.close()
        count, client = len(self.up.stored()), self.client(weir, "h.none.test")
        client.envelope("a@" + fresh("pass"), ALICE)
        self.assertEqual(client.data(message("a.none.test")).code, 250)
        client.quit()
        self.assertEqual(len(self.up.stored()), count + 1)

    def test_upstream_that_dies_under_many(self):
        """Fifty sessions wait; the server behind goes and comes back. Every one has its answer, and a 250 is a message that is there."""
        weir = self.weir()
        clients = [self.client(weir, "h.none.test") for _ in range(50)]
        for i, client in enumerate(clients):
            client.send(b"MAIL FROM:<a@%s>\r\nRCPT TO:<%s>\r\n" % (fresh("pass", ".late").encode(), ALICE.encode()))
        port = self.up.port
        self.up.stop()
        old = self.up.stored()
        self.up = FakeUpstream(port=port)
        self.addCleanup(self.up.stop)
        accepted = 0
        for client in clients:
            replies = [client.reply(), client.reply()]
            if all(reply and reply.code == 250 for reply in replies):
                reply = client.cmd("DATA")
                if reply and reply.code == 354:
                    client.send(message("a.none.test") + b".\r\n")
                    accepted += (client.reply() or reply).code == 250
            else:
                self.assertFalse([reply for reply in replies if reply and reply.code not in (250, 421, 451, 503)], replies)
            client.close()
        self.assertEqual((len(self.up.stored()), old), (accepted, []))

    def test_everybody_leaves(self):
        """Clients that vanish at any point of MAIL, RCPT and the message, and answers that come to nobody."""
        weir = self.weir(["lookup-time 1s"], ["lookup-time 1s"])
        before = weir.descriptors()
        for i in range(120):
            client = Client(weir.port, source=HERE)
            client.ehlo(fresh("fail", ".late"))
            client.cmd("MAIL FROM:<a@%s>" % (fresh("pass", ".late"), fresh("mute"), fresh("helo", ".late"))[i % 3], 250)
            if i % 4 > 0:
                client.send(b"RCPT TO:<%s>\r\n" % ALICE.encode())
            if i % 4 > 1:
                client.send(b"BDAT 100%s\r\n" % (b" LAST" if i % 8 > 4 else b"") + b"From: x@a.fail.late.test\r\n\r\n" + b"x" * (40, 72)[i % 8 > 4])
            (client.reset if i % 5 % 2 else client.close)()
        self.wait_quiet(weir)
        time.sleep(LATE_S)
        self.assertLessEqual(weir.descriptors(), before + 20)
        self.assertEqual([octets for _, _, octets in self.up.stored() if b"Received-SPF" not in octets], [])

    def test_stopped_while_it_waits(self):
        """SIGTERM: what waits is finished, nobody new is let in, the process ends with 0."""
        weir = self.weir(["profile enforce"], ends=True)
        client = self.client(weir)
        self.wait_at_rcpt(client, "a@" + fresh("fail", ".late"))
        weir.settle()
        weir.signal(signal.SIGTERM)
        client.expect(550)
        self.assertEqual(client.cmd("RSET").code, 250)
        self.assertEqual(client.expect().code, 421)
        self.assertTrue(client.at_end())
        self.assertEqual(weir.wait(10), 0)
        self.assertNotRegex(weir.log(), r"Sanitizer|runtime error:|Assertion")


# ---------------------------------------------------------------------------------------------- names

LABEL = "x" * 63
LONGEST = ".".join([LABEL] * 3 + ["y" * (253 - 3 * 64 - len(".pass.test"))]) + ".pass.test"  # RFC 1035 3.1: 255 octets on the wire


@harness.needs_proxy
class Names(Base):
    """Senders and HELO names of every form: what is checked is the domain's A-labels, and the fields stay readable."""

    GOOD, EAI = "h.pass.test", "b\u00fccher.pass.test"
    HELO = GOOD + " pass " + GOOD
    ROWS = (  # sender, HELO name, MAIL's parameters -> facts of SPF, then smtp.mailfrom and smtp.helo (None: as they were said)
        ("a@D", "[127.0.5.7]", "", "pass D none ", None, None),
        ("a@D", "[IPv6:2001:db8::7]", "", "pass D none ", None, None),
        ("a@D", "[IPv6:::ffff:127.0.5.7]", "", "pass D none ", None, None),
        ("", "[127.0.5.7]", "", "none  none ", None, None),
        ("", "[IPv6:2001:db8::7]", "", "none  none ", None, None),
        ("", "h.fail.test", "", "fail h.fail.test fail h.fail.test", None, None),
        ("", "h.pass.test.", "", "pass h.pass.test pass h.pass.test", None, None),
        ("", "localhost", "", "none localhost none localhost", None, None),
        ("a@[127.0.5.7]", GOOD, "", "none  pass h.pass.test", None, None),
        ("a@[IPv6:2001:db8::7]", GOOD, "", "none  pass h.pass.test", None, None),
        ("a@D.", "H.Pass.TEST.", "", "pass D pass h.pass.test", None, None),
        ("\"a b\"@D", GOOD, "", "pass D pass h.pass.test", None, None),
        ("\"a@n0.fail.test\"@D", GOOD, "", "pass D pass h.pass.test", None, None),
        ("\"\\\"\\\\<>\"@D", GOOD, "", "pass D pass h.pass.test", None, None),
        ("\"\"@D", GOOD, "", "pass D pass h.pass.test", None, None),
        ("@n0.fail.test,@n1.fail.test:a@D", GOOD, "", "pass D pass h.pass.test", "a@D", None),
        ("@[IPv6:::1]:a@D", GOOD, "", "pass D pass h.pass.test", "a@D", None),
        ("a@" + EAI, GOOD, " SMTPUTF8", "pass xn--bcher-kva.pass.test pass h.pass.test", None, None),
        ("\u00fc@" + EAI.upper(), GOOD, " SMTPUTF8 BODY=8BITMIME", "pass xn--bcher-kva.pass.test pass h.pass.test", None, None),
        ("a@b\u00fccher\u3002pass\uff0etest", GOOD, " SMTPUTF8", "pass xn--bcher-kva.pass.test pass h.pass.test", None, None),
        ("a@xn--bcher-kva.pass.test", "xn--bcher-kva.pass.test", " BODY=8BITMIME", "pass xn--bcher-kva.pass.test pass xn--bcher-kva.pass.test", None, None),
        ("a@" + EAI, EAI, "", "pass xn--bcher-kva.pass.test pass xn--bcher-kva.pass.test", "a@b??cher.pass.test", "b??cher.pass.test"),
        ("a@xn--\u00fc.pass.test", GOOD, " SMTPUTF8", "none  pass h.pass.test", None, None),
        ("a@n..pass.test", "h..pass.test", "", "none  none ", None, None),
        ("a@.pass.test", ".pass.test", "", "none  none ", None, None),
        ("a@..", "..", "", "none  none ", None, None),
        ("postmaster", GOOD, "", "none postmaster pass h.pass.test", None, None),
        ("a@" + LONGEST, LONGEST, "", "pass %s pass %s" % (LONGEST, LONGEST), None, None),
        ("a@y" + LONGEST, "y" + LONGEST, "", "none  none ", None, None),
        ("a@yyy" + LONGEST, LONGEST + ".", "", "none  pass " + LONGEST, None, None),
        ("a@%s.pass.test" % LABEL, "x%s.pass.test" % LABEL, "", "pass %s.pass.test none " % LABEL, None, None),
        ("a@n%{h}.pass.test", "%{h}.pass.test", "", "none  none ", None, None),
        ("a@n;spf=pass.test", "h;spf=pass", "", "none  none ", "a@n_spf=pass.test", "h_spf=pass"),
        ("a@D", "h.pass.test spf=pass", "", "pass D none ", None, None),
        ("a@D", "(c)\"q\".pass.test", "", "pass D none ", None, None),
        ("a@_n.pass.test", "_h.pass.test", "", "pass _n.pass.test pass _h.pass.test", None, None),
    )

    def test_table(self):
        self.judge(self.weir())

    def test_table_under_enforce(self):
        """None of them is a fail but the one that is."""
        self.judge(self.weir(["profile enforce", "helo-check reject"]), True)

    def judge(self, weir, is_strict=False):
        for sender, helo, params, facts, mailfrom, said in self.ROWS:
            domain = fresh("pass", ".slow")
            sender, facts, mailfrom = (text and re.sub(r"\bD\b", domain, text) for text in (sender, facts, mailfrom))
            with self.subTest(sender=sender, helo=helo):
                client = self.client(weir, helo)
                client.cmd("MAIL FROM:<%s>%s" % (sender, params), 250)
                reply = client.cmd("RCPT TO:<%s>" % ALICE)
                self.assertEqual(reply.code, 550 if is_strict and facts.startswith("fail") else 250)
                count = len(self.up.stored())
                if reply.code == 250:
                    self.assertEqual(client.data(message("a.none.test")).code, 250)
                    self.assertEqual(client.quit().code, 221)
                    self.read(self.arrived(count + 1)[2], facts, sender if mailfrom is None else mailfrom, helo if said is None else said)

    def read(self, octets, facts, mailfrom, helo):
        header = unfolded(octets)
        shown = " ".join(fact[:200] for fact in facts.split(" "))  # a rule's text takes 200 octets of each
        self.assertEqual(re.search(r"(?m)^X-Facts: (.*) none a\.none\.test\r?$", header).group(1), shown)
        fields = [field for field in authres.split(octets)[0] if authres.claimed_id(field) == OWN]
        told = [(r.value, r.properties) for r in authres.read(fields[0]).results if r.method == "spf"]
        result, _, helo_result, _ = facts.split(" ")
        own = (helo_result, [("smtp.helo", helo)])
        self.assertEqual(told, [(result, [("smtp.mailfrom", mailfrom)]), own] if mailfrom else [own], header)
        self.assertEqual(len(re.findall(r"(?m)^Received-SPF: ", header)), 2 if mailfrom else 1)


# ---------------------------------------------------------------------------------------------- any order

@harness.needs_proxy
class AnyOrder(Base):
    """Sessions that turn at random under three configurations; each message, each field and each line of the log belongs to its transaction."""
    SECONDS, THREADS = 9, 12

    def setUp(self):
        """The server behind keeps to the order of commands, as any does."""
        super().setUp()

        def greeted(session):
            session.sender = None
            return NORMAL
        self.up.orders["EHLO"] = greeted
        self.up.orders["RCPT"] = lambda session: b"503 5.5.1 need MAIL\r\n" if session.sender is None else NORMAL

    def talk(self, number, weir, mode, stories, problems, end):
        dice = random.Random("%d-%s-%d" % (SEED, mode, number))
        while time.monotonic() < end and not problems:
            try:
                Talker(dice, weir, mode, stories).run()
            except Exception as error:  # told by the main thread
                problems.append("%s: %s" % (type(error).__name__, error))

    def check_log(self, weir, mode, stories):
        told = {event: {} for event in ("message", "spf-would", "reject")}
        for record in weir.records():
            if record["event"] in told:
                told[record["event"]].setdefault(record["from"][1:-1], []).append(record)
        for story in stories:
            if not story.sender:
                continue
            lines = {event: found.get(story.address, []) for event, found in told.items()}
            of_spf = [line for line in lines["reject"] if line["by"] == "spf"]
            would = lines["spf-would"]
            if story.end == "told 250":
                self.assertEqual([(line["verdict"], line["helo"]) for line in lines["message"]], [("accept", story.helo)], story.address)
            self.assertLessEqual(len(would), 0 if mode["spf"] else 1, story.address)
            for line in would:
                self.assertEqual((line["result"], line["domain"], line["helo"]), (story.result, story.sender, story.helo))
            for line in of_spf:
                self.assertIn(story.sender, line["text"])
                self.assertEqual(line["rule"], story.result)
            if story.result not in ("fail", "permerror"):
                self.assertEqual((would, of_spf), ([], []), story.address)
            elif story.rcpts and not mode["spf"] and story.end == "told 250":
                self.assertEqual(len(would), 1, story.address)

    def test_sessions(self):
        for mode in ({"spf": False, "dmarc": False, "judge": "rcpt"}, {"spf": True, "dmarc": True, "judge": "rcpt"},
                     {"spf": True, "dmarc": False, "judge": "mail"}):
            with self.subTest(mode, seed=SEED):
                before = len(self.up.stored())
                weir = self.weir(["profile " + ("observe", "enforce")[mode["spf"]], "judge " + mode["judge"]],
                                 ["profile " + ("observe", "enforce")[mode["dmarc"]]])
                stories, problems, end = [], [], time.monotonic() + self.SECONDS
                threads = [threading.Thread(target=self.talk, args=(number, weir, mode, stories, problems, end)) for number in range(self.THREADS)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                self.assertEqual(problems, [])
                self.wait_quiet(weir)
                found = {}
                for _, _, octets in self.up.stored()[before:]:
                    found.setdefault(re.search(rb"(?m)^X-Turn: (.*)\r$", octets).group(1).decode(), []).append(octets)
                harness.notice("auth_turns: seed %d, %s: %d transactions, %d messages, %d questions" % (
                    SEED, mode, len(stories), len(found), turns.dns.questions))
                for story in stories:
                    copies = found.pop(story.name, [])
                    self.assertIn(len(copies), {"told 250": (1,), "perhaps": (0, 1), "": (0,)}[story.end], story.name)
                    for octets in copies:
                        self.check(octets, story.address, story.helo, story.author)
                self.assertEqual(found, {})
                self.assertGreater(sum(story.end == "told 250" for story in stories), 30)
                self.check_log(weir, mode, stories)


if __name__ == "__main__":
    harness.main()
