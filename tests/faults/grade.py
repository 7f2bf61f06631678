"""Faults in what marks submissions, and in the programs in Python."""

from .fault import Fault


def fault(name: str, says: str, file: str, old: str, new: str, tests: str, panel: str = "") -> Fault:
    return Fault(name, says, file, old, new, "", tests, panel=panel)


FAULTS = [
    fault("steps-in-the-sandbox", "a submission may include the step that it is asked for",
          "tools/grade/sandbox.py", '"common programs zmq', '"common programs raw zmq',
          "test_a_class_with_hostile_submissions", panel="raw"),
    fault("formula-after-a-blank", "a name is a formula after a blank",
          "tools/grade/results.py", 'normalize("NFKC", text).lstrip()', 'normalize("NFKC", text)', "test_names_are_data"),
    fault("cells-divided", "a name with ; in it is two cells where ; divides them",
          "tools/grade/results.py", ", quoting=csv.QUOTE_ALL", "", "test_names_are_data"),
    fault("unpacked-without-limits", "an archive is unpacked by the process that marks all",
          "tools/grade/unpacking.py", "    limit()\n", "", "test_a_bomb_costs_its_own_process"),
    fault("home-of-the-student", "Python takes modules from the home that a submission writes to",
          "tools/grade/sandbox.py", '"PYTHONNOUSERSITE": "yes"', '"NOTHING": "yes"',
          "test_programs_are_marked_like_the_others", panel="raw"),
    fault("panel-named-json", "pytest imports json from the panel of that name",
          "tools/check/contract.py", '"-BP"', '"-B"',
          "test_programs_are_marked_like_the_others", panel="raw"),
    fault("build-lingers", "what a build has left running sees the tests start",
          "tools/grade/inside.py", "    end_others()\n    write(built)", "    write(built)",
          "test_a_class_with_hostile_submissions", panel="raw"),
    fault("rubric-in-the-open", "where there is no sandbox, the rubric may be read",
          "tools/grade/gradescope.py", '(base / "source").chmod(0o700)', "pass", "test_it_marks", panel="raw"),
    fault("daemon-survives", "where there is no sandbox, a daemon outlives the marking",
          "tools/grade/watcher.py", "            end_all_of(user)\n", "            pass\n", "test_it_marks",
          panel="raw"),
    fault("panel-named-tests", "a submission whose panel is named tests brings the tests along",
          "tools/grade/submissions.py", "if name in TAKEN:", "if name in ():",
          "test_no_panel_takes_the_place_of_the_tests"),
    fault("winsock-is-the-students", "in a whole checkout, the project's own programs are a student's",
          "tools/grade/submissions.py", "and words[1] not in OURS", "",
          "test_the_projects_own_programs_are_nobodys"),
    fault("python-frame-by-recv", "the server in Python takes what has come for the whole frame",
          "template-programs/frames.py", "return await reader.readexactly(length)",
          "return await reader.read(length)", "test_a_long_body_arrives_unchanged", panel="raw"),
    fault("programs-not-found", "wire and lab look for ready programs in the build folder",
          "tools/harness/stage.py", "return found[0] if found else", "return",
          "test_the_verbs_find_the_programs"),
    fault("python-connects-once", "the client in Python never connects again",
          "template-programs/roles.py", "    link.clear()\n", "",
          "test_a_client_comes_back_to_a_server", panel="raw"),
]  # fmt: skip
