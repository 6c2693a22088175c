"""What a gateway's store has for good, while the gateway runs."""
import sqlite3

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
