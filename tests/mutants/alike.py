"""Mechanical faults that change nothing observable, each with its reason.

The key is what stays when lines move: the file, the function, the line as it is and as the fault
makes it. The compiler finds some more by itself: those for which it makes the same code.
"""

ALIKE: dict[tuple[str, str, str, str], str] = {}
