# SPDX-License-Identifier: Apache-2.0
"""compose.yaml and Dockerfile: loopback only, durable, no secret in git; started where that is possible."""

import json
import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from builders import ct_series
from orthanc import free_port

from informatics_gateway.config import load

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "informatics-gateway"
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
ORTHANC, GATEWAY = COMPOSE["services"]["orthanc"], COMPOSE["services"]["gateway"]
SERVICES = pytest.mark.parametrize("service", COMPOSE["services"].values(), ids=COMPOSE["services"])


def _substituted(text: str) -> str:
    return re.sub(r"\$\{ORTHANC_PASSWORD:\?[^}]*\}", "not-a-real-one", text)


def _orthanc_json() -> dict:
    return json.loads(_substituted(ORTHANC["environment"]["ORTHANC_JSON"]))


def _volumes(service: dict) -> dict[str, str]:
    return {target: source for source, target, *_ in (volume.split(":") for volume in service["volumes"])}


@SERVICES
def test_ports_are_published_on_loopback_only(service):
    assert service["ports"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert "network_mode" not in service


@SERVICES
def test_every_service_is_seen_to_be_healthy_and_has_tcp_nodelay(service):
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["environment"]["TCP_NODELAY"] == "1"


def test_studies_and_jobs_are_in_named_volumes():
    configured = _orthanc_json()
    assert configured["StorageDirectory"] == configured["IndexDirectory"]
    config = load_in_container()
    assert _volumes(ORTHANC)[configured["StorageDirectory"]] == "orthanc-storage"
    assert _volumes(GATEWAY)[str(config.storage.path)] == "gateway-storage"
    assert set(COMPOSE["volumes"]) == {"orthanc-storage", "gateway-storage"}


def test_the_archive_reads_the_projects_own_orthanc_json():
    assert _volumes(ORTHANC)["/etc/orthanc/orthanc.json"] == "./orthanc.json"
    own = json.loads((FOLDER / "orthanc.json").read_text())
    assert own["AuthenticationEnabled"] is True
    assert set(_orthanc_json()["DicomModalities"]) == set(own["DicomModalities"])
    assert {modality["Host"] for modality in _orthanc_json()["DicomModalities"].values()} == {"gateway"}


def load_in_container():
    """The configuration as the gateway's container reads it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANTRY_IN_CONTAINER", "1")
        return load(FOLDER / "gantry.compose.toml")


def test_the_gateways_configuration_fits_the_services():
    config = load_in_container()
    assert GATEWAY["environment"]["GANTRY_IN_CONTAINER"] == "1"
    assert {port.rpartition(":")[2] for port in GATEWAY["ports"]} == {
        str(config.dicom.port),
        str(config.web.port),
    }
    assert config.sources[0].host in COMPOSE["services"]
    archive = config.destinations[0]
    assert archive.url == "http://orthanc:8042/dicom-web"
    assert archive.username in _orthanc_json()["RegisteredUsers"]
    assert archive.password_env in GATEWAY["environment"]
    called = {route.called_ae_title for route in config.routes}
    assert called <= set(_orthanc_json()["DicomModalities"])
    assert f"/srv/gantry/apps/{config.apps[0].name}" == str(config.apps[0].path)
    assert (ROOT / "apps" / config.apps[0].name / "app.py").is_file()


def test_no_secret_is_in_git_and_none_is_made_up():
    password = GATEWAY["environment"]["ORTHANC_PASSWORD"]
    assert _substituted(password) == "not-a-real-one"
    assert _orthanc_json()["RegisteredUsers"] == {"gantry": "not-a-real-one"}
    ignored = subprocess.run(["git", "check-ignore", "informatics-gateway/.env"], cwd=ROOT, check=False)
    assert ignored.returncode == 0


def test_images_are_pinned_and_ours_has_the_packages_version():
    assert re.fullmatch(r"orthancteam/orthanc:\d+\.\d+\.\d+", ORTHANC["image"])
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert GATEWAY["image"] == f"gantry:{version[1]}"
    assert GATEWAY["build"] == {"context": "..", "dockerfile": "informatics-gateway/Dockerfile"}


def test_the_gateway_has_no_privileges():
    assert GATEWAY["cap_drop"] == ["ALL"]
    assert GATEWAY["security_opt"] == ["no-new-privileges:true"]
    user = re.search(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE)[1]
    assert user != "root"
    assert DOCKERFILE.index(f"USER {user}") < DOCKERFILE.index("ENTRYPOINT")


def test_the_image_is_made_of_files_that_are_there_and_not_ignored():
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = {source for line in copied for source in line.split()}
    assert sources == allowed
    assert all((ROOT / source).exists() for source in sources)


def test_the_image_installs_the_pinned_extras_of_apps_and_research():
    assert re.search(r"^ENV .*PIP_CONSTRAINT=/build/constraints.txt", DOCKERFILE, re.MULTILINE)
    assert "*extras['apps'], *extras['research']" in DOCKERFILE
    assert "apt-get install -qq --yes --no-install-recommends tesseract-ocr" in DOCKERFILE
    torch = re.search(r"torch==[\d.]+", (ROOT / "pyproject.toml").read_text())[0]
    assert torch in DOCKERFILE
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["python:3.11-slim"] * 2


class Stack:
    """Both services under a name, ports and a password of their own."""

    ports = ("ORTHANC_HTTP_PORT", "ORTHANC_DICOM_PORT", "GANTRY_DICOM_PORT", "GANTRY_WEB_PORT")

    def __init__(self, password: str) -> None:
        numbers = {name: str(free_port()) for name in self.ports}
        self.environment = os.environ | numbers | {"ORTHANC_PASSWORD": password}
        self.orthanc = httpx.Client(
            base_url=f"http://127.0.0.1:{numbers['ORTHANC_HTTP_PORT']}", auth=("gantry", password), timeout=60
        )
        self.gateway = httpx.Client(base_url=f"http://127.0.0.1:{numbers['GANTRY_WEB_PORT']}", timeout=60)

    def compose(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`docker compose` on our file."""
        command = ["docker", "compose", "--project-name", "gantry-test", "--file", FOLDER / "compose.yaml"]
        return subprocess.run(
            [*command, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    def up(self) -> None:
        """Start both and wait until they are healthy."""
        done = self.compose("up", "--detach", "--wait")
        assert done.returncode == 0, done.stderr

    def jobs(self) -> list[str]:
        """The series of each job that the gateway knows."""
        return [job["series_instance_uid"] for job in self.gateway.get("/api/jobs").json()["jobs"]]


@pytest.fixture
def stack() -> Stack:
    """Not started; skips where the docker client has no compose."""
    stack = Stack(secrets.token_hex(16))
    try:
        there = stack.compose("version").returncode == 0
    except OSError:
        there = False
    if not there:
        pytest.skip("docker compose is not installed")
    return stack


def test_docker_compose_reads_the_file(stack):
    done = stack.compose("config", "--quiet")
    assert done.returncode == 0, done.stderr
    stack.environment["ORTHANC_PASSWORD"] = ""
    assert "ORTHANC_PASSWORD" in stack.compose("config", "--quiet").stderr


@pytest.fixture
def started(stack) -> Iterator[Stack]:
    """Up and healthy; taken down with its volumes afterwards."""
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("engine not permitted")
    for image in (ORTHANC["image"], GATEWAY["image"]):
        if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode:
            pytest.skip(f"image {image} is not here")
    try:
        stack.up()
        yield stack
    finally:
        stack.compose("down", "--volumes")


@pytest.mark.engine
def test_studies_and_jobs_survive_down_and_up(started, tmp_path):
    paths = ct_series(tmp_path, slices=3)
    for path in paths:
        started.orthanc.post("/instances", content=path.read_bytes()).raise_for_status()
    [series] = started.orthanc.get("/series").json()
    started.orthanc.post("/modalities/LUNGS/store", content=series).raise_for_status()
    deadline = time.monotonic() + 60
    while not started.jobs():
        assert time.monotonic() < deadline, started.compose("logs", "gateway").stdout
        time.sleep(0.5)
    before = started.jobs()
    assert started.compose("down").returncode == 0
    started.up()
    assert started.jobs() == before
    assert len(started.orthanc.get("/instances").json()) >= len(paths)
