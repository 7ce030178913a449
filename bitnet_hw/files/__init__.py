"""Files in and out: validated records, YAML and JSON with line numbers, whole-file writes."""
