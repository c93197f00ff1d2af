import dataclasses

import pytest

from ampose_tf.config import fields


@dataclasses.dataclass
class Section:
    colour: str = fields.choice("red", "green", "blue")


def test_the_first_choice_is_the_default():
    assert Section().colour == "red"
    for colour in ("red", "green", "blue"):
        fields.check_section(Section(colour))
    with pytest.raises(ValueError) as caught:
        fields.check_section(Section("grey"), "it.")
    assert str(caught.value) == (
        "it.colour: expected one of red, green, blue, got 'grey'"
    )
