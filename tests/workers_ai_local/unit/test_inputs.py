import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers_ai_local.unit.local_ai import FAST, SCOPED, ask
from tests.workers_ai_local.unit.local_ai import run as run_on
from workers_ai_local.binding import MODEL_HEADER
from workers_ai_local.scripts import Scripted
from workers_ai_local.service import WorkersAi

FP8 = "@cf/meta/llama-3.1-8b-instruct-fp8"


def run(inputs: object, model: str = FAST, path: str = "/run") -> httpx.Response:
    """Ask a Workers AI that nobody has scripted."""
    return run_on(WorkersAi(), inputs, model, path=path)


def events(response: httpx.Response) -> list[str]:
    """The data of each event of a stream."""
    blocks = response.text.split("\n\n")
    assert blocks.pop() == ""
    assert all(block.startswith("data: ") for block in blocks)
    return [block.removeprefix("data: ") for block in blocks]


@pytest.mark.parametrize("path", ["/run", "/ai-gateway/run"])
def test_answer_has_the_shape_of_workers_ai(path: str) -> None:
    response = run(SCOPED, path=path)

    assert response.headers["content-type"] == "application/json"
    assert response.headers["cf-ai-req-id"]
    body = response.json()
    assert set(body) == {"response", "tool_calls", "usage"}
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_first_words_say_that_it_is_no_model() -> None:
    text = run(SCOPED).json()["response"]

    assert text.startswith("I am a local stand-in for Workers AI, not a model.")


@pytest.mark.parametrize(
    ("inputs", "kind"),
    [
        (SCOPED, "scoped"),
        ({"prompt": "Hello"}, "unscoped"),
        ({"prompt": "Hello", "raw": True}, "raw"),
    ],
)
def test_kinds_of_prompts_are_told_apart(inputs: object, kind: str) -> None:
    assert f"this {kind} prompt: “Hello”." in run(inputs).json()["response"]


def test_raw_prompt_costs_no_template() -> None:
    raw = run({"prompt": "Hello", "raw": True}).json()["usage"]["prompt_tokens"]
    unscoped = run({"prompt": "Hello"}).json()["usage"]["prompt_tokens"]

    assert raw == 1 < unscoped


def test_same_prompt_gives_the_same_text() -> None:
    assert run(SCOPED).json() == run(SCOPED).json()


@pytest.mark.parametrize(
    "other",
    [{"messages": [{"role": "user", "content": "Goodbye"}]}, SCOPED | {"seed": 7}],
    ids=["prompt", "seed"],
)
def test_another_prompt_or_seed_gives_another_text(other: object) -> None:
    assert run(other).json()["response"] != run(SCOPED).json()["response"]


@pytest.mark.parametrize("stream", [False, True])
def test_long_prompt_is_quoted_in_part(stream: bool) -> None:
    response = run({"prompt": "word " * 1000, "stream": stream})

    assert len(response.content) < 20_000
    assert "…" in response.text


@pytest.mark.parametrize("limit", [1, 2, 30])
def test_max_tokens_cuts_the_text(limit: int) -> None:
    whole = run(SCOPED).json()["response"]
    cut = run(SCOPED | {"max_tokens": limit}).json()

    assert cut["usage"]["completion_tokens"] == limit
    assert whole.startswith(cut["response"])


def test_default_of_max_tokens_is_256() -> None:
    long = "Hello 2"
    whole = run({"prompt": long, "max_tokens": 1000}).json()["usage"]["completion_tokens"]

    assert whole > 256
    assert run({"prompt": long}).json()["usage"]["completion_tokens"] == 256


def test_stream_is_tokens_then_usage_then_done() -> None:
    whole = run(SCOPED).json()

    response = run(SCOPED | {"stream": True})

    *tokens, usage, done = events(response)
    assert response.headers["content-type"] == "text/event-stream"
    assert done == "[DONE]"
    assert json.loads(usage) == {"response": "", "usage": whole["usage"]}
    assert "".join(json.loads(token)["response"] for token in tokens) == whole["response"]
    assert len(tokens) == whole["usage"]["completion_tokens"]
    assert len({len(json.loads(token)["p"]) for token in tokens}) > 1


@pytest.mark.parametrize(
    ("inputs", "description"),
    [
        (
            {},
            "Error: oneOf at '/' not met, 0 matches: required properties at '/' are 'prompt',"
            " required properties at '/' are 'messages'",
        ),
        (SCOPED | {"prompt": "Hello"}, "Error: oneOf at '/' not met, 2 matches"),
    ],
)
def test_bad_input_is_5006(inputs: object, description: str) -> None:
    body = run(inputs).json()

    assert (body["internalCode"], body["description"]) == (5006, description)


@pytest.mark.parametrize("inputs", [5, {"prompt": ""}, {"prompt": 5}, {"messages": [{}]}])
def test_input_of_a_wrong_type_is_5006(inputs: object) -> None:
    assert run(inputs).json()["internalCode"] == 5006


def test_retired_model_says_since_when() -> None:
    response = run(SCOPED, "@cf/meta/llama-3.1-8b-instruct")

    assert response.status_code == 410
    body = response.json()
    assert (body["name"], body["internalCode"]) == ("AiError", 5028)
    assert body["description"].startswith("This model was deprecated on 2026-05-30.")


def test_unknown_model_is_5007() -> None:
    response = run(SCOPED, "@cf/nobody/nothing")

    assert response.status_code == 400
    assert response.json()["description"] == "No such model @cf/nobody/nothing or task"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"options":{}}', b"{", b"\xff", b'{"inputs":"\xff"}', b"[" * 100_000],
    ids=["nothing", "array", "no inputs", "half", "no text", "no UTF-8", "deep"],
)
def test_body_that_no_binding_sends_is_refused(body: bytes) -> None:
    response = ask(WorkersAi(), "POST", "/run", body, {MODEL_HEADER: FAST})

    assert response.status_code == 400
    assert response.json()["internalCode"] in (3003, 5006)


def test_body_of_a_test_is_sent_once_to_its_model_alone() -> None:
    workers_ai = WorkersAi()
    workers_ai.script(Scripted([b"one ", b"two"], "text/plain"), model=FAST)

    other = run_on(workers_ai, SCOPED, FP8)
    scripted = run_on(workers_ai, SCOPED)
    after = run_on(workers_ai, SCOPED)

    assert scripted.text == "one two"
    assert scripted.headers["content-type"] == "text/plain"
    assert other.json() == after.json()


WEATHER = {
    "name": "getWeather",
    "description": "Tells the weather.",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where."},
            "days": {"type": "integer", "description": "How many.", "minimum": 1, "maximum": 3},
        },
        "required": ["city", "days"],
    },
}
CLOCK = WEATHER | {"name": "read_clock"}


def asks(text: str, **inputs: object) -> dict[str, object]:
    """The tool calls of the answer to a user who may have tools."""
    messages = [{"role": "user", "content": text}]
    answer = run({"messages": messages, "tools": [CLOCK, WEATHER], **inputs}).json()
    assert (answer["response"] is None) == bool(answer["tool_calls"])
    return {call["name"]: call["arguments"] for call in answer["tool_calls"]}


def test_tool_that_the_prompt_speaks_of_is_called_with_arguments_that_fit() -> None:
    (call,) = asks("What is the weather?").items()

    name, arguments = call
    assert name == "getWeather"
    assert isinstance(arguments, dict)
    assert isinstance(arguments["city"], str)
    assert arguments["days"] in (1, 2, 3)


def test_openai_shape_of_a_tool_is_understood() -> None:
    tool = {"type": "function", "function": WEATHER}

    assert set(asks("What is the weather?", tools=[tool])) == {"getWeather"}


@pytest.mark.parametrize(
    ("tool_choice", "called"),
    [
        ("auto", set()),
        ("none", set()),
        ("required", {"read_clock"}),
        ({"type": "function", "function": {"name": "getWeather"}}, {"getWeather"}),
        ({"type": "function", "function": {"name": "nothing"}}, set()),
        (7, set()),
    ],
)
def test_tool_choice_decides(tool_choice: object, called: set[str]) -> None:
    assert set(asks("Hello", tool_choice=tool_choice)) == called


def test_result_of_a_tool_is_answered_with_text() -> None:
    messages = [
        {"role": "user", "content": "What is the weather?"},
        {"role": "tool", "name": "getWeather", "content": "rain"},
    ]

    answer = run({"messages": messages, "tools": [WEATHER]}).json()

    assert answer["tool_calls"] == []
    assert "“rain”" in answer["response"]


@pytest.mark.parametrize("tools", [5, "x", [5, [], {}], [None, {"name": 7}], {"a": {"name": 7}}])
def test_tools_that_are_none_never_break_the_server(tools: object) -> None:
    response = run(SCOPED | {"tools": tools, "tool_choice": "required"})

    assert response.status_code in (200, 400)
    assert response.headers["content-type"] == "application/json"


def json_mode(schema: object, **inputs: object) -> httpx.Response:
    """Ask for JSON of a schema."""
    mode = {"type": "json_schema", "json_schema": schema}
    return run(SCOPED | {"response_format": mode, **inputs})


def test_json_mode_without_a_schema_gives_an_object() -> None:
    answer = run(SCOPED | {"response_format": {"type": "json_object"}}).json()

    assert answer["response"]["prompt"] == "Hello"


numbers = st.integers(-50, 50)
leaves: st.SearchStrategy[dict[str, object]] = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.just({"enum": ["a", 2]}),
    st.just({"const": {"x": 1}}),
    st.builds(lambda least: {"type": "string", "minLength": least}, st.integers(0, 9)),
    st.builds(lambda most: {"type": "string", "maxLength": most}, st.integers(0, 9)),
    st.builds(lambda least: {"type": "integer", "minimum": least}, numbers),
    st.builds(lambda most: {"type": "number", "maximum": most}, numbers),
)
schemas: st.SearchStrategy[dict[str, object]] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(
            lambda items, n: {"type": "array", "items": items, "minItems": n}, inner, numbers
        ).filter(lambda schema: 0 <= int(str(schema["minItems"])) < 4),
        st.dictionaries(st.sampled_from("abc"), inner, min_size=1).map(
            lambda properties: {"properties": properties, "required": sorted(properties)}
        ),
    ),
    max_leaves=6,
)


def within(value: float, least: object, most: object) -> bool:
    """Whether a number is between two, of which either may be missing."""
    assert isinstance(least, int | None) and isinstance(most, int | None)
    return (least is None or least <= value) and (most is None or value <= most)


def fits(schema: dict[str, object], value: object) -> bool:
    """Whether a value is what the schemas above ask for."""
    match schema:
        case {"enum": list(choices)}:
            return value in choices
        case {"const": constant}:
            return value == constant
        case {"properties": dict(properties)}:
            assert isinstance(value, dict)
            return all(fits(inner, value[name]) for name, inner in properties.items())
        case {"type": "array", "items": dict(items), "minItems": int(least)}:
            assert isinstance(value, list)
            return len(value) >= least and all(fits(items, item) for item in value)
        case {"type": "string"}:
            assert isinstance(value, str)
            return within(len(value), schema.get("minLength"), schema.get("maxLength"))
        case {"type": "integer" | "number" as kind}:
            assert isinstance(value, int if kind == "integer" else int | float)
            return within(value, schema.get("minimum"), schema.get("maximum"))
    return value is None if schema["type"] == "null" else isinstance(value, bool)


@given(schemas)
def test_json_mode_gives_what_the_schema_asks_for(schema: dict[str, object]) -> None:
    asked = {"type": "object", "properties": {"it": schema}, "required": ["it"]}

    answer = json_mode(asked, max_tokens=10_000).json()

    assert fits(schema, answer["response"]["it"])


def test_json_that_max_tokens_cuts_is_5024() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}

    assert json_mode(schema, max_tokens=2).json()["internalCode"] == 5024


def test_json_mode_does_not_stream() -> None:
    inputs = SCOPED | {"response_format": {"type": "json_object"}, "stream": True}

    assert run(inputs).json()["internalCode"] == 5024


def test_context_window_counts_the_prompt_and_max_tokens() -> None:
    prompt = {"prompt": "Hello", "raw": True}

    assert run(prompt | {"max_tokens": 31_999}, FP8).status_code == 200
    error = run(prompt | {"max_tokens": 32_000}, FP8).json()
    assert error["internalCode"] == 5021
    assert error["description"] == (
        "The estimated number of input and maximum output tokens (32001) exceeded this model"
        " context window limit (32000)."
    )


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["prompt", "messages", "role", "content", "tools", "stream", "x"])
                | st.text(max_size=4),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_no_input_breaks_the_server(inputs: object) -> None:
    response = run(inputs)

    assert response.status_code in (200, 400)
