"""DMARC (RFC 9989) through the program: SPF, DKIM and DMARC in one chain, a scripted DNS, messages signed by dkimpy. The results are read
from the one Authentication-Results field by the tests' own reader, and by python3-authres where that is installed; opendmarc judges the
same messages by the same records, from what mailweir says of SPF and DKIM."""
import collections
import email
import os
import random
import re
import socket
import struct
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import authres  # noqa: E402
import harness  # noqa: E402
import private  # noqa: E402
import suite  # noqa: E402
from dnsserver import DnsServer  # noqa: E402
from fake_upstream import FakeUpstream  # noqa: E402
from harness import block  # noqa: E402
from rsakey import RsaKey  # noqa: E402
from smtpline import Client  # noqa: E402

try:
    import dkim
except ImportError:
    dkim = None

OWN, CLIENT = "mx.weir.test", "127.0.5.7"
SPF_PASS, SPF_FAIL = "v=spf1 ip4:127.0.5.0/24 -all", "v=spf1 ip4:192.0.2.1 -all"
PSL = "/usr/share/publicsuffix/public_suffix_list.dat"

# ---------------------------------------------------------------------------------------------- messages and zones


key, no_network = None, ""


def setUpModule():
    """In a network of its own, where that is possible: opendmarc asks whom /etc/resolv.conf names, at port 53."""
    global key, no_network
    if dkim is None:
        harness.notice("python3-dkim is not installed; the suite is skipped")
        raise unittest.SkipTest("NOTICE: python3-dkim is not installed")
    no_network = private.why_not("ip")
    if not no_network:
        private.Network()
        private.own_resolv_conf("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    key = RsaKey()


def message(author="a@example.net", signers=(), extra=b"", tampered=False):
    """`author`: the value of From, or several (a list: one field each)."""
    fields = b"".join(b"From: %s\r\n" % value.encode() for value in ([author] if isinstance(author, str) else author))
    octets = fields + extra + b"To: alice@example.test\r\nSubject: plain\r\nMessage-ID: <1@example.net>\r\n\r\nHello.\r\n"
    for domain in signers:
        octets = dkim.sign(octets, b"s", domain.encode(), key.pem, include_headers=[b"From", b"Subject"]) + octets
    return octets.replace(b"Hello", b"Hallo") if tampered else octets


def record(text):
    return {"TXT": [text]}


def zones(**records):
    """records: example_net="v=DMARC1;..." is _dmarc.example.net. Every domain of these tests has a key and SPF."""
    out = {}
    for name, text in records.items():
        out["_dmarc." + name.replace("_", ".")] = text if isinstance(text, dict) else record(text)
    for name in ("example.net", "mail.example.net", "dept.example.net", "example.org", "bank.example", "giant.bank.example",
                 "mega.bank.example", "example.com"):
        out["s._domainkey." + name] = record(key.record)
        out[name] = {"TXT": [SPF_PASS], "A": ["127.0.5.7"]}
    out["fails.test"] = {"TXT": [SPF_FAIL]}
    out["nospf.test"] = {"A": ["127.0.5.9"]}
    return out


def filters(settings=(), others=("spf", "dkim"), spf=()):
    """Filter blocks of spf, dkim and dmarc, and rules that tell the facts in a field."""
    blocks = [block("filter " + name, ["module " + name, "skip-networks none", *(spf if name == "spf" else ())]) for name in others]
    skips = [] if any(line.startswith("skip-networks") for line in settings) else ["skip-networks none"]
    blocks.append(block("filter dmarc", ["module dmarc", *skips, *settings]))
    blocks.append(block("filter rules", ["module rules", "files rules/*.rules"]))
    return "".join(blocks)


FACTS = {"rules/10-facts.rules": 'facts: add header "X-Facts: ${dmarc.result}/${dmarc.policy}/${dmarc.domain}" when message.size > 0\n'}


class Base(suite.Case):
    def setUp(self):
        self.up = FakeUpstream()
        self.addCleanup(self.up.stop)
        self.dns = None

    def serve(self, records):
        self.dns = DnsServer(records)
        self.addCleanup(self.dns.stop)

    def weir(self, settings=(), chain="spf dkim dmarc rules", others=("spf", "dkim"), timeout="5s", first=None, spf=(), listen=()):
        """`first`: rules of a filter of that name; `spf`: more settings of that filter; `listen`: more of the listener."""
        resolver = block("resolver", ["nameserver " + self.dns.endpoint, "timeout " + timeout, "attempts 1"])
        weir = harness.Mailweir(self.up.port, top=["workers 1", "authserv-id " + OWN, resolver],
                                filters=filters(settings, others, spf) + (block("filter first", ["module rules", "files first.rules"]) if first else ""),
                                chain=chain, listen=listen, files={**FACTS, **({"first.rules": first} if first else {})})
        self.addCleanup(weir.finish, self)
        return weir

    def send(self, weir, octets, sender="a@fails.test", code=250, source=CLIENT, rcpts=(suite.ALICE,)):
        client = self.closing(Client(weir.port, source=source))
        client.ehlo("helo.nospf.test")
        client.envelope(sender, *rcpts)
        reply = client.data(octets)
        client.quit()
        self.assertEqual(reply.code, code, reply)
        return reply

    def arrived(self):
        return self.up.stored()[-1][2]

    def result(self):
        """The dmarc result of the message that arrived last: (result, policy or '', header.from or '')."""
        self.assertEqual(len(authres.values(self.arrived(), OWN, "dmarc")), 1, self.arrived())
        field = authres.read(authres.split(self.arrived())[0][0])
        found = next(result for result in field.results if result.method == "dmarc")
        properties = dict(found.properties)
        return found.value, properties.get("policy.dmarc", ""), properties.get("header.from", "")

    def facts(self):
        return re.search(rb"^X-Facts: (.*)\r$", self.arrived(), re.M).group(1).decode()


# ---------------------------------------------------------------------------------------------- results

@harness.needs_proxy
class Results(Base):
    def test_table(self):
        self.serve(zones(
            example_net="v=DMARC1; p=reject; sp=quarantine; np=none", dept_example_net="v=DMARC1; p=quarantine; psd=n",
            example_org="v=DMARC1; p=none; adkim=s; aspf=s", bank_example="v=DMARC1; p=reject; psd=y",
            giant_bank_example="v=DMARC1; p=quarantine; t=y", broken_test="v=DMARC1; p=what"))
        weir = self.weir()
        rows = (
            # From, signatures, sender -> result, policy, domain
            ("a@example.net", ["example.net"], "a@fails.test", "pass reject example.net"),
            ("a@example.net", ["mail.example.net"], "a@fails.test", "pass reject example.net"),
            ("a@mail.example.net", ["example.net"], "a@fails.test", "pass quarantine mail.example.net"),
            ("a@missing.example.net", [], "a@fails.test", "fail none missing.example.net"),
            ("a@mail.example.net", [], "a@fails.test", "fail quarantine mail.example.net"),
            ("a@example.net", [], "a@mail.example.net", "pass reject example.net"),
            ("a@example.net", ["example.org"], "a@example.org", "fail reject example.net"),
            ("a@example.net", ["dept.example.net"], "a@dept.example.net", "fail reject example.net"),
            ("a@dept.example.net", ["example.net"], "a@fails.test", "fail quarantine dept.example.net"),
            ("A <a@EXAMPLE.net>", ["example.org", "example.net"], "a@fails.test", "pass reject example.net"),
            ("a@example.org", ["example.org"], "a@fails.test", "pass none example.org"),
            ("a@example.org", [], "a@example.org", "pass none example.org"),
            ("a@sub.example.org", ["example.org"], "a@example.org", "fail none sub.example.org"),
            ("a@giant.bank.example", ["giant.bank.example"], "a@fails.test", "pass none giant.bank.example"),
            ("a@giant.bank.example", ["mega.bank.example", "bank.example"], "a@mega.bank.example", "fail none giant.bank.example"),
            ("a@mega.bank.example", [], "a@giant.bank.example", "fail reject mega.bank.example"),
            ("a@nowhere.test", ["example.net"], "a@example.net", "none  nowhere.test"),
            ("a@broken.test", [], "a@fails.test", "permerror  broken.test"),
            (["a@example.net", "b@nowhere.test"], [], "a@example.net", "none  nowhere.test"),
            (["a@example.net", "b@nowhere.test"], ["example.net"], "a@fails.test", "fail reject example.net"),  # one From is not signed
            ("a@nowhere.test, b@example.net", [], "a@fails.test", "fail reject example.net"),
            ("root", [], "a@example.net", "permerror  "),
            ("undisclosed:;", [], "a@example.net", "permerror  "),
            ([], [], "a@example.net", "permerror  "),
        )
        for author, signers, sender, want in rows:
            with self.subTest(author=author, signers=signers, sender=sender):
                self.send(weir, message(author, signers), sender)
                self.assertEqual("%s %s %s" % self.result(), want)
                self.assertEqual(self.facts(), "%s/%s/%s" % tuple(want.split(" ")))

    def test_tampered_message_fails(self):
        self.serve(zones(example_net="v=DMARC1; p=reject"))
        weir = self.weir()
        self.send(weir, message(signers=["example.net"], tampered=True))
        self.assertEqual(self.result(), ("fail", "reject", "example.net"))

    def test_null_sender_is_judged_by_helo(self):
        records = zones(example_net="v=DMARC1; p=reject")
        records["helo.example.net"] = {"TXT": [SPF_PASS]}
        self.serve(records)
        weir = self.weir()
        for sender, want in (("", "pass"), ("a@nospf.test", "fail")):
            client = self.closing(Client(weir.port, source=CLIENT))
            client.ehlo("helo.example.net")
            client.envelope(sender, suite.ALICE)
            self.assertEqual(client.data(message()).code, 250)
            client.quit()
            self.assertEqual(self.result()[0], want, sender)

    def test_domain_in_other_letters(self):
        records = zones(**{"xn--bcher-kva_example": "v=DMARC1; p=reject"})
        records["s._domainkey.xn--bcher-kva.example"] = record(key.record)
        self.serve(records)
        weir = self.weir()
        client = self.closing(Client(weir.port, source=CLIENT))
        client.ehlo()
        client.cmd("MAIL FROM:<a@nospf.test> SMTPUTF8", 250)
        client.cmd("RCPT TO:<%s>" % suite.ALICE, 250)
        self.assertEqual(client.data(message("a@b\u00fccher.example", ["xn--bcher-kva.example"])).code, 250)
        client.quit()
        self.assertEqual(self.result(), ("pass", "reject", "xn--bcher-kva.example"))

    def test_questions_are_few_and_shared(self):
        self.serve(zones(example_net="v=DMARC1; p=reject"))
        weir = self.weir()
        self.send(weir, message("a@1.2.3.4.5.6.7.8.9.10.example.net", ["example.net", "mail.example.net", "example.org"]), "a@example.org")
        self.assertEqual(self.result()[0], "pass")
        asked = [name for name, kind in self.dns.asked.elements() if name.startswith("_dmarc.")]
        self.assertEqual(sorted(asked), sorted("_dmarc." + name for name in (
            "1.2.3.4.5.6.7.8.9.10.example.net", "6.7.8.9.10.example.net", "7.8.9.10.example.net", "8.9.10.example.net", "9.10.example.net",
            "10.example.net", "example.net", "net")))

    def test_np_is_for_what_the_dns_says_does_not_exist(self):
        """RFC 9989 3.2.13: NXDOMAIN, for one question; where the name server never says that (RFC 9824), what mail cannot be sent from."""
        records = zones(example_net="v=DMARC1; p=none; sp=quarantine; np=reject", compact_example="v=DMARC1; p=none; sp=quarantine; np=reject")
        records.update({"text.example.net": record("hello"), "host.between.example.net": {"A": ["127.0.5.9"]},
                        "alias.example.net": {"CNAME": ["gone.nowhere.test"]}, "mail.compact.example": {"MX": [(10, "mx.test")]},
                        "host.compact.example": {"A": ["127.0.5.9"]}})
        self.serve(records)
        self.dns.behave("lost.example.net", "servfail")
        self.dns.behave(".compact.example", "no-nxdomain")
        weir = self.weir(timeout="2s")
        for domain, policy, kinds in (
                ("missing.example.net", "reject", "A"), ("below.missing.example.net", "reject", "A"), ("mail.example.net", "quarantine", "A"),
                ("text.example.net", "quarantine", "A"), ("between.example.net", "quarantine", "A"), ("alias.example.net", "quarantine", "A"),
                ("lost.example.net", "quarantine", "A AAAA MX"), ("example.net", "none", ""),
                ("missing.compact.example", "reject", "A AAAA MX"), ("mail.compact.example", "quarantine", "A AAAA MX"),
                ("host.compact.example", "quarantine", "A")):
            with self.subTest(domain=domain):
                self.dns.forget()
                self.send(weir, message("a@" + domain))
                self.assertEqual(self.result(), ("fail", policy, domain))
                self.assertEqual(" ".join(kind for kind in ("A", "AAAA", "MX") if self.dns.asked[(domain, kind)]), kinds)

    def test_authres_of_python_reads_it(self):
        try:
            import authres as _  # the tests' own has the same name
            from importlib.machinery import PathFinder
            spec = PathFinder.find_spec("authres", ["/usr/lib/python3/dist-packages"])
        except ImportError:
            spec = None
        if spec is None:
            self.skipTest("NOTICE: python3-authres is not installed")
        code = ("import sys; sys.path.insert(0, '/usr/lib/python3/dist-packages'); import authres\n"
                "h = authres.AuthenticationResultsHeader.parse(sys.stdin.read())\n"
                "print(h.authserv_id, *['%s=%s' % (r.method, r.result) for r in h.results])\n"
                "print(*['%s.%s=%s' % (p.type, p.name, p.value) for r in h.results if r.method == 'dmarc' for p in r.properties])")
        self.serve(zones(example_net="v=DMARC1; p=reject"))
        weir = self.weir()
        self.send(weir, message(signers=["example.net"]))
        field = re.sub(rb"\r\n(?=[ \t])", b"", authres.split(self.arrived())[0][0]).strip()
        done = harness.run(["/usr/bin/python3", "-c", code], stdin=field)
        self.assertEqual(done.stdout.decode().split("\n")[:2],
                         [OWN + " spf=fail spf=none dkim=pass dmarc=pass", "policy.dmarc=reject header.from=example.net"], harness.describe(done))


# ---------------------------------------------------------------------------------------------- policy

@harness.needs_proxy
class Policy(Base):
    def records(self):
        self.serve(zones(example_net="v=DMARC1; p=reject", example_org="v=DMARC1; p=quarantine", example_com="v=DMARC1; p=none",
                         mail_example_net="v=DMARC1; p=reject; t=y", broken_test="v=DMARC1"))

    def test_observe_lets_pass_and_tells(self):
        self.records()
        weir = self.weir()
        self.send(weir, message())
        line = weir.wait_record("dmarc-would", domain="example.net")
        self.assertEqual((line["action"], line["policy"], line["result"]), ("reject", "reject", "fail"))
        self.assertEqual((line["client"], line["from"]), (CLIENT, "<a@fails.test>"))
        self.assertIn(b"(p=reject dis=none)", self.arrived())
        for author in ("a@example.org", "a@example.com"):  # a tag and nothing at all: nobody would miss the mail
            self.send(weir, message(author))
        self.assertEqual(len(weir.records("dmarc-would")), 1)

    def test_enforce(self):
        self.records()
        weir = self.weir(["profile enforce"])
        reply = self.send(weir, message(), sender="a@nospf.test", code=550)
        self.assertEqual(reply.dsn, "5.7.1")
        self.assertIn("DMARC: mail from example.net", reply.text)
        self.assertEqual(self.send(weir, message(signers=["example.net"], tampered=True), code=550).dsn, "5.7.26")
        line = weir.wait_record("reject", by="dmarc")
        self.assertEqual(line["rule"], "profile")
        self.assertEqual(self.up.stored(), [])
        self.send(weir, message(signers=["example.net"]))
        self.assertNotIn(b"X-Mailweir-Tag", self.arrived())
        self.send(weir, message("a@example.org", extra=b"X-Mailweir-Tag: forged\r\n"))
        self.assertEqual(re.findall(rb"^X-Mailweir-Tag: (.*)\r$", self.arrived(), re.M), [b"dmarc=fail p=quarantine"])
        self.send(weir, message("a@mail.example.net"))  # t=y: as if it were quarantine
        self.assertIn(b"X-Mailweir-Tag", self.arrived())
        for author in ("a@example.com", "a@nowhere.test", "a@broken.test"):
            self.send(weir, message(author))
            self.assertNotIn(b"X-Mailweir-Tag", self.arrived())

    def test_own_actions(self):
        self.records()
        weir = self.weir(["on reject quarantine", "on quarantine defer", "on permerror reject", "quarantine-address spam@weir.test",
                          "on-domain .example.net fail pass", "on-domain example.com none reject"])
        self.send(weir, message())
        self.assertEqual(authres.values(self.arrived(), OWN, "dmarc"), [])  # pass: not even a result
        self.assertEqual(self.send(weir, message("a@example.org"), code=451).dsn, "4.7.1")
        self.assertEqual(self.send(weir, message("a@example.com"), code=550).dsn, "5.7.1")
        self.assertEqual(self.send(weir, message("a@broken.test"), code=550).dsn, "5.7.1")
        self.assertIn("no address", self.send(weir, message("nobody:;"), code=550).text)
        line = weir.wait_record("reject", rule="on-domain")
        self.assertRegex(line["where"], r"20-filters\.conf:\d+$")

    def test_quarantine(self):
        self.records()
        weir = self.weir(["on reject quarantine", "quarantine-address spam@weir.test"])
        self.send(weir, message())
        self.assertEqual(self.up.stored()[-1][1], (b"<spam@weir.test>",))
        self.assertIn(b"X-Mailweir-Quarantine:", self.arrived())

    def test_forwarders_and_skips(self):
        self.records()
        weir = self.weir(["profile enforce", "forwarders 127.0.5.20/30", "skip-networks 127.0.5.64/26"])
        self.send(weir, message(), source="127.0.5.21")
        self.assertEqual(self.result()[0], "fail")
        self.assertIn(b"forwarder", self.arrived())
        self.send(weir, message(), source="127.0.5.66")
        self.assertEqual(authres.values(self.arrived(), OWN, "dmarc"), [])
        self.assertEqual(self.facts(), "//")
        self.send(weir, message(), source="127.0.5.24", code=550)

    def test_what_is_missing_is_told_once(self):
        self.records()
        for chain, others, without in (("dmarc rules", (), {"spf", "dkim"}), ("dmarc rules spf dkim", ("spf", "dkim"), {"dkim"}),
                                       ("dkim dmarc rules", ("spf", "dkim"), {"spf"})):
            with self.subTest(chain):
                weir = self.weir(chain=chain, others=others)
                for _ in range(3):
                    self.send(weir, message(signers=["example.net"]))
                found = weir.records("dmarc-blind")
                self.assertEqual(len(found), len({line["without"] for line in found}), "told once")
                self.assertLessEqual(without, {line["without"] for line in found})

    def test_what_is_missing_makes_no_fail(self):
        """Whoever could have vouched for the message has not been asked: enforce leaves it alone, `on permerror` need not."""
        self.records()
        for chain, spf, passing, silent in (
                ("spf dmarc dkim rules", (), (message(), "a@mail.example.net"), "dkim"), ("dkim dmarc rules", (), (message(signers=["example.net"]), "a@fails.test"), "spf"),
                ("spf dkim dmarc rules", ["skip-helo helo.nospf.test"], (message(signers=["example.net"]), "a@fails.test"), "spf"),
                ("dmarc rules", (), None, "spf and dkim")):
            with self.subTest(chain, spf=spf):
                weir = self.weir(["profile enforce"], chain=chain, spf=spf)
                self.send(weir, message(signers=["example.net"] if silent != "spf" else []), sender="a@mail.example.net" if silent == "spf" else "a@fails.test")
                self.assertEqual(self.result(), ("permerror", "", "example.net"))
                self.assertIn(b"(no result of %s for this message)" % silent.encode(), authres.split(self.arrived())[0][0])
                if passing:
                    self.send(weir, *passing)
                    self.assertEqual(self.result(), ("pass", "reject", "example.net"))
        weir = self.weir(["profile enforce", "on permerror reject"], chain="dkim dmarc rules")
        self.assertIn("no result of spf for this message", self.send(weir, message(), code=550).text)

    def test_order_of_chains_is_checked(self):
        for chains, want in ((("spf dmarc dkim",), "checks DKIM signatures:"), (("dkim dmarc",), "checks SPF:"),
                             (("dmarc", "spf dkim dmarc"), "checks SPF and DKIM signatures:"), (("spf dkim dmarc",), None), (("dkim spf rules dmarc",), None)):
            with self.subTest(chains):
                path = os.path.join(harness.temp_dir("check"), "x.conf")
                with open(path, "w", encoding="utf-8") as file:
                    file.write("".join(block("filter " + name, ["module " + name]) for name in ("dmarc", "dkim", "spf")) +
                               block("filter rules", ["module rules", "files none.rules"]) + block("upstream u", ["address 127.0.0.1:1"]) +
                               "".join(block("chain c%d" % i, [chain]) for i, chain in enumerate(chains)) +
                               "".join(block("listen l%d" % i, ["address 127.0.0.1:%d" % (2500 + i), "chain c%d" % i, "upstream u"]) for i, _ in enumerate(chains)))
                with open(os.path.join(os.path.dirname(path), "none.rules"), "w", encoding="utf-8") as file:
                    file.write('never: log "never" when subject == "7c3f"\n')
                done = harness.run([harness.MAILWEIR, "check", "-c", path])
                said = done.stdout.decode() + done.stderr.decode()
                self.assertEqual(done.returncode, 0, harness.describe(done))
                self.assertEqual("no filter in front of this one" in said, want is not None, said)
                if want:
                    self.assertIn("no filter in front of this one " + want, said)
                    self.assertIn("chain NAME { spf dkim dmarc }", said)

    def test_forwarders_of_both_are_not_told(self):
        self.records()
        weir = self.weir(["profile enforce", "on permerror reject", "forwarders 127.0.5.20/30"], spf=["forwarders 127.0.5.20/30 127.0.5.40"])
        self.send(weir, message(), source="127.0.5.21")
        self.assertEqual(self.result()[0], "permerror")
        self.assertEqual(weir.records("dmarc-blind"), [])
        self.send(weir, message(), source="127.0.5.40", code=550)
        weir.wait_record("dmarc-blind", without="spf")

    def test_skip_recipients(self):
        self.records()
        post, bob = "Postmaster@weir.test", suite.BOB
        settings = ["profile enforce", "skip-recipients postmaster@ @abuse.test %s" % suite.CAROL]
        weir = self.weir(settings)
        for rcpts in ((post,), (post, "x@abuse.test", suite.CAROL)):
            self.send(weir, message(), rcpts=rcpts)
            self.assertEqual(self.up.stored()[-1][1], tuple(b"<%s>" % rcpt.encode() for rcpt in rcpts))
            self.assertEqual(self.result(), ("fail", "reject", "example.net"))
            self.assertIn(b"(p=reject dis=none)", self.arrived())
        self.send(weir, message(), rcpts=(bob,), code=550)
        count = len(self.up.stored())
        reply = self.send(weir, message(), rcpts=(post, bob), code=550)  # mixed-verdict refuse
        self.assertIn(bob, reply.text)
        self.assertEqual(len(self.up.stored()), count)
        weir = self.weir(settings, listen=["mixed-verdict accept-rest"])
        self.send(weir, message(), rcpts=(suite.ALICE, post, bob))
        self.assertEqual(self.up.stored()[-1][1], (b"<%s>" % post.encode(),))
        self.assertIn(b"(p=reject dis=none)", self.arrived())
        told = weir.records("reject")
        self.assertEqual([(line["to"], line["rule"], line["code"]) for line in told], [("<%s>" % rcpt, "profile", "550") for rcpt in (suite.ALICE, bob)])
        for line in told:
            self.assertIn("dmarc=fail p=reject domain=example.net", line["reason"])
        weir = self.weir(["on reject defer", settings[1]], listen=["mixed-verdict accept-rest"])
        self.send(weir, message(), rcpts=(bob, post))
        self.assertEqual(self.up.stored()[-1][1], (b"<%s>" % post.encode(),))

    def test_skip_recipients_who_are_quarantined_or_observed(self):
        self.records()
        post = "postmaster@weir.test"
        weir = self.weir(["on reject quarantine", "quarantine-address spam@weir.test", "skip-recipients postmaster@"])
        self.send(weir, message(), rcpts=(post, suite.ALICE))
        self.assertEqual(set(self.up.stored()[-1][1]), {b"<%s>" % post.encode(), b"<spam@weir.test>"})
        self.send(weir, message(), rcpts=(post,))
        self.assertEqual(self.up.stored()[-1][1], (b"<%s>" % post.encode(),))
        self.assertEqual(len(weir.records("dmarc-quarantined")), 1)
        weir = self.weir(["skip-recipients postmaster@"])
        self.send(weir, message(), rcpts=(post,))
        self.send(weir, message(), rcpts=(post, suite.ALICE))
        self.assertEqual(len(weir.records("dmarc-would")), 1)

    def test_observed_in_the_chain(self):
        self.records()
        weir = self.weir(["profile enforce", "skip-recipients postmaster@"], chain="spf dkim observe dmarc rules", listen=["mixed-verdict accept-rest"])
        rcpts = (suite.ALICE, "postmaster@weir.test")
        self.send(weir, message(), rcpts=rcpts)
        self.assertEqual(self.up.stored()[-1][1], tuple(b"<%s>" % rcpt.encode() for rcpt in rcpts))
        self.assertEqual(weir.wait_record("observed", by="dmarc", verdict="reject")["to"], "<%s>" % suite.ALICE)

    def test_edits_are_logged(self):
        self.records()
        weir = self.weir(["profile enforce", "on reject quarantine", "quarantine-address spam@weir.test"])
        self.send(weir, message(), sender="a@nospf.test")
        line = weir.wait_record("dmarc-quarantined")
        self.assertEqual((line["result"], line["policy"], line["client"], line["from"], line["to"], line["rule"]),
                         ("fail", "reject", CLIENT, "<a@nospf.test>", "spam@weir.test", "on"))
        self.send(weir, message("a@example.org"), sender="")
        line = weir.wait_record("dmarc-tagged")
        self.assertEqual((line["domain"], line["action"], line["client"], line["from"], line["rule"]), ("example.org", "tag", CLIENT, "<>", "profile"))

    def test_place_of_the_setting_that_decided(self):
        self.records()
        for settings, text in ((["lookup-time 9s", "profile enforce"], "profile enforce"), (["on reject reject"], "on reject reject")):
            weir = self.weir(settings)
            self.send(weir, message(), code=550)
            path, _, number = weir.wait_record("reject", by="dmarc")["where"].rpartition(":")
            with open(path, encoding="utf-8") as file:
                self.assertEqual(file.read().split("\n")[int(number) - 1].strip(), text)

    def test_explain_shows_questions_and_answers(self):
        self.records()
        weir = self.weir(["profile enforce"], chain="spf dkim dmarc")
        path = os.path.join(weir.directory, "message")
        with open(path, "wb") as file:
            file.write(message("a@dept.example.net"))
        done = harness.run([harness.MAILWEIR, "explain", "-c", weir.conf, "--client", "192.0.2.7", "--from", "a@x.test", "--to", suite.ALICE, path])
        for line in ("_dmarc.dept.example.net: no record", "_dmarc.example.net: p=reject sp=reject np=reject", "organization: example.net",
                     "aligned: nothing", "550 5.7.1"):
            self.assertIn(line, done.stdout.decode(), harness.describe(done))

    def test_bad_settings_are_shown_where_they_stand(self):
        rows = (("on rejct tag", "did you mean 'reject'"), ("on reject tagg", "did you mean 'tag'"), ("on none reject", "left alone"),
                ("on reject", "something is missing"), ("on reject tag now", "nothing is expected here"), ("on-domain example.net reject", "missing"),
                ("on-domain exa..mple fail tag", "'exa..mple' is not the name"), ("forwarders 192.0.2.300", "neither an address nor a network"),
                ("on reject quarantine", "needs a quarantine-address"), ("quarantine-address spam", "is not an address"),
                ("skip-recipients alice", "'alice' is not a recipient"),
                ("profile enforced", "enforce"))
        for line, want in rows:
            with self.subTest(line):
                directory = harness.temp_dir("check")
                path = os.path.join(directory, "x.conf")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(block("filter dmarc", ["module dmarc", line]) + block("upstream u", ["address 127.0.0.1:1"]))
                done = harness.run([harness.MAILWEIR, "check", "-c", path])
                self.assertNotEqual(done.returncode, 0, harness.describe(done))
                self.assertIn(want, done.stdout.decode() + done.stderr.decode())
                self.assertRegex(done.stdout.decode() + done.stderr.decode(), r"x\.conf:[123]")


# ---------------------------------------------------------------------------------------------- a DNS that does not answer

@harness.needs_proxy
class Failures(Base):
    def test_failures_are_temperrors_unless_it_is_certain(self):
        self.serve(zones(example_net="v=DMARC1; p=reject"))
        self.dns.behave("_dmarc.net", "servfail")
        self.dns.behave("_dmarc.example.org", "servfail")
        weir = self.weir(["profile enforce"])
        self.send(weir, message(signers=["example.net"]))
        self.assertEqual(self.result()[0], "pass")
        self.send(weir, message(signers=["example.org"]), code=550)  # nothing of that top level is authenticated
        self.send(weir, message(signers=["mail.example.net"]))
        self.assertEqual(self.result()[0], "temperror")
        self.send(weir, message("a@example.org", ["example.org"]))
        self.assertEqual(self.result(), ("temperror", "", "example.org"))
        self.assertIn(b"_dmarc.example.org", self.arrived())

    def test_failed_key_is_a_temperror(self):
        self.serve(zones(example_net="v=DMARC1; p=reject"))
        self.dns.behave("s._domainkey.example.net", "servfail")
        weir = self.weir(["profile enforce", "on temperror defer"])
        self.assertEqual(self.send(weir, message(signers=["example.net"]), code=451).dsn, "4.7.1")
        self.dns.behave("s._domainkey.example.org", "servfail")  # a stranger's key changes nothing
        self.assertEqual(self.send(weir, message(signers=["example.org"]), code=550).dsn, "5.7.1")

    def test_a_strangers_key_changes_nothing_beside_a_second_author(self):
        """Who may look a key up is for its owner to say: it stands for nobody else."""
        records = zones(bank_example="v=DMARC1; p=reject", example_com="v=DMARC1; p=quarantine")
        self.serve(records)
        for name, how in (("s._domainkey.example.org", "servfail"), ("s._domainkey.mail.example.net", "mute")):
            self.dns.behave(name, how)
        weir = self.weir(["profile enforce"], timeout="1s")
        for author in ("ceo@bank.example", "ceo@bank.example, x@example.org", "x@example.org, ceo@bank.example",
                       "x@example.org, ceo@bank.example, y@example.com"):
            with self.subTest(author):
                for signer in ("example.org", "mail.example.net"):
                    self.assertIn("bank.example", self.send(weir, message(author, [signer]), code=550).text)
        self.dns.behave("s._domainkey.bank.example", "servfail")  # his own key does
        for author in ("ceo@bank.example", "x@example.org, ceo@bank.example"):
            self.send(weir, message(author, ["example.org", "bank.example"]))
            self.assertEqual(self.result()[::2], ("temperror", "bank.example"))

    def test_a_body_that_takes_its_time(self):
        """What can only be asked when the message is there has lookup-time from there."""
        self.serve(zones(example_net="v=DMARC1; p=reject"))
        weir = self.weir(["profile enforce", "lookup-time 1s", "on temperror defer"])
        header, _, body = message(signers=["mail.example.net"]).partition(b"\r\n\r\n")
        client = self.closing(Client(weir.port, source=CLIENT))
        client.ehlo("helo.nospf.test")
        client.envelope("a@fails.test", suite.ALICE)
        client.cmd("DATA", 354)
        client.send(header + b"\r\n\r\n")
        time.sleep(1.5)
        client.send(body + b".\r\n")
        client.expect(250)
        self.assertEqual(self.result(), ("pass", "reject", "example.net"))

    def test_a_mute_key_of_somebody_else_costs_no_alignment(self):
        self.serve(zones(example_net="v=DMARC1; p=reject"))
        self.dns.behave("s._domainkey.example.org", "mute")
        weir = self.weir(["lookup-time 1s"], timeout="2s")
        self.send(weir, message(signers=["mail.example.net", "example.org"]))
        self.assertEqual(self.result(), ("pass", "reject", "example.net"))

    def test_time_is_given_twice_and_no_more(self):
        """What was asked with the header is not waited for anew; what an identifier needs is, once."""
        self.serve(zones(example_net="v=DMARC1; p=reject"))
        for name, spent, at_least, want in (("_dmarc.example.net", 2.5, 0, "temperror"), ("_dmarc.mail.example.net", 2.5, 2, "temperror")):
            with self.subTest(name):
                self.dns.behave(name, "mute")
                weir = self.weir(["lookup-time 2s"], timeout="20s")
                header, _, body = message(signers=["mail.example.net"]).partition(b"\r\n\r\n")
                client = self.closing(Client(weir.port, source=CLIENT))
                client.ehlo("helo.nospf.test")
                client.envelope("a@fails.test", suite.ALICE)
                client.cmd("DATA", 354)
                client.send(header + b"\r\n\r\n")
                time.sleep(spent)
                client.send(body + b".\r\n")
                began = time.monotonic()
                client.expect(250)
                took = time.monotonic() - began
                self.assertGreaterEqual(took, at_least)
                self.assertLess(took, at_least + 1.8)
                self.assertEqual(self.result()[0], want)
                self.dns.behave(name, None)

    def test_mute_server_costs_the_time_that_is_set(self):
        self.serve(zones(example_net="v=DMARC1; p=reject"))
        self.dns.behave("._dmarc.example.net", "mute")
        self.dns.behave("_dmarc.example.net", "mute")
        weir = self.weir(["lookup-time 600ms"], timeout="20s")
        began = time.monotonic()
        self.send(weir, message(signers=["example.net"]))
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(self.result(), ("temperror", "", "example.net"))

    def test_clients_that_leave_meanwhile(self):
        self.serve(zones(example_net="v=DMARC1; p=reject"))
        self.dns.behave("_dmarc.example.net", ("slow", 0.5))
        weir = self.weir(timeout="3s")
        for i in range(12):
            client = Client(weir.port, source=CLIENT)
            client.ehlo()
            client.envelope("a@fails.test", suite.ALICE)
            client.cmd("DATA", 354)
            client.send(message() + (b".\r\n" if i % 3 else b""))
            client.reset() if i % 2 else client.close()
        client = self.closing(Client(weir.port, source=CLIENT))
        client.ehlo()
        for _ in range(3):  # transactions of one session, one after the other
            client.envelope("a@fails.test", suite.ALICE)
            client.cmd("RSET", 250)
            client.envelope("a@fails.test", suite.ALICE)
            self.assertEqual(client.data(message(signers=["example.net"])).code, 250)
        client.quit()
        self.assertEqual(self.result()[0], "pass")

    def test_message_that_another_filter_accepts_meanwhile(self):
        """Nobody tells dkim and dmarc, whose questions are still under way."""
        self.serve(zones(example_net="v=DMARC1; p=reject"))
        for name in ("_dmarc.example.net", "s._domainkey.example.net"):
            self.dns.behave(name, ("slow", 0.4))
        weir = self.weir(chain="first spf dkim dmarc rules", first="ours: accept when body.text =~ /Hallo/\n")
        client = self.closing(Client(weir.port, source=CLIENT))
        client.ehlo()
        for tampered in (True, True, False, True, False):
            client.envelope("a@fails.test", suite.ALICE)
            self.assertEqual(client.data(message(signers=["example.net"], tampered=tampered)).code, 250)
            self.assertEqual(authres.values(self.arrived(), OWN, "dmarc"), [] if tampered else ["pass"])
        client.envelope("a@fails.test", suite.ALICE)
        self.assertEqual(client.data(message(tampered=True)).code, 250)
        client.reset()

    def test_recovers(self):
        self.serve(zones(example_net="v=DMARC1; p=reject"))
        weir = self.weir(["lookup-time 500ms"])
        self.dns.pause()
        self.send(weir, message())
        self.assertEqual(self.result()[0], "temperror")
        self.dns.resume()
        harness.wait_for(lambda: (self.send(weir, message(signers=["example.net"])), self.result()[0] == "pass")[1], 30, "pass again")


# ---------------------------------------------------------------------------------------------- hostile messages and records

@harness.needs_proxy
class Hostile(Base):
    def test_from_without_end(self):
        self.serve(zones(example_net="v=DMARC1; p=reject"))
        weir = self.weir()
        deep = ".".join("abcdefghijkl")
        floods = (["a@%s%d.test" % (deep, i) for i in range(900)], ", ".join("a@%s%d.test" % (deep, i) for i in range(1000)),
                  "x" * 60000 + "@example.net, a@example.net", ["a@example.net"] * 900, "(" * 20000 + "a@example.net", '"' * 9999 + " a@example.net")
        for flood in floods:
            with self.subTest(str(flood)[:40]):
                before = self.dns.questions
                self.send(weir, message(flood))
                self.assertIn(self.result()[0], ("permerror", "fail"))
                self.assertLess(self.dns.questions - before, 60)

    def test_from_behind_a_bare_cr(self):
        """Python's email ends lines there, and shows the bank's."""
        self.serve(zones(bank_example="v=DMARC1; p=reject", example_org="v=DMARC1; p=reject"))
        weir = self.weir(["profile enforce"], listen=["bare-cr pass"])
        field = b"Subject: s\rFrom: ceo@bank.example\r\n"
        for extra, want in ((b"", "pass"), (b"X-Other: s\rX-From: ceo@bank.example\r\n", "pass"), (field, "permerror"), (field.lower(), "permerror")):
            with self.subTest(extra):
                self.send(weir, message("x@example.org", extra=extra), sender="x@example.org")
                self.assertEqual(self.result()[::2], (want, "example.org"))
                shown = email.message_from_bytes(self.arrived()).get_all("From")
                self.assertEqual("ceo@bank.example" in shown, want == "permerror", shown)
        weir = self.weir(["on permerror reject"], listen=["bare-cr pass"])
        self.assertIn("hidden", self.send(weir, message("x@example.org", extra=field), sender="x@example.org", code=550).text)

    def test_octets_of_any_kind_in_from(self):
        self.serve(zones(example_net="v=DMARC1; p=reject"))
        weir, dice = self.weir(), random.Random(7)
        client = self.closing(Client(weir.port, source=CLIENT))
        client.ehlo()
        for _ in range(150):
            value = bytes(dice.choice(b"a@.,;:<>()[]\"\\ \t=?\x01\x7f\xc3\xa9\xffb") for _ in range(dice.randrange(60)))
            client.envelope("a@fails.test", suite.ALICE)
            self.assertEqual(client.data(b"From: " + value + b"\r\nSubject: x\r\n\r\nHello.\r\n").code, 250)
            self.assertIn(self.result()[0], ("none", "fail", "permerror"))
        client.quit()

    def test_records_of_any_kind(self):
        odd = {"big": {"TXT": ["v=DMARC1; p=reject; " + "x=1; " * 11000]}, "many": {"TXT": ["v=DMARC1; p=reject"] * 400},
               "spf": {"TXT": ["v=spf1 -all"] * 200 + ["v=DMARC1; p=reject"]}, "octets": {"TXT": [b"v=DMARC1; p=reject; x=\x00\xff\r\n"]},
               "pieces": {"TXT": [["v=DM", "ARC1; p", "=rej", "ect"]]}, "empty": {"TXT": [[]]}, "alias": {"CNAME": ["_dmarc.pieces.test"]}}
        records = {"_dmarc.%s.test" % name: what for name, what in odd.items()}
        records["*.wild.test"] = {"TXT": ["v=DMARC1; p=quarantine"]}
        records["_dmarc.loop.test"] = "loop"
        self.serve({**zones(), **records})
        weir = self.weir()
        for name, want in (("big", "fail reject"), ("many", "none "), ("spf", "fail reject"), ("octets", "fail reject"), ("pieces", "fail reject"),
                           ("empty", "none "), ("alias", "fail reject"), ("a.wild", "fail quarantine"), ("loop", "temperror ")):
            with self.subTest(name):
                self.send(weir, message("a@%s.test" % name))
                self.assertEqual("%s %s" % self.result()[:2], want)


# ---------------------------------------------------------------------------------------------- opendmarc

class Milter:
    """As much of a milter's client as opendmarc needs."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.send(b"O", struct.pack(">III", 6, 0x1ff, 0))
        self.read()

    def send(self, command, data=b""):
        self.socket.sendall(struct.pack(">I", len(data) + 1) + command + data)

    def octets(self, count):
        got = b""
        while len(got) < count:
            more = self.socket.recv(count - len(got))
            if not more:
                raise AssertionError("the milter has closed")
            got += more
        return got

    def read(self):
        packet = self.octets(struct.unpack(">I", self.octets(4))[0])
        return packet[:1], packet[1:]

    def step(self, command, data=b""):
        """The packets that answer it, up to the one that ends the step."""
        self.send(command, data)
        packets = [self.read()]
        while packets[-1][0] not in b"acdrty":
            packets.append(self.read())
        return packets

    def message(self, sender, octets):
        fields, body = authres.split(octets)
        self.step(b"C", b"c.nospf.test\x004" + struct.pack(">H", 25) + CLIENT.encode() + b"\0")
        self.step(b"H", b"helo.nospf.test\0")
        self.step(b"M", b"<%s>\0" % sender.encode())
        self.step(b"R", b"<%s>\0" % suite.ALICE.encode())
        for field in fields:
            name, _, value = field.removesuffix(b"\r\n").partition(b":")
            self.step(b"L", name + b"\0" + value.replace(b"\r\n", b"\n").strip() + b"\0")
        self.step(b"N")
        self.step(b"B", body)
        packets = self.step(b"E")
        self.send(b"Q")
        self.socket.close()
        return packets


@harness.needs_proxy
class OpenDmarc(Base):
    """opendmarc follows RFC 7489: a list of public suffixes in place of the walk, no psd=, np= and t=, sampling by pct=. Within what both know,
    it has to agree; the records here are made of that. It reads SPF and DKIM from the field that mailweir wrote."""
    SEED = int(os.environ.get("MW_SEED", "9989"))
    DOMAINS = ("example.net", "mail.example.net", "example.org", "dept.example.net")

    def setUp(self):
        super().setUp()
        self.program = harness.tool("opendmarc")
        reason = no_network or ("" if os.path.exists(PSL) else "publicsuffix is not installed")
        if reason:
            harness.notice(reason + "; opendmarc is not asked")
            self.skipTest("NOTICE: " + reason)

    def test_agrees(self):
        self.serve_on_port_53()
        port, compared = harness.free_port(), collections.Counter()
        directory = harness.temp_dir("opendmarc")
        milter = harness.Process([self.program, "-f", "-c", self.configuration(directory), "-p", "inet:%d@127.0.0.1" % port], "opendmarc", directory)
        self.addCleanup(milter.stop, 10)
        harness.wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, 10, "opendmarc")
        for turn in range(8):
            self.turn(random.Random(self.SEED + turn), port, compared)
        left_out = compared.pop("(left out)", 0)
        harness.notice("opendmarc agrees on %d messages: %s; %d left out" % (sum(compared.values()), dict(compared), left_out))
        self.assertGreater(len(compared), 4, "kinds of results")
        self.assertGreater(sum(compared.values()), 100)

    def serve_on_port_53(self):
        """Where the system's resolver asks."""
        self.serve({})
        self.dns.stop()
        self.dns.port, self.dns.address, self.dns.endpoint = 53, ("127.0.0.1", 53), "127.0.0.1:53"
        self.dns.start()

    def configuration(self, directory):
        path = os.path.join(directory, "conf")
        with open(path, "w", encoding="ascii") as file:
            file.write("AuthservID %s\nTrustedAuthservIDs %s\nPublicSuffixList %s\nSyslog false\n" % (OWN, OWN, PSL))
        return path

    def turn(self, dice, port, compared):
        """Some records, and messages that are judged by them."""
        self.dns.set_zones(self.generated_zones(dice))
        weir = self.weir(chain="spf dkim dmarc")
        for _ in range(20):
            author = dice.choice((*self.DOMAINS, "x.mail.example.net", "nowhere.net"))
            signers = dice.sample(self.DOMAINS, dice.randrange(3))
            sender = "a@" + dice.choice((*self.DOMAINS, "fails.test", "nospf.test"))
            self.send(weir, message("a@" + author, signers), sender)
            theirs = self.ask(port, sender)
            if self.is_lax(author, (*signers, sender[2:])):
                compared["(left out)"] += 1
                continue
            ours = (self.result()[0], re.search(rb"dmarc=none|\(p=(\w+) dis", self.arrived()).group(1) or b"none")
            self.assertEqual((ours[0], ours[1].decode()), theirs, (author, signers, sender, self.generated, self.arrived()))
            compared["%s %s" % theirs] += 1

    def generated_zones(self, dice):
        out = zones()
        for name in (*self.DOMAINS, "x.mail.example.net"):
            is_top = name.count(".") == 1
            tags = ["p=" + dice.choice(("none", "quarantine", "reject"))]
            if dice.random() < 0.5 and is_top:
                tags.append("sp=" + dice.choice(("none", "quarantine", "reject")))
            tags += dice.sample(["adkim=" + dice.choice("rs"), "aspf=" + dice.choice("rs"), "rua=mailto:a@b.test", "fo=1"], dice.randrange(4))
            if is_top or dice.random() < 0.4:
                out["_dmarc." + name] = record("v=DMARC1; " + dice.choice((";", "; ")).join(tags) + dice.choice(("", ";", "; ")))
        self.generated = {name: what for name, what in out.items() if name.startswith("_dmarc.")}
        return out

    def is_lax(self, author, identifiers):
        """Where alignment is to be strict, opendmarc 1.4.2 takes identifiers above and below the author's domain all the same."""
        texts = [what["TXT"][0] for name, what in self.generated.items() if ("." + author).endswith(name.removeprefix("_dmarc"))]
        return any("=s" in text for text in texts) and any(
            author.endswith("." + name) or name.endswith("." + author) for name in identifiers)

    def ask(self, port, sender):
        octets = self.arrived().replace(b"smtp.mailfrom=a@", b"smtp.mailfrom=")  # opendmarc 1.4.2 knows the form without local part only
        packets = Milter(port).message(sender, octets)
        found = [re.search(rb"Authentication-Results\0mx\.weir\.test; dmarc=(\w+) \(p=(\w+)", data) for kind, data in packets if kind == b"i"]
        self.assertEqual(len(found), 1, (packets, self.generated, self.arrived()))
        return found[0].group(1).decode(), found[0].group(2).decode()


if __name__ == "__main__":
    harness.main()
