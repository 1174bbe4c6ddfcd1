"""The browser face: pages rendered on the server, kept live by htmx. Calls operations, nothing below them."""
