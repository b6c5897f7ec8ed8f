"""`mailweir check --upstream`: what it finds out about a server, in which words, and with which exit status.

Postfix with the recipes' settings, each with the mistake that its recipe warns of; and servers of our own that misbehave.
"""
import os
import re
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import fake_upstream  # noqa: E402
import harness  # noqa: E402
import postfix  # noqa: E402
from fake_upstream import CLOSE, HANG, FakeUpstream, Turns  # noqa: E402

EX_UNAVAILABLE, EX_CONFIG = 69, 78
XCLIENT = "XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT"
RELAY_DENIED = b"554 5.7.1 Relay access denied\r\n"


class Probe(unittest.TestCase):
    maxDiff = None
    # what is said of a server without PROXY protocol whose greeting comes later than the header
    SLOW = r"EHLO \(.*\): it speaks without being asked|identity \(PROXY header\) \(.*\): 500 "

    def check(self, *upstreams, top=(), listen=""):
        """(status, stdout) of the command with one upstream and listener for each (port or address, directives)."""
        directory = harness.temp_dir("probe")
        lines = ["hostname weir.example.test", *top]
        for i, (address, *directives) in enumerate(upstreams):
            if isinstance(address, int):
                address = "127.0.0.1:%d" % address
            lines.append(harness.block("upstream up%d" % i, ["address " + address, *directives]))
            lines.append(harness.block("listen in%d" % i, ["address 127.0.0.1:%d" % (1024 + i), "upstream up%d" % i, listen]))
        with open(os.path.join(directory, "a.conf"), "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
        result = harness.run([harness.MAILWEIR, "check", "--upstream", "-c", directory])
        out, err = result.stdout.decode("utf-8"), result.stderr.decode("utf-8")
        self.assertNotRegex(err, r"Sanitizer|runtime error:")
        self.assertNotRegex(out, r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
        return result.returncode, out

    def finds(self, out, label, words):
        self.assertRegex(out, r"(?m)^  %-7s  (?:%s)" % (label, words))

    def lacks(self, out, *labels):
        for label in labels:
            self.assertNotRegex(out, r"(?m)^  %s " % label)

    def fake(self, orders=None, extensions=fake_upstream.EXTENSIONS):
        up = FakeUpstream({"RCPT": RELAY_DENIED, **(orders or {})}, extensions)
        self.addCleanup(up.stop)
        return up


class WithPostfix(Probe):
    @classmethod
    def setUpClass(cls):
        xclient = postfix.SERVICES["xclient"]
        cls.postfix = postfix.start(services={
            "plain": "",
            "xclient": xclient,
            "proxy": postfix.SERVICES["proxy"],
            "distrustful": " -o mynetworks=",
            "open": xclient + " -o mynetworks=0.0.0.0/0",
            "wide": " -o smtpd_authorized_xclient_hosts=0.0.0.0/0",
            "blocking": xclient + " -o smtpd_delay_reject=no -o {smtpd_client_restrictions="
                                  "check_client_access inline:{{192.0.2.1=554 5.7.1 not from there}}}",
            "reinject": " -o smtpd_authorized_xforward_hosts=127.0.0.0/8 -o smtpd_relay_restrictions=permit_mynetworks,reject",
        })
        cls.ports = cls.postfix.ports

    @classmethod
    def tearDownClass(cls):
        cls.postfix.stop()

    def test_recipe_1a_is_fine(self):
        status, out = self.check((self.ports["xclient"], "identity xclient"))
        self.assertEqual(status, 0, out)
        self.lacks(out, "warning", "FAILED")
        self.finds(out, "ok", r"connect \(\d+\.\d ms\)$")
        self.finds(out, "ok", r"greeting \(\d+\.\d ms\): 220 mx\.example\.test ESMTP Postfix$")
        self.finds(out, "ok", r"EHLO \(\d+\.\d ms\): 250 mx\.example\.test / PIPELINING / ")
        self.finds(out, "ok", r"identity \(XCLIENT\) \(\d+\.\d ms\): 220 mx\.example\.test")
        for sender in ("<>", "<postmaster@weir.example.test>"):
            self.finds(out, "ok", r"relay refused to the stranger 192\.0\.2\.1, sender %s \(\d+\.\d ms\): 554 5\.7\.1 "
                                  r"<mailweir-probe@example\.net>: Relay access denied$" % sender)
        self.assertTrue(out.endswith("\nok: 1 of 1 upstream addresses as configured\n"), out)

    def test_recipe_1b_is_fine(self):
        for version in ("v1", "v2"):
            start = self.postfix.mark()
            status, out = self.check((self.ports["proxy"], "identity proxy-" + version))
            self.assertEqual(status, 0, out)
            self.lacks(out, "warning", "FAILED")
            self.finds(out, "ok", r"identity \(PROXY header\): was taken")
            self.finds(out, "ok", r"relay refused to the stranger 192\.0\.2\.1, sender <> .*: 554 5\.7\.1 ")
            self.postfix.wait_log(r"postfix/proxy/smtpd.* connect from unknown\[192\.0\.2\.1\]", start)

    def test_nothing_is_sent(self):
        start = self.postfix.mark()
        status, _ = self.check((self.ports["open"], "identity xclient"))
        self.assertEqual(status, 1)
        self.postfix.wait_log(r"disconnect from unknown\[192\.0\.2\.1\] ehlo=2 xclient=0/1 mail=1 rcpt=1 rset=1 quit=1", start)
        self.assertTrue(self.postfix.queue_is_empty())

    def test_open_relay_without_identity(self):
        status, out = self.check((self.ports["plain"], "identity none"))
        self.assertEqual(status, 1, out)
        self.finds(out, "FAILED", r"relay: OPEN RELAY \(.*\): 250 2\.1\.5 Ok\n           = whoever connects to mailweir can send anywhere")
        self.assertIn("mynetworks", out)
        self.assertTrue(out.endswith("\nFAILED: 0 of 1 upstream addresses as configured\n"), out)

    def test_open_relay_for_a_stranger(self):
        status, out = self.check((self.ports["open"], "identity xclient"))
        self.assertEqual(status, 1, out)
        self.finds(out, "FAILED", r"relay: OPEN RELAY \(.*\n           = the server relays for anybody: .*reject_unauth_destination")

    def test_no_identity_is_fine_where_nobody_is_trusted(self):
        status, out = self.check((self.ports["distrustful"], "identity none"))
        self.assertEqual(status, 0, out)
        self.finds(out, "ok", r"relay refused to us, sender <> .*: 554 5\.7\.1 ")

    def test_xclient_not_permitted(self):
        status, out = self.check((self.ports["plain"], "identity xclient"))
        self.assertEqual(status, 1, out)
        self.finds(out, "FAILED", r"identity \(XCLIENT\): XCLIENT with ADDR is not announced to us\n"
                                  r"           = .*-o smtpd_authorized_xclient_hosts=")
        self.assertNotIn("relay", out)  # it proves nothing when it is tried as ourselves

    def test_xclient_permitted_to_the_world(self):
        status, out = self.check((self.ports["wide"], "identity xclient"))
        self.assertEqual(status, 0, out)
        self.finds(out, "warning", r"XCLIENT: is announced to the stranger 192\.0\.2\.1\n           = smtpd_authorized_xclient_hosts")

    def test_xclient_not_used(self):
        status, out = self.check((self.ports["xclient"], "identity none"))
        self.assertEqual(status, 1)
        self.finds(out, "warning", r"XCLIENT: is announced to us and not used\n           = harmless")

    def test_stranger_is_refused_at_once(self):
        status, out = self.check((self.ports["blocking"], "identity xclient"))
        self.assertEqual(status, 0, out)
        self.lacks(out, "FAILED")
        self.finds(out, "ok", r"identity \(XCLIENT\) \(.*\): 554 5\.7\.1 .*not from there")

    def test_proxy_header_not_expected(self):
        early = (r"(?m)^  FAILED   identity \(PROXY header\) .*: it speaks before the header has come, so it expects none\n"
                 r"           = .*-o smtpd_upstream_proxy_protocol=haproxy")

        def is_told():
            status, out = self.check((self.ports["plain"], "identity proxy-" + version))
            self.assertEqual(status, 1, out)
            if not re.search(early, out):  # Postfix needed longer for its greeting than the probe waits for one: as it tells of slow servers
                self.finds(out, "FAILED", self.SLOW)
            return re.search(early, out)
        for version in ("v1", "v2"):
            harness.wait_for(is_told, 60, "a Postfix that greets in time")

    def test_proxy_header_expected(self):
        status, out = self.check((self.ports["proxy"], "identity xclient"))
        self.assertEqual(status, 1, out)
        self.finds(out, "FAILED", r"greeting \(\d+\.\d ms\): 421 4\.3\.0 .*\n           = .*smtpd_upstream_proxy_protocol")

    def test_before_queue(self):
        status, out = self.check((self.ports["reinject"], "identity xforward"), listen="accept-xforward on\n trust 127.0.0.1")
        self.assertEqual(status, 0, out)
        self.finds(out, "ok", r"identity \(XFORWARD\) .*: 250 2\.0\.0 Ok\n")
        self.finds(out, "warning", r"relay \(.*\): 250 2\.1\.5 Ok\n           = accepted, as a server behind a before-queue filter does")

    def test_xforward_in_front_of_the_world(self):
        status, out = self.check((self.ports["reinject"], "identity xforward"))
        self.assertEqual(status, 1, out)
        self.finds(out, "FAILED", r"relay: OPEN RELAY")

    def test_several_upstreams_and_addresses(self):
        dead = harness.free_port()
        status, out = self.check(("127.0.0.1:%d 127.0.0.1:%d" % (self.ports["xclient"], dead), "identity xclient"),
                                 (self.ports["proxy"], "identity proxy-v2"))
        self.assertEqual(status, EX_UNAVAILABLE, out)
        for heading in ("upstream up0, 127.0.0.1:%d" % self.ports["xclient"], "upstream up0, 127.0.0.1:%d" % dead,
                        "upstream up1, 127.0.0.1:%d" % self.ports["proxy"]):
            self.assertIn("\n%s\n" % heading, out)
        self.assertTrue(out.endswith("\nFAILED: 2 of 3 upstream addresses as configured, 1 not answering\n"), out)
        status, out = self.check((dead, "identity xclient"), (self.ports["plain"], "identity none"))
        self.assertEqual(status, 1, "what is wrong counts more than what is away:\n" + out)


class WithTls(Probe):
    @classmethod
    def setUpClass(cls):
        directory = harness.temp_dir("probe-tls")
        cls.cert, cls.key = (os.path.join(directory, name) for name in ("cert.pem", "key.pem"))
        subprocess.run([harness.tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/CN=mx.example.test", "-addext", "subjectAltName=DNS:mx.example.test", "-days", "2",
                        "-keyout", cls.key, "-out", cls.cert], check=True, capture_output=True)
        files = " -o smtpd_tls_cert_file=%s -o smtpd_tls_key_file=%s" % (cls.cert, cls.key)
        xclient = postfix.SERVICES["xclient"]
        cls.postfix = postfix.start(services={
            "plain": xclient,
            "starttls": xclient + files + " -o smtpd_tls_security_level=may",
            "implicit": xclient + files + " -o smtpd_tls_wrappermode=yes",
            "proxied": postfix.SERVICES["proxy"] + files + " -o smtpd_tls_security_level=may",
        })
        cls.ports = cls.postfix.ports

    @classmethod
    def tearDownClass(cls):
        cls.postfix.stop()

    def test_starttls(self):
        for tls in ("opportunistic", "required"):
            status, out = self.check((self.ports["starttls"], "identity xclient", "tls " + tls))
            self.assertEqual(status, 0, out)
            self.finds(out, "ok", r"TLS \(.*\): TLSv1\.3 TLS_\w+, certificate of mx\.example\.test, not verified")
            self.finds(out, "ok", r"relay refused to the stranger")

    def test_verified(self):
        status, out = self.check((self.ports["starttls"], "identity xclient", "tls verified", "ca " + self.cert,
                                  "server-name mx.example.test"))
        self.assertEqual(status, 0, out)
        self.finds(out, "ok", r"TLS \(.*\): TLSv1\.3 TLS_\w+, certificate of mx\.example\.test, verified$")

    def test_wrong_name(self):
        status, out = self.check((self.ports["starttls"], "identity xclient", "tls verified", "ca " + self.cert,
                                  "server-name other.example.test"))
        self.assertEqual(status, 1, out)
        self.finds(out, "FAILED", r"TLS \(.*\): .*\n           = certificate: smtpd_tls_cert_file.*server-name")
        self.assertNotIn("relay", out.split("FAILED: ")[0])

    def test_implicit(self):
        status, out = self.check((self.ports["implicit"], "identity xclient", "tls implicit"))
        self.assertEqual(status, 0, out)
        self.finds(out, "ok", r"TLS ")
        self.finds(out, "ok", r"greeting .*: 220 ")

    def test_with_a_proxy_header(self):
        status, out = self.check((self.ports["proxied"], "identity proxy-v2", "tls required"))
        self.assertEqual(status, 0, out)
        self.finds(out, "ok", r"TLS ")
        self.finds(out, "ok", r"relay refused to the stranger")

    def test_starttls_not_offered(self):
        status, out = self.check((self.ports["plain"], "identity xclient", "tls required"))
        self.assertEqual(status, 1, out)
        self.finds(out, "FAILED", r"TLS: STARTTLS is not announced\n           = .*smtpd_tls_security_level=may")
        status, out = self.check((self.ports["plain"], "identity xclient", "tls opportunistic"))
        self.assertEqual(status, 0, out)
        self.finds(out, "warning", r"TLS: STARTTLS is not announced")
        self.finds(out, "ok", r"relay refused to the stranger")

    def test_handshake_that_fails(self):
        """A server that says yes to STARTTLS and then talks on in the clear."""
        for tls, status in (("required", 1), ("opportunistic", 0)):
            up = self.fake({"STARTTLS": [b"220 go\r\n", lambda s: self._later(s, b"250 injected\r\n")]},
                           (*fake_upstream.EXTENSIONS, "STARTTLS"))
            got, out = self.check((up.port, "identity none", "tls " + tls))
            self.assertEqual(got, status, out)
            self.finds(out, "FAILED" if status else "warning", r"TLS \(.*\): ")
            self.assertEqual(len(up.sessions), 1 if status else 2)

    def _later(self, session, octets):
        session.socket.recv(4096)
        return octets

    def test_injection_behind_starttls(self):
        """What comes in the packet of the 220 is no answer to anything behind the handshake."""
        up = self.fake({"STARTTLS": b"220 go\r\n250 injected\r\n"}, (*fake_upstream.EXTENSIONS, "STARTTLS"))
        status, out = self.check((up.port, "identity none", "tls required"))
        self.assertEqual(status, 1, out)
        self.finds(out, "FAILED", r"TLS \(.*\): it speaks without being asked: 250 injected")

    def test_plain_server_where_tls_is_expected(self):
        status, out = self.check((self.ports["plain"], "identity none", "tls implicit"))
        self.assertEqual(status, 1, out)
        self.finds(out, "FAILED", r"TLS \(.*\): ")

    def test_tls_server_where_none_is_expected(self):
        status, out = self.check((self.ports["implicit"], "identity none", "connect-timeout 1s"))
        self.assertEqual(status, EX_UNAVAILABLE, out)
        self.finds(out, "FAILED", r"greeting \(.*\): no answer in time")


class WithoutPostfix(Probe):
    IN_TIME = r"%s \((?:9|[1-9]\d)\d\d\.\d ms\): no answer in time"  # a timeout of 1 s, on a machine as slow as it may be

    def silent_server(self, octets=b"", then_close=False):
        """A port where connections are taken and `octets` said, and nothing else."""
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        self.addCleanup(listener.close)
        kept = []

        def serve():
            try:
                while True:
                    kept.append(listener.accept()[0])
                    kept[-1].sendall(octets)
                    if then_close:
                        kept[-1].close()
            except OSError:
                pass
        threading.Thread(target=serve, daemon=True).start()
        return listener.getsockname()[1]

    def test_configuration_errors_come_first(self):
        status, out = self.check((self.fake().port, "identiti none"))
        self.assertEqual((status, out), (EX_CONFIG, ""))

    def test_only_for_check(self):
        for command in ("run", "test"):
            result = harness.run([harness.MAILWEIR, command, "--upstream"])
            self.assertEqual(result.returncode, 64)

    def test_closed_port(self):
        status, out = self.check((harness.free_port(), "identity xclient"))
        self.assertEqual(status, EX_UNAVAILABLE)
        self.finds(out, "FAILED", r"connect \(\d+\.\d ms\): Connection refused\n           = .*master\.cf.*postfix reload")

    def test_mute_port(self):
        began = time.monotonic()
        status, out = self.check((self.silent_server(), "identity xclient", "connect-timeout 1s"))
        self.assertEqual(status, EX_UNAVAILABLE)
        self.assertLess(time.monotonic() - began, 20)  # as it comes: 30 s
        self.finds(out, "FAILED", self.IN_TIME % "greeting" + r"\n           = .*PROXY header")

    def test_dribbling_server(self):
        up = self.fake({"CONNECT": [b"220-a\r\n", 0.4] * 40})  # were each line worth a timeout of its own: 16 s
        status, out = self.check((up.port, "identity none", "connect-timeout 1s"))
        self.assertEqual(status, EX_UNAVAILABLE)
        self.finds(out, "FAILED", self.IN_TIME % "greeting")

    def test_server_that_hangs_up(self):
        status, out = self.check((self.silent_server(then_close=True), "identity none"))
        self.assertEqual(status, EX_UNAVAILABLE)
        self.finds(out, "FAILED", r"greeting \(.*\): the server ended the connection")

    def test_garbage(self):
        status, out = self.check((self.silent_server(b"\x1b[2J\x00\x9b31m SSH-2.0\r\n"), "identity none"))
        self.assertEqual(status, 1)
        self.finds(out, "FAILED", r"greeting \(.*\): not an SMTP reply: \\x1b\[2J\\x00\\x9b31m SSH-2\.0\\x0d\\x0a\n")

    def test_garbage_without_end(self):
        status, out = self.check((self.silent_server(b"x" * 100000), "identity none"))
        self.assertEqual(status, 1)
        self.finds(out, "FAILED", r"greeting \(.*\): not an SMTP reply: x{80}$")

    def test_reply_without_end(self):
        up = self.fake({"EHLO": fake_upstream.ENDLESS})
        status, out = self.check((up.port, "identity none"))
        self.assertEqual(status, 1)
        self.finds(out, "FAILED", r"EHLO \(.*\): not an SMTP reply: 250-and so on")

    def test_control_characters_are_escaped(self):
        up = self.fake({"CONNECT": b"220 up\x1b]0;gotcha\x07\xc2\x9b!\r\n", "RCPT": b"550 5.7.1 no\x1b[1mrelay \xc3\xa4\xff\r\n"})
        status, out = self.check((up.port, "identity none"))
        self.assertEqual(status, 0, out)
        self.finds(out, "ok", r"greeting \(.*\): 220 up\\x1b\]0;gotcha\\x07\\xc2\\x9b!$")
        self.finds(out, "ok", r"relay refused to us.*: 550 5\.7\.1 no\\x1b\[1mrelay ä\\xff$")

    def test_long_replies_are_cut(self):
        up = self.fake({"CONNECT": b"220 " + b"x" * 1000 + b"\r\n"})
        _, out = self.check((up.port, "identity none"))
        self.finds(out, "ok", r"greeting \(.*\): 220 x{296}\.\.\.$")

    def test_server_that_speaks_out_of_turn(self):
        up = self.fake({"CONNECT": b"220 up\r\n250 up\r\n250 ok\r\n250 ok\r\n"})
        status, out = self.check((up.port, "identity none"))
        self.assertEqual(status, 1)
        self.finds(out, "FAILED", r"EHLO \(.*\): it speaks without being asked: 250 up\\x0d\\x0a")

    def test_greeting_that_refuses(self):
        up = self.fake({"CONNECT": b"554 5.7.1 not you\r\n"})
        status, out = self.check((up.port, "identity none"))
        self.assertEqual(status, 1)
        self.finds(out, "FAILED", r"greeting \(.*\): 554 5\.7\.1 not you\n           = the server refuses mailweir itself")

    def test_server_ends_in_the_middle(self):
        for stage in ("EHLO", "MAIL", "RCPT", "RSET"):
            status, out = self.check((self.fake({stage: CLOSE}).port, "identity none"))
            self.assertEqual(status, 1, out)
            self.finds(out, "FAILED", r"%s \(.*\): the server ended the connection" % stage)

    def test_server_hangs_in_the_middle(self):
        status, out = self.check((self.fake({"RCPT": HANG}).port, "identity none", "reply-timeout 1s"))
        self.assertEqual(status, 1, out)
        self.finds(out, "FAILED", self.IN_TIME % "RCPT")

    def test_xclient_is_announced_and_refused(self):
        for reply in (b"550 5.7.0 Error: insufficient authorization\r\n", b"501 5.5.4 Bad NAME syntax\r\n", b"502 5.5.1 what?\r\n"):
            up = self.fake({"XCLIENT": reply}, (*fake_upstream.EXTENSIONS, XCLIENT))
            status, out = self.check((up.port, "identity xclient"))
            self.assertEqual(status, 1, out)
            self.finds(out, "FAILED", r"identity \(XCLIENT\) \(.*\): %s" % re.escape(reply.decode().strip()))
            self.assertNotIn("MAIL", [v for s in up.sessions for v in s.verbs()])

    def test_xclient_without_addr(self):
        up = self.fake(extensions=("PIPELINING", "XCLIENT NAME PORT"))
        status, out = self.check((up.port, "identity xclient"))
        self.assertEqual(status, 1, out)
        self.finds(out, "FAILED", r"identity \(XCLIENT\): XCLIENT with ADDR is not announced to us")

    def test_what_the_server_was_told(self):
        up = self.fake(extensions=(*fake_upstream.EXTENSIONS, XCLIENT))
        status, out = self.check((up.port, "identity xclient"))
        self.assertEqual(status, 0, out)
        up.wait_sessions_end()
        lines = up.sessions[0].commands
        self.assertEqual(lines[0], b"EHLO weir.example.test")
        self.assertEqual(set(lines[1].split()), {b"XCLIENT", b"ADDR=192.0.2.1", b"NAME=[UNAVAILABLE]", b"PORT=41001"})
        self.assertEqual(lines[2:], [b"EHLO weir.example.test",
                                     b"MAIL FROM:<>", b"RCPT TO:<mailweir-probe@example.net>", b"RSET",
                                     b"MAIL FROM:<postmaster@weir.example.test>", b"RCPT TO:<mailweir-probe@example.net>", b"RSET",
                                     b"QUIT"])

    def test_sender_of_its_own_domain_opens_the_relay(self):
        up = self.fake({"RCPT": Turns(RELAY_DENIED, b"250 2.1.5 Ok\r\n")})
        status, out = self.check((up.port, "identity none"))
        self.assertEqual(status, 1, out)
        self.finds(out, "ok", r"relay refused to us, sender <> ")
        self.finds(out, "FAILED", r"relay: OPEN RELAY")
        self.assertEqual(up.stored(), [])

    def test_sender_refused(self):
        status, out = self.check((self.fake({"MAIL": b"550 5.7.1 nobody\r\n"}).port, "identity none"))
        self.assertEqual(status, 0, out)
        self.finds(out, "ok", r"sender refused, so nothing is relayed \(.*\): 550 5\.7\.1 nobody$")

    def test_recipient_deferred(self):
        status, out = self.check((self.fake({"RCPT": b"450 4.2.0 greylisted\r\n"}).port, "identity none"))
        self.assertEqual(status, 0, out)
        self.finds(out, "warning", r"relay refused to us, .*: 450 4\.2\.0 greylisted\n           = for now only")
        status, out = self.check((self.fake({"RCPT": b"454 4.7.1 Relay access denied\r\n"}).port, "identity none"))
        self.assertEqual(status, 0, out)
        self.lacks(out, "warning")

    def test_proxy_header_not_understood_by_a_slow_server(self):
        """It greets late, so that the header goes out, and then takes it for a command."""
        up = self.fake({"CONNECT": [0.6, b"220 up\r\n"]})
        status, out = self.check((up.port, "identity proxy-v1"))
        self.assertEqual(status, 1, out)
        self.finds(out, "FAILED", self.SLOW)

    def test_upstream_is_probed_once(self):
        up = self.fake()
        directory = harness.temp_dir("probe")
        with open(os.path.join(directory, "a.conf"), "w", encoding="utf-8") as file:
            file.write("upstream up { address 127.0.0.1:%d\n identity none }\n" % up.port)
            file.write("upstream unused { address 127.0.0.1:%d\n identity none }\n" % up.port)
            for i in (1, 2):
                file.write("listen in%d { address 127.0.0.1:%d\n upstream up }\n" % (i, i + 1000))
        result = harness.run([harness.MAILWEIR, "check", "--upstream", "-c", directory])
        self.assertEqual(result.stdout.count(b"\nupstream up, "), 1, result.stdout)
        self.assertEqual(len(up.sessions), 1)


if __name__ == "__main__":
    harness.main()
