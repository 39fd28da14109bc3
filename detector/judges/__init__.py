"""One method of judging per file: what the trigger of a rule means for each series."""
