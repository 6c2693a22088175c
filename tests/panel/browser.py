"""
A headless Chromium, by way of Playwright in node (browser.js): contexts, which share nothing, and pages in them. A page's methods are
Playwright's, with their names as Python writes names; each waits for its end, with a bound. What browser.js adds: complaints, focused...
"""
import json
import os
import re
import subprocess

from harness.proc import clean_environment, die_with_parent

HERE = os.path.dirname(os.path.abspath(__file__))
NODE_MODULES = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build", "panel", "node_modules")


class Browser:
    def __init__(self, log_path, *switches):
        self.log = open(log_path, "w", encoding="utf-8")
        self.child = subprocess.Popen(["/usr/bin/node", HERE + "/browser.js", *switches], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                      text=True, env=clean_environment(NODE_PATH=NODE_MODULES), preexec_fn=die_with_parent, start_new_session=True)
        self.log_path = log_path

    def call(self, on, do, *arguments):
        self.child.stdin.write(json.dumps({"on": on, "do": do, "with": arguments}) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if not line:
            with open(self.log_path, encoding="utf-8") as f:
                raise AssertionError("the browser has ended: " + f.read()[-2000:])
        answer = json.loads(line)
        assert "failed" not in answer, "%s %s: %s" % (do, list(arguments), answer.get("failed"))
        return answer["is"]

    def context(self, origin, language="en", scheme="light", width=1280, height=900, script=True, **options):
        options.update(locale={"en": "en-GB", "de": "de-DE"}[language], colorScheme=scheme, viewport={"width": width, "height": height},
                       javaScriptEnabled=script, timezoneId="Europe/Berlin")
        return Context(self, self.call("browser", "context", origin, options), origin, script)

    def close(self):
        self.child.stdin.close()
        try:
            self.child.wait(60)
        finally:
            if self.child.poll() is None:
                self.child.kill()
                self.child.wait()
            self.child.stdout.close()
            self.log.close()


class Remote:
    """An object of browser.js."""

    def __init__(self, browser, number):
        self.browser, self.number = browser, number

    def __getattr__(self, name):
        method = re.sub(r"_(.)", lambda m: m.group(1).upper(), name)
        return lambda *arguments: self.browser.call(self.number, method, *arguments)


class Context(Remote):
    def __init__(self, browser, number, origin, script):
        super().__init__(browser, number)
        self.origin, self.script = origin, script

    def page(self):
        return Page(self.browser, self.browser.call(self.number, "page"), self)


class Page(Remote):
    def __init__(self, browser, number, context):
        super().__init__(browser, number)
        self.context = context

    def go(self, path):
        """To a place of the panel. The status of HTTP."""
        return self.goto(self.context.origin + path)

    def click_on(self, selector):
        """Clicks, and waits for the document that comes of it. Its path."""
        return self.path_of(self.leave("click", selector))

    def press_on(self, key):
        """The same by keyboard."""
        return self.path_of(self.leave("press", key))

    @property
    def path(self):
        return self.path_of(self.url())

    def path_of(self, url):
        assert url.startswith(self.context.origin + "/"), url
        return url[len(self.context.origin):]

    def text(self, selector="main"):
        """As it is read: what is not shown is not in it."""
        return self.inner_text(selector)

    def is_fine(self, axe=True, allowed=()):
        """Nothing is wrong with the page as it is, nor with what it did to get there, but for complaints with a word of `allowed` in them."""
        if self.context.script:
            bad = [c for c in self.complaints(axe) if not any(a in c for a in allowed)]
            assert not bad, "%s:\n%s" % (self.url(), "\n".join(bad))
        else:
            bad = [c for c in self.told() if not any(a in c for a in allowed)]
            assert not bad, "%s:\n%s" % (self.url(), "\n".join(bad))
        return self
