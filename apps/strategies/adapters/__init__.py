"""The hot strategies, kept close to the worker that matches them."""
