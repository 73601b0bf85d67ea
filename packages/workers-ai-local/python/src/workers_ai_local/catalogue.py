"""The text models that this server knows, and what has become of each."""

import datetime
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .errors import Refused
from .frames import Flavour
from .model_schemas import FAST, FP8, FP8_FAST_70B
from .validation import Schema

_MAY_2026 = datetime.date(2026, 5, 30)


@dataclass(frozen=True, slots=True)
class Model:
    """
    A model of Workers AI.

    Attributes:
        context_window: Tokens, of prompt and answer together.
        flavour: What its answers look like when no script says otherwise.
        schema: Its inputs.
        retired: The day from which it is refused; None while it lives.
        paid: Whether it takes a Workers Paid plan.
        takes_json_schema: Whether JSON mode takes a schema.
        takes_lora: Whether it runs with LoRA adapters.
    """

    context_window: int = 131_072
    flavour: Flavour = "native"
    schema: Schema = FP8
    retired: datetime.date | None = None
    paid: bool = False
    takes_json_schema: bool = True
    takes_lora: bool = False


def _retired(*names: str) -> dict[str, Model]:
    return {name: Model(retired=_MAY_2026) for name in names}


# Sources: developers.cloudflare.com/workers-ai/models/ for windows and schemas, its changelog of
# 2026-05-08 (retirements) and of 2026-07-28 (Workers Paid). The flavours were seen live in 2026.
MODELS: Mapping[str, Model] = {
    "@cf/meta/llama-3.1-8b-instruct-fast": Model(128_000, schema=FAST),
    "@cf/meta/llama-3.1-8b-instruct-fp8": Model(32_000, takes_json_schema=False),
    "@cf/meta/llama-3.3-70b-instruct-fp8-fast": Model(24_000, schema=FP8_FAST_70B),
    "@cf/meta/llama-3.2-1b-instruct": Model(60_000, schema=FAST),
    "@cf/meta/llama-3.2-3b-instruct": Model(80_000, schema=FAST),
    "@cf/meta/llama-4-scout-17b-16e-instruct": Model(131_000, "both"),
    "@cf/ibm-granite/granite-4.0-h-micro": Model(131_000, "openai"),
    "@cf/google/gemma-4-26b-a4b-it": Model(256_000, "openai"),
    "@cf/aisingapore/gemma-sea-lion-v4-27b-it": Model(128_000, "openai"),
    "@cf/zai-org/glm-4.7-flash": Model(131_072, "openai"),
    "@cf/google/gemma-2b-it-lora": Model(8_192, schema=FAST, takes_lora=True),
    "@cf/google/gemma-7b-it-lora": Model(3_500, schema=FAST, takes_lora=True),
    "@cf/mistral/mistral-7b-instruct-v0.2-lora": Model(15_000, schema=FAST, takes_lora=True),
    "@cf/meta-llama/llama-2-7b-chat-hf-lora": Model(8_192, schema=FAST, takes_lora=True),
    "@cf/moonshotai/kimi-k2.5": Model(262_144, "openai", paid=True),  # an alias of k2.6
    "@cf/moonshotai/kimi-k2.6": Model(262_144, "openai", paid=True),
    "@cf/moonshotai/kimi-k2.7-code": Model(262_144, "openai", paid=True),
    "@cf/zai-org/glm-5.2": Model(262_144, "openai", paid=True),
    "@cf/zai-org/glm-5.3": Model(1_048_576, "openai", paid=True),
    "@cf/deepseek-ai/deepseek-v4-flash-0731": Model(1_048_576, "openai", paid=True),
    "@cf/deepseek-ai/deepseek-v4-pro-0813": Model(1_048_576, "openai", paid=True),
    **_retired(
        "@cf/meta/llama-3.1-8b-instruct",
        "@cf/meta/llama-3.1-8b-instruct-awq",
        "@cf/meta/llama-3.1-70b-instruct",
        "@cf/meta/llama-3-8b-instruct",
        "@cf/meta/llama-3-8b-instruct-awq",
        "@hf/meta-llama/meta-llama-3-8b-instruct",
        "@cf/meta/llama-2-7b-chat-int8",
        "@cf/meta/llama-2-7b-chat-fp16",
        "@cf/mistral/mistral-7b-instruct-v0.1",
        "@hf/mistral/mistral-7b-instruct-v0.2",
        "@hf/google/gemma-7b-it",
        "@cf/google/gemma-3-12b-it",
        "@hf/nousresearch/hermes-2-pro-mistral-7b",
        "@cf/microsoft/phi-2",
        "@cf/defog/sqlcoder-7b-2",
    ),
}


def find_model(models: Mapping[str, Model], name: str, *, is_paid_plan: bool) -> Model:
    """
    Find a model that can be run.

    Raises:
        Refused: 5007 unknown, 5028 retired, 5035 not on this plan.
    """
    model = models.get(name)
    if model is None:
        raise Refused(5007)
    if model.retired is not None:
        raise Refused(
            5028,
            f"This model was deprecated on {model.retired}. Please use an alternative model",
        )
    if model.paid and not is_paid_plan:
        raise Refused(5035)
    return model


def describe(models: Mapping[str, Model]) -> Iterable[dict[str, object]]:
    """Describe the living models as `env.AI.models()` and REST's search do."""
    for name, model in models.items():
        if model.retired is None:
            properties = {"context_window": str(model.context_window)}
            if model.paid:
                properties["require_workers_paid"] = "true"
            if model.takes_lora:
                properties["lora"] = "true"
            yield {
                "id": str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
                "source": 1,
                "name": name,
                "description": f"A local stand-in for {name}.",
                "task": {
                    "id": "c329a1f9-323d-4e91-b2aa-582dd4188d34",
                    "name": "Text Generation",
                    "description": "Models that generate text.",
                },
                "tags": [],
                "properties": [
                    {"property_id": key, "value": value} for key, value in properties.items()
                ],
            }
