"""Rotas 值班表: who stands on which post when, what is missing, and who has been on for too long."""
