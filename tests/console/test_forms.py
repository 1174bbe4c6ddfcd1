"""What a url-encoded form says, whatever its size."""

from urllib.parse import parse_qsl, urlencode

import pytest

from conductor_lite.console import forms

TEXTS = (
    b"",
    b"a=1&b=2&a=3",
    b"a&b=&=c&&&d=x=y",
    b"a=%2B+%20+&%C3%BC=%E2%82%AC%F0%9F%98%80",
    b"a=%&b=%4&c=%zz&d=%%41&e=%4%31",
    urlencode({"text": "a+b/c=%41 \u00fc\u20ac\U0001f600\r\n" * 7, "file": "x" * 50}).encode(),
)


@pytest.mark.parametrize("piece_size", [3, 4, 5, 7, 16, 1_000])
@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_form_is_read_piece_by_piece_as_in_one(
    text: bytes, piece_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "PIECE_SIZE", piece_size)
    expected = parse_qsl(text.decode(), keep_blank_values=True, errors="strict")
    assert forms._fields(bytearray(text)) == expected


@pytest.mark.parametrize("text", [b"a=%ff", b"a=%C3", "a=\u00fc".encode()])
def test_a_form_that_is_no_text_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"decode|ASCII"):
        forms._fields(bytearray(text))
