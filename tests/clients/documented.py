"""Compares the problems that the tests met with the API document.

Usage: documented.py DOCUMENT PROBLEMS

Each line of PROBLEMS has the method, the path, the status and the code of a problem. Fails, and lists the codes,
if the document lacks one for its operation.
"""

import json
import re
import sys

document = json.load(open(sys.argv[1]))


def resolved(response):
    reference = response.get("$ref")
    return document["components"]["responses"][reference.rsplit("/", 1)[1]] if reference else response


def pattern(template):
    parts = re.split(r"\{[^}]*\}", template)
    # A tenant of the app host stands in front of the path.
    return re.compile("(/[a-z0-9-]+)?" + "[^/]+".join(map(re.escape, parts)))


operations = [
    (method.upper(), template, pattern(template), operation)
    for template, path in document["paths"].items()
    for method, operation in path.items()
]
# A path without parameters is more exact than one with them.
operations.sort(key=lambda operation: operation[1].count("{"))

lacking = {}
seen = set()
for line in open(sys.argv[2]):
    method, path, status, code = line.rstrip("\n").split("\t")
    method = "GET" if method == "HEAD" else method
    found = next((of for of in operations if of[0] == method and of[2].fullmatch(path)), None)
    if found is None or (found[1], method, status, code) in seen:
        continue
    seen.add((found[1], method, status, code))
    responses = {known: resolved(response) for known, response in found[3]["responses"].items()}
    if code not in responses.get(status, {}).get("x-codes", []):
        lacking.setdefault((found[1], method, found[3]["operationId"]), []).append(code)

for (template, method, operation), codes in sorted(lacking.items()):
    print(f"{method} {template} ({operation}): {' '.join(sorted(codes))}")
print(f"{len(seen)} problems compared", file=sys.stderr)
sys.exit(1 if lacking else 0)
