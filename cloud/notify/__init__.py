"""Messages out, through an outbox with receipts."""
