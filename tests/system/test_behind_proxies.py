"""Behind real load balancers and proxies: HAProxy with every form of the PROXY protocol, TLS ended there and health checks; nginx's
mail proxy with XCLIENT and PROXY; another mailweir; swaks as the proxy. And whoever is not in `trust` can claim nothing."""
import base64
import http.server
import os
import re
import smtplib
import ssl
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import certs  # noqa: E402
import harness  # noqa: E402
import postfix  # noqa: E402
import suite  # noqa: E402
from balancer import HAProxy  # noqa: E402
from dovecot_auth import DovecotAuth  # noqa: E402
from fake_upstream import FakeUpstream  # noqa: E402
from harness import block, describe, free_port, run, tool  # noqa: E402
from smtpline import Client  # noqa: E402

CLIENT = "127.0.5.7"
CLIENT_RE = r"127\.0\.5\.7"
TRUSTED, OTHER = "127.0.0.1", "127.0.0.9"
NAME = "mx.weir.test"
ELSEWHERE = "victim@elsewhere.test"
USER, PASSWORD = "carol@example.test", "the-secret-word"
TRUST = "trust %s/32" % TRUSTED
NGINX_MAIL = "/usr/lib/nginx/modules/ngx_mail_module.so"

# What filters know of a connection whose TLS ended elsewhere, seen from behind.
FACTS = 'facts: add header "X-Facts: ${tls.version} ${tls.cipher} ${tls.sni} ${tls.client_cert} ${client.ip}" when client.tls == 1\n'

mta = None
ca = None
pair = None


def setUpModule():
    global mta, ca, pair
    ca = certs.Authority()
    pair = ca.issue(NAME)
    auth = DovecotAuth({USER.encode(): PASSWORD.encode()})
    sasl = (" -o smtpd_sasl_auth_enable=yes -o smtpd_sasl_type=dovecot -o smtpd_sasl_path=inet:127.0.0.1:%d"
            " -o {smtpd_relay_restrictions=permit_mynetworks,permit_sasl_authenticated,reject_unauth_destination}" % auth.port)
    mta = postfix.start(services={"xclient": postfix.SERVICES["xclient"] + sasl + " -o mynetworks=127.0.0.1/32"})


class Base(suite.Case):
    """One mailweir with listeners for everything that may stand in front; `ports` by name."""
    LISTENERS = {}

    @classmethod
    def setUpClass(cls):
        cls.ports = {name: free_port() for name in cls.LISTENERS}
        files = {"50-%s.conf" % name: block("listen " + name, ["address 127.0.0.1:%d" % cls.ports[name], "upstream postfix",
                                                               "client-name off", *lines])
                 for name, lines in cls.LISTENERS.items()}
        files["rules/10-facts.rules"] = FACTS
        cls.weir = harness.Mailweir(mta.ports["xclient"], upstream=["identity xclient"], files=files,
                                    filters="filter rules {\n    module rules\n    files rules/*.rules\n}\n", chain="rules")

    @classmethod
    def tearDownClass(cls):
        cls.weir.finish(suite.Case())

    def setUp(self):
        mta.settle()
        mta.empty()
        self.start, self.mark = mta.mark(), self.weir.mark()

    def tearDown(self):
        self.weir.check_healthy(self)

    def deliver(self, client, helo="client.example.net"):
        """A message to alice; a relay attempt before it is refused. Returns the log line."""
        ehlo = client.ehlo(helo)
        client.cmd("MAIL FROM:<a@example.net>", 250)
        client.cmd("RCPT TO:<%s>" % ELSEWHERE, (550, 554))
        client.cmd("RCPT TO:<%s>" % suite.ALICE, 250)
        self.assertEqual(client.data(suite.PLAIN).code, 250)
        client.quit()
        self.same_octets(mta.take_one().rest, postfix.as_delivered(suite.PLAIN))
        return ehlo, self.weir.wait_record("message", start=self.mark, verdict="accept")

    def logged(self, client):
        """Postfix knows this client (a pattern), and has refused to relay for it."""
        mta.wait_log(r": reject: RCPT from %s: 554 5\.7\.1" % client, self.start)
        mta.wait_log(r": client=%s, orig_queue_id=" % client, self.start)


# ---------------------------------------------------------------------------------------------- HAProxy

SERVER = "    server w 127.0.0.1:%d %s\n"
EVERYTHING = "proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c,unique-id"


@harness.needs_proxy
class BehindHAProxy(Base):
    """recipe 4, over each form of send-proxy."""
    LISTENERS = {"balanced": ["accept-proxy required", TRUST], "facts": ["accept-proxy required", TRUST, "chain inbound"]}
    # name: options of `bind`, options of `server`; the form "facts" goes to the listener with a chain
    FORMS = {
        "v1": ("", "send-proxy"),
        "v2": ("", "send-proxy-v2"),
        "v2_options": ("", "send-proxy-v2 proxy-v2-options crc32c,unique-id,authority"),
        "v2_ssl": ("ssl crt %(pem)s", "send-proxy-v2-ssl"),
        "v2_cn": ("ssl crt %(pem)s ca-file %(ca)s verify optional", "send-proxy-v2-ssl-cn"),
        "everything": ("ssl crt %(pem)s ca-file %(ca)s verify optional alpn smtp", "send-proxy-v2-ssl-cn " + EVERYTHING),
        "facts": ("ssl crt %(pem)s ca-file %(ca)s verify optional", "send-proxy-v2-ssl-cn " + EVERYTHING),
        "v1_tls": ("ssl crt %(pem)s", "send-proxy"),
    }

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        pem = os.path.join(harness.temp_dir("pem"), "both.pem")
        with open(pem, "w", encoding="ascii") as out:
            for path in (pair.certificate, pair.key):
                with open(path, encoding="ascii") as file:
                    out.write(file.read())
        text, cls.front = "", {}
        for name, (bind, server) in cls.FORMS.items():
            cls.front[name] = free_port()
            text += ("listen %s\n    bind 127.0.0.1:%d %s\n    unique-id-format %%{+X}o\\ %%ci:%%cp_%%rt\n"
                     % (name, cls.front[name], bind % {"pem": pem, "ca": ca.certificate})
                     + SERVER % (cls.ports["facts" if name == "facts" else "balanced"], server))
        cls.haproxy = HAProxy(text, cls.front.values())

    def connect(self, form, context=None, sni=NAME):
        client = self.closing(Client(self.front[form], source=CLIENT, greet=False))
        if context:
            client.socket = context.wrap_socket(client.socket, server_hostname=sni)
        client.greeting = client.expect(220)
        return client

    def test_client_in_the_clear(self):
        for form in ("v1", "v2", "v2_options"):
            with self.subTest(form):
                self.setUp()
                client = self.connect(form)
                ehlo, record = self.deliver(client)
                self.assertNotIn("AUTH", ehlo.text)
                self.assertEqual(record["client"], "-[%s]:%d" % (CLIENT, client.source_port))
                self.assertEqual((record["tls"], record["proto"]), ("-", "ESMTP"))
                self.logged(r"unknown\[%s\]" % CLIENT_RE)

    def test_client_whose_tls_ends_at_haproxy(self):
        """The log line says so, and AUTH is offered (auth tls-only): the client's password did not cross the network in the clear."""
        for form in ("v2_ssl", "v2_cn", "everything"):
            with self.subTest(form):
                self.setUp()
                ehlo, record = self.deliver(self.connect(form, ca.client_context()))
                self.assertIn("AUTH PLAIN LOGIN", ehlo.lines)
                self.assertNotIn("STARTTLS", ehlo.text)
                self.assertEqual((record["tls"], record["proto"]), ("TLSv1.3", "ESMTPS"), record["line"])
                self.logged(r"unknown\[%s\]" % CLIENT_RE)

    def test_login_over_that(self):
        client = self.connect("everything", ca.client_context())
        client.ehlo()
        client.cmd("AUTH PLAIN " + base64.b64encode(b"\0%s\0%s" % (USER.encode(), PASSWORD.encode())).decode(), 235)
        client.envelope("a@example.net", ELSEWHERE)
        self.assertEqual(client.data(suite.PLAIN).code, 250)
        client.quit()
        record = self.weir.wait_record("message", start=self.mark, verdict="accept")
        self.assertEqual((record["user"], record["proto"]), (USER, "ESMTPSA"))
        mta.wait_log(r"client=unknown\[%s\], sasl_method=PLAIN, sasl_username=%s" % (CLIENT_RE, USER), self.start)

    def test_facts_for_filters(self):
        """Version, cipher, server name and the certificate's name are what the client has at HAProxy."""
        context = ca.client_context(ca.issue("client-42.example.net"))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        client = self.connect("facts", context)
        cipher = client.socket.cipher()[0]
        client.ehlo()
        client.envelope("a@example.net", suite.ALICE)
        self.assertEqual(client.data(suite.PLAIN).code, 250)
        self.assertEqual(mta.take_one().header("X-Facts"), ["TLSv1.2 %s %s client-42.example.net %s" % (cipher, NAME, CLIENT)])

    def test_tls_that_v1_cannot_tell_of(self):
        ehlo, record = self.deliver(self.connect("v1_tls", ca.client_context()))
        self.assertNotIn("AUTH", ehlo.text)
        self.assertEqual((record["tls"], record["proto"]), ("-", "ESMTP"))

    def test_many_clients_at_once(self):
        clients = [(i, Client(self.front["everything" if i % 2 else "v2"], source="127.0.6.%d" % (i + 1), greet=False))
                   for i in range(40)]
        for i, client in clients:
            self.closing(client)
            if i % 2:
                client.socket = ca.client_context().wrap_socket(client.socket, server_hostname=NAME)
        for i, client in clients:
            client.expect(220)
            client.ehlo("c%d.example.net" % i)
            client.envelope("a@example.net", suite.ALICE)
        for _, client in clients:
            self.assertEqual(client.data(suite.PLAIN).code, 250)
            client.quit()
        found = {re.search(r"from (c\d+)\.example\.net \(\S+ \[(\S+)\]\)", d.received).groups() for d in mta.take("alice", 40)}
        self.assertEqual(found, {("c%d" % i, "127.0.6.%d" % (i + 1)) for i in range(40)})


@harness.needs_proxy
class HealthChecks(suite.Case):
    """Answered by mailweir itself: no upstream connection, no log line, and the server is up."""

    # what HAProxy does on each connection: options of the backend, of the server
    CHECKS = {
        "tcp": ("", ""),
        "smtp": ("    option smtpchk EHLO haproxy.example.test\n", ""),
        "dialogue": ("    option tcp-check\n    tcp-check expect rstring ^220\n    tcp-check send NOOP\\r\\n\n"
                     "    tcp-check expect rstring ^250\n    tcp-check send QUIT\\r\\n\n    tcp-check expect rstring ^221\n", ""),
    }
    OVER_TLS = {
        "tls": ("    option smtpchk EHLO haproxy.example.test\n", "check-ssl verify none"),
        "tls_hurried": ("", ""),  # connects and resets: not a word of TLS
    }

    def balance(self, weir_port, tls_port=None):
        port = free_port()
        text = "frontend f\n    bind 127.0.0.1:%d\n    default_backend tcp\n" % port
        for checks, to in ((self.CHECKS, weir_port), (self.OVER_TLS if tls_port else {}, tls_port)):
            for name, (backend, server) in checks.items():
                # inter is HAProxy's patience with a connection, too
                text += ("backend %s\n%s    timeout check 10s\n    server %s 127.0.0.1:%d send-proxy-v2 check check-send-proxy "
                         "inter 400ms fall 1 rise 1 %s\n" % (name, backend, name, to, server))
        haproxy = HAProxy(text, [port])
        self.addCleanup(haproxy.stop)
        return port, haproxy

    def test_checks_cost_nothing(self):
        up, implicit = FakeUpstream(), free_port()
        self.addCleanup(up.stop)
        smtps = block("listen smtps", ["address 127.0.0.1:%d" % implicit, "upstream postfix", "accept-proxy required", TRUST,
                                       "client-name off", "tls implicit", "certificate %s %s" % (pair.certificate, pair.key)])
        weir = harness.Mailweir(up.port, listen=["accept-proxy required", TRUST], files={"50-smtps.conf": smtps})
        self.addCleanup(weir.finish, self)
        port, haproxy = self.balance(weir.port, implicit)
        weir.wait_record("session")  # the test's own look at the port
        up.catch_up()
        start, sessions = weir.mark(), len(up.sessions)
        time.sleep(2.5)
        for name, row in haproxy.server_states().items():
            self.assertEqual((name, row["status"], row["chkfail"], row["chkdown"]), (name, "UP", "0", "0"), haproxy.said())
            self.assertIn(row["check_status"].lstrip("* "), ("L7OK", "L6OK", "L4OK"), row)  # *: one is under way
        self.assertEqual(weir.log()[start:], "")
        up.catch_up()
        self.assertEqual(len(up.sessions), sessions)
        client = self.closing(Client(port, source=CLIENT))  # and mail goes on
        client.ehlo()
        client.quit()
        weir.wait_record("session", start=start, client="-[%s]:%d" % (CLIENT, client.source_port))

    def test_balancer_notices_that_we_go(self):
        """While draining nobody is served: the balancer must send clients elsewhere."""
        up = FakeUpstream()
        self.addCleanup(up.stop)
        weir = harness.Mailweir(up.port, listen=["accept-proxy required", TRUST], top=["workers 1", "drain-timeout 3s"])
        self.addCleanup(weir.stop)
        port, haproxy = self.balance(weir.port)
        held = self.closing(Client(port, source=CLIENT))  # an open session: the drain takes its time
        weir.signal(15)
        harness.wait_for(lambda: all(row["status"].startswith("DOWN") for row in haproxy.server_states().values()), 20,
                         lambda: haproxy.said())
        held.quit()


# ---------------------------------------------------------------------------------------------- nginx

class AuthHttp:
    """What nginx asks where a message is to go, and whether a password is right."""

    def __init__(self, server_port):
        asked = self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(dict(self.headers))
                self.send_response(200)
                good = self.headers["Auth-Method"] == "none" or self.headers["Auth-Pass"] == PASSWORD
                self.send_header("Auth-Status", "OK" if good else "Invalid login or password")
                self.send_header("Auth-Wait", "1")  # else nginx closes instead of answering
                self.send_header("Auth-Server", "127.0.0.1")
                self.send_header("Auth-Port", str(server_port(self.headers)))
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@harness.needs_proxy
class BehindNginx(Base):
    """nginx's mail proxy: it has a dialogue of its own with the client up to RCPT and then tells us who that is."""
    LISTENERS = {"xclient": ["accept-xclient on", TRUST], "proxy": ["accept-proxy required", TRUST],
                 "both": ["accept-proxy required", "accept-xclient on", "trust %s/32 %s/32" % (TRUSTED, CLIENT)]}

    @classmethod
    def setUpClass(cls):
        cls.http = None
        program = tool("nginx")
        if not os.path.exists(NGINX_MAIL):
            harness.notice("libnginx-mod-mail is not installed: tests behind nginx are skipped")
            raise unittest.SkipTest("NOTICE: libnginx-mod-mail is not installed")
        super().setUpClass()
        cls.front = {name: free_port() for name in ("xclient", "proxy", "both", "login")}
        backend = dict(cls.ports, login=cls.ports["xclient"])
        cls.http = AuthHttp(lambda headers: backend[headers["X-Front"]])
        directory = harness.temp_dir("nginx")
        conf = os.path.join(directory, "nginx.conf")
        with open(conf, "w", encoding="ascii") as file:
            file.write(cls.configuration(directory))
        cls.nginx = harness.Process([program, "-c", conf, "-p", directory, "-e", directory + "/error.log"], "nginx", directory)
        for port in cls.front.values():
            harness.wait_for(lambda p=port: harness.accepts(p) or not cls.nginx.alive(), 10, cls.nginx.log)
        if not cls.nginx.alive():
            raise AssertionError("nginx ended at start:\n" + cls.nginx.log())

    @classmethod
    def configuration(cls, directory):
        text = ("load_module %s;\ndaemon off;\nmaster_process off;\npid %s/pid;\nerror_log stderr;\nevents { }\n"
                "mail {\n    server_name nginx.example.test;\n    auth_http 127.0.0.1:%d/auth;\n"
                % (NGINX_MAIL, directory, cls.http.port))
        for name, port in cls.front.items():
            text += ("    server {\n        listen 127.0.0.1:%d;\n        protocol smtp;\n        auth_http_header X-Front %s;\n"
                     "        smtp_auth %s;\n        xclient %s;\n        proxy_protocol %s;\n    }\n"
                     % (port, name, "plain login" if name == "login" else "none", "off" if name == "proxy" else "on",
                        "on" if name in ("proxy", "both") else "off"))
        return text + "}\n"

    @classmethod
    def tearDownClass(cls):
        cls.http.close()
        super().tearDownClass()

    def test_client(self):
        for name in ("xclient", "proxy", "both"):
            with self.subTest(name):
                self.setUp()
                client = self.closing(Client(self.front[name], source=CLIENT))
                self.assertIn("nginx.example.test", client.greeting.text)
                client.ehlo("client.example.net")
                client.cmd("MAIL FROM:<a@example.net>", 250)
                client.cmd("RCPT TO:<%s>" % suite.ALICE, 250)
                client.cmd("RCPT TO:<%s>" % ELSEWHERE, 554)
                self.assertEqual(client.data(suite.PLAIN).code, 250)
                client.quit()
                found = mta.take_one()
                self.same_octets(found.rest, postfix.as_delivered(suite.PLAIN))
                helo = "nginx" if name == "proxy" else "client"  # without XCLIENT it says its own name
                self.assertRegex(found.received, r"from %s\.example\.\w+ \(unknown \[%s\]\)" % (helo, CLIENT_RE))
                record = self.weir.wait_record("message", start=self.mark, verdict="accept")
                self.assertRegex(record["client"], r"^-\[%s\]:\d+$" % CLIENT_RE)
                self.logged(r"unknown\[%s\]" % CLIENT_RE)

    def test_refused_recipient_is_the_client_s_reply(self):
        client = self.closing(Client(self.front["xclient"], source=CLIENT))
        client.ehlo()
        client.cmd("MAIL FROM:<a@example.net>", 250)
        reply = client.cmd("RCPT TO:<%s>" % ELSEWHERE)
        self.assertEqual((reply.code, reply.dsn), (554, "5.7.1"))

    def test_login_at_nginx_is_a_login_at_postfix(self):
        """XCLIENT LOGIN= in, XCLIENT LOGIN= out; without the password nobody can relay."""
        with smtplib.SMTP("127.0.0.1", self.front["login"], "client.example.net", timeout=20, source_address=(CLIENT, 0)) as client:
            client.ehlo()
            with self.assertRaises(smtplib.SMTPAuthenticationError):
                client.login(USER, "wrong")
        with smtplib.SMTP("127.0.0.1", self.front["login"], "client.example.net", timeout=20, source_address=(CLIENT, 0)) as client:
            client.login(USER, PASSWORD)
            client.sendmail("a@example.net", [ELSEWHERE], suite.PLAIN)
        mta.wait_log(r"client=unknown\[%s\], sasl_method=XCLIENT, sasl_username=%s" % (CLIENT_RE, USER), self.start)
        self.assertEqual(self.weir.wait_record("message", start=self.mark, verdict="accept")["user"], USER)


# ---------------------------------------------------------------------------------------------- another mailweir

@harness.needs_proxy
class BehindMailweir(Base):
    """Two in a row: what the first one says is what the second one tells Postfix."""
    LISTENERS = {"xclient": ["accept-xclient on", TRUST], "proxy": ["accept-proxy required", TRUST],
                 "xforward": ["accept-xforward on", TRUST]}

    def edge(self, name, identity, *listen):
        edge = harness.Mailweir(self.ports[name], upstream=["identity " + identity], listen=listen, name="edge")
        self.addCleanup(edge.finish, self)
        return edge

    def test_every_identity(self):
        for name, identity in (("xclient", "xclient"), ("proxy", "proxy-v1"), ("proxy", "proxy-v2")):
            with self.subTest(identity):
                self.setUp()
                edge = self.edge(name, identity)
                _, record = self.deliver(self.closing(Client(edge.port, source=CLIENT)))
                self.assertRegex(record["client"], r"^-\[%s\]:\d+$" % CLIENT_RE)
                self.logged(r"unknown\[%s\]" % CLIENT_RE)

    def test_tls_of_the_client_is_known_behind(self):
        edge = self.edge("proxy", "proxy-v2", "tls starttls", "certificate %s %s" % (pair.certificate, pair.key))
        implicit = free_port()
        edge.write("50-smtps.conf", block("listen smtps", ["address 127.0.0.1:%d" % implicit, "upstream postfix", "tls implicit",
                                                           "client-name off", "certificate %s %s" % (pair.certificate, pair.key)]))
        self.assertEqual(edge.reload()["event"], "reloaded")
        client = self.closing(Client(implicit, source=CLIENT, greet=False))
        client.socket = ca.client_context().wrap_socket(client.socket, server_hostname=NAME)
        client.expect(220)
        ehlo, record = self.deliver(client)
        self.assertEqual((record["tls"], record["proto"]), ("TLSv1.3", "ESMTPS"))
        self.assertIn("AUTH PLAIN LOGIN", ehlo.lines)


# ---------------------------------------------------------------------------------------------- swaks as the proxy

@harness.needs_proxy
class Swaks(Base):
    LISTENERS = {"told": ["accept-xclient on", "accept-xforward on", TRUST], "header": ["accept-proxy required", TRUST]}

    def swaks(self, port, *arguments, source=TRUSTED):
        return run([tool("swaks"), "--server", "127.0.0.1", "--port", port, "--local-interface", source, "--ehlo", "c.example.net",
                    "--from", "a@example.net", "--to", suite.ALICE, "--timeout", "20", *arguments])

    def test_xclient(self):
        done = self.swaks(self.ports["told"], "--xclient-addr", "198.51.100.7", "--xclient-name", "c7.example.net",
                          "--xclient-port", "4711", "--xclient-helo", "odd name=+", "--xclient-proto", "ESMTP",
                          "--xclient-login", "joe+x=@example.org", "--xclient-destaddr", "192.0.2.25", "--xclient-destport", "25")
        self.assertEqual(done.returncode, 0, describe(done))
        self.assertIn(b"XCLIENT ", done.stdout)
        record = self.weir.wait_record("message", start=self.mark, verdict="accept")
        self.assertEqual((record["client"], record["user"]), ("c7.example.net[198.51.100.7]:4711", "joe+x=@example.org"))
        mta.wait_log(r"client=c7\.example\.net\[198\.51\.100\.7\], sasl_method=XCLIENT, sasl_username=joe\+x=@example\.org", self.start)

    def test_xclient_with_ipv6_and_without_a_name(self):
        done = self.swaks(self.ports["told"], "--xclient-addr", "IPV6:2001:db8::7", "--xclient-name", "[UNAVAILABLE]")
        self.assertEqual(done.returncode, 0, describe(done))
        mta.wait_log(r"client=unknown\[2001:db8::7\]", self.start)
        self.assertRegex(self.weir.wait_record("message", start=self.mark, verdict="accept")["client"], r"^-\[2001:db8::7\]:\d+$")

    def test_xclient_from_a_stranger(self):
        done = self.swaks(self.ports["told"], "--xclient-addr", "198.51.100.7", source=OTHER)
        self.assertNotEqual(done.returncode, 0, describe(done))
        self.assertNotIn(b"XCLIENT", done.stdout)
        done = self.swaks(self.ports["told"], "--xclient-addr", "198.51.100.7", "--xclient-optional", source=OTHER)
        self.assertEqual(done.returncode, 0, describe(done))  # as itself
        mta.wait_log(r"client=unknown\[127\.0\.0\.9\]", self.start)
        self.assertNotIn("198.51.100.7", mta.log()[self.start:])

    def test_proxy_header(self):
        for version, family in (("1", "TCP4"), ("2", "AF_INET")):
            with self.subTest(version=version):
                self.setUp()
                header = ["--proxy-version", version, "--proxy-family", family, "--proxy-source", "198.51.100.7", "--proxy-source-port",
                          "4711", "--proxy-dest", "192.0.2.25", "--proxy-dest-port", "25"]
                done = self.swaks(self.ports["header"], *header)
                self.assertEqual(done.returncode, 0, describe(done))
                mta.wait_log(r"client=unknown\[198\.51\.100\.7\]", self.start)
                done = self.swaks(self.ports["header"], *header, source=OTHER)
                self.assertNotEqual(done.returncode, 0, describe(done))
                self.weir.wait_record("proxy-refused", start=self.mark, client="-[127.0.0.9]:%s" % re.search(
                    r"\[127\.0\.0\.9\]:(\d+)", self.weir.log()[self.mark:]).group(1))


# ---------------------------------------------------------------------------------------------- strangers

@harness.needs_proxy
class Strangers(suite.Case):
    """A peer that is not in `trust` says XCLIENT, XFORWARD and PROXY in every state: refused, and nothing of it goes on."""

    CLAIMS = ("XCLIENT ADDR=198.51.100.7", "xclient NAME=localhost ADDR=127.0.0.1 LOGIN=root", "XFORWARD ADDR=198.51.100.7",
              "XFORWARD NAME=x SOURCE=LOCAL IDENT=1", "XCLIENT", "XFORWARD ", "XCLIENT ADDR=198.51.100.300", "XCLIENT\tADDR=198.51.100.7",
              "PROXY TCP4 198.51.100.7 192.0.2.25 4711 25", "\r\n\r\n\0\r\nQUIT\n")
    STATES = (("greeted", ()), ("EHLO", ("EHLO c.example.net",)), ("HELO", ("HELO c.example.net",)),
              ("MAIL", ("EHLO c.example.net", "MAIL FROM:<a@example.net>")),
              ("RCPT", ("EHLO c.example.net", "MAIL FROM:<a@example.net>", "RCPT TO:<alice@example.test>")))
    EXTENSIONS = ("PIPELINING", "8BITMIME", "CHUNKING", "XCLIENT NAME ADDR PROTO HELO PORT LOGIN",
                  "XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT")

    @classmethod
    def setUpClass(cls):
        cls.up = FakeUpstream(extensions=cls.EXTENSIONS)
        tells = ["accept-xclient on", "accept-xforward on", TRUST]
        cls.weirs = {"told nothing": harness.Mailweir(cls.up.port),
                     "told by others": harness.Mailweir(cls.up.port, listen=tells + ["accept-proxy optional"]),
                     "own banner": harness.Mailweir(cls.up.port, listen=tells, upstream=["identity none", "banner own"]),
                     "xclient": harness.Mailweir(cls.up.port, listen=tells, upstream=["identity xclient"])}

    @classmethod
    def tearDownClass(cls):
        for weir in cls.weirs.values():
            weir.finish(suite.Case())
        cls.up.stop()

    def test_every_claim_in_every_state(self):
        for kind, weir in self.weirs.items():
            start, first = weir.mark(), len(self.up.sessions)
            for state, before in self.STATES:
                for claim in self.CLAIMS:
                    with self.subTest(weir=kind, state=state, claim=claim):
                        self.claim(weir, before, claim)
            lines = b"\n".join(line for session in self.up.sessions[first:] for line in session.commands)
            self.assertNotIn(b"198.51.100.7", lines)
            self.assertNotIn(b"LOGIN", lines)
            self.assertNotIn(b"PROXY", lines)
            if kind != "xclient":
                self.assertNotRegex(lines, rb"(?i)xclient")
            self.assertNotIn("client=-[198.51.100.7]", weir.log()[start:])

    def claim(self, weir, before, claim):
        client = self.closing(Client(weir.port, source=OTHER))
        for line in before:
            ehlo = client.cmd(line, 250)
            self.assertNotRegex(ehlo.text, r"\bX(CLIENT|FORWARD)\b")
        reply = client.cmd(claim)
        self.assertGreaterEqual(reply.code, 500)
        if claim.upper().startswith("X") and "\t" not in claim:
            self.assertEqual((reply.code, reply.dsn), (550, "5.7.0"))
        if not claim.startswith("\r"):
            client.cmd("NOOP", 250)
            if not before:
                client.ehlo()
        client.close()

    def test_claims_in_a_message_are_text(self):
        weir = self.weirs["told by others"]
        client = self.closing(Client(weir.port, source=OTHER))
        client.ehlo()
        client.envelope("a@example.net", suite.ALICE)
        text = b"Subject: x\r\n\r\n" + b"".join(c.encode() + b"\r\n" for c in self.CLAIMS[:5])
        self.assertEqual(client.data(text).code, 250)
        client.quit()
        self.assertEqual(self.up.stored()[-1][2], text)

    def test_trust_is_not_handed_on(self):
        """A trusted proxy names a stranger: that stranger cannot name anybody."""
        weir = self.weirs["told by others"]
        client = self.closing(Client(weir.port, source=TRUSTED, greet=False))
        client.send(b"PROXY TCP4 198.51.100.8 192.0.2.25 4711 25\r\n")
        client.expect(220)
        self.assertNotRegex(client.ehlo().text, r"\bX(CLIENT|FORWARD)\b")
        for claim in self.CLAIMS[:4]:
            client.cmd(claim, 550)


if __name__ == "__main__":
    harness.main()
