"""Shows that the checks of symbols.py can fail: each is given what it has to complain of.

    control.py PLANTED_ARCHIVE PLANTED_LTO_ARCHIVE PLANTED_PROGRAM PLANTED_SIP_PROGRAM LIBXFED
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
failures = 0


def complains(what, *argv, of):
    """The check exits 1, and among its lines is one with all words of each entry of `of`."""
    global failures
    done = subprocess.run([sys.executable, "-B", os.path.join(HERE, "symbols.py"), *argv], stdout=subprocess.PIPE, text=True,
                          check=False)
    lines = done.stdout.splitlines()
    missing = [words for words in of if not any(all(w in line for w in words) for line in lines)]
    if done.returncode != 1 or missing:
        failures += 1
        print("not ok: %s: exit %d, no line with %s in:\n%s" % (what, done.returncode, missing, done.stdout))
    else:
        print("ok: %s" % what)


def main(planted, planted_lto, program, sip_program, libxfed):
    lists = sorted(name for name in os.listdir(HERE) if name.endswith(".allow"))
    for name in lists:
        complains("planted calls against %s" % name, "archive", os.path.join(HERE, name), planted, libxfed,
                  of=[("planted.c", "uses socket"), ("uses open",), ("uses time",), ("uses rand",), ("uses malloc",)])
    for name in sorted(name for name in os.listdir(HERE) if name.endswith(".needed") and name != "xfed-gateway.needed"):
        complains("SQL library against %s" % name, "needed", os.path.join(HERE, name), program, of=[("libsqlite3.so",)])
    complains("SIP library against xfed-gateway.needed", "needed", os.path.join(HERE, "xfed-gateway.needed"), sip_program,
              of=[("libosip2.so",)])
    allow = os.path.join(HERE, "libxfed.allow")
    complains("absent archive", "archive", allow, planted + ".absent", of=[("no such archive",)])
    complains("absent second archive", "archive", allow, libxfed, planted + ".absent", of=[("no such archive",)])
    complains("archive built with LTO", "archive", allow, planted_lto, of=[("planted",)])
    complains("absent program", "needed", os.path.join(HERE, "xfed-edge.needed"), program + ".absent", of=[("no such program",)])
    complains("program without hardening", "hardened", program,
              of=[("late",), ("stack protector",), ("fortified",), ("-fcf-protection",)])
    print("%d lists" % len(lists))
    return 1 if failures or len(lists) != 4 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
