"""The SPF filter through real dialogues: profiles, lists, overrides, forwarders, local records; what clients are told and what mail carries; and
a name server that does not answer. Names come from lib/dnsserver.py, client addresses from PROXY headers."""
import os
import re
import select
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import postfix  # noqa: E402
import suite  # noqa: E402
from fake_upstream import FakeUpstream  # noqa: E402
from harness import block, wait_for  # noqa: E402
from smtpline import Client  # noqa: E402
from suite import ALICE, BOB, PLAIN  # noqa: E402

try:
    import dnsserver
except ImportError as error:
    dnsserver, WHY = None, "no dnspython (%s)" % error

GOOD, BAD, FORWARDER, SIX = "192.0.2.7", "192.0.2.66", "198.51.100.1", "2001:db8::7"
ZONES = {
    "example.net": {"TXT": ["v=spf1 ip4:192.0.2.7 ip6:2001:db8::/64 -all exp=why.example.net"]},
    "why.example.net": {"TXT": ["%{i} is not ours, see https://example.net/?s=%{S}"]},
    "mail.example.net": {"TXT": ["v=spf1 ip4:192.0.2.7 -all"]},
    "soft.example": {"TXT": ["v=spf1 ~all"]},
    "neutral.example": {"TXT": ["v=spf1 ?all"]},
    "two.example": {"TXT": ["v=spf1 -all", "v=spf1 +all"]},
    "none.example": {"TXT": ["hello"]},
    "broken.example": "servfail",
    "mute.example": "mute",
    "evil.example": {"TXT": ["v=spf1 -all exp=why.evil.example"]},
    "why.evil.example": {"TXT": [b"no\r\n250 2.0.0 queued \xfc" + b"x" * 600]},
    "forwarder.example": {"TXT": ["v=spf1 ip4:198.51.100.0/24 -all"]},
    "xn--bcher-kva.example": {"TXT": ["v=spf1 ip4:192.0.2.7 -all"]},
    "slow.example": {"TXT": ["v=spf1 -all"]},
}
LISTEN = ("client-name off", "accept-proxy required", "trust 127.0.0.1/32")

dns = None
up = None


def setUpModule():
    global dns, up
    if dnsserver is None:
        harness.notice(WHY + "; the suite is skipped")
        raise unittest.SkipTest("NOTICE: " + WHY)
    dns = dnsserver.DnsServer(ZONES)
    up = FakeUpstream()


def tearDownModule():
    if up:
        up.stop()
    if dns:
        dns.stop()


def hop(client, proxied):
    client.send(b"PROXY TCP%d %s %s 4711 25\r\n" % (6 if ":" in proxied else 4, proxied.encode(), b"::1" if ":" in proxied else b"192.0.2.25"))
    client.expect(220)


class Base(suite.Case):
    def weir(self, *spf, port=None, extra="", chain="spf", deadline="60s", top=(), resolver=("timeout 5s", "attempts 1"), **settings):
        lines = ["module spf", "deadline " + deadline, *spf]
        weir = harness.Mailweir(port or up.port, listen=LISTEN, filters=block("filter spf", lines) + extra, chain=chain,
                                top=["workers 1", "authserv-id mx.example.test", *top,
                                     block("resolver", ["nameserver " + dns.endpoint, *resolver])], **settings)
        self.addCleanup(weir.finish, self)
        dns.forget()
        return weir

    def client(self, weir, ip, helo="mail.example.net"):
        client = self.closing(Client(weir.port, greet=False))
        hop(client, ip)
        if helo is not None:
            client.ehlo(helo)
        return client

    def rcpt(self, weir, ip, sender, *rcpts, helo="mail.example.net", params=""):
        """The replies to RCPT of one transaction."""
        client = self.client(weir, ip, helo)
        client.cmd("MAIL FROM:<%s>%s" % (sender, params), 250)
        replies = [client.cmd("RCPT TO:<%s>" % rcpt) for rcpt in rcpts or (ALICE,)]
        client.quit()
        return replies if len(replies) > 1 else replies[0]

    def deliver(self, weir, ip, sender, *rcpts, helo="mail.example.net", params="", message=PLAIN):
        """The message as the upstream got it: (recipients, header)."""
        before = len(up.stored())
        client = self.client(weir, ip, helo)
        client.cmd("MAIL FROM:<%s>%s" % (sender, params), 250)
        for rcpt in rcpts or (ALICE,):
            client.cmd("RCPT TO:<%s>" % rcpt, 250)
        self.assertEqual(client.data(message).code, 250)
        client.quit()
        _, recipients, octets = wait_for(lambda: up.stored()[before:], 10, "the message")[0]
        return recipients, octets.split(b"\r\n\r\n")[0].decode("utf-8", "backslashreplace")

    def results(self, header):
        """What our Authentication-Results say, unfolded; each method's result."""
        unfolded = re.sub(r"\r\n(?=[ \t])", "", header)
        found = re.findall(r"(?m)^Authentication-Results: mx\.example\.test;\s*(.*?)\r?$", unfolded)
        self.assertLessEqual(len(found), 1, header)
        return [re.sub(r"\s+", " ", part).strip() for part in found[0].split(";")] if found else []


@harness.needs_proxy
class Observe(Base):
    """The default: mail passes, carries its result, and the log tells what enforce would have done."""

    def test_every_result(self):
        weir = self.weir("helo-check off")
        for ip, sender, result, would in (
                (GOOD, "a@example.net", "spf=pass (mechanism ip4:192.0.2.7 of example.net) smtp.mailfrom=a@example.net", None),
                (SIX, "a@example.net", "spf=pass (mechanism ip6:2001:db8::/64 of example.net) smtp.mailfrom=a@example.net", None),
                (BAD, "a@example.net", "spf=fail (mechanism -all of example.net) smtp.mailfrom=a@example.net", ("reject", "550", "5.7.23")),
                (BAD, "a@soft.example", "spf=softfail (mechanism ~all of soft.example) smtp.mailfrom=a@soft.example", None),
                (BAD, "a@neutral.example", "spf=neutral (mechanism ?all of neutral.example) smtp.mailfrom=a@neutral.example", None),
                (BAD, "a@none.example", "spf=none (no SPF record) smtp.mailfrom=a@none.example", None),
                (BAD, "a@two.example", None, ("reject", "550", "5.7.24")),
                (BAD, "a@broken.example", None, ("defer", "451", "4.7.24"))):
            with self.subTest(sender=sender, ip=ip):
                start = weir.mark()
                _, header = self.deliver(weir, ip, sender)
                found = self.results(header)
                self.assertEqual(len(found), 1, header)
                if result:
                    self.assertEqual(found[0], result)
                told = weir.records("spf-would", start)
                self.assertEqual([(t["action"], t["code"], t["dsn"]) for t in told], [would] if would else [])
                if would:
                    self.assertEqual((told[0]["client"], told[0]["from"], told[0]["filter"]), (ip, "<%s>" % sender, "spf"))
                self.assertEqual(weir.records("reject", start), [])

    def test_helo_result_beside_it(self):
        _, header = self.deliver(self.weir(), BAD, "a@soft.example")
        self.assertEqual(self.results(header)[1], "spf=fail (mechanism -all of mail.example.net) smtp.helo=mail.example.net")

    def test_forged_result_is_gone(self):
        forged = b"Authentication-Results: mx.example.test; spf=pass smtp.mailfrom=example.net\r\n" + PLAIN
        _, header = self.deliver(self.weir("helo-check off"), BAD, "a@example.net", message=forged)
        self.assertEqual(self.results(header), ["spf=fail (mechanism -all of example.net) smtp.mailfrom=a@example.net"])

    def test_sender_that_looks_like_a_result(self):
        """Octets that a client chose cannot add a result of their own, nor keep ours out."""
        weir = self.weir("helo-check off")
        for sender, shown in (('"a;spf=pass"@example.net', '"\\"a_spf=pass\\"@example.net"'), ('"a(b"@example.net', '"\\"a(b\\"@example.net"'),
                              ('"a\\"b"@example.net', '"\\"a\\\\\\"b\\"@example.net"'), ("a=b@example.net", "a=b@example.net")):
            with self.subTest(sender):
                _, header = self.deliver(weir, BAD, sender)
                self.assertEqual(self.results(header), ["spf=fail (mechanism -all of example.net) smtp.mailfrom=" + shown])

    def test_observed_by_the_chain(self):
        """`observe spf`: the host tells what the filter would have said, and keeps its result out."""
        weir = self.weir("profile enforce", "helo-check off", chain="observe spf")
        _, header = self.deliver(weir, BAD, "a@example.net")
        self.assertEqual(self.results(header), [])
        told = weir.wait_record("observed", verdict="reject")
        self.assertEqual((told["by"], told["rule"], told["code"]), ("spf", "fail", "550"))

    def test_received_spf(self):
        _, header = self.deliver(self.weir("helo-check off", "result-header received-spf"), BAD, "a@example.net")
        self.assertTrue(header.startswith("Received-SPF: fail (mx.example.test: example.net does not designate 192.0.2.66 as permitted sender)"
                                          "\r\n\tclient-ip=192.0.2.66;\r\n\tenvelope-from=\"a@example.net\";\r\n\thelo=mail.example.net;"
                                          "\r\n\treceiver=mx.example.test;\r\n\tidentity=mailfrom;\r\n\tmechanism=-all\r\n"), header)
        self.assertEqual(self.results(header), [])

    def test_null_sender(self):
        _, header = self.deliver(self.weir(), GOOD, "")
        self.assertEqual(self.results(header), ["spf=pass (mechanism ip4:192.0.2.7 of mail.example.net) smtp.helo=mail.example.net"])

    def test_internationalized_domain(self):
        weir = self.weir("helo-check off")
        _, header = self.deliver(weir, GOOD, "a@b\u00fccher.example", params=" SMTPUTF8")
        self.assertEqual(self.results(header), ["spf=pass (mechanism ip4:192.0.2.7 of xn--bcher-kva.example) smtp.mailfrom=a@b\u00fccher.example"])

    def test_facts_reach_rules(self):
        weir = self.weir("helo-check off", extra="filter rules {\n    module rules\n    files rules/*.rules\n}\n", chain="spf rules",
                         files={"rules/10.rules": 'seen: reject 550 5.7.1 "by rule" when spf.result == "fail" and spf.domain == "example.net"\n'})
        self.assertEqual(self.rcpt(weir, BAD, "a@example.net").raw, b"550 5.7.1 by rule\r\n")
        self.assertEqual(self.rcpt(weir, GOOD, "a@example.net").code, 250)


@harness.needs_proxy
class Enforce(Base):
    def test_replies(self):
        weir = self.weir("profile enforce", "helo-check off")
        for ip, sender, raw in (
                (BAD, "a@example.net", b"550 5.7.23 SPF: 192.0.2.66 is not allowed to send mail from example.net (the domain says: 192.0.2.66 is "
                                       b"not ours, see https://example.net/?s=a%40example.net)\r\n"),
                (GOOD, "a@example.net", None), (SIX, "a@example.net", None), (BAD, "a@soft.example", None), (BAD, "a@none.example", None),
                (BAD, "a@two.example", br"550 5\.7\.24 SPF: the record of two\.example cannot be used \(.+\)\r\n"),
                (BAD, "a@broken.example", br"451 4\.7\.24 SPF: the record of broken\.example could not be looked up \(.+\), try again later\r\n")):
            with self.subTest(sender=sender, ip=ip):
                reply = self.rcpt(weir, ip, sender)
                if raw is None:
                    self.assertEqual(reply.code, 250)
                else:
                    self.assertRegex(reply.raw, b"^" + (raw if b"\\" in raw else re.escape(raw)) + b"$")

    def test_log_line_says_why_and_where(self):
        weir = self.weir("profile enforce", "helo-check off")
        self.rcpt(weir, BAD, "a@example.net")
        record = weir.wait_record("reject")
        self.assertEqual((record["by"], record["rule"], record["code"], record["dsn"]), ("spf", "fail", "550", "5.7.23"))
        self.assertRegex(record["where"], r"20-filters\.conf:4$")
        self.assertEqual(weir.records("spf-would"), [])

    def test_hostile_explanation(self):
        """CR LF and 8-bit octets in exp= cannot end our line, and the line keeps to 512 octets (RFC 5321 4.5.3.1.5)."""
        reply = self.rcpt(self.weir("profile enforce", "helo-check off"), BAD, "a@evil.example")
        self.assertEqual(len(reply.lines), 1)
        self.assertLessEqual(len(reply.raw), 512)
        self.assertRegex(reply.raw, rb"^550 5\.7\.23 [ -~]+\r\n$")

    def test_explanation_off_and_own(self):
        weir = self.weir("profile enforce", "helo-check off", "explanation off")
        self.assertEqual(self.rcpt(weir, BAD, "a@example.net").raw, b"550 5.7.23 SPF: 192.0.2.66 is not allowed to send mail from example.net\r\n")
        self.assertEqual(dns.asked[("why.example.net", "TXT")], 0)
        weir = self.weir("profile enforce", "helo-check off", 'explanation "%{result} of %{i}: https://example.test/why?from=%{S}"')
        self.assertEqual(self.rcpt(weir, BAD, "a+b@example.net").raw,
                         b"550 5.7.23 fail of 192.0.2.66: https://example.test/why?from=a%2Bb%40example.net\r\n")

    def test_forged_helo(self):
        weir = self.weir("profile enforce", "helo-check reject")
        self.assertEqual(self.rcpt(weir, BAD, "a@none.example").raw,
                         b"550 5.7.23 SPF: 192.0.2.66 is not allowed to call itself mail.example.net\r\n")
        self.assertEqual(self.rcpt(weir, GOOD, "a@none.example").code, 250)
        self.assertEqual(self.rcpt(self.weir("profile enforce"), BAD, "a@none.example").code, 250)

    def test_null_sender_is_refused_by_helo(self):
        self.assertEqual(self.rcpt(self.weir("profile enforce", "helo-check off"), BAD, "").code, 550)

    def test_judge_mail(self):
        weir = self.weir("profile enforce", "judge mail")
        client = self.client(weir, BAD)
        self.assertEqual(client.cmd("MAIL FROM:<a@example.net>").dsn, "5.7.23")
        self.assertEqual(client.cmd("MAIL FROM:<a@none.example>").code, 250)

    def test_two_recipients_one_skipped(self):
        weir = self.weir("profile enforce", "skip-recipients alice@")
        replies = self.rcpt(weir, BAD, "a@example.net", BOB, ALICE)
        self.assertEqual([r.code for r in replies], [550, 250])

    def test_lists(self):
        weir = self.weir("profile enforce", "helo-check reject", "skip-networks 192.0.2.64/28", "skip-helo .trusted.example",
                         "forwarders 198.51.100.9 2001:db8:5::/48")
        self.assertEqual(self.rcpt(weir, "192.0.2.70", "a@example.net").code, 250)
        self.assertEqual(self.rcpt(weir, "198.51.100.9", "a@example.net").code, 250)
        self.assertEqual(self.rcpt(weir, "2001:db8:5::1", "a@example.net").code, 250)
        self.assertEqual(self.rcpt(weir, "198.51.100.8", "a@example.net", helo="a.trusted.example").code, 250)
        self.assertEqual(dns.questions, 0)
        self.assertEqual(self.rcpt(weir, "192.0.2.80", "a@example.net").code, 550)

    def test_forwarder_domain(self):
        weir = self.weir("profile enforce", "helo-check off", "forwarder-domains .forwarder.example")
        recipients, header = self.deliver(weir, FORWARDER, "a@example.net", helo="out.forwarder.example")
        self.assertEqual(self.results(header),
                         ["spf=fail (forwarded by forwarder.example, mechanism -all of example.net) smtp.mailfrom=a@example.net"])
        self.assertEqual(self.rcpt(weir, BAD, "a@example.net", helo="out.forwarder.example").code, 550)

    def test_overrides_and_local_records(self):
        weir = self.weir("profile enforce", "helo-check off", "on-domain .example.net,two.example fail,permerror defer",
                         "on-domain soft.example softfail reject", 'local-record none.example "v=spf1 ip4:192.0.2.7 -all"')
        self.assertEqual(self.rcpt(weir, BAD, "a@example.net").raw[:10], b"451 4.7.23")
        self.assertEqual(self.rcpt(weir, BAD, "a@two.example").raw[:10], b"451 4.7.24")
        self.assertEqual(self.rcpt(weir, BAD, "a@soft.example").raw[:10], b"550 5.7.23")
        self.assertEqual(self.rcpt(weir, BAD, "a@none.example").raw[:10], b"550 5.7.23")
        self.assertEqual(self.rcpt(weir, GOOD, "a@none.example").code, 250)
        self.assertEqual(dns.asked[("none.example", "TXT")], 0)

    def test_hundred_messages_one_check(self):
        weir = self.weir("profile enforce")
        client = self.client(weir, GOOD)
        for _ in range(100):
            client.envelope("a@example.net", ALICE)
            client.cmd("RSET", 250)
        client.quit()
        self.assertEqual(dns.asked[("example.net", "TXT")], 1)

    def test_config_errors_have_their_place(self):
        weir = self.weir("profile enforce")
        weir.write("20-filters.conf", block("filter spf", ["module spf", "on fial reject", "skip-networks 10.0.0.1/8"]))
        self.assertEqual(weir.reload()["event"], "reload-failed")
        self.assertRegex(weir.log(), r"20-filters\.conf:3:8: error: 'fial' is no result of SPF")
        self.assertRegex(weir.log(), r"20-filters\.conf:4:19: error: '10\.0\.0\.1/8' is not a network")


@harness.needs_proxy
class RealMail(Base):
    """Tag and quarantine in front of a real Postfix: where the mail ends up."""

    @classmethod
    def setUpClass(cls):
        reason = postfix.available()
        if reason:
            harness.notice(reason + "; the class is skipped")
            raise unittest.SkipTest("NOTICE: " + reason)
        cls.mta = postfix.start()

    def send(self, weir, ip, sender, *rcpts):
        client = self.client(weir, ip)
        client.envelope(sender, *rcpts)
        self.assertEqual(client.data(b"X-Mailweir-Tag: spf=pass\r\nX-Mailweir-Recipient: eve@example.org\r\n" + PLAIN).code, 250)
        client.quit()

    def test_tag(self):
        weir = self.weir("on softfail tag", "helo-check off", port=self.mta.ports["xclient"])
        self.send(weir, BAD, "a@soft.example", ALICE)
        mail = self.mta.take_one()
        self.assertEqual(re.findall(rb"(?m)^X-Mailweir-Tag: (.*?)\r?$", mail.whole), [b"spf=softfail"])

    def test_quarantine(self):
        weir = self.weir("on fail quarantine", "quarantine-address " + suite.DAVE, "helo-check off", port=self.mta.ports["xclient"])
        self.send(weir, BAD, "a@example.net", ALICE, BOB)
        octets = self.mta.take_one("dave").whole
        self.assertIn(b"X-Mailweir-Quarantine: spf=fail", octets)
        self.assertEqual(re.findall(rb"(?m)^X-Mailweir-Recipient: (.*?)\r?$", octets), [ALICE.encode(), BOB.encode()])
        weir.wait_record("spf-quarantined", to=suite.DAVE)


@harness.needs_proxy
class MuteServer(Base):
    def test_temperror_within_the_deadline(self):
        """The filter's own limit comes before the host's deadline: on-error never decides."""
        weir = self.weir("profile enforce", "helo-check off", "lookup-time 1s", "on-error reject", resolver=("timeout 10s", "attempts 3"))
        began = time.monotonic()
        reply = self.rcpt(weir, BAD, "a@mute.example")
        self.assertLess(time.monotonic() - began, 8)
        self.assertEqual(reply.raw, b"451 4.7.24 SPF: the record of mute.example could not be looked up (no result within 1 s), try again later\r\n")
        self.assertEqual(weir.records("filter-failed"), [])

    def test_server_that_stops_in_mid_run(self):
        weir = self.weir("profile enforce", "helo-check off", resolver=("timeout 1s", "attempts 1", "cache 0"))
        self.assertEqual(self.rcpt(weir, GOOD, "a@example.net").code, 250)
        dns.pause()
        try:
            self.assertEqual(self.rcpt(weir, GOOD, "a@example.net").dsn, "4.7.24")
        finally:
            dns.resume()
        wait_for(lambda: self.rcpt(weir, GOOD, "a@example.net").code == 250, 15, "recovery", 0.5)

    def test_others_do_not_wait(self):
        """200 sessions wait for a mute server; another one's mail goes at once."""
        weir = self.weir("profile enforce", "helo-check off", "lookup-time 8s", resolver=("timeout 20s", "attempts 1"))
        waiting = []
        for i in range(200):
            client = self.client(weir, BAD)
            client.send(b"MAIL FROM:<a@mute.example>\r\nRCPT TO:<alice@example.test>\r\n")
            client.expect(250)
            waiting.append(client)
        self.deliver(weir, GOOD, "a@example.net")
        self.assertEqual(select.select([waiting[-1].socket], [], [], 0)[0], [], "it was served when the waiting was over")
        for client in waiting:
            self.assertEqual(client.expect().raw[:10], b"451 4.7.24")

    def test_client_that_vanishes_while_it_waits(self):
        weir = self.weir("profile enforce", "lookup-time 2s", "forwarder-domains .mute.example", resolver=("timeout 20s", "attempts 1"))
        for i in range(30):
            client = Client(weir.port, greet=False)
            hop(client, BAD)
            client.ehlo("x.mute.example")
            client.send(b"MAIL FROM:<a@mute.example>\r\nRCPT TO:<alice@example.test>\r\n")
            client.expect(250)
            client.reset() if i % 2 else client.close()
        self.assertEqual(self.rcpt(weir, GOOD, "a@example.net").code, 250)
        time.sleep(2.5)  # no timer of those sessions may ring into freed memory
        self.assertEqual(self.rcpt(weir, GOOD, "a@example.net").code, 250)

    def test_answer_that_comes_when_the_client_has_gone(self):
        dns.behave("slow.example", ("slow", 0.5))
        weir = self.weir("profile enforce", resolver=("timeout 5s", "attempts 2"))
        for i in range(10):
            client = Client(weir.port, greet=False)
            hop(client, BAD)
            client.ehlo("slow.example")
            client.send(b"MAIL FROM:<a@slow.example>\r\nRSET\r\nMAIL FROM:<b@slow.example>\r\nRCPT TO:<alice@example.test>\r\n")
            client.expect(250)
            client.reset()
        time.sleep(1)
        self.assertEqual(self.rcpt(weir, BAD, "a@slow.example").dsn, "5.7.23")

    def test_reload_while_a_session_waits(self):
        weir = self.weir("profile enforce", "helo-check off", "lookup-time 3s", resolver=("timeout 20s", "attempts 1"))
        client = self.client(weir, BAD)
        client.cmd("MAIL FROM:<a@mute.example>", 250)
        client.send(b"RCPT TO:<alice@example.test>\r\n")
        time.sleep(0.2)
        weir.write("20-filters.conf", block("filter spf", ["module spf", "profile observe"]))
        self.assertEqual(weir.reload()["event"], "reloaded")
        self.assertEqual(self.rcpt(weir, BAD, "a@example.net").code, 250)  # the new one
        self.assertEqual(client.expect().dsn, "4.7.24")                   # the old one, to its end


if __name__ == "__main__":
    harness.main()
