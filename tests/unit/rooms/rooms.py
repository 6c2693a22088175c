"""Holds the tree to its rooms: who may include whom, who may call whom, and how large a piece may grow.

    rooms.py source [--root ROOT] [--exceptions FILE] [--mend]   includes and sizes of everything that is no test
    rooms.py symbols [--exceptions FILE] DAEMON ROOM=ARCHIVE...  what each room's archive needs of the others
    rooms.py skip WHY                                            tells why there is nothing to check in this build; exit 77

Exit 0: nothing to complain of; 1: each complaint is a line on standard output.

A daemon's rooms are its directories, lowest first in ROOMS; rooms in one tuple never include each other. A room is seen by others
through one header, ROOM/ROOM.h. sip/ and interwork/ are libraries below all rooms and keep their headers. The files beside the rooms
(TOP) are the only ones that see all of them; config.{c,h} and config_creds.c of the edge stand below its rooms.

What is not clean yet stands in `exceptions`. An entry that is not needed any longer is a complaint too, so that the list can only
shrink; --mend takes such entries out.
"""
import argparse
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

ROOMS = {
    "fe-gateway": ["core", "config", "store", "policy", "journal", ("channel", "trunk"), "contacts", "deliver", "sessions", ("im", "presence"), "admin", "panel", "service"],
    "edge-proxy": ["core", "s2s", "channel", "relay", "admin", "service"],
}
LIBRARIES = {"fe-gateway": ["sip", "interwork"], "edge-proxy": []}
TOP = {"fe-gateway": ["main.c", "gateway.c", "gateway.h", "links.c", "parts.h"], "edge-proxy": ["main.c", "edge.c", "edge.h", "service.c", "service.h"]}
BELOW = {"fe-gateway": [], "edge-proxy": ["config.c", "config_creds.c", "config.h"]}
ALONE = {"sqlite3.h": "fe-gateway/store/"} # what one room alone may know
PRODUCT = ["libxfed", "proto", "fe-gateway", "edge-proxy", "xfedctl"]

HEADER_LINES = 199 # of a daemon
FILE_LINES = 600
FUNCTION_LINES = 80


def levels(daemon):
    """room -> its height; those of one tuple are equally high."""
    return {room: height for height, entry in enumerate(ROOMS[daemon])
            for room in (entry if isinstance(entry, tuple) else (entry,))}


def may_see(daemon, from_room, to_room):
    height = levels(daemon)
    return from_room == to_room or height[to_room] < height[from_room]


def read_exceptions(path):
    with open(path, encoding="utf-8") as f:
        return [tuple(line.split()) for line in f if line.strip() and not line.startswith("#")]


def sources(root):
    for top in PRODUCT:
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def resolve(root, path, name):
    """The file of the tree an include means; None: of a library or made by the build."""
    top = path.split("/")[0]
    for base in [os.path.dirname(path), top, "", "libxfed", "libxfed/include"]:
        candidate = os.path.normpath(os.path.join(base, name))
        if os.path.isfile(os.path.join(root, candidate)):
            return candidate
    return None


def room_of(path):
    """(daemon, room) of a file in a room; (daemon, None) of one beside them; (None, None) of anything else."""
    parts = path.split("/")
    if parts[0] not in ROOMS:
        return None, None
    if len(parts) == 2:
        return parts[0], None
    return parts[0], parts[1]


def library_of(path):
    """The library without knowledge of rooms a file belongs to, lowest first: 0 libxfed, 1 rt, 2 proto, 3 proto/rt, 4 sip and interwork."""
    parts = path.split("/")
    if parts[0] == "libxfed":
        return 1 if "/rt/" in path else 0
    if parts[0] == "proto":
        return 3 if "/rt/" in path else 2
    if parts[0] in ROOMS and len(parts) > 2 and parts[1] in LIBRARIES[parts[0]]:
        return 4
    return None


MAY_USE = {0: {0}, 1: {0, 1}, 2: {0, 2}, 3: {0, 1, 2, 3}, 4: {0, 4}}


def judge_include(path, target):
    """What is wrong with `path` including `target`; None: nothing."""
    library, target_library = library_of(path), library_of(target)
    if library is not None:
        return None if target_library in MAY_USE[library] else "is a library that must not know of it"
    daemon, room = room_of(path)
    target_daemon, target_room = room_of(target)
    if daemon is None or target_library is not None:
        return None # xfedctl, and what everybody may use
    if target_daemon is None:
        return None
    if daemon != target_daemon:
        return "belongs to the other daemon"
    if target_room is None:
        if os.path.basename(target) in BELOW[daemon] or room is None:
            return None
        return "is in a room, and that header sees all rooms"
    if room is None and os.path.basename(path) in BELOW[daemon]:
        return "stands below all rooms"
    if room is not None and target_room not in levels(daemon):
        return "includes a room that is not in the list"
    if room is not None and not may_see(daemon, room, target_room):
        return "is in a room that is not above that one"
    if room != target_room and os.path.basename(target) != target_room + ".h":
        return "includes a header that is private to another room"
    return None


def functions(lines):
    """(name, lines from brace to brace): the braces of a function, and of nothing else, stand alone at the beginning of a line."""
    start, name = None, "?"
    for number, line in enumerate(lines):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            yield name, number - start + 1
            start = None
        elif start is None:
            match = re.match(r"[A-Za-z_].*?(\w+)\(", line)
            name = match.group(1) if match else name


def judge_source(root):
    """entry of the list -> complaint."""
    found = {}
    for path in sources(root):
        with open(os.path.join(root, path), encoding="utf-8") as f:
            lines = f.read().split("\n")[:-1]
        daemon, room = room_of(path)
        for line in lines:
            match = re.match(r'#include "([^"]+)"', line)
            target = resolve(root, path, match.group(1)) if match else None
            problem = judge_include(path, target) if target else None
            if problem:
                found["include", path, match.group(1)] = "%s includes %s: it %s" % (path, target, problem)
            match = re.match(r"#include <([^>]+)>", line)
            if match and not path.startswith(ALONE.get(match.group(1), path)):
                found["include", path, match.group(1)] = "%s includes %s, which %s alone may know" % (path, match.group(1), ALONE[match.group(1)])
        if daemon and room is None and os.path.basename(path) not in TOP[daemon] + BELOW[daemon]:
            found["beside", path] = "%s stands beside the rooms" % path
        if daemon and room and room not in levels(daemon) and room not in LIBRARIES[daemon]:
            found["room", daemon, room] = "%s/%s is a room nobody knows" % (daemon, room)
        if daemon and path.endswith(".h") and len(lines) > HEADER_LINES:
            found["header", path] = "%s has %d lines; a daemon's header has at most %d" % (path, len(lines), HEADER_LINES)
        if len(lines) > FILE_LINES:
            found["file", path] = "%s has %d lines; a file has at most %d" % (path, len(lines), FILE_LINES)
        for name, length in functions(lines):
            if length > FUNCTION_LINES:
                found["function", path, name] = "%s: %s() has %d lines; a function has at most %d" % (path, name, length, FUNCTION_LINES)
    for daemon in ROOMS:
        for room in levels(daemon):
            if not os.path.isfile(os.path.join(root, daemon, room, room + ".h")):
                found["room", daemon, room] = "%s/%s has no header %s.h" % (daemon, room, room)
    return found


def symbols(archive):
    """The names an archive defines and those it needs."""
    done = subprocess.run(["nm", "-P", "-g", archive], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
    words = [line.split() for line in done.stdout.splitlines()]
    pairs = [(w[0], w[1]) for w in words if len(w) >= 2 and len(w[1]) == 1]
    defined = {name for name, kind in pairs if kind not in "Uwv"}
    if done.returncode != 0 or not defined:
        sys.exit("%s: defines nothing: %s" % (archive, done.stderr.strip()))
    return defined, {name for name, kind in pairs if kind == "U"} - defined


def judge_symbols(daemon, archives):
    height, found = levels(daemon), {}
    tables = {room: symbols(path) for room, path in archives.items()}
    for room, (_, needed) in tables.items():
        if room not in height:
            continue # what stands beside the rooms sees all
        for other, (defined, _) in tables.items():
            climbs = sorted(needed & defined)
            if climbs and (other not in height or not may_see(daemon, room, other)):
                found["symbols", daemon, room, other] = "%s: %s needs of %s: %s" % (daemon, room, other, ", ".join(climbs))
    return found


def report(found, expected, path, mend):
    """`expected`: the entries of the list this check is about."""
    stale = [entry for entry in expected if entry not in found]
    complaints = [text for entry, text in sorted(found.items()) if entry not in expected]
    if mend and stale:
        with open(path, encoding="utf-8") as f:
            lines = f.readlines()
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(line for line in lines if tuple(line.split()) not in stale)
        stale = []
    complaints += ["%s: not needed any longer: %s" % (path, " ".join(entry)) for entry in stale]
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


def main(argv):
    if argv[1:2] == ["skip"]:
        print(argv[2])
        return 77
    parser = argparse.ArgumentParser()
    parser.add_argument("check", choices=["source", "symbols"])
    parser.add_argument("--root", default=os.path.join(HERE, "..", "..", ".."))
    parser.add_argument("--exceptions", default=os.path.join(HERE, "exceptions"))
    parser.add_argument("--mend", action="store_true")
    parser.add_argument("rest", nargs="*")
    args = parser.parse_intermixed_args(argv[1:])
    listed = read_exceptions(args.exceptions)
    if args.check == "source":
        found = judge_source(args.root)
        expected = [entry for entry in listed if entry[0] != "symbols"]
    else:
        daemon, archives = args.rest[0], dict(word.split("=", 1) for word in args.rest[1:])
        found = judge_symbols(daemon, archives)
        expected = [entry for entry in listed if entry[:2] == ("symbols", daemon)]
    return report(found, expected, args.exceptions, args.mend)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
