"""An event loop on a thread of its own inside a namespace: where the lab's users live."""
import asyncio
import threading

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
