# SPDX-License-Identifier: Apache-2.0
"""The status page in a real Chromium: nothing hostile runs, it renews itself, it needs no JavaScript."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from seeded import Site, site

from informatics_gateway import quarantine
from informatics_gateway.errors import AppFailed
from informatics_gateway.model import JobStatus

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RUN = "window.hostile=1"
# Each breaks out of another place: an element, a quoted attribute, a template, a script, a comment.
HOSTILE = [
    f"<script>{RUN};alert(1)</script>",
    f'"><img src=x onerror="{RUN};alert(1)">',
    f"'><svg/onload={RUN}>",
    "{{ 7*7 }}{% raw %}<b>bold</b>",
    f"--></title></script><script>{RUN}</script>",
    f'" autofocus onfocus={RUN} x="',
    "\u202etxet desrever",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium with an empty profile."""
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site full of hostile text, with one delivered job: the last."""
    with site(tmp_path_factory.mktemp("hostile")) as served:
        make_hostile(served)
        served.seeded.job(JobStatus.DELIVERED, SeriesDescription="x" * 64)
        yield served


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Site]:
    """A seeded site of the test's own."""
    with site(tmp_path) as served:
        yield served


class Tab:
    """One page, and what went wrong in it: dialogs, requests elsewhere, messages on the console."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page: Page = context.new_page()
        self.wrong: list[str] = []
        self.page.on("dialog", lambda dialog: (self.wrong.append("dialog"), dialog.dismiss()))
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: request.url.startswith(url) or self.wrong.append(request.url))
        self.url = url

    def open(self, path: str) -> Page:
        """Go to a page of the site."""
        self.page.goto(self.url + path)
        return self.page


@pytest.fixture
def tab(browser: Browser, served: Site) -> Iterator[Tab]:
    """A tab of its own."""
    context = browser.new_context()
    yield Tab(context, served.url)
    context.close()


def make_hostile(served: Site) -> None:
    """Hostile text wherever text comes from outside."""
    seeded = served.seeded
    for text in HOSTILE:
        seeded.fail(seeded.job(SeriesDescription=text, count=1), AppFailed(text, hint=f"`{text}`"))
        seeded.refusal(text[:16], called_ae_title=text[-16:], reason=text, hint=f"`{text}` {text}")
        quarantine.keep_series(seeded.storage, text, f"`{text}", None, ["1.2"], {})


def test_hostile_text_is_shown_and_never_runs(hostile, browser):
    tab = Tab(browser.new_context(), hostile.url)
    page = tab.open("/")
    shown = page.inner_text("main")
    for text in HOSTILE:
        assert text in shown
    for number in range(1, len(HOSTILE) + 1):
        assert HOSTILE[number - 1] in tab.open(f"/jobs/{number}").inner_text("main")
        assert page.evaluate("window.hostile") is None
    assert page.evaluate("document.querySelectorAll('main img, main script, main svg, main b').length") == 0
    assert tab.wrong == []
    page.context.close()


def test_hostile_text_does_not_run_when_the_page_renews_itself(served, tab):
    page = tab.open("/")
    make_hostile(served)
    page.wait_for_selector(f"text=/{len(HOSTILE)} turned away/", timeout=30_000)
    assert HOSTILE[0] in page.inner_text("main")
    assert page.evaluate("window.hostile") is None
    assert tab.wrong == []


def test_the_policy_stops_a_script_that_got_in(served, tab):
    page = tab.open("/")
    image = "<img src=/nothing onerror='window.hostile=1'>"
    with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
        page.evaluate(f'document.body.insertAdjacentHTML("beforeend", "{image}")')
    assert page.evaluate("window.hostile") is None


def test_the_page_renews_itself(served, tab):
    job = served.seeded.job()
    page = tab.open("/")
    assert "queued" in page.inner_text("table.jobs")
    served.seeded.fail(job, AppFailed("It broke."))
    page.wait_for_selector("table.jobs .failed", timeout=30_000)
    assert "It broke." in page.inner_text("table.jobs")


def test_what_has_the_focus_stays(served, tab):
    job = served.seeded.job()
    page = tab.open("/")
    page.focus("table.jobs a")
    page.evaluate("document.activeElement.dataset.mine = 'yes'")
    served.seeded.fail(job, AppFailed("It broke."))
    page.wait_for_selector("#readiness >> text=/1 failed/", timeout=30_000)
    assert page.evaluate("document.activeElement.dataset.mine") == "yes"
    page.evaluate("document.activeElement.blur()")
    page.wait_for_selector("table.jobs .failed", timeout=30_000)


def test_a_gateway_that_is_gone_is_said_to_be(served, tab):
    page = tab.open("/")
    page.context.set_offline(True)
    page.wait_for_selector("#connection >> text=/does not answer/", timeout=30_000)
    page.context.set_offline(False)
    page.wait_for_selector("#connection:empty", state="attached", timeout=30_000)


def test_without_javascript_it_is_all_there(served, browser):
    job = served.seeded.job(JobStatus.DELIVERED)
    context = browser.new_context(java_script_enabled=False)
    page = Tab(context, served.url).open("/")
    assert "delivered" in page.inner_text("table.jobs")
    assert "http-equiv" in page.content()
    page.click("table.jobs a")
    page.wait_for_url(f"**/jobs/{job.id}")
    assert "2841" in page.inner_text("main")
    context.close()


def test_the_picture_of_the_result_is_seen(served, tab):
    job = served.seeded.job(JobStatus.DELIVERED)
    page = tab.open(f"/jobs/{job.id}")
    sides = (f"document.querySelector('figure img').natural{side}" for side in ("Width", "Height"))
    assert [page.evaluate(side) for side in sides] == [60, 40]
    assert tab.wrong == []


@pytest.mark.parametrize("width", [320, 390, 768, 960, 1280])
def test_nothing_is_wider_than_the_screen(hostile, browser, width):
    context = browser.new_context(viewport={"width": width, "height": 800})
    tab = Tab(context, hostile.url)
    for path in ("/", "/jobs/1", f"/jobs/{len(HOSTILE) + 1}", "/nothing"):
        assert tab.open(path).evaluate("document.documentElement.scrollWidth") <= width, path
    context.close()


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2) of an rgb() colour."""
    channels = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


CONTRASTS = """() => {
  const says = each => [...each.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
  const clear = each => getComputedStyle(each).backgroundColor === 'rgba(0, 0, 0, 0)';
  return [...document.querySelectorAll('main *, footer *, header *')].filter(says).map(each => {
    let ground = each;
    while (clear(ground)) ground = ground.parentElement;
    return [getComputedStyle(each).color, getComputedStyle(ground).backgroundColor, each.textContent];
  });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast(served, browser, scheme):
    for status in (
        JobStatus.QUEUED,
        JobStatus.EXECUTED,
        JobStatus.VALIDATED,
        JobStatus.DELIVERED,
        JobStatus.FAILED,
    ):
        served.seeded.job(JobStatus(status))
    served.seeded.refusal()
    context = browser.new_context(color_scheme=scheme)
    tab = Tab(context, served.url)
    for path in ("/", "/jobs/4", "/jobs/5"):
        found = tab.open(path).evaluate(CONTRASTS)
        assert len(found) > 20
        for colour, ground, text in found:
            low, high = sorted((_luminance(colour), _luminance(ground)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (colour, ground, text)
    context.close()


def test_the_keyboard_reaches_the_jobs(served, tab):
    served.seeded.job(JobStatus.FAILED)
    page = tab.open("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('aria-label')") == "Job 1":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/1")
