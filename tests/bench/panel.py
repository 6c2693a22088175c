"""Whether messages feel an attack on the panel's port: connections, TLS handshakes, pages and passwords, from many addresses."""
import os
import random
import socket
import ssl
import statistics
import subprocess
import sys

from isolation import others, p99_ms
from lab import LOCAL, Failed

GOAL_MS = 5
RATE = 200  # of the attacker, connections a second: its own CPU time is not what is measured


def attack(port, seconds):
    """Runs in a process of its own."""
    import time
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    held, kinds, started, count = [], {}, time.monotonic(), 0
    while time.monotonic() - started < seconds:
        due = started + count / RATE
        if due > time.monotonic():
            time.sleep(due - time.monotonic())
        count += 1
        s = socket.socket()
        s.settimeout(0.5)
        kind = ("hold", "page", "password", "garbage")[count % 4]
        try:
            s.bind(("127.%d.%d.1" % (random.randrange(1, 5), random.randrange(200)), 0))
            s.connect(("127.0.0.1", port))
            if kind == "hold":
                held.append(s)
                s = None
            elif kind == "garbage":
                s.sendall(os.urandom(500))
            else:
                t = tls.wrap_socket(s)
                body = b"name=anna&password=guess%d" % count if kind == "password" else b""
                t.sendall(b"%s /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n"
                          b"Connection: close\r\n\r\n%s" % (b"POST" if body else b"GET", len(body), body))
                if t.recv(100):
                    kinds[kind] = kinds.get(kind, 0) + 1
                s = t
        except OSError:
            kinds["refused"] = kinds.get("refused", 0) + 1
        finally:
            if s:
                s.close()
        for old in held[:-300]:
            old.close()
        del held[:-300]
    print(count, kinds.get("page", 0), kinds.get("password", 0), kinds.get("refused", 0))


def with_panel(lab, ports):
    c = lab.certs
    c.leaf("panel-host", "host:localhost", "ip:127.0.0.1")

    def prepare(inst):
        from harness.wire import free_port
        ports.append(free_port())
        users = inst.dir + "/panel.users"
        with open(users, "w", encoding="utf-8") as f:
            f.write("anna:admin:$y$j9T$abcdefghijklmnopqrstu/$" + "0" * 43 + "\n")
        os.chmod(users, 0o600)
        inst.gateway_config["panel"] = {"listen": "127.0.0.1:%d" % ports[0], "users_file": users, "certificate": c.chain("panel-host"),
                                        "key": c.key("panel-host")}
        inst.write_configs()
    return lab.run(prepare=prepare)


def attacked(lab, quick):
    ports, without, with_it, counts = [], [], [], []
    run = with_panel(lab, ports)
    seconds = 3 if quick else 10
    try:
        run.warm(LOCAL["udp"])
        for _ in range(2 if quick else 5):
            without.append(p99_ms(run.measure(others(seconds))))
            child = subprocess.Popen([sys.executable, "-B", os.path.abspath(__file__), str(ports[0]), str(seconds + 1)], stdout=subprocess.PIPE, text=True)
            with_it.append(p99_ms(run.measure(others(seconds))))
            counts.append([int(n) for n in child.communicate(timeout=60)[0].split()])
    finally:
        run.stop()
    tried, pages, passwords, refused = (sum(c[i] for c in counts) for i in range(4))
    if pages == 0 or passwords == 0:
        raise Failed("the attacker has reached nothing: %s" % counts)
    more = statistics.median(b - a for a, b in zip(without, with_it))
    return {"panel attacked": {"p99_without": round(statistics.median(without), 1), "p99_with": round(statistics.median(with_it), 1),
                               "more": round(more, 1), "goal": "< %d" % GOAL_MS, "disturber_sent": tried, "of_these_refused": refused}}


if __name__ == "__main__":
    attack(int(sys.argv[1]), float(sys.argv[2]))
