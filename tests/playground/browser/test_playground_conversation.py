"""The playground's conversation on its own, in Node: it needs no page."""

import json
from typing import Any

import pytest

from tests.playground.browser.conftest import MODULES, run_module

# `say` says something and has it answered; `texts` is what was said.
PROGRAM = """
const { Conversation } = await import(process.argv[1]);
const lost = [];
const conversation = new Conversation((turn) => lost.push(turn.text));
const say = (text, answer) => {
  const { turn, body } = conversation.say(text, "Be brief.", { top_k: 5 });
  turn.text = answer;
  return body;
};
const texts = () => conversation.turns.map(({ text }) => text);
const run = () => { %s };
process.stdout.write(JSON.stringify(run()));
"""


def run(program: str) -> Any:
    """Run a program over a conversation, and read what it returns."""
    source = PROGRAM % program
    return json.loads(run_module(source, b"", str(MODULES / "conversation.js")))


def test_body_holds_what_was_said_before_and_not_the_answer_to_come() -> None:
    body = run('say("One?", "First."); return say("Two?", "Second.");')

    assert [message["content"] for message in body["messages"]] == [
        *("Be brief.", "One?", "First.", "Two?")
    ]
    assert body["top_k"] == 5


def test_kinds_have_turns_and_last_requests_of_their_own() -> None:
    program = """
      say("One?", "First.");
      conversation.choose("prompt");
      const before = [texts(), conversation.previewLast({})];
      say("Two?", "Second.");
      return [...before, texts(), conversation.previewLast({ seed: 1 })];
    """

    assert run(program) == [[], None, ["Two?", "Second."], {"prompt": "Two?", "seed": 1}]


@pytest.mark.parametrize(
    ("change", "left", "undoable", "lost"),
    [
        ("conversation.remove(turns[1])", ["One?", "Two?", "Second."], "Turn deleted", ["First."]),
        ("conversation.clear()", [], "Cleared", ["One?", "First.", "Two?", "Second."]),
        (
            "conversation.retry(turns[3], '', {})",
            ["One?", "First.", "Two?", ""],
            "Answer replaced",
            ["Second."],
        ),
        (
            "conversation.retry(turns[0], '', {})",
            ["One?", ""],
            "Later turns deleted",
            ["First.", "Two?", "Second."],
        ),
        (
            "conversation.goOn(turns[1], '', {})",
            ["One?", "First."],
            "Later turns deleted",
            ["Two?", "Second."],
        ),
    ],
    ids=["delete", "clear", "retry", "retry earlier", "continue"],
)
def test_change_can_be_undone(change: str, left: list[str], undoable: str, lost: list[str]) -> None:
    program = f"""
      say("One?", "First.");
      say("Two?", "Second.");
      const turns = conversation.turns;
      {change};
      const changed = [texts(), conversation.undoable, [...lost]];
      conversation.undo();
      return [...changed, texts(), conversation.undoable];
    """

    assert run(program) == [left, undoable, lost, ["One?", "First.", "Two?", "Second."], ""]


@pytest.mark.parametrize("step", ['say("Two?", "Second.")', 'conversation.choose("raw")'])
def test_nothing_is_undone_once_something_else_was_done(step: str) -> None:
    program = f"""
      say("One?", "First.");
      conversation.remove(conversation.turns[0]);
      {step};
      const left = texts();
      conversation.undo();
      return [conversation.undoable, left, texts()];
    """

    undoable, left, after = run(program)

    assert undoable == ""
    assert after == left
