"""What a target may be called."""

import re
from typing import Annotated

from pydantic import AfterValidator

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")


def usable_name(value: str) -> str:
    """The name as it is given, or a ValueError that says what one may look like."""
    if not _NAME.fullmatch(value):
        raise ValueError(
            "must be 1 to 100 letters, digits or any of _ . : - and begin with a letter or digit"
        )
    return value


TargetName = Annotated[str, AfterValidator(usable_name)]
