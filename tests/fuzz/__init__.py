"""Every parser and session that faces radio, wire or paper, fed by a fuzzer. See `scripts/fuzz`."""
