"""What is told first of an error that an executor reports: what the exception says, not where it was."""

import pytest

from conductor_lite.errors import ExecutorReportedError
from conductor_lite.fleet.dispatch import raise_reported
from conductor_lite.protocol import CancelReply

TRACEBACK = """Could not do it: Traceback (most recent call last):
  File "a.py", line 1, in f
    g()
    ~^^
  File "b.py", line 2, in g
    raise E
"""


@pytest.mark.parametrize(
    ("report", "told"),
    [
        pytest.param("it is down", "it is down", id="one line"),
        pytest.param("first\nlast\n\n", "last", id="several lines"),
        pytest.param(TRACEBACK + "ValueError: bad\n", "ValueError: bad", id="a traceback"),
        pytest.param(
            TRACEBACK + "sqlalchemy.exc.IntegrityError: taken\n[SQL: INSERT]\n[parameters: ('secret',)]\n"
            "(Background on this error at: https://example.invalid)\n",
            "sqlalchemy.exc.IntegrityError: taken",
            id="an exception that goes on with the statement's parameters",
        ),
        pytest.param(
            f"{TRACEBACK}KeyError: 'a'\n\nDuring handling of the above exception, another exception "
            f"occurred:\n\n{TRACEBACK}ValueError: b\n",
            "ValueError: b",
            id="the last of two exceptions",
        ),
        pytest.param(TRACEBACK, "raise E", id="a traceback cut short"),
        pytest.param("\n", "The executor reported an error without a text.", id="nothing"),
    ],
)
def test_message_of_a_reported_error_is_what_the_exception_says(report: str, told: str) -> None:
    with pytest.raises(ExecutorReportedError) as caught:
        raise_reported(CancelReply(success=False, error_message=report))
    assert (str(caught.value), caught.value.report) == (told, report)
