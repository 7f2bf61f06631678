"""Faults in what marks submissions, and in the programs in Python."""

from .fault import Fault


def fault(name: str, says: str, file: str, old: str, new: str, tests: str, panel: str = "") -> Fault:
    return Fault(name, says, file, old, new, "", tests, panel=panel)


FAULTS = [
    fault("panel-named-tests", "a submission whose panel is named tests brings the tests along",
          "tools/grade/submissions.py", "if name in TAKEN:", "if name in ():",
          "test_no_panel_takes_the_place_of_the_tests"),
    fault("winsock-is-the-students", "in a whole checkout, the project's own programs are a student's",
          "tools/grade/submissions.py", "and words[1] not in OURS", "",
          "test_the_projects_own_programs_are_nobodys"),
    fault("python-frame-by-recv", "the server in Python takes what has come for the whole frame",
          "template-programs/frames.py", "return await reader.readexactly(length)",
          "return await reader.read(length)", "test_a_long_body_arrives_unchanged", panel="raw"),
    fault("python-connects-once", "the client in Python never connects again",
          "template-programs/roles.py", "    link.clear()\n", "",
          "test_a_client_comes_back_to_a_server", panel="raw"),
]  # fmt: skip
