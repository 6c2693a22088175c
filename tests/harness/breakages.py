"""
What an administrator reads when something is broken: the answers of xfedctl, for tables of breakages. A row names what is broken
and what each answer says of it: its exit status, the words of the cause and of the remedy, and words that would mislead.

    ROWS = {"edge stopped": (stop_edge, {"status": says(1, "channel.down", "check both services"), "explain": says(1, "link")})}
    told(inst, tools, ROWS[name][1], sender="user@corp.example", target="bob@partner.example")
"""
import json

from .proc import wait_until

QUESTIONS = {
    "status": "`status` on the inside host, which asks the edges too",
    "edge": "`status` on the DMZ host",
    "explain": "`explain SENDER TARGET`",
    "back": "`explain TARGET SENDER`",
    "failures": "`failures list`, and `failures show` of each it has, of the partner where one is given",
    "check": "`partner check PARTNER`",
}


class Says:
    """One answer: exit status, words it has, words it does not have."""

    def __init__(self, status, words, never):
        self.status, self.words, self.never = status, words, never

    def complaints(self, status, text):
        folded = " ".join(text.split())  # however a table spaces its cells
        return (["exit status %d instead of %d" % (status, self.status)] if status != self.status else []) + \
            ["no %r" % w for w in self.words if w not in folded] + ["%r" % w for w in self.never if w in folded]


def says(status, *words, never=()):
    return Says(status, words, never)


def failures(inst, tools, partner):
    """(exit status, text): the list, and what each entry says in full."""
    words = ("failures", "list") + (("--partner", partner) if partner else ())
    status, text = inst.gateway.ctl(tools, *words, check=False)
    if status != 0:
        return status, text
    for f in json.loads(inst.gateway.ctl(tools, "--json", *words))["failures"]:
        text += "\n" + inst.gateway.ctl(tools, "failures", "show", str(f["id"]))
    return status, text


def answer(inst, tools, question, sender=None, target=None, partner=None):
    """(exit status, text) of one of QUESTIONS. A service that does not run is a problem that xfedctl tells by itself."""
    if question == "failures":
        return failures(inst, tools, partner)
    daemon = inst.edge if question == "edge" else inst.gateway
    words = {"status": ("status",), "edge": ("status",), "explain": ("explain", sender, target), "back": ("explain", target, sender),
             "check": ("partner", "check", partner)}[question]
    return daemon.ctl(tools, *words, check=False)


def told(inst, tools, rows, sender=None, target=None, partner=None, timeout=10):
    """
    Each answer of `rows` (QUESTION: says(...)) has its words, within the time that what is told takes to arrive; all that are missing
    are told together, with the answers. `partner` is the domain of `target` where it is not given. Returns the texts.
    """
    partner = partner or (target.rsplit("@", 1)[-1].split("/")[0] if target else None)
    texts, bad = {}, []
    for question, expected in rows.items():
        def ask(question=question, expected=expected):
            texts[question] = answer(inst, tools, question, sender, target, partner)
            return not expected.complaints(*texts[question])
        try:
            wait_until("words of %s" % question, ask, 0.01 if question == "check" else timeout)  # a check asks anew, and waits by itself
        except AssertionError:
            bad.append("%s has %s:\n%s" % (QUESTIONS[question], ", ".join(expected.complaints(*texts[question])), texts[question][1]))
    assert not bad, "\n\n".join(bad)
    return {question: text for question, (_, text) in texts.items()}
