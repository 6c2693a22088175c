"""xfedctl store backup and restore: a copy of a store that is written to, and a start with it."""
import fcntl
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import stat
import struct
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.proc import wait_until
from harness.store import stored


@pytest.fixture
def own(install, started):
    inst = install("kept")
    inst.list_partner("partner.example")
    try:
        yield started(inst)
    finally:
        inst.stop()


def ctl(inst, tools, *words):
    return inst.gateway.ctl(tools, *words, check=False)


def rows(path, sql="SELECT local, remote FROM contact ORDER BY local"):
    with sqlite3.connect("file:%s?mode=ro" % path, uri=True) as db:
        return db.execute(sql).fetchall()


def approve(inst, name):
    inst.gateway.control("contact", "approve", user="alice@corp.example", contact=name + "@public.example")
    wait_until(name + " in the store", lambda: stored(inst, "SELECT 1 FROM contact WHERE remote = ?", name + "@public.example"), 20)


@pytest.fixture
def public(own):
    own.list_partner("public.example", partner_type="public-unverified")
    own.reload()
    return own


def beside(inst):
    return sorted(n for n in os.listdir(inst.dir) if "gateway.db" in n or n.startswith(".xfedctl"))


def test_there_and_back(public, tools):
    own = public
    approve(own, "before")
    file = own.dir + "/copy.db"
    status, text = ctl(own, tools, "store", "backup", file)
    assert status == 0 and "schema 6" in text, text
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert rows(file) == [("alice@corp.example", "before@public.example")]
    assert not [n for n in beside(own) if n.endswith(".backup") or n.startswith(".xfedctl")], beside(own)
    approve(own, "since")
    revision = own.gateway.control("status")["policy"]
    status, text = ctl(own, tools, "store", "restore", file, "--dry-run")
    assert status == 0 and "1 contacts" in text and "nothing was changed" in text, text
    assert not os.path.exists(own.dir + "/gateway.db.restore")
    status, text = ctl(own, tools, "store", "restore", file)
    assert status == 0 and own.dir + "/gateway.db.restore" in text and "systemctl restart" in text, text
    assert {c["contact"] for c in own.gateway.control("contact", "list")["contacts"]} == {"before@public.example", "since@public.example"}
    own.gateway.stop()
    own.gateway.start().wait_ready()
    own.gateway.process.wait_line("event=store.restored", 20)
    assert [c["contact"] for c in own.gateway.control("contact", "list")["contacts"]] == ["before@public.example"]
    after = own.gateway.control("status")["policy"]
    assert after["epoch"] > revision["epoch"], (revision, after)
    wait_until("the same policy on the edge", lambda: own.edge.control("status").get("policy", {}).get("epoch") == after["epoch"], 20)
    assert len(rows(own.dir + "/gateway.db.before-restore")) == 2
    assert not os.path.exists(own.dir + "/gateway.db.restore")
    own.gateway.stop()
    assert rows(own.dir + "/gateway.db", "SELECT count(*) FROM sqlite_schema WHERE name = 'backup'") == [(0,)]
    own.gateway.start().wait_ready()


def test_while_it_is_written_to(public, tools):
    """Every copy has what had been committed when it began, and nothing of half a change."""
    own = public
    stop, made = threading.Event(), []

    def write():
        while not stop.is_set():
            name = "c%d" % len(made)
            own.gateway.control("contact", "approve", user="alice@corp.example", contact=name + "@public.example")
            made.append(name)
    thread = threading.Thread(target=write)
    thread.start()
    try:
        for n in range(3):
            wait_until("more contacts", lambda: len(made) > 40 * (n + 1), 60)
            before = list(made)
            file = "%s/copy%d.db" % (own.dir, n)
            assert ctl(own, tools, "store", "backup", file)[0] == 0
            have = {remote.split("@")[0] for _, remote in rows(file)}
            assert set(before[:-1]) <= have, set(before) - have
            assert ctl(own, tools, "store", "restore", file, "--dry-run")[0] == 0
    finally:
        stop.set()
        thread.join()


def content(path):
    with open(path, "rb") as f:
        return f.read()


def refused_start(inst, said):
    inst.gateway.start()
    inst.gateway.process.wait_line(r"gateway\.db\.restore: .*(%s)" % said, 20)
    wait_until("the end", lambda: not inst.gateway.process.is_running, 20)
    inst.gateway.process = None


def change_a_row(path):
    with sqlite3.connect(path) as db:
        db.execute("UPDATE policy SET counter = counter + 1")


def newer(path):
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")


def no_seal(path):
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE backup")


def trigger(path):
    with sqlite3.connect(path) as db:
        db.execute("CREATE TRIGGER t AFTER INSERT ON contact BEGIN DELETE FROM contact; END")


def more(sql):
    def change(path):
        with sqlite3.connect(path) as db:
            db.execute(sql)
    return change


def woven(path):
    """Pages of a tree that all lead to the same ones: to walk through the schema takes longer than anybody lives."""
    size, fan = 4096, 500
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE more (a UNIQUE)")
    with open(path, "rb") as f:
        pages = bytearray(f.read())
    assert pages[100] == 13, "the schema is on one page"

    def add(page):
        pages.extend(page)
        return len(pages) // size

    def inner(head, children):
        page = bytearray(head)
        cells = bytearray()
        for n, child in enumerate(children[:-1]):
            cells += struct.pack(">I", child) + bytes([0x80 | n >> 7, n & 0x7f])
        start = size - len(cells)
        page += struct.pack(">BHHHBI", 5, 0, len(children) - 1, start, 0, children[-1])
        page += b"".join(struct.pack(">H", start + 6 * n) for n in range(len(children) - 1))
        return bytes(page.ljust(start, b"\0") + cells)

    def leaf(*values):
        types = bytes(0 if v is None else 1 if isinstance(v, int) else 13 + 2 * len(v) for v in values)
        body = bytes([len(types) + 1]) + types + b"".join(b"" if v is None else bytes([v]) if isinstance(v, int) else v.encode() for v in values)
        cell = bytes([len(body), 1]) + body
        return (struct.pack(">BHHHBH", 13, 0, 1, size - len(cell), 0, size - len(cell))).ljust(size - len(cell), b"\0") + cell
    ours = bytes(pages[100:size])
    count = struct.unpack(">H", ours[3:5])[0]
    schema = add((ours[:8 + 2 * count]).ljust(100, b"\0") + bytes(pages[100 + max(0, 8 + 2 * count - 100):size]))
    with sqlite3.connect(path) as db:
        root, = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_more_1'").fetchone()
    last = add(leaf("index", "sqlite_autoindex_more_1", "more", root, None))
    for _ in range(4):
        last = add(inner(b"", [last] * fan))
    head = bytearray(pages[:100])
    head[28:32] = struct.pack(">I", len(pages) // size)
    head[92:96] = head[24:28]
    pages[:size] = inner(head, [schema, last])
    with open(path, "wb") as f:
        f.write(pages)


def torn(path):
    with open(path, "r+b") as f:
        f.seek(4096)
        f.write(b"\xff" * 2048)


def other_file(path):
    with open(path, "w", encoding="utf-8") as f:
        f.write("name: gw1\n" * 100)


spoilt = pytest.mark.parametrize("spoil, said", [
    (change_a_row, "its hash does not fit"), (newer, r"gw1: made by a newer version \(schema 99, this one knows 6\)"), (no_seal, "was not made by xfedctl store backup"),
    (trigger, "no store of a gateway"), (torn, "damaged|malformed|hash"), (other_file, "not a database"), (os.unlink, "No such file"),
    (lambda p: (os.unlink(p), os.mkfifo(p)), "not a regular file"), (lambda p: os.truncate(p, 0), "not a database"),
    (more("CREATE TABLE more (a)"), "no store of a gateway"), (more("ALTER TABLE contact ADD COLUMN more"), "no store of a gateway"),
    (more("CREATE INDEX more ON contact (remote)"), "no store of a gateway"), (more("CREATE VIEW more AS SELECT 1"), "no store of a gateway"),
    (more('CREATE TABLE "contact"" , ""contact" (a)'), "no store of a gateway"), (more("DROP INDEX contact_wrote"), "no store of a gateway"),
    (more("INSERT INTO contact VALUES (zeroblob(5000000), 'x', 0, 0, 'none', 0, 0, 0, 0, 0)"), "too big"),
    (woven, "takes longer than any store does"), (lambda p: os.truncate(p, 2 ** 32 + 1), "larger than a store can be"),
], ids=["row", "newer", "unsealed", "trigger", "torn", "text", "absent", "fifo", "empty", "table", "column", "index", "view", "quoted", "no-index", "value",
        "woven", "large"])


@spoilt
def test_what_is_not_restored(own, tools, spoil, said):
    file = own.dir + "/copy.db"
    assert ctl(own, tools, "store", "backup", file)[0] == 0
    before = beside(own)
    spoil(file)
    status, text = ctl(own, tools, "store", "restore", file)
    assert status == 1 and re.search(said, text) and len(text.splitlines()) == 1, text
    assert beside(own) == before


@spoilt
def test_what_is_not_restored_by_a_start(own, tools, spoil, said):
    """Told by xfedctl, or by the start: the store stays, and a start without such a copy goes on with it."""
    file = own.dir + "/copy.db"
    assert ctl(own, tools, "store", "backup", file)[0] == 0
    own.gateway.stop()
    spoil(file)
    before = beside(own), content(own.dir + "/gateway.db")
    status, text = ctl(own, tools, "store", "restore", file, "--config", own.gateway.config)
    if status == 0:
        refused_start(own, said.removeprefix("gw1: "))
        os.unlink(own.dir + "/gateway.db.restore")
    else:
        assert status == 1 and re.search(said, text) and len(text.splitlines()) == 1, text
    assert (beside(own), content(own.dir + "/gateway.db")) == before
    own.gateway.start().wait_ready()


def test_what_a_killed_command_left_is_taken_away(own, tools):
    """A copy has the key of the store; but not one that another command is about to use."""
    file, left, held = own.dir + "/copy.db", own.dir + "/.xfedctl-copy-0123456789abcdef", own.dir + "/.xfedctl-copy-fedcba9876543210"
    assert ctl(own, tools, "store", "backup", file)[0] == 0
    for words in (("store", "restore", file), ("store", "backup", file)):
        for path in (left, held):
            shutil.copy(file, path)
        with open(held, "rb") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            status, text = ctl(own, tools, *words)
            assert status == 0 and not os.path.exists(left) and os.path.exists(held), text
    killed = subprocess.run([tools["xfedctl"], "--socket", own.gateway.socket, "store", "restore", file], check=False, timeout=60,
                            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)))
    assert killed.returncode == -signal.SIGXFSZ
    assert len([n for n in os.listdir(own.dir) if n.startswith(".xfedctl-copy-")]) == 1
    assert ctl(own, tools, "store", "restore", file)[0] == 0
    assert not [n for n in os.listdir(own.dir) if n.startswith(".xfedctl-copy-")]


def test_a_file_that_is_too_large_is_not_read(own):
    """Nor by the gateway, whoever put it there."""
    path = own.dir + "/.large"
    with open(path, "wb") as f:
        f.truncate(2 ** 32 + 1)
    with pytest.raises(Exception, match="larger than a store can be"):
        own.gateway.control("change", "take", file=path, command="store restore")
    os.unlink(path)


@pytest.mark.parametrize("put, said", [
    (lambda own: other_file(own.dir + "/gateway.db.restore"), "not a database"),
    (lambda own: open(own.dir + "/gateway.db.restore", "w", encoding="utf-8").close(), "no store of a gateway"),
    (lambda own: shutil.copy(own.dir + "/gateway.db", own.dir + "/gateway.db.restore"), "was not made by xfedctl store backup"),
], ids=["text", "empty", "store"])
def test_what_was_put_there_by_hand(own, put, said):
    own.gateway.stop()
    before = content(own.dir + "/gateway.db")
    put(own)
    refused_start(own, said)
    assert content(own.dir + "/gateway.db") == before and not os.path.exists(own.dir + "/gateway.db.before-restore")


def test_a_start_that_ended_before_the_copy_was_in_place(public, tools):
    own = public
    approve(own, "kept")
    file = own.dir + "/gateway.db.restore"
    assert ctl(own, tools, "store", "backup", file)[0] == 0
    approve(own, "since")
    own.gateway.stop()
    with sqlite3.connect(file) as db:
        db.executescript("DROP TABLE backup; PRAGMA application_id = %d" % 0x78666564)
    own.gateway.start().wait_ready()
    assert [c["contact"] for c in own.gateway.control("contact", "list")["contacts"]] == ["kept@public.example"]
    own.gateway.stop()
    assert rows(own.dir + "/gateway.db", "PRAGMA application_id") == [(0,)]


def test_what_is_not_backed_up(own, tools):
    file = own.dir + "/copy.db"
    for path, said in ((own.dir + "/none/copy.db", "No such file"), ("/proc/copy.db", "nothing can be written there"), (own.dir + "/gateway.yaml", "there is another file already, which is not replaced")):
        status, text = ctl(own, tools, "store", "backup", path)
        assert status == 1 and said in text and len(text.splitlines()) == 1, text
    os.symlink(own.dir + "/gateway.yaml", own.dir + "/link.db")
    assert ctl(own, tools, "store", "backup", own.dir + "/link.db")[0] == 1
    assert ctl(own, tools, "store", "backup", file)[0] == 0 and ctl(own, tools, "store", "backup", file)[0] == 0, "a copy of before is replaced"
    os.unlink(file)
    own.gateway.stop()
    status, text = ctl(own, tools, "store", "backup", file)
    assert status == 1 and "the service does not run" in text and not os.path.exists(file), text
    own.gateway.start().wait_ready()


def test_a_store_of_a_newer_version(own, tools):
    """As after a downgrade: one sentence that says what to do; so does a restore that was put there by hand."""
    own.gateway.stop()
    shutil.copy(own.dir + "/gateway.db", own.dir + "/gateway.db.kept")
    newer(own.dir + "/gateway.db")
    own.gateway.start()
    own.gateway.process.wait_line(r"made by a newer version \(schema 99, this one knows 6\): install that again, or restore a backup of before the upgrade", 20)
    wait_until("the end", lambda: not own.gateway.process.is_running, 20)
    own.gateway.process = None
    os.replace(own.dir + "/gateway.db.kept", own.dir + "/gateway.db")
    own.gateway.start().wait_ready()


def test_a_damaged_store_is_replaced(public, tools):
    own = public
    approve(own, "kept")
    file = own.dir + "/copy.db"
    assert ctl(own, tools, "store", "backup", file)[0] == 0
    own.gateway.stop()
    other_file(own.dir + "/gateway.db")
    status, text = ctl(own, tools, "store", "restore", file)
    assert status == 1 and "the service does not run" in text, text
    status, text = ctl(own, tools, "store", "restore", file, "--config", own.gateway.config)
    assert status == 0 and own.dir + "/gateway.db.restore" in text, text
    own.gateway.start().wait_ready()
    status, text = ctl(own, tools, "store", "restore", file, "--config", own.gateway.config)
    assert status == 1 and "gw1 runs" in text, text
    assert [c["contact"] for c in own.gateway.control("contact", "list")["contacts"]] == ["kept@public.example"]


def test_a_journal_of_an_earlier_restore(own, tools):
    """SQLite would play it back into the store that is put aside now."""
    file, journal = own.dir + "/copy.db", own.dir + "/gateway.db.before-restore-journal"
    assert ctl(own, tools, "store", "backup", file)[0] == 0
    other_file(journal)
    assert ctl(own, tools, "store", "restore", file)[0] == 0
    own.gateway.stop()
    own.gateway.start().wait_ready()
    assert os.path.exists(own.dir + "/gateway.db.before-restore") and not os.path.exists(journal)
    shutil.copy(own.dir + "/copy.db", own.dir + "/gateway.db.restore")
    own.gateway.stop()
    os.replace(own.dir + "/gateway.db", own.dir + "/gateway.db.before-restore")
    other_file(journal)
    own.gateway.start().wait_ready()
    assert os.path.exists(journal), "a start that goes on with one that ended keeps what that put aside"


def test_a_gateway_that_does_not_answer_runs(own, tools):
    """Too busy, or not for whoever asks: its store is not to be replaced behind its back."""
    file = own.dir + "/copy.db"
    assert ctl(own, tools, "store", "backup", file)[0] == 0
    own.gateway.stop()
    with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor(1) as pool:
        if os.path.exists(own.gateway.socket):
            os.unlink(own.gateway.socket)
        listener.bind(own.gateway.socket)
        listener.listen(1)
        pool.submit(lambda: listener.accept()[0].close())
        status, text = ctl(own, tools, "store", "restore", file, "--config", own.gateway.config)
    os.unlink(own.gateway.socket)
    assert status == 1 and "gw1 runs" in text and not os.path.exists(own.dir + "/gateway.db.restore"), text
    status, text = ctl(own, tools, "store", "restore", file, "--config", own.gateway.config)
    assert status == 0 and text.strip().endswith("systemctl start xfed-gateway"), text


def test_a_gateway_of_this_host_that_does_not_run(own, tools):
    """Nothing has to be named where there is one; where there are several, the sentence says how."""
    file, etc = own.dir + "/copy.db", own.dir + "/etc"
    assert ctl(own, tools, "store", "backup", file)[0] == 0
    os.makedirs(etc + "/xfed/gateway")
    shutil.copy(own.gateway.config, etc + "/xfed/gateway.yaml")

    def restore(*words):
        done = subprocess.run(["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc && exec "$@"', etc, tools["xfedctl"], "store", "restore", file, *words],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        return done.returncode, done.stdout
    status, text = restore()
    assert status == 1 and not os.path.exists(own.dir + "/gateway.db.restore"), "while it runs it is asked: " + text
    own.gateway.stop()
    status, text = restore("--dry-run")
    assert status == 1 and "gw1 does not run" in text, text
    shutil.copy(own.gateway.config, etc + "/xfed/gateway/two.yaml")
    status, text = restore()
    assert status == 1 and "--config /etc/xfed/gateway.yaml" in text and not os.path.exists(own.dir + "/gateway.db.restore"), text
    os.unlink(etc + "/xfed/gateway/two.yaml")
    status, text = restore()
    assert status == 0 and text.strip().endswith("systemctl start xfed-gateway"), text
    own.gateway.start().wait_ready()
    own.gateway.process.wait_line("event=store.restored", 20)


def test_the_unit_of_an_instance(own, tools):
    file, config = own.dir + "/copy.db", own.dir + "/gateway/two.yaml"
    assert ctl(own, tools, "store", "backup", file)[0] == 0
    os.mkdir(own.dir + "/gateway")
    shutil.copy(own.gateway.config, config)
    own.gateway.stop()
    status, text = ctl(own, tools, "store", "restore", file, "--config", config)
    assert status == 0 and text.strip().endswith("systemctl start xfed-gateway@two"), text
    own.gateway.config = config
    own.gateway.start().wait_ready()
    status, text = ctl(own, tools, "store", "restore", file)
    assert status == 0 and "systemctl restart xfed-gateway@two. " in text, text


def test_a_bad_copy_stops_the_start_and_changes_nothing(own, tools):
    file = own.dir + "/copy.db"
    assert ctl(own, tools, "store", "backup", file)[0] == 0
    change_a_row(file)
    own.gateway.stop()
    with open(own.dir + "/gateway.db", "rb") as f:
        before = f.read()
    assert ctl(own, tools, "store", "restore", file, "--config", own.gateway.config)[0] == 0
    own.gateway.start()
    own.gateway.process.wait_line(r"gateway\.db\.restore: it has been changed since it was made: its hash does not fit", 20)
    wait_until("the end", lambda: not own.gateway.process.is_running, 20)
    own.gateway.process = None
    with open(own.dir + "/gateway.db", "rb") as f:
        assert f.read() == before
    os.unlink(own.dir + "/gateway.db.restore")
    own.gateway.start().wait_ready()
