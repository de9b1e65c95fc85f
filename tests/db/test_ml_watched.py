"""What monitoring says of a live version goes into the evidence for the next, and stays as it was."""

from datetime import date

from maeari import postgres
from ml.watched import frozen, newest_verdict


def judge(start: date, end: date, verdict: str, version: int = 1) -> None:
    with postgres.connect("monitor") as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into monitoring.verdicts (model, model_version, window_start, window_end, verdict, reasons, rows, "
            "inputs_sha256) values ('sentiment', %s, %s, %s, %s, %s, 500, '')",
            (version, start, end, verdict, f'["It is {verdict}."]'),
        )
        cursor.execute(
            "insert into monitoring.reports (model, window_start, window_end, path) values ('sentiment', %s, %s, %s)",
            (start, end, f"sentiment/{start}_{end}/drift.html"),
        )


def test_the_newest_window_that_is_not_waiting_for_labels_is_told(warehouse):
    assert newest_verdict("sentiment", 1, date(2026, 6, 30)) is None
    judge(date(2026, 5, 18), date(2026, 5, 24), "stable")
    judge(date(2026, 5, 25), date(2026, 5, 31), "declined")
    judge(date(2026, 6, 1), date(2026, 6, 7), "labels_pending")
    judge(date(2026, 6, 8), date(2026, 6, 14), "stable", version=2)
    assert newest_verdict("sentiment", 1, date(2026, 6, 30)) == {
        "start": "2026-05-25",
        "end": "2026-05-31",
        "verdict": "declined",
        "reasons": ["It is declined."],
        "page": "sentiment/2026-05-25_2026-05-31/drift.html",
    }
    assert newest_verdict("sentiment", 1, date(2026, 5, 30))["verdict"] == "stable"


def test_a_page_is_kept_as_it_was(maeari_home):
    page = maeari_home / "reports" / "sentiment" / "week" / "drift.html"
    page.parent.mkdir(parents=True)
    page.write_text("<p>before</p>")
    kept = frozen("sentiment/week/drift.html")
    page.write_text("<p>drawn anew</p>")
    assert (maeari_home / "reports" / kept).read_text() == "<p>before</p>"
    assert frozen("sentiment/week/drift.html") != kept
    assert frozen("sentiment/never/drift.html") is frozen(None) is None
