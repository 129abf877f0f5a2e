"""The sections about accounts: tokens, passwords, and who may do what. `surroundings.py` has those about the
environment of the service. Together they define every setting once: its name, type, default, meaning and example.

To add one, write a field in either file and run `python -m app.config.documentation`, which renews `.env.example` and
`docs/configuration.md`; a test checks both against the definitions.
"""

import os
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import SecretStr, ValidationInfo, field_validator

from app.config import mail_values, values
from app.config.section import Section, profile_rules, setting

DAY = 24 * 60 * 60
Algorithm: TypeAlias = Literal["ES256", "HS256", "EdDSA", "RS256"]


def jwt_algorithm() -> Any:  # noqa: ANN401 - a field, as `setting` makes it
    """The setting JWT_ALGORITHM, which two sections read."""
    return setting(
        "JWT_ALGORITHM",
        "ES256",
        "The algorithm of new signing keys. HS256 derives its key from SECRET_KEY and publishes none.",
        example="EdDSA",
    )


class Tokens(Section):
    """Secrets, and the tokens made with them. Lives are in seconds."""

    secret_key: values.SecretKey | None = setting(
        "SECRET_KEY",
        None,
        "The root of every key: 32 random characters or more, without a comma.\n"
        f"Make one with `{values.HOW_TO_MAKE_ONE}`.",
        default_text="none; development and testing make one in instance/secret_key",
        secret=True,
        validate_default=True,
    )
    secret_key_fallbacks: values.SecretKeys = setting(
        "SECRET_KEY_FALLBACKS",
        (),
        "Former values of SECRET_KEY, separated by commas. They are only used to read what they protect already.",
        default_text="none",
        secret=True,
    )
    jwt_algorithm: Algorithm = jwt_algorithm()
    jwt_audience: str = setting(
        "JWT_AUDIENCE",
        lambda fields: fields["public_url"],
        "The audience (`aud`) of access tokens.",
        example="https://api.example.com",
        default_text="PUBLIC_URL",
    )
    access_token_seconds: values.Seconds = setting(
        "ACCESS_TOKEN_SECONDS",
        900,
        "How long an access token lives at most. Each lives up to 5 % less, so that clients do not refresh in step.",
        example="300",
    )
    refresh_idle_seconds: values.Seconds = setting(
        "REFRESH_IDLE_SECONDS", 30 * DAY, "How long a session lives without being refreshed.", example="604800"
    )
    refresh_absolute_seconds: values.Seconds = setting(
        "REFRESH_ABSOLUTE_SECONDS",
        90 * DAY,
        "How long a session lives at most, even when it is refreshed; not less than REFRESH_IDLE_SECONDS.",
        example="2592000",
        validate_default=True,
    )
    refresh_grace_seconds: values.SecondsOrZero = setting(
        "REFRESH_GRACE_SECONDS",
        30,
        "How long an exchanged refresh token still gives the same new one again.",
        example="10",
    )

    sessions_per_user: int = setting(
        "SESSIONS_PER_USER",
        50,
        "How many sessions a user may have. One more login ends the least recently used session.",
        example="10",
        ge=1,
        le=1000,
    )

    api_key_days: int = setting(
        "API_KEY_DAYS",
        90,
        "How many days an API key lives if its owner does not say.",
        example="30",
        ge=1,
        le=3650,
    )
    api_key_max_days: int = setting(
        "API_KEY_MAX_DAYS",
        365,
        "How many days an API key may live; not less than API_KEY_DAYS.",
        example="90",
        ge=1,
        le=3650,
        validate_default=True,
    )
    api_keys_per_user: int = setting(
        "API_KEYS_PER_USER",
        50,
        "How many API keys a user, or a service account, may have.",
        example="10",
        ge=1,
        le=1000,
    )

    @field_validator("secret_key")
    @classmethod
    def _secret_key_required(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        rules = profile_rules(info)
        if key is None and rules and rules.secret_key_required:
            raise ValueError(
                f"is not set, and {info.data['profile']} needs it; set SECRET_KEY=<random text>, made by:"
                f" {values.HOW_TO_MAKE_ONE}"
            )
        return key

    @field_validator("api_key_max_days")
    @classmethod
    def _not_less_than_usual(cls, days: int, info: ValidationInfo) -> int:
        if days < info.data.get("api_key_days", 0):
            raise ValueError("has to be at least API_KEY_DAYS")
        return days

    @field_validator("refresh_absolute_seconds")
    @classmethod
    def _not_less_than_idle(cls, seconds: int, info: ValidationInfo) -> int:
        if seconds < info.data.get("refresh_idle_seconds", 0):
            raise ValueError("has to be at least REFRESH_IDLE_SECONDS")
        return seconds


class Passwords(Section):
    """Passwords, and the threads that hash them."""

    min_length: int = setting(
        "PASSWORD_MIN_LENGTH",
        10,
        "The least number of characters in a new password.",
        example="15",
        ge=8,
        le=128,
    )
    breach_check: values.RangeUrl | None = setting(
        "PASSWORD_BREACH_CHECK",
        None,
        "A range service with the API of Pwned Passwords, where new passwords are looked up: https, or http to this"
        " machine. It receives 5 digits of a hash. If it does not answer within a second, the password is accepted.",
        example="https://passwords.example.com/range",
        default_text="none; passwords are not looked up",
    )
    breach_file: Path | None = setting(
        "BREACHED_PASSWORDS_FILE",
        None,
        "A file of breached passwords, made by `flask passwords load`, where new passwords are looked up without a"
        " network, and passwords that logged in, too. Instead of PASSWORD_BREACH_CHECK.",
        example="/var/lib/latchkey/breached_passwords",
        default_text="none",
    )
    scheme: Literal["bcrypt", "argon2id"] = setting(
        "PASSWORD_HASH",
        "bcrypt",
        "The scheme of new hashes. Hashes of the other scheme still verify, and are upgraded at login.",
        example="argon2id",
    )
    bcrypt_cost: int = setting(
        "BCRYPT_COST",
        12,
        "The cost of bcrypt. Each step doubles the time. At least 12 in production.",
        example="13",
        ge=4,
        le=17,
    )
    hash_threads: int = setting(
        "HASH_THREADS",
        lambda fields: max(1, _cores() // fields["web_concurrency"]),
        "How many threads in each worker hash passwords.",
        example="2",
        default_text="cores / WEB_CONCURRENCY, at least 1",
        ge=1,
    )
    hash_queue: int = setting(
        "HASH_QUEUE",
        48,
        "How many passwords may wait for a thread in each worker. Further requests get 503.",
        example="24",
        ge=1,
    )
    hash_deadline_seconds: int = setting(
        "HASH_DEADLINE_SECONDS",
        15,
        "How long a password may wait for a thread before its request gets 503.",
        example="10",
        ge=1,
    )

    @field_validator("breach_file")
    @classmethod
    def _one_of_both(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is not None and info.data.get("breach_check") is not None:
            raise ValueError("cannot be set together with PASSWORD_BREACH_CHECK: drop one of them")
        return file

    @field_validator("bcrypt_cost")
    @classmethod
    def _high_enough(cls, cost: int, info: ValidationInfo) -> int:
        rules = profile_rules(info)
        if rules and cost < rules.bcrypt_cost_at_least:
            raise ValueError(
                f"has to be at least {rules.bcrypt_cost_at_least} when FLASK_ENV is {info.data['profile']}"
            )
        return cost


class Accounts(Section):
    """Who may register, and who sees whom."""

    registration_requires: Literal["either", "email", "username", "both"] = setting(
        "REGISTRATION_REQUIRES", "either", "The names that a registration has to include.", example="email"
    )
    default_roles: values.Roles = setting(
        "DEFAULT_ROLES", ("member",), "The roles of new users, separated by commas.", example="member,student"
    )
    hide_accounts: values.Switch = setting(
        "HIDE_ACCOUNTS",
        False,  # noqa: FBT003 - the default of the field
        "Hide which addresses have an account. The outcome of a registration is sent only by mail, only"
        " administrators can list users, and user names cannot be changed. Needs mail.",
        example="on",
    )
    require_verified_email: values.Switch = setting(
        "REQUIRE_VERIFIED_EMAIL",
        False,  # noqa: FBT003 - the default of the field
        "Require a verified e-mail address for a login, and so an address at registration. Needs mail.",
        example="on",
    )
    user_directory: Literal["members", "admins"] = setting(
        "USER_DIRECTORY",
        lambda fields: "admins" if fields["hide_accounts"] else "members",
        "Who may list the users.",
        example="admins",
        default_text="members; with HIDE_ACCOUNTS always admins",
        validate_default=True,
    )
    reauth_seconds: values.Seconds = setting(
        "REAUTH_SECONDS",
        600,
        "How long after a login users can use the export or change their user name without another login.",
        example="300",
    )
    require_second_factor: Literal["off", "admins", "all"] = setting(
        "REQUIRE_SECOND_FACTOR",
        "off",
        "Who needs a second factor: `admins` are those with the role `admin`, `all` is everybody. Who has none adds one"
        " at their next login. Roles can ask for it, too (`require_second_factor` in `/admin/roles`).",
        example="admins",
    )
    factor_trust_days: int = setting(
        "FACTOR_TRUST_DAYS",
        0,
        "How many days a device can stand for the second factor, if its user says so at a login (`trust_device`). 0 is"
        " never.",
        example="30",
        ge=0,
        le=90,  # as long as a session lasts without a login, by default
    )
    login_by_mail: values.Switch = setting(
        "LOGIN_BY_MAIL",
        False,  # noqa: FBT003 - the default of the field
        "Let users log in with a code or a link that is mailed to their verified address. Needs mail.",
        example="on",
    )
    impersonation: values.Switch = setting(
        "IMPERSONATION",
        False,  # noqa: FBT003 - the default of the field
        "Let administrators with the permission `users:impersonate` act for a user for 15 minutes. The user is told.",
        example="on",
    )
    factor_recovery_hours: int = setting(
        "FACTOR_RECOVERY_HOURS",
        0,
        "How many hours after they asked for it users who lost their second factors can log in without them. They are"
        " warned by mail, and can cancel it until then. 0 turns this off. Needs mail.",
        example="72",
        ge=0,
        le=720,
    )
    audit_days: int = setting("AUDIT_DAYS", 365, "How many days audit events are kept.", example="90", ge=1, le=3650)

    bootstrap_admin_email: mail_values.PersonalAddress | None = setting(
        "BOOTSTRAP_ADMIN_EMAIL",
        None,
        "The e-mail address of the first administrator. If there is no administrator yet, a start invites this one, and"
        " writes the link with which they set their password to BOOTSTRAP_LINK_FILE. An account that exists is not"
        " touched.",
        example="ann@example.com",
        default_text="none",
    )
    bootstrap_link_file: Path = setting(
        "BOOTSTRAP_LINK_FILE",
        Path("instance/bootstrap_link"),
        "The file for that link, which works once, for seven days. Only the user who runs the service can read it.",
        example="/run/latchkey/bootstrap_link",
    )

    @field_validator("user_directory")
    @classmethod
    def _hidden(cls, visible_to: str, info: ValidationInfo) -> str:
        if visible_to == "members" and info.data.get("hide_accounts"):
            raise ValueError("has to be admins when HIDE_ACCOUNTS is on")
        return visible_to

    @property
    def names_required(self) -> Literal["either", "email", "username", "both"]:
        """The names that a registration has to include; always an address if it has to be verified."""
        if not (self.hide_accounts or self.require_verified_email):
            return self.registration_requires
        return "email" if self.registration_requires in {"either", "email"} else "both"


def _cores() -> int:
    """The processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
