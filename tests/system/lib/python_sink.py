"""A small upstream that stores to a Maildir, in Python: python_sink.py PORT MAILDIR. It stands in for `mailweir sink` where mailweir is
left out, and as a second opinion. A message is in new/ before its 250 is sent."""
import itertools
import os
import socketserver
import sys

COUNTER = itertools.count()


class Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        try:
            self.say("220 sink.example.test ESMTP")
            self.chunks = b""
            while (line := self.rfile.readline()) and self.obey(line.rstrip(b"\r\n").decode("latin-1")):
                pass
        except OSError:
            pass

    def obey(self, line):
        verb = line.split(" ")[0].upper()
        if verb == "EHLO":
            self.say("250-sink.example.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 CHUNKING")
        elif verb == "DATA":
            self.say("354 go on")
            return self.store(self.dot_lines())
        elif verb == "BDAT":
            return self.bdat(line.split())
        elif verb == "QUIT":
            self.say("221 bye")
            return False
        else:
            self.chunks = b""
            self.say("250 2.0.0 Ok")
        return True

    def bdat(self, words):
        octets = self.rfile.read(int(words[1]))
        if len(octets) < int(words[1]):
            return False
        self.chunks += octets
        if len(words) > 2:
            content, self.chunks = self.chunks, b""
            return self.store(content)
        self.say("250 2.0.0 Ok")
        return True

    def dot_lines(self):
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return None
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def store(self, content):
        if content is None:
            return False
        name = "%d.%d" % (os.getpid(), next(COUNTER))
        with open(os.path.join(self.server.maildir, "tmp", name), "wb") as file:
            file.write(content)
        os.rename(os.path.join(self.server.maildir, "tmp", name), os.path.join(self.server.maildir, "new", name))
        self.say("250 2.0.0 Ok: queued as " + name)
        return True


class Sink(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    sink = Sink(("127.0.0.1", int(sys.argv[1])), Handler)
    sink.maildir = sys.argv[2]
    for sub in ("tmp", "new", "cur"):
        os.makedirs(os.path.join(sink.maildir, sub), exist_ok=True)
    sink.serve_forever()
