"""A run at work, fresh for each test."""

from pathlib import Path

import pytest

from tests.doctor.given import Given, copied, given


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Given:
    return given(tmp_path_factory.mktemp("template"))


@pytest.fixture
def work(template: Given, tmp_path: Path) -> Given:
    return copied(template, tmp_path)
