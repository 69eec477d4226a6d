"""Runs without the app: from a plan to an exit status, and how it is shown on the way."""
