"""The pictures of the README, taken in Chromium from the service as it is.

`python -m tests.tools.pictures` takes them anew, when a page has changed. No test compares them with the pages, since
fonts make a picture differ from machine to machine.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser

from tests.e2e.browsing import chromium, opened
from tests.e2e.settings import in_testing, on_sqlite
from tests.servers.service import service

FOLDER = Path(__file__).parents[2] / "docs/pictures"
DESK = {"width": 1120, "height": 700}
PHONE = {"width": 390, "height": 700}


def main() -> None:
    """Take them all."""
    FOLDER.mkdir(exist_ok=True)
    with (
        TemporaryDirectory() as folder,
        service(in_testing(**on_sqlite(Path(folder)), PUBLIC_URL="http://localhost:5000")) as server,
        chromium() as browser,
    ):
        take(browser, f"{server.base_url}/", "first-page", DESK | {"height": 800}, showing=".steps")
        take(browser, f"{server.base_url}/swagger/", "swagger", DESK, showing=".opblock")
        take(browser, f"{server.base_url}/errors/reused_refresh_token", "help", DESK, showing="dd")
        take(browser, f"{server.base_url}/reset-password", "reset-password", PHONE, showing="form")
        take(browser, f"{server.base_url}/reset-password", "reset-password-dark", PHONE, showing="form", dark=True)


def take(browser: Browser, url: str, name: str, size: dict[str, int], *, showing: str, dark: bool = False) -> None:
    """Keep what a browser of this size shows of an address, once it shows what `showing` selects."""
    with opened(browser, url, viewport=size, color_scheme="dark" if dark else "light") as page:
        page.locator(showing).first.wait_for()
        page.screenshot(path=FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
