"""baresip, a real SIP phone: registers, publishes its presence and watches its contacts."""
import contextlib
import json
import os
import re
import socket

from harness.proc import Process, wait_until

from .net import HOSTS

CONFIG = """poll_method epoll
sip_listen {address}:5090
audio_player ausine,1
audio_source ausine,1
audio_alert ausine,1
module_path /usr/lib/baresip/modules
module g711.so
module ausine.so
module_tmp uuid.so
module_tmp account.so
module_app contact.so
module_app menu.so
module_app presence.so
module ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:4444
"""
ACCOUNT = '<{aor};transport=tcp>;auth_pass=none;outbound="sip:{proxy};transport=tcp";regint=600;pubint=600\n'


class Baresip:
    """One phone, on the host of the SIP users. `contacts`: SIP addresses it watches from its start."""

    def __init__(self, net, directory, aor, contacts):
        self.net, self.dir, self.aor, self.contacts = net, directory, aor, contacts
        self.process = None

    def start(self):
        os.makedirs(self.dir)
        files = {"config": CONFIG.format(address=HOSTS["sipua"]["lan"]), "accounts": ACCOUNT.format(aor=self.aor, proxy=HOSTS["sip"]["lan"]),
                 "contacts": "".join('"%s" <%s>;presence=p2p\n' % (c.split(":")[1], c) for c in self.contacts)}
        for name, text in files.items():
            with open(os.path.join(self.dir, name), "w", encoding="utf-8") as f:
                f.write(text)
        self.process = Process("baresip", ["baresip", "-f", self.dir], self.dir + "/baresip.log", self.net.ns("sipua"))
        self.process.wait_line("baresip is ready", 20)
        return self

    def command(self, word):
        """What it answers to one of its commands."""
        def ask():
            text = json.dumps({"command": word}).encode()
            with contextlib.closing(socket.create_connection(("127.0.0.1", 4444), 10)) as s:
                s.sendall(b"%d:%s," % (len(text), text))
                data = b""
                while b":" not in data or len(data) < int(data.split(b":")[0]) + len(data.split(b":")[0]) + 2:
                    more = s.recv(4096)
                    assert more, "baresip hung up"
                    data += more
                return json.loads(data.split(b":", 1)[1][:-1])
        return self.net.call("sipua", ask)

    def sees(self):
        """{address: Online, Offline, Busy or Unknown} of its contacts."""
        listed = re.sub(r"\x1b\[[0-9;]*m", "", self.command("contacts")["data"])
        return dict((uri, word) for word, uri in re.findall(r"(Online|Offline|Busy|Unknown)\s.*?<?(sip:[^>\s;]+)", listed))

    def wait_sees(self, uri, word, timeout=10):
        wait_until("baresip sees %s %s" % (uri, word), lambda: self.sees().get(uri) == word, timeout, self.process)

    def stop(self):
        if self.process is not None:
            self.process.stop()
