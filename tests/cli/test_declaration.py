"""What is read from ``[apps]``, and that whatever cannot be read is located, whole and without secrets."""

import string
import tomllib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_lite.api.schemas.applications import PatchAppInputBody
from conductor_lite.api.schemas.autoscaling import AutoscalePolicy, RolloutPolicy
from conductor_lite.api.schemas.declaration import DeclaredAlertingRule, DeclaredApp
from conductor_lite.cli.declaration import in_file, read_declaration
from conductor_lite.errors import ConfigurationError, FieldError

SECRET = "hunter2secret"


def read(text: str, **environment: str) -> dict[str, DeclaredApp]:
    return read_declaration("my.toml", tomllib.loads(text).get("apps"), environment).apps


def faults(text: str, **environment: str) -> dict[str, str]:
    """What is wrong, by place."""
    with pytest.raises(ConfigurationError) as refusal:
        read(text, **environment)
    assert str(refusal.value) == "What my.toml declares cannot be applied; nothing was changed."
    shown = repr(refusal.value.errors)
    assert SECRET not in shown
    return {fault.location: fault.message for fault in refusal.value.errors}


def test_everything_is_read() -> None:
    apps = read(
        """
        [apps.shop]
        executor_timeout_secs = 30
        private_mode = true
        recover_unknown_executors = true
        gc_time_threshold_ms = 2_592_000_000
        gc_rows_threshold = "off"
        global_timeout_ms = 0
        snapshots_enabled = false
        snapshot_interval_secs = 60
        snapshot_keep_days = 7
        snapshot_keep_rows = 1000

        [[apps.shop.alerting_rules]]
        rule_type = "WorkflowFailure"
        rule_metadata = { workflow_name = "charge", threshold = 3, period_secs = 60 }
        receiving_app_name = "bank"
        min_interval_secs = 600

        [[apps.shop.alerting_rules]]
        rule_type = "StrandedVersion"

        [apps.shop.notification_targets]
        plain = "slack://a/b/c"
        "on call" = "env:PAGER"

        [apps.shop.autoscaling_policy]
        queue = "orders"
        rollout.max_old_application_versions = 2

        [apps.bank]
        """,
        PAGER="pagerduty://x",
    )
    assert apps == {
        "shop": DeclaredApp(
            executor_timeout_secs=30,
            private_mode=True,
            recover_unknown_executors=True,
            gc_time_threshold_ms=2_592_000_000,
            gc_rows_threshold=None,
            global_timeout_ms=0,
            snapshots_enabled=False,
            snapshot_interval_secs=60,
            snapshot_keep_days=7,
            snapshot_keep_rows=1_000,
            alerting_rules=[
                DeclaredAlertingRule(
                    rule_type="WorkflowFailure",
                    rule_metadata={"workflow_name": "charge", "threshold": 3, "period_secs": 60},
                    receiving_app_name="bank",
                    min_interval_secs=600,
                ),
                DeclaredAlertingRule(rule_type="StrandedVersion"),
            ],
            notification_targets={"plain": "slack://a/b/c", "on call": "pagerduty://x"},
            autoscaling_policy=AutoscalePolicy(
                queue="orders", rollout=RolloutPolicy(max_old_application_versions=2)
            ),
        ),
        "bank": DeclaredApp(),
    }


def test_every_setting_that_can_be_changed_can_be_declared_and_no_other() -> None:
    lists = {"alerting_rules", "notification_targets", "autoscaling_policy"}
    assert set(DeclaredApp.__struct_fields__) - lists == set(PatchAppInputBody.__struct_fields__)


def test_nothing_may_be_declared() -> None:
    assert read("[apps]") == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("apps = 5", {"apps": "expected tables"}),
        ("[[apps]]", {"apps": "expected tables"}),
        ("[apps]\nshop = 5", {"apps.shop": "expected a table: write [apps.shop]"}),
        (
            "[apps.shop]\ncolor = 'red'",
            {"apps.shop.color": "unknown; expected one of executor_timeout_secs, "},
        ),
        ("[apps.shop]\n'a b' = 1", {'apps.shop."a b"': "unknown"}),
        ("[apps.shop]\nexecutorTimeoutSecs = 5", {"apps.shop.executorTimeoutSecs": "unknown"}),
        (
            "[apps.shop]\nexecutor_timeout_secs = '60'\nprivate_mode = 1\nsnapshot_keep_days = 1.5",
            {
                "apps.shop.executor_timeout_secs": "expected whole number, got text",
                "apps.shop.private_mode": "expected true or false, got whole number",
                "apps.shop.snapshot_keep_days": "expected whole number, got number",
            },
        ),
        ("[apps.shop]\nexecutor_timeout_secs = 'off'", {"apps.shop.executor_timeout_secs": "expected"}),
        ("[apps.shop]\ngc_rows_threshold = 'none'", {"apps.shop.gc_rows_threshold": "expected"}),
        ("[apps.shop]\ngc_rows_threshold = nan", {"apps.shop.gc_rows_threshold": "expected"}),
        ("[apps.shop]\ngc_rows_threshold = 2026-01-01", {"apps.shop.gc_rows_threshold": "expected"}),
        (f"[apps.shop]\ngc_rows_threshold = {2**63}", {"apps.shop.gc_rows_threshold": "at most 64 bits"}),
        (f"[apps.shop]\ngc_rows_threshold = {'9' * 4_000}", {"apps.shop.gc_rows_threshold": "64 bits"}),
        ("[apps.shop]\nalerting_rules = 'all'", {"apps.shop.alerting_rules": "expected"}),
        ("[apps.shop.alerting_rules]\nrule_type = 'x'", {"apps.shop.alerting_rules": "expected list"}),
        ("[apps.shop]\nalerting_rules = ['all']", {"apps.shop.alerting_rules[0]": "expected a table"}),
        ("[[apps.shop.alerting_rules]]", {"apps.shop.alerting_rules[0].rule_type": "it is required"}),
        (
            "[[apps.shop.alerting_rules]]\nrule_type = 'x'\n"
            "[[apps.shop.alerting_rules]]\nrule_type = 5\nmetadata = {}",
            {
                "apps.shop.alerting_rules[1].metadata": "unknown; expected one of rule_type, rule_metadata, ",
                "apps.shop.alerting_rules[1].rule_type": "expected text, got whole number",
            },
        ),
        (
            "[[apps.shop.alerting_rules]]\nrule_type = 'x'\nrule_metadata = 5",
            {"apps.shop.alerting_rules[0].rule_metadata": "expected a table, such as"},
        ),
        (
            "[[apps.shop.alerting_rules]]\nrule_type = 'x'\n"
            f"rule_metadata = {{ a = true, b = [1], c = {2**64}, d = 1.5, e = 2026-01-01 }}",
            {
                f"apps.shop.alerting_rules[0].rule_metadata.{name}": message
                for name, message in {
                    "a": "expected",
                    "b": "expected",
                    "c": "64 bits",
                    "d": "expected",
                    "e": "expected",
                }.items()
            },
        ),
        (
            "[apps.shop]\nnotification_targets = ['a']",
            {"apps.shop.notification_targets": "expected object, got list"},
        ),
        (
            "[apps.shop.notification_targets]\nops = 5\n'a \"b\"' = ['x']",
            {
                "apps.shop.notification_targets.ops": "expected text",
                'apps.shop.notification_targets."a \\"b\\""': "expected text",
            },
        ),
        (
            "[apps.shop.autoscaling_policy]\nrollout = { max_old_application_versions = -1, old = 1 }",
            {
                "apps.shop.autoscaling_policy.queue": "it is required",
                "apps.shop.autoscaling_policy.rollout.max_old_application_versions": "expected",
                "apps.shop.autoscaling_policy.rollout.old": "unknown",
            },
        ),
    ],
)
def test_every_fault_is_located(text: str, expected: dict[str, str]) -> None:
    found = faults(text)
    assert found.keys() == expected.keys()
    for location, words in expected.items():
        assert words in found[location]


def test_an_address_may_stand_in_the_environment_and_is_never_repeated() -> None:
    text = f"""
    [apps.shop]
    color = "red"
    [apps.shop.notification_targets]
    plain = "slack://{SECRET}"
    set = "env:SET"
    unset = "env:UNSET"
    empty = "env:EMPTY"
    odd = "env:{SECRET} it is"
    nothing = "env:"
    """
    found = faults(text, SET=SECRET, EMPTY="")
    where = "apps.shop.notification_targets"
    assert found.keys() - {"apps.shop.color"} == {
        f"{where}.unset",
        f"{where}.empty",
        f"{where}.odd",
        f"{where}.nothing",
    }
    assert found[f"{where}.unset"] == "the environment variable UNSET is not set"
    declared = read(f"[apps.shop.notification_targets]\nplain = 'slack://{SECRET}'")
    assert SECRET not in repr(declared)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("body.apps.shop.executorTimeoutSecs", "apps.shop.executor_timeout_secs"),
        (
            "body.apps.shop.alertingRules[2].ruleMetadata.threshold",
            "apps.shop.alerting_rules[2].rule_metadata.threshold",
        ),
        (
            'body.apps.shop.notificationTargets."onCall \\"aB\\" now"',
            'apps.shop.notification_targets."onCall \\"aB\\" now"',
        ),
        ("body.apps.a1-b_2.gcRowsThreshold", "apps.a1-b_2.gc_rows_threshold"),
    ],
)
def test_what_the_server_refuses_is_located_in_the_file(location: str, expected: str) -> None:
    fault = in_file(FieldError(location=location, message="no", value="secret"))
    assert fault == FieldError(location=expected, message="no")


_NAMES = st.sampled_from([*DeclaredApp.__struct_fields__, "rule_type", "queue", "rollout"]) | st.text(
    max_size=5
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=string.printable) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=12,
)


@given(
    _VALUES | st.dictionaries(st.text(max_size=5), st.dictionaries(_NAMES, _VALUES, max_size=4), max_size=3)
)
def test_whatever_stands_there_is_read_or_refused(tables: Any) -> None:
    try:
        body = read_declaration("my.toml", tables, {})
    except ConfigurationError:
        return
    # What is accepted can be sent.
    assert msgspec.json.decode(msgspec.json.encode(body), type=type(body)) == body
