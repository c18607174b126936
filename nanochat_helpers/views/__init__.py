"""Pictures as text: pure functions that take data and give one HTML string. No widgets, no model."""
