"""
Makes a key for a caller: `make key NAME=shop`.

It prints the key and writes it nowhere: where keys are kept is for a person to decide.
"""

import os
import re
import secrets
import sys

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NOBODY = "anonymous"  # who calls without a key
_KEY_BYTES = 32
_WORDS = """\
A key for {name}:

  {name}:{key}

Try it under make dev, which reads the file .dev.vars when it starts. Put this line there; several
entries are separated by spaces or line ends:

  API_KEYS="{name}:{key}"

  curl http://localhost:8787/run -H 'authorization: Bearer {key}' -d '{{"prompt":"Hello"}}'

In production, the secret API_KEYS holds all keys: entries name:key, separated by white space.
Storing it replaces what was stored, and nobody can read that back. So keep all entries in a file
outside this repository, such as a keys.txt in a password manager; add the new one, and store all:

  tools/wrangler secret put API_KEYS --env="" < ../keys.txt

Without "< ../keys.txt" it asks for the value. Either way no key gets into the shell's history."""


def check_name(text: str) -> str | None:
    """Say what is wrong with a caller's name, if anything is."""
    if not text:
        return "NAME: expected who the key is for, such as make key NAME=shop"
    if not _NAME.fullmatch(text):
        return f"NAME: expected 1 to 64 letters, digits, dots, hyphens or underscores, got {text!r}"
    if text == _NOBODY:
        return f"NAME: {_NOBODY} is who calls without a key; choose another"
    return None


def main() -> int:
    """Print a new key and what to do with it."""
    name = os.environ.get("NAME", "")
    wrong = check_name(name)
    if wrong:
        print(wrong, file=sys.stderr)
        return 1
    print(_WORDS.format(name=name, key=f"ew_{secrets.token_urlsafe(_KEY_BYTES)}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
