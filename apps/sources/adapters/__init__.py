"""The outside world of the sources app: guarded HTTP, media storage, pictures, OCR engines, crawlers."""
