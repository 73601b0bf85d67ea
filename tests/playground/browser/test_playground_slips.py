"""The playground under slips of the hand: nothing that somebody wrote or paid for is lost."""

import json

import pytest

from tests.harness.credentials import KEY
from tests.harness.processes import wait_until
from tests.harness.watched import expect, needs_chromium
from tests.playground.browser.conftest import Playground
from workers_ai_local import Reply, ToolCall

pytestmark = needs_chromium
SLOW = Reply(text="word " * 400, tokens_per_second=20)
TOOL = '[{"name":"look","description":"Looks.","parameters":{"type":"object","properties":{}}}]'


def press(playground: Playground, name: str) -> None:
    """Press a button that is there once."""
    playground.page.get_by_role("button", name=name, exact=True).click()


def test_double_click_sends_and_does_not_stop(playground: Playground) -> None:
    playground.ai.script(Reply(text="All of it.", tokens_per_second=20))
    playground.write("Hello")

    playground.page.get_by_role("button", name="Send").dblclick()
    playground.wait()

    assert playground.turns() == ["Hello", "All of it."]
    assert len(playground.ai.received) == 1


@pytest.mark.thorough
def test_undo_is_gone_once_something_else_was_said(playground: Playground) -> None:
    playground.say("One", Reply(text="First."))
    playground.press(1, "Delete")
    expect(playground.page.get_by_role("button", name="Undo")).to_be_visible()

    playground.say("Two", Reply(text="Second."))

    expect(playground.page.get_by_role("button", name="Undo")).to_be_hidden()
    assert playground.turns() == ["One", "Two", "Second."]


@pytest.mark.thorough
def test_undo_of_a_retry_stops_what_it_takes_away(playground: Playground) -> None:
    playground.say("One", Reply(text="First."))
    playground.ai.script(SLOW)
    playground.press(0, "Retry")
    expect(playground.page.locator(".turn").nth(1)).to_contain_text("word")

    press(playground, "Undo")

    wait_until(lambda: playground.ai.streams.open == 0, seconds=1)
    playground.wait()
    assert playground.turns() == ["One", "First."]


@pytest.mark.thorough
def test_second_new_chat_leaves_the_undo_of_the_first(playground: Playground) -> None:
    playground.say("One", Reply(text="First."))

    playground.page.get_by_role("button", name="New chat").dblclick()
    press(playground, "Undo")

    assert playground.turns() == ["One", "First."]


@pytest.mark.thorough
def test_new_chat_of_one_kind_lets_another_s_answer_come(playground: Playground) -> None:
    playground.ai.script(Reply(text="one two three", tokens_per_second=10))
    playground.start("One")
    playground.choose("Prompt")
    press(playground, "New chat")
    playground.wait()
    playground.choose("Chat")

    assert playground.turns() == ["One", "one two three"]


@pytest.mark.thorough
def test_retry_that_drops_later_turns_says_so(playground: Playground) -> None:
    for text in ("One", "Two"):
        playground.say(text, Reply(text="Said."))

    playground.press(0, "Retry")

    expect(playground.page.locator("#notice")).to_contain_text("Later turns deleted")
    playground.wait()


@pytest.mark.thorough
def test_message_beside_an_edited_raw_prompt_is_not_lost(playground: Playground) -> None:
    playground.choose("Raw")
    playground.set("Raw prompt", "By hand")
    playground.say("Not sent", Reply(text="Said."))

    assert playground.asked()["prompt"] == "By hand"
    expect(playground.page.get_by_role("textbox", name="Message")).to_have_value("Not sent")


@pytest.mark.thorough
def test_open_edit_is_finished_before_anything_is_sent(playground: Playground) -> None:
    playground.say("One", Reply(text="First."))
    playground.press(0, "Edit")
    box = playground.page.get_by_label("Text of this turn")
    box.fill("Uno")

    playground.start("Two")

    expect(box).to_be_focused()
    assert len(playground.ai.received) == 1
    press(playground, "Save")
    playground.say("Two", Reply(text="Second."))
    assert playground.asked()["messages"][0]["content"] == "Uno"


@pytest.mark.thorough
def test_code_after_continue_is_what_was_sent(playground: Playground) -> None:
    for kind in ("Chat", "Prompt", "Raw"):
        playground.choose(kind)
        playground.set("max_tokens", "2")
        playground.say("One", Reply(text="one two three four"))
        playground.ai.script(Reply(text="three four"))
        press(playground, "Continue")
        playground.wait()
        asked = playground.asked()

        code = playground.open_code("curl")

        shown = json.loads(code[code.index("{") : code.rindex("}") + 1].replace("'\\''", "'"))
        assert shown.get("messages") == asked.get("messages")
        assert shown.get("prompt") == asked.get("prompt")
        playground.page.get_by_role("tab", name="Settings").click()


@pytest.mark.thorough
def test_late_error_leaves_whoever_writes_where_they_are(playground: Playground) -> None:
    playground.set("Key", "ew_0123456789-of-nobody")
    held = []
    playground.page.route("**/run", lambda route: held.append(route))
    playground.start("One")
    playground.page.wait_for_function("() => !document.getElementById('stop').hidden")
    playground.write("half a thou")
    held[0].continue_()
    playground.page.get_by_text("HTTP 401").wait_for()

    playground.page.keyboard.type("ght")

    expect(playground.page.get_by_role("textbox", name="Message")).to_have_value("half a thought")


@pytest.mark.thorough
def test_space_pasted_along_with_a_key_is_no_part_of_it(playground: Playground) -> None:
    key = playground.page.get_by_label("Key", exact=True)
    key.fill(f" {KEY}\t")
    playground.say("One", Reply(text="First."))

    expect(key).to_have_value(KEY)
    assert playground.turns() == ["One", "First."]


@pytest.mark.thorough
def test_tool_choice_goes_along_and_calls_are_the_reason(playground: Playground) -> None:
    playground.set("tools", TOOL)
    playground.set("tool_choice", "look")
    playground.say("Look", Reply(tool_calls=[ToolCall("look", "{}")]))

    assert playground.asked()["tool_choice"] == {"type": "function", "function": {"name": "look"}}
    expect(playground.page.locator(".figures")).to_contain_text("tool_calls")


@pytest.mark.thorough
def test_stop_without_a_stream_says_what_it_cannot(playground: Playground) -> None:
    playground.page.get_by_label("Stream", exact=True).uncheck()
    playground.ai.script(Reply(text="late", delay_ms=2000))
    playground.start("One")
    press(playground, "Stop")

    expect(playground.page.locator(".turn").nth(1)).to_contain_text("the model may go on")


@pytest.mark.thorough
def test_way_back_leads_to_what_was_written(playground: Playground) -> None:
    playground.choose("Raw")
    playground.write("Half")
    playground.page.get_by_role("link", name="API reference").click()
    playground.page.locator(".opblock").first.wait_for()

    playground.page.go_back()

    chosen = playground.page.locator("input[name='kind']:checked").get_attribute("value")
    expect(playground.page.locator("#raw-part")).to_be_visible(visible=chosen == "raw")
    assert chosen == "raw"
    playground.ai.script(Reply(text="Said."))
    playground.page.get_by_role("textbox", name="Message").press("Enter")
    playground.wait()
    assert playground.asked()["raw"] is True
