"""The content of an archive, and the checksums that show whether it is complete."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import zlib
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STORE = "store"
"""The name of the store's content in an archive."""
_MANIFEST = "manifest.json"
_DAMAGED = (tarfile.TarError, zlib.error, EOFError, OSError)


class ArchiveError(Exception):
    """The archive is damaged, or this service cannot use it; the text is one line that says why."""


class Manifest(BaseModel):
    """What an archive says about itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    """The version of Latchkey that made it."""
    store: str
    """The database product, as in `StoreTools.common_name`."""
    made_at: datetime
    secrets: tuple[str, ...]
    """The names of the secrets that it needs, SECRET_KEY first; a name reveals nothing about its secret."""
    sha256: dict[Literal["store", "secret_key", "secret_key_fallbacks"], str]
    """The checksum of each file, in hexadecimal digits."""

    @field_validator("sha256")
    @classmethod
    def _with_the_store(cls, sums: dict[str, str]) -> dict[str, str]:
        if STORE not in sums:
            raise ValueError("has to list the store")
        return sums


def pack(
    content: Path, archive: Path, *, version: str, store: str, made_at: datetime, secrets: Sequence[str]
) -> Manifest:
    """Put a manifest and then the files of the folder `content` into a new archive."""
    sums = {file.name: _sum(file) for file in sorted(content.iterdir())}
    manifest = Manifest.model_validate(
        {"version": version, "store": store, "made_at": made_at, "secrets": secrets, "sha256": sums}
    )
    (content / _MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    with tarfile.open(archive, "x:gz") as tar:
        for name in (_MANIFEST, *sums):
            tar.add(content / name, arcname=name)
    return manifest


def unpack(archive: Path, folder: Path) -> Manifest:
    """Write those files of an archive that its manifest lists, and no others, into a folder.

    Raises ArchiveError if it is damaged: then none of them may be used.
    """
    try:
        with tarfile.open(archive, "r:gz") as tar:
            manifest = Manifest.model_validate_json(_read(tar, _MANIFEST).read())
            for name in manifest.sha256:
                with _read(tar, name) as source, (folder / name).open("xb") as target:
                    shutil.copyfileobj(source, target)
    except (*_DAMAGED, ValidationError) as error:
        raise ArchiveError(f"{archive} is damaged, or not an archive of Latchkey ({type(error).__name__})") from None
    for name, expected in manifest.sha256.items():
        if _sum(folder / name) != expected:
            raise ArchiveError(f"{archive} is damaged: {name} is not what was backed up")
    return manifest


def _read(tar: tarfile.TarFile, name: str) -> tarfile.ExFileObject:
    """A file of the archive; raises ReadError if there is none of this name."""
    try:
        file = tar.extractfile(name)
    except KeyError:
        file = None
    if file is None:
        raise tarfile.ReadError(f"{name} is missing")
    return file  # type: ignore[return-value]


def _sum(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
