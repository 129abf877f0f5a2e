"""The pages that mailed links open: what they show, what they change, and whom they believe."""

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from urllib.parse import urlencode, urljoin

import pytest

from app.platform.errors import Unavailable
from tests.api.mailbox import Letter, newest_to
from tests.api.service import PASSWORD, Account, Reply, Service, Start, new_names, occupied

ORIGIN = "http://localhost:5000"
PAGES = ["/verify-email", "/reset-password", "/undo-email", "/invitation", "/login/mail", "/cancel-recovery"]
NEW = "another good long password"
FORM = "application/x-www-form-urlencoded"


def submit(service: Service, path: str, headers: dict[str, str] | None = None, /, **fields: str) -> Reply:
    """Send the form of a page, as a browser does."""
    sent = {"Origin": ORIGIN, "Accept": "text/html"} if headers is None else headers
    return service.send("POST", path, body=urlencode(fields).encode(), content_type=FORM, headers=sent)


def heading(reply: Reply) -> str:
    """The one heading of a page."""
    (found,) = re.findall(r"<h1>(.*?)</h1>", reply.text)
    return unescape(re.sub("<[^>]+>", "", found))


def hidden(reply: Reply) -> dict[str, str]:
    """The hidden fields of a page, without empty ones."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', reply.text)
    return {name: value for name, value in found if value}


def errors(reply: Reply) -> dict[str, str]:
    """The error of each field, from the element that the field names as its description."""
    found = {}
    for tag in re.findall(r"<input [^>]*aria-invalid[^>]*>", reply.text):
        name, described = re.search(r'name="(\w+)"', tag), re.search(r'aria-describedby="([^" ]+)', tag)
        assert name
        assert described
        text = re.search(rf'<p class="error" id="{described[1]}">(.*?)</p>', reply.text)
        assert text
        found[name[1]] = unescape(text[1])
    return found


def is_verified(service: Service, account: Account) -> bool:
    return bool(service.get("/auth/me", token=account.token).json["data"]["user"]["email_verified"])


def forgotten(service: Service) -> tuple[Account, Letter]:
    """Somebody who forgot the password, and the mail that leads to a new one."""
    ann = service.register()
    service.post("/auth/password/forgot", {"email": ann.email})
    return ann, newest_to(service, ann.email)


def changed(service: Service) -> tuple[Account, Letter]:
    """Somebody whose address was changed, and the mail that takes it back."""
    ann, (new, _) = service.register(), new_names()
    service.post("/auth/email/verify", {"token": newest_to(service, ann.email).token})
    service.post("/auth/email", {"email": new, "password": PASSWORD}, token=ann.token)
    service.post("/auth/email/verify", {"token": newest_to(service, new).token})
    return ann, newest_to(service, ann.email)


def logging_in(service: Service) -> tuple[Account, Letter]:
    """Somebody who logs in by mail, and that mail."""
    ann = service.register()
    service.post("/auth/email/verify", {"token": newest_to(service, ann.email).token})
    service.post("/auth/login/code", {"email": ann.email})
    return ann, newest_to(service, ann.email)


def test_ann_opens_the_link_sees_whose_address_it_is_and_confirms_it(service: Service) -> None:
    ann = service.register()
    mail = newest_to(service, ann.email)

    asked = submit(service, "/verify-email", token=mail.token)
    assert (asked.status_code, heading(asked)) == (200, "Is this your e-mail address?")
    now = service.clock.now
    for told in (ann.email, ann.username, f"{now.day} ", f" {now.year}, {now:%H:%M} UTC"):
        assert told in asked.text
    assert re.findall(r'<button [^>]*name="answer" value="(\w+)">(.*?)</button>', asked.text) == [
        ("yes", "Yes, this is my address"),
        ("no", "This was not me"),
    ]
    assert not is_verified(service, ann)

    done = submit(service, "/verify-email", **hidden(asked), answer="yes")
    assert (done.status_code, heading(done)) == (200, "Your e-mail address is confirmed")
    assert is_verified(service, ann)


def test_the_page_that_confirms_a_change_shows_whose_account_it_is_and_who_can_undo_it(service: Service) -> None:
    """Mallory asks to move their own account to Ann's address, for Ann to confirm."""
    mallory, _ = changed(service)
    second = service.get("/auth/me", token=mallory.token).json["data"]["user"]["email"]
    hers, _ = new_names()
    service.post("/auth/email", {"email": hers, "password": PASSWORD}, token=mallory.token)
    mail = newest_to(service, hers)
    assert "for 7 days, its present address can take it back" in mail.text.replace("\n", " ")
    assert second not in mail.text
    asked = submit(service, "/verify-email", token=mail.token)
    for told in (
        hers,
        mallory.username,
        *(f"{each[0]}•••@{each.partition('@')[2]}" for each in (second, mallory.email)),
    ):
        assert told in asked.text
    assert not [kept for kept in (second, mallory.email) if kept in asked.text]
    assert "take the account back" in asked.text
    assert submit(service, "/verify-email", **hidden(asked), answer="no").status_code == 200
    assert service.get("/auth/me", token=mallory.token).json["data"]["user"]["email"] == second


def test_without_a_script_the_address_and_the_code_do_the_same(service: Service) -> None:
    ann = service.register()
    mail = newest_to(service, ann.email)
    asked = submit(service, "/verify-email", token="", email=ann.email, code=mail.code.lower())
    assert hidden(asked) == {"email": ann.email, "code": mail.code.lower()}
    assert not is_verified(service, ann)
    assert submit(service, "/verify-email", **hidden(asked), answer="yes").status_code == 200
    assert is_verified(service, ann)


def test_looking_changes_nothing_however_often(service: Service) -> None:
    ann = service.register()
    mail = newest_to(service, ann.email)
    for _ in range(5):
        assert submit(service, "/verify-email", token=mail.token).status_code == 200
        assert submit(service, "/verify-email", email=ann.email, code=mail.code).status_code == 200
    assert not is_verified(service, ann)
    assert submit(service, "/verify-email", token=mail.token, answer="yes").status_code == 200


def test_the_owner_of_an_address_says_that_it_was_not_her(service: Service) -> None:
    for by in ("token", "code"):
        mallory = service.register()
        mail = newest_to(service, mallory.email)
        sent = {"token": mail.token} if by == "token" else {"email": mallory.email, "code": mail.code}
        reply = submit(service, "/verify-email", **sent, answer="no")
        assert (reply.status_code, heading(reply)) == (200, "Thank you for telling us")
        assert service.get("/auth/me", token=mallory.token).status_code == 401
        assert service.login(mallory.email).status_code == 401


def test_a_change_of_address_is_confirmed_on_the_same_page(service: Service) -> None:
    ann, (new, _) = service.register(), new_names()
    service.post("/auth/email", {"email": new, "password": PASSWORD}, token=ann.token)
    asked = submit(service, "/verify-email", token=newest_to(service, new).token)
    assert new in asked.text
    assert ann.username in asked.text
    submit(service, "/verify-email", **hidden(asked), answer="yes")
    assert service.get("/auth/me", token=ann.token).json["data"]["user"]["email"] == new


def test_a_pending_registration_is_confirmed_on_the_same_page(start: Start) -> None:
    service = start(HIDE_ACCOUNTS="on")
    email, username = new_names()
    service.post("/auth/register", {"email": email, "username": username, "password": PASSWORD})
    asked = submit(service, "/verify-email", token=newest_to(service, email).token)
    assert username in asked.text
    assert service.login(email).status_code == 401
    submit(service, "/verify-email", **hidden(asked), answer="yes")
    assert service.login(email).status_code == 200


@pytest.mark.parametrize("answer", [{}, {"answer": "yes"}, {"answer": "no"}])
def test_a_link_that_is_spent_asks_for_the_code_of_a_new_mail(service: Service, answer: dict[str, str]) -> None:
    ann = service.register()
    mail = newest_to(service, ann.email)
    submit(service, "/verify-email", token=mail.token, answer="yes")
    reply = submit(service, "/verify-email", token=mail.token, **answer)
    assert reply.status_code == 422
    assert "This code or link is not valid." in reply.text
    assert "Ask for a new mail where you log in." in reply.text
    assert hidden(reply) == {}
    assert 'id="code"' in reply.text
    assert is_verified(service, ann)


def test_a_wrong_code_keeps_the_address_that_was_typed(service: Service) -> None:
    reply = submit(service, "/verify-email", email="ann@example.com", code="0000-0000")
    assert reply.status_code == 422
    assert 'value="ann@example.com"' in reply.text
    assert "0000-0000" not in reply.text


def test_an_empty_field_shows_its_error_beside_it(service: Service) -> None:
    reply = submit(service, "/verify-email", token="", email="", code="")
    assert reply.status_code == 422
    assert errors(reply) == {
        "email": "Enter the e-mail address that the mail was sent to.",
        "code": "Enter the code from the mail.",
    }


def test_an_address_verified_by_another_meanwhile_gets_an_error_page(service: Service) -> None:
    ann, eve = service.register(), service.register()
    new, _ = new_names()
    tokens = []
    for account in (ann, eve):
        service.post("/auth/email", {"email": new, "password": PASSWORD}, token=account.token)
        tokens.append(newest_to(service, new).token)
    assert submit(service, "/verify-email", token=tokens[0], answer="yes").status_code == 200
    reply = submit(service, "/verify-email", token=tokens[1], answer="yes")
    assert (reply.status_code, heading(reply)) == (409, "This did not work")
    assert "An account with this e-mail address already exists." in reply.text


def test_ann_sets_a_new_password_by_the_link(service: Service) -> None:
    ann, mail = forgotten(service)
    reply = submit(service, "/reset-password", token=mail.token, new_password=NEW)
    assert (reply.status_code, heading(reply)) == (200, "Your new password is set")
    assert "Every device is logged out" in reply.text
    assert service.get("/auth/me", token=ann.token).status_code == 401
    assert service.login(ann.email, NEW).status_code == 200


def test_without_a_script_the_address_and_the_code_set_a_new_password(service: Service) -> None:
    ann, mail = forgotten(service)
    reply = submit(service, "/reset-password", token="", email=ann.email, code=mail.code, new_password=NEW)
    assert reply.status_code == 200
    assert service.login(ann.email, NEW).status_code == 200


@pytest.mark.parametrize(
    ("password", "told"),
    [("", "Enter a new password."), ("short", "10 characters"), ("password1234", "attackers try"), (None, "address")],
)
def test_a_refused_password_shows_its_error_beside_the_field_and_spends_nothing(
    service: Service, password: str | None, told: str
) -> None:
    ann, mail = forgotten(service)
    refused = ann.email if password is None else password
    reply = submit(service, "/reset-password", token=mail.token, new_password=refused)
    assert reply.status_code == 422
    assert list(errors(reply)) == ["new_password"]
    assert told in errors(reply)["new_password"]
    assert hidden(reply) == {"token": mail.token}
    again = submit(service, "/reset-password", **hidden(reply), new_password=NEW)
    assert again.status_code == 200
    assert service.login(ann.email, NEW).status_code == 200


def test_after_a_refused_password_the_code_that_was_typed_is_still_there_and_the_password_is_not(
    service: Service,
) -> None:
    ann, mail = forgotten(service)
    reply = submit(service, "/reset-password", email=ann.email, code=mail.code, new_password="too-short")
    assert f'value="{ann.email}"' in reply.text
    assert f'value="{mail.code}"' in reply.text
    assert "too-short" not in reply.text


def test_a_password_is_used_exactly_as_it_was_typed(service: Service) -> None:
    ann, mail = forgotten(service)
    odd = "  a+b %41 \u00e4\u20ac & c=d\U0001f511 "
    assert submit(service, "/reset-password", token=mail.token, new_password=odd).status_code == 200
    assert service.login(ann.email, odd).status_code == 200


def test_the_rules_of_a_password_stand_beside_its_field(start: Start) -> None:
    page = start(PASSWORD_MIN_LENGTH="15").get("/reset-password").text
    assert 'autocomplete="new-password"' in page
    assert re.search(r'<p class="hint" id="new_password-hint">At least 15 characters\.', page)
    assert re.search(r'<input id="new_password" [^>]*aria-describedby="new_password-hint"', page)


@pytest.mark.parametrize("by", ["token", "link"])
def test_the_owner_of_a_former_address_takes_the_change_back(service: Service, by: str) -> None:
    ann, mail = changed(service)
    sent = {"token": mail.token} if by == "token" else {"link": f" {ORIGIN}/undo-email#token={mail.token}\n"}
    reply = submit(service, "/undo-email", **sent)
    assert (reply.status_code, heading(reply)) == (200, "Your old address is back")
    assert service.get("/auth/me", token=ann.token).status_code == 401
    reset = submit(service, "/reset-password", token=newest_to(service, ann.email).token, new_password=NEW)
    assert reset.status_code == 200
    assert service.login(ann.email, NEW).json["data"]["user"]["email"] == ann.email


def test_an_undo_without_the_link_asks_for_it(service: Service) -> None:
    reply = submit(service, "/undo-email", token="", link="")
    assert reply.status_code == 422
    assert errors(reply) == {"link": "Copy the whole link from the mail."}


@pytest.mark.parametrize("text", ["no link", "https://example.com/", "#token="])
def test_an_undo_with_something_else_is_refused(service: Service, text: str) -> None:
    assert submit(service, "/undo-email", link=text).status_code == 422


def invited(service: Service) -> tuple[str, Letter]:
    """Somebody who is invited: their address and their mail."""
    email, _ = new_names()
    boss = service.administrator()
    assert service.post("/admin/users", {"email": email}, token=boss.token).status_code == 201
    return email, newest_to(service, email)


def test_bob_answers_his_invitation_by_the_link(service: Service) -> None:
    email, mail = invited(service)
    page = service.get("/invitation")
    assert heading(page) == "Open your account"
    assert "required" not in re.search(r'<input id="username"[^>]*>', page.text)[0]  # type: ignore[index]
    _, username = new_names()
    reply = submit(service, "/invitation", token=mail.token, username=username, name="Bob", password=NEW)
    assert (reply.status_code, heading(reply)) == (200, "Your account is open")
    assert username in reply.text
    user = service.login(email, NEW).json["data"]["user"]
    assert (user["username"], user["name"], user["email_verified"]) == (username, "Bob", True)
    again = submit(service, "/invitation", token=mail.token, password=NEW)
    assert (again.status_code, heading(again)) == (422, "Open your account")
    assert hidden(again) == {}


def test_without_a_script_the_address_and_the_code_answer_the_invitation(service: Service) -> None:
    email, mail = invited(service)
    reply = submit(service, "/invitation", token="", email=email, code=mail.code, username="", name="", password=NEW)
    assert reply.status_code == 200
    assert service.login(email, NEW).status_code == 200


def test_a_taken_user_name_is_told_beside_its_field_and_spends_no_invitation(service: Service) -> None:
    email, mail = invited(service)
    taken = service.register().username
    reply = submit(service, "/invitation", token=mail.token, username=taken, password=NEW)
    assert reply.status_code == 422
    assert errors(reply) == {"username": "This user name is taken. Choose another one."}
    assert NEW not in reply.text
    assert submit(service, "/invitation", **hidden(reply), password=NEW).status_code == 200
    assert service.login(email, NEW).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_opening_a_link_changes_nothing_whatever_it_carries(service: Service, method: str) -> None:
    waiting = service.register()
    verification = newest_to(service, waiting.email)
    forgetful, recovery = forgotten(service)
    moved, undo = changed(service)
    bob, invitation = invited(service)
    _, login = logging_in(service)
    # tests/api/test_factor_recovery.py has the last one.
    for path, mail in zip(PAGES[:-1], (verification, recovery, undo, invitation, login), strict=True):
        named = {"token": mail.token, "answer": "yes", "new_password": NEW, "password": NEW}
        for query in (urlencode(named), "", "answer=no"):
            for _ in range(10):
                reply = service.send(method, path, query=query, headers={"Origin": ORIGIN})
                assert reply.status_code == 200
                assert mail.token not in reply.text
    assert not is_verified(service, waiting)
    assert service.login(forgetful.email).status_code == 200
    assert service.get("/auth/me", token=moved.token).json["data"]["user"]["email"] != moved.email
    assert submit(service, "/verify-email", token=verification.token, answer="yes").status_code == 200
    assert submit(service, "/reset-password", token=recovery.token, new_password=NEW).status_code == 200
    assert submit(service, "/undo-email", token=undo.token).status_code == 200
    assert service.login(bob, NEW).status_code == 401
    assert service.post("/auth/login/code/verify", {"token": login.token}).status_code == 200
    assert submit(service, "/invitation", token=invitation.token, password=NEW).status_code == 200


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "https://localhost:5000"},
        {"Origin": "http://localhost:5001"},
        {"Origin": "http://localhost", "Host": "localhost:5000"},
        {"Origin": "http://localhost.evil.example:5000"},
        {"Origin": "http://[::1"},
        {"Origin": ""},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://evil.example", "Host": "evil.example"},
        {"Referer": f"{ORIGIN}/verify-email"},
    ],
    ids=str,
)
def test_a_form_that_another_page_sent_is_refused(service: Service, path: str, headers: dict[str, str]) -> None:
    ann = service.register()
    mail = newest_to(service, ann.email)
    reply = submit(service, path, headers, token=mail.token, answer="yes", new_password=NEW)
    assert (reply.status_code, reply.mimetype) == (403, "text/html")
    assert "This form was not sent by a page of this service." in reply.text
    assert not is_verified(service, ann)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": ORIGIN},
        {"Sec-Fetch-Site": "same-origin"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://127.0.0.1:8080", "Host": "127.0.0.1:8080"},
        {"Origin": "http://[::1]", "Host": "[::1]:80"},
    ],
    ids=str,
)
def test_a_form_of_our_own_page_is_accepted(service: Service, headers: dict[str, str]) -> None:
    ann = service.register()
    assert submit(service, "/verify-email", headers, token=newest_to(service, ann.email).token).status_code == 200


def test_the_origin_is_that_of_the_public_url_whatever_its_path(start: Start) -> None:
    service = start(PUBLIC_URL="https://Accounts.Example.com:443/id")
    ann = service.register()
    token = newest_to(service, ann.email).token
    assert submit(service, "/verify-email", {"Origin": "https://accounts.example.com"}, token=token).status_code == 200
    assert submit(service, "/verify-email", {"Origin": "http://accounts.example.com"}, token=token).status_code == 403


def test_in_production_only_the_public_url_is_its_own_page(start: Start) -> None:
    service = start(FLASK_ENV="production", BCRYPT_COST="12", PUBLIC_URL="https://localhost")
    headers = {"Host": "localhost:5000", "Origin": "http://localhost:5000"}
    assert submit(service, "/verify-email", headers, token="x").status_code == 403
    assert submit(service, "/verify-email", headers | {"Origin": "https://localhost"}, token="x").status_code == 422


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    "content_type",
    [None, "application/json", "text/plain", "multipart/form-data; boundary=x", f"{FORM}; charset=utf-16"],
)
def test_a_page_accepts_only_its_form(service: Service, path: str, content_type: str | None) -> None:
    for headers in ({"Origin": ORIGIN}, {}):
        reply = service.send("POST", path, body=b"token=x", content_type=content_type, headers=headers)
        assert (reply.status_code, reply.mimetype) == (415, "text/html")


@pytest.mark.parametrize("path", ["/auth/email/verify", "/auth/password/reset", "/auth/email/undo", "/auth/invitation"])
def test_everything_else_accepts_only_json(service: Service, path: str) -> None:
    assert submit(service, path, token="x").status_code == 415


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"token=%ff", 400),
        (b"token=\xc3\xa4", 400),
        (b"token", 400),
        (b"&&", 400),
        (b"&".join(b"a%d=1" % number for number in range(21)), 400),
        (b"", 422),
        (b"token=" + b"a" * 201, 422),
        (b"token=" + b"a" * 66_000, 413),
    ],
)
def test_a_form_that_no_page_would_send_is_refused_with_a_page(service: Service, body: bytes, status: int) -> None:
    headers = {"Origin": ORIGIN}
    reply = service.send("POST", "/verify-email", body=body, content_type=FORM, headers=headers)
    assert (reply.status_code, reply.mimetype) == (status, "text/html")
    heading(reply)


@pytest.mark.parametrize("more", [{"no_such_field": "1"}, {"answer": "perhaps"}, {"answer": "YES"}], ids=str)
def test_a_field_that_the_form_does_not_have_is_refused(service: Service, more: dict[str, str]) -> None:
    mail = newest_to(service, service.register().email)
    reply = submit(service, "/verify-email", token=mail.token, **more)
    assert (reply.status_code, heading(reply)) == (422, "Confirm your e-mail address")
    (name,) = more
    assert f"{name}: " in reply.text


@pytest.mark.parametrize("second", ["{}", "", "x"])
def test_a_field_that_comes_twice_is_refused(service: Service, second: str) -> None:
    token = newest_to(service, service.register().email).token
    body = f"token={second.format(token)}&token={token}".encode()
    headers = {"Origin": ORIGIN, "Accept": "application/json"}
    reply = service.send("POST", "/verify-email", body=body, content_type=FORM, headers=headers)
    assert reply.status_code == 422
    assert [(error["field"], error["code"]) for error in reply.json["errors"]] == [("token", "repeated")]


def test_what_was_typed_cannot_write_into_the_page(service: Service) -> None:
    evil = "\"><script>alert(1)</script>'@example.com"
    for fields in ({"email": evil, "code": "x"}, {"email": evil, "code": ""}, {evil: "x", "token": "x"}):
        reply = submit(service, "/verify-email", **fields)
        assert reply.status_code == 422
        assert "<script>" not in reply.text
        assert not re.search(r'"\s*>\s*&lt;script', reply.text)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_limits_what_it_may_load_and_is_never_cached(service: Service, path: str) -> None:
    replies = [
        service.get(path),
        submit(service, path, token="x", new_password="x"),
        submit(service, path, {}, token="x"),
        service.send("PUT", path),
    ]
    assert [reply.status_code for reply in replies] == [200, 422, 403, 405]
    for reply in replies:
        policy = dict(part.split(" ", 1) for part in reply.headers["Content-Security-Policy"].split("; "))
        assert policy == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "data:",
            "base-uri": "'none'",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
        }
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.headers["Referrer-Policy"] == "no-referrer"
        assert not re.search(r"<script(?![^>]*\bsrc=)|\bon\w+=|style=|<style|javascript:", reply.text)
        assert '<html lang="en">' in reply.text
        heading(reply)


@pytest.mark.parametrize("path", [*PAGES, "/verify-email/"])
def test_what_a_page_needs_is_served_beside_it(service: Service, path: str) -> None:
    page = service.get(path)
    linked = re.findall(r'(?:src|href|action)="(?!data:)([^"]+)"', page.text)
    assert len(linked) == 4
    for target in linked:
        assert not target.startswith("/")
        assert service.get(urljoin(path, target)).status_code == 200
    names = {target.rpartition("/")[2] for target in linked}
    assert names == {"pages.css", "brand.css", "mailed-link.js", path.strip("/").rpartition("/")[2]}


@pytest.mark.parametrize("path", PAGES)
def test_every_field_has_a_label(service: Service, path: str) -> None:
    for page in (service.get(path), submit(service, path, token="", new_password="x")):
        fields = re.findall(r'<input id="(\w+)"', page.text)
        assert fields
        assert re.findall(r'<label for="(\w+)">', page.text) == fields


def test_a_client_that_accepts_json_gets_failures_in_json(service: Service) -> None:
    reply = submit(service, "/verify-email", {"Accept": "application/json"}, token="x")
    assert (reply.status_code, reply.json["code"]) == (403, "forbidden")


def test_a_host_that_is_not_ours_gets_a_page_too(start: Start) -> None:
    service = start(ALLOWED_HOSTS="accounts.example.com")
    reply = service.get("/verify-email", headers={"Host": "evil.example"})
    assert (reply.status_code, reply.mimetype, heading(reply)) == (400, "text/html", "This did not work")


def test_a_busy_service_says_so_and_keeps_what_was_mailed(start: Start) -> None:
    service = start(HASH_QUEUE="1", HASH_THREADS="1", HASH_DEADLINE_SECONDS="1")
    ann, mail = forgotten(service)
    with occupied(service):
        reply = submit(service, "/reset-password", token=mail.token, new_password=NEW)
    assert (reply.status_code, reply.mimetype) == (503, "text/html")
    assert "Too many passwords are being checked" in reply.text
    again = submit(service, "/reset-password", **hidden(reply), new_password=NEW)
    assert again.status_code == 200
    assert service.login(ann.email, NEW).status_code == 200


def test_errors_of_the_store_are_logged_but_not_shown(
    service: Service, log_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = service.register()
    mail = newest_to(service, ann.email)

    def down(_user_id: str) -> None:
        raise Unavailable from OSError("the disk of store-seven is gone")

    with monkeypatch.context() as patch:
        patch.setattr(type(service.store.users), "account", lambda _self, user_id: down(user_id))
        reply = submit(service, "/verify-email", token=mail.token)
    assert (reply.status_code, hidden(reply)) == (503, {"token": mail.token})
    assert "store-seven" not in reply.text
    assert reply.headers["X-Request-ID"] in reply.text
    assert "the disk of store-seven is gone" in log_file.read_text()


def test_no_token_code_or_password_reaches_a_header_or_the_log(service: Service, log_file: Path) -> None:
    ann, recovery = forgotten(service)
    mail, undo = newest_to(service, service.register().email), changed(service)[1]
    secrets = [recovery.token, recovery.code, mail.token, mail.code, undo.token, NEW, "tiny-pw"]
    replies = [
        service.get("/verify-email", query=urlencode({"token": mail.token})),
        submit(service, "/verify-email", token=mail.token),
        submit(service, "/verify-email", {}, token=mail.token),
        submit(service, "/verify-email", token=mail.token, answer="yes"),
        submit(service, "/verify-email", token=mail.token, answer="yes"),
        submit(service, "/reset-password", email=ann.email, code=recovery.code, new_password="tiny-pw"),
        submit(service, "/reset-password", token=recovery.token, new_password=NEW),
        submit(service, "/undo-email", token=undo.token),
    ]
    assert [reply.status_code for reply in replies] == [200, 200, 403, 200, 422, 422, 200, 200]
    told = "\n".join(str(reply.headers) for reply in replies) + log_file.read_text()
    assert "/reset-password" in told
    for secret in secrets:
        assert secret not in told


def test_the_name_and_the_colour_of_the_product_are_on_every_page(start: Start) -> None:
    service = start(PRODUCT_NAME="Tom & Jerry <b>", PRODUCT_COLOR="#fc0")
    for reply in (service.get("/verify-email"), submit(service, "/undo-email", {}, token="x")):
        assert '<header class="brand">Tom &amp; Jerry &lt;b&gt;</header>' in reply.text
        assert " - Tom &amp; Jerry &lt;b&gt;</title>" in reply.text
    style = service.get("/assets/brand.css")
    assert style.headers["Content-Type"] == "text/css; charset=utf-8"
    assert style.text == ":root { --brand: #ffcc00; --on-brand: #000000; }\n"
    assert style.headers["Cache-Control"] == "public, max-age=3600"


def test_the_pages_are_not_part_of_the_openapi_document(service: Service) -> None:
    assert not {*PAGES, "/assets/brand.css", "/dev/mail"} & service.get("/openapi.json").json["paths"].keys()


@pytest.mark.parametrize("act", [lambda s, t: submit(s, "/verify-email", token=t, answer="yes")])
def test_many_at_once_confirm_an_address_once(service: Service, act: Callable[[Service, str], Reply]) -> None:
    ann = service.register()
    token = newest_to(service, ann.email).token
    statuses = [reply.status_code for reply in service.at_once(lambda _: act(service, token))]
    assert sorted(statuses) == [200, *[422] * 15]
