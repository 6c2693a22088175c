"""packaging/install-deps: here, and from nothing in a fresh Debian root."""
import os
import shutil

import pytest

import hosts
from conftest import TOP, run

INSTALL_DEPS = os.path.join(TOP, "packaging", "install-deps")


def test_second_run_has_nothing_to_do():
    """It asks dpkg and nobody else: there is no network."""
    done = run("unshare", "--net", INSTALL_DEPS)
    assert "are installed" in done.stdout and len(done.stdout.splitlines()) == 1


def test_unknown_group_is_refused_in_a_sentence():
    done = run(INSTALL_DEPS, "everything", check=False)
    assert done.returncode == 1
    assert done.stdout == "install-deps: there is no group 'everything': build, package and test are known.\n"


def test_from_nothing(scratch):
    """Who may not, where it cannot, what cannot be reached: each refused in a sentence, and nothing left behind."""
    if hosts.why_not_here() is not None:
        pytest.skip(hosts.why_not_here())
    root = hosts.Layers([hosts.bare_root()], scratch + "/nothing")
    shutil.copytree(os.path.join(TOP, "packaging"), root.path("/src/packaging"))
    deps = "/src/packaging/install-deps"

    done = root.inside(deps, "build", check=False, options="--userspec=65534:65534")
    assert done.returncode == 1 and "has to run as root" in done.stdout, done.stdout

    with open(root.path("/src/os-release"), "w", encoding="utf-8") as f:
        f.write('PRETTY_NAME="Other Linux 1"\nID=other\nVERSION_ID="1"\n')
    done = root.inside("sh", "-c", "mount --bind /src/os-release /usr/lib/os-release && %s build" % deps, check=False)
    assert done.returncode == 1, done.stdout
    assert done.stdout == ("install-deps: this is Other Linux 1, but the package names are those of "
                           "Debian 12 (bookworm).\n")

    done = root.inside("sh", "-c", "echo 'deb file:/nowhere bookworm main' > /etc/apt/sources.list; %s build" % deps, check=False)
    assert done.returncode == 1 and "apt-get failed reading the package lists" in done.stdout, done.stdout
    assert not os.path.exists(root.path("/usr/sbin/policy-rc.d")), "left behind by a run that failed"
    root.remove()


def processes(root):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink("/proc/%s/root" % pid).startswith(root.root):
                found.append(open("/proc/%s/cmdline" % pid, "rb").read().replace(b"\0", b" ").decode())
        except OSError:
            continue  # ended meanwhile
    return found


def test_a_fresh_root_gets_everything(fresh):
    """It has been enough for the packages (conftest.py); the rest on it, and what the administrator has said of services is put back."""
    deps, policy = "/src/xfed/packaging/install-deps", "#!/bin/sh\nexit 104\n"
    assert "are installed" in fresh.inside(deps, "build", "package").stdout
    with open(fresh.path("/usr/sbin/policy-rc.d"), "w", encoding="ascii") as f:
        f.write(policy)
    assert fresh.inside(deps).stdout.endswith("install-deps: done.\n")
    with open(fresh.path("/usr/sbin/policy-rc.d"), encoding="ascii") as f:
        assert f.read() == policy, "not put back"
    assert processes(fresh) == [], "a packaged service was started"
    assert "are installed" in fresh.inside(deps).stdout
