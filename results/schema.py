"""The database's tables. They are written in ``store.py`` and read there and in ``queries.py``."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

SCHEMA_VERSION = 3
"""Raise it when a table changes, and say in ``store.py`` what becomes of logs of the version before."""

METADATA = MetaData()

RUN = Table(
    "run",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),  # JSON
)

INDIVIDUALS = Table(
    "individuals",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("draw", Integer, nullable=False),
    Column("seen", Integer),
    Column("repeat", Integer, nullable=False),
    Column("era", Integer, nullable=False),
    Column("parent_id", Integer, ForeignKey("individuals.id")),
    Column("retry_of", Integer, ForeignKey("individuals.id")),
    Column("mutation", Text, nullable=False),
    Column("program", Text, nullable=False),
    Column("hash", String(32), nullable=False),
    Column("proposed_hash", String(32), nullable=False),
    Column("fingerprint", String(32)),
    Column("outcome", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("scored_id", Integer, ForeignKey("individuals.id"), nullable=False),
    Column("update_scale", Float, nullable=False),
    Column("num_statements", Integer, nullable=False),
    Column("num_live_statements", Integer, nullable=False),
    Column("num_states", Integer, nullable=False),
    Column("num_canonical_statements", Integer, nullable=False),
    Index("individuals_by_hash", "hash"),
)

EVALUATIONS = Table(
    "evaluations",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("individual_id", Integer, ForeignKey("individuals.id")),
    Column("stage", String(16), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("task", String(64), nullable=False),
    Column("part", String(16), nullable=False),
    Column("seed", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("loss", Float),
    Column("num_steps", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Index("evaluations_by_subject", "subject"),
)
