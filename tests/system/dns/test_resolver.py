"""The resolver against a real name server: nsd on a loopback port with zones of its own (names that a stranger may put into his
reverse zone among them). Faulty servers: test_resolver_faults.py."""
import os
import re
import shutil
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import harness  # noqa: E402

DNSASK = os.environ.get("DNSASK", "")
NSD = shutil.which("nsd") or shutil.which("nsd", path="/usr/sbin")
LONG = ".".join(["a" * 63] * 3 + ["b" * 56, "test"])  # 253 octets: the longest name there is

SOA = "@ %d SOA ns.test. hostmaster.test. 1 3600 600 86400 %d\n@ 300 NS ns.test.\n"
ZONES = {
    "test": SOA % (300, 60) + "\n".join([
        "ns A 127.0.0.1", "Mail A 192.0.2.1", "mail A 192.0.2.2", "mail AAAA 2001:db8::1", "www CNAME mail",
        "chain CNAME www", "loop CNAME pool", "pool CNAME loop", "dangling CNAME nowhere",
        "@ MX 10 mail", "@ MX 20 mx2.Example.", "null MX 0 .", "@ TXT \"v=spf1 \" \"-all\"", "@ TXT \"two\"",
        "odd TXT \"a\\000b\\013\\010c\"", "* .wild A 192.0.2.77".replace("* .", "*."), "_spf TXT \"x\"", "a+b TXT \"plus\"",
        "hundred 60 TXT " + " ".join("\"%s\"" % (chr(97 + i % 26) * 250) for i in range(40)),
        *("many A 198.51.100.%d" % i for i in range(1, 101)),
        LONG + ". A 192.0.2.53", "other A 192.0.2.3", "five A 192.0.2.5", "six AAAA 2001:db8::6",
        "evil\\032name A 192.0.2.66", "alias A 192.0.2.9"]) + "\n",
    "2.0.192.in-addr.arpa": SOA % (300, 60) + "\n".join([
        "1 PTR mail.test.", "3 PTR mail.test.", "5 PTR nowhere.test.", "5 PTR five.test.", "5 PTR mail.test.",
        "9 CNAME 9.0/25", "9.0/25 PTR alias.test.",
        "66 PTR evil\\032name.test.", "66 PTR a\\013\\010QUIT.test.", "66 PTR dotted\\.label.test.", "66 PTR b\\\\.test.",
        "66 PTR 192.0.2.66.", "66 PTR " + "\\255.test."]) + "\n",
    "8.b.d.0.1.0.0.2.ip6.arpa": SOA % (300, 60) + "%s PTR six.test.\n" % ".".join("6" + "0" * 23),
}


def start_nsd():
    directory, port = harness.temp_dir("nsd"), harness.free_port()
    for name, text in ZONES.items():
        with open(os.path.join(directory, name), "w", encoding="ascii") as file:
            file.write("$ORIGIN %s.\n$TTL 300\n%s" % (name, text))
    conf = os.path.join(directory, "nsd.conf")
    with open(conf, "w", encoding="ascii") as file:
        file.write('server:\n server-count: 1\n rrl-ratelimit: 0\n ip-address: 127.0.0.1\n port: %d\n username: ""\n chroot: ""\n database: ""\n'
                   ' zonesdir: "%s"\n pidfile: "%s/pid"\n xfrdfile: "%s/xfrd"\n zonelistfile: "%s/zones"\n xfrdir: "%s"\n'
                   'remote-control:\n control-enable: no\n' % ((port,) + (directory,) * 5))
        for name in ZONES:
            file.write('zone:\n name: "%s"\n zonefile: "%s"\n' % (name, name))
    server = harness.Process([NSD, "-d", "-c", conf], "nsd", directory)
    server.port = port
    harness.wait_for(lambda: harness.accepts(port), 30, lambda: "nsd:\n" + server.log())
    return server


@unittest.skipUnless(DNSASK, "NOTICE: no DNSASK: run by ctest")
@unittest.skipUnless(NSD, "NOTICE: nsd is not installed: suite is skipped")
class Resolver(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.server = start_nsd()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def ask(self, *questions, options=()):
        """{(type, name): the answer's words}, and the counters."""
        argv = [DNSASK, "-s", "127.0.0.1:%d" % self.server.port, *options]
        for question in questions:
            argv += question.split(" ")
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        *lines, counters = done.stdout.splitlines()
        self.assertEqual([" ".join(line.split(" ")[:2]) for line in lines], list(questions))
        self.counters = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", counters)}
        return [line.split(" ")[2:] for line in lines]

    def same(self, question, answer):
        (words,) = self.ask(question)
        self.assertEqual([words[0], *sorted(words[1:])], answer.split(" "))

    def test_addresses(self):
        self.same("A mail.test", "OK 192.0.2.1 192.0.2.2")
        self.same("AAAA MAIL.Test.", "OK 2001:db8::1")
        self.same("A any.wild.test", "OK 192.0.2.77")
        self.same("A " + LONG, "OK 192.0.2.53")

    def test_aliases(self):
        self.same("A www.test", "OK 192.0.2.1 192.0.2.2")
        self.same("AAAA chain.test", "OK 2001:db8::1")
        self.same("TXT www.test", "NONE")
        self.same("A dangling.test", "NONE")
        (loop,) = self.ask("A loop.test")
        self.assertIn(loop[0], ("FAILED", "NONE"))

    def test_mail_exchangers(self):
        self.same("MX test", "OK 10:mail.test 20:mx2.example")
        self.same("MX null.test", "OK 0:")

    def test_texts(self):
        self.same("TXT test", "OK two v=spf1\\x20-all")
        self.same("TXT odd.test", "OK a\\x00b\\x0d\\x0ac")
        self.same("TXT _spf.test", "OK x")
        self.same("TXT a+b.test", "OK plus")

    def test_nothing(self):
        self.same("A nowhere.test", "NONE")
        self.same("MX mail.test", "NONE")
        self.same("A a..test", "NONE")

    def test_names_that_do_not_exist(self):
        for question, is_missing in (("A nowhere.test", 1), ("A below.nowhere.test", 1), ("TXT below.mail.test", 1), ("MX mail.test", 0),
                                     ("A wild.test", 0), ("TXT www.test", 0), ("A dangling.test", 0), ("A a..test", 1), ("A x.onion", 1)):
            self.same(question, "NONE")
            self.assertEqual(self.counters["missing"], is_missing, question)
        self.ask("A nowhere.test", "MX nowhere.test", "TXT nowhere.test", options=["-n", "20"])
        self.assertEqual((self.counters["queries"], self.counters["missing"], self.counters["cached"]), (3, 60, 1))

    def test_foreign_zone_is_refused_by_the_server(self):
        self.same("A example.com", "FAILED")

    def test_truncated_answers_come_by_tcp(self):
        (text,), (many,) = self.ask("TXT hundred.test"), self.ask("A many.test")
        self.assertEqual(text, ["OK", "".join(chr(97 + i % 26) * 250 for i in range(40))])
        self.assertEqual((many[0], len(many)), ("OK", 101))

    def test_client_names(self):
        self.same("CLIENT 192.0.2.1", "OK mail.test")
        self.same("CLIENT 192.0.2.3", "NONE")  # somebody else's name
        self.same("CLIENT 192.0.2.4", "NONE")  # no name
        self.same("CLIENT 192.0.2.5", "OK five.test")  # the one of three that leads back
        self.same("CLIENT 192.0.2.9", "OK alias.test")  # RFC 2317
        self.same("CLIENT 2001:db8::6", "OK six.test")

    def test_hostile_reverse_names_do_not_come_out(self):
        self.same("CLIENT 192.0.2.66", "NONE")
        self.same("PTR 66.2.0.192.in-addr.arpa", "NONE")

    def test_cache_and_joining(self):
        names = ["A mail.test", "A MAIL.TEST.", "AAAA mail.test", "A nowhere.test", "A nowhere.test"]
        self.ask(*names, options=["-n", "100"])
        self.assertEqual(self.counters["queries"], 3)
        self.assertEqual(self.counters["joined"], 2)
        self.assertEqual(self.counters["hits"], 5 * 99)
        self.assertEqual(self.counters["cached"], 3)

    def test_many_at_once(self):
        answers = self.ask(*("A n%d.wild.test" % i for i in range(300)))
        self.assertEqual({tuple(words) for words in answers}, {("OK", "192.0.2.77")})

    def test_second_server_stands_in(self):
        with socket.socket(type=socket.SOCK_DGRAM) as mute:  # nobody else gets its port
            mute.bind(("127.0.0.1", 0))
            argv = [DNSASK, "-s", "127.0.0.1:%d" % mute.getsockname()[1], "-s", "127.0.0.1:%d" % self.server.port, "A", "mail.test"]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True)
        self.assertIn("A mail.test OK", done.stdout)


if __name__ == "__main__":
    harness.main()
