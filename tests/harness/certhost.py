"""The configuration of a host as the commands for certificates see it: files in a folder of its own, services only where a test starts them."""
import json
import os
import shutil
import subprocess

from .daemon import SANITIZER_ENV
from .proc import clean_environment

EDGE_NAME, GATEWAY_NAME = "edge1.int.example", "gw1.int.example"


class CertHost:
    """One folder with edge.yaml or gateway.yaml, and the files these name."""

    def __init__(self, directory, tools, kind, **more):
        self.dir, self.tools, self.kind = directory, tools, kind
        os.makedirs(directory, exist_ok=True)
        self.config = "%s/%s.yaml" % (directory, kind)
        self.tls = directory + "/tls"
        self.write(**more)

    def write(self, **more):
        tls = self.tls
        if self.kind == "edge":
            config = {"name": "edge1", "control_socket": self.dir + "/edge1.sock", "external": {"listen": ["127.0.0.1:5269"]},
                      "certificates": [{"certificate": tls + "/corp.example.pem", "key": tls + "/corp.example.key"}],
                      "channel": {"listen": ["127.0.0.1:23456"], "certificate": tls + "/channel.pem", "key": tls + "/channel.key",
                                  "ca": tls + "/channel-ca.pem", "allow": ["somebody.example"]}}
        else:
            config = {"name": "gw1", "control_socket": self.dir + "/gw1.sock",
                      "edges": [{"name": "edge1", "address": EDGE_NAME + ":23456"}],
                      "channel": {"certificate": tls + "/channel.pem", "key": tls + "/channel.key", "ca": tls + "/channel-ca.pem"},
                      "domains": [{"domain": "corp.example", "peers": ["sip.corp.example"], "next_hop": "sip:sip.corp.example:5061;transport=tls"}],
                      "sip": {"listen": ["tls:127.0.0.1:5061"], "advertise": GATEWAY_NAME, "certificate": tls + "/sip.pem", "key": tls + "/sip.key",
                              "ca": tls + "/sip-ca.pem"},
                      "partners_dir": self.dir + "/partners.d", "access_dir": self.dir + "/access.d", "store": {"sqlite": self.dir + "/gateway.db"}}
            for name in ("partners.d", "access.d"):
                os.makedirs("%s/%s" % (self.dir, name), exist_ok=True)
        config.update(more)
        with open(self.config, "w", encoding="utf-8") as f:
            json.dump(config, f, indent=1)

    def ctl(self, *words, cwd=None, **how):
        """Exit status and all that was printed."""
        argv = [self.tools["xfedctl"], "cert", *words]
        if "--config" not in words:
            argv += ["--config", self.config]
        done = subprocess.run(argv, cwd=cwd or self.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=120, env=dict(clean_environment(), **SANITIZER_ENV), check=False, **how)
        return done.returncode, done.stdout

    def fine(self, *words, **how):
        status, out = self.ctl(*words, **how)
        assert status == 0, out
        return out

    def check(self):
        """--check-config of the service."""
        done = subprocess.run([self.tools["xfed-" + self.kind], "-c", self.config, "--check-config"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=120, env=dict(clean_environment(), **SANITIZER_ENV), check=False)
        return done.returncode, done.stdout

    def put(self, name, *sources):
        """A file of the host made of others."""
        path = "%s/%s" % (self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            for source in sources:
                with open(source, "rb") as f:
                    out.write(f.read())
        return path

    def everything(self):
        """path -> (mode, owner, bytes) of each file: what must not change where a command fails."""
        found = {}
        for folder, _, names in os.walk(self.dir):
            for name in names:
                path = os.path.join(folder, name)
                st = os.lstat(path)
                with open(path, "rb") as f:
                    found[path] = (st.st_mode, st.st_uid, st.st_gid, f.read())
        return found

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def openssl(*words, **how):
    done = subprocess.run(["openssl", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
                          env=clean_environment(), **how)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sign(certs, request, out, by="inter", days=90):
    """What an authority makes of a request: `out`, with the intermediate certificate behind it."""
    openssl("x509", "-req", "-in", request, "-CA", "%s/%s/ca.crt" % (certs.dir, by), "-CAkey", "%s/%s/ca.key" % (certs.dir, by), "-CAcreateserial",
            "-days", str(days), "-copy_extensions", "copyall", "-out", out + ".leaf")
    with open(out, "wb") as f:
        for name in (out + ".leaf", certs.dir + "/inter/ca.crt" if by == "inter" else None):
            if name:
                with open(name, "rb") as part:
                    f.write(part.read())
    os.unlink(out + ".leaf")
    return out
