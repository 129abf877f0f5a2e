"""The types of the settings: how the text of a variable becomes a value, and what is refused.

Every check takes a text and returns the value. The message of its ValueError follows the name of the setting, and
never repeats the text, which may be a secret.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

if TYPE_CHECKING:
    from collections.abc import Callable

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

HOW_TO_MAKE_ONE = 'python -c "import secrets; print(secrets.token_urlsafe(48))"'
"""The command that prints a good SECRET_KEY."""
SECRET_LENGTH = 32
"""The least number of characters in a secret."""
DISTINCT_CHARACTERS = 8
"""The least number of different characters in a secret: 32 random hexadecimal digits miss it once in 25 million."""
TEN_YEARS = 3650 * 24 * 60 * 60
"""The longest life, in seconds, so that a time in the future stays within the calendar."""
DEFAULT_MONGO_DATABASE = "latchkey"

_WELL_KNOWN_SECRETS = (
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",  # Flask's documentation
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",  # FastAPI's documentation
    "astringsecretatleast256bitslong",  # jwt.io
)
_PLACEHOLDERS = (
    *("changeme", "changethis", "replaceme", "replacethis", "placeholder", "donotuse", "insecure", "example"),
    *("secretkey", "yoursecret", "supersecret", "notasecret", "password", "abcdefgh", "12345678", "qwerty"),
    "tokenurlsafe",  # HOW_TO_MAKE_ONE pasted instead of what it prints
)
_HOST = re.compile(r"\.?[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_SWITCH = {
    "on": True,
    "true": True,
    "yes": True,
    "1": True,
    "off": False,
    "false": False,
    "no": False,
    "0": False,
}
_DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}


def switch(text: str) -> bool:
    """`on` or `off`; the other usual spellings are understood too."""
    try:
        return _SWITCH[text.strip().lower()]
    except KeyError:
        raise ValueError("has to be on or off") from None


def items(text: str) -> tuple[str, ...]:
    """The entries of a comma-separated list, white space around them trimmed."""
    entries = tuple(entry for part in text.split(",") if (entry := part.strip()))
    if not entries:
        raise ValueError("lists nothing; leave it out to get the default")
    return entries


def secret_items(secret: SecretStr) -> tuple[SecretStr, ...]:
    """The entries of a comma-separated list of secrets."""
    return tuple(SecretStr(entry) for entry in items(secret.get_secret_value()))


def bind_host(text: str) -> str:
    """A host name or an address to listen on, without a port."""
    if re.fullmatch(r"[A-Za-z0-9._-]+", text) or _is_ipv6(text):
        return text
    raise ValueError("has to be a host name or an address, without a port")


def allowed_host(text: str) -> str:
    """A host name that a request may have, `.example.com` or `*`: in lower case, without port and brackets."""
    host = text.lower().removesuffix(".")
    bare = host.removeprefix("[").removesuffix("]")
    if host == "*" or _HOST.fullmatch(host):
        return host
    if _is_ipv6(bare):
        return bare
    raise ValueError("has to be a host name without scheme, port and path; .example.com for subdomains, * for any")


def role(text: str) -> str:
    """The name of a role."""
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,63}", text):
        raise ValueError("has to begin with a lower-case letter and hold only lower-case letters, digits, _ and -")
    return text


def hook(text: str) -> str:
    """The place of a hook, `module:attribute`, or the name of an entry point."""
    if not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*|[A-Za-z0-9][\w.-]*", text, re.ASCII):
        raise ValueError("has to be module:attribute, or the name of an entry point")
    return text


def network(text: str) -> Network:
    """An address, or a network whose host bits are zero."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ValueError("has to be an address or a network without host bits") from None


def public_url(text: str) -> str:
    """An http(s) URL that other URLs are appended to: no trailing slash, no query, no fragment."""
    parts = split_url(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or not text.startswith(("http://", "https://")):
        raise ValueError("has to start with http:// or https:// and a host")
    if not text.isascii():
        raise ValueError("has to be ASCII; write an international domain in its xn-- form")
    if parts.username is not None or parts.password is not None:
        raise ValueError("has to come without user name and password")
    if "?" in text or "#" in text:
        raise ValueError("has to come without query and fragment")
    if text.endswith("/"):
        raise ValueError("has to end without a slash")
    check_port(parts)
    return text


def published_port(text: object) -> object:
    """The port on which Compose publishes a container, from PORT or ADDRESS:PORT."""
    return text.rpartition(":")[2] if isinstance(text, str) else text


def range_url(text: str) -> str:
    """The URL of a range service, to which prefixes of hashes are appended: https, or http to this machine itself."""
    parts = split_url(public_url(text))
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("has to start with https:// (http:// is for this machine only: localhost, 127.0.0.1, [::1])")
    return text


def otlp_endpoint(text: str) -> str:
    """The base URL of a collector: an http(s) URL, with or without a path; a slash at its end is dropped."""
    return public_url(text.rstrip("/"))


def mongo_uri(text: str) -> str:
    """A MongoDB URI that does not contradict what the service demands for writes and reads."""
    parts = split_url(text)
    if parts.scheme not in ("mongodb", "mongodb+srv") or not parts.netloc.rpartition("@")[2]:
        raise ValueError("has to start with mongodb:// or mongodb+srv:// and a host")
    for name, value in parse_qsl(parts.query.replace(";", "&"), keep_blank_values=True):
        match name.lower(), value.lower():
            case "w", concern if concern != "majority":
                raise ValueError("asks for another write concern than w=majority, which the service demands")
            case (("journal" | "j"), journal) if journal != "true":
                raise ValueError("turns the journal off, which the service demands: leave journal out")
            case "readconcernlevel", level if level not in ("local", "majority"):
                raise ValueError("asks for another read concern than the service needs: leave readConcernLevel out")
            case "readpreference", preference if preference != "primary":
                raise ValueError("reads from another member than the primary: leave readPreference out")
    return text


def mongo_database(text: str) -> str:
    """The database that a MongoDB URI names, or `latchkey`.

    It is not written into the URI, where it would also change the default of authSource.
    """
    return unquote(urlsplit(text).path.strip("/")) or DEFAULT_MONGO_DATABASE


def database_url(text: str) -> str:
    """An SQL URL for SQLAlchemy, with the installed driver instead of any that the text names."""
    scheme, _, rest = text.partition("://")
    driver = _DRIVERS.get(scheme.partition("+")[0].lower())
    if driver is None or not rest:
        raise ValueError("has to start with sqlite:///, postgresql:// or mysql://")
    if driver == "sqlite":
        path = rest.partition("?")[0]
        if not path.startswith("/") or path == "/" or ":memory:" in path:
            raise ValueError("has to name a file after sqlite:/// (the workers cannot share a database in memory)")
        return f"{driver}://{rest}"
    parts = split_url(f"{driver}://{rest}")
    if not parts.path.strip("/"):
        raise ValueError("has to end with the name of a database; percent-encode special characters of the password")
    if "," in parts.netloc:
        return _with_several_hosts(parts)
    check_port(parts)
    return f"{driver}://{rest}"


def _with_several_hosts(parts: SplitResult) -> str:
    """A URL of libpq with several hosts, `host1:5432,host2`, as SQLAlchemy reads it: each in a `host=` of its own."""
    if not parts.scheme.startswith("postgresql"):
        raise ValueError("names several hosts, but the driver takes one: name an address that leads to the primary")
    user, at, places = parts.netloc.rpartition("@")
    query = "&".join(
        [*(f"host={quote(place, safe=':[]')}" for place in places.split(",")), *filter(None, [parts.query])]
    )
    return parts._replace(netloc=f"{user}{at}", query=query).geturl()


def redis_url(text: str) -> str:
    """A Redis URL."""
    parts = split_url(text)
    if not ((parts.scheme in ("redis", "rediss") and parts.hostname) or (parts.scheme == "unix" and parts.path)):
        raise ValueError("has to start with redis:// or rediss:// and a host, or with unix:// and a path")
    check_port(parts)
    return text


def secret_key(text: str) -> str:
    """A secret that nobody can guess: long enough, without repetition, and not from any manual."""
    plain = re.sub("[^a-z0-9]", "", text.lower())
    if len(text) < SECRET_LENGTH:
        wrong = f"is shorter than {SECRET_LENGTH} characters"
    elif "," in text:
        wrong = "holds a comma, which separates the entries of SECRET_KEY_FALLBACKS"
    elif len(set(text)) < DISTINCT_CHARACTERS or _is_repeated(text):
        wrong = "repeats itself"
    elif plain in _WELL_KNOWN_SECRETS or any(word in plain for word in _PLACEHOLDERS):
        wrong = "is a well-known one or a placeholder"
    else:
        return text
    raise ValueError(f"{wrong}; make one with: {HOW_TO_MAKE_ONE}")


def _is_repeated(text: str) -> bool:
    """Whether the text is one piece, repeated; the last repetition may be incomplete."""
    return any(text.startswith(text[length:]) for length in range(1, len(text) // 2 + 1))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def split_url(text: str) -> SplitResult:
    """Take a URL apart; the parser's own messages are dropped, since they quote the URL with its password."""
    if not text.isprintable() or " " in text:
        raise ValueError("has to come without spaces and control characters")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.netloc.count("@") > 1 or "@" in parts.path:
        raise ValueError("has to percent-encode special characters of user name and password (@ as %40, / as %2F)")
    return parts


def check_port(parts: SplitResult) -> None:
    """Refuse a URL with an impossible port."""
    if "," in parts.netloc:  # several hosts: the driver reads them
        return
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("has to name a port from 0 to 65535, or none") from None


def inside(check: Callable[[str], str]) -> AfterValidator:
    """The check of a text, applied to the content of a secret."""

    def checked(secret: SecretStr) -> SecretStr:
        return SecretStr(check(secret.get_secret_value()))

    return AfterValidator(checked)


Seconds = Annotated[int, Field(ge=1, le=TEN_YEARS)]
SecondsOrZero = Annotated[int, Field(ge=0, le=TEN_YEARS)]
Switch = Annotated[bool, BeforeValidator(switch)]
BindHost = Annotated[str, AfterValidator(bind_host)]
AllowedHosts = Annotated[tuple[Annotated[str, AfterValidator(allowed_host)], ...], BeforeValidator(items)]
Networks = Annotated[tuple[Annotated[Network, BeforeValidator(network)], ...], BeforeValidator(items)]
Roles = Annotated[tuple[Annotated[str, AfterValidator(role)], ...], BeforeValidator(items)]
Hooks = Annotated[tuple[Annotated[str, AfterValidator(hook)], ...], BeforeValidator(items)]
PublishedPort = Annotated[int, BeforeValidator(published_port), Field(ge=0, le=65535)]
PublicUrl = Annotated[str, AfterValidator(public_url)]
OtlpEndpoint = Annotated[str, AfterValidator(otlp_endpoint)]
RangeUrl = Annotated[str, AfterValidator(range_url)]
MongoUri = Annotated[SecretStr, inside(mongo_uri)]
DatabaseUrl = Annotated[SecretStr, inside(database_url)]
RedisUrl = Annotated[SecretStr, inside(redis_url)]
SecretKey = Annotated[SecretStr, inside(secret_key)]
SecretKeys = Annotated[tuple[SecretKey, ...], BeforeValidator(secret_items)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(str.lower)]
