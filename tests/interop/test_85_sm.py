"""Stream management (XEP-0198) with Prosody's mod_smacks, in both directions [A9-06]."""
import itertools

from harness.proc import wait_until

numbers = itertools.count(1)


def facts(xfed, direction):
    """[acknowledged, of how many] of the streams of that direction which count."""
    answers = [xfed.edge.ask("stream", "show", id=str(s["id"])) for s in xfed.streams_of("partner.example") if s["direction"] == direction]
    shown = [a["result"] for a in answers if a["ok"]]  # one that has closed since it was listed is none
    counts = [s["stream_management"] for s in shown if "stream_management" in s]
    key = "received" if direction == "in" else "sent"
    return [sum(c[k] for c in counts) for k in ("acknowledged", key)]


def talk(alice, dave):
    text = "counted %d" % next(numbers)
    since = dave.inbox.mark()
    alice.send("dave@corp.example", text)
    dave.wait_text(text, 20, since)
    assert dave.message("sip:alice@partner.example", text + " back").status == 200
    alice.wait_body(text + " back", 20)


def all_acknowledged(xfed, direction):
    acked, of = facts(xfed, direction)
    return acked == of > 0


def test_both_sides_acknowledge(lab, xfed, alice, dave):
    talk(alice, dave)  # what waited for its stream Prosody sends before it begins to count
    talk(alice, dave)
    for direction in ("in", "out"):
        wait_until("everything acknowledged, " + direction, lambda d=direction: all_acknowledged(xfed, d), 10)
    mark = lab.partner.process.mark()
    before = facts(xfed, "in"), facts(xfed, "out")
    for _ in range(5):
        talk(alice, dave)
    lab.partner.process.wait_line("#queue = 0 ", 10, mark)      # Prosody's own word: we have acknowledged
    lab.partner.process.wait_line("Received ack request, acking for", 10, mark)
    for direction, (_, of) in zip(("in", "out"), before):
        wait_until("five more acknowledged, " + direction, lambda d=direction, n=of + 5: facts(xfed, d) == [n, n], 10)


def test_the_last_word_before_a_close(lab, xfed, alice, dave):
    """A stream closed by us: Prosody has nothing left that it would give back."""
    talk(alice, dave)
    mark, errors = lab.partner.process.mark(), [m for m in alice.inbox.items if m.type == "error"]
    for s in xfed.streams_of("partner.example"):
        xfed.edge.control("stream", "close", id=str(s["id"]))
    wait_until("no stream", lambda: not xfed.streams_of("partner.example"), 15)
    talk(alice, dave)
    assert not [line for line in lab.partner.process.lines[mark:] if "unacked stanzas" in line and "Destroying" in line]
    assert [m for m in alice.inbox.items if m.type == "error"] == errors


def test_what_was_not_acknowledged_comes_back(lab, xfed, alice, dave):
    """
    The gateway is killed, then the edge: what it had read and no gateway had taken was never acknowledged, and Prosody tells
    its sender. What was acknowledged before is not given back.
    """
    talk(alice, dave)
    talk(alice, dave)
    wait_until("everything acknowledged", lambda: all_acknowledged(xfed, "in"), 10)
    before, since = facts(xfed, "in")[1], dave.inbox.mark()
    errors = len([m for m in alice.inbox.items if m.type == "error"])
    xfed.gateway.process.child.kill()
    wait_until("no link", lambda: xfed.edge.metric("xfed_channel_up", peer="gw1") == 0, 10)
    late = alice.send("dave@corp.example", "never taken")
    wait_until("the message at the edge", lambda: facts(xfed, "in") == [before, before + 1], 10)
    xfed.edge.process.child.kill()
    assert alice.wait_error(late, 20).condition == "recipient-unavailable"
    xfed.edge.start()
    xfed.gateway.start()
    xfed.edge.wait_ready()
    xfed.gateway.wait_ready()
    talk(alice, dave)
    assert "never taken" not in [m.text for m in dave.inbox.items[since:]]
    assert len([m for m in alice.inbox.items if m.type == "error"]) == errors + 1
