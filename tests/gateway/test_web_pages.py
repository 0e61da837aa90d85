# SPDX-License-Identifier: Apache-2.0
"""What the status page and a job's page say."""

import re
import time
from html import unescape

import pytest
from seeded import APP, ROUTE, configuration, site

from informatics_gateway import quarantine
from informatics_gateway.errors import DestinationUnavailable, InvalidResult
from informatics_gateway.model import Association, JobStatus

PATIENT = {"PatientName": "Nightingale^Florence", "patient_id": "HOSP-4711", "PatientBirthDate": "18200512"}


@pytest.fixture
def served(tmp_path):
    with site(tmp_path) as served:
        yield served


def words(page: str) -> str:
    """What a reader sees of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.split("<main", 1)[1])).split())


def test_an_empty_gateway_says_so(served):
    page = words(served.text("/"))
    assert "No jobs yet" in page
    assert "Nobody was turned away" in page
    assert "Nothing is held back" in page
    assert f"{APP} LUNGS warm shadow" in page


@pytest.mark.parametrize("status", [each for each in JobStatus if each not in ("cancelled", "superseded")])
def test_each_job_is_listed_with_its_status(served, status):
    job = served.seeded.job(status, SeriesDescription="CT Thorax 1.0")
    page = served.text("/")
    assert f'<span class="word {status}">{status}</span>' in page
    uid = job.input_set.key.series_instance_uid
    row = f"{job.id} LUNGS {APP} CT Thorax 1.0 …{uid[-12:]} , 2 instances {status} "
    assert row in words(page)


def test_a_job_under_way_shows_how_far_its_app_is(served):
    job = served.seeded.job()
    begun = served.seeded.store.begin(job, "execute", new_attempt=True)
    served.seeded.store.note(begun, "progress: find the lungs, 40%")
    for path in ("/", f"/jobs/{job.id}"):
        assert "progress: find the lungs, 40%" in words(served.text(path))


def test_a_job_shows_its_profile(served):
    job = served.seeded.job()
    fast = ROUTE.model_copy(update={"profile": "fast"})
    [number], _ = served.seeded.store.queue(job.input_set, [fast])
    assert f"{number} LUNGS {APP}, fast" in words(served.text("/"))
    assert f"App {APP}, profile fast" in words(served.text(f"/jobs/{number}"))
    assert "profile" not in words(served.text(f"/jobs/{job.id}"))


def test_a_second_revision_is_named_and_the_first_is_superseded(served):
    first = served.seeded.job(count=2, study="1.2.3", series="1.2.3.4", SeriesDescription="Thorax")
    second = served.seeded.job(count=3, study="1.2.3", series="1.2.3.4", SeriesDescription="Thorax")
    page = words(served.text("/"))
    assert re.search(rf"{second.id} LUNGS {APP} Thorax rev 2 1.2.3.4 , 3 instances queued", page)
    assert re.search(rf"{first.id} LUNGS {APP} Thorax 1.2.3.4 , 2 instances superseded", page)


def test_the_line_shows_where_the_jobs_are(served):
    for status, count in (("queued", 3), ("executed", 2), ("validated", 1), ("delivered", 4)):
        for _ in range(count):
            served.seeded.job(JobStatus(status), count=1)
    served.seeded.series(count=1)
    page = words(served.text("/"))
    assert "assemble 1 series coming in" in page
    assert "execute 3 queued validate 2 executed deliver 1 validated in the archive 4 delivered" in page


def test_a_series_that_comes_in_is_shown_before_it_is_a_job(served):
    served.seeded.series(count=1)
    assert re.search(r"LUNGS …\d{12} MODALITY@127.0.0.1 [\d.]+ m?s ago", words(served.text("/")))


def test_jobs_can_be_chosen_by_status(served):
    failed, queued = served.seeded.job(JobStatus.FAILED), served.seeded.job()
    page = served.text("/?status=failed")
    assert f'href="/jobs/{failed.id}"' in page
    assert f'href="/jobs/{queued.id}"' not in page
    assert "No job is delivered." in served.text("/?status=delivered")


def test_older_jobs_are_a_page_further(served, monkeypatch):
    monkeypatch.setattr("informatics_gateway.web.pages.JOBS_ON_A_PAGE", 2)
    first, second, third = (served.seeded.job(count=1).id for _ in range(3))
    newest = served.text("/")
    assert f'href="/jobs/{third}"' in newest
    assert f'href="/jobs/{first}"' not in newest
    [older] = re.findall(r'href="(/\?before=\d+)"', newest)
    page = served.text(older)
    assert f'href="/jobs/{first}"' in page
    assert f'href="/jobs/{second}"' not in page
    assert "Newest" in page


def test_a_failure_is_a_sentence_with_a_hint(served):
    job = served.seeded.job(JobStatus.FAILED)
    for path in ("/", f"/jobs/{job.id}"):
        page = served.text(path)
        assert "The app ended with an error. ZeroDivisionError: division by zero." in page
        assert "<code>gantry jobs retry</code>" in page
    assert f"<code>gantry jobs retry {job.id}</code>" in served.text(f"/jobs/{job.id}")


def test_a_job_that_waits_for_its_archive_says_why(served):
    job = served.seeded.job(JobStatus.VALIDATED)
    served.seeded.store.postpone(job, 8, DestinationUnavailable("archive: refused."))
    assert "could not be reached or did not answer. archive: refused." in served.text("/")
    assert "Next try in 8 s." in served.text(f"/jobs/{job.id}")


def test_a_jobs_page_has_its_history_results_and_proofs(served):
    job = served.seeded.job(JobStatus.DELIVERED)
    page = words(served.text(f"/jobs/{job.id}"))
    assert re.search(rf"execute: {APP} starts, attempt 1 [\d:]+ \+\d+ ms executed in 0.42 s", page)
    for result in served.seeded.store.results(job.id):
        assert re.search(rf"{result.kind} .*{result.sop_instance_uid} archive read back and compared", page)
    assert "Secondary Capture Image Storage, series 305" in page


def test_a_jobs_page_has_its_numbers_and_findings(served):
    page = words(served.text(f"/jobs/{served.seeded.job(JobStatus.DELIVERED).id}"))
    assert "lungs not completely imaged" in page
    assert "Volume Left lung 2841 ml" in page
    assert "LAA-950 3.142 %" in page
    assert "read 0.2 s, predict 1.5 s" in page


def test_numbers_and_picture_wait_for_validation(served):
    job = served.seeded.job(JobStatus.EXECUTED)
    page = served.text(f"/jobs/{job.id}")
    assert "secondary-capture" in page
    assert "Volume" not in page
    assert "picture.png" not in page
    assert served.client.get(f"/jobs/{job.id}/picture.png").status_code == 404


def test_what_validation_refused_is_not_shown(served):
    job = served.seeded.fail(served.seeded.job(JobStatus.EXECUTED), InvalidResult("PatientID differs."))
    page = served.text(f"/jobs/{job.id}")
    assert "PatientID differs." in page
    assert "2841" not in page
    assert served.client.get(f"/jobs/{job.id}/picture.png").status_code == 404


def test_a_job_that_failed_at_its_archive_keeps_its_picture(served):
    job = served.seeded.fail(served.seeded.job(JobStatus.VALIDATED), DestinationUnavailable("archive."))
    assert "after “validated”, with the same bytes" in served.text(f"/jobs/{job.id}")
    assert served.client.get(f"/jobs/{job.id}/picture.png").status_code == 200


def test_a_caller_that_was_turned_away_is_shown_with_what_to_add(served):
    for _ in range(3):
        served.seeded.refusal("CT-2")
    page = served.text("/")
    assert "CT-2 at 10.0.0.9 to LUNGS 3 times" in words(page)
    assert '[[source]]\nae_title = "CT-2"\nhost = "10.0.0.9"' in unescape(page)


def test_quarantine_is_shown_with_the_way_back_in(served):
    storage = served.seeded.storage
    bad = storage / "bad.dcm"
    bad.write_bytes(b"not DICOM")
    sender = Association("a", "MODALITY@127.0.0.1", "MODALITY", "LUNGS", "127.0.0.1", time.time())
    one = quarantine.keep_instance(storage, bad, "It is not DICOM.", "Send it again.", sender)
    two = quarantine.keep_series(storage, "No route takes it.", "Add one.", sender, ["1.2", "1.3"], {})
    page = words(served.text("/"))
    assert "Instance from MODALITY@127.0.0.1 to LUNGS" in page
    assert "It is not DICOM. Send it again." in page
    assert f"gantry quarantine release {one}" in page
    assert re.search(rf"to LUNGS , 2 instances .* No route takes it. Add one. .* release {two}", page)
    assert "2 in quarantine" in page


def test_what_keeps_it_from_working_stands_first(served):
    served.troubles.append("The receiver does not listen.")
    page = words(served.text("/"))
    assert page.index("Not ready The receiver does not listen.") < page.index("The line")


def test_disk_space_is_compared_with_what_is_kept_free(tmp_path):
    config = configuration(tmp_path, storage={"path": "storage", "reserve_gb": 1e9})
    with site(tmp_path, config) as served:
        page = words(served.text("/"))
    assert re.search(r"Not ready Only [\d.]+ GB are free; under 1e\+09 GB new instances are refused.", page)


@pytest.mark.parametrize("status", [JobStatus.DELIVERED, JobStatus.FAILED, JobStatus.QUEUED])
def test_no_page_shows_who_the_patient_is(served, status):
    job = served.seeded.job(status, SeriesDescription="NIGHTINGALE hosp-4711 thorax", **PATIENT)
    for path in ("/", f"/jobs/{job.id}", f"/api/jobs/{job.id}", "/api/jobs"):
        text = served.text(path).lower()
        assert "thorax" in text
        for secret in ("nightingale", "florence", "hosp-4711", "18200512"):
            assert secret not in text


def test_a_page_works_without_the_instance_file(served):
    job = served.seeded.job(JobStatus.DELIVERED)
    for instance in job.input_set.instances:
        instance.path.unlink()
    for result in served.seeded.store.results(job.id):
        result.path.unlink()
    assert "no description" in served.text("/")
    assert f"Job {job.id}" in served.text(f"/jobs/{job.id}")


def test_pages_load_nothing_from_elsewhere(served):
    page = served.text(f"/jobs/{served.seeded.job(JobStatus.DELIVERED).id}") + served.text("/")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert {"/style.css", "/refresh.js"} <= set(loaded)
    assert all(each.startswith(("/", "#")) and not each.startswith("//") for each in loaded)
    assert "style=" not in page
    assert not re.search(r"<script(?! src=)|\son\w+=", page)


def test_a_paused_app_is_shown(served):
    served.seeded.store.pause(APP)
    assert f"{APP} LUNGS warm shadow paused" in words(served.text("/"))
