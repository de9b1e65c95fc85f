"""The Scrapy project: sources of reviews and news, and the way of their records into `raw`."""
