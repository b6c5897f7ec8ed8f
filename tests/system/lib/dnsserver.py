"""A scripted name server on loopback (UDP and TCP, one free port) for what a real one will not do; wire format by dnspython.

    server = dnsserver.DnsServer({
        "example.com": {"MX": [(10, "mail.example.com")], "TXT": ["v=spf1 mx -all", ["two ", "strings"], b"\\x00\\xff"]},
        "mail.example.com": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]},
        "*.wild.example.com": {"A": ["192.0.2.2"]},
        "bad.example.com": "servfail",                   # a behaviour, see below
        ".slow.example.com": ("slow", 0.5),              # everything below it: the plain answer, half a second late
    })
    ... server.address ("127.0.0.1", port), server.endpoint "127.0.0.1:port" ...
    server.asked[("example.com", "TXT")]                 # how often (a Counter); server.questions: in all, questions_tcp
    server.stop()

`zones` is {name: what}, where `what` is {TYPE: [value of a record, ...]} or a behaviour; or, in the form of the RFC 7208 test
suite, the `zonedata` of a scenario: {name: [{TYPE: value of a record} | "TIMEOUT", ...]}. There, as its authors run it
(testspf.py of pyspf): SPF entries are served as TXT too unless the name has TXT entries ("NONE" is one, and no record);
"TIMEOUT" silences the types that have no records in front of it; names that are not there but begin with "error." are silent.

Names are case-insensitive text ("." separates labels, no escapes) or a tuple of labels (octets: any, "." and NUL as well).
TXT values: text (UTF-8) or octets, cut into strings of 255; or a list of them: each one string (or more, if above 255), an
empty list: no string at all. A value `RAW(octets)` is the data as it goes out, of any type. All that nobody named is NXDOMAIN
(an empty name that has something below it: NOERROR). CNAMEs are followed as far as the zones go.

Behaviours, by a name or by ".suffix" (the longest wins; "." is everything):
    "mute", "servfail", "refused", "formerr", "nxdomain"
    "no-nxdomain"       the plain answer, but a name that is not there is there and has no such record (RFC 9824)
    "lame"              NOERROR without data, without AA and without SOA: no idea
    "no-edns"           FORMERR to a question with EDNS, the plain answer to one without
    "truncated"         UDP: TC and nothing else; the plain answer by TCP
    "truncated-mute"    ... and by TCP nothing: the connection stays open
    "truncated-shut"    ... and by TCP the connection is closed at once
    "truncated-short"   ... and by TCP half of the answer, behind a length that promises 64 KB
    "truncated-always"  TC by TCP too
    "wrong-question"    the answer to another question
    "wrong-id"          the plain answer with another id
    "garbage"           the id, then random octets
    "cut"               the last octet is missing, and the OPT record behind it
    "loop"              a CNAME to itself
    ("slow", seconds)   the plain answer, late
    ("chain", n)        n CNAMEs to names below it (1.name, 2.name, ...), the last of which has the name's own records
    ("octets", octets)  the id, then these octets (from the flags on)
"""
import collections
import os
import socket
import struct
import sys
import threading

import harness

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's modules, also for a Python that is not Debian's; the last place
import dns.exception  # noqa: E402
import dns.flags  # noqa: E402
import dns.message  # noqa: E402
import dns.name  # noqa: E402
import dns.rcode  # noqa: E402
import dns.rdata  # noqa: E402
import dns.rdataclass  # noqa: E402
import dns.rdatatype  # noqa: E402
import dns.rrset  # noqa: E402

TTL, NEGATIVE_TTL = 300, 60
SO_RCVBUFFORCE = 33
MUTE, TCP_IDLE, MEMO_MAX = "mute", 30, 20000
TYPES = {1: "A", 5: "CNAME", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA"}


class RAW(bytes):
    """A record's data as octets."""


# ---------------------------------------------------------------------------------------------- names and values

def labels_of(name):
    """The labels of a name, in lower case."""
    if isinstance(name, tuple):
        return tuple(label.lower() for label in name)
    octets = name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
    return tuple(label for label in octets.lower().split(b".") if label)


def text_of(labels):
    return b".".join(labels).decode("utf-8", "surrogateescape")


def name_of(labels):
    return dns.name.Name(tuple(labels) + (b"",))


def octets_of(value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")


def strings_of(value):
    """The character-strings of a TXT record, each with its length."""
    out = b""
    for part in value if isinstance(value, (list, tuple)) else [value]:
        part = octets_of(part)
        for at in range(0, max(len(part), 1), 255):
            piece = part[at:at + 255]
            out += bytes([len(piece)]) + piece
    return out


def data_of(kind, value):
    """The octets of a record's data (names in it are not compressed)."""
    if isinstance(value, RAW):
        return bytes(value)
    if kind == "A":
        return socket.inet_aton(value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind in ("TXT", "SPF"):
        return strings_of(value)
    if kind == "MX":
        return struct.pack(">H", int(value[0])) + name_of(labels_of(value[1])).to_wire()
    if kind in ("PTR", "CNAME", "NS"):
        return name_of(labels_of(value)).to_wire()
    raise ValueError("a record of type %s: give its data as RAW(octets)" % kind)


def parse_question(octets):
    """(labels, type as text). By hand: a test may send ten thousand that are only counted."""
    labels, at = [], 12
    while octets[at] > 0:
        labels.append(octets[at + 1:at + 1 + octets[at]].lower())
        at += 1 + octets[at]
    (kind,) = struct.unpack_from(">H", octets, at + 1)
    return tuple(labels), TYPES.get(kind) or dns.rdatatype.to_text(kind)


# ---------------------------------------------------------------------------------------------- zones

class Zones:
    """What there is: records by labels and type, silent types, behaviours."""

    def __init__(self, zones):
        self.records, self.silent, self.behaviours, self.suffixes = {}, {}, {}, {}
        self.memo = {}  # questions taken apart, and plain answers
        self.is_suite = False
        for name, what in zones.items():
            if isinstance(what, (str, tuple)):
                self.behave(name, what)
            elif isinstance(what, dict):
                self._add(labels_of(name), what)
            else:
                self.is_suite = True
                self._add_suite(labels_of(name), what)
        self.parents = {labels[at:] for labels in self.records for at in range(1, len(labels))}

    def behave(self, name, behaviour):
        is_suffix = isinstance(name, str) and name.startswith(".")
        table = self.suffixes if is_suffix else self.behaviours
        if behaviour is None:
            table.pop(labels_of(name), None)
        else:
            table[labels_of(name)] = behaviour if isinstance(behaviour, tuple) else (behaviour,)

    def _add(self, labels, kinds):
        name_of(labels)  # names that cannot be are refused here
        self.records[labels] = {kind: [data_of(kind, value) for value in values] for kind, values in kinds.items()}

    def _add_suite(self, labels, entries):
        kinds, generated, seen = {}, [], set()
        silent = set()  # types; None: all that have no records in front of it
        for entry in entries:
            if entry == "TIMEOUT":
                silent.add(None)
                continue
            for kind, value in entry.items():
                seen.add(kind)
                if value == "TIMEOUT":
                    silent.add(kind)
                elif kind == "SPF":
                    generated.append(data_of(kind, value))
                elif value != "NONE" and not (None in silent and kind not in kinds):
                    kinds.setdefault(kind, []).append(data_of(kind, value))
        if generated:
            kinds["SPF"] = generated
            if "TXT" not in seen:
                kinds["TXT"] = generated
        self.records[labels], self.silent[labels] = kinds, silent

    def behaviour(self, labels):
        if labels in self.behaviours:
            return self.behaviours[labels]
        for at in range(len(labels) + 1):
            if labels[at:] in self.suffixes:
                return self.suffixes[labels[at:]]
        return None

    def find(self, labels):
        """{type: [data]}; None: there is no such name."""
        if labels in self.records:
            return self.records[labels]
        if labels in self.parents:
            return {}
        for at in range(1, len(labels)):
            if (b"*",) + labels[at:] in self.records:
                return self.records[(b"*",) + labels[at:]]
            if labels[at:] in self.records or labels[at:] in self.parents:
                return None  # the closest encloser has no wildcard (RFC 4592 3.3.1)
        return None

    def is_silent(self, labels, kind):
        silent = self.silent.get(labels, ())
        if kind in silent:
            return True
        if None in silent:
            return kind not in self.records[labels] and "CNAME" not in self.records[labels]
        return self.is_suite and labels[:1] == (b"error",) and self.find(labels) is None


# ---------------------------------------------------------------------------------------------- the server

class DnsServer:
    """Serves from its own threads at once. What was asked can be read at any time; `set_zones` and `behave` work while it
    serves. `ttl` and `negative_ttl` (None: no SOA) are seconds of all answers; `ttls` {name: seconds} has exceptions."""

    def __init__(self, zones, ttl=TTL, negative_ttl=NEGATIVE_TTL, ttls=None):
        self.ttl, self.negative_ttl = ttl, negative_ttl
        self.ttls = {labels_of(name): seconds for name, seconds in (ttls or {}).items()}
        self.port = harness.free_port()
        self.address, self.endpoint = ("127.0.0.1", self.port), "127.0.0.1:%d" % self.port
        self.asked, self.questions, self.questions_tcp, self.ignored = collections.Counter(), 0, 0, 0
        self.connections = 0  # by TCP, ever
        self._lock, self._is_paused, self._is_up, self._open = threading.Lock(), False, False, set()
        self._may_read = threading.Event()
        self._may_read.set()
        self.set_zones(zones)
        self.start()

    # ---- what the test does

    def set_zones(self, zones):
        self._zones = Zones(zones)

    def behave(self, name, behaviour):
        """From now on; None: as the zones say."""
        self._zones.behave(name, behaviour)

    def pause(self):
        """Questions are dropped (and counted in `ignored`); TCP connections are taken and stay silent."""
        self._is_paused = True

    def resume(self):
        self._is_paused = False

    def hold(self):
        """As if stopped by a signal: questions by UDP wait in the socket until release()."""
        self._may_read.clear()

    def release(self):
        self._may_read.set()

    def forget(self):
        """Count from zero."""
        with self._lock:
            self.asked.clear()
            self.questions = self.questions_tcp = self.ignored = self.connections = 0

    def start(self):
        """Again after stop(), on the same port."""
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._udp.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8388608)
        except OSError:  # not root: as much as the system grants
            self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4194304)
        self._udp.bind(self.address)
        self._tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._tcp.bind(self.address)
        self._tcp.listen(128)
        self._is_up = True
        self._threads = [threading.Thread(target=serve, args=(listener,), daemon=True)
                         for serve, listener in ((self._serve_udp, self._udp), (self._serve_tcp, self._tcp))]
        for thread in self._threads:
            thread.start()

    def stop(self):
        """The port refuses questions."""
        self._is_up = False
        self._may_read.set()
        for listener in (self._udp, self._tcp):
            with _quiet():
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits
        for thread in self._threads:  # the port is taken until they have left the sockets
            thread.join(10)
        self._udp.close()
        self._tcp.close()
        with self._lock:
            peers, self._open = self._open, set()
        for peer in peers:
            _shut(peer)

    # ---- sockets

    def _serve_udp(self, listener):
        while self._is_up:
            try:
                self._may_read.wait()
                octets, peer = listener.recvfrom(4096)
            except OSError:
                continue  # ICMP of a client that is gone; or stop()
            for delay, answer in self._answers(octets, False):
                self._send_later(delay, lambda answer=answer, peer=peer: listener.sendto(answer, peer))

    def _serve_tcp(self, listener):
        while self._is_up:
            try:
                peer, _ = listener.accept()
            except OSError:
                continue
            with self._lock:
                self.connections += 1
                self._open.add(peer)
            threading.Thread(target=self._serve_peer, args=(peer,), daemon=True).start()

    def _serve_peer(self, peer):
        peer.settimeout(TCP_IDLE)
        try:
            while True:
                octets = _read(peer, struct.unpack(">H", _read(peer, 2))[0])
                for delay, answer in self._answers(octets, True):
                    if answer is None:
                        return
                    self._send_later(delay, lambda answer=answer: peer.sendall(answer))
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(peer)
            peer.close()

    def _send_later(self, delay, send):
        if delay > 0:
            timer = threading.Timer(delay, _try, (send,))
            timer.daemon = True
            timer.start()
        else:
            _try(send)

    # ---- answers

    def _answers(self, octets, is_tcp):
        """[(seconds to wait, octets to send | None: close)], with the length in front for TCP."""
        try:
            labels, kind = parse_question(octets)
        except (IndexError, struct.error):
            return []  # no question: silence
        with self._lock:
            self.asked[(text_of(labels), kind)] += 1
            self.questions += 1
            self.questions_tcp += is_tcp
            self.ignored += self._is_paused
        if self._is_paused or self._zones.is_silent(labels, kind):
            return []
        behaviour = self._zones.behaviour(labels)
        if behaviour is None:
            return [(0, self._frame(self._plain(octets, labels, kind, is_tcp), is_tcp))]
        return self._behave(behaviour, octets, labels, kind, is_tcp)

    @staticmethod
    def _frame(octets, is_tcp):
        return struct.pack(">H", len(octets)) + octets if is_tcp else octets

    def _plain(self, octets, labels, kind, is_tcp):
        zones, key = self._zones, (octets[2:], is_tcp)
        tail = zones.memo.get(key)
        if tail is None:
            question = dns.message.from_wire(octets)
            tail = self._wire(question, self._respond(zones, question, labels, kind), is_tcp)[2:]
            if len(zones.memo) < MEMO_MAX:
                zones.memo[key] = tail
        return octets[:2] + tail

    @staticmethod
    def _wire(question, response, is_tcp):
        most = 65535 if is_tcp else max(512, question.payload) if question.edns >= 0 else 512
        try:
            return response.to_wire(max_size=most)
        except dns.exception.TooBig:
            cut = dns.message.make_response(question)
            cut.flags |= dns.flags.AA | dns.flags.TC
            return cut.to_wire()

    def _respond(self, zones, question, labels, kind):
        """The plain answer."""
        response = dns.message.make_response(question)
        response.flags |= dns.flags.AA
        for _ in range(100):  # a loop of aliases ends as it does with a real server: somewhere
            found = zones.find(labels)
            if found is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
                break
            if kind in found or "CNAME" not in found:
                self._put(response, labels, kind, found.get(kind, ()))
                break
            self._put(response, labels, "CNAME", found["CNAME"])
            labels = labels_of(dns.name.from_wire(found["CNAME"][0], 0)[0].labels[:-1])
        if not any(rrset.rdtype == dns.rdatatype.from_text(kind) for rrset in response.answer):
            self._put_soa(response, labels)
        return response

    def _put(self, response, labels, kind, values):
        for octets in values:
            kind_number = dns.rdatatype.from_text(kind)
            data = dns.rdata.GenericRdata(dns.rdataclass.IN, kind_number, octets)
            rrset = dns.rrset.RRset(name_of(labels), dns.rdataclass.IN, kind_number)
            rrset.update_ttl(self.ttls.get(labels, self.ttl))
            rrset.items[data] = None  # as it is: add() would parse it and leave out what is there twice
            response.answer.append(rrset)

    def _put_soa(self, response, labels):
        if self.negative_ttl is None:
            return
        zone = name_of(labels[-1:])
        soa = dns.rrset.from_text(zone, self.ttl, "IN", "SOA", "ns. hostmaster. 1 3600 600 86400 %d" % self.negative_ttl)
        response.authority.append(soa)

    # ---- behaviours

    def _behave(self, behaviour, octets, labels, kind, is_tcp):
        word, argument = behaviour[0], behaviour[1] if len(behaviour) > 1 else None
        late = argument if word == "slow" else 0
        if word == MUTE or (word == "truncated-mute" and is_tcp):
            return []
        if word == "truncated-shut" and is_tcp:
            return [(0, None)]
        if word == "garbage":
            answer = octets[:2] + os.urandom(64)
        elif word == "octets":
            answer = octets[:2] + argument
        else:
            answer = self._faulty(word, argument, labels, kind, dns.message.from_wire(octets), is_tcp)
        if answer is None:
            answer = self._plain(octets, labels, kind, is_tcp)
        answer = octets[:2] + answer[2:]
        if word == "wrong-id":
            answer = struct.pack(">H", struct.unpack(">H", octets[:2])[0] ^ 0x5555) + answer[2:]
        elif word == "cut":
            answer = answer[:-12 if answer[11] > 0 else -1]
        answer = self._frame(answer, is_tcp)
        if word == "truncated-short" and is_tcp:
            answer = b"\xff\xff" + answer[2:len(answer) // 2]
        return [(late, answer)]

    def _faulty(self, word, argument, labels, kind, question, is_tcp):
        """The octets of an answer that is not the plain one; None: the plain one."""
        response = dns.message.make_response(question)
        codes = {"servfail": dns.rcode.SERVFAIL, "refused": dns.rcode.REFUSED, "formerr": dns.rcode.FORMERR,
                 "nxdomain": dns.rcode.NXDOMAIN}
        if word in codes:
            response.set_rcode(codes[word])
            if word == "nxdomain":
                self._put_soa(response, labels)
        elif word == "no-nxdomain":
            response = self._respond(self._zones, question, labels, kind)
            response.set_rcode(dns.rcode.NOERROR)
        elif word == "no-edns" and question.edns >= 0:
            response.use_edns(-1)
            response.set_rcode(dns.rcode.FORMERR)
        elif word.startswith("truncated") and (not is_tcp or word == "truncated-always"):
            response.flags |= dns.flags.TC
        elif word == "wrong-question":
            other = dns.message.make_query(name_of((b"other",) + labels[1:]), kind)
            response = self._respond(self._zones, other, labels, kind)
        elif word == "loop":
            self._put(response, labels, "CNAME", [name_of(labels).to_wire()])
        elif word == "chain":
            self._put_chain(response, labels, kind, argument)
        elif word != "lame":
            if word not in ("slow", "wrong-id", "cut", "no-edns") and not word.startswith("truncated"):
                raise ValueError("no behaviour '%s'" % word)
            return None
        return self._wire(question, response, is_tcp)

    def _put_chain(self, response, labels, kind, aliases):
        owner = labels
        for step in range(1, aliases + 1):
            target = (b"%d" % step,) + labels
            self._put(response, owner, "CNAME", [name_of(target).to_wire()])
            owner = target
        self._put(response, owner, kind, (self._zones.find(labels) or {}).get(kind, ()))


# ---------------------------------------------------------------------------------------------- small things

class _quiet:
    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        return isinstance(error, OSError)


def _try(send):
    with _quiet():
        send()


def _shut(peer):
    with _quiet():
        peer.shutdown(socket.SHUT_RDWR)


def _read(peer, count):
    out = b""
    while len(out) < count:
        piece = peer.recv(count - len(out))
        if not piece:
            raise OSError("closed")
        out += piece
    return out
