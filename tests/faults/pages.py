"""Faults in the pages Lab, Read, Wire and Price."""

from .fault import Fault
from .tools import fault

FAULTS = [
    fault("markup-from-data", "a template writes texts as markup", "tools/web/render.py",
          "autoescape=True", "autoescape=False", "test_texts_are_data_whatever_is_in_them"),
    Fault("two-runs-at-once", "a second experiment starts while one runs", "tools/web/pages/lab.py",
          "        if lab.running:\n", "        if False:\n", tests="test_a_run_is_told_while_it_happens_and_its_outcome_stays"),
    fault("any-panel-runs", "a word from the page reaches the verb's command line", "tools/web/pages/lab.py",
          "any(panel not in runs_on for panel in panels)", "False", "test_what_may_not_be_run"),
    fault("colour-eats-text", "colouring loses what has no colour", "tools/web/code.py",
          "if names else escape(text[start:end])", "if names else Markup()", "test_code_keeps_every_character"),
]
