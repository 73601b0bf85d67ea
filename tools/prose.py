"""
Finds phrases that this project overused, in pages, comments and messages: `make check` runs it.

It knows a few phrases and no grammar; codespell looks at the spelling.
"""

import io
import os
import re
import sys
import tokenize
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path, PurePath

from tools.prepare import ROOT


@dataclass(frozen=True, slots=True)
class Rule:
    """
    A phrase to avoid.

    Attributes:
        pattern: A regular expression; a space in it matches the end of a line too.
        advice: What to write instead.
        caught: An example that the pattern matches.
        fine: A similar example that it must not match.
    """

    pattern: str
    advice: str
    caught: str
    fine: str


@dataclass(frozen=True, slots=True)
class Hit:
    """
    A phrase that was found.

    Attributes:
        line: Where it begins, counted from 1.
        words: The phrase, on one line.
    """

    line: int
    words: str
    advice: str


_DATA = (
    "JSON|TOML|UTF-8|Unicode|text|object|array|string|number|list|function|schema|frame|event"
    "|stream|answer|completion|error|key|file|page|input|terminal|character"
)

RULES = (
    Rule(
        r"(?<!here )(?<!default )\b(?:is|are|was|were) none\b",
        'reads as Python\'s None; say "is not a ...", "is not one of ..." or "is invalid"',
        "Raises ValueError when the path is none.",
        "Returns None where there is none.",
    ),
    Rule(
        rf"(?<!here )\b(?:is|are|was|were) no (?:plain )?(?:{_DATA})s?\b(?! at all\b)",
        'say "is not an object", "is not JSON"',
        "The body is no JSON.",
        "There is no key, or the key is no longer valid.",
    ),
    Rule(
        r"\blets? (?:in (?:any|every|no|some)(?:body|one)|(?:any|every|no|some)(?:body|one) in)\b",
        'say what is asked for: "needs no key", "accepts every caller", "refuses every request"',
        "A deployment lets nobody in until it has a key.",
        "Let somebody else try it.",
    ),
    Rule(
        r"(?<!as )\b(?:for|to) who\b",
        'name them: "for a caller who", "to anyone who"',
        "Null for who was not let in.",
        "Access says who they are, and to whom they belong.",
    ),
    Rule(
        r"\bto tell by\b",
        'say "when it cannot be determined", "when it is unknown"',
        "None when there is nothing to tell by.",
        "None when nobody can tell.",
    ),
    Rule(
        r"\b[Tt]ells (?:whether|which|why|how|what|where|when)\b"
        r"|\bTell (?:whether|which|why|how|what|who|whose|where|when)\b",
        'a function checks, returns, finds or lists; a field or a page "says"',
        "Tell whether a signature is right.",
        "Nobody can tell whether it ended; the header tells a client what to do.",
    ),
    Rule(
        r"\b(?:[Ss]ays?|said|[Tt]ells?|told) (?:nothing )?of\b(?! course\b)",
        'say "about"',
        "What callers are told of the models.",
        "What it says about the models, of which there are two.",
    ),
    Rule(
        r"\b[Nn]othing of (?:(?:it|them|this|that|what|whose)\b|the (?!kind|sort)\w+|[A-Z]\w+)",
        'say "none of it", "no part of the ..."',
        "Nothing of the body is read.",
        "Nothing of the kind, and nothing of its own.",
    ),
    Rule(
        r"\b[Ww]hat came\b(?! of\b| back\b| before\b| first\b| next\b| after\b)",
        'say "what was received", or name it: the requests, the bytes',
        "Lists what came in.",
        "Says what came of it.",
    ),
    Rule(
        r"\bthe whole (?:of (?:it|them)|one)\b",
        'say "complete" or "incomplete", or "all of it"',
        "The text so far is not the whole one.",
        "The whole answer, one piece after the other.",
    ),
    Rule(
        r"\b[Ss]tands? (?:there|above|below|twice|nowhere|outside|around|before|behind|first"
        r"|at an?|as (?:they|code)|in(?! for\b| front\b| the way\b))\b",
        'say "is", "appears", "comes before", "sits in front of"',
        "Prompts stand in no log line.",
        "A server stands in for it: null stands for absent.",
    ),
    Rule(
        r"\b[Aa]mid\b",
        'say "in the middle of", "during"',
        "A character is cut amid its bytes.",
        "A character is cut in the middle of it.",
    ),
    Rule(
        r"(?<!before )(?<!above )\b[Aa]ll else\b(?! (?:being|equal|fail))",
        'say "everything else", "anything else"',
        "Gives None for all else.",
        "It matters before all else.",
    ),
    Rule(
        r"\b(?:in|on|over|under) an? (?:\w+ )?\w+ of (?:its|their) own\b",
        'say "in its own ..."',
        "Each runs in a process of its own.",
        "The API has a page of its own.",
    ),
    Rule(
        r"\bbesides(?=[.,;:)\n]|$)",
        'say "also", "as well", "too"',
        "What the command needs besides.",
        "Besides the command it needs a key.",
    ),
)

# Where prose is, besides the pages at the root, and what is there that others wrote.
_FOLDERS = (
    *("docs", "src", "packages", "tools", "bench", "tests"),
    *("examples", "public", "types"),
)
_FOREIGN = ("node_modules", "python_modules", ".wrangler", "docs/viewer", "public/python")

# Strings are messages and help texts there; elsewhere most are data, and so are the rules above.
_WITH_MESSAGES = ("src", "packages", "tools")
_WITH_RULES = PurePath("tools/prose.py")

_CODE = "\0"  # stands for a character of code: no pattern matches it

_BEFORE_DOCSTRING = (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
_WORD = re.compile(r"\S+")
_OPENING = re.compile(r"""([A-Za-z]*)(\"{3}|'{3}|["'])""")
_FIELD = re.compile(r"\{[^{}]*\}")
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_IN_BACKTICKS = re.compile(r"(`+)(?:(?!\n\s*\n).)+?\1", re.DOTALL)

_FENCED = re.compile(r"^ *(```|~~~).*?^ *\1[^\n]*$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)(?: {4}[^\n]*(?:\n|\Z)|[ ]*\n)+")
_CODE_ELEMENT = re.compile(r"<(script|style)\b.*?</\1>", re.DOTALL)
_COMMENT_SIGN = re.compile(r"^//+|^/\*+|\*/$|^\s*\*(?=\s)", re.MULTILINE)
_PLACEHOLDER = re.compile(r"\$\{[^}]*\}")
_IN_SCRIPT = re.compile(
    r"""
    (?P<comment> //[^\n]* | /\*.*?\*/ )
    | (?P<string> "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | `(?:\\.|[^`\\])*` )
    | (?<=[(=,:\[!&|?{};\s]) / (?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+ /  # a regular expression
    """,
    re.VERBOSE | re.DOTALL,
)


def find(prose: str) -> Iterator[Hit]:
    """
    Find the phrases of all rules.

    Args:
        prose: Text without code. One line end counts as a space; two end a paragraph.
    """
    lines = "\n".join(" ".join(line.split()) for line in prose.split("\n"))
    text = re.sub(r"(?<!\n)\n(?!\n)", " ", lines)
    for rule in RULES:
        for match in re.finditer(rule.pattern, text):
            yield Hit(1 + lines.count("\n", 0, match.start()), match[0], rule.advice)


def prose_of(path: PurePath, source: str) -> str:
    """
    Blank out everything in a file that is not prose, so that prose keeps its lines.

    Args:
        path: Relative to the root of the checkout.
    """
    if path.suffix == ".py":
        with_messages = path.parts[0] in _WITH_MESSAGES and path != _WITH_RULES
        return _only(source, _parts_of_python(source, with_messages))
    return _READERS[path.suffix](source)


def check(root: Path) -> Iterator[str]:
    """Find phrases in a checkout, and describe each in a line."""
    for path in sorted(_files(root)):
        relative = path.relative_to(root)
        prose = prose_of(relative, path.read_text("utf-8"))
        for hit in sorted(find(prose), key=lambda hit: hit.line):
            yield f'{relative.as_posix()}:{hit.line}: "{hit.words}": {hit.advice}'


def _files(root: Path) -> Iterator[Path]:
    yield from root.glob("*.md")
    for place in _FOLDERS:
        for folder, folders, names in os.walk(root / place):
            folders[:] = [
                name
                for name in folders
                if not any(PurePath(folder, name).match(foreign) for foreign in _FOREIGN)
            ]
            for name in names:
                if PurePath(name).suffix in (".py", *_READERS):
                    yield Path(folder, name)


def _parts_of_python(source: str, with_messages: bool) -> Iterator[tuple[int, str]]:
    """Find comments and docstrings, and other strings if they are messages; with their offsets."""
    starts = [0, *accumulate(len(line) + 1 for line in source.split("\n"))]
    before = tokenize.NEWLINE
    opened: list[int] = []  # f-strings, which are several tokens from Python 3.12 on
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        start, end = (starts[line - 1] + column for line, column in (token.start, token.end))
        name = tokenize.tok_name[token.type]
        if token.type == tokenize.COMMENT:
            yield start, _blank(_IN_BACKTICKS, source[start:end].replace("#", " "), _CODE)
        elif name == "FSTRING_START":
            opened.append(start)
        elif name == "FSTRING_END":
            start = opened.pop()
        is_string = token.type == tokenize.STRING or name == "FSTRING_END"
        if is_string and not opened and (with_messages or before in _BEFORE_DOCSTRING):
            yield start, _text_of(source[start:end])
        if token.type not in (tokenize.NL, tokenize.COMMENT):
            before = token.type


def _text_of(literal: str) -> str:
    """Blank out the quotes of a literal, and what is code in it."""
    opening = _OPENING.match(literal)
    assert opening, literal
    text = literal[opening.end() : -len(opening[2])]
    if "f" in opening[1].lower():
        text = _blank(_FIELD, _blank(_FIELD, text, _CODE), _CODE)
    text = _blank(_IN_BACKTICKS, _blank(_ESCAPED, text), _CODE)
    return " " * opening.end() + text + " " * len(opening[2])


def _read_markdown(source: str) -> str:
    for code in (_FENCED, _INDENTED, _IN_BACKTICKS):
        source = _blank(code, source, _CODE)
    return source


def _read_html(source: str) -> str:
    return _blank(_CODE_ELEMENT, source, _CODE)


def _read_script(source: str) -> str:
    return _only(source, _parts_of_script(source))


def _parts_of_script(source: str) -> Iterator[tuple[int, str]]:
    """Find the comments and strings of JavaScript or TypeScript, each with its offset."""
    for match in _IN_SCRIPT.finditer(source):
        if comment := match["comment"]:
            yield match.start(), _blank(_IN_BACKTICKS, _blank(_COMMENT_SIGN, comment), _CODE)
        elif string := match["string"]:
            text = _blank(_PLACEHOLDER, _blank(_ESCAPED, string[1:-1]), _CODE)
            yield match.start(), f" {text} "


def _only(source: str, parts: Iterable[tuple[int, str]]) -> str:
    """Blank out everything but some parts, which come with their offsets."""
    kept, end = "", 0
    for start, part in parts:
        kept += _blank(_WORD, source[end:start], _CODE) + part
        end = start + len(part)
    return kept + _blank(_WORD, source[end:], _CODE)


def _blank(pattern: "re.Pattern[str]", text: str, by: str = " ") -> str:
    """Replace each visible character of what matches, so that lines and columns stay."""
    return pattern.sub(lambda match: re.sub(r"\S", by, match[0]), text)


_READERS: dict[str, Callable[[str], str]] = {
    ".md": _read_markdown,
    ".html": _read_html,
    ".js": _read_script,
    ".mjs": _read_script,
    ".ts": _read_script,
}


def main(root: Path = ROOT) -> int:
    """Run the check."""
    found = list(check(root))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
