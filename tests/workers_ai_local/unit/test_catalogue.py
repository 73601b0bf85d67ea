import pytest

from tests.workers_ai_local.unit.local_ai import FAST, SCOPED, ask, run
from tests.workers_ai_local.unit.test_scripts import FP8
from workers_ai_local.service import WorkersAi

REST = "/client/v4/accounts/a/ai"

OPENAI = [
    *("@cf/ibm-granite/granite-4.0-h-micro", "@cf/google/gemma-4-26b-a4b-it"),
    *("@cf/aisingapore/gemma-sea-lion-v4-27b-it", "@cf/zai-org/glm-4.7-flash"),
]
PAID = [
    *("@cf/moonshotai/kimi-k2.5", "@cf/moonshotai/kimi-k2.6", "@cf/moonshotai/kimi-k2.7-code"),
    *("@cf/zai-org/glm-5.2", "@cf/zai-org/glm-5.3", "@cf/deepseek-ai/deepseek-v4-flash-0731"),
    "@cf/deepseek-ai/deepseek-v4-pro-0813",
]
LORA = [
    *("@cf/google/gemma-2b-it-lora", "@cf/google/gemma-7b-it-lora"),
    *("@cf/mistral/mistral-7b-instruct-v0.2-lora", "@cf/meta-llama/llama-2-7b-chat-hf-lora"),
]
WINDOWS = {
    "@cf/meta/llama-3.2-1b-instruct": 60_000,
    "@cf/meta/llama-3.2-3b-instruct": 80_000,
    "@cf/google/gemma-2b-it-lora": 8_192,
    "@cf/google/gemma-7b-it-lora": 3_500,
    "@cf/mistral/mistral-7b-instruct-v0.2-lora": 15_000,
    "@cf/zai-org/glm-5.3": 1_048_576,
}


def search(**query: object) -> dict[str, list[dict[str, object]]]:
    """What REST's search says."""
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    body = ask(WorkersAi(), "GET", f"{REST}/models/search?{asked}").json()
    assert isinstance(body, dict)
    return body


def properties(name: str) -> dict[str, object]:
    """The properties of a model, as they are listed."""
    (model,) = search(search=name)["result"]
    assert isinstance(model["properties"], list)
    return {one["property_id"]: one["value"] for one in model["properties"]}


@pytest.mark.parametrize("model", OPENAI)
def test_models_of_openais_flavour_speak_it(model: str) -> None:
    answer = run(WorkersAi(), SCOPED, model).json()

    assert ("choices" in answer, "response" in answer) == (True, False)


@pytest.mark.parametrize("model", PAID)
def test_paid_model_is_refused_on_the_free_plan_and_listed_as_such(model: str) -> None:
    assert run(WorkersAi(), SCOPED, model).json()["internalCode"] == 5035
    assert properties(model)["require_workers_paid"] == "true"


@pytest.mark.parametrize("model", LORA)
def test_model_for_adapters_takes_one_and_is_listed_as_such(model: str) -> None:
    assert run(WorkersAi(), {"prompt": "Hello", "lora": "x"}, model).status_code == 200
    assert properties(model)["lora"] == "true"


@pytest.mark.parametrize(("model", "window"), WINDOWS.items())
def test_context_window_is_listed(model: str, window: int) -> None:
    assert properties(model)["context_window"] == str(window)


def test_models_without_a_price_or_adapters_say_nothing_of_them() -> None:
    assert properties(FAST) == {"context_window": "128000"}


def test_fifteen_models_are_retired() -> None:
    models = ask(WorkersAi(), "GET", "/_local").json()["models"]

    assert list(models.values()).count("retired") == 15


def test_model_keeps_its_id() -> None:
    assert search() == search()


def test_search_looks_for_parts_of_any_case_author_and_task() -> None:
    assert [one["name"] for one in search(search="3.1-8B-INSTRUCT-FP8")["result"]] == [FP8]
    assert {str(one["name"]).split("/")[1] for one in search(author="meta")["result"]} == {
        *("meta", "meta-llama"),
    }
    assert search(task="Translation")["result"] == []
    assert search(task="text%20generation")["result"] == search()["result"]


def test_page_says_where_it_stands() -> None:
    path = f"{REST}/models/search?per_page=2&page=2"

    info = ask(WorkersAi(), "GET", path).json()["result_info"]

    whole = len(search()["result"])
    assert info == {"count": 2, "page": 2, "per_page": 2, "total_count": whole}


@pytest.mark.parametrize("page", ["%D9%A1", "1000000", "+1", "1.0"])
def test_page_is_a_number_of_plain_digits(page: str) -> None:
    assert ask(WorkersAi(), "GET", f"{REST}/models/search?page={page}").status_code == 400
