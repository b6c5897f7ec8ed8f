"""OpenDKIM's library by ctypes: its signer, and its verdict on a message when keys are given to it. No daemon, no DNS.

    library = opendkim.Library()          # OSError where it is not installed
    signed = library.sign(message, "sel", "example.net", pem, ("relaxed", "simple"))
    library.verify(signed, lambda: "v=DKIM1; k=rsa; p=...")     # True: a signature passes
"""
import ctypes
import re

CANON = {"simple": 0, "relaxed": 1}
RSA_SHA256, OK, CONTINUE = 1, 0, 0
LOOKUP = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_char), ctypes.c_size_t)
POINTERS = ("dkim_init", "dkim_sign", "dkim_verify")


class Failure(Exception):
    pass


class Library:
    def __init__(self):
        self.lib = ctypes.CDLL("libopendkim.so.11")
        for name in POINTERS:
            getattr(self.lib, name).restype = ctypes.c_void_p
        self.handle = ctypes.c_void_p(self.lib.dkim_init(None, None))
        self.record = None
        self.callback = LOOKUP(self._lookup)  # kept: C code calls it
        self.lib.dkim_set_key_lookup(self.handle, self.callback)

    def _lookup(self, _dkim, _signature, room, size):
        octets = self.record().encode() + b"\0"
        if len(octets) > size:
            return 4
        ctypes.memmove(room, octets, len(octets))
        return CONTINUE

    def _header(self, job, message):
        """The status at the end of the header. A signature that is not valid is no reason to stop."""
        for field in re.split(rb"\r\n(?![ \t])", message.partition(b"\r\n\r\n")[0]):
            if field:  # it asserts that
                self.lib.dkim_header(job, field, ctypes.c_size_t(len(field)))
        return self.lib.dkim_eoh(job)

    def _body(self, job, message):
        body = message.partition(b"\r\n\r\n")[2]
        status = self.lib.dkim_body(job, body, ctypes.c_size_t(len(body))) if body else OK
        return status if status != OK else self.lib.dkim_eom(job, None)

    def sign(self, message, selector, domain, pem, canons):
        status = ctypes.c_int(0)
        job = ctypes.c_void_p(self.lib.dkim_sign(self.handle, b"test", None, pem, selector.encode(), domain.encode(), CANON[canons[0]], CANON[canons[1]],
                                                 RSA_SHA256, ctypes.c_ssize_t(-1), ctypes.byref(status)))
        if not job:
            raise Failure("dkim_sign: %d" % status.value)
        try:
            room = ctypes.create_string_buffer(8192)
            if self._header(job, message) != OK or self._body(job, message) != OK:
                raise Failure("no signature")
            if self.lib.dkim_getsighdr(job, room, ctypes.c_size_t(len(room)), ctypes.c_size_t(16)) != OK:
                raise Failure("no field")
        finally:
            self.lib.dkim_free(job)
        return b"DKIM-Signature: " + room.value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n" + message

    def verify(self, message, record):
        """None: it does not want to look at such a message (no address in From, for example)."""
        status = ctypes.c_int(0)
        self.record = record
        job = ctypes.c_void_p(self.lib.dkim_verify(self.handle, b"test", None, ctypes.byref(status)))
        if not job:
            raise Failure("dkim_verify: %d" % status.value)
        try:
            return self._body(job, message) == OK if self._header(job, message) == OK else None
        finally:
            self.lib.dkim_free(job)
