"""Real messages pass unchanged: a sample of the corpus goes straight to Postfix and through mailweir to the same Postfix,
under the stream plan and under the spool plan (with a spool file), and what arrives is the same octet for octet."""
import os
import random
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import postfix  # noqa: E402
import suite  # noqa: E402
from smtpline import Client  # noqa: E402

CORPUS = os.path.join(os.path.dirname(harness.SOURCE_ROOT), "shared", "corpus")
SAMPLE = int(os.environ.get("MW_CORPUS_SAMPLE", "150"))

mta = None


def setUpModule():
    global mta
    if not os.path.isdir(CORPUS):
        harness.notice("../shared/corpus is absent: the corpus suite is skipped")
        raise unittest.SkipTest("NOTICE: ../shared/corpus is absent")
    mta = postfix.start()


def sample():
    """The same files every time, from all folders: (name, CRLF octets)."""
    names = sorted(os.path.join(where, file) for where, _, files in os.walk(CORPUS)
                   for file in files if file.endswith(".eml"))
    chosen = sorted(random.Random(7711).sample(names, min(SAMPLE, len(names))))
    for name in chosen:
        with open(name, "rb") as file:
            yield os.path.relpath(name, CORPUS), re.sub(rb"\r\n|\r|\n", b"\r\n", file.read())


class Corpus(suite.Case):
    @classmethod
    def setUpClass(cls):
        cls.messages = list(sample())
        cls.straight = cls.send_all(mta.ports["plain"])

    @classmethod
    def send_all(cls, port):
        """name -> (reply, what arrived or None). The sender's address tells the messages apart."""
        mta.settle()
        mta.empty()
        replies = {}
        client = None
        for i, (name, message) in enumerate(cls.messages):
            if client is None or i % 20 == 0:
                client = Client(port, timeout=60)
                client.ehlo()
            client.cmd("MAIL FROM:<m%d@example.net> BODY=8BITMIME" % i, 250)
            client.cmd("RCPT TO:<%s>" % suite.ALICE, 250)
            reply = client.data(message)
            replies[i] = postfix.normalize_reply(reply.raw)
            if i % 20 == 19:
                client.quit()
        client.quit()
        mta.settle(60)
        arrived = {}
        for found in mta.take("alice", 0):
            sender = re.match(rb"Return-Path: <m(\d+)@", found.trace[0])
            arrived.setdefault(int(sender.group(1)), []).append(found.rest)
        return {name: (replies[i], arrived.get(i, [])) for i, (name, _) in enumerate(cls.messages)}

    def check(self, **settings):
        weir = harness.proxy(mta.ports["plain"], **settings)
        through = self.send_all(weir.port)
        for name, (reply, arrived) in self.straight.items():
            with self.subTest(message=name):
                self.assertEqual(through[name][0], reply)
                self.assertEqual(len(through[name][1]), len(arrived))
                for one, other in zip(through[name][1], arrived):
                    self.same_octets(one, other, name)
        weir.finish(self)

    def test_straight_is_what_was_sent(self):
        """The reference itself: most of the sample (Postfix mends some headers) arrives at Postfix exactly as it was sent."""
        same = sum(arrived == [postfix.as_delivered(message)]
                   for (_, message), (_, arrived) in zip(self.messages, self.straight.values()))
        self.assertGreater(same, len(self.messages) * 0.6)

    def test_stream_plan(self):
        self.check()

    def test_spool_plan(self):
        self.check(listen=["spool-memory 4KiB"], **suite.SPOOLING)


if __name__ == "__main__":
    harness.main()
