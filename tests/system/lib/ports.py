"""Free ports of the loopback that no parallel test and no outgoing connection takes."""
import os
import socket

COUNT = 10000
FIRST, LAST = 1024, 65535
_locks = []


def _strict(kind, host, port):
    """Could the pickiest program bind this port now? Without SO_REUSEADDR: connections that an earlier test closed
    (TIME_WAIT) keep such programs from it for a minute."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _start():
    """The first of COUNT ports outside the range that the kernel takes outgoing connections' ports from."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        low, high = map(int, file.read().split())
    if low - COUNT >= FIRST:
        return max(FIRST, min(20000, low - COUNT))
    return high + 1 if high + COUNT <= LAST else 20000


def free_port(host="127.0.0.1"):
    """A port for TCP and UDP, nobody else's: the abstract socket is the lock that parallel tests respect."""
    first, own = _start(), (os.getpid() * 61) % COUNT
    for step in range(COUNT):
        port = first + (own + step) % COUNT
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            lock.bind("\0mailweir-test-port-%d" % port)
        except OSError:
            lock.close()
            continue
        if _strict(socket.SOCK_STREAM, host, port) and _strict(socket.SOCK_DGRAM, host, port):
            _locks.append(lock)
            return port
        lock.close()
    raise RuntimeError("no free port between %d and %d" % (first, first + COUNT - 1))
