"""The client."""

import http.client
import json
from collections.abc import Mapping, Sequence
from typing import Unpack

from .answers import Completion, Model, read_models
from .errors import ApiError, ConnectionFailed, read_error
from .parameters import Message, Parameters, word_body
from .streams import Stream
from .transport import Transport

_LONGEST_ERROR_BYTES = 65_536
_KINDS_OF_ANSWERS = ("application/json", "text/event-stream")


class Client:
    """
    Asks a deployment of Edgewise.

    It keeps no connection open and no conversation, so it may be used by many threads at once.

    Each method raises ApiError when it is refused, ConnectionFailed when no answer comes, and
    TypeError or ValueError for arguments with which nothing is sent. None tries again by itself:
    what comes after `ApiError.should_retry` is for the caller to decide, who pays for it.
    """

    def __init__(
        self,
        base_url: str,
        key: str | None = None,
        *,
        timeout: float | None = 120.0,
        model: str | None = None,
    ) -> None:
        """
        Args:
            base_url: Where the Worker is, such as `https://edgewise.example.com`, with the path
                that it is served below, if there is one.
            key: None where the deployment asks for none.
            timeout: Seconds that may pass without a byte of an answer, at most 86,400; None for
                any number.
            model: For requests that name none; by default the deployment's first one.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: An argument cannot be used.
        """
        if not isinstance(model, str | None):
            raise TypeError(f"model: expected a str, got {type(model).__name__}")
        self._transport = Transport(base_url, key, timeout)
        self._model = model

    def __repr__(self) -> str:
        return f"Client({self._transport.base_url!r})"

    def generate(
        self,
        prompt: str,
        *,
        system: str | None = None,
        raw: bool = False,
        **parameters: Unpack[Parameters],
    ) -> Completion:
        """
        Generate an answer to a prompt.

        Args:
            system: What the model is told before it.
            raw: Whether the prompt goes to the model as it is, so holds the model's own template.
        """
        if not isinstance(prompt, str):
            raise TypeError(f"prompt: expected a str, got {type(prompt).__name__}")
        with self._ask(prompt, parameters, system=system, raw=raw, stream=False) as answer:
            return answer.read()

    def chat(self, messages: Sequence[Message], **parameters: Unpack[Parameters]) -> Completion:
        """
        Generate the next message.

        Args:
            messages: Dicts with `role` and `content`, see docs/api.md.
        """
        if isinstance(messages, str):
            raise TypeError("messages: expected a list of dicts, got str")
        with self._ask(messages, parameters, system=None, raw=False, stream=False) as answer:
            return answer.read()

    def stream(
        self,
        asked: str | Sequence[Message],
        *,
        system: str | None = None,
        raw: bool = False,
        **parameters: Unpack[Parameters],
    ) -> Stream:
        """
        Generate an answer, and hand it on as it comes.

        Args:
            asked: A prompt or messages.
            system: As in `generate`.
            raw: As in `generate`.

        Returns:
            Its pieces. Iterating over them raises StreamBroken when the answer breaks off.
        """
        return self._ask(asked, parameters, system=system, raw=raw, stream=True)

    def models(self) -> list[Model]:
        """List the deployment's catalogue."""
        response = self._transport.send("/v1/models")
        self._check(response)
        request_id = response.headers.get("x-request-id")
        try:
            return read_models(json.loads(self._transport.read(response)))
        except (ValueError, RecursionError) as error:
            raise ApiError(
                f"expected a list of models: {error}; is base_url right?",
                status=response.status,
                request_id=request_id,
            ) from error

    def _ask(
        self,
        asked: str | Sequence[Message],
        parameters: Mapping[str, object],
        *,
        system: str | None,
        raw: bool,
        stream: bool,
    ) -> Stream:
        if parameters.get("model") is None:
            parameters = {**parameters, "model": self._model}
        body = word_body(asked, parameters, system=system, raw=raw, stream=stream)
        response = self._transport.send("/run", body)
        self._check(response)
        max_tokens = parameters.get("max_tokens")
        return Stream(
            self._transport, response, max_tokens if isinstance(max_tokens, int) else None
        )

    def _check(self, response: http.client.HTTPResponse) -> None:
        """Let through what may be an answer."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        if 200 <= response.status < 300:
            kind = response.headers.get_content_type()
            if kind in _KINDS_OF_ANSWERS:
                return
            response.close()
            raise ApiError(
                f"expected JSON or server-sent events, got {kind}: is base_url right?",
                status=response.status,
                request_id=headers.get("x-request-id"),
            )
        try:
            body = self._transport.read(response, _LONGEST_ERROR_BYTES)
        except ConnectionFailed:  # its status came
            body = b""
        raise read_error(response.status, headers, body)
