"""What the suites stand on: a port that is given out can be had, by anybody, and by one test only."""
import os
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import ports  # noqa: E402

TAKE = "import sys; sys.path.insert(0, %r); import ports; print(ports.free_port(), flush=True); sys.stdin.read()" \
    % os.path.dirname(os.path.abspath(ports.__file__))


def take():
    """A process that asked for a port: started now, its number decides where it looks first."""
    return subprocess.Popen([sys.executable, "-c", TAKE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


class Ports(unittest.TestCase):
    def next_port(self):
        """The port that this process is given next, without taking it."""
        port = ports.free_port()
        ports._locks.pop().close()
        return port

    def test_a_port_with_closed_connections_is_not_free(self):
        port = self.next_port()
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen()
            with socket.create_connection(("127.0.0.1", port)):
                listener.accept()[0].close()  # this side closes first: TIME_WAIT is its port's
        given = ports.free_port()
        self.assertNotEqual(given, port)
        with socket.socket() as strict:
            strict.bind(("127.0.0.1", given))

    def test_a_port_of_udp_is_not_free(self):
        port = self.next_port()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
            held.bind(("127.0.0.1", port))
            self.assertNotEqual(ports.free_port(), port)

    def test_processes_never_share_one(self):
        own = [ports.free_port() for _ in range(20)]
        others = [take() for _ in range(8)]
        try:
            given = own + [int(other.stdout.readline()) for other in others]
        finally:
            for other in others:
                other.communicate(timeout=20)
        self.assertEqual(len(set(given)), 28, given)

    def test_outgoing_connections_take_none(self):
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            low, high = map(int, file.read().split())
        if low - ports.COUNT < ports.FIRST and high + ports.COUNT > ports.LAST:
            self.skipTest("outgoing connections may have any port here")
        port = ports.free_port()
        self.assertFalse(low <= port <= high)


if __name__ == "__main__":
    harness.main()
