"""A small browser for the panel: forms, one cookie, redirects only where asked."""
import html
import http.client
import re
import ssl
import subprocess
from urllib.parse import urlencode

from .proc import clean_environment


def context(certs, client=None):
    c = ssl.create_default_context(cafile=certs.ca)
    if client:
        c.load_cert_chain(certs.chain(client), certs.key(client))
    return c


class Answer:
    def __init__(self, response, body):
        self.status, self.body = response.status, body.decode()
        self.headers = {k.lower(): v for k, v in response.getheaders()}

    @property
    def location(self):
        return self.headers.get("location")

    def token(self):
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', self.body)
        assert found, self.body
        return found.group(1)

    def text(self):
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", self.body)).split())


class Browser:
    def __init__(self, address, host=None, tls=None, source=None):
        self.address, self.host, self.tls = address, host or "%s:%d" % address, tls
        self.source = (source, 0) if source else None
        self.cookie = None

    def ask(self, method, path, fields=None, headers=None, raw=None):
        if self.tls:
            c = http.client.HTTPSConnection(*self.address, timeout=60, context=self.tls, source_address=self.source)
        else:
            c = http.client.HTTPConnection(*self.address, timeout=60, source_address=self.source)
        head = {"Host": self.host}
        if self.cookie:
            head["Cookie"] = self.cookie
        body = raw
        if fields is not None:
            head["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(fields)
        head.update(headers or {})
        try:
            c.request(method, path, body=body, headers=head)
            response = c.getresponse()
            answer = Answer(response, response.read())
        finally:
            c.close()
        if "set-cookie" in answer.headers:
            self.cookie = answer.headers["set-cookie"].split(";")[0]
        return answer

    def get(self, path, **kwargs):
        return self.ask("GET", path, **kwargs)

    def post(self, path, fields, **kwargs):
        return self.ask("POST", path, fields=fields, **kwargs)

    def sign_in(self, name, password, **more):
        return self.post("/login", dict(name=name, password=password, **more))

    def submit(self, page, path, **fields):
        """A form of that page."""
        return self.post(path, dict(fields, csrf=self.get(page).token()))


def add_user(daemon, tools, name, role, password=None):
    """With xfedctl; without a password by certificate."""
    argv = [tools["xfedctl"], "--socket", daemon.socket, "panel", "user", "add", name, role] + ([] if password else ["--cert"])
    done = subprocess.run(argv, input=(password or "") + "\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                          env=clean_environment(), check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout
