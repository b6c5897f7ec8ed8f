"""What is written about rules is true: the rule files of docs/rules.md load and its commands print what stands there, the tables of
mailweir-rules(5) are the program's, and every error that a rule file can have is read by some test."""
import glob
import os
import re
import shlex
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import harness  # noqa: E402
import suite  # noqa: E402

PAGE = os.path.join(harness.SOURCE_ROOT, "docs", "rules.md")
# What the rules of the page have beside them.
LISTS = {"lists/partners.txt": "partner.example\n", "lists/nets.txt": "192.0.2.0/24\n", "lists/bad.regex": "/^x/\n",
         "lists/access": "a@example.org REJECT\n", "lists/staff.txt": "alice@example.com\n"}


class Golden(suite.Case):
    CALL = re.compile(r"\brules_(?:error|warning|expected|expect|expect_text)\((.*?)\);", re.S)
    TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
    # What a machine without the JIT says; what stands in for a reason that is always there, or for a text that was seen already.
    EXCEPTED = ("just-in-time", "with the JIT", "MemoryDenyWriteExecute", "unknown error", "the reply's text",
                "the list's file name in quotes")

    def texts_of(self, *pattern):
        for path in glob.glob(os.path.join(harness.SOURCE_ROOT, *pattern)):
            with open(path, encoding="utf-8") as file:
                yield os.path.basename(path), re.sub(r'"\s*\n\s*"', "", file.read())

    def test_every_error_of_rule_files_has_a_golden_text(self):
        """The longest piece of each message of the sources stands in some unit test of the rules."""
        tests = "".join(text for _, text in self.texts_of("tests", "unit", "*rules*.c")) + "".join(
            text for _, text in self.texts_of("tests", "unit", "list_kit.c"))
        missing, count = [], 0
        for name, source in self.texts_of("filters", "rules", "*.c"):
            if name.startswith("tool_"):  # advice of `mailweir rules lint`, which its own tests read
                continue
            for text in (text for call in self.CALL.findall(source) for text in self.TEXT.findall(call)):
                piece = max(re.split(r"%[-+.*0-9]*(?:ll|z)?[a-zA-Z]", text), key=len)
                count += 1
                if len(piece.strip()) > 5 and piece not in tests and not any(word in text for word in self.EXCEPTED):
                    missing.append("%s: %s" % (name, text))
        self.assertFalse(missing, "\n".join(missing))
        self.assertGreater(count, 150)


def fenced(text):
    """(language, name of the file it is, lines) of each block of the page. A block is a file if a line `FILE:` with its name in
    backticks stands before it."""
    name, language, lines = "", None, []
    for line in text.splitlines():
        if line.startswith("```"):
            if language is None:
                language, lines = line[3:], []
            else:
                yield language, name, lines
                name, language = "", None
        elif language is not None:
            lines.append(line)
        elif line.strip():
            named = re.match(r"^`([\w./-]+)`:$", line.strip())
            name = named.group(1) if named else ""


class Page(suite.Case):
    """docs/rules.md: blocks ```rules load; blocks ```console print what they say. The page's files are made as they come, so that it
    can be read from top to bottom."""

    def setUp(self):
        self.home = harness.temp_dir("page")
        self.write("conf.d/main.conf", "\n".join([*harness.USER, "control unix:%s/ctl" % self.home, "listen mx {", "    address 127.0.0.1:2525",
                                                  "    upstream mta", "    chain inbound", "}", "upstream mta {", "    address 127.0.0.1:2526",
                                                  "    identity none", "}", "filter rules {", "    module rules", "    files ../rules/*.rules",
                                                  "}", "chain inbound { rules }"]) + "\n")
        with open(PAGE, encoding="utf-8") as file:
            self.page = file.read()
        with open(os.path.join(self.home, "conf.d/main.conf"), encoding="utf-8") as file:
            self.configuration = file.read()

    def write(self, path, text):
        full = os.path.join(self.home, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)

    def run_line(self, line):
        """What the shell would print, in our directory, with our program and our configuration; paths as on a real system."""
        words = shlex.split(line)
        if words[0] == "mailweir":
            words[0] = harness.MAILWEIR
            if words[1] in ("check", "test", "explain", "replay", "simulate"):
                words[2:2] = ["-c", os.path.join(self.home, "conf.d")]
        done = subprocess.run(words, cwd=self.home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        return done.stdout.decode().replace(self.home, "/etc/mailweir")

    def check_console(self, lines):
        command, expected, failures = None, [], []
        for line in lines + ["$ "]:
            if not line.startswith("$ "):
                expected.append(line)
                continue
            if command:
                printed = self.run_line(command)
                pattern = ".*".join(re.escape(piece) for piece in "\n".join(expected).split("..."))
                if not re.fullmatch(pattern, printed.rstrip("\n"), re.S):
                    failures.append("$ %s\nprints\n%sand the page says\n%s\n" % (command, printed, "\n".join(expected)))
            command, expected = line[2:], []
        return failures

    def test_examples_of_the_page_are_true(self):
        """Every block of docs/rules.md."""
        failures, count = [], 0
        for language, name, lines in fenced(self.page):
            text = "\n".join(lines) + "\n"
            if name:
                self.write(name, text)
            elif language == "rules":
                self.write("one/rules/one.rules", text)
                self.write("one/conf.d/main.conf", self.configuration)
                for file, content in LISTS.items():
                    self.write("one/rules/" + file, content)
                done = subprocess.run([harness.MAILWEIR, "check", "-c", os.path.join(self.home, "one/conf.d")], capture_output=True,
                                      timeout=60, check=False)
                if done.returncode != 0:
                    failures.append(text + done.stderr.decode())
            elif language == "console":
                failures += self.check_console(lines)
            count += bool(name) or language in ("rules", "console")
        self.assertFalse(failures, "\n".join(failures))
        self.assertGreater(count, 10)

    def test_the_manuals_tables_are_the_programs(self):
        """mailweir-rules(5) between its markers: `mailweir rules manual`."""
        manual = os.path.join(harness.SOURCE_ROOT, "docs", "man", "mailweir-rules.5")
        with open(manual, encoding="utf-8") as file:
            there = re.findall(r'^\.\\" BEGIN .*?^\.\\" END [^\n]*$', file.read(), re.S | re.M)
        printed = self.run_line("mailweir rules manual")
        self.assertEqual(len(there), 2)
        for table in there:
            self.assertIn(table + "\n", printed)

    def test_each_field_and_action_is_on_the_page_and_in_the_manual(self):
        where = os.path.join(harness.SOURCE_ROOT, "filters", "rules")
        with open(os.path.join(harness.SOURCE_ROOT, "docs", "man", "mailweir-rules.5"), encoding="utf-8") as file:
            manual = file.read().replace("\\-", "-").replace("\\&", "")
        for file, pattern in (("fields.def", r'^FIELD\(\w+,\s*"([^"]+)"'), ("actions.def", r'^ACTION\(\w+,\s*"([^"]+)"')):
            with open(os.path.join(where, file), encoding="utf-8") as opened:
                for name in re.findall(pattern, opened.read(), re.M):
                    self.assertRegex(self.page, r"`%s[`( ]" % re.escape(name), "docs/rules.md")
                    self.assertIn(name, manual, "mailweir-rules.5")


if __name__ == "__main__":
    if harness.DIRECT:
        harness.notice("MW_DIRECT=1: the suite of the rules page is skipped")
        sys.exit(0)
    harness.main()
