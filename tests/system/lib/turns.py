"""What test_auth_turns.py stands on: domains that say what becomes of them, the checks of a message, and a client that turns at random.

    Every domain says what its SPF result is: a.pass.test, b.fail.test; in "x.slow.test" the name server takes SLOW_S for each answer, in
    "x.late.test" LATE_S. Facts and header fields of a message must all be about its own sender, HELO name and author (Base.check)."""
import os
import re
import socket
import unittest

import authres
import harness
import suite
from fake_upstream import FakeUpstream
from harness import block, wait_for
from smtpline import Client, stuff
from suite import ALICE, BOB, CAROL

try:
    from dnsserver import DnsServer
except ImportError:
    DnsServer = None

OWN, HERE, SPAM = "mx.weir.test", "127.0.5.7", "spam@weir.test"
SLOW_S, LATE_S = 0.15, 0.6
SPEEDS = {"": 0, ".slow": SLOW_S, ".late": LATE_S}
RECORDS = {"pass": ["v=spf1 ip4:127.0.0.0/8 -all"], "fail": ["v=spf1 -all"], "softfail": ["v=spf1 ~all"], "neutral": ["v=spf1 ?all"],
           "none": ["no record"], "permerror": ["v=spf1 -all", "v=spf1 +all"], "helo": ["v=spf1 exists:%{h}.known.test -all"],
           "there": ["v=spf1 ip4:192.0.2.7 -all"]}
POLICIES = {"fail": "reject", "pass": "reject", "softfail": "quarantine", "neutral": "reject"}
FACTS = ('facts: add header "X-Facts: ${spf.result} ${spf.domain} ${spf.helo_result} ${spf.helo_domain} ${dmarc.result} ${dmarc.domain}"'
         ' when message.size > 0\n')

dns = None


def zones():
    found = {"*.good.known.test": {"A": ["127.0.0.2"]}, "xn--bcher-kva.pass.test": {"TXT": RECORDS["pass"]}}
    for speed, seconds in SPEEDS.items():
        for name, texts in RECORDS.items():
            found["*.%s%s.test" % (name, speed)] = {"TXT": texts, "A": ["127.0.0.2"]}
        for name, policy in POLICIES.items():
            found["_dmarc.%s%s.test" % (name, speed)] = {"TXT": ["v=DMARC1; p=" + policy]}
        if speed:
            found[speed + ".test"] = ("slow", seconds)
    return {**found, ".mute.test": "mute"}


def begin():
    """For setUpModule()."""
    global dns
    if DnsServer is None:
        harness.notice("python3-dnspython is not installed; the suite is skipped")
        raise unittest.SkipTest("NOTICE: python3-dnspython is not installed")
    dns = DnsServer(zones(), ttl=1, negative_ttl=1)


def end():
    if dns:
        dns.stop()


_number = iter(range(1, 10**9))


def fresh(kind, speed=""):
    """A domain that nobody has asked about yet."""
    return "n%d.%s%s.test" % (next(_number), kind, speed)


def kind_of(domain):
    """The result that a domain promises (to 127.0.0.0/8)."""
    labels = domain.split(".")
    return next((kind for kind in RECORDS if kind in labels), "none")


def zone_of(domain):
    return domain.split(".", 1)[1]


def message(author, turn="x"):
    return ("From: x@%s\r\nTo: alice@example.test\r\nSubject: turn\r\nX-Turn: %s\r\n\r\nHello.\r\n" % (author, turn)).encode()


def unfolded(octets):
    return re.sub(rb"\r\n(?=[ \t])", b"", octets.split(b"\r\n\r\n")[0]).decode()


def filters(spf=(), dmarc=()):
    quarantine = ["quarantine-address " + SPAM]
    given = {"spf": ["skip-networks none", "result-header both", *quarantine, *spf], "dkim": ["skip-networks none"],
             "dmarc": ["skip-networks none", *quarantine, *dmarc], "rules": ["files rules/*.rules"]}
    return "".join(block("filter " + name, ["module " + name, *lines]) for name, lines in given.items())


class Base(suite.Case):
    """A proxy with all three filters, rules that tell the facts, and a server behind it."""

    def setUp(self):
        self.up = FakeUpstream()
        self.addCleanup(self.up.stop)

    def weir(self, spf=(), dmarc=(), listen=(), resolver=("timeout 3s", "attempts 2", "cache 0"), ends=False):
        """`ends`: the test itself ends it."""
        control = os.path.join(harness.temp_dir("ctl"), "ctl")
        weir = harness.Mailweir(
            self.up.port, filters=filters(spf, dmarc), chain="spf dkim dmarc rules",
            listen=["max-junk-commands 100000", "max-errors 100000", *listen], files={"rules/10.rules": FACTS},
            top=["workers 1", "hostname " + OWN, "authserv-id " + OWN, "control unix:" + control,
                 block("resolver", ["nameserver " + dns.endpoint, *resolver])])
        weir.control = control
        if not ends:
            self.addCleanup(self.finish, weir)
        dns.forget()
        return weir

    def finish(self, weir):
        """Nobody is left, nothing is asked any more, and no filter broke its rules."""
        weir.check_healthy(self)
        self.wait_quiet(weir)
        self.assertEqual(weir.records("filter-error") + weir.records("filter-failed"), [])
        weir.finish(self)

    @staticmethod
    def counters(weir):
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(weir.control)
            control.sendall(b"counters\n")
            lines = control.makefile("r", encoding="utf-8")
            return {name: int(value) for name, value in (line.split() for line in iter(lines.readline, ".\n"))}

    def wait_quiet(self, weir):
        """No session, no question."""
        wait_for(lambda: [self.counters(weir)[name] for name in ("sessions.open", "dns.under-way")] == [0, 0], 15,
                 lambda: "quiet: %r" % self.counters(weir))

    def client(self, weir, helo="n.none.test", source=HERE):
        client = self.closing(Client(weir.port, source=source))
        if helo:
            client.ehlo(helo)
        return client

    def group(self, client, *lines):
        """The replies to commands that leave as one."""
        client.send("".join(line + "\r\n" for line in lines).encode())
        return [client.expect() for _ in lines]

    def codes(self, client, *lines):
        return [reply and reply.code for reply in self.group(client, *lines)]

    @staticmethod
    def wait_at_rcpt(client, sender, behind=b""):
        """RCPT is on its way, and waits for the name server. (In one group with MAIL it would hold the reply to MAIL up, too.)"""
        client.cmd("MAIL FROM:<%s>" % sender, 250)
        client.send(b"RCPT TO:<%s>\r\n" % ALICE.encode() + behind)

    def arrived(self, count=1):
        """The newest messages, as the upstream has them."""
        wait_for(lambda: len(self.up.stored()) >= count, 10, "%d messages" % count)
        self.assertEqual(len(self.up.stored()), count)
        return self.up.stored()[-1]

    def check(self, octets, sender, helo, author=None, results=None, helo_result=None):
        """Facts, Authentication-Results and Received-SPF are about this sender and this HELO name, and about nobody else."""
        domain = sender.rpartition("@")[2]
        result, helo_result = results or kind_of(domain or helo), helo_result or kind_of(helo)
        header = unfolded(octets)
        fields = [field for field in authres.split(octets)[0] if authres.claimed_id(field) == OWN]
        self.assertEqual(len(fields), 1, header)
        told = [(r.value, dict(r.properties)) for r in authres.read(fields[0]).results if r.method == "spf"]
        own = (helo_result, {"smtp.helo": helo})
        self.assertEqual(told, [(result, {"smtp.mailfrom": sender}), own] if sender else [own], header)
        received = re.findall(r"(?m)^Received-SPF: (\w+) .*?envelope-from=\"(.*?)\";\s*helo=([^;]*);.*identity=(\w+)", header)
        both = [(result, sender, helo, "mailfrom"), (helo_result, sender, helo, "helo")]
        self.assertEqual(received, both if sender else [(helo_result, "<>", helo, "helo")], header)
        facts = re.search(r"(?m)^X-Facts: (.*?)\r?$", header).group(1).split(" ")
        self.assertEqual(facts[:4], [result, domain or helo, helo_result, helo], header)
        if author:
            self.assertEqual(facts[4:], [self.dmarc_of(domain or helo, result, author), author], header)
            self.assertEqual(dict(next(r for r in authres.read(fields[0]).results if r.method == "dmarc").properties)["header.from"], author)

    @staticmethod
    def dmarc_of(domain, result, author):
        if kind_of(author) not in POLICIES:
            return "none"
        return "pass" if result == "pass" and zone_of(author) == zone_of(domain) else "fail"


# ---------------------------------------------------------------------------------------------- any order

class Story:
    """A transaction as the client means it."""

    def __init__(self, helo, sender, author):
        self.helo, self.sender, self.author = helo, sender, author
        self.name = "t%d" % next(_number)
        self.rcpts = 0
        self.end = ""  # "told 250", "perhaps", or not at all

    @property
    def result(self):
        return kind_of(self.sender or self.helo)

    @property
    def address(self):
        return "%s@%s" % (self.name, self.sender) if self.sender else ""


class Talker:
    """One session that turns at random, and knows what each command has to be told."""
    KINDS = ("pass", "fail", "softfail", "neutral", "none", "permerror")

    def __init__(self, dice, weir, mode, stories):
        self.dice, self.mode, self.stories = dice, mode, stories
        self.client, self.helo, self.story, self.batch = Client(weir.port, source=HERE), None, None, []

    def domain(self):
        return fresh(self.dice.choice(self.KINDS), self.dice.choice(("", ".slow", ".slow", ".late")))

    def say(self, line, code):
        """Sends it now, or with what follows."""
        self.batch.append((line, code))
        if self.dice.random() < 0.3:
            self.flush()

    def flush(self, octets=b"", codes=()):
        batch, self.batch = self.batch, []
        self.client.send("".join(line + "\r\n" for line, _ in batch).encode() + octets)
        if self.dice.random() < 0.015:
            raise Leave
        for what, code in [*batch, *(("content", code) for code in codes)]:
            self.client.expect(code, (what, batch))

    def is_refused(self, story):
        return self.mode["spf"] and story.result in ("fail", "permerror")

    def ehlo(self):
        self.helo = self.domain()
        self.say("EHLO " + self.helo, 250)
        self.story = None

    def mail(self):
        if self.story:
            self.say("MAIL FROM:<x@%s>" % self.domain(), 503)
            return
        story = Story(self.helo, self.dice.choice((self.domain(), self.domain(), self.domain(), "")), self.domain())
        is_refused = self.mode["judge"] == "mail" and self.is_refused(story)
        if not is_refused:
            self.story = story
            self.stories.append(story)
        self.say("MAIL FROM:<%s>" % story.address, 550 if is_refused else 250)

    def rcpt(self):
        story = self.story
        # behind a RSET that the upstream has not answered yet, the filters speak of the transaction that was
        code = (503, 550) if not story and self.mode["spf"] else 503 if not story else 550 if self.is_refused(story) else 250
        if story:
            story.rcpts += code == 250
        self.say("RCPT TO:<%s>" % self.dice.choice((ALICE, BOB, CAROL)), code)

    def rset(self):
        self.story = None
        self.say("RSET", 250)

    def noop(self):
        for _ in range(self.dice.choice((1, 1, 30))):
            self.batch.append(("NOOP", 250))

    def final(self, story):
        dmarc = Base.dmarc_of(story.sender or story.helo, story.result, story.author)
        is_refused = self.mode["dmarc"] and dmarc == "fail" and POLICIES[kind_of(story.author)] == "reject"
        story.end = "perhaps" if not is_refused else ""
        return 550 if is_refused else 250

    def data(self):
        story, self.story = self.story, None
        if not story or story.rcpts == 0:
            self.story = story
            self.flush()
            self.client.cmd("DATA", 554 if story else 503)
            return
        self.batch.append(("DATA", 354))
        self.flush()
        code = self.final(story)
        behind = self.dice.choice((b"", b"NOOP\r\n"))
        self.flush(stuff(message(story.author, story.name)) + b".\r\n" + behind, [code] + ([250] if behind else []))
        story.end = "told 250" if code == 250 else ""

    def bdat(self):
        """Behind all that is not answered yet."""
        story, self.story = self.story, None
        octets = message(story.author if story else "a.none.test", story.name if story else "nobody")
        cut = self.dice.randrange(1, len(octets))
        chunks = b"BDAT %d\r\n" % cut + octets[:cut] + b"BDAT %d LAST\r\n" % (len(octets) - cut) + octets[cut:]
        if not story or story.rcpts == 0:
            self.flush(chunks, [554, 503] if story else [503, 503])
            return
        code = self.final(story)
        self.flush(chunks, [250, code])
        story.end = "told 250" if code == 250 else ""

    def run(self):
        try:
            self.ehlo()
            for _ in range(self.dice.randrange(8, 40)):
                turns = [self.mail] * 5 + [self.rcpt] * 6 + [self.rset, self.ehlo, self.noop] + [self.data, self.bdat] * (2 if self.story else 0)
                self.dice.choice(turns)()
            self.batch.append(("QUIT", 221))
            self.flush()
        except Leave:
            (self.client.reset if self.dice.random() < 0.5 else self.client.close)()
        self.client.close()


class Leave(Exception):
    """The client goes."""
