"""`mailweir rules ...`, `explain`, `check --stages --cost`, `test --coverage`, and that generated files are not stale."""
import json
import os
import re
import socket
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import harness  # noqa: E402

EX_USAGE, EX_NOINPUT, EX_UNAVAILABLE, EX_CONFIG = 64, 66, 69, 78

RULES = """\
list internal = 10.0.0.0/8, 192.0.2.0/24
list programs = exe, scr
colleague: accept when client.ip in internal and auth.user is not empty
invoice: score 3 when subject =~ /\\binvoice\\s+no/i
program:
    reject 550 5.7.1 "No programs, please: ${attachment.name}"
    reason "a program"
    when attachment { ext in programs and size > 10 }
spam: reject 550 5.7.1 "Spam" when score >= 4
test "an invoice" { header "Subject: Invoice no 5" expect hit invoice expect accept }
"""
MESSAGE = """\
Return-Path: <bob@example.net>
From: Bob <bob@example.net>
Subject: Your invoice no 47
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

hello
--b
Content-Type: application/octet-stream; name="a.exe"
Content-Disposition: attachment; filename="a.exe"

MZxxxxxxxxxxxxxxxxxxxxx
--b--
"""
COUNTERS = """\
rules.invoice.hits 30
rules.invoice.observed 2
rules.invoice.runs 1000
rules.invoice.time 5000
rules.program.hits 0
rules.program.runs 1000
rules.program.time 90000
rules.program.suspended 1
rules.a.dotted.name.hits 7
rules.a.dotted.name.runs 7
rules.truncated-bodies 3
other.spam.hits 99
other.spam.runs 99
"""


def weir(*args):
    """(status, stdout, stderr)"""
    result = harness.run([harness.MAILWEIR, *args])
    out, err = (text.decode("utf-8") for text in (result.stdout, result.stderr))
    assert "Sanitizer" not in err and "runtime error:" not in err, err
    return result.returncode, out, err


class ControlSocket(threading.Thread):
    """Answers one request with the given octets."""

    def __init__(self, path, reply):
        super().__init__(daemon=True)
        self.server, self.reply, self.request = socket.socket(socket.AF_UNIX), reply, b""
        self.server.bind(path)
        self.server.listen(1)
        self.server.settimeout(20)
        self.start()

    def run(self):
        client, _ = self.server.accept()
        with client:
            client.settimeout(20)
            self.request = client.recv(1024)
            for i in range(0, len(self.reply), 40):
                client.sendall(self.reply[i:i + 40])
        self.server.close()


class Tools(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.directory = harness.temp_dir("rules-tools")

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def config(self, rules=RULES):
        self.write("t.rules", rules)
        return self.write("weir.conf", "\n".join([
            "upstream pf { address 127.0.0.1:10025 }",
            "filter rules {", " module rules", " files %s" % self.path("t.rules"), "}",
            "chain c { rules }",
            "listen mx {", " address 127.0.0.1:2525", " upstream pf", " chain c", "}", ""]))

    # ---- usage

    def test_help_names_every_command(self):
        status, out, _ = weir("rules", "help")
        self.assertEqual(status, 0)
        for command in ("lint", "fmt", "bench", "import", "unused", "slow", "top", "syntax", "manual"):
            self.assertRegex(out, r"(?m)^  mailweir rules %s\b" % command)
        self.assertEqual(weir("rules", "--help")[1], out)

    def test_wrong_usage_is_64_and_knows_near_names(self):
        for args, words in ((["lnit"], "did you mean 'lint'"), (["lint"], "which files?"), (["fmt", "--chek", "x"], "'--check'"),
                            (["bench", "x"], "--mail DIR"), (["import", "postfix"], "which table"), (["syntax", "vmi"], "'vim'"),
                            (["top", "--count"], "--count needs a value"), (["top", "--count", "x"], "not 'x'"),
                            (["slow", "now"], "one argument too many")):
            status, out, err = weir("rules", *args)
            self.assertEqual((status, out), (EX_USAGE, ""), args)
            self.assertIn(words, err, args)
        self.assertEqual(weir("rules")[0], EX_USAGE)

    # ---- lint

    def test_lint_runs_tests_and_counts(self):
        status, out, err = weir("rules", "lint", self.write("t.rules", RULES))
        self.assertEqual((status, out, err), (0, "ok: 4 rules, 2 lists; 1 test passed\n", ""))

    def test_lint_reports_errors_with_the_place(self):
        status, out, err = weir("rules", "lint", self.write("t.rules", "a: reject when sendr == <>\n"))
        self.assertEqual((status, out), (EX_CONFIG, ""))
        self.assertIn("t.rules:1:16: error: unknown field", err)
        self.assertIn("^~~~~", err)
        self.assertIn('did you mean "sender"?', err)

    def test_lint_fails_for_a_failing_test(self):
        status, _, err = weir("rules", "lint", self.write("t.rules", RULES + 'test "x" { expect reject }\n'))
        self.assertEqual(status, EX_CONFIG)
        self.assertIn('test "x" fails', err)

    def test_lint_needs_no_other_filters(self):
        rules = 'a: reject 550 "no" when spf.result == fail\n'
        self.assertEqual(weir("rules", "lint", self.write("t.rules", rules))[0], 0)

    def test_lint_gives_advice(self):
        rules = ("list nets = 10.0.0.0/8, 10.1.2.0/24, 192.0.2.1\n"
                 "list hosts = .example.net, a.example.net, B.example.org, b.example.org\n"
                 "mute: reject when client.ip in nets\n"
                 "one: reject 550 \"x\" when helo in hosts and auth.user is empty\n"
                 "two: log \"x\" when helo   in hosts and (auth.user is empty)\n"
                 "old: observe until 2020-01-01 reject 550 \"x\" when sender == <>\n"
                 "slow: reject 550 \"x\" when subject =~ /(a+)+b?$/\n"
                 "idle: score fish 1 when helo == a.example\n")
        status, _, err = weir("rules", "lint", self.write("t.rules", rules))
        self.assertEqual(status, 0)
        for words in ("10.1.2.0/24 is in list \"nets\" already, by 10.0.0.0/8", "a.example.net is in list \"hosts\" already, by .example.net",
                      "b.example.org is in list \"hosts\" already, by B.example.org", "\"mute\" refuses mail and does not say why",
                      "\"two\" has the same condition as \"one\" (t.rules:4)", "\"old\" was observed until a day that is past",
                      "\"slow\": this pattern may take much longer", "\"idle\" is never run"):
            self.assertIn(words, err)
        self.assertNotIn("192.0.2.1 is in", err)
        self.assertEqual(err.count("warning:"), 8, err)

    def test_the_shipped_rules_are_good(self):
        folder = os.path.join(harness.SOURCE_ROOT, "rules")
        files = [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".rules")]
        status, _, err = weir("rules", "lint", *files)
        self.assertEqual(status, 0, err)
        for name in files:  # and fmt can lay each of them out without changing it
            with open(name, encoding="utf-8") as file:
                copy = self.write(os.path.basename(name), file.read())
            self.assertEqual(weir("rules", "fmt", copy)[0], 0)
            self.assertEqual(weir("rules", "fmt", "--check", copy)[0], 0)

    # ---- fmt

    def test_fmt_writes_and_check_only_says(self):
        path = self.write("t.rules", "a :\n reject  550 when\thelo == x\n")
        os.chmod(path, 0o640)
        self.assertEqual(weir("rules", "fmt", "--check", path), (1, path + " would change\n", ""))
        self.assertEqual(weir("rules", "fmt", path), (0, path + "\n", ""))
        with open(path, encoding="utf-8") as file:
            self.assertEqual(file.read(), "a: reject 550 when helo == x\n")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o640)
        self.assertEqual(weir("rules", "fmt", "--check", path), (0, "", ""))
        self.assertEqual(os.listdir(self.directory), ["t.rules"])

    def test_fmt_leaves_what_it_cannot_read(self):
        path = self.write("t.rules", "a: reject 550 \"x when always\n")
        status, out, err = weir("rules", "fmt", path)
        self.assertEqual((status, out), (EX_CONFIG, ""))
        self.assertIn("left as it is", err)
        self.assertEqual(weir("rules", "fmt", self.path("none"))[0], EX_NOINPUT)

    # ---- import

    def test_import_prints_rules_that_lint_takes(self):
        table = self.write("header_checks", "/^Subject:.*cheap pills/ REJECT no pills\n# x\n/^X-A: b/ FILTER smtp:x\n/^X-B:/ WARN odd\n")
        status, out, err = weir("rules", "import", "postfix:pcre", table, "--as", "header")
        self.assertEqual(status, 0)
        self.assertIn("header_checks-1", out)
        self.assertIn("header_checks:3:", err)
        self.assertRegex(err, r"\d entr(y|ies) carried over, 1 not")
        self.assertEqual(weir("rules", "lint", self.write("made.rules", out))[0], 0)

    def test_import_says_what_is_wrong(self):
        table = self.write("table", "a REJECT\n")
        self.assertIn("did you mean 'postfix'", weir("rules", "import", "postfx", table, "--as", "client")[2])
        self.assertIn("did you mean 'sender'", weir("rules", "import", "postfix", table, "--as", "sendr")[2])
        self.assertEqual(weir("rules", "import", "postfix", self.path("none"), "--as", "client")[0], EX_NOINPUT)

    # ---- bench

    def test_bench_times_and_compares(self):
        for i in range(5):
            self.write("mail/cur/%d:2,S" % i, MESSAGE)
        status, out, err = weir("rules", "bench", self.write("t.rules", RULES), "--mail", self.path("mail"))
        self.assertEqual((status, err), (0, ""))
        self.assertIn("5 messages", out)
        self.assertRegex(out, r"index on +\d+\.\d+ ms a message")
        self.assertRegex(out, r"index off +\d+\.\d+ ms a message")
        self.assertIn("0 let through, 5 refused", out)
        self.assertRegex(out, r"(?m)^program +t\.rules:5 +[\d.]+ +5 +5$")

    def test_bench_without_mail(self):
        os.makedirs(self.path("mail"))
        self.assertEqual(weir("rules", "bench", self.write("t.rules", RULES), "--mail", self.path("mail"))[0], EX_NOINPUT)

    # ---- counters

    def test_counters_from_a_file(self):
        path = self.write("counters", COUNTERS)
        status, out, _ = weir("rules", "top", "--counters", path)
        self.assertEqual(status, 0)
        self.assertEqual([line.split() for line in out.splitlines()[1:]],
                         [["invoice", "30", "2", "1,000"], ["a.dotted.name", "7", "0", "7"]])
        out = weir("rules", "slow", "--counters", path, "--count", "1")[1]
        self.assertEqual([line.split() for line in out.splitlines()[1:]], [["program", "90", "1,000", "90,000", "0", "1"]])
        out = weir("rules", "unused", "--counters", path)[1]
        self.assertIn("program", out)
        self.assertIn("1 of 3 rules never held", out)
        self.assertNotIn("truncated", out)
        self.assertIn("spam", weir("rules", "top", "--counters", path, "--filter", "other")[1])
        self.assertEqual(weir("rules", "top", "--counters", path, "--filter", "none")[0], EX_UNAVAILABLE)

    def test_counters_from_the_control_socket(self):
        path = self.path("ctl")
        server = ControlSocket(path, COUNTERS.encode() + b".\n")
        status, out, err = weir("rules", "top", "--control", "unix:" + path)
        server.join(20)
        self.assertEqual((status, err, server.request), (0, "", b"counters rules.\n"))
        self.assertIn("invoice", out)

    def test_a_service_that_breaks_off_or_is_not_there(self):
        path = self.path("ctl")
        ControlSocket(path, b"rules.invoice.hits 3\n")
        self.assertIn("closed the connection", weir("rules", "top", "--control", path)[2])
        status, _, err = weir("rules", "top", "--control", self.path("nobody"))
        self.assertEqual(status, EX_UNAVAILABLE)
        self.assertIn("No such file", err)

    # ---- check, test, explain

    def test_check_reports_stages_and_cost(self):
        status, out, _ = weir("check", "-c", self.config(), "--stages", "--cost")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"(?m)^  invoice +t\.rules:4 +message +end-of-headers +end-of-headers +header\(\"Subject\"\)$")
        self.assertRegex(out, r"(?m)^  spam .* waits for program \(t\.rules:5\)$")
        self.assertRegex(out, r"(?m)^  invoice +t\.rules:4 +A +\d+ +header\(\"Subject\"\) +\"invoice\"")

    def test_coverage_is_a_comment_of_tap(self):
        status, out, _ = weir("test", "-c", self.config(), "--coverage")
        self.assertEqual(status, 0)
        self.assertIn("# rules: not reached  spam", out)
        self.assertIn("# rules: 1 of 4 rules reached by 1 tests: 25%\n", out)
        self.assertNotIn("coverage", weir("test", "-c", self.config())[1])
        self.assertEqual(weir("check", "-c", self.config(), "--coverage")[0], EX_USAGE)

    def test_explain_shows_values_and_verdict(self):
        status, out, _ = weir("explain", "-c", self.config(), "--client", "198.51.100.7", "--to", "al@example.com",
                              self.write("m.eml", MESSAGE))
        self.assertEqual(status, 0)
        for line in ("  rules: rule colleague (t.rules:3): does not hold",
                     "      no   client.ip in internal (values): 198.51.100.7",
                     "    yes  header(\"Subject\") =~ /\\binvoice\\s+no/i: \"Your invoice no 47\"",
                     "    -> score default +3, so far 3",
                     "          yes  attachment.ext in programs (values): \"exe\"",
                     "    -> reject 550 5.7.1 \"No programs, please: a.exe\"",
                     "  rules: verdict at end-of-message: reject by program (t.rules:5)"):
            self.assertIn(line + "\n", out)

    # ---- generated files

    def packaged(self, name):
        with open(os.path.join(harness.SOURCE_ROOT, "packaging", name), encoding="utf-8") as file:
            return file.read()

    def test_generated_files_are_not_stale(self):
        for args, name in ((("rules", "syntax", "vim"), "editor/mailweir-rules.vim"),
                           (("rules", "syntax", "vscode"), "editor/vscode/syntaxes/mailweir-rules.tmLanguage.json"),
                           (("rules", "syntax", "vscode-package"), "editor/vscode/package.json"),
                           (("manual", "completion", "bash"), "completion/mailweir.bash"),
                           (("manual", "completion", "zsh"), "completion/_mailweir")):
            self.assertEqual(weir(*args)[1], self.packaged(name), "packaging/%s: made anew by mailweir %s" % (name, " ".join(args)))

    def test_the_grammars_are_json_and_their_patterns_compile(self):
        grammar = json.loads(weir("rules", "syntax", "vscode")[1])
        patterns = [pattern[key] for pattern in grammar["patterns"] for key in ("match", "begin", "end") if key in pattern]
        for pattern in patterns:
            re.compile(pattern)
        fields = next(p["match"] for p in grammar["patterns"] if p.get("name") == "support.variable.mailweir")
        self.assertEqual(re.search(fields, "when url.host.fold == x").group(0), "url.host.fold")
        self.assertEqual(json.loads(weir("rules", "syntax", "vscode-package")[1])["name"], "mailweir-rules")

    def test_bash_completes(self):
        script = os.path.join(harness.SOURCE_ROOT, "packaging", "completion", "mailweir.bash")

        def complete(*words):
            text = ". %s; COMP_WORDS=(%s); COMP_CWORD=%d; _mailweir; echo ${COMPREPLY[@]}" % (
                script, " ".join("'%s'" % w for w in words), len(words) - 1)
            return subprocess.run(["bash", "-c", text], capture_output=True, timeout=20, check=True).stdout.decode().split()

        self.assertEqual(complete("mailweir", "che"), ["check"])
        commands = re.findall(r"(?m)^  mailweir rules (\w+)", weir("rules", "help")[1])
        self.assertEqual(complete("mailweir", "rules", ""), commands)
        self.assertEqual(complete("mailweir", "rules", "bench", "--m"), ["--mail"])
        self.assertEqual(complete("mailweir", "check", "--st"), ["--stages"])
        self.assertEqual(complete("mailweir", "test", "--cov"), ["--coverage"])

    def test_the_manual_tables_name_every_field(self):
        status, out, _ = weir("rules", "manual")
        self.assertEqual(status, 0)
        for text in (".\\\" BEGIN FIELDS", ".\\\" END FIELDS", ".\\\" BEGIN ACTIONS", ".\\\" END ACTIONS", ".B attachment.sha256\n",
                     ".B header(\"\\fINAME\\fB\")\n", ".B rewrite rcpt\n"):
            self.assertIn(text, out)


if __name__ == "__main__":
    unittest.main()
