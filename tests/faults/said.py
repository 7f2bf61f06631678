"""Faults in what verbs say of a command line, of panels that are not whole, and of a screen that is small."""

from .tools import fault

FAULTS = [
    fault("one-program-is-a-panel", "ready programs that lack some are built", "triptych",
          "    for role in req rep pub sub; do\n        [ -x", "    for role in req; do\n        [ -x",
          "test_programs_that_the_reader_has_not_written_are_named"),
    fault("both-patterns-needed", "a panel without a publisher cannot show its server", "tools/harness/panels.py",
          "if panel.plays(patterns)]", "if panel.built]", "test_what_a_panel_lacks_is_said"),
    fault("named-twice-unsaid", "a panel that is named twice is shown once, and nobody says so", "tools/harness/panels.py",
          "if names.count(name) > 1)", "if names.count(name) > 2)", "test_what_a_panel_lacks_is_said"),
    fault("usual-window-too-small", "the demo of four panels has no columns in the usual window",
          "tools/demo/views.py", "ROWS_MIN = 5", "ROWS_MIN = 6", "test_the_demo_has_plain_lines_where_columns_have_no_room"),
    fault("demo-frame-too-high", "the demo redraws more lines than the terminal has", "tools/demo/views.py",
          "// len(rows) - HEAD", "// len(rows) - 2", "test_the_demo_redraws_what_fits_a_terminal"),
    fault("our-time-is-others", "what the lab's own programs used counts as that of others", "tools/harness/others.py",
          "sum(os.times()[:4])", "sum(os.times()[:2])", "test_what_others_use_of_a_processor_is_what_we_do_not"),
    fault("busy-core-unsaid", "the demo does not say that its figures are those of a busy machine",
          "tools/demo/scene.py", "if share <= BUSY:", "if share <= 1:", "test_other_programs_on_the_core_are_told"),
]
