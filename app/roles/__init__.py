"""Roles, and the permissions they hold."""

from __future__ import annotations

from app.feature import Feature

FEATURE = Feature(permissions=frozenset({"roles:write"}))
