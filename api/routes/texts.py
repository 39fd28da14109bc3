"""Text that a person or a pipeline sends, and names that are asked for: bounded and readable."""

from typing import Annotated

from fastapi import Path
from pydantic import Field, WithJsonSchema

from api.letters import CURSOR, LENGTH, PLAIN, WORDS
from storage.duration import Seconds

MOST_NAME = 200

Text = Annotated[str, Field(pattern=PLAIN)]
"""May be empty; its greatest length is said where it is used."""

Words = Annotated[str, Field(pattern=WORDS)]
"""Never empty, nor blank."""

Name = Annotated[str, Field(max_length=MOST_NAME, pattern=PLAIN)]
"""What something is called by which an answer is narrowed."""

Id = Annotated[str, Path(min_length=1, max_length=MOST_NAME, pattern=PLAIN)]
"""A part of a path: an id or a name."""

Cursor = Annotated[str, Field(max_length=MOST_NAME, pattern=CURSOR)]
"""Where a page ended. Opaque to callers."""

Length = Annotated[
    Seconds,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": LENGTH, "examples": ["4h", "1h30m"]},
                {"type": "number", "minimum": 0.001, "maximum": 9_999_999_999},
            ],
            "description": "A length of time: text such as `4h`, or seconds.",
        }
    ),
]
"""A length of time."""
