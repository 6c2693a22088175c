"""What is below us: the same input and output without protocols, and instructions of each layer."""
import json
import re
import subprocess

from lab import Failed


def chain(lab, quick):
    out = {}
    for name, words in {"flood": [20000 if quick else 100000, 256], "500/s": [2000 if quick else 5000, 0, 500]}.items():
        done = subprocess.run([lab.build + "/tests/bench/chain"] + [str(w) for w in words], capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise Failed("chain %s: %s%s" % (name, done.stdout, done.stderr))
        f = json.loads(done.stdout)
        n = f["arrived"]
        out[name] = {"us_CPU": round((f["a_us"] + f["b_us"]) / n, 1), "in_place_of_edge": round(f["a_us"] / n, 1),
                     "in_place_of_gateway": round(f["b_us"] / n, 1), "load": round(f["load_us"] / n, 1),
                     "ms_p50_/_p99": "%.1f / %.1f" % (f["p50"] / 1000, f["p99"] / 1000)}
    return out


def instructions(lab, name, count):
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", lab.build + "/tests/bench/bench_micro", lab.certs.dir, name,
                           str(count)], capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        raise Failed("%s: %s" % (name, done.stderr[-500:]))
    return int(found.group(1))


def micro(lab, quick):
    """The difference of two counts, so that start-up and handshakes fall out."""
    names = subprocess.run([lab.build + "/tests/bench/bench_micro", lab.certs.dir], capture_output=True, text=True, check=True).stdout.split()
    few, many = (200, 700) if quick else (500, 2500)
    return {name: {"instructions": round((instructions(lab, name, many) - instructions(lab, name, few)) / (many - few))} for name in names}
