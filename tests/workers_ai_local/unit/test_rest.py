from collections.abc import Mapping

import pytest

from tests.workers_ai_local.unit.local_ai import FAST, SCOPED, ask
from workers_ai_local.service import WorkersAi

REST = "/client/v4/accounts/a/ai"


def test_array_for_inputs_is_complained_of_by_the_validator() -> None:
    body = ask(WorkersAi(), "POST", f"{REST}/run/{FAST}", [1]).json()

    assert "Error: oneOf at '/' not met, 0 matches" in body["errors"][0]["message"]


def test_bearer_may_be_written_in_any_case() -> None:
    headers = {"authorization": "bearer secret"}
    path = f"{REST}/run/{FAST}"

    assert ask(WorkersAi(), "POST", path, SCOPED, headers, token="secret").status_code == 200


@pytest.mark.parametrize("path", ["/models/search", f"/models/schema?model={FAST}", "/v1/models"])
def test_token_is_asked_for_on_every_path(path: str) -> None:
    assert ask(WorkersAi(), "GET", REST + path, token="secret").status_code == 401


@pytest.mark.parametrize(
    "response_format",
    [
        {"type": "text"},
        {"type": "json_schema", "json_schema": {"schema": {"type": "object", "properties": {}}}},
    ],
    ids=["text", "schema without a name"],
)
def test_chat_takes_openais_response_formats(response_format: Mapping[str, object]) -> None:
    model = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
    body = SCOPED | {"model": model, "response_format": response_format}

    assert ask(WorkersAi(), "POST", f"{REST}/v1/chat/completions", body).status_code == 200


def test_method_that_is_not_supported_is_7001() -> None:
    body = ask(WorkersAi(), "GET", f"{REST}/run/{FAST}").json()

    said = "GET not supported for requested URI"
    assert body["errors"] == [{"code": 7001, "message": said}]


def test_schema_of_no_model_is_404() -> None:
    assert ask(WorkersAi(), "GET", f"{REST}/models/schema").status_code == 404
