"""Faults in ./triptych web: who is answered, what runs, and what became of each message."""

from .fault import Fault


def fault(name: str, says: str, file: str, old: str, new: str, tests: str, times: int = 1) -> Fault:
    return Fault(name, says, f"tools/web/{file}", old, new, "", tests, times)


FAULTS = [
    fault("web-any-host", "a page of another name is answered: DNS rebinding", "guard.py",
          "if host.lower() not in self.hosts:", "if not host:", "test_a_foreign_host_is_refused"),
    fault("web-no-token", "whoever asks is answered", "guard.py",
          "return self.same(request.cookies.get(self.cookie, \"\"), self.token)", "return True",
          "test_nobody_is_answered_without_the_token"),
    fault("web-any-origin", "pages of other sites start programs", "guard.py",
          "if origin is not None and origin != f\"http://{host}\":", "if False:", "test_a_foreign_origin_is_refused"),
    fault("web-socket-without-origin", "a socket of any page is accepted", "guard.py",
          '''if request.method == "POST" or "Upgrade" in request.headers:''', '''if request.method == "POST":''',
          "test_a_socket_of_a_foreign_page_is_refused"),
    fault("web-forms-are-questions", "a form of another site is taken as a question", "guard.py",
          'if request.method == "POST" and request.content_type != "application/json":', "if False:",
          "test_a_form_of_another_page_is_no_question"),
    fault("web-script-ends", "a text of the address ends the script element", "render.py",
          'for character in "<>&":', 'for character in "&":', "test_the_address_of_a_page_is_data"),
    fault("web-everybody", "the server listens on every address", "server.py",
          '(socket.AF_INET, "127.0.0.1")', '(socket.AF_INET, "0.0.0.0")', "test_a_page_may_not_be_reached_from_elsewhere"),
    fault("web-endless-question", "a question may be as long as it likes", "server.py",
          "client_max_size=QUESTION_MAX", "client_max_size=1 << 30", "test_a_question_is_bounded"),
    fault("web-runs-without-number", "any number of runs at once", "pages/play.py",
          "RUNNING_MOST = 2 ", "RUNNING_MOST = 200 ", "test_runs_are_bounded"),
    fault("web-text-is-option", "a text that begins with - is an option of the program", "play/conversation.py",
          'return ["--", *own.bodies(letter)]', "return [*own.bodies(letter)]", "test_a_text_is_data_and_no_option"),
    fault("web-gap-off-by-one", "a gap counts the message that ended it", "play/journal.py",
          "counts.lost += sequence - last[0] - 1", "counts.lost += sequence - last[0]",
          "test_a_gap_is_lost_and_a_restart_is_none"),
    fault("web-restart-is-duplicate", "what a restarted publisher sends counts as a duplicate", "play/journal.py",
          'self.life += who == "pub"', "self.life += 0", "test_a_gap_is_lost_and_a_restart_is_none"),
    fault("web-sampled-apart", "of a flood, other messages are told at the other end", "play/journal.py",
          "        if one.told:", "        if self.number % 7 == 0:", "test_a_run_says_what_each_message_did"),
    fault("web-unheard-at-once", "a message on its way counts as received by nobody", "play/journal.py",
          "UNHEARD_MS = 1000.0", "UNHEARD_MS = 10.0", "test_what_nobody_received_is_told_once"),
    fault("web-stream-without-end", "a stream keeps everything", "stream.py",
          "collections.deque(maxlen=kept)", "collections.deque()", "test_a_stream_is_bounded_and_says_what_a_page_missed"),
    fault("web-delay-the-other-way", "a fault of one way holds for both", "play/conversation.py",
          "words = [do, way] if way else [do]", "words = [do]", "test_a_delay_is_the_slope_of_the_arrow"),
    fault("web-line-without-end", "a line of any length is kept", "play/conversation.py",
          "LINE_MOST = 1 << 20", "LINE_MOST = 1 << 30", "test_a_line_without_end_is_not_kept"),
    fault("web-long-text-is-told", "a text of a megabyte goes to the page", "play/journal.py",
          """"text": str(event.get("text") or "")[:TEXT_TOLD]""", """"text": str(event.get("text") or "")""",
          "test_a_program_may_say_anything"),
    fault("web-strange-event-ends-run", "a number that is none ends the run", "play/run.py",
          "except (TypeError, ValueError, KeyError, OverflowError)", "except (TypeError, KeyError)",
          "test_a_program_may_say_anything"),
    fault("web-kill-says-stop", "a role that is killed is only stopped", "play/conversation.py",
          "            role.voice.kill()\n", "            role.voice.freeze()\n", "test_a_role_is_killed_and_started_again"),
]  # fmt: skip
