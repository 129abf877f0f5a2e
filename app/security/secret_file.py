"""A secret in a file: read, or created once even if several processes need it at the same time."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import tempfile
from pathlib import Path

from app.config.secret_text import secret_text

SECRET_FILE = Path("instance/secret_key")
"""Where development keeps the SECRET_KEY that it makes itself."""
SHORTEST = 32
"""The least number of characters in a secret."""
_RANDOM_BYTES = 48
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""The permissions of everybody but the owner."""


class SecretFileError(Exception):
    """The secret cannot be read or made; the text is one line that names the file and the remedy."""


def read_or_create(path: Path) -> str:
    """The secret in the file `path`; if there is no file, a new random one, which is kept there.

    The file gets mode 0600, its folder 0700 if it is missing, and both are on the disk before this returns. Concurrent
    calls get the same secret. If others may read a file of ours, they lose that permission. Raises SecretFileError if
    the file cannot be read, made or protected, or holds fewer than 32 characters.
    """
    try:
        if not path.exists():
            _write(path, secrets.token_urlsafe(_RANDOM_BYTES))
        return _read(path)
    except OSError as error:
        raise _refused(path, error) from None


def keep(path: Path, secret: str, *, replace: bool = False) -> None:
    """Keep a given secret in the file `path`, in the same way; writes nothing if the file already holds it.

    Raises SecretFileError if the file holds another secret and `replace` is false, or cannot be read or written.
    """
    try:
        if not path.exists():
            _write(path, secret)
        if read_given(path) == secret:
            return
        if not replace:
            raise SecretFileError(f"{path}: another secret is kept here")
        _write(path, secret, replace=True)
    except OSError as error:
        raise _refused(path, error) from None


def write(path: Path, text: str) -> None:
    """Write a text that is secret to the file `path`, whatever was there: mode 0600, on the disk when this returns.

    The text is in a new file, which then gets that name, so nobody ever reads a part of it. Raises OSError.
    """
    _write(path, text, replace=True)


def read_given(path: Path) -> str:
    """A given secret from the file `path`, however short it is. Raises SecretFileError and OSError."""
    return _text(path, path.read_bytes())


def _text(path: Path, content: bytes) -> str:
    try:
        return secret_text(content)
    except ValueError as error:
        wrong = str(error)
    raise SecretFileError(f"{path}: the secret {wrong}; restore it from a copy")


def _refused(path: Path, error: OSError) -> SecretFileError:
    return SecretFileError(
        f"{path}: the secret cannot be read or made ({error.strerror}); let this user write to its folder"
    )


def _read(path: Path) -> str:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if status.st_mode & _OTHERS:
            if status.st_uid != os.geteuid():
                raise SecretFileError(f"{path}: others may read this secret; its owner has to run: chmod 600 {path}")
            os.fchmod(file.fileno(), stat.S_IRUSR | stat.S_IWUSR)
        content = file.read()
    secret = _text(path, content) if content.strip() else ""
    if not secret.isascii():
        raise SecretFileError(f"{path}: the secret is not ASCII text; restore it from a copy")
    if len(secret) < SHORTEST:
        raise SecretFileError(
            f"{path}: the secret has less than {SHORTEST} characters; restore it from a copy, or delete it"
            " to get a new one (what the old one protects is then lost)"
        )
    return secret


def _write(path: Path, secret: str, *, replace: bool = False) -> None:
    """Write a secret to a new file and give it the name `path`; an existing file stays unless `replace` is true."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secret + "\n")
            file.flush()
            os.fsync(file.fileno())
        if replace:
            temporary.replace(path)
        else:
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
