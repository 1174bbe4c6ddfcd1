"""Hypothesis against the codec: from whatever a socket brings, only ``ProtocolError`` comes out."""

import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conductor_lite import protocol
from conductor_lite.errors import ProtocolError
from conductor_lite.protocol import (
    REQUEST_TYPES,
    Reply,
    decode_reply,
    decode_request,
    encode,
    encode_reply,
    encode_unknown_message,
    read_envelope,
)
from conductor_lite.protocol.codec import _read_leniently
from conductor_lite.protocol.lenient import without_lone_surrogates

SECRET = "xyzzy-7f3a"

REPLIES = [getattr(protocol, f"{kind.__name__}Reply") for kind in REQUEST_TYPES.values()]
RECORDED = [
    message
    for path in sorted((Path(__file__).parent / "fixtures").glob("*.json"))
    for pairs in json.loads(path.read_text())["pairs"].values()
    for pair in pairs
    for message in (pair["request"], pair["reply"])
]

fuzz = settings(
    deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

odd_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**17, max_value=10**40),
    st.floats(),
    st.text(),
    st.sampled_from(
        ["null", "1e999", "nan", "Infinity", "-0", "0x10", "1_000", "\ud800", "\x00", SECRET, "9" * 5000]
    ),
)
json_values = st.recursive(
    odd_values,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def read_by_everything(frame: str | bytes, kinds: list[type[Reply]]) -> None:
    """Reads the frame in every public way; what can be read must be writable and read back the same."""
    for read in (read_envelope, decode_request):
        try:
            found = read(frame)
        except ProtocolError as error:
            assert_clean(error)
            continue
        if isinstance(found, tuple):
            assert decode_request(encode(*found)) == found
        else:
            assert read_envelope(encode_unknown_message(found)).request_id == found.request_id
    for kind in kinds:
        try:
            reply = decode_reply(kind, frame)
        except ProtocolError as error:
            assert_clean(error)
        else:
            # Compared as text: NaN is not equal to itself.
            written = encode_reply(reply, "1")
            assert encode_reply(decode_reply(kind, written), "1") == written


def assert_clean(error: ProtocolError) -> None:
    assert SECRET not in str(error)
    assert len(str(error)) < 400
    assert error.__context__ is None


@fuzz
@given(st.binary(max_size=200) | st.text(max_size=200), st.sampled_from(REPLIES))
def test_bytes_and_text_from_a_socket_are_read_or_refused(frame, kind):
    read_by_everything(frame, [kind])


@fuzz
@given(json_values, st.sampled_from(REPLIES))
def test_any_json_is_read_or_refused(value, kind):
    read_by_everything(json.dumps(value), [kind])


@st.composite
def mutated(draw):
    """A recorded message in which a few values have become something else, or are gone."""
    message = json.loads(json.dumps(draw(st.sampled_from(RECORDED))))
    for _ in range(draw(st.integers(min_value=1, max_value=3))):
        place = message
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            inner = place[key]
            if isinstance(inner, dict | list) and inner and draw(st.booleans()):
                place = inner
                continue
            if draw(st.booleans()):
                place[key] = draw(json_values)
            else:
                del place[key]
            break
    return message


@fuzz
@given(mutated(), st.data())
def test_a_recorded_message_gone_wrong_is_read_or_refused(message, data):
    own = [kind for kind in REPLIES if protocol.message_type(kind) == message.get("type")]
    read_by_everything(json.dumps(message), own or [data.draw(st.sampled_from(REPLIES))])


@fuzz
@given(st.sampled_from(RECORDED), st.data())
def test_a_frame_with_bytes_damaged_is_read_or_refused(message, data):
    frame = bytearray(json.dumps(message).encode())
    for _ in range(data.draw(st.integers(min_value=1, max_value=4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(frame)))
    read_by_everything(bytes(frame[:cut] if data.draw(st.booleans()) else frame), REPLIES[:1])


@fuzz
@given(mutated())
def test_the_second_look_sees_what_the_first_saw(message):
    frame = json.dumps(message)
    for kind in REPLIES:
        if protocol.message_type(kind) != message.get("type"):
            continue
        try:
            first = decode_reply(kind, frame)
        except ProtocolError:
            continue
        assert encode_reply(_read_leniently(kind, frame), "1") == encode_reply(first, "1")


@fuzz
@given(
    st.lists(
        st.sampled_from(["\\", "\ud83d", "\ude00", "a", "\n", '"', "ud83d", "\u00e9", "😀"]), max_size=12
    )
)
def test_mending_surrogates_leaves_all_other_text_alone(parts):
    text = "".join(parts)
    # json.loads joins halves that happen to stand side by side, and keeps those that are alone.
    expected = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in json.loads(json.dumps(text)))
    assert json.loads(without_lone_surrogates(json.dumps(text))) == expected
