"""Faults in what verbs say of a command line, of panels that are not whole, and of a screen that is small."""

from .tools import fault

FAULTS = [
    fault("one-program-is-a-panel", "ready programs that lack some are built", "triptych",
          "    for role in req rep pub sub; do\n        [ -x", "    for role in req; do\n        [ -x",
          "test_programs_that_the_reader_has_not_written_are_named"),
    fault("both-patterns-needed", "a panel without a publisher cannot show its server", "tools/harness/panels.py",
          "if panel.plays(patterns)]", "if panel.built]", "test_what_a_panel_lacks_is_said"),
]
