"""The command `edgewise`, in this process."""

import io
import json
import os
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import edgewise_client
from edgewise_client.command import Screen, main
from tests.client.unit.client_server import EVENTS, JSON, Server, serving

KEY = "ew_s3cr3t-k3y"
TEXT = "Grüezi \x1b[31m"
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
ANSWER = json.dumps({"response": TEXT, "model": "@cf/m", "usage": USAGE}).encode()
STREAM = b"data: " + json.dumps({"response": TEXT, "usage": USAGE}).encode() + b"\n\n"
DONE = b"data: [DONE]\n\n"
LIMIT = {"x-max-tokens": "2"}
PACKAGE = Path(edgewise_client.__file__).parents[2]


class Terminal(io.StringIO):
    """A file that takes itself for a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture(scope="module")
def _serving() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def server(_serving: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that the command asks, from a terminal and with a key."""
    _serving.scripts.clear()
    _serving.received.clear()
    monkeypatch.setenv("EDGEWISE_URL", _serving.address)
    monkeypatch.setenv("EDGEWISE_KEY", KEY)
    monkeypatch.setattr(sys, "stdin", Terminal())
    return _serving


def pipe_in(monkeypatch: pytest.MonkeyPatch, piped: bytes) -> None:
    """Have standard input hold this."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(piped)))


def asked(server: Server) -> dict[str, object]:
    """What the server was asked."""
    [received] = server.received
    body = json.loads(received.body)
    assert isinstance(body, dict)
    return body


def test_answer_is_streamed_as_it_is_where_nobody_looks(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.script(STREAM, DONE, headers=EVENTS)

    assert main(["Hello"]) == 0
    assert capsys.readouterr() == (TEXT, "")
    assert asked(server) == {"prompt": "Hello", "stream": True}
    assert server.received[0].headers["authorization"] == f"Bearer {KEY}"


def test_options_are_what_the_request_says(server: Server) -> None:
    server.script(ANSWER)
    options = "-s Brief. -m @cf/m --max-tokens 7 --temperature 0.5 --top-p 1 --top-k 3 --seed 8"

    assert main(["Hello", *options.split(), "--no-stream"]) == 0
    assert asked(server) == {
        "messages": [
            {"role": "system", "content": "Brief."},
            {"role": "user", "content": "Hello"},
        ],
        "model": "@cf/m",
        "max_tokens": 7,
        "temperature": 0.5,
        "top_p": 1.0,
        "top_k": 3,
        "seed": 8,
    }


def test_cut_answer_is_noted_beside_it(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.script(ANSWER, headers={**JSON, **LIMIT})

    assert main(["Hello", "--no-stream"]) == 0
    assert capsys.readouterr() == (TEXT, "edgewise: cut at max_tokens (2)\n")


def test_json_is_the_whole_completion(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.script(ANSWER, headers={**JSON, **LIMIT, "x-request-id": "r1"})

    assert main(["Hello", "--json"]) == 0
    printed, noted = capsys.readouterr()
    assert noted == ""
    assert json.loads(printed) == {
        "text": TEXT,
        "model": "@cf/m",
        "usage": USAGE,
        "finish_reason": "length",
        "truncated": True,
        "max_tokens": 2,
        "request_id": "r1",
        "reasoning": "",
        "tool_calls": [],
    }


@pytest.mark.parametrize(
    ("options", "printed"),
    [
        ([], "a\nb\n"),
        (
            ["--json"],
            '[{"id": "a", "served_by": [], "context_window": 7, "capabilities": []}, '
            '{"id": "b", "served_by": [], "context_window": null, "capabilities": []}]\n',
        ),
    ],
    ids=["lines", "json"],
)
def test_models_are_listed(
    server: Server, capsys: pytest.CaptureFixture[str], options: list[str], printed: str
) -> None:
    server.script(b'{"data":[{"id":"a","context_window":7},{"id":"b"}]}')

    assert main(["--models", *options]) == 0
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize(
    ("arguments", "piped", "prompt"),
    [
        ([], b"Hello\n", "Hello\n"),
        (["-"], "Grüezi".encode(), "Grüezi"),
        (["Sum up:"], b"a\nb\n", "Sum up:\n\na\nb\n"),
        (["Sum up:"], b"", "Sum up:"),
        (["<|x|>", "--raw"], b"a\n", "<|x|>a\n"),
    ],
)
def test_prompt_may_come_through_a_pipe(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    piped: bytes,
    prompt: str,
) -> None:
    pipe_in(monkeypatch, piped)
    server.script(ANSWER)

    assert main([*arguments, "--no-stream"]) == 0
    assert asked(server)["prompt"] == prompt


def test_closed_standard_input_is_an_empty_one(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    server.script(ANSWER)

    assert main(["Hello", "--no-stream"]) == 0
    assert asked(server)["prompt"] == "Hello"


def test_key_may_be_in_a_file(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("ew_other\n", "utf-8")
    server.script(b'{"data":[]}')

    assert main(["--models", "--key-file", str(file)]) == 0
    assert server.received[0].headers["authorization"] == "Bearer ew_other"


def test_key_of_the_environment_may_have_space_around_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEWISE_KEY", f" {KEY}\n")
    server.script(b'{"data":[]}')

    assert main(["--models"]) == 0
    assert server.received[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("key", ["", " \n"])
def test_empty_variables_are_as_if_they_were_not_there(
    server: Server, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("EDGEWISE_KEY", key)
    monkeypatch.setenv("EDGEWISE_URL", "http://127.0.0.1:9")
    server.script(b'{"data":[]}')

    assert main(["--models", "--url", server.address]) == 0
    assert "authorization" not in server.received[0].headers


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no prompt: give one, or pipe it in"),
        (["Hello", "--temperature", "hot"], "argument --temperature: invalid float value: 'hot'"),
        (["Hello", "--temperature", "nan"], "temperature: expected a finite number, got nan"),
        (["\udcff"], "prompt: expected text without half a surrogate pair"),
        (["Hello", "--raw", "-s", "x"], "system: a raw prompt holds its own"),
        (["Hello", "--url", "localhost"], "base_url: expected an address"),
        (["Hello", "--key-file", "/nowhere"], "--key-file: /nowhere cannot be read: No such file"),
        (["Hello", "--key", "x"], "unrecognized arguments: --key"),
    ],
)
def test_wrong_use_ends_with_2_and_asks_nobody(
    server: Server, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 2
    assert f"edgewise: error: {message}" in capsys.readouterr().err
    assert server.received == []


def test_prompt_and_key_that_are_no_text_are_wrong_use(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    pipe_in(monkeypatch, b"\xff")
    with pytest.raises(SystemExit):
        main([])
    (tmp_path / "key").write_bytes(b"\xff")
    with pytest.raises(SystemExit):
        main(["Hello", "--key-file", str(tmp_path / "key")])

    said = capsys.readouterr().err
    assert "standard input: expected UTF-8" in said
    assert "cannot be read: it is not UTF-8" in said


def test_input_that_cannot_be_read_is_wrong_use(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Broken()))

    with pytest.raises(SystemExit) as caught:
        main([])

    assert caught.value.code == 2
    assert "standard input cannot be read: Input/output error" in capsys.readouterr().err


def test_refusal_ends_with_1_and_is_told(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    error = {"error": {"code": "no_capacity", "message": "try again"}}
    for headers in ({**JSON, "retry-after": "2"}, JSON):
        server.script(json.dumps(error).encode(), status=429, headers=headers)

        assert main(["Hello"]) == 1
    assert capsys.readouterr() == (
        "",
        "edgewise: 429 no_capacity: try again (try again in 2 s)\n"
        "edgewise: 429 no_capacity: try again\n",
    )


def test_stream_that_breaks_ends_with_1_after_what_came(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.script(STREAM, headers=EVENTS, is_cut=True)

    assert main(["Hello"]) == 1
    assert capsys.readouterr() == (
        TEXT,
        "edgewise: the stream broke: the connection ended in the middle\n",
    )


def test_interrupt_ends_with_130(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Interrupted()))

    assert main([]) == 130


def test_reader_that_goes_away_ends_it_quietly(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.script(STREAM, DONE, headers=EVENTS)
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)

        assert main(["Hello"]) == 141
    assert capsys.readouterr().err == ""


@pytest.mark.linux
@pytest.mark.parametrize("arguments", [["Hello"], ["Hello", "--json"], ["--version"], ["--help"]])
def test_output_that_has_no_room_ends_with_1(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    server.script(STREAM, DONE, headers=EVENTS)
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)

        assert main(arguments) == 1
    assert capsys.readouterr().err == "edgewise: No space left on device\n"


def test_closed_output_ends_with_1_and_asks_nobody(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)

    assert main(["Hello"]) == 1
    assert capsys.readouterr().err == "edgewise: standard output is closed\n"
    assert server.received == []


@pytest.mark.parametrize("place", [None, pytest.param("/dev/full", marks=pytest.mark.linux)])
def test_note_that_cannot_be_written_changes_nothing(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: str | None,
) -> None:
    server.script(ANSWER, headers={**JSON, **LIMIT})
    with open(place or os.devnull, "w", encoding="utf-8") as file:
        monkeypatch.setattr(sys, "stderr", file if place else None)

        assert main(["Hello", "--no-stream"]) == 0
    assert capsys.readouterr().out == TEXT


@pytest.mark.parametrize(
    ("command", "status", "printed", "noted"),
    [
        ("Hello >&-", 1, "", "edgewise: standard output is closed\n"),
        ("Hello 2>&-", 0, TEXT, ""),
        ("Hello >&- 2>&-", 1, "", ""),
        *(
            pytest.param(*case, marks=pytest.mark.linux)
            for case in (
                ("Hello >/dev/full", 1, "", "edgewise: No space left on device\n"),
                ("--help >/dev/full", 1, "", "edgewise: No space left on device\n"),
                ("Hello 2>/dev/full", 0, TEXT, ""),
                ("Hello >/dev/full 2>/dev/full", 1, "", ""),
            )
        ),
        ("- 0>/dev/null", 2, "", "cannot be read"),
    ],
)
def test_process_whose_files_are_shut_ends_without_a_traceback(
    server: Server, command: str, status: int, printed: str, noted: str
) -> None:
    server.script(STREAM, DONE, headers={**EVENTS, **LIMIT})

    ended = subprocess.run(
        ["sh", "-c", f'"$0" -m edgewise_client {command}', sys.executable],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE / "src"), "PYTHONUNBUFFERED": ""},
        timeout=60,
    )

    said = ended.stderr.decode()
    assert (ended.returncode, ended.stdout.decode()) == (status, printed), said
    assert said == noted or (noted == "cannot be read" and noted in said)
    assert "Traceback" not in said


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])

    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text("utf-8"))["project"]
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"edgewise {project['version']}\n"
    assert edgewise_client.__version__ == project["version"]


def test_module_is_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["edgewise", "--version"])

    with pytest.raises(SystemExit):
        runpy.run_module("edgewise_client", run_name="__main__")

    assert capsys.readouterr().out.startswith("edgewise ")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\n", "a\tb\n"),
        ("\x1b]0;title\x07", "␛]0;title␇\n"),
        ("\x9b31m\x7f\r\0", "\ufffd31m␡␍␀\n"),
        ("Grüezi 😀", "Grüezi 😀\n"),
        ("a\u061c\u200e\u200f\u202a\u202e\u2066\u2069", "a" + "\ufffd" * 7 + "\n"),
        ("\u200d\u2010\u2029\u202f\u2065\u206a", "\u200d\u2010\u2029\u202f\u2065\u206a\n"),
        ("", ""),
    ],
)
def test_terminal_is_shown_control_characters_and_an_end_of_line(text: str, shown: str) -> None:
    file = Terminal()
    with Screen(file) as screen:
        screen.write(text)
        screen.write("")

    assert file.getvalue() == shown


def test_message_of_a_failure_begins_a_line_of_its_own(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script(STREAM, headers=EVENTS, is_cut=True)
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)

    assert main(["Hello"]) == 1
    assert screen.getvalue() == (
        "Grüezi ␛[31m\nedgewise: the stream broke: the connection ended in the middle\n"
    )
