"""Web pages as posts: plain ones through Scrapy, those that need JavaScript through a browser that is fenced in."""
