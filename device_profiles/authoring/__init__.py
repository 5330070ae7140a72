"""What helps people write profiles: notes, hints, skeletons, guesses, schemas, the table of devices."""
