"""Faults in what aligns several panels, and in the verbs' JSON that the page shows."""

from .tools import fault

FAULTS = [
    fault("last-rows-lost", "lines of the first panels below the last of the third are lost",
          "tools/compare/together.py", "return found + rows[at:]", "return found", "test_no_line_is_lost"),
    fault("room-not-used", "a line opposite nothing takes a line's place", "tools/compare/together.py",
          "(at < len(rows) and left not in rows[at])", "at < len(rows)", "test_three_panels_in_one_row"),
    fault("first-changes-forgotten", "the middle panel's words differ from the last panel's alone",
          "tools/compare/together.py", "union(row[left].changed + pair.left_words)", "pair.left_words",
          "test_changed_words_of_both_neighbours"),
    fault("fields-as-calls", "req->socket is taken for a call of socket()", "tools/compare/glossary.py",
          r"(?<![\w>.])", "", "test_names_are_found_in_a_line"),
]
