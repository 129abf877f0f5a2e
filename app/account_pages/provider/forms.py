"""The form of `pages.py`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.account_pages.forms import OnwardForm


class ProviderForm(OnwardForm):
    """With whom to log in, and where to go on."""

    provider: Annotated[str, Field(max_length=64)]
