"""Puts the helpers beside this file (builders, factories) on the import path of every test."""
