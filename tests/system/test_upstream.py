"""Several addresses, several upstreams, few connections: who is tried first, who waits, what a reload keeps. Fake upstreams on
loopback."""
import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import suite  # noqa: E402
from fake_upstream import CLOSE, HANG, FakeUpstream  # noqa: E402
from harness import wait_for  # noqa: E402
from smtpline import Client  # noqa: E402
from suite import ALICE, PLAIN  # noqa: E402

needs_proxy = harness.needs_proxy
IP_TRANSPARENT, TCP_ESTABLISHED = 19, 1


class Base(suite.Case):
    def fake(self, orders=None, **settings):
        up = FakeUpstream(orders, **settings)
        self.addCleanup(up.stop)
        return up

    def weir(self, port, *lines, identity="none", timeout="2s"):
        weir = harness.Mailweir(port, upstream=["identity " + identity, "connect-timeout " + timeout, *lines])
        self.addCleanup(weir.finish, self)
        return weir

    def client(self, weir, **settings):
        return self.closing(Client(weir.port, **settings))

    def deliver(self, weir, port=None):
        with Client(port or weir.port) as client:
            if client.greeting.code != 220:
                return client.greeting
            client.ehlo()
            client.envelope("a@example.net", ALICE)
            reply = client.data(PLAIN)
            client.quit()
            return reply


@needs_proxy
class Addresses(Base):
    """Failover and health."""

    def test_first_address_serves_while_it_works(self):
        one, two = self.fake(), self.fake()
        weir = self.weir(one.port, "address 127.0.0.1:%d" % two.port)
        for _ in range(5):
            self.assertEqual(self.deliver(weir).code, 250)
        self.assertEqual((len(one.sessions), len(two.sessions)), (5, 0))

    def test_address_that_refuses_is_left_alone_and_comes_back(self):
        port, two = harness.free_port(), self.fake()
        weir = self.weir(port, "address 127.0.0.1:%d" % two.port)
        for _ in range(5):
            self.assertEqual(self.deliver(weir).code, 250)
        self.assertEqual(len(two.sessions), 5)
        down = weir.wait_record("upstream-down")
        self.assertEqual((down["upstream"], down["address"]), ("postfix", "127.0.0.1:%d" % port))
        self.assertLess(len(weir.records("upstream-failed")), 4)  # not tried for each of the five
        one = self.fake(port=port)
        wait_for(lambda: self.deliver(weir).code == 250 and one.sessions, 15, "the first address is tried again", 0.2)
        weir.wait_record("upstream-up", address="127.0.0.1:%d" % port)
        before = len(two.sessions)
        self.assertEqual(self.deliver(weir).code, 250)
        self.assertEqual(len(two.sessions), before)
        self.assertEqual(len(weir.records("upstream-down")), 1)

    def test_back_off_grows(self):
        port, two = harness.free_port(), self.fake()
        weir = self.weir(port, "address 127.0.0.1:%d" % two.port)
        end = time.monotonic() + 6
        while time.monotonic() < end:
            self.assertEqual(self.deliver(weir).code, 250)
            time.sleep(0.05)
        # 0 s, about 1 s, about 3 s; with jitter perhaps one more
        self.assertIn(len(weir.records("upstream-failed")), (2, 3, 4))

    def test_silent_address_costs_its_share_once(self):
        one, two = self.fake({"CONNECT": HANG}), self.fake()
        weir = self.weir(one.port, "address 127.0.0.1:%d" % two.port, timeout="6s")
        begun = time.monotonic()
        self.assertEqual(self.deliver(weir).code, 250)
        self.assertGreater(time.monotonic() - begun, 2.9)
        self.assertLess(time.monotonic() - begun, 5.8)
        self.assertEqual(self.deliver(weir).code, 250)
        one.catch_up()
        two.catch_up()
        self.assertEqual(len(two.sessions), 2)
        self.assertFalse([s for s in one.sessions[1:] if s.begun - one.sessions[0].begun < 3.5])  # its back-off has 0.75 s at least

    def test_address_that_closes_before_its_greeting_is_passed_over(self):
        one, two = self.fake({"CONNECT": CLOSE}), self.fake()
        weir = self.weir(one.port, "address 127.0.0.1:%d" % two.port)
        self.assertEqual(self.deliver(weir).code, 250)
        self.assertEqual((len(one.sessions), len(two.sessions)), (1, 1))
        weir.wait_record("upstream-down", address="127.0.0.1:%d" % one.port)

    def test_proxy_header_goes_to_each_address_that_is_tried(self):
        one, two = self.fake({"CONNECT": HANG}), self.fake({"PROXY": b""})
        weir = self.weir(one.port, "address 127.0.0.1:%d" % two.port, identity="proxy-v1")
        client = self.client(weir)
        self.assertEqual(client.greeting.code, 220)
        wait_for(lambda: two.sessions[0].commands, what="PROXY")
        expected = b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d" % (client.source_port, weir.port)
        self.assertEqual(two.sessions[0].commands, [expected])

    def test_refusing_greeting_is_the_clients(self):
        one, two = self.fake({"CONNECT": b"421 4.3.2 full\r\n"}), self.fake()
        weir = self.weir(one.port, "address 127.0.0.1:%d" % two.port)
        for _ in range(2):
            self.assertEqual(self.client(weir).greeting.raw, b"421 4.3.2 full\r\n")
        self.assertEqual(len(two.sessions), 0)

    def test_all_down_all_are_tried_each_time(self):
        ports = [harness.free_port(), harness.free_port()]
        weir = self.weir(ports[0], "address 127.0.0.1:%d" % ports[1])
        for _ in range(3):
            greeting = self.client(weir).greeting
            self.assertEqual((greeting.code, greeting.dsn), (421, "4.4.1"))
        self.assertEqual(len(weir.records("upstream-down")), 2)
        up = self.fake(port=ports[1])
        self.assertEqual(self.deliver(weir).code, 250)  # at once: nobody is refused without trying
        self.assertEqual(len(up.sessions), 1)

    def test_reload_keeps_what_is_known(self):
        one, two = self.fake({"CONNECT": CLOSE}), self.fake()
        weir = self.weir(one.port, "address 127.0.0.1:%d" % two.port)
        wait_for(lambda: self.deliver(weir).code == 250 and len(one.sessions) == 3, 15, "a back-off of 3 s at least", 0.05)
        self.assertEqual(weir.reload()["event"], "reloaded")
        self.assertEqual(self.deliver(weir).code, 250)
        one.catch_up()
        self.assertFalse([s for s in one.sessions[3:] if s.begun - one.sessions[2].begun < 2.9])  # it was not asked again


@needs_proxy
class Transparent(Base):
    """The client's own address towards the upstream (Linux TPROXY). Loopback addresses are all ours, so no routing is needed here."""

    def setUp(self):
        with socket.socket() as probe:
            try:
                probe.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)
            except PermissionError:
                harness.notice("no CAP_NET_ADMIN: transparent is not tested")
                self.skipTest("NOTICE: no CAP_NET_ADMIN")

    def test_upstream_sees_the_client(self):
        up = self.fake()
        weir = self.weir(up.port, "transparent on")
        for source in ("127.0.0.9", "127.0.0.77"):
            client = self.client(weir, source=source)
            self.assertEqual(client.greeting.code, 220)
            self.assertEqual(up.sessions[-1].socket.getpeername()[0], source)


@needs_proxy
class Connections(Base):
    """max-connections and its queue."""

    def waiting(self, weir, count):
        """So many clients in the queue, in this order."""
        clients = []
        for _ in range(count):
            clients.append(self.client(weir, greet=False))
            weir.settle()
        return clients

    def test_served_in_order(self):
        up = self.fake()
        weir = self.weir(up.port, "max-connections 1", "queue-timeout 20s")
        first = self.client(weir)
        others = self.waiting(weir, 4)
        order = []
        threads = [threading.Thread(target=serve, args=(client, order, i)) for i, client in enumerate(others)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        self.assertEqual((order, len(up.sessions)), ([], 1))
        first.quit()
        for thread in threads:
            thread.join(15)
        self.assertEqual(order, [(0, 220), (1, 220), (2, 220), (3, 220)])
        self.assertEqual(len(up.sessions), 5)

    def test_deadline(self):
        up = self.fake()
        weir = self.weir(up.port, "max-connections 1", "queue-timeout 1s", timeout="20s")
        self.client(weir)
        begun = time.monotonic()
        greeting = self.client(weir).greeting
        self.assertEqual((greeting.code, greeting.dsn), (421, "4.4.1"))
        self.assertGreater(time.monotonic() - begun, 0.9)
        self.assertLess(time.monotonic() - begun, 15)
        self.assertEqual(len(up.sessions), 1)
        weir.wait_record("upstream-failed")

    def test_longer_than_connect_timeout(self):
        """Waiting for a place is not connecting."""
        up = self.fake()
        weir = self.weir(up.port, "max-connections 1", "queue-timeout 10s", timeout="1s")
        first = self.client(weir)
        second = self.client(weir, greet=False)
        time.sleep(1.8)
        first.quit()
        self.assertEqual(second.reply().code, 220)

    def test_no_queue(self):
        up = self.fake()
        weir = self.weir(up.port, "max-connections 1", "queue-timeout 0s", timeout="20s")
        first = self.client(weir)
        begun = time.monotonic()
        greeting = self.client(weir).greeting
        self.assertEqual((greeting.code, greeting.dsn), (421, "4.4.1"))
        self.assertLess(time.monotonic() - begun, 10)
        first.quit()
        wait_for(lambda: self.deliver(weir).code == 250, what="the place is free again")

    def test_who_leaves_is_no_longer_waited_for(self):
        up = self.fake()
        weir = self.weir(up.port, "max-connections 1", "queue-timeout 20s")
        first = self.client(weir)
        gone, resets, stays = self.waiting(weir, 3)
        gone.close()
        resets.reset()
        wait_for(lambda: len(weir.records("session")) == 2, what="both sessions are over")
        first.quit()
        self.assertEqual(stays.reply().code, 220)
        self.assertEqual(len(up.sessions), 2)

    def test_drain_ends_those_who_wait(self):
        up = self.fake()
        weir = harness.Mailweir(up.port, upstream=["identity none", "max-connections 1", "queue-timeout 30s"])
        first = self.client(weir)
        first.ehlo()
        waits, = self.waiting(weir, 1)
        weir.signal(signal.SIGTERM)
        self.assertEqual(waits.reply().dsn, "4.3.2")
        self.assertEqual(first.reply().dsn, "4.3.2")
        self.assertEqual(weir.wait(10), 0)

    def test_upstream_that_dies_with_a_queue_behind_it(self):
        up = self.fake()
        weir = self.weir(up.port, "max-connections 1", "queue-timeout 20s")
        first = self.client(weir)
        others = self.waiting(weir, 3)
        up.stop()
        self.assertEqual(first.reply().code, 421)
        for client in others:
            self.assertEqual(client.reply().dsn, "4.4.1")

    def test_each_upstream_has_its_own_count(self):
        one, two = self.fake(), self.fake()
        weir = harness.Mailweir(one.port, upstream=["identity none", "max-connections 1", "queue-timeout 0s"], start=False)
        port = harness.free_port()
        weir.write("50-other.conf", harness.block("upstream other", ["address 127.0.0.1:%d" % two.port, "identity none",
                                                                     "max-connections 1", "queue-timeout 0s"])
                   + harness.block("listen other", ["address 127.0.0.1:%d" % port, "upstream other", "client-name off"]))
        weir.start()
        self.addCleanup(weir.finish, self)
        self.assertEqual(self.client(weir).greeting.code, 220)
        other = self.closing(Client(port))
        self.assertEqual(other.greeting.code, 220)
        self.assertEqual(self.client(weir).greeting.code, 421)
        self.assertEqual(self.closing(Client(port)).greeting.code, 421)

    def test_reload_keeps_the_count(self):
        up = self.fake()
        weir = self.weir(up.port, "max-connections 1", "queue-timeout 0s")
        first = self.client(weir)
        self.assertEqual(weir.reload()["event"], "reloaded")
        self.assertEqual(self.client(weir).greeting.code, 421)
        first.quit()
        wait_for(lambda: self.deliver(weir).code == 250, what="the place is free again")

    def test_many(self):
        """A crowd through two connections: everybody is served, never more than two at a time."""
        up = self.fake()
        weir = self.weir(up.port, "max-connections 2", "queue-timeout 60s", timeout="30s")
        codes, lock = [], threading.Lock()

        def deliver():
            code = self.deliver(weir).code
            with lock:
                codes.append(code)

        threads = [threading.Thread(target=deliver) for _ in range(40)]
        for thread in threads:
            thread.start()
        most = 0
        while any(thread.is_alive() for thread in threads):
            most = max(most, sum(is_open(s.socket) for s in reversed(list(up.sessions))))  # a newer one cannot come meanwhile
            time.sleep(0.002)
        self.assertEqual(codes, [250] * 40)
        self.assertEqual(most, 2)


def is_open(connection):
    """Has the peer not closed yet? The kernel knows at once, the server's thread some time later."""
    try:
        return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_ESTABLISHED
    except OSError:
        return False


def serve(client, order, number):
    reply = client.reply()
    order.append((number, reply and reply.code))
    client.quit()


if __name__ == "__main__":
    harness.main()
