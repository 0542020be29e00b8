"""Says how many tests ran on the real broker, and fails the run when they did not.

A test counts when it has the marker `kafka` and passed. The run fails when one of them was skipped, or when a run of
the whole suite holds none.
"""

from __future__ import annotations

import pytest

from sluice.local.jars import kafka_version

MARKER = "kafka"


class BrokerReport:
    """The plugin; one per run."""

    def __init__(self, config: pytest.Config) -> None:
        self._selected = set[str]()
        self._passed = set[str]()
        self._skipped = set[str]()
        self._whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not any(
            config.getoption(name, None) for name in ("keyword", "markexpr", "lf", "collectonly", "deselect")
        )

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._selected = {item.nodeid for item in session.items if item.get_closest_marker(MARKER)}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.nodeid not in self._selected:
            return
        if report.skipped:
            self._skipped.add(report.nodeid)
        elif report.when == "call" and report.passed:
            self._passed.add(report.nodeid)

    def _problem(self) -> str | None:
        if self._skipped:
            return f"{len(self._skipped)} tests for the real broker were skipped"
        if self._whole and not self._passed:
            return "no test ran on the real broker"
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if exitstatus == pytest.ExitCode.OK and self._problem():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        problem = self._problem()
        if problem:
            terminalreporter.write_line(f"FAILED: {problem}", red=True)
        if self._selected or self._whole:
            terminalreporter.write_line(f"{len(self._passed)} tests ran on Apache Kafka {_major_minor()}")


def _major_minor() -> str:
    return ".".join(kafka_version().split(".")[:2])


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(BrokerReport(config), "sluice-broker-report")
