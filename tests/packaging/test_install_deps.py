"""packaging/install-deps: here, and from nothing in a fresh Debian root."""
import os
import shutil
import subprocess
import time

import pytest

from conftest import TOP, run

INSTALL_DEPS = os.path.join(TOP, "packaging", "install-deps")


def test_second_run_has_nothing_to_do_and_is_fast():
    start = time.monotonic()
    done = run(INSTALL_DEPS)
    assert time.monotonic() - start < 1
    assert "are installed" in done.stdout and len(done.stdout.splitlines()) == 1


def test_unknown_group_is_refused_in_a_sentence():
    done = run(INSTALL_DEPS, "everything", check=False)
    assert done.returncode == 1
    assert done.stdout == "install-deps: there is no group 'everything': build, package and test are known.\n"


def mirror():
    """The main archive that apt is configured with, whatever its address."""
    lines = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Codename: bookworm", "Component: main",
                check=False).stdout.splitlines()
    return next((line for line in sorted(set(lines)) if line.startswith("http") and "security" not in line), None)


class FreshRoot:
    def __init__(self, path):
        self.path = path

    def inside(self, *argv, check=True):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
        return run("chroot", self.path, *argv, check=check, env=env)

    def processes(self):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink("/proc/%s/root" % pid).startswith(self.path):
                    found.append(open("/proc/%s/cmdline" % pid, "rb").read().replace(b"\0", b" ").decode())
            except OSError:
                continue  # ended meanwhile
        return found


def make_root(path):
    """A minimal Debian 12 in `path`, or the reason why there is none."""
    if os.geteuid() != 0:
        return "not root"
    if shutil.which("debootstrap") is None:
        return "debootstrap is not installed"
    archive = mirror()
    if archive is None:
        return "apt knows no archive of bookworm"
    done = subprocess.run(["debootstrap", "--variant=minbase", "bookworm", path, archive], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=600)
    if done.returncode != 0:
        return "debootstrap failed: " + (done.stdout.strip().splitlines() or ["without a word"])[-1]
    shutil.copytree(os.path.join(TOP, "packaging"), path + "/src/packaging")
    return None


@pytest.fixture(scope="module")
def fresh_root(scratch, request):
    path = os.path.join(scratch, "root")
    reason = make_root(path)
    if reason is not None:
        capture = request.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            print("\npackaging: install-deps was not tried in a fresh Debian root: %s" % reason)
        return None
    return FreshRoot(path)


def copy_sources(target):
    """The files under version control, and new ones that are not ignored: what a fresh clone would hold."""
    listed = run("git", "-c", "safe.directory=*", "-C", TOP, "ls-files", "-z", "--cached", "--others",
                 "--exclude-standard").stdout
    for name in filter(None, listed.split("\0")):
        source, copy = os.path.join(TOP, name), os.path.join(target, name)
        if os.path.isfile(source):
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy2(source, copy)


def test_fresh_root(fresh_root):
    """One story: refusals first, then the build group, a build with nothing but it, then the rest."""
    if fresh_root is None:
        return
    root = fresh_root
    deps = "/src/packaging/install-deps"

    done = run("chroot", "--userspec=65534:65534", root.path, deps, "build", check=False)
    assert done.returncode == 1 and "has to run as root" in done.stdout, done.stdout

    release = root.path + "/usr/lib/os-release"
    original = open(release, encoding="utf-8").read()
    with open(release, "w", encoding="utf-8") as f:
        f.write('PRETTY_NAME="Other Linux 1"\nID=other\nVERSION_ID="1"\n')
    done = root.inside(deps, "build", check=False)
    assert done.returncode == 1, done.stdout
    assert done.stdout == ("install-deps: this is Other Linux 1, but the package names are those of "
                           "Debian 12 (bookworm).\n")
    with open(release, "w", encoding="utf-8") as f:
        f.write(original)

    sources = root.path + "/etc/apt/sources.list"
    good = open(sources, encoding="utf-8").read()
    with open(sources, "w", encoding="utf-8") as f:
        f.write("deb file:/nowhere bookworm main\n")
    done = root.inside(deps, "build", check=False)
    assert done.returncode == 1 and "apt-get failed reading the package lists" in done.stdout, done.stdout
    with open(sources, "w", encoding="utf-8") as f:
        f.write(good)
    assert not os.path.exists(root.path + "/usr/sbin/policy-rc.d"), "left behind by a run that failed"

    policy = "#!/bin/sh\nexit 104\n"
    with open(root.path + "/usr/sbin/policy-rc.d", "w", encoding="ascii") as f:
        f.write(policy)
    done = root.inside(deps, "build")
    assert done.stdout.endswith("install-deps: done.\n")
    assert "are installed" in root.inside(deps, "build").stdout

    copy_sources(root.path + "/src/xfed")
    root.inside("sh", "-c", "cd /src/xfed && meson setup build -Dtests=false && ninja -C build -j 2")

    assert root.inside(deps).stdout.endswith("install-deps: done.\n")
    assert open(root.path + "/usr/sbin/policy-rc.d", encoding="ascii").read() == policy, "not put back"
    assert root.processes() == [], "a packaged service was started"
    assert "are installed" in root.inside(deps).stdout
