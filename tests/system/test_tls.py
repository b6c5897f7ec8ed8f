"""TLS on both legs with real peers: clients over STARTTLS, implicit TLS and AUTH (RFC 3207, 8314, 4954), a real Postfix behind that
takes TLS itself, and what the handshake does to filters, log and load."""
import json
import os
import re
import smtplib
import socket
import ssl
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import certs  # noqa: E402
import harness  # noqa: E402
import postfix  # noqa: E402
from dovecot_auth import DovecotAuth  # noqa: E402
from harness import block, describe, free_port, run, tool  # noqa: E402

NAME = "mx.weir.test"
ALICE = "alice@example.test"
USER, PASSWORD = "carol@example.test", "the-secret-word"
PLAIN = b"From: a@example.net\r\nTo: alice@example.test\r\nSubject: plain\r\nMessage-ID: <1@example.net>\r\n\r\nHello.\r\n"
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")

mta = None
weir = None
ca = None
pair = None
implicit = 0


def setUpModule():
    global mta, weir, ca, pair, implicit
    ca = certs.Authority()
    pair = ca.issue(NAME, "localhost", "*.wild.test")
    upstream_pair = ca.issue("up.weir.test")
    auth = DovecotAuth({USER.encode(): PASSWORD.encode()})
    sasl = (" -o smtpd_sasl_auth_enable=yes -o smtpd_sasl_type=dovecot -o smtpd_sasl_path=inet:127.0.0.1:%d"
            " -o smtpd_sasl_security_options=noanonymous" % auth.port)
    keys = " -o smtpd_tls_cert_file=%s -o smtpd_tls_key_file=%s" % (upstream_pair.certificate, upstream_pair.key)
    mta = postfix.start(services={
        "xclient": sasl + " -o smtpd_authorized_xclient_hosts=127.0.0.1 -o smtpd_authorized_xforward_hosts=127.0.0.1",
        "tls": keys + " -o smtpd_tls_security_level=may -o smtpd_tls_loglevel=1 -o smtpd_authorized_xclient_hosts=127.0.0.1",
        "smtps": keys + " -o smtpd_tls_wrappermode=yes -o smtpd_tls_loglevel=1",
        "plain": "",
    })
    implicit = free_port()
    own = ["certificate %s %s" % (pair.certificate, pair.key), "client-ca %s" % ca.certificate]
    weir = harness.Mailweir(
        mta.ports["xclient"], listen=["tls starttls", *own], upstream=["identity xclient"],
        files={"50-smtps.conf": block("listen smtps", ["address 127.0.0.1:%d" % implicit, "upstream postfix",
                                                       "client-name off", "tls implicit", *own])})


def tearDownModule():
    if weir:
        weir.finish(unittest.TestCase())


def file_of(octets, name="message.eml"):
    path = os.path.join(harness.temp_dir("tls"), name)
    with open(path, "wb") as file:
        file.write(octets)
    return path


def replies(path):
    """The SMTP replies in a file, as far as they are complete."""
    with open(path, "rb") as file:
        return re.findall(rb"(?:\d{3}-[^\n]*\n)*\d{3} [^\n]*\n", file.read())


class Base(unittest.TestCase):
    def setUp(self):
        mta.settle()
        mta.empty()
        self.mark, self.start = weir.mark(), mta.mark()

    def tearDown(self):
        weir.check_healthy(self)

    def arrived(self, proto, user="-"):
        """The message came, and its log line says over what."""
        found = mta.take_one()
        record = weir.wait_record("message", start=self.mark, verdict="accept")
        self.assertEqual((record["proto"], record["user"]), (proto, user), record["line"])
        self.assertRegex(record["tls"], r"^TLSv1\.[23]$", record["line"])
        self.assertNotIn(PASSWORD, weir.log())
        return found


@harness.needs_proxy
class Clients(Base):
    """swaks, curl, msmtp, smtplib, nodemailer, Postfix's own client."""

    def send_swaks(self, *arguments):
        result = run([tool("swaks"), "--server", "127.0.0.1", "--from", "a@example.net", "--to", ALICE, "--data",
                      "@" + file_of(PLAIN[:-2]), *arguments])
        self.assertEqual(result.returncode, 0, describe(result))

    def test_swaks_starttls(self):
        self.send_swaks("--port", weir.port, "--tls")
        self.assertEqual(self.arrived("ESMTPS").rest, postfix.as_delivered(PLAIN))

    def test_swaks_implicit(self):
        self.send_swaks("--port", implicit, "--tls-on-connect")
        self.assertEqual(self.arrived("ESMTPS").rest, postfix.as_delivered(PLAIN))

    def test_swaks_auth(self):
        for mechanism in ("PLAIN", "LOGIN"):
            with self.subTest(mechanism):
                self.setUp()
                self.send_swaks("--port", weir.port, "--tls", "--auth", mechanism, "--auth-user", USER,
                                "--auth-password", PASSWORD)
                self.arrived("ESMTPSA", USER)
                mta.wait_log("sasl_method=%s, sasl_username=%s" % (mechanism, USER), self.start)

    def test_swaks_wrong_password(self):
        result = run([tool("swaks"), "--server", "127.0.0.1", "--port", weir.port, "--from", "a@example.net", "--to",
                      ALICE, "--tls", "--auth", "PLAIN", "--auth-user", USER, "--auth-password", PASSWORD + "x"])
        self.assertEqual(result.returncode, 28, describe(result))
        self.assertIn(b"535 5.7.8", result.stdout)

    def curl(self, url, *arguments):
        result = run([tool("curl"), "-sS", "--noproxy", "*", "--cacert", ca.certificate, "--resolve",
                      "%s:%d:127.0.0.1" % (NAME, weir.port), "--resolve", "%s:%d:127.0.0.1" % (NAME, implicit),
                      "--url", url, "--mail-from", "a@example.net", "--mail-rcpt", ALICE, "--upload-file",
                      file_of(PLAIN), *arguments])
        self.assertEqual(result.returncode, 0, describe(result))

    def test_curl_starttls(self):
        self.curl("smtp://%s:%d" % (NAME, weir.port), "--ssl-reqd")
        self.arrived("ESMTPS")

    def test_curl_implicit_and_auth(self):
        self.curl("smtps://%s:%d" % (NAME, implicit), "--user", USER + ":" + PASSWORD, "--login-options", "AUTH=PLAIN")
        self.arrived("ESMTPSA", USER)

    def msmtp(self, *arguments):
        result = run([tool("msmtp"), "--host=127.0.0.1", "--tls-trust-file=" + ca.certificate, "--tls=on",
                      "--tls-host-override=" + NAME, "--domain=msmtp.example.net", "--from=a@example.net", *arguments,
                      ALICE], stdin=PLAIN.replace(b"\r\n", b"\n"))
        self.assertEqual(result.returncode, 0, describe(result))

    def test_msmtp_starttls(self):
        self.msmtp("--port=%d" % weir.port, "--tls-starttls=on", "--auth=off")
        self.arrived("ESMTPS")

    def test_msmtp_implicit_and_auth(self):
        self.msmtp("--port=%d" % implicit, "--tls-starttls=off", "--auth=plain", "--user=" + USER,
                   "--passwordeval=echo " + PASSWORD)
        self.arrived("ESMTPSA", USER)

    def test_smtplib(self):
        with smtplib.SMTP("127.0.0.1", weir.port, timeout=30) as client:
            client._host = NAME
            client.starttls(context=ca.client_context())
            client.login(USER, PASSWORD)
            client.sendmail("a@example.net", [ALICE], PLAIN)
        self.assertEqual(self.arrived("ESMTPSA", USER).rest, postfix.as_delivered(PLAIN))

    def test_smtplib_implicit(self):
        context = ca.client_context()
        context.check_hostname = False
        with smtplib.SMTP_SSL("127.0.0.1", implicit, timeout=30, context=context) as client:
            client.sendmail("a@example.net", [ALICE], PLAIN + b"x" * 70 + b"\r\n" + b"line\r\n" * 200000)
        self.assertGreater(len(self.arrived("ESMTPS").rest), 1000000)

    def nodemailer(self, transport):
        program = tool("node")
        if not os.path.exists("/usr/share/nodejs/nodemailer"):
            harness.notice("node-nodemailer is not installed: its test is skipped")
            raise unittest.SkipTest("NOTICE: node-nodemailer is not installed")
        job = {"transport": dict(transport, host="127.0.0.1"), "ca": ca.certificate, "servername": NAME,
               "message": {"from": "a@example.net", "to": ALICE, "subject": "node", "text": "Hello.\n"}}
        result = run([program, os.path.join(DATA, "nodemailer_send.js"), json.dumps(job)])
        self.assertEqual(result.returncode, 0, describe(result))

    def test_nodemailer_starttls_and_auth(self):
        self.nodemailer({"port": weir.port, "requireTLS": True, "auth": {"user": USER, "pass": PASSWORD}})
        self.arrived("ESMTPSA", USER)

    def test_nodemailer_implicit(self):
        self.nodemailer({"port": implicit, "secure": True})
        self.arrived("ESMTPS")

    def test_openssl_s_client(self):
        for greetings, arguments in ((0, ["-starttls", "smtp", "-connect", "127.0.0.1:%d" % weir.port]),
                                     (1, ["-connect", "127.0.0.1:%d" % implicit])):
            with self.subTest(arguments[0]):
                script = b"EHLO s.example.net\nNOOP\nQUIT\n"
                path = file_of(b"", "said")
                with open(path, "ab") as said, \
                        subprocess.Popen(["openssl", "s_client", "-quiet", "-crlf", "-CAfile", ca.certificate,
                                          "-verify_return_error", "-verify_hostname", NAME, "-servername", NAME,
                                          *arguments], stdin=subprocess.PIPE, stdout=said, stderr=subprocess.PIPE) as client:
                    self.addCleanup(client.kill)
                    for number, line in enumerate(script.splitlines(True), greetings):
                        while len(replies(path)) < number and client.poll() is None:  # as a person who types: it reads no replies
                            time.sleep(0.01)
                        client.stdin.write(line)
                        client.stdin.flush()
                    _, err = client.communicate(timeout=20)
                    out = replies(path)
                self.assertIn(b"221 2.0.0 Bye", out[-1], err)
                self.assertIn(b"AUTH PLAIN LOGIN", b"".join(out))

    def test_postfix_smtp_client(self):
        """A second Postfix hands its mail to mailweir over a verified connection."""
        relay = postfix.Postfix("relay", hostname="relay.example.net", domain="relay.test", services={"plain": ""},
                                more="relayhost = [127.0.0.1]:%d\ndefault_transport = smtp:\nrelay_transport = smtp:\n"
                                     "smtp_tls_security_level = verify\nsmtp_tls_CAfile = %s\n"
                                     "smtp_tls_verify_cert_match = %s\nsmtp_tls_loglevel = 1\n"
                                     % (weir.port, ca.certificate, NAME))
        try:
            with smtplib.SMTP("127.0.0.1", relay.ports["plain"], timeout=30) as client:
                client.sendmail("a@example.net", [ALICE], PLAIN)
            self.arrived("ESMTPS")
            relay.wait_log(r"Verified TLS connection established to 127\.0\.0\.1")
        finally:
            relay.process.stop()


@harness.needs_proxy
class Certificates(Base):
    def handshake(self, context, sni, port=None):
        with socket.create_connection(("127.0.0.1", port or implicit), 10) as plain, \
                context.wrap_socket(plain, server_hostname=sni) as secure:
            self.assertTrue(secure.recv(200).startswith(b"220 "))
            return secure.version(), secure.getpeercert()

    def test_name_and_wildcard(self):
        self.assertEqual(self.handshake(ca.client_context(), NAME)[0], "TLSv1.3")
        self.handshake(ca.client_context(), "a.wild.test")

    def test_old_versions_are_refused(self):
        context = ca.client_context()
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with self.assertRaises((ssl.SSLError, OSError)):
            self.handshake(context, NAME)

    def test_tls_1_2(self):
        context = ca.client_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.assertEqual(self.handshake(context, NAME)[0], "TLSv1.2")

    def test_sessions_are_resumed(self):
        context = ca.client_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        session, reused = None, []
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", implicit), 10) as plain, \
                    context.wrap_socket(plain, server_hostname=NAME, session=session) as secure:
                secure.recv(200)
                session = secure.session
                reused.append(secure.session_reused)
        self.assertEqual(reused, [False, True, True])

    def test_half_open_handshakes_hold_nobody_up(self):
        silent = [socket.create_connection(("127.0.0.1", implicit), 10) for _ in range(50)]
        for half in silent[:25]:
            half.sendall(b"\x16\x03\x01\x02\x00\x01")
        began = time.monotonic()
        self.handshake(ca.client_context(), NAME)
        self.assertLess(time.monotonic() - began, 5)
        for half in silent:
            half.close()


@harness.needs_proxy
class Upstream(unittest.TestCase):
    """The other leg, to a real Postfix."""

    def through(self, port, *upstream):
        proxy = harness.Mailweir(port, upstream=upstream, name="upstream")
        mta.empty()
        try:
            with smtplib.SMTP("127.0.0.1", proxy.port, "c.example.net", timeout=30) as client:
                client.ehlo()
                self.assertNotIn("starttls", client.esmtp_features)
                client.sendmail("a@example.net", [ALICE], PLAIN)
            self.assertEqual(mta.take_one().rest, postfix.as_delivered(PLAIN))
        finally:
            proxy.finish(self)
        return proxy

    def refused(self, port, *upstream):
        proxy = harness.Mailweir(port, upstream=upstream, name="upstream")
        try:
            with self.assertRaises(smtplib.SMTPConnectError) as caught:
                smtplib.SMTP("127.0.0.1", proxy.port, timeout=30)
            self.assertEqual(caught.exception.smtp_code, 421)
            return proxy.wait_record("upstream-failed")["problem"]
        finally:
            proxy.finish(self)

    def test_required(self):
        mark = mta.mark()
        self.through(mta.ports["tls"], "identity none", "tls required")
        mta.wait_log(r"TLS connection established from", mark)

    def test_required_with_xclient(self):
        mark = mta.mark()
        self.through(mta.ports["tls"], "identity xclient", "tls required")
        mta.wait_log(r"TLS connection established from", mark)

    def test_verified(self):
        self.through(mta.ports["tls"], "identity none", "tls verified", "ca " + ca.certificate,
                     "server-name up.weir.test")

    def test_implicit(self):
        mark = mta.mark()
        self.through(mta.ports["smtps"], "identity none", "tls implicit")
        mta.wait_log(r"TLS connection established from", mark)

    def test_opportunistic_where_there_is_none(self):
        self.through(mta.ports["plain"], "identity none", "tls opportunistic")

    def test_wrong_name(self):
        problem = self.refused(mta.ports["tls"], "identity none", "tls verified", "ca " + ca.certificate,
                               "server-name other.weir.test")
        self.assertRegex(problem, "name|certificate")

    def test_unknown_authority(self):
        other = certs.Authority("Other CA")
        self.refused(mta.ports["tls"], "identity none", "tls verified", "ca " + other.certificate,
                     "server-name up.weir.test")

    def test_required_and_not_there(self):
        self.assertIn("STARTTLS", self.refused(mta.ports["plain"], "identity none", "tls required"))


if __name__ == "__main__":
    harness.main()
