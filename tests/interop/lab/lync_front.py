"""
A front end of the Lync dialect: a registrar and a proxy with Record-Route, as much as a client of that family needs to sign on and as a gateway
that is its static route meets. Requests to a user go to all endpoints, or to the one that a GRUU names; whose publications and subscriptions it
keeps is the business of lync_presence.py. It knows no password, and nothing that is not for messages and presence.
"""
import asyncio
import contextlib
import dataclasses
import re
import ssl

from harness.inbox import Inbox
from harness.sipmsg import SipMessage, parse_sip, response_to, split_stream, token

from .lync_presence import Presence

ANSWER_WITHIN_S = {"INVITE": 200.0}  # RFC 3261 section 16.6: timer C
ANSWER_WITHIN_OTHERS_S = 30.0
EVENTS = "vnd-microsoft-provisioning-v2,vnd-microsoft-roaming-contacts,vnd-microsoft-roaming-self,presence"


def to_bytes(m):
    lines = [m.start] + ["%s: %s" % h for h in m.headers if h[0] != "content-length"] + ["Content-Length: %d" % len(m.body)]
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + m.body


def aor_of(uri):
    return re.sub(r"^sips?:", "", uri).split(";")[0].lower()


def host_of(uri):
    return re.match(r"sips?:(?:[^@]*@)?([^:;?>]+)", uri).group(1).lower()


def parameter(value, name):
    m = re.search(r";\s*%s=\"?([^;>\"]*)" % re.escape(name), value or "", re.I)
    return m.group(1) if m else None


@dataclasses.dataclass
class Endpoint:
    flow: "Flow"
    contact: str
    gruu: str


class Flow(asyncio.Protocol):
    """A connection of a client, or from or to the gateway."""

    def __init__(self, front, is_gateway):
        self.front, self.is_gateway, self.buffer, self.transport = front, is_gateway, b"", None

    def connection_made(self, transport):
        self.transport = transport
        self.front.flows.add(self)

    def connection_lost(self, exc):
        self.front.flows.discard(self)
        self.front.lost(self)

    def data_received(self, data):
        whole, self.buffer = split_stream(self.buffer + data)
        for raw in whole:
            self.front.received(self, parse_sip(raw))

    @property
    def is_open(self):
        return not self.transport.is_closing()

    def send(self, m):
        self.front.log.put((">", "gateway" if self.is_gateway else "client", m))
        if self.is_open:  # else what is behind it is gone, and lost() answers for it
            self.transport.write(to_bytes(m))


class Forwarded:
    """A request on its way, with a leg for each place where it went."""

    def __init__(self, flow, request):
        self.flow, self.request = flow, request
        self.open = set()      # branches without a final response
        self.best = None       # of the refusals
        self.is_accepted = False


class LyncFront:
    """`gateway`: host, address and port of its TLS listener; `certs`: (CA, chain, key). `log`: what has passed, as (direction, whom, message)."""

    def __init__(self, nsloop, domain, address, gateway, certs):
        self.nsloop, self.domain, self.address, self.gateway = nsloop, domain, address, gateway
        self.certs, self.log = certs, Inbox("the front end")
        self.flows, self.servers = set(), []
        self.users = {}        # aor -> its endpoints; who has ever been there is known
        self.legs = {}         # branch -> (Forwarded, Flow, request as it went)
        self.refused = set()   # branches of INVITEs that got a refusal, whose ACK ends here; clients give none, and send no ACK
        self.route = None      # to the gateway: Flow, or the task that opens it
        self.presence = Presence(self)
        self.held = None       # while requests are held up: (whose, method), their Call-IDs, and what waits
        self.refusals = {}     # (whose, method) -> status and header fields, while it refuses these

    # ---- beginning and end ----
    def start(self):
        self.nsloop.run(self._start(), 10)
        return self

    async def _start(self):
        loop = asyncio.get_running_loop()
        self.servers.append(await loop.create_server(lambda: Flow(self, False), self.address, 5060))
        self.servers.append(await loop.create_server(lambda: Flow(self, True), self.address, 5061, ssl=self._tls(ssl.PROTOCOL_TLS_SERVER)))

    def _tls(self, role):
        context = ssl.SSLContext(role)
        context.load_verify_locations(self.certs[0])
        context.load_cert_chain(*self.certs[1:])
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def stop(self):
        async def end():
            for server in self.servers:
                server.close()
            for flow in list(self.flows):
                flow.transport.abort()
        self.nsloop.run(end(), 10)

    def processes(self):
        return []  # it lives among the users

    # ---- connections ----
    def lost(self, flow):
        for aor, endpoints in self.users.items():
            if any(e.flow is flow for e in endpoints):
                self.users[aor] = [e for e in endpoints if e.flow is not flow]
                self.presence.left(aor, flow)
        for branch, (_, target, _) in list(self.legs.items()):
            if target is flow:  # nobody else answers
                self._answered(branch, 504, "Server time-out")

    async def _open_route(self):
        host, address, port = self.gateway
        _, flow = await asyncio.get_running_loop().create_connection(lambda: Flow(self, True), address, port, ssl=self._tls(ssl.PROTOCOL_TLS_CLIENT),
                                                                     server_hostname=host)
        return flow

    async def with_gateway(self, use, failed):
        """use(flow), in the order in which it was asked for."""
        if self.route is None or (self.route.done() and (self.route.exception() or not self.route.result().is_open)):
            self.route = asyncio.ensure_future(self._open_route())
        try:
            flow = await asyncio.shield(self.route)
        except OSError:
            failed()
        else:
            use(flow)

    def to_gateway(self, use, failed=lambda: None):
        if self.route is not None and self.route.done() and not self.route.exception() and self.route.result().is_open:
            use(self.route.result())
        else:
            asyncio.ensure_future(self.with_gateway(use, failed))

    # ---- requests ----
    def received(self, flow, m):
        self.log.put(("<", "gateway" if flow.is_gateway else "client", m))
        if m.is_response:
            self._response(m)
        elif m.method == "REGISTER":
            self._register(flow, m)
        elif m.method == "CANCEL":
            self._cancel(flow, m)
        elif m.method == "ACK" and m.branch and m.branch in self.refused:
            self.refused.discard(m.branch)
        else:
            self._request(flow, m)

    def _is_mine(self, uri):
        return host_of(uri) == self.address

    def _request(self, flow, m):
        while m.get("route") and self._is_mine(m.uri("route")):
            m.headers.remove(("route", m.get("route")))
        uri = m.start.split(" ")[1]
        refusal = self.refusals.get((flow.is_gateway, m.method))
        if refusal is not None:
            self.answer(flow, m, refusal[0], "No", refusal[1])
        elif self._is_mine(uri) or (host_of(uri) == self.domain and m.method in ("SUBSCRIBE", "SERVICE")):
            self.presence.request(flow, m)
        elif host_of(uri) == self.domain:
            self._to_user(flow, m, uri)
        elif flow.is_gateway:
            self.answer(flow, m, 404, "Not Found")
        else:
            self.to_gateway(lambda out: self._forward(flow, m, [out]), lambda: self.answer(flow, m, 504, "Server time-out", [
                ("ms-diagnostics", '1007;reason="Temporarily cannot route";source="sip.%s"' % self.domain)]))

    def _to_user(self, flow, m, uri):
        endpoints = self.users.get(aor_of(uri))
        if endpoints is None:
            self.answer(flow, m, 404, "Not Found", [("ms-diagnostics", '4005;reason="Destination URI either not enabled for SIP or does not exist";'
                                                     'source="sip.%s"' % self.domain)])
            return
        if "opaque=" in uri:
            endpoints = [e for e in endpoints if e.gruu == uri]
        if endpoints:
            self._forward(flow, m, [e.flow for e in endpoints])
        else:
            self.answer(flow, m, 480, "Temporarily Unavailable")

    def answer(self, flow, m, status, phrase, headers=(), body=b""):
        if m.method == "ACK":
            return
        if m.method == "INVITE" and status >= 300:
            self.refused.add(m.branch)
        r = parse_sip(response_to(m, status, phrase, headers))
        r.body = body
        flow.send(r)

    # ---- the proxy ----
    def _forward(self, flow, m, targets):
        hops = int(m.get("max-forwards") or 70)
        if hops == 0:
            self.answer(flow, m, 483, "Too many hops")
            return
        if m.method == "INVITE":
            self.answer(flow, m, 100, "Trying")
        f = Forwarded(flow, m)
        for target in targets:
            branch = "z9hG4bK" + token()
            self._send_leg(f, m, target, branch, hops)

    def _send_leg(self, f, m, target, branch, hops):
        headers = [h for h in m.headers if h[0] != "max-forwards"]
        at = headers.index(("via", m.get("via")))
        port = f.flow.transport.get_extra_info("peername")[1]
        headers[at] = ("via", "%s;ms-received-port=%d;ms-received-cid=%X00" % (m.get("via"), port, id(f.flow) % 4096))  # as its kind marks it
        headers[at:at] = [("via", self._via(target, branch)), ("max-forwards", str(hops - 1))]
        if m.method in ("INVITE", "SUBSCRIBE") and ";tag=" not in m.get("to"):
            headers.insert(at, ("record-route", "<sip:%s:5061;transport=tls;opaque=state:Ci.R%s;lr>" % (self.address, token()[:6])))
        sent = SipMessage(m.start, headers, m.body)
        if m.method not in ("ACK", "BENOTIFY"):
            f.open.add(branch)
            self.legs[branch] = (f, target, sent)
            if not target.is_open:
                self._answered(branch, 504, "Server time-out")
                return
            asyncio.get_running_loop().call_later(ANSWER_WITHIN_S.get(m.method, ANSWER_WITHIN_OTHERS_S), self._answered, branch, 408, "Request Timeout")
        self._pass(f.flow, target, sent)

    def _pass(self, source, target, m):
        if self.held is not None and (source.is_gateway, m.method) == self.held[0]:
            self.held[1].add(m.get("call-id"))
        if self.held is not None and m.get("call-id") in self.held[1]:
            self.held[2].append((target, m))
        else:
            target.send(m)

    def _via(self, target, branch):
        return "SIP/2.0/%s %s:%d;branch=%s" % (("TLS", self.address, 5061, branch) if target.is_gateway else ("TCP", self.address, 5060, branch))

    def _answered(self, branch, status, phrase):
        """A leg whose end has no response, and will have none."""
        f, _, _ = self.legs.get(branch, (None, None, None))
        if f is not None and branch in f.open:
            self._final(f, branch, parse_sip(response_to(f.request, status, phrase)))

    def _response(self, m):
        branch = m.branch
        f, target, sent = self.legs.get(branch, (None, None, None))
        if f is None or m.status == 100:
            return
        m.headers.remove(("via", m.get("via")))
        at = m.headers.index(("via", m.get("via"))) if m.get("via") else None
        if at is not None:
            m.headers[at] = ("via", m.get("via").split(";ms-received-port=")[0])
        if m.status >= 300 and sent.method == "INVITE":
            self._acknowledge(target, sent, m)
        if m.status < 200:
            f.flow.send(m)
        else:
            self._final(f, branch, m)

    def _acknowledge(self, target, sent, m):
        keep = [("via", sent.get("via"))] + [(k, v) for k, v in sent.headers if k in ("from", "call-id", "route")]
        keep += [("to", m.get("to")), ("cseq", sent.get("cseq").split()[0] + " ACK"), ("max-forwards", "70")]
        target.send(SipMessage(sent.start.replace("INVITE", "ACK", 1), keep, b""))

    def _final(self, f, branch, m):
        f.open.discard(branch)
        is_invite = f.request.method == "INVITE"
        if m.status < 300:  # of an INVITE each endpoint may accept; the caller chooses
            f.is_accepted = True
            f.flow.send(m)
            for other in f.open if is_invite else ():
                self._cancel_leg(other)
        else:
            f.best = min(f.best or m, m, key=lambda r: r.status)
        if not is_invite or m.status >= 300:
            self.legs.pop(branch, None)
        if not f.open and not f.is_accepted:
            if is_invite:
                self.refused.add(f.request.branch)
            f.flow.send(f.best)

    def _cancel_leg(self, branch):
        f, target, sent = self.legs[branch]
        keep = [("via", sent.get("via"))] + [(k, v) for k, v in sent.headers if k in ("from", "to", "call-id", "route")]
        keep += [("cseq", sent.get("cseq").split()[0] + " CANCEL"), ("max-forwards", "70")]
        self._pass(f.flow, target, SipMessage(sent.start.replace("INVITE", "CANCEL", 1), keep, b""))

    def _cancel(self, flow, m):
        self.answer(flow, m, 200, "OK")
        for branch, (f, _, _) in list(self.legs.items()):
            if f.flow is flow and f.request.branch == m.branch and f.request.method == "INVITE" and branch in f.open:
                self._cancel_leg(branch)

    # ---- the registrar ----
    def _register(self, flow, m):
        aor = aor_of(m.uri("to"))
        endpoints = [e for e in self.users.get(aor, []) if e.flow is not flow]
        if m.get("expires") == "0":
            self.users[aor] = endpoints
            self.presence.left(aor, flow)
            self.answer(flow, m, 200, "OK", [("Expires", "0")])
            return
        instance = re.search(r"urn:uuid:([0-9a-fA-F-]+)", m.get("contact")).group(1)
        gruu = "sip:%s;opaque=user:epid:%s;gruu" % (aor, instance.replace("-", "").upper())
        self.users[aor] = endpoints + [Endpoint(flow, m.uri("contact"), gruu)]
        contact = '<%s>;expires=7200;+sip.instance="<urn:uuid:%s>";gruu="%s"' % (m.uri("contact"), instance, gruu)
        self.answer(flow, m, 200, "OK", [  # without Expires a client of this family waits for ever; each Supported is looked for as a line
            ("Contact", contact), ("Expires", "7200"), ("Allow-Events", EVENTS), ("Supported", "msrtc-event-categories"),
            ("ms-keep-alive", "UAS; tcp=no; hop-hop=yes; end-end=no; timeout=300")])

    # ---- for tests ----
    @contextlib.contextmanager
    def holding(self, whom, method):
        """A slow line: requests of that method from `whom`, and what follows them in their dialogs, go on at the end of the block."""
        self.held = ((whom == "gateway", method), set(), [])
        try:
            yield
        finally:
            self.nsloop.run(self._release(), 10)

    async def _release(self):
        (_, _, waiting), self.held = self.held, None
        for target, m in waiting:
            target.send(m)

    @contextlib.contextmanager
    def refusing(self, whom, method, status, headers=()):
        """For the block, requests of that method from `whom` go nowhere."""
        self.refusals[whom == "gateway", method] = (status, headers)
        try:
            yield
        finally:
            del self.refusals[whom == "gateway", method]

    def has_reached(self, aor, timeout=20):
        """Waits until each endpoint of a user has read what was sent to it so far: it answers a question behind that."""
        async def ask():
            asked = []
            for e in self.users[aor]:
                asked.append(token())
                e.flow.send(SipMessage("OPTIONS %s SIP/2.0" % e.gruu, [
                    ("via", self._via(e.flow, "z9hG4bK" + token())), ("max-forwards", "70"), ("from", "<sip:%s>;tag=%s" % (self.domain, token())),
                    ("to", "<sip:%s>" % aor), ("call-id", asked[-1]), ("cseq", "1 OPTIONS")], b""))
            return asked
        since = self.log.mark()
        for call_id in self.nsloop.run(ask(), 10):
            self.passed("client", lambda m, c=call_id: m.is_response and m.get("call-id") == c, since, timeout)

    def passed(self, whom, what, since=0, timeout=20):
        """The first request or response that came from `whom` ("client" or "gateway") for which what(message) holds."""
        return self.log.wait(lambda e: e[0] == "<" and e[1] == whom and what(e[2]), timeout, since)[2]
