"""What keeps MODNet from working in an app, found before users find it."""
