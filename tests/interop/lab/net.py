"""Network namespaces laid out as an installation is: partners, DMZ host, inside host, SIP servers.

    wan 10.91.1.0/24   partner .10   partner2 .11   partner3 .12   ejabberd .13   jabberd2 .14
                       edge (outer) .20                                                    dns .53
    dmz 10.91.2.0/24   edge (inner) .20   fe .30
    lan 10.91.3.0/24   fe .30   sip .40   sipua .50                                        dns .53

Beside these there are WORLDS small ones, each a partner, an edge, a gateway, a SIP server and SIP users of its own (w1-partner ...),
for what takes servers down.

Nobody forwards and nobody has a default route. The packet filter in fe drops every attempt to open
a connection from the DMZ; the one in edge drops what comes from the wan for its inner address.
"""
import ctypes
import os
import re
import shutil
import subprocess
import threading

HOSTS = {
    "partner": {"wan": "10.91.1.10"},
    "partner2": {"wan": "10.91.1.11"},
    "partner3": {"wan": "10.91.1.12"},
    "ejabberd": {"wan": "10.91.1.13"},
    "jabberd2": {"wan": "10.91.1.14"},
    "edge": {"wan": "10.91.1.20", "dmz": "10.91.2.20"},
    "fe": {"dmz": "10.91.2.30", "lan": "10.91.3.30"},
    "sip": {"lan": "10.91.3.40"},
    "sipua": {"lan": "10.91.3.50"},
    "dns": {"wan": "10.91.1.53", "lan": "10.91.3.53"},
}
WORLDS = 10
ROLES = {"partner": ("wan",), "edge": ("wan", "dmz"), "fe": ("dmz", "lan"), "sip": ("lan",), "sipua": ("lan",)}
NETS = {"wan": "10.91.1.%d", "dmz": "10.91.2.%d", "lan": "10.91.3.%d"}


def in_world(number, role):
    """The host that has this role there."""
    return "w%d-%s" % (number, role)


for _world in range(1, WORLDS + 1):
    for _at, (_role, _legs) in enumerate(ROLES.items()):
        HOSTS[in_world(_world, _role)] = {leg: NETS[leg] % (100 + 10 * _world + _at) for leg in _legs}
RESOLVERS = {host: "10.91.1.53" if "wan" in legs else "10.91.3.53" for host, legs in HOSTS.items()}
RESOLVERS["dns"] = "127.0.0.1"
FILTERS = {
    "fe": """table inet lab {
        chain in {
            type filter hook input priority 0; policy accept;
            iifname "dmz0" tcp flags & (syn | ack) == syn counter drop
            iifname "dmz0" ip protocol != tcp counter drop
        }
    }""",
    "edge": """table inet lab {
        chain in {
            type filter hook input priority 0; policy accept;
            iifname "wan0" ip daddr != 10.91.1.20 counter drop
        }
    }""",
}
SYSCTLS = ["net.ipv4.ip_forward=0", "net.ipv6.conf.all.disable_ipv6=1",
           "net.ipv4.ip_unprivileged_port_start=0"]
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def run(*argv, **kw):
    """Runs a command to its end; a failure carries what it said."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)
    if done.returncode != 0:
        raise RuntimeError("%s: exit %d: %s" % (" ".join(argv), done.returncode, done.stdout.strip()))
    return done.stdout


def enter_netns(name):
    """Moves the calling thread, and only that, into a namespace."""
    fd = os.open("/run/netns/" + name, os.O_RDONLY)
    try:
        if libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns " + name)
    finally:
        os.close(fd)


def port_of(host, net):
    """The end of its cable at the switch."""
    return "%s-%s" % (net, host[:10])


class Net:
    """The namespaces of one run; every name starts with a prefix that holds the process id."""

    def __init__(self):
        self.prefix = "xf%d-" % os.getpid()
        self.hosts = list(HOSTS)

    def ns(self, host):
        return self.prefix + host

    def up(self):
        remove_stale()
        try:
            self._up()
        except BaseException:
            self.down()
            raise

    def _up(self):
        switch = self.ns("sw")
        for host in ["sw"] + self.hosts:
            name = self.ns(host)
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "netns", "exec", name, "sysctl", "-qw", *SYSCTLS)
        for bridge in ("wan", "dmz", "lan"):
            run("ip", "-n", switch, "link", "add", bridge, "type", "bridge")
            run("ip", "-n", switch, "link", "set", bridge, "up")
        for host, legs in HOSTS.items():
            for net, address in legs.items():
                self._leg(switch, host, net, address)
            self._resolver(host)
        for host, rules in FILTERS.items():
            run("ip", "netns", "exec", self.ns(host), "nft", "-f", "-", input=rules)

    def plug(self, host, net, is_in):
        """The cable of a host into one of the networks."""
        run("ip", "-n", self.ns("sw"), "link", "set", port_of(host, net), "up" if is_in else "down")

    def _leg(self, switch, host, net, address):
        device, port = net + "0", port_of(host, net)
        name = self.ns(host)
        run("ip", "link", "add", device, "netns", name, "type", "veth", "peer", "name", port, "netns", switch)
        run("ip", "-n", name, "addr", "add", address + "/24", "dev", device)
        run("ip", "-n", name, "link", "set", device, "up")
        run("ip", "-n", switch, "link", "set", port, "master", net, "up")

    def _resolver(self, host):
        etc = "/etc/netns/" + self.ns(host)
        os.makedirs(etc, exist_ok=True)
        with open(etc + "/resolv.conf", "w", encoding="ascii") as f:
            f.write("nameserver %s\noptions edns0 trust-ad timeout:2 attempts:2\n" % RESOLVERS[host])
        with open(etc + "/hosts", "w", encoding="ascii") as f:
            f.write("127.0.0.1 localhost\n")

    def down(self):
        for host in self.hosts + ["sw"]:
            remove(self.ns(host))

    def call(self, host, function, *args):
        """Runs function(*args) on a thread inside the host's namespace and gives back its result."""
        box = {}

        def body():
            try:
                enter_netns(self.ns(host))
                box["value"] = function(*args)
            except BaseException as e:  # handed to the caller below
                box["error"] = e
        thread = threading.Thread(target=body, name="in-" + host)
        thread.start()
        thread.join()
        if "error" in box:
            raise box["error"]
        return box["value"]

    def dropped(self, host):
        """Packets the host's filter has dropped so far."""
        text = run("ip", "netns", "exec", self.ns(host), "nft", "list", "table", "inet", "lab")
        return sum(int(n) for n in re.findall(r"counter packets (\d+)", text))


def remove(name):
    subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)
    shutil.rmtree("/etc/netns/" + name, ignore_errors=True)


def remove_stale():
    """Removes what a run that was killed has left: its process is gone, its namespaces are not."""
    if not os.path.isdir("/run/netns"):
        return
    for name in os.listdir("/run/netns"):
        m = re.match(r"xf(\d+)-", name)
        if m and not os.path.exists("/proc/" + m.group(1)):
            remove(name)
