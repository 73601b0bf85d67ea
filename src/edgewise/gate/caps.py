"""How much a caller may ask for at once."""

from collections.abc import Sequence

import msgspec

from ..asked.inputs import Inputs
from ..errors import BadRequest
from ..settings import Settings


def check_counts(inputs: Inputs, settings: Settings) -> None:
    """
    Refuse more messages or tools than the deployment takes, and kinds of prompt that it does not.

    Raises:
        BadRequest: Names the field.
    """
    for name, most in (
        ("messages", settings.max_messages),
        ("tools", settings.max_tools),
        ("functions", settings.max_tools),
    ):
        given = getattr(inputs, name)
        if given is not None and len(given) > most:
            raise _over(name, f"at most {most}", str(len(given)))
    if inputs.raw and (not settings.takes_raw_prompts or settings.system_prompt):
        raise BadRequest("raw: expected false, this deployment takes no raw prompts", param="raw")
    if settings.takes_system_messages:
        return
    for index, message in enumerate(inputs.messages or ()):
        if message.role in ("system", "developer"):
            raise BadRequest(
                f"messages[{index}].role: expected none of system and developer, which this"
                " deployment does not take",
                param=f"messages[{index}].role",
            )


def check_characters(
    name: str, texts: Sequence[str], rest: Sequence[object], settings: Settings
) -> None:
    """
    Refuse more text than the deployment takes.

    Args:
        name: The field that an error names.
        texts: The prompt, or each message's content.
        rest: What else the model reads: calls, tools, a schema. It counts as JSON.

    Raises:
        BadRequest: It is more than MAX_CHARACTERS in all.
    """
    count = sum(map(len, texts))
    if rest:
        count += len(msgspec.json.encode(rest).decode())
    if count > settings.max_characters:
        raise _over(name, f"at most {settings.max_characters} characters in all", str(count))


def _over(name: str, expected: str, got: str) -> BadRequest:
    return BadRequest(
        f"{name}: expected {expected}, the cap of this deployment, got {got}", param=name
    )
