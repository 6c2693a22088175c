"""The Debian packages as files: what is in them, and what lintian and mandoc say of them."""
import gzip
import os
import re
import stat

import pytest

from conftest import PACKAGES, TOP, run

CONTENT = {
    "xfed-edge": ["/usr/sbin/xfed-edge", "/usr/share/xfed/edge.yaml", "/usr/share/man/man8/xfed-edge.8.gz"],
    "xfed-gateway": ["/usr/sbin/xfed-gateway", "/usr/share/xfed/gateway.yaml", "/usr/share/man/man8/xfed-gateway.8.gz"],
    "xfed-tools": ["/usr/bin/xfedctl", "/usr/share/bash-completion/completions/xfedctl", "/usr/share/man/man8/xfedctl.8.gz"],
    "xfed-common": ["/usr/lib/sysusers.d/xfed.conf", "/usr/lib/tmpfiles.d/xfed.conf", "/usr/share/man/man7/xfed-reasons.7.gz"],
}


@pytest.fixture(scope="module")
def unpacked(packages, scratch):
    """{package: root} with the package's scripts in DEBIAN."""
    roots = {}
    for name in PACKAGES:
        roots[name] = "%s/unpacked/%s" % (scratch, name)
        os.makedirs(roots[name])
        run("dpkg-deb", "--raw-extract", packages[name], roots[name])
    return roots


def test_packages_of_a_build(packages):
    assert set(packages) == set(PACKAGES) | {"xfed-edge-dbgsym", "xfed-gateway-dbgsym", "xfed-tools-dbgsym"}
    with open(TOP + "/meson.build", encoding="utf-8") as f:
        version = re.search(r"version: '([^']+)'", f.read()).group(1)
    assert {run("dpkg-deb", "--field", path, "Version").stdout.strip() for path in packages.values()} == {version + "-1"}


@pytest.mark.parametrize("name", PACKAGES)
def test_content(unpacked, name):
    assert [path for path in CONTENT[name] if not os.path.isfile(unpacked[name] + path)] == []


def test_every_installed_file_is_in_a_package(unpacked, installed):
    """Beside documents, whose places differ."""
    def names(root):
        return {re.sub(r"\.gz$", "", n) for folder, _, found in os.walk(root) for n in found if "/DEBIAN" not in folder}
    packed = set().union(*(names(root) for root in unpacked.values()))
    assert {os.path.basename(path) for path in installed} - packed - {"LICENSE", "CHANGELOG.md"} == set()


@pytest.mark.parametrize("name", ("edge", "gateway"))
def test_scripts_know_the_units(unpacked, name):
    """debhelper writes nothing about units that are not where it looks, and nobody says so."""
    root = unpacked["xfed-" + name]
    for unit in ("xfed-%s.service" % name, "xfed-%s@.service" % name):
        assert os.path.isfile(root + "/lib/systemd/system/" + unit)
    with open(root + "/DEBIAN/postinst", encoding="utf-8") as f:
        assert "try-restart 'xfed-%s.service'" % name in f.read()


def test_lintian_has_nothing_to_say(packages):
    changes = next(os.path.join(folder, n) for folder in {os.path.dirname(p) for p in packages.values()}
                   for n in os.listdir(folder) if n.endswith(".changes"))
    done = run("lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0", changes, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_lintian_looks(unpacked, scratch):
    """The control of the last one, and of the overrides: without them, and with a file nobody should ship, it does complain."""
    root = unpacked["xfed-tools"]
    os.unlink(root + "/usr/share/lintian/overrides/xfed-tools")
    os.chmod(root + "/usr/bin/xfedctl", stat.S_IMODE(os.stat(root + "/usr/bin/xfedctl").st_mode) | stat.S_IWOTH)
    path = scratch + "/planted.deb"
    run("dpkg-deb", "--root-owner-group", "-Znone", "--build", root, path)
    done = run("lintian", "--allow-root", "--fail-on", "error,warning", path, check=False)
    assert done.returncode != 0 and "non-standard-executable-perm" in done.stdout and "initial-upload-closes-no-bugs" in done.stdout, done.stdout


def test_manual_pages_pass_mandoc(unpacked, scratch):
    pages = [os.path.join(folder, n) for root in unpacked.values() for folder, _, names in os.walk(root + "/usr/share/man") for n in names]
    assert len(pages) >= 8
    for path in pages:
        plain = os.path.join(scratch, "lint-" + os.path.basename(path)[:-3])
        with gzip.open(path) as packed, open(plain, "wb") as f:
            f.write(packed.read())
        assert run("mandoc", "-T", "lint", "-W", "warning", plain, check=False).stdout == ""
    done = run("sh", "-c", "sed '1s/[0-9-]* \"xfed/\"\" \"xfed/' \"$0\" | mandoc -T lint -W warning", plain, check=False)
    assert "missing date" in done.stdout, "the control"


def test_wrong_use_is_told():
    done = run(TOP + "/packaging/build-packages", "--twice", check=False)
    assert done.returncode == 1 and done.stdout == "build-packages: '--twice' is not known: see --help.\n"
