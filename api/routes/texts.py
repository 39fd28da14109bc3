"""Text that a person or a pipeline sends: printed in terminals, pages and messages."""

from typing import Annotated

from pydantic import AfterValidator


def plain(value: str) -> str:
    """Text without control characters."""
    if not value.isprintable():
        raise ValueError("must not hold control characters")
    return value


Text = Annotated[str, AfterValidator(plain)]
