"""
What happens to whom and when. A scenario is a function (lab, rng) -> Fault: it does nothing yet, its steps are timers.
Legs: partner (partner <-> edge), channel (edge <-> gateway), sip (gateway <-> SIP).
"""
import collections

LEGS = ("partner", "channel", "sip")
FORGOTTEN = 100.0  # seconds: up to 40 until both daemons have noticed, and 60 in which new connections have to serve
PLANNED = ("kill9-edge", "kill9-gateway", "cut-5s", "cut-40s")

# steps: [(seconds after the fault begins, what to do)]; length: when it is over; where: the processes and legs it touches
Fault = collections.namedtuple("Fault", "steps length where words")


def kill(lab, rng, name):
    pause = rng.choice((0.1, 0.5, 1.0, 3.0)) * rng.uniform(0.8, 1.2)
    return Fault([(0, lambda: lab.kill(name)), (pause, lambda: lab.restart(name))], pause, {name}, "back after %.1f s" % pause)


def stop(lab, rng, name):
    seconds = rng.choice((1.0, 4.0, 8.0, 20.0)) * rng.uniform(0.9, 1.1)
    return Fault([(0, lambda: lab.signal(name, "STOP")), (seconds, lambda: lab.signal(name, "CONT"))], seconds, {name},
                 "for %.1f s" % seconds)


def cut(lab, rng, leg, seconds):
    """Open connections end, new ones are refused; or nothing comes through and nothing is closed, as with a pulled cable."""
    how = rng.choice(("reset", "fin", "silent"))
    f = lab.faults[leg]

    def begin():
        if how == "silent":
            f.stalled.update(("in", "out"))
        else:
            f.refuses = True
            lab.cut(leg, how)

    def heal():
        f.refuses = False
        f.stalled.clear()
        if how == "silent":
            lab.cut(leg, "reset")  # the way that comes back is another one: what was under way is gone
        lab.touch(leg)
    return Fault([(0, begin), (seconds, heal)], seconds, {leg}, "%s, healed after %.0f s" % (how, seconds))


def stall(lab, rng, leg):
    ways = rng.choice((("in",), ("out",), ("in", "out")))
    seconds = rng.choice((1.0, 4.0, 12.0, 22.0)) * rng.uniform(0.9, 1.1)
    f = lab.faults[leg]

    def end():
        f.stalled.clear()
        lab.touch(leg)
    return Fault([(0, lambda: f.stalled.update(ways)), (seconds, end)], seconds, {leg}, "%s for %.1f s" % ("+".join(ways), seconds))


def delay(lab, rng, leg):
    f = lab.faults[leg]
    seconds = rng.choice((0.05, 0.3, 1.0))

    def begin():
        f.delay = seconds
        f.loss = rng.choice((0.0, 0.05, 0.2))  # of datagrams

    def end():
        f.delay = f.loss = 0.0
    return Fault([(0, begin), (6, end)], 6, {leg}, "%d ms each way for 6 s" % (seconds * 1000))


def rechunk(lab, rng, leg):
    f = lab.faults[leg]
    most = rng.choice((3, 40, 400, 1400))

    def begin():
        f.chunk = most

    def end():
        f.chunk = None
    return Fault([(0, begin), (5, end)], 5, {leg}, "pieces of 1 to %d bytes for 5 s" % most)


def half_close(lab, rng, leg):
    way = rng.choice(("in", "out"))
    return Fault([(0, lambda: lab.half_close(leg, way))], 1, {leg}, way)


def reset(lab, rng, leg):
    times = sorted(rng.uniform(0, 3) for _ in range(rng.randint(1, 3)))
    return Fault([(t, lambda: lab.cut(leg, "reset")) for t in times], times[-1], {leg}, "%d times" % len(times))


def forget(lab, rng, leg):
    """A firewall on the leg forgets every connection that is open: its packets vanish from now on, without a word to either side."""
    def heal():
        lab.remember()
        lab.cut(leg, "reset")  # what the peers still have of those connections
        lab.touch(leg)
    return Fault([(0, lambda: lab.forget(leg)), (FORGOTTEN, heal)], FORGOTTEN, {leg}, "for %.0f s" % FORGOTTEN)


def _make():
    table = {
        "kill9-edge": lambda lab, rng: kill(lab, rng, "edge"),
        "kill9-gateway": lambda lab, rng: kill(lab, rng, "gateway"),
        "cut-5s": lambda lab, rng: cut(lab, rng, "channel", 5.0),
        "cut-40s": lambda lab, rng: cut(lab, rng, "channel", 40.0),
        "stop-edge": lambda lab, rng: stop(lab, rng, "edge"),
        "stop-gateway": lambda lab, rng: stop(lab, rng, "gateway"),
        "cut-partner": lambda lab, rng: cut(lab, rng, "partner", 5.0),
        "backlog": lambda lab, rng: cut(lab, rng, "partner", 24.0),
        "cut-sip": lambda lab, rng: cut(lab, rng, "sip", 5.0),
    }
    for name, make in (("stall", stall), ("delay", delay), ("rechunk", rechunk), ("half-close", half_close), ("reset", reset), ("forget", forget)):
        for leg in LEGS:
            table["%s-%s" % (name, leg)] = lambda lab, rng, m=make, l=leg: m(lab, rng, l)
    return table


SCENARIOS = _make()
