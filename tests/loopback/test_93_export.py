"""xfedctl config export and import: what is configured on a host, in one file and back."""
import json
import os
import re
import shutil
import socket
import subprocess

import pytest

from harness.installation import write
from harness.proc import clean_environment


@pytest.fixture
def host(install, started, tools, certs):
    """An installation whose certificates are among its files, and whose configurations are told apart by --config."""
    inst = install("host")
    os.makedirs(inst.dir + "/tls")
    for config, keys in ((inst.edge_config, ("channel",)), (inst.gateway_config, ("channel", "sip"))):
        for key in keys:
            for what in ("certificate", "key", "ca"):
                path = "%s/tls/%s-%s.pem" % (inst.dir, key, what)
                shutil.copy(config[key][what], path)
                os.chmod(path, 0o600 if what == "key" else 0o644)
                config[key][what] = path
    inst.edge_config["channel"].update(certificate=certs.chain("edge-int"), key=certs.key("edge-int"))
    inst.gateway_config["dialback"] = {"secret_file": inst.dir + "/dialback.secret"}
    write(inst.dir + "/dialback.secret", "0123456789abcdef0123456789abcdef\n")
    os.chmod(inst.dir + "/dialback.secret", 0o600)
    write(inst.dir + "/users", "alice@corp.example\n# a comment\n")
    write(inst.dir + "/access.d/some.yaml", "name: some\nscope: user\nallowed: true\ngranted_to_file: %s/users\n" % inst.dir)
    inst.write_configs()
    inst.list_partner("partner.example")
    with open(inst.partner_path("odd.example"), "w", encoding="utf-8", newline="") as f:  # what YAML would change in a plain text
        f.write("# caf\u00e9 \U0001f600\r\ndomain: odd.example   \r\n\r\n")
    try:
        yield started(inst)
    finally:
        inst.stop()


def ctl(inst, tools, *words, **environment):
    done = subprocess.run([tools["xfedctl"], *words, "--config", inst.gateway.config], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=120, env={**clean_environment(), **environment}, check=False)
    return done.returncode, done.stdout


def tree(inst):
    """Every file below it that is no socket, log or store, with its text and mode."""
    found = {}
    for folder, _, names in os.walk(inst.dir):
        for name in names:
            path = os.path.join(folder, name)
            if re.search(r"\.(yaml|pem|secret|sh)$|/users\d?$", path) and os.path.isfile(path):
                with open(path, "rb") as f:
                    found[path] = (f.read(), os.stat(path).st_mode)
    return found


@pytest.fixture
def exported(host, tools):
    file = host.dir + "/export.xfed"
    status, text = ctl(host, tools, "config", "export", file)
    assert status == 0 and re.search(r"^\d+ files are in %s$" % re.escape(file), text, re.M), text
    return file


def test_what_is_in_it(host, exported):
    with open(exported, encoding="utf-8") as f:
        text = f.read()
    assert os.stat(exported).st_mode & 0o777 == 0o600
    for path in (host.gateway.config, host.partner_path("partner.example"), host.partner_path("odd.example"), host.dir + "/access.d/some.yaml",
                 host.dir + "/users", host.dir + "/tls/sip-certificate.pem"):
        assert '  - path: "%s"\n' % path in text, path
    for path in (host.dir + "/tls/sip-key.pem", host.dir + "/dialback.secret", host.dir + "/gateway.db"):
        assert "#   %s\n" % path in text and 'path: "%s"' % path not in text, path
    assert "PRIVATE KEY" not in text and "0123456789abcdef" not in text
    assert "    text: |\n      {\n" in text, "as people read it"


def test_nothing_to_change(host, tools, exported):
    status, text = ctl(host, tools, "config", "import", exported)
    assert status == 0 and text == "nothing is changed: all files are so already\n", text


def test_there_and_back(host, tools, exported):
    before = tree(host)
    host.list_partner("new.example")
    host.list_partner("partner.example", description="changed")
    os.unlink(host.partner_path("odd.example"))
    write(host.dir + "/users", "bob@corp.example\n")
    os.unlink(host.dir + "/tls/sip-certificate.pem")
    changed = tree(host)
    status, text = ctl(host, tools, "config", "import", exported, "--dry-run")
    assert status == 0 and "nothing was changed (--dry-run)" in text, text
    for word in ("new.example", '- "description": "changed"', "odd.example", "+ alice@corp.example", "sip-certificate.pem"):
        assert word in text.replace('-  "', '- "').replace("+alice", "+ alice").replace('- \"', '- "'), (word, text)
    assert tree(host) == changed
    status, text = ctl(host, tools, "config", "import", exported)
    assert status == 0 and "gw1 has them in force" in text, text
    after = tree(host)
    assert {p: t for p, (t, _) in after.items()} == {p: t for p, (t, _) in before.items()}
    assert {p["domain"] for p in host.gateway.control("partner", "list")["partners"]} == {"partner.example", "odd.example"}


def change(exported, old, new):
    with open(exported, encoding="utf-8") as f:
        text = f.read()
    assert old in text
    with open(exported, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new))


def leave_out(exported, *below):
    """Files whose path begins so."""
    with open(exported, encoding="utf-8") as f:
        parts = re.split(r"^(?=  - path: )", f.read(), flags=re.M)
    with open(exported, "w", encoding="utf-8") as f:
        f.write("".join(p for p in parts if not p.startswith(tuple('  - path: "%s' % b for b in below))))


def put_in(exported, path, text="x"):
    with open(exported, "a", encoding="utf-8") as f:
        f.write('  - path: %s\n    text: %s\n' % (json.dumps(path), json.dumps(text)))


@pytest.mark.parametrize("old, new, said", [
    ("xfed_export: 1", "xfed_export: 2", "newer version"),
    ("xfed_export: 1\n", "", "all keys that config export writes"),
    ("files:\n", "files: {\n", "is no file of config export: line"),
    ("partners.d/partner.example.yaml", "../../etc/cron.d/x.yaml", "an absolute path"),
    ("partners.d/partner.example.yaml", "partners.d/other.example.yaml", "partner.example"),
    ('"partner_type": "federated"', '"partner_type": "friend"', "partner_type: found \"friend\""),
    ('"name": "gw1"', '"nam": "gw1"', "nam: found the unknown key"),
    ("scope: user", "scope: galaxy", "scope: found \"galaxy\""),
    ('"domain": "partner.example"', '"additional_domains": ["odd.example"], "domain": "partner.example"', "odd.example"),
    ("files:\n", "files:\n  - &a {path: /a, text: b}\n  - *a\n", "no alias (*)"),
    ("files:\n", "files:\n  - {path: [[[[[[[[/a]]]]]]]], text: b}\n", "an absolute path"),
    ("files:\n", "---\nfiles:\n", "all keys that config export writes"),
], ids=["newer", "no-version", "no-yaml", "path", "name", "partner", "gateway", "rule", "twice", "alias", "deep", "documents"])
def test_what_is_refused(host, tools, exported, old, new, said):
    change(exported, old, new)
    host.list_partner("here.example")
    before = tree(host)
    status, text = ctl(host, tools, "config", "import", exported)
    assert status == 1 and said in text and len(text.splitlines()) == 1, text
    assert "does not take" not in text, "no service had to see it: " + text
    assert tree(host) == before


def test_elsewhere(host, tools, exported):
    """A file cannot say that it writes beside the folder that is meant."""
    other = os.path.dirname(host.dir) + "/elsewhere"
    with open(exported, "a", encoding="utf-8") as f:
        f.write('  - path: "%s"\n    text: "x"\n' % other)
    status, text = ctl(host, tools, "config", "import", exported)
    assert status == 1 and "%s, which is not below %s" % (other, host.dir) in text, text
    assert not os.path.exists(other)


@pytest.mark.parametrize("path, said", [
    ("tls/sip-key.pem", "a key, a secret"), ("dialback.secret", "a key, a secret"), ("gateway.db", "a key, a secret"), ("gw1.sock", "a key, a secret"),
    ("edge.yaml", "neither its services nor their rules name"), ("other.yaml", "neither its services"), ("edge/two.yaml", "neither its services"),
    ("channel-ca/ca.pem", "neither its services"), ("partners.d/run.sh", "neither its services"), ("partners.d/.x.yaml", "neither its services"),
    ("users2", "neither its services"), ("partners.d", "neither its services"),
])
def test_only_files_of_its_services(host, tools, exported, path, said):
    """Also below the folder: nothing is written that no configuration and no rule that comes along names."""
    put_in(exported, host.gateway.socket if path == "gw1.sock" else "%s/%s" % (host.dir, path))
    before = tree(host)
    status, text = ctl(host, tools, "config", "import", exported)
    assert status == 1 and said in text and len(text.splitlines()) == 1, text
    assert tree(host) == before


@pytest.mark.parametrize("path", ["tls/other.key", "dialback.secret2", "edge.yaml", "channel-ca/ca.pem"])
def test_a_name_does_not_make_it_another_file(host, tools, exported, path):
    """The configuration that comes along names what is something else here as its authorities."""
    os.makedirs(host.dir + "/channel-ca")
    shutil.copy(host.dir + "/tls/sip-ca.pem", host.dir + "/channel-ca/ca.pem")
    shutil.copy(host.dir + "/tls/sip-key.pem", host.dir + "/tls/other.key")
    shutil.copy(host.dir + "/dialback.secret", host.dir + "/dialback.secret2")
    before = {name: open("%s/%s" % (host.dir, name), "rb").read() for name in ("tls/other.key", "dialback.secret2", "edge.yaml", "channel-ca/ca.pem")}
    change(exported, "tls/sip-ca.pem", path)
    status, text = ctl(host, tools, "config", "import", exported)
    assert status == 1 and ("is there already, and is something else" in text or "neither its services" in text), text
    assert before == {name: open("%s/%s" % (host.dir, name), "rb").read() for name in before}


@pytest.mark.parametrize("key, place", [("partners_dir", ""), ("access_dir", "/gateway"), ("access_dir", "/partners.d")])
def test_folders_that_are_for_something_else(host, tools, exported, key, place):
    """What does not come is removed from a folder of partners: it must not be one of the services, or of the rules."""
    change(exported, '"%s": "%s"' % (key, host.gateway_config[key]), '"%s": "%s"' % (key, host.dir + place))
    leave_out(exported, host.gateway_config[key] + "/", host.dir + "/users")
    before = tree(host)
    status, text = ctl(host, tools, "config", "import", exported)
    assert status == 1 and "where other files are" in text, text
    assert tree(host) == before


def test_a_key_beside_its_certificate_does_not_travel(host, tools):
    for what in ("certificate", "key"):
        with open(host.dir + "/tls/sip-%s.pem" % what, encoding="ascii") as f, open(host.dir + "/tls/sip-ca.pem", "a", encoding="ascii") as to:
            to.write(f.read())
    file = host.dir + "/export.xfed"
    assert ctl(host, tools, "config", "export", file)[0] == 0
    with open(file, encoding="utf-8") as f:
        text = f.read()
    assert "#   %s/tls/sip-ca.pem\n" % host.dir in text and "PRIVATE KEY" not in text


def test_lists_are_those_that_come(host, tools):
    """By their whole path, however the rule writes it; and not those that are here."""
    for name, path in (("one", "/users"), ("two", "/users2"), ("three", "//./users3")):
        write("%s/access.d/%s.yaml" % (host.dir, name), "name: %s\nscope: user\nallowed: true\ngranted_to_file: %s%s\n" % (name, host.dir, path))
        write(host.dir + "/users" + path[-1].strip("s"), "%s@corp.example\n" % name)
    os.unlink(host.dir + "/access.d/some.yaml")
    file = host.dir + "/export.xfed"
    assert ctl(host, tools, "config", "export", file)[0] == 0
    before = tree(host)
    for path in ("users", "users2", "users3"):
        write("%s/%s" % (host.dir, path), "nobody@\n")
    status, text = ctl(host, tools, "config", "import", file)
    assert status == 0 and "gw1 has them in force" in text, text
    assert tree(host) == before
    change(file, "two@corp.example", "two.corp.example")
    status, text = ctl(host, tools, "config", "import", file)
    assert status == 1 and "%s/users2:1: " % host.dir in text and "no address" in text, text


@pytest.mark.parametrize("place", ["%(dir)s-elsewhere.d", "%(dir)s/tls/../../%(other)s", "%(dir)s/a-link"], ids=["beside", "dots", "link"])
def test_partners_elsewhere_stay(host, tools, place):
    """What export leaves out because it lies elsewhere, import does not take away."""
    other = host.dir + "-elsewhere.d"
    shutil.copytree(host.partners, other)
    os.symlink(other, host.dir + "/a-link")
    host.gateway_config["partners_dir"] = place % {"dir": host.dir, "other": os.path.basename(other)}
    host.write_configs()
    file = host.dir + "/export.xfed"
    status, text = ctl(host, tools, "config", "export", file)
    assert status == 0, text
    status, text = ctl(host, tools, "config", "import", file)
    assert status == 0 and "nothing is changed: all files are so already" in text and "stays as it is: it is not below %s" % host.dir in text, text
    assert sorted(os.listdir(other)) == ["odd.example.yaml", "partner.example.yaml"]


@pytest.mark.parametrize("key", ["partners_dir", "access_dir"])
def test_a_file_that_says_partners_lie_elsewhere(host, tools, exported, key):
    other = host.dir + "-elsewhere.d"
    shutil.copytree(host.gateway_config[key], other)
    change(exported, '"%s": "%s"' % (key, host.gateway_config[key]), '"%s": "%s"' % (key, other))
    leave_out(exported, host.gateway_config[key] + "/", host.dir + "/users" if key == "access_dir" else "/none")
    before = sorted(os.listdir(other))
    host.stop()
    status, text = ctl(host, tools, "config", "import", exported)
    assert status == 0 and "what is in %s stays as it is" % other in text, text
    assert before and sorted(os.listdir(other)) == before


def test_a_path_that_is_not_tidy(host, tools):
    for key in ("partners_dir", "access_dir"):
        host.gateway_config[key] = "%s/./%s//" % (host.dir, os.path.basename(host.gateway_config[key]))
    host.write_configs()
    file = host.dir + "/export.xfed"
    assert ctl(host, tools, "config", "export", file)[0] == 0
    before = tree(host)
    status, text = ctl(host, tools, "config", "import", file)
    assert status == 0 and text == "nothing is changed: all files are so already\n", text
    host.list_partner("new.example")
    status, text = ctl(host, tools, "config", "import", file)
    assert status == 0 and "gw1 has them in force" in text, text
    assert tree(host) == before


def at_etc(host, tools, *words, cwd="/"):
    """As if the folder `etc` beside the installation were this machine's /etc."""
    done = subprocess.run(["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc && cd "$1" && shift && exec "$@"', host.dir + "-etc", cwd,
                           tools["xfedctl"], *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
                          env=clean_environment(), check=False)
    return done.returncode, done.stdout


@pytest.fixture
def two(host):
    """Two gateways that share their partners, in /etc/xfed; neither runs."""
    top = host.dir + "-etc/xfed"
    shutil.copytree(host.partners, top + "/partners.d")
    os.makedirs(top + "/gateway")
    for path, name in (("/gateway.yaml", "gw1"), ("/gateway/two.yaml", "gw2")):
        config = dict(host.gateway_config, name=name, partners_dir="/etc/xfed/partners.d", access_dir="/etc/xfed/access.d",
                      control_socket="%s/%s-down.sock" % (host.dir, name))
        write(top + path, json.dumps(config))
    return top


def test_two_gateways_share_their_partners(host, tools, two):
    file = host.dir + "/two.xfed"
    status, text = at_etc(host, tools, "config", "export", file)
    assert status == 0, text
    shutil.copy(two + "/partners.d/partner.example.yaml", two + "/partners.d/gone.yaml")
    status, text = at_etc(host, tools, "config", "import", file)
    assert status == 0 and text.count("/etc/xfed/partners.d/gone.yaml\n") == 1, text
    assert sorted(os.listdir(two + "/partners.d")) == ["odd.example.yaml", "partner.example.yaml"]


@pytest.mark.parametrize("config", ["/etc/xfed/gateway/two.yaml", "two.yaml", "../gateway/two.yaml", "/etc/xfed/a-link.yaml"])
def test_config_of_an_instance(host, tools, two, config):
    """However --config names the file: what is exported by it is imported by it, with what belongs to the host."""
    file = host.dir + "/two.xfed"
    os.symlink("gateway/two.yaml", two + "/a-link.yaml")
    for verb in ("export", "import"):
        status, text = at_etc(host, tools, "config", verb, file, "--config", config, cwd="/etc/xfed/gateway")
        assert status == 0, text
    assert text == "nothing is changed: all files are so already\n", text


def test_more_services_than_one_command_looks_at(host, tools, two):
    for n in range(63):
        write("%s/gateway/n%d.yaml" % (two, n), json.dumps(dict(host.gateway_config, name="n%d" % n)))
    status, text = at_etc(host, tools, "cert", "show")
    assert status == 1 and "more than 64 services are configured in /etc/xfed: name the file of one with --config" in text, text
    status, text = at_etc(host, tools, "--name", "n62", "config", "export", host.dir + "/n62.xfed")  # of that name there is one
    assert status == 0, text


def test_a_folder_that_cannot_be_read(host, tools, two):
    shutil.rmtree(two + "/gateway")
    write(two + "/gateway", "")
    status, text = at_etc(host, tools, "config", "export", host.dir + "/none.xfed")
    assert (status, text) == (1, "xfedctl: /etc/xfed/gateway: Not a directory\n")


def test_a_list_of_many_users(host, tools):
    """The largest file of a configuration travels like any other."""
    file = host.dir + "/many.xfed"
    lines = "".join("user-with-a-long-name-%d@corp.example\n" % n for n in range(60000))
    assert len(lines) > 2 << 20
    write(host.dir + "/users", lines)
    status, text = ctl(host, tools, "config", "export", file)
    assert status == 0, text
    write(host.dir + "/users", lines.replace("long", "short"))
    status, text = ctl(host, tools, "config", "import", file)
    assert status == 0 and "-user-with-a-short-name-7@corp.example\n" in text, text[-2000:]
    with open(host.dir + "/users", encoding="ascii") as f:
        assert f.read() == lines


@pytest.mark.parametrize("is_taken", [True, False])
def test_the_system_s_log_has_what_came_of_it(host, tools, exported, is_taken):
    dev = host.dir + "-dev"
    os.makedirs(dev)
    for name in ("null", "urandom"):
        write("%s/%s" % (dev, name), "")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(dev + "/log")
        log.settimeout(60)
        host.unlist_partner("partner.example")
        if not is_taken:
            another_certificate(host, exported)
        script = 'for n in null urandom; do mount --bind /dev/$n "$0/$n" || exit 9; done; mount --rbind "$0" /dev && exec "$@"'
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, dev, tools["xfedctl"], "config", "import", exported, "--config", host.gateway.config],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, env=clean_environment(), check=False)
        assert done.returncode == (0 if is_taken else 1), done.stdout
        said = log.recv(4096).decode()
        assert "event=audit.command" in said and said.endswith("outcome=" + ("in-place" if is_taken else "taken-back")), said


@pytest.mark.parametrize("way", ["file", "folder", "new-folder"])
def test_links_that_lead_elsewhere(host, tools, exported, way):
    """Whoever may write to partners.d does not say by a link where root writes."""
    other, link = host.dir + "-elsewhere", host.partner_path("partner.example")
    os.makedirs(other)
    if way == "file":
        os.rename(link, other + "/some.yaml")
        os.symlink(other + "/some.yaml", link)
        change(exported, '"domain": "partner.example"', '"description": "new", "domain": "partner.example"')
    else:
        link = host.partners + "/a-link"
        os.symlink(other, link)
        change(exported, host.dir + "/users", "%s/%susers" % (link, "new/" if way == "new-folder" else ""))
    before = tree(host), os.listdir(other)
    status, text = ctl(host, tools, "config", "import", exported)
    assert status == 1 and "is a link, or in one, that leads to what is not below %s" % host.dir in text, text
    assert (tree(host), os.listdir(other)) == before and os.path.islink(link)


def test_a_link_that_stays_inside(host, tools, exported):
    link = host.partner_path("partner.example")
    os.rename(link, host.dir + "/some")
    os.symlink("../some", link)
    change(exported, '"domain": "partner.example"', '"description": "new", "domain": "partner.example"')
    status, text = ctl(host, tools, "config", "import", exported)
    assert status == 0 and os.path.islink(link), text
    with open(host.dir + "/some", encoding="utf-8") as f:
        assert '"new"' in f.read()


def another_certificate(host, exported):
    """What only the service sees: a certificate that does not go with its key."""
    with open(host.certs.chain("corp2"), encoding="ascii") as f:
        other = f.read()
    with open(host.dir + "/tls/sip-certificate.pem", encoding="ascii") as f:
        ours = f.read()
    change(exported, "".join("      %s\n" % line for line in ours.splitlines()), "".join("      %s\n" % line for line in other.splitlines()))


def test_a_service_that_refuses_has_all_as_it_was(host, tools, exported):
    another_certificate(host, exported)
    host.list_partner("linked.example")
    os.rename(host.partner_path("linked.example"), host.dir + "/linked")
    os.symlink("../linked", host.partner_path("linked.example"))
    before = tree(host)
    status, text = ctl(host, tools, "config", "import", exported)
    assert status == 1 and "gw1 does not take the files, and all is as it was" in text, text
    assert tree(host) == before
    assert os.readlink(host.partner_path("linked.example")) == "../linked" and not os.path.islink(host.dir + "/linked")
    assert not [n for n in os.listdir(host.dir) + os.listdir(host.partners) if n.startswith(".xfedctl")]
    assert not [p for p in host.gateway.control("status")["problems"] if p["reason"] == "config.reload.failed"], host.gateway.control("status")["problems"]


NOSYNC = os.path.join(os.path.abspath(os.environ.get("XFED_BUILD", "")), "tests/unit/support/libnosync.so")

if os.path.exists(NOSYNC): # not in builds with sanitizers: those are preloaded themselves
    @pytest.mark.parametrize("number", [1, 2, 3])
    def test_a_folder_that_is_not_written(host, tools, exported, number):
        """The file has its new name already, and is put back with the others."""
        write(host.dir + "/users", "bob@corp.example\n")
        os.unlink(host.partner_path("odd.example"))
        host.list_partner("new.example")
        before = tree(host)
        status, text = ctl(host, tools, "config", "import", exported, LD_PRELOAD=NOSYNC, NOSYNC=str(number))
        assert status == 1 and "may be lost when the machine stops now: Input/output error" in text and "cannot be put back" not in text, text
        assert tree(host) == before
        assert not [n for n in os.listdir(host.dir) + os.listdir(host.partners) if n.startswith(".xfedctl")]


def test_without_a_service(host, tools, exported):
    host.stop()
    os.unlink(host.gateway.config)
    shutil.rmtree(host.partners)
    status, text = ctl(host, tools, "config", "import", exported)
    assert status == 0 and "gw1 does not run" in text, text
    assert os.path.exists(host.partner_path("odd.example"))
    status, text = ctl(host, tools, "config", "export", exported)
    assert status == 0, "one of before is replaced: " + text
    host.start()


def test_options(host, tools, exported):
    status, text = host.gateway.ctl(tools, "config", "import", exported, check=False)
    assert status == 2 and "--config" in text, text
    status, text = ctl(host, tools, "config", "import", host.dir + "/none")
    assert status == 1 and "No such file" in text, text
    status, text = ctl(host, tools, "config", "export", host.dir + "/none/x")
    assert status == 1 and "No such file" in text, text


def test_no_regular_file(host, tools):
    """The sentence is told, and no memory that nobody wrote."""
    os.makedirs(host.partner_path("folder.example"))
    status, text = host.gateway.ctl(tools, "partner", "add", "folder.example", "--dry-run", check=False)
    assert status == 1 and "%s: is no regular file" % host.partner_path("folder.example") in text, text
    os.rmdir(host.partner_path("folder.example"))
