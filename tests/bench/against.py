"""
Two builds side by side: the same load, certificates and configurations, and the daemons of each in turn.

A round starts the daemons of both builds afresh and has them measured in turn, A B B A, so that whatever else the machine does
falls on both; its result is, for each figure, the median of "ours / theirs" of the pairs. Rounds go on until every figure is
decided, and no longer than --rounds. What is known of a figure after n rounds is an interval of its true median that holds in nine of
ten cases (order statistics: no assumption on the noise), and then it is

  fine    the interval ends below BOUND, or
  worse   the interval begins above BOUND, or
  open    neither, and another round follows; when there are no more, the median judges, if the interval says that there is a
          difference at all.
"""
import glob
import os
import re
import statistics
import subprocess
import sys
import time

from lab import LOCAL, PROGRAMS, Failed, Lab, check, cpu_us, flow
import messages
import report
import streams

BOUND = 3.0  # per cent
FEWEST = 5   # rounds: with fewer there is no interval that holds in nine of ten cases
CONFIDENCE = 0.9
ORDER = (0, 1, 1, 0)
PAIRS = 100  # of users, under callgrind: all have written once, so that no answer is held back for an error
FLOOD = 32   # in flight at most, under callgrind: few enough that no UDP request is repeated
SIDES = ("this build", "the other")


class Comparison:
    """One figure: a value of each side and a ratio for each round."""

    def __init__(self):
        self.values, self.ratios = ([], []), []

    def add(self, ours, theirs):
        """Values of one round, in the order they were measured: each of ours beside one of theirs."""
        self.values[0].extend(ours)
        self.values[1].extend(theirs)
        self.ratios.append(statistics.median(a / b for a, b in zip(ours, theirs)))

    def medians(self):
        return tuple(statistics.median(v) for v in self.values)

    def difference(self):
        return per_cent(statistics.median(self.ratios))

    def interval(self):
        low, high = interval(self.ratios)
        return per_cent(low), per_cent(high)

    def verdict(self, is_last=False):
        low, high = self.interval()
        if high <= BOUND and len(self.ratios) >= FEWEST:
            return "fine"
        if low > BOUND and len(self.ratios) >= FEWEST:
            return "worse"
        if not is_last:
            return "open"
        return "worse" if self.difference() > BOUND and low > 0 else "fine" if self.difference() <= BOUND else "noise"


def per_cent(ratio):
    return 100 * (ratio - 1)


def interval(ratios):
    """Of the median: from the k-th smallest to the k-th largest, with the largest k that keeps CONFIDENCE."""
    ordered, n = sorted(ratios), len(ratios)
    outside, ways, k = 0.0, 1, 0
    for i in range(n // 2):
        outside += 2 * ways / 2 ** n  # that i or fewer of n lie on one side
        if outside > 1 - CONFIDENCE:
            break
        k, ways = i, ways * (n - i) // (i + 1)
    return ordered[k], ordered[n - 1 - k]


# ---- the other build ----

def programs(tree):
    """Our programs in a meson build directory or below an installed tree."""
    found = {}
    for name, path in PROGRAMS.items():
        places = [os.path.join(tree, path)] + sorted(glob.glob("%s/**/*bin/%s" % (glob.escape(tree), name), recursive=True))
        found[name] = next((os.path.abspath(p) for p in places if os.access(p, os.X_OK)), None)
        if found[name] is None:
            raise SystemExit("there is no %s in %s" % (name, tree))
    return found


# ---- what is measured: each gives {figure: (values of ours, values of theirs)}, or a list of such where there are more rounds ----

def in_turn(names, measure, order=ORDER):
    """measure(side) -> {figure: value}, in that order."""
    values = {}
    for side in order:
        for name, value in measure(side).items():
            values.setdefault(name, ([], []))[side].append(value)
    return {"%s %s" % (names, name): v for name, v in values.items()}


class Both:
    """A run of each side, up at the same time; the one that is not measured does nothing."""

    def __init__(self, labs, **kwargs):
        self.runs = []
        try:
            for lab in labs:
                self.runs.append(lab.run(**kwargs))
        except BaseException:
            self.stop()
            raise

    def stop(self):
        for run in self.runs:
            run.stop()

    def __enter__(self):
        return self.runs

    def __exit__(self, *_):
        self.stop()


def cost(result, what):
    """CPU time a message of each daemon, us."""
    n = check(result, what)["flows"][0]["arrived"]
    return {name: us / n for name, us in result["cpu_us"].items() if name != "load"}


def flows(direction, transport, quick):
    what = dict(dir=direction, remote="partner.example", local=LOCAL[transport], transport=transport)
    yield "flood", flow(count=5000 if quick else 20000, window=messages.WINDOW[transport], **what)
    yield "500/s", flow(rate=500, seconds=2 if quick else 4, **what)


def both_ways(direction):
    def bench(labs, quick):
        out = {}
        for transport in messages.TRANSPORTS:
            with Both(labs) as runs:
                for run in runs:
                    run.warm(LOCAL[transport], transport if direction == "to-xmpp" else None)
                for load, spec in flows(direction, transport, quick):
                    name = "%s %s %s:" % (direction, transport, load)
                    out.update(in_turn(name, lambda side: cost(runs[side].measure(spec), name)))
        return out
    return bench


def edge_alone(labs, quick):
    out = {}
    with Both(labs, has_gateway=False) as runs:
        what = dict(dir="to-sip", remote="partner.example", local=LOCAL["udp"])
        for run in runs:
            run.open("partner.example", LOCAL["udp"])
            check(run.measure(flow(count=2000, window=200, **what)), "warming up")
        for load, spec in (("flood", flow(count=10000 if quick else 50000, window=256, **what)), ("500/s", flow(rate=500, seconds=2 if quick else 4, **what))):
            out.update(in_turn("edge alone %s:" % load, lambda side: cost(runs[side].measure(spec), "edge alone")))
    return out


def login(labs, quick):
    """CPU time of the edge for a stream a partner opens."""
    count = 50 if quick else 100
    with Both(labs) as runs:
        have = [20, 20]
        for run in runs:
            streams.open_streams(run, 0, 20)

        def measure(side):
            run, start = runs[side], have[side]
            before = cpu_us(run.pid("edge"))
            streams.open_streams(run, start, start + count)
            have[side] += count
            return {"edge": (cpu_us(run.pid("edge")) - before) / count}
        return in_turn("a new stream:", measure)


def counted(direction):
    """
    Instructions in user space of each daemon for a message, by callgrind; what the kernel does is not in it. One message at a
    time, and a flood: a daemon is so slow under callgrind that all that may be in flight waits for it at each wake-up. What a start
    decides (addresses, mostly) hardly matters here, so that each pair counts as a round.
    """
    def bench(labs, quick):
        out = {}
        for transport in messages.TRANSPORTS:
            with Both([under_callgrind(lab) for lab in labs]) as runs:
                for run in runs:
                    run.warm(LOCAL[transport], transport if direction == "to-xmpp" else None, pairs=PAIRS, is_slow=True)
                    counters(run)
                what = dict(dir=direction, remote="partner.example", local=LOCAL[transport], transport=transport, pairs=PAIRS)
                specs = {"one by one": flow(count=50 if quick else 200, window=1, **what),
                         "flood": flow(count=200 if quick else 1000, window=FLOOD, **what)}
                for load, spec in specs.items():
                    name = "%s %s %s:" % (direction, transport, load)
                    for _ in range(FEWEST):
                        for figure, values in in_turn(name, lambda side: instructions(runs[side], spec, name), order=(0, 1)).items():
                            out.setdefault(figure, []).append(values)
        return out
    return bench


def counted_login(labs, quick):
    """
    The same of both for a stream a partner opens, up to its last features. One after the other: how many bytes of several handshakes
    a wake-up finds is the machine's mood, and with it how often a step is tried. Few of them: handshakes cost fifty times as much there, and
    what one address may have the edge do is counted in CPU time.
    """
    out, count = {}, 5
    with Both([under_callgrind(lab) for lab in labs]) as runs:
        have = [5, 5]
        for run in runs:
            streams.open_streams(run, 0, 5)
            counters(run)

        def measure(side):
            run, start = runs[side], have[side]
            for n in range(start, start + count):
                streams.open_streams(run, n, n + 1)
            have[side] += count
            return {daemon: total / count for daemon, total in counters(run).items()}
        for _ in range(FEWEST):
            for figure, values in in_turn("a new stream:", measure, order=(0, 1)).items():
                out.setdefault(figure, []).append(values)
    return out


def under_callgrind(lab):
    return lab.under({name: "valgrind --tool=callgrind --callgrind-out-file=%s/%s.cg" % (lab.dir, name) for name in ("xfed-edge", "xfed-gateway")})


def instructions(run, spec, what):
    n = check(run.measure(spec, timeout=300), what)["flows"][0]["arrived"]
    return {daemon: count / n for daemon, count in counters(run).items()}


def counters(run):
    return {daemon: counted_of("%s/xfed-%s.cg" % (run.lab.dir, daemon), run.pid(daemon)) for daemon in run.daemons()}


def counted_of(path, pid):
    """What callgrind has counted since it was asked last; the other side's turn costs this one a few ticks."""
    for old in glob.glob(glob.escape(path) + ".*"):
        os.unlink(old)
    callgrind(pid)
    with open(glob.glob(glob.escape(path) + ".*")[0], encoding="utf-8") as f:
        return int(re.search(r"^(?:summary|totals): (\d+)", f.read(), re.M).group(1))


def callgrind(pid, order="--dump"):
    done = subprocess.run(["callgrind_control", order, str(pid)], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0 or "OK" not in done.stdout:
        raise Failed("callgrind_control %s %d: %s%s" % (order, pid, done.stdout, done.stderr))


BENCHES = {"to-sip": both_ways("to-sip"), "to-xmpp": both_ways("to-xmpp"), "edge": edge_alone, "login": login,
           "to-sip-instructions": counted("to-sip"), "to-xmpp-instructions": counted("to-xmpp"),
           "login-instructions": counted_login}


# ---- rounds and the verdict ----

def rows(figures, is_last):
    for name, f in figures.items():
        a, b = f.medians()
        low, high = f.interval()
        yield [name, "%.1f" % a, "%.1f" % b, "%+.1f %%" % f.difference(), "%+.1f to %+.1f" % (low, high), len(f.ratios), f.verdict(is_last)]


def table(title, figures, is_last=True):
    head = [title] + list(SIDES) + ["difference", "nine of ten", "rounds", ""]
    return report.table(head, rows(figures, is_last))


def one_bench(name, labs, quick, most):
    figures = {}
    for done in range(1, most + 1):
        started = time.monotonic()
        pair = labs if done % 2 else labs[::-1]  # who starts first, too
        for figure, values in BENCHES[name](pair, quick).items():
            for one in values if isinstance(values, list) else [values]:
                figures.setdefault(figure, Comparison()).add(*(one if done % 2 else one[::-1]))
        undecided = [f for f in figures.values() if f.verdict() == "open"]
        print("%s: round %d took %.0f s, %d of %d figures open" % (name, done, time.monotonic() - started, len(undecided), len(figures)),
              file=sys.stderr, flush=True)
        if not undecided:
            break
    return figures


def compare(args, names):
    unknown = [n for n in names if n not in BENCHES]
    if unknown:
        raise SystemExit("there is nothing to compare in %s; there is: %s" % (" ".join(unknown), " ".join(BENCHES)))
    if args.rounds < FEWEST:
        raise SystemExit("--rounds: %d at least, see bench/against.py" % FEWEST)
    labs = []
    worse = []
    try:
        labs.append(Lab(args.build, args.keep and args.keep + "/this", dict(args.under), args.sm))
        labs.append(Lab(args.build, args.keep and args.keep + "/other", dict(args.under), args.sm, other=programs(args.against)))
        for name in names or list(BENCHES):
            figures = one_bench(name, labs, args.quick, args.rounds)
            print(table("%s, %s" % (name, "instructions" if "instructions" in name else "us CPU"), figures), flush=True)
            worse += [(figure, f) for figure, f in figures.items() if f.verdict(is_last=True) == "worse"]
    finally:
        for lab in labs:
            lab.close()
    for figure, f in worse:
        print("WORSE %s %+.1f %%" % (figure, f.difference()))
    print("against %s: %s" % (args.against, "FAILED" if worse else "passed"))
    return 1 if worse else 0
