"""What the packages' scripts remove when they are purged, in whatever order: in folders of this test's own in the place of /etc, /run and /var/lib."""
import os
import subprocess

import pytest

SCRIPTS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "packaging/debian")
KEPT = ("gateway.yaml", "edge.yaml", "channel-ca/ca.key", "tls/own.pem")


class Host:
    """dpkg's own account of what is installed is read; its scripts are run by us."""

    def __init__(self, directory):
        self.dir, self.states = str(directory), dict.fromkeys(("xfed-common", "xfed-edge", "xfed-gateway"), "install ok installed")
        for folder in ("etc/xfed/tls", "etc/xfed/channel-ca", "run", "lib", "dpkg/info", "dpkg/updates"):
            os.makedirs("%s/%s" % (self.dir, folder))
        for path in KEPT:
            with open("%s/etc/xfed/%s" % (self.dir, path), "w", encoding="ascii") as f:
                f.write("x")

    def run(self, package, verb):
        with open(self.dir + "/dpkg/status", "w", encoding="ascii") as f:
            for name, state in self.states.items():
                f.write("Package: %s\nStatus: %s\nArchitecture: amd64\nMaintainer: x\nVersion: 1\nDescription: x\n\n" % (name, state))
        mounts = 'mount --bind "$0/etc" /etc && mount --bind "$0/run" /run && mount --bind "$0/lib" /var/lib && exec /bin/sh "$1" "$2"'
        subprocess.run(["unshare", "-m", "sh", "-c", mounts, self.dir, "%s/%s.postrm" % (SCRIPTS, package), verb], check=True, timeout=60,
                       env={"PATH": os.environ["PATH"], "DPKG_ADMINDIR": self.dir + "/dpkg"})

    def remove(self, package):
        self.states[package] = "deinstall ok config-files"
        self.run(package, "remove")

    def purge(self, package):
        self.run(package, "purge")
        del self.states[package]

    def left(self):
        return [path for path in KEPT if os.path.exists("%s/etc/xfed/%s" % (self.dir, path))]


def test_what_a_removed_service_keeps_stays_when_the_others_are_purged(tmp_path):
    """As after apt remove xfed-gateway, and apt autoremove --purge."""
    host = Host(tmp_path)
    host.remove("xfed-gateway")
    host.purge("xfed-edge")
    host.remove("xfed-common")
    host.purge("xfed-common")
    assert host.left() == ["gateway.yaml", "channel-ca/ca.key", "tls/own.pem"]
    host.purge("xfed-gateway")
    assert not os.path.exists(host.dir + "/etc/xfed")


@pytest.mark.parametrize("last", ["xfed-common", "xfed-edge", "xfed-gateway"])
def test_the_last_one_takes_all(tmp_path, last):
    host = Host(tmp_path)
    for package in sorted(host.states, key=lambda p: p == last):
        host.remove(package)
    for package in sorted(host.states, key=lambda p: p == last):
        assert os.path.exists(host.dir + "/etc/xfed/channel-ca/ca.key")
        host.purge(package)
    assert not os.path.exists(host.dir + "/etc/xfed")
