"""The Debian packages as files: what is in them, and what lintian and mandoc say of them."""
import gzip
import os
import re

import pytest

from conftest import PACKAGES, TOP, run

CONTENT = {
    "xfed-edge": ["/usr/sbin/xfed-edge", "/usr/share/xfed/edge.yaml", "/usr/share/man/man8/xfed-edge.8.gz"],
    "xfed-gateway": ["/usr/sbin/xfed-gateway", "/usr/share/xfed/gateway.yaml", "/usr/share/man/man8/xfed-gateway.8.gz"],
    "xfed-tools": ["/usr/bin/xfedctl", "/usr/share/bash-completion/completions/xfedctl", "/usr/share/man/man8/xfedctl.8.gz"],
    "xfed-common": ["/usr/lib/sysusers.d/xfed.conf", "/usr/lib/tmpfiles.d/xfed.conf", "/usr/share/man/man7/xfed-reasons.7.gz"],
}


def test_packages_of_a_build(packages):
    assert set(packages) == set(PACKAGES) | {"xfed-edge-dbgsym", "xfed-gateway-dbgsym", "xfed-tools-dbgsym"}
    with open(TOP + "/meson.build", encoding="utf-8") as f:
        version = re.search(r"version: '([^']+)'", f.read()).group(1)
    assert {run("dpkg-deb", "--field", path, "Version").stdout.strip() for path in packages.values()} == {version + "-1"}


@pytest.mark.parametrize("name", PACKAGES)
def test_content(unpacked, name):
    assert [path for path in CONTENT[name] if not os.path.isfile(unpacked[name] + path)] == []


@pytest.mark.parametrize("name", ("edge", "gateway"))
def test_scripts_know_the_units(unpacked, name):
    """debhelper writes nothing about units that are not where it looks, and nobody says so."""
    root = unpacked["xfed-" + name]
    for unit in ("xfed-%s.service" % name, "xfed-%s@.service" % name):
        assert os.path.isfile(root + "/lib/systemd/system/" + unit)
    with open(root + "/DEBIAN/postinst", encoding="utf-8") as f:
        assert "try-restart 'xfed-%s.service'" % name in f.read()


def test_lintian_has_nothing_to_say(packages, scratch):
    """But of a package beside them that has a file anybody may write to: so it does look."""
    folder = os.path.dirname(packages["xfed-common"])
    changes = next(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".changes"))
    root = scratch + "/planted"
    run("dpkg-deb", "--raw-extract", packages["xfed-tools"], root)
    os.chmod(root + "/usr/bin/xfedctl", 0o777)
    run("sed", "-i", "s/^Package: .*/Package: xfed-planted/", root + "/DEBIAN/control")
    run("dpkg-deb", "--root-owner-group", "-Znone", "--build", root, root + ".deb")
    done = run("lintian", "--allow-root", "--tag-display-limit", "0", changes, root + ".deb", check=False)
    said = re.findall(r"^[EW]: (\S+?):? (\S+)", done.stdout, re.MULTILINE)
    assert ("xfed-planted", "non-standard-executable-perm") in said, done.stdout
    assert [line for line in done.stdout.splitlines() if "xfed-planted" not in line] == []


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
