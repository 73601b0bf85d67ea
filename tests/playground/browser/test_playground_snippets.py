"""How the playground words code: the request on screen, whatever texts are in it."""

import ast
import json
import re
import shlex
import subprocess

import pytest

from tests.harness.credentials import KEY
from tests.harness.watched import expect, needs_chromium
from tests.playground.browser.conftest import MODULES, Playground, run_module
from workers_ai_local import Reply

LITERALS = MODULES / "literals.js"
NASTY = {
    "quotes": 'it\'s "quoted" and `so`',
    "backslashes": "\\ \\n \\' \\\" \\\\",
    "line ends": "one\ntwo\r\nthree\u2028four\u2029five",
    "controls": "\x00\x01\x1b\x7f\x85",
    "templates": "${process.exit()} {braces} %s $(id) `id` $HOME !!",
    "a page's own": "</script><script><!-- ]]>",
    "characters": "Grüezi 🦙 \N{RIGHT-TO-LEFT OVERRIDE}\ufeff",
}
VALUE: dict[str, object] = {
    "texts": [*NASTY.values()],
    "__proto__": {"x": 1},
    "it's": [True, False, None, 1.5],
    "empty": [[], {}],
}
LITERAL = """
import { readFileSync } from "node:fs";
const [file, name] = process.argv.slice(1);
const words = await import(file);
process.stdout.write(words[name](JSON.parse(readFileSync(0, "utf-8"))));
"""


def word(language: str, value: object) -> str:
    """Have the playground's own module word a value."""
    return run_module(LITERAL, json.dumps(value).encode(), str(LITERALS), language)


def test_javascript_says_what_it_was_given() -> None:
    literal = word("javascript", VALUE)
    ran = run_module(f"process.stdout.write(JSON.stringify({literal}))", b"")

    assert json.loads(ran) == VALUE
    assert not re.search("</|<!|\u2028|\u2029", literal)


def test_python_says_what_it_was_given() -> None:
    assert ast.literal_eval(word("python", VALUE)) == VALUE


@pytest.mark.parametrize("name", sorted(NASTY.keys() - {"controls"}))  # no command holds a NUL
def test_shell_says_what_it_was_given(name: str) -> None:
    script = f"printf %s {word('shell', NASTY[name])}"
    ran = subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, check=True)

    assert ran.stdout.decode() == NASTY[name]


def curl_body(code: str) -> dict[str, object]:
    """Take the body out of a curl command, as a shell reads it."""
    body: dict[str, object] = json.loads(shlex.split(code.replace("\\\n", ""))[-1])
    return body


@needs_chromium
def test_code_is_what_send_would_send(playground: Playground) -> None:
    playground.set("System prompt", NASTY["quotes"])
    playground.say("One?", Reply(text="First."))
    playground.set("max_tokens", "7")
    playground.set("temperature", "0.5")
    playground.write(NASTY["templates"])
    code = playground.open_code("curl")
    body = curl_body(code)
    playground.say(NASTY["templates"], Reply(text="Second."))

    asked = playground.asked()
    assert {name: value for name, value in body.items() if name != "model"} == asked
    assert body["model"] == "@cf/meta/llama-3.1-8b-instruct"
    assert shlex.split(code)[:3] == ["curl", "-N", f"{playground.address}/run"]


@needs_chromium
def test_code_follows_what_is_written_and_set(playground: Playground) -> None:
    code = playground.open_code("curl")
    expect(playground.page.locator("#code .note")).to_contain_text("Nothing is written yet")
    playground.write("Changed")
    changed = curl_body(playground.read_code())
    playground.choose("Raw")
    raw = curl_body(playground.read_code())

    assert curl_body(code)["messages"] == [{"role": "user", "content": "Hello"}]
    assert changed["messages"] == [{"role": "user", "content": "Changed"}]
    assert raw["raw"] is True
    assert raw["prompt"] == playground.page.get_by_label("Raw prompt").input_value()


@pytest.mark.thorough
@needs_chromium
def test_code_leaves_out_what_is_wrong_and_says_so(playground: Playground) -> None:
    playground.set("temperature", "9")
    code = playground.open_code("curl")

    assert "temperature" not in curl_body(code)
    note = playground.page.locator("#code .note")
    expect(note).to_contain_text("Left out: temperature: expected a number from 0 to 5, got 9.")


@pytest.mark.thorough
@needs_chromium
def test_event_source_asks_by_a_query_and_says_why_not_in_a_chat(playground: Playground) -> None:
    playground.set("max_tokens", "7")
    playground.write("Hello")
    in_chat = playground.open_code("EventSource")
    why = playground.page.locator("#code .note").inner_text()
    playground.choose("Prompt")
    code = playground.read_code()

    assert in_chat == ""
    assert "no place for messages" in why
    found = re.search(r"URLSearchParams\((\{.*?\})\);", code, re.DOTALL)
    assert found is not None
    assert 'prompt: "Hello"' in found[1]
    assert "max_tokens: 7" in found[1]
    assert "stream" not in found[1]


@pytest.mark.thorough
@needs_chromium
def test_worker_with_ai_names_the_model_that_serves(playground: Playground) -> None:
    playground.write("Hello")
    code = playground.open_code("env.AI")

    assert 'binding = "AI"' in code
    assert 'env.AI.run("@cf/meta/llama-3.1-8b-instruct-fast", inputs)' in code
    assert '"content-type": "text/event-stream"' in code


@pytest.mark.thorough
@needs_chromium
def test_worker_with_the_binding_names_the_public_model(playground: Playground) -> None:
    playground.page.get_by_label("Stream").uncheck()
    playground.page.get_by_label("rejectIfBusy").check()
    playground.write("Hello")
    code = playground.open_code("Binding")

    for line in ('service = "edgewise"', 'entrypoint = "Edgewise"', 'caller = "my-app"'):
        assert line in code
    call = 'env.TEXT.run("@cf/meta/llama-3.1-8b-instruct", inputs, { rejectIfBusy: true })'
    assert call in code
    assert "Response.json(answer)" in code


@needs_chromium
def test_no_code_holds_the_key(playground: Playground) -> None:
    playground.choose("Prompt")
    playground.set("Key", KEY)
    playground.write("Hello")
    languages = ("curl", "fetch", "EventSource", "env.AI", "Binding", "Python")
    codes = {language: playground.open_code(language) for language in languages}

    assert all(codes.values())
    assert KEY not in "".join(codes.values())
    assert all("EDGEWISE_KEY" in codes[language] for language in ("curl", "fetch", "Python"))


@pytest.mark.thorough
@needs_chromium
@pytest.mark.parametrize("is_allowed", [True, False], ids=["clipboard", "without"])
def test_code_is_copied_and_that_is_told(playground: Playground, is_allowed: bool) -> None:
    page = playground.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    if not is_allowed:
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
    playground.write("Hello")
    code = playground.open_code("curl")
    page.locator("#snippet").get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status")).to_have_text("Copied")

    assert page.evaluate("navigator.clipboard.readText()") == code
