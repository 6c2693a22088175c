"""A daemon under test: its process, its pages, its control socket, and a clean end without sanitizer reports."""
import functools
import json
import os
import re
import socket
import subprocess

from .http import http_get
from .proc import Process, clean_environment, wait_until

SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|ThreadSanitizer")
TSAN_SUPPRESSIONS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tsan.supp")
SANITIZER_ENV = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99",
                 "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
                 "TSAN_OPTIONS": "halt_on_error=0:exitcode=99:second_deadlock_stack=1:suppressions=" + TSAN_SUPPRESSIONS}
SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@functools.lru_cache(maxsize=None)
def stay_root(binary):
    """Arguments by which a daemon stays root where a test is: it would become the user of its service. Versions without that need none."""
    if os.geteuid() != 0:
        return ()
    usage = subprocess.run([binary, "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, env=clean_environment(**SANITIZER_ENV),
                           check=False).stdout
    return ("--user", "root") if "--user" in usage else ()


class Daemon:
    def __init__(self, name, binary, config, directory, http, netns=None):
        self.name, self.binary, self.config, self.dir, self.http, self.netns = name, binary, config, directory, http, netns
        self.socket = "%s/%s.sock" % (directory, name)
        self.process = None

    def start(self):
        self.process = Process(self.name, [self.binary, "-c", self.config, *stay_root(self.binary)], "%s/%s.log" % (self.dir, self.name),
                               self.netns, clean_environment(**SANITIZER_ENV))
        return self

    def wait_ready(self, timeout=20):
        wait_until("200 from %s's /readyz" % self.name, lambda: self.get("/readyz")[0] == 200, timeout, self.process)
        return self

    def get(self, path):
        return http_get(self.http[0], self.http[1], path)

    def samples(self):
        status, text = self.get("/metrics")
        assert status == 200, "%s: /metrics answers %d" % (self.name, status)
        for line in text.splitlines():
            m = SAMPLE.match(line)
            if m and not line.startswith("#"):
                yield m.group(1), dict(LABEL.findall(m.group(2) or "")), float(m.group(3))

    def metric(self, name, **labels):
        """Sum over the series that carry these labels; a label may be a set of values. What a gateway repeats of an edge's is not its own."""
        def fits(have):
            return ("edge" in labels or "edge" not in have) and all(have.get(k) in v if isinstance(v, (set, frozenset)) else have.get(k) == v
                       for k, v in labels.items())
        return sum(value for n, have, value in self.samples() if n == name and fits(have))

    def ask(self, noun, verb="", **args):
        """One command on the control socket, without xfedctl between: the whole answer."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(self.socket)
            s.sendall(json.dumps({"noun": noun, "verb": verb, "args": args}).encode() + b"\n")
            with s.makefile("rb") as lines:
                return json.loads(lines.readline())

    def control(self, noun, verb="", **args):
        """The result of a command."""
        answer = self.ask(noun, verb, **args)
        assert answer.get("ok"), "%s: %s %s: %s" % (self.name, noun, verb, answer)
        return answer["result"]

    def ctl(self, tools, *words, as_json=False, check=True):
        """xfedctl on this daemon: its text or its JSON; with check=False (exit status, text)."""
        argv = [tools["xfedctl"], "--socket", self.socket] + (["--json"] if as_json else []) + list(words)
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
                              env=clean_environment(**SANITIZER_ENV), check=False)
        if not check:
            return done.returncode, done.stdout
        assert done.returncode == 0, "%s: exit %d: %s" % (" ".join(argv), done.returncode, done.stdout)
        return json.loads(done.stdout) if as_json else done.stdout

    def stop(self, timeout=20):
        """SIGTERM; the exit has to be clean, no sanitizer may have spoken, and no call have been missing in the sandbox's list."""
        if self.process is None:
            return
        process, self.process = self.process, None
        status = process.stop(timeout)
        reports = [i for i, line in enumerate(process.lines) if SANITIZER.search(line)]
        assert not reports, "%s: a sanitizer reports:\n%s" % (
            self.name, "\n".join(process.lines[reports[0]:reports[0] + 40]))
        denied = [line for line in process.lines if "event=sandbox.denied" in line]
        assert not denied, "%s: what it needs is not on the list of its sandbox (libxfed/rt/sandbox_calls.c): %s" % (self.name, denied)
        assert status == 0, "%s exited with %s after SIGTERM; its last lines:\n%s" % (
            self.name, status, "\n".join(process.lines[-25:]))


class Refusal:
    """A block in which exactly this reason has to show up: in a log line and in xfed_refusals_total."""

    def __init__(self, installation, code, mentions=""):
        self.inst, self.code, self.mentions = installation, code, mentions
        self.marks = {}
        self.before = 0

    def __enter__(self):
        self.before = self.inst.refusals(self.code)
        self.marks = {d: d.process.mark() for d in (self.inst.edge, self.inst.gateway)}
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            return
        line = re.compile(r"\breason=%s(\s|$)" % re.escape(self.code))

        def logged():
            return any(line.search(text) and self.mentions in text
                       for d, mark in self.marks.items() for text in d.process.lines[mark:])
        wait_until("log line with reason=%s and %r" % (self.code, self.mentions), logged, 10)
        wait_until("growth of xfed_refusals_total{reason=%s}" % self.code,
                   lambda: self.inst.refusals(self.code) > self.before, 10)
        sides = {have.get("side") for d in self.marks for name, have, _ in d.samples()
                 if name == "xfed_refusals_total" and have.get("reason") == self.code}
        assert sides and None not in sides and "" not in sides, "the side at fault is missing: %s" % sides
