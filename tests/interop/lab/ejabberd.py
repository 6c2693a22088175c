"""ejabberd, a partner's server: domains with SASL EXTERNAL only, with dialback beside it, and without TLS."""
import os

from harness.proc import Process, clean_environment, wait_until

from .net import HOSTS
from .ports import can_connect

# The listener's backlog, 5, is the default; so is nothing else that matters to another server. A real one may bounce
# for three minutes after one failure; here it tries again after a second.
CONFIG = """loglevel: debug
log_rotate_count: 0
hosts: [{hosts}]
certfiles: [{certificates}]
ca_file: {ca}
s2s_cafile: {ca}
s2s_use_starttls: required
s2s_protocol_options: [no_sslv3, no_tlsv1, no_tlsv1_1]
s2s_dns_timeout: 5
s2s_timeout: 10
s2s_max_retry_delay: 1
auth_password_format: plain
disable_sasl_mechanisms: [PLAIN, X-OAUTH2, DIGEST-MD5]
listen:
  - {{port: 5222, ip: {address}, module: ejabberd_c2s}}
  - {{port: 5269, ip: {address}, module: ejabberd_s2s_in}}
modules: {{mod_disco: {{}}, mod_offline: {{}}, mod_ping: {{}}, mod_roster: {{}}}}
host_config:
"""
WITH_DIALBACK = """  {domain}:
    s2s_use_starttls: {starttls}
    modules: {{mod_disco: {{}}, mod_offline: {{}}, mod_ping: {{}}, mod_roster: {{}}, mod_s2s_dialback: {{}}}}
"""
# SRV records come from the resolver of the namespace
INETRC = '{resolv_conf, "/etc/resolv.conf"}.\n{hosts_file, "/etc/hosts"}.\n{lookup, [file, dns]}.\n'
ACCOUNT = 'ok = ejabberd_auth:try_register(<<"%s">>, <<"%s">>, <<"%s">>)'


class Ejabberd:
    """`domains`: name -> (certificate or None, "external" | "dialback" | "plain"). `users`: (jid, password)."""

    def __init__(self, net, directory, host, domains, users, certs):
        self.net, self.dir, self.host = net, directory, host
        self.domains, self.users, self.certs = domains, users, certs
        self.address = HOSTS[host]["wan"]
        self.process = None

    def _config(self):
        certificates = [self.certs.both(name) for name, _ in self.domains.values() if name]
        text = CONFIG.format(hosts=", ".join(self.domains), certificates=", ".join(certificates), ca=self.certs.ca,
                             address=self.address)
        for domain, (_, login) in self.domains.items():
            if login != "external":
                text += WITH_DIALBACK.format(domain=domain, starttls="required" if login == "dialback" else "false")
        return text

    def start(self):
        for sub in ("mnesia", "log"):
            os.makedirs(os.path.join(self.dir, sub))
        for name, text in (("ejabberd.yml", self._config()), ("inetrc", INETRC)):
            with open(os.path.join(self.dir, name), "w", encoding="utf-8") as f:
                f.write(text)
        accounts = [ACCOUNT % (*jid.split("@"), password) for jid, password in self.users]
        # No -sname: a distributed Erlang would leave its port mapper behind.
        argv = ["erl", "+K", "true", "-noinput", "-mnesia", "dir", '"%s/mnesia"' % self.dir, "-s", "ejabberd",
                "-eval", ", ".join(accounts) + ', io:format("lab: accounts made~n").']
        self.process = Process(self.host, argv, self.dir + "/ejabberd.out", self.net.ns(self.host), clean_environment(
            ERL_LIBS="/usr/lib/x86_64-linux-gnu", HOME=self.dir, EJABBERD_CONFIG_PATH=self.dir + "/ejabberd.yml",
            EJABBERD_LOG_PATH=self.dir + "/log/ejabberd.log", ERL_INETRC=self.dir + "/inetrc",
            ERL_CRASH_DUMP=self.dir + "/crash"))
        self.process.wait_line("lab: accounts made", 30)
        wait_until("port 5269 of ejabberd", lambda: self.net.call(self.host, can_connect, self.address, 5269), 15,
                   self.process)

    def processes(self):
        return [self.process] if self.process is not None else []

    def stop(self):
        if self.process is not None:
            self.process.stop()
