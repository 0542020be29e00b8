"""Which broker is picked, and what is said about it."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from sluice.errors import UnavailableError
from sluice.local import ExternalBroker, KafkaBroker, MockBroker, choose_broker


@pytest.fixture(autouse=True)
def no_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)


def test_kafka_where_java_and_maven_are(tmp_path: Path) -> None:
    said: list[str] = []
    assert isinstance(choose_broker(tmp_path, said.append), KafkaBroker)
    assert said == []


def test_the_mock_where_they_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    said: list[str] = []
    broker = choose_broker(tmp_path, said.append)
    assert isinstance(broker, MockBroker)
    assert not broker.durable
    text = "\n".join(said)
    assert "no `java` was found" in text
    assert "apt-get install" in text
    assert "NOT durable" in text


def test_the_environment_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    broker = choose_broker(tmp_path)
    assert isinstance(broker, ExternalBroker)
    assert broker.bootstrap == "127.0.0.1:1"


@pytest.mark.parametrize("servers", ["127.0.0.1:1", "127.0.0.1", "127.0.0.1:port", "127.0.0.1:99999", ":9092"])
def test_servers_that_cannot_be_reached(servers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice.local.broker._REACH_SECONDS", 0.3)
    with pytest.raises(UnavailableError, match=rf"(?s)no Kafka broker answers:.*{servers}"), ExternalBroker(servers):
        pytest.fail("started")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\x08" + b"\xff" * 8])
def test_a_server_that_is_no_broker(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice.local.broker._REACH_SECONDS", 0)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        with pytest.raises(UnavailableError, match=rf"127\.0\.0\.1:{port}"):
            ExternalBroker(f"127.0.0.1:{port}").start()
        thread.join(5)
