"""Roles, and the permissions that they grant."""

from __future__ import annotations

from app.feature import Feature

FEATURE = Feature(permissions=frozenset({"roles:write"}))
