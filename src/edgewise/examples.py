"""One request and its answer, which the examples of every dialect in OpenAPI are about."""

MODEL = "@cf/meta/llama-3.1-8b-instruct"
SERVED_BY = f"{MODEL}-fast"
MESSAGES = [{"role": "user", "content": "Hello"}]
TEXT = "I am a local"
USAGE = {"prompt_tokens": 16, "completion_tokens": 4, "total_tokens": 20}
REFUSAL = "temperature: expected a number from 0 to 5, got a string"
