"""panels.txt: its lines, and what is wrong with one; each panel's colour and mark."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import panels
from harness.panels import COLOURS, Panel, read_panels


def panels_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *lines: str) -> list[Panel]:
    (tmp_path / "panels.txt").write_text("\n".join(["# comment", "", *lines, ""]))
    monkeypatch.setattr(panels, "ROOT", tmp_path)
    return read_panels()


def test_lines_of_panels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old, new, step = panels_of(
        monkeypatch, tmp_path, "zmq zmq ZeroMQ = a library", "my-2 a/b/c kind=programs speaks=tcp,udp framing=sp colour=blue mark=▲",
        "raw-1 raw/steps/1-lecture kind=step The lecture",
    )  # fmt: skip
    assert (old.heading, old.kind, old.speaks, old.framing) == ("ZeroMQ = a library", "own", ("tcp", "tcp6", "ipc"), None)
    assert (new.name, new.folder, new.heading, new.kind, new.framing) == ("my-2", "a/b/c", "my-2", "programs", "sp")
    assert (new.speaks, new.rgb, new.mark) == (("tcp", "udp"), "#0072B2", "▲")
    assert (step.kind, step.heading) == ("step", "The lecture")


@pytest.mark.parametrize("word", ["kin=own", "kind=mine", "speaks=tcp,sctp", "colour=yellow", "mark=ab"])
def test_a_wrong_line_is_said(
    word: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        panels_of(monkeypatch, tmp_path, f"zmq zmq {word} ZeroMQ")
    assert capsys.readouterr().err.startswith("triptych: panels.txt, line 3: ")


def test_what_a_panel_lacks_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A verb that runs one pattern needs its two programs alone."""
    (mine,) = panels_of(monkeypatch, tmp_path, "mine mine kind=programs Mine")
    (tmp_path / "mine").mkdir()
    for role in ("req", "rep"):
        (tmp_path / "mine" / f"mine-{role}").touch(0o755)
    assert mine.plays(["reqrep"]) and not mine.plays(["pubsub"]) and not mine.built
    assert mine.left_out() == "mine/ lacks mine-pub, mine-sub, needed for pubsub"
    assert panels.choose_panels(["mine"], "demo", ["reqrep"]) == ([mine], [])
    with pytest.raises(SystemExit):
        panels.choose_panels(["mine"], "demo", ["pubsub"])
    assert capsys.readouterr().err == f"triptych: demo: panel mine: {mine.left_out()}\n"
    assert panels.choose_panels(["mine", "mine"], "demo", ["reqrep"]) == ([mine], [])
    assert capsys.readouterr().err == "triptych: demo: mine is named more than once; it counts once\n"
    (tmp_path / "mine" / "mine-rep").chmod(0o644)
    assert mine.left_out() == "mine/mine-rep is not executable: chmod +x mine/mine-rep"
    (tmp_path / "mine" / "meson.build").touch()
    assert "./triptych build says why" in mine.left_out()


def test_a_panels_colour_is_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = panels_of(monkeypatch, tmp_path, "a a A", "b b B")
    second = panels_of(monkeypatch, tmp_path, "c c C", "b b B", "a a A")
    assert first[0] == second[2] and first[1] == second[1]


def test_colours_are_readable_on_white_and_on_black() -> None:
    def luminance(rgb: str) -> float:
        parts = [int(rgb[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for rgb, _ in COLOURS.values():  # WCAG's contrast, 3:1
        assert 1.05 / (luminance(rgb) + 0.05) >= 3 and (luminance(rgb) + 0.05) / 0.05 >= 3
    shipped = [panel for panel in read_panels() if panel.kind == "shipped"]
    assert len({p.rgb for p in shipped}) == len({p.mark for p in shipped}) == len({COLOURS[p.hue][1] for p in shipped}) == 4
