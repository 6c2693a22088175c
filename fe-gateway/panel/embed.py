#!/usr/bin/python3 -B
"""Makes the C source of the panel's files: embed.py OUT ID=FILE... An ID is one of enum panel_asset_id, without its prefix."""
import hashlib
import os
import sys

TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


def row(ident, path):
    with open(path, "rb") as f:
        data = f.read()
    name, _, kind = os.path.basename(path).rpartition(".")
    lines = ["\t" + " ".join("%d," % byte for byte in data[i:i + 24]) for i in range(0, len(data), 24)]
    served = "/assets/%s.%s.%s" % (name, hashlib.sha256(data).hexdigest()[:16], kind)
    content = "static const unsigned char data_%s[] = {\n%s\n};\n" % (ident.lower(), "\n".join(lines))
    return content, '\t[PANEL_ASSET_%s] = { "%s", "%s", { (const char *)data_%s, sizeof(data_%s) } },\n' % (
        ident, served, TYPES[kind], ident.lower(), ident.lower())


def main(out, pairs):
    rows = [row(*pair.split("=", 1)) for pair in pairs]
    with open(out, "w", encoding="ascii") as f:
        f.write("".join(content for content, _ in rows))
        f.write("static const struct panel_asset assets[PANEL_ASSET_COUNT] = {\n%s};\n" % "".join(entry for _, entry in rows))


main(sys.argv[1], sys.argv[2:])
