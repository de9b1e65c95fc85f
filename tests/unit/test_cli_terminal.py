"""Text that others wrote, as a terminal is shown it."""

import pytest
import yaml

from cli.sources import write_source
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


def test_what_a_site_says_cannot_end_a_comment_of_its_file(tmp_path):
    file = tmp_path / "shop.yml"
    facts = {
        "name": "shop",
        "kind": "review_pages",
        "start_urls": ["https://shop.example/#\n: [x"],
        "terms_checked_by": None,
    }
    write_source(
        file, facts, ["9 links (a\nterms_checked_by: nobody\x85local: true\u2028demo: world) lead to reviews."]
    )
    assert yaml.safe_load(file.read_text()) == facts
