"""
"Two hosts in ten minutes" of README.md: its commands are taken out of it and run as they stand, in two hosts with systemd, between a
partner's Prosody and a Kamailio. What a person adds is what README says: six values in an editor, a bundle that is copied, a request that an
authority signs.
"""
import os
import re
import shutil

import pytest

from around import OURS, PARTNER
from conftest import PACKAGES, TOP, run
from harness.proc import wait_until
from hosts import Host
from lab.net import HOSTS

MOST_COMMANDS = 15
NUMBERS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight")
# What is written in the files in place of what the examples have there: each value once.
ANSWERS = {
    "/etc/xfed/gateway.yaml": {
        "edge1.int.example.com:23456": "edge-int.corp.example:23456", "example.com": OURS, "sip.example.com:5060": "sip.corp.example:5060",
        "10.2.0.0/24": HOSTS["sip"]["lan"], "gw1.int.example.com": "fe.corp.example"},
    "/etc/xfed/edge.yaml": {"10.1.0.2:23456": HOSTS["edge"]["dmz"] + ":23456"},
}
EDITOR = "#!/bin/sh\nexec sed -i -E -f /root/answers \"$1\"\n"


def section():
    with open(TOP + "/README.md", encoding="utf-8") as f:
        return re.search(r"^## Two hosts in ten minutes\n(.*?)^## ", f.read(), re.MULTILINE | re.DOTALL).group(1)


def steps():
    """[(host, command)] in the order of README.md."""
    found = []
    for where, block in re.findall(r"^\*\*On the (inside|DMZ) host.*?\*\*\n+```\n(.*?)^```", section(), re.MULTILINE | re.DOTALL):
        host = {"inside": "fe", "DMZ": "edge"}[where]
        found += [(host, re.sub(r"\s+#.*", "", line)) for line in block.splitlines() if line and not line.startswith("#")]
    return found


def test_so_many_commands_and_no_value_twice():
    commands = [command for _, command in steps()]
    assert 5 < len(commands) <= MOST_COMMANDS
    typed = [word for command in commands for word in command.split() if "." in word and not word.startswith(("./", "/"))]
    typed += [value for answers in ANSWERS.values() for value in answers.values()]
    assert sorted(typed) == sorted(set(typed))


def test_the_text_says_how_many_values():
    marks = sum(open("%s/packaging/examples/%s" % (TOP, os.path.basename(path)), encoding="utf-8").read().count("# CHANGE") for path in ANSWERS)
    assert marks == sum(len(answers) for answers in ANSWERS.values())
    assert re.search(r"\b%s values are yours alone" % NUMBERS[marks], section())


@pytest.fixture(scope="module")
def pair(around, host_layers, packages, scratch):
    made = {name: Host("readme-" + name, host_layers, scratch, around.net.ns(name), resolver)
            for name, resolver in (("edge", "10.91.1.53"), ("fe", "10.91.3.53"))}
    try:
        for name, host in made.items():
            host.start()
            for package in PACKAGES:
                host.put(packages[package], "/root/")
            host.put(around.certs.ca, "/usr/local/share/ca-certificates/lab.crt")  # the authority that everybody trusts
            host.run("update-ca-certificates")
            with open(host.path("/root/answers"), "w", encoding="ascii") as f:
                for answers in ANSWERS.values():
                    for old, new in answers.items():
                        f.write("/# CHANGE/s|(^[^#]*[\": @])%s([\"; ])|\\1%s\\2|\n" % (re.escape(old), new))
            with open(host.path("/usr/local/bin/editor"), "w", encoding="ascii") as f:
                f.write(EDITOR)
            os.chmod(host.path("/usr/local/bin/editor"), 0o755)
        yield made
    finally:
        for host in made.values():
            host.stop()


class Authority:
    """Signs what it is sent, as a public one does: the names of the request, and no purpose but a server's."""

    def __init__(self, around):
        self.dir = around.certs.dir

    def sign(self, request, out):
        with open(out + ".ext", "w", encoding="ascii") as f:
            f.write("basicConstraints=CA:false\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n")
        run("openssl", "x509", "-req", "-in", request, "-CA", self.dir + "/root/ca.crt", "-CAkey", self.dir + "/root/ca.key", "-days", "90",
            "-copy_extensions", "copy", "-extfile", out + ".ext", "-out", out)


def follow(pair, authority, scratch):
    """Runs the commands; what each printed."""
    said = []
    for name, command in steps():
        host = pair[name]
        if "channel-join" in command:
            bundle = command.split()[-1]
            assert "Copy `%s`" % bundle in section()
            shutil.copy(pair["fe"].path("/root/" + bundle), host.path("/root/" + bundle))
        if "cert import" in command:
            request = re.search(r"(/\S+\.csr)", said[-1][1]).group(1)
            authority.sign(host.path(request), scratch + "/signed.pem")
            host.put(scratch + "/signed.pem", "/root/" + command.split()[-1])
        if command.endswith(" status"):
            wait_until("service", lambda: host.sh(command, check=False).returncode == 0, 60)
        done = host.sh(command, check=False)
        said.append((command, done.stdout))
        assert done.returncode == 0, "%s: exit %d\n%s" % (command, done.returncode, done.stdout)
    return said


def test_two_hosts_and_a_first_message_each_way(around, pair, scratch):
    said = dict(follow(pair, Authority(around), scratch))
    for host in pair.values():
        assert host.failed() == ""
    for daemon, host in (("xfed-edge", pair["edge"]), ("xfed-gateway", pair["fe"])):
        assert host.active(daemon) == "active"
        checked = host.run(daemon, "--check-config")
        assert "warning" not in checked.stdout, checked.stdout
    assert "PROBLEM" not in said["xfedctl status"]
    eve, dave = around.user("eve@" + PARTNER), around.user("dave")
    eve.send("dave@" + OURS, "good morning")
    dave.wait_text("good morning", 60)
    assert dave.message("sip:eve@" + PARTNER, "and to you").status == 200
    eve.wait_body("and to you", 60)
