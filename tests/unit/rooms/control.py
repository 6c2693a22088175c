"""Shows that rooms.py can fail: a small tree is clean, and each thing planted in it is told.

    control.py LOW_ARCHIVE HIGH_ARCHIVE
"""
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import rooms  # noqa: E402

LONG_FUNCTION = "int f(void)\n{\n" + "\t;\n" * rooms.FUNCTION_LINES + "}\n"
# What is planted: where, text, what the complaint has to say.
PLANTED = [
    ("fe-gateway/core/core.c", '#include "im/im.h"', ["core/core.c", "not above"]),
    ("fe-gateway/core/core.h", '#include "config/config.h"', ["core/core.h", "not above"]),
    ("fe-gateway/trunk/trunk.c", '#include "channel/channel.h"', ["trunk/trunk.c", "not above"]),
    ("fe-gateway/channel/channel.c", '#include "trunk/trunk.h"', ["channel/channel.c", "not above"]),
    ("fe-gateway/im/im.c", '#include "trunk/private.h"', ["im/im.c", "private to another room"]),
    ("fe-gateway/gateway.c", '#include "trunk/private.h"', ["gateway.c", "private to another room"]),
    ("fe-gateway/admin/admin.c", '#include "gateway.h"', ["admin/admin.c", "sees all rooms"]),
    ("fe-gateway/im/im.c", '#include "../../edge-proxy/relay/relay.h"', ["im/im.c", "the other daemon"]),
    ("edge-proxy/s2s/s2s.c", '#include "channel/channel.h"', ["s2s/s2s.c", "not above"]),
    ("edge-proxy/config.h", '#include "core/core.h"', ["config.h", "below all rooms"]),
    ("fe-gateway/sip/layer.c", '#include "trunk/trunk.h"', ["sip/layer.c", "must not know"]),
    ("proto/inbox.c", '#include "xfed/rt/log.h"', ["proto/inbox.c", "must not know"]),
    ("libxfed/xml/reader.c", '#include "proto/inbox.h"', ["xml/reader.c", "must not know"]),
    ("fe-gateway/journal/journal.c", "#include <sqlite3.h>", ["journal/journal.c", "alone"]),
    ("fe-gateway/helper.c", "", ["helper.c", "beside the rooms"]),
    ("fe-gateway/attic/attic.c", "", ["attic", "nobody knows"]),
    ("edge-proxy/relay/relay.h", "\n" * (rooms.HEADER_LINES + 1), ["relay/relay.h", "lines"]),
    ("proto/inbox.c", "\n" * (rooms.FILE_LINES + 1), ["proto/inbox.c", "lines"]),
    ("libxfed/rt/log.c", LONG_FUNCTION, ["rt/log.c", "f()", "lines"]),
]
failures = 0


def write(root, path, text):
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as f:
        f.write(text + "\n")


def make_tree(root):
    for daemon in rooms.ROOMS:
        for room in rooms.levels(daemon):
            write(root, "%s/%s/%s.h" % (daemon, room, room), "/* */")
            write(root, "%s/%s/%s.c" % (daemon, room, room), '#include "%s/%s.h"' % (room, room))
    for path in ["fe-gateway/gateway.h", "fe-gateway/trunk/private.h", "fe-gateway/sip/layer.c", "fe-gateway/main.c", "edge-proxy/edge.h",
                 "edge-proxy/config.h", "edge-proxy/main.c", "proto/inbox.h", "proto/inbox.c", "libxfed/include/xfed/rt/log.h",
                 "libxfed/rt/log.c", "libxfed/xml/reader.c"]:
        write(root, path, "/* */")
    write(root, "fe-gateway/gateway.c", '#include "gateway.h"\n#include "im/im.h"\n#include "trunk/trunk.h"')
    write(root, "fe-gateway/trunk/trunk.c", '#include "trunk/private.h"\n#include "core/core.h"')
    write(root, "edge-proxy/s2s/s2s.c", '#include "config.h"\n#include "xfed/rt/log.h"\n#include "proto/inbox.h"')


def expect(what, argv, status, of=()):
    """It ends with this status, and where words are given they stand in one line and nothing else is said."""
    global failures
    done = subprocess.run([sys.executable, "-B", os.path.join(HERE, "rooms.py"), *argv], stdout=subprocess.PIPE, text=True, check=False)
    lines = done.stdout.splitlines()
    is_fine = done.returncode == status and len(lines) == (1 if of else 0) and all(word in done.stdout for word in of)
    failures += not is_fine
    print("%s: %s%s" % ("ok" if is_fine else "not ok", what, "" if is_fine else ": exit %d\n%s" % (done.returncode, done.stdout)))


def main(low, high):
    with tempfile.TemporaryDirectory() as root:
        make_tree(root)
        listed = os.path.join(root, "exceptions")
        write(root, "exceptions", "# none")
        argv = ["source", "--root", root, "--exceptions", listed]
        expect("a clean tree", argv, 0)
        for path, text, words in PLANTED:
            full = os.path.join(root, path)
            before = open(full, encoding="utf-8").read() if os.path.exists(full) else None
            write(root, path, (before or "") + text)
            expect("planted in %s: %s" % (path, text.split("\n")[0]), argv, 1, of=words)
            if before is None:
                os.remove(full)
            else:
                write(root, path, before.rstrip("\n"))
        write(root, "fe-gateway/core/core.c", '#include "im/im.h"')
        write(root, "exceptions", "include fe-gateway/core/core.c im/im.h")
        expect("one that is listed", argv, 0)
        write(root, "fe-gateway/core/core.c", "")
        expect("an entry that is not needed", argv, 1, of=["not needed any longer", "core.c"])
        expect("and taken out", argv + ["--mend"], 0)
        os.remove(os.path.join(root, "fe-gateway/im/im.h"))
        write(root, "fe-gateway/gateway.c", "")
        write(root, "fe-gateway/im/im.c", "")
        expect("a room without its header", argv, 1, of=["no header"])

        write(root, "exceptions", "# none")
        calls = ["symbols", "--exceptions", listed, "fe-gateway"]
        expect("a call downwards", calls + ["im=" + low, "trunk=" + high], 0)
        expect("a call upwards", calls + ["trunk=" + low, "im=" + high], 1, of=["trunk needs of im: planted_high"])
        expect("a call aside", calls + ["trunk=" + low, "channel=" + high], 1, of=["trunk needs of channel"])
        expect("a call to what stands beside the rooms", calls + ["admin=" + low, ".=" + high], 1, of=["admin needs of ."])
        expect("a call from there", calls + [".=" + low, "admin=" + high], 0)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
