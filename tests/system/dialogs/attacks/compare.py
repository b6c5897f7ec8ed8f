#!/usr/bin/env python3
"""Who lets a message be smuggled in? The end-of-data variants of test_smuggling.py straight to Postfix (lenient as Debian ships it, and
strict), through HAProxy (mode tcp) and through mailweir to the lenient one. A comparison to look at, not a test: prints a table.

    MAILWEIR=build/dev/mailweir tests/system/dialogs/attacks/compare.py"""
import os
import subprocess
import sys

SYSTEM = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [SYSTEM, os.path.join(SYSTEM, "lib")]
import harness  # noqa: E402
import postfix  # noqa: E402
import suite  # noqa: E402
import test_smuggling  # noqa: E402
from smtpline import Client, ProtocolError  # noqa: E402


def haproxy(port):
    """A listener of HAProxy's in front of that port."""
    listen = harness.free_port()
    directory = harness.temp_dir("haproxy")
    path = os.path.join(directory, "haproxy.cfg")
    with open(path, "w", encoding="ascii") as file:
        file.write("defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n"
                   "listen mail\n bind 127.0.0.1:%d\n server mta 127.0.0.1:%d\n" % (listen, port))
    harness.Process([harness.tool("haproxy"), "-db", "-f", path], "haproxy", directory)
    harness.wait_for(lambda: harness.accepts(listen), 10, "HAProxy")
    return listen


def is_smuggled(port, number, variant):
    """More than one 250 behind one DATA, or a reply that is none."""
    with Client(port, timeout=10) as client:
        client.ehlo()
        client.envelope("outer%03d@example.net" % number, suite.ALICE)
        client.cmd("DATA", 354)
        try:
            client.send(test_smuggling.content(number, variant) + b"\r\n.\r\nQUIT\r\n")
            codes = []
            while (reply := client.reply()) is not None:
                codes.append(reply.code)
        except (ProtocolError, OSError):
            return False
    return codes.count(250) > 1


def main():
    mta = postfix.start()
    ways = {"Postfix, Debian's defaults": mta.ports["plain"], "Postfix, strict": mta.ports["strict"]}
    try:
        ways["HAProxy, tcp"] = haproxy(mta.ports["plain"])
    except (Exception, subprocess.SubprocessError) as problem:  # not installed: the others are worth a look, too
        print("HAProxy is left out:", problem)
    ways["mailweir"] = harness.Mailweir(mta.ports["plain"], listen=["bare-cr pass", "max-errors 1000"]).port
    variants = test_smuggling.variants()
    for name, port in ways.items():
        open_to = [v for i, v in enumerate(variants) if is_smuggled(port, i, v)]
        print("%-28s %3d of %d variants smuggle a second message%s"
              % (name, len(open_to), len(variants), "".join("\n    %r" % v for v in open_to)))


if __name__ == "__main__":
    main()
