"""The resolver against servers that do wrong (lib/dnsserver.py) and against a real one that is stopped in mid-run: every question
ends, within its time, with the right outcome, and others do not feel it."""
import os
import re
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import harness  # noqa: E402
import nameserver  # noqa: E402

try:
    import dnsserver
except ImportError:
    dnsserver = None

DNSASK = os.environ.get("DNSASK", "")
TIMEOUT_MS, ATTEMPTS = 300, 2
HURRIED = []  # these two; where the deadline is not the point, there is time for a busy machine
PATIENT = ["-t", "5000"]
DEADLINE_S = TIMEOUT_MS * ATTEMPTS / 1000
LATE_S = 4.5  # what a slow and busy machine may add to a program's life; less than PATIENT's one try

PLAIN = {"A": ["192.0.2.1"], "TXT": ["v=spf1 -all"]}
FAULTS = ["mute", "servfail", "refused", "formerr", "nxdomain", "lame", "no-edns", "truncated", "truncated-mute", "truncated-shut",
          "truncated-short", "truncated-always", "wrong-question", "wrong-id", "garbage", "cut", "loop"]
ZONES = {
    "a.test": PLAIN,
    "referral.test": ("octets", b"\x81\x80\0\1\0\0\0\1\0\0\x08referral\x04test\0\0\x10\0\1\x04test\0\0\2\0\1\0\0\0\x3c\0\4\2ns\0"),
    "empty.test": ("octets", b"\x81\x80\0\1\0\0\0\0\0\0\5empty\4test\0\0\x10\0\1"),  # RFC 2308 2.2: nothing, from a recursor
    "chain8.test": PLAIN, "chain9.test": PLAIN,
    "ring.test": {"CNAME": ["ring2.test"]}, "ring2.test": {"CNAME": ["ring.test"]},
    "b\\c.test": PLAIN, "joe blow.test": PLAIN, "t\xe4st.test": PLAIN, (b"tab\t\r\n", b"test"): PLAIN,
    (b"d.t", b"test"): {"TXT": ["one label"]}, "d.t.test": {"TXT": ["two labels"]},
    "odd.test": {"TXT": [["a\x00b", b"\xff\xfe"], [], "", ["", "x", ""]]},
    "many.test": {"A": ["10.0.%d.%d" % (i >> 8, i & 255) for i in range(1024)]},
    "more.test": {"A": ["10.0.%d.%d" % (i >> 8, i & 255) for i in range(1500)]},
    "most.test": {"A": ["10.0.%d.%d" % (i >> 8, i & 255) for i in range(3000)]},
    "texts.test": {"TXT": ["v=spf%d" % i for i in range(1000)]},
    "strings.test": {"TXT": [["%03d" % i for i in range(1000)]]},
    "giant.test": {"TXT": ["x" * 64500]},
    "*.giants.test": {"TXT": ["y" * 20000]},
    "*.wild.test": {"A": ["192.0.2.77"]},
    "mx.test": {"MX": [(20, "two.test"), (10, "b\\d.test"), (10, (b"dotted.label", b"test")), (10, "one.test"), (5, "10.0.0.1"), (30, "")]},
    "kept.test": {"A": ["192.0.2.5"]}, "day.test": {"A": ["192.0.2.6"]},
}


class Asker(unittest.TestCase):
    def run_dnsask(self, port, questions, options=()):
        """[the words of an answer], the counters, seconds."""
        argv = [os.fsencode(word) for word in (DNSASK, "-s", "127.0.0.1:%d" % port, "-t", str(TIMEOUT_MS), "-a", str(ATTEMPTS), *options)]
        for kind, name in questions:
            argv += [kind.encode(), name if isinstance(name, bytes) else name.encode()]
        began = time.monotonic()
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        took = time.monotonic() - began
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        *lines, counters = done.stdout.splitlines()
        self.counters = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", counters)}
        return [line.split(" ")[2:] for line in lines], took


@unittest.skipUnless(DNSASK, "NOTICE: no DNSASK: run by ctest")
@unittest.skipUnless(dnsserver, "NOTICE: python3-dnspython is not installed: suite is skipped")
class Faults(Asker):
    @classmethod
    def setUpClass(cls):
        cls.server = dnsserver.DnsServer({**ZONES, **{name + ".fault.test": PLAIN for name in FAULTS}},
                                         ttls={"day.test": 86400, "kept.test": 1})
        for name in FAULTS:
            cls.server.behave(name + ".fault.test", name)
        cls.server.behave("chain8.test", ("chain", 8))
        cls.server.behave("chain9.test", ("chain", 9))
        cls.server.behave(".mute.test", "mute")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        self.server.forget()

    def ask(self, *questions, options=PATIENT):
        answers, self.took = self.run_dnsask(self.server.port, [question.split(" ", 1) for question in questions], options)
        return answers[0] if len(questions) == 1 else answers

    def ask_octets(self, kind, name):
        return self.run_dnsask(self.server.port, [(kind, name)], PATIENT)[0][0]

    # ---- every fault by itself

    def ends(self, name, status, counter, within):
        words = self.ask("TXT " + name)
        self.assertEqual(words[0], status, name)
        self.assertEqual(self.counters[counter], 1, (name, self.counters))
        self.assertLess(self.took, within + LATE_S, name)
        self.assertEqual(self.counters["under_way"] + sum(self.counters[key] for key in (
            "found", "none", "refused", "timeout", "unusable")), self.counters["queries"])

    def test_silence_ends_with_the_deadline(self):
        for name in ("mute", "wrong-question", "wrong-id", "truncated-mute", "truncated-short"):
            words = self.ask("TXT %s.fault.test" % name, options=HURRIED)
            self.assertEqual(words, ["FAILED"], name)
            self.assertEqual(self.counters["failures"], 1)
            # by TCP c-ares asks once only: a second question on the same connection would be no better
            self.assertGreaterEqual(self.took, TIMEOUT_MS / 1000 if "truncated" in name else DEADLINE_S, name)
            self.assertLess(self.took, DEADLINE_S + LATE_S, name)

    def test_refusals_fail_at_once(self):
        for name in ("servfail", "refused", "formerr"):
            self.ends(name + ".fault.test", "FAILED", "refused", 0)
        self.assertLessEqual(self.server.questions, 8)

    def test_damaged_answers_fail(self):
        for name in ("truncated-always", "cut", "loop", "lame"):
            self.ends(name + ".fault.test", "FAILED", "unusable", 0)
        self.ends("chain9.test", "FAILED", "unusable", 0)
        self.ends("ring.test", "FAILED", "unusable", 0)
        self.ends("referral.test", "FAILED", "unusable", 0)
        self.assertEqual(self.ask("TXT garbage.fault.test", options=HURRIED), ["FAILED"])
        self.assertEqual(self.ask("TXT truncated-shut.fault.test", options=HURRIED), ["FAILED"])
        self.assertLess(self.took, DEADLINE_S + LATE_S)

    def test_what_is_odd_but_right(self):
        self.ends("no-edns.fault.test", "OK", "found", 0)
        self.ends("truncated.fault.test", "OK", "found", 0)
        self.ends("chain8.test", "OK", "found", 0)
        self.ends("nxdomain.fault.test", "NONE", "none", 0)
        self.ends("empty.test", "NONE", "none", 0)
        self.ends("hidden.onion", "NONE", "none", 0)
        self.assertEqual(self.server.asked[("hidden.onion", "TXT")], 0)  # RFC 7686 2

    def test_many_questions_without_edns_at_once(self):
        self.server.behave(".noedns.test", "no-edns")
        answers = self.ask(*("TXT n%d.noedns.test" % i for i in range(50)))
        self.assertEqual({words[0] for words in answers}, {"NONE"})
        # every lane has to find out for itself, and lanes change while they do
        argv = [DNSASK, "-s", self.server.endpoint, "-t", "3000", "-a", "1", "-c", "0", "-n", "30", "-i", "180"]
        argv += ["A", "a.noedns.test", "TXT", "a.noedns.test", "MX", "a.noedns.test", "A", "b.noedns.test", "TXT", "b.noedns.test"]
        out = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout
        self.assertEqual(re.findall(r"^\d+ \w+ \S+ (\w+)", out, re.M), ["NONE"] * 150)

    def test_a_server_that_is_gone_and_comes_back(self):
        server = dnsserver.DnsServer({"a.test": PLAIN})
        server.stop()
        ((words,), took) = self.run_dnsask(server.port, [("A", "a.test")])
        self.assertEqual((words, self.counters["refused"]), (["FAILED"], 1))
        self.assertLess(took, LATE_S)
        server.start()
        self.assertEqual(self.run_dnsask(server.port, [("A", "a.test")], PATIENT)[0], [["OK", "192.0.2.1"]])
        server.stop()

    def test_a_mute_first_server_is_asked_last(self):
        first, second = dnsserver.DnsServer({"a.test": PLAIN}), dnsserver.DnsServer({"a.test": PLAIN})
        first.pause()
        argv = [DNSASK, "-s", first.endpoint, "-s", second.endpoint, "-t", "1500", "-a", "2", "-c", "0", "-i", "250", "-n", "12", "A", "a.test"]
        try:
            for questions in ([], ["A", "1.mute.test", "A", "2.mute.test"]):  # also while others are under way all the time
                for server in (first, second):
                    server.behave(".mute.test", "mute")
                out = subprocess.run(argv + questions, capture_output=True, text=True, timeout=60, check=True).stdout
                waits = [(int(ms), status) for ms, status in re.findall(r"^(\d+) A a\S+ (\w+)", out, re.M)]
                self.assertEqual({status for _, status in waits}, {"OK"}, waits)
                self.assertGreaterEqual(waits[0][0], 1490)
                self.assertLess(max(ms for ms, _ in waits[6:]), 1490, waits)
        finally:
            first.stop()
            second.stop()

    # ---- names and data

    def test_names_of_any_octets(self):
        for name in ("b\\c.test", "joe blow.test", "t\xe4st.test", "tab\t\r\n.test"):
            self.assertEqual(self.ask_octets("A", name.encode()), ["OK", "192.0.2.1"], name)
        self.assertEqual(self.ask_octets("A", b"\xff\xfe.test"), ["NONE"])
        self.assertEqual(self.server.asked[("b\\c.test", "A")], 1)
        self.assertEqual(self.server.asked[(b"\xff\xfe.test".decode("utf-8", "surrogateescape"), "A")], 1)

    def test_a_dot_inside_a_label_is_another_name(self):
        self.assertEqual(self.ask("TXT d.t.test"), ["OK", "two\\x20labels"])
        self.assertEqual(self.ask("TXT d\\.t.test"), ["NONE"])  # the label 'd\', which no escape turns into anything else

    def test_texts_keep_all_octets(self):
        self.assertEqual(sorted(self.ask("TXT odd.test")[1:]), ["", "", "a\\x00b\\xff\\xfe", "x"])
        self.assertEqual(self.ask("TXT giant.test"), ["OK", "x" * 64500])
        self.assertEqual(self.ask("TXT strings.test"), ["OK", "".join("%03d" % i for i in range(1000))])
        self.assertEqual(len(self.ask("TXT texts.test")), 1001)

    def test_all_addresses_up_to_the_bound(self):
        self.assertEqual(self.ask("A many.test")[1:], ["10.0.%d.%d" % (i >> 8, i & 255) for i in range(1024)])
        self.assertEqual(len(self.ask("A more.test")), 1025)
        self.assertEqual(self.ask("A most.test"), ["FAILED"])

    def test_mail_exchangers_with_bad_names_count_and_lead_nowhere(self):
        self.assertEqual(self.ask("MX mx.test"), ["OK", "5:10.0.0.1", "10:?", "10:?", "10:one.test", "20:two.test", "30:"])

    # ---- what is kept, and how long

    def test_time_to_live(self):
        server = self.server
        for name, status, want in (("kept.test", "OK", 2), ("day.test", "OK", 1), ("nothing.test", "NONE", 1), ("mute.fault.test", "FAILED", 1)):
            server.forget()
            timeout = "100" if status == "FAILED" else "5000"
            argv = [DNSASK, "-s", "127.0.0.1:%d" % server.port, "-t", timeout, "-a", "1", "-n", "2", "-i", "1300", "A", name]
            out = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout
            self.assertEqual(re.findall(r"^\d+ A \S+ (\w+)", out, re.M), [status] * 2)
            self.assertEqual(server.asked[(name, "A")], want, name)

    def test_answers_without_soa_are_not_kept(self):
        server = dnsserver.DnsServer({"a.test": PLAIN}, negative_ttl=None)
        self.run_dnsask(server.port, [("A", "nothing.test")], ["-n", "3"])
        self.assertEqual(server.asked[("nothing.test", "A")], 3)
        server.stop()

    def test_the_cache_is_bounded_in_octets(self):
        answers = self.ask(*("TXT n%d.giants.test" % i for i in range(200)), options=["-c", "1000", *PATIENT])
        self.assertEqual({(words[0], len(words[1])) for words in answers}, {("OK", 20000)})
        self.assertLessEqual(self.counters["octets"], 1000 * 1024)
        self.assertGreater(self.counters["octets"], 900 * 1024)
        self.assertEqual(self.counters["cached"], self.counters["octets"] // 20000)
        self.ask("TXT giant.test", options=["-c", "100", "-n", "3", *PATIENT])  # more than a fourth of the whole: never kept
        self.assertEqual((self.counters["octets"], self.counters["queries"]), (0, 3))

    # ---- fairness

    def test_others_are_answered_while_thousands_wait(self):
        mute = ["A n%d.mute.test" % i for i in range(5000)]
        argv = ["A w%d.wild.test" % i for i in range(200)]
        answers = self.ask(*mute, *argv, options=["-t", "1000", "-a", "4"])  # without root its socket loses many of a burst
        self.assertEqual({words[0] for words in answers[:5000]}, {"FAILED"})
        self.assertEqual({tuple(words) for words in answers[5000:]}, {("OK", "192.0.2.77")})
        self.assertEqual((self.counters["dropped"], self.counters["timeout"] + self.counters["under_way"]), (0, 5000))
        self.assertLess(self.took, 4 + 3 * LATE_S)

    def test_beyond_the_bound_asks_fail_at_once(self):
        answers = self.ask(*("A n%d.mute.test" % i for i in range(10050)), "A n1.mute.test", options=["-t", "500", "-a", "1"])
        self.assertEqual({words[0] for words in answers}, {"FAILED"})
        self.assertEqual((self.counters["queries"], self.counters["dropped"], self.counters["joined"]), (10000, 50, 1))

    def test_tcp_that_stalls_is_left_for_a_new_connection(self):
        """Half an answer by TCP jams its connection, which c-ares keeps while anything is under way: slow questions are, all the time."""
        slow = []
        for i in range(8):
            self.server.behave("%d.slow.test" % i, ("slow", 0.6 + 0.08 * i))
            slow += ["A", "%d.slow.test" % i]
        self.server.behave("jam.test", "truncated-short")
        argv = [DNSASK, "-s", self.server.endpoint, "-t", "1200", "-a", "2", "-c", "0", "-n", "12", "-i", "200", "TXT", "jam.test", "A", "a.test"]
        asker = subprocess.Popen(argv + slow, stdout=subprocess.PIPE, text=True)
        seen = {"A a.test": [], "TXT jam.test": []}
        for line in asker.stdout:
            match = re.match(r"(\d+) (\w+ \S+) (\w+)", line)
            if match and match[2] in seen:
                seen[match[2]].append((match[3], int(match[1])))
                if match[2] == "TXT jam.test" and len(seen["TXT jam.test"]) == 2:
                    self.server.behave("jam.test", "truncated")
        asker.stdout.close()
        self.assertEqual(asker.wait(), 0)
        self.assertEqual([status for status, _ in seen["TXT jam.test"][:2]], ["FAILED"] * 2)
        self.assertEqual([status for status, _ in seen["TXT jam.test"][6:]], ["NONE"] * 6)
        self.assertEqual({status for status, _ in seen["A a.test"]}, {"OK"})
        self.assertLess(max(ms for _, ms in seen["A a.test"]), 1200)


@unittest.skipUnless(DNSASK, "NOTICE: no DNSASK: run by ctest")
@unittest.skipUnless(dnsserver, "NOTICE: python3-dnspython is not installed: suite is skipped")
class Stopped(Asker):
    def test_a_real_server_stopped_and_continued(self):
        server = nameserver.Nsd({"example.net": "*.n A 192.0.2.1\n"})
        argv = [DNSASK, "-s", "127.0.0.1:%d" % server.port, "-t", "500", "-a", "2", "-c", "0", "-i", "50", "-n", "150", "A", "a.n.example.net"]
        asker = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        seen, resumed = [], threading.Event()

        def read():
            for line in asker.stdout:
                words = line.split(" ")
                if words[1] == "A":
                    seen.append(words[3].strip())
                    if "FAILED" in seen and seen[-1] == "OK":
                        resumed.set()
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            harness.wait_for(lambda: seen.count("OK") >= 3, 30, "answers")
            server.freeze()
            harness.wait_for(lambda: seen.count("FAILED") >= 2, 30, "failures")
            server.thaw()
            self.assertTrue(resumed.wait(30), seen)
            self.assertEqual(asker.wait(60), 0)
        finally:
            asker.kill()
            asker.wait()
            reader.join(5)
            asker.stdout.close()
            server.stop()
        self.assertEqual(seen[-1], "OK")


    def test_ten_thousand_at_once_are_answered(self):
        """As many as may be under way, in one turn of the loop: sent as fast as its socket can take them, and not in one lump,
        of which it would get some hundred."""
        server = nameserver.Nsd({"example.net": "*.n A 192.0.2.1\n"})
        try:
            answers, _ = self.run_dnsask(server.port, [("A", "b%d.n.example.net" % i) for i in range(10000)], ["-t", "5000", "-a", "2"])
        finally:
            server.stop()
        self.assertEqual(len(answers), 10000)
        self.assertGreater(answers.count(["OK", "192.0.2.1"]), 9900)
        # and nearly all by the first try, which ends after 5 s
        self.assertGreater(sum(self.counters["latency%d" % i] for i in range(8)), 8000, self.counters)
        self.assertEqual((self.counters["queries"], self.counters["dropped"]), (10000, 0))

    def test_answers_that_came_while_we_were_stopped_count(self):
        """Time-outs are looked at before sockets, by the loop: after a halt all questions would have failed."""
        server = dnsserver.DnsServer({"a.test": PLAIN})
        server.behave("a.test", ("slow", 0.4))
        try:
            argv = [DNSASK, "-s", server.endpoint, "-t", "1000", "-a", "1", "-c", "0", "A", "a.test"]
            asker = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
            harness.wait_for(lambda: server.asked[("a.test", "A")] == 1, 30, "a question")
            asker.send_signal(signal.SIGSTOP)
            time.sleep(3)
            asker.send_signal(signal.SIGCONT)
            out, _ = asker.communicate(timeout=60)
        finally:
            server.stop()
        self.assertEqual(out.splitlines()[0], "A a.test OK 192.0.2.1")

    def test_a_burst_while_the_server_is_held_up_is_asked_again(self):
        """Its socket takes a few hundred questions; the others are lost, and no reason to fail."""
        server = nameserver.Nsd({"example.net": "*.n A 192.0.2.1\n"})
        server.freeze()
        timer = threading.Timer(0.4, server.thaw)
        timer.start()
        try:
            answers, _ = self.run_dnsask(server.port, [("A", "b%d.n.example.net" % i) for i in range(1500)], ["-t", "2000", "-a", "4"])
        finally:
            timer.join()
            server.stop()
        self.assertEqual({tuple(words) for words in answers}, {("OK", "192.0.2.1")})
        self.assertEqual((self.counters["found"], self.counters["failures"]), (1500, 0))


if __name__ == "__main__":
    harness.main()
