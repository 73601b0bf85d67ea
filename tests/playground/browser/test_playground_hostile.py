"""The playground among texts that would break out of their place, and invalid answers."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.harness.deployments import Deployment
from tests.harness.watched import Route, Watched, expect, needs_chromium
from tests.playground.browser.conftest import Playground
from workers_ai_local import KINDS, Failure, Reply, Scripted, ToolCall

pytestmark = needs_chromium

# What runs says ran(); what becomes an element is marked.
HOSTILE = {
    "image": "<img src=/ran data-ran onerror=ran()>",
    "script": "<script data-ran>ran()</script>",
    "end of a box": "</textarea></pre></option></select><script data-ran>ran()</script>",
    "end of a script": "</script><script src=/ran data-ran></script>",
    "link": '[a](javascript:ran()) <a data-ran href="javascript:ran()">a</a> javascript:ran()',
    "attribute": "\"><svg data-ran onload=ran()> ' onfocus=ran() autofocus x='",
    "frame": '<iframe data-ran srcdoc="<script>parent.ran()</script>"></iframe>',
    "page": '<base data-ran href=//x><meta data-ran http-equiv=refresh content="0;/ran">',
    "form": "<form data-ran id=turns><input data-ran name=children autofocus onfocus=ran()></form>",
    "template": "{{constructor.constructor('ran()')()}} ${ran()} <%= ran() %> #{ran()} {% ran %}",
    "data": "data:text/html,<script data-ran>ran()</script>",
    "event": 'data: [DONE]\n\ndata: {"response":"ran"}\n\n',
    "end": "[DONE]",
    "object": '{"response":"ran","error":"ran"}',
    "lines": "\u2028\u2029\x85<b data-ran>\x0b\x0c",
    "directions": "\u202e<b data-ran>\u2066\u200b\u200f\ufeff\u2069 name.txt\u202c",
    "controls": "\x00<\x00script data-ran>ran()\x01\x1b[31m\x7f\x9b",
    "entities": "&lt;img data-ran src=x&gt; &#60;img data-ran&#62; &nbsp;",
    "markdown": "![a](/ran) ``` <details data-ran open ontoggle=ran()> # [a]: javascript:ran()",
    "comment": "<!--<img data-ran src=/ran>--> <![CDATA[ ]]> <?xml ?>",
    "names": "__proto__ constructor toString",
}
ALL = "\n".join(HOSTILE.values())
# What a header can hold.
ASCII = "<img src=/ran data-ran onerror=ran()>\"'`${ran()}</script>"
LONG = "<b>x" * 50_000

CANARY = """
window.hasRun = 0;
window.ran = () => { window.hasRun += 1; alert("ran"); };
"""


@pytest.fixture
def watched(watched: Watched) -> Iterator[Watched]:
    """A page in which nothing ran, became an element or was fetched that texts named."""
    page = watched.page
    page.add_init_script(CANARY)
    seen: list[str] = []
    # A dialog that nobody listens for is closed; hasRun has counted it by then.
    page.on("request", lambda request: seen.append(request.url))
    yield watched
    assert page.evaluate("hasRun") == 0
    assert page.locator("[data-ran]").count() == 0
    assert [url for url in seen if url.endswith("ran")] == []


def _renew(playground: Playground) -> None:
    playground.page.get_by_role("button", name="New chat").click()


def _answers(playground: Playground) -> None:
    """Check that it still works, whatever came before."""
    _renew(playground)
    playground.say("Hello", Reply(text="Hi."))

    assert playground.turns() == ["Hello", "Hi."]


def _event(frame: object) -> str:
    return f"data: {json.dumps(frame)}\n\n"


def _native(text: str) -> Mapping[str, object]:
    return {"response": text}


def _openai(text: str) -> Mapping[str, object]:
    return {"choices": [{"index": 0, "delta": {"content": text}}]}


def _both(text: str) -> Mapping[str, object]:
    return {**_native(text), **_openai(text)}


def _stream(text: str, flavour: int) -> Scripted:
    """Say a text in three frames, cut anywhere on its way."""
    word = (_native, _openai, _both)[flavour % 3]
    third = len(text) // 3 + 1
    frames = [word(text[start : start + third]) for start in range(0, len(text), third)]
    body = ("".join(map(_event, frames)) + "data: [DONE]\n\n").encode()
    size = len(body) // 100 + 1
    return Scripted([body[start : start + size] for start in range(0, len(body), size)])


# Texts


def test_texts_stay_texts_wherever_they_are_said(playground: Playground) -> None:
    for number, (name, text) in enumerate(HOSTILE.items()):
        _renew(playground)
        playground.set("System prompt", text)
        written = playground.page.get_by_label("System prompt").input_value()
        playground.ai.script(_stream(text, number))
        playground.start(text)
        playground.wait()

        assert playground.turns() == [text, text], name
        assert playground.asked()["messages"] == [
            {"role": "system", "content": written},
            {"role": "user", "content": text},
        ], name
    _answers(playground)


@pytest.mark.thorough
def test_texts_stay_texts_without_a_stream_and_in_raw_prompts(playground: Playground) -> None:
    playground.choose("Raw")
    playground.page.get_by_label("Stream", exact=True).uncheck()
    for name, text in HOSTILE.items():
        playground.page.get_by_label("Raw prompt").fill(text)
        playground.ai.script(Reply(text=text))
        playground.page.get_by_label("Raw prompt").press("Enter")
        playground.wait()

        said = playground.turns()
        assert said[0] == text, name
        assert json.loads(said[1]) == json.loads(text) if name == "object" else said[1] == text
        assert playground.asked()["prompt"] == text, name
        _renew(playground)
    playground.page.get_by_role("button", name="Back to the template").click()
    playground.choose("Chat")
    _answers(playground)


@pytest.mark.thorough
def test_long_text_without_a_space_is_shown_whole_and_moves_nothing(
    playground: Playground,
) -> None:
    text = LONG.replace(" ", "")
    playground.ai.script(_stream(text, 0))
    playground.start("x" * 120_000)
    playground.wait()

    assert playground.turns() == ["x" * 120_000, text]
    page = playground.page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("#scroller").evaluate("(box) => box.scrollWidth <= box.clientWidth")
    _answers(playground)


@pytest.mark.thorough
def test_half_a_pair_does_not_end_the_chat(playground: Playground) -> None:
    whole = ['data: {"response":"\\ud83e"}\n\n', 'data: {"response":"\\udd99"}\n\n']
    playground.say("Llama?", Reply(chunks=[*whole, "data: [DONE]\n\n"]))
    assert playground.turns()[1] == "🦙"
    playground.say("Half?", Reply(chunks=[whole[0], "data: [DONE]\n\n"]))
    playground.say("And now?", Reply(text="Fine."))

    assert playground.turns()[-1] == "Fine."


@pytest.mark.thorough
def test_reasoning_and_tool_calls_stay_texts(playground: Playground) -> None:
    function = {"name": ALL, "arguments": json.dumps({ALL: ALL})}
    called = {"index": 0, "id": ALL, "function": function}
    said = {"content": ALL, "reasoning_content": ALL, "tool_calls": [called]}
    frame = _event({"choices": [{"delta": said, "finish_reason": ALL}]})
    whole = json.dumps({"choices": [{"message": said, "finish_reason": ALL}]})
    native = ToolCall(name=ALL, arguments={ALL: ALL})
    replies = {
        "a stream": Reply(chunks=[frame, "data: [DONE]\n\n"]),
        "JSON": Reply(chunks=[whole], content_type="application/json"),
        "native": Reply(tool_calls=[native]),
    }
    for name, reply in replies.items():
        _renew(playground)
        playground.say("Hello", reply)

        calls = playground.page.locator(".calls").text_content()
        assert calls is not None
        assert calls.startswith(f"{ALL}({{"), name
        if name != "native":
            assert playground.turns()[1] == ALL, name
            assert playground.page.locator(".reasoning .text").text_content() == ALL, name
    _answers(playground)


@pytest.mark.thorough
def test_failure_amid_a_stream_stays_text(playground: Playground) -> None:
    begun = _event({"response": "One"})
    for failure in (
        {"error": ALL},
        {"error": {"message": ALL, "code": ALL}},
        {"errors": [{"message": ALL, "code": 5}]},
        {"message": ALL, "internalCode": 3},
        {"error": {"nested": [ALL]}},
    ):
        _renew(playground)
        playground.say("Hello", Reply(chunks=[begun, _event(failure)]))

        told = playground.page.locator(".broken").text_content()
        assert told is not None
        assert ALL in told or json.dumps(ALL, ensure_ascii=False)[1:20] in told
        assert playground.turns() == ["Hello", "One"]
    _answers(playground)


@pytest.mark.thorough
def test_words_of_an_error_upstream_do_not_reach_the_page(playground: Playground) -> None:
    code = next(code for code in range(9000, 9999) if code not in KINDS)
    playground.say("Hello", Reply(error=Failure(code, 500, ALL)))

    told = playground.page.get_by_role("alert").inner_text()
    assert "ran" not in told
    _answers(playground)


# Answers that the Worker does not give


def _fulfilling(**answer: Any) -> Callable[[Route], None]:
    def fulfil(route: Route) -> None:
        route.fulfill(**answer)

    return fulfil


def _error(status: int, **error: object) -> dict[str, Any]:
    return {
        "status": status,
        "headers": {"content-type": "application/json", "x-request-id": ASCII},
        "body": json.dumps({"error": error}),
    }


REFUSALS: Mapping[str, dict[str, Any]] = {
    "texts": _error(400, message=ALL, code=ALL, param=ALL),
    "about every element": _error(400, message=ALL, code="x", param="turns"),
    "about the prototype": _error(400, message=ALL, code="x", param="__proto__"),
    "about the key": _error(401, message=ALL, code=ALL, param="key"),
    "values": _error(422, message={"a": ALL}, code=[ALL], param=5),
    "no object": {"status": 400, "body": "null"},
    "HTML": {
        "status": 502,
        "body": f"<html><body>{ALL}</body></html>",
        "content_type": "text/html",
    },
    "nothing": {"status": 500, "body": ""},
    "a wait of words": {"status": 429, "headers": {"retry-after": ASCII}, "body": "{}"},
    "HTML as an answer": {"status": 200, "body": f"<h1>{ASCII}</h1>", "content_type": "text/html"},
    "a login": {"status": 302, "headers": {"location": "https://login.example/"}},
}


def test_refusals_stay_texts(playground: Playground) -> None:
    page = playground.page
    for name, answer in REFUSALS.items():
        _renew(playground)
        page.route("**/run", _fulfilling(**answer))
        playground.say("Hello")
        page.unroute("**/run")

        alert = page.get_by_role("alert").first
        told = alert.text_content() or ""
        if name.startswith(("texts", "about")):
            assert ALL in told and ASCII in told, name
        assert "[object" not in told and "undefined" not in told, (name, told)
    _answers(playground)


@pytest.mark.thorough
def test_wait_that_is_no_time_is_not_told(playground: Playground) -> None:
    for wait in ("Infinity", "1e300"):
        answer = _fulfilling(status=429, headers={"retry-after": wait}, body="{}")
        playground.page.route("**/run", answer)
        playground.say("Hello")

        told = playground.page.get_by_role("alert").first.text_content() or ""
        assert "NaN" not in told and "Infinity" not in told and "e+" not in told, told


@pytest.mark.thorough
def test_headers_and_frames_that_are_none_stay_texts(playground: Playground) -> None:
    page = playground.page
    headers = {
        "content-type": f"text/event-stream; {ASCII}",
        "x-model": ASCII,
        "x-request-id": ASCII,
        "x-max-tokens": ASCII,
        "server-timing": ASCII,
        "x-ignored-fields": ASCII,
    }
    frames = [
        {"response": {"a": ALL}},
        {"response": None, "choices": {"0": 5}, "usage": ALL},
        {"choices": [None], "tool_calls": [None, 5, ALL, {"name": {"a": ALL}, "arguments": 5}]},
        {"usage": {"completion_tokens": ALL, "prompt_tokens": [], "total_tokens": None}},
        {"__proto__": {"response": ALL}, "constructor": ALL},
    ]
    body = "".join([": ping\n\n", "data\n\n", "data: 5\n\n", *map(_event, frames)])
    body += "data: [DONE]\n\n"
    page.route("**/run", lambda route: route.fulfill(headers=headers, body=body))
    playground.say("Hello")
    page.unroute("**/run")

    assert json.loads(playground.turns()[1]) == {"a": ALL}
    figures = page.locator(".figures").text_content() or ""
    assert f"model{ASCII}request{ASCII}" in figures
    _answers(playground)


@pytest.mark.thorough
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "JSON"])
def test_answer_that_never_ends_can_be_stopped(playground: Playground, stream: bool) -> None:
    playground.page.get_by_label("Stream", exact=True).set_checked(stream)
    playground.ai.script(Reply(text="word", stall_after=0))
    playground.start("Hello")
    playground.page.get_by_role("button", name="Stop").click()
    playground.wait()

    expect(playground.page.locator(".cut")).to_contain_text("Stopped")
    _answers(playground)


def _model(name: str, **fields: object) -> dict[str, object]:
    return {"id": name, "context_window": ALL, "capabilities": [ALL], "served_by": [name], **fields}


TOLD: Mapping[str, tuple[str, str, str]] = {
    "texts": (
        json.dumps({"data": [_model(text) for text in HOSTILE.values()]}),
        json.dumps(
            {
                "components": {
                    "schemas": {
                        "Inputs": {
                            "properties": {
                                "temperature": {
                                    "anyOf": [{"type": ALL, "description": ALL, "maximum": ALL}]
                                }
                            }
                        }
                    }
                }
            }
        ),
        json.dumps({"version": ALL}),
    ),
    "objects": (
        json.dumps({"data": [None, 5, {"id": {"toString": 1, "valueOf": 1}}]}),
        json.dumps({"components": {"schemas": {"Inputs": {"properties": [ALL]}}}}),
        json.dumps({"version": {"toString": 1, "valueOf": 1}}),
    ),
    "nothing": ("{}", "{}", "{}"),
    "HTML": (ALL, ALL, ALL),
    "null": ("null", "null", "null"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("told", TOLD.values(), ids=TOLD)
def test_what_the_deployment_tells_stays_text(
    watched: Watched, deployed: Deployment, told: tuple[str, str, str]
) -> None:
    page = watched.page
    for path, body in zip(("v1/models", "openapi.json", "health"), told, strict=True):
        page.route(f"**/{path}", _fulfilling(body=body, content_type="application/json"))
    page.goto(f"{deployed.address}/")
    page.get_by_role("tab", name="Code").click()
    page.get_by_role("tab", name="Settings").click()
    playground = Playground(page, deployed.address, deployed.ai)

    if told is TOLD["texts"]:
        options = page.locator("#model option")
        options.nth(3).wait_for(state="attached")
        assert [each.get_attribute("value") for each in options.all()] == [*HOSTILE.values()]
        assert page.locator("#version").text_content() == ALL
        page.get_by_label("Model").select_option(HOSTILE["image"])
        assert HOSTILE["image"] in playground.open_code("curl")
    page.unroute_all()
    page.reload()
    page.locator("#model option[value^='@cf']").first.wait_for(state="attached")
    _answers(playground)


@pytest.mark.thorough
def test_ranges_that_are_not_told_are_not_made_up(watched: Watched, deployed: Deployment) -> None:
    page = watched.page
    page.route("**/openapi.json", _fulfilling(body="{}", content_type="application/json"))
    with page.expect_response("**/openapi.json"):
        page.goto(f"{deployed.address}/")
    page.locator("#model option[value^='@cf']").first.wait_for(state="attached")

    assert "undefined" not in page.locator("#settings").inner_text()


# Where a page is opened, and what is brought into it


@pytest.mark.thorough
def test_address_fills_in_nothing(watched: Watched, deployed: Deployment) -> None:
    for text in (ASCII, "javascript:ran()", "message", "constructor"):
        page = watched.page
        page.goto(
            f"{deployed.address}/?message={text}&prompt={text}&key={text}&model={text}#{text}"
        )
        page.locator("#model option[value^='@cf']").first.wait_for(state="attached")
        for box in page.locator("textarea, input:not([type=radio], [type=checkbox])").all():
            assert "ran" not in box.input_value().replace("constructor", "ran")
        assert page.locator("#message").input_value() == ""
    _answers(Playground(watched.page, deployed.address, deployed.ai))


@pytest.mark.thorough
@pytest.mark.parametrize("key", [ASCII, "\u200bew_0123456789"], ids=["markup", "a mark"])
def test_key_that_is_none_is_told_to_be_one(
    watched: Watched, deployed: Deployment, key: str
) -> None:
    page = watched.page
    page.goto(f"{deployed.address}/docs")
    page.evaluate("(key) => sessionStorage.setItem('edgewise-key', key)", key)
    page.goto(f"{deployed.address}/")
    playground = Playground(page, deployed.address, deployed.ai)
    playground.say("Hello")

    assert "key" in (page.locator("#key-wrong").text_content() or "")
    playground.set("Key", "")
    _answers(playground)


@pytest.mark.thorough
def test_html_that_is_pasted_is_text(watched: Watched, deployed: Deployment) -> None:
    page = watched.page
    page.goto(f"{deployed.address}/health")  # whose policy does not look at what is copied
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(
        """(html) => navigator.clipboard.write([new ClipboardItem({
          "text/html": new Blob([html], { type: "text/html" }),
          "text/plain": new Blob(["plain " + html], { type: "text/plain" }),
        })])""",
        HOSTILE["image"],
    )
    page.goto(f"{deployed.address}/")
    page.locator("#model option[value^='@cf']").first.wait_for(state="attached")
    playground = Playground(page, deployed.address, deployed.ai)
    playground.choose("Raw")
    for name in ("System prompt", "Raw prompt", "Message", "Key", "temperature"):
        box = page.get_by_label(name, exact=True)
        box.focus()
        page.keyboard.press("ControlOrMeta+A")
        page.keyboard.press("ControlOrMeta+V")
        assert box.input_value() == f"plain {HOSTILE['image']}", name
    page.get_by_role("region", name="Conversation").focus()
    page.keyboard.press("ControlOrMeta+V")
    page.get_by_role("button", name="Reset").click()
    playground.set("Key", "")
    playground.set("System prompt", "")
    page.get_by_role("button", name="Back to the template").click()
    playground.choose("Chat")

    _answers(playground)


@pytest.mark.thorough
def test_code_holds_texts_as_texts(playground: Playground) -> None:
    for text in (ALL, LONG):
        playground.write(text)
        for language in ("curl", "fetch", "env.AI", "Binding", "Python"):
            assert playground.open_code(language)
    playground.page.get_by_role("tab", name="Settings").click()
    _answers(playground)
