"""The field of a benchmark: sink, hops, and what their processes cost.

A Field starts one sink and, on demand, the hops in front of it. Everything it starts ends with it. Loopback only, ports
as the system gives them out.
"""
import os
import resource
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system", "lib"))
from ports import free_port  # noqa: E402

# in the order of the tables; what begins with "tls-" has implicit TLS towards the client, and is in the clear behind
HOPS = ["direct", "haproxy", "nginx", "empty", "own", "rules", "rules100", "spool"]
TLS_HOPS = ["tls-haproxy", "tls-nginx", "tls-empty", "tls-own"]
TITLES = {
    "direct": "none",
    "haproxy": "HAProxy",
    "nginx": "nginx mail proxy",
    "empty": "mailweir, empty chain",
    "own": "mailweir, own greeting",
    "rules": "mailweir, limits + 20 rules",
    "rules100": "mailweir, limits + 100 rules on content",
    "spool": "mailweir, spool plan",
}
NGINX_MODULES = ["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules"]
HAPROXY = """global
    nbthread 1
    maxconn {sessions}
defaults
    mode tcp
    timeout connect 5s
    timeout client 10m
    timeout server 10m
listen bench
    bind 127.0.0.1:{port}{tls}
    server sink 127.0.0.1:{sink}
"""
# one worker
NGINX = """load_module {modules}/ngx_mail_module.so;
{user}
worker_processes 1;
worker_rlimit_nofile {files};
pid {stem}.pid;
error_log stderr error;
events {{
    worker_connections {connections};
}}
mail {{
    auth_http 127.0.0.1:{auth}/;
    server_name mx.example.test;
    resolver off;
    timeout 10m;
    proxy on;
    {buffers}
    xclient off;
    smtp_auth none;
    {certificate}
    server {{
        listen 127.0.0.1:{port}{tls};
        protocol smtp;
    }}
}}
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
    {tls}
    {chain}
}}
upstream sink {{
    address 127.0.0.1:{sink}
    identity none
    max-connections 0
    {banner}
}}
"""
LIMITS = """filter limits {{
    module limits
    max-recipients 1000
    max-messages 100000
    max-refused-in-a-row 20
}}
"""
CHAINS = {
    "empty": "",
    "own": "",
    "rules": LIMITS + """filter rules {{
    module rules
    files {bench}/rules/twenty.rules
}}
chain bench {{ limits rules }}
""",
    "rules100": LIMITS + """filter rules {{
    module rules
    files {bench}/rules/twenty.rules {bench}/rules/eighty.rules
}}
chain bench {{ limits rules }}
""",
    "spool": "filter endwant {{\n    module endwant\n}}\nchain bench {{ endwant }}\n",
}
BENCH = os.path.dirname(os.path.abspath(__file__))


def raise_file_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def first_line(argv):
    """Of what a program says about its version."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return (done.stdout or done.stderr).split("\n")[0].strip()
    except OSError:
        return ""


def base_of(name):
    return name[len("tls-"):] if name.startswith("tls-") else name


def title(name):
    return TITLES[base_of(name)] + (", TLS" if name.startswith("tls-") else "")


def nginx_modules():
    """Where the mail module is; None if it is not there."""
    return next((path for path in NGINX_MODULES if os.path.exists(os.path.join(path, "ngx_mail_module.so"))), None)


def make_certificate(work):
    """ECDSA P-256, signed by itself. Returns certificate, key, and the one file with both that HAProxy reads."""
    certificate, key, both = (os.path.join(work, name) for name in ("cert.pem", "key.pem", "both.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90",
                    "-subj", "/CN=mx.example.test", "-addext", "subjectAltName=DNS:mx.example.test",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    with open(both, "wb") as out:
        for name in (certificate, key):
            with open(name, "rb") as part:
                shutil.copyfileobj(part, out)
    return {"certificate": certificate, "key": key, "both": both}


def wait_for(port, process, log):
    for _ in range(1200):  # a minute: sanitizers, a busy machine
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
        self.is_tls = name.startswith("tls-")
        self.pids = family(process.pid)

    def cpu_us(self):
        """User and system time so far. The CPU clock of a process counts nanoseconds, and threads that have ended."""
        return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in self.pids) / 1000

    def memory_kib(self):
        """(RSS, PSS without the pages of files: who else has the same library open is not about us)"""
        rss = pss = 0
        for pid in self.pids:
            with open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as rollup:
                for line in rollup:
                    if line.startswith("Rss:"):
                        rss += int(line.split()[1])
                    elif line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                        pss += int(line.split()[1])
        return rss, pss

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
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
        self.sink, self.auth_port = self._start_sink()
        self.files = None  # of the certificate, made when the first needs them
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
        words = process.stdout.readline().split()
        return Hop("direct", process, int(words[1])), int(words[3])

    def available(self, name):
        if name.startswith("tls-") and shutil.which("openssl") is None:
            return False
        if base_of(name) == "nginx":
            return shutil.which("nginx") is not None and nginx_modules() is not None
        return base_of(name) != "haproxy" or shutil.which("haproxy") is not None

    def certificate(self):
        if self.files is None:
            self.files = make_certificate(self.work)
        return self.files

    # -- how each hop is set up: text of its configuration, command line --

    def _haproxy(self, config, values, tls):
        # two descriptors a session and some of its own
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        bind = " ssl crt " + tls["both"] if tls else ""
        text = HAPROXY.format(sessions=min(20000, files // 2 - 100), tls=bind, **values)
        return text, ["haproxy", "-db", "-f", config]

    def _nginx(self, config, values, tls, is_at_defaults):
        # with its own 4 KiB a message of 4 kB is two sends, of which Nagle's algorithm keeps the second back for 40 ms:
        # as large as HAProxy's then
        buffers = "" if is_at_defaults else "proxy_buffer 16k; smtp_client_buffer 16k;"
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        pair = "ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {certificate}; ssl_certificate_key {key};".format(**tls) if tls else ""
        text = NGINX.format(modules=nginx_modules(), user="user root;" if os.geteuid() == 0 else "", files=files,
                            connections=files - 100, stem=config, auth=self.auth_port, tls=" ssl" if tls else "",
                            certificate=pair, buffers=buffers, **values)
        return text, ["nginx", "-c", config, "-e", "stderr", "-p", self.work, "-g", "daemon off;"]

    def _mailweir(self, config, name, values, tls):
        pair = "tls implicit\n    certificate {certificate} {key}".format(**tls) if tls else ""
        text = MAILWEIR.format(plugins=os.path.join(self.build_dir, "bench"),
                               user="user root" if os.geteuid() == 0 else "", tls=pair,
                               chain="chain bench" if CHAINS[name] else "",
                               banner="banner own" if name == "own" else "", **values)
        text += CHAINS[name].format(**values)
        return text, [os.path.join(self.build_dir, "mailweir"), "run", "-c", config]

    def start(self, name, is_at_defaults=False):
        """A fresh process of that kind of hop; the caller (or stop()) ends it. At defaults: as small as it comes."""
        if name == "direct":
            return self.sink
        port = free_port()
        stem = os.path.join(self.work, "%s-%d" % (name, port))
        config = stem + ".conf"
        values = {"port": port, "sink": self.sink.port, "bench": BENCH}
        base, tls = base_of(name), self.certificate() if name.startswith("tls-") else None
        if base == "haproxy":
            text, argv = self._haproxy(config, values, tls)
        elif base == "nginx":
            text, argv = self._nginx(config, values, tls, is_at_defaults)
        else:
            text, argv = self._mailweir(config, base, values, tls)
        return self.launch(name, port, stem, text, argv)

    def launch(self, name, port, stem, text, argv):
        """Run `argv` with its configuration `text` in STEM.conf until it serves the port."""
        with open(stem + ".conf", "w", encoding="ascii") as out:
            out.write(text)
        log = stem + ".log"
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
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    # -- load --

    def _load_command(self, hop, options):
        tls = ["--tls", "1.3"] if hop.is_tls and "--tls" not in options else []
        argv = [self.tool("load"), "--port", str(hop.port)] + tls + [str(option) for option in options]
        return self.command(False, argv)

    def load(self, hop, *options):
        """Run the generator; returns its figures. Raises RuntimeError if a message was not accepted."""
        done = subprocess.run(self._load_command(hop, options), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    def park(self, hop, count, where):
        """Hold `count` sessions at EHLO or in the middle of DATA; ends with release()."""
        argv = self._load_command(hop, ["--sessions", 100, "--messages", count, "--park", where])
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
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
