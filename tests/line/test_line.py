# SPDX-License-Identifier: Apache-2.0
"""The line, walked by a real gateway and a real archive, with an app that keeps the contract without torch."""

import shutil
import time
from pathlib import Path

import pytest
from builders import ct_series
from dcmtk import Storescp
from gateway_process import Gateway
from orthanc import Orthanc
from pydicom import dcmread
from pydicom.uid import generate_uid

from informatics_gateway.model import JobStatus

pytestmark = pytest.mark.orthanc

APPS = Path(__file__).parents[1] / "operators" / "apps"
ROUTE = """
[[app]]
name = "torch_free"
path = "{app}"
{options}
[[route]]
called_ae_title = "LUNGS"
series = {{ Modality = "{modality}" }}
app = "torch_free"
destinations = ["archive"]
"""


def new_gateway(
    folder: Path, orthanc: Orthanc, options: str = "", destination: str = "", modality: str = "CT", **settings
) -> Gateway:
    route = ROUTE.format(app=APPS / "torch_free", options=options, modality=modality)
    gateway = Gateway(
        folder / "gateway",
        (destination or orthanc.destination()) + route,
        environment=orthanc.environment,
        **settings,
    )
    orthanc.add_modality("LUNGS", gateway.port)
    return gateway


@pytest.fixture
def start(tmp_path, orthanc):
    """Start a gateway; it ends with the test."""
    started: list[Gateway] = []

    def start(**settings) -> Gateway:
        gateway = new_gateway(tmp_path, orthanc, **settings)
        started.append(gateway)
        gateway.start()
        return gateway

    orthanc.clear()
    yield start
    for gateway in started:
        gateway.kill()


def series_uid(paths: list[Path]) -> str:
    return str(dcmread(paths[0]).SeriesInstanceUID)


def result_uids(gateway: Gateway, job: int) -> list[str]:
    return [
        result["sop_instance_uid"] for result in gateway.cli("jobs", "show", str(job), "--json")["results"]
    ]


def archived(orthanc: Orthanc, **keys: str) -> set[str]:
    return {instance["SOPInstanceUID"] for instance in orthanc.instances(**keys)}


def test_orthanc_itself_sends_and_the_result_lies_beside_its_source(start, orthanc, tmp_path):
    gateway = start()
    paths = ct_series(tmp_path / "ct", slices=5)
    for path in paths:
        orthanc.upload(path)
    orthanc.send_series(series_uid(paths), "LUNGS")
    assert gateway.wait_ended() == ["delivered"]
    [result] = result_uids(gateway, 1)
    kept = dcmread(__import__("io").BytesIO(orthanc.file(result)))
    source = dcmread(paths[0])
    assert (kept.PatientID, kept.StudyInstanceUID) == (source.PatientID, source.StudyInstanceUID)
    assert "NOT FOR CLINICAL USE - RESEARCH ONLY" in kept.SeriesDescription
    events = gateway.events(1)
    assert "closed by the release of the association on a gap-free run" in events[0]
    assert [text.split(":")[0].split(" in ")[0] for text in events if "archive" not in text] == [
        "queued for torch_free", "execute", "executed", "validated",
    ]  # fmt: skip
    assert events[-1] == "delivered: proved by archive"


def test_a_run_with_a_hole_waits_for_the_quiet_period(start, tmp_path):
    gateway = start(quiet_s=1.5)
    paths = ct_series(tmp_path / "ct", slices=5)
    started = time.monotonic()
    assert len(gateway.send([paths[0], paths[1], paths[4]])) == 3
    gateway.wait_ended()
    assert time.monotonic() - started >= 1.5
    assert "closed by 1.5 s of quiet" in gateway.events(1)[0]


def test_sent_again_is_not_run_again_and_what_is_missing_is_sent_with_the_same_bytes(
    start, orthanc, tmp_path
):
    gateway = start()
    paths = ct_series(tmp_path / "ct", slices=4)
    gateway.send(paths)
    gateway.wait_ended()
    [result] = result_uids(gateway, 1)
    first = orthanc.file(result)
    orthanc.clear()
    gateway.send(paths)
    gateway.wait(
        lambda _: gateway.events(1)[-1].startswith("delivered") and "sent again" in str(gateway.events(1))
    )
    assert gateway.statuses() == ["delivered"]
    assert orthanc.file(result) == first
    assert sum("execute" in text for text in gateway.events(1)) == 2  # "execute: ..." and "executed ..."


def test_a_late_instance_makes_a_revision_that_replaces_what_was_delivered(start, orthanc, tmp_path):
    gateway = start(quiet_s=0.5)
    paths = ct_series(tmp_path / "ct", slices=6)
    gateway.send(paths[:5])
    gateway.wait_ended(1)
    [first] = result_uids(gateway, 1)
    before = orthanc.file(first)
    gateway.send(paths[5:])
    assert gateway.wait_ended(2) == ["delivered", "delivered"]
    [second] = result_uids(gateway, 2)
    assert archived(orthanc) == {first, second}
    assert orthanc.file(first) == before
    assert gateway.cli("jobs", "show", "2", "--json")["revision"] == 2


def test_a_late_instance_supersedes_a_job_that_was_not_delivered(start, orthanc, tmp_path):
    gateway = start(options='environment = { SLEEP_S = "600" }', quiet_s=0.5)
    paths = ct_series(tmp_path / "ct", slices=6)
    gateway.send(paths[:5])
    gateway.wait(lambda _: any("execute:" in text for text in gateway.events()))
    gateway.send(paths[5:])
    gateway.wait(lambda all_: all_[0] == "superseded")
    # one job of an app at a time: the second begins only once the first one's attempt was killed
    gateway.wait(lambda _: any("execute:" in text for text in gateway.events(2)))
    assert archived(orthanc) == set()


def test_the_archive_is_down_and_comes_back_across_a_restart(start, orthanc, tmp_path):
    gateway = start()
    orthanc.kill()
    try:
        gateway.send(ct_series(tmp_path / "ct", slices=4))
        gateway.wait(lambda _: sum("Next try in" in text for text in gateway.events()) >= 2)
        gateway.kill()
    finally:
        orthanc.start()
    gateway.start()
    assert gateway.wait_ended() == ["delivered"]
    waits = [text.split("Next try in ")[1] for text in gateway.events(1) if "Next try in" in text]
    assert [float(wait.removesuffix(" s.")) for wait in waits] == sorted(
        float(w.removesuffix(" s.")) for w in waits
    )
    assert len(archived(orthanc)) == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ('environment = { CRASH = "1" }', "The app's process died"),
        ('environment = { HANG = "1" }\ntimeout_s = 1', "ran out of time"),
        ('environment = { MEMORY_MB = "900" }\nmemory_mb = 300', "ran out of memory"),
        ('environment = { NO_MANIFEST = "1" }', "without writing results.json"),
        ('environment = { WRONG_PATIENT = "1" }', "must not leave the gateway"),
    ],
)
def test_an_app_that_fails_is_one_sentence_and_a_hint_and_sends_nothing(
    start, orthanc, tmp_path, options, sentence
):
    gateway = start(options=options)
    gateway.send(ct_series(tmp_path / "ct", slices=3))
    assert gateway.wait_ended() == ["failed"]
    shown = gateway.cli("jobs", "show", "1", "--json")
    assert sentence in shown["error"]
    assert shown["hint"]
    assert archived(orthanc) == set()
    assert sum(text.startswith("execute:") for text in gateway.events(1)) == (3 if "CRASH" in options else 1)


def test_retry_takes_a_failed_job_up_again(start, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(APPS / "torch_free", broken)
    source = broken.joinpath("app.py").read_text()
    gateway = start()
    gateway.stop()
    gateway.config.write_text(gateway.config.read_text().replace(str(APPS / "torch_free"), str(broken)))
    broken.joinpath("app.py").write_text("raise SystemExit(1)\n")
    gateway.start()
    gateway.send(ct_series(tmp_path / "ct", slices=3))
    assert gateway.wait_ended() == ["failed"]
    broken.joinpath("app.py").write_text(source)
    assert "goes on" in gateway.cli("jobs", "retry", "1")
    assert gateway.wait(lambda all_: all_ == ["delivered"])


def test_rerun_is_a_new_revision(start, tmp_path):
    gateway = start()
    gateway.send(ct_series(tmp_path / "ct", slices=3))
    gateway.wait_ended()
    assert "revision 2" in gateway.cli("jobs", "retry", "1", "--rerun")
    assert gateway.wait_ended(2) == ["delivered", "delivered"]
    assert set(result_uids(gateway, 1)).isdisjoint(result_uids(gateway, 2))


def test_cancel_ends_the_app(start, tmp_path):
    gateway = start(options='environment = { SLEEP_S = "600" }')
    gateway.send(ct_series(tmp_path / "ct", slices=3))
    gateway.wait(lambda _: any("execute:" in text for text in gateway.events()))
    gateway.cli("jobs", "cancel", "1")
    assert gateway.wait_ended() == ["cancelled"]
    assert "has ended" in gateway.cli("jobs", "cancel", "1", expect=1)


def test_an_unknown_caller_is_refused_and_shown(start, tmp_path):
    gateway = start()
    assert gateway.send(ct_series(tmp_path / "ct", slices=1), calling="STRANGER") == set()
    gateway.wait(lambda _: "STRANGER" in gateway.log)
    assert 'ae_title = "STRANGER"' in gateway.log


def test_no_route_is_visible_and_has_a_way_back(start, tmp_path):
    gateway = start(modality="MR")
    gateway.send(ct_series(tmp_path / "ct", slices=3))
    gateway.wait(lambda _: gateway.cli("quarantine", "list", "--json") != [])
    [entry] = gateway.cli("quarantine", "list", "--json")
    assert "No route takes this series" in entry["sentence"]
    assert "Modality" in entry["sentence"]
    gateway.cli("quarantine", "release", entry["id"], expect=1)
    gateway.stop()
    gateway.config.write_text(gateway.config.read_text().replace('Modality = "MR"', 'Modality = "CT"'))
    gateway.start()
    gateway.cli("quarantine", "release", entry["id"])
    assert gateway.wait_ended() == ["delivered"]
    assert gateway.cli("quarantine", "list", "--json") == []


def test_mixed_identity_is_refused(start, orthanc, tmp_path):
    study, series = generate_uid(), generate_uid()
    paths = ct_series(
        tmp_path / "ct", slices=4, study=study, series=series,
        PatientID=lambda index: "A" if index < 2 else "B",
    )  # fmt: skip
    gateway = start()
    gateway.send(paths)
    gateway.wait(lambda _: gateway.cli("quarantine", "list", "--json") != [])
    [entry] = gateway.cli("quarantine", "list", "--json")
    assert "more than one patient" in entry["sentence"]
    assert "PatientID" in entry["sentence"]
    assert gateway.statuses() == []


def test_what_gantry_made_starts_no_job(start, orthanc, tmp_path):
    gateway = start()
    gateway.send(ct_series(tmp_path / "ct", slices=3))
    gateway.wait_ended()
    made = tmp_path / "made.dcm"
    made.write_bytes(orthanc.file(result_uids(gateway, 1)[0]))
    assert gateway.send([made]) == {"made.dcm"}
    gateway.wait(lambda _: gateway.cli("quarantine", "list", "--json") != [])
    assert "made by Gantry" in gateway.cli("quarantine", "list", "--json")[0]["sentence"]
    assert gateway.statuses() == ["delivered"]


def test_other_content_under_a_known_uid_is_quarantined_and_overwrites_nothing(start, tmp_path):
    gateway = start()
    study, series = generate_uid(), generate_uid()
    paths = ct_series(tmp_path / "ct", slices=3, study=study, series=series)
    gateway.send(paths)
    gateway.wait_ended()
    changed = dcmread(paths[0])
    changed.SliceLocation = "99"
    changed.save_as(tmp_path / "changed.dcm")
    gateway.send([tmp_path / "changed.dcm"])
    gateway.wait(lambda _: gateway.cli("quarantine", "list", "--json") != [])
    assert "other content" in gateway.cli("quarantine", "list", "--json")[0]["sentence"]
    assert gateway.statuses() == ["delivered"]


def test_a_second_serve_on_one_storage_is_refused(start):
    gateway = start()
    assert "in use by another gantry serve" in gateway.cli("serve", expect=1)


def test_any_pacs_will_do(start, orthanc, storescp: Storescp, tmp_path):
    """DCMTK's storescp can be asked for nothing, so its response must be declared to be enough."""
    pacs = (
        '[[destination]]\nname = "archive"\nkind = "dimse"\nclinical = false\nhost = "127.0.0.1"\n'
        f'port = {storescp.port}\nae_title = "{storescp.aet}"\n'
    )
    gateway = start(destination=pacs + 'proof = "response"\n')
    gateway.send(ct_series(tmp_path / "ct", slices=3))
    assert gateway.wait_ended() == ["delivered"]
    assert len(storescp.received()) == 1
    assert archived(orthanc) == set()


def test_no_patient_attribute_is_logged(start, tmp_path):
    gateway = start()
    names = {"PatientID": "SECRET-ID-77", "PatientName": "Secretname^Person", "PatientBirthDate": "19770707"}
    gateway.send(ct_series(tmp_path / "ct", slices=3, **names))
    gateway.wait_ended()
    gateway.send(ct_series(tmp_path / "mr", slices=3, Modality="MR", **names))
    gateway.wait(lambda _: gateway.cli("quarantine", "list", "--json") != [])
    everything = gateway.log + "".join(gateway.events()) + str(gateway.cli("quarantine", "list", "--json"))
    for secret in ("SECRET-ID-77", "Secretname", "19770707"):
        assert secret not in everything


def test_the_last_of_the_statuses_has_an_end(start):
    """Guard for wait_ended: only ended statuses may count as ended."""
    assert {str(status) for status in JobStatus if not status.ended} == {"queued", "executed", "validated"}
