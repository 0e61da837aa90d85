# SPDX-License-Identifier: Apache-2.0
"""When a series is closed, and what may be sealed."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_data import file_sha256
from informatics_gateway.assemble import Arrival, closing, is_complete, seal, take_in
from informatics_gateway.errors import MixedIdentity
from informatics_gateway.model import Association, Identity, Instance, SeriesKey
from informatics_gateway.store import Store

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
IDENTITY = Identity("P1", "", "Doe^Jane", "1.2.3")
WHO = Association("a1", "MODALITY@127.0.0.1", "MODALITY", "LUNGS", "127.0.0.1", 0.0)
KEY = SeriesKey(WHO.source, "LUNGS", "1.2.3", "1.2.3.4")


def slice_(number: int | None, z: float | None = None, folder: Path = Path()) -> Instance:
    """One instance of a stack with 2.5 mm between slices."""
    position = None if z is None else (0.0, 0.0, z)
    uid = f"1.2.3.4.{number or 0}"
    return Instance(
        uid, "1.2", "1.2.3.4", IDENTITY, folder / f"{uid}.dcm", "", number, position, position and AXIAL
    )


def stack(*numbers: int) -> list[Instance]:
    return [slice_(number, 2.5 * number) for number in numbers]


@given(st.integers(0, 1000), st.integers(2, 60), st.randoms(use_true_random=False))
def test_a_gap_free_run_is_complete_from_whichever_first_number(first, count, shuffler):
    run = stack(*range(first, first + count))
    shuffler.shuffle(run)
    assert is_complete(run, associations=1)


@given(st.integers(4, 40), st.data())
def test_a_run_with_a_hole_is_not_complete(count, data):
    run = stack(*range(1, count + 1))
    del run[data.draw(st.integers(1, count - 2))]
    assert not is_complete(run, associations=1)


@pytest.mark.parametrize(
    ("instances", "associations"),
    [
        (stack(1), 1),  # a single slice of a stack
        (stack(1, 2, 3), 3),  # one instance an association
        ([slice_(1, 0.0), slice_(2, 2.5), slice_(3, 7.5)], 1),  # numbered well, spaced unevenly
        ([slice_(1, 0.0), slice_(2, 0.0)], 1),  # two at one place
        ([slice_(1, 0.0), slice_(2, None)], 1),  # one without a place
        ([slice_(None, 0.0), slice_(None, 2.5)], 1),  # no numbers
        ([slice_(1, 0.0), replace(slice_(2, 2.5), image_orientation=(0.0, 1.0, 0.0, 0.0, 0.0, -1.0))], 1),
    ],
)
def test_what_is_not_seen_to_be_complete(instances, associations):
    assert not is_complete(instances, associations)


def test_a_projection_stands_alone():
    assert is_complete([slice_(1)], associations=1)
    assert is_complete([slice_(None)], associations=1)


def test_release_on_a_gap_free_run_closes_at_once():
    verdict = closing(stack(1, 2, 3), {"a": True}, last=100.0, now=100.1, quiet_s=5)
    assert verdict.by == "the release of the association on a gap-free run"


@pytest.mark.parametrize("brought", [{"a": None}, {"a": False}, {"a": True, "b": None}, {}])
def test_otherwise_a_quiet_period_closes(brought):
    early = closing(stack(1, 2, 3), brought, last=100.0, now=104.9, quiet_s=5)
    assert early.by is None
    assert early.due == 105.0
    assert closing(stack(1, 2, 3), brought, last=100.0, now=105.0, quiet_s=5).by == "5 s of quiet"


# against a real journal and real files


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "storage") as store:
        yield store


def arrive(store: Store, *numbers: int, identity: Identity = IDENTITY, content: bytes = b"") -> list[Arrival]:
    """Files in incoming/, as the receiver leaves them."""
    folder = store.storage / "incoming" / WHO.id
    folder.mkdir(parents=True, exist_ok=True)
    arrivals = []
    for number in numbers:
        instance = replace(slice_(number, 2.5 * number, folder), identity=identity)
        instance.path.write_bytes(content or f"slice {number}".encode())
        arrivals.append(Arrival(WHO, replace(instance, sha256=file_sha256(instance.path)), time.time()))
    return arrivals


def test_arrivals_move_to_instances_and_are_read_only(store):
    assert take_in(store, arrive(store, 1, 2)) == []
    assert list((store.storage / "incoming" / WHO.id).iterdir()) == []
    stored = store.arrived(KEY)
    assert [instance.instance_number for instance in stored] == [1, 2]
    assert stored[0].path == store.storage / "instances/1.2.3/1.2.3.4/1.2.3.4.1.dcm"
    assert stored[0].path.read_bytes() == b"slice 1"
    assert stored[0].path.stat().st_mode & 0o777 == 0o444


def test_other_content_under_a_known_uid_overwrites_nothing(store):
    take_in(store, arrive(store, 1))
    [(refused, error)] = take_in(store, arrive(store, 1, content=b"other"))
    assert "1.2.3.4.1" in str(error)
    assert refused.instance.path.read_bytes() == b"other"
    assert store.arrived(KEY)[0].path.read_bytes() == b"slice 1"


def test_two_contents_under_one_uid_in_one_batch(store):
    [first] = arrive(store, 1)
    [other] = arrive(store, 1, content=b"other")
    other.instance.path.rename(other.instance.path.with_suffix(".2.dcm"))
    other = replace(other, instance=replace(other.instance, path=other.instance.path.with_suffix(".2.dcm")))
    arrive(store, 1)
    [(refused, _)] = take_in(store, [first, other])
    assert refused is other
    assert store.arrived(KEY)[0].path.read_bytes() == b"slice 1"


def test_a_crash_before_the_journal_leaves_nothing_in_the_way(store, monkeypatch):
    arrivals = arrive(store, 1)
    monkeypatch.setattr(store, "record_arrivals", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        take_in(store, arrivals)
    assert arrivals[0].instance.path.exists()
    monkeypatch.undo()
    take_in(store, arrivals)
    assert len(store.arrived(KEY)) == 1


def test_the_same_instances_are_one_set_and_a_late_one_makes_revision_two(store):
    take_in(store, arrive(store, 1, 2))
    first = seal(store, KEY, "quiet")
    assert (first.input_set.revision, first.again) == (1, False)
    take_in(store, arrive(store, 2))
    again = seal(store, KEY, "quiet")
    assert (again.input_set, again.again) == (first.input_set, True)
    assert KEY in store.open_series(), "not seen before its jobs were told"
    take_in(store, arrive(store, 3))
    second = seal(store, KEY, "quiet")
    assert (second.input_set.revision, second.again) == (2, False)
    assert len(second.input_set.instances) == 3
    assert second.input_set.hash != first.input_set.hash
    assert store.open_series() == {}


@pytest.mark.parametrize(
    ("changed", "keyword"),
    [
        ({"patient_id": "P2"}, "PatientID"),
        ({"issuer_of_patient_id": "X"}, "IssuerOfPatientID"),
        ({"patient_name": "Roe^Jane"}, "PatientName"),
    ],
)
def test_two_patients_in_a_series_are_refused_by_attribute_not_by_value(store, changed, keyword):
    take_in(store, arrive(store, 1) + arrive(store, 2, identity=replace(IDENTITY, **changed)))
    with pytest.raises(MixedIdentity, match=keyword) as refused:
        seal(store, KEY, "quiet")
    assert "Doe" not in str(refused.value)
    assert store.latest_set(KEY) is None


def test_a_series_in_two_studies_is_refused(store):
    take_in(store, arrive(store, 1))
    take_in(store, arrive(store, 2, identity=replace(IDENTITY, study_instance_uid="9.9")))
    with pytest.raises(MixedIdentity, match="StudyInstanceUID"):
        seal(store, KEY, "quiet")
