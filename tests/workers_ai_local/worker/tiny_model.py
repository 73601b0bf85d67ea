"""Write a tiny language model with random weights, for tests: python tiny_model.py OUT.gguf

It is one layer of the Llama shape over 512 tokens. It talks gibberish, but a few dimensions of
its vectors are not random. The first holds a constant, which the last matrix turns into a liking
for each token: words and some marks rather than bytes and special tokens. The others are flags
that a token raises so as to make another all but certain to follow: after a full stop or a brace
comes the end of the turn or, where a grammar forbids that, what is left to end or to begin.
"""

import random
import string
import struct
import sys
from enum import IntEnum
from pathlib import Path

SEED = 20240229
CONTEXT = 65536  # the most a server may give it
SIZE, WIDTH, HEADS, INNER = 512, 32, 4, 64
SPACE = "\u2581"  # how the tokenizer spells a blank
START, FINISH, TURN, OVER = "<s>", "</s>", "<|im_start|>", "<|im_end|>"
CALL, CALLED = "\n<tool_call>", "\n</tool_call>"  # a break, as neither belongs in a string
FLAGS = (  # the tokens that raise the flag, the tokens it calls for
    ((".", "}", CALLED), {OVER: 6.0, CALL: 4.5, CALLED: 3.0, '"': 2.0}),
    ((CALL,), {"\n": 6.0}),
)
TEMPLATE = """
{%- if tools %}<|im_start|>system
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}<|im_end|>
{% endif %}
{%- for m in messages %}<|im_start|>{{ m.role }}
{{ m.content or "" }}
{%- for call in m.tool_calls or [] %}
<tool_call>
{"name": {{ call.function.name | tojson }}, "arguments": {{ call.function.arguments | tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

Matrix = list[list[float]]
Value = bool | int | float | str | list[int] | list[float] | list[str]


class Kind(IntEnum):
    """What a token is for, as the file format numbers it."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    CUSTOM = 4
    UNUSED = 5
    BYTE = 6


def vocabulary() -> list[tuple[str, Kind, float]]:
    """Each token with its kind and how well it is liked, in nats."""
    words = [SPACE + a + b + c for a in "bklmst" for b in "aeiou" for c in ("", "n", "r", "th")]
    marks = [c for c in string.printable if c.isprintable() and c != " "]
    liked = {SPACE: -5.0, "\n": -5.0, **dict.fromkeys(marks, -2.0), **dict.fromkeys(words, 2.0)}
    liked |= {".": 3.5, ",": 1.0, ":": 0.0, '"': 3.5, "}": 3.0, "]": 2.0}
    rows = [
        ("<unk>", Kind.UNKNOWN, -12.0),
        *((text, Kind.CONTROL, -12.0) for text in (START, FINISH, TURN, OVER)),
        *((text, Kind.CUSTOM, -12.0) for text in (CALL, CALLED)),
        *((f"<0x{byte:02X}>", Kind.BYTE, -12.0) for byte in range(256)),
        *((text, Kind.NORMAL, nats) for text, nats in liked.items()),
    ]
    return rows + [(f"<{n}>", Kind.UNUSED, -12.0) for n in range(SIZE - len(rows))]


def weights(liked: dict[str, float]) -> dict[str, Matrix]:
    """Every matrix of the network, the same ones each time."""
    dice = random.Random(SEED)

    def noise(height: int, width: int, spread: float = 1.0) -> Matrix:
        edge = spread * (3 / width) ** 0.5
        return [[dice.uniform(-edge, edge) for _ in range(width)] for _ in range(height)]

    shapes = {"attn_q": WIDTH, "attn_k": WIDTH, "attn_v": WIDTH, "ffn_gate": INNER, "ffn_up": INNER}
    layer = {name: noise(height, WIDTH) for name, height in shapes.items()}
    layer |= {"attn_output": noise(WIDTH, WIDTH), "ffn_down": noise(WIDTH, INNER)}
    fixed = 1 + len(FLAGS)
    for name in ("attn_output", "ffn_down"):  # the layer leaves the dimensions not random as is
        layer[name][:fixed] = [[0.0] * len(layer[name][0])] * fixed
    read, say = noise(SIZE, WIDTH), noise(SIZE, WIDTH, 0.5)
    for place, (text, nats) in enumerate(liked.items()):
        read[place][:fixed] = [1.0, *(4.0 * (text in raising) for raising, _ in FLAGS)]
        say[place][:fixed] = [nats / 4, *(wanted.get(text, 0.0) for _, wanted in FLAGS)]
    layer |= {"attn_norm": [[1.0] * WIDTH], "ffn_norm": [[1.0] * WIDTH]}
    outer = {"token_embd": read, "output_norm": [[1.0] * WIDTH], "output": say}
    return outer | {f"blk.0.{name}": matrix for name, matrix in layer.items()}


def packed(value: Value) -> tuple[int, bytes]:
    """A value as the file has it: the number of its type, its bytes."""
    match value:
        case bool():
            return 7, struct.pack("<?", value)
        case int():
            return 4, struct.pack("<I", value)
        case float():
            return 6, struct.pack("<f", value)
        case str():
            return 8, struct.pack("<Q", len(value.encode())) + value.encode()
        case list():
            items = [packed(item) for item in value]
            number = {4: 5}.get(items[0][0], items[0][0])  # numbers in a row are signed
            return 9, struct.pack("<IQ", number, len(items)) + b"".join(b for _, b in items)


def model() -> bytes:
    """The whole file: a header, the facts, where each matrix stands, the matrices."""
    rows = vocabulary()
    names = [text for text, _, _ in rows]
    facts: dict[str, Value] = {
        "general.architecture": "llama",
        "general.name": "tiny",
        "llama.context_length": CONTEXT,
        "llama.block_count": 1,
        "llama.embedding_length": WIDTH,
        "llama.feed_forward_length": INNER,
        "llama.attention.head_count": HEADS,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": WIDTH // HEADS,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": names,
        "tokenizer.ggml.scores": [-float(place) for place in range(SIZE)],
        "tokenizer.ggml.token_type": [int(kind) for _, kind, _ in rows],
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.bos_token_id": names.index(START),
        "tokenizer.ggml.eos_token_id": names.index(OVER),
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.chat_template": TEMPLATE,
    }
    matrices = weights({text: nats for text, _, nats in rows})
    head = b"GGUF" + struct.pack("<IQQ", 3, len(matrices), len(facts))
    for key, value in facts.items():
        number, content = packed(value)
        head += packed(key)[1] + struct.pack("<I", number) + content
    data = b""
    for name, matrix in matrices.items():
        sizes = [len(matrix[0]), len(matrix)][: 1 if name.endswith("_norm") else 2]
        head += packed(f"{name}.weight")[1] + struct.pack("<I", len(sizes))
        head += struct.pack(f"<{len(sizes)}QIQ", *sizes, 0, len(data))
        flat = [number for row in matrix for number in row]
        data += struct.pack(f"<{len(flat)}f", *flat)  # each a multiple of 32 bytes long
    return head + bytes(-len(head) % 32) + data


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(model())
