"""What a peer has received: filled on the peer's threads, waited for on the test's."""
import threading
import time

from .patience import patience


class Inbox:
    def __init__(self, owner):
        self.owner, self.items, self.changed = owner, [], threading.Condition()

    def put(self, item):
        with self.changed:
            self.items.append(item)
            self.changed.notify_all()

    def mark(self):
        with self.changed:
            return len(self.items)

    def wait(self, wanted, timeout=10, since=0):
        """The first item from `since` on for which wanted(item) is true."""
        timeout = patience(timeout)
        deadline = time.monotonic() + timeout
        at = since
        with self.changed:
            while True:
                while at < len(self.items):
                    if wanted(self.items[at]):
                        return self.items[at]
                    at += 1
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError("%s received no such thing within %.0f s, but: %s" % (
                        self.owner, timeout, [str(i)[:300] for i in self.items[since:]][-5:]))
                self.changed.wait(left)

    def wait_count(self, count, timeout, since=0):
        """At least `count` items from `since` on; all of them."""
        timeout = patience(timeout)
        deadline = time.monotonic() + timeout
        with self.changed:
            while len(self.items) - since < count:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError("%s received %d of %d within %.0f s" % (
                        self.owner, len(self.items) - since, count, timeout))
                self.changed.wait(left)
            return self.items[since:]
