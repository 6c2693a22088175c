"""A small installation whose people use clients of the Lync dialect: a front end (lab/lync_front.py) stands where Kamailio does elsewhere."""
from .lync_client import LyncClient
from .lync_front import LyncFront
from .world import World


class LyncWorld(World):
    DIALECT = "lync"

    def __init__(self, lab, number, tools, program, on_start=lambda process: None):
        self.program = program
        super().__init__(lab, number, tools, "tls", on_start)

    def _make_sip_server(self, port, transport):
        self.front = LyncFront(self._loop("sip"), self.ours, self.at["sip"]["lan"], ("fe." + self.ours, self.at["fe"]["lan"], port),
                               (self.lab.certs.ca, self.lab.certs.chain("world-sip"), self.lab.certs.key("world-sip")))
        return self.front

    def client(self, name, netns=None):
        """Somebody at a client, signed on. `netns`: another computer than that of everybody else."""
        client = LyncClient(self.program, netns or self.net.ns(self.host["sipua"]), "%s@%s" % (name, self.ours),
                            "%s:5060" % self.at["sip"]["lan"], "%s/lync-%s-%d" % (self.dir, name, len(self.users)))
        self.users.append(client)
        since = self.front.log.mark()
        client.start()
        client.wait("online")
        # what it publishes comes last of its start; before it has its list of contacts, it would forget who is added
        self.front.passed("client", lambda m: m.start.startswith("SERVICE") and m.uri("from") == client.uri and b"<publications" in m.body, since)
        self.front.has_reached(client.user)
        return client
