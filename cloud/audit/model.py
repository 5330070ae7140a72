"""The table of the audit chain."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from cloud.audit.chain import link
from cloud.database import Base


class AuditLine(Base):
    """One decision, or the heads of the incidents that one transaction wrote on. Only ever added to."""

    __tablename__ = "audit_lines"
    __table_args__ = (Index("ix_audit_lines_kind", "kind", "seq"), Index("ix_audit_lines_subject", "subject", "seq"))

    seq: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False
    )
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(200), default="")  # what it is about: an id
    actor: Mapped[str] = mapped_column(String(100), default="")  # an id, never a name: names can be forgotten
    body: Mapped[dict[str, Any]] = mapped_column(JSON())  # not JSONB: the chain covers the text as written
    prev_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))

    def computed(self, before: str) -> str:
        """What its hash must be."""
        content = {
            "seq": self.seq,
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "kind": self.kind,
            "subject": self.subject,
            "actor": self.actor,
            "body": self.body,
        }
        return link(content, before)
