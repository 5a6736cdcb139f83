"""The paper exchange speaking Binance spot REST (https://developers.binance.com/docs/binance-spot-api-docs/rest-api)."""
