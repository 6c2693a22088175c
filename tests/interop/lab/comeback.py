"""How users of the lab come back when their server was gone."""
import asyncio

EVERY_S = 0.5
TRIES = 600


class Comeback:
    """Attempts of a client that has lost its connection: one after the other, each its own time after the last.

    Nobody tells a client that its server is back, so this timer is what brings it back, as it is in real ones, and no wait for something
    else. They are bounded, and whoever leaves ends them at once.
    """

    def __init__(self, who, attempt):
        self.who, self.attempt = who, attempt  # attempt(): a coroutine; OSError: nobody there yet, or gone again
        self.left, self.task = asyncio.Event(), None

    @property
    def is_under_way(self):
        """Still, or for good: of one that has given up too."""
        return self.task is not None

    def begin(self):
        if self.task is None and not self.left.is_set():
            self.task = asyncio.ensure_future(self._try())

    def leave(self):
        """From the loop's thread."""
        self.left.set()

    async def _try(self):
        for _ in range(TRIES):
            try:
                await self.attempt()
                break
            except OSError as e:
                last = e
            try:
                await asyncio.wait_for(self.left.wait(), EVERY_S)
                break
            except asyncio.TimeoutError:
                continue
        else:
            raise ConnectionError("%s could not come back in %d attempts; the last: %s" % (self.who, TRIES, last))
        self.task = None
