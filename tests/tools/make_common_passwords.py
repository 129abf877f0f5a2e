"""Makes app/security/common_passwords.txt from the lists of others (common_passwords.LICENCE.md names them).

python tests/tools/make_common_passwords.py OUT --whole FILE... --ranked FILE...

A FILE holds passwords, the most common first: one per line (.txt, .txt.gz), or one JSON array of strings (.json). Of
every file only entries of 8 characters and more are taken, lower-cased. A `whole` file gives all of them. A `ranked`
one, too long for that, gives its first 5,000 of at least 8 characters, its first 5,000 of at least 9, and so on to 15:
OWASP ASVS 6.2.4 asks for the commonest 3,000 that the policy lets through, and the least length is a setting.
"""

from __future__ import annotations

import argparse
import gzip
import json
from itertools import islice
from pathlib import Path

SHORTEST = 8
RANKED_LENGTHS = range(SHORTEST, 16)
RANKED_PER_LENGTH = 5_000


def main() -> None:
    """Read the lists named on the command line and write the merged one, sorted."""
    parser = argparse.ArgumentParser(description="Merge lists of common passwords.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--whole", type=Path, nargs="+", default=[])
    parser.add_argument("--ranked", type=Path, nargs="+", default=[])
    arguments = parser.parse_args()

    chosen: set[str] = set()
    for file in arguments.whole:
        chosen.update(read(file))
    for file in arguments.ranked:
        entries = read(file)
        for length in RANKED_LENGTHS:
            chosen.update(islice((entry for entry in entries if len(entry) >= length), RANKED_PER_LENGTH))
    lines = "".join(f"{entry}\n" for entry in sorted(chosen))
    arguments.out.write_text(lines, encoding="utf-8", newline="\n")


def read(file: Path) -> list[str]:
    """The entries of one list, the most common first: long enough, in lower case, each once."""
    raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    text = raw.decode("utf-8")
    entries: list[str] = json.loads(text) if file.suffix == ".json" else text.split("\n")
    lowered = dict.fromkeys(entry.strip().lower() for entry in entries)
    return [entry for entry in lowered if len(entry) >= SHORTEST]


if __name__ == "__main__":
    main()
