# SPDX-License-Identifier: Apache-2.0
"""The JSON API and the two health answers."""

import shutil
from datetime import datetime

import pytest
from seeded import APP, MEASURED, configuration, site, write_report

from informatics_gateway import quarantine
from informatics_gateway.model import JobStatus


@pytest.fixture
def served(tmp_path):
    with site(tmp_path) as served:
        yield served


def test_jobs_come_in_pages_the_newest_first(served):
    numbers = [served.seeded.job(count=1).id for _ in range(5)]
    first = served.json("/api/jobs?limit=2")
    second = served.json(f"/api/jobs?limit=2&before={first['next_before']}")
    last = served.json(f"/api/jobs?limit=2&before={second['next_before']}")
    assert [job["id"] for page in (first, second, last) for job in page["jobs"]] == numbers[::-1]
    assert last["next_before"] is None


def test_a_full_last_page_has_no_next(served):
    for _ in range(2):
        served.seeded.job(count=1)
    assert served.json("/api/jobs?limit=2")["next_before"] is None


def test_jobs_are_counted_and_chosen_by_status(served):
    failed = served.seeded.job(JobStatus.FAILED)
    served.seeded.job()
    answer = served.json("/api/jobs?status=failed")
    assert [job["id"] for job in answer["jobs"]] == [failed.id]
    assert answer["counts"] == {status: int(status in ("failed", "queued")) for status in JobStatus}


def test_a_job_says_what_it_is_and_where_it_stands(served):
    job = served.seeded.job(JobStatus.FAILED, SeriesDescription="Thorax")
    answer = served.json(f"/api/jobs/{job.id}")
    key = job.input_set.key
    assert answer["called_ae_title"] == "LUNGS"
    assert answer["app"] == APP
    assert answer["source"] == "MODALITY@127.0.0.1"
    assert answer["series_instance_uid"] == key.series_instance_uid
    assert answer["study_instance_uid"] == key.study_instance_uid
    assert (answer["series_description"], answer["revision"], answer["instances"]) == ("Thorax", 1, 2)
    assert (answer["status"], answer["reached"], answer["ended"]) == ("failed", "queued", True)
    assert answer["error"].endswith("ZeroDivisionError: division by zero.")
    assert answer["hint"]
    assert answer["results"] == []
    assert answer["picture"] is None


def test_a_delivered_job_has_results_proofs_and_numbers(served):
    job = served.seeded.job(JobStatus.DELIVERED)
    answer = served.json(f"/api/jobs/{job.id}")
    stored = served.seeded.store.results(job.id)
    assert [(each["kind"], each["sop_instance_uid"], each["sha256"]) for each in answer["results"]] == [
        (each.kind, each.sop_instance_uid, each.sha256) for each in stored
    ]
    assert [each["sop_class"] for each in answer["results"]] == [
        "Secondary Capture Image Storage",
        "Basic Text SR Storage",
    ]
    assert all(each["proofs"][0]["destination"] == "archive" for each in answer["results"])
    assert answer["report"]["measurements"] == MEASURED
    assert answer["report"]["findings"] == ["lungs not completely imaged"]
    assert answer["report"]["app"]["version"] == "0.3.1"
    assert served.client.get(answer["picture"]).headers["content-type"] == "image/png"


def test_times_carry_their_zone_and_add_up(served):
    answer = served.json(f"/api/jobs/{served.seeded.job(JobStatus.DELIVERED).id}")
    times = [datetime.fromisoformat(event["at"]) for event in answer["events"]]
    assert times[0].utcoffset() is not None
    assert times == sorted(times)
    assert sum(event["after_s"] for event in answer["events"]) == pytest.approx(
        (times[-1] - times[0]).total_seconds(), abs=1e-5
    )
    assert answer["changed_at"] == answer["events"][-1]["at"]


def test_the_patient_is_hidden_in_what_the_app_says(served):
    job = served.seeded.job(JobStatus.DELIVERED, PatientName="Nightingale^Florence", patient_id="HOSP-4711")
    results = served.seeded.store.results(job.id)
    said = {"name": "Volume of Nightingale", "value": 1.0, "unit": "ml", "site": "HOSP-4711"}
    findings = ["florence has no lungs"]
    write_report(results[0].path.parent, job, results, measurements=[said], findings=findings)
    report = served.json(f"/api/jobs/{job.id}")["report"]
    assert report["measurements"] == [
        {"name": "Volume of [patient]", "value": 1.0, "unit": "ml", "site": "[patient]"}
    ]
    assert report["findings"] == ["[patient] has no lungs"]


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"measurements": [{"value": NaN}]}'])
def test_a_broken_results_json_takes_only_the_numbers_away(served, content):
    job = served.seeded.job(JobStatus.DELIVERED)
    served.seeded.store.results(job.id)[0].path.with_name("results.json").write_bytes(content)
    answer = served.json(f"/api/jobs/{job.id}")
    assert answer["report"]["measurements"] == []
    assert len(answer["results"]) == 2


def test_refusals_and_quarantine(served):
    served.seeded.refusal("CT-2")
    entry = quarantine.keep_series(served.seeded.storage, "No route.", "Add one.", None, ["1.2", "1.3"], {})
    [refusal], [kept] = served.json("/api/refusals"), served.json("/api/quarantine")
    assert (refusal["calling_ae_title"], refusal["times"]) == ("CT-2", 1)
    assert 'ae_title = "CT-2"' in refusal["hint"]
    assert kept["release"] == f"gantry quarantine release {entry}"
    assert (kept["kind"], kept["instances"], kept["sentence"]) == ("series", 2, "No route.")


def test_the_api_describes_itself(served):
    paths = served.json("/api/openapi.json")["paths"]
    assert {
        "/api/jobs",
        "/api/jobs/{number}",
        "/api/refusals",
        "/api/quarantine",
        "/healthz",
        "/readyz",
    } == {path for path in paths if not path.startswith("/api/dataset/")}  # test_dataset_api.py
    assert all(list(methods) == ["get"] for methods in paths.values())


def test_alive_says_which_gateway_it_is(served):
    assert served.json("/healthz") | {"version": ""} == {
        "status": "alive",
        "product": "Gantry",
        "version": "",
        "ae_title": "GANTRY",
    }
    assert served.client.head("/healthz").status_code == 200


def test_ready_when_all_is_well(served):
    assert served.json("/readyz") == {"status": "ready", "reasons": []}


def not_ready(served) -> str:
    answer = served.client.get("/readyz")
    assert answer.status_code == 503
    [reason] = answer.json()["reasons"]
    assert reason["hint"]
    return reason["sentence"]


def test_not_ready_when_the_gateway_says_so(served):
    served.troubles.append("The receiver does not listen.")
    assert not_ready(served) == "The receiver does not listen."
    assert served.client.get("/healthz").status_code == 200


def test_not_ready_when_the_storage_cannot_be_written(served, tmp_path):
    served.seeded.storage.rename(tmp_path / "away")
    answer = served.client.get("/readyz")
    sentences = [reason["sentence"] for reason in answer.json()["reasons"]]
    assert "The storage folder cannot be written: No such file or directory." in sentences
    (tmp_path / "away").rename(served.seeded.storage)
    assert served.client.get("/readyz").status_code == 200


def test_not_ready_when_the_journal_cannot_be_read(served):
    served.seeded.job()
    served.seeded.store.close()
    for path in served.seeded.storage.glob("gantry.sqlite*"):
        path.write_bytes(b"\0" * 8192)
    assert not_ready(served).startswith("The journal cannot be read: ")
    for path in ("/", "/jobs/1", "/api/jobs", "/api/refusals"):
        answer = served.client.get(path)
        assert answer.status_code == 503
        assert "The journal cannot be read: " in answer.text
    assert served.client.get("/style.css").status_code == 200


def test_not_ready_when_the_disk_is_nearly_full(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    with site(
        tmp_path, configuration(tmp_path, storage={"path": "storage", "reserve_gb": 2 * free / 1e9})
    ) as served:
        assert "new instances are refused" in not_ready(served)


def test_the_probe_leaves_nothing_behind(served):
    before = sorted(served.seeded.storage.iterdir())
    served.json("/readyz")
    assert sorted(served.seeded.storage.iterdir()) == before
