"""Settings of the tests apply to the doctests in `src` too."""

pytest_plugins: list[str] = []
