"""The demo: a small shop under real traffic, a deployment that slows it, and what one is told."""
