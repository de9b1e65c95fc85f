"""How well the churn model ranks customers and knows their number, by its own rolling backtest.

    python benchmarks/churn.py [online-retail|demo|telco] [--write]

`online-retail` imports the data of `MAEARI_SHARED_DATA` into an embedded Postgres in a home of its own, lets dbt build
the features and runs the backtest that training runs. `demo` does the same with the lines of the demo world's till and
sets the forest against the world's true probabilities. `telco` has no time in it: the same forest and calibration by
cross-validation. Prints Markdown tables; ends with exit code 1 when a limit is missed. `--write` writes the tables into
docs/churn.md.
"""

import logging
import os
import re
import sys
from datetime import date
from pathlib import Path
from statistics import mean

from embedded import warehouse

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

PAGE = Path(__file__).resolve().parent.parent / "docs" / "churn.md"
RETAIL_AS_OF = date(2011, 12, 9)
NEWEST, NEWEST_CALIBRATED, NEWEST_OF_THE_ORACLE = 12, 6, 6
ROC_AUC, CALIBRATION_ERROR, OF_THE_ORACLE, TELCO_ROC_AUC = 0.765, 0.05, 0.9, 0.84
NAMES = {"forest": "forest", "logistic": "logistic regression", "recency": "recency alone"}
MEASURES = {
    "roc_auc": "ROC-AUC", "pr_auc": "PR-AUC", "brier_score": "Brier score", "calibration_error": "calibration error",
    "calibration_error_unshifted": "… before the shift", "top_decile_lift": "lift of the top tenth",
    "accuracy": "accuracy", "precision": "precision", "recall": "recall",
}  # fmt: skip


def run(as_of: date) -> tuple[list, dict]:
    """Build the features and backtest on them, as training does: the month ends and the card's figures."""
    from maeari.warehouse import run_dbt
    from ml.churn.backtest import backtest
    from ml.churn.config import ChurnConfig
    from ml.churn.evaluate import evaluate
    from ml.churn.features import read_months

    run_dbt("build", "--select", "+churn", "--exclude-resource-type", "unit_test", "test")
    config = ChurnConfig()
    tests = backtest(read_months(as_of), as_of, config)
    return tests, evaluate(tests, config)


def online_retail() -> tuple[str, list[str]]:
    """The tables, and which limits were missed."""
    from imports.load import load_events
    from imports.mapping import EventMapping

    if "MAEARI_SHARED_DATA" not in os.environ:
        sys.exit("MAEARI_SHARED_DATA names no folder; it is where online_retail/events.csv.gz lies.")
    mapping = EventMapping(
        customer_id="customer_id", occurred_at="ts", item_id="stock_code | description", quantity="quantity",
        amount="quantity * unit_price", timezone="Europe/London",
    )  # fmt: skip
    file = Path(os.environ["MAEARI_SHARED_DATA"], "online_retail", "events.csv.gz")
    os.environ["MAEARI_TIMEZONE"] = "Europe/London"
    with warehouse():
        load_events([file], "online_retail", mapping, complete_until="newest", as_of=RETAIL_AS_OF)
        _, found = run(RETAIL_AS_OF)
    newest = found["cutoffs"][-NEWEST:]
    area, rival = (
        mean(cutoff["models"][model]["roc_auc"]["value"] for cutoff in newest) for model in NAMES if model != "recency"
    )
    calibrated = found["cutoffs"][-NEWEST_CALIBRATED:]
    error, unshifted = (
        mean(cutoff["models"]["forest"][measure]["value"] for cutoff in calibrated)
        for measure in ("calibration_error", "calibration_error_unshifted")
    )
    (against,) = (
        row
        for row in found["comparisons"]
        if (row["rival"], row["measure"], row["as_of_on"]) == ("logistic", "roc_auc", None)
    )
    missed = []
    if area < ROC_AUC:
        missed.append(f"mean ROC-AUC {area:.4f}, at least {ROC_AUC} wanted")
    if against["difference"]["value"] < 0 and against["holm_p_value"] < 0.05:
        missed.append("worse than logistic regression")
    if error > CALIBRATION_ERROR:
        missed.append(f"calibration error {error:.4f}, at most {CALIBRATION_ERROR} wanted")
    figures = (
        f"Over the newest {len(newest)} month ends, from {newest[0]['as_of_on']} on, the mean ROC-AUC of the forest is "
        f"{area:.4f}, that of logistic regression {rival:.4f}. Over the newest {len(calibrated)} the mean calibration "
        f"error is {error:.3f}, without the shift {unshifted:.3f}."
    )
    return "\n\n".join([*tables(found), figures]), missed


def demo() -> tuple[str, list[str]]:
    """The tables, and whether the forest falls behind the world's own probabilities."""
    from demo import shop
    from demo.world import FIRST_TODAY, World
    from imports.inbox import import_inbox
    from maeari.settings import Settings
    from ml.statistics import roc_auc_interval

    world = World()
    os.environ["MAEARI_TIMEZONE"] = "Asia/Seoul"
    with warehouse():
        shop.deliver(world, Settings().path("inbox"), FIRST_TODAY)
        import_inbox(FIRST_TODAY)
        land_reviews(world.reviews(FIRST_TODAY))
        tests, found = run(FIRST_TODAY)
    customers = {customer.customer_id: customer for customer in world.customers(FIRST_TODAY)}
    lines, reached = [], []
    for test in tests:
        known = [customers[customer] for customer in test.rows["customer_id"]]
        oracle = roc_auc_interval(test.truth, world.leaving_probabilities(known, test.as_of_on)).value
        forest = roc_auc_interval(test.truth, test.probabilities["forest"]).value
        reached.append((forest - 0.5, oracle - 0.5))
        lines.append(f"| {test.as_of_on} | {forest:.3f} | {oracle:.3f} | {(forest - 0.5) / (oracle - 0.5):.0%} |")
    over_all, share = (
        sum(forest for forest, _ in those) / sum(oracle for _, oracle in those)
        for those in (reached, reached[-NEWEST_OF_THE_ORACLE:])
    )
    table = "\n".join(["| month end | forest | true probability | reached above 0.5 |", "|---|---|---|---|", *lines])
    figures = (
        f"Over the newest {NEWEST_OF_THE_ORACLE} month ends the forest reaches {share:.1%} of what the true "
        f"probabilities reach above 0.5, over all {len(reached)} {over_all:.1%}: the first learned from few months."
    )
    missed = [f"{share:.1%} of the oracle, at least {OF_THE_ORACLE:.0%} wanted"] if share < OF_THE_ORACLE else []
    return "\n\n".join([*tables(found), table, figures]), missed


def land_reviews(reviews: list) -> None:
    """Put the demo site's reviews where daily crawls would have put them, each on the day it was written."""
    from demo.shop import SITES
    from maeari import postgres
    from maeari.redaction import hashed_author
    from maeari.settings import Settings

    columns = (
        "source", "source_review_id", "version_no", "content_hash", "subject_id", "subject_name", "author_key",
        "rating", "rating_max", "title", "body", "written_at", "written_at_precision", "url", "crawl_id", "fetched_at",
    )  # fmt: skip
    key = Settings().author_key()
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute("insert into ops.crawls (source, outcome) values ('demo', 'finished') returning crawl_id")
        (crawl_id,) = cursor.fetchone()
        rows = (
            (
                SITES[review.section], review.review_id, 1, review.review_id, review.subject_id, review.subject_name,
                hashed_author(review.author, key), review.stars, review.stars and 5, review.title, review.body,
                review.written_at.isoformat(), "second", "http://127.0.0.1/", crawl_id, review.written_at.isoformat(),
            )
            for review in reviews
        )  # fmt: skip
        postgres.copy_rows(connection, "raw.reviews", columns, rows)


def telco() -> tuple[str, list[str]]:
    """The area of the same forest and calibration on rows without time, by five-fold cross-validation."""
    import pandas as pd
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    from ml.churn.config import ChurnConfig
    from ml.churn.models import forest
    from ml.statistics import calibration_error, roc_auc_interval

    file = Path(os.environ["MAEARI_SHARED_DATA"], "telco_churn", "Telco-Customer-Churn.csv")
    rows = pd.read_csv(file, na_values=[" "]).drop(columns="customerID")
    truth = (rows.pop("Churn") == "Yes").to_numpy()
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    model = CalibratedClassifierCV(forest(ChurnConfig()), method="temperature", cv=folds, ensemble=False)
    told = cross_val_predict(model, pd.get_dummies(rows).fillna(0), truth, cv=folds, method="predict_proba")[:, 1]
    area = roc_auc_interval(truth, told)
    figures = (
        f"ROC-AUC {area.value:.3f} ({area.low:.3f} to {area.high:.3f}), published about 0.846; "
        f"calibration error {calibration_error(told, truth):.3f}; {len(truth):,} customers."
    )
    return figures, [f"ROC-AUC {area.value:.3f}"] if area.high < TELCO_ROC_AUC else []


def tables(found: dict) -> list[str]:
    """Month ends, pooled figures and comparisons as Markdown."""
    heads = (
        "month end",
        "customers",
        "left",
        "expected",
        *NAMES.values(),
        "lift",
        "calibration error",
        "before the shift",
    )
    months = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for cutoff in found["cutoffs"]:
        forest = cutoff["models"]["forest"]
        areas = " | ".join(interval(cutoff["models"][model]["roc_auc"]) for model in NAMES)
        months.append(
            f"| {cutoff['as_of_on']} | {cutoff['rows']:,} | {cutoff['positive_share']:.3f} "
            f"| {cutoff['expected_share']:.3f} | {areas} | {forest['top_decile_lift']['value']:.2f} "
            f"| {forest['calibration_error']['value']:.3f} | {forest['calibration_error_unshifted']['value']:.3f} |"
        )
    pooled = ["| figure | forest | logistic regression | recency alone |", "|---|---|---|---|"]
    for measure, name in MEASURES.items():
        pooled.append(f"| {name} | {' | '.join(interval(found['pooled'][model][measure]) for model in NAMES)} |")
    confusion = ["| forest, all month ends | left | stayed |", "|---|---|---|"]
    cells = found["pooled"]["forest"]["confusion"]
    confusion.append(f"| contacted | {cells['true_leavers']:,} | {cells['false_leavers']:,} |")
    confusion.append(f"| not contacted | {cells['missed_leavers']:,} | {cells['true_stayers']:,} |")
    tests = [
        "| forest against | figure | month ends | test | difference | p | p, Holm | effect |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in found["comparisons"]:
        tests.append(
            f"| {NAMES[row['rival']]} | {MEASURES[row['measure']]} | {row['as_of_on'] or 'all'} | {row['test']} "
            f"| {interval(row['difference'], '+.3f')} | {p_value(row['p_value'])} | {p_value(row['holm_p_value'])} "
            f"| {row['effect']:+.3f} |"
        )
    return ["\n".join(table) for table in (months, pooled, confusion, tests)]


def interval(figure: dict, style: str = ".3f") -> str:
    """A figure with its limits."""
    if figure["value"] is None:
        return ""
    return f"{figure['value']:{style}} ({figure['low']:{style}} to {figure['high']:{style}})"


def p_value(found: float) -> str:
    """A p-value, no smaller than a normal approximation may claim."""
    return "< 1e-9" if found < 1e-9 else f"{found:.2g}"


def write(name: str, text: str) -> None:
    """Put the tables between the markers of the page."""
    markers = re.compile(rf"(<!-- backtest {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    page, replaced = markers.subn(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", PAGE.read_text())
    if not replaced:
        sys.exit(f"{PAGE} has no place for {name}: put <!-- backtest {name} --> and <!-- end --> where it belongs.")
    PAGE.write_text(page)


def main() -> int:
    """Measure, print or write, and return the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("ml.churn").setLevel(logging.INFO)
    worlds = {"online-retail": online_retail, "demo": demo, "telco": telco}
    chosen = [name for name in worlds if name in sys.argv[1:]] or list(worlds)
    failed = False
    for name in chosen:
        text, missed = worlds[name]()
        print(f"\n### {name}\n\n{text}\n")
        print(*(f"MISSED: {what}" for what in missed), sep="\n")
        if "--write" in sys.argv:
            write(name.replace("-", "_"), text)
        failed = failed or bool(missed)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
