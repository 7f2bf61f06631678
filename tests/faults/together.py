"""Faults in what aligns several panels, and in the verbs' JSON that the page shows."""

from .fault import Fault
from .tools import fault

FAULTS = [
    fault("last-rows-lost", "lines of the first panels below the last of the third are lost",
          "tools/compare/together.py", "return found + rows[at:]", "return found", "test_no_line_is_lost_and_each_keeps_its_place"),
    fault("room-not-used", "a line opposite nothing takes a line's place", "tools/compare/together.py",
          "(at < len(rows) and left not in rows[at])", "at < len(rows)", "test_no_line_is_lost_and_each_keeps_its_place"),
    fault("first-changes-forgotten", "the middle panel's words differ from the last panel's alone",
          "tools/compare/together.py", "union(row[left].changed + pair.left_words)", "pair.left_words",
          "test_changed_words_of_both_neighbours"),
    fault("fields-as-calls", "req->socket is taken for a call of socket()", "tools/compare/glossary.py",
          r"(?<![\w>.])", "", "test_names_are_found_in_a_line"),
    Fault("cells-with-marks", "a recorded phrase has Markdown in it", "tools/lab/document.py",
          'zip(panels, map(plain, cells[1:]))', 'zip(panels, cells[1:])',
          tests="test_lab_without_a_name_says_what_the_files_say"),
    fault("adds-to-itself", "a step adds to the step after it", "tools/compare/steps.py",
          "step.before = before", "before.before = step",
          "test_a_step_says_what_it_adds_to_the_one_before"),
    Fault("silent-events", "--events says nothing until the end", "tools/lab/lab.py",
          "Running(experiment, names, Events().say)", "Running(experiment, names)",
          tests="test_lab_tells_what_happens_and_then_what_was_seen"),
]
