"""An address becomes bytes in a sink: attempts, resume, patience, and when to give up.

Each attempt asks for the rest of the file (``Range`` with ``If-Range``) if the server named the
version it began to send, and otherwise for all of it. What an attempt brings is kept only if it
provably continues the same version; the hash of the whole decides at the end. Nothing here knows
the cache: the sink is a temporary file which its owner removes unless all went well.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sensorium.errors import DownloadError, HubError, IntegrityError, RateLimitError

from . import replies, sniff
from .expect import Expect
from .progress import Bar
from .replies import Sink, Version
from .sources import Address, redact
from .transport import Broken, Policy, Reply, open_url


@dataclass(slots=True)
class _Job:
    """One file on its way."""

    address: Address
    sink: Sink
    expect: Expect
    name: str
    policy: Policy
    report: Bar
    end: float  # on the policy's clock
    version: Version = field(default_factory=Version)

    def progress(self) -> str:
        total = "an unknown number of" if self.version.total is None else self.version.total
        return f"{self.sink.count} of {total} bytes"


def download(
    address: Address, sink: Sink, expect: Expect, *, name: str, policy: Policy, report: Bar
) -> None:
    """Fill ``sink`` with the file at ``address``, whole and matching ``expect``.

    A download that is whole but wrong is repeated from the start once; a second one is an
    ``IntegrityError``. Others: ``DownloadError``, ``NotFoundError``, ``AuthError``,
    ``RateLimitError``, and what the sink raises when the disk is full.
    """
    end = policy.clock() + max(policy.deadline, (expect.size or 0) / 64_000)
    job = _Job(address, sink, expect, name, policy, report, end)
    for is_last in (False, True):
        _transfer(job)
        problem = _judge(job)
        if problem is None:
            return
        if is_last:
            raise IntegrityError(f"{problem}; downloaded twice, nothing was kept")
        sink.restart()


def _judge(job: _Job) -> str | None:
    """What is wrong with a complete body, or None."""
    what = redact(job.address.url)
    problem = job.expect.problem(job.sink, what)
    if problem is None and not job.expect.known and not job.version.delimited:
        return f"{what}: neither length nor hash says whether {job.sink.count} bytes are all of it"
    return problem


def _transfer(job: _Job) -> None:
    """Attempts until the body is complete; the sink then holds one version of the file."""
    failures = 0
    while True:
        before = job.sink.count
        try:
            with open_url(job.address, _range(job), job.policy) as reply:
                wait = replies.retry_after(reply, job.policy.wall())
                if reply.status not in replies.RETRY:
                    job.version = replies.accept(reply, job.sink, job.version, job.expect)
                    return _copy(job, reply)
                problem = f"{reply.url}: status {reply.status}"
        except Broken as error:
            wait, problem = None, str(error)
        failures = 0 if job.sink.count - before >= job.policy.progress else failures + 1
        if failures >= job.policy.attempts:
            raise _give_up(job, problem)
        _pause(job, failures, wait, problem)


def _range(job: _Job) -> dict[str, str]:
    """The headers that ask for the rest of the same version, or for everything."""
    if job.sink.count and job.version.validator:
        return {"Range": f"bytes={job.sink.count}-", "If-Range": job.version.validator}
    if job.sink.count:
        job.sink.restart()
    return {}


def _copy(job: _Job, reply: Reply) -> None:
    """The body into the sink, until it is complete; ``Broken`` when it is cut or stalls."""
    pace = _Pace(job)
    looked = job.sink.count >= sniff.HEAD
    while data := reply.read():
        job.sink.write(data)
        _check_overrun(job, reply)
        if not looked and job.sink.count >= sniff.HEAD:
            looked = True
            _look(job, reply)
        job.report(job.sink.count, job.version.total)
        pace.check(job, reply)
    if job.version.total is not None and job.sink.count < job.version.total:
        raise Broken(f"{reply.url}: connection closed early")
    if not job.sink.count:
        raise Broken(f"{reply.url}: the server sent an empty file")
    _look(job, reply)


class _Pace:
    """The total deadline and the lowest speed, looked at after every read."""

    def __init__(self, job: _Job) -> None:
        self.since, self.mark = job.policy.clock(), job.sink.count

    def check(self, job: _Job, reply: Reply) -> None:
        now, policy = job.policy.clock(), job.policy
        if now > job.end:
            raise DownloadError(f"{reply.url}: deadline passed after {job.progress()}")
        elapsed = now - self.since
        if elapsed < policy.low_speed_time:
            return
        if job.sink.count - self.mark < policy.low_speed * elapsed:
            raise Broken(f"{reply.url}: slower than {policy.low_speed:g} bytes per second")
        self.since, self.mark = now, job.sink.count


def _check_overrun(job: _Job, reply: Reply) -> None:
    limits = [size for size in (job.version.total, job.expect.size) if size is not None]
    if limits and job.sink.count > min(limits):
        raise IntegrityError(
            f"{reply.url}: more than the {min(limits)} bytes expected; nothing was kept"
        )


def _look(job: _Job, reply: Reply) -> None:
    wrong = sniff.wrong_content(job.sink.head(), reply.header("content-type"), job.name)
    if wrong:
        raise DownloadError(f"{reply.url}: expected {job.name}, got {wrong}; proxy or login page?")


# -- patience ------------------------------------------------------------------------------------
def _pause(job: _Job, failures: int, wait: float | None, problem: str) -> None:
    """Sleep before the next attempt: exponential with jitter, or as long as the server asks."""
    policy = job.policy
    if wait is not None and wait > policy.retry_after_cap:
        raise RateLimitError(
            f"{problem}; the server asks to wait {wait:.0f} s, more than the "
            f"{policy.retry_after_cap:.0f} s that are waited for; try again later"
        )
    exponent = min(max(failures - 1, 0), 16)
    backoff = min(policy.backoff_cap, policy.backoff * 2.0**exponent)
    seconds = max(backoff * (0.5 + policy.rng() / 2), wait or 0.0)
    if policy.clock() + seconds > job.end:
        raise DownloadError(f"{problem}; the deadline leaves no time for another attempt")
    policy.sleep(seconds)


def _give_up(job: _Job, problem: str) -> HubError:
    text = f"{problem}; got {job.progress()}; {job.policy.attempts} attempts"
    if problem.endswith("status 429"):
        return RateLimitError(f"{text}; the server limits requests, try again later")
    return DownloadError(f"{text}. Check the network, or set SENSORIUM_MIRROR")
