"""The engine on Apache Kafka: topics, shard logs as partitions, ingest, publishing, many processes."""
