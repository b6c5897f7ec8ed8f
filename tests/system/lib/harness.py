"""What every system test stands on: ports, temporary directories, processes, deadlines, log reading, mailweir itself.

Standard library only. Nothing here knows a fixed port or path; every process is ended by its own pid, and dies with
the test that started it, even when the test is killed.

Environment:
  MAILWEIR      path of the binary under test (ctest sets it)
  MW_DIRECT=1   leave mailweir out: clients talk to the upstream itself. Proves the tests and shows, as a differential,
                what a direct connection answers. Tests that need the proxy skip.
  MW_KEEP=1     keep the temporary directories
"""
import atexit
import ctypes
import functools
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from ports import free_port  # noqa: F401: tests take it from here

DIRECT = os.environ.get("MW_DIRECT") == "1"
MAILWEIR = os.environ.get("MAILWEIR", "")
KEEP = os.environ.get("MW_KEEP") == "1"
SOURCE_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
USER = ["user root"] if os.geteuid() == 0 else []  # no change of account: it would undo PR_SET_PDEATHSIG
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans of our children (Postfix's processes) are ours to reap
_processes = []
_directories = []


def notice(text):
    """One line that is seen even when the test passes (ctest -V, .ci/run)."""
    print("NOTICE: " + text, file=sys.stderr, flush=True)


# ---------------------------------------------------------------------------------------------- waiting

def wait_for(condition, timeout=10.0, what="condition", step=0.01):
    """Polls `condition` until it is true and returns its value; AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            text = what() if callable(what) else what
            raise AssertionError("not within %.1f s: %s" % (timeout, text))
        time.sleep(step)


# ---------------------------------------------------------------------------------------------- ports

def accepts(port, host="127.0.0.1"):
    """Does somebody listen there?"""
    try:
        socket.create_connection((host, port), 1).close()
        return True
    except OSError:
        return False


# ---------------------------------------------------------------------------------------------- directories

def temp_dir(name):
    """A fresh directory that other users may enter (Postfix's processes do), removed at exit."""
    path = tempfile.mkdtemp(prefix="mailweir-%s-" % name)
    os.chmod(path, 0o755)
    _directories.append(path)
    return path


# ---------------------------------------------------------------------------------------------- processes

def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class Process:
    """A child with its output in files. Start from the main thread: a child dies with the thread that started it."""

    def __init__(self, argv, name, directory, env=None, cwd=None, guarded=False):
        self.name = name
        self.argv = [str(a) for a in argv]
        self.out_path = os.path.join(directory, name + ".out")
        self.log_path = os.path.join(directory, name + ".err")
        with open(self.out_path, "ab") as out, open(self.log_path, "ab") as err:
            self.popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=cwd,
                                          env=env, start_new_session=True, preexec_fn=_die_with_parent)
        self.pid = self.popen.pid
        self.guard = self._start_guard() if guarded else None
        _processes.append(self)

    def _start_guard(self):
        """For a process that changes its user id, which undoes PR_SET_PDEATHSIG: a shell that waits for a line from us and, when it
        gets the end of file instead because we are dead, ends the process."""
        return subprocess.Popen(["/bin/sh", "-c", "read line || kill -TERM $0", str(self.pid)], stdin=subprocess.PIPE,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def _dismiss_guard(self):
        if self.guard:
            self.guard.communicate(b"done\n")
            self.guard = None

    def written(self):
        """The log as it stands in the file."""
        with open(self.log_path, "r", encoding="utf-8", errors="backslashreplace") as file:
            return file.read()

    def log(self):
        return self.written()

    def alive(self):
        return self.popen.poll() is None

    def signal(self, number):
        if self.alive():
            os.kill(self.pid, number)

    def wait(self, timeout=10.0):
        return self.popen.wait(timeout)

    def stop(self, timeout=10.0):
        """SIGTERM, then SIGKILL after `timeout`. Returns the exit status (negative: signal)."""
        self.signal(signal.SIGTERM)
        try:
            status = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            status = self.popen.returncode
        self._dismiss_guard()
        if self in _processes:
            _processes.remove(self)
        return status

    def kill(self):
        self.signal(signal.SIGKILL)
        self.popen.wait()

    def wait_log(self, pattern, timeout=10.0, start=0):
        """Waits until the log, from octet `start`, matches; returns the match."""
        return wait_for(lambda: re.search(pattern, self.written()[start:], re.M), timeout,
                        lambda: "%r in the log of %s:\n%s" % (pattern, self.name, self.written()[start:][-3000:]))

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def cpu_seconds(self):
        """What it has used so far: says of the program what a clock on the wall says of the machine."""
        with open("/proc/%d/stat" % self.pid, encoding="utf-8", errors="replace") as file:
            words = file.read().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def starved_seconds(self):
        """How long its first thread could have run so far and the machine had no time for it."""
        return starved_seconds("/proc/%d" % self.pid)

    def resident_kib(self):
        with open("/proc/%d/status" % self.pid) as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))


def starved_seconds(thread="/proc/thread-self"):
    """What passes on the clock and says nothing of the program (Linux; 0 where the kernel does not count it)."""
    try:
        with open(thread + "/schedstat", encoding="ascii") as file:
            return int(file.read().split()[1]) / 1e9
    except OSError:
        return 0.0


@functools.lru_cache
def slowness():
    """How many times as long as on the machine where the tests' bounds were found this one computes; at least 1. Time of the
    processor, so that a busy machine is no slow one."""
    def compute():
        begun, total = time.process_time(), 0
        for number in range(1_000_000):
            total += number * number
        return time.process_time() - begun
    return max(1.0, min(compute() for _ in range(3)) / 0.04)


def _reap_orphans():
    deadline = time.monotonic() + 2.0
    while time.monotonic() < deadline:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            time.sleep(0.01)


@atexit.register
def _clean_up():
    for process in list(reversed(_processes)):
        try:
            process.stop(3.0)
        except OSError:
            pass
    _reap_orphans()
    for path in _directories:
        if KEEP:
            notice("kept " + path)
        else:
            shutil.rmtree(path, ignore_errors=True)


# ---------------------------------------------------------------------------------------------- log lines

def log_records(text):
    """logfmt lines -> dicts: the keys as logged, plus 'id' (session or message, '' if none), 'event' and 'line'."""
    records = []
    for line in text.splitlines():
        match = re.match(r"^(?:\d{4}-\d\d-\d\dT[\d:.]+Z )?(?:(\S+): )?([a-z][a-z-]*)((?: [a-z][a-z0-9_-]*=(?:\"(?:[^\"\\]|\\.)*\"|[^ ]*))+)\s*$", line)
        if not match:
            continue
        record = {"id": match.group(1) or "", "event": match.group(2), "line": line}
        for key, quoted, plain in re.findall(r" ([a-z][a-z0-9_-]*)=(?:\"((?:[^\"\\]|\\.)*)\"|([^ ]*))", match.group(3)):
            record[key] = quoted if quoted else plain
        records.append(record)
    return records


# ---------------------------------------------------------------------------------------------- mailweir

class Mailweir(Process):
    """mailweir with a configuration of its own in a temporary directory. `listen`, `upstream`, `top` are lists of
    directive lines; `filters` is text (filter and chain blocks); `files` are written below the conf directory."""

    def __init__(self, upstream_port, listen=(), upstream=("identity none",), filters="", chain="", files=None,
                 top=("workers 1",), name="mailweir", start=True):
        self.directory = temp_dir(name)
        self.conf = os.path.join(self.directory, "conf.d")
        os.mkdir(self.conf)
        self.port = free_port()
        self.upstream_port = upstream_port
        self.write("00-main.conf", "\n".join(["log stderr format=logfmt level=info", *USER, *top]) + "\n")
        self.write("10-upstream.conf", block("upstream postfix", ["address 127.0.0.1:%d" % upstream_port, *upstream]))
        if filters:
            self.write("20-filters.conf", filters)
        chain_lines = ["chain inbound"] if chain else []
        if not any(line.startswith("client-name") for line in listen):
            chain_lines.append("client-name off")  # tests ask no name server of this machine's
        if chain:
            self.write("30-chain.conf", block("chain inbound", [chain]))
        self.write("40-listen.conf", block("listen mx", ["address 127.0.0.1:%d" % self.port, "upstream postfix",
                                                         *chain_lines, *listen]))
        for path, content in (files or {}).items():
            self.write(path, content)
        self.popen = None
        if start:
            self.start()

    def write(self, path, content):
        """(Re)writes a file of the configuration directory, atomically, as a careful operator would."""
        full = os.path.join(self.conf, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full + ".new", "w", encoding="utf-8") as file:
            file.write(content)
        os.rename(full + ".new", full)

    def start(self, timeout=20.0):
        if not MAILWEIR:
            raise RuntimeError("MAILWEIR is not set: path of the binary under test")
        self.log_path = os.path.join(self.directory, "mailweir.err")
        start = len(self.written()) if os.path.exists(self.log_path) else 0
        super().__init__([MAILWEIR, "run", "-c", self.conf], "mailweir", self.directory)
        try:
            wait_for(lambda: re.search(r"^READY\b", self.written()[start:], re.M) or not self.alive(), timeout, "READY")
        except AssertionError:
            self.kill()
            raise AssertionError("no READY from mailweir:\n" + self.log()) from None
        if not self.alive():
            raise AssertionError("mailweir ended (%s) at start:\n%s" % (self.popen.returncode, self.log()))

    def settle(self, timeout=2.0):
        """Waits until it sleeps: what had reached its sockets is dealt with and has its lines in the log, which come at the end of
        the loop's turn and so behind the reply. No more than `timeout`, if it is never out of work."""
        deadline, looks = time.monotonic() + timeout, 0
        while looks < 2 and time.monotonic() < deadline:
            state = self._state()
            if state in "TtZX":  # stopped or dead: nothing will come of it
                return
            looks = looks + 1 if state == "S" else 0
            time.sleep(0.001)

    def _state(self):
        """The letter that Linux has for it: R, S, D, T, Z; X when it is gone."""
        try:
            with open("/proc/%d/stat" % self.pid, encoding="utf-8", errors="replace") as file:
                return file.read().rsplit(")", 1)[1].split()[0]
        except OSError:
            return "X"

    def log(self):
        """The log with all that it has to say by now."""
        self.settle()
        return self.written()

    def records(self, event=None, start=0, **keys):
        """Log records since octet `start` with that event and these values, of all that has happened."""
        self.settle()
        return self._records(event, start, keys)

    def _records(self, event, start, keys):
        found = []
        for record in log_records(self.written()[start:]):
            if event and record["event"] != event:
                continue
            if all(str(record.get(k.rstrip("_"))) == str(v) for k, v in keys.items()):
                found.append(record)
        return found

    def wait_record(self, event, timeout=10.0, start=0, **keys):
        return wait_for(lambda: self._records(event, start, keys), timeout,
                        lambda: "log line %s %s in:\n%s" % (event, keys, self.log()[start:][-4000:]))[0]

    def mark(self):
        """The log's length now, for `start`."""
        return len(self.log())

    def reload(self, timeout=10.0):
        """SIGHUP; returns the event that answers it: reloaded or reload-failed."""
        start = self.mark()
        self.signal(signal.SIGHUP)
        return wait_for(lambda: self.records("reloaded", start) or self.records("reload-failed", start), timeout,
                        lambda: "answer to SIGHUP in:\n" + self.log()[start:])[0]

    def check_memory(self, test, before_kib, limit_kib, what):
        """Not more than `limit_kib` above what it had. A sanitizer keeps what was freed, so nothing can be said there."""
        grown = self.resident_kib() - before_kib
        if not is_sanitized():
            test.assertLess(grown, limit_kib, "KiB of memory for " + what)

    def check_healthy(self, test):
        """The process lives and no sanitizer or assertion spoke."""
        test.assertTrue(self.alive(), "mailweir ended with %s:\n%s" % (self.popen.poll(), self.log()[-4000:]))
        test.assertNotRegex(self.log(), r"AddressSanitizer|runtime error:|Assertion .* failed|LeakSanitizer")

    def finish(self, test):
        """Ends it in peace and checks that it could."""
        self.check_healthy(test)
        status = self.stop(20.0)
        test.assertNotRegex(self.log(), r"AddressSanitizer|runtime error:|Assertion .* failed|LeakSanitizer")
        test.assertEqual(status, 0, "exit status after SIGTERM:\n" + self.log()[-2000:])


@functools.lru_cache
def is_sanitized():
    """Is the binary under test built with a sanitizer?"""
    with open(MAILWEIR, "rb") as file:
        octets = file.read()
    return b"__asan_init" in octets or b"__tsan_init" in octets


def block(head, lines):
    return head + " {\n" + "".join("    %s\n" % line for line in lines) + "}\n"


class Straight:
    """Stands where Mailweir stands when MW_DIRECT=1: the port is the upstream's."""

    def __init__(self, upstream_port, **_):
        self.port = upstream_port

    def check_healthy(self, test):
        pass

    def finish(self, test):
        pass


def proxy(upstream_port, **settings):
    """mailweir in front of that port, or nothing at all with MW_DIRECT=1."""
    return Straight(upstream_port) if DIRECT else Mailweir(upstream_port, **settings)


def needs_proxy(test):
    """Decorator for tests and classes that are about mailweir's own behaviour."""
    return unittest.skipIf(DIRECT, "NOTICE: MW_DIRECT=1, mailweir is left out")(test)


def tool(name):
    """Path of a client program; skips the test, with a notice, where it is not installed."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        notice("%s is not installed: its test is skipped" % name)
        raise unittest.SkipTest("NOTICE: %s is not installed" % name)
    return path


def run(argv, timeout=60, stdin=b"", env=None):
    """Runs a client program to its end; returns the CompletedProcess (octets)."""
    return subprocess.run([str(a) for a in argv], input=stdin, capture_output=True, timeout=timeout, env=env,
                          check=False)


def describe(result):
    return "%s -> %d\n%s%s" % (shlex.join(result.args), result.returncode,
                               result.stdout.decode("utf-8", "backslashreplace"),
                               result.stderr.decode("utf-8", "backslashreplace"))


def main():
    """Entry point of every suite. SIGTERM ends it as Ctrl-C does: with cleaning up."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    unittest.main(verbosity=2)
