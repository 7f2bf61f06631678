"""The JSON of the verbs that the page shows: what they print follows its schema, and the schemas are strict."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import tool
from conftest import ROOT, panels

jsonschema = pytest.importorskip("jsonschema")
pytest.importorskip("rich")

SCHEMAS = ["compare/diff", "compare/echo", "compare/size", "compare/steps", "lab/finds", "lab/lab", "wire/wire"]


def schema(name: str) -> Any:
    return json.loads((ROOT / "tools" / f"{name}.schema.json").read_text())


def run(verb: str, *words: str) -> str:
    status, out, told = tool.run(verb, *words)
    assert status == 0, told
    return out


def objects(of: Any) -> Iterator[dict[str, Any]]:
    """Every part of a schema that describes an object with names of its own."""
    if isinstance(of, dict):
        if "properties" in of and "required" in of:
            yield of
        for value in of.values():
            yield from objects(value)
    elif isinstance(of, list):
        for value in of:
            yield from objects(value)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_names_all_and_allows_nothing_else(name: str) -> None:
    """But for totals, of which each pattern has its own, and the decoder's events."""
    jsonschema.Draft202012Validator.check_schema(schema(name))
    found = list(objects(schema(name)))
    assert found
    optional = {"value", "text", "time", "connection"} if name == "wire/wire" else set()
    for one in found:
        assert set(one["properties"]) - set(one["required"]) <= optional
        assert one.get("additionalProperties") is False or set(one["properties"]) == {"event", "time", "connection"}


def test_lab_without_a_name_says_what_the_files_say() -> None:
    said = json.loads(run("lab.lab", "--json"))
    jsonschema.validate(said, schema("lab/lab"))
    files = {path.stem.replace("_", "-") for path in (ROOT / "lab" / "experiments").glob("*.py")}
    assert {e["name"] for e in said["experiments"]} == files
    for e in said["experiments"]:
        assert e["code"] == (ROOT / e["file"]).read_text() and not e["panels"]
        assert set(e["recorded"]) <= set(e["runs_on"]) and all(r["expected"] for r in e["recorded"].values())
    # RESULTS.md is an older run of nearly all; its cells are read without their marks.
    phrases = [recorded["phrase"] for e in said["experiments"] for recorded in e["recorded"].values()]
    assert sum(map(bool, phrases)) > 0.8 * len(phrases)
    assert not any("<br>" in phrase or "\\|" in phrase or phrase[0] == "*" for phrase in filter(None, phrases))


def test_all_that_words_can_find() -> None:
    said = json.loads(run("lab.lab", "--index"))
    jsonschema.validate(said, schema("lab/finds"))
    kinds = {find["kind"] for find in said["finds"]}
    assert kinds == set(schema("lab/finds")["$defs"]["find"]["properties"]["kind"]["enum"])


def test_lab_tells_what_happens_and_then_what_was_seen() -> None:
    lines = [json.loads(line) for line in run("lab.lab", "out-of-turn", "raw", "--events").splitlines()]
    *said, last = lines
    assert said and all(set(e) == {"event", "panel", "seconds", "text"} and e["event"] == "said" for e in said)
    assert last["event"] == "run" and set(last) == {"event", "run"}
    jsonschema.validate(last["run"], schema("lab/lab"))
    assert last["run"]["experiments"][0]["panels"]["raw"]["status"] in ("matches", "deviates")


@pytest.mark.parametrize("words", [["raw-2", "raw-3"], ["raw-dgram", "raw-1"], ["raw", "zmq"]], ids=" ".join)
def test_a_step_says_what_it_adds_to_the_one_before(words: list[str]) -> None:
    said = json.loads(run("compare.steps", *words, "--json"))
    jsonschema.validate(said, schema("compare/steps"))
    adds = [step["adds"] for step in said]
    before = [added and added["to"] for added in adds]
    assert before == {"raw-2": ["raw-1", "raw-2"], "raw-dgram": [None, None], "raw": ["raw-5", "zmq-1"]}[words[0]]
    assert all(added is None or added["lines"] > 0 for added in adds)
    if words[0] == "raw-2":
        assert "R1" in adds[0]["gained"] and "P1" in adds[1]["gained"]


def test_the_echo_programs_stand_beside_the_first_step_and_none_runs() -> None:
    said = json.loads(run("compare.steps", "echo", "--list", "--json"))
    jsonschema.validate(said, schema("compare/echo"))
    for program in said["programs"]:
        text = (ROOT / program["file"]).read_text()
        lines = text.splitlines()
        assert all(lines[line["number"] - 1] == line["text"] for line in program["lines"])
        below = text.partition("*/")[2].strip().splitlines()
        assert [line["text"] for line in program["lines"]] == below
        assert len(program["cannot"]) == text.count("\n *   - ") and f" *     {program['compiled']}\n" in text
        for line in program["beside"]["lines"] if program["beside"] else []:
            file = (ROOT / program["beside"]["file"]).read_text().splitlines()
            assert not line["number"] or file[line["number"] - 1] == line["text"]
    beside = [program["beside"] and program["beside"]["lines"] for program in said["programs"]]
    opens = ["rep_open", "req_open", None, None]
    for opened, lines in zip(opens, beside):
        assert bool(lines) == bool(opened)
        assert not opened or any(line["text"].startswith(f"{opened}(") for line in lines)
    assert "bind" in said["words"] and len(said["breaks"]) == 10 and not any(b["after"] for b in said["breaks"])


def test_wire(pytestconfig: pytest.Config) -> None:
    name = panels(pytestconfig)[0].name
    said = json.loads(run("wire.view.wire", name, "--json"))
    jsonschema.validate(said, schema("wire/wire"))
    assert [exchange["pattern"] for exchange in said] == ["reqrep", "pubsub"]
    said[0]["elements"][0]["part"] = "something"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(said, schema("wire/wire"))
