"""A real browser: Debian's Chromium, driven by playwright."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, expect, sync_playwright

from tests.servers.fixtures import require
from tests.servers.process import program

CHROMIUM = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--no-first-run",
]  # fmt: skip
PATIENCE = 60_000.0
"""Milliseconds."""
LEADING_ON = {303, 304}
"""What leads a browser to another page, or says that its copy is current."""
expect.set_options(timeout=PATIENCE)
PHONE = {"width": 390, "height": 844}
AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text()
"""axe-core, which knows the rules of WCAG that a program can check, contrast among them."""
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium: playwright's own one would have to be fetched."""
    path = program("chromium")
    require(None if path else "Chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        yield started
        started.close()


@contextmanager
def opened(
    browser: Browser,
    url: str,
    *,
    refusals: Collection[int] = (),
    also: Collection[str] = (),
    advised: bool = False,
    **how: Any,
) -> Iterator[Page]:
    """A page; at the end nothing was written to its console, nothing failed, and nobody else was asked for anything.

    The same holds for the other pages of its context. `refusals` are the statuses of failure that are expected, `also`
    the other origins that may be asked, and `advised` is for a password whose user the page cannot name, of which
    Chromium has advice; `how` is what else the browser is to be like.
    """
    origins = {url[: url.index("/", len("http://"))], *also}
    faults: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        refused = any(f"status of {status} " in message.text for status in refusals)
        if not refused and not (advised and str(message.type) == "verbose"):
            faults.append(f"{message.type}: {message.text}")

    def on_request(request: Request) -> None:
        if not request.url.startswith((*(f"{origin}/" for origin in origins), "data:")):
            faults.append(f"asked somebody else: {request.url}")

    def on_reply(reply: Response) -> None:
        if not reply.ok and reply.status not in {*LEADING_ON, *refusals}:
            faults.append(f"{reply.status}: {reply.url}")

    with browser.new_context(**how) as context:
        context.set_default_timeout(PATIENCE)
        context.on("console", on_console)
        context.on("weberror", lambda found: faults.append(str(found.error)))
        context.on("requestfailed", lambda request: faults.append(f"failed: {request.url}"))
        context.on("request", on_request)
        context.on("response", on_reply)
        page = context.new_page()
        page.goto(url)
        yield page
        assert faults == [], faults


def fits_and_is_accessible(page: Page, name: str) -> None:
    """The page as it stands is not wider than a phone, and breaks no rule of WCAG; a failure names `name`."""
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"], f"{name} is {width} pixels wide"
    page.evaluate(AXE)
    broken = page.evaluate("options => axe.run(document, options).then(found => found.violations)", WCAG)
    told = [(rule["id"], [node["failureSummary"] for node in rule["nodes"]]) for rule in broken]
    assert told == [], name
