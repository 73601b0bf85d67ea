"""The command `edgewise`: asks, and writes the answer down as it comes."""

import argparse
import errno
import io
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from .client import Client
from .errors import ApiError, EdgewiseError
from .parameters import Parameters
from .version import VERSION

_DEFAULT_URL = "http://localhost:8787"
_PIPE_CLOSED = 141  # as a shell reports a program that SIGPIPE ended
_INTERRUPTED = 130

_AFTERWORD = """
The prompt is read from standard input where there is none, or where it is "-". Where there is one,
and standard input is not a terminal, that is read to its end and put after the prompt: with an
empty line between, unless it is raw. (Give it </dev/null where a program leaves it open.)

The key is never an argument, for all who are on this machine can read those. It is in the
environment variable EDGEWISE_KEY, or in a file.

Exit status: 0, 1 when no whole answer came or could be written, 2 for wrong use, 130 after Ctrl-C.
"""


class Misused(Exception):
    """The command was not used as it can be."""


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command.

    Args:
        arguments: Those of this process by default.

    Returns:
        The exit status.
    """
    for file in (sys.stdout, sys.stderr):
        if isinstance(file, io.TextIOWrapper):  # whatever the locale says
            file.reconfigure(encoding="utf-8", errors="replace")
    parser = _make_parser()
    try:
        try:
            _run(parser.parse_args(arguments))
        finally:
            _flush(sys.stdout)  # may hold the help still
    except (Misused, ValueError) as error:
        parser.error(str(error))
    except EdgewiseError as error:
        _note(_word_error(error))
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _abandon(sys.stdout)
        return _PIPE_CLOSED
    except OSError as error:
        _abandon(sys.stdout)
        _note(error.strerror or str(error))
        return 1
    return 0


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "edgewise",
        description="Ask an open language model that Edgewise serves.",
        epilog=_AFTERWORD,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("prompt", nargs="?")
    add("-s", "--system", help="what the model is told before the prompt")
    add("--raw", action="store_true", help="send the prompt as it is, with the model's template")
    add("-m", "--model", help="an id of the catalogue; its first one by default")
    add("--max-tokens", type=int, metavar="N", help="the most tokens to generate")
    add("--temperature", type=float, metavar="X", help="0 to 5")
    add("--top-p", type=float, metavar="X", help="0 to 2")
    add("--top-k", type=int, metavar="N", help="1 to 50")
    add("--seed", type=int, metavar="N", help="the same one gives the same text")
    add("--no-stream", action="store_true", help="write the answer once it is whole")
    add("--json", action="store_true", help="write it as one JSON object, with usage and all")
    add("--models", action="store_true", help="list the models and end")
    add("--url", help=f"where Edgewise is; else EDGEWISE_URL, else {_DEFAULT_URL}")
    add("--key-file", type=Path, metavar="FILE", help="a file that holds the key")
    add("--version", action="version", version=f"edgewise {VERSION}")
    return parser


def _run(options: argparse.Namespace) -> None:
    url = options.url or os.environ.get("EDGEWISE_URL") or _DEFAULT_URL
    client = Client(url, _read_key(options.key_file))
    with Screen(sys.stdout) as screen:
        if options.models:
            models = client.models()
            listed = [asdict(model) for model in models]
            lines = "".join(f"{model.id}\n" for model in models)
            screen.write(_word_json(listed) if options.json else lines)
            return
        prompt = _read_prompt(options.prompt, sys.stdin, raw=options.raw)
        parameters: Parameters = {
            "model": options.model,
            "max_tokens": options.max_tokens,
            "temperature": options.temperature,
            "top_p": options.top_p,
            "top_k": options.top_k,
            "seed": options.seed,
        }
        if options.json or options.no_stream:
            whole = client.generate(prompt, system=options.system, raw=options.raw, **parameters)
            screen.write(_word_json(asdict(whole)) if options.json else whole.text)
        else:
            with client.stream(
                prompt, system=options.system, raw=options.raw, **parameters
            ) as stream:
                for piece in stream:
                    screen.write(piece)
                whole = stream.read()
    if whole.truncated and not options.json:
        _note(f"cut at max_tokens ({whole.max_tokens})")


def _read_key(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get("EDGEWISE_KEY", "").strip() or None
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Misused(f"--key-file: {file} cannot be read: {reason}") from error


def _read_prompt(given: str | None, stdin: TextIO | None, *, raw: bool) -> str:
    """
    Put the prompt together.

    Args:
        given: The argument.
        stdin: None where it was closed.
    """
    is_terminal = stdin is not None and stdin.isatty()
    if given is None and (stdin is None or is_terminal):
        raise Misused("no prompt: give one, or pipe it in")
    if stdin is None or (is_terminal and given != "-"):
        return given or ""
    try:
        piped = stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise Misused("standard input: expected UTF-8") from error
    except OSError as error:
        raise Misused(f"standard input cannot be read: {error.strerror}") from error
    if given is None or given == "-":
        return piped
    between = "" if raw or not piped else "\n\n"
    return given + between + piped


def _word_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _word_error(error: EdgewiseError) -> str:
    if isinstance(error, ApiError) and error.retry_after is not None:
        return f"{error} (try again in {error.retry_after:.0f} s)"
    return str(error)


def _note(text: str) -> None:
    """Say something beside the answer, to whom can be told."""
    try:
        with Screen(sys.stderr) as screen:
            screen.write(f"edgewise: {text}\n")
    except OSError:
        _abandon(sys.stderr)


def _flush(file: TextIO | None) -> None:
    if file is not None:
        file.flush()


def _abandon(file: TextIO | None) -> None:
    """Let go of what a file did not take: else Python tries again at its end, and complains."""
    if file is not None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, file.fileno())
        os.close(nowhere)


class Screen:
    """
    Where text goes.

    On a terminal, control characters are shown instead of obeyed: a model that was led to write
    them could move the cursor, rename the window, turn text around or worse. And there the last
    line has an end. Elsewhere text stays as it is.
    """

    def __init__(self, file: TextIO | None) -> None:
        """
        Args:
            file: None where it was closed.

        Raises:
            OSError: It was.
        """
        if file is None:
            raise OSError(errno.EBADF, "standard output is closed")
        self._file = file
        self._is_terminal = file.isatty()
        self._is_amid_line = False

    def write(self, text: str) -> None:
        """Write, at once."""
        if self._is_terminal:
            text = text.translate(_SHOWN)
            self._is_amid_line = not text.endswith("\n") if text else self._is_amid_line
        self._file.write(text)
        self._file.flush()

    def __enter__(self) -> "Screen":
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_amid_line:
            self.write("\n")


# They have text run from the right to the left, so that it reads as what it is not.
# Source: unicode.org/reports/tr9, section 2
_DIRECTIONS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))

# Unicode has a picture for each control character of ASCII; for the others there is a sign.
_SHOWN = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: 0x2421,
    **dict.fromkeys((*range(0x80, 0xA0), *_DIRECTIONS), 0xFFFD),
}
