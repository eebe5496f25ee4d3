"""The statements that find what a name means; one file each, read by `lookup`."""
