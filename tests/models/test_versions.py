"""Which versions may be promoted, by what was noted on them."""

from datetime import UTC, datetime, timedelta

import pytest

from models.versions import RegisteredVersion, Standing, evaluation_tags, promotion_problem, standing_of

pytestmark = pytest.mark.fast

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def version(number: int, holdout: str | None = None, *, hours: int = 0, is_shipped: bool = False) -> RegisteredVersion:
    tags = {} if holdout is None else evaluation_tags(holdout, {"pr_auc": 0.75}, NOON + timedelta(hours=hours))
    return RegisteredVersion("logster-linux", str(number), NOON, (), tags, {}, is_shipped)


def test_the_newest_evaluation_of_any_version_says_which_holdout_is_current() -> None:
    shipped, second, third = version(1, is_shipped=True), version(2, "old"), version(3, "new", hours=1)
    fourth, tenth = version(4), version(10, "new", hours=2)
    together = [shipped, second, third, fourth, tenth]
    assert [standing_of(one, together) for one in together] == [
        Standing.SHIPPED, Standing.OLDER, Standing.CURRENT, Standing.NEVER, Standing.CURRENT,
    ]  # fmt: skip
    assert standing_of(second, [shipped, second]) is Standing.CURRENT
    # judged again, the second is the newest, and its holdout the current one
    assert standing_of(third, [version(2, "newer", hours=3), third]) is Standing.OLDER


def test_a_refusal_names_the_command_that_ends_it() -> None:
    second, third = version(2, "old"), version(3, "new", hours=1)
    problem = promotion_problem(second, [second, third])
    assert problem is not None and "older holdout than version 3" in problem
    assert "`logster models evaluate logster-linux/2 --data FOLDER`" in problem
    never = promotion_problem(version(4), [second, version(4)])
    assert never is not None and "was not evaluated" in never and "--without-evaluation" in never
    assert promotion_problem(third, [second, third]) is None
    assert promotion_problem(version(1, is_shipped=True), [second, third]) is None


@pytest.mark.parametrize("at", ["", "yesterday", "2026-03-01T12:00:00"])
def test_an_evaluation_of_which_nobody_can_tell_when_counts_for_nothing(at: str) -> None:
    odd = RegisteredVersion(
        "logster-linux", "2", NOON, (), {"evaluation.holdout": "new", "evaluation.at": at}, {}, False
    )
    assert standing_of(odd, [odd, version(3, "new")]) is Standing.NEVER
