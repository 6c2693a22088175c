"""Keys that everybody may read, and what everybody may write to: warned about at --check-config, at the start and at every reload."""
import os
import shutil
import subprocess

import pytest

from harness.daemon import SANITIZER, SANITIZER_ENV
from harness.installation import write
from harness.proc import clean_environment

CODE = "config.file.exposed"


@pytest.fixture(scope="module")
def private(install, started, certs):
    """An installation whose every key is its own and private."""
    inst = install("modes")

    def take(c):
        if isinstance(c, dict):
            for key, value in c.items():
                if key == "key":
                    c[key] = shutil.copy(value, inst.dir)
                    os.chmod(c[key], 0o600)
                take(value)
        elif isinstance(c, list):
            for value in c:
                take(value)
    take(inst.edge_config)
    take(inst.gateway_config)
    inst.secret = inst.dir + "/dialback.secret"
    write(inst.secret, "0123456789abcdef0123456789abcdef\n")
    os.chmod(inst.secret, 0o600)
    inst.gateway_config["dialback"] = {"secret_file": inst.secret}
    inst.write_configs()
    inst.list_partner("partner.example")
    try:
        yield started(inst)
    finally:
        inst.stop()


def exposures(private):
    """(what, daemon, path, mode that is wrong, how it is said)"""
    edge, gateway = private.edge_config, private.gateway_config
    return [
        ("a key of the edge", private.edge, edge["certificates"][1]["key"], 0o644, "readable by everybody (mode 0644): chmod o-r "),
        ("its key of the channel", private.edge, edge["channel"]["key"], 0o602, "writable by everybody (mode 0602): chmod o-w "),
        ("the edge's configuration", private.edge, private.edge.config, 0o646, "writable by everybody (mode 0646): chmod o-w "),
        ("the gateway's key of the channel", private.gateway, gateway["channel"]["key"], 0o606,
         "readable and writable by everybody (mode 0606): chmod o-rw "),
        ("the secret of dialback", private.gateway, private.secret, 0o604, "readable by everybody (mode 0604): chmod o-r "),
        ("the store", private.gateway, gateway["store"]["sqlite"], 0o604, "readable by everybody (mode 0604): chmod o-r "),
        ("the partners' directory", private.gateway, private.partners, 0o757, "writable by everybody (mode 0757): chmod o-w "),
        ("a partner's file", private.gateway, private.partner_path("partner.example"), 0o666, "writable by everybody (mode 0666): chmod o-w "),
        ("the directory of access", private.gateway, gateway["access_dir"], 0o757, "writable by everybody (mode 0757): chmod o-w "),
    ]


def check(daemon):
    done = subprocess.run([daemon.binary, "-c", daemon.config, "--check-config"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=30, env=clean_environment(**SANITIZER_ENV), check=False)
    assert not SANITIZER.search(done.stdout), done.stdout
    return done.returncode, done.stdout


@pytest.mark.parametrize("index", range(9))
def test_what_is_open_to_everybody(private, index):
    what, daemon, path, mode, said = exposures(private)[index]
    assert "by everybody" not in check(daemon)[1], what
    before = os.stat(path).st_mode & 0o7777
    os.chmod(path, mode)
    try:
        code, text = check(daemon)
        assert code == 0, text  # a warning: nobody is locked out by it
        assert len([line for line in text.splitlines() if "warning: " in line and path + " is " + said + path in line]) == 1, text
        mark = daemon.process.mark()
        result = daemon.control("reload")
        assert result["ok"] and any(path + " is " + said + path in w for w in result["warnings"]), result
        daemon.process.wait_line("warning event=config.problem reason=%s .*%s" % (CODE, path), 20, mark)
    finally:
        os.chmod(path, before)


def test_at_the_start(private):
    for daemon, path in ((private.edge, private.edge_config["channel"]["key"]), (private.gateway, private.secret)):
        os.chmod(path, 0o644)
        daemon.stop()
        daemon.start()
        try:
            daemon.process.wait_line("warning: %s is readable by everybody" % path, 20, 0)
        finally:
            os.chmod(path, 0o600)
        daemon.wait_ready() if daemon is private.gateway else None
