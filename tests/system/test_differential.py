#!/usr/bin/env python3
"""The same client script direct to Postfix and through mailweir (smtp.md, law 3): chain off; a chain that wants every stage and has no
opinion (spool plan); the same with verdicts that come late; one without body and end of message (stream plan). Replies, who closes, and
what is stored must be equal but for what differential/differences.txt lists, each with its reason.

  test_differential.py [GLOB ...]     only the scripts with these names, all transcripts shown
  MW_DIRECT=1                         every script is played direct in every way: proves that scripts and normalisation are sound
"""
import concurrent.futures
import fnmatch
import os
import re
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import differ  # noqa: E402
import harness  # noqa: E402
import postfix  # noqa: E402
import script  # noqa: E402
from dovecot_auth import DovecotAuth  # noqa: E402
from harness import block  # noqa: E402

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "differential")
WAYS = ("direct", "off", "spool", "late", "stream")
PARALLEL = 8        # sessions at a time
PARALLEL_LARGE = 2  # of them with more octets than
LARGE = 5_000_000
USERS = {b"alice": b"secret", b"user@example.test": b"p\xc3\xa4ss word"}

# Services of the one Postfix; every way of a script uses the same one. A stranger is whoever is not 127.0.0.1 itself, as all runs are.
COMMON = (" -o smtpd_authorized_xclient_hosts=127.0.0.1 -o smtpd_authorized_xforward_hosts=127.0.0.1 -o mynetworks=127.0.0.1"
          " -o smtpd_relay_restrictions=permit_sasl_authenticated,reject_unauth_destination")
SERVICES = {
    "main": " -o message_size_limit=1000000 -o smtpd_sasl_auth_enable=yes -o smtpd_sasl_type=dovecot"
            " -o smtpd_sasl_path=inet:127.0.0.1:{auth}",
    "big": "",
    "bare": " -o smtpd_discard_ehlo_keywords=pipelining,chunking,dsn,smtputf8,8bitmime,size,enhancedstatuscodes,vrfy,etrn"
            " -o smtpd_recipient_limit=5",
    "tls": " -o smtpd_tls_security_level=may -o smtpd_tls_auth_only=yes -o smtpd_tls_chain_files={tls}"
           " -o smtpd_sasl_auth_enable=yes -o smtpd_sasl_type=dovecot -o smtpd_sasl_path=inet:127.0.0.1:{auth}",
    "strict": " -o smtpd_helo_required=yes -o strict_rfc821_envelopes=yes -o disable_vrfy_command=yes -o smtpd_delay_reject=no"
              " -o smtpd_helo_restrictions=reject_invalid_helo_hostname,reject_non_fqdn_helo_hostname"
              " -o smtpd_sender_restrictions=reject_non_fqdn_sender -o smtpd_forbid_bare_newline=yes"
              " -o smtpd_forbid_bare_newline_exclusions= -o smtpd_forbid_unauth_pipelining=yes -o smtpd_hard_error_limit=5"
              " -o smtpd_error_sleep_time=0 -o smtpd_junk_command_limit=3",
}
LISTEN = ["max-errors 100000", "max-message-size 0", "auth always", "client-name off"]


# ---------------------------------------------------------------------------------------------- what the scripts run against

def make_certificate(directory):
    path = os.path.join(directory, "chain.pem")
    subprocess.run([harness.tool("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", path + ".key",
                    "-out", path + ".crt", "-subj", "/CN=mx.example.test", "-days", "2"], check=True, capture_output=True)
    with open(path, "w", encoding="ascii") as out:
        for part in (".key", ".crt"):
            with open(path + part, encoding="ascii") as file:
                out.write(file.read())
    return path


def start_postfix(auth):
    postfix.MESSAGE_LIMIT = 60_000_000
    values = {"auth": auth.port, "tls": make_certificate(harness.temp_dir("tls"))}
    return postfix.start(more=postfix.NOWHERE + "relay_domains = many.test\n",
                         services={name: COMMON + text.format(**values) for name, text in SERVICES.items()})


def build_filter():
    """The filter without an opinion, from mailweir's public header."""
    path = os.path.join(harness.temp_dir("mute"), "mute.so")
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", path, "-I",
                    os.path.join(harness.SOURCE_ROOT, "proxy", "include"), os.path.join(FOLDER, "mute.c")], check=True)
    return path


class Weir:
    """mailweir with a listener and an upstream for each service of Postfix."""

    def __init__(self, mta, name, filters="", chain=""):
        names = list(SERVICES)
        self.ports = {}
        files = {}
        for service in names[1:]:
            self.ports[service] = harness.free_port()
            files["50-%s.conf" % service] = (
                block("upstream " + service, ["address 127.0.0.1:%d" % mta.ports[service], "identity xclient"]) +
                block("listen " + service, ["address 127.0.0.1:%d" % self.ports[service], "upstream " + service,
                                            *(["chain inbound"] if chain else []), *LISTEN]))
        self.process = harness.Mailweir(mta.ports[names[0]], listen=LISTEN, upstream=["identity xclient"], filters=filters,
                                        chain=chain, files=files, top=("workers 1", "hostname weir.example.test"),
                                        name="mailweir-" + name)
        self.ports[names[0]] = self.process.port


def start_weirs(mta):
    mute = build_filter()
    common = ["module " + mute]
    return {"off": Weir(mta, "off"),
            "spool": Weir(mta, "spool", block("filter mute", common), "mute"),
            "late": Weir(mta, "late", block("filter mute", common + ["late on"]), "mute"),
            "stream": Weir(mta, "stream", block("filter mute", common + ["early on"]), "mute")}


# ---------------------------------------------------------------------------------------------- what was stored

def source_of(index, way):
    """The address that a run comes from: Postfix's log and mail tell the runs apart by it. All of one length."""
    return "127.%d.%d.%d" % (101 + WAYS.index(way), 100 + index // 100, 100 + index % 100)


class Stored:
    """What Postfix took, by the client's address: queue entries from its log, messages from the mailboxes."""

    def __init__(self, mta):
        self.by_source = {}
        self.source_of_id = {}
        self._read_log(mta.log())
        for user in postfix.USERS:
            new = os.path.join(mta.directory, "mail", user, "new")
            for name in sorted(os.listdir(new)) if os.path.isdir(new) else []:
                with open(os.path.join(new, name), "rb") as file:
                    self._add_mail(user, file.read())

    def of(self, source):
        return self.by_source.get(source, [])

    def _read_log(self, log):
        client, queued, to = {}, {}, {}
        for text in log.splitlines():
            if found := re.search(r"smtpd\[\d+\]: (\w+): client=\S*\[([\d.]+)\]((?:, sasl_\w+=[^,]*)*)", text):
                self.source_of_id[found[1]] = found[2]
                client[found[1]] = found[3]
            elif found := re.search(r"qmgr\[\d+\]: (\w+): (from=<.*>), size=(\d+), (nrcpt=\d+) \(queue active\)", text):
                queued[found[1]] = "%s, size=%d, %s" % (found[2], int(found[3]) - len(found[1]), found[4])
            elif found := re.search(r"bounce\[\d+\]: (\w+): sender .* notification: (\w+)", text):
                self.source_of_id[found[2]] = self.source_of_id.get(found[1], "")
            elif found := re.search(r": (\w+): (to=<.*>,.*? relay=\w+),.*(status=\w+)", text):
                to.setdefault(found[1], []).append(found[2] + ", " + found[3])
        for queue_id, text in queued.items():
            if queue_id in client:
                recipients = sorted(to.get(queue_id, []))
                shown = recipients if len(recipients) <= 10 else [differ.printable("".join(recipients).encode())]
                self._add(queue_id, "\n  ".join(["queued %s%s" % (text, client[queue_id]), *shown]))

    def _add(self, queue_id, text):
        self.by_source.setdefault(self.source_of_id.get(queue_id, "unknown"), []).append(text)

    def _add_mail(self, user, octets):
        head = octets.partition(b"\n\n")[0]
        ids = [i.decode() for i in re.findall(rb"(?m)^\s.*\bid (\w+)(?:;|$)|^Received: by \S+ \(Postfix\)\n?\s+id (\w+);", head)
               for i in i if i]
        ids += [i.decode() for i in re.findall(rb"(?m)^X-Postfix-Queue-ID: (\w+)", octets[:20000])]
        known = [i for i in ids if i in self.source_of_id]
        source = self.source_of_id[known[0]] if known else "unknown"
        self.by_source.setdefault(source, []).append(differ.same_mail(user, octets, source, ids))


# ---------------------------------------------------------------------------------------------- playing

def size_of(item):
    return sum(len(step[2]) for step in item.steps if step[1] == "send")


def play_all(chosen, ports):
    """(script, way) -> replies, what was sent, seconds. Eight sessions at a time, two of them with large messages."""
    def one(task):
        index, item, way = task
        source = source_of(index, way)
        began = time.monotonic()
        replies, sent = differ.play(item, ports[way][item.service], source)
        return (item.name, way), ([differ.same_reply(r, source) for r in replies], sent, time.monotonic() - began)

    tasks = sorted(((index, item, way) for index, item in chosen for way in WAYS), key=lambda task: -size_of(task[1]))
    large = [task for task in tasks if size_of(task[1]) > LARGE]
    small = tasks[len(large):]
    with concurrent.futures.ThreadPoolExecutor(PARALLEL_LARGE) as some, \
            concurrent.futures.ThreadPoolExecutor(PARALLEL - PARALLEL_LARGE) as most:
        return dict([*some.map(one, large), *most.map(one, small)])


class Report:
    """TAP: a line for each script; what differs stands behind it."""

    def __init__(self, count, is_verbose):
        print("1..%d" % count, flush=True)
        self.is_verbose = is_verbose
        self.number = 0
        self.failed, self.pending = [], []

    def script(self, item, outcomes, differences):
        self.number += 1
        failed, used, texts, shown = False, [], [], []
        if any(r.startswith("(nothing within") for r in outcomes["direct"].replies):
            failed, texts = True, ["#   the script waits for a reply that Postfix does not give"]
        for way in WAYS[1:]:
            problems, entries = differ.compare(item, way, outcomes["direct"], outcomes[way], differences)
            for entry in entries:
                entry.use(item, way)
            used += entries
            failed = failed or bool(problems)
            if not problems and not self.is_verbose:
                continue
            texts.append("# %s, %s: %s" % (item.where, way, "; ".join(problems) or "equal but for the differences listed"))
            if outcomes[way] in shown:
                texts.append("#   (as above)")
            else:
                shown.append(outcomes[way])
                texts.append(differ.side_by_side(outcomes["direct"], outcomes[way]))
        pending = sorted({e.name for e in used if e.section == "pending"})
        listed = sorted({e.name for e in used if e.section != "pending"})
        if failed:
            self.failed.append(item.name)
        elif pending:
            self.pending.append((item.name, pending))
        print("%s %d - %s%s%s" % ("not ok" if failed or pending else "ok", self.number, item.name,
                                  " # pending: " + ", ".join(pending) if pending else "",
                                  " # differs as listed: " + ", ".join(listed) if listed else ""), flush=True)
        for text in texts:
            print(text, flush=True)

    def line(self, name, problems):
        self.number += 1
        print("%s %d - %s" % ("not ok" if problems else "ok", self.number, name), flush=True)
        for problem in problems:
            print("#   " + problem, flush=True)
        if problems:
            self.failed.append(name)


def check_healthy(weirs):
    """Each mailweir ends in peace, without a word of a sanitizer."""
    problems = []
    for way, weir in weirs.items():
        try:
            weir.process.finish(unittest.TestCase())
        except AssertionError as error:
            problems.append("%s: %s" % (way, str(error).replace("\n", "\n#   ")))
    return problems


def main(globs):
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    everything = list(enumerate(script.read_folder(FOLDER)))
    chosen = [(i, s) for i, s in everything if not globs or any(fnmatch.fnmatchcase(s.name, g) for g in globs)]
    differences = [] if harness.DIRECT else differ.read_differences(os.path.join(FOLDER, "differences.txt"), WAYS[1:])
    began = time.monotonic()
    try:
        auth = DovecotAuth(USERS)
        mta = start_postfix(auth)
    except unittest.SkipTest as reason:
        print("1..0 # SKIP %s: the suite is skipped" % reason)
        return 0
    weirs = {} if harness.DIRECT else start_weirs(mta)
    ports = {way: weirs[way].ports if way in weirs else mta.ports for way in WAYS}
    replies = play_all(chosen, ports)
    played = time.monotonic() - began
    mta.settle(120.0)
    stored = Stored(mta)
    report = Report(len(chosen) + (0 if globs else 2), bool(globs))
    for index, item in chosen:
        outcomes = {way: differ.Outcome(replies[item.name, way][0], stored.of(source_of(index, way)), replies[item.name, way][1])
                    for way in WAYS}
        report.script(item, outcomes, differences)
    if not globs:
        report.line("every difference listed still occurs", [
            "%s: %s: not seen any more: %s" % (d.where, d.name, text) for d in differences
            for text in d.stale([s.name for _, s in everything])])
    if not globs:
        report.line("what Postfix stored belongs to a script", stored.of("unknown"))
    unhealthy = check_healthy(weirs)
    for problem in unhealthy:
        print("Bail out! " + problem)
    slowest = sorted(((t, key) for key, (_, _, t) in replies.items()), reverse=True)[:3]
    print("# %d scripts, %d ways, %d sessions; %d messages stored; %.0f s to play, %.0f s in all; slowest: %s"
          % (len(chosen), len(WAYS), len(replies), sum(map(len, stored.by_source.values())), played, time.monotonic() - began,
             ", ".join("%s %s %.1f s" % (*key, t) for t, key in slowest)))
    for name, entries in report.pending:
        print("# pending, to be decided: %s (%s)" % (name, ", ".join(entries)))
    if report.failed:
        print("# failed: " + " ".join(report.failed))
    return 1 if report.failed or report.pending or unhealthy else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
