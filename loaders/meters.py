"""What a running program tells of itself: Prometheus metrics of the receiver, the log and loads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from loaders.logs import event

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FAST = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_SLOW = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 120.0)


class Meters:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.notifications = Counter(
            "mdash_notifications", "Messages received, by what was made of them.",
            ["channel", "verdict"], registry=self.registry,
        )
        self.answer_s = Histogram(
            "mdash_notification_answer_seconds", "From a message's first byte to its answer.",
            ["channel"], buckets=_FAST, registry=self.registry,
        )
        self.sync_s = Histogram(
            "mdash_log_sync_seconds", "Writing a group of lines to disk.",
            buckets=_FAST, registry=self.registry,
        )
        self.lines = Counter(
            "mdash_log_lines", "Lines written to the durable log.", registry=self.registry
        )
        self.loads = Counter(
            "mdash_loads", "Loads of the durable log into the store, by result.",
            ["result"], registry=self.registry,
        )
        self.load_s = Histogram(
            "mdash_load_seconds", "Loading new lines into the store.",
            buckets=_SLOW, registry=self.registry,
        )

    def synced(self, seconds: float, lines: int) -> None:
        """A group of lines is on disk."""
        self.sync_s.observe(seconds)
        self.lines.inc(lines)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A value that is read when it is asked for."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def watermarks(self, read: Callable[[], Mapping[str, datetime]]) -> None:
        """For each source, the instant up to which the store speaks; read when asked for."""
        self.registry.register(_Watermarks(read))

    def calls(self, read: Callable[[], Mapping[tuple[str, str, str], int]]) -> None:
        """Calls to channels by channel, method and outcome; read when asked for."""
        self.registry.register(_Calls(read))

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class _Calls(Collector):
    """What channels were asked, and how they answered."""

    def __init__(self, read: Callable[[], Mapping[tuple[str, str, str], int]]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        """Nothing is read until the first scrape."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """One sample for each channel, method and outcome met so far."""
        family = CounterMetricFamily(
            "mdash_channel_calls", "Calls to a channel, by what was made of the answer.",
            labels=["channel", "method", "outcome"],
        )
        for labels, count in sorted(self._read().items()):
            family.add_metric(labels, count)
        yield family


class _Watermarks(Collector):
    """Freshness of each source ever loaded."""

    def __init__(self, read: Callable[[], Mapping[str, datetime]]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        """Nothing is read until the first scrape."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """One sample a source."""
        family = GaugeMetricFamily(
            "mdash_source_watermark_timestamp_seconds",
            "The instant up to which a source speaks.", labels=["source"],
        )
        try:
            marks = self._read()
        except Exception as error:
            event("freshness unknown", logging.ERROR, error=error)
            return
        for source, mark in marks.items():
            family.add_metric([source], mark.replace(tzinfo=UTC).timestamp())
        yield family
