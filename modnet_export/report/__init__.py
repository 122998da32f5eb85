"""One verification result, rendered as a page that stands alone, or as Markdown for a pull request."""
