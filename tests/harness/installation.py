"""One edge and one gateway on the loopback, with generated configurations, between the bundled peers."""
import itertools
import json
import os
import re
import subprocess

from .daemon import Daemon
from .proc import clean_environment, wait_until
from .wire import free_port

numbers = itertools.count(1)

HOST = "127.0.0.1"


def write(path, text):
    """Replaces a file in one step, as an editor does."""
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(path + ".new", path)


def merge(base, more):
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merge(base[key], value)
        else:
            base[key] = value
    return base


def remove(config, path):
    """Takes out what is at a path as error messages have it: key.list[3].key."""
    *above, last = re.findall(r"[^.\[\]]+", path)
    for step in above:
        config = config[int(step)] if isinstance(config, list) else config[step]
    del config[last]


def partner_file(domain, **more):
    """A federated partner that logs in with certificates; keys given replace these."""
    return merge({"domain": domain, "partner_type": "federated", "tls": "required", "sasl": "required", "dialback": False,
                  "limits": {"stanzas_per_second": 2000}}, more)


class Installation:
    """
    Three domains of ours, one for each transport of SIP: corp.example (TCP), corp2.example (UDP), corp3.example (TLS). `users`:
    domain -> SipUser. JSON is YAML, so configurations are written as such.
    """

    def __init__(self, directory, tools, certs, dns, users, edge=None, gateway=None):
        self.dir, self.tools, self.certs, self.dns, self.users = directory, tools, certs, dns, users
        self.partners = directory + "/partners.d"
        os.makedirs(self.partners)
        os.makedirs(directory + "/access.d")
        self.s2s = (HOST, free_port())
        self.channel = (HOST, free_port())
        self.sip = (HOST, free_port())
        self.sips = (HOST, free_port())
        http = {name: (HOST, free_port()) for name in ("edge", "gateway")}
        self.edge_config = merge(self._edge(http["edge"]), edge or {})
        self.gateway_config = merge(self._gateway(http["gateway"]), gateway or {})
        self.edge = Daemon("edge1", tools["xfed-edge"], directory + "/edge.yaml", directory, http["edge"])
        self.gateway = Daemon("gw1", tools["xfed-gateway"], directory + "/gateway.yaml", directory, http["gateway"])
        self.write_configs()

    def _edge(self, http):
        c = self.certs
        for name in ("corp3.example",):
            c.leaf(name.split(".")[0], "xmpp:" + name)
        return {
            "name": "edge1",
            "external": {"listen": ["%s:%d" % self.s2s], "allow_networks": ["127.0.0.0/8", "::1"]},  # where the peers of a test are
            "channel": {"listen": ["%s:%d" % self.channel], "certificate": c.chain("edge-int"), "key": c.key("edge-int"), "ca": c.ca,
                        "allow": ["fe.corp.example"]},
            "certificates": [{"certificate": c.chain(name), "key": c.key(name)} for name in ("corp", "corp2", "corp3")],
            "trust": {"ca": c.ca},
            "dns": {"servers": ["%s:%d" % self.dns.address[:2]]},
            "control_socket": self.dir + "/edge1.sock",
            "http": {"listen": "%s:%d" % http},
            "log": {"level": "debug"},
            "stop_timeout": "5s",
        }

    def _gateway(self, http):
        c = self.certs
        tcp, udp, tls = (self.users[d].port if d in self.users else free_port() for d in ("corp.example", "corp2.example", "corp3.example"))
        return {
            "name": "gw1",
            "edges": [{"name": "edge1", "address": "%s:%d" % self.channel, "tls_name": "edge-int.corp.example"}],
            "channel": {"certificate": c.chain("fe"), "key": c.key("fe"), "ca": c.ca},
            "domains": [
                {"domain": "corp.example", "next_hop": "sip:%s:%d;transport=tcp" % (HOST, tcp), "peer_addresses": [HOST]},
                {"domain": "corp2.example", "next_hop": "sip:%s:%d;transport=udp" % (HOST, udp), "peer_addresses": [HOST], "udp_trusted": True},
                {"domain": "corp3.example", "next_hop": "sip:%s:%d;transport=tls" % (HOST, tls), "tls_name": "sip.corp.example",
                 "peers": ["sip.corp.example"]},
            ],
            "sip": {"listen": ["tcp:%s:%d" % self.sip, "udp:%s:%d" % self.sip, "tls:%s:%d" % self.sips], "advertise": "fe.corp.example",
                    "certificate": c.chain("fe"), "key": c.key("fe"), "ca": c.ca, "answer_within": "3s", "error_hold": "300ms"},
            "partners_dir": self.partners,
            "access_dir": self.dir + "/access.d",
            "store": {"sqlite": self.dir + "/gateway.db"},
            "control_socket": self.dir + "/gw1.sock",
            "http": {"listen": "%s:%d" % http},
            "log": {"level": "debug"},
            "stop_timeout": "5s",
        }

    def write_configs(self):
        write(self.edge.config, json.dumps(self.edge_config, indent=1) + "\n")
        self.write_configs_of_gateway()

    def write_configs_of_gateway(self):
        write(self.gateway.config, json.dumps(self.gateway_config, indent=1) + "\n")

    def leave_out_unknown_keys(self):
        """For programs of another version: what they do not know is taken out of their files, as their own check says."""
        for daemon, config in ((self.edge, self.edge_config), (self.gateway, self.gateway_config)):
            done = subprocess.run([daemon.binary, "--check-config", "-c", daemon.config], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True, timeout=60, env=clean_environment(), check=False)
            for path in re.findall(r"^%s:\d+:\d+:(\S+): found the unknown key" % re.escape(daemon.config), done.stdout, re.M):
                remove(config, path)
        self.write_configs()

    # ---- partners ----
    def partner_path(self, domain):
        return "%s/%s.yaml" % (self.partners, domain)

    def list_partner(self, domain, **more):
        write(self.partner_path(domain), json.dumps(partner_file(domain, **more), indent=1) + "\n")

    def unlist_partner(self, domain):
        os.unlink(self.partner_path(domain))

    def reload(self, timeout=5):
        """Reloads the gateway's files and waits until the edge runs the new policy."""
        result = self.gateway.control("reload")
        assert result["ok"], result
        wait_until("revision %s on the edge" % result.get("revision"),
                   lambda: self.edge.metric("xfed_policy_revision") >= result["revision"], timeout)
        return result

    # ---- life ----
    def start(self):
        self.edge.start()
        self.gateway.start()
        self.edge.wait_ready()
        self.gateway.wait_ready()
        return self

    def wait_linked(self):
        wait_until("the channel", lambda: self.edge.metric("xfed_channel_up", peer="gw1") == 1 and self.gateway.get("/readyz")[0] == 200, 30)

    def both_ways(self, partner, user, flow):
        """A stream each way, with a message to the partner's user on one; the partner's own stream."""
        s = partner.stream_to("corp.example")
        text = "both ways %d" % next(numbers)
        assert user.message(flow, "sip:eve@" + partner.domain, text, timeout=20).status in (200, 202)
        partner.wait_body(text, 20)
        return s

    def streams(self, domain=None):
        args = {"domain": domain} if domain else {}
        return self.edge.control("stream", "list", **args)["streams"]

    def refusals(self, code):
        return sum(d.metric("xfed_refusals_total", reason=code) for d in (self.edge, self.gateway))

    def processes(self):
        return [d.process for d in (self.edge, self.gateway) if d.process is not None]

    def stop(self):
        try:
            self.gateway.stop()
        finally:
            self.edge.stop()
