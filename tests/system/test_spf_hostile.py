"""filters/spf against those who mean harm, through mailweir: hostile records, name servers and explanations. What must hold each time: the
result is one of those that are right, the name server is asked a bounded number of questions, the client gets well-formed replies with
nobody's words but the proxy's in their frame, the process lives in bounded memory, and a session that has nothing to do with it is served
meanwhile. And a real name server (nsd) that is stopped in mid-run."""
import os
import select
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import authres  # noqa: E402
import harness  # noqa: E402
import hostile  # noqa: E402
import nameserver  # noqa: E402
import suite  # noqa: E402
from fake_upstream import FakeUpstream  # noqa: E402
from harness import block  # noqa: E402
from hostile import CLIENT, NAME, OUTSIDER, RAW, SESSION_QUERIES  # noqa: E402
from smtpline import Client  # noqa: E402

CHECK = ["helo-check off", "skip-networks none"]
FILTERS = (block("filter spf-observe", ["module spf", "profile observe", *CHECK]) +
           block("filter spf-enforce", ["module spf", "profile enforce", *CHECK]) +
           block("chain observe", ["spf-observe"]) + block("chain enforce", ["spf-enforce"]))
# What `enforce` says to each result; None: delivered.
REFUSALS = {"fail": (550, "5.7.23"), "permerror": (550, "5.7.24"), "temperror": (451, "4.7.24"),
            "none": None, "neutral": None, "pass": None, "softfail": None}


class Base(hostile.HostileCase):
    FILTERS = FILTERS


# ---------------------------------------------------------------------------------------------- records

def fan(prefix, width, depth):
    """A tree of includes: `width` a record, `depth` levels."""
    zones, level = {}, [prefix]
    for _ in range(depth):
        following = []
        for name in level:
            children = ["%d.%s" % (i, name) for i in range(width)]
            zones[name] = {"TXT": ["v=spf1 " + " ".join("include:" + child for child in children) + " -all"]}
            following += children
        level = following
    zones.update({name: {"TXT": ["v=spf1 a mx ptr exists:%{i}.x.test ?all"]} for name in level})
    return zones


LONG = ".".join(["a" * 60] * 4)[:243]
# sender's domain: (its records, the results that are right)
RECORDS = {
    "big.test": ({"TXT": ["v=spf1" + " ip4:192.0.2.1" * 4600 + " -all"]}, ["permerror"]),
    "big-end.test": ({"TXT": [b"v=spf1 +all" + b" " * 60000 + b"\0"]}, ["permerror"]),
    "fat-answer.test": ({"TXT": ["x" * 4000] * 14 + ["v=spf1 -all"]}, ["fail"]),
    "strings.test": ({"TXT": [["v=spf1 "] + ["ip4:1%d.0.0.0/8 " % (i % 10) for i in range(100)] + [" "] * 898 + ["-all"]]}, ["fail"]),
    "strings-of-nothing.test": ({"TXT": [["v=spf1 -all"] + [""] * 999]}, ["fail"]),
    "no-string.test": ({"TXT": [[], "v=spf1 -all"]}, ["fail"]),
    "thousand.test": ({"TXT": ["text %d" % i for i in range(999)] + ["v=spf1 -all"]}, ["fail"]),
    "thousand-spf.test": ({"TXT": ["v=spf1 ip4:127.0.0.0/8 -all"] * 1000}, ["permerror"]),
    "nul.test": ({"TXT": [b"v=spf1 ip4:127.0.0.0/8\0 -all"]}, ["permerror"]),
    "nul-end.test": ({"TXT": [b"v=spf1 ip4:127.0.0.0/8\0"]}, ["permerror"]),
    "nul-version.test": ({"TXT": [b"v=spf1\0 ip4:127.0.0.0/8"]}, ["none", "permerror"]),
    "eight.test": ({"TXT": [b"v=spf1 ip4:127.0.0.0/8 \xff -all"]}, ["permerror"]),
    "eight-name.test": ({"TXT": ["v=spf1 a:b\u00fccher.test -all"]}, ["permerror"]),
    "crlf.test": ({"TXT": [b"v=spf1 ip4:127.0.0.0/8\r\n -all"]}, ["permerror"]),
    "self.test": ({"TXT": ["v=spf1 include:self.test -all"]}, ["permerror"]),
    "ring.test": ({"TXT": ["v=spf1 include:ring2.test -all"]}, ["permerror"]),
    "ring2.test": ({"TXT": ["v=spf1 redirect=ring.test"]}, ["permerror"]),
    "redirect.test": ({"TXT": ["v=spf1 redirect=redirect.test"]}, ["permerror"]),
    "wide.test": (None, ["permerror"]),
    "deep.test": (None, ["permerror"]),
    "exists.test": ({"TXT": ["v=spf1 " + "exists:%{ir}.%{l}.%{d2}.exists.test " * 200 + "-all"]}, ["permerror"]),
    "mx.test": ({"TXT": ["v=spf1" + " mx:mx1.test" * 10 + " -all"]}, ["permerror"]),
    "mx1.test": ({"MX": [(i, "h%d.mx1.test" % i) for i in range(60)], "TXT": ["v=spf1 mx -all"]}, ["permerror"]),
    "mxs.test": ({"TXT": ["v=spf1" + "".join(" mx:m%d.mxs.test" % i for i in range(10)) + " -all"]}, ["fail"]),
    "long-name.test": ({"TXT": ["v=spf1 include:%s.long.test -all" % LONG]}, ["permerror", "none"]),
    "long-label.test": ({"TXT": ["v=spf1 a:%s.test -all" % ("a" * 64)]}, ["permerror", "fail"]),
    "long-macro.test": ({"TXT": ["v=spf1 exists:" + "%{s}.%{s}.%{s}.%{s}." * 20 + "exists.test -all"]}, ["fail", "permerror"]),
    "macros.test": ({"TXT": ["v=spf1 exists:" + "%{ir1.-+,/_=}" * 300 + ".x.test -all"]}, ["fail", "permerror"]),
    "digits.test": ({"TXT": ["v=spf1 exists:%{d99999999999999999999}.x.test -all"]}, ["fail", "permerror"]),
    "prefix.test": ({"TXT": ["v=spf1 ip4:127.0.0.0/99999999999999999999 -all"]}, ["permerror"]),
    "percent.test": ({"TXT": ["v=spf1 exists:%n%s%x.test -all"]}, ["permerror"]),
    "same-modifier.test": ({"TXT": ["v=spf1 exp=a.test exp=b.test -all"]}, ["permerror"]),
    "modifiers.test": ({"TXT": ["v=spf1 " + "x=y " * 900 + "-all"]}, ["fail"]),
}
EXTRA = {**fan("wide.test", 12, 2), **fan("deep.test", 2, 5),
         **{"m%d.mxs.test" % i: {"MX": [(10, "h%d.m%d.mxs.test" % (j, i)) for j in range(10)]} for i in range(10)},
         **{"h%d.m%d.mxs.test" % (j, i): {"A": ["192.0.2.%d" % j]} for i in range(10) for j in range(10)}}


@harness.needs_proxy
class Records(Base):
    ZONES = {**EXTRA, **{name: records for name, (records, _) in RECORDS.items() if records}}

    def test_every_record(self):
        for name, (_, wanted) in RECORDS.items():
            with self.subTest(name):
                self.result("a@" + name, wanted)

    def test_every_record_enforced(self):
        """Each result has its own reply, and that is in order."""
        for name, (_, wanted) in RECORDS.items():
            with self.subTest(name):
                refusal, _ = self.converse("enforce", "a@" + name)
                self.assertIn((refusal.code, refusal.dsn) if refusal else None, [REFUSALS[result] for result in wanted])
                if refusal:
                    self.check_reply(refusal)

    def test_names_of_255_octets(self):
        for sender in ("a@" + ".".join(["b" * 61] * 4) + ".test", "a@" + ".".join(["b" * 63] * 3) + "." + "c" * 61, "a@" + "b." * 126 + "test",
                       "a@" + "b" * 64 + ".test", "a@" + "b." * 300 + "test", "%s@sender.test" % ("l" * 900)):
            with self.subTest(sender[:20]):
                refusal, message = self.converse("observe", sender)
                if refusal is None:
                    self.assertEqual(len(authres.values(message, NAME, "spf")), 1)

    def test_fan_outs_of_one_session(self):
        """Message after message: what one session may ask is bounded, and others are served behind it."""
        began = time.monotonic()
        with self.connect("observe") as client:
            for turn in range(5):
                client.envelope("a%d@wide.test" % turn, suite.ALICE)
                client.cmd("RSET", 250)
                client.envelope("a%d@mxs.test" % turn, suite.ALICE)
                client.cmd("RSET", 250)
            client.quit()
        refilled = SESSION_QUERIES * (time.monotonic() - began) / 60 + 1
        self.assertLessEqual(self.dns.questions, SESSION_QUERIES + refilled)
        self.assertGreater(self.dns.questions, SESSION_QUERIES)  # there was something to bound
        self.result("a@sender.test", ["pass"])

    def test_spent_session_waits(self):
        """... and is judged rightly: nobody can have his own questions fail by asking for many."""
        with self.connect("enforce") as client:
            began = time.monotonic()
            for turn in range(5):
                client.cmd("MAIL FROM:<a%d@mxs.test>" % turn, 250)
                reply = client.cmd("RCPT TO:<%s>" % suite.ALICE)
                self.check_reply(reply)
                self.assertEqual((reply.code, reply.dsn), (550, "5.7.23"))
                client.cmd("RSET", 250)
            self.assertGreater(time.monotonic() - began, (self.dns.questions - SESSION_QUERIES) * 60 / SESSION_QUERIES - 1)
            self.assertGreater(self.dns.questions, SESSION_QUERIES)

    def test_clients_that_leave(self):
        """A check whose client is gone is over."""
        self.dns.behave(".gone.test", "mute")
        for turn in range(50):
            client = self.connect("observe")
            client.cmd("MAIL FROM:<a@%d.gone.test>" % turn, 250)
            client.send(b"RCPT TO:<%s>\r\n" % suite.ALICE.encode())
            client.reset() if turn % 2 else client.close()
        self.result("a@sender.test", ["pass"])
        self.dns.behave(".gone.test", None)


# ---------------------------------------------------------------------------------------------- name servers

GOOD = {"TXT": ["v=spf1 ip4:127.0.0.0/8 -all"]}
SERVERS = {
    "servfail": ["temperror"], "refused": ["temperror"], "formerr": ["temperror"], "mute": ["temperror"], "nxdomain": ["none"],
    "lame": ["temperror"], "loop": ["temperror"], "garbage": ["temperror"], "cut": ["temperror"],
    "wrong-id": ["temperror"], "wrong-question": ["temperror"], "truncated-mute": ["temperror"], "truncated-shut": ["temperror"],
    "truncated-short": ["temperror"], "truncated-always": ["temperror"], "no-edns": ["pass"], "truncated": ["pass"],
}
MORE = {"slow": (("slow", 0.1), ["pass"]), "late": (("slow", 2.0), ["temperror"]), "chain": (("chain", 5), ["pass"]),
        "long-chain": (("chain", 100), ["temperror"]),
        "empty": (("octets", b""), ["temperror"]), "short": (("octets", b"\x84"), ["temperror"]),
        "counts": (("octets", b"\x84\x00\xff\xff\xff\xff\xff\xff\xff\xff"), ["temperror"]),
        "pointers": (("octets", b"\x84\x00\x00\x01\x00\x01\x00\x00\x00\x00\xc0\x0c\x00\x10\x00\x01\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x00\x00\x00"),
                     ["temperror"])}
BEHAVIOURS = {**{name: (name, wanted) for name, wanted in SERVERS.items()}, **MORE}


@harness.needs_proxy
class Servers(Base):
    ZONES = {**{"%s.test" % name: GOOD for name in BEHAVIOURS},
             **{"in-%s.test" % name: {"TXT": ["v=spf1 include:%s.test a:%s.test mx:%s.test exists:%s.test -all" % ((name,) * 4)]}
                for name in BEHAVIOURS}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, (behaviour, _) in BEHAVIOURS.items():
            cls.dns.behave("%s.test" % name, behaviour)

    def test_each_behaviour(self):
        for name, (_, wanted) in BEHAVIOURS.items():
            with self.subTest(name):
                began = time.monotonic()
                self.result("a@%s.test" % name, wanted)
                self.assertLess(time.monotonic() - began, 10)

    def test_each_behaviour_inside_a_record(self):
        """RFC 7208 5.2: what an include comes to."""
        for name, (_, wanted) in BEHAVIOURS.items():
            with self.subTest(name):
                self.result("a@in-%s.test" % name, [{"none": "permerror"}.get(result, result) for result in wanted])

    def test_cname_loop_between_names(self):
        self.dns.set_zones({"a.test": {"CNAME": ["b.test"]}, "b.test": {"CNAME": ["a.test"]}, "sender.test": GOOD})
        self.result("x@a.test", ["temperror"])
        self.dns.set_zones({**self.ZONES, "sender.test": GOOD})
        for name, (behaviour, _) in BEHAVIOURS.items():
            self.dns.behave("%s.test" % name, behaviour)

    def test_odd_record_data(self):
        """Data that no server should send: wrong lengths, names that point anywhere."""
        for number, octets in enumerate((b"", b"\xff", b"\xffshort", b"\x0bv=spf1 -all\x05", b"\x00" * 300)):
            with self.subTest(octets):
                self.dns.set_zones({"odd%d.test" % number: {"TXT": [RAW(octets)]}, "sender.test": GOOD})
                self.result("a@odd%d.test" % number, ("none", "temperror", "permerror", "fail"))
        for kind, octets in (("A", b"\x01\x02\x03"), ("A", b"\x01" * 5), ("AAAA", b"\x01" * 4), ("MX", b"\x00"), ("MX", b"\x00\x01\xc0\x0c"),
                             ("MX", b"\x00\x01\x03abc"), ("MX", b"\x00\x01\x04a\x00.b\x00")):
            with self.subTest(kind, octets=octets):
                self.dns.set_zones({"odd.test": {kind: [RAW(octets)], "TXT": ["v=spf1 a mx -all"]}, "sender.test": GOOD})
                self.result("a@odd.test", ("fail", "temperror", "permerror"))
        self.dns.set_zones({**self.ZONES, "sender.test": GOOD})
        for name, (behaviour, _) in BEHAVIOURS.items():
            self.dns.behave("%s.test" % name, behaviour)


# ---------------------------------------------------------------------------------------------- explanations

EXPLANATIONS = {
    "crlf": b"sorry\r\n250 2.1.5 Ok\r\n",
    "cr": b"sorry\r250 2.1.5 Ok",
    "lf": b"sorry\n250 2.1.5 Ok",
    "continued": b"sorry\r\n550-5.7.23 more\r\n550 5.7.23 end",
    "nul": b"sorry\0250 2.1.5 Ok",
    "escape": b"\x1b]0;owned\x07 sorry",
    "eight": b"b\xfcro ge\xf6ffnet",
    "utf8": "b\u00fcro \u202e ge\u00f6ffnet".encode(),
    "518": b"e" * 518,                      # CVE-2023-42118
    "513": b"e" * 513, "512": b"e" * 512, "510": b"e" * 510,
    "64k": b"e" * 60000,
    "macros": b"%{s}" * 100,
    "who": b"you are %{s} %{L} %{h} %{H}",
    "time": b"%{t} %{r} %{c} %{C}",
    "bad-macro": b"%{x} %{", "percent": b"100% sure %n %s", "percent-end": b"sure %",
    "empty": b"",
    "blanks": b" " * 300,
    "comment": b"a;b (c \"d\" \\",
}


def exp_record(name):
    return "v=spf1 exp=exp.%s.test -all" % name


@harness.needs_proxy
class Explanations(Base):
    ZONES = {**{"%s.test" % name: {"TXT": [exp_record(name)]} for name in (*EXPLANATIONS, "mute-exp", "self-exp", "many-exp", "long-exp")},
             **{"exp.%s.test" % name: {"TXT": [octets]} for name, octets in EXPLANATIONS.items()},
             "exp.mute-exp.test": "mute", "exp.self-exp.test": {"CNAME": ["exp.self-exp.test"]},
             "exp.many-exp.test": {"TXT": [b"one", b"two"]},
             "soft.test": {"TXT": ["v=spf1 exp=exp.518.test ~all"]},  # bare libspf2 dies of this one, too
             "expand.test": {"TXT": ["v=spf1 exp=" + "%{s}." * 50 + "exp.test -all"]}}

    def refused(self, sender):
        refusal, _ = self.converse("enforce", sender)
        self.assertEqual((refusal.code, refusal.dsn), (550, "5.7.23"))
        self.check_reply(refusal)
        self.assertNotIn("\n250", refusal.raw.decode("ascii"))
        return refusal

    def test_every_text(self):
        for name in EXPLANATIONS:
            with self.subTest(name):
                self.refused("a@%s.test" % name)

    def test_text_of_a_name_that_gives_none(self):
        for name in ("mute-exp", "self-exp", "many-exp", "long-exp"):
            with self.subTest(name):
                self.refused("a@%s.test" % name)

    def test_text_of_a_softfail_is_not_fetched(self):
        self.result("a@soft.test", ["softfail"])
        self.assertEqual(self.dns.asked[("exp.518.test", "TXT")], 0)

    def test_what_the_client_says_comes_back_in_one_line(self):
        """%{s} and %{h} are the client's own octets."""
        for helo, local in (("a%0d%0ab", "x@"), ("h" * 400, '"a\\"b c"@'), ("[127.0.0.1]", "%{s}@"), ("x.test", "a" * 300 + "@")):
            with self.subTest(helo[:20]):
                with Client(self.ports["enforce"], source=CLIENT) as client:
                    client.ehlo(helo)
                    for name in ("who", "time", "macros"):
                        if client.cmd("MAIL FROM:<%s%s.test>" % (local, name)).code != 250:
                            continue
                        reply = client.cmd("RCPT TO:<%s>" % suite.ALICE)
                        self.assertEqual((reply.code, reply.dsn), (550, "5.7.23"))
                        self.check_reply(reply)
                        client.cmd("RSET", 250)
                    client.cmd("NOOP", 250)

    def test_results_of_all_are_clean_fields(self):
        for name in EXPLANATIONS:
            with self.subTest(name):
                self.result("a@%s.test" % name, ["fail"])

    def test_target_that_expands_without_measure(self):
        self.refused("%s@expand.test" % ("l" * 60))


# ---------------------------------------------------------------------------------------------- a name server that stops

@harness.needs_proxy
class Stopped(suite.Case):
    """A real name server, SIGSTOP and SIGCONT: its clients get what the configuration says, others notice nothing, and afterwards all is
    as before, without a restart."""
    @classmethod
    def setUpClass(cls):
        names = ["d%d.test" % i for i in range(40)]
        cls.nsd = nameserver.Nsd({name: '@ TXT "v=spf1 ip4:127.0.0.0/8 -all"\n' for name in names})
        cls.up = FakeUpstream()
        listeners = {"enforce": "enforce", "lenient": "lenient", "observe": "observe", "plain": None}
        cls.ports = {name: harness.free_port() for name in listeners}
        filters = (block("filter spf-enforce", ["module spf", "profile enforce", "helo-check off", "skip-networks %s/32" % OUTSIDER]) +
                   block("filter spf-lenient", ["module spf", "profile enforce", *CHECK, "on temperror add-header"]) +
                   block("filter spf-observe", ["module spf", "profile observe", *CHECK]) +
                   "".join(block("chain " + name, ["spf-" + name]) for name in ("enforce", "lenient", "observe")))
        files = {"50-%s.conf" % name: block("listen " + name, ["address 127.0.0.1:%d" % cls.ports[name], "upstream postfix", "client-name off",
                                                             *(["chain " + chain] if chain else [])])
                 for name, chain in listeners.items()}
        resolver = block("resolver", ["nameserver 127.0.0.1:%d" % cls.nsd.port, "timeout 1500ms", "attempts 1"])
        cls.weir = harness.Mailweir(cls.up.port, filters=filters, files=files,
                                    top=["workers 1", "hostname " + NAME, "authserv-id " + NAME, resolver])

    @classmethod
    def tearDownClass(cls):
        cls.weir.finish(suite.Case())
        cls.up.stop()
        cls.nsd.stop()

    def setUp(self):
        self.addCleanup(self.nsd_signal, signal.SIGCONT)

    def nsd_signal(self, number):
        os.killpg(os.getpgid(self.nsd.pid), number)  # all of its processes: it is their leader

    def send(self, listener, sender, source=CLIENT):
        """(code and dsn of RCPT's reply, the SPF results of the delivered message)"""
        before = len(self.up.sessions)
        with Client(self.ports[listener], source=source) as client:
            client.ehlo()
            client.cmd("MAIL FROM:<%s>" % sender, 250)
            reply = client.cmd("RCPT TO:<%s>" % suite.ALICE)
            if reply.code != 250:
                return (reply.code, reply.dsn), []
            self.assertEqual(client.data(suite.PLAIN).code, 250)
            client.quit()
        message = next(m[2] for s in self.up.sessions[before:] for m in s.messages if m[3])
        return (reply.code, reply.dsn), authres.values(message, NAME, "spf")

    def answers(self, domain):
        for listener in ("enforce", "lenient", "observe"):
            code, values = self.send(listener, "a@" + domain)
            self.assertEqual((code[0], values), (250, ["pass"]), listener)

    def test_outcomes_others_and_recovery(self):
        self.answers("d0.test")
        self.nsd_signal(signal.SIGSTOP)
        self.assertEqual(self.send("enforce", "a@d1.test"), ((451, "4.7.24"), []))
        code, values = self.send("lenient", "a@d2.test")
        self.assertEqual((code[0], values), (250, ["temperror"]))
        code, values = self.send("observe", "a@d3.test")
        self.assertEqual((code[0], values), (250, ["temperror"]))
        self.answers("d0.test")  # what is known stays known
        waiting = []
        for number in range(30):
            client = self.closing(Client(self.ports["enforce"], source=CLIENT))
            client.ehlo()
            client.cmd("MAIL FROM:<a@d%d.test>" % (4 + number), 250)
            client.send(b"RCPT TO:<%s>\r\n" % suite.ALICE.encode())
            waiting.append(client)
        for listener, source in (("plain", CLIENT), ("enforce", OUTSIDER)):
            self.assertEqual(self.send(listener, "a@d39.test", source)[0][0], 250)
        self.assertEqual(select.select([waiting[-1].socket], [], [], 0)[0], [], "others were served when the waiting was over")
        for client in waiting:
            reply = client.reply()
            self.assertEqual((reply.code, reply.dsn), (451, "4.7.24"))
        self.nsd_signal(signal.SIGCONT)
        harness.wait_for(lambda: self.send("enforce", "a@d39.test")[0][0] == 250, 15, "an answer again", step=0.2)
        harness.wait_for(lambda: self.send("enforce", "a@d1.test")[0][0] == 250, 15, "an answer again for what failed", step=0.2)
        self.weir.check_healthy(self)

    def test_stopped_while_a_session_asks(self):
        """Again and again in mid-run: every message has one of the outcomes, none is stuck."""
        outcomes = set()
        for turn in range(6):
            self.nsd_signal(signal.SIGSTOP if turn % 2 else signal.SIGCONT)
            for number in range(4):
                began = time.monotonic()
                outcomes.add(self.send("enforce", "a@x%d-%d.d%d.test" % (turn, number, turn))[0][0])
                self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(outcomes, {250, 451})


if __name__ == "__main__":
    harness.main()
