"""Faults in the pages Lab, Read, Wire and Price."""

from .fault import Fault
from .tools import fault

FAULTS = [
    fault("markup-from-data", "a template writes texts as markup", "tools/web/render.py",
          "autoescape=True", "autoescape=False", "test_a_hostile_experiment_is_data"),
    Fault("two-runs-at-once", "a second experiment starts while one runs", "tools/web/pages/lab.py",
          "        if lab.running:\n", "        if False:\n", tests="test_a_run_is_told_while_it_happens_and_its_outcome_stays"),
    fault("any-panel-runs", "a word from the page reaches the verb's command line", "tools/web/pages/lab.py",
          "any(panel not in runs_on for panel in panels)", "False", "test_what_may_not_be_run"),
    fault("colour-eats-text", "colouring loses what has no colour", "tools/web/code.py",
          "if names else escape(text[start:end])", "if names else Markup()", "test_code_keeps_every_character"),
    fault("ids-of-another-reading", "a word leads to no entry", "tools/web/code.py",
          'cell["changed"], cell["words"], key)', 'cell["changed"], cell["words"])',
          "test_a_word_leads_to_what_it_is_for_and_that_to_clause_and_experiment"),
    fault("lines-on-their-own", "a comment is coloured in its first line alone", "tools/web/code.py",
          'get_tokens("\\n".join(lines))', 'get_tokens("*/\\n".join(lines))', "test_a_comment_of_several_lines_is_coloured_to_its_end"),
    fault("any-word-is-compared", "a word from the page reaches diff's command line", "tools/web/pages/read.py",
          "any(name not in known for name in names)", "False", "test_what_may_not_be_read"),
    fault("opening-starts", "a page that is opened runs programs", "tools/web/pages/wire.py",
          'kept = site.state.get("wire", {}).get(choice)\n', 'kept = site.state.get("wire", {}).get(choice) or await exchange(site, dict(query))\n',
          "test_a_page_that_is_opened_starts_nothing"),
    fault("bytes-out-of-place", "each element says that it begins at 0", "tools/web/pages/exchange.html",
          'data-offset="{{ e.offset }}"', 'data-offset="0"', "test_every_byte_is_in_the_cell_of_its_element"),
    fault("intervals-lost", "a chart shows medians without their intervals", "tools/harness/svg.py",
          "for (low, high), (a, _) in zip(line.ranges, line.points):", "for (low, high), (a, _) in []:",
          "test_an_interval_reaches_from_its_low_to_its_high_value"),
    fault("linear-for-all", "a logarithmic axis is drawn as a linear one", "tools/harness/svg.py",
          "share = math.log(value / self.low) / math.log(self.high / self.low)",
          "share = (value - self.low) / (self.high - self.low)", "test_a_point_stands_where_its_value_is"),
    fault("old-counts", "a page shows what a verb said of files that have changed since", "tools/web/kept.py",
          "if found and found[0] == now", "if found", "test_two_pages_wait_for_one_count_and_a_changed_file_is_counted_again"),
]
