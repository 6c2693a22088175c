"""Both daemons on the loopback between the ends of one load process, and what they cost."""
import copy
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # for harness/

from harness.certs import Certs  # noqa: E402
from harness.installation import Installation  # noqa: E402
from harness.proc import clean_environment, die_with_parent, wait_until  # noqa: E402
from harness.wire import free_port  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = {"xfed-edge": "edge-proxy/xfed-edge", "xfed-gateway": "fe-gateway/xfed-gateway", "xfedctl": "xfedctl/xfedctl"}
TOOLS = ("tests/bench/load", "tests/bench/chain", "tests/bench/bench_handshake", "tests/bench/bench_micro")
LOCAL = {"tcp": "corp.example", "udp": "corp2.example", "tls": "corp3.example"}
IDLE_BASES = ["p%d.example" % n for n in range(1, 6)]  # a partner has at most 1,000 streams
PARTNERS = ("partner.example", "partner2.example")
MANY = 1000000


class Failed(Exception):
    """A measurement that cannot be believed."""


def build(directory):
    """A release build with symbols, so that profiles name functions."""
    if not os.path.exists(directory + "/build.ninja"):
        subprocess.run(["meson", "setup", directory, ROOT, "--buildtype=release", "-Ddebug=true", "-Db_lto=true"], check=True,
                       stdout=subprocess.DEVNULL)
    targets = list(PROGRAMS.values()) + list(TOOLS)
    subprocess.run(["ninja", "-C", directory] + targets, check=True, stdout=subprocess.DEVNULL)


def cpu_us(pid):
    """User and system time of all threads, from the scheduler's own nanoseconds."""
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/schedstat" % (pid, task), encoding="ascii") as f:
                total += int(f.read().split()[0])
        except FileNotFoundError:
            pass  # a thread that has just ended
    return total / 1000


def system_share(pid):
    """Ticks of user and system time so far."""
    with open("/proc/%d/stat" % pid, encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]), int(fields[12])


def memory_kb(pid):
    with open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as f:
        values = dict(line.split()[:2] for line in f if line.split()[0] in ("Rss:", "Pss:", "Private_Dirty:"))
    return {key.rstrip(":").lower(): int(value) for key, value in values.items()}


class Load:
    """The load process: one command at a time."""

    def __init__(self, build_dir, certs, log):
        self.log = open(log, "ab")
        self.child = subprocess.Popen([build_dir + "/tests/bench/load", certs], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=self.log, env=clean_environment(), preexec_fn=die_with_parent)
        self.log_path = log
        self.buffer = b""

    @property
    def pid(self):
        return self.child.pid

    def start(self, *words):
        self.child.stdin.write((" ".join(str(w) for w in words) + "\n").encode())
        self.child.stdin.flush()

    def answer(self, timeout=90):
        deadline = time.monotonic() + timeout
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            ready = select.select([self.child.stdout], [], [], max(left, 0))[0]
            data = os.read(self.child.stdout.fileno(), 65536) if ready else b""
            if not data:
                raise Failed("the load %s: %s" % ("ended" if ready else "has not answered", self.last_words()))
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def do(self, *words, timeout=90):
        self.start(*words)
        return self.answer(timeout)

    def last_words(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-5:])

    def stop(self):
        if self.child.poll() is None:
            try:
                self.start("quit")
                self.child.wait(5)
            except (BrokenPipeError, subprocess.TimeoutExpired):
                self.child.kill()
                self.child.wait()
        self.log.close()


def black_hole():
    """A listener with a full queue that accepts nothing: the kernel drops what comes."""
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    sockets = [full]
    for _ in range(4):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(full.getsockname())
        sockets.append(s)
    return sockets


def flow(**what):
    return ",".join("%s=%s" % (key, value) for key, value in what.items())


class Lab:
    """
    Our domains are corp.example (TCP), corp2.example (UDP), corp3.example (TLS), silent.example (UDP, nobody answers) and
    hole.example (TCP, no connection comes about). Partners are partner.example and partner2.example, and for idle streams
    d<n>.p1.example to d<n>.p5.example. `other`: the programs of another version, which may not know all of the configuration.
    """

    def __init__(self, build_dir, keep=None, wrap=None, has_sm=False, other=None):
        self.dir = keep or tempfile.mkdtemp(prefix="xfb-")
        os.makedirs(self.dir, exist_ok=True)
        self.build, self.keeps, self.count, self.wrap, self.has_sm = build_dir, bool(keep), 0, wrap or {}, has_sm
        self.is_other = other is not None
        self.certs = Certs(self.dir + "/ca")
        if not os.path.exists(self.certs.ca):
            os.makedirs(self.dir + "/ca", exist_ok=True)
            self.certs.make()
        self.certs.leaf("idle", *("host:*." + base for base in IDLE_BASES))
        self.certs.leaf("dead", "xmpp:silent.example", "xmpp:hole.example")
        self.programs = other or {name: os.path.join(build_dir, path) for name, path in PROGRAMS.items()}
        self.tools = {name: self._wrapped(name, path) for name, path in self.programs.items()}

    def under(self, wrap):
        """This lab again, with daemons under other programs: same directory, certificates and count of runs."""
        lab = copy.copy(self)
        lab.wrap = wrap
        lab.tools = {name: lab._wrapped(name, path) for name, path in self.programs.items()}
        return lab

    def _wrapped(self, name, path):
        """The program, or a script that becomes it under another one (valgrind)."""
        if name not in self.wrap:
            return path
        script = "%s/%s" % (self.dir, name)
        with open(script, "w", encoding="utf-8") as f:
            f.write('#!/bin/sh\nexec %s %s "$@"\n' % (self.wrap[name], path))
        os.chmod(script, 0o755)
        return script

    def close(self):
        if not self.keeps:
            shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, **kwargs):
        return Run(self, **kwargs)


class Run:
    """
    One edge, one gateway (unless has_gateway=False: then the load is the gateway) and the load, freshly started. `prepare`: called with
    the installation before that.
    """

    def __init__(self, lab, has_gateway=True, gives_credit=True, prepare=None):
        self.lab = lab
        lab.count += 1
        self.dir = "%s/run%d" % (lab.dir, lab.count)
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        self.hops = {t: free_port() for t in ("udp", "tcp", "tls", "silent")}
        self.ports = {p: free_port() for p in PARTNERS}
        users = {LOCAL[t]: SimpleNamespace(port=self.hops[t]) for t in LOCAL}
        nobody = SimpleNamespace(address=("127.0.0.1", 9))  # every partner has connect_to
        c = lab.certs
        self.inst = Installation(self.dir, lab.tools, c, nobody, users, edge={
            "log": {"level": "warning"}, "limits": {"connections": 6000, "unauthenticated": 800}}, gateway={
            "log": {"level": "warning"}, "limits": {"transactions": MANY, "queue_messages": 4096}, "sip": {"answer_within": "10s", "error_hold": "1s"}})
        self.inst.edge_config["certificates"].append({"certificate": c.chain("dead"), "key": c.key("dead")})
        self.hole = black_hole()
        for domain, where in (("silent.example", "%d;transport=udp" % self.hops["silent"]),
                              ("hole.example", "%d;transport=tcp" % self.hole[0].getsockname()[1])):
            self.inst.gateway_config["domains"].append({"domain": domain, "next_hop": "sip:127.0.0.1:" + where, "peer_addresses": ["127.0.0.1"]})
        self.inst.write_configs()
        for name, port in self.ports.items():
            self.inst.list_partner(name, connect_to="127.0.0.1:%d" % port, limits={"stanzas_per_second": MANY, "connections": 1000})
        for base in IDLE_BASES:
            self.inst.list_partner(base, additional_domains=["*." + base], limits={"stanzas_per_second": MANY, "connections": 1000})
        if lab.is_other:
            self.inst.leave_out_unknown_keys()
        if prepare:
            prepare(self.inst)
        self.has_gateway, self.opened = has_gateway, set()
        self.load = Load(lab.build, lab.certs.dir, self.dir + "/load.log")
        try:
            self._start(gives_credit, lab.has_sm)
        except BaseException:
            self.stop()
            raise

    def _start(self, gives_credit, has_sm):
        for name, port in self.ports.items():
            self.load.do("listen", name, name.split(".")[0], port, int(has_sm))
        for transport in LOCAL:
            self.load.do("hop", transport, self.hops[transport], 0)
        self.load.do("hop", "udp", self.hops["silent"], 1)
        self.inst.edge.start()
        if self.has_gateway:
            self.inst.gateway.start()
            self.inst.gateway.wait_ready()
        else:
            self._wait_channel()
            self.load.do("gateway", self.inst.channel[1], "gw1", "fe", int(gives_credit), "partner.example", self.ports["partner.example"],
                         *LOCAL.values())
        self.inst.edge.wait_ready()

    def _wait_channel(self):
        def listens():
            with socket.socket() as s:
                return s.connect_ex(self.inst.channel) == 0
        wait_until("the edge's channel", listens, 10, self.inst.edge.process)

    def pid(self, daemon):
        return (self.inst.edge if daemon == "edge" else self.inst.gateway).process.child.pid

    def daemons(self):
        return ("edge", "gateway") if self.has_gateway else ("edge",)

    # ---- streams and connections ----
    def open(self, remote, local):
        if (remote, local) not in self.opened:
            self.load.do("open", self.inst.s2s[1], remote, local, remote.split(".")[0], 0, 0)
            self.opened.add((remote, local))

    def dial(self, transport):
        if transport not in self.opened:
            self.load.do("dial", transport, self.inst.sips[1] if transport == "tls" else self.inst.sip[1])
            self.opened.add(transport)

    # ---- measuring ----
    def measure(self, *flows, timeout=120):
        """Runs the flows: what came of each, and the CPU time of every process meanwhile, in us."""
        pids = {name: self.pid(name) for name in self.daemons()}
        pids["load"] = self.load.pid
        before, ticks = {n: cpu_us(p) for n, p in pids.items()}, {n: system_share(p) for n, p in pids.items()}
        started = time.monotonic()
        result = self.load.do("run", *flows, timeout=timeout)
        result["wall_s"] = time.monotonic() - started
        result["cpu_us"] = {n: cpu_us(p) - before[n] for n, p in pids.items()}
        result["system"] = {}
        for n, p in pids.items():
            user, system = (a - b for a, b in zip(system_share(p), ticks[n]))
            result["system"][n] = system / (user + system) if user + system else 0
        return result

    def warm(self, local, transport=None, remote="partner.example", pairs=2000, is_slow=False):
        """Each pair has written once, so that the SIP side is not held up for an error, and everything is connected."""
        self.open(remote, local)
        judge = (lambda result, what: result) if is_slow else check
        judge(self.measure(flow(dir="to-sip", remote=remote, local=local, pairs=pairs, count=pairs, window=200)), "warming up")
        if transport:
            self.dial(transport)
            judge(self.measure(flow(dir="to-xmpp", remote=remote, local=local, transport=transport, pairs=pairs, count=200, window=50)), "warming up")

    def stop(self):
        self.load.stop()
        for d in (self.inst.gateway, self.inst.edge):
            if d.process is not None:
                d.process.stop()
        for s in self.hole:
            s.close()


def check(result, what):
    """Every message arrived once and none was refused, or the figure is worth nothing."""
    for f in result["flows"]:
        problems = ["%d %s" % (f[key], key) for key in ("refused", "lost", "duplicates") if f[key]]
        if f["arrived"] != f["sent"]:
            problems.append("%d sent, %d arrived" % (f["sent"], f["arrived"]))
        if f["sent"] == 0:
            problems.append("nothing was sent")
        if problems:
            raise Failed("%s: %s" % (what, ", ".join(problems)))
    return result
