"""docs/spf.md cannot go stale: what it says to write into files is written there, through `mailweir check` and a reload; every line of its
samples (replies, log lines, the field in the header, commands) is what a run says that does what the page describes. Where the page
promises something without a sample, a test below has the promise for its name."""
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import suite  # noqa: E402
from fake_upstream import FakeUpstream  # noqa: E402
from harness import block, wait_for  # noqa: E402
from rsakey import RsaKey  # noqa: E402
from smtpline import Client  # noqa: E402
from suite import ALICE  # noqa: E402
from test_rules_page import fenced  # noqa: E402

try:
    import dnsserver
    import dkim
    WHY = None
except ImportError as error:
    WHY = "no dnspython or dkimpy (%s)" % error

PAGE = os.path.join(harness.SOURCE_ROOT, "docs", "spf.md")
GOOD, BAD, FORWARDER = "192.0.2.7", "198.51.100.66", "203.0.113.2"
POSTMASTER = "postmaster@example.test"
LISTEN = ("chain inbound", "client-name off", "accept-proxy required", "trust 127.0.0.1/32")
# What the page takes for granted: conf.d as shipped, as far as it matters here.
SHIPPED = {"filter limits": ["module limits"], "filter spf": ["module spf"], "filter dkim": ["module dkim"], "filter dmarc": ["module dmarc"],
           "filter rules": ["module rules", "files ../rules/*.rules"], "chain inbound": ["limits spf dkim dmarc rules"]}
OURS = "Authentication-Results: mx.example.test;"

dns = None
up = None
key = None
page = ""


def setUpModule():
    global dns, up, key, page
    if WHY:
        harness.notice(WHY + "; the suite is skipped")
        raise unittest.SkipTest("NOTICE: " + WHY)
    with open(PAGE, encoding="utf-8") as file:
        page = file.read()
    key = RsaKey()
    signer = {"TXT": [key.record]}
    dns = dnsserver.DnsServer({
        "example.net": {"TXT": ["v=spf1 ip4:192.0.2.0/24 -all exp=why.example.net"]},
        "why.example.net": {"TXT": ["%{i} is not ours, see https://example.net/?s=%{S}"]},
        "mail.example.net": {"TXT": ["v=spf1 a -all"], "A": [GOOD]},
        "_dmarc.example.net": {"TXT": ["v=DMARC1; p=reject"]}, "s._domainkey.example.net": signer,
        "two.example": {"TXT": ["v=spf1 -all", "v=spf1 +all"]}, "soft.example": {"TXT": ["v=spf1 ~all"]},
        "bank.example": {"TXT": ["v=spf1 ip4:192.0.2.0/24 -all"]}, "s._domainkey.bank.example": signer,
        "partner.example": {"TXT": ["v=spf1 ipv4:198.51.100.0/24 -all"]}, "_dmarc.partner.example": {"TXT": ["v=DMARC1; p=reject"]},
        "forwarder.example": {"TXT": ["v=spf1 ip4:203.0.113.0/28 -all"]}, "mx.forwarder.example": {"A": [FORWARDER]},
        "none.example": {"A": [GOOD]}, "slow.example": "servfail"})
    up = FakeUpstream()


def tearDownModule():
    if up:
        up.stop()
    if dns:
        dns.stop()


def message(author, signer=None, extra=""):
    """Signed where a domain is named. The first octets of a signature are wanted without signs that would be quoted in our results."""
    for number in range(200):
        octets = ("From: %s\r\nTo: %s\r\nSubject: plain\r\nMessage-ID: <%d@example.net>\r\n\r\nHello.\r\n" % (author, ALICE, number)).encode()
        if signer is None:
            return extra.encode() + octets
        field = dkim.sign(octets, b"s", signer.encode(), key.pem, include_headers=[b"From", b"Subject", b"Message-ID"])
        if re.match(rb"[A-Za-z0-9]{8}", re.sub(rb"\s", b"", re.split(rb"\sb=", field)[1])):
            return field + octets
    raise AssertionError("no signature that begins with eight letters")


def section(title):
    return page.partition("\n## " + title)[2].partition("\n## ")[0]


def conf_block(holding):
    """The page's block of configuration that has this line."""
    found = ["\n".join(lines) + "\n" for language, _, lines in fenced(page) if language == "conf" and any(holding in line for line in lines)]
    if len(found) != 1:
        raise AssertionError("%d blocks with %r" % (len(found), holding))
    return found[0]


def layout(text):
    """Files: what the page has us write, and what was shipped of all else."""
    heads = re.findall(r"^(\w+ \w+) \{", text, re.M)
    rest = "".join(block(head, lines) for head, lines in SHIPPED.items() if head not in heads)
    return {"25-sender.conf": text, "30-rest.conf": rest, "../rules/10-never.rules": 'never: log "never" when subject == "7c3f"\n'}


@harness.needs_proxy
class Page(suite.Case):
    def start(self, text="", rules="", resolver=("timeout 5s",), **settings):
        self.weir = harness.Mailweir(up.port, listen=LISTEN, files={**layout(text), "../rules/60-own.rules": rules},
                                     top=["workers 1", "authserv-id mx.example.test", block("resolver", ["nameserver " + dns.endpoint, *resolver])],
                                     **settings)
        self.addCleanup(self.weir.finish, self)
        return self.weir

    def load(self, text="", rules=""):
        """Other files, and the reload that the page says is enough."""
        for path, content in {**layout(text), "../rules/60-own.rules": rules}.items():
            self.weir.write(path, content)
        answer = self.weir.reload()
        self.assertEqual(answer["event"], "reloaded", answer["line"])

    def transaction(self, ip, sender, octets=None, rcpts=(ALICE,), helo="mail.example.net"):
        """(last reply, what was delivered: recipients and header, or None)."""
        before, client = len(up.stored()), self.closing(Client(self.weir.port, greet=False))
        client.send(b"PROXY TCP4 %s 192.0.2.25 41001 25\r\n" % ip.encode())
        client.expect(220)
        client.ehlo(helo)
        client.cmd("MAIL FROM:<%s>" % sender, 250)
        replies = [client.cmd("RCPT TO:<%s>" % rcpt) for rcpt in rcpts]
        last = client.data(octets or message(sender)) if any(reply.code == 250 for reply in replies) else replies[-1]
        client.quit()
        if last.code != 250:
            return last.raw.decode().rstrip(), None
        _, recipients, stored = wait_for(lambda: up.stored()[before:], 10, "the message")[0]
        return last.raw.decode().rstrip(), (recipients, stored.partition(b"\r\n\r\n")[0].decode().replace("\r\n", "\n") + "\n")

    def log_lines(self):
        text = self.weir.log().replace(self.weir.directory, "/etc/mailweir")
        return [re.sub(r"^\S+Z ", "", line) for line in text.splitlines()]

    def assert_said(self, sample, lines):
        """The sample is one of the lines: `...` stands for anything, names of sessions and the signature's octets are their own."""
        pattern = ".*".join(re.escape(piece) for piece in sample.split("..."))
        pattern = re.sub(r"^A\w{6}\\.1:", r"A\\w+\\.1:", pattern)
        pattern = re.sub(r"\bb=[A-Za-z0-9]{8}", "b=[A-Za-z0-9]{8}", pattern)
        if not any(re.fullmatch(pattern, line) for line in lines):
            near = [line for line in lines if line[-30:-10] in sample or sample.split(" ")[1] in line]
            self.fail("the page says\n%s\nand nothing like it was said, but:\n%s" % (sample, "\n".join(near[-10:])))

    def said(self):
        """Everything that clients are told, the log and the header say, on the way through the page."""
        lines = []

        def send(*how, **more):
            reply, delivered = self.transaction(*how, **more)
            lines.extend(reply.split("\r\n") + (delivered[1].split("\n") if delivered else []))

        self.start()
        send(GOOD, "a@example.net", message("a@example.net", "example.net"))
        for sender in ("a@example.net", "b@example.net", "a@two.example", "a@slow.example"):
            send(BAD, sender)
        self.consoles()
        self.load(conf_block("on fail mailfrom reject"))
        send(BAD, "a@example.net")
        self.load(conf_block("profile enforce"))
        for sender in ("a@example.net", "a@two.example", "a@slow.example"):
            send(BAD, sender)
        self.load(conf_block("on reject quarantine").replace("profile observe", "profile enforce").replace("on reject quarantine", ""))
        send(BAD, "a@none.example", message("a@example.net"))
        self.load(rules='mark: set header "Subject: [ext] ${subject}" when always\n')
        send(GOOD, "a@example.net", message("a@example.net", "example.net"))
        return lines + self.log_lines()

    def consoles(self):
        """The page's commands, with the messages of its first section in the log."""
        count, home = 0, self.weir.directory
        with open(os.path.join(home, "mail.log"), "w", encoding="utf-8") as file:
            file.write("\n".join(self.log_lines()) + "\n")
        with open(os.path.join(home, "message.eml"), "wb") as file:
            file.write(message("a@example.net"))
        for language, _, lines in fenced(page):
            if language != "console":
                continue
            command = lines[0].removeprefix("$ ").replace("journalctl -u mailweir -o cat", "cat mail.log")
            command = command.replace("mailweir explain", "%s explain -c conf.d" % harness.MAILWEIR)
            done = subprocess.run(["sh", "-c", command], cwd=home, capture_output=True, timeout=60, check=False)
            pattern = ".*".join(re.escape(piece) for piece in "\n".join(lines[1:]).split("..."))
            self.assertRegex(done.stdout.decode().rstrip("\n"), re.compile(r"\A%s\Z" % pattern, re.S), lines[0] + done.stderr.decode())
            count += 1
        self.assertEqual(count, 2)

    def test_samples_are_what_a_run_says(self):
        lines, count = self.said(), 0
        for language, _, sample in fenced(page):
            if language != "text":
                continue
            for line in sample:
                self.assert_said(line, lines)
                count += 1
        self.assertGreaterEqual(count, 18)

    # ------------------------------------------------------------------------------------------ what is to be written

    def check(self, files):
        weir = harness.Mailweir(up.port, listen=LISTEN, upstream=("identity xclient",), files=files, top=["workers 1"], start=False)
        done = harness.run([harness.MAILWEIR, "check", "-c", weir.conf])
        self.assertEqual(done.returncode, 0, "%r\n%s" % (files, harness.describe(done)))
        self.assertNotIn("warning", done.stdout.decode(), harness.describe(done))
        return done.stdout.decode()

    def test_blocks_of_configuration_and_rules_load(self):
        count, tests = 0, 0
        for language, _, lines in fenced(page):
            text = "\n".join(lines) + "\n"
            if language == "conf":
                self.check(layout(text))
                self.check(layout(re.sub(r"(?m)^( +)# ([a-z])", r"\1\2", text)))  # with what it only proposes
            elif language == "rules":
                said = self.check({**layout(""), "../rules/60-own.rules": text})
                self.assertEqual(int((re.search(r"; (\d+) tests passed", said) or [0, 0])[1]), text.count("\ntest "))
                tests += text.count("\ntest ")
            count += language in ("conf", "rules")
        self.assertGreaterEqual((count, tests), (5, 5))

    def test_settings_of_the_tables_load(self):
        rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| ([a-z, ]+) \|$", section("2. Exceptions"), re.M)
        lines = [(line, name) for cell, names in rows for line in re.findall(r"`([^`]+)`", cell) for name in names.split(", ") if names != "in"]
        self.assertGreater(len(lines), 8)
        for line, name in lines:
            self.check(layout(block("filter " + name, ["module " + name, line])))
        (resolver,) = re.findall(r"`(resolver \{[^`]*\})`", section("Before you begin"))
        self.check({**layout(""), "26-resolver.conf": resolver.replace("{ ", "{\n").replace(" }", "\n}") + "\n"})

    # ------------------------------------------------------------------------------------------ what is promised

    def test_exceptions(self):
        dmarc = block("filter dmarc", ["module dmarc", "profile enforce"])
        enforce = lambda *lines: block("filter spf", ["module spf", "profile enforce", *lines])  # noqa: E731
        self.start(enforce())
        for text, ip, sender, helo, code in (
                (enforce(), FORWARDER, "a@example.net", "mx.forwarder.example", "550"),
                (enforce("forwarders 203.0.113.0/28"), FORWARDER, "a@example.net", "x.example", "250"),
                (enforce("forwarder-domains .forwarder.example"), FORWARDER, "a@example.net", "mx.forwarder.example", "250"),
                (enforce("forwarder-domains .forwarder.example"), BAD, "a@example.net", "mx.forwarder.example", "550"),
                (enforce(), "198.51.100.7", "a@partner.example", "x.example", "550"),
                (enforce("on-domain partner.example permerror,fail add-header"), "198.51.100.7", "a@partner.example", "x.example", "250"),
                (enforce('local-record partner.example "v=spf1 ip4:198.51.100.0/24 -all"'), "198.51.100.7", "a@partner.example", "x.example", "250"),
                (enforce('local-record partner.example "v=spf1 ip4:198.51.100.0/24 -all"'), FORWARDER, "a@partner.example", "x.example", "550"),
                (dmarc, BAD, "a@partner.example", "x.example", "550"),
                (dmarc.replace("enforce", "enforce\n    on-domain partner.example reject add-header"), BAD, "a@partner.example", "x.example", "250")):
            self.load(text)
            self.assertEqual(self.transaction(ip, sender, helo=helo)[0][:3], code, text)

    def test_what_spf_skips_dmarc_leaves_alone_and_says_so(self):
        dmarc = block("filter dmarc", ["module dmarc", "profile enforce"])
        skips = block("filter spf", ["module spf", "skip-networks 192.0.2.0/24"])
        self.start(skips + dmarc.replace("enforce", "enforce\n    forwarders 192.0.2.0/24"))
        blind = "dmarc=permerror (no result of spf for this message)"
        self.assertIn(blind, self.transaction(GOOD, "a@example.net")[1][1].replace("\n ", " "))
        self.assertEqual(self.weir.records("dmarc-blind"), [])
        self.load(skips + dmarc)
        self.assertIn(blind, self.transaction(GOOD, "a@example.net")[1][1].replace("\n ", " "))
        self.weir.wait_record("dmarc-blind", without="spf")
        self.load(skips + dmarc.replace("enforce", "enforce\n    on permerror reject"))
        self.assertEqual(self.transaction(GOOD, "a@example.net")[0][:9], "550 5.7.1")
        self.load(block("filter spf", ["module spf", "profile enforce", "skip-helo known.example"]) + dmarc)
        self.assertEqual(self.transaction(BAD, "a@example.net", helo="known.example")[0][:3], "250")
        self.assertEqual(self.transaction(BAD, "a@example.net")[0][:3], "550")

    def test_a_wrong_order_is_told_by_check_and_log(self):
        self.start(block("filter dmarc", ["module dmarc", "profile enforce"]) + block("chain inbound", ["limits spf dmarc dkim rules"]))
        _, delivered = self.transaction(BAD, "a@none.example", message("a@example.net", "example.net"))
        self.assertIn("dmarc=permerror", delivered[1])
        self.weir.wait_record("dmarc-blind", without="dkim")
        done = harness.run([harness.MAILWEIR, "check", "-c", self.weir.conf])
        self.assertIn("no filter in front of this one checks DKIM signatures", done.stdout.decode() + done.stderr.decode(), harness.describe(done))

    def test_postmaster_hears_from_everybody(self):
        dmarc = block("filter dmarc", ["module dmarc", "profile enforce", "skip-recipients postmaster@"])
        self.start(dmarc)
        octets = message("a@example.net")
        self.assertEqual(self.transaction(BAD, "a@none.example", octets, (POSTMASTER,))[0][:3], "250")
        self.assertEqual(self.transaction(BAD, "a@none.example", octets, (POSTMASTER, ALICE))[0][:9], "550 5.7.1")

    def test_dmarc_quarantines(self):
        self.start(conf_block("on reject quarantine"))
        _, (recipients, header) = self.transaction(BAD, "a@none.example", message("a@example.net"))
        self.assertEqual(recipients, (b"<spam@example.test>",))
        self.assertIn("\nX-Mailweir-Quarantine: dmarc=fail p=reject\nX-Mailweir-Recipient: %s\n" % ALICE, header)

    def test_rules_weigh(self):
        rules = next("\n".join(lines) + "\n" for language, _, lines in fenced(section("4. Rules")) if language == "rules")
        self.start(rules=rules)
        for ip, octets, reply in ((GOOD, message("a@bank.example", "bank.example"), "250"), (BAD, message("a@soft.example"), "250"),
                                  (GOOD, message("a@bank.example"), "550 5.7.1 Mail from the bank")):
            self.assertEqual(self.transaction(ip, "a@none.example", octets)[0][:len(reply)], reply)
        dns.behave("s._domainkey.bank.example", "servfail")
        self.addCleanup(dns.behave, "s._domainkey.bank.example", None)
        self.weir.stop()
        self.weir.start()  # an empty cache
        self.assertEqual(self.transaction(GOOD, "a@none.example", message("a@bank.example", "bank.example"))[0][:9], "451 4.7.5")

    def test_protect_dkim(self):
        rules = 'mark: set header "Subject: [ext] ${subject}" when always\n'
        self.start(block("filter dkim", ["module dkim", "protect-dkim on"]), rules=rules)
        self.assertEqual(self.transaction(GOOD, "a@example.net", message("a@example.net", "example.net"))[0][:9], "451 4.3.0")
        self.assertEqual(self.transaction(GOOD, "a@example.net")[0][:3], "250")

    def test_observe_in_the_chain_is_the_other_brake(self):
        self.start(block("filter spf", ["module spf", "profile enforce"]) + block("chain inbound", ["limits observe spf dkim dmarc rules"]))
        reply, (_, header) = self.transaction(BAD, "a@example.net")
        self.assertEqual(reply[:3], "250")
        self.assertNotIn("spf=", header)
        self.weir.wait_record("observed", verdict="reject", by="spf")

    def test_forged_results_are_deleted(self):
        self.start()
        forged = "Authentication-Results: MX.example.test;\r\n\tdkim=pass header.d=bank.example\r\nAuthentication-Results: other.example; spf=pass\r\n"
        _, (_, header) = self.transaction(BAD, "a@none.example", message("a@none.example", extra=forged))
        self.assertNotIn("bank.example", header)
        self.assertTrue(header.startswith(OURS), header)
        self.assertIn("\nAuthentication-Results: other.example; spf=pass\n", header)
        self.weir.wait_record("forged-results", fields=1)

    def test_when_the_dns_is_away(self):
        """The page's table, row by row; and the cache, and the way back."""
        spf, dkim_, dmarc = ([name + " {", "    module " + name.split()[1]] for name in ("filter spf", "filter dkim", "filter dmarc"))
        block_of = lambda lines, *more: "\n".join([*lines, *more, "}"]) + "\n"  # noqa: E731
        rows = re.findall(r"^\| (SPF temperror|a DKIM key|DMARC) \| ([^|]+) \| ([^|]+) \|$", section("When the DNS"), re.M)
        self.assertEqual([what for what, _, _ in rows], ["SPF temperror", "a DKIM key", "DMARC"])
        self.start(block_of(spf, "profile enforce"), resolver=("timeout 1s", "attempts 1"))
        self.assertEqual(self.transaction(GOOD, "a@example.net", rcpts=(POSTMASTER,))[0][:3], "250")
        dns.pause()
        self.addCleanup(dns.resume)
        self.assertEqual(self.transaction(GOOD, "a@example.net")[0][:3], "250", "from the cache")
        self.assertEqual(self.transaction(GOOD, "a@bank.example")[0][:10], "451 4.7.24")
        number = 0
        for text, reply, results in (
                ("", "250", ("spf=temperror", "dkim=temperror", "dmarc=temperror")),
                (block_of(spf, "profile enforce", "on temperror add-header"), "250", ("spf=temperror",)),
                (block_of(dkim_, "profile enforce") + block_of(dmarc, "profile enforce"), "250", ("dkim=temperror", "dmarc=temperror")),
                (block_of(dkim_, "on temperror defer"), "451", ()), (block_of(dmarc, "on temperror defer"), "451", ())):
            self.load(text)
            number += 1
            domain = "away%d.example" % number
            said, delivered = self.transaction(GOOD, "a@" + domain, message("a@" + domain, domain))
            self.assertEqual(said[:3], reply, text)
            for result in results:
                self.assertIn(result, delivered[1])
        dns.resume()
        self.load(block_of(spf, "profile enforce"))
        wait_for(lambda: self.transaction(GOOD, "a@bank.example")[0][:3] == "250", 10, "a good answer again", step=0.2)


if __name__ == "__main__":
    if harness.DIRECT:
        harness.notice("MW_DIRECT=1: the suite of the page on SPF is skipped")
        sys.exit(0)
    harness.main()
