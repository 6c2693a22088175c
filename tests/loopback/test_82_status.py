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


# ---- links to edges, SIP servers ----

@pytest.fixture
def elsewhere(own, install, dns):
    """elsewhere(ADDRESS): a gateway alone, whose edge is to be there."""
    made = []

    def start(address):
        inst = install(address.replace(":", "-"), gateway={"dns": {"servers": ["%s:%d" % dns.address[:2]]}, "edges": [{"name": "edge7", "address": address, "tls_name": "edge7.example"}]})
        made.append(inst)
        inst.gateway.start()
        return inst
    yield start
    for inst in made:
        inst.gateway.stop()


@pytest.mark.parametrize("address, reason, words", [
    ("nowhere.example:23456", "dns.name.missing", ["nowhere.example", "edges[].address"]),
    ("127.0.0.1:9", "net.connect.refused", ["127.0.0.1:9", "xfed-edge"]),
])
def test_no_link_to_an_edge(elsewhere, tools, address, reason, words):
    """The name that was looked up or the address that was tried, and what to do: in status, explain and the log."""
    inst = elsewhere(address)
    line = inst.gateway.process.wait_line("event=channel.down peer=edge7 .*reason=%s " % reason.replace(".", r"\."), 10)
    status, text = said(inst.gateway, tools, "status")
    problem, = [line for line in text.splitlines() if "PROBLEM" in line]
    gates = said(inst.gateway, tools, "explain", "alice@corp.example", "bob@partner.example")[1]
    assert status == 1 and reason in problem
    for word in words:
        assert word in problem and word in gates and word in line
    assert "partner" not in problem.lower()


def test_a_next_hop_that_is_no_longer_configured(install, started, new_partner, dns):
    """It does not answer, and is no problem any more as soon as no domain has it."""
    inst = install("hops", gateway={"domains": [{"domain": "corp.example", "next_hop": "sip:127.0.0.1:9;transport=tcp", "peer_addresses": ["127.0.0.1"]}]})
    inst.list_partner("hops.example")
    started(inst)
    try:
        peer = new_partner(inst, "hops.example")
        peer.wait_error(peer.say("alice", "dave@corp.example", "to nobody"))
        problem, = problems(inst.gateway, "sip.server.unreachable")
        assert "127.0.0.1:9" in problem["text"]
        inst.reload()
        assert problems(inst.gateway, "sip.server.unreachable")  # that changed nothing about it
        inst.gateway_config["domains"][0]["next_hop"] = "sip:127.0.0.1:10;transport=tcp"
        inst.write_configs()
        inst.reload()
        problem, = problems(inst.gateway, "sip.server.unreachable")  # the one that it has now, which nobody has needed yet
        assert "127.0.0.1:10 " in problem["text"]
    finally:
        inst.stop()


def test_an_edge_nobody_has(own, tools):
    for words in (("stream", "show", "edge9/1"), ("partner", "check", "partner.example", "edge=edge9")):
        status, text = said(own.gateway, tools, *words)
        assert status == 1 and "there is no edge edge9" in text and "edge1" in text


def test_the_level_of_one_domain(own, tools):
    assert said(own.gateway, tools, "log", "level", "debug", "partner.example") == (0, "partner.example: level debug, for it alone\n")
    assert said(own.gateway, tools, "log", "level", "info", "partner.example") == (0, "partner.example: as all others\n")


@pytest.mark.parametrize("which", ["edge", "gateway"])
def test_the_channels_certificate_near_its_end(own, certs, which):
    """Of both services: a problem of status, and its end among the metrics."""
    daemon, config = getattr(own, which), getattr(own, which + "_config")
    names = {"edge": "host:edge-int.corp.example", "gateway": "sip:fe.corp.example"}
    leaf = certs.leaf_until("soon-" + which, 5 * 86400, names[which])
    values = json.loads(json.dumps(config))
    values["channel"].update(certificate=certs.chain(leaf), key=certs.key(leaf))
    write(daemon.config, json.dumps(values))
    try:
        assert daemon.control("reload")["ok"]
        problem, = problems(daemon, "tls.own.expired")
        assert "expires within 14 days" in problem["text"]
        metrics = daemon.get("/metrics")[1]
        ends = [float(line.rsplit(" ", 1)[1]) for line in metrics.splitlines()
                if line.startswith("xfed_certificate_not_after_timestamp_seconds") and 'owner="us"' in line]
        assert any(abs(end - problem["since"]) < 1 for end in ends), metrics
    finally:
        own.write_configs()
        assert daemon.control("reload")["ok"]
    assert not problems(daemon, "tls.own.expired")


def test_the_certificate_of_the_sip_server_is_named(install, started, users, new_partner):
    """The connection's own reason stands in status and explain; a closed connection alone would say nothing."""
    inst = install("wrong-name")
    inst.list_partner("partner7.example")
    domain = next(d for d in inst.gateway_config["domains"] if d["domain"] == "corp3.example")
    domain["tls_name"] = "other.corp.example"
    inst.write_configs()
    started(inst)
    try:
        p = new_partner(inst, "partner7.example")
        assert p.wait_error(p.say("alice", "dave@corp3.example", "to the wrong name"), 60)
        problem, = [x for x in inst.gateway.control("status")["problems"] if x["reason"] == "sip.server.unreachable"]
        assert "tls.cert.name-mismatch" in problem["text"], problem
    finally:
        inst.stop()


def step_of(daemon, name, local):
    return next(s for s in daemon.control("partner", "check", domain="partner.example", local=local)["steps"] if s["step"] == name)


def test_a_next_hop_is_asked_before_anybody_needs_it(install, started, users, dns):
    """One that nobody has written to by each of the commands that tell of it: by OPTIONS, once; what is wrong is said with what to do."""
    inst = install("asked", gateway={"domains": [{"domain": "corp.example", "next_hop": "sip:127.0.0.1:9;transport=tcp", "peer_addresses": ["127.0.0.1"]},
                                                 {"domain": "corp2.example", "next_hop": "sip:127.0.0.1:%d;transport=tcp" % users["corp.example"].port,
                                                  "peer_addresses": ["127.0.0.2"]}]})
    inst.list_partner("partner.example")
    started(inst)
    user, since = users["corp.example"], users["corp.example"].asked.mark()
    try:
        step = step_of(inst.gateway, "next-hop", "corp2.example")
        assert step["state"] == "ok" and step["text"].endswith("answers"), step
        step = step_of(inst.gateway, "next-hop", "corp.example")
        assert step["state"] == "problem" and step["reason"] == "sip.server.unreachable" and step["remedy"], step
        status = inst.gateway.control("status")
        assert sorted(h["state"] for h in status["sip"]) == ["down", "up"]
        problem, = [p for p in status["problems"] if p["reason"] == "sip.server.unreachable"]
        assert "127.0.0.1:9" in problem["text"]
        inst.gateway.control("status")
        assert user.asked.mark() == since + 1
    finally:
        inst.stop()


@pytest.mark.parametrize("words", [("status",), ("explain", "alice@partner.example", "dave@corp.example")])
def test_a_next_hop_is_asked_by_each_command(install, started, users, words):
    inst = install("asked-" + words[0])
    inst.list_partner("partner.example")
    started(inst)
    try:
        if words[0] == "status":
            states = {h["next_hop"]: h["state"] for h in inst.gateway.control("status")["sip"]}
            assert set(states.values()) == {"up"}, states
        else:
            gate = next(g for g in inst.gateway.control("explain", "", **{"from": words[1], "to": words[2]})["gates"] if g["gate"] == "next-hop")
            assert gate["state"] == "ok" and " answers;" in gate["text"], gate
    finally:
        inst.stop()
