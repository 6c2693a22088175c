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
def release():
    """The release build: XFED_RELEASE, which tests/run sets."""
    path = os.environ.get("XFED_RELEASE")
    assert path, "XFED_RELEASE is not set: tests/run packaging sets it"
    return path


@pytest.fixture(scope="session")
def installed(release, scratch):
    """What `meson install` puts into a root of its own."""
    root = os.path.join(scratch, "destdir")
    run("meson", "install", "-C", release, "--no-rebuild", "--quiet", "--destdir", root)
    files = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            files[path[len(root):]] = path
    assert files, "nothing was installed"
    return files


@pytest.fixture(scope="session")
def packages(scratch):
    """{name: file} of the packages, built where there is no network; or those in XFED_PACKAGES, to run a test again by hand."""
    folder = os.environ.get("XFED_PACKAGES")
    if not folder:
        folder = scratch + "/packages"
        run("unshare", "--net", TOP + "/packaging/build-packages", "--output", folder)
    return {name.split("_")[0]: os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".deb")}


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
