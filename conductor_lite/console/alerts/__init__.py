"""Alerts in the console: rules, targets, firings, and the forms for each type of rule."""
