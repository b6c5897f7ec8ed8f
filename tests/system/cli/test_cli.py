"""Commands that come back: check, test, version, help. What they print, and their exit statuses (sysexits.h)."""
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import harness  # noqa: E402

EX_USAGE, EX_UNAVAILABLE, EX_CONFIG = 64, 69, 78
GOOD = "upstream pf { address 127.0.0.1:10025\n identity xclient }\n"
LISTEN = "listen mx {\n  address 127.0.0.1:2525\n  upstream pf\n}\n"


def weir(*args, env=None):
    """(status, stdout, stderr) of the program, run where the shipped conf.d is."""
    result = harness.run([harness.MAILWEIR, *args], env={**os.environ, **(env or {})})
    out, err = (t.decode("utf-8") for t in (result.stdout, result.stderr))
    assert not re.search(r"Sanitizer|runtime error:", err), err
    return result.returncode, out, err


class Cli(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.directory = harness.temp_dir("cli")

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    # ---- usage

    def test_without_a_command_it_lists_them(self):
        status, out, err = weir()
        self.assertEqual((status, out), (EX_USAGE, ""))
        for command in ("run", "check", "simulate", "test", "sink", "version", "help"):
            self.assertRegex(err, r"(?m)^  mailweir %s\b" % command)
        self.assertNotIn("manual", err.split("Manuals:")[0])

    def test_help(self):
        self.assertEqual(weir("help")[0], 0)
        self.assertEqual(weir("--help")[1], weir("help")[1])
        status, out, _ = weir("help", "run")
        self.assertEqual(status, 0)
        self.assertIn("SIGHUP", out)
        self.assertEqual(weir("run", "--help")[1], out)
        self.assertEqual(weir("help", "rum")[0], EX_USAGE)

    def test_usage_errors(self):
        for args, words in ((["chekc"], "did you mean 'check'"), (["xyzzy"], "unknown command 'xyzzy'"),
                            (["check", "-x"], "unknown option '-x'"), (["check", "-c"], "-c needs a value"),
                            (["check", "conf.d"], "'conf.d' is one argument too many"),
                            (["version", "now"], "takes no 'now'"), (["run", "--conf.d"], "unknown option")):
            status, out, err = weir(*args)
            self.assertEqual((status, out), (EX_USAGE, ""), args)
            self.assertIn(words, err)

    def test_version(self):
        status, out, _ = weir("version")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"\Amailweir \d+\.\d+\.\d+\n")
        for line in ("build", "filter ABI", "libuv", "PCRE2", "modules"):
            self.assertRegex(out, r"(?m)^  %s +\S" % line)
        self.assertEqual(weir("--version")[1], out)

    # ---- check

    def test_check_of_the_shipped_configuration(self):
        status, out, err = weir("check", "-c", os.path.join(harness.SOURCE_ROOT, "conf.d"))
        self.assertEqual((status, err), (0, ""))
        self.assertRegex(out, r"\Aok: 1 listener, 1 upstream, 5 filters, 1 chain; \d+ tests passed\n\Z")

    def test_check_verbose_names_filters(self):
        status, out, _ = weir("check", "-v", "-c", os.path.join(harness.SOURCE_ROOT, "conf.d"))
        self.assertEqual(status, 0)
        self.assertRegex(out, r"(?m)^filter limits: module limits ")
        self.assertRegex(out, r"(?m)^filter rules: module rules ")
        self.assertRegex(out, r"(?m)^  stages:.* end_of_message$")

    def test_check_names_every_error(self):
        path = self.write("conf.d/10-listen.conf",
                          GOOD + "listen mx {\n  adress 0.0.0.0:25\n  upstream pf\n  max-hops 0\n}\n")
        status, out, err = weir("check", "-c", self.directory + "/conf.d")
        self.assertEqual((status, out), (EX_CONFIG, ""))
        self.assertEqual(err, "%(p)s:3:1: error: the directive 'address' is missing in block 'listen mx'\n"
                              "     3 | listen mx {\n"
                              "       | ^~~~~~\n"
                              "       = address: an address such as 127.0.0.1:25, [::1]:25 or unix:/run/x\n"
                              "%(p)s:4:3: error: unknown directive 'adress' in block 'listen'\n"
                              "     4 |   adress 0.0.0.0:25\n"
                              "       |   ^~~~~~\n"
                              "       = did you mean 'address'?\n"
                              "%(p)s:6:12: error: '0' is out of range: 'max-hops' takes 1 to 10000\n"
                              "     6 |   max-hops 0\n"
                              "       |            ^\n"
                              "3 errors; the configuration was not loaded\n" % {"p": path})

    def test_check_counts_one_error_as_one(self):
        path = self.write("a.conf", GOOD)
        status, _, err = weir("check", "-c", path)
        self.assertEqual(status, EX_CONFIG)
        self.assertTrue(err.endswith("\n1 error; the configuration was not loaded\n"), err)

    def test_check_of_nothing(self):
        status, _, err = weir("check", "-c", self.directory + "/nowhere")
        self.assertEqual(status, EX_CONFIG)
        self.assertEqual(err, "error: cannot read '%s/nowhere': No such file or directory\n"
                              "1 error; the configuration was not loaded\n" % self.directory)

    def test_check_passes_with_a_warning(self):
        path = self.write("a.conf", "upstream pf { address 127.0.0.1:10025 }\n"
                                    "listen mx { address 0.0.0.0:2525\n upstream pf }\n")
        status, out, err = weir("check", "-c", path)
        self.assertEqual(status, 0)
        self.assertIn("warning: open relay: upstream 'pf'", err)
        self.assertEqual(out, "ok: 1 listener, 1 upstream, 0 filters, 0 chains; 0 tests passed; 1 warning\n")

    def test_check_expands_the_environment(self):
        path = self.write("a.conf", GOOD + "listen mx { address ${MW_TEST_LISTEN:-127.0.0.1:2525}\n upstream pf }\n")
        self.assertEqual(weir("check", "-c", path)[0], 0)
        status, _, err = weir("check", "-c", path, env={"MW_TEST_LISTEN": "nonsense"})
        self.assertEqual(status, EX_CONFIG)
        self.assertIn("'nonsense'", err)

    def test_check_runs_tests(self):
        status, _, err = weir("check", "-c", self.selftest())
        self.assertEqual(status, EX_CONFIG)
        self.assertEqual(err, "some.rules:7:1: error: the test 'bad' failed\n"
                              "       = wanted: this; got: that\n"
                              "1 error; the configuration was not loaded\n")
        status, out, _ = weir("check", "-c", self.selftest("fail off"))
        self.assertEqual(status, 0)
        self.assertIn("; 1 test passed\n", out)

    def test_check_runs_the_tests_of_rules(self):
        self.write("a.rules", 'never: reject 550 5.7.1 "no" when helo == "x"\n'
                              'test "wrong" {\n  helo y\n  expect reject 550 by never\n}\n')
        path = self.write("a.conf", self.with_filter("module rules\n files *.rules"))
        status, _, err = weir("check", "-c", path)
        self.assertEqual(status, EX_CONFIG)
        self.assertRegex(err, r"a\.rules:\d+.*wrong")

    def test_check_reports_on_topics(self):
        path = self.selftest("fail off")
        status, out, err = weir("check", "--stages", "--cost", "-c", path)
        self.assertEqual((status, err.count("error")), (0, 0))
        self.assertTrue(out.startswith("filter f:\n  one: connect\n  \\x1b[31mtwo: rcpt\nok: 1 listener"), out)
        self.assertEqual(weir("check", "--cost", "-c", path)[1].count("filter f"), 0)  # it knows nothing of cost
        self.assertEqual(weir("test", "--cost")[0], EX_USAGE)

    # ---- commands of filters

    def test_filter_brings_a_command(self):
        env = {"MAILWEIR_PLUGIN_PATH": os.path.dirname(os.environ["MW_SELFTEST"])}
        status, out, err = weir("selftest", "--help", "3", env=env)
        self.assertEqual((status, out), (3, "selftest: selftest --help 3\n"))
        self.assertEqual(err, "warning: filter 'selftest': look out\n")

    def test_filter_without_a_command(self):
        status, out, err = weir("limits")
        self.assertEqual((status, out), (EX_USAGE, ""))
        self.assertIn("the filter 'limits' brings no command of its own", err)

    def test_paths_are_no_commands(self):
        for name in (os.environ["MW_SELFTEST"], "../filters/limits", "limits.so", "-limits", ""):
            status, out, err = weir(name)
            self.assertEqual((status, out), (EX_USAGE, ""))
            self.assertIn("unknown command '%s'" % name, err)

    def test_module_that_is_no_filter_is_no_command(self):
        self.write("broken.so", "not a shared object")
        status, out, err = weir("broken", env={"MAILWEIR_PLUGIN_PATH": self.directory})
        self.assertEqual((status, out), (EX_UNAVAILABLE, ""))
        self.assertRegex(err, r"error: module '.*/broken\.so' cannot be loaded")

    # ---- test

    def with_filter(self, directives):
        return GOOD + "filter f { %s }\nchain c { f }\n" % directives + LISTEN.replace("}", "  chain c\n}")

    def selftest(self, more=""):
        return self.write("a.conf", self.with_filter("module %s\n%s" % (os.environ["MW_SELFTEST"], more)))

    def test_tap_of_the_shipped_rules(self):
        status, out, _ = weir("test", "-c", os.path.join(harness.SOURCE_ROOT, "conf.d"))
        self.assertEqual(status, 0, out)
        lines = out.splitlines()
        self.assertEqual(lines[0], "TAP version 13")
        numbers = [int(re.match(r"ok (\d+) - \S", line).group(1)) for line in lines[1:-1]]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        self.assertEqual(lines[-1], "1..%d" % len(numbers))

    def test_tap_of_a_failing_test(self):
        status, out, err = weir("test", "-c", self.selftest())
        self.assertEqual((status, err), (1, ""))
        self.assertEqual(out, "TAP version 13\n"
                              "ok 1 - good   not a directive\n"
                              "not ok 2 - bad\n"
                              "#   at some.rules:7\n"
                              "#   wanted: this\n"
                              "#   got: that\n"
                              "1..2\n")

    def test_tap_without_tests(self):
        status, out, _ = weir("test", "-c", self.write("a.conf", GOOD + LISTEN))
        self.assertEqual((status, out), (0, "TAP version 13\n1..0 # SKIP there are no tests\n"))

    def test_tap_with_errors(self):
        status, out, err = weir("test", "-c", self.write("a.conf", GOOD))
        self.assertEqual((status, out), (EX_CONFIG, "Bail out! the configuration was not loaded\n"))
        self.assertIn("there is no listener", err)

    # ---- manual

    def test_manual_is_made_by_the_program(self):
        with open(os.path.join(harness.SOURCE_ROOT, "docs/man/mailweir.conf.5"), encoding="utf-8") as file:
            self.assertEqual(weir("manual", "conf")[1], file.read())
        self.assertEqual(weir("manual")[0], EX_USAGE)


if __name__ == "__main__":
    harness.main()
