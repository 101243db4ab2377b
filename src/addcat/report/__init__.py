"""Rows become text: `rows` writes numbers, `page` says what a page is made of, `text` prints it."""
