"""
The life of the packages on one host, with systemd as PID 1: installed, configured, running, removed, installed again, purged. The tests
of this file follow each other.
"""
import os
import re
import shutil
import sqlite3

import pytest

from conftest import PACKAGES, TOP, run
from harness.proc import wait_until
from hosts import Host, Namespace

EDGE = """name: {name}
external: {{listen: ["127.0.0.1:{s2s}"]}}
channel:
  listen: ["127.0.0.1:{channel}"]
  certificate: /etc/xfed/tls/edge-int.pem
  key: /etc/xfed/tls/edge-int.key
  ca: /etc/xfed/tls/ca.pem
  allow: [fe.corp.example]
certificates: [{{certificate: /etc/xfed/tls/corp.pem, key: /etc/xfed/tls/corp.key}}]
trust: {{ca: /etc/xfed/tls/ca.pem}}
"""
GATEWAY = """name: {name}
edges: [{{name: {edge}, address: "127.0.0.1:{channel}", tls_name: edge-int.corp.example}}]
channel: {{certificate: /etc/xfed/tls/fe.pem, key: /etc/xfed/tls/fe.key, ca: /etc/xfed/tls/ca.pem}}
domains: [{{domain: corp.example, next_hop: "sip:127.0.0.1:5999;transport=tcp", peer_addresses: [127.0.0.1]}}]
sip: {{listen: ["tcp:127.0.0.1:{sip}"], advertise: 127.0.0.1}}
"""
UNITS = ("xfed-edge.service", "xfed-gateway.service", "xfed-edge@two.service", "xfed-gateway@two.service")
CONFIGS = ("/etc/xfed/edge.yaml", "/etc/xfed/gateway.yaml", "/etc/xfed/edge/two.yaml", "/etc/xfed/gateway/two.yaml")
STORES = ("/var/lib/xfed/gateway.db", "/var/lib/xfed/two.db")


@pytest.fixture(scope="module")
def host(host_layers, packages, scratch):
    with Namespace("life") as netns:
        made = Host("life", host_layers, scratch, netns)
        try:
            made.start()
            for name in PACKAGES:
                made.put(packages[name], "/root/")
            yield made
        finally:
            made.stop()


def owned(host, path, user, mode):
    host.run("chown", "%s:%s" % (user, user), path)
    host.run("chmod", mode, path)


def write(host, path, text):
    with open(host.path(path), "w", encoding="utf-8") as f:
        f.write(text)


@pytest.fixture(scope="module")
def certificates(scratch):
    path = scratch + "/life-ca"
    run(TOP + "/tests/certs/make", path)
    return path


def running(host):
    return {unit: host.active(unit) for unit in UNITS}


def test_nothing_runs_before_it_is_configured(host):
    done = host.sh("apt-get install -y ./xfed-*.deb")
    assert "Setting up xfed-gateway" in done.stdout and "Warning" not in done.stdout, done.stdout
    assert host.failed() == ""
    assert set(running(host).values()) == {"inactive"}
    assert host.run("systemctl", "is-enabled", *UNITS[:2], check=False).stdout.split() == ["disabled", "disabled"]
    assert [path for path in CONFIGS[:2] if not os.path.isfile(host.path(path))] == []
    for user in ("xfed-edge", "xfed-gateway"):
        assert "xfed" in host.run("id", "-Gn", user).stdout.split()
    assert host.run("stat", "-c", "%a %U %G", "/run/xfed").stdout.strip() == "1775 root xfed"


def test_completion_is_found_by_bash(host):
    script = ". /usr/share/bash-completion/bash_completion; _completion_loader xfedctl; complete -p xfedctl"
    assert host.run("bash", "-c", script, check=False).stdout.strip().endswith("complete -F _xfedctl xfedctl")


@pytest.mark.parametrize("unit", UNITS[:2])
def test_unconfigured_service_says_what_is_missing(host, unit):
    program = unit.split(".")[0]
    checked = host.run(program, "--check-config", check=False)
    assert checked.returncode == 1 and "/etc/xfed/" in checked.stdout, checked.stdout
    assert host.run("systemctl", "start", unit, check=False).returncode != 0
    assert "/etc/xfed/" in host.log_of(unit)
    host.run("systemctl", "stop", unit)


def test_services_and_instances_run(host, certificates):
    for name, owner in (("edge-int", "xfed-edge"), ("corp", "xfed-edge"), ("fe", "xfed-gateway")):
        host.put("%s/%s.chain.pem" % (certificates, name), "/etc/xfed/tls/%s.pem" % name)
        host.put("%s/%s.key" % (certificates, name), "/etc/xfed/tls/%s.key" % name)
        owned(host, "/etc/xfed/tls/%s.key" % name, owner, "600")
    host.put(certificates + "/ca.pem", "/etc/xfed/tls/ca.pem")
    write(host, CONFIGS[0], EDGE.format(name="edge1", s2s=5269, channel=23456))
    write(host, CONFIGS[1], GATEWAY.format(name="gw1", edge="edge1", channel=23456, sip=5060))
    write(host, CONFIGS[2], EDGE.format(name="edge-two", s2s=5270, channel=23457))
    write(host, CONFIGS[3], GATEWAY.format(name="gw-two", edge="edge-two", channel=23457, sip=5070) + "store: {sqlite: %s}\n" % STORES[1])
    host.run("systemctl", "enable", "--now", *UNITS)
    assert set(running(host).values()) == {"active"} and host.failed() == ""
    for name in ("gw1", "gw-two"):
        wait_until("in service", lambda n=name: "in service" in host.run("xfedctl", "--name", n, "status", check=False).stdout, 60)
    assert [path for path in STORES if not os.path.isfile(host.path(path))] == []


def test_reload_checks_first_and_keeps_what_runs(host):
    pid = host.run("systemctl", "show", "-P", "MainPID", UNITS[1]).stdout
    text = host.read(CONFIGS[1])
    write(host, CONFIGS[1], text + "no_such_key: 1\n")
    assert host.run("systemctl", "reload", UNITS[1], check=False).returncode != 0
    assert "no_such_key" in host.log_of(UNITS[1]) and host.active(UNITS[1]) == "active"
    write(host, CONFIGS[1], text)
    assert host.run("systemctl", "reload", UNITS[1], check=False).returncode == 0, host.log_of(UNITS[1])[-3000:]
    assert host.run("systemctl", "show", "-P", "MainPID", UNITS[1]).stdout == pid


def test_command_writes_what_the_service_is_ruled_by(host):
    done = host.run("xfedctl", "--name", "gw1", "partner", "add", "fabrikam.example")
    assert os.path.isfile(host.path("/etc/xfed/partners.d/fabrikam.example.yaml")), done.stdout
    assert "fabrikam.example" in host.run("xfedctl", "--name", "gw1", "partner", "list").stdout


def schema(host, scratch, more):
    """The number of the store's schema, which becomes another one. (SQLite does not take the host's own path.)"""
    copy = scratch + "/store.db"
    shutil.copy(host.path(STORES[0]), copy)
    db = sqlite3.connect(copy)
    number = db.execute("PRAGMA user_version").fetchone()[0]
    db.execute("PRAGMA user_version = %d" % (number + more))
    db.close()
    with open(copy, "rb") as changed, open(host.path(STORES[0]), "r+b") as store:
        store.write(changed.read())
    return number


def test_store_of_a_newer_version_is_refused_in_a_sentence(host, scratch):
    host.run("systemctl", "stop", UNITS[1])
    ours = schema(host, scratch, +1)
    assert host.run("systemctl", "start", UNITS[1], check=False).returncode != 0
    said = host.log_of(UNITS[1])
    assert re.search(r"%s.*newer" % STORES[0], said), said[-3000:]
    host.run("systemctl", "stop", UNITS[1])
    assert schema(host, scratch, -1) == ours + 1
    host.run("systemctl", "start", UNITS[1])


def test_remove_stops_and_keeps(host):
    host.run("apt-get", "-y", "remove", *PACKAGES)
    assert set(running(host).values()) == {"inactive"} and host.failed() == ""
    assert not re.search("^xfed-", host.sh("cat /proc/[0-9]*/comm 2> /dev/null || true").stdout, re.MULTILINE)
    kept = CONFIGS + STORES + ("/etc/xfed/tls/fe.key", "/etc/xfed/partners.d/fabrikam.example.yaml")
    assert [path for path in kept if not os.path.exists(host.path(path))] == []


def test_installed_again_it_goes_on(host):
    host.sh("apt-get install -y ./xfed-*.deb")
    assert "name: gw1" in host.read(CONFIGS[1])
    host.run("systemctl", "start", *UNITS)
    assert set(running(host).values()) == {"active"}
    assert "fabrikam.example" in host.run("xfedctl", "--name", "gw1", "partner", "list").stdout


def test_purge_of_one_service_leaves_the_other_alone(host):
    host.run("apt-get", "-y", "purge", "xfed-edge")
    gone = ("/etc/xfed/edge.yaml", "/etc/xfed/edge", "/etc/xfed/tls/corp.key", "/etc/xfed/tls/edge-int.key")
    assert [path for path in gone if os.path.exists(host.path(path))] == []
    assert host.active(UNITS[1]) == "active" and os.path.isfile(host.path("/etc/xfed/tls/fe.key"))


def test_purge_leaves_only_the_users(host):
    host.run("apt-get", "-y", "purge", *PACKAGES)
    assert host.failed() == "" and set(running(host).values()) == {"inactive"}
    left = host.run("find", "/", "-xdev", "-path", "/proc", "-prune", "-o", "(", "-name", "*xfed*", "-o", "-user", "xfed-edge", "-o", "-user",
                    "xfed-gateway", ")", "-print").stdout.split()
    assert [path for path in left if not re.match(r"/root/|/var/log/|/var/lib/systemd/deb-systemd|/tmp/systemd-private", path)] == []
    assert host.run("id", "-un", "xfed-edge").stdout.strip() == "xfed-edge"
