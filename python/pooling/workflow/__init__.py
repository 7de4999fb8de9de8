"""What make needs to know: which models and figures a study has, and what depends on what."""
