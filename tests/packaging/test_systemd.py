"""The unit files, as far as they can be judged without a running systemd."""
import os
import re
import shutil

import pytest

from conftest import run

SERVICES = ("xfed-edge.service", "xfed-edge@.service", "xfed-gateway.service", "xfed-gateway@.service")
# What writes for the panel is none of the services: it has no loop, no network, and root's rights to files.
WRITERS = ("xfed-panel-writer.service", "xfed-panel-writer@.service")
# Of 10: what is left is that the services use the network, and that they see the users of those who connect to them.
MOST_EXPOSURE = 1.3


def installed_file(installed, name):
    found = [path for where, path in installed.items() if where.endswith("/" + name)]
    assert len(found) == 1, "%s: installed as %s" % (name, found)
    return found[0]


@pytest.fixture(scope="module")
def units(installed, scratch):
    """The units with their programs where they are now instead of where they will be; an instance has a name."""
    folder = os.path.join(scratch, "units")
    os.mkdir(folder)
    for name in SERVICES + WRITERS:
        with open(installed_file(installed, "system/" + name), encoding="utf-8") as f:
            text = f.read()
        for program in ("xfed-edge", "xfed-gateway", "xfedctl"):
            where = [w for w in installed if re.search("/s?bin/%s$" % program, w)]
            assert len(where) == 1, "%s: installed as %s" % (program, where)
            text = text.replace(where[0] + " ", installed[where[0]] + " ")
        with open(os.path.join(folder, name.replace("@.", "@one.")), "w", encoding="utf-8") as f:
            f.write(text)
    return folder


def unit(name):
    return name.replace("@.", "@one.")


@pytest.mark.parametrize("name", SERVICES + WRITERS)
def test_unit_verifies_without_a_word(units, name):
    assert shutil.which("systemd-analyze"), "packaging/install-deps installs systemd"
    done = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", os.path.join(units, unit(name)))
    assert done.stdout == ""


@pytest.mark.parametrize("name", SERVICES + WRITERS)
def test_unit_is_never_given_up(units, name):
    """A port that is taken, or a full disk, is often mended hours later, and nobody thinks of reset-failed."""
    with open(os.path.join(units, unit(name)), encoding="utf-8") as f:
        lines = f.read().splitlines()
    assert "StartLimitIntervalSec=0" in lines and "Restart=on-failure" in lines and "RestartSec=5" in lines


@pytest.mark.parametrize("name", SERVICES + WRITERS)
def test_unit_is_fenced_in(units, name):
    path = os.path.join(units, unit(name))
    done = run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=%d" % (MOST_EXPOSURE * 10), path, check=False)
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert exposure and float(exposure.group(1)) <= MOST_EXPOSURE, done.stdout[-2000:]


def test_a_unit_without_its_fence_is_exposed(units, scratch):
    """The control of the last one."""
    bare = os.path.join(scratch, "xfed-bare.service")
    with open(os.path.join(units, "xfed-edge.service"), encoding="utf-8") as f:
        lines = [line for line in f if not re.match(r"(Protect|Restrict|Capability|SystemCall|NoNew|Private)", line)]
    with open(bare, "w", encoding="utf-8") as f:
        f.writelines(lines)
    done = run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=%d" % (MOST_EXPOSURE * 10), bare, check=False)
    assert done.returncode != 0


def values(folder, name, key):
    with open(os.path.join(folder, unit(name)), encoding="utf-8") as f:
        return re.findall("^%s=(.*)$" % key, f.read(), re.MULTILINE)


@pytest.mark.parametrize("name", SERVICES)
def test_unit_lets_the_service_fence_itself_in(units, name):
    """@system-service has none of these, and the sandbox of the service itself would be missing without a word of systemd's."""
    calls = values(units, name, "SystemCallFilter")
    assert calls[:2] == ["@system-service", "~@privileged @resources"]
    assert set(" ".join(calls[2:]).split()) == {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp"}


@pytest.mark.parametrize("name", SERVICES)
def test_unit_lets_write_where_the_service_writes(units, name):
    """Its control socket, and a gateway's store; never what it is ruled by."""
    assert values(units, name, "ProtectSystem") == ["strict"]
    assert values(units, name, "ReadWritePaths") == ["-/run/xfed"]
    assert values(units, name, "StateDirectory") == (["xfed"] if "gateway" in name else [])


@pytest.mark.parametrize("name", WRITERS)
def test_the_writer_reaches_files_and_sockets_alone(units, name):
    assert values(units, name, "ReadWritePaths") == ["/etc/xfed -/run/xfed"] and values(units, name, "ProtectSystem") == ["strict"]
    assert values(units, name, "PrivateNetwork") == ["yes"] and values(units, name, "RestrictAddressFamilies") == ["AF_UNIX"]
    assert values(units, name, "CapabilityBoundingSet") == ["CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER"]


@pytest.mark.parametrize("name", SERVICES)
def test_reload_checks_first(units, name):
    with open(os.path.join(units, unit(name)), encoding="utf-8") as f:
        text = f.read()
    start = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE).group(1)
    reloads = re.findall(r"^ExecReload=(.*)$", text, re.MULTILINE)
    assert reloads == [start + " --check-config", "/bin/kill -HUP $MAINPID"]


def test_users_and_the_directory_of_the_sockets(installed, scratch):
    """What sysusers and tmpfiles make of the files, in a root of their own."""
    root = os.path.join(scratch, "users")
    os.makedirs(root + "/etc")
    run("systemd-sysusers", "--root", root, installed_file(installed, "sysusers.d/xfed.conf"))
    with open(root + "/etc/group", encoding="utf-8") as f:
        groups = {line.split(":")[0]: line.strip().split(":")[3].split(",") for line in f}
    with open(root + "/etc/passwd", encoding="utf-8") as f:
        users = {line.split(":")[0]: line.strip().split(":") for line in f}
    assert {"xfed-edge", "xfed-gateway"} <= set(users)
    assert {users[u][6] for u in ("xfed-edge", "xfed-gateway")} == {"/usr/sbin/nologin"}
    assert sorted(groups["xfed"]) == ["xfed-edge", "xfed-gateway"]
    assert {"xfed-admin", "xfed-read"} <= set(groups)
    assert groups["xfed-admin"] == groups["xfed-read"] == [""]
    run("systemd-tmpfiles", "--create", "--root", root, installed_file(installed, "tmpfiles.d/xfed.conf"))
    made = os.stat(root + "/run/xfed")
    assert made.st_mode & 0o7777 == 0o1775 and made.st_uid == 0
