"""What a deployment sets: the variables of wrangler.toml, checked before anything uses them."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from .asked.fields import decode, descriptions
from .asked.inputs import MOST_TOOLS
from .asked.structure import MAX_DEPTH
from .errors import Misconfigured
from .gate.access import Access, read_access
from .gate.keys import Key, read_keys

# What a header can carry: the id that ran is told in one.
ModelId = Annotated[str, Meta(pattern=r"^[!-~]+\Z", description="a model's id")]
Capability = Literal["tools", "json_mode", "lora"]


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    A public id and what is behind it.

    Attributes:
        served_by: Ids of Workers AI in the order in which they are tried; the id itself if None.
        context_window: Tokens of prompt and completion together; None leaves it to Workers AI.
        capabilities: What callers are told that it can do.
    """

    id: ModelId
    served_by: (
        Annotated[list[ModelId], Meta(min_length=1, description="an array of 1 model id or more")]
        | None
    ) = None
    context_window: Annotated[int, Meta(ge=1, description="a number of tokens")] | None = None
    capabilities: Annotated[
        list[Annotated[Capability, Meta(description='"tools", "json_mode" or "lora"')]],
        Meta(description='an array of "tools", "json_mode", "lora"'),
    ] = []


_Switch = Annotated[bool, Meta(description='"true" or "false"')]
_Text = Annotated[str, Meta(description="a string")]
_Texts = Annotated[
    str | list[str], Meta(description="an array of strings, or one with spaces between")
]
_Most = Annotated[int, Meta(ge=1, description="an integer of 1 or more")]


# Dots alone would be steps, which no address arrives with.
PREFIX = r"(?:/(?!\.\.?(?:/|\Z))[A-Za-z0-9._~-]+)+"
_LLAMA = "@cf/meta/llama-3.1-8b-instruct"
# What wrangler.toml has, for those who have this package alone.
_CATALOGUE = (
    Model(
        _LLAMA,
        served_by=[f"{_LLAMA}-fast", f"{_LLAMA}-fp8", _LLAMA],
        context_window=128_000,
        capabilities=["tools", "json_mode"],
    ),
    Model(
        f"{_LLAMA}-fast",
        served_by=[f"{_LLAMA}-fast"],
        context_window=128_000,
        capabilities=["tools", "json_mode"],
    ),
    Model(
        f"{_LLAMA}-fp8",
        served_by=[f"{_LLAMA}-fp8"],
        context_window=32_000,
        capabilities=["tools"],
    ),
)


class Variables(msgspec.Struct, frozen=True):
    """The variables and secrets as they are in wrangler.toml, .dev.vars and the dashboard."""

    MODELS: Annotated[
        list[Model], Meta(min_length=1, description="an array of 1 model or more")
    ] = msgspec.field(default_factory=lambda: [*_CATALOGUE])
    API_KEYS: _Text = ""
    ACCESS_TEAM: _Text = ""
    ACCESS_AUD: _Text = ""
    ALLOW_ANONYMOUS: _Switch = False
    ALLOWED_HOSTS: _Texts = ""
    ALLOWED_ORIGINS: _Texts = ""
    PATH_PREFIX: Annotated[
        str, Meta(pattern=rf"^({PREFIX})?\Z", description="a path such as /ai, or nothing")
    ] = ""
    RATE_LIMIT_PERIOD_S: Annotated[Literal[10, 60], Meta(description="10 or 60")] = 60
    RATE_LIMIT_ON_FAILURE: Annotated[
        Literal["closed", "open"], Meta(description='"closed" or "open"')
    ] = "closed"
    MAX_BODY_BYTES: Annotated[
        int, Meta(ge=1, le=10_000_000, description="an integer from 1 to 10000000")
    ] = 1_048_576
    MAX_JSON_DEPTH: Annotated[
        int, Meta(ge=1, le=MAX_DEPTH, description=f"an integer from 1 to {MAX_DEPTH}")
    ] = MAX_DEPTH
    MAX_MESSAGES: _Most = 256
    MAX_CHARACTERS: _Most = 131_072
    MAX_TOOLS: Annotated[
        int, Meta(ge=0, le=MOST_TOOLS, description=f"an integer from 0 to {MOST_TOOLS}")
    ] = 64
    # Workers AI's own default.
    MAX_TOKENS_DEFAULT: _Most = 256
    MAX_TOKENS_CEILING: _Most = 2048
    ALLOW_RAW_PROMPTS: _Switch = True
    ALLOW_SYSTEM_MESSAGES: _Switch = True
    SYSTEM_PROMPT: _Text = ""


_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
NAMES = tuple(field.name for field in msgspec.structs.fields(Variables))
_DECODER = msgspec.json.Decoder(Variables, strict=False)  # the dashboard stores numbers as text
_EXPECTED = {
    "": "the variables",
    "MODELS[]": "an object with id and served_by",
    **descriptions(Variables),
}


ANY_ORIGIN = "*"
# A browser sends an origin in lower case, without a slash at its end.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_HOST = re.compile(r"[a-z0-9.-]+|\[[0-9a-f:.]+\]")


class Settings(msgspec.Struct, frozen=True):
    """
    A deployment's settings.

    Attributes:
        models: The catalogue by public id; the first one is for requests that name none.
        keys: The callers' keys.
        access: Whose tokens let visitors in; None where Cloudflare Access is not used.
        allows_anonymous: Whether who has neither is let in, too.
        allowed_hosts: Names that a request may be sent to; any where there are none.
        allowed_origins: Origins whose pages may read the answers, or ANY_ORIGIN.
        path_prefix: What every path begins with; empty for nothing.
        rate_limit_period_s: Seconds, the period of the rate limits' bindings.
        is_open_without_limits: Whether to go on when those fail.
        max_body_bytes: The longest body that is read.
        max_json_depth: Levels that it may be nested.
        max_messages: The most that a request may hold.
        max_characters: The most of them that a request may have the model read.
        max_tools: The most tools, and the most functions, that a request may hold.
        max_tokens_default: For requests that set none.
        max_tokens_ceiling: The most that a request may ask for.
        takes_raw_prompts: Whether callers may send them.
        takes_system_messages: Whether callers may send them.
        system_prompt: What comes before every prompt; empty for nothing.
    """

    models: Mapping[str, Model]
    keys: Sequence[Key]
    access: Access | None
    allows_anonymous: bool
    allowed_hosts: Sequence[str]
    allowed_origins: Sequence[str]
    path_prefix: str
    rate_limit_period_s: int
    is_open_without_limits: bool
    max_body_bytes: int
    max_json_depth: int
    max_messages: int
    max_characters: int
    max_tools: int
    max_tokens_default: int
    max_tokens_ceiling: int
    takes_raw_prompts: bool
    takes_system_messages: bool
    system_prompt: str

    @property
    def default_model(self) -> str:
        """The public id for requests that name none."""
        return next(iter(self.models))


@lru_cache(maxsize=8)  # a Worker may have several; hashing many keys takes milliseconds
def read_settings(variables: str) -> Settings:
    """
    Check a deployment's variables.

    Args:
        variables: A JSON object of those among NAMES that are set.

    Raises:
        Misconfigured: Names the variable; never shows what a text holds.
    """
    checked = decode(_unpack(variables), _DECODER, _EXPECTED, Misconfigured)
    models = {model.id: model for model in checked.MODELS}
    if len(models) < len(checked.MODELS):
        raise Misconfigured("MODELS: expected each id once", param="MODELS")
    if checked.MAX_TOKENS_DEFAULT > checked.MAX_TOKENS_CEILING:
        raise Misconfigured(
            f"MAX_TOKENS_DEFAULT: expected at most MAX_TOKENS_CEILING,"
            f" which is {checked.MAX_TOKENS_CEILING}, got {checked.MAX_TOKENS_DEFAULT}",
            param="MAX_TOKENS_DEFAULT",
        )
    return Settings(
        models=models,
        keys=read_keys(checked.API_KEYS),
        access=read_access(checked.ACCESS_TEAM, checked.ACCESS_AUD),
        allows_anonymous=checked.ALLOW_ANONYMOUS,
        allowed_hosts=_read_list("ALLOWED_HOSTS", checked.ALLOWED_HOSTS, _HOST),
        allowed_origins=_read_list("ALLOWED_ORIGINS", checked.ALLOWED_ORIGINS, _ORIGIN),
        path_prefix=checked.PATH_PREFIX,
        rate_limit_period_s=checked.RATE_LIMIT_PERIOD_S,
        is_open_without_limits=checked.RATE_LIMIT_ON_FAILURE == "open",
        max_body_bytes=checked.MAX_BODY_BYTES,
        max_json_depth=checked.MAX_JSON_DEPTH,
        max_messages=checked.MAX_MESSAGES,
        max_characters=checked.MAX_CHARACTERS,
        max_tools=checked.MAX_TOOLS,
        max_tokens_default=checked.MAX_TOKENS_DEFAULT,
        max_tokens_ceiling=checked.MAX_TOKENS_CEILING,
        takes_raw_prompts=checked.ALLOW_RAW_PROMPTS,
        takes_system_messages=checked.ALLOW_SYSTEM_MESSAGES,
        system_prompt=checked.SYSTEM_PROMPT,
    )


def _unpack(variables: str) -> bytes:
    """Take MODELS out of its quotes: .dev.vars and secrets hold texts only."""
    given = _RAW.decode(variables)
    models = given.get("MODELS", msgspec.Raw())
    if not bytes(models).startswith(b'"'):
        return variables.encode()
    try:
        text = msgspec.json.decode(models, type=str)
        given["MODELS"] = msgspec.Raw(msgspec.json.encode(msgspec.json.decode(text)))
    except msgspec.DecodeError as error:
        raise Misconfigured("MODELS: expected valid JSON", param="MODELS") from error
    return msgspec.json.encode(given)


def _read_list(name: str, given: str | list[str], shape: re.Pattern[str]) -> Sequence[str]:
    items = given.replace(",", " ").split() if isinstance(given, str) else given
    for number, item in enumerate(items, 1):
        if not shape.fullmatch(item) and (name, item) != ("ALLOWED_ORIGINS", ANY_ORIGIN):
            example = "https://example.com" if name == "ALLOWED_ORIGINS" else "example.com"
            raise Misconfigured(
                f"{name}: expected entries such as {example}, got another entry {number}",
                param=name,
            )
    return items
