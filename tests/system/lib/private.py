"""A network of the test's own (network namespaces) and, where wanted, an /etc/resolv.conf of its own (mount namespace).

The test process itself goes in, and whatever it starts is in, too. Nothing has a name: it all vanishes with the last process, however
that ends. Needs root and Linux; enter it before a thread is started.
"""
import ctypes
import os
import socket
import subprocess

import harness

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def sh(*argv):
    """Runs a command in the namespace that the process is in."""
    done = subprocess.run(argv, capture_output=True, timeout=20, check=False)
    if done.returncode != 0:
        raise OSError("%s: %s" % (" ".join(argv), (done.stderr + done.stdout).decode(errors="replace").strip()))


class Network:
    """A network namespace. The process is in it after the constructor; `with network:` goes back into it for a while."""

    def __init__(self):
        _check(_libc.unshare(CLONE_NEWNET))
        self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.before = []
        sh("ip", "link", "set", "lo", "up")

    @property
    def path(self):
        """For `ip link set X netns PATH`."""
        return "/proc/%d/fd/%d" % (os.getpid(), self.fd)

    def enter(self):
        _check(_libc.setns(self.fd, CLONE_NEWNET))

    def __enter__(self):
        self.before.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        self.enter()
        return self

    def __exit__(self, *_):
        fd = self.before.pop()
        _check(_libc.setns(fd, CLONE_NEWNET))
        os.close(fd)


def why_not(*programs):
    """Why there can be no network of our own; empty if there can. Tried in a child, so that nothing is changed here."""
    if os.geteuid() != 0:
        return "not root: no network namespace"
    for program in programs:
        if not any(os.access(os.path.join(d, program), os.X_OK) for d in ("/usr/sbin", "/sbin", "/usr/bin", "/bin")):
            return "%s is not installed" % program
    done = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, timeout=20, check=False)
    return "" if done.returncode == 0 else "no network namespace: " + done.stderr.decode(errors="replace").strip()


def own_resolv_conf(text):
    """For this process and those it starts from now on."""
    path = os.path.join(harness.temp_dir("resolv"), "resolv.conf")
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    _check(_libc.unshare(CLONE_NEWNS))
    _check(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    _check(_libc.mount(path.encode(), os.path.realpath("/etc/resolv.conf").encode(), None, MS_BIND, None))


def connect(host, port, source=None, timeout=20.0):
    """A connected socket of either family."""
    return socket.create_connection((host, port), timeout, (source, 0) if source else None)
