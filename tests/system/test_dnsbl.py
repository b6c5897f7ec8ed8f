"""DNS lists in rules over the real program: zones of a real name server (nsd) and of a scripted one that is slow, mute, lying or
out of order; many zones at once, weights, what is waited for, a server that stops in mid-run and comes back."""
import os
import signal
import smtplib
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import nameserver  # noqa: E402
from harness import block  # noqa: E402
from test_rules import Law, message  # noqa: E402

try:
    import dnsserver
except ImportError:  # dnspython is not installed
    dnsserver = None

LOCAL, LISTED, GOOD = "127.0.0.1", "127.0.0.9", "127.0.0.10"


def reverse(address):
    return ".".join(reversed(address.split(".")))


def resolver(port, timeout="2s", cache="0", **settings):
    lines = ["nameserver 127.0.0.1:%d" % port, "timeout " + timeout, "attempts 1", "cache " + cache]
    return block("resolver", lines + ["%s %s" % (key, value) for key, value in settings.items()])


class Lists(Law):
    def load(self, rules, port, files=None, **settings):
        self.control = os.path.join(harness.temp_dir("ctl"), "ctl")
        return self.start(rules, files, top=["workers 1", "control unix:" + self.control, resolver(port, **settings)])

    def counted(self, name):
        """A counter of a list."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(self.control)
            control.sendall(b"counters rules.list.\n")
            lines = control.makefile("r", encoding="utf-8")
            for line in iter(lines.readline, ".\n"):
                if line.split()[0] == "rules.list." + name:
                    return int(line.split()[1])
        return None

    def timed(self, **how):
        begin = time.monotonic()
        return self.refused(**how), time.monotonic() - begin


class Real(Lists):
    """Zones of a real name server."""

    ZONES = {
        "zen.example": "%s A 127.0.0.4\n%s TXT \"Listed, see https://zen.example/q\"\n" % ((reverse(LISTED),) * 2),
        "bl.example": "%s A 127.0.0.2\n%s A 127.0.0.10\n" % ((reverse(LISTED),) * 2) + "%s A 127.0.0.2\n" % reverse(GOOD),
        "bits.example": "%s A 127.0.0.6\n" % reverse(LISTED),
        "allow.example": "%s A 127.0.5.3\n" % reverse(GOOD),
        "dbl.example": "bad.test A 127.0.1.2\n*.worse.test A 127.0.1.4\n",
        "refuses.example": "*.127 A 127.255.255.254\n",
        "lies.example": "* A 198.51.100.7\n",
        "broken.example": None,
    }
    RULES = (
        "list blocked = dnsbl \"zen.example*3\", \"bl.example=127.0.0.[2..4]*2\", \"bits.example&0.0.0.4\",\n"
        "    \"allow.example=127.0.[0..255].[1..3]*-4\" threshold 4 timeout 2s\n"
        "list domains = dnsbl \"dbl.example=127.0.1.[2..99]\"\n"
        "list odd = dnsbl \"refuses.example\", \"lies.example\", \"broken.example\"\n"
        "mark: add header \"X-Listed: ${dnsbl.score('blocked')} ${dnsbl.zones('blocked')}\" when dnsbl.score(\"blocked\") != 0\n"
        "client at mail: reject 550 5.7.1 \"${client.ip} is listed by ${dnsbl.zones('blocked')}: ${dnsbl.text('blocked')}\"\n"
        "    reason \"score ${dnsbl.score('blocked')}\" when client.ip in blocked\n"
        "sender: reject 550 5.7.1 \"${sender.domain}\" when sender.domain in domains\n"
        "helo: reject 550 5.7.1 \"helo\" when dnsbl.score(\"helo in domains\") > 0\n"
        "odd: defer 451 4.7.1 \"odd\" on_error defer 451 4.3.0 \"who knows\" when sender.local == odd and client.ip in odd\n"
        "from: reject 550 5.7.1 \"from\" when from.domain in domains\n"
        "link: reject 550 5.7.1 \"${url.host}\" when url.host in domains\n")

    @classmethod
    def setUpClass(cls):
        cls.nsd = nameserver.Nsd(cls.ZONES)

    @classmethod
    def tearDownClass(cls):
        cls.nsd.stop()

    def test_several_zones_with_weights_filters_and_masks(self):
        weir = self.load(self.RULES, self.nsd.port)
        self.assertIsNone(self.refused(source=LOCAL))
        self.assertEqual(self.header_of(0, "X-Listed"), [])
        said = self.refused(source=LISTED)
        self.assertEqual(said, "550 5.7.1 127.0.0.9 is listed by zen.example, bl.example, bits.example: Listed, see https://zen.example/q")
        self.assertEqual(weir.wait_record("reject", rule="client")["reason"], "score 6")
        self.assertIsNone(self.refused(source=GOOD))  # 2 - 4
        self.assertEqual(self.header_of(1, "X-Listed"), ["-2 bl.example"])

    def test_domains_of_sender_helo_header_and_links(self):
        self.load(self.RULES, self.nsd.port)
        self.assertEqual(self.refused(sender="a@Bad.test"), "550 5.7.1 Bad.test")
        self.assertEqual(self.refused(sender="a@x.y.worse.test"), "550 5.7.1 x.y.worse.test")
        with self.assertRaises(smtplib.SMTPHeloError) as caught:
            self.refused(helo="bad.test")
        self.assertEqual((caught.exception.smtp_code, caught.exception.smtp_error), (550, b"5.7.1 helo"))
        self.assertIsNone(self.refused(helo="[127.0.0.1]", sender="a@good.test"))
        self.assertEqual(self.refused(message().replace(b"From: a@example.org", b"From: Bad <a@bad.test>")), "550 5.7.1 from")
        self.assertEqual(self.refused(message(body="see http://bad.test/x")), "550 5.7.1 bad.test")
        self.assertIsNone(self.refused(message(body="see http://127.0.0.2/ and http://good.test/")))

    def test_codes_that_are_errors_are_no_listings(self):
        """127.255.255.x, an address that is no code, SERVFAIL: three failures, neither yes nor no."""
        weir = self.load(self.RULES, self.nsd.port)
        self.assertEqual(self.refused(sender="odd@example.org", source=GOOD), "451 4.3.0 who knows")
        self.assertTrue(weir.records("rule-error", rule="odd"))
        self.assertIsNone(self.refused(source=GOOD))

    def test_check_says_how_many_zones(self):
        weir = self.load(self.RULES, self.nsd.port)
        done = harness.run([harness.MAILWEIR, "check", "-c", weir.conf, "--stages"])
        self.assertIn(b"list blocked asks 4 zones of the DNS at once, threshold 4 of at most 6; waits up to 2000 ms", done.stdout)

    def test_counters_of_each_zone(self):
        self.load(self.RULES, self.nsd.port)
        self.refused(source=LISTED)
        self.refused(source=LISTED)
        self.assertEqual(self.counted("blocked.zen.example.hits"), 2)
        self.assertEqual(self.counted("blocked.allow.example.queries"), 2)
        self.assertEqual(self.counted("blocked.allow.example.hits"), 0)
        self.assertEqual(self.counted("odd.refuses.example.failures"), 0)  # not reached
        self.refused(source=GOOD, sender="odd@example.org")
        self.assertEqual(self.counted("odd.refuses.example.failures"), 1)
        self.assertEqual(self.counted("odd.lies.example.failures"), 1)
        self.assertEqual(self.counted("odd.broken.example.failures"), 1)

    def test_server_that_stops_in_mid_run_and_comes_back(self):
        rules = ("list bl = dnsbl \"zen.example\" timeout 1s\n"
                 "l: reject 550 5.7.1 \"listed\" on_error defer 451 4.3.0 \"who knows\" when client.ip in bl\n")
        weir = self.load(rules, self.nsd.port, timeout="900ms")
        self.addCleanup(os.killpg, os.getpgid(self.nsd.pid), signal.SIGCONT)
        self.assertIsNone(self.connected(LOCAL))
        self.assertEqual(self.connected(LISTED)[0], 550)
        os.killpg(os.getpgid(self.nsd.pid), signal.SIGSTOP)
        for _ in range(5):
            self.assertEqual(self.connected(LISTED)[0], 451)
        self.assertEqual(weir.wait_record("list-zone-suspended")["zone"], "zen.example")
        begin = time.monotonic()
        for _ in range(20):  # nobody waits any more
            self.assertEqual(self.connected(LISTED)[0], 451)
        self.assertLess(time.monotonic() - begin, 10)  # if each did: 18 s
        self.assertEqual(len(weir.records("list-zone-suspended")), 1)
        os.killpg(os.getpgid(self.nsd.pid), signal.SIGCONT)
        weir.reload()  # begins anew, without the minute's pause
        self.assertEqual(self.connected(LISTED)[0], 550)
        self.assertIsNone(self.connected(LOCAL))

    def connected(self, source):
        """None, or the refusal that greets the client."""
        try:
            self.client(source=source)
            return None
        except smtplib.SMTPResponseException as error:
            return error.smtp_code, error.smtp_error.decode()


@unittest.skipUnless(dnsserver, "python3-dnspython is not installed")
class Odd(Lists):
    """A scripted name server: what real ones do only at times."""

    def serve(self, zones):
        server = dnsserver.DnsServer(zones)
        self.addCleanup(server.stop)
        return server, server.address[1]

    def test_fifty_zones_are_asked_at_once(self):
        names = ["z%02d.example" % i for i in range(50)]
        zones = {"%s.%s" % (reverse(LISTED), name): {"A": ["127.0.0.2"]} for name in names[:20]}
        zones.update({"." + name: ("slow", 0.3) for name in names})
        server, port = self.serve(zones)
        text = ",\n    ".join('"%s*%d"' % (name, 1 + i % 3) for i, name in enumerate(names))
        self.load("list many = dnsbl %s threshold 90 timeout 5s\n"
                  "t: add header \"X-Score: ${dnsbl.score('many')}\" when dnsbl.score(\"many\") > 0\n"
                  "r: reject 550 5.7.1 \"all\" when client.ip in many\n" % text, port, timeout="3s")
        said, seconds = self.timed(source=LISTED)
        self.assertIsNone(said)
        self.assertEqual(self.header_of(0, "X-Score"), [str(sum(1 + i % 3 for i in range(20)))])
        self.assertLess(seconds, 8)  # one after the other: 15 s
        self.assertGreaterEqual(len([1 for name, _ in server.asked if name.endswith(".z49.example")]), 1)

    def test_mute_zone_is_not_waited_for_where_others_decide(self):
        zones = {"%s.a.example" % reverse(LISTED): {"A": ["127.0.0.2"]}, ".mute.example": "mute"}
        _, port = self.serve(zones)
        self.load("list bl = dnsbl \"a.example*2\", \"mute.example\" threshold 2 timeout 4s\n"
                  "r at mail: reject 550 5.7.1 \"${dnsbl.zones('bl')}\" when client.ip in bl\n", port, timeout="4s")
        said, seconds = self.timed(source=LISTED)
        self.assertEqual(said, "550 5.7.1 a.example")
        self.assertLess(seconds, 3.5)
        said, seconds = self.timed(source=LOCAL)  # 0 + 1 at most
        self.assertIsNone(said)
        self.assertLess(seconds, 3.5)

    def test_mute_zone_that_matters_is_waited_for_up_to_the_deadline(self):
        _, port = self.serve({"%s.a.example" % reverse(LISTED): {"A": ["127.0.0.2"]}, ".mute.example": "mute"})
        self.load("list bl = dnsbl \"a.example\", \"mute.example\" threshold 2 timeout 1s\n"
                  "r at mail: reject 550 5.7.1 \"r\" on_error defer 451 4.7.1 \"unknown\" when client.ip in bl\n", port, timeout="10s")
        said, seconds = self.timed(source=LISTED)
        self.assertEqual(said, "451 4.7.1 unknown")
        self.assertGreater(seconds, 0.9)
        self.assertLess(seconds, 8)
        self.assertIsNone(self.refused(source=LOCAL))  # 1 at most

    def test_odd_answers_are_failures_of_their_zone_only(self):
        odd = ["servfail", "refused", "formerr", "lame", "garbage", "cut", "loop", "wrong-id", "truncated-mute"]
        zones = {".%s.example" % what: what for what in odd}
        zones["%s.good.example" % reverse(LISTED)] = {"A": ["127.0.0.2"]}
        _, port = self.serve(zones)
        text = ", ".join("\"%s.example\"" % what for what in odd)
        weir = self.load("list bl = dnsbl \"good.example*100\", %s threshold 100 timeout 3s\n"
                         "list only = dnsbl %s timeout 3s\n"
                         "r at mail: reject 550 5.7.1 \"${dnsbl.zones('bl')}\" when client.ip in bl\n"
                         "o: log \"listed\" when client.ip in only\n" % (text, text), port, timeout="2s")
        self.assertEqual(self.refused(source=LISTED), "550 5.7.1 good.example")
        self.assertIsNone(self.refused(source=LOCAL))
        self.assertFalse(weir.records("rule-log"))
        weir.check_healthy(self)

    def test_clients_that_leave_while_zones_are_asked(self):
        _, port = self.serve({".mute.example": "mute"})
        weir = self.load("list bl = dnsbl \"mute.example\", \"two.mute.example\" timeout 3s\n"
                         "r: reject 550 5.7.1 \"r\" when client.ip in bl\n", port, timeout="3s")

        def come_and_go():
            for _ in range(10):
                with socket.create_connection(("127.0.0.1", weir.port), 5):
                    time.sleep(0.01)
        threads = [threading.Thread(target=come_and_go) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        weir.check_healthy(self)


@unittest.skipUnless(dnsserver, "python3-dnspython is not installed")
class Shares(Lists):
    """Questions of lists are a session's own: who has spent his waits and fails alone."""

    SHARE = 60
    RULES = ("list domains = dnsbl \"dbl.example\" timeout 2s\n"
             "link: reject 550 5.7.1 \"${url.host}\" on_error defer 451 4.7.1 \"Too many links\" when url.host in domains\n")

    def serve(self, zones=None):
        server = dnsserver.DnsServer(zones or {"bad.test.dbl.example": {"A": ["127.0.1.2"]}})
        self.addCleanup(server.stop)
        return server, server.address[1]

    def load(self, rules, port, **settings):
        return super().load(rules, port, **{"session-queries": self.SHARE, **settings})

    def links(self, names):
        return message(body="\r\n".join("http://%s/" % name for name in names))

    def junk(self, count, at=0):
        return ["n%d.test" % i for i in range(at, at + count)]

    def asked(self, server):
        """Questions for names in links: not the list's own check, which nobody is charged with."""
        return sum(times for (name, _), times in server.asked.items() if name != "test.dbl.example")

    def test_a_thousand_names_of_one_client_are_bounded_and_his_neighbour_is_unharmed(self):
        server, port = self.serve()
        weir = self.load(self.RULES.replace("timeout 2s", "timeout 6s"), port, timeout="10s")  # his share is answered long before that
        begin = time.monotonic()
        greedy = self.client()
        self.assertEqual(self.refused(self.links(self.junk(1000)), client=greedy), "451 4.7.1 Too many links")
        refilled = (time.monotonic() - begin) * self.SHARE / 60  # a question a second comes back
        harness.wait_for(lambda: self.asked(server) >= self.SHARE, 10, lambda: "the client's own share")
        self.assertLessEqual(self.asked(server), self.SHARE + refilled + 1)
        self.assertEqual(weir.wait_record("query-limit")["limit"], str(self.SHARE))
        error = weir.wait_record("rule-error", rule="link")["error"]
        self.assertIn("questions", error)
        self.assertEqual(self.refused(self.links(["bad.test"])), "550 5.7.1 bad.test")
        self.assertIsNone(self.refused(self.links(["good.test"])))
        self.assertFalse(weir.records("list-zone-suspended"))
        self.assertEqual(len(weir.records("query-limit")), 1)

    def test_whoever_spends_his_share_again_and_again_switches_no_list_off(self):
        server, port = self.serve()
        weir = self.load(self.RULES, port)
        begin = time.monotonic()
        for i in range(4):
            greedy = self.client()
            self.assertEqual(self.refused(self.links(self.junk(300, 1000 * i)), client=greedy), "451 4.7.1 Too many links")
            self.assertEqual(self.refused(self.links(["bad.test"])), "550 5.7.1 bad.test")
        self.assertFalse(weir.records("list-zone-suspended"))
        self.assertGreaterEqual(server.asked["test.dbl.example", "A"], 1)  # looked at, and found in order
        self.assertLessEqual(server.asked["test.dbl.example", "A"], 1 + time.monotonic() - begin)

    def test_the_next_message_of_that_client_is_judged(self):
        """What his links had not been asked for is no debt."""
        _, port = self.serve()
        self.load(self.RULES.replace("timeout 2s", "timeout 5s"), port)
        greedy = self.client()
        self.assertEqual(self.refused(self.links(self.junk(300)), client=greedy), "451 4.7.1 Too many links")
        self.assertEqual(self.refused(self.links(["bad.test"]), client=greedy), "550 5.7.1 bad.test")

    def test_cached_answers_are_free(self):
        server, port = self.serve()
        names = self.junk(self.SHARE - 10)
        self.load(self.RULES, port, cache="1000")
        client = self.client()
        for _ in range(5):
            self.assertIsNone(self.refused(self.links(names), client=client))
        self.assertEqual(self.refused(self.links(names + ["bad.test"]), client=client), "550 5.7.1 bad.test")
        self.assertEqual(self.asked(server), len(names) + 1)

    def test_session_that_pays_may_leave_others_have_the_answer(self):
        server, port = self.serve({"%s.zen.example" % reverse(LISTED): {"A": ["127.0.0.2"]}, ".zen.example": ("slow", 1.5)})
        weir = self.load("list bl = dnsbl \"zen.example\" timeout 10s\nr: reject 550 5.7.1 \"listed\" when client.ip in bl\n", port, timeout="5s")
        for leaver in range(3):
            server.asked.clear()
            peers = []
            for i in range(3):
                peers.append(socket.create_connection(("127.0.0.1", weir.port), 20, (LISTED, 0)))
                self.addCleanup(peers[-1].close)
                if i == 0:
                    harness.wait_for(lambda: sum(server.asked.values()), 10, lambda: "the first question")
            peers.pop(leaver).close()
            for peer in peers:
                self.assertEqual(peer.makefile("rb").readline()[:9], b"550 5.7.1")
            self.assertEqual(sum(server.asked.values()), 1)
        weir.check_healthy(self)


if __name__ == "__main__":
    if harness.DIRECT:
        harness.notice("MW_DIRECT=1: the DNS lists suite is skipped")
        sys.exit(0)
    harness.main()
