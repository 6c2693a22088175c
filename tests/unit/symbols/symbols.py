"""What archives and programs need from outside, against lists of what they may need.

    symbols.py archive ALLOWED ARCHIVE [ARCHIVE...]   undefined symbols of the first archive; those that one of the others
                                                      defines are its own affair
    symbols.py needed ALLOWED PROGRAM                 libraries a program is linked with (DT_NEEDED)
    symbols.py hardened PROGRAM                       PIE, full RELRO, stack protector, _FORTIFY_SOURCE, CET, stack
    symbols.py skip WHY                               tells why there is nothing to check in this build; exit 77

Exit 0: nothing to complain of; 1: each complaint is a line on standard output.

A list has one name a line, then the members that may use it (`@util_mem.c`, otherwise any), then why (`# ...`). A name may
end in `*`.
"""
import fnmatch
import os
import re
import subprocess
import sys


class Unusable(Exception):
    """There is nothing to check, or not what the check is for."""


def output(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
    if done.returncode != 0:
        raise Unusable("%s: %s" % (argv[0], done.stderr.strip() or "exit %d" % done.returncode))
    return done.stdout


def read_list(path):
    """name -> members that may use it, empty where any may."""
    allowed = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            words = line.split("#")[0].split()
            if words:
                if words[0] in allowed:
                    raise Unusable("%s: %s stands there twice" % (path, words[0]))
                allowed[words[0]] = {w.lstrip("@") for w in words[1:]}
    return allowed


def may_use(allowed, name, member):
    for pattern, members in allowed.items():
        if fnmatch.fnmatchcase(name, pattern) and (not members or member in members):
            return True
    return False


def symbols(archive):
    """(member, name, is_defined) of every symbol with external linkage."""
    if not os.path.isfile(archive):
        raise Unusable("%s: there is no such archive" % archive)
    found = []
    for line in output("nm", "-A", "-P", "-g", archive).splitlines():
        match = re.match(r".*\[(?:.*/)?([^/\]]+?)(?:\.o)?\]: (\S+) (\S)", line)
        if match is None:
            raise Unusable("%s: nm says what is not understood: %s" % (archive, line))
        found.append((match.group(1), match.group(2), match.group(3) not in "Uwv"))
    if not any(is_defined for _, _, is_defined in found):
        raise Unusable("%s: defines nothing" % archive)
    if any(name.startswith("__gnu_lto") for _, name, _ in found):
        raise Unusable("%s: was built with LTO, so its symbols cannot be seen" % archive)
    return found


def check_archive(list_path, archive, *others):
    allowed = read_list(list_path)
    own = symbols(archive)
    defined = {name for _, name, is_defined in own if is_defined}
    for other in others:
        defined |= {name for _, name, is_defined in symbols(other) if is_defined}
    complaints = {"%s: %s uses %s, which %s does not list" % (archive, member, name, os.path.basename(list_path))
                  for member, name, is_defined in own
                  if not is_defined and name not in defined and not may_use(allowed, name, member)}
    return sorted(complaints)


def check_needed(list_path, program):
    if not os.path.isfile(program):
        raise Unusable("%s: there is no such program" % program)
    allowed = read_list(list_path)
    needed = re.findall(r"\(NEEDED\)\s+Shared library: \[([^\]]+)\]", output("readelf", "-dW", program))
    if "libc.so.6" not in needed:
        raise Unusable("%s: is not linked with the C library" % program)
    return ["%s: is linked with %s, which %s does not list" % (program, name, os.path.basename(list_path))
            for name in needed if not may_use(allowed, name, "")]


def check_hardened(program):
    if not os.path.isfile(program):
        raise Unusable("%s: there is no such program" % program)
    header = output("readelf", "-hldnW", program)
    imports = output("readelf", "-W", "--dyn-syms", program)
    stack = re.search(r"GNU_STACK(?:\s+0x[0-9a-f]+){5}\s+([RWE ]+?)\s+0x", header)
    # Not the note of the linked program: the start-up objects of Debian's C library carry none, so neither does what is linked
    # with them. The landing pads are what -fcf-protection makes.
    landing_pads = output("objdump", "-d", "-j", ".text", "--no-show-raw-insn", program).count("endbr64")
    facts = {
        "is no position independent executable": re.search(r"Type:\s+DYN", header),
        "has no RELRO": "GNU_RELRO" in header,
        "binds its symbols late, so RELRO is not full": re.search(r"FLAGS(_1)?\).*\b(BIND_)?NOW\b", header),
        "has an executable stack": stack and "E" not in stack.group(1),
        "was built without -fcf-protection": landing_pads >= 10 or "X86-64" not in header,
        "has no stack protector": "__stack_chk_fail" in imports,
        "is not fortified": re.search(r"__(?!stack_chk)\w+_chk\b", imports),
        "has text that is relocated": "TEXTREL" not in header,
    }
    return ["%s: %s" % (program, what) for what, is_fine in facts.items() if not is_fine]


CHECKS = {"archive": check_archive, "needed": check_needed, "hardened": check_hardened}


def main(argv):
    if argv[1] == "skip":
        print(argv[2])
        return 77
    try:
        complaints = CHECKS[argv[1]](*argv[2:])
    except Unusable as problem:
        complaints = [str(problem)]
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
