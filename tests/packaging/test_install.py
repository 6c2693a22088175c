"""What an installation contains, and whether it is what the documentation and the build options promise."""
import gzip
import os
import re
import stat

import pytest

from conftest import TOP, run

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
    path = program(installed, name)
    header = run("readelf", "-hldn", path).stdout
    assert re.search(r"Type:\s+DYN", header), "no PIE"
    assert "GNU_RELRO" in header and re.search(r"FLAGS(_1)?\).*\bNOW\b", header), "no full RELRO"
    assert "IBT" in header and "SHSTK" in header, "not built with -fcf-protection"
    stack = re.search(r"GNU_STACK(?:\s+0x[0-9a-f]+){5}\s+(\S+)", header)
    assert stack and "E" not in stack.group(1), "executable stack"
    symbols = run("readelf", "-W", "--dyn-syms", path).stdout
    assert "__stack_chk_fail" in symbols, "no stack protector"
    assert re.search(r"__\w+_chk\b", symbols.replace("__stack_chk_fail", "")), "no _FORTIFY_SOURCE"


def test_every_program_has_a_manual_page(installed):
    pages = [os.path.basename(w) for w in installed if "/share/man/" in w]
    for name in PROGRAMS:
        assert [p for p in pages if re.match(r"%s\.\d" % name, p)], "%s: none among %s" % (name, pages)


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
    with open(path, "w", encoding="utf-8") as f:
        f.write(local)
    done = run(program(installed, daemon), "-c", path, "--check-config", check=False)
    assert done.returncode == 0, done.stdout


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
