"""The desk: people who look at cases, what each of them may do, and the pages they do it on."""
