"""Rules and messages for tests/bench/rule-engine: made up, always the same ones, in the shares that mail has.

Patterns are those of rules_index.c, spread over fields: `literal` ones need a literal; of the `mixed` ones 1 of 37 does not
(about 3 %, as of SpamAssassin's), and 1 of 71 is of the kind (?=.*a)(?=.*b), which may take long.
"""
import base64
import os
import random
import shutil

VOCABULARY = """the and your for this that with free offer money click here online please account email message business order
price million dollars credit report list address name company program people remove send receive internet service number call
today save viagra casino lottery winner urgent bank transfer password verify invoice payment bitcoin wallet cheap watches
pharmacy""".split()
SYLLABLES = "ba cro den fi gul hak jo ket lim mur nev pol qui rax sol tyn".split()
OTHERS = "an be ci dor el fa ger hin ist ka lo mep nu os pri ret su tal ul ver wen ze".split()  # no rule speaks of these
WITHOUT_LITERAL, TWO_AHEAD, TWO_TESTS = 37, 71, 10
# of twenty rules
FIELDS = ["body.text"] * 11 + ["subject"] * 3 + ['header("From")', 'header("Received")'] + ["url"] * 3 + ["attachment.name"]


class Words:
    def __init__(self, seed, syllables=SYLLABLES, share=4):
        self.random, self.syllables, self.share = random.Random(seed), syllables, share

    def below(self, count):
        return self.random.randrange(count)

    def word(self):
        """One in four is one that mails have."""
        return self.random.choice(VOCABULARY) if self.below(4) == 0 else self.invented()

    def invented(self):
        return "".join(self.random.choice(self.syllables) for _ in range(3))


# ---- rules ----

def literal_pattern(words):
    a, b, c, d = (words.word() for _ in range(4))
    return [r"\b%s %s\b" % (a, b), r"%s[\s_-]{1,3}%s" % (a, b), r"(?:%s|%s|%s) .{0,20}\b%s" % (a, b, c, d),
            r"https?:\/\/[^\/\s]{1,60}%s\.(?:com|net|ru)\/" % a, r"^%s: .*%s" % (a, b), r"\b%s[i1!]?%s" % (a, b),
            r"%s\s+%s\s+%s" % (a, b, c), r"\$\d{1,3}(?:,\d{3})* (?:%s|%s)" % (a, b)][words.below(8)]


def pattern_without_literal(words):
    n, m = 3 + words.below(40), words.below(26)
    letter = "abcdefghijklmnopqrstuvwxyz"[m]
    return [r"\b[A-Z]{%d,60}\b" % n, r"\b\d{%d}-\d{%d}\b" % (n, 1 + m % 5), r"[^\x00-\x7f]{%d}" % n,
            r"\b(?:[a-z]\s){%d,60}[%s-z]" % (n, letter), r"[!?]{%d}|[%s$]{%d}" % (n, letter, n), r"^[^a-z]{%d,}$" % n,
            r"%s\d[%s-z]\d{%d}" % (letter, letter, n % 4 + 1)][words.below(7)]


def name_pattern(words):
    return r"%s.{0,10}%s\.(?:exe|scr|zip|pdf)$" % (words.word(), words.word())


def one_test(words, field, number, is_mixed):
    if is_mixed and number % WITHOUT_LITERAL == WITHOUT_LITERAL - 1:
        pattern = pattern_without_literal(words)
    elif is_mixed and number % TWO_AHEAD == TWO_AHEAD - 1:
        pattern = "(?=.*%s)(?=.*%s)" % (words.word(), words.word())
    elif field == "attachment.name":
        pattern = name_pattern(words)
    else:
        pattern = literal_pattern(words)
    return "%s =~ /%s/%s" % (field, pattern, "im" if number % 3 else "m")


def rules(count, is_mixed=False):
    """Text of `count` rules that score, and one that reads the score, without which they would not run."""
    words = Words(20261122)
    lines = []
    for number in range(count):
        condition = one_test(words, FIELDS[words.below(len(FIELDS))], number, is_mixed)
        if number % TWO_TESTS == TWO_TESTS - 1:
            condition += " and " + one_test(words, "body.text", 0, False)
        lines.append("r%05d: score 0.001 when %s" % (number, condition))
    lines.append('refuse: reject 550 5.7.1 "no" when score >= 10000')
    return "\n".join(lines) + "\n"


# what every view of these messages needs, and no pattern
BASE = """attached: score 0.001 when attachment.name == "none.such"
linked: score 0.001 when url == "http://none.such/"
titled: score 0.001 when subject == "none such" or header("From") == "none" or header("Received") == "none"
worded: score 0.001 when body.text == "none such"
refuse: reject 550 5.7.1 "no" when score >= 10000
"""


# ---- messages ----

HEADER = """Received: from client%(n)d.example.net (client%(n)d.example.net [192.0.2.%(n)d])
\tby submit.example.net (Postfix) with ESMTPS id 4XyZ1a2b%(n)d
\tfor <recipient@example.com>; Mon, 16 Nov 2026 10:20:30 +0000 (UTC)
Received: from mail.example.org (mail.example.org [198.51.100.%(n)d]) by client%(n)d.example.net with ESMTP
\tid 7A8B9C%(n)d; Mon, 16 Nov 2026 10:20:29 +0000
From: "%(name)s" <sender%(n)d@example.net>
To: A Recipient <recipient@example.com>
Subject: %(subject)s
Date: Mon, 16 Nov 2026 10:20:28 +0000
Message-ID: <20261116102028.%(n)d@client.example.net>
X-Mailer: Example Mailer 1.%(n)d
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="mixed-%(n)d"

--mixed-%(n)d
Content-Type: multipart/alternative; boundary="alternative-%(n)d"

--alternative-%(n)d
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

"""


def sentence(words, count):
    """As many of the words that rules speak of as SpamAssassin's samples have: some fifty of 10,000 patterns find theirs."""
    return " ".join(words.random.choice(VOCABULARY) if words.below(words.share) == 0 else words.invented() for _ in range(count))


def lines_of(words, size):
    text = ""
    while len(text) < size:
        text += sentence(words, 10) + (".\n" if words.below(3) else " $%d,000 %s!\n" % (words.below(900) + 1, words.invented()))
        if words.below(8) == 0:
            text += "https://www.%s.example.com/%s?id=%d\n" % (words.invented(), words.invented(), words.below(10000))
    return text


def message(number, is_dense=False, size=5 * 1024):
    """Text, the same as HTML, and something attached, as most mail has it now. Dense: out of the rules' own words, so that
    hundreds of patterns find what they need, and dozens match."""
    words = Words(number, SYLLABLES, 3) if is_dense else Words(number, OTHERS, 16)
    head = HEADER % {"n": number % 250 + 1, "name": sentence(words, 2), "subject": sentence(words, 6)}
    attached = base64.encodebytes(bytes(words.below(256) for _ in range(500))).decode()
    room = size - len(head) - len(attached) - 700
    plain, rest = lines_of(words, room * 0.4), room * 0.45
    html = "<html><head><title>x</title><style>p { margin: 0 }</style></head><body>\n"
    for line in lines_of(words, rest).splitlines():
        html += '<p class="t"><a href="%s">%s</a></p>\n' % (line, line) if line.startswith("http") else "<p>%s</p>\n" % line
    tail = "\n--alternative-%d\nContent-Type: text/html; charset=utf-8\n\n%s</body></html>\n--alternative-%d--\n" % (
        number % 250 + 1, html, number % 250 + 1)
    tail += "--mixed-%d\nContent-Type: application/pdf\nContent-Transfer-Encoding: base64\n" % (number % 250 + 1)
    tail += 'Content-Disposition: attachment; filename="%s %s.pdf"\n\n%s' % (words.invented(), words.invented(), attached)
    return head + plain + tail + "--mixed-%d--\n" % (number % 250 + 1)


def write_made(folder, is_dense=False, count=60):
    for number in range(count):
        with open(os.path.join(folder, "m%03d.eml" % number), "w", encoding="utf-8") as out:
            out.write(message(number, is_dense))
    return count


def copy_corpus(folder, corpus, low=3000, high=8500):
    """SpamAssassin's own samples of about that size; returns how many there are."""
    taken = 0
    for base, _, names in sorted(os.walk(corpus)):
        for name in sorted(names):
            path = os.path.join(base, name)
            if "spamassassin" in base and low <= os.path.getsize(path) <= high:
                shutil.copyfile(path, os.path.join(folder, "c%03d.eml" % taken))
                taken += 1
    return taken
