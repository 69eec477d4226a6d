"""Why a file cannot be imported."""

from __future__ import annotations


class ImportRefused(ValueError):
    """What was given makes no session; the message is one sentence for the user."""
