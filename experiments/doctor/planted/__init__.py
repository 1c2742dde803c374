"""For each network the mistakes that are planted in it."""
