"""What was decided, published to topics."""
