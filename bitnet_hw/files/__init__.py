"""Files: YAML and JSON with line numbers, validated records, and writes that are all or nothing."""
