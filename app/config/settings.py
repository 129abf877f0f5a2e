"""All settings together, and the list of them that the documentation is made from."""

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from app.config.browsers import Browsers
from app.config.oauth import OAuth
from app.config.passkeys import Passkeys
from app.config.profiles import Profile
from app.config.rate_limits import RateLimits
from app.config.section import Section, name_of
from app.config.sections import Accounts, Passwords, Tokens
from app.config.social import Social
from app.config.surroundings import Egress, Hooks, Logging, Mail, Monitoring, Server, Store, Transfer


class Settings(BaseModel):
    """All settings, in sections; made by `app.config.load`."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    server: Server
    browsers: Browsers
    passkeys: Passkeys
    limits: RateLimits
    store: Store
    tokens: Tokens
    passwords: Passwords
    accounts: Accounts
    social: Social
    oauth: OAuth
    mail: Mail
    egress: Egress
    hooks: Hooks
    transfer: Transfer
    logging: Logging
    monitoring: Monitoring

    @property
    def profile(self) -> Profile:
        """The profile, FLASK_ENV."""
        return self.server.profile


def sections() -> dict[str, type[Section]]:
    """The sections by their attributes of Settings."""
    found: dict[str, type[Section]] = {}
    for attribute, field in Settings.model_fields.items():
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, Section)):
            raise TypeError(f"Settings.{attribute} is not a section")
        found[attribute] = field.annotation
    return found


def definitions() -> dict[str, dict[str, FieldInfo]]:
    """The settings of each section by name; a setting that several sections read is listed in the first one only."""
    seen: set[str] = set()
    found: dict[str, dict[str, FieldInfo]] = {}
    for attribute, section in sections().items():
        fields = {name_of(field): field for field in section.model_fields.values()}
        found[attribute] = {name: field for name, field in fields.items() if name not in seen}
        seen |= fields.keys()
    return found
