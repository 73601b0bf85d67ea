import socket

import pytest

from tools.dev import DevError, check_engine, read_ai_url, read_port


def test_free_port_is_taken_as_it_is() -> None:
    assert read_port("0") == 0


@pytest.mark.parametrize("text", ["", "http", "-1", "65536", "8787.5", "٣"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(DevError, match="PORT: expected a number from 0 to 65535, got"):
        read_port(text)


def test_port_that_is_taken_is_told_with_another_to_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(DevError) as caught:
            read_port(str(port))

    assert str(caught.value).startswith(f"PORT: another program listens on {port} already.")
    assert "make dev PORT=" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9999",
        "127.0.0.1:9999",
        "https://127.0.0.1:9999",
        "http://",
        "http://h:x",
        "http://h/v1",
        "http://h?x=1",
        "http://[::1",
        "http://a..b",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(DevError, match="AI_URL: expected an address such as"):
        read_ai_url(text)


def test_address_where_nothing_listens_is_told() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"

        with pytest.raises(DevError, match=f"AI_URL: nothing listens at {url}"):
            read_ai_url(url)


def test_address_where_something_listens_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"

        assert read_ai_url(f"{url}/") == url


@pytest.mark.parametrize("name", ["AI_ENGINE", "AI_ENGINE_MODEL", "AI_REPLIES"])
def test_variable_that_another_one_leaves_out_is_refused(name: str) -> None:
    with pytest.raises(DevError, match=f"{name}: it is for the Workers AI of this machine"):
        check_engine({name: "x"}, "http://127.0.0.1:9999")

    check_engine({name: "x"}, None)
    check_engine({name: ""}, "http://127.0.0.1:9999")
