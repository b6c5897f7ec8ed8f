"""The life of the process: start, busy port, privileges, reload (whole or not at all), drain, signals, the service manager."""
import os
import pwd
import re
import signal
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import harness  # noqa: E402
from fake_upstream import HANG, FakeUpstream  # noqa: E402
from harness import accepts, free_port, wait_for  # noqa: E402
from smtpline import Client  # noqa: E402

EX_NOUSER, EX_UNAVAILABLE, EX_CANTCREAT, EX_CONFIG = 67, 69, 73, 78
ROOT = os.geteuid() == 0
USER = "user root\n" if ROOT else ""
IP_TRANSPARENT = 19
RELOAD = r"\b(?:reloaded gen=|reload-failed errors=).*"


class Weir(harness.Process):
    """`mailweir run` with one file of configuration, and what its log says about a reload."""

    def __init__(self, conf, env=None, ready=True):
        self.directory = harness.temp_dir("worker")
        self.conf = os.path.join(self.directory, "mailweir.conf")
        self.write(conf)
        super().__init__([harness.MAILWEIR, "run", "-c", self.conf], "mailweir", self.directory,
                         env={**os.environ, **(env or {})})
        if ready:
            wait_for(lambda: re.search(r"^READY$", self.log(), re.M) or not self.alive(), 60, "READY")
            if not self.alive():
                raise AssertionError("ended with %s:\n%s" % (self.popen.returncode, self.log()))

    def write(self, conf):
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(conf)

    def reload(self, conf=None):
        """The line that ends a reload."""
        start = len(self.log())
        if conf is not None:
            self.write(conf)
        self.signal(signal.SIGHUP)
        return self.wait_log(RELOAD, start=start).group(0)


def may_be_transparent():
    with socket.socket() as probe:
        try:
            probe.setsockopt(socket.IPPROTO_IP, IP_TRANSPARENT, 1)
        except OSError:
            return False
    return True


def conf(listen, upstream, top="", more="", extra=""):
    addresses = " ".join("127.0.0.1:%d" % port for port in ([listen] if isinstance(listen, int) else listen))
    return ("%s%s\nupstream pf { address 127.0.0.1:%d }\n%s\nlisten mx {\n  address %s\n  upstream pf\n  %s\n}\n"
            % (USER if "user " not in top else "", top, upstream, more, addresses, extra))


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.up = FakeUpstream()
        self.addCleanup(self.up.stop)
        self.port = free_port()

    def start(self, text=None, **options):
        weir = Weir(text if text is not None else conf(self.port, self.up.port), **options)
        self.addCleanup(weir.stop)
        return weir

    def client(self, port=None):
        client = Client(port or self.port)
        self.addCleanup(client.close)
        return client

    def ends(self, weir, status=0, timeout=60):
        self.assertEqual(weir.wait(timeout), status, weir.log()[-3000:])
        self.assertNotRegex(weir.log(), r"Sanitizer|runtime error:|internal error")


class Start(Case):
    def test_ready_comes_when_it_accepts(self):
        weir = self.start()
        self.assertEqual(self.client().ehlo().code, 250)
        self.assertRegex(weir.log(), r"listening listener=mx address=127\.0\.0\.1:%d" % self.port)
        self.assertRegex(weir.log(), r"started version=\S+ pid=%d config=\S+ listeners=1 filters=0 gen=1" % weir.pid)
        weir.signal(signal.SIGTERM)
        self.ends(weir)
        self.assertRegex(weir.log(), r"stopped pid=")

    def test_busy_port(self):
        first = self.start()
        second = self.start(ready=False)
        self.ends(second, EX_UNAVAILABLE)
        self.assertIn("cannot listen on 127.0.0.1:%d (listen mx): Address already in use" % self.port, second.log())
        self.assertNotIn("READY", second.log())
        self.assertEqual(self.client().ehlo().code, 250)  # the first one is as it was
        self.assertTrue(first.alive())

    def test_bad_configuration(self):
        weir = self.start("listen mx {\n", ready=False)
        self.ends(weir, EX_CONFIG)
        self.assertIn("the configuration was not loaded", weir.log())

    def test_failing_test_is_a_warning_at_the_start_and_an_error_at_a_reload(self):
        module = "filter f { module %s }\nchain c { f }" % os.environ["MW_SELFTEST"]
        weir = self.start(conf(self.port, self.up.port, more=module, extra="chain c"))
        self.assertIn("some.rules:7:1: warning: the test 'bad' failed", weir.log())
        self.assertIn("reload-failed errors=1 gen=1", weir.reload())
        self.assertEqual(self.client().ehlo().code, 250)

    def test_spool_directory_must_take_files(self):
        weir = self.start(conf(self.port, self.up.port, top="spool-dir /proc/nowhere\n"), ready=False)
        self.ends(weir, EX_CANTCREAT)
        self.assertIn("no files can be made in spool-dir /proc/nowhere", weir.log())

    def test_log_file_must_open(self):
        weir = self.start(conf(self.port, self.up.port, top="log file /proc/nowhere/log\n"), ready=False)
        self.ends(weir, EX_CANTCREAT)
        self.assertIn("/proc/nowhere/log", weir.log())

    def test_max_sessions_beyond_the_descriptors_is_told(self):
        weir = self.start(conf(self.port, self.up.port, extra="max-sessions 1000000"))
        self.assertRegex(weir.log(), r"problem text=\"max-sessions needs more open descriptors[^\"]*\" wanted=2000064")


@unittest.skipUnless(ROOT, "NOTICE: not root: giving up root is not tested")
class Privileges(Case):
    def test_root_becomes_the_user(self):
        account = pwd.getpwnam("nobody")
        weir = self.start(conf(self.port, self.up.port, top="user nobody\n"))
        with open("/proc/%d/status" % weir.pid, encoding="ascii") as file:
            status = file.read()
        self.assertRegex(status, r"(?m)^Uid:\t%d\t%d\t%d\t%d$" % ((account.pw_uid,) * 4))
        self.assertRegex(status, r"(?m)^Gid:\t%d\t%d\t%d\t%d$" % ((account.pw_gid,) * 4))
        self.assertNotRegex(status, r"(?m)^Groups:.*\b0\b")
        self.assertRegex(status, r"(?m)^CapEff:\t0+$")
        self.assertEqual(self.client().ehlo().code, 250)

    def transparent(self, **options):
        text = conf(self.port, self.up.port, **options).replace("upstream pf {", "upstream pf { transparent on\n ")
        return self.start(text)

    def test_a_transparent_upstream_keeps_one_capability(self):
        if not may_be_transparent():
            self.skipTest("NOTICE: IP_TRANSPARENT is not allowed here")
        weir = self.transparent(top="user nobody\n", extra="transparent on")
        with open("/proc/%d/status" % weir.pid, encoding="ascii") as file:
            status = file.read()
        self.assertRegex(status, r"(?m)^Uid:\t%d\b" % pwd.getpwnam("nobody").pw_uid)
        for name in ("CapEff", "CapPrm"):
            self.assertRegex(status, r"(?m)^%s:\t0*2000$" % name)  # CAP_NET_RAW
        self.assertRegex(status, r"(?m)^CapInh:\t0+$")
        self.assertIn("which an open socket cannot: restart", weir.reload(
            conf(self.port, self.up.port, top="user nobody\n").replace("upstream pf {", "upstream pf { transparent on\n ")))

    def test_a_transparent_listener_may_have_any_address(self):
        if not may_be_transparent():
            self.skipTest("NOTICE: IP_TRANSPARENT is not allowed here")
        addresses = ["198.51.100.1:%d" % self.port]
        if os.path.exists("/proc/net/if_inet6"):
            addresses.append("[2001:db8::1]:%d" % self.port)
        text = conf(self.port, self.up.port, extra="transparent on").replace("127.0.0.1:%d" % self.port, " ".join(addresses))
        weir = self.start(text)
        for address in addresses:
            self.assertIn("listening listener=mx address=" + address, weir.log())
        other = self.start(text.replace("transparent on", ""), ready=False)
        self.ends(other, EX_UNAVAILABLE)

    def test_transparent_cannot_begin_without_the_capability(self):
        weir = self.start(conf(self.port, self.up.port, top="user nobody\n"))
        text = conf(self.port, self.up.port, top="user nobody\n")
        self.assertIn("an upstream with 'transparent on' needs CAP_NET_RAW: restart",
                      weir.reload(text.replace("upstream pf {", "upstream pf { transparent on\n ")))
        line = weir.reload(conf([self.port, free_port()], self.up.port, top="user nobody\n").replace(
            "listen mx {", "listen mx { transparent on\n "))
        self.assertRegex(line, r"reload-failed errors=1 gen=1 .*(CAP_NET_ADMIN or CAP_NET_RAW|which an open socket cannot)")
        self.assertEqual(self.client().ehlo().code, 250)

    def test_files_that_only_root_can_read_are_told(self):
        files = harness.temp_dir("tls")
        paths = [os.path.join(files, name) for name in ("mx.pem", "mx.key")]
        made = harness.run([harness.tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-days", "90", "-subj", "/CN=mx.example.test", "-out", paths[0], "-keyout", paths[1]])
        self.assertEqual(made.returncode, 0, harness.describe(made))
        os.chmod(paths[1], 0o600)
        weir = self.start(conf(self.port, self.up.port, top="user nobody\n",
                               extra="tls starttls\n  certificate %s %s" % tuple(paths)))
        self.assertRegex(weir.log(), r"problem text=\"this file was read by root,[^\"]*\" listener=mx file=%s" % paths[1])
        self.assertEqual(len(re.findall(r"this file was read by root", weir.log())), 1)

    def test_missing_account_is_an_error_with_advice(self):
        weir = self.start(conf(self.port, self.up.port, top="user no-such-user\n"), ready=False)
        self.ends(weir, EX_NOUSER)
        self.assertIn("to run as user 'no-such-user': there is no such account", weir.log())
        self.assertIn("useradd --system", weir.log())
        self.assertFalse(accepts(self.port))

    def test_staying_root_is_warned_of(self):
        self.assertIn("warning: running as root", self.start(conf(self.port, self.up.port)).log())


class Reload(Case):
    def test_new_sessions_take_the_new_set_and_open_ones_keep_theirs(self):
        weir = self.start()
        old = self.client()
        self.assertTrue(any("SIZE" in line for line in old.ehlo().lines))
        self.assertIn("reloaded gen=2 listeners=1 warnings=0",
                      weir.reload(conf(self.port, self.up.port, extra="max-message-size 1000")))
        new = self.client()
        self.assertIn("SIZE 1000", new.ehlo().lines)
        self.assertNotIn("SIZE 1000", old.ehlo().lines)
        for client in (old, new):
            client.cmd("MAIL FROM:<a@example.net>", 250)
            client.cmd("QUIT", 221)

    def test_any_error_keeps_the_old_set(self):
        weir = self.start()
        start = len(weir.log())
        line = weir.reload(conf(self.port, self.up.port, extra="max-hops 0\n  adress x"))
        self.assertIn("reload-failed errors=2 gen=1", line)
        said = weir.log()[start:]
        self.assertIn("error: unknown directive 'adress' in block 'listen'", said)
        self.assertIn("'max-hops' takes 1 to 10000", said)
        self.assertEqual(self.client().ehlo().code, 250)
        self.assertIn("reloaded gen=2", weir.reload(conf(self.port, self.up.port)))

    def test_listeners_come_and_go(self):
        weir = self.start()
        kept = self.client()
        other = free_port()
        self.assertIn("listeners=2", weir.reload(conf([self.port, other], self.up.port)))
        self.assertEqual(self.client(other).ehlo().code, 250)
        self.assertIn("listeners=1", weir.reload(conf(other, self.up.port)))
        wait_for(lambda: not accepts(self.port), 20, "old port closed")
        self.assertEqual(self.client(other).ehlo().code, 250)
        self.assertEqual(kept.ehlo().code, 250)  # its listener is gone, the session is not

    def test_a_kept_address_keeps_its_socket(self):
        weir = self.start()
        with open("/proc/net/tcp", encoding="ascii") as file:
            before = [l.split()[9] for l in file if l.split()[1].endswith(":%04X" % self.port) and l.split()[3] == "0A"]
        weir.reload()
        with open("/proc/net/tcp", encoding="ascii") as file:
            after = [l.split()[9] for l in file if l.split()[1].endswith(":%04X" % self.port) and l.split()[3] == "0A"]
        self.assertEqual(before, after)

    def test_an_address_that_cannot_be_had_fails_the_whole_reload(self):
        weir = self.start()
        busy, free = free_port(), free_port()
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", busy))
            holder.listen()
            line = weir.reload(conf([free, busy], self.up.port, extra="max-message-size 1000"))
        self.assertIn("reload-failed errors=1 gen=1", line)
        self.assertIn("cannot listen on 127.0.0.1:%d" % busy, line)
        self.assertFalse(accepts(free))  # what had been opened is closed again
        self.assertNotIn("SIZE 1000", self.client().ehlo().lines)

    def test_what_needs_a_restart_is_said(self):
        weir = self.start()
        self.assertIn("'spool-dir' was changed: it takes effect at a restart",
                      weir.reload(conf(self.port, self.up.port, top="spool-dir /tmp\n")))

    def test_a_changed_resolver_needs_a_restart(self):
        weir = self.start()
        self.assertIn("'resolver' was changed: it takes effect at a restart",
                      weir.reload(conf(self.port, self.up.port, top="resolver { nameserver 127.0.0.1:1 }\n")))
        self.assertIn("'resolver' was changed: it takes effect at a restart",
                      weir.reload(conf(self.port, self.up.port, top="resolver { timeout 3s }\n")))
        self.assertNotIn("resolver", weir.reload(conf(self.port, self.up.port)))

    def test_many_reloads_leave_nothing_behind(self):
        weir = self.start()
        weir.reload()
        before = weir.descriptors()
        for i in range(20):
            self.assertIn("reloaded gen=%d " % (i + 3), weir.reload())
        wait_for(lambda: weir.descriptors() == before, 20, lambda: "%s descriptors, not %s" % (weir.descriptors(), before))
        weir.signal(signal.SIGTERM)
        self.ends(weir)

    def test_log_file_is_opened_anew(self):
        directory = harness.temp_dir("log")
        path = directory + "/weir.log"
        weir = self.start(conf(self.port, self.up.port, top="log file %s\n" % path))

        def text(name):
            if not os.path.exists(name):
                return ""
            with open(name, encoding="utf-8") as file:
                return file.read()
        self.assertIn("started version=", text(path))
        os.rename(path, path + ".1")
        weir.signal(signal.SIGHUP)
        wait_for(lambda: "reloaded gen=2" in text(path), 20, "the new log file")
        self.assertNotIn("reloaded", text(path + ".1"))


class End(Case):
    def test_idle_session_is_told_and_the_process_ends(self):
        weir = self.start()
        idle = self.client()
        idle.ehlo()
        weir.signal(signal.SIGTERM)
        self.assertEqual(idle.expect(421).dsn, "4.3.2")
        self.assertTrue(idle.at_end())
        self.ends(weir)
        self.assertRegex(weir.log(), r"draining sessions=1 timeout=30\.000")

    def test_a_transaction_comes_to_its_end(self):
        weir = self.start()
        client = self.client()
        client.ehlo()
        client.cmd("MAIL FROM:<a@example.net>", 250)
        client.cmd("RCPT TO:<b@example.test>", 250)
        weir.signal(signal.SIGTERM)
        weir.wait_log("draining")
        wait_for(lambda: not accepts(self.port), 20, "no new connections")
        client.cmd("DATA", 354)
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        client.expect(250)
        client.expect(421)
        self.ends(weir)
        self.assertEqual(len(self.up.stored()), 1)

    def test_drain_time_is_bounded(self):
        weir = self.start(conf(self.port, self.up.port, top="drain-timeout 1s\n"))
        client = self.client()
        client.ehlo()
        client.cmd("MAIL FROM:<a@example.net>", 250)
        begun = time.monotonic()
        weir.signal(signal.SIGTERM)
        client.expect(421)
        self.assertGreater(time.monotonic() - begun, 0.9)
        self.ends(weir)

    def test_second_signal_ends_it_now(self):
        weir = self.start()
        client = self.client()
        client.ehlo()
        client.cmd("MAIL FROM:<a@example.net>", 250)
        weir.signal(signal.SIGINT)
        weir.wait_log("draining")
        begun = time.monotonic()
        weir.signal(signal.SIGTERM)
        client.expect(421)
        self.ends(weir)
        self.assertLess(time.monotonic() - begun, 25)  # of 30

    def test_hung_upstream_does_not_hold_it(self):
        up = FakeUpstream({"DOT": HANG})
        self.addCleanup(up.stop)
        weir = self.start(conf(self.port, up.port, top="drain-timeout 1s\n"))
        client = self.client()
        client.ehlo()
        client.cmd("MAIL FROM:<a@example.net>", 250)
        client.cmd("RCPT TO:<b@example.test>", 250)
        client.cmd("DATA", 354)
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        time.sleep(0.2)
        weir.signal(signal.SIGTERM)
        reply = client.reply()
        self.assertTrue(reply is None or reply.code // 100 == 4, reply)  # never a 2xx that the upstream did not give
        self.ends(weir)

    def test_hup_while_draining_is_nothing(self):
        weir = self.start()
        client = self.client()
        client.ehlo()
        client.cmd("MAIL FROM:<a@example.net>", 250)
        weir.signal(signal.SIGTERM)
        weir.wait_log("draining")
        weir.signal(signal.SIGHUP)
        client.cmd("RSET", 250)
        self.ends(weir)
        self.assertNotIn("reloaded", weir.log())


class Signals(Case):
    def test_usr1_writes_counters(self):
        weir = self.start()
        client = self.client()
        client.ehlo()
        client.cmd("QUIT", 221)
        weir.wait_log("session end=quit")
        weir.signal(signal.SIGUSR1)
        weir.wait_log(r"counter name=sessions\.total value=1$")
        weir.wait_log(r"counter name=messages\.lost value=0$")
        weir.wait_log(r"counter name=dns\.queries value=\d+$")
        weir.wait_log(r"counter name=tls\.client\.handshakes value=0$")

    def test_service_manager_is_told(self):
        path = os.path.join(harness.temp_dir("notify"), "socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(20)
            weir = self.start(env={"NOTIFY_SOCKET": path})
            self.assertEqual(manager.recv(100), b"READY=1")
            weir.signal(signal.SIGHUP)
            self.assertTrue(manager.recv(100).startswith(b"RELOADING=1"))
            self.assertEqual(manager.recv(100), b"READY=1")
            weir.signal(signal.SIGTERM)
            self.assertEqual(manager.recv(100), b"STOPPING=1")


class Busy(Case):
    """Filters that have something to do without a session: from start() to close(), whatever happens to the configuration."""

    def start_busy(self, **options):
        # nobody answers there: each question fails after its time
        silent = "resolver { nameserver 127.0.0.1:%d\n timeout 100ms\n attempts 1\n cache 0 }\n" % free_port()
        self.path = os.path.join(harness.temp_dir("control"), "ctl")
        self.text = conf(self.port, self.up.port, top="control unix:%s\n" % self.path,
                         more="%sfilter b { module %s }\nchain c { b }" % (silent, os.environ["MW_BUSY"]), extra="chain c")
        return self.start(self.text, **options)

    def counts(self):
        lines = ask(self.path, "counters b.")
        return {line.split(" ")[0]: int(line.split(" ")[1]) for line in lines}

    def all_move(self):
        before = self.counts()
        names = ("b.ticks", "b.wakes", "b.answers", "b.jobs")
        wait_for(lambda: all(self.counts()[name] > before[name] for name in names), 30, lambda: "more than %s: %s" % (before, self.counts()))

    def test_services_work_while_it_serves(self):
        weir = self.start_busy()
        self.assertEqual(weir.log().count("busy-started filter=b"), 1)
        self.all_move()
        weir.signal(signal.SIGTERM)
        self.ends(weir)
        self.assertEqual(weir.log().count("busy-closed filter=b"), 1)

    def test_old_load_goes_on_until_its_last_session_ends(self):
        weir = self.start_busy()
        client = self.client()
        self.assertEqual(client.ehlo().code, 250)
        self.assertIn("reloaded gen=2", weir.reload())
        weir.wait_log(r"busy-started[^$]*busy-started filter=b$")
        self.all_move()
        self.assertNotIn("busy-closed", weir.log())
        client.quit()
        weir.wait_log(r"busy-closed filter=b$")
        self.all_move()
        for generation in range(3, 13):  # with questions, jobs and alarms of each under way
            self.assertIn("reloaded gen=%d" % generation, weir.reload())
        self.all_move()
        weir.signal(signal.SIGTERM)
        self.ends(weir)
        self.assertEqual(weir.log().count("busy-started"), 12)
        self.assertEqual(weir.log().count("busy-closed"), 12)

    def test_failed_reload_starts_nothing(self):
        weir = self.start_busy()
        self.assertIn("reload-failed", weir.reload(self.text + "nonsense\n"))
        self.assertEqual(weir.log().count("busy-started"), 1)
        self.all_move()

    def test_check_does_not_start_filters(self):
        weir = self.start_busy()
        result = harness.run([harness.MAILWEIR, "check", "-c", weir.conf])
        self.assertEqual(result.returncode, 0, harness.describe(result))
        self.assertNotIn(b"busy", result.stderr)


def ask(path, request):
    """The reply's lines to one request."""
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(30)
        control.connect(path)
        control.sendall(request.encode() + b"\n")
        octets = b""
        while not (octets == b".\n" or octets.endswith(b"\n.\n")):
            more = control.recv(65536)
            if not more:
                raise AssertionError("cut off: %r" % octets)
            octets += more
    return octets.decode().splitlines()[:-1]


class Control(Case):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(harness.temp_dir("control"), "ctl")
        self.text = conf(self.port, self.up.port, top="control unix:%s\n" % self.path)

    def test_requests(self):
        weir = self.start(self.text)
        self.assertEqual(os.stat(self.path).st_mode & 0o7777, 0o660)
        version = ask(self.path, "version")
        self.assertRegex(version[0], r"\Aversion \d+\.\d+\.\d+\Z")
        self.assertEqual(version[1:], ["pid %d" % weir.pid, "generation 1"])
        self.assertEqual(self.client().ehlo().code, 250)
        self.assertIn("sessions.open 1", ask(self.path, "counters"))
        self.assertEqual([line.split()[0] for line in ask(self.path, "counters octets.")], ["octets.in", "octets.out"])
        self.assertEqual(ask(self.path, "counters nosuch"), [])
        self.assertIn("counters", "".join(ask(self.path, "help")))
        self.assertEqual(ask(self.path, "conters"), ["error: unknown request 'conters': did you mean 'counters'?"])
        self.assertEqual(ask(self.path, "\x1b[31m"), ["error: unknown request '?[31m': help lists them"])
        self.assertEqual(ask(self.path, "version now"), ["error: 'version' takes nothing behind it"])
        weir.signal(signal.SIGTERM)
        self.ends(weir)
        self.assertFalse(os.path.exists(self.path))

    def test_reload_keeps_it(self):
        weir = self.start(self.text)
        inode = os.stat(self.path).st_ino
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(30)
            control.connect(self.path)
            self.assertIn("reloaded gen=2", weir.reload())
            control.sendall(b"version\n")
            self.assertIn(b"generation 2\n", control.recv(4096))
        self.assertEqual(os.stat(self.path).st_ino, inode)
        self.assertIn("'control' was changed: it takes effect at a restart",
                      weir.reload(self.text.replace("/ctl", "/other")))
        self.assertEqual(ask(self.path, "version")[2], "generation 3")
        self.assertFalse(os.path.exists(os.path.join(os.path.dirname(self.path), "other")))

    def test_living_process_keeps_its_socket(self):
        self.start(self.text)
        second = self.start(self.text.replace(str(self.port), str(free_port())), ready=False)
        self.ends(second, EX_CANTCREAT)
        self.assertIn("control unix:%s: another process listens there" % self.path, second.log())
        self.assertEqual(len(ask(self.path, "version")), 3)

    def test_dead_process_leaves_its_place(self):
        weir = self.start(self.text)
        weir.kill()
        self.assertTrue(os.path.exists(self.path))
        weir = self.start(self.text)
        self.assertEqual(ask(self.path, "version")[1], "pid %d" % weir.pid)

    def test_next_process_may_begin_while_this_one_drains(self):
        weir = self.start(self.text)
        client = self.client()
        client.ehlo()
        client.cmd("MAIL FROM:<a@example.net>")
        weir.signal(signal.SIGTERM)
        weir.wait_log(r"draining sessions=1")
        following = self.start(self.text)
        self.assertEqual(ask(self.path, "version")[1], "pid %d" % following.pid)
        client.quit()
        self.ends(weir)
        self.assertEqual(ask(self.path, "version")[1], "pid %d" % following.pid)  # its file was not removed

    def test_only_a_local_path_will_do(self):
        weir = self.start(self.text.replace("unix:" + self.path, "127.0.0.1:2526"), ready=False)
        self.ends(weir, EX_CONFIG)
        self.assertIn("the control socket is a local one", weir.log())


if __name__ == "__main__":
    harness.main()
