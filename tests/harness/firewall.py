"""
A packet filter that forgets TCP connections, as firewalls do: both ways their packets vanish, and nobody is told. Needs a network
namespace of one's own. What the kernel says of a connection's unacknowledged bytes is read from /proc.
"""
import subprocess

ESTABLISHED = "01"


def nft(*words):
    subprocess.run(["nft", *words], check=True)


class Firewall:
    def __init__(self):
        self.is_made = False

    def forget(self, ports):
        """Connections that have one of these ports at either end; `ports` are chosen by the kernel, so that no new one has them soon."""
        if not self.is_made:
            self.is_made = True
            nft("add", "table", "inet", "forgets")
            nft("add", "chain", "inet", "forgets", "in", "{ type filter hook input priority 0; }")
        for port in ports:
            for way in ("sport", "dport"):
                nft("add", "rule", "inet", "forgets", "in", "tcp", way, str(port), "drop")

    def remember(self):
        if self.is_made:
            nft("delete", "table", "inet", "forgets")
            self.is_made = False


def connections():
    """{(local port, remote port): bytes its kernel has no acknowledgement of} of the established TCP connections over IPv4."""
    found = {}
    with open("/proc/self/net/tcp", encoding="ascii") as f:
        next(f)
        for line in f:
            words = line.split()
            if words[3] == ESTABLISHED:
                local, remote = (int(words[i].rsplit(":", 1)[1], 16) for i in (1, 2))
                found[local, remote] = int(words[4].split(":")[0], 16)
    return found


class Watch:
    """For each forgotten connection of a daemon: how long it went on after bytes had been given to it."""

    def __init__(self, ends):
        self.asked = dict.fromkeys(ends)  # (daemon's port, other port): when bytes were first seen under way
        self.noticed = {}                 # the same: seconds until it was closed

    def look(self, now):
        there = connections()
        for end, since in self.asked.items():
            if end in self.noticed:
                continue
            if since is None and there.get(end):
                self.asked[end] = now
            elif end not in there and since is not None:
                self.noticed[end] = now - since

    def late(self, now, seconds):
        """What was asked and not closed within `seconds`, in words."""
        took = {end: self.noticed.get(end, now - since) for end, since in self.asked.items() if since is not None}
        return ["connection %d to %d: dead for %.0f s and %s" % (*end, t, "then closed" if end in self.noticed else "still open")
                for end, t in took.items() if t > seconds]
