"""Text that others wrote, as a terminal is shown it."""

import pytest

from cli.terminal import printable


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("한글 [red]그대로[/] ★", "한글 [red]그대로[/] ★"),
        ("두\n줄", "두\n줄"),
        ("a\tb", "a b"),
        ("\x1b[2J\x1b]0;x\x07", "\\x1b[2J\\x1b]0;x\\x07"),
        ("\x9b31m\r\x00", "\\x9b31m\\r\\x00"),
        ("\u202egnp.exe\u2066", "\\u202egnp.exe\\u2066"),
        ("\ud800", "\\ud800"),
    ],
)
def test_nothing_in_a_text_steers_the_terminal(text, wanted):
    assert printable(text) == wanted
