"""The map page: what is published, shown in a browser and told to programs. Read-only."""
