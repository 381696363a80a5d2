"""The registry: one way to change a run, one way to read it."""

from .storage.port import Store


class Registry:
    """Placeholder surface, grows below."""

    def __init__(self, store: Store) -> None:
        self.store = store
