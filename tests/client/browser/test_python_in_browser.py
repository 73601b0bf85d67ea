"""
The example that runs the client in Chromium under Pyodide, and its programs on CPython beside it.

There is no network but the example's own origin: Python, the client and the endpoint are there.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pytest

from tests.harness import axe
from tests.harness.examples import FAST, Example, check_command, readme_commands, run_example
from tests.harness.processes import wait_until
from tests.harness.servers import endless
from tests.harness.watched import Browser, Route, Watched, expect, needs_chromium, watch
from tools import prepare
from workers_ai_local import Reply, Scripted, ToolCall

pytestmark = [needs_chromium, pytest.mark.thorough]
HOSTILE = "<img src=x onerror=violations.push('ran')><script>violations.push('ran')</script>"
HELLO = Reply(text="Grüezi! €5 are\nenough.")
WATCH = """
self.violations = [];
self.addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) =>
  violations.push(`${effectiveDirective} ${blockedURI}`));
"""
EXAMPLE = "python-in-browser"
PUBLIC = prepare.EXAMPLES / EXAMPLE / "public"
FLAVOURS: Sequence[Literal["native", "openai", "both"]] = ("native", "openai", "both")


@dataclass(frozen=True)
class Program:
    """
    A program, what the model is scripted to say to it, and what it has to print.

    Attributes:
        source: What follows the imports and the client.
    """

    source: str
    replies: Sequence[Reply]
    printed: str


START = """\
import os
from edgewise_client import *

client = Client(os.environ["EDGEWISE_URL"], os.environ.get("EDGEWISE_KEY"))
"""
STREAM = """\
with client.stream("Hello", max_tokens=9) as stream:
    print(ascii("".join(stream)))
print(stream.finish_reason, stream.truncated, stream.usage, stream.model)
"""
TRY = """\
try:
    client.generate("Hello", temperature=9.0)
except ApiError as error:
    print(type(error).__name__, error.status, error.code, error.param, error.upstream_code)
    print(error.retry_after, error.should_retry, error.request_id is not None)
    print(error.message)
"""
WHOLE = f"""'Gr\\xfcezi! \\u20ac5 are\\nenough.'
stop False Usage(prompt_tokens=16, completion_tokens=8, total_tokens=24) {FAST}
"""
PROGRAMS = {
    "generate": Program(
        """\
answer = client.generate("Hello", system="Be brief.")
print(ascii(answer.text), answer.finish_reason, answer.truncated, answer.model)
print(answer.usage, answer.max_tokens, answer.request_id is not None)
""",
        [HELLO],
        f"'Gr\\xfcezi! \\u20ac5 are\\nenough.' stop False {FAST}\n",
    ),
    "a prompt beyond ASCII": Program(
        """print(client.generate("Wie heißt “€”?").text.count("heißt “€”"))""", [], "1\n"
    ),
    "chat": Program(
        """\
messages = [{"role": "user", "content": "Hello"}]
answer = client.chat(messages, max_tokens=3)
print(answer.text, answer.finish_reason, answer.truncated, answer.usage.completion_tokens)
""",
        [Reply(text="one two three four five")],
        "one two three length True 3\n",
    ),
    "tool calls": Program(
        """\
tool = {"name": "weather", "description": "", "parameters": {"type": "object", "properties": {}}}
answer = client.chat([{"role": "user", "content": "Oslo?"}], tools=[tool])
print(answer.finish_reason, answer.tool_calls[0].name, answer.tool_calls[0].arguments)
""",
        [Reply(tool_calls=[ToolCall("weather", {"city": "Oslo"})])],
        'tool_calls weather {"city":"Oslo"}\n',
    ),
    "models": Program("print(client.models()[0].id)", [], "@cf/meta/llama-3.1-8b-instruct\n"),
    **{
        f"stream, {flavour}": Program(STREAM, [Reply(text=HELLO.text, flavour=flavour)], WHOLE)
        for flavour in FLAVOURS
    },
    "stream in odd pieces": Program(
        STREAM, [Reply(text=HELLO.text, chunk_bytes=[1, 7, 3], crlf=True)], WHOLE
    ),
    "stream that is cut": Program(
        STREAM, [Reply(text="a " * 20)], "'a a a a a a a a a'\nlength True Usage("
    ),
    "stream of a failed model": Program(
        """\
try:
    client.stream("Hello")
except RateLimited as error:
    print(error.status, error.code, error.retry_after, error.upstream_code)
""",
        [Reply(error=3040)],
        "429 no_capacity 2.0 3040\n",
    ),
    "refused by Edgewise": Program(
        TRY,
        [],
        "BadRequest 400 invalid_request temperature None\nNone False True\n"
        "temperature: expected a number from 0 to 5, got 9.0\n",
    ),
    "refused by Workers AI": Program(
        TRY.replace("9.0", "1.0"),
        [Reply(error=5016)],
        "Forbidden 403 upstream_forbidden None 5016\nNone False True\n",
    ),
}


@pytest.fixture(scope="module")
def _example() -> Iterator[Example]:
    with run_example(EXAMPLE) as example:
        yield example


@pytest.fixture(scope="module")
def _opened(chromium: Browser, _example: Example) -> Iterator[Watched]:
    with watch(chromium) as watched:
        watched.page.route("**/python.js", watch_worker)
        watched.page.goto(str(_example.client.base_url))
        yield watched


def watch_worker(route: Route) -> None:
    """Have the page's Worker remember what it is kept from: no console tells that."""
    script = route.fetch()
    route.fulfill(response=script, body=script.text() + WATCH)


@pytest.fixture
def example(_example: Example) -> Example:
    """The example, over a Workers AI that has nothing scripted."""
    _example.ai.reset()
    return _example


@pytest.fixture
def opened(_opened: Watched, example: Example) -> Iterator[Watched]:
    """Its page, with Python ready; seen to break no rule."""
    _opened.page.locator("#run:enabled").wait_for()
    yield _opened
    _opened.page.locator("#run:enabled").wait_for()
    _opened.check(str(example.client.base_url).rstrip("/"))
    for python in _opened.page.workers:
        assert python.evaluate("violations") == []


def run(opened: Watched, source: str) -> str:
    """Type a program, run it to its end, and read what it printed."""
    opened.page.get_by_label("Code").fill(source)
    return run_it(opened)


def run_it(opened: Watched) -> str:
    """Run what is typed."""
    page = opened.page
    page.get_by_role("button", name="Run").click()
    page.locator("#run:enabled").wait_for()
    # What was printed is shown with the next frame.
    page.evaluate("new Promise(requestAnimationFrame)")
    return page.get_by_role("log").text_content() or ""


def run_on_cpython(example: Example, source: str) -> str:
    """Run a program as people do elsewhere."""
    return subprocess.run(
        [sys.executable, "-c", source],
        env=os.environ
        | {
            "EDGEWISE_URL": str(example.client.base_url),
            "PYTHONPATH": str(prepare.PYTHON_CLIENT / "src"),
            "PYTHONIOENCODING": "utf-8",
        },
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    ).stdout


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=[*PROGRAMS])
def test_program_prints_the_same_on_cpython_and_in_a_page(
    opened: Watched, example: Example, program: Program
) -> None:
    printed = []
    for place in ("CPython", "page"):
        for reply in program.replies:
            example.ai.script(reply, model=FAST)
        source = START + program.source
        printed.append(run(opened, source) if place == "page" else run_on_cpython(example, source))

    on_cpython, in_page = printed
    assert on_cpython.startswith(program.printed)
    assert in_page == on_cpython


@pytest.mark.parametrize("name", ["Generate", "Chat", "Stream"])
def test_program_on_offer_prints_what_the_model_says(
    opened: Watched, example: Example, name: str
) -> None:
    for _ in range(2 if name == "Chat" else 1):
        example.ai.script(Reply(text="Hello from a script."), model=FAST)
    choose(opened, name)

    printed = run_it(opened)

    assert "Hello from a script.\n" in printed
    assert "Traceback" not in printed


def test_program_on_offer_shows_errors_as_python_words_them(opened: Watched) -> None:
    choose(opened, "Errors")

    printed = run_it(opened)

    assert printed.startswith("BadRequest 400 invalid_request max_tokens\n")
    traceback = printed[printed.index("Traceback") :]
    assert traceback.startswith(
        'Traceback (most recent call last):\n  File "program.py", line 14, in <module>\n'
        '    client.generate("Hello", model="@cf/nobody/nothing")\n'
    )
    assert "\nedgewise_client.errors.NotFound: 404 model_not_found: model:" in traceback
    assert opened.page.locator("#output .error").text_content() == traceback


def choose(opened: Watched, name: str) -> None:
    """Choose a program on offer, and wait until it is there."""
    code = opened.page.get_by_label("Code")
    code.fill("")
    opened.page.get_by_label("Program").select_option(label=name)
    expect(code).not_to_have_value("")


@pytest.mark.parametrize(
    ("source", "last"),
    [
        ("print(1 / 0)", "ZeroDivisionError: division by zero\n"),
        ("print(", "SyntaxError: '(' was never closed\n"),
        ("raise SystemExit('enough')", "enough\n"),
        ("import requests", "ModuleNotFoundError: No module named 'requests'\n"),
    ],
)
def test_error_of_a_program_is_told(opened: Watched, source: str, last: str) -> None:
    assert run(opened, source).endswith(last)


def test_markup_that_a_model_writes_is_text(opened: Watched, example: Example) -> None:
    example.ai.script(Reply(text=HOSTILE), model=FAST)

    printed = run(opened, START + 'print(client.generate("Hello").text)')

    assert printed == HOSTILE + "\n"
    assert opened.page.locator("#output img, #output script").count() == 0


def test_control_and_enter_run_the_program(opened: Watched) -> None:
    code = opened.page.get_by_label("Code")
    code.fill("print('from', 'the', 'keyboard')")
    code.press("Control+Enter")

    opened.page.get_by_text("from the keyboard\n").wait_for()
    opened.page.locator("#run:enabled").wait_for()


def test_key_is_given_to_the_program_and_to_nobody_else(opened: Watched) -> None:
    opened.page.get_by_label("Key").fill("ew_0123456789-abcdefghij")
    source = "import os; print(os.environ.get('EDGEWISE_KEY'))"

    with_key = run(opened, source)
    opened.page.get_by_label("Key").fill("")

    assert (with_key, run(opened, source)) == ("ew_0123456789-abcdefghij\n", "None\n")
    stored = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    assert opened.page.evaluate(stored) == '[{},{},""]'


def test_program_reaches_no_other_origin(opened: Watched, example: Example) -> None:
    elsewhere = str(example.client.base_url).replace("127.0.0.1", "localhost").rstrip("/")
    source = f"client = Client({elsewhere!r})\ntry:\n    client.models()\n"

    printed = run(opened, START + source + "except ConnectionFailed:\n    print('failed')")

    assert printed == "failed\n"
    (python,) = opened.page.workers
    assert python.evaluate("violations.splice(0)") == [f"connect-src {elsewhere}/v1/models"]
    opened.origins.discard(elsewhere)


def test_answer_that_breaks_off_is_no_answer(opened: Watched, example: Example) -> None:
    example.ai.script(Reply(text="one two three four", break_after=2), model=FAST)
    source = START + "try:\n    client.stream('Hello')\nexcept ConnectionFailed as error:\n"

    printed = run(opened, source + "    print('failed')")

    assert printed == "failed\n"


def test_axe_finds_nothing(opened: Watched) -> None:
    run(opened, "print('out')\n1 / 0")

    assert axe.find(opened.page) == []


def test_stop_ends_a_program_that_never_would(opened: Watched) -> None:
    page = opened.page
    page.get_by_label("Code").fill("print('early')\nwhile True:\n    print('x' * 1000)")
    page.get_by_role("button", name="Run").click()
    page.get_by_text("The rest is not shown.").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped.\n").wait_for()
    shown = page.get_by_role("log").text_content() or ""

    assert shown.startswith("early\nxxx")
    assert len(shown) < 201_000
    page.locator("#run:enabled").wait_for()
    assert run(opened, "print('again')") == "again\n"


def test_stop_ends_a_request_and_with_it_the_generation(opened: Watched, example: Example) -> None:
    page = opened.page
    example.ai.script(Scripted(endless(b'data: {"response":"Hello"}\n\n')), model=FAST)
    page.get_by_label("Code").fill(START + "client.stream('Hello')")
    page.get_by_role("button", name="Run").click()
    wait_until(lambda: example.ai.streams.open == 1)

    page.get_by_role("button", name="Stop").click()

    wait_until(lambda: example.ai.streams.cancelled == 1, seconds=5)


@pytest.mark.parametrize(("command", "shown"), readme_commands(EXAMPLE))
def test_readme_shows_what_is_answered(example: Example, command: str, shown: str) -> None:
    check_command(example, command, shown)


def test_page_is_served_with_rules_and_without_what_is_not_for_it(example: Example) -> None:
    page, python = (
        example.client.get(path).headers["content-security-policy"] for path in ("/", "/python.js")
    )

    assert "script-src 'self';" in page
    assert "trusted-types python" in page
    assert python.endswith("script-src 'self' 'wasm-unsafe-eval'")
    for path in ("/python/.edgewise-stamp", "/.assetsignore", "/_headers"):
        assert example.client.get(path).status_code == 404
    assert example.client.get("/health").json()["status"] == "ok"


def test_no_file_of_the_page_is_larger_than_cloudflare_takes() -> None:
    files = [file for file in PUBLIC.rglob("*") if file.is_file()]

    assert max(file.stat().st_size for file in files) < 25 * 2**20
