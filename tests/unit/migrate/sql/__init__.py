"""Lexer and statements, by examples and by properties."""
