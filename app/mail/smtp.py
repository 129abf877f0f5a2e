"""Mail by SMTP (RFC 5321), under TLS unless the settings say otherwise."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from contextlib import suppress
from threading import Event
from typing import TYPE_CHECKING

from app.config.mail_values import smtp_server
from app.mail.mail import MailFailedError, MailRefusedError
from app.mail.message import compose, recipient
from app.security.bounded_calls import BoundedCalls

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.headerregistry import Address

    from app.config.mail_values import SmtpServer
    from app.mail.mail import Mail
    from app.security.bounded_calls import Watch

TIMEOUT = 10.0
"""Seconds that the server may take for one reply."""
DEADLINE = 30.0
"""Seconds that one mail may take in total, however slow the server is."""
_TAKEN = range(200, 300)
_PERMANENT = range(500, 600)
_NOT_SIGNED_IN = 530
"""RFC 4954 section 6: the settings are wrong, not the recipient."""
_LONGEST_CAUSE = 200
_AT_ONCE = 4


class SmtpMailer:
    """Sends each mail over a connection of its own; several threads may send at once, and four do."""

    def __init__(self, url: str, sender: Address, timeout: float = TIMEOUT, deadline: float = DEADLINE) -> None:
        """`url` is SMTP_URL; `timeout` and `deadline` are seconds, for one reply and for a whole mail.

        Raises ValueError if the URL is wrong.
        """
        self._server = smtp_server(url)
        self._sender = sender
        self._timeout = timeout
        self._deadline = deadline
        self._calls = BoundedCalls("smtp", _AT_ONCE)
        self._context: ssl.SSLContext | None = None

    def send(self, mail: Mail) -> None:
        """Hand the mail to the server. Raises MailRefusedError or MailFailedError; neither holds user or password."""
        to = recipient(mail)
        message = compose(mail, self._sender)

        def deliver(connection: _Connection) -> None:
            connection.send_message(message, self._sender.addr_spec, [to])

        self._speak(deliver, to)

    def check(self) -> None:
        """Connect, log in if there is a user, and ask whether MAIL_FROM may send; no mail is sent.

        Raises MailFailedError or MailRefusedError as `send` does, within the deadline.
        """

        def ask(connection: _Connection) -> None:
            connection.ehlo_or_helo_if_needed()
            code, words = connection.mail(self._sender.addr_spec)
            if code not in _TAKEN:
                raise smtplib.SMTPSenderRefused(code, words, self._sender.addr_spec)
            connection.rset()

        self._speak(ask, "")

    def _speak(self, say: Callable[[_Connection], None], to: str) -> None:
        """Run `say` in a session with the server; errors are raised without the secrets of the connection."""
        cause: MailRefusedError | MailFailedError | None = None
        said = Event()
        try:
            self._calls.run(lambda watch: self._in_session(say, said, watch), self._deadline)
        except smtplib.SMTPRecipientsRefused as error:
            cause = self._refused(*error.recipients[to], to)
        except smtplib.SMTPDataError as error:
            cause = self._refused(error.smtp_code, error.smtp_error, to)
        except smtplib.SMTPAuthenticationError as error:  # its text may repeat the credentials
            cause = MailFailedError(f"the mail server refused user and password ({error.smtp_code})")
        except smtplib.SMTPResponseException as error:
            cause = MailFailedError(self._told(error.smtp_code, error.smtp_error, to))
        except (OSError, smtplib.SMTPException) as error:  # time-outs, certificates, a lost connection
            cause = MailFailedError(f"{self._server.host}:{self._server.port}: {error or type(error).__name__}")
        # When the time ends behind `say`, the server has accepted the mail: it must not be sent again.
        if cause is not None and not said.is_set():
            raise cause  # out here, so that it does not carry the server's words in its context

    def _in_session(self, say: Callable[[_Connection], None], said: Event, watch: Watch) -> None:
        connection = _Connection(self._server, self._sender.domain, self._timeout, self._tls, watch)
        try:
            if self._server.security == "starttls":
                connection.starttls(context=self._tls())
            if self._server.user and self._server.password:
                connection.login(self._server.user, self._server.password)
            say(connection)
            said.set()
            with suppress(OSError, smtplib.SMTPException):
                connection.quit()
        finally:
            connection.close()

    def _tls(self) -> ssl.SSLContext:
        """The context that checks the certificate; made once, since it loads every authority of the system."""
        if self._context is None:
            self._context = ssl.create_default_context(cafile=self._server.ca)
        return self._context

    def _refused(self, code: int, words: bytes | str, to: str) -> MailRefusedError | MailFailedError:
        """The error for a reply to the recipient or the message."""
        told = self._told(code, words, to)
        return MailRefusedError(told) if code in _PERMANENT and code != _NOT_SIGNED_IN else MailFailedError(told)

    def _told(self, code: int, words: bytes | str, to: str) -> str:
        """The server's reply as one short line for the log, without the secrets and the recipient."""
        text = words.decode(errors="replace") if isinstance(words, bytes) else words
        for hidden in filter(None, (self._server.password, self._server.user, to)):
            text = re.sub(re.escape(hidden), "***", text, flags=re.IGNORECASE)
        line = "".join(character if character.isprintable() else " " for character in text)
        return f"the mail server answered {code} {line}"[:_LONGEST_CAUSE]


class _Connection(smtplib.SMTP):
    """smtplib's connection, which passes its socket to `watch` before it reads anything from it."""

    def __init__(
        self,
        server: SmtpServer,
        own_name: str,  # smtplib would ask the DNS for one
        timeout: float,
        tls: Callable[[], ssl.SSLContext],
        watch: Watch,
    ) -> None:
        self._tls = tls() if server.security == "tls" else None
        self._watch = watch
        super().__init__(server.host, server.port, own_name, timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Connect; SMTP_SSL overrides this method, too."""
        plain = socket.create_connection((host, port), timeout)
        self._watch(plain)
        return self._tls.wrap_socket(plain, server_hostname=host) if self._tls else plain
