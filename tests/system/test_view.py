"""What rules see of real messages: `mailweir view --json` against Python's email package (policy default) and GMime, over the
corpus. Where those two agree on a field, mailweir agrees too, or the difference stands with its reason in view/differences.txt
(docs/content.md has the same table in words). A difference that is not in the table fails, and so does a line of the table that is not
seen any more. And: what was put into the generated messages is found, or the message is flagged."""
import collections
import email
import email.headerregistry
import email.policy
import fnmatch
import hashlib
import json
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))
import harness  # noqa: E402

CORPUS = os.path.join(os.path.dirname(harness.SOURCE_ROOT), "shared", "corpus")
MAILWEIR = os.environ["MAILWEIR"]
GMIME_VIEW = os.environ.get("MW_GMIME_VIEW", "")
FIELDS = ("subject", "from", "to", "cc", "types", "contents", "names", "texts")


def setUpModule():
    if not os.path.isdir(CORPUS):
        harness.notice("../shared/corpus is absent: the view suite is skipped")
        raise unittest.SkipTest("NOTICE: ../shared/corpus is absent")


def corpus():
    return sorted(os.path.join(where, file) for where, _, files in os.walk(CORPUS) for file in files if file.endswith(".eml"))


def run_view(path):
    done = subprocess.run([MAILWEIR, "view", "--json", path], capture_output=True, timeout=60)
    assert done.returncode == 0, (path, done.stderr)
    return json.loads(done.stdout)


def blank_free(text):
    """Blanks differ where folding and encoded words meet (RFC 2047 6.2 against what programs do): not what is compared."""
    return "".join((text or "").split())


def digest(octets):
    """Of the content, whatever the line ends and the last one of them."""
    octets = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n").rstrip(b"\n")
    return hashlib.sha256(octets).hexdigest()[:16]


# ---- three readings of one message, each a dict of the fields above; None: this reader has no answer ----

def ours(path):
    view = run_view(path)
    parts = [part for part in view["parts"] if not part["alt"]]
    return {
        "subject": blank_free(view["subject"]),
        "from": addresses(view["from"]), "to": addresses(view["to"]), "cc": addresses(view["cc"]),
        "types": [part["type"] for part in parts],
        "contents": [part["sha256"] for part in parts],
        "names": [part["names"] for part in parts],
        "texts": [blank_free(part["text"]) if part["type"].startswith("text/") and not part["truncated"] else None
                  for part in parts],
    }


def addresses(found):
    return [item["address"].lower() for item in found if item["address"]]


def python_addresses(message, name):
    found = []
    for value in message.get_all(name, []):
        found += [address.addr_spec.lower() for address in value.addresses if address.addr_spec]
    return found


def python_text(part):
    try:
        return blank_free(part.get_content())
    except Exception:
        return None


def python_reading(path):
    """Python's package raises on some messages: then it has no answer."""
    with open(path, "rb") as file:
        octets = file.read()
    reading = dict.fromkeys(FIELDS)
    try:
        message = email.message_from_bytes(octets, policy=email.policy.default)
        leaves = [part for part in message.walk() if not part.is_multipart()]
    except Exception:
        return reading
    for field, read in {
            "subject": lambda: blank_free(message["subject"]),
            "from": lambda: python_addresses(message, "from"),
            "to": lambda: python_addresses(message, "to"),
            "cc": lambda: python_addresses(message, "cc"),
            "types": lambda: [part.get_content_type() for part in leaves],
            "contents": lambda: [hashlib.sha256(part.get_payload(decode=True) or b"").hexdigest() for part in leaves],
            "names": lambda: [part.get_filename() or "" for part in leaves],
            "texts": lambda: [python_text(part) if part.get_content_type().startswith("text/") else None for part in leaves],
    }.items():
        try:
            reading[field] = read()
        except Exception:
            pass
    return reading


def gmime_readings(paths):
    readings = []
    for at in range(0, len(paths), 100):
        done = subprocess.run([GMIME_VIEW] + paths[at:at + 100], capture_output=True, timeout=300)
        for line in done.stdout.decode("utf-8", "replace").splitlines():
            try:
                view = json.loads(line)
            except ValueError:
                view = {}
            reading = dict.fromkeys(FIELDS)
            if view:
                reading.update({
                    "subject": blank_free(view["subject"]),
                    "from": addresses(view["from"]), "to": addresses(view["to"]), "cc": addresses(view["cc"]),
                    "types": [part["type"] for part in view["parts"]],
                    "contents": [part["sha256"] for part in view["parts"]],
                    "names": [os.path.basename((part["name"] or "").replace("\\", "/")) for part in view["parts"]],
                })
            readings.append(reading)
    assert len(readings) == len(paths)
    return readings


def agree(field, mine, others):
    if field == "names":  # all candidates are kept: theirs has to be among ours
        clean = [os.path.basename((name or "").replace("\\", "/")) for name in others]
        return len(mine) == len(clean) and all(not name or name in names for name, names in zip(clean, mine))
    if field == "texts":
        return len(mine) == len(others) and all(theirs is None or our is None or theirs == our
                                                for our, theirs in zip(mine, others))
    return mine == others


class Differences:
    """view/differences.txt: FIELD PATTERN reason..."""

    def __init__(self):
        self.rows = []
        with open(os.path.join(HERE, "view", "differences.txt"), encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                line = line.split("#")[0].strip()
                if line:
                    field, pattern, reason = line.split(None, 2)
                    assert field in FIELDS and reason, number
                    self.rows.append([field, pattern, 0])

    def explains(self, field, name):
        found = False
        for row in self.rows:
            if row[0] == field and fnmatch.fnmatch(name, row[1]):
                row[2] += 1
                found = True
        return found

    def unused(self):
        return ["%s %s" % (row[0], row[1]) for row in self.rows if row[2] == 0]


class View(unittest.TestCase):
    def test_fields_agree_with_python_and_gmime_where_those_agree(self):
        paths = corpus()
        have_gmime = os.path.exists(GMIME_VIEW)
        if not have_gmime:
            harness.notice("no GMime (libgmime-3.0-dev): compared with Python's package alone, and only shown")
        table = Differences()
        gmime = gmime_readings(paths) if have_gmime else [None] * len(paths)
        counts, wrong = collections.Counter(), []
        for path, second in zip(paths, gmime):
            name = os.path.relpath(path, CORPUS)
            mine, first = ours(path), python_reading(path)
            for field in FIELDS:
                if first[field] is None:
                    continue
                if field == "texts":  # GMime gives octets: Python's text counts where the octets are the same
                    if second is None or second["contents"] != first["contents"] or first["contents"] != mine["contents"]:
                        continue
                elif second is None or second[field] != first[field]:
                    continue
                counts[field] += 1
                if not agree(field, mine[field], first[field]) and not table.explains(field, name):
                    wrong.append("%s %s\n   ours   %r\n   theirs %r" % (field, name, mine[field], first[field]))
        print("%d messages; compared where both agree: %s" % (len(paths), dict(counts)))
        if have_gmime:
            self.assertEqual(wrong, [], "\n".join(wrong[:40]))
            self.assertEqual(table.unused(), [])
            self.assertGreater(counts["contents"], len(paths) // 2)

    def test_what_was_put_into_the_generated_messages_is_found(self):
        checked = 0
        with open(os.path.join(CORPUS, "generated", "truth.jsonl"), encoding="utf-8") as file:
            truths = [json.loads(line) for line in file]
        for truth in truths:
            path = os.path.join(CORPUS, "generated", truth["file"])
            view = run_view(path)
            with self.subTest(truth["file"]):
                hashes = {part["sha256"] for part in view["parts"]}
                names = {name for part in view["parts"] for name in part["names"]}
                for attachment in truth.get("attachments", []):
                    self.assertIn(attachment["sha256"], hashes)
                    if attachment.get("name"):
                        self.assertIn(attachment["name"], names)
                    checked += 1
                if truth.get("canary_sha256"):
                    self.assertTrue(truth["canary_sha256"] in hashes or view["flags"])
                    checked += 1
        self.assertGreater(checked, 10)


if __name__ == "__main__":
    unittest.main(verbosity=2)
