"""What a job reports, kept for tests, and a stop that is asked for at a moment of its course."""

from __future__ import annotations

from dataclasses import dataclass, field

from vinn_core.progress import JobEvent, Message, ProbeMeasured, StageProgress, StopRequest, TrainingMetrics


@dataclass
class JobLog:
    """Keeps the events; `stop` is set at step `stop_at`, or when the probe of epoch `stop_at_probe` is told."""

    stop_at: int | None = None
    stop_at_probe: float | None = None
    events: list[JobEvent] = field(default_factory=list)
    stop: StopRequest = field(default_factory=StopRequest)

    def __call__(self, event: JobEvent) -> None:
        self.events.append(event)
        if isinstance(event, TrainingMetrics) and event.step == self.stop_at:
            self.stop.set()
        if isinstance(event, ProbeMeasured) and event.epoch == self.stop_at_probe:
            self.stop.set()

    @property
    def metrics(self) -> list[TrainingMetrics]:
        return [event for event in self.events if isinstance(event, TrainingMetrics)]

    @property
    def progress(self) -> list[StageProgress]:
        return [event for event in self.events if isinstance(event, StageProgress)]

    @property
    def probes(self) -> list[ProbeMeasured]:
        return [event for event in self.events if isinstance(event, ProbeMeasured)]

    @property
    def sentences(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Message)]
