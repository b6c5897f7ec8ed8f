"""The other end of spfask: a zone that answers it, in the form that the suite of RFC 7208 uses, and one check over it."""
import ipaddress
import subprocess

KINDS = {1: "A", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA"}
RESULTS = ("none", "neutral", "pass", "fail", "softfail", "temperror", "permerror")


class Failure(Exception):
    """The zone's server does not answer."""


def octets(value):
    """Text of YAML as octets of a TXT record: what is above ASCII stands for one octet each where it can."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, list):
        return b"".join(octets(part) for part in value)
    return str(value).encode("utf-8")


def is_record(entry):
    return list(entry)[0] in ("SPF", "TXT")


class Zone:
    """{name: [{kind: value} or "TIMEOUT", ...]}. SPF entries are TXT where a name has no TXT of its own."""

    def __init__(self, data):
        self.names = {}
        for name, entries in data.items():
            self.names[str(name).rstrip(".").lower()] = list(map(self.entry, self.with_txt(entries)))

    @staticmethod
    def with_txt(entries):
        has_txt = any(isinstance(entry, dict) and "TXT" in entry for entry in entries)
        for entry in entries:
            if isinstance(entry, dict) and "SPF" in entry:
                if not has_txt:
                    yield {"TXT": entry["SPF"]}
            elif not (isinstance(entry, dict) and entry.get("TXT") == "NONE"):
                yield entry

    @staticmethod
    def entry(entry):
        return ("TIMEOUT", None) if isinstance(entry, str) else list(entry.items())[0]

    def values(self, name, kind, hops=0):
        """In the order in which they stand, but MX by preference. Entries before a TIMEOUT are still served."""
        found, name = [], name.rstrip(".").lower()
        for key, value in self.names.get(name, ()):
            if key == kind:
                found.append(value)
            elif key == "CNAME" and hops < 8:
                return self.values(value, kind, hops + 1)
            elif key == "TIMEOUT" and not found:
                raise Failure(name)
        if kind == "MX":
            found = [host for _, host in sorted(map(tuple, found), key=lambda mx: int(mx[0]))]
        return found


def encode(kind, value):
    if kind in ("A", "AAAA"):
        return mapped(value)
    return octets(value) if kind == "TXT" else octets(value).rstrip(b".").lower()


def mapped(address):
    address = ipaddress.ip_address(address)
    return address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed


def hexed(value):
    return value.hex() or "-"


class Verdict:
    def __init__(self, words):
        self.result = words[0]
        self.domain, self.mechanism, self.record_domain, self.explanation, self.problem = (
            "" if word == "-" else bytes.fromhex(word).decode("ascii") for word in words[1:6])
        self.questions, self.terms, self.voids = map(int, words[6:9])

    def __str__(self):
        return "%s by %s at %s (%s) explanation %r, %d questions, %d terms, %d voids" % (
            self.result, self.mechanism, self.record_domain, self.problem, self.explanation, self.questions,
            self.terms, self.voids)


class Asker:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.asked = []

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(timeout=30)

    def say(self, *words):
        self.process.stdin.write((" ".join(words) + "\n").encode("ascii"))

    def local(self, domain, record):
        self.say("local", hexed(octets(domain)), hexed(octets(record)))

    def answers(self, zone, needs):
        for index, (kind, name) in enumerate(needs):
            self.asked.append((kind, name))
            try:
                found = [hexed(encode(kind, value)) for value in zone.values(name, kind)]
            except Failure:
                self.say("answer", str(index), "failure")
            else:
                self.say("answer", str(index), "found" if found else "nothing", *found)

    def check(self, zone, address, sender, helo, receiver="receiver.example.test", seconds=1234567890):
        self.asked = []
        self.say("check", hexed(mapped(address)), hexed(octets(sender)), hexed(octets(helo)), hexed(octets(receiver)),
                 str(seconds))
        needs = []
        while True:
            self.process.stdin.flush()
            line = self.process.stdout.readline().decode("ascii").split()
            if not line:
                raise RuntimeError("spfask has ended, status %s" % self.process.wait(timeout=10))
            if line[0] == "verdict":
                return Verdict(line[1:])
            if line[0] == "need":
                name = b"" if line[2] == "-" else bytes.fromhex(line[2])
                needs.append((KINDS[int(line[1])], name.decode("utf-8", "surrogateescape")))
            else:
                self.answers(zone, needs)
                self.say("run")
                needs = []
