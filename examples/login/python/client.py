"""Logs in to Latchkey, with a second factor if the account has one, and exports what Latchkey holds of the user."""

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any, NoReturn

LATCHKEY = os.environ.get("LATCHKEY_URL", "http://localhost:5000").rstrip("/")
SECONDS = 30


def main(arguments: list[str]) -> None:
    match arguments:
        case ["login", name]:
            print(log_in(name))
        case ["export"]:
            print(export(os.environ["ACCESS_TOKEN"]))
        case _:
            sys.exit("usage: client.py login NAME | ACCESS_TOKEN=... client.py export")


def log_in(name: str) -> str:
    """An access token."""
    reply = first_factor(name)
    while reply.get("code") == "second_factor_required":
        reply = second_factor(reply["login"]) or first_factor(name)
    access_token: str = succeeded(reply)["data"]["access_token"]
    return access_token


def first_factor(name: str) -> dict[str, Any]:
    return send("POST", "/auth/login", {"login": name, "password": ask("Password")})


def second_factor(login: dict[str, Any]) -> dict[str, Any] | None:
    """The reply to a code that is right; None if the login has to begin again."""
    while True:
        proof = code_for(login)
        reply = send("POST", "/auth/login/continue", {"login_token": login["token"], **proof})
        match reply.get("code"):
            case "invalid_code":  # the same login, for up to five codes
                say(reply["message"])
            case "invalid_login_token":  # too many of them, too late, or the password was changed
                say(reply["message"])
                return None
            case _:
                return reply


def code_for(login: dict[str, Any]) -> dict[str, str]:
    """A code that the user types, and its method. A newer Latchkey may name steps and methods that are unknown here."""
    known = [method for method in ("totp", "recovery_code") if method in login["methods"]]
    if login["next"] != "second_factor" or not known:
        sys.exit(f"This login needs what this program does not have: {login['next']} by {login['methods']}.")
    code = ask("Code of your authenticator app, or recovery code")
    return {"method": "totp" if code.isdigit() else "recovery_code", "code": code}


def export(token: str) -> str:
    """All that Latchkey holds of the user, as JSON."""
    reply = send("GET", "/auth/me/export", token=token)
    while reply.get("code") == "reauthentication_required":
        token = authenticate_again(token, reply["methods"])
        reply = send("GET", "/auth/me/export", token=token)
    return json.dumps(succeeded(reply))


def authenticate_again(token: str, methods: list[str]) -> str:
    """An access token of the same session that says that its user is still there; the old one gains nothing."""
    while True:
        if "totp" in methods:
            proof = {"method": "totp", "code": ask("Code of your authenticator app")}
        elif "password" in methods:
            proof = {"password": ask("Password")}
        else:
            sys.exit(f"This needs what this program does not have: {methods}.")
        reply = send("POST", "/auth/reauthenticate", proof, token)
        if reply.get("code") not in ("invalid_code", "wrong_password"):
            access_token: str = succeeded(reply)["data"]["access_token"]
            return access_token
        say(reply["message"])


def send(method: str, path: str, body: dict[str, Any] | None = None, token: str = "") -> dict[str, Any]:
    """The reply, whatever its status: `code` says what went wrong, `message` is for people."""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(LATCHKEY + path, content, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as reply:
            answer: dict[str, Any] = json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            answer = json.load(error)
    return answer


def succeeded(reply: dict[str, Any]) -> dict[str, Any]:
    """The reply, if it is no failure; among others `too_many_requests` ends the program here."""
    if "code" in reply:
        fail(reply)
    return reply


def fail(reply: dict[str, Any]) -> NoReturn:
    sys.exit(f"{reply['code']}: {reply['message']}")


def ask(what: str) -> str:
    """A line that the user types."""
    print(f"{what}: ", end="", file=sys.stderr, flush=True)
    return (sys.stdin.readline() or sys.exit("\nThere is no more input.")).rstrip("\r\n")


def say(message: str) -> None:
    print(message, file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
