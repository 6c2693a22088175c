"""
The sandbox that both services put around themselves: that it is there, what it forbids, what a reload meets, and what is said where a
part of it cannot be had. Builds that leave it out (conftest.py) have none of these tests.
"""
import json
import os
import shutil
import stat
import subprocess

import pytest

from harness.daemon import SANITIZER_ENV, stay_root
from harness.installation import write
from harness.proc import Process, clean_environment, wait_until

LAYERS = ("landlock", "seccomp")

# Runs a program in a world without some system calls: NUMBER=ERRNO ... PROGRAM ARGUMENT...
WITHOUT = """
import ctypes, os, struct, sys
rules = []
while "=" in sys.argv[1]:
    rules.append([int(n) for n in sys.argv.pop(1).split("=")])
steps = [(0x20, 0, 0, 0)] # the number of the call
for number, errno in rules:
    steps += [(0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | errno)]
steps.append((0x06, 0, 0, 0x7fff0000))
code = b"".join(struct.pack("HBBI", *s) for s in steps)
mem = ctypes.create_string_buffer(code)
class Prog(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(Prog(len(steps), ctypes.addressof(mem)))) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""
NUMBERS = {"x86_64": {"landlock": 444, "seccomp": 317}, "aarch64": {"landlock": 444, "seccomp": 277}}[os.uname().machine]
EPERM, ENOSYS, EOPNOTSUPP = 1, 38, 95


@pytest.fixture(scope="module")
def inst(install, started):
    own = install("sandbox")
    own.list_partner("partner.example")
    yield started(own)
    own.stop()


@pytest.fixture(params=["edge", "gateway"])
def daemon(inst, request):
    return getattr(inst, request.param)


def config_of(inst, daemon):
    return json.loads(json.dumps(inst.edge_config if daemon is inst.edge else inst.gateway_config))


@pytest.fixture
def alone(inst, daemon):
    """alone(PREFIX, ENVIRONMENT, **KEYS): the daemon started once more instead, with other keys, behind a prefix of its command line."""
    running = []

    def start(prefix=(), environment=None, user=None, ready=True, **keys):
        daemon.stop()
        write(daemon.config, json.dumps({**config_of(inst, daemon), **keys}, indent=1) + "\n")
        daemon.process = Process(daemon.name, [*prefix, daemon.binary, "-c", daemon.config, *(stay_root(daemon.binary) if user is None else user)],
                                 "%s/%s.log" % (daemon.dir, daemon.name), env=clean_environment(**{**SANITIZER_ENV, **(environment or {})}))
        running.append(daemon.process)
        if ready:
            wait_until("%s's control socket" % daemon.name, lambda: answers(daemon), 20, daemon.process)
        return daemon.process
    yield start
    if running:
        daemon.process.stop()
        daemon.process = None
        inst.write_configs()
        daemon.start()
        inst.edge.wait_ready()
        inst.gateway.wait_ready()


def answers(daemon):
    try:
        return daemon.control("status")
    except OSError:
        return None


def problems(daemon, area="sandbox."):
    return [p for p in daemon.control("status")["problems"] if p["reason"].startswith(area)]


def metrics(daemon):
    return [daemon.metric("xfed_sandbox", layer=layer) for layer in LAYERS]


# ---- it is there ----

def test_it_is_in_force(daemon):
    assert metrics(daemon) == [1, 1] and problems(daemon) == []
    for layer in LAYERS:
        daemon.process.wait_line("event=sandbox.entered layer=%s" % layer, 5)


def test_it_is_around_every_thread(inst, daemon, new_partner):
    """The loop, the store's thread, and workers, of which a handshake has started one."""
    threads = "/proc/%d/task" % daemon.process.child.pid
    seen = {}
    for thread in os.listdir(threads):
        with open("%s/%s/status" % (threads, thread), encoding="utf-8") as f:
            facts = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        seen[thread] = (facts["NoNewPrivs"], facts["Seccomp"])
    assert len(seen) >= 2 and set(seen.values()) == {("1", "2")}, seen


def preload():
    return os.path.join(os.path.abspath(os.environ["XFED_BUILD"]), "tests/unit/support/libforbidden.so")


def test_what_is_forbidden_is_denied_and_told(inst, alone, daemon, tools):
    """In the loop and on a worker: no folder, no file of others, none made. The call that is on no list is told everywhere."""
    process = alone(environment={"LD_PRELOAD": preload()})
    process.wait_line("forbidden: listen, loop: mkdir 38, read 13, make 13", 20)
    process.wait_line("forbidden: handshake, worker: mkdir 38, read 13, make 13", 20)
    process.wait_line(r"event=sandbox.denied call=mkdir count=\d+ reason=sandbox.call.denied", 20)
    wait_until("the metric", lambda: daemon.metric("xfed_sandbox_denied_total", call="mkdir") >= 2, 20)
    problem, = problems(daemon)
    assert problem["reason"] == "sandbox.call.denied" and "the last one mkdir" in problem["text"]
    assert "system calls" in daemon.ctl(tools, "status", check=False)[1]
    assert not os.path.exists("/tmp/xfed-forbidden") and not os.path.exists("/tmp/xfed-forbidden.txt")


def test_another_program_ends_it(alone):
    process = alone(environment={"LD_PRELOAD": preload(), "FORBIDDEN": "exec"}, ready=False)
    assert process.child.wait(60) == -31, "not ended by SIGSYS"


# ---- where it cannot be had ----

MISSING = [("landlock", ENOSYS, "the kernel does not have it"), ("landlock", EOPNOTSUPP, "security modules"),
           ("landlock", EPERM, "SystemCallFilter="), ("seccomp", EPERM, "SystemCallFilter=")]


def without(layer, errno):
    return ("/usr/bin/python3", "-c", WITHOUT, "%d=%d" % (NUMBERS[layer], errno))


@pytest.mark.parametrize("layer,errno,why", MISSING)
def test_a_layer_that_is_missing_is_a_problem(alone, daemon, layer, errno, why):
    process = alone(prefix=without(layer, errno))
    process.wait_line("event=sandbox.missing layer=%s reason=sandbox.layer.missing" % layer, 20)
    problem, = problems(daemon)
    assert problem["reason"] == "sandbox.layer.missing" and layer in problem["text"] and why in problem["text"], problem
    assert metrics(daemon) == [float(name != layer) for name in LAYERS]


@pytest.mark.parametrize("layer,errno,why", MISSING)
def test_required_does_not_start_without(alone, layer, errno, why):
    process = alone(prefix=without(layer, errno), ready=False, sandbox="required")
    assert process.child.wait(60) == 1
    process.wait_line('sandbox: found "required", and %s is missing: .*%s' % (layer, why), 20)


def test_required_starts_with_both(alone, daemon):
    alone(sandbox="required")
    assert metrics(daemon) == [1, 1] and problems(daemon) == []


# ---- reloads ----

def reload_of(daemon):
    result = daemon.control("reload")
    return result["ok"], " ".join(result["errors"])


@pytest.fixture
def elsewhere(inst, certs):
    """A folder that no configuration has named."""
    path = os.path.dirname(inst.dir) + "/elsewhere"
    os.makedirs(path)
    for name, file in (("ca.pem", certs.ca), ("fe.pem", certs.chain("fe")), ("fe.key", certs.key("fe"))):
        shutil.copy(file, "%s/%s" % (path, name))
    yield path
    shutil.rmtree(path)
    inst.write_configs()


def outside_is_told(daemon):
    mark = daemon.process.mark()
    ok, text = reload_of(daemon)
    assert not ok and "restart needed" in text, text
    daemon.process.wait_line("event=config.problem reason=config.restart.needed", 20, mark)
    problem, = problems(daemon, "config.reload")
    assert "restart needed" in problem["text"]


def test_a_path_outside_needs_a_restart(inst, daemon, elsewhere):
    config = config_of(inst, daemon)
    config["channel"]["ca"] = elsewhere + "/ca.pem"
    write(daemon.config, json.dumps(config))
    outside_is_told(daemon)
    check = subprocess.run([daemon.binary, "--check-config", "-c", daemon.config], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           timeout=60, env=clean_environment(**SANITIZER_ENV), check=False)
    assert check.returncode == 0, check.stdout  # a restart would do
    daemon.stop()
    daemon.start().wait_ready()
    assert reload_of(daemon)[0] and problems(daemon, "config.") == []
    inst.write_configs()
    assert reload_of(daemon)[0], "its old folder is that of other files too"


def test_a_link_that_leads_out_needs_a_restart(inst, daemon, elsewhere):
    """The file that the configuration names stays where it was, and leads somewhere else."""
    link = "%s/ca-%s.pem" % (inst.dir, daemon.name)
    shutil.copy(elsewhere + "/ca.pem", link)
    config = config_of(inst, daemon)
    config["channel"]["ca"] = link
    write(daemon.config, json.dumps(config))
    assert reload_of(daemon)[0]  # beside the configuration
    os.unlink(link)
    os.symlink(elsewhere + "/ca.pem", link)
    outside_is_told(daemon)
    os.unlink(link)
    shutil.copy(elsewhere + "/ca.pem", link + ".new")
    os.rename(link + ".new", link)
    assert reload_of(daemon)[0], "a file that is replaced by rename is read"


def test_a_folder_that_is_replaced_needs_a_restart(inst, alone, daemon, elsewhere):
    """What certbot does when a certificate is made anew; the name is the same, and the folder is not."""
    channel = {**config_of(inst, daemon)["channel"], "ca": elsewhere + "/ca.pem"}
    alone(channel=channel)
    assert reload_of(daemon)[0]
    os.rename(elsewhere, elsewhere + ".old")
    shutil.copytree(elsewhere + ".old", elsewhere)
    try:
        outside_is_told(daemon)
        shutil.rmtree(elsewhere)
        os.rename(elsewhere + ".old", elsewhere)
        assert reload_of(daemon)[0]
    finally:
        shutil.rmtree(elsewhere + ".old", ignore_errors=True)


def test_where_links_lead_at_the_start_is_inside(inst, alone, daemon, elsewhere):
    """As with certbot: live/NAME.pem leads to archive/NAME1.pem, and after a renewal to archive/NAME2.pem."""
    live = inst.dir + "/live-" + daemon.name
    os.makedirs(live)
    os.symlink(elsewhere + "/ca.pem", live + "/ca.pem")
    alone(channel={**config_of(inst, daemon)["channel"], "ca": live + "/ca.pem"})
    assert reload_of(daemon)[0]
    shutil.copy(elsewhere + "/ca.pem", elsewhere + "/ca2.pem")
    os.unlink(live + "/ca.pem")
    os.symlink(elsewhere + "/ca2.pem", live + "/ca.pem")
    assert reload_of(daemon)[0]


def test_policy_files_outside_need_a_restart(inst, elsewhere):
    """The folder of partners, a partner's file that is a link, and a list of users."""
    gateway = inst.gateway
    os.makedirs(elsewhere + "/partners.d")
    write(gateway.config, json.dumps({**config_of(inst, gateway), "partners_dir": elsewhere + "/partners.d"}))
    outside_is_told(gateway)
    inst.write_configs()
    shutil.copy(inst.partner_path("partner.example"), elsewhere + "/linked.example.yaml")
    with open(elsewhere + "/linked.example.yaml", encoding="utf-8") as f:
        text = f.read().replace("partner.example", "linked.example")
    write(elsewhere + "/linked.example.yaml", text)
    os.symlink(elsewhere + "/linked.example.yaml", inst.partner_path("linked.example"))
    try:
        outside_is_told(gateway)
    finally:
        os.unlink(inst.partner_path("linked.example"))
    rule = inst.dir + "/access.d/listed.yaml"
    write(elsewhere + "/users", "user@corp.example\n")
    write(rule, json.dumps({"name": "listed", "scope": "user", "allowed": True, "granted_to_file": elsewhere + "/users"}))
    try:
        outside_is_told(gateway)
    finally:
        os.unlink(rule)
    assert reload_of(gateway)[0]


# ---- whom root becomes ----

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def service_user(inst, daemon):
    """(enter, name): a prefix for a world in which the user of the service exists, and may use the installation's folder."""
    name = {inst.edge: "xfed-edge", inst.gateway: "xfed-gateway"}[daemon]
    users, groups = inst.dir + "/sandbox-passwd", inst.dir + "/sandbox-group"
    with open("/etc/passwd", encoding="utf-8") as f:
        write(users, "".join(line for line in f if not line.startswith(name + ":")) + name + ":x:64997:64997::/:/usr/sbin/nologin\n")
    with open("/etc/group", encoding="utf-8") as f:
        write(groups, "".join(line for line in f if not line.startswith("xfed:")) + "xfed:x:64996:%s\n" % name)
    owners = {}
    above = os.path.dirname(inst.dir)
    modes = {d: stat.S_IMODE(os.stat(d).st_mode) for d in (above, inst.dir, above + "/ca")}
    for d in modes:
        os.chmod(d, 0o755)
    for folder in (inst.dir, above + "/ca"):
        for where, _, files in os.walk(folder):
            for path in [where] + [os.path.join(where, f) for f in files]:
                owners[path] = os.lstat(path).st_uid
                os.chown(path, 64997, -1, follow_symlinks=False)
    yield ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/passwd && mount --bind "$1" /etc/group && shift && exec "$@"', users, groups], name
    for path, owner in owners.items():
        if os.path.lexists(path):
            os.chown(path, owner, -1, follow_symlinks=False)
    for d, mode in modes.items():
        os.chmod(d, mode)


def identity(process):
    with open("/proc/%d/status" % process.child.pid, encoding="utf-8") as f:
        facts = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    return facts["Uid"].split(), facts["Gid"].split(), facts["Groups"].split(), int(facts["CapEff"], 16)


@needs_root
@pytest.mark.parametrize("how", ["by itself", "by name"])
def test_root_becomes_the_user_of_the_service(alone, daemon, service_user, how):
    enter, name = service_user
    process = alone(prefix=enter, user=() if how == "by itself" else ("--user", name))
    assert identity(process) == (["64997"] * 4, ["64997"] * 4, ["64996", "64997"], 0)
    assert metrics(daemon) == [1, 1] and reload_of(daemon)[0]


@needs_root
def test_root_does_not_serve_as_root(alone, inst, daemon):
    name = {inst.edge: "xfed-edge", inst.gateway: "xfed-gateway"}[daemon]
    users = inst.dir + "/no-passwd"
    with open("/etc/passwd", encoding="utf-8") as f:
        write(users, "".join(line for line in f if not line.startswith(name + ":")))
    process = alone(prefix=("unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/passwd && exec "$@"', users), user=(), ready=False)
    assert process.child.wait(60) == 1
    process.wait_line("%s: started as root, and there is no user %s for it to become.*--user root" % (name, name), 20)


@needs_root
@pytest.mark.parametrize("prefix,user,said", [
    ((), "no-such-user", "--user: there is no user no-such-user"),
    (("setpriv", "--reuid=64995", "--regid=64995", "--clear-groups"), "root", "--user: only root can become the user root"),
])
def test_a_user_that_it_cannot_become(alone, prefix, user, said):
    process = alone(prefix=prefix, user=("--user", user), ready=False)
    assert process.child.wait(60) == 1
    process.wait_line(said, 20)
