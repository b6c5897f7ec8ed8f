"""The side of Dovecot's authentication protocol (version 1) that Postfix speaks to: smtpd_sasl_type = dovecot with
smtpd_sasl_path = inet:127.0.0.1:PORT. So AUTH can be tested without a further package. Mechanisms PLAIN (RFC 4616) and LOGIN."""
import base64
import socket
import threading

import harness


class DovecotAuth:
    """A server in a thread; `users` maps names to passwords."""

    def __init__(self, users):
        self.users = users
        self.port = harness.free_port()
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=100)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        number = 0
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            number += 1
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection, number):
        pending = {}  # request -> what LOGIN knows so far: mechanism, user
        with connection, connection.makefile("rwb", buffering=0) as stream:
            try:
                stream.write(b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t1\nCUID\t%d\n"
                             b"COOKIE\t00\nDONE\n" % number)
                for line in stream:
                    answer = self._answer(line.rstrip(b"\n").split(b"\t"), pending)
                    if answer:
                        stream.write(answer + b"\n")
            except OSError:
                pass  # Postfix has gone: smtpd ends when it is idle

    def _answer(self, words, pending):
        if words[0] == b"AUTH":
            pending[words[1]] = [words[2].upper(), None]
            response = next((w[5:] for w in words[3:] if w.startswith(b"resp=")), None)
        elif words[0] == b"CONT" and words[1] in pending:
            response = words[2] if len(words) > 2 else b""
        else:
            return None
        try:
            return self._step(words[1], pending, None if response is None else base64.b64decode(response, validate=True))
        except ValueError:
            return self._over(words[1], pending, False)

    def _step(self, request, pending, response):
        mechanism, user = pending[request]
        if mechanism == b"PLAIN":
            if response is None:
                return b"CONT\t%s\t" % request
            parts = response.split(b"\0")
            return self._over(request, pending, len(parts) == 3 and self._is_right(parts[1], parts[2]), parts[-2:-1])
        if response is None:
            return b"CONT\t%s\t%s" % (request, base64.b64encode(b"Username:"))
        if user is None:
            pending[request][1] = response
            return b"CONT\t%s\t%s" % (request, base64.b64encode(b"Password:"))
        return self._over(request, pending, self._is_right(user, response), [user])

    def _is_right(self, user, password):
        return user in self.users and self.users[user] == password

    @staticmethod
    def _over(request, pending, is_good, user=()):
        del pending[request]
        return (b"OK\t%s\tuser=%s" % (request, user[0])) if is_good else b"FAIL\t%s" % request
