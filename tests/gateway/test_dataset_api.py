# SPDX-License-Identifier: Apache-2.0
"""The REST of a data set: every endpoint, ids of any characters, pages, pictures, and who may ask."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from made_dataset import HOSTILE, PATIENTS, make_dataset, uid, web_server
from seeded import configuration, site

from imaging_data.dataset import IncompleteDataset, NotADataset
from imaging_data.dataset.writer import opened
from informatics_gateway.web.dataset.server import NeedsToken, create_app

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "promises"))
from documented import commands, key  # noqa: E402

TOKEN = "0123456789abcdef-token"
INFO = [
    *("InstanceNumber", "PatientID", "RescaleIntercept", "RescaleSlope"),
    *("SeriesDescription", "StudyDescription", "WindowCenter", "WindowWidth"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("dataset")
    (root / "secret.png").write_bytes(b"secret")
    return make_dataset(root / "inner" / "set")


@pytest.fixture(scope="module")
def client(folder):
    with web_server(create_app(folder, "127.0.0.1")) as client:
        yield client


def get(client: httpx.Client, path: str, **query: str | int):
    answer = client.get(f"/api/dataset{path}", params=query)
    assert answer.status_code == 200, f"{path}: {answer.text}"
    return answer.json()


def test_the_root_welcomes(client):
    for path in ("", "/"):
        welcome = get(client, path)
        assert welcome["message"].startswith("Welcome")
        assert welcome["counts"] == {"patients": 6, "studies": 12, "series": 24, "images": 72, "pictures": 3}


@pytest.mark.parametrize(
    ("what", "count"), [("patients", 6), ("studies", 12), ("series", 24), ("images", 72)]
)
def test_fixed_words_win(client, what, count):
    assert get(client, f"/{what}/count") == {"count": count}


@pytest.mark.parametrize("patient", [each for each in PATIENTS if each not in ("count", "")])
def test_a_patient_of_any_characters_and_its_counts(client, patient):
    at = f"/patients/{quote(patient, safe='')}"
    assert get(client, at)["patient_id"] == patient
    assert get(client, f"{at}/studycount") == {"count": 2}
    assert get(client, f"{at}/seriescount") == {"count": 4}
    assert get(client, f"{at}/imagecount") == {"count": 12}
    assert get(client, f"{at}/counts") == {"studies": 2, "series": 4, "images": 12}
    studies = get(client, f"{at}/studies")
    assert [study["patient_id"] for study in studies["items"]] == [patient, patient]
    assert studies["next"] is None


def test_a_patient_whose_id_is_a_fixed_word_is_reached_below_it(client):
    assert get(client, "/patients/count") == {"count": 6}
    assert get(client, "/patients/count/studycount") == {"count": 2}


def test_a_study_a_series_and_an_image(client):
    assert get(client, f"/studies/{uid(0, 0)}")["study_description"] == "Chest follow-up"
    series = get(client, f"/studies/{uid(0, 0)}/series")["items"]
    assert [each["series_instance_uid"] for each in series] == [uid(0, 0, 0), uid(0, 0, 1)]
    assert get(client, f"/series/{uid(0, 0, 1)}")["images"] == 3
    images = get(client, f"/series/{uid(0, 0, 1)}/images")["items"]
    assert [each["instance_number"] for each in images] == ["1", "2", "3"]
    assert get(client, f"/images/{uid(0, 0, 1, 2)}")["patient_id"] == "P1"


def test_imageinfo_has_exactly_its_eight_keys_as_texts_or_null(client):
    info = get(client, "/imageinfo/p0")
    assert sorted(info) == sorted(INFO)
    assert info["InstanceNumber"] == "1"
    assert info["WindowCenter"] == "-600"
    assert info["RescaleSlope"] is None
    assert info["StudyDescription"] == "Chest follow-up"
    assert client.get("/api/dataset/imageinfo/p0.png").status_code == 404


def test_pictures_are_png_and_say_how_they_were_made(client, folder):
    at = f"/images/{uid(0, 0, 0, 0)}"
    made = get(client, f"{at}/pictures")
    assert [each["stem"] for each in made] == ["p0", "p1", "outside"]
    assert made[0]["rendering"] == {"window": [-600, 1500]}
    assert [each["stem"] for each in get(client, f"{at}/pictures", after="p0", limit=1)] == ["p1"]
    for number in (1, 2):
        answer = client.get(f"/api/dataset{at}/picture", params={"number": number})
        assert answer.headers["content-type"] == "image/png"
        assert answer.content == (folder / "pictures" / f"p{number - 1}.png").read_bytes()
    assert client.get("/api/dataset/pictures/p0").content == (folder / "pictures" / "p0.png").read_bytes()


def test_a_picture_outside_the_data_sets_folder_is_not_given(client):
    assert (client.get("/api/dataset/pictures/outside").status_code) == 404


def test_pages_follow_one_another(client):
    seen, after = [], ""
    while after is not None:
        answer = get(client, "/series", limit=7, after=after)
        seen += [each["series_instance_uid"] for each in answer["items"]]
        after = answer["next"]
    assert len(seen) == len(set(seen)) == 24
    one = get(client, "/patients", limit=3)
    assert one["next"] == "", "a patient without a PatientID is no end"
    following = get(client, "/patients", limit=3, after="")
    assert [each["patient_id"] for each in (*one["items"], *following["items"])] == list(PATIENTS)
    assert following["next"] is None
    assert [each["patient_id"] for each in get(client, "/patients", split="test")["items"]] == [HOSTILE]
    assert len(get(client, "/studies", limit=10)["items"]) == 10


def test_search(client):
    assert len(get(client, "/search", q="lung chest")["items"]) == 12
    assert get(client, "/search", q="follow p1")["items"][0]["patient_id"] == "P1"
    assert get(client, "/search", q=uid(1, 1, 1))["items"][0]["series_instance_uid"] == uid(1, 1, 1)
    assert get(client, "/search", q='" OR 1') == {"items": [], "next": None}


@pytest.mark.parametrize(
    "path",
    [
        *("/patients/nobody", "/studies/1.2", "/series/1.2", "/images/1.2", "/imageinfo/x", "/nothing"),
        *("/patients/x/counts", "/studies/1.2/series", "/series/1.2/images", "/images/1.2/pictures"),
        *("/images/1.2/picture", f"/patients/{quote(HOSTILE + 'x', safe='')}"),
    ],
)
def test_what_is_not_there_is_404_and_not_said_back(client, path):
    answer = client.get(f"/api/dataset{path}")
    assert answer.status_code == 404
    assert "script" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        *("/patients", "/studies", "/series", "/search", f"/studies/{uid(0, 0)}/series"),
        *("/patients/P1/studies", f"/series/{uid(0, 0, 0)}/images", f"/images/{uid(0, 0, 0, 0)}/pictures"),
    ],
)
def test_what_no_page_ended_with_does_not_begin_from_the_start(client, path):
    answer = client.get(f"/api/dataset{path}", params={"after": "1.2.3"})
    assert answer.status_code == 422
    assert "`after`" in answer.json()["detail"]


def test_head_is_answered_as_get_without_the_content(client):
    answer = client.head("/api/dataset/pictures/p0")
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "image/png", b"")


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", f"after={'x' * 2000}"])
def test_values_are_checked(client, query):
    assert client.get(f"/api/dataset/patients?{query}").status_code == 422


def test_the_api_describes_itself(client):
    paths = client.get("/api/dataset/openapi.json").json()["paths"]
    wanted = (
        "patients/{id} patients/{id}/counts patients/count imageinfo/{filename} images/{id}/picture search"
    )
    assert {f"/api/dataset/{path}" for path in wanted.split()} <= set(paths)


def test_a_foreign_host_name_gets_nothing(client):
    assert client.get("/api/dataset/patients", headers={"Host": "evil.example"}).status_code == 421


def test_a_token_opens_and_nothing_else_does(folder):
    with web_server(create_app(folder, "0.0.0.0", TOKEN)) as client:
        for headers in ({}, {"Authorization": TOKEN}, {"Authorization": f"Bearer {TOKEN}x"}):
            for path in ("/api/dataset/", "/api/dataset/openapi.json", "/dataset", "/nothing"):
                assert client.get(path, headers=headers).status_code == 401
        good = {"Authorization": f"Bearer {TOKEN}", "Host": "research.hospital"}
        assert client.get("/api/dataset/patients/count", headers=good).json() == {"count": 6}
        assert client.get("/dataset", headers=good).status_code == 404


def test_a_data_set_is_served_as_it_is_now_and_only_whole(tmp_path):
    served = make_dataset(tmp_path / "set")

    def says(client: httpx.Client) -> tuple[int, str]:
        answers = [client.get("/api/dataset/patients/count") for _ in range(8)]  # by several threads
        assert len({each.text for each in answers}) == 1
        return answers[0].status_code, answers[0].text

    with web_server(create_app(served, "127.0.0.1")) as client:
        assert says(client) == (200, '{"count":6}')
        with opened(served) as writer, writer.transaction():
            writer.set("complete", "0")  # as a build begins
        status, said = says(client)
        assert (status, "Run the same `gantry dataset build` again" in said) == (503, True)
        served.rename(tmp_path / "away")
        assert says(client)[0] == 503
        make_dataset(served)
        assert says(client) == (200, '{"count":6}')


def test_without_a_token_only_loopback_and_only_a_data_set(folder, tmp_path):
    with pytest.raises(NeedsToken):
        create_app(folder, "0.0.0.0")
    with pytest.raises(NeedsToken):
        create_app(folder, "0.0.0.0", "short")
    with pytest.raises(NeedsToken):
        create_app(folder, "0.0.0.0", f"{TOKEN}\n")
    with pytest.raises(NotADataset):
        create_app(tmp_path, "127.0.0.1")
    with opened(tmp_path / "half"):
        pass
    with pytest.raises(IncompleteDataset):
        create_app(tmp_path / "half", "127.0.0.1")


def test_the_gateway_serves_the_configured_one_and_says_when_there_is_none(folder, tmp_path):
    with site(tmp_path / "without") as served:
        answer = served.client.get("/api/dataset/patients")
        assert answer.status_code == 503
        assert "[dataset]" in answer.json()["detail"]
    config = configuration(tmp_path / "with", dataset={"path": folder})
    with site(tmp_path / "with", config=config) as served:
        assert served.client.get("/api/dataset/patients/A%2FB%20100%25/counts").json()["images"] == 12
        assert "/api/dataset/patients/{id}" in served.client.get("/api/openapi.json").json()["paths"]


def test_the_command_of_the_page_serves(folder):
    [words] = [
        each for each in commands(ROOT / "docs" / "research.md") if key(each) == "gantry dataset serve"
    ]
    command = [Path(sys.executable).with_name("gantry"), *words[1:-1], folder, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            assert ready.startswith("ready: http://127.0.0.1:")
            url = ready.split()[1]
            assert httpx.get(f"{url}patients/count").json() == {"count": 6}
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode in (0, -signal.SIGTERM)


def test_a_token_that_is_not_there_is_named(folder):
    command = [
        Path(sys.executable).with_name("gantry"),
        "dataset",
        "serve",
        folder,
        "--token-env",
        "NO_SUCH_TOKEN",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "NO_SUCH_TOKEN" in done.stderr
