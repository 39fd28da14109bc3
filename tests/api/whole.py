"""A house with something on every page: the shop, its browsers, its caches and its machines."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from api.house import House
from collector.config import CollectorConfig
from tests.api import browsers, machines
from tests.api.shop import shop_house

COLLECTOR = CollectorConfig.model_validate({**browsers.COLLECTOR, **machines.COLLECTOR})


def whole_house(
    directory: Path, now: Callable[[], datetime] | None = None, **sections: Any
) -> House:
    """The house, some seconds of work; close it with `tests.api.shop.close`."""
    house = shop_house(directory, now, **{"collector": COLLECTOR, **sections})
    browsers.fill(house)
    machines.fill(house)
    return house
