"""A small town of restaurants, and dialogues in it."""

from __future__ import annotations

from pathlib import Path

from bertworks.dialogue.answers import Answers, Templates
from bertworks.dialogue.domain import Domain
from bertworks.dialogue.knowledge import Knowledge, read

DOMAIN = Domain(
    "name", ("food", "area", "pricerange"), ("address", "phone", "postcode"), "restaurant"
)
FILE = Path(__file__).with_name("restaurants.csv")
TOWN: Knowledge = read(FILE, DOMAIN)
TEMPLATES = {
    "offer.area.food.pricerange": ["{name} is a {pricerange} {food} restaurant ({area})."],
    "offer.food": ["{name} serves {food} food.", "There is {name}, with {food} food."],
    "fact.phone": ["You can call {phone}."],
    "confirm.food": ["{value} food, is that right?"],
}
ANSWERS = Answers(
    Templates(TEMPLATES, DOMAIN, TOWN), DOMAIN, {"pricerange": "price range", "phone": "number"}
)


class Still:
    """A knowledge base that does not change."""

    fault = ""

    def now(self) -> Knowledge:
        return TOWN
