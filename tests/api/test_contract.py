"""The API keeps to its own description, whatever it is sent (schemathesis: made-up requests, right and wrong ones)."""

import os
from datetime import UTC, datetime, timedelta

import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from schemathesis import GenerationMode

from api.access.keys import create_key
from api.app import create_app
from pipelines.schemas.access import Role
from pipelines.settings import Settings
from tests.api.conftest import NOON

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("LOGSTER_TEST_EXAMPLES", "1")) * 15
KNOWN = [f"{number:064x}" for number in range(3)]
SUPPRESSION = {
    "tenant": "acme", "endpoint": "web-1", "max_severity": "HIGH", "reason": "x", "starts_at": NOON - timedelta(hours=1),
    "expires_at": NOON + timedelta(hours=1), "actor": "ann", "created_at": NOON,
}  # fmt: skip
OPERATIONS = [
    (path, method.upper())
    for path, operations in create_app(Settings(_env_file=None)).openapi()["paths"].items()
    for method in operations
]


@pytest.fixture
def described(settings, write, make_alert, make_score, make_event):
    """The API over a lake in which everything is there."""
    write("alerts", *[make_alert(number, number) for number in range(3)])
    write("window_scores", *[make_score(minute) for minute in range(3)])
    write("events", *[make_event(f"e{n}", n, process_key=f"p{n}", parent_key=f"p{n // 2}") for n in range(-9, 9)])
    write("suppressions", *[SUPPRESSION | {"suppression_id": known} for known in KNOWN])
    _, key = create_key(settings, name="tests", tenant=None, role=Role.ADMIN, now=datetime.now(UTC))
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(settings)), {"X-API-Key": key}


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_answer_is_as_described(described, path, method, mode):
    description, key = described
    operation = description[path][method]
    if mode is GenerationMode.NEGATIVE and not (operation.path_parameters or operation.query or operation.body):
        pytest.skip("takes nothing that could be wrong")

    @examples(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode), known=st.none() | st.sampled_from(KNOWN))
    def check(case, known):
        if mode is GenerationMode.POSITIVE:
            # these name a state of the API's own, which no description can tell from made-up text
            (case.query or {}).pop("cursor", None)
            (case.headers or {}).pop("if-match", None)
            (case.headers or {}).pop("idempotency-key", None)
            if isinstance(case.body, dict):
                case.body.pop("actor", None)  # with a key there is but one that is taken
        if mode is GenerationMode.POSITIVE and known is not None:  # made-up ids are those of no alert
            for name in {"alert_id", "suppression_id"} & set(case.path_parameters or {}):
                case.path_parameters[name] = known
            if isinstance(case.body, dict):
                case.body |= (
                    {"alert_id": known} if path == "/feedback" else {"ids": [known]} if path == "/alerts" else {}
                )
        case.call_and_validate(headers=key)

    check()
