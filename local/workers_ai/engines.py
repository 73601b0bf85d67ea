"""Finding the engine: the one that was named, or an Ollama on this machine."""

import os
import re
from urllib.parse import urlsplit

import httpx
import msgspec

from .access import is_loopback
from .engine import Engine

_OLLAMA = "127.0.0.1:11434"
_PROBE_S = 0.5  # Ollama answers at once or is not there
_PATIENCE_S = 10.0
_LLAMA_3_1 = re.compile(r"llama-?3[.]1", re.IGNORECASE)


class EngineError(Exception):
    """Says what is wrong with the engine that was asked for, and what to do."""


class _Listed(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Listed] | None = None


def find_engine(setting: str, model: str | None, key: str | None) -> Engine | None:
    """
    Find the engine.

    Args:
        setting: An address, "off", or "auto" for an Ollama on this machine that has the model.
        model: The model's name there; None for a Llama 3.1.

    Returns:
        None when there is to be none, or none was found.

    Raises:
        EngineError: What was asked for is not to be had.
    """
    if setting == "off":
        return None
    if setting == "auto":
        return _find_ollama(model)
    url = urlsplit(setting)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
        raise EngineError(
            "AI_ENGINE, --engine: expected an address such as http://127.0.0.1:11434/v1, off or"
            f" auto, got {setting!r}"
        )
    try:
        listed = _list_models(setting, key, _PATIENCE_S)
    except httpx.HTTPStatusError as error:
        raise EngineError(
            f"AI_ENGINE, --engine: {setting}/models answered {error.response.status_code}."
            " Is this the base address of an OpenAI-compatible server? It often ends in /v1."
            " If the server asks for a key, set AI_ENGINE_KEY."
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise EngineError(
            f"AI_ENGINE, --engine: no server answers at {setting} ({error or 'time-out'})."
            " Start it, or use AI_ENGINE=off."
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EngineError(
            f"AI_ENGINE, --engine: {setting}/models is no list of models."
            " Is this the base address of an OpenAI-compatible server? It often ends in /v1."
        ) from error
    return Engine(setting, _choose(listed, model, setting), key=key)


def _find_ollama(model: str | None) -> Engine | None:
    given = os.environ.get("OLLAMA_HOST") or _OLLAMA
    address = urlsplit(given if "://" in given else f"http://{given}")
    host = "127.0.0.1" if address.hostname == "0.0.0.0" else address.hostname
    url = f"http://{host}:{address.port or 11434}/v1"
    if not is_loopback(url):
        return None  # prompts leave this machine only when somebody says so
    try:
        listed = _list_models(url, None, _PROBE_S)
    except (httpx.HTTPError, httpx.InvalidURL, msgspec.DecodeError, UnicodeDecodeError):
        listed = []
    found = [name for name in listed if _is(name, model)]
    if model is not None and not found:
        raise EngineError(
            f"AI_ENGINE_MODEL, --engine-model: no Ollama at {url} has {model}."
            f" Run `ollama pull {model}`, or name another server with AI_ENGINE."
        )
    return Engine(url, found[0]) if found else None


def _choose(listed: list[str], model: str | None, setting: str) -> str:
    if model is not None and not listed:
        return model  # it lists nothing; it will say
    found = [name for name in listed if _is(name, model)]
    if found or (model is None and len(listed) == 1):
        return (found or listed)[0]
    wanted = "a Llama 3.1" if model is None else model
    has = ", ".join(listed) or "none"
    raise EngineError(
        f"AI_ENGINE_MODEL, --engine-model: {setting} does not have {wanted}. It has: {has}"
    )


def _is(name: str, model: str | None) -> bool:
    """Tell whether a server's model is the one that is wanted."""
    if model is None:
        return _LLAMA_3_1.search(name) is not None
    return name in (model, f"{model}:latest")


def _list_models(url: str, key: str | None, seconds: float) -> list[str]:
    response = httpx.get(
        f"{url.rstrip('/')}/models",
        headers={"authorization": f"Bearer {key}"} if key else {},
        timeout=seconds,
        trust_env=False,
    )
    response.raise_for_status()
    models = msgspec.json.decode(response.content, type=_Models)
    return [model.id for model in models.data or []]
