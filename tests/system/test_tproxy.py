"""Recipe 5, Linux TPROXY: neither the client nor Postfix knows that mailweir is there. Three machines (network namespaces of the test)
in a row, client - mailweir - Postfix, whose packets have to be caught in both directions; and the recipe as written, on loopback."""
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import postfix  # noqa: E402
import private  # noqa: E402
import suite  # noqa: E402
from fake_upstream import FakeUpstream  # noqa: E402
from harness import block  # noqa: E402
from private import sh  # noqa: E402
from smtpline import Client  # noqa: E402

NOBODY = 65534
# The two networks: (client, mailweir there), (Postfix, mailweir there)
CLIENT4, WEIR4, MTA4, WEIR4_MTA = "198.51.100.7", "198.51.100.1", "203.0.113.25", "203.0.113.1"
CLIENT6, WEIR6, MTA6, WEIR6_MTA = "2001:db8:5::7", "2001:db8:5::1", "2001:db8:6::25", "2001:db8:6::1"
OTHERS4 = ["198.51.100.%d" % i for i in range(50, 60)]

far = None       # the network of the client
middle = None    # mailweir's
behind = None    # Postfix's
mta = None
outside = None   # where the test came from
IP_RULES = ["rule add fwmark 1 lookup 100", "route add local 0.0.0.0/0 dev lo table 100"]
IP6_RULES = ["-6 rule add fwmark 1 lookup 100", "-6 route add local ::/0 dev lo table 100"]


class FarPostfix(postfix.Postfix):
    """Listens at port 25 of its machine's addresses; knows nothing of mailweir, and trusts mailweir's machine (mynetworks)."""

    def _services(self, services):
        options = " -o {mynetworks=127.0.0.0/8,%s,[%s]} -o smtpd_authorized_xclient_hosts=%s" % (WEIR4_MTA, WEIR6_MTA, WEIR4_MTA)
        lines = ["%s:25 inet n - n - 200 smtpd -o syslog_name=postfix/far%s" % (address, options)
                 for address in (MTA4, "[%s]" % MTA6)]
        return "\n".join([super()._services(services), *lines])


def link(one, two, name, one_addresses, two_addresses):
    """A cable between two networks, and the addresses at its ends."""
    with one:
        sh("ip", "link", "add", name + "0", "type", "veth", "peer", "name", name + "1")
        sh("ip", "link", "set", name + "1", "netns", two.path)
    for network, device, addresses in ((one, name + "0", one_addresses), (two, name + "1", two_addresses)):
        with network:
            for address in addresses:
                sh("ip", "address", "add", address, "dev", device, *(["nodad"] if ":" in address else []))
            sh("ip", "link", "set", device, "up")


def setUpModule():
    global far, middle, behind, mta, outside
    reason = postfix.available() or private.why_not("ip", "nft")
    if reason:
        harness.notice(reason + "; the suite is skipped")
        raise unittest.SkipTest("NOTICE: " + reason)
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        far, behind, middle = private.Network(), private.Network(), private.Network()
        link(middle, far, "c", [WEIR4 + "/24", WEIR6 + "/64"], [a + "/24" for a in (CLIENT4, *OTHERS4)] + [CLIENT6 + "/64"])
        link(middle, behind, "m", [WEIR4_MTA + "/24", WEIR6_MTA + "/64"], [MTA4 + "/24", MTA6 + "/64"])
        for network, v4, v6 in ((far, WEIR4, WEIR6), (behind, WEIR4_MTA, WEIR6_MTA)):
            with network:
                sh("ip", "route", "add", "default", "via", v4)
                sh("ip", "-6", "route", "add", "default", "via", v6)
        catch(1, 1)
    except OSError as problem:
        harness.notice("no transparent proxying here (%s); the suite is skipped" % problem)
        raise unittest.SkipTest("NOTICE: %s" % problem) from None
    with behind:
        mta = FarPostfix(services={"plain": ""})


def catch(port4, port6):
    """What comes from clients for port 25 goes to mailweir, and so do Postfix's answers, whoever they are for."""
    with middle:
        sh("nft", "flush", "ruleset")
        for family, address, port in (("ip", "127.0.0.1", port4), ("ip6", "[::1]", port6)):
            sh("nft", "add table %s mangle" % family)
            sh("nft", "add chain %s mangle pre { type filter hook prerouting priority -150; }" % family)
            sh("nft", "add rule %s mangle pre iifname c0 tcp dport 25 tproxy to %s:%d meta mark set 1 accept" % (family, address, port))
            sh("nft", "add rule %s mangle pre iifname m0 meta l4proto tcp socket transparent 1 meta mark set 1 accept" % family)
        for rule in IP_RULES + IP6_RULES:
            subprocess.run(["ip", *rule.split()], capture_output=True, check=False)  # there already, the second time


class Base(suite.Case):
    def setUp(self):
        mta.settle()
        mta.empty()
        self.start = mta.mark()

    def weir(self, upstream=("identity none", "transparent on"), to4="%s:25" % MTA4, to6="[%s]:25" % MTA6, user=None, **settings):
        """mailweir in the middle, on whatever clients send to port 25 of anybody."""
        weir = harness.Mailweir(0, start=False, **settings)
        port6 = harness.free_port("127.0.0.1")
        chain = ["chain inbound"] if "chain" in settings else []
        weir.write("10-upstream.conf", block("upstream postfix", ["address " + to4, *upstream]) +
                   block("upstream six", ["address " + to6, *upstream]))
        weir.write("40-listen.conf", "".join(
            block("listen " + name, ["address " + address, "upstream " + to, "transparent on", "client-name off", *chain])
            for name, address, to in (("mx", "127.0.0.1:%d" % weir.port, "postfix"), ("mx6", "[::1]:%d" % port6, "six"))))
        if user:
            weir.write("00-main.conf", "log stderr format=logfmt level=info\nuser %s\nspool-dir /tmp\n" % user)
        with middle:
            weir.start()
            if user:  # PR_SET_PDEATHSIG is gone with the account
                weir.guard = weir._start_guard()
        catch(weir.port, port6)
        self.addCleanup(weir.finish, self)
        return weir

    def client(self, to=MTA4, source=CLIENT4, greet=True):
        """Connects as any client would: to Postfix's address."""
        with far:
            client = Six(25, to, source) if ":" in to else Client(25, to, source, greet=False)
        self.closing(client)
        if greet:
            client.greeting = client.expect(220)
        return client

    def deliver(self, client, refused=True):
        client.ehlo()
        client.cmd("MAIL FROM:<a@example.net>", 250)
        if refused:
            client.cmd("RCPT TO:<victim@elsewhere.test>", 554)
        client.cmd("RCPT TO:<%s>" % suite.ALICE, 250)
        self.assertEqual(client.data(suite.PLAIN).code, 250)
        client.quit()
        found = mta.take_one()
        self.same_octets(found.rest, postfix.as_delivered(suite.PLAIN))
        return found


class Six(Client):
    """Over IPv6."""

    def __init__(self, port, host, source):  # pylint: disable=super-init-not-called
        self.socket = private.connect(host, port, source)
        self.source_port = self.socket.getsockname()[1]
        self.pending, self.greeting = b"", None


@harness.needs_proxy
class Unseen(Base):
    def test_client_s_own_address_in_postfix_log(self):
        weir = self.weir()
        for to, source in ((MTA4, CLIENT4), (MTA6, CLIENT6)):
            with self.subTest(source):
                self.setUp()
                client = self.client(to, source)
                self.assertEqual(client.socket.getpeername()[:2], (to, 25))
                self.assertIn("[%s]" % source, self.deliver(client).received.replace("IPv6:", ""))
                shown = re.escape(source)
                mta.wait_log(r"postfix/far/smtpd.*: connect from unknown\[%s\]$" % shown, self.start)
                mta.wait_log(r": client=unknown\[%s\]$" % shown, self.start)
                mta.wait_log(r"reject: RCPT from unknown\[%s\]: 554 5\.7\.1 <victim@elsewhere\.test>" % shown, self.start)
                weir.wait_record("message", verdict="accept", client="-[%s]:%d" % (source, client.source_port))
                self.assertNotIn(WEIR4_MTA, mta.log()[self.start:])

    def test_same_dialogue_without_mailweir(self):
        """The differential: Postfix's answers with and without us in between are the same octets."""
        with middle:
            sh("nft", "flush", "ruleset")
            with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as file:
                file.write("1")
        direct = self.dialogue()
        self.weir()
        self.assertEqual(self.dialogue(), direct)

    def dialogue(self):
        """Replies, and Postfix's log line at the end."""
        client, start = self.client(), mta.mark()
        raw = [client.greeting.raw]
        for line in ("EHLO client.example.net", "MAIL FROM:<a@example.net>", "RCPT TO:<x@elsewhere.test>", "RCPT TO:<nobody@example.test>",
                     "VRFY alice", "RSET", "QUIT"):
            raw.append(client.cmd(line).raw)
        return [*raw, mta.wait_log(r"disconnect from unknown\[%s\] .*" % re.escape(CLIENT4), start).group(0)]

    def test_many_clients_with_many_connections(self):
        weir = self.weir()
        clients = [(source, self.client(source=source, greet=False)) for source in OTHERS4 for _ in range(4)]
        for _, client in clients:
            client.expect(220)
            client.ehlo()
            client.envelope("a@example.net", suite.ALICE)
        for _, client in clients:
            self.assertEqual(client.data(suite.PLAIN).code, 250)
            client.quit()
        seen = sorted(re.search(r"\(unknown \[(\S+)\]\)", d.received).group(1) for d in mta.take("alice", 40))
        self.assertEqual(seen, sorted(OTHERS4 * 4))
        for source, client in clients:
            weir.wait_record("message", client="-[%s]:%d" % (source, client.source_port))

    def test_filters(self):
        weir = self.weir(files={"rules/10-test.rules": 'not-you: reject 554 5.7.1 "not you" when client.ip in (%s/32)\n' % OTHERS4[0]},
                         filters=block("filter rules", ["module rules", "files rules/*.rules"]), chain="rules")
        client = self.client(source=OTHERS4[0], greet=False)
        self.assertEqual(client.reply().code, 554)
        weir.wait_record("reject", client="-[%s]:%d" % (OTHERS4[0], client.source_port))
        self.deliver(self.client())

    def test_as_an_account_without_rights(self):
        """Started as root, it gives up everything but CAP_NET_RAW."""
        weir = self.weir(user="nobody")
        with open("/proc/%d/status" % weir.pid, encoding="ascii") as file:
            status = file.read()
        self.assertRegex(status, r"Uid:\s+%d\s+%d" % (NOBODY, NOBODY))
        self.assertEqual(int(re.search(r"CapEff:\s+(\S+)", status).group(1), 16), 1 << 13)
        self.deliver(self.client())
        mta.wait_log(r": client=unknown\[%s\]$" % re.escape(CLIENT4), self.start)

    def test_upstream_that_is_away(self):
        """The client hears of it as it would from mailweir anywhere."""
        weir = self.weir(to4="%s:26" % MTA4)
        client = self.client(greet=False)
        self.assertEqual(client.reply().code, 421)
        self.assertTrue(client.at_end())
        weir.wait_record("upstream-failed")


@harness.needs_proxy
class Listener(Base):
    """`transparent` of the listener alone: the upstream is told by another way, and where the client wanted to go, too."""

    def test_xclient(self):
        self.weir(upstream=["identity xclient"])
        self.deliver(self.client())
        mta.wait_log(r": client=unknown\[%s\]" % re.escape(CLIENT4), self.start)

    def test_destination_is_conveyed(self):
        with middle:
            up = FakeUpstream(extensions=("PIPELINING", "XCLIENT NAME ADDR PORT DESTADDR DESTPORT"))
        self.addCleanup(up.stop)
        self.weir(upstream=["identity xclient"], to4="127.0.0.1:%d" % up.port, to6="127.0.0.1:%d" % up.port)
        for to, source in ((MTA4, CLIENT4), ("192.0.2.99", CLIENT4), (MTA6, CLIENT6)):
            with self.subTest(to):
                client = self.client(to, source)
                client.quit()
                prefix = "IPV6:" if ":" in to else ""
                self.assertEqual(up.sessions[-1].commands[1].decode(),
                                 "XCLIENT ADDR=%s%s NAME=[UNAVAILABLE] PORT=%d DESTADDR=%s%s DESTPORT=25"
                                 % (prefix, source, client.source_port, prefix, to))


@harness.needs_proxy
class AsWritten(Base):
    """The five lines of docs/identity.md, on loopback addresses of one machine."""

    def test_recipe(self):
        network = private.Network()
        self.addCleanup(middle.enter)
        local = postfix.Postfix("local", services={"plain": " -o mynetworks=127.0.0.1/32"})
        self.addCleanup(local.stop)
        weir = harness.Mailweir(local.ports["plain"], upstream=["identity none", "transparent on"], listen=["transparent on"])
        self.addCleanup(weir.finish, self)
        for line in ("add table ip mangle", "add chain ip mangle pre { type filter hook prerouting priority -150; }",
                     "add rule ip mangle pre tcp dport 25 tproxy to 127.0.0.1:%d meta mark set 1 accept" % weir.port):
            sh("nft", line)
        for rule in IP_RULES:
            sh("ip", *rule.split())
        client = self.closing(Client(25, "127.0.0.9", "127.0.5.7"))
        client.ehlo()
        client.cmd("MAIL FROM:<a@example.net>", 250)
        client.cmd("RCPT TO:<victim@elsewhere.test>", 554)
        client.quit()
        local.wait_log(r"connect from unknown\[127\.0\.5\.7\]")
        local.wait_log(r"reject: RCPT from unknown\[127\.0\.5\.7\]: 554 5\.7\.1")
        os.close(network.fd)


@harness.needs_proxy
class Rights(Base):
    def test_without_them_it_does_not_start(self):
        """And says what is missing; `check` needs no rights."""
        weir = harness.Mailweir(25, start=False, upstream=["identity none", "transparent on"], listen=["transparent on"])
        weir.write("00-main.conf", "log stderr format=logfmt level=info\n")
        done = harness.run(["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
                            harness.MAILWEIR, "run", "-c", weir.conf], timeout=20)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr.decode(), r"CAP_NET_RAW")

    def test_nothing_is_left_behind(self):
        """The test's networks are its own: the machine's rules and devices are as they were."""
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            libc = private._libc
            self.assertEqual(libc.setns(outside, private.CLONE_NEWNET), 0)
            with open("/proc/net/dev", encoding="ascii") as file:
                self.assertNotRegex(file.read(), r"(?m)^\s*[cm][01]:")
        finally:
            private._libc.setns(here, private.CLONE_NEWNET)
            os.close(here)


if __name__ == "__main__":
    harness.main()
