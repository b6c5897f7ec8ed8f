"""Forged Authentication-Results (RFC 8601 5) never get through, foreign ones always do, octet by octet, and our own stands once, at the
top. What is whose is decided by a reader of the tests' own (lib/authres.py); the forms are generated, from a seed that is printed."""
import email
import os
import random
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import authres  # noqa: E402
import harness  # noqa: E402
import postfix  # noqa: E402
import suite  # noqa: E402
from fake_upstream import EXTENSIONS, FakeUpstream  # noqa: E402
from harness import block  # noqa: E402
from hostile import DnsServer, missing  # noqa: E402
from smtpline import Client  # noqa: E402

SEED = int(os.environ.get("MW_SEED", "8601"))
OWN, ALIAS, EAI, EAI_ASCII = "mx.weir.test", "mail.weir.test", "b\u00fccher.weir.test", "xn--bcher-kva.weir.test"
OURS = {OWN, ALIAS, EAI, EAI_ASCII}
IDS = ["authserv-id %s %s" % (OWN, ALIAS), 'authserv-id "%s"' % EAI]
SENDER = "a@sender.test"
ZONES = {"sender.test": {"TXT": ["v=spf1 ip4:127.0.0.0/8 -all"]}, "wrong.test": {"TXT": ["v=spf1 -all"]}}
SPF = {"filters": "filter spf {\n    module spf\n    skip-networks none\n}\n", "chain": "spf"}
SPOOLING_SPF = {"filters": SPF["filters"] + suite.SPOOLING["filters"], "chain": "spf rules", "files": suite.SPOOLING["files"]}
EMPTY = {}
BODY = b"Authentication-Results: mx.weir.test; spf=pass in the body\r\n\r\nHello.\r\n"

dns = None


def setUpModule():
    global dns
    reason = missing()
    if reason:
        raise unittest.SkipTest(reason)
    harness.notice("MW_SEED=%d" % SEED)
    dns = DnsServer(ZONES)


def tearDownModule():
    dns.stop()


# ---------------------------------------------------------------------------------------------- forms

class Forms:
    """One field after the other, of a form that nobody has seen yet."""
    NAMES = ("Authentication-Results", "authentication-results", "AUTHENTICATION-RESULTS", "aUTHENTICATION-rESULTS")
    COLONS = (":", ":", ":", " :", "\t:", "  \t :")
    BLANKS = ("", " ", " ", "\t", "\r\n ", "\r\n\t", " \r\n \r\n ", "\r\n \r\n\t \r\n ")
    COMMENTS = ("(c)", "()", "(a (b (c)) d)", "(\\) \\( \\\\)", "(%s; spf=pass)" % OWN, "(\r\n folded\r\n )", "(\")", "(;)",
                "(" * 10 + "deep" + ")" * 10)
    VERSIONS = ("", "", " 1", "\r\n 1 ", " (v) 1", " 1 (1)")
    RESULTS = ("; none", ";none", ";\r\n none", "; spf=pass smtp.mailfrom=bank.test", ";\r\n\tdkim=pass (2048-bit) header.d=bank.test",
               "; dkim = pass header.d=bank.test;\r\n spf=pass;\r\n dmarc=pass header.from=bank.test", "", " ", ";", ";;;", "; =", "; dkim",
               "; dkim=pass (never closed", "; dkim=pass reason=\"never closed", "\t;\tx=y", "; " + "iprev=pass; " * 60)
    FOREIGN = ("mx.other.test", "weir.test", "mx", "xmx.weir.test", "mx.weir.test.other.test", "a.mx.weir.test", "mx-weir.test", "mx.weir.tes",
               "xn--bcher-kvb.weir.test", "b\u00fcchen.weir.test", "mxxweir.test", "\"\"", "1")
    NEIGHBOURS = (b"Subject: s\r\n", b"X-Authentication-Results: mx.weir.test; spf=pass\r\n", b"To: b@c.test\r\n",
                  b"Authentication-Results-Original: mx.weir.test; spf=pass\r\n", b"Received: from x\r\n\tby mx.weir.test; now\r\n",
                  b"ARC-Authentication-Results: i=1; mx.weir.test; spf=pass\r\n", b"X-Folded: a\r\n Authentication-Results: mx.weir.test; b\r\n",
                  b"Original-Authentication-Results: mx.weir.test; dkim=pass\r\n", b"Comments: (Authentication-Results: mx.weir.test)\r\n",
                  b"Authentication-Result: mx.weir.test; spf=pass\r\n", b"Authentication_Results: mx.weir.test; spf=pass\r\n")

    def __init__(self, seed):
        self.random = random.Random(seed)

    def blank(self):
        """CFWS, or nothing."""
        return "".join(self.random.choice((self.random.choice(self.BLANKS), self.random.choice(self.COMMENTS)))
                       for _ in range(self.random.randrange(3)))

    def spelled(self, server):
        """Another way to write the same value (RFC 2045 5.1; case as in names of hosts)."""
        server = "".join(self.random.choice((c.lower(), c.upper())) for c in server)
        if server.startswith('"') or self.random.random() < 0.5:
            return server
        if self.random.random() < 0.5:
            server = "".join(self.random.choice((c, c, c, "\\" + c)) for c in server)
        return '"%s"' % server

    def field(self, servers):
        head = self.random.choice(self.NAMES) + self.random.choice(self.COLONS) + self.blank()
        server = self.spelled(self.random.choice(sorted(servers)))
        behind = self.random.choice(self.VERSIONS) or self.blank()
        results = self.random.choice(self.RESULTS)
        return (head + server + behind + results + "\r\n").encode()

    def forged(self):
        field = self.field(OURS)
        return field if self.random.random() < 0.8 else field[:-2] + b" dkim=pass\r\n"

    def foreign(self):
        """In good order in front of the first result: of others nobody can say whose they are."""
        return self.field(self.FOREIGN)

    def header(self, count):
        """A header of so many fields: forged ones, foreign ones, others."""
        makers = (self.forged, self.forged, self.foreign, lambda: self.random.choice(self.NEIGHBOURS))
        return [self.random.choice(makers)() for _ in range(count)]


def is_ours(field):
    return authres.claimed_id(field) in OURS


def kept(fields):
    return [field for field in fields if not is_ours(field)]


class Base(suite.Case):
    def setUp(self):
        self.up = FakeUpstream(extensions=(*EXTENSIONS, "BINARYMIME"))
        self.addCleanup(self.up.stop)

    def weir(self, chain=EMPTY, listen=(), top=(), upstream_port=None):
        resolver = block("resolver", ["nameserver " + dns.endpoint, "timeout 1s"])
        weir = harness.Mailweir(upstream_port or self.up.port, listen=listen, top=["workers 1", "hostname weir.test", *IDS, resolver, *top],
                                **chain)
        self.addCleanup(weir.finish, self)
        return weir

    def begin(self, weir, sender=SENDER, options="", rcpt=suite.ALICE):
        client = self.closing(Client(weir.port, source="127.0.5.7"))
        client.ehlo()
        client.cmd("MAIL FROM:<%s>%s" % (sender, options), 250)
        client.cmd("RCPT TO:<%s>" % rcpt, 250)
        return client

    def by_data(self, weir, message, **envelope):
        client = self.begin(weir, **envelope)
        self.assertEqual(client.data(message).code, 250)
        client.quit()

    def by_bdat(self, weir, message, size=None, **envelope):
        """In chunks of `size` octets."""
        client = self.begin(weir, **envelope)
        size = size or len(message)
        pieces = [message[at:at + size] for at in range(0, len(message), size)]
        for at, piece in enumerate(pieces):
            client.send(b"BDAT %d%s\r\n" % (len(piece), b" LAST" if at == len(pieces) - 1 else b"") + piece)
            client.expect(250)
        client.quit()

    def by_trickle(self, weir, message, **envelope):
        client = self.begin(weir, **envelope)
        client.cmd("DATA", 354)
        client.send_slowly(message + b".\r\n")
        client.expect(250)
        client.quit()

    def arrived(self):
        return self.up.stored()[-1][2]

    def check(self, found, fields, body=BODY, has_own=False):
        """`found` is the message of these fields, as it has to arrive."""
        if has_own:
            own = authres.split(found)[0][0]
            self.assertEqual(authres.read(own).id, OWN)
            found = found[len(own):]
        self.assertNotIn(True, [is_ours(field) for field in authres.split(found)[0]])
        self.same_octets(found, b"".join(kept(fields)) + b"\r\n" + body)


class Oracle(suite.Case):
    """The generator makes what it says it makes."""

    def test_forms(self):
        forms = Forms(SEED)
        for _ in range(2000):
            self.assertIn(authres.claimed_id(forms.forged()), OURS)
            self.assertNotIn(authres.claimed_id(forms.foreign()), OURS)
        self.assertFalse(any(is_ours(field) for field in forms.NEIGHBOURS))
        header = Forms(SEED).header(300)
        self.assertEqual(authres.split(b"".join(header) + b"\r\n" + BODY), (header, BODY))


@harness.needs_proxy
class Generated(Base):
    """Headers of 300 fields, by each way that a message can go."""

    def go(self, number, send, chain=EMPTY, has_own=False, listen=(), **options):
        weir = self.weir(chain, listen)
        for turn in range(4):
            with self.subTest(turn):
                fields = Forms(SEED + 10 * number + turn).header(300)
                getattr(self, send)(weir, b"".join(fields) + b"\r\n" + BODY, **options)
                self.check(self.arrived(), fields, has_own=has_own)

    def test_empty_chain(self):
        self.go(1, "by_data")

    def test_empty_chain_bdat(self):
        self.go(2, "by_bdat")

    def test_empty_chain_bdat_in_small_chunks(self):
        self.go(3, "by_bdat", size=977)

    def test_message_that_is_spooled(self):
        self.go(4, "by_data", suite.SPOOLING)

    def test_message_that_is_spooled_in_chunks(self):
        self.go(5, "by_bdat", suite.SPOOLING, size=977)

    def test_spf_and_the_stream(self):
        self.go(6, "by_data", SPF, has_own=True)

    def test_spf_and_the_stream_in_chunks(self):
        self.go(7, "by_bdat", SPF, has_own=True, size=977)

    def test_spf_and_the_spool(self):
        self.go(8, "by_data", SPOOLING_SPF, has_own=True)

    def test_spf_and_a_fail(self):
        self.go(9, "by_data", SPF, has_own=True, sender="a@wrong.test")

    def test_smtputf8(self):
        self.go(10, "by_data", options=" SMTPUTF8")

    def test_octet_by_octet(self):
        for chain, has_own in ((EMPTY, False), (SPF, True)):
            with self.subTest(chain=chain):
                fields = Forms(SEED + has_own).header(20)
                self.by_trickle(self.weir(chain), b"".join(fields) + b"\r\n" + BODY)
                self.check(self.arrived(), fields, has_own=has_own)

    def test_several_messages_of_a_session(self):
        weir, forms = self.weir(SPF), Forms(SEED + 77)
        client = self.closing(Client(weir.port, source="127.0.5.7"))
        client.ehlo()
        for _ in range(5):
            fields = forms.header(30)
            client.envelope(SENDER, suite.ALICE)
            self.assertEqual(client.data(b"".join(fields) + b"\r\n" + BODY).code, 250)
            self.check(self.arrived(), fields, has_own=True)


@harness.needs_proxy
class Odd(Base):
    """What a reader behind us could take for a field, or for more of ours."""
    FORGED = b"Authentication-Results: mx.weir.test; dkim=pass header.d=bank.test\r\n"

    def one(self, message, chain=EMPTY, listen=(), send="by_data", **options):
        getattr(self, send)(self.weir(chain, listen), message, **options)
        return self.arrived()

    def read_by_postfix(self, found):
        """The header's fields as Postfix reads them on: a header ends at the first line that is none."""
        lines, fields = found.split(b"\r\n"), []
        while lines and lines[0].startswith((b"From ", b">From ")):
            lines.pop(0)
        for line in lines:
            if line[:1] in (b" ", b"\t") and fields:
                fields[-1] += line + b"\r\n"
            elif re.match(rb"[^\x00-\x20:\x7f]+[ \t]*:", line):
                fields.append(line + b"\r\n")
            else:
                break
        return fields

    def test_message_that_begins_with_a_folded_line(self):
        """It must not become more of the field that is put in front of it."""
        for chain in (SPF, SPOOLING_SPF):
            for blank in (b" ", b"\t"):
                with self.subTest(chain=chain["chain"], blank=blank):
                    found = self.one(blank + b"; dkim=pass header.d=bank.test\r\nSubject: s\r\n\r\n" + BODY, chain)
                    ours = [field for field in self.read_by_postfix(found) if is_ours(field)]
                    self.assertEqual(len(ours), 1)
                    self.assertNotIn(b"bank.test", ours[0])

    def test_message_that_begins_with_an_empty_line(self):
        for chain, count in ((EMPTY, 0), (SPF, 1)):
            with self.subTest(chain=chain):
                found = self.one(b"\r\n" + self.FORGED + b"\r\nHello.\r\n", chain)
                self.assertEqual(len([field for field in self.read_by_postfix(found) if is_ours(field)]), count)
                self.assertTrue(found.endswith(self.FORGED + b"\r\nHello.\r\n"))  # that is body

    def test_behind_an_mbox_line(self):
        for first in (b"From a@b.test Sun Nov 22 2026\r\n", b">From a@b.test Sun Nov 22 2026\r\n"):
            for chain, count in ((EMPTY, 0), (SPF, 1)):
                with self.subTest(first=first, chain=chain):
                    found = self.one(first + self.FORGED + b"Subject: s\r\n\r\n" + BODY, chain)
                    ours = [field for field in self.read_by_postfix(found) if is_ours(field)]
                    self.assertEqual(len(ours), count)
                    self.assertNotIn(b"bank.test", b"".join(ours))

    def test_header_without_an_end(self):
        for chain, count in ((EMPTY, 0), (SPF, 1)):
            for tail in (b"", b"no field\r\nX: y\r\n"):
                with self.subTest(chain=chain, tail=tail):
                    found = self.one(b"Subject: s\r\n" + self.FORGED + tail, chain)
                    self.assertEqual(len([field for field in self.read_by_postfix(found) if is_ours(field)]), count)
            client = self.begin(self.weir(chain))
            self.assertEqual(client.data(b"Subject: s\r\n" + self.FORGED + b"no field\r\n" + self.FORGED).code, 550)

    def test_nothing_but_forged_fields(self):
        self.same_octets(self.one(self.FORGED * 3 + b"\r\n" + BODY), b"\r\n" + BODY)

    def test_body_that_looks_like_a_header_comes_no_nearer(self):
        """All fields go: what is behind the empty line must stay body."""
        found = self.one(self.FORGED + b"\r\nX-Body: 1\r\n" + self.FORGED)
        self.assertEqual(self.read_by_postfix(found), [])

    def test_bare_newlines(self):
        for chain, count in ((EMPTY, 0), (SPF, 1)):
            with self.subTest(chain=chain):
                found = self.one(b"Subject: s\nAuthentication-Results: mx.weir.test; dkim=pass\r\nTo: x@y.test\n" + self.FORGED +
                                 b"\r\n" + BODY, chain)
                ours = [field for field in self.read_by_postfix(re.sub(rb"\r?\n", b"\r\n", found)) if is_ours(field)]
                self.assertEqual(len(ours), count)
                self.assertNotIn(b"dkim", b"".join(ours))

    def test_bare_newlines_of_a_binary_message(self):
        message = b"Subject: s\nAuthentication-Results: mx.weir.test; dkim=pass\nTo: x@y.test\n" + self.FORGED + b"\r\n\x00binary"
        found = self.one(message, send="by_bdat", options=" BODY=BINARYMIME")
        self.assertNotIn(b"mx.weir.test", found)
        self.assertTrue(found.endswith(b"\r\n\x00binary"))

    def test_bare_carriage_returns_that_pass(self):
        """`bare-cr pass`: some read a line end there."""
        found = self.one(b"Subject: s\rAuthentication-Results: mx.weir.test; dkim=pass\r\n" + self.FORGED + b"\r\n" + BODY,
                         listen=["bare-cr pass"])
        self.assertNotIn(self.FORGED, found.partition(b"\r\n\r\n")[0] + b"\r\n")
        self.assertEqual([field for field in self.read_by_postfix(found) if is_ours(field)], [])
        self.assertEqual(email.message_from_bytes(found).get_all("Authentication-Results", []), [])

    def test_bare_carriage_returns_of_a_binary_message(self):
        """In its header as in that of any other message; Python's email for one begins a field there."""
        message = b"To: x@y.test\r\nSubject: s\rAuthentication-Results : mx.weir.test;\r dkim=pass\r\nX-A: b\rX-C: d\r\n\r\n\x00binary"
        self.assertEqual(len(email.message_from_bytes(message.replace(b" :", b":")).get_all("Authentication-Results")), 1)
        client = self.begin(self.weir(EMPTY), options=" BODY=BINARYMIME")
        client.send(b"BDAT %d LAST\r\n" % len(message) + message)
        self.assertEqual(client.expect(550).lines, ["5.5.2 Error: bare <CR> received"])
        client.quit()
        found = self.one(message, send="by_bdat", options=" BODY=BINARYMIME", listen=["bare-cr pass"])
        self.same_octets(found, b"To: x@y.test\r\nX-A: b\rX-C: d\r\n\r\n\x00binary")

    # the header ends there to us, and goes on to others
    BROKEN = (b"no field\r\n", b"X: y\r\nno field\r\n", b"X: y\r\nFrom a@b\r\n", b"X: y\r\n: x\r\n", b"X: y\r\nX-\xc3\xa4: x\r\n",
              b" x\r\n", b": x\r\n", b"X-\xc3\xa4: x\r\n")

    def test_behind_a_line_that_is_no_field(self):
        """Refused, as nothing can be taken out of a body; whatever results are written, and however it comes."""
        for chain in (EMPTY, SPF, suite.SPOOLING):
            weir = self.weir(chain)
            for broken in self.BROKEN:
                with self.subTest(broken, chain=chain):
                    client = self.begin(weir)
                    client.cmd("DATA", 354)
                    client.send(broken + self.FORGED + b"\r\n" + BODY + b".\r\n")
                    reply = client.expect(550)
                    self.assertEqual(reply.lines, ["5.6.0 Error: malformed header with results of this server behind it"])
                    client.quit()
            self.assertEqual(len(re.findall(r"forged-results fields=1", weir.log())), len(self.BROKEN))

    def test_behind_a_line_that_is_no_field_all_others_pass(self):
        for broken in self.BROKEN:
            message = broken + b"Authentication-Results: mx.other.test; dkim=pass\r\n\r\n" + self.FORGED + BODY
            for send in ("by_data", "by_trickle", "by_bdat"):
                with self.subTest(broken, send=send):
                    self.same_octets(self.one(message, send=send), message)

    def test_large_fields(self):
        deep = b"Authentication-Results: " + b"(" * 50000 + b")" * 50000 + b" mx.weir.test; dkim=pass\r\n"
        folded = b"Authentication-Results:" + b"\r\n " * 20000 + b"mx.weir.test; dkim=pass\r\n"
        last = b"Authentication-Results: mx.weir.test;" + b" dkim=pass;" * 8000 + b"\r\n"
        foreign = b"Authentication-Results: " + b"(" + b"\r\n mx.weir.test" * 3000 + b")mx.other.test; dkim=pass\r\n"
        for fields in ([deep], [folded], [last], [foreign], [foreign, last]):
            for chain in (EMPTY, SPF):
                with self.subTest(fields[0][:40], chain=chain):
                    self.check(self.one(b"".join(fields) + b"\r\n" + BODY, chain), fields, has_own=chain is SPF)

    def test_many_fields(self):
        """The largest header that is taken."""
        fields = [self.FORGED, b"X-A: b\r\n"] * 499 + [self.FORGED, b"Authentication-Results: mx.other.test; none\r\n"]
        for chain in (EMPTY, SPF, suite.SPOOLING):
            with self.subTest(chain=chain):
                self.check(self.one(b"".join(fields) + b"\r\n" + BODY, chain), fields, has_own=chain is SPF)

    def test_comment_that_is_not_closed(self):
        """Nobody can say whose that is; a hurried reader finds our name in it."""
        for value in (b"(mx.weir.test; dkim=pass", b"(never closed (c) mx.weir.test; dkim=pass", b"\"mx.weir.test; dkim=pass", b"mx.weir.test(; dkim=pass"):
            with self.subTest(value):
                found = self.one(b"Authentication-Results: " + value + b"\r\nSubject: s\r\n\r\n" + BODY)
                self.assertNotIn(b"dkim", authres.split(found)[0][0])


@harness.needs_proxy
class Trusted(Base):
    """`trust-results`: another machine of the same service, whose results are ours. Who the client is, PROXY and XCLIENT say."""
    FIELDS = [b"Authentication-Results: mx.weir.test; dkim=pass header.d=bank.test\r\n", b"Subject: s\r\n"]

    def fields(self, listen, prelude=b"", chain=EMPTY):
        weir = self.weir(chain, ["trust-results 192.0.2.0/24", "trust 127.0.5.7/32", *listen])
        client = self.closing(Client(weir.port, source="127.0.5.7", greet=False))
        client.send(prelude if prelude.startswith(b"PROXY") else b"")
        client.expect(220)
        if prelude.startswith(b"XCLIENT"):
            client.cmd(prelude, 220)
        client.ehlo()
        client.envelope(SENDER, suite.ALICE)
        self.assertEqual(client.data(b"".join(self.FIELDS) + b"\r\n" + BODY).code, 250)
        return authres.split(self.arrived())[0]

    def test_from_whom(self):
        for listen, prelude, is_trusted in (([], b"", False), (["accept-proxy required"], b"PROXY TCP4 192.0.2.7 192.0.2.25 41000 25\r\n", True),
                                            (["accept-proxy required"], b"PROXY TCP4 198.51.100.7 192.0.2.25 41000 25\r\n", False),
                                            (["accept-xclient on"], b"XCLIENT ADDR=192.0.2.7", True),
                                            (["accept-xclient on"], b"XCLIENT ADDR=198.51.100.7", False)):
            with self.subTest(prelude):
                self.assertEqual(self.fields(listen, prelude), self.FIELDS if is_trusted else self.FIELDS[1:])

    def test_own_stands_above_them(self):
        found = self.fields(["accept-xclient on"], b"XCLIENT ADDR=192.0.2.7", SPF)
        self.assertEqual((found[1:], authres.read(found[0]).id), (self.FIELDS, OWN))


@harness.needs_proxy
class Own(Base):
    """The field that mailweir writes."""

    def read(self, chain=SPF, **envelope):
        self.by_data(self.weir(chain), suite.PLAIN, **envelope)
        fields, _ = authres.split(self.arrived())
        self.assertEqual([is_ours(field) for field in fields], [True] + [False] * (len(fields) - 1))
        return authres.read(fields[0])

    def spf(self, results):
        return [result.value for result in results.results if result.method == "spf" and dict(result.properties).get("smtp.mailfrom")]

    def test_pass(self):
        results = self.read()
        self.assertEqual((results.id, self.spf(results)), (OWN, ["pass"]))

    def test_fail(self):
        self.assertEqual(self.spf(self.read(sender="a@wrong.test")), ["fail"])

    def test_hostile_senders_stay_inside(self):
        """What a sender's address holds cannot end the result and begin another one."""
        for sender in ('"; dkim=pass header.d=bank.test"@sender.test', '"(x"@sender.test', '"a\\" ; dkim=pass"@sender.test', '"a\\\\"@sender.test',
                       'x=y;dkim=pass@sender.test', "(@sender.test", "a@sender.test;dkim=pass", "a@[127.0.0.1];dkim=pass", "\u00e4@sender.test",
                       "a" * 500 + "@sender.test"):
            with self.subTest(sender):
                weir = self.weir(SPF)
                client = self.closing(Client(weir.port, source="127.0.5.7"))
                client.ehlo()
                if client.cmd("MAIL FROM:<%s> SMTPUTF8" % sender).code != 250 or client.cmd("RCPT TO:<%s>" % suite.ALICE).code != 250:
                    continue
                self.assertEqual(client.data(suite.PLAIN).code, 250)
                results = authres.read(authres.split(self.arrived())[0][0])
                self.assertEqual({result.method for result in results.results}, {"spf"})

    def test_line_length(self):
        """RFC 5322 2.1.1, also for long names."""
        self.by_data(self.weir(SPF), suite.PLAIN, sender="%s@%s.sender.test" % ("a" * 60, ".".join(["b" * 60] * 3)))
        field = authres.split(self.arrived())[0][0]
        authres.read(field)
        for line in field.split(b"\r\n"):
            self.assertLessEqual(len(line), 998)

    def test_no_results_no_field(self):
        for chain in (EMPTY, suite.SPOOLING):
            self.by_data(self.weir(chain), suite.PLAIN)
            self.same_octets(self.arrived(), suite.PLAIN)


@harness.needs_proxy
class ThroughPostfix(Base):
    """The octets in the mailbox behind a real Postfix."""

    @classmethod
    def setUpClass(cls):
        reason = postfix.available()
        if reason:
            harness.notice(reason + "; its tests are skipped")
            raise unittest.SkipTest("NOTICE: " + reason)
        cls.mta = postfix.start()

    def test_delivered_octets(self):
        for chain, has_own in ((EMPTY, False), (SPF, True), (SPOOLING_SPF, True)):
            with self.subTest(chain=chain):
                fields = [field for field in Forms(SEED + 500).header(80)
                          if b"\r\n \r\n" not in field and not field.lower().startswith(b"received")]
                fields += [b"From: a@sender.test\r\n", b"Message-ID: <1@sender.test>\r\n", b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n"]
                weir = self.weir(chain, upstream_port=self.mta.ports["plain"])
                self.by_data(weir, b"".join(fields) + b"\r\n" + BODY)
                found = self.mta.take_one().rest.replace(b"\n", b"\r\n")
                if has_own:
                    own = authres.split(found)[0][0]
                    self.assertEqual(authres.read(own).id, OWN)
                    found = found[len(own):]
                whole = [re.sub(rb"^([^ \t:]+)[ \t]+:", rb"\1:", field) for field in kept(fields)]  # Postfix takes these blanks away
                self.same_octets(found, b"".join(whole) + b"\r\n" + BODY)


if __name__ == "__main__":
    harness.main()
