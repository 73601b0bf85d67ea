"""
The client's reader of server-sent events.

The examples are those of html.spec.whatwg.org/multipage/server-sent-events.html, 9.2.6.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise_client.events import Event, EventReader


def read(*chunks: bytes) -> list[Event]:
    """The events of a stream that is not looked at beyond its end."""
    reader = EventReader()
    return [event for chunk in chunks for event in reader.feed(chunk)]


def test_whatwg_example_of_three_messages() -> None:
    stream = (
        b"data: This is the first message.\n\n"
        b"data: This is the second message, it\ndata: has two lines.\n\n"
        b"data: This is the third message.\n\n"
    )

    assert [event.data for event in read(stream)] == [
        "This is the first message.",
        "This is the second message, it\nhas two lines.",
        "This is the third message.",
    ]


def test_whatwg_example_of_named_events() -> None:
    stream = b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: add\ndata: 113\n\n"

    assert [(event.type, event.data) for event in read(stream)] == [
        ("add", "73857293"),
        ("remove", "2153"),
        ("add", "113"),
    ]


def test_whatwg_example_of_stock_prices() -> None:
    assert read(b"data: YHOO\ndata: +2\ndata: 10\n\n") == [Event("YHOO\n+2\n10")]


def test_whatwg_example_of_four_blocks() -> None:
    stream = (
        b": test stream\n\n"
        b"data: first event\nid: 1\n\n"
        b"data:second event\nid\n\n"
        b"data:  third event\n\n"
    )

    assert read(stream) == [
        Event("first event", id="1"),
        Event("second event", id=""),
        Event(" third event", id=""),
    ]


def test_whatwg_example_of_a_block_without_its_end() -> None:
    assert read(b"data\n\ndata\ndata\n\ndata:") == [Event(""), Event("\n")]


def test_whatwg_example_of_a_space_after_the_colon() -> None:
    assert read(b"data:test\n\ndata: test\n\n") == [Event("test"), Event("test")]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"], ids=["LF", "CR", "CRLF"])
def test_lines_end_in_any_of_three_ways(end: bytes) -> None:
    lines = [b"data: a", b"data: b", b"", b": c", b"event: x", b"data: d", b"", b""]

    assert read(end.join(lines)) == [Event("a\nb"), Event("d", "x")]


def test_event_is_told_at_its_cr_without_waiting_for_more() -> None:
    reader = EventReader()

    assert reader.feed(b"data: a\r\r") == [Event("a")]
    assert reader.feed(b"\ndata: b\r\n") == []
    assert reader.feed(b"\r") == [Event("b")]


def test_one_byte_order_mark_is_taken_away() -> None:
    mark = b"\xef\xbb\xbf"

    assert read(mark + b"data: a\n\n") == [Event("a")]
    assert read(mark[:1], mark[1:], b"data: a\n\n") == [Event("a")]
    assert read(mark + mark + b"data: a\n\n") == []


def test_event_without_data_is_none_and_its_type_is_forgotten() -> None:
    assert read(b"event: x\n\ndata: a\n\n") == [Event("a")]


def test_other_fields_and_comments_say_nothing() -> None:
    assert read(b"Data: a\n data: b\nnone\n:data: c\nfoo: d\n\n") == []


def test_id_stays_until_there_is_another_and_holds_no_null() -> None:
    stream = b"id: 1\ndata: a\n\ndata: b\n\nid: x\0y\ndata: c\n\nid: 2\n\ndata: d\n\n"

    assert [event.id for event in read(stream)] == ["1", "1", "1", "2"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"retry: 3000", 3000),
        (b"retry:0", 0),
        (b"retry: 3 s", None),
        (b"retry: -1", None),
        (b"retry", None),
        ("retry: ٣".encode(), None),
        (b"retry: " + b"9" * 5000, None),
    ],
)
def test_retry_is_digits_alone(line: bytes, told: int | None) -> None:
    reader = EventReader()
    reader.feed(line + b"\n")

    assert reader.retry_ms == told


def test_what_is_no_character_becomes_a_sign() -> None:
    assert read(b"data: \xff\xe2\x82", b"\n\n") == [Event("\ufffd\ufffd")]


@pytest.mark.parametrize(
    ("stream", "left"),
    [
        (b"data: a", Event("a")),
        (b"data: a\n", Event("a")),
        (b"data: a\xe2", Event("a\ufffd")),
        (b"[DONE]", Event("[DONE]")),
        (b"data: a\n\n", None),
        (b": a", None),
        (b"", None),
    ],
)
def test_event_that_the_end_cuts_off_is_told_to_who_asks(stream: bytes, left: Event | None) -> None:
    reader = EventReader()
    reader.feed(stream)

    assert reader.close() == left


def test_done_without_a_field_is_data() -> None:
    assert read(b"data: a\n\n[DONE]\n\n") == [Event("a"), Event("[DONE]")]


LINES = st.lists(
    st.sampled_from(
        [b"data", b"data:", b"data: x", b"id: 1", b"event: y", b"", b"", b":", "data: ü😀".encode()]
    )
)
ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])


@given(st.lists(st.tuples(LINES, ENDS)), st.lists(st.integers(1, 5)), st.booleans())
def test_cuts_change_nothing(
    blocks: list[tuple[list[bytes], bytes]], lengths: list[int], has_mark: bool
) -> None:
    stream = b"\xef\xbb\xbf" * has_mark
    stream += b"".join(line + end for lines, end in blocks for line in [*lines, b""])
    chunks, start = [], 0
    for length in lengths:
        chunks.append(stream[start : start + length])
        start += length

    assert read(*chunks, stream[start:]) == read(stream)


@given(st.binary())
def test_no_bytes_make_it_stumble(stream: bytes) -> None:
    reader = EventReader()
    events = [event for byte in stream for event in reader.feed(bytes([byte]))]

    assert events == read(stream)
    reader.close()
