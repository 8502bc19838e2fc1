"""Maintenance of a database, as a gateway sets it up."""

from sipgw.config.config import GatewayConfig
from sipgw.outbound.jobs import Jobs
from sipgw.policy.gate import audit
from sipgw.records.artifacts.artifact import Artifacts
from sipgw.records.artifacts.maintenance import Maintenance
from sipgw.records.store.store import Store


def maintenance(store: Store, config: GatewayConfig, artifacts: Artifacts | None = None) -> Maintenance:
    """`artifacts` are the files that this process is writing."""
    return Maintenance(store, config, Jobs(store, "").purge, audit.masker(config.audit_folder), artifacts=artifacts)
