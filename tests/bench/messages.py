"""CPU time and latency of messages both ways."""
from lab import LOCAL, check, flow

WINDOW = {"udp": 64, "tcp": 256, "tls": 256}  # UDP: what a socket holds at the default rmem, with answers in between, from a sender without a pace
UNDER_WAY = 256  # to SIP
TRANSPORTS = ("udp", "tcp", "tls")


def figures(result, sums=True):
    f = result["flows"][0]
    n = f["arrived"]
    out = {"messages": n, "per_second": round(n / (f["wall_us"] / 1e6)), "latency_us": f.get("latency_us"), "response_us": f.get("response_us")}
    for name, us in result["cpu_us"].items():
        out[name + "_us"] = round(us / n, 1)
        out[name + "_system"] = round(result["system"][name], 2)
    out["both_us"] = round(sum(out.get(d + "_us", 0) for d in ("edge", "gateway")), 1)
    out["load_busy"] = round(result["cpu_us"]["load"] / 1e6 / result["wall_s"], 2)
    out["load_is_bottleneck"] = out["load_us"] > max(out.get(d + "_us", 0) for d in ("edge", "gateway")) and out["load_busy"] > 0.6
    return out


def one(run, direction, transport, paced, quick):
    local, remote = LOCAL[transport], "partner.example"
    what = dict(dir=direction, remote=remote, local=local, transport=transport)
    if paced:
        what.update(rate=500, seconds=4 if quick else 10)
    else:
        what.update(count=6000 if quick else 20000, window=UNDER_WAY if direction == "to-sip" else WINDOW[transport])
    name = "%s over %s, %s" % (direction, transport.upper(), "500/s" if paced else "flood")
    return figures(check(run.measure(flow(**what)), name))


def bench(lab, direction, transports, quick):
    """{"udp flood": figures, "udp 500/s": figures, ...}; fresh daemons for each transport."""
    out = {}
    for t in transports:
        run = lab.run()
        try:
            run.warm(LOCAL[t], t if direction == "to-xmpp" else None)
            out[t + " flood"] = one(run, direction, t, False, quick)
            out[t + " 500/s"] = one(run, direction, t, True, quick)
        finally:
            run.stop()
    return out


def edge_alone(lab, quick):
    """s2s in to frames out: the load is the gateway too."""
    out = {}
    run = lab.run(has_gateway=False)
    try:
        local = LOCAL["udp"]
        run.open("partner.example", local)
        what = dict(dir="to-sip", remote="partner.example", local=local)
        check(run.measure(flow(count=2000, window=200, **what)), "warming up")
        out["flood"] = figures(check(run.measure(flow(count=10000 if quick else 50000, window=256, **what)), "edge alone, flood"))
        out["500/s"] = figures(check(run.measure(flow(rate=500, seconds=4 if quick else 10, **what)), "edge alone, 500/s"))
    finally:
        run.stop()
    return out
