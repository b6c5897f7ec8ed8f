"""Name servers of the test's own: nsd with given zones, and a relay in front of it that can keep silent.

    server = nameserver.Nsd({"example.net": "c A 192.0.2.1\\n", "2.0.192.in-addr.arpa": "1 PTR c.example.net.\\n"})
    relay = nameserver.Relay(server.port, silent=[b"\\3lost"])
"""
import os
import signal
import socket
import threading

import harness

HEAD = "$ORIGIN %s.\n$TTL 300\n@ SOA ns.%s. hostmaster.%s. 1 3600 600 86400 60\n@ NS ns.%s.\n"


class Nsd(harness.Process):
    """A zone with the text None cannot be read by the server: it answers SERVFAIL."""

    def __init__(self, zones, port=None):
        program = harness.tool("nsd")
        directory, self.port = harness.temp_dir("nsd"), port or harness.free_port()
        for name, text in zones.items():
            if text is not None:
                with open(os.path.join(directory, name), "w", encoding="ascii") as file:
                    file.write(HEAD % ((name,) * 4) + text)
        conf = os.path.join(directory, "nsd.conf")
        with open(conf, "w", encoding="ascii") as file:
            file.write('server:\n server-count: 1\n rrl-ratelimit: 0\n ip-address: 127.0.0.1\n port: %d\n username: ""\n'
                       ' chroot: ""\n database: ""\n zonesdir: "%s"\n pidfile: "%s/pid"\n xfrdfile: "%s/xfrd"\n'
                       ' zonelistfile: "%s/zones"\n xfrdir: "%s"\nremote-control:\n control-enable: no\n'
                       % ((self.port,) + (directory,) * 5))
            for name in zones:
                file.write('zone:\n name: "%s"\n zonefile: "%s"\n' % (name, name))
        super().__init__([program, "-d", "-c", conf], "nsd", directory)
        harness.wait_for(lambda: harness.accepts(self.port), 10, lambda: "nsd:\n" + self.log())


    def freeze(self):
        """SIGSTOP, to its children too: questions wait in its sockets, or are lost where these are full."""
        for pid in self._family():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in self._family():
            os.kill(pid, signal.SIGCONT)

    def _family(self):
        parents = {}
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/stat" % entry, encoding="utf-8", errors="replace") as file:
                    parents[int(entry)] = int(file.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue  # gone meanwhile
        family = [self.pid]
        for pid in family:
            family += [child for child, parent in parents.items() if parent == pid]
        return family


class Relay:
    """Hands questions on (UDP); those that hold one of the octet strings in `silent` get no answer."""

    def __init__(self, port, silent=()):
        self.server, self.silent, self.questions, self.ignored = port, silent, 0, 0
        self.port = harness.free_port()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.settimeout(5)
            while True:
                try:
                    question, peer = self.socket.recvfrom(4096)
                    self.questions += 1
                    if any(word in question.lower() for word in self.silent):
                        self.ignored += 1
                        continue
                    out.sendto(question, ("127.0.0.1", self.server))
                    self.socket.sendto(out.recv(65535), peer)
                except TimeoutError:
                    continue
                except OSError:
                    return

    def close(self):
        self.socket.close()
