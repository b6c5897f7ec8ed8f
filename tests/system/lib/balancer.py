"""A real HAProxy of the test's own, and what it logs. The configuration is text; the ports are the test's."""
import os
import socket

import harness

DEFAULTS = """
global
    log stdout format raw local0
    stats socket %s/stats.sock
defaults
    mode tcp
    log global
    timeout connect 5s
    timeout client 60s
    timeout server 60s
"""


class HAProxy(harness.Process):
    def __init__(self, text, ports, name="haproxy"):
        program = harness.tool("haproxy")
        directory = harness.temp_dir(name)
        path = os.path.join(directory, "haproxy.cfg")
        with open(path, "w", encoding="ascii") as file:
            file.write(DEFAULTS % directory + text)
        super().__init__([program, "-db", "-f", path], name, directory)
        self.stats = os.path.join(directory, "stats.sock")
        for port in ports:
            harness.wait_for(lambda p=port: harness.accepts(p) or not self.alive(), 10, self.said)
        if not self.alive():
            raise AssertionError("HAProxy ended at start:\n" + self.said())

    def said(self):
        """Its log lines, and complaints."""
        with open(self.out_path, encoding="utf-8", errors="backslashreplace") as file:
            return file.read() + self.log()

    def server_states(self):
        """{server: its state's words}, from the statistics socket."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.stats)
            connection.sendall(b"show stat\n")
            lines = connection.makefile().read().splitlines()
        keys = lines[0].lstrip("# ").split(",")
        rows = [dict(zip(keys, line.split(","))) for line in lines[1:] if line]
        return {row["svname"]: row for row in rows if row["svname"] not in ("FRONTEND", "BACKEND")}
