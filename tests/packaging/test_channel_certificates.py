"""packaging/channel-certificates: what the two-host deployment of README.md uses for the link between its services."""
import os
import stat
import subprocess

import pytest

from conftest import TOP

TOOL = os.path.join(TOP, "packaging", "channel-certificates")
NAMES = ["edge1.int.example.com", "gw1.int.example.com"]


def call(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    where = str(tmp_path_factory.mktemp("channel"))
    done = call(TOOL, where, *NAMES)
    assert done.returncode == 0, done.stdout
    return where


@pytest.mark.parametrize("name", NAMES)
def test_certificate_names_its_host_and_comes_from_the_ca(made, name):
    leaf = os.path.join(made, name + ".pem")
    verified = call("openssl", "verify", "-x509_strict", "-CAfile", os.path.join(made, "channel-ca.pem"), leaf)
    assert verified.returncode == 0, verified.stdout
    text = call("openssl", "x509", "-in", leaf, "-noout", "-text").stdout
    assert "DNS:" + name in text and "TLS Web Server Authentication, TLS Web Client Authentication" in text
    assert stat.S_IMODE(os.stat(os.path.join(made, name + ".key")).st_mode) == 0o600


def test_another_host_later_gets_the_same_ca(made):
    before = open(os.path.join(made, "channel-ca.pem"), encoding="ascii").read()
    assert call(TOOL, made, "edge2.int.example.com").returncode == 0
    assert open(os.path.join(made, "channel-ca.pem"), encoding="ascii").read() == before


def test_what_is_no_host_name_is_refused(made):
    done = call(TOOL, made, "a b;c")
    assert done.returncode == 2 and "not a host name" in done.stdout


def test_edge_takes_them(made, installed, tmp_path):
    edge = next(path for where, path in installed.items() if where.endswith("/xfed-edge"))
    config = tmp_path / "edge.yaml"
    ca, leaf = os.path.join(made, "channel-ca.pem"), os.path.join(made, NAMES[0])
    config.write_text(f"""name: edge1
external: {{listen: ["127.0.0.1:5269"]}}
channel: {{listen: ["127.0.0.1:23456"], certificate: {leaf}.pem, key: {leaf}.key, ca: {ca}, allow: [{NAMES[1]}]}}
certificates: [{{certificate: {leaf}.pem, key: {leaf}.key}}]
trust: {{ca: {ca}}}
""", encoding="ascii")
    done = call(edge, "-c", str(config), "--check-config")
    assert done.returncode == 0, done.stdout
