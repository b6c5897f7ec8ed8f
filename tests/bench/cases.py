"""The cases of the benchmark, and how each is run."""
import json
import os
import platform
import shutil
import subprocess
import time

from hops import HOPS, TLS_HOPS, first_line, nginx_modules

KIB, MIB = 1024, 1024 * 1024

# Load of a case: sessions at a time, messages a round, messages a session, octets; one line in `dots` begins with a dot;
# `free`: nobody has a CPU of his own; `hops`: other ones than usual. Targets: CPU a message, to HAProxy's.
CPU_CASES = {
    "4k-1": {"title": "4 kB, 1 message a session", "sessions": 100, "messages": 1500, "per": 1, "size": 4 * KIB,
             "targets": {"empty": 1.1, "rules": 1.3}},
    "4k-100": {"title": "4 kB, 100 messages a session", "sessions": 100, "messages": 5000, "per": 100, "size": 4 * KIB,
               "targets": {"empty": 1.1, "rules": 1.3}},
    "rules-100": {"title": "4 kB, 100 messages a session", "sessions": 100, "messages": 5000, "per": 100, "size": 4 * KIB,
                  "hops": ["direct", "haproxy", "empty", "rules", "rules100"], "targets": {"empty": 1.1, "rules": 1.3, "rules100": 1.5}},
    "64k": {"title": "64 kB, 10 messages a session", "sessions": 100, "messages": 2000, "per": 10, "size": 64 * KIB,
            "targets": {"empty": 0.9}},
    "5m": {"title": "5 MB, 10 sessions", "sessions": 10, "messages": 60, "per": 3, "size": 5 * MIB,
           "targets": {"empty": 0.75, "spool": 1.0}},
    "5m-free": {"title": "5 MB, 10 sessions, CPUs shared", "sessions": 10, "messages": 60, "per": 3, "size": 5 * MIB,
                "free": True, "targets": {"empty": 0.75, "spool": 1.0}},
    "5m-dots": {"title": "5 MB, every 400th line dotted, CPUs shared", "sessions": 10, "messages": 60, "per": 3,
                "size": 5 * MIB, "dots": 400, "free": True, "targets": {}},
}
PLAIN_HOPS = ["direct", "haproxy", "empty", "rules", "spool"]
# implicit TLS 1.3 towards the client, the upstream in the clear; each session begins with a full handshake
TLS_CASES = {
    "tls-4k-1": {"title": "TLS, 4 kB, 1 message a session", "sessions": 100, "messages": 1000, "per": 1, "size": 4 * KIB,
                 "targets": {}},
    "tls-4k-100": {"title": "TLS, 4 kB, 100 messages a session", "sessions": 100, "messages": 5000, "per": 100,
                   "size": 4 * KIB, "targets": {}},
    "tls-5m": {"title": "TLS, 5 MB, 10 sessions", "sessions": 10, "messages": 60, "per": 3, "size": 5 * MIB,
               "targets": {}},
}
TLS_MESSAGE_HOPS = ["tls-haproxy", "tls-nginx", "tls-empty"]
# connect, handshake, greeting, close; "connect" is the same in the clear, to be taken off. `resumes`: with a ticket
SHAKE_CASES = {
    "connect": {"title": "no TLS", "hops": ["haproxy", "nginx", "empty", "own"], "options": []},
    "shake-13": {"title": "TLS 1.3, full", "hops": TLS_HOPS, "options": ["--tls", "1.3"]},
    "shake-13-resumed": {"title": "TLS 1.3, resumed", "hops": TLS_HOPS, "options": ["--tls", "1.3", "--resume"],
                         "resumes": True},
    "shake-12": {"title": "TLS 1.2, full", "hops": TLS_HOPS, "options": ["--tls", "1.2"]},
    "shake-12-resumed": {"title": "TLS 1.2, resumed", "hops": TLS_HOPS, "options": ["--tls", "1.2", "--resume"],
                         "resumes": True},
}
SHAKES = 1500  # a round
# the same with Postfix's generator, as a check on ours
SOURCE_CASES = {
    "source-1": {"title": "smtp-source, 4 kB, 1 message a session", "options": [], "messages": 1500},
    "source-100": {"title": "smtp-source, 4 kB, kept sessions", "options": ["-d"], "messages": 5000},
}
LATENCY_CASES = {
    "latency-1": {"title": "1 session", "sessions": 1, "messages": 300, "per": 100, "target": 1.2},
    "latency-10": {"title": "10 sessions", "sessions": 10, "messages": 1500, "per": 50, "target": 1.2},
}
LATENCY_HOPS = ["direct", "haproxy", "empty", "rules"]
MEMORY_HOPS = ["haproxy", "nginx", "empty", "own", "rules"] + TLS_HOPS
MEMORY_TARGET_KIB = 3.3
NAMES = list(CPU_CASES) + list(LATENCY_CASES) + list(SOURCE_CASES) + list(TLS_CASES) + list(SHAKE_CASES) + ["memory"]


def load_options(case):
    return ["--sessions", case["sessions"], "--messages", case["messages"], "--per-session", case["per"],
            "--size", case.get("size", 4 * KIB)] + (["--dots", case["dots"]] if "dots" in case else []) + \
        (["--message", case["message"]] if "message" in case else [])


def in_turn(names, number):
    """Nobody is always the first, or always behind the same one."""
    shift = number % len(names)
    turned = names[shift:] + names[:shift]
    return turned if number % 2 == 0 else turned[::-1]


# ---- one run of one load ----

def measure(field, hop, case):
    before = hop.cpu_us()
    figures = json.loads(field.load(hop, *load_options(case)))
    time.sleep(0.02)  # the last sessions are being closed
    figures["cpu_us"] = (hop.cpu_us() - before) / figures["accepted"]
    figures["rate"] = figures["accepted"] / figures["seconds"]
    return figures


def measure_shakes(field, hop, case):
    before = hop.cpu_us()
    figures = json.loads(field.load(hop, "--sessions", 50, "--messages", SHAKES, "--connect-only", *case["options"]))
    time.sleep(0.1)  # so are the last sessions
    share = figures["resumed"] / SHAKES
    if hop.is_tls and not (share > 0.9 if case.get("resumes") else share == 0):
        raise RuntimeError("%d of %d handshakes resumed a session" % (figures["resumed"], SHAKES))
    figures["cpu_us"] = (hop.cpu_us() - before) / SHAKES
    figures["rate"] = SHAKES / figures["seconds"]
    return figures


def measure_source(field, hop, case):
    argv = ["smtp-source", "-s", "100", "-m", str(case["messages"]), "-l", "4096"] + case["options"]
    argv += ["-M", "client.example.net", "-f", "sender@example.net", "-t", "recipient@example.com", "inet:127.0.0.1:%d" % hop.port]
    before, begun = hop.cpu_us(), time.monotonic()
    done = subprocess.run(field.command(False, argv), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    seconds = time.monotonic() - begun
    time.sleep(0.02)
    return {"cpu_us": (hop.cpu_us() - before) / case["messages"], "rate": case["messages"] / seconds}


def count_calls(field, hop, case):
    """System calls a message, counted by perf (root); None where it is not there."""
    if shutil.which("perf") is None or hop.name == "direct":
        return None
    with open(os.path.join(field.work, "calls"), "w+", encoding="ascii") as out:
        perf = subprocess.Popen(["perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter",
                                 "-p", ",".join(map(str, hop.pids))], stderr=out, stdout=subprocess.DEVNULL)
        time.sleep(0.3)
        try:
            field.load(hop, *load_options(case))
            time.sleep(0.05)
        finally:
            if perf.poll() is None:
                perf.send_signal(2)
            perf.wait()
        out.seek(0)
        for line in out:
            fields = line.split(",")
            if "raw_syscalls:sys_enter" in fields and fields[0].isdigit():
                return int(fields[0]) / case["messages"]
    return None


# ---- cases ----

class Run:
    """All figures of one run of the benchmark: {case: {hop: [one dict a round]}} and what went wrong."""

    def __init__(self, field, rounds, say):
        self.field, self.rounds, self.say = field, rounds, say
        self.rows, self.calls, self.memory, self.failures = {}, {}, [], []

    def guarded(self, case, hop, function, *arguments):
        try:
            return function(*arguments)
        except (RuntimeError, ValueError, subprocess.SubprocessError) as problem:
            self.failures.append({"case": case, "hop": hop, "problem": str(problem)})
            self.say("%s, %s: FAILED: %s" % (case, hop, problem))
            return None

    def rounds_of(self, name, case, names, function):
        self.say("%s: %d rounds" % (name, self.rounds))
        rows = self.rows[name] = {hop: [] for hop in names}
        broken = set()
        for hop in names:  # what is set up once is not part of the figures
            if self.guarded(name, hop, function, self.field, self.field.hop(hop), case) is None:
                broken.add(hop)
        for number in range(self.rounds):
            for hop in in_turn(names, number):
                if hop in broken:
                    continue
                figures = self.guarded(name, hop, function, self.field, self.field.hop(hop), case)
                rows[hop].append(figures)
                if figures is None:
                    broken.add(hop)

    def cpu_case(self, name, case, names):
        names = [hop for hop in names if self.field.available(hop)]
        if case.get("free"):
            self.field.free()
        self.rounds_of(name, case, names, measure)
        self.field.bind()
        self.calls[name] = {hop: self.guarded(name, hop, count_calls, self.field, self.field.hop(hop), case)
                            for hop in names if self.rows[name][hop]}

    def memory_case(self, counts):
        for name in [name for name in MEMORY_HOPS if self.field.available(name)]:
            for where in ("ehlo", "data"):
                for count in counts:
                    self.say("memory: %s, %d sessions, %s" % (name, count, where))
                    row = self.guarded("memory", name, hold, self.field, name, count, where)
                    if row is not None:
                        self.memory.append(row)


def hold(field, name, count, where):
    """Memory of `count` held sessions over what the same process had when it had served some."""
    hop = field.start(name, is_at_defaults=True)
    try:
        field.load(hop, "--sessions", 20, "--messages", 200, "--per-session", 5)
        time.sleep(0.3)
        _, pss_before = hop.memory_kib()
        held = field.park(hop, count, where)
        time.sleep(2)
        rss, pss = hop.memory_kib()
        field.release(held)
    finally:
        hop.stop()
    return {"hop": name, "where": where, "count": count, "rss_kib": rss, "pss_kib": pss,
            "session_kib": (pss - pss_before) / count}


def machine(field):
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as info:
        model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), platform.machine())
    with open("/etc/os-release", encoding="utf-8") as release:
        system = next((line.split("=", 1)[1].strip().strip('"') for line in release if line.startswith("PRETTY_NAME")), "")
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release().split("-")[0], "system": system,
            "haproxy": first_line(["haproxy", "-v"]), "nginx": first_line(["nginx", "-v"]) if nginx_modules() else "no nginx",
            "openssl": first_line(["openssl", "version"]), "pinned": field.is_pinned,
            "mailweir": first_line([os.path.join(field.build_dir, "mailweir"), "version"])}


def run_all(field, options, say):
    chosen = options.only or NAMES
    rounds = options.rounds or (3 if options.quick else 15)
    run = Run(field, rounds, say)
    load_before = os.getloadavg()[0]
    for name in chosen:
        if name in CPU_CASES:
            run.cpu_case(name, CPU_CASES[name], CPU_CASES[name].get("hops", PLAIN_HOPS))
        elif name in TLS_CASES:
            run.cpu_case(name, TLS_CASES[name], TLS_MESSAGE_HOPS)
        elif name in SHAKE_CASES:
            case = SHAKE_CASES[name]
            run.rounds_of(name, case, [hop for hop in case["hops"] if field.available(hop)], measure_shakes)
        elif name in LATENCY_CASES:
            run.rounds_of(name, LATENCY_CASES[name], LATENCY_HOPS, measure)
        elif name in SOURCE_CASES:
            run.rounds_of(name, SOURCE_CASES[name], ["haproxy", "empty", "rules"], measure_source)
        else:
            run.memory_case([1000] if options.quick else [1000, 9000])
    return {"machine": machine(field), "rounds": rounds, "rows": run.rows, "calls": run.calls, "memory": run.memory,
            "failures": run.failures, "load": [load_before, os.getloadavg()[0]]}


# ---- the smoke test: every tool once, and the books balance ----

def smoke_shakes(field, name):
    """Full and resumed handshakes of both versions; returns how many sessions there were."""
    for version in ("1.2", "1.3"):
        figures = json.loads(field.load(field.hop(name), "--messages", 10, "--connect-only", "--tls", version))
        assert figures["accepted"] == figures["full"] == 10, figures
        assert figures["tls"].startswith("TLSv" + version), figures
        figures = json.loads(field.load(field.hop(name), "--messages", 10, "--connect-only", "--tls", version, "--resume"))
        assert (figures["full"], figures["resumed"]) == (1, 9), (name, figures)


def smoke(field):
    small = {"sessions": 5, "messages": 40, "per": 4, "size": 4 * KIB}
    large = {"sessions": 2, "messages": 2, "per": 1, "size": MIB, "dots": 10}
    names = [name for name in HOPS + TLS_HOPS if field.available(name)]
    expected = 0
    for name in names:
        hop = field.hop(name)
        for case in (small, large):
            figures = measure(field, hop, case)
            assert figures["accepted"] == case["messages"], figures
            assert 0 < figures["p50_us"] <= figures["p99_us"], figures
            assert figures["cpu_us"] > 0, figures
            assert bool(figures["tls"]) == hop.is_tls, figures
            expected += case["messages"]
        if hop.is_tls:
            smoke_shakes(field, name)
    for name in [name for name in ("empty", "tls-empty") if name in names]:
        for where in ("ehlo", "data"):
            row = hold(field, name, 20, where)
            assert row["rss_kib"] > 0 and row["count"] == 20, row
            expected += 200
    field.sink.process.terminate()
    counts = json.loads(field.sink.process.stdout.read())
    assert counts["messages"] == expected, (counts, expected)
    assert counts["octets"] > expected * 4 * KIB, counts
    print("ok: %d messages through %s" % (expected, ", ".join(names)))
    return 0
