# SPDX-License-Identifier: Apache-2.0
"""Who may ask, what headers every answer carries, and that nothing asked for is said back."""

import asyncio
import re
import socket

import pytest
from seeded import configuration, site
from starlette.types import Message

from informatics_gateway.model import JobStatus
from informatics_gateway.web.guard import Guard, host_names

HOSTILE = '<script>alert("x")</script>'


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with site(tmp_path_factory.mktemp("guard")) as served:
        served.seeded.job(JobStatus.DELIVERED)
        yield served


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.0.0.1:9999", "[::1]:8080", "LOCALHOST:80", "[::1]"]
)
def test_loopback_names_may_ask(served, host):
    assert served.client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8080",
        "evil.example:127.0.0.1",
        "",
        "[::1",
        "0.0.0.0",
    ],
)
@pytest.mark.parametrize("path", ["/", "/jobs/1", "/api/jobs", "/healthz", "/style.css", "/nothing"])
def test_a_foreign_host_name_gets_nothing(served, host, path):
    answer = served.client.get(path, headers={"Host": host})
    assert answer.status_code in (400, 421)
    assert "job" not in answer.text.lower()
    assert not host or host not in answer.text


def raw(served, request: str) -> bytes:
    """The answer to a request that no HTTP client would send."""
    with socket.create_connection(("127.0.0.1", served.client.base_url.port)) as connection:
        connection.sendall(request.encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


@pytest.mark.parametrize(
    "hosts", ["", "Host: localhost\r\nHost: evil.example\r\n", "Host: evil.example\r\nHost: localhost\r\n"]
)
def test_there_must_be_one_host_header(served, hosts):
    answer = raw(served, f"GET / HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n")
    assert re.match(rb"HTTP/1.1 (400|421) ", answer)


@pytest.mark.parametrize("hosts", [[], [b"localhost", b"evil.example"], [b"localhost", b"localhost"]])
def test_the_guard_itself_wants_one_host_header(hosts):
    """Uvicorn's parser in use here refuses such a request before; another parser would not."""
    said: list[int] = []

    async def send(message: Message) -> None:
        said.append(message.get("status", 0))

    async def receive() -> Message:
        return {"type": "http.request"}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", host) for host in hosts]}
    asyncio.run(Guard(not_reached, host_names("127.0.0.1"))(scope, receive, send))
    assert said[0] == 421


async def not_reached(*_: object) -> None:
    """An application that must not be asked."""
    raise AssertionError


def test_the_configured_name_may_ask_and_all_addresses_are_no_name():
    assert "gantry.hospital" in host_names("Gantry.hospital")
    assert host_names("0.0.0.0") == host_names("::") == host_names("127.0.0.1")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://evil.example:8080"]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_another_sites_page_may_change_nothing(served, method, origin):
    assert served.client.request(method, "/api/jobs", headers={"Origin": origin}).status_code == 403


def test_nothing_can_be_changed_yet(served):
    origin = {"Origin": served.url}
    for path in ("/", "/jobs/1", "/api/jobs", "/api/jobs/1", "/healthz"):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert served.client.request(method, path, headers=origin).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/jobs/1",
        "/jobs/1/picture.png",
        "/jobs/99",
        "/jobs/x",
        "/nothing",
        "/style.css",
        "/refresh.js",
        "/favicon.ico",
        "/api/jobs",
        "/api/jobs/99",
        "/api/nothing",
        "/api/openapi.json",
        "/healthz",
        "/readyz",
    ],
)
def test_every_answer_carries_the_headers(served, path):
    headers = served.client.get(path).headers
    policy = dict(rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["img-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert (
        headers["referrer-policy"] == "same-origin"
    )  # else a browser sends a form of ours with Origin: null
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/{HOSTILE}", 404),
        (f"/jobs/{HOSTILE}", 404),
        ("/jobs/<b>", 422),
        ("/jobs/-1", 422),
        ("/jobs/9223372036854775808", 422),
        (f"/?status={HOSTILE}", 422),
        (f"/?before={HOSTILE}", 422),
        ("/?before=0", 422),
        ("/?before=99999999999999999999", 422),
        (f"/api/jobs?status={HOSTILE}", 422),
        ("/api/jobs?limit=201", 422),
        ("/api/jobs?limit=0", 422),
        (f"/api/jobs?limit={HOSTILE}", 422),
        (f"/api/{HOSTILE}", 404),
        ("/jobs/1/../../etc/passwd", 404),
    ],
)
def test_what_is_asked_wrongly_is_not_said_back(served, path, status):
    answer = served.client.get(path)
    assert answer.status_code == status
    for piece in ("script>", "alert", "<b>", "99999", "passwd"):
        assert piece not in answer.text
    kind = "application/json" if path.startswith("/api") else "text/html"
    assert answer.headers["content-type"].startswith(kind)


def test_a_fault_tells_nothing_and_has_the_headers(tmp_path, monkeypatch):
    def fault(*_: object) -> None:
        raise ZeroDivisionError("secret")

    with site(tmp_path) as served:
        monkeypatch.setattr("informatics_gateway.web.desk.Desk.refusals", fault)
        page, answer = served.client.get("/"), served.client.get("/api/refusals")
    assert page.status_code == answer.status_code == 500
    assert "secret" not in page.text + answer.text
    assert "ZeroDivision" not in page.text + answer.text
    assert page.headers["content-security-policy"] == answer.headers["content-security-policy"]
    assert page.headers["connection"] == "close"  # as the server does, so nobody asks on it again


def test_a_configured_host_is_known_to_the_page(tmp_path, monkeypatch):
    monkeypatch.setenv("GANTRY_IN_CONTAINER", "1")
    with site(tmp_path, configuration(tmp_path, web={"host": "gantry.example"})) as served:
        assert served.client.get("/", headers={"Host": "gantry.example:8080"}).status_code == 200
        assert served.client.get("/", headers={"Host": "other.example"}).status_code == 421
