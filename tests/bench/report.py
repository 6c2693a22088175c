"""The figures as tables for people."""
import os
import platform
import re
import subprocess

BEFORE = {  # measured before on Debian 12 with 2 cores
    "to-sip": "Kamailio and Prosody in place of ours: 150 us in a flood",
    "to-xmpp": "Kamailio and Prosody in place of ours: 265 us in a flood",
    "edge": "jabberd2's s2s process: 20 us",
    "idle": "Prosody 54 KB, ejabberd 76 KB",
    "login": "ejabberd: 2.9 ms",
}


def table(head, rows):
    """Markdown that is readable as it is."""
    rows = [head] + [[str(c) for c in r] for r in rows]
    widths = [max(len(r[i]) for r in rows) for i in range(len(head))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(r, widths)) + " |" for r in rows]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines) + "\n"


def ms(value):
    return "" if not value else "%.1f / %.1f" % (value["p50"] / 1000, value["p99"] / 1000)


def messages(figures):
    rows = []
    for name, f in figures.items():
        rows.append([name, f["both_us"], f["edge_us"], f.get("gateway_us", ""), f["load_us"], f["per_second"], ms(f["latency_us"]),
                     ms(f["response_us"]), "load is the bottleneck" if f["load_is_bottleneck"] else ""])
    return table(["", "us CPU", "edge", "gateway", "load", "a second", "ms p50 / p99", "answered ms", ""], rows)


def tables(figures):
    """One for each row that has columns of its own; those that share them stand together."""
    groups = {}
    for name, f in figures.items():
        groups.setdefault(tuple(f), {})[name] = f
    return "\n".join(plain(group) for group in groups.values())


def plain(figures):
    rows = [[name] + list(f.values()) for name, f in figures.items()]
    return table([""] + [key.replace("_", " ") for key in next(iter(figures.values()))], rows)


TITLES = {
    "to-sip": ("Messages, XMPP to SIP: CPU time a message", messages),
    "to-xmpp": ("Messages, SIP to XMPP: CPU time a message", messages),
    "edge": ("Edge alone: s2s in, frames out", messages),
    "chain": ("The floor: the same sockets and wake-ups without TLS, XML and SIP", plain),
    "idle": ("Memory of idle authenticated streams", plain),
    "login": ("CPU time of a new authenticated stream", plain),
    "micro": ("Instructions an operation", plain),
    "isolation": ("What others feel: p99 in ms, median of the pairs", plain),
    "panel": ("What messages feel of an attack on the panel: p99 in ms, median of the pairs", plain),
    "bounds": ("Those that do not take", plain),
    "subscriptions": ("Presence: 100,000 subscriptions of 10,000 users", tables),
    "contacts": ("A message where there are 100,000 contacts", plain),
    "sessions": ("A message in one of 20,000 open sessions, and what a session takes", tables),
    "sessions-counted": ("A message in a session, counted: instructions of the gateway, and lines of memory that are not in a cache of 1 MB", plain),
}


def text(results):
    out = []
    for name, figures in results.items():
        if name in TITLES:
            title, render = TITLES[name]
            before = "\nBefore: %s.\n" % BEFORE[name] if name in BEFORE else ""
            out.append("### %s\n%s\n%s" % (title, before, render(figures)))
    return "\n".join(out)


def _version(command, pattern):
    try:
        found = re.search(pattern, subprocess.run(command, capture_output=True, text=True, check=False).stdout)
        return found.group(0) if found else "?"
    except FileNotFoundError:
        return "?"


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = re.search(r"model name\s*: (.*)", f.read())
    libraries = ["%s %s" % (name, _version(["pkg-config", "--modversion", name], r"\S+")) for name in ("gnutls", "libuv", "libxml-2.0")]
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "compiler": _version(["gcc", "--version"], r"gcc .*"),
        "libraries": ", ".join(libraries),
        "load_average": round(os.getloadavg()[0], 1),
    }
