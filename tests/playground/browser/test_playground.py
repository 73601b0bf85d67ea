"""The playground, clicked through as people do; what Workers AI was asked says what was sent."""

import re

import pytest

from tests.harness.credentials import KEY
from tests.harness.deployments import Deployment
from tests.harness.processes import wait_until
from tests.harness.watched import Watched, expect, needs_chromium
from tests.playground.browser.conftest import Playground
from workers_ai_local import Reply, ToolCall

pytestmark = needs_chromium
TEXT = "Grüezi 🦙 one\n  two <b>three</b>\r\n\u2028four"
# More than fits on the screen.
LONG = "".join(f"This is line {number}, and it says no more than that.\n" for number in range(400))
GO_ON = "Go on exactly where you stopped. Repeat nothing and say nothing else."
TEMPLATE = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n{}<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
NUMBERS = {
    "max_tokens": 100,
    "temperature": 0.5,
    "top_p": 0.25,
    "top_k": 40,
    "seed": 9_999_999_999,
    "repetition_penalty": 1.5,
    "frequency_penalty": 1,
    "presence_penalty": 2,
}
WRONG_KEY = "ew_0123456789-of-nobody"
TOOL = '[{"name":"look","description":"Looks.","parameters":{"type":"object","properties":{}}}]'
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def user(text: str) -> dict[str, str]:
    """A user's turn, as it is sent."""
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    """An answer, as it is sent."""
    return {"role": "assistant", "content": text}


# What is sent


def test_chat_sends_the_system_prompt_and_every_turn(playground: Playground) -> None:
    playground.set("System prompt", "Be brief.")
    playground.say("One?", Reply(text="First."))
    playground.say("Two?", Reply(text="Second."))

    assert playground.turns() == ["One?", "First.", "Two?", "Second."]
    system = {"role": "system", "content": "Be brief."}
    assert playground.asked()["messages"] == [
        *(system, user("One?"), assistant("First."), user("Two?"))
    ]


def test_prompt_goes_alone(playground: Playground) -> None:
    playground.choose("Prompt")
    playground.say("One?", Reply(text="First."))
    playground.say("Two?", Reply(text="Second."))

    assert playground.turns() == ["One?", "First.", "Two?", "Second."]
    assert playground.asked() == {"prompt": "Two?", "stream": True, "max_tokens": 256}


def test_raw_prompt_is_the_template_filled_in(playground: Playground) -> None:
    playground.set("System prompt", "Be brief.")
    playground.choose("Raw")
    playground.write("Hello")
    shown = playground.page.get_by_label("Raw prompt").input_value()
    playground.say("Hello", Reply(text="Hi."))

    assert shown == TEMPLATE.format("Be brief.", "Hello")
    assert playground.asked()["prompt"] == shown
    assert playground.asked()["raw"] is True


@pytest.mark.thorough
def test_raw_prompt_can_be_edited_as_a_whole_and_filled_in_again(playground: Playground) -> None:
    playground.choose("Raw")
    playground.write("Hello")
    box = playground.page.get_by_label("Raw prompt")
    filled = box.input_value()
    box.fill("Once upon a time")
    playground.ai.script(Reply(text=" there was."))
    box.press("Enter")
    playground.wait()
    kept = box.input_value()
    playground.page.get_by_role("button", name="Back to the template").click()
    playground.write("Hello")

    assert playground.asked()["prompt"] == "Once upon a time"
    assert kept == "Once upon a time"
    assert box.input_value() == filled


@pytest.mark.thorough
def test_kinds_of_prompts_keep_their_own_turns(playground: Playground) -> None:
    playground.say("One?", Reply(text="First."))
    playground.choose("Prompt")
    none = playground.turns()
    playground.choose("Chat")

    assert none == []
    assert playground.turns() == ["One?", "First."]


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["Chat", "Prompt", "Raw"])
def test_box_and_buttons_have_names_of_their_own(playground: Playground, kind: str) -> None:
    playground.choose(kind)
    page = playground.page
    expect(page.get_by_role("textbox", name="Message")).to_have_count(1)
    expect(page.get_by_role("button", name="Send")).to_have_count(1)
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    playground.ai.script(Reply(text="word", stall_after=1))
    playground.start("Hello")

    expect(page.get_by_role("button", name="Stop")).to_have_count(1)
    expect(page.get_by_role("button", name="Send")).to_have_count(0)
    page.get_by_role("button", name="Stop").click()
    playground.wait()


@pytest.mark.thorough
def test_shift_and_enter_breaks_the_line(playground: Playground) -> None:
    box = playground.page.get_by_role("textbox", name="Message")
    box.fill("One")
    box.press("Shift+Enter")
    box.press_sequentially("two")
    playground.page.get_by_role("button", name="Send").click()
    playground.wait()

    assert playground.asked()["messages"] == [user("One\ntwo")]
    assert box.input_value() == ""


@pytest.mark.thorough
def test_enter_that_ends_a_composition_sends_nothing(playground: Playground) -> None:
    playground.write("にほん")
    box = playground.page.get_by_role("textbox", name="Message")
    for event in ({"isComposing": True}, {"keyCode": 229}):
        box.dispatch_event("keydown", {"key": "Enter", **event})

    assert playground.turns() == []
    assert box.input_value() == "にほん"


@pytest.mark.thorough
def test_nothing_written_sends_nothing(playground: Playground) -> None:
    playground.start(" \n")
    playground.page.get_by_role("button", name="Send").click()

    assert playground.turns() == []


def test_every_number_that_is_set_is_sent(playground: Playground) -> None:
    for name, value in NUMBERS.items():
        playground.set(name, str(value))
    playground.page.get_by_label("rejectIfBusy").check()
    playground.say("Hello", Reply(text="Hi."))

    asked = playground.asked()
    assert {name: asked[name] for name in NUMBERS} == NUMBERS
    assert b'"rejectIfBusy":true' in bytes(playground.ai.received[-1].options)


def test_what_is_reset_is_not_sent(playground: Playground) -> None:
    for name, value in NUMBERS.items():
        playground.set(name, str(value))
    playground.set("tools", TOOL)
    playground.page.get_by_label("Stream").uncheck()
    playground.page.get_by_role("button", name="Reset").click()
    playground.say("Hello", Reply(text="Hi."))

    assert playground.asked() == {
        "messages": [user("Hello")],
        "stream": True,
        "max_tokens": 256,
    }


@pytest.mark.thorough
def test_ranges_and_defaults_are_those_that_the_api_tells(
    playground: Playground, deployed: Deployment
) -> None:
    described = deployed.client.get("/openapi.json").json()
    properties = described["components"]["schemas"]["Inputs"]["properties"]

    for name in NUMBERS:
        known = properties[name]["anyOf"][0]
        shown = playground.page.locator(f"#{name}-range").inner_text()
        assert shown.endswith(f"{known['minimum']} to {known['maximum']}")
    placeholder = playground.page.get_by_label("max_tokens").get_attribute("placeholder")
    assert placeholder == str(properties["max_tokens"]["anyOf"][0]["default"])


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("temperature", "9"),
        ("temperature", "hot"),
        ("max_tokens", "0"),
        ("max_tokens", "4096"),
        ("top_k", "1.5"),
        ("seed", "0"),
    ],
)
def test_wrong_number_is_told_in_the_words_of_the_api(
    playground: Playground, deployed: Deployment, name: str, text: str
) -> None:
    value = text if text == "hot" else float(text) if "." in text else int(text)
    error = deployed.client.post("/run", json={"prompt": "Hello", name: value}).json()["error"]
    playground.set(name, text)
    playground.start("Hello")

    field = playground.page.get_by_label(name, exact=True)
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(re.compile(re.escape(error["message"])))
    assert playground.turns() == []
    field.fill("1")
    expect(field).not_to_have_attribute("aria-invalid", "true")


@pytest.mark.thorough
def test_seed_is_worded_as_the_api_words_it(playground: Playground) -> None:
    playground.set("seed", "-1")
    playground.start("Hello")

    told = playground.page.locator("#seed-wrong").inner_text()
    assert told == "seed: expected an integer from 1 to 9999999999, got -1"


def test_formats_and_tools_are_sent(playground: Playground) -> None:
    playground.page.get_by_label("response_format").select_option("json_schema")
    playground.set("JSON schema", '{"type":"object"}')
    playground.set("tools", TOOL)
    playground.page.get_by_label("Stream").uncheck()
    playground.say("Hello", Reply(response={"answer": 1}))

    assert playground.asked()["response_format"] == {
        "type": "json_schema",
        "json_schema": {"type": "object"},
    }
    assert playground.asked()["tools"][0]["name"] == "look"
    assert playground.turns() == ["Hello", '{"answer":1}']


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "tools: expected valid JSON"), ("{}", "tools: expected an array")],
)
def test_tools_that_are_no_json_array_mark_their_field(
    playground: Playground, text: str, told: str
) -> None:
    playground.set("tools", text)
    playground.start("Hello")

    expect(playground.page.get_by_label("tools", exact=True)).to_be_focused()
    expect(playground.page.locator("#tools-wrong")).to_contain_text(told)


@pytest.mark.thorough
def test_what_is_wrong_with_a_schema_is_told_at_the_schema(playground: Playground) -> None:
    playground.page.get_by_label("Stream").uncheck()
    playground.page.get_by_label("response_format").select_option("json_schema")
    playground.set("JSON schema", "[]")
    playground.start("Hello")

    schema = playground.page.get_by_label("JSON schema")
    expect(schema).to_be_focused()
    expect(schema).to_have_accessible_description("response_format.json_schema: expected an object")
    playground.set("JSON schema", "{}")
    expect(schema).to_have_accessible_description("")
    expect(schema).not_to_have_attribute("aria-invalid", "true")


def test_what_a_model_cannot_do_is_not_offered_and_says_why(playground: Playground) -> None:
    page = playground.page
    expect(page.get_by_label("lora")).to_be_disabled()
    expect(page.locator("#lora-range")).to_have_text("not with this model: no lora")
    page.get_by_label("Model").select_option("@cf/meta/llama-3.1-8b-instruct-fp8")

    for name in ("response_format", "tools"):
        expect(page.get_by_label(name, exact=True)).to_be_disabled()
    expect(page.locator("#response_format-range")).to_contain_text("no json_mode")
    playground.set("lora", "my-adapter")
    playground.choose("Prompt")
    playground.say("Hello", Reply(text="Hi."))
    assert playground.ai.received[-1].model == "@cf/meta/llama-3.1-8b-instruct-fp8"
    assert playground.asked()["lora"] == "my-adapter"


def test_models_are_those_of_the_deployment(playground: Playground, deployed: Deployment) -> None:
    served = [model["id"] for model in deployed.client.get("/v1/models").json()["data"]]

    options = playground.page.locator("#model option")
    assert [option.get_attribute("value") for option in options.all()] == served
    assert "128k" in options.first.inner_text()


# What comes


def test_tokens_appear_as_they_come(playground: Playground) -> None:
    playground.ai.script(Reply(text="one two three four", stall_after=2))
    playground.start("Hello")

    expect(playground.page.locator(".assistant > .text")).to_have_text("one two")
    playground.page.get_by_role("button", name="Stop").click()


SHAPES = {
    "native": Reply(text=TEXT),
    "openai": Reply(text=TEXT, flavour="openai"),
    "both": Reply(text=TEXT, flavour="both"),
    "crlf": Reply(text=TEXT, flavour="both", crlf=True),
    "cut anywhere": Reply(text=TEXT, crlf=True, chunk_bytes=1),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("reply", SHAPES.values(), ids=SHAPES)
def test_text_is_whole_in_every_flavour(playground: Playground, reply: Reply) -> None:
    playground.say("Hello", reply)

    assert playground.turns() == ["Hello", TEXT]
    assert "finish reason" in playground.page.locator(".figures").inner_text()


@pytest.mark.thorough
def test_answer_without_a_stream_is_read_too(playground: Playground) -> None:
    playground.page.get_by_label("Stream").uncheck()
    playground.say("Hello", Reply(text=TEXT))

    assert playground.turns() == ["Hello", TEXT]
    assert "stream" not in playground.asked()


@pytest.mark.thorough
def test_json_that_came_in_place_of_a_stream_is_read(playground: Playground) -> None:
    reply = Reply(chunks=['{"response":"whole"}'], content_type="application/json")
    playground.say("Hello", reply)

    assert playground.turns() == ["Hello", "whole"]


def test_figures_are_those_of_the_request(playground: Playground, deployed: Deployment) -> None:
    playground.say("Hello", Reply(text="one two three", delay_ms=200, tokens_per_second=20))

    page = playground.page
    names = page.locator(".figures dt").all_inner_texts()
    figures = dict(zip(names, page.locator(".figures dd").all_inner_texts(), strict=True))
    assert 0.2 <= float(figures["first token"].removesuffix(" s")) < 5
    assert 5 < float(figures["tokens a second"]) < 60
    assert int(figures["prompt"]) + int(figures["completion"]) == int(figures["total"])
    assert figures["finish reason"] == "stop"
    assert figures["model"] == "@cf/meta/llama-3.1-8b-instruct-fast"
    assert deployed.record(figures["request"])["status"] == 200


@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", ["Chat", "Prompt"])
@pytest.mark.parametrize("is_streamed", [True, False])
def test_answer_that_was_cut_goes_on_where_it_stopped(
    playground: Playground, kind: str, is_streamed: bool
) -> None:
    playground.choose(kind)
    playground.page.get_by_label("Stream").set_checked(is_streamed)
    playground.set("max_tokens", "2")
    playground.say("Hello", Reply(text="one two three four"))
    cut = playground.page.locator(".cut")
    expect(cut).to_contain_text("Cut at max_tokens (2)")
    playground.ai.script(Reply(text=" three"))
    cut.get_by_role("button", name="Continue").click()
    playground.wait()

    assert playground.turns() == ["Hello", "one two three"]
    assert playground.asked()["messages"] == [user("Hello"), assistant("one two"), user(GO_ON)]
    expect(cut).to_have_count(0)
    expect(playground.page.locator(".figures")).to_have_count(2)


@pytest.mark.thorough
def test_raw_prompt_goes_on_as_one_text(playground: Playground) -> None:
    playground.choose("Raw")
    playground.set("max_tokens", "2")
    playground.say("Hello", Reply(text="one two three four"))
    prompt = playground.asked()["prompt"]
    playground.ai.script(Reply(text=" three"))
    playground.page.get_by_role("button", name="Continue").click()
    playground.wait()

    assert playground.asked()["prompt"] == f"{prompt}one two"
    assert playground.turns()[1] == "one two three"


@pytest.mark.sampled(2)
@pytest.mark.parametrize("how", ["button", "Escape"])
def test_stop_is_seen_by_workers_ai_at_once(playground: Playground, how: str) -> None:
    playground.ai.script(Reply(text=LONG, tokens_per_second=20))
    playground.start("Hello")
    expect(playground.page.locator(".assistant > .text")).to_contain_text("This is")
    if how == "button":
        playground.page.get_by_role("button", name="Stop").click()
    else:
        playground.page.keyboard.press(how)

    wait_until(lambda: playground.ai.streams.cancelled == 1, seconds=1)
    expect(playground.page.locator(".cut")).to_have_text("Stopped")
    expect(playground.page.get_by_role("textbox", name="Message")).to_be_focused()
    assert LONG.startswith(playground.turns()[1])


BREAKS = {
    "connection": Reply(text="one two three", break_after=2, tokens_per_second=10),
    "no end": Reply(text="one two", done=False),
    "a failure amid it": Reply(
        chunks=['data: {"response":"one two"}\n\n', 'data: {"error":"out of memory"}\n\n']
    ),
    "a frame that cannot be read": Reply(
        chunks=['data: {"response":"one two"}\n\n', 'data: {"respon\n\n', "data: [DONE]\n\n"]
    ),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("reply", BREAKS.values(), ids=BREAKS)
def test_stream_that_breaks_is_never_shown_as_finished(
    playground: Playground, reply: Reply
) -> None:
    playground.say("Hello", reply)

    said = playground.turns()[1]
    assert said and "one two".startswith(said)  # a reset may take with it what was on its way
    expect(playground.page.locator(".broken")).to_contain_text("The answer broke off")
    assert "finish reason" not in playground.page.locator(".figures").inner_text()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("flavour", ["native", "openai"])
def test_tool_calls_are_shown_and_go_along(playground: Playground, flavour: str) -> None:
    call = ToolCall(name="look", arguments={"at": "the sea"})
    playground.set("tools", TOOL)
    reply = Reply(tool_calls=[call], flavour="openai" if flavour == "openai" else "native")
    playground.say("Look!", reply)
    expect(playground.page.locator(".calls")).to_have_text('look({"at":"the sea"})')
    playground.say("And?", Reply(text="Blue."))

    [_, called, _] = playground.asked()["messages"]
    assert called["role"] == "assistant"
    assert "the sea" in str(called["tool_calls"])


@pytest.mark.thorough
def test_reasoning_is_folded_above_the_answer(playground: Playground) -> None:
    frames = [
        'data: {"choices":[{"delta":{"reasoning_content":"Hm. "}}]}\n\n',
        'data: {"choices":[{"delta":{"reasoning_content":"Yes."}}]}\n\n',
        'data: {"choices":[{"delta":{"content":"42"},"finish_reason":"stop"}]}\n\n',
        "data: [DONE]\n\n",
    ]
    playground.say("Why?", Reply(chunks=frames))
    playground.page.get_by_text("Reasoning").click()

    expect(playground.page.locator(".reasoning .text")).to_have_text("Hm. Yes.")
    assert playground.turns() == ["Why?", "42"]


# What goes wrong


@pytest.mark.sampled(2)
def test_error_is_shown_as_the_api_words_it_and_can_be_tried_again(
    playground: Playground,
) -> None:
    playground.say("Hello", Reply(error=3040))
    error = playground.page.get_by_role("alert")
    expect(error).to_contain_text("no capacity just now, try again soon")
    expect(error).to_contain_text("no_capacity · HTTP 429 · request ")
    expect(error).to_contain_text(re.compile("Try again ?in [12] s"))
    playground.ai.script(Reply(text="Hi."))
    error.get_by_role("button", name="Try again").click()
    playground.wait()

    assert playground.turns() == ["Hello", "Hi."]
    expect(error).to_have_count(0)


@pytest.mark.thorough
def test_wait_until_midnight_is_told_in_hours_or_minutes(playground: Playground) -> None:
    playground.say("Hello", Reply(error=3036))

    told = playground.page.locator(".countdown").inner_text()
    assert re.fullmatch(r"in (\d+ h \d+ min|\d+ min|\d+ s)", told)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("seconds", "told"), [(170, "in 3 min"), (7_130, "in 119 min"), (7_199, "in 2 h 0 min")]
)
def test_wait_is_told_as_the_api_gives_it(playground: Playground, seconds: int, told: str) -> None:
    error = {"error": {"code": "allocation_used_up", "message": "It is used up."}}
    headers = {"retry-after": str(seconds), "x-should-retry": "false"}
    playground.page.route(
        "**/run", lambda route: route.fulfill(status=429, headers=headers, json=error)
    )

    playground.say("Hello")

    expect(playground.page.locator(".countdown")).to_have_text(told)


@pytest.mark.thorough
def test_error_of_the_api_marks_the_field_that_it_names(playground: Playground) -> None:
    playground.say("x" * 140_000)

    box = playground.page.get_by_role("textbox", name="Message")
    expect(box).to_have_attribute("aria-invalid", "true")
    expect(box).to_have_accessible_description(re.compile("131072"))


def test_wrong_key_leads_to_the_key(playground: Playground) -> None:
    playground.page.get_by_role("tab", name="Code").click()
    playground.page.evaluate(f"sessionStorage.setItem('edgewise-key', '{WRONG_KEY}')")
    playground.page.reload()
    playground.page.get_by_role("tab", name="Code").click()
    playground.say("Hello")

    expect(playground.page.get_by_label("Key", exact=True)).to_be_focused()
    expect(playground.page.locator("#key-wrong")).to_contain_text(
        "expected a key of this deployment"
    )
    expect(playground.page.get_by_role("alert")).to_contain_text("unauthorized · HTTP 401")
    playground.set("Key", KEY)
    playground.ai.script(Reply(text="Hi."))
    playground.page.get_by_role("button", name="Try again").click()
    playground.wait()
    assert playground.turns() == ["Hello", "Hi."]


@pytest.mark.thorough
def test_deployment_that_cannot_be_reached_is_told(playground: Playground) -> None:
    playground.page.route("**/run", lambda route: route.abort())
    playground.say("Hello")

    expect(playground.page.get_by_role("alert")).to_contain_text("cannot be reached")


@pytest.mark.thorough
def test_whom_access_has_signed_out_is_told_to_reload(playground: Playground) -> None:
    login = {"location": "https://team.cloudflareaccess.com/login"}
    playground.page.route("**/run", lambda route: route.fulfill(status=302, headers=login))
    playground.say("Hello")

    error = playground.page.get_by_role("alert")
    expect(error).to_contain_text("You are signed out")
    expect(error.get_by_role("button", name="Reload")).to_be_visible()


@pytest.mark.thorough
def test_error_that_is_no_json_is_told_by_its_status(playground: Playground) -> None:
    playground.page.route("**/run", lambda route: route.fulfill(status=520, body="<h1>520</h1>"))
    playground.say("Hello")

    expect(playground.page.get_by_role("alert")).to_contain_text("HTTP 520, and nothing says why")


# The key


def test_key_is_sent_as_a_bearer_and_kept_in_the_tab_alone(
    playground: Playground, deployed: Deployment
) -> None:
    page = playground.page
    playground.set("Key", KEY)
    playground.say("Hello", Reply(text="Hi."))
    request = page.locator(".figures dd").last.inner_text()
    page.reload()

    assert deployed.record(request)["caller"] == "shop"
    expect(page.get_by_label("Key", exact=True)).to_have_value(KEY)
    assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    assert page.evaluate("Object.values({...sessionStorage})") == [KEY]
    assert KEY not in page.url


@pytest.mark.thorough
def test_key_is_hidden_until_it_is_to_be_shown(playground: Playground) -> None:
    key = playground.page.get_by_label("Key", exact=True)
    show = playground.page.get_by_role("button", name="Show")
    expect(key).to_have_attribute("type", "password")
    show.click()

    expect(key).to_have_attribute("type", "text")
    expect(show).to_have_attribute("aria-pressed", "true")


@pytest.mark.thorough
def test_key_that_is_cleared_is_forgotten(playground: Playground) -> None:
    playground.set("Key", KEY)
    playground.write("Hello")
    playground.set("Key", "")
    playground.write("Hello again")

    assert playground.page.evaluate("sessionStorage.length") == 0


# The conversation


def test_turn_can_be_edited_and_retried(playground: Playground) -> None:
    playground.say("One?", Reply(text="First."))
    playground.say("Two?", Reply(text="Second."))
    playground.press(0, "Edit")
    playground.page.get_by_label("Text of this turn").fill("Uno?")
    playground.ai.script(Reply(text="Primo."))
    playground.press(0, "Save and retry")
    playground.wait()

    assert playground.turns() == ["Uno?", "Primo."]
    assert playground.asked()["messages"] == [user("Uno?")]


@pytest.mark.thorough
def test_answer_can_be_edited_and_goes_along_so(playground: Playground) -> None:
    playground.say("One?", Reply(text="First."))
    playground.press(1, "Edit")
    playground.page.get_by_label("Text of this turn").fill("Another.")
    playground.press(1, "Save")
    playground.say("Two?", Reply(text="Second."))

    assert playground.asked()["messages"][1] == assistant("Another.")


@pytest.mark.thorough
def test_edit_that_is_cancelled_changes_nothing(playground: Playground) -> None:
    playground.say("One?", Reply(text="First."))
    playground.press(0, "Edit")
    box = playground.page.get_by_label("Text of this turn")
    box.fill("Uno?")
    box.press("Escape")

    assert playground.turns() == ["One?", "First."]


def test_answer_that_is_retried_is_replaced(playground: Playground) -> None:
    playground.say("One?", Reply(text="First."))
    playground.ai.script(Reply(text="Better."))
    playground.press(1, "Retry")
    playground.wait()

    assert playground.turns() == ["One?", "Better."]


@pytest.mark.thorough
def test_earlier_prompt_that_is_retried_is_asked_again_at_the_end(playground: Playground) -> None:
    playground.choose("Prompt")
    playground.say("One?", Reply(text="First."))
    playground.say("Two?", Reply(text="Second."))
    playground.ai.script(Reply(text="Better."))
    playground.press(0, "Retry")
    playground.wait()

    assert playground.turns() == ["One?", "First.", "Two?", "Second.", "One?", "Better."]


def test_turn_that_is_deleted_can_be_brought_back(playground: Playground) -> None:
    playground.say("One?", Reply(text="First."))
    playground.press(1, "Delete")
    left = playground.turns()
    playground.page.get_by_role("button", name="Undo").click()

    assert left == ["One?"]
    assert playground.turns() == ["One?", "First."]


@pytest.mark.thorough
def test_new_chat_clears_and_can_be_undone(playground: Playground) -> None:
    playground.say("One?", Reply(text="First."))
    playground.page.get_by_role("button", name="New chat").click()
    cleared = playground.turns()
    playground.page.get_by_role("button", name="Undo").click()
    kept = playground.turns()
    playground.page.get_by_role("button", name="New chat").click()
    playground.say("Two?", Reply(text="Second."))

    assert (cleared, kept) == ([], ["One?", "First."])
    assert playground.asked()["messages"] == [user("Two?")]


@pytest.mark.thorough
def test_conversation_lives_as_long_as_the_page(playground: Playground) -> None:
    playground.say("One?", Reply(text="First."))
    playground.page.reload()

    assert playground.turns() == []


# How it is shown


@pytest.mark.thorough
def test_reader_at_the_end_stays_there_and_nobody_else_is_moved(playground: Playground) -> None:
    page = playground.page
    reply = Reply(text=LONG, tokens_per_second=1500)
    playground.set("max_tokens", "2048")
    playground.ai.script(reply)
    playground.start("Hello")
    left = "(box) => box.scrollHeight - box.scrollTop - box.clientHeight"
    scroller = page.locator("#scroller")
    wait_until(lambda: scroller.evaluate("(box) => box.scrollTop") > 600)
    assert scroller.evaluate(left) < 30
    scroller.hover()
    page.mouse.wheel(0, -300)
    jump = page.get_by_role("button", name="Jump to the end")
    jump.wait_for()
    top = scroller.evaluate("(box) => box.scrollTop")
    playground.wait()

    assert scroller.evaluate("(box) => box.scrollTop") <= top
    jump.click()
    assert scroller.evaluate(left) < 2
    expect(jump).to_be_hidden()


MEASURE = """
window.shifts = [];
window.longest = 0;
new PerformanceObserver((list) => {
  for (const { value, sources } of list.getEntries()) {
    shifts.push([value, ...sources.map(({ node }) => node?.outerHTML ?? node?.textContent)]);
  }
}).observe({ type: "layout-shift" });
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
}).observe({ type: "longtask" });
"""


@pytest.mark.thorough
def test_nothing_jumps_while_text_comes(playground: Playground) -> None:
    page = playground.page
    playground.set("max_tokens", "600")
    playground.say("One?", Reply(text="First."))
    page.evaluate(MEASURE)
    playground.say("Two?", Reply(text=LONG, tokens_per_second=400, flavour="both"))

    expect(page.locator(".cut")).to_contain_text("Cut at max_tokens (600)")
    assert page.evaluate("shifts") == []


@pytest.mark.thorough
def test_screen_reader_hears_the_beginning_and_the_end(playground: Playground) -> None:
    status = playground.page.get_by_role("status")
    playground.ai.script(Reply(text="one two", stall_after=1))
    playground.start("Hello")
    expect(playground.page.locator(".assistant")).to_have_attribute("aria-busy", "true")
    expect(status).to_have_text("Answering")
    playground.page.get_by_role("button", name="Stop").click()
    expect(status).to_have_text("Answer stopped")
    playground.say("Hello", Reply(text="one two"))

    expect(status).to_have_text(re.compile(r"Answer finished, \d tokens"))
    expect(playground.page.locator(".assistant").last).not_to_have_attribute("aria-busy", "true")


@pytest.mark.thorough
def test_everything_is_reached_by_keys(playground: Playground) -> None:
    page = playground.page
    page.get_by_role("link", name="Skip to writing").press("Enter")
    expect(page.get_by_role("textbox", name="Message")).to_be_focused()
    page.get_by_role("radio", name="Chat").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Prompt")).to_be_checked()
    page.get_by_role("tab", name="Settings").focus()
    page.keyboard.press("ArrowRight")

    expect(page.get_by_role("tab", name="Code")).to_be_focused()
    expect(page.get_by_role("tabpanel", name="Code")).to_be_visible()


@pytest.mark.parametrize("watched", [PHONE], indirect=True, ids=["phone"])
def test_phone_has_the_settings_behind_a_button(playground: Playground) -> None:
    page = playground.page
    button = page.get_by_role("button", name="Settings")
    expect(page.get_by_label("temperature")).to_be_hidden()
    button.click()
    playground.set("temperature", "9")
    page.keyboard.press("Escape")
    playground.start("Hello")
    expect(page.get_by_label("temperature")).to_be_focused()
    playground.set("temperature", "1")
    page.get_by_role("button", name="Close").click()
    playground.say("x" * 500, Reply(text="y" * 500))

    assert playground.asked()["temperature"] == 1
    assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.thorough
def test_page_names_its_version_and_leads_to_the_reference(
    playground: Playground, deployed: Deployment
) -> None:
    version = deployed.client.get("/health").json()["version"]
    expect(playground.page.locator("#version")).to_have_text(version)
    playground.page.get_by_role("link", name="API reference").click()

    playground.page.wait_for_url("**/docs")


@pytest.mark.thorough
def test_page_is_not_python_s_to_serve_and_names_nothing_from_the_root(
    deployed: Deployment,
) -> None:
    page = deployed.client.get("/")

    assert "script-src" in page.headers["content-security-policy"] or (
        "default-src 'self'" in page.headers["content-security-policy"]
    )
    assert not re.search(r'(href|src)="/', page.text)
    assert "x-request-id" not in page.headers


def test_page_works_without_having_learnt_anything(watched: Watched, deployed: Deployment) -> None:
    page = watched.page
    for path in ("openapi.json", "v1/models", "health"):
        page.route(f"**/{path}", lambda route: route.fulfill(status=503, body="{}"))
    page.goto(f"{deployed.address}/")
    playground = Playground(page, deployed.address, deployed.ai)
    playground.set("temperature", "9")
    playground.say("Hello")

    expect(page.get_by_role("alert")).to_contain_text("temperature: expected a number from 0 to 5")
    expect(page.get_by_label("temperature")).to_have_attribute("aria-invalid", "true")
