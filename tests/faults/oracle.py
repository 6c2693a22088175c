"""
The judge. It reads the logs of the scripted peers, who sent and who received, by message number; nothing of the daemons.

A message is delivered when its receiver has it (and, on SIP, answered 2xx). Its sender has an error when it got an error
stanza or a final response that is no 2xx, or when its own server made one up, as a real one does: XMPP for what was not
acknowledged or found no stream, SIP 408 or 503 for a transaction that got no answer or lost its connection.
"""
import collections

UNCERTAIN_TEXT = ("delivery.uncertain", "may have been delivered")
BAD = ("duplicate", "false_error", "lost", "wrong_uncertain", "wrong_local", "disorder", "false_ok", "late")
ANSWER_WITHIN = 18.0  # seconds: sip.answer_within, 5 s for the edge's word after a withdrawal, and some for a busy machine
CLASSES = ("sent", "delivered", "refused", "uncertain", "local", "physical") + BAD

# Where an answer may be missing for a reason: what a fault has to touch.
MAY_BE_UNCERTAIN = {"to_sip": {"edge", "gateway", "channel", "sip"}, "to_xmpp": {"edge", "gateway", "channel", "partner"}}
MAY_BE_LOCAL = {"to_sip": {"edge", "gateway", "channel", "partner"}, "to_xmpp": {"gateway", "sip"}}
MAY_BE_LATE = {"gateway", "sip"}  # who answers, and how the answer travels
MAY_BE_LOST = {"edge", "partner"}  # without stream management


class Verdict:
    def __init__(self):
        self.counts = {c: 0 for c in CLASSES}
        self.examples = collections.defaultdict(list)
        self.reasons = collections.Counter()  # what the senders of refused and uncertain ones were told

    def add(self, what, text=None):
        self.counts[what] += 1
        if text and len(self.examples[what]) < 5:
            self.examples[what].append(text)

    @property
    def is_bad(self):
        return any(self.counts[c] for c in BAD)


def is_uncertain_text(text):
    return any(w in text.lower() for w in UNCERTAIN_TEXT)


def pair_of(m):
    return m.sender, m.recipient, m.domain


def judge_order(v, order, local, message_of):
    """The first receipts of a pair come in the order they were sent; those its own server has given up do not count."""
    last, seen = {}, set()
    for number in order:
        m = message_of.get(number)  # the partner receives those of other plans too
        if m is None or number in seen or number in local:
            continue
        seen.add(number)
        pair = pair_of(m)
        if last.get(pair, 0) > number:
            v.add("disorder", "%d after %d of %s" % (number, last[pair], pair))
        last[pair] = max(number, last.get(pair, 0))


def judge_one(v, way, number, seen, is_delivered, error, is_local, fault, describe):
    """`error`: None, "plain" or "uncertain". True where nobody has any word of it: the caller says what that is."""
    v.add("sent")
    if seen > 1:
        v.add("duplicate", describe(number))
    if is_local:
        v.add("local")
        if not fault.where & MAY_BE_LOCAL[way]:
            v.add("wrong_local", describe(number))
    elif error == "uncertain":
        v.add("uncertain")
        if not fault.where & MAY_BE_UNCERTAIN[way]:
            v.add("wrong_uncertain", describe(number))
    elif error == "plain" and is_delivered:
        v.add("false_error", describe(number))
    elif error == "plain":
        v.add("refused")
    elif is_delivered:
        v.add("delivered")
    else:
        return True
    return False


def is_physical_to_sip(number, pair, partner, received, answered, high, fault, struck, sm):
    """
    Without stream management two things may be gone without a word: a stanza behind the last one that got through on a stream
    that has died, and the error for one whose answer came when the stream it went to was dying. A killed edge had parked some
    of those it had read, in the order of their pair; one that lives has them all.
    """
    if sm or not fault.where & MAY_BE_LOST:
        return False
    if number in received:
        ends = [when for name, (when, _) in partner.ends.items() if name.startswith("in") and when >= struck - 0.5]
        return any(struck - 1 <= answered.get(number, 0) <= end + 0.5 for end in ends)
    stream, index, _ = partner.written.get(number, (None, 0, 0))
    return stream in partner.ends and index > high[stream, pair if "edge" in fault.where else None]


def judge_to_sip(messages, partner, sips, fault, struck, sm):
    """XMPP to SIP."""
    v = Verdict()
    received, answers, answered, order = {}, {}, {}, []
    for sip in sips:
        received.update(sip.received)
        answers.update(sip.answers)
        answered.update(sip.answered)
        order += sip.order  # a pair is on one of them
    high = collections.defaultdict(lambda: -1)  # stream, and pair or None for all -> the last that is known to have got through
    for number in received:
        stream, index, _ = partner.written.get(number, (None, 0, 0))
        for key in ((stream, None), (stream, pair_of(messages[number]))):
            high[key] = max(high[key], index)

    def describe(n):
        return "x%d: written %s, received %s, answered %s %s, errors %s, bounced %s" % (
            n, partner.written.get(n), received.get(n), answers.get(n), answered.get(n), partner.errors.get(n), partner.bounced.get(n))

    for n in messages:
        errors = partner.errors.get(n, ())
        kinds = ["uncertain" if is_uncertain_text(text) else "plain" for _, _, text in errors]
        for (_, condition, text), kind in zip(errors, kinds):
            v.reasons["%s %s: %s" % (kind, condition, text[:60])] += 1
        error = "plain" if "plain" in kinds else kinds[0] if kinds else None
        is_delivered = n in received and 200 <= answers[n] < 300
        if not judge_one(v, "to_sip", n, len(received.get(n, ())), is_delivered, error, n in partner.bounced, fault, describe):
            continue
        is_physical = is_physical_to_sip(n, pair_of(messages[n]), partner, received, answered, high, fault, struck, sm)
        v.add("physical" if is_physical else "lost", None if is_physical else describe(n))
    judge_order(v, order, partner.bounced, messages)
    return v


def judge_to_xmpp(messages, partner, sips, fault, struck, sm):
    """
    SIP to XMPP. A 2xx for what nobody received is physical only where a stream died under it and nobody acknowledges; where the
    user was told later, by a message from the contact, it is what that message says.
    """
    v = Verdict()
    finals, local, handed, sent, notes = {}, {}, {}, {}, collections.defaultdict(list)
    for sip in sips:
        for _, contact, user, text in sip.notes:
            notes[user, contact.split("@")[0]].append(text)
        finals.update(sip.finals)
        local.update(sip.local)
        handed.update(sip.handed)
        sent.update(sip.sent)

    def describe(n):
        return "s%d: handed in %.2f, final %s, local %s, received %s" % (n, handed.get(n, 0), finals.get(n), local.get(n), partner.received.get(n))

    for n in messages:
        got = finals.get(n, ())
        bad = [(status, line) for _, status, line in got if status >= 300]
        error = None
        if bad:
            kinds = ["uncertain" if is_uncertain_text(line) else "plain" for _, line in bad]
            error = "plain" if "plain" in kinds else "uncertain"
            v.reasons["%s %s" % (error, bad[0][1])] += 1
        elif n in local:
            v.reasons["local %d" % local[n][1]] += 1
        is_ok = any(200 <= status < 300 for _, status, _ in got)
        seen = len(partner.received.get(n, ()))
        if got and got[0][0] - sent[n] > ANSWER_WITHIN and not fault.where & MAY_BE_LATE:
            v.add("late", describe(n))
        if is_ok and bad:
            v.add("false_ok", describe(n))
        m = messages[n]
        late = notes.get(("%s@%s" % (m.sender, m.domain), m.recipient))
        if is_ok and not seen and late:
            error = "uncertain" if is_uncertain_text(late.pop()) else "plain"
            v.reasons["told later, %s" % error] += 1
        if not judge_one(v, "to_xmpp", n, seen, seen > 0, error, n in local and not got, fault, describe):
            continue
        end = max((when for when, _ in partner.ends.values()), default=0)
        is_physical = is_ok and not sm and fault.where & MAY_BE_LOST and handed[n] <= end and got[0][0] >= struck
        v.add("physical" if is_physical else "lost", None if is_physical else describe(n))
    judge_order(v, partner.order, local, messages)
    return v
