"""
xfedctl panel writer: the panel's changes of files. It does what the commands do, of a short list, for the gateway's user alone; what the
editor saw has to be what is there; who asked and from where stands in its log and in the gateway's.
"""
import json
import os
import socket
import stat
import subprocess

import pytest

from harness.daemon import SANITIZER_ENV
from harness.installation import write
from harness.proc import Process, clean_environment, wait_until
from harness.sip import SipUser

PARTNER = "# theirs\ndomain: fabrikam.example\ntls: required # since 2019\n"


@pytest.fixture(scope="module")
def inst(install, started):
    user = SipUser("corp.example")
    inst = install("writer", users={"corp.example": user})
    inst.list_partner("partner.example")
    started(inst)
    yield inst
    inst.stop()
    user.close()


@pytest.fixture(scope="module")
def writer(inst, tools):
    p = Process("writer", [tools["xfedctl"], "panel", "writer", "config=" + inst.gateway.config], inst.dir + "/writer.log", env=clean_environment(**SANITIZER_ENV))
    p.wait_line("event=writer.ready", 20)
    p.path = inst.gateway.socket.replace(".sock", ".writer")
    yield p
    p.stop()


@pytest.fixture
def partner(inst):
    path = inst.partners + "/fabrikam.example.yaml"
    write(path, PARTNER)
    inst.reload()
    yield path
    os.unlink(path)
    inst.reload()


def say(path, data, ends=False):
    """What comes back until the connection ends."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(path)
        try:
            s.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it is closed before all was said
        if ends:
            s.shutdown(socket.SHUT_WR)
        out = b""
        try:
            while chunk := s.recv(65536):
                out += chunk
        except ConnectionResetError:
            pass
    return json.loads(out) if out else None


def request(writer, noun, verb, args, **more):
    body = {"noun": noun, "verb": verb, "args": args, "login": "carol", "from": "192.0.2.7", **more}
    return say(writer.path, json.dumps(body).encode() + b"\n")


def text_of(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def test_a_change_in_two_steps(inst, writer, partner):
    mark, ours = inst.gateway.process.mark(), writer.mark()
    args = {"domain": "fabrikam.example", "settings": ["tls=optional", "description=it's theirs"]}
    dry = request(writer, "partner", "set", args, **{"dry-run": True})
    assert dry["ok"], dry
    assert dry["result"]["changed"] and not dry["result"]["saved"] and text_of(partner) == PARTNER
    assert dry["result"]["command"] == "xfedctl partner set fabrikam.example tls=optional description='it'\\''s theirs'"
    assert len(dry["result"]["hash"]) == 64
    done = request(writer, "partner", "set", args, expect=dry["result"]["hash"])
    assert done["result"]["saved"] and done["result"]["ok"], done
    assert "tls: optional # since 2019" in text_of(partner) and inst.gateway.control("partner", "show", domain="fabrikam.example")["tls"] == "optional"
    inst.gateway.process.wait_line("event=audit.command .*noun=change verb=finish .*carol.*192.0.2.7.*result=ok", 20, mark)
    writer.wait_line("event=audit.change login=carol from=192.0.2.7 noun=partner verb=set .*saved=yes result=ok", 20, ours)
    again = request(writer, "partner", "set", args, expect=dry["result"]["hash"])
    assert again["error"]["code"] == "changed" and "nothing is saved" in again["error"]["text"]


def test_who_did_it_is_listed(inst, tools, writer, partner):
    args = {"domain": "fabrikam.example", "settings": ["description=listed"]}
    assert request(writer, "partner", "set", args, **{"dry-run": True})["ok"] and request(writer, "partner", "set", args)["result"]["saved"]
    inst.gateway.control("log", "level", level="debug")
    lines = inst.gateway.control("audit", "list", limit=50)["audit"]
    ours = [e for e in lines if "description=listed" in e["what"]]
    assert len(ours) == 1 and (ours[0]["who"], ours[0]["from"], ours[0]["result"], ours[0]["kind"]) == ("carol", "192.0.2.7", "ok", "change")
    assert lines[0]["what"] == "log level debug" and (lines[0]["who"], lines[0]["from"]) == ("uid %d" % os.getuid(), "control socket")
    text = inst.gateway.ctl(tools, "audit", "list", "limit=2")
    assert "carol" in text and "192.0.2.7" in text and "more" in text
    assert inst.edge.control("audit", "list")["audit"] == []


def test_the_same_answer_as_the_command(inst, tools, writer, partner):
    words = [tools["xfedctl"], "--socket", inst.gateway.socket, "--json", "partner", "set", "fabrikam.example", "tls=optional", "--dry-run"]
    typed = json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True, env=clean_environment(**SANITIZER_ENV)).stdout)
    asked = request(writer, "partner", "set", {"domain": "fabrikam.example", "settings": ["tls=optional"]}, **{"dry-run": True})
    assert asked["result"] == typed


def test_what_is_changed_meanwhile_is_not_undone(writer, partner):
    seen = request(writer, "partner", "set", {"domain": "fabrikam.example", "settings": []}, **{"dry-run": True})["result"]["hash"]
    write(partner, PARTNER + "description: another's\n")
    answer = request(writer, "partner", "set", {"domain": "fabrikam.example", "settings": ["tls=optional"]}, expect=seen)
    assert answer["error"]["code"] == "changed" and text_of(partner) == PARTNER + "description: another's\n"
    answer = request(writer, "partner", "remove", {"domain": "fabrikam.example"}, expect=seen)
    assert answer["error"]["code"] == "changed" and os.path.exists(partner)


def test_a_partner_that_came_meanwhile(writer, inst):
    path = inst.partners + "/new.example.yaml"
    args = {"domain": "new.example", "settings": []}
    assert request(writer, "partner", "add", args, **{"dry-run": True})["result"]["hash"] == "none"
    write(path, "domain: new.example\n")
    answer = request(writer, "partner", "add", args, expect="none")
    assert answer["error"]["code"] == "changed"
    os.unlink(path)
    assert request(writer, "partner", "add", args, expect="none")["result"]["saved"]
    assert request(writer, "partner", "remove", {"domain": "new.example"})["result"]["saved"] and not os.path.exists(path)


def test_what_is_invalid_is_not_saved(writer, partner):
    answer = request(writer, "partner", "set", {"domain": "fabrikam.example", "settings": ["tls=maybe"]})
    assert not answer["result"]["ok"] and not answer["result"]["saved"] and 'found "maybe"' in answer["result"]["errors"][0]
    answer = request(writer, "partner", "set", {"domain": "other.example", "settings": ["tls=required"]})
    assert answer["error"]["code"] == "failed" and "not listed" in answer["error"]["text"]
    assert text_of(partner) == PARTNER


@pytest.mark.parametrize("noun, verb, args", [
    ("config", "import", {"file": "/etc/passwd"}),
    ("config", "export", {"file": "/tmp/x"}),
    ("cert", "request", {}),
    ("store", "restore", {"file": "/tmp/x"}),
    ("panel", "writer", {}),
    ("partner", "list", {}),
    ("reload", "", {}),
    ("change", "begin", {}),
], ids=lambda v: v if isinstance(v, str) else "")
def test_nothing_else_is_done(writer, noun, verb, args):
    mark = writer.mark()
    assert request(writer, noun, verb, args)["error"]["code"] == "not-authorised"
    writer.wait_line("event=audit.refused login=carol from=192.0.2.7", 20, mark)


@pytest.mark.parametrize("body", [
    b"\n", b"{\n", b"[]\n", b"7\n",
    b'{"noun": "partner", "verb": "set", "args": {}}\n',
    b'{"noun": "partner", "verb": "set", "args": {"domain": "a.example", "settings": ["tls=required"]}, "login": "", "from": "x"}\n',
    b'{"noun": "partner", "verb": "set", "args": {"domain": "a.example", "settings": ["tls=required"]}, "login": "a\\nb", "from": "x"}\n',
    b'{"noun": "partner", "verb": "set", "args": {"domain": "a.example", "settings": ["tls"]}, "login": "a", "from": "x"}\n',
    b'{"noun": "partner", "verb": "set", "args": {"domain": "a.example", "settings": [7]}, "login": "a", "from": "x"}\n',
    b'{"noun": "partner", "verb": "set", "args": {"domain": "a.example", "settings": "tls=required"}, "login": "a", "from": "x"}\n',
    b'{"noun": "partner", "verb": "set", "args": {"domain": "a.example", "settings": [], "config": "/x"}, "login": "a", "from": "x"}\n',
    b'{"noun": "partner", "verb": "remove", "args": {"domain": "a.example"}, "login": "a", "from": "x", "socket": "/x"}\n',
], ids=range(12))
def test_what_is_no_request(writer, body):
    assert say(writer.path, body)["error"]["code"] == "bad-request"


def test_a_request_that_is_too_large_or_late(writer):
    assert say(writer.path, b"x" * 70000) in (None, {"ok": False, "error": {"code": "bad-request", "text": "no request came, or one that is too large"}})
    assert say(writer.path, b'{"noun"')["error"]["code"] == "bad-request"  # after its five seconds


def test_one_request_a_connection(writer, partner):
    body = json.dumps({"noun": "partner", "verb": "remove", "args": {"domain": "fabrikam.example"}, "login": "a", "from": "b", "dry-run": True}).encode()
    assert say(writer.path, body + b"\n" + body.replace(b"true", b"false") + b"\n")["ok"] and os.path.exists(partner)


def test_its_socket_is_for_one_user(writer):
    assert stat.S_IMODE(os.stat(writer.path).st_mode) == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="takes the rights of another user")
def test_others_are_not_answered(writer):
    mark = writer.mark()
    os.chmod(writer.path, 0o666)
    argv = ["setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-c",
            "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.settimeout(60); print(s.recv(10))", writer.path]
    directory = os.path.dirname(writer.path)
    modes = {d: stat.S_IMODE(os.stat(d).st_mode) for d in (directory, os.path.dirname(directory))}
    for d, mode in modes.items():
        os.chmod(d, mode | 0o011)
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    finally:
        os.chmod(writer.path, 0o600)
        for d, mode in modes.items():
            os.chmod(d, mode)
    assert done.stdout.strip() == "b''", done.stderr
    writer.wait_line("event=writer.refused uid=65534", 20, mark)


def test_another_configuration_is_not_changed(inst, tools, partner, tmp_path):
    """A gateway that was taken over may say that it has another one."""
    elsewhere = str(tmp_path / "gateway.yaml")
    write(elsewhere, text_of(inst.gateway.config))
    path = inst.gateway.socket.replace(".sock", ".writer")
    os.rename(path, path + ".away")
    p = Process("elsewhere", [tools["xfedctl"], "panel", "writer", "config=" + elsewhere], inst.dir + "/elsewhere.log",
                env=clean_environment(**SANITIZER_ENV))
    try:
        p.wait_line("event=writer.ready", 20)
        p.path = path
        answer = request(p, "partner", "set", {"domain": "fabrikam.example", "settings": ["tls=optional"]})
    finally:
        p.stop()
        os.rename(path + ".away", path)
    assert "has another configuration" in answer["error"]["text"] and text_of(partner) == PARTNER


def test_the_control_socket_does_not_carry(inst):
    """Who may change something here says by that who he is: only the panel says who is at the panel."""
    args = {"noun": "partner", "verb": "set", "args": {}, "login": "a", "from": "b"}
    body = json.dumps({"noun": "change", "verb": "carry", "args": args}).encode()
    assert say(inst.gateway.socket, body + b"\n", ends=True)["error"]["code"] == "unknown-command"


def test_what_was_carried_is_listed(inst, tools):
    wait_until("a sample", lambda: inst.gateway.control("traffic", "list")["samples"], 60)
    answer = inst.gateway.control("traffic", "list", limit=1)
    assert answer["every_s"] == 10 and len(answer["samples"]) == 1
    assert set(answer["samples"][0]) >= {"at", "to_sip", "to_xmpp", "presence_to_sip", "presence_to_xmpp", "refused", "streams_in", "streams_out"}
    assert "TO SIP" in inst.gateway.ctl(tools, "traffic", "list")
