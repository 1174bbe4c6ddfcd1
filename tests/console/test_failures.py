"""Errors of every SDK taken apart: kind, message, frames, and the errors behind them."""

import json
import time
import traceback

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conductor_lite.console.payloads.failures import Failure, Frame, read_failure

JAVA = """java.lang.IllegalStateException: out of stock
\tat shop.App$Impl.charge(App.java:12)
\tat java.base/java.lang.Thread.run(Thread.java:840)
\tat shop.Native.call(Native Method)
Caused by: java.io.IOException: disk
is full
\tat shop.Disk.write(Disk.java:3)
\t... 12 more"""

GO = """panic: boom

goroutine 1 [running]:
main.charge(0x1, {0x2, 0x3})
\t/app/main.go:12 +0x1d
runtime.main()
\t/usr/local/go/src/runtime/proc.go:283 +0x20
exit status 2"""

TYPESCRIPT = json.dumps(
    {
        "name": "AxiosError",
        "message": "timeout",
        "stack": "AxiosError: timeout\n    at charge (file:///app/main.js:12:9)\n"
        "    at async file:///app/x.js:3:4\n"
        "    at run (node:async_hooks:346:14)\n    at new Foo (/app/node_modules/x/y.js:1:2)\n"
        "    at <anonymous>",
        "code": "ECONNABORTED",
        "cause": {
            "name": "Error",
            "message": "inner",
            "stack": "Error: inner\n    at f (a.js:1:2)",
            "cause": "no route",
        },
    }
)


class OutOfStockError(Exception):
    """What the tests raise."""


def _python_traceback() -> str:
    try:
        try:
            {}["box"]
        except KeyError as error:
            raise OutOfStockError("no box\nnone: at all") from error
    except OutOfStockError:
        return traceback.format_exc()


@pytest.mark.parametrize(
    ("text", "type_name", "message"),
    [
        ("card declined", "", "card declined"),
        ("DBOS Error 7: Step ship has exceeded its maximum of 3 retries", "", None),
        ("ValueError: bad", "ValueError", "bad"),
        ("java.lang.IllegalStateException: out of stock", "java.lang.IllegalStateException", "out of stock"),
        ("KeyError", "KeyError", ""),
        ("Note: this is no type", "", None),
        ('"declined"', "", "declined"),
        ('{"reason": "declined"}', "", None),
        ("{'message': 'declined'}", "", None),
        ("", "", ""),
        ('{"name": "Error", "message": ""}', "Error", ""),
        ('{"name": null, "message": "m", "stack": 7}', "", "m"),
    ],
)
def test_message_is_told_apart_from_its_type(text: str, type_name: str, message: str | None) -> None:
    failure = read_failure(text)
    assert (failure.type_name, failure.message) == (type_name, text if message is None else message)
    assert failure.frames == ()


def test_traceback_of_python_has_its_frames_code_and_cause() -> None:
    failure = read_failure(_python_traceback())
    assert (failure.type_name, failure.message) == (f"{__name__}.OutOfStockError", "no box\nnone: at all")
    (frame,) = failure.frames
    assert (frame.function, frame.file, frame.library) == ("_python_traceback", __file__, False)
    assert frame.source == 'raise OutOfStockError("no box\\nnone: at all") from error'
    assert frame.line > 0
    assert failure.stack.startswith("Traceback (most recent call last):\n  File ")
    (cause,) = failure.causes
    assert (cause.type_name, cause.message) == ("KeyError", "'box'")
    assert [frame.source for frame in cause.frames] == ['{}["box"]']


def test_words_before_a_traceback_are_part_of_the_message() -> None:
    failure = read_failure(f"Failed to fork:\n{_python_traceback()}")
    # They stand before the first of the errors, which is the cause.
    assert failure.causes[0].message == "Failed to fork:\nKeyError: 'box'"


def test_error_of_typescript_has_frames_details_and_causes() -> None:
    failure = read_failure(TYPESCRIPT)
    assert (failure.type_name, failure.message) == ("AxiosError", "timeout")
    assert [(f.function, f.file, f.line, f.library) for f in failure.frames] == [
        ("charge", "file:///app/main.js", 12, False),
        ("", "file:///app/x.js", 3, False),
        ("run", "node:async_hooks", 346, True),
        ("new Foo", "/app/node_modules/x/y.js", 1, True),
        ("<anonymous>", "", 0, False),
    ]
    assert failure.details == (("code", '"ECONNABORTED"'),)
    assert [(cause.type_name, cause.message) for cause in failure.causes] == [
        ("Error", "inner"),
        ("", "no route"),
    ]


def test_error_of_java_has_frames_and_causes() -> None:
    failure = read_failure(JAVA)
    assert (failure.type_name, failure.message) == ("java.lang.IllegalStateException", "out of stock")
    assert [(f.function, f.file, f.line, f.library) for f in failure.frames] == [
        ("shop.App$Impl.charge", "App.java", 12, False),
        ("java.base/java.lang.Thread.run", "Thread.java", 840, True),
        ("shop.Native.call", "Native Method", 0, False),
    ]
    (cause,) = failure.causes
    assert (cause.type_name, cause.message) == ("java.io.IOException", "disk\nis full")
    assert cause.stack.splitlines()[-1] == "\t... 12 more"


def test_panic_of_go_has_frames() -> None:
    failure = read_failure(GO)
    assert failure.message == "panic: boom"
    assert [(f.function, f.file, f.line, f.library) for f in failure.frames] == [
        ("main.charge", "/app/main.go", 12, False),
        ("runtime.main", "/usr/local/go/src/runtime/proc.go", 283, True),
    ]


def test_python_frames_of_libraries_are_told() -> None:
    text = (
        "Traceback (most recent call last):\n"
        '  File "/app/.venv/lib/python3.11/site-packages/dbos/_core.py", line 5, in run\n'
        "    return f()\n           ^^^\n"
        '  File "/app/shop.py", line 7, in charge\n'
        "  [Previous line repeated 3 more times]\n"
        "shop.Declined: no"
    )
    failure = read_failure(text)
    assert [(f.function, f.source, f.library) for f in failure.frames] == [
        ("run", "return f()", True),
        ("charge", "", False),
        ("", "", False),
    ]
    assert failure.frames[-1].text == "[Previous line repeated 3 more times]"
    assert (failure.type_name, failure.message) == ("shop.Declined", "no")


def test_half_characters_are_not_sent_on() -> None:
    failure = read_failure(
        '{"name": "E", "message": "\\ud800", "stack": "E\\n    at \\ud800 (x.js:1:2)", "k": "\\ud800"}'
    )
    msgspec.json.encode(failure).decode()
    assert failure.message == "?"


pieces = st.sampled_from(
    [
        "Traceback (most recent call last):\n",
        '  File "x.py", line 1, in f\n',
        "    at f (a.js:1:2)\n",
        "\tat a.b(C.java:1)\n",
        "Caused by: E: x\n",
        "\nDuring handling of the above exception, another exception occurred:\n\n",
        "goroutine 1 [running]:\n",
        "\t/x.go:1 +0x1\n",
        "ValueError: x\n",
        "(",
        ")",
        ":1",
        " ",
        "\n",
        "\ud800",
        "x",
        '"',
        "{",
    ]
)


@given(
    st.one_of(
        st.text(), st.lists(pieces, max_size=20).map("".join), st.just(TYPESCRIPT).map(lambda t: t[:-1])
    )
)
@settings(deadline=None, max_examples=300)
def test_no_text_makes_it_fail(text: str) -> None:
    msgspec.json.encode(read_failure(text))


@pytest.mark.parametrize(
    "text",
    [
        "E: x" + "\n    at f (a.js:1:2)" * 20_000,
        "E: x\n    at " + "(" * 400_000,
        "E: x\n    at " + ":1" * 200_000,
        "Traceback (most recent call last):\n" + '  File "x.py", line 1, in f\n    x\n' * 12_000,
        "Caused by: x\n" * 30_000,
        "a." * 200_000,
        '{"message": "x", "cause": ' * 15_000,
        json.dumps({"message": "m", "stack": "    at x (" * 40_000}),
    ],
    ids=range(8),
)
def test_long_errors_are_quick_to_read(text: str) -> None:
    began = time.process_time()
    failure = read_failure(text)
    # Measured below 0.1 s.
    assert time.process_time() - began < 2
    assert len(failure.frames) <= 500


def test_error_too_long_to_read_is_its_own_message() -> None:
    text = "E: x\n    at f (a.js:1:2)" + "x" * 500_000
    assert read_failure(text) == Failure(message=text)


def test_frame_keeps_its_line() -> None:
    (frame,) = read_failure("E: x\n    at f (a.js:1:2)").frames
    assert frame == Frame(text="at f (a.js:1:2)", function="f", file="a.js", line=1)
