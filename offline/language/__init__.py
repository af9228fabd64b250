"""The language that both models speak: rules, how they are drafted, questions and answers."""
