"""
Words the results as tables and plots: `python -m bench.report` does it anew from the file.

With PUBLISH=1 these are the results and the page in docs.
"""

import os
import re
import statistics
from collections.abc import Callable, Sequence

from bench.cases import ENTRANTS
from bench.cold_start import STARTS
from bench.places import PUBLISHED, Place, read_place
from bench.plots import Bar, Line, bars, lines
from bench.plots import word as word_figure
from bench.results import Results, recall
from bench.targets import Target, targets

BEGIN = "<!-- figures: make bench PUBLISH=1 writes what is between these -->"
END = "<!-- /figures -->"
_NEW_PAGE = f"# Performance\n\n{BEGIN}\n{END}\n"
# Beside the page, wherever that is.
_FOLDER, _RESULTS = PUBLISHED.folder.name, PUBLISHED.results.name
NAMES = {
    "edgewise": "Edgewise, native",
    "edgewise-rest": "Edgewise, REST",
    "edgewise-openai": "Edgewise, OpenAI",
    "constant": "Python, constant",
    "minimal": "Python, minimal",
    "minimal-reading": "Python, minimal, reads",
    "fastapi": "FastAPI",
    "javascript": "JavaScript",
    "javascript-openai": "JavaScript, OpenAI",
}
_OURS = "edgewise"
# Where it is not of dialects.
_WORKERS = NAMES | {_OURS: "Edgewise"}
_STARTS = {
    "nothing": "from nothing",
    "baseline": "Python's snapshot",
    "dedicated": "its own snapshot",
}


def write(results: Results, place: Place) -> None:
    """Write the plots, and the tables between the marks of the page; the rest of it stays."""
    place.folder.mkdir(parents=True, exist_ok=True)
    for name, plot in plots(results).items():
        (place.folder / f"{name}.svg").write_text(plot, "utf-8")
    text = place.page.read_text("utf-8") if place.page.exists() else _NEW_PAGE
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    place.page.write_text(f"{before}{BEGIN}\n\n{word_page(results)}\n{END}{after}", "utf-8")


def word_page(results: Results) -> str:
    """Word everything."""
    machine = results.machine
    parts = [
        f"Taken on {results.taken}: {machine['processor']}, {machine['cores']} cores,"
        f" {machine['memory']}, {machine['system']};"
        f" {', '.join(f'{name} {version}' for name, version in results.versions.items())}.",
        "Each figure is the median of the rounds, and behind it stand the least and the most of"
        f" them; [{_RESULTS}]({_FOLDER}/{_RESULTS}) has them all. What is told for a second"
        " moves most, and stands alone.",
        "## Targets",
        _table(
            ["", "measured", "target", ""],
            [
                [target.text, _spread(target.figures, target.unit), _goal(target), _met(target)]
                for target in targets(results)
            ],
        ),
        "## JSON answers",
        _table_of_json(results),
        _image("json", "Bars: processor time of a JSON answer"),
        "## Streams",
        _table_of_streams(results),
        "## Cold starts and memory",
        _table_of_starts(results),
        _image("cold-starts", "Bars: cold starts"),
        _table_of_memory(results),
        _image("memory", "Bars: memory"),
        f"The upload has {results.median('upload', _OURS, 'gzip_kib'):.0f} KiB, compressed.",
        "## How it grows",
        "Streams at once, of 25 events each:",
        _image("at-once", "Lines: processor time of an event by the number of streams at once"),
        _growth(results, "at-once", "streams at once", "events/s", _events_a_second),
        "Events of a stream, ten in a chunk:",
        _image("events", "Lines: processor time of a stream by its events"),
        _growth(results, "events", "events", "CPU ms a stream", _quantity("cpu_ms")),
        "Messages of about 128 bytes:",
        _image("messages", "Lines: time to the answer by the number of messages"),
        _growth(results, "messages", "messages", "ms to the answer", _quantity("took_ms")),
        "Bytes of the body, in one message:",
        _image("bytes", "Lines: time to the answer by the bytes of the body"),
        _growth(results, "bytes", "bytes", "ms to the answer", _quantity("took_ms")),
        "A body of 1 MB with 256 messages: "
        + "; ".join(
            f"{NAMES[name]} {_spread(told['took_ms'], 'ms')}"
            for name, told in _entrants(results, "body")
        )
        + ".",
    ]
    return "\n\n".join(parts) + "\n"


def word_targets(results: Results) -> str:
    """Word the targets for a terminal."""
    return "\n".join(
        f"{_met(target):8} {word_figure(target.figure()):>6} {target.unit:4}"
        f" {_goal(target):14} {target.text}"
        for target in targets(results)
    )


def plots(results: Results) -> dict[str, str]:
    """Draw everything, by file name without its ending."""
    starts = [
        _bar(f"{_WORKERS[name]}, {_STARTS[start]}", told["took_ms"], name)
        for name, _ in _entrants(results, "cold-nothing")
        for start in STARTS
        if (told := results.figures[f"cold-{start}"].get(name))
    ]
    memory = [
        _bar(f"{_WORKERS[name]}, {when}", told[quantity], name)
        for name, told in _entrants(results, "memory")
        for when, quantity in (("at rest", "at_rest_mib"), ("after load", "after_load_mib"))
    ]
    of_json = [
        _bar(NAMES[name], told["cpu_ms"], name) for name, told in _entrants(results, "json-16")
    ]
    return {
        "json": bars("A JSON answer, 16 at once", "processor time of a request, ms", of_json),
        "cold-starts": bars(
            "Cold start: from the start of workerd to the first answer", "ms", starts
        ),
        "memory": bars("Memory of workerd", "resident, MiB", memory),
        "at-once": _lines(
            results, "at-once", "Streams of 25 events", "streams at once", "CPU of an event, µs"
        ),
        "events": _lines(
            results,
            "events",
            "Long streams, ten events in a chunk",
            "events",
            "CPU of a stream, ms",
        ),
        "messages": _lines(
            results, "messages", "Messages", "messages of 128 bytes", "time to the answer, ms"
        ),
        "bytes": _lines(
            results, "bytes", "One long message", "bytes of the body", "time to the answer, ms"
        ),
    }


def _table_of_json(results: Results) -> str:
    rows = []
    alone, at_once = (results.figures[case] for case in ("json-1", "json-16"))
    for name, told in _entrants(results, "json-16"):
        ratios = [
            theirs / ours
            for theirs, ours in zip(told["cpu_ms"], at_once[_OURS]["cpu_ms"], strict=True)
        ]
        rows.append(
            [
                NAMES[name],
                _middle(alone[name]["per_second"]),
                _spread(alone[name]["cpu_ms"]),
                _spread(alone[name]["took_ms"]),
                _middle(told["per_second"]),
                _spread(told["cpu_ms"]),
                _spread(ratios) if name != _OURS else "",
            ]
        )
    return _table(
        [
            *("", "one by one: a second", "CPU, ms", "latency, ms"),
            *("16 at once: a second", "CPU, ms", "CPU over Edgewise's"),
        ],
        rows,
    )


def _table_of_streams(results: Results) -> str:
    rows = []
    for name in ENTRANTS:
        cells = [NAMES[name]]
        first = results.figures["first-byte"].get(name)
        if not first:
            continue
        cells.append(_spread(first["first_byte_ms"]))
        is_native = name in results.figures["stream-1000"]
        middle, long = (
            ("stream-1000", "stream-20000") if is_native else ("rewriting-1000", "rewritten-20000")
        )
        for case in ("stream-200", middle, long, "stream-together"):
            told = results.figures[case].get(name)
            events = results.cases[case].events
            cells.append(_middle(_events_a_second(told, events)) if told else "")
            cells.append(_spread(_cpu_of_event(told, events)) if told else "")
        rows.append(cells)
    cases = ("200", "1,000, 16 at once", "20,000", "2,000, 25 together, 16 at once")
    heads = [head for case in cases for head in (f"{case}: events/s", "CPU µs/event")]
    return _table(["", "first byte, ms", *heads], rows)


def _table_of_starts(results: Results) -> str:
    rows = []
    for name, _ in _entrants(results, "cold-nothing"):
        cells = [_WORKERS[name]]
        for start in STARTS:
            told = results.figures[f"cold-{start}"].get(name)
            cells += [_spread(told["took_ms"]), _spread(told["cpu_ms"])] if told else ["", ""]
        imports = results.figures["imports"].get(name)
        rows.append([*cells, _spread(imports["took_ms"]) if imports else ""])
    heads = [head for start in STARTS for head in (f"{_STARTS[start]}: ms", "CPU, ms")]
    return _table(["", *heads, "imports alone, ms"], rows)


def _table_of_memory(results: Results) -> str:
    quantities = ("at_rest_mib", "at_rest_own_mib", "after_load_mib", "after_load_own_mib")
    return _table(
        ["", "at rest, MiB", "of it its own", "after load, MiB", "of it its own"],
        [
            [_WORKERS[name], *(_middle(told[quantity]) for quantity in quantities)]
            for name, told in _entrants(results, "memory")
        ],
    )


_Figures = dict[str, list[float]]
_Reading = Callable[[_Figures, int], Sequence[float]]


def _quantity(name: str) -> _Reading:
    return lambda told, _events: told[name]


def _events_a_second(told: _Figures, events: int) -> Sequence[float]:
    return [rate * events for rate in told["per_second"]]


def _cpu_of_event(told: _Figures, events: int) -> Sequence[float]:
    return [cpu * 1000 / events for cpu in told["cpu_ms"]]


def _growth(results: Results, family: str, axis: str, unit: str, read: _Reading) -> str:
    """Table a family of cases, such as events-10 and events-100: a column each, of medians."""
    columns = _family(results, family)
    return _table(
        [f"{unit} by {axis}", *(f"{x:,}" for x in columns)],
        [
            [
                NAMES[name],
                *(
                    _middle(read(results.figures[case][name], results.cases[case].events))
                    for case in columns.values()
                ),
            ]
            for name, _ in _entrants(results, next(iter(columns.values())))
        ],
    )


def _lines(results: Results, family: str, title: str, x_axis: str, y_axis: str) -> str:
    read = {"at-once": _cpu_of_event, "events": _quantity("cpu_ms")}.get(
        family, _quantity("took_ms")
    )
    columns = _family(results, family)
    told = [
        Line(
            NAMES[name],
            [
                (
                    x,
                    statistics.median(
                        read(results.figures[case][name], results.cases[case].events)
                    ),
                )
                for x, case in columns.items()
            ],
            [*NAMES].index(name),
        )
        for name, _ in _entrants(results, next(iter(columns.values())))
    ]
    return lines(title, x_axis, y_axis, told)


def _family(results: Results, family: str) -> dict[int, str]:
    """Find the cases of a family, by their numbers."""
    found = (re.fullmatch(rf"{family}-(\d+)", case) for case in results.figures)
    return {int(match[1]): match[0] for match in found if match}


def _entrants(results: Results, case: str) -> Sequence[tuple[str, _Figures]]:
    """Go through who was measured in a case, in one order whatever the order of the rounds."""
    told = results.figures[case]
    return [(name, told[name]) for name in NAMES if name in told]


def _bar(label: str, figures: Sequence[float], name: str) -> Bar:
    return Bar(label, statistics.median(figures), min(figures), max(figures), [*NAMES].index(name))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    told = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in told)


def _image(name: str, text: str) -> str:
    return f"![{text}]({_FOLDER}/{name}.svg)"


def _middle(figures: Sequence[float]) -> str:
    return word_figure(statistics.median(figures))


def _spread(figures: Sequence[float], unit: str = "") -> str:
    middle = f"{_middle(figures)} {unit}".rstrip()
    if len(figures) == 1:
        return middle
    return f"{middle} ({word_figure(min(figures))} to {word_figure(max(figures))})"


def _goal(target: Target) -> str:
    if target.low is not None:
        return f"at least {target.low:g} {target.unit}".rstrip()
    if target.high is not None:
        return f"at most {target.high:g} {target.unit}".rstrip()
    return ""


def _met(target: Target) -> str:
    if target.low is None and target.high is None:
        return ""
    return "met" if target.is_met() else "not met"


if __name__ == "__main__":
    place = read_place(os.environ)
    write(recall(place.results), place)
