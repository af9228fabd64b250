"""Pages in a real browser: with mouse and keyboard, wide and narrow, light and dark."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright import sync_api

from elenchus.ledger import Ledger
from elenchus.records import Examination
from elenchus.runs import RunFolder
from graphs.adaptation.reviewing import cases
from tests.inspection.making import fill, finish, make_run
from tests.inspection.serving import Server

WIDTHS = (390, 1440)


class Site(Server):
    """A server of pages, and its runs: two finished ones, and one that is under way."""

    def __init__(self, root: Path) -> None:
        self.finished = []
        for right in (0.7, 0.4):
            run = make_run(root)
            fill(run, right=right).close()
            finish(run, after=right)
            self.finished.append(run)
        self.live = make_run(root, "underway")
        with closing(Ledger(self.finished[0].ledger, read_only=True)) as ledger:
            examinations = ledger.all(Examination)
            self.example = cases(ledger)[0].example
        self.accepted = next(e for e in examinations if e.accepted_turn_id)
        super().__init__(root)

    def address(self, run: RunFolder, more: str = "") -> str:
        return f"{self.url}/runs/{run.path.parent.name}/{run.id}{more}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site") / "runs")
    yield made
    made.close()


@pytest.fixture
def page(browser: sync_api.Browser, site: Site) -> Iterator[sync_api.Page]:
    """A page whose console must stay without errors, and that asks no other server."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(10_000)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
    opened = context.new_page()
    faults: list[str] = []
    opened.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: faults.append(str(error)))

    def asked(request: sync_api.Request) -> None:
        if not request.url.startswith(site.url):
            faults.append(request.url)

    opened.on("request", asked)
    yield opened
    context.close()
    assert faults == []


def every_address(site: Site) -> list[str]:
    run, other = site.finished
    pages = ("", "/examinations?q=days&outcome=accepted", f"/examinations/{site.accepted.id}",
             "/rejections", "/dataset", "/review", f"/review/{site.example.id}",
             "/exams?change=learnt", "/corpus", "/corpus?q=boat", "/records",
             "/records/Turn", f"/record/{site.accepted.turn_ids[0]}", "/records/Call")  # fmt: skip
    pair = f"a=harbour/{run.id}&b=harbour/{other.id}"
    return [
        f"{site.url}/runs",
        f"{site.url}/compare?{pair}",
        *(site.address(run, more) for more in pages),
    ]


def test_from_the_list_of_runs_to_a_citation_and_back(page: sync_api.Page, site: Site) -> None:
    page.goto(site.url)
    page.locator("tr", has_text=site.finished[0].id).get_by_role("link").click()
    sync_api.expect(page.get_by_role("heading", level=1)).to_have_text(site.finished[0].id)
    page.get_by_role("link", name="Examinations").click()
    page.get_by_role("link", name="For how many days, and why, may a boat of class 1").first.click()
    sync_api.expect(page.get_by_role("heading", name="Turn 2")).to_be_visible()
    changed = page.get_by_text("What the revision changed")
    changed.click()
    sync_api.expect(page.locator("ins", has_text="For").first).to_be_visible()
    citation = page.locator(".citations a").first
    quote = citation.inner_text()
    citation.click()
    mark = page.locator("mark:target")
    sync_api.expect(mark).to_have_text(quote)
    sync_api.expect(mark).to_be_in_viewport()
    page.go_back()
    page.go_back()
    sync_api.expect(page.get_by_role("heading", level=1)).to_have_text("Examinations")


def test_an_address_keeps_what_was_filtered(page: sync_api.Page, site: Site) -> None:
    page.goto(site.address(site.finished[0], "/examinations"))
    page.get_by_label("Outcome").select_option("accepted")
    page.get_by_label("Round").select_option("1")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="Gap").click()
    rows = page.locator("[data-row]").all_inner_texts()
    assert rows and not [row for row in rows if "round 2" in row]
    page.get_by_role("button", name="Copy address").click()
    sync_api.expect(page.locator("#status")).to_have_text("The address is copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.url
    page.goto(f"{site.url}/runs")
    page.goto(copied)
    assert page.locator("[data-row]").all_inner_texts() == rows
    page.get_by_role("link", name="remove the filter round: 1").click()
    sync_api.expect(page.get_by_text("8 examinations")).to_be_visible()


def test_a_run_under_way_is_shown_anew_by_itself(page: sync_api.Page, site: Site) -> None:
    with site.live.locked():
        page.goto(site.address(site.live))
        sync_api.expect(page.get_by_text("running")).to_be_visible()
        sync_api.expect(page.get_by_text("has not written anything yet")).to_be_visible()
        ledger = fill(site.live, rounds=1)
        sync_api.expect(page.get_by_text("Round 1: examine")).to_be_visible()
        sync_api.expect(page.locator(".tile", has_text="Examinations")).to_contain_text("8")
        page.evaluate("window.kept = true")
        fill(site.live, rounds=2).close()
        sync_api.expect(page.get_by_text("Round 2: examine")).to_be_visible()
        assert page.evaluate("window.kept")  # the page itself was not loaded again
        ledger.close()
    finish(site.live)
    sync_api.expect(page.locator("#live-badges")).to_contain_text("finished")
    sync_api.expect(page.locator("#status")).to_have_text("This page is complete.")


def test_two_runs_are_compared(page: sync_api.Page, site: Site) -> None:
    page.goto(f"{site.url}/compare")
    for label, run in zip(("First run", "Second run"), site.finished, strict=True):
        page.get_by_label(label).select_option(f"harbour/{run.id}")
    page.get_by_role("button", name="Compare").click()
    row = page.get_by_role("row", name="held-out")
    sync_api.expect(row).to_contain_text("24")
    difference = row.locator("td").nth(3).inner_text()
    sync_api.expect(row.locator("svg")).to_have_attribute("aria-label", f"{difference} points")
    sync_api.expect(page.get_by_text("right in the first").first).to_be_visible()


def test_the_keyboard_is_enough(page: sync_api.Page, site: Site) -> None:
    page.goto(f"{site.url}/runs")

    def press(key: str) -> None:
        page.wait_for_load_state()  # keys are heard once the script is there
        page.keyboard.press(key)

    press("?")
    sync_api.expect(page.get_by_role("dialog")).to_be_visible()
    press("Escape")
    sync_api.expect(page.get_by_role("dialog")).to_be_hidden()
    press("/")
    page.keyboard.type(site.finished[0].id)
    press("Enter")
    sync_api.expect(page.get_by_text("1 of 3 runs")).to_be_visible()
    press("j")
    press("Enter")
    sync_api.expect(page.get_by_role("heading", level=1)).to_have_text(site.finished[0].id)
    page.get_by_role("link", name="Examinations", exact=True).focus()
    press("Enter")
    sync_api.expect(page.get_by_role("heading", level=1)).to_have_text("Examinations")
    for key in ("j", "j", "k", "j"):
        press(key)
    second = page.evaluate("document.activeElement.innerText")
    assert second == page.locator("[data-row]").nth(1).inner_text()
    press("Enter")
    sync_api.expect(page.locator("nav.beside")).to_be_visible()
    first = page.url
    press("]")
    page.wait_for_url(lambda url: url != first)
    press("[")
    page.wait_for_url(first)
    press("u")
    sync_api.expect(page.get_by_role("heading", level=1)).to_have_text("Examinations")
    press("u")
    sync_api.expect(page.get_by_role("heading", level=1)).to_have_text(site.finished[0].id)
    # Whoever goes by Tab alone comes to the content first, and reaches every control.
    page.goto(f"{site.url}/runs")
    press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


def test_a_closed_dialog_takes_no_keys(page: sync_api.Page, site: Site) -> None:
    """Its keys may still come from within: the focus moves when the page is drawn again."""
    page.goto(f"{site.url}/runs")
    focused = page.evaluate(
        """() => {
          const dialog = document.getElementById("help");
          dialog.showModal();
          const inside = dialog.querySelector("button");
          dialog.close();
          inside.dispatchEvent(new KeyboardEvent("keydown", { key: "/", bubbles: true }));
          return document.activeElement.name;
        }"""
    )
    assert focused == "q"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_pages_fit_and_can_be_read(
    browser: sync_api.Browser, site: Site, scheme: str, width: int
) -> None:
    """No page scrolls sideways as a whole; axe finds nothing serious, contrasts included."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    for address in every_address(site):
        page.goto(address)
        for wide in (*WIDTHS, width):
            page.set_viewport_size({"width": wide, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= wide, address
        faults = axe.run(page).response["violations"]
        serious = [
            (fault["id"], [node["target"] for node in fault["nodes"]][:3])
            for fault in faults
            if fault["impact"] in ("serious", "critical")
        ]
        assert serious == [], address
    context.close()


def test_pages_work_without_scripts(browser: sync_api.Browser, site: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site.address(site.finished[0], "/examinations"))
    page.get_by_label("Kind").select_option("apply")
    page.get_by_role("button", name="Show").click()
    page.locator("[data-row]").first.click()
    sync_api.expect(page.get_by_role("heading", name="Turn 1")).to_be_visible()
    sync_api.expect(page.get_by_role("button", name="Copy address")).to_be_hidden()
    context.close()
