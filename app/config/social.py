"""The section about upstream providers: with whose accounts users can log in."""

from pathlib import Path

from app.config import values
from app.config.section import Section, setting


class Social(Section):
    """With which accounts of other services users can log in (docs/social-login.md)."""

    providers_file: Path | None = setting(
        "PROVIDERS_FILE",
        None,
        "A YAML file that lists the providers with whose accounts users can log in: any OpenID provider, Google,"
        " GitHub, Microsoft, Apple.",
        example="/etc/latchkey/providers.yaml",
        default_text="none",
    )
    trust_upstream_mfa: values.Switch = setting(
        "TRUST_UPSTREAM_MFA",
        False,  # noqa: FBT003 - the default of the field
        "Ask for no second factor if the provider says that its user gave two (`mfa` in `amr` of its ID token).",
        example="on",
    )
