"""A record copied with changes: as pydantic does it, at a third of the cost."""

from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from registry.core.record import Record
from registry.core.run import Actor, Lease, Log, Paused


def _kinds(kind: type[Record] = Record) -> Iterator[type[Record]]:
    for known in kind.__subclasses__():
        yield known
        yield from _kinds(known)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("update", [None, {}, {"seconds": 5}, {"seconds": 5, "expires_at": None}])
def test_a_record_is_copied_as_pydantic_copies_models(update: dict[str, object] | None, deep: bool) -> None:
    lease = Lease(owner="anna", fence="1-abc")

    copied, expected = lease.model_copy(update=update, deep=deep), BaseModel.model_copy(lease, update=update, deep=deep)

    assert copied == expected
    assert type(copied) is Lease
    assert copied.__getstate__() == expected.__getstate__()
    assert lease == Lease(owner="anna", fence="1-abc")
    assert lease.model_fields_set == {"owner", "fence"}


def test_a_copy_shares_what_was_not_changed_unless_it_is_deep() -> None:
    paused = Paused(at="", actor=Actor(kind="operator", id="mira", via="cli"))

    assert paused.model_copy(update={"at": "now"}).actor is paused.actor
    assert paused.model_copy(deep=True).actor is not paused.actor


def test_a_copy_is_frozen_and_written_like_any_record() -> None:
    copied = Log(rev=1).model_copy(update={"seq": 2})

    assert copied.model_dump(exclude_unset=True) == {"rev": 1, "seq": 2}
    with pytest.raises(ValueError, match="frozen"):
        copied.rev = 3  # type: ignore[misc]


def test_no_record_has_fields_that_a_copy_would_leave_behind() -> None:
    assert all(not kind.__private_attributes__ and kind.model_config["extra"] == "forbid" for kind in _kinds())
