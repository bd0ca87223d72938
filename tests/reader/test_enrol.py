"""A reader introduces itself: what it proves, and how a controller's refusal reads."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from reader.enrol import EnrolmentRefused, enrol
from shared.credential.p256 import PublicKey
from shared.wire.proofs import Role, enrol_proof
from tests.reader.keys import ANSWER, ENROLMENT, KEYS

TOKEN = "one time only"


class Desk(HTTPServer):
    """A controller that gives one prepared answer and keeps what it was sent."""

    def __init__(self, status: int, answer: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.answer = status, answer
        self.asked: list[tuple[str, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Desk

    def do_POST(self) -> None:  # the name that http.server looks for
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, json.loads(body)))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def desk(status: int, answer: object) -> Iterator[Desk]:
    content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    with Desk(status, content) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def refused(status: int, answer: object) -> str:
    with desk(status, answer) as server, pytest.raises(EnrolmentRefused) as error:
        enrol(server.url, TOKEN, KEYS, "test")
    said = str(error.value)
    assert said.startswith(f"{server.url}/enrol/reader")
    assert TOKEN not in said
    return said


def test_both_keys_are_handed_over_and_proven() -> None:
    with desk(200, ANSWER) as server:
        assert enrol(server.url + "/", TOKEN, KEYS, "doorward-reader 1") == ENROLMENT
    [(path, body)] = server.asked
    assert path == "/enrol/reader"
    assert (body["token"], body["software"]) == (TOKEN, "doorward-reader 1")
    for name, role, key in (
        ("identity", Role.IDENTITY, KEYS.identity),
        ("pkoc", Role.PKOC, KEYS.pkoc),
    ):
        shown = PublicKey.parse(bytes.fromhex(body[f"{name}_key"]))
        assert shown == key.public
        proof = bytes.fromhex(body[f"proof_{name}"])
        assert shown.verifies(proof, enrol_proof(TOKEN, role, shown.point))
        assert key.secret_bytes().hex() not in json.dumps(body)


def test_a_refusal_is_told_in_the_words_of_the_controller() -> None:
    said = refused(410, {"error": "gone", "error_description": "this token has expired"})
    assert said.endswith("answered 410: this token has expired")


def test_the_words_of_a_controller_are_stripped_and_capped() -> None:
    said = refused(422, {"error_description": "a\x1b[31m\n'" + "b" * 5_000})
    assert "\x1b" not in said
    assert "\n" not in said
    assert len(said) < 300


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[1]", b"{}", b"[" * 50_000])
def test_a_refusal_without_words_is_one(answer: bytes) -> None:
    assert refused(503, answer).endswith("answered 503: no reason given")


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[" * 50_000, b'{"a": "' + b"x" * 70_000])
def test_what_is_no_json_is_no_answer(answer: bytes) -> None:
    assert refused(200, answer).endswith("answered with something that is not JSON")


@pytest.mark.parametrize("answer", [[], {}, {**ANSWER, "plan_key": "00"}])
def test_an_answer_that_is_no_enrolment_is_refused(answer: object) -> None:
    assert "not an enrolment" in refused(200, answer)


def test_a_controller_that_is_not_there_is_named() -> None:
    with desk(200, ANSWER) as server:
        url = server.url
    with pytest.raises(EnrolmentRefused, match=r"cannot be reached \(Connection refused\)"):
        enrol(url, TOKEN, KEYS, "test")


@pytest.mark.parametrize("url", ["", "office:8080", "ftp://office", "file:///etc", "http://["])
def test_what_is_no_web_address_is_not_asked(url: str) -> None:
    with pytest.raises(EnrolmentRefused, match="write it http://host:8080"):
        enrol(url, TOKEN, KEYS, "test")
