"""One client of the chaos test, a process of its own so that it can be killed at any instant:

    chaos_client.py PORTS LOG PREFIX COUNT SEED

sends COUNT messages PREFIX-0 .. PREFIX-n and tries each until it is acknowledged. What is known is in LOG before the next octet is
sent (one write(2) a line, so kill -9 loses none): `S id` the final dot (or BDAT LAST) is about to go out, `A id` 2xx, `R code dsn id`
refused after that, `U id` the reply never came. Started again with the same LOG it goes on where the log ends; an `S` without an
outcome is an unknown outcome, and the message is tried again, as every MTA would.
"""
import hashlib
import os
import random
import sys
import time

from smtpline import Client, stuff


def content(identity):
    """The message with that id, the same in every process: sizes from 200 octets to 400 kB, some lines with dots."""
    dice = random.Random(identity)
    size = dice.choice((200, 2_000, 4_000, 20_000)) if dice.random() < 0.97 else 400_000
    words = hashlib.sha256(identity.encode()).hexdigest()
    line = b"..dots and words %s\r\n" % words.encode() + b".\r\n" + b"plain %s\r\n" % words.encode() * 5
    body = (line * (size // len(line) + 1))[:size].rsplit(b"\r\n", 1)[0] + b"\r\n"
    return (b"From: a@example.net\r\nSubject: chaos\r\nX-Chaos: %s\r\nX-Sum: %s\r\n\r\n"
            % (identity.encode(), hashlib.sha256(body).hexdigest().encode()) + body + b"END " + identity.encode() + b"\r\n")


class Log:
    def __init__(self, path):
        self.file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)

    def write(self, *words):
        os.write(self.file, (" ".join(words) + "\n").encode())


def acknowledged(path):
    """Ids that have an `A` line."""
    try:
        with open(path, encoding="ascii") as file:
            return {line.split()[1] for line in file if line.startswith("A ")}
    except FileNotFoundError:
        return set()


def dawdle(dice):
    """Real clients are not all in the same step at the same time."""
    if dice.random() < 0.4:
        time.sleep(dice.random() * 0.06)


def say(client, lines, codes):
    """Sends commands, in one write, and reads their replies: true if all are as hoped."""
    client.send(b"".join(line + b"\r\n" for line in lines))
    for code in codes:
        reply = client.reply()
        if reply is None:
            raise ConnectionError("closed")
        if reply.code != code:
            return False
    return True


def send(client, identity, log, dice):
    """One attempt in this session; true when it was acknowledged."""
    message = content(identity)
    dawdle(dice)
    envelope = [b"MAIL FROM:<%s@example.net>" % identity.encode(), b"RCPT TO:<alice@example.test>"]
    if dice.random() < 0.2 and len(message) < 50_000:
        if not say(client, envelope, (250, 250)):
            return False
        log.write("S", identity)
        client.send(b"BDAT %d LAST\r\n" % len(message) + message)
    elif dice.random() < 0.5:  # content and dot in one write
        if not say(client, envelope + [b"DATA"], (250, 250, 354)):
            return False
        log.write("S", identity)
        client.send(stuff(message) + b".\r\n")
    else:
        for line, code in zip(envelope + [b"DATA"], (250, 250, 354)):
            if not say(client, [line], (code,)):
                return False
            dawdle(dice)
        client.send(stuff(message))
        dawdle(dice)
        log.write("S", identity)
        client.send(b".\r\n")
    reply = client.reply()
    if reply is None:
        raise ConnectionError("closed")
    log.write("A" if reply.code == 250 else "R %d %s" % (reply.code, reply.dsn), identity)
    return reply.code == 250


def main(ports, log_path, prefix, count, seed):
    dice = random.Random("%s %s %d" % (seed, prefix, time.monotonic_ns()))
    done = acknowledged(log_path)
    waiting = [i for i in ("%s-%d" % (prefix, n) for n in range(count)) if i not in done]
    log = Log(log_path)
    client, left = None, 0
    while waiting:
        try:
            if client is None:
                client, left = Client(dice.choice(ports), timeout=10), dice.randrange(1, 12)
                if client.greeting is None or client.greeting.code != 220 or client.cmd("EHLO chaos").code != 250:
                    raise ConnectionError("no session")
            if send(client, waiting[0], log, dice):
                waiting.pop(0)
                left -= 1
            else:
                left = 0
            if left <= 0:
                client.send(b"QUIT\r\n")
                client.close()
                client = None
        except (OSError, AssertionError, AttributeError):
            # An `S` without an outcome in the log stays one: unknown. The next attempt has an `S` of its own.
            if client is not None:
                client.close()
            client = None
            time.sleep(dice.random() * 0.05)


if __name__ == "__main__":
    main([int(p) for p in sys.argv[1].split(",")], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
