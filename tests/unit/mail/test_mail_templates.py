"""Mails: every kind carries what it must in both parts, and no text from a user can become markup."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.feature import MailKind
from app.features import FEATURES
from app.mail.mail_templates import MailTemplates, in_words, readable_on

if TYPE_CHECKING:
    from app.mail.mail import Mail

APP = Path(__file__).parents[3] / "app"
MAIL_KINDS = tuple(kind for feature in FEATURES for kind in feature.mails)
KINDS = sorted(kind.name for kind in MAIL_KINDS)
PAGES = {kind.name: kind.page for kind in MAIL_KINDS if kind.page}
TO_UNPROVEN = {kind.name for kind in MAIL_KINDS if kind.to_unproven}
LINK_ONLY = {"undo-email", "cancel-recovery"}
HOME = "https://auth.example.com/team"
TOKEN = "AZM8-HgAAcAC_" * 6 + "AZM8-HgAAc"
AT = datetime(2026, 11, 21, 14, 5, 59, tzinfo=UTC)
FACTS = {
    "ip": "192.0.2.77",
    "device": "Firefox on Linux",
    "username": "ada.lovelace",
    "new_email": "countess@example.org",
    "former_email": "a•••@example.net",
    "key": "Nightly backup",
    "effective_at": "24 November 2026, 14:05 UTC",
    "passkey": "My phone",
    "former_passkey": "Passkey 1",
    "provider": "Google",
}
TEMPLATES = MailTemplates(MAIL_KINDS, "Ünder & <Co>", "#0a5bd3", HOME)


def test_each_kind_has_its_words_in_the_package_that_declares_it_and_no_words_are_left_over() -> None:
    written = {path for path in APP.rglob("templates/*.txt") if path.stem != "layout"}
    declared = {APP.parent / kind.package.replace(".", "/") / "templates" / f"{kind.name}.txt" for kind in MAIL_KINDS}
    assert written == declared
    assert len(MAIL_KINDS) == len(declared)


def test_no_feature_replaces_the_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "above_all" / "templates").mkdir(parents=True)
    (tmp_path / "above_all" / "__init__.py").write_text("")
    (tmp_path / "above_all" / "templates" / "layout.txt").write_text("replaced")
    monkeypatch.syspath_prepend(tmp_path)
    kinds = (*MAIL_KINDS, MailKind("greeting", "above_all"))

    mail = write("verify_email", templates=MailTemplates(kinds, "Ünder & <Co>", "#0a5bd3", HOME))

    assert mail == write("verify_email")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def write(kind: str, facts: dict[str, str] | None = None, *, templates: MailTemplates = TEMPLATES) -> Mail:
    return templates.render(
        kind,
        id="7",
        to="ada@example.org",
        at=AT,
        facts=FACTS if facts is None else facts,
        token=TOKEN if kind in PAGES else None,
        code="abcd-e0gh" if kind in PAGES and PAGES[kind] not in LINK_ONLY else None,
        expires_at=AT + timedelta(minutes=30) if kind in PAGES else None,
    )


class _Page(HTMLParser):
    """The words, links and tags of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.feed(html.partition("</head>")[2])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.words += data.split()


def test_there_is_a_letter_for_every_event() -> None:
    assert set(KINDS) == PAGES.keys() | {
        *("password_changed", "username_changed", "profile_changed"),
        *("session_reused", "login_attacked", "account_deleted", "account_exists", "email_in_use", "impersonated"),
        *("api_key_created", "api_key_leaked", "service_key_leaked", "webhook_disabled"),
        *("account_disabled", "account_enabled"),
        "password_breached",
        *("identity_linked", "identity_unlinked"),
        *("passkey_added", "passkey_renamed", "passkey_removed", "passkey_counter_regressed"),
        *("totp_added", "totp_removed", "recovery_codes_made", "recovery_code_used", "factors_reset"),
        *("factor_recovery_cancelled", "factors_recovered"),
    }


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        ("verify_email", "/verify-email"),
        ("confirm_address", "/verify-email"),
        ("change_email", "/verify-email"),
        ("confirm_registration", "/verify-email"),
        ("reset_password", "/reset-password"),
        ("email_changed", "/undo-email"),
        ("deletion_undo", "/undo-email"),
        ("factor_recovery", "/cancel-recovery"),
        ("invitation", "/invitation"),
        ("login_code", "/login/mail"),
    ],
)
def test_both_parts_carry_the_link_and_when_it_ends(kind: str, page: str) -> None:
    mail = write(kind)
    link = f"{HOME}{page}#token={TOKEN}"
    shown = _Page(mail.html)
    assert link in mail.text.splitlines()
    assert shown.links.count(link) == 2, "a button, and the address to copy"
    assert link in shown.words
    assert "21 November 2026, 14:35 UTC" in mail.text
    assert "21 November 2026, 14:35 UTC" in mail.html


def test_a_code_that_is_typed_where_it_was_asked_for_stands_before_the_link() -> None:
    mail = write("login_code")
    shown = _Page(mail.html)
    assert "    ABCD-E0GH" in mail.text.splitlines()
    assert mail.text.index("ABCD-E0GH") < mail.text.index(TOKEN)
    assert shown.words.index("ABCD-E0GH") < shown.words.index(f"{HOME}/login/mail#token={TOKEN}")
    assert f"{HOME}/login/mail" not in shown.links
    for text in (mail.text, mail.html):
        assert "together with your e-mail address" not in text


@pytest.mark.parametrize("kind", sorted(kind for kind, page in PAGES.items() if page not in {*LINK_ONLY, "login/mail"}))
def test_both_parts_carry_the_code_and_the_page_where_it_is_typed_in(kind: str) -> None:
    mail = write(kind)
    page = f"{HOME}/{PAGES[kind]}"
    assert "    ABCD-E0GH" in mail.text.splitlines()
    assert f"Or open {page}" in mail.text.splitlines()
    shown = _Page(mail.html)
    assert "ABCD-E0GH" in shown.words
    assert page in shown.links


def test_a_code_is_shown_alike_with_and_without_its_dash() -> None:
    texts = {
        TEMPLATES.render("reset_password", id="7", to="a@b.example", at=AT, facts={}, token=TOKEN, code=code).text
        for code in ("ABCDE0GH", "ABCD-E0GH")
    }
    assert len(texts) == 1


def test_text_and_html_say_the_same(kind: str) -> None:
    mail = write(kind)
    said = mail.text.replace("\n-- \n", " ").split()
    shown = [word for word in _Page(mail.html).words if word != ":"]
    name = ["Ünder", "&", "<Co>"]
    assert shown[: len(name)] == name, "the head of the page"
    # The text puts a colon after the name of a link.
    assert [word.rstrip(":") for word in shown[len(name) :]] == [word.rstrip(":") for word in said]


def test_a_letter_without_a_link_has_no_place_for_one() -> None:
    with pytest.raises(ValueError, match="without a token"):
        TEMPLATES.render("password_changed", id="7", to="a@b.example", at=AT, facts={}, token=TOKEN)


def test_a_letter_never_goes_out_without_its_link() -> None:
    with pytest.raises(ValueError, match="with a token"):
        TEMPLATES.render("verify_email", id="7", to="a@b.example", at=AT, facts={})


@pytest.mark.parametrize("kind", sorted(TO_UNPROVEN))
def test_an_unproven_address_gets_nothing_that_a_user_wrote(kind: str) -> None:
    mail = write(kind)
    assert (mail.text, mail.html) == (write(kind, {}).text, write(kind, {}).html)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in TO_UNPROVEN])
def test_a_notice_shows_the_facts_that_are_known(kind: str) -> None:
    mail = write(kind)
    for fact in FACTS.values():
        assert fact in mail.text
        assert fact in mail.html
    unknown = write(kind, {"username": ""})
    for label in ("User name:", "Device:", "IP address:"):
        assert label not in unknown.text + unknown.html
    assert "When: 21 November 2026, 14:05 UTC\n\n" in unknown.text


def test_no_text_from_a_user_becomes_markup(kind: str) -> None:
    mail = write(kind, dict.fromkeys(FACTS, "<script>alert(1)</script> & \"'"))
    for tag in ("<script", "<Co>", "& ", "&amp;amp;", "&lt;/p"):
        assert tag not in mail.html.partition("</head>")[2]
    assert "Ünder &amp; &lt;Co&gt;" in mail.html
    assert _Page(mail.html).tags <= {*("body", "div", "p", "a", "span", "br", "table", "tr", "td")}
    for sign in ("&amp;", "&lt;", "&#"):
        assert sign not in mail.text
    assert "<title>" + mail.subject + "</title>" in unescape(mail.html)


def test_a_fact_stays_within_its_line(kind: str) -> None:
    for end in ("\r\n", "\n", "\r", "\x0b", "\x85", "\u2028", "\x00"):
        mail = write(
            kind, dict.fromkeys(FACTS, f"ada{end}{end}Log in at https://evil.example{end}Bcc: eve@example.org")
        )
        for line in (*mail.text.splitlines(), *mail.html.splitlines()):
            assert not line.startswith(("Log in at", "Bcc")), end
        assert "\x00" not in mail.text + mail.html, end


def test_a_subject_is_ours_and_one_line(kind: str) -> None:
    mail = write(kind)
    assert mail.subject == write(kind, {}).subject
    assert re.fullmatch(r"(?!.*[A-Z]{4})[A-Z][A-Za-z -]{10,60}", mail.subject)


def test_a_letter_loads_nothing_from_anywhere_and_runs_nothing(kind: str) -> None:
    html = write(kind).html
    assert not re.search(r"<(img|link|script|iframe|object|form|base)\b|url\(|@import|src=|\bon\w+=", html)
    assert {link.partition("#")[0] for link in _Page(html).links} <= {HOME, f"{HOME}/{PAGES.get(kind)}"}


def test_a_letter_is_plain_text_in_short_lines(kind: str) -> None:
    long = [line for line in write(kind).text.splitlines() if len(line) > 72 and not line.startswith(HOME)]
    assert long == []
    assert not re.search(r"\n{3}|[{}]|None", write(kind).text)
    assert not re.search(r"[{}]{2}|None|Undefined", write(kind).html)


def test_no_word_is_broken_between_two_lines() -> None:
    for length in range(1, 40):
        templates = MailTemplates(MAIL_KINDS, "x" * length + " well-known", "#0a5bd3", HOME)
        for kind in KINDS:
            assert "-\n" not in write(kind, templates=templates).text


def test_colour_and_name_of_the_product_are_those_of_the_settings() -> None:
    mail = write("reset_password", templates=MailTemplates(MAIL_KINDS, "Example Accounts", "#ffd400", HOME))
    assert mail.text.endswith(
        f"-- \nExample Accounts\n{HOME}\nThis mail was sent automatically; nobody reads replies to it.\n"
    )
    assert mail.html.count("#ffd400") == 3
    assert "#0a5bd3" not in mail.html


@pytest.mark.parametrize(
    ("color", "ink"),
    [("#ffffff", "#000000"), ("#ffd400", "#000000"), ("#000000", "#ffffff"), ("#0a5bd3", "#ffffff")],
)
def test_a_button_can_be_read_on_any_colour(color: str, ink: str) -> None:
    assert readable_on(color) == ink
    assert f"color:{ink};" in write("reset_password", templates=MailTemplates(MAIL_KINDS, "Example", color, HOME)).html


def test_times_are_shown_in_utc_whatever_their_zone() -> None:
    assert in_words(datetime(2027, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))) == "31 December 2026, 22:30 UTC"
