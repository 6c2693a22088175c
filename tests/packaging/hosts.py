"""
Fresh Debian hosts with systemd as PID 1 (systemd-nspawn), each with a root of its own and the network namespace it is given.

One root is made, in two layers: what debootstrap makes, and on it what a host has that our packages are installed on. Both are
kept outside of the tree (XFED_ROOTS, ~/.cache/xfed/roots) for as long as they are a week old at most and made of the same
packages. A host writes into a layer above them (overlayfs), so that making another one takes no time.
"""
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import socket
import subprocess
import time

from harness.proc import Process, clean_environment, die_with_parent, wait_until

SUITE = "bookworm"
LANDLOCK = "landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp"  # not among what nspawn lets through
# What a host has before our packages come: systemd, and the CA certificates everybody has.
HOST_PACKAGES = ["systemd", "systemd-sysv", "ca-certificates", "bash-completion"]
WEEK = 7 * 24 * 3600
ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


def run(*argv, check=True, **kw):
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, check=False, **kw)
    if check:
        assert done.returncode == 0, "%s: exit %d:\n%s" % (" ".join(map(str, argv)), done.returncode, done.stdout[-6000:])
    return done


def mirror():
    """The main archive that apt is configured with, whatever its address."""
    lines = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Codename: " + SUITE, "Component: main",
                check=False).stdout.splitlines()
    return next((line for line in sorted(set(lines)) if line.startswith("http") and "security" not in line), None)


def why_not_here():
    """Why no root can be made on this machine, or None."""
    if os.geteuid() != 0:
        return "not root"
    for program in ("debootstrap", "systemd-nspawn", "unshare", "nsenter"):
        if shutil.which(program, path=ENV["PATH"]) is None:
            return "%s is not installed (packaging/install-deps test)" % program
    if mirror() is None:
        return "apt knows no archive of " + SUITE
    return None


def cache():
    return os.environ.get("XFED_ROOTS") or os.path.expanduser("~/.cache/xfed/roots")


def once(path, make):
    """The directory that make(path) fills, or that another process has filled, or fills at this moment."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(path):
            shutil.rmtree(path + ".new", ignore_errors=True)
            make(path + ".new")
            os.rename(path + ".new", path)
    return path


def kept(what, make):
    """once(), for as long as it is not older than a week: a root made of `what`."""
    path = os.path.join(cache(), hashlib.sha256(what.encode()).hexdigest()[:16])
    week = str(int(time.time()) // WEEK)
    for name in os.listdir(cache()) if os.path.isdir(cache()) else ():
        if name.split(".")[1:2] != [week]:
            shutil.rmtree(os.path.join(cache(), name), ignore_errors=True)
    return once("%s.%s" % (path, week), make)


class Layers:
    """A root made of directories, the uppermost one first; what is written goes to `above`, a directory of its own."""

    def __init__(self, lower, above):
        self.lower, self.above = list(lower), above
        self.root = above + "/root"
        for name in ("upper", "work", "root"):
            os.makedirs("%s/%s" % (above, name), exist_ok=True)  # one that is there is gone on with

    def command(self, *argv):
        """A command that runs where the root is mounted: in a mount namespace of its own, which takes the mount along when it ends."""
        mount = 'mount -t overlay -o "$0" overlay "$1" && shift && exec "$@"'
        options = "lowerdir=%s,upperdir=%s/upper,workdir=%s/work" % (":".join(self.lower), self.above, self.above)
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount, options, self.root] + [str(a) for a in argv]

    def inside(self, *argv, check=True, options="", netless=False):
        """Runs a command in the root, without a systemd. `options`: of chroot; netless: where there is no network."""
        prepare = 'mount -t proc proc "$0/proc" && exec chroot %s "$0" "$@"' % options
        alone = ["unshare", "--pid", "--fork", "--kill-child"] + ["--net"] * netless  # nothing of it outlives this process
        return run(*self.command(*alone, "sh", "-c", prepare, self.root, *argv), check=check, env=ENV, preexec_fn=die_with_parent)

    def path(self, inside):
        """Where what has been written is to be found."""
        return self.above + "/upper" + inside

    def remove(self):
        shutil.rmtree(self.above, ignore_errors=True)


def bare_root():
    """What debootstrap makes of nothing: about 80 s, unless there is one."""
    archive = mirror()

    def make(path):
        run("debootstrap", "--variant=minbase", SUITE, path, archive, timeout=900)
    return kept("1 %s %s" % (SUITE, archive), make)


def host_root(packages):
    """The layers of a host that these packages are installed on."""
    bare = bare_root()

    def make(path):
        layers = Layers([bare], path + ".making")
        try:
            layers.inside("apt-get", "-q", "update")
            layers.inside("apt-get", "-q", "-y", "--no-install-recommends", "install", *packages)
            layers.inside("apt-get", "clean")
            os.rename(layers.above + "/upper", path)
        finally:
            layers.remove()
    return [kept("%s %s" % (bare, " ".join(sorted(packages))), make), bare]


class Namespace:
    """A network namespace with a loopback and nothing else, for as long as it is used."""

    def __init__(self, name):
        self.name = "xf%d-%s" % (os.getpid(), name)  # of a run that was killed the interop suite removes it

    def __enter__(self):
        run("ip", "netns", "add", self.name)
        run("ip", "-n", self.name, "link", "set", "lo", "up")
        return self.name

    def __exit__(self, *_):
        run("ip", "netns", "del", self.name)


class Host:
    """A running host. `netns`: the network namespace it lives in."""

    def __init__(self, name, lower, directory, netns, resolver=None):
        self.name, self.netns = name, netns
        self.layers = Layers(lower, os.path.join(directory, name))
        self.directory = self.layers.above
        etc = self.layers.above + "/upper/etc"
        os.makedirs(etc)
        self._write(etc + "/hostname", name + "\n")
        self._write(etc + "/hosts", "127.0.0.1 localhost %s\n" % name)
        self._write(etc + "/resolv.conf", "nameserver %s\n" % resolver if resolver else "")
        self.process = self.leader = None

    @staticmethod
    def _write(path, text):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)

    def start(self):
        """Boots, and comes back when systemd says that everything has been started."""
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as told:
            path = self.directory + "/notify"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            told.bind(path)
            told.settimeout(0.2)
            self.process = Process(self.name, self.layers.command(
                "systemd-nspawn", "--quiet", "--directory", self.layers.root, "--keep-unit", "--register=no", "--notify-ready=yes",
                "--machine", self.name, "--link-journal=no", "--resolv-conf=off", "--timezone=off", "--console=pipe",
                "--network-namespace-path=/run/netns/" + self.netns, "--system-call-filter=" + LANDLOCK, "--boot"),
                self.directory + "/console", env=clean_environment(NOTIFY_SOCKET=path))
            words = []

            def ready():
                with contextlib.suppress(socket.timeout):
                    words.extend(told.recv(4096).decode("utf-8", "replace").splitlines())
                return "READY=1" in words
            wait_until("the end of the boot of " + self.name, ready, 60, self.process)
            self.leader = next(re.match(r"X_NSPAWN_LEADER_PID=(\d+)", w).group(1) for w in words if w.startswith("X_NSPAWN_LEADER_PID="))
        return self

    def command(self, *argv):
        return ["nsenter", "--target", self.leader, "--all", "--", "env", "--chdir=/root"] + [str(a) for a in argv]

    def run(self, *argv, check=True, **kw):
        return run(*self.command(*argv), check=check, env=ENV, **kw)

    def sh(self, script, check=True, **kw):
        """A line as an administrator types it."""
        return self.run("bash", "-c", script, check=check, **kw)

    def path(self, inside):
        return "/proc/%s/root%s" % (self.leader, inside)

    def read(self, inside):
        with open(self.path(inside), encoding="utf-8") as f:
            return f.read()

    def put(self, source, inside):
        """Copies a file or a directory from here into the host."""
        target = self.path(inside)
        if os.path.isdir(source):
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(source, target)

    def failed(self):
        """Units that have failed."""
        return self.run("systemctl", "--failed", "--plain", "--no-legend").stdout.strip()

    def active(self, unit):
        return self.run("systemctl", "is-active", unit, check=False).stdout.strip()

    def log_of(self, unit):
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit, check=False).stdout

    def stop(self):
        if self.process is not None:
            self.process.stop()
            self.process = None
        self.layers.remove()
