"""The 'Download your data' archives: finding, detecting and reading their files."""
