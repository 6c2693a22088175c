"""Whether one that is dead, deaf or too loud is felt by the others."""
import statistics

from lab import LOCAL, Failed, check, flow, wait_until

GOAL_MS = 20
BOUND_KB = 64 * 1024  # more than every buffer of one partner together
US, THEM, LOUD = LOCAL["udp"], "partner.example", "partner2.example"


def p99_ms(result):
    """Of the first flow, the one that must not feel anything; it has to be whole."""
    f = result["flows"][0]
    check({"flows": [f]}, "the messages of the others")
    return f["latency_us"]["p99"] / 1000


def others(seconds):
    return flow(dir="to-sip", remote=THEM, local=US, rate=500, seconds=seconds, name="others")


def pairs(run, quick, disturb, recover):
    """Median of five runs without and with `disturb` (a flow), one after the other."""
    without, with_it, loud = [], [], []
    seconds = 3 if quick else 5
    for _ in range(2 if quick else 5):
        without.append(p99_ms(run.measure(others(seconds))))
        run.load.do("dead", 1)
        result = run.measure(others(seconds), flow(seconds=seconds + 60, background=1, **disturb))
        with_it.append(p99_ms(result))
        loud.append(result["flows"][1])
        run.load.do("dead", 0)
        recover()
    if not all(f["sent"] for f in loud):
        raise Failed("the disturber has sent nothing")
    more = [b - a for a, b in zip(without, with_it)]
    return {"p99_without": round(statistics.median(without), 1), "p99_with": round(statistics.median(with_it), 1),
            "more": round(statistics.median(more), 1), "goal": "< %d" % GOAL_MS,
            "disturber_sent": sum(f["sent"] for f in loud), "of_these_refused": sum(f["refused"] for f in loud)}


def in_turn(run, remote, local, to=None):
    """One message that arrives behind all that is still on the way of that pair of domains."""
    what = dict(dir="to-sip", remote=remote, local=local, count=20, window=1, pairs=20, first=9000, drain=60)
    check(run.measure(flow(**what)), "the way is free again")


def nothing_left(run):
    """Everything that was on the way has its fate: connecting is given up after 10 s."""
    wait_until("a fate for every message", lambda: run.inst.edge.metric("xfed_deliveries_in_flight") == 0, 60, run.inst.edge.process)


def dead_phone(run, quick):
    return pairs(run, quick, dict(dir="to-sip", remote=THEM, local=US, to="dead", pairs=1, rate=20), lambda: in_turn(run, THEM, US))


def silent_hop(run, quick):
    run.open(THEM, "silent.example")
    return pairs(run, quick, dict(dir="to-sip", remote=THEM, local="silent.example", rate=100), lambda: in_turn(run, THEM, "silent.example"))


def black_hole(run, quick):
    run.open(THEM, "hole.example")
    return pairs(run, quick, dict(dir="to-sip", remote=THEM, local="hole.example", rate=100), lambda: nothing_left(run))


def full_speed(run, quick):
    local = LOCAL["tcp"]
    run.warm(local, remote=LOUD)
    return pairs(run, quick, dict(dir="to-sip", remote=LOUD, local=local, window=0), lambda: in_turn(run, LOUD, local))


def isolation(lab, quick):
    run = lab.run()
    try:
        run.warm(US)
        return {"dead phone": dead_phone(run, quick), "silent next hop": silent_hop(run, quick), "next hop that drops": black_hole(run, quick),
                "partner at full speed": full_speed(run, quick)}
    finally:
        run.stop()


def peak_kb(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return int(next(line for line in f if line.startswith("VmHWM")).split()[1])


def bound(run, quick, main, disturb):
    seconds = 4 if quick else 10
    main = dict(main, rate=500, seconds=seconds)
    without = p99_ms(run.measure(flow(**main)))
    before = {d: peak_kb(run.pid(d)) for d in run.daemons()}
    result = run.measure(flow(**main), flow(seconds=seconds + 60, background=1, **disturb))
    out = {"p99_without": round(without, 1), "p99_with": round(p99_ms(result), 1), "sent_to_it": result["flows"][1]["sent"],
           "refused": result["flows"][1]["refused"]}
    for d in ("edge", "gateway"):
        out[d + "_KB_before"] = before.get(d, "")
        out[d + "_KB_peak"] = peak_kb(run.pid(d)) if d in before else ""
    if out["edge_KB_peak"] - before["edge"] > BOUND_KB:
        raise Failed("the edge has grown to %d KB" % out["edge_KB_peak"])
    return out


def deaf_partner(lab, quick):
    run = lab.run()
    try:
        for remote in (THEM, LOUD):
            run.warm(US, "udp", remote)
        run.load.do("deaf", LOUD, 1)
        return bound(run, quick, dict(dir="to-xmpp", remote=THEM, local=US, transport="udp"),
                     dict(dir="to-xmpp", remote=LOUD, local=US, transport="udp", rate=3000 if not quick else 5000))
    finally:
        run.stop()


def no_credit(lab, quick):
    run = lab.run(has_gateway=False, gives_credit=False)
    try:
        run.open(THEM, US)
        run.open(THEM, LOCAL["tcp"])
        pings = dict(dir="ping", remote=THEM, local=LOCAL["tcp"], pairs=10)
        check(run.measure(flow(count=10, window=1, **pings)), "pings")
        return bound(run, quick, pings, dict(dir="to-sip", remote=THEM, local=US, window=0))
    finally:
        run.stop()


def bounds(lab, quick):
    return {"partner that does not read": deaf_partner(lab, quick), "gateway without credit": no_credit(lab, quick)}
