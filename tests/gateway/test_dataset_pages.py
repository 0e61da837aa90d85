# SPDX-License-Identifier: Apache-2.0
"""The plain pages to browse a data set: every level, its links, its pictures, and text that would do harm."""

import re
from html import escape, unescape
from urllib.parse import quote

import pytest
from made_dataset import HOSTILE, make_dataset, uid, web_server
from seeded import site

from informatics_gateway.web.dataset.server import create_app


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = make_dataset(tmp_path_factory.mktemp("pages") / "set")
    with web_server(create_app(folder, "127.0.0.1")) as client:
        yield client


def page(client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    return answer.text


def links(text: str, of: str) -> list[str]:
    return [unescape(each) for each in re.findall(rf'href="(/dataset/{of}\?[^"]*)"', text)]


def test_from_patients_down_to_a_picture(client):
    assert client.get("/").headers["location"] == "/dataset"
    home = page(client, "/dataset")
    assert len(links(home, "patient")) == 6
    assert "Convert" not in home, "alone, it has no other pages"
    patient = page(client, links(home, "patient")[0])
    study = page(client, links(patient, "study")[0])
    assert "Chest follow-up" in study
    series = page(client, links(study, "series")[0])
    [source] = re.findall(r'src="(/dataset/picture[^"]*)"', series)
    assert client.get(unescape(source)).headers["content-type"] == "image/png"
    image = page(client, links(series, "image")[0])
    assert image.count("<img") == 3
    assert "window" in image
    assert links(image, "patient") == ["/dataset/patient?id=P1"]


def test_every_patient_is_reached_by_its_link_and_nothing_hostile_is_markup(client):
    for link in links(page(client, "/dataset"), "patient"):
        patient = page(client, link)
        assert len(links(patient, "study")) == 2
        assert HOSTILE not in patient
    assert escape(HOSTILE) in page(client, f"/dataset/patient?id={quote(HOSTILE)}")
    searched = page(client, f"/dataset?q={quote(HOSTILE)}")
    assert HOSTILE not in searched


def test_search_and_split(client):
    assert len(links(page(client, "/dataset?q=lung+chest"), "series")) == 12
    assert "No series has all of these words" in page(client, "/dataset?q=nothing")
    assert len(links(page(client, "/dataset?split=test"), "patient")) == 1


def test_pages_lead_on(client, monkeypatch):
    monkeypatch.setattr("informatics_gateway.web.dataset.pages.ON_A_PAGE", 3)
    seen, path = [], "/dataset"
    while path:
        shown = page(client, path)
        seen += links(shown, "patient")
        following = re.search(r'href="([^"]*)">Next<', shown)
        path = unescape(following[1]) if following else ""
    assert len(seen) == len(set(seen)) == 6


@pytest.mark.parametrize(
    "path", ["patient?id=x", "study?id=1.2", "series?id=1.2", "image?id=1.2", "picture?id=x"]
)
def test_what_is_not_there_is_a_page_that_says_so(client, path):
    assert client.get(f"/dataset/{path}").status_code == 404


def test_an_image_without_a_picture_says_so(client):
    assert "No picture" in page(client, f"/dataset/image?id={uid(0, 0, 1, 0)}")


def test_the_gateway_without_a_data_set_says_how_to_have_one(tmp_path):
    with site(tmp_path) as served:
        answer = served.client.get("/dataset")
        assert answer.status_code == 503
        assert "[dataset]" in answer.text
        assert "gantry dataset serve" in answer.text
