"""filters/dkim against those who mean harm: keys with absurd numbers and sizes, name servers, ten thousand signatures, l= and fields that
appear twice. What must hold is as in test_spf_hostile.py; and nothing passes that is not what its signer signed."""
import base64
import hashlib
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import authres  # noqa: E402
import harness  # noqa: E402
import hostile  # noqa: E402
from harness import block  # noqa: E402
from hostile import NAME  # noqa: E402
from rsakey import RsaKey  # noqa: E402

def der(tag, content):
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def integer(value):
    return der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def public_key(numbers):
    """SubjectPublicKeyInfo of RSA in base64."""
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    return base64.b64encode(der(0x30, algorithm + der(3, b"\0" + der(0x30, numbers)))).decode()


def rsa_key(modulus, exponent):
    return public_key(integer(modulus) + integer(exponent))


def odd_number(bits):
    return (1 << (bits - 1)) | 1 | int.from_bytes(hashlib.shake_256(b"%d" % bits).digest(bits // 8 + 1), "big") >> 9


HEAD = b"From: a@bank.test\r\nTo: alice@example.test\r\nSubject: s\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
TEXT = b"Hello.\r\n"
KEYS = {
    "plain": rsa_key(odd_number(2048), 65537),
    "exponent-huge": rsa_key(odd_number(2048), odd_number(2048)),
    "exponent-huge-small-modulus": rsa_key(odd_number(1024), odd_number(16384)),
    "exponent-1": rsa_key(odd_number(2048), 1),
    "exponent-0": rsa_key(odd_number(2048), 0),
    "exponent-even": rsa_key(odd_number(2048), 65536),
    "modulus-0": rsa_key(0, 65537),
    "modulus-1": rsa_key(1, 65537),
    "modulus-even": rsa_key(odd_number(2048) + 1, 65537),
    "bits-40": rsa_key(odd_number(40), 65537),
    "bits-512": rsa_key(odd_number(512), 65537),
    "bits-8192": rsa_key(odd_number(8192), 65537),
    "bits-16384": rsa_key(odd_number(16384), odd_number(64)),
    "bits-131072": rsa_key(odd_number(131072), 65537),
    "negative": public_key(der(2, b"\xff" * 128) + der(2, b"\x03")),
    "nested": base64.b64encode(b"\x30\x80" * 2000).decode(),
    "length-lies": base64.b64encode(b"\x30\x84\xff\xff\xff\xff" + b"A" * 200).decode(),
    "no-base64": "!!!!", "empty": "", "one": "A", "blanks": " " * 2000 + "AAAA",
    "long": "A" * 60000,
    "ed25519-short": "AAAA",
    "ec": base64.b64encode(bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004") + b"\x01" * 64).decode(),
}
KEY_RECORDS = {
    "two-records": ["v=DKIM1; p=" + KEYS["exponent-1"], "v=DKIM1; p=" + KEYS["bits-512"]],
    "nul": [b"v=DKIM1; p=\0AAAA"], "eight": [b"v=DKIM1; p=\xff\xfe"], "no-p": ["v=DKIM1; k=rsa"], "version": ["v=DKIM2; p=AAAA"],
    "tags": ["v=DKIM1; " + "x=y; " * 10000 + "p=AAAA"], "twice": ["v=DKIM1; p=AAAA; p=BBBB"], "thousand": ["v=DKIM1; p=AAAA"] * 1000,
    "strings": [["v=DKIM1; p="] + ["A"] * 1000], "semicolons": [";" * 4000], "equals": ["=" * 4000],
}


def canonical(text):
    """Body hash of a body that canonicalization does not change."""
    return base64.b64encode(hashlib.sha256(text).digest()).decode()


def signature(selector, domain="bank.test", algorithm="rsa-sha256", more="", octets=256, folded=False):
    field = ("DKIM-Signature: v=1; a=%s; c=relaxed/simple; d=%s; s=%s;%s h=from:to:subject; bh=%s; b=%s\r\n"
             % (algorithm, domain, selector, more, canonical(TEXT), base64.b64encode(b"\x01" * octets).decode()))
    return field.replace("; ", ";\r\n ").encode() if folded else field.encode()


@harness.needs_proxy
class Keys(hostile.HostileCase):
    """Signatures whose keys are meant to cost or to crash."""
    FILTERS = block("filter dkim", ["module dkim", "skip-networks none"]) + block("chain observe", ["dkim"])
    CHAINS = ("observe",)
    LISTEN = ("max-header-fields 20000", "max-header-size 8MiB")
    ZONES = {**{"%s._domainkey.bank.test" % name: {"TXT": ["v=DKIM1; k=%s; p=%s" % ("ed25519" if name.startswith("ed") else "rsa", key)]}
                for name, key in KEYS.items()},
             **{"%s._domainkey.bank.test" % name: {"TXT": values} for name, values in KEY_RECORDS.items()},
             **{"%s._domainkey.bank.test" % name: name for name in ("servfail", "refused", "mute", "garbage", "truncated-mute", "loop", "lame")}}

    def dkim(self, message, wanted=("fail", "permerror", "neutral", "policy", "temperror", "none"), seconds=3):
        """The results, all of them wanted, in time. (`pass` never is: nothing here is signed.)"""
        self.dns.forget()
        began, used = time.monotonic(), self.weir.cpu_seconds()
        refusal, delivered = self.converse("observe", "a@sender.test", message)
        self.assertIsNone(refusal)
        self.assertLess(self.weir.cpu_seconds() - used, seconds * harness.slowness() * (4 if harness.is_sanitized() else 1))
        self.assertLess(time.monotonic() - began, 60)
        values = authres.values(delivered, NAME, "dkim")
        for value in values:
            self.assertIn(value, wanted)
        return values

    def test_every_key(self):
        for name in (*KEYS, *KEY_RECORDS):
            with self.subTest(name):
                algorithm = "ed25519-sha256" if name.startswith("ed") else "rsa-sha256"
                self.assertEqual(len(self.dkim(signature(name, algorithm=algorithm) + HEAD + b"\r\n" + TEXT)), 1)
                self.assertGreater(self.dns.questions, 0)  # it got as far as the key

    def test_every_server(self):
        for name in ("servfail", "refused", "mute", "garbage", "truncated-mute"):
            with self.subTest(name):
                self.assertEqual(self.dkim(signature(name) + HEAD + b"\r\n" + TEXT), ["temperror"])
        for name in ("loop", "lame"):
            with self.subTest(name):
                self.dkim(signature(name) + HEAD + b"\r\n" + TEXT)

    def test_ten_thousand_signatures(self):
        """A bounded number is looked at; no more keys are asked for."""
        for make in (lambda i: signature("bits-512"), lambda i: signature("s%d" % i), lambda i: signature("s%d" % i, "d%d.test" % i, folded=True)):
            values = self.dkim(b"".join(make(i) for i in range(10000)) + HEAD + b"\r\n" + TEXT, seconds=15)
            self.assertLessEqual(len(values), 5)  # max-signatures
            self.assertLessEqual(self.dns.questions, 5)

    def test_a_signature_that_is_large(self):
        for more in (" x=%s;" % ("y" * 60000), " x=y;" * 5000 + "", " z=%s;" % ("|" * 20000), " h=%s;" % ":".join(["from"] * 9000)):
            with self.subTest(more[:10]):
                self.dkim(signature("bits-512", more=more) + HEAD + b"\r\n" + TEXT)

    def test_h_with_very_many_names(self):
        for count in (100, 500, 5000):
            field = signature("plain").replace(b"h=from:to:subject", b"h=from:" + b":".join([b"x-a"] * count))
            self.dkim(field + b"X-A: b\r\n" * 15000 + HEAD + b"\r\n" + TEXT)

    def test_a_signature_that_is_nonsense(self):
        for field in (b"", b" ", b";;;;", b"v=1", b"v=1; a=rsa-sha256; d=; s=; h=; bh=; b=", b"v=1; " + b"\xff" * 500, b"=" * 1000, b"v=2; a=x",
                      b"v=1; a=rsa-sha256; d=" + b"a." * 600 + b"; s=x; h=from; bh=AA==; b=AA==",
                      b"v=1; a=rsa-sha256; d=bank.test; s=" + b"a" * 64 + b"; h=from; bh=AA==; b=AA==",
                      b"v=1; a=rsa-sha256; d=bank.test; s=a..b; h=from; bh=AA==; b=AA==",
                      b"v=1; a=rsa-sha256; d=bank.test; s=bits-512; h=to; bh=AA==; b=AA==; t=99999999999999999999; x=-1"):
            with self.subTest(field[:30]):
                self.dkim(b"DKIM-Signature: " + field + b"\r\n" + HEAD + b"\r\n" + TEXT)

    def test_d_and_s_do_not_break_the_field(self):
        for domain in ("bank.test (x)", "bank.test\";pass", "b(ank.test", "bank.test;dkim=pass", "b\u00e4nk.test", "bank.test\r\n\tx"):
            with self.subTest(domain):
                self.dkim(signature("bits-512", domain) + HEAD + b"\r\n" + TEXT)


def signing():
    """dkimpy's signer and a key, or None."""
    sys.path.append("/usr/lib/python3/dist-packages")
    try:
        import dkim
    except ImportError:
        harness.notice("dkimpy is not installed: its tests are skipped")
        raise unittest.SkipTest("NOTICE: dkimpy is not installed") from None
    return dkim


@harness.needs_proxy
class Signed(hostile.HostileCase):
    """Good signatures, used badly."""
    FILTERS, CHAINS = Keys.FILTERS, Keys.CHAINS

    @classmethod
    def setUpClass(cls):
        cls.signer = signing()
        cls.key = RsaKey(2048)
        cls.ZONES = {"s._domainkey.bank.test": {"TXT": [cls.key.record]}}
        super().setUpClass()

    def sign(self, message, **options):
        return self.signer.sign(message, b"s", b"bank.test", self.key.pem, canonicalize=(b"relaxed", b"relaxed"), **options) + message

    def values(self, message):
        _, delivered = self.converse("observe", "a@sender.test", message)
        return authres.values(delivered, NAME, "dkim")

    def test_good(self):
        self.assertEqual(self.values(self.sign(HEAD + b"\r\n" + TEXT)), ["pass"])

    def test_tampered(self):
        signed = self.sign(HEAD + b"\r\n" + TEXT)
        for old, new in ((b"Hello.", b"Hallo."), (b"Subject: s\r\n", b"Subject: t\r\n"), (b"From: a@", b"From: b@"),
                         (b"d=bank.test", b"d=bang.test")):
            with self.subTest(new):
                self.assertNotIn("pass", self.values(signed.replace(old, new, 1)))

    def test_l_and_more_text_behind(self):
        """RFC 6376 8.2: what was added is nobody's. It is no plain `pass`."""
        signed = self.sign(HEAD + b"\r\n" + TEXT, length=True)
        self.assertIn(b"l=", signed)
        self.assertNotIn("pass", self.values(signed + b"<html>Send money.\r\n"))

    def test_l_larger_than_the_body(self):
        signed = self.sign(HEAD + b"\r\n" + TEXT, length=True)
        for length in (b"l=9;", b"l=999999999999999999999;", b"l=-1;", b"l=0;", b"l=;"):
            with self.subTest(length):
                self.assertNotIn("pass", self.values(signed.replace(b"l=8;", length)))

    def test_fields_twice(self):
        """RFC 6376 8.15: a second From or Subject on top, that readers show and the signature does not cover."""
        signed = self.sign(HEAD + b"\r\n" + TEXT, include_headers=[b"from", b"to", b"subject", b"date"])
        for field in (b"From: ceo@bank.test\r\n", b"Subject: urgent\r\n"):
            with self.subTest(field):
                self.assertNotIn("pass", self.values(field + signed))

    def test_same_signature_many_times(self):
        signed = self.sign(HEAD + b"\r\n" + TEXT)
        field = signed[:-len(HEAD + b"\r\n" + TEXT)]
        self.dns.forget()
        values = self.values(field * 200 + signed)
        self.assertIn("pass", values)
        self.assertLessEqual(len(values), 5)  # max-signatures
        self.assertLessEqual(self.dns.questions, 5)


if __name__ == "__main__":
    harness.main()
