"""What idle streams hold and new ones cost."""
import json
import subprocess
import time

from lab import IDLE_BASES, Failed, cpu_us, memory_kb

LOCAL = "corp.example"


def settle(pid, seconds=60):
    """Waits until the process does next to nothing, so that a figure is one of idle streams (their parsers sleep after 5 s)."""
    deadline = time.monotonic() + seconds
    quiet_since, last = time.monotonic(), cpu_us(pid)
    while time.monotonic() < deadline:
        time.sleep(0.5)
        now = cpu_us(pid)
        if now - last > 5000:
            quiet_since = time.monotonic()
        last = now
        if time.monotonic() - quiet_since > 7:
            return
    raise Failed("the edge does not come to rest")


def open_streams(run, start, end):
    """Streams number start to end; their share of each partner is 1,000."""
    at = start
    while at < end:
        base, first = IDLE_BASES[at // 1000], at % 1000
        count = min(end - at, 1000 - first)
        run.load.do("open", run.inst.s2s[1], base, LOCAL, "idle", first, count, timeout=120)
        at += count


def listed(run):
    return int(run.inst.edge.metric("xfed_s2s_streams", direction="in", state="ready"))


def idle(lab, quick):
    out = {}
    run = lab.run(has_gateway=True)
    try:
        pid, have = run.pid("edge"), 0
        open_streams(run, have, 1)  # what the first one brings is not a stream's own
        have = 1
        settle(pid)
        base = memory_kb(pid)
        for wanted in (200, 1000) if quick else (200, 1000, 5000):
            open_streams(run, have, wanted)
            have = wanted
            settle(pid)
            if listed(run) != wanted:
                raise Failed("%d streams wanted, the edge has %d" % (wanted, listed(run)))
            now = memory_kb(pid)
            out["%d streams" % wanted] = {key.upper() + "_KB_a_stream": round((now[key] - base[key]) / (wanted - 1), 1) for key in ("rss", "pss")}
            out["%d streams" % wanted]["RSS_in_all_KB"] = now["rss"]
    finally:
        run.stop()
    return out


def handshake(lab, count):
    done = subprocess.run([lab.build + "/tests/bench/bench_handshake", lab.certs.dir, str(count)], capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout)


def login(lab, quick):
    """TLS and EXTERNAL on streams that partners open, beside the handshake alone before and after."""
    count = 200 if quick else 800
    before = handshake(lab, count)
    run = lab.run()
    try:
        open_streams(run, 0, 20)
        pid = run.pid("edge")
        start, gateway = cpu_us(pid), cpu_us(run.pid("gateway"))
        open_streams(run, 20, 20 + count)
        edge = (cpu_us(pid) - start) / count
        gateway = (cpu_us(run.pid("gateway")) - gateway) / count
        if listed(run) != 20 + count:
            raise Failed("%d streams wanted, the edge has %d" % (20 + count, listed(run)))
    finally:
        run.stop()
    after = handshake(lab, count)
    bare = (before["server_us"] + after["server_us"]) / 2
    return {
        "edge, one stream in": {"ms": round(edge / 1000, 2), "times_bare_handshake": round(edge / bare, 2)},
        "gateway, told of it": {"ms": round(gateway / 1000, 2), "times_bare_handshake": round(gateway / bare, 2)},
        "bare GnuTLS handshake, server": {"ms": round(bare / 1000, 2), "times_bare_handshake": 1},
        "bare GnuTLS handshake, client": {"ms": round((before["client_us"] + after["client_us"]) / 2000, 2),
                                          "times_bare_handshake": round((before["client_us"] + after["client_us"]) / 2 / bare, 2)},
    }
