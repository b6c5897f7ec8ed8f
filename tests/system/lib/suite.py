"""What the suites share: finding lib, skipping, messages, and a spooling chain that changes nothing."""
import unittest

import harness
import postfix

ALICE, BOB, CAROL, DAVE = ("%s@%s" % (user, postfix.DOMAIN) for user in ("alice", "bob", "carol", "dave"))
PLAIN = (b"From: a@example.net\r\nTo: alice@example.test\r\nSubject: plain\r\nMessage-ID: <1@example.net>\r\n\r\n"
         b"Hello.\r\n")

# A rule that wants the whole message and never fires: the message goes the way of the spool plan.
SPOOLING = {"filters": "filter rules {\n    module rules\n    files rules/*.rules\n}\n", "chain": "rules",
            "files": {"rules/10-never.rules":
                      'never: reject 550 5.7.1 "never" when raw.body =~ /\\Athis never stands in a message 7c3f\\z/\n'}}


class Case(unittest.TestCase):
    """A test with something closed at its end."""
    maxDiff = 2000

    def closing(self, thing):
        self.addCleanup(thing.close)
        return thing

    def same_octets(self, found, expected, what=""):
        """Equal, or a message that shows where they begin to differ."""
        if found == expected:
            return
        at = next((i for i, (a, b) in enumerate(zip(found, expected)) if a != b), min(len(found), len(expected)))
        self.fail("%s differs at octet %d (lengths %d, expected %d): %r, expected %r"
                  % (what or "message", at, len(found), len(expected), found[max(0, at - 20):at + 40],
                     expected[max(0, at - 20):at + 40]))


def direct_only(reason):
    return unittest.skipUnless(harness.DIRECT, reason)
