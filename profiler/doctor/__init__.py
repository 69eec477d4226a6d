"""What is right and wrong with this machine: facts are gathered once, then judged by pure functions."""

from profiler.doctor.check import Check, Status
from profiler.doctor.diagnosis import diagnose
from profiler.doctor.facts import Facts, gather, terminal_facts

__all__ = ["Check", "Facts", "Status", "diagnose", "gather", "terminal_facts"]
