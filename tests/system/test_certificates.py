"""Certificates of a running worker: renewed files are in force without a signal and without a failed handshake, bad ones are kept
out and told, session tickets outlive a reload."""
import os
import re
import signal
import socket
import ssl
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import suite  # noqa: E402
from fake_upstream import FakeUpstream  # noqa: E402

NAME = "mx.example.test"
SWAPS = 20


def setUpModule():
    harness.tool("openssl")


def make(directory, serial, days=90, name=NAME):
    """(certificate, key) as PEM texts."""
    paths = [os.path.join(directory, "made.%d.%s" % (serial, kind)) for kind in ("pem", "key")]
    result = harness.run([harness.tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                          "-days", days, "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:" + name,
                          "-set_serial", serial, "-out", paths[0], "-keyout", paths[1]])
    assert result.returncode == 0, harness.describe(result)
    return tuple(read(path) for path in paths)


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def der_of(pem):
    return ssl.PEM_cert_to_DER_cert(pem)


class Served(suite.Case):
    """One listener with implicit TLS and files that the test may change."""

    def setUp(self):
        self.up = FakeUpstream()
        self.addCleanup(self.up.stop)
        self.files = harness.temp_dir("certificates")
        self.made = harness.temp_dir("made")
        self.certificate, self.key = (os.path.join(self.files, name) for name in ("mx.pem", "mx.key"))
        self.pair = make(self.made, 1001)
        self.put(self.pair)
        self.weir = None

    def start(self, *listen):
        self.weir = harness.Mailweir(self.up.port, listen=["certificate %s %s" % (self.certificate, self.key),
                                                           *(listen or ["tls implicit"])])
        self.addCleanup(self.weir.stop)
        return self.weir

    def put(self, pair):
        """Each file at once, as careful tools do: one rename, then the other."""
        for path, text in zip((self.certificate, self.key), pair):
            self.put_one(path, text)

    @staticmethod
    def put_one(path, text):
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write(text)
        os.rename(path + ".new", path)

    def overwrite(self, pair, pause=0.0):
        """As careless tools do: the same files, one after the other."""
        for path, text in zip((self.certificate, self.key), pair):
            with open(path, "w", encoding="ascii") as file:
                file.write(text[:len(text) // 2])
                file.flush()
                file.write(text[len(text) // 2:])
            time.sleep(pause)

    def context(self, version=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if version:
            context.maximum_version = version
        return context

    def handshake(self, context=None, session=None):
        """A connection after its handshake."""
        plain = socket.create_connection(("127.0.0.1", self.weir.port), 10)
        try:
            return (context or self.context()).wrap_socket(plain, server_hostname=NAME, session=session)
        except Exception:
            plain.close()
            raise

    def served(self):
        """DER of the certificate that a client gets now."""
        with self.handshake() as secure:
            return secure.getpeercert(True)

    def serial(self):
        """The same, as openssl s_client shows it."""
        client = harness.run([harness.tool("openssl"), "s_client", "-connect", "127.0.0.1:%d" % self.weir.port, "-servername", NAME],
                             stdin=b"QUIT\n")
        shown = harness.run([harness.tool("openssl"), "x509", "-noout", "-serial"], stdin=client.stdout)
        return int(re.search(rb"serial=([0-9A-F]+)", shown.stdout).group(1), 16)

    def until_served(self, pair, timeout=30.0):
        harness.wait_for(lambda: self.served() == der_of(pair[0]), timeout,
                         lambda: "the new certificate; log:\n" + self.weir.log()[-2000:], step=0.1)


@harness.needs_proxy
class Renewal(Served):
    def test_renewed_files_are_in_force_without_a_signal(self):
        self.start()
        self.assertEqual(self.serial(), 1001)
        mark = self.weir.mark()
        pair = make(self.made, 1002, days=60)
        self.put(pair)
        record = self.weir.wait_record("certificate", start=mark, listener="mx")
        self.assertIn(record["file"], (self.certificate, self.key))
        self.assertRegex(record["expires"], r"^20\d\d-\d\d-\d\d$")
        self.assertEqual(self.serial(), 1002)
        self.assertEqual(self.weir.records("reloaded"), [])
        self.weir.finish(self)

    def test_open_connections_keep_what_they_began_with(self):
        self.start()
        with self.handshake() as secure:
            self.assertTrue(secure.recv(1000).startswith(b"220 "))
            pair = make(self.made, 1002)
            self.put(pair)
            self.until_served(pair)
            secure.sendall(b"NOOP\r\n")
            self.assertTrue(secure.recv(1000).startswith(b"250 "))
            self.assertEqual(secure.getpeercert(True), der_of(self.pair[0]))
        self.weir.finish(self)

    def test_a_bad_file_keeps_the_old_certificate_and_is_told(self):
        self.start()
        mark = self.weir.mark()
        self.put_one(self.certificate, "this is no certificate\n")
        record = self.weir.wait_record("certificate-failed", start=mark, listener="mx")
        self.assertIn(self.certificate, record["text"])
        self.assertEqual(self.serial(), 1001)
        pair = make(self.made, 1003)
        self.put_one(self.certificate, pair[0])  # a key that is not its own is as bad
        harness.wait_for(lambda: len(self.weir.records("certificate-failed", mark)) == 2, 10, "told again, once")
        self.assertEqual(self.serial(), 1001)
        self.put(pair)
        self.until_served(pair)
        self.assertEqual(self.serial(), 1003)
        self.weir.wait_record("certificate", start=mark, listener="mx")
        self.weir.finish(self)

    def test_a_lost_file_keeps_the_old_certificate(self):
        self.start()
        os.unlink(self.key)
        self.weir.wait_record("certificate-failed", listener="mx")
        self.assertEqual(self.serial(), 1001)
        self.put(self.pair)
        self.weir.wait_record("certificate", listener="mx")
        self.weir.finish(self)

    def test_a_reload_reads_the_files_too(self):
        self.start()
        pair = make(self.made, 1004)
        self.put(pair)
        self.assertEqual(self.weir.reload()["event"], "reloaded")
        self.assertEqual(self.serial(), 1004)
        with open(self.key, "w", encoding="ascii") as file:
            file.write("nonsense\n")
        mark = self.weir.mark()
        self.assertEqual(self.weir.reload()["event"], "reload-failed")
        self.assertIn(self.key, self.weir.log()[mark:])
        self.assertEqual(self.serial(), 1004)
        self.weir.finish(self)

    def test_links_that_are_exchanged_are_followed(self):
        """As certbot (live/ -> archive/) and Kubernetes (a linked directory) do it."""
        for name, pair in (("one", self.pair), ("two", make(self.made, 1005))):
            os.mkdir(os.path.join(self.files, name))
            for path, text in zip((self.certificate, self.key), pair):
                with open(os.path.join(self.files, name, os.path.basename(path)), "w", encoding="ascii") as file:
                    file.write(text)
        os.symlink("one", os.path.join(self.files, "data"))
        for path in (self.certificate, self.key):
            os.unlink(path)
            os.symlink("data/" + os.path.basename(path), path)
        self.start()
        self.assertEqual(self.serial(), 1001)
        os.symlink("two", os.path.join(self.files, "data.new"))
        os.rename(os.path.join(self.files, "data.new"), os.path.join(self.files, "data"))
        self.weir.wait_record("certificate", listener="mx")
        self.assertEqual(self.serial(), 1005)
        self.assertEqual(self.weir.records("certificate-failed"), [])
        self.weir.finish(self)


@harness.needs_proxy
class Load(Served):
    def handshakes(self, stop, done, failures):
        """One after the other, until told to stop."""
        context = self.context()
        while not stop.is_set():
            try:
                with self.handshake(context) as secure:
                    done.append(secure.getpeercert(True))
            except OSError as error:
                failures.append(repr(error))

    def test_certificates_change_under_load_without_a_failed_handshake(self):
        self.start("tls implicit", "max-sessions 10000")
        pairs = [make(self.made, 2000 + i) for i in range(4)]
        stop, done, failures = threading.Event(), [], []
        clients = [threading.Thread(target=self.handshakes, args=(stop, done, failures)) for _ in range(2)]
        for client in clients:
            client.start()
        try:
            for i in range(SWAPS):
                if i % 2:
                    self.put(pairs[i % 4])
                else:  # every other one of these stands half-done for longer than the proxy waits
                    self.overwrite(pairs[i % 4], 1.3 if i % 4 == 0 else 0.05)
                time.sleep(0.2)
            self.until_served(pairs[(SWAPS - 1) % 4])
            for pair in pairs[:3]:  # while the files change that fast it is luck how many of them are ever in force
                self.put(pair)
                harness.wait_for(lambda der=der_of(pair[0]): der in done, 30, "a handshake with the next certificate", 0.05)
            harness.wait_for(lambda: len(done) + len(failures) >= 300, 60, "300 handshakes")
        finally:
            stop.set()
            for client in clients:
                client.join()
        self.assertEqual(failures, [])
        known = {der_of(pair[0]) for pair in [self.pair, *pairs]}
        self.assertEqual(set(done) - known, set())
        self.assertGreater(len(set(done)), 2)  # they did change
        self.assertGreater(len(self.weir.records("certificate", listener="mx")), 2)
        harness.notice("%d handshakes during %d changes of the files, none failed" % (len(done), SWAPS))
        self.weir.finish(self)


@harness.needs_proxy
class Told(Served):
    def test_the_end_of_a_certificate_is_told(self):
        self.put(make(self.made, 3001, days=5))
        self.start()
        record = self.weir.wait_record("certificate-expires", listener="mx")
        self.assertIn(record["days"], ("4", "5"))
        self.assertIn("warning: a certificate of listener 'mx' expires on " + record["expires"], self.weir.log())
        self.weir.finish(self)

    def test_check_tells_it_beforehand(self):
        self.start()
        result = harness.run([harness.MAILWEIR, "check", "-c", self.weir.conf])
        self.assertEqual(result.returncode, 0, harness.describe(result))
        self.assertRegex(result.stdout.decode(), r"(?m)^listener mx: certificate %s expires \d{4}-\d\d-\d\d, in (89|90) days$"
                         % self.certificate)
        self.weir.finish(self)

    def test_counters_have_the_expiry(self):
        self.start()
        self.served()
        self.weir.signal(signal.SIGUSR1)
        record = self.weir.wait_record("counter", name="tls.mx.expiry")
        self.assertAlmostEqual(int(record["value"]) - time.time(), 90 * 86400, delta=86400)
        self.assertEqual(self.weir.wait_record("counter", name="tls.client.handshakes")["value"], "1")
        self.weir.wait_record("counter", name="dns.queries")
        self.weir.finish(self)

    def test_tickets_outlive_a_reload(self):
        self.start()
        context = self.context(ssl.TLSVersion.TLSv1_2)
        with self.handshake(context) as secure:
            session = secure.session
            self.assertFalse(secure.session_reused)
        self.assertTrue(session.has_ticket)
        self.assertEqual(self.weir.reload()["event"], "reloaded")
        with self.handshake(context, session) as secure:
            self.assertTrue(secure.session_reused)
        self.weir.finish(self)


if __name__ == "__main__":
    harness.main()
