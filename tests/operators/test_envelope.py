# SPDX-License-Identifier: Apache-2.0
"""What all results share: series, equipment, dates, private schemes and UIDs."""

from datetime import datetime

import pytest
from code_tables import codes_in, schemes_declared, wrong_with
from result_files import INFO, JOB, MILLILITRE, SEGMENTS, Written, all_kinds, block, ct, write

from imaging_data import check_uid
from imaging_operators import AppInfo, Code, Measurement, Measurements, Segmentation, TextReport, codes
from imaging_operators.context import Folders, JobContext, Run
from imaging_operators.results.base import ResultContext, RunContext, Trace
from imaging_operators.results.envelope import series_number
from imaging_operators.results.equipment import contribution
from imaging_operators.results.writer import Writer, write_results

RESEARCH_ONLY = "NOT FOR CLINICAL USE - RESEARCH ONLY"
KINDS = ["segmentation", "measurements", "text-report", "secondary-capture"]
REPORT = TextReport("A", "B")
# What templates of PS3.16 prescribe and its context groups do not list: the language tag of TID 1204, and in
# TID 1411 a concept under another meaning than SNOMED CT's.
OF_TEMPLATES = {"en-US", "276214006"}


def replaced(number: int, kind: str = "text-report") -> dict:
    uids = dict.fromkeys(["sop_class_uid", "study_instance_uid", "series_instance_uid"], "2.25.1")
    return {"kind": kind, "ordinal": 0, "sop_instance_uid": f"2.25.{number}", "series_number": number, **uids}


def report(folder, volume, info=INFO, **job):
    return write(folder, volume, REPORT, info=info, **job)["text-report-0"]


def test_series_numbers_are_the_documented_ones(written):
    numbers = {entry["kind"]: entry["series_number"] for entry in written.document["results"]}
    assert numbers == dict(zip(KINDS, (301, 302, 303, 304), strict=True))
    assert series_number("text-report", 0, 2) == 313
    assert series_number("text-report", 2, 3) == 2323
    assert series_number("of another kind", 0, 1) == 309


@pytest.mark.parametrize(
    ("name", "number", "revision", "description"),
    [
        ("test-app", None, 1, f"{RESEARCH_ONLY} test-app report"),
        ("a-name-of-thirty-six-characters-here", None, 1, f"{RESEARCH_ONLY} a-name-of-thirty-six report"),
        ("test-app", 303, 2, f"{RESEARCH_ONLY} rev 2, replaces series 303"),
        ("test-app", 1303, 2, f"{RESEARCH_ONLY} rev 2, replaces series 1303"),
        ("test-app", 9383, 10, f"{RESEARCH_ONLY} rev 10, replaces 9383"),
        ("test-app", 2147483647, 2147483647, f"{RESEARCH_ONLY} rev 2147483647, replaces 21"),
    ],
)
def test_the_description_says_what_matters_within_64_characters(
    tmp_path, volume, name, number, revision, description
):
    replaces = [] if number is None else [replaced(number)]
    info = AppInfo(name, "1", "creator")
    found = report(tmp_path / "out", volume, info, revision=revision, replaces=replaces)
    assert found.SeriesDescription == description
    assert len(description) <= 64


def test_the_app_is_the_equipment_and_gantry_contributed(written):
    for result in written.objects.values():
        assert (result.Manufacturer, result.ManufacturerModelName) == ("Gantry tests", "test-app")
        assert (result.SoftwareVersions, result.DeviceSerialNumber) == ("1.2", "d" * 16)
        ours = result.ContributingEquipmentSequence[0]
        assert (ours.Manufacturer, ours.ManufacturerModelName) == ("Gantry", "Gantry")
        assert ours.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"


TRACE = Trace({"net.onnx": "a" * 64, "bodies/crop.onnx": "b" * 64}, "OpenVINO 2026.4", "cpu")


def told(volume, trace, **job) -> str:
    info = AppInfo("test-app", "1.2", "Gantry tests", profiles={"fast": {}})
    run = RunContext(volume, info, "d" * 64, JobContext(**job), trace)
    return contribution(ResultContext(run, "text-report", 0))


def test_the_app_tells_how_it_computed(volume, written):
    models = f"model bodies/crop.onnx SHA-256 {'b' * 64}, model net.onnx SHA-256 {'a' * 64}"
    said = told(volume, TRACE)
    assert said == f"Computed the result: profile fast, engine OpenVINO 2026.4 on cpu, {models}"
    for result in written.objects.values():
        app = result.ContributingEquipmentSequence[1]
        assert (app.Manufacturer, app.ManufacturerModelName, app.SoftwareVersions) == (
            "Gantry tests",
            "test-app",
            "1.2",
        )
        assert app.ContributionDescription == "Computed the result: device cpu"


@pytest.mark.parametrize("models", [9, 10, 11, 500])
def test_as_many_models_as_there_is_room_for(volume, models):
    trace = Trace({f"{number:03}.onnx": "a" * 64 for number in range(models)})
    said = told(volume, trace)
    assert len(said) <= 1024
    named = said.count("SHA-256")
    assert named >= min(models, 9)
    assert said.endswith(f"and {models - named} models more") == (named < models)


def test_the_files_of_models_are_named_in_the_results(tmp_path, volume):
    folder = tmp_path / "out"
    folder.mkdir()
    run = Run(Folders(tmp_path, folder), JobContext.from_json(JOB))
    write_results(
        Writer(run, INFO, "d" * 64, {"net.onnx": "c" * 64}, {}, "ONNX Runtime 1.24"), volume, REPORT
    )
    [_, app] = Written(folder)["text-report-0"].ContributingEquipmentSequence
    assert app.ContributionDescription == (
        f"Computed the result: engine ONNX Runtime 1.24 on cpu, model net.onnx SHA-256 {'c' * 64}"
    )


def test_dates_are_the_job_s_in_the_time_zone_of_the_source(tmp_path):
    volume = ct(tmp_path / "ct", TimezoneOffsetFromUTC="-0330")
    for result in write(tmp_path / "out", volume, all_kinds(volume)).objects.values():
        for what in ("InstanceCreation", "Series", "Content"):
            assert result[f"{what}Date"].value == "20261120"
            assert result[f"{what}Time"].value == "054500"
        assert {item.ContributionDateTime for item in result.ContributingEquipmentSequence} == {
            "20261120054500"
        }


def test_dates_are_local_where_the_source_names_no_time_zone(written):
    local = datetime.fromisoformat(JOB["content_datetime"]).astimezone()
    for result in written.objects.values():
        assert (result.ContentDate, result.ContentTime) == (f"{local:%Y%m%d}", f"{local:%H%M%S}")


def test_public_codes_are_in_the_tables_and_private_schemes_declared(written):
    for result in written.objects.values():
        found = list(codes_in(result))
        assert {code.value for code in found if wrong_with(code)} <= OF_TEMPLATES
        private = {code.scheme_designator for code in found if code.scheme_designator.startswith("99")}
        assert schemes_declared(result) == private


def test_the_private_scheme_is_declared_where_it_is_used(written, tmp_path, volume):
    [scheme] = written["measurements-0"].CodingSchemeIdentificationSequence
    assert scheme.CodingSchemeDesignator == "99GANTRY"
    assert scheme.CodingSchemeResponsibleOrganization == "Gantry"
    own = Measurements([Measurement(Code("1", "99OWN", "Own"), 1.0, MILLILITRE)])
    declared = schemes_declared(write(tmp_path / "out", volume, own)["measurements-0"])
    assert declared == {"99GANTRY", "99OWN"}


def test_every_uid_is_legal_and_no_two_are_one(written):
    uids = [
        uid
        for entry in written.document["results"]
        for uid in (entry["sop_instance_uid"], entry["series_instance_uid"])
    ]
    assert len(set(uids)) == 8
    for uid in uids:
        check_uid(uid, "UID")


def test_the_same_run_twice_makes_the_same_bytes(tmp_path, volume, written):
    assert write(tmp_path / "out", volume, all_kinds(volume)).bytes() == written.bytes()


def test_labelmaps_too(tmp_path, volume, as_labelmap):
    again = write(tmp_path / "out", volume, all_kinds(volume), segmentation="labelmap")
    assert again.bytes() == as_labelmap.bytes()


def uids(written) -> set[str]:
    return {entry["sop_instance_uid"] for entry in written.document["results"]}


@pytest.mark.parametrize(
    "other",
    [{"digest": "e" * 64}, {"segmentation": "labelmap"}, {"revision": 2}],
    ids=["other code", "other profile", "other revision"],
)
def test_other_origins_have_other_uids(tmp_path, volume, written, other):
    assert uids(written).isdisjoint(uids(write(tmp_path / "out", volume, all_kinds(volume), **other)))


@pytest.mark.parametrize(
    ("change", "of_the_job"),
    [({"digest": "e" * 64}, {}), ({}, {"revision": 2}), ({}, {"segmentation": "labelmap"})],
)
def test_a_uid_depends_on_all_of_its_origin(volume, change, of_the_job):
    runs = [
        RunContext(volume, INFO, **args)
        for args in (
            {"digest": "d" * 64, "job": JobContext()},
            {"digest": "d" * 64, "job": JobContext(**of_the_job)} | change,
        )
    ]
    one, other = (ResultContext(run, "text-report", 0).uid("instance") for run in runs)
    assert one != other
    assert ResultContext(runs[0], "text-report", 1).uid("instance") != one
    assert ResultContext(runs[0], "measurements", 0).uid("instance") != one
    assert ResultContext(runs[0], "text-report", 0).uid("instance") == one


def test_another_predecessor_is_other_content(tmp_path, volume):
    other = replaced(303) | {"sop_instance_uid": "2.25.99"}
    reports = [
        report(tmp_path / str(index), volume, revision=2, replaces=[predecessor])
        for index, predecessor in enumerate((replaced(303), other))
    ]
    assert reports[0].SOPInstanceUID != reports[1].SOPInstanceUID


def test_another_input_has_other_uids(tmp_path, written):
    volume = ct(tmp_path / "ct", spacing=(2.5, 0.5, 0.75), PatientComments="another file")
    assert uids(written).isdisjoint(uids(write(tmp_path / "out", volume, all_kinds(volume))))


def test_another_time_is_no_other_content(tmp_path, volume, written):
    later = write(tmp_path / "out", volume, all_kinds(volume), content_datetime="2027-01-01T00:00:00+00:00")
    assert uids(later) == uids(written)


def test_other_content_has_another_uid(tmp_path, volume):
    texts = [TextReport("A", "B"), TextReport("A", "C")]
    reports = [write(tmp_path / text.text, volume, text)["text-report-0"] for text in texts]
    assert reports[0].SOPInstanceUID != reports[1].SOPInstanceUID
    assert reports[0].SeriesInstanceUID != reports[1].SeriesInstanceUID


def test_a_report_on_another_segmentation_is_another_report(tmp_path, volume):
    """Its own text is the same; only the UID of what it refers to differs."""
    item = Measurement(codes.SCT.Volume, 2.0, MILLILITRE, segment=1)
    found = []
    for shift in (0, 1):
        segmentation = Segmentation(block(volume) if not shift else block(volume)[::-1], SEGMENTS)
        results = [Measurements([item], segmentation), REPORT]
        found.append(write(tmp_path / str(shift), volume, results))
    for name in ("measurements-0", "text-report-0"):
        assert found[0][name].SOPInstanceUID != found[1][name].SOPInstanceUID
