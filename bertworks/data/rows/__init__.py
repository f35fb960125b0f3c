"""From rows to examples: filtered, mapped, cleaned, merged, split; refused ones in the log."""
