"""A user with a real client of the Lync dialect (lync/lync_user.c): what the user does and what the client shows."""
import html
import json
import os
import re
import subprocess
import threading

from harness.inbox import Inbox
from harness.proc import clean_environment, die_with_parent

PROGRAM = "tests/interop/lync/lync_user"
BREAK = re.compile(r"<br\s*/?>", re.I)
TAG = re.compile(r"<[^>]*>")


def plain(markup):
    """What a window shows of HTML."""
    return html.unescape(TAG.sub("", BREAK.sub("\n", markup)))


class LyncClient:
    """`events`: dictionaries, in their order, with "event" and what belongs to it; "text" beside each "html"."""

    def __init__(self, program, netns, user, server, directory):
        self.user, self.uri = user, "sip:" + user
        self.events = Inbox("the client of " + user)
        self.dir, self.argv = directory, ["ip", "netns", "exec", netns, program, user, server, directory, "debug"]
        self.child = self.reader = None

    def start(self):
        os.makedirs(self.dir)
        with open(self.dir + "/client.log", "w", encoding="utf-8") as log:
            self.child = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, preexec_fn=die_with_parent,
                                          start_new_session=True, env=clean_environment(HOME=self.dir))
        self.reader = threading.Thread(target=self._read, name="client-of-" + self.user, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.child.stdout:
            event = json.loads(line)
            if "html" in event:
                event["text"] = plain(event["html"])
            self.events.put(event)

    def do(self, what, **values):
        self.child.stdin.write(json.dumps(dict(values, do=what)).encode() + b"\n")
        self.child.stdin.flush()

    def wait(self, event, timeout=20, since=0, **values):
        """The first such event with these values; a value may be a function that says whether it is right."""
        def fits(e):
            return e["event"] == event and all(v(e.get(k)) if callable(v) else e.get(k) == v for k, v in values.items())
        return self.events.wait(fits, timeout, since)

    def seen(self, event, since=0):
        return [e for e in self.events.items[since:] if e["event"] == event]

    # ---- messages ----
    def say(self, to, text):
        self.do("say", to=to, text=text)

    def wait_said(self, who, text, timeout=20, since=0):
        return self.wait("said", timeout, since, **{"from": who, "text": text})

    def wait_error(self, text, timeout=60, since=0):
        """The error that shows a text as one that was not delivered."""
        return self.wait("error", timeout, since, text=lambda t: t is not None and text in t)

    # ---- the end ----
    def sign_off(self, timeout=20):
        """Leaves as somebody who closes the program."""
        if self.child.poll() is None:
            self.do("quit")
            self.child.wait(timeout)
        self.reader.join(timeout)

    def close(self):
        try:
            if self.child is not None:
                self.sign_off()
                self.child.stdin.close()
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self.child.kill()
            self.child.wait()
