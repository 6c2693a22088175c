"""Starting with wrong files, missing files and occupied ports: one clear sentence each, exit status 1."""
import json
import os
import socket
import subprocess

import pytest

from harness.daemon import SANITIZER, SANITIZER_ENV, stay_root
from harness.installation import write
from harness.proc import clean_environment


@pytest.fixture(scope="module")
def inst(install):
    return install("start")


def run(daemon, *more, config=None):
    user = () if "--check-config" in more else stay_root(daemon.binary)
    done = subprocess.run([daemon.binary, "-c", config or daemon.config, *user, *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=30, env=clean_environment(**SANITIZER_ENV), check=False)
    assert not SANITIZER.search(done.stdout), done.stdout
    return done.returncode, done.stdout


@pytest.fixture(params=["edge", "gateway"])
def daemon(inst, request):
    return getattr(inst, request.param)


def changed(inst, daemon, change):
    """The daemon's configuration with a change, in a file of its own, one key a line."""
    config = json.loads(json.dumps(inst.edge_config if daemon is inst.edge else inst.gateway_config))
    change(config)
    path = "%s/changed-%s.yaml" % (inst.dir, daemon.name)
    write(path, json.dumps(config, indent=1) + "\n")
    return path


def test_a_good_file_is_fine(daemon):
    code, text = run(daemon, "--check-config")
    assert code == 0, text


def test_version_and_usage(daemon):
    assert run(daemon, "--version")[0] == 0
    code, text = run(daemon, "--no-such-option")
    assert code == 2 and "usage" in text.lower()


CHANGES = [
    ("an unknown key", lambda c: c.update(nmae="x"), "nmae", "config.key.unknown"),
    ("a name that is none", lambda c: c.update(name="a name with blanks"), "name", "accepted"),
    ("a missing key", lambda c: c.pop("name"), "name", ""),
    ("a wrong level", lambda c: c["log"].update(level="loud"), "loud", "debug"),
    ("a wrong type", lambda c: c.update(stop_timeout="soon"), "soon", "accepted"),
    ("a list for an object", lambda c: c.update(log=["x"]), "log", ""),
    ("an address that is none", lambda c: c["http"].update(listen="here"), "here", "accepted"),
    ("a path that is relative", lambda c: c["channel"].update(certificate="x.pem"), "x.pem", "accepted"),
]


@pytest.mark.parametrize("name, change, word, other", CHANGES, ids=[c[0].replace(" ", "-") for c in CHANGES])
@pytest.mark.parametrize("mode", [["--check-config"], []], ids=["check", "start"])
def test_wrong_configuration(inst, daemon, name, change, word, other, mode):
    path = changed(inst, daemon, change)
    code, text = run(daemon, *mode, config=path)
    assert code == 1, text
    lines = [line for line in text.splitlines() if line.startswith(path + ":")]
    assert lines and word in text, text
    assert other.startswith("config.") or other in text, text


def test_every_error_is_shown_with_its_line(inst, daemon):
    path = changed(inst, daemon, lambda c: (c["log"].update(level="loud"), c.update(stop_timeout="soon"), c.update(bogus=1)))
    code, text = run(daemon, "--check-config", config=path)
    assert code == 1
    with open(path, encoding="utf-8") as f:
        where = {n: line for n, line in enumerate(f, 1)}
    for word in ("loud", "soon", "bogus"):
        number = next(n for n, line in where.items() if word in line)
        assert any(line.startswith("%s:%d:" % (path, number)) for line in text.splitlines()), (word, number, text)


def one_sentence(text, *words):
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) <= 2, text
    for word in words:
        assert word in text, text


def test_a_missing_configuration(inst, daemon):
    code, text = run(daemon, config=inst.dir + "/nowhere.yaml")
    assert code == 1
    one_sentence(text, inst.dir + "/nowhere.yaml")


def test_not_yaml(inst, daemon):
    path = inst.dir + "/not.yaml"
    write(path, "name: [unfinished\nmore: }\n")
    code, text = run(daemon, config=path)
    assert code == 1 and path + ":" in text, text


@pytest.mark.parametrize("key", ["certificate", "key", "ca"])
def test_a_missing_pem_file(inst, daemon, key):
    path = changed(inst, daemon, lambda c: c["channel"].update({key: inst.dir + "/gone.pem"}))
    code, text = run(daemon, config=path)
    assert code == 1
    one_sentence(text.replace("\n", " ") + "\n", inst.dir + "/gone.pem")
    assert text.count(inst.dir + "/gone.pem") == 1, text
    assert ":channel.%s: " % key in run(daemon, "--check-config", config=path)[1]


def test_a_pem_file_of_something_else(inst, daemon):
    """Named with the key and its line, not by a number."""
    wrong = inst.dir + "/wrong.pem"
    write(wrong, "nothing\n")
    path = changed(inst, daemon, lambda c: c["channel"].update(certificate=wrong))
    text = run(daemon, "--check-config", config=path)[1]
    line, = [line for line in text.splitlines() if wrong in line]
    assert line.startswith(path + ":") and ":channel.certificate: %s: certificate: " % wrong in line


def test_a_pem_file_that_is_none(inst, daemon):
    write(inst.dir + "/bad.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    path = changed(inst, daemon, lambda c: c["channel"].update(certificate=inst.dir + "/bad.pem"))
    code, text = run(daemon, config=path)
    assert code == 1 and text.strip(), text


def test_a_key_of_another_certificate(inst, daemon, certs):
    path = changed(inst, daemon, lambda c: c["channel"].update(key=certs.key("partner")))
    code, text = run(daemon, config=path)
    assert code == 1 and text.strip(), text


@pytest.mark.parametrize("which", ["external", "channel", "http"])
def test_an_occupied_port_of_the_edge(inst, which):
    address = {"external": inst.s2s, "channel": inst.channel, "http": inst.edge.http}[which]
    with socket.create_server(address):
        code, text = run(inst.edge)
    assert code == 1
    assert "%s:%d" % address in text and which + ".listen: cannot listen on" in text and "ss -lntup: who listens" in text, text


@pytest.mark.parametrize("which", ["tcp", "udp", "tls", "http"])
def test_an_occupied_port_of_the_gateway(inst, which):
    address = {"tcp": inst.sip, "udp": inst.sip, "tls": inst.sips, "http": inst.gateway.http}[which]
    if which == "udp":
        holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        holder.bind(address)
    else:
        holder = socket.create_server(address)
    with holder:
        code, text = run(inst.gateway)
    assert code == 1
    assert "%s:%d" % address in text, text


def test_a_directory_that_is_missing(inst):
    path = changed(inst, inst.gateway, lambda c: c.update(partners_dir=inst.dir + "/no-partners"))
    code, text = run(inst.gateway, config=path)
    assert code == 1
    one_sentence(text, inst.dir + "/no-partners")
    assert "partners_dir" in text and "make the directory" in text, text


def test_a_store_that_cannot_be_opened(inst):
    path = changed(inst, inst.gateway, lambda c: c["store"].update(sqlite=inst.dir + "/no-dir/gateway.db"))
    code, text = run(inst.gateway, config=path)
    assert code == 1
    assert inst.dir + "/no-dir/gateway.db" in text


def test_a_wrong_partner_file_is_found(inst):
    """A start goes on without it: test_83_dead_ends.py."""
    path = inst.partner_path("wrong.example")
    write(path, "domain: wrong.example\ntls: maybe\n")
    try:
        code, text = run(inst.gateway, "--check-config")
        assert code == 1
        assert path + ":2:" in text and "maybe" in text and "not-supported" in text, text
    finally:
        os.unlink(path)


def test_what_is_not_built_is_refused_by_name(inst):
    code, text = run(inst.gateway, "--check-config", config=changed(inst, inst.gateway, lambda c: c["domains"][0].update(im="session")))
    assert code == 1 and "MSRP" in text and "not built" in text, text
    code, text = run(inst.gateway, "--check-config", config=changed(inst, inst.gateway, lambda c: c["domains"][0].update(dialect="lync")))
    assert code == 0, text
    code, text = run(inst.edge, "--check-config", config=changed(inst, inst.edge, lambda c: c["external"].update(listen_tls=["127.0.0.1:5270"])))
    assert code == 1 and "not built" in text, text
