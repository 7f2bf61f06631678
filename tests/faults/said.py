"""Faults in what verbs say of a command line, of panels that are not whole, and of a screen that is small."""

from .fault import Fault
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
    fault("binary-is-shown", "check prints bytes that are no text", "tools/check/words.py",
          "isinstance(value, str) and not value.isprintable()", "value is None", "test_what_differs_first_is_said"),
    fault("legend-of-luck", "the legend of check has marks that the table does not show", "tools/check/check.py",
          "word_of(clause, cell, luck) for", "cell.word for", "test_what_kept_txt_calls_luck_is_luck"),
    fault("no-such-test-fails", "a name that no test has is a failed test", "tools/check/test.py",
          "if not found and status == NONE_SELECTED:", "if not found and status < 0:",
          "test_a_name_that_no_test_has_is_a_wrong_command_line"),
    fault("json-of-all", "the launcher does not say which verbs have --json", "triptych",
          "no option '--json'\"*)", "no option --json\"*)", "test_arguments_are_checked_first"),
    Fault("programs-untested", "garbage is sent to no programs that a reader wrote", "tests/programs.py",
          "if not path.exists() and self", "if False and self", tests="test_garbage_is_sent_to_them_too"),
    Fault("no-subscription-taken", "the publisher in Python reads all that is no subscription",
          "template-programs/roles.py", "if wish[0] > 1:", "if wish[0] > 255:", tests="test_garbage_is_sent_to_them_too"),
]
