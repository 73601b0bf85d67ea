"""What `make bench` makes of figures, and the client that takes them; nothing is timed here."""

import json
import os
import re
import signal
import socketserver
import threading
import time
import xml.etree.ElementTree as xml
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.cases import CASES, ENTRANTS, BenchError, Case, check, word
from bench.interrupts import uninterrupted
from bench.load import Answer, ask, cpu_seconds, word_request
from bench.measure import COLD_ROUNDS, Running, in_turn, measure
from bench.places import OWN, PUBLISHED, Place, read_place
from bench.plots import COLOURS, Bar, Line, bars, lines
from bench.report import BEGIN, END, NAMES, plots, word_page, word_targets, write
from bench.results import Results, keep, recall
from bench.targets import Target, targets
from tools import prepare

# Who measures a process reads /proc, and a clock that Linux numbers.
pytestmark = pytest.mark.linux

SVG = "{http://www.w3.org/2000/svg}"
JSON_CASE = Case("json", ["edgewise"], 1)
STREAM_CASE = Case("stream", ["edgewise"], 1, events=2)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\nclose to whoever asks for it. \n"
# Cut within the head, within an event and within the end.
STREAM = [
    b"HTTP/1.1 200 OK\r\nTransfer-Enc",
    b"oding: chunked\r\n\r\n",
    b'1d\r\ndata: {"response":" wo',
    b'rd~"}\n\n\r\n',
    b'29\r\ndata: {"response":" word~"}\n\ndata: [D\r\n6\r\nONE]\n\n\r\n0\r',
    b"\n\r\n",
]


@contextmanager
def served(parts: Sequence[bytes]) -> Iterator[str]:
    """Answer each request with the same parts, written one by one; hang up when there are none."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while self.request.recv(65_536) and parts:
                for part in parts:
                    self.request.sendall(part)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def results(cpu: float = 1.0) -> Results:
    """Make up results: everybody takes 2, but Edgewise as much as is said; rewriting adds 1."""
    figures: dict[str, dict[str, dict[str, list[float]]]] = {}

    def told(name: str, *quantities: str, rounds: int = 3) -> dict[str, list[float]]:
        figure = (cpu if name.startswith("edgewise") else 2.0) + name.endswith("-openai")
        return {quantity: [figure, figure * 2, figure * 3][:rounds] for quantity in quantities}

    for case in CASES:
        growing = case.events or 1
        figures[case.name] = {
            name: {
                quantity: [figure * growing for figure in rounds]
                for quantity, rounds in told(
                    name, "cpu_ms", "per_second", "took_ms", "first_byte_ms"
                ).items()
            }
            for name in case.entrants
        }
    for name in COLD_ROUNDS:
        for start in ("nothing", "baseline", "dedicated")[: 1 if name == "javascript" else 3]:
            figures.setdefault(f"cold-{start}", {})[name] = told(name, "took_ms", "cpu_ms")
        if name != "javascript":
            figures.setdefault("imports", {})[name] = told(name, "took_ms")
        figures.setdefault("memory", {})[name] = told(
            *(name, "at_rest_mib", "at_rest_own_mib", "after_load_mib", "after_load_own_mib"),
            rounds=1,
        )
    figures["upload"] = {"edgewise": {"gzip_kib": [200.0]}}
    cases = {case.name: case for case in CASES}
    machine = {"processor": "one", "cores": "2", "memory": "1 GiB", "system": "Linux"}
    return Results("2026-11-23", machine, {"workerd": "1"}, cases, figures)


def test_client_reads_an_answer_of_told_length() -> None:
    with served([ANSWER]) as address:
        load = ask(address, word_request("/", {}, b"{}"), count=5, at_once=2)

    assert [answer.status for answer in load.answers] == [200] * 5
    assert {answer.body for answer in load.answers} == {b"close to whoever asks for it. \n"}


def test_client_counts_the_events_of_a_stream_however_it_is_cut() -> None:
    with served(STREAM) as address:
        (answer,) = ask(address, word_request("/", {}, b"{}"), count=1, at_once=1).answers

    assert answer.events == 2
    assert answer.first_byte_s <= answer.took_s
    check(answer, STREAM_CASE, "edgewise")


def test_client_says_that_the_server_went_away() -> None:
    with served([]) as address, pytest.raises(ConnectionError):
        ask(address, word_request("/", {}, b"{}"), count=1, at_once=1)


def test_processor_time_is_that_of_the_process() -> None:
    before = time.process_time()

    assert before <= cpu_seconds(os.getpid()) <= time.process_time()


@pytest.mark.parametrize(
    ("answer", "case", "fault"),
    [
        (Answer(0, 0, b"no", 0, 500), JSON_CASE, "HTTP 500"),
        (Answer(0, 0, b"no", 0, 200), JSON_CASE, "answered b'no'"),
        (Answer(0, 0, b"a\n\n\r\n0\r\n\r\n", 2, 200), STREAM_CASE, "the stream ended in"),
        (
            Answer(0, 0, b"data: [DONE]\n\n\r\n0\r\n\r\n", 1, 200),
            STREAM_CASE,
            "the stream had 1 events instead of 2",
        ),
    ],
    ids=["status", "text", "end", "events"],
)
def test_wrong_answer_is_told(answer: Answer, case: Case, fault: str) -> None:
    with pytest.raises(BenchError, match=re.escape(fault)):
        check(answer, case, "edgewise")


def test_wrong_answer_ends_the_bench() -> None:
    refusal = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 2\r\n\r\nno"
    with (
        served([refusal]) as address,
        pytest.raises(BenchError, match="json of edgewise: HTTP 429"),
    ):
        measure(JSON_CASE, "edgewise", Running(os.getpid(), address))


def test_everybody_goes_first_once() -> None:
    orders = [in_turn("abc", number) for number in range(3)]

    assert [order[0] for order in orders] == ["a", "b", "c"]
    assert all(sorted(order) == ["a", "b", "c"] for order in orders)


@pytest.mark.parametrize("case", [case for case in CASES if case.size], ids=lambda case: case.name)
def test_body_is_as_long_as_its_case_says(case: Case) -> None:
    body = word(case, ENTRANTS["edgewise"]).partition(b"\r\n\r\n")[2]

    assert len(json.loads(body)["messages"]) == case.messages
    assert abs(len(body) - case.size) < 64 + case.messages


def test_every_entrant_has_a_name_in_the_report() -> None:
    assert NAMES.keys() == ENTRANTS.keys()
    assert len(set(COLOURS)) == len(NAMES)


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (Target("", [1, 2, 3], low=2), True),
        (Target("", [1, 1.9, 3], low=2), False),
        (Target("", [1, 2, 3], high=2), True),
        (Target("", [1, 2.1, 2.2], high=2), False),
    ],
    ids=["low enough", "too low", "high enough", "too high"],
)
def test_target_is_judged_by_the_median(target: Target, met: bool) -> None:
    assert target.is_met() == met


def test_targets_are_ratios_of_the_same_round() -> None:
    ratios = [target.figures for target in targets(results(cpu=4.0)) if "JSON" in target.text]

    assert ratios == [[0.5, 0.5, 0.5]] * 3


def test_targets_are_met_by_who_is_fast_and_missed_by_who_is_slow() -> None:
    fast = {target.text: target.is_met() for target in targets(results(cpu=0.1))}
    slow = {target.text: target.is_met() for target in targets(results(cpu=50.0))}

    assert all(fast.values()), [text for text, met in fast.items() if not met]
    assert [text for text, met in slow.items() if met] == [
        *(text for text in slow if "each event" in text or "rewriting" in text or "upload" in text)
    ]
    assert word_targets(results(cpu=50.0)).count("not met") == len(slow) - 4


def test_results_come_back_from_their_file(tmp_path: Path) -> None:
    file = tmp_path / "new" / "results.json"
    keep(results(), file)

    assert recall(file).figures == results().figures


def test_page_keeps_what_stands_around_the_figures(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{BEGIN}\nof last year\n{END}\nafter\n")
    write(results(), Place(page))
    once = page.read_text()
    write(results(), Place(page))

    assert once.startswith("before\n") and once.endswith("\nafter\n")
    assert "of last year" not in once
    assert page.read_text() == once


def test_page_that_is_not_there_yet_is_made_with_all_that_it_links_to(tmp_path: Path) -> None:
    place = Place(tmp_path / "new" / "performance.md")
    keep(results(), place.results)
    write(results(), place)
    links = re.findall(r"\]\((.*?)\)", place.page.read_text())

    assert len(links) > 5
    assert all((place.page.parent / link).is_file() for link in links), links


@pytest.mark.parametrize(
    ("variables", "place"),
    [({}, OWN), ({"PUBLISH": ""}, OWN), ({"PUBLISH": "0"}, OWN), ({"PUBLISH": "1"}, PUBLISHED)],
    ids=["left out", "empty", "0", "1"],
)
def test_results_go_where_git_does_not_look_unless_they_are_published(
    variables: dict[str, str], place: Place
) -> None:
    assert read_place(variables) == place


def test_terminal_is_told_where_the_results_are() -> None:
    assert OWN.page.is_relative_to(prepare.BUILD)
    assert OWN.describe() == (
        "Written: .build/bench/performance.md,"
        " and .build/bench/performance/ with its plots and results.json"
    )
    assert PUBLISHED.describe().startswith("Written: docs/performance.md, and docs/performance/")


def test_interrupt_waits_for_what_is_being_written(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        (tmp_path / "results").touch()

    assert (tmp_path / "results").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_every_row_of_a_table_has_the_columns_of_its_head() -> None:
    tables = [part for part in word_page(results()).split("\n\n") if part.startswith("|")]

    assert len(tables) > 5
    for table in tables:
        assert len({row.count("|") for row in table.splitlines()}) == 1, table


def test_every_plot_of_the_page_is_drawn() -> None:
    told = word_page(results())

    for name, plot in plots(results()).items():
        assert f"(performance/{name}.svg)" in told
        assert xml.fromstring(plot).findtext(f"{SVG}title")


def test_lines_have_a_point_for_each_figure_within_the_picture() -> None:
    plot = lines(
        "<Title>", "x", "y & z", [Line("a", [(1, 0.2), (10, 30)]), Line("b", [(1, 2), (10, 31)], 1)]
    )
    page = xml.fromstring(plot)
    points = page.findall(f"{SVG}circle")

    assert len(points) == 4
    assert len(page.findall(f"{SVG}polyline")) == 2
    assert all(0 < float(point.attrib["cx"]) < 760 for point in points)
    assert all(0 < float(point.attrib["cy"]) < 420 for point in points)
    assert [point.findtext(f"{SVG}title") for point in points][0] == "a, 1: 0.200"


def test_bars_are_as_long_as_their_figures() -> None:
    page = xml.fromstring(bars("Title", "ms", [Bar("a", 2, 1, 3), Bar("b", 4, 4, 4, 1)]))
    drawn = [bar for bar in page.findall(f"{SVG}rect") if bar.find(f"{SVG}title") is not None]

    widths = [float(bar.attrib["width"]) for bar in drawn]
    assert widths[1] == pytest.approx(2 * widths[0], rel=0.01)
