"""Texts that others have written, made fit to be kept and shown."""

from __future__ import annotations

import re

MESSAGE = 500  # characters of a sentence that are kept
NAME = 128  # and of the name of anything

# C1, separators of lines, and what turns the direction of text; a lone surrogate stands
# for a byte that is no text. As pyrepl.clean_text has it.
_UNSEEN = "\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_STEERING = re.compile(f"[\u0000-\u0008\u000b-\u001f{_UNSEEN}]")
_SPACES = re.compile("[\t-\r ]+")
_NOT_ESCAPED = re.compile(f"[{_UNSEEN}]")
_INSTEAD = "\N{REPLACEMENT CHARACTER}"


def clean(text: str, most: int = MESSAGE) -> str:
    r"""Return a text of somebody else on one line, cut, without control characters.

    >>> clean("no\x1b]0;title\x07 such\n user")
    'no�]0;title� such user'
    >>> clean("x" * 600, 3)
    'xxx'
    """
    return _STEERING.sub(_INSTEAD, _SPACES.sub(" ", text[: 2 * most]))[:most]


def name(text: str) -> str:
    """Return the name of something as it may stand in a sentence."""
    return clean(text, NAME)


def printable(text: str) -> str:
    r"""Return lines without what steers a terminal: tabs and line ends may stay.

    >>> printable("one\x1b[2J\ntwo\u202e")
    'one�[2J\ntwo�'
    """
    return _STEERING.sub(_INSTEAD, text)


def escaped(json: str) -> str:
    r"""Return JSON with what steers a terminal written as JSON has it.

    >>> escaped('{"name": "\u202e"}')
    '{"name": "\\u202e"}'
    """
    return _NOT_ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json)
