"""What the user is told when what was asked cannot be done."""

from __future__ import annotations

import click


class Refusal(click.ClickException):
    """Bad input: one clear sentence on stderr and exit code 2."""

    exit_code = 2
