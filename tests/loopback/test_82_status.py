"""What an administrator is told by status, explain, config show and the log of a service that does not do what its files say."""
import json

import pytest

from harness.installation import write


@pytest.fixture(scope="module")
def own(install, started):
    inst = install("status")
    inst.list_partner("partner.example")
    yield started(inst)
    inst.stop()


def problems(daemon, reason):
    return [p for p in daemon.control("status")["problems"] if p["reason"] == reason]


def said(daemon, tools, *words):
    """(exit status, text) of xfedctl."""
    return daemon.ctl(tools, *words, check=False)


@pytest.fixture(params=["edge", "gateway"])
def daemon(request, own):
    """One of the two, with its configuration; the file is as before afterwards."""
    d = getattr(own, request.param)
    d.values = json.loads(json.dumps(getattr(own, request.param + "_config")))
    yield d
    own.write_configs()
    assert d.control("reload")["ok"]


def test_keys_that_need_a_restart(own, tools, daemon):
    """config show says what is in force; the reload, status and the log which keys of the file are not, until the file has them again."""
    before = daemon.control("config", "show")["text"]
    keys = ["name", "http.listen"] + (["limits.transactions", "edges", "sip.listen"] if daemon is own.gateway else ["external.listen"])
    for key in keys:
        *above, last = key.split(".")
        values = daemon.values[above[0]] if above and above[0] in daemon.values else daemon.values.setdefault(above[0], {}) if above else daemon.values
        values[last] = {"name": "other", "http.listen": "127.0.0.1:9", "limits.transactions": 100,
                        "edges": [{"name": "edge9", "address": "edge9.example:1"}], "sip.listen": ["tcp:127.0.0.1:9", "udp:127.0.0.1:9", "tls:127.0.0.1:8"],
                        "external.listen": ["127.0.0.1:9"]}[key]
    daemon.values["control_socket"] = "/run/other.sock"
    daemon.values["stop_timeout"] = "6s"  # a reload does that
    keys.append("control_socket")
    write(daemon.config, json.dumps(daemon.values))
    assert sorted(daemon.control("config", "check")["needs_restart"]) == sorted(keys)
    for _ in range(2):  # a second reload does not forget
        mark = daemon.process.mark()
        result = daemon.control("reload")
        assert result["ok"] and sorted(result["needs_restart"]) == sorted(keys)
        for key in keys:
            daemon.process.wait_line(r"event=config\.needs-restart key=%s " % key.replace(".", r"\."), 10, mark)
    text = daemon.control("config", "show")["text"]
    in_force = [line for line in text.splitlines() if not line.startswith("#")]
    assert in_force == [line for line in before.replace("stop_timeout: 5s", "stop_timeout: 6s").splitlines() if not line.startswith("#")]
    assert "# name has another value in the file" in text
    assert daemon.control("status")["name"] == {own.edge: "edge1", own.gateway: "gw1"}[daemon]
    found = problems(daemon, "config.restart.needed")
    assert len(found) == 1 and all(key in found[0]["text"] for key in keys), found
    status, words = said(daemon, tools, "reload")
    assert status == 0 and "with a restart" in words and "  name\n" in words
    own.write_configs()
    assert "needs_restart" not in daemon.control("reload") and not problems(daemon, "config.restart.needed")


def test_a_reload_that_failed(own, tools, daemon):
    """It is a problem of status, with the first thing that was wrong, until a reload succeeds; also where a signal asked for it."""
    daemon.values["log"]["level"] = "loud"
    write(daemon.config, json.dumps(daemon.values))
    assert not daemon.control("reload")["ok"]
    found = problems(daemon, "config.reload.failed")
    assert len(found) == 1 and daemon.config in found[0]["text"] and "log.level" in found[0]["text"] and "loud" in found[0]["text"], found
    status, text = said(daemon, tools, "status")
    assert status == 1 and "config.reload.failed" in text
    own.write_configs()
    assert daemon.control("reload")["ok"] and not problems(daemon, "config.reload.failed")
