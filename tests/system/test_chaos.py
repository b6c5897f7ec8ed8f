"""kill -9 of clients, upstream and mailweir at random under load (issue: "Done when" 4):

    acknowledged and missing = 0, and no message is stored more often than a lost reply explains.

MW_CHAOS_MESSAGES sets how many messages (2,000; the full run is 10,000), MW_CHAOS_SEED repeats a sequence of kills,
MW_CHAOS_SINK=python takes the Python sink as upstream instead of `mailweir sink`."""
import collections
import os
import random
import re
import sys
import time

LIB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib")
sys.path.insert(0, LIB)
import chaos_client  # noqa: E402
import harness  # noqa: E402
import suite  # noqa: E402
from harness import block  # noqa: E402

MESSAGES = int(os.environ.get("MW_CHAOS_MESSAGES", "2000"))
SEED = os.environ.get("MW_CHAOS_SEED") or str(time.time_ns() % 1_000_000)
CLIENTS = 6
TIME = 300 if MESSAGES <= 2000 else 300 * MESSAGES // 2000
QUIET_AFTER = 0.2  # of the time: no more kills, so that a slow machine comes to an end


class Actors:
    """The upstream, mailweir, the clients: each can be killed and is started again at once."""

    def __init__(self, dice):
        self.dice = dice
        self.directory = harness.temp_dir("chaos")
        self.maildir = os.path.join(self.directory, "maildir")
        self.sink_port = harness.free_port()
        self.kills = collections.Counter()
        self.sink = self.start_sink()
        self.weir = None
        self.ports = [self.sink_port]
        if not harness.DIRECT:
            self.start_weir()
        self.clients = [None] * CLIENTS
        for number in range(CLIENTS):
            self.start_client(number)

    def start_sink(self):
        if harness.DIRECT or os.environ.get("MW_CHAOS_SINK") == "python":
            argv = [sys.executable, os.path.join(LIB, "python_sink.py"), self.sink_port, self.maildir]
        else:
            argv = [harness.MAILWEIR, "sink", "--listen", "127.0.0.1:%d" % self.sink_port, "--maildir", self.maildir,
                    "--raw"]
        process = harness.Process(argv, "sink", self.directory)
        harness.wait_for(lambda: harness.accepts(self.sink_port) or not process.alive(), 20, "the sink")
        if not process.alive():
            raise AssertionError("the sink ended at start: " + process.log())
        return process

    def start_weir(self):
        """Two listeners: one without filters (stream plan), one with limits and rules (spool plan)."""
        second = harness.free_port()
        self.weir = harness.Mailweir(
            self.sink_port, start=False, listen=["max-errors 1000"], files={
                **suite.SPOOLING["files"],
                "50-second.conf": block("listen spooled", ["address 127.0.0.1:%d" % second, "upstream postfix",
                                                           "client-name off", "chain inbound"]),
                "20-filters.conf": suite.SPOOLING["filters"] + block("filter limits", ["module limits",
                                                                                      "max-recipients 100"]),
                "30-chain.conf": block("chain inbound", ["limits rules"])})
        self.weir.start()
        self.ports = [self.weir.port, second]

    def client_log(self, number):
        return os.path.join(self.directory, "client%d.log" % number)

    def start_client(self, number):
        count = MESSAGES // CLIENTS + (number < MESSAGES % CLIENTS)
        self.clients[number] = harness.Process(
            [sys.executable, os.path.join(LIB, "chaos_client.py"), ",".join(map(str, self.ports)), self.client_log(number),
             "c%d" % number, count, SEED], "client%d" % number, self.directory)

    def kill_one(self):
        """kill -9 somebody, then bring them back."""
        victim = self.dice.choice(("client", "client", "sink", "weir") if self.weir else ("client", "sink"))
        if victim == "client":
            number = self.dice.randrange(CLIENTS)
            if not self.clients[number].alive():
                return
            self.clients[number].kill()
            self.start_client(number)
        elif victim == "sink":
            self.sink.kill()
            time.sleep(self.dice.random() * 0.1)
            self.sink = self.start_sink()
        else:
            self.check_weir()
            self.weir.kill()
            time.sleep(self.dice.random() * 0.1)
            self.weir.start()
        self.kills[victim] += 1

    def check_weir(self):
        if self.weir and not self.weir.alive():
            raise AssertionError("mailweir ended by itself (%d): %s" % (self.weir.popen.returncode, self.weir.log()[-3000:]))

    def clients_left(self):
        for number, client in enumerate(self.clients):
            if not client.alive() and client.popen.returncode not in (0, -9):
                raise AssertionError("client %d failed: %s" % (number, client.log()[-2000:]))
        return sum(client.alive() for client in self.clients)

    def stop(self):
        for process in [*self.clients, self.weir, self.sink]:
            if process:
                process.stop()


class Chaos(suite.Case):
    def test_kill_at_random(self):
        harness.notice("chaos: seed %s, %d messages" % (SEED, MESSAGES))
        dice = random.Random(SEED)
        actors = Actors(dice)
        begun = time.monotonic()
        try:
            while actors.clients_left():
                passed = time.monotonic() - begun
                self.assertLess(passed, TIME, "not finished: %s" % actors.kills)
                actors.check_weir()
                if passed < TIME * QUIET_AFTER:
                    time.sleep(dice.uniform(0.02, 0.25))
                    actors.kill_one()
                else:
                    time.sleep(0.1)
        finally:
            actors.stop()
        self.check(actors, time.monotonic() - begun)

    def outcomes(self, actors):
        """id -> [attempts with an unknown outcome, acknowledgements], from the clients' logs."""
        found = collections.defaultdict(lambda: [0, 0])
        for number in range(CLIENTS):
            open_id = None
            with open(actors.client_log(number), encoding="ascii") as file:
                for line in file:
                    words = line.split()
                    identity = words[-1]
                    if words[0] == "S":
                        if open_id:
                            found[open_id][0] += 1
                        open_id = identity
                    elif words[0] == "A":
                        found[identity][1] += 1
                        open_id = None
                    else:  # refused after the end of data: 4.4.2 says that the reply was lost behind mailweir
                        found[identity][0] += words[2] == "4.4.2"
                        open_id = None
                if open_id:
                    found[open_id][0] += 1
        return found

    def stored(self, actors):
        """id -> copies; each copy is checked to be whole and unchanged."""
        copies = collections.Counter()
        new = os.path.join(actors.maildir, "new")
        for name in os.listdir(new):
            with open(os.path.join(new, name), "rb") as file:
                octets = file.read().replace(b"\r\n", b"\n")
            match = re.search(rb"(?m)^X-Chaos: (\S+)$", octets)
            self.assertTrue(match, "a stored message without its id: %r" % octets[:300])
            identity = match.group(1).decode()
            expected = chaos_client.content(identity).replace(b"\r\n", b"\n")
            start = octets.find(b"From: a@example.net\n")
            self.same_octets(octets[start:], expected, "stored " + identity)
            copies[identity] += 1
        return copies

    def check(self, actors, seconds):
        outcomes, copies = self.outcomes(actors), self.stored(actors)
        acknowledged = {i for i, (_, acks) in outcomes.items() if acks}
        unknown = sum(u for u, _ in outcomes.values())
        extra = sum(copies.values()) - len(copies)
        harness.notice("chaos: %d acknowledged, %d attempts of unknown outcome, %d stored, %d copies more; killed %s; %.0f s; seed %s"
                       % (len(acknowledged), unknown, sum(copies.values()), extra, dict(actors.kills), seconds, SEED))
        self.assertEqual(len(acknowledged), MESSAGES)
        missing = sorted(acknowledged - set(copies))
        self.assertEqual(missing, [], "acknowledged and missing (seed %s)" % SEED)
        for identity, count in copies.items():
            lost, acks = outcomes[identity]
            self.assertLessEqual(count, acks + lost, "%s is stored %d times, %d acknowledged, %d unknown outcomes (seed %s)"
                                 % (identity, count, acks, lost, SEED))
        self.assertLessEqual(max(acks for _, acks in outcomes.values()), 1)
        self.assertGreater(sum(actors.kills.values()), 10, "hardly anybody was killed: not a chaos test")


if __name__ == "__main__":
    harness.main()
