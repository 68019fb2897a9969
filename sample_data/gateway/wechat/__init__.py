"""A stand-in for WeChat Pay's API v3: signed calls, trades, refunds, bills, encrypted notifications."""
