"""A dialect that only this module knows: everything that it needs is said in one place."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from edgewise import openapi
from edgewise.app import Platform, handle
from edgewise.asked.fields import decode, descriptions
from edgewise.asked.generation import Generation, generate
from edgewise.asked.inputs import Inputs
from edgewise.dialects import API
from edgewise.dialects.rewriting import Rewriting
from edgewise.errors import BadRequest, EdgewiseError
from edgewise.exchange import Reply, Request, Rewritten, Stream
from edgewise.heard.events import Calls, End, Event, Failure, Text
from edgewise.heard.stream import Listener
from edgewise.heard.whole import understand
from edgewise.inference import Answer, Outcome
from edgewise.replies import EVENT_STREAM, JSON, common_headers, json_reply, stream_headers
from edgewise.routes import Api, Dialect, Inference, Lookup, Operation, Route, Schemas
from edgewise.settings import Settings
from tests.edgewise.unit.scripted import (
    FAST,
    NOW,
    Corridor,
    TextBody,
    body_of,
    completion,
    refusal,
    variables,
)

FRIEND = "https://friend.example"
KEY = "ew_0123456789-abcdefghij"


class Ask(msgspec.Struct, frozen=True):
    """A body."""

    say: Annotated[str, Meta(description="a string")]
    most: int = 5
    flow: bool = False
    tool: str | None = None


class Told(msgspec.Struct):
    """An answer."""

    told: str
    because: str | None
    calls: list[str]


class Oops(msgspec.Struct):
    """An error."""

    oops: str
    why: str


_ASK = msgspec.json.Decoder(Ask)
_EXPECTED = {"": "an object", **descriptions(Ask)}


def parse(document: bytes, model: str | None, settings: Settings) -> Generation:
    """Read a body."""
    ask = decode(document, _ASK, _EXPECTED, BadRequest)
    inputs = {
        "messages": [{"role": "user", "content": ask.say}],
        "max_tokens": ask.most,
        "stream": ask.flow,
    }
    if ask.tool:
        inputs["tools"] = [{"type": "function", "function": {"name": ask.tool}}]
    read = msgspec.convert(inputs, Inputs)
    return generate(read, model, settings, ignored=[], limited_by="most", stop=["END"])


def reply(_request: Request, generation: Generation, outcome: Outcome) -> Reply:
    """Answer."""
    headers = stream_headers(generation, outcome)
    if isinstance(outcome.body, Stream):
        listener = Listener(generation.max_tokens, generation.stop, wants_usage=False)
        return Reply(
            200, headers, Rewritten(outcome.body, Rewriting(listener, Writer(), outcome.model))
        )
    heard = understand(outcome.model, outcome.body, generation.max_tokens, generation.stop)
    if generation.stream:
        return Reply(200, headers, Writer().write([*heard.events()]).decode(), heard.counted)
    told = Told(heard.text or "", heard.reason, [piece.name for piece in heard.pieces()])
    return json_reply(200, told, common_headers(generation, outcome), heard.counted)


class Writer:
    """Words events."""

    def write(self, events: Sequence[Event]) -> bytes:
        """See rewriting.Writer."""
        return b"".join(map(self._word, events))

    def close(self) -> bytes:
        """See rewriting.Writer."""
        return b"over\n"

    def _word(self, event: Event) -> bytes:
        match event:
            case Text(text):
                return f"text {text}\n".encode()
            case Calls(pieces):
                return b"".join(f"call {it.name}{it.arguments}\n".encode() for it in pieces)
            case End(reason, stop):
                return f"end {reason} {stop}\n".encode()
            case Failure(code):
                return f"oops {code}\n".encode()
        return b""


def refuse(error: EdgewiseError, headers: Mapping[str, str]) -> Reply:
    """Word an error."""
    return json_reply(error.status, Oops(error.code, error.message), headers)


def about(_request: Request, _route: Route, settings: Settings) -> Reply:
    """Say which model there is."""
    return json_reply(200, Told(settings.default_model, None, []), {})


TOY = Dialect(
    name="Toy",
    paths="/toy",
    refuse=refuse,
    request_headers=["x-toy"],
    operations=[
        Operation(
            name="toyAsk",
            path="/toy/{model}",
            work=Inference(parse=parse, reply=reply),
            summary="An answer, or a flow of it.",
            body="Ask",
            answers={JSON: Told, EVENT_STREAM: None},
        ),
        Operation(
            name="toyAbout",
            path="/toy",
            methods=("GET",),
            work=Lookup(about),
            summary="Which model there is.",
            answers={JSON: Told},
        ),
    ],
    schemas=Schemas(structs=[Ask, Told, Oops], error=Oops, examples={"Ask": {"say": "Hello"}}),
)
WITH_TOY = Api([*API.dialects, TOY])


@dataclass
class Toy(Corridor):
    """A corridor that speaks it too."""

    caller: Mapping[str, str] = field(default_factory=dict)

    def ask(self, method: str = "POST", path: str = f"/toy/{FAST}", **body: object) -> Reply:
        """Ask."""
        return self.send(method, path, TextBody(json.dumps(body).encode()), self.caller)

    def send(self, method: str, path: str, body: TextBody, headers: Mapping[str, str]) -> Reply:
        """Send a request."""
        request = Request(method, path, "", "https://edge.example", headers, body, "a-request", NOW)
        platform = Platform(self.ai, self.limits, self.web, lambda: 0.0)
        answered, record = asyncio.run(handle(request, self.variables, platform, WITH_TOY))
        self.records.append(record)
        return answered


@pytest.fixture
def toy() -> Toy:
    """A corridor over a Workers AI that has one model."""
    return Toy(variables=variables(MODELS=[{"id": FAST}]))


def flow(toy: Toy, *frames: object, tool: str | None = None) -> str:
    """Ask for a flow, and read it."""
    toy.ai.answers = [Answer(200, Stream(object()))]
    answered = toy.ask(say="Hello", flow=True, tool=tool)
    assert isinstance(answered.body, Rewritten)
    rewriter = answered.body.rewriter
    data = [frame if isinstance(frame, str) else json.dumps(frame) for frame in frames]
    told = b"".join(rewriter.feed(f"data: {each}\n\n".encode()) for each in data)
    return (told if rewriter.is_over else told + rewriter.close()).decode()


def test_request_is_routed_parsed_and_answered_in_its_words(toy: Toy) -> None:
    toy.ai.answers = [completion(response="Hi END there", usage={"completion_tokens": 2})]

    answered = toy.ask(say="Hello")

    assert body_of(answered) == {"told": "Hi ", "because": "stop", "calls": []}
    assert (answered.headers["x-model"], answered.headers["x-max-tokens"]) == (FAST, "5")
    assert toy.ai.asked[0][1] == {
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": False,
        "max_tokens": 5,
    }
    assert toy.records[0].route == "POST /toy/{model}"


def test_lookup_asks_no_model(toy: Toy) -> None:
    assert body_of(toy.ask("GET", "/toy"))["told"] == FAST
    assert toy.ai.asked == []


def test_caller_without_a_key_is_refused_in_its_words(toy: Toy) -> None:
    toy.variables = variables(
        MODELS=[{"id": FAST}], API_KEYS=f"shop:{KEY}", ALLOW_ANONYMOUS="false"
    )

    refused, looked = toy.ask(say="Hello"), toy.ask("GET", "/toy")
    toy.caller = {"x-api-key": KEY}
    toy.ai.answers = [completion(response="Hi")]
    taken = toy.ask(say="Hello")

    assert (refused.status, body_of(refused)["oops"]) == (401, "unauthorized")
    assert looked.status == 401
    assert (taken.status, toy.records[-1].caller) == (200, "shop")


def test_rate_limits_and_caps_hold(toy: Toy) -> None:
    long = body_of(toy.ask(say="x" * 900_000))
    many = body_of(toy.ask(say="Hello", most=901))
    toy.limits.is_within = False
    limited = toy.ask(say="Hello")

    assert long["oops"] == "body_too_large"
    assert many["why"].startswith("most: expected at most 900, the ceiling")
    assert (limited.status, body_of(limited)["oops"]) == (429, "rate_limited")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("PUT", "/toy", 405, "method_not_allowed"),
        ("POST", "/toy/none", 404, "model_not_found"),
        ("GET", "/toys", 404, "not_found"),
    ],
)
def test_error_is_in_its_words_wherever_it_comes_from(
    toy: Toy, method: str, path: str, status: int, code: str
) -> None:
    refused = toy.ask(method, path, say="Hello")

    assert (refused.status, body_of(refused)["oops"]) == (status, code)


def test_wrong_body_names_the_field(toy: Toy) -> None:
    assert body_of(toy.ask(say=5))["why"].startswith("say: ")


def test_failure_of_workers_ai_is_in_its_words(toy: Toy) -> None:
    toy.ai.answers = [refusal(3040)]

    assert body_of(toy.ask(say="Hello"))["oops"] == "no_capacity"


def test_flow_is_told_in_its_words(toy: Toy) -> None:
    told = flow(
        toy, {"response": "Hi"}, {"response": "", "usage": {"completion_tokens": 1}}, "[DONE]"
    )

    assert told == "text Hi\nend stop None\nover\n"


def test_flow_ends_at_a_stop_text(toy: Toy) -> None:
    assert flow(toy, {"response": "Hi E"}, {"response": "ND x"}) == (
        "text Hi \nend stop END\nover\n"
    )


def test_flow_that_is_cut_says_so(toy: Toy) -> None:
    told = flow(
        toy, {"response": "Hi"}, {"response": "", "usage": {"completion_tokens": 5}}, "[DONE]"
    )

    assert told.endswith("end length None\nover\n")


def test_flow_calls_a_tool(toy: Toy) -> None:
    call = {"name": "look", "arguments": {"at": 1}}

    told = flow(toy, {"tool_calls": [call]}, {"choices": [{"finish_reason": "stop"}]}, tool="look")

    assert told == 'call look{"at": 1}\nend tool_calls None\nover\n'


def test_flow_that_breaks_does_not_end_well(toy: Toy) -> None:
    assert flow(toy, {"response": "Hi"}) == "text Hi\noops None\n"
    assert flow(toy, {"response": "Hi"}, {"error": {"code": 3043}}) == "text Hi\noops 3043\n"


def test_json_in_place_of_a_stream_is_told_as_one(toy: Toy) -> None:
    toy.ai.answers = [completion(response="Hi", usage={"completion_tokens": 1})]

    assert toy.ask(say="Hello", flow=True).body == "text Hi\nend stop None\n"


def test_page_may_send_its_headers(toy: Toy) -> None:
    toy.variables = variables(ALLOWED_ORIGINS=FRIEND)
    headers = {"origin": FRIEND, "access-control-request-method": "POST"}

    answered = toy.send("OPTIONS", "/toy", TextBody(), headers)

    assert answered.headers["access-control-allow-methods"] == "GET"
    assert "x-toy" in answered.headers["access-control-allow-headers"].split(", ")


def test_openapi_describes_it() -> None:
    document = json.loads(openapi.describe(WITH_TOY, "", 256, 2048))
    operation = document["paths"]["/toy/{model}"]["post"]

    assert operation["operationId"] == "toyAsk"
    assert operation["tags"] == ["Toy"]
    assert {"name": "Toy"} in document["tags"]
    schema = operation["requestBody"]["content"][JSON]["schema"]
    assert schema == {"$ref": "#/components/schemas/Ask"}
    error = operation["responses"]["429"]["content"][JSON]["schema"]
    assert error == {"$ref": "#/components/schemas/Oops"}
    assert document["components"]["schemas"]["Ask"]["examples"] == [{"say": "Hello"}]


def test_dialects_that_ship_do_not_know_it() -> None:
    assert not [path for path in API.places if path.startswith("/toy")]
