"""No request, in any dialect, makes Workers AI receive more than a cap allows."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from edgewise.app import Platform, call, handle
from edgewise.exchange import Call, Method
from tests.edgewise.caps import (
    MOST_CHARACTERS,
    MOST_MESSAGES,
    MOST_TOKENS,
    MOST_TOOLS,
    SETTING,
    SMALL,
    STRICT,
    cases,
    judge,
)
from tests.edgewise.hostile import MODEL
from tests.edgewise.unit.scripted import (
    NOW,
    ScriptedAi,
    ScriptedLimits,
    ScriptedWeb,
    completion,
    request_of,
    text_arguments,
)
from tools.runtime.config import deployment

CASES = 5_000  # of each kind
ANSWER = completion(response="Hi", usage={"prompt_tokens": 1, "completion_tokens": 1})


def ask_all(settings: Mapping[str, str], seed: int) -> tuple[Counter[int], list[dict[str, Any]]]:
    """
    Ask whatever may be asked, and judge all that Workers AI received.

    Returns:
        How often each status came, and the inputs.
    """
    variables = json.dumps({**deployment().variables, "ALLOW_ANONYMOUS": "true", **settings})
    statuses: Counter[int] = Counter()
    received: list[dict[str, Any]] = []

    async def ask() -> None:
        for case in cases(seed, CASES):
            ai = ScriptedAi([ANSWER])
            platform = Platform(ai, ScriptedLimits(), ScriptedWeb(), lambda: 0.0)
            reply, _ = await handle(request_of(case), variables, platform)
            statuses[reply.status] += 1
            for model, inputs in ai.asked:
                received.append(json.loads(json.dumps(inputs)))
                judge(model, dict(inputs), {})

    asyncio.run(ask())
    return statuses, received


def test_no_request_makes_workers_ai_receive_more_than_a_cap_allows() -> None:
    statuses, inputs = ask_all(SMALL, seed=5)

    assert max(statuses) < 500
    assert 0.2 * 2 * CASES < statuses[200] == len(inputs) < 0.8 * 2 * CASES
    assert MOST_MESSAGES in {len(each.get("messages", [])) for each in inputs}
    assert MOST_TOKENS in {each["max_tokens"] for each in inputs}
    assert MOST_TOOLS in {len(each.get("tools", [])) for each in inputs}
    assert MOST_CHARACTERS in {len(each.get("prompt", "")) for each in inputs}
    assert any(each.get("raw") for each in inputs)


def test_no_request_makes_workers_ai_receive_what_is_switched_off() -> None:
    statuses, inputs = ask_all(STRICT, seed=6)

    assert max(statuses) < 500
    assert 0.1 * 2 * CASES < statuses[200] == len(inputs) < 0.8 * 2 * CASES
    for each in inputs:
        own, *turns = each["messages"]
        assert own == {"role": "system", "content": SETTING}
        assert all(turn["role"] != "system" for turn in turns)
        assert not each.get("raw")
        assert "prompt" not in each


def test_no_call_makes_workers_ai_receive_more_than_a_cap_allows() -> None:
    variables = json.dumps({**deployment().variables, **SMALL})
    kinds: Counter[str] = Counter()
    received: list[dict[str, Any]] = []

    async def ask() -> None:
        asked = [case for case in cases(7, CASES) if case.path.startswith("/run")]
        for number, case in enumerate(asked):
            ai = ScriptedAi([ANSWER])
            platform = Platform(ai, ScriptedLimits(), ScriptedWeb(), lambda: 0.0)
            inputs = case.body.decode("utf-8", "replace")
            if number % 2:
                method, given = Method.GENERATE, [inputs]
            else:
                method, given = Method.RUN, [json.dumps(MODEL), inputs]
            made = Call(method, text_arguments(*given), "{}", "an-id", NOW)
            returned, record = await call(made, variables, platform)
            kinds[type(returned).__name__] += 1
            assert record.status < 500
            for model, sent in ai.asked:
                received.append(json.loads(json.dumps(sent)))
                judge(model, dict(sent), {})

    asyncio.run(ask())

    assert kinds.keys() == {"str", "BadRequest", "UnknownModel", "BodyTooLarge"}
    assert 0.1 * kinds.total() < kinds["str"] == len(received) < 0.9 * kinds.total()
    assert MOST_MESSAGES in {len(each.get("messages", [])) for each in received}
    assert MOST_TOKENS in {each["max_tokens"] for each in received}
    assert MOST_TOOLS in {len(each.get("tools", [])) for each in received}
    assert MOST_CHARACTERS in {len(each.get("prompt", "")) for each in received}
