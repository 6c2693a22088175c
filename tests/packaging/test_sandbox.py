"""The sandbox of the services under their real units, with systemd as PID 1: it is whole, it holds, and it says where it cannot be had."""
import os
import re

import pytest

from conftest import PACKAGES, TOP, run
from harness.proc import wait_until
from hosts import Host, Namespace
from test_life import CONFIGS, EDGE, GATEWAY, STORES, UNITS, owned, write

REQUIRED = "sandbox: required\n"
DROP_IN = "/run/systemd/system/%s.d/less.conf"


@pytest.fixture(scope="module")
def host(host_layers, packages, scratch):
    """All four services run, and none would without its whole sandbox."""
    with Namespace("sandbox") as netns:
        made = Host("sandbox", host_layers, scratch, netns)
        try:
            made.start()
            for name in PACKAGES:
                made.put(packages[name], "/root/")
            made.sh("apt-get install -y ./xfed-*.deb")
            run(TOP + "/tests/certs/make", scratch + "/sandbox-ca")
            for name, owner in (("edge-int", "xfed-edge"), ("corp", "xfed-edge"), ("fe", "xfed-gateway")):
                made.put("%s/sandbox-ca/%s.chain.pem" % (scratch, name), "/etc/xfed/tls/%s.pem" % name)
                made.put("%s/sandbox-ca/%s.key" % (scratch, name), "/etc/xfed/tls/%s.key" % name)
                owned(made, "/etc/xfed/tls/%s.key" % name, owner, "600")
            made.put(scratch + "/sandbox-ca/ca.pem", "/etc/xfed/tls/ca.pem")
            texts = (EDGE.format(name="edge1", s2s=5269, channel=23456), GATEWAY.format(name="gw1", edge="edge1", channel=23456, sip=5060),
                     EDGE.format(name="edge-two", s2s=5270, channel=23457),
                     GATEWAY.format(name="gw-two", edge="edge-two", channel=23457, sip=5070) + "store: {sqlite: %s}\n" % STORES[1])
            for path, text in zip(CONFIGS, texts):
                write(made, path, text + REQUIRED)
            made.run("systemctl", "start", *UNITS)
            in_service(made)
            yield made
        finally:
            made.stop()


def in_service(host):
    for name in ("gw1", "gw-two"):
        wait_until("in service", lambda n=name: "in service" in host.run("xfedctl", "--name", n, "status", check=False).stdout, 60)


def test_it_is_whole_and_around_every_thread(host):
    for unit in UNITS:
        pid = host.run("systemctl", "show", "-P", "MainPID", unit).stdout.strip()
        seen = host.sh("cat /proc/%s/task/*/status" % pid).stdout
        assert set(re.findall(r"^NoNewPrivs:\t(\d)", seen, re.M)) == {"1"} and set(re.findall(r"^Seccomp:\t(\d)", seen, re.M)) == {"2"}
        assert "event=sandbox.entered" not in seen and "sandbox.entered" in host.run("journalctl", "-o", "cat", "-u", unit).stdout
    for name in ("gw1", "gw-two", "edge1", "edge-two"):
        assert "sandbox." not in host.run("xfedctl", "--name", name, "--json", "status", check=False).stdout


def test_it_holds_in_the_loop_and_on_a_worker(host, scratch):
    library = scratch + "/libforbidden.so"
    run("gcc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", library, TOP + "/tests/unit/support/forbidden.c", "-ldl")
    host.put(library, "/usr/lib/libforbidden.so")
    write(host, "/etc/ld.so.preload", "/usr/lib/libforbidden.so\n")
    try:
        host.run("systemctl", "restart", *UNITS)
        in_service(host)
        for unit in UNITS:
            wait_until("both tried by " + unit, lambda u=unit: host.log_of(u).count("forbidden:") == 2, 60)
            said = sorted(re.findall(r"forbidden: (.*)", host.log_of(unit)))
            assert said == ["handshake, worker: mkdir 38, read 13, make 13", "listen, loop: mkdir 38, read 13, make 13"]
            wait_until("told", lambda u=unit: "event=sandbox.denied call=mkdir" in host.log_of(u), 60)
    finally:
        os.unlink(host.path("/etc/ld.so.preload"))
        host.run("systemctl", "restart", *UNITS)
    in_service(host)


@pytest.mark.parametrize("call,layer", [("landlock_create_ruleset", "landlock"), ("seccomp", "seccomp")])
@pytest.mark.parametrize("unit,config,name", [(UNITS[0], CONFIGS[0], "edge1"), (UNITS[1], CONFIGS[1], "gw1")])
def test_a_unit_that_forbids_it_is_told(host, unit, config, name, call, layer):
    text = host.read(config)
    drop_in = DROP_IN % unit
    os.makedirs(os.path.dirname(host.path(drop_in)), exist_ok=True)
    write(host, drop_in, "[Service]\nSystemCallFilter=~%s\n" % call)
    try:
        host.run("systemctl", "daemon-reload")
        assert host.run("systemctl", "restart", unit, check=False).returncode != 0
        assert re.search(r'sandbox: found "required", and %s is missing: .*SystemCallFilter=' % layer, host.log_of(unit)), host.log_of(unit)[-2000:]
        write(host, config, text.replace(REQUIRED, "sandbox: on\n"))
        host.run("systemctl", "restart", unit)
        said = host.run("xfedctl", "--name", name, "--json", "status", check=False).stdout
        assert "sandbox.layer.missing" in said and "The sandbox has no " + layer in said, said
    finally:
        write(host, config, text)
        os.unlink(host.path(drop_in))
        host.run("systemctl", "daemon-reload")
        host.run("systemctl", "restart", unit)
