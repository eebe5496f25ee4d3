"""Pages that an assistant shows beside an answer."""
