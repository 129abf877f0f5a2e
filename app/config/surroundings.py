"""The sections about the environment of the service: its addresses, the store, the mail server and the log.

`sections.py` has the others and explains how to add a setting.
"""

from email.headerregistry import Address
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationInfo, field_validator

from app.config import egress_values, former_values, mail_values, values
from app.config.profiles import EMBEDDED_DATABASE, PROFILES, LogFormat
from app.config.section import Section, example_of, profile_rules, setting


class Server(Section):
    """Addresses, proxies and limits of the HTTP server."""

    host: values.BindHost = setting(
        "HOST",
        "127.0.0.1",
        "The address to listen on; 0.0.0.0 means all of them (the container image sets it).",
        example="0.0.0.0",  # noqa: S104 - an example, not the default
    )
    allowed_hosts: values.AllowedHosts = setting(
        "ALLOWED_HOSTS",
        lambda fields: PROFILES[fields["profile"]].allowed_hosts or _names_of(fields["public_url"]),
        "The host names that requests may have, separated by commas, without port: `.example.com` is that"
        " name and its subdomains, `*` any name.",
        example="auth.example.com,.internal.example.com",
        default_text="the host of PUBLIC_URL, for localhost also 127.0.0.1 and [::1]; * in development and testing",
    )
    trusted_proxies: values.Networks = setting(
        "TRUSTED_PROXIES",
        (),
        "The proxies whose forwarding headers are trusted: addresses and networks, separated by commas.",
        example="172.16.0.0/12,192.0.2.7",
        default_text="none",
    )
    max_body_bytes: int = setting(
        "MAX_BODY_BYTES", 65536, "The largest body of a request, in bytes.", example="131072", ge=1
    )
    rate_limits: values.Switch = setting(
        "RATE_LIMITS",
        True,  # noqa: FBT003 - the default of the field
        "Rate limits and the login throttle. Turn them off for load tests only; production refuses that.",
        example="on",
    )
    stuffing_pairs: int = setting(
        "STUFFING_PAIRS",
        1000,
        "How many distinct pairs of account and client address have to fail to log in within 10 minutes before unknown"
        " devices wait from the second failure on. Set it above what fails on a busy day.",
        example="5000",
        ge=1,
    )
    samples: values.Switch = setting(
        "SAMPLES",
        True,  # noqa: FBT003 - the default of the field
        "The sample endpoints, products and the count of visits, which show how an application builds on the service.",
        example="off",
    )

    @property
    def public_url_is_set(self) -> bool:
        """Whether PUBLIC_URL was set, rather than guessed from PORT."""
        return "public_url" in self.model_fields_set

    @property
    def bind(self) -> str:
        """Host and port as gunicorn's `bind` takes them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @field_validator("rate_limits")
    @classmethod
    def _stay_on_in_production(cls, on: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - called by pydantic
        rules = profile_rules(info)
        if rules and rules.rate_limits_required and not on:
            raise ValueError(f"cannot be off when FLASK_ENV is {info.data['profile']}")
        return on


class Store(Section):
    """Where accounts and sessions are kept."""

    mongo_uri: values.MongoUri | None = setting(
        "MONGO_URI",
        None,
        "MongoDB. If the URI names no database, it is `latchkey`. A majority of the members acknowledges each write in"
        " its journal, and reads go to the primary. If the URI demands something else, the service does not start.",
        example="mongodb://localhost:27017/latchkey",
        default_text="none",
        secret=True,
    )
    database_url: values.DatabaseUrl | None = setting(
        "DATABASE_URL",
        None,
        "SQLite, PostgreSQL, MySQL or MariaDB, instead of MONGO_URI. The drivers are always psycopg and pymysql,"
        " whatever the URL names.",
        example="postgresql://latchkey@localhost:5432/latchkey",
        default_text=f"none; {EMBEDDED_DATABASE} in development and testing when MONGO_URI is not set",
        secret=True,
        validate_default=True,
    )
    redis_url: values.RedisUrl | None = setting(
        "REDIS_URL",
        None,
        "Redis, for counters that several instances share.",
        example="redis://localhost:6379/0",
        default_text="none",
        secret=True,
    )

    @property
    def mongo_database(self) -> str:
        """The name of the database on MongoDB."""
        return values.mongo_database(self.mongo_uri.get_secret_value() if self.mongo_uri else "")

    @field_validator("database_url", mode="before")
    @classmethod
    def _one_store(cls, url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        # A MONGO_URI that was refused is not in the data, but it was given.
        mongo_is_given = info.data.get("mongo_uri", True) is not None
        if url and mongo_is_given:
            raise ValueError("MONGO_URI and DATABASE_URL are both set; keep one of the two")
        rules = profile_rules(info)
        if url or mongo_is_given or not rules:
            return url
        if rules.database_url is None:
            raise ValueError(
                f"neither it nor MONGO_URI is set, and {info.data['profile']} needs one of them; set"
                f" MONGO_URI={example_of(cls.model_fields['mongo_uri'])}"
                f" or DATABASE_URL={example_of(cls.model_fields['database_url'])}"
            )
        return SecretStr(rules.database_url)


class Mail(Section):
    """How mail is sent, and how it looks."""

    smtp_url: mail_values.SmtpUrl | None = setting(
        "SMTP_URL",
        None,
        "The mail server: smtp:// requires STARTTLS, smtps:// uses TLS from the start; `?tls=off` is for a relay in the"
        " same network, `?ca=FILE` for a private certificate authority. Percent-encode special characters of user and"
        " password. Without this setting, no mail is sent.",
        example="smtp://user:password@smtp.example.com:587",
        default_text="none",
        secret=True,
    )
    mail_from: mail_values.MailAddress = setting(
        "MAIL_FROM",
        lambda fields: f"no-reply@{mail_values.domain_of(fields['public_url'])}",
        "The sender address of mails.",
        example="accounts@example.com",
        default_text="no-reply@ followed by the host of PUBLIC_URL",
    )
    product_name: mail_values.ProductName = setting(
        "PRODUCT_NAME",
        "Latchkey",
        "The name of the service in mails and on pages. 1 to 60 characters.",
        example="'Example Accounts'",
    )
    product_color: mail_values.HexColor = setting(
        "PRODUCT_COLOR", "#0a5bd3", "The colour of buttons in mails and on pages.", example="'#7a1f5c'"
    )
    folder: Path = setting(
        "MAIL_DIR",
        Path("instance/mail"),
        "The Maildir in which development and testing keep the newest 200 mails. Production keeps none.",
        example="mails",
    )

    @property
    def sender(self) -> Address:
        """The sender of mails: the name of the product and the address."""
        user, _, domain = self.mail_from.rpartition("@")
        return Address(self.product_name, user, domain)


class Egress(Section):
    """Requests of this service to addresses that others name."""

    allow: egress_values.Destinations = setting(
        "EGRESS_ALLOW",
        (),
        "Where requests to addresses that others name (webhooks, for example) may go beside public addresses: addresses"
        " and networks, separated by commas, each with an optional port. Only there plain http is allowed.",
        example="127.0.0.1:9000,10.1.0.0/16,[fd00::1]:8443",
        default_text="none; only https to public addresses",
    )


class Hooks(Section):
    """Code of yours that adds claims, refuses registrations, or learns of events: see hooks.md."""

    names: values.Hooks = setting(
        "HOOKS",
        (),
        "The hooks, separated by commas: each as `module:attribute`, or by the name of an entry point in the group"
        " `latchkey.hooks` of an installed package. Nothing is loaded that is not listed.",
        example="company_hooks:CompanyHooks",
        default_text="none",
    )
    seconds: int = setting(
        "HOOK_SECONDS",
        2,
        "How long a hook may take. Then its request gets 503, or the event is given up.",
        example="1",
        ge=1,
        le=5,
    )


class Transfer(Section):
    """The system that users move here from with their first login (docs/moving-in.md)."""

    legacy_login_url: former_values.LoginUrl | None = setting(
        "LEGACY_LOGIN_URL",
        None,
        "What is asked at the login of a name without an account: an endpoint of the former system, which says whether"
        " it knows the user by this password. https, or http to an address of EGRESS_ALLOW. Needs"
        " LEGACY_LOGIN_SECRET.",
        example="https://old.example.com/check-login",
        default_text="none; nobody is asked",
    )
    legacy_login_secret: former_values.SigningSecret | None = setting(
        "LEGACY_LOGIN_SECRET",
        None,
        "The secret that signs these requests by Standard Webhooks: whsec_ and 24 to 64 bytes in base64.\n"
        f"Make one with `{former_values.HOW_TO_MAKE_ONE}`.",
        default_text="none",
        secret=True,
        validate_default=True,
    )

    @field_validator("legacy_login_secret")
    @classmethod
    def _required(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if secret is None and info.data.get("legacy_login_url") is not None:
            raise ValueError(
                f"is not set, and LEGACY_LOGIN_URL needs it; make one with: {former_values.HOW_TO_MAKE_ONE}"
            )
        return secret


class Logging(Section):
    """What is logged, how and where."""

    level: values.LogLevel = setting("LOG_LEVEL", "info", "The lowest severity that is logged.", example="debug")
    format: LogFormat = setting(
        "LOG_FORMAT",
        lambda fields: PROFILES[fields["profile"]].log_format,
        "One JSON object per line, or lines for people.",
        example="console",
        default_text="json; console in development",
    )
    file: Path | None = setting(
        "LOG_FILE",
        None,
        "The file to log to. A new file gets the mode 0640. Lines that cannot be written are lost.",
        example="latchkey.log",
        default_text="standard error",
    )


class Monitoring(Section):
    """Who may read the metrics, and where traces go."""

    metrics_allow: values.Networks = setting(
        "METRICS_ALLOW",
        (),
        "Who may read `/metrics`: addresses and networks, separated by commas. Requests through a proxy are always"
        " refused.",
        example="127.0.0.1,10.231.78.0/28",
        default_text="nobody; nothing is measured",
    )
    otlp_endpoint: values.OtlpEndpoint | None = setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        None,
        "The collector for OpenTelemetry traces, by OTLP over HTTP; spans go to `/v1/traces` below it.",
        example="http://localhost:4318",
        default_text="none; nothing is traced",
    )


def _names_of(public_url: str) -> tuple[str, ...]:
    """The host of PUBLIC_URL; if that is this machine, all names of this machine (RFC 6761 section 6.3)."""
    host = urlsplit(public_url).hostname or ""
    loopback = ("localhost", "127.0.0.1", "::1")
    return loopback if host in loopback else (host,)
