"""Finding the engine: the one that was named, or an Ollama on this machine."""

import contextlib
import os
import re
from urllib.parse import urlsplit

import httpx
import msgspec

from .engine import Engine
from .loopback import is_loopback

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
    if key is not None and not (key.isascii() and key.isprintable()):
        raise EngineError("AI_ENGINE_KEY: expected letters, digits and signs of ASCII")
    if not _is_address(setting):
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
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EngineError(
            f"AI_ENGINE, --engine: {setting}/models is not a list of models."
            " Is this the base address of an OpenAI-compatible server? It often ends in /v1."
        ) from error
    except (httpx.HTTPError, UnicodeError) as error:  # UnicodeError: no name of a host
        raise EngineError(
            f"AI_ENGINE, --engine: no server answers at {setting} ({error or 'time-out'})."
            " Start it, or use AI_ENGINE=off."
        ) from error
    return Engine(setting, _choose(listed, model, setting), key=key)


def _find_ollama(model: str | None) -> Engine | None:
    given = os.environ.get("OLLAMA_HOST") or _OLLAMA
    url = _ollama_url(given)
    listed = []
    # Prompts leave this machine only when somebody says so.
    if _is_address(url) and is_loopback(url):
        with contextlib.suppress(httpx.HTTPError, msgspec.DecodeError, UnicodeError):
            listed = _list_models(url, None, _PROBE_S)
    found = [name for name in listed if _is(name, model)]
    if model is not None and not found:
        raise EngineError(
            f"AI_ENGINE_MODEL, --engine-model: no Ollama at {url} has {model}."
            f" Run `ollama pull {model}`, or name another server with AI_ENGINE."
        )
    return Engine(url, found[0]) if found else None


def _ollama_url(given: str) -> str:
    """Read OLLAMA_HOST, which Ollama's server and its clients share: a host, a port, or both."""
    scheme, _, address = given.rpartition("://")
    host, _, port = address.rstrip("/").rpartition(":")
    if not port.isdecimal():
        host, port = address.rstrip("/"), "11434"
    if host in ("", "0.0.0.0"):
        host = "127.0.0.1"
    return f"{scheme or 'http'}://{host}:{port}/v1"


def _is_address(text: str) -> bool:
    try:
        url = urlsplit(text)
        httpx.URL(text)
        is_one = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except (ValueError, httpx.InvalidURL):
        return False
    return is_one and not url.query and not url.fragment


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
    """Check whether a server's model is the one that is wanted."""
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
