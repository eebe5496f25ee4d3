"""serve-tools: MCP, HTTP tools and OpenAPI from the catalogue."""
