"""The file of `flask bootstrap`: YAML, of which every wrong line is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from pydantic import Field, ValidationError, field_validator

from app.accounts.fields import Email, Name, Username
from app.bootstrap.service import Declaration
from app.invitations.service import Invitee
from app.platform.identifiers import comparable_email
from app.roles.inputs import CreateRole, RoleNames
from app.roles.model import Role
from app.web.input import Body, wrong

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_UNKNOWN = "extra_forbidden"


class WrongFileError(Exception):
    """The file declares nothing that could be made; `problems` has a line for each fault."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class DeclaredUser(Body):
    """A user who is invited."""

    email: Email
    username: Username | None = None
    name: Name | None = None
    roles: RoleNames | None = None


class DeclarationFile(Body):
    """The whole file."""

    roles: list[CreateRole] = Field(default_factory=list)
    users: list[DeclaredUser] = Field(default_factory=list)

    @field_validator("roles")
    @classmethod
    def _each_role_once(cls, roles: list[CreateRole]) -> list[CreateRole]:
        _require_once(role.name for role in roles)
        return roles

    @field_validator("users")
    @classmethod
    def _each_user_once(cls, users: list[DeclaredUser]) -> list[DeclaredUser]:
        _require_once(comparable_email(user.email) for user in users)
        return users


def read(text: str) -> Declaration:
    """What the text of a file declares; raises WrongFileError with every fault."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if repeated := list(_repeated_keys(root)):
            raise WrongFileError(repeated)
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}: " if mark else ""
        raise WrongFileError([f"{place}this is not YAML ({error.problem})"]) from None
    except (yaml.YAMLError, ValueError, RecursionError):  # a character or a number that YAML does not know
        raise WrongFileError(["this is not YAML"]) from None
    try:
        found = DeclarationFile.model_validate({} if content is None else content)
    except ValidationError as error:
        problems = [_problem(root, detail) for detail in error.errors(include_url=False, include_input=False)]
    else:
        roles = tuple(map(_role, found.roles))
        users = (
            Invitee(user.email, user.username, user.name, None if user.roles is None else tuple(user.roles))
            for user in found.users
        )
        return Declaration(roles, tuple(users))
    raise WrongFileError(problems)


def _role(found: CreateRole) -> Role:
    required = found.require_second_factor if "require_second_factor" in found.model_fields_set else None
    return Role(found.name, tuple(found.permissions), found.description, require_second_factor=required)


def _require_once(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise wrong("repeated", "{name} is declared twice", name=name)
        seen.add(name)


def _problem(root: yaml.Node | None, detail: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    location = detail["loc"]
    message = "there is no such key" if detail["type"] == _UNKNOWN else detail["msg"]
    field = ".".join(map(str, location)) or "the file"
    return f"line {_line_of(root, location)}: {field}: {message}"


def _line_of(node: yaml.Node | None, location: Iterable[int | str]) -> int:
    """The line of a value, or of the nearest one around it that is there."""
    line = 1
    for step in location:
        if isinstance(node, yaml.MappingNode):
            pairs = {key.value: (key, value) for key, value in node.value}
            if step not in pairs:
                break
            key, node = pairs[step]
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _repeated_keys(node: yaml.Node | None) -> Iterator[str]:
    """A line for each key that a mapping has twice: YAML would take the last one."""
    if isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _repeated_keys(each)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                yield f"line {key.start_mark.line + 1}: {name} is there twice"
            seen.add(name)
            yield from _repeated_keys(value)
