"""The browser face: pages rendered on the server, kept live by htmx. Calls operations and nothing below them."""
