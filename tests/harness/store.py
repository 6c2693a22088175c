"""What a gateway's store has for good, while the gateway runs; and a store whose disk is full."""
import os
import sqlite3

from .installation import write
from .proc import wait_until


def path_of(inst):
    return inst.gateway_config.get("store", {}).get("sqlite", inst.dir + "/gateway.db")


def is_written(path):
    """No transaction is under way: its journal is gone, empty, or its header is zeroed (SQLite's ways of ending one that has the lock for good)."""
    try:
        with open(path + "-journal", "rb") as f:
            return not f.read(28).strip(b"\0")
    except FileNotFoundError:
        return True


def stored(inst, sql, *args):
    """
    The first row. The gateway keeps the lock, so that it is read past it: what a transaction has written and not committed, which a kill
    would take back, does not count.
    """
    path = path_of(inst)

    def read():
        with sqlite3.connect("file:%s?mode=ro&immutable=1" % path, uri=True) as db:
            try:
                row = db.execute(sql, args).fetchone()
            except sqlite3.DatabaseError:  # half of it is new
                return None
        return (row,) if is_written(path) else None
    return wait_until("transaction that has ended", read, 20)[0]


def on_small_disk(inst):
    """The store lies on a file system of its own, which nobody but the gateway sees."""
    directory = inst.dir + "/store"
    os.makedirs(directory)
    inst.gateway_config["store"] = {"sqlite": directory + "/gateway.db"}
    inst.write_configs()
    wrapper = inst.dir + "/on-small-disk"
    write(wrapper, '#!/bin/sh\nexec unshare -m sh -c \'mount -t tmpfs -o size=512k none "%s" && exec "$@"\' sh "%s" "$@"\n' % (directory, inst.gateway.binary))
    os.chmod(wrapper, 0o755)
    inst.gateway.binary = wrapper


def fill_disk(inst):
    """The path of what fills it, for the while that it runs."""
    filler = "/proc/%d/root%s/store/filler" % (inst.gateway.process.child.pid, inst.dir)
    with open(filler, "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"x" * 4096)
        except OSError:
            return filler
