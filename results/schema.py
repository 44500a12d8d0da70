"""The database's tables. They are written in ``store.py`` and read there and in ``queries.py``.

No text has a greatest length: SQLite ignores it, and other databases would refuse or cut a long name.
"""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, MetaData, Table, Text

SCHEMA_VERSION = 5
"""Raise it when a table changes, and say in ``store.py`` what becomes of logs of the version before."""

METADATA = MetaData()

RUN = Table(
    "run",
    METADATA,
    Column("key", Text, primary_key=True),
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
    Column("hash", Text, nullable=False),
    Column("proposed_hash", Text, nullable=False),
    Column("fingerprint", Text),
    Column("outcome", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("scored_id", Integer, ForeignKey("individuals.id"), nullable=False),
    Column("update_scale", Float, nullable=False),
    Column("num_statements", Integer, nullable=False),
    Column("num_live_statements", Integer, nullable=False),
    Column("num_states", Integer, nullable=False),
    Column("num_canonical_statements", Integer, nullable=False),
    Index("individuals_by_hash", "hash"),
)

OUTCOME_INDEX = Index("individuals_by_outcome", INDIVIDUALS.c.outcome)
"""Since schema 4."""

EVALUATIONS = Table(
    "evaluations",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("individual_id", Integer, ForeignKey("individuals.id")),
    Column("stage", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("part", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("loss", Float),
    Column("num_steps", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Index("evaluations_by_subject", "subject"),
)

PROGRAMS = Table(
    "programs",
    METADATA,
    Column("hash", Text, primary_key=True),
    Column("individual_id", Integer, ForeignKey("individuals.id"), nullable=False),
    Column("num_states", Integer, nullable=False),
    Column("num_seeds", Integer, nullable=False),
    Column("fitness", Float),
    Column("judged", Float),
    Index("programs_by_judged", "num_states", "judged"),
)
"""What the log says of each program it trained, up to a place: made of the other tables by ``digest.py``."""

IMMIGRANTS = Table(
    "immigrants",
    METADATA,
    Column("draw", Integer, primary_key=True, autoincrement=False),
    Column("origin", Text, nullable=False),
    Column("program", Text, nullable=False),
)
"""What came in from other islands of the study, by the draw in whose place it is proposed. Since schema 5."""
