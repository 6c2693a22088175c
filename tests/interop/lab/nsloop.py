"""An event loop on a thread of its own inside a namespace: where the lab's users live."""
import asyncio
import threading
import time

from .net import enter_netns


class NsLoop:
    def __init__(self, netns):
        self.netns = netns
        self.loop = asyncio.new_event_loop()
        self.entered = threading.Event()
        self.error = None
        self.thread = threading.Thread(target=self._body, name="users-" + netns, daemon=True)
        self.thread.start()
        self.entered.wait()
        if self.error is not None:
            raise self.error

    def _body(self):
        try:
            enter_netns(self.netns)  # sockets made on this thread from here on belong to the namespace
        except OSError as e:
            self.error = e
        self.entered.set()
        if self.error is None:
            asyncio.set_event_loop(self.loop)
            self.loop.run_forever()

    def run(self, coroutine, timeout):
        """Runs a coroutine to its end from the test's thread; the wait is bounded."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise AssertionError("not finished within %.0f s: %r" % (timeout, coroutine)) from None

    def close(self):
        async def cancel_the_rest():
            rest = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
        self.run(cancel_the_rest(), 5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        if not self.thread.is_alive():
            self.loop.close()


class Inbox:
    """What a user has received, filled on the loop's thread and waited for on the test's."""

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
        deadline = time.monotonic() + timeout
        with self.changed:
            while len(self.items) - since < count:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError("%s received %d of %d within %.0f s" % (
                        self.owner, len(self.items) - since, count, timeout))
                self.changed.wait(left)
            return self.items[since:]
