"""What a notebook or a script calls: a search begun, gone on with, and read as data frames and programs.

It stands beside the command line: the same options by the same names, the same files.
"""

from lion_search.api.found import FoundProgram
from lion_search.api.loaded import Run, load
from lion_search.api.searching import resume, search

__all__ = ["FoundProgram", "Run", "load", "resume", "search"]
