"""Figures to Markdown."""
import statistics

import cases
from hops import HOPS, TLS_HOPS, base_of, title


def median(rows, key):
    values = [row[key] for row in rows if row is not None]
    return statistics.median(values) if values else None


def ratio(rows, reference, key):
    """Median of the ratios round by round: what disturbs both sides of a round cancels out."""
    pairs = [row[key] / other[key] for row, other in zip(rows, reference)
             if row is not None and other is not None and other[key] > 0]
    return statistics.median(pairs) if pairs else None


def number(value, form="%.2f"):
    return "-" if value is None else form % value


def result(value, target):
    if target is None:
        return "", ""
    limit = "≤ %.2g" % target if target < 10 else "≤ %.0f" % target
    return limit, "failed" if value is None else "met" if round(value, 2) <= target else "missed"


def table(head, lines):
    out = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return out + ["| " + " | ".join(line) + " |" for line in lines]


# ---- CPU ----

def cpu_lines(figures):
    known = dict(cases.CPU_CASES, **cases.SOURCE_CASES, **cases.TLS_CASES)
    for name, rows in figures["rows"].items():
        if name not in known:
            continue
        reference = rows.get("haproxy") or rows.get("tls-haproxy", [])
        for hop in HOPS + TLS_HOPS:
            if hop not in rows:
                continue
            share = ratio(rows[hop], reference, "cpu_us") if hop != "direct" else None
            limit, verdict = result(share, known[name].get("targets", {}).get(hop))
            calls = figures["calls"].get(name, {}).get(hop)
            cpu = median(rows[hop], "cpu_us") if hop != "direct" else None
            yield [known[name]["title"], title(hop), number(median(rows[hop], "rate"), "%.0f"), number(cpu, "%.1f"),
                   number(calls, "%.1f"), number(share), limit, verdict]


# ---- handshakes ----

def shake_lines(figures):
    plain = figures["rows"].get("connect", {})
    for name, case in cases.SHAKE_CASES.items():
        rows = figures["rows"].get(name, {})
        for hop in case["hops"]:
            if hop not in rows:
                continue
            is_tls = hop in TLS_HOPS
            cpu = median(rows[hop], "cpu_us")
            base = median(plain.get(base_of(hop), []), "cpu_us") if is_tls else None
            share = ratio(rows[hop], rows.get("tls-haproxy" if is_tls else "haproxy", []), "cpu_us")
            yield [case["title"], title(hop), number(median(rows[hop], "rate"), "%.0f"), number(cpu, "%.1f"),
                   number(1e6 / cpu if cpu else None, "%.0f"),
                   number(cpu - base if cpu is not None and base is not None else None, "%.1f"), number(share)]


# ---- latency ----

def added(rows, direct, key):
    pairs = [row[key] - base[key] for row, base in zip(rows, direct) if row is not None and base is not None]
    return statistics.median(pairs) if pairs else None


def latency_lines(figures):
    for name, case in cases.LATENCY_CASES.items():
        rows = figures["rows"].get(name)
        if rows is None:
            continue
        direct = rows["direct"]
        base = added(rows["haproxy"], direct, "p50_us")
        for hop in cases.LATENCY_HOPS:
            p50, p99 = (added(rows[hop], direct, key) for key in ("p50_us", "p99_us"))
            share = p50 / base if hop != "direct" and p50 is not None and base else None
            limit, verdict = result(share, case["target"] if hop == "empty" else None)
            yield [case["title"], title(hop), number(median(rows[hop], "p50_us"), "%.0f"),
                   number(median(rows[hop], "p99_us"), "%.0f")] + \
                  ([number(p50, "%.0f"), number(p99, "%.0f")] if hop != "direct" else ["", ""]) + \
                  [number(share), limit, verdict]


# ---- memory ----

WHERE = {"ehlo": "idle behind EHLO", "data": "stalled in DATA behind the header"}


def memory_lines(figures):
    for where, text in WHERE.items():
        for row in figures["memory"]:
            if row["where"] != where:
                continue
            target = cases.MEMORY_TARGET_KIB if row["hop"] == "empty" else None
            limit, verdict = result(row["session_kib"], target)
            yield [text, title(row["hop"]), "%d" % row["count"], "%.1f" % (row["rss_kib"] / 1024),
                   "%.2f" % row["session_kib"], limit, verdict]


def missed(figures):
    lines = list(cpu_lines(figures)) + list(latency_lines(figures)) + list(memory_lines(figures))
    return [line for line in lines if line[-1] in ("missed", "failed")]


def markdown(figures):
    machine = figures["machine"]
    out = ["%s, %d cores (%s), kernel %s; %s; %s; %s; %s. %d rounds; load average %.1f before, %.1f behind.%s" % (
        machine["system"], machine["cores"], machine["cpu"], machine["kernel"], machine["mailweir"], machine["haproxy"],
        machine["nginx"], machine["openssl"],
        figures["rounds"], *figures["load"],
        "" if machine["pinned"] else " Not pinned: one CPU for everything.")]
    sections = [
        ("CPU time of the hop", ["load", "hop", "messages/s", "CPU µs a message", "system calls a message", "to HAProxy",
                                 "target", ""], cpu_lines),
        ("Handshakes: connect, handshake, greeting, close",
         ["handshake", "hop", "sessions/s", "CPU µs a session", "sessions a CPU second", "of it TLS, µs", "to HAProxy"],
         shake_lines),
        ("Latency of a message, µs (4 kB, MAIL to the final 250)",
         ["load", "hop", "p50", "p99", "p50 added", "p99 added", "p50 added, to HAProxy", "target", ""], latency_lines),
        ("Memory", ["sessions", "hop", "number", "RSS MiB", "PSS KiB a session", "target", ""], memory_lines),
    ]
    for title, head, lines in sections:
        rows = list(lines(figures))
        if rows:
            out += ["", "### " + title, ""] + table(head, rows)
    for failure in figures["failures"]:
        out += ["", "FAILED: %(case)s, %(hop)s: %(problem)s" % failure]
    return "\n".join(out)
