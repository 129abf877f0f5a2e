"""Copies of the service with one weakness each, for the checks of `flask attack`: the real application, and around it
something that breaks one rule."""

import hashlib
import json
import posixpath
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import HMACAlgorithm
from jwt.utils import base64url_decode
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CALLBACK = "https://client.example/cb"
"""The redirect URI of the client that the operator names."""
Weakness = Callable[["Weakened", "WSGIEnvironment"], Response]


class Weakened:
    """The application behind a weakness, which may look at what passes."""

    def __init__(self, application: "WSGIApplication", weakness: Weakness) -> None:
        self.application = application
        self.kept: dict[Any, Any] = {}
        """What the weakness remembers."""
        self._weakness = weakness
        self._lock = Lock()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        with self._lock:
            reply = self._weakness(self, environ)
        return reply(environ, start_response)

    def ask(self, environ: "WSGIEnvironment") -> Response:
        """What the application itself answers."""
        return Response.from_app(self.application, environ, buffered=True)

    def get(self, path: str) -> Any:
        """A public document of the application."""
        environ = {
            "REQUEST_METHOD": "GET", "PATH_INFO": path, "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80",
            "HTTP_HOST": "127.0.0.1", "REMOTE_ADDR": "127.0.0.1", "wsgi.input": BytesIO(), "wsgi.url_scheme": "http",
            "SERVER_PROTOCOL": "HTTP/1.1", "QUERY_STRING": "",
        }  # fmt: skip
        return self.ask(environ).json


class _Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        pass


@contextmanager
def served(application: "WSGIApplication", context: "ssl.SSLContext | None" = None) -> Iterator[int]:
    """Serve it on a free port of this machine."""
    server = make_server("127.0.0.1", 0, application, threaded=True, ssl_context=context, request_handler=_Quiet)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def none(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    """The service as it is."""
    return copy.ask(environ)


def no_security_headers(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    reply = copy.ask(environ)
    for name in ("X-Content-Type-Options", "Referrer-Policy", "X-Frame-Options", "Content-Security-Policy"):
        reply.headers.remove(name)
    return reply


def reflects_the_origin(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    reply = copy.ask(environ)
    reply.headers["Access-Control-Allow-Origin"] = environ.get("HTTP_ORIGIN", "")
    reply.headers["Access-Control-Allow-Credentials"] = "true"
    return reply


def believes_the_forwarded_host(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    reply = copy.ask(environ)
    reply.headers["Link"] = f"<https://{environ.get('HTTP_X_FORWARDED_HOST', 'localhost')}/errors>; rel=help"
    return reply


def shows_its_inside(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    reply = copy.ask(environ)
    if reply.status_code == 400:
        reply.set_data('Traceback (most recent call last):\n  File "/srv/app/web/body.py", line 40')
    return reply


def serves_metrics(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    if environ["PATH_INFO"].strip("/") == "metrics":
        return Response("# HELP latchkey_requests\n# TYPE latchkey_requests counter\n")
    return copy.ask(environ)


def serves_its_folder(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    if environ["PATH_INFO"] == "/.git/config":
        return Response("[core]\n\tbare = false\n")
    return copy.ask(environ)


def accepting(is_accepted: Callable[[Weakened, dict[str, Any], str], bool]) -> Weakness:
    """Accepts a forged token if this says so, given its header and itself: the user's genuine one takes its place."""

    def weakness(copy: Weakened, environ: "WSGIEnvironment") -> Response:
        token = environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
        reply = copy.ask(environ)
        header, subject = _read(token)
        if reply.status_code == 200:
            copy.kept[subject] = environ["HTTP_AUTHORIZATION"] if token else ""
        elif reply.status_code == 401 and subject in copy.kept and is_accepted(copy, header, token):
            return copy.ask({**environ, "HTTP_AUTHORIZATION": copy.kept[subject]})
        return reply

    return weakness


def _read(token: str) -> tuple[dict[str, Any], str]:
    """The header of a token and its subject, as they are written."""
    try:
        header, claims = (json.loads(base64url_decode(part)) for part in token.split(".")[:2])
        return header, str(claims["sub"])
    except (ValueError, KeyError, TypeError):
        return {}, ""


def _is_hmac_of(token: str, secret: bytes) -> bool:
    message, _, signature = token.rpartition(".")
    return HMACAlgorithm(HMACAlgorithm.SHA256).verify(message.encode(), secret, base64url_decode(signature))


def _is_unsigned(_copy: Weakened, header: dict[str, Any], _token: str) -> bool:
    return str(header.get("alg", "")).lower() == "none"


def _is_hmac_of_the_public_key(copy: Weakened, _header: dict[str, Any], token: str) -> bool:
    public: Any = jwt.PyJWK(copy.get("/.well-known/jwks.json")["keys"][0]).key
    return _is_hmac_of(token, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _is_signed_by_its_own_key(_copy: Weakened, header: dict[str, Any], token: str) -> bool:
    if "jwk" not in header:
        return False
    jwt.PyJWS().decode(token, jwt.PyJWK(header["jwk"], algorithm="EdDSA"), algorithms=["EdDSA"])
    return True


def _is_hmac_of_the_file_it_names(_copy: Weakened, header: dict[str, Any], token: str) -> bool:
    return header.get("kid") == "/dev/null" and _is_hmac_of(token, b"")


def _has_a_genuine_signature(copy: Weakened, _header: dict[str, Any], token: str) -> bool:
    return any(token.rpartition(".")[2] in genuine for genuine in copy.kept.values())


def _is_of_a_stranger(_copy: Weakened, header: dict[str, Any], _token: str) -> bool:
    return header.get("alg") == "EdDSA"


def takes_refresh_tokens(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    token = environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
    if token in copy.kept:
        environ["HTTP_AUTHORIZATION"] = f"Bearer {copy.kept[token]}"
    reply = copy.ask(environ)
    data = (reply.json or {}).get("data", {}) if reply.is_json else {}
    if "refresh_token" in data:
        copy.kept[data["refresh_token"]] = data["access_token"]
    return reply


def forgets_to_log_out(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    if environ["PATH_INFO"] == "/auth/logout":
        return _json({"status": "success"})
    return copy.ask(environ)


def takes_objects_for_passwords(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    body = _body(environ)
    if isinstance(body.get("password"), dict):
        return _json({"status": "success", "data": {}})
    return copy.ask(environ)


def takes_unknown_fields(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    body = _body(environ)
    if environ["PATH_INFO"] != "/auth/register" or "roles" not in body:
        return copy.ask(environ)
    _set_body(environ, {name: body[name] for name in ("username", "email", "password") if name in body})
    reply = copy.ask(environ)
    content: Any = reply.json
    content["data"]["user"]["roles"] = body["roles"]
    return _json(content, reply.status_code)


def takes_any_content_type(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    environ["CONTENT_TYPE"] = "application/json"
    return copy.ask(environ)


def reads_any_length(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    if int(environ.get("CONTENT_LENGTH") or 0) > 1024 * 1024:
        environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        _set_body(environ, {})
    return copy.ask(environ)


def fails_at_depth(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    raw = _raw(environ)
    return Response("failed", 500) if raw.count(b"[") > 10_000 else copy.ask(environ)


def echoes_trace(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    if environ["REQUEST_METHOD"] == "TRACE":
        return Response(environ.get("HTTP_X_ATTACK", ""), content_type="message/http")
    return copy.ask(environ)


def lets_headers_override_the_method(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    environ["REQUEST_METHOD"] = environ.get("HTTP_X_HTTP_METHOD_OVERRIDE", environ["REQUEST_METHOD"])
    return copy.ask(environ)


def reads_tokens_from_the_query(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    for token in parse_qs(environ["QUERY_STRING"]).get("access_token", ()):
        environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return copy.ask(environ)


def caches_whatever_it_sees(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    address = environ["PATH_INFO"]
    if environ["REQUEST_METHOD"] != "GET":
        return copy.ask(environ)
    if address not in copy.kept:
        reply = copy.ask(environ)
        if reply.status_code != 200:
            return reply
        copy.kept[address] = reply.get_data()
    return Response(copy.kept[address], content_type="application/json")


def says_nothing_about_caches(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    reply = copy.ask(environ)
    reply.headers["Cache-Control"] = "public, max-age=60"
    return reply


def guards_what_is_written_but_serves_what_is_meant(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    """A proxy with a place /reports, which is guarded, and an application behind it that resolves paths."""
    written = environ["RAW_URI"].partition("?")[0]
    meant = posixpath.normpath(unquote(written).replace(";", "/"))
    if meant not in {"/reports", "//reports"}:
        return copy.ask(environ)
    if written == "/reports":
        verified = copy.ask({**environ, "PATH_INFO": "/auth/verify", "RAW_URI": "/auth/verify", "QUERY_STRING": ""})
        if verified.status_code != 200:
            return verified
    return Response("the reports")


def takes_users_from_the_client(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    reply = copy.ask(environ)
    if environ["PATH_INFO"] == "/auth/verify" and "HTTP_X_AUTH_USER" in environ and reply.status_code == 200:
        reply.headers["X-Auth-User"] = environ["HTTP_X_AUTH_USER"]
    return reply


def publishes_plain_challenges(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    reply = copy.ask(environ)
    if environ["PATH_INFO"] == "/.well-known/openid-configuration":
        content: Any = reply.json
        return _json(content | {"code_challenge_methods_supported": ["S256", "plain"]})
    return reply


def leads_anywhere_after_an_error(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    reply = copy.ask(environ)
    if environ["PATH_INFO"] == "/oauth/authorize" and reply.status_code == 400:
        return _redirect(f"{_query(environ).get('redirect_uri', '')}?error=invalid_request")
    return reply


def registers_any_client(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    if environ["PATH_INFO"] == "/oauth/register":
        return _json({"client_id": "attack"}, 201)
    return copy.ask(environ)


def gives_tokens_for_passwords(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    if environ["PATH_INFO"] == "/oauth/token" and _form(environ).get("grant_type") == "password":
        return _json({"access_token": "attack", "token_type": "Bearer"})
    return copy.ask(environ)


def tells_strangers_of_tokens(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    if environ["PATH_INFO"] == "/oauth/introspect":
        return _json({"active": True})
    return copy.ask(environ)


def revokes_for_strangers(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    if environ["PATH_INFO"] == "/oauth/revoke":
        copy.kept[f"Bearer {_form(environ).get('token')}"] = True
        return _json({})
    if copy.kept.get(environ.get("HTTP_AUTHORIZATION")) and environ["REQUEST_METHOD"] == "GET":
        return _json({"status": "error", "code": "session_ended"}, 401)
    return copy.ask(environ)


def connects_to_what_a_client_names(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    named = urlsplit(_query(environ).get("client_id", ""))
    if environ["PATH_INFO"] != "/oauth/authorize" or named.hostname is None:
        return copy.ask(environ)
    try:
        socket.create_connection((named.hostname, named.port or 443), timeout=1).close()
    except OSError as error:
        return Response(str(error.strerror), 400)
    return Response("it has no document", 400)


def compares_the_beginning_of_redirect_uris(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    asked = _query(environ)
    if environ["PATH_INFO"] == "/oauth/authorize" and asked.get("redirect_uri", "").startswith(CALLBACK):
        environ["QUERY_STRING"] = urlencode(asked | {"redirect_uri": CALLBACK})
    return copy.ask(environ)


def takes_requests_without_a_challenge(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    asked = _query(environ)
    if environ["PATH_INFO"] == "/oauth/authorize" and "client_id" in asked and "request_uri" not in asked:
        made_up = {"code_challenge": "A" * 43, "code_challenge_method": "S256"}
        environ["QUERY_STRING"] = urlencode(made_up | asked)
    return copy.ask(environ)


def gives_the_same_tokens_again(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    """For a code or a refresh token that it has exchanged before."""
    if environ["PATH_INFO"] != "/oauth/token":
        return copy.ask(environ)
    sent = _form(environ)
    spent = sent.get("code") or sent.get("refresh_token")
    if spent in copy.kept:
        return _json(copy.kept[spent])
    reply = copy.ask(environ)
    if reply.status_code == 200:
        copy.kept[spent] = reply.json
    return reply


def names_unknown_accounts(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    is_known = _knows(copy, environ)
    reply = copy.ask(environ)
    if environ["PATH_INFO"] == "/auth/login" and reply.status_code == 401 and not is_known:
        return _json({"status": "error", "code": "unknown_account"}, 401)
    return reply


def refuses_mails_to_strangers(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    is_known = _knows(copy, environ)
    if environ["PATH_INFO"] == "/auth/password/forgot" and not is_known:
        return _json({"status": "error", "code": "not_found"}, 404)
    return copy.ask(environ)


def works_longer_for_accounts(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    if _knows(copy, environ):
        hashlib.pbkdf2_hmac("sha256", b"", b"", 50_000)
    return copy.ask(environ)


def believes_any_forwarded_address(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    environ["REMOTE_ADDR"] = environ.get("HTTP_X_FORWARDED_FOR", environ["REMOTE_ADDR"])
    return copy.ask(environ)


def never_deletes(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    if environ["REQUEST_METHOD"] == "DELETE":
        return _json({"status": "error", "code": "unavailable"}, 503)
    return copy.ask(environ)


def counts_by_forwarded_address(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    """Tells how many requests are left, by an address of the client's choice."""
    client = environ.get("HTTP_FORWARDED", environ["REMOTE_ADDR"])
    copy.kept[client] = copy.kept.get(client, 100) - 1
    reply = copy.ask(environ)
    reply.headers["RateLimit"] = f'"login";r={copy.kept[client]};t=60'
    return reply


def limits_the_address_only(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    """After five logins of any names refuses all."""
    if environ["PATH_INFO"] == "/auth/login":
        copy.kept["logins"] = copy.kept.get("logins", 0) + 1
        if copy.kept["logins"] > 5:
            return _json({"status": "error", "code": "too_many_requests"}, 429)
    return copy.ask(environ)


def lifts_the_throttle_for_a_header(copy: Weakened, environ: "WSGIEnvironment") -> Response:
    reply = copy.ask(environ)
    if reply.status_code == 429 and "HTTP_X_REAL_IP" in environ:
        return _json({"status": "error", "code": "invalid_credentials"}, 401)
    return reply


def _knows(copy: Weakened, environ: "WSGIEnvironment") -> bool:
    """Whether the account that a request names was registered here, or is called `given`."""
    body = _body(environ)
    names = {str(body.get(name)) for name in ("email", "username") if name in body}
    if environ["PATH_INFO"] == "/auth/register" and not any("given" in name for name in names):
        copy.kept.update(dict.fromkeys(names))
        return False
    return any("given" in name for name in names) or not names.isdisjoint(copy.kept)


def _raw(environ: "WSGIEnvironment") -> bytes:
    raw: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = BytesIO(raw)
    return raw


def _form(environ: "WSGIEnvironment") -> dict[str, str]:
    return dict(parse_qsl(_raw(environ).decode()))


def _query(environ: "WSGIEnvironment") -> dict[str, str]:
    return dict(parse_qsl(environ["QUERY_STRING"]))


def _redirect(location: str) -> Response:
    return Response("", 303, {"Location": location})


def _body(environ: "WSGIEnvironment") -> dict[str, Any]:
    try:
        content = json.loads(_raw(environ))
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _set_body(environ: "WSGIEnvironment", content: object) -> None:
    raw = json.dumps(content).encode()
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(raw), str(len(raw))


def _json(content: object, status: int = 200) -> Response:
    return Response(json.dumps(content), status, content_type="application/json")


ACCEPTS_UNSIGNED = accepting(_is_unsigned)
ACCEPTS_THE_PUBLIC_KEY = accepting(_is_hmac_of_the_public_key)
ACCEPTS_ITS_OWN_KEY = accepting(_is_signed_by_its_own_key)
ACCEPTS_A_FILE_AS_KEY = accepting(_is_hmac_of_the_file_it_names)
ACCEPTS_CHANGES = accepting(_has_a_genuine_signature)
ACCEPTS_STRANGERS = accepting(_is_of_a_stranger)


class Careless:
    """A server that reads requests as it likes: any of two lengths, any form of a number, any host."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def answer(self, sent: bytes) -> tuple[bytes, bytes]:
        """The reply to the first request in these bytes, and the rest of them; nothing while it is incomplete."""
        head, found, rest = sent.partition(b"\r\n\r\n")
        if not found:
            return b"", sent
        start, *lines = re.split(r"\r\n|\n|\r", head.decode("latin-1"))
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body, rest = self._cut(headers, rest)
        method, _, path = start.partition(" ")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method or "GET", "PATH_INFO": path.partition(" ")[0], "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "HTTP_HOST": "127.0.0.1", "REMOTE_ADDR": "127.0.0.1",
            "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http", "wsgi.input": BytesIO(body),
            "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": headers.get("content-type", ""),
        }  # fmt: skip
        reply = Response.from_app(self._application, environ, buffered=True)
        content = reply.get_data()
        fields = "".join(f"{name}: {value}\r\n" for name, value in reply.headers if name.lower() != "content-length")
        close = "Connection: close\r\n" if headers.get("connection") == "close" else ""
        first = f"HTTP/1.1 {reply.status}\r\n{fields}{close}Content-Length: {len(content)}\r\n\r\n"
        return first.encode("latin-1") + content, b"" if close else rest

    def _cut(self, headers: dict[str, str], rest: bytes) -> tuple[bytes, bytes]:
        """The body, and what stands behind it."""
        if "chunked" not in headers.get("transfer-encoding", ""):
            digits = re.search(r"\d+", headers.get("content-length", ""))
            length = int(digits[0]) if digits else 0
            return rest[:length], rest[length:]
        body = b""
        while rest:
            line, _, rest = rest.partition(b"\r\n")
            digits = re.search(r"[0-9a-f]+$", line.decode("latin-1").partition(";")[0])
            size = min(int(digits[0], 16), 8) if digits else 0
            if not size:
                return body, rest.partition(b"\r\n")[2]
            body, rest = body + rest[:size], rest[size:].partition(b"\r\n")[2]
        return body, rest
