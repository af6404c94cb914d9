"""The xDS client: what assembly subscribes to, over whichever streams and files that takes.

Here: which subscription goes over which stream, responses into stores, deadlines, the status for the admin endpoint.
Not here: protocols (sotw, delta), one stream (ads_stream), one file (filesystem), what waits for what (warming).
Everything runs in one event loop.  Names follow what was learnt: the caller sets them after each update.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.observe.stats import Scope
from dataplane.xds.filesystem import FileFeed, ParseFile
from dataplane.xds.inotify import DirectoryWatcher
from dataplane.xds.journal import Journal, Journaled, JournaledResource
from dataplane.xds.messages import Decoder, Response
from dataplane.xds.source import AdsSource, ApiSource, PathSource, Source, XdsConfig
from dataplane.xds.status import StreamStatus, TypeStatus
from dataplane.xds.stream_feed import StreamFeed
from dataplane.xds.subscription import STAR
from dataplane.xds.subscription_stats import ScopeOf, SubscriptionStats
from dataplane.xds.types import ADS_DELTA, ADS_STREAM, resource_type
from dataplane.xds.watch import Names, Update, Watch

log = logging.getLogger("config")

# How long the loop may be kept from traffic while resources are decoded.
SLICE = 0.002

Feed = StreamFeed | FileFeed


class Clock(Protocol):
    """now: monotonic seconds.  wall: calendar seconds."""

    def now(self) -> float: ...

    def wall(self) -> float: ...


class UpdateListener(Protocol):
    """Who owns the configuration.  Called in the event loop; may subscribe and set names from within."""

    def on_update(self, type_url: str, changed: Mapping[str, object], removed: Collection[str], version_info: str) -> None:
        """Resources were accepted or removed; all of one response at once."""

    def on_settled(self, type_url: str, name: str | None) -> None:
        """The first answer came, or its time is up.  name: None for a wildcard subscription."""


class XdsClient:
    """Made, started and used inside one running event loop.

    stats: where the aggregated stream's stats go, as `control_plane.connected_state`.
    parse_file: makes a serialized DiscoveryResponse of a file.
    journal: what to begin with until a server has spoken."""

    def __init__(
        self,
        config: XdsConfig,
        decoder: Decoder,
        listener: UpdateListener,
        clock: Clock,
        stats: Scope,
        *,
        parse_file: ParseFile | None = None,
        jitter: Callable[[], float] = random.random,
        journal: Journal | None = None,
    ) -> None:
        self._config = config
        self.decoder = decoder
        self._listener = listener
        self._clock = clock
        self._stats = stats
        self._parse_file = parse_file
        self._jitter = jitter
        # What an earlier process had, until a server speaks of the type.
        self._recalled = dict(journal.resources) if journal is not None else {}
        self._journal_in_use = stats.gauge("pointsman.journal.in_use")
        self._watches: dict[tuple[str, Source], Watch] = {}
        self._feeds: dict[tuple[str, Source], Feed] = {}
        self._ads: StreamFeed | None = None
        self._watcher: DirectoryWatcher | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._running = False

    def start(self) -> None:
        """Open the streams and read the files; what is subscribed to later starts at once."""
        assert not self._running, "started twice"
        self._running = True
        if self._config.ads is not None:
            self._aggregated().start()
        for feed in self._feeds.values():
            if feed is not self._ads:
                feed.start()
        self._arm()

    async def stop(self) -> None:
        """Close everything.  What was accepted stays with the listener."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
        for feed in {id(feed): feed for feed in (self._ads, *self._feeds.values()) if feed is not None}.values():
            await feed.stop()
        if self._watcher is not None:
            self._watcher.close()

    def subscribe(
        self, type_url: str, source: Source, names: Names, scope_of: ScopeOf, initial_fetch_timeout: float = 15.0
    ) -> None:
        """Begin to want *names* (or WILDCARD) of a type from a source; once for each pair of type and source.

        scope_of: the scope of a name's statistics; `*` stands for the wildcard.
        initial_fetch_timeout: seconds, 0 waits for ever; for names that do not bring their own.
        Raises ConfigError for a source that cannot be used.
        """
        key = (type_url, source)
        assert key not in self._watches, "subscribed already: use set_names"
        kind = resource_type(type_url)
        full_state = kind.full_state and self._speaks_sotw(source)
        stats = SubscriptionStats(scope_of, is_file=isinstance(source, PathSource))
        watch = Watch(kind, source, initial_fetch_timeout, stats, full_state=full_state)
        watch.replace(names, self._clock.now())
        feed = self._feed_for(watch)
        self._watches[key] = watch
        self._feeds[key] = feed
        if self._running and feed is not self._ads:
            feed.start()
        self._recall(watch)
        self._arm()

    def set_names(self, type_url: str, source: Source, names: Names) -> None:
        """Want exactly *names* from now on.  Values of names that are no longer wanted are forgotten without a word."""
        key = (type_url, source)
        watch = self._watches[key]
        change, update = watch.replace(names, self._clock.now())
        if not change:
            return
        self._feeds[key].changed()
        self._announce(watch, update, watch.version_info)
        self._recall(watch)
        self._arm()

    def journaled(self) -> Journaled:
        """What servers have said and is accepted, or was recalled and still stands.  Files need no journal."""
        found: dict[str, list[JournaledResource]] = {}
        for watch in self._watches.values():
            if watch.has_answer and not isinstance(watch.source, PathSource):
                found.setdefault(watch.kind.url, []).extend(watch.journaled())
        return found

    def status(self) -> tuple[TypeStatus, ...]:
        return tuple(watch.status() for watch in self._watches.values())

    def streams(self) -> tuple[StreamStatus, ...]:
        feeds = {id(feed): feed for feed in (self._ads, *self._feeds.values()) if isinstance(feed, StreamFeed)}
        return tuple(feed.status() for feed in feeds.values())

    def _recall(self, watch: Watch) -> None:
        known = self._recalled.get(watch.kind.url)
        if known is None or isinstance(watch.source, PathSource):
            return
        update = watch.recall(known, self.decoder)
        if update.changed:
            log.warning("%s: %d recalled from the journal", watch.kind.url, len(update.changed))
            self._journal_in_use.set(1)
        self._announce(watch, update, "")

    def _stop_recalling(self, spoken_of: Watch) -> None:
        """A server that is there says what is not as it was; of a type of which nothing changed it may say nothing."""
        feed = self._feeds[spoken_of.kind.url, spoken_of.source]
        for (type_url, _), watch in self._watches.items():
            if self._feeds[type_url, watch.source] is feed:
                watch.is_recalled = False
                self._recalled.pop(type_url, None)
        self._journal_in_use.set(int(any(watch.is_recalled for watch in self._watches.values())))

    def _speaks_sotw(self, source: Source) -> bool:
        if isinstance(source, PathSource):
            return True
        api = self._config.ads if isinstance(source, AdsSource) else source
        return api is not None and not api.delta

    def _feed_for(self, watch: Watch) -> Feed:
        source = watch.source
        if isinstance(source, PathSource):
            return self._file_feed(source, watch)
        feed = self._aggregated() if isinstance(source, AdsSource) else self._own_stream(source, watch)
        feed.add(watch)
        return feed

    def _aggregated(self) -> StreamFeed:
        if self._config.ads is None:
            raise ConfigError(FieldPath("config_source") / "ads", "the bootstrap has no ads_config")
        if self._ads is None:
            self._ads = self._stream_feed(
                self._config.ads, ADS_DELTA if self._config.ads.delta else ADS_STREAM, self._stats.scope("control_plane.")
            )
        return self._ads

    def _own_stream(self, source: ApiSource, watch: Watch) -> StreamFeed:
        method = watch.kind.delta_method if source.delta else watch.kind.stream_method
        if not method:
            raise ConfigError(FieldPath("config_source") / "api_config_source", f"{watch.kind.url} has no service of its own")
        return self._stream_feed(source, method, watch.scope().scope("control_plane."))

    def _stream_feed(self, source: ApiSource, method: str, stats: Scope) -> StreamFeed:
        return StreamFeed(
            source,
            method,
            self._config.node,
            deliver=self._take_in,
            wall=self._clock.wall,
            jitter=self._jitter,
            stats=stats,
        )

    def _file_feed(self, source: PathSource, watch: Watch) -> FileFeed:
        if self._parse_file is None:
            raise ConfigError(FieldPath("config_source") / "path_config_source", "files are not supported here")
        if self._watcher is None:
            self._watcher = DirectoryWatcher()
        return FileFeed(source, watch, self._parse_file, self._watcher, self._take_in)

    async def _take_in(self, watch: Watch, response: Response) -> None:
        arrived = self._clock.now()
        if self._recalled:
            self._stop_recalling(watch)
        intake = watch.intake(response, self.decoder, arrived, self._clock.wall())
        slice_end = arrived + SLICE
        while intake.step():
            if self._clock.now() >= slice_end:
                await asyncio.sleep(0)
                slice_end = self._clock.now() + SLICE
        update = watch.finish(intake, response.version_info, self._clock.wall(), took=self._clock.now() - arrived)
        self._announce(watch, update, response.version_info)
        self._arm()

    def _announce(self, watch: Watch, update: Update, version_info: str) -> None:
        type_url = watch.kind.url
        try:
            if update.changed or update.removed:
                self._listener.on_update(type_url, update.changed, update.removed, version_info)
            for name in update.settled:
                self._listener.on_settled(type_url, None if name == STAR else name)
        except Exception:
            # A bug of ours in the listener must not cost the stream: the server would send nothing again.
            log.exception("update of %s %s was not taken", watch.kind.noun, version_info)

    def _arm(self) -> None:
        """One timer for the earliest deadline of all subscriptions."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadlines = [deadline for watch in self._watches.values() if (deadline := watch.next_deadline()) is not None]
        if deadlines and self._running:
            delay = max(0.0, min(deadlines) - self._clock.now())
            self._timer = asyncio.get_running_loop().call_later(delay, self._expire)

    def _expire(self) -> None:
        for watch in tuple(self._watches.values()):
            self._announce(watch, watch.expire(self._clock.now()), watch.version_info)
        self._arm()
