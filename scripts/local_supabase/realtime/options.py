"""What can be set about the server. The defaults are those of a self-hosted Supabase."""

from __future__ import annotations

from pydantic_settings import BaseSettings, SettingsConfigDict


class Options(BaseSettings):
    """Limits and waits. Each can be given in the environment as REALTIME_<NAME>.

    Names ending in _s are seconds. Rates are averages over a minute: short bursts pass.
    """

    model_config = SettingsConfigDict(env_prefix="REALTIME_")

    # A delivery counts like a send, so a message to nine subscribers is ten events.
    max_events_per_second: int = 100
    max_joins_per_second: int = 100
    max_presence_events_per_second: int = 1000
    max_concurrent_users: int = 200
    max_channels_per_client: int = 100
    max_payload_kb: int = 3000
    max_frame_bytes: int = 5_000_000
    # What a client may leave unread before it is cut off.
    max_unread_bytes: int = 50_000_000
    client_presence_calls: int = 5
    client_presence_window_s: float = 30.0
    private_only: bool = False

    # Refusals are slow on purpose: a client in a loop must not become a load.
    connect_error_backoff_s: float = 2.0
    channel_error_backoff_s: float = 5.0
    idle_timeout_s: float = 60.0
    no_channel_timeout_s: float = 600.0
    token_check_s: float = 300.0
    replication_ready_s: float = 60.0

    replay_limit: int = 25
    messages_kept_h: int = 72
    poll_interval_s: float = 0.1
    poll_idle_s: float = 0.5
    poll_max_changes: int = 100
    poll_max_record_bytes: int = 1_048_576
    publication_check_s: float = 60.0
    # How long a subscription that failed for no fault of its own waits before it is tried again.
    subscribe_retry_s: float = 5.0

    database_connections: int = 4
    database_wait_s: float = 15.0
    # How long a join waits for the message stream to begin, so that nothing is missed right after it.
    stream_wait_s: float = 3.0
    # Without clients for this long, the server stops reading the database's log.
    database_idle_s: float = 660.0
    slot_suffix: str = ""

    @property
    def max_payload_bytes(self) -> int:
        return self.max_payload_kb * 1000 + 500
