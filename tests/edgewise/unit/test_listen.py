import json

import pytest

from edgewise.exchange import Preceded, Reply, Stream
from edgewise.inference import Answer
from tests.edgewise.unit.scripted import BASE, FP8, Corridor, completion, error_of


def listen(corridor: Corridor, query: str, path: str = "/run") -> Reply:
    """Ask as an EventSource does."""
    corridor.ai.answers = [Answer(200, Stream(object()))]
    return corridor.request("GET", path, query=query)


def test_stream_is_handed_through_behind_an_id(corridor: Corridor) -> None:
    stream = Stream(object())
    corridor.ai.answers = [Answer(200, stream)]

    reply = corridor.request("GET", "/run", query="prompt=Hello")

    assert reply.body == Preceded("id: a-request\n\n", stream)
    assert reply.headers["content-type"] == "text/event-stream"
    assert reply.headers["x-max-tokens"] == "256"
    assert corridor.ai.asked[0][1] == {"prompt": "Hello", "stream": True, "max_tokens": 256}


def test_reconnect_is_answered_without_asking_a_model(corridor: Corridor) -> None:
    reply = corridor.request(
        "GET", "/run", query="prompt=Hello", headers={"last-event-id": "a-request"}
    )

    assert (reply.status, reply.body) == (204, None)
    assert corridor.ai.asked == []


def test_last_event_id_means_nothing_elsewhere(corridor: Corridor) -> None:
    assert corridor.request("GET", "/health", headers={"last-event-id": "1"}).status == 200


@pytest.mark.parametrize(
    ("query", "inputs"),
    [
        ("prompt=a%20b+c%C3%A9&stream=true", {"prompt": "a b cé"}),
        ("prompt=5&temperature=0.5&top_k=3", {"prompt": "5", "temperature": 0.5, "top_k": 3}),
        ("prompt=null&max_tokens=9", {"prompt": "null", "max_tokens": 9}),
        ("prompt=a&raw=true&seed=7", {"prompt": "a", "raw": True, "seed": 7}),
        ("prompt=a&model=" + FP8, {"prompt": "a"}),
    ],
)
def test_query_is_read_like_a_body(
    corridor: Corridor, query: str, inputs: dict[str, object]
) -> None:
    reply = listen(corridor, query)

    assert reply.status == 200
    assert corridor.ai.asked[0][1] == {"stream": True, "max_tokens": 256} | inputs


def test_model_may_stand_in_the_path_or_the_query(corridor: Corridor) -> None:
    assert listen(corridor, "prompt=a", f"/run/{FP8}").headers["x-model"] == FP8
    assert listen(corridor, f"prompt=a&model={FP8}").headers["x-model"] == FP8


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "prompt: expected a string that is not empty, got nothing"),
        ("prompt=", "prompt: expected a string that is not empty, or an array of one, got an emp"),
        ("prompt=a&temperature=hot", "temperature: expected a number from 0 to 5, got a string"),
        ("prompt=a&max_tokens=901", "max_tokens: expected at most 900, the ceiling of this deplo"),
        ("prompt=a&stream=false", "stream: expected true, a GET is answered by a stream"),
        ("prompt=a&prompt=b", "prompt: expected once, got it twice"),
        ("prompt=a&x=1&x=2", "query: expected once, got it twice"),
        ("prompt=%ff", "query: expected percent-encoded UTF-8"),
        ("messages=a", "messages: expected an array of 1 message or more, got a string"),
    ],
)
def test_bad_query_is_400_and_names_the_field(corridor: Corridor, query: str, message: str) -> None:
    reply = listen(corridor, query)

    assert reply.status == 400
    assert error_of(reply)["message"].startswith(message)
    assert corridor.ai.asked == []


def test_two_models_are_too_many(corridor: Corridor) -> None:
    reply = listen(corridor, f"prompt=a&model={BASE}", f"/run/{FP8}")

    assert (reply.status, error_of(reply)["param"]) == (400, "model")


def test_unknown_fields_are_named_in_a_header(corridor: Corridor) -> None:
    assert listen(corridor, "prompt=a&colour=blue").headers["x-ignored-fields"] == "colour"


def test_json_that_came_for_a_stream_becomes_one(corridor: Corridor) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    corridor.ai.answers = [completion(response="Hi\n", usage=usage)]

    reply = corridor.request("GET", "/run", query="prompt=Hello")

    assert reply.headers["content-type"] == "text/event-stream"
    assert isinstance(reply.body, str)
    opening, text, counted, done, end = reply.body.split("\n\n")
    assert (opening, done, end) == ("id: a-request", "data: [DONE]", "")
    assert json.loads(text.removeprefix("data: ")) == {"response": "Hi\n"}
    assert json.loads(counted.removeprefix("data: ")) == {"response": "", "usage": usage}
