"""The standard test suite of RFC 7208 (openspf.org), each of its cases by a real SMTP dialogue through mailweir with filters/spf.

Its zones stand on a name server on loopback. The client's address comes by PROXY v2 and, once more, by XCLIENT; in profile `observe`
the result is read from the Authentication-Results of the delivered message, in profile `enforce` from the replies. One mailweir serves
all four, without a cache of answers, so that the server can change its zones under it.

What SMTP cannot carry as the suite writes it goes as SMTP writes it: a local part with a blank, or an empty one, in quotes. Every case is
run. SPF_SUITE names the file if it is not where it is looked for."""
import ipaddress
import os
import re
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import authres  # noqa: E402
import harness  # noqa: E402
import suite  # noqa: E402
from fake_upstream import FakeUpstream  # noqa: E402
from harness import block  # noqa: E402
from smtpline import Client  # noqa: E402

try:
    from dnsserver import DnsServer  # finds Debian's modules
    import yaml
except ImportError as error:
    yaml = None
    harness.notice("%s; the suite is skipped" % error)

SUITE = os.environ.get("SPF_SUITE", os.path.join(os.path.dirname(harness.SOURCE_ROOT), "shared", "spf", "rfc7208-tests.yml"))
NAME = "mx.weir.test"
CASES, SCENARIOS, EXPLANATIONS = 203, 16, 22
# What `enforce` says to each result; None: delivered.
REFUSALS = {"fail": (550, "5.7.23"), "permerror": (550, "5.7.24"), "temperror": (451, "4.7.24"),
            "none": None, "neutral": None, "pass": None, "softfail": None}
FILTERS = "".join(block("filter spf-" + profile, ["module spf", "profile " + profile, "helo-check off"]) +
                  block("chain " + profile, ["spf-" + profile]) for profile in ("observe", "enforce"))
WAYS = {"proxy": ["accept-proxy required"], "xclient": ["accept-xclient on"]}

up = None
dns = None
weir = None
ports = {}


def scenarios():
    """The suite; nothing, with a notice, where it or what reads it is missing."""
    if not os.path.exists(SUITE):
        harness.notice("%s is not there; the suite is skipped" % SUITE)
    if not os.path.exists(SUITE) or not yaml:
        return []
    with open(SUITE, encoding="utf-8") as file:
        return [scenario for scenario in yaml.safe_load_all(file) if scenario]


def setUpModule():
    global up, dns, weir
    if not ALL or harness.DIRECT:
        raise unittest.SkipTest("NOTICE: the suite is skipped")
    up, dns = FakeUpstream(), DnsServer({})
    files = {}
    for way, lines in WAYS.items():
        for profile in ("observe", "enforce"):
            ports[way, profile] = harness.free_port()
            files["50-%s-%s.conf" % (way, profile)] = block("listen %s-%s" % (way, profile), [
                "address 127.0.0.1:%d" % ports[way, profile], "upstream postfix", "client-name off", "trust 127.0.0.1/32",
                "chain " + profile, *lines])
    resolver = block("resolver", ["nameserver " + dns.endpoint, "timeout 600ms", "attempts 1", "cache 0"])
    weir = harness.Mailweir(up.port, filters=FILTERS, files=files, top=["workers 1", "hostname " + NAME, "authserv-id " + NAME, resolver])


def tearDownModule():
    if weir:
        weir.finish(suite.Case())
        up.stop()
        dns.stop()


# ---------------------------------------------------------------------------------------------- a case as SMTP says it

def proxy_v2(address):
    address = ipaddress.ip_address(address)
    server = ipaddress.ip_address("192.0.2.25" if address.version == 4 else "2001:db8::25")
    content = address.packed + server.packed + struct.pack(">HH", 41000, 25)
    return b"\r\n\r\n\0\r\nQUIT\n\x21" + (b"\x11" if address.version == 4 else b"\x21") + struct.pack(">H", len(content)) + content


def xclient(address):
    return "XCLIENT NAME=[UNAVAILABLE] ADDR=%s%s" % ("IPV6:" if ":" in address else "", address)


def path(sender):
    """Between "<" and ">". RFC 5321 4.1.2: a local part that is no dot-string is quoted."""
    local, at, domain = sender.rpartition("@")
    if at and not re.fullmatch(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+", local):
        local = '"%s"' % re.sub(r'(["\\])', r"\\\1", local)
    return local + at + domain


class Suite(suite.Case):
    way = profile = None
    right = explained = 0

    @classmethod
    def tearDownClass(cls):
        explained = ", explanations %d of %d" % (cls.explained, EXPLANATIONS) if cls.profile == "enforce" else ""
        harness.notice("%s, client by %s: %d of %d%s" % (cls.profile, cls.way.upper(), cls.right, CASES, explained))

    def connect(self, address):
        client = Client(ports[self.way, self.profile], source="127.0.0.1", greet=False)
        if self.way == "proxy":
            client.send(proxy_v2(address))
        client.expect(220)
        if self.way == "xclient":
            client.cmd(xclient(address), 220)
        return client

    def converse(self, case):
        """(the refusal, or None; the delivered message, or None)"""
        before = len(up.sessions)
        with self.connect(case["host"]) as client:
            client.ehlo(case["helo"])
            for line in ("MAIL FROM:<%s>" % path(case["mailfrom"]), "RCPT TO:<%s>" % suite.ALICE):
                reply = client.cmd(line)
                if reply.code != 250:
                    return reply, None
            reply = client.data(suite.PLAIN)
            client.quit()
        if reply.code != 250:
            return reply, None
        return None, next(m[2] for s in up.sessions[before:] for m in s.messages if m[3])

    def result_of(self, message):
        """The one SPF result in the one field at the top, which has no other method's."""
        fields, _ = authres.split(message)
        self.assertEqual(len(authres.read(fields[0]).results), 1)
        values = authres.values(message, NAME, "spf")
        self.assertEqual(len(values), 1)
        return values[0]

    def observed(self, case, wanted):
        refusal, message = self.converse(case)
        self.assertIsNone(refusal)
        self.assertIn(self.result_of(message), wanted)

    def enforced(self, case, wanted):
        refusal, message = self.converse(case)
        if refusal is None:
            self.assertIn(self.result_of(message), [result for result in wanted if not REFUSALS[result]])
            return
        self.assertIn((refusal.code, refusal.dsn), [REFUSALS[result] for result in wanted])
        for line in refusal.raw.split(b"\r\n")[:-1]:
            self.assertRegex(line, rb"\A[\x20-\x7e]{4,510}\Z")
        if "explanation" in case:
            said = re.search(r" \(the domain says: (.*)\)$", refusal.text)
            wanted = "" if case["explanation"] == "DEFAULT" else case["explanation"]
            self.assertEqual(said.group(1).lower() if said else "", wanted.lower())  # %{v}'s digits: no RFC says in which case
            type(self).explained += 1

    def scenario(self, scenario):
        dns.set_zones(scenario["zonedata"])
        for name, case in scenario["tests"].items():
            with self.subTest(name, spec=case["spec"]):
                wanted = case["result"] if isinstance(case["result"], list) else [case["result"]]
                (self.observed if self.profile == "observe" else self.enforced)(case, wanted)
                type(self).right += 1
        weir.check_healthy(self)


class Whole(suite.Case):
    def test_all_cases_are_there(self):
        self.assertEqual((len(ALL), sum(len(scenario["tests"]) for scenario in ALL)), (SCENARIOS, CASES))

    def test_explanations_are_there(self):
        self.assertEqual(sum("explanation" in case for scenario in ALL for case in scenario["tests"].values()), EXPLANATIONS)


def make(way, profile):
    """A class of tests, one a scenario."""
    members = {"way": way, "profile": profile}
    for scenario in ALL:
        name = "test_" + re.sub(r"\W+", "_", scenario["description"].lower()).strip("_")
        members[name] = lambda self, scenario=scenario: self.scenario(scenario)
    return type("%s_%s" % (profile.capitalize(), way.capitalize()), (Suite,), members)


ALL = scenarios()
for _way in WAYS:
    for _profile in ("observe", "enforce"):
        _made = make(_way, _profile)
        globals()[_made.__name__] = _made
del _made


if __name__ == "__main__":
    harness.main()
