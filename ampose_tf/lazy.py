"""Public names of packages, imported on first use (PEP 562).

if TYPE_CHECKING:
    from ampose_tf.lifting.lifter import Lifter
else:
    __getattr__, __dir__ = lazy.names(
        __name__, {"Lifter": "ampose_tf.lifting.lifter:Lifter"}
    )

__all__ = ["Lifter"]
"""

import pkgutil
import sys
from collections.abc import Callable, Mapping


def names(
    package: str, places: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Returns `__getattr__` and `__dir__` of a package with lazy names.

    Args:
        package: `__name__` of the package.
        places: `"module:attribute"` of each public name, or `"module:"` for
            the module itself.
    """

    def getattr_(name):
        if name not in places:
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}", name=name
            )
        return pkgutil.resolve_name(places[name])

    def dir_():
        return sorted({*vars(sys.modules[package]), *places})

    return getattr_, dir_
