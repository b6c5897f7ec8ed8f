#!/usr/bin/env python3
"""The SPF evaluator against the suite of RFC 7208 (203 of 203, explanations included) and against python3-spf (pyspf) over generated zones.

  test_spf_differential.py                  both, some seconds
  test_spf_differential.py SEED ROUNDS      the differential run alone; differences are shown with their zones

Where the two disagree, one of the reasons below must hold; each is explained in filters/spf/README.md. Anything else fails."""
import glob
import importlib.util
import os
import random
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "spf"))
import askspf  # noqa: E402

SUITE = os.path.join(HERE, "..", "..", "..", "shared", "spf", "rfc7208-tests.yml")
ROUNDS = 4000
SEED = 7208


def is_here(module):
    return importlib.util.find_spec(module) is not None and importlib.util.find_spec(module).origin is not None


def use_the_system_python():
    """The packages that this needs belong to the system's Python, which need not be the first one that CMake found."""
    system = "/usr/bin/python3"
    if not (is_here("yaml") and is_here("spf")) and os.path.realpath(sys.executable) != os.path.realpath(system) and os.access(system, os.X_OK):
        os.execv(system, [system, os.path.abspath(__file__)] + sys.argv[1:])


def program():
    found = os.environ.get("SPFASK") or next(iter(glob.glob(os.path.join(HERE, "..", "..", "build", "*", "tests", "spfask"))), "")
    return found if os.access(found, os.X_OK) else None


# ---- generated zones ----

DOMAINS = ["d%d.test" % i for i in range(6)]
HOSTS = ["h%d.test" % i for i in range(5)] + ["mail.d0.test", "a.d1.test"]
ABSENT = ["no%d.test" % i for i in range(3)]
IPV4 = ["192.0.2.1", "192.0.2.77", "198.51.100.1", "203.0.113.9"]
IPV6 = ["2001:db8::1", "2001:db8:1::77", "2001:db8:ffff::1"]
CLIENTS = IPV4 + IPV6 + ["127.0.0.1", "::1", "::ffff:192.0.2.1"]
LOCALS = ["user", "strong-bad", "a.b.c", "x+y", "", "UPPER", "very-long-" + "x" * 50]
MACROS = ["%{d}", "%{o}", "%{d1}", "%{d2r}", "%{l}", "%{l-}", "%{lr-}", "%{i}", "%{ir}", "%{v}", "%{h}", "%{s}", "%{L}", "%{S}",
          "%{p}", "%{d3}", "%{i1}", "%{l1r+-}", "%%", "%_", "%-"]
BROKEN = ["all:x", "foo", "a:x", "ip4:1.2.3", "ip4:192.0.2.1/33", "ip6:::g", "include", "exists:", "a/33", "mx//129", "%{d}", "-exp=x.y",
          "redirect=", "a:%{z}.test", "exists:%{t}.x.test", "ip4:192.0.2.1/", "a:%", "=x", "a:d0.test.1", "--all", "mx:"]


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, values):
        return self.random.choice(values)

    def chance(self, one_in):
        return self.random.randrange(one_in) == 0

    def name(self):
        if self.chance(8):
            return self.pick(MACROS) + "." + self.pick(DOMAINS + HOSTS)
        return self.pick(DOMAINS + HOSTS + HOSTS + ABSENT)

    def bits(self):
        text = self.pick(["", "", "/24", "/0", "/32", "/25"])
        return text + self.pick(["", "", "//64", "//0", "//128", "//33"])

    def mechanism(self):
        kind = self.random.randrange(12)
        if kind < 3:
            return "a" + self.pick(["", ":" + self.name()]) + self.bits()
        if kind < 5:
            return "mx" + self.pick(["", ":" + self.name()]) + self.bits()
        if kind == 5:
            return "ptr" + self.pick(["", ":" + self.name()])
        if kind < 8:
            return "include:" + self.pick(DOMAINS)
        if kind == 8:
            return "exists:" + self.name()
        if kind == 9:
            return "ip6:" + self.pick(IPV6) + self.pick(["", "/32", "/0", "/128", "/47"])
        return "ip4:" + self.pick(IPV4) + self.pick(["", "/24", "/0", "/31", "/32"])

    def term(self):
        if self.chance(60):
            return self.pick(BROKEN)
        if self.chance(20):
            return self.pick(["moo=%{d}", "x-y=1", "Exp=" + self.pick(DOMAINS), "unknown=%{l}"])
        return self.pick(["", "", "+", "-", "~", "?"]) + self.mechanism()

    def record(self):
        terms = [self.term() for _ in range(self.random.randrange(7))]
        if not self.chance(3):
            terms.append(self.pick(["-all", "~all", "?all", "all", "-ALL"]))
        if self.chance(4):
            terms.insert(self.random.randrange(len(terms) + 1), "redirect=" + self.pick(DOMAINS))
        return self.pick(["v=spf1 ", "v=spf1 ", "V=spf1  "]) + self.pick([" ", " ", "  "]).join(terms)

    def domain(self):
        entries = [{"SPF": self.record()}]
        if self.chance(12):
            entries = [self.pick(["TIMEOUT", {"SPF": "v=spf10 all"}, {"SPF": ["v=spf1", " ?a", "ll"]}])]
        if self.chance(25):
            entries.append({"SPF": "v=spf1 -all"})
        for _ in range(self.random.randrange(3)):
            entries.append({"MX": [10 + len(entries), self.pick(HOSTS + ABSENT)]})
        if self.chance(40):
            entries += [{"MX": [30 + i, self.pick(HOSTS)]} for i in range(11)]
        return entries + self.host()

    def host(self):
        entries = [{"A": self.pick(IPV4)} for _ in range(self.random.randrange(3))]
        entries += [{"AAAA": self.pick(IPV6)} for _ in range(self.random.randrange(2))]
        return entries

    def case(self):
        zone = {name: self.domain() for name in DOMAINS}
        zone.update({name: ["TIMEOUT"] if self.chance(25) else self.host() for name in HOSTS})
        client = self.pick(CLIENTS)
        names = ["TIMEOUT"] if self.chance(20) else [{"PTR": self.pick(HOSTS + DOMAINS)} for _ in range(self.random.randrange(4))]
        zone[reverse(client)] = names
        sender = self.pick(["", self.pick(LOCALS) + "@" + self.pick(DOMAINS)])
        return zone, client, sender, self.pick(DOMAINS + ["localhost", "[192.0.2.1]"])


def reverse(client):
    packed = askspf.mapped(client)
    if packed.startswith(b"\0" * 10 + b"\xff\xff"):
        return ".".join(str(octet) for octet in reversed(packed[12:])) + ".in-addr.arpa"
    return ".".join(reversed(packed.hex())) + ".ip6.arpa"


# ---- pyspf over the same zone ----

class Oracle:
    """pyspf asks this in place of the DNS."""

    def __init__(self, spf):
        self.spf = spf
        self.zone = None
        spf.DNSLookup = self.lookup

    def lookup(self, name, kind, strict=True, timeout=None):
        try:
            values = self.zone.values(name, kind)
        except askspf.Failure:
            raise self.spf.TempError("DNS Error: timeout")
        if kind == "MX":
            return [((name, kind), (10 + i, value)) for i, value in enumerate(values)]
        if kind == "TXT":
            return [((name, kind), [askspf.octets(value)]) for value in values]
        return [((name, kind), value) for value in values]

    def check(self, zone, client, sender, helo, voids=2):
        self.zone = zone
        self.spf.MAX_VOID_LOOKUPS = voids
        query = self.spf.query(i=client, s=sender, h=helo, receiver="receiver.example.test", strict=1)
        result, _, text = query.check()
        return result, text


# ---- why they may disagree ----

def records(zone):
    return " ".join(askspf.octets(entry["SPF"]).decode("ascii") for entries in zone.values() for entry in entries
                    if isinstance(entry, dict) and "SPF" in entry).lower()


def reason(zone, ours, theirs, text):
    """The name of the reason, or None."""
    words = records(zone)
    has_hosts = "mx" in words or "ptr" in words or "%{p" in words
    if theirs == "permerror" and "void lookup limit" in text.lower() and has_hosts:
        return "voids"  # counted by name, by us by term
    if theirs == "permerror" and "too many dns lookups" in text.lower() and "redirect=" in words:
        return "redirect"  # counted where it stands, by us where it is followed
    if theirs == "permerror" and "include has trivial recursion" in text:
        return "itself"  # refused where it stands; by us only where it is reached, by the limit of terms
    if theirs == "permerror" and "MUST appear at most once" in text:
        return "repeated"  # unknown modifiers may: RFC 7208 6
    if theirs == "temperror" and ours.result != "temperror" and has_hosts:
        return "errors"  # of ptr and %{p}: RFC 7208 5.5; of later mx hosts
    return None


class Differential:
    def __init__(self, seed, asker, oracle):
        self.maker = Maker(seed)
        self.asker, self.oracle = asker, oracle
        self.reasons, self.results, self.unexplained = {}, {}, []

    def one(self):
        zone, client, sender, helo = self.maker.case()
        served = askspf.Zone(zone)
        ours = self.asker.check(served, client, sender, helo)
        theirs, text = self.oracle.check(served, client, sender, helo)
        self.results[ours.result] = self.results.get(ours.result, 0) + 1
        if ours.result == theirs:
            return
        why = reason(zone, ours, theirs, text)
        if why == "voids":  # it must be this that parts them, and nothing behind it
            theirs, text = self.oracle.check(served, client, sender, helo, voids=1000)
            why = why if theirs == ours.result else reason(zone, ours, theirs, text)
        self.reasons[why] = self.reasons.get(why, 0) + 1
        if why is None:
            self.unexplained.append((zone, client, sender, helo, str(ours), theirs, text))


def import_pyspf():
    return importlib.import_module("spf") if is_here("spf") else None


# ---- the tests ----

class SpfDifferential(unittest.TestCase):
    def setUp(self):
        if program() is None:
            self.skipTest("no spfask: set SPFASK")
        self.asker = askspf.Asker(program())
        self.addCleanup(self.asker.process.kill)

    def finish(self):
        self.assertEqual(self.asker.close(), 0, "spfask must end without a complaint")

    def test_suite_of_rfc_7208(self):
        """RFC 7208: every case, with the result that is preferred where several are allowed, and its explanation."""
        if not os.path.exists(SUITE):
            self.skipTest("no ../shared/spf: the suite is not run")
        if not is_here("yaml"):
            self.skipTest("no python3-yaml: the suite is not run")
        yaml = importlib.import_module("yaml")
        count = 0
        with open(SUITE, encoding="utf-8") as file:
            for scenario in yaml.safe_load_all(file):
                zone = askspf.Zone(scenario["zonedata"])
                for name, case in scenario["tests"].items():
                    count += 1
                    with self.subTest("%s: %s" % (scenario["description"], name)):
                        self.suite_case(zone, case)
        self.assertEqual(count, 203)
        self.finish()

    def suite_case(self, zone, case):
        verdict = self.asker.check(zone, case["host"], case["mailfrom"], case["helo"])
        wanted = case["result"] if isinstance(case["result"], str) else case["result"][0]
        self.assertEqual(verdict.result, wanted, str(verdict))
        if "explanation" in case:
            self.assertEqual(verdict.explanation, "" if case["explanation"] == "DEFAULT" else case["explanation"])
        self.assertLessEqual(verdict.questions, 120)
        self.assertEqual(len(set((kind, name.lower()) for kind, name in self.asker.asked)), len(self.asker.asked))

    def test_as_pyspf(self):
        spf = import_pyspf()
        if spf is None:
            self.skipTest("no python3-spf: nothing to compare with")
        run = Differential(SEED, self.asker, Oracle(spf))
        for _ in range(ROUNDS):
            run.one()
        print("seed %d, %d checks: results %s, differences %s" % (SEED, ROUNDS, run.results, run.reasons))
        self.assertEqual(run.unexplained, [])
        self.assertEqual(set(run.results), set(askspf.RESULTS), "every result must have come up")
        self.finish()


def long_run(seed, rounds):
    asker = askspf.Asker(program())
    run = Differential(seed, asker, Oracle(import_pyspf()))
    for _ in range(rounds):
        run.one()
    for zone, client, sender, helo, ours, theirs, text in run.unexplained[:5]:
        print("client %s sender %r helo %s\n  ours:   %s\n  theirs: %s (%s)" % (client, sender, helo, ours, theirs, text))
        for name, entries in zone.items():
            print("    %s %s" % (name, entries))
    print("seed %d, %d checks: results %s, differences %s" % (seed, rounds, run.results, run.reasons))
    return 1 if run.unexplained or asker.close() else 0


if __name__ == "__main__":
    use_the_system_python()
    if len(sys.argv) == 3 and sys.argv[1].isdigit():
        sys.exit(long_run(int(sys.argv[1]), int(sys.argv[2])))
    unittest.main()
