"""Requests that follow one another by the links of the OpenAPI document: what one makes, the next asks for."""

import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import SchemathesisConfig

from tests.api.authenticator import Authenticator
from tests.api.databases import Database
from tests.api.service import PASSWORD, FakeClock, Reply, Service, Start, new_names, running

CONFIGURATION = Path(__file__).parents[1] / "e2e" / "schemathesis.toml"
STEPS = 6
"""The longest chain of links has three requests; the others begin another one beside it."""
SETTINGS: Final = {"IMPERSONATION": "on", "LOGIN_BY_MAIL": "on", "EGRESS_ALLOW": "127.0.0.1", "RATE_LIMITS": "off"}
BODIES: dict[str, dict[str, Any]] = {
    "createClient": {"name": "Shop", "kind": "confidential", "redirect_uris": ["https://shop.example.com/callback"]},
    "createWebhook": {"url": "http://127.0.0.1:9/", "events": ["user.created"]},
    "createRole": {"name": "editor", "permissions": []},
    "createServiceAccountApiKey": {"name": "Nightly backup", "permissions": []},
}
"""Where the examples of the document would not do: the tests reach no other servers, and a role is new once."""
REFUSED = {
    ("inviteUser", "impersonateUser"): "nobody acts for a user who has not answered the invitation",
}
"""Links to what is not possible at once, and why."""
UNTRIED = {"finishAtProvider": "its code comes back from a provider"}
"""Requests that no example begins, and why."""


@dataclass(frozen=True)
class Operation:
    """An operation of the document, and the links of its success."""

    method: str
    path: str
    declared: dict[str, Any]

    @property
    def links(self) -> Iterator[tuple[str, dict[str, str]]]:
        """The operation that each leads to, and the expressions of its parameters."""
        for response in self.declared["responses"].values():
            for link in response.get("links", {}).values():
                yield link["operationId"], link["parameters"]


@dataclass(frozen=True)
class Sent:
    """A request and its reply."""

    path: dict[str, str]
    reply: Reply

    def value(self, expression: str) -> str:
        """What a runtime expression of the document stands for."""
        if expression.startswith("$request.path."):
            return self.path[expression.removeprefix("$request.path.")]
        found = self.reply.json
        for part in expression.removeprefix("$response.body#/").split("/"):
            found = found[int(part) if isinstance(found, list) else part]
        return str(found)


class Chain:
    """Requests of a new administrator, each by the link of another."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._token = service.administrator().token
        document = service.get("/openapi.json").json
        self._schemas = document["components"]["schemas"]
        self.operations = {
            declared["operationId"]: Operation(method.upper(), path, declared)
            for path, methods in document["paths"].items()
            for method, declared in methods.items()
        }

    def begin(self, name: str) -> Sent:
        """Send this request; if its path needs something, what makes that comes before."""
        if "{" not in self.operations[name].path:
            return self._send(name, {})
        maker, expressions = next(
            (other, expressions)
            for other, operation in self.operations.items()
            for target, expressions in operation.links
            if target == name
        )
        return self.follow(self.begin(maker), name, expressions)

    def follow(self, sent: Sent, name: str, expressions: dict[str, str]) -> Sent:
        return self._send(name, {part: sent.value(expression) for part, expression in expressions.items()})

    def _send(self, name: str, path: dict[str, str]) -> Sent:
        operation = self.operations[name]
        reply = self._service.send(
            operation.method, operation.path.format(**path), json=self._body(name), token=self._token
        )
        return Sent(path, reply)

    def _body(self, name: str) -> dict[str, Any] | None:
        if name == "register":
            email, username = new_names()
            return {"email": email, "username": username, "password": PASSWORD}
        if name == "inviteUser":
            return {"email": new_names()[0]}
        if name == "addPasskey":
            asked = self._service.post("/auth/passkeys/options", token=self._token).json["data"]
            return {"ceremony": asked["ceremony"], "credential": Authenticator().create(asked["options"])}
        if name in BODIES or "requestBody" not in self.operations[name].declared:
            return BODIES.get(name)
        content = self.operations[name].declared["requestBody"]["content"]["application/json"]
        schema = self._schemas[content["schema"]["$ref"].rpartition("/")[2]]
        return {field: schema["properties"][field]["examples"][0] for field in schema.get("required", [])}


def test_every_link_leads_to_what_the_reply_is_about(start: Start) -> None:
    service = start(on=None, **SETTINGS)
    wrong = {}
    followed = 0
    for name, operation in Chain(service).operations.items():
        for target, expressions in () if name in UNTRIED else operation.links:
            chain = Chain(service)
            sent = chain.begin(name)
            assert sent.reply.status_code in {200, 201}, (name, sent.reply.text)
            reached = chain.follow(sent, target, expressions).reply
            if reached.status_code not in {200, 201}:
                wrong[name, target] = reached.text
            followed += 1
            if name == "createRole":
                service.send("DELETE", "/admin/roles/editor", token=service.administrator().token)
    assert followed > 30
    assert wrong.keys() == REFUSED.keys(), wrong


class Instances:
    """A WSGI application that is always the newest instance; there is one at a time."""

    def __init__(self, new_database: Callable[[], Database]) -> None:
        self._new_database = new_database
        self._stack = ExitStack()
        self.renew()

    def renew(self) -> None:
        self.close()
        self._service = self._stack.enter_context(running(self._new_database(), FakeClock(), **SETTINGS))
        self.token = self._service.administrator().token

    def close(self) -> None:
        self._stack.close()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self._service.app(environ, start_response)


def configuration() -> SchemathesisConfig:
    """As in tests/e2e, but for the login and for what exists before: a chain brings its own."""
    told = tomllib.loads(CONFIGURATION.read_text())
    for only_there in ("auth", "operations", "phases"):
        del told[only_there]
    told["generation"]["mode"] = "positive"
    told["phases"] = {"stateful": {"inference": {"algorithms": []}}}  # the document has all links
    told["checks"]["ignored_auth"] = {"enabled": False}  # it takes our token for one that it made up
    return SchemathesisConfig.from_dict(told)


@pytest.mark.hypothesis
@pytest.mark.timeout(0)  # with the profile `thorough` it takes a quarter of an hour
def test_whatever_follows_by_links_is_answered_as_the_document_says(new_database: Callable[[], Database]) -> None:
    """Each chain begins on a new instance, so that schemathesis can repeat what fails."""
    instances = Instances(new_database)
    schema = schemathesis.openapi.from_wsgi("/openapi.json", instances, config=configuration())

    class Chains(schema.as_state_machine()):  # type: ignore[misc] # a class made while running
        def setup(self) -> None:
            instances.renew()

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:  # noqa: ARG002 - as there
            return {"headers": {"Authorization": f"Bearer {instances.token}"}}

    with closing(instances):
        Chains.run(
            settings=settings(
                max_examples=settings().max_examples // 3,
                phases=[Phase.generate],
                stateful_step_count=STEPS,
                suppress_health_check=list(HealthCheck),
            )
        )
