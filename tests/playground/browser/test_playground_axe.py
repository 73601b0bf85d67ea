"""Everybody can use the playground: axe finds nothing in any of its states."""

from collections.abc import Iterator

import pytest

from tests.harness import axe
from tests.harness.watched import needs_chromium
from tests.playground.browser.conftest import Playground
from workers_ai_local import Reply, ToolCall

pytestmark = [needs_chromium, pytest.mark.thorough]

CODE = ("curl", "fetch", "EventSource", "env.AI", "Binding", "Python")
FITS = "document.documentElement.scrollWidth <= innerWidth"
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
ZOOMED = {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2}
LONG = "Donaudampfschifffahrtsgesellschaft" * 9


def _states(playground: Playground) -> Iterator[str]:
    """Bring the playground into one state after the other."""
    page = playground.page
    is_narrow = page.get_by_role("button", name="Settings", exact=True).is_visible()
    yield "empty"
    playground.say(LONG, Reply(text=f"{LONG} answer"))
    yield "answered"
    playground.press(0, "Edit")
    yield "editing"
    playground.press(0, "Cancel")
    playground.ai.script(Reply(text="one two three", stall_after=2))
    playground.start("Hello")
    page.locator(".assistant > .text", has_text="one two").wait_for()
    yield "streaming"
    page.get_by_role("button", name="Stop").click()
    playground.wait()
    yield "stopped"
    playground.say("Hello", Reply(error=3040))
    yield "error"
    page.locator(".turn").last.get_by_role("button", name="Try again").click()
    playground.wait()
    playground.say("Hello", Reply(text="one two", done=False))
    yield "broken"
    playground.say("Hello", Reply(tool_calls=[ToolCall(name="look", arguments={"a": LONG})]))
    yield "calls"
    thought = f'data: {{"choices":[{{"delta":{{"reasoning_content":"{LONG}"}}}}]}}\n\n'
    playground.say("Hello", Reply(chunks=[thought, "data: [DONE]\n\n"]))
    page.get_by_text("Reasoning").click()
    yield "reasoning"
    playground.press(1, "Delete")
    yield "deleted"
    if is_narrow:
        page.get_by_role("button", name="Settings").click()
    yield "settings"
    playground.set("max_tokens", "2")
    playground.set("top_k", "1.5")
    page.get_by_label("response_format").select_option("json_schema")
    if is_narrow:
        page.get_by_role("button", name="Close").click()
    playground.start("Hello")
    yield "wrong settings"
    page.get_by_role("tab", name="Code").click()
    for language in CODE:
        page.get_by_role("tab", name=language, exact=True).click()
        playground.read_code()
        yield language
    page.get_by_role("tab", name="Settings").click()
    page.get_by_label("response_format").select_option("")
    playground.set("top_k", "")
    if is_narrow:
        page.get_by_role("button", name="Close").click()
    for kind in ("Prompt", "Raw"):
        playground.choose(kind)
        yield kind
        playground.say("Hello", Reply(text="one two three four"))
        yield f"{kind}, cut"


@pytest.mark.parametrize(
    "watched",
    [{"color_scheme": "light"}, {"color_scheme": "dark"}, PHONE, ZOOMED],
    indirect=True,
    ids=["light", "dark", "phone", "zoomed"],
)
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(playground: Playground) -> None:
    wrong = {}
    for state in _states(playground):
        found = axe.find(playground.page)
        if not playground.page.evaluate(FITS):
            found.append(("wider than the screen", ""))
        if found:
            wrong[state] = found

    assert wrong == {}
