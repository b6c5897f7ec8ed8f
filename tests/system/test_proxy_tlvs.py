"""What `identity proxy-v2` says of the client's TLS in front of the dialogue: taken apart here, by HAProxy, and taken by Postfix."""
import os
import socket
import ssl
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import certs  # noqa: E402
import harness  # noqa: E402
import postfix  # noqa: E402
import suite  # noqa: E402
from balancer import HAProxy  # noqa: E402
from fake_upstream import NORMAL, FakeUpstream  # noqa: E402
from harness import free_port  # noqa: E402
from smtpline import Client  # noqa: E402

V2_MAGIC = b"\r\n\r\n\0\r\nQUIT\n"


def crc32c(octets):
    """Castagnoli, reflected (RFC 3720 B.4)."""
    crc = 0xFFFFFFFF
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def read_tlvs(octets):
    """{type: value}; each type once."""
    found = {}
    while octets:
        kind, length = struct.unpack("!BH", octets[:3])
        assert kind not in found and len(octets) >= 3 + length, octets
        found[kind], octets = octets[3:3 + length], octets[3 + length:]
    return found


@harness.needs_proxy
class ProxyV2Tlvs(suite.Case):
    AUTHORITY, CRC, UNIQUE_ID, SSL = 2, 3, 5, 0x20
    VERSION, CN, CIPHER = 0x21, 0x22, 0x23
    ON_SSL, WITH_CERT = 1, 6  # the certificate: on this connection, in this session

    @classmethod
    def setUpClass(cls):
        cls.ca, cls.other_ca = certs.Authority(), certs.Authority("Other CA")
        cls.pair = cls.ca.issue("mx.weir.test", "other.weir.test")
        cls.headers = []
        cls.up = FakeUpstream({"CONNECT": cls.take_header})

    @classmethod
    def tearDownClass(cls):
        cls.up.stop()

    @classmethod
    def take_header(cls, session):
        header = b""
        while len(header) < 16 or len(header) < 16 + struct.unpack("!H", header[14:16])[0]:
            more = session.socket.recv(1)  # not an octet of what follows
            if not more:
                return b""
            header += more
        cls.headers.append(header)
        return NORMAL

    def weir(self, port, tls="implicit", *upstream):
        weir = harness.Mailweir(port, upstream=["identity proxy-v2", *upstream],
                                listen=["tls " + tls, "certificate %s %s" % (self.pair.certificate, self.pair.key),
                                        "client-ca " + self.ca.certificate])
        self.addCleanup(weir.finish, self)
        return weir

    def secure(self, weir, context=None, sni="mx.weir.test"):
        client = self.closing(Client(weir.port, source="127.0.5.7", greet=False))
        client.socket = (context or self.ca.client_context()).wrap_socket(client.socket, server_hostname=sni)
        client.expect(220)
        return client

    def header(self):
        """The last header's addresses and TLVs, checksum verified."""
        header = self.headers[-1]
        self.assertEqual(header[:14], V2_MAGIC + b"\x21\x11")
        self.assertLessEqual(len(header), 536)  # Postfix refuses longer ones
        found = read_tlvs(header[28:])
        at = header.index(struct.pack("!BH", self.CRC, 4)) + 3
        self.assertEqual(found[self.CRC], struct.pack("!I", crc32c(header[:at] + b"\0\0\0\0" + header[at + 4:])))
        return struct.unpack("!4s4sHH", header[16:28]), found

    def test_tls_client(self):
        weir = self.weir(self.up.port)
        client = self.secure(weir, sni="other.weir.test")
        (source, destination, port, to), found = self.header()
        self.assertEqual((socket.inet_ntoa(source), socket.inet_ntoa(destination), port, to),
                         ("127.0.5.7", "127.0.0.1", client.source_port, weir.port))
        self.assertEqual(found[self.AUTHORITY], b"other.weir.test")
        self.assertEqual(found[self.SSL][0], self.ON_SSL)
        self.assertNotEqual(found[self.SSL][1:5], b"\0\0\0\0")  # zero would say: a certificate was there, and good
        self.assertEqual(read_tlvs(found[self.SSL][5:]), {self.VERSION: b"TLSv1.3", self.CIPHER: client.socket.cipher()[0].encode()})
        client.quit()
        self.assertEqual(found[self.UNIQUE_ID].decode(), weir.wait_record("session")["id"])

    def test_certificate_of_the_client(self):
        """Its name goes with it; who does not know the authority sees that we do not, either."""
        weir = self.weir(self.up.port)
        for authority, verified in ((self.ca, True), (self.other_ca, False)):
            context = self.ca.client_context(authority.issue("client-42.example.net"))
            for maximum in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                with self.subTest(verified=verified, maximum=maximum):
                    context.maximum_version = maximum
                    self.secure(weir, context).quit()
                    value = self.header()[1][self.SSL]
                    self.assertEqual(value[0], self.ON_SSL | self.WITH_CERT)
                    self.assertEqual(struct.unpack("!I", value[1:5])[0] == 0, verified)
                    self.assertEqual(read_tlvs(value[5:])[self.CN], b"client-42.example.net")

    def test_client_in_the_clear(self):
        """Nothing is said of TLS, and STARTTLS comes too late to be told."""
        weir = self.weir(self.up.port, "starttls")
        client = self.closing(Client(weir.port, source="127.0.5.7"))
        self.assertEqual(set(self.header()[1]), {self.CRC, self.UNIQUE_ID})
        client.ehlo()
        client.cmd("STARTTLS", 220)
        client.socket = self.ca.client_context().wrap_socket(client.socket, server_hostname="mx.weir.test")
        client.ehlo()
        client.quit()

    def test_starttls_before_a_late_upstream(self):
        """banner own: the connection is opened at the first recipient, when the handshake is done."""
        weir = self.weir(self.up.port, "starttls", "banner own")
        with Client(weir.port) as first:  # for the first one it had to ask what the upstream offers
            first.ehlo()
        client = self.closing(Client(weir.port, source="127.0.5.7"))
        client.ehlo()
        client.cmd("STARTTLS", 220)
        client.socket = self.ca.client_context().wrap_socket(client.socket, server_hostname="mx.weir.test")
        client.ehlo()
        client.envelope("a@example.net", suite.ALICE)
        found = self.header()[1]
        self.assertEqual(read_tlvs(found[self.SSL][5:])[self.VERSION], b"TLSv1.3")
        self.assertEqual(found[self.AUTHORITY], b"mx.weir.test")

    def test_haproxy_understands(self):
        """It checks the checksum, and logs what it was told."""
        up = FakeUpstream()
        self.addCleanup(up.stop)
        port = free_port()
        haproxy = HAProxy("listen weir\n    bind 127.0.0.1:%d accept-proxy\n    server up 127.0.0.1:%d\n"
                          "    log-format \"told %%ci:%%cp %%fi:%%fp authority=%%[fc_pp_authority] id=%%[fc_pp_unique_id] sent=%%B\"\n"
                          % (port, up.port), [port])
        self.addCleanup(haproxy.stop)
        weir = self.weir(port)
        client = self.secure(weir)
        client.ehlo()
        client.quit()
        session = weir.wait_record("session")["id"]
        line = "told 127.0.5.7:%d 127.0.0.1:%d authority=mx.weir.test id=%s sent=" % (client.source_port, weir.port, session)
        harness.wait_for(lambda: line in haproxy.said(), 10, lambda: "%r in %s" % (line, haproxy.said()))

    def test_postfix_takes_the_longest_header(self):
        """A server name and a certificate's name as long as can be: still a header that Postfix takes."""
        name = ".".join(["a" * 60] * 4)
        mta = postfix.start(services={"proxy": postfix.SERVICES["proxy"]})
        self.addCleanup(mta.stop)
        pair = self.ca.issue("long.weir.test", name)
        weir = harness.Mailweir(mta.ports["proxy"], upstream=["identity proxy-v2"], listen=[
            "tls implicit", "certificate %s %s" % (pair.certificate, pair.key), "client-ca " + self.ca.certificate])
        self.addCleanup(weir.finish, self)
        client = self.secure(weir, self.ca.client_context(self.ca.issue("c" * 64)), name)
        client.ehlo()
        client.quit()
        mta.wait_log(r"disconnect from unknown\[127\.0\.5\.7\]")


if __name__ == "__main__":
    harness.main()
