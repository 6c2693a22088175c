"""
What a front end of the Lync dialect knows of its users: what they have published, their contacts, and who watches them. The client gets what
it asks for at its start; a watcher beyond the gateway gets PIDF, as the front end gives to whom its own formats mean nothing.
"""
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from harness.sipmsg import SipMessage, token

SCHEMA = "http://schemas.microsoft.com/2006/09/sip/"
KEPT_S = 28800
CATEGORIES = "application/vnd-microsoft-roaming-self+xml"
PIDF = """<?xml version="1.0" encoding="utf-8"?><presence xmlns="urn:ietf:params:xml:ns:pidf"
 xmlns:ep="urn:ietf:params:xml:ns:pidf:status:rpid-status" xmlns:ci="urn:ietf:params:xml:ns:pidf:cipid" entity="sip:%s"><tuple id="0"><status>
<basic>%s</basic>%s</status></tuple>%s<ci:display-name>%s</ci:display-name></presence>"""
BUSY, AWAY, OFFLINE, AVAILABLE = 6000, 12000, 18000, 3500  # where the ranges of availability begin, and what an endpoint is by itself
# Whoever is not of this domain has to be asked for by the client itself. libpurple wants an empty line before a boundary.
LIST = ('--part\r\nContent-ID: <list>\r\nContent-Type: application/rlmi+xml\r\n\r\n<list xmlns="urn:ietf:params:xml:ns:rlmi" uri="sip:%s" version="1" '
        'fullState="false">%s</list>\r\n\r\n--part--\r\n')
LISTED = '<resource uri=%s><instance id="0" state="resubscribe"/></resource>'
ACTIVITY = "<ep:activities><ep:activity>%s</ep:activity></ep:activities>"


def local_name(element):
    return element.tag.rpartition("}")[2]


class Publication:
    def __init__(self, version, owner, attributes, text):
        self.version, self.owner, self.attributes, self.text = version, owner, attributes, text

    def numbers(self):
        """The state that it says, and whether a user has chosen it."""
        root = ET.fromstring(self.text)
        found = next((e for e in root.iter() if local_name(e) == "availability"), None)
        kind = next((v for k, v in root.attrib.items() if k.endswith("}type")), "")
        return (kind == "userState", int(found.text)) if found is not None else None


class Subscription:
    """`tag`: ours. `body`: function that gives (content type, text) for it."""

    def __init__(self, flow, m, tag, body):
        self.flow, self.tag, self.body, self.cseq = flow, tag, body, 1
        self.call_id, self.remote, self.local = m.get("call-id"), m.get("from"), m.get("to") + ";tag=" + tag
        self.event, self.target, self.routes = m.get("event"), m.uri("contact"), [("route", v) for v in m.all("record-route")]
        self.method = "BENOTIFY" if "ms-benotify" in m.all("supported") else "NOTIFY"


class Presence:
    def __init__(self, front):
        self.front = front
        self.published = {}      # aor -> {(category, instance, container): Publication}
        self.contacts = {}       # aor -> {URI without scheme: name of its group's number}
        self.groups = {}         # aor -> [name]
        self.subscriptions = {}  # our tag -> (aor that is watched, Subscription)

    def request(self, flow, m):
        aor = m.uri("to")[4:].split(";")[0].lower()
        known = self.subscriptions.get(m.get("to").partition(";tag=")[2].partition(";")[0])
        if m.method == "SERVICE":
            self._service(flow, m, m.uri("from")[4:].lower())
        elif m.method != "SUBSCRIBE":
            self.front.answer(flow, m, 200, "OK")
        elif known is not None:
            self._refresh(flow, m, *known)
        elif ";tag=" in m.get("to"):
            self.front.answer(flow, m, 481, "Subscription does not exist")
        elif aor not in self.front.users:
            self.front.answer(flow, m, 404, "Not Found")
        else:
            self._subscribe(flow, m, aor)

    # ---- subscriptions ----
    def _subscribe(self, flow, m, aor):
        event = m.get("event").split(";")[0].lower()
        bodies = {"presence": self._pidf, "vnd-microsoft-roaming-self": self._roaming, "vnd-microsoft-roaming-contacts": self._contact_list,
                  "vnd-microsoft-provisioning-v2": self._provisioning}
        if event not in bodies:
            self.front.answer(flow, m, 489, "Bad Event")
            return
        sub = Subscription(flow, m, token(), lambda: bodies[event](aor))
        self.subscriptions[sub.tag] = (aor, sub)
        self._refresh(flow, m, aor, sub)

    def _refresh(self, flow, m, aor, sub):
        expires = min(int(m.get("expires") or KEPT_S), KEPT_S)
        to = m.get("to") if ";tag=" in m.get("to") else sub.local
        answered = SipMessage(m.start, [h if h[0] != "to" else ("to", to) for h in m.headers], m.body)
        headers = [("Record-Route", v) for v in m.all("record-route")]
        headers += [("Event", sub.event), ("Expires", str(expires)), ("Contact", "<sip:%s:5061;transport=tls>" % self.front.address)]
        sub.flow = flow
        if expires == 0:
            self.subscriptions.pop(sub.tag, None)
        if "ms-piggyback-first-notify" in m.all("supported"):
            kind, text = self._list(aor, m.body) if b"<batchSub" in m.body else sub.body()
            self.front.answer(flow, answered, 200, "OK", headers + [("ms-piggyback-cseq", "1"), ("Content-Type", kind)], text.encode("utf-8"))
        else:
            self.front.answer(flow, answered, 200, "OK", headers)
            self._notify(sub, expires)

    def _notify(self, sub, expires=KEPT_S):
        kind, text = sub.body()
        sub.cseq += 1
        m = SipMessage("%s %s SIP/2.0" % (sub.method, sub.target), [
            ("via", ""), ("max-forwards", "70"), ("from", sub.local), ("to", sub.remote), ("call-id", sub.call_id), ("cseq", "%d %s" % (
                sub.cseq, sub.method))] + sub.routes + [
            ("event", sub.event), ("subscription-state", "active;expires=%d" % expires if expires else "terminated;reason=timeout"),
            ("contact", "<sip:%s:5061;transport=tls>" % self.front.address), ("content-type", kind)], text.encode("utf-8"))

        def send(flow):
            m.headers[0] = ("via", self.front._via(flow, "z9hG4bK" + token()))
            flow.send(m)
        if sub.flow.is_gateway:
            self.front.to_gateway(send)
        elif sub.flow.is_open:
            send(sub.flow)

    def _tell(self, aor, but=None):
        for of, sub in list(self.subscriptions.values()):
            if of == aor and sub.event in ("presence", "vnd-microsoft-roaming-self") and (but is None or sub.flow is not but):
                self._notify(sub)

    def left(self, aor, flow):
        """An endpoint has gone, and with it what it has published of itself."""
        kept = {k: p for k, p in self.published.get(aor, {}).items() if p.owner is not flow}
        self.subscriptions = {tag: s for tag, s in self.subscriptions.items() if s[1].flow is not flow or s[0] != aor}
        self.published[aor] = kept
        self._tell(aor)

    # ---- documents ----
    def _state(self, aor):
        if not self.front.users.get(aor):
            return 18500
        numbers = [p.numbers() for (category, _, container), p in self.published.get(aor, {}).items() if category == "state" and container == 2]
        chosen = [n for is_user, n in filter(None, numbers) if is_user]
        return chosen[-1] if chosen else max([n for _, n in filter(None, numbers)], default=AVAILABLE)

    def _note(self, aor):
        for (category, _, container), p in self.published.get(aor, {}).items():
            if category == "note" and container >= 200:
                return "".join(ET.fromstring(p.text).itertext())
        return ""

    def _pidf(self, aor):
        number, note = self._state(aor), self._note(aor)
        activity = "away" if number >= AWAY else "busy" if number >= BUSY else None
        return "application/pidf+xml", PIDF % (
            aor, "closed" if number >= OFFLINE else "open", ACTIVITY % activity if activity and number < OFFLINE else "",
            "<note>%s</note>" % escape(note) if note else "", escape(aor.split("@")[0].title()))

    def _list(self, aor, wanted):
        rows = [LISTED % quoteattr(e.get("uri")) for e in ET.fromstring(wanted).iter() if local_name(e) == "resource"]
        return 'multipart/related;type="application/rlmi+xml";start="<list>";boundary=part', LIST % (aor, "".join(rows))

    def _roaming(self, aor):
        rows = ["<category%s>%s</category>" % ("".join(" %s=%s" % (k, quoteattr(v)) for k, v in p.attributes.items()), p.text)
                for p in self.published.get(aor, {}).values()]
        return CATEGORIES, ('<roamingData xmlns="%sroaming-self"><categories xmlns="%scategories" uri="sip:%s">%s</categories>'
                            '<containers xmlns="%scontainer-management"/><subscribers xmlns="%spresence-subscribers"/></roamingData>' % (
                                SCHEMA, SCHEMA, aor, "".join(rows), SCHEMA, SCHEMA))

    def _contact_list(self, aor):
        rows = ['<group id="%d" name=%s externalURI=""/>' % (n, quoteattr(name)) for n, name in enumerate(["~"] + self.groups.get(aor, []), 1)]
        rows += ['<contact uri=%s name="" groups="%s" subscribed="true" externalURI=""/>' % (quoteattr(uri), groups)
                 for uri, groups in self.contacts.get(aor, {}).items()]
        return "application/vnd-microsoft-roaming-contacts+xml", '<contactList deltaNum="1">%s</contactList>' % "".join(rows)

    def _provisioning(self, aor):
        return "application/vnd-microsoft-roaming-provisioning-v2+xml", (
            '<provisionGroupList xmlns="%sprovisiongrouplist-notification"><provisionGroup name="ServerConfiguration"/></provisionGroupList>' % SCHEMA)

    # ---- what the client stores ----
    def _service(self, flow, m, aor):
        kind = (m.get("content-type") or "").split(";")[0].lower()
        root = ET.fromstring(m.body)
        if kind == "application/msrtc-category-publish+xml":
            self._publish(flow, aor, root)
            kind, text = self._roaming(aor)
            self.front.answer(flow, m, 200, "OK", [("Content-Type", kind)], text.encode("utf-8"))
            self._tell(aor, but=flow)
        elif kind == "application/soap+xml":
            self._soap(flow, m, aor, root)
        else:
            self.front.answer(flow, m, 200, "OK")

    def _publish(self, flow, aor, root):
        mine = self.published.setdefault(aor, {})
        for e in [e for e in root.iter() if local_name(e) == "publication"]:
            key = (e.get("categoryName"), e.get("instance"), int(e.get("container")))
            before = mine.pop(key, None)
            if e.get("expires") == "0" or not len(e):
                continue
            version = before.version + 1 if before else 1
            owner = flow if e.get("expireType") == "endpoint" else None
            mine[key] = Publication(version, owner, {
                "name": key[0], "instance": key[1], "container": str(key[2]), "version": str(version), "publishTime": "2026-01-01T00:00:00Z",
                "expireType": e.get("expireType") or "static"}, ET.tostring(e[0], encoding="unicode"))

    def _soap(self, flow, m, aor, root):
        said = {local_name(e): e.text or "" for e in root.iter()}
        headers, body = [], ""
        if "addGroup" in said:
            groups = self.groups.setdefault(aor, [])
            groups.append(said["name"])
            headers = [("Content-Type", "application/SOAP+xml")]
            body = ('<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><m:addGroup xmlns:m="http://schemas.microsoft.com/winrtc/'
                    '2002/11/sip"><m:groupID>%d</m:groupID></m:addGroup></s:Body></s:Envelope>' % (len(groups) + 1))
        elif "setContact" in said:
            self.contacts.setdefault(aor, {})[said["URI"][4:]] = said.get("groups", "").strip() or "1"
        elif "deleteContact" in said:
            self.contacts.setdefault(aor, {}).pop(said["URI"][4:], None)
        self.front.answer(flow, m, 200, "OK", headers, body.encode("utf-8"))
