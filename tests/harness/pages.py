"""Reading pages: the commands that they show, and what they say is answered."""

import re
import textwrap

_VARYING = {
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "UUID",
    r'"at":[\d.]+': "AT",
    r'"added":\[[\d,]+\]': "ADDED",
    r'"created":\d+': "CREATED",
    r'"id-\d+"': "ID",
    r"curl/[\d.]+": "CURL",
    r"127\.0\.0\.1:\d+": "ADDRESS",
    r"curl: \(\d+\) .*": "",
}


def commands_of(page: str) -> list[tuple[str, str]]:
    """The commands of a page, each with what it shows as the answer."""
    return [
        (command, textwrap.dedent(shown).strip())
        for command, shown in re.findall(
            r"^    \$ (.+)\n((?:    (?!\$ ).*\n|\n(?=(?:\n|    (?!\$ ))))*)", page, re.MULTILINE
        )
    ]


def is_as_shown(said: str, shown: str) -> bool:
    """Check whether an answer is the one shown, in which `...` stands for anything."""
    pattern = ".*".join(re.escape(_settle(part)) for part in shown.split("..."))
    return re.fullmatch(pattern, _settle(said), re.DOTALL) is not None


def _settle(said: str) -> str:
    """Take out what differs each time, and curl's own complaints."""
    for varying, name in _VARYING.items():
        said = re.sub(varying, name, said)
    return " ".join(said.split())
