"""What a phisher sends to get dmarc=pass while a mail program shows somebody else's domain, through the program: SPF passes for evil.example,
which is his, and DKIM where his signer takes the message. Python's readers of mail stand for mail programs: where the result is pass, none of
them may find an address of another domain in any From of what arrived. Display names are not DMARC's matter (RFC 9989 11.4)."""
import email
import email.errors
import email.policy
import email.utils
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import suite  # noqa: E402
import test_dmarc  # noqa: E402
from smtpline import Client  # noqa: E402

try:
    import dkim
except ImportError:
    dkim = None

EVIL, BANK = "evil.example", "bank.example"


def setUpModule():
    test_dmarc.setUpModule()


def zones():
    records = test_dmarc.zones(evil_example="v=DMARC1; p=none", bank_example="v=DMARC1; p=reject")
    records["s._domainkey." + EVIL] = test_dmarc.record(test_dmarc.key.record)
    records[EVIL] = {"TXT": [test_dmarc.SPF_PASS]}
    for name in ("a." + BANK, BANK):
        records.pop(name, None)
    records["s._domainkey." + BANK] = {"TXT": []}
    return records


def signed(message):
    try:
        return dkim.sign(message, b"s", EVIL.encode(), test_dmarc.key.private, include_headers=[b"From", b"Subject"]) + message
    except Exception:  # the signer wants one From that it can read
        return message


def old_reader(value):
    """What getaddresses() did before it looked at addresses strictly."""
    try:
        return email.utils.getaddresses([value], strict=False)
    except TypeError:
        return email.utils.getaddresses([value])


def shown_domains(octets):
    """Of every From that some reader finds, the domain of every address in it. The new reader gives up on some values."""
    addresses = []
    for name, value in email.message_from_bytes(octets, policy=email.policy.compat32).items():
        if name.strip(" \t").lower() == "from":
            addresses += [address for _, address in old_reader(str(value).replace("\r\n", ""))]
    try:
        for name, value in email.message_from_bytes(octets, policy=email.policy.default).items():
            if name.strip(" \t").lower() == "from":
                addresses += [address.addr_spec for address in value.addresses]
    except (AttributeError, IndexError, TypeError, ValueError, email.errors.HeaderParseError):
        pass
    return {address.rpartition("@")[2].strip(" .<>").lower() for address in addresses if "@" in address}


@harness.needs_proxy
class Forged(test_dmarc.Base):
    def setUp(self):
        super().setUp()
        self.serve(zones())
        self.client = None

    def deliver(self, weir, octets):
        """False: refused."""
        if self.client is None:
            self.client = self.closing(Client(weir.port, source=test_dmarc.CLIENT))
            self.client.ehlo("helo.nospf.test")
        self.client.envelope("x@" + EVIL, suite.ALICE)
        return self.client.data(octets).code == 250

    def judge(self, weir, octets):
        """"pass evil.example", once mailweir's readers and Python's agree on it; "refused"."""
        if not self.deliver(weir, octets):
            return "refused"
        result, _, domain = self.result()
        if result == "pass":
            others = {name for name in shown_domains(self.arrived()) if name != EVIL and not name.endswith("." + EVIL)}
            self.assertFalse(others, self.arrived())
        return "%s %s" % (result, domain)

    def test_headers(self):
        weir = self.weir(chain="spf dkim dmarc")
        rows = (
            (b"From: x@evil.example\r\n", "pass evil.example"),
            (b"From: \"ceo@bank.example\" <x@evil.example>\r\n", "pass evil.example"),
            (b"From: x@evil.example\r\nSender: ceo@bank.example\r\n", "pass evil.example"),
            (b"From: ceo@bank.example\r\nSender: x@evil.example\r\n", "fail bank.example"),
            (b"Sender: x@evil.example\r\n", "permerror "),
            (b"From: x@evil.example\r\nFrom: ceo@bank.example\r\n", "fail bank.example"),
            (b"From: ceo@bank.example\r\nFrom: x@evil.example\r\n", "fail bank.example"),
            (b"From : ceo@bank.example\r\nFrom: x@evil.example\r\n", "fail bank.example"),
            (b"From: x@evil.example\r\nFROM\t: ceo@bank.example\r\n", "fail bank.example"),
            (b"From: x@evil.example\r\nFrom: y@evil.example\r\n", "permerror evil.example"),
            (b"From: x@evil.example, ceo@bank.example\r\n", "fail bank.example"),
            (b"From: Group: ceo@bank.example, x@evil.example;\r\n", "fail bank.example"),
            (b"From: ceo@bank.example@evil.example\r\n", "fail bank.example"),
            (b"From: \"ceo@bank.example\"@evil.example\r\n", "permerror evil.example"),
            (b"From: <@bank.example:x@evil.example>\r\n", "pass evil.example"),
            (b"From: x@evil.example (ceo@bank.example)\r\n", "pass evil.example"),
            (b"From: \"ceo@bank.example\", x@evil.example\r\n", "permerror evil.example"),
            (b"From: =?utf-8?q?ceo=40bank=2Eexample=00?=@evil.example\r\n", "permerror evil.example"),
            (b"From: =?utf-8?q?ceo=40bank=2Eexample?=\r\n", "permerror "),
            (b"From: ceo@bank.example\0 <x@evil.example>\r\n", "permerror evil.example"),
            (b"From:\r\n x@evil.example\r\n \r\n ,ceo@bank.example\r\n", "fail bank.example"),
            (b"From: x@evil.example\r\nno field\r\nFrom: ceo@bank.example\r\n", "pass evil.example"),  # the second From is body, here and there
            (b"From: x@evil.example\rFrom: ceo@bank.example\r\n", "refused"),
            (b"From: x@ev\xc3\xacl.example\r\n", "none xn--evl-oma.example"),
            (b"From: ceo@BANK.example.\r\n", "fail bank.example"),
            (b"From: ceo@[192.0.2.1]\r\n", "permerror "),
        )
        for header, want in rows:
            message = header + b"Subject: pay\r\nTo: alice@example.test\r\n\r\nHello.\r\nFrom: ceo@bank.example\r\n"
            for octets in {message, signed(message)}:
                with self.subTest(header=header, is_signed=octets != message):
                    self.assertEqual(self.judge(weir, octets), want)

    def test_generated(self):
        """Pieces of addresses in any order: what passes shows nobody else."""
        weir, dice, passed = self.weir(chain="spf dkim dmarc"), random.Random(11), 0
        pieces = [b"x@evil.example", b"<x@evil.example>", b"ceo@bank.example", b"<ceo@bank.example>", b"\"ceo@bank.example\"", b"(ceo@bank.example)",
                  b"@bank.example", b"@evil.example", b"ceo", b"bank.example", b"=?utf-8?q?ceo=40bank=2Eexample?=", b"G:", b",", b";", b":", b"<", b">", b"\"",
                  b"(", b")", b"@", b".", b"\\", b" ", b"\r\n ", b"\t", b"\0", b"\xc3\xa9", b"[", b"]", b"[x] "]
        for _ in range(1500):
            value = b"".join(dice.choice(pieces) for _ in range(dice.randrange(1, 7)))
            with self.subTest(value):
                passed += self.judge(weir, b"From: " + value + b"\r\nSubject: pay\r\n\r\nHello.\r\n").startswith("pass")
        self.assertGreater(passed, 5)

    def test_helo_that_passes_is_no_sender(self):
        """SPF of HELO counts for the null sender alone (RFC 9989 4.4.2), and then for HELO's name."""
        records = zones()
        records["helo." + BANK] = {"TXT": [test_dmarc.SPF_PASS]}
        self.serve(records)
        weir = self.weir(chain="spf dkim dmarc")
        for sender, helo, want in (("x@nospf.test", "helo." + BANK, "fail bank.example"), ("", "helo." + EVIL, "fail bank.example"),
                                   ("x@" + EVIL, "helo." + BANK, "fail bank.example"), ("", "helo." + BANK, "pass bank.example")):
            client = self.closing(Client(weir.port, source=test_dmarc.CLIENT))
            client.ehlo(helo)
            client.envelope(sender, suite.ALICE)
            self.assertEqual(client.data(b"From: ceo@bank.example\r\nSubject: pay\r\n\r\nHello.\r\n").code, 250)
            client.quit()
            self.assertEqual("%s %s" % self.result()[::2], want, (sender, helo))


if __name__ == "__main__":
    unittest.main()
