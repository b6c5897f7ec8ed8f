"""A raw SMTP client: sends exactly the octets it is told, reads replies strictly (CRLF, one code per reply)."""
import re
import socket
import struct


class ProtocolError(AssertionError):
    pass


class Reply:
    """code, lines (text without code), raw octets."""

    def __init__(self, raw):
        self.raw = raw
        self.code = int(raw[:3])
        self.lines = [line[4:].decode("utf-8", "backslashreplace") for line in raw.split(b"\r\n")[:-1]]

    @property
    def text(self):
        return " ".join(self.lines)

    @property
    def dsn(self):
        match = re.match(r"[245]\.\d{1,3}\.\d{1,3}(?= |$)", self.lines[0])
        return match.group(0) if match else ""

    def __repr__(self):
        return repr(self.raw)


class Client:
    """One connection. Every read has a deadline; EOF and resets are values (None), not surprises."""

    def __init__(self, port, host="127.0.0.1", source=None, timeout=20.0, greet=True, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(timeout)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect((host, port))
        self.source_port = self.socket.getsockname()[1]
        self.pending = b""
        self.greeting = self.reply() if greet else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Closes with a TCP reset instead of a FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets)

    def send_slowly(self, octets):
        for i in range(len(octets)):
            self.socket.sendall(octets[i:i + 1])

    def _line(self):
        while b"\n" not in self.pending:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.pending += more
        line, _, self.pending = self.pending.partition(b"\n")
        return line + b"\n"

    def reply(self):
        """The next reply, multi-line ones whole; None at the end of the connection."""
        raw, code = b"", None
        while True:
            line = self._line()
            if line is None:
                if raw or self.pending:
                    raise ProtocolError("connection ended within a reply: %r" % (raw + self.pending))
                return None
            if not re.fullmatch(rb"[2-5]\d\d(?:[ -][^\r\n\0]*)?\r\n", line):
                raise ProtocolError("not a reply line: %r" % line)
            if code is not None and line[:3] != code:
                raise ProtocolError("codes differ within a reply: %r" % (raw + line))
            code, raw = line[:3], raw + line
            if line[3:4] != b"-":
                return Reply(raw)

    def cmd(self, line, code=None):
        """Sends one line (CRLF added), returns its reply; `code` (or a tuple of them) is required when given."""
        self.send((line.encode("utf-8") if isinstance(line, str) else line) + b"\r\n")
        return self.expect(code, line)

    def expect(self, code=None, what=""):
        reply = self.reply()
        if code is not None:
            codes = code if isinstance(code, tuple) else (code,)
            if reply is None or reply.code not in codes:
                raise AssertionError("%r: expected %s, got %r" % (what, codes, reply))
        return reply

    def at_end(self):
        """True when the peer has closed and nothing more came."""
        return not self.pending and self._line() is None

    def ehlo(self, name="client.example.net"):
        return self.cmd("EHLO " + name, 250)

    def envelope(self, sender, *recipients):
        self.cmd("MAIL FROM:<%s>" % sender, 250)
        for recipient in recipients:
            self.cmd("RCPT TO:<%s>" % recipient, 250)

    def data(self, message):
        """DATA, the message (CRLF octets, stuffed here), the dot; returns the final reply."""
        self.cmd("DATA", 354)
        self.send(stuff(message) + b".\r\n")
        return self.expect()

    def quit(self):
        reply = self.cmd("QUIT")
        self.close()
        return reply


def stuff(message):
    """Dot-stuffing per RFC 5321 4.5.2; a last line without CRLF gets one, which is what SMTP can carry."""
    if message and not message.endswith(b"\r\n"):
        message += b"\r\n"
    if message.startswith(b"."):
        message = b"." + message
    return message.replace(b"\r\n.", b"\r\n..")
