"""What Edgewise is to hold to, and whether it does."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.results import Results


@dataclass(frozen=True, slots=True)
class Target:
    """
    A bound for the median of some figures.

    Attributes:
        low, high: Between which the figure is to be, as far as they are given.
        figures: One a round.
    """

    text: str
    figures: Sequence[float]
    low: float | None = None
    high: float | None = None
    unit: str = ""

    def figure(self) -> float:
        """Sum up what was measured."""
        return statistics.median(self.figures)

    def is_met(self) -> bool:
        """Check whether it is within bounds."""
        figure = self.figure()
        return (self.low is None or figure >= self.low) and (
            self.high is None or figure <= self.high
        )


def targets(results: Results) -> Iterator[Target]:
    """Judge them one after another; ratios are of two figures of the same round."""

    def of(case: str, entrant: str, quantity: str = "cpu_ms") -> Sequence[float]:
        return results.of(case, entrant, quantity)

    for entrant, name, low in (
        ("minimal", "the minimal Python example", 1.3),
        ("constant", "the constant Python Worker", 0.6),
        ("fastapi", "the FastAPI Worker", 5),
    ):
        yield Target(
            f"JSON, 16 at once: CPU of {name} over Edgewise's",
            over(of("json-16", entrant), of("json-16", "edgewise")),
            low=low,
        )
    yield Target(
        "streams of 1,000 events, 16 at once: CPU of the JavaScript Worker over Edgewise's",
        over(of("stream-1000", "javascript"), of("stream-1000", "edgewise")),
        low=0.9,
    )
    added = [
        minus(of("stream-20000", name), of("stream-200", name))
        for name in ("edgewise", "javascript")
    ]
    yield Target(
        "CPU of each event between 200 and 20,000: Edgewise's over the JavaScript Worker's"
        " (no Python runs for any: `tests/edgewise/worker/test_crossings.py` counts it)",
        over(*added),
    )
    yield Target(
        "time to a stream's first byte: what Edgewise adds to the JavaScript Worker's",
        minus(*(of("first-byte", name, "first_byte_ms") for name in ("edgewise", "javascript"))),
        high=2,
        unit="ms",
    )
    for case, how in (("rewriting-1000", "one by one"), ("stream-together", "25 together")):
        yield Target(
            f"CPU that rewriting to OpenAI's chunks adds, events {how}:"
            " Edgewise's over JavaScript's",
            over(
                minus(of(case, "edgewise-openai"), of(case, "edgewise")),
                minus(of(case, "javascript-openai"), of(case, "javascript")),
            ),
            high=2.5,
        )
    for start, how in (("nothing", "without a snapshot"), ("dedicated", "from its own snapshot")):
        case = f"cold-{start}"
        yield Target(
            f"cold start {how}: Edgewise's over that of a Python Worker with only the SDK",
            over(*(of(case, name, "took_ms") for name in ("edgewise", "constant"))),
            high=1.15,
        )
    yield Target("upload, gzip", of("upload", "edgewise", "gzip_kib"), high=350, unit="KiB")
    yield Target(
        "a body of 1 MB with 256 messages: what Edgewise adds to the JavaScript Worker's answer",
        minus(*(of("body", name, "took_ms") for name in ("edgewise", "javascript"))),
        high=15,
        unit="ms",
    )


def over(figures: Sequence[float], others: Sequence[float]) -> Sequence[float]:
    """Divide round by round, as far as both were measured."""
    return [figure / other for figure, other in zip(figures, others, strict=False)]


def minus(figures: Sequence[float], others: Sequence[float]) -> Sequence[float]:
    """Subtract round by round."""
    return [figure - other for figure, other in zip(figures, others, strict=False)]
