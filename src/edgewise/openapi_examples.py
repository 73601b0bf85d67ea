"""What is sent and answered, one example of each struct."""

from collections.abc import Mapping

from . import VERSION

Json = dict[str, object]

MODEL = "@cf/meta/llama-3.1-8b-instruct"
_MESSAGES = [{"role": "user", "content": "Hello"}]
_USAGE = {"prompt_tokens": 16, "completion_tokens": 4, "total_tokens": 20}
_HEAD = {"created": 1_795_379_373, "model": f"{MODEL}-fast"}
_REFUSED = "temperature: expected a number from 0 to 5, got a string"
_LISTED = {
    "id": MODEL,
    "object": "model",
    "created": 0,
    "owned_by": "meta",
    "capabilities": ["tools"],
    "served_by": [f"{MODEL}-fast"],
    "context_window": 128_000,
}
EXAMPLES: Mapping[str, Json] = {
    "Inputs": {"messages": _MESSAGES, "max_tokens": 4},
    "ChatRequest": {"model": MODEL, "messages": _MESSAGES, "max_tokens": 4},
    "CompletionRequest": {"model": MODEL, "prompt": "Hello", "max_tokens": 4},
    "CompletionBody": {
        "model": f"{MODEL}-fast",
        "response": "I am a local",
        "usage": _USAGE,
        "finish_reason": "length",
        "truncated": True,
    },
    "HealthBody": {"status": "ok", "version": VERSION, "model": MODEL},
    "ErrorBody": {
        "error": {"code": "invalid_request", "message": _REFUSED, "param": "temperature"}
    },
    "Envelope": {
        "result": {
            "response": "I am a local",
            "usage": _USAGE,
            "finish_reason": "length",
            "truncated": True,
        },
        "success": True,
        "errors": [],
        "messages": [],
    },
    "ChatCompletion": {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        **_HEAD,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "I am a local", "refusal": None},
                "finish_reason": "length",
                "logprobs": None,
            }
        ],
        "usage": _USAGE,
    },
    "ChatChunk": {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        **_HEAD,
        "choices": [
            {"index": 0, "delta": {"content": "I"}, "finish_reason": None, "logprobs": None}
        ],
    },
    "TextCompletion": {
        "id": "cmpl-1",
        "object": "text_completion",
        **_HEAD,
        "choices": [
            {"index": 0, "text": "I am a local", "finish_reason": "length", "logprobs": None}
        ],
        "usage": _USAGE,
    },
    "OpenAIModel": _LISTED,
    "ModelList": {"object": "list", "data": [_LISTED]},
    "OpenAIErrorBody": {
        "error": {
            "message": _REFUSED,
            "type": "invalid_request_error",
            "param": "temperature",
            "code": "invalid_request",
        }
    },
}
