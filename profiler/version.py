"""attnprof's own version: the installed distribution's."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as _version

try:
    VERSION = _version("attnprof")
except PackageNotFoundError:  # run from a source tree that is not installed
    VERSION = "0+source"
