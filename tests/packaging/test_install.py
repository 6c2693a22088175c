"""What an installation contains, and whether it is what the documentation and the build options promise."""
import glob
import gzip
import os
import re
import stat
import sys

import pytest

from conftest import TOP, run

SYMBOLS = os.path.join(TOP, "tests", "unit", "symbols")
sys.path.insert(0, SYMBOLS)
import symbols  # noqa: E402

PROGRAMS = ("xfed-edge", "xfed-gateway", "xfedctl")
EXAMPLES = os.path.join(TOP, "packaging", "examples")


def program(installed, name):
    found = [path for where, path in installed.items() if re.search(r"/s?bin/%s$" % name, where)]
    assert len(found) == 1, "%s: installed as %s" % (name, found)
    return found[0]


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_is_installed_and_tells_its_version(installed, name):
    path = program(installed, name)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o755
    version = re.search(r"version: '([^']+)'", open(os.path.join(TOP, "meson.build"), encoding="utf-8").read()).group(1)
    assert version in run(path, "--version").stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_is_hardened(installed, name):
    assert symbols.check_hardened(program(installed, name)) == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_is_linked_with_what_it_may_be(installed, name):
    """The same lists as in the unit suite, on what is installed: built with LTO."""
    assert symbols.check_needed(os.path.join(SYMBOLS, name + ".needed"), program(installed, name)) == []


PAGES = ("xfed-edge.8", "xfed-gateway.8", "xfedctl.8", "xfed-edge.yaml.5", "xfed-gateway.yaml.5", "xfed-partner.yaml.5",
         "xfed-access.yaml.5", "xfed-reasons.7")


def page_text(installed, name):
    found = [path for where, path in installed.items() if "/share/man/" in where and re.search(r"/%s(\.gz)?$" % re.escape(name), where)]
    assert len(found) == 1, "%s: installed as %s" % (name, found)
    env = dict(os.environ, MANWIDTH="200", MAN_KEEP_FORMATTING="", GROFF_NO_SGR="1")
    text = run("man", "-E", "UTF-8", "-l", "-Tutf8", "-P", "cat", found[0], env=env).stdout
    return re.sub("\u2010\\s*", "", re.sub(".\x08", "", text))  # U+2010: a word that was divided


def closed_up(text):
    return re.sub(r"\s+", "", text)


def test_every_manual_page_is_installed(installed):
    pages = {re.sub(r"\.gz$", "", os.path.basename(w)) for w in installed if "/share/man/" in w}
    assert set(PAGES) <= pages
    assert {name for name in PROGRAMS if not any(page.startswith(name + ".") for page in pages)} == set()


def test_manual_names_every_reason(installed):
    text = closed_up(page_text(installed, "xfed-reasons.7"))
    with open(os.path.join(TOP, "libxfed", "reasons.def"), encoding="utf-8") as f:
        reasons = re.findall(r'^XFED_REASON\(\w+, "([^"]+)".*\n\s+"(.*)"\)$', f.read(), re.MULTILINE)
    assert len(reasons) > 50
    assert [code for code, remedy in reasons if closed_up(code + remedy) not in text] == []


def test_manual_names_every_command(installed):
    usage = run(program(installed, "xfedctl"), "--help").stdout
    commands = re.findall(r"^  (\S+(?: \S+)*)(?:  +\S.*)?$", usage, re.MULTILINE)
    assert {"status", "reload", "help [NOUN]"} <= set(commands), usage
    text = re.sub(r"\s+", " ", page_text(installed, "xfedctl.8"))
    assert [c for c in commands if " %s " % c not in text] == []


def test_completion_is_installed(installed):
    """What it offers is the unit suite's; here that bash finds and reads it."""
    found = [path for where, path in installed.items() if where.endswith("/share/bash-completion/completions/xfedctl")]
    assert len(found) == 1, found
    script = '. "$0"; COMP_WORDS=(xfedctl stream c); COMP_CWORD=2; _xfedctl; echo "${COMPREPLY[*]}"; complete -p xfedctl'
    assert run("bash", "-c", script, found[0]).stdout.splitlines() == ["close", "complete -F _xfedctl xfedctl"]


@pytest.mark.parametrize("page, example", [
    ("xfed-edge.yaml.5", "edge.yaml"), ("xfed-gateway.yaml.5", "gateway.yaml"), ("xfed-partner.yaml.5", "partners.d/*.yaml"),
    ("xfed-access.yaml.5", "access.d/*.yaml")])
def test_manual_describes_every_key_of_the_examples(installed, page, example):
    text = page_text(installed, page)
    files = sorted(glob.glob(os.path.join(EXAMPLES, example)))
    assert files, example
    keys = set()
    for path in files:
        with open(path, encoding="utf-8") as f:
            keys |= set(re.findall(r"^#? ?([a-z_]+):(?: |$)", f.read(), re.MULTILINE))
    assert keys
    assert [k for k in keys if not re.search(r"^ +%s(\.|\[|\s|$)" % k, text, re.MULTILINE)] == []


def test_manual_pages_render_without_a_warning(installed, scratch):
    pages = {w: p for w, p in installed.items() if "/share/man/" in w}
    assert pages
    for where, path in pages.items():
        if path.endswith(".gz"):
            plain = os.path.join(scratch, os.path.basename(path)[:-3])
            with gzip.open(path) as packed, open(plain, "wb") as f:
                f.write(packed.read())
            path = plain
        shown = run("sh", "-c", 'man --warnings=w -E UTF-8 -l -Tutf8 "$0" 2>&1 >/dev/null', path,
                    env=dict(os.environ, MANROFFSEQ="", MANWIDTH="80"))
        assert shown.stdout == "", "%s: %s" % (where, shown.stdout)
        text = run("man", "-E", "UTF-8", "-l", "-Tutf8", path, env=dict(os.environ, MANWIDTH="80")).stdout
        assert len(text.splitlines()) > 10, "%s is empty" % where


def examples():
    found = []
    for folder, _, names in os.walk(EXAMPLES):
        found += [os.path.join(folder, n) for n in sorted(names) if n.endswith(".yaml")]
    return found


def test_there_are_examples():
    names = {os.path.relpath(p, EXAMPLES) for p in examples()}
    assert {"edge.yaml", "gateway.yaml"} <= names
    assert [n for n in names if n.startswith("partners.d/")]


@pytest.fixture(scope="session")
def etc(scratch):
    """The examples as an operator has them after following the documentation: with certificates where they point to."""
    root = os.path.join(scratch, "etc-xfed")
    run("cp", "-r", EXAMPLES, root)
    certs = os.path.join(scratch, "ca")
    run(os.path.join(TOP, "tests", "certs", "make"), certs)
    return root, certs


@pytest.mark.parametrize("daemon, config", [("xfed-edge", "edge.yaml"), ("xfed-gateway", "gateway.yaml")])
def test_example_passes_check_config(installed, etc, daemon, config):
    root, certs = etc
    path = os.path.join(root, config)
    text = open(path, encoding="utf-8").read()
    local = localise(text, root, certs)
    if config == "gateway.yaml" and not re.search("^partners_dir:", text, re.MULTILINE):
        local += "\npartners_dir: %s/partners.d\naccess_dir: %s/access.d\n" % (root, root)  # else those of this machine
    with open(path, "w", encoding="utf-8") as f:
        f.write(local)
    done = run(program(installed, daemon), "-c", path, "--check-config", check=False)
    assert done.returncode == 0, done.stdout


# What an administrator writes in the place of each value that is marked CHANGE, in their order.
MARKED = {"edge.yaml": ['["192.0.2.20:23456"]'],
          "gateway.yaml": ['"192.0.2.20:23456"', "corp.example", '"sip:192.0.2.30:5060;transport=tcp"', '["192.0.2.30"]', "gw.corp.example"],
          "partners.d/fabrikam.example.yaml": ["partner.example"]}


def fill_in(text, values):
    lines, left = [], list(values)
    for line in text.splitlines():
        m = re.match(r"(\s*(?:- )?[a-z_]+: )(.*?)\s+# CHANGE: (?=\w)", line)
        assert bool(m) == ("CHANGE:" in line), line
        lines.append(m.group(1) + left.pop(0) if m else line)
    assert not left, left
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("daemon, config", [("xfed-edge", "edge.yaml"), ("xfed-gateway", "gateway.yaml")])
def test_only_what_is_marked_has_to_be_filled_in(installed, etc, scratch, daemon, config):
    """As a newcomer does it: nothing but those values, and the certificates that xfedctl makes."""
    _, certs = etc
    root = os.path.join(scratch, "marked-" + config)
    os.makedirs(root + "/partners.d")
    for name in (config, "partners.d/fabrikam.example.yaml"):
        with open(os.path.join(EXAMPLES, name), encoding="utf-8") as f:
            text = fill_in(f.read(), MARKED[name])
        if name == "gateway.yaml":
            text += "partners_dir: /etc/xfed/partners.d\naccess_dir: /etc/xfed/access.d\n"  # the defaults, to be moved
            os.makedirs(root + "/access.d")
        with open(os.path.join(root, name.replace("fabrikam.example", "partner.example")), "w", encoding="utf-8") as f:
            f.write(localise(text, root, certs))
    done = run(program(installed, daemon), "-c", os.path.join(root, config), "--check-config", check=False)
    warnings = [line for line in done.stdout.splitlines() if ": warning: " in line and certs not in line]  # the keys of the test are everybody's
    assert done.returncode == 0 and not warnings, done.stdout


def localise(text, root, certs):
    """Points every path of an example at a file that exists: certificates of the test CA, the rest beside the example."""
    def place(match):
        path = match.group(0)
        name = "edge-int" if "channel" in path else "corp"
        if path.endswith(".key"):
            return "%s/%s.key" % (certs, name)
        if path.endswith("ca.pem") or path.endswith("ca.crt"):
            return certs + "/ca.pem"
        if path.endswith(".pem") or path.endswith(".crt"):
            return "%s/%s.chain.pem" % (certs, name)
        if path.endswith("dialback.secret"):
            secret = root + "/dialback.secret"
            with open(secret, "w", encoding="ascii") as f:
                f.write("0123456789abcdef0123456789abcdef\n")
            os.chmod(secret, 0o600)
            return secret
        return root + path[len("/etc/xfed"):]
    text = re.sub(r"/etc/xfed[\w./@-]*", place, text)
    return re.sub(r"/var/lib/xfed[\w./@-]*", lambda m: root + "/" + os.path.basename(m.group(0)), text)


@pytest.mark.parametrize("daemon, config", [("xfed-edge", "edge.yaml"), ("xfed-gateway", "gateway.yaml")])
def test_broken_example_is_refused_with_file_line_and_key(installed, etc, scratch, daemon, config):
    path = os.path.join(scratch, "broken-" + config)
    with open(path, "w", encoding="utf-8") as f:
        f.write("name: x\nno_such_key: 1\n")
    done = run(program(installed, daemon), "-c", path, "--check-config", check=False)
    assert done.returncode == 1
    assert "%s:2" % path in done.stdout and "no_such_key" in done.stdout, done.stdout
