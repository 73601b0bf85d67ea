"""The playground while 10,000 tokens come, as fast as they can or as fast as they are read."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.harness.processes import wait_until
from tests.harness.watched import expect, needs_chromium
from tests.playground.browser.conftest import Playground
from workers_ai_local import Scripted

pytestmark = [needs_chromium, pytest.mark.thorough]

FEW, MANY = 2_500, 10_000
# What grows with the square of the text would take 16 times as long, what grows with it 4 times.
MOST_TIMES = 9
ROUNDS = 3
# Characters that a frame may show, and so lays out, however many wait.
MOST_SHOWN = 8_000
_WATCH = """
window.counted = { frames: 0, records: 0, nodes: 0, removed: 0, shifts: 0 };
new MutationObserver((records) => {
  counted.records += records.length;
  for (const { addedNodes, removedNodes } of records) {
    counted.nodes += addedNodes.length;
    counted.removed += removedNodes.length;
  }
}).observe(document.querySelector(".assistant:last-child > .text"),
  { childList: true, characterData: true, subtree: true });
new PerformanceObserver((list) => {
  for (const { value, hadRecentInput } of list.getEntries()) {
    if (!hadRecentInput) counted.shifts += value;
  }
}).observe({ type: "layout-shift" });
(function count() { counted.frames += 1; requestAnimationFrame(count); })();
"""
_WATCH_SHOWN = """
window.shown = [];
new MutationObserver(() => {
  const length = document.querySelector(".assistant > .text")?.textContent.length ?? 0;
  const before = shown.reduce((sum, more) => sum + more, 0);
  if (length > before) shown.push(length - before);
}).observe(document.body, { childList: true, characterData: true, subtree: true });
"""


def _word(number: int) -> str:
    return f" word{number}" if number % 17 else f" word{number}.\n"


def _event(number: int) -> bytes:
    return f"data: {json.dumps({'response': _word(number)})}\n\n".encode()


def _text(count: int) -> str:
    return "".join(map(_word, range(count)))


async def _tokens(count: int, at_once: int, pace: float) -> AsyncIterator[bytes]:
    """Tokens: some at once, the others so many a second."""
    for start in range(0, at_once, 50):
        yield b"".join(map(_event, range(start, min(start + 50, at_once))))
        await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    begun, done = loop.time(), at_once
    while done < count:
        await asyncio.sleep(1 / pace)
        due = min(count, at_once + int((loop.time() - begun) * pace) + 1)
        yield b"".join(map(_event, range(done, due)))
        done = due
    yield b"data: [DONE]\n\n"


async def _then_wait(event: bytes) -> AsyncIterator[bytes]:
    yield event
    await asyncio.Event().wait()


def _spent(session: Any) -> dict[str, float]:
    """Seconds that the page has spent, by what on."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return {metric["name"]: metric["value"] for metric in metrics}


def test_ten_thousand_tokens_take_four_times_as_long_as_a_quarter_of_them(
    playground: Playground,
) -> None:
    session = playground.page.context.new_cdp_session(playground.page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    took: dict[int, list[float]] = {100: [], FEW: [], MANY: []}
    for count in [100, *(FEW, MANY) * ROUNDS]:
        playground.page.get_by_role("button", name="New chat").click()
        before = _spent(session)
        playground.ai.script(Scripted(_tokens(count, count, 1)))
        playground.start("Hello")
        playground.wait()
        after = _spent(session)
        took[count].append(
            sum(
                after[name] - before[name]
                for name in ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration")
            )
        )

        assert playground.turns() == ["Hello", _text(count)]
    assert min(took[MANY]) < MOST_TIMES * max(min(took[FEW]), 0.02), took


def test_what_comes_at_once_is_shown_in_several_frames(playground: Playground) -> None:
    page = playground.page
    many = _text(MANY)
    frame = json.dumps({"response": many})
    playground.ai.script(Scripted(_then_wait(f"data: {frame}\n\n".encode())))
    page.evaluate(_WATCH_SHOWN)
    playground.start("Hello")
    last = many.splitlines()[-1]
    page.locator(".assistant > .text", has_text=last).wait_for()
    shown = page.evaluate("shown")
    page.get_by_role("button", name="Stop").click()
    playground.wait()

    assert sum(shown) == len(many)
    assert max(shown) <= MOST_SHOWN, shown
    assert playground.turns() == ["Hello", many]


def test_tokens_touch_little_and_move_nothing(playground: Playground) -> None:
    page = playground.page
    playground.ai.script(Scripted(_tokens(MANY, MANY - 1_000, 500)))
    playground.start("Hello")
    page.locator(".assistant > .text", has_text=f"word{MANY - 900} ").wait_for()
    page.evaluate(_WATCH)
    scroller = page.locator("#scroller")
    scroller.hover()
    page.mouse.wheel(0, -500)
    page.get_by_role("button", name="Jump to the end").wait_for()
    top = scroller.evaluate("(box) => box.scrollTop")
    playground.wait()
    counted = page.evaluate("counted")

    assert playground.turns() == ["Hello", _text(MANY)]
    assert scroller.evaluate("(box) => box.scrollTop") == top
    assert counted["removed"] == 0
    lines = _text(MANY).count("\n", len(_text(MANY - 1_000)))
    assert counted["records"] <= counted["frames"] + counted["nodes"] + lines + 2, counted
    assert counted["nodes"] <= 5, counted
    assert counted["shifts"] == 0


def test_many_tokens_can_be_stopped_within_a_second(playground: Playground) -> None:
    playground.ai.script(Scripted(_tokens(5 * MANY, MANY, 500)))
    playground.start("Hello")
    page = playground.page
    page.locator(".assistant > .text", has_text=f"word{MANY + 50} ").wait_for()
    page.get_by_role("button", name="Stop").click()

    wait_until(lambda: playground.ai.streams.cancelled == 1, seconds=1)
    expect(page.locator(".cut")).to_have_text("Stopped")
