"""What every screen is drawn with: the app as imported, and the shop whose books are broken."""

from __future__ import annotations

import pytest

from tests.reconciliation.conftest import broken, broken_home  # noqa: F401
from tests.screens.test_screens import draw


@pytest.fixture(scope="session", autouse=True)
def _app_is_imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The app draws a page when it is first imported; it is to be an empty one."""
    with pytest.MonkeyPatch.context() as patch:
        draw(tmp_path_factory.mktemp("empty") / "nothing", "data", patch)
