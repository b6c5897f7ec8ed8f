"""The field of a benchmark: sink, hops, and what their processes cost.

A Field starts one sink and, on demand, the hops in front of it. Everything it starts ends with it. Loopback only, ports
as the system gives them out.
"""
import os
import resource
import shutil
import socket
import subprocess
import time

# in the order of the tables
HOPS = ["direct", "haproxy", "empty", "rules", "spool"]
TITLES = {
    "direct": "none",
    "haproxy": "HAProxy",
    "empty": "mailweir, empty chain",
    "rules": "mailweir, limits + 20 rules",
    "spool": "mailweir, spool plan",
}
HAPROXY = """global
    nbthread 1
    maxconn {sessions}
defaults
    mode tcp
    timeout connect 5s
    timeout client 10m
    timeout server 10m
listen bench
    bind 127.0.0.1:{port}
    server sink 127.0.0.1:{sink}
"""
# no identity towards the sink: the dialogue is the same for all hops
MAILWEIR = """{user}
hostname mx.example.test
log file /dev/null
plugin-path {plugins}
listen bench {{
    address 127.0.0.1:{port}
    upstream sink
    max-sessions 20000
    {chain}
}}
upstream sink {{
    address 127.0.0.1:{sink}
    identity none
    max-connections 0
}}
"""
CHAINS = {
    "empty": "",
    "rules": """filter limits {{
    module limits
    max-recipients 1000
    max-messages 100000
    max-refused-in-a-row 20
}}
filter rules {{
    module rules
    files {bench}/rules/twenty.rules
}}
chain bench {{ limits rules }}
""",
    "spool": "filter endwant {{\n    module endwant\n}}\nchain bench {{ endwant }}\n",
}
BENCH = os.path.dirname(os.path.abspath(__file__))


def raise_file_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process, log):
    for _ in range(200):
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    with open(log, encoding="utf-8", errors="replace") as text:
        raise RuntimeError("a hop does not start: " + text.read())


def family(pid):
    """A process and its descendants."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name, encoding="utf-8", errors="replace") as stat:
                    parent = int(stat.read().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(name))
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return found


class Hop:
    """A process that mail goes through (or, for "direct", the sink itself)."""

    def __init__(self, name, process, port):
        self.name, self.process, self.port = name, process, port
        self.pids = family(process.pid)

    def cpu_us(self):
        """User and system time so far. The CPU clock of a process counts nanoseconds, and threads that have ended."""
        return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in self.pids) / 1000

    def memory_kib(self):
        """(RSS, PSS)"""
        rss = pss = 0
        for pid in self.pids:
            with open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as rollup:
                for line in rollup:
                    if line.startswith("Rss:"):
                        rss += int(line.split()[1])
                    elif line.startswith("Pss:"):
                        pss += int(line.split()[1])
        return rss, pss

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Field:
    def __init__(self, build_dir, work, nice=0, pin=True):
        self.build_dir, self.work, self.nice = build_dir, work, nice
        cpus = sorted(os.sched_getaffinity(0))
        self.hop_cpu, self.load_cpu = cpus[0], cpus[-1]
        self.bound = (self.hop_cpu, self.load_cpu)
        self.running = []
        self.cpus = "%d-%d" % (cpus[0], cpus[-1])
        self.is_pinned = pin and len(cpus) > 1 and shutil.which("taskset") is not None
        self.sink = self._start_sink()
        self.hops = {}

    # -- processes --

    def free(self):
        """For one case: nothing that is started or used from now on is bound to a CPU."""
        self._bind(self.cpus, self.cpus)

    def bind(self):
        self._bind(self.hop_cpu, self.load_cpu)

    def _bind(self, hop_cpu, load_cpu):
        if not self.is_pinned:
            return
        self.bound = (hop_cpu, load_cpu)
        for hop in [self.sink] + list(self.hops.values()):
            for pid in hop.pids:
                subprocess.run(["taskset", "-acp", str(load_cpu if hop is self.sink else hop_cpu), str(pid)],
                               stdout=subprocess.DEVNULL, check=True)

    def command(self, for_hop, argv):
        cpu = self.bound[0 if for_hop else 1]
        prefix = ["taskset", "-c", str(cpu)] if self.is_pinned else []
        return (["nice", "-n", str(self.nice)] if self.nice else []) + prefix + argv

    def tool(self, name):
        return os.path.join(self.build_dir, "bench", "bench_" + name)

    def _start_sink(self):
        process = subprocess.Popen(self.command(False, [self.tool("sink")]), stdout=subprocess.PIPE, text=True)
        self.running.append(process)
        port = int(process.stdout.readline().split()[1])
        return Hop("direct", process, port)

    def available(self, name):
        return name != "haproxy" or shutil.which("haproxy") is not None

    def start(self, name):
        """A fresh process of that kind of hop; the caller (or stop()) ends it."""
        if name == "direct":
            return self.sink
        port = free_port()
        stem = os.path.join(self.work, "%s-%d" % (name, port))
        config, log = stem + ".conf", stem + ".log"
        values = {"port": port, "sink": self.sink.port, "bench": BENCH}
        if name == "haproxy":
            # two descriptors a session and some of its own
            files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            text = HAPROXY.format(sessions=min(20000, files // 2 - 100), **values)
            argv = ["haproxy", "-db", "-f", config]
        else:
            text = MAILWEIR.format(plugins=os.path.join(self.build_dir, "bench"),
                                   user="user root" if os.geteuid() == 0 else "",
                                   chain="chain bench" if CHAINS[name] else "", **values)
            text += CHAINS[name].format(**values)
            argv = [os.path.join(self.build_dir, "mailweir"), "run", "-c", config]
        with open(config, "w", encoding="ascii") as out:
            out.write(text)
        with open(log, "wb") as out:
            process = subprocess.Popen(self.command(True, argv), stdout=out, stderr=out)
        self.running.append(process)
        wait_for(port, process, log)
        return Hop(name, process, port)

    def hop(self, name):
        """The one that serves all rounds."""
        if name not in self.hops:
            self.hops[name] = self.start(name)
        return self.hops[name]

    def stop(self):
        for process in self.running:
            if process.poll() is None:
                process.terminate()
        for process in self.running:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    # -- load --

    def load(self, hop, *options):
        """Run the generator; returns its figures. Raises RuntimeError if a message was not accepted."""
        argv = [self.tool("load"), "--port", str(hop.port)] + [str(option) for option in options]
        done = subprocess.run(self.command(False, argv), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    def park(self, hop, count, where):
        """Hold `count` sessions at EHLO or in the middle of DATA; ends with release()."""
        argv = [self.tool("load"), "--port", str(hop.port), "--sessions", "100", "--messages", str(count), "--park", where]
        process = subprocess.Popen(self.command(False, argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.running.append(process)
        words = process.stdout.readline().split()
        if len(words) != 4 or int(words[1]) != count:
            raise RuntimeError("only %s of %d sessions stand" % (words[1] if len(words) > 1 else "0", count))
        return process

    def release(self, process):
        process.stdin.close()
        words = process.stdout.read().split()
        process.stdout.close()
        process.wait(30)
        if len(words) != 4 or int(words[3]) != 0:
            raise RuntimeError("%s sessions were lost while they were held" % (words[3] if len(words) > 3 else "all"))
