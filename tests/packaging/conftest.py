import os
import re
import shutil
import sys
import tempfile

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[1:1] = [TOP + "/tests", TOP + "/tests/interop"]  # harness/ and lab/

import hosts  # noqa: E402
from hosts import run  # noqa: E402

PACKAGES = ("xfed-common", "xfed-edge", "xfed-gateway", "xfed-tools")


@pytest.fixture(scope="session")
def scratch():
    path = tempfile.mkdtemp(prefix="xfp-")
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """A directory of this run: also of the processes that run at the same time (pytest's -n)."""
    base = tmp_path_factory.getbasetemp()
    return str(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)


def pytest_sessionfinish(session):
    """What all processes share is removed by the one that has started them; pytest keeps such directories, and it is a gigabyte."""
    factory = getattr(session.config, "_tmp_path_factory", None)
    if factory is not None and not hasattr(session.config, "workerinput"):
        shutil.rmtree(str(factory.getbasetemp() / "fresh"), ignore_errors=True)


def copy_sources(target):
    """The files under version control, and new ones that are not ignored: what a fresh clone would hold."""
    listed = run("git", "-c", "safe.directory=*", "-C", TOP, "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
    for name in filter(None, listed.split("\0")):
        source, copy = os.path.join(TOP, name), os.path.join(target, name)
        if os.path.isfile(source):
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy2(source, copy, follow_symlinks=False)


@pytest.fixture(scope="session")
def fresh(shared):
    """
    A Debian root that has nothing but what debootstrap makes, the sources in /src/xfed, what install-deps then says is needed for
    packages, and, in build/packages there, the packages: built where there is no network.
    """
    reason = hosts.why_not_here()
    if reason is not None:
        pytest.skip(reason)

    def make(path):
        layers = hosts.Layers([hosts.bare_root()], path)
        copy_sources(layers.path("/src/xfed"))
        assert layers.inside("/src/xfed/packaging/install-deps", "build", "package").stdout.endswith("install-deps: done.\n")
        layers.inside("/src/xfed/packaging/build-packages", netless=True)
    return hosts.Layers([hosts.bare_root()], hosts.once(shared + "/fresh", make))


@pytest.fixture(scope="session")
def packages(request):
    """{name: file} of the packages; of those in XFED_PACKAGES where that is set, to run a test again by hand."""
    folder = os.environ.get("XFED_PACKAGES") or request.getfixturevalue("fresh").path("/src/xfed/build/packages")
    return {name.split("_")[0]: os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".deb")}


@pytest.fixture(scope="session")
def unpacked(packages, scratch):
    """{package: root} with the package's scripts in DEBIAN."""
    roots = {}
    for name in PACKAGES:
        roots[name] = "%s/unpacked/%s" % (scratch, name)
        os.makedirs(roots[name])
        run("dpkg-deb", "--raw-extract", packages[name], roots[name])
    return roots


@pytest.fixture(scope="session")
def installed(unpacked):
    """{path: file} of all that the packages install."""
    files = {}
    for root in unpacked.values():
        for folder, _, names in os.walk(root):
            if not folder.startswith(root + "/DEBIAN"):
                files.update({os.path.join(folder, name)[len(root):]: os.path.join(folder, name) for name in names})
    return files


@pytest.fixture(scope="session")
def older(packages, scratch):
    """The same packages as a release before this one would have them."""
    made = {}
    for name in PACKAGES:
        tree = "%s/older-%s" % (scratch, name)
        run("dpkg-deb", "--raw-extract", packages[name], tree)
        with open(tree + "/DEBIAN/control", encoding="utf-8") as f:
            text = f.read()
        version = re.search("^Version: (.*)$", text, re.MULTILINE).group(1)
        with open(tree + "/DEBIAN/control", "w", encoding="utf-8") as f:
            f.write(text.replace(version, "0.0.9-1"))
        made[name] = "%s/older/%s_0.0.9-1.deb" % (scratch, name)
        os.makedirs(scratch + "/older", exist_ok=True)
        run("dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, made[name])
    return made


@pytest.fixture(scope="session")
def host_layers(packages):
    """The root of a host that has what our packages depend on."""
    reason = hosts.why_not_here()
    if reason is not None:
        pytest.skip(reason)
    wanted = set(hosts.HOST_PACKAGES)
    for name in PACKAGES:
        for one in run("dpkg-deb", "--field", packages[name], "Depends").stdout.split(","):
            wanted.add(re.match(r"\s*([a-z0-9.+-]*)", one).group(1))
    return hosts.host_root({name for name in wanted if name and not name.startswith("xfed-")})


@pytest.fixture(scope="session")
def around(scratch):
    """A partner's Prosody, our Kamailio, DNS and networks between them: around.py."""
    reason = hosts.why_not_here()
    if reason is not None:
        pytest.skip(reason)
    import around as module  # pylint: disable=import-outside-toplevel
    module.made_smaller()
    made = module.Around(scratch + "/lab").start()
    yield made
    made.stop()
