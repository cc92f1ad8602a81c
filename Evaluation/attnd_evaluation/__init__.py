"""How well attnd hears its keywords: long streams, engines, scores, a page of tables and pictures."""
