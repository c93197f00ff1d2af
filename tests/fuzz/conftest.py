from tests.lifting.conftest import deaf_model, seeing_model

__all__ = ["deaf_model", "seeing_model"]
