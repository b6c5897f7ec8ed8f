"""Authentication-Results as RFC 8601 2.2 has it, read strictly: the tests' own reader, written without a look at the proxy's.

    fields, body = authres.split(message)          octets of each field, its folded lines and line ends included
    authres.claimed_id(field)                      whose results a field says it holds; None: it is not that field, or unreadable
    authres.read(field)                            Results(id, version, [Result ...]); ValueError where the grammar is left
    authres.values(message, "mx.test", "spf")      that method's results in mx.test's one field, which stands at the top
"""
import collections
import re

Results = collections.namedtuple("Results", "id version results")
Result = collections.namedtuple("Result", "method value reason properties comments")

NAME = re.compile(rb"authentication-results[ \t]*:", re.I)
TOKEN = re.compile(r"[^\x00-\x20\x7f()<>@,;:\\\"/\[\]?=]+")
KEYWORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
ADDRESS = re.compile(r"(?:%s(?:\.%s)*)?@[A-Za-z0-9_.\x80-\U0010ffff\[\]:-]+" % (ATOM, ATOM))
DOMAIN = re.compile(r"@[A-Za-z0-9_.\x80-\U0010ffff\[\]:-]+")


def split(message):
    """(fields, body): the header's fields as they stand; the body behind the empty line."""
    if message.startswith(b"\r\n"):
        return [], message[2:]
    header, _, body = message.partition(b"\r\n\r\n")
    fields = re.findall(rb"[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", header + b"\r\n")
    return fields, body


def is_results(field):
    return bool(NAME.match(field))


class Cursor:
    """The text of a field, unfolded, and how far it was read."""

    def __init__(self, field):
        value = field[NAME.match(field).end():]
        self.text = re.sub(r"\r\n(?=[ \t])", "", value.decode("utf-8")).removesuffix("\r\n")
        self.at = 0
        self.comments = []

    def fail(self, wanted):
        raise ValueError("%s expected at %d of %r" % (wanted, self.at, self.text))

    def peek(self):
        return self.text[self.at:self.at + 1]

    def skip(self):
        """CFWS; true: there was some. RFC 5322 3.2.2."""
        begun = self.at
        while True:
            while self.peek() in (" ", "\t"):
                self.at += 1
            if self.peek() != "(":
                return self.at > begun
            self._comment()

    def _comment(self):
        begun, depth = self.at, 0
        while True:
            char = self.peek()
            if not char:
                self.fail("the comment's end")
            depth += (char == "(") - (char == ")")
            self.at += 2 if char == "\\" else 1
            if depth == 0:
                self.comments.append(self.text[begun + 1:self.at - 1])
                return

    def take(self, pattern, wanted):
        match = pattern.match(self.text, self.at)
        if not match:
            self.fail(wanted)
        self.at = match.end()
        return match.group(0)

    def sign(self, char):
        if self.peek() != char:
            self.fail(repr(char))
        self.at += 1

    def quoted(self):
        self.sign('"')
        octets = []
        while self.peek() != '"':
            if self.peek() == "\\":
                self.at += 1
            if not self.peek():
                self.fail("the quoted string's end")
            octets.append(self.peek())
            self.at += 1
        self.at += 1
        return "".join(octets)

    def value(self):
        """RFC 2045 5.1: a token or a quoted string."""
        return self.quoted() if self.peek() == '"' else self.take(TOKEN, "a value")

    def property_value(self):
        """pvalue: a value, or [[local-part] "@"] domain-name."""
        if self.peek() == '"':
            local = self.quoted()
            return local + self.take(DOMAIN, "a domain") if self.peek() == "@" else local
        match = ADDRESS.match(self.text, self.at)
        return self.take(ADDRESS, "an address") if match else self.take(TOKEN, "a value")


def claimed_id(field):
    """The authserv-id, folded to lower case; also of a field that is wrong behind it, as a hurried reader takes it."""
    if not is_results(field):
        return None
    try:
        cursor = Cursor(field)
        cursor.skip()
        return cursor.value().lower()
    except ValueError:
        return None


def values(message, server, method):
    """[] if there is no such field; AssertionError if there are more, or it is not the first."""
    ours = [claimed_id(field) == server for field in split(message)[0]]
    if True not in ours:
        return []
    if ours.index(True) != 0 or ours.count(True) != 1:
        raise AssertionError("Authentication-Results of %s: fields %s" % (server, [i for i, own in enumerate(ours) if own]))
    return [result.value for result in read(split(message)[0][0]).results if result.method == method]


def read(field):
    cursor = Cursor(field)
    cursor.skip()
    server, version, results = cursor.value(), None, []
    if cursor.skip() and cursor.peek().isdigit():
        version = int(cursor.take(re.compile("[0-9]+"), "a version"))
        cursor.skip()
    cursor.sign(";")
    cursor.skip()
    if re.fullmatch(r"none", cursor.text[cursor.at:].strip(), re.I):
        return Results(server, version, [])
    while True:
        result = _result(cursor)
        results.append(result)
        if not cursor.peek():
            return Results(server, version, results)
        cursor.sign(";")


def _result(cursor):
    cursor.comments = []
    cursor.skip()
    method = _keyword_equals(cursor, "a method")
    value = cursor.take(KEYWORD, "a result")
    reason, properties = None, []
    while cursor.skip() and cursor.peek() not in (";", ""):
        name = cursor.take(KEYWORD, "a property type")
        cursor.skip()
        if name == "reason" and reason is None and not properties and cursor.peek() == "=":
            cursor.at += 1
            cursor.skip()
            reason = cursor.value()
            continue
        cursor.sign(".")
        cursor.skip()
        name += "." + _keyword_equals(cursor, "a property")
        properties.append((name, cursor.property_value()))
    if cursor.peek() not in (";", ""):
        cursor.fail("the result's end")
    return Result(method, value, reason, properties, tuple(cursor.comments))


def _keyword_equals(cursor, wanted):
    word = cursor.take(KEYWORD, wanted)
    cursor.skip()
    if cursor.peek() == "/":
        cursor.at += 1
        cursor.skip()
        cursor.take(re.compile("[0-9]+"), "a version")
        cursor.skip()
    cursor.sign("=")
    cursor.skip()
    return word
