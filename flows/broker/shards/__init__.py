"""The shard process on Kafka: membership, files, lanes, what processes tell each other."""
