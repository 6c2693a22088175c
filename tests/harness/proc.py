"""Processes of the lab: started in a namespace, followed line by line, stopped by their own id."""
import ctypes
import os
import re
import signal
import subprocess
import threading
import time

from .patience import patience

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)

# What a developer's shell may carry and a test must not depend on.
SCRUBBED = ("SSLKEYLOGFILE", "GNUTLS_", "SASL_", "OPENSSL_", "SSL_CERT", "LC_", "LANG", "LUA_", "PYTHON",
            "JOURNAL_STREAM", "NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_")


def clean_environment(**extra):
    env = {k: v for k, v in os.environ.items() if not k.startswith(SCRUBBED)}
    env.update(LC_ALL="C.UTF-8", PATH="/usr/sbin:/usr/bin:/sbin:/bin", **extra)
    return env


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Process:
    """One process in one namespace. Its standard output and error go to LOG and to `lines`."""

    def __init__(self, name, argv, log_path, netns=None, env=None, cwd=None):
        self.name, self.log_path = name, log_path
        self.argv = (["ip", "netns", "exec", netns] if netns else []) + list(argv)
        self.lines = []
        self.changed = threading.Condition()
        self.log = open(log_path, "a", encoding="utf-8")  # closed by the reader at the end of output
        self.child = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, env=env or clean_environment(), cwd=cwd,
                                      preexec_fn=die_with_parent, start_new_session=True)
        self.reader = threading.Thread(target=self._read, name="log-" + name, daemon=True)
        self.reader.start()

    def _read(self):
        for raw in self.child.stdout:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            self.log.write(line + "\n")
            self.log.flush()
            with self.changed:
                self.lines.append(line)
                self.changed.notify_all()
        self.log.close()
        with self.changed:
            self.changed.notify_all()

    @property
    def is_running(self):
        return self.child.poll() is None

    def mark(self):
        """A place in the log: hand it to wait_line() to look only at what comes later."""
        with self.changed:
            return len(self.lines)

    def wait_line(self, pattern, timeout, since=0):
        """The first line that matches, or an AssertionError that shows the end of the log."""
        wanted, timeout = re.compile(pattern), patience(timeout)
        deadline = time.monotonic() + timeout
        at = since
        with self.changed:
            while True:
                while at < len(self.lines):
                    if wanted.search(self.lines[at]):
                        return self.lines[at]
                    at += 1
                left = deadline - time.monotonic()
                if left <= 0 or not self.reader.is_alive():
                    break
                self.changed.wait(min(left, 1))
        state = "running" if self.is_running else "exited with %s" % self.child.poll()
        raise AssertionError("%s (%s) logged nothing that matches %r within %.0f s; its last lines:\n%s" % (
            self.name, state, pattern, timeout, "\n".join(self.lines[-25:])))

    def stop(self, timeout=10):
        """SIGTERM, a bounded wait, then SIGKILL. The exit status; -9 tells that it had to be killed."""
        if self.is_running:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(patience(timeout))
            except subprocess.TimeoutExpired:
                self.child.kill()
        status = self.child.wait()
        self.reader.join(5)
        return status


def wait_until(what, condition, timeout, process=None):
    """Polls for what raises no event of its own (a port, a metric), with a deadline."""
    timeout = patience(timeout)
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if process is not None and not process.is_running:
            raise AssertionError("%s has exited with %s before %s; its last lines:\n%s" % (
                process.name, process.child.poll(), what, "\n".join(process.lines[-25:])))
        if time.monotonic() > deadline:
            tail = "; its last lines:\n" + "\n".join(process.lines[-25:]) if process is not None else ""
            raise AssertionError("no %s within %.0f s%s" % (what, timeout, tail))
        time.sleep(0.02)
