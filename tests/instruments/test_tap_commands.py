"""The tap as a program: commands, options, addresses, how it begins and ends."""

import json
import signal
import time

import pytest

from taps import BACK, FRONT, KINDS, QUIET, Rig, dial, end_of, listen, receive, silent


@pytest.mark.parametrize(
    "text",
    [
        "nonsense", "delay", "delay x", "delay -1", "delay 1.2345678", "delay 99999999999",
        "rate up", "rate 1e3", "slice sideways 3", "slice 1 2", "#1", "#0 cut", "#x cut", "#7 cut",
        "# cut", "#1 quit", "go 5", "stats now", "cut up 10 more", "cut 99999999999999999999",
        "\u00fc\"\\", "rate 18446744073709551617", "delay 1.", "stall up up",
    ],
)  # fmt: skip
def test_a_bad_command_is_reported_and_harms_nothing(rig: Rig, text: str) -> None:
    tap = rig.start()
    client, served = rig.pair()
    assert tap.command(text, refused=True)["text"]
    client.sendall(b"fine")
    assert receive(served, 4) == b"fine"
    assert tap.stats()["faults"] == {"up": {}, "down": {}}


def test_a_command_line_that_is_too_long(rig: Rig) -> None:
    tap = rig.start()
    tap.write("delay " * 5000 + "\nstats\n")
    assert "too long" in tap.event("error")["text"]
    assert tap.event("stats")["faults"] == {"up": {}, "down": {}}


def test_bytes_that_are_no_text_are_answered_in_json(rig: Rig) -> None:
    tap = rig.start()
    tap.write(b"\xff\xfe\x01\n\n   \n\0\nstats\n")
    assert tap.event("error", "stats")["event"] == "error"
    tap.event("stats")


def test_commands_in_pieces_and_several_at_once(rig: Rig) -> None:
    tap = rig.start()
    tap.write("del")
    time.sleep(0.05)
    tap.write("ay 7\nslice 3\nstats\n")
    assert tap.event("stats")["faults"]["down"] == {"delay_ms": 7, "slice": 3}


def test_commands_from_a_file(rig: Rig) -> None:
    server, url = listen("tcp://127.0.0.1:0")
    commands = rig.folder / "commands"
    commands.write_text("delay 3\nstats\nquit")
    with server, commands.open() as file:
        done = rig.run(*FRONT, "-c", url, stdin=file)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [e["event"] for e in events] == ["ready", "ok", "stats", "ok", "summary"]
    assert done.returncode == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_tap_that_is_shut_refuses_until_it_listens(rig: Rig, kind: str) -> None:
    tap = rig.start(front=kind)
    client, served = rig.pair()
    for _ in range(2):
        tap.command("shut")
        with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
            dial(tap.url)
    client.sendall(b"goes on")
    assert receive(served, 7) == b"goes on"
    for _ in range(2):
        tap.command("listen")
    later, there = rig.pair()
    later.sendall(b"new")
    assert receive(there, 3) == b"new"
    assert tap.command("#1 shut", refused=True)["text"]
    tap.command("shut")
    summary = tap.stop()
    assert (summary["accepted"], summary["refused"]) == (2, 0)


def test_an_address_that_another_has_taken_is_told(rig: Rig) -> None:
    tap = rig.start()
    tap.command("shut")
    taken, _ = listen(tap.url)
    with taken:
        assert "in use" in tap.command("listen", refused=True)["text"]
    tap.command("listen")
    rig.pair()


# Beginning and end


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_in_good_order(rig: Rig, how: int) -> None:
    tap = rig.start(front="ipc")
    client, served = rig.pair()
    client.sendall(b"abc")
    assert receive(served, 3) == b"abc"
    summary = tap.stop(how)
    assert summary["up"] == {"received": 3, "passed": 3}
    assert end_of(client) == end_of(served) == (b"", "end")
    assert not (rig.folder / "tap").exists()


def test_sigint_works_in_a_shell_s_background(rig: Rig) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    rig.start(preexec_fn=ignore).stop(signal.SIGINT)


def test_quit(rig: Rig) -> None:
    tap = rig.start()
    tap.command("quit")
    tap.summary()
    assert tap.wait() == 0


def test_the_end_of_input_changes_nothing(rig: Rig) -> None:
    tap = rig.start()
    client, served = rig.pair()
    tap.hang_up()
    assert silent(client)
    client.sendall(b"on")
    assert receive(served, 2) == b"on"
    tap.stop()


def test_until_eof(rig: Rig) -> None:
    tap = rig.start("--until-eof")
    tap.hang_up()
    tap.summary()
    assert tap.wait() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (), FRONT, BACK, (*FRONT, *BACK, "more"), (*FRONT, *BACK, "--delay", "x"),
        (*FRONT, *BACK, "--rate", "left:3"), (*FRONT, *BACK, "--cut", "up"),
        (*FRONT, *BACK, "--nonsense"), (*FRONT, "-c", "tcp://127.0.0.1:0"),
        (*FRONT, "-c", "tcp://127.0.0.1:65536"), (*FRONT, "-c", "tcp://127.0.0.1:-1"),
        (*FRONT, "-c", "tcp://127.0.0.1:22a"), (*FRONT, "-c", "tcp://::1:5"),
        (*FRONT, "-c", "tcp://:5"), (*FRONT, "-c", "tcp://*:5"),
        (*FRONT, "-c", "udp:/127.0.0.1:5"),
        (*FRONT, "-c", "ipc://relative"), ("-l", "ipc:///" + "x" * 107, *BACK),
    ],
)  # fmt: skip
def test_usage_errors(rig: Rig, arguments: tuple[str, ...]) -> None:
    done = rig.run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("tap: ")
    assert done.stdout == ""


def test_help_and_version(rig: Rig) -> None:
    for option in ("-h", "-V"):
        done = rig.run(option)
        assert (done.returncode, done.stderr) == (0, "")
        assert "tap" in done.stdout


def test_a_taken_port_is_refused(rig: Rig) -> None:
    server, url = listen("tcp://127.0.0.1:0")
    with server:
        done = rig.run("-l", url, *BACK)
    assert done.returncode == 1
    assert url in done.stderr and "in use" in done.stderr


def test_a_dead_tap_s_path_is_replaced(rig: Rig) -> None:
    tap = rig.start(front="ipc")
    tap.kill()
    assert (rig.folder / "tap").exists()
    rig.tap = rig.stage.tap(f"ipc://{rig.folder}/tap", "tcp://127.0.0.1:9")
    rig.tap.stop()
    assert not (rig.folder / "tap").exists()


def test_a_live_server_s_path_is_refused_without_disturbing_it(rig: Rig) -> None:
    path = rig.folder / "live"
    server, url = listen(f"ipc://{path}")
    with server:
        done = rig.run("-l", url, *BACK)
        assert done.returncode == 1
        assert "in use" in done.stderr
        server.settimeout(QUIET)
        with pytest.raises(TimeoutError):
            server.accept()
    assert path.exists()


def test_a_file_at_the_path_is_refused_and_stays(rig: Rig) -> None:
    path = rig.folder / "file"
    path.write_text("precious")
    done = rig.run("-l", f"ipc://{path}", *BACK)
    assert done.returncode == 1
    assert path.read_text() == "precious"


def test_a_path_taken_over_by_another_is_left_to_it(rig: Rig) -> None:
    tap = rig.start(front="ipc")
    path = rig.folder / "tap"
    path.unlink()
    path.write_text("another's")
    tap.stop()
    assert path.read_text() == "another's"
