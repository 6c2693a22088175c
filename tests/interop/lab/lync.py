"""A real client of the Lync family (pidgin-sipe on libpurple, without a window), and Kamailio as its front end."""
import json
import os
import subprocess

from harness.proc import Process, clean_environment

from .domains import LYNC
from .kamailio import start_kamailio, write_config
from .net import HOSTS, run

PORT = 5080
PLUGIN = "/usr/lib/purple-2/libsipe.so"
LIBRARIES = ("purple", "gobject-2.0", "libxml-2.0")


def why_not_here():
    if not os.path.exists(PLUGIN):
        return "not installed: pidgin-sipe (packaging/install-deps test)"
    found = subprocess.run(["pkg-config", "--exists"] + list(LIBRARIES), check=False, env=clean_environment())
    return None if found.returncode == 0 else "not installed: libpurple-dev (packaging/install-deps test)"


class FrontEnd:
    def __init__(self, net, directory):
        self.net, self.dir, self.process = net, directory, None

    def start(self):
        address, config = HOSTS["sip"]["lan"], self.dir + "/lync.cfg"
        write_config(config, "kamailio_lync.cfg", {"ADDRESS": address, "PORT": PORT, "DOMAIN": LYNC, "GATEWAY": HOSTS["fe"]["lan"]})
        self.process = start_kamailio(self.net, "sip", "front-end", self.dir, config, address, (PORT,))
        return self.process

    def stop(self):
        if self.process is not None:
            self.process.stop()


def build(directory):
    """The client's program."""
    flags = subprocess.run(["pkg-config", "--cflags", "--libs"] + list(LIBRARIES), check=True, stdout=subprocess.PIPE, text=True,
                           env=clean_environment()).stdout.split()
    out = directory + "/lync_client"
    source = os.path.join(os.path.dirname(__file__), "lync_client.c")
    run("cc", "-D_GNU_SOURCE", "-O1", "-rdynamic", "-o", out, source, *flags, "-ldl", env=clean_environment())
    return out


class Client:
    """One user, signed on; `tell(...)` has him do something, wait(...) is what he sees."""

    def __init__(self, net, program, directory, user):
        self.uri = "sip:%s@%s" % (user, LYNC)
        os.makedirs(directory)
        pipe = directory + "/commands"
        os.mkfifo(pipe)
        self.process = Process("lync-" + user, ["sh", "-c", 'exec "$@" <>' + pipe, "sh", program, directory, self.uri[4:], "%s:%d" % (
            HOSTS["sip"]["lan"], PORT)], directory + "/client.log", net.ns("sipua"))
        self.pipe = open(pipe, "w", encoding="utf-8")
        self.wait("signed-on")

    @property
    def jid(self):
        return self.uri[4:]

    def tell(self, *words):
        self.pipe.write(" ".join(words) + "\n")
        self.pipe.flush()

    def events(self, since=0):
        return [json.loads(line) for line in self.process.lines[since:] if line.startswith('{"event"')]

    def wait(self, event, text=None, since=0, timeout=20):
        pattern = '"event": "%s".*%s' % (event, "" if text is None else '"text": ".*' + text)
        return json.loads(self.process.wait_line(pattern, timeout, since))

    def texts(self, since=0):
        return [e["text"] for e in self.events(since) if e["event"] == "text"]

    def leave(self):
        self.tell("leave")
        self.pipe.close()
        self.process.stop()
